#include <math.h>
#include <string.h>

#include "policy_parts.h"

/* Slopes at zero of the features that tell small errors [1/rad], [1/m] and distances [1/m] apart, as in training. */
#define NEAR_JOINTS 8.0f
#define NEAR_GOAL 15.0f
#define NEAR_OBSTACLE 10.0f

/* A component writes its features of an entry and returns how many. To add one: its function, its place in COMPONENTS,
 * its name in PolicyComponent. */
typedef int Component(const PolicyModel *, const Entry *, float *);

static int copy(int length, const float *from, float *to) {
  memcpy(to, from, (size_t)length * sizeof(float));
  return length;
}

/* Joint of the reference that position i of a state belongs to. */
static int joint_of(const PolicyModel *model, int i) { return model->positions == model->joints ? i : model->actuated[i]; }

/* Place in a state of the position of motor i. */
static int place_of(const PolicyModel *model, int i) { return model->positions == model->motors ? i : model->actuated[i]; }

static int errors(const PolicyModel *model, const Entry *entry, float *out) {
  for (int i = 0; i < model->positions; i++) out[i] = entry->state[i] - entry->reference[joint_of(model, i)];
  return model->positions;
}

static int state(const PolicyModel *model, const Entry *entry, float *out) { return copy(model->state, entry->state, out); }

static int state_error(const PolicyModel *model, const Entry *entry, float *out) {
  const int length = errors(model, entry, out);
  return length + copy(length, entry->state + length, out + length);
}

static int near_error(const PolicyModel *model, const Entry *entry, float *out) {
  const int length = errors(model, entry, out);
  for (int i = 0; i < length; i++) out[i] = policy_tanh(NEAR_JOINTS * out[i]);
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
    out[i] = sinf(entry->state[place_of(model, i)]);
    out[m + i] = cosf(entry->state[place_of(model, i)]);
  }
  return 2 * m;
}

static int reference_sines(const PolicyModel *model, const Entry *entry, float *out) {
  const int m = model->motors;
  for (int i = 0; i < m; i++) {
    out[i] = sinf(entry->reference[model->actuated[i]]);
    out[m + i] = cosf(entry->reference[model->actuated[i]]);
  }
  return 2 * m;
}

static int bending(const PolicyModel *model, const Entry *entry, float *out) {
  int length = 0;
  for (int joint = 0; joint < model->joints; joint++) {
    int has_motor = 0;
    for (int i = 0; i < model->motors; i++) has_motor |= model->actuated[i] == joint;
    if (!has_motor) out[length++] = entry->state[joint];
  }
  return length;
}

static int stiffness(const PolicyModel *model, const Entry *entry, float *out) {
  return copy(1, entry->state + 2 * model->positions, out);
}

/* The goal (3) seen from the base, in the frame of the arm. */
static void turned_goal(const PolicyModel *model, const Entry *entry, const Planar *planar, float *goal) {
  float from_base[3];
  for (int i = 0; i < 3; i++) from_base[i] = entry->goal[i] - model->planar[i];
  policy_turn(planar, from_base, goal);
}

static int arm_target_error(const PolicyModel *model, const Entry *entry, float *out) {
  float goal[3], position[3], velocity[3];
  const Planar planar = policy_planar(model, entry->state, entry->state + model->positions);
  turned_goal(model, entry, &planar, goal);
  policy_point(model, &planar, 0, position, velocity);
  for (int i = 0; i < 3; i++) {
    out[i] = goal[i] - position[i];
    out[3 + i] = policy_tanh(NEAR_GOAL * out[i]);
  }
  return 6;
}

static int obstacles(const PolicyModel *model, const Entry *entry, float *out) {
  const int points = model->points;
  float goal[3], normal[3], position[3], velocity[3], *next = out;
  const Planar planar = policy_planar(model, entry->state, entry->state + model->positions);
  turned_goal(model, entry, &planar, goal);
  for (int k = 0; k < model->obstacles; k++) {
    const float *obstacle = entry->state + 2 * model->positions + 1 + 4 * k;
    const float height = obstacle[3] - policy_dot(obstacle, model->planar);
    policy_turn(&planar, obstacle, normal);
    for (int point = 0; point < points; point++) {
      policy_point(model, &planar, point, position, velocity);
      const float distance = policy_dot(position, normal) - height;
      next[point] = distance;
      next[points + point] = policy_dot(velocity, normal);
      next[2 * points + 1 + point] = policy_tanh(NEAR_OBSTACLE * distance);
    }
    next[2 * points] = policy_dot(goal, normal) - height;
    next += 3 * points + 1;
  }
  return (int)(next - out);
}

static int obstacle_directions(const PolicyModel *model, const Entry *entry, float *out) {
  const Planar planar = policy_planar(model, entry->state, entry->state + model->positions);
  for (int k = 0; k < model->obstacles; k++) policy_turn(&planar, entry->state + 2 * model->positions + 1 + 4 * k, out + 3 * k);
  return 3 * model->obstacles;
}

static Component *const COMPONENTS[] = {
    [POLICY_STATE] = state,
    [POLICY_STATE_ERROR] = state_error,
    [POLICY_REFERENCE] = reference,
    [POLICY_TARGET] = target,
    [POLICY_TARGET_ERROR] = target_error,
    [POLICY_SINCOS] = sines,
    [POLICY_NEAR_ERROR] = near_error,
    [POLICY_BENDING] = bending,
    [POLICY_REFERENCE_SINCOS] = reference_sines,
    [POLICY_STIFFNESS] = stiffness,
    [POLICY_ARM_TARGET_ERROR] = arm_target_error,
    [POLICY_OBSTACLES] = obstacles,
    [POLICY_OBSTACLE_DIRECTIONS] = obstacle_directions,
};

void policy_features(const PolicyModel *model, const Entry *entry, float *features) {
  float *out = features;
  for (int k = 0; k < model->components; k++) out += COMPONENTS[model->component[k]](model, entry, out);
  if (model->past_commands) copy(model->motors, entry->command, out);
  for (int i = 0; i < model->features; i++) features[i] = (features[i] - model->mean[i]) / model->deviation[i];
}

float policy_window(const PolicyModel *model, const float *state) {
  float position[3], derivatives[3 * POLICY_MAX_JOINTS];
  double gram[9];
  policy_kinematics(model, state, position, derivatives);
  policy_gram(model->joints, derivatives, gram);
  const float manipulability = (float)sqrt(fmax(policy_determinant(gram), 0.0));
  const float start = model->window[0], length = model->window[1] - start;
  const float way = (manipulability - start) / (fabsf(length) < 1e-9f ? 1e-9f : length);
  const float grown = fminf(fmaxf(way, 0.0f), 1.0f) * (float)(model->history - model->shortest);
  return (float)model->shortest + grown;
}
