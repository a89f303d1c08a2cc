//! A network between a client and a server that can be cut: connections end and none comes through
//! until it is mended. Or it is held: nothing comes through and nobody is told. Both ends live on.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Whole,
    Cut,
    Held,
}

#[derive(Debug)]
pub struct Relay {
    pub base: String,
    network: watch::Sender<Network>,
}

impl Relay {
    /// To the server at this address, such as `http://127.0.0.1:8080`.
    pub async fn to(base: &str) -> Self {
        let server: SocketAddr = base.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (network, state) = watch::channel(Network::Whole);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, state.clone()));
            }
        });
        Self { base, network }
    }

    pub fn cut(&self) {
        self.network.send_replace(Network::Cut);
    }

    pub fn hold(&self) {
        self.network.send_replace(Network::Held);
    }

    pub fn mend(&self) {
        self.network.send_replace(Network::Whole);
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut network: watch::Receiver<Network>) {
    if *network.borrow_and_update() == Network::Cut {
        return;
    }
    // Who comes while it is held waits.
    if network.wait_for(|state| *state != Network::Held).await.is_err() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let held = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        changed = network.wait_for(|state| *state != Network::Whole) => changed.is_ok_and(|state| *state == Network::Held),
    };
    // What was under way is lost, which is told when the network is back.
    if held {
        let _ = network.wait_for(|state| *state != Network::Held).await;
    }
}
