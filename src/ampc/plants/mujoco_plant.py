"""The arm as MuJoCo simulates it, stepped at the control period."""

import copy
from collections.abc import Iterator

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import TaskError
from ampc.plants.measurement import Measurement
from ampc.plants.simulated_plant import PlantSettings, SimulatedPlant
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


class MujocoPlant(SimulatedPlant):
    """An arm in MuJoCo, with the model's own integrator.

    Joints without motors start where they find to rest; an arm that has any also measures its end effector.
    Where MuJoCo gives up, the state stays what it was then, and may be non-finite.
    """

    def __init__(self, robot: Robot, settings: PlantSettings | None = None) -> None:
        super().__init__(robot, settings or PlantSettings(), senses_end_effector=robot.passive.size > 0)
        joints = [robot.model.joint(name).id for name in robot.joint_names]
        self._qpos = robot.model.jnt_qposadr[joints]
        self._qvel = robot.model.jnt_dofadr[joints]
        self._site = robot.end_effector_id
        self._model = copy.copy(robot.model)
        self._model.opt.timestep = self.settings.physics_step
        # MuJoCo would otherwise silently put a diverging arm back to its zero pose and go on.
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._data = mujoco.MjData(self._model)
        self._dynamics = RobotDynamics(robot, self._model)
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

    def _load(self, variation: PlantVariation) -> None:
        apply_variation(self.robot, variation, self._model, self._data)
        self._variation = variation

    def _restart(self, start: FloatArray, seed: int) -> None:
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[self._qpos] = find_rest(self._dynamics, start)
        self._clear_signals(self._variation, seed)
        self._read_state()

    def _read_state(self) -> None:
        data = self._data
        # mj_step leaves positions in space one physics step behind the joint positions.
        mujoco.mj_kinematics(self._model, data)
        self.q, self.dq = data.qpos[self._qpos], data.qvel[self._qvel]
        self.end_effector = data.site_xpos[self._site].copy()
        self.unstable = bool(data.warning.number[_INSTABILITIES].any())

    def _simulate(self, torques: Iterator[tuple[FloatArray, int]]) -> None:
        for torque, ticks in torques:
            self._data.ctrl[self.robot.actuator_ids] = torque / self.robot.gear
            mujoco.mj_step(self._model, self._data, ticks)
        self._read_state()
