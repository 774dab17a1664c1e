//! `verify`: the verdict on a stream, as far as the trust that was given vouches for it.

use secure_log::error::FindingKind;
use secure_log::types::hex;
use secure_log_bindings::types::{Finding, LogError, Report, RevokedKey, SeqnoRange, Signers, Trust};
use serde_json::{Value, json};

use crate::args::{Common, Verify};
use crate::console::Console;
use crate::failure::Failure;
use crate::service::Service;

/// The one call and its verdict.
pub fn verify(common: &Common, what: Verify, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let stream = common.stream()?;
    if what.trust_keystore && common.policy_if_given()?.is_some() {
        return Err(Failure::usage(
            "--trust-keystore judges without a policy: leave out --policy (or SECURE_LOG_POLICY)",
        ));
    }
    let (signers, needs_witnesses) = match what.trust_keystore {
        true => (Signers::Keystore(common.key()?.to_owned()), false),
        false => {
            let (policy, text) = common.policy()?;
            (Signers::Policy(text), policy.needs_witnesses())
        }
    };
    let trust = Trust { signers, authors: what.authors, require_author: what.require_author };
    console.patience("verifying", stream, || Some(log.head(stream).ok()?.size));
    let report = log.verify(stream, trust).map_err(|error| match error {
        LogError::Untrusted(why) => Failure::CannotTell(format!("{stream}: {why}")),
        error => Failure::from(error).after(&format!("{stream}: ")),
    })?;
    let verdict = Verdict::of(&report, needs_witnesses);
    console.say(|| report_text(&report, &verdict), || report_value(&report, &verdict))?;
    let entries = report.entries;
    match verdict {
        Verdict::Whole(_) => Ok(()),
        Verdict::NotWhole(finding) => Err(Failure::finding(finding_text(finding))),
        Verdict::NotSigned => Err(Failure::CannotTell(format!(
            "{stream}: no signature counts, so nobody vouches for its {entries} entries: what is not signed yet, seal and sign"
        ))),
        Verdict::NotWitnessed => Err(Failure::CannotTell(format!(
            "{stream}: the policy's quorum of witnesses is met by no checkpoint, so it vouches for none of the {entries} \
             entries: submit a signed checkpoint to them"
        ))),
    }
}

/// What may be concluded from a report.
#[derive(Clone, Copy)]
enum Verdict<'a> {
    /// No fault, and the trust vouches for this many entries, at least one.
    Whole(u64),
    /// This finding.
    NotWhole(&'a Finding),
    /// No fault, but no checkpoint counts: whoever holds the store could have written all of it anew.
    NotSigned,
    /// No fault, but no checkpoint has the quorum that the policy demands.
    NotWitnessed,
}

impl<'a> Verdict<'a> {
    fn of(report: &'a Report, needs_witnesses: bool) -> Verdict<'a> {
        let end = |range: &SeqnoRange| range.last.saturating_add(1);
        match (&report.finding, &report.signed, &report.witnessed) {
            (Some(finding), _, _) => Verdict::NotWhole(finding),
            (None, None, _) => Verdict::NotSigned,
            (None, Some(_), None) if needs_witnesses => Verdict::NotWitnessed,
            (None, Some(_), Some(witnessed)) if needs_witnesses => Verdict::Whole(end(witnessed)),
            (None, Some(signed), _) => Verdict::Whole(end(signed)),
        }
    }

    /// Entries that are vouched for.
    fn vouched(self) -> u64 {
        match self {
            Verdict::Whole(vouched) => vouched,
            Verdict::NotWhole(_) | Verdict::NotSigned | Verdict::NotWitnessed => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Verdict::Whole(_) => "whole",
            Verdict::NotWhole(_) => "not-whole",
            Verdict::NotSigned => "not-signed",
            Verdict::NotWitnessed => "not-witnessed",
        }
    }

    fn line(self, report: &Report) -> String {
        let word = self.name().replace('-', " ").to_uppercase();
        let behind = report.entries.saturating_sub(self.vouched());
        let reach = match (self, behind) {
            (Verdict::Whole(vouched), 1..) => {
                let last = vouched.saturating_sub(1);
                format!(" through entry {last}; nobody vouches yet for the {behind} behind it")
            }
            _ => String::new(),
        };
        format!("{word}: {}{reach}", report.origin)
    }
}

fn report_text(report: &Report, verdict: &Verdict<'_>) -> String {
    let range = |name: &str, range: &Option<SeqnoRange>| match range {
        Some(SeqnoRange { first, last }) => format!("\n  {name:<11}{first} to {last}"),
        None => format!("\n  {name:<11}none"),
    };
    let mut text = format!("{}\n  trust      {}", verdict.line(report), report.trust_basis);
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
    if let (1.., Some(current)) = (report.rotations, &report.current_key) {
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

fn report_value(report: &Report, verdict: &Verdict<'_>) -> Value {
    let range = |range: &Option<SeqnoRange>| range.as_ref().map(|range| json!([range.first, range.last]));
    let signers: Vec<Value> = report
        .signers
        .iter()
        .map(|signer| {
            json!({
                "vkey": signer.vkey, "first": signer.first_seqno, "last": signer.last_seqno,
                "checkpoints": signer.checkpoints, "rotated-in": signer.rotated_in,
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
        "whole": matches!(verdict, Verdict::Whole(_)), "verdict": verdict.name(),
        "vouched": verdict.vouched(), "behind": report.entries.saturating_sub(verdict.vouched()), "stream": report.stream_id, "origin": report.origin,
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
