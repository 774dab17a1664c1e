//! The small log that is tampered with, and what auditors of it have.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use secure_log::note::{Note, VerifierKey, cosignature_message, note_line};
use secure_log::signer::{Algorithm, PublicKey};
use secure_log::store::Row;

use super::STREAM;
use super::auditors::hear;
use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::Expect as _;
use crate::host::wit::{SegmentId, Want};
use crate::host::{Instance, Stack};
use crate::ledger::Ledger;
use crate::site::Site;
use crate::steps::{event, opened, origin};
use crate::tamper::state::{Pins, State};
use crate::tamper::{copy_dir, is_seal};

const OTHER: &str = "matrix/other";
const WITNESS: &str = "witness.example/w";

/// The small log and what auditors of it have.
pub struct Small {
    pub(super) site: Site,
    /// As it was made.
    pub honest: State,
    /// The same as rows.
    pub rows: Vec<Row>,
    /// Rows of the other stream.
    pub other: Vec<Row>,
    pub(super) pins: Pins,
    pub(super) policy: String,
    /// Entries known by the remembered head, and by the witness.
    pub(super) head: u64,
    pub(super) witness: u64,
    /// Copies of the store and the heads after every step, oldest first.
    pub(super) snapshots: Vec<PathBuf>,
}

/// Three signed segments, two of them witnessed, an erased payload, a tail, and a second stream.
pub(super) fn small(stack: &Stack, server: &Server, dir: &Path) -> Result<Small> {
    let endpoint = if stack.is_remote() { Some(Endpoint::start(server, dir)?) } else { None };
    let site = match &endpoint {
        None => Site::at(dir, "audit", Algorithm::Ed25519.as_str())?,
        Some(endpoint) => {
            Site::without_file(dir, "served", Algorithm::Ed25519.as_str())?.behind(&endpoint.url(), TOKEN)
        }
    };
    let public = PublicKey::parse(Algorithm::Ed25519, witness_key().verifying_key().as_bytes())?;
    let witness_vkey = VerifierKey::for_witness(WITNESS, public)?;
    let mut snapshots = Vec::new();
    let mut log = opened(stack, &site)?;
    let mut number = 0;
    let mut snapshot = |log: Instance| -> Result<Instance> {
        drop(log);
        if !stack.is_remote() {
            let kept = dir.join(format!("snapshot-{}", snapshots.len()));
            copy_dir(site.store_dir(), &kept.join("store"))?;
            copy_dir(&site.heads_dir(), &kept.join("store.heads"))?;
            snapshots.push(kept);
        }
        opened(stack, &site)
    };
    let mut paid = |payload: bool| {
        number += 1;
        event("account.paid", payload.then(|| format!("{number} EUR to bob")).as_deref().map(str::as_bytes))
    };
    for segment in 0..3 {
        let events =
            if segment == 2 { vec![paid(true), paid(true)] } else { vec![paid(true), paid(false), paid(true)] };
        log.append_batch(STREAM, &events, Want::Synced)?.works()?;
        log = snapshot(log)?;
        if segment == 1 {
            log.erase_payload(STREAM, 1, 1, "request")?.works()?;
            log = snapshot(log)?;
        }
        let info = log.close_segment(STREAM)?.works()?;
        log = snapshot(log)?;
        log.sign_segment(&site.identity(), &info.id)?.works()?;
        log = snapshot(log)?;
        if segment < 2 {
            let line = cosign(&mut log, &witness_vkey)?;
            let id = SegmentId { stream_id: STREAM.to_owned(), number: segment };
            let kept = log.add_cosignature(&id, &[line], &[witness_vkey.to_string()])?.works()?;
            ensure!(kept == 1, "the cosignature was not kept");
            log = snapshot(log)?;
        }
        if segment == 0 {
            log.append_batch(OTHER, &(0..14).map(|_| paid(true)).collect::<Vec<_>>(), Want::Synced)?.works()?;
            let info = log.close_segment(OTHER)?.works()?;
            log.sign_segment(&site.identity(), &info.id)?.works()?;
        }
    }
    log.append_batch(STREAM, &[paid(true), paid(false)], Want::Synced)?.works()?;
    let honest = State::export(&mut log, &origin(STREAM), STREAM)?;
    let other = Ledger::export(&mut log, &origin(OTHER), OTHER)?.rows()?;
    let pin = log.verifier_key(&site.identity(), STREAM)?.works()?;
    drop(log);
    let pins = Pins { log: pin.parse()?, witness: witness_vkey.clone() };
    let seals: Vec<u64> =
        (1..).zip(&honest.ledger.lines).filter(|(_, line)| is_seal(line)).map(|(size, _)| size).collect();
    let policy = format!("log {pin}\nwitness w {witness_vkey}\nquorum w\n");
    let (head, witness) = (seals[2], honest.witnessed(&pins)?);
    ensure!(witness == seals[1], "the witness saw {witness}");
    let small = Small { site, rows: honest.rows()?, honest, other, pins, policy, head, witness, snapshots };
    for heads in [true, false] {
        let heard = hear(stack, &small.site_of(heads, None), &small.policy)?;
        ensure!(
            heard.name == "none" && heard.witnessed == witness,
            "the honest log: {}, witnessed {}",
            heard.name,
            heard.witnessed
        );
    }
    Ok(small)
}

impl Small {
    /// Whether these are the honest rows, in whatever order.
    pub(super) fn is_same(&self, rows: &[Row]) -> bool {
        let sorted = |rows: &[Row]| {
            let mut rows = rows.to_vec();
            rows.sort_by_key(|row| (row.kind, row.index));
            rows
        };
        sorted(rows) == sorted(&self.rows)
    }

    /// For a guest with the heads or without, in `dir` instead of its own place.
    pub(super) fn site_of(&self, heads: bool, dir: Option<&Path>) -> Site {
        let site = dir.map_or_else(|| self.site.clone(), |dir| self.site.moved(dir));
        let site = site.quiet();
        if heads { site } else { site.without_heads() }
    }
}

/// The key of the witness: a test's, known to whoever reads this.
fn witness_key() -> SigningKey {
    SigningKey::from_bytes(&[0x77; 32])
}

/// The witness's cosignature of the newest checkpoint: its line.
fn cosign(log: &mut Instance, vkey: &VerifierKey) -> Result<String> {
    let note = Note::parse(&log.read_checkpoint(STREAM, None)?.works()?)?;
    let signature = witness_key().sign(&cosignature_message(1_767_225_600, note.text())).to_bytes();
    Ok(note_line(vkey, &[&1_767_225_600u64.to_be_bytes()[..], &signature].concat()).to_string())
}
