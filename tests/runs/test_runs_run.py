import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ampc.cli import main
from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import RobotSettings
from ampc.errors import PolicyError, SettingsError
from ampc.evaluation import BenchmarkSettings
from ampc.learning import DaggerSettings, TrainingSettings
from ampc.policies.policy import Policy
from ampc.runs import EvaluationSettings, LearningSettings, Run, RunSettings
from ampc.settings import load_settings

QUIET = Console(quiet=True)

TINY = RunSettings(
    collection=CollectionSettings(episodes=12, workers=1),
    learning=LearningSettings(
        architectures=("ffn", "gru"),
        seeds=(0, 1),
        hidden_size=16,
        layers=1,
        training=TrainingSettings(epochs=2),
    ),
    evaluation=EvaluationSettings(
        tasks_per_region=4,
        regions=("interior", "boundary"),
        baselines=("lqr",),
        latency_tasks=1,
        benchmark=BenchmarkSettings(workers=1),
    ),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs") / "tiny", TINY, QUIET)
    run.collect()
    run.train()
    run.export()
    run.evaluate()
    return run


def test_every_stage_leaves_its_result_and_its_provenance(finished: Run) -> None:
    names = {"ffn-0", "ffn-1", "gru-0", "gru-1"}
    assert set(finished.policies()) == names
    for folder in finished.policies().values():
        assert {"policy.json", "policy.safetensors", "policy.onnx", "parity.json"} <= {
            path.name for path in folder.iterdir()
        }
    stages = json.loads((finished.folder / "provenance.json").read_text())
    assert set(stages) == {"collect", "train", "export", "evaluate"}
    assert all(stage["versions"]["ampc"] for stage in stages.values())
    assert load_settings(RunSettings, finished.folder / "settings.json") == finished.settings
    assert (finished.folder / "tasks" / "boundary.parquet").exists()


def test_evaluation_covers_expert_baselines_policies_and_groups_of_seeds(finished: Run) -> None:
    summary, verdicts, latency = finished.evaluate()
    assert {"mpc", "lqr", "ffn-0", "gru-1", "ffn", "gru"} <= set(summary.controllers)
    assert {"interior", "boundary"} <= set(summary.regions)
    assert summary.find("interior", "mpc", "success").tasks == 4
    assert {verdict.controller for verdict in verdicts} == {"mpc", "ffn", "gru"}
    assert "mpc-ipopt" in latency.step_times


def test_a_run_is_opened_again_as_it_was(finished: Run) -> None:
    again = Run.open(finished.folder, QUIET)
    assert again.settings == finished.settings
    before = (finished.folder / "policies" / "ffn-0" / "policy.safetensors").read_bytes()
    noted = json.loads((finished.folder / "provenance.json").read_text())["train"]
    again.train()
    kept = json.loads((finished.folder / "provenance.json").read_text())["train"]["earlier"]
    assert kept == [{name: value for name, value in noted.items() if name != "earlier"}]
    assert (finished.folder / "policies" / "ffn-0" / "policy.safetensors").read_bytes() == before


def test_a_policy_that_is_not_the_exported_one_is_not_evaluated(finished: Run) -> None:
    folder = finished.policies()["ffn-0"]
    exported, weights = folder / "policy.onnx", folder / "policy.safetensors"
    before, trained = exported.stat().st_mtime_ns, weights.read_bytes()
    weights.write_bytes(trained)
    finished.export()
    assert exported.stat().st_mtime_ns == before
    weights.write_bytes((finished.policies()["ffn-1"] / "policy.safetensors").read_bytes())
    try:
        with pytest.raises(PolicyError, match="run: ampc export"):
            finished.evaluate()
        finished.export()
        assert exported.stat().st_mtime_ns > before
    finally:
        weights.write_bytes(trained)
        finished.export()


def test_other_settings_in_the_same_folder_are_refused_by_name(finished: Run) -> None:
    other = dataclasses.replace(TINY, mpc=dataclasses.replace(TINY.mpc, horizon=10))
    with pytest.raises(SettingsError, match=r"mpc\.horizon: 20 -> 10"):
        Run.create(finished.folder, other, QUIET)
    assert Run.create(finished.folder, TINY, QUIET).settings == finished.settings


def test_a_refused_training_leaves_the_settings_of_what_was_trained(finished: Run) -> None:
    assert main(["train", str(finished.folder), "--hidden-size", "8", "--workers", "1"]) == 2
    assert Run.open(finished.folder, QUIET).settings == finished.settings


def test_a_run_goes_on_with_more_episodes_and_other_later_stages(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", TINY, QUIET).collect()
    more = dataclasses.replace(
        TINY,
        collection=dataclasses.replace(TINY.collection, episodes=14),
        evaluation=dataclasses.replace(TINY.evaluation, tasks_per_region=3),
    )
    assert Run.create(tmp_path / "run", more, QUIET).collect().n_episodes == 14
    assert Run.open(tmp_path / "run", QUIET).settings == more


def test_both_algorithms_side_by_side_in_one_run(tmp_path: Path) -> None:
    learning = LearningSettings(
        algorithm="both",
        hidden_size=8,
        layers=1,
        training=TrainingSettings(epochs=2),
        dagger=DaggerSettings(rounds=1, labels=600, epochs=1),
        workers=1,
    )
    settings = dataclasses.replace(TINY, learning=learning, expert="mpc-informed")
    run = Run.create(tmp_path / "run", settings, QUIET)
    run.collect()
    run.train()
    run.export()
    assert set(run.policies()) == {"ffn", "ffn-dagger"}
    assert list(run.setups()) == ["mpc", "mpc-informed", "lqr", "ffn", "ffn-dagger"]
    summary, verdicts, _ = run.evaluate()
    assert {"mpc", "mpc-informed", "ffn", "ffn-dagger"} <= set(summary.controllers)
    assert {verdict.controller for verdict in verdicts} == {"mpc", "ffn", "ffn-dagger"}
    learned = [Policy.load(folder).spec for folder in run.policies().values()]
    assert [spec.training["learner"] for spec in learned] == ["behaviour cloning", "DAgger"]
    assert set(learned[1].command_limit) == {run.setup("mpc-informed").controller.command_limit}


def test_an_arm_that_the_expert_cannot_drive_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, robot=RobotSettings("flexible-arm"))
    with pytest.raises(SettingsError, match="ampc simulate"):
        Run.create(tmp_path / "run", settings, QUIET)
    assert not (tmp_path / "run").exists()


def test_training_and_evaluating_on_the_same_tasks_is_refused() -> None:
    with pytest.raises(SettingsError, match="judged on tasks they were trained on"):
        RunSettings(evaluation=EvaluationSettings(seed=0))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (LearningSettings, {"seeds": (-1,)}, "seeds must not be negative"),
        (LearningSettings, {"seeds": ()}, "learning.seeds is empty"),
        (LearningSettings, {"architectures": ("ffn", "ffn")}, "names one twice"),
        (LearningSettings, {"hidden_size": 0}, "learning.hidden_size is 0"),
        (EvaluationSettings, {"tasks_per_region": 0}, "evaluation.tasks_per_region is 0"),
        (EvaluationSettings, {"seed": -1}, "evaluation.seed is -1"),
        (EvaluationSettings, {"regions": ()}, "evaluation.regions is empty"),
        (EvaluationSettings, {"baselines": ("policy",)}, "always compared"),
    ],
)
def test_settings_that_no_stage_can_use_are_refused(
    kind: type[LearningSettings | EvaluationSettings], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        kind(**values)


def test_a_file_in_the_place_of_the_runs_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(SettingsError, match="is a file"):
        Run.create(tmp_path / "run", TINY, QUIET)


def test_a_weak_arm_gets_a_lower_command_limit_unless_told_otherwise(tmp_path: Path) -> None:
    model = tmp_path / "weak.xml"
    model.write_text(
        """<mujoco model="weak"><compiler angle="radian" autolimits="true"/><worldbody>
        <body><joint name="a" type="hinge" axis="0 1 0" range="-2 2" armature="0.1"/>
        <geom type="capsule" fromto="0 0 0 0.4 0 0" size="0.03" mass="1" contype="0" conaffinity="0"/>
        <body pos="0.4 0 0"><joint name="b" type="hinge" axis="0 1 0" range="-2 2" armature="0.1"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" mass="0.5" contype="0" conaffinity="0"/>
        <site name="tip" pos="0.3 0 0"/></body></body></worldbody>
        <actuator><motor joint="a" ctrlrange="-7 7"/>
        <motor joint="b" ctrlrange="-3 3"/></actuator></mujoco>"""
    )
    settings = dataclasses.replace(TINY, robot=RobotSettings(str(model)))
    adapted = Run.create(tmp_path / "adapted", settings, QUIET)
    assert 0 < adapted.settings.mpc.command_limit < 10
    forced = Run.create(tmp_path / "forced", dataclasses.replace(settings, adapt_command_limit=False), QUIET)
    assert forced.settings.mpc.command_limit == 10
    torques = dataclasses.replace(settings, torque_law="gravity-compensation")
    assert Run.create(tmp_path / "torques", torques, QUIET).settings.mpc.command_limit == 10


def test_stages_out_of_order_say_what_comes_first(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no run"):
        Run.open(tmp_path / "nothing")
    run = Run.create(tmp_path / "run", TINY, QUIET)
    for stage in (run.export, run.evaluate):
        with pytest.raises(PolicyError, match="ampc train"):
            stage()
