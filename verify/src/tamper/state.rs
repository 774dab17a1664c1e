//! One state of a small log outside of any store: what an attacker changes, and what can be said of it without asking
//! for the product's verdict. The matrix holds every verdict against this second opinion.

use anyhow::{Context as _, Result, ensure};
use secure_log::encode::{decode_cosignature, decode_entry, encode_cosignature};
use secure_log::note::{Note, SignatureLine, VerifiedCheckpoint, VerifierKey};
use secure_log::store::{Row, RowKind};

use super::limits::Limit;
use crate::ledger::{Ledger, Line};

/// A stream with the cosignatures that its store keeps.
#[derive(Clone)]
pub struct State {
    /// Entries, and each note with the log's own signature only.
    pub ledger: Ledger,
    /// Segment and line, in order.
    pub cosignatures: Vec<(u64, String)>,
}

/// What an auditor knows from elsewhere, in entries; 0: nothing.
#[derive(Clone, Copy)]
pub struct Sighting {
    /// By a remembered head.
    pub head: u64,
    /// By a witness that cosigned, and whose cosignature he demands.
    pub witness: u64,
}

/// The keys that an auditor pinned.
pub struct Pins {
    /// The log's.
    pub log: VerifierKey,
    /// The witness's.
    pub witness: VerifierKey,
}

impl State {
    /// Takes the cosignatures out of notes that a component merged.
    ///
    /// # Errors
    /// A note is none.
    pub fn of_export(mut ledger: Ledger) -> Result<State> {
        let mut cosignatures = Vec::new();
        for (segment, text) in (0..).zip(&mut ledger.notes) {
            let note = Note::parse(text)?;
            let (own, others): (Vec<SignatureLine>, Vec<SignatureLine>) =
                note.signatures().iter().cloned().partition(|line| line.name() == ledger.origin);
            cosignatures.extend(others.iter().map(|line| (segment, line.to_string())));
            *text = Note::new(note.text(), own)?.to_string();
        }
        Ok(State { ledger, cosignatures })
    }

    /// Reads rows of one stream as an auditor would who believes nothing but their bytes.
    ///
    /// # Errors
    /// They are not the rows of a stream: caches are wrong, bodies are not canonical.
    fn of_rows(like: &Ledger, rows: &[Row]) -> Result<State> {
        let of = |kind| rows.iter().filter(move |row| row.kind == kind);
        let mut ledger = Ledger { lines: Vec::new(), notes: Vec::new(), ..like.clone() };
        for row in of(RowKind::Entry) {
            ledger.lines.push(Line { entry: decode_entry(&row.body)?, stored: row.payload.clone() });
        }
        for row in of(RowKind::Checkpoint) {
            ledger.notes.push(std::str::from_utf8(&row.body)?.to_owned());
        }
        let caches = ledger.rows()?;
        let is_cache = |row: &&Row| !matches!(row.kind, RowKind::Entry | RowKind::Checkpoint | RowKind::Cosignature);
        ensure!(rows.iter().filter(is_cache).eq(caches.iter().filter(is_cache)), "cached rows");
        ensure!(of(RowKind::Cosignature).chain(of(RowKind::Checkpoint)).all(|row| row.payload.is_none()), "payloads");
        // A cosignature row that is none is left out and stands for nothing.
        let cosignatures = of(RowKind::Cosignature).filter_map(|row| decode_cosignature(&row.body).ok()).collect();
        Ok(State { ledger, cosignatures })
    }

    /// The rows a store holds in this state.
    ///
    /// # Errors
    /// An entry can not be encoded.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let mut rows = self.ledger.rows()?;
        for (index, (segment, line)) in (0..).zip(&self.cosignatures) {
            let (stream_id, body) = (self.ledger.stream.clone(), encode_cosignature(*segment, line));
            rows.push(Row { kind: RowKind::Cosignature, stream_id, index, body, payload: None });
        }
        Ok(rows)
    }

    /// The first `entries` of it, with the notes and cosignatures of segments up to there.
    pub fn until(&self, entries: usize) -> State {
        let mut state = self.clone();
        state.ledger.lines.truncate(entries);
        let sealed = state.ledger.lines.iter().filter(|line| super::is_seal(line)).count();
        state.ledger.notes.truncate(sealed);
        state.cosignatures.retain(|(segment, _)| *segment < state.ledger.notes.len() as u64);
        state
    }

    /// Entries under the last checkpoint that the witness cosigned.
    ///
    /// # Errors
    /// A note is none.
    pub fn witnessed(&self, pins: &Pins) -> Result<u64> {
        let signed = self.ledger.notes.len() as u64;
        // A row of a smaller segment than a row before it comes after its turn and is left out.
        let mut turn = 0;
        let in_turn = |(of, _): &&(u64, String)| {
            let before = turn;
            turn = if *of < signed { turn.max(*of) } else { turn };
            *of >= before
        };
        let cosignatures: Vec<&(u64, String)> = self.cosignatures.iter().filter(in_turn).collect();
        let mut witnessed = 0;
        for (segment, note) in (0..).zip(&self.ledger.notes) {
            let checkpoint = VerifiedCheckpoint::open(&Note::parse(note)?, &self.ledger.origin, &[&pins.log])?;
            for (_, line) in cosignatures.iter().filter(|(of, _)| *of == segment) {
                let by = SignatureLine::parse(line)
                    .and_then(|line| checkpoint.cosignatures(&[line], std::slice::from_ref(&pins.witness)));
                if by.is_ok_and(|by| !by.is_empty()) {
                    witnessed = checkpoint.checkpoint().size;
                }
            }
        }
        Ok(witnessed)
    }

    /// The limit of what can be found that `rows` are behind, for an auditor with these sightings, if this is the
    /// honest state. `None`: they contradict themselves or a sighting, and must be found.
    pub fn hides(&self, rows: &[Row], pins: &Pins, sighting: Sighting) -> Option<Limit> {
        let state = State::of_rows(&self.ledger, rows).ok()?;
        if state.ledger.lines.is_empty() {
            return (sighting.head.max(sighting.witness) == 0).then_some(Limit::EarlierState);
        }
        let signed = state.ledger.check(&pins.log).ok()?.signed;
        let (size, seen) = (state.ledger.lines.len() as u64, sighting.head.max(sighting.witness));
        if size < seen || sighting.witness > 0 && state.witnessed(pins).ok()? < sighting.witness {
            return None;
        }
        let (ours, theirs) = (&self.ledger.lines, &state.ledger.lines);
        // A payload that was erased since may be there again: the commitment says that it is the one.
        let same = |(ours, theirs): (&Line, &Line)| {
            ours.entry == theirs.entry && (ours.stored == theirs.stored || ours.stored.is_none())
        };
        let covered = usize::try_from(signed.max(seen)).ok()?;
        if !ours.get(..covered)?.iter().zip(theirs.get(..covered)?).all(same) {
            return None;
        }
        let all_same = ours.len() == theirs.len() && ours.iter().zip(theirs).all(same);
        Some(match all_same {
            true => Limit::LastSignatures,
            false if state.ledger.notes.len() == self.ledger.notes.len() => Limit::Tail,
            false => Limit::EarlierState,
        })
    }

    /// The rows that this component gives of a stream.
    ///
    /// # Errors
    /// A call fails.
    pub fn export(log: &mut crate::host::Instance, origin: &str, stream: &str) -> Result<State> {
        State::of_export(Ledger::export(log, origin, stream)?).context("the exported notes")
    }
}
