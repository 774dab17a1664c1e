//! `append`: events from arguments, or lines as they come. What was told to be durable is durable.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use secure_log::types::{MAX_PAYLOAD, NewEvent};
use secure_log_bindings::types::{Event, Want};
use serde_json::json;

use crate::args::{Append, Common};
use crate::console::Console;
use crate::failure::{self, Failure};
use crate::producer::Producer;
use crate::service::Service;

/// Lines in one batch, at most.
const BATCH_LINES: usize = 1000;
/// Bytes of lines in one batch, about: a quarter of what an append may have.
const BATCH_BYTES: usize = 1024 * 1024;
/// Bytes read of a file at once.
const READ: usize = 256 * 1024;
/// Between two looks at the end of a followed file.
const PAUSE: Duration = Duration::from_millis(500);

/// Appends the texts, or lines until the input ends.
pub fn append(
    common: &Common,
    what: &Append,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    // Every event is made of what was typed and a payload, so a name that is none is told before anything is done.
    NewEvent::try_from(event(what, Vec::new())).map_err(|error| Failure::usage(error.0))?;
    let producer = what.sign_as.as_deref().map(|identity| Producer::new(identity, log)).transpose()?;
    let mut writer = Writer { stream, what, log, producer, done: 0, skipped: what.from_line - 1, durable: None };
    if !what.texts.is_empty() {
        let texts = what.texts.iter().map(|text| text.clone().into_bytes()).collect();
        let first = writer.write(texts).map_err(|failure| failure.after(&format!("{stream}: ")))?;
        return writer
            .tell(first, console)
            .map_err(|failure| failure.after(&format!("{}, but ", writer.stored(first))));
    }
    match what.file.as_deref().filter(|path| path.as_os_str() != "-") {
        None if what.follow => Err(Failure::usage("--follow needs the name of a file: stdin is read until it ends")),
        None => writer.lines("stdin", None, None, console),
        Some(path) => {
            let name = path.display().to_string();
            let why = |error: io::Error| Failure::usage(format!("{name}: {}", failure::why(&error)));
            let opened = File::open(path).map_err(why)?;
            if opened.metadata().map_err(why)?.is_dir() {
                return Err(Failure::usage(format!("{name}: a folder, not a file")));
            }
            let mut input = BufReader::with_capacity(READ, opened);
            writer.lines(&name, Some(&mut input), what.follow.then_some(path), console)
        }
    }
}

fn event(what: &Append, payload: Vec<u8>) -> Event {
    Event {
        event_type: what.event_type.clone(),
        severity: what.severity.into(),
        producer: what.producer.clone(),
        payload: Some(payload),
        payload_encoding: Some(what.encoding.clone()),
        salt: None,
        idempotency_key: None,
        author: None,
    }
}

struct Writer<'a, L> {
    stream: &'a str,
    what: &'a Append,
    log: &'a mut L,
    /// Who signs the events, if anyone does.
    producer: Option<Producer>,
    /// Lines of the input that are in the log or were skipped.
    done: u64,
    /// Lines to pass over.
    skipped: u64,
    /// The last seqno that is known to be durable.
    durable: Option<u64>,
}

impl<L: Service> Writer<'_, L> {
    /// Appends lines until the input ends; the end of a `followed` file is waited at. `input` absent: stdin.
    fn lines(
        &mut self,
        name: &str,
        mut input: Option<&mut BufReader<File>>,
        followed: Option<&Path>,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        let (mut pending, mut position) = (Vec::new(), 0);
        loop {
            let source: &mut dyn BufRead = match &mut input {
                Some(input) => *input,
                None => console.input(),
            };
            let chunk = source.fill_buf().map_err(|error| self.left(name, Failure::io("reading", &error)))?;
            let read = chunk.len();
            pending.extend_from_slice(chunk);
            source.consume(read);
            position += read as u64;
            let used = self.whole_lines(name, &pending, console)?;
            pending.drain(..used);
            if self.skipped > 0 {
                // Of a line that is passed over one byte is kept: that it has begun.
                pending.truncate(1);
            } else if pending.len() > MAX_PAYLOAD {
                return Err(self.too_long(name));
            }
            match (read, followed) {
                (0, None) => break,
                (0, Some(path)) => {
                    if let Some(input) = &input {
                        self.still_there(name, path, input.get_ref(), position)?;
                    }
                    sleep(PAUSE);
                    // A stream of WASI that ended stays at its end: reading goes on from a new one.
                    let again = input.as_mut().map(|input| input.seek(SeekFrom::Start(position))).transpose();
                    again.map_err(|error| self.left(name, Failure::io("seeking", &error)))?;
                }
                _ => console.progress("lines", self.done, None),
            }
        }
        if !pending.is_empty() && !self.passes_over() {
            self.append_lines(name, vec![pending], console)?;
        }
        let lines = self.done;
        if self.skipped > 0 {
            let from = self.what.from_line;
            return Err(Failure::usage(format!("{name} has {lines} lines: --from-line {from} is beyond its end")));
        }
        match self.durable {
            Some(_) => Ok(()),
            None => console.say(|| format!("no new line in {name}"), || json!({ "appended": 0, "lines": lines })),
        }
    }

    /// A followed file only grows, and its name stays its own. WASI tells no identity of a file, so length and time
    /// of its last change are compared: what the open file says before and after the name was asked, the name must
    /// say too. A file that was cut and is longer again at the next look is not noticed.
    fn still_there(&self, name: &str, path: &Path, open: &File, position: u64) -> Result<(), Failure> {
        let looking = |error: io::Error| self.left(name, Failure::io("looking", &error));
        let state = |found: fs::Metadata| (found.len(), found.modified().ok());
        let before = state(open.metadata().map_err(looking)?);
        if before.0 < position {
            return Err(self.moved_on(name, "it became shorter, so it was cut"));
        }
        let named = match fs::metadata(path) {
            Ok(found) => Some(state(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(looking(error)),
        };
        let after = state(open.metadata().map_err(looking)?);
        match (named, before == after) {
            (None, _) => Err(self.moved_on(name, "no file has this name any more")),
            (Some(named), true) if named != before => Err(self.moved_on(name, "another file has this name now")),
            (Some(_), _) => Ok(()),
        }
    }

    /// The lines behind the name are others now, so a number of a line of the old file means nothing for them.
    fn moved_on(&self, name: &str, why: &str) -> Failure {
        let (done, next) = (self.done, self.done + 1);
        Failure::CannotTell(format!(
            "{name}: {why}; the old file is durable through line {done}: finish it where it is now with --from-line \
             {next}, then start at line 1 of the new one"
        ))
    }

    /// Whether the next line is one to pass over, which it then is: neither copied nor looked at.
    fn passes_over(&mut self) -> bool {
        let passes = self.skipped > 0;
        if passes {
            self.skipped -= 1;
            self.done += 1;
        }
        passes
    }

    /// Appends the lines of `bytes` that end with a newline; says how many bytes that were.
    fn whole_lines(&mut self, name: &str, bytes: &[u8], console: &mut Console<'_>) -> Result<usize, Failure> {
        let (mut used, mut batch, mut size) = (0, Vec::new(), 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            used += line.len();
            if self.passes_over() {
                continue;
            }
            if text.len() > MAX_PAYLOAD {
                self.append_lines(name, std::mem::take(&mut batch), console)?;
                return Err(self.too_long(name));
            }
            if batch.len() == BATCH_LINES || size + text.len() > BATCH_BYTES {
                self.append_lines(name, std::mem::take(&mut batch), console)?;
                size = 0;
            }
            size += text.len();
            batch.push(text.to_vec());
        }
        self.append_lines(name, batch, console)?;
        Ok(used)
    }

    fn append_lines(&mut self, name: &str, lines: Vec<Vec<u8>>, console: &mut Console<'_>) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let count = lines.len() as u64;
        let first = self.write(lines).map_err(|failure| self.left(name, failure))?;
        self.done += count;
        self.tell(first, console).map_err(|failure| self.left(name, failure))
    }

    /// Appends one batch; durable on return. Gives the first seqno.
    fn write(&mut self, payloads: Vec<Vec<u8>>) -> Result<u64, Failure> {
        let events: Vec<Event> = payloads.into_iter().map(|payload| event(self.what, payload)).collect();
        let batch = match &mut self.producer {
            Some(producer) => producer.append(&events, self.stream, self.log)?,
            None => self.log.append_batch(self.stream, &events, Want::Synced)?,
        };
        let (Some(first), Some(last)) = (batch.results.first(), batch.results.last()) else {
            return Err(Failure::CannotTell("the log answered nothing".into()));
        };
        if batch.durable_through.is_none_or(|through| through < last.seqno) {
            let why = format!("the log answered without saying that entry {} is durable", last.seqno);
            return Err(Failure::CannotTell(why));
        }
        self.durable = Some(last.seqno);
        Ok(first.seqno)
    }

    /// Tells that the entries from `first` on are durable. Who cannot be told must not believe that all went well.
    fn tell(&self, first: u64, console: &mut Console<'_>) -> Result<(), Failure> {
        let (stream, last) = (self.stream, self.durable.unwrap_or(first));
        let value = || json!({ "stream": stream, "first": first, "last": last, "durable-through": last });
        console.say(|| self.stored(first), value).and_then(|()| console.flush()).map_err(|failure| match failure {
            Failure::Closed => Failure::CannotTell("stdout was closed".into()),
            failure => failure,
        })
    }

    /// The entries from `first` on, in words.
    fn stored(&self, first: u64) -> String {
        let (stream, last) = (self.stream, self.durable.unwrap_or(first));
        match first == last {
            true => format!("entry {first} of {stream} is durable"),
            false => format!("entries {first} to {last} of {stream} are durable"),
        }
    }

    fn too_long(&self, name: &str) -> Failure {
        let why = format!("line {} has more than {MAX_PAYLOAD} bytes: log its digest instead", self.done + 1);
        self.left(name, Failure::usage(why))
    }

    /// Says how far the input got.
    fn left(&self, name: &str, failure: Failure) -> Failure {
        let next = self.done + 1;
        match self.durable {
            None => failure.after(&format!("{name}, from line {next} on nothing is known to be in the log: ")),
            Some(entry) => failure.changed().after(&format!(
                "{name} is durable through line {} (entry {entry}), go on with --from-line {next}: ",
                self.done
            )),
        }
    }
}
