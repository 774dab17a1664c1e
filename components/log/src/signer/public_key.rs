//! Public keys: parsed once, strictly, then only used. No private key is ever in reach of this file.
//!
//! One key has exactly one encoding here: what parses is encoded again and compared, so two texts never
//! name one key and a key id or a duplicate check over the bytes is a check over the key.

use std::fmt;

use p256::ecdsa::{self, signature::Verifier as _};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPublicKey, pkcs1, pss};
use sha2::Sha256;

use super::{Algorithm, Signer, SignerError};
use crate::error::Invalid;

/// Smallest RSA modulus in bits: 128 bits of security (NIST SP 800-57 part 1, table 2).
pub const MIN_RSA_BITS: u32 = 3072;
/// Largest RSA modulus in bits: verifying costs the square of it, and keys come from outside.
pub const MAX_RSA_BITS: u32 = 16_384;
/// Smallest RSA public exponent (FIPS 186-5, appendix A.1.1). It must be odd, and at most the 2^33-1 of
/// [`RsaPublicKey::MAX_PUB_EXPONENT`], because verifying costs its length.
pub const MIN_RSA_EXPONENT: u64 = 65_537;
/// Longest encoding in bytes: a modulus of [`MAX_RSA_BITS`] (2,048), exponent (5), and the DER around them.
pub const MAX_ENCODED: usize = 2_048 + 5 + 35;
/// The salt of every RSASSA-PSS signature: as long as the hash (RFC 8017 section 9.1, note 4).
const PSS_SALT: usize = 32;

/// A public key of one algorithm, known to be a good one.
///
/// | algorithm | encoding | note signature |
/// |---|---|---|
/// | ed25519 | 32 raw bytes, canonical, not of small order | 64 bytes |
/// | ecdsa-p256 | SPKI DER, uncompressed point, 91 bytes | ASN.1 DER `SEQUENCE { r, s }`, low-S |
/// | rsa-pss-sha256 | SPKI DER, `rsaEncryption` with NULL | as long as the modulus |
#[derive(Clone)]
pub struct PublicKey {
    key: Key,
    encoded: Vec<u8>,
}

#[derive(Clone)]
enum Key {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(ecdsa::VerifyingKey),
    RsaPssSha256(Box<pss::VerifyingKey<Sha256>>),
}

impl PublicKey {
    /// Parses the encoding of a keystore, a vkey or an entry.
    ///
    /// # Errors
    /// A point that is not on the curve, not canonical or of small order; a curve other than P-256; an RSA
    /// modulus or exponent outside the limits above; any encoding but the one canonical encoding.
    pub fn parse(algorithm: Algorithm, encoded: &[u8]) -> Result<PublicKey, Invalid> {
        let bad = |why: &str| Invalid(format!("{} public key: {why}", algorithm.as_str()));
        if encoded.len() > MAX_ENCODED {
            return Err(bad(&format!("{} bytes, at most {MAX_ENCODED}", encoded.len())));
        }
        let key = match algorithm {
            Algorithm::Ed25519 => Key::Ed25519(parse_ed25519(encoded).map_err(|why| bad(&why))?),
            Algorithm::EcdsaP256 => Key::EcdsaP256(parse_p256(encoded).map_err(|why| bad(&why))?),
            Algorithm::RsaPssSha256 => Key::RsaPssSha256(Box::new(parse_rsa(encoded).map_err(|why| bad(&why))?)),
        };
        Ok(PublicKey { key, encoded: encoded.to_vec() })
    }

    /// The public key a keystore shows for one of its keys.
    ///
    /// # Errors
    /// `Backend` when what it shows is no public key of its algorithm.
    pub fn of_signer(signer: &(impl Signer + ?Sized)) -> Result<PublicKey, SignerError> {
        PublicKey::parse(signer.algorithm(), &signer.public_key()).map_err(|error| SignerError::Backend(error.0))
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Ed25519(_) => Algorithm::Ed25519,
            Key::EcdsaP256(_) => Algorithm::EcdsaP256,
            Key::RsaPssSha256(_) => Algorithm::RsaPssSha256,
        }
    }

    /// The one encoding of this key; see the table above.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Whether `note_signature` is this key's over `message`, by the strictest rules: ed25519 `verify_strict`,
    /// ECDSA strict DER with `s <= n/2` (so no signature has a twin), RSASSA-PSS with a salt of exactly 32 bytes.
    pub fn verify(&self, message: &[u8], note_signature: &[u8]) -> bool {
        match &self.key {
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(note_signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Key::EcdsaP256(key) => ecdsa::Signature::from_der(note_signature).is_ok_and(|signature| {
                signature.normalize_s() == signature
                    && signature.to_der().as_bytes() == note_signature
                    && key.verify(message, &signature).is_ok()
            }),
            Key::RsaPssSha256(key) => {
                let length = rsa_bytes(key);
                note_signature.len() == length
                    && pss::Signature::from_bytes_with_max_len(note_signature, length)
                        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }

    /// The note encoding of what [`Signer::sign`] answered: ECDSA `r || s` becomes DER with low S, the others
    /// stay as they are. Lengths and ranges are checked, the signature is not verified.
    ///
    /// # Errors
    /// `Backend`, naming the length or part that is wrong.
    pub fn note_signature(&self, keystore_signature: &[u8]) -> Result<Vec<u8>, SignerError> {
        let expected = match &self.key {
            Key::Ed25519(_) | Key::EcdsaP256(_) => 64,
            Key::RsaPssSha256(key) => rsa_bytes(key),
        };
        if keystore_signature.len() != expected {
            let (name, found) = (self.algorithm().as_str(), keystore_signature.len());
            return Err(SignerError::Backend(format!(
                "a signature by this {name} key has {expected} bytes, not {found}"
            )));
        }
        match self.key {
            Key::EcdsaP256(_) => ecdsa::Signature::from_slice(keystore_signature)
                .map(|signature| signature.normalize_s().to_der().as_bytes().to_vec())
                .map_err(|_| SignerError::Backend("r or s of the signature is 0 or not below the group order".into())),
            Key::Ed25519(_) | Key::RsaPssSha256(_) => Ok(keystore_signature.to_vec()),
        }
    }
}

fn parse_ed25519(encoded: &[u8]) -> Result<ed25519_dalek::VerifyingKey, String> {
    let bytes: &[u8; 32] = encoded.try_into().map_err(|_| format!("32 bytes, not {}", encoded.len()))?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| "not a point of the curve".to_owned())?;
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err("not the canonical encoding of its point".into());
    }
    match key.is_weak() {
        true => Err("a point of small order: anyone could sign for it".into()),
        false => Ok(key),
    }
}

fn parse_p256(encoded: &[u8]) -> Result<ecdsa::VerifyingKey, String> {
    let key =
        ecdsa::VerifyingKey::from_public_key_der(encoded).map_err(|error| format!("not SPKI DER of P-256: {error}"))?;
    let canonical = key.to_public_key_der().map_err(|error| error.to_string())?;
    match canonical.as_bytes() == encoded {
        true => Ok(key),
        false => Err("not the canonical SPKI DER (uncompressed point, named curve)".into()),
    }
}

fn parse_rsa(encoded: &[u8]) -> Result<pss::VerifyingKey<Sha256>, String> {
    let spki = SubjectPublicKeyInfoRef::try_from(encoded).map_err(|error| format!("not SPKI DER: {error}"))?;
    let parts = spki.subject_public_key.as_bytes().ok_or("its bit string is not of whole bytes")?;
    let parts = pkcs1::RsaPublicKeyRef::try_from(parts).map_err(|error| format!("not a PKCS #1 key: {error}"))?;
    let modulus = BoxedUint::from_be_slice_vartime(parts.modulus.as_bytes());
    let bits = modulus.bits_vartime();
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(format!("a modulus of {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS}, whole bytes"));
    }
    let exponent = parts.public_exponent.as_bytes();
    let short = exponent.len() <= 5;
    let exponent = exponent.iter().take(5).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    if !short || exponent < MIN_RSA_EXPONENT || exponent.is_multiple_of(2) {
        return Err(format!("the public exponent must be odd, {MIN_RSA_EXPONENT} to 2^33-1"));
    }
    let key =
        RsaPublicKey::new_with_size_limits(modulus, exponent.into(), MIN_RSA_BITS as usize..=MAX_RSA_BITS as usize)
            .map_err(|error| error.to_string())?;
    let canonical = key.to_public_key_der().map_err(|error| error.to_string())?;
    match canonical.as_bytes() == encoded {
        true => Ok(pss::VerifyingKey::new_with_salt_len(key, PSS_SALT)),
        false => Err("not the canonical SPKI DER (algorithm rsaEncryption)".into()),
    }
}

fn rsa_bytes(key: &pss::VerifyingKey<Sha256>) -> usize {
    key.as_ref().size()
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm() && self.encoded == other.encoded
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().as_str(), crate::types::hex(&self.encoded))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signer::sign_checked;
    use crate::signer::testing::TestKey;

    /// A keystore that answers with something else than a signature of its key.
    struct Faulty(TestKey, fn(Vec<u8>) -> Vec<u8>);

    impl Signer for Faulty {
        fn algorithm(&self) -> Algorithm {
            self.0.algorithm()
        }
        fn public_key(&self) -> Vec<u8> {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
            self.0.sign(message).map(self.1)
        }
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_key_only_and_no_bit_of_it_may_change() {
        for algorithm in Algorithm::ALL {
            let (key, other) = (TestKey::new(algorithm, 1), TestKey::new(algorithm, 2).public());
            let public = key.public();
            let signature = sign_checked(&key, &public, b"message").unwrap();
            assert!(public.verify(b"message", &signature), "{algorithm:?}");
            assert!(!public.verify(b"messagf", &signature) && !public.verify(b"", &signature));
            assert!(!other.verify(b"message", &signature));
            for byte in 0..signature.len() {
                let mut changed = signature.clone();
                changed[byte] ^= 1 << (byte % 8);
                assert!(!public.verify(b"message", &changed), "{algorithm:?} byte {byte}");
            }
            for cut in [&signature[1..], &signature[..signature.len() - 1], &[signature.as_slice(), &[0]].concat(), &[]]
            {
                assert!(!public.verify(b"message", cut), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn a_keystore_that_signs_wrongly_is_found_before_anything_is_stored() {
        for algorithm in Algorithm::ALL {
            let public = TestKey::new(algorithm, 1).public();
            let flip = Faulty(TestKey::new(algorithm, 1), |mut signature| {
                signature[40] ^= 1;
                signature
            });
            assert!(matches!(sign_checked(&flip, &public, b"m"), Err(SignerError::WrongSignature(_))), "{algorithm:?}");
            let other = TestKey::new(algorithm, 2);
            assert!(matches!(sign_checked(&other, &public, b"m"), Err(SignerError::WrongSignature(_))));
            let short = Faulty(TestKey::new(algorithm, 1), |signature| signature[1..].to_vec());
            assert!(matches!(sign_checked(&short, &public, b"m"), Err(SignerError::Backend(_))));
            let zero = Faulty(TestKey::new(algorithm, 1), |signature| vec![0; signature.len()]);
            assert!(sign_checked(&zero, &public, b"m").is_err());
        }
    }

    #[test]
    fn an_ecdsa_signature_has_no_twin() {
        let key = TestKey::new(Algorithm::EcdsaP256, 1);
        let public = key.public();
        for message in 0..16_u8 {
            let raw = ecdsa::Signature::from_slice(&key.sign(&[message]).unwrap()).unwrap();
            let (r, s) = raw.split_scalars();
            let twin = ecdsa::Signature::from_scalars(r, -*s).unwrap();
            let low = public.note_signature(&raw.to_bytes()).unwrap();
            assert_eq!(public.note_signature(&twin.to_bytes()).unwrap(), low, "both are brought to the one form");
            assert!(public.verify(&[message], &low));
            let high = if raw.normalize_s() == raw { twin } else { raw };
            assert!(!public.verify(&[message], high.to_der().as_bytes()));
        }
    }

    #[test]
    fn a_key_has_one_encoding() {
        for algorithm in Algorithm::ALL {
            let public = TestKey::new(algorithm, 1).public();
            assert_eq!(PublicKey::parse(algorithm, public.encoded()).unwrap(), public);
            let encoded = public.encoded();
            for bad in [&[encoded, &[0]].concat(), &encoded[..encoded.len() - 1], &encoded[1..], &[], &[0; 5000]] {
                assert!(PublicKey::parse(algorithm, bad).is_err(), "{algorithm:?}");
            }
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(PublicKey::parse(other, encoded).is_err(), "{algorithm:?} taken for {other:?}");
            }
        }
        let point = TestKey::new(Algorithm::EcdsaP256, 1).public();
        let compressed = [&[2 + (point.encoded()[90] & 1)], &point.encoded()[27..59]].concat();
        let spki = [&[0x30, 0x39], &point.encoded()[2..23], &[0x03, 0x22, 0x00], &compressed].concat();
        assert!(ecdsa::VerifyingKey::from_public_key_der(&spki).is_ok(), "the library takes a compressed point");
        assert!(PublicKey::parse(Algorithm::EcdsaP256, &spki).is_err());
    }

    #[test]
    fn weak_ed25519_points_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut negative_zero = identity;
        negative_zero[31] = 0x80;
        let mut above_the_prime = [0xff; 32];
        above_the_prime[0] = 0xee;
        above_the_prime[31] = 0x7f;
        for (point, why) in [
            (identity, "small order"),
            ([0; 32], "small order"),
            (negative_zero, "canonical"),
            (above_the_prime, "canonical"),
            ([2; 32], "point of the curve"),
        ] {
            let error = PublicKey::parse(Algorithm::Ed25519, &point).unwrap_err();
            assert!(error.0.contains(why), "{error}: {why}");
        }
    }

    #[test]
    fn rsa_keys_outside_the_limits_are_refused() {
        let TestKey::RsaPssSha256(key) = TestKey::new(Algorithm::RsaPssSha256, 1) else { unreachable!() };
        let good: &rsa::RsaPrivateKey = key.as_ref();
        let encode = |modulus: BoxedUint, exponent: u64| {
            RsaPublicKey::new_unchecked(modulus, exponent.into()).to_public_key_der().unwrap().into_vec()
        };
        let ones = |bits: u32| BoxedUint::from_be_slice_vartime(&vec![0xff; bits as usize / 8]);
        let modulus = || good.n().as_ref().clone();
        for (encoded, good) in [
            (encode(modulus(), 65_537), true),
            (encode(modulus(), 3), false),
            (encode(modulus(), 65_538), false),
            (encode(modulus(), (1 << 33) - 1), true),
            (encode(modulus(), (1 << 33) + 1), false),
            (encode(ones(3072), 65_537), true),
            (encode(ones(3064), 65_537), false),
            (encode(ones(2048), 65_537), false),
            (encode(ones(16_384), 65_537), true),
            (encode(ones(16_392), 65_537), false),
        ] {
            let parsed = PublicKey::parse(Algorithm::RsaPssSha256, &encoded);
            assert_eq!(parsed.is_ok(), good, "{parsed:?}");
        }
        assert_eq!(encode(ones(16_384), (1 << 33) - 1).len(), MAX_ENCODED);
    }
}
