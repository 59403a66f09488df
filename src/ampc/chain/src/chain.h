/* A yaw joint carrying a planar chain: dynamics, implicit integration with sensitivities, points.
 *
 * Joints are hinges. Joint 0 turns about the world's +z ("yaw"); joints 1..N, parallel to each other, make a
 * planar chain of N bodies whose plane turns with the yaw. n = N + 1 joints, m motors.
 *
 * Interface:  x = [q, dq] (2n), relative joint positions [rad] and velocities [rad/s];  u (m) motor torques [N m].
 * Matrices are row-major. All memory is the caller's; nothing is allocated, no state is kept between calls, so
 * that threads may share a model as long as each has its own workspace and outputs.
 *
 * docs/chain.md derives the equations.
 */
#ifndef AMPC_CHAIN_H
#define AMPC_CHAIN_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define CHAIN_API __declspec(dllexport)
#else
#define CHAIN_API __attribute__((visibility("default")))
#endif

/* Changes whenever a structure or a signature below does. */
#define CHAIN_VERSION 2

/* Largest number of bodies and motors; bounds the stack that is used (some 50 KiB). */
#define CHAIN_MAX_BODIES 128
#define CHAIN_MAX_MOTORS 129

enum ChainStatus {
  CHAIN_OK = 0,
  CHAIN_NOT_CONVERGED = 1, /* Newton's method did not reach the tolerance */
  CHAIN_NOT_FINITE = 2,    /* the input, or what became of it, is NaN or infinite */
  CHAIN_BAD_ARGUMENT = 3   /* sizes, scheme, number of substeps or step length out of range */
};

enum ChainScheme {
  CHAIN_GAUSS_LEGENDRE = 0, /* 2 stages, order 4, A-stable */
  CHAIN_RADAU_IIA = 1       /* 2 stages, order 3, L-stable: for stiff chains */
};

/* The arm. Pointers are to the caller's arrays. Index i is body i of the chain and the joint at its base. */
typedef struct {
  int bodies; /* N >= 1 */
  int motors; /* m */
  int points; /* k */
  int unused;
  double sin_tilt;       /* s: joint axes of the chain are tilted by c out of the horizontal */
  double cos_tilt;       /* c = z . axis, s*s + c*c = 1 */
  double gravity;        /* [m/s2] along -z */
  double yaw_inertia;    /* about the yaw axis, of what turns with the yaw alone, with armature [kg m2] */
  double yaw_stiffness;  /* [N m/rad] */
  double yaw_rest;       /* spring's rest position [rad] */
  double yaw_damping;    /* [N m s/rad] */
  double stiffness_scale; /* multiplies flexible_stiffness */
  double heading;        /* direction of the chain's plane about z at q_0 = 0 [rad] */
  double base[3];        /* where the first chain joint is, world frame [m] */
  const int *motor_joint;           /* (m) joint that each motor turns, 0 = yaw */
  const double *coupling;           /* (N, N) A_ij = sum_k m_k c_ki c_kj, symmetric [kg m2] */
  const double *gravity_moment;     /* (N) G_i = sum_k m_k c_ki [kg m] */
  const double *inertia_along;      /* (N) moment of inertia about the body's long axis, at its centre [kg m2] */
  const double *inertia_across;     /* (N) about the in-plane axis normal to it */
  const double *inertia_normal;     /* (N) about the joint axis */
  const double *stiffness;          /* (N) springs of the joints that are not scaled [N m/rad] */
  const double *flexible_stiffness; /* (N) springs that stiffness_scale multiplies [N m/rad] */
  const double *rest;               /* (N) absolute angle minus that of the body before, at which springs rest */
  const double *damping;            /* (N) [N m s/rad] */
  const double *armature;           /* (N) [kg m2] */
  const double *offset;             /* (N) absolute angle of each body at q = 0 [rad] */
  const double *point_along;        /* (k, N) lever of each point on each body, along its long axis [m] */
  const double *point_across;       /* (k, N) and normal to it [m] */
} ChainModel;

typedef struct {
  int scheme;         /* ChainScheme */
  int substeps;       /* equal steps that dt is divided into */
  int max_iterations; /* of Newton's method, in each substep */
  int unused;
  double dt;        /* [s] > 0 */
  double tolerance; /* largest last change of a velocity in Newton's method, relative to 1 rad/s + the largest */
} ChainStep;

CHAIN_API int chain_version(void);

/* What this processor runs: 2 libraries compiled for AVX-512 (F, VL, DQ, BW), 1 for AVX2 and FMA, 0 neither. */
CHAIN_API int chain_processor(void);

/* Number of doubles that `work` has to hold in every call below, for any model of this size. */
CHAIN_API int chain_workspace_size(int bodies, int motors);

/* Number of doubles of a warm start: stage accelerations, (substeps, 2, n). */
CHAIN_API int chain_stages_size(int bodies, int substeps);

/* Joint accelerations ddq (n) [rad/s2]. */
CHAIN_API int chain_acceleration(const ChainModel *model, const double *x, const double *u, double *ddq,
                                 double *work);

/* And their derivatives: d_dx (n, 2n), d_du (n, m). */
CHAIN_API int chain_derivatives(const ChainModel *model, const double *x, const double *u, double *ddq,
                                double *d_dx, double *d_du, double *work);

/* State after dt under constant torque. `stages`, if not NULL, holds the first guess of the stage accelerations
 * and gets the solution. `d_dx` (2n, 2n) and `d_du` (2n, m) get the derivatives of `next` if both are not NULL.
 * If the status is not CHAIN_OK, `next` and the derivatives are NaN and the stages zero. */
CHAIN_API int chain_step(const ChainModel *model, const ChainStep *step, const double *x, const double *u,
                         double *stages, double *next, double *d_dx, double *d_du, double *work);

/* `count` independent steps: x (count, 2n), u (count, m), stages (count, substeps, 2, n) or NULL, next
 * (count, 2n), status (count). Returns the largest status. */
CHAIN_API int chain_step_many(const ChainModel *model, const ChainStep *step, int count, const double *x,
                              const double *u, double *stages, double *next, int *status, double *work);

/* Positions (k, 3) [m] and velocities (k, 3) [m/s] of the points, world frame; if both are not NULL also the
 * derivatives d_position (k, 3, n) by q and d_velocity (k, 3, 2n) by x. */
CHAIN_API int chain_points(const ChainModel *model, const double *x, double *position, double *velocity,
                           double *d_position, double *d_velocity);

#ifdef __cplusplus
}
#endif
#endif
