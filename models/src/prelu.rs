//! Writes `PRelu` in operations that ONNX Runtime is quick at. Its kernel for `PRelu` takes more than half of an
//! `ArcFace` embedder's time on a CPU; `PRelu(x) = a·x + (1 - a)·Relu(x)`, where `a` is the slope, says the same but for
//! the last bits of a float. Where no slope exceeds 1 it is `a·x + Relu((1 - a)·x)`, which costs one pass over the
//! numbers less: the runtime makes each product, with the `Relu` or the sum behind it, one step. For a channel whose
//! slope does exceed 1, `-PRelu(x) = -a·x + Relu((a - 1)·x)` serves, where the convolutions behind it can take the
//! channel with its sign changed.
//!
//! The work is done once a file: the result is kept beside it, under a name that holds the file's checksum.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};

use self::graph::{Graph, Node, OperatorSet, Tensor, is_onnx, with};
use crate::catalog::Entry;
use crate::session;
use crate::vision::VisionError;
use crate::wire::{self, Field, WireError, number};

pub(crate) mod graph;

/// Part of the kept files' names: to be raised with every change of what is written into them.
const VERSION: u32 = 2;

/// From this version of the operator set on, `PRelu`, `Mul` and `Add` stretch a slope alike.
const LEAST_OPSET: i64 = 7;

/// `AttributeProto.AttributeType.GRAPH` and `GRAPHS`.
const GRAPH: i32 = 5;
const GRAPHS: i32 = 10;

/// Bytes of a SHA-256.
const CHECKSUM: usize = 32;

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

/// A field of the graph, and what takes its place.
struct Change {
    /// The field's bytes in the graph.
    instead_of: Range<usize>,
    fields: Vec<u8>,
}

/// One for each `PRelu` that can be rewritten and each weight whose signs change, in the graph's order.
fn changes(graph: &[u8]) -> Result<Vec<Change>, WireError> {
    let graph = Graph::read(graph)?;
    let mut changes = Vec::new();
    for (instead_of, node) in &graph.nodes {
        let ([x, slope], [y]) = (&node.input[..], &node.output[..]) else {
            continue;
        };
        if node.op_type != "PRelu" || !is_onnx(&node.domain) {
            continue;
        }
        let Some((slope, numbers)) = graph.floats(slope)? else {
            continue;
        };
        let flipped = numbers.iter().any(|number| *number > 1.0);
        let flips = if flipped {
            graph.flips(y, &slope, &numbers)?
        } else {
            Some(Vec::new())
        };
        let fields = match &flips {
            Some(_) => bent(x, &slope, &numbers, y),
            None => mixed(x, &slope, &numbers, y),
        };
        changes.push(Change {
            instead_of: instead_of.clone(),
            fields,
        });
        changes.extend(flips.into_iter().flatten());
    }
    changes.sort_by_key(|change| change.instead_of.start);
    // Two nodes that give one value its name would change the same weight.
    if changes
        .array_windows()
        .any(|[a, b]| b.instead_of.start < a.instead_of.end)
    {
        return Err(WireError);
    }
    Ok(changes)
}

impl Graph<'_> {
    /// The weights of all that reads `y`, so that they take it with the other sign in each channel whose slope exceeds
    /// 1; `None` where it is read by anything but convolutions with weights of their own.
    fn flips(&self, y: &str, slope: &Tensor, slopes: &[f32]) -> Result<Option<Vec<Change>>, WireError> {
        // One number a channel, as `[channels, 1, 1]` or with a batch of one before.
        let ([channels, 1, 1] | [1, channels, 1, 1]) = slope.dims[..] else {
            return Ok(None);
        };
        if usize::try_from(channels) != Ok(slopes.len()) || self.outputs.contains(y.as_bytes()) {
            return Ok(None);
        }
        // A graph within a node may read anything around it.
        let attributes = self.nodes.iter().flat_map(|(_, node)| &node.attribute);
        if attributes
            .map(|attribute| attribute.kind)
            .any(|kind| matches!(kind, GRAPH | GRAPHS))
        {
            return Ok(None);
        }
        let mut changes = Vec::new();
        for (_, reader) in &self.nodes {
            if !reader.input.iter().any(|input| input == y) {
                continue;
            }
            let Some(change) = self.flip(reader, y, slopes)? else {
                return Ok(None);
            };
            changes.push(change);
        }
        Ok(Some(changes))
    }

    fn flip(&self, conv: &Node, y: &str, slopes: &[f32]) -> Result<Option<Change>, WireError> {
        let [x, weight, ..] = &conv.input[..] else {
            return Ok(None);
        };
        let uses = |name: &str| {
            let inputs = self.nodes.iter().flat_map(|(_, node)| &node.input);
            inputs.filter(|input| *input == name).count()
        };
        let is_conv = conv.op_type == "Conv" && is_onnx(&conv.domain);
        if !is_conv || x != y || uses(weight) != 1 || self.outputs.contains(weight.as_bytes()) {
            return Ok(None);
        }
        let Some((tensor, mut numbers)) = self.floats(weight)? else {
            return Ok(None);
        };
        let group = conv.attribute.iter().find(|attribute| attribute.name == "group");
        if !flip_channels(&tensor.dims, group.map_or(1, |group| group.i), slopes, &mut numbers) {
            return Ok(None);
        }
        let mut fields = Vec::new();
        put_tensor(&with(&tensor, tensor.name.clone(), numbers), &mut fields);
        let (instead_of, _) = &self.tensors[weight.as_bytes()];
        Ok(Some(Change {
            instead_of: instead_of.clone(),
            fields,
        }))
    }
}

/// Changes the sign of what a convolution makes of each channel whose slope exceeds 1. `dims` are `[out, in / group,
/// …]`. False, and nothing changed, where it doesn't have as many channels as there are slopes.
fn flip_channels(dims: &[i64], group: i64, slopes: &[f32], numbers: &mut [f32]) -> bool {
    let [out, each, kernel @ ..] = dims else { return false };
    let kernel = kernel
        .iter()
        .try_fold(1, |product: i64, size| product.checked_mul(*size));
    let sizes =
        [Some(*out), Some(*each), Some(group), kernel].map(|size| size.and_then(|size| usize::try_from(size).ok()));
    let [Some(out), Some(each), Some(group), Some(kernel)] = sizes else {
        return false;
    };
    let fits = [out, each, group, kernel].iter().all(|size| *size > 0)
        && each.checked_mul(group) == Some(slopes.len())
        && out % group == 0
        && out.checked_mul(each).and_then(|count| count.checked_mul(kernel)) == Some(numbers.len());
    if !fits {
        return false;
    }
    for (place, numbers) in numbers.chunks_exact_mut(kernel).enumerate() {
        let (row, column) = (place / each, place % each);
        let channel = row / (out / group) * each + column;
        if slopes[channel] > 1.0 {
            for number in numbers {
                *number = -*number;
            }
        }
    }
    true
}

fn put_tensor(tensor: &Tensor, fields: &mut Vec<u8>) {
    wire::put_bytes(number::GRAPH_INITIALIZER, &tensor.encode_to_vec(), fields);
}

fn value(y: &str, what: &str) -> String {
    format!("{y}/muster-{what}")
}

/// `a·x + Relu((1 - a)·x)` where the slope doesn't exceed 1, its negative where it does.
fn bent(x: &str, slope: &Tensor, slopes: &[f32], y: &str) -> Vec<u8> {
    let signed = slopes.iter().map(|a| if *a > 1.0 { -a } else { *a });
    let signed = with(slope, value(y, "slope"), signed);
    let rest = with(slope, value(y, "rest"), slopes.iter().map(|a| (1.0 - a).abs()));
    let (scaled, above, below) = (value(y, "scaled"), value(y, "above"), value(y, "below"));
    put(
        [&signed, &rest],
        [
            ("Mul", &[x, &rest.name], &scaled),
            ("Relu", &[&scaled], &above),
            ("Mul", &[x, &signed.name], &below),
            ("Add", &[&below, &above], y),
        ],
    )
}

/// `a·x + (1 - a)·Relu(x)`, for every slope.
fn mixed(x: &str, slope: &Tensor, slopes: &[f32], y: &str) -> Vec<u8> {
    let same = with(slope, value(y, "slope"), slopes.iter().copied());
    let rest = with(slope, value(y, "rest"), slopes.iter().map(|a| 1.0 - a));
    let (above, scaled, below) = (value(y, "above"), value(y, "scaled"), value(y, "below"));
    put(
        [&same, &rest],
        [
            ("Relu", &[x], &above),
            ("Mul", &[&above, &rest.name], &scaled),
            ("Mul", &[x, &same.name], &below),
            ("Add", &[&scaled, &below], y),
        ],
    )
}

/// The fields of these weights and of nodes without attributes: each its operation, inputs and output.
fn put(weights: [&Tensor; 2], nodes: [(&str, &[&str], &str); 4]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (op_type, input, output) in nodes {
        let node = Node {
            input: input.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            name: format!("{output}-{op_type}"),
            op_type: op_type.into(),
            ..Node::default()
        };
        wire::put_bytes(number::GRAPH_NODE, &node.encode_to_vec(), &mut fields);
    }
    for weight in weights {
        put_tensor(weight, &mut fields);
    }
    fields
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
