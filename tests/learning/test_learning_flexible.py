"""DAgger from the nonlinear MPC of an arm with flexible links, small: data, labels, policy in the loop."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import RobotSettings
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import load_robot
from ampc.settings import from_dict, to_dict
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.tasks.flexible import FlexibleTaskSampler, FlexibleTaskSettings
from ampc.tasks.variation import VariationSettings

SETUP = FlexibleSetup(
    RobotSettings("flexible-arm-1"),
    RobotSettings("flexible-arm-1"),
    nmpc=NonlinearMPCControllerSettings(
        problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
    ),
)
STEPS, EVERY = 30, 4
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
        labels=2 * STEPS + 2 * (-(-STEPS // EVERY)),
        demonstration_share=2 * STEPS / (2 * STEPS + 2 * (-(-STEPS // EVERY))),
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
