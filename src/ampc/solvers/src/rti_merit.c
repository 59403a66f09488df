/* Costs that the line search compares. */
#include "rti_parts.h"

/* Penalties of limits at node k, for values (L). */
static double penalties(const Rti *rti, const Parts *parts, int k, const double *lower, const double *upper,
                        const double *values) {
  const size_t at = (size_t)k * parts->L;
  double sum = 0.0;
  for (int i = parts->B; k > 0 && i < parts->L; i++) {
    const int rows = parts->R - parts->B;
    if (i >= parts->B + rti->bounds && i < parts->B + rows) continue; /* padding */
    if (i >= parts->R + rti->rows_at[k]) continue;
    const double low = lower[at + i] - values[i], high = values[i] - upper[at + i];
    const double s = low > 0.0 ? low : high > 0.0 ? high : 0.0;
    if (s > 0.0) sum += rti->l1[at + i] * s + 0.5 * rti->l2[at + i] * s * s;
  }
  return sum;
}

double rti_cost(const Rti *rti, const RtiQuery *query, const Parts *parts, const double *x, const double *u,
                double *stages, double *gap) {
  const int N = rti->horizon, n = parts->n, m = parts->m;
  double limited[QP_PAD(CHAIN_MAX_MOTORS) + 2 * (CHAIN_MAX_BODIES + 4) + RTI_MAX_ROWS] = {0.0};
  double cost = 0.0;
  *gap = 0.0;
  for (int k = 0; k <= N; k++) {
    const double *xk = x + k * n, *uk = k < N ? u + k * m : NULL;
    if (k < N) {
      if (rti_integrate(rti, parts, k, xk, uk, stages + (size_t)k * parts->stages, parts->next, NULL, NULL))
        return NAN;
      for (int i = 0; i < n; i++) *gap += parts->penalty[k * parts->P + i] * fabs(parts->next[i] - xk[n + i]);
      for (int i = 0; i < m; i++) {
        const int proposed = k == 0 && query->proposed;
        const double weight = proposed ? query->proposed_weight[i] : rti->steps[k] * rti->torque_weights[i];
        const double e = uk[i] - (proposed ? query->proposed[i] : query->u_ref[k * query->u_ref_stride + i]);
        cost += 0.5 * weight * e * e;
      }
    }
    if (k == 0) continue;
    const int last = k == N;
    const double scale = rti_scale(rti, k);
    const double *weights = last ? rti->terminal_weights : rti->stage_weights;
    const double *x_ref = query->x_ref + k * query->x_ref_stride, *goal = query->goal + k * query->goal_stride;
    chain_points(rti->model, xk, parts->position, parts->velocity, NULL, NULL);
    for (int i = 0; i < n; i++) cost += 0.5 * scale * weights[i] * (xk[i] - x_ref[i]) * (xk[i] - x_ref[i]);
    for (int e = 0; e < 3; e++) {
      const double miss = parts->position[e] - goal[e];
      cost += 0.5 * scale * rti->end_effector_weights[last] * miss * miss;
    }
    rti_limited(rti, parts, xk, uk, limited);
    cost += penalties(rti, parts, k, rti->lower, rti->upper, limited);
  }
  return cost;
}

double rti_model_cost(const Rti *rti, const Parts *parts) {
  const int N = rti->horizon, W = parts->W;
  double values[QP_PAD(CHAIN_MAX_MOTORS) + 2 * (CHAIN_MAX_BODIES + 4) + RTI_MAX_ROWS] = {0.0};
  double change = 0.0;
  for (int k = 0; k <= N; k++) {
    const double *z = parts->z + (size_t)k * W, *g = parts->gradient + (size_t)k * W;
    const double *H = parts->hessian + (size_t)k * W * W;
    for (int i = 0; i < W; i++) {
      double Hz = 0.0;
      for (int j = 0; j < W; j++) Hz += H[i * W + j] * z[j];
      change += z[i] * (g[i] + 0.5 * Hz);
    }
    if (k == 0) continue;
    for (int i = 0; i < rti->bounds; i++) values[parts->B + i] = z[parts->U + rti->bounded[i]];
    for (int i = 0; i < rti->rows_at[k]; i++) {
      const double *row = parts->matrix + ((size_t)k * QP_PAD(rti->rows) + i) * W;
      double value = 0.0;
      for (int j = 0; j < W; j++) value += row[j] * z[j];
      values[parts->R + i] = value;
    }
    change += penalties(rti, parts, k, parts->lower, parts->upper, values);
    memset(values, 0, sizeof values);
    change -= penalties(rti, parts, k, parts->lower, parts->upper, values);
  }
  return change;
}
