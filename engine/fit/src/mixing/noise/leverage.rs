//! How large a fit leaves the residuals of errors of known size: less where a row bends the law to itself.
//!
//! To first order the residuals of a least-squares fit are `(I - H) e` with the hat matrix `H = G (G'G)^-1 G'` of the derivatives G
//! by the parameters (Cook and Weisberg, Residuals and Influence in Regression, 1982, section 2.1). Errors of independent
//! rows with standard deviations `s` leave the mean squares `s_i^2 (1 - 2 H_ii) + sum_k H_ik^2 s_k^2`.

use super::super::law::{Design, Model};
use crate::numeric::matrix;

/// Mean squares of the residuals of every row, where its error has the standard deviation `size`. Rows times the root of their weight.
pub(super) fn left_over(model: &Model, inner: &[f64], design: &Design, size: &[f64]) -> Vec<f64> {
    let gradients = Gradients::new(model, inner, design);
    let ones = vec![1.0; design.len()];
    let (mut normal, spread) = (gradients.moments(&ones), gradients.moments(size));
    let n = gradients.n;
    (0..n).for_each(|k| normal[k * n + k] = normal[k * n + k] * (1.0 + 1e-10) + f64::MIN_POSITIVE);
    if !matrix::cholesky(&mut normal, n) {
        return size.iter().map(|s| s * s).collect();
    }
    let of = |(row, size): (usize, &f64)| {
        let own = gradients.row(row);
        let mut pull = own.to_vec();
        matrix::cholesky_solve(&normal, n, &mut pull);
        let leverage = matrix::dot(own, &pull);
        let others: f64 =
            (0..n).map(|k| pull[k] * matrix::dot(&spread[k * n..(k + 1) * n], &pull)).sum();
        (size * size * (1.0 - 2.0 * leverage) + others).max(0.0)
    };
    size.iter().enumerate().map(of).collect()
}

/// Derivatives of every row by the parameters that no bound holds, each in units of its largest.
struct Gradients {
    n: usize,
    rows: Vec<f64>,
}

impl Gradients {
    fn new(model: &Model, inner: &[f64], design: &Design) -> Self {
        let mut whole = vec![0.0; inner.len()];
        let mut all = Vec::with_capacity(design.len());
        for (x, weight) in design.inputs().zip(&design.weight) {
            model.gradient(inner, &x, &mut whole);
            all.push(whole.iter().map(|g| g * weight.sqrt()).collect::<Vec<f64>>());
        }
        let largest = |k: usize| all.iter().map(|row| row[k].abs()).fold(0.0, f64::max);
        let free: Vec<(usize, f64)> = model
            .slots
            .iter()
            .zip(inner)
            .enumerate()
            .filter(|(_, (slot, at))| slot.lower < **at && **at < slot.upper)
            .map(|(k, _)| (k, largest(k)))
            .filter(|(_, largest)| *largest > 0.0)
            .collect();
        let scaled =
            |row: &Vec<f64>| free.iter().map(|(k, unit)| row[*k] / unit).collect::<Vec<_>>();
        Self { n: free.len(), rows: all.iter().flat_map(scaled).collect() }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.rows[row * self.n..(row + 1) * self.n]
    }

    /// Sums of products of derivatives over the rows, times the square of `factor`.
    fn moments(&self, factor: &[f64]) -> Vec<f64> {
        let mut moments = vec![0.0; self.n * self.n];
        for (row, factor) in factor.iter().enumerate() {
            let own = self.row(row);
            for (left, line) in own.iter().zip(moments.chunks_exact_mut(self.n)) {
                line.iter_mut()
                    .zip(own)
                    .for_each(|(m, right)| *m += factor * factor * left * right);
            }
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::law::{Form, Units};
    use crate::mixing::{LawName, ScaleTerms};

    /// A law linear in two weights: the hat matrix by hand.
    #[test]
    fn what_is_left_is_that_of_the_hat_matrix() {
        let shares = [0.1_f64, 0.3, 0.4, 0.9];
        let mut design = Design::new(2);
        shares.iter().for_each(|h| design.push(&[*h, 1.0 - h], 1.0, 1.0, 2.0, 1.0));
        let form = Form {
            law: LawName::Linear,
            domains: 2,
            scale: ScaleTerms::None,
            own: None,
            units: Units::default(),
        };
        let model = Model::new(&form, 2.0);
        let mean = shares.iter().sum::<f64>() / 4.0;
        let spread: f64 = shares.iter().map(|h| (h - mean).powi(2)).sum();
        // Of a straight line: 1/n + (x - mean)(x' - mean) / spread.
        let hat = |i: usize, j: usize| 0.25 + (shares[i] - mean) * (shares[j] - mean) / spread;
        let size = [1.0, 2.0, 0.5, 3.0];
        let found = left_over(&model, &[1.0, 2.0], &design, &size);
        for (i, found) in found.iter().enumerate() {
            let of = |j: usize| {
                let share = if i == j { 1.0 } else { 0.0 } - hat(i, j);
                (share * size[j]).powi(2)
            };
            let expected: f64 = (0..4).map(of).sum();
            assert!((found - expected).abs() < 1e-8, "{i}: {found} {expected}");
        }
    }
}
