//! A body through `wasi:http`, either direction: bounded in bytes and in time. The only I/O of this crate.

use wasip2::clocks::monotonic_clock::{now, subscribe_instant};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// Why a body did not arrive, or did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than the bound.
    TooLong,
    /// The deadline passed.
    Late,
    /// The other side went away.
    Broken,
}

/// A moment of the monotonic clock after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(u64);

impl Deadline {
    /// That many seconds from now.
    pub fn in_seconds(seconds: u64) -> Deadline {
        Deadline(now().saturating_add(seconds.saturating_mul(1_000_000_000)))
    }

    /// Waits for `ready`.
    ///
    /// # Errors
    /// `Late`.
    pub fn wait(self, ready: &Pollable) -> Result<(), BodyError> {
        // `poll` names all that are ready: an answer that came with the deadline still counts.
        if poll(&[ready, &subscribe_instant(self.0)]).contains(&0) { Ok(()) } else { Err(BodyError::Late) }
    }
}

/// Everything up to the end of the stream, at most `cap` bytes.
///
/// # Errors
/// [`BodyError`]; what was read is dropped.
pub fn read(stream: &InputStream, cap: usize, deadline: Deadline) -> Result<Vec<u8>, BodyError> {
    const CHUNK: u64 = 64 * 1024;
    let mut body = Vec::new();
    let ready = stream.subscribe();
    loop {
        deadline.wait(&ready)?;
        match stream.read(CHUNK) {
            Ok(chunk) if body.len() + chunk.len() > cap => return Err(BodyError::TooLong),
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::Broken),
        }
    }
}

/// All of `bytes`, flushed.
///
/// # Errors
/// [`BodyError`], never `TooLong`; any part may have left.
pub fn write(stream: &OutputStream, mut bytes: &[u8], deadline: Deadline) -> Result<(), BodyError> {
    let ready = stream.subscribe();
    let gone = |_: StreamError| BodyError::Broken;
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write().map_err(gone)?).unwrap_or(usize::MAX);
        if room == 0 {
            deadline.wait(&ready)?;
            continue;
        }
        let (chunk, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(chunk).map_err(gone)?;
        bytes = rest;
    }
    stream.flush().map_err(gone)?;
    // Room again means that the flush is done (wasi:io, output-stream.flush).
    while stream.check_write().map_err(gone)? == 0 {
        deadline.wait(&ready)?;
    }
    Ok(())
}
