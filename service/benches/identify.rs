//! Matching against large galleries: one face against 100,000 vectors beside the sum of the same bytes,
//! a photo's 30 faces at once, the decision itself, and what opening sealed embeddings costs.
//! Prints medians of interleaved rounds, so that what else the machine does meets both sides alike.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::time::Instant;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use service::clock::SystemEntropy;
use service::id::PersonId;
use service::keys::KeyRing;
use service::recognition::gallery::Gallery;
use service::recognition::matching;
use uuid::Uuid;

const DIMENSION: usize = 128;
const ROWS: u32 = 100_000;
const FACES: usize = 30;
const DOUBT: f32 = 0.08;
const ROUNDS: usize = 31;

fn main() {
    let mut random = StdRng::seed_from_u64(1);
    let mut unit = || {
        let mut vector: Vec<f32> = (0..DIMENSION).map(|_| random.random_range(-1.0..1.0)).collect();
        let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
        for number in &mut vector {
            *number /= length;
        }
        vector
    };
    let people: Vec<(PersonId, Vec<f32>)> = (0..ROWS)
        .map(|n| (PersonId(Uuid::from_u128(n.into())), unit()))
        .collect();
    let faces: Vec<Vec<f32>> = (0..FACES).map(|_| unit()).collect();
    let faces: Vec<&[f32]> = faces.iter().map(Vec::as_slice).collect();
    let plain: Vec<f32> = people.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
    let gallery = Gallery::new(people.iter().cloned());

    let one = || gallery.similarities(faces[0], DOUBT);
    let ([summing, one], ratio) = interleaved([
        &mut || {
            black_box(sum(black_box(&plain)));
        },
        &mut || drop(black_box(one())),
    ]);
    println!(
        "{ROWS} vectors of {DIMENSION} numbers, {} MB:",
        plain.len() * 4 / 1_000_000
    );
    println!("  summing the same bytes       {summing:8.2} ms");
    println!("  one face against all         {one:8.2} ms   {ratio:.2} times");

    let ([all, apart], _) = interleaved([
        &mut || drop(black_box(gallery.similarities_of(&faces, DOUBT))),
        &mut || {
            for face in &faces {
                drop(black_box(gallery.similarities(face, DOUBT)));
            }
        },
    ]);
    println!("  {FACES} faces at once             {all:8.2} ms   one by one {apart:.2} ms");

    let rows: Vec<Option<Vec<f32>>> = gallery.similarities_of(&faces, DOUBT).into_iter().map(Some).collect();
    let crowded: Vec<Option<Vec<f32>>> = (0..60)
        .map(|_| Some((0..300).map(|_| random.random_range(0.0..1.0)).collect()))
        .collect();
    let ([large, class], _) = interleaved([
        &mut || drop(black_box(matching::decide(&gallery.students, &rows, 0.42, 0.34))),
        &mut || {
            drop(black_box(matching::decide(
                &gallery.students[..300],
                &crowded,
                0.42,
                0.42,
            )));
        },
    ]);
    println!("  deciding {FACES} faces of all     {large:8.2} ms");
    println!("  60 faces, 300 students, most above the threshold: {class:.2} ms");

    opening(&people[..10_000]);
}

/// What reading a gallery anew costs beyond the database.
fn opening(people: &[(PersonId, Vec<f32>)]) {
    let keys = KeyRing::new("a secret of more than thirty-two bytes", &[]).unwrap();
    let organization = Uuid::from_u128(1);
    let sealed: Vec<(Uuid, Vec<u8>)> = people
        .iter()
        .map(|(person, vector)| {
            let plain: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
            let sealed = keys.seal(&SystemEntropy, organization, person.0, &plain).unwrap();
            (person.0, sealed)
        })
        .collect();
    let ([open], _) = interleaved([&mut || {
        for (template, sealed) in &sealed {
            black_box(keys.open(organization, *template, sealed).unwrap());
        }
    }]);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = open * 1000.0 / sealed.len() as f64;
    println!(
        "  opening sealed embeddings    {each:8.2} µs each, {:.0} ms for {ROWS}; {} bytes each",
        each * f64::from(ROWS) / 1000.0,
        sealed[0].1.len()
    );
}

/// As fast as additions go: as many sums at once as hide how long each takes.
fn sum(numbers: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0f32; LANES];
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *sum += number;
        }
    }
    sums.iter().chain(rest).sum()
}

/// The median time of each, in milliseconds, and the median of how many times as long as the first of its
/// round the last took.
fn interleaved<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> ([f64; N], f64) {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut round = [0.0; N];
        for (work, time) in works.iter_mut().zip(&mut round) {
            let begun = Instant::now();
            work();
            *time = begun.elapsed().as_secs_f64() * 1000.0;
        }
        rounds.push(round);
    }
    let times = std::array::from_fn(|n| median(rounds.iter().map(|round| round[n])));
    (times, median(rounds.iter().map(|round| round[N - 1] / round[0])))
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
