//! What the environment asks of the keystore.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use secure_log::signer::{Algorithm, SignerError};
use secure_log::types::quote;
use zeroize::Zeroizing;

const DIR: &str = "SECURE_LOG_KEYSTORE_DIR";
const PEM: &str = "SECURE_LOG_KEYSTORE_PEM";
const EPHEMERAL: &str = "SECURE_LOG_KEYSTORE_EPHEMERAL";
const CREATE: &str = "SECURE_LOG_KEYSTORE_CREATE";
const ALG: &str = "SECURE_LOG_KEYSTORE_ALG";

/// Where keys are, and which may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where keys are.
    pub place: Place,
    /// Whether a key that a directory does not have is created. In memory every key is.
    pub create: bool,
    /// Of created keys; existing files say their own.
    pub algorithm: Algorithm,
}

/// Where keys are.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// `<label>.pem` in this directory.
    Directory(PathBuf),
    /// One key, labelled [`PEM_LABEL`], in this text.
    Pem(Zeroizing<String>),
    /// In this process only.
    Memory,
}

/// The label of a key that came as text.
pub const PEM_LABEL: &str = "pem";

/// A key's text is not shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Place::Pem(_) => f.write_str("Pem"),
            Place::Memory => f.write_str("Memory"),
        }
    }
}

impl Config {
    /// Reads the five variables; an empty one counts as absent.
    ///
    /// # Errors
    /// `Backend` naming the variable: not exactly one of directory, PEM and ephemeral, a switch that is neither `0` nor
    /// `1`. `UnsupportedAlgorithm` for an algorithm of another name.
    pub fn from_env(read: impl Fn(&str) -> Option<OsString>) -> Result<Config, SignerError> {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let switch = |name: &str| match read(name) {
            None => Ok(false),
            Some(value) if value == "0" => Ok(false),
            Some(value) if value == "1" => Ok(true),
            Some(value) => {
                Err(SignerError::Backend(format!("{name} must be 0 or 1, not {}", quote(&value.to_string_lossy()))))
            }
        };
        let algorithm = match read(ALG) {
            None => Algorithm::Ed25519,
            Some(name) => name.to_str().and_then(Algorithm::from_name).ok_or_else(|| {
                SignerError::UnsupportedAlgorithm(format!(
                    "{ALG} must be ed25519, ecdsa-p256 or rsa-pss-sha256, not {}",
                    quote(&name.to_string_lossy())
                ))
            })?,
        };
        // What is not UTF-8 is no PEM; it is not kept and not shown.
        let pem = read(PEM).map(|pem| Zeroizing::new(pem.into_string().unwrap_or_default()));
        let place = match (read(DIR), pem, switch(EPHEMERAL)?) {
            (Some(dir), None, false) => Place::Directory(dir.into()),
            (None, Some(pem), false) => Place::Pem(pem),
            (None, None, true) => Place::Memory,
            (None, None, false) => {
                return Err(SignerError::Backend(format!(
                    "no keys are configured: set {DIR} to a directory of <label>.pem files, {PEM} to the text of one, \
                     or {EPHEMERAL}=1 for keys that live in memory only"
                )));
            }
            _ => return Err(SignerError::Backend(format!("{DIR}, {PEM} and {EPHEMERAL}=1 exclude one another"))),
        };
        Ok(Config { place, create: switch(CREATE)?, algorithm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, SignerError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        Config::from_env(find)
    }

    #[test]
    fn keys_exist_only_where_someone_asked_for_them() {
        for nowhere in [&[][..], &[(DIR, "")], &[(EPHEMERAL, "0")], &[(CREATE, "1"), (ALG, "ed25519")]] {
            let error = config(nowhere).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(DIR) && error.contains(EPHEMERAL), "{nowhere:?}: {error}");
        }
        let directory = |create, algorithm| Ok(Config { place: Place::Directory("/keys".into()), create, algorithm });
        assert_eq!(config(&[(DIR, "/keys")]), directory(false, Algorithm::Ed25519));
        assert_eq!(config(&[(DIR, "/keys"), (CREATE, "0")]), directory(false, Algorithm::Ed25519));
        assert_eq!(
            config(&[(DIR, "/keys"), (CREATE, "1"), (ALG, "ecdsa-p256")]),
            directory(true, Algorithm::EcdsaP256)
        );
        let memory = Config { place: Place::Memory, create: false, algorithm: Algorithm::RsaPssSha256 };
        assert_eq!(config(&[(EPHEMERAL, "1"), (ALG, "rsa-pss-sha256")]), Ok(memory));
    }

    #[test]
    fn a_key_that_comes_as_text_is_not_shown() {
        let secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let given = config(&[(PEM, secret), (CREATE, "1")]);
        let place = Place::Pem(Zeroizing::new(secret.into()));
        assert_eq!(given, Ok(Config { place, create: true, algorithm: Algorithm::Ed25519 }));
        assert!(!format!("{given:?}").contains("c2VjcmV0"));
        for other in [(DIR, "/keys"), (EPHEMERAL, "1")] {
            let error = format!("{:?}", config(&[(PEM, secret), other]));
            assert!(error.contains(PEM) && !error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn a_value_that_says_nothing_clear_is_an_error_that_names_its_variable() {
        for (variables, name) in [
            (&[(DIR, "/keys"), (EPHEMERAL, "1")][..], EPHEMERAL),
            (&[(EPHEMERAL, "yes")], EPHEMERAL),
            (&[(DIR, "/keys"), (CREATE, "true")], CREATE),
            (&[(DIR, "/keys"), (ALG, "ED25519")], ALG),
            (&[(DIR, "/keys"), (ALG, "rsa")], ALG),
        ] {
            let error = config(variables).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(name), "{variables:?}: {error}");
        }
    }
}
