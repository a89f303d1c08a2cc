//! Writes `PRelu` in operations that ONNX Runtime is quick at. Its kernel for `PRelu` takes more than half of an
//! `ArcFace` embedder's time on a CPU; `PRelu(x) = a·x + (1 - a)·Relu(x)`, where `a` is the slope, is folded into the
//! convolutions around it, and says the same but for the last bits of a float.
//!
//! The work is done once a file: the result is kept beside it, under a name that holds the file's checksum.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};

use crate::catalog::Entry;
use crate::session;
use crate::vision::VisionError;
use crate::wire::{self, Field, WireError, number};

/// Part of the kept files' names: to be raised with every change of what is written into them.
const VERSION: u32 = 1;

/// From this version of the operator set on, `PRelu`, `Mul` and `Add` stretch a slope alike.
const LEAST_OPSET: i64 = 7;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

/// Bytes of a SHA-256.
const CHECKSUM: usize = 32;

/// What is needed of `NodeProto`; the nodes that are written have no attributes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// What is needed of `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    pub name: String,
    /// Little endian, where `float_data` is empty.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Not 0 where the numbers stand in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

impl From<prost::DecodeError> for WireError {
    fn from(_: prost::DecodeError) -> Self {
        Self
    }
}

/// The model's bytes with every `PRelu` rewritten, from what an earlier start kept where that is whole. `path` is the
/// entry's file, its checksum known to be right; the result is kept in the same folder, if that can be written.
pub(crate) fn read(path: &Path, entry: &Entry) -> Result<Vec<u8>, VisionError> {
    let kept = kept_at(path, entry);
    if let Some(model) = whole(&kept) {
        return Ok(model);
    }
    let model = session::read(path)?;
    match rewrite(&model).map_err(|error| VisionError::Model(error.to_string()))? {
        None => Ok(model),
        Some(rewritten) => {
            if let Err(error) = keep(&kept, &rewritten) {
                tracing::warn!(path = %kept.display(), %error, "a rewritten model can't be kept and is made at each start");
            }
            Ok(rewritten)
        }
    }
}

fn kept_at(path: &Path, entry: &Entry) -> PathBuf {
    path.with_file_name(format!("{}.{}.prelu{VERSION}", entry.file, entry.sha256))
}

/// What [`keep`] wrote; nothing where that isn't there, or damaged.
fn whole(path: &Path) -> Option<Vec<u8>> {
    let mut model = std::fs::read(path).ok()?;
    let length = model.len().checked_sub(CHECKSUM)?;
    let checksum = model.split_off(length);
    let right = Sha256::digest(&model).as_slice() == checksum;
    if !right {
        tracing::warn!(path = %path.display(), "is damaged and is made again");
    }
    right.then_some(model)
}

/// Writes the model and its checksum; the file is whole or not there, whatever happens meanwhile.
fn keep(path: &Path, model: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(model)?;
    file.write_all(&Sha256::digest(model))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The model with every `PRelu` rewritten whose slope is part of it; `None` where there is none.
///
/// Names of the new values end in `/muster-…`: a file that has such a name already is refused by the runtime, which
/// wants each name once.
pub(crate) fn rewrite(model: &[u8]) -> Result<Option<Vec<u8>>, WireError> {
    let mut graphs = Vec::new();
    let mut opset = 0;
    for field in wire::fields(model) {
        match field? {
            Field {
                number: number::MODEL_GRAPH,
                payload: Some(graph),
                ..
            } => graphs.push(graph),
            Field {
                number: number::MODEL_OPSET_IMPORT,
                payload: Some(set),
                ..
            } => {
                let set = OperatorSet::decode(set)?;
                if is_onnx(&set.domain) {
                    opset = set.version;
                }
            }
            _ => {}
        }
    }
    let [graph] = graphs[..] else { return Err(WireError) };
    if opset < LEAST_OPSET {
        return Ok(None);
    }
    let changes = changes(graph)?;
    if changes.is_empty() {
        return Ok(None);
    }
    // Weights may be hundreds of MB: they are copied once.
    let length = changes.iter().fold(graph.len(), |length, change| {
        length - change.instead_of.len() + change.fields.len()
    });
    let mut out = Vec::with_capacity(model.len() - graph.len() + length + CHECKSUM);
    for field in wire::fields(model) {
        let field = field?;
        if field.number == number::MODEL_GRAPH && field.payload.is_some() {
            wire::put_header(field.number, length, &mut out);
            put_changed(graph, &changes, &mut out);
        } else {
            out.extend_from_slice(field.whole);
        }
    }
    Ok(Some(out))
}

fn is_onnx(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// A field of the graph, and what takes its place.
struct Change {
    /// The field's bytes in the graph.
    instead_of: Range<usize>,
    fields: Vec<u8>,
}

/// One for each `PRelu` that can be rewritten, in the graph's order.
fn changes(graph: &[u8]) -> Result<Vec<Change>, WireError> {
    let mut tensors = HashMap::new();
    let mut nodes = Vec::new();
    let mut end = 0;
    for field in wire::fields(graph) {
        let field = field?;
        let start = end;
        end += field.whole.len();
        match field {
            Field {
                number: number::GRAPH_INITIALIZER,
                payload: Some(tensor),
                ..
            } => {
                tensors.insert(wire::text(tensor, number::TENSOR_NAME)?, tensor);
            }
            Field {
                number: number::GRAPH_NODE,
                payload: Some(node),
                ..
            } => {
                let node = Node::decode(node)?;
                if node.op_type == "PRelu" && is_onnx(&node.domain) {
                    nodes.push((start..end, node));
                }
            }
            _ => {}
        }
    }
    let mut written = HashSet::new();
    let mut changes = Vec::new();
    for (instead_of, node) in nodes {
        let ([x, slope], [y]) = (&node.input[..], &node.output[..]) else {
            continue;
        };
        let Some(tensor) = tensors.get(slope.as_bytes()) else {
            continue;
        };
        let Some(rest) = rest_of(Tensor::decode(*tensor)?) else {
            continue;
        };
        let mut fields = Vec::new();
        for operation in operations(x, slope, &rest.name, y) {
            wire::put_bytes(number::GRAPH_NODE, &operation.encode_to_vec(), &mut fields);
        }
        // Several nodes may share a slope.
        if written.insert(slope.clone()) {
            wire::put_bytes(number::GRAPH_INITIALIZER, &rest.encode_to_vec(), &mut fields);
        }
        changes.push(Change { instead_of, fields });
    }
    Ok(changes)
}

/// `1 - slope`, in the slope's shape; `None` where the slope's numbers aren't floats that stand here.
fn rest_of(slope: Tensor) -> Option<Tensor> {
    if slope.data_type != FLOAT || slope.data_location != 0 {
        return None;
    }
    let numbers = if slope.float_data.is_empty() {
        let (numbers, []) = slope.raw_data.as_chunks::<4>() else {
            return None;
        };
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    } else {
        slope.float_data
    };
    let mut rest = Tensor {
        name: format!("{}/muster-rest", slope.name),
        dims: slope.dims,
        data_type: FLOAT,
        ..Tensor::default()
    };
    for number in numbers {
        rest.raw_data.extend((1.0 - number).to_le_bytes());
    }
    Some(rest)
}

fn operations(x: &str, slope: &str, rest: &str, y: &str) -> [Node; 4] {
    let value = |what: &str| format!("{y}/muster-{what}");
    let (above, scaled, below) = (value("above"), value("scaled"), value("below"));
    let node = |op_type: &str, input: &[&str], output: &str| Node {
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        name: format!("{output}-{op_type}"),
        op_type: op_type.into(),
        domain: String::new(),
    };
    [
        node("Relu", &[x], &above),
        node("Mul", &[&above, rest], &scaled),
        node("Mul", &[x, slope], &below),
        node("Add", &[&scaled, &below], y),
    ]
}

/// Appends the graph's fields, each change in its place.
fn put_changed(graph: &[u8], changes: &[Change], out: &mut Vec<u8>) {
    let mut done = 0;
    for change in changes {
        out.extend_from_slice(&graph[done..change.instead_of.start]);
        out.extend_from_slice(&change.fields);
        done = change.instead_of.end;
    }
    out.extend_from_slice(&graph[done..]);
}

#[cfg(test)]
mod tests;
