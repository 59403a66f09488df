"""What an arm's motors and geometry can do, found by sampling configurations."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.dynamics import RobotDynamics
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.robot import Robot

USUAL_COMMAND_LIMIT = 10.0
"""Joint acceleration that the MPC commands at most by default [rad/s2]."""


@dataclass(frozen=True, eq=False)
class Capability:
    """Extremes over configurations within the joint limits, the arm at rest."""

    samples: FloatArray
    """The configurations (s, n) [rad]; home is the first."""
    holding: FloatArray
    """Torque that holds the arm against gravity and springs (s, m) [N m]."""
    margin: FloatArray
    """Torque left in each motor's weaker direction while holding (s, m) [N m]; negative if it cannot hold."""
    acceleration: FloatArray
    """Largest a with no motor saturated by any joint accelerations within +-a (s, m) [rad/s2]."""
    least_inertia: FloatArray
    """Smallest diagonal of the mass matrix (n,) [kg m2]."""
    largest_lever: FloatArray
    """Largest end-effector displacement per joint displacement (n,) [m/rad]."""
    dimensions: int
    """Number of directions in which the end effector can move at once."""
    reach: float
    """Largest distance of the end effector from the first joint [m]."""
    home_position: FloatArray
    """End effector at home, world frame (3,) [m]."""

    @classmethod
    def of(cls, robot: Robot, samples: int = 2000) -> Self:
        """Sample a robot, with a fixed seed; unlimited joints are sampled over one turn.

        Joints without motors stay where their springs are at ease.
        """
        lower, upper = np.where(np.isfinite(robot.position_limits), robot.position_limits, [-np.pi, np.pi]).T
        q = np.random.default_rng(0).uniform(lower, upper, (samples, robot.n_joints))
        q[0] = robot.home
        q[:, robot.passive] = robot.model.qpos_spring[robot.passive]
        dynamics, still = RobotDynamics(robot), np.zeros(robot.n_joints)
        terms = [dynamics.mass_matrix_and_bias(configuration, still) for configuration in q]
        mass = np.array([mass for mass, _ in terms])
        holding = np.array([rest for _, rest in terms])[:, robot.actuated]
        least, most = robot.torque_limits.T
        margin = np.minimum(most - holding, holding - least)
        load = np.sum(np.abs(mass), axis=2)[:, robot.actuated]

        chain = KinematicChain.from_robot(robot)
        jacobian, position = chain.jacobian(q), chain.end_effector(q)
        gains = np.linalg.svd(jacobian, compute_uv=False)
        return cls(
            samples=q,
            holding=holding,
            margin=margin,
            acceleration=margin / load,
            least_inertia=np.min(np.diagonal(mass, axis1=1, axis2=2), axis=0),
            largest_lever=np.max(np.linalg.norm(jacobian, axis=1), axis=0),
            dimensions=int(np.sum(np.max(gains, axis=0) > 1e-6)),
            reach=float(np.max(np.linalg.norm(position - chain.offsets[0], axis=1))),
            home_position=position[0],
        )

    @property
    def command_limit(self) -> float:
        """Acceleration that all joints can have at once, at the worst configuration [rad/s2]."""
        return float(np.min(self.acceleration))

    @property
    def weakest(self) -> tuple[int, int]:
        """Sample and motor that set `command_limit`."""
        sample, motor = np.unravel_index(np.argmin(self.acceleration), self.acceleration.shape)
        return int(sample), int(motor)


def suggested_command_limit(robot: Robot) -> float:
    """Largest joint acceleration to let an MPC command [rad/s2], so that no motor saturates from rest.

    It is the worst sampled configuration's, rounded down to two digits, and at most the usual 10 rad/s2.
    It falls to zero or below if a motor cannot hold the arm somewhere in its joint ranges.
    """
    return min(USUAL_COMMAND_LIMIT, round_down(Capability.of(robot).command_limit))


def round_down(value: float) -> float:
    """A number rounded towards minus infinity, to two significant digits."""
    if value == 0.0:
        return 0.0
    digit = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    return float(np.floor(value / digit) * digit)
