//! Text and metadata out of record batches: nested, list-typed and dictionary-encoded columns. Knows Arrow, not files.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray, make_array};
use arrow::datatypes::{DataType, Fields, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::json_lines::{compared, literal_member};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::corpus::spec::ReadSpec;

/// Where a column lies: field positions from the root down.
type FieldPath = Vec<usize>;

/// The columns of one file that matter.
pub(crate) struct Columns {
    text: Vec<(String, FieldPath)>,
    /// One for each filter; `None` where the file has no such column.
    filters: Vec<Option<Found>>,
}

/// Where a filter's value is: a column, or a member of the object that a text column holds.
struct Found {
    path: FieldPath,
    /// Names of the column and of the member.
    member: Option<(String, String)>,
}

/// Root columns to read, in increasing order.
pub(crate) fn roots(schema: &Schema, spec: &ReadSpec) -> Vec<usize> {
    let texts = spec.text.iter().filter_map(|name| locate(schema.fields(), name));
    let filters = spec.filters.keys().filter_map(|name| filter_column(schema, name));
    let paths = texts.chain(filters.map(|found| found.path));
    let mut roots: Vec<usize> = paths.map(|path| path[0]).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

impl Columns {
    /// Finds the columns; a text column that is missing or holds no text makes the whole file malformed.
    pub fn find(schema: &Schema, spec: &ReadSpec) -> Result<Self, String> {
        let text = spec.text.iter().map(|name| Ok((name.clone(), text_column(schema, name)?)));
        Ok(Self {
            text: text.collect::<Result<_, String>>()?,
            filters: spec.filters.keys().map(|name| filter_column(schema, name)).collect(),
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
        let filters: Vec<Option<ArrayRef>> = self
            .filters
            .iter()
            .map(|found| found.as_ref().map(|found| column(&root, &found.path)))
            .collect();
        for i in 0..batch.num_rows() {
            let number = first_row + i as u64;
            match self.values(&filters, i) {
                Ok(values) => {
                    if !intake.admits(number, |filter, _| values[filter].as_deref())? {
                        continue;
                    }
                }
                Err(message) => {
                    intake.unreadable(Some(number), message)?;
                    continue;
                }
            }
            match row_text(&text, i, &intake.spec.join) {
                Ok(text) => intake.text(number, &text)?,
                Err(message) => intake.problem(Some(number), message)?,
            }
        }
        Ok(())
    }

    /// What the filters compare of one row.
    fn values(
        &self,
        arrays: &[Option<ArrayRef>],
        row: usize,
    ) -> Result<Vec<Option<String>>, String> {
        let value = |(found, array): (&Option<Found>, &Option<ArrayRef>)| {
            let (Some(found), Some(array)) = (found, array) else { return Ok(None) };
            let Some((outer, inner)) = &found.member else { return Ok(scalar(array, row)) };
            if array.is_null(row) {
                return Ok(None);
            }
            let text =
                text(array, row, "").map_err(|problem| format!("column `{outer}` {problem}"))?;
            Ok(literal_member(outer, &text, inner)?.as_ref().and_then(compared))
        };
        self.filters.iter().zip(arrays).map(value).collect()
    }
}

/// A column of the table, or else a member of an object that a column of text holds.
fn filter_column(schema: &Schema, name: &str) -> Option<Found> {
    if let Some(path) = locate(schema.fields(), name) {
        return Some(Found { path, member: None });
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let (outer, inner) = (&name[..dot], &name[dot + 1..]);
        let path = text_column(schema, outer).ok()?;
        Some(Found { path, member: Some((outer.to_owned(), inner.to_owned())) })
    })
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

fn row_text<'a>(
    columns: &'a [(&str, ArrayRef)],
    row: usize,
    join: &str,
) -> Result<Cow<'a, str>, String> {
    let mut parts = Vec::with_capacity(columns.len());
    for (name, array) in columns {
        parts.push(text(array, row, join).map_err(|problem| format!("column `{name}` {problem}"))?);
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => Cow::Owned(parts.join(join)),
    })
}

fn text<'a>(array: &'a dyn Array, row: usize, join: &str) -> Result<Cow<'a, str>, String> {
    if array.is_null(row) {
        return Err("is null where text is expected".into());
    }
    match array.data_type() {
        DataType::Utf8 => Ok(Cow::Borrowed(array.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Ok(Cow::Borrowed(array.as_string::<i64>().value(row))),
        DataType::Utf8View => Ok(Cow::Borrowed(array.as_string_view().value(row))),
        DataType::Binary => utf8(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => utf8(array.as_binary::<i64>().value(row)),
        DataType::List(_) => list_text(&array.as_list::<i32>().value(row), join),
        DataType::LargeList(_) => list_text(&array.as_list::<i64>().value(row), join),
        other => Err(format!("is {other} where text is expected")),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("has invalid UTF-8 at byte {}", e.valid_up_to() + 1))?;
    Ok(Cow::Borrowed(text))
}

fn list_text(items: &ArrayRef, join: &str) -> Result<Cow<'static, str>, String> {
    let items = plain(items.clone());
    let parts: Vec<Cow<str>> =
        (0..items.len()).map(|i| text(&items, i, join)).collect::<Result<_, _>>()?;
    Ok(Cow::Owned(parts.join(join)))
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
