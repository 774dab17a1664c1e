//! `read`, `tail`, `streams`: what is in the log. Every entry shown was hashed again here.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::args::{Common, Read, Tail};
use crate::console::Console;
use crate::failure::Failure;
use crate::service::Service;
use crate::show::Shown;

/// Entries asked for at once; a page has at most about 1 MiB as well.
pub const PAGE: u32 = 1000;

/// Entries `first` to `last`.
pub fn read(common: &Common, what: &Read, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    let named = |failure: Failure| failure.after(&format!("entry {} of {stream}: ", what.first));
    if what.raw {
        let shown = Shown::new(log.read(stream, what.first).map_err(Failure::from).map_err(named)?)?;
        let payload = shown.payload.ok_or_else(|| named(Failure::usage("it has no payload, or it was erased")))?;
        return console.raw(&payload);
    }
    let last = what.last.unwrap_or(what.first);
    if last < what.first {
        return Err(Failure::usage(format!("the last entry {last} is before the first, {}", what.first)));
    }
    let mut next = what.first;
    while next <= last {
        let limit = u32::try_from(last - next).unwrap_or(u32::MAX).saturating_add(1).min(PAGE);
        let seen = page(stream, next, limit, log, console)?;
        if seen == 0 {
            return Err(Failure::usage(format!("entry {next} of {stream}: no such entry")));
        }
        next += seen;
    }
    Ok(())
}

/// The last entries, and those that come.
pub fn tail(common: &Common, what: &Tail, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    let mut next = log.head(stream).map_err(Failure::about(stream))?.size.saturating_sub(what.lines);
    loop {
        let seen = page(stream, next, PAGE, log, console)?;
        next += seen;
        if seen > 0 {
            continue;
        }
        if !what.follow {
            return Ok(());
        }
        console.flush()?;
        sleep(Duration::from_millis(what.interval));
    }
}

/// Shows a page of entries; says how many there were.
fn page(
    stream: &str,
    start: u64,
    limit: u32,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<u64, Failure> {
    let named = |failure: Failure| failure.after(&format!("entry {start} of {stream}: "));
    let entries = log.read_since(stream, start, limit).map_err(Failure::from).map_err(named)?;
    let mut seen = 0;
    for entry in entries {
        let shown = Shown::new(entry)?;
        if shown.entry.seqno != start + seen || shown.entry.stream_id.as_str() != stream {
            return Err(Failure::finding(format!(
                "asked for entry {} of {stream}, the log gave another",
                start + seen
            )));
        }
        console.say(|| shown.line(), || shown.value())?;
        seen += 1;
    }
    Ok(seen)
}

/// All streams.
pub fn streams(log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let streams = log.list_streams(after.as_deref(), PAGE)?;
        for info in &streams {
            let text = || {
                let closed = if info.closed { ", closed" } else { "" };
                format!(
                    "{}  {} entries, {} segments{closed}  {}",
                    info.stream_id, info.size, info.segments, info.origin
                )
            };
            let value = || {
                json!({
                    "stream": info.stream_id, "origin": info.origin, "description": info.description,
                    "entries": info.size, "segments": info.segments, "closed": info.closed,
                })
            };
            console.say(text, value)?;
        }
        match streams.last() {
            Some(last) => after = Some(last.stream_id.clone()),
            None => return Ok(()),
        }
    }
}
