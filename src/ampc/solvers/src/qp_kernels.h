/* The kernels: compiled for the usual numbers of states with three inputs, and once for all others. */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(x) JOIN(x##_, SUFFIX)

#define INPUTS 3
#define LOCAL_INPUTS 3
#define LOCAL_WIDTH (QP_PAD(STATES) + 4)
#define LAST(n) ((n) % 4)

#define STATES 6
#define SUFFIX 6
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#define STATES 10
#define SUFFIX 10
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#define STATES 14
#define SUFFIX 14
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#define STATES 18
#define SUFFIX 18
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#define STATES 26
#define SUFFIX 26
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#define STATES 46
#define SUFFIX 46
#include "qp_kernel.h"
#undef STATES
#undef SUFFIX

#undef INPUTS
#undef LOCAL_INPUTS
#undef LOCAL_WIDTH
#undef LAST
#define STATES (w->problem->size.states)
#define INPUTS (w->problem->size.inputs)
#define LOCAL_INPUTS QP_MAX_INPUTS
#define LOCAL_WIDTH (QP_PAD(QP_MAX_STATES) + QP_PAD(QP_MAX_INPUTS))
#define LAST(n) 4
#define SUFFIX any
#include "qp_kernel.h"
#undef STATES
#undef INPUTS
#undef LOCAL_INPUTS
#undef LOCAL_WIDTH
#undef LAST
#undef SUFFIX
#undef NAME
#undef JOIN
#undef JOIN_

#define KERNEL(states, suffix) {states, down_##suffix, up_##suffix, measure_##suffix, residuals_##suffix}
static const Kernel KERNELS[] = {
    KERNEL(6, 6), KERNEL(10, 10), KERNEL(14, 14), KERNEL(18, 18), KERNEL(26, 26), KERNEL(46, 46), KERNEL(0, any),
};
#undef KERNEL
