//! The Redis script of the rate limit, run by a real Redis beside the arithmetic in Rust.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use talkif_rules::rate::{GCRA_LUA, Limit, lua_arguments};

/// A private Redis that dies with the test.
struct Redis {
    server: Child,
    connection: BufReader<TcpStream>,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let started = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => return Self { server, connection: BufReader::new(stream) },
                Err(_) if started.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                Err(error) => panic!("redis does not come up: {error}"),
            }
        }
    }

    /// Sends a command and reads its answer, a list of integers or one integer.
    fn command(&mut self, parts: &[&str]) -> Vec<i64> {
        let mut bytes = format!("*{}\r\n", parts.len());
        for part in parts {
            bytes.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        self.connection.get_mut().write_all(bytes.as_bytes()).unwrap();
        let head = self.line();
        match head.split_at(1) {
            (":", value) => vec![value.parse().unwrap()],
            ("*", count) => (0..count.parse().unwrap()).map(|_| self.line()[1..].parse().unwrap()).collect(),
            _ => panic!("redis says {head}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn take(&mut self, key: &str, limit: Limit, cost: u32) -> Vec<i64> {
        let [burst, interval, cost] = lua_arguments(limit, cost);
        self.command(&["EVAL", GCRA_LUA, "1", key, &burst, &interval, &cost])
    }
}

/// So slow that nothing comes back while the test runs.
const SLOW: Limit = Limit { burst: 5, interval_us: 3_600_000_000 };

#[test]
fn the_script_counts_down_and_then_denies_until_a_token_is_back() {
    let mut redis = Redis::start();
    for remaining in (0..5).rev() {
        assert_eq!(redis.take("a", SLOW, 1), [1, remaining, 0]);
    }
    let denied = redis.take("a", SLOW, 1);
    assert_eq!(denied[..2], [0, 0]);
    assert!((3_590_000..=3_600_000).contains(&denied[2]), "{denied:?}");
    // Another account has a bucket of its own, and a batch takes several tokens at once.
    assert_eq!(redis.take("b", SLOW, 3), [1, 2, 0]);
    assert_eq!(redis.take("b", SLOW, 3)[0], 0);
    assert_eq!(redis.take("b", SLOW, 2), [1, 0, 0]);
}

#[test]
fn the_bucket_refills_and_its_key_expires() {
    let mut redis = Redis::start();
    let quick = Limit { burst: 2, interval_us: 50_000 };
    assert_eq!(redis.take("a", quick, 2), [1, 0, 0]);
    let denied = redis.take("a", quick, 1);
    assert_eq!(denied[0], 0);
    assert!((1..=50).contains(&denied[2]), "{denied:?}");
    assert!((1..=100).contains(&redis.command(&["PTTL", "a"])[0]));
    // The wait that was told is enough, whatever the machine's load adds to it.
    std::thread::sleep(Duration::from_millis(u64::try_from(denied[2]).unwrap()));
    assert_eq!(redis.take("a", quick, 1)[0], 1);
}
