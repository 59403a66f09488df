"""One policy of the arm with flexible links, the whole way from teaching to the page about it, small."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.experiments import Store, reproduce
from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
from ampc.experiments.flexible.page import write_page
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.experiments.flexible.single import policy_of, single_study
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.policies.settings import NetworkSettings
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings

ARM = RobotSettings("flexible-arm-1")
GRID = GridSettings((8, 17), (0.004, 0.02), (1, 1))
SETUP = FlexibleSetup(ARM, ARM, nmpc=NonlinearMPCControllerSettings(problem=NonlinearMPCSettings(grid=GRID)))


def test_from_teaching_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ampc.report.html.film", lambda *_: b"film")
    policy = FlexiblePolicy(
        seed=0,
        dagger=DaggerSettings(rounds=0, labels=60),
        training=TrainingSettings(epochs=2),
        network=NetworkSettings("ffn", 16, 1),
        setup=SETUP,
        duration=0.12,
    )
    study, store = single_study(policy, tasks=1), Store(tmp_path / "cells")
    found = reproduce([study], store, tmp_path, workers=1, console=Console(quiet=True))[study.name]
    setups = {EXPERT: SETUP, TAUGHT: replace(SETUP, kind="policy", policy=store.folder(policy))}
    page = write_page(tmp_path / "report.html", setups, found, (("labels", "sixty"),)).read_text()
    for text in (EXPERT, TAUGHT, "near-wall goals", "softer plant", "faster than its expert", "sixty"):
        assert text in page, text


def test_budgets_and_networks() -> None:
    full, quick = (policy_of(SETUP, 0, budget, 1) for budget in ("full", "quick"))
    assert quick.dagger.labels < full.dagger.labels / 4
    gru = policy_of(SETUP, 0, "full", 1, "gru")
    assert gru.network.architecture == "gru"
    assert gru.inputs.history > 1
    assert gru.dagger.goals == 0
