//! `witness submit` before a witness that decides by the domain's own rules: what is kept, and what its refusals mean.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::desk::{Desk, parsed};
use crate::support::{FixedKey, ORIGIN, WITNESS};
use crate::world::Shared;
use secure_log::policy::KnownLogs;
use secure_log::store::{MemStore, Store as _};
use secure_log::witness::{AddCheckpoint, ExchangeError, Refusal, Response, Witness};
use secure_log_cli::{CANNOT_TELL, FINDING, USAGE};
use serde_json::json;

const URL: &str = "http://127.0.0.1:7380/w";

/// A witness of the log whose desk this is, its state, and the old sizes it was asked from.
struct Elsewhere {
    witness: Witness<FixedKey>,
    state: RefCell<MemStore>,
    asked: RefCell<Vec<u64>>,
}

impl Elsewhere {
    fn for_log(desk: &Desk) -> Rc<Elsewhere> {
        let logs = format!("log {}\nquorum none\n", desk.key.vkey(ORIGIN));
        let witness = Witness::new(WITNESS, FixedKey::witness(), KnownLogs::parse(&logs).unwrap()).unwrap();
        let mut state = MemStore::default();
        state.init(":memory:").unwrap();
        Rc::new(Elsewhere { witness, state: RefCell::new(state), asked: RefCell::default() })
    }

    /// As the component answers: `components/witness/src/gate.rs`.
    fn answer(&self, url: &str, body: &[u8]) -> Response {
        assert_eq!(url, format!("{URL}/add-checkpoint"));
        self.asked.borrow_mut().push(AddCheckpoint::parse(body).unwrap().old_size);
        let answer = |status, kind: &str, body: String| Response {
            status,
            content_type: Some(kind.into()),
            body: body.into_bytes(),
        };
        match self.witness.add_checkpoint(&mut *self.state.borrow_mut(), || 1_767_225_660, body) {
            Ok(line) => answer(200, "text/plain", format!("{line}\n")),
            Err(refusal @ Refusal::OldSize(_)) => answer(409, "text/x.tlog.size", refusal.body()),
            Err(refusal) => answer(refusal.status(), "text/plain", refusal.body()),
        }
    }

    /// The desk reaches this witness and nobody else.
    fn reached_by(self: &Rc<Elsewhere>, desk: &mut Desk) {
        let there = self.clone();
        desk.network = Rc::new(move |url, body| Ok(there.answer(url, body)));
    }
}

/// A desk with one signed segment of three entries, its witness, and the policy that wants the witness's line.
fn witnessed(folder: &Path) -> (Desk, Rc<Elsewhere>, String) {
    let mut desk = Desk::new();
    desk.grow("one");
    let there = Elsewhere::for_log(&desk);
    there.reached_by(&mut desk);
    let policy = folder.join("policy").display().to_string();
    let text = format!("log {}\nwitness w1 {}\nquorum w1\n", desk.key.vkey(ORIGIN), there.witness.vkey());
    fs::write(&policy, text).unwrap();
    (desk, there, policy)
}

/// A desk whose log the witness has cosigned at 5 entries, the witness, what was typed, and a second desk over the log
/// as it was before the last two.
fn gone_back(folder: &Path) -> (Desk, Rc<Elsewhere>, String, Desk) {
    let (mut desk, there, policy) = witnessed(folder);
    let submit = format!("witness submit --url {URL} --policy {policy}");
    let mut back = Desk::over(&desk.store.deep_clone());
    there.reached_by(&mut back);
    desk.grow("two");
    desk.good(&submit);
    (desk, there, submit, back)
}

#[test]
fn a_submitted_checkpoint_is_witnessed_for_those_who_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, there, policy) = witnessed(folder.path());
    let submit = format!("witness submit --url {URL} --policy {policy}");
    let report = |desk: &mut Desk| parsed(&desk.good(&format!("--json verify --policy {policy}")));
    let before = desk.run(&format!("verify --policy {policy}"));
    assert!(before.status == CANNOT_TELL && before.out.starts_with("NOT WITNESSED: "), "{}", before.out);

    let said = desk.good(&submit);
    let expected =
        format!("segment 0 of payments, 3 entries: cosigned by {WITNESS} at 2026-01-01T00:01:00Z; lines kept: 1\n");
    assert_eq!(said, expected);
    assert_eq!(report(&mut desk)["witnessed"], json!([0, 2]));

    desk.grow("two");
    let said = parsed(&desk.good(&format!("--json witness submit --url {URL}/ --policy {policy}")));
    assert_eq!((&said["segment"], &said["size"], &said["kept"]), (&json!(1), &json!(5), &json!(1)));
    assert_eq!(said["cosigned"], json!([{ "name": WITNESS, "time": "2026-01-01T00:01:00Z" }]));
    assert_eq!(report(&mut desk)["witnessed"], json!([0, 4]));
    assert_eq!(*there.asked.borrow(), [0, 3], "the log's own notes tell what the witness has");

    let again = desk.good(&submit);
    assert!(again.ends_with("lines kept: 0\n"), "the same line of the same second: {again}");
    let note = desk.good("checkpoint");
    assert_eq!(note.lines().filter(|line| line.contains(WITNESS)).count(), 1, "{note}");
}

#[test]
fn a_log_that_knows_nothing_of_its_witness_is_told_the_size_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, there, policy) = witnessed(folder.path());
    let vkey = there.witness.vkey().to_string();
    let copy = desk.store.deep_clone();
    desk.good(&format!("witness submit --url {URL} --vkey {vkey}"));
    let mut desk = Desk::over(&copy);
    there.reached_by(&mut desk);
    desk.grow("two");
    desk.good(&format!("witness submit --url {URL} --policy {policy}"));
    assert_eq!(*there.asked.borrow(), [0, 0, 3]);
}

#[test]
fn a_log_that_forked_or_went_back_is_a_finding_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (_, there, submit, mut back) = gone_back(folder.path());
    let mut fork = Desk::over(&back.store.deep_clone());
    there.reached_by(&mut fork);
    let said = back.run(&submit);
    assert!(said.status == FINDING && said.err.contains("larger tree, of size 5"), "{}", said.err);

    fork.grow("another");
    let said = fork.run(&submit);
    assert!(said.status == FINDING && said.err.contains("two logs under this key"), "{}", said.err);
    fork.grow("more");
    let said = fork.run(&format!("--json {submit}"));
    assert!(said.status == FINDING && said.err.contains("does not continue what it cosigned"), "{}", said.err);
    assert_eq!(parsed(&said.out)["error"], "finding");
    assert!(!fork.good("checkpoint").contains(WITNESS));
}

/// The witness is ahead of an older segment of every log that is submitted regularly: nobody forked.
#[test]
fn an_older_segment_than_the_witness_has_is_a_misuse_and_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, _, submit, mut back) = gone_back(folder.path());
    let said = desk.run(&format!("{submit} --segment 0"));
    assert!(said.status == USAGE && said.err.contains("has cosigned size 5"), "{} {}", said.status, said.err);
    assert!(said.err.contains("this log has 5 entries signed"), "{}", said.err);

    // The same words of a witness that is ahead of the whole log are an alarm, whatever segment was asked for.
    let said = back.run(&format!("{submit} --segment 0"));
    assert!(said.status == FINDING && said.err.contains("larger tree, of size 5"), "{}", said.err);
}

#[test]
fn what_is_no_cosignature_is_not_kept_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, there, policy) = witnessed(folder.path());
    let other = secure_log::note::VerifierKey::for_witness(
        WITNESS,
        FixedKey::seeded(secure_log::signer::Algorithm::Ed25519, 9).public(),
    )
    .unwrap();
    let submit = format!("witness submit --url {URL}");
    let said = desk.run(&format!("{submit} --vkey {other}"));
    assert!(said.status == FINDING && said.err.contains("no line of the answer verifies"), "{}", said.err);

    let bare = folder.path().join("bare").display().to_string();
    fs::write(&bare, desk.good("vkey --as-policy")).unwrap();
    let log_key = desk.key.vkey(ORIGIN);
    for (line, why) in [
        (submit.clone(), "--policy"),
        (format!("{submit} --policy {bare}"), "names no witness"),
        (format!("{submit} --vkey nonsense"), "--vkey nonsense"),
        (format!("{submit} --vkey {log_key}"), "no cosignature/v1 key"),
        (format!("{submit} --segment 7 --policy {policy}"), "no such signed segment"),
        ("witness submit".into(), "--url"),
    ] {
        let said = desk.run(&line);
        assert!(said.status == USAGE && said.err.contains(why), "{line}: {} {}", said.status, said.err);
    }
    assert_eq!(there.asked.borrow().len(), 1, "none of these left the desk");

    for (error, status) in [
        (ExchangeError::NotSent("refused".into()), CANNOT_TELL),
        (ExchangeError::Lost("broke off".into()), CANNOT_TELL),
        (ExchangeError::Invalid("no network here".into()), USAGE),
    ] {
        let why = error.to_string();
        desk.network = Rc::new(move |_, _| Err(error.clone()));
        let said = desk.run(&format!("{submit} --policy {policy}"));
        assert!(said.status == status && said.err.contains(&why), "{}", said.err);
        assert_eq!(said.err.contains(URL), status == CANNOT_TELL, "a URL that is not called may hold a password");
    }
    for status in [403, 404, 429, 503] {
        desk.network = Rc::new(move |_, _| Ok(Response { status, content_type: None, body: b"not now\n".to_vec() }));
        let said = desk.run(&format!("{submit} --policy {policy}"));
        assert!(said.status == CANNOT_TELL && said.err.contains("not now"), "{status}: {}", said.err);
    }
    assert!(!desk.good("checkpoint").contains(WITNESS));

    let mut empty = Desk::over(&Shared::default());
    empty.good("append one");
    let said = empty.run(&format!("{submit} --policy {policy}"));
    assert!(said.status == USAGE && said.err.contains("no segment is signed"), "{}", said.err);
}
