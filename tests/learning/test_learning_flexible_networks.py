"""Every kind of network imitates the nonlinear MPC of an arm with flexible links, small, and drives it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import RobotSettings
from ampc.experiments.cell import Store
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.plants import PUBLISHED_NOISE
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.settings import Architecture, NetworkSettings, flexible_inputs
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.tasks.flexible import FlexibleTaskSampler

ARM = RobotSettings("flexible-arm-1")
GRID = GridSettings((8, 17), (0.004, 0.02), (1, 1))
SETUP = FlexibleSetup(ARM, ARM, nmpc=NonlinearMPCControllerSettings(problem=NonlinearMPCSettings(grid=GRID)))


@pytest.mark.parametrize(("architecture", "history"), [("lstm", 8), ("gru", 8), ("transformer", 4)])
def test_taught_exported_and_driving(architecture: Architecture, history: int, tmp_path: Path) -> None:

    cell = FlexiblePolicy(
        seed=0,
        dagger=DaggerSettings(rounds=1, labels=80, demonstration_share=0.75, ask_every=4, epochs=1),
        training=TrainingSettings(epochs=2, batch_size=32),
        network=NetworkSettings(architecture, 16, 1),
        inputs=flexible_inputs(history=history),
        setup=SETUP,
        duration=0.12,
    )
    figures = cell.run(tmp_path, Store(tmp_path / "cells"))
    assert figures["labels"] >= 60
    assert np.isfinite(figures["validation loss"])
    task = FlexibleTaskSampler(SETUP.build_robot()).sample(1, "random", 1001)[0]
    task = replace(task, variation=PUBLISHED_NOISE)
    plant, learner = SETUP.build()[0], SETUP.build_learner(TorchPolicy(Policy.load(tmp_path)))
    by_torch = run_episode(plant, learner, task, 0.12)
    for path in (tmp_path, tmp_path / "policy.onnx"):
        episode = run_episode(*replace(SETUP, kind="policy", policy=path).build(), task, 0.12)
        assert not episode.fallbacks
        np.testing.assert_allclose(episode.applied_torque, by_torch.applied_torque, atol=1e-3)
