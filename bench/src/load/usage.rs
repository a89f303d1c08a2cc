//! What a process takes of the machine, as `/proc` tells it.

use std::time::Duration;

/// Ticks in which Linux counts processors' time for everybody who asks.
const TICKS_A_SECOND: u32 = 100;

/// Bytes that are in memory.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Processors' time so far.
pub fn busy(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may hold anything, come the state and ten more before the two times.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u32 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u32>().unwrap())
        .sum();
    Duration::from_secs(1) * ticks / TICKS_A_SECOND
}

/// The same of several, together.
pub fn all(processes: &[u32], of: impl Fn(u32) -> u64) -> u64 {
    processes.iter().map(|process| of(*process)).sum()
}
