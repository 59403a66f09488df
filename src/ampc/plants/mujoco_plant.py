"""The arm as MuJoCo simulates it, stepped at the control period."""

import copy
from dataclasses import dataclass

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError, TaskError
from ampc.plants.measurement import Measurement
from ampc.plants.signals import DelayLine, SensorNoise, describe_fault, limit_torque
from ampc.plants.variation import apply_variation
from ampc.robots.dynamics import RobotDynamics
from ampc.robots.rest import find_rest
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation, Task

_INSTABILITIES = [
    int(warning)
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
    )
]


@dataclass(frozen=True)
class PlantSettings:
    """Rates of the simulated plant."""

    physics_step: float = 0.001
    """Time step of the simulation [s]; replaces the model's own."""
    control_period: float = 0.05
    """Time for which one torque is held [s]; a whole number of physics steps."""

    def __post_init__(self) -> None:
        for name in ("physics_step", "control_period"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise SettingsError(f"plant.{name} is {value}; it must be a positive time in seconds")
        ratio = self.control_period / self.physics_step
        if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6 * ratio:
            raise SettingsError(
                f"plant.control_period {self.control_period} s is not a whole number of physics steps of "
                f"{self.physics_step} s; {max(1, round(ratio)) * self.physics_step:.9g} s would be"
            )

    @property
    def substeps(self) -> int:
        """Physics steps per control period."""
        return round(self.control_period / self.physics_step)


class MujocoPlant:
    """An arm in MuJoCo with torque limits, sensor noise and input delay.

    The torque is held over the control period. The model's own integrator is used. Sensor noise is drawn from
    the task's seed alone, one draw per control step, so that every controller meets the same sequence. With
    an input delay no torque acts until the first one arrives. Joints without motors start where they find
    to rest; an arm that has any also measures its end effector.

    Attributes:
        robot: The nominal arm.
        settings: Rates.
        control_period: Time for which one torque is held [s].
        time: Time since the start of the task [s].
        q: True joint positions (n,) [rad].
        dq: True joint velocities (n,) [rad/s].
        end_effector: True end-effector position, world frame (3,) [m].
        applied_torque: Torque accepted at the last step, after limits (m,) [N m]; acts one input delay later.
        torque_saturated: Whether the last torque was cut to the limits.
        torque_rejected: Whether the last torque was not finite and was replaced by zero as a whole.
        unstable: Whether the simulation has blown up in this task. It then stands still: the state stays what
            it was when MuJoCo gave up, and may be non-finite.
        fault: What of the last two is the case, in plain words; else empty.
    """

    def __init__(self, robot: Robot, settings: PlantSettings | None = None) -> None:
        self.robot = robot
        self.settings = settings or PlantSettings()
        self.control_period = self.settings.control_period
        joints = [robot.model.joint(name).id for name in robot.joint_names]
        self._qpos = robot.model.jnt_qposadr[joints]
        self._qvel = robot.model.jnt_dofadr[joints]
        self._site = robot.end_effector_id
        self.applied_torque: FloatArray = np.zeros(robot.n_actuated)
        self._model = copy.copy(robot.model)
        self._model.opt.timestep = self.settings.physics_step
        # MuJoCo would otherwise silently put a diverging arm back to its zero pose and go on.
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._data = mujoco.MjData(self._model)
        self._dynamics = RobotDynamics(robot, self._model)
        self._senses_end_effector = robot.passive.size > 0
        self._load(PlantVariation())
        self._restart(robot.home[robot.actuated], seed=0)

    @property
    def model(self) -> mujoco.MjModel:
        """Model of the current task's plant, varied; belongs to the plant."""
        return self._model

    def reset(self, task: Task) -> Measurement:
        """Put the arm at rest at the task's start, in the task's plant.

        Args:
            task: The task; its witness is not read.

        Returns:
            The first measurement.

        Raises:
            TaskError: If the task has another number of motors, or its variation does not fit the robot.
            SolverError: If joints without motors find to no rest, because their springs are too soft.
        """
        if np.shape(task.start) != (self.robot.n_actuated,):
            raise TaskError(
                f"task {task.index} has {np.size(task.start)} joints with motors; robot "
                f"'{self.robot.name}' has {self.robot.n_actuated}"
            )
        if task.variation != self._variation:
            self._load(task.variation)
        self._restart(task.start, task.seed)
        return self._measure()

    def step(self, torque: FloatArray) -> Measurement:
        """Hold a torque for one control period.

        Args:
            torque: Torque of the actuated joints (m,) [N m]; cut to the limits, zero if not finite.

        Returns:
            The measurement at the end of the control period.

        Raises:
            ValueError: If the torque has another shape: an error of the program, not of a controller.
        """
        if np.shape(torque) != self.applied_torque.shape:
            raise ValueError(f"torque has shape {np.shape(torque)}, expected {self.applied_torque.shape}")
        limited = limit_torque(torque, self.robot.torque_limits)
        self.applied_torque = limited.applied
        self.torque_saturated, self.torque_rejected = bool(limited.saturated), bool(limited.rejected)
        if not self.unstable:
            self._simulate()
            self._read_state()
        self._steps += 1
        self.time = self._steps * self.control_period
        self.fault = describe_fault(self.torque_rejected, self.unstable)
        return self._measure()

    def _load(self, variation: PlantVariation) -> None:
        apply_variation(self.robot, variation, self._model, self._data)
        self._variation = variation

    def _restart(self, start: FloatArray, seed: int) -> None:
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[self._qpos] = find_rest(self._dynamics, start)
        self._steps = 0
        n_actuated = self.robot.n_actuated
        delay = round(self._variation.input_delay / self.settings.physics_step)
        self._input = DelayLine(n_actuated, delay)
        self._noise = SensorNoise(self._variation, seed, n_actuated, self._senses_end_effector)
        self.time = 0.0
        self.applied_torque = np.zeros(n_actuated)
        self.torque_saturated = self.torque_rejected = False
        self.fault = ""
        self._read_state()

    def _read_state(self) -> None:
        data = self._data
        # mj_step leaves positions in space one physics step behind the joint positions.
        mujoco.mj_kinematics(self._model, data)
        self.q, self.dq = data.qpos[self._qpos], data.qvel[self._qvel]
        self.end_effector = data.site_xpos[self._site].copy()
        self.unstable = bool(data.warning.number[_INSTABILITIES].any())

    def _simulate(self) -> None:
        """Advance one control period, each torque taking effect at its own physics step."""
        for torque, ticks in self._input.send(self.applied_torque, self.settings.substeps):
            self._data.ctrl[self.robot.actuator_ids] = torque / self.robot.gear
            mujoco.mj_step(self._model, self._data, ticks)

    def _measure(self) -> Measurement:
        actuated, m = self.robot.actuated, self.robot.n_actuated
        noise = self._noise.draw()
        q, dq = self.q[actuated] + noise[:m], self.dq[actuated] + noise[m : 2 * m]
        end_effector = self.end_effector + noise[2 * m :] if self._senses_end_effector else None
        return Measurement(self.time, q, dq, end_effector)
