"""The control step of a policy of an arm with flexible links as one call of C, from measurement to torque."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_void_p

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.backend import BACKEND_VARIABLE
from ampc.chain.core import open_library
from ampc.chain.ekf import CompiledFilter
from ampc.control.controller import StepRecord
from ampc.control.estimator import Estimate
from ampc.control.flexible_arm_controller import SAME_STIFFNESS
from ampc.control.guidance import GuidanceSettings
from ampc.control.policy_controller import PolicyController
from ampc.control.situation import Situation
from ampc.errors import PolicyError
from ampc.plants.measurement import Measurement
from ampc.policies.native import CPolicyModel, NativePolicy
from ampc.robots import Robot

VERSION = 1
"""``POLICY_LOOP_VERSION`` of loop/policy_loop.h that this module is written for."""
OK, NOT_PREDICTED = 0, 1
"""``PolicyLoopStatus``; all else is left to `PolicyController`."""


class _CLoop(ctypes.Structure):
    """``PolicyLoop`` of policy_loop.h."""

    _fields_ = (
        ("filter", c_void_p),
        ("policy", POINTER(CPolicyModel)),
        ("memory", c_void_p),
        *((name, c_double) for name in ("period", "start_time", "since_start", "same_scale")),
        *((name, c_double) for name in ("reference_scale", "stuck_distance", "stuck_room", "stuck_time")),
        ("still", c_double),
        ("place", c_double * 3),
        ("goal", c_double * 3),
        *((name, c_void_p) for name in ("torque_limits", "parabola", "measurement", "applied", "reference")),
        *((name, c_void_p) for name in ("state", "gravity", "command", "torque")),
        ("saturated", c_int),
        ("unused", c_int),
    )


class CompiledPolicyController(PolicyController):
    """`PolicyController`, whose usual step is one call of C.

    The first step of an episode, and every one at which something is missing, rejected or wrong, is that of
    `PolicyController`; the step after it is made in C again. What the last step did is put into Python
    objects when it is asked for.
    """

    _record: StepRecord | None
    _estimate_read: Estimate | None
    _unread: bool

    def __init__(
        self, robot: Robot, law: NativePolicy, settings: GuidanceSettings, control_period: float
    ) -> None:
        """Make a controller.

        Args:
            robot: The model that the estimator believes in: that of the expert which the law imitates.
            law: The policy.
            settings: Of the estimator and the way to the goal: those of the expert.
            control_period: Time between two calls of `act` [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: The settings do not fit the robot.
            PolicyError: The package has no compiled library, or another one.
        """
        self._in_c = False
        self._stepped: int | None = None
        super().__init__(robot, law, settings, control_period)
        core = self._filter.core
        if not isinstance(core, CompiledFilter):
            raise PolicyError(
                "a policy that runs in C needs the chain in C too; use the policy's .onnx file, or leave"
                f" {BACKEND_VARIABLE} as it is"
            )
        self._step = _library().policy_loop_step
        m, n = robot.n_actuated, robot.n_joints
        self._applied, self._own_torque = np.zeros(m), np.zeros(m)
        self._own_gravity, self._own_command = np.zeros(m), np.zeros(m)
        self._parabola, self._own_reference = np.zeros((3, n)), np.zeros(n)
        self._state = self._writer.blank()
        arrays = {
            "torque_limits": robot.torque_limits.T.copy(),
            "parabola": self._parabola,
            "measurement": self._filter.readings,
            "applied": self._applied,
            "reference": self._own_reference,
            "state": self._state,
            "gravity": self._own_gravity,
            "command": self._own_command,
            "torque": self._own_torque,
        }
        self._loop = _CLoop(core.address, ctypes.pointer(law.model), law.memory.ctypes.data)
        for name, array in arrays.items():
            setattr(self._loop, name, array.ctypes.data)
        self._loop.period, self._loop.start_time = control_period, settings.start_time
        self._loop.same_scale = SAME_STIFFNESS
        stuck = settings.stuck
        self._loop.stuck_distance, self._loop.stuck_room = stuck.distance, stuck.room
        self._loop.stuck_time = stuck.time
        self._kept_alive = core, law, arrays
        self._at = ctypes.byref(self._loop)

    @property
    def estimate(self) -> Estimate | None:
        """What the estimator believed at the last step."""
        if self._unread:
            self._estimate_read, self._unread = self._filter.estimate, False
        return self._estimate_read

    @estimate.setter
    def estimate(self, estimate: Estimate | None) -> None:
        self._estimate_read, self._unread = estimate, False

    @property
    def last_step(self) -> StepRecord:
        """What the last call of `act` did."""
        if self._record is None:
            self._record = StepRecord(
                command=self._own_command.copy(),
                corrective_torque=self._own_torque - self._own_gravity,
                compensation_torque=self._own_gravity.copy(),
                command_saturated=bool(self._loop.saturated),
                situation=Situation(self._state.copy(), self._own_reference.copy(), self._choice.goal),
            )
        return self._record

    @last_step.setter
    def last_step(self, record: StepRecord) -> None:
        self._record = record

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite and within the limits."""
        if self._in_c and self._step_in_c(measurement):
            self._record, self._unread = None, True
            return self._own_torque.copy()
        torque = super().act(measurement)
        self._stepped = None
        if self._referred is not None and self.last_step.status == "ok":
            self._enter()
        return torque

    def watch(self, measurement: Measurement) -> None:
        """Take a measurement in without deciding on a torque; `observe_applied` has to follow."""
        self._leave()
        super().watch(measurement)

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take what was sent in place of the last torque, see `ObservesApplied`."""
        self._torque = self._applied.copy() if self._in_c else self._torque
        super().observe_applied(torque, command)
        if self._in_c:
            self._applied[:] = self._torque

    def _surround(self, robot: Robot) -> None:
        super()._surround(robot)
        self._state[:] = self._writer.blank()

    def _forget(self) -> None:
        self._in_c, self._stepped, self._undisturbed = False, None, False
        super()._forget()

    def _step_in_c(self, measurement: Measurement) -> bool:
        """Whether all was as usual; if not, what is known so far is handed over."""
        try:
            self._filter.read(measurement)
        except (TypeError, ValueError):  # not a measurement at all: what to do about it is not decided here
            self._leave()
            return False
        status: int = self._step(self._at)
        if status == OK:
            self._undisturbed = True
            return True
        self._leave()
        self._stepped = status
        return False

    def _advance(self, measurement: Measurement) -> Estimate:
        if self._stepped is None:
            return super()._advance(measurement)
        return self._filter.conclude(self._torque, measurement, self._stepped != NOT_PREDICTED)

    def _enter(self) -> None:
        """From the next step on, C goes on from what Python knows."""
        loop, self._in_c, self._undisturbed = self._loop, True, False
        self._applied[:], self._own_reference[:] = self._torque, self._q_ref
        self._parabola[:] = self._branches[0].parabola
        loop.goal[:], loop.place[:] = self._choice.goal.tolist(), self._stuck.place.tolist()
        loop.still, loop.since_start = self._stuck.still, self._since_start
        loop.reference_scale = self._reference_scale

    def _leave(self) -> None:
        """And Python from what C knows."""
        if not self._in_c:
            return
        loop, self._in_c = self._loop, False
        self._torque, self._q_ref = self._applied.copy(), self._own_reference.copy()
        self._referred, self._reference_scale = self._q_ref, loop.reference_scale
        self._stuck.place, self._stuck.still = np.array(loop.place), loop.still
        self._since_start = loop.since_start
        if self._undisturbed:
            self._gravity = self._own_gravity.copy()
            self._filter.forget_rejections()


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = open_library()
        if library.policy_loop_version() != VERSION:
            raise OSError("it is of another version than the package")
    except (OSError, AttributeError) as error:
        raise PolicyError(
            f"the control loop of policies runs in the compiled library, which cannot be used: {error};"
            " install this package again, with a C compiler (such as gcc)"
        ) from None
    return library
