/* Costs that the line search compares. */
#include "rti_parts.h"

/* Penalties of the limited values of node k > 0. */
static double penalties(const Rti *rti, const Parts *parts, int k, const double *lower, const double *upper) {
  const size_t at = (size_t)k * parts->L;
  double sum = 0.0;
  for (int i = parts->B; i < parts->R + rti->rows; i++) {
    if (i >= parts->B + rti->bounds && i < parts->R) continue; /* padding */
    const double low = lower[at + i] - parts->limited[i], high = parts->limited[i] - upper[at + i];
    const double s = low > 0.0 ? low : high > 0.0 ? high : 0.0;
    if (s > 0.0) sum += rti->l1[at + i] * s + 0.5 * rti->l2[at + i] * s * s;
  }
  return sum;
}

double rti_cost(const Rti *rti, const RtiQuery *query, const Parts *parts, const double *x, const double *u,
                double *stages, double *gap) {
  const int N = rti->horizon, n = parts->n, m = parts->m;
  double cost = 0.0;
  *gap = 0.0;
  for (int k = 0; k <= N; k++) {
    const double *xk = x + k * n, *uk = k < N ? u + k * m : NULL;
    if (k < N) {
      if (rti_integrate(rti, parts, k, rti->integrator_tolerance, xk, uk, stages + (size_t)k * parts->stages,
                        parts->next, NULL, NULL))
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
    rti_limited(rti, parts, xk, NULL, parts->limited);
    cost += penalties(rti, parts, k, rti->lower, rti->upper);
  }
  return cost;
}

/* The QP's objective at states x and torques u. */
static double objective(const Rti *rti, const Parts *parts, const double *x, const double *u, int x_step, int u_step) {
  const int n = parts->n, m = parts->m, W = parts->W, U = parts->U;
  double *z = parts->answer, sum = 0.0;
  memset(z, 0, (size_t)W * sizeof *z);
  for (int k = 0; k <= rti->horizon; k++) {
    const double *g = parts->gradient + (size_t)k * W, *H = parts->hessian + (size_t)k * W * W;
    const double *xk = x + (size_t)k * x_step;
    for (int i = 0; i < n; i++) z[U + i] = xk[i];
    for (int i = 0; i < m; i++) z[i] = k < rti->horizon ? u[(size_t)k * u_step + i] : 0.0;
    for (int i = 0; i < W; i++) sum += z[i] * (g[i] + 0.5 * rti_dot(W, H + i * W, z));
    if (k == 0) continue;
    for (int i = 0; i < rti->bounds; i++) parts->limited[parts->B + i] = xk[rti->bounded[i]];
    for (int i = 0; i < rti->rows; i++) {
      const double *row = parts->matrix + ((size_t)k * QP_PAD(rti->rows) + i) * W;
      double value = 0.0;
      for (int j = 0; j < n; j++) value += row[U + j] * xk[j];
      parts->limited[parts->R + i] = value;
    }
    sum += penalties(rti, parts, k, parts->lower, parts->upper);
  }
  return sum;
}

double rti_model_change(const Rti *rti, const Parts *parts) {
  return objective(rti, parts, parts->z + parts->U, parts->z, parts->W, parts->W) -
         objective(rti, parts, rti->x, rti->u, parts->n, parts->m);
}
