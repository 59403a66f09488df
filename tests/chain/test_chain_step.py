"""Implicit steps: order, agreement with an independent integrator, exact sensitivities, failures, threads."""

import dataclasses
import multiprocessing
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from ampc.arrays import FloatArray
from ampc.chain import ChainParameters, StepSettings, YawChain
from ampc.chain.fallback import NumpyKernel
from ampc.chain.native import NativeKernel
from ampc.chain.options import Scheme
from ampc.errors import SettingsError, SolverError
from ampc.robots import load_robot

SCHEMES: tuple[Scheme, ...] = ("gauss-legendre", "radau")
ARMS = (
    "rigid-arm",
    "flexible-arm-0",
    "flexible-arm-1",
    "flexible-arm-3",
    "flexible-arm-4",
    "flexible-arm-10",
)
U = np.array([2.0, 3.0, -1.0])


@pytest.fixture(scope="module", params=ARMS)
def chain(request: pytest.FixtureRequest) -> YawChain:
    return YawChain.from_robot(load_robot(request.param))


@pytest.fixture(scope="module")
def flexible() -> YawChain:
    return YawChain.from_robot(load_robot("flexible-arm-3"))


def native(chain: YawChain) -> NativeKernel:
    try:
        return NativeKernel(chain.parameters)
    except OSError as error:
        pytest.skip(str(error))


def bent(chain: YawChain, seed: int = 0) -> FloatArray:
    """A moving state with bent links (2n,)."""
    rng = np.random.default_rng(seed)
    n = chain.n_joints
    driven = np.isin(np.arange(n), chain.actuated)
    q, dq = rng.uniform(-1, 1, (2, n))
    return np.concatenate(
        [np.where(driven, q, 0.05 * q / max(1, n // 4)), np.where(driven, 2.0 * dq, 0.3 * dq)]
    )


def smooth(chain: YawChain, duration: float = 0.05) -> FloatArray:
    """A state on a smooth stretch of a trajectory, past the stiff transient of `bent`."""
    x = bent(chain)
    for _ in range(50):
        x = chain.step(x, U, duration / 50, scheme="radau", substeps=20)
    return x


def reference(chain: YawChain, x: FloatArray, dt: float) -> FloatArray:
    """The state after dt by an integrator of another family and another library."""
    n = chain.n_joints
    solution = solve_ivp(
        lambda t, x: np.concatenate([x[n:], chain.acceleration(x, U)]),
        (0.0, dt),
        x,
        method="Radau",
        rtol=1e-11,
        atol=1e-12,
        jac=lambda t, x: np.vstack([np.eye(n, 2 * n, k=n), chain.derivatives(x, U)[0]]),
    )
    return np.asarray(solution.y[:, -1])


@pytest.mark.parametrize(("scheme", "order"), [("gauss-legendre", 4), ("radau", 3)])
@pytest.mark.parametrize("arm", ["rigid-arm", "flexible-arm-1"])
def test_order_of_convergence(arm: str, scheme: Scheme, order: int) -> None:
    chain = YawChain.from_robot(load_robot(arm))
    x = smooth(chain)
    exact = reference(chain, x, 0.02)
    errors = []
    for substeps in (4, 8, 16):
        errors.append(
            np.abs(chain.step(x, U, 0.02, scheme=scheme, substeps=substeps) - exact)[: chain.n_joints].max()
        )
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > order - 0.4), (errors, orders)


def test_stiff_plant_follows_an_independent_integrator() -> None:
    chain = YawChain.from_robot(load_robot("flexible-arm-10"))
    x = np.zeros(2 * chain.n_joints)
    x[1] = 0.5
    exact = reference(chain, x, 0.1)
    for _ in range(25):
        x = chain.step(x, U, 0.004, scheme="radau", substeps=4)
    assert np.abs(x - exact)[: chain.n_joints].max() < 3e-6


def test_energy_of_an_undamped_arm_is_kept() -> None:
    """Gauss-Legendre is symplectic: energy does not drift."""
    parameters = YawChain.from_robot(load_robot("flexible-arm-1")).parameters
    chain = YawChain(dataclasses.replace(parameters, damping=np.zeros(4), yaw_damping=0.0))
    everywhere = YawChain(dataclasses.replace(chain.parameters, actuated=np.arange(5)))
    par, n = chain.parameters, chain.n_joints
    x = np.zeros(2 * n)
    x[[0, 1, n]] = 0.3, 0.8, 1.0

    def energy(x: FloatArray) -> float:
        theta = np.cumsum(x[1:n]) + par.offset
        elastic = 0.5 * par.joint_stiffness @ (np.diff(theta, prepend=0.0) - par.rest) ** 2
        # Accelerations under unit torques in all joints are the inverse of the inertia.
        mass = np.linalg.inv(everywhere.derivatives(x, np.zeros(n))[1])
        weight = par.gravity * par.sin_tilt * par.gravity_moment @ np.sin(theta)
        return float(0.5 * x[n:] @ mass @ x[n:] + elastic + weight)

    start = energy(x)
    energies = []
    for _ in range(250):
        x = chain.step(x, np.zeros(3), 0.004)
        energies.append(energy(x))
    assert np.abs(np.array(energies) - start).max() < 1e-3 * abs(start)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sensitivities_are_those_of_the_step(chain: YawChain, scheme: Scheme) -> None:
    x, h = bent(chain, 1), 1e-5

    def step(x: FloatArray, u: FloatArray) -> FloatArray:
        return chain.step(x, u, 0.004, scheme=scheme, substeps=3, tolerance=1e-11)

    following, d_dx, d_du = chain.step_with_sensitivities(x, U, 0.004, scheme=scheme, substeps=3)
    np.testing.assert_allclose(following, step(x, U), rtol=0, atol=1e-9 * np.abs(following).max())
    columns = [(step(x + h * e, U) - step(x - h * e, U)) / (2 * h) for e in np.eye(len(x))]
    assert np.abs(d_dx - np.stack(columns, 1)).max() < 1e-7 * np.abs(d_dx).max()
    columns = [(step(x, U + h * e) - step(x, U - h * e)) / (2 * h) for e in np.eye(len(U))]
    assert np.abs(d_du - np.stack(columns, 1)).max() < 1e-7 * np.abs(d_du).max()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_c_and_numpy_agree(chain: YawChain, scheme: Scheme) -> None:
    c, numpy, x = native(chain), NumpyKernel(chain.parameters), bent(chain, 2)
    options = StepSettings(0.004, scheme, 4)
    calls = [
        ("acceleration", (x, U)),
        ("derivatives", (x, U)),
        ("step", (x, U, options, None)),
        ("step_with_sensitivities", (x, U, options, None)),
        ("points", (x,)),
        ("point_jacobians", (x,)),
    ]
    for name, arguments in calls:
        ours, theirs = getattr(c, name)(*arguments), getattr(numpy, name)(*arguments)
        assert ours[0] == theirs[0] == 0
        for one, other in zip(ours[1:], theirs[1:], strict=True):
            assert np.abs(one - other).max() <= 1e-10 * np.abs(other).max(), name


def test_warm_start_changes_cost_and_not_the_answer(flexible: YawChain) -> None:
    cold = warm = bent(flexible)
    stages = flexible.warm_start(2)
    for _ in range(50):
        cold = flexible.step(cold, U, 0.004)
        warm = flexible.step(warm, U, 0.004, warm_start=stages)
    assert np.abs(cold - warm).max() < 1e-8
    assert np.abs(stages).max() > 0.0


def test_solved_stages_are_a_fixed_point(flexible: YawChain) -> None:
    """With the solution as first guess, a single iteration without any tolerance gives it again."""
    x, stages = bent(flexible), flexible.warm_start(2)
    exact, d_dx, d_du = flexible.step_with_sensitivities(x, U, 0.004, warm_start=stages)
    once = flexible.step_with_sensitivities(
        x, U, 0.004, warm_start=stages, max_iterations=1, tolerance=np.inf
    )
    for value, expected in zip(once, (exact, d_dx, d_du), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9 * np.abs(expected).max())


def test_same_input_same_bits(chain: YawChain) -> None:
    x = bent(chain)
    first = chain.step_with_sensitivities(x, U, 0.004, scheme="radau")
    chain.step(bent(chain, 5), -U, 0.01)
    for one, other in zip(first, chain.step_with_sensitivities(x, U, 0.004, scheme="radau"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("threads", [1, 3, None])
def test_many_steps_equal_single_ones(flexible: YawChain, threads: int | None) -> None:
    if flexible.backend != "c":
        pytest.skip("NumPy batches round differently")
    x = np.stack([bent(flexible, seed) for seed in range(7)])
    u = np.random.default_rng(0).uniform(-5, 5, (7, 3))
    x[4, 3] = np.nan
    stages, single = flexible.warm_start(2, count=7), flexible.warm_start(2)
    following, status = flexible.step_many(x, u, 0.004, warm_start=stages, threads=threads)
    np.testing.assert_array_equal(status, [0, 0, 0, 0, 2, 0, 0])
    assert np.isnan(following[4]).all()
    assert not stages[4].any()
    for i in (0, 1, 2, 3, 5, 6):
        single[:] = 0.0
        np.testing.assert_array_equal(following[i], flexible.step(x[i], u[i], 0.004, warm_start=single))
        np.testing.assert_array_equal(stages[i], single)


def test_numpy_batches_go_their_own_ways(flexible: YawChain) -> None:
    kernel, options = NumpyKernel(flexible.parameters), StepSettings(0.004)
    x = np.stack([bent(flexible, seed) for seed in range(4)])
    x[2] = np.inf
    status, following = kernel.step_many(x, np.tile(U, (4, 1)), options, None)
    np.testing.assert_array_equal(status, [0, 0, 2, 0])
    for i in (0, 1, 3):
        np.testing.assert_allclose(following[i], kernel.step(x[i], U, options, None)[1], rtol=1e-9, atol=1e-9)


def test_threads_share_a_chain(flexible: YawChain) -> None:
    starts = [bent(flexible, seed) for seed in range(4)]

    def run(x: FloatArray) -> FloatArray:
        for _ in range(300):
            x, _, _ = flexible.step_with_sensitivities(x, U, 0.002)
        return x

    alone = [run(x) for x in starts]
    together: list[FloatArray] = [np.zeros(0)] * 4

    def work(i: int) -> None:
        together[i] = run(starts[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(together, alone)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_many_steps_after_a_fork(flexible: YawChain) -> None:
    x, u = np.stack([bent(flexible, seed) for seed in range(4)]), np.tile(U, (4, 1))
    expected, _ = flexible.step_many(x, u, 0.004, threads=2)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        following = pool.apply_async(_step_many, (flexible.parameters, x, u)).get(timeout=10)
    np.testing.assert_array_equal(following, expected)


def _step_many(parameters: ChainParameters, x: FloatArray, u: FloatArray) -> FloatArray:
    return YawChain(parameters).step_many(x, u, 0.004, threads=2)[0]


def test_no_convergence_is_an_error_and_clears_the_warm_start(flexible: YawChain) -> None:
    stages = flexible.warm_start(2) + 1.0
    with pytest.raises(SolverError, match="converge"):
        flexible.step(bent(flexible), U, 0.004, max_iterations=1, warm_start=stages)
    assert not stages.any()


@pytest.mark.parametrize(
    "options",
    [
        {"dt": 0.0},
        {"dt": float("nan")},
        {"scheme": "euler"},
        {"substeps": 0},
        {"max_iterations": 0},
        {"tolerance": float("nan")},
        {"warm_start": np.zeros((1, 2, 9))},
    ],
)
def test_options_out_of_range_are_named(flexible: YawChain, options: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        flexible.step(bent(flexible), U, **{"dt": 0.004, **options})


@pytest.mark.parametrize("kernel_type", [NativeKernel, NumpyKernel])
@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(width=64), min_size=21, max_size=21),
    scheme=st.sampled_from(SCHEMES),
    dt=st.floats(1e-9, 1e3),
)
def test_no_input_crashes(
    flexible: YawChain, kernel_type: type, values: list, scheme: Scheme, dt: float
) -> None:
    kernel = native(flexible) if kernel_type is NativeKernel else NumpyKernel(flexible.parameters)
    x, u, options = np.array(values[:18]), np.array(values[18:]), StepSettings(dt, scheme, 2)
    for call in (kernel.step, kernel.step_with_sensitivities):
        status, *results = call(x, u, options, flexible.warm_start(2))
        assert status in (0, 1, 2)
        finite = [np.isfinite(result).all() for result in results]
        assert finite[0] == (status == 0)
