//! Requests and replies as values, so that what decides about them runs anywhere.

use crate::BodyError;

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Path and query as sent.
    pub path: &'a str,
    /// Of the request line, if it had one.
    pub authority: Option<&'a str>,
    /// Names in any case.
    pub headers: &'a [(String, Vec<u8>)],
}

impl Head<'_> {
    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect()
    }

    /// Whether the head announces a body of more than `cap` bytes; one that lies is cut when it is read.
    pub fn announces_more_than(&self, cap: usize) -> bool {
        let values = self.values("content-length");
        let length = values.first().and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        length.is_some_and(|length: u64| length > cap as u64)
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Beside content length, `cache-control: no-store` and `x-content-type-options: nosniff`, which every reply has.
    pub headers: Vec<(&'static str, &'static str)>,
    /// As long as the endpoint allows itself.
    pub body: Vec<u8>,
}

impl Reply {
    /// Text for people, ended by one newline.
    pub fn text(status: u16, text: &str) -> Reply {
        let body = format!("{}\n", text.trim_end()).into_bytes();
        Reply { status, headers: vec![("content-type", "text/plain; charset=utf-8")], body }
    }

    /// One header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &'static str) -> Reply {
        self.headers.push((name, value));
        self
    }

    /// What answers a body that could not be read; `bound` names its bound, for people.
    pub fn unread(error: BodyError, bound: &str) -> Reply {
        match error {
            BodyError::TooLong => Reply::text(413, &format!("the body is longer than {bound}")),
            BodyError::Late => Reply::text(408, "the body did not arrive in time"),
            BodyError::Broken => Reply::text(400, "the body broke off"),
        }
    }
}
