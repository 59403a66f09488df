"""Where an arm will be when the torque that is computed now arrives at its motors."""

import copy
from collections import deque

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.plants.signals import limit_torque
from ampc.robots.robot import Robot


class DelayPrediction:
    """Rolls a measured state forward through the torques that are still on their way.

    A torque sent now acts one input delay later. Until then the arm moves under those sent before, which are
    known, so that the state at that time can be computed from the model. The controller then has an arm
    without delay before it (the Smith predictor's idea, with the simulated arm as its model).
    """

    def __init__(self, robot: Robot, delay: float, control_period: float, physics_step: float) -> None:
        """Prepare for an arm.

        Args:
            robot: The arm; its model is what it moves by.
            delay: Time from sending a torque to its effect [s], in whole physics steps as in a plant.
            control_period: Time for which one torque is held [s].
            physics_step: Time step of the prediction [s].
        """
        self._limits = robot.torque_limits
        self._scale = 1.0 / robot.gear
        self._actuators = robot.actuator_ids
        self._model = copy.copy(robot.model)
        self._model.opt.timestep = physics_step
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._data = mujoco.MjData(self._model)
        joints = [robot.model.joint(name).id for name in robot.joint_names]
        self._qpos = robot.model.jnt_qposadr[joints]
        self._qvel = robot.model.jnt_dofadr[joints]
        self._delay = round(delay / physics_step)
        self._held = round(control_period / physics_step)
        on_their_way = -(-self._delay // self._held)
        # Before the first torque was sent, none acted.
        self._sent = deque([np.zeros(robot.n_actuated)] * on_their_way, maxlen=on_their_way)

    def predict(self, q: FloatArray, dq: FloatArray) -> tuple[FloatArray, FloatArray]:
        """State one input delay after the state q (n,) [rad], dq (n,) [rad/s]; not finite if that is not."""
        if not self._sent or not (np.isfinite(q).all() and np.isfinite(dq).all()):
            return q, dq
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[self._qpos], self._data.qvel[self._qvel] = q, dq
        for age, torque in zip(range(len(self._sent), 0, -1), self._sent, strict=True):
            first = max(self._delay - age * self._held, 0)
            ticks = self._delay - (age - 1) * self._held - first
            self._data.ctrl[self._actuators] = torque * self._scale
            mujoco.mj_step(self._model, self._data, ticks)
        return self._data.qpos[self._qpos], self._data.qvel[self._qvel]

    def send(self, torque: FloatArray) -> None:
        """Take the torque (m,) [N m] that is sent now; the motors' limits cut it."""
        self._sent.append(limit_torque(torque, self._limits).applied)

    def resend(self, torque: FloatArray) -> None:
        """Take the torque (m,) [N m] that was sent in place of the last one."""
        if self._sent:
            self._sent[-1] = limit_torque(torque, self._limits).applied
