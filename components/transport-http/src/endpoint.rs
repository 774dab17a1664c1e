//! Which URLs may be called. Pure.
//!
//! A URL is read by the parser that the wasmtime host uses (`http::Uri`), so that no two readers see two
//! hosts in one text, and whatever is merely unusual is refused: the operator writes this URL once.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use secure_log_rpc::http::{is_loopback, split_authority};

/// Longest URL in bytes; browsers and proxies agree on about this much.
const MAX_URL: usize = 2048;
/// Why a URL with a user name or password is refused.
pub const USERINFO: &str = "holds a user name or password";

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// TLS; without it only this machine is reached.
    pub https: bool,
    /// Host, and the port if one was given.
    pub authority: String,
    /// `/` if the URL had none.
    pub path_and_query: String,
}

impl Endpoint {
    /// `https://<host>[:port][/path][?query]`, or `http://` to a loopback host.
    ///
    /// # Errors
    /// Why not, without the URL itself: it may hold a password.
    pub fn parse(url: &str) -> Result<Endpoint, &'static str> {
        if url.len() > MAX_URL {
            return Err("is longer than 2048 bytes");
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
            return Err("holds characters that no URL has");
        }
        if url.contains('#') {
            return Err("has a fragment");
        }
        let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("begins with neither https:// nor http://"),
        };
        let authority = uri.authority().ok_or("has no host")?.as_str();
        if authority.contains('@') {
            return Err(USERINFO);
        }
        let (host, _) = split_authority(authority).ok_or("has a host or port that cannot be read")?;
        if !is_host(host) {
            return Err("has a host that is neither a DNS name nor a plainly written address");
        }
        if !https && !is_loopback(host) {
            return Err("is http:// to another machine; only https:// may leave this one");
        }
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Endpoint { https, authority: authority.to_owned(), path_and_query: path_and_query.to_owned() })
    }
}

/// A DNS name of letters, digits, hyphens and inner dots, an IPv4 address in four plain decimal parts, or an
/// IPv6 address in brackets. A name whose last label looks like a number is an address to some resolvers.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let named = host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    host.len() <= 253 && host.split('.').all(label) && named
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn https_anywhere_and_http_to_this_machine_are_called_as_written() {
        for (url, https, authority, path) in [
            ("https://log.example.org", true, "log.example.org", "/"),
            ("https://log.example.org/", true, "log.example.org", "/"),
            ("https://log.example.org:8443/audit?tenant=a", true, "log.example.org:8443", "/audit?tenant=a"),
            ("https://LOG.example.org/", true, "LOG.example.org", "/"),
            ("https://192.0.2.1/", true, "192.0.2.1", "/"),
            ("https://[2001:db8::1]:443/", true, "[2001:db8::1]:443", "/"),
            ("https://xn--bcher-kva.example/", true, "xn--bcher-kva.example", "/"),
            ("https://localhost/", true, "localhost", "/"),
            ("http://127.0.0.1:8787/", false, "127.0.0.1:8787", "/"),
            ("http://127.8.9.1", false, "127.8.9.1", "/"),
            ("http://localhost:8787", false, "localhost:8787", "/"),
            ("http://[::1]:8787/", false, "[::1]:8787", "/"),
        ] {
            let expected = Endpoint { https, authority: authority.into(), path_and_query: path.into() };
            assert_eq!(Endpoint::parse(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn urls_that_lead_elsewhere_or_say_two_things_are_refused() {
        for url in [
            "",
            "/",
            "log.example.org",
            "log.example.org:443",
            "//log.example.org/",
            "ftp://log.example.org/",
            "file:///etc/passwd",
            "unix:/run/log.sock",
            "javascript:alert(1)",
            "https:",
            "https://",
            "https:///path",
            "https:/log.example.org/",
            "https://?x",
            "http://log.example.org/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fe80::1%25eth0]/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example/",
            "http://localhost./",
            "http://127.0.0.1@evil.example/",
            "http://evil.example#@127.0.0.1/",
            "http://evil.example\\@127.0.0.1/",
            "http://127.0.0.1\\@evil.example/",
            "http://127.0.0.1%2eevil.example/",
            "http://127.0.0.1%00.evil.example/",
            "http://127.0.0.1\0.evil.example/",
            "http://127.0.0.1\r\nHost: evil.example/",
            "http://127.0.0.1 evil.example/",
            " http://127.0.0.1/",
            "http://127.0.0.1/ ",
            "http://127.0.0.1\t/",
            "http://１２７.0.0.1/",
            "http://127。0。0。1/",
            "http://user@127.0.0.1/",
            "https://user:password@log.example.org/",
            "https://:@log.example.org/",
            "https://log.example.org/#fragment",
            "https://log.example.org#",
            "https://log.example.org:/",
            "https://log.example.org:0/",
            "https://log.example.org:65536/",
            "https://log.example.org:0443/",
            "https://log.example.org:443:443/",
            "https://log_example.org/",
            "https://-log.example.org/",
            "https://log..example.org/",
            "https://log.example.org./",
            "https://log.example.0x1/",
            "https://256.256.256.256/",
            "https://1.2.3/",
            "https://[::1/",
            "https://[1.2.3.4]/",
            "https://bücher.example/",
            &format!("https://log.example.org/{}", "x".repeat(2048)),
            &format!("https://{}.org/", "x".repeat(64)),
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url:?} {:?}", Endpoint::parse(url));
        }
    }

    #[test]
    fn a_refusal_never_repeats_the_url() {
        let why = Endpoint::parse("https://user:hunter2@log.example.org/").unwrap_err();
        assert_eq!(why, USERINFO);
    }
}
