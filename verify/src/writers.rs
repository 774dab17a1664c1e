//! Several writers on one stream: eight clients of one endpoint, two processes on one file or database. Every
//! acknowledged entry has a seqno of its own, none is missing, and the whole verifies.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use secure_log::note::VerifierKey;

use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::{Expect as _, finding, words};
use crate::host::wit::{LogError, Severity};
use crate::host::{Instance, Stack};
use crate::ledger::Ledger;
use crate::site::Site;
use crate::steps::{opened, origin, trust};

/// Clients of the endpoint, and what each appends.
const CLIENTS: usize = 8;
/// Processes on one store.
const PROCESSES: usize = 2;
/// Appends of each writer, one at a time.
const APPENDS: usize = 100;
/// The stream they share.
const STREAM: &str = "verify/writers";

/// Appends `APPENDS` events, one a call, and returns their seqnos and how often the log asked to retry.
fn append(log: &mut Instance, writer: &str) -> Result<(Vec<u64>, usize)> {
    let (mut seqnos, mut retries) = (Vec::new(), 0);
    for number in 0..APPENDS {
        let payload = format!("{writer} {number}");
        let seqno = loop {
            match log.append(STREAM, "writer.append", Severity::Informational, writer, Some(payload.as_bytes()))? {
                Ok(result) => break result.seqno,
                Err(LogError::Conflict) if retries < 1000 => retries += 1,
                Err(error) => bail!("append {number} of {writer}: {}", words(&error)),
            }
        };
        seqnos.push(seqno);
    }
    Ok((seqnos, retries))
}

/// What holds whoever wrote: each acknowledged seqno is held by the entry it was given for, none is missing.
fn settle(stack: &Stack, site: &Site, seqnos: &[u64], start: Instant, who: &str) -> Result<String> {
    let took = start.elapsed();
    let distinct: BTreeSet<u64> = seqnos.iter().copied().collect();
    ensure!(distinct.len() == seqnos.len(), "{} appends share {} seqnos", seqnos.len(), distinct.len());
    ensure!(distinct.iter().copied().eq(1..=seqnos.len() as u64), "the seqnos have gaps");
    let mut log = opened(stack, site)?;
    let info = log.close_segment(STREAM)?.works()?;
    log.sign_segment(&site.identity(), &info.id)?.works()?;
    let pin = log.verifier_key(&site.identity(), STREAM)?.works()?;
    let report = log.verify(STREAM, &trust(&pin))?.works()?;
    if let Some(found) = &report.finding {
        bail!("{}", finding(found));
    }
    ensure!(report.entries == seqnos.len() as u64 + 2, "{} entries for {} appends", report.entries, seqnos.len());
    let pin: VerifierKey = pin.parse()?;
    let ledger = Ledger::export(&mut log, &origin(STREAM), STREAM)?;
    ledger.check(&pin)?;
    let payloads: BTreeSet<&[u8]> = ledger.lines.iter().filter_map(|line| line.stored.as_deref()?.get(16..)).collect();
    ensure!(payloads.len() == seqnos.len(), "{} different payloads of {}", payloads.len(), seqnos.len());
    let rate = seqnos.len() as f64 / took.as_secs_f64();
    Ok(format!("{who}: seqnos 1 to {}, no gap, no repeat, verified; {rate:.0} appends/s", seqnos.len()))
}

/// Eight clients, each an instance of the remote stack in a thread of its own, through `wasmtime serve` with its
/// default flags.
///
/// # Errors
/// What did not hold.
pub fn clients(stack: &Stack, server: &Server, dir: &Path, algorithm: &str) -> Result<String> {
    let endpoint = Endpoint::start(server, dir)?;
    let site = Site::without_file(dir, "served", algorithm)?.behind(&endpoint.url(), TOKEN);
    opened(stack, &site)?.create_stream(STREAM, crate::host::wit::Tier::Public, None)?.works()?;
    let start = Instant::now();
    let (mut seqnos, mut retries) = (Vec::new(), 0);
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stack, site) = (stack, &site);
                scope.spawn(move || append(&mut opened(stack, site)?, &format!("client-{client}")))
            })
            .collect();
        for thread in threads {
            let (some, again) = thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            seqnos.extend(some);
            retries += again;
        }
        Ok(())
    })
    .with_context(|| format!("the endpoint says: {}", endpoint.log()))?;
    settle(stack, &site, &seqnos, start, &format!("{CLIENTS} clients, {retries} conflicts handed back"))
}

/// Two processes on one local store.
///
/// # Errors
/// What did not hold.
pub fn processes(stack: &Stack, artifact: &Path, dir: &Path, suffix: &str, algorithm: &str) -> Result<String> {
    let site = Site::at(dir, "audit", algorithm)?.with_suffix(suffix);
    opened(stack, &site)?.create_stream(STREAM, crate::host::wit::Tier::Public, None)?.works()?;
    let start = Instant::now();
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Command::new(std::env::current_exe()?)
                .args(["writer", &format!("process-{number}"), suffix, algorithm])
                .args([artifact, dir])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        })
        .collect();
    let (mut seqnos, mut retries) = (Vec::new(), 0);
    let outputs: Vec<_> = children.into_iter().map(|child| child?.wait_with_output()).collect();
    for output in outputs {
        let output = output?;
        ensure!(output.status.success(), "a writer failed: {}", String::from_utf8_lossy(&output.stderr));
        let (some, again): (Vec<u64>, usize) = serde_json::from_slice(&output.stdout)?;
        seqnos.extend(some);
        retries += again;
    }
    settle(stack, &site, &seqnos, start, &format!("{PROCESSES} processes, {retries} conflicts handed back"))
}

/// The process behind [`processes`]: appends and prints what it was given as JSON.
///
/// # Errors
/// An append failed.
pub fn process(stack: &Stack, dir: &Path, writer: &str, suffix: &str, algorithm: &str) -> Result<()> {
    let site = Site::at(dir, "audit", algorithm)?.with_suffix(suffix);
    let done = append(&mut opened(stack, &site)?, writer)?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

/// Two instances on one store take turns: neither writes over the other, whoever is behind catches up.
///
/// # Errors
/// What did not hold.
pub fn turns(stack: &Stack, dir: &Path, algorithm: &str) -> Result<String> {
    let site = Site::at(dir, "audit", algorithm)?;
    let start = Instant::now();
    let mut logs = [opened(stack, &site)?, opened(stack, &site)?];
    let mut seqnos = Vec::new();
    for turn in 0..40 {
        let payload = format!("turn {turn}");
        let severity = Severity::Informational;
        let done = logs[turn % 2].append(STREAM, "writer.append", severity, "turns", Some(payload.as_bytes()))?;
        seqnos.push(done.works()?.seqno);
    }
    settle(stack, &site, &seqnos, start, "2 instances in turn")
}
