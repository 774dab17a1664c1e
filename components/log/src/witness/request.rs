//! The body of `add-checkpoint`, both ways, and what comes back.
//!
//! ```text
//! old 20852014\n                                     size of the last checkpoint this witness cosigned
//! PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n     0 to 63 lines: the consistency proof from there
//! \n
//! example.com/behind-the-sofa\n20852163\n...          the signed checkpoint
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::Invalid;
use crate::note::{MAX_NOTE, Note, base64_digest, decimal};
use crate::types::{Digest, quote};

/// Path of the call, below the submission prefix.
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";
/// Media type of a size that answers a wrong one.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
/// Hashes in a proof, at most (tlog-witness, add-checkpoint): a path through a tree of 2^63 leaves.
pub const MAX_PROOF: usize = 63;
/// Longest body in bytes: `old ` with 19 digits, the proof at 45 bytes a line, an empty line, and a note.
pub const MAX_REQUEST: usize = 24 + MAX_PROOF * 45 + 1 + MAX_NOTE;

/// A checkpoint that a witness is asked to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the last checkpoint that the witness is thought to have cosigned; 0: none.
    pub old_size: u64,
    /// Consistency proof (RFC 9162 section 2.1.4) from that size; empty when it is 0.
    pub proof: Vec<Digest>,
    /// The checkpoint with the log's signature.
    pub note: Note,
}

impl AddCheckpoint {
    /// Parses exactly what [`AddCheckpoint`] writes. Whether the text is a checkpoint is not looked at.
    ///
    /// # Errors
    /// Names the part: not UTF-8, too long, an old size line that is none, a proof line that is not canonical base64
    /// of 32 bytes, more than [`MAX_PROOF`] of them, no empty line, a malformed note.
    pub fn parse(body: &[u8]) -> Result<AddCheckpoint, Invalid> {
        let bad = |why: String| Err(Invalid(format!("add-checkpoint: {why}")));
        if body.len() > MAX_REQUEST {
            return bad(format!("{} bytes, at most {MAX_REQUEST}", body.len()));
        }
        let Ok(text) = std::str::from_utf8(body) else { return bad("not UTF-8".into()) };
        let (first, mut rest) = text.split_once('\n').unwrap_or((text, ""));
        let Some(old_size) = first.strip_prefix("old ").and_then(decimal) else {
            return bad(format!("the first line must be \"old <size>\", not {}", quote(first)));
        };
        let mut proof = Vec::new();
        loop {
            let Some((line, after)) = rest.split_once('\n') else {
                return bad("no empty line between proof and checkpoint".into());
            };
            rest = after;
            if line.is_empty() {
                break;
            }
            if proof.len() == MAX_PROOF {
                return bad(format!("more than {MAX_PROOF} proof lines"));
            }
            let Some(hash) = base64_digest(line) else {
                return bad(format!("proof line {} is not canonical base64 of 32 bytes", quote(line)));
            };
            proof.push(hash);
        }
        match Note::parse(rest) {
            Ok(note) => Ok(AddCheckpoint { old_size, proof, note }),
            Err(error) => bad(error.to_string()),
        }
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

/// The body of a [`SIZE_TYPE`] answer.
pub(super) fn size_body(size: u64) -> String {
    format!("{size}\n")
}

/// The size in the body of a [`SIZE_TYPE`] answer.
pub(super) fn parse_size_body(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.strip_suffix('\n').and_then(decimal)
}
