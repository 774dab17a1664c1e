//! `record`: self-contained signed JSON documents, made with a key of the keystore and judged with a pinned key.
//!
//! Not here: private keys. How one reaches the keystore (a folder, a PEM text in its environment) is the
//! keystore's; this component never sees it.

mod archive;

use std::path::Path;
use std::time::SystemTime;

use secure_log::record::{
    Attestation, MAX_PAYLOAD, MAX_RECORD, Record, Statement, TransactionHash, Trust, json::Json, judge,
};
use secure_log::signer::{MAX_PIN, PublicKey};
use secure_log::types::MAX_ATTESTATION;
use serde_json::{Value, json};

use crate::args::{self, Common, RecordSign, RecordVerify, capped, text_file};
use crate::console::Console;
use crate::failure::Failure;
use crate::keys;
use crate::service::Service;
use crate::show::plain;
use archive::Archive;

/// All of `record`.
pub fn record(
    common: &Common,
    what: args::Record,
    service: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match what {
        args::Record::Sign(what) => sign(common, &what, service, console),
        args::Record::Verify(what) => verify(&what, console),
        args::Record::PublicKey => {
            let key = PublicKey::of_signer(&*service.signer(common.key()?)?)?;
            let pem = key.spki_pem()?;
            console.say(|| pem.trim_end().to_owned(), || json!({ "algorithm": key.algorithm().as_str(), "pem": pem }))
        }
    }
}

/// Prints one record. With `--json` it is the same line: a record is JSON.
fn sign(
    common: &Common,
    what: &RecordSign,
    service: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let label = common.key()?;
    let usage = |name: String| move |error: secure_log::error::Invalid| Failure::usage(format!("{name}: {error}"));
    let transaction_hash = TransactionHash::try_from(what.transaction_hash.as_str());
    let transaction_hash = transaction_hash.map_err(usage("--transaction-hash".into()))?;
    let attestation = match &what.attestation.attestation {
        None if what.attestation.attest => Some(keys::from_keystore(label, service)?),
        None => None,
        Some(path) => {
            let text = text_file(path, MAX_ATTESTATION)?;
            Some(Attestation::parse(&text).map_err(usage(path.display().to_string()))?)
        }
    };
    let (name, text) = match what.payload.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => (path.display().to_string(), text_file(path, MAX_PAYLOAD)?),
        None => ("stdin".to_owned(), utf8("stdin", stdin(console, MAX_PAYLOAD)?)?),
    };
    let payload = Json::parse(&text, MAX_PAYLOAD).map_err(usage(name))?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.ok().and_then(|since| u64::try_from(since.as_micros()).ok());
    let timestamp = now.ok_or_else(|| Failure::CannotTell("the clock is before 1970".into()))?;
    let statement = Statement { timestamp, transaction_hash, payload, attestation };
    let named = |failure: Failure| failure.after(&format!("key {label}: "));
    let signer = service.signer(label).map_err(Failure::from).map_err(named)?;
    let record = Record::sign(statement, &*signer).map_err(Failure::from).map_err(named)?;
    console.raw(record.to_text().as_bytes())
}

/// Stdin to its end, at most `cap` bytes.
fn stdin(console: &mut Console<'_>, cap: usize) -> Result<Vec<u8>, Failure> {
    let read = capped(console.input(), cap).map_err(|error| Failure::io("stdin", &error))?;
    read.ok_or_else(|| Failure::usage(format!("stdin: more than {cap} bytes")))
}

fn utf8(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name}: not UTF-8")))
}

/// Judges every record; all are judged and named before the exit status says that one is not valid.
fn verify(what: &RecordVerify, console: &mut Console<'_>) -> Result<(), Failure> {
    let trust = match (what.trust_key_in_record, what.public_keys.as_slice()) {
        (true, _) => Trust::KeyInRecord,
        (false, []) => {
            return Err(Failure::usage(
                "whose records? --public-key pins the signer's key; --trust-key-in-record is the weak choice",
            ));
        }
        (false, keys) => Trust::Pinned(keys.iter().map(|key| pin(key)).collect::<Result<_, _>>()?),
    };
    let mut bench = Bench { trust, valid: 0, bad: 0, unknown: 0, skipped: 0 };
    for path in &what.paths {
        if path == Path::new("-") {
            let read = stdin(console, MAX_RECORD + 1);
            bench.judge("stdin", read, console)?;
            continue;
        }
        for found in Archive::open(path) {
            match found {
                archive::Found::Record(name, read) => bench.judge(&name, read, console)?,
                archive::Found::Unknown(name, why) => bench.unknown(&name, &why, console)?,
                archive::Found::Skipped => bench.skipped += 1,
            }
            console.progress("records", bench.valid + bench.bad, None);
        }
    }
    bench.finish(console)
}

/// The text of a key, or of the file that holds it.
fn pin(key: &str) -> Result<PublicKey, Failure> {
    match PublicKey::from_text(key) {
        Ok(key) => Ok(key),
        Err(error) if key.contains("-----BEGIN") || key.contains('\n') => {
            Err(Failure::usage(format!("--public-key: {error}")))
        }
        Err(_) => {
            let text = text_file(Path::new(key), MAX_PIN).map_err(|failure| failure.after("--public-key: "))?;
            PublicKey::from_text(&text).map_err(|error| Failure::usage(format!("--public-key: {key}: {error}")))
        }
    }
}

/// Where records are judged, and how many were.
struct Bench {
    trust: Trust,
    valid: u64,
    bad: u64,
    unknown: u64,
    skipped: u64,
}

impl Bench {
    fn judge(&mut self, name: &str, read: Result<Vec<u8>, Failure>, console: &mut Console<'_>) -> Result<(), Failure> {
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(Failure::Usage(why)) => return self.bad(name, "malformed", &why, console),
            Err(failure) => return self.unknown(name, &failure.to_string(), console),
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return self.bad(name, "malformed", "not UTF-8", console);
        };
        match judge(text, &self.trust) {
            Err(fault) => self.bad(name, fault.as_str(), &fault.to_string(), console),
            Ok(verified) => {
                self.valid += 1;
                let record = verified.record();
                let (key, trust) = (record.key(), self.trust.as_str());
                let certified = record.attestation().map(|attestation| attestation.certified(key));
                let attested = certified.as_ref().map_or_else(String::new, |it| format!(", attested: {it}"));
                let text = || {
                    let (time, transaction) = (record.timestamp(), record.transaction_hash().as_str());
                    format!("VALID ({trust}) {}: {time}, transaction {transaction}{attested}", plain(name))
                };
                let value = || {
                    json!({
                        "file": name, "verdict": "valid", "trust": trust, "timestamp": record.timestamp(),
                        "transaction_hash": record.transaction_hash().as_str(), "trace_hash": record.trace_hash().to_hex(),
                        "algorithm": key.algorithm().as_str(), "public_key": secure_log::types::hex(key.encoded()),
                        "attestation": record.attestation().and_then(|it| it.canonical().parse::<Value>().ok()),
                        "attested": certified.as_ref().map(|it| json!({ "verdict": it.as_str(), "detail": it.to_string() })),
                    })
                };
                console.say(text, value)
            }
        }
    }

    fn bad(&mut self, name: &str, verdict: &str, why: &str, console: &mut Console<'_>) -> Result<(), Failure> {
        self.bad += 1;
        self.told(name, verdict, why, console)
    }

    fn unknown(&mut self, name: &str, why: &str, console: &mut Console<'_>) -> Result<(), Failure> {
        self.unknown += 1;
        self.told(name, "cannot-tell", why, console)
    }

    fn told(&self, name: &str, verdict: &str, why: &str, console: &mut Console<'_>) -> Result<(), Failure> {
        let trust = self.trust.as_str();
        let value = || json!({ "file": name, "verdict": verdict, "trust": trust, "detail": why });
        console.say(|| format!("{} ({trust}) {}: {}", verdict.to_uppercase(), plain(name), plain(why)), value)
    }

    fn finish(self, console: &mut Console<'_>) -> Result<(), Failure> {
        let Bench { valid, bad, unknown, skipped, ref trust } = self;
        let text = || format!("{valid} valid, {bad} not valid, {unknown} unknown, {skipped} other files");
        let value = || json!({ "valid": valid, "bad": bad, "unknown": unknown, "other-files": skipped, "trust": trust.as_str() });
        console.say(text, value)?;
        match (valid, bad, unknown) {
            (_, 0, 0) if valid > 0 => Ok(()),
            (_, 0, 0) => Err(Failure::usage("no record there: not one file is called *.json")),
            (_, 0, _) => Err(Failure::CannotTell(format!("{unknown} records could not be read"))),
            _ => Err(Failure::finding(format!("{bad} of {} records are not valid", valid + bad + unknown))),
        }
    }
}
