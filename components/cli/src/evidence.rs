//! `prove`, `check-proof`, `consistency`: evidence as files, made with a log and checked without one.

use std::fs;
use std::path::{Path, PathBuf};

use secure_log::merkle::{verify_consistency, verify_inclusion};
use secure_log::payload;
use secure_log::proof_file::{ConsistencyFile, InclusionFile, MAX_PROOF_FILE, ProofError, TrustedCheckpoint};
use secure_log::types::{Digest, MAX_ENTRY, MAX_PAYLOAD};
use serde_json::{Value, json};

use crate::args::{CheckProof, Common, Prove, file, text_file};
use crate::console::Console;
use crate::failure::Failure;
use crate::seal::{parse_checkpoint, signed_note};
use crate::service::Service;
use crate::show::{Shown, seconds};

/// Writes the proof and the entry; both are checked before, by the policy if there is one.
pub fn prove(common: &Common, what: &Prove, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let (stream, seqno) = (common.stream()?, what.seqno);
    let policy = common.policy_if_given()?;
    let named = |failure: Failure| failure.after(&format!("entry {seqno} of {stream}: "));
    let shown = Shown::new(log.read(stream, seqno).map_err(Failure::from).map_err(named)?)?;
    let (note, checkpoint) = parse_checkpoint(&signed_note(stream, what.size, log)?)?;
    if seqno >= checkpoint.size {
        let why = format!("the signed checkpoint has {} entries: seal and sign first", checkpoint.size);
        return Err(named(Failure::usage(why)));
    }
    let proof = log.build_inclusion_proof(stream, seqno, checkpoint.size).map_err(Failure::from).map_err(named)?;
    let file = InclusionFile { extra: None, index: seqno, path: path(&proof.path)?, note };
    if !verify_inclusion(&shown.hash, seqno, checkpoint.size, &file.path, &checkpoint.root) {
        return Err(named(ProofError::WrongPath.into()));
    }
    if let Some((policy, _)) = &policy {
        file.verify(&shown.body, policy).map_err(Failure::from).map_err(named)?;
    }
    let prefix = match &what.out {
        Some(prefix) => prefix.clone(),
        None => format!("{}-{seqno}", stream.rsplit('/').next().unwrap_or(stream)).into(),
    };
    let mut files = vec![("tlog-proof", file.to_string().into_bytes()), ("entry", shown.body.clone())];
    if what.payload {
        let stored = shown.stored();
        files.push(("payload", stored.ok_or_else(|| named(Failure::usage("it has no payload, or it was erased")))?));
    }
    let mut written = Vec::new();
    for (extension, bytes) in files {
        let path = with_extension(&prefix, extension);
        fs::write(&path, bytes).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        written.push(path.display().to_string());
    }
    let text = || {
        format!(
            "entry {seqno} of {} in the tree of {} entries: {}",
            checkpoint.origin,
            checkpoint.size,
            written.join(", ")
        )
    };
    console
        .say(text, || json!({ "origin": checkpoint.origin, "seqno": seqno, "size": checkpoint.size, "files": written }))
}

/// `prefix` with a dot and the extension: a dot in the prefix stays.
fn with_extension(prefix: &Path, extension: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Hashes as the log gives them.
pub fn path(hashes: &[Vec<u8>]) -> Result<Vec<Digest>, Failure> {
    Ok(hashes.iter().map(|hash| Digest::try_from(hash.as_slice())).collect::<Result<_, _>>()?)
}

/// Whether the proof convinces, by the policy alone.
pub fn check_proof(common: &Common, what: &CheckProof, console: &mut Console<'_>) -> Result<(), Failure> {
    let (policy, _) = common.policy()?;
    let name = what.proof.display().to_string();
    let named = |error: ProofError| Failure::from(error).after(&format!("{name}: "));
    let text = text_file(&what.proof, MAX_PROOF_FILE)?;
    let beside = || with_extension(&what.proof.with_extension(""), "entry");
    let body = file(&what.entry.clone().unwrap_or_else(beside), MAX_ENTRY)?;
    let verified = InclusionFile::parse(&text).and_then(|proof| proof.verify(&body, &policy)).map_err(named)?;
    let mut shown = Shown {
        entry: verified.entry().clone(),
        body,
        hash: verified.hash(),
        payload: None,
        salt: None,
        from_log: false,
    };
    if let Some(path) = &what.payload {
        let stored = file(path, payload::SALT_LEN + MAX_PAYLOAD)?;
        let opened = shown.entry.event.payload.as_ref().and_then(|reference| payload::open(reference, &stored));
        let why = || Failure::finding(format!("{}: not the payload that the entry commits to", path.display()));
        let (salt, payload) = opened.ok_or_else(why)?;
        (shown.salt, shown.payload) = (Some(salt.to_vec()), Some(payload.to_vec()));
    }
    let trusted = verified.checkpoint();
    let text = || format!("PROVEN: {}\n{}", shown.line(), trusted_text(trusted));
    console.say(text, || json!({ "proven": true, "entry": shown.value(), "checkpoint": trusted_value(trusted) }))
}

fn trusted_text(trusted: &TrustedCheckpoint) -> String {
    let checkpoint = trusted.checkpoint();
    let mut text =
        format!("  in {}, tree of {} entries, root {}", checkpoint.origin, checkpoint.size, checkpoint.root.to_hex());
    trusted.signers().iter().for_each(|vkey| text += &format!("\n  signed by {vkey}"));
    let cosigned = |(name, time): &(String, u64)| format!("\n  cosigned by {name} at {}", seconds(*time));
    trusted.witnesses().iter().for_each(|witness| text += &cosigned(witness));
    text
}

fn trusted_value(trusted: &TrustedCheckpoint) -> Value {
    let checkpoint = trusted.checkpoint();
    let signers: Vec<String> = trusted.signers().iter().map(ToString::to_string).collect();
    let witnesses: Vec<Value> =
        trusted.witnesses().iter().map(|(name, time)| json!({ "name": name, "time": seconds(*time) })).collect();
    json!({
        "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_hex(),
        "signers": signers, "witnesses": witnesses,
    })
}

/// Writes the proof that the signed checkpoint of size `old` continues to that of size `new` (absent: the newest).
pub fn prove_consistency(
    common: &Common,
    (old, new): (u64, Option<u64>),
    out: &Path,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    let policy = common.policy_if_given()?;
    let mut note = |size: Option<u64>| parse_checkpoint(&signed_note(stream, size, log)?);
    let ((old, before), (new, after)) = (note(Some(old))?, note(new)?);
    if before.size > after.size {
        return Err(Failure::usage(format!("--old {} is larger than the newer, {}", before.size, after.size)));
    }
    let proof = log.build_consistency_proof(stream, before.size, after.size).map_err(Failure::about(stream))?;
    let file = ConsistencyFile { path: path(&proof.path)?, old, new };
    if !verify_consistency(before.size, after.size, &file.path, &before.root, &after.root) {
        let why =
            format!("{stream}: the checkpoint of {} entries does not continue that of {}", after.size, before.size);
        return Err(Failure::finding(why));
    }
    if let Some((policy, _)) = &policy {
        file.verify(policy)?;
    }
    let name = out.display().to_string();
    fs::write(out, file.to_string()).map_err(|error| Failure::io(&name, &error))?;
    let text = || format!("{}: {} entries continue {}: {name}", after.origin, after.size, before.size);
    console.say(text, || json!({ "origin": after.origin, "old": before.size, "new": after.size, "files": [name] }))
}

/// Whether the proof convinces, by the policy alone.
pub fn check_consistency(common: &Common, path: &Path, console: &mut Console<'_>) -> Result<(), Failure> {
    let (policy, _) = common.policy()?;
    let text = text_file(path, MAX_PROOF_FILE)?;
    let named = |error: ProofError| Failure::from(error).after(&format!("{}: ", path.display()));
    let verified = ConsistencyFile::parse(&text).and_then(|file| file.verify(&policy)).map_err(named)?;
    let (old, new) = (verified.older(), verified.newer());
    let text = || {
        format!(
            "CONSISTENT: {} entries continue {}\n{}\n{}",
            new.checkpoint().size,
            old.checkpoint().size,
            trusted_text(old),
            trusted_text(new)
        )
    };
    console.say(text, || json!({ "consistent": true, "old": trusted_value(old), "new": trusted_value(new) }))
}
