#include "policy_loop.h"

#include <math.h>
#include <string.h>

/* What rounding is forgiven in sums of periods [s]. */
#define ROUNDING 1e-9

int policy_loop_version(void) { return POLICY_LOOP_VERSION; }

static double distance(const double *a, const double *b) {
  double sum = 0.0;
  for (int i = 0; i < 3; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt(sum);
}

/* Torques (m) that hold an arm of the nominal stiffness still at q: the gradient of gravity g s G . sin(theta) and, where a
 * motor has one, its spring. */
static void holding_torque(const ChainModel *model, const double *q, double *torque) {
  const int bodies = model->bodies;
  double theta[CHAIN_MAX_BODIES], moment[CHAIN_MAX_BODIES], angle = 0.0, sum = 0.0;
  for (int i = 0; i < bodies; i++) {
    angle += q[1 + i];
    theta[i] = angle + model->offset[i];
  }
  for (int i = bodies - 1; i >= 0; i--) {
    sum += model->gravity * model->sin_tilt * model->gravity_moment[i] * cos(theta[i]);
    moment[i] = sum + model->stiffness[i] * (theta[i] - (i ? theta[i - 1] : 0.0) - model->rest[i]);
  }
  for (int j = 0; j < model->motors; j++) {
    const int joint = model->motor_joint[j];
    torque[j] = joint ? moment[joint - 1] : model->yaw_stiffness * (q[0] - model->yaw_rest);
  }
}

/* Let the reference follow the estimated stiffness. */
static void refer(PolicyLoop *loop, double scale) {
  const int n = loop->filter->model->bodies + 1;
  const double *row = loop->parabola, softness = 1.0 / scale;
  if (!(fabs(scale - loop->reference_scale) > loop->same_scale)) return;
  loop->reference_scale = scale;
  for (int i = 0; i < n; i++) loop->reference[i] = row[i] + softness * (row[n + i] + softness * row[2 * n + i]);
  policy_refer(loop->policy, loop->memory, loop->reference);
}

int policy_loop_step(PolicyLoop *loop) {
  ChainFilter *filter = loop->filter;
  const ChainModel *model = filter->model;
  const int n = model->bodies + 1, m = model->motors;
  if (chain_filter_step(filter, loop->applied, loop->measurement) != CHAIN_OK) return POLICY_LOOP_NOT_PREDICTED;
  if (filter->rejected || !filter->used) return POLICY_LOOP_UNUSUAL;

  const double *at = filter->end_effector;
  const int resting = distance(at, loop->goal) > loop->stuck_distance && distance(at, loop->place) <= loop->stuck_room;
  const double still = resting ? loop->still + loop->period : 0.0;
  if (resting && still >= loop->stuck_time - ROUNDING) return POLICY_LOOP_UNUSUAL;

  const double log_scale = filter->augmentation == FILTER_MODULUS ? filter->state[2 * n] : 0.0;
  refer(loop, exp(log_scale));
  memcpy(loop->state, filter->state, (size_t)(2 * n) * sizeof(double));
  loop->state[2 * n] = log_scale;
  const int status = policy_step(loop->policy, loop->memory, loop->state, loop->command, NULL);
  if (status >= POLICY_NO_GOAL) return POLICY_LOOP_UNUSUAL;

  holding_torque(model, filter->state, loop->gravity);
  const double passed = loop->since_start + loop->period;
  const double share = passed < loop->start_time ? passed / loop->start_time : 1.0;
  for (int j = 0; j < m; j++) {
    const double torque = loop->gravity[j] + share * loop->command[j];
    if (!isfinite(torque)) return POLICY_LOOP_UNUSUAL;
    loop->torque[j] = fmin(fmax(torque, loop->torque_limits[j]), loop->torque_limits[m + j]);
  }
  memcpy(loop->applied, loop->torque, (size_t)m * sizeof(double));
  if (!resting) memcpy(loop->place, at, sizeof loop->place);
  loop->still = still;
  loop->since_start = passed;
  loop->saturated = status == POLICY_SATURATED;
  return POLICY_LOOP_OK;
}
