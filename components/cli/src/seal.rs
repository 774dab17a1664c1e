//! `seal`, `sign`, `checkpoint`, `vkey`, `keygen`: statements about a stream, and who makes them.

use secure_log::note::{Checkpoint, Note, VerifierKey};
use secure_log::types::{StreamId, hex};
use secure_log_bindings::types::{LogError, SegmentId, SegmentInfo};
use serde_json::{Value, json};

use crate::args::Common;
use crate::console::Console;
use crate::failure::Failure;
use crate::read::PAGE;
use crate::service::Service;

/// Seals what is open. Nothing to seal is no failure: a timer may call this.
pub fn seal(common: &Common, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    // All are hashed again where no head is remembered.
    console.patience("sealing", stream, || Some(log.head(stream).ok()?.size));
    match log.close_segment(stream) {
        Ok(info) => console.say(|| format!("sealed {}", segment_text(&info)), || segment_value(stream, Some(&info))),
        Err(LogError::EmptySegment) => {
            let text = || format!("nothing was appended to {stream} since the last seal");
            console.say(text, || segment_value(stream, None))
        }
        Err(error) => Err(Failure::about(stream)(error)),
    }
}

fn segment_text(info: &SegmentInfo) -> String {
    let SegmentInfo { id, first_seqno, last_seqno, root, .. } = info;
    format!("segment {} of {}, entries {first_seqno} to {last_seqno}, root {}", id.number, id.stream_id, hex(root))
}

/// One shape, whether there was something to seal or not.
fn segment_value(stream: &str, info: Option<&SegmentInfo>) -> Value {
    json!({
        "stream": stream, "segment": info.map(|info| info.id.number),
        "first": info.map(|info| info.first_seqno), "last": info.map(|info| info.last_seqno),
        "root": info.map(|info| hex(&info.root)), "checkpoint-hash": info.map(|info| hex(&info.checkpoint_hash)),
        "signed": info.map(|info| info.signed),
    })
}

/// Signs the segments that are not signed, in order, or the one that was asked for.
pub fn sign(
    common: &Common,
    segment: Option<u64>,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, key) = (common.stream()?, common.key()?);
    if let Some(number) = segment {
        return sign_one(stream, key, number, log, console);
    }
    let (mut next, mut signed) = (unsigned(stream, log)?, 0);
    loop {
        let infos = log.list_segments(stream, next, PAGE).map_err(Failure::about(stream))?;
        let Some(last) = infos.last().map(|info| info.id.number) else { break };
        for info in infos.iter().filter(|info| !info.signed) {
            let entries = info.last_seqno.saturating_sub(info.first_seqno).saturating_add(1);
            console.patience("signing", stream, || Some(entries));
            sign_one(stream, key, info.id.number, log, console)?;
            signed += 1;
            console.progress("signed segments", signed, None);
        }
        next = last + 1;
    }
    match signed {
        0 => console.say(|| format!("every sealed segment of {stream} is signed"), || signed_value(stream, None)),
        _ => Ok(()),
    }
}

/// The first segment that is not signed. Signed ones come first, so it is found by doubling and halving.
pub fn unsigned(stream: &str, log: &mut impl Service) -> Result<u64, Failure> {
    let mut signed = |number: u64| -> Result<bool, Failure> {
        let infos = log.list_segments(stream, number, 1).map_err(Failure::about(stream))?;
        Ok(infos.first().is_some_and(|info| info.signed))
    };
    let (mut low, mut high) = (0, 1_u64);
    while signed(high - 1)? {
        low = high;
        high = high.saturating_mul(2);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if signed(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

fn sign_one(
    stream: &str,
    key: &str,
    number: u64,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let named = |error: LogError| Failure::from(error).after(&format!("segment {number} of {stream}, key {key}: "));
    let note = log.sign_segment(key, SegmentId { stream_id: stream.to_owned(), number }).map_err(named)?;
    let (_, checkpoint) = parse_checkpoint(&note)?;
    let text = || {
        format!("signed segment {number} of {stream}, {} entries, root {}", checkpoint.size, checkpoint.root.to_hex())
    };
    console.say(text, || signed_value(stream, Some((number, &checkpoint, &note))))
}

/// One shape, whether there was something to sign or not.
fn signed_value(stream: &str, signed: Option<(u64, &Checkpoint, &str)>) -> Value {
    json!({
        "stream": stream, "segment": signed.map(|(number, ..)| number),
        "size": signed.map(|(_, checkpoint, _)| checkpoint.size),
        "root": signed.map(|(_, checkpoint, _)| checkpoint.root.to_hex()),
        "checkpoint-hash": signed.map(|(_, checkpoint, _)| checkpoint.hash().to_hex()),
        "note": signed.map(|(.., note)| note),
    })
}

/// A note that the log gave, taken apart; nothing of it is verified.
pub fn parse_checkpoint(note: &str) -> Result<(Note, Checkpoint), Failure> {
    let note = Note::parse(note)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    Ok((note, checkpoint))
}

/// The signed note of this size, or the newest.
pub fn signed_note(stream: &str, size: Option<u64>, log: &mut impl Service) -> Result<String, Failure> {
    log.read_checkpoint(stream, size).map_err(|error| match (error, size) {
        (LogError::SegmentNotFound, None) => {
            Failure::usage(format!("nothing of {stream} is signed yet: seal and sign first"))
        }
        (LogError::SegmentNotFound, Some(size)) => {
            Failure::usage(format!("{stream} has no signed checkpoint of size {size}"))
        }
        (error, _) => Failure::about(&format!("signed checkpoint of {stream}"))(error),
    })
}

/// The signed note, as it is.
pub fn checkpoint(
    common: &Common,
    size: Option<u64>,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    let note = signed_note(stream, size, log)?;
    let (parsed, checkpoint) = parse_checkpoint(&note)?;
    if !console.json {
        return console.raw(note.as_bytes());
    }
    let lines: Vec<String> = parsed.signatures().iter().map(ToString::to_string).collect();
    let Checkpoint { origin, size, root } = &checkpoint;
    let hash = checkpoint.hash().to_hex();
    let value = json!({
        "origin": origin, "size": size, "root": root.to_hex(), "checkpoint-hash": hash, "signatures": lines, "note": note,
    });
    console.say(String::new, || value)
}

/// The verifier key of an identity.
pub fn vkey(
    common: &Common,
    as_policy: bool,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, key) = (common.stream()?, common.key()?);
    let named = |error: LogError| Failure::from(error).after(&format!("key {key} for {stream}: "));
    let vkey: VerifierKey = log.verifier_key(key, stream).map_err(named)?.parse()?;
    let policy = as_policy.then(|| format!("log {vkey}\nquorum none"));
    let algorithm = vkey.key().public_key().algorithm().as_str();
    let value = || {
        json!({
            "key": key, "origin": vkey.name(), "algorithm": algorithm, "vkey": vkey.to_string(),
            "policy": policy.as_ref().map(|policy| format!("{policy}\n")),
        })
    };
    console.say(|| policy.clone().unwrap_or_else(|| vkey.to_string()), value)
}

/// The same, after the stream was created if there was none.
pub fn keygen(
    common: &Common,
    as_policy: bool,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, key) = (common.stream()?, common.key()?);
    // A name that is none, and a key that is none, are told before anything is made.
    StreamId::try_from(stream).map_err(|error| Failure::usage(error.0))?;
    log.signer(key).map_err(Failure::from).map_err(|failure| failure.after(&format!("key {key} for {stream}: ")))?;
    created(stream, log)?;
    vkey(common, as_policy, log, console)
}

/// Creates the stream (tier public) if there is none.
pub fn created(stream: &str, log: &mut impl Service) -> Result<(), Failure> {
    match log.head(stream) {
        Ok(_) => Ok(()),
        Err(LogError::StreamNotFound) => log.create_stream(stream).map_err(Failure::about(stream)),
        Err(error) => Err(Failure::about(stream)(error)),
    }
}
