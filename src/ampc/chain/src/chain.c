#include "chain.h"

#include <math.h>
#include <stddef.h>

#define INLINE inline

/* The iterations of the loop that follows do not depend on each other. (Not `restrict`: where such a function is inlined
 * into a loop, GCC 12 lets the promise reach from one turn of that loop into the next.) */
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* A scheme's Butcher tableau: matrix B, weights b, nodes c, and the products BB and bB. */
typedef struct {
  double B[2][2], BB[2][2], b[2], bB[2], c[2];
} Scheme;

#define ROOT3 1.7320508075688772935
static const Scheme SCHEMES[2] = {
    {{{1.0 / 4, 1.0 / 4 - ROOT3 / 6}, {1.0 / 4 + ROOT3 / 6, 1.0 / 4}},
     {{1.0 / 24, 1.0 / 8 - ROOT3 / 12}, {1.0 / 8 + ROOT3 / 12, 1.0 / 24}},
     {1.0 / 2, 1.0 / 2},
     {1.0 / 4 + ROOT3 / 12, 1.0 / 4 - ROOT3 / 12},
     {1.0 / 2 - ROOT3 / 6, 1.0 / 2 + ROOT3 / 6}},
    {{{5.0 / 12, -1.0 / 12}, {3.0 / 4, 1.0 / 4}},
     {{1.0 / 9, -1.0 / 18}, {1.0 / 2, 0.0}},
     {3.0 / 4, 1.0 / 4},
     {1.0 / 2, 0.0},
     {1.0 / 3, 1.0}},
};

typedef struct {
  int bodies; /* 0: any */
  int (*step)(const ChainModel *, const ChainStep *, const double *, const double *, double *, double *, double *,
              double *, double *);
  int (*acceleration)(const ChainModel *, const double *, const double *, double *, double *, double *, double *);
} Kernel;

#include "kernels.h"

static const Kernel *kernel_of(const ChainModel *model) {
  const Kernel *kernel = KERNELS;
  while (kernel->bodies && !(kernel->bodies == model->bodies && model->motors == 3)) kernel++;
  return kernel;
}

static int well_sized(const ChainModel *model) {
  if (model->bodies < 1 || model->bodies > CHAIN_MAX_BODIES) return 0;
  if (model->motors < 0 || model->motors > CHAIN_MAX_MOTORS || model->points < 0) return 0;
  for (int j = 0; j < model->motors; j++)
    if (model->motor_joint[j] < 0 || model->motor_joint[j] > model->bodies) return 0;
  return 1;
}

static int well_set(const ChainStep *step) {
  return step->scheme >= 0 && step->scheme < 2 && step->substeps >= 1 && step->max_iterations >= 1 &&
         step->dt > 0.0 && step->dt < INFINITY && step->tolerance >= 0.0;
}

static void fill(double *array, int size, double value) {
  for (int i = 0; array && i < size; i++) array[i] = value;
}

int chain_version(void) { return CHAIN_VERSION; }

int chain_processor(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return avx2 ? 1 + avx512 : 0;
#else
  return 0;
#endif
}

int chain_workspace_size(int bodies, int motors) {
  const int n = bodies + 1, size = 2 * n, columns = size + motors;
  return size * size + 6 * n * n + 4 * size + 2 * size * columns + n * columns;
}

int chain_stages_size(int bodies, int substeps) { return substeps * 2 * (bodies + 1); }

int chain_acceleration(const ChainModel *model, const double *x, const double *u, double *ddq, double *work) {
  if (!well_sized(model)) return CHAIN_BAD_ARGUMENT;
  return kernel_of(model)->acceleration(model, x, u, ddq, NULL, NULL, work);
}

int chain_derivatives(const ChainModel *model, const double *x, const double *u, double *ddq, double *d_dx,
                      double *d_du, double *work) {
  if (!well_sized(model) || !d_dx || !d_du) return CHAIN_BAD_ARGUMENT;
  return kernel_of(model)->acceleration(model, x, u, ddq, d_dx, d_du, work);
}

int chain_step(const ChainModel *model, const ChainStep *step, const double *x, const double *u, double *stages,
               double *next, double *d_dx, double *d_du, double *work) {
  if (!well_sized(model) || !well_set(step) || !d_dx != !d_du) return CHAIN_BAD_ARGUMENT;
  const int status = kernel_of(model)->step(model, step, x, u, stages, next, d_dx, d_du, work);
  if (status != CHAIN_OK) {
    const int size = 2 * (model->bodies + 1);
    fill(next, size, NAN);
    fill(d_dx, size * size, NAN);
    fill(d_du, size * model->motors, NAN);
    fill(stages, chain_stages_size(model->bodies, step->substeps), 0.0);
  }
  return status;
}

int chain_step_many(const ChainModel *model, const ChainStep *step, int count, const double *x, const double *u,
                    double *stages, double *next, int *status, double *work) {
  if (!well_sized(model) || !well_set(step)) return CHAIN_BAD_ARGUMENT;
  const size_t size = 2 * (size_t)(model->bodies + 1), motors = (size_t)model->motors;
  const size_t stages_size = (size_t)chain_stages_size(model->bodies, step->substeps);
  int worst = CHAIN_OK;
  for (size_t i = 0; i < (size_t)count; i++) {
    status[i] = chain_step(model, step, x + i * size, u + i * motors, stages ? stages + i * stages_size : NULL,
                           next + i * size, NULL, NULL, work);
    if (status[i] > worst) worst = status[i];
  }
  return worst;
}

#include "points.h"
