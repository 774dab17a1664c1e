//! Attributes, texts and numbers as C has them: `pkcs11t.h` (OASIS PKCS #11 3.1), for a CK_ULONG of 32 bits.

use secure_log_pkcs11::{Attribute, AttributeType, Bytes, CertificateType, KeyType, ObjectClass, Rv, table};
use zeroize::Zeroizing;

/// CK_ULONG of wasm32.
pub type Ulong = u32;

/// Attributes of one template, and types of one question.
pub const MAX_ATTRIBUTES: usize = 64;
/// The longest attribute, in bytes.
pub const MAX_VALUE: usize = 1 << 16;

/// CK_ATTRIBUTE, with its value.
#[derive(Debug)]
pub struct CAttribute {
    /// CK_ATTRIBUTE_TYPE.
    pub number: Ulong,
    /// Key material among them, so wiped.
    pub value: Zeroizing<Vec<u8>>,
}

/// A number of the standard as C has it; those that have a name all fit.
pub fn ulong(number: u64) -> Ulong {
    Ulong::try_from(number).unwrap_or(Ulong::MAX)
}

/// A template as C has it.
///
/// # Errors
/// More attributes, or a longer one, than any template here needs; a number that CK_ULONG does not hold.
pub fn template(attributes: Vec<Attribute>) -> Result<Vec<CAttribute>, Rv> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Rv::CkrArgumentsBad);
    }
    attributes.into_iter().map(encode).collect()
}

/// How values of one type lie in memory.
trait Value: Sized {
    /// None: it does not fit.
    fn to_c(self) -> Option<Vec<u8>>;
    /// None: no value of this type, or one without a name here.
    fn from_c(bytes: Vec<u8>) -> Option<Self>;
}

impl Value for bool {
    fn to_c(self) -> Option<Vec<u8>> {
        Some(vec![u8::from(self)])
    }
    fn from_c(bytes: Vec<u8>) -> Option<bool> {
        <[u8; 1]>::try_from(bytes).ok().map(|[byte]| byte != 0)
    }
}

impl Value for u64 {
    fn to_c(self) -> Option<Vec<u8>> {
        Ulong::try_from(self).ok().map(|number| number.to_ne_bytes().to_vec())
    }
    fn from_c(bytes: Vec<u8>) -> Option<u64> {
        bytes.try_into().ok().map(|bytes| u64::from(Ulong::from_ne_bytes(bytes)))
    }
}

impl Value for Bytes {
    fn to_c(self) -> Option<Vec<u8>> {
        Some(self)
    }
    fn from_c(bytes: Vec<u8>) -> Option<Bytes> {
        Some(bytes)
    }
}

impl Value for String {
    fn to_c(self) -> Option<Vec<u8>> {
        Some(self.into_bytes())
    }
    fn from_c(bytes: Vec<u8>) -> Option<String> {
        String::from_utf8(bytes).ok()
    }
}

macro_rules! codes {
    ($($name:ident)+) => {$(
        impl Value for $name {
            fn to_c(self) -> Option<Vec<u8>> {
                self.number().to_c()
            }
            fn from_c(bytes: Vec<u8>) -> Option<$name> {
                u64::from_c(bytes).and_then($name::from_number)
            }
        }
    )+};
}
codes!(ObjectClass KeyType CertificateType);

macro_rules! attributes {
    ({ $($case:ident($value:ty))+ }) => {
        fn encode(attribute: Attribute) -> Result<CAttribute, Rv> {
            let number = ulong(attribute.attribute_type().number());
            let value = match attribute { $(Attribute::$case(value) => value.to_c(),)+ };
            match value.map(Zeroizing::new) {
                Some(value) if value.len() <= MAX_VALUE => Ok(CAttribute { number, value }),
                _ => Err(Rv::CkrAttributeValueInvalid),
            }
        }

        /// A value that C gave; none for a number without a name here, or bytes that are none of its type.
        pub fn decode(name: AttributeType, value: Vec<u8>) -> Option<Attribute> {
            match name { $(AttributeType::$case => <$value>::from_c(value).map(Attribute::$case),)+ }
        }
    };
}
table!(attribute => [attributes]);

/// A text without the blanks that fill its field; what is no UTF-8 is replaced.
pub fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_end_matches([' ', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn c(attribute: Attribute) -> Vec<u8> {
        template(vec![attribute]).unwrap().remove(0).value.to_vec()
    }

    #[test]
    fn values_lie_in_memory_as_c_has_them_and_come_back() {
        for (attribute, bytes) in [
            (Attribute::CkaClass(ObjectClass::CkoPrivateKey), 3u32.to_ne_bytes().to_vec()),
            (Attribute::CkaKeyType(KeyType::CkkEcEdwards), 0x40u32.to_ne_bytes().to_vec()),
            (Attribute::CkaCertificateType(CertificateType::CkcX509), vec![0; 4]),
            (Attribute::CkaModulusBits(3072), 3072u32.to_ne_bytes().to_vec()),
            (Attribute::CkaToken(true), vec![1]),
            (Attribute::CkaLabel("ü".to_owned()), vec![0xc3, 0xbc]),
            (Attribute::CkaId(vec![0, 1]), vec![0, 1]),
        ] {
            assert_eq!(c(attribute.clone()), bytes);
            assert_eq!(decode(attribute.attribute_type(), bytes), Some(attribute));
        }
        assert_eq!(template(vec![Attribute::CkaId(vec![])]).unwrap()[0].number, 0x102);
    }

    #[test]
    fn bytes_that_are_no_value_of_their_type_are_none() {
        for (name, bytes) in [
            (AttributeType::CkaToken, &b""[..]),
            (AttributeType::CkaToken, b"\0\0"),
            (AttributeType::CkaModulusBits, &[0; 8]),
            (AttributeType::CkaLabel, b"\xff"),
            (AttributeType::CkaClass, &[9; 4]),
        ] {
            assert_eq!(decode(name, bytes.to_vec()), None, "{name} {bytes:?}");
        }
    }

    #[test]
    fn what_c_can_not_hold_is_refused() {
        let refused = |attributes| template(attributes).unwrap_err();
        assert_eq!(refused(vec![Attribute::CkaModulusBits(1 << 32)]), Rv::CkrAttributeValueInvalid);
        assert_eq!(refused(vec![Attribute::CkaId(vec![0; MAX_VALUE + 1])]), Rv::CkrAttributeValueInvalid);
        assert_eq!(refused(vec![Attribute::CkaToken(true); MAX_ATTRIBUTES + 1]), Rv::CkrArgumentsBad);
    }
}
