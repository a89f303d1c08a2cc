use std::time::Duration;

use super::*;
use crate::face::LEAST_WIDTH;

#[test]
fn parts_are_even_and_each_lane_has_as_many() {
    let lengths = |count: usize, most, lanes| -> Vec<usize> {
        let parts = even(count, most, lanes);
        assert!(parts.iter().cloned().flatten().eq(0..count));
        parts.iter().map(Range::len).collect()
    };
    assert_eq!(lengths(30, 2, 1), [2; 15]);
    assert_eq!(lengths(30, 2, 2).iter().filter(|length| **length == 2).count(), 14);
    assert_eq!(lengths(30, 2, 2).len(), 16);
    assert_eq!(lengths(3, 2, 8), [1, 1, 1]);
    assert_eq!(lengths(1, 32, 1), [1]);
    assert!(lengths(0, 2, 2).is_empty());
}

/// Weights that are too large to be held by each lane leave their threads to the runtime.
#[test]
fn threads_become_lanes_as_far_as_the_weights_allow() {
    let shared = |threads, bytes| {
        let (lanes, each) = share(Means::from(threads), bytes);
        (lanes, each.threads)
    };
    assert_eq!(shared(4, 4 << 20), (4, 1));
    assert_eq!(shared(4, 60 << 20), (2, 2));
    assert_eq!(shared(4, 200 << 20), (1, 4));
    assert_eq!(shared(0, 0), (1, 1));
    let card = |threads| Means {
        threads,
        device: Device::Cuda(0),
    };
    assert_eq!(share(card(8), 200 << 20), (8, card(1)));
}

/// A picture with so many faces in a row, of which the third is too small, the fourth outside, and the fifth has its
/// landmarks in one point.
fn row(count: u16) -> (RgbImage, Vec<Detection>) {
    let picture = RgbImage::from_fn(60 * u32::from(count) + 60, 120, |x, y| {
        let value = |by: u32| u8::try_from((x / 60 + 1).wrapping_mul(x * x / by + y * 31) % 251).unwrap();
        image::Rgb([value(7), value(11), value(97)])
    });
    let face = |nth: u16| {
        let width = if nth == 2 { LEAST_WIDTH - 1.0 } else { 40.0 };
        let (x, y) = (60.0 * f32::from(nth) + 10.0, if nth == 3 { 500.0 } else { 20.0 });
        let size = if nth == 4 { 0.0 } else { width };
        let at = |across: f32, down: f32| [x + across * size, y + down * size];
        Detection {
            score: 1.0 - f32::from(nth) / 1000.0,
            x,
            y,
            width,
            height: width,
            landmarks: [at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)],
        }
    };
    (picture, (0..count).map(face).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// However many lanes and faces in a run there are, and where photos share an embedder as on a card, each face gets
/// what it would by itself.
#[test]
fn faces_are_the_same_however_they_are_shared_out() {
    let Some((entry, model)) = crate::testing::model(crate::catalog::Role::Embedder) else {
        return;
    };
    let embedder = |batch| Embedder::open(&model, &entry, 1).unwrap().with_batch(batch);
    let own = |count: usize, batch| Lanes {
        lanes: (0..count)
            .map(|_| Lane {
                resizer: Resizer::new(),
                embedder: Some(embedder(batch)),
            })
            .collect(),
        shared: None,
    };
    let shared = Some(Arc::new(gathering(embedder(4))));
    for count in [0, 1, 2, 3, 5, 12] {
        let (picture, found) = row(count);
        let wanted = own(1, 1).faces(&picture, &found, |_| Ok(())).unwrap();
        assert_eq!(wanted.len(), usize::from(count - u16::from(count > 3)));
        let vectors = wanted.iter().filter_map(|face| face.embedding.as_deref());
        let vectors: Vec<&[f32]> = vectors.collect();
        for (nth, one) in vectors.iter().enumerate() {
            for other in &vectors[..nth] {
                assert!(cosine(one, other) < 0.99, "they are alike: nothing is shown");
            }
        }
        let same = |said: &[Face]| {
            assert_eq!(said.len(), wanted.len());
            for (nth, (said, wanted)) in said.iter().zip(&wanted).enumerate() {
                assert_eq!(said.bounds, wanted.bounds);
                assert_eq!(said.embedding.is_none(), [2, 3].contains(&nth));
                assert_eq!(said.too_small, said.embedding.is_none());
                if let (Some(said), Some(wanted)) = (&said.embedding, &wanted.embedding) {
                    assert!(cosine(said, wanted) > 0.9999);
                }
            }
        };
        for (lanes, batch) in [(1, 2), (2, 1), (2, 2), (5, 1), (3, 4)] {
            let mut told = Vec::new();
            let said = own(lanes, batch).faces(&picture, &found, |faces| {
                told.push(faces.to_vec());
                Ok(())
            });
            same(&said.unwrap());
            let [told] = &told[..] else {
                panic!("told {} times", told.len());
            };
            assert_eq!(told.len(), wanted.len());
            let lack = told.iter().zip(&wanted);
            assert!(
                lack.into_iter()
                    .all(|(a, b)| a.bounds == b.bounds && a.embedding.is_none())
            );
        }
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut lanes = Lanes {
                        lanes: (0..2).map(|_| Lane::default()).collect(),
                        shared: shared.clone(),
                    };
                    same(&lanes.faces(&picture, &found, |_| Ok(())).unwrap());
                });
            }
        });
    }
}

/// Whoever is told of the faces may end the work, or panic; the lanes may be used again.
#[test]
fn who_is_told_may_end_it() {
    let Some((entry, model)) = crate::testing::model(crate::catalog::Role::Embedder) else {
        return;
    };
    let (picture, found) = row(12);
    let mut lanes = open(1, &model, &entry, 3.into()).unwrap().remove(0);
    let ended = lanes.faces(&picture, &found, |_| Err(VisionError::Abandoned));
    assert!(matches!(ended, Err(VisionError::Abandoned)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        lanes.faces(&picture, &found, |_| panic!("on purpose"))
    }));
    assert!(panicked.is_err());
    assert_eq!(lanes.faces(&picture, &found, |_| Ok(())).unwrap().len(), 11);
}

/// A lane that fails, or panics, over a face keeps none waiting for it.
#[test]
fn a_lane_that_breaks_off_keeps_no_other_waiting() {
    let Some((entry, model)) = crate::testing::model(crate::catalog::Role::Embedder) else {
        return;
    };
    let mut lane = Lane {
        resizer: Resizer::new(),
        embedder: Some(Embedder::open(&model, &entry, 1).unwrap()),
    };
    let (picture, found) = row(2);
    let found = Vec::leak(found);
    let picture = Box::leak(Box::new(picture));
    let round: &Round<'static> = Box::leak(Box::new(Round::new(picture, found, |wide| even(wide, 2, 1))));
    // Both are somebody's.
    round.next.store(2, Ordering::Relaxed);
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || tell.send(round.work(&mut lane, || Ok(()))));
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err(), "it must wait");
    drop(Ending(Some(&round.over)));
    let ended = told.recv_timeout(Duration::from_secs(20)).expect("it still waits");
    assert_eq!(ended.unwrap(), []);
}
