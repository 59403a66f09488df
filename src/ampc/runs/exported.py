"""Exported policies of a run, and whether they are still those of the trained ones."""

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ampc.episodes.files import read_json, write_json
from ampc.robots import Robot

if TYPE_CHECKING:
    from ampc.export.parity import Parity

ONNX_FILE = "policy.onnx"
PARITY_FILE = "parity.json"
C_FOLDER = "c"


def export_policy(folder: Path, robot: Robot) -> "Parity":
    """Write ``policy.onnx`` and, last, ``parity.json`` into a policy's folder.

    Raises:
        PolicyError: If the policy is missing, damaged or for another robot, or the file would not compute
            what the policy does.
    """
    from ampc.export.onnx import export_onnx  # torch is needed by this stage only
    from ampc.policies.policy import Policy

    parity = export_onnx(Policy.load(folder, robot), folder / ONNX_FILE)
    write_json(folder / PARITY_FILE, {**dataclasses.asdict(parity), "policy": _digest(folder)})
    return parity


def export_policy_c(folder: Path, robot: Robot) -> "Parity":
    """Write the folder ``c`` into a policy's folder.

    Raises:
        PolicyError: If the policy is missing, damaged or for another robot, or the C code would not compute
            what the policy does.
    """
    from ampc.export.c_code import export_c
    from ampc.policies.policy import Policy

    return export_c(Policy.load(folder, robot), folder / C_FOLDER)


def is_exported(folder: Path) -> bool:
    """Whether a policy's exported file was made from the weights that lie beside it."""
    record = folder / PARITY_FILE
    if not (record.exists() and (folder / ONNX_FILE).exists()):
        return False
    return bool(read_json(record).get("policy") == _digest(folder))


def _digest(folder: Path) -> str:
    """Fingerprint of a trained policy: by content, since times of files do not survive a copy."""
    files = (folder / "policy.json", folder / "policy.safetensors")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.exists())).hexdigest()[:16]
