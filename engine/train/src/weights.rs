//! Weights as `.safetensors`: the names, shapes and layout of `transformers`, tied tensors once.

use crate::error::TrainError;
use crate::files;
use crate::model::Model;
use crate::parameters::{Layout, Slot, zeros};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes the flat parameters under their stored names, fp32.
pub(crate) fn write(path: &Path, layout: &Layout, flat: &Tensor) -> Result<(), TrainError> {
    let bytes = files::bytes(flat)?;
    let tensors = layout.slots().into_iter().map(|slot| {
        let range = slot.offset as usize * 4..(slot.offset + slot.numel()) as usize * 4;
        (slot.name, files::floats(&slot.shape, &bytes[range]))
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    files::write_tensors(path, tensors.collect(), Some(metadata))
}

/// Reads flat parameters (fp32, CPU): every tensor of `layout` must be there in its shape, and nothing
/// else may be.
pub(crate) fn read(path: &Path, model: &Model, layout: &Layout) -> Result<Tensor, TrainError> {
    let buffer = std::fs::read(path).map_err(|source| TrainError::io(path, source))?;
    let file =
        SafeTensors::deserialize(&buffer).map_err(|error| TrainError::weights(path, error))?;
    let slots = layout.slots();
    refuse_strangers(path, &file, model, &slots)?;
    let flat = zeros(layout, Device::Cpu)?;
    for slot in &slots {
        let short = slot.name.strip_prefix(model.optional_prefix()).unwrap_or(&slot.name);
        let view = file.tensor(&slot.name).or_else(|_| file.tensor(short));
        let view = view
            .map_err(|_| TrainError::weights(path, format!("tensor `{}` is missing", slot.name)))?;
        let mut place = flat.f_narrow(0, slot.offset, slot.numel())?;
        place.f_copy_(&piece(path, slot, &view)?)?;
    }
    Ok(flat)
}

fn piece(path: &Path, slot: &Slot, view: &TensorView) -> Result<Tensor, TrainError> {
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    if shape != slot.shape {
        let problem =
            format!("tensor `{}` has shape {shape:?}, the model needs {:?}", slot.name, slot.shape);
        return Err(TrainError::weights(path, problem));
    }
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => {
            return Err(TrainError::weights(
                path,
                format!("tensor `{}` is {other:?}, not a float", slot.name),
            ));
        }
    };
    let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?;
    Ok(tensor.f_to_kind(Kind::Float)?.f_reshape([-1])?)
}

fn refuse_strangers(
    path: &Path,
    file: &SafeTensors,
    model: &Model,
    slots: &[Slot],
) -> Result<(), TrainError> {
    let prefix = model.optional_prefix();
    let known = |name: &str| {
        slots.iter().any(|slot| slot.name == name || slot.name.strip_prefix(prefix) == Some(name))
    };
    match file.names().into_iter().find(|name| !known(name) && !model.is_redundant(name)) {
        Some(name) => {
            Err(TrainError::weights(path, format!("tensor `{name}` is none of the model's")))
        }
        None => Ok(()),
    }
}
