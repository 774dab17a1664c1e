//! What the environment asks of the keystore: which key, which token, whose PIN.

use std::ffi::OsString;
use std::fmt;

use secure_log::signer::{PublicKey, SignerError};
use secure_log::types::{hex, quote, unhex};
use secure_log_pkcs11::{Attribute, SlotId};
use zeroize::Zeroizing;

use crate::pin::Pin;
use crate::piv::PivSlot;

pub(crate) const KEY_LABEL: &str = "SECURE_LOG_PKCS11_KEY_LABEL";
pub(crate) const KEY_ID: &str = "SECURE_LOG_PKCS11_KEY_ID";
const PIV_SLOT: &str = "SECURE_LOG_PKCS11_PIV_SLOT";
const TOKEN_LABEL: &str = "SECURE_LOG_PKCS11_TOKEN_LABEL";
const SLOT: &str = "SECURE_LOG_PKCS11_SLOT";
const PIN_FILE: &str = "SECURE_LOG_PKCS11_PIN_FILE";
pub(crate) const PIN: &str = "SECURE_LOG_PKCS11_PIN";
pub(crate) const PUBLIC_KEY_PEM: &str = "SECURE_LOG_PKCS11_PUBLIC_KEY_PEM";
pub(crate) const FINAL_TRY: &str = "SECURE_LOG_PKCS11_FINAL_TRY";

/// The identity that the one configured key always has.
pub const IDENTITY: &str = "pkcs11";
/// Label or CKA_ID in bytes: more than any token has room for in a name for people.
const MAX_NAME: usize = 256;

/// Which key of which token, and how to log in. `Debug` shows no PIN.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one key; absent: the identity asked for is a CKA_LABEL.
    pub key: Option<KeySelector>,
    /// The token.
    pub token: TokenSelector,
    /// Of the user.
    pub pin: Pin,
    /// The key must have this public key.
    pub public_key: Option<PublicKey>,
    /// The PIN may be tried although a wrong one would lock the token.
    pub final_try: bool,
}

/// How a private key is told from the others of its token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySelector {
    /// CKA_LABEL.
    Label(String),
    /// CKA_ID.
    Id(Vec<u8>),
    /// The CKA_ID that this slot of a YubiKey has.
    Piv(PivSlot),
}

/// How a token is told from the others of its library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSelector {
    /// There is only one.
    Only,
    /// Its label.
    Label(String),
    /// Its slot.
    Slot(SlotId),
}

impl KeySelector {
    /// The attribute by which it is looked for.
    pub(crate) fn attribute(&self) -> Attribute {
        match self {
            KeySelector::Label(label) => Attribute::CkaLabel(label.clone()),
            KeySelector::Id(id) => Attribute::CkaId(id.clone()),
            KeySelector::Piv(slot) => Attribute::CkaId(slot.cka_id()),
        }
    }

    /// Whether this identity means the key; hexadecimal in either case.
    fn is_called(&self, identity: &str) -> bool {
        match self {
            KeySelector::Label(label) => identity == label,
            KeySelector::Id(id) => parse_id(identity).as_ref() == Some(id),
            KeySelector::Piv(slot) => PivSlot::parse(identity).as_ref() == Ok(slot),
        }
    }

    /// The identity as messages have it.
    fn name(&self) -> String {
        match self {
            KeySelector::Label(label) => label.clone(),
            KeySelector::Id(id) => hex(id),
            KeySelector::Piv(slot) => slot.to_string(),
        }
    }
}

/// For messages: `CKA_LABEL "audit"`.
impl fmt::Display for KeySelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySelector::Label(label) => write!(f, "CKA_LABEL {}", quote(label)),
            KeySelector::Id(id) => write!(f, "CKA_ID {}", hex(id)),
            KeySelector::Piv(slot) => write!(f, "CKA_ID {} (PIV slot {slot})", hex(&slot.cka_id())),
        }
    }
}

impl Config {
    /// Reads the variables of the table in `lib`.
    ///
    /// # Errors
    /// `Backend` naming the variables: two where one may be, a value that is none, the empty one among them. Never shows
    /// a PIN.
    pub fn from_env(read: impl Fn(&str) -> Option<OsString>) -> Result<Config, SignerError> {
        let bad = |name: &str, why: &str| SignerError::Backend(format!("{name}: {why}"));
        let read = |name: &str| match read(name) {
            Some(value) if value.is_empty() => Err(bad(name, "is set and empty: give it a value, or unset it")),
            value => Ok(value),
        };
        let text = |name: &str| match read(name)?.map(OsString::into_string).transpose() {
            Ok(value) => Ok(value),
            Err(_) => Err(SignerError::Backend(format!("{name} is not UTF-8"))),
        };
        // Asked for once and taken over, so that there is no copy that nobody wipes.
        let bytes = read(PIN)?.map(|pin| Zeroizing::new(pin.into_encoded_bytes()));
        let file = read(PIN_FILE)?;
        let (label, id, slot) = (text(KEY_LABEL)?, text(KEY_ID)?, text(PIV_SLOT)?);
        let (token_label, token_slot) = (text(TOKEN_LABEL)?, text(SLOT)?);
        exclusive([(KEY_LABEL, label.is_some()), (KEY_ID, id.is_some()), (PIV_SLOT, slot.is_some())])?;
        exclusive([(TOKEN_LABEL, token_label.is_some()), (SLOT, token_slot.is_some())])?;
        exclusive([(PIN_FILE, file.is_some()), (PIN, bytes.is_some())])?;

        let key = match (label, id, slot) {
            (Some(label), ..) => Some(KeySelector::Label(label)),
            (_, Some(id), _) => match parse_id(&id) {
                Some(id) => Some(KeySelector::Id(id)),
                None => {
                    let why = format!("{} is not hexadecimal of 1 to {MAX_NAME} bytes", quote(&id));
                    return Err(bad(KEY_ID, &why));
                }
            },
            (.., Some(slot)) => Some(KeySelector::Piv(PivSlot::parse(&slot).map_err(|why| bad(PIV_SLOT, &why))?)),
            _ => None,
        };
        let token = match (token_label, token_slot) {
            (Some(label), _) => TokenSelector::Label(label),
            (_, Some(slot)) => TokenSelector::Slot(
                slot.parse().map_err(|_| bad(SLOT, &format!("{} is no number of a slot", quote(&slot))))?,
            ),
            _ => TokenSelector::Only,
        };
        let pin = match (file, bytes) {
            (Some(path), _) => Pin::File(path.into()),
            (_, Some(bytes)) => Pin::Bytes(bytes),
            _ => Pin::TokenAsks,
        };
        let public_key = text(PUBLIC_KEY_PEM)?;
        let public_key = public_key.map(|pem| PublicKey::from_text(&pem)).transpose();
        let final_try = match text(FINAL_TRY)?.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => return Err(bad(FINAL_TRY, &format!("must be 0 or 1, not {}", quote(other)))),
        };
        Ok(Config {
            key,
            token,
            pin,
            public_key: public_key.map_err(|error| bad(PUBLIC_KEY_PEM, &error.0))?,
            final_try,
        })
    }

    /// The key that `identity` names.
    pub(crate) fn selector(&self, identity: &str) -> Result<KeySelector, SignerError> {
        match &self.key {
            Some(key) if identity == IDENTITY || key.is_called(identity) => Ok(key.clone()),
            Some(key) => Err(SignerError::KeyNotFound(format!(
                "{}: the configured key, {key}, is called {} or {IDENTITY}",
                quote(identity),
                quote(&key.name())
            ))),
            None if (1..=MAX_NAME).contains(&identity.len()) && !identity.contains(char::is_control) => {
                Ok(KeySelector::Label(identity.to_owned()))
            }
            None => Err(SignerError::KeyNotFound(format!(
                "{} is no label: 1 to {MAX_NAME} bytes without control characters",
                quote(identity)
            ))),
        }
    }
}

/// CKA_ID of its hexadecimal.
fn parse_id(text: &str) -> Option<Vec<u8>> {
    unhex(&text.to_ascii_lowercase()).filter(|id| (1..=MAX_NAME).contains(&id.len()))
}

/// At most one of these is set.
fn exclusive<const N: usize>(variables: [(&str, bool); N]) -> Result<(), SignerError> {
    let given: Vec<&str> = variables.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    match given.len() {
        0 | 1 => Ok(()),
        _ => Err(SignerError::Backend(format!("{} exclude one another: set one", given.join(" and ")))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, SignerError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        Config::from_env(find)
    }

    fn refused(variables: &[(&str, &str)]) -> String {
        match config(variables) {
            Err(SignerError::Backend(why)) => why,
            other => format!("not refused: {other:?}"),
        }
    }

    #[test]
    fn one_selector_of_each_kind_at_most() {
        let good = config(&[]).unwrap();
        assert!(good.key.is_none() && good.token == TokenSelector::Only && matches!(good.pin, Pin::TokenAsks));
        assert_eq!(config(&[(KEY_LABEL, "a b")]).unwrap().key, Some(KeySelector::Label("a b".into())));
        assert_eq!(config(&[(KEY_ID, "0A1b")]).unwrap().key, Some(KeySelector::Id(vec![0x0a, 0x1b])));
        let piv = config(&[(PIV_SLOT, "9C")]).unwrap();
        assert_eq!(piv.key.as_ref().unwrap().attribute(), Attribute::CkaId(vec![2]));
        assert_eq!(config(&[(SLOT, "7")]).unwrap().token, TokenSelector::Slot(7));
        for pair in
            [[KEY_LABEL, KEY_ID], [KEY_ID, PIV_SLOT], [KEY_LABEL, PIV_SLOT], [TOKEN_LABEL, SLOT], [PIN_FILE, PIN]]
        {
            let why = refused(&[(pair[0], "9a"), (pair[1], "9a")]);
            assert!(pair.iter().all(|name| why.contains(name)) && why.contains("exclude"), "{why}");
        }
        for (name, value) in [
            (KEY_ID, "xyz"),
            (KEY_ID, "123"),
            (PIV_SLOT, "9b"),
            (SLOT, "-1"),
            (SLOT, "a"),
            (FINAL_TRY, "yes"),
            (PUBLIC_KEY_PEM, "key"),
        ] {
            assert!(refused(&[(name, value)]).contains(name), "{name}={value}");
        }
    }

    /// `"$(cat missing.pem)"` must not switch off what it was to switch on.
    #[test]
    fn a_variable_that_is_set_and_empty_is_refused_by_its_name() {
        for name in [KEY_LABEL, KEY_ID, PIV_SLOT, TOKEN_LABEL, SLOT, PIN_FILE, PIN, PUBLIC_KEY_PEM, FINAL_TRY] {
            let why = refused(&[(name, "")]);
            assert_eq!(why, format!("{name}: is set and empty: give it a value, or unset it"));
        }
        assert!(refused(&[(KEY_LABEL, "audit"), (KEY_ID, "")]).starts_with(KEY_ID));
    }

    #[test]
    fn the_configured_key_has_two_names_and_without_one_every_label_is_asked_for() {
        let one = config(&[(KEY_ID, "0A")]).unwrap();
        for name in ["0a", "0A", IDENTITY] {
            assert_eq!(one.selector(name), Ok(KeySelector::Id(vec![0x0a])));
        }
        let piv = config(&[(PIV_SLOT, "9C")]).unwrap();
        assert!(piv.selector("9c").is_ok() && piv.selector("9C").is_ok() && piv.selector("9a").is_err());
        for name in ["a", "00a", "000a", "audit", "", "\n"] {
            assert!(matches!(one.selector(name), Err(SignerError::KeyNotFound(_))), "{name}");
        }
        let any = config(&[]).unwrap();
        assert_eq!(any.selector("pkcs11"), Ok(KeySelector::Label("pkcs11".into())));
        for name in ["", "a\0", &"x".repeat(257)] {
            assert!(matches!(any.selector(name), Err(SignerError::KeyNotFound(_))), "{name}");
        }
    }

    #[test]
    fn a_pin_is_not_shown() {
        let canary = "canary-4711";
        let shown = format!("{:?}", config(&[(PIN, canary)]));
        assert!(shown.contains("Bytes") && !shown.contains("4711"), "{shown}");
        let why = refused(&[(PIN, canary), (PIN_FILE, "/pin")]);
        assert!(!why.contains("4711"), "{why}");
    }
}
