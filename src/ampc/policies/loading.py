"""A trained policy as a feedback law without torch, by ONNX Runtime or in C."""

from pathlib import Path

from ampc.policies.native import NativePolicy
from ampc.policies.runtime import OnnxPolicy

RuntimePolicy = OnnxPolicy | NativePolicy
"""A trained policy at run time."""


def load_policy(path: Path) -> RuntimePolicy:
    """The law of a trained policy; which of its files is named decides what runs it.

    Args:
        path: An ``.onnx`` file, for ONNX Runtime, or the folder of a saved policy, which runs in C: the
            quicker of the two, but for Transformers, and there only where the C library was built.

    Raises:
        PolicyError: If it cannot be loaded; the message says why.
    """
    return NativePolicy(path) if path.is_dir() else OnnxPolicy(path)
