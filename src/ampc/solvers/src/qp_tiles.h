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
