/* Roll-outs of a stop: given torques first, then a brake by feedback at the motors; and whether limits hold on the way.
 *
 * The brake's torque is that against gravity, less feedback of the joints' velocities and of the forces of springs and
 * gravity that do not balance at joints without a motor, with gains that depend on the shape; once all motors are slower than
 * `stopped` it also pulls them back to where that happened. It takes over gradually: what the torque before it was away from
 * the brake's own fades out, since a jump would jolt a flexible link. It is cut to the torque limits, and held over each step.
 *
 * The roll-out ends where the arm has come to rest: motors are held, all joints are slow, and points are so far from
 * obstacles that an oscillation of the lowest frequency, which begins with their velocity and acceleration, does not reach
 * them.
 */
#ifndef AMPC_RTI_STOP_H
#define AMPC_RTI_STOP_H

#include "rti.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most shapes that a brake has gains for. */
#define RTI_STOP_SHAPES 64

/* L is the number of limits of a node in the layout of qp.h: inputs, limited states, rows. A limit that the first state is
 * beyond is replaced by what it is there: it must not get worse. Distances that are limited grow with the way that the point
 * has gone since, as predictions err the more the more moves; where the brake alone acts, not beyond what they are now. */
typedef struct {
  int steps;               /* of the roll-out */
  int given;               /* first steps, whose torques are given */
  int scheme;              /* ChainScheme */
  int holding;             /* 1 if the motors are held at `held` from the start */
  int whole;               /* 1: go on to the last step even if the arm is at rest before */
  int shapes;              /* that the brake has gains for; in between they are interpolated */
  const double *lengths;   /* (steps) [s] */
  const int *substeps;     /* (steps), not more than the most of the problem */
  const double *torque_limits; /* (2, m): lower, upper [N m] */
  const double *shape;     /* (shapes, m) positions of the motors; the first two do not count */
  const double *damping;   /* (shapes, m, n_joints) torque per velocity of each joint [N m s/rad]; of a motor that turns the
                              yaw joint per inertia about it too */
  const double *relief;    /* (shapes, m, n_joints) torque per force that moves a joint without a motor [1] */
  const double *stiffness; /* (shapes, m) of motors that are held [N m/rad] */
  const double *held;      /* (m) [rad] */
  double stopped;          /* [rad/s] */
  double fade;             /* time constant of taking over [s]; 0: at once */
  const double *offset;    /* (m) what the brake's torque differs from its own at first, if no torque is given [N m] */
  double *next_offset;     /* (m) out: the same after the first step */
  const double *lower;     /* (steps + 1, L) of the limits, at all nodes but the first */
  const double *upper;     /* (steps + 1, L) */
  const double *growth;    /* (L) of the lower limits of distances [m/m] */
  double free_way;         /* that does not count [m] */
  double largest_growth;   /* [m] */
  const double *unit;      /* (L) excess that counts as 1; infinite: not looked at */
  double rest_speed;       /* of all joints [rad/s] */
  double speed_unit;       /* excess over it that counts as 1 */
  double frequency;        /* lowest of the arm with its motors held [rad/s] */
  double *x;               /* (steps + 1, 2n) out */
  double *u;               /* (steps, m) the given torques; the brake's are added */
  double worst;            /* out: largest excess in units; negative: what is left; infinite if integration failed */
  double beyond;           /* out: the same of the first state, which no limit is asked of */
  int worst_node;          /* out */
  int worst_limit;         /* out; -1: not at rest at the end */
  int done;                /* out: steps until rest, or all */
} RtiStop;

/* Roll out from x0 (2n); returns a ChainStatus. */
CHAIN_API int rti_stop(Rti *rti, const double *x0, double stiffness_scale, RtiStop *stop);

#ifdef __cplusplus
}
#endif
#endif
