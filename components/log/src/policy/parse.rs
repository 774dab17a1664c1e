//! Policy text, line by line.

use super::{Log, MAX_OF_EACH, MAX_POLICY, Node, Policy, Unverifiable, Witness};
use crate::error::Invalid;
use crate::note::{VerifierKey, VerifierKeyKind, ml_dsa_44};
use crate::types::quote;

/// The quorum that asks for no cosignature; no witness or group may have this name.
const NONE: &str = "none";

/// Reads a policy; with `share_keys` logs of different origins may have one key.
pub(super) fn parse(text: &str, share_keys: bool) -> Result<Policy, Invalid> {
    Parser { share_keys, ..Parser::default() }.parse(text)
}

#[derive(Default)]
struct Parser {
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
            None => parsed(vkey)?,
            Some(_) => return Err(NO_LOG_KEY.into()),
        };
        if !matches!(key.key(), VerifierKeyKind::Signature(_)) {
            return Err(NO_LOG_KEY.into());
        }
        self.clash(&key)?;
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
        let key = parsed(vkey)?;
        if !matches!(key.key(), VerifierKeyKind::CosignatureV1(_)) {
            return Err("a witness needs a cosignature/v1 key (type 0x04) or ML-DSA-44 (0x06); this is a log's".into());
        }
        self.clash(&key)?;
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

    /// A public key stands in one line, whatever its name; where keys are shared, in `log` lines of different origins.
    fn clash(&self, key: &VerifierKey) -> Result<(), String> {
        let same = |other: &VerifierKey| other.key().public_key() == key.key().public_key();
        let is_log = matches!(key.key(), VerifierKeyKind::Signature(_));
        let shared = |other: &VerifierKey| self.share_keys && is_log && other.name() != key.name();
        let witness = self.witnesses.iter().any(|witness| same(&witness.key));
        match witness || self.logs.iter().any(|log| same(&log.key) && !shared(&log.key)) {
            true => Err(KEY_TAKEN.into()),
            false => Ok(()),
        }
    }
}

const NO_LOG_KEY: &str = "a log needs a key of type ed25519, ECDSA or RSA-PSS; this one is a witness's";
const KEY_TAKEN: &str = "a line before this one has the same public key";

fn parsed(vkey: &str) -> Result<VerifierKey, String> {
    vkey.parse().map_err(|error: Invalid| error.0)
}

fn room(count: usize, what: &str) -> Result<(), String> {
    match count < MAX_OF_EACH {
        true => Ok(()),
        false => Err(format!("more than {MAX_OF_EACH} {what}")),
    }
}
