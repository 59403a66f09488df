/* Points of the bodies: kinematics, the same code for all sizes. */

int chain_points(const ChainModel *model, const double *x, double *position, double *velocity,
                 double *d_position, double *d_velocity) {
  if (!well_sized(model)) return CHAIN_BAD_ARGUMENT;
  const int N = model->bodies, n = N + 1;
  const double c = model->cos_tilt, s = model->sin_tilt, W = x[n];
  const double cos_yaw = cos(x[0] + model->heading), sin_yaw = sin(x[0] + model->heading);
  double C[CHAIN_MAX_BODIES], S[CHAIN_MAX_BODIES], rate[CHAIN_MAX_BODIES];
  double angle = 0.0, turn = 0.0, sum = 0.0;
  for (int i = 0; i < N; i++) {
    angle += x[1 + i];
    turn += x[n + 1 + i];
    C[i] = cos(angle + model->offset[i]);
    S[i] = sin(angle + model->offset[i]);
    rate[i] = turn;
  }
  for (int e = 0; e < model->points; e++) {
    const double *along = model->point_along + e * N, *across = model->point_across + e * N;
    double *P = position + 3 * e, *V = velocity + 3 * e;
    /* In the chain's plane: (r, h), its rates, and (r, h)_theta_i = (-dh_i, dr_i). */
    double dr[CHAIN_MAX_BODIES], dh[CHAIN_MAX_BODIES];
    double r = 0.0, h = 0.0, r_rate = 0.0, h_rate = 0.0;
    for (int i = 0; i < N; i++) {
      dr[i] = along[i] * C[i] - across[i] * S[i];
      dh[i] = along[i] * S[i] + across[i] * C[i];
      r += dr[i];
      h += dh[i];
      r_rate -= dh[i] * rate[i];
      h_rate += dr[i] * rate[i];
    }
    /* The plane's height is tilted by c sideways: world = yaw (r, c h, s h). */
    P[0] = model->base[0] + r * cos_yaw - c * h * sin_yaw;
    P[1] = model->base[1] + r * sin_yaw + c * h * cos_yaw;
    P[2] = model->base[2] + s * h;
    const double forward = r_rate - c * h * W, sideways = c * h_rate + r * W;
    V[0] = forward * cos_yaw - sideways * sin_yaw;
    V[1] = forward * sin_yaw + sideways * cos_yaw;
    V[2] = s * h_rate;
    for (int k = 0; k < 3; k++) sum += P[k] - P[k] + V[k] - V[k];
    if (!d_position || !d_velocity) continue;

    double *dP = d_position + 3 * n * e, *dV = d_velocity + 6 * n * e;
    for (int k = 0; k < 3; k++) dP[k * n] = dV[k * 2 * n] = dV[k * 2 * n + n] = 0.0;
    dP[0] = -(P[1] - model->base[1]);
    dP[n] = P[0] - model->base[0];
    dV[0] = -V[1];
    dV[2 * n] = V[0];
    /* A joint moves its own body and all after it: sums from the tip. */
    double r_i = 0.0, h_i = 0.0, r_rate_i = 0.0, h_rate_i = 0.0;
    for (int i = N - 1; i >= 0; i--) {
      r_i -= dh[i];
      h_i += dr[i];
      r_rate_i -= dr[i] * rate[i];
      h_rate_i -= dh[i] * rate[i];
      const double forward_i = r_rate_i - c * h_i * W, sideways_i = c * h_rate_i + r_i * W;
      dP[1 + i] = r_i * cos_yaw - c * h_i * sin_yaw;
      dP[n + 1 + i] = r_i * sin_yaw + c * h_i * cos_yaw;
      dP[2 * n + 1 + i] = s * h_i;
      dV[1 + i] = forward_i * cos_yaw - sideways_i * sin_yaw;
      dV[2 * n + 1 + i] = forward_i * sin_yaw + sideways_i * cos_yaw;
      dV[4 * n + 1 + i] = s * h_rate_i;
    }
    for (int k = 0; k < 3; k++)
      for (int i = 0; i < n; i++) dV[k * 2 * n + n + i] = dP[k * n + i];
  }
  return sum == 0.0 ? CHAIN_OK : CHAIN_NOT_FINITE;
}
