"""The numerical core for a yaw joint that carries a planar chain: the rigid arm and the flexible arm.

Equations of motion, implicit integration with exact sensitivities, and the motion of points, in C with a
NumPy form behind the same interface.
"""

from ampc.chain.options import StepSettings
from ampc.chain.parameters import ChainParameters
from ampc.chain.statics import Equilibrium, StaticEquilibrium, rest_shape, rest_shapes
from ampc.chain.yaw_chain import YawChain

__all__ = [
    "ChainParameters",
    "Equilibrium",
    "StaticEquilibrium",
    "StepSettings",
    "YawChain",
    "rest_shape",
    "rest_shapes",
]
