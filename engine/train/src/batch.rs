//! Batches: rows of token ids in groups of one width, and the positions that predict.
//!
//! Everything but attention works token by token, so rows of different lengths simply follow each other;
//! only attention needs to know where a row begins, and padding is needed only within a group.

use crate::dropout::{Chance, Dropout};
use crate::error::TrainError;
use crate::masking::{IGNORED, Objective};
use crate::sequences::Sequences;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// How rows of different lengths stand side by side. What is predicted, and the loss but for rounding,
/// is the same for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Rows are sorted by length, and padding is computed nowhere (CPU) or nearly nowhere (GPU).
    #[default]
    Packed,
    /// To the longest row of a pass.
    Longest,
    /// To the model's context.
    Context,
}

/// A row of a batch: the tokens of one sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// The number of the sequence in its set.
    pub sequence: u64,
    pub tokens: Vec<i64>,
    /// What to predict at each position, [`IGNORED`] for nothing.
    pub targets: Vec<i64>,
}

/// Consecutive rows of one width: what attention sees at once.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    /// Tokens of each row, padding left out.
    lengths: Vec<i64>,
    width: i64,
}

impl Group {
    fn is_padded(&self) -> bool {
        self.lengths.iter().any(|&length| length < self.width)
    }
}

/// Token ids in host memory, ready to be copied to a device: rows one after the other in groups, each
/// row as wide as its group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    groups: Vec<Group>,
    ids: Vec<i64>,
    /// The place of each of `ids` in its row.
    columns: Vec<i64>,
    /// Positions in `ids` that predict, and what they should predict.
    positions: Vec<i64>,
    targets: Vec<i64>,
    /// (sequence, width) of each row.
    rows: Vec<(u64, i64)>,
}

/// A group on the device.
pub(crate) struct DeviceGroup {
    pub rows: i64,
    pub width: i64,
    /// [rows, 1, 1, width], true where there is a token; `None` without padding.
    pub mask: Option<Tensor>,
}

/// A batch on the device that computes. Activations are [tokens, hidden], rows one after the other.
pub(crate) struct DeviceBatch {
    pub groups: Vec<DeviceGroup>,
    /// [tokens]
    pub ids: Tensor,
    /// [tokens] the place of each token in its row.
    pub columns: Tensor,
    /// [n] positions of tokens that predict; `None` for all of them.
    positions: Option<Tensor>,
    /// [n]
    pub targets: Tensor,
    pub dropout: Option<Dropout>,
}

impl Batch {
    /// Rows of token ids and, for each position, the id to predict there or -100 for none; padded with
    /// `pad` to the longest.
    #[must_use]
    pub fn new(rows: &[(Vec<i64>, Vec<i64>)], pad: i64) -> Batch {
        let width = rows.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or(0);
        let row = |(index, (tokens, targets)): (usize, &(Vec<i64>, Vec<i64>))| Row {
            sequence: index as u64,
            tokens: tokens.clone(),
            targets: targets.clone(),
        };
        let rows: Vec<Row> = rows.iter().enumerate().map(row).collect();
        let mut batch = Batch::default();
        batch.push_group(&rows, width, pad);
        batch
    }

    pub(crate) fn push_group(&mut self, rows: &[Row], width: usize, pad: i64) {
        if rows.is_empty() {
            return;
        }
        for row in rows {
            self.push(row, width, pad);
        }
        let lengths = rows.iter().map(|row| row.tokens.len() as i64).collect();
        self.groups.push(Group { lengths, width: width as i64 });
    }

    fn push(&mut self, row: &Row, width: usize, pad: i64) {
        let start = self.ids.len();
        self.rows.push((row.sequence, width as i64));
        self.ids.extend_from_slice(&row.tokens);
        self.ids.resize(start + width, pad);
        self.columns.extend(0..width as i64);
        for (position, &target) in
            row.targets.iter().enumerate().filter(|&(_, &target)| target != IGNORED)
        {
            self.positions.push((start + position) as i64);
            self.targets.push(target);
        }
    }

    /// Tokens without padding.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.groups.iter().flat_map(|group| &group.lengths).sum::<i64>() as u64
    }

    /// Tokens that are computed, padding included.
    #[must_use]
    pub fn tokens_computed(&self) -> u64 {
        self.ids.len() as u64
    }

    /// How many tokens are predicted.
    #[must_use]
    pub fn predictions(&self) -> u64 {
        self.targets.len() as u64
    }

    /// Copies the batch to `device` in one transfer, which a GPU does not wait for. `chance` is the
    /// dropout and its key, if there is any.
    pub(crate) fn to_device(
        &self,
        device: Device,
        chance: Option<Chance>,
    ) -> Result<DeviceBatch, TrainError> {
        let everywhere = self.positions.len() == self.ids.len();
        let lengths =
            |group: &Group| if group.is_padded() { group.lengths.clone() } else { vec![] };
        let mut pieces = vec![self.ids.clone(), self.columns.clone(), self.targets.clone()];
        pieces.push(if everywhere { vec![] } else { self.positions.clone() });
        pieces.extend(self.groups.iter().map(lengths));
        let sizes: Vec<i64> = pieces.iter().map(|piece| piece.len() as i64).collect();
        let all = transfer(&pieces.concat(), device)?;
        let mut tensors = all.f_split_with_sizes(&sizes, 0)?.into_iter();
        let mut next = || {
            tensors.next().ok_or_else(|| TrainError::Torch { detail: "a batch fell apart".into() })
        };
        let (ids, columns, targets, positions) = (next()?, next()?, next()?, next()?);
        let groups =
            self.groups.iter().map(|group| group.to_device(next()?)).collect::<Result<_, _>>()?;
        Ok(DeviceBatch {
            groups,
            ids,
            columns,
            positions: (!everywhere).then_some(positions),
            targets,
            dropout: chance.map(|chance| Dropout::new(chance, &self.rows)),
        })
    }
}

/// Integers to the device; through pinned memory to a GPU, so that the copy runs beside kernels.
fn transfer(values: &[i64], device: Device) -> Result<Tensor, TrainError> {
    let host = Tensor::f_from_slice(values)?;
    if device == Device::Cpu {
        return Ok(host);
    }
    Ok(host.f_pin_memory(device)?.f_to_device_(device, Kind::Int64, true, false)?)
}

impl Group {
    /// `lengths` [rows] where there is padding.
    fn to_device(&self, lengths: Tensor) -> Result<DeviceGroup, TrainError> {
        let (rows, width) = (self.lengths.len() as i64, self.width);
        let mask = if self.is_padded() {
            let columns = Tensor::f_arange(width, (Kind::Int64, lengths.device()))?;
            let columns = columns.f_view([1, 1, 1, width])?;
            Some(columns.f_lt_tensor(&lengths.f_view([-1, 1, 1, 1])?)?)
        } else {
            None
        };
        Ok(DeviceGroup { rows, width, mask })
    }
}

impl DeviceBatch {
    /// The rows of `features` [tokens, hidden] that predict.
    pub fn predicting(&self, features: &Tensor) -> Result<Tensor, TrainError> {
        match &self.positions {
            None => Ok(features.shallow_clone()),
            Some(positions) => Ok(features.f_index_select(0, positions)?),
        }
    }
}

/// Reads sequences of a set into batches.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    pub data: &'a dyn Sequences,
    /// The set's name in messages.
    pub set: String,
    pub objective: Objective,
    pub context: u32,
    pub vocabulary: u32,
    pub pad: i64,
    pub shape: Shape,
}

/// How batches are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub padding: Padding,
    /// Tokens of a pass at most, padding included; at least one row.
    pub tokens: u64,
    /// Of a packed group: what the shortest row may lack of the longest, as a share of it.
    pub slack: f64,
    /// Every row in a group of its own, so that dropout is a function of the sequence.
    pub alone: bool,
}

impl Reader<'_> {
    /// The sequences of `range` as batches of at most `shape.tokens` each.
    pub fn batches(&self, range: Range<u64>) -> Result<Vec<Batch>, TrainError> {
        let mut rows = self.rows(range)?;
        if self.shape.padding == Padding::Packed {
            rows.sort_by_key(|row| std::cmp::Reverse(row.tokens.len()));
        }
        let mut batches = Vec::new();
        let mut rest = rows.as_slice();
        while let Some(first) = rest.first() {
            let widest = match self.shape.padding {
                Padding::Context => self.context as usize,
                Padding::Packed => first.tokens.len(),
                Padding::Longest => rest.iter().map(|row| row.tokens.len()).max().unwrap_or(1),
            };
            let count = (self.shape.tokens / widest as u64).clamp(1, rest.len() as u64) as usize;
            let (rows, others) = rest.split_at(count);
            batches.push(self.batch(rows));
            rest = others;
        }
        Ok(batches)
    }

    fn rows(&self, range: Range<u64>) -> Result<Vec<Row>, TrainError> {
        let mut rows = Vec::with_capacity((range.end - range.start) as usize);
        for sequence in range {
            let mut row = Row { sequence, ..Row::default() };
            self.data.read(sequence, &mut row.tokens);
            self.check(sequence, &row.tokens)?;
            if row.tokens.is_empty() {
                continue; // a row of padding alone would attend to nothing
            }
            let sample = self.data.sample(sequence);
            self.objective.apply(sample, &mut row.tokens, &mut row.targets);
            rows.push(row);
        }
        Ok(rows)
    }

    /// One pass: its rows in groups.
    fn batch(&self, rows: &[Row]) -> Batch {
        let longest = |rows: &[Row]| rows.iter().map(|row| row.tokens.len()).max().unwrap_or(0);
        let mut batch = Batch::default();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let width = match self.shape.padding {
                Padding::Context => self.context as usize,
                Padding::Longest => longest(rows),
                Padding::Packed => first.tokens.len(),
            };
            let least = match self.shape.padding {
                Padding::Packed => (width as f64 * (1.0 - self.shape.slack)).ceil() as usize,
                _ => 0,
            };
            let alike = rest.iter().take_while(|row| row.tokens.len() >= least).count();
            let (group, others) = rest.split_at(if self.shape.alone { 1 } else { alike });
            let width = if self.shape.alone && self.shape.padding == Padding::Packed {
                longest(group)
            } else {
                width
            };
            batch.push_group(group, width, self.pad);
            rest = others;
        }
        batch
    }

    /// An id outside the vocabulary would read outside the embedding table.
    fn check(&self, sequence: u64, tokens: &[i64]) -> Result<(), TrainError> {
        let set = || self.set.clone();
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
        assert_eq!(batch.columns, [0, 1, 2, 0, 1, 2]);
        assert_eq!(
            (batch.positions.as_slice(), batch.targets.as_slice()),
            ([0, 1, 3].as_slice(), [2, 3, 4].as_slice())
        );
        assert_eq!((batch.tokens(), batch.predictions(), batch.tokens_computed()), (4, 3, 6));
        let on_device = batch.to_device(Device::Cpu, None).expect("small");
        let mask = on_device.groups[0].mask.as_ref().expect("padded");
        assert_eq!(
            Vec::<bool>::try_from(mask.view(-1)).expect("bools"),
            [true, true, true, true, false, false]
        );
    }

    fn reader(data: &dyn Sequences, shape: Shape) -> Reader<'_> {
        Reader {
            data,
            set: "training set".into(),
            objective: Objective::Causal,
            context: 3,
            vocabulary: 8,
            pad: 0,
            shape,
        }
    }

    fn shape(padding: Padding, tokens: u64, slack: f64) -> Shape {
        Shape { padding, tokens, slack, alone: false }
    }

    #[test]
    fn batches_cover_the_range_and_bad_sequences_are_located() {
        let data: Vec<Vec<i64>> =
            vec![vec![1, 2], vec![3, 4], vec![5, 6], vec![1, 9], vec![1, 2, 3, 4]];
        let reader = reader(&data, shape(Padding::Packed, 4, 0.0));
        let counts: Vec<u64> =
            reader.batches(0..3).expect("valid").iter().map(Batch::tokens).collect();
        assert_eq!(counts, [4, 2]);
        let message = |index| reader.batches(index..index + 1).expect_err("bad").to_string();
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

    #[test]
    fn padding_is_computed_only_where_asked_for() {
        let data: Vec<Vec<i64>> = vec![vec![1], vec![2, 3, 4], vec![5, 6], vec![1, 2, 3]];
        let widths = |shape| -> Vec<Vec<(usize, i64)>> {
            let batches = reader(&data, shape).batches(0..4).expect("valid");
            let groups = |batch: &Batch| -> Vec<(usize, i64)> {
                batch.groups.iter().map(|group| (group.lengths.len(), group.width)).collect()
            };
            batches.iter().map(groups).collect()
        };
        assert_eq!(widths(shape(Padding::Packed, 99, 0.0)), [[(2, 3), (1, 2), (1, 1)]]);
        assert_eq!(widths(shape(Padding::Packed, 99, 0.4)), [vec![(3, 3), (1, 1)]]);
        assert_eq!(widths(shape(Padding::Packed, 6, 0.0)), [vec![(2, 3)], vec![(1, 2), (1, 1)]]);
        assert_eq!(widths(shape(Padding::Longest, 99, 0.0)), [[(4, 3)]]);
        assert_eq!(widths(shape(Padding::Context, 6, 0.0)), [[(2, 3)], [(2, 3)]]);
        let alone = Shape { alone: true, ..shape(Padding::Packed, 99, 0.4) };
        assert_eq!(widths(alone), [[(1, 3), (1, 3), (1, 2), (1, 1)]]);
    }
}
