//! Both halves joined over a network that loses, doubles and delays. The remote store is a store like any
//! other, and whatever happens on the way an entry is neither lost nor doubled.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FAULTS, Fault, Network, row, stream};
use secure_log::contract::store::{Harness, run};
use secure_log::store::{MAX_BATCH_BYTES, MAX_BATCH_ROWS, MemStore, Row, RowKind, Store, StoreError, Want};
use secure_log::types::{MAX_ENTRY, StreamId};
use secure_log_rpc::{MAX_BODY, RemoteStore, Transport, TransportError, dispatch, request};

struct Joined(Network);

impl Harness for Joined {
    type Store = RemoteStore<Network>;
    fn fresh(&mut self) -> String {
        self.0 = Network::new();
        "the server owns its storage".into()
    }
    fn instance(&mut self) -> Self::Store {
        self.0.store()
    }
    fn durable(&self) -> bool {
        true
    }
    fn shared(&self) -> bool {
        true
    }
}

#[test]
fn a_remote_store_keeps_the_contract() {
    run(&mut Joined(Network::new()));
}

/// A caller as the core is one: after an error that leaves the outcome open it reads the tail and goes on
/// from there, always with the identical rows.
fn append_for_certain(store: &mut impl Store, batch: &[Row]) {
    for _ in 0..20 {
        match store.append(batch, Want::Synced) {
            Ok(()) => return,
            Err(StoreError::Unavailable(_) | StoreError::Conflict) => {
                let at = &batch[0];
                if matches!(store.get(at.kind, &at.stream_id, at.index), Ok(Some(kept)) if kept == *at) {
                    return;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no end");
}

fn batches() -> [Vec<Row>; 3] {
    [
        vec![row(RowKind::Entry, 0, Some(b"zero"))],
        vec![row(RowKind::Entry, 1, None), row(RowKind::Node1, 0, None), row(RowKind::Entry, 2, Some(b""))],
        vec![row(RowKind::Entry, 3, Some(b"three"))],
    ]
}

#[test]
fn no_course_of_faults_loses_or_doubles_an_entry() {
    let wanted: Vec<Row> = batches().concat();
    let courses = FAULTS.len().pow(5);
    for course in 0..courses {
        let network = Network::new();
        let mut store = network.open_store();
        let faults = (0..5).map(|place| FAULTS[course / FAULTS.len().pow(place) % FAULTS.len()]);
        network.faults.borrow_mut().extend(faults.clone());
        for batch in batches() {
            append_for_certain(&mut store, &batch);
        }
        network.faults.borrow_mut().clear();
        network.drain();
        let mut stored = network.server.borrow_mut().rows_mut(RowKind::Entry, &stream("a/b")).clone();
        stored.extend(network.server.borrow_mut().rows_mut(RowKind::Node1, &stream("a/b")).clone());
        assert_eq!(stored.len(), wanted.len(), "{:?}", faults.collect::<Vec<_>>());
        assert!(wanted.iter().all(|row| stored.contains(row)));
    }
}

#[test]
fn an_append_that_happened_is_a_success_and_one_that_did_not_is_sent_again() {
    for fault in FAULTS {
        let network = Network::new();
        let mut store = network.open_store();
        network.faults.borrow_mut().push_back(fault);
        assert_eq!(store.append(&batches()[0], Want::Synced), Ok(()), "{fault:?}");
        network.drain();
        assert_eq!(*network.server.borrow_mut().rows_mut(RowKind::Entry, &stream("a/b")), batches()[0]);
    }
}

#[test]
fn a_lost_race_behind_a_lost_answer_is_a_conflict() {
    for fault in [Fault::RequestLost, Fault::Late] {
        let network = Network::new();
        let mut store = network.open_store();
        let theirs = Row { body: b"theirs".to_vec(), ..row(RowKind::Entry, 0, Some(b"zero")) };
        network.server.borrow_mut().append(&[theirs], Want::Synced).unwrap();
        network.faults.borrow_mut().push_back(fault);
        assert_eq!(store.append(&batches()[0], Want::Synced), Err(StoreError::Conflict));
    }
}

#[test]
fn the_same_rows_twice_are_a_conflict_as_with_any_store() {
    let network = Network::new();
    let mut store = network.open_store();
    store.append(&batches()[0], Want::Synced).unwrap();
    assert_eq!(store.append(&batches()[0], Want::Synced), Err(StoreError::Conflict));
}

#[test]
fn a_dead_network_is_unavailable_after_a_bounded_number_of_calls() {
    for fault in [Fault::NotSent, Fault::RequestLost] {
        let network = Network::new();
        let mut store = network.open_store();
        network.faults.borrow_mut().extend([fault; 100]);
        let before = network.calls.get();
        assert!(matches!(store.append(&batches()[0], Want::Synced), Err(StoreError::Unavailable(_))));
        assert!(matches!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::Unavailable(_))));
        assert!(matches!(store.erase(RowKind::Entry, &stream("a"), 0), Err(StoreError::Unavailable(_))));
        assert!(network.calls.get() - before <= 13);
    }
}

#[test]
fn every_call_is_one_exchange_when_nothing_goes_wrong() {
    let network = Network::new();
    let mut store = network.open_store();
    let before = network.calls.get();
    store.append(&batches().concat()[..2], Want::Synced).unwrap();
    store.scan(RowKind::Entry, &stream("a/b"), 0, 100, true).unwrap();
    store.get(RowKind::Entry, &stream("a/b"), 0).unwrap();
    store.last(RowKind::Entry, &stream("a/b")).unwrap();
    store.streams(None, 10).unwrap();
    store.erase(RowKind::Entry, &stream("a/b"), 0).unwrap();
    assert_eq!(network.calls.get() - before, 6);
}

#[test]
fn a_payload_erased_meanwhile_does_not_make_an_append_another_ones() {
    struct ErasedBehind(Network, bool);
    impl Transport for ErasedBehind {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            let answer = self.0.rpc(method, params)?;
            if method == "append" && !std::mem::replace(&mut self.1, true) {
                self.0.server.borrow_mut().erase(RowKind::Entry, &stream("a/b"), 0).unwrap();
                return Err(TransportError::Lost("lost".into()));
            }
            Ok(answer)
        }
    }
    let mut store = RemoteStore::new(ErasedBehind(Network::new(), false), |_| ());
    store.init("any").unwrap();
    assert_eq!(store.append(&batches()[0], Want::Synced), Ok(()));
}

/// Replays of one request, by whoever recorded it, change nothing.
#[test]
fn a_request_sent_a_hundred_times_is_carried_out_once() {
    let network = Network::new();
    network.open_store().append(&batches()[0], Want::Synced).unwrap();
    let mut params = Vec::new();
    struct Recorder<'a>(&'a mut Vec<String>);
    impl Transport for Recorder<'_> {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            self.0.push(request(1, method, params));
            let result = if method == "init" { r#""secure-log-rpc/1""# } else { "null" };
            Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
        }
    }
    let mut recording = RemoteStore::new(Recorder(&mut params), |_| ());
    recording.init("any").unwrap();
    recording.append(&batches()[1], Want::Synced).unwrap();
    for _ in 0..100 {
        dispatch(&mut *network.server.borrow_mut(), params[1].as_bytes());
    }
    assert_eq!(network.server.borrow_mut().rows_mut(RowKind::Entry, &stream("a/b")).len(), 3);
}

#[test]
fn a_failed_medium_stays_failed_until_init() {
    struct Broken;
    impl Transport for Broken {
        fn rpc(&mut self, method: &str, _: &str) -> Result<String, TransportError> {
            Ok(match method {
                "init" => r#"{"jsonrpc":"2.0","id":1,"result":"secure-log-rpc/1"}"#.into(),
                "append" => {
                    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"","data":{"case":"io","text":"EIO"}}}"#
                        .into()
                }
                _ => r#"{"jsonrpc":"2.0","id":1,"result":null}"#.into(),
            })
        }
    }
    let mut store = RemoteStore::new(Broken, |_| ());
    store.init("any").unwrap();
    assert_eq!(store.append(&batches()[0], Want::Synced), Err(StoreError::Io("EIO".into())));
    assert!(matches!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::Io(_))));
    store.init("any").unwrap();
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Ok(None));
}

#[test]
fn the_config_of_the_client_never_leaves_it() {
    struct Listening;
    impl Transport for Listening {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            assert_eq!((method, params), ("init", r#"["secure-log-rpc/1"]"#));
            Ok(r#"{"jsonrpc":"2.0","id":1,"result":"secure-log-rpc/1"}"#.into())
        }
    }
    for config in [":memory:", "/etc/passwd", "\"]"] {
        assert_eq!(RemoteStore::new(Listening, |_| ()).init(config), Ok(()));
    }
}

#[test]
fn the_largest_batch_fits_a_body() {
    struct Measuring(usize);
    impl Transport for &mut Measuring {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            self.0 = request(u64::MAX, method, params).len();
            let result = if method == "init" { r#""secure-log-rpc/1""# } else { "null" };
            Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
        }
    }
    let mut measured = Measuring(0);
    let bytes = (MAX_BATCH_BYTES + MAX_ENTRY) / MAX_BATCH_ROWS;
    let longest = Row {
        kind: RowKind::Cosignature,
        stream_id: StreamId::try_from("x".repeat(StreamId::MAX_LEN).as_str()).unwrap(),
        index: u64::MAX,
        body: vec![255; bytes / 2],
        payload: Some(vec![255; bytes - bytes / 2]),
    };
    let mut store = RemoteStore::new(&mut measured, |_| ());
    store.init("any").unwrap();
    store.append(&vec![longest; MAX_BATCH_ROWS], Want::Synced).unwrap();
    drop(store);
    assert!(measured.0 > 7 * 1024 * 1024 && measured.0 < MAX_BODY, "{}", measured.0);
}

#[test]
fn a_page_of_tiny_rows_fits_a_body() {
    let network = Network::new();
    let id = stream(&"x".repeat(StreamId::MAX_LEN));
    for first in (0..40_000).step_by(8000) {
        let tiny = |index| Row { stream_id: id.clone(), body: Vec::new(), ..row(RowKind::Cosignature, index, None) };
        let rows: Vec<Row> = (first..first + 8000).map(tiny).collect();
        network.server.borrow_mut().append(&rows, Want::Synced).unwrap();
    }
    let page = network.open_store().scan(RowKind::Cosignature, &id, 0, u32::MAX, true).unwrap();
    assert!(page.len() == 8192);
    let asked = request(1, "scan", &format!(r#"["cosignature","{id}",0,{},true]"#, u32::MAX));
    assert!(dispatch(&mut *network.server.borrow_mut(), asked.as_bytes()).body.len() < MAX_BODY);
}

#[test]
fn nothing_is_asked_before_init() {
    let network = Network::new();
    let mut store = network.store();
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
    assert!(matches!(store.init(""), Err(StoreError::Invalid(_))));
    assert_eq!(network.calls.get(), 0);
    let mut closed = MemStore::new();
    let answer = dispatch(&mut closed, request(1, "init", r#"["secure-log-rpc/1"]"#).as_bytes());
    assert!(String::from_utf8_lossy(&answer.body).contains("not-initialised"));
}
