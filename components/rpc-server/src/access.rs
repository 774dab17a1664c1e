//! Who may ask. Pure: the file of hashes is read elsewhere.
//!
//! `SECURE_LOG_RPC_TOKENS` names a file with the SHA-256 of one accepted token per line, in hexadecimal; blank
//! lines and lines that begin with `#` do not count. A line for a new token, which itself is shown once:
//! `t=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d =); echo "token: $t"; printf %s "$t" | sha256sum`
//! (what stands after the hash on its line does not count either).

use secure_log_rpc::http::{is_loopback, split_authority};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Accepted tokens, at most: each request is compared with all of them.
const MAX_TOKENS: usize = 1000;

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever bears a token with one of these hashes.
    Tokens(Vec<[u8; 32]>),
    /// Anyone on this machine: no token is configured and the demo switch is on.
    Demo,
    /// Nobody, and why.
    Closed(String),
}

/// What a request is told that is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or not an accepted one.
    Token,
    /// Nothing the client could present would help.
    Forbidden(String),
}

impl Access {
    /// From what stands in the file of `SECURE_LOG_RPC_TOKENS` (`None`: the variable is not set) and the value of
    /// `SECURE_LOG_RPC_DEMO`. A file that cannot be read, holds no hash or holds anything else lets nobody in,
    /// whatever the demo switch says.
    pub fn new(tokens: Option<Result<String, String>>, demo: Option<&str>) -> Access {
        let closed = |why: &str| Access::Closed(why.to_owned());
        let text = match tokens {
            Some(Ok(text)) => text,
            Some(Err(why)) => {
                return Access::Closed(format!("the file of SECURE_LOG_RPC_TOKENS cannot be read: {why}"));
            }
            None if demo == Some("1") => return Access::Demo,
            None => {
                return closed(
                    "no token is configured: set SECURE_LOG_RPC_TOKENS to a file of SHA-256 hashes of tokens, or, \
                     for a demonstration on one machine, SECURE_LOG_RPC_DEMO=1",
                );
            }
        };
        let mut hashes = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
            match hash(word) {
                Some(hash) => hashes.push(hash),
                None => return Access::Closed(format!("line {number} of SECURE_LOG_RPC_TOKENS is not a SHA-256 hash")),
            }
        }
        match hashes.len() {
            0 => closed("the file of SECURE_LOG_RPC_TOKENS holds no hash"),
            1..=MAX_TOKENS => Access::Tokens(hashes),
            _ => closed("the file of SECURE_LOG_RPC_TOKENS holds more than 1000 hashes"),
        }
    }

    /// Whether a request with this authority, these `authorization` values and these `origin` values is let in.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, authorities: &[&str], authorization: &[&[u8]], browser: bool) -> Result<(), Refusal> {
        match self {
            Access::Closed(why) => Err(Refusal::Forbidden(why.clone())),
            Access::Tokens(hashes) => match authorization {
                [one] if bearer(one).is_some_and(|token| accepted(token, hashes)) => Ok(()),
                _ => Err(Refusal::Token),
            },
            Access::Demo => {
                let here = |authority: &&str| split_authority(authority).is_some_and(|(host, _)| is_loopback(host));
                if authorities.is_empty() || !authorities.iter().all(here) {
                    return Err(Refusal::Forbidden(
                        "without tokens only this machine may ask, by a loopback name".into(),
                    ));
                }
                if browser {
                    return Err(Refusal::Forbidden("without tokens no browser may ask".into()));
                }
                Ok(())
            }
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750 section 2.1; the scheme in any case).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Compares with all of them in a time that depends on their number only.
fn accepted(token: &[u8], hashes: &[[u8; 32]]) -> bool {
    let presented: [u8; 32] = Sha256::digest(token).into();
    hashes.iter().fold(Choice::from(0), |found, hash| found | presented.ct_eq(hash)).into()
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    /// `printf %s secret | sha256sum`
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn file(text: &str) -> Access {
        Access::new(Some(Ok(text.into())), None)
    }

    #[test]
    fn a_token_is_let_in_by_its_hash_alone() {
        let access = file(&format!("# of the build host\n\n{}\n  {SECRET}  -\r\n", "00".repeat(32)));
        assert!(matches!(&access, Access::Tokens(hashes) if hashes.len() == 2));
        for good in ["Bearer secret", "bearer secret", "BEARER secret"] {
            assert_eq!(access.check(&["evil.example"], &[good.as_bytes()], true), Ok(()), "{good}");
        }
        for bad in
            ["", "secret", "Bearer", "Bearer ", "Bearer  secret", "Bearer secret ", "Bearer Secret", "Basic secret"]
        {
            assert_eq!(access.check(&["127.0.0.1"], &[bad.as_bytes()], false), Err(Refusal::Token), "{bad:?}");
        }
        assert_eq!(access.check(&[], &[format!("Bearer {SECRET}").as_bytes()], false), Err(Refusal::Token));
        assert_eq!(access.check(&[], &[], false), Err(Refusal::Token));
        assert_eq!(access.check(&[], &[b"Bearer secret", b"Bearer secret"], false), Err(Refusal::Token));
    }

    #[test]
    fn whatever_is_wrong_with_the_configuration_lets_nobody_in() {
        let closed = |access: Access| match access {
            Access::Closed(why) => why,
            open => panic!("{open:?}"),
        };
        assert!(closed(Access::new(None, None)).contains("SECURE_LOG_RPC_TOKENS"));
        for demo in ["", "0", "yes", "true", "11"] {
            closed(Access::new(None, Some(demo)));
        }
        closed(Access::new(Some(Err("no such file".into())), Some("1")));
        closed(Access::new(Some(Ok(String::new())), Some("1")));
        closed(file("# nothing\n"));
        closed(file(&format!("{SECRET}0")));
        closed(file(&SECRET[1..]));
        closed(file(&format!("{SECRET}\n{}\n", "é".repeat(32))));
        closed(file(&format!("{SECRET}\n").repeat(MAX_TOKENS + 1)));
        let why = closed(file(&format!("{SECRET}\nsecret\n")));
        assert_eq!(why, "line 2 of SECURE_LOG_RPC_TOKENS is not a SHA-256 hash");
    }

    #[test]
    fn the_demo_is_for_this_machine_and_not_for_browsers() {
        let demo = Access::new(None, Some("1"));
        for here in ["127.0.0.1:8787", "localhost", "[::1]:8787"] {
            assert_eq!(demo.check(&[here], &[], false), Ok(()), "{here}");
            assert!(demo.check(&[here], &[], true).is_err());
            assert!(demo.check(&[here, "rebound.example:8787"], &[], false).is_err());
        }
        for elsewhere in ["192.0.2.1", "localhost.evil.example:8787", "0.0.0.0:8787", "", "127.0.0.1@evil.example"] {
            assert!(demo.check(&[elsewhere], &[b"Bearer secret"], false).is_err(), "{elsewhere}");
        }
        assert!(demo.check(&[], &[], false).is_err());
    }
}
