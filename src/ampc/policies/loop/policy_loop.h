/* A control step of a policy that drives an arm with flexible links: estimator, reference, torque against gravity,
 * network, limits. It is the usual step of `FlexibleArmController`; whatever is not usual is left to the caller. */
#ifndef AMPC_POLICY_LOOP_H
#define AMPC_POLICY_LOOP_H

#include "../../chain/src/ekf.h"
#include "../src/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever the structure or a signature below does. */
#define POLICY_LOOP_VERSION 1

enum PolicyLoopStatus {
  POLICY_LOOP_OK = 0,
  POLICY_LOOP_NOT_PREDICTED = 1, /* the estimator could not predict: the estimate is as before */
  POLICY_LOOP_UNUSUAL = 2        /* the estimate is new, but measurements are missing or were rejected, the arm is stuck, or
                                    the policy has no command: all else is as before, the policy's own memory aside */
};

/* n joints, m motors. Pointers are to the caller's arrays, which belong to this loop alone. */
typedef struct {
  ChainFilter *filter;         /* of the nominal arm */
  const PolicyModel *policy;   /* whose commands are torques on top of that against gravity */
  float *memory;               /* of the policy, reset to the goal and the reference */
  double period;               /* between two steps [s] */
  double start_time;           /* in which the policy's share of the torque grows to the whole [s] */
  double since_start;          /* in and out: how much of it is over */
  double same_scale;           /* change of the stiffness below which the reference stays */
  double reference_scale;      /* in and out: stiffness that the reference is for, relative to the nominal one */
  double stuck_distance;       /* the arm is stuck if its end effector is further than this from the goal [m], */
  double stuck_room;           /* has not left a ball of this radius [m] */
  double stuck_time;           /* for this long [s] */
  double still;                /* in and out: for how long it has not */
  double place[3];             /* in and out: centre of that ball [m] */
  double goal[3];              /* world frame [m] */
  const double *torque_limits; /* (2, m): lower, upper [N m] */
  const double *parabola;      /* (3, n): the reference by powers of 1 / stiffness [rad] */
  const double *measurement;   /* (2m + 3) as chain_filter_correct takes it */
  double *applied;             /* (m) in: torque that has acted since the last step; out: `torque` */
  double *reference;           /* (n) in and out [rad] */
  double *state;               /* (S) of the policy, obstacles given; out: the rest */
  double *gravity;             /* (m) out: torque against gravity and springs of the nominal arm [N m] */
  double *command;             /* (m) out: of the policy [N m] */
  double *torque;              /* (m) out: within the limits [N m] */
  int saturated;               /* out: whether the command was cut to its limit */
  int unused;
} PolicyLoop;

/* POLICY_LOOP_VERSION of the compiled code. */
POLICY_API int policy_loop_version(void);

/* One step; enum PolicyLoopStatus. */
POLICY_API int policy_loop_step(PolicyLoop *loop);

#ifdef __cplusplus
}
#endif
#endif
