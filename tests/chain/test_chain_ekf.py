"""The Kalman filter's algebra against textbook formulas, and the compiled filter against the NumPy one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.arrays import FloatArray
from ampc.chain import StepSettings, YawChain
from ampc.chain.ekf import Augmentation, CompiledFilter, FilterModel, NumpyFilter, n_filter_states
from ampc.chain.factors import correct_factors, covariance, predict_factors
from ampc.chain.library import load_library
from ampc.chain.statics import rest_shape
from ampc.robots import load_robot

AUGMENTATIONS: tuple[Augmentation, ...] = ("none", "modulus", "bias")


@pytest.fixture(scope="module", params=[0, 1, 3])
def chain(request: pytest.FixtureRequest) -> YawChain:
    return YawChain.from_robot(load_robot(f"flexible-arm-{request.param}"))


def library_or_skip() -> None:
    try:
        load_library()
    except OSError:
        pytest.skip("the C library was not built")


def model_of(chain: YawChain, augmentation: Augmentation, gate: float = 30.0) -> FilterModel:
    n, m = chain.n_joints, chain.n_actuated
    drift = np.full(n_filter_states(n, augmentation), 1e-3)
    drift[n : 2 * n] = 0.05
    noise = np.repeat([2e-3, 4e-2, 1e-2], [m, m, 3])
    return FilterModel(StepSettings(0.004, "radau", 1, 1e-10), augmentation, drift**2, noise**2, gate, 0.4)


def start(filters: list, chain: YawChain, seed: int) -> FloatArray:
    """Give all filters the same random state and covariance; the state."""
    rng = np.random.default_rng(seed)
    size, n = len(filters[0].state), chain.n_joints
    state = np.zeros(size)
    motors = rng.uniform([-1.0, 0.2, -1.5], [1.0, 1.2, 1.5])
    state[:n] = rest_shape(chain, motors) + 0.02 * rng.normal(size=n)
    state[n : 2 * n] = 0.2 * rng.normal(size=n)
    state[2 * n :] = 0.02 * rng.normal(size=size - 2 * n)
    factors = np.tril(0.3 * rng.normal(size=(size, size)), -1) + np.diag(rng.uniform(1e-6, 1e-3, size))
    for each in filters:
        each.start(state, factors)
    return state


def random_factors(rng: np.random.Generator, size: int) -> FloatArray:
    return np.tril(rng.normal(size=(size, size)), -1) + np.diag(rng.uniform(0.0, 2.0, size))


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 12))
def test_factors_follow_the_textbook_filter(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    factors, F = random_factors(rng, size), rng.normal(size=(size, size))
    process = rng.uniform(0.0, 1.0, size) * (rng.uniform(size=size) > 0.5)
    predicted = F @ covariance(factors) @ F.T + np.diag(process)
    factors = predict_factors(factors, F, process)
    scale = np.abs(predicted).max() + 1e-12
    np.testing.assert_allclose(covariance(factors), predicted, atol=1e-10 * scale)

    h, noise = rng.normal(size=size), 0.3
    P = covariance(factors)
    factors, gain, variance = correct_factors(factors, h, noise)
    assert variance == pytest.approx(h @ P @ h + noise, rel=1e-9)
    np.testing.assert_allclose(gain, P @ h / variance, atol=1e-9 * max(1.0, np.abs(gain).max()))
    joseph = np.eye(size) - np.outer(gain, h)
    expected = joseph @ P @ joseph.T + noise * np.outer(gain, gain)
    np.testing.assert_allclose(covariance(factors), expected, atol=1e-8 * scale)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 30))
def test_compiled_factors_equal_those_in_numpy(seed: int, size: int) -> None:
    library_or_skip()
    library = load_library()
    rng = np.random.default_rng(seed)
    factors, F, process = random_factors(rng, size), rng.normal(size=(size, size)), rng.uniform(size=size)
    padded = (size + 3) // 4 * 4
    work, compiled = np.zeros((2 * size + 1) * padded + 4 * size), factors.copy()
    library.chain_factors_predict.restype = None
    library.chain_factors_predict(size, *(_at(array) for array in (F, process, compiled, work)))
    expected = predict_factors(factors, F, process)
    scale = np.abs(covariance(expected)).max()
    np.testing.assert_allclose(covariance(compiled), covariance(expected), atol=1e-10 * scale)
    assert (np.triu(compiled, 1) == 0.0).all()


def _at(array: FloatArray) -> object:
    import ctypes

    return ctypes.c_void_p(array.ctypes.data)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_covariance_stays_positive_semidefinite(seed: int) -> None:
    """Thousands of steps with nearly perfect sensors and an unstable, badly scaled model."""
    rng = np.random.default_rng(seed)
    size = 8
    factors = np.diag(10.0 ** rng.uniform(-12, 6, size))
    F = np.eye(size) + 0.1 * rng.normal(size=(size, size))
    process = 10.0 ** rng.uniform(-14, -6, size)
    for _ in range(300):
        factors = predict_factors(factors, F, process)
        for _ in range(2):
            factors, _, _ = correct_factors(factors, rng.normal(size=size), 1e-12)
        assert np.isfinite(factors).all()
        assert (np.diag(factors) >= 0.0).all()


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_compiled_filter_equals_the_numpy_filter(chain: YawChain, augmentation: Augmentation) -> None:
    library_or_skip()
    rng = np.random.default_rng(5)
    model = model_of(chain, augmentation)
    filters = [NumpyFilter(chain, model), CompiledFilter(chain, model)]
    state = start(filters, chain, 3)
    n, motors = chain.n_joints, chain.actuated
    position = chain.points(state[: 2 * n])[0][0]
    for k in range(30):
        y = np.concatenate([state[motors], state[n + motors], position]) + model.noise**0.5 * rng.normal(
            size=9
        )
        y[rng.uniform(size=9) < 0.2] = [np.nan, np.inf, -np.inf][k % 3]
        torque = np.array([0.1, 3.0, 0.7]) + 0.1 * rng.normal(size=3)
        assert all(each.step(torque, y) for each in filters)
        reference, compiled = filters
        scale = 1e-7 * max(1.0, np.abs(reference.state).max())
        np.testing.assert_allclose(compiled.state, reference.state, atol=scale)
        np.testing.assert_allclose(compiled.end_effector, reference.end_effector, atol=scale)
        P = covariance(reference.factors)
        np.testing.assert_allclose(covariance(compiled.factors), P, atol=1e-6 * np.abs(P).max())
        assert compiled.nis == pytest.approx(reference.nis, rel=1e-5, abs=1e-9)
        assert (compiled.used, compiled.rejected) == (reference.used, reference.rejected)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_derivatives_of_model_and_measurement(chain: YawChain, augmentation: Augmentation) -> None:
    each = NumpyFilter(chain, model_of(chain, augmentation))
    state = start([each], chain, 7)
    torque = np.array([0.3, 2.0, 0.5])
    n = chain.n_joints
    step = 1e-5

    def shifted(i: int, sign: float) -> tuple[FloatArray, FloatArray]:
        each.state[:] = state
        each.state[i] += sign * step
        following = np.concatenate([each._linearised_step(torque)[0], each.state[2 * n :]])
        return following, each._linearised_measurement()[0]

    _, F = each._linearised_step(torque)
    _, H = each._linearised_measurement()
    for i in range(len(state)):
        ahead, behind = shifted(i, 1.0), shifted(i, -1.0)
        slope = (ahead[0] - behind[0]) / (2.0 * step)
        # The derivative by ln E is itself a difference, over 1e-3.
        tolerance = 2e-3 if augmentation == "modulus" and i == 2 * n else 1e-5
        np.testing.assert_allclose(F[:, i], slope, atol=tolerance * max(1.0, np.abs(slope).max()))
        np.testing.assert_allclose(H[:, i], (ahead[1] - behind[1]) / (2.0 * step), atol=1e-8)


def test_gate_rejects_what_no_sensor_says(chain: YawChain) -> None:
    model = model_of(chain, "none")
    kinds = [NumpyFilter] + ([CompiledFilter] if chain.backend == "c" else [])
    for kind in kinds:
        each = kind(chain, model)
        state = start([each], chain, 1)
        y = np.full(9, np.nan)
        y[0], y[3], y[8] = 1e200, -1e5, state[0]
        y[8] = chain.points(state[: 2 * chain.n_joints])[0][0][2]
        each.correct(y)
        assert (each.used, each.rejected) == (1, 2)
        assert np.isfinite(each.state).all()


def test_failed_prediction_changes_nothing(chain: YawChain) -> None:
    kinds = [NumpyFilter] + ([CompiledFilter] if chain.backend == "c" else [])
    for kind in kinds:
        each = kind(chain, model_of(chain, "none"))
        start([each], chain, 1)
        state, factors = each.state.copy(), each.factors.copy()
        assert not each.predict(np.full(3, np.nan))
        assert (each.state == state).all()
        assert (each.factors == factors).all()
        assert each.predict(np.zeros(3))
