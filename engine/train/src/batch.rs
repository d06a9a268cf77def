//! Batches: rows of token ids padded on the right to the longest, and the positions that predict.

use crate::error::TrainError;
use crate::masking::{IGNORED, Objective};
use crate::sequences::Sequences;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Token ids in host memory, ready to be copied to a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    lengths: Vec<i64>,
    /// The longest row.
    width: usize,
    /// rows · width, padded on the right.
    ids: Vec<i64>,
    /// Positions in `ids` that predict, and what they should predict.
    positions: Vec<i64>,
    targets: Vec<i64>,
}

/// A batch on the device that computes.
pub(crate) struct DeviceBatch {
    pub rows: i64,
    pub tokens: i64,
    /// [rows, tokens]
    pub ids: Tensor,
    /// [n] positions in rows · tokens that predict; `None` for all of them.
    positions: Option<Tensor>,
    /// [n]
    pub targets: Tensor,
    /// [rows, 1, 1, tokens], true where there is a token; `None` without padding.
    pub mask: Option<Tensor>,
}

impl Batch {
    /// Rows of token ids and, for each position, the id to predict there or -100 for none.
    #[must_use]
    pub fn new(rows: &[(Vec<i64>, Vec<i64>)], pad: i64) -> Batch {
        let width = rows.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or(0);
        let mut batch = Batch { width, ..Batch::default() };
        for (tokens, targets) in rows {
            batch.push(tokens, targets, pad);
        }
        batch
    }

    fn push(&mut self, tokens: &[i64], targets: &[i64], pad: i64) {
        let start = self.ids.len();
        self.lengths.push(tokens.len() as i64);
        self.ids.extend_from_slice(tokens);
        self.ids.resize(start + self.width, pad);
        for (position, &target) in
            targets.iter().enumerate().filter(|&(_, &target)| target != IGNORED)
        {
            self.positions.push((start + position) as i64);
            self.targets.push(target);
        }
    }

    /// Tokens without padding.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.lengths.iter().sum::<i64>() as u64
    }

    /// How many tokens are predicted.
    #[must_use]
    pub fn predictions(&self) -> u64 {
        self.targets.len() as u64
    }

    pub(crate) fn to_device(&self, device: Device) -> Result<DeviceBatch, TrainError> {
        let (rows, width) = (self.lengths.len() as i64, self.width as i64);
        let tensor = |values: &[i64]| -> Result<Tensor, TrainError> {
            Ok(Tensor::f_from_slice(values)?.f_to_device(device)?)
        };
        let everywhere = self.positions.len() == self.ids.len();
        Ok(DeviceBatch {
            rows,
            tokens: width,
            ids: tensor(&self.ids)?.f_view([rows, width])?,
            positions: if everywhere { None } else { Some(tensor(&self.positions)?) },
            targets: tensor(&self.targets)?,
            mask: self.mask(device)?,
        })
    }

    fn mask(&self, device: Device) -> Result<Option<Tensor>, TrainError> {
        let width = self.width as i64;
        if self.lengths.iter().all(|&length| length == width) {
            return Ok(None);
        }
        let columns = Tensor::f_arange(width, (Kind::Int64, device))?.f_view([1, 1, 1, width])?;
        let lengths =
            Tensor::f_from_slice(&self.lengths)?.f_to_device(device)?.f_view([-1, 1, 1, 1])?;
        Ok(Some(columns.f_lt_tensor(&lengths)?))
    }
}

impl DeviceBatch {
    /// The rows of `x` [rows · tokens, width] that predict.
    pub fn predicting(&self, x: &Tensor) -> Result<Tensor, TrainError> {
        match &self.positions {
            Some(positions) => Ok(x.f_index_select(0, positions)?),
            None => Ok(x.shallow_clone()),
        }
    }
}

/// Reads batches of a set and checks what it reads.
pub(crate) struct Reader<'a> {
    pub data: &'a dyn Sequences,
    /// What the set is called in messages.
    pub set: &'a str,
    pub objective: Objective,
    pub context: u32,
    pub vocabulary: u32,
    pub pad: i64,
}

impl Reader<'_> {
    /// The sequences of `range` as batches of at most `rows` each.
    pub fn batches(
        &self,
        range: Range<u64>,
        rows: u64,
    ) -> impl Iterator<Item = Result<Batch, TrainError>> + '_ {
        let rows = rows.max(1);
        let count = (range.end - range.start).div_ceil(rows);
        (0..count).map(move |k| {
            let start = range.start + k * rows;
            self.batch(start..range.end.min(start + rows))
        })
    }

    fn batch(&self, range: Range<u64>) -> Result<Batch, TrainError> {
        let mut rows = Vec::with_capacity((range.end - range.start) as usize);
        for index in range {
            let (mut tokens, mut targets) = (Vec::new(), Vec::new());
            self.data.read(index, &mut tokens);
            self.check(index, &tokens)?;
            if tokens.is_empty() {
                continue; // a row of padding alone would attend to nothing
            }
            self.objective.apply(index, &mut tokens, &mut targets);
            rows.push((tokens, targets));
        }
        Ok(Batch::new(&rows, self.pad))
    }

    /// An id outside the vocabulary would read outside the embedding table.
    fn check(&self, sequence: u64, tokens: &[i64]) -> Result<(), TrainError> {
        let set = || self.set.to_owned();
        if tokens.len() > self.context as usize {
            return Err(TrainError::TooLong {
                set: set(),
                sequence,
                length: tokens.len(),
                context: self.context,
            });
        }
        match tokens.iter().find(|&&token| token < 0 || token >= i64::from(self.vocabulary)) {
            Some(&token) => Err(TrainError::UnknownToken {
                set: set(),
                sequence,
                token,
                vocabulary: self.vocabulary,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_and_positions_counted_over_the_padded_width() {
        let batch = Batch::new(&[(vec![1, 2, 3], vec![2, 3, IGNORED]), (vec![4], vec![4])], 9);
        assert_eq!(batch.ids, [1, 2, 3, 4, 9, 9]);
        assert_eq!(
            (batch.positions.as_slice(), batch.targets.as_slice()),
            ([0, 1, 3].as_slice(), [2, 3, 4].as_slice())
        );
        assert_eq!((batch.tokens(), batch.predictions()), (4, 3));
        let mask = batch.to_device(Device::Cpu).expect("small").mask.expect("padded");
        assert_eq!(
            Vec::<bool>::try_from(mask.view(-1)).expect("bools"),
            [true, true, true, true, false, false]
        );
    }

    #[test]
    fn batches_cover_the_range_and_bad_sequences_are_located() {
        let data: Vec<Vec<i64>> =
            vec![vec![1, 2], vec![3, 4], vec![5, 6], vec![1, 9], vec![1, 2, 3, 4]];
        let reader = Reader {
            data: &data,
            set: "training set",
            objective: Objective::Causal,
            context: 3,
            vocabulary: 8,
            pad: 0,
        };
        let counts: Vec<u64> =
            reader.batches(0..3, 2).map(|b| b.expect("valid").tokens()).collect();
        assert_eq!(counts, [4, 2]);
        let message = |index| reader.batch(index..index + 1).expect_err("bad").to_string();
        assert!(
            message(3).contains("sequence 3 of the training set holds token 9"),
            "{}",
            message(3)
        );
        assert!(
            message(4).contains("sequence 4 of the training set has 4 tokens"),
            "{}",
            message(4)
        );
    }
}
