"""The stand-alone C package, compiled and run."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ampc.errors import PolicyError
from ampc.export import c_code
from ampc.export.c_code import export_c
from ampc.export.parity import Parity
from ampc.policies import InputSettings, NetworkSettings, ReferenceNetworkSettings
from ampc.policies import native as native_module
from ampc.policies.planar_constants import PlanarChain
from ampc.policies.policy import Policy
from ampc.policies.settings import flexible_inputs

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture
def policy(make_spec):
    try:
        native_module._library()
    except PolicyError as error:
        pytest.skip(str(error))

    def policy(architecture="ffn", **changes):
        torch.manual_seed(0)
        inputs = InputSettings(("state_error", "target_error"), history=3, stride=2, past_commands=True)
        if architecture in ("lstm", "gru"):
            inputs = InputSettings(("state_error", "target_error"), past_commands=True)
        network = NetworkSettings(architecture, hidden_size=16, layers=2)
        return Policy(make_spec(3, inputs, network, **changes)).eval()

    return policy


def compile_and_run(folder: Path, flags: list[str]) -> subprocess.CompletedProcess[str]:
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    program = str(folder / "program")
    build = subprocess.run(
        [compiler, *STRICT, *flags, *sources, "-o", program, "-lm"], capture_output=True, text=True
    )
    if build.returncode and flags and "sanitize" in build.stderr:
        pytest.skip(f"{compiler} has no sanitizers")
    assert build.returncode == 0, build.stderr
    return subprocess.run([program], capture_output=True, text=True)


@pytest.mark.parametrize("architecture", ["ffn", "lstm", "gru", "transformer"])
def test_the_package_computes_what_the_policy_does(policy, architecture, tmp_path):
    parity = export_c(policy(architecture), tmp_path)
    assert max(parity.command, parity.raw_command) <= 1e-5
    run = compile_and_run(tmp_path, [*SANITIZERS, "-O1"])
    assert run.returncode == 0, run.stdout + run.stderr
    difference = re.search(r"trained policy: ([0-9.e+-]+) of the limit", run.stdout)
    assert difference is not None
    assert float(difference.group(1)) <= 1e-5


ESTIMATED = {
    "actuated": (0, 2, 3),
    "command_limit": (1.0, 2.0, 3.0),
    "kinematic_chain": {},
    "planar_chain": PlanarChain(
        base=(0.1, -0.2, 0.3),
        heading=0.4,
        sin_tilt=0.8,
        cos_tilt=0.6,
        offset=(0.1, -0.3, 0.2, 0.0),
        along=((0.3, 0.2, 0.4, 0.1), (0.3, 0.1, 0.0, 0.0)),
        across=((0.0, 0.1, 0.0, -0.1), (0.0, 0.1, 0.0, 0.0)),
    ),
    "n_obstacles": 2,
}


@pytest.mark.parametrize("architecture", ["ffn", "lstm", "gru", "transformer"])
def test_fuzzing_finds_no_fault_that_is_not_reported(make_spec, policy, architecture, tmp_path):
    torch.manual_seed(0)
    inputs = replace(flexible_inputs(history=3), past_commands=True)
    spec = make_spec(5, inputs, NetworkSettings(architecture, hidden_size=16, layers=2), **ESTIMATED)
    fuzz(Policy(spec).eval(), tmp_path)


@pytest.mark.parametrize("window", ["fixed", "longer-near-singularities"])
def test_fuzzing_of_windows_and_networks_in_place_of_inverse_kinematics(make_spec, policy, window, tmp_path):
    torch.manual_seed(0)
    inputs = InputSettings(("state_error", "target_error"), history=4, stride=3, window=window)
    second = ReferenceNetworkSettings(8, refinements=2) if window == "fixed" else None
    fuzz(
        Policy(make_spec(3, inputs, NetworkSettings("ffn", 8, 1), reference_network=second)).eval(), tmp_path
    )


def fuzz(policy: Policy, folder: Path) -> None:
    export_c(policy, folder)
    (folder / "example.c").unlink()
    shutil.copy(Path(__file__).parent / "fuzz_policy.c", folder)
    run = compile_and_run(folder, [*SANITIZERS, "-O1"])
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_check_fails_for_other_weights(policy, tmp_path):
    export_c(policy(), tmp_path)
    path = tmp_path / "trained_policy.c"
    path.write_text(
        path.read_text()
        .replace("MEAN[", "OTHER[", 1)
        .replace("DEVIATION[", "MEAN[", 1)
        .replace("OTHER[", "DEVIATION[", 1)
    )
    assert compile_and_run(tmp_path, ["-O1"]).returncode == 1


def test_make_check(policy, tmp_path):
    make = shutil.which("make")
    if make is None or shutil.which("cc") is None:
        pytest.skip("there is no make or no C compiler")
    export_c(policy(), tmp_path)
    run = subprocess.run([make, "check"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_code_that_differs_is_not_written(policy, tmp_path, monkeypatch):
    monkeypatch.setattr(c_code, "compare", lambda *_: Parity(1.0, 1.0, 1))
    with pytest.raises(PolicyError, match="nothing was written"):
        export_c(policy(), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_names_cannot_end_the_comment_they_stand_in(policy, tmp_path):
    export_c(policy(robot="an arm */ int main("), tmp_path)
    assert "*/ int main(" not in (tmp_path / "trained_policy.h").read_text()


def test_header_and_bindings_have_the_same_version():
    header = (Path(native_module.__file__).parent / "src" / "policy.h").read_text()
    assert f"#define POLICY_VERSION {native_module.VERSION}\n" in header
