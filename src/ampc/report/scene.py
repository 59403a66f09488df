"""Draws frames of an arm off-screen; run as a process of its own, because a faulty OpenGL driver aborts.

``python -m ampc.report.scene FOLDER`` reads ``model.mjb``, ``job.npz`` and writes ``frames.npy``.
The process must start with ``MUJOCO_GL`` set: MuJoCo chooses its OpenGL library when it is imported.
"""

import sys
from itertools import pairwise
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.report.shapes import add, bar, line, segment, sphere

Picture = NDArray[np.uint8]

BACKGROUND = (0.955, 0.962, 0.970)
FLOOR = (0.96, 0.965, 0.975, 1.0)
GRID = (0.86, 0.875, 0.895, 1.0)
GOAL = (0.90, 0.56, 0.0)
COLUMN = (0.62, 0.65, 0.70, 1.0)
SKELETON = (0.42, 0.47, 0.54, 1.0)
ELEVATION = -20.0
SUPERSAMPLING = 4


class Stage:
    """A model on a plain floor under soft light, seen by a camera that holds all of the motion."""

    def __init__(self, model: mujoco.MjModel, site: int, width: int, height: int) -> None:
        """Prepare a private model with this end-effector site for off-screen drawing [pixels]."""
        self.site = site
        model.vis.global_.offwidth = width
        model.vis.global_.offheight = height
        model.vis.quality.offsamples = SUPERSAMPLING
        model.vis.quality.shadowsize = 2048
        model.vis.map.znear = 0.01
        model.vis.map.zfar = 80.0
        model.vis.map.fogstart = 2.5
        model.vis.map.fogend = 7.0
        model.vis.rgba.fog = (*BACKGROUND, 1.0)
        model.vis.headlight.ambient = (0.38, 0.38, 0.38)
        model.vis.headlight.diffuse = (0.30, 0.30, 0.30)
        model.vis.headlight.specular = (0.05, 0.05, 0.05)
        self.model = model
        self.data = mujoco.MjData(model)
        self.renderer = mujoco.Renderer(model, height, width)
        self.aspect = width / height
        self.options = mujoco.MjvOption()
        self.options.sitegroup[:] = 0
        self.options.geomgroup[:] = (1, 1, 1, 0, 0, 0)
        moving = model.body_weldid != 0
        self._forward(model.qpos0)
        flat = (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) & (self.data.geom_xmat[:, 8] > 0.999)
        floors = flat & ~moving[model.geom_bodyid]
        self.floor_heights = self.data.geom_xpos[floors, 2].tolist()
        model.geom_group[floors] = 5  # hidden; one floor for all arms is drawn in their place
        self.moving_geoms = np.flatnonzero(moving[model.geom_bodyid] & (model.geom_group < 3))
        self.has_shape = len(self.moving_geoms) > 0

    def frame_motion(self, qpos: FloatArray, goal: FloatArray, normals: FloatArray) -> None:
        """Place camera and floor for all configurations (F, nq) that will be drawn, clear of obstacles."""
        points, path = [goal], []
        for row in qpos[:: max(1, len(qpos) // 40)]:
            self._forward(row)
            points += [self.data.site_xpos[self.site].copy(), *self._corners()]
            path.append(self.data.site_xpos[self.site].copy())
        cloud = np.array(points)
        self.base = self.data.xanchor[0].copy() if self.model.njnt else cloud[0]
        self.base_bottom = self._static_bottom()
        low, high = cloud.min(axis=0), cloud.max(axis=0)
        self.size = float(np.linalg.norm(high - low)) + 1e-3
        below = float(low[2]) - 0.06 * self.size
        self.floor = min(self.floor_heights, default=min(self.base_bottom, below))
        cloud = np.vstack((cloud, [*self.base[:2], self.floor]))
        azimuth = _best_azimuth(np.array(path), goal, self.base, normals)
        self.camera = self._fit_camera(cloud, azimuth)
        self.center = np.array(self.camera.lookat)
        self.model.stat.extent = self.size
        self.model.stat.center[:] = self.center

    def _corners(self) -> FloatArray:
        """Corners of the boxes around all moving shapes and joints (P, 3)."""
        model, data = self.model, self.data
        geoms = self.moving_geoms
        signs = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, -1).T
        local = model.geom_aabb[geoms, None, :3] + signs * model.geom_aabb[geoms, None, 3:]
        turned = np.einsum("gij,gpj->gpi", data.geom_xmat[geoms].reshape(-1, 3, 3), local)
        corners = (data.geom_xpos[geoms, None] + turned).reshape(-1, 3)
        return np.vstack((corners, data.xanchor))

    def _fit_camera(self, cloud: FloatArray, azimuth: float) -> mujoco.MjvCamera:
        """The nearest camera in this direction [deg] whose picture holds all points (P, 3) with a margin."""
        yaw, pitch = np.deg2rad(azimuth), np.deg2rad(ELEVATION)
        forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        axes = np.stack((right, np.cross(right, forward), forward))
        across = cloud @ axes.T
        center = 0.5 * (across.min(axis=0) + across.max(axis=0))
        across -= center
        slope = np.tan(np.deg2rad(self.model.vis.global_.fovy) / 2) * np.array([self.aspect, 1.0])
        margin = 0.06 * self.size
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:] = center @ axes
        camera.azimuth, camera.elevation = azimuth, ELEVATION
        camera.distance = float(np.max((np.abs(across[:, :2]) + margin) / slope - across[:, 2:]))
        self.forward = forward
        return camera

    def draw(self, qpos: FloatArray, goal: FloatArray | None, path: FloatArray, color: FloatArray) -> Picture:
        """One image (height, width, 3): the arm, the goal, and the path (P, 3) its end effector has taken."""
        self._forward(qpos)
        self.renderer.update_scene(self.data, self.camera, self.options)
        scene = self.renderer.scene
        scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = 1
        scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = 0
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._light(scene)
        self._backdrop(scene)
        self._floor(scene)
        if not self.has_shape:
            self._skeleton(scene)
        unit = 0.01 * self.size
        for start, end in pairwise(path):
            segment(scene, start, end, 0.3 * unit, (*color, 1.0))
        if goal is not None:
            sphere(scene, goal, 1.1 * unit, (*GOAL, 1.0), emission=0.25)
            sphere(scene, goal, 3.3 * unit, (*GOAL, 0.30), emission=0.25)
        image: Picture = self.renderer.render()
        return image

    def tip(self, qpos: FloatArray) -> FloatArray:
        """End-effector position of a configuration, world frame (3,) [m]."""
        self._forward(qpos)
        position: FloatArray = self.data.site_xpos[self.site].copy()
        return position

    def _forward(self, qpos: FloatArray) -> None:
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def _static_bottom(self) -> float:
        """Lowest point of what does not move: where the arm stands."""
        model = self.model
        fixed = np.flatnonzero(
            (model.body_weldid[model.geom_bodyid] == 0) & (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE)
        )
        bottoms = [self.base[2]]
        for geom in fixed:
            rotation = self.data.geom_xmat[geom].reshape(3, 3)
            center = self.data.geom_xpos[geom] + rotation @ model.geom_aabb[geom, :3]
            bottoms.append(center[2] - np.abs(rotation[2]) @ model.geom_aabb[geom, 3:])
        return float(min(bottoms))

    def _light(self, scene: mujoco.MjvScene) -> None:
        """One shadow-casting lamp over the camera's shoulder, whatever lamps the model has."""
        headlights = [light for light in scene.lights[: scene.nlight] if light.headlight]
        scene.nlight = 2
        lamp = scene.lights[1]
        if headlights:
            _copy_light(headlights[0], scene.lights[0])
        azimuth = np.deg2rad(self.camera.azimuth + 180.0 + 38.0)
        offset = np.array([np.cos(azimuth), np.sin(azimuth), 2.1]) * self.size * 1.3
        lamp.headlight = 0
        lamp.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        lamp.castshadow = 1
        lamp.pos[:] = self.center + offset
        lamp.dir[:] = -offset / np.linalg.norm(offset)
        lamp.ambient[:] = 0.0
        lamp.diffuse[:] = 0.45
        lamp.specular[:] = 0.15
        lamp.attenuation[:] = (1.0, 0.0, 0.0)
        lamp.cutoff, lamp.exponent, lamp.bulbradius = 60.0, 1.0, 0.03

    def _backdrop(self, scene: mujoco.MjvScene) -> None:
        """A wall beyond the fog, so that the horizon fades into the background colour instead of black."""
        wall = np.stack((np.cross(self.forward, (0, 0, 1)), (0, 0, 1), -self.forward), axis=1)
        half = 60.0 * self.size
        position = self.center + 30.0 * self.size * self.forward
        geom = add(scene, mujoco.mjtGeom.mjGEOM_BOX, (half, half, 0.01), position, (*BACKGROUND, 1.0))
        geom.mat[:] = wall

    def _floor(self, scene: mujoco.MjvScene) -> None:
        """A plane with a metric grid, below all that is shown; a column if the arm's foot is in the air."""
        origin = np.array([*self.base[:2], self.floor - 1e-3 * self.size])
        half = 8.0 * self.size
        add(scene, mujoco.mjtGeom.mjGEOM_PLANE, (half, half, 1.0), origin, FLOOR)
        step = 10.0 ** np.floor(np.log10(0.5 * self.size)) * (5.0 if self.size > 6.0 else 1.0)
        step = step if self.size / step < 12 else 2.0 * step
        reach = step * np.ceil(5.0 * self.size / step)
        for offset in np.arange(-reach, reach + 0.5 * step, step):
            for axis in (0, 1):
                start, end = origin.copy(), origin.copy()
                start[2] = end[2] = origin[2] + 5e-4 * self.size
                start[1 - axis] -= reach
                end[1 - axis] += reach
                start[axis] = end[axis] = self.base[axis] + offset
                line(scene, start, end, 1.0, GRID)
        hangs = self.center[2] < self.base[2] - 0.1 * self.size
        if hangs or self.base_bottom - self.floor > 0.02 * self.size:
            foot, height = self.base.copy(), self.base[2] + 0.25 * self.size if hangs else self.floor
            foot[2] = self.base_bottom
            bar(scene, foot, np.array([*self.base[:2], height]), 0.04 * self.size, COLUMN)

    def _skeleton(self, scene: mujoco.MjvScene) -> None:
        """Links between the joints of an arm that has no visible shape of its own."""
        joints = [anchor.copy() for anchor in self.data.xanchor]
        nodes = [np.array([*joints[0][:2], self.base_bottom]), *joints]
        nodes.append(self.data.site_xpos[self.site].copy())
        for start, end in pairwise(nodes):
            if np.linalg.norm(end - start) > 1e-6:
                bar(scene, start, end, 0.022 * self.size, SKELETON)
        for joint in joints:
            sphere(scene, joint, 0.032 * self.size, (0.25, 0.29, 0.35, 1.0))


def _copy_light(source: mujoco.MjvLight, target: mujoco.MjvLight) -> None:
    for name in ("pos", "dir", "attenuation", "ambient", "diffuse", "specular"):
        getattr(target, name)[:] = getattr(source, name)
    for name in ("headlight", "type", "castshadow", "cutoff", "exponent"):
        setattr(target, name, getattr(source, name))


def _best_azimuth(path: FloatArray, goal: FloatArray, base: FloatArray, normals: FloatArray) -> float:
    """View direction [deg] that shows most of the path, with the goal on the camera's side of the arm.

    The camera keeps to the free side of obstacles, into which their normals (K, 3) point.
    """

    def score(azimuth: float) -> float:
        forward = np.array([np.cos(np.deg2rad(azimuth)), np.sin(np.deg2rad(azimuth)), 0.0])
        right = np.array([forward[1], -forward[0], 0.0])
        sideways = np.ptp(np.vstack((path, goal, base)) @ right)
        towards_camera = -forward @ (goal - base)
        behind = np.count_nonzero(normals @ forward > 0.05)
        return float(sideways + 0.8 * towards_camera - 1e3 * behind)

    return max((10.0 * step for step in range(36)), key=score)


def main(folder: Path) -> None:
    """Draw the job in a folder: frames of each view, one camera for all of them."""
    model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
    with np.load(folder / "job.npz") as job:
        qpos, goal, colors = job["qpos"], job["goal"], job["colors"]  # (V, F, nq), (3,) or NaN, (V, 3)
        width, height, site = int(job["width"]), int(job["height"]), int(job["site"])
        normals = job["normals"]  # (K, 3)
    stage = Stage(model, site, width, height)
    views, n_frames = qpos.shape[:2]
    has_goal = bool(np.all(np.isfinite(goal)))
    aim = goal if has_goal else stage.tip(qpos[0, 0])
    stage.frame_motion(qpos.reshape(-1, qpos.shape[-1]), aim, normals)
    frames = np.lib.format.open_memmap(
        folder / "unfinished.npy", mode="w+", dtype=np.uint8, shape=(views, n_frames, height, width, 3)
    )
    for view in range(views):
        path = np.array([stage.tip(row) for row in qpos[view]])
        for index in range(n_frames):
            taken = path[: index + 1] if has_goal else path[:0]
            frames[view, index] = stage.draw(
                qpos[view, index], goal if has_goal else None, taken, colors[view]
            )
    frames.flush()
    (folder / "unfinished.npy").rename(folder / "frames.npy")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
