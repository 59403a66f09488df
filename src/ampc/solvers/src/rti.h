/* Nonlinear optimal control of a chain by sequential quadratic programming: multiple shooting, Gauss-Newton Hessian,
 * one iteration per control period (the real-time iteration), or as many as it takes.
 *
 * The problem stands in ampc/solvers/optimal_control.py. The plan is x (N + 1, 2n) and u (N, m), row-major and without
 * padding; limits have the layout of qp.h. All memory is the caller's; nothing is allocated. A structure belongs to
 * one loop and must not be used by two threads at once.
 */
#ifndef AMPC_RTI_H
#define AMPC_RTI_H

#include "qp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a structure or a signature below does. */
#define RTI_VERSION 1

/* Largest number of rows of a node. */
#define RTI_MAX_ROWS 256

enum RtiStatus {
  RTI_OK = 0,             /* all iterations were done, or the solution has converged */
  RTI_NOT_CONVERGED = 1,  /* rti_converge: the plan may be used */
  RTI_DEADLINE = 2,       /* time was up first; the plan is that of the last whole iteration */
  RTI_BAD_INPUT = 3,      /* the state or a reference is not finite */
  RTI_INTEGRATOR = 4,     /* the chain cannot be integrated from a node of the plan */
  RTI_QP = 5,             /* the QP was not solved; `detail` is its status */
  RTI_DIVERGED = 6,       /* the step is not finite or enormous */
  RTI_BAD_ARGUMENT = 7    /* sizes out of range */
};

/* A limit on a point: normal . p - offset, or if `moving` normal . v + slope (normal . p - offset). */
typedef struct {
  int point;
  int moving;
  double normal[3];
  double offset; /* [m] */
  double slope;  /* [1/s] */
} RtiRow;

/* Pointers are to the caller's arrays. Penalties are already multiplied by the step lengths. */
typedef struct {
  ChainModel *model; /* its stiffness_scale is overwritten */
  int horizon;       /* N >= 1 */
  int scheme;        /* ChainScheme */
  int bounds;        /* number of limited states */
  int rows;          /* limits on points, at all nodes but the first */
  const double *steps;            /* (N) step lengths [s] */
  const int *substeps;            /* (N) */
  const double *stage_weights;    /* (2n) */
  const double *terminal_weights; /* (2n) */
  const double *torque_weights;   /* (m) */
  double end_effector_weights[2]; /* of stages, of the last node */
  const int *bounded;             /* (bounds) */
  const int *rows_at;             /* (N + 1) 0, then `rows` */
  const RtiRow *row;              /* (rows) */
  const double *lower;            /* (N + 1, L) */
  const double *upper;            /* (N + 1, L) */
  const double *l1;               /* (N + 1, L) */
  const double *l2;               /* (N + 1, L) */
  double integrator_tolerance;
  double qp_tolerance;            /* in rti_step that of the first iteration; of each further one a tenth */
  int qp_max_iterations;
  int warm;                       /* in and out: 1 if multipliers are kept from a call before */
  double *x;                      /* in and out: the plan */
  double *u;
  double *stages;                 /* (N, max substeps, 2, n) in and out: warm start of the integrator, zero at first */
  double *memory;                 /* rti_memory_size, zero at first, aligned to 64 bytes if it is to be fast */
  double iteration_seconds;       /* in and out: what an iteration takes, 0 at first */
  double qp_iteration_seconds;    /* in and out: what an iteration of the QP takes, 0 at first */
} Rti;

typedef struct {
  const double *x0;     /* (2n) */
  const double *goal;   /* (N + 1, 3) */
  const double *x_ref;  /* (N + 1, 2n) */
  const double *u_ref;  /* (N, m) */
  int goal_stride;      /* from node to node: 3, or 0 for one goal */
  int x_ref_stride;     /* 2n or 0 */
  int u_ref_stride;     /* m or 0 */
  int unused;
  double stiffness_scale;
  const double *proposed;        /* (m) or NULL */
  const double *proposed_weight; /* (m) or NULL: in place of the torque's weight at node 0 */
} RtiQuery;

typedef struct {
  int status;        /* RtiStatus */
  int detail;        /* status of the integrator or of the QP */
  int node;          /* where integration failed */
  int iterations;    /* done */
  int qp_iterations; /* in total */
  int unused;
  double change;     /* largest change of a torque in the last iteration [N m]; NaN without one */
  double kkt;        /* largest entry of the Lagrangian's gradient at the last linearisation */
  double gap;        /* largest gap of the dynamics there */
  double cost;       /* rti_converge: cost of the plan */
  double seconds;
  double linearisation_seconds;
  double qp_seconds;
} RtiReport;

CHAIN_API int rti_version(void);

/* Number of doubles of `memory`; negative if a size is out of range. */
CHAIN_API long rti_memory_size(const Rti *rti);

/* Plan to stand still at x0's positions, under the reference torque. */
CHAIN_API void rti_start(Rti *rti, const RtiQuery *query);

/* Move the plan on by `elapsed`: torques are averaged over the new steps, states interpolated; the last are held. */
CHAIN_API void rti_shift(Rti *rti, double elapsed);

/* At most `iterations` full steps within `budget` seconds. Unless one was done the plan stays as it was. */
CHAIN_API int rti_step(Rti *rti, const RtiQuery *query, int iterations, double budget, RtiReport *report);

/* Iterate with a line search until no torque or state changes by more than `tolerance`. */
CHAIN_API int rti_converge(Rti *rti, const RtiQuery *query, int max_iterations, double tolerance,
                           RtiReport *report);

/* Derivatives of the first torque at a plan that has converged: by x0 (m, 2n), by goal (m, 3), state reference (m, 2n)
 * and torque reference (m, m), each the same at all nodes. With `exact` second derivatives of dynamics, limits and
 * end-effector position enter, and the result is the derivative of the solution; without them it is approximate. RTI_QP if
 * the plan is no strict minimum. */
CHAIN_API int rti_sensitivities(Rti *rti, const RtiQuery *query, int exact, double *d_x0, double *d_goal,
                                double *d_x_ref, double *d_u_ref, RtiReport *report);

/* Integrate from x0 under the torques u (N, m): states x (N + 1, 2n) and limited quantities (N + 1, L) along them, in
 * the layout of `lower`. On failure the rest is NaN. Returns a ChainStatus. */
CHAIN_API int rti_rollout(Rti *rti, const double *x0, const double *u, double stiffness_scale, double *x,
                          double *limited);

#ifdef __cplusplus
}
#endif
#endif
