"""Films an arm: off-screen frames by a process of its own, put together and encoded as H.264."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import matplotlib as mpl
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import CubicHermiteSpline

from ampc.arrays import FloatArray
from ampc.report.data import TaskTrace
from ampc.report.strip import error_strip
from ampc.report.style import GOAL, INK, MUTED, Palette
from ampc.robots.robot import Robot

Picture = NDArray[np.uint8]

HOW_TO_INSTALL = (
    "Install an off-screen OpenGL library and write the report again: `apt-get install libegl1` (with "
    "or without a GPU) or `apt-get install libosmesa6` (software only)."
)
SCENE = ("-m", "ampc.report.scene")
"""The program that draws, as arguments of Python."""
RENDER_TIMEOUT = 600.0
"""Longest time one video may take to draw [s]."""


class RenderingUnavailableError(RuntimeError):
    """No OpenGL library of this machine could draw off-screen; the message says what was tried."""


@dataclass(frozen=True)
class VideoSettings:
    """Size and pace of the video."""

    width: int = 608
    """Width of each controller's view [pixels]."""
    height: int = 456
    """Height of each view [pixels]."""
    frame_rate: int = 30
    """Frames per second."""
    speed: float = 0.5
    """Video time passes this much faster than the arm's; 0.5 is slow motion."""
    duration: float = 2.0
    """Longest part of an episode that is shown, from its start [s]."""
    hold: float = 0.7
    """The last frame stands still this long [s]."""


def render_robot(robot: Robot, q: FloatArray, width: int = 800, height: int = 600) -> Picture:
    """A still picture of an arm.

    Args:
        robot: The arm.
        q: Joint positions (n,) [rad].
        width: Width [pixels].
        height: Height [pixels].

    Returns:
        RGB image (height, width, 3).

    Raises:
        RenderingUnavailableError: If no off-screen OpenGL library works here.
    """
    nowhere = np.full(3, np.nan)
    frames = render_frames(
        robot, np.asarray(q, dtype=np.float64)[None, None], nowhere, [(0, 0, 0)], width, height
    )
    picture: Picture = frames[0, 0]
    return picture


def render_frames(
    robot: Robot,
    q: FloatArray,
    goal: FloatArray,
    colors: list[tuple[float, float, float]],
    width: int,
    height: int,
) -> Picture:
    """Frames of several runs of one arm, seen by one camera, in a process of its own.

    Args:
        robot: The arm.
        q: Joint positions of V runs with F frames each (V, F, n) [rad].
        goal: Goal to mark, world frame (3,) [m]; NaN for a picture without goal and path.
        colors: Colour of each run's end-effector path, V times three shares of one.
        width: Width [pixels].
        height: Height [pixels].

    Returns:
        RGB frames (V, F, height, width, 3).

    Raises:
        RenderingUnavailableError: If no off-screen OpenGL library works here.
    """
    model = robot.model
    qpos = np.broadcast_to(model.qpos0, (*q.shape[:2], model.nq)).copy()
    qpos[..., [model.joint(name).qposadr[0] for name in robot.joint_names]] = q
    failures = []
    with tempfile.TemporaryDirectory(prefix="ampc-video-") as name:
        folder = Path(name)
        mujoco.mj_saveModel(model, str(folder / "model.mjb"))
        normals = np.array([obstacle.normal for obstacle in robot.obstacles]).reshape(-1, 3)
        job: dict[str, Any] = {"qpos": qpos, "goal": goal, "colors": np.array(colors), "normals": normals}
        np.savez(folder / "job.npz", width=width, height=height, site=robot.end_effector_id, **job)
        for backend in backends():
            reason = _draw(folder, backend)
            if reason is None:
                frames: Picture = np.load(folder / "frames.npy")
                return frames
            failures.append(f"{backend or 'default'}: {reason}")
    raise RenderingUnavailableError("; ".join(failures))


def backends() -> tuple[str, ...]:
    """OpenGL libraries to try, best first; the user's choice in ``MUJOCO_GL`` alone if there is one."""
    chosen = os.environ.get("MUJOCO_GL", "")
    if chosen:
        return (chosen,)
    return ("egl", "osmesa") if sys.platform == "linux" else ("",)


def _draw(folder: Path, backend: str) -> str | None:
    """Draw the job in a folder; the reason if it failed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
    if backend:
        environment["MUJOCO_GL"] = backend
    command = [sys.executable, "-P", *SCENE, str(folder)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RENDER_TIMEOUT, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return f"still drawing after {RENDER_TIMEOUT:g} s"
    if done.returncode == 0 and (folder / "frames.npy").exists():
        return None
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with code {done.returncode}"


def interpolate(time: FloatArray, q: FloatArray, dq: FloatArray, at: FloatArray) -> FloatArray:
    """Joint positions between control steps: the cubic through positions and velocities (Hermite).

    Args:
        time: Times of the rows, ascending (T,) [s].
        q: Joint positions (T, n) [rad].
        dq: Joint velocities (T, n) [rad/s].
        at: Times to evaluate, within the rows (F,) [s].
    """
    positions: FloatArray = CubicHermiteSpline(time, q, dq, axis=0)(at)
    return positions


def film(
    robot: Robot,
    trace: TaskTrace,
    controllers: tuple[str, ...],
    palette: Palette,
    settings: VideoSettings | None = None,
) -> bytes:
    """One task driven by several controllers, side by side, with the error over time below.

    Args:
        robot: The arm.
        trace: The task and what each controller did.
        controllers: Whom to show, left to right.
        palette: Colours of the controllers.
        settings: Size and pace.

    Returns:
        An mp4 file (H.264, yuv420p).

    Raises:
        RenderingUnavailableError: If no off-screen OpenGL library works here.
    """
    settings = settings or VideoSettings()
    end = min(settings.duration, float(trace.time[-1]))
    at = np.arange(0.0, end + 1e-9, settings.speed / settings.frame_rate)
    q = np.stack([interpolate(trace.time, trace.q[name], trace.dq[name], at) for name in controllers])
    colors = [palette.rgb(name) for name in controllers]
    views = render_frames(robot, q, trace.goal, colors, settings.width, settings.height)
    error = {name: np.linalg.norm(trace.end_effector[name] - trace.goal, axis=1) for name in controllers}
    shown = {name: np.interp(at, trace.time, error[name]) for name in controllers}
    return encode(_composed(views, at, shown, trace, error, palette, settings), settings)


def encode(frames: Iterator[Picture], settings: VideoSettings) -> bytes:
    """Frames (height, width, 3) as an mp4 file that browsers play."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(settings.frame_rate))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "24", "preset": "medium", "tune": "animation"}
        for index, picture in enumerate(frames):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def _composed(
    views: Picture,
    at: FloatArray,
    shown: Mapping[str, FloatArray],
    trace: TaskTrace,
    error: Mapping[str, FloatArray],
    palette: Palette,
    settings: VideoSettings,
) -> Iterator[Picture]:
    """Views side by side over a strip in which the error curves grow; the last frame is held."""
    header, strip_height = 40, 150
    width = settings.width * len(shown) + 4 * (len(shown) - 1)
    strip = error_strip(trace.time, error, palette, width, strip_height, float(at[-1]))
    canvas = np.full((header + settings.height + strip_height, width, 3), 255, dtype=np.uint8)
    for frame, time in enumerate(at):
        canvas[header : header + settings.height] = 255
        for view in range(len(shown)):
            left = view * (settings.width + 4)
            canvas[header : header + settings.height, left : left + settings.width] = views[view, frame]
        cursor = strip.column(float(time))
        canvas[header + settings.height :, :cursor] = strip.full[:, :cursor]
        canvas[header + settings.height :, cursor:] = strip.faint[:, cursor:]
        canvas[header + settings.height + strip.top : -strip.bottom, cursor - 1 : cursor + 1] = (
            150,
            160,
            170,
        )
        picture = Image.fromarray(canvas)
        _label(ImageDraw.Draw(picture), trace, shown, frame, float(time), palette, settings, width)
        yield np.asarray(picture)
    for _ in range(round(settings.hold * settings.frame_rate)):
        yield np.asarray(picture)


def _label(
    draw: ImageDraw.ImageDraw,
    trace: TaskTrace,
    shown: Mapping[str, FloatArray],
    frame: int,
    time: float,
    palette: Palette,
    settings: VideoSettings,
    width: int,
) -> None:
    """Task, time and goal above; name and running error in each view."""
    draw.text((14, 10), trace.title, INK, _font(17, bold=True))
    clock = f"t = {time:4.2f} s"
    draw.text((width - 14, 10), clock, INK, _font(17, mono=True), anchor="ra")
    left = width - 24 - draw.textlength(clock, _font(17, mono=True))
    speed = f"{settings.speed:g}× real time" if settings.speed != 1 else "real time"
    draw.text((left - 12, 13), speed, MUTED, _font(14), anchor="ra")
    left -= 42 + draw.textlength(speed, _font(14))
    draw.text((left - 12, 13), "goal", MUTED, _font(14), anchor="ra")
    left -= 22 + draw.textlength("goal", _font(14))
    draw.ellipse((left - 10, 15, left + 2, 27), fill=GOAL)
    for view, (name, error) in enumerate(shown.items()):
        left = view * (settings.width + 4)
        draw.rectangle((left, 40, left + settings.width - 1, 44), fill=palette.color(name))
        draw.text((left + 14, 56), name, palette.color(name), _font(19, bold=True))
        text = f"{1e3 * error[frame]:6.1f} mm"
        draw.text((left + settings.width - 14, 56), text, INK, _font(19, mono=True), anchor="ra")


def _font(size: int, bold: bool = False, mono: bool = False) -> ImageFont.FreeTypeFont:
    """A font that comes with Matplotlib, so that frames look the same everywhere."""
    name = "DejaVuSansMono" if mono else "DejaVuSans"
    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{name}{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(path, size)
