/* The kernels: compiled for the usual numbers of bodies with three motors, and once for all others. */
#define NAME(x) JOIN(x##_, SUFFIX)

#define MOTORS 3
#define LOCAL (BODIES + 1)

#define BODIES 2
#define SUFFIX 2
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#define BODIES 4
#define SUFFIX 4
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#define BODIES 6
#define SUFFIX 6
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#define BODIES 8
#define SUFFIX 8
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#define BODIES 12
#define SUFFIX 12
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#define BODIES 22
#define SUFFIX 22
#include "kernel.h"
#undef BODIES
#undef SUFFIX

#undef MOTORS
#define MOTORS (model->motors)
#define BODIES (model->bodies)
#define SUFFIX any
#include "kernel.h"
#undef BODIES
#undef SUFFIX
#undef MOTORS
#undef LOCAL
#undef NAME

static const Kernel KERNELS[] = {
    {2, step_2, acceleration_2},    {4, step_4, acceleration_4},    {6, step_6, acceleration_6},
    {8, step_8, acceleration_8},    {12, step_12, acceleration_12}, {22, step_22, acceleration_22},
    {0, step_any, acceleration_any},
};
