//! A server that answers what it likes. The client takes nothing that contradicts the question, says so with
//! the right error, and never panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Network, row, stream};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_rpc::{RemoteStore, Transport, TransportError};

/// Honest in `init`, and says `reply` to everything else.
struct Evil(String);

impl Transport for Evil {
    fn rpc(&mut self, method: &str, _: &str) -> Result<String, TransportError> {
        match method {
            "init" => Ok(r#"{"jsonrpc":"2.0","id":1,"result":"secure-log-rpc/1"}"#.into()),
            _ => Ok(self.0.clone()),
        }
    }
}

fn against(reply: impl Into<String>) -> RemoteStore<Evil> {
    let mut store = RemoteStore::new(Evil(reply.into()), |_| ());
    store.init("any").unwrap();
    store
}

fn with_result(result: &str) -> RemoteStore<Evil> {
    against(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
}

fn wire(kind: &str, stream: &str, index: u64, body: &str, payload: &str) -> String {
    format!(r#"{{"kind":"{kind}","stream-id":"{stream}","index":{index},"body":"{body}","payload":{payload}}}"#)
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(why)) if why.len() < 1000)
}

fn is_corrupt<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Corrupt(_)))
}

#[test]
fn what_is_no_answer_of_ours_is_unavailable() {
    let row = wire("entry", "a", 0, "AA==", "null");
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":null{}}}"#, " ".repeat(8 * 1024 * 1024));
    let texts = [
        "".to_owned(),
        "null".into(),
        "<html>captive portal</html>".into(),
        "[]".into(),
        "{}".into(),
        r#"{"jsonrpc":"2.0","id":1}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null} "x""#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null"#.into(),
        r#"{"jsonrpc":"1.0","id":1,"result":null}"#.into(),
        r#"{"jsonrpc":2.0,"id":1,"result":null}"#.into(),
        r#"{"id":1,"result":null}"#.into(),
        r#"{"jsonrpc":"2.0","result":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":null,"result":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":"1","result":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"id":1,"result":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"result":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"more":1}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":-32001,"message":"","data":{"case":"conflict"}}}"#
            .into(),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":null}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"conflict"}}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":{"case":"conflict"}}}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"x","data":{"case":"conflict","more":1}}}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"error":[-32001,"x",{"case":"conflict"}]}"#.into(),
        r#"["2.0",1,null]"#.into(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32602,"message":"{}"}}}}"#, "x".repeat(9999)),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{row}]}}"#),
        r#"{"jsonrpc":"2.0","id":1,"result":false}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"entry"}}"#.into(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("AA==", "AA=")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("AA==", "AB==")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("entry", "entries")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("\"a\"", "\"../a\"")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("\"index\":0", "\"index\":0.0")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("\"index\":0", "\"index\":0,\"index\":0")),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, row.replace("AA==", &"AAAA".repeat(30_000))),
        deep,
        long,
    ];
    assert!(texts.len() >= 30);
    for text in texts {
        let shown: String = text.chars().take(120).collect();
        let answer = against(&*text).get(RowKind::Entry, &stream("a"), 0);
        assert!(is_unavailable(&answer), "{shown}: {answer:?}");
        assert!(against(text).append(&[row_zero()], Want::Synced).is_err(), "{shown}");
    }
}

fn row_zero() -> Row {
    row(RowKind::Entry, 0, Some(b"payload"))
}

#[test]
fn a_row_of_another_place_is_corrupt() {
    let good = wire("entry", "a", 5, "AA==", r#""AQ==""#);
    assert!(with_result(&good).get(RowKind::Entry, &stream("a"), 5).unwrap().is_some());
    for (kind, id, index) in [("node1", "a", 5), ("entry", "b", 5), ("entry", "a", 4), ("entry", "A", 5)] {
        let lie = wire(kind, id, index, "AA==", "null");
        assert!(is_corrupt(&with_result(&lie).get(RowKind::Entry, &stream("a"), 5)), "{lie}");
        if index == 5 {
            assert!(is_corrupt(&with_result(&lie).last(RowKind::Entry, &stream("a"))), "{lie}");
        }
    }
}

#[test]
fn a_page_is_dense_from_where_it_was_asked_for_and_holds_nothing_more() {
    let at = |index| wire("entry", "a", index, "AA==", "null");
    let page = |rows: &[String]| format!("[{}]", rows.join(","));
    let scan = |result: &str, with_payload| with_result(result).scan(RowKind::Entry, &stream("a"), 3, 3, with_payload);
    assert_eq!(scan(&page(&[at(3), at(4), at(5)]), true).unwrap().len(), 3);
    assert_eq!(scan("[]", true), Ok(Vec::new()));
    let half = format!(r#""{}""#, "A".repeat(800_000));
    for lie in [
        page(&[at(3), at(4), at(5), at(6)]),
        page(&[at(2), at(3)]),
        page(&[at(4)]),
        page(&[at(3), at(5)]),
        page(&[at(3), at(3)]),
        page(&[at(4), at(3)]),
        page(&[at(3), wire("entry", "b", 4, "AA==", "null")]),
        page(&[at(3), wire("key", "a", 4, "AA==", "null")]),
        page(&[wire("entry", "a", 3, "AA==", &half), wire("entry", "a", 4, "AA==", &half)]),
    ] {
        assert!(is_corrupt(&scan(&lie, true)));
    }
    let unasked = page(&[wire("entry", "a", 3, "AA==", r#""""#)]);
    assert!(scan(&unasked, true).is_ok());
    assert!(is_corrupt(&scan(&unasked, false)));
    let end = wire("entry", "a", u64::MAX, "AA==", "null");
    let wrapped = page(&[end, at(0)]);
    assert!(is_corrupt(&with_result(&wrapped).scan(RowKind::Entry, &stream("a"), u64::MAX, 3, true)));
}

#[test]
fn stream_ids_come_in_order_after_the_one_given() {
    let streams = |result: &str| with_result(result).streams(Some(&stream("b")), 2);
    assert_eq!(streams(r#"["c","d"]"#).unwrap().len(), 2);
    for lie in [r#"["c","d","e"]"#, r#"["b"]"#, r#"["a"]"#, r#"["d","c"]"#, r#"["c","c"]"#] {
        assert!(is_corrupt(&streams(lie)), "{lie}");
    }
    for lie in [r#"["c","../d"]"#, r#"[""]"#, r#"[1]"#, "null", r#""c""#] {
        assert!(is_unavailable(&streams(lie)), "{lie}");
    }
}

#[test]
fn another_protocol_is_no_endpoint() {
    struct Other(&'static str);
    impl Transport for Other {
        fn rpc(&mut self, _: &str, _: &str) -> Result<String, TransportError> {
            Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, self.0))
        }
    }
    for result in [r#""secure-log-rpc/2""#, "null", r#""""#, r#"["secure-log-rpc/1"]"#] {
        let mut store = RemoteStore::new(Other(result), |_| ());
        assert!(is_unavailable(&store.init("any")), "{result}");
        assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
    }
}

/// Answers an append with nonsense, and reads with lies about it.
#[test]
fn a_server_that_lies_about_a_doubtful_append_gets_no_success() {
    struct Doubtful(Network, &'static str);
    impl Transport for Doubtful {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            match method {
                "append" => Err(TransportError::Lost("lost".into())),
                "scan" => Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, self.1)),
                _ => self.0.rpc(method, params),
            }
        }
    }
    let two = [row(RowKind::Entry, 0, None), row(RowKind::Entry, 1, None)];
    let first = wire("entry", "a/b", 0, "ZW50cnkgMA==", "null");
    let other = wire("entry", "a/b", 0, "AA==", "null");
    let added = wire("entry", "a/b", 0, "ZW50cnkgMA==", r#""""#);
    for (lie, expected) in [
        (format!("[{other}]"), StoreError::Conflict),
        (format!("[{added}]"), StoreError::Conflict),
        ("[]".into(), StoreError::Unavailable(String::new())),
        ("null".into(), StoreError::Unavailable(String::new())),
        (format!("[{}]", first.replace("\"index\":0", "\"index\":1")), StoreError::Corrupt(String::new())),
    ] {
        let mut store = RemoteStore::new(Doubtful(Network::new(), lie.clone().leak()), |_| ());
        store.init("any").unwrap();
        let answer = store.append(&two, Want::Synced).unwrap_err();
        assert_eq!(std::mem::discriminant(&answer), std::mem::discriminant(&expected), "{lie}: {answer:?}");
    }
}

#[test]
fn text_of_the_server_is_escaped_and_cut() {
    let evil = format!(r"\u001b[2J{}", "x".repeat(2000));
    let reply = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32005,"message":"","data":{{"case":"io","text":"{evil}"}}}}}}"#
    );
    match against(reply).last(RowKind::Entry, &stream("a")) {
        Err(StoreError::Io(why)) => assert!(why.len() < 300 && !why.contains('\u{1b}'), "{why}"),
        other => panic!("{other:?}"),
    }
}
