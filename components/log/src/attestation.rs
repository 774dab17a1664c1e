//! What a token says about the key that signs: evidence with a fixed form, kept in a record or in a key entry of a log.
//!
//! ```json
//! {"certificates":["<base64 of DER>", ..],
//!  "key_attributes":{"CKA_EXTRACTABLE":false,"CKA_LOCAL":true,"CKA_NEVER_EXTRACTABLE":true,"CKA_SENSITIVE":true},
//!  "retrieved_at":"2026-01-01T00:00:00.000000Z","token_info":"<1 to 1,024 bytes>"}
//! ```
//!
//! Not here: asking a token for it ([`Keystore::attest`](crate::signer::Keystore::attest)), and judging the certificates
//! (`chain`). That it is under the signature shows that the signer vouches for it; what it proves beyond that, its
//! certificate chain must show.

mod chain;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Invalid;
use crate::record::json::Json;
use crate::record::{digest, parse_time, render_time};
use crate::types::{Digest, MAX_ATTESTATION, MAX_TEXT};
pub use chain::{Certified, issued_by};

/// Certificates in a chain, at most.
pub const MAX_CERTIFICATES: usize = 16;

/// Evidence about a signing key, at most [`MAX_ATTESTATION`] bytes in canonical form.
#[derive(Clone, PartialEq)]
pub struct Attestation {
    form: Form,
    canonical: String,
}

/// PKCS#11 attributes of a private key (version 3.1, section 4.9); `None`: the token did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAttributes {
    /// Its value cannot be revealed outside the token in clear.
    #[serde(rename = "CKA_SENSITIVE")]
    pub sensitive: Option<bool>,
    /// It can be wrapped and taken out.
    #[serde(rename = "CKA_EXTRACTABLE")]
    pub extractable: Option<bool>,
    /// It never had `CKA_EXTRACTABLE` true.
    #[serde(rename = "CKA_NEVER_EXTRACTABLE")]
    pub never_extractable: Option<bool>,
    /// It was made on the token.
    #[serde(rename = "CKA_LOCAL")]
    pub local: Option<bool>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    certificates: Vec<String>,
    key_attributes: KeyAttributes,
    retrieved_at: String,
    token_info: String,
}

/// What was read from a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// X.509, DER: the certificate of the key first, then its issuers; empty when the token holds none.
    pub certificates: Vec<Vec<u8>>,
    /// One line for people, 1 to [`MAX_TEXT`] bytes.
    pub token_info: String,
    /// Of the private key.
    pub key_attributes: KeyAttributes,
    /// When it was read: microseconds since 1970-01-01T00:00:00Z.
    pub retrieved_at: u64,
}

impl Attestation {
    /// Of what was read from a token.
    ///
    /// # Errors
    /// More or longer than the limits here, or a time after the year 9999.
    pub fn new(evidence: &Evidence) -> Result<Attestation, Invalid> {
        let Evidence { certificates, token_info, key_attributes, retrieved_at } = evidence;
        let time = render_time(*retrieved_at);
        let form = Form {
            certificates: certificates.iter().map(|der| BASE64.encode(der)).collect(),
            key_attributes: *key_attributes,
            retrieved_at: time.ok_or_else(|| Invalid(format!("hardware_attestation: no time: {retrieved_at}")))?,
            token_info: token_info.clone(),
        };
        Attestation::of(serde_json::to_value(form).map_err(|error| Invalid(error.to_string()))?)
    }

    /// As [`Attestation::new`] took it.
    pub fn evidence(&self) -> Evidence {
        let Form { certificates, key_attributes, retrieved_at, token_info } = &self.form;
        Evidence {
            // Both were checked when this value came to be.
            certificates: certificates.iter().map(|text| BASE64.decode(text).unwrap_or_default()).collect(),
            token_info: token_info.clone(),
            key_attributes: *key_attributes,
            retrieved_at: parse_time("retrieved_at", retrieved_at).unwrap_or_default(),
        }
    }

    /// From JSON text of the form above, in any layout.
    ///
    /// # Errors
    /// Another form, naming the member; more than [`MAX_CERTIFICATES`] certificates or [`MAX_ATTESTATION`] bytes.
    pub fn parse(text: &str) -> Result<Attestation, Invalid> {
        Attestation::of(Json::parse(text, MAX_ATTESTATION)?.into_value())
    }

    pub(crate) fn of(value: Value) -> Result<Attestation, Invalid> {
        let bad = |why: &dyn fmt::Display| Invalid(format!("hardware_attestation: {why}"));
        let form: Form = serde_json::from_value(value).map_err(|error| bad(&error))?;
        if form.certificates.len() > MAX_CERTIFICATES {
            return Err(bad(&format_args!("{} certificates, at most {MAX_CERTIFICATES}", form.certificates.len())));
        }
        if let Some(index) = form.certificates.iter().position(|text| text.is_empty() || BASE64.decode(text).is_err()) {
            return Err(bad(&format_args!("certificates[{index}] is not canonical base64")));
        }
        if form.token_info.is_empty() || form.token_info.len() > MAX_TEXT {
            return Err(bad(&format_args!("token_info has 1 to {MAX_TEXT} bytes, not {}", form.token_info.len())));
        }
        parse_time("hardware_attestation.retrieved_at", &form.retrieved_at)?;
        let value = serde_json::to_value(&form).map_err(|error| bad(&error))?;
        let canonical = Json::of(value)?.canonical().to_owned();
        match canonical.len() > MAX_ATTESTATION {
            true => Err(bad(&format_args!("{} bytes, at most {MAX_ATTESTATION}", canonical.len()))),
            false => Ok(Attestation { form, canonical }),
        }
    }

    /// X.509 certificates, base64 of DER, leaf to root; empty if the token has none.
    pub fn certificates(&self) -> &[String] {
        &self.form.certificates
    }

    /// Manufacturer, model, serial number: text for people.
    pub fn token_info(&self) -> &str {
        &self.form.token_info
    }

    /// What the token said about the key.
    pub fn key_attributes(&self) -> KeyAttributes {
        self.form.key_attributes
    }

    /// When it was read from the token, RFC 3339 in UTC.
    pub fn retrieved_at(&self) -> &str {
        &self.form.retrieved_at
    }

    /// RFC 8785.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// `SHA-256(canonical form)`: the `attestation_hash` of a record.
    pub fn hash(&self) -> Digest {
        digest(&self.canonical)
    }
}

impl fmt::Debug for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}
