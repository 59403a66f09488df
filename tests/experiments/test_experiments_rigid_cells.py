"""Cells of the rigid arm that teach policies in other ways, or time solvers: small ones, run for real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Cell, Store, run_cell
from ampc.experiments.rigid import dagger_policies, goal_policies, label_policies, policies
from ampc.experiments.rigid.dagger_policies import DaggerPolicy
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.experiments.rigid.goal_policies import GoalPolicy, RefinedPolicy
from ampc.experiments.rigid.label_cost import CasadiQP, LabelCost, make_row, sample_states, time_single
from ampc.experiments.rigid.label_policies import LabelledPolicy
from ampc.experiments.rigid.policies import ClonedPolicy
from ampc.learning.dagger import Teaching
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.label_efficiency import LabelSettings
from ampc.learning.reference import ReferenceTraining
from ampc.learning.settings import TrainingSettings
from ampc.policies.policy import Policy
from ampc.policies.spec import InputSettings
from ampc.solvers import BatchJointMPC, ExactJointMPC, JointMPCSettings
from ampc.tasks import TaskSettings

COLLECTION = CollectionSettings(episodes=4, seed=1000)
TRAINING = TrainingSettings(epochs=1, batch_size=64)


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[Path, Policy]:
    """Policies by the file that they would have been exported to, which takes most of the time."""
    found: dict[Path, Policy] = {}
    for module in (dagger_policies, goal_policies, label_policies, policies):
        monkeypatch.setattr(module, "export_onnx", lambda policy, path: found.update({path: policy}))
    return found


def run(cell: Cell, store: Store, exported: dict[Path, Policy]) -> Policy:
    for each in (*cell.ingredients, cell):
        if not store.is_finished(each):
            _, error = run_cell(("cell", each, store))
            assert error is None, error
    return exported[store.folder(cell) / "policy.onnx"]


def test_a_policy_finds_its_own_reference_and_refines_it(tmp_path: Path, exported) -> None:
    cloned = ClonedPolicy(Demonstrations(COLLECTION), TRAINING, InputSettings(history=2))
    own = GoalPolicy(cloned, ReferenceTraining(pairs=300, steps=20))
    refined = RefinedPolicy(own, 3)
    assert own.setup == refined.setup == cloned.setup
    store = Store(tmp_path)
    alone = run(cloned, store, exported)
    found, better = (run(cell, store, exported) for cell in (own, refined))
    assert alone.spec.reference_network is None
    assert found.spec.reference_network is not None
    assert better.spec.reference_network == replace(found.spec.reference_network, refinements=3)
    weights = [dict(policy.named_parameters()) for policy in (found, better)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_taught_policy_says_how_long_its_window_was(tmp_path: Path, exported) -> None:
    store, dagger = Store(tmp_path), DaggerSettings(rounds=1, labels=600, epochs=1)
    teaching = Teaching(EpisodeSetup(), TaskSettings(), COLLECTION)
    windows = {}
    for name, inputs in (
        ("fixed", InputSettings(history=3)),
        ("adaptive", InputSettings(history=8, window="longer-near-singularities")),
    ):
        cell = DaggerPolicy(teaching, TRAINING, dagger, inputs)
        assert run(cell, store, exported).spec.inputs == inputs
        windows[name] = store.values(cell)["mean_window"]
    assert windows["fixed"] == 3.0
    assert 2.0 <= windows["adaptive"] <= 8.0


def test_a_labelled_policy_reads_no_more_commands_than_it_has_labels(tmp_path: Path, exported) -> None:
    store = Store(tmp_path)
    settings = LabelSettings(labels=40, steps=5)
    cell = LabelledPolicy(Demonstrations(COLLECTION), settings, InputSettings(history=1))
    run(cell, store, exported)
    assert store.values(cell)["labels"] == 40 < store.values(cell)["pool"]


@pytest.mark.parametrize("states", ["closed-loop", "uniform"])
def test_states_of_the_comparison_of_solvers(states) -> None:
    settings = LabelCost(states, trajectories=3, steps=20)
    errors, velocities = sample_states(settings, BatchJointMPC(JointMPCSettings()))
    assert errors.shape == velocities.shape == (3, 20, 3)
    again = sample_states(settings, BatchJointMPC(JointMPCSettings()))
    np.testing.assert_array_equal(errors, again[0])
    if states == "closed-loop":  # the expert brings the arm to rest
        assert not velocities[:, 0].any()
        assert np.abs(errors[:, -1]).max() < 0.5 * np.abs(errors[:, 0]).max()


def test_a_solver_is_timed_and_held_against_the_exact_one() -> None:
    problem, exact = JointMPCSettings(), ExactJointMPC(JointMPCSettings())
    states = sample_states(LabelCost(trajectories=1, steps=4), BatchJointMPC(problem))
    solver = CasadiQP("piqp", problem, 3, False, {"error_on_fail": True})
    started: list[int] = []
    row = time_single(
        "piqp", solver.first_input, states, exact.first_input(*states), lambda: started.append(1)
    )
    assert row.worst_error is not None
    assert row.worst_error < 0.01
    assert len(started) == 1
    wrong = time_single("wrong", lambda *_: np.zeros(3), states, exact.first_input(*states))
    assert wrong.worst_error is not None
    assert wrong.worst_error > 1.0


def test_a_row_is_in_microseconds() -> None:
    row = make_row("any", np.full(10, 2e-6), np.array([[0.5, -3.0]]))
    assert (row.p50, row.p99, row.max, row.worst_error) == pytest.approx((2.0, 2.0, 2.0, 3.0))
