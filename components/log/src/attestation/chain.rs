//! What the certificates of an attestation show: that each was issued by the next, and that the first is of the key
//! that signs.
//!
//! ```text
//! certificates[0]  of the key            signed by the key of certificates[1], whose subject is its issuer
//! certificates[n]  the last              if it names itself as issuer: signed by its own key
//! ```
//!
//! Not here: whom to trust. Who issued the last one is told and not judged, nor are validity, extensions and
//! revocation: a reader who pins the maker's root gives these certificates to a verifier of paths (`openssl verify`).
//!
//! Signatures: RSASSA-PKCS1-v1_5 with SHA-256, SHA-384, SHA-512 (RFC 8017, keys of 2,048 to 4,096 bits), RSASSA-PSS as of
//! this project, ECDSA with the same hashes on P-256 and P-384 (RFC 5758), Ed25519 (RFC 8410). At most
//! [`MAX_CERTIFICATES`](super::MAX_CERTIFICATES) of them in 32 KiB, so the cost is bounded.

use std::fmt;

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::pkcs8::{DecodePublicKey as _, ObjectIdentifier};
use rsa::pkcs1v15;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _, Header, Reader as _, SliceReader};
use x509_cert::name::Name;

use super::Attestation;
use crate::signer::{Algorithm, PublicKey, RSASSA_PSS};
use crate::types::quote;

/// What an attestation shows about a key, by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certified {
    /// It has no certificate: the attributes are the word of who attached it, nothing more.
    NoCertificates,
    /// Every certificate is issued by the next, and the first is of this key.
    ChainOk {
        /// How many.
        certificates: usize,
        /// Who issued the last one, as it says.
        issuer: String,
        /// The last one is its own issuer. Otherwise its issuer is not among them.
        self_issued: bool,
    },
    /// The first certificate is of another key.
    KeyDiffers(String),
    /// One is no certificate, or was not issued by the next.
    ChainBroken(String),
    /// In order and of this key, but a signature among them is of an algorithm that is not known here.
    CannotJudge(String),
}

impl Certified {
    /// The name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Certified::NoCertificates => "no-certificates",
            Certified::ChainOk { .. } => "chain-ok",
            Certified::KeyDiffers(_) => "key-differs",
            Certified::ChainBroken(_) => "chain-broken",
            Certified::CannotJudge(_) => "cannot-judge",
        }
    }
}

impl fmt::Display for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Certified::NoCertificates => f.write_str("no certificates"),
            Certified::ChainOk { certificates, issuer, self_issued } => {
                let last = if *self_issued { "its own issuer" } else { "whose certificate is not among them" };
                write!(f, "chain ok, {certificates} certificate(s) up to {}, {last}", quote(issuer))
            }
            Certified::KeyDiffers(why) => write!(f, "key differs: {why}"),
            Certified::ChainBroken(why) => write!(f, "chain broken: {why}"),
            Certified::CannotJudge(why) => write!(f, "cannot be judged: {why}"),
        }
    }
}

impl Attestation {
    /// What it shows about `key`.
    pub fn certified(&self, key: &PublicKey) -> Certified {
        judge(&self.evidence().certificates, key).unwrap_or_else(|fault| fault)
    }
}

/// Whether the key in the certificate `issuer` signed `certificate`, both DER. `None`: it can not be told here.
pub fn issued_by(certificate: &[u8], issuer: &[u8]) -> Option<bool> {
    let parsed = |der| Certificate::from_der(der).ok();
    let link = Link { certificate: parsed(certificate)?, signed: signed_part(certificate).ok()? };
    verify(&link, &spki(&parsed(issuer)?)).ok()
}

/// A parsed certificate and what its issuer signed.
struct Link<'a> {
    certificate: Certificate,
    signed: &'a [u8],
}

fn judge(chain: &[Vec<u8>], key: &PublicKey) -> Result<Certified, Certified> {
    let broken = |index: usize, why: &dyn fmt::Display| Certified::ChainBroken(format!("certificates[{index}]: {why}"));
    let mut links = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        let parse = || Ok(Link { certificate: Certificate::from_der(der)?, signed: signed_part(der)? });
        let link: x509_cert::der::Result<Link<'_>> = parse();
        links.push(link.map_err(|error| broken(index, &format_args!("no X.509 certificate: {error}")))?);
    }
    let (Some(first), Some(last)) = (links.first(), links.last()) else { return Ok(Certified::NoCertificates) };
    match PublicKey::from_spki_der(&spki(&first.certificate)) {
        Ok(certified) if certified == *key => {}
        Ok(certified) => {
            let [is, must] = [certified.fingerprint(), key.fingerprint()].map(|it| it.to_hex());
            return Err(Certified::KeyDiffers(format!("the certificate is of {is}, the signing key is {must}")));
        }
        Err(error) => return Err(Certified::KeyDiffers(format!("the certificate is of another kind: {error}"))),
    }
    let name = |name: &Name| quote(&text(name));
    let self_issued = last.certificate.tbs_certificate().issuer() == last.certificate.tbs_certificate().subject();
    let issuers = links.iter().skip(1).chain(self_issued.then_some(last));
    let mut unknown = None;
    for (index, (link, issuer)) in links.iter().zip(issuers).enumerate() {
        let (of, by) = (link.certificate.tbs_certificate().issuer(), issuer.certificate.tbs_certificate().subject());
        if of != by {
            let why = format!("issued by {}, but the next is of {}", name(of), name(by));
            return Err(broken(index, &why));
        }
        match verify(link, &spki(&issuer.certificate)) {
            Ok(true) => {}
            Ok(false) => return Err(broken(index, &format_args!("its issuer {} did not sign it", name(by)))),
            Err(why) => unknown = unknown.or(Some(format!("certificates[{index}]: {why}"))),
        }
    }
    match unknown {
        Some(why) => Err(Certified::CannotJudge(why)),
        None => {
            let issuer = text(last.certificate.tbs_certificate().issuer());
            Ok(Certified::ChainOk { certificates: links.len(), issuer, self_issued })
        }
    }
}

/// A name for people, the most specific part first: `CN=Root,O=Maker`. Ours, because the library's brings 200 kB of names
/// for object identifiers into every component that verifies.
fn text(name: &Name) -> String {
    let mut parts: Vec<String> = name
        .iter()
        .map(|part| {
            let kind = part.oid.to_string();
            let kind = KINDS.iter().find(|(oid, _)| *oid == kind).map_or(kind.as_str(), |(_, short)| short);
            format!("{kind}={}", String::from_utf8_lossy(part.value.value()))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// Parts of names and how people write them (RFC 4514 section 3; the serial number: X.520).
const KINDS: [(&str, &str); 7] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
];

/// The bytes of `tbsCertificate` as they stand in the certificate.
fn signed_part(der: &[u8]) -> x509_cert::der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn spki(certificate: &Certificate) -> Vec<u8> {
    // What was decoded can be encoded; an empty one is no key of anybody.
    certificate.tbs_certificate().subject_public_key_info().to_der().unwrap_or_default()
}

/// sha256WithRSAEncryption and its two sisters (RFC 8017 appendix A.2.4).
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// RSASSA-PSS-params (RFC 8017 appendix A.2.3): `[0] { SHA-256, NULL } [1] { MGF1 { SHA-256, NULL } } [2] { 32 }`, which is
/// this project's own signature algorithm.
const PSS_PARAMETERS: [u8; 54] = [
    0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09,
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x20,
];
/// ecdsa-with-SHA256 and its two sisters (RFC 5758 section 3.2).
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
/// id-Ed25519 (RFC 8410 section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Whether the key in `issuer`, an SPKI, signed this certificate. `Err`: it cannot be told here.
fn verify(link: &Link<'_>, issuer: &[u8]) -> Result<bool, String> {
    let algorithm = link.certificate.signature_algorithm();
    if algorithm != link.certificate.tbs_certificate().signature() {
        return Ok(false);
    }
    let Some(signature) = link.certificate.signature().as_bytes() else { return Ok(false) };
    let message = link.signed;
    match algorithm.oid {
        RSA_SHA256 | RSA_SHA384 | RSA_SHA512 => {
            let key = rsa::RsaPublicKey::from_public_key_der(issuer).map_err(|error| format!("RSA key: {error}"))?;
            if key.size() < 256 {
                return Err(format!("signed by an RSA key of {} bits", key.size() * 8));
            }
            let Ok(signature) = pkcs1v15::Signature::try_from(signature) else { return Ok(false) };
            Ok(match algorithm.oid {
                RSA_SHA256 => pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, &signature).is_ok(),
                RSA_SHA384 => pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(message, &signature).is_ok(),
                _ => pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(message, &signature).is_ok(),
            })
        }
        RSASSA_PSS => {
            if algorithm.parameters.to_der().ok().as_deref() != Some(&PSS_PARAMETERS) {
                return Err("RSASSA-PSS with other parameters than SHA-256 and a salt of 32 bytes".into());
            }
            let key = PublicKey::from_spki_der(issuer).map_err(|error| error.0)?;
            Ok(key.algorithm() == Algorithm::RsaPssSha256 && key.verify(message, signature))
        }
        ECDSA_SHA256 => ecdsa(issuer, &Sha256::digest(message), signature),
        ECDSA_SHA384 => ecdsa(issuer, &Sha384::digest(message), signature),
        ECDSA_SHA512 => ecdsa(issuer, &Sha512::digest(message), signature),
        ED25519 => {
            let key = PublicKey::from_spki_der(issuer).map_err(|error| error.0)?;
            Ok(key.algorithm() == Algorithm::Ed25519 && key.verify(message, signature))
        }
        other => Err(format!("signatures of algorithm {other} are not known here")),
    }
}

/// High S too: certificates are not ours to make unique.
fn ecdsa(issuer: &[u8], digest: &[u8], signature: &[u8]) -> Result<bool, String> {
    if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(issuer) {
        let signature = p256::ecdsa::Signature::from_der(signature);
        return Ok(signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()));
    }
    if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(issuer) {
        let signature = p384::ecdsa::Signature::from_der(signature);
        return Ok(signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()));
    }
    Err("ECDSA by a key that is neither on P-256 nor on P-384".into())
}
