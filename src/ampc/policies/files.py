"""The files of a saved policy, read without torch."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ampc.errors import PolicyError
from ampc.policies.spec import PolicySpec

SPEC_FILE = "policy.json"
WEIGHTS_FILE = "policy.safetensors"

Weights = dict[str, NDArray[Any]]
"""Tensors by name."""


def read_saved_policy(folder: Path) -> tuple[PolicySpec, Weights]:
    """Specification and weights of a policy's folder, without torch.

    Raises:
        PolicyError: If a file is missing or damaged, or the format is newer.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    for name in (SPEC_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise PolicyError(f"{folder} holds no policy: {name} is missing")
    spec = PolicySpec.from_json((folder / SPEC_FILE).read_text(), folder / SPEC_FILE)
    try:
        return spec, load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise PolicyError(f"{folder / WEIGHTS_FILE} is damaged: {error}") from error
