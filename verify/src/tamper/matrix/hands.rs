//! The three hands of the attacker: bytes of the files, older files, rows in a store of its own; and the host that lies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use secure_log::store::Row;
use sha2::Digest as _;

use super::auditors::{Tally, hear, judge};
use super::{STREAM, Sample, Small};
use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::Expect as _;
use crate::host::Stack;
use crate::host::wit::Want;
use crate::report::alive;
use crate::site::Site;
use crate::steps::{event, opened, origin};
use crate::tamper::copy_dir;
use crate::tamper::forged::append;

/// Changes the bytes of the file at each place of the sample; on two threads.
pub(super) fn at_places(
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

pub(super) fn flipped_at(honest: &[u8], at: usize) -> (String, Vec<u8>) {
    let mut bytes = honest.to_vec();
    bytes[at] ^= 1 << (at % 8);
    (format!("byte {at}"), bytes)
}

pub(super) fn cut_at(honest: &[u8], at: usize) -> (String, Vec<u8>) {
    (format!("cut at {at}"), honest[..at].to_vec())
}

/// Every older state of the files, with the heads of now (P1), and with the heads of then (P2).
pub(super) fn snapshots(stack: &Stack, small: &Small, dir: &Path, tally: &mut Tally) -> Result<()> {
    for (number, kept) in small.snapshots.iter().enumerate() {
        let sites = settled(small, dir)?;
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
pub(super) fn the_rest(stack: &Stack, small: &Small, dir: &Path) -> Result<String> {
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

/// A store of the attacker's own, written through an endpoint, and the log that then has its files.
pub(super) struct Forger {
    endpoint: Endpoint,
    served: PathBuf,
    sites: [Site; 2],
}

impl Forger {
    pub(super) fn start(stack: &Stack, small: &Small, server: &Server, dir: &Path) -> Result<Forger> {
        let endpoint = Endpoint::start(server, dir)?;
        let mut sites = settled(small, dir)?;
        if stack.is_remote() {
            sites = sites.map(|site| site.behind(&endpoint.url(), TOKEN));
        }
        Ok(Forger { endpoint, served: dir.join("served"), sites })
    }

    /// Makes the store hold exactly these rows of the stream, and the other stream, and judges it.
    pub(super) fn put(&self, rows: &[Row], small: &Small, tally: &mut Tally, what: &str, stack: &Stack) -> Result<()> {
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

/// The log in a place of its own, with the heads and keys it has.
fn settled(small: &Small, dir: &Path) -> Result<[Site; 2]> {
    let sites = [small.site_of(true, Some(dir)), small.site_of(false, Some(dir))];
    for ((from, _), (to, _)) in small.site.preopens().iter().zip(sites[0].preopens()) {
        restore(from, &to)?;
    }
    Ok(sites)
}

/// Empties a directory and copies another into it.
fn restore(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy_dir(from, to)
}

/// Entries under the remembered head of the stream; 0: none.
fn size_of_heads(dir: &Path) -> Result<u64> {
    let whose = format!(".{}.", secure_log::types::hex(&sha2::Sha256::digest(origin(STREAM))));
    let mut newest = (0, 0);
    for item in fs::read_dir(dir)? {
        let path = item?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.split_once(&whose).and_then(|(_, number)| number.parse::<u64>().ok());
        if let Some(number) = number.filter(|number| *number > newest.0) {
            let text = fs::read_to_string(&path)?;
            let size = text.lines().nth(2).and_then(|line| line.parse().ok());
            newest = (number, size.with_context(|| format!("{} is no head", path.display()))?);
        }
    }
    Ok(newest.1)
}
