from pathlib import Path

import numpy as np
import pytest

from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import EpisodeSetup
from ampc.report import RenderingUnavailableError, show_episode
from ampc.robots import Robot
from ampc.tasks import TaskSampler


def test_page_shows_the_episode_even_where_nothing_can_be_drawn(
    rigid_arm: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RenderingUnavailableError("egl: none")

    monkeypatch.setattr("ampc.report.html.film", fail)
    task = TaskSampler(rigid_arm).sample(1, "boundary", seed=4)[0]
    episode = run_episode(*EpisodeSetup().build(), task, duration=1.0)
    page = show_episode(episode, rigid_arm, tmp_path / "new" / "page.html").read_text()
    assert f"{1e3 * np.linalg.norm(episode.final_end_effector - task.goal):.2f} mm" in page
    assert "boundary" in page
    assert "could not be drawn off-screen on this machine (egl: none)" in page
    assert "Verdicts" not in page
