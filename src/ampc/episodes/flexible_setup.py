"""The recipe of a flexible arm's closed loop: a finely divided plant, a controller with a coarser model."""

from dataclasses import dataclass, field
from typing import Literal

from ampc.control.controller import Controller
from ampc.control.nonlinear_mpc import NonlinearMPCController
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.rest_controller import RestController, RestSettings
from ampc.episodes.setup import RobotSettings
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.plants.chain_plant import ChainPlant
from ampc.robots import Robot

FlexibleController = Literal["nmpc", "rest"]


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
    """``nmpc``: the nonlinear MPC, for which the C library has to be there; ``rest``: from rest to rest."""
    nmpc: NonlinearMPCControllerSettings = field(default_factory=NonlinearMPCControllerSettings)
    """The nonlinear MPC and its estimator."""
    rest: RestSettings = field(default_factory=RestSettings)
    """The rest-to-rest controller and its estimator."""

    def build_robot(self) -> Robot:
        """Load the simulated arm, whose limits and points are judged."""
        return self.plant_robot.load()

    def build(self) -> tuple[ChainPlant, Controller]:
        """Make the plant and the controller.

        Raises:
            AmpcError: If robots and settings do not fit together; the message says which and why.
        """
        model, period = self.robot.load(), self.plant.control_period
        controller: Controller
        if self.kind == "nmpc":
            controller = NonlinearMPCController(model, self.nmpc, period)
        else:
            controller = RestController(model, self.rest, period)
        if self.integrator == "cvodes":
            from ampc.plants.cvodes_plant import CvodesPlant  # CasADi is needed by the reference only

            return CvodesPlant(self.build_robot(), self.plant), controller
        return FlexiblePlant(self.build_robot(), self.plant), controller
