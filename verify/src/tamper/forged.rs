//! The hand that recomputes every hash that has no key. It writes the changed rows through an endpoint of its
//! own over the same kind of store, so lines, tables and commits are well-formed; for the remote stack that
//! endpoint itself is the hostile server.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::payload;
use secure_log::store::Row;
use secure_log::types::{Detail, Severity};
use serde_json::json;

use super::{Honest, STREAM, VICTIM, copy_dir, expect, is_seal, judge};
use crate::endpoint::{Endpoint, Server, TOKEN};
use crate::expect::Expect as _;
use crate::host::Stack;
use crate::host::wit::Want;
use crate::ledger::Ledger;
use crate::report::Report;
use crate::site::Site;
use crate::steps::{event, opened};

/// What becomes of the remembered heads.
#[derive(Clone, Copy, PartialEq)]
enum Heads {
    /// Out of the attacker's reach (P1).
    Kept,
    /// Deleted with the rest (P2).
    Deleted,
}

type Change = fn(&mut Ledger) -> Result<()>;

/// Whether the second check, natively over the changed rows and without any head, finds it as well.
#[derive(Clone, Copy, PartialEq)]
enum Native {
    Finds,
    /// The rows are a true state of the log, or were vouched for by nobody.
    CanNot,
}

/// Name, what is done, heads, the verdict that must follow, what the native check says.
const CASES: &[(&str, Change, Heads, &str, Native)] = &[
    ("edit an event", edit, Heads::Kept, "root-mismatch", Native::Finds),
    ("edit a payload and its hash", edit_payload, Heads::Kept, "root-mismatch", Native::Finds),
    ("edit the last covered entry", edit_covered, Heads::Kept, "rolled-back", Native::Finds),
    ("delete an entry", delete, Heads::Kept, "entry-missing", Native::Finds),
    ("insert an entry", insert, Heads::Kept, "entry-inserted", Native::Finds),
    ("swap two entries", swap, Heads::Kept, "root-mismatch", Native::Finds),
    ("move the clock back", back_in_time, Heads::Kept, "time-decreased", Native::Finds),
    ("change the origin", change_origin, Heads::Kept, "origin-wrong", Native::Finds),
    ("break a link only", break_link, Heads::Kept, "chain-broken", Native::Finds),
    ("replace a payload only", replace_payload, Heads::Kept, "payload-altered", Native::Finds),
    ("drop a payload only", drop_payload, Heads::Kept, "payload-missing", Native::Finds),
    ("one checkpoint twice", checkpoint_twice, Heads::Kept, "entry-inserted|checkpoint-forged", Native::Finds),
    ("change a signature", change_signature, Heads::Kept, "checkpoint-forged", Native::Finds),
    ("drop the first checkpoint", drop_checkpoint, Heads::Kept, "entry-missing|checkpoint-missing", Native::Finds),
    ("truncate to a segment", truncate, Heads::Kept, "rolled-back", Native::CanNot),
    ("truncate, delete the heads", truncate, Heads::Deleted, "rollback(rolled-back)", Native::CanNot),
    // The list of what cannot be found without a witness or a later sighting (threats, last paragraph).
    ("cannot find: tail rewritten", rewrite_tail, Heads::Kept, "none", Native::CanNot),
    ("cannot find: last note dropped", drop_last_checkpoint, Heads::Kept, "none", Native::CanNot),
    ("cannot find: tail dropped", drop_tail, Heads::Kept, "none", Native::CanNot),
];

/// Runs all cases. `server` has the kind of store that the log has.
pub fn cases(report: &mut Report, stack: &Stack, honest: &Honest, server: &Server, dir: &Path) {
    for (number, (name, change, heads, expected, native)) in CASES.iter().enumerate() {
        report.step(&format!("forged: {name}"), || {
            let dir = dir.join(format!("forged-{number}"));
            let mut ledger = honest.ledger.clone();
            change(&mut ledger)?;
            let second = ledger.check(&honest.pin.parse()?);
            ensure!(second.is_err() == (*native == Native::Finds), "the native check says {second:?}");
            let (site, endpoint) = write(stack, honest, server, &dir, &ledger)?;
            if *heads == Heads::Deleted {
                fs::remove_dir_all(site.heads_dir())?;
                fs::create_dir_all(site.heads_dir())?;
            }
            let seen = expect(stack, &site, &honest.pin, expected);
            drop(endpoint);
            seen
        });
    }
    report.step("forged: all of it, other key", || {
        let dir = dir.join("forged-all");
        let (_endpoint, forger) = own_log(stack, honest, server, &dir)?;
        let mut log = opened(stack, &forger)?;
        log.append_batch(STREAM, &vec![event("account.paid", Some(b"1 EUR to mallory")); 300], Want::Synced)?
            .works()?;
        let info = log.close_segment(STREAM)?.works()?;
        log.sign_segment(&forger.identity(), &info.id)?.works()?;
        drop(log);
        expect(stack, &forger, &honest.pin, "wrong-key")
    });
    report.step("forged: heads adopted", || {
        // After the heads were lost, only the explicit switch accepts what is there, and says nothing is wrong.
        let dir = dir.join("forged-adopt");
        let (site, _endpoint) = write(stack, honest, server, &dir, &honest.ledger)?;
        fs::remove_dir_all(site.heads_dir())?;
        fs::create_dir_all(site.heads_dir())?;
        let refused = judge(stack, &site, &honest.pin)?;
        ensure!(refused.name != "none", "a log without its head was accepted");
        let adopting = site.clone().with_env("SECURE_LOG_HEAD_ADOPT", "1");
        expect(stack, &adopting, &honest.pin, "none")?;
        Ok(format!("without head {}; adopted by the switch", refused.words))
    });
}

/// A log of the forger's own, with keys and heads of its own, and the endpoint it may be behind.
fn own_log(stack: &Stack, honest: &Honest, server: &Server, dir: &Path) -> Result<(Option<Endpoint>, Site)> {
    let site = honest.site.moved(dir);
    for (path, _) in site.preopens() {
        fs::create_dir_all(path)?;
    }
    if !stack.is_remote() {
        return Ok((None, site));
    }
    let endpoint = Endpoint::start(server, dir)?;
    let site = site.behind(&endpoint.url(), TOKEN);
    Ok((Some(endpoint), site))
}

/// Writes the rows of `ledger` into a fresh store in `dir`; keys and heads are those of the honest log.
fn write(
    stack: &Stack,
    honest: &Honest,
    server: &Server,
    dir: &Path,
    ledger: &Ledger,
) -> Result<(Site, Option<Endpoint>)> {
    let endpoint = Endpoint::start(server, dir)?;
    for rows in ledger.rows()?.chunks(1000) {
        append(&endpoint, rows)?;
    }
    let site = honest.site.moved(dir);
    for ((from, guest), (to, _)) in honest.site.preopens().iter().zip(site.preopens()) {
        if *guest != "/store" {
            copy_dir(from, &to)?;
        }
    }
    if stack.is_remote() {
        let site = site.behind(&endpoint.url(), TOKEN);
        return Ok((site, Some(endpoint)));
    }
    drop(endpoint);
    let file = site.file().context("a local store")?;
    let name = file.file_name().and_then(|name| name.to_str()).context("a file name")?.to_owned();
    fs::create_dir_all(site.store_dir())?;
    for item in fs::read_dir(dir.join("served"))? {
        let item = item?;
        let other = item.file_name().to_string_lossy().replacen("audit", &name, 1);
        let target = site.store_dir().join(other);
        if item.file_type()?.is_dir() {
            copy_dir(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target)?;
        }
    }
    Ok((site, None))
}

/// One call of the store's `append` over the wire.
///
/// # Errors
/// The store did not take them.
pub(super) fn append(endpoint: &Endpoint, rows: &[Row]) -> Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "kind": row.kind.as_str(), "stream-id": row.stream_id.as_str(), "index": row.index,
                "body": BASE64.encode(&row.body), "payload": row.payload.as_ref().map(|payload| BASE64.encode(payload)),
            })
        })
        .collect();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "append", "params": [rows, "synced"] });
    let (status, answer) = endpoint.post(Some(TOKEN), request.to_string().as_bytes())?;
    ensure!(status == 200 && !answer.contains("\"error\""), "the forger's store: status {status}, {answer}");
    Ok(())
}

fn edit(ledger: &mut Ledger) -> Result<()> {
    ledger.lines[VICTIM].entry.event.severity = Severity::Debug;
    ledger.rechain()
}

fn edit_payload(ledger: &mut Ledger) -> Result<()> {
    let stored = payload::stored(&[9; 16], b"1000000 EUR to mallory");
    let line = &mut ledger.lines[VICTIM];
    line.entry.event.payload = Some(payload::reference(None, &stored)?);
    line.stored = Some(stored);
    ledger.rechain()
}

fn edit_covered(ledger: &mut Ledger) -> Result<()> {
    let at = last_seal(ledger)? - 1;
    ledger.lines[at].entry.event.severity = Severity::Debug;
    ledger.rechain()
}

fn delete(ledger: &mut Ledger) -> Result<()> {
    ledger.lines.remove(VICTIM);
    ledger.rechain()
}

fn insert(ledger: &mut Ledger) -> Result<()> {
    let copy = ledger.lines[VICTIM].clone();
    ledger.lines.insert(VICTIM, copy);
    ledger.rechain()
}

fn swap(ledger: &mut Ledger) -> Result<()> {
    ledger.lines.swap(VICTIM, VICTIM + 1);
    ledger.rechain()
}

fn back_in_time(ledger: &mut Ledger) -> Result<()> {
    ledger.lines[VICTIM].entry.timestamp -= 1_000_000_000;
    ledger.rechain()
}

fn change_origin(ledger: &mut Ledger) -> Result<()> {
    if let Some(Detail::StreamCreated { origin, .. }) = &mut ledger.lines[0].entry.event.detail {
        *origin = format!("mallory.example/{STREAM}");
    }
    ledger.rechain()
}

fn break_link(ledger: &mut Ledger) -> Result<()> {
    ledger.lines[VICTIM].entry.prev_entry_hash.0[0] ^= 1;
    Ok(())
}

fn replace_payload(ledger: &mut Ledger) -> Result<()> {
    ledger.lines[VICTIM].stored = Some(payload::stored(&[9; 16], b"1000000 EUR to mallory"));
    Ok(())
}

fn drop_payload(ledger: &mut Ledger) -> Result<()> {
    ledger.lines[VICTIM].stored = None;
    Ok(())
}

fn checkpoint_twice(ledger: &mut Ledger) -> Result<()> {
    ledger.notes[1] = ledger.notes[0].clone();
    Ok(())
}

fn change_signature(ledger: &mut Ledger) -> Result<()> {
    let note = &ledger.notes[1];
    let (text, line) = note.split_once("\n\n").context("a note has a blank line")?;
    let (head, signature) = line.trim_end().rsplit_once(' ').context("a signature line has three parts")?;
    let mut bytes = BASE64.decode(signature)?;
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    ledger.notes[1] = format!("{text}\n\n{head} {}\n", BASE64.encode(bytes));
    Ok(())
}

fn drop_checkpoint(ledger: &mut Ledger) -> Result<()> {
    ledger.notes.remove(0);
    Ok(())
}

/// No fault, for a crash leaves the same; the range that is signed shrinks, and the head still holds.
fn drop_last_checkpoint(ledger: &mut Ledger) -> Result<()> {
    ledger.notes.pop().map(drop).context("a checkpoint")
}

fn truncate(ledger: &mut Ledger) -> Result<()> {
    let seal = ledger.lines.iter().position(is_seal).context("a seal")?;
    ledger.lines.truncate(seal + 1);
    ledger.notes.truncate(1);
    Ok(())
}

fn rewrite_tail(ledger: &mut Ledger) -> Result<()> {
    let tail = ledger.lines.last_mut().context("an entry")?;
    tail.entry.event.severity = Severity::Debug;
    ledger.rechain()
}

fn drop_tail(ledger: &mut Ledger) -> Result<()> {
    let seal = last_seal(ledger)?;
    ledger.lines.truncate(seal + 1);
    Ok(())
}

fn last_seal(ledger: &Ledger) -> Result<usize> {
    ledger.lines.iter().rposition(is_seal).context("a seal")
}
