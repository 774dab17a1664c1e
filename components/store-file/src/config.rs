//! The config text: a path, and `?shared` behind it for several writers.

use std::path::PathBuf;

use secure_log::store::StoreError;
use secure_log::types::quote;

/// A parsed config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of the log.
    pub path: PathBuf,
    /// Several writers at once.
    pub shared: bool,
}

impl Config {
    /// # Errors
    /// `Invalid` when the path is empty, a directory or `:memory:`, or something else than `shared` follows a `?`.
    pub fn parse(text: &str) -> Result<Config, StoreError> {
        let invalid = |why: &str| Err(StoreError::Invalid(format!("file store config {}: {why}", quote(text))));
        let (path, shared) = match text.split_once('?') {
            None => (text, false),
            Some((path, "shared")) => (path, true),
            Some(_) => return invalid("only ?shared may follow the path"),
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
        let path = PathBuf::from(path);
        if path.is_dir() || text.ends_with('/') {
            return invalid("the path is a directory");
        }
        Ok(Config { path, shared })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_config_is_a_path_and_perhaps_shared() {
        for bad in ["", "?shared", ":memory:", "a?", "a?Shared", "a?shared?shared", "a?x=1", "/", "/tmp", "a\0b"] {
            assert!(matches!(Config::parse(bad), Err(StoreError::Invalid(_))), "{bad:?}");
        }
        assert_eq!(Config::parse("a b.jsonl").unwrap(), Config { path: "a b.jsonl".into(), shared: false });
        assert_eq!(Config::parse("/x/a.jsonl?shared").unwrap(), Config { path: "/x/a.jsonl".into(), shared: true });
    }
}
