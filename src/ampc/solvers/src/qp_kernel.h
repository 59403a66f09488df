/* Linear algebra of the stages; included once for each size with
 *   NAME(x)  a name of its own,  STATES and INPUTS  the sizes, constants or those of `w`,
 *   LAST(n)  how many of the last four rows have to be computed.
 *
 * The Riccati recursion eliminates dx_N, du_{N-1}, dx_{N-1}, ... from
 *
 *   (H + C' weight C) dz + [B A]' dcostate_next - [0 dcostate] = -h,   dx_next = [B A] dz + gap_next,
 *
 * where dcostate = P dx + p. The inputs' rows of  G = H + C' weight C + [B A]' P_next [B A]  become the gain K (unit
 * upper triangular in the inputs) and the pivots; what remains of the states' rows is P. Only one half of the
 * symmetric matrices is computed.
 */

/* out += sign A' x, A (rows, width). */
static INLINE void NAME(add_transposed)(const int rows, const int width, const double sign, const double *A,
                                        const double *x, double *out) {
  double sum[LOCAL_WIDTH];
  INDEPENDENT
  for (int j = 0; j < width; j++) sum[j] = out[j];
  for (int l = 0; l < rows; l++) {
    const double factor = sign * x[l];
    INDEPENDENT
    for (int j = 0; j < width; j++) sum[j] += factor * A[l * width + j];
  }
  INDEPENDENT
  for (int j = 0; j < width; j++) out[j] = sum[j];
}

/* C' x of all limits of a stage. */
static INLINE void NAME(add_limits)(const Work *w, const int k, const double sign, const double *x, double *out) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), W = U + QP_PAD(n);
  const QPProblem *problem = w->problem;
  for (int a = 0; a < m; a++) out[a] += sign * x[a];
  for (int i = 0; i < problem->size.bounds; i++) out[U + problem->bounded[i]] += sign * x[U + i];
  NAME(add_transposed)(rows_at(problem, k), W, sign, problem->matrix + (size_t)k * w->R * W, x + U + w->B, out);
}

/* C z. */
static INLINE void NAME(limited)(const Work *w, const int k, const double *z, double *y) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), W = U + QP_PAD(n);
  const QPProblem *problem = w->problem;
  const double *C = problem->matrix + (size_t)k * w->R * W;
  for (int a = 0; a < m; a++) y[a] = z[a];
  for (int i = 0; i < problem->size.bounds; i++) y[U + i] = z[U + problem->bounded[i]];
  product(rows_at(problem, k), W, C, z, y + U + w->B);
}

/* Factorise a stage; returns the number of pivots that were too small and were replaced. */
static INLINE int NAME(factorise)(const Work *w, const int k) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), X = QP_PAD(n), W = U + X;
  const QPProblem *problem = w->problem;
  double *PF = w->scratch, *left = PF + X * W, *right = left + (w->R + m) * W;
  int replaced = 0;
  const double *F = problem->dynamics + (size_t)k * n * W, *H = problem->hessian + (size_t)k * W * W;
  const double *C = problem->matrix + (size_t)k * w->R * W;
  const double *weight = w->weight + (size_t)k * w->L;
  const int inner = k < w->N ? n : 0, rows = rows_at(problem, k);
  double *P = w->P + (size_t)k * X * X;
  if (inner) {
    const double *next = P + X * X;
    int i = 0;
    for (; i + 4 <= n; i += 4)
      strip(4, W, 0, W, n, next + i, X, F, 0, 0, F, PF + i * W, W);
    if (n % 4) strip(LAST(STATES), W, 0, W, n, next + i, X, F, 0, 0, F, PF + i * W, W);
  }
  for (int r = 0; r < rows; r++) {
    const double factor = weight[U + w->B + r];
    INDEPENDENT
    for (int j = 0; j < W; j++) {
      left[r * W + j] = C[r * W + j];
      right[r * W + j] = factor * C[r * W + j];
    }
  }
  int extra = rows;
  if (inner) {
    double *K = w->K + (size_t)k * U * W, *by_pivot = w->by_pivot + (size_t)k * U;
    int i = 0;
    for (; i + 4 <= m; i += 4)
      strip(4, W, H + i * W, W, n, F + i, W, PF, rows, left + i, right, K + i * W, W);
    if (m % 4) strip(LAST(INPUTS), W, H + i * W, W, n, F + i, W, PF, rows, left + i, right, K + i * W, W);
    for (int a = 0; a < m; a++) {
      double *row = K + a * W, *negative = left + (rows + a) * W, *scaled = right + (rows + a) * W;
      double pivot = row[a] + weight[a];
      if (!(pivot > SINGULAR * w->curvature[0])) {
        pivot = PROXIMAL * w->curvature[0];
        replaced++;
      }
      by_pivot[a] = 1.0 / pivot;
      for (int b = a + 1; b < m; b++) {
        const double factor = row[b] * by_pivot[a];
        INDEPENDENT
        for (int j = 0; j < W; j++) K[b * W + j] -= factor * row[j];
      }
      INDEPENDENT
      for (int j = 0; j < W; j++) {
        negative[j] = -row[j];
        scaled[j] = row[j] *= by_pivot[a];
      }
    }
    extra = rows + m;
  }
  for (int i = 0; i < X; i += 4) {
    const double *from = H + (U + i) * W + U + i;
    const double *F0 = F + U + i, *PF0 = PF + U + i, *left0 = left + U + i, *right0 = right + U + i;
    double *out = P + i * X + i;
    if (i + 4 <= n) strip(4, X - i, from, W, inner, F0, W, PF0, extra, left0, right0, out, X);
    else strip(LAST(STATES), X - i, from, W, inner, F0, W, PF0, extra, left0, right0, out, X);
  }
  if (k)
    for (int i = 0; i < problem->size.bounds; i++) P[problem->bounded[i] * (X + 1)] += weight[U + i];
  mirror(n, X, P);
  return replaced;
}

/* Right-hand side of a stage: h = remaining stationarity - C' pull, with p of the next stage and its gap. */
static INLINE void NAME(backward)(const Work *w, const int k, const double remaining, const int gaps) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), X = QP_PAD(n), W = U + X;
  const QPProblem *problem = w->problem;
  const double *F = problem->dynamics + (size_t)k * n * W, *stationarity = w->stationarity + (size_t)k * W;
  double *h = w->h + (size_t)k * W;
  INDEPENDENT
  for (int j = 0; j < W; j++) h[j] = remaining * stationarity[j];
  NAME(add_limits)(w, k, -1.0, w->pull + (size_t)k * w->L, h);
  if (k == w->N) return;
  const double *p = h + W + U, *K = w->K + (size_t)k * U * W;
  double moved[LOCAL_WIDTH];
  if (gaps) {
    const double *gap = w->gap + (size_t)(k + 1) * X;
    for (int i = 0; i < X; i++) moved[i] = p[i];
    NAME(add_transposed)(n, X, remaining, w->P + (size_t)(k + 1) * X * X, gap, moved);
    p = moved;
  }
  NAME(add_transposed)(n, W, 1.0, F, p, h);
  for (int a = 0; a < m; a++)
    for (int b = a + 1; b < m; b++) h[b] -= h[a] * K[a * W + b];
  double inputs[LOCAL_INPUTS];
  for (int a = 0; a < m; a++) inputs[a] = h[a];
  NAME(add_transposed)(m, W, -1.0, K, inputs, h);
  for (int a = 0; a < m; a++) h[a] = inputs[a];
}

/* The direction of a stage's inputs and of the next states, the change of its limited quantities and, if `costates`, of
 * its costates. */
static INLINE void NAME(forward)(const Work *w, const int k, const double remaining, const int gaps,
                                 const int costates) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), X = QP_PAD(n), W = U + X;
  const QPProblem *problem = w->problem;
  double *dz = w->dz + (size_t)k * W;
  const double *h = w->h + (size_t)k * W;
  if (k < w->N) {
    const double *F = problem->dynamics + (size_t)k * n * W, *K = w->K + (size_t)k * U * W;
    const double *by_pivot = w->by_pivot + (size_t)k * U, *gap = w->gap + (size_t)(k + 1) * X;
    double *next = dz + W + U;
    double feedback[LOCAL_INPUTS + 3];
    for (int j = 0; j < U; j++) dz[j] = 0.0;
    product(m, W, K, dz, feedback);
    for (int a = m - 1; a >= 0; a--) {
      double sum = h[a] * by_pivot[a] + feedback[a];
      for (int b = a + 1; b < m; b++) sum += K[a * W + b] * dz[b];
      dz[a] = -sum;
    }
    product(n, W, F, dz, next);
    if (gaps)
      for (int i = 0; i < X; i++) next[i] += remaining * gap[i];
  }
  NAME(limited)(w, k, dz, w->change + (size_t)k * w->L);
  if (costates) {
    double *costate = w->dcostate + (size_t)k * X;
    for (int i = 0; i < X; i++) costate[i] = h[U + i];
    NAME(add_transposed)(n, X, 1.0, w->P + (size_t)k * X * X, dz + U, costate);
  }
}

/* From the last stage to the first; returns the number of pivots that were replaced. */
static int NAME(down)(const Work *w, const Sweep *sweep) {
  int replaced = 0;
  for (int k = w->N; k >= 0; k--) {
    if (sweep->limits) stage_pull(w, k, sweep);
    if (sweep->factorise) replaced += NAME(factorise)(w, k);
    NAME(backward)(w, k, sweep->remaining, sweep->gaps);
  }
  return replaced;
}

/* And back. */
static void NAME(up)(const Work *w, Sweep *sweep) {
  double *start = w->dz + QP_PAD(INPUTS);
  for (int i = 0; i < STATES; i++) start[i] = sweep->gaps ? sweep->remaining * w->gap[i] : 0.0;
  for (int k = 0; k <= w->N; k++) {
    NAME(forward)(w, k, sweep->remaining, sweep->gaps, sweep->costates);
    if (sweep->limits) stage_look(w, k, &sweep->reach);
  }
}

/* The limited quantities at the iterate. */
static void NAME(measure)(const Work *w) {
  const int W = QP_PAD(INPUTS) + QP_PAD(STATES);
  for (int k = 0; k <= w->N; k++) NAME(limited)(w, k, w->z + (size_t)k * W, w->value + (size_t)k * w->L);
}

/* Residuals of stationarity and of the equations at the iterate with multipliers `net`, its limited quantities, and the
 * largest magnitudes. Returns 0, or NaN if there was a number that is not finite. */
static double NAME(residuals)(const Work *w) {
  const int n = STATES, m = INPUTS, U = QP_PAD(m), X = QP_PAD(n), W = U + X;
  const QPProblem *problem = w->problem;
  double gradients[LOCAL_WIDTH], variables[LOCAL_WIDTH], worst[LOCAL_WIDTH], worst_gap[LOCAL_WIDTH], sum[4] = {0.0};
  INDEPENDENT
  for (int j = 0; j < W; j++) gradients[j] = variables[j] = worst[j] = worst_gap[j] = 0.0;
  for (int k = 0; k <= w->N; k++) {
    const double *F = problem->dynamics + (size_t)k * n * W, *H = problem->hessian + (size_t)k * W * W;
    const double *z = w->z + (size_t)k * W, *costate = w->costate + (size_t)k * X, *next = z + W + U;
    const double *offset = problem->offset + (size_t)k * X, *gradient = problem->gradient + (size_t)k * W;
    double *stationarity = w->stationarity + (size_t)k * W, *gap = w->gap + (size_t)(k + 1) * X;
    double forces[LOCAL_WIDTH];
    INDEPENDENT
    for (int j = 0; j < W; j++) stationarity[j] = gradient[j];
    if (k < w->N) NAME(add_transposed)(m, W, 1.0, H, z, stationarity);
    NAME(add_transposed)(n, W, 1.0, H + U * W, z + U, stationarity);
    absorb(W, stationarity, gradients);
    INDEPENDENT
    for (int j = 0; j < W; j++) forces[j] = 0.0;
    NAME(add_limits)(w, k, -1.0, w->net + (size_t)k * w->L, forces);
    absorb(W, forces, gradients);
    absorb(W, z, variables);
    if (k < w->N) {
      NAME(add_transposed)(n, W, 1.0, F, costate + X, forces);
      product(n, W, F, z, gap);
      for (int i = 0; i < X; i++) gap[i] += offset[i] - next[i];
      absorb(X, offset, variables + U);
      absorb(X, gap, worst_gap);
      for (int i = 0; i < X; i++) sum[i % 4] += gap[i] - gap[i];
    }
    absorb(X, costate, gradients + U);
    INDEPENDENT
    for (int j = 0; j < W; j++) stationarity[j] += forces[j];
    for (int i = 0; i < X; i++) stationarity[U + i] -= costate[i];
    if (k == w->N)
      for (int j = 0; j < U; j++) stationarity[j] = 0.0;
    absorb(W, stationarity, worst);
    INDEPENDENT
    for (int j = 0; j < W; j++) sum[j % 4] += stationarity[j] - stationarity[j];
    NAME(limited)(w, k, z, w->value + (size_t)k * w->L);
  }
  for (int i = 0; i < n; i++) {
    w->gap[i] = problem->x0[i] - w->z[U + i];
    worst_gap[i] = larger(fabs(w->gap[i]), worst_gap[i]);
    sum[0] += w->gap[i] - w->gap[i];
  }
  for (int j = 0; j < W; j++) {
    w->gradient[j] = gradients[j];
    w->variable[j] = variables[j];
    w->worst[j] = worst[j];
  }
  for (int i = 0; i < X; i++) w->worst_gap[i] = worst_gap[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
