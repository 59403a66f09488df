"""Policies: what they see, the networks, and the module that carries everything it needs to run alone.

Importing this room does not import torch; `ampc.policies.policy` and `ampc.policies.law` do.
"""

from ampc.policies.history import HistoryBuffer
from ampc.policies.spec import InputSettings, NetworkSettings, PolicySpec

__all__ = ["HistoryBuffer", "InputSettings", "NetworkSettings", "PolicySpec"]
