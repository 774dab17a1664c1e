//! `--events FILE`: every line of a real file (text or JSON lines) becomes an event, then the log is sealed,
//! signed and verified, and the rate is told.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use secure_log::types::{MAX_PAYLOAD, hex};
use sha2::{Digest as _, Sha256};

use crate::expect::{Expect as _, finding};
use crate::host::wit::{Event, Severity, Want};
use crate::host::{Instance, Stack};
use crate::report::{Report, alive, in_words, timed};
use crate::site::Site;
use crate::steps::{event, opened, trust};

/// Events in one batch, at most.
const BATCH: usize = 1000;
/// Bytes of lines in one batch: with entries and salts it stays below the 4 MiB a batch may have.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Where nobody watches a terminal, progress is a line this often.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The stream that a file's events go to: `events/file-` and the file's name with only the
/// characters of a stream id.
fn stream_of(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._~-".contains(c) { c } else { '-' }).take(64).collect();
    format!("events/file-{plain}")
}

/// Appends the file, seals, signs, verifies.
///
/// # Errors
/// The log cannot be opened; everything else is in the report.
pub fn run(report: &mut Report, stack: &Stack, site: &Site, file: &Path) -> Result<()> {
    let stream = stream_of(file);
    let mut log = opened(stack, site)?;
    let mut appended = 0;
    report.step("append events", || {
        let (count, took) = timed(|| append_all(&mut log, &stream, file));
        appended = count?;
        let rate = appended as f64 / took.as_secs_f64().max(1e-9);
        Ok(format!("{appended} events of {} into {stream}: {rate:.0} entries/s", file.display()))
    });
    let identity = site.identity();
    report.step("seal and sign", || {
        let info = log.close_segment(&stream)?.works()?;
        // Segments of an earlier run that was stopped come first.
        let mut signed = None;
        for segment in crate::ledger::segments(&mut log, &stream)? {
            if !segment.signed {
                signed = Some(log.sign_segment(&identity, &segment.id)?.works()?);
            }
        }
        let signed = signed.context("nothing was left to sign")?;
        Ok(format!("segment {} through entry {}, {}", info.id.number, info.last_seqno, signed.algorithm))
    });
    report.step("verify events", || {
        let pin = log.verifier_key(&identity, &stream)?.works()?;
        let (verdict, took) = timed(|| log.verify(&stream, &trust(&pin)));
        let verdict = verdict?.works()?;
        if let Some(found) = &verdict.finding {
            anyhow::bail!("{}", finding(found));
        }
        ensure!(verdict.entries >= appended, "{} entries, {appended} were appended", verdict.entries);
        let rate = verdict.entries as f64 / took.as_secs_f64().max(1e-9);
        Ok(format!("{} entries, {} checkpoints: {rate:.0} entries/s", verdict.entries, verdict.checkpoints))
    });
    Ok(())
}

fn append_all(log: &mut Instance, stream: &str, file: &Path) -> Result<u64> {
    let total = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    let mut reader = BufReader::new(File::open(file).with_context(|| format!("cannot open {}", file.display()))?);
    let progress = Progress::new(total);
    let producer = file
        .file_name()
        .map(|name| name.to_string_lossy().chars().take(64).collect())
        .unwrap_or_else(|| "file".to_owned());
    let (mut batch, mut bytes, mut read, mut count) = (Vec::new(), 0, 0, 0);
    loop {
        let line = next_line(&mut reader)?;
        if let Some(line) = &line {
            read += line.length;
            bytes += line.event.payload.as_ref().map_or(0, Vec::len);
            batch.push(Event { producer: producer.clone(), ..line.event.clone() });
        }
        if batch.len() == BATCH || bytes >= BATCH_BYTES || (line.is_none() && !batch.is_empty()) {
            log.append_batch(stream, &batch, Want::Synced)?.works()?;
            count += batch.len() as u64;
            batch.clear();
            bytes = 0;
            progress.tell(read, count);
        }
        if line.is_none() {
            progress.bar.finish_and_clear();
            return Ok(count);
        }
    }
}

struct Line {
    event: Event,
    /// Bytes of the file.
    length: u64,
}

/// The next line as an event; a line too long for a payload is logged by its digest.
fn next_line(reader: &mut BufReader<File>) -> Result<Option<Line>> {
    let mut line = Vec::new();
    let read = reader.by_ref().take(MAX_PAYLOAD as u64 + 1).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.len() > MAX_PAYLOAD && line.last() != Some(&b'\n') {
        let mut hash = Sha256::new_with_prefix(&line);
        let mut length = line.len() as u64;
        loop {
            line.clear();
            let more = reader.by_ref().take(MAX_PAYLOAD as u64).read_until(b'\n', &mut line)?;
            length += more as u64;
            let end = more == 0 || line.last() == Some(&b'\n');
            hash.update(line.strip_suffix(b"\n").unwrap_or(&line));
            if end {
                let text = format!("sha256:{}", hex(&hash.finalize()));
                let event = Event {
                    payload_encoding: Some("text/plain".into()),
                    ..event("file.line-digest", Some(text.as_bytes()))
                };
                return Ok(Some(Line { event, length }));
            }
        }
    }
    let content = line.strip_suffix(b"\n").unwrap_or(&line);
    let encoding = match std::str::from_utf8(content) {
        Ok(text) if text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            "application/json"
        }
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    let event = Event {
        severity: Severity::Informational,
        payload_encoding: Some(encoding.to_owned()),
        ..event("file.line", Some(content))
    };
    Ok(Some(Line { event, length: read as u64 }))
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    total: u64,
    start: Instant,
    told: std::cell::Cell<Instant>,
}

impl Progress {
    fn new(total: u64) -> Progress {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() };
        let style = "  {bar:40} {bytes}/{total_bytes} {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Progress { bar, total, start: Instant::now(), told: std::cell::Cell::new(Instant::now()) }
    }

    fn tell(&self, read: u64, count: u64) {
        alive();
        let took = self.start.elapsed();
        let rate = count as f64 / took.as_secs_f64().max(1e-9);
        self.bar.set_position(read);
        self.bar.set_message(format!("{rate:.0} entries/s"));
        if self.bar.is_hidden() && self.told.get().elapsed() >= TELL_EVERY {
            self.told.set(Instant::now());
            let percent = 100 * read / self.total.max(1);
            eprintln!("        {percent} %: {count} events in {}, {rate:.0} entries/s", in_words(took));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(content: &[u8]) -> Vec<(String, Option<String>, Vec<u8>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let mut reader = BufReader::new(File::open(file.path()).unwrap());
        let (mut all, mut read) = (Vec::new(), 0);
        while let Some(Line { event, length }) = next_line(&mut reader).unwrap() {
            read += length;
            all.push((event.event_type, event.payload_encoding, event.payload.unwrap()));
        }
        assert_eq!(read, content.len() as u64);
        all
    }

    #[test]
    fn every_line_becomes_one_event_whatever_is_in_it() {
        let seen = lines(b"plain\n\n{\"a\":1}\n{broken\n\xff\xfe\nlast without end");
        let encodings: Vec<_> = seen.iter().map(|(_, encoding, _)| encoding.as_deref().unwrap()).collect();
        let text = "text/plain; charset=utf-8";
        assert_eq!(encodings, [text, text, "application/json", text, "application/octet-stream", text]);
        assert_eq!(seen[1].2, b"");
        assert_eq!(seen[5].2, b"last without end");
    }

    #[test]
    fn a_line_longer_than_a_payload_is_logged_by_its_digest() {
        for length in [MAX_PAYLOAD, MAX_PAYLOAD + 1, 3 * MAX_PAYLOAD] {
            let mut content = vec![b'x'; length];
            content.extend_from_slice(b"\nnext\n");
            let seen = lines(&content);
            assert_eq!(seen.len(), 2, "{length}");
            assert_eq!(seen[1].2, b"next");
            if length > MAX_PAYLOAD {
                let digest = hex(&Sha256::digest(&content[..length]));
                assert_eq!(seen[0].2, format!("sha256:{digest}").into_bytes());
            }
        }
    }

    #[test]
    fn any_file_name_gives_a_stream_id() {
        for name in ["dpkg.log", "a b\u{e4}.log", "...", "x".repeat(300).as_str()] {
            let stream = stream_of(Path::new(name));
            assert!(secure_log::types::StreamId::try_from(stream.as_str()).is_ok(), "{stream}");
        }
    }
}
