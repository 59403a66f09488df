"""Writes a policy as a folder of C code, and proves that it computes what the policy does."""

import copy
import importlib.resources
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ampc.export.parity import Parity, compare, recordings, require_parity
from ampc.policies.law import TorchPolicy
from ampc.policies.native import NativePolicy
from ampc.policies.packing import INDICES, NUMBERS, SIZES, PackedPolicy
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec

NAME = "trained_policy"
RECORDED_STEPS = 50
UNITS = {
    "computed-torque": "joint accelerations [rad/s2], for inverse dynamics",
    "gravity-compensation": "torques on top of gravity [N m]",
}


def export_c(policy: Policy, folder: Path) -> Parity:
    """Write a policy as a stand-alone C package.

    The code is that which `NativePolicy` runs, and the weights are written with all their digits, so that the
    parity of the two holds for the package as well. Its own check, ``make check``, compares a recorded
    episode on the target.

    Args:
        policy: The policy; not modified.
        folder: Folder to write; files in it that have the same names are replaced, once parity is
            established.

    Returns:
        The parity between the C code and the policy.

    Raises:
        PolicyError: If the C code does not compute what the policy does to `LARGEST_DIFFERENCE` of
            `ampc.export.parity`, or the package was installed without its compiled library.
    """
    policy = copy.deepcopy(policy).float().eval()
    with tempfile.TemporaryDirectory() as saved:
        policy.save(Path(saved))
        native = NativePolicy(saved)
    parity = compare(TorchPolicy(policy), native)
    require_parity(parity, policy.spec, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for sources in (
        importlib.resources.files("ampc.policies") / "src",
        importlib.resources.files("ampc.export") / "c",
    ):
        with importlib.resources.as_file(sources) as path:
            shutil.copytree(path, folder, dirs_exist_ok=True)
    (folder / "policy.json").write_text(policy.spec.to_json())
    (folder / f"{NAME}.h").write_text(_header(native.packed, native.memory_size))
    (folder / f"{NAME}.c").write_text(_weights(native.packed))
    (folder / "recorded_episode.h").write_text(_recorded_episode(policy))
    return parity


def _header(packed: PackedPolicy, memory_size: int) -> str:
    spec = packed.spec
    joints = ", ".join(spec.joint_names)
    motors = ", ".join(spec.joint_names[joint] for joint in spec.actuated)
    return f"""\
/* Policy {spec.network.architecture} for robot {_comment(spec.robot)}, fingerprint {spec.robot_fingerprint}.
 * Joints of the reference: {_comment(joints)}.
 * Motors, the order of commands: {_comment(motors)}.
 * A state is {_state(spec)}.
 * Commands are {UNITS[spec.torque_law]}. {_needs(spec)} */
#ifndef AMPC_TRAINED_POLICY_H
#define AMPC_TRAINED_POLICY_H

#include "policy.h"

#define POLICY_JOINTS {spec.n_joints}
#define POLICY_MOTORS {spec.n_actuated}
#define POLICY_STATE_SIZE {spec.n_state}
#define POLICY_PERIOD {spec.control_period!r} /* between two calls of policy_step [s] */
#define POLICY_MEMORY {memory_size} /* floats */

#ifdef __cplusplus
extern "C"
#else
extern
#endif
const PolicyModel TRAINED_POLICY;

#endif
"""


def _state(spec: PolicySpec) -> str:
    if not spec.inputs.estimated:
        return "q [rad], dq [rad/s] of the motors as measured"
    obstacles = f", normal and height of each of {spec.n_obstacles} obstacles" if spec.n_obstacles else ""
    return f"q [rad], dq [rad/s] of all joints, logarithm of the stiffness as estimated{obstacles}"


def _needs(spec: PolicySpec) -> str:
    reads = {"reference": spec.needs_reference, "goal": spec.needs_goal}
    needed = [name for name, is_read in reads.items() if is_read]
    return f"policy_reset needs {' and '.join(needed) or 'neither reference nor goal'}."


def _weights(packed: PackedPolicy) -> str:
    arrays = {
        **{name: _array("int", name, values) for name, values in packed.indices.items()},
        **{name: _array("float", name, values) for name, values in packed.numbers.items()},
    }
    fields = [f"    {packed.sizes[name]}, /* {name} */" for name in SIZES]
    fields += [f"    {name.upper() if arrays[name] else 'NULL'}," for name in (*INDICES, *NUMBERS)]
    includes = [f'#include "{NAME}.h"', "", "#include <stddef.h>", ""]
    declared = filter(None, arrays.values())
    return "\n".join([*includes, *declared, "", "const PolicyModel TRAINED_POLICY = {", *fields, "};", ""])


def _recorded_episode(policy: Policy) -> str:
    """Inputs and commands of the first of the `recordings`, an approach to a reference."""
    spec, law = policy.spec, TorchPolicy(policy)
    recording = next(recordings(spec, 1, RECORDED_STEPS))
    law.reset(recording.reference)
    commands = np.array([law.command(*state) for state in recording.states])
    tables = {"state": np.array([np.concatenate(state) for state in recording.states]), "command": commands}
    return "\n".join(
        [
            "/* An approach to a reference, and the commands of the policy before it was exported. */",
            f"#define STEPS {RECORDED_STEPS}",
            _array("double", "reference", np.asarray(recording.reference.q)),
            _array("double", "goal", recording.reference.goal),
            *(_array("double", name, table) for name, table in tables.items()),
            "",
        ]
    )


def _array(kind: Literal["int", "float", "double"], name: str, values: NDArray[Any]) -> str:
    """Definition of a constant array of one or two dimensions, all digits written; nothing if it is empty."""
    if not values.size:
        return ""
    suffix = "f" if kind == "float" else ""
    texts = [str(value) + suffix for value in values.ravel()]  # str: as few digits as tell the value
    length = values.shape[-1] if values.ndim > 1 else 8
    lines = [", ".join(texts[start : start + length]) for start in range(0, len(texts), length)]
    body = ",\n".join(f"    {{{line}}}" if values.ndim > 1 else f"    {line}" for line in lines)
    shape = "".join(f"[{size}]" for size in values.shape)
    return f"static const {kind} {name.upper()}{shape} = {{\n{body}}};"


def _comment(text: str) -> str:
    """Text that cannot end the comment it stands in."""
    return text.replace("*/", "* /").replace("\n", " ")
