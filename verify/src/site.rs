//! Where one log lives: the directories and variables a guest is given, and no more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::softhsm::Token;

/// The log name of every log this harness makes: first part of the origins in its notes.
pub const LOG_NAME: &str = "verify.example";
/// The boot id every guest is given: 16 bytes in hexadecimal.
pub const BOOT_ID: &str = "00112233445566778899aabbccddeeff";
/// Where a guest finds the store, its keys and the remembered heads. Three preopens: a store that could be
/// made to write elsewhere still reaches neither keys nor heads by its own path.
const STORE: &str = "/store";
const KEYS: &str = "/keys";
const HEADS: &str = "/heads";

/// One log: its three directories and what else its guests are told.
#[derive(Clone, Debug)]
pub struct Site {
    store_dir: PathBuf,
    file: Option<String>,
    suffix: String,
    config: Option<String>,
    algorithm: String,
    endpoint: Option<(String, String)>,
    extra: Vec<(String, String)>,
    heads: bool,
    quiet: bool,
    token: Option<Token>,
}

impl Site {
    /// A log in file `name` of `dir/store`, keys in `dir/store.keys`, heads in `dir/store.heads`,
    /// which begin with `name`; the directories are made.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn at(dir: &Path, name: &str, algorithm: &str) -> Result<Site> {
        Site::with_store_dir(dir.join("store"), Some(name.to_owned()), algorithm)
    }

    /// A log without local storage (`:memory:`, or behind an endpoint): keys and heads beside `dir/store`.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn without_file(dir: &Path, config: &str, algorithm: &str) -> Result<Site> {
        let mut site = Site::with_store_dir(dir.join("store"), None, algorithm)?;
        site.config = Some(config.to_owned());
        Ok(site)
    }

    /// Where a person's own `config` lives: in the directory it names, or, for a bare file name, in
    /// `secure-log-data` of the current directory, so that a guest never sees a directory that holds more.
    ///
    /// # Errors
    /// A directory cannot be made, or the path has no file name.
    pub fn of_config(config: &str, algorithm: &str) -> Result<Site> {
        let (path, suffix) = match config.split_once('?') {
            Some((path, suffix)) => (Path::new(path), format!("?{suffix}")),
            None => (Path::new(config), String::new()),
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{config:?} names no file"))?.to_owned();
        let dir = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("secure-log-data"),
        };
        let site = Site::with_store_dir(dir, Some(name), algorithm)?;
        Ok(Site { suffix, ..site })
    }

    fn with_store_dir(store_dir: PathBuf, file: Option<String>, algorithm: &str) -> Result<Site> {
        let site = Site {
            store_dir,
            file,
            suffix: String::new(),
            config: None,
            algorithm: algorithm.to_owned(),
            endpoint: None,
            extra: Vec::new(),
            heads: true,
            quiet: false,
            token: None,
        };
        for (dir, _) in site.preopens() {
            fs::create_dir_all(&dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
        }
        Ok(site)
    }

    /// The same log, as if its directories were in `dir`; nothing is made or copied.
    pub fn moved(&self, dir: &Path) -> Site {
        Site { store_dir: dir.join("store"), ..self.clone() }
    }

    /// The same log with its rows behind `url`.
    pub fn behind(mut self, url: &str, token: &str) -> Site {
        self.endpoint = Some((url.to_owned(), token.to_owned()));
        self
    }

    /// The same log, its store opened with `suffix` (`?shared`).
    pub fn with_suffix(mut self, suffix: &str) -> Site {
        suffix.clone_into(&mut self.suffix);
        self
    }

    /// The same log with a store config of the caller's own, word for word.
    pub fn with_config(mut self, config: &str) -> Site {
        self.config = Some(config.to_owned());
        self
    }

    /// The same log; its guests see one more variable.
    pub fn with_env(mut self, name: &str, value: &str) -> Site {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same log for a guest that remembers no heads.
    pub fn without_heads(mut self) -> Site {
        self.heads = false;
        self
    }

    /// The same log for a guest whose stderr nobody reads: thousands of damaged stores each say so.
    pub fn quiet(mut self) -> Site {
        self.quiet = true;
        self
    }

    /// The same log with its keys in this token.
    pub fn with_token(mut self, token: &Token) -> Site {
        self.token = Some(token.clone());
        self
    }

    /// Whether nobody reads its guest's stderr.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What `open` is given.
    pub fn config(&self) -> String {
        match (&self.config, &self.file) {
            (Some(config), _) => config.clone(),
            (None, Some(file)) => format!("{STORE}/{file}{}", self.suffix),
            (None, None) => String::new(),
        }
    }

    /// The algorithm of keys this log creates.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Label of the signing key.
    pub fn identity(&self) -> String {
        format!("verify-{}", self.algorithm)
    }

    /// Label of another key, which never signed for this log.
    pub fn other_identity(&self) -> String {
        format!("other-{}", self.algorithm)
    }

    /// The file of the store, if it is a local one.
    pub fn file(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| self.store_dir.join(file))
    }

    /// The directory of the store.
    pub fn store_dir(&self) -> &Path {
        &self.store_dir
    }

    /// The directory of the remembered heads.
    pub fn heads_dir(&self) -> PathBuf {
        self.beside("heads")
    }

    /// Directories on the host and their names in the guest.
    pub fn preopens(&self) -> Vec<(PathBuf, &'static str)> {
        let mut all = vec![(self.heads_dir(), HEADS)];
        match &self.token {
            None => all.push((self.beside("keys"), KEYS)),
            Some(token) => all.extend(token.preopens.iter().cloned()),
        }
        if self.file.is_some() {
            all.push((self.store_dir.clone(), STORE));
        }
        all
    }

    /// The environment of the guest.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![
            ("SECURE_LOG_NAME".to_owned(), LOG_NAME.to_owned()),
            ("SECURE_LOG_BOOT_ID".to_owned(), BOOT_ID.to_owned()),
            ("SECURE_LOG_HEAD_FILE".to_owned(), self.head_prefix()),
        ];
        match &self.token {
            None => env.extend([
                ("SECURE_LOG_KEYSTORE_DIR".to_owned(), KEYS.to_owned()),
                ("SECURE_LOG_KEYSTORE_CREATE".to_owned(), "1".to_owned()),
                ("SECURE_LOG_KEYSTORE_ALG".to_owned(), self.algorithm.clone()),
            ]),
            Some(token) => env.extend(token.env.iter().cloned()),
        }
        if let Some((url, token)) = &self.endpoint {
            env.push(("SECURE_LOG_RPC_URL".to_owned(), url.clone()));
            env.push(("SECURE_LOG_RPC_TOKEN".to_owned(), token.clone()));
        }
        env.retain(|(name, _)| self.heads || name != "SECURE_LOG_HEAD_FILE");
        env.retain(|(name, _)| !self.extra.iter().any(|(other, _)| other == name));
        env.extend(self.extra.iter().cloned());
        env
    }

    /// What the paths of the remembered heads begin with. The store's own name, because two stores in one folder are two
    /// logs, though they have one log name: the head of one would be a rollback of the other.
    fn head_prefix(&self) -> String {
        format!("{HEADS}/{}", self.file.as_deref().unwrap_or("head"))
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.store_dir.clone().into_os_string();
        name.push(".");
        name.push(what);
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head_file(config: &str) -> String {
        let site = Site::of_config(config, "ed25519").unwrap();
        site.env().into_iter().find(|(name, _)| name == "SECURE_LOG_HEAD_FILE").unwrap().1
    }

    #[test]
    fn two_stores_in_one_folder_remember_heads_apart_and_one_opened_otherwise_remembers_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let config = |name: &str| format!("{}/{name}", dir.path().display());
        let head = head_file(&config("audit.jsonl"));
        assert_ne!(head, head_file(&config("audit.db")));
        assert_eq!(head, head_file(&config("audit.jsonl?shared")));
    }
}
