//! `seal`, `sign`, `checkpoint`, `verify`, `vkey`, `keygen`: statements about a stream, and the verdict on them.

use secure_log::error::FindingKind;
use secure_log::note::{Checkpoint, Note, VerifierKey};
use secure_log::types::hex;
use secure_log_bindings::types::{
    Finding, LogError, Report, RevokedKey, SegmentId, SegmentInfo, SeqnoRange, Signers, Trust,
};
use serde_json::{Value, json};

use crate::args::{Common, Verify};
use crate::console::Console;
use crate::failure::Failure;
use crate::read::PAGE;
use crate::service::Service;

/// Seals what is open. Nothing to seal is no failure: a timer may call this.
pub fn seal(common: &Common, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    match log.close_segment(stream) {
        Ok(info) => console.say(|| format!("sealed {}", segment_text(&info)), || segment_value(&info)),
        Err(LogError::EmptySegment) => {
            let text = || format!("nothing was appended to {stream} since the last seal");
            console.say(text, || json!({ "stream": stream, "sealed": null }))
        }
        Err(error) => Err(error.into()),
    }
}

fn segment_text(info: &SegmentInfo) -> String {
    let SegmentInfo { id, first_seqno, last_seqno, root, .. } = info;
    format!("segment {} of {}, entries {first_seqno} to {last_seqno}, root {}", id.number, id.stream_id, hex(root))
}

fn segment_value(info: &SegmentInfo) -> Value {
    json!({
        "stream": info.id.stream_id, "segment": info.id.number, "first": info.first_seqno, "last": info.last_seqno,
        "root": hex(&info.root), "checkpoint-hash": hex(&info.checkpoint_hash), "signed": info.signed,
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
        let infos = log.list_segments(stream, next, PAGE)?;
        let Some(last) = infos.last().map(|info| info.id.number) else { break };
        for info in infos.iter().filter(|info| !info.signed) {
            sign_one(stream, key, info.id.number, log, console)?;
            console.progress("signed segments", signed, None);
            signed += 1;
        }
        next = last + 1;
    }
    match signed {
        0 => console
            .say(|| format!("every sealed segment of {stream} is signed"), || json!({ "stream": stream, "signed": 0 })),
        _ => Ok(()),
    }
}

/// The first segment that is not signed. Signed ones come first, so it is found by doubling and halving.
pub fn unsigned(stream: &str, log: &mut impl Service) -> Result<u64, Failure> {
    let mut signed = |number: u64| -> Result<bool, Failure> {
        Ok(log.list_segments(stream, number, 1)?.first().is_some_and(|info| info.signed))
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
    let value = || {
        json!({
            "stream": stream, "segment": number, "size": checkpoint.size, "root": checkpoint.root.to_hex(),
            "checkpoint-hash": checkpoint.hash().to_hex(), "note": note,
        })
    };
    console.say(text, value)
}

/// A note that the log gave, taken apart; nothing of it is verified.
pub fn parse_checkpoint(note: &str) -> Result<(Note, Checkpoint), Failure> {
    let note = Note::parse(note)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    Ok((note, checkpoint))
}

/// The signed note, as it is.
pub fn checkpoint(
    common: &Common,
    size: Option<u64>,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    let named = |error: LogError| Failure::from(error).after(&format!("signed checkpoint of {stream}: "));
    let note = log.read_checkpoint(stream, size).map_err(named)?;
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

/// The one call and its verdict.
pub fn verify(common: &Common, what: Verify, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    let signers = match what.trust_keystore {
        true => Signers::Keystore(common.key()?.to_owned()),
        false => Signers::Policy(common.policy()?.1),
    };
    let trust = Trust { signers, authors: what.authors, require_author: what.require_author };
    let report = log.verify(stream, trust).map_err(|error| match error {
        LogError::Untrusted(why) => Failure::CannotTell(format!("{stream}: {why}")),
        error => Failure::from(error).after(&format!("{stream}: ")),
    })?;
    console.say(|| report_text(&report), || report_value(&report))?;
    match &report.finding {
        None => Ok(()),
        Some(finding) => Err(Failure::finding(finding_text(finding))),
    }
}

fn report_text(report: &Report) -> String {
    let range = |name: &str, range: &Option<SeqnoRange>| match range {
        Some(SeqnoRange { first, last }) => format!("\n  {name:<11}{first} to {last}"),
        None => format!("\n  {name:<11}none"),
    };
    let verdict = if report.finding.is_none() { "WHOLE" } else { "NOT WHOLE" };
    let mut text = format!("{verdict}: {}\n  trust      {}", report.origin, report.trust_basis);
    text += &format!(
        "\n  checked    {} entries, {} segments, {} checkpoints, {} cosignatures, {} payloads erased",
        report.entries, report.segments, report.checkpoints, report.cosignatures, report.erased
    );
    text += &range("witnessed", &report.witnessed);
    text += &range("signed", &report.signed);
    text += &range("sealed", &report.sealed);
    text += &range("open", &report.open_tail);
    for signer in &report.signers {
        text += &format!("\n  signer     {} to {} by {}", signer.first_seqno, signer.last_seqno, signer.vkey);
        text += &signer.rotated_in.map(|seqno| format!(", rotated in by entry {seqno}")).unwrap_or_default();
    }
    if report.rotations > 0 {
        let current = report.current_key.as_deref().unwrap_or("not decided yet");
        text += &format!("\n  key        {current}, after {} rotation(s)", report.rotations);
    }
    for RevokedKey { vkey, from_seqno, seqno, discounted } in &report.revoked {
        text += &format!(
            "\n  revoked    {vkey} from {from_seqno} by entry {seqno}: {discounted} checkpoint(s) do not count"
        );
    }
    text += &format!("\n  root       {}", hex(&report.root));
    text += if report.head_checked { "\n  head       compared" } else { "\n  head       none remembered" };
    report.notes.iter().for_each(|note| text += &format!("\n  note       {note}"));
    text
}

fn report_value(report: &Report) -> Value {
    let range = |range: &Option<SeqnoRange>| range.as_ref().map(|range| json!([range.first, range.last]));
    let signers: Vec<Value> = report
        .signers
        .iter()
        .map(|signer| {
            let SeqnoRange { first, last } = SeqnoRange { first: signer.first_seqno, last: signer.last_seqno };
            json!({
                "vkey": signer.vkey, "first": first, "last": last, "checkpoints": signer.checkpoints,
                "rotated-in": signer.rotated_in,
            })
        })
        .collect();
    let revoked: Vec<Value> = report
        .revoked
        .iter()
        .map(|RevokedKey { vkey, from_seqno, seqno, discounted }| {
            json!({ "vkey": vkey, "from-seqno": from_seqno, "seqno": seqno, "discounted": discounted })
        })
        .collect();
    let finding = report.finding.as_ref().map(|finding| {
        json!({
            "kind": FindingKind::from(finding.kind).as_str(), "first": finding.first_seqno,
            "last": finding.last_seqno, "detail": finding.detail,
        })
    });
    json!({
        "whole": report.finding.is_none(), "stream": report.stream_id, "origin": report.origin,
        "trust": report.trust_basis, "entries": report.entries, "segments": report.segments,
        "checkpoints": report.checkpoints, "cosignatures": report.cosignatures, "erased": report.erased,
        "root": hex(&report.root), "witnessed": range(&report.witnessed), "signed": range(&report.signed),
        "sealed": range(&report.sealed), "open": range(&report.open_tail), "signers": signers,
        "rotations": report.rotations, "current-key": report.current_key, "revoked": revoked,
        "head-checked": report.head_checked, "notes": report.notes, "finding": finding,
    })
}

fn finding_text(finding: &Finding) -> String {
    secure_log::error::Finding::try_from(finding.clone())
        .map_or_else(|error| error.to_string(), |finding| finding.to_string())
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
    let text = || match as_policy {
        true => format!("log {vkey}\nquorum none"),
        false => vkey.to_string(),
    };
    let algorithm = vkey.key().public_key().algorithm().as_str();
    console.say(text, || json!({ "key": key, "origin": vkey.name(), "algorithm": algorithm, "vkey": vkey.to_string() }))
}

/// The same, after the stream was created if there was none.
pub fn keygen(
    common: &Common,
    as_policy: bool,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    match log.head(stream) {
        Ok(_) => {}
        Err(LogError::StreamNotFound) => log.create_stream(stream)?,
        Err(error) => return Err(error.into()),
    }
    vkey(common, as_policy, log, console)
}
