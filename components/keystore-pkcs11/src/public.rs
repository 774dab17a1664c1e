//! The public key of a private key in a token, from where tokens keep it.

use p256::pkcs8::EncodePublicKey as _;
use rsa::pkcs1;
use secure_log::signer::{Algorithm, PublicKey, SignerError};
use secure_log::types::hex;
use secure_log_pkcs11::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle, Session, curve};
use x509_cert::Certificate;
use x509_cert::der::asn1::{BitStringRef, OctetStringRef, UintRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::config::PUBLIC_KEY_PEM;
use crate::connection::{Failure, Live, at};
use crate::key::{Found, read as attributes};

/// Objects of one CKA_ID that are looked at: a key has few.
const MAX_OBJECTS: u32 = 16;

/// CKA_EC_PARAMS of P-256: its object identifier, or its name.
const P256: [&[u8]; 2] = [curve::P256, b"\x13\x09secp256r1"];
/// CKA_EC_PARAMS of Ed25519: its object identifier, the names of PKCS #11 3.1 section 6.3.5 and of older tokens, and
/// the object identifier that was in use before.
const ED25519: [&[u8]; 4] =
    [curve::ED25519, b"\x13\x0cedwards25519", b"\x13\x07Ed25519", b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"];

/// What the private key says of itself.
pub(crate) struct Form {
    algorithm: Algorithm,
}

impl Form {
    /// Key type and curve of a private key.
    pub(crate) fn of(session: &impl Session, object: ObjectHandle) -> Result<Form, Failure> {
        let types = [AttributeType::CkaKeyType, AttributeType::CkaEcParams];
        let values = session.get_attribute_value(object, &types).map_err(at("C_GetAttributeValue"))?;
        let parameters = values.iter().flatten().find_map(|value| match value {
            Attribute::CkaEcParams(parameters) => Some(parameters.as_slice()),
            _ => None,
        });
        let known = |curves: &[&[u8]]| parameters.is_none_or(|parameters| curves.contains(&parameters));
        let curve =
            |what: &str| format!("its curve is not {what}: CKA_EC_PARAMS {}", hex(parameters.unwrap_or_default()));
        let algorithm = match values.first() {
            Some(Some(Attribute::CkaKeyType(KeyType::CkkRsa))) => Ok(Algorithm::RsaPssSha256),
            Some(Some(Attribute::CkaKeyType(KeyType::CkkEc))) if known(&P256) => Ok(Algorithm::EcdsaP256),
            Some(Some(Attribute::CkaKeyType(KeyType::CkkEcEdwards))) if known(&ED25519) => Ok(Algorithm::Ed25519),
            Some(Some(Attribute::CkaKeyType(KeyType::CkkEc))) => Err(curve("P-256")),
            Some(Some(Attribute::CkaKeyType(KeyType::CkkEcEdwards))) => Err(curve("Ed25519")),
            _ => Err("its CKA_KEY_TYPE is none of CKK_RSA, CKK_EC, CKK_EC_EDWARDS".to_owned()),
        };
        match algorithm {
            Ok(algorithm) => Ok(Form { algorithm }),
            Err(why) => Err(SignerError::UnsupportedAlgorithm(why).into()),
        }
    }
}

/// Reads the public key from the first of the places in `lib` that has one, and compares it with the pinned one.
pub(crate) fn read<S: Session>(live: &Live<'_, S>, key: &Found, form: Form) -> Result<PublicKey, Failure> {
    let pinned = live.config.public_key.as_ref();
    let told = match from_public_key(live, key, &form, pinned)? {
        Some(told) => Some(told),
        None => match from_private_key(live, key.object, &form)? {
            Some(told) => Some(told),
            None => from_certificate(live, key, pinned)?,
        },
    };
    let public = match (told, pinned) {
        (Some(told), Some(pinned)) if told != *pinned => return Err(not_pinned(&[told], pinned)),
        (Some(told), _) => told,
        (None, Some(pinned)) => pinned.clone(),
        (None, None) => {
            let why = format!(
                "the token tells no public key: neither a public-key object nor a certificate has its CKA_ID; \
                 {PUBLIC_KEY_PEM} can"
            );
            return Err(SignerError::Backend(why).into());
        }
    };
    match public.algorithm() == form.algorithm {
        true => Ok(public),
        false => {
            let (of, is) = (public.algorithm().as_str(), form.algorithm.as_str());
            let why = format!("the public key is for {of}, the private key for {is}");
            Err(SignerError::UnsupportedAlgorithm(why).into())
        }
    }
}

fn refuse(error: impl std::fmt::Display) -> Failure {
    SignerError::UnsupportedAlgorithm(error.to_string()).into()
}

fn not_pinned(told: &[PublicKey], pinned: &PublicKey) -> Failure {
    SignerError::Backend(format!("it is not the pinned one: {told:?} in the token, {pinned:?} pinned")).into()
}

/// Where several objects have the CKA_ID and differ, the pinned one is meant; the probe shows whether it is right.
fn from_public_key<S: Session>(
    live: &Live<'_, S>,
    key: &Found,
    form: &Form,
    pinned: Option<&PublicKey>,
) -> Result<Option<PublicKey>, Failure> {
    let mut all: Vec<PublicKey> = Vec::new();
    for object in with_id(live, ObjectClass::CkoPublicKey, &key.id)? {
        let public = match form.algorithm {
            Algorithm::RsaPssSha256 => rsa(live, object)?,
            Algorithm::EcdsaP256 | Algorithm::Ed25519 => match attributes(live, object, [AttributeType::CkaEcPoint])? {
                [Some(Attribute::CkaEcPoint(point))] => Some(of_point(form.algorithm, &point)?),
                _ => None,
            },
        };
        all.extend(public.filter(|public| !all.contains(public)));
    }
    match (all.as_slice(), pinned) {
        ([], _) => Ok(None),
        (all, Some(pinned)) if all.contains(pinned) => Ok(Some(pinned.clone())),
        ([one], _) => Ok(Some(one.clone())),
        (all, Some(pinned)) => Err(not_pinned(all, pinned)),
        (all, None) => {
            let why = format!(
                "{} public-key objects have its CKA_ID, and their keys differ: {PUBLIC_KEY_PEM} says which is its own",
                all.len()
            );
            Err(SignerError::Backend(why).into())
        }
    }
}

fn from_private_key<S: Session>(
    live: &Live<'_, S>,
    object: ObjectHandle,
    form: &Form,
) -> Result<Option<PublicKey>, Failure> {
    match attributes(live, object, [AttributeType::CkaPublicKeyInfo])? {
        [Some(Attribute::CkaPublicKeyInfo(spki))] if !spki.is_empty() => {
            PublicKey::from_spki_der(&spki).map(Some).map_err(refuse)
        }
        _ if form.algorithm == Algorithm::RsaPssSha256 => rsa(live, object),
        _ => Ok(None),
    }
}

/// Of several certificates with the CKA_ID that of the pinned key, else the first: the probe shows whether it is right.
fn from_certificate<S: Session>(
    live: &Live<'_, S>,
    key: &Found,
    pinned: Option<&PublicKey>,
) -> Result<Option<PublicKey>, Failure> {
    let mut first = None;
    for object in with_id(live, ObjectClass::CkoCertificate, &key.id)? {
        if let [Some(Attribute::CkaValue(der))] = attributes(live, object, [AttributeType::CkaValue])?
            && let Some(public) = of_certificate(&der)
        {
            if pinned == Some(&public) {
                return Ok(Some(public));
            }
            first = first.or(Some(public));
        }
    }
    Ok(first)
}

/// The key that a certificate is of, if it is one of the three algorithms.
pub(crate) fn of_certificate(der: &[u8]) -> Option<PublicKey> {
    let certificate = Certificate::from_der(der).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    PublicKey::from_spki_der(&spki).ok()
}

/// Objects with this CKA_ID; none has an empty one.
fn with_id<S: Session>(live: &Live<'_, S>, class: ObjectClass, id: &[u8]) -> Result<Vec<ObjectHandle>, Failure> {
    if id.is_empty() {
        return Ok(Vec::new());
    }
    let template = [Attribute::CkaClass(class), Attribute::CkaId(id.to_vec())];
    live.session.find_objects(&template, MAX_OBJECTS).map_err(at("C_FindObjects"))
}

/// From CKA_MODULUS and CKA_PUBLIC_EXPONENT, which a private key has too.
fn rsa<S: Session>(live: &Live<'_, S>, object: ObjectHandle) -> Result<Option<PublicKey>, Failure> {
    let types = [AttributeType::CkaModulus, AttributeType::CkaPublicExponent];
    match attributes(live, object, types)? {
        [Some(Attribute::CkaModulus(modulus)), Some(Attribute::CkaPublicExponent(exponent))]
            if !modulus.is_empty() && !exponent.is_empty() =>
        {
            of_modulus(&modulus, &exponent).map(Some)
        }
        _ => Ok(None),
    }
}

fn of_modulus(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, Failure> {
    let spki = || {
        let key = pkcs1::RsaPublicKey { modulus: UintRef::new(modulus)?, public_exponent: UintRef::new(exponent)? };
        let key = key.to_der()?;
        let subject_public_key = BitStringRef::from_bytes(&key)?;
        SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key }.to_der()
    };
    PublicKey::parse(Algorithm::RsaPssSha256, &spki().map_err(refuse)?).map_err(refuse)
}

/// From CKA_EC_POINT: DER of an octet string, as the standard says, or the bare point, as some tokens answer.
fn of_point(algorithm: Algorithm, value: &[u8]) -> Result<PublicKey, Failure> {
    let wrapped = <&OctetStringRef>::from_der(value).map(|string| string.as_bytes()).ok();
    let bare = if algorithm == Algorithm::Ed25519 { value.len() == 32 } else { value.len() == 65 };
    let point = match wrapped {
        Some(point) if !bare => point,
        _ => value,
    };
    match algorithm {
        Algorithm::Ed25519 => PublicKey::parse(algorithm, point).map_err(refuse),
        _ => {
            let key = p256::PublicKey::from_sec1_bytes(point);
            let key = key.map_err(|_| refuse(format!("CKA_EC_POINT {} is no point of P-256", hex(value))))?;
            let spki = key.to_public_key_der().map_err(refuse)?;
            PublicKey::parse(algorithm, spki.as_bytes()).map_err(refuse)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secure_log::types::unhex;

    /// RFC 8032 section 7.1, test 1.
    const ED: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// The base point of P-256 (SEC 2 section 2.4.2).
    const POINT: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a\
                         7c0f9e162bce33576b315ececbb6406837bf51f5";

    fn point(algorithm: Algorithm, hex: &str) -> Option<PublicKey> {
        of_point(algorithm, &unhex(&hex.replace(' ', "")).unwrap()).ok()
    }

    #[test]
    fn a_point_is_read_bare_and_wrapped_and_as_nothing_else() {
        let bare = point(Algorithm::Ed25519, ED);
        assert!(bare.is_some());
        assert_eq!(point(Algorithm::Ed25519, &format!("0420{ED}")), bare);
        for other in [format!("0320{ED}"), format!("0421{ED}00"), ED[2..].to_owned(), format!("{ED}00")] {
            assert_eq!(point(Algorithm::Ed25519, &other), None, "{other}");
        }
        let bare = point(Algorithm::EcdsaP256, POINT);
        assert!(bare.is_some());
        assert_eq!(point(Algorithm::EcdsaP256, &format!("0441{POINT}")), bare);
        assert_eq!(point(Algorithm::EcdsaP256, &format!("0441{}00", &POINT[..POINT.len() - 2])), None);
    }

    #[test]
    fn a_modulus_has_one_encoding_and_is_long_enough() {
        let key = |bytes: usize, zeros: usize| {
            let modulus = [vec![0; zeros], vec![0xff; bytes]].concat();
            of_modulus(&modulus, &[0, 1, 0, 1]).ok()
        };
        assert!(key(384, 0).is_some());
        assert_eq!(key(384, 0), key(384, 1), "leading zeros mean nothing");
        assert_eq!(key(256, 0), None);
    }
}
