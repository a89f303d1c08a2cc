//! Changes an ONNX file without knowing all of it, and frees its fixed sizes so: `YuNet`'s file
//! demands 640 x 640 though its graph takes any multiple of 32, so the dimensions that its header
//! declares are replaced by names.
//!
//! An ONNX file is a protocol buffer. Generated code would drop what it doesn't know, so this walks
//! the wire format, changes the few fields in question and copies every other byte as it stands.

/// A file that is no protocol buffer, or no ONNX model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ONNX model")]
pub(crate) struct WireError;

/// Field numbers of `onnx.proto3`.
pub(crate) mod number {
    pub const MODEL_GRAPH: u64 = 7;
    pub const MODEL_OPSET_IMPORT: u64 = 8;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const GRAPH_INPUT: u64 = 11;
    pub const GRAPH_OUTPUT: u64 = 12;
    pub const GRAPH_VALUE_INFO: u64 = 13;
    pub const TENSOR_NAME: u64 = 8;
    pub const VALUE_NAME: u64 = 1;
    pub const VALUE_TYPE: u64 = 2;
    pub const TYPE_TENSOR: u64 = 1;
    pub const TENSOR_TYPE_SHAPE: u64 = 2;
    pub const SHAPE_DIM: u64 = 1;
    pub const DIM_PARAM: u64 = 2;
}

/// Number of bytes in a varint at most.
const VARINT: usize = 10;

/// The model with height and width of its input, and batch and number of rows of each output, left
/// open.
pub(crate) fn free_sizes(model: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut graphs = 0;
    let freed = rewrite(model, |field| match (field.number, field.payload) {
        (number::MODEL_GRAPH, Some(graph)) => {
            graphs += 1;
            free_graph(graph).map(Edit::Replace)
        }
        _ => Ok(Edit::Keep),
    })?;
    if graphs == 1 { Ok(freed) } else { Err(WireError) }
}

fn free_graph(graph: &[u8]) -> Result<Vec<u8>, WireError> {
    // Older files list their weights among the inputs.
    let mut weights = Vec::new();
    for field in fields(graph) {
        let field = field?;
        if let (number::GRAPH_INITIALIZER, Some(tensor)) = (field.number, field.payload) {
            weights.push(text(tensor, number::TENSOR_NAME)?);
        }
    }
    rewrite(graph, |field| match (field.number, field.payload) {
        (number::GRAPH_INPUT, Some(value)) if !weights.contains(&text(value, number::VALUE_NAME)?) => {
            free_value(value, |axis| match axis {
                2 => Some("height".into()),
                3 => Some("width".into()),
                _ => None,
            })
            .map(Edit::Replace)
        }
        (number::GRAPH_OUTPUT, Some(value)) => {
            let name = String::from_utf8_lossy(text(value, number::VALUE_NAME)?).into_owned();
            // SCRFD's have no batch in front of the rows.
            free_value(value, |axis| (axis < 2).then(|| format!("{name}_{axis}"))).map(Edit::Replace)
        }
        // Sizes of what lies between, for the fixed input: optional, and now wrong.
        (number::GRAPH_VALUE_INFO, Some(_)) => Ok(Edit::Drop),
        _ => Ok(Edit::Keep),
    })
}

/// `ValueInfoProto.type.tensor_type.shape.dim[axis]` becomes the name that `name_of` gives.
fn free_value(value: &[u8], name_of: impl Fn(usize) -> Option<String>) -> Result<Vec<u8>, WireError> {
    nested(
        value,
        &[number::VALUE_TYPE, number::TYPE_TENSOR, number::TENSOR_TYPE_SHAPE],
        &|shape| {
            let mut axis = 0;
            rewrite(shape, |field| {
                if field.number != number::SHAPE_DIM || field.payload.is_none() {
                    return Ok(Edit::Keep);
                }
                let name = name_of(axis);
                axis += 1;
                Ok(name.map_or(Edit::Keep, |name| {
                    let mut dimension = Vec::new();
                    put_bytes(number::DIM_PARAM, name.as_bytes(), &mut dimension);
                    Edit::Replace(dimension)
                }))
            })
        },
    )
}

type Change<'c> = dyn Fn(&[u8]) -> Result<Vec<u8>, WireError> + 'c;

/// Applies `change` to the message at the end of `path`.
fn nested(message: &[u8], path: &[u64], change: &Change<'_>) -> Result<Vec<u8>, WireError> {
    let Some((first, rest)) = path.split_first() else {
        return change(message);
    };
    rewrite(message, |field| match field.payload {
        Some(inner) if field.number == *first => nested(inner, rest, change).map(Edit::Replace),
        _ => Ok(Edit::Keep),
    })
}

/// The bytes of a field, empty where it is absent.
pub(crate) fn text(message: &[u8], number: u64) -> Result<&[u8], WireError> {
    for field in fields(message) {
        let field = field?;
        if let (true, Some(payload)) = (field.number == number, field.payload) {
            return Ok(payload);
        }
    }
    Ok(&[])
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub number: u64,
    /// Tag and value as they stand.
    pub whole: &'a [u8],
    /// Of a length-delimited field, what it holds.
    pub payload: Option<&'a [u8]>,
}

enum Edit {
    Keep,
    Drop,
    Replace(Vec<u8>),
}

fn rewrite<'a>(
    message: &'a [u8],
    mut edit: impl FnMut(&Field<'a>) -> Result<Edit, WireError>,
) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(message.len());
    for field in fields(message) {
        let field = field?;
        match edit(&field)? {
            Edit::Keep => out.extend_from_slice(field.whole),
            Edit::Drop => {}
            Edit::Replace(payload) => put_bytes(field.number, &payload, &mut out),
        }
    }
    Ok(out)
}

/// The fields of a message in their order; after the first fault there are no more.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, WireError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(rest);
        // After a fault nothing that follows has a meaning.
        rest = field.as_ref().map_or(&[], |field| &rest[field.whole.len()..]);
        Some(field)
    })
}

fn next_field(message: &[u8]) -> Result<Field<'_>, WireError> {
    let (tag, after_tag) = varint(message)?;
    let (payload, after) = match tag & 7 {
        0 => (None, varint(after_tag)?.1),
        1 => (None, after_tag.get(8..).ok_or(WireError)?),
        2 => {
            let (length, rest) = varint(after_tag)?;
            let length = usize::try_from(length).map_err(|_| WireError)?;
            let (payload, after) = rest.split_at_checked(length).ok_or(WireError)?;
            (Some(payload), after)
        }
        5 => (None, after_tag.get(4..).ok_or(WireError)?),
        _ => return Err(WireError),
    };
    Ok(Field {
        number: tag >> 3,
        whole: &message[..message.len() - after.len()],
        payload,
    })
}

fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(VARINT).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err(WireError)
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(number: u64, payload: &[u8], out: &mut Vec<u8>) {
    put_header(number, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends what stands before the `length` bytes of a length-delimited field.
pub(crate) fn put_header(number: u64, length: usize, out: &mut Vec<u8>) {
    put_varint(number << 3 | 2, out);
    put_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, payload) in fields {
            put_bytes(*number, payload, &mut out);
        }
        out
    }

    fn fixed(size: u64) -> Vec<u8> {
        let mut out = vec![8];
        put_varint(size, &mut out);
        out
    }

    fn named(name: &str) -> Vec<u8> {
        message(&[(2, name.as_bytes())])
    }

    fn value(name: &str, dims: &[Vec<u8>]) -> Vec<u8> {
        let dims: Vec<(u64, &[u8])> = dims.iter().map(|dim| (1, dim.as_slice())).collect();
        let mut tensor = vec![8, 1];
        tensor.extend(message(&[(2, &message(&dims))]));
        message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))])
    }

    /// Some of every wire type around the graph, which must survive.
    fn model(graph: &[u8]) -> Vec<u8> {
        let mut out = vec![8, 6];
        out.extend(message(&[(7, graph), (2, b"producer")]));
        out.extend([0x1D, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]);
        out
    }

    #[test]
    fn only_the_sizes_in_question_change() {
        let weight = message(&[(8, b"w"), (9, &[0; 300])]);
        let weight_input = value("w", &[fixed(1), fixed(2), fixed(3), fixed(4)]);
        let before = model(&message(&[
            (1, b"node"),
            (5, &weight),
            (11, &weight_input),
            (11, &value("input", &[fixed(1), fixed(3), fixed(640), fixed(640)])),
            (12, &value("cls_8", &[fixed(1), fixed(6400), fixed(1)])),
            (13, b"hint"),
        ]));
        let after = model(&message(&[
            (1, b"node"),
            (5, &weight),
            (11, &weight_input),
            (
                11,
                &value("input", &[fixed(1), fixed(3), named("height"), named("width")]),
            ),
            (12, &value("cls_8", &[named("cls_8_0"), named("cls_8_1"), fixed(1)])),
        ]));
        assert_eq!(free_sizes(&before), Ok(after.clone()));
        assert_eq!(free_sizes(&after), Ok(after));
    }

    #[test]
    fn damage_is_an_error_not_a_panic() {
        let whole = model(&message(&[(
            11,
            &value("input", &[fixed(1), fixed(3), fixed(640), fixed(640)]),
        )]));
        for length in 0..whole.len() {
            let _ = free_sizes(&whole[..length]);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7F, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = free_sizes(&damaged);
            }
        }
        for bad in [&b""[..], b"<html>", &[0xFF; 20], &[0x3A, 0x05, 1]] {
            assert_eq!(free_sizes(bad), Err(WireError));
        }
    }
}
