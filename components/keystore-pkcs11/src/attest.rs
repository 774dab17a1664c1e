//! What the token can show about a key: certificates, its own description, attributes of the private key.

use std::time::SystemTime;

use secure_log::record::{Attestation, Evidence, KeyAttributes, MAX_CERTIFICATES, issued_by};
use secure_log::signer::SignerError;
use secure_log_pkcs11::{Attribute, AttributeType, Cryptoki, ObjectClass, Session, TokenInfo};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::connection::{Failure, Live, at};
use crate::key::{Found, Pkcs11Key, read};
use crate::public::of_certificate;

/// Certificates of a token that are looked at: a YubiKey with every slot in use has 50.
const MAX_OBJECTS: u32 = 256;
/// Longest certificate looked at, in bytes: an attestation has room for no longer one.
const MAX_CERTIFICATE: usize = 24 * 1024;

/// A certificate in the token.
struct Held {
    der: Vec<u8>,
    certificate: Certificate,
    id: Vec<u8>,
    /// CKA_TOKEN: it is stored. An attestation certificate of a YubiKey is not, it is made when it is read.
    stored: bool,
}

/// Reads it now.
pub(crate) fn attest<T: Cryptoki>(key: &Pkcs11Key<T>) -> Result<Attestation, SignerError> {
    let evidence = key.run(|live, found| {
        let certificates =
            chain(certificates(live)?, found, |held| of_certificate(&held.der).as_ref() == Some(key.public()));
        Ok(Evidence {
            certificates,
            token_info: token_info(live.info),
            key_attributes: key_attributes(live, found)?,
            retrieved_at: now()?,
        })
    })?;
    Attestation::new(&evidence).map_err(|error| SignerError::Backend(error.0))
}

fn now() -> Result<u64, SignerError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
    let micros = since.and_then(|since| u64::try_from(since.as_micros()).ok());
    micros.ok_or_else(|| SignerError::Backend("the clock is before 1970".into()))
}

/// All X.509 certificates of the token that can be read.
fn certificates<S: Session>(live: &Live<'_, S>) -> Result<Vec<Held>, Failure> {
    let template = [Attribute::CkaClass(ObjectClass::CkoCertificate)];
    let mut all = Vec::new();
    for object in live.session.find_objects(&template, MAX_OBJECTS).map_err(at("C_FindObjects"))? {
        let types = [AttributeType::CkaValue, AttributeType::CkaId, AttributeType::CkaToken];
        let [Some(Attribute::CkaValue(der)), id, stored] = read(live, object, types)? else { continue };
        if der.len() > MAX_CERTIFICATE {
            continue;
        }
        let Ok(certificate) = Certificate::from_der(&der) else { continue };
        let id = if let Some(Attribute::CkaId(id)) = id { id } else { Vec::new() };
        all.push(Held { der, certificate, id, stored: stored != Some(Attribute::CkaToken(false)) });
    }
    Ok(all)
}

/// The certificate of the key (one that the token makes before one that is stored, one whose issuer is held before one
/// whose is not), then issuer after issuer, as far as the token holds them: by name, and of several of one name the one
/// that signed.
fn chain(mut all: Vec<Held>, key: &Found, is_of_key: impl Fn(&Held) -> bool) -> Vec<Vec<u8>> {
    let named_by = |held: &Held, other: &Held| {
        held.certificate.tbs_certificate().issuer() == other.certificate.tbs_certificate().subject()
    };
    let first = (0..all.len())
        .filter(|at| !key.id.is_empty() && all[*at].id == key.id && is_of_key(&all[*at]))
        .min_by_key(|at| {
            let issuer_held = (0..all.len()).any(|other| other != *at && named_by(&all[*at], &all[other]));
            (all[*at].stored, !issuer_held)
        });
    let mut chain: Vec<Held> = first.map(|at| all.remove(at)).into_iter().collect();
    while let Some(last) = chain.last().filter(|last| chain.len() < MAX_CERTIFICATES && !named_by(last, last)) {
        let named = |held: &Held| named_by(last, held);
        let signed = |held: &Held| named(held) && issued_by(&last.der, &held.der) != Some(false);
        match all.iter().position(signed).or_else(|| all.iter().position(named)) {
            Some(at) => chain.push(all.remove(at)),
            None => break,
        }
    }
    chain.into_iter().map(|held| held.der).collect()
}

fn key_attributes<S: Session>(live: &Live<'_, S>, key: &Found) -> Result<KeyAttributes, Failure> {
    let types = [
        AttributeType::CkaSensitive,
        AttributeType::CkaExtractable,
        AttributeType::CkaNeverExtractable,
        AttributeType::CkaLocal,
    ];
    let [sensitive, extractable, never_extractable, local] = read(live, key.object, types)?.map(|value| match value {
        Some(
            Attribute::CkaSensitive(it)
            | Attribute::CkaExtractable(it)
            | Attribute::CkaNeverExtractable(it)
            | Attribute::CkaLocal(it),
        ) => Some(it),
        _ => None,
    });
    Ok(KeyAttributes { sensitive, extractable, never_extractable, local })
}

/// One line for people: maker, model, serial number, label, versions. At most 32 + 16 + 16 + 32 characters of the
/// token, at most four bytes each in UTF-8, and our words: less than 512 bytes.
fn token_info(info: &TokenInfo) -> String {
    let text = |text: &str, most: usize| -> String {
        text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    };
    format!(
        "{} {}, serial {}, label {}, hardware {}, firmware {}",
        text(&info.manufacturer_id, 32),
        text(&info.model, 16),
        text(&info.serial_number, 16),
        text(&info.label, 32),
        info.hardware_version,
        info.firmware_version
    )
}
