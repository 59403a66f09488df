"""DAgger: the same result whatever interrupts it, the budget, the schedules, and that it helps."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import ampc.learning.dagger
import ampc.learning.training
from ampc.episodes.collection import CollectionSettings, collect
from ampc.episodes.dataset import Dataset
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import DatasetError, SettingsError
from ampc.learning import TrainingSettings
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.robots import load_robot
from ampc.tasks import TaskSettings, VariationSettings

QUIET = Console(quiet=True)
SETUP = EpisodeSetup()
NOISY = TaskSettings(variation=VariationSettings(position_noise=(0.002, 0.002), velocity_noise=(0.2, 0.2)))
TEACHING = Teaching(
    SETUP,
    NOISY,
    CollectionSettings(seed=1000, workers=1, max_duration=0.5, shard_episodes=3, true_state=True),
)
TRAINING = TrainingSettings(epochs=3, batch_size=64)
SETTINGS = DaggerSettings(rounds=2, labels=300, epochs=2, betas=(0.5, 0.0), mixing="step")


def spec(architecture: Any = "ffn", history: int = 3) -> PolicySpec:
    return PolicySpec.for_robot(
        load_robot("rigid-arm"),
        0.05,
        (10.0,) * 3,
        inputs=InputSettings(history=history, past_commands=True),
        network=NetworkSettings(architecture, hidden_size=16, layers=1),
    )


def learn(folder: Path, **changes: Any) -> Policy:
    return dagger(TEACHING, spec(), TRAINING, dataclasses.replace(SETTINGS, **changes), folder, QUIET)


def same(first: Policy, second: Policy) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "rounds.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAgger training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("dagger") / "whole"
    learn(folder)
    return folder


def test_rounds_keep_to_the_budget_and_share_no_task(whole: Path) -> None:
    log = lines(whole)
    assert [int(line["round"]) for line in log] == [0, 1, 2]
    assert [float(line["beta"]) for line in log] == [1.0, 0.5, 0.0]
    assert int(log[0]["labels"]) <= 75
    assert 240 < int(log[-1]["labels"]) <= 300
    tasks: list[int] = []
    for number in range(3):
        dataset = Dataset.open(whole / "rounds" / str(number) / "dataset")
        assert dataset.n_episodes == int(log[number]["episodes"])
        tasks += dataset.episodes["task"]
    assert tasks == list(range(len(tasks)))
    policy = Policy.load(whole)
    assert policy.spec.training["learner"] == "DAgger"
    assert policy.spec.training["dagger"]["labels"] == 300
    assert same(policy, Policy.load(whole / "rounds" / "2"))


def test_past_commands_are_those_that_were_applied(whole: Path) -> None:
    frames = Dataset.open(whole / "rounds" / "1" / "dataset").frames
    driven_by_expert = (frames["action"] == frames["action.applied"]).all(axis=1)
    assert 0.2 < driven_by_expert.mean() < 0.8


SCRIPT = """
import os, signal, sys
from pathlib import Path
import ampc.episodes.recipe as recipe
import ampc.learning.training as training
from test_learning_dagger import learn
training.SECONDS_BETWEEN_CHECKPOINTS = 0.0
left = [int(sys.argv[2])]
def mortal(function):
    def call(*arguments):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(*arguments)
    return call
recipe.run_episode = mortal(recipe.run_episode)
training._run_epoch = mortal(training._run_epoch)
learn(Path(sys.argv[1]))
"""


def test_killed_again_and_again_it_ends_with_the_same_bits(whole: Path, tmp_path: Path) -> None:
    """Each life has so many episodes and epochs: the deaths fall into collections and trainings."""
    for life in (4, 9, 20):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(life)]
        killed = subprocess.run(command, cwd=Path(__file__).parent, check=False)
        assert killed.returncode == -signal.SIGKILL
    assert same(learn(tmp_path / "killed"), Policy.load(whole))
    assert lines(tmp_path / "killed") == lines(whole)


def test_a_finished_training_is_not_repeated(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ampc.learning.training, "_run_epoch", None)
    monkeypatch.setattr("ampc.episodes.recipe.run_episode", None)
    assert same(learn(whole), Policy.load(whole))


def test_the_folder_of_another_training_is_refused(whole: Path) -> None:
    with pytest.raises(SettingsError, match=r"dagger\.labels: 300 -> 400"):
        learn(whole, labels=400)
    other = dataclasses.replace(TEACHING, tasks=TaskSettings())
    with pytest.raises(SettingsError, match=r"teaching\.tasks\.variation\.position_noise"):
        dagger(other, spec(), TRAINING, SETTINGS, whole, QUIET)
    with pytest.raises(SettingsError, match=r"policy\.inputs\.history: 3 -> 4"):
        dagger(TEACHING, spec(history=4), TRAINING, SETTINGS, whole, QUIET)


def test_the_seed_and_a_fresh_start_change_the_policy_and_nothing_else_does(
    whole: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1234)
    assert same(learn(tmp_path / "again"), Policy.load(whole))
    seeded = dataclasses.replace(TRAINING, seed=1)
    assert not same(dagger(TEACHING, spec(), seeded, SETTINGS, tmp_path / "seed", QUIET), Policy.load(whole))
    assert not same(learn(tmp_path / "fresh", warm_start=False), Policy.load(whole))


def test_without_rounds_it_is_behaviour_cloning(tmp_path: Path) -> None:
    learn(tmp_path, rounds=0, betas=(), labels=120)
    assert len(lines(tmp_path)) == 1
    dataset = Dataset.open(tmp_path / "rounds" / "0" / "dataset")
    assert (dataset.frames["action"] == dataset.frames["action.applied"]).all()


def test_given_demonstrations_are_used_up_to_their_share(tmp_path: Path) -> None:
    collection = dataclasses.replace(TEACHING.collection, episodes=20)
    given = collect(SETUP, NOISY, collection, tmp_path / "given", QUIET)
    folder = tmp_path / "policy"
    dagger(TEACHING, spec(), TRAINING, SETTINGS, folder, QUIET, demonstrations=given)
    assert 60 < int(lines(folder)[0]["labels"]) <= 75
    assert not (folder / "rounds" / "0" / "dataset").exists()
    assert Dataset.open(folder / "rounds" / "1" / "dataset").episodes["task"][0] == 20

    other = dataclasses.replace(spec(), robot_fingerprint="other")
    with pytest.raises(DatasetError, match="the policy is to be for"):
        dagger(TEACHING, other, TRAINING, SETTINGS, tmp_path / "other", QUIET, demonstrations=given)


def test_recurrent_policies_learn_from_their_own_episodes_too(tmp_path: Path) -> None:
    policy = dagger(
        TEACHING, spec("gru"), TRAINING, dataclasses.replace(SETTINGS, rounds=1, betas=()), tmp_path, QUIET
    )
    assert policy.spec.recurrent


@given(
    rounds=st.integers(0, 8),
    labels=st.integers(1, 100_000),
    share=st.floats(0.01, 1.0),
    used=st.lists(st.floats(0.5, 1.0), min_size=9, max_size=9),
)
def test_no_schedule_of_labels_exceeds_the_budget(
    rounds: int, labels: int, share: float, used: list[float]
) -> None:
    settings = DaggerSettings(rounds=rounds, labels=labels, demonstration_share=share)
    given = 0
    for number in range(rounds + 1):
        asked = settings.labels_of(number, given)
        assert asked >= 0
        given += int(used[number] * asked)
    assert given <= labels


def test_schedules_of_beta() -> None:
    constant = DaggerSettings(schedule="constant", beta=0.3)
    assert [constant.beta_of(i) for i in range(5)] == [1.0, 0.3, 0.3, 0.3, 0.3]
    linear = DaggerSettings(schedule="linear", beta=0.6)
    assert [linear.beta_of(i) for i in range(1, 5)] == pytest.approx([0.6, 0.4, 0.2, 0.0])
    exponential = DaggerSettings(schedule="exponential", beta=0.5)
    assert [exponential.beta_of(i) for i in range(1, 5)] == [0.5, 0.25, 0.125, 0.0625]
    listed = DaggerSettings(rounds=2, betas=(0.7, 0.1))
    assert [listed.beta_of(i) for i in range(3)] == [1.0, 0.7, 0.1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": -1}, "dagger.rounds is -1"),
        ({"labels": 0}, "dagger.labels is 0"),
        ({"epochs": 0}, "dagger.epochs is 0"),
        ({"demonstration_share": 0.0}, "demonstration_share is 0.0"),
        ({"beta": 1.5}, "dagger.beta is 1.5"),
        ({"rounds": 2, "betas": (0.5,)}, "1 entries for 2 rounds"),
        ({"rounds": 1, "betas": (2.0,)}, "dagger.beta is 2.0"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        DaggerSettings(**change)


def test_a_budget_too_small_for_its_rounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"dagger\.labels is 50.*leaves 12 for round 0; .* may take 10"):
        learn(tmp_path, labels=50)
    assert not tmp_path.joinpath("rounds").exists()


def test_the_epochs_of_all_rounds_are_in_one_table(whole: Path) -> None:
    with (whole / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6, 7]


def test_what_was_learned_is_written_as_plain_json(whole: Path) -> None:
    identity = json.loads((whole / "dagger.json").read_text())
    assert identity["dagger"]["betas"] == [0.5, 0.0]
