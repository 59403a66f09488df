/* The kernels of one instruction set: constants for the usual sizes with three motors, and one for all others.
 * Included once for each instruction set, ISA. */
#define NAME(x) JOIN(JOIN(x##_, SUFFIX), JOIN(_, ISA))

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

#define KERNEL(size, suffix) \
  {size, JOIN(JOIN(step_, suffix), JOIN(_, ISA)), JOIN(JOIN(acceleration_, suffix), JOIN(_, ISA))}
static const Kernel JOIN(KERNELS_, ISA)[] = {
    KERNEL(2, 2), KERNEL(4, 4), KERNEL(6, 6), KERNEL(8, 8), KERNEL(12, 12), KERNEL(22, 22), KERNEL(0, any),
};
#undef KERNEL
