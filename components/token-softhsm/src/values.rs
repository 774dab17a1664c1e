//! Attributes and texts: as the interface has them, and as C does.

use zeroize::Zeroizing;

use crate::ffi;
use crate::numbers::{self, Ulong};
use crate::wit::exports::keys::pkcs11::cryptoki::{Attribute, AttributeType, Rv, Version};

/// Attributes of one template, and types of one question.
pub const MAX_ATTRIBUTES: usize = 64;

/// A template as C has it.
///
/// # Errors
/// More attributes, or a longer one, than any template here needs.
pub fn template(attributes: Vec<Attribute>) -> Result<Vec<ffi::Attribute>, Rv> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Rv::CkrArgumentsBad);
    }
    attributes.into_iter().map(encode).collect()
}

fn encode(attribute: Attribute) -> Result<ffi::Attribute, Rv> {
    use Attribute as A;
    use AttributeType as T;
    let (name, value) = match attribute {
        A::CkaClass(class) => (T::CkaClass, number(numbers::class(class))),
        A::CkaToken(yes) => (T::CkaToken, vec![u8::from(yes)]),
        A::CkaPrivate(yes) => (T::CkaPrivate, vec![u8::from(yes)]),
        A::CkaLabel(text) => (T::CkaLabel, text.into_bytes()),
        A::CkaId(bytes) => (T::CkaId, bytes),
        A::CkaValue(bytes) => (T::CkaValue, bytes),
        A::CkaCertificateType(kind) => (T::CkaCertificateType, number(numbers::certificate_type(kind))),
        A::CkaSubject(bytes) => (T::CkaSubject, bytes),
        A::CkaIssuer(bytes) => (T::CkaIssuer, bytes),
        A::CkaKeyType(kind) => (T::CkaKeyType, number(numbers::key_type(kind))),
        A::CkaSensitive(yes) => (T::CkaSensitive, vec![u8::from(yes)]),
        A::CkaSign(yes) => (T::CkaSign, vec![u8::from(yes)]),
        A::CkaVerify(yes) => (T::CkaVerify, vec![u8::from(yes)]),
        A::CkaModulus(bytes) => (T::CkaModulus, bytes),
        A::CkaModulusBits(bits) => {
            (T::CkaModulusBits, number(Ulong::try_from(bits).map_err(|_| Rv::CkrAttributeValueInvalid)?))
        }
        A::CkaPublicExponent(bytes) => (T::CkaPublicExponent, bytes),
        A::CkaPrivateExponent(bytes) => (T::CkaPrivateExponent, bytes),
        A::CkaPrime1(bytes) => (T::CkaPrime1, bytes),
        A::CkaPrime2(bytes) => (T::CkaPrime2, bytes),
        A::CkaExponent1(bytes) => (T::CkaExponent1, bytes),
        A::CkaExponent2(bytes) => (T::CkaExponent2, bytes),
        A::CkaCoefficient(bytes) => (T::CkaCoefficient, bytes),
        A::CkaPublicKeyInfo(bytes) => (T::CkaPublicKeyInfo, bytes),
        A::CkaExtractable(yes) => (T::CkaExtractable, vec![u8::from(yes)]),
        A::CkaLocal(yes) => (T::CkaLocal, vec![u8::from(yes)]),
        A::CkaNeverExtractable(yes) => (T::CkaNeverExtractable, vec![u8::from(yes)]),
        A::CkaAlwaysSensitive(yes) => (T::CkaAlwaysSensitive, vec![u8::from(yes)]),
        A::CkaModifiable(yes) => (T::CkaModifiable, vec![u8::from(yes)]),
        A::CkaEcParams(bytes) => (T::CkaEcParams, bytes),
        A::CkaEcPoint(bytes) => (T::CkaEcPoint, bytes),
        A::CkaAlwaysAuthenticate(yes) => (T::CkaAlwaysAuthenticate, vec![u8::from(yes)]),
    };
    let value = Zeroizing::new(value);
    match value.len() <= ffi::MAX_VALUE {
        true => Ok(ffi::Attribute { number: numbers::attribute(name), value }),
        false => Err(Rv::CkrAttributeValueInvalid),
    }
}

fn number(value: Ulong) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// A value that C gave; none for a number without a name here, or bytes that are none of its type.
pub fn decode(name: AttributeType, value: Vec<u8>) -> Option<Attribute> {
    use Attribute as A;
    use AttributeType as T;
    let yes = match value.as_slice() {
        [byte] => Some(*byte != 0),
        _ => None,
    };
    let number = <[u8; 4]>::try_from(value.as_slice()).ok().map(Ulong::from_ne_bytes);
    Some(match name {
        T::CkaClass => A::CkaClass(numbers::class_named(number?)?),
        T::CkaToken => A::CkaToken(yes?),
        T::CkaPrivate => A::CkaPrivate(yes?),
        T::CkaLabel => A::CkaLabel(String::from_utf8(value).ok()?),
        T::CkaId => A::CkaId(value),
        T::CkaValue => A::CkaValue(value),
        T::CkaCertificateType => A::CkaCertificateType(numbers::certificate_type_named(number?)?),
        T::CkaSubject => A::CkaSubject(value),
        T::CkaIssuer => A::CkaIssuer(value),
        T::CkaKeyType => A::CkaKeyType(numbers::key_type_named(number?)?),
        T::CkaSensitive => A::CkaSensitive(yes?),
        T::CkaSign => A::CkaSign(yes?),
        T::CkaVerify => A::CkaVerify(yes?),
        T::CkaModulus => A::CkaModulus(value),
        T::CkaModulusBits => A::CkaModulusBits(u64::from(number?)),
        T::CkaPublicExponent => A::CkaPublicExponent(value),
        T::CkaPrivateExponent => A::CkaPrivateExponent(value),
        T::CkaPrime1 => A::CkaPrime1(value),
        T::CkaPrime2 => A::CkaPrime2(value),
        T::CkaExponent1 => A::CkaExponent1(value),
        T::CkaExponent2 => A::CkaExponent2(value),
        T::CkaCoefficient => A::CkaCoefficient(value),
        T::CkaPublicKeyInfo => A::CkaPublicKeyInfo(value),
        T::CkaExtractable => A::CkaExtractable(yes?),
        T::CkaLocal => A::CkaLocal(yes?),
        T::CkaNeverExtractable => A::CkaNeverExtractable(yes?),
        T::CkaAlwaysSensitive => A::CkaAlwaysSensitive(yes?),
        T::CkaModifiable => A::CkaModifiable(yes?),
        T::CkaEcParams => A::CkaEcParams(value),
        T::CkaEcPoint => A::CkaEcPoint(value),
        T::CkaAlwaysAuthenticate => A::CkaAlwaysAuthenticate(yes?),
    })
}

/// A text without the blanks that fill its field; what is no UTF-8 is replaced.
pub fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_end_matches([' ', '\0']).to_owned()
}

/// CK_VERSION.
pub fn version(version: ffi::Version) -> Version {
    Version { major: version.major, minor: version.minor }
}
