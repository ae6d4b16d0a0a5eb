//! The workloads that Rayon is for: fork and join. Its tasks are stackless closures: one runs to its end on the
//! stack of whoever takes it, so there is no task that sleeps, parks or yields here.

use peers::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WORKLOADS: &[&str] = &["spawn_join", "skynet", "fib", "parallel_sum"];

fn run_spawn_join(b: &mut Bench) {
    let batches = b.count(SPAWNS / BATCH);
    b.start();
    for _ in 0..batches {
        rayon::scope(|scope| {
            for _ in 0..BATCH {
                scope.spawn(|_| {});
            }
        });
    }
    b.stop();
    b.report_ns(batches * BATCH);
}

fn skynet(number: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return number;
    }
    let each = leaves / SKYNET_CHILDREN;
    let mut results = [0; SKYNET_CHILDREN as usize];
    rayon::scope(|scope| {
        for (i, result) in (0..).zip(&mut results) {
            scope.spawn(move |_| *result = skynet(number + i * each, each));
        }
    });
    results.iter().sum()
}

fn run_skynet(b: &mut Bench) {
    let leaves = b.skynet_leaves();
    b.start();
    let sum = skynet(0, leaves);
    b.stop();
    b.check("sum", sum, leaves * (leaves - 1) / 2);
    b.report_ms(leaves as f64 / LEAVES as f64);
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (x, y) = rayon::join(|| fib(n - 1), || fib(n - 2));
    x + y
}

fn run_fib(b: &mut Bench) {
    let n = b.fib_n();
    b.start();
    let result = fib(n);
    b.stop();
    b.check("fib", result, fib_result(n));
    b.report_ms(fib_share(n));
}

fn run_parallel_sum(b: &mut Bench) {
    let tasks = b.count(SUM_TASKS);
    let steps = power_law(tasks);
    let results: Vec<AtomicU64> = (0..tasks).map(|_| AtomicU64::new(0)).collect();
    b.start();
    rayon::scope(|scope| {
        for (i, (steps, result)) in (0..).zip(steps.iter().zip(&results)) {
            scope.spawn(move |_| result.store(spin(SEED + i, *steps), Relaxed));
        }
    });
    b.stop();
    let results: Vec<u64> = results.iter().map(|result| result.load(Relaxed)).collect();
    b.check_sums(&steps, &results);
    b.report_ms(tasks as f64 / SUM_TASKS as f64);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let version = concat!("Rayon ", env!("RAYON_VERSION"));
    let mut b = Bench::open("rayon", version, WORKLOADS, &args);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(b.workers).build().unwrap();
    pool.install(|| match b.workload.as_str() {
        "spawn_join" => run_spawn_join(&mut b),
        "skynet" => run_skynet(&mut b),
        "fib" => run_fib(&mut b),
        "parallel_sum" => run_parallel_sum(&mut b),
        _ => unreachable!("Bench::open knows the list"),
    });
}
