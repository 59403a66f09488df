"""The C sources under sanitizers, and the choice between the library and NumPy."""

import importlib.resources
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ampc.chain import YawChain, core, library
from ampc.chain.backend import BACKEND_VARIABLE
from ampc.errors import SettingsError
from ampc.robots import load_robot

SOURCES = Path(str(importlib.resources.files("ampc.chain"))) / "src"


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    flags = ["-std=c99", "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if subprocess.run(
        [compiler, *flags, str(probe), "-o", str(tmp_path / "probe")], capture_output=True
    ).returncode:
        pytest.skip(f"{compiler} has no sanitizers")
    sources = [str(SOURCES / "chain.c"), str(Path(__file__).parent / "fuzz_chain.c")]
    program = str(tmp_path / "fuzz")
    subprocess.run([compiler, *flags, f"-I{SOURCES}", *sources, "-o", program, "-lm"], check=True)
    result = subprocess.run([program], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_sources_are_plain_c99(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc")
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", "-O0"]
    output = str(tmp_path / "chain.o")
    result = subprocess.run(
        [compiler, *flags, "-c", str(SOURCES / "chain.c"), "-o", output], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_header_and_bindings_have_the_same_version() -> None:
    assert f"#define CHAIN_VERSION {library.VERSION}\n" in (SOURCES / "chain.h").read_text()


def test_environment_forces_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    robot = load_robot("rigid-arm")
    monkeypatch.setenv(BACKEND_VARIABLE, "numpy")
    assert YawChain.from_robot(robot).backend == "numpy"
    monkeypatch.setenv(BACKEND_VARIABLE, "fortran")
    with pytest.raises(SettingsError, match="fortran"):
        YawChain.from_robot(robot)


@pytest.mark.parametrize("forced", [False, True])
def test_missing_library_is_said_once_unless_asked_for(forced: bool) -> None:
    program = """
import warnings
from ampc.chain import YawChain, core
from ampc.robots import load_robot
core.LIBRARY = core.LIBRARY.with_name("absent.so")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    chains = [YawChain.from_robot(load_robot("rigid-arm")) for _ in range(2)]
print(*(chain.backend for chain in chains), len(caught), str(caught[0].message))
"""
    environment = {name: value for name, value in os.environ.items() if name != BACKEND_VARIABLE}
    if forced:
        environment[BACKEND_VARIABLE] = "c"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    if forced:
        assert "OSError" in result.stderr
    else:
        assert result.stdout.startswith("numpy numpy 1 the chain's compiled library is missing"), (
            result.stderr
        )
        assert "absent.so" in result.stdout


def test_builds_for_newer_processors_agree_with_the_portable_one() -> None:
    program = """
import sys
import numpy as np
from ampc.chain import YawChain, core
from ampc.robots import load_robot
core.NEWER = core.NEWER[: int(sys.argv[1])]
chain = YawChain.from_robot(load_robot("flexible-arm-3"))
x = 0.3 * np.random.default_rng(0).standard_normal(2 * chain.n_joints)
found = chain.step_with_sensitivities(x, np.array([1.0, -2.0, 0.5]), 0.004)
print(*np.concatenate([np.ravel(part) for part in found]))
"""
    environment = os.environ | {BACKEND_VARIABLE: "c"}

    def run(newer: int) -> np.ndarray:
        command = [sys.executable, "-c", program, str(newer)]
        output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
        return np.array(output.split(), dtype=float)

    portable = run(0)
    for newer in range(1, 1 + len(core.NEWER)):
        np.testing.assert_allclose(run(newer), portable, rtol=1e-8, atol=1e-8)
