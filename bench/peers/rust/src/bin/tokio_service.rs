//! The service (bench/service/service.h) in Tokio: a task for each connection, handlers in the task. With
//! `--spawn-blocking` heavy ones are moved to threads by hand. With `--echo` it echoes.
//!
//! usage: tokio_service [--spawn-blocking | --echo] PORT THREADS

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UNKNOWN: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn cpu_time() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut used) };
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Nothing in it awaits, so the thread stays the same.
fn compute(span: Duration) {
    let until = cpu_time() + span;
    while cpu_time() < until {
        for i in 0..20000 {
            unsafe { std::ptr::read_volatile(&i) };
        }
    }
}

#[derive(Clone, Copy)]
struct Heavy {
    span: Duration,
    blocks: bool,
}

impl Heavy {
    fn of(request: &[u8]) -> Heavy {
        let digits = find(request, b"ms=").map_or(&b""[..], |at| &request[at + 3..]);
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let ms = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        Heavy { span: Duration::from_millis(ms), blocks: find(request, b"how=block").is_some() }
    }

    fn work(self) {
        if self.blocks {
            std::thread::sleep(self.span);
        } else {
            compute(self.span);
        }
    }
}

async fn handle(request: &[u8], offloads: bool) -> &'static [u8] {
    if request.starts_with(b"GET /light") {
        return OK;
    }
    if !request.starts_with(b"GET /heavy") {
        return UNKNOWN;
    }
    let heavy = Heavy::of(request);
    if offloads {
        tokio::task::spawn_blocking(move || heavy.work()).await.unwrap();
    } else {
        heavy.work();
    }
    OK
}

async fn serve(mut connection: TcpStream, offloads: bool) -> std::io::Result<()> {
    let mut held = Vec::with_capacity(4096);
    while connection.read_buf(&mut held).await? > 0 {
        while let Some(end) = find(&held, b"\r\n\r\n") {
            connection.write_all(handle(&held[..end], offloads).await).await?;
            held.drain(..end + 4);
        }
    }
    Ok(())
}

async fn echo(mut connection: TcpStream) -> std::io::Result<()> {
    let mut message = [0; 4096];
    loop {
        let got = connection.read(&mut message).await?;
        if got == 0 {
            return Ok(());
        }
        connection.write_all(&message[..got]).await?;
    }
}

async fn run(port: u16, mode: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let offloads = mode == "--spawn-blocking";
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        if mode == "--echo" {
            tokio::spawn(echo(connection));
        } else {
            tokio::spawn(serve(connection, offloads));
        }
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = if arguments.len() == 3 { arguments.remove(0) } else { String::new() };
    let numbers: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    if numbers.len() != 2 {
        eprintln!("usage: tokio_service [--spawn-blocking | --echo] PORT THREADS");
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(numbers[1]).enable_io().build()?;
    runtime.block_on(run(numbers[0] as u16, &mode))
}
