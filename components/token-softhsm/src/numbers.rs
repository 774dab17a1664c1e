//! What the names of `wit/pkcs11.wit` are in C: the numbers of `pkcs11t.h` (OASIS PKCS #11 3.1), each table once and for
//! both directions.

use crate::wit::exports::keys::pkcs11::cryptoki::{
    AttributeType, CertificateType, KeyType, ObjectClass, Rv, SlotFlags, TokenFlags, UserType,
};
use crate::wit::exports::keys::pkcs11::provisioning::KeyPairMechanism;

/// CK_ULONG of this target.
pub type Ulong = u32;

/// `CKR_OK`.
pub const OK: Ulong = 0;
/// `CKR_HOST_MEMORY`.
pub const HOST_MEMORY: Ulong = 0x02;
/// `CKR_ATTRIBUTE_SENSITIVE`.
pub const ATTRIBUTE_SENSITIVE: Ulong = 0x11;
/// `CKR_ATTRIBUTE_TYPE_INVALID`.
pub const ATTRIBUTE_TYPE_INVALID: Ulong = 0x12;
/// `CKF_RW_SESSION`.
pub const RW_SESSION: Ulong = 0x02;
/// `CKF_SERIAL_SESSION`.
pub const SERIAL_SESSION: Ulong = 0x04;
/// `CKF_TOKEN_INITIALIZED`.
pub const TOKEN_INITIALIZED: Ulong = 0x400;
/// `CK_UNAVAILABLE_INFORMATION`.
pub const UNAVAILABLE: Ulong = Ulong::MAX;
/// `CKM_SHA256`.
pub const SHA256: Ulong = 0x250;
/// `CKG_MGF1_SHA256`.
pub const MGF1_SHA256: Ulong = 2;
/// `CKM_RSA_PKCS_PSS`.
pub const RSA_PKCS_PSS: Ulong = 0x0d;
/// `CKM_SHA256_RSA_PKCS_PSS`.
pub const SHA256_RSA_PKCS_PSS: Ulong = 0x43;
/// `CKM_ECDSA`.
pub const ECDSA: Ulong = 0x1041;
/// `CKM_EDDSA`.
pub const EDDSA: Ulong = 0x1057;

/// A named value and its number.
macro_rules! table {
    ($(#[$doc:meta])* $type:ident, $number:ident, $named:ident: $($name:ident = $value:literal),* $(,)?) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $number(name: $type) -> Ulong {
            match name {
                $($type::$name => $value,)*
            }
        }

        /// The name of a number, if it has one here.
        #[must_use]
        pub const fn $named(number: Ulong) -> Option<$type> {
            match number {
                $($value => Some($type::$name),)*
                _ => None,
            }
        }
    };
}

table! {
    /// CKA_.
    AttributeType, attribute, attribute_named:
    CkaClass = 0x00, CkaToken = 0x01, CkaPrivate = 0x02, CkaLabel = 0x03, CkaId = 0x102, CkaValue = 0x11,
    CkaCertificateType = 0x80, CkaSubject = 0x101, CkaIssuer = 0x81, CkaKeyType = 0x100, CkaSensitive = 0x103,
    CkaSign = 0x108, CkaVerify = 0x10a, CkaModulus = 0x120, CkaModulusBits = 0x121, CkaPublicExponent = 0x122,
    CkaPrivateExponent = 0x123, CkaPrime1 = 0x124, CkaPrime2 = 0x125, CkaExponent1 = 0x126, CkaExponent2 = 0x127,
    CkaCoefficient = 0x128, CkaPublicKeyInfo = 0x129, CkaExtractable = 0x162, CkaLocal = 0x163,
    CkaNeverExtractable = 0x164, CkaAlwaysSensitive = 0x165, CkaModifiable = 0x170, CkaEcParams = 0x180,
    CkaEcPoint = 0x181, CkaAlwaysAuthenticate = 0x202,
}
table! {
    /// CKO_.
    ObjectClass, class, class_named: CkoCertificate = 1, CkoPublicKey = 2, CkoPrivateKey = 3,
}
table! {
    /// CKK_.
    KeyType, key_type, key_type_named: CkkRsa = 0, CkkEc = 3, CkkEcEdwards = 0x40,
}
table! {
    /// CKC_.
    CertificateType, certificate_type, certificate_type_named: CkcX509 = 0,
}
table! {
    /// CKU_.
    UserType, user, user_named: CkuSo = 0, CkuUser = 1, CkuContextSpecific = 2,
}
table! {
    /// CKM_, for key pairs.
    KeyPairMechanism, key_pair, key_pair_named:
    CkmEcEdwardsKeyPairGen = 0x1055, CkmEcKeyPairGen = 0x1040, CkmRsaPkcsKeyPairGen = 0x00,
}

/// The name of a CKR_ that is not `CKR_OK`.
#[must_use]
pub fn rv(number: Ulong) -> Rv {
    match number {
        0x001 => Rv::CkrCancel,
        0x002 => Rv::CkrHostMemory,
        0x003 => Rv::CkrSlotIdInvalid,
        0x005 => Rv::CkrGeneralError,
        0x006 => Rv::CkrFunctionFailed,
        0x007 => Rv::CkrArgumentsBad,
        0x008 => Rv::CkrNoEvent,
        0x009 => Rv::CkrNeedToCreateThreads,
        0x00a => Rv::CkrCantLock,
        0x010 => Rv::CkrAttributeReadOnly,
        0x011 => Rv::CkrAttributeSensitive,
        0x012 => Rv::CkrAttributeTypeInvalid,
        0x013 => Rv::CkrAttributeValueInvalid,
        0x01b => Rv::CkrActionProhibited,
        0x020 => Rv::CkrDataInvalid,
        0x021 => Rv::CkrDataLenRange,
        0x030 => Rv::CkrDeviceError,
        0x031 => Rv::CkrDeviceMemory,
        0x032 => Rv::CkrDeviceRemoved,
        0x050 => Rv::CkrFunctionCanceled,
        0x054 => Rv::CkrFunctionNotSupported,
        0x060 => Rv::CkrKeyHandleInvalid,
        0x062 => Rv::CkrKeySizeRange,
        0x063 => Rv::CkrKeyTypeInconsistent,
        0x068 => Rv::CkrKeyFunctionNotPermitted,
        0x070 => Rv::CkrMechanismInvalid,
        0x071 => Rv::CkrMechanismParamInvalid,
        0x082 => Rv::CkrObjectHandleInvalid,
        0x090 => Rv::CkrOperationActive,
        0x091 => Rv::CkrOperationNotInitialized,
        0x0a0 => Rv::CkrPinIncorrect,
        0x0a1 => Rv::CkrPinInvalid,
        0x0a2 => Rv::CkrPinLenRange,
        0x0a3 => Rv::CkrPinExpired,
        0x0a4 => Rv::CkrPinLocked,
        0x0b0 => Rv::CkrSessionClosed,
        0x0b1 => Rv::CkrSessionCount,
        0x0b3 => Rv::CkrSessionHandleInvalid,
        0x0b4 => Rv::CkrSessionParallelNotSupported,
        0x0b5 => Rv::CkrSessionReadOnly,
        0x0b6 => Rv::CkrSessionExists,
        0x0b7 => Rv::CkrSessionReadOnlyExists,
        0x0b8 => Rv::CkrSessionReadWriteSoExists,
        0x0d0 => Rv::CkrTemplateIncomplete,
        0x0d1 => Rv::CkrTemplateInconsistent,
        0x0e0 => Rv::CkrTokenNotPresent,
        0x0e1 => Rv::CkrTokenNotRecognized,
        0x0e2 => Rv::CkrTokenWriteProtected,
        0x100 => Rv::CkrUserAlreadyLoggedIn,
        0x101 => Rv::CkrUserNotLoggedIn,
        0x102 => Rv::CkrUserPinNotInitialized,
        0x103 => Rv::CkrUserTypeInvalid,
        0x104 => Rv::CkrUserAnotherAlreadyLoggedIn,
        0x105 => Rv::CkrUserTooManyTypes,
        0x121 => Rv::CkrRandomNoRng,
        0x130 => Rv::CkrDomainParamsInvalid,
        0x140 => Rv::CkrCurveNotSupported,
        0x150 => Rv::CkrBufferTooSmall,
        0x190 => Rv::CkrCryptokiNotInitialized,
        0x191 => Rv::CkrCryptokiAlreadyInitialized,
        0x200 => Rv::CkrFunctionRejected,
        0x201 => Rv::CkrTokenResourceExceeded,
        0x202 => Rv::CkrOperationCancelFailed,
        0x203 => Rv::CkrKeyExhausted,
        0x8000_0000 => Rv::CkrVendorDefined,
        other => Rv::Other(u64::from(other)),
    }
}

/// CKF_ of a slot.
#[must_use]
pub fn slot_flags(bits: Ulong) -> SlotFlags {
    named(
        bits,
        [(0x1, SlotFlags::CKF_TOKEN_PRESENT), (0x2, SlotFlags::CKF_REMOVABLE_DEVICE), (0x4, SlotFlags::CKF_HW_SLOT)],
    )
}

/// CKF_ of a token.
#[must_use]
pub fn token_flags(bits: Ulong) -> TokenFlags {
    named(
        bits,
        [
            (0x0000_0001, TokenFlags::CKF_RNG),
            (0x0000_0002, TokenFlags::CKF_WRITE_PROTECTED),
            (0x0000_0004, TokenFlags::CKF_LOGIN_REQUIRED),
            (0x0000_0008, TokenFlags::CKF_USER_PIN_INITIALIZED),
            (0x0000_0100, TokenFlags::CKF_PROTECTED_AUTHENTICATION_PATH),
            (0x0000_0400, TokenFlags::CKF_TOKEN_INITIALIZED),
            (0x0001_0000, TokenFlags::CKF_USER_PIN_COUNT_LOW),
            (0x0002_0000, TokenFlags::CKF_USER_PIN_FINAL_TRY),
            (0x0004_0000, TokenFlags::CKF_USER_PIN_LOCKED),
            (0x0008_0000, TokenFlags::CKF_USER_PIN_TO_BE_CHANGED),
            (0x0010_0000, TokenFlags::CKF_SO_PIN_COUNT_LOW),
            (0x0020_0000, TokenFlags::CKF_SO_PIN_FINAL_TRY),
            (0x0040_0000, TokenFlags::CKF_SO_PIN_LOCKED),
            (0x0080_0000, TokenFlags::CKF_SO_PIN_TO_BE_CHANGED),
            (0x0100_0000, TokenFlags::CKF_ERROR_STATE),
        ],
    )
}

/// The flags whose bits are set.
fn named<F: FromIterator<F>, const N: usize>(bits: Ulong, table: [(Ulong, F); N]) -> F {
    table.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_to_each_other() {
        for number in 0..0x1100 {
            assert!(attribute_named(number).is_none_or(|name| attribute(name) == number));
            assert!(key_type_named(number).is_none_or(|name| key_type(name) == number));
            assert!(class_named(number).is_none_or(|name| class(name) == number));
            assert!(key_pair_named(number).is_none_or(|name| key_pair(name) == number));
        }
        assert_eq!((0..0x1100).filter(|number| attribute_named(*number).is_some()).count(), 31);
    }

    #[test]
    fn a_code_without_a_name_keeps_its_number() {
        assert!(matches!(rv(0x0a0), Rv::CkrPinIncorrect));
        assert!(matches!(rv(0x7777), Rv::Other(0x7777)));
    }

    #[test]
    fn flags_are_read_by_their_bits() {
        assert_eq!(slot_flags(0x5), SlotFlags::CKF_TOKEN_PRESENT | SlotFlags::CKF_HW_SLOT);
        assert_eq!(token_flags(0x4_0000), TokenFlags::CKF_USER_PIN_LOCKED);
        assert_eq!(token_flags(0), TokenFlags::empty());
    }
}
