#include <math.h>
#include <string.h>

#include "policy_parts.h"

/* A component writes its features of an entry and returns how many. To add one: its function, its place in COMPONENTS,
 * its name in PolicyComponent. */
typedef int Component(const PolicyModel *, const Entry *, float *);

static int copy(int length, const float *from, float *to) {
  memcpy(to, from, (size_t)length * sizeof(float));
  return length;
}

static int state(const PolicyModel *model, const Entry *entry, float *out) {
  return copy(2 * model->motors, entry->state, out);
}

static int state_error(const PolicyModel *model, const Entry *entry, float *out) {
  const int length = state(model, entry, out);
  for (int i = 0; i < model->motors; i++) out[i] -= entry->reference[model->actuated[i]];
  return length;
}

static int reference(const PolicyModel *model, const Entry *entry, float *out) {
  return copy(model->joints, entry->reference, out);
}

static int target(const PolicyModel *model, const Entry *entry, float *out) {
  (void)model;
  return copy(3, entry->goal, out);
}

static int target_error(const PolicyModel *model, const Entry *entry, float *out) {
  float position[3];
  policy_kinematics(model, entry->state, position, NULL);
  for (int i = 0; i < 3; i++) out[i] = entry->goal[i] - position[i];
  return 3;
}

static int sines(const PolicyModel *model, const Entry *entry, float *out) {
  const int m = model->motors;
  for (int i = 0; i < m; i++) {
    out[i] = sinf(entry->state[i]);
    out[m + i] = cosf(entry->state[i]);
  }
  return 2 * m;
}

static Component *const COMPONENTS[] = {
    [POLICY_STATE] = state,   [POLICY_STATE_ERROR] = state_error,   [POLICY_REFERENCE] = reference,
    [POLICY_TARGET] = target, [POLICY_TARGET_ERROR] = target_error, [POLICY_SINCOS] = sines,
};

void policy_features(const PolicyModel *model, const Entry *entry, float *features) {
  float *out = features;
  for (int k = 0; k < model->components; k++) out += COMPONENTS[model->component[k]](model, entry, out);
  if (model->past_commands) copy(model->motors, entry->command, out);
  for (int i = 0; i < model->features; i++) features[i] = (features[i] - model->mean[i]) / model->deviation[i];
}

int policy_window(const PolicyModel *model, const float *state) {
  float position[3], derivatives[3 * POLICY_MAX_JOINTS], gram[9];
  policy_kinematics(model, state, position, derivatives);
  policy_gram(model->joints, derivatives, gram);
  const float manipulability = sqrtf(fmaxf(policy_determinant(gram), 0.0f));
  const float start = model->window[0], length = model->window[1] - start;
  const float way = (manipulability - start) / (fabsf(length) < 1e-9f ? 1e-9f : length);
  const float grown = fminf(fmaxf(way, 0.0f), 1.0f) * (float)(model->history - model->shortest);
  return (int)rintf((float)model->shortest + grown);
}
