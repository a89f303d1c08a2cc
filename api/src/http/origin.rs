//! The network address that a request came from, for counting. Whoever is connected to us may
//! write any `X-Forwarded-For`; it is believed only of proxies that the operator named, and only
//! as far as they wrote it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use async_graphql::Context;
use poem::Request;
use poem::http::{HeaderMap, HeaderName};
use service::rates::Origin;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where an operation came from, over HTTP and sockets alike.
pub fn origin(ctx: &Context<'_>) -> Origin {
    ctx.data_opt::<Origin>().copied().unwrap_or_default()
}

/// Addresses and networks, separated by commas: `127.0.0.1, 10.0.0.0/8, fd00::/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

/// The entry that is neither an address nor a network.
#[derive(Debug, PartialEq, Eq)]
pub struct NotANetwork(pub String);

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is neither an address nor a network such as 10.0.0.0/8", self.0)
    }
}

impl std::error::Error for NotANetwork {}

impl FromStr for Proxies {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| Network::parse(entry).ok_or_else(|| NotANetwork(entry.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Proxies {
    pub(super) fn origin(&self, req: &Request) -> Origin {
        match req.remote_addr().as_socket_addr() {
            Some(peer) => self.walk(peer.ip(), req.headers()),
            None => Origin::default(),
        }
    }

    /// Whether a request was sent by one of them.
    pub(super) fn sent(&self, req: &Request) -> bool {
        let peer = req.remote_addr().as_socket_addr();
        peer.is_some_and(|peer| self.trust(peer.ip().to_canonical()))
    }

    /// Each proxy appends whom it was asked by, so the header is read from its end for as long as
    /// the one who wrote is trusted. What can't be read ends the walk at the last good address.
    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> Origin {
        let mut address = peer.to_canonical();
        let values = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
        let entries = values
            .into_iter()
            .rev()
            .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        for entry in entries {
            if !self.trust(address) {
                break;
            }
            let Some(before) = parse(entry.trim()) else { break };
            address = before.to_canonical();
        }
        Origin(address)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }
}

/// An address as proxies write it: some with a port, and with one IPv6 in brackets.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.parse().ok();
    let ported = || entry.parse::<SocketAddr>().map(|address| address.ip()).ok();
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    bare.or_else(ported).or_else(bracketed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { bits: u128, mask: u128 },
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(length.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => Self::v4(address, length.unwrap_or(32)),
            IpAddr::V6(address) => {
                let length = length.unwrap_or(128);
                match address.to_ipv4_mapped() {
                    Some(mapped) if length >= 96 => Self::v4(mapped, length - 96),
                    _ => Self::v6(address, length),
                }
            }
        }
    }

    /// What is set behind the prefix doesn't matter: `10.0.0.1/8` is meant well.
    fn v4(address: Ipv4Addr, length: u32) -> Option<Self> {
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
        let bits = address.to_bits() & mask;
        Some(Self::V4 { bits, mask })
    }

    fn v6(address: Ipv6Addr, length: u32) -> Option<Self> {
        let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
        let bits = address.to_bits() & mask;
        Some(Self::V6 { bits, mask })
    }

    fn holds(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4 { bits, mask }, IpAddr::V4(address)) => address.to_bits() & mask == bits,
            (Self::V6 { bits, mask }, IpAddr::V6(address)) => address.to_bits() & mask == bits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin_of(trusted: &str, peer: &str, headers: &[&str]) -> String {
        let proxies: Proxies = trusted.parse().unwrap();
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(FORWARDED_FOR, header.parse().unwrap());
        }
        proxies.walk(peer.parse().unwrap(), &map).0.to_string()
    }

    #[test]
    fn nobody_is_believed_unless_named() {
        for trusted in ["", "10.0.0.1", "fd00::/8", "203.0.113.8"] {
            let origin = origin_of(trusted, "203.0.113.7", &["198.51.100.1"]);
            assert_eq!(origin, "203.0.113.7", "{trusted}");
        }
    }

    #[test]
    fn the_walk_goes_from_the_end_past_those_that_are_named() {
        let trusted = "10.0.0.0/8, ::1, 2001:db8:ffff::/48";
        for (peer, headers, expected) in [
            ("10.0.0.1", &["198.51.100.1"][..], "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the client itself wrote stands before what the proxy saw.
            ("10.0.0.1", &["1.1.1.1, 2.2.2.2, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1,198.51.100.1, 10.9.9.9 , ::1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::1", &["2001:db8::7, 2001:db8:ffff::1"], "2001:db8::7"),
            ("::1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("::1", &["::ffff:203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(origin_of(trusted, peer, headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk() {
        for (header, expected) in [
            ("", "10.0.0.1"),
            ("unknown", "10.0.0.1"),
            ("203.0.113.7,", "10.0.0.1"),
            ("203.0.113.7, _hidden, 10.0.0.2", "10.0.0.2"),
            ("203.0.113.999", "10.0.0.1"),
            ("[203.0.113.7]", "10.0.0.1"),
            ("203.0.113.7/8", "10.0.0.1"),
        ] {
            assert_eq!(origin_of("10.0.0.0/8", "10.0.0.1", &[header]), expected, "{header:?}");
        }
        let proxies: Proxies = "10.0.0.0/8".parse().unwrap();
        let mut map = HeaderMap::new();
        map.append(FORWARDED_FOR, "203.0.113.7".parse().unwrap());
        map.append(
            FORWARDED_FOR,
            poem::http::HeaderValue::from_bytes(b"10.0.0.\xff").unwrap(),
        );
        let origin = proxies.walk("10.0.0.1".parse().unwrap(), &map);
        assert_eq!(origin.0.to_string(), "10.0.0.1");
    }

    #[test]
    fn networks_hold_what_their_prefix_says() {
        for (network, inside, outside) in [
            ("10.0.0.1/8", "10.255.0.0", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1/32", "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "1.1.1.1"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.0.0.0"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network:?}");
            assert!(!network.holds(outside.parse().unwrap()), "{network:?}");
        }
        for text in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "proxy",
            "1.1.1.1:80",
        ] {
            assert_eq!(text.parse::<Proxies>(), Err(NotANetwork(text.into())), "{text}");
        }
        assert_eq!(" , ".parse::<Proxies>(), Ok(Proxies::default()));
    }
}
