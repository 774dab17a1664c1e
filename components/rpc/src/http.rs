//! What both ends of the HTTP hop agree on. Not here: HTTP itself.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Media type of requests and responses.
pub const CONTENT_TYPE: &str = "application/json";

/// Whether a host as URLs and authorities write it is this machine: `localhost`, 127.0.0.0/8 in four plain
/// decimal parts, or `[::1]`. Any other way of writing a loopback address is not taken for one.
pub fn is_loopback(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// Host and port of an authority without userinfo; `None` if it is not written as `host` or `host:port` with a
/// decimal port of 1 to 65535 without leading zeros.
pub fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    if host.is_empty() || host.contains('@') {
        return None;
    }
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':')?;
    let port = digits.parse::<u16>().ok().filter(|port| *port > 0 && port.to_string() == digits)?;
    Some((host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_loopback_hosts_are_loopback() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "0177.0.0.1",
            "127.0.0.01",
            "0.0.0.0",
            "10.0.0.1",
            "::1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::1",
            "[127.0.0.1]",
            "[::1%25lo]",
            "128.0.0.1",
            "evil.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        assert_eq!(split_authority("a.b"), Some(("a.b", None)));
        assert_eq!(split_authority("a.b:80"), Some(("a.b", Some(80))));
        assert_eq!(split_authority("[::1]:8787"), Some(("[::1]", Some(8787))));
        for evil in
            ["", ":80", "a:", "a:0", "a:080", "a:+80", "a:65536", "u@a", "u:p@a:80", "[::1]x", "[::1", "a:80:80"]
        {
            assert_eq!(split_authority(evil), None, "{evil}");
        }
    }
}
