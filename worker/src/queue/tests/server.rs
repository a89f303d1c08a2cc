//! A Redis server for one test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use service::queue::Wake;
use tokio::time::sleep;

use crate::queue::{self, Consumer};

pub(super) struct Server {
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A server that answers; none where there is no Redis, unless servers are required.
    pub(super) async fn start() -> Option<Self> {
        let mut server = Self::absent()?;
        server.launch().await;
        Some(server)
    }

    /// A port on which a server may be launched later.
    pub(super) fn absent() -> Option<Self> {
        let found = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if found.is_err() {
            let required = std::env::var("MUSTER_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!required, "redis-server is not installed, but servers are required");
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
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the Redis server doesn't answer");
    }

    /// As SIGKILL does.
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

    pub(super) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(super) async fn queue(&self, namespace: &str) -> (Arc<dyn Wake>, Consumer) {
        queue::redis(&self.url(), namespace).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A namespace that no other test uses.
pub(super) fn namespace() -> String {
    format!("test-{:032x}", rand::random::<u128>())
}
