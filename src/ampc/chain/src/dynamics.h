/* Equations of motion in the kernel's coordinates; included by kernel.h once for each size.
 *
 * Coordinates p = (q_0, phi_1..phi_N), velocities v = (W, w_1..w_N): the yaw angle, and for each body
 *     phi_i = theta_i + c q_0,   theta_i = offset_i + q_1 + ... + q_i,
 * where c is the vertical component of the joint axes. w_i is then the body's whole rate of turn about the joint
 * axis, and the kinetic energy has no term that mixes W and w, tilted axes or not:
 *     T = 1/2 W^2 (J0 + s^2 K(theta)) + 1/2 w' M w + armatures,   M_ij = A_ij cos(theta_i - theta_j) + d_ij Izz_i,
 *     K = sum_ij A_ij cos theta_i cos theta_j + sum_i (Ixx_i sin^2 theta_i + Iyy_i cos^2 theta_i).
 */

/* Coordinates from x = [q, dq]. */
static INLINE void NAME(to_kernel)(const ChainModel *model, const double *x, double *p, double *v) {
  const int n = BODIES + 1;
  double angle = model->cos_tilt * x[0], rate = model->cos_tilt * x[n];
  p[0] = x[0];
  v[0] = x[n];
  for (int i = 1; i < n; i++) {
    angle += x[i];
    rate += x[n + i];
    p[i] = angle + model->offset[i - 1];
    v[i] = rate;
  }
}

/* x = [q, dq] from coordinates. */
static INLINE void NAME(to_joints)(const ChainModel *model, const double *p, const double *v, double *x) {
  const int n = BODIES + 1;
  double angle = model->cos_tilt * p[0], rate = model->cos_tilt * v[0];
  x[0] = p[0];
  x[n] = v[0];
  for (int i = 1; i < n; i++) {
    const double next = p[i] - model->offset[i - 1];
    x[i] = next - angle;
    x[n + i] = v[i] - rate;
    angle = next;
    rate = v[i];
  }
}

/* Rows of derivatives (n, columns) of coordinates, in place, into rows of derivatives of joint positions. */
static INLINE void NAME(rows_to_joints)(const ChainModel *model, int columns, double *rows) {
  for (int i = BODIES; i >= 1; i--) {
    const double factor = i > 1 ? 1.0 : model->cos_tilt;
    double *row = rows + i * columns;
    const double *before = row - columns;
    for (int l = 0; l < columns; l++) row[l] -= factor * before[l];
  }
}

/* Columns first..first+n of derivatives by coordinates (rows, stride), in place, into derivatives by joint positions. */
static INLINE void NAME(columns_to_joints)(const ChainModel *model, int rows, int stride, int first,
                                           double *matrix) {
  for (int k = 0; k < rows; k++) {
    double *row = matrix + k * stride + first;
    for (int j = BODIES - 1; j >= 1; j--) row[j] += row[j + 1];
    row[0] += model->cos_tilt * row[1];
  }
}

/* Generalised force (n) of the motor torques on the coordinates. */
static INLINE void NAME(motor_force)(const ChainModel *model, const double *u, double *force) {
  for (int i = 0; i <= BODIES; i++) force[i] = 0.0;
  for (int j = 0; j < model->motors; j++) {
    const int joint = model->motor_joint[j];
    force[joint] += u[j];
    if (joint > 1) force[joint - 1] -= u[j];
    if (joint == 1) force[0] -= model->cos_tilt * u[j];
  }
}

/* Residual r (n) = all forces - (inertia) a of the equations of motion at p, v, a and motor force f; zero at the
 * true acceleration. If `M` is not NULL also, column by column (n, n): the inertia M, K = dr/dp and D = dr/dv. */
static INLINE void NAME(residual)(const ChainModel *model, const double *p, const double *v,
                                  const double *a, const double *f, double *r,
                                  double *M, double *K, double *D) {
  const int N = BODIES, n = BODIES + 1;
  const double c = model->cos_tilt, s2 = model->sin_tilt * model->sin_tilt;
  const double weight = model->gravity * model->sin_tilt;
  const double W = v[0];
  const double *w = v + 1;
  const double *A = model->coupling;
  double theta[LOCAL], C[LOCAL], S[LOCAL], y[LOCAL], z[LOCAL];
  double AC[LOCAL], Ay[LOCAL], Az[LOCAL], slope[LOCAL], excess[LOCAL], pull[LOCAL];

  for (int i = 0; i < N; i++) theta[i] = p[1 + i] - c * p[0];
  for (int i = 0; i < N; i++) {
    C[i] = cos(theta[i]);
    S[i] = sin(theta[i]);
  }
  for (int i = 0; i < N; i++) {
    y[i] = C[i] * a[1 + i] - S[i] * w[i] * w[i];
    z[i] = S[i] * a[1 + i] + C[i] * w[i] * w[i];
    AC[i] = Ay[i] = Az[i] = 0.0;
  }
  for (int j = 0; j < N; j++) {
    const double *column = A + j * N;
    for (int i = 0; i < N; i++) {
      AC[i] += column[i] * C[j];
      Ay[i] += column[i] * y[j];
      Az[i] += column[i] * z[j];
    }
  }

  /* slope = dK/dtheta; pull = gravity and centrifugal force of the yaw on each body. */
  double K_yaw = 0.0, slope_rate = 0.0, pull_sum = 0.0;
  for (int i = 0; i < N; i++) {
    excess[i] = model->inertia_across[i] - model->inertia_along[i];
    slope[i] = -2.0 * S[i] * (AC[i] + excess[i] * C[i]);
    pull[i] = 0.5 * s2 * W * W * slope[i] - weight * model->gravity_moment[i] * C[i];
  }
  for (int i = 0; i < N; i++) {
    K_yaw += C[i] * AC[i] + model->inertia_along[i] * S[i] * S[i] + model->inertia_across[i] * C[i] * C[i];
    slope_rate += slope[i] * (w[i] - c * W);
    pull_sum += pull[i];
  }
  const double J = model->yaw_inertia + s2 * K_yaw;
  r[0] = f[0] - model->yaw_stiffness * (p[0] - model->yaw_rest) - model->yaw_damping * W - c * pull_sum -
         s2 * W * slope_rate - J * a[0];
  for (int i = 0; i < N; i++)
    r[1 + i] = f[1 + i] + pull[i] - C[i] * Ay[i] - S[i] * Az[i] - model->inertia_normal[i] * a[1 + i];

  /* Spring, damper and armature of each joint act on body i and, reversed, on the body before (the yaw: c times). */
  for (int i = 0; i < N; i++) {
    const double lever = i ? 1.0 : c, angle = i ? theta[i - 1] : 0.0;
    const double stiffness = model->stiffness[i] + model->stiffness_scale * model->flexible_stiffness[i];
    const double torque = -stiffness * (theta[i] - angle - model->rest[i]) -
                          model->damping[i] * (v[1 + i] - lever * v[i]) -
                          model->armature[i] * (a[1 + i] - lever * a[i]);
    r[1 + i] += torque;
    r[i] -= lever * torque;
  }
  if (!M) return;

  for (int j = 0; j < N; j++) {
    const double *column = A + j * N;
    double *Mj = M + (1 + j) *n + 1, *Kj = K + (1 + j) *n + 1, *Dj = D + (1 + j) *n + 1;
    const double Cj = C[j], Sj = S[j], yj = y[j], zj = z[j], turn = s2 * W * W * Sj, twice = 2.0 * w[j];
    INDEPENDENT
    for (int i = 0; i < N; i++) {
      Mj[i] = column[i] * (C[i] * Cj + S[i] * Sj);
      Kj[i] = column[i] * (C[i] * zj - S[i] * yj + S[i] * turn);
      Dj[i] = column[i] * (C[i] * Sj - S[i] * Cj) *twice;
    }
  }
  /* H z, with H the Hessian of K(theta): how the yaw's own equation depends on theta. */
  double Hz[LOCAL], bend[LOCAL];
  for (int i = 0; i < N; i++) {
    bend[i] = -2.0 * C[i] * (AC[i] + excess[i] * C[i]) + 2.0 * excess[i] * S[i] * S[i];
    z[i] = -s2 * W * (w[i] - 0.5 * c * W);
    y[i] = S[i] * z[i];
    Hz[i] = 0.0;
  }
  for (int j = 0; j < N; j++) {
    const double *column = A + j * N;
    for (int i = 0; i < N; i++) Hz[i] += column[i] * y[j];
  }
  M[0] = J;
  K[0] = -model->yaw_stiffness;
  D[0] = -model->yaw_damping - s2 * slope_rate;
  for (int i = 0; i < N; i++) {
    const int row = 1 + i, diagonal = row * n + row;
    const double sink = weight * model->gravity_moment[i] * S[i];
    M[row] = M[row * n] = 0.0;
    M[diagonal] += model->inertia_normal[i];
    K[diagonal] += S[i] * Ay[i] - C[i] * Az[i] + 0.5 * s2 * W * W * bend[i] + sink;
    K[row * n] = 2.0 * S[i] * Hz[i] + bend[i] * z[i] - c * sink - s2 * slope[i] * a[0];
    D[row] = s2 * W * slope[i];
    D[row * n] = -s2 * W * slope[i];
  }
  /* Only theta = phi - c q_0 enters so far, so that dr/dq_0 = -c sum_i dr/dphi_i. */
  for (int i = 0; i < N; i++) K[1 + i] = 0.0;
  for (int j = 1; j < n; j++)
    for (int i = 0; i < n; i++) K[i] -= c * K[j * n + i];
  for (int i = 0; i < N; i++) {
    const double lever = i ? 1.0 : c;
    const double stiffness = model->stiffness[i] + model->stiffness_scale * model->flexible_stiffness[i];
    const int before = i * n + i, after = (i + 1) *n + i + 1, left = i * n + i + 1, right = (i + 1) *n + i;
    M[after] += model->armature[i];
    M[before] += lever * lever * model->armature[i];
    M[left] -= lever * model->armature[i];
    M[right] -= lever * model->armature[i];
    K[after] -= stiffness;
    K[before] -= lever * lever * stiffness;
    K[left] += lever * stiffness;
    K[right] += lever * stiffness;
    D[after] -= model->damping[i];
    D[before] -= lever * lever * model->damping[i];
    D[left] += lever * model->damping[i];
    D[right] += lever * model->damping[i];
  }
}
