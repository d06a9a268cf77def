//! Text and metadata out of record batches: nested, list-typed and dictionary-encoded columns. Knows Arrow, not files.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray, make_array};
use arrow::datatypes::{DataType, Fields, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::TEXT_SEPARATOR;
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::corpus::spec::SamplesSpec;

/// Where a column lies: field positions from the root down.
type FieldPath = Vec<usize>;

/// The columns of one file that matter.
pub(crate) struct Columns {
    text: Vec<(String, FieldPath)>,
    /// One for each filter; `None` where the file has no such column.
    filters: Vec<Option<FieldPath>>,
}

/// Root columns to read, in increasing order.
pub(crate) fn roots(schema: &Schema, spec: &SamplesSpec) -> Vec<usize> {
    let names = spec.text.iter().chain(spec.filters.keys());
    let mut roots: Vec<usize> =
        names.filter_map(|name| locate(schema.fields(), name)).map(|path| path[0]).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

impl Columns {
    /// Finds the columns; a text column that is missing or holds no text makes the whole file malformed.
    pub fn find(schema: &Schema, spec: &SamplesSpec) -> Result<Self, String> {
        let text = spec.text.iter().map(|name| Ok((name.clone(), text_column(schema, name)?)));
        Ok(Self {
            text: text.collect::<Result<_, String>>()?,
            filters: spec.filters.keys().map(|name| locate(schema.fields(), name)).collect(),
        })
    }

    /// Takes the rows of a batch whose first row has number `first_row`.
    pub fn take(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        intake: &mut Intake,
    ) -> Result<(), DataError> {
        let root = StructArray::from(batch.clone());
        let text: Vec<(&str, ArrayRef)> =
            self.text.iter().map(|(name, path)| (name.as_str(), column(&root, path))).collect();
        let filters: Vec<Option<ArrayRef>> =
            self.filters.iter().map(|path| path.as_ref().map(|path| column(&root, path))).collect();
        for i in 0..batch.num_rows() {
            let number = first_row + i as u64;
            if !intake
                .admits(|filter, _| filters[filter].as_ref().and_then(|array| scalar(array, i)))
            {
                continue;
            }
            match row_text(&text, i) {
                Ok(text) => intake.text(number, &text)?,
                Err(message) => intake.problem(Some(number), message),
            }
        }
        Ok(())
    }
}

fn text_column(schema: &Schema, name: &str) -> Result<FieldPath, String> {
    let path = locate(schema.fields(), name).ok_or_else(|| format!("no column `{name}`"))?;
    let mut fields = schema.fields();
    let mut kind = &DataType::Null;
    for &position in &path {
        kind = fields[position].data_type();
        if let DataType::Struct(inner) = kind {
            fields = inner;
        }
    }
    if holds_text(kind) {
        Ok(path)
    } else {
        Err(format!("column `{name}` is {kind} where text is expected"))
    }
}

/// The path of a dotted column: the whole name first, then one level down at each dot.
fn locate(fields: &Fields, name: &str) -> Option<FieldPath> {
    if let Some((position, _)) = fields.find(name) {
        return Some(vec![position]);
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let (position, field) = fields.find(&name[..dot])?;
        let DataType::Struct(inner) = field.data_type() else { return None };
        let mut path = vec![position];
        path.extend(locate(inner, &name[dot + 1..])?);
        Some(path)
    })
}

fn column(root: &StructArray, path: &[usize]) -> ArrayRef {
    let mut array: ArrayRef = make_array(root.to_data());
    for &position in path {
        array = array.as_struct().column(position).clone();
    }
    plain(array)
}

/// A dictionary-encoded column as its values, so that rows are read one way. A dictionary that does not decode is
/// left as it is; its rows are then reported one by one.
fn plain(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Dictionary(_, values) => arrow::compute::cast(&array, values).unwrap_or(array),
        _ => array,
    }
}

fn holds_text(kind: &DataType) -> bool {
    use DataType::{Binary, Dictionary, LargeBinary, LargeList, LargeUtf8, List, Utf8, Utf8View};
    match kind {
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary => true,
        Dictionary(_, value) => holds_text(value),
        List(item) | LargeList(item) => holds_text(item.data_type()),
        _ => false,
    }
}

fn row_text<'a>(columns: &'a [(&str, ArrayRef)], row: usize) -> Result<Cow<'a, str>, String> {
    let mut parts = Vec::with_capacity(columns.len());
    for (name, array) in columns {
        parts.push(text(array, row).map_err(|problem| format!("column `{name}` {problem}"))?);
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => Cow::Owned(parts.join(TEXT_SEPARATOR)),
    })
}

fn text(array: &dyn Array, row: usize) -> Result<Cow<'_, str>, String> {
    if array.is_null(row) {
        return Err("is null where text is expected".into());
    }
    match array.data_type() {
        DataType::Utf8 => Ok(Cow::Borrowed(array.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Ok(Cow::Borrowed(array.as_string::<i64>().value(row))),
        DataType::Utf8View => Ok(Cow::Borrowed(array.as_string_view().value(row))),
        DataType::Binary => utf8(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => utf8(array.as_binary::<i64>().value(row)),
        DataType::List(_) => list_text(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list_text(&array.as_list::<i64>().value(row)),
        other => Err(format!("is {other} where text is expected")),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("has invalid UTF-8 at byte {}", e.valid_up_to() + 1))?;
    Ok(Cow::Borrowed(text))
}

fn list_text(items: &ArrayRef) -> Result<Cow<'static, str>, String> {
    let items = plain(items.clone());
    let parts: Vec<Cow<str>> =
        (0..items.len()).map(|i| text(&items, i)).collect::<Result<_, _>>()?;
    Ok(Cow::Owned(parts.join(TEXT_SEPARATOR)))
}

/// A value as filters compare it; null compares with nothing.
fn scalar(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).ok()?;
    formatter.value(row).try_to_string().ok()
}
