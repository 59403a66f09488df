/* Roll-outs of a stop. */
#include "rti_stop.h"

#include "rti_parts.h"

/* Shapes nearer to each other than this blend into one [rad]. */
static const double BLEND = 0.1;
/* By how much an arm that is nearer to an obstacle than it should be may come nearer in its last oscillation, if that does
 * not fade out [m]. */
static const double LAST_SWING = 0.002;
/* By how much it may come nearer on the way to a place that is further away [m]. */
static const double DIP = 0.0005;

/* The brake, as it goes on. */
typedef struct {
  const ChainModel *model;
  const RtiStop *stop;
  int holding;
  double held[CHAIN_MAX_MOTORS], offset[CHAIN_MAX_MOTORS];
} Brake;

/* Torques (m) of the motors against gravity at joint positions q; forces (joints) that move the joints without a motor, 0
 * for the others; returns the inertia about the yaw axis. */
static double statics(const ChainModel *model, const double *q, double *torque, double *force) {
  const int N = model->bodies;
  const double weight = model->gravity * model->sin_tilt;
  double angle = 0.0, moment[CHAIN_MAX_BODIES], c[CHAIN_MAX_BODIES], inertia = 0.0;
  for (int i = 0; i < N; i++) {
    angle += q[1 + i];
    c[i] = cos(angle + model->offset[i]);
    moment[i] = weight * model->gravity_moment[i] * c[i];
    inertia += model->inertia_across[i] * c[i] * c[i] + model->inertia_along[i] * (1.0 - c[i] * c[i]);
  }
  for (int i = N - 1; i > 0; i--) moment[i - 1] += moment[i];
  force[0] = 0.0;
  for (int i = 0; i < N; i++) {
    const double bend = q[1 + i] + model->offset[i] - (i ? model->offset[i - 1] : 0.0) - model->rest[i];
    force[1 + i] = moment[i] + (model->stiffness[i] + model->stiffness_scale * model->flexible_stiffness[i]) * bend;
  }
  for (int i = 0; i < model->motors; i++) {
    const int joint = model->motor_joint[i];
    torque[i] = joint ? moment[joint - 1] : 0.0;
    force[joint] = 0.0;
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) inertia += model->coupling[i * N + j] * c[i] * c[j];
  return model->yaw_inertia + model->sin_tilt * model->sin_tilt * inertia;
}

/* How much each of the brake's shapes counts at x. */
static void weigh(const ChainModel *model, const RtiStop *stop, const double *x, double *weights) {
  double sum = 0.0;
  for (int s = 0; s < stop->shapes; s++) {
    double square = BLEND * BLEND;
    for (int i = 2; i < model->motors; i++) {
      /* a turn more or less is the same shape */
      const double away = remainder(x[model->motor_joint[i]] - stop->shape[s * model->motors + i], 6.283185307179586);
      square += away * away;
    }
    weights[s] = 1.0 / (square * square);
    sum += weights[s];
  }
  for (int s = 0; s < stop->shapes; s++) weights[s] /= sum;
}

/* Torques that the brake would have at x if it had braked before; notes where the motors came to a stop. */
static void own_torque(Brake *brake, const double *x, double *torque) {
  const ChainModel *model = brake->model;
  const RtiStop *stop = brake->stop;
  const int joints = model->bodies + 1, m = model->motors;
  double weights[RTI_STOP_SHAPES], force[CHAIN_MAX_BODIES + 1];
  const double inertia = statics(model, x, torque, force);
  weigh(model, stop, x, weights);
  for (int i = 0; i < m; i++) {
    const int joint = model->motor_joint[i];
    double damping = 0.0, stiffness = 0.0;
    for (int s = 0; s < stop->shapes; s++) {
      const double *gain = stop->damping + (size_t)(s * m + i) * joints;
      const double *relief = stop->relief + (size_t)(s * m + i) * joints;
      double sum = 0.0;
      for (int j = 0; j < joints; j++) sum += gain[j] * x[joints + j] + relief[j] * force[j];
      damping += weights[s] * sum;
      stiffness += weights[s] * stop->stiffness[s * m + i];
    }
    torque[i] -= joint ? damping : inertia * damping;
    if (brake->holding) torque[i] -= stiffness * (x[joint] - brake->held[i]);
  }
}

static void look_for_rest(Brake *brake, const double *x) {
  const ChainModel *model = brake->model;
  const int joints = model->bodies + 1, m = model->motors;
  double fastest = 0.0;
  for (int i = 0; i < m; i++) fastest = fmax(fastest, fabs(x[joints + model->motor_joint[i]]));
  if (brake->holding || !(fastest < brake->stop->stopped)) return;
  brake->holding = 1;
  for (int i = 0; i < m; i++) brake->held[i] = x[model->motor_joint[i]];
}

/* Torque of a step, given or the brake's, and what fades out after it. */
static void act(Brake *brake, const double *x, int given, double length, double *u) {
  const int m = brake->model->motors;
  const double *limits = brake->stop->torque_limits, fade = brake->stop->fade;
  const double rest = fade > 0.0 ? exp(-length / fade) : 0.0;
  double own[CHAIN_MAX_MOTORS];
  if (!given) look_for_rest(brake, x);
  own_torque(brake, x, own);
  for (int i = 0; i < m; i++) {
    if (given)
      brake->offset[i] = u[i] - own[i];
    else
      u[i] = fmin(fmax(own[i] + brake->offset[i], limits[i]), limits[m + i]);
    brake->offset[i] *= rest;
  }
}

static void note(RtiStop *stop, double excess, int node, int limit) {
  if (excess <= stop->worst) return;
  stop->worst = excess == excess ? excess : INFINITY;
  stop->worst_node = node;
  stop->worst_limit = limit;
}

/* Smallest distance that is allowed to the point of a row that has gone a way. */
static double nearest_allowed(const RtiStop *stop, double lower, double now, int at, double way) {
  const double further = fmin(stop->growth[at] * fmax(0.0, way - stop->free_way), stop->largest_growth);
  return stop->given ? fmin(lower, now) + further : fmin(lower + further, now);
}

static void judge(const Rti *rti, RtiStop *stop, const Parts *parts, const double *now, const double *way, int k) {
  const double *lower = stop->lower + (size_t)k * parts->L, *upper = stop->upper + (size_t)k * parts->L;
  const double *limited = parts->limited;
  for (int i = parts->B; i < parts->L; i++) {
    if (!(stop->unit[i] < INFINITY)) continue;
    const int row = i - parts->R;
    const double least = row < 0 ? fmin(lower[i], now[i])
                                 : nearest_allowed(stop, lower[i], now[i], i, way[rti->row[row].point]);
    const double dip = row >= 0 && stop->given && now[i] < lower[i] ? DIP : 0.0;
    note(stop, fmax(least - dip - limited[i], limited[i] - fmax(upper[i], now[i])) / stop->unit[i], k, i);
  }
}

/* Excess of the state over what counts as rest, in units; `before` are the velocities of the points a step earlier. */
static double unrest(const Rti *rti, const RtiStop *stop, const Parts *parts, const double *now, const double *way,
                     const double *x, const double *before, double length, int k) {
  const int joints = parts->n / 2;
  const double *lower = stop->lower + (size_t)k * parts->L, w = stop->frequency;
  double fastest = 0.0, worst;
  for (int i = 0; i < joints; i++) fastest = fmax(fastest, fabs(x[joints + i]));
  worst = (fastest - stop->rest_speed) / stop->speed_unit;
  for (int r = 0; r < rti->rows; r++) {
    const RtiRow *row = rti->row + r;
    const int at = parts->R + r;
    if (row->moving || !(stop->unit[at] < INFINITY)) continue;
    double speed = 0.0, earlier = 0.0;
    for (int i = 0; i < 3; i++) {
      speed += row->normal[i] * parts->velocity[3 * row->point + i];
      earlier += row->normal[i] * before[3 * row->point + i];
    }
    /* About a place at rest that lies nearer to the obstacle by `bias`, with what is then the amplitude. */
    const double bias = fmax(0.0, (earlier - speed) / length) / (w * w), amplitude = hypot(speed / w, bias);
    const double nearest = parts->limited[at] - bias - amplitude;
    const double least = nearest_allowed(stop, lower[at], now[at] - LAST_SWING, at, way[row->point]);
    worst = fmax(worst, (least - nearest) / stop->unit[at]);
    if (now[at] < lower[at]) worst = fmax(worst, (now[at] - 0.1 * DIP - parts->limited[at]) / stop->unit[at]);
  }
  return worst;
}

int rti_stop(Rti *rti, const double *x0, double stiffness_scale, RtiStop *stop) {
  Parts parts;
  stop->worst = INFINITY;
  stop->beyond = INFINITY;
  stop->worst_node = stop->worst_limit = -1;
  stop->done = 0;
  if (rti_divide(rti, &parts) < 0 || stop->shapes < 1 || stop->shapes > RTI_STOP_SHAPES) return CHAIN_BAD_ARGUMENT;
  const int n = parts.n, m = parts.m, points = rti->model->points;
  Brake brake = {rti->model, stop, stop->holding, {0.0}, {0.0}};
  memcpy(brake.held, stop->held, (size_t)m * sizeof *brake.held);
  memcpy(brake.offset, stop->offset, (size_t)m * sizeof *brake.offset);
  double *stages = parts.trial_stages, *now = parts.lower, *before = parts.d_position, *way = parts.d_velocity;
  rti->model->stiffness_scale = stiffness_scale;
  memset(stages, 0, (size_t)parts.stages * sizeof *stages);
  memset(now, 0, (size_t)parts.L * sizeof *now);
  memset(parts.limited, 0, (size_t)parts.L * sizeof *parts.limited);
  memcpy(stop->x, x0, (size_t)n * sizeof *x0);
  int status = chain_points(rti->model, x0, parts.position, parts.velocity, NULL, NULL);
  if (status != CHAIN_OK) return status;
  rti_limited(rti, &parts, x0, NULL, now);
  stop->beyond = -INFINITY;
  for (int i = parts.B; i < parts.L; i++)
    if (stop->unit[i] < INFINITY)
      stop->beyond = fmax(stop->beyond, fmax(stop->lower[i] - now[i], now[i] - stop->upper[i]) / stop->unit[i]);

  stop->worst = -INFINITY;
  memset(way, 0, (size_t)points * sizeof *way);
  for (int k = 0; k < stop->steps && status == CHAIN_OK; k++) {
    double *x = stop->x + (size_t)k * n, *u = stop->u + (size_t)k * m;
    act(&brake, x, k < stop->given, stop->lengths[k], u);
    if (!k) memcpy(stop->next_offset, brake.offset, (size_t)m * sizeof *brake.offset);
    if (k && stop->substeps[k] != stop->substeps[k - 1])
      memset(stages, 0, (size_t)parts.stages * sizeof *stages); /* not a good guess any more */
    const ChainStep step = {stop->scheme, stop->substeps[k], 20, 0, stop->lengths[k], rti->integrator_tolerance};
    status = chain_step(rti->model, &step, x, u, stages, x + n, NULL, NULL, parts.chain_work);
    memcpy(before, parts.velocity, 3 * (size_t)points * sizeof *before);
    if (status == CHAIN_OK)
      status = chain_points(rti->model, x + n, parts.position, parts.velocity, NULL, NULL);
    if (status != CHAIN_OK) break;
    rti_limited(rti, &parts, x + n, NULL, parts.limited);
    for (int i = 0; i < points; i++) {
      const double *v = parts.velocity + 3 * i, *w = before + 3 * i;
      way[i] += 0.5 * stop->lengths[k] * (sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) +
                                          sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]));
    }
    judge(rti, stop, &parts, now, way, k + 1);
    stop->done = k + 1;
    const int last = k + 1 == stop->steps;
    if (!last && (!brake.holding || k < stop->given || stop->whole)) continue;
    const double excess = unrest(rti, stop, &parts, now, way, x + n, before, stop->lengths[k], k + 1);
    if (last || excess <= 0.0) note(stop, excess, k + 1, -1);
    if (excess <= 0.0) break;
  }
  if (status != CHAIN_OK) stop->worst = INFINITY;
  return status;
}
