//! The environment variables of the core, read once, when the log is opened.
//!
//! | variable | value |
//! |---|---|
//! | `SECURE_LOG_NAME` | a lower-case DNS name with a dot; absent: a random local name |
//! | `SECURE_LOG_BOOT_ID` | 32 hex digits, also as a UUID; absent: zero |
//! | `SECURE_LOG_HEAD_FILE` | path prefix of the remembered heads; absent: none are remembered |
//! | `SECURE_LOG_AUTHORS` | path of the list of producers whose signatures streams demand; absent: none are demanded |
//! | `SECURE_LOG_HEAD_ADOPT` | `1`: accept, once, a signed stream without a remembered head; `0` or absent: do not |
//!
//! A variable that is set but not of its form, empty included, is `invalid`: a protection is never off by a
//! slip of the pen.

use std::env::{VarError, var};
use std::fs::File;
use std::io::Read as _;

use secure_log::author::{Demand, MAX_DEMAND};
use secure_log::error::Invalid;
use secure_log::log::{Config, Heads};
use secure_log::types::{LogName, quote};
use secure_log_system::FileHeads;

type Configured = (Config, Option<Box<dyn Heads>>);

/// What the environment says.
///
/// # Errors
/// `Invalid`, naming the variable.
pub fn from_environment() -> Result<Configured, Invalid> {
    from_lookup(|name| match var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Invalid(format!("{name} is not UTF-8"))),
    })
}

fn from_lookup(lookup: impl Fn(&str) -> Result<Option<String>, Invalid>) -> Result<Configured, Invalid> {
    let parsed = |name| {
        let value = lookup(name)?;
        if value.as_deref() == Some("") {
            return Err(Invalid(format!("{name} is set but empty")));
        }
        Ok(value.map(|value| Variable { name, value }))
    };
    let name = parsed("SECURE_LOG_NAME")?.map(|variable| variable.parse(|text| LogName::try_from(text))).transpose()?;
    let boot_id = parsed("SECURE_LOG_BOOT_ID")?.map(|variable| variable.parse(boot_id)).transpose()?;
    let heads = parsed("SECURE_LOG_HEAD_FILE")?.map(|variable| variable.parse(FileHeads::new)).transpose()?;
    let adopt = parsed("SECURE_LOG_HEAD_ADOPT")?.map(|variable| variable.parse(switch)).transpose()?;
    let adopt_heads = adopt.unwrap_or(false);
    if adopt_heads && heads.is_none() {
        return Err(Invalid("SECURE_LOG_HEAD_ADOPT=1 needs SECURE_LOG_HEAD_FILE".into()));
    }
    let authors = parsed("SECURE_LOG_AUTHORS")?.map(|variable| variable.parse(demand)).transpose()?;
    let authors = authors.unwrap_or_default();
    let config = Config { name, boot_id: boot_id.unwrap_or_default(), adopt_heads, authors };
    Ok((config, heads.map(|heads| Box::new(heads) as Box<dyn Heads>)))
}

struct Variable {
    name: &'static str,
    value: String,
}

impl Variable {
    fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<T, Invalid> {
        parse(&self.value).map_err(|error| Invalid(format!("{}: {error}", self.name)))
    }
}

/// 16 bytes as 32 hex digits, or in the 8-4-4-4-12 form the Linux kernel gives.
fn boot_id(text: &str) -> Result<[u8; 16], Invalid> {
    let bad = || Invalid(format!("{} is not 32 hex digits or a UUID", quote(text)));
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.replace('-', "");
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !all_hex || !matches!(groups[..], [32] | [8, 4, 4, 4, 12]) {
        return Err(bad());
    }
    u128::from_str_radix(&digits, 16).map(u128::to_be_bytes).map_err(|_| bad())
}

/// The list in the file at this path.
fn demand(path: &str) -> Result<Demand, Invalid> {
    let bad = |why: String| Invalid(format!("file {}: {why}", quote(path)));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_DEMAND as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| bad(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
    Demand::parse(&text).map_err(|error| bad(error.0))
}

fn switch(text: &str) -> Result<bool, Invalid> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(Invalid(format!("{} is neither 1 nor 0", quote(other)))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Configured, Invalid> {
        from_lookup(|name| Ok(variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())))
    }

    #[test]
    fn nothing_set_is_a_local_log_without_heads() {
        let (config, heads) = with(&[]).unwrap();
        assert_eq!((config.name, config.boot_id, config.adopt_heads), (None, [0; 16], false));
        assert!(heads.is_none());
    }

    #[test]
    fn every_variable_is_read() {
        let (config, heads) = with(&[
            ("SECURE_LOG_NAME", "log.example.org"),
            ("SECURE_LOG_BOOT_ID", "00112233-4455-6677-8899-AAbbccddeeff"),
            ("SECURE_LOG_HEAD_FILE", "/heads/head"),
            ("SECURE_LOG_HEAD_ADOPT", "1"),
        ])
        .unwrap();
        assert_eq!(config.name.unwrap().as_str(), "log.example.org");
        assert_eq!(config.boot_id, 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes());
        assert!(config.adopt_heads && heads.is_some());
    }

    #[test]
    fn a_value_that_is_none_is_refused_by_the_name_of_its_variable() {
        for (name, value) in [
            ("SECURE_LOG_NAME", ""),
            ("SECURE_LOG_NAME", "Log.example.org"),
            ("SECURE_LOG_NAME", "localhost"),
            ("SECURE_LOG_BOOT_ID", ""),
            ("SECURE_LOG_BOOT_ID", "00"),
            ("SECURE_LOG_BOOT_ID", "+0112233445566778899aabbccddeeff"),
            ("SECURE_LOG_BOOT_ID", "0011223344556677-8899aabbccddeeff"),
            ("SECURE_LOG_BOOT_ID", "00112233445566778899aabbccddeeff\n"),
            ("SECURE_LOG_HEAD_FILE", ""),
            ("SECURE_LOG_HEAD_FILE", "/heads/"),
            ("SECURE_LOG_HEAD_ADOPT", "yes"),
            ("SECURE_LOG_HEAD_ADOPT", ""),
            ("SECURE_LOG_HEAD_ADOPT", "1"),
            ("SECURE_LOG_AUTHORS", ""),
            ("SECURE_LOG_AUTHORS", "/no/such/file"),
        ] {
            let error = with(&[(name, value)]).err().unwrap();
            assert!(error.0.contains(name), "{name}={value:?}: {error}");
        }
    }

    #[test]
    fn producers_are_demanded_as_their_file_says_and_a_file_that_says_nothing_is_refused() {
        let path = std::env::temp_dir().join(format!("secure-log-authors-{}", std::process::id()));
        let text = path.to_str().unwrap();
        let vkey = "till-7+3cb853ed+Af6Xr+G62c6sbkYLs3lPp+x7yxrx1hbxD3bGdBzgU3/V";
        let read = |content: &str| {
            std::fs::write(&path, content).unwrap();
            with(&[("SECURE_LOG_AUTHORS", text)]).map(|(config, _)| config.authors)
        };
        let key: Result<secure_log::note::VerifierKey, _> = vkey.parse();
        let demand = read(&format!("payments {}\n", key.clone().unwrap())).unwrap();
        assert_eq!(demand.keys(&"payments".try_into().unwrap()), [key.unwrap()]);
        assert!(demand.keys(&"other".try_into().unwrap()).is_empty());
        for nothing in ["", "# nobody\n", "payments\n"] {
            let error = read(nothing).err().unwrap();
            assert!(error.0.contains("SECURE_LOG_AUTHORS") && error.0.contains(text), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
