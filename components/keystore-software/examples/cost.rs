//! What the software keystore costs, on this machine: one line per algorithm.
//!
//! ```text
//! cargo run --release -p secure-log-keystore-software --example cost
//! cargo build --release -p secure-log-keystore-software --example cost --target wasm32-wasip2
//! wasmtime run target/wasm32-wasip2/release/examples/cost.wasm
//! ```
//!
//! With `SECURE_LOG_KEYSTORE_DIR` (under wasmtime also `--dir` and `--env`) the last line is the time of a
//! `get_key("cost")`: the file is read, parsed and checked at each.
//!
//! Measured on 2 cores shared with seven builds (load 15, so every figure is some times too high; the ratios
//! hold): wasmtime 48.0.2, release: ed25519 sign 0.12 ms, ECDSA P-256 1.1 ms, RSA-3072 194 ms; RSA-3072 generation
//! 13 s on average, 25 s the slowest of eight. So an RSA key for production is made ahead, natively or by
//! openssl, not in the first request of a component.
//!
//! Key generation of RSA is a search: the mean of a few keys, and the slowest.

use std::time::{Duration, Instant};

use secure_log::signer::{Algorithm, Keystore as _, PublicKey, Signer as _, SignerError, sign_checked};
use secure_log_keystore_software::{SoftwareKey, SoftwareKeystore};

/// Time of one call, the mean over at least half a second.
fn mean(mut call: impl FnMut() -> Result<(), SignerError>) -> Result<Duration, SignerError> {
    let (start, mut calls) = (Instant::now(), 0);
    while calls == 0 || start.elapsed() < Duration::from_millis(500) {
        call()?;
        calls += 1;
    }
    Ok(start.elapsed() / calls)
}

fn main() -> Result<(), SignerError> {
    println!(
        "{:16} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "algorithm", "generate", "slowest", "sign", "checked", "verify"
    );
    for algorithm in Algorithm::ALL {
        let count = if algorithm == Algorithm::RsaPssSha256 { 8 } else { 100 };
        let mut times = Vec::new();
        for _ in 0..count {
            let start = Instant::now();
            SoftwareKey::generate(algorithm)?;
            times.push(start.elapsed());
        }
        let slowest = times.iter().max().copied().unwrap_or_default();
        let key = SoftwareKey::generate(algorithm)?;
        let public = PublicKey::of_signer(&key)?;
        let signature = sign_checked(&key, &public, b"message")?;
        let sign = mean(|| key.sign(b"message").map(drop))?;
        let checked = mean(|| sign_checked(&key, &public, b"message").map(drop))?;
        let verify = mean(|| {
            std::hint::black_box(public.verify(b"message", &signature));
            Ok(())
        })?;
        let generate = times.iter().sum::<Duration>() / count;
        let line = [generate, slowest, sign, checked, verify].map(|time| format!("{time:>12.1?}"));
        println!("{:16} {}", algorithm.as_str(), line.join(" "));
    }
    if std::env::var_os("SECURE_LOG_KEYSTORE_DIR").is_some() {
        let mut keystore = SoftwareKeystore::default();
        let algorithm = keystore.get_key("cost")?.algorithm();
        let load = mean(|| keystore.get_key("cost").map(drop))?;
        println!("get_key of the {} file: {load:.1?}", algorithm.as_str());
    }
    Ok(())
}
