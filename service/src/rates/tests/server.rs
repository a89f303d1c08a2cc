//! The shared Redis of `TEST_REDIS_URL`, or one of the test's own that it may end.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::RedisLimiter;

/// None where the environment names no server: the test is skipped.
pub(super) fn shared() -> Option<String> {
    let url = std::env::var("TEST_REDIS_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(!required(), "TEST_REDIS_URL is not set, but servers are required");
        println!("skipped: TEST_REDIS_URL is not set");
    }
    url
}

fn required() -> bool {
    std::env::var("MUSTER_REQUIRE_SERVERS").is_ok_and(|value| value == "1")
}

/// A prefix that no other test uses.
pub(super) fn prefix() -> String {
    format!("test-{:032x}:rates", rand::random::<u128>())
}

pub(super) struct Server {
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A port at which a server may be launched; none where Redis is not installed.
    pub(super) fn absent() -> Option<Self> {
        let found = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if found.is_err() {
            assert!(!required(), "redis-server is not installed, but servers are required");
            println!("skipped: redis-server is not installed");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Some(Self { port, child: None })
    }

    pub(super) async fn launch(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..250 {
            let client = redis::Client::open(self.url()).unwrap();
            if client.get_multiplexed_async_connection().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the Redis server doesn't answer");
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// By its name: STOP, CONT.
    pub(super) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn limiter(&self, prefix: &str) -> RedisLimiter {
        RedisLimiter::new(&self.url(), prefix).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
