"""Derivatives of labels in the loss, and the ensemble that says where to ask: DAgger with few labels."""

import csv
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_data import DAMPING, GAIN, N_JOINTS, linear_columns, linear_frames, small_spec
from rich.console import Console

import ampc.learning.training
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.collection import labels_in
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import EpisodeSetup, RobotSettings
from ampc.errors import SettingsError
from ampc.learning.behaviour_cloning import command_loss, fit_policy, make_policy, make_samples
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.learning.sobolev import DerivativeError
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.windows import Frames, Windows
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import load_robot
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.tasks.flexible import FlexibleTaskSettings

QUIET = Console(quiet=True)
SOBOLEV = SobolevSettings(form="derivative")


def linear_derivatives(share: float = 0.5) -> Frames:
    """The closed loop whose law is known, some of its labels with the law's own derivative."""
    columns, starts, lengths = linear_columns(12)
    rows = len(columns["action"])
    law = np.hstack([-np.diag(GAIN), -np.diag(DAMPING)])
    known = (np.arange(rows) % round(1 / share) == 0)[:, None].astype(float)
    columns |= {"action.derivative": known * law.ravel(), "action.has_derivative": known}
    return Frames.from_columns(columns, starts, lengths)


@pytest.fixture(scope="module")
def policy() -> Policy:
    frames = linear_frames(12)
    return make_policy(small_spec(history=2), frames, np.arange(12), seed=0).eval()


def test_the_loss_of_derivatives_is_that_of_finite_differences(policy: Policy) -> None:
    """In double precision, along the same random directions."""
    frames, precise = linear_derivatives(), Policy(policy.spec).double()
    precise.load_state_dict(policy.state_dict())
    precise.eval()
    batch = Windows(frames, np.arange(12), history=2).batch(torch.arange(40))
    batch = type(batch)(*(each if each is None else each.double() for each in batch))
    error = DerivativeError.of(frames, SOBOLEV)
    error = dataclasses.replace(error, unit=error.unit.double())
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(3)
        found, known = error.errors(precise, batch)
        torch.manual_seed(3)
        moved = error.unit * torch.randn(int(known.sum()), 2 * N_JOINTS)
        with torch.no_grad():
            step, shift = 1e-6, torch.zeros_like(batch.states[known])
            shift[:, -1] = moved
            others = [each[known] for each in (batch.reference, batch.goal, batch.past_commands)]
            ahead, behind = (precise(batch.states[known] + sign * step * shift, *others) for sign in (1, -1))
            slopes = (ahead - behind) / (2.0 * step)
            assert batch.derivatives is not None
            expected = slopes - torch.einsum("bmx,bx->bm", batch.derivatives[known, -1], moved)
    finally:
        torch.set_default_dtype(torch.float32)
    assert 15 < known.sum() < 25
    scale = float(np.sqrt(1e-3)) / precise.command_limit
    torch.testing.assert_close(found.detach(), expected * scale, rtol=1e-5, atol=1e-7)


def test_the_tangent_is_learned_as_the_expert_would_go_on(policy: Policy) -> None:
    """Where the policy is the expert itself, nothing is left of the error; the limit cuts both."""
    frames = linear_derivatives()

    class Expert(torch.nn.Module):
        command_limit, spec = policy.command_limit, policy.spec

        def forward(self, states: torch.Tensor, reference: torch.Tensor, *_: Any) -> torch.Tensor:
            q, dq = states[:, -1].chunk(2, dim=-1)
            return -torch.tensor(GAIN) * (q - reference) - torch.tensor(DAMPING) * dq

        def saturate(self, commands: torch.Tensor) -> torch.Tensor:
            return commands.clamp(-1000.0, 1000.0)

    batch = Windows(frames, np.arange(12), history=2).batch(torch.arange(40))
    for form in ("tangent", "derivative"):
        error = DerivativeError.of(frames, SobolevSettings(form=form))  # type: ignore[arg-type]
        found, _ = error.errors(Expert(), batch)  # type: ignore[arg-type]
        assert found.abs().max() < 1e-4


def test_derivatives_count_in_training_alone_and_only_where_there_are_some(policy: Policy) -> None:
    frames = linear_derivatives()
    samples = Windows(frames, np.arange(12), history=2)
    batch, error = samples.batch(torch.arange(40)), DerivativeError.of(frames, SOBOLEV)
    plain, with_them = command_loss(policy, 0.05), command_loss(policy, 0.05, derivative=error)
    policy.eval()
    assert float(plain(batch)[0]) == float(with_them(batch)[0])
    policy.train()
    assert float(plain(batch)[0]) < float(with_them(batch)[0])
    none = batch._replace(derivatives=torch.full_like(batch.derivatives, torch.nan))  # type: ignore[arg-type]
    assert float(plain(none)[0]) == float(with_them(none)[0])
    policy.eval()


def test_parts_without_derivatives_join_those_with_some() -> None:
    parts = [linear_frames(3), linear_derivatives(), linear_frames(2, seed=1)]
    joined = Frames.joined(parts)
    assert joined.derivatives is not None
    known = torch.isfinite(joined.derivatives).all(2).all(1)
    before = len(parts[0].states)
    assert not known[:before].any()
    assert known[before : before + len(parts[1].states) : 2].all()
    assert Frames.joined(parts[:1]).derivatives is None


def test_a_training_with_derivatives_goes_on_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ampc.learning.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    frames, settings = linear_derivatives(), TrainingSettings(epochs=4, batch_size=32, patience=4)

    def train(folder: Path) -> Policy:
        fresh = make_policy(small_spec(history=2), frames, np.arange(10), seed=0)
        return fit_policy(
            fresh, frames, np.arange(10), np.arange(10, 12), settings, folder, {}, QUIET, SobolevSettings()
        )

    whole = train(tmp_path / "whole").state_dict()
    run, left = ampc.learning.training._run_epoch, iter(range(2))

    def mortal(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(ampc.learning.training, "_run_epoch", mortal)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped")
    monkeypatch.setattr(ampc.learning.training, "_run_epoch", run)
    again = train(tmp_path / "stopped").state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    without = make_policy(small_spec(history=2), frames, np.arange(10), seed=0)
    fit_policy(without, frames, np.arange(10), np.arange(10, 12), settings, tmp_path / "plain", {}, QUIET)
    assert not all(torch.equal(whole[name], without.state_dict()[name]) for name in whole)


def test_few_labels_teach_more_with_derivatives(tmp_path: Path) -> None:
    """Sixteen labels of a known law; judged on states that nobody has asked about."""
    frames, judged = linear_derivatives(1.0), linear_frames(30, seed=5)
    rows = torch.zeros(len(frames.states), dtype=torch.bool)
    rows[:: len(rows) // 16] = True
    frames = dataclasses.replace(frames, labelled=rows)
    test = make_samples(judged, np.arange(30), small_spec(history=1), TrainingSettings())
    errors = []
    for number, sobolev in enumerate((None, SobolevSettings(radius=1.0))):
        settings = TrainingSettings(epochs=250, batch_size=16, learning_rate=3e-3, patience=250)
        fresh = make_policy(small_spec(history=1, width=32), frames, np.arange(12), seed=0)
        folder = tmp_path / str(number)
        learned = fit_policy(
            fresh, frames, np.arange(12), np.arange(12), settings, folder, {}, QUIET, sobolev
        )
        errors.append(ampc.learning.training.mean_loss(learned, command_loss(learned), test, 64))
    assert errors[1] < 0.7 * errors[0]


STEPS, EVERY, ROUNDS = 24, 4, 2
ARM = RobotSettings("flexible-arm-1")
NMPC = NonlinearMPCControllerSettings(
    problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
)
EACH = labels_in(STEPS, EVERY)
PLAIN = DaggerSettings(
    rounds=ROUNDS, labels=2 * STEPS + ROUNDS * 2 * EACH, ask_every=EVERY, epochs=2, members=2,
    demonstration_share=2 * STEPS / (2 * STEPS + ROUNDS * 2 * EACH),
)  # fmt: skip
FEWER = dataclasses.replace(PLAIN, doubtful_share=0.5, derivative_share=0.5)


def learn(folder: Path, settings: DaggerSettings, setup: FlexibleSetup) -> Policy:
    collection = CollectionSettings(
        seed=1000, regions=("random",), max_duration=STEPS * 0.004, fixed_length=True, workers=1
    )
    spec = PolicySpec.for_robot(
        setup.build_model(), 0.004, (20.0, 10.0, 10.0), "gravity-compensation", flexible_inputs(),
        NetworkSettings("ffn", 16, 2),
    )  # fmt: skip
    teaching = Teaching(setup, FlexibleTaskSettings(), collection)
    return dagger(teaching, spec, TrainingSettings(epochs=2), settings, folder, QUIET)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All options at once: doubtful labels, derivatives, behind the filter."""
    folder = tmp_path_factory.mktemp("fewer") / "dagger"
    learn(folder, FEWER, GuardedSetup(ARM, ARM, nmpc=NMPC))
    return folder


def test_all_options_together_keep_to_the_budget(fewer: Path) -> None:
    with (fewer / "rounds.csv").open() as file:
        given = [int(row["labels"]) for row in csv.DictReader(file)]
    assert given[-1] <= FEWER.labels
    for number in range(1, ROUNDS + 1):
        data = Dataset.open(fewer / "rounds" / str(number) / "dataset")
        assert (data.label_counts <= EACH).all()
        known = data.frames["action.has_derivative"][:, 0]
        assert 0 < known.sum() <= data.label_counts.sum() / 2 + 1
        assert len(list((fewer / "rounds" / str(number - 1) / "members").iterdir())) == FEWER.members
    assert not (fewer / "rounds" / str(ROUNDS) / "members").exists()


def test_stopped_between_its_parts_it_ends_with_the_same_bits(fewer: Path, tmp_path: Path) -> None:
    """What a kill leaves: a round with half of its ensemble, and nothing after it."""
    folder = tmp_path / "killed"
    shutil.copytree(fewer, folder)
    for path in (folder / "rounds" / "1" / "members" / "1", folder / "rounds" / "2"):
        shutil.rmtree(path)
    found = learn(folder, FEWER, GuardedSetup(ARM, ARM, nmpc=NMPC)).state_dict()
    whole = Policy.load(fewer).state_dict()
    assert all(torch.equal(whole[name], found[name]) for name in whole)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    spec = PolicySpec.for_robot(load_robot("rigid-arm"), 0.05, (10.0,) * 3, network=NetworkSettings("gru", 8))
    teaching = Teaching(EpisodeSetup(), collection=CollectionSettings(max_duration=0.1))
    with pytest.raises(SettingsError, match="not for recurrent"):
        dagger(teaching, spec, TrainingSettings(), DaggerSettings(derivative_share=0.1), tmp_path)
    with pytest.raises(SettingsError, match="one network alone"):
        DaggerSettings(members=1)
    with pytest.raises(SettingsError, match="doubtful_share is 2"):
        DaggerSettings(doubtful_share=2.0)
    measured = dataclasses.replace(linear_frames(3), references=torch.zeros(1, 3))
    with pytest.raises(SettingsError, match="all 3 joints"):
        DerivativeError.of(measured, SobolevSettings())
