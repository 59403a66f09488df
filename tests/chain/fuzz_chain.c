/* Calls every function of the chain library with random models, states and torques, many of them absurd, in memory of
 * exactly the documented sizes. Built with sanitizers by test_chain_sources.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "chain.h"

static unsigned long long state = 88172645463325252ull;

static double uniform(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

static double *random_array(int size, double low, double high) {
  double *array = malloc((size_t)(size ? size : 1) * sizeof(double));
  for (int i = 0; i < size; i++) array[i] = low + (high - low) * uniform();
  return array;
}

static void spoil(double *array, int size) {
  static const double absurd[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 5e-324, 0.0, 1e16};
  array[(int)(uniform() * size)] = absurd[(int)(uniform() * 8)];
}

static int all_finite(const double *array, int size) {
  for (int i = 0; i < size; i++)
    if (!isfinite(array[i])) return 0;
  return 1;
}

static int run(int bodies, int motors, int round) {
  const int n = bodies + 1, k = 2, substeps = 1 + round % 3, count = 2;
  double *coupling = random_array(bodies * bodies, 0.0, 0.0);
  int *joints = malloc(sizeof(int) * (size_t)(motors ? motors : 1));
  double *arrays[12];
  for (int i = 0; i < 10; i++) arrays[i] = random_array(bodies, 0.001, 0.01);
  for (int i = 10; i < 12; i++) arrays[i] = random_array(k * bodies, -0.5, 0.5);
  for (int i = 0; i < bodies; i++) coupling[i * bodies + i] = 0.01 + 0.01 * uniform();
  for (int j = 0; j < motors; j++) joints[j] = j % n;
  const ChainModel model = {
      bodies, motors, k, 0, 0.8, 0.6, 9.81, 0.1, 0.0, 0.0, 0.0, 1.0, 0.3, {0.0, 0.0, 0.1}, joints, coupling,
      arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6], arrays[7], arrays[8], arrays[9],
      arrays[10], arrays[11]};
  const ChainStep step = {round % 2, substeps, 10, 0, 0.002, 1e-9};
  double *work = random_array(chain_workspace_size(bodies, motors), 0.0, 0.0);
  double *x = random_array(count * 2 * n, -1.0, 1.0), *u = random_array(count * motors, -1.0, 1.0);
  double *stages = random_array(count * chain_stages_size(bodies, substeps), -1.0, 1.0);
  double *next = random_array(count * 2 * n, 0.0, 0.0), *ddq = random_array(n, 0.0, 0.0);
  double *a = random_array(2 * n * 2 * n, 0.0, 0.0), *b = random_array(2 * n * motors, 0.0, 0.0);
  double *position = random_array(3 * k, 0.0, 0.0), *velocity = random_array(3 * k, 0.0, 0.0);
  double *d_position = random_array(3 * k * n, 0.0, 0.0), *d_velocity = random_array(6 * k * n, 0.0, 0.0);
  int status[2], failures = 0;
  const int absurd = round % 4 > 1;
  if (absurd) spoil(x, 2 * n);
  if (round % 4 == 3 && motors) spoil(u, motors);

  int s = chain_acceleration(&model, x, u, ddq, work);
  failures += (s == CHAIN_OK) != all_finite(ddq, n);
  s = chain_derivatives(&model, x, u, ddq, a, b, work);
  failures += s < CHAIN_OK || s > CHAIN_NOT_FINITE;
  s = chain_step(&model, &step, x, u, NULL, next, NULL, NULL, work);
  failures += (s == CHAIN_OK) != all_finite(next, 2 * n);
  failures += !absurd && s != CHAIN_OK;
  s = chain_step(&model, &step, x, u, stages, next, a, b, work);
  failures += (s == CHAIN_OK) != all_finite(next, 2 * n);
  chain_step_many(&model, &step, count, x, u, stages, next, status, work);
  failures += status[1] != CHAIN_OK || !all_finite(next + 2 * n, 2 * n);
  chain_points(&model, x, position, velocity, NULL, NULL);
  s = chain_points(&model, x, position, velocity, d_position, d_velocity);
  failures += (s == CHAIN_OK) != (all_finite(position, 3 * k) && all_finite(velocity, 3 * k));

  double *all[] = {coupling, work, x, u, stages, next, ddq, a, b, position, velocity, d_position, d_velocity};
  for (int i = 0; i < 13; i++) free(all[i]);
  for (int i = 0; i < 12; i++) free(arrays[i]);
  free(joints);
  return failures;
}

int main(void) {
  int failures = 0;
  for (int round = 0; round < 24; round++) {
    static const int sizes[] = {1, 2, 3, 4, 6, 8, 12, 22, 30};
    for (int i = 0; i < 9; i++) failures += run(sizes[i], round % 5 ? 3 - (sizes[i] == 1) : 1, round);
  }
  ChainModel wrong = {0};
  double nothing[4] = {0};
  failures += chain_acceleration(&wrong, nothing, nothing, nothing, nothing) != CHAIN_BAD_ARGUMENT;
  wrong.bodies = CHAIN_MAX_BODIES + 1;
  failures += chain_points(&wrong, nothing, nothing, nothing, NULL, NULL) != CHAIN_BAD_ARGUMENT;
  printf("%d failures\n", failures);
  return failures != 0;
}
