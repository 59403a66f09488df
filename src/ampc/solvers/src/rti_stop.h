/* Roll-outs of a stop: given torques first, then a brake by feedback at the motors; and whether limits hold on the way.
 *
 * The brake's torque is that against gravity, less damping times the joints' velocities; once all motors are slower than
 * `stopped` it also pulls them back to where that happened. It is cut to the torque limits, and held over each step.
 */
#ifndef AMPC_RTI_STOP_H
#define AMPC_RTI_STOP_H

#include "rti.h"

#ifdef __cplusplus
extern "C" {
#endif

/* L is the number of limits of a node in the layout of qp.h: inputs, limited states, rows. */
typedef struct {
  int steps;               /* of the roll-out */
  int given;               /* first steps, whose torques are given */
  int scheme;              /* ChainScheme */
  int holding;             /* 1 if the motors are held at `held` from the start */
  const double *lengths;   /* (steps) [s] */
  const int *substeps;     /* (steps), not more than the most of the problem */
  const double *torque_limits; /* (2, m): lower, upper [N m] */
  const double *damping;   /* (m, n_joints) torque per velocity of each joint [N m s/rad] */
  const double *stiffness; /* (m) [N m/rad] */
  const double *held;      /* (m) [rad] */
  double stopped;          /* [rad/s] */
  const double *lower;     /* (steps + 1, L) of the limits, at all nodes but the first */
  const double *upper;     /* (steps + 1, L) */
  const double *unit;      /* (L) excess that counts as 1; infinite: not looked at */
  double *x;               /* (steps + 1, 2n) out */
  double *u;               /* (steps, m) the given torques; the brake's are added */
  double worst;            /* out: largest excess in units; negative: what is left; infinite if integration failed */
  int worst_node;          /* out */
  int worst_limit;         /* out */
} RtiStop;

/* Roll out from x0 (2n); returns a ChainStatus. */
CHAIN_API int rti_stop(Rti *rti, const double *x0, double stiffness_scale, RtiStop *stop);

#ifdef __cplusplus
}
#endif
#endif
