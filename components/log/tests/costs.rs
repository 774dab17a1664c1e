//! The cost of each operation in store calls and rows, asserted exactly: what the documentation promises.

use crate::support::FixedKey;
use crate::world::{Counts, Shared, event, events, fill, log, pinned, stream};
use secure_log::signer::Algorithm;
use secure_log::store::{RowKind, Want};

#[test]
fn an_append_or_batch_is_one_store_call_and_one_sync() {
    let store = Shared::default();
    let mut log = log(&store);
    log.append(&stream(), event("first")).unwrap();
    store.counts();
    for _ in 0..700 {
        log.append(&stream(), event("x")).unwrap();
        assert_eq!(store.counts(), Counts { append: 1, synced: 1, ..Counts::default() });
    }
    for size in [1, 100, 1000, 8192] {
        log.append_batch(&stream(), &events(size), Want::Synced).unwrap();
        assert_eq!(store.counts(), Counts { append: 1, synced: 1, ..Counts::default() });
        log.append_batch(&stream(), &events(size), Want::Written).unwrap();
        assert_eq!(store.counts(), Counts { append: 1, synced: 0, ..Counts::default() });
    }
}

#[test]
fn a_page_is_one_scan() {
    let store = Shared::default();
    let mut log = log(&store);
    fill(&mut log, 1000);
    store.counts();
    log.read_since(&stream(), 0, 500).unwrap();
    let counts = store.counts();
    assert_eq!((counts.scan, counts.get), (2, 0), "the page, and the link of the entry after it");
    log.read_since(&stream(), 501, 500).unwrap();
    let counts = store.counts();
    assert_eq!((counts.scan, counts.calls()), (1, 1), "at the end nothing comes after");
}

/// 10^6 entries stand behind the `slow` variable of check.sh; the shape is the same at 10^5.
fn large() -> usize {
    if std::env::var_os("SECURE_LOG_SLOW").is_some() { 1_000_000 } else { 100_000 }
}

#[test]
fn opening_and_proving_in_a_large_log_reads_few_rows() {
    let store = Shared::default();
    let mut writer = log(&store);
    fill(&mut writer, large());
    writer.close_segment(&stream()).unwrap();
    let mut reopened = log(&store);
    store.counts();
    reopened.head(&stream()).unwrap();
    let counts = store.counts();
    assert!(counts.calls() <= 12, "{counts:?}");
    assert!(counts.rows_read <= 256 + 3 * 255 + 8, "{counts:?}");
    reopened.build_inclusion_proof(&stream(), 4711, None).unwrap();
    let counts = store.counts();
    assert!(counts.calls() <= 12, "{counts:?}");
    reopened.build_consistency_proof(&stream(), 4711, large() as u64).unwrap();
    let counts = store.counts();
    assert!(counts.calls() <= 20, "{counts:?}");
}

#[test]
fn verifying_is_linear_in_entries_and_in_segments() {
    let calls = |entries: usize, segments: usize| {
        let store = Shared::default();
        let mut log = log(&store);
        let key = FixedKey::log(Algorithm::Ed25519);
        for number in 0..segments {
            fill(&mut log, entries / segments);
            log.close_segment(&stream()).unwrap();
            log.sign_segment(&key, &stream(), number as u64).unwrap();
        }
        store.counts();
        let report = log.verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
        assert_eq!((report.finding, report.checkpoints), (None, segments as u64));
        let counts = store.counts();
        let nodes: usize = RowKind::ALL[1..8].iter().map(|kind| store.rows(*kind, |rows| rows.len())).sum();
        let rows = report.entries as usize + 2 * segments + nodes;
        assert_eq!(counts.rows_read as usize, rows + 1, "each row once, and the last entry");
        counts.scan
    };
    let (small, large) = (calls(4_000, 4), calls(40_000, 4));
    assert!(large <= 10 * small, "{small} and {large} scans");
    let (few, many) = (calls(4_000, 10), calls(4_000, 100));
    assert!(many <= few + 2, "{few} and {many} scans");
}

#[test]
fn sealing_and_signing_read_only_what_is_new_once_an_instance_is_certified() {
    let store = Shared::default();
    let mut log = log(&store);
    let key = FixedKey::log(Algorithm::Ed25519);
    fill(&mut log, 10_000);
    log.close_segment(&stream()).unwrap();
    log.sign_segment(&key, &stream(), 0).unwrap();
    fill(&mut log, 100);
    store.counts();
    log.close_segment(&stream()).unwrap();
    let seal = store.counts();
    assert_eq!((seal.append, seal.last, seal.calls()), (1, 1, 2));
    log.sign_segment(&key, &stream(), 1).unwrap();
    let sign = store.counts();
    assert!(sign.rows_read < 101 + 256 + 255 + 10, "{sign:?}");
}
