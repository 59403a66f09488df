/* Plans in time: the first guess, moving on, roll-out. */
#include "rti_parts.h"

void rti_start(Rti *rti, const RtiQuery *query) {
  Parts parts;
  if (rti_divide(rti, &parts) < 0) return;
  const int N = rti->horizon, n = parts.n, m = parts.m;
  for (int k = 0; k <= N; k++)
    for (int i = 0; i < n; i++) rti->x[k * n + i] = k == 0 || i < n / 2 ? query->x0[i] : 0.0;
  for (int k = 0; k < N; k++)
    for (int i = 0; i < m; i++) rti->u[k * m + i] = query->u_ref[k * query->u_ref_stride + i];
  memset(rti->stages, 0, (size_t)N * parts.stages * sizeof *rti->stages);
  rti->warm = 0;
}

/* Mean over [from, to] of the torque i; the last is held. `j` and `start` point to the step that `from` lies in. */
static double mean_torque(const Rti *rti, int m, const double *u, int i, int j, double start, double from, double to) {
  double sum = 0.0, time = from;
  while (j < rti->horizon - 1 && start + rti->steps[j] < to) {
    sum += (start + rti->steps[j] - time) * u[j * m + i];
    start += rti->steps[j];
    time = start;
    j++;
  }
  return (sum + (to - time) * u[j * m + i]) / (to - from);
}

void rti_shift(Rti *rti, double elapsed) {
  Parts parts;
  if (rti_divide(rti, &parts) < 0 || !(elapsed > 0.0 && elapsed < INFINITY)) return;
  const int N = rti->horizon, n = parts.n, m = parts.m;
  const double close = 1e-6 * rti->steps[0]; /* clocks and sums of steps are not exact */
  double *x = parts.trial_x, *u = parts.trial_u, *stages = parts.trial_stages;
  memcpy(x, rti->x, (size_t)((N + 1) * n) * sizeof *x);
  memcpy(u, rti->u, (size_t)(N * m) * sizeof *u);
  memcpy(stages, rti->stages, (size_t)N * parts.stages * sizeof *stages);

  double time = elapsed, start = 0.0;
  int j = 0;
  for (int k = 0; k <= N; k++) {
    while (j < N && time >= start + rti->steps[j] - close) start += rti->steps[j++];
    /* The new node lies in the old step j, N: beyond the last node. Nodes only move towards later old ones, so that
     * multipliers can move in place. */
    double part = j < N ? (time - start) / rti->steps[j] : 0.0;
    if (fabs(part) * (j < N ? rti->steps[j] : 0.0) <= close) part = 0.0;
    const double *from = x + j * n;
    for (int i = 0; i < n; i++) rti->x[k * n + i] = part > 0.0 ? from[i] + part * (from[n + i] - from[i]) : from[i];
    if (k == N) break;
    const int step = j < N ? j : N - 1;
    const double length = rti->steps[k];
    const int whole = part == 0.0 && fabs(length - rti->steps[step]) <= close;
    for (int i = 0; i < m; i++)
      rti->u[k * m + i] = whole || j == N ? u[step * m + i]
                                          : mean_torque(rti, m, u, i, j, start, start + part * rti->steps[j],
                                                        start + part * rti->steps[j] + length);
    double *own = rti->stages + (size_t)k * parts.stages;
    if (rti->substeps[k] == rti->substeps[step])
      memcpy(own, stages + (size_t)step * parts.stages, (size_t)parts.stages * sizeof *own);
    else
      memset(own, 0, (size_t)parts.stages * sizeof *own);

    const double ratio = length / rti->steps[step];
    double *multiplier = parts.multiplier + (size_t)k * 2 * parts.L;
    const double *before = parts.multiplier + (size_t)step * 2 * parts.L;
    for (int i = 0; i < 2 * parts.L; i++) multiplier[i] = ratio * before[i];
    const int at = j < N ? j : N;
    for (int i = 0; i < parts.P; i++) parts.costate[k * parts.P + i] = parts.costate[at * parts.P + i];
    time += length;
  }
}

int rti_rollout(Rti *rti, const double *x0, const double *u, double stiffness_scale, double *x, double *limited) {
  Parts parts;
  if (rti_divide(rti, &parts) < 0) return CHAIN_BAD_ARGUMENT;
  const int N = rti->horizon, n = parts.n, m = parts.m;
  double *stages = parts.trial_stages;
  int status = CHAIN_OK;
  rti->model->stiffness_scale = stiffness_scale;
  memset(stages, 0, (size_t)parts.stages * sizeof *stages);
  memcpy(x, x0, (size_t)n * sizeof *x);
  for (int k = 0; k <= N; k++) {
    double *xk = x + k * n, *values = limited + (size_t)k * parts.L;
    if (status == CHAIN_OK) {
      memset(values, 0, (size_t)parts.L * sizeof *values);
      status = chain_points(rti->model, xk, parts.position, parts.velocity, NULL, NULL);
      rti_limited(rti, &parts, xk, k < N ? u + k * m : NULL, values);
    } else {
      for (int i = 0; i < parts.L; i++) values[i] = NAN;
    }
    if (k == N) break;
    if (status == CHAIN_OK) {
      /* The stages of the step before are a good guess where steps are alike. */
      if (k && rti->substeps[k] != rti->substeps[k - 1]) memset(stages, 0, (size_t)parts.stages * sizeof *stages);
      status = rti_integrate(rti, &parts, k, rti->integrator_tolerance, xk, u + k * m, stages, xk + n, NULL, NULL);
    }
    if (status != CHAIN_OK)
      for (int i = 0; i < n; i++) xk[n + i] = NAN;
  }
  return status;
}
