//! Verifier keys: the text by which people pin a key, and the key id that stands in signature lines.
//!
//! ```text
//! vkey   = <name> "+" <key id, 8 lower-case hex> "+" base64(type || public key)
//! key id = SHA-256(name || 0x0A || type || public key)[..4]      but for ECDSA: SHA-256(public key)[..4]
//!
//! algorithm           type                                          public key       (format.md section 5)
//! ed25519             0x01                                          32 raw bytes
//! ecdsa-p256          0x02                                          SPKI DER
//! ed25519 cosigner    0x04  (c2sp.org/tlog-cosignature)             32 raw bytes
//! rsa-pss-sha256      0xff || "secure-log/rsassa-pss-sha256/v1"     SPKI DER
//! ML-DSA-44 cosigner  0x06  (c2sp.org/tlog-cosignature)             1,312 bytes; read in policies, never verified
//! ```
//!
//! The RSA type is 32 bytes, the text without terminator: a SPKI begins with 0x30, which is no byte of the
//! text's end, and the length is fixed, so type and key never run into each other.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::error::Invalid;
use crate::signer::{Algorithm, MAX_ENCODED, PublicKey};
use crate::types::{MAX_INT, hex, quote};

/// Longest key name in bytes: one length byte in tlog-cosignature's signed structures.
pub const MAX_KEY_NAME: usize = 255;
/// The type of RSA keys in vkeys and key ids: signed-note leaves 0xff to types it assigns no byte.
pub const RSA_TYPE: &[u8; 32] = b"\xffsecure-log/rsassa-pss-sha256/v1";
const ED25519_TYPE: &[u8] = &[0x01];
const ECDSA_TYPE: &[u8] = &[0x02];
const COSIGNATURE_V1_TYPE: &[u8] = &[0x04];
const ML_DSA_44_TYPE: u8 = 0x06;
/// Bytes of an ML-DSA-44 public key (FIPS 204, table 2).
const ML_DSA_44_KEY: usize = 1_312;
/// Longest vkey in bytes: the name, the id and its two signs, and base64 of the longest RSA key.
const MAX_VKEY: usize = MAX_KEY_NAME + 10 + (RSA_TYPE.len() + MAX_ENCODED).div_ceil(3) * 4;

/// What a key may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierKeyKind {
    /// Signs the note text itself: a log.
    Signature(PublicKey),
    /// Signs the text with a time in front, `cosignature/v1`: a witness. Always ed25519.
    CosignatureV1(PublicKey),
}

/// A named public key that signature lines can be checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: [u8; 4],
    key: VerifierKeyKind,
}

impl VerifierKey {
    /// The key of a log; its name is the origin.
    ///
    /// # Errors
    /// An origin that cannot be a key name; those of log names and stream ids always can.
    pub fn for_log(origin: &str, key: PublicKey) -> Result<VerifierKey, Invalid> {
        VerifierKey::new(origin, VerifierKeyKind::Signature(key))
    }

    /// The cosignature/v1 key of a witness.
    ///
    /// # Errors
    /// A name that is no key name, a key that is not ed25519.
    pub fn for_witness(name: &str, key: PublicKey) -> Result<VerifierKey, Invalid> {
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(Invalid(format!("a cosignature/v1 key is ed25519, not {}", key.algorithm().as_str())));
        }
        VerifierKey::new(name, VerifierKeyKind::CosignatureV1(key))
    }

    fn new(name: &str, key: VerifierKeyKind) -> Result<VerifierKey, Invalid> {
        check_name(name)?;
        let public = key.public_key();
        let key_id = match (&key, public.algorithm()) {
            (VerifierKeyKind::Signature(_), Algorithm::EcdsaP256) => {
                first_four(Sha256::digest(public.encoded()).into())
            }
            _ => key_id(name, &[key.type_bytes(), public.encoded()].concat()),
        };
        Ok(VerifierKey { name: name.to_owned(), key_id, key })
    }

    /// Key name: the origin of a log, the name of a witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Computed from name, type and key; never taken from anyone.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// The key and what it may say.
    pub fn key(&self) -> &VerifierKeyKind {
        &self.key
    }

    /// Whether `signature` (as it stands in a line, after the key id) is this key's for `text`.
    pub fn verify(&self, text: &str, signature: &[u8]) -> bool {
        match &self.key {
            VerifierKeyKind::Signature(key) => key.verify(text.as_bytes(), signature),
            VerifierKeyKind::CosignatureV1(_) => self.cosignature_time(text, signature).is_some(),
        }
    }

    /// When this witness says it saw the checkpoint `text`, in seconds since 1970 UTC; `None` unless this is a
    /// witness's key and `signature` = `time (u64 BE, 1 to 2^63-1) || ed25519 signature` verifies. A time of 0 would
    /// say that there is none, and a witness's line without a time says nothing about what came later.
    pub fn cosignature_time(&self, text: &str, signature: &[u8]) -> Option<u64> {
        let VerifierKeyKind::CosignatureV1(key) = &self.key else { return None };
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        ((1..=MAX_INT).contains(&time) && key.verify(&cosignature_message(time, text), signature)).then_some(time)
    }
}

/// What a witness signs (tlog-cosignature, Ed25519 signed message): `cosignature/v1\ntime <seconds>\n<text>`.
pub fn cosignature_message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl VerifierKeyKind {
    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        match self {
            VerifierKeyKind::Signature(key) | VerifierKeyKind::CosignatureV1(key) => key,
        }
    }

    fn type_bytes(&self) -> &'static [u8] {
        match self {
            VerifierKeyKind::CosignatureV1(_) => COSIGNATURE_V1_TYPE,
            VerifierKeyKind::Signature(key) => match key.algorithm() {
                Algorithm::Ed25519 => ED25519_TYPE,
                Algorithm::EcdsaP256 => ECDSA_TYPE,
                Algorithm::RsaPssSha256 => RSA_TYPE,
            },
        }
    }

    /// Splits `type || public key`.
    fn parse(bytes: &[u8]) -> Result<VerifierKeyKind, Invalid> {
        let (key_type, encoded) = match bytes {
            [0xff, ..] => bytes.split_at_checked(RSA_TYPE.len()).unwrap_or((bytes, &[])),
            _ => bytes.split_at_checked(1).unwrap_or((bytes, &[])),
        };
        let signature = |algorithm| PublicKey::parse(algorithm, encoded).map(VerifierKeyKind::Signature);
        match key_type {
            ED25519_TYPE => signature(Algorithm::Ed25519),
            ECDSA_TYPE => signature(Algorithm::EcdsaP256),
            key_type if key_type == RSA_TYPE => signature(Algorithm::RsaPssSha256),
            COSIGNATURE_V1_TYPE => PublicKey::parse(Algorithm::Ed25519, encoded).map(VerifierKeyKind::CosignatureV1),
            [] => Err(Invalid("no key".into())),
            _ => Err(Invalid(format!("signature type 0x{} is not supported", hex(key_type)))),
        }
    }
}

impl FromStr for VerifierKey {
    type Err = Invalid;

    /// Parses a vkey, strictly: lower-case hex, canonical base64, the key id that name and key give.
    fn from_str(vkey: &str) -> Result<VerifierKey, Invalid> {
        let (name, key_id, bytes) = split(vkey)?;
        let key = VerifierKeyKind::parse(&bytes).map_err(|error| bad(vkey, &error.0))?;
        let parsed = VerifierKey::new(name, key).map_err(|error| bad(vkey, &error.0))?;
        match hex(&parsed.key_id) == key_id {
            true => Ok(parsed),
            false => Err(bad(vkey, &format!("its key id is {}", hex(&parsed.key_id)))),
        }
    }
}

/// The public key of an ML-DSA-44 cosigner, whose signatures nothing here verifies; `None` for a key of another type.
///
/// # Errors
/// As [`VerifierKey::from_str`].
pub(crate) fn ml_dsa_44(vkey: &str) -> Result<Option<Vec<u8>>, Invalid> {
    let (name, claimed, bytes) = split(vkey)?;
    let Some((&ML_DSA_44_TYPE, public)) = bytes.split_first() else { return Ok(None) };
    check_name(name).map_err(|error| bad(vkey, &error.0))?;
    if public.len() != ML_DSA_44_KEY {
        let why = format!("an ML-DSA-44 key has {ML_DSA_44_KEY} bytes, not {}", public.len());
        return Err(bad(vkey, &why));
    }
    match hex(&key_id(name, &bytes)) {
        id if id == claimed => Ok(Some(public.to_vec())),
        id => Err(bad(vkey, &format!("its key id is {id}"))),
    }
}

/// Name, key id and `type || public key`; none of them is checked.
fn split(vkey: &str) -> Result<(&str, &str, Vec<u8>), Invalid> {
    if vkey.len() > MAX_VKEY {
        return Err(bad(vkey, &format!("{} bytes, at most {MAX_VKEY}", vkey.len())));
    }
    let mut parts = vkey.splitn(3, '+');
    let (Some(name), Some(key_id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad(vkey, "must be <name>+<key id>+<key>"));
    };
    let bytes = BASE64.decode(encoded).map_err(|_| bad(vkey, "the key is not canonical base64"))?;
    Ok((name, key_id, bytes))
}

fn bad(vkey: &str, why: &str) -> Invalid {
    Invalid(format!("verifier key {}: {why}", quote(vkey)))
}

/// Of every type but ECDSA; `material` is `type || public key`.
fn key_id(name: &str, material: &[u8]) -> [u8; 4] {
    first_four(Sha256::new().chain_update(name).chain_update(b"\n").chain_update(material).finalize().into())
}

fn first_four([a, b, c, d, ..]: [u8; 32]) -> [u8; 4] {
    [a, b, c, d]
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key.type_bytes(), self.key.public_key().encoded()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.key_id), BASE64.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Key names (signed-note, Format): not empty, no Unicode space, no plus; and no control character, which no
/// note may contain.
pub(super) fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.len() > MAX_KEY_NAME {
        return Err(Invalid(format!("a key name has 1 to {MAX_KEY_NAME} bytes, not {}", name.len())));
    }
    match name.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '+') {
        Some(c) => Err(Invalid(format!("{c:?} may not stand in a key name"))),
        None => Ok(()),
    }
}
