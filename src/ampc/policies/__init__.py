"""Policies: what they see, the networks, the module that carries all it needs, the run-time without torch.

Importing this room does not import torch; `ampc.policies.policy` and `ampc.policies.law` do.
"""

from ampc.policies.history import HistoryBuffer
from ampc.policies.runtime import OnnxPolicy
from ampc.policies.spec import InputSettings, NetworkSettings, PolicySpec, ReferenceNetworkSettings

__all__ = [
    "HistoryBuffer",
    "InputSettings",
    "NetworkSettings",
    "OnnxPolicy",
    "PolicySpec",
    "ReferenceNetworkSettings",
]
