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
use secure_log::note::{Note, VerifierKey, cosignature_message, note_line};
use secure_log::signer::{Algorithm, PublicKey};
use secure_log::store::{Row, RowKind};

use super::forged::append;
use super::limits::{LIMITS, Limit, words};
use super::mutants::FAMILIES;
use super::state::{Pins, Sighting, State};
use super::{at_rest, copy_dir, is_seal};
use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::{Expect as _, case, kind};
use crate::host::wit::{LogError, SegmentId, Signers, Trust, Want};
use crate::host::{Instance, Stack};
use crate::ledger::Ledger;
use crate::report::{Report, alive};
use crate::site::Site;
use crate::steps::{event, opened, origin};

const STREAM: &str = "matrix/main";
const OTHER: &str = "matrix/other";
const WITNESS: &str = "witness.example/w";

/// The small log and what auditors of it have.
pub struct Small {
    site: Site,
    /// As it was made.
    pub honest: State,
    /// The same as rows.
    pub rows: Vec<Row>,
    /// Rows of the other stream.
    pub other: Vec<Row>,
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
    let sample = |(every, slowly): (usize, usize)| Sample { every: if slow { slowly } else { every }, offset };
    let mut limits: BTreeMap<Limit, usize> = BTreeMap::new();
    let mut run = |report: &mut Report,
                   name: &str,
                   every: (usize, usize),
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
        run(report, "flipped bytes of the file", (120, 1), FLIPPED, &|sample, tally| {
            at_places(stack, &small, &dir.join("flip"), sample, tally, flipped_at)
        });
        run(report, "file cut at a byte", (300, 8), CUT, &|sample, tally| {
            at_places(stack, &small, &dir.join("cut"), sample, tally, cut_at)
        });
        run(report, "earlier snapshots", (1, 1), EARLIER, &|_, tally| {
            snapshots(stack, &small, &dir.join("snapshot"), tally)
        });
    }
    // The forger's file store and database hold what the remote stack sees: there a sample will do.
    let rarely = if stack.is_remote() { 2 } else { 1 };
    let mut forger = None;
    report.step("matrix: the forger's store", || {
        forger = Some(Forger::start(stack, &small, server, &dir.join("forger"))?);
        Ok("takes rows as they are".into())
    });
    let Some(forger) = &forger else { return };
    for (name, every, classes, family) in FAMILIES {
        let slowly = if stack.is_remote() { (every / 8).max(1) } else { 1 };
        let every = if *every > 2 { every * rarely } else { *every };
        run(report, name, (every, slowly), classes, &|sample, tally| {
            for mutant in sample.of(family(&small)?) {
                alive();
                forger.put(&mutant.rows, &small, tally, &mutant.what, stack)?;
            }
            Ok(())
        });
    }
    if !stack.is_remote() {
        report.step("matrix: the rest of the list", || the_rest(stack, &small, &dir.join("rest")));
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

// Classes: the names a family's mutants may be found by. A damaged file may be found as anything that a changed row is.
const FLIPPED: &str = "chain-broken|checkpoint-forged|entry-altered|entry-inserted|entry-missing|node-wrong|not witnessed|\
                       payload-altered|payload-missing|rolled-back|root-mismatch|store(corrupt)|store(invalid)|store(io)|stream-not-found|\
                       truncated|unsupported|wrong-key|time-decreased|checkpoint-missing|origin-wrong";
const CUT: &str = "entry-altered|node-wrong|not witnessed|payload-altered|payload-missing|rolled-back|store(corrupt)|\
                   store(invalid)|store(io)|stream-not-found|truncated";
const EARLIER: &str = "not witnessed|rolled-back";

impl Sample {
    fn of<T>(self, all: Vec<T>) -> impl Iterator<Item = T> {
        let first = self.offset % self.every;
        all.into_iter().skip(first).step_by(self.every)
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.mutants += other.mutants;
        self.same += other.same;
        self.refused += other.refused;
        self.faults.extend(other.faults);
        other.found.into_iter().for_each(|(name, count)| *self.found.entry(name).or_default() += count);
        other.limits.into_iter().for_each(|(limit, count)| *self.limits.entry(limit).or_default() += count);
    }

    fn verdict(&self, sample: Sample, classes: &str) -> Result<String> {
        let list = |counts: &BTreeMap<String, usize>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let limits = self.limits.iter().map(|(limit, count)| (format!("{limit:?}"), *count)).collect();
        let stray: Vec<&String> =
            self.found.keys().filter(|name| !classes.split('|').any(|class| class == *name)).collect();
        ensure!(
            self.faults.is_empty(),
            "{} faults: {}",
            self.faults.len(),
            self.faults.iter().take(6).cloned().collect::<Vec<_>>().join(" ; ")
        );
        ensure!(stray.is_empty(), "found as {stray:?}, which is no class of this family");
        ensure!(self.mutants > 0, "no mutant was tried");
        let sampled = if sample.every > 1 {
            format!(" (one in {}, from {})", sample.every, sample.offset % sample.every)
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
    /// Whether these are the honest rows, in whatever order.
    fn is_same(&self, rows: &[Row]) -> bool {
        let sorted = |rows: &[Row]| {
            let mut rows = rows.to_vec();
            rows.sort_by_key(|row| (row.kind, row.index));
            rows
        };
        sorted(rows) == sorted(&self.rows)
    }

    /// For a guest with the heads or without, in `dir` instead of its own place.
    fn site_of(&self, heads: bool, dir: Option<&Path>) -> Site {
        let site = dir.map_or_else(|| self.site.clone(), |dir| self.site.moved(dir));
        let site = site.quiet();
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
    let refused = |error: LogError| {
        let name = match &error {
            LogError::Tampered(found) | LogError::Rollback(found) => kind(found.kind).to_owned(),
            error => case(error),
        };
        Ok(Heard { name, witnessed: 0 })
    };
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
    let mut views: Option<Vec<Vec<Row>>> = rows.map(|rows| vec![rows.to_vec()]);
    for (site, head) in sites.into_iter().zip([head, 0]).rev() {
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
            if name == "none" && views.is_none() {
                views = Some(views_of(stack, sites[1])?);
            }
            if name == "stream-not-found" && head == 0 && witness == 0 {
                // What a log that never was says: the whole stream is hidden.
                *tally.limits.entry(Limit::EarlierState).or_default() += 1;
                continue;
            }
            // Without a verdict of "none" a mutant of bytes was found, whatever its rows are.
            let views = views.as_deref().unwrap_or_default();
            if name == "none" && views.iter().any(|rows| small.is_same(rows)) {
                tally.same += 1;
                continue;
            }
            let hides = |rows: &Vec<Row>| small.honest.hides(rows, &small.pins, Sighting { head, witness });
            let hides = match name {
                "none" => views.iter().find_map(hides),
                _ if rows.is_some_and(|rows| !small.is_same(rows)) => views.iter().find_map(hides),
                _ => None,
            };
            match (name, hides) {
                ("none", Some(limit)) => *tally.limits.entry(limit).or_default() += 1,
                ("none", None) => tally.faults.push(format!("{what}: not found (head {head}, witness {witness})")),
                (name, Some(limit)) => {
                    tally.faults.push(format!(
                        "{what}: {name}, though {limit:?} is on the list (head {head}, witness {witness})"
                    ));
                }
                (name, _) => *tally.found.entry(name.to_owned()).or_default() += 1,
            }
        }
        // With a store of nothing the one with heads hears something else.
        if views.is_none() && heard.name != "stream-not-found" {
            break;
        }
    }
    Ok(())
}

/// The rows of the stream as the component gives them, and, of a database, as a stock tool finds them in the table: a
/// damaged index hides nothing from the one, and a damaged column that an index repeats nothing from the other.
///
/// # Errors
/// Neither gives them.
fn views_of(stack: &Stack, site: &Site) -> Result<Vec<Vec<Row>>> {
    let given = opened(stack, site).and_then(|mut log| State::export(&mut log, &origin(STREAM), STREAM)?.rows());
    let mut views: Vec<Vec<Row>> = given.into_iter().collect();
    if at_rest::is_sqlite(site)? {
        let query = format!(
            "SELECT kind, idx, hex(body), payload IS NULL, hex(payload) FROM row NOT INDEXED WHERE +stream = '{STREAM}'"
        );
        let table = at_rest::sql(&site.file().context("a local store")?, &query);
        views.extend(table.and_then(|table| table.lines().map(row_of_line).collect()));
    }
    ensure!(!views.is_empty(), "nothing is found, and nobody can read the rows");
    Ok(views)
}

/// `kind|index|body|no payload|payload`, bytes in hexadecimal.
fn row_of_line(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('|').collect();
    let [kind, index, body, absent, payload] = fields.as_slice() else { bail!("sqlite3 printed {line:?}") };
    let bytes = |hex: &str| -> Result<Vec<u8>> {
        let pairs = hex.as_bytes().as_chunks::<2>().0;
        pairs.iter().map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
    };
    Ok(Row {
        kind: RowKind::from_name(kind).with_context(|| format!("a row of kind {kind:?}"))?,
        stream_id: STREAM.try_into()?,
        index: index.parse()?,
        body: bytes(body)?,
        payload: if *absent == "1" { None } else { Some(bytes(payload)?) },
    })
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

/// Changes the bytes of the file at each place of the sample; on two threads.
fn at_places(
    stack: &Stack,
    small: &Small,
    dir: &Path,
    sample: Sample,
    tally: &mut Tally,
    change: fn(&[u8], usize) -> (String, Vec<u8>),
) -> Result<()> {
    let honest = fs::read(small.site.file().context("a local store")?)?;
    let places: Vec<usize> = sample.of((0..honest.len()).collect()).collect();
    let halves = std::thread::scope(|scope| -> Vec<Result<Tally>> {
        let workers: Vec<_> = places
            .chunks(places.len().div_ceil(2).max(1))
            .enumerate()
            .map(|(number, places)| {
                let (dir, honest) = (dir.join(number.to_string()), &honest);
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    let mutants = places.iter().map(|at| change(honest, *at));
                    file_mutants(stack, small, &dir, mutants, &mut tally).map(|()| tally)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked"))).collect()
    });
    halves.into_iter().try_for_each(|half| half.map(|half| tally.add(half)))
}

/// Puts each of `mutants` in the place of the file, in a fresh copy of its directory, and judges it.
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

fn flipped_at(honest: &[u8], at: usize) -> (String, Vec<u8>) {
    let mut bytes = honest.to_vec();
    bytes[at] ^= 1 << (at % 8);
    (format!("byte {at}"), bytes)
}

fn cut_at(honest: &[u8], at: usize) -> (String, Vec<u8>) {
    (format!("cut at {at}"), honest[..at].to_vec())
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

/// A host with the signer's help writes another history from its first entry, and everything is destroyed: nothing is
/// found but by a sighting.
fn the_rest(stack: &Stack, small: &Small, dir: &Path) -> Result<String> {
    let sites = settled(small, dir)?;
    for path in [sites[0].store_dir().to_owned(), sites[0].heads_dir()] {
        fs::remove_dir_all(&path)?;
        fs::create_dir_all(path)?;
    }
    let never = hear(stack, &sites[1], &small.policy)?.name;
    ensure!(never == "stream-not-found", "after everything was destroyed: {never}");
    restore(&small.site.heads_dir(), &sites[0].heads_dir())?;
    let destroyed = hear(stack, &sites[0], &small.policy)?.name;
    ensure!(destroyed.contains("rolled-back"), "destroyed, with the heads: {destroyed}");
    let mut log = opened(stack, &sites[1])?;
    log.append_batch(STREAM, &[event("account.paid", Some(b"1 EUR to mallory"))], Want::Synced)?.works()?;
    let info = log.close_segment(STREAM)?.works()?;
    log.sign_segment(&sites[1].identity(), &info.id)?.works()?;
    drop(log);
    let liar = hear(stack, &sites[1], &small.policy)?;
    ensure!(liar.name == "none" && liar.witnessed == 0, "a lying host: {}", liar.name);
    let seen = hear(stack, &sites[0], &small.policy)?.name;
    ensure!(seen.contains("rolled-back"), "a lying host, with the honest heads: {seen}");
    Ok("a lying host and destruction show by head or witness only; what was never logged leaves nothing to find".into())
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
