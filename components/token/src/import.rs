//! Private keys and certificates in files, taken apart as PKCS #11 wants them.

use ed25519_dalek::SigningKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::der::asn1::AnyRef;
use p256::pkcs8::der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _, pem};
use p256::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use rsa::RsaPrivateKey;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use zeroize::Zeroizing;

use crate::args::MIN_RSA_BITS;

/// What PKCS #11 stores of a key pair. Points are the DER of an octet string, as CKA_EC_POINT has them.
pub enum KeyParts {
    /// RFC 8032, section 5.1.5.
    Edwards { seed: Zeroizing<Vec<u8>>, point: Vec<u8> },
    /// The point is uncompressed.
    P256 { scalar: Zeroizing<Vec<u8>>, point: Vec<u8> },
    /// RFC 8017, section 3.2.
    Rsa(Box<RsaParts>),
}

/// Unsigned, most significant byte first.
pub struct RsaParts {
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
    pub private_exponent: Zeroizing<Vec<u8>>,
    pub primes: [Zeroizing<Vec<u8>>; 2],
    pub exponents: [Zeroizing<Vec<u8>>; 2],
    pub coefficient: Zeroizing<Vec<u8>>,
}

/// rsaEncryption (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-RSASSA-PSS (RFC 8017, appendix A.2.3).
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// id-ecPublicKey (RFC 5480, section 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// id-Ed25519 (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads an unencrypted PKCS#8 PEM text.
pub fn private_key(text: &[u8]) -> Result<KeyParts, String> {
    let text = str::from_utf8(text).ok().filter(|text| text.contains("-----BEGIN "));
    let text =
        text.ok_or("not PEM: no line of it is -----BEGIN PRIVATE KEY-----; openssl pkcs8 -topk8 -nocrypt converts")?;
    let (label, document) = SecretDocument::from_pem(text).map_err(|error| format!("not a key in PEM: {error}"))?;
    if label != "PRIVATE KEY" {
        return Err(format!(
            "the PEM holds {label:?}; PRIVATE KEY (PKCS#8) is needed; openssl pkcs8 -topk8 -nocrypt converts"
        ));
    }
    let info = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| format!("not PKCS#8: {error}"))?;
    let malformed = |error: p256::pkcs8::Error| format!("a malformed key: {error}");
    match info.algorithm.oid {
        ED25519 => {
            let key = SigningKey::try_from(info).map_err(malformed)?;
            let point = octet_string(key.verifying_key().as_bytes());
            Ok(KeyParts::Edwards { seed: Zeroizing::new(key.to_bytes().to_vec()), point })
        }
        EC => {
            let key = p256::SecretKey::try_from(info).map_err(malformed)?;
            let point = octet_string(key.public_key().to_sec1_point(false).as_bytes());
            Ok(KeyParts::P256 { scalar: Zeroizing::new(key.to_bytes().to_vec()), point })
        }
        RSA | RSA_PSS => {
            rsa(RsaPrivateKey::try_from(info).map_err(malformed)?).map(|parts| KeyParts::Rsa(Box::new(parts)))
        }
        other => Err(format!("a key of algorithm {other}; Ed25519, P-256 or RSA is needed")),
    }
}

fn rsa(mut key: RsaPrivateKey) -> Result<RsaParts, String> {
    let bits = u64::from(key.n().bits_vartime());
    if bits < MIN_RSA_BITS {
        return Err(format!("an RSA key of {bits} bits; a log refuses those of fewer than {MIN_RSA_BITS}"));
    }
    key.precompute().map_err(|error| format!("a malformed key: {error}"))?;
    let [p, q] = key.primes() else {
        return Err("an RSA key of more than two primes".to_owned());
    };
    let missing = || "a malformed key".to_owned();
    let (dp, dq) = (key.dp().ok_or_else(missing)?, key.dq().ok_or_else(missing)?);
    let coefficient = key.crt_coefficient().ok_or_else(missing)?;
    let secret = |bytes: Box<[u8]>| Zeroizing::new(stripped(bytes.into_vec()));
    Ok(RsaParts {
        modulus: stripped(key.n_bytes().into_vec()),
        exponent: stripped(key.e_bytes().into_vec()),
        private_exponent: secret(key.d().to_be_bytes()),
        primes: [secret(p.to_be_bytes()), secret(q.to_be_bytes())],
        exponents: [secret(dp.to_be_bytes()), secret(dq.to_be_bytes())],
        coefficient: secret(coefficient.to_be_bytes()),
    })
}

/// Without leading zeros.
fn stripped(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.copy_within(zeros.., 0);
    let length = bytes.len() - zeros;
    zeroize::Zeroize::zeroize(&mut bytes[length..]);
    bytes.truncate(length);
    bytes
}

/// DER of a short octet string.
fn octet_string(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    let mut der = vec![0x04, length];
    der.extend(bytes);
    der
}

/// What PKCS #11 stores of a certificate.
#[derive(Debug)]
pub struct Certificate {
    /// The whole.
    pub der: Vec<u8>,
    /// DER of the names.
    pub subject: Vec<u8>,
    pub issuer: Vec<u8>,
}

/// Reads an X.509 certificate, PEM or DER (RFC 5280, section 4.1).
pub fn certificate(content: &[u8]) -> Result<Certificate, String> {
    let der = match content.starts_with(b"-----BEGIN") {
        true => match pem::decode_vec(content) {
            Ok(("CERTIFICATE", der)) => der,
            Ok((label, _)) => return Err(format!("the PEM holds {label:?}; CERTIFICATE is needed")),
            Err(error) => return Err(format!("not one certificate in PEM: {error}")),
        },
        false => content.to_vec(),
    };
    let (subject, issuer) = names(&der).map_err(|error| format!("not an X.509 certificate: {error}"))?;
    Ok(Certificate { subject, issuer, der })
}

/// Subject and issuer, each the DER of a Name.
fn names(der: &[u8]) -> Result<(Vec<u8>, Vec<u8>), p256::pkcs8::der::Error> {
    let whole = AnyRef::from_der(der)?;
    whole.tag().assert_eq(Tag::Sequence)?;
    let mut parts = SliceReader::new(whole.value())?;
    let signed = AnyRef::decode(&mut parts)?;
    signed.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(signed.value())?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    if Tag::peek(&fields)? == version {
        AnyRef::decode(&mut fields)?;
    }
    AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Integer)?;
    AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Sequence)?;
    let issuer = fields.tlv_bytes()?.to_vec();
    AnyRef::from_der(&issuer)?.tag().assert_eq(Tag::Sequence)?;
    AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Sequence)?;
    let subject = fields.tlv_bytes()?.to_vec();
    AnyRef::from_der(&subject)?.tag().assert_eq(Tag::Sequence)?;
    Ok((subject, issuer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_octet_string_is_its_length_and_its_bytes() {
        assert_eq!(octet_string(&[7; 32])[..3], [4, 32, 7]);
    }

    #[test]
    fn leading_zeros_are_no_part_of_a_number() {
        assert_eq!(stripped(vec![0, 0, 1, 0]), [1, 0]);
        assert_eq!(stripped(vec![9]), [9]);
    }

    #[test]
    fn a_file_that_is_no_pem_is_called_that() {
        for bad in [&b"0\x82\0\0"[..], b"\xff", b"some text\n"] {
            assert!(private_key(bad).is_err_and(|why| why.starts_with("not PEM")));
        }
    }

    #[test]
    fn what_is_no_key_and_no_certificate_is_refused() {
        for bad in [&b""[..], b"\xff", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"] {
            assert!(private_key(bad).is_err());
            assert!(certificate(bad).is_err());
        }
    }
}
