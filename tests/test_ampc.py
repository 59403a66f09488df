import importlib
import subprocess
import sys

import pytest

import ampc


@pytest.mark.parametrize("name", ampc.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(ampc, name) is not None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module("ampc").nothing  # noqa: B018


def test_importing_the_package_is_cheap() -> None:
    code = "import ampc, sys; sys.exit(any(name in sys.modules for name in ('torch', 'mujoco', 'casadi')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
