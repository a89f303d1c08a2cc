//! What the server shows, and to whose pages: the part of its behaviour that an operator chooses.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug)]
pub struct Exposure {
    /// Pages of these origins may call the API from a browser, beside the server's own.
    pub cors_origins: Vec<WebOrigin>,
    /// Whether clients may ask for the schema; `GraphiQL` lives from it.
    pub introspection: bool,
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            introspection: true,
        }
    }
}

/// Where a page comes from, as browsers write it in `Origin`: scheme, host and the port unless
/// it is the scheme's own.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc6454#section-6.2>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    scheme: &'static str,
    /// In small letters, without a default port.
    authority: String,
}

/// The text is not `http://` or `https://` with a host and perhaps a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWebOrigin;

impl fmt::Display for NoWebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no origin such as https://app.example.org")
    }
}

impl std::error::Error for NoWebOrigin {}

impl FromStr for WebOrigin {
    type Err = NoWebOrigin;

    fn from_str(text: &str) -> Result<Self, NoWebOrigin> {
        let text = text.to_ascii_lowercase();
        let (scheme, default_port, authority) = if let Some(rest) = text.strip_prefix("https://") {
            ("https", 443, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            ("http", 80, rest)
        } else {
            return Err(NoWebOrigin);
        };
        // A colon within brackets belongs to the address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = port.map(port_number).transpose()?.filter(|&port| port != default_port);
        if !is_host(host) {
            return Err(NoWebOrigin);
        }
        let authority = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { scheme, authority })
    }
}

fn port_number(text: &str) -> Result<u16, NoWebOrigin> {
    // `parse` alone would take "+80" as well.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0).ok_or(NoWebOrigin)
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    };
    text.split('.').all(is_label)
}

impl WebOrigin {
    /// That of the page at this address.
    pub(super) fn of_address(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next()?;
        format!("{scheme}://{authority}").parse().ok()
    }

    /// Whether the page came from this host, by the `Host` header that its own requests carry. Its
    /// scheme is not looked at: behind a proxy that ends TLS it is not ours.
    pub(super) fn is_at(&self, host: &str) -> bool {
        format!("{}://{host}", self.scheme).parse().as_ref() == Ok(self)
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> WebOrigin {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, same) in [
            ("https://app.example.org", "HTTPS://App.Example.org:443"),
            ("http://localhost", "http://localhost:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(origin(text), origin(same));
        }
        assert_ne!(origin("https://a.org"), origin("http://a.org"));
        assert_ne!(origin("https://a.org"), origin("https://a.org:80"));
        assert_ne!(origin("https://a.org"), origin("https://b.a.org"));
        for text in [
            "",
            "*",
            "null",
            "app.example.org",
            "https://",
            "https://*",
            "https://*.example.org",
            "https://a.org/",
            "https://a.org/path",
            "https://a.org?b",
            "https://user@a.org",
            "https://a b.org",
            "https://a..org",
            "https://a.org:",
            "https://a.org:+80",
            "https://a.org:0",
            "https://a.org:99999",
            "https://[::1",
            "https://[x]",
            "https://::1",
            "ftp://a.org",
        ] {
            assert_eq!(text.parse::<WebOrigin>(), Err(NoWebOrigin), "{text}");
        }
    }

    #[test]
    fn the_own_origin_is_known_by_address_and_by_host() {
        let own = WebOrigin::of_address("https://example.org/muster").unwrap();
        assert_eq!(own, origin("https://example.org"));
        assert!(origin("https://example.org").is_at("example.org"));
        assert!(origin("https://example.org").is_at("Example.org:443"));
        assert!(origin("http://127.0.0.1:8080").is_at("127.0.0.1:8080"));
        assert!(!origin("http://127.0.0.1:8080").is_at("127.0.0.1"));
        assert!(!origin("https://example.org.evil.org").is_at("example.org"));
        assert!(!origin("https://example.org").is_at("example.org/x"));
    }
}
