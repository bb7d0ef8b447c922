//! What Linux knows of the process, by the names that Prometheus' client libraries give it. Elsewhere nothing is told.
//! Sources: proc(5); Prometheus, Writing client libraries, process metrics.

use std::fmt::Write;
use std::fs;

use metrics::gauge;
use rustix::process::{Resource, getrlimit};

/// Memory and start. Both are gauges like Sendlog's own.
pub fn set_gauges() {
    if let Some(bytes) = resident_bytes() {
        gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Some(seconds) = started_at() {
        gauge!("process_start_time_seconds").set(seconds);
    }
}

/// Writes the others: processor time is a counter with fractions, which the recorder does not have.
pub fn write_rest(text: &mut String) {
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
    let lines = [
        ("process_cpu_seconds_total", "counter", "Processor time used", cpu_seconds()),
        ("process_open_fds", "gauge", "Open file handles", open),
        ("process_max_fds", "gauge", "How many file handles may be open", most_handles().map(|most| most as f64)),
    ];
    for (name, kind, help, value) in lines {
        if let Some(value) = value {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
        }
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// How many files the process may have open; `None` where nothing bounds them.
pub fn most_handles() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The fields of the process's line from the third on: a name with spaces stands before.
fn stat() -> Option<Vec<f64>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect())
}

fn ticks_a_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    // Fields 14 and 15: user and system time.
    Some((stat.get(11)? + stat.get(12)?) / ticks_a_second())
}

fn started_at() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    // Field 22: ticks after the system's start.
    Some(booted + stat()?.get(19)? / ticks_a_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_itself() {
        assert!(resident_bytes().unwrap() > 1_000_000.0);
        assert!(cpu_seconds().unwrap() >= 0.0 && most_handles().is_none_or(|most| most >= 16));
        // After this was written.
        assert!(started_at().unwrap() > 1.7e9);
    }
}
