//! Reading forward: from a known commit to the end of the file, and the verdict on what is left there.
//!
//! Behind the last commit there is nothing, or the torn rest of an append that never returned. A torn rest
//! is the beginning of an append (a killed writer), or has blocks of zeros where the medium lost writes (a
//! power cut), or was never promised to be durable. Anything else, and anything before a commit that vouches
//! for it (`durable`), is damage: it is named, and nothing is repaired.

use secure_log::store::{MAX_BATCH_ROWS, StoreError};

use crate::file::LogFile;
use crate::line::{Commit, Parsed, parse};
use crate::log::{Block, Log};
use crate::window::{Found, Window};

/// Bytes read at a time.
const AHEAD: usize = 64 << 10;
/// Writes reach the medium in sectors of this size, or in multiples of it.
const SECTOR: u64 = 512;
/// Offsets kept in memory before `save` is asked to take them.
const UNSAVED: usize = 8192;

/// What stands behind the last commit.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Clean,
    /// The unfinished append of a writer that died or is still writing: this many bytes.
    Torn(u64),
    /// Not what a writer leaves. `Log::damage` says the same.
    Damaged(String),
}

/// Reads from `log.end` on and applies what is committed. `save` is called now and then, with a log that
/// ends at a commit, so that the offsets need not stay in memory.
pub fn replay(
    file: &mut LogFile,
    log: &mut Log,
    mut save: impl FnMut(&mut Log, &mut LogFile),
) -> Result<Rest, StoreError> {
    let mut window = Window::default();
    let mut looks = 0;
    loop {
        let start = log.end;
        match read_block(file, log, &mut window)? {
            Step::Applied => {
                looks = 0;
                if log.unsaved > UNSAVED {
                    save(log, file);
                }
            }
            Step::End => return Ok(Rest::Clean),
            Step::Bad(why) => match judge(file, log, &mut window, start)? {
                Verdict::Torn(bytes) => return Ok(Rest::Torn(bytes)),
                Verdict::Damaged if file.look_again(&mut looks) => window.forget(),
                Verdict::Damaged => {
                    let why = format!("{}: damage in the append at byte {start}: {why}", file.path().display());
                    log.damage = Some(why.clone());
                    salvage(file, log, &mut window)?;
                    return Ok(Rest::Damaged(why));
                }
            },
        }
    }
}

enum Step {
    Applied,
    End,
    Bad(String),
}

fn parsed(file: &mut LogFile, line: &[u8]) -> Result<Parsed, &'static str> {
    file.stats.lines_parsed += 1;
    parse(line, None, true)
}

/// The next append, strictly.
fn read_block(file: &mut LogFile, log: &mut Log, window: &mut Window) -> Result<Step, StoreError> {
    let start = log.end;
    let mut offset = start;
    let mut block = Block::default();
    loop {
        let line = match window.line_at(file, offset, AHEAD)? {
            Found::Line(line) => line,
            Found::End if offset == start => return Ok(Step::End),
            Found::End | Found::Partial(_) => return Ok(Step::Bad("it is not finished".into())),
        };
        if block.lines() > MAX_BATCH_ROWS as u64 {
            return Ok(Step::Bad("more lines than one append may have".into()));
        }
        if !block.is_of_one_sort() {
            return Ok(Step::Bad("an erase intent is not alone in it".into()));
        }
        let next = offset + line.len() as u64 + 1;
        match parsed(file, line) {
            Ok(Parsed::Row(row)) => block.row(&row, offset),
            Ok(Parsed::Erase(intent)) => block.erase(intent),
            Ok(Parsed::Commit(commit)) => {
                // Only its writer knows what was synced; where the append begins is never said.
                let durable = commit.durable.filter(|durable| *durable < start);
                return Ok(match log.closing(&block) {
                    Some((expected, covered)) if (Commit { durable, ..expected }) == commit => {
                        log.apply(block, &commit, covered, next);
                        Step::Applied
                    }
                    _ => Step::Bad(format!("the commit at byte {offset} does not fit its rows")),
                });
            }
            Err(why) => return Ok(Step::Bad(format!("the line at byte {offset}: {why}"))),
        }
        offset = next;
    }
}

enum Verdict {
    Torn(u64),
    Damaged,
}

/// What the bytes from `start` on are, of which the first append is not good.
fn judge(file: &mut LogFile, log: &Log, window: &mut Window, start: u64) -> Result<Verdict, StoreError> {
    let mut offset = start;
    // No line of a killed writer's beginning of an append is bad, and none is a commit.
    let mut beginning = true;
    loop {
        let line = match window.line_at(file, offset, AHEAD)? {
            Found::Line(line) => line,
            Found::Partial(rest) => {
                // A whole commit whose line feed is something else was finished once.
                let all_but_one = rest.split_last().map_or(rest, |(_, all)| all);
                beginning &= !matches!(parse(all_but_one, None, false), Ok(Parsed::Commit(_)));
                break;
            }
            Found::End => break,
        };
        let length = line.len() as u64 + 1;
        match parsed(file, line) {
            Ok(Parsed::Commit(commit)) => {
                // Without an offset it vouches for all appends before its own: for this one, if it closes a later one.
                let vouches = commit.durable.map_or(commit.n > log.commits, |durable| durable > start);
                if commit.n >= log.commits && vouches {
                    return Ok(Verdict::Damaged);
                }
                beginning = false;
            }
            Ok(_) => {}
            Err(_) => beginning = false,
        }
        offset += length;
    }
    let size = file.size()?;
    if beginning || lost_writes(file, start, size)? {
        return Ok(Verdict::Torn(size.saturating_sub(start)));
    }
    Ok(Verdict::Damaged)
}

/// Whether a sector between `start` and `size` reads as zeros, which no line contains: it was never written.
fn lost_writes(file: &mut LogFile, start: u64, size: u64) -> Result<bool, StoreError> {
    let mut sector = [0u8; SECTOR as usize];
    let mut from = start;
    while from < size {
        let to = (from / SECTOR + 1) * SECTOR;
        let piece = &mut sector[..(to.min(size) - from) as usize];
        let done = file.read_at(from, piece)?;
        if done > 0 && piece[..done].iter().all(|&byte| byte == 0) {
            return Ok(true);
        }
        from = to;
    }
    Ok(false)
}

/// Past damage: whatever stands in appends whose commit line is good stays readable.
fn salvage(file: &mut LogFile, log: &mut Log, window: &mut Window) -> Result<(), StoreError> {
    let mut offset = log.end;
    let mut block = Block::default();
    loop {
        let line = match window.line_at(file, offset, AHEAD)? {
            Found::Line(line) => line,
            Found::Partial(_) | Found::End => return Ok(()),
        };
        let next = offset + line.len() as u64 + 1;
        match parsed(file, line) {
            // More than an append may have is not kept: a forged file has no commit to end it.
            Ok(Parsed::Row(_) | Parsed::Erase(_)) if block.lines() > MAX_BATCH_ROWS as u64 => {}
            Ok(Parsed::Row(row)) => block.row(&row, offset),
            Ok(Parsed::Erase(intent)) => block.erase(intent),
            Ok(Parsed::Commit(commit)) if commit.n >= log.commits => {
                log.salvage(std::mem::take(&mut block), &commit, next);
            }
            Ok(Parsed::Commit(_)) => block = Block::default(),
            Err(_) => {}
        }
        offset = next;
    }
}
