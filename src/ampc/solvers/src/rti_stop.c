/* Roll-outs of a stop. */
#include "rti_stop.h"

#include "rti_parts.h"

/* Torques (m) of the motors against gravity at joint positions q. */
static void against_gravity(const ChainModel *model, const double *q, double *torque) {
  const double weight = model->gravity * model->sin_tilt;
  double angle = 0.0, moment[CHAIN_MAX_BODIES];
  for (int i = 0; i < model->bodies; i++) {
    angle += q[1 + i];
    moment[i] = weight * model->gravity_moment[i] * cos(angle + model->offset[i]);
  }
  for (int i = model->bodies - 1; i > 0; i--) moment[i - 1] += moment[i];
  for (int i = 0; i < model->motors; i++) torque[i] = model->motor_joint[i] ? moment[model->motor_joint[i] - 1] : 0.0;
}

/* Torques of the brake at x; notes in `held` where the motors came to a stop. */
static void brake(const ChainModel *model, const RtiStop *stop, const double *x, int *holding, double *held,
                  double *torque) {
  const int joints = model->bodies + 1, m = model->motors;
  double fastest = 0.0;
  for (int i = 0; i < m; i++) fastest = fmax(fastest, fabs(x[joints + model->motor_joint[i]]));
  if (!*holding && fastest < stop->stopped) {
    *holding = 1;
    for (int i = 0; i < m; i++) held[i] = x[model->motor_joint[i]];
  }
  against_gravity(model, x, torque);
  for (int i = 0; i < m; i++) {
    const int joint = model->motor_joint[i];
    for (int j = 0; j < joints; j++) torque[i] -= stop->damping[i * joints + j] * x[joints + j];
    if (*holding) torque[i] -= stop->stiffness[i] * (x[joint] - held[i]);
    torque[i] = fmin(fmax(torque[i], stop->torque_limits[i]), stop->torque_limits[m + i]);
  }
}

static void judge(RtiStop *stop, const double *limited, int k, int first, int L) {
  const double *lower = stop->lower + (size_t)k * L, *upper = stop->upper + (size_t)k * L;
  for (int i = first; i < L; i++) {
    if (!(stop->unit[i] < INFINITY)) continue;
    const double excess = fmax(lower[i] - limited[i], limited[i] - upper[i]) / stop->unit[i];
    if (excess > stop->worst || !(excess == excess)) {
      stop->worst = excess == excess ? excess : INFINITY;
      stop->worst_node = k;
      stop->worst_limit = i;
    }
  }
}

int rti_stop(Rti *rti, const double *x0, double stiffness_scale, RtiStop *stop) {
  Parts parts;
  stop->worst = INFINITY;
  stop->worst_node = stop->worst_limit = -1;
  if (rti_divide(rti, &parts) < 0) return CHAIN_BAD_ARGUMENT;
  const int n = parts.n, m = parts.m;
  int holding = stop->holding, status = CHAIN_OK;
  double held[CHAIN_MAX_MOTORS], *stages = parts.trial_stages;
  memcpy(held, stop->held, (size_t)m * sizeof *held);
  rti->model->stiffness_scale = stiffness_scale;
  memset(stages, 0, (size_t)parts.stages * sizeof *stages);
  memset(parts.limited, 0, (size_t)parts.L * sizeof *parts.limited);
  memcpy(stop->x, x0, (size_t)n * sizeof *x0);
  stop->worst = -INFINITY;
  for (int k = 0; k < stop->steps && status == CHAIN_OK; k++) {
    double *x = stop->x + (size_t)k * n, *u = stop->u + (size_t)k * m;
    if (k >= stop->given) brake(rti->model, stop, x, &holding, held, u);
    if (k && stop->substeps[k] != stop->substeps[k - 1])
      memset(stages, 0, (size_t)parts.stages * sizeof *stages); /* not a good guess any more */
    const ChainStep step = {stop->scheme, stop->substeps[k], 20, 0, stop->lengths[k], rti->integrator_tolerance};
    status = chain_step(rti->model, &step, x, u, stages, x + n, NULL, NULL, parts.chain_work);
    if (status == CHAIN_OK)
      status = chain_points(rti->model, x + n, parts.position, parts.velocity, NULL, NULL);
    if (status != CHAIN_OK) break;
    rti_limited(rti, &parts, x + n, NULL, parts.limited);
    judge(stop, parts.limited, k + 1, parts.B, parts.L);
  }
  if (status != CHAIN_OK) stop->worst = INFINITY;
  return status;
}
