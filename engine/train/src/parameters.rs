//! Parameters as one flat buffer: the layout gives each its place, so that optimiser, clipping, casts
//! and checkpoints are a handful of kernels over one tensor, and a model sees shaped views of it.
//!
//! Knows nothing of any architecture: a model declares its parameters here and gets ids back.

use crate::error::TrainError;
use crate::random::normals;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// A parameter of a [`Layout`], and of the [`Views`] made by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    Zeros,
    Ones,
    /// Independent normal deviates of this standard deviation.
    Normal(f64),
}

/// Named tensors of one shape, stored one after the other and seen by the model as one tensor (so that
/// BERT's query, key and value are one product). Most entries have one part.
#[derive(Clone, Debug)]
struct Entry {
    parts: Vec<String>,
    part_shape: Vec<i64>,
    init: Init,
    /// Rows of zeros after the parts that the model computes with and no file holds.
    padding: i64,
}

impl Entry {
    fn part_numel(&self) -> i64 {
        self.part_shape.iter().product()
    }

    fn numel(&self) -> i64 {
        self.stored_numel() + self.padding_numel()
    }

    fn stored_numel(&self) -> i64 {
        self.parts.len() as i64 * self.part_numel()
    }

    fn padding_numel(&self) -> i64 {
        self.padding * self.part_shape[1..].iter().product::<i64>()
    }

    /// Parts are stacked along the first dimension.
    fn shape(&self) -> Vec<i64> {
        let mut shape = self.part_shape.clone();
        shape[0] = shape[0] * self.parts.len() as i64 + self.padding;
        shape
    }

    /// Matrices and embeddings decay, biases and normalisation weights don't.
    fn decays(&self) -> bool {
        self.part_shape.len() > 1
    }
}

/// The parameters of a model in order of declaration. In the flat buffer those that decay come first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    entries: Vec<Entry>,
    /// Of each section of the model, the end of its entries.
    sections: Vec<usize>,
}

/// One stored tensor: its name in the file, its shape, and where it lies in the flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub name: String,
    pub shape: Vec<i64>,
    pub offset: i64,
}

impl Slot {
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// Shaped tensors over one flat tensor.
pub(crate) struct Views {
    tensors: Vec<Tensor>,
    sections: Vec<usize>,
}

impl Views {
    /// How many sections the model has.
    pub fn sections(&self) -> usize {
        self.sections.len()
    }

    /// The parameters declared in a range of sections.
    pub fn of_sections(&self, range: Range<usize>) -> &[Tensor] {
        let end = |section: usize| if section == 0 { 0 } else { self.sections[section - 1] };
        &self.tensors[end(range.start)..end(range.end)]
    }

    /// The same memory as leaves of a graph of their own.
    pub fn leaves(&self) -> Result<Views, TrainError> {
        let leaf = |tensor: &Tensor| tensor.f_detach()?.f_set_requires_grad(true);
        let tensors = self.tensors.iter().map(leaf).collect::<Result<_, _>>()?;
        Ok(Views { tensors, sections: self.sections.clone() })
    }
}

impl std::ops::Index<Id> for Views {
    type Output = Tensor;

    fn index(&self, id: Id) -> &Tensor {
        &self.tensors[id.0]
    }
}

impl Layout {
    pub fn add(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> Id {
        self.add_stacked(vec![name.into()], shape, init)
    }

    /// `parts` tensors of shape `part_shape` each, seen as one of shape [parts * first, rest…].
    pub fn add_stacked(&mut self, parts: Vec<String>, part_shape: &[i64], init: Init) -> Id {
        self.push(Entry { parts, part_shape: part_shape.to_vec(), init, padding: 0 })
    }

    /// A tensor that has `padding` more rows of zeros in the model than in files.
    pub fn add_padded(&mut self, name: &str, shape: &[i64], init: Init, padding: i64) -> Id {
        let (parts, part_shape) = (vec![name.to_owned()], shape.to_vec());
        self.push(Entry { parts, part_shape, init, padding })
    }

    fn push(&mut self, entry: Entry) -> Id {
        self.entries.push(entry);
        Id(self.entries.len() - 1)
    }

    /// What was declared since the last end is a section of the model.
    pub fn end_section(&mut self) {
        self.sections.push(self.entries.len());
    }

    /// How many numbers are trained: those that files hold.
    pub fn parameters(&self) -> i64 {
        self.entries.iter().map(Entry::stored_numel).sum()
    }

    /// Rows of a parameter in files.
    pub fn stored_rows(&self, id: Id) -> i64 {
        self.entries[id.0].part_shape[0] * self.entries[id.0].parts.len() as i64
    }

    /// Length of the flat buffer.
    pub fn numel(&self) -> i64 {
        self.entries.iter().map(Entry::numel).sum()
    }

    /// The flat buffer's first elements, which decay.
    pub fn numel_decaying(&self) -> i64 {
        self.entries.iter().filter(|entry| entry.decays()).map(Entry::numel).sum()
    }

    /// Indices of entries in the order they are stored.
    fn storage_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|&index| !self.entries[index].decays());
        order
    }

    /// Views of `flat` (1-D, [`numel`](Self::numel) elements).
    pub fn views(&self, flat: &Tensor) -> Result<Views, TrainError> {
        let order = self.storage_order();
        let sizes: Vec<i64> = order.iter().map(|&index| self.entries[index].numel()).collect();
        let pieces = flat.f_split_with_sizes(&sizes, 0)?;
        let mut shaped = Vec::with_capacity(order.len());
        for (index, piece) in order.into_iter().zip(pieces) {
            shaped.push((index, piece.f_view(self.entries[index].shape().as_slice())?));
        }
        shaped.sort_by_key(|&(index, _)| index);
        let tensors = shaped.into_iter().map(|(_, view)| view).collect();
        Ok(Views { tensors, sections: self.sections.clone() })
    }

    /// Every stored tensor, in storage order.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut offset = 0;
        for index in self.storage_order() {
            let entry = &self.entries[index];
            for name in &entry.parts {
                slots.push(Slot { name: name.clone(), shape: entry.part_shape.clone(), offset });
                offset += entry.part_numel();
            }
            offset += entry.padding_numel();
        }
        slots
    }

    /// Fresh parameters as one flat fp32 tensor on the CPU: a function of the seed, each tensor's name
    /// and the position in it, so the same bits on every machine.
    pub fn initialise(&self, seed: u64) -> Result<Tensor, TrainError> {
        let mut values: Vec<f32> = Vec::new();
        values.try_reserve_exact(self.numel() as usize).map_err(|_| TrainError::OutOfMemory {
            detail: format!("the model has {} parameters", self.numel()),
        })?;
        for index in self.storage_order() {
            let entry = &self.entries[index];
            for name in &entry.parts {
                append_initial(&mut values, seed, name, entry.part_numel() as usize, entry.init);
            }
            values.resize(values.len() + entry.padding_numel() as usize, 0.0);
        }
        Ok(Tensor::f_from_slice(&values)?)
    }
}

fn append_initial(values: &mut Vec<f32>, seed: u64, name: &str, count: usize, init: Init) {
    const BLOCK: usize = 1 << 16;
    match init {
        Init::Zeros => values.resize(values.len() + count, 0.0),
        Init::Ones => values.resize(values.len() + count, 1.0),
        Init::Normal(deviation) => {
            for start in (0..count).step_by(BLOCK) {
                let block = normals(seed, name, start as u64, BLOCK.min(count - start));
                values.extend(block.into_iter().map(|x| (x * deviation) as f32));
            }
        }
    }
}

/// A flat fp32 buffer of zeros as long as the parameters.
pub(crate) fn zeros(layout: &Layout, device: Device) -> Result<Tensor, TrainError> {
    Ok(Tensor::f_zeros([layout.numel()], (Kind::Float, device))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (Layout, [Id; 3]) {
        let mut layout = Layout::default();
        let bias = layout.add("bias", &[2], Init::Ones);
        let fused = layout.add_stacked(vec!["q".into(), "k".into()], &[2, 3], Init::Normal(0.02));
        let table = layout.add("table", &[4, 2], Init::Normal(1.0));
        (layout, [bias, fused, table])
    }

    #[test]
    fn decaying_parameters_come_first_and_views_keep_ids() {
        let (layout, [bias, fused, table]) = layout();
        assert_eq!((layout.numel(), layout.numel_decaying()), (22, 20));
        let places: Vec<(String, i64)> =
            layout.slots().into_iter().map(|s| (s.name, s.offset)).collect();
        let expected = [("q", 0), ("k", 6), ("table", 12), ("bias", 20)];
        assert_eq!(places, expected.map(|(name, offset)| (name.to_owned(), offset)));
        let flat = Tensor::f_arange(22, (Kind::Float, Device::Cpu)).expect("small");
        let views = layout.views(&flat).expect("fits");
        assert_eq!(views[bias].size(), [2]);
        assert_eq!(views[fused].size(), [4, 3]);
        assert_eq!(views[table].double_value(&[0, 1]), 13.0);
        assert_eq!(views[bias].double_value(&[1]), 21.0);
    }

    #[test]
    fn padding_is_in_the_model_and_not_in_files() {
        let mut layout = Layout::default();
        let table = layout.add_padded("table", &[3, 2], Init::Ones, 5);
        layout.end_section();
        layout.add("after", &[2, 2], Init::Normal(1.0));
        layout.end_section();
        assert_eq!((layout.parameters(), layout.numel(), layout.stored_rows(table)), (10, 20, 3));
        let slots: Vec<_> = layout.slots().into_iter().map(|s| (s.shape, s.offset)).collect();
        assert_eq!(slots, [(vec![3, 2], 0), (vec![2, 2], 16)]);
        let views = layout.views(&layout.initialise(1).expect("small")).expect("fits");
        assert_eq!(views[table].size(), [8, 2]);
        assert_eq!(views[table].sum(Kind::Double).double_value(&[]), 6.0);
        assert_eq!(views.sections(), 2);
        assert_eq!(views.of_sections(1..2)[0].size(), [2, 2]);
        assert_eq!(views.of_sections(0..2).len(), 2);
    }

    #[test]
    fn initialisation_depends_on_seed_and_name_only() {
        let (first, _) = layout();
        let mut second = Layout::default();
        second.add("table", &[4, 2], Init::Normal(1.0));
        let values = |layout: &Layout, seed| -> Vec<f32> {
            Vec::try_from(layout.initialise(seed).expect("small")).expect("floats")
        };
        assert_eq!(values(&first, 3)[12..20], values(&second, 3));
        assert_ne!(values(&first, 3)[12..20], values(&second, 4));
        assert_eq!(values(&first, 3)[20..], [1.0, 1.0]);
    }
}
