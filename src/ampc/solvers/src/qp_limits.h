/* Limits of a stage, one side (lower or upper) of four of them at a time; included by qp.c.
 *
 * With y = +-(limited quantity) and b = +-limit, a side is  y + s >= b,  s >= 0,  cost l1 s + 1/2 l2 s^2. The
 * interior-point method keeps t = y + s - b > 0 and the multipliers lambda of it and nu of s >= 0, and drives
 *
 *   rp = y + s - t - b = 0,   rd = l1 + l2 s - lambda - nu = 0,   t lambda = s nu = mu.
 *
 * Newton's direction for given dy follows in closed form, d lambda = kappa - weight dy, so that a soft limit
 * adds to the Riccati recursion what a hard one does. A hard limit has s = 0 and no nu. An equality has neither, nor t.
 * A step leaves -delta d lambda of rp (proximal method of multipliers): this bounds the weights by 1 / delta, and is
 * all that an equality's multiplier follows from.
 */

/* What steps along a direction depend on. */
typedef struct {
  double limit[4];             /* largest of -(change / value), whose inverse is the longest step */
  double linear[4], square[4]; /* change of sum(t lambda) + sum(s nu): step linear + step^2 square */
} Reach;

/* Weights of the Riccati recursion at the present iterate. */
static INLINE void side_weights(Side *side, double *weight) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double lambda = side->on[i] * side->lambda[i] + side->equal[i];
    side->by_s[i] = 1.0 / side->s[i];
    side->d[i] = side->soft[i] / (side->l2[i] + side->nu[i] * side->by_s[i]);
    side->by_e[i] = 1.0 / ((1.0 - side->equal[i]) * side->t[i] + lambda * (side->d[i] + side->soften[i]));
    weight[i] += lambda * side->by_e[i];
  }
}

/* The limit of the weights on the way to the solution: what is met with a multiplier is met for good, what is not has no
 * weight. `stiff` gets the part that stands for an infinite weight. */
static void side_sharp_weights(const Side *side, double *weight, double *stiff) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double threshold = PROXIMAL / side->soften[i];
    const int met = side->on[i] != 0.0 && side->lambda[i] > threshold * side->t[i];
    const int beyond = met && side->soft[i] != 0.0 && side->nu[i] < threshold * side->s[i];
    if (beyond) weight[i] += side->l2[i];
    else if (met || side->equal[i] != 0.0) {
      weight[i] += STIFF * threshold;
      stiff[i] += STIFF * threshold;
    }
  }
}

/* What the direction towards complementarity `target` has beside the terms in dy; with `second` = 1 less the products
 * of the changes along the direction before. */
static INLINE void side_pull(Side *side, const double target, const double second, double *pull) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double lambda = side->on[i] * side->lambda[i] + side->equal[i];
    const double c1 = target - side->t[i] * side->lambda[i] - second * side->dt[i] * side->dlambda[i];
    const double c2 = target - second * side->ds[i] * side->dnu[i];
    side->q[i] = side->soft[i] * (c2 * side->by_s[i] - side->nu[i] - side->rd[i]);
    side->kappa[i] = (side->on[i] * c1 - lambda * (side->rp[i] + side->q[i] * side->d[i])) * side->by_e[i];
    pull[i] += side->sign * side->kappa[i];
  }
}

/* The direction for changes dy of the limited quantities. */
static INLINE void side_direction(Side *side, const double *dy) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double lambda = side->on[i] * side->lambda[i] + side->equal[i];
    const double c2 = side->soft[i] * (side->q[i] + side->nu[i] + side->rd[i]);
    const double change = side->sign * dy[i];
    side->dlambda[i] = side->kappa[i] - lambda * side->by_e[i] * change;
    side->ds[i] = (side->q[i] + side->dlambda[i]) * side->d[i];
    side->dt[i] = side->on[i] * (change + side->ds[i] + side->rp[i] + side->soften[i] * side->dlambda[i]);
    side->dnu[i] = c2 - side->soft[i] * side->nu[i] * (1.0 + side->ds[i] * side->by_s[i]);
  }
}

static INLINE void side_reach(const Side *side, Reach *reach) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double dlambda = side->on[i] * side->dlambda[i];
    const double by_t = -side->dt[i] / side->t[i], by_s = -side->ds[i] * side->by_s[i];
    const double by_lambda = -dlambda / side->lambda[i], by_nu = -side->dnu[i] / side->nu[i];
    /* The comparison leaves out 0 / 0, of what does not exist. */
    reach->limit[i] = larger(by_t, larger(by_lambda, larger(by_s, larger(by_nu, reach->limit[i]))));
    reach->linear[i] += side->t[i] * dlambda + side->lambda[i] * side->dt[i];
    reach->linear[i] += side->s[i] * side->dnu[i] + side->nu[i] * side->ds[i];
    reach->square[i] += side->dt[i] * dlambda + side->ds[i] * side->dnu[i];
  }
}

/* One recursion down from the last stage and one up again. */
typedef struct {
  double remaining;      /* part of the residuals of stationarity and equations that is left */
  double target, second; /* as in side_pull */
  int factorise, gaps, costates; /* whether to factorise, to close the equations' gaps, to find the costates' change */
  int limits;            /* whether the sides take part; otherwise `weight` and `pull` are as given */
  Reach reach;           /* out: of the sides */
} Sweep;

/* The sides' part of a stage on the way down. */
static NOT_INLINE void stage_pull(const Work *w, const int k, const Sweep *sweep) {
  double *weight = AT(w, weight, k), *pull = AT(w, pull, k);
  for (int i = 0; i < w->L; i++) pull[i] = 0.0;
  if (sweep->factorise) {
    for (int i = 0; i < w->L; i++) weight[i] = 0.0;
    EACH_SIDE(w, k, side) side_weights(side, weight + side->position);
  }
  EACH_SIDE(w, k, side) side_pull(side, sweep->target, sweep->second, pull + side->position);
}

/* And up. */
static NOT_INLINE void stage_look(const Work *w, const int k, Reach *reach) {
  EACH_SIDE(w, k, side) {
    side_direction(side, AT(w, change, k) + side->position);
    side_reach(side, reach);
  }
}

/* Go a step; adds up the products t lambda + s nu and keeps the largest relative one. */
static INLINE void side_step(Side *side, const double step, double *sum, double *worst) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    side->t[i] += step * side->dt[i];
    side->lambda[i] += step * side->dlambda[i];
    side->s[i] += step * side->ds[i];
    side->nu[i] += step * side->dnu[i];
    side->rp[i] -= step * (side->rp[i] + side->soften[i] * side->dlambda[i]);
    side->rd[i] -= step * side->rd[i];
    const double product = side->on[i] * side->t[i] * side->lambda[i];
    const double slack_product = side->soft[i] * side->s[i] * side->nu[i];
    sum[i] += product + slack_product;
    worst[i] = larger(side->by_scale[i] * larger(product, slack_product), worst[i]);
  }
}

/* Largest violations of the optimality conditions by limits, relative, in four lanes. */
typedef struct {
  double limits[4], dual[4], products[4];
  double by_scale[4]; /* largest of what products are multiplied by */
} Violations;

/* The side at the iterate with limited quantities `value`: rp and rd, and what violates the optimality conditions with
 * the slack that z itself says. Distances are relative to `quantity` + the limit, products of distances and multipliers
 * to distance times force, or `cost` if that is more. A multiplier above the price is relative to the price or, as a
 * limit that is met has none if l1 = 0, to what such a product makes of it, or a limit moved by such a distance. */
static INLINE void side_residuals(Side *side, const double *value, const double *quantity, const double *force,
                                  const double cost, Violations *worst) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double y = side->sign * value[i], b = side->bound[i], lambda = side->lambda[i];
    const double distance = quantity[i] + fabs(b), below = larger(b - y, 0.0), above = larger(y - b, 0.0);
    const double slack = side->soft[i] * below, price = side->l1[i] + side->l2[i] * slack;
    const double exists = side->on[i] + side->equal[i], worth = larger(force[i] * distance, cost);
    const double by_scale = 1.0 / worth, least = smaller(worth / distance, side->l2[i] * distance) + SMALLEST;
    const double off = (exists * below + side->equal[i] * above - slack) / distance;
    const double dual = side->soft[i] * (lambda - price) / larger(price, least);
    const double product = larger(side->on[i] * lambda * above, slack * (price - lambda)) * by_scale;
    side->by_scale[i] = by_scale;
    side->rp[i] = exists * (y - b) + side->soft[i] * side->s[i] - side->on[i] * side->t[i];
    side->rd[i] = side->soft[i] * (side->l1[i] + side->l2[i] * side->s[i] - lambda - side->nu[i]);
    worst->limits[i] = larger(off, worst->limits[i]);
    worst->dual[i] = larger(dual, worst->dual[i]);
    worst->products[i] = larger(product, worst->products[i]);
    worst->by_scale[i] = larger(side->on[i] * by_scale, worst->by_scale[i]);
  }
}

/* Put t, s and the multipliers on the central path of complementarity mu, as far as the limited quantities allow it;
 * hard limits keep the distance `least`. */
static INLINE void side_centre(Side *side, const double *value, const double mu) {
  INDEPENDENT
  for (int i = 0; i < 4; i++) {
    const double v = side->sign * value[i] - side->bound[i], l1 = side->l1[i], l2 = side->l2[i];
    const double hard = larger(v, side->least[i]);
    /* s of a soft limit solves mu / (v + s) + mu / s = price, where the price l1 + l2 s is found by repetition. */
    double price = l1 + l2 * larger(-v, 0.0) + sqrt(l2 * mu) + 1.0 - side->soft[i], s = 0.0, t = 0.0;
    for (int j = 0; j < 3; j++) {
      const double pull = price * v, root = sqrt(pull * pull + 4.0 * mu * mu), sum = root + fabs(pull);
      const double longer = (mu + 0.5 * sum) / price, shorter = (mu + 2.0 * mu * mu / sum) / price;
      s = v > 0.0 ? shorter : longer;
      t = v > 0.0 ? longer : shorter;
      price = l1 + l2 * s + 1.0 - side->soft[i];
    }
    side->s[i] = side->soft[i] > 0.0 ? s : 1.0;
    side->nu[i] = side->soft[i] > 0.0 ? mu / s : 1.0;
    t = side->soft[i] > 0.0 ? t : hard;
    side->t[i] = side->on[i] > 0.0 ? t : 1.0;
    side->lambda[i] = side->on[i] > 0.0 ? mu / t : side->lambda[i];
  }
}
