//! The config text: a path, and behind it `?shared` for several writers or `?readonly` for none.

use std::path::{Path, PathBuf};

use secure_log::store::StoreError;
use secure_log::types::quote;

/// Who writes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One at a time, under a lease.
    Owner,
    /// Several at once.
    Shared,
    /// Not this instance: it opens what is there, and changes nothing.
    ReadOnly,
}

/// A parsed config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of the log.
    pub path: PathBuf,
    /// As the option says; `Owner` without one.
    pub mode: Mode,
}

impl Config {
    /// # Errors
    /// `Invalid` when the path is empty, a directory or `:memory:`, or something else than one option follows a `?`.
    pub fn parse(text: &str) -> Result<Config, StoreError> {
        let invalid = |why: &str| Err(StoreError::Invalid(format!("file store config {}: {why}", quote(text))));
        let (path, mode) = match text.split_once('?') {
            None => (text, Mode::Owner),
            Some((path, "shared")) => (path, Mode::Shared),
            Some((path, "readonly")) => (path, Mode::ReadOnly),
            Some(_) => return invalid("only one of ?shared and ?readonly may follow the path"),
        };
        if path.is_empty() {
            return invalid("the path is empty");
        }
        if path.contains('\0') {
            return invalid("the path has a NUL");
        }
        if path == ":memory:" {
            return invalid("this store keeps files; :memory: is for SQLite");
        }
        if path.ends_with('/') || Path::new(path).is_dir() {
            return invalid("the path is a directory");
        }
        Ok(Config { path: path.into(), mode })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_config_is_a_path_and_perhaps_one_option() {
        let options = ["a?", "a?Shared", "a?shared?shared", "a?shared&readonly", "a?readonly?shared", "a?x=1"];
        for bad in ["", "?shared", "?readonly", ":memory:", "/", "/tmp", "no/", "no/?shared", "a\0b"]
            .into_iter()
            .chain(options)
        {
            assert!(matches!(Config::parse(bad), Err(StoreError::Invalid(_))), "{bad:?}");
        }
        for (text, path, mode) in [
            ("a b.jsonl", "a b.jsonl", Mode::Owner),
            ("/x/a.jsonl?shared", "/x/a.jsonl", Mode::Shared),
            ("/x/a.jsonl?readonly", "/x/a.jsonl", Mode::ReadOnly),
        ] {
            assert_eq!(Config::parse(text).unwrap(), Config { path: path.into(), mode });
        }
    }
}
