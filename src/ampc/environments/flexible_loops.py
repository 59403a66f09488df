"""Many arms with flexible links, each with estimator, way to the goal and safe stops of deployed policies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller
from ampc.control.estimator import Estimate
from ampc.control.flexible_arm_controller import FlexibleArmController
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.control.situation import Situation
from ampc.control.stuck import NEVER_STUCK
from ampc.environments.loops import Views
from ampc.environments.score import TrueMotion
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.errors import SettingsError
from ampc.plants import ManyArms
from ampc.plants.many_arms import Measurements
from ampc.plants.measurement import Measurement
from ampc.tasks import Task


class SplitController(FlexibleArmController):
    """A controller whose step comes in two halves, so that many can be asked what they see at once.

    `look`, then `tell`, then `act` do together what `PolicyController.act` of `ampc.control` does with a law
    that gives that command; it can be behind a safety filter as well.
    """

    def _forget(self) -> None:
        super()._forget()
        self._seen: Situation | None = None
        self._noticed: list[str] = []
        self._failure: Exception | None = None
        self._next: FloatArray = np.zeros(self._robot.n_actuated)

    def look(self, measurement: Measurement) -> Situation | None:
        """What there is to act on; None where that is not enough, and `drive` will brake."""
        self._noticed, self._failure, self._seen = [], None, None
        try:
            self._seen = super()._perceive(measurement, self._noticed)
        except Exception as error:  # handled where `act` handles it
            self._failure = error
        return self._seen

    def tell(self, command: FloatArray) -> None:
        """Take the command (m,) [N m], on top of the torque against gravity, that `act` is to follow."""
        self._next = command

    def _perceive(self, measurement: Measurement, faults: list[str]) -> Situation | None:
        if self._failure is not None:
            raise self._failure
        faults += self._noticed
        return self._seen

    def _torque_for(self, estimate: Estimate, situation: Situation, faults: list[str]) -> FloatArray:
        return self._gravity + self._next


class FlexibleLoops:
    """`ManyLoops` of arms with flexible links; plants on all cores, controllers one after the other."""

    def __init__(
        self,
        setup: FlexibleSetup,
        count: int,
        threads: int | None = None,
        safety: SafetyFilterSettings | None = None,
    ) -> None:
        """Build plants and controllers.

        Args:
            setup: Robots, plant, and the settings of estimator and way to the goal; its controller is not
                built.
            count: Number of arms.
            threads: Threads for the plants; None for one a core.
            safety: Put such a filter, which believes in the controllers' model, before every arm.

        Raises:
            AmpcError: If the setup asks for the reference plant, or its parts do not fit together.
        """
        if setup.integrator != "radau":
            raise SettingsError("many arms at once are simulated by the fast plant: integrator 'radau'")
        self.count, self.control_period = count, setup.plant.control_period
        self.robot, model = setup.build_robot(), setup.build_model()
        self._arms = ManyArms(self.robot, count, setup.plant, threads)
        # What an agent sees must follow from what it does: a way that changes on its own is no part of that.
        guidance = replace(setup.nmpc.guidance, stuck=NEVER_STUCK)
        self._controllers = [
            SplitController("agent", model, guidance, self.control_period) for _ in range(count)
        ]
        self._drivers: list[Controller] = list(self._controllers)
        if safety is not None:
            self._drivers = [SafetyFilter(each, model, safety) for each in self._controllers]
        size = 2 * model.n_joints + 1 + 4 * len(model.obstacles)
        self._views = Views(np.zeros((count, size)), np.zeros((count, model.n_joints)), np.zeros((count, 3)))
        self._measured: list[Measurement] = []

    def begin(self, tasks: Sequence[Task]) -> Views:
        """Start a task on every arm."""
        for driver, task in zip(self._drivers, tasks, strict=True):
            driver.reset(task)
        self._views.goals[:] = [task.goal for task in tasks]
        return self._look(self._arms.reset(tasks))

    def step(self, commands: FloatArray) -> Views:
        """Let commands (B, m) [N m] on top of the torque against gravity act for one control period."""
        for controller, command in zip(self._controllers, commands, strict=True):
            controller.tell(command)
        torque = [
            driver.act(measured) for driver, measured in zip(self._drivers, self._measured, strict=True)
        ]
        return self._look(self._arms.step(np.array(torque)))

    def motion(self) -> TrueMotion:
        """What has really happened in it."""
        arms = self._arms
        return TrueMotion(arms.points, arms.dq, arms.applied_torque, arms.unstable)

    def close(self) -> None:
        """Stop the threads."""
        self._arms.close()

    def _look(self, seen: Measurements) -> Views:
        """Views of new measurements; those of arms that have no situation to act on stay as they were."""
        self._measured = [
            Measurement(*each)
            for each in zip(seen.time.tolist(), seen.q, seen.dq, seen.end_effector, strict=True)
        ]
        views = self._views
        for row, (controller, measurement) in enumerate(zip(self._controllers, self._measured, strict=True)):
            situation = controller.look(measurement)
            if situation is not None:
                views.states[row], views.references[row] = situation.state, situation.reference
        return Views(views.states.copy(), views.references.copy(), views.goals.copy())
