//! What a call costs, asserted exactly: file syncs and POSTs in the steady state, and linear memory that does not
//! grow with the log.

use anyhow::{Context as _, Result, ensure};

use crate::expect::Expect as _;
use crate::host::wit::{Event, Severity, Want};
use crate::host::{Instance, Meter, Stack};
use crate::report::alive;
use crate::site::Site;
use crate::steps::{event, opened, trust};

/// Memory may grow by this much while a log grows a thousandfold, in bytes.
const GROWTH: usize = 4 * 1024 * 1024;

fn spent<T>(log: &mut Instance, work: impl FnOnce(&mut Instance) -> Result<T>) -> Result<(T, Meter)> {
    let before = log.meter();
    let value = work(log)?;
    let after = log.meter();
    Ok((value, Meter { syncs: after.syncs - before.syncs, posts: after.posts - before.posts, memory: after.memory }))
}

/// Syncs and POSTs of appends, pages and proofs in the steady state. `syncs` is what one synced commit costs on this
/// store, if it is one that promises a number.
///
/// # Errors
/// A call cost more.
pub fn calls(stack: &Stack, site: &Site, syncs: Option<u64>) -> Result<String> {
    let stream = "verify/cost";
    let mut log = opened(stack, site)?;
    let batch: Vec<Event> = (0..100).map(|n| event("cost", Some(format!("payload {n}").as_bytes()))).collect();
    for _ in 0..3 {
        log.append_batch(stream, &batch, Want::Synced)?.works()?;
    }
    let remote = stack.is_remote();
    let posts = u64::from(remote);
    for round in 0..20 {
        let (_, one) = spent(&mut log, |log| log.append(stream, "cost", Severity::Notice, "p", Some(b"x"))?.works())?;
        let (_, many) = spent(&mut log, |log| log.append_batch(stream, &batch, Want::Synced)?.works())?;
        let (_, written) = spent(&mut log, |log| log.append_batch(stream, &batch, Want::Written)?.works())?;
        ensure!(
            (one.posts, many.posts, written.posts) == (posts, posts, posts),
            "round {round}: POSTs of an append {}, a batch {}, a written batch {}",
            one.posts,
            many.posts,
            written.posts
        );
        if let Some(syncs) = syncs {
            ensure!(
                (one.syncs, many.syncs, written.syncs) == (syncs, syncs, 0),
                "round {round}: syncs of an append {}, a batch {}, a written batch {}",
                one.syncs,
                many.syncs,
                written.syncs
            );
        }
    }
    let (_, synced) = spent(&mut log, |log| log.sync(stream)?.works())?;
    let info = log.close_segment(stream)?.works()?;
    let (page, read) = spent(&mut log, |log| log.read_since(stream, 0, 500)?.works())?;
    ensure!(page.len() == 500, "a page of {}", page.len());
    let (_, proof) = spent(&mut log, |log| log.build_inclusion_proof(stream, 77, Some(info.last_seqno + 1))?.works())?;
    if remote {
        ensure!(read.posts <= 2, "{} POSTs for a page of 500", read.posts);
        ensure!(proof.posts <= 8, "{} POSTs for a proof", proof.posts);
        return Ok(format!("1 POST an append, 1 a batch of 100, {} a page, {} a proof", read.posts, proof.posts));
    }
    Ok(match syncs {
        Some(_) => format!("1 sync an append, 1 a batch of 100, 0 written, {} for sync", synced.syncs),
        None => "counted".to_owned(),
    })
}

/// Linear memory after appending, verifying and scanning 1,000 entries and `entries` entries.
///
/// # Errors
/// It grew by more than 4 MiB, or a call failed.
pub fn memory(stack: &Stack, site: &Site, entries: usize) -> Result<String> {
    let stream = "verify/memory";
    let batch: Vec<Event> = (0..1000).map(|n| event("memory", Some(&[n as u8; 256]))).collect();
    let mut log = opened(stack, site)?;
    log.append_batch(stream, &batch, Want::Written)?.works()?;
    log.append_batch(stream, &batch, Want::Written)?.works()?;
    let small = readers(stack, site, &mut log, stream)?;
    for _ in 2..entries.div_ceil(1000) {
        log.append_batch(stream, &batch, Want::Written)?.works()?;
        alive();
    }
    let large = readers(stack, site, &mut log, stream)?;
    let mut words = Vec::new();
    for ((what, small), (_, large)) in small.into_iter().zip(large) {
        let grown = large.saturating_sub(small);
        ensure!(grown <= GROWTH, "{what}: {small} bytes of memory with 2,000 entries, {large} with {entries}");
        words.push(format!("{what} {} KiB + {} KiB", small / 1024, grown / 1024));
    }
    Ok(format!("2,000 to {entries} entries: {}", words.join(", ")))
}

/// Memory of the appending instance and of new ones that verify and scan.
fn readers(stack: &Stack, site: &Site, log: &mut Instance, stream: &str) -> Result<[(&'static str, usize); 3]> {
    log.close_segment(stream)?.works()?;
    let segments = crate::ledger::segments(log, stream)?;
    for segment in segments.iter().filter(|segment| !segment.signed) {
        log.sign_segment(&site.identity(), &segment.id)?.works()?;
    }
    let pin = log.verifier_key(&site.identity(), stream)?.works()?;
    let append = log.meter().memory;
    let mut verifier = opened(stack, site)?;
    let report = verifier.verify(stream, &trust(&pin))?.works()?;
    ensure!(report.finding.is_none(), "{report:?}");
    let mut scanner = opened(stack, site)?;
    let mut next = 0;
    while next < report.entries {
        let page = scanner.read_since(stream, next, 1000)?.works()?;
        next = page.last().context("an empty page")?.seqno + 1;
        alive();
    }
    Ok([("append", append), ("verify", verifier.meter().memory), ("scan", scanner.meter().memory)])
}
