//! A model's graph as far as rewriting it needs: its operations and its weights, read by ONNX's numbers of their fields.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use prost::Message;

use crate::wire::{self, WireError, number};

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

/// What is needed of `NodeProto`.
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
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// What is needed of `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// 2 for a whole number.
    #[prost(int32, tag = "20")]
    pub kind: i32,
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

/// Whether that is the standard's own domain.
pub(crate) fn is_onnx(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// What is needed of `GraphProto`.
pub(crate) struct Graph<'g> {
    /// Each with the place of its field.
    pub nodes: Vec<(Range<usize>, Node)>,
    /// By their names, each with the place of its field.
    pub tensors: HashMap<&'g [u8], (Range<usize>, &'g [u8])>,
    pub outputs: HashSet<&'g [u8]>,
}

impl<'g> Graph<'g> {
    pub fn read(graph: &'g [u8]) -> Result<Self, WireError> {
        let mut read = Self {
            nodes: Vec::new(),
            tensors: HashMap::new(),
            outputs: HashSet::new(),
        };
        let mut end = 0;
        for field in wire::fields(graph) {
            let field = field?;
            let start = end;
            end += field.whole.len();
            let Some(payload) = field.payload else { continue };
            match field.number {
                number::GRAPH_NODE => read.nodes.push((start..end, Node::decode(payload)?)),
                number::GRAPH_INITIALIZER => {
                    let name = wire::text(payload, number::TENSOR_NAME)?;
                    read.tensors.insert(name, (start..end, payload));
                }
                number::GRAPH_OUTPUT => {
                    read.outputs.insert(wire::text(payload, number::VALUE_NAME)?);
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// That weight and its numbers; `None` where it is no weight, or none of floats that stand here.
    pub fn floats(&self, name: &str) -> Result<Option<(Tensor, Vec<f32>)>, WireError> {
        let Some((_, tensor)) = self.tensors.get(name.as_bytes()) else {
            return Ok(None);
        };
        let tensor = Tensor::decode(*tensor)?;
        if tensor.data_type != FLOAT || tensor.data_location != 0 {
            return Ok(None);
        }
        if !tensor.float_data.is_empty() {
            let numbers = tensor.float_data.clone();
            return Ok(Some((tensor, numbers)));
        }
        let (numbers, []) = tensor.raw_data.as_chunks::<4>() else {
            return Ok(None);
        };
        let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Some((tensor, numbers)))
    }
}

/// The tensor with another name and other numbers.
pub(crate) fn with(tensor: &Tensor, name: String, numbers: impl IntoIterator<Item = f32>) -> Tensor {
    Tensor {
        name,
        dims: tensor.dims.clone(),
        data_type: FLOAT,
        raw_data: numbers.into_iter().flat_map(f32::to_le_bytes).collect(),
        ..Tensor::default()
    }
}
