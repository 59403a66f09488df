/* What the files of a policy share; not part of the interface. */
#ifndef AMPC_POLICY_PARTS_H
#define AMPC_POLICY_PARTS_H

#include "policy.h"

/* The iterations of the loop that follows do not depend on each other. */
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

/* Inputs of a map of which the active ones are gathered at once. */
#define ROWS 256

/* One entry of the history. */
typedef struct {
  const float *state;     /* (S) */
  const float *command;   /* (m) applied just before */
  const float *reference; /* (n) */
  const float *goal;      /* (3) */
} Entry;

/* Normalised features (F) of an entry. */
void policy_features(const PolicyModel *model, const Entry *entry, float *features);

/* Entries of the history that are used, parts of them included, for the newest state. */
float policy_window(const PolicyModel *model, const float *state);

/* End effector (3) of q (n), and its derivatives (n,3) unless that is null. */
void policy_kinematics(const PolicyModel *model, const float *q, float *position, float *derivatives);

/* Symmetric J J^T (3,3) of derivatives (n,3), and the determinant of such a matrix. */
void policy_gram(int n, const float *derivatives, double *gram);
double policy_determinant(const double *matrix);

/* Bodies of a planar chain: direction of each, and how fast it changes. */
typedef struct {
  float cosine[POLICY_MAX_JOINTS], sine[POLICY_MAX_JOINTS], rate[POLICY_MAX_JOINTS];
  float yaw_cosine, yaw_sine, yaw_rate;
} Planar;

Planar policy_planar(const PolicyModel *model, const float *q, const float *dq);

/* Position (3) and velocity (3) of one of its points, in the frame at its base that turns with joint 0. */
void policy_point(const PolicyModel *model, const Planar *planar, int point, float *position, float *velocity);

/* A world vector (3) in that frame. */
void policy_turn(const Planar *planar, const float *vector, float *turned);

float policy_dot(const float *a, const float *b);

/* Joint reference (n) that the reference network finds for the goal; work: policy_reference_work floats. */
void policy_reference(const PolicyModel *model, const float *goal, float *reference, float *work);
int policy_reference_work(const PolicyModel *model);

/* Output (m) of the network, as a share of the limits, for features (T,F); work: policy_network_work floats. */
void policy_network(const PolicyModel *model, const float *features, float *hidden, float *output, float *work);
int policy_network_work(const PolicyModel *model);
int policy_hidden_size(const PolicyModel *model);

/* y (outputs) = x (inputs) W + b; returns what stands behind the bias. */
const float *policy_linear(int inputs, int outputs, const float *x, const float *map, float *y);

/* e^x to two units in the last place, for any x; NaN stays NaN. A loop over it is vectorised. */
static inline float policy_exp(float x) {
  union {
    float number;
    unsigned bits;
  } shifted, scale;
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  shifted.number = x * 1.44269504f + 12582912.0f; /* the sum's low bits are the nearest whole number */
  const float whole = shifted.number - 12582912.0f;
  const float r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  const float series =
      1.0f + r * (1.0f + r * (0.5f + r * (1.6666665459e-1f + r * (4.1665795894e-2f + r * (8.3334519073e-3f +
      r * (1.3981999507e-3f + r * 1.9875691500e-4f))))));
  scale.bits = (shifted.bits << 23) + 0x3f800000u;
  return series * scale.number;
}

static inline float policy_sigmoid(float x) { return 1.0f / (1.0f + policy_exp(-x)); }

static inline float policy_tanh(float x) { return 1.0f - 2.0f / (1.0f + policy_exp(2.0f * x)); }

#endif
