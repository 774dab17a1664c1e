#![allow(clippy::unwrap_used)]

use super::*;
use crate::signer::testing::TestKey;
use crate::types::{Name, Severity};

const ORIGIN: &str = "log.example.org/s";

fn key(algorithm: Algorithm) -> TestKey {
    TestKey::new(algorithm, 1)
}

fn event() -> NewEvent {
    NewEvent {
        event_type: Name::parse("t", "a").unwrap(),
        severity: Severity::Notice,
        producer: Name::parse("p", "till-7").unwrap(),
        payload: Some(b"x".to_vec()),
        encoding: None,
        salt: Some([9; 16]),
        idempotency_key: None,
        author: None,
    }
}

#[test]
fn a_signed_event_is_bound_to_origin_number_and_every_field() {
    for algorithm in Algorithm::ALL {
        let signed = sign(event(), ORIGIN, 5, &key(algorithm)).unwrap();
        let verdict = |origin: &str, change: &dyn Fn(&mut NewEvent)| {
            let mut new = signed.clone();
            change(&mut new);
            let stored = stored(&new, &[0; 16]);
            let logged = logged(&new, stored.map(|stored| payload::reference(None, &stored).unwrap()));
            check(origin, new.author.as_ref().unwrap(), &logged, Some(4)).is_ok()
        };
        assert!(verdict(ORIGIN, &|_| ()));
        assert!(!verdict("log.example.org/t", &|_| ()));
        let changes: [&dyn Fn(&mut NewEvent); 8] = [
            &|new| new.author.as_mut().unwrap().author_seq = 6,
            &|new| new.author.as_mut().unwrap().author_seq = 4,
            &|new| new.salt = Some([8; 16]),
            &|new| new.payload = Some(b"y".to_vec()),
            &|new| new.payload = None,
            &|new| new.severity = Severity::Alert,
            &|new| new.producer = Name::parse("p", "till-8").unwrap(),
            &|new| new.idempotency_key = Some(vec![1]),
        ];
        for (number, change) in changes.iter().enumerate() {
            assert!(!verdict(ORIGIN, change), "{algorithm:?} change {number}");
        }
    }
}

#[test]
fn what_could_not_be_appended_is_not_signed() {
    let till = key(Algorithm::Ed25519);
    assert!(matches!(sign(NewEvent { salt: None, ..event() }, ORIGIN, 1, &till), Err(LogError::Invalid(_))));
    assert!(matches!(sign(event(), ORIGIN, MAX_INT + 1, &till), Err(LogError::Invalid(_))));
    let large = NewEvent { payload: Some(vec![0; 1024 * 1024 + 1]), ..event() };
    assert!(matches!(sign(large, ORIGIN, 1, &till), Err(LogError::Invalid(_))));
    assert!(sign(NewEvent { payload: None, salt: None, ..event() }, ORIGIN, 1, &till).is_ok());
}

#[test]
fn a_demand_is_by_stream_and_the_star_is_for_those_that_no_line_names() {
    let [a, b, c] = Algorithm::ALL.map(|algorithm| VerifierKey::for_log("till", key(algorithm).public()).unwrap());
    let demand = Demand::parse(&format!("# tills\n\npay/1 {a}\n\tpay/1\t{b} \n* {c}\n")).unwrap();
    let keys = |stream: &str| demand.keys(&StreamId::try_from(stream).unwrap()).to_vec();
    assert_eq!((keys("pay/1"), keys("pay/2")), (vec![a, b], vec![c]));
    assert!(Demand::default().keys(&StreamId::try_from("pay/1").unwrap()).is_empty());
}

#[test]
fn a_list_that_is_cut_doubled_or_of_something_else_is_refused_by_its_line() {
    let a = VerifierKey::for_log("till", key(Algorithm::Ed25519).public()).unwrap();
    let witness = VerifierKey::for_witness("w", key(Algorithm::Ed25519).public()).unwrap();
    let renamed = VerifierKey::for_log("other", key(Algorithm::Ed25519).public()).unwrap();
    for (text, why) in [
        (String::new(), "no key"),
        ("# nothing\n".into(), "no key"),
        (format!("s {a}"), "newline"),
        ("s\n".into(), "line 1"),
        (format!("s {a} x\n"), "line 1"),
        (format!("\n../s {a}\n"), "line 2"),
        (format!("s {}\n", &a.to_string()[1..]), "line 1"),
        (format!("s {witness}\n"), "witness"),
        (format!("s {a}\ns {renamed}\n"), "twice"),
        (format!("s {a}\r\n"), "control"),
        (format!("s {a}\n{}\n", "#".repeat(MAX_DEMAND)), "at most"),
    ] {
        let error = Demand::parse(&text).unwrap_err();
        assert!(error.0.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn numbers_of_more_keys_than_are_tracked_are_not_pretended_to_be_known() {
    let author = |key: u64, author_seq| Author {
        algorithm: "ed25519".into(),
        public_key: key.to_le_bytes().to_vec(),
        author_seq,
        signature: Vec::new(),
    };
    let mut seqs = LastSeqs::default();
    (0..TRACKED as u64).for_each(|key| seqs.note(&author(key, 1), false));
    seqs.note(&author(0, 2), false);
    assert!(!seqs.is_incomplete());
    seqs.note(&author(1 << 40, 7), true);
    assert!(!seqs.is_incomplete());
    seqs.note(&author(1 << 41, 7), false);
    assert!(seqs.is_incomplete());
    let get = |key: u64| seqs.get(&key.to_le_bytes());
    assert_eq!((get(0), get(1), get(1 << 40), get(1 << 41)), (Some(2), Some(1), Some(7), None));
}
