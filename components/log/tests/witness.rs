//! The witness against logs that are honest, late, forked, and many at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex};

use crate::support::{FixedKey, ORIGIN, WITNESS};
use crate::witnessed::{NOW, Tree, ask, body, carry, exchange, hash, log_key, status, store, witness};
use crate::{witnessed, world};
use secure_log::merkle::verify_consistency;
use secure_log::note::{Checkpoint, Note, SignatureLine, cosignature_message, note_line};
use secure_log::policy::KnownLogs;
use secure_log::signer::{Algorithm, Signer, SignerError};
use secure_log::store::{MemStore, Row, RowKind, Store, StoreError, Want};
use secure_log::types::{Digest, StreamId};
use secure_log::witness::{AddCheckpoint, Evidence, OriginHash, Refusal, Unanswered, Verdict, Witness, convict};

#[test]
fn an_honest_log_is_cosigned_at_every_size_and_may_repeat_itself() {
    let (tree, mut store) = (Tree::of(40), store());
    let mut before = 0;
    for size in [0, 0, 1, 1, 2, 7, 8, 31, 32, 33, 40, 40] {
        assert_eq!(status(&mut store, &tree.request(before, size)), 200, "{before} to {size}");
        before = size;
        let shown = witness().checkpoint(&mut store, &hash()).unwrap().unwrap();
        assert_eq!(shown.text(), tree.note(size).text());
        assert_eq!(shown.verify(&[log_key(), witness().vkey().clone()]).unwrap(), [0, 1]);
    }
    let rows = store.rows_mut(RowKind::Checkpoint, &StreamId::try_from(hash().as_str()).unwrap()).len();
    assert_eq!(rows, 9, "one row a checkpoint, none for a repetition");
    assert_eq!(witness().evidence(&mut store, &hash()).unwrap(), []);
    assert_eq!(witness().checkpoint(&mut store, &OriginHash::of("log.example.org/other")).unwrap(), None);
}

/// tlog-witness, add-checkpoint: each answer, and nothing but the first fault in the specification's order.
#[test]
fn every_refusal_has_the_status_of_the_specification() {
    let (tree, mut store) = (Tree::of(12), store());
    assert_eq!(ask(&mut store, &tree.request(3, 5)), Err(Refusal::OldSize(0)));
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    for (old, latest) in [(0, 5), (3, 5), (6, 5)] {
        let refusal = ask(&mut store, &tree.request(old, 8)).unwrap_err();
        assert_eq!((refusal.status(), refusal.body()), (409, format!("{latest}\n")));
    }
    let with = |change: &dyn Fn(&mut AddCheckpoint)| {
        let mut request = AddCheckpoint::parse(&tree.request(5, 8)).unwrap();
        change(&mut request);
        body(&request)
    };
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8(tree.request(5, 8)).unwrap();
        assert!(text.contains(from), "{from:?}");
        text.replacen(from, to, 1).into_bytes()
    };
    let rsa = FixedKey::log(Algorithm::EcdsaP256);
    for (what, request, expected) in [
        ("empty", Vec::new(), 400),
        ("not UTF-8", vec![0xff; 20], 400),
        ("no old line", replaced("old 5\n", ""), 400),
        ("leading zero", replaced("old 5\n", "old 05\n"), 400),
        ("a sign", replaced("old 5\n", "old +5\n"), 400),
        ("two spaces", replaced("old 5\n", "old  5\n"), 400),
        ("CRLF", replaced("old 5\n", "old 5\r\n"), 400),
        ("above 2^63-1", replaced("old 5\n", "old 9223372036854775808\n"), 400),
        ("proof without padding", replaced("=\n", "\n"), 400),
        ("proof of 31 bytes", replaced("old 5\n", &format!("old 5\n{}==\n", "A".repeat(42))), 400),
        ("64 proof lines", with(&|request| request.proof = vec![Digest::ZERO; 64]), 400),
        ("no empty line", replaced("\n\nlog.example.org", "\nlog.example.org"), 400),
        ("size with a leading zero", replaced("\n8\n", "\n08\n"), 400),
        ("unsigned", tree.request(5, 8).split(|b| *b == 0xe2).next().unwrap().to_vec(), 400),
        ("another log", replaced("log.example.org/payments\n", "log.example.org/payment5\n"), 404),
        ("another key", with(&|request| request.note = tree.note_by(&rsa, 8)), 403),
        ("signature of another size", replaced("\n8\n", "\n9\n"), 403),
        ("old above new", with(&|request| request.old_size = 9), 400),
        ("proof changed", with(&|request| request.proof[0].0[0] ^= 1), 422),
        ("proof cut", with(&|request| request.proof.truncate(1)), 422),
        ("proof too long", with(&|request| request.proof.push(Digest::ZERO)), 422),
        ("no proof", with(&|request| request.proof.clear()), 422),
        ("63 proof lines", with(&|request| request.proof = vec![Digest::ZERO; 63]), 422),
        ("same size, a proof", with(&|request| request.note = tree.note(5)), 422),
        ("the right one", tree.request(5, 8), 200),
    ] {
        let answer = ask(&mut store, &request);
        assert_eq!(answer.as_ref().map_or_else(Refusal::status, |_| 200), expected, "{what}: {answer:?}");
    }
    let mut fresh = witnessed::store();
    let text = Checkpoint { origin: ORIGIN.into(), size: 0, root: tree.root(1) }.to_text();
    let key = FixedKey::log(Algorithm::Ed25519);
    let note = Note::new(&text, vec![note_line(&log_key(), &key.sign_note(text.as_bytes()))]).unwrap();
    assert_eq!(status(&mut fresh, &body(&AddCheckpoint { old_size: 0, proof: vec![], note })), 422, "size 0, a root");
    let mut first = AddCheckpoint::parse(&tree.request(0, 8)).unwrap();
    first.proof = vec![Digest::ZERO];
    assert_eq!(status(&mut fresh, &body(&first)), 422, "old size 0, a proof");
}

#[test]
fn lines_of_strangers_are_neither_judged_nor_kept() {
    let (tree, mut store) = (Tree::of(5), store());
    let mut request = AddCheckpoint::parse(&tree.request(0, 5)).unwrap();
    let stranger = tree.note_by(&FixedKey::log(Algorithm::EcdsaP256), 5).signatures()[0].clone();
    let lines = vec![stranger, request.note.signatures()[0].clone()];
    request.note = Note::new(request.note.text(), lines).unwrap();
    assert_eq!(status(&mut store, &body(&request)), 200);
    let kept = witness().checkpoint(&mut store, &hash()).unwrap().unwrap();
    let ids: Vec<_> = kept.signatures().iter().map(|line| line.key_id()).collect();
    assert_eq!(ids, [log_key().key_id(), witness().vkey().key_id()]);
}

fn time(line: &SignatureLine) -> u64 {
    u64::from_be_bytes(*line.signature().first_chunk().unwrap())
}

fn rows(store: &mut MemStore) -> Vec<Row> {
    store.rows_mut(RowKind::Checkpoint, &StreamId::try_from(hash().as_str()).unwrap()).clone()
}

/// "At this time nothing larger had been seen" must hold for every line that ever left, so every time that left is kept.
#[test]
fn a_repeated_checkpoint_gets_its_line_again_and_a_fresh_one_after_an_hour() {
    let (tree, mut store) = (Tree::of(12), store());
    let mut at = |now: u64, old, new| witness().add_checkpoint(&mut store, || now, &tree.request(old, new));
    let first = at(NOW, 0, 5).unwrap();
    for now in [NOW, NOW + 1, NOW + 3_599] {
        assert_eq!(at(now, 5, 5), Ok(first.clone()));
    }
    let fresh = at(NOW + 3_600, 5, 5).unwrap();
    assert_eq!(time(&fresh), NOW + 3_600);
    assert!(witness().vkey().verify(tree.note(5).text(), fresh.signature()));
    assert_eq!(at(NOW + 7_199, 5, 5), Ok(fresh));
    for new in [5, 8] {
        assert_eq!(at(NOW + 3_599, 5, new), Err(Refusal::Clock(1)), "the time that left rules");
    }
    assert_eq!(time(&at(NOW + 3_601, 5, 8).unwrap()), NOW + 3_601);
    // A stranger who repeats for a day makes a row an hour.
    for minute in 0..24 * 60 {
        at(NOW + 3_601 + minute * 60, 8, 8).unwrap();
    }
    let rows = rows(&mut store);
    assert_eq!(rows.len(), 3 + 23);
    let notes = rows.iter().map(|row| Note::parse(std::str::from_utf8(&row.body).unwrap()).unwrap());
    assert!(notes.map(|note| time(note.signatures().last().unwrap())).is_sorted());
}

/// Signs as the witness, after letting others do something first.
struct Slow(FixedKey, RefCell<Option<Box<dyn FnOnce()>>>);

impl Signer for Slow {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }
    fn public_key(&self) -> Vec<u8> {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        if let Some(others) = self.1.borrow_mut().take() {
            others();
        }
        self.0.sign(message)
    }
}

fn slow(others: Box<dyn FnOnce()>) -> Witness<Slow> {
    let logs = KnownLogs::parse(&format!("log {}\nquorum none\n", log_key())).unwrap();
    Witness::new(WITNESS, Slow(FixedKey::witness(), RefCell::new(Some(others))), logs).unwrap()
}

#[test]
fn a_repetition_while_a_larger_tree_is_signed_leaves_no_line_that_contradicts_another() {
    let tree = Tree::of(12);
    let mut shared = world::Shared::default();
    shared.init("memory").unwrap();
    witness().add_checkpoint(&mut shared, || NOW, &tree.request(0, 5)).unwrap();
    let clock = Rc::new(Cell::new(NOW + 4_000));
    let tick = |clock: &Cell<u64>| clock.replace(clock.get() + 1);
    let (mut rival, rival_tree, rival_clock) = (shared.clone(), tree.clone(), clock.clone());
    let said = Rc::new(Cell::new(0));
    let heard = said.clone();
    let others = Box::new(move || {
        let line = witness().add_checkpoint(&mut rival, || tick(&rival_clock), &rival_tree.request(5, 5)).unwrap();
        heard.set(time(&line));
    });
    let larger = slow(others).add_checkpoint(&mut shared, || tick(&clock), &tree.request(5, 8)).unwrap();
    assert_eq!(said.get(), NOW + 4_001, "size 5 was the largest then");
    assert!(time(&larger) > said.get(), "so size 8 came later, not at {}", time(&larger));
}

fn forks(store: &mut impl Store) -> Vec<Verdict> {
    let all = witness().evidence(store, &hash()).unwrap();
    all.iter()
        .map(|evidence| convict(&Evidence::parse(&evidence.to_string()).unwrap(), &[log_key()]).unwrap())
        .collect()
}

#[test]
fn a_fork_of_a_cosigned_size_convicts_the_log_by_one_file_and_its_key_alone() {
    let (tree, mut store) = (Tree::of(12), store());
    let fork = tree.forked(4, 12);
    for (old, new) in [(0, 5), (5, 8), (8, 12)] {
        assert_eq!(status(&mut store, &tree.request(old, new)), 200);
    }
    // tlog-witness v1.1; v1.0 had 409 here. A proof between equal sizes is empty, so nothing could be asked again.
    assert_eq!(status(&mut store, &fork.request(12, 12)), 422);
    // Late, so 409, and still a second tree of a size cosigned long ago.
    assert_eq!(status(&mut store, &fork.request(0, 5)), 409);
    assert_eq!(status(&mut store, &fork.request(0, 6)), 409);
    let forked = |size| Verdict::Forked { size, roots: [tree.root(size), fork.root(size)] };
    assert_eq!(forks(&mut store), [forked(12), forked(5)]);
    (0..100).for_each(|_| assert_eq!(status(&mut store, &fork.request(12, 12)), 422));
    assert_eq!(forks(&mut store).len(), 2, "repeating a fork fills nobody's disk");
    assert_eq!(status(&mut store, &tree.request(12, 12)), 200, "what was cosigned stays so");

    let file = witness().evidence(&mut store, &hash()).unwrap()[0].to_string();
    let mut judged = 0;
    for place in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let verdict = Evidence::parse(&text).ok().and_then(|evidence| convict(&evidence, &[log_key()]).ok());
        judged += 1;
        // Only the witness's own line is not the log's word.
        assert!(verdict.is_none() || verdict == Some(forked(12)), "byte {place}");
    }
    assert!(judged > 300);
    let stranger = FixedKey::log(Algorithm::EcdsaP256).vkey(ORIGIN);
    assert!(convict(&Evidence::parse(&file).unwrap(), &[stranger]).is_err());
    assert!(Evidence::parse(&format!("{file}\n")).is_err());
}

#[test]
fn a_larger_tree_without_a_proof_leaves_the_log_owing_and_may_convict_it_later() {
    let (tree, mut store) = (Tree::of(12), store());
    let fork = tree.forked(4, 12);
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    assert_eq!(status(&mut store, &fork.request(5, 9)), 422);
    assert_eq!(status(&mut store, &fork.request(5, 9)), 422);
    assert_eq!(forks(&mut store), [Verdict::Owing { old: 5, new: 9 }]);
    assert_eq!(status(&mut store, &tree.request(5, 7)), 200);
    assert_eq!(status(&mut store, &tree.request(7, 9)), 200);
    let convicted = Verdict::Forked { size: 9, roots: [fork.root(9), tree.root(9)] };
    assert_eq!(forks(&mut store), [convicted, Verdict::Owing { old: 5, new: 9 }]);
}

#[test]
fn a_garbage_proof_with_an_honest_checkpoint_convicts_nobody() {
    let (tree, mut store) = (Tree::of(12), store());
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    let mut request = AddCheckpoint::parse(&tree.request(5, 9)).unwrap();
    request.proof[0].0[0] ^= 1;
    assert_eq!(status(&mut store, &body(&request)), 422);
    assert_eq!(forks(&mut store), [Verdict::Owing { old: 5, new: 9 }]);
    assert_eq!(status(&mut store, &tree.request(5, 9)), 200);
    assert_eq!(forks(&mut store), [], "what was cosigned since owes nothing");
    let [old, new] = [tree.root(5), tree.root(9)];
    assert!(verify_consistency(5, 9, &tree.proof(5, 9), &old, &new), "and the proof acquits it");
}

/// A checkpoint of the log's own with a proof that is none: what any reader of the log can send.
fn junk(tree: &Tree, old: u64, new: u64) -> Vec<u8> {
    body(&AddCheckpoint { old_size: old, proof: vec![Digest::ZERO], note: tree.note(new) })
}

#[test]
fn a_stranger_who_replays_the_logs_checkpoints_neither_fills_the_evidence_nor_hides_a_fork() {
    let (tree, mut store) = (Tree::of(300), store());
    let fork = tree.forked(50, 300);
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    // Before the log, at every size: each is explained by what is cosigned next.
    for size in 6..80 {
        assert_eq!(status(&mut store, &junk(&tree, size - 1, size)), 422);
        assert_eq!(status(&mut store, &tree.request(size - 1, size)), 200);
    }
    assert_eq!(forks(&mut store), []);
    // And far ahead of it, again and again, with the fork in their midst.
    for _ in 0..2 {
        (80..300).for_each(|size| assert_eq!(status(&mut store, &junk(&tree, 79, size)), 422));
        assert_eq!(status(&mut store, &junk(&fork, 79, 150)), 422, "forked at a size they had shown");
    }
    let convicted = |size| Verdict::Forked { size, roots: [tree.root(size), fork.root(size)] };
    assert_eq!(forks(&mut store)[0], convicted(150));
    assert_eq!(status(&mut store, &fork.request(79, 200)), 422);
    assert_eq!(forks(&mut store)[..2], [convicted(150), convicted(200)]);
    // A doubt that the log passed by is still compared, with what comes too late.
    let mut passed = witnessed::store();
    assert_eq!(status(&mut passed, &tree.request(0, 60)), 200);
    assert_eq!(status(&mut passed, &fork.request(60, 90)), 422);
    assert_eq!(status(&mut passed, &tree.request(60, 100)), 200);
    assert_eq!(forks(&mut passed), [Verdict::Owing { old: 60, new: 90 }]);
    assert_eq!(status(&mut passed, &tree.request(60, 90)), 409);
    assert_eq!(forks(&mut passed)[0], Verdict::Forked { size: 90, roots: [fork.root(90), tree.root(90)] });
}

/// A fork shown while the other half is signed, and a kill after the row: the log asks again, and then they are compared.
#[test]
fn a_comparison_that_a_kill_prevented_is_made_when_the_checkpoint_comes_again() {
    let (tree, mut shared) = (Tree::of(12), world::Shared::default());
    shared.init("memory").unwrap();
    assert_eq!(status(&mut shared, &tree.request(0, 5)), 200);
    let (mut rival, fork) = (shared.clone(), tree.forked(4, 12));
    let others = Box::new(move || {
        assert_eq!(status(&mut rival, &fork.request(5, 9)), 422);
        *rival.fail_append.borrow_mut() = Some((StoreError::Unavailable("lost".into()), true));
    });
    let refusal = slow(others).add_checkpoint(&mut shared, || NOW, &tree.request(5, 9)).unwrap_err();
    assert_eq!(refusal.status(), 503);
    assert_eq!(forks(&mut shared), [Verdict::Owing { old: 5, new: 9 }]);
    assert_eq!(status(&mut shared, &tree.request(9, 9)), 200);
    assert!(matches!(forks(&mut shared)[0], Verdict::Forked { size: 9, .. }));
}

#[test]
fn evidence_has_a_bound() {
    let (tree, mut store) = (Tree::of(5), store());
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    for n in 0..70 {
        let fork = Tree((0..5).map(|i| format!("{n} {i}")).collect());
        assert_eq!(status(&mut store, &fork.request(5, 5)), 422);
    }
    assert_eq!(forks(&mut store).len(), 64);
}

#[test]
fn a_key_that_signs_for_a_log_is_no_witness() {
    let own = FixedKey::witness().vkey("log.example.net/x");
    let logs = KnownLogs::parse(&format!("log {}\nlog {own}\nquorum none\n", log_key())).unwrap();
    let error = Witness::new(WITNESS, FixedKey::witness(), logs.clone()).err().unwrap().to_string();
    assert!(error.contains("log.example.net/x"), "{error}");
    let error = Witness::new(WITNESS, FixedKey::log(Algorithm::EcdsaP256), logs).err().unwrap().to_string();
    assert!(error.contains("ed25519"), "{error}");
}

#[test]
fn a_clock_that_went_back_signs_nothing() {
    let (tree, mut store) = (Tree::of(9), store());
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    for request in [tree.request(5, 5), tree.request(5, 9)] {
        let refusal = witness().add_checkpoint(&mut store, || NOW - 7, &request).unwrap_err();
        assert_eq!((refusal.status(), refusal), (503, Refusal::Clock(7)));
    }
    assert_eq!(witness().checkpoint(&mut store, &hash()).unwrap().unwrap().text(), tree.note(5).text());
    let refusal = witness().add_checkpoint(&mut witnessed::store(), || 0, &tree.request(0, 5)).unwrap_err();
    assert_eq!(refusal, Refusal::Clock(1), "a time of 0 says that there is none");
}

/// One reading of a broken clock would otherwise stop the witness for as long as it was wrong.
#[test]
fn a_clock_after_the_year_9999_signs_nothing_and_says_why() {
    const LAST: u64 = 253_402_300_799;
    let (tree, mut store) = (Tree::of(9), store());
    for far in [LAST + 1, LAST * 1000, u64::MAX] {
        let refusal = witness().add_checkpoint(&mut store, || far, &tree.request(0, 5)).unwrap_err();
        assert!(refusal.status() == 503 && refusal.to_string().contains("year 9999"), "{refusal}");
    }
    assert_eq!(rows(&mut store), []);
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200, "and no harm is done");
    assert_eq!(time(&witness().add_checkpoint(&mut store, || LAST, &tree.request(5, 8)).unwrap()), LAST);
}

#[test]
fn a_store_that_makes_up_rows_gets_no_cosignature() {
    let (tree, id) = (Tree::of(9), StreamId::try_from(hash().as_str()).unwrap());
    let row = |index, note: &Note| Row {
        kind: RowKind::Checkpoint,
        stream_id: id.clone(),
        index,
        body: note.to_string().into_bytes(),
        payload: None,
    };
    let mut honest = store();
    assert_eq!(status(&mut honest, &tree.request(0, 5)), 200);
    let cosigned = witness().checkpoint(&mut honest, &hash()).unwrap().unwrap();
    let fork = tree.forked(3, 9);
    let grafted = Note::new(fork.note(5).text(), cosigned.signatures().to_vec()).unwrap();
    let other_log = Checkpoint { origin: "log.example.org/other".into(), size: 5, root: tree.root(5) }.to_text();
    let signature = FixedKey::witness().sign_note(&cosignature_message(NOW, &other_log));
    let other_line = note_line(witness().vkey(), &[&NOW.to_be_bytes()[..], &signature].concat());
    for made_up in [fork.note(5), grafted, Note::new(&other_log, vec![other_line]).unwrap()] {
        let mut store = store();
        store.append(&[row(0, &made_up)], Want::Synced).unwrap();
        let refusal = ask(&mut store, &fork.request(5, 9)).unwrap_err();
        assert!(matches!(&refusal, Refusal::Store(StoreError::Corrupt(_))), "{refusal}");
        assert!(!refusal.body().contains("checkpoint row"), "the public learns no more than that it fails");
        assert!(witness().checkpoint(&mut store, &hash()).is_err());
    }
}

/// A kill between the row and the answer, or an answer of the store that was lost: both leave a row and no line.
#[test]
fn an_answer_that_was_lost_costs_a_line_and_not_the_promise() {
    for (error, applied) in [(StoreError::Unavailable("lost".into()), true), (StoreError::NoSpace, false)] {
        let (tree, mut shared) = (Tree::of(9), world::Shared::default());
        shared.init("memory").unwrap();
        assert_eq!(status(&mut shared, &tree.request(0, 5)), 200);
        *shared.fail_append.borrow_mut() = Some((error.clone(), applied));
        assert_eq!(ask(&mut shared, &tree.request(5, 9)), Err(Refusal::Store(error)), "no line without a durable row");
        let fork = tree.forked(5, 9);
        let expected = if applied { 409 } else { 200 };
        assert_eq!(status(&mut shared, &fork.request(5, 9)), expected, "what is kept decides, applied: {applied}");
        let honest = carry(&tree, 9, 5, |request| exchange(&mut shared, request));
        match applied {
            true => assert_eq!(honest, (2, Ok(1))),
            false => assert_eq!(honest, (2, Err(Unanswered::Forked))),
        }
    }
}

#[test]
fn no_single_changed_bit_of_a_request_is_cosigned_and_what_parses_is_canonical() {
    let (tree, mut store) = (Tree::of(12), store());
    assert_eq!(status(&mut store, &tree.request(0, 5)), 200);
    let good = tree.request(5, 8);
    let mut parsed = 0;
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut request = good.clone();
            request[place] ^= 1 << bit;
            if let Ok(same) = AddCheckpoint::parse(&request) {
                assert_eq!(body(&same), request, "bit {bit} of byte {place}");
                parsed += 1;
                assert_ne!(status(&mut store, &request), 200, "bit {bit} of byte {place}");
            }
        }
        assert!(AddCheckpoint::parse(&good[..place]).is_err(), "cut at {place}");
        let doubled = [&good[..place], &good[place..=place], &good[place..]].concat();
        assert!(AddCheckpoint::parse(&doubled).is_err() || status(&mut store, &doubled) != 200, "byte {place} twice");
    }
    assert!(parsed > 500, "{parsed}");
    assert_eq!(status(&mut store, &good), 200);
    let file = {
        let fork = tree.forked(2, 12);
        assert_eq!(status(&mut store, &fork.request(8, 8)), 422);
        witness().evidence(&mut store, &hash()).unwrap()[0].to_string()
    };
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut bytes = file.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if let Ok(same) = Evidence::parse(&text) {
                assert_eq!(same.to_string(), text, "bit {bit} of byte {place}");
            }
        }
    }
}

/// One store, locked for each call only, so that two requests interleave between any two calls.
#[derive(Clone)]
struct Locked(Arc<Mutex<MemStore>>);

impl Store for Locked {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().init(config)
    }
    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        self.0.lock().unwrap().append(rows, want)
    }
    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.0.lock().unwrap().get(kind, stream, index)
    }
    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        let row = self.0.lock().unwrap().last(kind, stream);
        std::thread::yield_now();
        row
    }
    fn scan(&mut self, kind: RowKind, id: &StreamId, start: u64, limit: u32, p: bool) -> Result<Vec<Row>, StoreError> {
        self.0.lock().unwrap().scan(kind, id, start, limit, p)
    }
    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.0.lock().unwrap().streams(after, limit)
    }
    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.0.lock().unwrap().erase(kind, stream, index)
    }
}

/// Two clones of a log with one key show the witness two histories at the same moment.
#[test]
fn in_ten_thousand_races_of_two_histories_exactly_one_is_cosigned() {
    let tree = Tree::of(7);
    let fork = tree.forked(3, 7);
    let start = tree.request(0, 3);
    let rivals = [
        [tree.request(3, 5), fork.request(3, 5)],
        [tree.request(3, 5), fork.request(3, 7)],
        [tree.request(3, 7), fork.request(3, 5)],
    ];
    let mut won = [0, 0];
    for round in 0..10_000 {
        let pair = &rivals[round % rivals.len()];
        let mut locked = Locked(Arc::new(Mutex::new(store())));
        ask(&mut locked, &start).unwrap();
        let gate = Barrier::new(2);
        let answers: Vec<Result<Note, Refusal>> = std::thread::scope(|scope| {
            let race = |request: &Vec<u8>| {
                let (mut store, gate, request) = (locked.clone(), &gate, request.clone());
                scope.spawn(move || {
                    gate.wait();
                    ask(&mut store, &request)
                })
            };
            [race(&pair[0]), race(&pair[1])].map(|thread| thread.join().unwrap()).into_iter().collect()
        });
        let winner = answers.iter().position(Result::is_ok).expect("one of them is the first");
        won[winner] += 1;
        let size = AddCheckpoint::parse(&pair[winner]).unwrap().note.text().lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(answers[1 - winner], Err(Refusal::OldSize(size)), "round {round}");
        let loser = if winner == 0 { &fork } else { &tree };
        assert_eq!(status(&mut locked, &loser.request(size, size)), 422);
        let verdicts = forks(&mut locked);
        assert!(verdicts.iter().any(|verdict| matches!(verdict, Verdict::Forked { .. })), "{verdicts:?}");
    }
    assert!(won[0] > 0 && won[1] > 0, "both got to be first: {won:?}");
}

/// Everybody at once, all honest: each step is cosigned once and the sizes only grow.
#[test]
fn many_requests_at_once_lose_and_repeat_nothing() {
    let tree = Arc::new(Tree::of(64));
    let locked = Locked(Arc::new(Mutex::new(store())));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (tree, mut store) = (tree.clone(), locked.clone());
            std::thread::spawn(move || {
                let (mut old, mut cosigned) = (0, 0);
                while old < 64 {
                    match ask(&mut store, &tree.request(old, old + 1)) {
                        Ok(_) => (old, cosigned) = (old + 1, cosigned + 1),
                        Err(Refusal::OldSize(size)) => old = size,
                        Err(Refusal::Busy) => {}
                        Err(refusal) => panic!("{refusal}"),
                    }
                }
                cosigned
            })
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>(), 64);
    let mut store = locked;
    let id = StreamId::try_from(hash().as_str()).unwrap();
    let rows = store.scan(RowKind::Checkpoint, &id, 0, 100, false).unwrap();
    for (row, size) in rows.iter().zip(1..) {
        assert!(std::str::from_utf8(&row.body).unwrap().starts_with(tree.note(size).text()));
    }
    assert_eq!((rows.len(), forks(&mut store).len()), (64, 0));
}
