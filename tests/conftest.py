"""Fixtures that every room's tests share."""

import os

# One thread per library: the tests already run on all cores. It must be set before NumPy is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from ampc.policies import PolicySpec  # noqa: E402
from ampc.robots import KinematicChain, Robot, load_robot  # noqa: E402


@pytest.fixture(scope="session")
def rigid_arm() -> Robot:
    return load_robot("rigid-arm")


def make_spec(n=3, inputs=None, network=None, **changes) -> PolicySpec:
    """Specification for an arm of n joints with arbitrary geometry."""
    rng = np.random.default_rng(n)
    axes = rng.normal(size=(n, 3))
    chain = KinematicChain(
        rotations=Rotation.random(n, rng=rng).as_matrix(),
        offsets=rng.uniform(-0.5, 0.5, (n, 3)),
        axes=axes / np.linalg.norm(axes, axis=1, keepdims=True),
        tool=rng.uniform(-0.5, 0.5, 3),
    )
    fields = {
        "robot": "arm",
        "robot_fingerprint": "0123456789abcdef",
        "joint_names": tuple(f"joint{i}" for i in range(n)),
        "actuated": tuple(range(n)),
        "control_period": 0.05,
        "command_limit": tuple(10.0 + i for i in range(n)),
        "kinematic_chain": chain.to_dict(),
    }
    if inputs is not None:
        fields["inputs"] = inputs
    if network is not None:
        fields["network"] = network
    return PolicySpec(**(fields | changes))


@pytest.fixture(scope="session", name="make_spec")
def make_spec_fixture():
    return make_spec
