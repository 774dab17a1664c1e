//! A client that sends what it likes. The server half never panics, answers every body with one well-formed
//! response, and changes nothing unless the request was valid to the last byte.
#![allow(clippy::unwrap_used)]

mod common;

use common::row;
use secure_log::store::{MemStore, RowKind, Store, Want};
use secure_log_rpc::{dispatch, request};

fn server() -> MemStore {
    let mut store = MemStore::new();
    store.init(":memory:").unwrap();
    store.append(&[row(RowKind::Entry, 0, Some(b"kept")), row(RowKind::Node1, 0, None)], Want::Synced).unwrap();
    store
}

fn ask(store: &mut MemStore, body: &[u8]) -> serde_json::Value {
    let answer = dispatch(store, body);
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(value["jsonrpc"], "2.0");
    assert!(value.get("result").is_some() != value.get("error").is_some(), "{value}");
    assert_eq!(answer.understood, !matches!(value["error"]["code"].as_i64(), Some(-32700 | -32600)));
    value
}

fn code(store: &mut MemStore, body: impl AsRef<[u8]>) -> i64 {
    ask(store, body.as_ref())["error"]["code"].as_i64().unwrap_or(0)
}

fn valid_requests() -> Vec<String> {
    let row = r#"{"kind":"entry","stream-id":"a/b","index":1,"body":"AAEC","payload":"/+8="}"#;
    let bare = r#"{"kind":"segment","stream-id":"a/b","index":0,"body":"","payload":null}"#;
    [
        ("init", r#"["secure-log-rpc/1"]"#.to_owned()),
        ("append", format!(r#"[[{row},{bare}],"synced"]"#)),
        ("append", r#"[[],"written"]"#.into()),
        ("get", r#"["entry","a/b",0]"#.into()),
        ("last", r#"["entry","a/b"]"#.into()),
        ("scan", r#"["entry","a/b",0,10,true]"#.into()),
        ("streams", r#"["a",10]"#.into()),
        ("streams", "[null,10]".into()),
        ("erase", r#"["entry","a/b",0]"#.into()),
    ]
    .iter()
    .map(|(method, params)| request(7, method, params))
    .collect()
}

#[test]
fn every_valid_request_is_answered_with_its_result() {
    for body in valid_requests() {
        let answer = ask(&mut server(), body.as_bytes());
        assert!(answer.get("result").is_some(), "{body}: {answer}");
        assert_eq!(answer["id"], 7);
    }
}

#[test]
fn no_flipped_inserted_removed_or_missing_byte_changes_the_store_without_being_valid() {
    for body in valid_requests() {
        let untouched = format!("{:?}", server());
        let check = |changed: &[u8]| {
            let mut store = server();
            let answer = ask(&mut store, changed);
            if answer.get("error").is_some() {
                assert_eq!(format!("{store:?}"), untouched, "{}", String::from_utf8_lossy(changed));
            }
        };
        let bytes = body.as_bytes();
        for at in 0..bytes.len() {
            check(&bytes[..at]);
            check(&[&bytes[..at], &bytes[at + 1..]].concat());
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                check(&flipped);
            }
            for extra in *b"\0\"\\{[0,}] \xff" {
                check(&[&bytes[..at], &[extra], &bytes[at..]].concat());
            }
        }
    }
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    for body in ["", " ", "{", r#"{"jsonrpc":"2.0","id":1,"method":"#, "nul", "\u{feff}{}", r#"{"a":1}x"#] {
        assert!(matches!(code(&mut server(), body), -32700 | -32600), "{body:?}");
    }
    assert_eq!(code(&mut server(), b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\",\"params\":[]}"), -32700);
    assert_eq!(code(&mut server(), ""), -32700);
}

#[test]
fn json_that_is_no_request_of_ours_is_an_invalid_request() {
    let good = request(7, "last", r#"["entry","a/b"]"#);
    for (part, evil) in [
        (r#""2.0""#, r#""1.0""#),
        (r#""2.0""#, "2.0"),
        (r#""jsonrpc":"2.0","#, ""),
        (r#""id":7,"#, ""),
        (r#""id":7"#, r#""id":null"#),
        (r#""id":7"#, r#""id":7.5"#),
        (r#""id":7"#, r#""id":-1"#),
        (r#""id":7"#, r#""id":[7]"#),
        (r#""id":7"#, r#""id":{}"#),
        (r#""id":7"#, r#""id":7,"id":7"#),
        (r#""id":7"#, r#""id":7,"more":0"#),
        (r#""method":"last","#, ""),
        (r#""method":"last""#, r#""method":1"#),
        (r#""method":"last""#, r#""method":"last","method":"erase""#),
        (r#","params":["entry","a/b"]"#, ""),
    ] {
        let changed = good.replacen(part, evil, 1);
        assert_ne!(changed, good);
        assert_eq!(code(&mut server(), &changed), -32600, "{changed}");
    }
    assert_eq!(code(&mut server(), format!("[{good}]")), -32600);
    assert_eq!(code(&mut server(), good.replace('7', &format!("\"{}\"", "x".repeat(65)))), -32600);
    assert_eq!(code(&mut server(), r#"["2.0",7,"last",["entry","a/b"]]"#), -32600);
    let text = ask(&mut server(), good.replace('7', r#""a\"b""#).as_bytes());
    assert_eq!(text["id"], "a\"b");
}

#[test]
fn other_methods_do_not_exist() {
    for method in ["", "Init", "open", "delete", "update", "rpc.discover", "append\\u0000"] {
        assert_eq!(code(&mut server(), request(1, method, "[]")), -32601, "{method}");
    }
}

#[test]
fn arguments_of_another_shape_are_invalid_params() {
    for (method, params) in [
        ("init", "[]"),
        ("init", r#"[":memory:"]"#),
        ("init", r#"["/etc/passwd"]"#),
        ("init", r#"["secure-log-rpc/2"]"#),
        ("init", r#"{"config":"secure-log-rpc/1"}"#),
        ("append", r#"[[]]"#),
        ("append", r#"[[],"later"]"#),
        ("append", r#"[[],"synced",1]"#),
        ("append", r#"[null,"synced"]"#),
        ("append", r#"[[["entry","a",0,"",null]],"synced"]"#),
        ("get", r#"["entry","a/b"]"#),
        ("get", r#"["entry","a/b",-1]"#),
        ("get", r#"["entry","a/b",1.0]"#),
        ("get", r#"["entry","a/b",18446744073709551616]"#),
        ("get", r#"["entry","a/../b",0]"#),
        ("get", r#"["Entry","a/b",0]"#),
        ("last", r#"["entry","a/b",null]"#),
        ("last", r#""entry""#),
        ("scan", r#"["entry","a/b",0,4294967296,true]"#),
        ("scan", r#"["entry","a/b",0,1,1]"#),
        ("streams", r#"["",1]"#),
        ("streams", "[1]"),
        ("streams", "null"),
        ("erase", r#"["entry","a/b",null]"#),
    ] {
        assert_eq!(code(&mut server(), request(1, method, params)), -32602, "{method} {params}");
    }
}

#[test]
fn long_deep_and_wide_bodies_are_refused_in_bounded_memory() {
    let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(matches!(code(&mut server(), &deep), -32700 | -32600));
    assert!(matches!(code(&mut server(), request(1, "append", &deep)), -32700 | -32600 | -32602));
    let long = request(1, "streams", &format!("[null,1{}]", " ".repeat(8 * 1024 * 1024)));
    assert_eq!(code(&mut server(), &long), -32600);
    let row = r#"{"kind":"entry","stream-id":"a","index":0,"body":"","payload":null},"#;
    let wide = format!("[[{}],\"synced\"]", row.repeat(100_000).trim_end_matches(','));
    assert_eq!(code(&mut server(), request(1, "append", &wide)), -32602);
    let name = format!(r#"{{"{}":1}}"#, "n".repeat(1_000_000));
    let answer = dispatch(&mut server(), name.as_bytes());
    assert!(answer.body.len() < 1000);
}
