import numpy as np
import pytest

from ampc.arrays import FloatArray
from ampc.control.controller import StepRecord
from ampc.episodes.rollout import StopRule, run_episode
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.tasks.task import Task

PERIOD = 0.05


class Integrator:
    """A one-joint arm of unit inertia, semi-implicit Euler; the end effector is (q, 0, 0)."""

    control_period = PERIOD
    limit = 4.0

    def reset(self, task: Task) -> Measurement:
        self.q, self.dq, self._time = task.start.copy(), np.zeros(1), 0.0
        self.applied_torque, self.torque_saturated, self.fault = np.zeros(1), False, ""
        return self._measure()

    def step(self, torque: FloatArray) -> Measurement:
        self.applied_torque = np.clip(torque, -self.limit, self.limit)
        self.torque_saturated = bool((self.applied_torque != torque).any())
        self.fault = "bump" if np.isclose(self._time, 0.1) else ""
        self.dq = self.dq + PERIOD * self.applied_torque
        self.q = self.q + PERIOD * self.dq
        self._time += PERIOD
        return self._measure()

    @property
    def end_effector(self) -> FloatArray:
        return np.array([self.q[0], 0.0, 0.0])

    def _measure(self) -> Measurement:
        return Measurement(self._time, self.q + 1e-4, self.dq)


class Damper:
    """PD law to zero."""

    name = "pd"
    control_period = PERIOD
    reference = np.zeros(1)

    def reset(self, task: Task) -> None:
        self.last_step = StepRecord(*np.zeros((3, 1)))

    def act(self, measurement: Measurement) -> FloatArray:
        torque = -20.0 * measurement.q - 8.0 * measurement.dq
        late = measurement.time > 0.19
        self.last_step = StepRecord(
            torque, torque, np.zeros(1), "ok" if late else "fallback", "" if late else "early"
        )
        return torque


TASK = Task(0, "interior", np.array([1.0]), np.zeros(3), np.zeros(1), seed=0)


def test_rows_pair_the_state_with_the_torque_it_caused() -> None:
    episode = run_episode(Integrator(), Damper(), TASK, duration=1.0)
    assert len(episode) == 20
    np.testing.assert_allclose(episode.time, np.arange(20) * PERIOD)
    np.testing.assert_allclose(episode.command, -20 * episode.measured_q - 8 * episode.measured_dq)
    np.testing.assert_allclose(np.diff(episode.dq, axis=0), PERIOD * episode.applied_torque[:-1])
    np.testing.assert_allclose(episode.final_dq, episode.dq[-1] + PERIOD * episode.applied_torque[-1])
    np.testing.assert_allclose(episode.error, np.abs(episode.q[:, 0]))
    np.testing.assert_array_equal(
        episode.torque_saturated, np.abs(episode.corrective_torque[:, 0]) > Integrator.limit
    )
    assert (episode.step_time > 0).all()


def test_faults_of_controller_and_plant_are_kept_with_their_reason() -> None:
    episode = run_episode(Integrator(), Damper(), TASK, duration=1.0)
    assert episode.fallbacks == ((0, "early"), (1, "early"), (2, "early; bump"), (3, "early"))


def test_stop_rule_ends_the_episode_after_the_hold() -> None:
    stop = StopRule(tolerance=0.01, hold=0.3)
    episode = run_episode(Integrator(), Damper(), TASK, duration=10.0, stop=stop)
    assert episode.settled_at is not None
    settled = round(episode.settled_at / PERIOD)
    assert len(episode) == settled + 6
    assert (
        abs(episode.q[settled, 0])
        < 0.01
        <= max(abs(episode.q[settled - 1, 0]), abs(episode.dq[settled - 1, 0]) / 10)
    )


def test_episode_that_never_settles_runs_its_full_length() -> None:
    episode = run_episode(Integrator(), Damper(), TASK, duration=0.2, stop=StopRule())
    assert len(episode) == 4
    assert episode.settled_at is None


def test_mismatched_rates_and_empty_episodes_are_refused() -> None:
    fast = Damper()
    fast.control_period = 0.002
    with pytest.raises(SettingsError, match=r"every 0\.002 s but the plant expects a torque every 0\.05 s"):
        run_episode(Integrator(), fast, TASK, duration=1.0)
    with pytest.raises(SettingsError, match="shorter than one control period"):
        run_episode(Integrator(), Damper(), TASK, duration=0.01)


def test_an_episode_that_starts_settled_has_at_least_one_row() -> None:
    at_goal = Task(0, "interior", np.zeros(1), np.zeros(3), np.zeros(1), seed=0)
    episode = run_episode(Integrator(), Damper(), at_goal, duration=1.0, stop=StopRule(hold=0.0))
    assert len(episode) == 1
    assert episode.settled_at == 0.0
