"""DAgger from the nonlinear MPC of an arm with flexible links, small: data, labels, policy in the loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from ampc.control.braking import Brake
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import EpisodeSetup, RobotSettings
from ampc.errors import SettingsError
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.goal_labels import SAMPLES, goal_frames
from ampc.learning.settings import TrainingSettings
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import load_robot
from ampc.settings import from_dict, to_dict
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks.flexible import FlexibleTaskSampler, FlexibleTaskSettings
from ampc.tasks.variation import VariationSettings

SETUP = FlexibleSetup(
    RobotSettings("flexible-arm-1"),
    RobotSettings("flexible-arm-1"),
    nmpc=NonlinearMPCControllerSettings(
        problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
    ),
)
STEPS, EVERY, GOALS = 30, 4, 3
TASKS = FlexibleTaskSettings(
    variation=VariationSettings(
        position_noise=(1.7e-3, 1.7e-3), end_effector_noise=(0.01, 0.01), stiffness_scale=(0.85, 1.1)
    )
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Policy]:
    """Two demonstrations, and a round of two episodes that the policy drives."""
    folder = tmp_path_factory.mktemp("dagger")
    collection = CollectionSettings(
        seed=1000, regions=("random", "near-wall"), max_duration=STEPS * 0.004, fixed_length=True, workers=1
    )
    spec = PolicySpec.for_robot(
        SETUP.build_model(),
        SETUP.plant.control_period,
        (20.0, 10.0, 10.0),
        "gravity-compensation",
        flexible_inputs(),
        NetworkSettings("ffn", 16, 2),
    )
    settings = DaggerSettings(
        rounds=1,
        labels=2 * STEPS + 2 * (-(-STEPS // EVERY)) + GOALS,
        goals=GOALS,
        demonstration_share=2 * STEPS / (2 * STEPS + 2 * (-(-STEPS // EVERY)) + GOALS),
        ask_every=EVERY,
        epochs=3,
    )
    policy = dagger(
        Teaching(SETUP, TASKS, collection), spec, TrainingSettings(epochs=3), settings, folder,
        Console(quiet=True),
    )  # fmt: skip
    return folder, policy


def test_rows_hold_what_a_robot_knows(learned: tuple[Path, Policy]) -> None:
    folder, policy = learned
    data = Dataset.open(folder / "rounds" / "0" / "dataset")
    states, n = data.frames["observation.state"], policy.spec.n_joints
    assert states.shape == (2 * STEPS, policy.spec.n_state) == (2 * STEPS, 2 * n + 1 + 8)
    error = np.abs(states[:, :n] - data.frames["state.true"][:, :n])
    assert error.max() < 0.05  # an estimate of the true state
    wall = SETUP.build_model().obstacles[0]
    np.testing.assert_allclose(states[0, 2 * n + 1 : 2 * n + 4], wall.normal)
    assert data.frames["action.is_label"].all()
    assert np.isfinite(data.frames["observation.reference"]).all()


def test_the_expert_is_asked_at_every_nth_step(learned: tuple[Path, Policy]) -> None:
    folder, _ = learned
    data = Dataset.open(folder / "rounds" / "1" / "dataset")
    is_label = data.frames["action.is_label"][:, 0].reshape(2, STEPS)
    asked = np.arange(STEPS) % EVERY == 0
    assert not is_label[:, ~asked].any()
    assert is_label[:, asked].mean() > 0.5  # but for steps at which the expert has no plan
    labels, applied = data.frames["action"], data.frames["action.applied"]
    rows = is_label.ravel() == 0.0
    np.testing.assert_array_equal(labels[rows], applied[rows])
    assert np.abs(labels[~rows] - applied[~rows]).max() > 1e-3
    assert list(data.label_counts) == list(is_label.sum(axis=1))


def test_labels_around_goals_are_those_of_the_expert(learned: tuple[Path, Policy]) -> None:
    folder, _ = learned
    collection = CollectionSettings(seed=1000, regions=("random", "near-wall"))
    frames = goal_frames(SETUP, TASKS, collection, GOALS, folder / "goals.npz")
    assert len(frames.lengths) == GOALS * SAMPLES
    assert (frames.lengths == 1).all()
    assert frames.labelled.all()
    model = SETUP.build_model()
    n, brake = model.n_joints, Brake(model, SETUP.plant.control_period)
    problem = OptimalControlProblem(model, SETUP.nmpc.problem)
    rest = torch.cat([frames.references, torch.zeros_like(frames.references)], 1)
    size = (frames.states[:, : 2 * n] - rest).norm(dim=1)[:SAMPLES]  # of the first task, whose goal is free
    for row in size.argsort()[[0, SAMPLES // 2]].tolist():
        state, q = frames.states[row].double().numpy(), frames.references[row].double().numpy()
        query = Query(
            x0=state[: 2 * n],
            goal=frames.goals[row].double().numpy(),
            x_ref=np.concatenate([q, np.zeros(n)]),
            u_ref=brake.gravity_torque(q),
            stiffness_scale=float(np.exp(state[2 * n])),
        )
        plan = RealTimeIteration(problem).converge(query)
        command = plan.u[0] - brake.gravity_torque(state[:n])
        error = frames.commands[row].numpy() - command
        assert np.abs(error).max() < 0.01 + 0.05 * np.abs(command).max()


def test_rigid_arms_have_no_labels_around_goals(tmp_path: Path) -> None:
    spec = PolicySpec.for_robot(load_robot("rigid-arm"), 0.05, (10.0,) * 3)
    collection = CollectionSettings(max_duration=0.1)
    with pytest.raises(SettingsError, match="flexible links"):
        dagger(
            Teaching(EpisodeSetup(), collection=collection), spec, TrainingSettings(),
            DaggerSettings(rounds=0, labels=10, goals=2), tmp_path,
        )  # fmt: skip


def observed(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, references and goals of the round that the policy drove."""
    frames = Dataset.open(folder / "rounds" / "1" / "dataset").frames
    state, reference, goal = (frames[f"observation.{name}"] for name in ("state", "reference", "goal"))
    return state.copy(), reference.copy(), goal.copy()


def test_a_mirrored_world_mirrors_the_features(learned: tuple[Path, Policy]) -> None:
    folder, policy = learned
    n = policy.spec.n_joints

    def features(state: np.ndarray, reference: np.ndarray, goal: np.ndarray) -> torch.Tensor:
        inputs = (torch.tensor(each, dtype=torch.float32) for each in (state[:, None], reference, goal))
        with torch.no_grad():
            return policy.features(*inputs, torch.zeros(len(state), 1, 3)) * policy.features.deviation

    seen = features(*observed(folder))
    state, reference, goal = observed(folder)
    state[:, [0, n, 2 * n + 2, 2 * n + 6]] *= -1.0
    reference[:, 0] *= -1.0
    goal[:, 1] *= -1.0
    symmetry = policy.features.symmetry
    assert symmetry is not None
    visible = [each for each in range(symmetry.size) if each not in symmetry.bearing]
    found = features(state, reference, goal)[..., visible]
    # The links' plane leans by 0.8 mrad.
    np.testing.assert_allclose(found, (seen * policy.features.mirror)[..., visible], atol=0.03)


def test_where_the_arm_looks_does_not_matter(learned: tuple[Path, Policy]) -> None:
    folder, policy = learned
    n, angle = policy.spec.n_joints, 0.7
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )

    def command(state: np.ndarray, reference: np.ndarray, goal: np.ndarray) -> torch.Tensor:
        inputs = (torch.tensor(each, dtype=torch.float32) for each in (state[:, None], reference, goal))
        with torch.no_grad():
            return policy(*inputs, torch.zeros(len(state), 1, 3))

    before = command(*observed(folder))
    state, reference, goal = observed(folder)
    state[:, 0] += angle
    reference[:, 0] += angle
    goal = goal @ turn.T
    for first in (2 * n + 1, 2 * n + 5):
        state[:, first : first + 3] = state[:, first : first + 3] @ turn.T
    np.testing.assert_allclose(command(state, reference, goal), before, atol=2e-3)


def test_exported_policy_drives(learned: tuple[Path, Policy], tmp_path: Path) -> None:
    _, policy = learned
    path = tmp_path / "policy.onnx"
    export_onnx(policy, path)
    setup = FlexibleSetup(SETUP.robot, SETUP.plant_robot, kind="policy", nmpc=SETUP.nmpc, policy=path)
    assert from_dict(FlexibleSetup, to_dict(setup)) == setup
    plant, controller = setup.build()
    task = FlexibleTaskSampler(setup.build_robot(), TASKS).sample(1, "random", 1001)[0]
    episode = run_episode(plant, controller, task, 0.2)
    assert not episode.fallbacks
    learner = SETUP.build_learner(TorchPolicy(policy))
    same = run_episode(plant, learner, task, 0.2)
    np.testing.assert_allclose(episode.applied_torque, same.applied_torque, atol=1e-3)


def test_policy_that_is_not_finite_leaves_the_arm_braking() -> None:
    class Broken:
        name, saturated = "broken", False

        def reset(self, reference: object) -> None:
            pass

        def refer(self, q: object) -> None:
            pass

        def command(self, *state: object) -> np.ndarray:
            return np.full(3, np.nan)

    plant = SETUP.build()[0]
    task = FlexibleTaskSampler(load_robot("flexible-arm-1"), TASKS).sample(1, "random", 1001)[0]
    controller = SETUP.build_learner(Broken())  # type: ignore[arg-type]
    episode = run_episode(plant, controller, task, 0.2)
    assert len(episode.fallbacks) == 50
    assert np.isfinite(episode.applied_torque).all()
    assert np.abs(episode.final_dq).max() < 0.5
