"""Where a result comes from: versions, commit, command and machine, saved with every run."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ampc", "numpy", "scipy", "mujoco", "casadi", "daqp", "torch", "onnx", "onnxruntime", "pyarrow")


def provenance() -> dict[str, Any]:
    """Facts that another person needs to get the same numbers, as plain JSON values."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def save_result(path: Path, result: dict[str, Any]) -> None:
    """Write a measured result as JSON, with where it comes from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"provenance": provenance(), **result}, indent=2) + "\n")


@cache
def git_commit() -> str | None:
    """Commit of the checkout this package runs from, with ``-dirty`` if files differ; None outside one."""
    folder = Path(__file__).parent
    try:
        root = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
        if not (Path(root) / "src" / "ampc").is_dir():
            return None  # installed into an environment that lies inside somebody else's repository
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("-dirty" if changes.strip() else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
