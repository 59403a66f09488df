/* The pattern of a control loop, over a recorded episode whose commands are known: a check of compiler and target. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "recorded_episode.h"
#include "trained_policy.h"

/* Share of the limit. Sums of single precision in another order differ by 1e-6 or less, which the gains of a policy enlarge. */
#define TOLERANCE 1e-3
#define ROUNDS 200

int main(void) {
  static float memory[POLICY_MEMORY];
  double command[POLICY_MOTORS], difference = 0.0;
  const clock_t start = clock();
  for (int round = 0; round < ROUNDS; round++) {
    policy_reset(&TRAINED_POLICY, memory, REFERENCE, GOAL); /* for every new goal */
    for (int step = 0; step < STEPS; step++) {
      /* Every POLICY_PERIOD seconds: measure or estimate the state, step, send the command. */
      const int status = policy_step(&TRAINED_POLICY, memory, STATE[step], command, NULL);
      if (status >= POLICY_NO_GOAL) { /* a fault: the command is zero; brake, and call policy_reset before going on */
        printf("step %d failed with status %d\n", step, status);
        return 1;
      }
      for (int i = 0; i < POLICY_MOTORS; i++)
        difference = fmax(difference, fabs(command[i] - COMMAND[step][i]) / TRAINED_POLICY.limit[i]);
    }
  }
  const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  printf("largest difference from the trained policy: %.1e of the limit, %d steps\n", difference, STEPS);
  printf("a step takes %.2f us\n", 1e6 * seconds / (ROUNDS * STEPS));
  return difference <= TOLERANCE ? 0 : 1;
}
