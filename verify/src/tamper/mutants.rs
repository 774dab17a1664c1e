//! The mutants of the matrix that are rows: each record, each byte of a row, each suffix, each rewriting, most of them
//! both as they are and with every unkeyed hash recomputed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use secure_log::encode::{decode_entry, encode_entry};
use secure_log::payload;
use secure_log::store::{Row, RowKind};
use secure_log::types::Severity;

use super::is_seal;
use super::matrix::Small;
use super::state::State;
use crate::ledger::{Ledger, Line};

/// A family: its name, of how many one is a sample, its classes, and its mutants.
type Family = (&'static str, usize, &'static str, fn(&Small) -> Result<Vec<Mutant>>);

/// All families.
pub const FAMILIES: &[Family] = &[
    ("records deleted", 3, DELETED, deleted),
    ("records duplicated", 3, DUPLICATED, duplicated),
    ("records swapped", 3, SWAPPED, swapped),
    ("records of another stream", 3, FOREIGN, foreign),
    ("suffixes cut", 2, CUT_ROWS, suffixes),
    ("bytes of rows flipped", 120, FLIPPED_ROWS, flipped_rows),
    ("rewritten, hashes recomputed", 3, REWRITTEN, rewritten),
    ("bytes flipped, hashes recomputed", 60, REWRITTEN, flipped_rechained),
    ("older state, other tail", 1, REWRITTEN, other_tails),
];

const DELETED: &str = "chain-broken|checkpoint-forged|checkpoint-missing|entry-inserted|entry-missing|node-wrong|\
                       not witnessed|origin-wrong|payload-missing|rolled-back|root-mismatch|truncated";
const DUPLICATED: &str =
    "checkpoint-forged|entry-inserted|entry-missing|node-wrong|not witnessed|rolled-back|root-mismatch";
const SWAPPED: &str = "checkpoint-forged|entry-inserted|entry-missing|node-wrong|not witnessed|origin-wrong|payload-altered|\
                       payload-missing|rolled-back|root-mismatch|time-decreased|truncated";
const FOREIGN: &str = "checkpoint-forged|entry-inserted|entry-missing|node-wrong|not witnessed|origin-wrong|rolled-back|\
                       root-mismatch|time-decreased|wrong-key";
const CUT_ROWS: &str = "not witnessed|payload-missing|rolled-back|stream-not-found|truncated";
const FLIPPED_ROWS: &str = "chain-broken|checkpoint-forged|entry-altered|entry-inserted|entry-missing|node-wrong|not witnessed|\
                            origin-wrong|payload-altered|rolled-back|root-mismatch|store(corrupt)|time-decreased|unsupported|\
                            wrong-key";
const REWRITTEN: &str = "entry-altered|entry-missing|not witnessed|origin-wrong|payload-altered|payload-missing|rolled-back|\
                         root-mismatch|time-decreased";

/// Rows that a store holds instead of the honest ones.
pub struct Mutant {
    /// What was done.
    pub what: String,
    /// With dense indices.
    pub rows: Vec<Row>,
}

/// Gives rows of each kind dense indices again, as any store demands.
fn renumbered(mut rows: Vec<Row>) -> Vec<Row> {
    let mut next: BTreeMap<RowKind, u64> = BTreeMap::new();
    for row in &mut rows {
        let index = next.entry(row.kind).or_default();
        row.index = *index;
        *index += 1;
    }
    rows
}

/// One mutant a row, and for entries a second one with every unkeyed hash recomputed.
fn each_row(small: &Small, verb: &str, change: fn(&Small, &mut Vec<Row>, usize) -> bool) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for at in 0..small.rows.len() {
        let row = &small.rows[at];
        let what = format!("{verb} {} {}", row.kind.as_str(), row.index);
        let mut rows = small.rows.clone();
        if change(small, &mut rows, at) {
            let rows = renumbered(rows);
            if let Some(rows) = rechained(small, &rows) {
                mutants.push(Mutant { what: format!("{what}, recomputed"), rows });
            }
            mutants.push(Mutant { what, rows });
        }
    }
    Ok(mutants)
}

/// The rows with every unkeyed hash recomputed, if their entries can be decoded.
fn rechained(small: &Small, rows: &[Row]) -> Option<Vec<Row>> {
    let mut state = State {
        ledger: Ledger { lines: Vec::new(), ..small.honest.ledger.clone() },
        cosignatures: small.honest.cosignatures.clone(),
    };
    for row in rows.iter().filter(|row| row.kind == RowKind::Entry) {
        let mut entry = decode_entry(&row.body).ok()?;
        entry.stream_id = state.ledger.stream.clone();
        state.ledger.lines.push(Line { entry, stored: row.payload.clone() });
    }
    state.ledger.rechain().ok()?;
    let rest = rows.iter().filter(|row| matches!(row.kind, RowKind::Checkpoint | RowKind::Cosignature)).cloned();
    let made = state.ledger.rows().ok()?.into_iter().filter(|row| row.kind != RowKind::Checkpoint);
    Some(made.chain(rest).collect())
}

fn deleted(small: &Small) -> Result<Vec<Mutant>> {
    each_row(small, "delete", |_, rows, at| {
        rows.remove(at);
        true
    })
}

fn duplicated(small: &Small) -> Result<Vec<Mutant>> {
    each_row(small, "duplicate", |_, rows, at| {
        rows.insert(at, rows[at].clone());
        true
    })
}

fn swapped(small: &Small) -> Result<Vec<Mutant>> {
    each_row(small, "swap", |_, rows, at| {
        let kind = rows[at].kind;
        let next = (at + 1..rows.len()).find(|next| rows[*next].kind == kind);
        next.map(|next| rows.swap(at, next)).is_some()
    })
}

fn foreign(small: &Small) -> Result<Vec<Mutant>> {
    each_row(small, "foreign", |small, rows, at| {
        let place = |row: &&Row| row.kind == rows[at].kind && row.index == rows[at].index;
        let Some(other) = small.other.iter().find(place) else { return false };
        rows[at] = Row { stream_id: rows[at].stream_id.clone(), ..other.clone() };
        true
    })
}

/// Each suffix of entries cut, alone and with what signs them; each suffix of signed statements cut.
fn suffixes(small: &Small) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for keep in 0..small.honest.ledger.lines.len() {
        let only: Vec<Row> =
            small.rows.iter().filter(|row| row.kind != RowKind::Entry || row.index < keep as u64).cloned().collect();
        mutants.push(Mutant { what: format!("entries cut at {keep}"), rows: only });
        mutants.push(Mutant { what: format!("all cut at {keep}"), rows: small.honest.until(keep).rows()? });
    }
    for notes in 0..=small.honest.ledger.notes.len() {
        for cosignatures in 0..=small.honest.cosignatures.len() {
            let mut state = small.honest.clone();
            state.ledger.notes.truncate(notes);
            state.cosignatures.truncate(cosignatures);
            mutants
                .push(Mutant { what: format!("{notes} notes, {cosignatures} cosignatures left"), rows: state.rows()? });
        }
    }
    Ok(mutants)
}

fn flipped(small: &Small, mut each: impl FnMut(String, Vec<Row>)) {
    for (at, row) in small.rows.iter().enumerate() {
        let payload = row.payload.as_ref().map_or(0, Vec::len);
        for byte in 0..row.body.len() + payload {
            let mut rows = small.rows.clone();
            let bytes = match byte.checked_sub(row.body.len()) {
                None => rows[at].body.get_mut(byte),
                Some(byte) => rows[at].payload.as_mut().and_then(|payload| payload.get_mut(byte)),
            };
            if let Some(bytes) = bytes {
                *bytes ^= 1 << (byte % 8);
            }
            each(format!("byte {byte} of {} {}", row.kind.as_str(), row.index), rows);
        }
    }
}

fn flipped_rows(small: &Small) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    flipped(small, |what, rows| mutants.push(Mutant { what, rows }));
    Ok(mutants)
}

fn flipped_rechained(small: &Small) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    flipped(small, |what, rows| {
        if let Some(rows) = rechained(small, &rows).filter(|made| *made != rows && *made != small.rows) {
            mutants.push(Mutant { what: format!("{what}, recomputed"), rows });
        }
    });
    Ok(mutants)
}

/// Every entry reworded, every payload replaced with its commitment, every payload dropped; all hashes recomputed.
fn rewritten(small: &Small) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for at in 0..small.honest.ledger.lines.len() {
        let mut severity = small.honest.clone();
        severity.ledger.lines[at].entry.event.severity = Severity::Debug;
        let mut replaced = small.honest.clone();
        let stored = payload::stored(&[9; 16], b"1000000 EUR to mallory");
        let mut dropped = small.honest.clone();
        dropped.ledger.lines[at].stored = None;
        let mut states = vec![("severity", severity)];
        if small.honest.ledger.lines[at].entry.event.payload.is_some() {
            replaced.ledger.lines[at].entry.event.payload = Some(payload::reference(None, &stored)?);
            replaced.ledger.lines[at].stored = Some(stored);
            states.extend([("payload", replaced), ("no payload", dropped)]);
        }
        for (what, mut state) in states {
            // A system entry has one severity only: what can not be encoded nobody can store.
            if state.ledger.rechain().is_err() || encode_entry(&state.ledger.lines[at].entry).is_err() {
                continue;
            }
            mutants.push(Mutant { what: format!("{what} of {at}"), rows: state.rows()? });
        }
    }
    mutants.retain(|mutant| mutant.rows != small.rows);
    Ok(mutants)
}

/// The notes from some segment on taken away and an entry after it rewritten: an older state and another tail.
fn other_tails(small: &Small) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for notes in 0..=small.honest.ledger.notes.len() {
        for at in [1, 6, 10, 13] {
            let mut state = small.honest.clone();
            state.ledger.notes.truncate(notes);
            state.cosignatures.retain(|(segment, _)| *segment < notes as u64);
            let line = state.ledger.lines.get_mut(at).context("the small log is smaller")?;
            line.entry.event.severity = Severity::Debug;
            if is_seal(line) {
                bail!("entry {at} is a seal");
            }
            state.ledger.rechain()?;
            mutants.push(Mutant { what: format!("{notes} notes left, {at} rewritten"), rows: state.rows()? });
        }
    }
    Ok(mutants)
}
