//! `muster health`: a container's health check without a client in the image.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::{Failure, Outcome, say};

const LIMIT: Duration = Duration::from_secs(3);

pub(crate) fn ask(listen: &str) -> Outcome {
    let answer = get(listen).map_err(|error| Failure::Failed(format!("{listen} does not answer: {error}")))?;
    if answer.starts_with("HTTP/1.1 200 ") {
        say("ready")
    } else {
        Err(Failure::failed("not ready"))
    }
}

fn get(listen: &str) -> std::io::Result<String> {
    let mut address = listen
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::other("no such address"))?;
    if address.ip().is_unspecified() {
        let here: std::net::IpAddr = if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address = SocketAddr::new(here, address.port());
    }
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(
        stream,
        "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}
