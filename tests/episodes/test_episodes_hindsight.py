"""Labels that are asked for when an episode is over: how many, where, and that they are the same ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.safety_filter import SafetyFilter
from ampc.episodes.collection import CollectionSettings, Learner, collect, labels_in
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.hindsight import Hindsight, evenly, steps_to_ask
from ampc.episodes.recipe import Recipe, sampler_of, tasks_of_episodes
from ampc.episodes.setup import EpisodeSetup, RobotSettings
from ampc.episodes.shadow import ShadowSettings
from ampc.errors import SettingsError
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.settings import from_dict, to_dict
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.solvers.optimal_control import OptimalControlProblem
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks import TaskSettings
from ampc.tasks.flexible import FlexibleTaskSettings

ARM = RobotSettings("flexible-arm-1")
NMPC = NonlinearMPCControllerSettings(
    problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
)
SETUP = FlexibleSetup(ARM, ARM, nmpc=NMPC)
STEPS, EVERY = 40, 4
SHORT = CollectionSettings(
    episodes=2, seed=1000, regions=("random",), max_duration=STEPS * 0.004, fixed_length=True, workers=1
)
QUIET = Console(quiet=True)
DOUBTS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=120).map(np.array)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three policies with random weights."""
    spec = PolicySpec.for_robot(
        SETUP.build_model(), 0.004, (20.0, 10.0, 10.0), "gravity-compensation", flexible_inputs(),
        NetworkSettings("ffn", 16, 2),
    )  # fmt: skip
    folders = [tmp_path_factory.mktemp("policy") for _ in range(3)]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        Policy(spec).save(folder)
    return folders


@given(doubt=DOUBTS, every=st.integers(1, 12), share=st.floats(0.0, 1.0))
def test_the_number_of_labels_is_the_same_wherever_they_are_asked_for(doubt, every, share):
    asked = steps_to_ask(doubt, every, share)
    assert asked.sum() == labels_in(len(doubt), every)


@given(doubt=DOUBTS, every=st.integers(1, 12), share=st.floats(0.0, 1.0))
def test_the_steps_asked_about_are_those_of_largest_disagreement(doubt, every, share):
    asked = np.flatnonzero(steps_to_ask(doubt, every, share))
    count = labels_in(len(doubt), every)
    left = np.setdiff1d(np.arange(len(doubt)), asked)
    doubtful = round(share * count)
    if doubtful == 0:
        np.testing.assert_array_equal(asked, np.arange(0, len(doubt), every))
        return
    even = np.arange(count - doubtful) * len(doubt) // max(1, count - doubtful)
    chosen = np.setdiff1d(asked, even)
    apart = max(1, every // 2)
    for step in left:  # whoever was passed over was next to someone who was chosen before, for greater doubt
        near = asked[np.abs(asked - step) < apart]
        near = near[np.isin(near, even) | (doubt[near] >= doubt[step])]
        assert len(near) or doubt[step] <= doubt[chosen].min()


def test_the_largest_alone():
    doubt = np.array([0.1, 0.2, 0.9, 0.8, 0.1, 0.3, 0.7, 0.0])
    np.testing.assert_array_equal(np.flatnonzero(steps_to_ask(doubt, 2, 1.0)), [2, 3, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(steps_to_ask(doubt, 4, 1.0)), [2, 6])
    np.testing.assert_array_equal(np.flatnonzero(steps_to_ask(doubt, 4, 0.5)), [0, 2])


@given(count=st.integers(0, 200), share=st.floats(0.0, 1.0))
def test_a_share_of_places_is_spread_evenly(count, share):
    places = np.flatnonzero(evenly(count, share))
    assert len(places) == int(np.floor(share * count + 1e-9))
    if len(places) > 2:
        assert np.ptp(np.diff(places)) <= 1


def made(folder: Path, policies: list[Path], setup: FlexibleSetup = SETUP, **shadow: object):
    learner = Learner(policies[0], ShadowSettings(ask_every=EVERY, **shadow), tuple(policies[1:]))  # type: ignore[arg-type]
    return collect(setup, FlexibleTaskSettings(), SHORT, folder, QUIET, learner)


def test_labels_in_hindsight_are_those_of_the_shadow(tmp_path, policies):
    """With derivatives only: the steps are the same, and the expert has known the same at each."""
    shadowed = made(tmp_path / "shadow", policies)
    asked = made(tmp_path / "hindsight", policies, derivative_share=1e-9)
    for name in ("observation.state", "action", "action.applied", "action.is_label"):
        np.testing.assert_allclose(shadowed.frames[name], asked.frames[name], atol=1e-7, err_msg=name)
    assert not asked.frames["action.has_derivative"].any()
    assert "action.derivative" not in shadowed.frames


def test_the_expert_drives_its_share_and_is_asked_all_the_same(tmp_path, policies):
    data = made(tmp_path, policies, beta=0.5, mixing="step", doubtful_share=0.5)
    assert (data.label_counts <= labels_in(STEPS, EVERY)).all()
    assert (data.label_counts >= labels_in(STEPS, EVERY) // 2).all()
    again = made(tmp_path / "again", policies, beta=0.5, mixing="step", doubtful_share=0.5)
    for name in ("action", "action.is_label"):
        np.testing.assert_array_equal(data.frames[name], again.frames[name])


def test_the_ensemble_decides_where_to_ask(tmp_path, policies):
    shadow = ShadowSettings(ask_every=EVERY, doubtful_share=1.0)
    learner = Learner(policies[0], shadow, tuple(policies[1:]))
    loop = Recipe(SETUP, FlexibleTaskSettings(), SHORT, learner).loop()
    data = made(tmp_path, policies, doubtful_share=1.0)
    assert loop.hindsight is not None
    sampler = sampler_of(SETUP.build_robot(), FlexibleTaskSettings())
    for number, task in enumerate(tasks_of_episodes(sampler, SHORT, range(2))):
        episode = loop.run(task, SHORT)
        doubt = loop.hindsight.disagreement(episode)
        assert np.ptp(doubt) > 0.01
        asked = steps_to_ask(doubt, EVERY, 1.0)
        is_label = data.frames["action.is_label"][number * STEPS : (number + 1) * STEPS, 0] > 0.5
        assert not (is_label & ~asked).any()
        assert is_label.sum() > 0.5 * asked.sum()


def test_a_share_of_the_labels_comes_with_derivatives(tmp_path, policies):
    finer = replace(SETUP, plant_robot=RobotSettings("flexible-arm-2"))
    data = made(tmp_path, policies, finer, derivative_share=0.5)
    found = data.frames["action.derivative"].reshape(-1, 3, 2 * SETUP.build_model().n_joints)
    known = data.frames["action.has_derivative"][:, 0] > 0.5
    assert np.isfinite(found).all()
    assert (np.abs(found).max(axis=(1, 2)) > 0.0)[known].all()
    assert not found[~known].any()
    asked = data.frames["action.is_label"][:, 0] > 0.5
    assert not (known & ~asked).any()
    assert 0.3 < known.sum() / asked.sum() <= 0.5


def test_the_derivative_is_that_of_the_experts_command():
    plant, expert = SETUP.build()
    task = sampler_of(SETUP.build_robot(), FlexibleTaskSettings()).sample(1, "random", 1003, 0)[0]
    measurement = plant.reset(task)
    expert.reset(task)
    for _ in range(150):  # past the start, where torques are at their limits
        measurement = plant.step(expert.act(measurement))
    expert.act(measurement)
    gain = expert.derivative()  # type: ignore[attr-defined]
    assert gain is not None
    estimate, situation = expert.estimate, expert.last_step.situation  # type: ignore[attr-defined]
    query = expert._query(estimate, situation)  # type: ignore[attr-defined]
    solver = RealTimeIteration(OptimalControlProblem(SETUP.build_model(), NMPC.problem))
    gravity = expert._brake.gravity_torque  # type: ignore[attr-defined]
    first = solver.converge(query)
    n, step = len(estimate.q), 1e-4
    for entry in range(2 * n):
        moved = query.x0.copy()
        moved[entry] += step
        torque = solver.converge(replace(query, x0=moved), guess=first).u[0]
        change = (torque - gravity(moved[:n]) - first.u[0] + gravity(query.x0[:n])) / step
        assert np.abs(gain[:, entry] - change).max() < 0.05 + 0.1 * np.abs(gain).max()


def test_what_cannot_be_asked_in_hindsight_is_refused(policies):
    doubtful = ShadowSettings(doubtful_share=0.5)
    blind = replace(SHORT, true_state=True)
    with pytest.raises(SettingsError, match="true state"):
        Recipe(SETUP, FlexibleTaskSettings(), blind, Learner(policies[0], doubtful, tuple(policies))).loop()
    with pytest.raises(SettingsError, match="at least two members"):
        Recipe(SETUP, FlexibleTaskSettings(), SHORT, Learner(policies[0], doubtful)).loop()
    _, expert = EpisodeSetup().build()
    with pytest.raises(SettingsError, match="no derivative"):
        Hindsight(expert, [], ShadowSettings(derivative_share=0.5))
    with pytest.raises(SettingsError, match=r"doubtful_share is 1\.5"):
        ShadowSettings(doubtful_share=1.5)


def test_a_guarded_learner_drives_behind_the_filter(tmp_path, policies):
    setup = GuardedSetup(ARM, ARM, nmpc=NMPC)
    assert from_dict(GuardedSetup, to_dict(setup)) == setup
    learner = Learner(policies[0], ShadowSettings(ask_every=EVERY))
    loop = Recipe(setup, FlexibleTaskSettings(), SHORT, learner).loop()
    assert isinstance(loop.controller, SafetyFilter)
    assert loop.controller.controller is loop.shadowed
    assert not isinstance(Recipe(setup, FlexibleTaskSettings(), SHORT).loop().controller, SafetyFilter)
    guarded = made(tmp_path / "guarded", policies, setup)
    alone = made(tmp_path / "alone", policies)
    # Random weights throw the arm about: the filter sends other torques, and the data hold what was sent.
    assert np.abs(guarded.frames["action.applied"] - alone.frames["action.applied"]).max() > 0.1
    sent = guarded.frames["torque.applied"] - guarded.frames["torque.compensation"]
    late = np.arange(2 * STEPS) % STEPS > 15  # in the first moments a share of the command is applied
    np.testing.assert_allclose(guarded.frames["action.applied"][late], sent[late], atol=1e-6)
    hindsight = made(tmp_path / "hindsight", policies, setup, derivative_share=1e-9)
    for name in ("observation.state", "action", "action.is_label"):
        np.testing.assert_allclose(guarded.frames[name], hindsight.frames[name], atol=1e-7, err_msg=name)


def test_rigid_arms_have_nothing_to_guard():
    recipe = Recipe(EpisodeSetup(), TaskSettings(), CollectionSettings(max_duration=0.1))
    assert recipe.loop().hindsight is None
