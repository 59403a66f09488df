"""Recorded closed-loop episodes of the nonlinear MPC, to time solvers at states that really occur."""

from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import StaticEquilibrium
from ampc.control.estimator import ExtendedKalmanFilter
from ampc.plants import PUBLISHED_NOISE, FlexiblePlant
from ampc.robots import load_robot
from ampc.solvers.nonlinear_mpc_settings import CostWeights, GridSettings, NonlinearMPCSettings, Penalty
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks import FlexibleTaskSampler

FILTER = NonlinearMPCSettings(
    grid=GridSettings((25,), (0.01,), (2,)),
    stage=CostWeights((0.1,), (0.1,), (0.1,), (0.1,), 0.0),
    terminal=CostWeights((0.1,), (0.1,), (0.1,), (0.1,), 0.0),
    torque=(0.01,),
    obstacle=Penalty(1e5, 1e6),
)
"""A problem of the published safety filter's size: n_seg 1, 25 steps of 10 ms."""
FILTER_WEIGHT = 100.0
"""Weight of the first torque's deviation from the proposed one."""


@dataclass(frozen=True)
class Recording:
    """What a solver was asked, one period after the other, in one episode."""

    queries: list[Query]
    proposed: FloatArray
    """Torques that were applied (steps, m)."""


def record(episodes: int, duration: float, seed: int) -> list[Recording]:
    """Drive the plant of ten segments by the real-time iteration on three, from noisy measurements."""
    model, plant = load_robot("flexible-arm"), FlexiblePlant(load_robot("flexible-arm-10"))
    problem, still = OptimalControlProblem(model), np.zeros(model.n_joints)
    solver, estimator = RealTimeIteration(problem), ExtendedKalmanFilter(model)
    sampler, half = FlexibleTaskSampler(model), episodes // 2
    tasks = [
        *sampler.sample(episodes - half, "random", seed),
        *sampler.sample(half, "near-wall", seed),
    ]
    recordings = []
    for task in tasks:
        rest = StaticEquilibrium(model).solve(task.goal)[0]
        estimate = estimator.reset(plant.reset(replace(task, variation=PUBLISHED_NOISE)))
        solver.reset()
        queries, torques = [], []
        for k in range(round(duration / plant.control_period)):
            query = Query(
                np.concatenate([estimate.q, estimate.dq]), task.goal, np.concatenate([rest.q, still]), rest.u,
                estimate.stiffness_scale,
            )  # fmt: skip
            torque = (solver.step(query) if k else solver.converge(query)).u[0]
            queries.append(query)
            torques.append(torque)
            estimate = estimator.step(torque, plant.step(torque))
        recordings.append(Recording(queries, np.array(torques)))
    return recordings


def reduced(query: Query, n_seg: int) -> Query:
    """The same question to a model with another number of segments: bends of the links spread evenly."""
    spread = [_resegment(part, n_seg) for part in (*np.split(query.x0, 2), query.x_ref[: len(query.x0) // 2])]
    x_ref = np.concatenate([spread[2], np.zeros_like(spread[2])])
    return replace(query, x0=np.concatenate(spread[:2]), x_ref=x_ref)


def _resegment(q: FloatArray, n_seg: int) -> FloatArray:
    old = (len(q) - 3) // 2
    bends = q[2 : 2 + old].sum(), q[3 + old :].sum()
    links = [np.full(n_seg, bend / max(n_seg, 1)) for bend in bends]
    return np.concatenate([q[:2], links[0], [q[2 + old]], links[1]])


def problem_of(n_seg: int, horizon: int = 125) -> OptimalControlProblem:
    """The default problem for an arm; with the stiff integrator where there are many segments."""
    grid = GridSettings((horizon,), scheme="radau" if n_seg > 5 else "gauss-legendre")
    return OptimalControlProblem(load_robot(f"flexible-arm-{n_seg}"), NonlinearMPCSettings(grid=grid))
