#include "ekf.h"

#include <math.h>
#include <stddef.h>

/* Step in the logarithm of the stiffness by which its derivative is taken. */
#define LOG_SCALE_STEP 1e-3

static int padded(int size) { return (size + 3) / 4 * 4; }

static int factors_workspace_size(int states) { return (2 * states + 1) * padded(states) + 4 * states; }

int chain_filter_states(int bodies, int augmentation) {
  return 2 * (bodies + 1) + (augmentation == FILTER_MODULUS ? 1 : augmentation == FILTER_BIAS ? 3 : 0);
}

int chain_filter_workspace_size(int bodies, int motors, int points, int augmentation) {
  const int n = bodies + 1, states = chain_filter_states(bodies, augmentation);
  return chain_workspace_size(bodies, motors) + factors_workspace_size(states) + states * states + 4 * n * n +
         2 * n * motors + 4 * n + chain_stages_size(bodies, 1) + points * (6 + 9 * n) + 3 * states;
}

/* Modified weighted Gram-Schmidt (Thornton): with W = [F U, I] and weights (D, process), rows from the last one up are
 * made orthogonal; the coefficients are the new U. W is kept transposed, so that inner loops run over its rows. */
void chain_factors_predict(int states, const double *F, const double *process, double *factors, double *work) {
  const int Z = states, stride = padded(Z);
  double *W = work, *coefficient = W + 2 * Z * stride, *weight = coefficient + stride, *weighted = weight + 2 * Z;
  for (int k = 0; k < 2 * Z * stride; k++) W[k] = 0.0;
  for (int k = 0; k < Z; k++) {
    weight[k] = factors[k * Z + k];
    for (int i = 0; i < Z; i++) W[k * stride + i] = F[i * Z + k];
  }
  for (int k = Z - 1; k > 0; k--)
    for (int l = 0; l < k; l++) {
      const double u = factors[k * Z + l];
      for (int i = 0; i < stride; i++) W[k * stride + i] += u * W[l * stride + i];
    }
  /* The identity in reversed order: row j stays zero beyond position 2Z - j. */
  for (int k = 0; k < Z; k++) {
    W[(2 * Z - 1 - k) * stride + k] = 1.0;
    weight[2 * Z - 1 - k] = process[k];
  }
  for (int j = Z - 1; j >= 0; j--) {
    const int length = 2 * Z - j, width = padded(j);
    double d = 0.0;
    for (int k = 0; k < length; k++) {
      weighted[k] = weight[k] * W[k * stride + j];
      d += weighted[k] * W[k * stride + j];
    }
    factors[j * Z + j] = d;
    const double inverse = d > 0.0 ? 1.0 / d : 0.0;
    for (int i = 0; i < width; i++) coefficient[i] = 0.0;
    for (int k = 0; k < length; k++) {
      const double *row = W + k * stride, factor = weighted[k];
      for (int i = 0; i < width; i++) coefficient[i] += factor * row[i];
    }
    for (int i = 0; i < j; i++) factors[j * Z + i] = coefficient[i] *= inverse;
    for (int i = j; i < width; i++) coefficient[i] = 0.0;
    for (int k = 0; k < length; k++) {
      double *row = W + k * stride;
      const double factor = row[j];
      for (int i = 0; i < width; i++) row[i] -= coefficient[i] * factor;
    }
  }
}

/* Bierman's update. */
double chain_factors_correct(int states, const double *h, double r, double *factors, double *gain) {
  double variance = r;
  for (int j = 0; j < states; j++) {
    double *row = factors + j * states;
    double a = h[j];
    for (int i = 0; i < j; i++) a += row[i] * h[i];
    const double v = row[j] * a, before = variance;
    variance += a * v;
    row[j] *= before / variance;
    const double factor = -a / before;
    for (int i = 0; i < j; i++) {
      const double u = row[i];
      row[i] = u + factor * gain[i];
      gain[i] += v * u;
    }
    gain[j] = v;
  }
  for (int j = 0; j < states; j++) gain[j] /= variance;
  return variance;
}

/* h P h^T. */
static double predicted_variance(int states, const double *h, const double *factors) {
  double variance = 0.0;
  for (int j = 0; j < states; j++) {
    const double *row = factors + j * states;
    double a = h[j];
    for (int i = 0; i < j; i++) a += row[i] * h[i];
    variance += row[j] * a * a;
  }
  return variance;
}

int chain_filter_predict(ChainFilter *filter, const double *u) {
  ChainModel *model = filter->model;
  const int n = model->bodies + 1, x = 2 * n, m = model->motors;
  const int Z = chain_filter_states(model->bodies, filter->augmentation);
  const int modulus = filter->augmentation == FILTER_MODULUS;
  double *F = filter->work, *A = F + Z * Z, *B = A + x * x, *next = B + x * m, *shifted = next + x;
  double *stages = shifted + x, *rest = stages + chain_stages_size(model->bodies, 1);
  double *z = filter->state;

  model->stiffness_scale = modulus ? exp(z[x]) : 1.0;
  int status = chain_step(model, &filter->step, z, u, filter->stages, next, A, B, rest);
  if (status != CHAIN_OK) return status;
  for (int i = 0; i < Z * Z; i++) F[i] = 0.0;
  for (int i = 0; i < x; i++)
    for (int j = 0; j < x; j++) F[i * Z + j] = A[i * x + j];
  for (int i = x; i < Z; i++) F[i * Z + i] = 1.0;
  if (modulus) {
    for (int i = 0; i < x; i++) stages[i] = filter->stages[i];
    model->stiffness_scale = exp(z[x] + LOG_SCALE_STEP);
    status = chain_step(model, &filter->step, z, u, stages, shifted, NULL, NULL, rest);
    if (status != CHAIN_OK) return status;
    for (int i = 0; i < x; i++) F[i * Z + x] = (shifted[i] - next[i]) / LOG_SCALE_STEP;
  }
  for (int i = 0; i < x; i++) z[i] = next[i];
  chain_factors_predict(Z, F, filter->process, filter->factors, rest);
  return CHAIN_OK;
}

/* Position of the end effector at state z, and its rows of derivatives (3, Z) if not NULL. */
static void sensed_point(const ChainFilter *filter, const double *z, double *position, double *rows, double *work) {
  const ChainModel *model = filter->model;
  const int n = model->bodies + 1, k = model->points, Z = chain_filter_states(model->bodies, filter->augmentation);
  const int bias = filter->augmentation == FILTER_BIAS;
  double *positions = work, *velocities = positions + 3 * k, *d_position = velocities + 3 * k;
  double *d_velocity = d_position + 3 * k * n;
  chain_points(model, z, positions, velocities, rows ? d_position : NULL, rows ? d_velocity : NULL);
  for (int e = 0; e < 3; e++) {
    position[e] = positions[e] + (bias ? z[2 * n + e] : 0.0);
    for (int j = 0; rows && j < Z; j++) rows[e * Z + j] = j < n ? d_position[e * n + j] : 0.0;
    if (rows && bias) rows[e * Z + 2 * n + e] = 1.0;
  }
}

void chain_filter_correct(ChainFilter *filter, const double *y) {
  const ChainModel *model = filter->model;
  const int n = model->bodies + 1, m = model->motors;
  const int Z = chain_filter_states(model->bodies, filter->augmentation);
  double *rows = filter->work, *h = rows + 3 * Z, *gain = h + Z, *prior = gain + Z, *rest = prior + Z;
  double *z = filter->state, position[3];
  sensed_point(filter, z, position, rows, rest);
  for (int j = 0; j < Z; j++) prior[j] = z[j];

  filter->used = filter->rejected = 0;
  filter->nis = 0.0;
  for (int e = 0; e < 2 * m + 3; e++) {
    if (!isfinite(y[e])) continue;
    double innovation = y[e];
    const double *row = h;
    if (e < 2 * m) {
      const int index = e < m ? model->motor_joint[e] : n + model->motor_joint[e - m];
      for (int j = 0; j < Z; j++) h[j] = 0.0;
      h[index] = 1.0;
      innovation -= z[index];
    } else {
      /* All entries are linearised at the prediction, as if they were taken in at once. */
      row = rows + (e - 2 * m) * Z;
      innovation -= position[e - 2 * m];
      for (int j = 0; j < Z; j++) innovation -= row[j] * (z[j] - prior[j]);
    }
    const double expected = predicted_variance(Z, row, filter->factors) + filter->noise[e];
    if (!(fabs(innovation) <= filter->gate * sqrt(expected))) {
      filter->rejected++;
      continue;
    }
    const double variance = chain_factors_correct(Z, row, filter->noise[e], filter->factors, gain);
    for (int j = 0; j < Z; j++) z[j] += gain[j] * innovation;
    filter->nis += innovation * innovation / variance;
    filter->used++;
  }
  if (filter->augmentation == FILTER_MODULUS)
    z[2 * n] = fmax(-filter->log_scale_limit, fmin(filter->log_scale_limit, z[2 * n]));
  sensed_point(filter, z, filter->end_effector, NULL, rest);
}

int chain_filter_step(ChainFilter *filter, const double *u, const double *y) {
  const int status = chain_filter_predict(filter, u);
  if (status == CHAIN_OK) chain_filter_correct(filter, y);
  return status;
}
