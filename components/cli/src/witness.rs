//! `witness submit`: takes a signed checkpoint to a witness and keeps the cosignatures that verify.
//!
//! Not here: what is asked and what is believed ([`secure_log::witness::submit()`]), the request's way
//! ([`secure_log::witness::Exchange`]).

use secure_log::note::{Checkpoint, MAX_NOTE, Note, SignatureLine, VerifierKey, VerifierKeyKind};
use secure_log::types::Digest;
use secure_log::witness::{
    ADD_CHECKPOINT, ExchangeError, Response, Submission, SubmitError, Unanswered, submit as ask,
};
use secure_log_bindings::types::{LogError, SegmentId, SegmentInfo};
use serde_json::{Value, json};

use crate::args::{Common, Submit};
use crate::console::Console;
use crate::evidence::path;
use crate::failure::Failure;
use crate::seal::{parse_checkpoint, unsigned};
use crate::service::Service;
use crate::show::seconds;

/// A body of `add-checkpoint` is text.
const CONTENT_TYPE: &str = "text/plain; charset=utf-8";
/// Longest answer in bytes that is taken: more than [`MAX_NOTE`] is no answer of a witness.
const MAX_ANSWER: u32 = MAX_NOTE as u32 + 1;
/// Segments before the one submitted that are looked at for the witness's last line. A log that submits what it
/// signs finds it in the first; where nothing is found the witness says which size it knows, one request later.
const LOOK_BACK: u64 = 8;

/// Submits the newest signed segment, or the one that was asked for.
pub fn submit(
    common: &Common,
    what: &Submit,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    let witnesses = witnesses(common, &what.vkeys)?;
    let segment = match what.segment {
        Some(number) => number,
        None => newest(stream, log)?.ok_or_else(|| {
            Failure::usage(format!(
                "{stream}: no segment is signed, so there is nothing to submit: seal and sign first"
            ))
        })?,
    };
    let named = |failure: Failure| failure.after(&format!("segment {segment} of {stream}: "));
    let (text, note, checkpoint) = signed_note(stream, segment, log)
        .and_then(|found| found.ok_or_else(|| Failure::usage("there is no such signed segment")))
        .map_err(named)?;
    let known = match cosigned(&note, &witnesses).is_empty() {
        false => checkpoint.size,
        true => last_cosigned(stream, segment, &witnesses, log)?,
    };

    let vkeys: Vec<String> = witnesses.iter().map(ToString::to_string).collect();
    let submission =
        Submission::new(&text, witnesses.clone(), known).map_err(|error| named(Failure::usage(error.0)))?;
    let url = format!("{}{ADD_CHECKPOINT}", what.url.trim_end_matches('/'));
    let mut exchange = log.exchange();
    let proof = |old, new| -> Result<Vec<Digest>, Failure> {
        let named = |error: LogError| Failure::from(error).after(&format!("proof from size {old} to {new}: "));
        path(&log.build_consistency_proof(stream, old, new).map_err(named)?.path)
    };
    let post = |body: &[u8]| -> Result<Response, Failure> {
        exchange.post(&url, CONTENT_TYPE, body, MAX_ANSWER).map_err(|error| unreached(&what.url, error))
    };
    let lines = match ask(submission, proof, post) {
        Ok(lines) => lines,
        Err(SubmitError::Caller(failure)) => return Err(named(failure)),
        Err(SubmitError::Witness(why)) => return Err(named(refused(&what.url, &why, stream, log)?)),
    };

    let id = SegmentId { stream_id: stream.to_owned(), number: segment };
    let by = cosigned(&Note::new(note.text(), lines.clone())?, &witnesses);
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let kept = log.add_cosignature(id, &lines, &vkeys).map_err(Failure::from).map_err(named)?;
    let text = || {
        let by: Vec<String> = by.iter().map(|(name, time)| format!("{name} at {}", seconds(*time))).collect();
        let size = checkpoint.size;
        format!("segment {segment} of {stream}, {size} entries: cosigned by {}; lines kept: {kept}", by.join(", "))
    };
    let value = || {
        let by: Vec<Value> = by.iter().map(|(name, time)| json!({ "name": name, "time": seconds(*time) })).collect();
        json!({
            "stream": stream, "segment": segment, "size": checkpoint.size, "witness": what.url,
            "cosigned": by, "lines": lines, "kept": kept,
        })
    };
    console.say(text, value)
}

/// The newest signed segment.
fn newest(stream: &str, log: &mut impl Service) -> Result<Option<u64>, Failure> {
    Ok(unsigned(stream, log)?.checked_sub(1))
}

/// The keys whose lines count: those given, else the witnesses of the policy.
fn witnesses(common: &Common, given: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    if given.is_empty() {
        let (policy, _) = common.policy()?;
        let keys: Vec<VerifierKey> = policy.witnesses().iter().map(|witness| witness.key.clone()).collect();
        return match keys.is_empty() {
            true => Err(Failure::usage("the policy names no witness: give its key with --vkey")),
            false => Ok(keys),
        };
    }
    let parse = |vkey: &String| vkey.parse().map_err(|error| Failure::usage(format!("--vkey {vkey}: {error}")));
    given.iter().map(parse).collect()
}

/// The signed note of a segment, with what was kept for it; `None`: no such segment, or not signed.
fn signed_note(
    stream: &str,
    segment: u64,
    log: &mut impl Service,
) -> Result<Option<(String, Note, Checkpoint)>, Failure> {
    let infos = log.list_segments(stream, segment, 1)?;
    let Some(SegmentInfo { last_seqno, .. }) = infos.first().filter(|info| info.id.number == segment && info.signed)
    else {
        return Ok(None);
    };
    let text = log.read_checkpoint(stream, Some(last_seqno.saturating_add(1)))?;
    let (note, checkpoint) = parse_checkpoint(&text)?;
    Ok(Some((text, note, checkpoint)))
}

/// Size of the last checkpoint before this segment's that bears a line of one of these keys; 0: none was found.
fn last_cosigned(
    stream: &str,
    segment: u64,
    witnesses: &[VerifierKey],
    log: &mut impl Service,
) -> Result<u64, Failure> {
    for number in (segment.saturating_sub(LOOK_BACK)..segment).rev() {
        if let Some((_, note, checkpoint)) = signed_note(stream, number, log)?
            && !cosigned(&note, witnesses).is_empty()
        {
            return Ok(checkpoint.size);
        }
    }
    Ok(0)
}

/// Name and time (seconds since 1970) of every line that verifies under one of these keys.
fn cosigned(note: &Note, witnesses: &[VerifierKey]) -> Vec<(String, u64)> {
    let time = |line: &SignatureLine| {
        let by = |key: &&VerifierKey| {
            matches!(key.key(), VerifierKeyKind::CosignatureV1(_))
                && key.name() == line.name()
                && key.key_id() == line.key_id()
        };
        let time = witnesses.iter().find(by)?.cosignature_time(note.text(), line.signature())?;
        Some((line.name().to_owned(), time))
    };
    note.signatures().iter().filter_map(time).collect()
}

/// A URL that is not called is not repeated: it may hold a password.
fn unreached(url: &str, error: ExchangeError) -> Failure {
    match error {
        ExchangeError::NotSent(_) | ExchangeError::Lost(_) => Failure::CannotTell(format!("{url}: {error}")),
        ExchangeError::Invalid(why) => Failure::usage(why),
    }
}

/// What the witness says against this log is a finding; that it is out of order, or does not know the log, is none.
/// Nor that it is ahead of one checkpoint, if the log has signed as much itself.
fn refused(url: &str, why: &Unanswered, stream: &str, log: &mut impl Service) -> Result<Failure, Failure> {
    let text = format!("{url}: {why}");
    if let Unanswered::Ahead(ahead) = why
        && let Some(number) = newest(stream, log)?
        && let Some((_, _, own)) = signed_note(stream, number, log)?
        && own.size >= *ahead
    {
        let own = own.size;
        return Ok(Failure::usage(format!(
            "{url}: the witness has cosigned size {ahead}, and this log has {own} entries signed: this is an older \
             segment, which it cosigns no more; submit the newest, without --segment"
        )));
    }
    Ok(match why {
        Unanswered::Ahead(_) | Unanswered::Forked | Unanswered::NoCosignature => Failure::finding(text),
        Unanswered::Refused(422, _) => Failure::finding(format!(
            "{text}: this checkpoint does not continue what it cosigned, so there are two logs under this key"
        )),
        Unanswered::Refused(..) | Unanswered::Conflict(_) | Unanswered::Protocol(_) => Failure::CannotTell(text),
    })
}
