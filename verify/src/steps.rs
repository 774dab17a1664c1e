//! The main job on one stack with one algorithm: every function of the contract, each as a step with its time,
//! and at the end the second check of the exported evidence by the native library under a pinned key.

use anyhow::{Context as _, Result, ensure};
use secure_log::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use secure_log::note::VerifierKey;
use secure_log::types::{Digest, hex};

use crate::expect::{Expect as _, finding};
use crate::host::wit::exports::secure_log::log::checkpoint::SignedSegment;
use crate::host::wit::{Event, Head, SegmentId, SegmentInfo, Severity, Signers, Tier, Trust, Want};
use crate::host::{Instance, Stack};
use crate::ledger::{Ledger, segments};
use crate::report::Report;
use crate::site::{BOOT_ID, LOG_NAME, Site};

/// An event as the steps use it: one severity, one producer, no salt, key or author.
pub fn event(event_type: &str, payload: Option<&[u8]>) -> Event {
    Event {
        event_type: event_type.to_owned(),
        severity: Severity::Notice,
        producer: "verify".to_owned(),
        payload: payload.map(<[u8]>::to_vec),
        payload_encoding: None,
        salt: None,
        idempotency_key: None,
        author: None,
    }
}

/// Trust in one pinned key and nothing else.
pub fn trust(vkey: &str) -> Trust {
    Trust { signers: Signers::Policy(format!("log {vkey}\nquorum none\n")), authors: Vec::new(), require_author: false }
}

/// The origin of a stream of this harness's logs.
pub fn origin(stream: &str) -> String {
    format!("{LOG_NAME}/{stream}")
}

/// Opens a new instance on the site's log.
///
/// # Errors
/// It cannot be opened.
pub fn opened(stack: &Stack, site: &Site) -> Result<Instance> {
    let mut log = stack.start(site)?;
    log.open(&site.config())?.works()?;
    Ok(log)
}

/// One run of the main job.
pub struct Run<'a> {
    stack: &'a Stack,
    site: &'a Site,
    log: Instance,
    stream: String,
    /// Head after the last step that appended: what a failed call must leave as it is.
    head: Option<Head>,
    pin: String,
}

type Step<'a> = fn(&mut Run<'a>) -> Result<String>;

/// Runs all steps. Whether anything failed is in the report.
///
/// # Errors
/// The artifact cannot be instantiated at all, or a step failed that the following ones stand on.
pub fn run<'a>(report: &mut Report, stack: &'a Stack, site: &'a Site, stream: &str) -> Result<()> {
    let log = stack.start(site)?;
    let mut run = Run { stack, site, log, stream: stream.to_owned(), head: None, pin: String::new() };
    let steps: [(&str, Step<'a>); 21] = [
        ("before open", Run::before_open),
        ("open", Run::open),
        ("create-stream", Run::create_stream),
        ("append", Run::append),
        ("append-batch", Run::append_batch),
        ("written, then sync", Run::written_then_sync),
        ("idempotency", Run::idempotency),
        ("read", Run::read),
        ("read-since in pages", Run::read_since),
        ("verify-chain", Run::verify_chain),
        ("close-segment", Run::close_segment),
        ("sign-segment", Run::sign_segment),
        ("second segment", Run::second_segment),
        ("inclusion proofs", Run::inclusion_proofs),
        ("consistency proofs", Run::consistency_proofs),
        ("verify", Run::verify),
        ("another key is refused", Run::another_key),
        ("key life", Run::key_life),
        ("reopen", Run::reopen),
        ("erase-payload", Run::erase_payload),
        ("bad input", Run::bad_input),
    ];
    for (name, step) in steps {
        if !report.step(name, || step(&mut run)) && name == "open" {
            anyhow::bail!("nothing can be checked on a log that does not open");
        }
    }
    report.step("native check, pinned key", || run.native_check());
    report.step("close-stream", || run.close_stream());
    Ok(())
}

impl Run<'_> {
    fn append_some(&mut self, events: &[Event]) -> Result<Vec<u64>> {
        let done = self.log.append_batch(&self.stream, events, Want::Synced)?.works()?;
        self.remember()?;
        Ok(done.results.iter().map(|result| result.seqno).collect())
    }

    fn remember(&mut self) -> Result<Head> {
        let head = self.log.head(&self.stream)?.works()?;
        self.head = Some(head.clone());
        Ok(head)
    }

    fn unchanged(&mut self) -> Result<()> {
        let head = self.log.head(&self.stream)?.works()?;
        let before = self.head.as_ref().context("no head was remembered")?;
        let same =
            head.size == before.size && head.root == before.root && head.last_entry_hash == before.last_entry_hash;
        ensure!(same, "a call that failed changed the log: {} entries, before {}", head.size, before.size);
        Ok(())
    }

    fn segment(&self, number: u64) -> SegmentId {
        SegmentId { stream_id: self.stream.clone(), number }
    }

    fn seal_and_sign(&mut self) -> Result<(SegmentInfo, SignedSegment)> {
        let info = self.log.close_segment(&self.stream)?.works()?;
        let signed = self.log.sign_segment(&self.site.identity(), &info.id)?.works()?;
        self.remember()?;
        Ok((info, signed))
    }

    fn before_open(&mut self) -> Result<String> {
        let (log, stream, id) =
            (&mut self.log, self.stream.as_str(), SegmentId { stream_id: self.stream.clone(), number: 0 });
        log.append(stream, "a", Severity::Notice, "p", None)?.fails("not-open")?;
        log.append_batch(stream, &[], Want::Written)?.fails("not-open")?;
        log.create_stream(stream, Tier::Public, None)?.fails("not-open")?;
        log.read(stream, 0)?.fails("not-open")?;
        log.read_since(stream, 0, 1)?.fails("not-open")?;
        log.head(stream)?.fails("not-open")?;
        log.list_streams(None, 1)?.fails("not-open")?;
        log.sync(stream)?.fails("not-open")?;
        log.close_stream(stream, "r")?.fails("not-open")?;
        log.erase_payload(stream, 0, 0, "r")?.fails("not-open")?;
        log.close_segment(stream)?.fails("not-open")?;
        log.list_segments(stream, 0, 1)?.fails("not-open")?;
        log.read_segment(&id)?.fails("not-open")?;
        log.verify_chain(stream, 0, 0)?.fails("not-open")?;
        log.build_inclusion_proof(stream, 0, None)?.fails("not-open")?;
        log.build_consistency_proof(stream, 1, 2)?.fails("not-open")?;
        log.sign_segment("k", &id)?.fails("not-open")?;
        log.verify(stream, &trust("x"))?.fails("not-open|invalid")?;
        ensure!(log.encoder_name()? == "cbor", "the encoder is named otherwise");
        log.open("")?.fails("invalid")?;
        Ok("18 calls not-open, an empty config invalid".into())
    }

    fn open(&mut self) -> Result<String> {
        let config = self.site.config();
        self.log.open(&config)?.works()?;
        self.log.open(&config)?.fails("already-open")?;
        self.log.open("another")?.fails("already-open")?;
        Ok(format!("{config:?}; a second open is already-open"))
    }

    fn create_stream(&mut self) -> Result<String> {
        let (log, stream) = (&mut self.log, self.stream.as_str());
        log.head(stream)?.fails("stream-not-found")?;
        log.create_stream(stream, Tier::Public, Some("made by verify"))?.works()?;
        log.create_stream(stream, Tier::Public, Some("made by verify"))?.works()?;
        log.create_stream(stream, Tier::Public, Some("another"))?.fails("invalid")?;
        log.create_stream(&format!("{stream}-p"), Tier::Protected, None)?.fails("unsupported")?;
        log.create_stream(&format!("{stream}-h"), Tier::HighlyRestricted, None)?.fails("unsupported")?;
        ensure!(self.remember()?.size == 1, "a new stream holds its first entry and no other");
        let listed = self.log.list_streams(None, 1000)?.works()?;
        let listed = listed.iter().find(|info| info.stream_id == self.stream).context("the stream is not listed")?;
        ensure!(listed.origin == origin(&self.stream), "its origin is {}", listed.origin);
        self.pin = self.log.verifier_key(&self.site.identity(), &self.stream)?.works()?;
        Ok(format!("{}; key pinned: {}", listed.origin, self.pin.split('+').take(2).collect::<Vec<_>>().join("+")))
    }

    fn append(&mut self) -> Result<String> {
        let before = self.log.meter();
        let first =
            self.log.append(&self.stream, "login.ok", Severity::Informational, "sshd", Some(b"user=alice"))?.works()?;
        ensure!(first.seqno == 1, "the first user entry has seqno {}", first.seqno);
        let fresh = format!("{}-implicit", self.stream);
        let made = self.log.append(&fresh, "login.ok", Severity::Informational, "sshd", None)?.works()?;
        ensure!(made.seqno == 1, "an unknown stream is created in the same batch");
        let after = self.log.meter();
        self.remember()?;
        Ok(format!(
            "seqno 1; an unknown stream is created; {} syncs, {} POSTs",
            after.syncs - before.syncs,
            after.posts - before.posts
        ))
    }

    fn append_batch(&mut self) -> Result<String> {
        let mut events: Vec<Event> =
            (0..250).map(|n| event("job.step", Some(format!("step {n}").as_bytes()))).collect();
        events[1].payload = None;
        events[2].payload = Some(Vec::new());
        events[3].payload = Some(vec![0xff, 0, b'"', b'\\', b'\n']);
        events[4].payload = Some("{\"text\": \"jalape\u{f1}o \u{1f336} \u{202e}\"}".into());
        events[5].payload = Some(vec![b'x'; 100_000]);
        events[6].payload_encoding = Some("text/plain; charset=utf-8".into());
        events[7].salt = Some(vec![7; 16]);
        events[8].severity = Severity::Emergency;
        events[9].producer = "x".repeat(256);
        let seqnos = self.append_some(&events)?;
        ensure!(seqnos == (2..252).collect::<Vec<_>>(), "order or seqnos of the batch: {seqnos:?}");
        Ok("250 events, order kept: text, none, empty, binary, 100 kB".into())
    }

    fn written_then_sync(&mut self) -> Result<String> {
        let events = [event("job.note", Some(b"soon durable"))];
        let written = self.log.append_batch(&self.stream, &events, Want::Written)?.works()?;
        let seqno = written.results.first().context("no result")?.seqno;
        let critical = Event { severity: Severity::Critical, ..events[0].clone() };
        self.log.sync(&self.stream)?.works()?;
        let head = self.remember()?;
        ensure!(head.durable_through == Some(seqno), "after sync durable through {:?}", head.durable_through);
        let urgent = self.log.append_batch(&self.stream, &[critical], Want::Written)?.works()?;
        ensure!(urgent.durable_through == Some(seqno + 1), "a critical event is always synced");
        self.remember()?;
        Ok(format!(
            "written: durable through {:?}, after sync {seqno}; critical is always synced",
            written.durable_through
        ))
    }

    fn idempotency(&mut self) -> Result<String> {
        let keyed = Event { idempotency_key: Some(b"order-17".to_vec()), ..event("order.paid", Some(b"17")) };
        let first = self.log.append_batch(&self.stream, std::slice::from_ref(&keyed), Want::Synced)?.works()?;
        self.remember()?;
        let again = self.log.append_batch(&self.stream, std::slice::from_ref(&keyed), Want::Synced)?.works()?;
        ensure!(again.results == first.results, "the repeated key gave another result");
        let other = Event { payload: Some(b"18".to_vec()), ..keyed };
        self.log.append_batch(&self.stream, &[other], Want::Synced)?.fails("invalid")?;
        self.unchanged()?;
        Ok("a repeated key returns the first result; another payload is invalid".into())
    }

    fn read(&mut self) -> Result<String> {
        let read = self.log.read(&self.stream, 1)?.works()?;
        let as_given = read.event_type == "login.ok"
            && read.severity == Severity::Informational
            && read.producer == "sshd"
            && read.payload.as_deref() == Some(b"user=alice");
        ensure!(as_given, "entry 1 is not what was appended: {read:?}");
        ensure!(hex(&read.boot_id) == BOOT_ID && read.session_id.len() == 16, "boot or session id: {read:?}");
        let bytes = self.log.encode_entry(&read)?.works()?;
        ensure!(leaf_hash(&bytes).0 == *read.entry_hash, "the entry hash is not SHA-256(0x00 || entry)");
        let decoded = self.log.decode_entry(&bytes)?.works()?;
        ensure!(decoded.entry_hash == read.entry_hash, "decode-entry gives another hash");
        let mut longer = bytes.clone();
        longer.push(0);
        self.log.decode_entry(&longer)?.fails("invalid")?;
        for (seqno, payload) in [(3, None), (4, Some(&b""[..])), (5, Some(&[0xff, 0, b'"', b'\\', b'\n'][..]))] {
            let read = self.log.read(&self.stream, seqno)?.works()?;
            ensure!(read.payload.as_deref() == payload, "payload of entry {seqno}: {:?}", read.payload);
        }
        let salted = self.log.read(&self.stream, 9)?.works()?;
        ensure!(salted.salt == Some(vec![7; 16]), "the producer's salt is kept");
        Ok(format!("as given; hash {}", Digest::try_from(read.entry_hash.as_slice())?.to_hex()))
    }

    fn read_since(&mut self) -> Result<String> {
        let size = self.log.head(&self.stream)?.works()?.size;
        let (mut next, mut pages) = (0, 0);
        while next < size {
            let page = self.log.read_since(&self.stream, next, 37)?.works()?;
            ensure!(!page.is_empty() && page.len() <= 37, "a page of {} entries", page.len());
            for read in page {
                ensure!(read.seqno == next, "entry {} where {next} was due", read.seqno);
                next += 1;
            }
            pages += 1;
        }
        ensure!(self.log.read_since(&self.stream, size, 10)?.works()?.is_empty(), "entries after the end");
        Ok(format!("{size} entries in {pages} pages, no gap, no repeat"))
    }

    fn verify_chain(&mut self) -> Result<String> {
        let size = self.log.head(&self.stream)?.works()?.size;
        self.log.verify_chain(&self.stream, 0, size - 1)?.works()?;
        self.log.verify_chain(&self.stream, 5, 5)?.works()?;
        self.log.verify_chain(&self.stream, 0, size)?.fails("entry-not-found|invalid")?;
        self.log.verify_chain(&self.stream, 6, 5)?.fails("invalid")?;
        Ok(format!("0 to {}; a last that does not exist is refused", size - 1))
    }

    fn close_segment(&mut self) -> Result<String> {
        let info = self.log.close_segment(&self.stream)?.works()?;
        self.log.close_segment(&self.stream)?.fails("empty-segment")?;
        let head = self.remember()?;
        ensure!(info.id.number == 0 && info.first_seqno == 0 && info.last_seqno + 1 == head.size, "{info:?}");
        ensure!(info.root == head.root && info.prev_checkpoint_hash.is_none() && !info.signed, "{info:?}");
        ensure!(self.log.read_segment(&info.id)?.works()? == info, "read-segment gives another");
        ensure!(segments(&mut self.log, &self.stream)? == [info.clone()], "list-segments gives others");
        let text = self.log.encode_checkpoint(&origin(&self.stream), head.size, &head.root)?.works()?;
        let hash: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&text).into();
        ensure!(info.checkpoint_hash == hash, "the checkpoint hash is not SHA-256 of the checkpoint text");
        Ok(format!("segment 0, entries 0 to {}; again is empty-segment", info.last_seqno))
    }

    fn sign_segment(&mut self) -> Result<String> {
        let (id, identity) = (self.segment(0), self.site.identity());
        let signed = self.log.sign_segment(&identity, &id)?.works()?;
        let again = self.log.sign_segment(&identity, &id)?.works()?;
        ensure!(again == signed, "signing again gave another signature");
        ensure!(signed.algorithm == self.site.algorithm(), "signed with {}", signed.algorithm);
        self.log.verify_segment_signature(&id, &trust(&self.pin))?.works()?;
        self.log
            .sign_segment("no-such.key/..", &id)?
            .fails("signer(key-not-found)|invalid|signer(access-denied)|signer(backend)")?;
        let size = self.log.read_segment(&id)?.works()?.last_seqno + 1;
        ensure!(self.log.read_checkpoint(&self.stream, Some(size))?.works()? == signed.note, "another note is stored");
        ensure!(self.log.read_checkpoint(&self.stream, None)?.works()? == signed.note, "the newest note is another");
        self.unchanged()?;
        Ok(format!("{}, {} bytes; signing again returns the stored line", signed.algorithm, signed.signature.len()))
    }

    fn second_segment(&mut self) -> Result<String> {
        self.append_some(&[event("job.done", Some(b"ok")), event("job.done", None)])?;
        let second = self.log.close_segment(&self.stream)?.works()?;
        self.append_some(&[event("job.done", Some(b"again"))])?;
        let third = self.log.close_segment(&self.stream)?.works()?;
        let identity = self.site.identity();
        self.log.sign_segment(&identity, &third.id)?.fails("invalid")?;
        self.log.sign_segment(&identity, &second.id)?.works()?;
        self.log.sign_segment(&identity, &third.id)?.works()?;
        self.log.sign_segment(&identity, &self.segment(3))?.fails("segment-not-found")?;
        let first = self.log.read_segment(&self.segment(0))?.works()?;
        ensure!(second.prev_checkpoint_hash == Some(first.checkpoint_hash), "checkpoints do not form a chain");
        self.remember()?;
        Ok("checkpoints form a chain; signing out of order is invalid".into())
    }

    fn inclusion_proofs(&mut self) -> Result<String> {
        let segments = segments(&mut self.log, &self.stream)?;
        let mut checked = 0;
        for info in &segments {
            let size = info.last_seqno + 1;
            let root = Digest::try_from(info.root.as_slice())?;
            for seqno in [0, 1, 63, 200, 255, 256, size / 2, size - 1].into_iter().filter(|seqno| *seqno < size) {
                let proof = self.log.build_inclusion_proof(&self.stream, seqno, Some(size))?.works()?;
                let entry = self.log.read(&self.stream, seqno)?.works()?;
                let body = self.log.encode_entry(&entry)?.works()?;
                let mut path = Vec::new();
                for hash in &proof.path {
                    path.push(Digest::try_from(hash.as_slice())?);
                }
                ensure!(
                    self.log.verify_inclusion_proof(&body, &proof, &info.root)?.works()?,
                    "refused in the graph: {seqno} of {size}"
                );
                ensure!(
                    verify_inclusion(&leaf_hash(&body), seqno, size, &path, &root),
                    "refused natively: {seqno} of {size}"
                );
                let mut wrong = info.root.clone();
                wrong[31] ^= 1;
                ensure!(
                    !self.log.verify_inclusion_proof(&body, &proof, &wrong)?.works()?,
                    "accepted under a wrong root"
                );
                let other = self.log.read(&self.stream, (seqno + 1) % size)?.works()?;
                let other = self.log.encode_entry(&other)?.works()?;
                let accepted = self.log.verify_inclusion_proof(&other, &proof, &info.root)?.works()?;
                ensure!(!accepted, "accepted for another entry");
                checked += 1;
            }
        }
        let size = self.log.head(&self.stream)?.works()?.size;
        self.log.build_inclusion_proof(&self.stream, size, None)?.fails("entry-not-found|invalid")?;
        self.log.build_inclusion_proof(&self.stream, 0, Some(size + 1))?.fails("entry-not-found|invalid")?;
        Ok(format!("{checked} built, accepted in the graph and natively; wrong root and entry refused"))
    }

    fn consistency_proofs(&mut self) -> Result<String> {
        let segments = segments(&mut self.log, &self.stream)?;
        let mut checked = 0;
        for (index, new) in segments.iter().enumerate() {
            for old in &segments[..=index] {
                let (old_size, new_size) = (old.last_seqno + 1, new.last_seqno + 1);
                let proof = self.log.build_consistency_proof(&self.stream, old_size, new_size)?.works()?;
                ensure!(
                    self.log.verify_consistency_proof(&proof, &old.root, &new.root)?.works()?,
                    "refused in the graph: {old_size} to {new_size}"
                );
                let mut path = Vec::new();
                for hash in &proof.path {
                    path.push(Digest::try_from(hash.as_slice())?);
                }
                let (old_root, new_root) =
                    (Digest::try_from(old.root.as_slice())?, Digest::try_from(new.root.as_slice())?);
                ensure!(
                    verify_consistency(old_size, new_size, &path, &old_root, &new_root),
                    "refused natively: {old_size} to {new_size}"
                );
                if old_size != new_size {
                    ensure!(
                        !self.log.verify_consistency_proof(&proof, &new.root, &new.root)?.works()?,
                        "accepted under a wrong root"
                    );
                }
                checked += 1;
            }
        }
        self.log.build_consistency_proof(&self.stream, 2, 1)?.fails("invalid")?;
        Ok(format!("{checked} built, accepted in the graph and natively"))
    }

    fn verify(&mut self) -> Result<String> {
        let trusted = trust(&self.pin);
        let report = self.log.verify(&self.stream, &trusted)?.works()?;
        if let Some(found) = &report.finding {
            anyhow::bail!("{}", finding(found));
        }
        let head = self.log.head(&self.stream)?.works()?;
        let signed = report.signed.as_ref().context("nothing is covered by a checkpoint")?;
        ensure!(report.entries == head.size && report.root == head.root, "{report:?}");
        ensure!(signed.first == 0 && signed.last + 1 == head.size && report.checkpoints == 3, "{report:?}");
        ensure!(report.head_checked, "the remembered head was not compared");
        let chain = self.log.verify_checkpoint_chain(&self.stream, &trusted)?.works()?;
        ensure!(chain.finding.is_none() && chain.checkpoints == 3, "{chain:?}");
        let demo = Trust { signers: Signers::Keystore(self.site.identity()), ..trusted };
        let demo = self.log.verify(&self.stream, &demo)?.works()?;
        ensure!(demo.finding.is_none() && demo.trust_basis.contains("keystore"), "{demo:?}");
        Ok(format!(
            "{} entries, {} checkpoints, signed through {}, head compared",
            report.entries, report.checkpoints, signed.last
        ))
    }

    fn another_key(&mut self) -> Result<String> {
        let other = self.log.verifier_key(&self.site.other_identity(), &self.stream)?.works()?;
        ensure!(other != self.pin, "two labels, one key");
        let report = self.log.verify(&self.stream, &trust(&other))?.works()?;
        let found = report.finding.context("a foreign key was accepted")?;
        ensure!(crate::expect::kind(found.kind) == "wrong-key", "{}", finding(&found));
        self.log.verify_segment_signature(&self.segment(0), &trust(&other))?.fails("untrusted|tampered(wrong-key)")?;
        self.log.sign_segment(&self.site.other_identity(), &self.segment(0))?.fails("untrusted")?;
        let elsewhere = self.log.verifier_key(&self.site.identity(), &format!("{}-implicit", self.stream))?.works()?;
        self.log.verify(&self.stream, &trust(&elsewhere))?.fails("untrusted")?;
        Ok("finding wrong-key, signing again untrusted; a policy without this origin is untrusted".into())
    }

    fn key_life(&mut self) -> Result<String> {
        let other = self.site.other_identity();
        crate::keylife::run(&mut self.log, &format!("{}-keys", self.stream), &self.site.identity(), &other)
    }

    fn reopen(&mut self) -> Result<String> {
        if self.site.config() == ":memory:" && !self.stack.is_remote() {
            let mut other = opened(self.stack, self.site)?;
            other.head(&self.stream)?.fails("stream-not-found|rollback(rolled-back)")?;
            return Ok("a second instance on :memory: has another, empty store".into());
        }
        let before = self.remember()?;
        let mut log = opened(self.stack, self.site)?;
        let after = log.head(&self.stream)?.works()?;
        ensure!((after.size, &after.root) == (before.size, &before.root), "another head after reopening");
        let report = log.verify(&self.stream, &trust(&self.pin))?.works()?;
        ensure!(report.finding.is_none() && report.checkpoints == 3, "{report:?}");
        self.log = log;
        let seqno = self.append_some(&[event("job.resumed", Some(b"secret to erase"))])?;
        let vkey = self.log.verifier_key(&self.site.identity(), &self.stream)?.works()?;
        ensure!(vkey == self.pin, "another signing key after reopening");
        let (info, _) = self.seal_and_sign()?;
        Ok(format!("same head, verifies, goes on at {}, segment {} signed", seqno[0], info.id.number))
    }

    fn erase_payload(&mut self) -> Result<String> {
        let at = self.append_some(&[event("hr.note", Some(b"personal")), event("hr.note", Some(b"kept"))])?;
        self.log.erase_payload(&self.stream, at[0], at[0], "request 12")?.works()?;
        self.remember()?;
        let gone = self.log.read(&self.stream, at[0])?.works()?;
        ensure!(gone.payload.is_none() && gone.salt.is_none() && gone.payload_ref.is_some(), "{gone:?}");
        let kept = self.log.read(&self.stream, at[1])?.works()?;
        ensure!(kept.payload.as_deref() == Some(b"kept"), "the next payload went as well");
        let (info, _) = self.seal_and_sign()?;
        let proof = self.log.build_inclusion_proof(&self.stream, at[0], None)?.works()?;
        let body = self.log.encode_entry(&gone)?.works()?;
        ensure!(self.log.verify_inclusion_proof(&body, &proof, &info.root)?.works()?, "its proof broke");
        let report = self.log.verify(&self.stream, &trust(&self.pin))?.works()?;
        ensure!(report.finding.is_none() && report.erased == 1, "{report:?}");
        Ok("payload gone, entry, proofs and verdict stay".into())
    }

    fn bad_input(&mut self) -> Result<String> {
        self.remember()?;
        let streams = self.log.list_streams(None, 1000)?.works()?.len();
        let cases = crate::badinput::calls(&mut self.log, &self.stream)?;
        self.unchanged()?;
        ensure!(self.log.list_streams(None, 1000)?.works()?.len() == streams, "a call that failed made a stream");
        Ok(format!("{cases} calls, each its named error, nothing changed"))
    }

    fn native_check(&mut self) -> Result<String> {
        let pin: VerifierKey = self.pin.parse()?;
        let ledger = Ledger::export(&mut self.log, &origin(&self.stream), &self.stream)?;
        let proven = ledger.check(&pin)?;
        let head = self.log.head(&self.stream)?.works()?;
        ensure!(proven.root.0 == *head.root && ledger.lines.len() as u64 == head.size, "the graph says another root");
        for (info, (size, root)) in segments(&mut self.log, &self.stream)?.iter().zip(&proven.seals) {
            ensure!(info.last_seqno + 1 == *size && root.0 == *info.root, "the graph says another root at {size}");
        }
        Ok(format!(
            "{} entries, {} notes under {}, signed through {}",
            ledger.lines.len(),
            ledger.notes.len(),
            self.site.algorithm(),
            proven.signed - 1
        ))
    }

    fn close_stream(&mut self) -> Result<String> {
        self.log.close_stream(&self.stream, "end of the run")?.works()?;
        self.remember()?;
        self.log.append(&self.stream, "a", Severity::Notice, "p", None)?.fails("stream-closed")?;
        self.unchanged()?;
        let last = segments(&mut self.log, &self.stream)?.pop().context("no segment")?;
        self.log.sign_segment(&self.site.identity(), &last.id)?.works()?;
        let report = self.log.verify(&self.stream, &trust(&self.pin))?.works()?;
        ensure!(report.finding.is_none() && report.open_tail.is_none(), "{report:?}");
        Ok(format!("sealed and signed; appending is stream-closed; {} entries verify", report.entries))
    }
}
