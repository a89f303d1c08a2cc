//! The rewritten files say the same as the original ones, on real weights and on small graphs.

use super::*;
use crate::catalog::{Catalog, Role};
use crate::testing::graph::{self, model, node};

/// Numbers on both sides of 0, the same at each call.
fn samples(count: usize) -> Vec<f32> {
    (0..u32::try_from(count).unwrap())
        .map(|i| f32::from(i.wrapping_mul(2_654_435_761).to_le_bytes()[3]) - 127.5)
        .collect()
}

fn run(model: &[u8], shape: [usize; 4], samples: &[f32]) -> Vec<f32> {
    let mut session = session::open(model, 1).unwrap();
    let outputs = session::run(&mut session, shape, samples).unwrap();
    let (_, numbers) = outputs[0].try_extract_tensor::<f32>().unwrap();
    numbers.to_vec()
}

fn node_count(model: &[u8], op_type: &str) -> usize {
    let graph = wire::text(model, number::MODEL_GRAPH).unwrap();
    wire::fields(graph)
        .map(Result::unwrap)
        .filter(|field| field.number == number::GRAPH_NODE)
        .filter(|field| Node::decode(field.payload.unwrap()).unwrap().op_type == op_type)
        .count()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn real_weights_say_the_same() {
    let Some((entry, model)) = crate::testing::model(Role::Embedder) else {
        return;
    };
    let rewritten = rewrite(&model).unwrap().expect("its PRelus");
    assert_eq!(node_count(&rewritten, "PRelu"), 0);
    assert_eq!(
        node_count(&rewritten, "Add"),
        node_count(&model, "Add") + node_count(&model, "PRelu")
    );
    assert_eq!(bent_count(&rewritten), node_count(&model, "PRelu"));
    assert_eq!(rewrite(&rewritten), Ok(None));
    let shape = [2, 3, 112, 112];
    let mut faces = samples(shape.iter().product());
    for sample in &mut faces {
        *sample += 127.5;
    }
    let (before, after) = (run(&model, shape, &faces), run(&rewritten, shape, &faces));
    let dimension = entry.embedding.unwrap().dimension;
    for (a, b) in before.chunks(dimension).zip(after.chunks(dimension)) {
        assert!(cosine(a, b) > 0.9999, "{}", cosine(a, b));
    }
}

#[test]
fn liveness_models_say_the_same() {
    for (entry, model) in crate::testing::models(Role::Liveness).unwrap_or_default() {
        let rewritten = rewrite(&model).unwrap().expect("its PRelus");
        let shape = [1, 3, 80, 80];
        let face: Vec<f32> = samples(shape.iter().product()).iter().map(|s| s + 127.5).collect();
        let (before, after) = (run(&model, shape, &face), run(&rewritten, shape, &face));
        assert!(cosine(&before, &after) > 0.9999, "{}: {before:?} {after:?}", entry.name);
    }
}

#[test]
fn slopes_of_every_shape_are_stretched_as_before() {
    if !crate::testing::runtime() {
        return;
    }
    let shape = [2, 3, 2, 5];
    let dims = shape.map(|size| i64::try_from(size).unwrap());
    let input = samples(shape.iter().product());
    for slope in [&[][..], &[1], &[5], &[3, 1, 1], &[1, 3, 1, 1], &[3, 2, 5], &[2, 1]] {
        let numbers = samples(usize::try_from(slope.iter().product::<i64>()).unwrap());
        let numbers: Vec<f32> = numbers.iter().map(|number| number / 200.0).collect();
        let with = |weight| {
            model(
                vec![node("PRelu", &["x", "a"], "y")],
                vec![weight],
                ("x", &dims),
                ("y", &dims),
                11,
            )
        };
        let raw = graph::tensor("a", slope, &numbers);
        let listed = Tensor {
            raw_data: Vec::new(),
            float_data: numbers,
            ..raw.clone()
        };
        for before in [with(raw), with(listed)] {
            let after = rewrite(&before).unwrap().expect("its PRelu");
            assert_eq!((node_count(&after, "PRelu"), node_count(&after, "Mul")), (0, 2));
            for (a, b) in run(&before, shape, &input).iter().zip(run(&after, shape, &input)) {
                assert!((a - b).abs() < 1e-4, "{slope:?}: {a} {b}");
            }
        }
    }
}

/// Slopes above 1 among others, before convolutions in one group, in two and one a channel.
#[test]
fn a_slope_above_one_changes_signs_behind_it() {
    if !crate::testing::runtime() {
        return;
    }
    let dims = [1, 4, 2, 3];
    let input = samples(24);
    let slope = graph::tensor("a", &[4, 1, 1], &[0.5, 1.5, -0.25, 3.0]);
    for (group, out) in [(1, 6), (2, 4), (4, 4)] {
        let each = 4 / group;
        let count = usize::try_from(out * each).unwrap();
        let weight = |name| graph::tensor(name, &[out, each, 1, 1], &samples(count));
        let nodes = vec![
            node("PRelu", &["x", "a"], "z"),
            graph::conv("z", "v", group, "p"),
            graph::conv("z", "w", group, "q"),
            node("Add", &["p", "q"], "y"),
        ];
        let weights = vec![slope.clone(), weight("v"), weight("w")];
        let before = model(nodes, weights, ("x", &dims), ("y", &[1, out, 2, 3]), 11);
        let after = rewrite(&before).unwrap().expect("its PRelu");
        assert_eq!(bent_count(&after), 1);
        for (a, b) in run(&before, [1, 4, 2, 3], &input)
            .iter()
            .zip(run(&after, [1, 4, 2, 3], &input))
        {
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{group} groups: {a} {b}");
        }
    }
}

/// How many are written with the product before the `Relu`.
fn bent_count(model: &[u8]) -> usize {
    let graph = wire::text(model, number::MODEL_GRAPH).unwrap();
    let nodes = Graph::read(graph).unwrap().nodes;
    let relus = nodes.iter().filter(|(_, node)| node.op_type == "Relu");
    relus
        .filter(|(_, node)| node.input[0].ends_with("/muster-scaled"))
        .count()
}

/// Each would change the weight's signs, and the second would change them back.
#[test]
fn two_nodes_that_give_one_value_its_name_are_an_error() {
    let dims = [1, 2, 1, 2];
    let nodes = vec![
        node("PRelu", &["x", "a"], "z"),
        node("PRelu", &["x", "a"], "z"),
        graph::conv("z", "w", 1, "y"),
    ];
    let slope = graph::tensor("a", &[2, 1, 1], &[2.0, 0.5]);
    let weight = graph::tensor("w", &[2, 2, 1, 1], &[1.0; 4]);
    let twice = model(nodes, vec![slope, weight], ("x", &dims), ("y", &dims), 11);
    assert_eq!(rewrite(&twice), Err(WireError));
    let huge = [i64::MAX, i64::MAX, i64::MAX, i64::MAX];
    assert!(!flip_channels(&huge, 1, &[2.0], &mut [1.0]));
}

/// A graph within a node may read the value by its name, which no list of inputs shows.
#[test]
fn signs_stay_where_a_graph_within_a_node_may_read_them() {
    let dims = [1, 2, 1, 2];
    let mut inner = node("Identity", &["p"], "y");
    inner.attribute.push(crate::prelu::graph::Attribute {
        name: "body".into(),
        i: 0,
        kind: GRAPH,
    });
    let nodes = vec![node("PRelu", &["x", "a"], "z"), graph::conv("z", "w", 1, "p"), inner];
    let slope = graph::tensor("a", &[2, 1, 1], &[2.0, 0.5]);
    let weight = graph::tensor("w", &[2, 2, 1, 1], &[1.0; 4]);
    let before = model(nodes, vec![slope, weight], ("x", &dims), ("y", &dims), 11);
    assert_eq!(bent_count(&rewrite(&before).unwrap().expect("its PRelu")), 0);
}

/// What reads it otherwise must have it with its own sign.
#[test]
fn signs_change_only_where_convolutions_alone_read_them() {
    if !crate::testing::runtime() {
        return;
    }
    let dims = [1, 2, 1, 2];
    let slope = || graph::tensor("a", &[2, 1, 1], &[2.0, 0.5]);
    let weight = || graph::tensor("w", &[2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0]);
    let shared = vec![
        node("PRelu", &["x", "a"], "z"),
        graph::conv("z", "w", 1, "p"),
        graph::conv("x", "w", 1, "q"),
        node("Add", &["p", "q"], "y"),
    ];
    let beside = vec![
        node("PRelu", &["x", "a"], "z"),
        graph::conv("z", "w", 1, "p"),
        node("Add", &["p", "z"], "y"),
    ];
    let straight = vec![node("PRelu", &["x", "a"], "y"), graph::conv("y", "w", 1, "unused")];
    let input = [1.0, -2.0, 3.0, -4.0];
    for nodes in [shared, beside, straight] {
        let before = model(nodes, vec![slope(), weight()], ("x", &dims), ("y", &dims), 11);
        let after = rewrite(&before).unwrap().expect("its PRelu");
        assert_eq!(bent_count(&after), 0);
        assert_eq!(run(&before, [1, 2, 1, 2], &input), run(&after, [1, 2, 1, 2], &input));
    }
}

#[test]
fn nodes_may_share_a_slope() {
    if !crate::testing::runtime() {
        return;
    }
    let nodes = vec![node("PRelu", &["x", "a"], "z"), node("PRelu", &["z", "a"], "y")];
    let dims = [1, 3, 1, 2];
    let slope = graph::tensor("a", &[3, 1, 1], &[0.5, -0.25, 2.0]);
    let before = model(nodes, vec![slope], ("x", &dims), ("y", &dims), 11);
    let after = rewrite(&before).unwrap().expect("its PRelus");
    let input = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
    assert_eq!(run(&after, [1, 3, 1, 2], &input), [1.0, -0.5, 3.0, 1.0, 5.0, -24.0]);
}

#[test]
fn what_cannot_be_rewritten_stays() {
    let dims = [1, 3, 1, 2];
    let one = |slope: Tensor, opset| {
        let nodes = vec![node("PRelu", &["x", "a"], "y")];
        model(nodes, vec![slope], ("x", &dims), ("y", &dims), opset)
    };
    let slope = graph::tensor("a", &[1], &[0.25]);
    assert!(rewrite(&one(slope.clone(), 7)).unwrap().is_some());
    assert_eq!(rewrite(&one(slope.clone(), 6)), Ok(None));
    let computed = Tensor {
        name: "b".into(),
        ..slope.clone()
    };
    let halves = Tensor {
        data_type: 10,
        ..slope.clone()
    };
    let elsewhere = Tensor {
        data_location: 1,
        ..slope
    };
    for other in [computed, halves, elsewhere] {
        assert_eq!(rewrite(&one(other, 11)), Ok(None));
    }
}

#[test]
fn damage_is_an_error_not_a_panic() {
    let dims = [1, 3, 1, 2];
    let slope = graph::tensor("a", &[3, 1, 1], &[0.5, 1.5, 2.0]);
    let weight = graph::tensor("w", &[3, 3, 1, 1], &[1.0; 9]);
    let nodes = vec![node("PRelu", &["x", "a"], "z"), graph::conv("z", "w", 1, "y")];
    let whole = model(nodes, vec![slope, weight], ("x", &dims), ("y", &dims), 11);
    for length in 0..whole.len() {
        let _ = rewrite(&whole[..length]);
    }
    for at in 0..whole.len() {
        for byte in [0, 0x7F, 0x80, 0xFF] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            let _ = rewrite(&damaged);
        }
    }
    assert_eq!(rewrite(b"<html>"), Err(WireError));
}

#[test]
fn the_result_is_kept_and_made_again_where_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let entry = Catalog::built_in().unwrap().entries()[0].clone();
    let path = folder.path().join(&entry.file);
    let dims = [1, 3, 1, 2];
    let with = |slope| {
        let nodes = vec![node("PRelu", &["x", "a"], "y")];
        model(
            nodes,
            vec![graph::tensor("a", &[1], &[slope])],
            ("x", &dims),
            ("y", &dims),
            11,
        )
    };
    std::fs::write(&path, with(0.5)).unwrap();
    let first = read(&path, &entry).unwrap();
    assert_eq!(Some(&first), rewrite(&with(0.5)).unwrap().as_ref());
    let kept = kept_at(&path, &entry);
    assert!(kept.display().to_string().contains(&entry.sha256));

    // Another source under the same checksum shows which of the two is read.
    std::fs::write(&path, with(0.25)).unwrap();
    assert_eq!(read(&path, &entry).unwrap(), first);
    let good = std::fs::read(&kept).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for damaged in [&flipped[..], &good[..good.len() - 1], b"", b"short"] {
        std::fs::write(&kept, damaged).unwrap();
        std::fs::write(&path, with(0.25)).unwrap();
        assert_eq!(Some(read(&path, &entry).unwrap()), rewrite(&with(0.25)).unwrap());
        assert_ne!(std::fs::read(&kept).unwrap(), damaged);
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        2,
        "nothing is left over"
    );
}
