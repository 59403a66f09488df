/* Derivatives of the first torque by what it depends on. */
#include "rti_parts.h"

#define DIFFERENCE 1e-5 /* of central differences of exact gradients: 1e-10 of truncation */
#define TIGHT 1e-13     /* the integrator's derivatives are those at the iterate before its last */

/* Gradient (W) at node k of what the Lagrangian has there besides the quadratic costs: dynamics with costate, limits
 * with multipliers, and the end effector's position with the force at the plan. */
static int curved_gradient(const Rti *rti, const Parts *parts, int k, const double *z, const double *force,
                           double *stages, double *gradient) {
  const int N = rti->horizon, n = parts->n, m = parts->m, joints = n / 2;
  const double *x = z + parts->U;
  memset(gradient, 0, (size_t)parts->W * sizeof *gradient);
  if (k < N) {
    const double *costate = parts->costate + (size_t)(k + 1) * parts->P;
    memcpy(stages, rti->stages + (size_t)k * parts->stages, (size_t)parts->stages * sizeof *stages);
    if (rti_integrate(rti, parts, k, TIGHT, x, z, stages, parts->next, parts->d_dx, parts->d_du)) return RTI_INTEGRATOR;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) gradient[j] += costate[i] * parts->d_du[i * m + j];
      for (int j = 0; j < n; j++) gradient[parts->U + j] += costate[i] * parts->d_dx[i * n + j];
    }
  }
  if (k == 0) return RTI_OK;
  chain_points(rti->model, x, parts->position, parts->velocity, parts->d_position, parts->d_velocity);
  for (int e = 0; e < 3; e++)
    for (int j = 0; j < joints; j++) gradient[parts->U + j] += force[e] * parts->d_position[e * joints + j];
  const double *low = parts->multiplier + (size_t)k * 2 * parts->L + parts->R, *high = low + parts->L;
  rti_rows(rti, parts, parts->push);
  for (int i = 0; i < rti->rows; i++)
    for (int j = 0; j < n; j++)
      gradient[parts->U + j] += (high[i] - low[i]) * parts->push[i * parts->W + parts->U + j];
  return RTI_OK;
}

static int add_curvature(const Rti *rti, const RtiQuery *query, const Parts *parts) {
  const int N = rti->horizon, n = parts->n, m = parts->m, U = parts->U, W = parts->W;
  double *z = parts->trial_x, *ahead = parts->answer, *behind = ahead + W, *stages = parts->trial_stages;
  for (int k = 0; k <= N; k++) {
    const double *x = rti->x + k * n;
    double *H = parts->hessian + (size_t)k * W * W, force[3];
    memset(z, 0, (size_t)W * sizeof *z);
    memcpy(z + U, x, (size_t)n * sizeof *z);
    if (k < N) memcpy(z, rti->u + k * m, (size_t)m * sizeof *z);
    chain_points(rti->model, x, parts->position, parts->velocity, NULL, NULL);
    for (int e = 0; e < 3; e++)
      force[e] = rti_scale(rti, k) * rti->end_effector_weights[k == N] *
                 (parts->position[e] - query->goal[k * query->goal_stride + e]);
    for (int j = 0; j < W; j++) {
      if (j < U ? j >= m || k == N : j >= U + n) continue;
      const double value = z[j];
      z[j] = value + DIFFERENCE;
      if (curved_gradient(rti, parts, k, z, force, stages, ahead)) return RTI_INTEGRATOR;
      z[j] = value - DIFFERENCE;
      if (curved_gradient(rti, parts, k, z, force, stages, behind)) return RTI_INTEGRATOR;
      z[j] = value;
      for (int i = 0; i < W; i++) {
        const double half = (ahead[i] - behind[i]) / (4.0 * DIFFERENCE); /* H + H' below */
        H[i * W + j] += half;
        H[j * W + i] += half;
      }
    }
  }
  return RTI_OK;
}

/* Sum up how the first torque i answers all that depends on the goal and on the references; `answer` is how the
 * solution answers a force on that torque, which is the same, since the system is symmetric. */
static void gather(const Rti *rti, const RtiQuery *query, const Parts *parts, const double *answer, double *d_goal,
                   double *d_x_ref, double *d_u_ref) {
  const int N = rti->horizon, n = parts->n, m = parts->m, joints = n / 2;
  for (int k = 0; k <= N; k++) {
    const double *du = answer + (size_t)k * parts->W, *dx = du + parts->U;
    const double scale = rti_scale(rti, k);
    const double *weights = k == N ? rti->terminal_weights : rti->stage_weights;
    for (int j = 0; j < m && k < N; j++)
      d_u_ref[j] += k == 0 && query->proposed ? 0.0 : scale * rti->torque_weights[j] * du[j];
    if (k == 0) continue;
    for (int j = 0; j < n; j++) d_x_ref[j] += scale * weights[j] * dx[j];
    chain_points(rti->model, rti->x + k * n, parts->position, parts->velocity, parts->d_position, parts->d_velocity);
    for (int e = 0; e < 3; e++) {
      double along = 0.0;
      for (int j = 0; j < joints; j++) along += parts->d_position[e * joints + j] * dx[j];
      d_goal[e] += scale * rti->end_effector_weights[k == N] * along;
    }
  }
}

static int differentiate(Rti *rti, const RtiQuery *query, Parts *parts, int exact, double *d_x0, double *d_goal,
                         double *d_x_ref, double *d_u_ref, RtiReport *report) {
  const int n = parts->n, m = parts->m;
  double *push = parts->push, *answer = parts->answer, *costate = parts->penalty;
  int status = rti_linearise(rti, query, parts, 0.0, report);
  if (status == RTI_OK) status = rti_solve_precisely(rti, parts, report);
  if (status == RTI_OK && exact) status = add_curvature(rti, query, parts);
  if (status != RTI_OK) return status;
  report->detail = qp_factorise(&parts->qp, parts->qp_work);
  if (report->detail != QP_OK) return RTI_QP;
  memset(push, 0, (size_t)(rti->horizon + 1) * parts->W * sizeof *push);
  memset(d_goal, 0, (size_t)(m * 3) * sizeof *d_goal);
  memset(d_x_ref, 0, (size_t)(m * n) * sizeof *d_x_ref);
  memset(d_u_ref, 0, (size_t)(m * m) * sizeof *d_u_ref);
  for (int i = 0; i < m; i++) {
    push[i] = -1.0;
    qp_perturb(&parts->qp, NULL, NULL, push, answer, costate, parts->qp_work);
    push[i] = 0.0;
    for (int j = 0; j < n; j++) d_x0[i * n + j] = -costate[j];
    gather(rti, query, parts, answer, d_goal + i * 3, d_x_ref + i * n, d_u_ref + i * m);
  }
  return RTI_OK;
}

int rti_sensitivities(Rti *rti, const RtiQuery *query, int exact, double *d_x0, double *d_goal, double *d_x_ref,
                      double *d_u_ref, RtiReport *report) {
  Parts parts;
  int status = rti_begin(rti, query, &parts, report);
  if (status == RTI_OK) {
    status = differentiate(rti, query, &parts, exact, d_x0, d_goal, d_x_ref, d_u_ref, report);
    /* Linearisation writes only its own part of the Hessian. */
    memset(parts.hessian, 0, (size_t)((char *)parts.gradient - (char *)parts.hessian));
  }
  report->status = status;
  return status;
}
