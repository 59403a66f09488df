/* Linearisation: the QP that the next plan solves. */
#include "rti_parts.h"

static double *take(double **memory, size_t count) {
  double *start = *memory;
  *memory += (count + 7) / 8 * 8; /* whole cache lines */
  return start;
}

long rti_divide(const Rti *rti, Parts *parts) {
  const ChainModel *model = rti->model;
  const int N = rti->horizon;
  if (N < 1 || rti->rows < 0 || rti->rows > RTI_MAX_ROWS || rti->bounds < 0 || !(model->points >= 1)) return -1;
  const int n = 2 * (model->bodies + 1), m = model->motors, k = model->points;
  const QPSize size = {N, n, m, rti->bounds, rti->rows, 0};
  const long qp_work = qp_workspace_size(&size);
  if (qp_work < 0 || m < 1 || rti->bounds > n) return -1;
  int substeps = 1;
  for (int i = 0; i < N; i++) {
    if (rti->substeps[i] < 1) return -1;
    if (rti->substeps[i] > substeps) substeps = rti->substeps[i];
  }
  parts->n = n;
  parts->m = m;
  parts->U = QP_PAD(m);
  parts->P = QP_PAD(n);
  parts->W = parts->U + parts->P;
  parts->B = parts->U;
  parts->R = parts->B + QP_PAD(rti->bounds);
  parts->L = parts->R + QP_PAD(rti->rows);
  parts->stages = chain_stages_size(model->bodies, substeps);

  const size_t W = (size_t)parts->W, L = (size_t)parts->L, P = (size_t)parts->P, nodes = (size_t)N + 1;
  double *memory = rti->memory, *first = memory;
  parts->dynamics = take(&memory, nodes * (size_t)n * W);
  parts->offset = take(&memory, nodes * P);
  parts->hessian = take(&memory, nodes * W * W);
  parts->gradient = take(&memory, nodes * W);
  parts->matrix = take(&memory, nodes * QP_PAD((size_t)rti->rows) * W);
  parts->lower = take(&memory, nodes * L);
  parts->upper = take(&memory, nodes * L);
  parts->z = take(&memory, nodes * W);
  parts->costate = take(&memory, nodes * P);
  parts->multiplier = take(&memory, nodes * 2 * L);
  parts->slack = take(&memory, nodes * 2 * L);
  parts->qp_work = take(&memory, (size_t)qp_work);
  parts->chain_work = take(&memory, (size_t)chain_workspace_size(model->bodies, m));
  parts->limited = take(&memory, L);
  parts->next = take(&memory, (size_t)n);
  parts->d_dx = take(&memory, (size_t)(n * n));
  parts->d_du = take(&memory, (size_t)(n * m));
  parts->position = take(&memory, (size_t)(3 * k));
  parts->velocity = take(&memory, (size_t)(3 * k));
  parts->d_position = take(&memory, (size_t)(3 * k * n / 2));
  parts->d_velocity = take(&memory, (size_t)(3 * k * n));
  parts->penalty = take(&memory, nodes * P);
  parts->trial_x = take(&memory, nodes * W);
  parts->trial_u = take(&memory, nodes * (size_t)m);
  parts->trial_stages = take(&memory, nodes * (size_t)parts->stages);
  parts->push = take(&memory, (nodes + (size_t)rti->rows) * W);
  parts->answer = take(&memory, nodes * W);

  const QPProblem qp = {size,           rti->bounded,    rti->rows_at,  rti->x,       parts->dynamics,
                        parts->offset,  parts->hessian,  parts->gradient, parts->matrix, parts->lower,
                        parts->upper,   rti->l1,         rti->l2};
  const QPSolution solution = {parts->z, parts->costate, parts->multiplier, parts->slack};
  parts->qp = qp;
  parts->solution = solution;
  return (long)(memory - first);
}

long rti_memory_size(const Rti *rti) {
  Parts parts;
  return rti_divide(rti, &parts);
}

int rti_integrate(const Rti *rti, const Parts *parts, int k, double tolerance, const double *x, const double *u,
                  double *stages, double *next, double *d_dx, double *d_du) {
  const ChainStep step = {rti->scheme, rti->substeps[k], 20, 0, rti->steps[k], tolerance};
  return chain_step(rti->model, &step, x, u, stages, next, d_dx, d_du, parts->chain_work);
}

static double dot3(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

void rti_limited(const Rti *rti, const Parts *parts, const double *x, const double *u, double *limited) {
  for (int i = 0; i < parts->m; i++) limited[i] = u ? u[i] : 0.0;
  for (int i = 0; i < rti->bounds; i++) limited[parts->B + i] = x[rti->bounded[i]];
  for (int i = 0; i < rti->rows; i++) {
    const RtiRow *row = rti->row + i;
    const double distance = dot3(row->normal, parts->position + 3 * row->point) - row->offset;
    limited[parts->R + i] =
        row->moving ? dot3(row->normal, parts->velocity + 3 * row->point) + row->slope * distance : distance;
  }
}

void rti_rows(const Rti *rti, const Parts *parts, double *matrix) {
  const int joints = parts->n / 2;
  for (int i = 0; i < rti->rows; i++) {
    const RtiRow *row = rti->row + i;
    const double *dP = parts->d_position + 3 * joints * row->point;
    const double *dV = parts->d_velocity + 6 * joints * row->point;
    const double *normal = row->normal;
    double *by_q = matrix + i * parts->W + parts->U, *by_dq = by_q + joints;
    for (int j = 0; j < joints; j++) {
      const double along = normal[0] * dP[j] + normal[1] * dP[joints + j] + normal[2] * dP[2 * joints + j];
      by_q[j] = along;
      if (!row->moving) continue;
      by_q[j] = row->slope * along + normal[0] * dV[j] + normal[1] * dV[2 * joints + j] +
                normal[2] * dV[4 * joints + j];
      by_dq[j] = along;
    }
  }
}

/* Cost of the state at node k > 0, whose points are known: diagonal, and the end effector's distance. */
static void add_state_cost(const Rti *rti, const RtiQuery *query, const Parts *parts, int k, double damping) {
  const int n = parts->n, joints = n / 2, W = parts->W, last = k == rti->horizon;
  const double scale = rti_scale(rti, k);
  const double *weights = last ? rti->terminal_weights : rti->stage_weights;
  const double *x = rti->x + k * n, *x_ref = query->x_ref + k * query->x_ref_stride;
  const double *goal = query->goal + k * query->goal_stride;
  double *H = parts->hessian + (size_t)k * W * W + parts->U * W + parts->U;
  double *g = parts->gradient + (size_t)k * W + parts->U;
  for (int i = 0; i < n; i++) {
    if (i < joints) memset(H + i * W, 0, (size_t)joints * sizeof *H); /* all else beside the diagonal stays zero */
    H[i * W + i] = scale * weights[i] + damping;
    g[i] = -scale * weights[i] * x_ref[i] - damping * x[i];
  }
  const double pull = scale * rti->end_effector_weights[last];
  if (pull == 0.0) return;
  for (int e = 0; e < 3; e++) {
    const double *J = parts->d_position + e * joints;
    double miss = parts->position[e] - goal[e];
    for (int j = 0; j < joints; j++) miss -= J[j] * x[j];
    for (int i = 0; i < joints; i++) {
      const double factor = pull * J[i];
      g[i] += factor * miss;
      for (int j = 0; j < joints; j++) H[i * W + j] += factor * J[j];
    }
  }
}

/* x_(k+1) = F + A (x - plan) + B (u - plan) as the QP wants it; returns the largest gap to the plan's next state. */
static double add_dynamics(const Parts *parts, int k, const double *x, const double *u) {
  const int n = parts->n, m = parts->m, W = parts->W, U = parts->U;
  double *rows = parts->dynamics + (size_t)k * n * W, *offset = parts->offset + (size_t)k * parts->P;
  double *z = parts->answer, gap = 0.0;
  memset(z, 0, (size_t)W * sizeof *z);
  memcpy(z, u, (size_t)m * sizeof *z);
  memcpy(z + U, x, (size_t)n * sizeof *z);
  for (int i = 0; i < n; i++) {
    double *row = rows + i * W;
    for (int j = 0; j < m; j++) row[j] = parts->d_du[i * m + j];
    for (int j = 0; j < n; j++) row[U + j] = parts->d_dx[i * n + j];
    offset[i] = parts->next[i] - rti_dot(W, row, z);
    gap = fmax(gap, fabs(parts->next[i] - x[n + i]));
  }
  return gap;
}

/* Rows at a node k > 0, whose points are known. */
static void add_rows(const Rti *rti, const Parts *parts, int k, const double *x) {
  double *matrix = parts->matrix + (size_t)k * QP_PAD(rti->rows) * parts->W;
  double *lower = parts->lower + (size_t)k * parts->L, *upper = parts->upper + (size_t)k * parts->L;
  rti_rows(rti, parts, matrix);
  rti_limited(rti, parts, x, NULL, parts->limited);
  for (int i = 0; i < rti->rows; i++) {
    const double *row = matrix + i * parts->W + parts->U;
    const size_t at = (size_t)k * parts->L + parts->R + i;
    double rest = parts->limited[parts->R + i];
    for (int j = 0; j < parts->n; j++) rest -= row[j] * x[j];
    lower[parts->R + i] = rti->lower[at] - rest;
    upper[parts->R + i] = rti->upper[at] - rest;
  }
}

int rti_linearise(const Rti *rti, const RtiQuery *query, Parts *parts, double damping, RtiReport *report) {
  const int N = rti->horizon, n = parts->n, m = parts->m, W = parts->W;
  const size_t limits = (size_t)(N + 1) * parts->L * sizeof *parts->lower;
  memcpy(parts->lower, rti->lower, limits);
  memcpy(parts->upper, rti->upper, limits);
  report->gap = 0.0;
  for (int k = 0; k <= N; k++) {
    const double *x = rti->x + k * n, *u = rti->u + k * m;
    double *H = parts->hessian + (size_t)k * W * W, *g = parts->gradient + (size_t)k * W;
    if (k < N) {
      const int status = rti_integrate(rti, parts, k, rti->integrator_tolerance, x, u,
                                       rti->stages + (size_t)k * parts->stages, parts->next, parts->d_dx, parts->d_du);
      if (status != CHAIN_OK) {
        report->detail = status;
        report->node = k;
        return RTI_INTEGRATOR;
      }
      report->gap = fmax(report->gap, add_dynamics(parts, k, x, u));
      const double *u_ref = query->u_ref + k * query->u_ref_stride;
      for (int i = 0; i < m; i++) {
        const int proposed = k == 0 && query->proposed;
        const double weight = proposed ? query->proposed_weight[i] : rti->steps[k] * rti->torque_weights[i];
        H[i * W + i] = weight + damping;
        g[i] = -weight * (proposed ? query->proposed[i] : u_ref[i]) - damping * u[i];
      }
    }
    if (k == 0) continue;
    chain_points(rti->model, x, parts->position, parts->velocity, parts->d_position, parts->d_velocity);
    add_state_cost(rti, query, parts, k, damping);
    add_rows(rti, parts, k, x);
  }
  return RTI_OK;
}
