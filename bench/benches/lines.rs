//! `cargo bench -p bench [-- NAME…]`: measures the named subjects, or all, and prints their lines.
//! `MUSTER_BENCH_PAIRS` sets how many pairs a line has, 15 unless it is set.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on ends there, with the line"
)]

use bench::{memory, rig};

fn main() {
    // `cargo bench` says so itself.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, count] = &words[..]
        && first == memory::WORKER
    {
        memory::work(count.parse().unwrap());
        rig::clear();
        return;
    }
    if !tests::faces::present() {
        return;
    }
    let pairs = std::env::var("MUSTER_BENCH_PAIRS").map_or(15, |pairs| pairs.parse().unwrap());
    bench::run(&words, pairs);
}
