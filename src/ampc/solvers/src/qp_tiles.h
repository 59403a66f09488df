/* Products of matrices in pieces that fit the registers; included by qp.c.
 *
 * A tile is  start + left' right + left2' right2,  R rows of V columns; rows of `start`, `right`, `left2` and `right2`
 * are `width` apart. `start` may be NULL. Vector types keep compilers from inventing slower ways; where there are none
 * the same code works with single numbers.
 */

#if defined(__GNUC__)
#if defined(__AVX__)
#define LANES 4
#else
#define LANES 2
#endif
typedef double Lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
#if defined(__clang__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef long long Indices __attribute__((vector_size(32)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (Indices){i, j, k, l})
#endif
#else
#define LANES 1
typedef double Lanes;
#endif

#define TILE(R, V)                                                                                                    \
  static NOT_INLINE void tile_##R##_##V(const double *start, const int width, const int inner, const double *left,    \
                                        const int left_width, const double *right, const int inner2,                  \
                                        const double *left2, const double *right2, double *out, const int out_width) { \
    Lanes sum[R][V / LANES];                                                                                          \
    for (int r = 0; r < R; r++)                                                                                       \
      for (int v = 0; v < V / LANES; v++) sum[r][v] = start ? ((const Lanes *)(start + r * width))[v] : zeros;        \
    for (int l = 0; l < inner; l++)                                                                                   \
      for (int r = 0; r < R; r++) {                                                                                   \
        const double factor = left[l * left_width + r];                                                               \
        for (int v = 0; v < V / LANES; v++) sum[r][v] += factor * ((const Lanes *)(right + l * width))[v];            \
      }                                                                                                               \
    for (int l = 0; l < inner2; l++)                                                                                  \
      for (int r = 0; r < R; r++) {                                                                                   \
        const double factor = left2[l * width + r];                                                                   \
        for (int v = 0; v < V / LANES; v++) sum[r][v] += factor * ((const Lanes *)(right2 + l * width))[v];           \
      }                                                                                                               \
    for (int r = 0; r < R; r++)                                                                                       \
      for (int v = 0; v < V / LANES; v++) ((Lanes *)(out + r * out_width))[v] = sum[r][v];                            \
  }

static const Lanes zeros = {0.0};

TILE(4, 12)
TILE(4, 8)
TILE(4, 4)
TILE(3, 12)
TILE(3, 8)
TILE(3, 4)
TILE(2, 12)
TILE(2, 8)
TILE(2, 4)
#undef TILE

/* The same for any multiple of four columns and 2 to 4 rows. */
static INLINE void strip(const int rows, const int columns, const double *start, const int width, const int inner,
                         const double *left, const int left_width, const double *right, const int inner2,
                         const double *left2, const double *right2, double *out, const int out_width) {
#define TILE(R, V)                                                                                             \
  tile_##R##_##V(start ? start + j : 0, width, inner, left, left_width, right + j, inner2, left2, right2 + j, \
                 out + j, out_width)
#define TILES(V)                \
  {                             \
    if (rows == 2) TILE(2, V);  \
    else if (rows == 3) TILE(3, V); \
    else TILE(4, V);            \
    j += V;                     \
  }
  int j = 0;
  while (columns - j >= 12 && columns - j != 16) TILES(12)
  while (columns - j >= 8) TILES(8)
  if (columns - j >= 4) TILES(4)
#undef TILES
#undef TILE
}

/* out = A x for R rows (1 to 4) of A, `width` apart and long, written as one group of four. */
static INLINE void dots(const int R, const int width, const double *A, const double *x, double *out) {
#if LANES == 4
  Lanes sum[4] = {zeros, zeros, zeros, zeros};
  for (int j = 0; j < width / 4; j++)
    for (int r = 0; r < R; r++) sum[r] += ((const Lanes *)(A + r * width))[j] * ((const Lanes *)x)[j];
  const Lanes low = SHUFFLE(sum[0], sum[1], 0, 4, 2, 6) + SHUFFLE(sum[0], sum[1], 1, 5, 3, 7);
  const Lanes high = SHUFFLE(sum[2], sum[3], 0, 4, 2, 6) + SHUFFLE(sum[2], sum[3], 1, 5, 3, 7);
  *(Lanes *)out = SHUFFLE(low, high, 0, 1, 4, 5) + SHUFFLE(low, high, 2, 3, 6, 7);
#else
  for (int r = 0; r < 4; r++) out[r] = 0.0;
  for (int r = 0; r < R; r++) {
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    for (int j = 0; j < width; j += 4)
      for (int v = 0; v < 4; v++) sum[v] += A[r * width + j + v] * x[j + v];
    out[r] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  }
#endif
}

/* out = A x; the last group of four is filled up with zeros. */
static INLINE void product(const int rows, const int width, const double *A, const double *x, double *out) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) dots(4, width, A + r * width, x, out + r);
  if (rows % 4 == 1) dots(1, width, A + r * width, x, out + r);
  if (rows % 4 == 2) dots(2, width, A + r * width, x, out + r);
  if (rows % 4 == 3) dots(3, width, A + r * width, x, out + r);
}

/* Copy the upper half of a symmetric matrix of n rows to its lower half. */
static INLINE void mirror(const int n, const int width, double *A) {
#if LANES == 4
  for (int i = 0; i < n; i += 4) {
    for (int a = i + 1; a < i + 4 && a < n; a++)
      for (int b = i; b < a; b++) A[a * width + b] = A[b * width + a];
    for (int j = i + 4; j < width; j += 4) {
      Lanes *at[4], row[4], pair[4];
      for (int r = 0; r < 4; r++) row[r] = *(Lanes *)(A + (i + r) * width + j);
      for (int r = 0; r < 4; r++) at[r] = (Lanes *)(A + (j + r) * width + i);
      pair[0] = SHUFFLE(row[0], row[1], 0, 4, 2, 6);
      pair[1] = SHUFFLE(row[0], row[1], 1, 5, 3, 7);
      pair[2] = SHUFFLE(row[2], row[3], 0, 4, 2, 6);
      pair[3] = SHUFFLE(row[2], row[3], 1, 5, 3, 7);
      *at[0] = SHUFFLE(pair[0], pair[2], 0, 1, 4, 5);
      *at[1] = SHUFFLE(pair[1], pair[3], 0, 1, 4, 5);
      *at[2] = SHUFFLE(pair[0], pair[2], 2, 3, 6, 7);
      *at[3] = SHUFFLE(pair[1], pair[3], 2, 3, 6, 7);
    }
  }
#else
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) A[i * width + j] = A[j * width + i];
#endif
}
