"""The recipe of a flexible arm's closed loop: a finely divided plant, a controller with a coarser model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from ampc.control.controller import Controller
from ampc.control.feedback import FeedbackLaw
from ampc.control.nonlinear_mpc import NonlinearMPCController
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.policy_controller import PolicyController, SituatedLaw
from ampc.control.rest_controller import RestController, RestSettings
from ampc.episodes.setup import RobotSettings
from ampc.errors import PolicyError, SettingsError
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.plants.chain_plant import ChainPlant
from ampc.policies.loading import RuntimePolicy, load_policy
from ampc.policies.native import NativePolicy
from ampc.policies.policy_loop import CompiledPolicyController
from ampc.robots import Robot

FlexibleController = Literal["nmpc", "rest", "policy"]


@dataclass(frozen=True)
class FlexibleSetup:
    """Model, plant and controller as settings; `build` makes the real things."""

    robot: RobotSettings = field(default_factory=lambda: RobotSettings("flexible-arm"))
    """The arm as the controller believes it to be."""
    plant_robot: RobotSettings = field(default_factory=lambda: RobotSettings("flexible-arm-10"))
    """The arm as it is simulated."""
    plant: FlexiblePlantSettings = field(default_factory=FlexiblePlantSettings)
    """How it is simulated."""
    integrator: Literal["radau", "cvodes"] = "radau"
    """``radau``: the fast implicit plant; ``cvodes``: the reference, a hundred times slower."""
    kind: FlexibleController = "nmpc"
    """``nmpc``: the nonlinear MPC, for which the C library has to be there; ``rest``: from rest to rest;
    ``policy``: a network that imitates the nonlinear MPC."""
    nmpc: NonlinearMPCControllerSettings = field(default_factory=NonlinearMPCControllerSettings)
    """The nonlinear MPC; estimator and choice of the way are those of policies too."""
    rest: RestSettings = field(default_factory=RestSettings)
    """The rest-to-rest controller and its estimator."""
    policy: Path | None = None
    """An ``.onnx`` file, or the folder of a saved policy, which then runs in C; required by kind
    ``policy``."""

    def build_robot(self) -> Robot:
        """Load the simulated arm, whose limits and points are judged."""
        return self.plant_robot.load()

    def build_model(self) -> Robot:
        """Load the arm as controllers believe it to be."""
        return self.robot.load()

    def build(self) -> tuple[ChainPlant, Controller]:
        """Make the plant and the controller.

        Raises:
            AmpcError: If robots and settings do not fit together; the message says which and why.
        """
        model, period = self.build_model(), self.plant.control_period
        controller: Controller
        match self.kind:
            case "nmpc":
                controller = NonlinearMPCController(model, self.nmpc, period)
            case "rest":
                controller = RestController(model, self.rest, period)
            case "policy":
                controller = self._drive(model, self._load_policy(model))
        if self.integrator == "cvodes":
            from ampc.plants.cvodes_plant import CvodesPlant  # CasADi is needed by the reference only

            return CvodesPlant(self.build_robot(), self.plant), controller
        return FlexiblePlant(self.build_robot(), self.plant), controller

    def build_learner(self, law: FeedbackLaw) -> PolicyController:
        """Make the controller by which a law that is still being learned drives the plant."""
        return self._drive(self.build_model(), cast(SituatedLaw, law))

    def _drive(self, model: Robot, law: SituatedLaw) -> PolicyController:
        """The control loop of a law; in C if the law is."""
        guidance, period = self.nmpc.guidance, self.plant.control_period
        if isinstance(law, NativePolicy):
            return CompiledPolicyController(model, law, guidance, period)
        return PolicyController(model, law, guidance, period)

    def _load_policy(self, model: Robot) -> RuntimePolicy:
        if self.policy is None:
            raise SettingsError(
                "kind 'policy' needs the path of an .onnx file, or of a saved policy's folder, in `policy`"
            )
        law = load_policy(self.policy)
        law.spec.require(model, self.plant.control_period)
        if not law.spec.inputs.estimated or law.spec.torque_law != "gravity-compensation":
            raise PolicyError(
                f"{self.policy} is not a policy of an arm with flexible links: it needs inputs.estimated and"
                " the torque law 'gravity-compensation'"
            )
        return law
