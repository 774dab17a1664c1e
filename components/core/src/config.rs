//! The environment variables of the core, read once, when the log is opened.
//!
//! | variable | value |
//! |---|---|
//! | `SECURE_LOG_NAME` | a lower-case DNS name with a dot; absent: a random local name |
//! | `SECURE_LOG_BOOT_ID` | 32 hex digits, also as a UUID; absent: zero |
//! | `SECURE_LOG_HEAD_FILE` | path prefix of the remembered heads; absent: none are remembered |
//! | `SECURE_LOG_HEAD_ADOPT` | `1`: accept, once, a signed stream without a remembered head; `0` or absent: do not |
//!
//! A variable that is set but not of its form, empty included, is `invalid`: a protection is never off by a
//! slip of the pen.

use std::env::{VarError, var};

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
    let config = Config { name, boot_id: boot_id.unwrap_or_default(), adopt_heads };
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
        ] {
            let error = with(&[(name, value)]).err().unwrap();
            assert!(error.0.contains(name), "{name}={value:?}: {error}");
        }
    }
}
