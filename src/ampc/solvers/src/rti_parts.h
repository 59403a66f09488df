/* What the sources of the real-time iteration share. */
#ifndef AMPC_RTI_PARTS_H
#define AMPC_RTI_PARTS_H

#include "rti.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* The caller's memory, divided up; and sizes that are used again and again. */
typedef struct {
  int n, m;      /* states 2 n_joints, inputs */
  int W, U;      /* width of z; where x stands in it */
  int P;         /* padded states */
  int L, B, R;   /* limits of a node; where those of states stand in them, and rows */
  int stages;    /* warm start of a step */
  double *dynamics, *offset, *hessian, *gradient, *matrix, *lower, *upper; /* as in QPProblem */
  double *z, *costate, *multiplier, *slack;                                /* as in QPSolution */
  double *qp_work, *chain_work;
  double *limited;                                         /* (L) values at a node */
  double *next, *d_dx, *d_du;                              /* of one step */
  double *position, *velocity, *d_position, *d_velocity;   /* of one node */
  double *penalty;                                         /* (N, P) of gaps in the merit function */
  double *trial_x, *trial_u, *trial_stages;                /* a plan beside the plan */
  double *push, *answer;                                   /* (N + 1, W) gradients and what the solution does */
  QPProblem qp;
  QPSolution solution;
} Parts;

long rti_divide(const Rti *rti, Parts *parts);

/* Check and take over what a call brings, and empty the report. */
int rti_begin(Rti *rti, const RtiQuery *query, Parts *parts, RtiReport *report);

/* `warm` as in QPSettings, from the plan. Returns RTI_OK or RTI_QP. */
int rti_solve_qp(Rti *rti, Parts *parts, int warm, int max_iterations, double tolerance, RtiReport *report);

/* To its tolerance or as near to it as rounding allows; from nothing, or from the plan if that fails. Returns RTI_OK or
 * RTI_QP. */
int rti_solve_precisely(Rti *rti, Parts *parts, RtiReport *report);

/* Integrate step k from x under u; derivatives if d_dx is not NULL. */
int rti_integrate(const Rti *rti, const Parts *parts, int k, double tolerance, const double *x, const double *u,
                  double *stages, double *next, double *d_dx, double *d_du);

/* Values of the limited quantities at a node (L); rows need the points' positions and velocities. */
void rti_limited(const Rti *rti, const Parts *parts, const double *x, const double *u, double *limited);

/* Gradients of the rows (rows, W), of the node whose points' derivatives were computed last; padding is not written. */
void rti_rows(const Rti *rti, const Parts *parts, double *matrix);

/* The QP that the next plan solves, with curvature `damping` that holds it near the plan. Returns RTI_OK or RTI_INTEGRATOR. */
int rti_linearise(const Rti *rti, const RtiQuery *query, Parts *parts, double damping, RtiReport *report);

/* Cost of a plan, and by `gap` the weighted sum of its gaps; NaN if it cannot be integrated. */
double rti_cost(const Rti *rti, const RtiQuery *query, const Parts *parts, const double *x, const double *u,
                double *stages, double *gap);

/* Change of the cost that the QP expects from plan to solution. */
double rti_model_change(const Rti *rti, const Parts *parts);

/* Weight that multiplies the costs of node k. */
static inline double rti_scale(const Rti *rti, int k) { return k < rti->horizon ? rti->steps[k] : 1.0; }

/* Dot product of padded vectors, in four lanes. */
static inline double rti_dot(int count, const double *a, const double *b) {
  double lanes[4] = {0.0};
  for (int j = 0; j < count; j += 4)
    for (int i = 0; i < 4; i++) lanes[i] += a[j + i] * b[j + i];
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

#endif
