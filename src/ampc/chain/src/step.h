/* Implicit Runge-Kutta steps with two stages; included by kernel.h once for each size.
 *
 * Unknown are the stage accelerations a_1, a_2 alone. With Butcher matrix B, weights b and nodes c of a scheme, the
 * stages are v_i = v + h sum_j B_ij a_j and p_i = p + h c_i v + h^2 sum_j (B B)_ij a_j, and they have to satisfy
 * residual(p_i, v_i, a_i) = 0. Newton's method keeps its factorised matrix [d_ij M_i - h B_ij D_i - h^2 (BB)_ij K_i]
 * as long as it converges fast. Derivatives of the solution come from the implicit function theorem.
 */

/* Values of the dynamics at the two stages, and the factorised Newton matrix; slices of the workspace. */
typedef struct {
  double *p, *v;         /* (2, n) stage coordinates and velocities */
  double *r;             /* (2, n) residual, then Newton's correction */
  double *M, *K, *D;     /* (2, n, n) */
  double *LU;            /* (2n, 2n) */
} NAME(Stages);

/* Residuals of both stages at stage accelerations a; with `linearise` also M, K, D and the factorised matrix. */
static INLINE void NAME(evaluate)(const ChainModel *model, const Scheme *scheme, const double h, const double *p,
                                  const double *v, const double *a, const double *force, const int linearise,
                                  NAME(Stages) *at) {
  const int n = BODIES + 1, size = 2 * n;
  for (int i = 0; i < 2; i++) {
    const double rate0 = h * scheme->B[i][0], rate1 = h * scheme->B[i][1], shift = h * scheme->c[i];
    const double move0 = h * h * scheme->BB[i][0], move1 = h * h * scheme->BB[i][1];
    double *ps = at->p + i * n, *vs = at->v + i * n;
    INDEPENDENT
    for (int k = 0; k < n; k++) {
      vs[k] = v[k] + rate0 * a[k] + rate1 * a[n + k];
      ps[k] = p[k] + shift * v[k] + move0 * a[k] + move1 * a[n + k];
    }
    double *M = at->M + i * n * n, *K = at->K + i * n * n, *D = at->D + i * n * n;
    if (!linearise) {
      NAME(residual)(model, ps, vs, a + i * n, force, at->r + i * n, 0, 0, 0);
      continue;
    }
    NAME(residual)(model, ps, vs, a + i * n, force, at->r + i * n, M, K, D);
    for (int j = 0; j < 2; j++) {
      const double rate = h * scheme->B[i][j], move = h * h * scheme->BB[i][j], own = i == j ? 1.0 : 0.0;
      for (int l = 0; l < n; l++) {
        double *column = at->LU + (j * n + l) *size + i * n;
        const double *Ml = M + l * n, *Kl = K + l * n, *Dl = D + l * n;
        INDEPENDENT
        for (int k = 0; k < n; k++) column[k] = own * Ml[k] - rate * Dl[k] - move * Kl[k];
      }
    }
  }
  if (linearise) NAME(factorise)(size, at->LU);
}

/* Right-hand sides (2, n, columns) of the stages' derivatives by x and u, in kernel coordinates: K dp_i + D dv_i +
 * force, where (Sp; Sv) (2n, columns) are the derivatives of p and v; on the first substep those are the identity. */
static INLINE void NAME(right_sides)(const ChainModel *model, const Scheme *scheme, const double h, const int first,
                                     const int columns, const double *Sp, const double *Sv,
                                     const NAME(Stages) *at, double *moved, double *rhs) {
  const int n = BODIES + 1;
  for (int i = 0; i < 2; i++) {
    const double *K = at->K + i * n * n, *D = at->D + i * n * n;
    double *out = rhs + i * n * columns;
    const double shift = h * scheme->c[i];
    for (int k = 0; k < n * columns; k++) out[k] = 0.0;
    for (int j = 0; j < model->motors; j++) {
      const int joint = model->motor_joint[j], column = 2 * n + j;
      out[joint * columns + column] = 1.0;
      if (joint > 1) out[(joint - 1) *columns + column] = -1.0;
      if (joint == 1) out[column] = -model->cos_tilt;
    }
    if (first) {
      for (int k = 0; k < n; k++)
        for (int l = 0; l < n; l++) {
          out[k * columns + l] = K[l * n + k];
          out[k * columns + n + l] = D[l * n + k] + shift * K[l * n + k];
        }
    } else {
      INDEPENDENT
      for (int k = 0; k < n * columns; k++) moved[k] = Sp[k] + shift * Sv[k];
      NAME(add_product)(n, columns, K, moved, out);
      NAME(add_product)(n, columns, D, Sv, out);
    }
  }
}

static int NAME(step)(const ChainModel *model, const ChainStep *step, const double *x, const double *u,
                      double *stages, double *next, double *d_dx, double *d_du, double *work) {
  const int n = BODIES + 1, size = 2 * n, columns = 2 * n + MOTORS;
  const Scheme *scheme = &SCHEMES[step->scheme];
  const double h = step->dt / step->substeps;
  const int sensitive = d_dx && d_du;
  double p[LOCAL], v[LOCAL], force[LOCAL];
  NAME(Stages) at;
  at.LU = work;
  at.M = at.LU + size * size;
  at.K = at.M + 2 * n * n;
  at.D = at.K + 2 * n * n;
  at.p = at.D + 2 * n * n;
  at.v = at.p + size;
  at.r = at.v + size;
  double *a = at.r + size;
  double *S = a + size;              /* (2n, columns) derivatives of (p; v) so far */
  double *rhs = S + size * columns;  /* (2n, columns) */
  double *moved = rhs + size * columns; /* (n, columns) */

  NAME(to_kernel)(model, x, p, v);
  NAME(motor_force)(model, u, force);
  for (int k = 0; k < size; k++) a[k] = 0.0;
  int factorised = 0;
  for (int substep = 0; substep < step->substeps; substep++) {
    if (stages) {
      for (int k = 0; k < size; k++) a[k] = stages[substep * size + k];
    } else if (substep) { /* the line through the stages before */
      const double steps = 1.0 / (scheme->c[1] - scheme->c[0]);
      for (int k = 0; k < n; k++) {
        const double start = a[k], rise = a[n + k] - a[k];
        a[k] = start + steps * rise;
        a[n + k] = start + (1.0 + steps) *rise;
      }
    }

    double largest = 0.0, change = INFINITY;
    for (int k = 0; k < n; k++) largest = fabs(v[k]) > largest ? fabs(v[k]) : largest;
    const double tolerance = step->tolerance * (1.0 + largest);
    /* A last correction with a matrix of its own, which derivatives need anyway, squares the error. */
    const double settled = sensitive ? 1e3 * tolerance : tolerance;
    int careful = 0;
    if (sensitive && stages) factorised = 0;
    for (int iteration = 0;; iteration++) {
      const int linearise = !factorised || careful || (sensitive && change <= settled);
      const double last = change;
      if (iteration < step->max_iterations) {
        NAME(evaluate)(model, scheme, h, p, v, a, force, linearise, &at);
        NAME(solve)(size, at.LU, at.r);
        change = 0.0;
        for (int k = 0; k < size; k++) {
          a[k] += at.r[k];
          change += fabs(at.r[k]);
        }
        change *= h;
      }
      if (iteration == step->max_iterations || !(change < INFINITY)) {
        if (careful) return iteration == step->max_iterations ? CHAIN_NOT_CONVERGED : CHAIN_NOT_FINITE;
        /* Once more, from rest and with a new matrix each time. */
        careful = 1;
        iteration = -1;
        change = INFINITY;
        for (int k = 0; k < size; k++) a[k] = 0.0;
        continue;
      }
      if (change <= settled && (linearise || !sensitive)) break;
      factorised = change <= 0.2 * last;
    }

    if (sensitive) {
      double *Sp = S, *Sv = S + n * columns;
      NAME(right_sides)(model, scheme, h, substep == 0, columns, Sp, Sv, &at, moved, rhs);
      NAME(solve_many)(size, at.LU, columns, rhs);
      if (substep == 0) {
        for (int k = 0; k < size * columns; k++) S[k] = 0.0;
        for (int k = 0; k < size; k++) S[k * columns + k] = 1.0;
      }
      const double *R0 = rhs, *R1 = rhs + n * columns;
      const double move0 = h * h * scheme->bB[0], move1 = h * h * scheme->bB[1];
      const double rate0 = h * scheme->b[0], rate1 = h * scheme->b[1];
      INDEPENDENT
      for (int k = 0; k < n * columns; k++) {
        Sp[k] += h * Sv[k] + move0 * R0[k] + move1 * R1[k];
        Sv[k] += rate0 * R0[k] + rate1 * R1[k];
      }
    }
    for (int k = 0; k < n; k++) {
      p[k] += h * v[k] + h * h * (scheme->bB[0] * a[k] + scheme->bB[1] * a[n + k]);
      v[k] += h * (scheme->b[0] * a[k] + scheme->b[1] * a[n + k]);
    }
    if (stages)
      for (int k = 0; k < size; k++) stages[substep * size + k] = a[k];
  }

  NAME(to_joints)(model, p, v, next);
  double sum = 0.0;
  for (int k = 0; k < size; k++) sum += next[k] - next[k];
  if (sum != 0.0) return CHAIN_NOT_FINITE;
  if (sensitive) {
    NAME(rows_to_joints)(model, columns, S);
    NAME(rows_to_joints)(model, columns, S + n * columns);
    NAME(columns_to_joints)(model, size, columns, 0, S);
    NAME(columns_to_joints)(model, size, columns, n, S);
    for (int k = 0; k < size; k++) {
      for (int l = 0; l < size; l++) d_dx[k * size + l] = S[k * columns + l];
      for (int j = 0; j < MOTORS; j++) d_du[k * MOTORS + j] = S[k * columns + size + j];
    }
  }
  return CHAIN_OK;
}
