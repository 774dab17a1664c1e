//! The hand that edits what is on disk: lines of the JSON-lines file with a text editor, rows of the database with
//! the stock `sqlite3` after dropping its triggers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{Honest, STREAM, VICTIM, copy_site, expect};
use crate::host::Stack;
use crate::report::Report;
use crate::site::Site;

/// The first bytes of every SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Whether the local store of `site` is a SQLite database.
///
/// # Errors
/// It cannot be read.
pub fn is_sqlite(site: &Site) -> Result<bool> {
    let file = site.file().context("a local store")?;
    Ok(fs::read(&file).with_context(|| file.display().to_string())?.starts_with(SQLITE_MAGIC))
}

/// Runs SQL on the database with the stock tool; what it printed.
///
/// # Errors
/// `sqlite3` is not installed, or refused.
pub fn sql(database: &Path, statements: &str) -> Result<String> {
    let output = Command::new("sqlite3").arg("-bail").arg(database).arg(statements).output();
    let output = output.context("the stock sqlite3 is needed for this check (package sqlite3)")?;
    ensure!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What people see with stock tools: events in `sqlite3`, whose integrity check is content, or in JSON lines.
///
/// # Errors
/// They do not see it.
pub fn readable(site: &Site, producer: &str) -> Result<String> {
    let file = site.file().context("a local store")?;
    if is_sqlite(site)? {
        let checked = sql(&file, "PRAGMA integrity_check")?;
        ensure!(checked == "ok", "integrity_check says {checked}");
        let query =
            format!("SELECT time, type, severity, producer, payload FROM event WHERE producer = '{producer}' LIMIT 1");
        let row = sql(&file, &query)?;
        ensure!(!row.is_empty(), "no event of {producer} in view event");
        for change in ["UPDATE row SET body = x'00' WHERE id = 1", "DELETE FROM row WHERE id = 1"] {
            ensure!(sql(&file, change).is_err(), "the triggers let {change:?} pass");
        }
        return Ok(format!("sqlite3: integrity ok; {row}"));
    }
    for line in fs::read_to_string(&file)?.lines() {
        let value: Value = serde_json::from_str(line).context("a line is not JSON")?;
        if value.get("producer").and_then(Value::as_str) == Some(producer) {
            let field = |name: &str| value.get(name).map(Value::to_string).unwrap_or_default();
            return Ok(format!("jq: {} {} {} {}", field("time"), field("type"), field("severity"), field("payload")));
        }
    }
    bail!("no line of {producer}");
}

/// Runs all cases that fit the store.
pub fn cases(report: &mut Report, stack: &Stack, honest: &Honest, dir: &Path) {
    let sqlite = match is_sqlite(&honest.site) {
        Ok(sqlite) => sqlite,
        Err(error) => {
            report.step("at rest", || Err(error));
            return;
        }
    };
    let mut number = 0;
    let mut case = |report: &mut Report, name: &str, change: &dyn Fn(&Path) -> Result<()>, expected: &str| {
        number += 1;
        report.step(&format!("at rest: {name}"), || {
            let site = copy_site(&honest.site, &dir.join(format!("at-rest-{number}")))?;
            let file = site.file().context("a local store")?;
            change(&file)?;
            expect(stack, &site, &honest.pin, expected)
        });
    };
    if sqlite {
        for (name, statements, expected) in ROWS {
            let change = |file: &Path| {
                let triggers = "DROP TRIGGER row_is_next; DROP TRIGGER row_is_kept; DROP TRIGGER row_stays;";
                let statements = statements.replace("$victim", &VICTIM.to_string()).replace("$stream", STREAM);
                sql(file, &format!("{triggers} BEGIN; {statements}; COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"))
                    .map(drop)
            };
            case(report, name, &change, expected);
        }
    } else {
        for (name, change, expected) in LINES {
            case(report, name, &|file| edit_lines(file, *change), expected);
            // The index beside the file is as much in the attacker's reach.
            let without_index = |file: &Path| {
                let mut index = file.as_os_str().to_owned();
                index.push(".idx");
                fs::remove_dir_all(index).context("the index beside the file")?;
                edit_lines(file, *change)
            };
            case(report, &format!("{name}, no index"), &without_index, expected);
        }
    }
    for (name, change, expected) in FILES {
        case(report, name, change, expected);
    }
}

type FileChange = fn(&Path) -> Result<()>;

/// Damage to the file as such, whatever is in it.
const FILES: &[(&str, FileChange, &str)] = &[
    ("file cut in half", cut_in_half, "store(corrupt)|entry-altered|rolled-back|rollback(rolled-back)"),
    ("file emptied", empty, "store(corrupt)|stream-not-found|rolled-back|rollback(rolled-back)"),
    ("a byte flipped in the middle", flip, "store(corrupt)|entry-altered|payload-altered|node-wrong|chain-broken"),
];

fn cut_in_half(file: &Path) -> Result<()> {
    let length = fs::metadata(file)?.len();
    Ok(fs::OpenOptions::new().write(true).open(file)?.set_len(length / 2)?)
}

fn empty(file: &Path) -> Result<()> {
    Ok(fs::write(file, b"")?)
}

fn flip(file: &Path) -> Result<()> {
    let mut bytes = fs::read(file)?;
    // A byte of the victim's payload: it stands in the file as it was logged.
    let payload = format!("{} EUR to bob", VICTIM - 1);
    let at = bytes
        .windows(payload.len())
        .position(|window| window == payload.as_bytes())
        .context("the payload in the file")?;
    bytes[at + payload.len() - 1] ^= 1;
    Ok(fs::write(file, bytes)?)
}

/// Statements after the triggers were dropped. `$victim` is a seqno in the middle of segment 0.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "lengthen a body",
        "UPDATE row SET body = CAST(body || x'00' AS BLOB) WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "entry-altered",
    ),
    (
        // The last bytes of an entry without author: the commitment, then three nulls.
        "edit a commitment",
        "UPDATE row SET body = CAST(substr(body, 1, length(body) - 11) || x'6d616c6c6f7279' || substr(body, -4) AS BLOB)
         WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "payload-altered",
    ),
    (
        "another entry's body",
        "UPDATE row SET body = (SELECT body FROM row r WHERE r.kind = 'entry' AND r.stream = '$stream' AND r.idx = $victim + 1)
         WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "entry-missing",
    ),
    (
        "edit a payload",
        "UPDATE row SET payload = CAST(substr(payload, 1, 16) || '1000 EUR to mallory' AS BLOB)
         WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "payload-altered",
    ),
    (
        "drop a payload",
        "UPDATE row SET payload = NULL WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "payload-missing",
    ),
    ("delete", "DELETE FROM row WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim", "entry-missing"),
    (
        "delete and close the gap",
        "DELETE FROM row WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim;
         UPDATE row SET idx = -idx WHERE 0; PRAGMA ignore_check_constraints = 1;
         UPDATE row SET idx = -idx WHERE kind = 'entry' AND stream = '$stream' AND idx > $victim;
         UPDATE row SET idx = -idx - 1 WHERE kind = 'entry' AND stream = '$stream' AND idx < 0",
        "entry-missing",
    ),
    (
        "insert a copy",
        "PRAGMA ignore_check_constraints = 1;
         UPDATE row SET idx = -idx WHERE kind = 'entry' AND stream = '$stream' AND idx > $victim;
         UPDATE row SET idx = -idx + 1 WHERE kind = 'entry' AND stream = '$stream' AND idx < 0;
         INSERT INTO row (kind, stream, idx, body, payload)
         SELECT kind, stream, idx + 1, body, payload FROM row WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim",
        "entry-inserted",
    ),
    (
        "swap",
        "PRAGMA ignore_check_constraints = 1;
         UPDATE row SET idx = -1 WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim;
         UPDATE row SET idx = $victim WHERE kind = 'entry' AND stream = '$stream' AND idx = $victim + 1;
         UPDATE row SET idx = $victim + 1 WHERE kind = 'entry' AND stream = '$stream' AND idx = -1",
        "entry-missing",
    ),
    (
        "truncate",
        "DELETE FROM row WHERE kind = 'entry' AND stream = '$stream' AND idx >= 150;
         DELETE FROM row WHERE kind = 'segment' AND stream = '$stream' AND idx >= 1;
         DELETE FROM row WHERE kind = 'checkpoint' AND stream = '$stream' AND idx >= 1;
         DELETE FROM row WHERE kind LIKE 'node%' AND stream = '$stream'",
        "rolled-back",
    ),
    ("edit a node", "UPDATE row SET body = zeroblob(32) WHERE kind = 'node1' AND stream = '$stream' AND idx = 0", "node-wrong"),
    ("delete a node", "DELETE FROM row WHERE kind = 'node1' AND stream = '$stream' AND idx = 0", "node-wrong"),
    ("edit a segment row", "UPDATE row SET body = x'05' WHERE kind = 'segment' AND stream = '$stream' AND idx = 1", "node-wrong"),
    (
        "one checkpoint twice",
        "UPDATE row SET body = (SELECT body FROM row r WHERE r.kind = 'checkpoint' AND r.stream = '$stream' AND r.idx = 0)
         WHERE kind = 'checkpoint' AND stream = '$stream' AND idx = 1",
        "entry-inserted|checkpoint-forged",
    ),
];

type LineChange = fn(&mut Vec<String>) -> Result<()>;

/// Edits of the JSON lines.
const LINES: &[(&str, LineChange, &str)] = &[
    ("edit a payload", |lines| replace(lines, "EUR to bob", "EUR to eve"), "entry-altered"),
    ("edit a producer", |lines| replace(lines, "\"verify\"", "\"editor\""), "entry-altered"),
    ("add a space", |lines| replace(lines, "{", "{ "), "entry-altered"),
    ("delete a line", delete_line, "entry-altered|entry-missing"),
    ("insert a copy", insert_copy, "store(corrupt)|entry-inserted"),
    ("swap two lines", |lines| swap_lines(lines), "entry-altered|entry-missing"),
    ("truncate", truncate_lines, "rolled-back"),
];

fn delete_line(lines: &mut Vec<String>) -> Result<()> {
    let at = at(lines)?;
    lines.remove(at);
    Ok(())
}

fn insert_copy(lines: &mut Vec<String>) -> Result<()> {
    let at = at(lines)?;
    lines.insert(at, lines[at].clone());
    Ok(())
}

fn swap_lines(lines: &mut [String]) -> Result<()> {
    let at = at(lines)?;
    lines.swap(at, at + 1);
    Ok(())
}

fn truncate_lines(lines: &mut Vec<String>) -> Result<()> {
    let at = at(lines)?;
    lines.truncate(at);
    Ok(())
}

fn edit_lines(file: &Path, change: LineChange) -> Result<()> {
    let mut lines: Vec<String> = fs::read_to_string(file)?.lines().map(str::to_owned).collect();
    change(&mut lines)?;
    lines.push(String::new());
    Ok(fs::write(file, lines.join("\n"))?)
}

/// Place of the victim's line.
fn at(lines: &[String]) -> Result<usize> {
    let is_victim = |line: &String| {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return false };
        value.get("kind").and_then(Value::as_str) == Some("entry")
            && value.get("stream").and_then(Value::as_str) == Some(STREAM)
            && value.get("seqno").and_then(Value::as_u64) == Some(VICTIM as u64)
    };
    lines.iter().position(is_victim).context("the victim's line")
}

fn replace(lines: &mut [String], old: &str, new: &str) -> Result<()> {
    let at = at(lines)?;
    let changed = lines[at].replacen(old, new, 1);
    ensure!(changed != lines[at], "{old:?} does not stand in {}", lines[at]);
    lines[at] = changed;
    Ok(())
}
