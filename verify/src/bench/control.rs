//! What the machine can do in this very minute, for every row of the bench: SHA-256 inside the guest, write and
//! fdatasync of the same bytes on the same disk, the same call of the native crate over a store in memory.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, ensure};
use secure_log::encode::encode_entry;
use secure_log::error::LogError;
use secure_log::log::{Config, Environment, Log};
use secure_log::store::{MemStore, Want};
use secure_log::types::{Detail, Digest, Entry, LogName, MAX_ATTESTATION, Name, NewEvent, Severity, StreamId};

use crate::endpoint::Endpoint;
use crate::expect::Expect as _;
use crate::host::Instance;
use crate::host::wit::InclusionProof;
use crate::site::LOG_NAME;

/// Bytes of a SHA-256 block.
const BLOCK: f64 = 64.0;

/// Blocks that SHA-256 works through for `bytes` of input: nine bytes of padding and length are added.
pub fn blocks(bytes: usize) -> f64 {
    (bytes + 9).div_ceil(64) as f64
}

/// SHA-256 blocks a second inside the guest, over a tenth of a second; a machine that is shared is another one in the next,
/// so it is asked before and after each row: proofs of a one-leaf tree over an entry with the largest attestation.
/// Its copy into the guest and its decoding are in it: a few per cent.
///
/// # Errors
/// The call fails.
pub fn guest_sha(log: &mut Instance) -> Result<f64> {
    let detail =
        Detail::KeyAttested { vkey: "bench".into(), attestation: vec![0x5a; MAX_ATTESTATION], signature: Vec::new() };
    let body = encode_entry(&Entry {
        stream_id: StreamId::try_from("bench")?,
        seqno: 0,
        prev_entry_hash: Digest::ZERO,
        timestamp: 0,
        clock: None,
        session_id: [0; 16],
        boot_id: [0; 16],
        event: detail.into_event(),
        author: None,
    })?;
    let leaf = secure_log::merkle::leaf_hash(&body).0.to_vec();
    let proof = InclusionProof {
        stream_id: "bench".into(),
        seqno: 0,
        entry_hash: leaf.clone(),
        tree_size: 1,
        root: leaf.clone(),
        path: Vec::new(),
    };
    let (start, mut rounds) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_millis(100) {
        ensure!(log.verify_inclusion_proof(&body, &proof, &leaf)?.works()?, "the proof of a single leaf");
        rounds += 1;
    }
    Ok(f64::from(rounds) * blocks(body.len() + 1) / start.elapsed().as_secs_f64())
}

/// Megabytes a second of a block rate.
pub fn megabytes(blocks: f64) -> f64 {
    blocks * BLOCK / 1e6
}

/// Time of one write of `bytes` to the end of a file in `dir`, with fdatasync or without: the mean over half a second.
///
/// # Errors
/// The file cannot be written.
pub fn write(dir: &Path, bytes: usize, synced: bool) -> Result<Duration> {
    let path = dir.join("raw-control");
    let mut file = File::create(&path)?;
    let buffer = vec![0x5a; bytes];
    let (start, mut rounds) = (Instant::now(), 0_u32);
    while (start.elapsed() < Duration::from_millis(500) && rounds < 5_000) || rounds < 10 {
        file.write_all(&buffer)?;
        if synced {
            file.sync_data()?;
        }
        rounds += 1;
    }
    let mean = start.elapsed() / rounds;
    drop(file);
    fs::remove_file(path)?;
    Ok(mean)
}

/// Time of one POST that the endpoint refuses before it looks at its store: the mean of a hundred.
///
/// # Errors
/// It does not answer, or not with a refusal.
pub fn post(endpoint: &Endpoint) -> Result<Duration> {
    let start = Instant::now();
    for _ in 0..100 {
        let (status, _) = endpoint.post(Some("no token of ours"), b"{}")?;
        ensure!(status == 401, "status {status} for a wrong token");
    }
    Ok(start.elapsed() / 100)
}

/// Time to read the file once, from the page cache.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Duration> {
    let mut buffer = vec![0; 1024 * 1024];
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let mut file = File::open(path)?;
        let start = Instant::now();
        while file.read(&mut buffer)? > 0 {}
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// The native crate over a store in memory.
pub struct Native {
    log: Log<MemStore, Platform>,
    stream: StreamId,
}

/// Clock and salts of the native control. Its salts are a counter: nothing it logs leaves the process.
struct Platform(u64);

impl Environment for Platform {
    fn now(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or_default()
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        for byte in bytes {
            self.0 += 1;
            *byte = self.0 as u8;
        }
        Ok(())
    }

    fn pause(&mut self, _attempt: u32) {}
}

fn failed(error: LogError) -> anyhow::Error {
    anyhow!("the native control: {error}")
}

impl Native {
    /// An open, empty log.
    ///
    /// # Errors
    /// It does not open.
    pub fn new() -> Result<Native> {
        Native::over(MemStore::new())
    }

    /// The same log in a new instance, and its head.
    ///
    /// # Errors
    /// It does not open.
    pub fn reopened(self) -> Result<Native> {
        let mut native = Native::over(self.log.into_store())?;
        native.log.head(&native.stream).map_err(failed)?;
        Ok(native)
    }

    fn over(store: MemStore) -> Result<Native> {
        let config = Config { name: Some(LogName::try_from(LOG_NAME)?), ..Config::default() };
        let mut log = Log::new(store, Platform(0), None, config);
        log.open("memory").map_err(failed)?;
        Ok(Native { log, stream: StreamId::try_from("bench")? })
    }

    /// Appends a batch like the guest's.
    ///
    /// # Errors
    /// It fails.
    pub fn append(&mut self, batch: usize, payload: &[u8]) -> Result<()> {
        let event = NewEvent {
            event_type: Name::parse("event type", "bench.event")?,
            severity: Severity::Notice,
            producer: Name::parse("producer", "verify")?,
            payload: Some(payload.to_vec()),
            encoding: None,
            salt: None,
            idempotency_key: None,
            author: None,
        };
        self.log.append_batch(&self.stream, &vec![event; batch], Want::Synced).map(drop).map_err(failed)
    }

    /// Re-reads and checks every entry.
    ///
    /// # Errors
    /// It fails.
    pub fn verify_chain(&mut self, last: u64) -> Result<()> {
        self.log.verify_chain(&self.stream, 0, last).map_err(failed)
    }

    /// Seals.
    ///
    /// # Errors
    /// It fails.
    pub fn seal(&mut self) -> Result<()> {
        self.log.close_segment(&self.stream).map(drop).map_err(failed)
    }

    /// An inclusion proof in the tree of the last seal.
    ///
    /// # Errors
    /// It fails.
    pub fn proof(&mut self, seqno: u64) -> Result<()> {
        self.log.build_inclusion_proof(&self.stream, seqno, None).map(drop).map_err(failed)
    }
}
