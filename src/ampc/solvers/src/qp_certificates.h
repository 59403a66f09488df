/* Why there is no solution, where that can be proved from the last iterate; included by qp.c. */

#define FAR 1e6     /* trajectories beyond so many times the largest number of the data count as none */
#define FLAT 1e-7   /* what counts as zero of a direction without end, relative */

/* Largest magnitude of x0, offsets and limits. */
static double extent_of(const Work *w) {
  const QPProblem *problem = w->problem;
  double extent = SMALLEST;
  for (int i = 0; i < problem->size.states; i++) extent = larger(fabs(problem->x0[i]), extent);
  for (size_t i = 0; i < (size_t)w->N * w->X; i++) extent = larger(fabs(problem->offset[i]), extent);
  for (const Side *side = w->sides; side < w->sides + w->first[w->N + 1]; side++)
    for (int i = 0; i < 4; i++) extent = larger(fabs(side->bound[i]), extent);
  return extent;
}

/* Coefficients (W) of limit i of stage k into `row`. */
static void limit_row(const Work *w, const int k, const int i, double *row) {
  const int first = w->U + w->B;
  for (int j = 0; j < w->W; j++)
    row[j] = i >= first ? w->problem->matrix[((size_t)k * w->R + (i - first)) * w->W + j] : 0.0;
  if (i < w->U) row[i] = 1.0;
  else if (i < first) row[w->U + w->problem->bounded[i - w->U]] = 1.0;
}

/* Farkas: multipliers of the hard limits whose weighted sum, with the states eliminated by the equations, no trajectory
 * within reach can satisfy. */
static int contradictory(const Work *w) {
  const QPProblem *problem = w->problem;
  const int n = problem->size.states, m = problem->size.inputs;
  double *costate = w->scratch, *next = costate + w->W, *row = next + w->W, worth = 0.0, left = 0.0, most = 0.0;
  for (int j = 0; j < w->W; j++) next[j] = 0.0;
  for (int k = w->N; k >= 0; k--) {
    const double *F = problem->dynamics + (size_t)k * n * w->W, *offset = problem->offset + (size_t)k * w->X;
    for (int j = 0; j < w->W; j++) costate[j] = 0.0;
    for (int i = 0; k < w->N && i < n; i++) {
      worth += next[w->U + i] * offset[i];
      for (int j = 0; j < w->W; j++) costate[j] += next[w->U + i] * F[i * w->W + j];
    }
    EACH_SIDE(w, k, side)
      for (int i = 0; i < 4; i++) {
        if (side->soft[i] != 0.0 || side->on[i] + side->equal[i] == 0.0) continue;
        limit_row(w, k, side->position + i, row);
        worth += side->lambda[i] * side->bound[i];
        most = larger(fabs(side->lambda[i]), most);
        for (int j = 0; j < w->W; j++) costate[j] -= side->sign * side->lambda[i] * row[j];
      }
    for (int j = 0; j < m; j++) left += fabs(costate[j]);
    for (int j = 0; j < w->W; j++) next[j] = costate[j];
  }
  for (int i = 0; i < n; i++) worth += next[w->U + i] * problem->x0[i];
  return most < INFINITY && worth > FAR * extent_of(w) * left && worth > FLAT * most * SMALLEST;
}

/* A direction in which the equations and the hard limits let the trajectory go on for ever while the cost falls. */
static int unbounded(const Work *w) {
  const QPProblem *problem = w->problem;
  const int n = problem->size.states;
  const double size = larger(largest_magnitude((size_t)(w->N + 1) * w->W, w->z), SMALLEST);
  double *row = w->scratch, fall = 0.0, gradient = 0.0;
  if (!(size < INFINITY) || size < FAR * extent_of(w)) return 0;
  for (int k = 0; k <= w->N; k++) {
    const double *z = w->z + (size_t)k * w->W, *g = problem->gradient + (size_t)k * w->W;
    const double *H = problem->hessian + (size_t)k * w->W * w->W, *F = problem->dynamics + (size_t)k * n * w->W;
    for (int i = k < w->N ? 0 : w->U; i < w->W; i++) {
      double force = 0.0;
      for (int j = 0; j < w->W; j++) force += H[i * w->W + j] * z[j];
      if (fabs(force) > FLAT * w->curvature[0] * size) return 0;
      fall -= g[i] * z[i];
      gradient = larger(fabs(g[i]), gradient);
    }
    for (int i = 0; k < w->N && i < n; i++) {
      double gap = -z[w->W + w->U + i];
      for (int j = 0; j < w->W; j++) gap += F[i * w->W + j] * z[j];
      if (fabs(gap) > FLAT * size) return 0;
    }
    EACH_SIDE(w, k, side)
      for (int i = 0; i < 4; i++) {
        if (side->on[i] + side->equal[i] == 0.0) continue;
        double y = 0.0, most = 0.0;
        limit_row(w, k, side->position + i, row);
        for (int j = 0; j < w->W; j++) {
          y += side->sign * row[j] * z[j];
          most = larger(fabs(row[j]), most);
        }
        if (side->equal[i] != 0.0) y = -fabs(y);
        if (y >= -FLAT * most * size) continue;
        if (side->soft[i] == 0.0 || side->l2[i] > 0.0) return 0;
        fall += side->l1[i] * y;
      }
  }
  return fall > FLAT * gradient * size;
}
