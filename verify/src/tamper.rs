//! The tamper round: stored records changed behind a log's back between two runs, and the finding asserted by
//! name. Two kinds of hand: one that edits what is on disk (`at_rest`), and one that recomputes everything that
//! has no key (`forged`), which writes its rows through a store of its own, so that they are well-formed.
//!
//! What can not be found is asserted as well: the list (`limits`) is exact, which the `matrix` of every change shows.

pub mod at_rest;
pub mod forged;
mod limits;
pub mod matrix;
mod mutants;
mod state;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use secure_log::note::VerifierKey;
use secure_log::types::Detail;

use crate::expect::{Expect as _, case, finding, kind, words};
use crate::host::Stack;
use crate::host::wit::{Event, Severity, Want};
use crate::ledger::{Ledger, Line};
use crate::site::Site;
use crate::steps::{event, opened, origin, trust};

/// The stream of the log that is tampered with.
pub const STREAM: &str = "tamper/round";
/// An entry of segment 0 in the middle of a batch, whose neighbours have its timestamp.
pub const VICTIM: usize = 20;

/// The honest log that every case begins with: three signed segments of 100 entries each, and a tail of three.
pub struct Honest {
    /// Where it is.
    pub site: Site,
    /// Its key, pinned before anyone tampered.
    pub pin: String,
    /// All of it, checked natively.
    pub ledger: Ledger,
}

/// Makes the honest log.
///
/// # Errors
/// Something does not work that must.
pub fn honest(stack: &Stack, site: &Site) -> Result<Honest> {
    let mut log = opened(stack, site)?;
    let numbered = |range: std::ops::Range<usize>| -> Vec<Event> {
        let paid = |n| Event {
            severity: Severity::Informational,
            ..event("account.paid", Some(format!("{n} EUR to bob").as_bytes()))
        };
        range.map(paid).collect()
    };
    for segment in 0..3 {
        log.append_batch(STREAM, &numbered(segment * 98..segment * 98 + 98), Want::Synced)?.works()?;
        let info = log.close_segment(STREAM)?.works()?;
        log.sign_segment(&site.identity(), &info.id)?.works()?;
    }
    log.append_batch(STREAM, &numbered(900..903), Want::Synced)?.works()?;
    let pin = log.verifier_key(&site.identity(), STREAM)?.works()?;
    let ledger = Ledger::export(&mut log, &origin(STREAM), STREAM)?;
    let vkey: VerifierKey = pin.parse()?;
    ledger.check(&vkey)?;
    ensure!(judge(stack, site, &pin)?.name == "none", "the honest log does not verify");
    Ok(Honest { site: site.clone(), pin, ledger })
}

/// What an auditor with the pinned key gets to hear.
pub struct Verdict {
    /// Kind of the finding (`root-mismatch`), case of the error that kept from a verdict (`store(corrupt)`), or `none`.
    pub name: String,
    /// The same with its text.
    pub words: String,
}

/// Opens the log anew and asks for the verdict, and, if nothing is found, whether the log would go on.
///
/// # Errors
/// A trap.
pub fn judge(stack: &Stack, site: &Site, pin: &str) -> Result<Verdict> {
    let refused = |error| Verdict { name: case(&error), words: words(&error) };
    let mut log = stack.start(site)?;
    if let Err(error) = log.open(&site.config())? {
        return Ok(refused(error));
    }
    let report = match log.verify(STREAM, &trust(pin))? {
        Err(error) => return Ok(refused(error)),
        Ok(report) => report,
    };
    if let Some(found) = report.finding {
        return Ok(Verdict { name: kind(found.kind).to_owned(), words: finding(&found) });
    }
    // A store may read on and refuse to write: that is a verdict on its files as well.
    if let Err(error) = log.head(STREAM)? {
        return Ok(refused(error));
    }
    if let Err(error) = log.append(STREAM, "after.verdict", Severity::Notice, "verify", None)? {
        return Ok(refused(error));
    }
    let signed = report.signed.map_or(0, |range| range.last + 1);
    Ok(Verdict { name: "none".into(), words: format!("none; {} entries, {signed} of them signed", report.entries) })
}

/// The verdict must be one of `expected` (separated by `|`).
///
/// # Errors
/// Another verdict, or a trap.
pub fn expect(stack: &Stack, site: &Site, pin: &str, expected: &str) -> Result<String> {
    let verdict = judge(stack, site, pin)?;
    ensure!(expected.split('|').any(|name| name == verdict.name), "must be {expected}, but: {}", verdict.words);
    Ok(verdict.words)
}

/// Whether a segment ends with this entry.
fn is_seal(line: &Line) -> bool {
    matches!(line.entry.event.detail, Some(Detail::SegmentSealed(_)))
}

/// Copies a directory of files, deeply.
///
/// # Errors
/// Files cannot be read or written.
pub fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy_dir(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target)?;
        }
    }
    Ok(())
}

/// Copies a log with its keys and heads into `dir`.
///
/// # Errors
/// Files cannot be copied.
pub fn copy_site(site: &Site, dir: &Path) -> Result<Site> {
    let copy = site.moved(dir);
    for ((from, _), (to, _)) in site.preopens().iter().zip(copy.preopens()) {
        copy_dir(from, &to)?;
    }
    Ok(copy)
}
