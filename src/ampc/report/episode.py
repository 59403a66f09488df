"""Pictures, films and pages of a single episode."""

from pathlib import Path

from PIL import Image

from ampc.episodes.episode import Episode
from ampc.evaluation.metrics import MetricSettings, error_samples, measure, sample_times
from ampc.report.data import ErrorCurves, Headline, ReportData, TaskTrace
from ampc.report.html import write_report
from ampc.report.style import Palette
from ampc.report.surroundings import drawn_among
from ampc.report.video import VideoSettings, film, render_robot
from ampc.robots.robot import Robot


def show_episode(episode: Episode, robot: Robot, path: Path) -> Path:
    """Write an episode as the kind of file that the path's suffix says.

    Args:
        episode: The record.
        robot: The arm that was simulated.
        path: File to write: ``.mp4`` (film), ``.png`` (last state) or ``.html`` (film, error, torques).

    Raises:
        RenderingUnavailableError: If a film or picture is asked for and no off-screen OpenGL library works
            here; a page says so in its place instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    robot, name = drawn_among(robot, episode.task), episode.controller
    video = VideoSettings(width=960, height=600, duration=float(episode.time[-1]))
    match path.suffix:
        case ".png":
            Image.fromarray(render_robot(robot, episode.final_q)).save(path)
        case ".mp4":
            path.write_bytes(
                film(robot, _trace(episode, robot), (name,), Palette((name,), name, name), video)
            )
        case _:
            write_report(_page(episode, robot), path, video)
    return path


def _trace(episode: Episode, robot: Robot) -> TaskTrace:
    name = episode.controller
    return TaskTrace(
        title=f"{robot.name}, {episode.task.region} task {episode.task.index}",
        goal=episode.task.goal,
        time=episode.time,
        q={name: episode.q},
        dq={name: episode.dq},
        end_effector={name: episode.end_effector},
        torque={name: episode.applied_torque},
    )


def _page(episode: Episode, robot: Robot) -> ReportData:
    name, metrics = episode.controller, measure(episode, robot, MetricSettings())
    variation = episode.task.variation
    goal = ", ".join(f"{value:.3f}" for value in episode.task.goal)
    return ReportData(
        title=f"{robot.name}: one episode",
        summary=f"The {name} controller brings the end effector of {robot.name} to ({goal}) m.",
        facts=(
            ("region", episode.task.region),
            ("task", str(episode.task.index)),
            ("control rate", f"{1.0 / episode.control_period:g} Hz"),
            ("stiffness factor", f"{variation.stiffness_scale:g}"),
            ("payload", f"{variation.payload:g} kg"),
            ("end-effector noise", f"{1e3 * variation.end_effector_noise:g} mm"),
            ("fallbacks", str(metrics.fallback_steps)),
        ),
        expert=name,
        policy=name,
        controllers=(name,),
        control_period=episode.control_period,
        headlines=(
            Headline(f"{1e3 * metrics.final_error:.2f} mm", "distance at the end"),
            Headline(f"{1e3 * metrics.steady_error:.2f} mm", "steady error", "last 0.3 s"),
            Headline("yes" if metrics.success else "no", "success", "within 10 mm for the last 0.3 s"),
            Headline(f"{1e6 * metrics.step_time_p50:.0f} µs", "per control step, median"),
        ),
        errors=(
            ErrorCurves(episode.task.region, sample_times(episode), {name: error_samples(episode)[None]}),
        ),
        traces=(_trace(episode, robot),),
        robot=robot,
        step_times={name: episode.step_time},
        sections=("video", "errors", "torques", "latency"),
    )
