#include <math.h>
#include <string.h>

#include "policy_parts.h"

/* p (3) times a joint's products (3,9): what stays fixed, what goes with sin q, what with 1 - cos q. */
static void multiply(const float *p, const float *products, float *nine) {
  for (int k = 0; k < 9; k++) nine[k] = p[0] * products[k] + p[1] * products[9 + k] + p[2] * products[18 + k];
}

void policy_kinematics(const PolicyModel *model, const float *q, float *position, float *derivatives) {
  float nine[9];
  memcpy(position, model->tool, 3 * sizeof(float));
  for (int joint = model->joints - 1; joint >= 0; joint--) {
    const float *products = model->products + 27 * joint;
    const float s = sinf(q[joint]), c = cosf(q[joint]);
    for (int below = joint + 1; derivatives && below < model->joints; below++) {
      float *derivative = derivatives + 3 * below;
      multiply(derivative, products, nine);
      for (int i = 0; i < 3; i++) derivative[i] = nine[i] + s * nine[3 + i] + (1.0f - c) * nine[6 + i];
    }
    multiply(position, products, nine);
    for (int i = 0; i < 3; i++) {
      position[i] = model->offsets[3 * joint + i] + nine[i] + s * nine[3 + i] + (1.0f - c) * nine[6 + i];
      if (derivatives) derivatives[3 * joint + i] = c * nine[3 + i] + s * nine[6 + i];
    }
  }
}

void policy_gram(int n, const float *derivatives, double *gram) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double sum = 0.0;
      for (int k = 0; k < n; k++) sum += (double)derivatives[3 * k + i] * derivatives[3 * k + j];
      gram[3 * i + j] = sum;
    }
}

static void cross(const double *a, const double *b, double *out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

static double inner(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

float policy_dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

double policy_determinant(const double *matrix) {
  double normal[3];
  cross(matrix, matrix + 3, normal);
  return inner(normal, matrix + 6);
}

/* Solution x of a symmetric system A x = b, by the adjugate. */
static void solve(const double *A, const double *b, float *x) {
  double row[3];
  const double determinant = policy_determinant(A);
  for (int i = 0; i < 3; i++) {
    cross(A + 3 * ((i + 1) % 3), A + 3 * ((i + 2) % 3), row);
    x[i] = (float)(inner(row, b) / determinant);
  }
}

Planar policy_planar(const PolicyModel *model, const float *q, const float *dq) {
  const float *rest = model->planar + 6;
  Planar planar;
  float angle = 0.0f, rate = 0.0f;
  for (int i = 0; i < model->joints - 1; i++) {
    angle += q[i + 1];
    rate += dq[i + 1];
    planar.cosine[i] = cosf(rest[i] + angle);
    planar.sine[i] = sinf(rest[i] + angle);
    planar.rate[i] = rate;
  }
  planar.yaw_cosine = cosf(q[0] + model->planar[3]);
  planar.yaw_sine = sinf(q[0] + model->planar[3]);
  planar.yaw_rate = dq[0];
  return planar;
}

void policy_point(const PolicyModel *model, const Planar *planar, int point, float *position, float *velocity) {
  const int bodies = model->joints - 1;
  const float sin_tilt = model->planar[4], cos_tilt = model->planar[5];
  const float *along = model->planar + 6 + (1 + point) * bodies, *across = along + model->points * bodies;
  float real = 0.0f, imaginary = 0.0f, real_rate = 0.0f, imaginary_rate = 0.0f;
  for (int i = 0; i < bodies; i++) {
    const float x = along[i] * planar->cosine[i] - across[i] * planar->sine[i];
    const float y = across[i] * planar->cosine[i] + along[i] * planar->sine[i];
    real += x;
    imaginary += y;
    real_rate -= planar->rate[i] * y;
    imaginary_rate += planar->rate[i] * x;
  }
  position[0] = real;
  position[1] = cos_tilt * imaginary;
  position[2] = sin_tilt * imaginary;
  velocity[0] = real_rate - planar->yaw_rate * position[1];
  velocity[1] = cos_tilt * imaginary_rate + planar->yaw_rate * position[0];
  velocity[2] = sin_tilt * imaginary_rate;
}

void policy_turn(const Planar *planar, const float *vector, float *turned) {
  turned[0] = planar->yaw_cosine * vector[0] + planar->yaw_sine * vector[1];
  turned[1] = planar->yaw_cosine * vector[1] - planar->yaw_sine * vector[0];
  turned[2] = vector[2];
}

static void keep_within(int n, const float *lower, const float *upper, float *q) {
  for (int i = 0; i < n; i++) q[i] = fminf(fmaxf(q[i], lower[i]), upper[i]);
}

/* A step of damped least squares, J^T (J J^T + lambda I)^-1 (goal - p). */
static void refine(const PolicyModel *model, const float *goal, float *q) {
  float position[3], derivatives[3 * POLICY_MAX_JOINTS], solution[3];
  double gram[9], error[3];
  policy_kinematics(model, q, position, derivatives);
  policy_gram(model->joints, derivatives, gram);
  const double damping = 1e-2 * (gram[0] + gram[4] + gram[8]) / 3.0;
  for (int i = 0; i < 3; i++) {
    gram[4 * i] += damping;
    error[i] = goal[i] - position[i];
  }
  solve(gram, error, solution);
  for (int joint = 0; joint < model->joints; joint++) q[joint] += policy_dot(derivatives + 3 * joint, solution);
}

int policy_reference_work(const PolicyModel *model) {
  return model->branches ? 3 + 2 * model->reference_width + model->branches * (model->joints + 1) : 0;
}

void policy_reference(const PolicyModel *model, const float *goal, float *reference, float *work) {
  const int n = model->joints, width = model->reference_width, branches = model->branches;
  const float *mean = model->reference_network, *deviation = mean + 3, *lower = mean + 6, *upper = lower + n;
  const float *map = upper + n;
  float *x = work, *y = work + 3 + width;
  for (int i = 0; i < 3; i++) x[i] = (goal[i] - mean[i]) / deviation[i];
  int inputs = 3;
  for (int layer = 0; layer < model->reference_depth; layer++) {
    map = policy_linear(inputs, width, x, map, y);
    for (int i = 0; i < width; i++) x[i] = y[i] * policy_sigmoid(y[i]); /* SiLU */
    inputs = width;
  }
  policy_linear(width, branches * (n + 1), x, map, y);
  int best = 0;
  for (int k = 1; k < branches; k++)
    if (y[k] > y[best]) best = k;
  for (int i = 0; i < n; i++)
    reference[i] = 0.5f * (upper[i] + lower[i]) + 0.5f * (upper[i] - lower[i]) * y[branches + best * n + i];
  keep_within(n, lower, upper, reference);
  for (int k = 0; k < model->refinements; k++) {
    refine(model, goal, reference);
    keep_within(n, lower, upper, reference);
  }
}
