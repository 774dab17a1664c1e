//! What statuses and HTTP errors say about a request: not sent, lost, denied, or nothing to call. Pure.
//!
//! In doubt a request is `Lost`: the caller then reads back what became of it. The host is trusted to tell a
//! connection that never was from one that broke.

use secure_log_rpc::{TransportError, answers, plain};
use wasip2::http::types::ErrorCode;

/// Longest text of an endpoint that is repeated, in bytes.
pub const MAX_REASON: usize = 4096;

/// The response, if that is what came back for request `id`.
///
/// # Errors
/// By status; `Lost` for a 2xx that is no answer to this request, and for one that repeats the token.
pub fn of_answer(status: u16, body: Vec<u8>, id: u64, token: Option<&str>) -> Result<String, TransportError> {
    let lost = |why: &str| Err(TransportError::Lost(why.into()));
    let repeats = token.is_some_and(|token| memchr::memmem::find(&body, token.as_bytes()).is_some());
    if !(200..=299).contains(&status) {
        return Err(of_status(status, if repeats { b"(it repeats the token)" } else { &body }));
    }
    if repeats {
        return lost("the endpoint's answer repeats the token");
    }
    match String::from_utf8(body) {
        Ok(text) if answers(&text, id) => Ok(text),
        Ok(_) => lost("the endpoint answered another request, or is none of secure-log"),
        Err(_) => lost("the endpoint's answer is not UTF-8"),
    }
}

/// The error of a status other than 2xx. `reason` is the body if it was short and could be read.
fn of_status(status: u16, reason: &[u8]) -> TransportError {
    let reason = match std::str::from_utf8(reason) {
        Ok(text) if !text.trim().is_empty() => format!(": {}", plain(text.trim())),
        _ => String::new(),
    };
    match status {
        401 | 403 => TransportError::Denied(format!("the endpoint answered {status}{reason}")),
        300..=399 => TransportError::Invalid(format!(
            "SECURE_LOG_RPC_URL: the endpoint answered {status}, and redirects are not followed"
        )),
        // 408 and 429 may come from something in between, after the request went on.
        408 | 429 => TransportError::Lost(format!("the endpoint answered {status}{reason}")),
        400..=499 => TransportError::Invalid(format!("SECURE_LOG_RPC_URL: the endpoint answered {status}{reason}")),
        _ => TransportError::Lost(format!("the endpoint answered {status}{reason}")),
    }
}

/// The error of a request that got no response.
pub fn of_error(error: &ErrorCode) -> TransportError {
    use ErrorCode as E;
    let why = plain(&format!("{error:?}"));
    match error {
        // Name and connection come before the first byte of a request; so does the server's certificate.
        E::DnsTimeout
        | E::DnsError(_)
        | E::DestinationNotFound
        | E::DestinationUnavailable
        | E::DestinationIpUnroutable
        | E::ConnectionRefused
        | E::ConnectionTimeout
        | E::ConnectionLimitReached
        | E::TlsCertificateError => TransportError::NotSent(format!("no connection to the endpoint: {why}")),
        // The host refuses to carry it.
        E::DestinationIpProhibited
        | E::HttpRequestDenied
        | E::HttpRequestMethodInvalid
        | E::HttpRequestUriInvalid
        | E::HttpRequestUriTooLong
        | E::HttpRequestHeaderSectionSize(_)
        | E::HttpRequestHeaderSize(_) => TransportError::Invalid(format!("the host does not send this request: {why}")),
        _ => TransportError::Lost(format!("no answer from the endpoint: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_request_is_lost() {
        let body = |text: &str| text.as_bytes().to_vec();
        let good = r#"{"jsonrpc":"2.0","id":7,"result":null}"#;
        assert_eq!(of_answer(200, body(good), 7, Some("secret")), Ok(good.into()));
        for (status, text) in [(200, good.replace('7', "8")), (204, String::new()), (200, "<html>".into())] {
            assert!(matches!(of_answer(status, body(&text), 7, None), Err(TransportError::Lost(_))), "{text}");
        }
        assert!(matches!(of_answer(200, b"\xff".to_vec(), 7, None), Err(TransportError::Lost(_))));
    }

    #[test]
    fn no_error_and_no_answer_repeats_the_token() {
        let echo = |front: usize| format!("{}hunter2", "x".repeat(front)).into_bytes();
        for status in [200, 301, 401, 403, 404, 500] {
            for front in 0..300 {
                let error = of_answer(status, echo(front), 7, Some("hunter2"));
                assert!(!format!("{error:?}").contains("hunt"), "{error:?}");
            }
        }
        let echo = br#"{"jsonrpc":"2.0","id":7,"result":"hunter2"}"#.to_vec();
        assert!(matches!(of_answer(200, echo, 7, Some("hunter2")), Err(TransportError::Lost(_))));
    }

    #[test]
    fn only_what_came_before_the_connection_is_not_sent() {
        for error in [ErrorCode::ConnectionRefused, ErrorCode::DnsTimeout, ErrorCode::ConnectionTimeout] {
            assert!(matches!(of_error(&error), TransportError::NotSent(_)));
        }
        for error in [
            ErrorCode::ConnectionTerminated,
            ErrorCode::ConnectionReadTimeout,
            ErrorCode::ConnectionWriteTimeout,
            ErrorCode::HttpResponseTimeout,
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::HttpProtocolError,
            ErrorCode::TlsProtocolError,
            ErrorCode::InternalError(None),
        ] {
            assert!(matches!(of_error(&error), TransportError::Lost(_)), "{error:?}");
        }
        assert!(matches!(of_error(&ErrorCode::HttpRequestDenied), TransportError::Invalid(_)));
    }

    #[test]
    fn a_status_says_who_is_to_blame() {
        for status in [401, 403] {
            assert!(matches!(of_status(status, b""), TransportError::Denied(_)));
        }
        for status in [301, 302, 303, 307, 308, 400, 404, 405, 413, 415] {
            assert!(
                matches!(of_status(status, b""), TransportError::Invalid(why) if why.contains("SECURE_LOG_RPC_URL"))
            );
        }
        for status in [100, 101, 408, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(of_status(status, b""), TransportError::Lost(_)), "{status}");
        }
    }

    #[test]
    fn reasons_are_short_and_plain() {
        let shown = r"the endpoint answered 403: no \u{1b}[31mtoken";
        assert_eq!(of_status(403, b"no \x1b[31mtoken\r\n"), TransportError::Denied(shown.into()));
        assert!(matches!(of_status(500, &[b'x'; MAX_REASON]), TransportError::Lost(why) if why.len() < 400));
    }
}
