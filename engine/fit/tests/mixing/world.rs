//! Synthetic worlds: a truth written apart from the library, mixtures drawn from a seed, and noise.

use mixmake_fit::mixing::{Observations, Row};

/// A small generator of its own (xorshift), so that worlds do not rest on the library's.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub fn unit(&mut self) -> f64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        ((self.0 >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A mixture, uniform on the simplex.
    pub fn mixture(&mut self, domains: usize) -> Vec<f64> {
        let draws: Vec<f64> = (0..domains).map(|_| -self.unit().ln()).collect();
        let sum: f64 = draws.iter().sum();
        draws.iter().map(|d| d / sum).collect()
    }
}

pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|k| format!("{prefix}{k:02}")).collect()
}

/// What a truth sees: weights, tokens, size.
pub type Truth<'a> = dyn Fn(&[f64], f64, f64) -> Vec<f64> + 'a;

/// How rows are made.
pub struct Design {
    pub domains: usize,
    pub rows: usize,
    /// Relative standard deviation of every loss.
    pub noise: f64,
    pub tokens: Vec<f64>,
    pub sizes: Vec<f64>,
    pub seed: u64,
}

impl Design {
    pub fn new(domains: usize, rows: usize, seed: u64) -> Self {
        Self { domains, rows, noise: 0.0, tokens: Vec::new(), sizes: Vec::new(), seed }
    }

    pub fn noise(mut self, noise: f64) -> Self {
        self.noise = noise;
        self
    }

    pub fn scales(mut self, tokens: &[f64], sizes: &[f64]) -> Self {
        (self.tokens, self.sizes) = (tokens.to_vec(), sizes.to_vec());
        self
    }

    /// Rows of the truth; the first is the uniform mixture.
    pub fn rows(&self, truth: &Truth<'_>) -> Vec<Row> {
        let mut random = Random::new(self.seed);
        let row = |index: usize| {
            let uniform = vec![1.0 / self.domains as f64; self.domains];
            let h = if index == 0 { uniform } else { random.mixture(self.domains) };
            let pick = |list: &[f64], k: usize| list.get(k % list.len().max(1)).copied();
            let tokens = pick(&self.tokens, index);
            let size = pick(&self.sizes, index / self.tokens.len().max(1));
            let losses: Vec<f64> = truth(&h, tokens.unwrap_or(1.0), size.unwrap_or(1.0))
                .iter()
                .map(|loss| loss * (1.0 + self.noise * random.normal()))
                .collect();
            let mut row = Row::new(format!("row {index}"), h, &losses);
            (row.tokens, row.size) = (tokens, size);
            row
        };
        (0..self.rows).map(row).collect()
    }

    pub fn table(&self, truth: &Truth<'_>) -> Observations {
        let rows = self.rows(truth);
        let validation = rows[0].losses.len();
        Observations::new(names("d", self.domains), names("v", validation), rows)
            .expect("a usable table")
    }
}

/// The least value of a function of three weights on a fine grid.
pub fn grid_of_three(value: impl Fn(&[f64]) -> f64, floor: f64) -> (f64, Vec<f64>) {
    let steps = 400;
    let mut best = (f64::INFINITY, Vec::new());
    for i in 0..=steps {
        for j in 0..=steps - i {
            let h = [i, j, steps - i - j].map(|k| k as f64 / f64::from(steps)).to_vec();
            let found = if h.iter().all(|h| *h >= floor) { value(&h) } else { f64::INFINITY };
            if found < best.0 {
                best = (found, h);
            }
        }
    }
    best
}
