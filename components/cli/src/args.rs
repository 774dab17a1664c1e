//! What can be typed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use secure_log::policy::{MAX_POLICY, Policy};
use secure_log::types::Severity;

use crate::failure::{self, Failure};

/// The option behind a store's path that lets nothing be written, and asks for a log that is there
/// (docs/command-line.md, Reading).
const READ_ONLY: &str = "?readonly";
/// A store that begins empty: there is nothing in it to be read only.
const MEMORY: &str = ":memory:";

/// An audit log that can show that nobody changed it.
///
/// Exit status: 0 whole, 1 a finding, 2 usage, 3 cannot tell.
#[derive(Parser)]
#[command(name = "secure-log", bin_name = "secure-log", version, max_term_width = 110)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Misuse with a usage line that asks only for what must be typed: clap lists what a variable gives as well.
pub fn without_given(mut error: clap::Error) -> clap::Error {
    const GIVEN: [&str; 4] = [" --store <STORE>", " --stream <STREAM>", " --key <KEY>", " --policy <FILE>"];
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = GIVEN.iter().fold(usage.to_string(), |usage, given| usage.replace(given, ""));
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage.into()));
    }
    error
}

/// What most commands want, before or after the command's name.
#[derive(clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Where the log is kept, as its store understands it: a path, `:memory:`, or anything for a remote store
    #[arg(long, global = true, env = "SECURE_LOG_STORE", hide_env_values = true)]
    store: Option<String>,
    /// Stream id
    #[arg(long, short, global = true, env = "SECURE_LOG_STREAM")]
    stream: Option<String>,
    /// Identity in the keystore: the label of the key that signs
    #[arg(long, short, global = true, env = "SECURE_LOG_KEY")]
    key: Option<String>,
    /// File with the policy to judge by (C2SP tlog-policy text): log keys, witnesses, quorum
    #[arg(long, short, global = true, env = "SECURE_LOG_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// One JSON object a line instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    fn store(&self) -> Result<&str, Failure> {
        self.store.as_deref().ok_or_else(|| missing("--store (or SECURE_LOG_STORE)"))
    }

    /// What the log is opened with. To be judged a log is opened read-only, whoever else writes to it: an option
    /// of the user's own stays, but `?shared` and `?owner` say how to write.
    pub fn config(&self, only_reads: bool) -> Result<String, Failure> {
        let store = self.store()?;
        let path = store.strip_suffix("?shared").or_else(|| store.strip_suffix("?owner")).unwrap_or(store);
        Ok(match only_reads && store != MEMORY && !path.contains('?') {
            true => format!("{path}{READ_ONLY}"),
            false => store.to_owned(),
        })
    }

    pub fn stream(&self) -> Result<&str, Failure> {
        self.stream.as_deref().ok_or_else(|| missing("--stream (or SECURE_LOG_STREAM)"))
    }

    pub fn key(&self) -> Result<&str, Failure> {
        self.key.as_deref().ok_or_else(|| missing("--key (or SECURE_LOG_KEY)"))
    }

    /// The policy, its text too.
    pub fn policy(&self) -> Result<(Policy, String), Failure> {
        self.policy_if_given()?.ok_or_else(|| missing("--policy (or SECURE_LOG_POLICY)"))
    }

    pub fn policy_if_given(&self) -> Result<Option<(Policy, String)>, Failure> {
        let Some(path) = &self.policy else { return Ok(None) };
        let text = text_file(path, MAX_POLICY)?;
        let policy = Policy::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(Some((policy, text)))
    }
}

fn missing(what: &str) -> Failure {
    Failure::usage(format!("this command needs {what}"))
}

/// A small file that an argument names, at most `cap` bytes.
pub fn file(path: &Path, cap: usize) -> Result<Vec<u8>, Failure> {
    let named = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| named(failure::why(&error)))?;
    if metadata.is_dir() {
        return Err(named("a folder, not a file".into()));
    }
    let read = File::open(path).and_then(|file| capped(file, cap));
    let length = metadata.len().max(cap as u64 + 1);
    let too_long = || named(format!("{length} bytes or more, at most {cap}"));
    read.map_err(|error| named(failure::why(&error)))?.ok_or_else(too_long)
}

/// All that is to be read, at most `cap` bytes; absent: there is more.
pub fn capped(from: impl io::Read, cap: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(cap as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= cap))
}

/// A small file of UTF-8.
pub fn text_file(path: &Path, cap: usize) -> Result<String, Failure> {
    String::from_utf8(file(path, cap)?).map_err(|_| Failure::usage(format!("{}: not UTF-8", path.display())))
}

#[derive(Subcommand)]
pub enum Command {
    /// Append events: the arguments, or the lines of a file or of stdin as they come
    Append(Append),
    /// Print entries
    Read(Read),
    /// Print the last entries, and with --follow those that come
    Tail(Tail),
    /// List the streams of the log
    Streams,
    /// Seal everything since the last seal as a segment
    Seal,
    /// Sign the sealed segments that are not signed yet, in order
    Sign {
        /// Only this segment; signing again prints the stored signature
        #[arg(long)]
        segment: Option<u64>,
    },
    /// Print the newest signed checkpoint, with its cosignatures
    Checkpoint {
        /// The one of this tree size
        #[arg(long)]
        size: Option<u64>,
    },
    /// Judge a whole stream: entries, chain, tree, checkpoints, keys, cosignatures, remembered head
    Verify(Verify),
    /// Write a proof that an entry is in the log: PREFIX.tlog-proof and PREFIX.entry
    Prove(Prove),
    /// Check a proof: needs the policy, neither log nor keystore
    CheckProof(CheckProof),
    /// Prove that one signed checkpoint continues another, or check such a proof
    #[command(subcommand)]
    Consistency(Consistency),
    /// Print the verifier key of --key for --stream, for people to pin
    Vkey {
        /// As a policy that asks for no witness
        #[arg(long)]
        as_policy: bool,
    },
    /// Have the keystore make --key, if its configuration allows, and print its verifier key
    ///
    /// A key is named after the stream's origin, so the stream is created if there is none (tier public). A
    /// key that exists is kept.
    Keygen {
        /// As a policy that asks for no witness
        #[arg(long)]
        as_policy: bool,
    },
    /// Publish the signed tree as static files (C2SP tlog-tiles); again: extends what is there
    Export(Export),
    /// Hand the stream over from --key to another key: both sign an entry that says so
    RotateKey(RotateKey),
    /// Take back an earlier key: its larger checkpoints count only if they are witnessed
    RevokeKey(RevokeKey),
    /// Log the attestation of the first key, --key, before any rotation: once
    AttestKey(Attest),
    /// Have checkpoints cosigned
    #[command(subcommand)]
    Witness(Witness),
    /// Sign self-contained JSON records, and judge them: needs no log
    #[command(subcommand)]
    Record(Record),
}

/// Where the attestation of a key is from.
#[derive(clap::Args)]
pub struct Attest {
    /// Read it now from where the key lives: a token tells its certificates and attributes
    #[arg(long, conflicts_with = "attestation")]
    pub attest: bool,
    /// Take it from this file of at most 32 KiB, as it is
    #[arg(long, value_name = "FILE")]
    pub attestation: Option<PathBuf>,
}

impl Command {
    /// Whether it works on a log. The others judge files and sign records: nothing is opened.
    pub fn needs_log(&self) -> bool {
        !matches!(self, Command::CheckProof(_) | Command::Consistency(Consistency::Check { .. }) | Command::Record(_))
    }

    /// Whether it only looks at the log: nothing is written then, and no log is made where there is none.
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Command::Read(_)
                | Command::Tail(_)
                | Command::Streams
                | Command::Checkpoint { .. }
                | Command::Verify(_)
                | Command::Prove(_)
                | Command::Consistency(_)
                | Command::Vkey { .. }
                | Command::Export(_)
        )
    }
}

#[derive(clap::Args)]
pub struct Append {
    /// One event each; without any, lines are read
    #[arg(value_name = "TEXT", conflicts_with_all = ["file", "follow", "from_line"])]
    pub texts: Vec<String>,
    /// Read lines from this file instead of stdin; `-` is stdin
    #[arg(long, short)]
    pub file: Option<PathBuf>,
    /// At the end of --file wait for more lines
    #[arg(long, requires = "file")]
    pub follow: bool,
    /// Skip the lines before this one: where to go on after a failure
    #[arg(long, default_value_t = 1, value_name = "LINE", value_parser = clap::value_parser!(u64).range(1..))]
    pub from_line: u64,
    /// Event type of each event
    #[arg(long = "type", short = 't', default_value = "line", value_name = "TYPE")]
    pub event_type: String,
    /// Severity of each event
    #[arg(long, default_value = Severity::Informational.as_str(), value_parser = severity())]
    pub severity: Severity,
    /// Who says so
    #[arg(long, default_value = "secure-log-cli")]
    pub producer: String,
    /// Media type of the payloads
    #[arg(long, default_value = "text/plain")]
    pub encoding: String,
    /// Identity of the producer's own key: signs each event before the log takes it
    #[arg(long, env = "SECURE_LOG_SIGN_AS", value_name = "IDENTITY")]
    pub sign_as: Option<String>,
}

/// The names of RFC 5424's severities, and what they stand for.
fn severity() -> impl TypedValueParser<Value = Severity> {
    let names = PossibleValuesParser::new(Severity::ALL.map(Severity::as_str));
    names.try_map(|name| Severity::ALL.into_iter().find(|severity| severity.as_str() == name).ok_or("unknown"))
}

#[derive(clap::Args)]
pub struct Read {
    /// First seqno
    pub first: u64,
    /// Last seqno, included; absent: only the first
    pub last: Option<u64>,
    /// Only the bytes of the payload, as they were logged
    #[arg(long, conflicts_with_all = ["last", "json"])]
    pub raw: bool,
}

#[derive(clap::Args)]
pub struct Tail {
    /// Entries to begin with
    #[arg(long, short = 'n', default_value_t = 10)]
    pub lines: u64,
    /// Wait for more
    #[arg(long, short)]
    pub follow: bool,
    /// Milliseconds between two looks
    #[arg(long, default_value_t = 1000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
}

#[derive(clap::Args)]
pub struct Verify {
    /// Trust --key of the composed keystore instead of a policy, so without --policy and SECURE_LOG_POLICY: shows that
    /// this keystore signed, not whose it is
    #[arg(long)]
    pub trust_keystore: bool,
    /// Verifier key of a producer whose signatures count; none: any
    #[arg(long = "author", value_name = "VKEY")]
    pub authors: Vec<String>,
    /// Every producer's event must be signed with the key of an --author
    #[arg(long, requires = "authors")]
    pub require_author: bool,
}

#[derive(clap::Args)]
pub struct Prove {
    /// Entry to prove
    pub seqno: u64,
    /// In the signed tree of this size; absent: the newest
    #[arg(long)]
    pub size: Option<u64>,
    /// Begin of the files' names [default: the last part of the stream id, a hyphen and the seqno]
    #[arg(long, short, value_name = "PREFIX")]
    pub out: Option<PathBuf>,
    /// Also PREFIX.payload: salt and payload, which the entry commits to
    #[arg(long)]
    pub payload: bool,
}

#[derive(clap::Args)]
pub struct CheckProof {
    /// The .tlog-proof file
    pub proof: PathBuf,
    /// The entry [default: beside the proof, with .entry]
    #[arg(long)]
    pub entry: Option<PathBuf>,
    /// Also check this .payload against the entry's commitment, and print it
    #[arg(long)]
    pub payload: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Consistency {
    /// Write the proof
    Build {
        /// Size of the older signed checkpoint
        #[arg(long)]
        old: u64,
        /// Size of the newer; absent: the newest
        #[arg(long)]
        new: Option<u64>,
        /// Where to
        #[arg(long, short)]
        out: PathBuf,
    },
    /// Check the proof: needs the policy, neither log nor keystore
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub struct Export {
    /// Folder to publish in; a web server can serve it as it is
    #[arg(long, value_name = "DIR")]
    pub tiles: PathBuf,
    /// Payloads too, in payloads/: for those allowed to read them
    #[arg(long)]
    pub payloads: bool,
}

#[derive(clap::Args)]
pub struct RotateKey {
    /// Identity of the new key in the keystore
    #[arg(long, value_name = "IDENTITY")]
    pub to: String,
    #[command(flatten)]
    pub attestation: Attest,
    /// Leave the rotation unsealed: until the new key has signed, whoever holds the store can take it away
    #[arg(long)]
    pub no_seal: bool,
}

#[derive(clap::Args)]
pub struct RevokeKey {
    /// Verifier key to take back, one before the current key
    pub vkey: String,
    /// Its checkpoints of more entries than this count only if they are witnessed
    #[arg(long, value_name = "SEQNO")]
    pub from: u64,
    /// Why, for people: at most 1 KiB
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Subcommand)]
pub enum Witness {
    /// Submit a signed checkpoint to a witness and keep the cosignatures that verify
    ///
    /// Needs an artifact with a network: secure-log-cli-{file,sqlite}-online.wasm or secure-log-cli-remote.wasm.
    Submit(Submit),
}

#[derive(clap::Args)]
pub struct Submit {
    /// Where the witness takes checkpoints, without /add-checkpoint: https://, or http:// to this machine
    #[arg(long)]
    pub url: String,
    /// Only this segment; absent: the newest signed
    #[arg(long)]
    pub segment: Option<u64>,
    /// Verifier key whose cosignatures count, may be repeated; absent: the witnesses of --policy
    #[arg(long = "vkey", value_name = "VKEY")]
    pub vkeys: Vec<String>,
}

#[derive(Subcommand)]
pub enum Record {
    /// Sign a payload with --key and print the record
    Sign(RecordSign),
    /// Judge records, or all of an archive folder; names every one that is not valid
    Verify(RecordVerify),
    /// Print the public key of --key in PEM, to pin it
    PublicKey,
}

#[derive(clap::Args)]
pub struct RecordSign {
    /// File with the payload, any JSON value; absent or `-`: stdin
    pub payload: Option<PathBuf>,
    /// Hash of the transaction that the payload is about, lower-case hexadecimal
    #[arg(long, value_name = "HEX")]
    pub transaction_hash: String,
    #[command(flatten)]
    pub attestation: Attest,
}

#[derive(clap::Args)]
pub struct RecordVerify {
    /// Records, and folders of them (every *.json below); `-`: stdin
    #[arg(required = true, value_name = "FILE|FOLDER")]
    pub paths: Vec<PathBuf>,
    /// The signer's public key: a file or the text itself, in PEM (openssl pkey -pubout), as vkey or in hexadecimal.
    /// Several: any of them may have signed
    #[arg(long = "public-key", env = "SECURE_LOG_RECORD_PUBLIC_KEY", value_name = "KEY", allow_hyphen_values = true)]
    pub public_keys: Vec<String>,
    /// Weak: trust the key that each record names itself. Shows that nobody changed it since someone signed it, not who
    #[arg(long, conflicts_with = "public_keys")]
    pub trust_key_in_record: bool,
}
