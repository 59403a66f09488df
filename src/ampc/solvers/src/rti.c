/* The iterations. */
#ifndef _WIN32
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#endif
#include "rti_parts.h"

#include <time.h>

#define ENORMOUS 1e6     /* [rad, rad/s, N m] a step that large is no step */
#define LEAST_TOLERANCE 1e-9 /* of the QPs of further iterations */
#define ACCEPTABLE 1e-6 /* largest tolerance of QPs where the problem is solved to convergence */
#define FULL_STEPS 12    /* halvings of the line search */
#define SUFFICIENT 1e-4  /* share of the expected decrease that has to come true */
#define NOISE 1e-9       /* relative decrease of the merit that integration errors hide: there full steps are taken */
#define LEAST_DAMPING 1e-3 /* curvature that is added to the QP where its steps are too long */
#define MOST_DAMPING 1e4

int rti_version(void) { return RTI_VERSION; }

static double now(void) {
#ifdef _WIN32
  return (double)clock() / CLOCKS_PER_SEC; /* wall time there */
#else
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
#endif
}

static int all_finite(const double *values, int count) {
  double sum = 0.0;
  for (int i = 0; i < count; i++) sum += values[i] - values[i];
  return sum == 0.0;
}

static int finite_query(const Rti *rti, const RtiQuery *query, const Parts *parts) {
  const int nodes = rti->horizon + 1;
  return all_finite(query->x0, parts->n) && all_finite(query->goal, query->goal_stride ? 3 * nodes : 3) &&
         all_finite(query->x_ref, parts->n * (query->x_ref_stride ? nodes : 1)) &&
         all_finite(query->u_ref, parts->m * (query->u_ref_stride ? nodes - 1 : 1)) &&
         (!query->proposed ||
          (all_finite(query->proposed, parts->m) && all_finite(query->proposed_weight, parts->m))) &&
         query->stiffness_scale >= 0.0 && query->stiffness_scale < INFINITY;
}

int rti_begin(Rti *rti, const RtiQuery *query, Parts *parts, RtiReport *report) {
  memset(report, 0, sizeof *report);
  report->change = report->kkt = report->gap = report->cost = NAN;
  if (rti_divide(rti, parts) < 0) return RTI_BAD_ARGUMENT;
  if (!finite_query(rti, query, parts)) return RTI_BAD_INPUT;
  rti->model->stiffness_scale = query->stiffness_scale;
  return RTI_OK;
}

int rti_solve_qp(Rti *rti, Parts *parts, int warm, int max_iterations, double tolerance, RtiReport *report) {
  const int n = parts->n, m = parts->m;
  QPSettings settings = {0};
  settings.max_iterations = max_iterations;
  settings.warm = warm;
  settings.tolerance = tolerance;
  QPResult result;
  const double start = now();
  for (int k = 0; warm && k <= rti->horizon; k++) {
    double *z = parts->z + (size_t)k * parts->W;
    memcpy(z + parts->U, rti->x + k * n, (size_t)n * sizeof *z);
    if (k < rti->horizon) memcpy(z, rti->u + k * m, (size_t)m * sizeof *z);
  }
  report->detail = qp_solve(&parts->qp, &settings, &parts->solution, &result, parts->qp_work);
  const double seconds = now() - start;
  report->qp_seconds += seconds;
  report->qp_iterations += result.iterations;
  if (result.iterations > 0) rti->qp_iteration_seconds = seconds / result.iterations;
  if (report->detail == QP_OK) return RTI_OK;
  /* What is not finite must not be met again. */
  memset(parts->z, 0, (size_t)((char *)parts->chain_work - (char *)parts->z));
  return RTI_QP;
}

int rti_solve_precisely(Rti *rti, Parts *parts, RtiReport *report) {
  double tolerance = rti->qp_tolerance;
  int status;
  do {
    status = rti_solve_qp(rti, parts, 0, rti->qp_max_iterations, tolerance, report);
    if (status != RTI_OK) status = rti_solve_qp(rti, parts, 1, rti->qp_max_iterations, tolerance, report);
    tolerance *= 30.0; /* near rounding it may be out of reach */
  } while (status != RTI_OK && tolerance < ACCEPTABLE);
  return status;
}

/* Largest changes of states and of torques by the QP's step, and the Lagrangian's gradient; not finite or enormous
 * changes are RTI_DIVERGED. */
static int measure_step(const Rti *rti, const Parts *parts, double *change_x, RtiReport *report) {
  const int n = parts->n, m = parts->m, W = parts->W, U = parts->U;
  double *step = parts->answer, most_u = 0.0, most_x = 0.0, kkt = 0.0, sum = 0.0;
  memset(step, 0, (size_t)W * sizeof *step);
  for (int k = 0; k <= rti->horizon; k++) {
    const double *z = parts->z + (size_t)k * W, *H = parts->hessian + (size_t)k * W * W;
    for (int i = 0; i < n; i++) {
      step[U + i] = z[U + i] - rti->x[k * n + i];
      most_x = fmax(most_x, fabs(step[U + i]));
    }
    for (int i = 0; i < m; i++) {
      step[i] = k < rti->horizon ? z[i] - rti->u[k * m + i] : 0.0;
      most_u = fmax(most_u, fabs(step[i]));
    }
    for (int i = 0; i < W; i++) {
      const double pull = rti_dot(W, H + i * W, step);
      sum += pull - pull + (step[i] - step[i]);
      kkt = fmax(kkt, fabs(pull));
    }
  }
  if (sum != 0.0 || most_u > ENORMOUS || most_x > ENORMOUS) return RTI_DIVERGED;
  report->change = most_u;
  report->kkt = kkt;
  *change_x = most_x;
  return RTI_OK;
}

/* The plan moved by a part of the way to the QP's solution, torques within their limits, into x and u. */
static void move(const Rti *rti, const Parts *parts, double part, double *x, double *u) {
  const int n = parts->n, m = parts->m;
  for (int k = 0; k <= rti->horizon; k++) {
    const double *z = parts->z + (size_t)k * parts->W;
    for (int i = 0; i < n; i++) x[k * n + i] = (1.0 - part) * rti->x[k * n + i] + part * z[parts->U + i];
    if (k == rti->horizon) break;
    for (int i = 0; i < m; i++) {
      const size_t at = (size_t)k * parts->L + i;
      const double torque = (1.0 - part) * rti->u[k * m + i] + part * z[i];
      u[k * m + i] = fmin(fmax(torque, rti->lower[at]), rti->upper[at]);
    }
  }
}

static int linearise(Rti *rti, const RtiQuery *query, Parts *parts, double damping, RtiReport *report) {
  const double start = now();
  const int status = rti_linearise(rti, query, parts, damping, report);
  report->linearisation_seconds += now() - start;
  /* A step that could not be integrated leaves nothing to start from. */
  if (status != RTI_OK) rti->warm = 0;
  return status;
}

int rti_step(Rti *rti, const RtiQuery *query, int iterations, double budget, RtiReport *report) {
  const double start = now();
  Parts parts;
  double change_x, tolerance = rti->qp_tolerance;
  int status = rti_begin(rti, query, &parts, report);
  if (status == RTI_OK) memcpy(rti->x, query->x0, (size_t)parts.n * sizeof *rti->x);
  while (status == RTI_OK && report->iterations < iterations) {
    const double begun = now(), left = budget - (begun - start);
    if (left < rti->iteration_seconds) {
      status = RTI_DEADLINE;
      break;
    }
    status = linearise(rti, query, &parts, 0.0, report);
    if (status != RTI_OK) break;
    int most = rti->qp_max_iterations;
    if (budget < INFINITY && rti->qp_iteration_seconds > 0.0) {
      const double affordable = (budget - (now() - start)) / rti->qp_iteration_seconds;
      most = affordable < most ? (affordable > 1.0 ? (int)affordable : 1) : most;
    }
    status = rti_solve_qp(rti, &parts, rti->warm ? 2 : 0, most, tolerance, report);
    if (status == RTI_QP && rti->warm && most == rti->qp_max_iterations)
      status = rti_solve_qp(rti, &parts, 0, most, tolerance, report);
    if (status == RTI_QP && report->detail == QP_MAX_ITERATIONS && most < rti->qp_max_iterations)
      status = RTI_DEADLINE;
    if (status == RTI_OK) status = measure_step(rti, &parts, &change_x, report);
    rti->warm = status == RTI_OK;
    if (status != RTI_OK) break;
    move(rti, &parts, 1.0, rti->x, rti->u);
    report->iterations++;
    /* Each iteration leaves about a tenth of the error before. */
    tolerance = fmax(0.1 * tolerance, LEAST_TOLERANCE);
    rti->iteration_seconds = now() - begun;
  }
  /* So that one slow iteration does not forbid all that follow. */
  if (status == RTI_DEADLINE) rti->iteration_seconds *= 0.8;
  report->status = status;
  report->seconds = now() - start;
  return status;
}

/* Weights of the gaps in the merit function, above the costates (Powell 1978). */
static void raise_penalty(const Rti *rti, Parts *parts) {
  for (int k = 0; k < rti->horizon; k++)
    for (int i = 0; i < parts->n; i++) {
      double *penalty = parts->penalty + k * parts->P + i;
      const double costate = 1.1 * fabs(parts->costate[(k + 1) * parts->P + i]) + 1e-6;
      *penalty = fmax(costate, 0.5 * (*penalty + costate));
    }
}

/* Halve the step until the merit falls; 0 if it does not. The plan moves, its `stages` too. */
static double search(Rti *rti, const RtiQuery *query, Parts *parts) {
  const size_t stages = (size_t)rti->horizon * parts->stages * sizeof *rti->stages;
  double gap, length = 1.0;
  memcpy(parts->trial_stages, rti->stages, stages);
  const double cost = rti_cost(rti, query, parts, rti->x, rti->u, parts->trial_stages, &gap);
  const double merit = cost + gap, expected = gap - rti_model_change(rti, parts);
  const double noise = NOISE * (1.0 + fabs(merit));
  for (int i = 0; i < FULL_STEPS; i++, length *= 0.5) {
    memcpy(parts->trial_stages, rti->stages, stages);
    move(rti, parts, length, parts->trial_x, parts->trial_u);
    const double next = rti_cost(rti, query, parts, parts->trial_x, parts->trial_u, parts->trial_stages, &gap) + gap;
    if (!(next <= merit - SUFFICIENT * length * expected || (expected <= noise && next <= merit + noise))) continue;
    memcpy(rti->x, parts->trial_x, (size_t)((rti->horizon + 1) * parts->n) * sizeof *rti->x);
    memcpy(rti->u, parts->trial_u, (size_t)(rti->horizon * parts->m) * sizeof *rti->u);
    memcpy(rti->stages, parts->trial_stages, stages);
    return length;
  }
  return 0.0;
}

int rti_converge(Rti *rti, const RtiQuery *query, int max_iterations, double tolerance, RtiReport *report) {
  const double start = now();
  Parts parts;
  double damping = 0.0, change_x = INFINITY, gap;
  int status = rti_begin(rti, query, &parts, report), failure = RTI_OK, converged = 0, improved = 0;
  if (status == RTI_OK) {
    memcpy(rti->x, query->x0, (size_t)parts.n * sizeof *rti->x);
    memset(parts.penalty, 0, (size_t)rti->horizon * parts.P * sizeof *parts.penalty);
  }
  while (status == RTI_OK && !converged && report->iterations < max_iterations && damping <= MOST_DAMPING) {
    status = linearise(rti, query, &parts, damping, report);
    if (status != RTI_OK) break;
    report->iterations++;
    double length = 0.0;
    failure = rti_solve_precisely(rti, &parts, report);
    if (failure == RTI_OK) failure = measure_step(rti, &parts, &change_x, report);
    if (failure == RTI_OK) {
      raise_penalty(rti, &parts);
      converged = damping == 0.0 && fmax(report->change, change_x) <= tolerance;
      if (converged)
        move(rti, &parts, 1.0, rti->x, rti->u);
      else
        length = search(rti, query, &parts);
    }
    improved = improved || converged || length > 0.0;
    if (length < 0.5) damping = fmax(4.0 * damping, LEAST_DAMPING);
    if (length == 1.0) damping = damping > LEAST_DAMPING ? 0.25 * damping : 0.0;
  }
  if (status == RTI_OK) {
    memcpy(parts.trial_stages, rti->stages, (size_t)rti->horizon * parts.stages * sizeof *rti->stages);
    report->cost = rti_cost(rti, query, &parts, rti->x, rti->u, parts.trial_stages, &gap);
    if (!converged) status = improved || failure == RTI_OK ? RTI_NOT_CONVERGED : failure;
  }
  rti->warm = status == RTI_OK;
  report->status = status;
  report->seconds = now() - start;
  return status;
}
