//! How a command ends when it does not end well: what it says, and the exit status.

use std::fmt;

use secure_log_pkcs11::Rv;
use serde_json::{Value, json};

/// Exit status: an argument, a file or a name that is none. Nothing was changed.
pub const USAGE: u8 = 2;
/// Exit status: the token, its PIN or the disk said no.
pub const CANNOT: u8 = 3;

/// Why a command failed; decides the exit status. The text names the input and never a PIN.
#[derive(Debug)]
pub enum Failure {
    /// [`USAGE`].
    Usage(String),
    /// [`CANNOT`]: a function of the token that answered with this.
    Token(&'static str, Rv),
    /// [`CANNOT`], for another reason.
    Cannot(String),
    /// [`CANNOT`], after something was made: what is there now, and why there is no more.
    Begun(String, Box<Failure>),
    /// The reader of the output went away: nobody is left to be told, and that is no failure.
    Closed,
}

impl Failure {
    /// What the parser of arguments refuses, without the lines on how to use it.
    pub fn misuse(error: &clap::Error) -> Failure {
        let rendered = error.render().to_string();
        let text = rendered.split("\n\n").next().unwrap_or_default();
        Failure::Usage(text.strip_prefix("error: ").unwrap_or(text).to_owned())
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Token(..) | Failure::Cannot(_) | Failure::Begun(..) => CANNOT,
            Failure::Closed => 0,
        }
    }

    /// Why, whatever was made before.
    fn reason(&self) -> &Failure {
        match self {
            Failure::Begun(_, why) => why,
            other => other,
        }
    }

    /// As an object, for `--json`.
    pub fn json(&self) -> Value {
        let kind = match self {
            Failure::Usage(_) => "usage",
            Failure::Token(..) | Failure::Cannot(_) | Failure::Begun(..) => "cannot",
            Failure::Closed => "closed",
        };
        let mut value = json!({ "error": kind, "text": self.to_string(), "exit": self.status() });
        if let Failure::Token(function, rv) = self.reason() {
            value["function"] = json!(function);
            value["rv"] = json!(rv.to_string());
        }
        value
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Cannot(text) => f.write_str(text),
            Failure::Token(function, rv) => {
                write!(f, "{function} answers {rv}")?;
                match explanation(*rv) {
                    Some(words) => write!(f, ": {words}"),
                    None => Ok(()),
                }
            }
            Failure::Begun(done, why) => write!(f, "{done}: {why}"),
            Failure::Closed => f.write_str("the reader closed the output"),
        }
    }
}

/// The answer of a function of the token, or the failure that names it.
pub fn asked<T>(function: &'static str, answer: Result<T, impl Into<Rv>>) -> Result<T, Failure> {
    answer.map_err(|rv| Failure::Token(function, rv.into()))
}

fn explanation(rv: Rv) -> Option<&'static str> {
    Some(match rv {
        Rv::CkrPinIncorrect => "the PIN is wrong; it was tried once",
        Rv::CkrPinLocked => "the PIN is locked; the security officer can set a new one (set-pin --of user-by-so)",
        Rv::CkrPinLenRange => "the PIN is too short or too long",
        Rv::CkrUserPinNotInitialized => "the user has no PIN yet (set-pin --of user-by-so)",
        Rv::CkrTokenWriteProtected => "the token can not be written, it is only read",
        Rv::CkrTokenNotRecognized => "a token is there and can not be read",
        Rv::CkrDeviceError => "the token has files that can not be read; nothing is told of the others",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_made_before_a_failure_is_told_with_why_and_is_no_usage() {
        let why = Failure::Token("C_InitPIN", Rv::CkrDeviceError);
        let failure = Failure::Begun("token \"a\" was made".to_owned(), Box::new(why));
        let text = failure.to_string();
        assert!(text.starts_with("token \"a\" was made: C_InitPIN answers CKR_DEVICE_ERROR"), "{text}");
        let json = failure.json();
        assert_eq!(
            (&json["exit"], &json["function"], &json["rv"]),
            (&json!(3), &json!("C_InitPIN"), &json!("CKR_DEVICE_ERROR"))
        );
        let usage = Failure::Begun(String::new(), Box::new(Failure::Usage(String::new())));
        assert_eq!(usage.status(), CANNOT);
    }

    #[test]
    fn misuse_is_an_object_that_says_why_and_no_more() {
        for (words, why) in [
            (&["t", "--json"][..], "requires a subcommand"),
            (&["t", "lst", "--json"], "unrecognized subcommand 'lst'"),
            (&["t", "generate", "--json", "--alg", "none"], "invalid value 'none' for '--alg <ALG>'"),
        ] {
            let Err(error) = crate::args::Args::read(words.iter().map(Into::into)) else { panic!("{words:?}") };
            let json = Failure::misuse(&error).json();
            let text = json["text"].as_str().unwrap_or_default();
            assert!(text.contains(why) && !text.contains("Usage") && !text.starts_with("error"), "{json}");
            assert_eq!((&json["error"], &json["exit"]), (&json!("usage"), &json!(2)));
        }
    }

    #[test]
    fn codes_have_the_names_of_the_standard() {
        use crate::wit::keys::pkcs11::cryptoki::Rv as Imported;
        for (rv, name) in [
            (Imported::CkrPinIncorrect, "CKR_PIN_INCORRECT"),
            (Imported::CkrUserAnotherAlreadyLoggedIn, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN"),
            (Imported::Other(0x7777), "CKR_0x00007777"),
        ] {
            let failure = asked::<()>("C_Login", Err(rv)).unwrap_err();
            assert!(failure.to_string().starts_with(&format!("C_Login answers {name}")), "{failure}");
            assert_eq!(failure.json()["rv"], name);
        }
    }
}
