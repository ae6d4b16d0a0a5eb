//! The workloads in Tokio: spawned futures, its mutex and semaphore, and async-channel where many receive from one
//! channel, which Tokio's own cannot. WORKERS threads of the multi-thread runtime; with `--current-thread` first,
//! the single-threaded runtime; with `--flume`, the two channel workloads on flume's channels (capacity 0 is a
//! rendezvous there; Tokio's smallest is 1).

use peers::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Mutex, Notify, Semaphore};
use tokio::task::{spawn, yield_now, JoinHandle};
use tokio::time::timeout;

const WORKLOADS: &[&str] = &[
    "switch",
    "spawn_join",
    "spawn_yield",
    "skynet",
    "fib",
    "chan_pingpong",
    "chan_mpmc",
    "select_ready",
    "timeout_scope",
    "timeout_pingpong",
    "mutex",
    "sleep_many",
    "idle_mem",
    "parallel_sum",
];
const FLUME_WORKLOADS: &[&str] = &["chan_pingpong", "chan_mpmc"];

type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>; // a recursive future has no size of its own

async fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for handle in handles {
        results.push(handle.await.unwrap());
    }
    results
}

async fn run_switch(b: &mut Bench) {
    let each = b.count(SWITCHES / 2);
    let body = || async move {
        for _ in 0..each {
            yield_now().await;
        }
    };
    b.start();
    join_all([spawn(body()), spawn(body())]).await;
    b.stop();
    b.report_ns(2 * each);
}

async fn spawn_batches<F>(b: &mut Bench, body: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let batches = b.count(SPAWNS / BATCH);
    let mut batch = Vec::with_capacity(BATCH as usize);
    b.start();
    for _ in 0..batches {
        batch.extend((0..BATCH).map(|_| spawn(body())));
        for handle in batch.drain(..) {
            handle.await.unwrap();
        }
    }
    b.stop();
    b.report_ns(batches * BATCH);
}

fn skynet(number: u64, leaves: u64) -> Boxed {
    Box::pin(async move {
        if leaves == 1 {
            return number;
        }
        let each = leaves / SKYNET_CHILDREN;
        let mut children = Vec::with_capacity(SKYNET_CHILDREN as usize);
        for i in 0..SKYNET_CHILDREN {
            children.push(spawn(skynet(number + i * each, each)));
        }
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

async fn run_skynet(b: &mut Bench) {
    let leaves = b.skynet_leaves();
    b.start();
    let sum = skynet(0, leaves).await;
    b.stop();
    b.check("sum", sum, leaves * (leaves - 1) / 2);
    b.report_ms(leaves as f64 / LEAVES as f64);
}

fn fib(n: u64) -> Boxed {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let x = spawn(fib(n - 1));
        let y = fib(n - 2).await;
        x.await.unwrap() + y
    })
}

async fn run_fib(b: &mut Bench) {
    let n = b.fib_n();
    b.start();
    let result = fib(n).await;
    b.stop();
    b.check("fib", result, fib_result(n));
    b.report_ms(fib_share(n));
}

async fn report_pingpong(b: &mut Bench, trips: u64, pong: JoinHandle<()>, ping: JoinHandle<u64>) {
    let sum = ping.await.unwrap();
    pong.await.unwrap();
    b.stop();
    b.check("sum", sum, trips * (trips - 1) / 2);
    b.report_ns(trips);
}

async fn run_chan_pingpong(b: &mut Bench) {
    let trips = b.count(ROUND_TRIPS);
    let (there, mut arrived) = mpsc::channel(1);
    let (back, mut returned) = mpsc::channel(1);
    b.start();
    let pong = spawn(async move {
        for _ in 0..trips {
            back.send(arrived.recv().await.unwrap()).await.unwrap();
        }
    });
    let ping = spawn(async move {
        let mut sum = 0u64;
        for i in 0..trips {
            there.send(i).await.unwrap();
            sum += returned.recv().await.unwrap();
        }
        sum
    });
    report_pingpong(b, trips, pong, ping).await;
}

async fn run_flume_pingpong(b: &mut Bench) {
    let trips = b.count(ROUND_TRIPS);
    let (there, arrived) = flume::bounded(0);
    let (back, returned) = flume::bounded(0);
    b.start();
    let pong = spawn(async move {
        for _ in 0..trips {
            back.send_async(arrived.recv_async().await.unwrap()).await.unwrap();
        }
    });
    let ping = spawn(async move {
        let mut sum = 0u64;
        for i in 0..trips {
            there.send_async(i).await.unwrap();
            sum += returned.recv_async().await.unwrap();
        }
        sum
    });
    report_pingpong(b, trips, pong, ping).await;
}

async fn report_mpmc(b: &mut Bench, each: u64, consumers: Vec<JoinHandle<u64>>) {
    let sum: u64 = join_all(consumers).await.iter().sum();
    b.stop();
    b.check("sum", sum, CHANNEL_SIDES * (each * (each - 1) / 2));
    b.report_ns(CHANNEL_SIDES * each);
}

async fn run_chan_mpmc(b: &mut Bench) {
    let each = b.count(MESSAGES / CHANNEL_SIDES);
    let (sender, receiver) = async_channel::bounded(CHANNEL_CAPACITY);
    let mut consumers = Vec::new();
    b.start();
    for _ in 0..CHANNEL_SIDES {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        spawn(async move {
            for i in 0..each {
                sender.send(i).await.unwrap();
            }
        });
        consumers.push(spawn(async move {
            let mut sum = 0;
            while let Ok(message) = receiver.recv().await {
                sum += message;
            }
            sum
        }));
    }
    drop(sender); // the channel closes with its last sender
    report_mpmc(b, each, consumers).await;
}

async fn run_flume_mpmc(b: &mut Bench) {
    let each = b.count(MESSAGES / CHANNEL_SIDES);
    let (sender, receiver) = flume::bounded(CHANNEL_CAPACITY);
    let mut consumers = Vec::new();
    b.start();
    for _ in 0..CHANNEL_SIDES {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        spawn(async move {
            for i in 0..each {
                sender.send_async(i).await.unwrap();
            }
        });
        consumers.push(spawn(async move {
            let mut sum = 0;
            while let Ok(message) = receiver.recv_async().await {
                sum += message;
            }
            sum
        }));
    }
    drop(sender);
    report_mpmc(b, each, consumers).await;
}

async fn run_select_ready(b: &mut Bench) {
    let turns = b.count(SELECTS);
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for _ in 0..8 {
        let (sender, receiver) = mpsc::channel(1);
        senders.push(sender);
        receivers.push(receiver);
    }
    let mut receivers: [mpsc::Receiver<u64>; 8] = receivers.try_into().unwrap();
    let [c0, c1, c2, c3, c4, c5, c6, c7] = &mut receivers;
    let mut sum = 0;
    b.start();
    for i in 0..turns {
        senders[(i * 5 % 8) as usize].send(i).await.unwrap();
        let got = tokio::select! {
            got = c0.recv() => got,
            got = c1.recv() => got,
            got = c2.recv() => got,
            got = c3.recv() => got,
            got = c4.recv() => got,
            got = c5.recv() => got,
            got = c6.recv() => got,
            got = c7.recv() => got,
        };
        sum += got.unwrap();
    }
    b.stop();
    b.check("sum", sum, turns * (turns - 1) / 2);
    b.report_ns(turns);
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

async fn run_timeout_scope(b: &mut Bench) {
    let turns = b.count(TIMEOUTS);
    let mut done = 0;
    b.start();
    for _ in 0..turns {
        timeout(TEN_SECONDS, async { done += 1 }).await.unwrap();
    }
    b.stop();
    b.check("turns", done, turns);
    b.report_ns(turns);
}

async fn run_timeout_pingpong(b: &mut Bench) {
    let trips = b.count(ROUND_TRIPS);
    let (there, mut arrived) = mpsc::channel(1);
    let (back, mut returned) = mpsc::channel(1);
    b.start();
    let pong = spawn(async move {
        for _ in 0..trips {
            let ball = timeout(TEN_SECONDS, arrived.recv()).await.unwrap();
            back.send(ball.unwrap()).await.unwrap();
        }
    });
    let ping = spawn(async move {
        let mut sum = 0u64;
        for i in 0..trips {
            there.send(i).await.unwrap();
            sum += timeout(TEN_SECONDS, returned.recv()).await.unwrap().unwrap();
        }
        sum
    });
    report_pingpong(b, trips, pong, ping).await;
}

async fn run_mutex(b: &mut Bench) {
    struct Guarded {
        value: u64,
        taken: u64,
    }
    let each = b.count(LOCKS);
    let mutex = Arc::new(Mutex::new(Guarded { value: SEED, taken: 0 }));
    b.start();
    let tasks: Vec<_> = (0..MUTEX_TASKS)
        .map(|_| {
            let mutex = mutex.clone();
            spawn(async move {
                for _ in 0..each {
                    let mut guarded = mutex.lock().await;
                    guarded.value = spin(guarded.value, CRITICAL_STEPS);
                    guarded.taken += 1;
                }
            })
        })
        .collect();
    join_all(tasks).await;
    b.stop();
    let guarded = mutex.lock().await;
    b.check("count", guarded.taken, MUTEX_TASKS * each);
    b.check("guarded value", guarded.value, spin(SEED, guarded.taken * CRITICAL_STEPS));
    b.report_ns(guarded.taken);
}

/// Counts down to an event.
struct Countdown {
    left: AtomicU64,
    reached: Notify,
}

impl Countdown {
    fn new(count: u64) -> Arc<Countdown> {
        Arc::new(Countdown { left: AtomicU64::new(count), reached: Notify::new() })
    }

    fn arrive(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.reached.notify_one();
        }
    }
}

async fn run_sleep_many(b: &mut Bench) {
    let count = b.count(SLEEPERS);
    let late_us: Arc<Vec<AtomicU64>> = Arc::new((0..count).map(|_| AtomicU64::new(0)).collect());
    let ended = Countdown::new(count);
    let mut state = 42;
    b.start();
    for i in 0..count as usize {
        let (late_us, ended) = (late_us.clone(), ended.clone());
        let duration = sleep_duration(&mut state);
        spawn(async move {
            let from = Instant::now();
            tokio::time::sleep(duration).await;
            late_us[i].store(from.elapsed().saturating_sub(duration).as_micros() as u64, Relaxed);
            ended.arrive();
        });
    }
    ended.reached.notified().await;
    b.stop();
    b.lateness(late_us.iter().map(|late| late.load(Relaxed)).collect());
    b.report_ms(1.0);
}

async fn run_idle_mem(b: &mut Bench) {
    let count = b.count(PARKED);
    let gate = Arc::new(Semaphore::new(0)); // closing it wakes all who wait
    let (arrived, ended) = (Countdown::new(count), Countdown::new(count));
    let rss = status_bytes("VmRSS:");
    b.start();
    for _ in 0..count {
        let (gate, arrived, ended) = (gate.clone(), arrived.clone(), ended.clone());
        spawn(async move {
            arrived.arrive();
            let _ = gate.acquire().await;
            ended.arrive();
        });
    }
    arrived.reached.notified().await;
    b.stop();
    tokio::time::sleep(Duration::from_millis(50)).await; // the last arrivals get from the count to the wait
    let bytes = (status_bytes("VmRSS:") - rss) / count as f64;
    let woken = Instant::now();
    gate.close();
    ended.reached.notified().await;
    b.field("wake_ms", milliseconds(woken.elapsed()));
    b.report(bytes, "bytes/task");
}

async fn run_parallel_sum(b: &mut Bench) {
    let tasks = b.count(SUM_TASKS);
    let steps = power_law(tasks);
    b.start();
    let handles: Vec<_> =
        (0..).zip(steps.clone()).map(|(i, steps)| spawn(async move { spin(SEED + i, steps) })).collect();
    let results = join_all(handles).await;
    b.stop();
    b.check_sums(&steps, &results);
    b.report_ms(tasks as f64 / SUM_TASKS as f64);
}

async fn run(mut b: Bench, is_flume: bool) {
    let b = &mut b;
    match (b.workload.as_str(), is_flume) {
        ("switch", _) => run_switch(b).await,
        ("spawn_join", _) => spawn_batches(b, || async {}).await,
        ("spawn_yield", _) => spawn_batches(b, yield_now_once).await,
        ("skynet", _) => run_skynet(b).await,
        ("fib", _) => run_fib(b).await,
        ("chan_pingpong", false) => run_chan_pingpong(b).await,
        ("chan_pingpong", true) => run_flume_pingpong(b).await,
        ("chan_mpmc", false) => run_chan_mpmc(b).await,
        ("chan_mpmc", true) => run_flume_mpmc(b).await,
        ("select_ready", _) => run_select_ready(b).await,
        ("timeout_scope", _) => run_timeout_scope(b).await,
        ("timeout_pingpong", _) => run_timeout_pingpong(b).await,
        ("mutex", _) => run_mutex(b).await,
        ("sleep_many", _) => run_sleep_many(b).await,
        ("idle_mem", _) => run_idle_mem(b).await,
        ("parallel_sum", _) => run_parallel_sum(b).await,
        _ => unreachable!("Bench::open knows the list"),
    }
}

async fn yield_now_once() {
    yield_now().await;
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let variant = match args.first().map(String::as_str) {
        Some("--current-thread" | "--flume") => args.remove(0),
        _ => String::new(),
    };
    let is_flume = variant == "--flume";
    let is_current_thread = variant == "--current-thread";
    let name = match variant.as_str() {
        "--current-thread" => "tokio_current",
        "--flume" => "tokio_flume",
        _ => "tokio",
    };
    let version = match is_flume {
        true => concat!("Tokio ", env!("TOKIO_VERSION"), ", flume ", env!("FLUME_VERSION")),
        false => concat!("Tokio ", env!("TOKIO_VERSION"), ", async-channel ", env!("ASYNC_CHANNEL_VERSION")),
    };
    let limited: Vec<String> = WORKLOADS.iter().map(|name| format!("{name} workers=1")).collect();
    let list: Vec<&str> = match variant.as_str() {
        "--current-thread" => limited.iter().map(String::as_str).collect(),
        "--flume" => FLUME_WORKLOADS.to_vec(),
        _ => WORKLOADS.to_vec(),
    };
    let b = Bench::open(name, version, &list, &args);
    let mut builder = match is_current_thread {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(b.workers).enable_time().build().unwrap();
    // Spawned, so that the workload's own task is on a worker too: block_on polls it on the main thread.
    runtime.block_on(async { spawn(run(b, is_flume)).await.unwrap() });
}
