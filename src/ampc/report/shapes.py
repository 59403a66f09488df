"""Shapes added to a MuJoCo scene besides those of the model."""

import mujoco
import numpy as np

from ampc.arrays import FloatArray

Color = tuple[float, ...]
"""Red, green, blue and opacity, each a share of one."""


def add(
    scene: mujoco.MjvScene,
    kind: mujoco.mjtGeom,
    size: tuple[float, ...],
    position: FloatArray,
    rgba: Color,
    emission: float = 0.0,
) -> mujoco.MjvGeom:
    """Append a shape that casts no shadow, world axes.

    Args:
        scene: The scene.
        kind: Its kind.
        size: Sizes as MuJoCo's geoms have them (3,) [m].
        position: Centre, world frame (3,) [m].
        rgba: Colour.
        emission: Share of its colour that it shows without light.
    """
    geom = scene.geoms[scene.ngeom]
    colour = np.array(rgba, dtype=np.float32)
    mujoco.mjv_initGeom(
        geom, kind, np.array(size, float), np.array(position, float), np.eye(3).ravel(), colour
    )
    geom.emission = emission
    geom.castshadow = False
    scene.ngeom += 1
    return geom


def sphere(
    scene: mujoco.MjvScene, center: FloatArray, radius: float, rgba: Color, emission: float = 0.0
) -> None:
    """Append a ball."""
    add(scene, mujoco.mjtGeom.mjGEOM_SPHERE, (radius, radius, radius), center, rgba, emission)


def bar(scene: mujoco.MjvScene, start: FloatArray, end: FloatArray, radius: float, rgba: Color) -> None:
    """Append a round bar."""
    geom = add(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, (0, 0, 0), start, rgba)
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, radius, start, end)


def segment(scene: mujoco.MjvScene, start: FloatArray, end: FloatArray, radius: float, rgba: Color) -> None:
    """Append a square bar: a path has hundreds of them, and round ones take far longer to draw."""
    geom = add(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, (0, 0, 0), start, rgba, emission=0.3)
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, radius, start, end)
    geom.type = mujoco.mjtGeom.mjGEOM_BOX


def line(scene: mujoco.MjvScene, start: FloatArray, end: FloatArray, width: float, rgba: Color) -> None:
    """Append a line of this width [pixels]: cheap, but it is lit as if it faced every lamp."""
    geom = add(scene, mujoco.mjtGeom.mjGEOM_LINE, (0, 0, 0), start, rgba)
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_LINE, width, start, end)
