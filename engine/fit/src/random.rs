//! A small counter-based generator: the n-th number of a stream depends on (seed, stream, n) alone.
//!
//! Knows nothing of what the numbers are for. Being counter-based, draws are the same in whatever
//! order streams are used.

/// Odd constant of the 64-bit golden ratio, SplitMix64's increment (Steele, Lea and Flood 2014).
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of a seeded generator.
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { state: mix(mix(seed.wrapping_add(INCREMENT)) ^ stream.wrapping_mul(INCREMENT)) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        mix(self.state)
    }

    /// Uniform on (0, 1): never 0, so that its logarithm is finite.
    fn open_unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Uniform on (0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.open_unit()
    }

    /// A whole number below `count`, which must be above 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((self.open_unit() * count as f64) as usize).min(count - 1)
    }

    /// An exponential number of mean 1: normalised, such numbers are uniform on the simplex.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.open_unit().ln()
    }

    /// A standard normal number, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.open_unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.open_unit()).cos()
    }

    /// A chi-square number with `degrees` degrees of freedom.
    pub(crate) fn chi_square(&mut self, degrees: usize) -> f64 {
        (0..degrees).map(|_| self.normal().powi(2)).sum()
    }
}

/// SplitMix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, 2);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|z| z * z).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((square - 1.0).abs() < 0.03, "variance {square}");
        let chi = (0..20_000).map(|_| stream.chi_square(3)).sum::<f64>() / 20_000.0;
        assert!((chi - 3.0).abs() < 0.1, "chi-square mean {chi}");
    }

    #[test]
    fn streams_and_seeds_differ_and_repeat() {
        let first = |seed, stream| Stream::new(seed, stream).next();
        assert_eq!(first(7, 3), first(7, 3));
        assert_ne!(first(7, 3), first(7, 4));
        assert_ne!(first(7, 3), first(8, 3));
        assert_ne!(first(0, 1), first(1, 0));
    }

    /// The first number of SplitMix64 from seed 0, as its reference implementation gives it.
    #[test]
    fn known_vectors() {
        assert_eq!(mix(INCREMENT), 0xe220_a839_7b1d_cdaf);
    }
}
