//! Eigenvalues and eigenvectors of symmetric matrices: Householder's reflections to a tridiagonal matrix, then implicit QL steps.
//!
//! The methods of EISPACK's `tred2` and `tql2` (Bowdler, Martin, Reinsch and Wilkinson, Handbook for Automatic Computation II, 1971),
//! on the transposed basis, so that every inner loop runs along a row. Errors of eigenvalues are rounding of the largest one.

use super::matrix::dot;

/// QL steps per eigenvalue after which it is taken as it is; a few do.
const STEPS: usize = 60;

/// Eigenvalues of the symmetric matrix `a` (n x n) in increasing order, and the eigenvector of each as a row.
pub(crate) fn symmetric(a: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    if n == 0 {
        return (Vec::new(), Vec::new());
    }
    let mut state = Tridiagonal::new(a, n);
    state.diagonalise();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| state.diagonal[*i].total_cmp(&state.diagonal[*j]));
    let values = order.iter().map(|&i| state.diagonal[i]).collect();
    let rows = order.iter().flat_map(|&i| state.basis[i * n..(i + 1) * n].to_vec()).collect();
    (values, rows)
}

/// A tridiagonal matrix and the basis, row by row, in which it is the one it was made from.
struct Tridiagonal {
    n: usize,
    diagonal: Vec<f64>,
    /// Entry i couples i - 1 and i.
    beside: Vec<f64>,
    basis: Vec<f64>,
}

impl Tridiagonal {
    fn new(a: &[f64], n: usize) -> Self {
        let mut state = Self {
            n,
            diagonal: a[(n - 1) * n..].to_vec(),
            beside: vec![0.0; n],
            basis: a.to_vec(),
        };
        (1..n).rev().for_each(|i| state.reflect(i));
        (0..n - 1).for_each(|i| state.gather(i));
        for j in 0..n {
            state.diagonal[j] = std::mem::take(&mut state.basis[j * n + n - 1]);
        }
        state.basis[n * n - 1] = 1.0;
        state.beside[0] = 0.0;
        state
    }

    /// Reflects row i to its neighbour of the diagonal; the first i entries of `diagonal` hold that row.
    fn reflect(&mut self, i: usize) {
        let (n, w) = (self.n, &mut self.basis);
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        let scale: f64 = d[..i].iter().map(|d| d.abs()).sum();
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = w[j * n + i - 1];
                w[j * n + i] = 0.0;
                w[i * n + j] = 0.0;
            }
            d[i] = 0.0;
            return;
        }
        d[..i].iter_mut().for_each(|d| *d /= scale);
        let mut square: f64 = d[..i].iter().map(|d| d * d).sum();
        let last = d[i - 1];
        let root = if last > 0.0 { -square.sqrt() } else { square.sqrt() };
        e[i] = scale * root;
        square -= last * root;
        d[i - 1] = last - root;
        e[..i].fill(0.0);
        for j in 0..i {
            let f = d[j];
            w[i * n + j] = f;
            let row = &w[j * n + j..j * n + i];
            let mut g = e[j] + row[0] * f;
            for ((w, d), e) in row[1..].iter().zip(&d[j + 1..i]).zip(&mut e[j + 1..i]) {
                g += w * d;
                *e += w * f;
            }
            e[j] = g;
        }
        e[..i].iter_mut().for_each(|e| *e /= square);
        let half = dot(&e[..i], &d[..i]) / (2.0 * square);
        e[..i].iter_mut().zip(&*d).for_each(|(e, d)| *e -= half * d);
        for j in 0..i {
            let (f, g) = (d[j], e[j]);
            let row = &mut w[j * n + j..j * n + i];
            row.iter_mut().zip(&e[j..i]).zip(&d[j..i]).for_each(|((w, e), d)| *w -= f * e + g * d);
            d[j] = w[j * n + i - 1];
            w[j * n + i] = 0.0;
        }
        d[i] = square;
    }

    /// Multiplies the reflection of row i + 1 into the basis of the first i + 1.
    fn gather(&mut self, i: usize) {
        let (n, w) = (self.n, &mut self.basis);
        w[i * n + n - 1] = w[i * n + i];
        w[i * n + i] = 1.0;
        let square = self.diagonal[i + 1];
        let (before, after) = w.split_at_mut((i + 1) * n);
        let own = &mut after[..=i];
        if square != 0.0 {
            for row in before.chunks_exact_mut(n) {
                let g = dot(own, &row[..=i]) / square;
                row[..=i].iter_mut().zip(&*own).for_each(|(w, own)| *w -= g * own);
            }
        }
        own.fill(0.0);
    }

    fn diagonalise(&mut self) {
        let n = self.n;
        self.beside.rotate_left(1);
        self.beside[n - 1] = 0.0;
        let (mut shift, mut largest) = (0.0, 0.0_f64);
        for l in 0..n {
            largest = largest.max(self.diagonal[l].abs() + self.beside[l].abs());
            let negligible = f64::EPSILON * largest;
            for _ in 0..STEPS {
                let end = (l..n).find(|&m| self.beside[m].abs() <= negligible).unwrap_or(n - 1);
                if end == l {
                    break;
                }
                shift += self.step(l, end);
            }
            self.diagonal[l] += shift;
            self.beside[l] = 0.0;
        }
    }

    /// One implicit QL step on the block from l to `end`; the shift that it took off.
    fn step(&mut self, l: usize, end: usize) -> f64 {
        let (n, w) = (self.n, &mut self.basis);
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        let first = d[l];
        let p = (d[l + 1] - first) / (2.0 * e[l]);
        let r = if p < 0.0 { -p.hypot(1.0) } else { p.hypot(1.0) };
        d[l] = e[l] / (p + r);
        d[l + 1] = e[l] * (p + r);
        let (next, shift, beside_next) = (d[l + 1], first - d[l], e[l + 1]);
        d[l + 2..].iter_mut().for_each(|d| *d -= shift);
        let mut p = d[end];
        let (mut c, mut c2, mut c3, mut s, mut s2) = (1.0, 1.0, 1.0, 0.0, 0.0);
        for i in (l..end).rev() {
            (c3, c2, s2) = (c2, c, s);
            let (g, h) = (c * e[i], c * p);
            let r = p.hypot(e[i]);
            e[i + 1] = s * r;
            (s, c) = (e[i] / r, p / r);
            p = c * d[i] - s * g;
            d[i + 1] = h + s * (c * g + s * d[i]);
            let (one, other) = w[i * n..(i + 2) * n].split_at_mut(n);
            for (x, y) in one.iter_mut().zip(other) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
        p = -s * s2 * c3 * beside_next * e[l] / next;
        e[l] = s * p;
        d[l] = c * p;
        shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// A symmetric matrix of given eigenvalues, turned by random reflections.
    fn with_values(values: &[f64], seed: u64) -> Vec<f64> {
        let n = values.len();
        let mut stream = Stream::new(seed, 0);
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i * n + i] = values[i]);
        for _ in 0..3 {
            let v: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
            let square = dot(&v, &v);
            let reflection = |i: usize, j: usize| f64::from(i == j) - 2.0 * v[i] * v[j] / square;
            let times = |a: &[f64], left: bool| -> Vec<f64> {
                let entry = |i: usize, j: usize| -> f64 {
                    let part = |k: usize| match left {
                        true => reflection(i, k) * a[k * n + j],
                        false => a[i * n + k] * reflection(k, j),
                    };
                    (0..n).map(part).sum()
                };
                (0..n * n).map(|at| entry(at / n, at % n)).collect()
            };
            a = times(&times(&a, true), false);
        }
        a
    }

    #[test]
    fn known_values_and_their_vectors_are_found() {
        let spread: Vec<f64> =
            (0..30).map(|k| 10_f64.powi(-k / 3) * f64::from(1 + k % 3)).collect();
        for (seed, mut values) in [
            vec![3.0],
            vec![2.0, -1.0],
            vec![1.0, 1.0, 1.0, 5.0],
            vec![0.0, 0.0, 0.0],
            (0..25).map(|k| f64::from(k * k) - 100.0).collect(),
            spread,
        ]
        .into_iter()
        .enumerate()
        {
            let (n, a) = (values.len(), with_values(&values, seed as u64));
            let (found, vectors) = symmetric(&a, n);
            values.sort_by(f64::total_cmp);
            let size = values.iter().fold(1e-300_f64, |s, v| s.max(v.abs()));
            for (k, (found, expected)) in found.iter().zip(&values).enumerate() {
                assert!((found - expected).abs() <= 1e-13 * size, "{n}: {found} {expected}");
                let vector = &vectors[k * n..(k + 1) * n];
                for i in 0..n {
                    let product = dot(&a[i * n..(i + 1) * n], vector);
                    assert!((product - found * vector[i]).abs() <= 1e-12 * size, "{n} {k}");
                }
                for other in 0..=k {
                    let product = dot(vector, &vectors[other * n..(other + 1) * n]);
                    assert!((product - f64::from(other == k)).abs() < 1e-12, "{n} {k} {other}");
                }
            }
        }
    }
}
