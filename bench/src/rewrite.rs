//! The embedder's file as it is loaded beside the same file as it was published.

use image::imageops::{self, FilterType};
use models::bench::{Bare, Form, bytes};
use models::catalog::Role;

use crate::bare::SIDE;
use crate::job::of;
use crate::pairs::{Pairs, timed};
use crate::photos;
use crate::rig::settings;
use crate::table::{Goal, line, plain};

/// Faces in a run, as many as an analysis puts in one.
const BATCH: usize = 16;

pub fn lines(pairs: usize) -> Vec<String> {
    let faces = faces();
    let mut lines = Vec::new();
    for (threads, goal) in [(1, 0.7), (2, 0.55)] {
        let open = |form| Bare::open(&bytes(&settings(threads), Role::Embedder, form).unwrap(), threads).unwrap();
        let (mut loaded, mut published) = (open(Form::Loaded), open(Form::Published));
        let shape = [BATCH, 3, SIDE, SIDE];
        if threads == 1 {
            let least = least_cosine(
                &loaded.run(shape, &faces).unwrap(),
                &published.run(shape, &faces).unwrap(),
            );
            lines.push(plain(
                "embedder's output as loaded",
                &format!("least cosine {least:.7}"),
                "the published file's output",
                "> 0.9999",
                least > 0.9999,
            ));
        }
        let run = |model: &mut Bare| timed(|| model.run(shape, &faces).unwrap()).0;
        let measured = Pairs::measure(pairs, || run(&mut loaded), || run(&mut published));
        lines.push(line(
            &format!("embedding {BATCH} faces in one run, {}", of(threads)),
            &measured,
            "the published file",
            Goal::Time(goal),
        ));
    }
    lines
}

/// Planar samples of portraits at the embedder's size.
fn faces() -> Vec<f32> {
    let students = ::tests::faces::students();
    let portraits = students.iter().flat_map(|(_, portraits)| portraits);
    let mut samples = Vec::new();
    for portrait in portraits.take(BATCH) {
        let side = u32::try_from(SIDE).unwrap();
        let face = imageops::resize(&photos::decoded(portrait), side, side, FilterType::CatmullRom);
        for channel in 0..3 {
            samples.extend(face.pixels().map(|pixel| f32::from(pixel.0[channel])));
        }
    }
    samples
}

/// The least of the cosines between the vectors of one run and those of the other.
fn least_cosine(a: &[f32], b: &[f32]) -> f32 {
    let dimension = a.len() / BATCH;
    let dot = |p: &[f32], q: &[f32]| p.iter().zip(q).map(|(x, y)| x * y).sum::<f32>();
    a.chunks(dimension)
        .zip(b.chunks(dimension))
        .map(|(p, q)| dot(p, q) / (dot(p, p) * dot(q, q)).sqrt())
        .fold(1.0, f32::min)
}
