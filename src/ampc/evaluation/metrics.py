"""What one episode is worth: accuracy, settling, effort, limits and cost, each with one exact definition."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.episodes.episode import Episode
from ampc.errors import SettingsError
from ampc.robots.robot import Robot


@dataclass(frozen=True)
class MetricSettings:
    """What counts as reached, settled and violated."""

    success_tolerance: float = 0.010
    """End-effector error that must stay below this throughout the success window [m]."""
    success_window: float = 0.3
    """Length of the last part of an episode in which success and the steady error are judged [s]."""
    settle_fraction: float = 0.05
    """Settled means: the error stays below this share of the error at the start."""
    settle_floor: float = 0.001
    """Settled at the latest below this error [m], for tasks that start next to their goal."""
    position_slack: float = 1e-6
    """Joint position beyond a limit that is still rounding [rad]."""
    velocity_slack: float = 1e-6
    """Joint speed beyond a limit that is still rounding [rad/s]."""

    def __post_init__(self) -> None:
        for name in ("success_tolerance", "success_window", "settle_floor"):
            if not getattr(self, name) > 0.0:
                raise SettingsError(f"metrics.{name} is {getattr(self, name)!r}; it must be above 0")
        if not 0.0 < self.settle_fraction < 1.0:
            raise SettingsError(f"metrics.settle_fraction is {self.settle_fraction!r}; it must lie in (0, 1)")


@dataclass(frozen=True)
class EpisodeMetrics:
    """One episode in figures. Errors are distances of the end effector to its goal.

    A trajectory that is no longer finite has infinite error from that sample on, never a missing one.
    """

    success: bool
    """Error below the tolerance at every sample of the success window, none of them under a fallback."""
    rmse: float
    """Root mean square error over all samples, RMSE_p of the paper [m]."""
    steady_error: float
    """Root mean square error over the success window [m]."""
    steady_error_max: float
    """Largest error in the success window [m]."""
    final_error: float
    """Error after the last control step [m]."""
    t95: float
    """Time from which the error stays below 5 % of the error at the start [s]; infinite if it never does."""
    torque_saturation: float
    """Share of control steps in which the plant cut the torque."""
    command_saturation: float
    """Share of control steps in which a policy's command was cut."""
    position_violations: int
    """Samples in which any joint is beyond its position limits."""
    position_excess: float
    """Largest excess over a position limit [rad]; 0 if none."""
    velocity_violations: int
    """Samples in which any joint is faster than its limit."""
    velocity_excess: float
    """Largest excess over a velocity limit [rad/s]; 0 if none."""
    torque_variation: float
    """Total variation of the applied torque, summed over joints [N m]."""
    torque_roughness: float
    """Root mean square step of the applied torque, relative to half of each joint's torque range."""
    fallback_steps: int
    """Control steps in which controller or plant reported a fault."""
    step_time_p50: float
    """Median wall time of a control step [s]."""
    step_time_p99: float
    """99th percentile of the wall time of a control step [s]."""
    step_time_max: float
    """Longest control step [s]."""


def measure(episode: Episode, robot: Robot, settings: MetricSettings) -> EpisodeMetrics:
    """Metrics of an episode of fixed length.

    All T + 1 states of the episode's T control steps are samples, the one after the last step included.

    Args:
        episode: The record of the loop.
        robot: Its arm, for the limits.
        settings: What counts as reached, settled and violated.

    Raises:
        SettingsError: If the episode is shorter than the success window.
    """
    time, error = sample_times(episode), error_samples(episode)
    window = slice(tail_start(time, settings.success_window), None)
    fell_back = np.zeros(len(episode), dtype=bool)
    fell_back[[row for row, _ in episode.fallbacks]] = True

    q = np.vstack((episode.q, episode.final_q))
    dq = np.vstack((episode.dq, episode.final_dq))
    limits = robot.position_limits
    position_excess = _excess(np.maximum(limits[:, 0] - q, q - limits[:, 1]), settings.position_slack)
    velocity_excess = _excess(np.abs(dq) - robot.velocity_limits, settings.velocity_slack)
    half_range = 0.5 * (robot.torque_limits[:, 1] - robot.torque_limits[:, 0])
    median_time, p99_time = np.quantile(episode.step_time, (0.5, 0.99))
    return EpisodeMetrics(
        success=bool(np.all(error[window] < settings.success_tolerance) and not np.any(fell_back[window])),
        rmse=root_mean_square(error),
        steady_error=root_mean_square(error[window]),
        steady_error_max=float(error[window].max()),
        final_error=float(error[-1]),
        t95=settling_time(time, error, max(settings.settle_fraction * error[0], settings.settle_floor)),
        torque_saturation=float(episode.torque_saturated.mean()),
        command_saturation=float(episode.command_saturated.mean()),
        position_violations=int(np.count_nonzero(position_excess)),
        position_excess=float(position_excess.max()),
        velocity_violations=int(np.count_nonzero(velocity_excess)),
        velocity_excess=float(velocity_excess.max()),
        torque_variation=total_variation(episode.applied_torque),
        torque_roughness=roughness(episode.applied_torque, half_range),
        fallback_steps=len({row for row, _ in episode.fallbacks}),
        step_time_p50=float(median_time),
        step_time_p99=float(p99_time),
        step_time_max=float(episode.step_time.max()),
    )


def sample_times(episode: Episode) -> FloatArray:
    """Times of an episode's T + 1 states (T + 1,) [s]."""
    return np.append(episode.time, episode.time[-1] + episode.control_period)


def error_samples(episode: Episode) -> FloatArray:
    """End-effector error at the T + 1 states (T + 1,) [m]; infinite where the state is not finite."""
    error = np.append(episode.error, np.linalg.norm(episode.final_end_effector - episode.task.goal))
    return np.where(np.isfinite(error), error, np.inf)


def tail_start(time: FloatArray, window: float) -> int:
    """First sample of the last part of an episode, both of whose ends count.

    Args:
        time: Sample times, ascending (T + 1,) [s].
        window: Length of the part [s].

    Raises:
        SettingsError: If the episode is shorter than the window.
    """
    start = time[-1] - window
    rounding = 1e-9 * max(1.0, float(time[-1]))
    if start < time[0] - rounding:
        raise SettingsError(
            f"an episode of {time[-1] - time[0]:g} s is shorter than the success window of {window:g} s;"
            " lengthen the episodes or shorten metrics.success_window"
        )
    return int(np.searchsorted(time, start - rounding))


def root_mean_square(values: FloatArray) -> float:
    """Root of the mean of the squares of all entries."""
    return float(np.sqrt(np.mean(np.square(values))))


def settling_time(time: FloatArray, error: FloatArray, threshold: float) -> float:
    """Time from which the error stays at or below a threshold until the end.

    Linear between the last sample above the threshold and the one after it, so that the resolution is not
    that of the control period.

    Args:
        time: Sample times (T + 1,) [s].
        error: Errors (T + 1,) [m].
        threshold: Largest error that counts as settled [m].

    Returns:
        The time [s]: that of the first sample if the error is never above; infinite if the last sample is.
    """
    above = np.flatnonzero(error > threshold)
    if len(above) == 0:
        return float(time[0])
    last = int(above[-1])
    if last == len(error) - 1:
        return float("inf")
    if np.isinf(error[last]):
        return float(time[last + 1])
    share = (error[last] - threshold) / (error[last] - error[last + 1])
    return float(time[last] + share * (time[last + 1] - time[last]))


def total_variation(torque: FloatArray) -> float:
    """Sum of the absolute torque steps (T, m) over time and joints [N m]."""
    return float(np.abs(np.diff(torque, axis=0)).sum())


def roughness(torque: FloatArray, half_range: FloatArray) -> float:
    """Root mean square torque step, each joint relative to half of its torque range.

    Args:
        torque: Applied torque (T, m) [N m].
        half_range: Half of the distance between a joint's torque limits (m,) [N m].
    """
    if len(torque) < 2:
        return 0.0
    return root_mean_square(np.diff(torque, axis=0) / half_range)


def _excess(beyond: FloatArray, slack: float) -> FloatArray:
    """Worst excess of each sample (T + 1,), 0 where none is beyond the slack or the sample is not finite."""
    worst = np.nan_to_num(beyond, nan=0.0, posinf=0.0, neginf=0.0).max(axis=1)
    return np.where(worst > slack, worst, 0.0)
