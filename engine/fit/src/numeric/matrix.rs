//! Dense matrices of a few dozen rows, row by row in one slice: Cholesky and elimination.

/// Factors the symmetric positive matrix `a` (n x n, lower triangle read) in place to its Cholesky factor; `false`
/// where a pivot is not above 0.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        let pivot = a[j * n + j] - dot(&a[j * n..j * n + j], &a[j * n..j * n + j]);
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        let (above, below) = a.split_at_mut((j + 1) * n);
        let own = &above[j * n..j * n + j];
        let mut rows = below.chunks_exact_mut(4 * n);
        for four in &mut rows {
            let sums = four_dots(four, n, own);
            four.chunks_exact_mut(n)
                .zip(sums)
                .for_each(|(row, sum)| row[j] = (row[j] - sum) / root);
        }
        for row in rows.into_remainder().chunks_exact_mut(n) {
            row[j] = (row[j] - dot(&row[..j], own)) / root;
        }
    }
    true
}

/// [`dot`] of the starts of four rows with one: four sums at a time, each in its own order, do not wait for each other.
fn four_dots(rows: &[f64], n: usize, one: &[f64]) -> [f64; 4] {
    let of = |k: usize| &rows[k * n..k * n + one.len()];
    let pairs = of(0).iter().zip(of(1)).zip(of(2).iter().zip(of(3))).zip(one);
    // As the sum of an iterator starts.
    let mut sums = [-0.0; 4];
    for (((a, b), (c, d)), x) in pairs {
        sums[0] += a * x;
        sums[1] += b * x;
        sums[2] += c * x;
        sums[3] += d * x;
    }
    sums
}

/// Solves `L L' x = b` in place with the factor of [`cholesky`].
pub(crate) fn cholesky_solve(factor: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        b[i] = (b[i] - dot(&factor[i * n..i * n + i], &b[..i])) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| factor[k * n + i] * b[k]).sum();
        b[i] = (b[i] - sum) / factor[i * n + i];
    }
}

/// Solves `a x = b` in place by elimination with partial pivoting; `false` where `a` is singular.
pub(crate) fn solve(a: &mut [f64], n: usize, b: &mut [f64]) -> bool {
    for column in 0..n {
        let largest = (column..n)
            .max_by(|p, q| a[p * n + column].abs().total_cmp(&a[q * n + column].abs()))
            .unwrap_or(column);
        if !(a[largest * n + column].abs() > 0.0 && a[largest * n + column].is_finite()) {
            return false;
        }
        if largest != column {
            (0..n).for_each(|k| a.swap(column * n + k, largest * n + k));
            b.swap(column, largest);
        }
        eliminate(a, n, b, column);
    }
    for row in (0..n).rev() {
        let sum: f64 = (row + 1..n).map(|k| a[row * n + k] * b[k]).sum();
        b[row] = (b[row] - sum) / a[row * n + row];
    }
    b.iter().all(|value| value.is_finite())
}

fn eliminate(a: &mut [f64], n: usize, b: &mut [f64], column: usize) {
    for row in column + 1..n {
        let factor = a[row * n + column] / a[column * n + column];
        if factor == 0.0 {
            continue;
        }
        for k in column..n {
            a[row * n + k] -= factor * a[column * n + k];
        }
        b[row] -= factor * b[column];
    }
}

/// Weighted least squares `rows x = y` with a small ridge relative to the largest diagonal: never fails, for starts.
pub(crate) fn ridge(
    rows: &[f64],
    columns: usize,
    y: &[f64],
    weights: &[f64],
    ridge: f64,
) -> Vec<f64> {
    let mut normal = vec![0.0; columns * columns];
    let mut right = vec![0.0; columns];
    for ((row, y), w) in rows.chunks_exact(columns).zip(y).zip(weights) {
        for i in 0..columns {
            right[i] += w * row[i] * y;
            for j in 0..=i {
                normal[i * columns + j] += w * row[i] * row[j];
            }
        }
    }
    let largest = (0..columns).map(|i| normal[i * columns + i]).fold(f64::MIN_POSITIVE, f64::max);
    for i in 0..columns {
        normal[i * columns + i] += ridge * largest;
    }
    if cholesky(&mut normal, columns) {
        cholesky_solve(&normal, columns, &mut right);
        return right;
    }
    vec![0.0; columns]
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn random_spd(n: usize, seed: u64) -> Vec<f64> {
        let mut stream = Stream::new(seed, 0);
        let b: Vec<f64> = (0..n * n).map(|_| stream.normal()).collect();
        let entry = |i: usize, j: usize| dot(&b[i * n..(i + 1) * n], &b[j * n..(j + 1) * n]);
        (0..n * n).map(|k| entry(k / n, k % n) + if k / n == k % n { 0.1 } else { 0.0 }).collect()
    }

    #[test]
    fn solvers_agree_and_leave_no_residual() {
        for n in 1..12 {
            let a = random_spd(n, n as u64);
            let b: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
            let (mut factor, mut x) = (a.clone(), b.clone());
            assert!(cholesky(&mut factor, n));
            cholesky_solve(&factor, n, &mut x);
            let (mut copy, mut other) = (a.clone(), b.clone());
            assert!(solve(&mut copy, n, &mut other));
            for i in 0..n {
                assert!((dot(&a[i * n..(i + 1) * n], &x) - b[i]).abs() < 1e-8);
                assert!((x[i] - other[i]).abs() < 1e-7 * (1.0 + x[i].abs()));
            }
        }
    }

    #[test]
    fn singular_matrices_are_refused() {
        let a = [1.0, 2.0, 2.0, 4.0];
        assert!(!cholesky(&mut a.to_vec(), 2) && !solve(&mut a.to_vec(), 2, &mut [1.0, 1.0]));
    }
}
