"""Controllers that do harm: what they propose."""

import numpy as np
import pytest

from ampc.control.hostile import HOSTILITIES, HostileController
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, load_robot
from ampc.tasks.task import Task

STILL = Measurement(0.0, np.array([1.0, 0.9, -0.9]), np.zeros(3), None)


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm-1")


def proposals(arm: Robot, kind: str, seed: int, steps: int = 40) -> np.ndarray:
    controller = HostileController(kind, arm)  # type: ignore[arg-type]
    controller.reset(Task(0, "random", STILL.q, np.array([0.5, 0.2, 0.4]), STILL.q, seed))
    return np.array([controller.act(STILL) for _ in range(steps)])


@pytest.mark.parametrize("kind", sorted(set(HOSTILITIES) - {"nan", "raises"}))
def test_torques_are_within_limits_and_follow_from_the_seed(arm: Robot, kind: str) -> None:
    found = proposals(arm, kind, 7)
    assert (found >= arm.torque_limits[:, 0]).all()
    assert (found <= arm.torque_limits[:, 1]).all()
    assert np.array_equal(found, proposals(arm, kind, 7))


def test_each_kind_does_what_it_says(arm: Robot) -> None:
    upper = arm.torque_limits[:, 1]
    assert (np.abs(proposals(arm, "bang-bang", 1)) == upper).all()
    assert len(np.unique(proposals(arm, "bang-bang", 1), axis=0)) > 1
    assert len(np.unique(proposals(arm, "saturated", 1), axis=0)) == 1
    assert len(np.unique(proposals(arm, "frozen", 1, 200)[50:], axis=0)) == 1
    assert len(np.unique(proposals(arm, "untrained", 1), axis=0)) == 1
    assert not np.array_equal(proposals(arm, "untrained", 1)[0], proposals(arm, "untrained", 2)[0])
    assert np.isnan(proposals(arm, "nan", 1)).all()
    with pytest.raises(RuntimeError):
        proposals(arm, "raises", 1)


def test_an_unknown_kind_is_refused(arm: Robot) -> None:
    with pytest.raises(SettingsError, match="choose from"):
        HostileController("rude", arm)  # type: ignore[arg-type]
