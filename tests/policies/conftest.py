import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampc.policies import PolicySpec
from ampc.robots import KinematicChain


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
