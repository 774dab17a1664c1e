//! The life of a key on a stack: handed over, taken back, and followed from the first key alone.

use anyhow::{Context as _, Result, ensure};

use crate::expect::{Expect as _, finding, kind};
use crate::host::Instance;
use crate::host::wit::{SegmentId, Severity};
use crate::steps::trust;

/// Rotates `stream`, which this creates, from the key `old` to the key `new`, and back to no one.
///
/// # Errors
/// A call gave another answer than it must.
pub fn run(log: &mut Instance, stream: &str, old: &str, new: &str) -> Result<String> {
    let segment = |number| SegmentId { stream_id: stream.to_owned(), number };
    let sealed = |log: &mut Instance| -> Result<u64> {
        log.append(stream, "job.done", Severity::Notice, "verify", Some(b"x"))?.works()?;
        Ok(log.close_segment(stream)?.works()?.last_seqno)
    };
    let first = sealed(log)?;
    let pin = log.verifier_key(old, stream)?.works()?;
    log.attest_key(old, stream, b"attested")?.works()?;
    log.attest_key(old, stream, b"again")?.fails("invalid")?;
    log.rotate_key(stream, old, new, None)?.fails("invalid")?;
    log.sign_segment(old, &segment(0))?.works()?;
    log.rotate_key(stream, new, old, None)?.fails("untrusted")?;
    let rotated = log.rotate_key(stream, old, new, Some(b"quote"))?.works()?.seqno;
    log.rotate_key(stream, new, old, None)?.fails("invalid")?;
    sealed(log)?;
    log.sign_segment(old, &segment(1))?.fails("untrusted")?;
    log.sign_segment(new, &segment(1))?.works()?;
    log.revoke_key(stream, old, &pin, first, "by itself")?.fails("untrusted")?;
    let second = log.verifier_key(new, stream)?.works()?;
    log.revoke_key(stream, new, &second, first, "the current key")?.fails("invalid")?;
    log.revoke_key(stream, new, &pin, 0, "lost")?.works()?;
    let report = log.verify(stream, &trust(&pin))?.works()?;
    if let Some(found) = &report.finding {
        anyhow::bail!("{}", finding(found));
    }
    let revoked = report.revoked.first().context("the revocation is not reported")?;
    ensure!(report.rotations == 1 && report.current_key.as_ref() == Some(&second), "{report:?}");
    ensure!(revoked.vkey == pin && revoked.discounted == 1 && report.checkpoints == 1, "{report:?}");
    ensure!(report.signers.first().and_then(|signer| signer.rotated_in) == Some(rotated), "{report:?}");
    let other = log.verify(stream, &trust(&second))?.works()?.finding.context("a later key was taken for the first")?;
    ensure!(kind(other.kind) == "wrong-key", "{}", finding(&other));
    Ok(format!("rotated at {rotated}, the old key revoked; one pinned key leads through both"))
}
