//! Where commands read and write: text for people or one JSON object a line, on three streams.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Bytes asked of stdin at once: as many lines as there are go into one batch.
const INPUT: usize = 256 * 1024;
/// Entries from which on reading all of them again takes some seconds: who watches is told.
const LONG: u64 = 100_000;
/// Between two states of a progress line.
const REFRESH: Duration = Duration::from_millis(200);

/// The three streams and how to speak on them.
pub struct Console<'a> {
    /// One JSON object a line.
    pub json: bool,
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// A person watches stderr.
    watched: bool,
    /// When progress was last shown; a line of it is on the terminal.
    shown: Option<Instant>,
}

impl<'a> Console<'a> {
    /// A console over these streams; `watched`: stderr is a terminal.
    pub fn new(input: &'a mut dyn BufRead, out: &'a mut dyn Write, err: &'a mut dyn Write, watched: bool) -> Self {
        Console { json: false, input, out, err, watched, shown: None }
    }

    /// Lends the process's own streams.
    pub fn standard<R>(use_it: impl FnOnce(&mut Console<'_>) -> R) -> R {
        let (mut out, mut err) = (BufWriter::new(io::stdout().lock()), io::stderr());
        let watched = err.is_terminal();
        let mut input = BufReader::with_capacity(INPUT, io::stdin());
        use_it(&mut Console::new(&mut input, &mut out, &mut err, watched))
    }

    /// What the command is for: `text` for people, `value` with `--json`.
    pub fn say(&mut self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> Result<(), Failure> {
        self.clear();
        let written = if self.json { writeln!(self.out, "{}", value()) } else { writeln!(self.out, "{}", text()) };
        closed(written)
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        closed(self.out.write_all(bytes))
    }

    /// Makes what was said visible now.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.clear();
        closed(self.out.flush())
    }

    /// Stdin.
    pub fn input(&mut self) -> &mut dyn BufRead {
        self.input
    }

    /// How far a long work is; shown on a terminal only.
    pub fn progress(&mut self, what: &str, done: u64, of: Option<u64>) {
        if !self.watched || self.shown.is_some_and(|shown| shown.elapsed() < REFRESH) {
            return;
        }
        let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
        let _ = write!(self.err, "\r\x1b[K{what} {done}{of}");
        let _ = self.err.flush();
        self.shown = Some(Instant::now());
    }

    /// Says why the command failed: on stderr, and with `--json` as an object too.
    pub fn failed(&mut self, failure: &Failure) {
        self.clear();
        if matches!(failure, Failure::Closed) {
            return;
        }
        // What was said before comes first, where both go to one terminal.
        let _ = self.out.flush();
        let _ = writeln!(self.err, "secure-log: {failure}");
        if self.json {
            self.object(failure);
        }
    }

    fn object(&mut self, failure: &Failure) {
        let value = json!({ "error": failure.kind(), "text": failure.to_string(), "exit": failure.status() });
        let _ = writeln!(self.out, "{value}").and_then(|()| self.out.flush());
    }

    /// What a work on the entries of a stream, at most this many, will take, if it is long; asked and shown on a
    /// terminal only, until the next word.
    pub fn patience(&mut self, doing: &str, stream: &str, entries: impl FnOnce() -> Option<u64>) {
        if self.watched
            && let Some(entries) = entries().filter(|entries| *entries >= LONG)
        {
            let text = format!("{doing} up to {entries} entries of {stream}; a million takes about a minute");
            let _ = write!(self.err, "{text}").and_then(|()| self.err.flush());
            self.shown = Some(Instant::now());
        }
    }

    /// What the parser of arguments says: help on stdout, misuse on stderr, and with `--json` as an object too.
    pub fn usage(&mut self, error: &clap::Error) {
        let stream: &mut dyn Write = if error.use_stderr() { self.err } else { self.out };
        let rendered = error.render().to_string();
        let _ = write!(stream, "{rendered}").and_then(|()| stream.flush());
        if self.json && error.use_stderr() {
            let text = rendered.split("\n\n").next().unwrap_or_default();
            let failure = Failure::usage(text.strip_prefix("error: ").unwrap_or(text));
            self.object(&failure);
        }
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(self.err, "\r\x1b[K");
        }
    }
}

/// A reader that went away is no failure.
fn closed(written: io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::io("stdout did not take what was to be said, it may be full", &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_is_asked_for_patience_and_the_next_word_takes_its_place() {
        let patience = "sealing up to 100000 entries of app; a million takes about a minute\r\x1b[K";
        for (watched, expected) in [(true, patience), (false, "")] {
            let (mut input, mut out, mut err) = (io::empty(), Vec::new(), Vec::new());
            let mut console = Console::new(&mut input, &mut out, &mut err, watched);
            console.patience("sealing", "app", || None);
            console.patience("sealing", "app", || Some(LONG - 1));
            console.patience("sealing", "app", || Some(LONG));
            assert!(console.say(|| "done".into(), || Value::Null).is_ok());
            assert_eq!((out.as_slice(), err.as_slice()), (&b"done\n"[..], expected.as_bytes()));
        }
    }
}
