//! The sidecar index: a directory `<log>.idx` of which nothing is trusted and nothing is synced.
//!
//! ```text
//! <log>.idx/head    where reading may start, and how many rows each (kind, stream) has there (text)
//! <log>.idx/<c>     offsets of the rows of chain c: 8 bytes each, little endian, row i at byte 8i
//! ```
//! Chains are numbered by their first row in the log. Both are written once per [`SAVE_BYTES`] of log (of a head that
//! is longer, once per its length), so that the steady state of appending touches the log alone. Every byte follows
//! from the log, whoever writes it, so several writers of one index do not disturb one another.
//!
//! They are written where they stand, for whatever makes or replaces a file costs the next sync of the log as much again.
//! A head that is read while it is written does not fit its sum and is looked at again; one that stays so, because who
//! wrote it was killed or found no space, or two wrote a long one at once, is rebuilt like a missing one.
//!
//! `head` must end at a commit line that stands in the log and whose `check` covers the counts. An offset must
//! lead to a line that says the row's place. Whatever fails is rebuilt from the log, in one pass.
//!
//! Opened read-only it is used as it stands and never written: the offsets of rows behind its head, of all rows
//! where there is none, stay in memory, 8 bytes each.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use secure_log::store::{RowKind, StoreError};
use secure_log::types::StreamId;
use xxhash_rust::xxh3::xxh3_64;

use crate::file::{LogFile, failed};
use crate::line::{HEADER, Parsed, parse, tail_sum};
use crate::log::{Chain, Log};
use crate::medium::{Access, Medium};

/// Log between two saves; at most this much (or the length of a longer head), and one append, is read when opening.
pub const SAVE_BYTES: u64 = 64 << 10;
/// A head that is larger is not ours: 300,000 streams with all their kinds.
const MAX_HEAD: u64 = 512 << 20;
/// A commit line without padding is shorter.
const COMMIT_BYTES: u64 = 512;
/// Open files.
const HANDLES: usize = 8;
/// How often a head is read that changes while it is read.
const LOOKS: usize = 3;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);
const FIRST_LINE: &str = "secure-log index 2";

/// The index of one log.
#[derive(Debug)]
pub struct Index {
    directory: PathBuf,
    writable: bool,
    handles: Vec<(usize, Medium)>,
    saved_end: u64,
    head_length: u64,
}

impl Index {
    /// Beside the log.
    pub fn new(log: &Path, writable: bool) -> Index {
        let mut directory = log.as_os_str().to_owned();
        directory.push(".idx");
        Index { directory: directory.into(), writable, handles: Vec::new(), saved_end: 0, head_length: 0 }
    }

    /// The log's state at the newest head, or at the beginning when there is none that fits.
    pub fn load(&mut self, file: &mut LogFile) -> Result<Log, StoreError> {
        let log = settled(|| self.read_head(), |text| fitting(text, file))?.unwrap_or_default();
        self.saved_end = log.end;
        self.head_length = head(&log).len() as u64;
        Ok(log)
    }

    fn read_head(&self) -> Option<Vec<u8>> {
        let path = self.directory.join("head");
        // A head is small; whatever else lies there is not read.
        (fs::metadata(&path).ok()?.len() <= MAX_HEAD).then(|| fs::read(&path).ok())?
    }

    /// Closes its files; the next save begins at the beginning.
    pub fn forget(&mut self) {
        self.handles.clear();
        self.saved_end = 0;
    }

    /// Saves when enough was appended since the last time.
    pub fn save_if_due(&mut self, log: &mut Log, file: &mut LogFile) {
        if log.end.saturating_sub(self.saved_end) >= SAVE_BYTES.max(self.head_length) {
            self.save(log, file);
        }
    }

    /// Writes the offsets that are still in memory, then the head. Failing is no failure of the store: what
    /// could not be written stays in memory and is tried again with the next save.
    ///
    /// A crash in between leaves offsets that the old head does not count: they are written again.
    pub fn save(&mut self, log: &mut Log, file: &mut LogFile) {
        self.saved_end = log.end;
        // With an erasure under way the index would hide its intent from whoever opens after a crash.
        if log.damage.is_none() && log.intent.is_none() && file.check_writable().is_ok() {
            self.try_save(log, file).ok();
        }
    }

    fn try_save(&mut self, log: &mut Log, file: &mut LogFile) -> Result<(), StoreError> {
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed("creating", &self.directory, &error));
            }
            _ => {}
        }
        for (number, chain) in log.chains.iter_mut().enumerate() {
            if chain.recent.is_empty() {
                continue;
            }
            let bytes: Vec<u8> = chain.recent.iter().flat_map(|offset| offset.to_le_bytes()).collect();
            let target = self.handle(number, true)?;
            target.write_full(chain.saved * 8, &bytes).map_err(|error| failed("writing", &self.directory, &error))?;
            file.stats.index_writes += 1;
            chain.saved = chain.count;
            chain.recent = Vec::new();
        }
        log.unsaved = 0;
        let (path, text) = (self.directory.join("head"), head(log));
        self.head_length = text.len() as u64;
        // What an older, longer head leaves behind its last line belongs to nobody.
        let written = Medium::open(&path, Access::Create).and_then(|head| head.write_full(0, text.as_bytes()));
        written.map_err(|error| failed("writing", &path, &error))?;
        file.stats.index_writes += 1;
        Ok(())
    }

    /// Offsets of rows `start` and following of a chain, at most `limit`; 0 where the index has none.
    pub fn offsets(&mut self, number: usize, chain: &Chain, start: u64, limit: usize) -> Vec<u64> {
        let count = (chain.count.saturating_sub(start)).min(limit as u64);
        let from_file = chain.saved.saturating_sub(start).min(count) as usize;
        let mut offsets = vec![0u64; from_file];
        if from_file > 0 {
            let mut bytes = vec![0u8; from_file * 8];
            // What cannot be read stays zero: missing.
            if let Ok(file) = self.handle(number, false) {
                file.read_full(start * 8, &mut bytes).ok();
            }
            for (offset, bytes) in offsets.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *offset = u64::from_le_bytes(*bytes);
            }
        }
        let skip = (start + from_file as u64).saturating_sub(chain.saved) as usize;
        offsets.extend(chain.recent.iter().skip(skip).take(count as usize - from_file));
        offsets
    }

    fn handle(&mut self, number: usize, create: bool) -> Result<&Medium, StoreError> {
        if let Some(at) = self.handles.iter().position(|(found, _)| *found == number) {
            self.handles[..=at].rotate_right(1);
        } else {
            let path = self.directory.join(number.to_string());
            let file = match create {
                true => Medium::open(&path, Access::Create),
                // A later save writes to it, where it may.
                false if self.writable => {
                    Medium::open(&path, Access::Write).or_else(|_| Medium::open(&path, Access::Read))
                }
                false => Medium::open(&path, Access::Read),
            };
            let file = file.map_err(|error| failed("opening", &path, &error))?;
            self.handles.truncate(HANDLES - 1);
            self.handles.insert(0, (number, file));
        }
        Ok(&self.handles[0].1)
    }
}

/// What `fits` makes of what `read` finds; of a file that changes meanwhile, what it finds later.
fn settled<T>(
    mut read: impl FnMut() -> Option<Vec<u8>>,
    mut fits: impl FnMut(&[u8]) -> Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut before = None;
    for look in 1..=LOOKS {
        let Some(found) = read() else { break };
        if let Some(fitting) = fits(&found)? {
            return Ok(Some(fitting));
        }
        let sum = xxh3_64(&found);
        if look == LOOKS || before == Some(sum) {
            break;
        }
        before = Some(sum);
        sleep(PAUSE);
    }
    Ok(None)
}

/// The state that a head states, if it is one of this log.
fn fitting(head: &[u8], file: &mut LogFile) -> Result<Option<Log>, StoreError> {
    match head.utf8_chunks().next().and_then(|text| parse_head(text.valid())) {
        Some(log) if stands_in(&log, file)? => Ok(Some(log)),
        _ => Ok(None),
    }
}

/// ```text
/// secure-log index 2
/// <commits> <end> <where the last append begins> <sum of its rows> <chains>
/// <kind> <stream> <rows>          one line per chain, in their order
/// <sum of everything before>
/// ```
fn head(log: &Log) -> String {
    let (last, chains) = (&log.last, log.chains.len());
    let mut text = format!("{FIRST_LINE}\n{} {} {} {:016x} {chains}\n", log.commits, log.end, last.at, last.rows);
    for chain in &log.chains {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", chain.kind.as_str(), chain.stream_id, chain.count);
    }
    let sum = xxh3_64(text.as_bytes());
    let _ = writeln!(text, "{sum:016x}");
    text
}

fn parse_head(text: &str) -> Option<Log> {
    let mut rest = text;
    let mut line = || {
        let (line, behind) = rest.split_once('\n')?;
        rest = behind;
        Some((line, text.len() - behind.len()))
    };
    if line()?.0 != FIRST_LINE {
        return None;
    }
    let (second, mut end) = line()?;
    let mut words = second.split(' ');
    let mut log = Log::default();
    log.commits = words.next()?.parse().ok()?;
    log.end = words.next()?.parse().ok()?;
    log.last.at = words.next()?.parse().ok()?;
    log.last.rows = u64::from_str_radix(words.next()?, 16).ok()?;
    let chains: usize = words.next()?.parse().ok()?;
    for _ in 0..chains {
        let (chain, behind) = line()?;
        end = behind;
        let mut words = chain.split(' ');
        let kind = RowKind::from_name(words.next()?)?;
        let stream_id = StreamId::try_from(words.next()?).ok()?;
        let count = words.next()?.parse().ok()?;
        let number = log.number(kind, &stream_id);
        let chain = log.chains.get_mut(number).filter(|chain| chain.count == 0)?;
        (chain.count, chain.saved) = (count, count);
        log.last.tails = log.last.tails.wrapping_add(tail_sum(kind, &stream_id, count));
    }
    (line()?.0 == format!("{:016x}", xxh3_64(&text.as_bytes()[..end]))).then_some(log)
}

/// Whether the head's last commit is in the log, behind such rows at such a place, with these counts.
fn stands_in(log: &Log, file: &mut LogFile) -> Result<bool, StoreError> {
    if log.commits == 0 || log.end > file.size()? || log.end <= HEADER.len() as u64 {
        return Ok(false);
    }
    let length = COMMIT_BYTES.min(log.end);
    let mut bytes = vec![0u8; length as usize];
    if file.read_at(log.end - length, &mut bytes)? < bytes.len() || bytes.pop() != Some(b'\n') {
        return Ok(false);
    }
    let start = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = &bytes[start..];
    let Ok(Parsed::Commit(commit)) = parse(line, None, false) else { return Ok(false) };
    Ok(commit.n.checked_add(1) == Some(log.commits) && commit.check == log.last.check())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Reads the words one after the other, and the last again and again; only "whole" fits.
    fn looks(words: &[&str]) -> (bool, usize) {
        let mut read = 0;
        let found = settled(
            || {
                let word = words.get(read).or(words.last())?;
                read += 1;
                Some(word.as_bytes().to_vec())
            },
            |word| Ok((word == b"whole").then_some(())),
        );
        (found.unwrap().is_some(), read)
    }

    #[test]
    fn a_head_that_is_written_while_it_is_read_is_read_again() {
        assert_eq!(looks(&["whole"]), (true, 1));
        assert_eq!(looks(&["half", "whole"]), (true, 2));
        assert_eq!(looks(&["half", "other half", "whole"]), (true, 3));
        assert_eq!(looks(&["wrong"]), (false, 2), "what does not change is not waited for");
        assert_eq!(looks(&["1", "2", "3", "whole"]), (false, 3));
        assert_eq!(looks(&[]), (false, 0));
    }
}
