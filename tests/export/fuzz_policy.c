/* Calls an exported policy in any order with any numbers, good and bad, in memory of exactly its size. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trained_policy.h"

#define CALLS 20000

static unsigned long long seed = 1;

static double uniform(void) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (double)(seed >> 11) / 9007199254740992.0;
}

static double number(int bad) {
  static const double BAD[] = {NAN, INFINITY, -INFINITY, DBL_MAX, -DBL_MAX, 1e200, 1e29, 1e-310, -0.0, 3e38};
  if (bad && uniform() < 0.3) return BAD[(int)(uniform() * 10.0)];
  return (2.0 * uniform() - 1.0) * pow(10.0, 3.0 * uniform() - 2.0);
}

static double *numbers(int count, int bad) {
  double *values = malloc((size_t)count * sizeof *values);
  for (int i = 0; i < count; i++) values[i] = number(bad);
  return values;
}

int main(void) {
  float *memory = malloc(POLICY_MEMORY * sizeof *memory);
  double *command = malloc(POLICY_MOTORS * sizeof *command), *raw = malloc(POLICY_MOTORS * sizeof *raw);
  int statuses[5] = {0}, wrong = 0;
  memset(memory, 0xa5, POLICY_MEMORY * sizeof *memory);
  for (int call = 0; call < CALLS && !wrong; call++) {
    const int bad = uniform() < 0.1, what = (int)(uniform() * 50.0);
    if (what == 0) {
      double *reference = numbers(POLICY_JOINTS, bad), *goal = numbers(3, bad);
      policy_reset(&TRAINED_POLICY, memory, reference, goal);
      free(reference);
      free(goal);
    } else if (what == 1) {
      double *reference = numbers(POLICY_JOINTS, bad);
      policy_refer(&TRAINED_POLICY, memory, reference);
      free(reference);
    } else if (what == 2) {
      double *sent = numbers(POLICY_MOTORS, bad);
      policy_observe(&TRAINED_POLICY, memory, sent);
      free(sent);
    } else if (what == 3 && uniform() < 0.2) {
      memset(memory, (int)(256.0 * uniform()), POLICY_MEMORY * sizeof *memory);
    } else {
      double *state = numbers(POLICY_STATE_SIZE, bad);
      const int status = policy_step(&TRAINED_POLICY, memory, state, command, uniform() < 0.5 ? raw : NULL);
      free(state);
      if (status < 0 || status > 4) return 2;
      statuses[status]++;
      for (int i = 0; i < POLICY_MOTORS; i++) {
        const double limit = TRAINED_POLICY.limit[i];
        wrong |= !(fabs(command[i]) <= limit) || (status >= POLICY_NO_GOAL && command[i] != 0.0);
      }
    }
  }
  printf("ok %d saturated %d no goal %d bad state %d not finite %d\n", statuses[0], statuses[1], statuses[2],
         statuses[3], statuses[4]);
  free(memory);
  free(command);
  free(raw);
  return wrong || !statuses[POLICY_NO_GOAL] || !statuses[POLICY_BAD_STATE] || !(statuses[0] + statuses[1]);
}
