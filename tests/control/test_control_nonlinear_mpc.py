"""The nonlinear MPC controller: it arrives, and whatever fails at whatever step, the arm is safe."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.chain import YawChain
from ampc.chain.statics import StaticEquilibrium, rest_shape
from ampc.control.controller import ObservesApplied
from ampc.control.nonlinear_mpc import NonlinearMPCController
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings, preset
from ampc.control.stuck import StuckDetector, StuckSettings
from ampc.errors import SettingsError, SolverError
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, load_robot
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.solvers.optimal_control import OptimalControlProblem, Plan, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks.task import PlantVariation, Task

NOISE = PlantVariation(position_noise=1.7e-3, velocity_noise=0.045, end_effector_noise=0.01)
COARSE = NonlinearMPCControllerSettings(
    problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
)
"""A plan of 25 steps that grow, for a model with one segment in each link: quick."""


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm-1")


@pytest.fixture(scope="module")
def task(arm: Robot) -> Task:
    """From far above to a goal near the ground and the wall, at speed."""
    return task_between(arm, [1.2, 1.4, -0.6], [0.1, 0.55, -0.95])


def task_between(robot: Robot, start: list[float], witness: list[float]) -> Task:
    chain = YawChain.from_robot(robot)
    q = rest_shape(chain, np.array(witness))
    goal = chain.points(np.concatenate([q, np.zeros_like(q)]))[0][0]
    return Task(0, "random", np.array(start), goal, np.array(witness), 7, NOISE)


class Failing:
    """A solver that fails when it is told to, in one of several ways."""

    def __init__(self, problem: OptimalControlProblem, fails: Callable[[int], bool], how: str) -> None:
        self.problem, self.fails, self.how = problem, fails, how
        self.inner, self.calls = RealTimeIteration(problem), 0

    def reset(self) -> None:
        self.inner.reset()

    def step(self, query: Query, **options: float) -> Plan:
        return self._spoil(self.last if self._is_dead() else self.inner.step(query, **options))

    def converge(self, query: Query, **options: int) -> Plan:
        return self._spoil(self.last if self._is_dead() else self.inner.converge(query, **options))

    def _is_dead(self) -> bool:
        return self.how == "dies" and self.fails(self.calls) and self.calls > 0

    def _spoil(self, plan: Plan) -> Plan:
        self.calls += 1
        self.last = plan
        if not self.fails(self.calls - 1):
            return plan
        if self.how == "raises":
            raise SolverError("injected")
        if self.how == "late":
            return replace(plan, seconds=1.0)
        if self.how == "not finite":
            return replace(plan, u=np.full_like(plan.u, np.nan), x=np.full_like(plan.x, np.nan))
        return replace(plan, status="failed", reason="injected")


class Loop:
    """Plant and controller, and what happened."""

    def __init__(
        self,
        robot: Robot,
        fails: Callable[[int], bool] = lambda k: False,
        how: str = "fails",
        settings: NonlinearMPCControllerSettings = COARSE,
        plant: Robot | None = None,
    ) -> None:
        self.robot = robot
        self.plant = FlexiblePlant(plant or robot)
        self.controller = NonlinearMPCController(
            robot, settings, make_solver=lambda problem: Failing(problem, fails, how)
        )
        self.clearance = np.inf

    def run(self, task: Task, steps: int) -> "Loop":
        measurement = self.plant.reset(task)
        self.controller.reset(task)
        self.statuses, self.distance = [], []
        for _ in range(steps):
            torque = self.controller.act(measurement)
            record = self.controller.last_step
            assert np.isfinite(torque).all()
            assert (np.abs(torque) <= self.robot.torque_limits[:, 1]).all()
            assert (record.status == "fallback") == bool(record.reason)
            np.testing.assert_allclose(
                record.corrective_torque + record.compensation_torque, torque, atol=1e-12
            )
            self.statuses.append(record.status)
            measurement = self.plant.step(torque)
            self.distance.append(float(np.linalg.norm(self.plant.end_effector - task.goal)))
            distances = [each.distance(self.plant.points) for each in self.robot.obstacles]
            self.clearance = min(self.clearance, float(np.min(distances)))
        return self


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_arrives_on_a_finer_arm(scale: float) -> None:
    model = load_robot("flexible-arm")
    task = task_between(load_robot("flexible-arm-10"), [0.3, 0.9, -1.0], [1.4, 0.5, -0.6])
    task = replace(task, variation=replace(NOISE, stiffness_scale=scale))
    loop = Loop(model, settings=NonlinearMPCControllerSettings(), plant=load_robot("flexible-arm-10"))
    loop.run(task, 450)
    assert set(loop.statuses) == {"ok"}
    assert max(loop.distance[-50:]) < 0.004
    assert loop.controller.last_step.iterations == 1
    assert loop.controller.last_step.solve_seconds > 0.0


def test_rigid_arms_need_no_other_code() -> None:
    robot = load_robot("flexible-arm-0")
    loop = Loop(robot).run(task_between(robot, [0.3, 0.9, -1.0], [1.0, 0.5, -0.6]), 400)
    assert max(loop.distance[-50:]) < 0.004


@pytest.mark.parametrize("how", ["fails", "raises", "late", "not finite"])
def test_one_failure_at_each_step_in_turn_changes_little(arm: Robot, task: Task, how: str) -> None:
    """Every third step fails, beginning with each of the first three."""
    options = replace(COARSE, deadline=0.5)
    for first in range(3):
        loop = Loop(arm, lambda k, first=first: k % 3 == first, how, options).run(task, 350)
        assert loop.clearance > 0.0
        assert loop.distance[-1] < 0.01
        assert loop.statuses.count("fallback") >= 110
        assert loop.statuses[3 - first :].count("ok") >= 200


def test_solver_that_dies_at_any_step_leaves_the_arm_safe(arm: Robot, task: Task) -> None:
    for step in range(0, 150, 4):
        loop = Loop(arm, lambda k, step=step: k >= step, "dies").run(task, step + 300)
        assert loop.clearance > 0.0, step
        assert np.abs(loop.plant.dq[arm.actuated]).max() < 0.25, step  # as noisy as it is measured
        assert loop.statuses[step:] == ["fallback"] * 300
        assert "braking" in loop.controller.last_step.reason
    assert loop.statuses[:step] == ["ok"] * step


def test_recovers_from_a_long_outage(arm: Robot, task: Task) -> None:
    loop = Loop(arm, lambda k: 40 <= k < 240, "raises").run(task, 600)
    assert loop.statuses == ["ok"] * 40 + ["fallback"] * 200 + ["ok"] * 360
    assert loop.clearance > 0.0
    assert max(loop.distance[-50:]) < 0.006


def test_first_plan_may_fail(arm: Robot, task: Task) -> None:
    loop = Loop(arm, lambda k: k < 20).run(task, 20)
    assert np.abs(loop.plant.dq[arm.actuated]).max() < 0.25
    assert "braking" in loop.controller.last_step.reason


def test_goal_inside_an_obstacle_is_replaced_by_the_nearest_point(arm: Robot, task: Task) -> None:
    goal = np.array([0.5, -0.3, 0.5])
    loop = Loop(arm).run(replace(task, goal=goal), 400)
    assert set(loop.statuses) == {"fallback"}
    assert "inside 'wall'" in loop.controller.last_step.reason
    nearest = StaticEquilibrium(arm).nearest(goal)
    assert loop.clearance > 0.0
    assert loop.distance[-1] < nearest.error + 0.015


def test_without_measurements_it_brakes(arm: Robot, task: Task) -> None:
    loop = Loop(arm).run(task, 30)
    nothing = np.full(3, np.nan)
    for k in range(200):
        torque = loop.controller.act(Measurement(0.12 + 0.004 * k, nothing, nothing, nothing))
        assert loop.controller.last_step.status == "fallback"
        loop.plant.step(torque)
    assert "braking" in loop.controller.last_step.reason
    assert np.abs(loop.plant.dq[arm.actuated]).max() < 0.3
    still = loop.plant.step(torque)
    for _ in range(300):
        still = loop.plant.step(loop.controller.act(still))
    assert loop.controller.last_step.status == "ok"
    assert np.linalg.norm(loop.plant.end_effector - task.goal) < 0.01


def test_zero_torque_before_the_first_measurement(arm: Robot, task: Task) -> None:
    controller = NonlinearMPCController(arm, COARSE)
    controller.reset(task)
    nothing = np.full(3, np.nan)
    assert not controller.act(Measurement(0.0, nothing, nothing, None)).any()
    assert controller.last_step.reason.startswith("zero torque")


def test_stuck_arm_tries_another_branch(arm: Robot, task: Task) -> None:
    """A solver that only ever holds the arm where it started."""

    class Holding(Failing):
        def _spoil(self, plan: Plan) -> Plan:
            return replace(plan, u=np.tile(gravity, (len(plan.u), 1)))

    gravity = StaticEquilibrium(arm).plane.holding_torque(
        StaticEquilibrium(arm).plane.angles(rest_shape(arm, task.start)[None, 1:])
    )[0]
    gravity = np.concatenate([[0.0], gravity[arm.actuated[1:] - 1]])
    loop = Loop(arm)
    loop.controller = NonlinearMPCController(
        arm, COARSE, make_solver=lambda problem: Holding(problem, lambda k: False, "")
    )
    loop.run(task, 50)
    first = loop.controller.reference
    loop.run(task, 180)
    assert first is not None
    assert not np.allclose(loop.controller.reference, first)


def test_stuck_means_still_and_away_for_some_time() -> None:
    detector = StuckDetector(StuckSettings(distance=0.01, room=0.01, time=0.1), 0.04)
    goal, here, there = np.zeros(3), np.array([0.1, 0.0, 0.0]), np.array([0.15, 0.0, 0.0])
    near = np.array([0.005, 0.0, 0.0])
    places = [here, here, here, here, there, here, here, here, here, near, near, near, near, near]
    stuck = [k for k, place in enumerate(places) if detector.update(place, goal)]
    assert stuck == [3, 8]


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_never_raises_and_stays_finite(data: st.DataObject) -> None:
    robot = load_robot("flexible-arm-1")
    controller = NonlinearMPCController(robot, COARSE)
    controller.reset(task_between(robot, [0.3, 0.9, -1.0], [0.8, 0.5, -0.6]))
    entry = st.one_of(st.floats(-1.0, 1.0), st.sampled_from([np.nan, np.inf, 1e300, -1e8]))
    triple = st.lists(entry, min_size=3, max_size=3).map(np.array)
    for k in range(data.draw(st.integers(1, 8))):
        measurement = Measurement(
            0.004 * k, data.draw(triple), data.draw(triple), data.draw(st.none() | triple)
        )
        torque = controller.act(measurement)
        assert np.isfinite(torque).all()
        assert (np.abs(torque) <= robot.torque_limits[:, 1]).all()


def test_same_task_twice_gives_the_same_torques(arm: Robot, task: Task) -> None:
    controller, plant, runs = NonlinearMPCController(arm, COARSE), FlexiblePlant(arm), []
    for _ in range(2):
        measurement = plant.reset(task)
        controller.reset(task)
        torques = []
        for _ in range(30):
            torques.append(controller.act(measurement))
            measurement = plant.step(torques[-1])
        runs.append(np.array(torques))
    np.testing.assert_array_equal(*runs)


def test_knows_what_was_applied_in_its_place(arm: Robot, task: Task) -> None:
    controller, plant = NonlinearMPCController(arm, COARSE), FlexiblePlant(arm)
    assert isinstance(controller, ObservesApplied)
    measurement = plant.reset(task)
    controller.reset(task)
    other = np.array([0.5, 4.0, 1.0])
    for _ in range(40):
        controller.act(measurement)
        before = plant.q.copy()
        controller.observe_applied(other, other)
        measurement = plant.step(other)
    assert controller.estimate is not None
    assert np.abs(controller.estimate.q - before).max() < 0.01


def test_presets_and_settings() -> None:
    assert preset("tuned") == NonlinearMPCControllerSettings()
    published = preset("published").problem
    assert published.stage.end_effector == 3000.0
    assert published.torque == (0.1, 1.0, 1.0)
    for wrong in ({"iterations": 0}, {"deadline": 0.0}):
        with pytest.raises(SettingsError):
            NonlinearMPCControllerSettings(**wrong)
