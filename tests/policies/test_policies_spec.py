import json
from dataclasses import replace
from pathlib import Path

import pytest

from ampc.errors import PolicyError
from ampc.policies import InputSettings, NetworkSettings, OnnxPolicy, PolicySpec
from ampc.policies.spec import FORMAT_VERSION


def test_json_round_trip_loses_nothing(make_spec):
    spec = make_spec(
        inputs=InputSettings(("sincos", "target_error"), history=7, stride=2, past_commands=True),
        network=NetworkSettings("transformer", hidden_size=32, layers=3, heads=2),
        torque_law="gravity-compensation",
        training={"dataset": "runs/1", "seed": 3},
    )
    assert PolicySpec.from_json(spec.to_json()) == spec


def test_files_of_the_first_format_are_read(make_spec):
    values = json.loads(make_spec().to_json()) | {"format_version": 1}
    del values["reference_network"]
    for name in ("window", "shortest", "window_share"):
        del values["inputs"][name]
    spec = PolicySpec.from_json(json.dumps(values))
    assert replace(spec, format_version=FORMAT_VERSION) == make_spec()
    committed = Path(__file__).parents[2] / "results" / "rigid" / "distill" / "policy" / "policy.onnx"
    assert OnnxPolicy(committed).needs_reference


def test_describes_a_robot(rigid_arm):
    spec = PolicySpec.for_robot(rigid_arm, 0.05, (10.0,) * rigid_arm.n_actuated)
    assert spec.robot_fingerprint == rigid_arm.fingerprint
    assert spec.joint_names == rigid_arm.joint_names
    assert spec.network == NetworkSettings("ffn", hidden_size=256, layers=3)
    assert PolicySpec.from_json(spec.to_json()) == spec
    spec.require(rigid_arm, 0.05)
    with pytest.raises(PolicyError, match="control period"):
        spec.require(rigid_arm, 0.002)
    with pytest.raises(PolicyError, match="was trained for robot"):
        replace(spec, robot_fingerprint="other").require(rigid_arm, 0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(comand_limit=[1.0]), "did you mean 'command_limit'"),
        (lambda d: d["inputs"].update(histroy=3), "did you mean 'history'"),
        (lambda d: d.pop("robot"), "robot"),
        (lambda d: d.update(control_period="fast"), "control_period"),
        (lambda d: d.update(control_period=-1.0), "control_period must be positive"),
        (lambda d: d["inputs"].update(components=["stat"]), "components"),
        (lambda d: d["inputs"].update(components=[]), "components is empty"),
        (lambda d: d["inputs"].update(components=["state", "state"]), "twice"),
        (lambda d: d["inputs"].update(history=0), "at least 1"),
        (lambda d: d["network"].update(architecture="cnn"), "architecture"),
        (lambda d: d["network"].update(layers=0), "layers"),
        (lambda d: d["network"].update(architecture="transformer", hidden_size=30), "heads"),
        (lambda d: (d["network"].update(architecture="gru"), d["inputs"].update(stride=2)), "stride 1"),
        (lambda d: d.update(command_limit=[1.0]), "command_limit"),
        (lambda d: d.update(command_limit=[1.0, -1.0, 1.0]), "positive"),
        (lambda d: d.update(actuated=[0, 1, 3]), "actuated"),
        (lambda d: d.update(format_version=FORMAT_VERSION + 1), "update ampc"),
        (lambda d: d.pop("format_version"), "format_version"),
        (lambda d: (d["inputs"].update(components=["target_error"]), d.update(kinematic_chain={})), "chain"),
    ],
)
def test_refuses_what_is_wrong_and_says_what(make_spec, change, message):
    values = json.loads(make_spec().to_json())
    change(values)
    with pytest.raises(PolicyError, match=message):
        PolicySpec.from_json(json.dumps(values), "policy.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"format_version": "1"}'])
def test_refuses_damaged_json(text):
    with pytest.raises(PolicyError, match=r"policy\.json"):
        PolicySpec.from_json(text, "policy.json")


def test_non_finite_provenance_is_refused_when_written(make_spec):
    with pytest.raises(ValueError, match="JSON"):
        make_spec(training={"loss": float("nan")}).to_json()


def test_needs_follow_from_the_components():
    assert InputSettings().needs_reference
    assert not InputSettings().needs_goal
    assert not InputSettings(("state", "target")).needs_reference
    assert InputSettings(("state", "target")).needs_goal
