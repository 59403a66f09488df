"""Fixtures that every room's tests share."""

import os

# One thread per library: the tests already run on all cores. It must be set before NumPy is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest  # noqa: E402

from ampc.robots import Robot, load_robot  # noqa: E402


@pytest.fixture(scope="session")
def rigid_arm() -> Robot:
    return load_robot("rigid-arm")
