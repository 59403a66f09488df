#include "policy.h"

#include <math.h>
#include <string.h>

#include "policy_parts.h"

/* As in training: what is larger is taken for a fault rather than a measurement. */
#define LARGEST_STATE 1e30

enum Stage { NO_GOAL = 0x60a1, AT_REST, MOVING }; /* arbitrary, so that memory of any content is recognised as not reset */

/* Parts of the memory; offsets in floats. */
typedef struct {
  int stage, states, commands, last, reference, goal, hidden, features, output, work, size;
} Parts;

static int span(const PolicyModel *model) { return (model->history - 1) * model->stride + 1; }

static int largest(int a, int b) { return a > b ? a : b; }

static Parts parts_of(const PolicyModel *model) {
  Parts parts;
  int at = 0;
#define TAKE(part, length) (parts.part = at, at += (length))
  TAKE(stage, 1);
  TAKE(states, span(model) * model->state);
  TAKE(commands, span(model) * model->motors);
  TAKE(last, model->motors);
  TAKE(reference, model->joints);
  TAKE(goal, 3);
  TAKE(hidden, policy_hidden_size(model));
  TAKE(features, model->history * model->features);
  TAKE(output, model->motors);
  TAKE(work, largest(policy_network_work(model), policy_reference_work(model)));
#undef TAKE
  parts.size = at;
  return parts;
}

int policy_version(void) { return POLICY_VERSION; }

int policy_memory_size(const PolicyModel *model) { return parts_of(model).size; }

void policy_reset(const PolicyModel *model, float *memory, const double *reference, const double *goal) {
  const Parts parts = parts_of(model);
  memset(memory, 0, (size_t)parts.size * sizeof(float));
  for (int i = 0; goal && i < 3; i++) memory[parts.goal + i] = (float)goal[i];
  if (reference) policy_refer(model, memory, reference);
  if (model->branches) policy_reference(model, memory + parts.goal, memory + parts.reference, memory + parts.work);
  memory[parts.stage] = AT_REST;
}

void policy_refer(const PolicyModel *model, float *memory, const double *reference) {
  const Parts parts = parts_of(model);
  for (int i = 0; i < model->joints && !model->branches; i++) memory[parts.reference + i] = (float)reference[i];
}

static int is_usable(const PolicyModel *model, const double *state) {
  double sum = 0.0;
  for (int i = 0; i < model->state; i++) sum += fabs(state[i]);
  return sum < LARGEST_STATE;
}

/* Shift the history by a control step and take a state as its newest. */
static void append(const PolicyModel *model, float *memory, const Parts *parts, const double *state) {
  const int m = model->motors, size = model->state, older = span(model) - 1;
  float *states = memory + parts->states, *commands = memory + parts->commands;
  float *newest = states + older * size;
  memmove(states, states + size, (size_t)(older * size) * sizeof(float));
  memmove(commands, commands + m, (size_t)(older * m) * sizeof(float));
  for (int i = 0; i < size; i++) newest[i] = (float)state[i];
  memcpy(commands + older * m, memory + parts->last, (size_t)m * sizeof(float));
  if (memory[parts->stage] == AT_REST)
    for (int k = 0; k < older; k++) memcpy(states + k * size, newest, (size_t)size * sizeof(float));
  memory[parts->stage] = MOVING;
}

/* Features of the entry at a place in the history, 0 the oldest. */
static void entry_features(const PolicyModel *model, float *memory, const Parts *parts, int place, float *out) {
  const int at = place * model->stride;
  const Entry entry = {memory + parts->states + at * model->state, memory + parts->commands + at * model->motors,
                       memory + parts->reference, memory + parts->goal};
  policy_features(model, &entry, out);
}

int policy_step(const PolicyModel *model, float *memory, const double *state, double *command, double *raw) {
  const Parts parts = parts_of(model);
  const int m = model->motors;
  for (int i = 0; i < m; i++) command[i] = 0.0;
  if (memory[parts.stage] != AT_REST && memory[parts.stage] != MOVING) return POLICY_NO_GOAL;
  if (!is_usable(model, state)) return POLICY_BAD_STATE;
  append(model, memory, &parts, state);

  float *features = memory + parts.features, *output = memory + parts.output, *last = memory + parts.last;
  const float *newest = memory + parts.states + (span(model) - 1) * model->state;
  const float used = model->adaptive ? policy_window(model, newest) : (float)model->history;
  const float oldest = (float)model->history - used;
  for (int k = 0; k < model->history; k++) {
    const int place = largest(k, (int)oldest);
    const float rest = (float)k < oldest ? oldest - (float)place : 0.0f;
    float *row = features + k * model->features, *next = row + model->features;
    entry_features(model, memory, &parts, place, row);
    if (rest == 0.0f) continue;
    entry_features(model, memory, &parts, place + 1, next); /* overwritten when its turn comes */
    for (int i = 0; i < model->features; i++) row[i] += rest * (next[i] - row[i]);
  }
  policy_network(model, features, memory + parts.hidden, output, memory + parts.work);

  int status = POLICY_OK;
  for (int i = 0; i < m; i++) {
    const float limit = model->limit[i];
    output[i] *= limit;
    if (raw) raw[i] = output[i];
    if (!(fabsf(output[i]) <= 3.4e38f)) status = POLICY_NOT_FINITE;
    else if (fabsf(output[i]) > limit && status == POLICY_OK) status = POLICY_SATURATED;
  }
  if (status == POLICY_NOT_FINITE) return status;
  for (int i = 0; i < m; i++) {
    const float limit = model->limit[i];
    last[i] = output[i] > limit ? limit : output[i] < -limit ? -limit : output[i];
    command[i] = last[i];
  }
  return status;
}

void policy_observe(const PolicyModel *model, float *memory, const double *command) {
  const Parts parts = parts_of(model);
  for (int i = 0; i < model->motors; i++) memory[parts.last + i] = (float)command[i];
}
