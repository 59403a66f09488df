#include "qp.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline)) /* sizes have to become constants */
#define NOT_INLINE __attribute__((noinline))
#else
#define INLINE inline
#define NOT_INLINE
#endif
#define PROXIMAL 1e-10    /* of the proximal method, relative to the largest curvature; primal where there is none, dual */
#define COMPARABLE 1e-8   /* least scale of a residual's entry beside that of the largest */
#define ROUNDING 1e-16    /* residuals this small beside curvature times limits are taken for 0 */
#define SINGULAR 1e-14    /* pivots this small beside the curvature are replaced */
#define STIFF 1e4         /* weight of limits that are met, in derivatives, relative to the curvature */
#define NEAR 0.02         /* distance that hard limits are kept at first, relative to their range */
#define PATIENCE 15       /* iterations with the corrector in full, and again with less of it */
#define DEEPEST 1e-9      /* least complementarity to aim at, relative to the tolerance */
#define SHORT 0.1         /* steps for which the corrector is left out */
#define CENTRING 0.3      /* complementarity aimed at then, relative to that at hand */
#define COLD 0.1          /* complementarity of cold starts, relative to what the tolerance is relative to */
#define STUCK 3           /* short steps after which the iterate is centred again */
#define RECENTRE 1000.0   /* and how much farther from the limits */
#define AGAIN 2           /* how often at most, lest limits that contradict each other go unnoticed */
#define BOUNDARY 0.995    /* part of the longest step that is gone */

/* The iterations of the loop that follows do not depend on each other. */
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

#define SMALLEST 1e-150 /* keeps divisions by what may be zero finite */

#include "qp_work.h"

#include "qp_limits.h"

typedef struct {
  int states; /* 0: any */
  int (*down)(const Work *, const Sweep *);
  void (*up)(const Work *, Sweep *);
  void (*measure)(const Work *);
  double (*residuals)(const Work *);
} Kernel;

#include "qp_tiles.h"

#include "qp_kernels.h"

static const Kernel *kernel_of(const QPSize *size) {
  const Kernel *kernel = KERNELS;
  while (kernel->states && !(kernel->states == size->states && size->inputs == 3)) kernel++;
  return kernel;
}

static int well_sized(const QPSize *size) {
  return size->horizon >= 1 && size->horizon <= QP_MAX_HORIZON && size->states >= 1 &&
         size->states <= QP_MAX_STATES && size->inputs >= 1 && size->inputs <= QP_MAX_INPUTS && size->bounds >= 0 &&
         size->rows >= 0 && size->bounds <= QP_MAX_LIMITS && size->rows <= QP_MAX_LIMITS;
}

static int well_posed(const QPProblem *problem, const QPSettings *settings) {
  const QPSize *size = &problem->size;
  if (!well_sized(size)) return 0;
  if (settings->max_iterations < 0 || settings->warm < 0 || settings->warm > 2) return 0;
  if (!(settings->tolerance > 0.0) || !(settings->barrier >= 0.0) || !(settings->negligible >= 0.0)) return 0;
  for (int i = 0; i < size->bounds; i++)
    if (problem->bounded[i] < 0 || problem->bounded[i] >= size->states) return 0;
  for (int k = 0; problem->rows_at && k <= size->horizon; k++)
    if (problem->rows_at[k] < 0 || problem->rows_at[k] > size->rows) return 0;
  return 1;
}

/* Whether limit i of stage k exists, its infinity aside. */
static int exists(const Work *w, const int k, const int i) {
  const QPSize *size = &w->problem->size;
  if (i < w->U) return i < size->inputs && k < w->N;
  if (i < w->U + w->B) return i - w->U < size->bounds && k > 0;
  return i - w->U - w->B < rows_at(w->problem, k);
}

/* Largest entry of the row of limit i; 1 for an empty one. */
static double row_size(const Work *w, const int k, const int i) {
  if (i < w->U + w->B) return 1.0;
  const double *row = w->problem->matrix + ((size_t)k * w->R + (i - w->U - w->B)) * w->W;
  double sizes[4] = {0.0};
  for (int j = 0; j < w->W; j += 4)
    for (int v = 0; v < 4; v++) sizes[v] = larger(fabs(row[j + v]), sizes[v]);
  const double size = largest(4, sizes);
  return size > SMALLEST ? size : 1.0;
}

/* Set lane i of a side to limit `at` of the problem, b below or -b above; returns a QPStatus. */
static int set_side(const Work *w, Side *side, const int i, const size_t at, const double row, const double extent) {
  const QPProblem *problem = w->problem;
  const double low = problem->lower[at], high = problem->upper[at], range = high - low;
  const double b = side->sign < 0.0 ? -high : low, l1 = problem->l1[at], l2 = problem->l2[at];
  const int hard = l1 == INFINITY;
  if (!(low < INFINITY) || !(high > -INFINITY) || !(l1 >= 0.0)) return QP_BAD_ARGUMENT;
  if (!hard && !(l2 >= 0.0 && l2 < INFINITY)) return QP_BAD_ARGUMENT;
  if (hard && low > high) return QP_INFEASIBLE;
  /* An equality is one side; without penalties there is none. */
  if (hard ? side->sign < 0.0 && range == 0.0 : l1 == 0.0 && l2 == 0.0) return QP_OK;
  side->bound[i] = b;
  side->equal[i] = hard && range == 0.0;
  side->on[i] = 1.0 - side->equal[i];
  side->soften[i] = PROXIMAL * row * row / w->curvature[0];
  side->least[i] = NEAR * (range < INFINITY ? range : fabs(b) + row * extent);
  if (!hard) {
    side->soft[i] = 1.0;
    side->l1[i] = l1;
    side->l2[i] = l2;
  }
  return QP_OK;
}

/* Collect the sides that exist. */
static int gather(const Work *w) {
  const QPProblem *problem = w->problem;
  const double extent = largest_magnitude((size_t)problem->size.states, problem->x0);
  Side *side = w->sides;
  for (int k = 0; k <= w->N; k++) {
    w->first[k] = (int)(side - w->sides);
    for (int position = 0; position < w->L; position += 4) {
      const size_t start = (size_t)k * w->L + position;
      double rows[4] = {1.0, 1.0, 1.0, 1.0};
      int exist[4];
      for (int i = 0; i < 4; i++) {
        exist[i] = exists(w, k, position + i);
        if (exist[i]) rows[i] = row_size(w, k, position + i);
      }
      for (int upper = 0; upper < 2; upper++) {
        const double *edge = (upper ? problem->upper : problem->lower) + start, none = upper ? INFINITY : -INFINITY;
        double any = 0.0;
        side->sign = upper ? -1.0 : 1.0;
        side->position = position;
        for (int i = 0; i < 4; i++) {
          side->on[i] = side->soft[i] = side->equal[i] = side->bound[i] = side->l1[i] = side->l2[i] = 0.0;
          side->least[i] = side->soften[i] = 1.0;
          if (!exist[i] || edge[i] == none) continue;
          const int status = set_side(w, side, i, start + i, rows[i], extent);
          if (status != QP_OK) return status;
          any += side->on[i] + side->equal[i];
        }
        if (any > 0.0) side++;
      }
    }
  }
  w->first[w->N + 1] = (int)(side - w->sides);
  return QP_OK;
}

static void zero(double *values, const size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = 0.0;
}

/* Sizes of the terms in each entry of the residuals, and not much less than the largest ones nor less than what matters
 * beside the limits; returns the last two. */
static double scale_residuals(const Work *w, const double negligible, const double tolerance) {
  double gradient = larger(largest(w->W, w->gradient), negligible), variable = largest(w->W, w->variable), limit = variable;
  for (const Side *side = w->sides; side < w->sides + w->first[w->N + 1]; side++)
    for (int i = 0; i < 4; i++) limit = larger(fabs(side->bound[i]), limit);
  const double least = larger(COMPARABLE * gradient, larger(negligible, ROUNDING / tolerance * w->curvature[0] * limit));
  for (int j = 0; j < w->W; j++) {
    w->gradient[j] = larger(w->gradient[j], least) + SMALLEST;
    w->variable[j] = larger(w->variable[j], COMPARABLE * variable) + SMALLEST;
  }
  return least + SMALLEST;
}

#include "qp_certificates.h"

/* All residuals at the iterate, from the data, relative. Returns 0, or NaN if something is not finite. */
static double evaluate(const Work *w, const Kernel *kernel, const QPSettings *settings, QPResult *result,
                       double *least_scale) {
  const QPSize *size = &w->problem->size;
  zero(w->net, (size_t)(w->N + 1) * w->L);
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side) {
      double *net = AT(w, net, k) + side->position;
      for (int i = 0; i < 4; i++) net[i] += side->sign * side->lambda[i];
    }
  const double finite = kernel->residuals(w);
  const double least = scale_residuals(w, settings->negligible, settings->tolerance);

  double cost = SMALLEST;
  for (int j = 0; j < w->W; j++) cost = larger(w->gradient[j] * w->variable[j], cost);
  for (int i = 0; i < w->L; i++) w->quantity[i] = w->force[i] = SMALLEST;
  for (int k = 0; k <= w->N; k++) absorb(w->L, AT(w, value, k), w->quantity);
  for (int i = 0; i < size->inputs; i++) w->force[i] = w->gradient[i];
  for (int i = 0; i < size->bounds; i++) w->force[w->U + i] = w->gradient[w->U + w->problem->bounded[i]];
  for (int i = w->U + w->B; i < w->L; i++) w->force[i] = least;
  Violations worst = {{0.0}, {0.0}, {0.0}, {0.0}};
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side) {
      const int i = side->position, row = i >= w->U + w->B;
      side_residuals(side, AT(w, value, k) + i, w->quantity + i, w->force + i, row ? cost : SMALLEST, &worst);
    }
  result->stationarity = largest(4, worst.dual);
  for (int j = 0; j < w->W; j++) result->stationarity = larger(w->worst[j] / w->gradient[j], result->stationarity);
  result->dynamics = 0.0;
  for (int i = 0; i < w->X; i++) result->dynamics = larger(w->worst_gap[i] / w->variable[w->U + i], result->dynamics);
  result->limits = largest(4, worst.limits);
  result->complementarity = largest(4, worst.products);
  *least_scale = 1.0 / larger(largest(4, worst.by_scale), SMALLEST);
  return finite;
}

static int within(const QPResult *result, const double tolerance) {
  return result->stationarity <= tolerance && result->dynamics <= tolerance && result->limits <= tolerance &&
         result->complementarity <= tolerance;
}

static double total(const double *lanes) { return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]); }

static void add(const size_t count, const double step, const double *change, double *values) {
  for (size_t i = 0; i < count; i++) values[i] += step * change[i];
}

static void move(const Work *w, const double step) {
  const size_t stages = (size_t)w->N + 1;
  add(stages * w->W, step, w->dz, w->z);
  add(stages * w->X, step, w->dcostate, w->costate);
}

/* Go to the point that a cold start begins at: least squares of all distances to the limits beside the cost. Inequalities
 * get room for the largest violation there. Returns the complementarity to start with. */
static double approach(const Work *w, const Kernel *kernel, const QPSettings *settings) {
  QPResult ignored;
  double farthest = 0.0, scale;
  evaluate(w, kernel, settings, &ignored, &scale);
  zero(w->weight, (size_t)(w->N + 1) * w->L);
  zero(w->pull, (size_t)(w->N + 1) * w->L);
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side)
      for (int i = 0; i < 4; i++) {
        const int at = side->position + i;
        if (side->on[i] + side->equal[i] == 0.0) continue;
        const double row = row_size(w, k, at), weight = w->curvature[0] / (row * row);
        AT(w, weight, k)[at] += weight;
        AT(w, pull, k)[at] -= weight * (AT(w, value, k)[at] - side->sign * side->bound[i]);
      }
  Sweep sweep = {.remaining = 1.0, .gaps = 1, .costates = 1, .factorise = 1};
  kernel->down(w, &sweep);
  kernel->up(w, &sweep);
  move(w, 1.0);
  evaluate(w, kernel, settings, &ignored, &scale);
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k <= w->N; k++)
      EACH_SIDE(w, k, side)
        for (int i = 0; i < 4; i++) {
          if (side->on[i] == 0.0) continue;
          const double row = row_size(w, k, side->position + i);
          const double below = side->bound[i] - side->sign * AT(w, value, k)[side->position + i];
          if (pass) side->least[i] = larger(row * farthest, side->least[i]);
          else farthest = larger(below / row, farthest);
        }
  const double room = larger(farthest, NEAR * largest(w->W, w->variable));
  return larger(w->curvature[0] * room * room, COLD * scale);
}

/* Largest magnitude of the finite ones among `count` limits. */
static double edge_of(const QPProblem *problem, const size_t start, const int count) {
  double edge = 0.0;
  for (size_t i = start; i < start + (size_t)count; i++) {
    const double low = fabs(problem->lower[i]), high = fabs(problem->upper[i]);
    edge = larger(low < INFINITY ? low : 0.0, larger(high < INFINITY ? high : 0.0, edge));
  }
  return edge;
}

/* Curvature that is typical of the problem, for what has no scale of its own: of the cost or, where it is nearly linear,
 * that which would turn its gradient around within the limits. */
static double curvature_of(const Work *w) {
  const QPProblem *problem = w->problem;
  double curvature = 0.0, gradient = 0.0, limit = 0.0;
  for (int k = 0; k <= w->N; k++) {
    const double *H = problem->hessian + (size_t)k * w->W * w->W, *g = problem->gradient + (size_t)k * w->W;
    for (int j = k < w->N ? 0 : w->U; j < w->W; j++) {
      curvature = larger(fabs(H[j * (w->W + 1)]), curvature);
      gradient = larger(fabs(g[j]), gradient);
    }
    const size_t inputs = (size_t)k * w->L, states = inputs + w->U;
    if (k < w->N) limit = larger(edge_of(problem, inputs, problem->size.inputs), limit);
    if (k > 0) limit = larger(edge_of(problem, states, problem->size.bounds), limit);
  }
  if (limit > 0.0) curvature = larger(gradient / limit, curvature);
  return curvature > 0.0 && curvature < INFINITY ? curvature : 1.0;
}

/* What a warm start aims at: the mean of its products of multipliers and distances, and of the cost. */
static double warm_barrier(const Work *w, const double pairs) {
  double products = 0.0, cost = 0.0;
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side)
      for (int i = 0; i < 4; i++) {
        const double v = side->sign * AT(w, value, k)[side->position + i] - side->bound[i];
        const double price = side->l1[i] - side->l2[i] * v;
        const double balance = v < 0.0 && side->soft[i] != 0.0 ? price - side->lambda[i] : side->lambda[i];
        products += side->on[i] * fabs(v * balance);
      }
  for (size_t i = 0; i < (size_t)(w->N + 1) * w->W; i++) cost += fabs(w->z[i] * w->problem->gradient[i]);
  return (products + NEAR * cost) / pairs;
}

/* Put the sides on the central path; returns the sum of their products. */
static double centre(const Work *w, const double barrier) {
  double sum = 0.0;
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side) {
      side_centre(side, AT(w, value, k) + side->position, barrier);
      for (int i = 0; i < 4; i++)
        sum += side->on[i] * side->t[i] * side->lambda[i] + side->soft[i] * side->s[i] * side->nu[i];
    }
  return sum;
}

/* First iterate: z, costate, sides; returns the sum of their products. */
static double start(const Work *w, const Kernel *kernel, const QPSettings *settings, const QPSolution *guess,
                    const double pairs) {
  const size_t stages = (size_t)w->N + 1;
  const QPSize *size = &w->problem->size;
  if (settings->warm == 0) {
    zero(w->z, stages * w->W);
    zero(w->costate, stages * w->X);
  }
  for (int i = 0; i < size->states; i++) w->z[w->U + i] = w->problem->x0[i];
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side) {
      const double *given = guess->multiplier + (size_t)k * 2 * w->L + side->position;
      for (int i = 0; i < 4; i++) {
        const double lower = given[i], upper = given[w->L + i];
        side->lambda[i] = 0.0;
        if (settings->warm == 2 && side->on[i] != 0.0) side->lambda[i] = larger(side->sign > 0.0 ? lower : upper, 0.0);
        if (settings->warm == 2 && side->equal[i] != 0.0) side->lambda[i] = lower - upper;
        side->t[i] = side->s[i] = side->nu[i] = 1.0;
      }
    }
  double barrier = settings->barrier;
  if (settings->warm == 0) {
    const double large = approach(w, kernel, settings);
    if (barrier == 0.0) barrier = large;
  } else {
    kernel->measure(w);
    if (barrier == 0.0) barrier = warm_barrier(w, larger(pairs, 1.0));
  }
  barrier += SMALLEST;
  return centre(w, barrier);
}

/* Direction of the whole iterate, to where `sweep` says. */
static Reach direct(const Work *w, const Kernel *kernel, Sweep sweep) {
  kernel->down(w, &sweep);
  kernel->up(w, &sweep);
  return sweep.reach;
}

static void report(const Work *w, QPSolution *solution) {
  const size_t stages = (size_t)w->N + 1;
  zero(solution->multiplier, stages * 2 * w->L);
  zero(solution->slack, stages * 2 * w->L);
  for (int k = 0; k <= w->N; k++)
    EACH_SIDE(w, k, side)
      for (int i = 0; i < 4; i++) {
        const size_t stage = (size_t)k * 2 * w->L, position = (size_t)side->position + i;
        const double lambda = side->lambda[i], distance = side->sign * AT(w, value, k)[position] - side->bound[i];
        const int upper = side->equal[i] != 0.0 ? lambda < 0.0 : side->sign < 0.0;
        solution->multiplier[stage + (upper ? w->L : 0) + position] += fabs(lambda);
        if (side->soft[i] != 0.0) solution->slack[stage + (upper ? w->L : 0) + position] = larger(-distance, 0.0);
      }
}

static int iterate(const Work *w, const Kernel *kernel, const QPSettings *settings, QPSolution *solution,
                   QPResult *result) {
  const double tolerance = settings->tolerance;
  const Side *end = w->sides + w->first[w->N + 1];
  double pairs = 0.0, remaining = 1.0, least_scale;
  for (const Side *side = w->sides; side < end; side++)
    for (int i = 0; i < 4; i++) pairs += side->on[i] + side->soft[i];
  double sum = start(w, kernel, settings, solution, pairs);
  int stuck = 0, again = 0;
  double depth = 0.1; /* complementarity to aim at, relative to the tolerance */
  for (int careful = 0;; careful = 1, depth = larger(0.1 * depth, DEEPEST)) {
    const double finite = evaluate(w, kernel, settings, result, &least_scale);
    if (finite != 0.0 || !(sum < INFINITY)) return result->iterations ? QP_NUMERICAL : QP_NOT_FINITE;
    if (within(result, tolerance)) return QP_OK;
    if (result->iterations == settings->max_iterations) return QP_MAX_ITERATIONS;
    remaining = 1.0;
    for (;;) {
      const double mu = pairs > 0.0 ? sum / pairs : 0.0, floor = depth * tolerance * least_scale;
      Sweep sweep = {.remaining = remaining, .limits = 1, .factorise = 1};
      sweep.gaps = remaining * result->dynamics > 1e-3 * tolerance;
      Reach reach = direct(w, kernel, sweep);
      const double affine = 1.0 / larger(largest(4, reach.limit), 1.0);
      const double left = 1.0 + affine * (total(reach.linear) + affine * total(reach.square)) / (sum + SMALLEST);
      sweep.target = larger(larger(left * left * left, 1e-6) * mu, floor < mu ? floor : mu);
      sweep.factorise = 0;
      sweep.costates = 1;
      /* The corrector's products are those of a full step; where they mislead, it counts less or not at all. */
      if (result->iterations < PATIENCE) sweep.second = 1.0;
      else if (result->iterations < 2 * PATIENCE) sweep.second = affine * affine;
      else sweep.target = larger(CENTRING * mu, sweep.target);
      reach = direct(w, kernel, sweep);
      if (sweep.second > 0.0 && largest(4, reach.limit) > 1.0 / SHORT) {
        sweep.target = larger(CENTRING * mu, sweep.target);
        sweep.second = 0.0;
        reach = direct(w, kernel, sweep);
      }
      const double limit = largest(4, reach.limit), step = limit > BOUNDARY ? BOUNDARY / limit : 1.0;
      double sums[4] = {0.0}, worst[4] = {0.0};
      move(w, step);
      /* From the end, where the next sweep begins. */
      for (Side *side = w->sides + w->first[w->N + 1]; side-- > w->sides;) side_step(side, step, sums, worst);
      sum = total(sums);
      remaining *= 1.0 - step;
      result->iterations++;
      stuck = step < SHORT ? stuck + 1 : 0;
      if (stuck == STUCK && again < AGAIN) {
        /* The multipliers are too small for what is left of the residuals. */
        kernel->measure(w);
        sum = centre(w, RECENTRE * sum / pairs);
        stuck = 0;
        again++;
        break;
      }
      if (careful || result->iterations == settings->max_iterations || !(sum < INFINITY)) break;
      if (largest(4, worst) <= tolerance && remaining * larger(result->stationarity, result->dynamics) <= tolerance)
        break;
    }
  }
}

int qp_solve(const QPProblem *problem, const QPSettings *settings, QPSolution *solution, QPResult *result,
             double *work) {
  result->iterations = 0;
  result->stationarity = result->dynamics = result->limits = result->complementarity = INFINITY;
  result->status = QP_BAD_ARGUMENT;
  if (!well_posed(problem, settings)) return result->status;
  Work w = divide(problem, &problem->size, work);
  w.z = solution->z;
  w.costate = solution->costate;
  const Kernel *kernel = kernel_of(&problem->size);
  w.curvature[0] = curvature_of(&w);
  w.curvature[1] = 0.0;
  zero(w.dz, ((size_t)w.N + 1) * w.W);
  result->status = gather(&w);
  if (result->status != QP_OK) return result->status;
  result->status = iterate(&w, kernel, settings, solution, result);
  if (settings->warm && result->status == QP_NOT_FINITE) {
    /* It may have been the guess. */
    QPSettings cold = *settings;
    cold.warm = 0;
    result->status = iterate(&w, kernel, &cold, solution, result);
  }
  if (result->status == QP_MAX_ITERATIONS || result->status == QP_NUMERICAL) {
    if (contradictory(&w)) result->status = QP_INFEASIBLE;
    else if (unbounded(&w)) result->status = QP_UNBOUNDED;
  }
  report(&w, solution);
  return result->status;
}

int qp_version(void) { return QP_VERSION; }

long qp_workspace_size(const QPSize *size) { return well_sized(size) ? divide(NULL, size, NULL).doubles : -1; }

int qp_factorise(const QPProblem *problem, double *work) {
  const Work w = divide(problem, &problem->size, work);
  zero(w.weight, (size_t)(w.N + 1) * w.L);
  zero(w.net, (size_t)(w.N + 1) * w.L);
  for (int k = 0; k <= w.N; k++)
    EACH_SIDE(&w, k, side) side_sharp_weights(side, AT(&w, weight, k) + side->position, AT(&w, net, k) + side->position);
  w.curvature[1] = 1.0;
  const Sweep sweep = {.factorise = 1};
  return kernel_of(&problem->size)->down(&w, &sweep) ? QP_NUMERICAL : QP_OK;
}

/* Direction of the solution for residuals in `stationarity` and `gap`. */
static void respond(const Work *w, const int gaps) {
  const Kernel *kernel = kernel_of(&w->problem->size);
  const size_t stages = (size_t)w->N + 1;
  const int passes = w->curvature[1] != 0.0 ? 8 : 1;
  Sweep sweep = {.remaining = 1.0, .gaps = gaps, .costates = 1};
  zero(w->pull, stages * w->L);
  zero(w->dz, stages * w->W);
  for (int pass = 0; pass < passes; pass++) {
    kernel->down(w, &sweep);
    kernel->up(w, &sweep);
    if (passes == 1) break;
    /* Method of multipliers for the limits that stay met. */
    double off = 0.0, most = 0.0;
    for (size_t i = 0; i < stages * w->L; i++) {
      if (w->net[i] == 0.0) continue;
      w->pull[i] -= w->net[i] * w->change[i];
      off = larger(fabs(w->change[i]), off);
    }
    for (size_t i = 0; i < stages * w->W; i++) most = larger(fabs(w->dz[i]), most);
    if (off <= 1e-12 * most) break;
  }
}

void qp_perturb(const QPProblem *problem, const double *d_x0, const double *d_offset, const double *d_gradient,
                double *d_z, double *d_costate, double *work) {
  const Work w = divide(problem, &problem->size, work);
  const size_t stages = (size_t)w.N + 1, X = (size_t)w.X, W = (size_t)w.W;
  zero(w.gap, stages * X);
  for (int i = 0; d_x0 && i < problem->size.states; i++) w.gap[i] = d_x0[i];
  for (size_t i = 0; d_offset && i < w.N * X; i++) w.gap[X + i] = d_offset[i];
  for (size_t i = 0; i < stages * W; i++) w.stationarity[i] = d_gradient ? d_gradient[i] : 0.0;
  respond(&w, d_x0 || d_offset);
  for (size_t i = 0; i < stages * W; i++) d_z[i] = w.dz[i];
  for (size_t i = 0; d_costate && i < stages * X; i++) d_costate[i] = w.dcostate[i];
}

void qp_first_gain(const QPProblem *problem, double *gain, double *work) {
  const Work w = divide(problem, &problem->size, work);
  const int n = problem->size.states, m = problem->size.inputs;
  for (int a = 0; a < m; a++) {
    zero(w.stationarity, ((size_t)w.N + 1) * w.W);
    w.stationarity[a] = 1.0;
    respond(&w, 0);
    for (int i = 0; i < n; i++) gain[a * n + i] = w.dcostate[i];
  }
}
