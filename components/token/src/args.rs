//! What can be typed. PINs never are: an argument shows in listings of processes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Args as Group, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// Bits of an RSA key: fewer are refused by a log.
pub const MIN_RSA_BITS: u64 = 3072;
/// More take minutes to make.
const MAX_RSA_BITS: u64 = 8192;

/// Makes tokens and keys, and shows what is in them.
///
/// Exit status: 0 done, 2 usage (nothing was changed), 3 cannot.
#[derive(Parser)]
#[command(name = "secure-log-token", bin_name = "secure-log-token", version, max_term_width = 110)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Of the words of a command line, the program's name before them. Label and slot name a token in two ways: what is
    /// typed goes before the environment.
    ///
    /// # Errors
    /// Words that are none, and those that ask for help or the version.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
        let matches = Args::command().try_get_matches_from(words).map_err(unshown)?;
        let mut args = Args::from_arg_matches(&matches)?;
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let common = &mut args.common;
        match (common.token.is_some() && common.slot.is_some(), typed("token"), typed("slot")) {
            (true, true, false) => common.slot = None,
            (true, false, true) => common.token = None,
            (true, ..) => {
                let why = "--token and --slot (SECURE_LOG_TOKEN_LABEL and SECURE_LOG_TOKEN_SLOT) exclude one another: say one";
                return Err(Args::command().error(ErrorKind::ArgumentConflict, why));
            }
            (false, ..) => {}
        }
        let new = matches.subcommand_matches("set-pin");
        let of_environment = |source| source == Some(ValueSource::EnvVariable);
        for (file, pin) in [
            (of_environment(matches.value_source("pin_file")), "SECURE_LOG_TOKEN_PIN"),
            (of_environment(matches.value_source("so_pin_file")), "SECURE_LOG_TOKEN_SO_PIN"),
            (of_environment(new.and_then(|new| new.value_source("new_pin_file"))), "SECURE_LOG_TOKEN_NEW_PIN"),
        ] {
            if file && std::env::var_os(pin).is_some_and(|value| !value.is_empty()) {
                let why = format!("{pin}_FILE and {pin} exclude one another: set one");
                return Err(Args::command().error(ErrorKind::ArgumentConflict, why));
            }
        }
        match (&args.command, args.command.new_label()) {
            (Command::Init(_), _) if typed("token") => {
                let why = "--token chooses a token that exists; init names the new one with --label";
                Err(Args::command().error(ErrorKind::ArgumentConflict, why))
            }
            (Command::Generate(what), _) if what.bits.is_some() && what.alg != Algorithm::RsaPssSha256 => {
                let why = "--bits is of RSA keys only: the other algorithms have one length each";
                Err(Args::command().error(ErrorKind::ArgumentConflict, why))
            }
            (_, Some("")) => {
                let why = "an empty --label: nothing could be found by it";
                Err(Args::command().error(ErrorKind::ValueValidation, why))
            }
            _ => Ok(args),
        }
    }
}

/// Misuse without the word that was too many: it may be a PIN.
fn unshown(mut error: clap::Error) -> clap::Error {
    let word = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::TooManyValues => ContextKind::InvalidValue,
        // One that resembles a command is a command misspelt.
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            ContextKind::InvalidSubcommand
        }
        _ => return error,
    };
    if matches!(error.get(word), Some(ContextValue::String(text)) if !text.starts_with('-')) {
        error.insert(word, ContextValue::String("(not shown, it may be a PIN)".to_owned()));
    }
    error
}

/// What most commands want, before or after the command's name.
#[derive(Group)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Label of the token; may be left out where there is one token only
    #[arg(long, global = true, env = "SECURE_LOG_TOKEN_LABEL")]
    pub token: Option<String>,
    /// Slot of the token, as `list` shows it
    #[arg(long, global = true, env = "SECURE_LOG_TOKEN_SLOT")]
    pub slot: Option<u64>,
    /// File with the user's PIN in one line; else SECURE_LOG_TOKEN_PIN
    #[arg(long, global = true, env = "SECURE_LOG_TOKEN_PIN_FILE", value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
    /// File with the security officer's PIN; else SECURE_LOG_TOKEN_SO_PIN
    #[arg(long, global = true, env = "SECURE_LOG_TOKEN_SO_PIN_FILE", value_name = "FILE")]
    pub so_pin_file: Option<PathBuf>,
    /// Tries the PIN even if the token says that a wrong one locks it
    #[arg(long, global = true, env = "SECURE_LOG_TOKEN_FINAL_TRY", value_parser = parse_yes)]
    pub final_try: bool,
    /// One JSON object a line instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a token, with both PINs; refuses where one of the label exists, or one that can not be read
    Init(Init),
    /// Show slots, tokens and objects; private objects only with the PIN, and of one token only
    List,
    /// Change a PIN, or set the user's as the security officer
    SetPin(SetPin),
    /// Make a key pair that never leaves the token
    Generate(Generate),
    /// Put an existing private key and its public key into the token
    Import(Import),
    /// Put a certificate into the token
    ImportCertificate(ImportCertificate),
    /// Destroy one object, for good
    Destroy(Destroy),
    /// Sign a file, as a test of a key: the raw signature goes to --out or, as hex, to stdout
    Sign(Sign),
}

impl Command {
    /// The label of the object that the command makes.
    fn new_label(&self) -> Option<&str> {
        match self {
            Command::Generate(Generate { name, .. })
            | Command::Import(Import { name, .. })
            | Command::ImportCertificate(ImportCertificate { name, .. }) => Some(&name.label),
            Command::Init(_) | Command::List | Command::SetPin(_) | Command::Destroy(_) | Command::Sign(_) => None,
        }
    }
}

#[derive(Group)]
pub struct Init {
    /// Label of the new token, 1 to 32 bytes
    #[arg(long)]
    pub label: String,
}

#[derive(Group)]
pub struct SetPin {
    /// File with the new PIN; else SECURE_LOG_TOKEN_NEW_PIN
    #[arg(long, env = "SECURE_LOG_TOKEN_NEW_PIN_FILE", value_name = "FILE")]
    pub new_pin_file: Option<PathBuf>,
    /// Whose PIN, and by whose leave
    #[arg(long, value_enum, default_value_t = Whose::User)]
    pub of: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    /// The user's, by the user
    User,
    /// The security officer's, by the security officer
    So,
    /// The user's, by the security officer: it was forgotten, or never set
    UserBySo,
}

/// What a new object is called.
#[derive(Group)]
pub struct Name {
    /// CKA_LABEL
    #[arg(long)]
    pub label: String,
    /// CKA_ID, hexadecimal
    #[arg(long, value_parser = parse_id)]
    pub id: Id,
}

/// CKA_ID.
#[derive(Clone)]
pub struct Id(pub Vec<u8>);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    Ed25519,
    EcdsaP256,
    RsaPssSha256,
}

#[derive(Group)]
pub struct Generate {
    #[command(flatten)]
    pub name: Name,
    /// What the key signs with
    #[arg(long, value_enum)]
    pub alg: Algorithm,
    /// Bits of the modulus, for RSA: 3072, unless told otherwise, to 8192
    #[arg(long, value_parser = parse_bits)]
    pub bits: Option<u64>,
}

#[derive(Group)]
pub struct Import {
    #[command(flatten)]
    pub name: Name,
    /// PKCS#8 PEM file, unencrypted
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

#[derive(Group)]
pub struct ImportCertificate {
    #[command(flatten)]
    pub name: Name,
    /// X.509 certificate: PEM with one certificate, or DER
    #[arg(long, value_name = "FILE")]
    pub certificate: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Class {
    PrivateKey,
    PublicKey,
    Certificate,
}

#[derive(Group)]
pub struct Destroy {
    #[command(flatten)]
    pub name: Name,
    /// Which of the objects of this name
    #[arg(long, value_enum)]
    pub class: Class,
}

#[derive(Group)]
pub struct Sign {
    /// CKA_LABEL of the private key
    #[arg(long)]
    pub label: String,
    /// What is signed, at most 1 MiB
    pub file: PathBuf,
    /// Where the signature goes, a file that does not exist: r || s for ECDSA
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Signs so many times and says how long it took
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,
}

/// The option alone is "true" to clap; the variable has the values of the keystore's.
fn parse_yes(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => Err("0 or 1".to_owned()),
    }
}

fn parse_bits(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bits) if bits < MIN_RSA_BITS => Err(format!("a log refuses RSA keys of fewer than {MIN_RSA_BITS} bits")),
        Ok(bits) if bits <= MAX_RSA_BITS => Ok(bits),
        _ => Err(format!("{MIN_RSA_BITS} to {MAX_RSA_BITS}")),
    }
}

fn parse_id(text: &str) -> Result<Id, String> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 && (2..=128).contains(&digits.len()) => {
            Ok(Id(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
        }
        _ => Err("an id is 1 to 64 bytes, two hexadecimal digits each".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_id_is_whole_bytes_in_hexadecimal() {
        assert_eq!(parse_id("00fF10").unwrap().0, [0, 255, 16]);
        for bad in ["", "0", "0x01", "zz", "+1", "ü1", &"00".repeat(65)] {
            assert!(parse_id(bad).is_err(), "{bad}");
        }
    }

    /// Reads the arguments in a process of its own, which has this environment.
    fn read_with(environment: &[(&str, &str)], test: &str) {
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("args::tests::{test}")])
            .env("SECURE_LOG_TEST_CHILD", "1")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
    }

    fn of(words: &str) -> Result<(Option<String>, Option<u64>), ErrorKind> {
        let read = Args::read(words.split(' ').map(OsString::from));
        read.map(|args| (args.common.token, args.common.slot)).map_err(|error| error.kind())
    }

    #[test]
    fn a_token_that_is_typed_goes_before_one_of_the_environment() {
        if std::env::var_os("SECURE_LOG_TEST_CHILD").is_none() {
            return read_with(
                &[("SECURE_LOG_TOKEN_LABEL", "audit")],
                "a_token_that_is_typed_goes_before_one_of_the_environment",
            );
        }
        assert_eq!(of("t list"), Ok((Some("audit".into()), None)));
        assert_eq!(of("t list --slot 7"), Ok((None, Some(7))));
        assert_eq!(of("t --slot 7 list"), Ok((None, Some(7))));
        assert_eq!(of("t --token other list"), Ok((Some("other".into()), None)));
        assert_eq!(of("t list --token other --slot 7"), Err(ErrorKind::ArgumentConflict));
    }

    #[test]
    fn a_slot_that_is_typed_goes_before_one_of_the_environment() {
        if std::env::var_os("SECURE_LOG_TEST_CHILD").is_none() {
            let slot = ("SECURE_LOG_TOKEN_SLOT", "3");
            return read_with(&[slot], "a_slot_that_is_typed_goes_before_one_of_the_environment");
        }
        assert_eq!(of("t list"), Ok((None, Some(3))));
        assert_eq!(of("t list --slot 7"), Ok((None, Some(7))));
        assert_eq!(of("t list --token audit"), Ok((Some("audit".into()), None)));
    }

    #[test]
    fn two_of_the_environment_exclude_one_another() {
        if std::env::var_os("SECURE_LOG_TEST_CHILD").is_none() {
            let both = [("SECURE_LOG_TOKEN_SLOT", "3"), ("SECURE_LOG_TOKEN_LABEL", "audit")];
            return read_with(&both, "two_of_the_environment_exclude_one_another");
        }
        assert_eq!(of("t list"), Err(ErrorKind::ArgumentConflict));
        assert_eq!(of("t list --slot 7"), Ok((None, Some(7))));
    }

    #[test]
    fn a_pin_and_its_file_in_the_environment_exclude_one_another() {
        const NAME: &str = "a_pin_and_its_file_in_the_environment_exclude_one_another";
        let words = |words: &str| Args::read(words.split(' ').map(OsString::from)).map(|_| ()).map_err(|e| e.kind());
        match std::env::var("SECURE_LOG_TEST_PAIR") {
            Err(_) => {
                for which in ["PIN", "SO_PIN", "NEW_PIN"] {
                    let (file, pin) = (format!("SECURE_LOG_TOKEN_{which}_FILE"), format!("SECURE_LOG_TOKEN_{which}"));
                    read_with(&[("SECURE_LOG_TEST_PAIR", which), (&file, "/f"), (&pin, "4711")], NAME);
                    read_with(&[("SECURE_LOG_TEST_PAIR", "none"), (&file, "/f"), (&pin, "")], NAME);
                }
            }
            Ok(none) if none == "none" => assert_eq!(words("t set-pin"), Ok(())),
            Ok(which) => {
                assert_eq!(words("t set-pin"), Err(ErrorKind::ArgumentConflict));
                let option = which.to_lowercase().replace('_', "-");
                assert_eq!(words(&format!("t set-pin --{option}-file /typed")), Ok(()));
            }
        }
    }

    fn refusal(words: &[&str]) -> String {
        let Err(error) = Args::read(["t"].iter().chain(words).map(OsString::from)) else { panic!("{words:?}") };
        error.render().to_string()
    }

    #[test]
    fn what_could_not_be_used_is_misuse() {
        for (words, why) in [
            (&["generate", "--alg", "ed25519", "--id", "01", "--label", ""][..], "empty --label"),
            (&["import", "--key", "k", "--id", "01", "--label", ""], "empty --label"),
            (&["generate", "--alg", "ed25519", "--id", "01", "--label", "a", "--bits", "3072"], "RSA keys only"),
            (&["generate", "--alg", "rsa-pss-sha256", "--id", "01", "--label", "a", "--bits", "2048"], "a log refuses"),
            (&["generate", "--alg", "rsa-pss-sha256", "--id", "01", "--label", "a", "--bits", "8193"], "3072 to 8192"),
            (&["init", "--label", "a", "--token", "b"], "--token chooses a token that exists"),
        ] {
            let text = refusal(words);
            assert!(text.contains(why), "{words:?}: {text}");
        }
        // An object of another tool may have an empty label, and is to be destroyed all the same.
        let words = ["t", "destroy", "--label", "", "--id", "01", "--class", "public-key"];
        assert!(Args::read(words.map(OsString::from)).is_ok());
    }

    #[test]
    fn a_word_too_many_is_not_shown() {
        for words in [
            &["list", "CANARY"][..],
            &["CANARY", "list"],
            &["sign", "--label", "a", "file", "CANARY"],
            &["set-pin", "CANARY"],
            &["list", "--pin=CANARY"],
            &["list", "--pin", "CANARY"],
            &["list", "--final-try=CANARY"],
        ] {
            let text = refusal(words);
            assert!(!text.contains("CANARY") && text.contains("Usage"), "{words:?}: {text}");
        }
        assert!(refusal(&["lst"]).contains("'lst'"));
    }

    #[test]
    fn the_final_try_is_asked_for_by_option_or_variable() {
        let asked = |words: &[&str]| Args::read(words.iter().map(OsString::from)).map(|args| args.common.final_try);
        if std::env::var_os("SECURE_LOG_TEST_CHILD").is_none() {
            assert!(!asked(&["t", "list"]).unwrap());
            assert!(asked(&["t", "list", "--final-try"]).unwrap());
            for value in ["1", "0", ""] {
                let variable = ("SECURE_LOG_TOKEN_FINAL_TRY", value);
                read_with(&[variable], "the_final_try_is_asked_for_by_option_or_variable");
            }
            return;
        }
        let set = std::env::var("SECURE_LOG_TOKEN_FINAL_TRY").unwrap();
        assert_eq!(asked(&["t", "list"]).unwrap(), set == "1");
    }

    #[test]
    fn no_option_takes_a_pin_itself() {
        let command = Args::command();
        for each in command.get_subcommands().chain([&command]) {
            for argument in each.get_arguments().filter(|a| a.get_id().as_str().contains("pin")) {
                assert!(argument.get_id().as_str().ends_with("_file"), "{}", argument.get_id());
            }
        }
        assert!(Args::try_parse_from(["t", "--pin", "1234", "list"]).is_err());
    }
}
