//! What `init` is given: `:memory:`, or a path and how the file is shared.
//!
//! ```text
//! config = ":memory:" / path [ "?" option *( "&" option ) ]
//! option = "shared"   several instances and processes at once; the default
//!        / "owner"    one instance: a write-ahead log and one sync per commit; who opens last is the owner
//!        / "readonly" nothing is created, locked with files or written (`watch`); stands alone
//!        / "lease"    take part in the locks that instances under WASI use; under WASI always
//! ```
//! The last `?` ends the path: a path that has one is given with an option.

use std::path::PathBuf;

use secure_log::store::StoreError;

/// How a database file is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every transaction locks the file, with a rollback journal.
    Shared,
    /// The file belongs to one instance, with a write-ahead log.
    Owner,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// Gone when the store is dropped; for tests.
    Memory,
    /// A file that is read as it is found.
    ReadOnly {
        /// As given; relative to the current directory, under WASI to a preopened one.
        path: PathBuf,
    },
    /// A file.
    File {
        /// As above.
        path: PathBuf,
        /// Shared unless said otherwise.
        mode: Mode,
        /// Lock with lease files instead of relying on the operating system alone.
        lease: bool,
    },
}

impl Config {
    /// Parses.
    ///
    /// # Errors
    /// `Invalid`, naming what is wrong.
    pub fn parse(text: &str) -> Result<Config, StoreError> {
        let bad = |why: String| Err(StoreError::Invalid(format!("config {text:?}: {why}")));
        let (path, options) = text.rsplit_once('?').map_or((text, None), |(path, options)| (path, Some(options)));
        if path.is_empty() {
            return bad("no path; give a file or :memory:".into());
        }
        if path.contains('\0') {
            return bad("a path has no NUL".into());
        }
        match (path, options) {
            (":memory:", None) => return Ok(Config::Memory),
            (":memory:", Some(_)) => return bad(":memory: takes no options".into()),
            (_, Some("readonly")) => return Ok(Config::ReadOnly { path: path.into() }),
            _ => {}
        }
        let mut mode = None;
        let mut lease = false;
        for option in options.into_iter().flat_map(|options| options.split('&')) {
            let wanted = match option {
                "shared" => Mode::Shared,
                "owner" => Mode::Owner,
                "readonly" => return bad("readonly stands alone".into()),
                "lease" => {
                    lease = true;
                    continue;
                }
                _ => return bad(format!("unknown option {option:?}; there are shared, owner, lease, readonly")),
            };
            if mode.is_some_and(|mode| mode != wanted) {
                return bad("only one of shared and owner".into());
            }
            mode = Some(wanted);
        }
        Ok(Config::File { path: path.into(), mode: mode.unwrap_or(Mode::Shared), lease })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: Mode, lease: bool) -> Result<Config, StoreError> {
        Ok(Config::File { path: path.into(), mode, lease })
    }

    #[test]
    fn options_follow_the_last_question_mark() {
        assert_eq!(Config::parse(":memory:"), Ok(Config::Memory));
        assert_eq!(Config::parse("a/audit.db"), file("a/audit.db", Mode::Shared, false));
        assert_eq!(Config::parse("audit.db?shared"), file("audit.db", Mode::Shared, false));
        assert_eq!(Config::parse("audit.db?owner"), file("audit.db", Mode::Owner, false));
        assert_eq!(Config::parse("audit.db?lease&owner"), file("audit.db", Mode::Owner, true));
        assert_eq!(Config::parse("audit.db?readonly"), Ok(Config::ReadOnly { path: "audit.db".into() }));
        assert_eq!(Config::parse("what?.db?lease"), file("what?.db", Mode::Shared, true));
    }

    #[test]
    fn what_is_no_config_is_invalid_and_named() {
        for text in [
            "",
            "?owner",
            "a.db?",
            "a.db?wal",
            "a.db?owner&shared",
            "a.db?readonly&owner",
            "a.db?lease&readonly",
            ":memory:?owner",
            ":memory:?readonly",
            "a\0b",
        ] {
            assert!(matches!(Config::parse(text), Err(StoreError::Invalid(why)) if why.contains("config")), "{text:?}");
        }
    }
}
