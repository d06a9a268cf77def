//! Dropout whose masks are functions of the seed, the sequence and the place in the model: resume, the
//! size of a pass and recomputation change nothing.
//!
//! libtorch draws from one generator of the process, and on a GPU what it draws depends on the shape of
//! the tensor. So every row is drawn by itself, with the generator seeded for it, and attention with
//! dropout runs row by row. Masks of a CPU and of a GPU differ.

use crate::error::TrainError;
use crate::random::mix;
use std::sync::{Mutex, PoisonError};
use tch::Tensor;

/// The probability of dropping an activation, and the key of the run's masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chance {
    pub probability: f64,
    pub key: u64,
}

/// A place in the model where activations are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Embedding,
    Attention { layer: usize },
    Mixed { layer: usize },
    Narrow { layer: usize },
}

impl Site {
    fn number(self) -> u64 {
        let of_layer = |layer: usize, place: u64| 1 + 3 * layer as u64 + place;
        match self {
            Site::Embedding => 0,
            Site::Attention { layer } => of_layer(layer, 0),
            Site::Mixed { layer } => of_layer(layer, 1),
            Site::Narrow { layer } => of_layer(layer, 2),
        }
    }
}

/// The dropout of one batch.
pub(crate) struct Dropout {
    probability: f64,
    /// (key, tokens) of each row.
    rows: Vec<(u64, i64)>,
}

impl Dropout {
    /// `rows` are (sequence, tokens).
    pub fn new(chance: Chance, rows: &[(u64, i64)]) -> Dropout {
        let keyed = |&(sequence, tokens): &(u64, i64)| (mix(chance.key ^ mix(sequence)), tokens);
        Dropout { probability: chance.probability, rows: rows.iter().map(keyed).collect() }
    }

    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// Drops activations of `x` [tokens, width] and scales the others up.
    pub fn apply(&self, x: &Tensor, site: Site) -> Result<Tensor, TrainError> {
        let keep = 1.0 - self.probability;
        let mask = Tensor::f_empty_like(x)?;
        let mut start = 0;
        for (row, &(_, tokens)) in self.rows.iter().enumerate() {
            let mut part = mask.f_narrow(0, start, tokens)?;
            let _ = self.drawing(row, site, || part.f_bernoulli_float_(keep))?;
            start += tokens;
        }
        Ok(x.f_mul(&mask.f_div_scalar(keep)?)?)
    }

    /// Runs `draw` with libtorch's generator seeded for `row` at `site`.
    pub fn drawing<T>(
        &self,
        row: usize,
        site: Site,
        draw: impl FnOnce() -> Result<T, tch::TchError>,
    ) -> Result<T, TrainError> {
        // The generator belongs to the process: seeding and drawing must not be torn apart.
        static GENERATOR: Mutex<()> = Mutex::new(());
        let _held = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.rows.get(row).map_or(0, |&(key, _)| key);
        tch::manual_seed((mix(key ^ mix(site.number())) >> 1) as i64);
        Ok(draw()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn dropped(rows: &[(u64, i64)], site: Site) -> Vec<f32> {
        let tokens: i64 = rows.iter().map(|&(_, tokens)| tokens).sum();
        let x = Tensor::ones([tokens, 50], (Kind::Float, Device::Cpu));
        let dropout = Dropout::new(Chance { probability: 0.2, key: 7 }, rows);
        Vec::try_from(dropout.apply(&x, site).expect("small").view(-1)).expect("floats")
    }

    #[test]
    fn masks_belong_to_sequence_and_site() {
        let site = Site::Mixed { layer: 3 };
        let both = dropped(&[(4, 40), (9, 60)], site);
        assert_eq!(both[2000..], dropped(&[(9, 60)], site));
        assert_eq!(both[..2000], dropped(&[(4, 40)], site));
        assert_ne!(both[2000..], dropped(&[(9, 60)], Site::Narrow { layer: 3 }));
        assert_ne!(both[2000..], dropped(&[(8, 60)], site));
    }

    #[test]
    fn the_right_share_is_dropped_and_the_mean_stays() {
        let values = dropped(&[(1, 1000), (2, 1000)], Site::Embedding);
        let zeros = values.iter().filter(|&&x| x == 0.0).count() as f64 / values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        assert!((zeros - 0.2).abs() < 0.01 && (mean - 1.0).abs() < 0.01, "{zeros} {mean}");
    }
}
