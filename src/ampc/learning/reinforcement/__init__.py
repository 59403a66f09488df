"""Reinforcement learning on many arms at once, by stable-baselines3, and rewards learned from demonstrations.

Importing this room does not import stable-baselines3; `require_stable_baselines` says what to install.
"""

from importlib.util import find_spec

from ampc.errors import AmpcError

__all__ = ["require_stable_baselines"]


def require_stable_baselines() -> None:
    """Refuse to begin without stable-baselines3.

    Raises:
        AmpcError: If it is not installed.
    """
    if find_spec("stable_baselines3") is None:
        raise AmpcError(
            "this algorithm needs stable-baselines3, which is not installed; run: "
            "pip install 'ampc[train,rl]'"
        )
