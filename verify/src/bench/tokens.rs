//! Signatures a second by keys in a token: SoftHSM in the graph, SoftHSM of the host through the graph, and, as the
//! control of both, the same native SoftHSM called by itself. One token directory for all.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use secure_log::signer::Algorithm;
use secure_log_pkcs11::{Attribute, Cryptoki as _, Mechanism, ObjectClass, RsaPkcsPssParams, Session as _, UserType};
use secure_log_token_native::{NativeSession, NativeToken};
use sha2::{Digest as _, Sha256};

use super::{Bench, Line, MEASURE};
use crate::host::keystore::Keystore;
use crate::report::alive;
use crate::softhsm::{PIN, Token};

/// A checkpoint's text is about so long, in bytes.
const MESSAGE: [u8; 120] = [b'x'; 120];

/// Measures and prints every algorithm by every way.
///
/// # Errors
/// No native SoftHSM, an artifact is missing, or a call fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let module = secure_log_token_native::softhsm()?;
    let token = Token::make(&bench.engine, bench.dist, &bench.dir.join("token"), &Algorithm::ALL)?;
    for algorithm in Algorithm::ALL {
        let label = format!("verify-{}", algorithm.as_str());
        let mut native = Native::start(&module, &label, algorithm)?;
        let raw = each(|| native.sign())?;
        drop(native);
        for (name, way, token, module) in [
            ("secure-log-keystore-softhsm.wasm", "in the graph", token.clone(), None),
            ("secure-log-keystore-pkcs11.wasm", "of the host", token.of_host(), Some(module.as_path())),
        ] {
            alive();
            let mut keystore = Keystore::start(&bench.engine, &bench.dist.join(name), &token, module, &label)?;
            let took = each(|| keystore.sign(&MESSAGE))?;
            bench.line(Line {
                stack: "pkcs11",
                what: format!("{} {way}", algorithm.as_str()),
                each: took,
                rate: Some(1.0 / took.as_secs_f64()),
                raw: Some((raw, "native")),
                native: None,
                efficiency: Some(raw.as_secs_f64() / took.as_secs_f64()),
            });
        }
    }
    Ok(())
}

/// Time of one signature.
fn each(mut sign: impl FnMut() -> Result<Vec<u8>>) -> Result<Duration> {
    sign()?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < MEASURE || count < 3 {
        ensure!(!sign()?.is_empty(), "an empty signature");
        count += 1;
    }
    Ok(start.elapsed() / count)
}

/// A key behind the module, used as the keystore does.
struct Native {
    session: NativeSession,
    key: u64,
    mechanism: Mechanism,
    /// What is signed: the message, or its digest.
    data: Vec<u8>,
    /// Dropped last: it finalises the module.
    _token: NativeToken,
}

impl Native {
    fn start(module: &Path, label: &str, algorithm: Algorithm) -> Result<Native> {
        let mut token = NativeToken::load(module)?;
        token.initialize()?;
        let slots = token.get_slot_list(true)?;
        let slot = *slots.first().context("the native SoftHSM has no slot")?;
        let session = token.open_session(slot, false)?;
        session.login(UserType::CkuUser, Some(PIN.as_bytes()))?;
        let template = [Attribute::CkaClass(ObjectClass::CkoPrivateKey), Attribute::CkaLabel(label.to_owned())];
        let [key] = session.find_objects(&template, 2)?[..] else { bail!("no key, or two, with the label {label}") };
        let (mechanism, data) = match algorithm {
            Algorithm::Ed25519 => (Mechanism::CkmEddsa, MESSAGE.to_vec()),
            Algorithm::EcdsaP256 => (Mechanism::CkmEcdsa, Sha256::digest(MESSAGE).to_vec()),
            Algorithm::RsaPssSha256 => (Mechanism::CkmSha256RsaPkcsPss(RsaPkcsPssParams::SHA256), MESSAGE.to_vec()),
        };
        Ok(Native { session, key, mechanism, data, _token: token })
    }

    fn sign(&mut self) -> Result<Vec<u8>> {
        self.session.sign_init(self.mechanism, self.key)?;
        Ok(self.session.sign(&self.data)?)
    }
}
