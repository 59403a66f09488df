/* Quadratic programs of optimal control, by an interior-point method with a Riccati factorisation.
 *
 *   minimise    sum_{k=0..N} 1/2 z_k' H_k z_k + g_k' z_k + penalties of soft limits,   z_k = [u_k, x_k]
 *   subject to  x_0 given,   x_{k+1} = A_k x_k + B_k u_k + c_k,
 *               lower <= limited quantities of stage k <= upper.
 *
 * There is no u_N. Limited are, in this order: the inputs, the state variables listed in `bounded`, and rows
 * C_k z_k. Each limit is hard (l1 = INFINITY) or soft: then its violation v >= 0 costs l1 v + 1/2 l2 v^2, separately
 * below and above. Infinite limits do not exist and cost nothing (in groups of four); lower = upper is an equality.
 * States are limited from stage 1 on; `H_k` must be positive semidefinite.
 *
 * Layout. Matrices are row-major. Vectors are padded to multiples of four:
 *
 *   z, width W = QP_PAD(m) + QP_PAD(n):        u_i at i, x_i at QP_PAD(m) + i
 *   limits, QP_PAD(m) + QP_PAD(bounds) + QP_PAD(rows) = L:
 *                                              input i at i, state bound i at QP_PAD(m) + i, row i at
 *                                              QP_PAD(m) + QP_PAD(bounds) + i
 *
 * Padding has to be zero (that of limits is not read). All memory is the caller's; nothing is allocated.
 *
 * docs/decisions/structured_qp.md has the method.
 */
#ifndef AMPC_QP_H
#define AMPC_QP_H

#include "../../chain/src/chain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a structure or a signature below does. */
#define QP_VERSION 3

#define QP_PAD(n) (((n) + 3) / 4 * 4)

/* Largest numbers of stages, states, inputs, and limits of a stage; some of them bound the stack that is used. */
#define QP_MAX_HORIZON 100000
#define QP_MAX_STATES 260
#define QP_MAX_INPUTS 128
#define QP_MAX_LIMITS 1024

enum QPStatus {
  QP_OK = 0,             /* all residuals, of the problem as given, are within the tolerance */
  QP_MAX_ITERATIONS = 1, /* they are not, after max_iterations */
  QP_NOT_FINITE = 2,     /* data, or what became of them, are NaN or too large */
  QP_BAD_ARGUMENT = 3,   /* sizes or settings out of range, crossed limits, negative penalties */
  QP_NUMERICAL = 4,      /* no progress is possible any more, or a Hessian is indefinite */
  QP_INFEASIBLE = 5,     /* the hard limits contradict each other: a certificate was found */
  QP_UNBOUNDED = 6       /* the cost falls without end: a direction was found */
};

typedef struct {
  int horizon; /* N >= 1 */
  int states;  /* n >= 1 */
  int inputs;  /* m >= 1 */
  int bounds;  /* number of state variables with limits */
  int rows;    /* largest number of rows at a stage */
  int unused;
} QPSize;

/* Data. Those of stage k start k times their size (in brackets, after the stages) behind the pointer. */
typedef struct {
  QPSize size;
  const int *bounded;     /* (bounds) which state variables have limits, 0 .. n - 1 */
  const int *rows_at;     /* (N + 1) number of rows of each stage <= rows; NULL: all */
  const double *x0;       /* (n) */
  const double *dynamics; /* (N, n, W) rows [B_k, A_k] */
  const double *offset;   /* (N, QP_PAD(n)) c_k */
  const double *hessian;  /* (N + 1, W, W) symmetric; only states at stage N */
  const double *gradient; /* (N + 1, W) */
  const double *matrix;   /* (N + 1, QP_PAD(rows), W) rows C_k */
  const double *lower;    /* (N + 1, L) -INFINITY: none */
  const double *upper;    /* (N + 1, L) INFINITY: none */
  const double *l1;       /* (N + 1, L) INFINITY: hard */
  const double *l2;       /* (N + 1, L) */
} QPProblem;

/* Iterate: the first guess on entry if `warm` (one that is not finite is not used), the last iterate on return, whatever
 * the status, and then perhaps not finite. */
typedef struct {
  double *z;          /* (N + 1, W) */
  double *costate;    /* (N + 1, QP_PAD(n)) of the equations for x_k: derivative of the cost by c_{k-1}, x0 */
  double *multiplier; /* (N + 1, 2, L) of lower and of upper limits, >= 0 */
  double *slack;      /* (N + 1, 2, L) violation of soft limits, >= 0; not read */
} QPSolution;

typedef struct {
  int max_iterations;
  int warm;         /* 0: start from zero; 1: from z and costate; 2: and from the multipliers */
  double tolerance; /* of all residuals, relative to the largest terms that cancel in them */
  double negligible; /* least size of the gradients that stationarity and complementarity are relative to; may be 0 */
  double barrier;   /* complementarity that a start aims at, in units of the cost; 0: chosen by the solver */
} QPSettings;

typedef struct {
  int status; /* QPStatus */
  int iterations;
  /* Largest residuals of the returned iterate, each divided by the scale that the tolerance refers to. */
  double stationarity;    /* gradient of the Lagrangian */
  double dynamics;        /* equations, x_0 included */
  double limits;          /* violation beyond the slack */
  double complementarity; /* multipliers against distances */
} QPResult;

CHAIN_API int qp_version(void);

/* Number of doubles that `work` has to hold; negative if a size is out of range. */
CHAIN_API long qp_workspace_size(const QPSize *size);

/* Solve. `work` needs no preparation and carries nothing from call to call, except to qp_perturb. Padding of `z`,
 * `costate` and of the multipliers is written as zero. Returns result->status. */
CHAIN_API int qp_solve(const QPProblem *problem, const QPSettings *settings, QPSolution *solution, QPResult *result,
                       double *work);

/* Factorise at the solution that qp_solve just left in `work`, for qp_perturb and qp_first_gain; QP_OK or QP_NUMERICAL.
 * Limits that are met with a multiplier are then met for good. The problem's Hessian may be another one than was solved
 * for. Without this call the two use the last factorisation of qp_solve, one iterate before the solution: cheaper, and
 * approximate. */
CHAIN_API int qp_factorise(const QPProblem *problem, double *work);

/* Derivative of the solution in a direction of the data, by the implicit function theorem: if x0 changes by d_x0 (n),
 * c by d_offset (N, QP_PAD(n)) and g by d_gradient (N + 1, W) - each may be NULL: no change - then z changes by
 * d_z (N + 1, W) and the costate by d_costate (N + 1, QP_PAD(n), may be NULL).
 * The system is symmetric: with d_gradient = -e_i alone (i an entry of z) d_z is the derivative of z_i by -g, that is
 * dz_i/dg = -d_z, and dz_i/dc_k = -d_costate of stage k + 1, dz_i/dx0 = -d_costate of stage 0. */
CHAIN_API void qp_perturb(const QPProblem *problem, const double *d_x0, const double *d_offset,
                          const double *d_gradient, double *d_z, double *d_costate, double *work);

/* du_0/dx_0 (m, n). */
CHAIN_API void qp_first_gain(const QPProblem *problem, double *gain, double *work);

#ifdef __cplusplus
}
#endif
#endif
