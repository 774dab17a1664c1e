//! Rates of every stack, each row beside its raw control of the same minute and the efficiency `t_limit / measured`:
//! how near the figure is to what hashing in wasm and writing the same bytes must cost.
//!
//! ```text
//! t_limit(append) = hash(commitment + entry + node) / SHA rate in wasm + write and sync of the same bytes / batch
//! t_limit(verify) = hash(commitment + entry + node) / SHA rate in wasm + read of the same bytes
//! t_limit(sign)   = hash(entry + node) / SHA rate in wasm + read of the same bytes
//! ```
//! The SHA rate is that of one message after the other, as the library does it; the log hashes the entries of a page and
//! the payloads of a batch four at a time, so hashing itself takes less than its share of the limit. Checksums of a
//! store's own are no part of the limit.
//!
//! Of the remote stack the write is one POST that the endpoint refuses unread, and the read nothing. Of keys in a token
//! (`pkcs11`) the control is the native SoftHSM.

mod control;
mod tokens;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use wasmtime::Engine;

use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::Expect as _;
use crate::host::wit::{Event, Want as Promise};
use crate::host::{Instance, Stack, engine};
use crate::report::{alive, in_words, timed};
use crate::site::Site;
use crate::softhsm;
use crate::steps::{event, opened, trust};
use control::{Native, blocks};

/// Payload bytes of every event.
const PAYLOAD: usize = 256;
/// Salt before a payload, prefix byte of a commitment or leaf.
const SALT: usize = 16;
/// A row is measured for about this long.
const MEASURE: Duration = Duration::from_millis(1000);
const STREAM: &str = "bench";
/// By the names of their artifacts; `pkcs11` is signing alone.
pub const STACKS: [&str; 4] = ["file", "sqlite", "remote", TOKENS];
const TOKENS: &str = "pkcs11";

/// One row of the table.
struct Line {
    stack: &'static str,
    what: String,
    /// Time of one entry, or of one call.
    each: Duration,
    /// Entries a second, where entries are what is counted.
    rate: Option<f64>,
    /// The raw control: time and what it is.
    raw: Option<(Duration, &'static str)>,
    /// The same by the native crate over a store in memory.
    native: Option<Duration>,
    efficiency: Option<f64>,
}

/// What to measure.
pub struct Want<'a> {
    /// Where the artifacts are.
    pub dist: &'a Path,
    /// JSON lines instead of a table.
    pub json: bool,
    /// Entries of the longest log.
    pub entries: usize,
    /// Only this stack.
    pub stack: Option<&'a str>,
}

struct Bench<'a> {
    engine: Engine,
    dist: &'a Path,
    dir: &'a Path,
    entries: usize,
    json: bool,
}

/// A stack that is measured.
struct Subject {
    name: &'static str,
    site: Site,
    endpoint: Option<Endpoint>,
}

/// Measures and prints.
///
/// # Errors
/// An artifact is missing, or a call fails.
pub fn run(want: &Want) -> Result<()> {
    let &Want { dist, json, entries, stack } = want;
    let temp = tempfile::Builder::new().prefix("secure-log-bench-").tempdir()?;
    softhsm::configure(&temp.path().join("token"))?;
    let mut bench = Bench { engine: engine()?, dist, dir: temp.path(), entries, json };
    if !json {
        println!(
            "{:<8} {:<26} {:>10} {:>14} {:>22} {:>12} {:>10}",
            "stack", "row", "each", "entries/s", "raw control", "native", "efficiency"
        );
    }
    for name in STACKS.into_iter().filter(|name| stack.is_none_or(|only| only == *name)) {
        match name {
            TOKENS => tokens::run(&mut bench)?,
            name => bench.stack(name)?,
        }
    }
    Ok(())
}

impl Bench<'_> {
    fn stack(&mut self, name: &'static str) -> Result<()> {
        let artifact = self.dist.join(format!("secure-log-{name}.wasm"));
        let (stack, load) = timed(|| Stack::load(&self.engine, &artifact));
        let stack = stack?;
        let dir = self.dir.join(name);
        let (site, endpoint) = match stack.is_remote() {
            false => (Site::at(&dir, "audit", "ed25519")?, None),
            true => {
                let endpoint = Endpoint::start(&Server::sqlite(self.dist), &dir)?;
                let site = Site::without_file(&dir, "served", "ed25519")?.behind(&endpoint.url(), TOKEN);
                (site, Some(endpoint))
            }
        };
        let (log, start) = timed(|| opened(&stack, &site));
        let mut log = log?;
        self.call(name, "load compiled artifact".into(), load, Some((control::read(&artifact)?, "read")), None);
        let raw = match &endpoint {
            None => (control::write(self.dir, 64, true)?, "write+fdatasync"),
            Some(endpoint) => (control::post(endpoint)?, "POST"),
        };
        self.call(name, "start and open, new".into(), start, Some(raw), None);
        let sha = control::guest_sha(&mut log)?;
        let what = format!("SHA-256 in wasm, {:.0} MB/s", control::megabytes(sha));
        self.call(name, what, Duration::from_secs_f64(1.0 / sha), None, None);
        let subject = Subject { name, site, endpoint };
        for batch in [1, 100, 1000] {
            for want in [Promise::Synced, Promise::Written] {
                self.append(&subject, &mut log, batch, want)?;
            }
        }
        self.whole_log(&subject, &stack, &mut log)
    }

    fn append(&mut self, subject: &Subject, log: &mut Instance, batch: usize, want: Promise) -> Result<()> {
        alive();
        let events: Vec<Event> = vec![event("bench.event", Some(&[b'x'; PAYLOAD])); batch];
        log.append_batch(STREAM, &events, want)?.works()?;
        let size = || subject.site.file().and_then(|file| std::fs::metadata(file).ok()).map(|meta| meta.len());
        let (before, entries_before) = (size(), log.head(STREAM)?.works()?.size);
        let sha = control::guest_sha(log)?;
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < MEASURE || calls < 3 {
            log.append_batch(STREAM, &events, want)?.works()?;
            calls += 1;
        }
        let took = start.elapsed();
        log.sync(STREAM)?.works()?;
        let sha = f64::midpoint(sha, control::guest_sha(log)?);
        let entries = log.head(STREAM)?.works()?.size - entries_before;
        let body = self.body(log)?;
        // What really reached the file, where it grows by what is appended; canonical bytes elsewhere.
        let is_file = subject.name == "file";
        let bytes = match (before, size()) {
            (Some(before), Some(after)) if is_file && after > before => ((after - before) / entries) as usize,
            _ => body + SALT + PAYLOAD,
        };
        let synced = want == Promise::Synced;
        let (raw, how) = match &subject.endpoint {
            Some(endpoint) => (control::post(endpoint)?, "POST"),
            None if synced => (control::write(self.dir, bytes * batch, synced)?, "write+fdatasync"),
            None => (control::write(self.dir, bytes * batch, synced)?, "write"),
        };
        let mut native = Native::new()?;
        let payload = vec![b'x'; PAYLOAD];
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while start.elapsed() < MEASURE / 4 {
            native.append(batch, &payload)?;
            rounds += 1;
        }
        let native = start.elapsed() / (rounds * u32::try_from(batch)?);
        let each = took.div_f64(entries as f64);
        // Commitment, leaf, one node.
        let hashed = blocks(1 + SALT + PAYLOAD) + blocks(1 + body) + blocks(65);
        let limit = hashed / sha + raw.as_secs_f64() / batch as f64;
        self.line(Line {
            stack: subject.name,
            what: format!("append {batch} {}", if synced { "synced" } else { "written" }),
            each,
            rate: Some(entries as f64 / took.as_secs_f64()),
            raw: Some((raw.div_f64(batch as f64), how)),
            native: Some(native),
            efficiency: Some(limit / each.as_secs_f64()),
        });
        Ok(())
    }

    /// What is measured on a log of at least `entries` entries: seal, sign, proof, verify, open.
    fn whole_log(&mut self, subject: &Subject, graph: &Stack, log: &mut Instance) -> Result<()> {
        let Subject { name, site, .. } = subject;
        let events: Vec<Event> = vec![event("bench.event", Some(&[b'x'; PAYLOAD])); 1000];
        let mut native = Native::new()?;
        let payload = vec![b'x'; PAYLOAD];
        while log.head(STREAM)?.works()?.size < self.entries as u64 {
            log.append_batch(STREAM, &events, Promise::Written)?.works()?;
            alive();
        }
        let size = log.head(STREAM)?.works()?.size;
        for _ in 0..size.div_ceil(1000) {
            native.append(1000, &payload)?;
        }
        let (sealed, seal) = timed(|| log.close_segment(STREAM));
        let info = sealed?.works()?;
        let (native_sealed, native_seal) = timed(|| native.seal());
        native_sealed?;
        self.call(name, format!("seal {size} entries"), seal, None, Some(native_seal));
        let body = self.body(log)?;
        let read = site.file().map(|file| control::read(&file)).transpose()?;
        let raw = |read: Duration| (read.div_f64(size as f64), "read");
        let line = |what: &str, took: Duration, hashed: f64, sha: f64, native: Option<Duration>| {
            let limit = hashed / sha + read.unwrap_or_default().as_secs_f64() / size as f64;
            let each = took.div_f64(size as f64);
            Line {
                stack: name,
                what: format!("{what} {size}"),
                each,
                rate: Some(size as f64 / took.as_secs_f64()),
                raw: read.map(raw),
                native: native.map(|native| native.div_f64(size as f64)),
                efficiency: Some(limit / each.as_secs_f64()),
            }
        };
        let hashed = blocks(1 + body) + blocks(65);
        let sha = control::guest_sha(log)?;
        let (signed, sign) = timed(|| log.sign_segment(&site.identity(), &info.id));
        signed?.works()?;
        let sha = f64::midpoint(sha, control::guest_sha(log)?);
        let (checked, native_verify) = timed(|| native.verify_chain(size - 1));
        checked?;
        self.line(line("sign", sign, hashed, sha, Some(native_verify)));
        let (proofs, spread) = (200, size / 200);
        let (done, proof) = timed(|| {
            (0..proofs).try_for_each(|n| log.build_inclusion_proof(STREAM, n * spread, None)?.works().map(drop))
        });
        done?;
        let (done, native_proof) = timed(|| (0..proofs).try_for_each(|n| native.proof(n * spread)));
        done?;
        self.call(name, format!("proof over {size}"), proof / 200, None, Some(native_proof / 200));
        alive();
        let pin = log.verifier_key(&site.identity(), STREAM)?.works()?;
        let sha = control::guest_sha(log)?;
        let (report, verify) = timed(|| log.verify(STREAM, &trust(&pin)));
        let report = report?.works()?;
        let sha = f64::midpoint(sha, control::guest_sha(log)?);
        if let Some(found) = &report.finding {
            anyhow::bail!("{}", crate::expect::finding(found));
        }
        self.line(line("verify", verify, hashed + blocks(1 + SALT + PAYLOAD), sha, Some(native_verify)));
        let (head, open) = timed(|| opened(graph, site).and_then(|mut log| log.head(STREAM)?.works()));
        head?;
        let (reopened, native_open) = timed(|| native.reopened());
        reopened?;
        self.call(name, format!("open {size} and head"), open, None, Some(native_open));
        Ok(())
    }

    fn body(&self, log: &mut Instance) -> Result<usize> {
        let last = log.head(STREAM)?.works()?.size.checked_sub(2).context("entries")?;
        let entry = log.read(STREAM, last)?.works()?;
        Ok(log.encode_entry(&entry)?.works()?.len())
    }

    fn call(
        &mut self,
        stack: &'static str,
        what: String,
        each: Duration,
        raw: Option<(Duration, &'static str)>,
        native: Option<Duration>,
    ) {
        self.line(Line { stack, what, each, rate: None, raw, native, efficiency: None });
    }

    fn line(&mut self, line: Line) {
        alive();
        if self.json {
            let micros = |time: Duration| time.as_secs_f64() * 1e6;
            println!(
                "{}",
                json!({
                    "stack": line.stack, "row": line.what, "micros": micros(line.each), "entries_per_second": line.rate,
                    "raw_micros": line.raw.map(|(time, _)| micros(time)), "raw": line.raw.map(|(_, what)| what),
                    "native_micros": line.native.map(micros), "efficiency": line.efficiency,
                })
            );
        } else {
            let rate = line.rate.map_or(String::new(), |rate| format!("{rate:.0}"));
            let raw = line.raw.map_or(String::new(), |(time, what)| format!("{what} {}", fine(time)));
            let native = line.native.map_or(String::new(), fine);
            let efficiency = line.efficiency.map_or(String::new(), |efficiency| format!("{efficiency:.2}"));
            println!(
                "{:<8} {:<26} {:>10} {rate:>14} {raw:>22} {native:>12} {efficiency:>10}",
                line.stack,
                line.what,
                fine(line.each)
            );
        }
    }
}

/// As [`in_words`], with fractions of a microsecond.
fn fine(time: Duration) -> String {
    if time < Duration::from_micros(10) { format!("{:.2} us", time.as_secs_f64() * 1e6) } else { in_words(time) }
}
