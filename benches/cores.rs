//! What the kernel says of the machine and of a process: cores, CPU time, resident memory, space on disk.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

use rustix::param::clock_ticks_per_second;

/// Memory that does not change for so long has settled: longer than the server keeps what it may do without.
const QUIET: Duration = Duration::from_secs(3);
/// Nor is it waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many cores there are.
pub fn count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// CPU time of a process, in user and in system, with threads that have ended.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before it may hold spaces and brackets.
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>();
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

/// Resident memory of a process, in MiB.
pub fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: f64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes / 1024.0
}

/// Resident memory once it has settled: the kernel's count of one moment jumps, and a server that has just worked
/// gives some back.
pub fn settled_resident(pid: u32) -> f64 {
    let start = Instant::now();
    let (mut last, mut since) = (resident(pid), start);
    while since.elapsed() < QUIET && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(300));
        let now = resident(pid);
        if (now - last).abs() >= 0.1 {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

/// The time of the clock that all processes of the machine share, in nanoseconds.
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// What the files below a directory take on the disk, in bytes.
pub fn disk_used(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let found = entry.metadata().unwrap();
            if found.is_dir() { disk_used(&entry.path()) } else { found.blocks() * 512 }
        })
        .sum()
}
