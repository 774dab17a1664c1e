//! Paths as a guest sees them, and which of them are another part's. Pure: nothing is opened here.
//!
//! Directories of a guest have names and no order: `/data`, `data` and `./data` are one to its libc, and a path
//! belongs to the directory whose name is its longest beginning, in whole components. Comparison here is the same.

/// Variable that names the store's directory.
pub const STORE_DIR: &str = "SECURE_LOG_STORE_DIR";

/// Variables of a file that a store must not rewrite, beside those that [`others`] knows by their ending. Not among
/// them: `SECURE_LOG_RPC_TOKENS`. It holds hashes, and what a token is for, the rows, the store has already.
const FILES: [&str; 3] = ["SECURE_LOG_AUTHORS", "SECURE_LOG_POLICY", "SECURE_LOG_WITNESS_LOGS"];

/// A path in its components: empty ones and `.` are left out, `..` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPath(Vec<String>);

impl GuestPath {
    /// Of any text.
    pub fn new(path: &str) -> GuestPath {
        GuestPath(path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect())
    }

    /// What is left of this path below `directory`; `None` when it does not begin so.
    pub fn below(&self, directory: &GuestPath) -> Option<GuestPath> {
        self.0.strip_prefix(directory.0.as_slice()).map(|rest| GuestPath(rest.to_vec()))
    }

    /// Number of components.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// As a path for `open-at`.
    pub fn relative(&self) -> String {
        if self.0.is_empty() { ".".to_owned() } else { self.0.join("/") }
    }

    /// The same without its last component; `None` if it has none.
    pub fn parent(&self) -> Option<GuestPath> {
        self.0.split_last().map(|(_, parent)| GuestPath(parent.to_vec()))
    }

    /// Whether one of them may contain the other. Where `..` follows after they part, names can not tell: then it may.
    pub fn overlaps(&self, other: &GuestPath) -> bool {
        let same = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count();
        let (left, right) = (&self.0[same..], &other.0[same..]);
        left.is_empty() || right.is_empty() || left.iter().chain(right).any(|part| part == "..")
    }
}

/// A file or directory of another part than the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The variable that names it.
    pub variable: String,
    /// Where it is. Of a file: itself, and of remembered heads the beginning of their names.
    pub path: GuestPath,
    /// All below it is the other part's as well.
    pub directory: bool,
}

impl Place {
    /// The directory it is in, or is.
    pub fn home(&self) -> GuestPath {
        if self.directory { self.path.clone() } else { self.path.parent().unwrap_or_else(|| self.path.clone()) }
    }
}

/// What the environment names as other parts' places: the value of every `SECURE_LOG_.._DIR` and `SECURE_LOG_.._FILE` but
/// the store's, and of the lists of keys that parts are given. By their ending, so that a variable which comes later is not forgotten here.
pub fn others(environment: &[(String, String)]) -> Vec<Place> {
    let place = |(name, value): &(String, String)| {
        let own = name.strip_prefix("SECURE_LOG_").filter(|_| name != STORE_DIR && !value.is_empty())?;
        let directory = own.ends_with("_DIR");
        (directory || own.ends_with("_FILE") || FILES.contains(&name.as_str())).then(|| Place {
            variable: name.clone(),
            path: GuestPath::new(value),
            directory,
        })
    };
    environment.iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(a: &str, b: &str) -> bool {
        let (a, b) = (GuestPath::new(a), GuestPath::new(b));
        assert_eq!(a.overlaps(&b), b.overlaps(&a));
        a.overlaps(&b)
    }

    #[test]
    fn a_directory_overlaps_with_what_is_in_it_and_around_it_by_whole_components() {
        for (a, b) in [
            ("/data", "/data"),
            ("/data/", "data"),
            ("./data", "/data/keys"),
            ("/data//./x", "data"),
            (".", "keys"),
            ("/", "/a/b"),
            ("", "x"),
            ("a/b/c", "a/b/"),
        ] {
            assert!(overlap(a, b), "{a:?} {b:?}");
        }
        for (a, b) in
            [("/data", "/data2"), ("/data/a", "/data/b"), ("keys", "key"), ("a/b", "b"), ("/data.keys", "/data")]
        {
            assert!(!overlap(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn where_dots_make_it_impossible_to_tell_paths_overlap() {
        for (a, b) in
            [("data", "data2/../data/keys"), ("data", "../keys"), ("..", "keys"), ("../data", "keys"), ("a/..", "b")]
        {
            assert!(overlap(a, b), "{a:?} {b:?}");
        }
        assert!(!overlap("../data", "../keys"));
    }

    #[test]
    fn what_is_below_a_directory_is_named_from_there() {
        let below = |path: &str, directory: &str| {
            GuestPath::new(path).below(&GuestPath::new(directory)).map(|rest| rest.relative())
        };
        assert_eq!(below("/data/keys/", "/data").as_deref(), Some("keys"));
        assert_eq!(below("keys/a", ".").as_deref(), Some("keys/a"));
        assert_eq!(below("/data", "data/").as_deref(), Some("."));
        assert_eq!(below("/database", "/data"), None);
    }

    #[test]
    fn every_directory_and_file_that_a_variable_names_is_anothers_but_the_stores_own() {
        let named = [
            ("SECURE_LOG_KEYSTORE_DIR", "/keys", true),
            ("SECURE_LOG_TOKEN_DIR", "/token", true),
            ("SECURE_LOG_PKCS11_PIN_FILE", "/pin/user", false),
            ("SECURE_LOG_HEAD_FILE", "/heads/head", false),
            ("SECURE_LOG_AUTHORS", "/conf/authors", false),
            ("SECURE_LOG_POLICY", "/conf/policy", false),
            ("SECURE_LOG_WITNESS_LOGS", "/conf/logs", false),
        ];
        let not_places = [
            (STORE_DIR, "/data"),
            ("SECURE_LOG_KEYSTORE_DIR", ""),
            ("SECURE_LOG_STORE_CONFIG", "/data/log.db"),
            ("SECURE_LOG_RPC_TOKENS", "/data/tokens"),
            ("SECURE_LOG_PKCS11_PIN", "1234"),
            ("HOME_DIR", "/root"),
        ];
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let environment: Vec<_> =
            named.iter().map(|(name, value, _)| (*name, *value)).chain(not_places).map(pair).collect();
        let expected: Vec<_> = named
            .map(|(name, value, directory)| Place { variable: name.to_owned(), path: GuestPath::new(value), directory })
            .into();
        assert_eq!(others(&environment), expected);
    }

    #[test]
    fn a_file_is_at_home_in_its_directory() {
        let home = |name: &str, value: &str| others(&[(name.to_owned(), value.to_owned())])[0].home().relative();
        assert_eq!(home("SECURE_LOG_HEAD_FILE", "heads/head"), "heads");
        assert_eq!(home("SECURE_LOG_HEAD_FILE", "head"), ".");
        assert_eq!(home("SECURE_LOG_KEYSTORE_DIR", "/keys/"), "keys");
    }
}
