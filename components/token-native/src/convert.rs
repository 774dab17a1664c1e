//! Values of the seam and those of the `cryptoki` crate.

use cryptoki::error::{Error, Rv as NativeRv, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism as NativeMechanism, MechanismType, eddsa};
use cryptoki::object as native;
use cryptoki::types::Version as NativeVersion;
use secure_log_pkcs11::{
    Attribute, AttributeType, CertificateType, Hash, Info, KeyType, Mechanism, ObjectClass, RsaPkcsPssParams, Rv,
    SlotFlags, SlotInfo, TokenFlags, TokenInfo, UserType, Version,
};

/// Codes that the crate names and the seam does not: encryption, wrapping, digests, one-time passwords.
const UNNAMED: [u64; 32] = [
    0x40, 0x41, 0x51, 0x64, 0x65, 0x66, 0x67, 0x69, 0x6a, 0xc0, 0xc1, 0xf0, 0xf1, 0xf2, 0x110, 0x112, 0x113, 0x114,
    0x115, 0x120, 0x160, 0x170, 0x180, 0x1a0, 0x1a1, 0x1b0, 0x1b1, 0x1b5, 0x1b6, 0x1b7, 0x1b8, 0x1b9,
];

/// The code that a function answered; what went wrong before or after it is CKR_GENERAL_ERROR.
pub fn rv(error: Error) -> Rv {
    match error {
        Error::Pkcs11(RvError::UnknownErrorCode(number) | RvError::VendorDefined(number), _) => {
            Rv::from_number(u64::from(number))
        }
        Error::Pkcs11(error, _) => numbered(error),
        Error::NullFunctionPointer | Error::NotSupported => Rv::CkrFunctionNotSupported,
        _ => Rv::CkrGeneralError,
    }
}

/// The crate drops the number: the one that it would have made this error of.
fn numbered(error: RvError) -> Rv {
    let known = Rv::NAMED.iter().map(|rv| rv.number()).chain(UNNAMED);
    let made = |number: &u64| {
        number.to_owned().try_into().is_ok_and(|number: cryptoki_sys::CK_RV| match NativeRv::from(number) {
            NativeRv::Error(made) => made == error,
            NativeRv::Ok => false,
        })
    };
    known.into_iter().find(made).map_or(Rv::CkrGeneralError, Rv::from_number)
}

pub fn user(user: UserType) -> cryptoki::session::UserType {
    match user {
        UserType::CkuSo => cryptoki::session::UserType::So,
        UserType::CkuUser => cryptoki::session::UserType::User,
        UserType::CkuContextSpecific => cryptoki::session::UserType::ContextSpecific,
    }
}

pub fn mechanism(mechanism: Mechanism) -> NativeMechanism<'static> {
    let pss = |RsaPkcsPssParams { hash: Hash::Sha256, s_len }: RsaPkcsPssParams| PkcsPssParams {
        hash_alg: MechanismType::SHA256,
        mgf: PkcsMgfType::MGF1_SHA256,
        s_len: cryptoki::types::Ulong::new(s_len.into()),
    };
    match mechanism {
        Mechanism::CkmEddsa => NativeMechanism::Eddsa(eddsa::EddsaParams::new(eddsa::EddsaSignatureScheme::Pure)),
        Mechanism::CkmEcdsa => NativeMechanism::Ecdsa,
        Mechanism::CkmRsaPkcsPss(with) => NativeMechanism::RsaPkcsPss(pss(with)),
        Mechanism::CkmSha256RsaPkcsPss(with) => NativeMechanism::Sha256RsaPkcsPss(pss(with)),
    }
}

/// Classes and types of the seam, and the crate's.
macro_rules! same {
    ($to:ident, $from:ident, $ours:ident, $native:ident { $($case:ident = $constant:ident)+ }) => {
        fn $to(value: $ours) -> native::$native {
            match value { $($ours::$case => native::$native::$constant,)+ }
        }
        fn $from(value: native::$native) -> Option<$ours> {
            [$(($ours::$case, native::$native::$constant),)+].into_iter().find(|(_, it)| *it == value).map(|(it, _)| it)
        }
    };
}
same!(class_to, class_from, ObjectClass, ObjectClass {
    CkoCertificate = CERTIFICATE CkoPublicKey = PUBLIC_KEY CkoPrivateKey = PRIVATE_KEY
});
same!(key_to, key_from, KeyType, KeyType { CkkRsa = RSA CkkEc = EC CkkEcEdwards = EC_EDWARDS });
same!(certificate_to, certificate_from, CertificateType, CertificateType { CkcX509 = X_509 });

/// The attributes, with how a value of each is made of the other's.
macro_rules! attributes {
    ($($ours:ident = $native:ident, $to:expr, $from:expr;)+) => {
        pub fn attribute_type(kind: AttributeType) -> native::AttributeType {
            match kind { $(AttributeType::$ours => native::AttributeType::$native,)+ }
        }
        pub fn attribute_to(attribute: &Attribute) -> native::Attribute {
            match attribute.clone() { $(Attribute::$ours(value) => native::Attribute::$native($to(value)),)+ }
        }
        /// `None` for what has no name in the seam.
        pub fn attribute_from(attribute: &native::Attribute) -> Option<Attribute> {
            match attribute.clone() {
                $(native::Attribute::$native(value) => $from(value).map(Attribute::$ours),)+
                _ => None,
            }
        }
    };
}

fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}
fn ulong(number: u64) -> cryptoki::types::Ulong {
    // A modulus of so many bits does not exist.
    cryptoki::types::Ulong::new(number.try_into().unwrap_or(cryptoki_sys::CK_ULONG::MAX))
}
#[allow(clippy::unnecessary_wraps, reason = "one form for all in the table above")]
fn number(value: cryptoki::types::Ulong) -> Option<u64> {
    Some(u64::from(*value))
}

attributes! {
    CkaClass = Class, class_to, class_from;
    CkaToken = Token, bool::from, Some;
    CkaPrivate = Private, bool::from, Some;
    CkaLabel = Label, String::into_bytes, utf8;
    CkaId = Id, Vec::from, Some;
    CkaValue = Value, Vec::from, Some;
    CkaCertificateType = CertificateType, certificate_to, certificate_from;
    CkaSubject = Subject, Vec::from, Some;
    CkaIssuer = Issuer, Vec::from, Some;
    CkaKeyType = KeyType, key_to, key_from;
    CkaSensitive = Sensitive, bool::from, Some;
    CkaSign = Sign, bool::from, Some;
    CkaVerify = Verify, bool::from, Some;
    CkaModulus = Modulus, Vec::from, Some;
    CkaModulusBits = ModulusBits, ulong, number;
    CkaPublicExponent = PublicExponent, Vec::from, Some;
    CkaPrivateExponent = PrivateExponent, Vec::from, Some;
    CkaPrime1 = Prime1, Vec::from, Some;
    CkaPrime2 = Prime2, Vec::from, Some;
    CkaExponent1 = Exponent1, Vec::from, Some;
    CkaExponent2 = Exponent2, Vec::from, Some;
    CkaCoefficient = Coefficient, Vec::from, Some;
    CkaPublicKeyInfo = PublicKeyInfo, Vec::from, Some;
    CkaExtractable = Extractable, bool::from, Some;
    CkaLocal = Local, bool::from, Some;
    CkaNeverExtractable = NeverExtractable, bool::from, Some;
    CkaAlwaysSensitive = AlwaysSensitive, bool::from, Some;
    CkaModifiable = Modifiable, bool::from, Some;
    CkaEcParams = EcParams, Vec::from, Some;
    CkaEcPoint = EcPoint, Vec::from, Some;
    CkaAlwaysAuthenticate = AlwaysAuthenticate, bool::from, Some;
}

fn version(version: NativeVersion) -> Version {
    Version { major: version.major(), minor: version.minor() }
}

pub fn info(info: &cryptoki::context::Info) -> Info {
    Info {
        cryptoki_version: version(info.cryptoki_version()),
        manufacturer_id: info.manufacturer_id().to_owned(),
        library_description: info.library_description().to_owned(),
        library_version: version(info.library_version()),
    }
}

pub fn slot_info(slot: &cryptoki::slot::SlotInfo) -> SlotInfo {
    let mut flags = SlotFlags::default();
    for (set, flag) in [
        (slot.token_present(), SlotFlags::CKF_TOKEN_PRESENT),
        (slot.removable_device(), SlotFlags::CKF_REMOVABLE_DEVICE),
        (slot.hardware_slot(), SlotFlags::CKF_HW_SLOT),
    ] {
        if set {
            flags |= flag;
        }
    }
    SlotInfo {
        slot_description: slot.slot_description().to_owned(),
        manufacturer_id: slot.manufacturer_id().to_owned(),
        flags,
        hardware_version: version(slot.hardware_version()),
        firmware_version: version(slot.firmware_version()),
    }
}

pub fn token_info(token: &cryptoki::slot::TokenInfo) -> TokenInfo {
    let mut flags = TokenFlags::default();
    for (set, flag) in [
        (token.rng(), TokenFlags::CKF_RNG),
        (token.write_protected(), TokenFlags::CKF_WRITE_PROTECTED),
        (token.login_required(), TokenFlags::CKF_LOGIN_REQUIRED),
        (token.user_pin_initialized(), TokenFlags::CKF_USER_PIN_INITIALIZED),
        (token.protected_authentication_path(), TokenFlags::CKF_PROTECTED_AUTHENTICATION_PATH),
        (token.token_initialized(), TokenFlags::CKF_TOKEN_INITIALIZED),
        (token.user_pin_count_low(), TokenFlags::CKF_USER_PIN_COUNT_LOW),
        (token.user_pin_final_try(), TokenFlags::CKF_USER_PIN_FINAL_TRY),
        (token.user_pin_locked(), TokenFlags::CKF_USER_PIN_LOCKED),
        (token.user_pin_to_be_changed(), TokenFlags::CKF_USER_PIN_TO_BE_CHANGED),
        (token.so_pin_count_low(), TokenFlags::CKF_SO_PIN_COUNT_LOW),
        (token.so_pin_final_try(), TokenFlags::CKF_SO_PIN_FINAL_TRY),
        (token.so_pin_locked(), TokenFlags::CKF_SO_PIN_LOCKED),
        (token.so_pin_to_be_changed(), TokenFlags::CKF_SO_PIN_TO_BE_CHANGED),
        (token.error_state(), TokenFlags::CKF_ERROR_STATE),
    ] {
        if set {
            flags |= flag;
        }
    }
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    TokenInfo {
        label: token.label().to_owned(),
        manufacturer_id: token.manufacturer_id().to_owned(),
        model: token.model().to_owned(),
        serial_number: token.serial_number().to_owned(),
        flags,
        max_pin_len: length(token.max_pin_length()),
        min_pin_len: length(token.min_pin_length()),
        hardware_version: version(token.hardware_version()),
        firmware_version: version(token.firmware_version()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_crate_comes_back_as_its_number() {
        for number in (1..0x400).chain([0x8000_0001]) {
            let NativeRv::Error(error) = NativeRv::from(number) else { continue };
            let error = Error::Pkcs11(error, cryptoki::context::Function::Sign);
            assert_eq!(rv(error), Rv::from_number(number), "{number:#x}");
        }
    }

    #[test]
    fn every_attribute_has_the_number_of_the_standard() {
        for kind in AttributeType::ALL {
            assert_eq!(cryptoki_sys::CK_ATTRIBUTE_TYPE::from(attribute_type(*kind)), kind.number(), "{kind}");
        }
    }
}
