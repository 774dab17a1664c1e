//! Where PINs come from: a file or an environment variable. What a PIN is says `secure_log_pkcs11::pin`.

use std::env;
use std::path::Path;

use secure_log_pkcs11::pin::{self, Pin};

use crate::failure::Failure;

/// The PIN of `file`, else of the variable, if there is either; an empty variable is none. `what` is for messages.
pub fn given(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<Pin>, Failure> {
    let (pin, place) = match file {
        Some(path) => (pin::from_file(path), path.display().to_string()),
        None => match env::var_os(variable).filter(|value| !value.is_empty()) {
            Some(value) => (pin::from_variable(value), variable.to_owned()),
            None => return Ok(None),
        },
    };
    pin.map(Some).map_err(|why| Failure::Usage(format!("{what}: {place}: {why}")))
}

/// The same, where there must be one.
pub fn needed(file: Option<&Path>, variable: &str, what: &str) -> Result<Pin, Failure> {
    given(file, variable, what)?
        .ok_or_else(|| Failure::Usage(format!("this command needs {what}: a file of it, or {variable}")))
}
