//! A signed record: one self-contained JSON document that shows that a key's owner said exactly this.
//!
//! ```text
//! {"algorithm":"ed25519",                        of the key
//!  "attestation_hash":null,                      or hex(SHA-256(JCS(hardware_attestation)))
//!  "hardware_attestation":{..},                  only if the record was made with one
//!  "payload":..,                                 any JSON value
//!  "public_key":"<hex>",                         ed25519: 32 bytes; others: SPKI DER
//!  "signature":"<hex>",                          as in a note: ed25519 64 bytes, ecdsa DER low-S, rsa as is
//!  "timestamp":"2026-01-01T00:00:00.000000Z",    RFC 3339, UTC, six digits of fraction
//!  "trace_hash":"<hex>",                         SHA-256(JCS(payload))
//!  "transaction_hash":"<hex>",                   1 to 64 bytes
//!  "version":"secure-log/record/v1"}
//!
//! message = "secure-log/record/v1\n" || JCS(the record without hardware_attestation and signature)
//! ```
//!
//! JCS is RFC 8785 ([`json`]). A record has one text: its own JCS, perhaps followed by one newline; any other is
//! malformed, so no byte of a record can change. The attestation is under the signature by its hash, so that a
//! record whose attestation was taken away can be told, under the signature, from one that never had any.
//!
//! Not here: clocks, files, private keys ([`Signer`]), and what an attestation proves.

pub mod json;
#[cfg(test)]
mod tests;
mod verdict;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use verdict::{Fault, Trust, VerifiedRecord, judge};

pub use crate::attestation::{Attestation, Certified, Evidence, KeyAttributes, MAX_CERTIFICATES, issued_by};
use crate::error::Invalid;
use crate::signer::{Algorithm, MAX_ENCODED, PublicKey, Signer, SignerError, sign_checked};
use crate::types::{Digest, MAX_ATTESTATION, hex, quote, unhex};
use json::{Json, MAX_DEPTH};

/// The version, and the first line of what is signed: no other signature of this project begins so.
pub const VERSION: &str = "secure-log/record/v1";
/// Payload in bytes, as given and in canonical form.
pub const MAX_PAYLOAD: usize = 4 * 1024 * 1024;
/// Transaction hash in bytes; twice as many digits.
pub const MAX_TRANSACTION_HASH: usize = 64;
/// A record in bytes: payload, attestation, hex of the longest key and of its signature (2,048 bytes), names and rest.
pub const MAX_RECORD: usize = MAX_PAYLOAD + MAX_ATTESTATION + 2 * MAX_ENCODED + 2 * 2048 + 1024;

/// What is to be signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Microseconds since 1970-01-01T00:00:00Z; a claim of the signer.
    pub timestamp: u64,
    /// Of the transaction that the payload is about.
    pub transaction_hash: TransactionHash,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Json,
    /// What the token says about the key, if one does.
    pub attestation: Option<Attestation>,
}

/// Lower-case hexadecimal of 1 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHash(String);

impl TransactionHash {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for TransactionHash {
    type Error = Invalid;
    fn try_from(text: &str) -> Result<Self, Invalid> {
        match unhex(text) {
            Some(bytes) if bytes.len() <= MAX_TRANSACTION_HASH => Ok(TransactionHash(text.to_owned())),
            _ => Err(Invalid(format!(
                "transaction_hash {}: lower-case hexadecimal of 1 to {MAX_TRANSACTION_HASH} bytes is needed",
                quote(text)
            ))),
        }
    }
}

/// A record as it was read or signed. Nothing about one that was read is verified: see [`judge`].
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    attestation_hash: Option<Digest>,
    attestation: Option<Attestation>,
    payload: Json,
    key: PublicKey,
    signature: Vec<u8>,
    timestamp: String,
    trace_hash: Digest,
    transaction_hash: TransactionHash,
}

/// The members as JSON has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    algorithm: String,
    attestation_hash: Option<String>,
    hardware_attestation: Option<Value>,
    payload: Value,
    public_key: String,
    signature: String,
    timestamp: String,
    trace_hash: String,
    transaction_hash: String,
    #[serde(rename = "version")]
    _version: String,
}

impl Record {
    /// Signs a statement.
    ///
    /// # Errors
    /// Those of the keystore, also when what it answers does not verify; `Backend` for a time after the year 9999.
    pub fn sign(statement: Statement, signer: &(impl Signer + ?Sized)) -> Result<Record, SignerError> {
        let key = PublicKey::of_signer(signer)?;
        let Statement { timestamp, transaction_hash, payload, attestation } = statement;
        let mut record = Record {
            attestation_hash: attestation.as_ref().map(Attestation::hash),
            attestation,
            trace_hash: digest(payload.canonical()),
            payload,
            key,
            signature: Vec::new(),
            timestamp: render_time(timestamp).ok_or_else(|| SignerError::Backend(format!("no time: {timestamp}")))?,
            transaction_hash,
        };
        record.signature = sign_checked(signer, &record.key, record.message().as_bytes())?;
        Ok(record)
    }

    /// Reads the one text of a record; one newline may follow.
    ///
    /// # Errors
    /// Longer than [`MAX_RECORD`], not I-JSON ([`json`]), a member missing, unknown or of another form, another
    /// version, not the canonical text of what it says.
    pub fn parse(text: &str) -> Result<Record, Invalid> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let value = Json::parse_within(text, MAX_RECORD, MAX_DEPTH + 1)?.into_value();
        if let Some(version) = value.get("version").filter(|version| *version != VERSION) {
            return Err(Invalid(format!("version {}; only {VERSION} is known", quote(&version.to_string()))));
        }
        let form: Form = serde_json::from_value(value).map_err(|error| Invalid(format!("no record: {error}")))?;
        let bytes = |name: &str, text: &str| {
            unhex(text).ok_or_else(|| Invalid(format!("{name} {} is not lower-case hexadecimal", quote(text))))
        };
        let hash = |name: &str, text: &str| Digest::try_from(bytes(name, text)?.as_slice());
        let algorithm = Algorithm::from_name(&form.algorithm);
        let algorithm = algorithm.ok_or_else(|| Invalid(format!("algorithm {}", quote(&form.algorithm))))?;
        parse_time("timestamp", &form.timestamp)?;
        let record = Record {
            attestation_hash: form.attestation_hash.map(|text| hash("attestation_hash", &text)).transpose()?,
            attestation: form.hardware_attestation.map(Attestation::of).transpose()?,
            payload: Json::of(form.payload)?,
            key: PublicKey::parse(algorithm, &bytes("public_key", &form.public_key)?)?,
            signature: bytes("signature", &form.signature)?,
            timestamp: form.timestamp,
            trace_hash: hash("trace_hash", &form.trace_hash)?,
            transaction_hash: TransactionHash::try_from(form.transaction_hash.as_str())?,
        };
        let one_text = record.render(true);
        if record.payload.canonical().len() > MAX_PAYLOAD {
            return Err(Invalid(format!("a payload of more than {MAX_PAYLOAD} bytes")));
        }
        if one_text != text {
            let at = one_text.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
            return Err(Invalid(format!("not the canonical form (RFC 8785) of what it says, from byte {at} on")));
        }
        Ok(record)
    }

    /// The one text, with a newline.
    pub fn to_text(&self) -> String {
        self.render(true) + "\n"
    }

    /// What is signed.
    pub fn message(&self) -> String {
        format!("{VERSION}\n{}", self.render(false))
    }

    /// The members in the order of RFC 8785; `whole`, or without attestation and signature. Beside payload and
    /// attestation, which are canonical already, every value is ASCII that nothing escapes.
    fn render(&self, whole: bool) -> String {
        let attestation = match &self.attestation {
            Some(attestation) if whole => format!("\"hardware_attestation\":{},", attestation.canonical()),
            _ => String::new(),
        };
        let signature = if whole { format!("\"signature\":\"{}\",", hex(&self.signature)) } else { String::new() };
        let attestation_hash =
            self.attestation_hash.map_or_else(|| "null".to_owned(), |hash| format!("\"{}\"", hash.to_hex()));
        format!(
            "{{\"algorithm\":\"{}\",\"attestation_hash\":{attestation_hash},{attestation}\"payload\":{},\
             \"public_key\":\"{}\",{signature}\"timestamp\":\"{}\",\"trace_hash\":\"{}\",\"transaction_hash\":\"{}\",\
             \"version\":\"{VERSION}\"}}",
            self.key.algorithm().as_str(),
            self.payload.canonical(),
            hex(self.key.encoded()),
            self.timestamp,
            self.trace_hash.to_hex(),
            self.transaction_hash.as_str(),
        )
    }

    /// The key that the record names; whose it is, only a pinned key says.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// When, as the signer claims: RFC 3339 in UTC.
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// Of the transaction.
    pub fn transaction_hash(&self) -> &TransactionHash {
        &self.transaction_hash
    }

    /// As the record states it.
    pub fn trace_hash(&self) -> Digest {
        self.trace_hash
    }

    /// What was recorded.
    pub fn payload(&self) -> &Json {
        &self.payload
    }

    /// Absent: none was made, or it was removed.
    pub fn attestation(&self) -> Option<&Attestation> {
        self.attestation.as_ref()
    }
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest(Sha256::digest(text).into())
}

/// Microseconds since 1970 as the one text of a time: `2026-01-01T00:00:00.000000Z`. `None` after the year 9999.
pub fn render_time(micros: u64) -> Option<String> {
    let time = i64::try_from(micros).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())?;
    Some(format!("{time:.6}"))
}

/// The time that `text` says, if it is the one text of a time.
pub(crate) fn parse_time(name: &str, text: &str) -> Result<u64, Invalid> {
    let time = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_microsecond()).ok());
    time.filter(|micros| render_time(*micros).as_deref() == Some(text))
        .ok_or_else(|| Invalid(format!("{name} {}: a time is written 2026-01-01T00:00:00.000000Z", quote(text))))
}
