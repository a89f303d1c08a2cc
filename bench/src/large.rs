//! A photo of twelve megapixels beside its decoding and one run of the detector at 1920 x 1440.

use crate::bare::{BareModels, SIDE};
use crate::counterpart::python;
use crate::pairs::{Pairs, timed};
use crate::photos;
use crate::python::{PYTHON, start};
use crate::rig::Rig;
use crate::table::{Goal, line};
use models::bench::recorded;

/// Times that each decoder is tried before the fastest is chosen.
const TRIES: usize = 5;

const DETECTOR_RUN: [usize; 4] = [1, 3, 1440, 1920];

/// A decoder's name, and the milliseconds that it takes.
type Way<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

pub fn lines(pairs: usize) -> Vec<String> {
    let rig = Rig::new(1);
    let mut bare = BareModels::open(1);
    let mut counterpart = python(PYTHON).map(|python| start(&python, &rig, 1));

    [false, true]
        .map(|people| {
            let photo = photos::twelve_megapixels(people);
            let path = photos::folder("photos").join(format!("large-{people}.jpg"));
            std::fs::write(&path, &photo).unwrap();
            let (_, runs) = recorded(|| rig.analyse(&photo));
            let mut shapes = vec![DETECTOR_RUN];
            // The goal is about a photo without faces: each costs an embedder's time, which is no
            // part of it. Where there are some, the same is added on both sides.
            shapes.extend(runs.iter().filter(|shape| shape[2..] == [SIDE; 2]));

            let mut ways: Vec<Way<'_>> = vec![(
                "zune-jpeg",
                Box::new(|| timed(|| image::load_from_memory(&photo).unwrap()).0),
            )];
            if let Some(counterpart) = &mut counterpart {
                ways.push(("libjpeg-turbo in OpenCV", Box::new(|| counterpart.decode(&path))));
            }
            let tried = ways
                .iter_mut()
                .map(|(_, decode)| (0..TRIES).map(|_| decode()).fold(f64::MAX, f64::min));
            let tried: Vec<f64> = tried.collect();
            let fastest = (0..ways.len())
                .min_by(|a, b| tried[*a].total_cmp(&tried[*b]))
                .unwrap_or_default();
            let (name, decode) = &mut ways[fastest];

            let measured = Pairs::measure(pairs, || rig.analyse(&photo).0, || decode() + bare.run(&shapes));
            let (what, beside) = if people {
                ("12-megapixel JPEG of a group", "and the embedder's runs")
            } else {
                ("12-megapixel JPEG", "and nothing else")
            };
            line(
                &format!("{what}, 1 thread"),
                &measured,
                &format!("decoding by {name}, one detector run at 1920 × 1440, {beside}"),
                if people { Goal::None } else { Goal::Time(1.25) },
            )
        })
        .to_vec()
}
