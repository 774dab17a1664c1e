//! Whom to believe: C2SP tlog-policy text (c2sp.org/tlog-policy), by its strictest reading.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> <k>|all|any <name>...
//! quorum <name>|none
//! # comment; empty lines and tabs are allowed
//! ```
//!
//! A checkpoint is good when the log of its origin signed it, with the listed key or one that the log's own entries
//! lead to from there (`keys`), and the quorum cosigned it. Not here:
//! checking those signatures (`note`), or asking anyone anything: URLs are kept for people.
//!
//! A witness may have an ML-DSA-44 key (tlog-cosignature, type 0x06), which nothing here verifies: it counts as one
//! that never cosigned, and a quorum that needs it is refused.
//!
//! A log whose streams share a key is as many logs as it has streams, each of its own origin. C2SP allows a key in one
//! `log` line only, so an auditor has a policy for each stream; [`KnownLogs`], a witness's list, has them all.
//!
//! Invariants:
//! 1. A name is defined once and used after its line, so `nodes` is in topological order and has no cycle.
//! 2. A name is a member of at most one group, so a witness counts once.
//! 3. A public key stands in one line, whatever its key name: no key vouches twice, and no log for itself. Only in
//!    [`KnownLogs`] it may stand in several `log` lines, of different origins.

use std::borrow::Borrow;

use crate::error::Invalid;
use crate::note::{VerifierKey, VerifierKeyKind, ml_dsa_44};
use crate::types::quote;

/// Longest policy in bytes: 64 logs with 16,384-bit RSA keys, 64 witnesses, 64 groups and some comment.
pub const MAX_POLICY: usize = 512 * 1024;
/// Logs, witnesses and groups, at most, each; the specification recommends 32 or more.
pub const MAX_OF_EACH: usize = 64;
/// The quorum that asks for no cosignature; no witness or group may have this name.
const NONE: &str = "none";

/// A parsed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    unverifiable: Vec<Unverifiable>,
    nodes: Vec<Node>,
    /// Index into `nodes`; none asks for no cosignature.
    quorum: Option<usize>,
}

/// The logs that a witness knows: the `log` lines of tlog-policy text, in which one key may sign for several origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLogs(Vec<VerifierKey>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    key: VerifierKey,
    url: Option<String>,
}

/// A witness that may count towards the quorum. Borrows as its key, so that a list of them serves
/// [`crate::note::VerifiedCheckpoint::cosignatures`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this policy; means nothing elsewhere.
    pub name: String,
    /// Its cosignature/v1 key.
    pub key: VerifierKey,
    /// Where it takes checkpoints, for people and tools.
    pub url: Option<String>,
}

impl Borrow<VerifierKey> for Witness {
    fn borrow(&self) -> &VerifierKey {
        &self.key
    }
}

/// A witness whose cosignatures are not verified here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unverifiable {
    name: String,
    public_key: Vec<u8>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// Index into `witnesses`.
    Witness(usize),
    /// Never met.
    Unverifiable,
    /// At least `threshold` of the nodes at these earlier indices.
    Group { threshold: usize, members: Vec<usize> },
}

impl Policy {
    /// Parses the text; every line, the last included, ends with LF, so that a cut policy is no policy.
    ///
    /// # Errors
    /// Names the line: an unknown keyword, a name or key used twice, a name not yet defined, a key of the wrong
    /// kind (a log signs with ed25519, ECDSA or RSA-PSS, a witness with cosignature/v1 or ML-DSA-44), a threshold that
    /// is not 1 to the number of members, a control character, not exactly one quorum line, more than the limits above.
    /// A quorum that is not met even if every witness cosigned that can be verified here.
    pub fn parse(text: &str) -> Result<Policy, Invalid> {
        let policy = Parser::default().parse(text)?;
        let everybody: Vec<usize> = (0..policy.witnesses.len()).collect();
        match policy.quorum_met(&everybody) {
            true => Ok(policy),
            false => {
                let names: Vec<String> = policy.unverifiable().map(quote).collect();
                Err(Invalid(format!(
                    "policy: the quorum cannot be met without {}: ML-DSA-44 cosignatures are not verified here",
                    names.join(", ")
                )))
            }
        }
    }

    /// The keys of the log of this origin, in the order of their lines: only those whose key name is the origin. Who
    /// verifies the log takes the first as its first key; who checks a proof file or a checkpoint alone, any.
    pub fn log_keys(&self, origin: &str) -> Vec<&VerifierKey> {
        self.logs.iter().map(|log| &log.key).filter(|key| key.name() == origin).collect()
    }

    /// The keys of all logs, in the order of their lines.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter().map(|log| &log.key)
    }

    /// Where the log with this key can be reached, if the policy says so.
    pub fn log_url(&self, key: &VerifierKey) -> Option<&str> {
        self.logs.iter().find(|log| log.key == *key)?.url.as_deref()
    }

    /// All witnesses, in the order of their lines; [`Policy::quorum_met`] speaks of them by index.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Names of the witnesses whose cosignatures are not verified here, in the order of their lines: they are none of
    /// [`Policy::witnesses`].
    pub fn unverifiable(&self) -> impl Iterator<Item = &str> {
        self.unverifiable.iter().map(|witness| witness.name.as_str())
    }

    /// Whether any cosignature is asked for at all.
    pub fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether these witnesses (indices into [`Policy::witnesses`], repeats are harmless) are enough.
    pub fn quorum_met(&self, cosigned: &[usize]) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut met: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            met.push(match node {
                Node::Witness(index) => cosigned.contains(index),
                Node::Unverifiable => false,
                Node::Group { threshold, members } => {
                    members.iter().filter(|member| met.get(**member) == Some(&true)).count() >= *threshold
                }
            });
        }
        met.get(quorum) == Some(&true)
    }
}

impl KnownLogs {
    /// Parses what [`Policy::parse`] does, and besides several `log` lines of one key, each of another origin.
    /// Whether the quorum can be met does not matter.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn parse(text: &str) -> Result<KnownLogs, Invalid> {
        Ok(Parser { share_keys: true, ..Parser::default() }.parse(text)?.into())
    }

    /// The keys of the log of this origin; none: it is not known.
    pub fn keys_of(&self, origin: &str) -> Vec<&VerifierKey> {
        self.iter().filter(|key| key.name() == origin).collect()
    }

    /// All of them, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &VerifierKey> {
        self.0.iter()
    }
}

impl From<Policy> for KnownLogs {
    fn from(policy: Policy) -> KnownLogs {
        KnownLogs(policy.logs.into_iter().map(|log| log.key).collect())
    }
}

#[derive(Default)]
struct Parser {
    /// Whether logs of different origins may have one key.
    share_keys: bool,
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    unverifiable: Vec<Unverifiable>,
    nodes: Vec<Node>,
    /// Name of each node, and whether a group has it as a member.
    names: Vec<(String, bool)>,
    quorum: Option<Option<usize>>,
}

impl Parser {
    fn parse(mut self, text: &str) -> Result<Policy, Invalid> {
        if text.len() > MAX_POLICY {
            return Err(Invalid(format!("policy: {} bytes, at most {MAX_POLICY}", text.len())));
        }
        for (index, line) in text.split_terminator('\n').enumerate() {
            self.line(line).map_err(|why| Invalid(format!("policy line {}: {why}", index + 1)))?;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(Invalid("policy: the last line does not end with a newline; it may have been cut".into()));
        }
        let quorum = self.quorum.ok_or_else(|| Invalid("policy: there is no quorum line".into()))?;
        let Parser { logs, witnesses, unverifiable, nodes, .. } = self;
        Ok(Policy { logs, witnesses, unverifiable, nodes, quorum })
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(control) = line.bytes().find(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(format!("control character {control:#04x}"));
        }
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let Some(keyword) = items.next().filter(|keyword| !keyword.starts_with('#')) else { return Ok(()) };
        let items: Vec<&str> = items.collect();
        match (keyword, items.as_slice()) {
            ("log", [vkey]) => self.log(vkey, None),
            ("log", [vkey, url]) => self.log(vkey, Some(url)),
            ("witness", [name, vkey]) => self.witness(name, vkey, None),
            ("witness", [name, vkey, url]) => self.witness(name, vkey, Some(url)),
            ("group", [name, threshold, members @ ..]) if !members.is_empty() => self.group(name, threshold, members),
            ("quorum", [name]) => self.quorum(name),
            ("log", _) => Err("must be: log <vkey> [<url>]".into()),
            ("witness", _) => Err("must be: witness <name> <vkey> [<url>]".into()),
            ("group", _) => Err("must be: group <name> <k>|all|any <name>...".into()),
            ("quorum", _) => Err("must be: quorum <name>|none".into()),
            _ => Err(format!("unknown keyword {}", quote(keyword))),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), String> {
        let key = match ml_dsa_44(vkey).map_err(|error| error.0)? {
            None => self.new_key(vkey)?,
            Some(_) => return Err(NO_LOG_KEY.into()),
        };
        if !matches!(key.key(), VerifierKeyKind::Signature(_)) {
            return Err(NO_LOG_KEY.into());
        }
        let clashes = |log: &Log| same_public_key(&log.key, &key) && !(self.share_keys && log.key.name() != key.name());
        if self.logs.iter().any(clashes) {
            return Err(KEY_TAKEN.into());
        }
        room(self.logs.len(), "logs")?;
        self.logs.push(Log { key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Result<(), String> {
        room(self.witnesses.len() + self.unverifiable.len(), "witnesses")?;
        if let Some(public_key) = ml_dsa_44(vkey).map_err(|error| error.0)? {
            if self.unverifiable.iter().any(|known| known.public_key == public_key) {
                return Err(KEY_TAKEN.into());
            }
            self.define(name, Node::Unverifiable)?;
            self.unverifiable.push(Unverifiable { name: name.to_owned(), public_key });
            return Ok(());
        }
        let key = self.new_key(vkey)?;
        if !matches!(key.key(), VerifierKeyKind::CosignatureV1(_)) {
            return Err("a witness needs a cosignature/v1 key (type 0x04) or ML-DSA-44 (0x06); this is a log's".into());
        }
        if self.logs.iter().any(|log| same_public_key(&log.key, &key)) {
            return Err(KEY_TAKEN.into());
        }
        self.define(name, Node::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: name.to_owned(), key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), String> {
        room(self.nodes.len() - self.witnesses.len() - self.unverifiable.len(), "groups")?;
        let mut members = Vec::new();
        for member in names {
            let index = self.find(member)?;
            match self.names.get_mut(index) {
                Some((_, used @ false)) => *used = true,
                _ => return Err(format!("{} is already a member of a group", quote(member))),
            }
            members.push(index);
        }
        let decimal = threshold.parse().ok().filter(|k: &usize| k.to_string() == threshold);
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            _ => decimal
                .filter(|k| (1..=members.len()).contains(k))
                .ok_or_else(|| format!("{} is no threshold for {} members", quote(threshold), members.len()))?,
        };
        self.define(name, Node::Group { threshold, members })
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum line".into());
        }
        self.quorum = Some(match name {
            NONE => None,
            name => Some(self.find(name)?),
        });
        Ok(())
    }

    fn define(&mut self, name: &str, node: Node) -> Result<(), String> {
        if name == NONE || self.names.iter().any(|(taken, _)| taken == name) {
            return Err(format!("the name {} is taken", quote(name)));
        }
        self.names.push((name.to_owned(), false));
        self.nodes.push(node);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, String> {
        let found = self.names.iter().position(|(defined, _)| defined == name);
        found.ok_or_else(|| format!("no line before this one defines {}", quote(name)))
    }

    /// A key that no witness before has.
    fn new_key(&self, vkey: &str) -> Result<VerifierKey, String> {
        let key: VerifierKey = vkey.parse().map_err(|error: Invalid| error.0)?;
        match self.witnesses.iter().any(|witness| same_public_key(&witness.key, &key)) {
            true => Err(KEY_TAKEN.into()),
            false => Ok(key),
        }
    }
}

const NO_LOG_KEY: &str = "a log needs a key of type ed25519, ECDSA or RSA-PSS; this one is a witness's";
const KEY_TAKEN: &str = "a line before this one has the same public key";

fn same_public_key(a: &VerifierKey, b: &VerifierKey) -> bool {
    a.key().public_key() == b.key().public_key()
}

fn room(count: usize, what: &str) -> Result<(), String> {
    match count < MAX_OF_EACH {
        true => Ok(()),
        false => Err(format!("more than {MAX_OF_EACH} {what}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::signer::Algorithm;
    use crate::signer::testing::TestKey;
    use crate::types::hex;

    fn log(origin: &str, seed: u8) -> VerifierKey {
        VerifierKey::for_log(origin, TestKey::new(Algorithm::Ed25519, seed).public()).unwrap()
    }

    fn witness(seed: u8) -> VerifierKey {
        let key = TestKey::new(Algorithm::Ed25519, seed).public();
        VerifierKey::for_witness(&format!("w{seed}.example"), key).unwrap()
    }

    /// The example of the specification.
    fn example() -> String {
        let mut text = format!("# an example\n\n\tlog  {} https://log.example.org/ \n", log("log.example.org/a", 1));
        for (seed, name) in [(11, "X1"), (12, "X2"), (13, "X3")] {
            text += &format!("witness {name} {}\n", witness(seed));
        }
        text += "group X-witnesses 2 X1 X2 X3\n";
        for (seed, name) in [(21, "Y1"), (22, "Y2"), (23, "Y3")] {
            text += &format!("witness {name} {} https://{name}.example/\n", witness(seed));
        }
        text + "group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    }

    #[test]
    fn the_example_of_the_specification_asks_for_two_of_x_and_one_of_y() {
        let policy = Policy::parse(&example()).unwrap();
        assert_eq!(policy.witnesses().len(), 6);
        for chosen in 0_u32..64 {
            let cosigned: Vec<usize> = (0..6).filter(|index| chosen >> index & 1 == 1).collect();
            let enough = (chosen & 0b111).count_ones() >= 2 && chosen & 0b111000 != 0;
            assert_eq!(policy.quorum_met(&cosigned), enough, "{cosigned:?}");
        }
        assert!(!policy.quorum_met(&[0, 0, 3]), "one witness counts once");
        assert!(!policy.quorum_met(&[7, 8, 99]), "no witnesses of this policy");
    }

    #[test]
    fn only_log_lines_of_the_origin_give_keys() {
        let rotated = log("log.example.org/a", 3);
        let text = example().replace("quorum", &format!("log {}\nlog {rotated}\nquorum", log("log.example.org/b", 2)));
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(policy.log_keys("log.example.org/a"), vec![&log("log.example.org/a", 1), &rotated]);
        assert_eq!(policy.log_keys("log.example.org/b").len(), 1);
        assert_eq!(policy.log_keys("log.example.org"), Vec::<&VerifierKey>::new());
        assert_eq!(policy.log_url(&log("log.example.org/a", 1)), Some("https://log.example.org/"));
        assert_eq!(policy.log_url(&rotated), None);
    }

    #[test]
    fn a_quorum_of_none_is_met_by_nobody_and_no_quorum_is_no_policy() {
        let policy = Policy::parse("quorum none\n").unwrap();
        assert!(policy.quorum_met(&[]) && !policy.needs_witnesses());
        for no_policy in ["", "\n", "# quorum none\n"] {
            assert!(Policy::parse(no_policy).unwrap_err().0.contains("no quorum"));
        }
    }

    #[test]
    fn errors_name_the_line_and_the_fault() {
        let (w1, w2, a) = (witness(11), witness(12), log("a.example/x", 1));
        let two = format!("witness A {w1}\nwitness B {w2}\n");
        let renamed = VerifierKey::for_log("other.example/x", a.key().public_key().clone()).unwrap();
        let as_log = VerifierKey::for_log("w11.example", w1.key().public_key().clone()).unwrap();
        for (text, line, why) in [
            (format!("{two}quorum C\n"), 3, "no line before this one defines \"C\""),
            (format!("{two}group g any A C\n"), 3, "no line before"),
            (format!("{two}group g any g\n"), 3, "no line before"),
            (format!("quorum A\n{two}"), 1, "no line before"),
            (format!("{two}group A any B\n"), 3, "taken"),
            (format!("witness none {w1}\n"), 1, "taken"),
            (format!("{two}group g any none\n"), 3, "no line before"),
            (format!("{two}group g any A A\n"), 3, "already a member"),
            (format!("{two}group g any A\ngroup h all A B\n"), 4, "already a member"),
            (format!("{two}group g 3 A B\n"), 3, "no threshold"),
            (format!("{two}group g 0 A B\n"), 3, "no threshold"),
            (format!("{two}group g 01 A B\n"), 3, "no threshold"),
            (format!("{two}group g +1 A B\n"), 3, "no threshold"),
            (format!("{two}group g ANY A B\n"), 3, "no threshold"),
            (format!("{two}group g any\n"), 3, "must be: group"),
            (format!("{two}quorum\n"), 3, "must be: quorum"),
            (format!("{two}quorum A B\n"), 3, "must be: quorum"),
            (format!("{two}quorum A\nquorum A\n"), 4, "second quorum"),
            (format!("{two}Quorum A\n"), 3, "unknown keyword"),
            (format!("{two}mirror A\n"), 3, "unknown keyword"),
            (format!("{two}quorum A\r\n"), 3, "control character 0x0d"),
            (format!("{two}quorum A\u{7f}\n"), 3, "control character 0x7f"),
            (format!("log {a} https://u x\n"), 1, "must be: log"),
            ("log\n".into(), 1, "must be: log"),
            (format!("log {a}\nlog {a}\n"), 2, "same public key"),
            (format!("log {a}\nlog {renamed}\n"), 2, "same public key"),
            (format!("witness A {w1}\nwitness B {w1}\n"), 2, "same public key"),
            (format!("witness A {w1}\nlog {as_log}\n"), 2, "same public key"),
            (format!("log {w1}\n"), 1, "a witness's"),
            (format!("witness A {a}\n"), 1, "a log's"),
            ("log a.example/x+00000000+AQ==\n".into(), 1, "32 bytes"),
            (format!("log {}\n", a.to_string().replace("x+", "x+0")), 1, "key id"),
        ] {
            let error = Policy::parse(&text).unwrap_err().0;
            assert!(error.starts_with(&format!("policy line {line}: ")) && error.contains(why), "{error}: {why}");
        }
        assert!(Policy::parse("quorum none").unwrap_err().0.contains("newline"));
        assert!(Policy::parse(&"#".repeat(MAX_POLICY + 1)).is_err());
    }

    #[test]
    fn only_a_witness_may_know_two_logs_of_one_key() {
        let (payments, orders) = (log("log.example.org/payments", 1), log("log.example.org/orders", 1));
        let as_witness = VerifierKey::for_witness("w.example", payments.key().public_key().clone()).unwrap();
        let text = format!("log {payments}\nlog {orders}\n");
        let logs = KnownLogs::parse(&format!("{text}quorum none\n")).unwrap();
        assert_eq!(logs.keys_of("log.example.org/payments"), [&payments]);
        assert_eq!(logs.keys_of("log.example.org/orders"), [&orders]);
        assert!(Policy::parse(&format!("{text}quorum none\n")).unwrap_err().0.contains("same public key"));
        for line in [format!("log {payments}\n"), format!("log {orders}\n"), format!("witness w {as_witness}\n")] {
            let error = KnownLogs::parse(&format!("{text}{line}quorum none\n")).unwrap_err().0;
            assert!(error.starts_with("policy line 3: ") && error.contains("same public key"), "{error}");
        }
        assert!(KnownLogs::parse(&format!("witness w {as_witness}\n{text}quorum none\n")).is_err());
        assert!(KnownLogs::parse(&text).unwrap_err().0.contains("no quorum"));
    }

    /// A vkey as tlog-cosignature writes it for ML-DSA-44, made without this crate's own writer.
    fn ml_dsa(name: &str, public: &[u8]) -> String {
        let material = [&[6], public].concat();
        let id = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&material).finalize();
        format!("{name}+{}+{}", hex(&id[..4]), BASE64.encode(material))
    }

    #[test]
    fn a_witness_whose_signatures_are_not_verified_here_is_one_that_never_cosigns() {
        let (w, pq) = (witness(11), ml_dsa("pq.example/w", &[7; 1312]));
        let both = format!("witness w {w}\nwitness pq {pq} https://pq.example\n");
        let policy = Policy::parse(&format!("{both}group g any w pq\nquorum g\n")).unwrap();
        assert!(policy.quorum_met(&[0]) && !policy.quorum_met(&[]) && !policy.quorum_met(&[1]));
        assert_eq!(policy.witnesses().iter().map(|witness| &witness.key).collect::<Vec<_>>(), [&w]);
        assert_eq!(policy.unverifiable().collect::<Vec<_>>(), ["pq"]);
        for quorum in ["quorum pq\n", "group g all w pq\nquorum g\n", "group g 2 pq w\nquorum g\n"] {
            let error = Policy::parse(&format!("{both}{quorum}")).unwrap_err().0;
            assert!(error.contains("quorum") && error.contains("\"pq\"") && error.contains("ML-DSA-44"), "{error}");
        }
        let other_name = ml_dsa("other.example/w", &[7; 1312]);
        for (text, why) in [
            (format!("witness w {}\n", ml_dsa("pq.example/w", &[7; 1311])), "1312 bytes"),
            (format!("witness w {}\n", ml_dsa("pq.example/w", &[7; 1313])), "1312 bytes"),
            (format!("witness w {}\n", ml_dsa("pq.example/w", &[])), "1312 bytes"),
            (format!("witness w {}\n", ml_dsa("pq example", &[7; 1312]).replace(' ', "\u{a0}")), "key name"),
            (format!("witness w {}\n", pq.replacen("pq.", "qp.", 1)), "key id"),
            (format!("witness w {}\n", pq.replacen("Bgc", "BQc", 1)), "signature type 0x05"),
            (format!("witness w {pq}=\n"), "base64"),
            (format!("log {pq}\n"), "a witness's"),
            (format!("witness a {pq}\nwitness b {other_name}\n"), "same public key"),
            (format!("witness none {pq}\n"), "taken"),
        ] {
            let error = Policy::parse(&format!("{text}quorum none\n")).unwrap_err().0;
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let mut text: String = (0..64).map(|n| format!("witness w{n} {}\n", witness(n + 1))).collect();
        assert!(Policy::parse(&format!("{text}quorum w63\n")).is_ok());
        assert!(Policy::parse(&format!("{text}witness w64 {}\n", witness(65))).unwrap_err().0.contains("more than 64"));
        text += "group g0 any w0\n";
        for n in 1..64 {
            text += &format!("group g{n} all g{} w{n}\n", n - 1);
        }
        let deep = Policy::parse(&format!("{text}quorum g63\n")).unwrap();
        assert!(deep.quorum_met(&(0..64).collect::<Vec<_>>()) && !deep.quorum_met(&(1..64).collect::<Vec<_>>()));
        assert!(
            Policy::parse(&format!("{text}group g64 any g63\nquorum g64\n")).unwrap_err().0.contains("more than 64")
        );
    }
}
