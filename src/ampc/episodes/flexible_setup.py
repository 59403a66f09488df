"""The recipe of a flexible arm's closed loop: a finely divided plant, a controller with a coarser model."""

from dataclasses import dataclass, field
from typing import Literal

from ampc.control.rest_controller import RestController, RestSettings
from ampc.episodes.setup import RobotSettings
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.plants.chain_plant import ChainPlant
from ampc.robots import Robot


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
    controller: RestSettings = field(default_factory=RestSettings)
    """The rest-to-rest controller and its estimator."""

    def build_robot(self) -> Robot:
        """Load the simulated arm, whose limits and points are judged."""
        return self.plant_robot.load()

    def build(self) -> tuple[ChainPlant, RestController]:
        """Make the plant and the controller.

        Raises:
            AmpcError: If robots and settings do not fit together; the message says which and why.
        """
        model = self.robot.load()
        controller = RestController(model, self.controller, self.plant.control_period)
        if self.integrator == "cvodes":
            from ampc.plants.cvodes_plant import CvodesPlant  # CasADi is needed by the reference only

            return CvodesPlant(self.build_robot(), self.plant), controller
        return FlexiblePlant(self.build_robot(), self.plant), controller
