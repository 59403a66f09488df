#include <math.h>
#include <string.h>

#include "policy_parts.h"

/* y += x[0] rows[0] + ... of active rows, four at a time so that y is read and written once for all four. */
static void add_rows(int outputs, int rows, const int *active, const float *x, const float *weights, float *y) {
  int k = 0;
  for (; k + 4 <= rows; k += 4) {
    const float a = x[active[k]], b = x[active[k + 1]], c = x[active[k + 2]], d = x[active[k + 3]];
    const float *u = weights + (size_t)active[k] * (size_t)outputs, *v = weights + (size_t)active[k + 1] * (size_t)outputs;
    const float *w = weights + (size_t)active[k + 2] * (size_t)outputs, *z = weights + (size_t)active[k + 3] * (size_t)outputs;
    INDEPENDENT
    for (int i = 0; i < outputs; i++) y[i] += (a * u[i] + b * v[i]) + (c * w[i] + d * z[i]);
  }
  for (; k < rows; k++) {
    const float a = x[active[k]], *u = weights + (size_t)active[k] * (size_t)outputs;
    INDEPENDENT
    for (int i = 0; i < outputs; i++) y[i] += a * u[i];
  }
}

const float *policy_linear(int inputs, int outputs, const float *x, const float *map, float *y) {
  const float *bias = map + (size_t)inputs * (size_t)outputs;
  memcpy(y, bias, (size_t)outputs * sizeof(float));
  for (int start = 0; start < inputs; start += ROWS) {
    /* Half of the inputs are zero behind a ReLU, and rows of weights are what takes time to read. */
    int active[ROWS], rows = 0;
    for (int i = start; i < inputs && i < start + ROWS; i++) {
      active[rows] = i;
      rows += x[i] != 0.0f;
    }
    add_rows(outputs, rows, active, x, map, y);
  }
  return bias + outputs;
}

static void rectify(int length, float *y) {
  for (int i = 0; i < length; i++) y[i] = y[i] < 0.0f ? 0.0f : y[i];
}

static void feed_forward(const PolicyModel *model, const float *features, float *output, float *work) {
  const float *x = features, *map = model->network;
  int inputs = model->history * model->features;
  for (int layer = 0; layer < model->depth; layer++) {
    float *y = work + layer % 2 * model->width;
    map = policy_linear(inputs, model->width, x, map, y);
    rectify(model->width, y);
    x = y;
    inputs = model->width;
  }
  policy_linear(inputs, model->motors, x, map, output);
}

/* Gates r, z, n: n = tanh(n_x + r n_h), h = (1 - z) n + z h. */
static void gru_cell(int width, const float *from_input, const float *from_hidden, float *h) {
  const float *reset = from_input, *update = reset + width, *candidate = update + width;
  INDEPENDENT
  for (int i = 0; i < width; i++) {
    const float r = policy_sigmoid(reset[i] + from_hidden[i]), z = policy_sigmoid(update[i] + from_hidden[width + i]);
    const float n = policy_tanh(candidate[i] + r * from_hidden[2 * width + i]);
    h[i] = (1.0f - z) * n + z * h[i];
  }
}

/* Gates i, f, g, o: c = f c + i g, h = o tanh(c). */
static void lstm_cell(int width, const float *from_input, const float *from_hidden, float *h, float *c) {
  INDEPENDENT
  for (int i = 0; i < width; i++) {
    const float take = policy_sigmoid(from_input[i] + from_hidden[i]);
    const float keep = policy_sigmoid(from_input[width + i] + from_hidden[width + i]);
    const float candidate = policy_tanh(from_input[2 * width + i] + from_hidden[2 * width + i]);
    const float show = policy_sigmoid(from_input[3 * width + i] + from_hidden[3 * width + i]);
    c[i] = keep * c[i] + take * candidate;
    h[i] = show * policy_tanh(c[i]);
  }
}

static int gates(const PolicyModel *model) { return (model->architecture == POLICY_LSTM ? 4 : 3) * model->width; }

static void recurrent(const PolicyModel *model, const float *features, float *hidden, float *output, float *work) {
  const int width = model->width;
  const float *x = features, *map = model->network;
  float *from_input = work, *from_hidden = work + gates(model);
  int inputs = model->features;
  for (int layer = 0; layer < model->depth; layer++) {
    float *h = hidden + layer * width, *c = hidden + (model->depth + layer) * width;
    map = policy_linear(inputs, gates(model), x, map, from_input);
    map = policy_linear(width, gates(model), h, map, from_hidden);
    if (model->architecture == POLICY_GRU) gru_cell(width, from_input, from_hidden, h);
    else lstm_cell(width, from_input, from_hidden, h, c);
    x = h;
    inputs = width;
  }
  policy_linear(width, model->motors, x, map, output);
}

/* y = scale (x - mean) / sqrt(variance + 1e-5) + shift; returns what stands behind the shift. */
static const float *normalise(int width, const float *x, const float *scale, float *y) {
  float mean = 0.0f, variance = 0.0f;
  for (int i = 0; i < width; i++) mean += x[i];
  mean /= (float)width;
  for (int i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
  const float factor = 1.0f / sqrtf(variance / (float)width + 1e-5f);
  for (int i = 0; i < width; i++) y[i] = (x[i] - mean) * factor * scale[i] + scale[width + i];
  return scale + 2 * width;
}

/* Scaled dot-product attention of one entry; qkv (T,3 width), scores (T), y (width). */
static void attend(const PolicyModel *model, const float *qkv, int entry, float *scores, float *y) {
  const int width = model->width, size = width / model->heads, length = model->history;
  const float factor = 1.0f / sqrtf((float)size);
  memset(y, 0, (size_t)width * sizeof(float));
  for (int start = 0; start < width; start += size) {
    const float *query = qkv + entry * 3 * width + start;
    float largest = -3e38f, total = 0.0f;
    for (int k = 0; k < length; k++) {
      const float *key = qkv + (k * 3 + 1) * width + start;
      float sum = 0.0f;
      for (int i = 0; i < size; i++) sum += query[i] * key[i];
      scores[k] = sum * factor;
      largest = scores[k] > largest ? scores[k] : largest;
    }
    for (int k = 0; k < length; k++) {
      scores[k] = policy_exp(scores[k] - largest);
      total += scores[k];
    }
    for (int k = 0; k < length; k++) {
      const float *value = qkv + (k * 3 + 2) * width + start, share = scores[k] / total;
      for (int i = 0; i < size; i++) y[start + i] += share * value[i];
    }
  }
}

static void transformer(const PolicyModel *model, const float *features, float *output, float *work) {
  const int width = model->width, length = model->history;
  float *x = work, *qkv = x + length * width, *y = qkv + length * 3 * width, *scores = y + 4 * width, *z = scores + length;
  const float *map = model->network, *positions = map + (model->features + 1) * width;
  for (int k = 0; k < length; k++) {
    policy_linear(model->features, width, features + k * model->features, map, x + k * width);
    for (int i = 0; i < width; i++) x[k * width + i] += positions[k * width + i];
  }
  const float *after = positions + length * width;
  for (int layer = 0; layer < model->depth; layer++) {
    const float *first_norm = after, *behind = after;
    for (int k = 0; k < length; k++) {
      const float *to_qkv = normalise(width, x + k * width, first_norm, y);
      behind = policy_linear(width, 3 * width, y, to_qkv, qkv + k * 3 * width);
    }
    const float *from_attention = behind;
    for (int k = 0; k < length; k++) {
      float *entry = x + k * width;
      attend(model, qkv, k, scores, y);
      const float *second_norm = policy_linear(width, width, y, from_attention, z);
      for (int i = 0; i < width; i++) entry[i] += z[i];
      const float *widen = normalise(width, entry, second_norm, z);
      const float *narrow = policy_linear(width, 4 * width, z, widen, y);
      rectify(4 * width, y);
      after = policy_linear(4 * width, width, y, narrow, z);
      for (int i = 0; i < width; i++) entry[i] += z[i];
    }
  }
  const float *readout = after;
  memset(z, 0, (size_t)width * sizeof(float));
  for (int k = 0; k < length; k++) {
    readout = normalise(width, x + k * width, after, y);
    for (int i = 0; i < width; i++) z[i] += y[i] / (float)length;
  }
  policy_linear(width, model->motors, z, readout, output);
}

int policy_hidden_size(const PolicyModel *model) {
  switch (model->architecture) {
    case POLICY_LSTM: return 2 * model->depth * model->width;
    case POLICY_GRU: return model->depth * model->width;
    default: return 0;
  }
}

int policy_network_work(const PolicyModel *model) {
  const int width = model->width, length = model->history;
  switch (model->architecture) {
    case POLICY_FFN: return 2 * width;
    case POLICY_TRANSFORMER: return length * 4 * width + 5 * width + length;
    default: return 2 * gates(model);
  }
}

void policy_network(const PolicyModel *model, const float *features, float *hidden, float *output, float *work) {
  switch (model->architecture) {
    case POLICY_FFN: feed_forward(model, features, output, work); break;
    case POLICY_TRANSFORMER: transformer(model, features, output, work); break;
    default: recurrent(model, features, hidden, output, work);
  }
}
