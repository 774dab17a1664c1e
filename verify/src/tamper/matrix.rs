//! The tamper matrix: a small log of a few segments, every byte and every record of it changed, each mutant put before
//! four auditors: with and without the remembered heads, with and without a witness whose cosignature they demand.
//!
//! Each verdict is held against [`State::hides`]: what contradicts itself or a sighting must be found, by a name of its
//! family's classes; what does not is behind a [`Limit`], and must not be found. So the list is exact both ways.
//!
//! Three hands: `flip`, `lines` change bytes of the files; `rows` gives rows to a store of the attacker's own, which
//! writes them well-formed, and `rechained` recomputes every unkeyed hash before; `snapshots` puts back older files.

mod auditors;
mod hands;
mod small;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};

use super::limits::{LIMITS, Limit, words};
use super::mutants::FAMILIES;
use crate::endpoint::Server;
use crate::host::Stack;
use crate::report::{Report, alive};
use auditors::Tally;
use hands::{Forger, at_places, cut_at, flipped_at, snapshots, the_rest};
pub use small::Small;

const STREAM: &str = "matrix/main";

/// Which mutants are tried: every `every`-th, from `offset` on.
#[derive(Clone, Copy)]
pub struct Sample {
    pub every: usize,
    pub offset: usize,
}

/// Runs the matrix on one stack; `server` has the kind of store that is wanted.
pub fn cases(report: &mut Report, stack: &Stack, server: &Server, dir: &Path, slow: bool) {
    let mut made = None;
    report.step("matrix: the small log", || {
        let small = small::small(stack, server, &dir.join("small"))?;
        let seen = format!("{} entries, {} records", small.honest.ledger.lines.len(), small.rows.len());
        made = Some(small);
        Ok(seen)
    });
    let Some(small) = made else { return };
    let offset = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_micros() as usize);
    let sample = |every| Sample { every: if slow { 1 } else { every }, offset };
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
        run(report, "flipped bytes of the file", 120, FLIPPED, &|sample, tally| {
            at_places(stack, &small, &dir.join("flip"), sample, tally, flipped_at)
        });
        run(report, "file cut at a byte", 300, CUT, &|sample, tally| {
            at_places(stack, &small, &dir.join("cut"), sample, tally, cut_at)
        });
        run(report, "earlier snapshots", 1, EARLIER, &|_, tally| {
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
        let every = if *every > 2 { every * rarely } else { *every };
        run(report, name, every, classes, &|sample, tally| {
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
                       truncated|unsupported|wrong-key|time-decreased|checkpoint-missing|origin-wrong|corrupt when read";
const CUT: &str = "entry-altered|node-wrong|not witnessed|payload-altered|payload-missing|rolled-back|store(corrupt)|\
                   store(invalid)|store(io)|stream-not-found|truncated";
const EARLIER: &str = "not witnessed|rolled-back";

impl Sample {
    fn of<T>(self, all: Vec<T>) -> impl Iterator<Item = T> {
        let first = self.offset % self.every;
        all.into_iter().skip(first).step_by(self.every)
    }
}
