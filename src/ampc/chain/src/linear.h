/* Small dense systems; included by kernel.h once for each size. Matrices are column-major with `size` rows.
 *
 * No pivoting: the matrices here are inertias, and inertias plus h damping + h^2 stiffness, whose leading blocks are
 * regular. Should one not be, infinities arise, which the callers look for.
 */

/* A = L U in place; the reciprocals of U's diagonal stand on the diagonal. */
static INLINE void NAME(factorise)(const int size, double *RESTRICT A) {
  for (int k = 0; k < size; k++) {
    double *RESTRICT pivot = A + k * size;
    const double inverse = 1.0 / pivot[k];
    pivot[k] = inverse;
    for (int i = k + 1; i < size; i++) pivot[i] *= inverse;
    for (int j = k + 1; j < size; j++) {
      double *RESTRICT column = A + j * size;
      const double factor = column[k];
      for (int i = k + 1; i < size; i++) column[i] -= pivot[i] * factor;
    }
  }
}

/* b <- A^-1 b. */
static INLINE void NAME(solve)(const int size, const double *RESTRICT LU, double *RESTRICT b) {
  for (int k = 0; k < size; k++) {
    const double *RESTRICT column = LU + k * size;
    const double factor = b[k];
    for (int i = k + 1; i < size; i++) b[i] -= column[i] * factor;
  }
  for (int k = size - 1; k >= 0; k--) {
    const double *RESTRICT column = LU + k * size;
    const double factor = b[k] *= column[k];
    for (int i = 0; i < k; i++) b[i] -= column[i] * factor;
  }
}

/* B <- A^-1 B for row-major B (size, columns). */
static INLINE void NAME(solve_many)(const int size, const double *RESTRICT LU, const int columns, double *B) {
  for (int i = 1; i < size; i++) {
    double *RESTRICT row = B + i * columns;
    for (int k = 0; k < i; k++) {
      const double factor = LU[k * size + i];
      const double *RESTRICT other = B + k * columns;
      for (int l = 0; l < columns; l++) row[l] -= factor * other[l];
    }
  }
  for (int i = size - 1; i >= 0; i--) {
    double *RESTRICT row = B + i * columns;
    for (int k = i + 1; k < size; k++) {
      const double factor = LU[k * size + i];
      const double *RESTRICT other = B + k * columns;
      for (int l = 0; l < columns; l++) row[l] -= factor * other[l];
    }
    const double inverse = LU[i * size + i];
    for (int l = 0; l < columns; l++) row[l] *= inverse;
  }
}

/* C += A B for column-major A (n, n) and row-major B, C (n, columns). */
static INLINE void NAME(add_product)(const int n, const int columns, const double *RESTRICT A,
                                     const double *RESTRICT B, double *RESTRICT C) {
  for (int i = 0; i < n; i++) {
    double *RESTRICT row = C + i * columns;
    for (int k = 0; k < n; k++) {
      const double factor = A[k * n + i];
      const double *RESTRICT other = B + k * columns;
      for (int l = 0; l < columns; l++) row[l] += factor * other[l];
    }
  }
}
