//! Every decision about a request as HTTP sees it. Pure: whoever serves hands in head, body and store.
//!
//! | status | when |
//! |---|---|
//! | 200 | a JSON-RPC exchange, store errors included; `GET /` |
//! | 400 | the body is no JSON-RPC request of ours; it broke off |
//! | 401 | no accepted token |
//! | 403 | nobody is let in, or not from there |
//! | 404, 405, 415 | another path, method or content type |
//! | 408, 413 | a body too slow or longer than 8 MiB |

use secure_log::store::Store;
use secure_log_endpoint::BodyError;
use secure_log_endpoint::message::{Head, Reply};
use secure_log_rpc::http::CONTENT_TYPE;
use secure_log_rpc::{MAX_BODY, dispatch};

use crate::access::{Access, Refusal};

/// [`MAX_BODY`], for people.
const BOUND: &str = "8 MiB";
/// What `GET /` says. No secrets and nothing about the configuration.
const GREETING: &str = "secure-log-rpc-server: the endpoint of remote secure-log stores.\n\
    It answers POST / with JSON-RPC 2.0 for secure-log-store-remote, not for browsers.\n";

/// The reply to a request. `read` is called, and `store` touched, only for a request that is let in.
pub fn reply(
    head: &Head<'_>,
    access: &Access,
    read: impl FnOnce() -> Result<Vec<u8>, BodyError>,
    store: &mut impl Store,
) -> Reply {
    if let Err(refusal) = admit(head, access) {
        return refusal;
    }
    let body = match read() {
        Ok(body) => body,
        Err(error) => return Reply::unread(error, BOUND),
    };
    let answer = dispatch(store, &body);
    let status = if answer.understood { 200 } else { 400 };
    let reply = Reply { status, headers: vec![("content-type", CONTENT_TYPE)], body: answer.body };
    match access {
        Access::Demo => reply.with("secure-log-demo", "no token is configured; do not expose this endpoint"),
        _ => reply,
    }
}

/// `Err`: the reply that needs neither body nor store.
fn admit(head: &Head<'_>, access: &Access) -> Result<(), Reply> {
    if head.path != "/" {
        return Err(Reply::text(404, "only / is served"));
    }
    match head.method {
        "POST" => {}
        "GET" => return Err(Reply::text(200, GREETING)),
        "HEAD" => return Err(Reply { body: Vec::new(), ..Reply::text(200, "") }),
        _ => return Err(Reply::text(405, "only POST is answered").with("allow", "POST, GET, HEAD")),
    }
    let host = head.values("host");
    // A host that is not text is no loopback name.
    let named = host.iter().map(|value| std::str::from_utf8(value).unwrap_or(""));
    let authorities: Vec<&str> = head.authority.into_iter().chain(named).collect();
    let browser = !head.values("origin").is_empty();
    match access.check(&authorities, &head.values("authorization"), browser) {
        Ok(()) => {}
        Err(Refusal::Token) => {
            let refusal = Reply::text(401, "this endpoint asks for a bearer token that it knows");
            return Err(refusal.with("www-authenticate", "Bearer"));
        }
        Err(Refusal::Forbidden(why)) => return Err(Reply::text(403, &why)),
    }
    if !is_json(&head.values("content-type")) || !head.values("content-encoding").is_empty() {
        return Err(Reply::text(415, "the body must be application/json, not compressed"));
    }
    match head.announces_more_than(MAX_BODY) {
        true => Err(Reply::unread(BodyError::TooLong, BOUND)),
        false => Ok(()),
    }
}

/// Exactly one content type: JSON, and UTF-8 if it says which charset.
fn is_json(values: &[&[u8]]) -> bool {
    let [value] = values else { return false };
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (media, parameter) = text.split_once(';').unwrap_or((text, ""));
    let parameter = parameter.trim();
    media.trim().eq_ignore_ascii_case(CONTENT_TYPE)
        && (parameter.is_empty() || parameter.eq_ignore_ascii_case("charset=utf-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use secure_log::store::{MemStore, Row, RowKind, Want};
    use secure_log::types::StreamId;
    use secure_log_rpc::request;

    fn tokens() -> Access {
        // `printf %s secret | sha256sum`
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        Access::new(Some(Ok(hash.into())), None)
    }

    fn closed() -> Access {
        Access::new(None, None)
    }

    fn demo() -> Access {
        Access::new(None, Some("1"))
    }

    fn store() -> MemStore {
        let mut store = MemStore::new();
        store.init(":memory:").unwrap();
        let stream_id = StreamId::try_from("a").unwrap();
        let row = Row { kind: RowKind::Entry, stream_id, index: 0, body: vec![1], payload: Some(vec![2]) };
        store.append(&[row], Want::Synced).unwrap();
        store
    }

    fn headers(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn post(list: &[(&str, &str)], access: &Access, body: &str, store: &mut MemStore) -> Reply {
        let headers = headers(list);
        let head = Head { method: "POST", path: "/", authority: Some("127.0.0.1:8787"), headers: &headers };
        reply(&head, access, || Ok(body.as_bytes().to_vec()), store)
    }

    /// The reply to a head that must be refused: reading the body or touching the store would panic.
    fn refused(head: &Head<'_>, access: &Access) -> Reply {
        let mut untouchable = MemStore::new();
        let reply = reply(head, access, || panic!("the body was read"), &mut untouchable);
        assert_eq!(format!("{untouchable:?}"), format!("{:?}", MemStore::new()));
        reply
    }

    fn calls() -> Vec<String> {
        let row = r#"{"kind":"entry","stream-id":"a","index":1,"body":"AQ==","payload":null}"#;
        [
            ("init", r#"["secure-log-rpc/1"]"#.to_owned()),
            ("append", format!(r#"[[{row}],"synced"]"#)),
            ("get", r#"["entry","a",0]"#.into()),
            ("last", r#"["entry","a"]"#.into()),
            ("scan", r#"["entry","a",0,10,true]"#.into()),
            ("streams", "[null,10]".into()),
            ("erase", r#"["entry","a",0]"#.into()),
        ]
        .iter()
        .map(|(method, params)| request(1, method, params))
        .collect()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn each_method_needs_an_accepted_token() {
        for body in calls() {
            let untouched = format!("{:?}", store());
            for (list, status) in [
                (vec![JSON], 401),
                (vec![JSON, ("authorization", "Bearer wrong")], 401),
                (vec![JSON, ("authorization", "Basic secret")], 401),
                (vec![JSON, ("authorization", "Bearer secret"), ("Authorization", "Bearer secret")], 401),
                (vec![JSON, ("proxy-authorization", "Bearer secret")], 401),
            ] {
                let mut store = store();
                let refusal = post(&list, &tokens(), &body, &mut store);
                assert_eq!(refusal.status, status, "{list:?}");
                assert!(refusal.headers.contains(&("www-authenticate", "Bearer")));
                assert_eq!(format!("{store:?}"), untouched);
            }
            let accepted = post(&[JSON, ("Authorization", "Bearer secret")], &tokens(), &body, &mut store());
            assert_eq!(accepted.status, 200);
            assert!(String::from_utf8(accepted.body).unwrap().contains(r#""result":"#), "{body}");
        }
    }

    #[test]
    fn without_tokens_each_method_is_refused_and_told_how_to_configure() {
        for body in calls() {
            for list in [vec![JSON], vec![JSON, ("authorization", "Bearer secret")]] {
                let mut untouched = store();
                let refusal = post(&list, &closed(), &body, &mut untouched);
                assert_eq!(refusal.status, 403);
                let text = String::from_utf8(refusal.body).unwrap();
                assert!(text.contains("SECURE_LOG_RPC_TOKENS") && text.contains("SECURE_LOG_RPC_DEMO"), "{text}");
                assert_eq!(format!("{untouched:?}"), format!("{:?}", store()));
            }
        }
    }

    #[test]
    fn the_demo_says_so_and_hears_only_this_machine() {
        for body in calls() {
            let accepted = post(&[JSON, ("host", "localhost:8787")], &demo(), &body, &mut store());
            assert_eq!(accepted.status, 200);
            assert!(accepted.headers.iter().any(|(name, _)| *name == "secure-log-demo"));
            assert_eq!(post(&[JSON, ("host", "evil.example")], &demo(), &body, &mut store()).status, 403);
            assert_eq!(post(&[JSON, ("origin", "http://localhost")], &demo(), &body, &mut store()).status, 403);
        }
        let headers = headers(&[JSON]);
        for authority in [None, Some("evil.example:8787"), Some("10.0.0.1")] {
            let head = Head { method: "POST", path: "/", authority, headers: &headers };
            assert_eq!(refused(&head, &demo()).status, 403, "{authority:?}");
        }
    }

    #[test]
    fn other_paths_methods_and_types_are_refused_before_the_body_is_read() {
        let good = headers(&[JSON, ("authorization", "Bearer secret")]);
        let head = Head { method: "POST", path: "/", authority: None, headers: &good };
        for path in ["", "//", "/x", "/?x", "/..", "/%2e", "/healthz", "*"] {
            assert_eq!(refused(&Head { path, ..head.clone() }, &tokens()).status, 404, "{path}");
        }
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "post", "POST "] {
            let refusal = refused(&Head { method, ..head.clone() }, &tokens());
            assert_eq!(refusal.status, 405, "{method}");
            assert!(refusal.headers.iter().any(|(name, _)| *name == "allow"));
        }
        for types in [
            vec![],
            vec!["text/plain"],
            vec!["application/x-www-form-urlencoded"],
            vec!["application/json-rpc"],
            vec!["application/json; charset=latin-1"],
            vec!["application/json", "application/json"],
            vec!["application/json, text/plain"],
        ] {
            let mut list = vec![("authorization", "Bearer secret")];
            list.extend(types.iter().map(|kind| ("content-type", *kind)));
            let headers = headers(&list);
            assert_eq!(refused(&Head { headers: &headers, ..head.clone() }, &tokens()).status, 415, "{types:?}");
        }
        let packed = headers(&[JSON, ("authorization", "Bearer secret"), ("content-encoding", "gzip")]);
        assert_eq!(refused(&Head { headers: &packed, ..head.clone() }, &tokens()).status, 415);
        let long = headers(&[JSON, ("authorization", "Bearer secret"), ("content-length", "8388609")]);
        assert_eq!(refused(&Head { headers: &long, ..head.clone() }, &tokens()).status, 413);
    }

    #[test]
    fn json_may_name_its_charset() {
        for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"] {
            let list = [("content-type", kind), ("authorization", "Bearer secret")];
            assert_eq!(post(&list, &tokens(), &calls()[0], &mut store()).status, 200, "{kind}");
        }
    }

    #[test]
    fn anyone_may_ask_what_this_is_and_learns_no_more() {
        for access in [tokens(), demo(), closed()] {
            for (method, length) in [("GET", GREETING.len()), ("HEAD", 0)] {
                let head = Head { method, path: "/", authority: Some("evil.example"), headers: &[] };
                let greeting = refused(&head, &access);
                assert_eq!((greeting.status, greeting.body.len()), (200, length));
            }
        }
    }

    #[test]
    fn bodies_that_cannot_be_read_have_their_statuses() {
        let list = [JSON, ("authorization", "Bearer secret")];
        for body in ["", "{", "[]", r#"{"jsonrpc":"2.0"}"#] {
            let reply = post(&list, &tokens(), body, &mut store());
            assert_eq!(reply.status, 400, "{body}");
            assert!(String::from_utf8(reply.body).unwrap().contains(r#""error":"#));
        }
        let unknown = post(&list, &tokens(), &request(1, "drop", "[]"), &mut store());
        assert_eq!(unknown.status, 200);
        let headers = headers(&list);
        let head = Head { method: "POST", path: "/", authority: None, headers: &headers };
        for (error, status) in [(BodyError::TooLong, 413), (BodyError::Late, 408), (BodyError::Broken, 400)] {
            assert_eq!(reply(&head, &tokens(), || Err(error), &mut store()).status, status);
        }
    }
}
