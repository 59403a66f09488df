/* A policy: from states of a robot to commands, as the network that was trained computes them.
 *
 *   states, reference, goal, past commands --> features --> normalisation --> network --> limits --> command
 *
 * C99 and the standard mathematics library, single precision inside. Nothing is allocated and no state is kept but in the
 * caller's memory, so that several controllers may share a model. Matrices are row-major.
 *
 *   float memory[...];                                        policy_memory_size(model) floats, of any content
 *   policy_reset(model, memory, reference, goal);             a new episode
 *   status = policy_step(model, memory, state, command, raw); every control period
 */
#ifndef AMPC_POLICY_H
#define AMPC_POLICY_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define POLICY_API __declspec(dllexport)
#elif defined(__GNUC__)
#define POLICY_API __attribute__((visibility("default")))
#else
#define POLICY_API
#endif

/* Changes whenever a structure, a signature, the components or the order of weights below do. */
#define POLICY_VERSION 3

/* Largest number of joints of an arm whose kinematics a policy uses; bounds the stack. */
#define POLICY_MAX_JOINTS 64

enum PolicyStatus {
  POLICY_OK = 0,
  POLICY_SATURATED = 1,  /* a command was cut to its limit */
  POLICY_NO_GOAL = 2,    /* policy_reset has not been called; this and what follows are faults: the command is zero */
  POLICY_BAD_STATE = 3,  /* NaN, infinite or absurdly large; the history is as if the step had not been asked for */
  POLICY_NOT_FINITE = 4  /* the network's output is NaN or infinite */
};

/* What each entry of the history holds, in the order of PolicyModel.component; past commands come last. */
enum PolicyComponent {
  POLICY_STATE = 0,        /* q, dq */
  POLICY_STATE_ERROR = 1,  /* q - q_ref, dq */
  POLICY_REFERENCE = 2,    /* q_ref */
  POLICY_TARGET = 3,       /* p_des */
  POLICY_TARGET_ERROR = 4, /* p_des - p(q) */
  POLICY_SINCOS = 5,       /* sin q, cos q of the motors */
  /* Those below need an estimated state, the last three a planar chain. */
  POLICY_NEAR_ERROR = 6,       /* tanh(8 (q - q_ref)) */
  POLICY_BENDING = 7,          /* q of the joints without motors */
  POLICY_REFERENCE_SINCOS = 8, /* sin q_ref, cos q_ref of the motors */
  POLICY_STIFFNESS = 9,        /* the logarithm in the state */
  POLICY_ARM_TARGET_ERROR = 10, /* e = p_des - p(q) in the frame that turns with joint 0, and tanh(15 e) */
  POLICY_OBSTACLES = 11,       /* for each: distance d of each point, their speeds away, distance of the goal, tanh(10 d) */
  POLICY_OBSTACLE_DIRECTIONS = 12 /* normal of each in the frame that turns with joint 0 */
};

enum PolicyArchitecture { POLICY_FFN = 0, POLICY_LSTM = 1, POLICY_GRU = 2, POLICY_TRANSFORMER = 3 };

/* A trained policy. Pointers are to the caller's arrays; those that it does not use may be null. A matrix of a linear map
 * stands as (inputs, outputs), its bias (outputs) behind it. */
typedef struct {
  int joints;            /* n, of the reference */
  int motors;            /* m, of a command */
  int positions;         /* p: m, or n where the state is estimated */
  int state;             /* S entries of a state: q (p) [rad], dq (p) [rad/s]; estimated also the logarithm of the stiffness
                            relative to the nominal one and, for each obstacle, its normal (3) and height along it [m] */
  int obstacles;         /* half-spaces in a state */
  int points;            /* k points of a planar chain, the end effector first */
  int history;           /* T entries of the history, 1 for LSTM and GRU, whose past is in their hidden state */
  int stride;            /* control steps between two entries */
  int components;        /* number of components */
  int past_commands;     /* whether each entry also holds the command applied just before it */
  int features;          /* F, of one entry */
  int architecture;      /* enum PolicyArchitecture */
  int width;             /* of the hidden layers */
  int depth;             /* number of hidden layers */
  int heads;             /* of a Transformer */
  int adaptive;          /* whether the window depends on the manipulability of the arm */
  int shortest;          /* entries used at least, where it does */
  int reference_width;   /* of the network from the goal to the reference */
  int reference_depth;
  int branches;          /* of that network; 0: there is none, and the reference is given */
  int refinements;       /* of its answer, by damped least squares */
  const int *actuated;   /* (m) joints with a motor */
  const int *component;  /* (components) enum PolicyComponent */
  const float *mean;     /* (F) of the features */
  const float *deviation; /* (F) */
  const float *limit;    /* (m) largest magnitude of each command */
  const float *products; /* (n,3,9) kinematics: p -> offset + [I, sin q I, (1 - cos q) I] (p products) */
  const float *offsets;  /* (n,3) [m] */
  const float *tool;     /* (3) [m] */
  /* Yaw joint that carries a planar chain of N = n - 1 bodies: its base (3) [m], heading [rad], sine and cosine of its
   * tilt, angles at rest (N) [rad], levers of the points along the bodies (k,N) and across (k,N) [m]. */
  const float *planar;
  const float *window;   /* (2) manipulability at which the window begins to grow, and at which it is whole */
  /* FFN: its linear maps. LSTM and GRU, layer by layer: from the input, from the hidden state, gates side by side as in
   * torch; then the read-out. Transformer: embedding; positions (T,width); layer by layer scale and shift (width) of the
   * first norm, maps to query, key, value side by side, out of the attention, scale and shift of the second norm, both
   * maps of the feed-forward block (4 width); scale and shift of the last norm; read-out. */
  const float *network;
  /* Mean and deviation (3) of goals, lower and upper (n) end of the reference's range, linear maps: branches scores, then
   * a proposal (n) for each. */
  const float *reference_network;
} PolicyModel;

/* POLICY_VERSION of the compiled code. */
POLICY_API int policy_version(void);

/* Number of floats of a policy's memory. */
POLICY_API int policy_memory_size(const PolicyModel *model);

/* Begin an episode: take the goal and forget the past. The arm is taken to have rested in its first state.
 *   reference (n): joint reference [rad]; may be null where no component reads it or the policy has a network for it
 *   goal (3): end-effector goal, world frame [m]; may be null where nothing reads it */
POLICY_API void policy_reset(const PolicyModel *model, float *memory, const double *reference, const double *goal);

/* Take another joint reference (n) [rad] in the middle of an episode. */
POLICY_API void policy_refer(const PolicyModel *model, float *memory, const double *reference);

/* One control step; enum PolicyStatus.
 *   state (S): measured at the motors, or estimated
 *   command (m): within the limits; raw (m): before they were applied, may be null */
POLICY_API int policy_step(const PolicyModel *model, float *memory, const double *state, double *command, double *raw);

/* Tell a policy that reads past commands what was sent (m) in place of its last command. */
POLICY_API void policy_observe(const PolicyModel *model, float *memory, const double *command);

#ifdef __cplusplus
}
#endif
#endif
