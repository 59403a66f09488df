"""The nonlinear MPC's problem solved to the last digit by CasADi and IPOPT: the reference for others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.plane import PlanarStatics
from ampc.errors import SettingsError, SolverError
from ampc.plants.chain_equations import to_absolute, to_relative
from ampc.solvers.collocation import Layout, collocation_program
from ampc.solvers.optimal_control import OptimalControlProblem, Plan, PlanStatus, Query


@dataclass(frozen=True)
class IpoptSettings:
    """When IPOPT stops, and how it starts."""

    tolerance: float = 1e-10
    """IPOPT's ``tol``, of the optimality conditions as IPOPT scales them: to 1e-5 N m of the torques."""
    initial_barrier: float = 0.1
    """IPOPT's ``mu_init``; a small one keeps to the neighbourhood of a good guess."""


class IpoptNonlinearMPC:
    """The exact reference: discretisation, cost and limits of the real-time solver, every call to the end.

    All integration stages and all slacks are variables, and derivatives are exact (no Gauss-Newton). A call
    takes seconds. The problem has more than one local optimum, and from the same guess an interior-point
    method may find another one than an SQP method; handed that method's plan as the guess, with a small
    ``initial_barrier``, it tells whether that plan is one.

    Implements `ampc.solvers.optimal_control.NonlinearMPCSolver`. One object for each process: threads must
    not share what CasADi makes.
    """

    def __init__(self, problem: OptimalControlProblem, settings: IpoptSettings | None = None) -> None:
        """Build the program and its derivatives, which takes some seconds."""
        self.problem = problem
        self.settings = settings or IpoptSettings()
        self._program = program = collocation_program(problem)
        self._lower, self._upper = _bounds(problem, program.layout)
        n_constraints, n_parameters = len(program.lower), int(program.program["p"].numel())
        self._watch = _Watch(len(self._lower), n_constraints, n_parameters)
        self._solver = ca.nlpsol(
            "nonlinear_mpc",
            "ipopt",
            program.program,
            {
                "print_time": False,
                "iteration_callback": self._watch,
                "ipopt": {
                    "print_level": 0,
                    "sb": "yes",
                    "tol": self.settings.tolerance,
                    "mu_init": self.settings.initial_barrier,
                    "max_iter": 100_000,  # the watch counts
                    # Stiff chains are badly scaled; with MUMPS's own 1e-6 the inertia comes out wrong.
                    "mumps_pivtol": 1e-3,
                },
            },
        )
        self._plan: Plan | None = None

    def reset(self) -> None:
        """Forget the plan; the next call starts from standing still at its state."""
        self._plan = None

    def step(
        self, query: Query, *, elapsed: float | None = None, iterations: int = 1, budget: float = np.inf
    ) -> Plan:
        """Move the plan on by the time that passed, then solve from there.

        As `NonlinearMPCSolver.step`, but that it goes on to the tolerance whatever ``iterations`` says: what
        an interior-point method has on its way is no plan.
        """
        if self._plan is not None:
            passed = float(self.problem.steps[0]) if elapsed is None else elapsed
            self._plan = moved_on(self.problem, self._plan, passed)
        return self._solve(query, self._plan, 1000, budget)

    def converge(self, query: Query, *, guess: Plan | None = None, max_iterations: int = 300) -> Plan:
        """Solve the problem to the tolerance, from ``guess``, by default from the plan that is kept."""
        return self._solve(query, guess or self._plan, max_iterations, np.inf)

    def _solve(self, query: Query, guess: Plan | None, max_iterations: int, budget: float) -> Plan:
        started = time.perf_counter()
        start = guess or standing_still(self.problem, query)
        program = self._program
        try:
            parameters = self._parameters(query)
            variables = self._variables(query, start)
        except SolverError as error:
            return replace(start, status="failed", reason=str(error), iterations=0)
        lower, upper = self._lower.copy(), self._upper.copy()
        lower[: self.problem.n_states] = upper[: self.problem.n_states] = variables[: self.problem.n_states]
        self._watch.begin(max_iterations, started + budget)
        result = self._solver(
            x0=variables, p=parameters, lbx=lower, ubx=upper, lbg=program.lower, ubg=program.upper
        )
        statistics = self._solver.stats()
        solution = program.layout.split(np.asarray(result["x"]).ravel())
        gap = np.abs(np.asarray(result["g"]).ravel()[program.upper == 0.0]).max()
        status, reason = self._outcome(str(statistics["return_status"]))
        seconds = time.perf_counter() - started
        if status == "failed" or not all(np.isfinite(block).all() for block in solution):
            return replace(start, status="failed", reason=reason, iterations=0, seconds=seconds)
        arm, limits = self.problem.chain.parameters, self.problem.torque_limits
        self._plan = Plan(
            x=np.array([to_relative(arm, solution[0][:, node]) for node in program.layout.nodes]),
            u=solution[3].T.clip(*limits.T),  # IPOPT oversteps bounds by 1e-8
            status=status,
            reason=reason,
            iterations=int(statistics["iter_count"]),
            change=float(statistics["iterations"]["d_norm"][-1]),
            kkt=float(statistics["iterations"]["inf_du"][-1]),
            gap=float(gap),
            seconds=seconds,
        )
        return self._plan

    def _outcome(self, returned: str) -> tuple[PlanStatus, str]:
        if returned == "Solve_Succeeded":
            return "solved", ""
        if returned == "User_Requested_Stop":
            return self._watch.status, f"IPOPT was stopped after {self._watch.count} iterations"
        return "failed", f"IPOPT says {returned}"

    def _parameters(self, query: Query) -> FloatArray:
        problem = self.problem
        N, n, m = problem.horizon, problem.n_states, problem.robot.n_actuated
        goal = np.broadcast_to(query.goal, (N + 1, 3))[1:]
        x_ref = np.broadcast_to(query.x_ref, (N + 1, n))[1:]
        u_ref = np.array(np.broadcast_to(query.u_ref, (N, m)))
        weight = problem.steps[0] * problem.torque_weights
        if query.proposed is not None:
            u_ref[0], weight = query.proposed, np.broadcast_to(query.proposed_weight, m)
        parts = (goal, x_ref, u_ref, weight, [query.stiffness_scale])
        parameters = np.concatenate([np.ravel(part) for part in parts])
        if not np.isfinite(parameters).all():
            raise SolverError("a reference is not finite")
        return parameters

    def _variables(self, query: Query, guess: Plan) -> FloatArray:
        """Start of IPOPT: the guess, its stages integrated from its states, no slack."""
        problem, layout = self.problem, self._program.layout
        if guess.x.shape != (problem.horizon + 1, problem.n_states) or len(guess.u) != problem.horizon:
            raise SettingsError(f"guess has states {guess.x.shape} for a horizon of {problem.horizon} steps")
        if not np.isfinite(query.x0).all():
            raise SolverError("the state is not finite")
        arm, chain = problem.chain.parameters, problem.chain.with_stiffness_scale(query.stiffness_scale)
        scheme, n = problem.settings.grid.scheme, problem.robot.n_joints
        variables = layout.split(np.zeros_like(self._lower))
        states, stages, accelerations, torques = variables[:4]
        torques[:] = guess.u.T
        column = 0
        for k, (length, count) in enumerate(zip(problem.steps, problem.substeps, strict=True)):
            x, part = guess.x[k], float(length) / int(count)
            for _ in range(count):
                following = chain.step(x, guess.u[k], part, scheme=scheme, substeps=1)
                states[:, column] = to_absolute(arm, x)
                # Crude stages, between the ends; the equations for them are nearly linear.
                after = to_absolute(arm, following)
                stages[:, column] = np.tile(0.5 * (states[:, column] + after), 2)
                accelerations[:, column] = np.tile(after[n:] - states[n:, column], 2)
                x, column = following, column + 1
        states[:, -1] = to_absolute(arm, guess.x[-1])
        states[:, 0] = to_absolute(arm, query.x0)
        return layout.join(*variables)


def standing_still(problem: OptimalControlProblem, query: Query) -> Plan:
    """The arm held where it is by its motors, as a guess."""
    plane, n = (
        PlanarStatics(problem.chain.with_stiffness_scale(query.stiffness_scale).parameters),
        problem.robot.n_joints,
    )
    q = query.x0[:n] if np.isfinite(query.x0).all() else problem.robot.home
    torque = plane.holding_torque(plane.angles(q[1:]))
    holding = np.array([plane.yaw_torque(float(q[0])), *torque[plane.actuated]])
    x = np.tile(np.concatenate([q, np.zeros(n)]), (problem.horizon + 1, 1))
    u = np.tile(holding.clip(*problem.torque_limits.T), (problem.horizon, 1))
    return Plan(x, u, "failed", "the arm stands still", 0, np.nan, np.nan, np.nan, 0.0)


def moved_on(problem: OptimalControlProblem, plan: Plan, elapsed: float) -> Plan:
    """A plan as it looks a time later: states interpolated, torques read off at the middles of steps."""
    times, middles = problem.times, 0.5 * (problem.times[1:] + problem.times[:-1])
    x = np.column_stack([np.interp(times + elapsed, times, state) for state in plan.x.T])
    steps = np.searchsorted(times[1:], middles + elapsed).clip(max=problem.horizon - 1)
    return replace(plan, x=x, u=plan.u[steps])


def _bounds(problem: OptimalControlProblem, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Of the variables: torque limits, and slacks that are not negative."""
    bounds = []
    for side, open_end in ((0, -np.inf), (1, np.inf)):
        variables = layout.split(np.full(layout.size, open_end))
        variables[3][:] = problem.torque_limits[:, side, None]
        if side == 0:
            variables[4][:] = variables[5][:] = 0.0
        bounds.append(layout.join(*variables))
    return bounds[0], bounds[1]


class _Watch(ca.Callback):
    """Stops IPOPT after so many iterations, or so much time."""

    def __init__(self, n_variables: int, n_constraints: int, n_parameters: int) -> None:
        super().__init__()
        sizes = {"x": n_variables, "f": 1, "g": n_constraints}
        sizes |= {"lam_x": n_variables, "lam_g": n_constraints, "lam_p": n_parameters}
        self._sizes = sizes
        self.count = 0
        self.status: PlanStatus = "iteration limit"
        self.begin(0, np.inf)
        self.construct("watch")

    def begin(self, max_iterations: int, deadline: float) -> None:
        self.count, self.status = 0, "iteration limit"
        self._max_iterations, self._deadline = max_iterations, deadline

    def get_n_in(self) -> int:
        return len(ca.nlpsol_out())

    def get_n_out(self) -> int:
        return 1

    def get_name_in(self, i: int) -> str:
        return str(ca.nlpsol_out(i))

    def get_sparsity_in(self, i: int) -> ca.Sparsity:
        return ca.Sparsity.dense(self._sizes[ca.nlpsol_out(i)], 1)

    def eval(self, arguments: Sequence[ca.DM]) -> list[int]:
        late = time.perf_counter() > self._deadline
        self.status = "deadline" if late else "iteration limit"
        stop = late or self.count >= self._max_iterations
        self.count += not stop
        return [int(stop)]
