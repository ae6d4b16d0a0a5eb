//! The command line, the clock, the checks and the JSON line: what bench/workload.c is for C, and the same sizes.

use std::fmt::{Display, Write};
use std::process::exit;
use std::time::{Duration, Instant};

pub const BATCH: u64 = 1000;
pub const SKYNET_CHILDREN: u64 = 10;
pub const CHANNEL_CAPACITY: usize = 128;
pub const CHANNEL_SIDES: u64 = 8;
pub const MUTEX_TASKS: u64 = 64;
pub const CRITICAL_STEPS: u64 = 10;

pub const SWITCHES: u64 = 4_000_000;
pub const SPAWNS: u64 = 1_000_000;
pub const LEAVES: u64 = 1_000_000;
pub const ROUND_TRIPS: u64 = 500_000;
pub const SELECTS: u64 = 1_000_000;
pub const TIMEOUTS: u64 = 1_000_000;
pub const MESSAGES: u64 = 4_000_000;
pub const LOCKS: u64 = 100_000;
pub const SLEEPERS: u64 = 1_000_000;
pub const PARKED: u64 = 1_000_000;
pub const SUM_TASKS: u64 = 10_000;
pub const SEED: u64 = 88172645463325252;

const SUM_STEPS: f64 = 100_000.0;
const SUM_POWER: f64 = -0.8;
const SUM_SAMPLE: usize = 97;
const FIB_FULL: u64 = 32;

pub struct Bench {
    peer: &'static str,
    pub workload: String,
    pub workers: usize,
    pub scale: f64,
    started: Instant,
    started_cpu: f64,
    took: Duration,
    took_cpu: f64,
    fields: String,
}

fn usage() -> ! {
    eprintln!("usage: WORKLOAD WORKERS [--scale S] | --list | --version");
    exit(2)
}

impl Bench {
    /// Reads the command line; `list` has a line for each workload.
    pub fn open(peer: &'static str, version: &str, list: &[&str], args: &[String]) -> Bench {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (workload, workers, scale) = match args[..] {
            ["--list"] => {
                println!("{}", list.join("\n"));
                exit(0)
            }
            ["--version"] => {
                println!("{version}");
                exit(0)
            }
            [workload, workers] => (workload, workers, "1"),
            [workload, workers, "--scale", scale] => (workload, workers, scale),
            _ => usage(),
        };
        let is_known = list.iter().any(|line| line.split(' ').next() == Some(workload));
        match (workers.parse(), scale.parse()) {
            (Ok(workers), Ok(scale)) if workers > 0 && scale > 0.0 && is_known => Bench {
                peer,
                workload: workload.to_string(),
                workers,
                scale,
                started: Instant::now(),
                started_cpu: 0.0,
                took: Duration::ZERO,
                took_cpu: 0.0,
                fields: String::new(),
            },
            _ => usage(),
        }
    }

    pub fn count(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }

    pub fn start(&mut self) {
        self.started_cpu = cpu_seconds();
        self.started = Instant::now();
    }

    pub fn stop(&mut self) {
        self.took = self.started.elapsed();
        self.took_cpu = cpu_seconds() - self.started_cpu;
    }

    pub fn fail(&self, why: &str) -> ! {
        eprintln!("{} {}: {why}", self.peer, self.workload);
        exit(1)
    }

    pub fn check<T: PartialEq + Display>(&self, what: &str, got: T, expected: T) {
        if got != expected {
            self.fail(&format!("wrong {what}: {got}, expected {expected}"));
        }
    }

    pub fn field(&mut self, name: &str, value: f64) {
        write!(self.fields, ", \"{name}\": {value:.3}").unwrap();
    }

    pub fn report(&self, value: f64, unit: &str) {
        println!(
            "{{\"peer\": \"{}\", \"workload\": \"{}\", \"workers\": {}, \"scale\": {}, \"value\": {value:.4}, \
             \"unit\": \"{unit}\", \"wall_ms\": {:.4}, \"cpu_s\": {:.6}, \"rss_mb\": {:.3}{}}}",
            self.peer,
            self.workload,
            self.workers,
            self.scale,
            milliseconds(self.took),
            self.took_cpu,
            status_bytes("VmHWM:") / 1048576.0,
            self.fields
        );
    }

    pub fn report_ns(&self, operations: u64) {
        self.report(self.took.as_nanos() as f64 / operations as f64, "ns/op");
    }

    /// The time is scaled up to the full size, of which `share` was run.
    pub fn report_ms(&self, share: f64) {
        self.report(milliseconds(self.took) / share, "ms");
    }

    pub fn skynet_leaves(&self) -> u64 {
        10f64.powf((LEAVES as f64 * self.scale).log10().round()).round() as u64
    }

    pub fn fib_n(&self) -> u64 {
        (2..=FIB_FULL).rev().find(|&n| n == 2 || fib_share(n) <= self.scale * 1.2).unwrap()
    }

    pub fn lateness(&mut self, mut late_us: Vec<u64>) {
        late_us.sort_unstable();
        let n = late_us.len();
        self.field("p50_us", late_us[n / 2] as f64);
        self.field("p99_us", late_us[n * 99 / 100] as f64);
        self.field("max_us", late_us[n - 1] as f64);
    }

    pub fn check_sums(&self, steps: &[u64], results: &[u64]) {
        for i in (0..steps.len()).step_by(SUM_SAMPLE) {
            self.check("partial sum", results[i], spin(SEED + i as u64, steps[i]));
        }
        if results.contains(&0) {
            self.fail("a task did not run"); // xorshift never reaches 0
        }
    }
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

fn cpu_seconds() -> f64 {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills the structure, which lives across the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.tv_sec as f64 + used.tv_nsec as f64 * 1e-9
}

pub fn status_bytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0.0) * 1024.0
}

pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *state >> 33
}

pub fn sleep_duration(state: &mut u64) -> Duration {
    Duration::from_millis(1 + random(state) % 1000)
}

pub fn spin(mut x: u64, steps: u64) -> u64 {
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

pub fn fib_result(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

pub fn fib_share(n: u64) -> f64 {
    (2 * fib_result(n + 1) - 1) as f64 / (2 * fib_result(FIB_FULL + 1) - 1) as f64
}

pub fn power_law(tasks: u64) -> Vec<u64> {
    let weight = |i: u64| ((i + 1) as f64).powf(SUM_POWER);
    let weights: f64 = (0..tasks).map(weight).sum();
    let total = SUM_STEPS * tasks as f64;
    let mut steps: Vec<u64> = (0..tasks).map(|i| (total * weight(i) / weights) as u64).collect();
    let mut state = 12345;
    for i in (1..tasks).rev() {
        steps.swap(i as usize, (random(&mut state) % (i + 1)) as usize);
    }
    steps
}
