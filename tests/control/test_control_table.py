import numpy as np
import pytest

from ampc.control.feedback import Reference
from ampc.control.table import ExpertTable, TableSettings
from ampc.errors import SettingsError, SolverError
from ampc.solvers import BatchJointMPC, JointMPCSettings

SETTINGS = JointMPCSettings()


@pytest.fixture(scope="module")
def table() -> ExpertTable:
    return ExpertTable(SETTINGS, 3)


def test_grid_points_are_the_expert(table: ExpertTable) -> None:
    i, j = np.random.default_rng(0).integers(0, 401, (2, 500))
    error = np.linspace(-2 * np.pi, 2 * np.pi, 401)[i]
    dq = np.linspace(-10, 10, 401)[j]
    expected = BatchJointMPC(SETTINGS).first_input(error, dq)
    np.testing.assert_allclose(table.interpolate(error, dq), expected, atol=1e-8)


def test_it_converges_to_the_expert_as_the_grid_is_refined() -> None:
    errors = [
        ExpertTable(SETTINGS, 1, TableSettings(points=points)).interpolation_error()
        for points in (26, 101, 401)
    ]
    means = [error.mean() for error in errors]
    worst = [error.max() for error in errors]
    assert means[0] > 4 * means[1] > 16 * means[2]
    assert worst[0] > worst[1] > worst[2]
    assert means[2] < 0.003
    assert np.quantile(errors[2], 0.99) < 0.03


def test_it_is_the_expert_around_the_reference(table: ExpertTable) -> None:
    rng = np.random.default_rng(1)
    error, dq = rng.uniform(-0.015, 0.015, 500), rng.uniform(-0.1, 0.1, 500)
    expected = BatchJointMPC(SETTINGS).first_input(error, dq)
    np.testing.assert_allclose(table.interpolate(error, dq), expected, atol=1e-8)


def test_beyond_its_border_it_takes_the_value_at_the_border(table: ExpertTable) -> None:
    outside = table.interpolate(np.array([9.0, 0.3]), np.array([1.0, -30.0]))
    border = table.interpolate(np.array([2 * np.pi, 0.3]), np.array([1.0, -10.0]))
    np.testing.assert_allclose(outside, border, atol=1e-12)


def test_it_drives_the_joints_as_the_expert_does(table: ExpertTable) -> None:
    expert = BatchJointMPC(SETTINGS)
    goal = np.array([1.5, -0.5, 0.02])
    table.reset(Reference(np.zeros(3), goal))
    x = y = np.zeros((2, 3))
    for _ in range(60):
        u, v = table.command(*x), expert.first_input(y[0] - goal, y[1])
        assert (np.abs(u) <= table.command_limit + 1e-12).all()
        x = np.array([x[0] + 0.05 * x[1], x[1] + 0.05 * u])
        y = np.array([y[0] + 0.05 * y[1], y[1] + 0.05 * v])
        np.testing.assert_allclose(x[0], y[0], atol=0.005)
    np.testing.assert_allclose(x[0], goal, atol=1e-6)


@pytest.mark.parametrize(("field", "value"), [("points", 1), ("error_range", 0.0), ("speed_range", np.inf)])
def test_bad_settings_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=field.split("_")[0]):
        TableSettings(**{field: value})


def test_failures_are_raised(table: ExpertTable) -> None:
    fresh = ExpertTable(SETTINGS, 2, TableSettings(points=11))
    with pytest.raises(SolverError):
        fresh.command(np.zeros(2), np.zeros(2))
    with pytest.raises(SolverError, match="joint reference"):
        fresh.reset(Reference(np.zeros(3), None))
    table.reset(Reference(np.zeros(3), np.zeros(3)))
    with pytest.raises(SolverError, match="finite"):
        table.command(np.array([0.0, np.nan, 0.0]), np.zeros(3))
