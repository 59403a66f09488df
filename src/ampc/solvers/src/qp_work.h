/* The solver's slices of the caller's workspace; included by qp.c. */

typedef struct {
  double sign;                         /* 1: lower limits, -1: upper ones */
  int position, unused;                /* of the first of the four among the stage's limits */
  double on[4], soft[4], equal[4];     /* 1 or 0: inequality; soft one; equality */
  double bound[4], l1[4], l2[4];       /* b; penalties, 0 where there are none */
  double least[4], soften[4];          /* least t to start with; delta of the proximal method */
  double t[4], lambda[4], s[4], nu[4]; /* values that are 0 by definition are kept at 1 if divided by */
  double rp[4], rd[4];
  double by_scale[4];                  /* 1 / what products of t and lambda are relative to */
  double by_s[4], d[4], by_e[4];       /* 1 / s; 1 / (l2 + nu / s); 1 / (t + lambda (d + delta)) */
  double q[4], kappa[4];
  double dt[4], dlambda[4], ds[4], dnu[4];
} Side;

/* Sizes in brackets as in qp.h, with X = QP_PAD(n) and U = QP_PAD(m). */
typedef struct {
  const QPProblem *problem;
  int N, X, U, W, B, R, L;
  double *z, *costate;               /* (N + 1, W), (N + 1, X) the iterate, in the caller's arrays */
  double *P, *K, *by_pivot;          /* (N + 1, X, X), (N, U, W), (N, U) the factorisation */
  double *h, *dz, *stationarity;     /* (N + 1, W) right-hand sides, direction, residual */
  double *dcostate, *gap;            /* (N + 1, X) direction, residual */
  double *weight, *pull, *change;    /* (N + 1, L) of the recursion; changes of the limited quantities */
  double *value, *net;               /* (N + 1, L) limited quantities; multipliers of lower less upper limits */
  double *gradient, *variable;       /* (W) largest terms of stationarity, largest |z| over the stages */
  double *quantity;                  /* (L) largest limited quantities over the stages */
  double *worst, *worst_gap;         /* (W), (X) largest residuals over the stages */
  double *force;                     /* (L) size of the gradients that a limit's multiplier balances */
  double *curvature;                 /* (2) typical of the problem; 1 after qp_factorise */
  double *scratch;                   /* of the factorisation */
  Side *sides;                       /* those that exist, stage by stage */
  int *first;                        /* (N + 2) index of each stage's first */
  long doubles;                      /* size of it all */
} Work;

/* All sides of a stage, and where its part of an array of limits begins. */
#define EACH_SIDE(w, k, side) for (Side *side = (w)->sides + (w)->first[k]; side < (w)->sides + (w)->first[k + 1]; side++)
#define AT(w, array, k) ((w)->array + (size_t)(k) * (w)->L)

static INLINE double larger(const double a, const double b) { return a > b ? a : b; }
static INLINE double smaller(const double a, const double b) { return a < b ? a : b; }

/* Keep the largest magnitudes. */
static INLINE void absorb(const int width, const double *values, double *most) {
  INDEPENDENT
  for (int j = 0; j < width; j++) most[j] = larger(fabs(values[j]), most[j]);
}

static double largest(const int count, const double *values) {
  double most = 0.0;
  for (int i = 0; i < count; i++) most = larger(values[i], most);
  return most;
}

static double largest_magnitude(const size_t count, const double *values) {
  double most = 0.0;
  for (size_t i = 0; i < count; i++) most = larger(fabs(values[i]), most);
  return most;
}

static INLINE int rows_at(const QPProblem *problem, const int k) {
  return problem->rows_at ? problem->rows_at[k] : problem->size.rows;
}

static double *slice(double **rest, const size_t size) {
  double *start = *rest;
  *rest += (size + 7) / 8 * 8;
  return start;
}

/* Divide the workspace up; with `work` NULL only for its size. */
static Work divide(const QPProblem *problem, const QPSize *size, double *work) {
  Work w;
  w.problem = problem;
  w.N = size->horizon;
  w.X = QP_PAD(size->states);
  w.U = QP_PAD(size->inputs);
  w.W = w.U + w.X;
  w.B = QP_PAD(size->bounds);
  w.R = QP_PAD(size->rows);
  w.L = w.U + w.B + w.R;
  const size_t stages = (size_t)w.N + 1, X = (size_t)w.X, W = (size_t)w.W, U = (size_t)w.U, L = (size_t)w.L;
  /* Cache lines, and half a vector register's worth for the sides' integers, are what slices are aligned to. */
  double *rest = (double *)(((uintptr_t)work + 63) / 64 * 64), *begin = rest;
  w.P = slice(&rest, stages * X * X);
  w.K = slice(&rest, stages * U * W);
  w.by_pivot = slice(&rest, stages * U);
  w.h = slice(&rest, stages * W);
  w.dz = slice(&rest, stages * W);
  w.stationarity = slice(&rest, stages * W);
  w.dcostate = slice(&rest, stages * X);
  w.gap = slice(&rest, stages * X);
  w.weight = slice(&rest, stages * L);
  w.pull = slice(&rest, stages * L);
  w.change = slice(&rest, stages * L);
  w.value = slice(&rest, stages * L);
  w.net = slice(&rest, stages * L);
  w.gradient = slice(&rest, W);
  w.variable = slice(&rest, W);
  w.quantity = slice(&rest, L);
  w.worst = slice(&rest, W);
  w.worst_gap = slice(&rest, X);
  w.force = slice(&rest, L);
  w.curvature = slice(&rest, 2);
  w.scratch = slice(&rest, X * W + 2 * ((size_t)w.R + U) * W);
  w.sides = (Side *)slice(&rest, stages * (L / 2) * (sizeof(Side) / sizeof(double)));
  w.first = (int *)slice(&rest, stages + 1);
  w.doubles = (long)(rest - begin) + 8;
  return w;
}
