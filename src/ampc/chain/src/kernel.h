/* Everything that depends on the number of bodies; included once for each size with
 *   NAME(x)  a name of its own,  BODIES and MOTORS  the sizes, constants or those of `model`,
 *   LOCAL  the length of local vectors.
 */
#include "linear.h"
#include "dynamics.h"
#include "step.h"

static int NAME(acceleration)(const ChainModel *model, const double *x, const double *u, double *ddq, double *d_dx,
                              double *d_du, double *work) {
  const int n = BODIES + 1, columns = 2 * n + MOTORS;
  double p[LOCAL], v[LOCAL], zero[LOCAL], force[LOCAL], a[LOCAL];
  double *M = work, *K = M + n * n, *D = K + n * n, *rows = D + n * n;
  NAME(to_kernel)(model, x, p, v);
  NAME(motor_force)(model, u, force);
  for (int k = 0; k < n; k++) zero[k] = 0.0;
  NAME(residual)(model, p, v, zero, force, a, M, K, D);
  NAME(factorise)(n, M);
  NAME(solve)(n, M, a);
  if (d_dx) {
    /* M da = K dp + D dv + df, at the acceleration just found. */
    NAME(residual)(model, p, v, a, force, zero, M, K, D);
    NAME(factorise)(n, M);
    for (int j = 0; j < MOTORS; j++) {
      double torque[CHAIN_MAX_MOTORS] = {0.0};
      torque[j] = 1.0;
      NAME(motor_force)(model, torque, force);
      for (int k = 0; k < n; k++) rows[k * columns + 2 * n + j] = force[k];
    }
    for (int k = 0; k < n; k++)
      for (int l = 0; l < n; l++) {
        rows[k * columns + l] = K[l * n + k];
        rows[k * columns + n + l] = D[l * n + k];
      }
    NAME(solve_many)(n, M, columns, rows);
    NAME(rows_to_joints)(model, columns, rows);
    NAME(columns_to_joints)(model, n, columns, 0, rows);
    NAME(columns_to_joints)(model, n, columns, n, rows);
    for (int k = 0; k < n; k++) {
      for (int l = 0; l < 2 * n; l++) d_dx[k * 2 * n + l] = rows[k * columns + l];
      for (int j = 0; j < MOTORS; j++) d_du[k * MOTORS + j] = rows[k * columns + 2 * n + j];
    }
  }
  NAME(rows_to_joints)(model, 1, a);
  double sum = 0.0;
  for (int k = 0; k < n; k++) {
    ddq[k] = a[k];
    sum += a[k] - a[k];
  }
  return sum == 0.0 ? CHAIN_OK : CHAIN_NOT_FINITE;
}
