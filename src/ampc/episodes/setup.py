"""The recipe of a closed loop as plain settings, so that any process can build the same one."""

import copy
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import mujoco

from ampc.control.arm_controller import ArmController
from ampc.control.controller import Controller
from ampc.control.disturbance_observer import ObserverMPC, ObserverSettings
from ampc.control.feedback import FeedbackLaw, TorqueLawName
from ampc.control.informed_mpc import InformedController, InformedSettings
from ampc.control.joint_mpc import JointMPC
from ampc.control.limited_mpc import LimitedMPC
from ampc.control.lqr import SaturatedLQR
from ampc.control.table import ExpertTable
from ampc.control.torque_laws import make_torque_law
from ampc.errors import SettingsError
from ampc.plants import MujocoPlant, PlantSettings
from ampc.policies.loading import RuntimePolicy, load_policy
from ampc.robots import (
    InverseKinematics,
    InverseKinematicsSettings,
    Robot,
    RobotDynamics,
    load_robot,
)
from ampc.solvers.double_integrator import JointMPCSettings
from ampc.solvers.limited_joint_mpc import LimitSettings

ControllerKind = Literal[
    "mpc", "mpc-ipopt", "mpc-limits", "mpc-observer", "mpc-informed", "lqr", "table", "policy"
]


@dataclass(frozen=True)
class RobotSettings:
    """Which arm."""

    source: str = "rigid-arm"
    """Name of a built-in arm, or path of an MJCF (.xml) or URDF (.urdf) file."""
    end_effector: str | None = None
    """Site or body that is the end effector; None to find it by its name or at the tip."""
    armature: float | None = None
    """Motor inertia that every joint is to have instead of the model's [kg m2]: what the literal torque mode
    depends on. Controller and plant both have it; a policy is bound to it."""

    def load(self) -> Robot:
        """Load the arm.

        Raises:
            RobotError: If there is no such model, or it is not an arm.
            SettingsError: If the armature is negative or not finite.
        """
        robot = load_robot(self.source, self.end_effector)
        if self.armature is None:
            return robot
        if not 0.0 <= self.armature < math.inf:
            raise SettingsError(f"robot.armature is {self.armature}; it must be an inertia in kg m2")
        model = copy.copy(robot.model)
        model.dof_armature[:] = self.armature
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return replace(robot, model=model)


@dataclass(frozen=True)
class ControllerSettings:
    """Which controller, and everything it needs to be built."""

    kind: ControllerKind = "mpc"
    """``mpc``: the expert, solved exactly; ``mpc-ipopt``: the same problem by CasADi and IPOPT;
    ``mpc-limits``: with limits on position and speed; ``mpc-observer``: with a disturbance observer;
    ``mpc-informed``: told the task's plant; ``lqr``: saturated LQR; ``table``: the expert interpolated from
    a table; ``policy``: an exported network."""
    mpc: JointMPCSettings = field(default_factory=JointMPCSettings)
    """The optimal control problem that expert, LQR and table share."""
    torque_law: TorqueLawName = "computed-torque"
    """How commands become torques."""
    inverse_kinematics: InverseKinematicsSettings = field(default_factory=InverseKinematicsSettings)
    """How goals become joint references."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    """The limits of ``mpc-limits``."""
    observer: ObserverSettings = field(default_factory=ObserverSettings)
    """The disturbance observer of ``mpc-observer``."""
    informed: InformedSettings = field(default_factory=InformedSettings)
    """What ``mpc-informed`` is told."""
    policy: Path | None = None
    """An ``.onnx`` file, or the folder of a saved policy, which then runs in C; required by kind
    ``policy``."""
    name: str | None = None
    """Name in tables and figures; None for the kind's own."""

    @property
    def command_limit(self) -> float:
        """Largest command of a joint that a policy needs in order to imitate this controller."""
        match self.kind:
            case "mpc-observer":
                return self.observer.command_limit
            case "mpc-informed":
                return self.informed.command_limit
        return self.mpc.command_limit


@dataclass(frozen=True)
class EpisodeSetup:
    """A robot, a plant and a controller as settings; `build` makes the real things."""

    robot: RobotSettings = field(default_factory=RobotSettings)
    """Which arm."""
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    """Which controller."""
    plant: PlantSettings = field(default_factory=PlantSettings)
    """How the arm is simulated."""

    def build_robot(self) -> Robot:
        """Load the arm."""
        return self.robot.load()

    def build_model(self) -> Robot:
        """Load the arm: controllers have no model of their own."""
        return self.robot.load()

    def build(self) -> tuple[MujocoPlant, Controller]:
        """Make the plant and the controller.

        Raises:
            AmpcError: If robot, policy or settings do not fit together; the message says which and why.
        """
        robot = self.build_robot()
        return MujocoPlant(robot, self.plant), build_controller(self.controller, robot, self.plant)

    def build_learner(self, law: FeedbackLaw) -> ArmController:
        """Make the controller by which a law that is still being learned drives the plant.

        Its commands become torques, and its goals joint references, as those of `controller` do.
        """
        return _compose(self.controller, law, self.controller.torque_law, self.build_robot(), self.plant)


def build_controller(settings: ControllerSettings, robot: Robot, plant: PlantSettings) -> Controller:
    """Make a controller for a robot, running at the plant's control period.

    Raises:
        SettingsError: If the arm has passive joints, or a policy is asked for without a file.
        PolicyError: If a policy is not for this robot or control period.
    """
    if robot.n_actuated != robot.n_joints:
        passive = [name for i, name in enumerate(robot.joint_names) if i not in robot.actuated]
        raise SettingsError(
            f"controller {settings.kind!r} needs a motor at every joint; {robot.name} has none at"
            f" {', '.join(passive)}. An arm with flexible links can be run with: ampc simulate"
        )
    law = _build_law(settings, robot, plant.control_period)
    torque_law = settings.torque_law
    if isinstance(law, RuntimePolicy):
        law.spec.require(robot, plant.control_period)
        torque_law = law.spec.torque_law
    if settings.name is not None:
        law.name = settings.name
    if settings.kind == "mpc-informed":
        return InformedController(
            robot,
            law,
            torque_law,
            settings.inverse_kinematics,
            settings.informed,
            plant.control_period,
            plant.physics_step,
        )
    return _compose(settings, law, torque_law, robot, plant)


def _compose(
    settings: ControllerSettings,
    law: FeedbackLaw,
    torque_law: TorqueLawName,
    robot: Robot,
    plant: PlantSettings,
) -> ArmController:
    return ArmController(
        robot,
        law,
        make_torque_law(torque_law, RobotDynamics(robot), plant.control_period),
        InverseKinematics(robot, settings.inverse_kinematics),
        plant.control_period,
    )


def _build_law(settings: ControllerSettings, robot: Robot, control_period: float) -> FeedbackLaw:
    match settings.kind:
        case "mpc":
            return JointMPC(settings.mpc, robot.n_joints, solver="exact")
        case "mpc-informed":
            law = JointMPC(settings.mpc, robot.n_joints, solver="exact")
            law.name = "informed MPC"
            return law
        case "mpc-limits":
            return LimitedMPC(settings.mpc, settings.limits, robot)
        case "mpc-observer":
            return ObserverMPC(settings.mpc, settings.observer, robot.n_joints, control_period)
        case "mpc-ipopt":
            return JointMPC(settings.mpc, robot.n_joints, solver="ipopt")
        case "lqr":
            return SaturatedLQR(settings.mpc, robot.n_joints)
        case "table":
            return ExpertTable(settings.mpc, robot.n_joints)
        case "policy":
            if settings.policy is None:
                raise SettingsError(
                    "a controller of kind 'policy' needs the path of an .onnx file, or of a saved policy's"
                    " folder, in `policy`"
                )
            return load_policy(settings.policy)
