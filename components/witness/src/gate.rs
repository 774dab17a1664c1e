//! Every decision about a request as HTTP sees it. Pure: whoever serves hands in head, body, store and clock.
//!
//! | request | answer |
//! |---|---|
//! | `POST /add-checkpoint` | as `secure_log::witness` says: 200, 400, 403, 404, 409, 422, 503 |
//! | `GET /<origin hash>/checkpoint` | the last cosigned checkpoint (tlog-witness, monitor retrieval); 404: none |
//! | `GET /<origin hash>/evidence` | what convicts that log, or leaves it owing a proof; 404: nothing |
//! | `GET /` | what this is, and the verifier key to pin |
//!
//! Besides: 404, 405, 415 for another path, method or a compressed body, 408 and 413 for a body too slow or too long,
//! 503 while the configuration is wrong. `HEAD` is answered like `GET`, without the body. What fails inside is told to
//! the operator alone.

use secure_log::signer::Signer;
use secure_log::store::Store;
use secure_log::witness::{ADD_CHECKPOINT, MAX_REQUEST, OriginHash, Refusal, SIZE_TYPE, Witness};
use secure_log_endpoint::BodyError;
use secure_log_endpoint::message::{Head, Reply};

/// [`MAX_REQUEST`], for people.
const BOUND: &str = "a note of 128 KiB and its proof";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is asked for.
enum Request {
    Add,
    Greeting,
    Checkpoint(OriginHash),
    Evidence(OriginHash),
}

/// The reply to a request. `witness` is called only for a request that this endpoint has, `read` and `store` only by
/// those that need them. `told` hears, in words, what the client is not told.
pub fn reply<K: Signer>(
    head: &Head<'_>,
    witness: impl FnOnce() -> Result<Witness<K>, String>,
    read: impl FnOnce() -> Result<Vec<u8>, BodyError>,
    store: &mut impl Store,
    clock: impl FnMut() -> u64,
    told: impl Fn(&str),
) -> Reply {
    let request = match recognise(head) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let unavailable = |why: &str| {
        told(why);
        Reply::text(503, "this witness is out of order; its operator is told why")
    };
    let witness = match witness() {
        Ok(witness) => witness,
        Err(why) => return unavailable(&why),
    };
    let reply = match request {
        Request::Add => match read() {
            Ok(body) => add(&witness, &body, store, clock, told),
            Err(error) => Reply::unread(error, BOUND),
        },
        Request::Greeting => Reply::text(200, &greeting(&witness)),
        Request::Checkpoint(hash) => match witness.checkpoint(store, &hash) {
            Ok(note) => found(note.map(|note| note.to_string())),
            Err(error) => unavailable(&error.to_string()),
        },
        Request::Evidence(hash) => match witness.evidence(store, &hash) {
            Ok(all) => found(all.first().map(ToString::to_string)),
            Err(error) => unavailable(&error.to_string()),
        },
    };
    match head.method {
        "HEAD" => Reply { body: Vec::new(), ..reply },
        _ => reply,
    }
}

/// `Err`: the reply that needs neither configuration, body nor store.
fn recognise(head: &Head<'_>) -> Result<Request, Reply> {
    if head.path == ADD_CHECKPOINT {
        if head.method != "POST" {
            return Err(Reply::text(405, "checkpoints are posted").with("allow", "POST"));
        }
        if !head.values("content-encoding").is_empty() {
            return Err(Reply::text(415, "the body must not be compressed"));
        }
        return match head.announces_more_than(MAX_REQUEST) {
            true => Err(Reply::unread(BodyError::TooLong, BOUND)),
            false => Ok(Request::Add),
        };
    }
    let request = match head.path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, ""))) {
        Some(("", "")) => Some(Request::Greeting),
        Some((hash, "checkpoint")) => OriginHash::parse(hash).ok().map(Request::Checkpoint),
        Some((hash, "evidence")) => OriginHash::parse(hash).ok().map(Request::Evidence),
        _ => None,
    };
    match request {
        None => Err(Reply::text(404, "nothing is served here")),
        Some(_) if !matches!(head.method, "GET" | "HEAD") => {
            Err(Reply::text(405, "this is only read").with("allow", "GET, HEAD"))
        }
        Some(request) => Ok(request),
    }
}

fn add<K: Signer>(
    witness: &Witness<K>,
    body: &[u8],
    store: &mut impl Store,
    clock: impl FnMut() -> u64,
    told: impl Fn(&str),
) -> Reply {
    match witness.add_checkpoint(store, clock, body) {
        Ok(line) => with_type(200, TEXT, format!("{line}\n")),
        Err(refusal) => {
            if refusal.status() == 503 {
                told(&refusal.to_string());
            }
            let kind = if matches!(refusal, Refusal::OldSize(_)) { SIZE_TYPE } else { TEXT };
            with_type(refusal.status(), kind, refusal.body())
        }
    }
}

fn found(text: Option<String>) -> Reply {
    match text {
        Some(text) => with_type(200, TEXT, text),
        None => Reply::text(404, "there is none"),
    }
}

/// Exactly these bytes: sizes and notes are not text to be trimmed.
fn with_type(status: u16, kind: &'static str, body: String) -> Reply {
    Reply { status, headers: vec![("content-type", kind)], body: body.into_bytes() }
}

fn greeting<K: Signer>(witness: &Witness<K>) -> String {
    format!(
        "secure-log-witness: cosigns checkpoints of the logs it knows (c2sp.org/tlog-witness).\n\
         Pin its key by what its operator publishes elsewhere, not by this page:\n{}",
        witness.vkey()
    )
}

#[cfg(test)]
mod tests;
