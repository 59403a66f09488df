/* Small dense systems; included by kernel.h once for each size. Matrices are column-major with `size` rows.
 *
 * No pivoting: the matrices here are inertias, and inertias plus h damping + h^2 stiffness, whose leading blocks are
 * regular. Should one not be, infinities arise, which the callers look for.
 */

/* A = L U in place; the reciprocals of U's diagonal stand on the diagonal. Four columns at a time, since reading and
 * writing the rest of the matrix is what takes the time. */
static INLINE void NAME(factorise)(const int size, double *A) {
  for (int k = 0; k < size; k += 4) {
    const int end = k + 4 < size ? k + 4 : size;
    for (int a = k; a < end; a++) {
      double *pivot = A + a * size;
      const double inverse = 1.0 / pivot[a];
      pivot[a] = inverse;
      for (int i = a + 1; i < size; i++) pivot[i] *= inverse;
      for (int b = a + 1; b < end; b++) {
        double *column = A + b * size;
        const double factor = column[a];
        INDEPENDENT
        for (int i = a + 1; i < size; i++) column[i] -= pivot[i] * factor;
      }
    }
    const double *p0 = A + k * size, *p1 = p0 + size, *p2 = p1 + size, *p3 = p2 + size;
    for (int j = k + 4; j < size; j++) {
      double *column = A + j * size;
      const double f0 = column[k];
      const double f1 = column[k + 1] -= p0[k + 1] * f0;
      const double f2 = column[k + 2] -= p0[k + 2] * f0 + p1[k + 2] * f1;
      const double f3 = column[k + 3] -= p0[k + 3] * f0 + p1[k + 3] * f1 + p2[k + 3] * f2;
      INDEPENDENT
      for (int i = k + 4; i < size; i++) column[i] -= p0[i] * f0 + p1[i] * f1 + p2[i] * f2 + p3[i] * f3;
    }
  }
}

/* b <- A^-1 b. */
static INLINE void NAME(solve)(const int size, const double *LU, double *b) {
  for (int k = 0; k < size; k++) {
    const double *column = LU + k * size;
    const double factor = b[k];
    INDEPENDENT
    for (int i = k + 1; i < size; i++) b[i] -= column[i] * factor;
  }
  for (int k = size - 1; k >= 0; k--) {
    const double *column = LU + k * size;
    const double factor = b[k] *= column[k];
    INDEPENDENT
    for (int i = 0; i < k; i++) b[i] -= column[i] * factor;
  }
}

/* out (columns) += sign sum_k factor_k row_k, for `count` factors `stride` apart and consecutive rows. Four rows at a
 * time, since reading and writing `out` is what takes the time. */
static INLINE void NAME(add_rows)(const int count, const double sign, const double *factors, const int stride,
                                  const double *rows, const int columns, double *out) {
  int k = 0;
  for (; k + 4 <= count; k += 4) {
    const double f0 = sign * factors[k * stride], f1 = sign * factors[(k + 1) *stride];
    const double f2 = sign * factors[(k + 2) *stride], f3 = sign * factors[(k + 3) *stride];
    const double *r0 = rows + k * columns, *r1 = r0 + columns;
    const double *r2 = r1 + columns, *r3 = r2 + columns;
    INDEPENDENT
    for (int l = 0; l < columns; l++) out[l] += f0 * r0[l] + f1 * r1[l] + f2 * r2[l] + f3 * r3[l];
  }
  for (; k < count; k++) {
    const double factor = sign * factors[k * stride];
    const double *row = rows + k * columns;
    INDEPENDENT
    for (int l = 0; l < columns; l++) out[l] += factor * row[l];
  }
}

/* B <- A^-1 B for row-major B (size, columns). */
static INLINE void NAME(solve_many)(const int size, const double *LU, const int columns, double *B) {
  for (int i = 1; i < size; i++) NAME(add_rows)(i, -1.0, LU + i, size, B, columns, B + i * columns);
  for (int i = size - 1; i >= 0; i--) {
    double *row = B + i * columns;
    NAME(add_rows)(size - 1 - i, -1.0, LU + (i + 1) *size + i, size, row + columns, columns, row);
    const double inverse = LU[i * size + i];
    for (int l = 0; l < columns; l++) row[l] *= inverse;
  }
}

/* C += A B for column-major A (n, n) and row-major B, C (n, columns). */
static INLINE void NAME(add_product)(const int n, const int columns, const double *A, const double *B, double *C) {
  for (int i = 0; i < n; i++) NAME(add_rows)(n, 1.0, A + i, n, B, columns, C + i * columns);
}
