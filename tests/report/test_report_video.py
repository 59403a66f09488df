"""The video: right size, right length, playable; and what happens where nothing can be drawn."""

import io
import os
from pathlib import Path

import av
import mujoco
import numpy as np
import pytest
from report_samples import sample_traces

from ampc.report import video
from ampc.report.style import Palette
from ampc.report.video import (
    RenderingUnavailableError,
    VideoSettings,
    film,
    interpolate,
    render_frames,
    render_robot,
)
from ampc.robots import Robot, load_robot

BARE_ARM = """
<mujoco model="bare">
  <worldbody>
    <body pos="0 0 1"><joint name="a" axis="0 1 0"/><inertial mass="1" pos="0 0 .1" diaginertia="1 1 1"/>
      <body pos="0 0 .4"><joint name="b" axis="0 1 0"/><inertial mass="1" pos="0 0 .1" diaginertia="1 1 1"/>
        <site name="tip" pos="0 0 .3"/></body></body>
  </worldbody>
  <actuator><motor joint="a" ctrlrange="-9 9" ctrllimited="true"/>
    <motor joint="b" ctrlrange="-9 9" ctrllimited="true"/></actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def picture(rigid_arm: Robot) -> np.ndarray:
    try:
        return render_robot(rigid_arm, rigid_arm.home, 160, 120)
    except RenderingUnavailableError as error:
        pytest.skip(f"no off-screen OpenGL library: {error}")


def test_picture_shows_an_arm(picture: np.ndarray) -> None:
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    assert picture[0].min() > 200  # background, not the black that OpenGL clears to


def test_pose_changes_picture(rigid_arm: Robot, picture: np.ndarray) -> None:
    assert np.any(render_robot(rigid_arm, rigid_arm.home + 0.5, 160, 120) != picture)


@pytest.mark.usefixtures("picture")
def test_model_is_not_modified(rigid_arm: Robot) -> None:
    before = rigid_arm.model.vis.global_.offwidth, rigid_arm.model.geom_group.copy()
    render_robot(rigid_arm, rigid_arm.home, 64, 48)
    assert rigid_arm.model.vis.global_.offwidth == before[0]
    np.testing.assert_array_equal(rigid_arm.model.geom_group, before[1])


@pytest.mark.usefixtures("picture")
def test_arm_without_any_shape_gets_a_skeleton(tmp_path: Path) -> None:
    path = tmp_path / "bare.xml"
    path.write_text(BARE_ARM)
    robot = load_robot(path, "tip")
    straight, bent = (render_robot(robot, np.array(q), 160, 120) for q in ((0.0, 0.0), (0.5, 0.9)))
    assert np.any(straight != bent)


@pytest.mark.usefixtures("picture")
def test_film_is_a_playable_file_of_the_right_length(rigid_arm: Robot) -> None:
    settings = VideoSettings(width=160, height=120, frame_rate=30, speed=1.0, duration=0.3, hold=0.1)
    names = ("MPC (exact)", "FFN")
    content = film(rigid_arm, sample_traces(rigid_arm, 1)[0], names, Palette(names, *names), settings)
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == settings.frame_rate
        frames = list(container.decode(stream))
    assert len(frames) == 10 + 3
    assert {frame.format.name for frame in frames} == {"yuv420p"}
    assert frames[0].width == 2 * 160 + 4
    first, last = (frames[i].to_ndarray(format="rgb24").astype(int) for i in (0, -1))
    assert np.abs(first - last).mean() > 0.5


def test_interpolation_keeps_the_record_and_parabolas() -> None:
    time = np.arange(5) * 0.05
    q = np.stack((time**2, 1 - 3 * time), axis=1)
    dq = np.stack((2 * time, np.full(5, -3.0)), axis=1)
    np.testing.assert_allclose(interpolate(time, q, dq, time), q, atol=1e-12)
    between = time[:-1] + 0.02
    np.testing.assert_allclose(
        interpolate(time, q, dq, between), np.stack((between**2, 1 - 3 * between), axis=1), atol=1e-12
    )


def test_unusable_library_is_an_error_that_names_it(
    rigid_arm: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "no-such-library")
    with pytest.raises(RenderingUnavailableError, match="no-such-library"):
        render_robot(rigid_arm, rigid_arm.home, 64, 48)


def test_crash_of_a_driver_is_survived(rigid_arm: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "SCENE", ("-c", "import os; os.abort()"))
    with pytest.raises(RenderingUnavailableError, match=r"ended with code -\d+"):
        render_frames(rigid_arm, rigid_arm.home[None, None], np.full(3, np.nan), [(0, 0, 0)], 64, 48)


def test_libraries_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert video.backends() == ("egl", "osmesa")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert video.backends() == ("osmesa",)


def test_environment_is_left_alone(rigid_arm: Robot, picture: np.ndarray) -> None:
    before = dict(os.environ)
    render_robot(rigid_arm, rigid_arm.home, 64, 48)
    assert dict(os.environ) == before
    assert isinstance(rigid_arm.model, mujoco.MjModel)
