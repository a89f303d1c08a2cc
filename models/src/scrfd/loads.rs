//! A file of this family, made here since no weights may be had, runs by its catalog entry alone: its
//! score is the brightness of a cell, so a bright spot on black is a face.

use image::RgbImage;

use crate::catalog::{Catalog, Role};
use crate::detector::{self, Detector};

/// Field numbers are those of `onnx.proto3`.
fn bytes(number: u8, payload: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(payload.len() as u64), payload.to_vec()].concat()
}

fn integer(number: u8, value: u64) -> Vec<u8> {
    [vec![number << 3], varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}

fn integers(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| varint(*value)).collect()
}

/// An attribute that is a list of integers.
fn list(name: &str, values: &[u64]) -> Vec<u8> {
    let ints = values.iter().flat_map(|value| {
        let mut field = vec![8 << 3];
        field.extend(varint(*value));
        field
    });
    // Field 20, the type: INTS.
    let attribute = [bytes(1, name.as_bytes()), ints.collect(), vec![0xA0, 0x01, 7]].concat();
    bytes(5, &attribute)
}

fn node(kind: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
    node.extend(bytes(2, output.as_bytes()));
    node.extend(bytes(4, kind.as_bytes()));
    node.extend(attributes.concat());
    bytes(1, &node)
}

fn floats(name: &str, shape: &[u64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = [
        bytes(1, &integers(shape)),
        integer(2, 1),
        bytes(8, name.as_bytes()),
        bytes(9, &raw),
    ];
    bytes(5, &tensor.concat())
}

fn value(number: u8, name: &str, shape: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|side| bytes(1, &integer(1, *side))).collect();
    let tensor = [integer(1, 1), bytes(2, &dims)].concat();
    bytes(
        number,
        &[bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat(),
    )
}

/// Two anchors a cell, the sizes fixed at 640 as in `InsightFace`'s own files, names as odd as theirs.
fn file() -> Vec<u8> {
    let mut graph = Vec::new();
    let mut outputs = Vec::new();
    for (kind, width) in [1_u64, 4, 10].into_iter().enumerate() {
        for stride in [8_u64, 16, 32] {
            let name = |what: &str| format!("{what}{}", 100 * (kind as u64 + 1) + stride);
            let channels = 2 * width;
            // Red alone counts, and only at the finest stride; a box reaches half a stride, or one, around.
            let weight = if kind == 0 && stride == 8 { 1.0 } else { 0.0 };
            let offset = if kind == 0 { 0.0 } else { 0.5 };
            let weights: Vec<f32> = (0..channels).flat_map(|_| [weight, 0.0, 0.0]).collect();
            graph.extend(floats(&name("w"), &[channels, 3, 1, 1], &weights));
            graph.extend(floats(
                &name("b"),
                &[channels],
                &vec![offset; usize::try_from(channels).unwrap()],
            ));
            let shape = [u64::MAX, width];
            let raw: Vec<u8> = shape.iter().flat_map(|side| side.to_le_bytes()).collect();
            let tensor = [
                bytes(1, &integers(&[2])),
                integer(2, 7),
                bytes(8, name("s").as_bytes()),
                bytes(9, &raw),
            ];
            graph.extend(bytes(5, &tensor.concat()));
            let size = [
                list("kernel_shape", &[stride, stride]),
                list("strides", &[stride, stride]),
            ];
            graph.extend(node("AveragePool", &["input.1"], &name("p"), &size));
            graph.extend(node("Conv", &[&name("p"), &name("w"), &name("b")], &name("c"), &[]));
            graph.extend(node(
                "Transpose",
                &[&name("c")],
                &name("t"),
                &[list("perm", &[2, 3, 0, 1])],
            ));
            graph.extend(node("Reshape", &[&name("t"), &name("s")], &name(""), &[]));
            outputs.extend(value(12, &name(""), &[2 * (640 / stride).pow(2), width]));
        }
    }
    graph.extend(value(11, "input.1", &[1, 3, 640, 640]));
    graph.extend(outputs);
    graph.extend(bytes(2, b"scrfd"));
    [integer(1, 8), bytes(7, &graph), bytes(8, &integer(2, 13))].concat()
}

const ENTRY: &str = r#"
[[model]]
name = "made"
role = "detector"
family = "scrfd"
file = "made.onnx"
urls = []
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
bytes = 1
licence = "none"
input = { colour = "rgb", mean = 127.5, scale = 0.0078125 }
detection = { score = 0.5, overlap = 0.4 }
"#;

#[test]
fn an_entry_alone_makes_it_run() {
    // For the runtime, which this initialises.
    if crate::testing::model(Role::Detector).is_none() {
        return;
    }
    let catalog = Catalog::parse(ENTRY).unwrap();
    let model = detector::prepare(&file()).unwrap();
    let mut detector = Detector::open(&model, &catalog.entries()[0], 1).unwrap();
    let mut photo = RgbImage::new(200, 100);
    assert_eq!(detector.detect(&photo).unwrap(), []);
    for (x, y) in (0..8).flat_map(|y| (0..8).map(move |x| (x, y))) {
        // Blue and green are another matter.
        photo.put_pixel(40 + x, 24 + y, [255, 0, 0].into());
        photo.put_pixel(120 + x, 48 + y, [0, 255, 255].into());
    }
    let found = detector.detect(&photo).unwrap();
    let [face] = found[..] else { panic!("{found:?}") };
    assert!((face.score - 127.5 / 128.0).abs() < 1e-3, "{face:?}");
    assert_eq!((face.x, face.y, face.width, face.height), (36.0, 20.0, 8.0, 8.0));
    assert_eq!(face.landmarks, [[44.0, 28.0]; 5]);
}
