//! Public keys as people keep them: what `openssl` writes with `-pubout`, a vkey, or bare hexadecimal.

use p256::pkcs8::der::pem::LineEnding;
use p256::pkcs8::{Document, EncodePublicKey as _, ObjectIdentifier};
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use sha2::{Digest as _, Sha256};

use super::{Algorithm, MAX_ENCODED, PublicKey, SignerError};
use crate::error::Invalid;
use crate::note::{VerifierKey, VerifierKeyKind};
use crate::types::{Digest, quote, unhex};

/// Longest text of a public key: PEM of the longest key, with room for the lines before it.
pub const MAX_PIN: usize = 8 * 1024;

/// The 12 bytes before an ed25519 key in its SPKI DER (RFC 8410 section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// id-RSASSA-PSS (RFC 8017 appendix A.2.3): what `openssl genpkey -algorithm RSA-PSS` writes.
pub(crate) const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// The label of a public key in PEM (RFC 7468 section 13).
const LABEL: &str = "PUBLIC KEY";

impl PublicKey {
    /// Reads one of three texts: SPKI in PEM (`-----BEGIN PUBLIC KEY-----`), the vkey of a log, or lower-case
    /// hexadecimal of the key's one encoding. White space around it does not matter, nor does the name in a vkey.
    ///
    /// # Errors
    /// None of these, or a key that [`PublicKey::parse`] refuses. A private key is refused and not shown.
    pub fn from_text(text: &str) -> Result<PublicKey, Invalid> {
        let text = text.trim();
        if text.len() > MAX_PIN {
            return Err(Invalid(format!("a public key of {} bytes, at most {MAX_PIN}", text.len())));
        }
        if text.starts_with("-----BEGIN") {
            return from_pem(text);
        }
        if let Some(encoded) = unhex(text) {
            return of_any(&encoded);
        }
        if text.contains('+') {
            return match text.parse::<VerifierKey>()?.key() {
                VerifierKeyKind::Signature(key) => Ok(key.clone()),
                VerifierKeyKind::CosignatureV1(_) => Err(Invalid("the vkey is that of a witness".into())),
            };
        }
        Err(Invalid(format!("{} is no public key: PEM, vkey or hexadecimal is needed", quote(text))))
    }

    /// Reads subject public key info in DER (RFC 5280 section 4.1).
    ///
    /// # Errors
    /// Not of that form, another algorithm, a key that [`PublicKey::parse`] refuses.
    pub fn from_spki_der(der: &[u8]) -> Result<PublicKey, Invalid> {
        if let Some(raw) = der.strip_prefix(&ED25519_SPKI) {
            return PublicKey::parse(Algorithm::Ed25519, raw);
        }
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|error| Invalid(error.to_string()))?;
        if info.algorithm.oid == p256::elliptic_curve::ALGORITHM_OID {
            return PublicKey::parse(Algorithm::EcdsaP256, der);
        }
        if info.algorithm.oid == rsa::pkcs1::ALGORITHM_OID {
            return PublicKey::parse(Algorithm::RsaPssSha256, der);
        }
        // With parameters the key would be bound to other signatures than ours.
        if info.algorithm.oid == RSASSA_PSS && info.algorithm.parameters.is_none() && der.len() <= MAX_ENCODED {
            let key = info.subject_public_key.as_bytes().and_then(|bytes| RsaPublicKey::from_pkcs1_der(bytes).ok());
            let spki = key.and_then(|key| key.to_public_key_der().ok());
            let spki = spki.ok_or_else(|| Invalid("a malformed RSA key".into()))?;
            return PublicKey::parse(Algorithm::RsaPssSha256, spki.as_bytes());
        }
        Err(Invalid(format!("a key of algorithm {}; ed25519, P-256 or RSA is needed", info.algorithm.oid)))
    }

    /// Subject public key info in DER (RFC 5280 section 4.1), for any algorithm.
    pub fn spki_der(&self) -> Vec<u8> {
        match self.algorithm() {
            Algorithm::Ed25519 => [&ED25519_SPKI, self.encoded()].concat(),
            Algorithm::EcdsaP256 | Algorithm::RsaPssSha256 => self.encoded().to_vec(),
        }
    }

    /// SHA-256 of [`PublicKey::spki_der`], by hand `openssl pkey -pubin -in public.pem -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> Digest {
        Digest(Sha256::digest(self.spki_der()).into())
    }

    /// Subject public key info in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// `Backend`, when the library cannot encode it.
    pub fn spki_pem(&self) -> Result<String, SignerError> {
        let document = Document::try_from(self.spki_der());
        let pem = document.and_then(|document| document.to_pem(LABEL, LineEnding::LF));
        pem.map_err(|error| SignerError::Backend(format!("public key in PEM: {error}")))
    }
}

fn from_pem(text: &str) -> Result<PublicKey, Invalid> {
    let bad = |why: &str| Invalid(format!("public key in PEM: {why}"));
    if !text.starts_with("-----BEGIN PUBLIC KEY-----") {
        return Err(bad("its first line is not -----BEGIN PUBLIC KEY-----; openssl pkey -pubout writes that"));
    }
    let (_, document) = Document::from_pem(text).map_err(|error| bad(&error.to_string()))?;
    PublicKey::from_spki_der(document.as_bytes()).map_err(|error| bad(&error.0))
}

/// The encodings of the three algorithms are never one another's.
fn of_any(encoded: &[u8]) -> Result<PublicKey, Invalid> {
    let mut reasons = Vec::new();
    for algorithm in Algorithm::ALL {
        match PublicKey::parse(algorithm, encoded) {
            Ok(key) => return Ok(key),
            Err(error) => reasons.push(error.0),
        }
    }
    Err(Invalid(reasons.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signer::testing::TestKey;

    #[test]
    fn a_key_is_read_in_each_of_its_texts() {
        for algorithm in Algorithm::ALL {
            let key = TestKey::new(algorithm, 1).public();
            let vkey = VerifierKey::for_log("log.example.org/a", key.clone()).unwrap().to_string();
            let pem = key.spki_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
            for text in [pem, vkey, crate::types::hex(key.encoded())] {
                assert_eq!(PublicKey::from_text(&format!("\n{text}\r\n")).unwrap(), key);
                assert!(PublicKey::from_text(text.get(..text.len() - 2).unwrap()).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_public_key_of_a_signer_is_refused_and_a_private_key_not_shown() {
        let witness = VerifierKey::for_witness("w.example.net/1", TestKey::new(Algorithm::Ed25519, 1).public());
        for (text, why) in [
            ("", "no public key"),
            ("keys/audit.pem", "no public key"),
            (&witness.unwrap().to_string(), "of a witness"),
            ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "BEGIN PUBLIC KEY"),
            ("-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----", "PEM"),
            (&"00".repeat(32), "small order"),
            (&"x".repeat(MAX_PIN + 1), "at most"),
        ] {
            let error = PublicKey::from_text(text).unwrap_err().0;
            assert!(error.contains(why) && !error.contains("c2VjcmV0"), "{error}");
        }
    }
}
