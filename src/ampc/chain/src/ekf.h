/* Extended Kalman filter of a chain: one call predicts over a control period and takes a measurement in.
 *
 * State z (Z): [q, dq] (2n), then nothing, ln of the stiffness scale (1), or a bias of the end-effector sensor (3).
 * Measurement y (2m + 3): positions and velocities of the motors' joints, position of the first point (the end
 * effector). Entries that are not finite are skipped, as are those that lie beyond the gate.
 *
 * The covariance is kept as factors P = U D U^T (Bierman 1977, Thornton 1976), D >= 0, so that it cannot lose symmetry
 * or positive semidefiniteness. They are one row-major (Z, Z) array: row j holds column j of the unit upper
 * triangular U left of the diagonal, and D_j on it; entries right of the diagonal are zero.
 *
 * docs/estimator.md derives the equations.
 */
#ifndef AMPC_EKF_H
#define AMPC_EKF_H

#include "chain.h"

#ifdef __cplusplus
extern "C" {
#endif

enum FilterAugmentation { FILTER_NONE = 0, FILTER_MODULUS = 1, FILTER_BIAS = 2 };

/* Pointers are to the caller's arrays, which belong to this filter alone. */
typedef struct {
  ChainModel *model;   /* its stiffness_scale is overwritten */
  ChainStep step;
  int augmentation;    /* FilterAugmentation */
  int used;            /* out: entries that the last correction used ... */
  int rejected;        /* out: ... and finite ones that lay beyond the gate */
  int unused;
  double nis;          /* out: their normalised innovation squared, chi-square with `used` degrees of freedom */
  double gate;         /* largest innovation, in standard deviations */
  double log_scale_limit;  /* largest magnitude of the estimated logarithm */
  const double *process;   /* (Z) variance that each step adds */
  const double *noise;     /* (2m + 3) variance of the measurements */
  double *state;           /* (Z) in and out */
  double *factors;         /* (Z, Z) in and out */
  double *end_effector;    /* (3) out: estimated position of the end effector, bias included */
  double *stages;          /* chain_stages_size: warm start of the integrator, zero at first */
  double *work;            /* chain_filter_workspace_size */
} ChainFilter;

/* Number of states Z. */
CHAIN_API int chain_filter_states(int bodies, int augmentation);

/* Number of doubles of `work`. */
CHAIN_API int chain_filter_workspace_size(int bodies, int motors, int points, int augmentation);

/* Predict over one step under torque u (m). Unless the status is CHAIN_OK the estimate stays as it was. */
CHAIN_API int chain_filter_predict(ChainFilter *filter, const double *u);

/* Take a measurement y (2m + 3) in. */
CHAIN_API void chain_filter_correct(ChainFilter *filter, const double *y);

/* Both; where the prediction fails there is no correction either. */
CHAIN_API int chain_filter_step(ChainFilter *filter, const double *u, const double *y);

/* P <- F P F^T + diag(process), F (Z, Z) row-major; work: (2Z + 1) (4 ceil(Z / 4)) + 4 Z doubles. */
CHAIN_API void chain_factors_predict(int states, const double *F, const double *process, double *factors,
                                     double *work);

/* One scalar measurement with row h (Z) and noise variance r > 0: the variance of its innovation; the factors are
 * updated and `gain` (Z) is written. */
CHAIN_API double chain_factors_correct(int states, const double *h, double r, double *factors, double *gain);

#ifdef __cplusplus
}
#endif
#endif
