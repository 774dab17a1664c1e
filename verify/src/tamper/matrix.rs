//! The tamper matrix: a small log of a few segments, every byte and every record of it changed, each mutant put before
//! four auditors: with and without the remembered heads, with and without a witness whose cosignature they demand.
//!
//! Each verdict is held against [`State::hides`]: what contradicts itself or a sighting must be found, by a name of its
//! family's classes; what does not is behind a [`Limit`], and must not be found. So the list is exact both ways.
//!
//! Three hands: `flip`, `lines` change bytes of the files; `rows` gives rows to a store of the attacker's own, which
//! writes them well-formed, and `rechained` recomputes every unkeyed hash before; `snapshots` puts back older files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use secure_log::encode::{decode_entry, encode_entry};
use secure_log::note::{Note, VerifierKey, cosignature_message, note_line};
use secure_log::payload;
use secure_log::signer::{Algorithm, PublicKey};
use secure_log::store::{Row, RowKind};
use secure_log::types::Severity;

use super::forged::append;
use super::limits::{LIMITS, Limit, words};
use super::state::{Pins, Sighting, State};
use super::{copy_dir, is_seal};
use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::{Expect as _, case, kind};
use crate::host::wit::{SegmentId, Signers, Trust, Want};
use crate::host::{Instance, Stack};
use crate::ledger::Ledger;
use crate::report::{Report, alive};
use crate::site::Site;
use crate::steps::{event, opened, origin};

const STREAM: &str = "matrix/main";
const OTHER: &str = "matrix/other";
const WITNESS: &str = "witness.example/w";

/// The small log and what auditors of it have.
struct Small {
    site: Site,
    honest: State,
    rows: Vec<Row>,
    other: Vec<Row>,
    pins: Pins,
    policy: String,
    /// Entries known by the remembered head, and by the witness.
    head: u64,
    witness: u64,
    /// Copies of the store and the heads after every step, oldest first.
    snapshots: Vec<PathBuf>,
}

/// Which mutants are tried: every `every`-th, from `offset` on.
#[derive(Clone, Copy)]
pub struct Sample {
    pub every: usize,
    pub offset: usize,
}

/// Numbers of mutants by what became of them.
#[derive(Default)]
struct Tally {
    mutants: usize,
    found: BTreeMap<String, usize>,
    limits: BTreeMap<Limit, usize>,
    same: usize,
    refused: usize,
    faults: Vec<String>,
}

/// Runs the matrix on one stack; `server` has the kind of store that is wanted.
pub fn cases(report: &mut Report, stack: &Stack, server: &Server, dir: &Path, slow: bool) {
    let mut made = None;
    report.step("matrix: the small log", || {
        let small = small(stack, server, &dir.join("small"))?;
        let seen = format!("{} entries, {} records", small.honest.ledger.lines.len(), small.rows.len());
        made = Some(small);
        Ok(seen)
    });
    let Some(small) = made else { return };
    let offset = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_micros() as usize);
    let sample = |every: usize| Sample { every: if slow { 1 } else { every }, offset };
    let mut limits: BTreeMap<Limit, usize> = BTreeMap::new();
    let mut run = |report: &mut Report,
                   name: &str,
                   every: usize,
                   classes: &str,
                   work: &dyn Fn(Sample, &mut Tally) -> Result<()>| {
        report.step(&format!("matrix: {name}"), || {
            let mut tally = Tally::default();
            let sample = sample(every);
            work(sample, &mut tally)?;
            for (limit, count) in &tally.limits {
                *limits.entry(*limit).or_default() += count;
            }
            tally.verdict(sample, classes)
        });
    };
    if !stack.is_remote() {
        run(report, "flipped bytes of the file", 40, FLIPPED, &|sample, tally| {
            flips(stack, &small, &dir.join("flip"), sample, tally)
        });
        run(report, "file cut at a byte", 60, CUT, &|sample, tally| {
            cuts(stack, &small, &dir.join("cut"), sample, tally)
        });
        run(report, "earlier snapshots", 1, EARLIER, &|_, tally| {
            snapshots(stack, &small, &dir.join("snapshot"), tally)
        });
    }
    let families: &[(&str, usize, &str, fn(&Small) -> Result<Vec<Mutant>>)] = &[
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
    let mut forger = None;
    report.step("matrix: the forger's store", || {
        forger = Some(Forger::start(stack, &small, server, &dir.join("forger"))?);
        Ok("takes rows as they are".into())
    });
    let Some(forger) = &forger else { return };
    for (name, every, classes, family) in families {
        run(report, name, *every, classes, &|sample, tally| {
            for mutant in sample.of(family(&small)?) {
                alive();
                forger.put(&mutant.rows, &small, tally, &mutant.what, stack)?;
            }
            Ok(())
        });
    }
    report.step("matrix: the list is exact", || {
        for limit in [Limit::Tail, Limit::LastSignatures, Limit::EarlierState] {
            ensure!(limits.contains_key(&limit), "no mutant was behind: {}", words(limit));
        }
        let counts: Vec<String> = limits.iter().map(|(limit, count)| format!("{limit:?} {count}")).collect();
        Ok(format!("nothing else was missed, nothing on it was found: {}", counts.join(", ")))
    });
}

/// Prints the list, for the end of a run.
pub fn tell_limits(report: &mut Report) {
    report.group("what can not be found");
    for (_, words) in LIMITS {
        report.note(words);
    }
}

// Classes: the names a family's mutants may be found by.
const FLIPPED: &str = "ANY";
const CUT: &str = "ANY";
const EARLIER: &str = "ANY";
const DELETED: &str = "ANY";
const DUPLICATED: &str = "ANY";
const SWAPPED: &str = "ANY";
const FOREIGN: &str = "ANY";
const CUT_ROWS: &str = "ANY";
const FLIPPED_ROWS: &str = "ANY";
const REWRITTEN: &str = "ANY";

impl Sample {
    fn of<T>(self, all: Vec<T>) -> impl Iterator<Item = T> {
        let first = self.offset % self.every;
        all.into_iter().skip(first).step_by(self.every)
    }
}

impl Tally {
    fn verdict(&self, sample: Sample, classes: &str) -> Result<String> {
        let list = |counts: &BTreeMap<String, usize>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let limits = self.limits.iter().map(|(limit, count)| (format!("{limit:?}"), *count)).collect();
        let stray: Vec<&String> = self
            .found
            .keys()
            .filter(|name| classes != "ANY" && !classes.split('|').any(|class| class == *name))
            .collect();
        ensure!(
            self.faults.is_empty(),
            "{} faults: {}",
            self.faults.len(),
            self.faults.iter().take(6).cloned().collect::<Vec<_>>().join(" ; ")
        );
        ensure!(stray.is_empty(), "found as {stray:?}, which is no class of this family");
        ensure!(self.mutants > 0, "no mutant was tried");
        let sampled = if sample.every > 1 {
            format!(" (every {}th from {})", sample.every, sample.offset % sample.every)
        } else {
            String::new()
        };
        Ok(format!(
            "{} mutants{sampled}; found: {}; on the list: {}; no difference {}; not storable {}",
            self.mutants,
            list(&self.found),
            list(&limits),
            self.same,
            self.refused
        ))
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

/// Three signed segments, two of them witnessed, an erased payload, a tail, and a second stream.
fn small(stack: &Stack, server: &Server, dir: &Path) -> Result<Small> {
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
    /// For a guest with the heads or without, in `dir` instead of its own place.
    fn site_of(&self, heads: bool, dir: Option<&Path>) -> Site {
        let site = dir.map_or_else(|| self.site.clone(), |dir| self.site.moved(dir));
        if heads { site } else { site.without_heads() }
    }
}

/// What one auditor hears.
struct Heard {
    /// Kind of the finding, case of the error, or `none`.
    name: String,
    /// Entries under the last witnessed checkpoint.
    witnessed: u64,
}

/// Opens, verifies, and asks for the head, which finds what keeps the log from going on. A trap is an error.
fn hear(stack: &Stack, site: &Site, policy: &str) -> Result<Heard> {
    let refused = |error| Ok(Heard { name: case(&error), witnessed: 0 });
    let trust = Trust { signers: Signers::Policy(policy.to_owned()), authors: Vec::new(), require_author: false };
    let mut log = stack.start(site)?;
    if let Err(error) = log.open(&site.config())? {
        return refused(error);
    }
    let report = match log.verify(STREAM, &trust)? {
        Err(error) => return refused(error),
        Ok(report) => report,
    };
    if let Some(found) = report.finding {
        return Ok(Heard { name: kind(found.kind).to_owned(), witnessed: 0 });
    }
    if let Err(error) = log.head(STREAM)? {
        return refused(error);
    }
    Ok(Heard { name: "none".into(), witnessed: report.witnessed.map_or(0, |range| range.last + 1) })
}

/// Puts a mutant before the four auditors. `rows`: what the store holds; absent: what the component gives of it.
/// `head`: entries that the heads in `dir` know.
fn judge(
    stack: &Stack,
    small: &Small,
    sites: [&Site; 2],
    head: u64,
    rows: Option<&[Row]>,
    what: &str,
    tally: &mut Tally,
) -> Result<()> {
    tally.mutants += 1;
    let mut exported: Option<Vec<Row>> = rows.map(<[Row]>::to_vec);
    for (site, head) in sites.into_iter().zip([head, 0]) {
        let heard = match hear(stack, site, &small.policy) {
            Ok(heard) => heard,
            Err(trap) => {
                tally.faults.push(format!("{what}: {trap:#}"));
                return Ok(());
            }
        };
        for witness in [0, small.witness] {
            let name = match heard.name == "none" && heard.witnessed < witness {
                true => "not witnessed",
                false => heard.name.as_str(),
            };
            if name == "none" && exported.is_none() {
                exported = Some(State::export(&mut opened(stack, sites[1])?, &origin(STREAM), STREAM)?.rows()?);
            }
            let rows = exported.as_deref().unwrap_or_default();
            if rows == small.rows.as_slice() && name == "none" {
                tally.same += 1;
                continue;
            }
            // Without a verdict of "none" a mutant of bytes was found, whatever its rows are.
            let hides = if exported.is_none() {
                None
            } else {
                small.honest.hides(rows, &small.pins, Sighting { head, witness })
            };
            match (name, hides) {
                ("none", Some(limit)) => *tally.limits.entry(limit).or_default() += 1,
                ("none", None) => tally.faults.push(format!("{what}: not found (head {head}, witness {witness})")),
                (name, Some(limit)) if tally.is_exact(name) && rows != small.rows.as_slice() => {
                    tally.faults.push(format!(
                        "{what}: {name}, though {limit:?} is on the list (head {head}, witness {witness})"
                    ));
                }
                (name, _) => *tally.found.entry(name.to_owned()).or_default() += 1,
            }
        }
    }
    Ok(())
}

impl Tally {
    /// Whether this name says that entries or sightings contradict one another; a damaged file says only that it is one.
    fn is_exact(&self, name: &str) -> bool {
        !name.starts_with("store(")
    }
}

/// Empties a directory and copies another into it.
fn restore(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy_dir(from, to)
}

/// The log in a place of its own, with the heads and keys it has.
fn settled(small: &Small, dir: &Path) -> Result<[Site; 2]> {
    let sites = [small.site_of(true, Some(dir)), small.site_of(false, Some(dir))];
    for ((from, _), (to, _)) in small.site.preopens().iter().zip(sites[0].preopens()) {
        restore(from, &to)?;
    }
    Ok(sites)
}

/// Changes the bytes of the file in the ways of `mutants`, each on a fresh copy.
fn file_mutants(
    stack: &Stack,
    small: &Small,
    dir: &Path,
    mutants: impl Iterator<Item = (String, Vec<u8>)>,
    tally: &mut Tally,
) -> Result<()> {
    let sites = settled(small, dir)?;
    let file = sites[0].file().context("a local store")?;
    for (what, bytes) in mutants {
        alive();
        restore(small.site.store_dir(), sites[0].store_dir())?;
        fs::write(&file, bytes)?;
        if let Err(error) = judge(stack, small, [&sites[0], &sites[1]], small.head, None, &what, tally) {
            tally.faults.push(format!("{what}: {error:#}"));
        }
    }
    Ok(())
}

fn flips(stack: &Stack, small: &Small, dir: &Path, sample: Sample, tally: &mut Tally) -> Result<()> {
    let honest = fs::read(small.site.file().context("a local store")?)?;
    let mutants = sample.of((0..honest.len()).collect()).map(|at| {
        let mut bytes = honest.clone();
        bytes[at] ^= 1 << (at % 8);
        (format!("byte {at}"), bytes)
    });
    file_mutants(stack, small, dir, mutants, tally)
}

fn cuts(stack: &Stack, small: &Small, dir: &Path, sample: Sample, tally: &mut Tally) -> Result<()> {
    let honest = fs::read(small.site.file().context("a local store")?)?;
    let mutants = sample.of((0..honest.len()).collect()).map(|at| (format!("cut at {at}"), honest[..at].to_vec()));
    file_mutants(stack, small, dir, mutants, tally)
}

/// Every older state of the files, with the heads of now (P1), and with the heads of then (P2).
fn snapshots(stack: &Stack, small: &Small, dir: &Path, tally: &mut Tally) -> Result<()> {
    for (number, kept) in small.snapshots.iter().enumerate() {
        let sites = settled(small, dir)?;
        let size_of_heads = |dir: &Path| -> Result<u64> {
            let names =
                fs::read_dir(dir)?.filter_map(|item| Some(item.ok()?.file_name().to_string_lossy().into_owned()));
            let own = names.filter(|name| name.contains(&head_name()));
            Ok(own.filter_map(|name| name.rsplit('.').next()?.parse().ok()).max().unwrap_or(0))
        };
        for heads_too in [false, true] {
            restore(&kept.join("store"), sites[0].store_dir())?;
            if heads_too {
                restore(&kept.join("store.heads"), &sites[0].heads_dir())?;
            }
            let head = size_of_heads(&sites[0].heads_dir())?;
            let what = format!("snapshot {number}, heads of then: {heads_too}");
            judge(stack, small, [&sites[0], &sites[1]], head, None, &what, tally)?;
        }
    }
    Ok(())
}

/// The part of a head's file name that says whose it is.
fn head_name() -> String {
    use sha2::Digest as _;
    secure_log::types::hex(&sha2::Sha256::digest(origin(STREAM)))
}

/// A store of the attacker's own, written through an endpoint, and the log that then has its files.
struct Forger {
    endpoint: Endpoint,
    served: PathBuf,
    sites: [Site; 2],
}

impl Forger {
    fn start(stack: &Stack, small: &Small, server: &Server, dir: &Path) -> Result<Forger> {
        let endpoint = Endpoint::start(server, dir)?;
        let mut sites = settled(small, dir)?;
        if stack.is_remote() {
            sites = sites.map(|site| site.behind(&endpoint.url(), TOKEN));
        }
        Ok(Forger { endpoint, served: dir.join("served"), sites })
    }

    /// Makes the store hold exactly these rows of the stream, and the other stream, and judges it.
    fn put(&self, rows: &[Row], small: &Small, tally: &mut Tally, what: &str, stack: &Stack) -> Result<()> {
        for item in fs::read_dir(&self.served)? {
            let path = item?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        append(&self.endpoint, &small.other)?;
        if !rows.is_empty() && append(&self.endpoint, rows).is_err() {
            tally.refused += 1;
            return Ok(());
        }
        if !stack.is_remote() {
            restore(&self.served, self.sites[0].store_dir())?;
        }
        judge(stack, small, [&self.sites[0], &self.sites[1]], small.head, Some(rows), what, tally)
    }
}

/// Rows that a store holds instead of the honest ones.
struct Mutant {
    what: String,
    rows: Vec<Row>,
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
        state.ledger.lines.push(crate::ledger::Line { entry, stored: row.payload.clone() });
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
