//! Writing tensors to files: whole or not at all.

use crate::error::TrainError;
use safetensors::Dtype;
use safetensors::tensor::View;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use tch::Tensor;

/// Raw little-endian numbers with a shape.
pub(crate) struct Raw<'a> {
    kind: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl View for Raw<'_> {
    fn dtype(&self) -> Dtype {
        self.kind
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

pub(crate) fn floats<'a>(shape: &[i64], data: &'a [u8]) -> Raw<'a> {
    Raw {
        kind: Dtype::F32,
        shape: shape.iter().map(|&size| size as usize).collect(),
        data: Cow::Borrowed(data),
    }
}

/// `rows` of `N` numbers each.
pub(crate) fn table<const N: usize>(rows: &[[f64; N]]) -> Raw<'static> {
    let data = rows.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    Raw { kind: Dtype::F64, shape: vec![rows.len(), N], data: Cow::Owned(data) }
}

/// The memory of a contiguous tensor, on any device.
pub(crate) fn bytes(tensor: &Tensor) -> Result<Vec<u8>, TrainError> {
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

/// Writes a `.safetensors` beside `path`, syncs it and renames it into place.
pub(crate) fn write_tensors(
    path: &Path,
    tensors: Vec<(String, Raw)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<(), TrainError> {
    let temporary = path.with_extension("tmp");
    safetensors::serialize_to_file(tensors, metadata, &temporary)
        .map_err(|error| TrainError::io(&temporary, std::io::Error::other(error)))?;
    replace(&temporary, path).map_err(|source| TrainError::io(path, source))
}

fn replace(temporary: &Path, path: &Path) -> std::io::Result<()> {
    File::open(temporary)?.sync_all()?;
    std::fs::rename(temporary, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
