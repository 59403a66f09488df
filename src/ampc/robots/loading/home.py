"""The configuration an arm is at home in."""

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.finding import Finding
from ampc.robots.kinematic_chain import KinematicChain


def choose_home(
    model: mujoco.MjModel, site: int, position_limits: FloatArray, findings: list[Finding]
) -> FloatArray:
    """The keyframe ``home``, else the first keyframe, else a well-conditioned configuration near mid-range.

    Args:
        model: Compiled model of a serial arm.
        site: End-effector site.
        position_limits: Lower and upper joint positions (n, 2) [rad].
        findings: Gets a warning if the keyframe lies outside the limits; it is then moved inside.

    Returns:
        Joint positions (n,) [rad].
    """
    if model.nkey == 0:
        return _well_conditioned(KinematicChain.from_model(model, site), position_limits)
    names = [model.key(i).name for i in range(model.nkey)]
    key = names.index("home") if "home" in names else 0
    home = np.array(model.key_qpos[key])
    inside: FloatArray = np.clip(home, *position_limits.T)
    outside = [model.joint(i).name for i in np.flatnonzero(inside != home)]
    if outside:
        findings.append(
            Finding(
                "warning",
                f"keyframe '{names[key]}'",
                f"it puts {', '.join(outside)} outside the joint limits; the nearest configuration "
                "within is used",
            )
        )
    return inside


def _well_conditioned(chain: KinematicChain, position_limits: FloatArray) -> FloatArray:
    """The sample nearest to mid-range whose Jacobian is at least half as well conditioned as the best.

    Outstretched arms are singular at mid-range, where an end effector cannot move along the arm.
    """
    lower, upper = np.where(np.isfinite(position_limits), position_limits, [-np.pi / 2, np.pi / 2]).T
    middle, half = (lower + upper) / 2.0, (upper - lower) / 2.0
    shares = np.random.default_rng(0).uniform(-0.5, 0.5, (512, chain.n_joints))
    shares[0] = 0.0
    candidates = middle + shares * half
    gains = np.linalg.svd(chain.jacobian(candidates), compute_uv=False)[:, -1]
    good = np.flatnonzero(gains >= 0.5 * gains.max())
    return np.asarray(candidates[good[np.argmin(np.linalg.norm(shares[good], axis=-1))]])
