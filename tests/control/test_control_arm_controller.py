import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampc.arrays import FloatArray
from ampc.control.arm_controller import BRAKING_TIME, LONGEST_SENSOR_GAP, ArmController
from ampc.control.feedback import Reference
from ampc.control.torque_laws import ComputedTorque
from ampc.plants.measurement import Measurement
from ampc.robots import InverseKinematics, Robot, RobotDynamics, load_robot
from ampc.tasks.task import Task


class ScriptedLaw:
    """Returns (or raises) what it is told."""

    name = "scripted"
    needs_reference = True
    saturated = False

    def __init__(self, n: int, output: object = None) -> None:
        self.command_limit = np.full(n, 10.0)
        self.output: object = np.zeros(n) if output is None else output
        self.reference: Reference | None = None

    def reset(self, reference: Reference) -> None:
        self.reference = reference

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        if isinstance(self.output, Exception):
            raise self.output
        return self.output  # type: ignore[return-value]


def make(robot: Robot, output: object = None) -> tuple[ArmController, ScriptedLaw]:
    law = ScriptedLaw(robot.n_joints, output)
    torque_law = ComputedTorque(RobotDynamics(robot), control_period=0.0)
    return ArmController(robot, law, torque_law, InverseKinematics(robot), 0.05), law


def reaching_task(robot: Robot, goal: FloatArray | None = None) -> Task:
    goal = RobotDynamics(robot).end_effector(robot.home) if goal is None else goal
    return Task(0, "interior", robot.home, np.asarray(goal, dtype=float), robot.home, seed=0)


def at(
    robot: Robot, time: float = 0.0, q: FloatArray | None = None, dq: FloatArray | None = None
) -> Measurement:
    zero = np.zeros(robot.n_joints)
    return Measurement(time, robot.home if q is None else q, zero if dq is None else dq)


def test_torque_is_the_sum_of_its_recorded_parts(rigid_arm: Robot) -> None:
    controller, law = make(rigid_arm, np.array([1.0, -2.0, 3.0]))
    controller.reset(reaching_task(rigid_arm))
    torque = controller.act(at(rigid_arm, dq=np.array([0.3, -0.2, 0.1])))
    record = controller.last_step
    np.testing.assert_allclose(record.corrective_torque + record.compensation_torque, torque)
    dynamics = RobotDynamics(rigid_arm)
    np.testing.assert_allclose(record.corrective_torque, dynamics.mass_matrix(rigid_arm.home) @ law.output)
    assert (record.status, record.reason) == ("ok", "")


def test_law_gets_goal_and_joint_reference(rigid_arm: Robot) -> None:
    controller, law = make(rigid_arm)
    task = reaching_task(rigid_arm)
    controller.reset(task)
    assert law.reference is not None
    assert law.reference.q is not None
    np.testing.assert_allclose(RobotDynamics(rigid_arm).end_effector(law.reference.q), task.goal, atol=1e-5)


def test_missing_measurement_is_replaced_by_the_last_valid_one_then_only_held_up(rigid_arm: Robot) -> None:
    controller, _ = make(rigid_arm, np.array([1.0, 1.0, 1.0]))
    controller.reset(reaching_task(rigid_arm))
    expected = controller.act(at(rigid_arm))
    nan = np.full(rigid_arm.n_joints, np.nan)
    np.testing.assert_array_equal(controller.act(at(rigid_arm, 0.05, q=nan)), expected)
    assert controller.last_step.status == "fallback"
    assert "not finite" in controller.last_step.reason
    held = controller.act(at(rigid_arm, LONGEST_SENSOR_GAP + 0.1, q=nan))
    np.testing.assert_allclose(held, RobotDynamics(rigid_arm).gravity(rigid_arm.home))
    recovered = controller.act(at(rigid_arm, LONGEST_SENSOR_GAP + 0.15))
    np.testing.assert_array_equal(recovered, expected)
    assert controller.last_step.status == "ok"


def test_no_valid_measurement_at_all_gives_zero_torque(rigid_arm: Robot) -> None:
    controller, _ = make(rigid_arm)
    controller.reset(reaching_task(rigid_arm))
    torque = controller.act(at(rigid_arm, q=np.full(rigid_arm.n_joints, np.inf)))
    np.testing.assert_array_equal(torque, np.zeros(rigid_arm.n_joints))
    assert "no valid measurement" in controller.last_step.reason


@pytest.mark.parametrize("output", [RuntimeError("solver exploded"), np.full(3, np.nan)])
def test_failed_law_is_replaced_by_braking(rigid_arm: Robot, output: object) -> None:
    controller, law = make(rigid_arm, output)
    controller.reset(reaching_task(rigid_arm))
    dq = np.array([0.5, -0.2, 9.0])
    assert np.isfinite(controller.act(at(rigid_arm, dq=dq))).all()
    expected = np.clip(-dq / BRAKING_TIME, -law.command_limit, law.command_limit)
    np.testing.assert_allclose(controller.last_step.command, expected)
    assert controller.last_step.status == "fallback"
    assert "braking" in controller.last_step.reason


def test_braking_is_not_counted_as_a_command_that_the_law_cut(rigid_arm: Robot) -> None:
    controller, law = make(rigid_arm)
    law.saturated = True
    controller.reset(reaching_task(rigid_arm))
    controller.act(at(rigid_arm))
    assert controller.last_step.command_saturated
    law.output = ValueError("no")
    controller.act(at(rigid_arm))
    assert not controller.last_step.command_saturated


def test_unreachable_goal_keeps_the_arm_where_it_is_and_says_so(rigid_arm: Robot) -> None:
    controller, _ = make(rigid_arm, np.full(3, 5.0))
    controller.reset(reaching_task(rigid_arm, np.array([3.0, 0.0, 0.0])))
    torque = controller.act(at(rigid_arm))
    np.testing.assert_allclose(torque, RobotDynamics(rigid_arm).gravity(rigid_arm.home))
    assert controller.last_step.status == "fallback"
    controller.reset(reaching_task(rigid_arm))
    controller.act(at(rigid_arm))
    assert controller.last_step.status == "ok"


ANY_ARM = load_robot("rigid-arm")
ANY_CONTROLLER, ANY_LAW = make(ANY_ARM)
any_float = arrays(np.float64, 3, elements=st.floats(allow_nan=True, allow_infinity=True))


@given(q=any_float, dq=any_float, command=any_float, time=st.floats(allow_nan=True))
def test_torque_is_finite_whatever_comes_in(
    q: FloatArray, dq: FloatArray, command: FloatArray, time: float
) -> None:
    ANY_CONTROLLER.reset(reaching_task(ANY_ARM))
    ANY_LAW.output = command
    with np.errstate(all="ignore"):
        ANY_CONTROLLER.act(at(ANY_ARM))
        assert np.isfinite(ANY_CONTROLLER.act(at(ANY_ARM, time, q, dq))).all()


class RememberingLaw(ScriptedLaw):
    """Writes down what happens to it."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.told: list[object] = []

    def reset(self, reference: Reference) -> None:
        super().reset(reference)
        self.told.append("reset")

    def observe_command(self, command: FloatArray) -> None:
        self.told.append(command.tolist())


def test_after_a_long_gap_the_law_begins_anew(rigid_arm: Robot) -> None:
    controller, _ = make(rigid_arm)
    law = controller._law = RememberingLaw(rigid_arm.n_joints)  # type: ignore[assignment]
    controller.reset(reaching_task(rigid_arm))
    nan = np.full(rigid_arm.n_joints, np.nan)
    for k in range(4):
        controller.act(at(rigid_arm, 0.05 * k, q=nan if k else None))
    controller.act(at(rigid_arm, 0.20))
    assert law.told == ["reset"]  # a short gap is none
    for k in range(5, 12):
        controller.act(at(rigid_arm, 0.05 * k, q=nan))
    assert "held up" in controller.last_step.reason
    controller.act(at(rigid_arm, 0.60))
    controller.act(at(rigid_arm, 0.65))
    assert law.told == ["reset", "reset"]
    assert controller.last_step.status == "ok"


def test_a_law_is_told_when_braking_replaces_its_command(rigid_arm: Robot) -> None:
    controller, _ = make(rigid_arm)
    law = controller._law = RememberingLaw(rigid_arm.n_joints)  # type: ignore[assignment]
    controller.reset(reaching_task(rigid_arm))
    law.output = ValueError("no")
    controller.act(at(rigid_arm, dq=np.full(rigid_arm.n_joints, 0.2)))
    assert law.told == ["reset", [-0.2 / BRAKING_TIME] * rigid_arm.n_joints]
