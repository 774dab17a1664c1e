//! What a user of the log is promised, and what happens when the store fails or someone else writes.

use crate::support::{FixedKey, LOG_NAME, ORIGIN, STREAM};
use crate::world;
use crate::world::{MemHeads, Shared, event, events, fill, log, log_with_heads, opened, pinned, stream};
use secure_log::author;
use secure_log::encode::encode_entry;
use secure_log::error::{FindingKind, LogError};
use secure_log::log::{Config, verify_consistency_proof, verify_inclusion_proof};
use secure_log::signer::Algorithm;
use secure_log::store::{MAX_BATCH_EVENTS, RowKind, StoreError, Want};
use secure_log::types::{Name, NewEvent, Severity, StreamId, Tier};

fn ed25519() -> FixedKey {
    FixedKey::log(Algorithm::Ed25519)
}

fn kind_of(error: LogError) -> FindingKind {
    match error {
        LogError::Tampered(finding) | LogError::Rollback(finding) => finding.kind,
        other => panic!("{other}"),
    }
}

fn keyed(payload: &str, key: &str) -> NewEvent {
    NewEvent { idempotency_key: Some(key.as_bytes().to_vec()), ..event(payload) }
}

#[test]
fn a_store_that_answers_with_one_row_at_once_makes_no_difference() {
    let store = Shared::default();
    let mut writer = log(&store);
    for count in [300, 330] {
        fill(&mut writer, count);
        let sealed = writer.close_segment(&stream()).unwrap().number;
        writer.sign_segment(&ed25519(), &stream(), sealed).unwrap();
    }
    fill(&mut writer, 20);
    let answers = |sparing| {
        store.sparing.set(sparing);
        let mut log = log(&store);
        let read = log.read_since(&stream(), 3, 400).unwrap();
        assert_eq!(read.len(), 400, "sparing: {sparing}");
        let proof = log.build_inclusion_proof(&stream(), 299, None).unwrap();
        log.verify_chain(&stream(), 0, 640).unwrap();
        let segments = log.list_segments(&stream(), 0, 9).unwrap();
        let note = log.read_checkpoint(&stream(), None).unwrap();
        let report = log.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
        assert_eq!((report.finding.clone(), report.checkpoints), (None, 2));
        format!("{read:?} {proof:?} {segments:?} {note:?} {report:?}")
    };
    assert_eq!(answers(true), answers(false));
}

#[test]
fn nothing_works_before_open_and_open_works_once() {
    let store = Shared::default();
    let mut log = secure_log::log::Log::new(store, world::World::default(), None, world::config());
    assert_eq!(log.append(&stream(), event("x")), Err(LogError::NotOpen));
    assert_eq!(log.head(&stream()), Err(LogError::NotOpen));
    assert_eq!(log.create_stream(&stream(), Tier::Public, None), Err(LogError::NotOpen));
    assert!(matches!(log.open(""), Err(LogError::Invalid(_))));
    log.open(":memory:").unwrap();
    assert_eq!(log.open(":memory:"), Err(LogError::AlreadyOpen));
    assert_eq!(log.head(&stream()), Err(LogError::StreamNotFound));
}

#[test]
fn the_first_event_creates_its_stream_in_the_same_call() {
    let store = Shared::default();
    let mut log = log(&store);
    store.counts();
    let result = log.append(&stream(), event("first")).unwrap();
    assert_eq!((result.seqno, store.counts().append), (1, 1));
    let created = log.read(&stream(), 0).unwrap();
    assert_eq!(created.entry.event.event_type.as_str(), "secure-log.stream-created");
    let info = log.list_streams(None, 10).unwrap().remove(0);
    assert_eq!((info.origin.as_str(), info.size, info.closed, info.segments), (ORIGIN, 2, false, 0));
}

#[test]
fn creating_a_stream_again_is_a_no_op_only_with_the_same_arguments() {
    let store = Shared::default();
    let mut log = log(&store);
    log.create_stream(&stream(), Tier::Public, Some("till payments")).unwrap();
    log.create_stream(&stream(), Tier::Public, Some("till payments")).unwrap();
    assert!(matches!(log.create_stream(&stream(), Tier::Public, None), Err(LogError::Invalid(_))));
    assert!(matches!(log.create_stream(&stream(), Tier::Protected, None), Err(LogError::Unsupported(_))));
    assert_eq!(log.head(&stream()).unwrap().size, 1);
    let long = "x".repeat(1025);
    let other = StreamId::try_from("other").unwrap();
    assert!(matches!(log.create_stream(&other, Tier::Public, Some(&long)), Err(LogError::Invalid(_))));
}

#[test]
fn what_was_appended_is_read_back_in_order_and_whole() {
    let store = Shared::default();
    let mut log = log(&store);
    let batch = log.append_batch(&stream(), &events(500), Want::Synced).unwrap();
    assert_eq!(batch.durable_through, Some(500));
    let mut read = Vec::new();
    while read.len() < 501 {
        let page = log.read_since(&stream(), read.len() as u64, 77).unwrap();
        assert!(page.len() <= 77 && !page.is_empty());
        read.extend(page);
    }
    for (number, entry) in read.iter().skip(1).enumerate() {
        assert_eq!(entry.payload.as_deref(), Some(format!("event {number}").as_bytes()));
        assert_eq!((entry.entry.seqno, entry.hash), (batch.results[number].seqno, batch.results[number].entry_hash));
        assert_eq!(*entry, log.read(&stream(), entry.entry.seqno).unwrap());
    }
    assert_eq!(log.read_since(&stream(), 501, 10).unwrap(), []);
    assert_eq!(log.read_since(&stream(), 502, 10), Err(LogError::EntryNotFound));
    assert_eq!(log.read(&stream(), 501), Err(LogError::EntryNotFound));
    log.verify_chain(&stream(), 0, 500).unwrap();
    log.verify_chain(&stream(), 200, 300).unwrap();
    assert_eq!(log.verify_chain(&stream(), 0, 501), Err(LogError::EntryNotFound));
}

#[test]
fn written_is_durable_only_after_a_sync_and_urgent_events_are_always_synced() {
    let store = Shared::default();
    let mut log = log(&store);
    assert_eq!(log.append_batch(&stream(), &events(2), Want::Written).unwrap().durable_through, None);
    log.sync(&stream()).unwrap();
    assert_eq!(log.head(&stream()).unwrap().durable_through, Some(2));
    let urgent = NewEvent { severity: Severity::Critical, ..event("fire") };
    assert_eq!(log.append_batch(&stream(), &[urgent], Want::Written).unwrap().durable_through, Some(3));
    assert_eq!(log.append_batch(&stream(), &events(1), Want::Written).unwrap().durable_through, Some(3));
}

#[test]
fn a_callers_fault_is_invalid_and_changes_nothing() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append(&stream(), event("x")).unwrap();
    let head = log.head(&stream()).unwrap();
    let reserved = NewEvent { event_type: Name::parse("t", "secure-log.erased").unwrap(), ..event("x") };
    let large = NewEvent { payload: Some(vec![0; 1024 * 1024 + 1]), ..event("x") };
    let salt_only = NewEvent { payload: None, ..event("x") };
    let long_key = NewEvent { idempotency_key: Some(vec![0; 65]), ..event("x") };
    for bad in [reserved, large, salt_only, long_key, keyed("x", "")] {
        let batch = [event("good"), bad];
        assert!(matches!(log.append_batch(&stream(), &batch, Want::Synced), Err(LogError::Invalid(_))));
    }
    let many = vec![event("x"); MAX_BATCH_EVENTS + 1];
    assert!(matches!(log.append_batch(&stream(), &many, Want::Synced), Err(LogError::Invalid(_))));
    let heavy = vec![NewEvent { payload: Some(vec![0; 1024 * 1024]), ..event("x") }; 5];
    assert!(matches!(log.append_batch(&stream(), &heavy, Want::Synced), Err(LogError::Invalid(_))));
    assert_eq!(log.head(&stream()).unwrap(), head);
}

#[test]
fn a_repeated_idempotency_key_gives_the_first_result_and_appends_nothing() {
    let store = Shared::default();
    let mut first_log = log(&store);
    let first = first_log.append(&stream(), keyed("x", "k1")).unwrap();
    assert_eq!(first_log.append(&stream(), keyed("x", "k1")).unwrap(), first);
    let batch = [keyed("y", "k2"), keyed("x", "k1"), keyed("y", "k2"), event("z")];
    let results = first_log.append_batch(&stream(), &batch, Want::Synced).unwrap().results;
    assert_eq!(results.iter().map(|result| result.seqno).collect::<Vec<_>>(), [2, 1, 2, 3]);
    let mut reopened = log(&store);
    assert_eq!(reopened.append(&stream(), keyed("x", "k1")).unwrap(), first);
    assert!(matches!(reopened.append(&stream(), keyed("other", "k1")), Err(LogError::Invalid(_))));
    let twice = [keyed("a", "k3"), keyed("b", "k3")];
    assert!(matches!(reopened.append_batch(&stream(), &twice, Want::Synced), Err(LogError::Invalid(_))));
    fill(&mut reopened, 1023);
    assert_ne!(reopened.append(&stream(), keyed("x", "k1")).unwrap().seqno, 1, "outside the window of 1,024");
}

#[test]
fn a_key_at_the_edge_of_the_window_counts_alike_before_and_after_reopening() {
    for reopen in [false, true] {
        let store = Shared::default();
        let mut writer = log(&store);
        let first = writer.append(&stream(), keyed("x", "k")).unwrap();
        fill(&mut writer, 1022);
        let mut writer = if reopen { log(&store) } else { writer };
        assert_eq!(writer.append(&stream(), keyed("x", "k")).unwrap(), first);
        fill(&mut writer, 1);
        assert_eq!(writer.append(&stream(), keyed("x", "k")).unwrap(), first, "1,023 entries after it");
        fill(&mut writer, 1);
        assert_ne!(writer.append(&stream(), keyed("x", "k")).unwrap(), first, "1,024 entries after it");
    }
}

#[test]
fn a_clock_that_goes_back_is_clamped_and_its_reading_kept() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append(&stream(), event("x")).unwrap();
    log.append(&stream(), event("x")).unwrap();
    let before = log.read(&stream(), 2).unwrap().entry;
    let mut late = world::log(&store);
    late.append(&stream(), event("y")).unwrap();
    let after = late.read(&stream(), 3).unwrap().entry;
    assert!(after.timestamp >= before.timestamp);
    assert_eq!(before.clock, None);
    assert!(after.clock.is_some_and(|clock| clock < after.timestamp));
}

#[test]
fn segments_are_sealed_signed_in_order_and_proven_in_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let store = Shared::default();
        let mut log = log(&store);
        let key = FixedKey::log(algorithm);
        log.append_batch(&stream(), &events(300), Want::Synced).unwrap();
        let first = log.close_segment(&stream()).unwrap();
        assert_eq!((first.number, first.first_seqno, first.last_seqno), (0, 0, 301));
        assert_eq!(log.close_segment(&stream()), Err(LogError::EmptySegment));
        log.append(&stream(), event("later")).unwrap();
        let second = log.close_segment(&stream()).unwrap();
        assert_eq!(second.prev_checkpoint_hash, Some(first.checkpoint_hash));
        assert!(matches!(log.sign_segment(&key, &stream(), 1), Err(LogError::Invalid(_))));
        let signed = log.sign_segment(&key, &stream(), 0).unwrap();
        assert_eq!(signed.checkpoint_hash, first.checkpoint_hash);
        assert_eq!(log.sign_segment(&key, &stream(), 0).unwrap(), signed);
        let mut reopened = world::log(&store);
        let again = reopened.sign_segment(&key, &stream(), 1).unwrap();
        assert_eq!(again.checkpoint_hash, second.checkpoint_hash);
        assert_eq!(reopened.sign_segment(&key, &stream(), 2), Err(LogError::SegmentNotFound));
        assert_eq!(reopened.read_checkpoint(&stream(), Some(302)).unwrap(), signed.note);
        assert_eq!(reopened.read_checkpoint(&stream(), None).unwrap(), again.note);
        assert_eq!(reopened.read_checkpoint(&stream(), Some(303)), Err(LogError::SegmentNotFound));
        let segments = reopened.list_segments(&stream(), 0, 10).unwrap();
        assert_eq!(segments.iter().map(|info| (info.number, info.signed)).collect::<Vec<_>>(), [(0, true), (1, true)]);
        let trust = pinned(algorithm);
        let report = reopened.verify(&stream(), &trust).unwrap();
        assert_eq!((report.finding, report.signed, report.open_tail), (None, Some((0, 303)), None));
        assert_eq!((report.entries, report.segments, report.checkpoints), (304, 2, 2));
        assert_eq!(report.signers.len(), 1);
        reopened.verify_segment_signature(&stream(), 1, &trust).unwrap();
        let other = pinned(Algorithm::ALL.into_iter().find(|other| *other != algorithm).unwrap());
        assert_eq!(reopened.verify(&stream(), &other).unwrap().finding.unwrap().kind, FindingKind::WrongKey);
        let proof = reopened.build_inclusion_proof(&stream(), 7, None).unwrap();
        let body = encode_entry(&reopened.read(&stream(), 7).unwrap().entry).unwrap();
        assert_eq!(verify_inclusion_proof(&body, &proof, &second.root), Ok(true));
        assert_eq!(verify_inclusion_proof(&body, &proof, &first.root), Ok(false));
        let consistency = reopened.build_consistency_proof(&stream(), 302, 304).unwrap();
        assert!(verify_consistency_proof(&consistency, &first.root, &second.root));
        assert!(!verify_consistency_proof(&consistency, &second.root, &first.root));
    }
}

#[test]
fn another_key_does_not_continue_a_signed_stream() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append(&stream(), event("x")).unwrap();
    log.close_segment(&stream()).unwrap();
    log.sign_segment(&ed25519(), &stream(), 0).unwrap();
    log.append(&stream(), event("y")).unwrap();
    log.close_segment(&stream()).unwrap();
    let other = FixedKey::log(Algorithm::EcdsaP256);
    assert!(matches!(log.sign_segment(&other, &stream(), 0), Err(LogError::Untrusted(_))));
    assert!(matches!(log.sign_segment(&other, &stream(), 1), Err(LogError::Untrusted(_))));
    log.sign_segment(&ed25519(), &stream(), 1).unwrap();
}

#[test]
fn an_erased_payload_is_gone_and_the_log_is_whole() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append_batch(&stream(), &events(10), Want::Synced).unwrap();
    log.close_segment(&stream()).unwrap();
    log.sign_segment(&ed25519(), &stream(), 0).unwrap();
    log.erase_payload(&stream(), 3, 5, "request 17").unwrap();
    assert_eq!(log.read(&stream(), 4).unwrap().payload, None);
    assert!(log.read(&stream(), 6).unwrap().payload.is_some());
    log.verify_chain(&stream(), 0, 10).unwrap();
    let report = log.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert_eq!((report.finding, report.erased), (None, 3));
    store.rows(RowKind::Entry, |rows| rows[7].payload = None);
    let kind = log.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap().finding.unwrap();
    assert_eq!((kind.kind, kind.first_seqno, kind.last_seqno), (FindingKind::PayloadMissing, 7, 7));
    assert_eq!(kind_of(log.verify_chain(&stream(), 0, 10).unwrap_err()), FindingKind::PayloadMissing);
}

#[test]
fn opening_finishes_an_erasure_that_a_crash_interrupted() {
    let store = Shared::default();
    let mut first = log(&store);
    first.append_batch(&stream(), &events(10), Want::Synced).unwrap();
    *store.fail_erase.borrow_mut() = Some(StoreError::Io("unplugged".into()));
    assert!(matches!(first.erase_payload(&stream(), 3, 5, "request 17"), Err(LogError::Store(StoreError::Io(_)))));
    assert!(store.rows(RowKind::Entry, |rows| rows[4].payload.is_some()));
    log(&store).head(&stream()).unwrap();
    assert!(store.rows(RowKind::Entry, |rows| rows[3..6].iter().all(|row| row.payload.is_none())));
}

/// Who opens a log read-only to judge it must be able to read it, whatever its writer left undone.
#[test]
fn an_erasure_that_may_not_be_finished_here_is_left_to_others() {
    let store = Shared::default();
    let mut first = log(&store);
    first.append_batch(&stream(), &events(10), Want::Synced).unwrap();
    *store.fail_erase.borrow_mut() = Some(StoreError::Io("unplugged".into()));
    first.erase_payload(&stream(), 3, 5, "request 17").unwrap_err();
    *store.fail_erase.borrow_mut() = Some(StoreError::read_only());
    let mut judge = log(&store);
    assert_eq!(judge.head(&stream()).unwrap().size, 12);
    assert!(judge.read(&stream(), 4).unwrap().payload.is_some());
    assert!(store.fail_erase.borrow().is_none(), "it was tried");
    // The one who asks for an erasure is told that there was none.
    *store.fail_erase.borrow_mut() = Some(StoreError::read_only());
    assert_eq!(judge.erase_payload(&stream(), 3, 5, "request 17"), Err(LogError::Store(StoreError::read_only())));
    log(&store).head(&stream()).unwrap();
    assert!(store.rows(RowKind::Entry, |rows| rows[3..6].iter().all(|row| row.payload.is_none())));
}

#[test]
fn a_closed_stream_takes_only_erasures_and_seals() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    writer.close_stream(&stream(), "end of year").unwrap();
    for log in [&mut writer, &mut log(&store)] {
        assert_eq!(log.append(&stream(), event("y")), Err(LogError::StreamClosed));
        assert_eq!(log.close_stream(&stream(), "again"), Err(LogError::StreamClosed));
        assert_eq!(log.close_segment(&stream()), Err(LogError::EmptySegment));
    }
    writer.erase_payload(&stream(), 1, 1, "request").unwrap();
    writer.close_segment(&stream()).unwrap();
    for _ in 0..300 {
        writer.erase_payload(&stream(), 1, 1, "again").unwrap();
    }
    assert!(log(&store).list_streams(None, 1).unwrap()[0].closed, "300 erasures later");
    assert_eq!(writer.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap().finding, None);
}

#[test]
fn writers_that_race_lose_nothing_and_fork_nothing() {
    let store = Shared::default();
    let (mut one, mut two) = (log(&store), log(&store));
    for round in 0..600 {
        let writer = if round % 3 == 0 { &mut one } else { &mut two };
        writer.append(&stream(), keyed(&format!("round {round}"), &format!("key {round}"))).unwrap();
    }
    two.close_segment(&stream()).unwrap();
    one.append(&stream(), event("after the seal of another")).unwrap();
    one.close_segment(&stream()).unwrap();
    two.sign_segment(&ed25519(), &stream(), 0).unwrap();
    one.sign_segment(&ed25519(), &stream(), 1).unwrap();
    let report = log(&store).verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert_eq!((report.finding, report.entries), (None, 604));
    assert_eq!(one.head(&stream()).unwrap().root, two.head(&stream()).unwrap().root);
}

#[test]
fn sixteen_lost_races_are_a_conflict() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    let mut other = log(&store);
    let before = store.rows(RowKind::Entry, |rows| rows.len());
    for _ in 0..16 {
        other.append(&stream(), event("other")).unwrap();
    }
    let mut rows = store.rows(RowKind::Entry, |rows| rows.split_off(before));
    rows.reverse();
    *store.race.borrow_mut() = rows.into_iter().map(|row| vec![row]).collect();
    store.race.borrow_mut().reverse();
    store.race.borrow_mut().sort_by_key(|rows| std::cmp::Reverse(rows[0].index));
    assert_eq!(writer.append(&stream(), event("mine")), Err(LogError::Conflict));
    assert_eq!(writer.append(&stream(), event("mine")).unwrap().seqno, 18);
}

#[test]
fn a_failed_write_poisons_until_the_same_open() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append(&stream(), event("x")).unwrap();
    for error in [StoreError::Io("disk".into()), StoreError::NoSpace] {
        *store.fail_append.borrow_mut() = Some((error.clone(), false));
        assert_eq!(log.append(&stream(), event("y")), Err(LogError::Store(error.clone())));
        assert_eq!(log.head(&stream()), Err(LogError::Store(error)));
        assert_eq!(log.open("another"), Err(LogError::AlreadyOpen));
        log.open(":memory:").unwrap();
        assert_eq!(log.head(&stream()).unwrap().size, 2);
    }
}

#[test]
fn a_lost_answer_is_resolved_by_reading_back() {
    for committed in [false, true] {
        let store = Shared::default();
        let mut log = log(&store);
        log.append(&stream(), event("x")).unwrap();
        *store.fail_append.borrow_mut() = Some((StoreError::Unavailable("lost".into()), committed));
        let error = log.append(&stream(), keyed("y", "once")).unwrap_err();
        assert!(matches!(error, LogError::Store(StoreError::Unavailable(_))));
        assert_eq!(log.append(&stream(), keyed("y", "once")).unwrap().seqno, 2);
        assert_eq!(log.head(&stream()).unwrap().size, 3);
        log.verify_chain(&stream(), 0, 2).unwrap();
    }
}

#[test]
fn an_unnamed_log_fixes_its_name_with_its_first_stream() {
    let store = Shared::default();
    let mut first = opened(&store, None, Config::default());
    first.append(&stream(), event("x")).unwrap();
    let origin = first.list_streams(None, 1).unwrap()[0].origin.clone();
    assert!(origin.starts_with("local-") && origin.ends_with(&format!(".invalid/{STREAM}")));
    let mut second = opened(&store, None, Config::default());
    second.append(&StreamId::try_from("other").unwrap(), event("x")).unwrap();
    let other = second.list_streams(Some(&StreamId::try_from("a").unwrap()), 5).unwrap();
    assert_eq!(other.len(), 2);
    assert!(other.iter().all(|info| info.origin.split('/').next() == origin.split('/').next()));
    assert_eq!(kind_of(log(&store).head(&stream()).unwrap_err()), FindingKind::OriginWrong);
}

#[test]
fn an_entry_zero_of_another_log_is_tampering_and_nothing_is_signed() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    writer.close_segment(&stream()).unwrap();
    let name = secure_log::types::LogName::try_from("evil.example.org").unwrap();
    let mut other = opened(&store, None, Config { name: Some(name), ..Config::default() });
    assert_eq!(kind_of(other.sign_segment(&ed25519(), &stream(), 0).unwrap_err()), FindingKind::OriginWrong);
    assert!(LOG_NAME != "evil.example.org");
}

#[test]
fn a_store_behind_the_remembered_head_is_a_rollback() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut writer = log_with_heads(&store, &heads);
    writer.append(&stream(), event("x")).unwrap();
    writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&ed25519(), &stream(), 0).unwrap();
    let old = store.deep_clone();
    writer.append(&stream(), event("y")).unwrap();
    writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&ed25519(), &stream(), 1).unwrap();
    assert_eq!(log_with_heads(&store, &heads).head(&stream()).unwrap().size, 5);
    assert_eq!(kind_of(log_with_heads(&old, &heads).head(&stream()).unwrap_err()), FindingKind::RolledBack);
    let report = log_with_heads(&old, &heads).verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert_eq!(report.finding.unwrap().kind, FindingKind::RolledBack);
    let empty = Shared::default();
    assert_eq!(
        kind_of(log_with_heads(&empty, &heads).append(&stream(), event("z")).unwrap_err()),
        FindingKind::RolledBack
    );
    let mut forked = log(&old);
    forked.append(&stream(), event("another history")).unwrap();
    forked.close_segment(&stream()).unwrap();
    assert_eq!(kind_of(log_with_heads(&old, &heads).head(&stream()).unwrap_err()), FindingKind::RolledBack);
}

#[test]
fn a_signed_stream_without_a_remembered_head_must_be_adopted() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&ed25519(), &stream(), 0).unwrap();
    assert_eq!(kind_of(log_with_heads(&store, &heads).head(&stream()).unwrap_err()), FindingKind::RolledBack);
    let adopting = Config { adopt_heads: true, ..world::config() };
    assert_eq!(opened(&store, Some(&heads), adopting).head(&stream()).unwrap().size, 3);
    assert_eq!(log_with_heads(&store, &heads).head(&stream()).unwrap().size, 3);
}

#[test]
fn signing_resumes_after_a_crash_between_head_and_checkpoint_row() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut writer = log_with_heads(&store, &heads);
    writer.append(&stream(), event("x")).unwrap();
    writer.close_segment(&stream()).unwrap();
    writer.sync(&stream()).unwrap();
    *store.race.borrow_mut() = Vec::new();
    let fail = store.fail_append.clone();
    // The sync of sign_segment is the first append; let it pass by failing only the checkpoint row.
    struct FailsSecond(std::rc::Rc<std::cell::RefCell<Option<(StoreError, bool)>>>, FixedKey);
    impl secure_log::signer::Signer for FailsSecond {
        fn algorithm(&self) -> Algorithm {
            self.1.algorithm()
        }
        fn public_key(&self) -> Vec<u8> {
            self.1.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, secure_log::signer::SignerError> {
            *self.0.borrow_mut() = Some((StoreError::Io("power cut".into()), false));
            self.1.sign(message)
        }
    }
    let key = FailsSecond(fail, ed25519());
    assert!(matches!(writer.sign_segment(&key, &stream(), 0), Err(LogError::Store(StoreError::Io(_)))));
    assert_eq!(heads.0.borrow()[ORIGIN].size, 3);
    let mut next = log_with_heads(&store, &heads);
    next.sign_segment(&ed25519(), &stream(), 0).unwrap();
    let report = next.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert_eq!((report.finding, report.head_checked), (None, true));
}

#[test]
fn wrong_node_rows_feed_no_seal_and_no_signature() {
    let store = Shared::default();
    let mut writer = log(&store);
    fill(&mut writer, 700);
    let honest = writer.head(&stream()).unwrap().root;
    store.rows(RowKind::Node1, |rows| rows[1].body[0] ^= 1);
    let mut reopened = log(&store);
    assert_ne!(reopened.head(&stream()).unwrap().root, honest, "a head may be wrong, it is only a claim");
    reopened.close_segment(&stream()).unwrap();
    reopened.sign_segment(&ed25519(), &stream(), 0).unwrap();
    let report = reopened.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert_eq!(report.finding.unwrap().kind, FindingKind::NodeWrong);
    store.rows(RowKind::Node1, |rows| rows[1].body[0] ^= 1);
    assert_eq!(log(&store).verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap().finding, None);
}

#[test]
fn a_producers_signature_is_checked_on_append_and_may_not_be_replayed() {
    let store = Shared::default();
    let mut writer = log(&store);
    let producer = FixedKey::author();
    let signed = |number: u64, text: &str| {
        author::sign(NewEvent { salt: Some([9; 16]), ..event(text) }, ORIGIN, number, &producer).unwrap()
    };
    writer.append(&stream(), signed(1, "a")).unwrap();
    writer.append(&stream(), signed(5, "b")).unwrap();
    assert!(matches!(writer.append(&stream(), signed(5, "b")), Err(LogError::Untrusted(_))));
    assert!(matches!(log(&store).append(&stream(), signed(2, "c")), Err(LogError::Untrusted(_))));
    let other_text = NewEvent { payload: Some(b"changed".to_vec()), ..signed(6, "d") };
    assert!(matches!(writer.append(&stream(), other_text), Err(LogError::Untrusted(_))));
    let mut trust = pinned(Algorithm::Ed25519);
    trust.require_author = true;
    assert_eq!(writer.verify(&stream(), &trust).unwrap().finding, None);
    writer.append(&stream(), event("unsigned")).unwrap();
    assert_eq!(writer.verify(&stream(), &trust).unwrap().finding.unwrap().kind, FindingKind::AuthorWrong);
}

#[test]
fn a_stream_that_demands_its_producers_takes_no_unsigned_and_no_foreign_event() {
    let store = Shared::default();
    let (till, foreign) = (FixedKey::author(), FixedKey::seeded(Algorithm::EcdsaP256, 7));
    let demand = format!("{STREAM} {}\n", till.vkey("till-7"));
    let demand = author::Demand::parse(&demand).unwrap();
    let mut log = opened(&store, None, Config { authors: demand.clone(), ..world::config() });
    let signed = |key: &FixedKey, number| {
        author::sign(NewEvent { salt: Some([9; 16]), ..event("x") }, ORIGIN, number, key).unwrap()
    };
    log.append(&stream(), signed(&till, 1)).unwrap();
    let size = log.head(&stream()).unwrap().size;
    let batch = |last: NewEvent| [signed(&till, 2), last];
    for (bad, why) in [(event("x"), "does not bear"), (signed(&foreign, 3), "none of the keys")] {
        match log.append_batch(&stream(), &batch(bad), Want::Synced) {
            Err(LogError::Untrusted(told)) => assert!(told.contains("till-7") && told.contains(why), "{told}"),
            other => panic!("{other:?}"),
        }
    }
    let altered = NewEvent { severity: Severity::Alert, ..signed(&till, 3) };
    assert!(matches!(log.append(&stream(), altered), Err(LogError::Untrusted(_))));
    assert_eq!(log.head(&stream()).unwrap().size, size, "nothing of a refused batch was appended");
    let elsewhere = StreamId::try_from("elsewhere").unwrap();
    log.append(&elsewhere, event("unsigned")).unwrap();

    // A server without that demand invents an event: the auditor who has the same list finds it.
    let mut trust = pinned(Algorithm::Ed25519);
    (trust.authors, trust.require_author) = (demand.keys(&stream()).to_vec(), true);
    assert_eq!(log.verify(&stream(), &trust).unwrap().finding, None);
    for invented in [event("unsigned"), signed(&foreign, 1)] {
        let copy = store.deep_clone();
        let seqno = world::log(&copy).append(&stream(), invented).unwrap().seqno;
        let finding = world::log(&copy).verify(&stream(), &trust).unwrap().finding.unwrap();
        assert_eq!((finding.kind, finding.first_seqno), (FindingKind::AuthorWrong, seqno));
    }
}
