//! Where a request came from, as far as it can be counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The network address that a request came from. Its text is what counts as one origin: an IPv4
/// address, or the 64 bits of IPv6 that one customer is given, since they may take as many
/// addresses within them as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(pub IpAddr);

impl Default for Origin {
    /// All who come from nowhere known count as one.
    fn default() -> Self {
        Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A socket that takes both families writes IPv4 into IPv6: still the same address.
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
                write!(f, "{network}/64")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: &str) -> String {
        Origin(address.parse().unwrap()).to_string()
    }

    #[test]
    fn an_address_of_ipv4_and_a_network_of_ipv6_are_one_origin() {
        assert_eq!(text("203.0.113.7"), "203.0.113.7");
        assert_eq!(text("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(text("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64");
        assert_ne!(text("2001:db8:1:3::1"), text("2001:db8:1:2::1"));
        assert_eq!(Origin::default().to_string(), "::/64");
    }
}
