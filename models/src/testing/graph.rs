//! Small ONNX files made on the spot, for what no file at hand shows.

use prost::Message;

use crate::prelu::graph::{Attribute, Node, OperatorSet, Tensor};

const FLOAT: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorKind>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorKind {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, tag = "1")]
    size: i64,
    #[prost(string, tag = "2")]
    name: String,
}

/// A node without attributes.
pub(crate) fn node(op_type: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        name: format!("{op_type} {output}"),
        op_type: op_type.into(),
        ..Node::default()
    }
}

/// A convolution of `x` by the weight `w`, in so many groups.
pub(crate) fn conv(x: &str, weight: &str, group: i64, output: &str) -> Node {
    let group = Attribute {
        name: "group".into(),
        i: group,
        kind: 2,
    };
    Node {
        attribute: vec![group],
        ..node("Conv", &[x, weight], output)
    }
}

/// A weight.
pub(crate) fn tensor(name: &str, dims: &[i64], numbers: &[f32]) -> Tensor {
    Tensor {
        dims: dims.to_vec(),
        data_type: FLOAT,
        name: name.into(),
        raw_data: numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ..Tensor::default()
    }
}

/// An input or output by its name and sizes, -1 where any will do.
pub(crate) type Port<'p> = (&'p str, &'p [i64]);

/// The bytes of a file with one input and one output.
pub(crate) fn model(nodes: Vec<Node>, weights: Vec<Tensor>, input: Port<'_>, output: Port<'_>, opset: i64) -> Vec<u8> {
    let model = Model {
        ir_version: 8,
        graph: Some(Graph {
            node: nodes,
            name: "graph".into(),
            initializer: weights,
            input: vec![value(input)],
            output: vec![value(output)],
        }),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: opset,
        }],
    };
    model.encode_to_vec()
}

fn value((name, sizes): Port<'_>) -> Value {
    let dimension = |(axis, size): (usize, &i64)| match size {
        -1 => Dimension {
            name: format!("{name}_{axis}"),
            ..Dimension::default()
        },
        size => Dimension {
            size: *size,
            name: String::new(),
        },
    };
    let shape = Shape {
        dim: sizes.iter().enumerate().map(dimension).collect(),
    };
    Value {
        name: name.into(),
        kind: Some(Kind {
            tensor: Some(TensorKind {
                element: FLOAT,
                shape: Some(shape),
            }),
        }),
    }
}
