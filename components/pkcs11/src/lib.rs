//! Cryptographic tokens as PKCS #11 shows them: the seam between a keystore and any token, in Rust.
//!
//! The same part of the standard as `wit/pkcs11.wit` (OASIS PKCS #11 version 3.1), under the same names: `CkrPinIncorrect`
//! is `CKR_PIN_INCORRECT` and prints so. Not here: a token, a keystore, WIT, C. A token implements [`Cryptoki`]: in the
//! graph, through the host, or over a native module; whoever carries it through a WIT binding converts with
//! [`wit_conversions!`].
//!
//! A PIN is lent for the call and kept by nobody here; [`pin`] says what one is.

#![forbid(unsafe_code)]
// The names are those of the standard, as are those of the WIT.
#![allow(clippy::enum_variant_names)]

pub mod pin;
mod table;
mod wit;

use std::fmt;

/// CK_OBJECT_HANDLE: means something in its session only, and a new session may number otherwise.
pub type ObjectHandle = u64;
/// CK_SLOT_ID.
pub type SlotId = u64;
/// Bytes of an attribute; a big integer is unsigned, most significant byte first.
pub type Bytes = Vec<u8>;

/// A library of tokens. Every function is the C function of its name; what that function checks is checked by it.
pub trait Cryptoki {
    /// What it opens.
    type Session: Session;
    /// C_Initialize. Once before anything else; [`Rv::CkrCryptokiAlreadyInitialized`] harms nobody.
    fn initialize(&mut self) -> Result<(), Rv>;
    /// C_Finalize: closes every session of this caller; nothing but `initialize` works after it.
    fn finalize(&mut self) -> Result<(), Rv>;
    /// C_GetInfo.
    fn get_info(&self) -> Result<Info, Rv>;
    /// C_GetSlotList, all of it.
    fn get_slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv>;
    /// C_GetSlotInfo.
    fn get_slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv>;
    /// C_GetTokenInfo.
    fn get_token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv>;
    /// C_OpenSession, `CKF_SERIAL_SESSION`, and `CKF_RW_SESSION` if asked for.
    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<Self::Session, Rv>;
}

/// CK_SESSION_HANDLE. Dropping it is C_CloseSession; closing the last one of a token logs out.
pub trait Session {
    /// C_Login. All sessions with a token share the state. No PIN: the token asks by itself
    /// (`CKF_PROTECTED_AUTHENTICATION_PATH`). A wrong PIN counts towards locking the token.
    fn login(&self, user: UserType, pin: Option<&[u8]>) -> Result<(), Rv>;
    /// C_Logout.
    fn logout(&self) -> Result<(), Rv>;
    /// C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal: at most `limit` objects that have all of these attributes.
    /// Private objects only after a login.
    fn find_objects(&self, template: &[Attribute], limit: u32) -> Result<Vec<ObjectHandle>, Rv>;
    /// C_GetAttributeValue: an answer for each type, in order; `None` for what the object does not have, the token does
    /// not tell or no name exists for here.
    fn get_attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv>;
    /// C_SignInit.
    fn sign_init(&self, mechanism: Mechanism, key: ObjectHandle) -> Result<(), Rv>;
    /// C_Sign; ends the operation, whatever comes of it.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Rv>;
}

/// An enumeration of the standard.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($case:ident = $number:literal $text:literal)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $case,)+
        }

        impl $name {
            /// All that have a name here.
            pub const ALL: &[$name] = &[$($name::$case,)+];

            /// Its number in `pkcs11t.h`.
            pub const fn number(self) -> u64 {
                match self { $($name::$case => $number,)+ }
            }

            /// The one of this number.
            pub fn from_number(number: u64) -> Option<$name> {
                $name::ALL.iter().copied().find(|it| it.number() == number)
            }
        }

        /// The name in the standard.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($name::$case => $text,)+ })
            }
        }
    };
}

table!(object_class => [codes] /** CKO_, the classes used here. */ ObjectClass);
table!(key_type => [codes] /** CKK_, the key types used here. */ KeyType);
table!(certificate_type => [codes] /** CKC_, the certificates used here. */ CertificateType);
table!(attribute_type => [codes] /** CKA_, the attributes used here. */ AttributeType);
table!(user_type => [codes] /** CKU_. `CkuContextSpecific`: for one operation with a key that has
CKA_ALWAYS_AUTHENTICATE, after `sign_init`. */ UserType);
table!(key_pair_mechanism => [codes] /** CKM_ for generating key pairs. */ KeyPairMechanism);

/// CK_RV of anything but success (`CKR_OK`), section 5.1 and `pkcs11t.h`.
macro_rules! rv {
    ({ $($case:ident = $number:literal $text:literal)+ }) => {
        /// CK_RV of anything but success (`CKR_OK`): section 5.1 of the standard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rv {
            $(#[doc = concat!("`", $text, "`")] $case,)+
            /// Any other, by its number.
            Other(u64),
        }

        impl Rv {
            /// All that have a name here.
            pub const NAMED: &[Rv] = &[$(Rv::$case,)+];

            /// Its number in `pkcs11t.h`.
            pub const fn number(self) -> u64 {
                match self { $(Rv::$case => $number,)+ Rv::Other(number) => number }
            }

            /// The one of this number.
            pub fn from_number(number: u64) -> Rv {
                Rv::NAMED.iter().copied().find(|rv| rv.number() == number).unwrap_or(Rv::Other(number))
            }
        }

        /// The name in the standard, or `CKR_` with the number in hexadecimal.
        impl fmt::Display for Rv {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Rv::$case => f.write_str($text),)+
                    Rv::Other(number) => write!(f, "CKR_{number:#010x}"),
                }
            }
        }
    };
}
table!(rv => [rv]);

impl std::error::Error for Rv {}

/// CK_ATTRIBUTE: a type with a value of its type.
macro_rules! attribute {
    ({ $($case:ident($value:ty))+ }) => {
        /// CK_ATTRIBUTE: a type with a value of its type. `CkaValue` is the BER of a certificate; `CkaPublicKeyInfo` DER;
        /// `CkaEcParams` DER of an object identifier or of a printable string with the name of a curve; `CkaEcPoint` DER of
        /// an octet string with the point, some tokens answer the bare point; `CkaModulusBits` in bits.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "named as in the standard")]
        pub enum Attribute { $($case($value),)+ }

        impl Attribute {
            /// Its type.
            pub fn attribute_type(&self) -> AttributeType {
                match self { $(Attribute::$case(_) => AttributeType::$case,)+ }
            }
        }
    };
}
table!(attribute => [attribute]);

/// Flags of the standard, as a set.
macro_rules! flags {
    ($(#[$about:meta])* $name:ident { $($flag:ident = $number:literal)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(u64);

        #[allow(missing_docs, reason = "named as in the standard")]
        impl $name {
            $(pub const $flag: $name = $name($number);)+

            /// Of the number in the structure of C; flags without a name here are dropped.
            pub fn from_number(number: u64) -> $name {
                $name(number & (0 $(| $number)+))
            }

            /// Whether all of these are set.
            pub fn contains(self, flags: $name) -> bool {
                self.0 & flags.0 == flags.0
            }
        }

        impl std::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: $name) {
                self.0 |= other.0;
            }
        }
    };
}
table!(slot_flags => [flags] /** CKF_ flags of a slot. */ SlotFlags);
table!(token_flags => [flags] /** CKF_ flags of a token. */ TokenFlags);

/// CKM_ for signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 8032, pure Ed25519: the whole message is signed.
    CkmEddsa,
    /// Over a digest of 32 bytes; the signature is `r || s`.
    CkmEcdsa,
    /// Over a digest.
    CkmRsaPkcsPss(RsaPkcsPssParams),
    /// Over the message, which the token hashes.
    CkmSha256RsaPkcsPss(RsaPkcsPssParams),
}

impl Mechanism {
    /// Its number in `pkcs11t.h`.
    pub const fn number(self) -> u64 {
        match self {
            Mechanism::CkmEddsa => 0x1057,
            Mechanism::CkmEcdsa => 0x1041,
            Mechanism::CkmRsaPkcsPss(_) => 0xd,
            Mechanism::CkmSha256RsaPkcsPss(_) => 0x43,
        }
    }
}

/// The name in the standard.
impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mechanism::CkmEddsa => "CKM_EDDSA",
            Mechanism::CkmEcdsa => "CKM_ECDSA",
            Mechanism::CkmRsaPkcsPss(_) => "CKM_RSA_PKCS_PSS",
            Mechanism::CkmSha256RsaPkcsPss(_) => "CKM_SHA256_RSA_PKCS_PSS",
        })
    }
}

/// CKA_EC_PARAMS of the curves used here: DER of their object identifiers.
pub mod curve {
    /// RFC 5480, section 2.1.1.1.
    pub const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    /// RFC 8410, section 3.
    pub const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
}

/// CK_RSA_PKCS_PSS_PARAMS with one hash for both, as everyone uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaPkcsPssParams {
    /// Of the message and of the mask generation function.
    pub hash: Hash,
    /// Salt, in bytes.
    pub s_len: u32,
}

impl RsaPkcsPssParams {
    /// SHA-256, and a salt as long as it: what a log's signatures have.
    pub const SHA256: RsaPkcsPssParams = RsaPkcsPssParams { hash: Hash::Sha256, s_len: 32 };
}

/// The hash of PSS and of its mask generation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// CKM_SHA256 and CKG_MGF1_SHA256.
    Sha256,
}

/// CK_VERSION.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Before the point.
    pub major: u8,
    /// In hundredths.
    pub minor: u8,
}

/// `2.40` or `5.07`: the minor part is in hundredths (section 3.1 of the standard).
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.major, self.minor)
    }
}

/// CK_INFO: the library. Texts are without the padding of the standard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the standard")]
pub struct Info {
    pub cryptoki_version: Version,
    pub manufacturer_id: String,
    pub library_description: String,
    pub library_version: Version,
}

/// CK_SLOT_INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the standard")]
pub struct SlotInfo {
    pub slot_description: String,
    pub manufacturer_id: String,
    pub flags: SlotFlags,
    pub hardware_version: Version,
    pub firmware_version: Version,
}

/// CK_TOKEN_INFO, without the counts of sessions and memory. PIN lengths in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the standard")]
pub struct TokenInfo {
    pub label: String,
    pub manufacturer_id: String,
    pub model: String,
    pub serial_number: String,
    pub flags: TokenFlags,
    pub max_pin_len: u64,
    pub min_pin_len: u64,
    pub hardware_version: Version,
    pub firmware_version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_prints_as_in_the_standard_and_has_its_number() {
        assert_eq!(Rv::CkrPinIncorrect.to_string(), "CKR_PIN_INCORRECT");
        assert_eq!(Rv::CkrPinIncorrect.number(), 0xa0);
        assert_eq!(Rv::from_number(0xc0).to_string(), "CKR_0x000000c0");
        assert_eq!(AttributeType::CkaAlwaysAuthenticate.to_string(), "CKA_ALWAYS_AUTHENTICATE");
        assert_eq!(KeyType::from_number(0x40), Some(KeyType::CkkEcEdwards));
        for rv in Rv::NAMED {
            assert_eq!(Rv::from_number(rv.number()), *rv, "two codes of one number");
        }
        for kind in AttributeType::ALL {
            assert_eq!(AttributeType::from_number(kind.number()), Some(*kind), "two attributes of one number");
        }
    }

    #[test]
    fn numbers_and_names_lead_to_each_other() {
        for number in 0..0x1100 {
            assert!(AttributeType::from_number(number).is_none_or(|name| name.number() == number));
            assert!(KeyType::from_number(number).is_none_or(|name| name.number() == number));
            assert!(ObjectClass::from_number(number).is_none_or(|name| name.number() == number));
            assert!(KeyPairMechanism::from_number(number).is_none_or(|name| name.number() == number));
        }
        assert_eq!((0..0x1100).filter(|number| AttributeType::from_number(*number).is_some()).count(), 31);
    }

    #[test]
    fn a_code_without_a_name_keeps_its_number() {
        assert!(matches!(Rv::from_number(0x0a0), Rv::CkrPinIncorrect));
        assert!(matches!(Rv::from_number(0x7777), Rv::Other(0x7777)));
    }

    #[test]
    fn flags_are_read_by_their_bits() {
        let mut both = SlotFlags::CKF_TOKEN_PRESENT;
        both |= SlotFlags::CKF_HW_SLOT;
        assert_eq!(SlotFlags::from_number(0x5), both);
        assert_eq!(TokenFlags::from_number(0x4_0000), TokenFlags::CKF_USER_PIN_LOCKED);
        assert_eq!(TokenFlags::from_number(0), TokenFlags::default());
    }

    #[test]
    fn flags_without_a_name_are_dropped() {
        let flags = TokenFlags::from_number(0x8000_0000 | 0x4_0000);
        assert_eq!(flags, TokenFlags::CKF_USER_PIN_LOCKED);
        assert!(!flags.contains(TokenFlags::CKF_USER_PIN_FINAL_TRY));
    }
}
