//! Bad input at every door: each call gives the error that the contract names, never a trap, and changes nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::endpoint::{Endpoint, TOKEN};
use crate::expect::Expect as _;
use crate::host::wit::{Author, Event, SegmentId, Severity, Tier, Want};
use crate::host::{Instance, Stack};
use crate::report::Report;
use crate::site::Site;
use crate::steps::{event, opened};

/// Bad arguments to an open log; how many calls were made. The caller compares the head before and after.
///
/// # Errors
/// A call gave another answer than it must.
pub fn calls(log: &mut Instance, stream: &str) -> Result<usize> {
    let long = "x".repeat(257);
    let mut count = 0;
    let evil_events: Vec<Event> = vec![
        event("secure-log.stream-created", None),
        event("secure-log.", None),
        event("", None),
        event(&long, None),
        Event { producer: String::new(), ..event("a", None) },
        Event { producer: long.clone(), ..event("a", None) },
        Event { payload_encoding: Some(String::new()), ..event("a", Some(b"p")) },
        Event { payload_encoding: Some(long.clone()), ..event("a", Some(b"p")) },
        Event { salt: Some(vec![0; 15]), ..event("a", Some(b"p")) },
        Event { salt: Some(vec![0; 17]), ..event("a", Some(b"p")) },
        Event { idempotency_key: Some(Vec::new()), ..event("a", None) },
        Event { idempotency_key: Some(vec![0; 65]), ..event("a", None) },
        event("a", Some(&vec![0; 1024 * 1024 + 1])),
        Event {
            author: Some(Author {
                algorithm: "ed25519".into(),
                public_key: vec![1; 32],
                author_seq: 1,
                signature: vec![2; 64],
            }),
            ..event("a", None)
        },
        Event {
            author: Some(Author {
                algorithm: "md5".into(),
                public_key: vec![0; 3000],
                author_seq: u64::MAX,
                signature: Vec::new(),
            }),
            ..event("a", None)
        },
    ];
    for (number, evil) in evil_events.into_iter().enumerate() {
        // In the middle of a batch: all or none.
        let batch = [event("a", None), evil, event("a", None)];
        let answer = log.append_batch(stream, &batch, Want::Synced)?;
        answer.fails("invalid|untrusted|unsupported").with_context(|| format!("evil event {number}"))?;
        count += 1;
    }
    log.append(stream, "secure-log.erased", Severity::Notice, "p", None)?.fails("invalid")?;
    let many = vec![event("a", None); 8193];
    log.append_batch(stream, &many, Want::Written)?.fails("invalid")?;
    let large = vec![event("a", Some(&vec![0; 1024 * 1024])); 5];
    log.append_batch(stream, &large, Want::Written)?.fails("invalid")?;
    for evil in [
        "",
        "/",
        "a//b",
        "..",
        "a/../b",
        "a b",
        "a\0",
        "\u{e4}",
        "a%2eb",
        "a\u{202e}b",
        &"x".repeat(129),
        &"x".repeat(5000),
    ] {
        log.append(evil, "a", Severity::Notice, "p", None)?
            .fails("invalid")
            .with_context(|| format!("stream id {evil:?}"))?;
        log.head(evil)?.fails("invalid|stream-not-found")?;
        log.create_stream(evil, Tier::Public, None)?.fails("invalid")?;
        count += 3;
    }
    let unknown = "verify/unknown";
    log.read(unknown, 0)?.fails("stream-not-found|entry-not-found")?;
    log.read_since(unknown, 0, 10)?.fails("stream-not-found")?;
    log.head(unknown)?.fails("stream-not-found")?;
    log.verify_chain(unknown, 0, 0)?.fails("stream-not-found")?;
    log.close_segment(unknown)?.fails("stream-not-found")?;
    log.close_stream(unknown, "r")?.fails("stream-not-found")?;
    log.erase_payload(unknown, 0, 0, "r")?.fails("stream-not-found")?;
    log.read_checkpoint(unknown, None)?.fails("stream-not-found|segment-not-found")?;
    log.build_inclusion_proof(unknown, 0, None)?.fails("stream-not-found|entry-not-found|segment-not-found")?;
    log.read(stream, u64::MAX)?.fails("entry-not-found|invalid")?;
    log.read_segment(&SegmentId { stream_id: stream.into(), number: 999 })?.fails("segment-not-found")?;
    log.read_checkpoint(stream, Some(2))?.fails("segment-not-found|invalid|entry-not-found")?;
    log.create_stream(&format!("{stream}-x"), Tier::Public, Some(&"x".repeat(1025)))?.fails("invalid")?;
    log.close_stream(stream, &"x".repeat(1025))?.fails("invalid")?;
    log.erase_payload(stream, 1, 1, &"x".repeat(1025))?.fails("invalid")?;
    log.erase_payload(stream, 2, 1, "r")?.fails("invalid|entry-not-found")?;
    log.erase_payload(stream, 1, 1 << 40, "r")?.fails("invalid|entry-not-found")?;
    log.encode_checkpoint("o.example/a", 1, &[0; 31])?.fails("invalid")?;
    log.encode_checkpoint("", 1, &[0; 32])?.fails("invalid")?;
    for evil in [&b""[..], b"\x8a", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", &[0xff; 70_000], &[0x81; 60_000]] {
        log.decode_entry(evil)?.fails("invalid|unsupported")?;
        count += 1;
    }
    let segment = SegmentId { stream_id: stream.into(), number: 0 };
    let line = "\u{2014} other.example AAAAAAAAAAA=".to_owned();
    ensure!(log.add_cosignature(&segment, &[line], &[])?.works()? == 0, "a line of nobody was kept");
    log.add_cosignature(&segment, &["no line".to_owned()], &[])?.fails("invalid")?;
    log.add_cosignature(&segment, &[], &["no vkey".to_owned()])?.fails("invalid")?;
    let mut proof = log.build_inclusion_proof(stream, 1, None)?.works()?;
    log.verify_inclusion_proof(b"x", &proof, &[0; 31])?.fails("invalid")?;
    proof.path.push(vec![0; 31]);
    let root = proof.root.clone();
    log.verify_inclusion_proof(b"x", &proof, &root)?.fails("invalid")?;
    for policy in ["", "log", "quorum none\n", "log x\nquorum none\n", "\u{0}", &"log a+b+c\n".repeat(10_000)] {
        let evil = crate::host::wit::Trust {
            signers: crate::host::wit::Signers::Policy(policy.to_owned()),
            authors: Vec::new(),
            require_author: false,
        };
        log.verify(stream, &evil)?
            .fails("invalid|untrusted")
            .with_context(|| format!("policy {:?}", policy.get(..20)))?;
        count += 1;
    }
    Ok(count + 27)
}

/// Files that are no logs: not a database, another file's content, an empty directory, a missing directory.
pub fn stores(report: &mut Report, stack: &Stack, dir: &Path, algorithm: &str) {
    report.step("not a log", || {
        let mut seen = Vec::new();
        for (name, content) in
            [("garbage", &[0x5a; 5000][..]), ("text", &b"# notes\nbuy milk\n"[..]), ("json", b"{\"a\":1}\n{\"b\":2}\n")]
        {
            let site = Site::at(&dir.join(format!("not-a-log-{name}")), "audit", algorithm)?;
            let file = site.file().context("a local store")?;
            fs::write(&file, content)?;
            let mut log = stack.start(&site)?;
            seen.push(log.open(&site.config())?.fails("store(corrupt)|store(invalid)|store(io)").context(name)?);
            log.append("a", "a", Severity::Notice, "p", None)?
                .fails("not-open|store(corrupt)|store(invalid)|store(io)")?;
            ensure!(fs::read(&file)? == content, "{name}: the file was changed");
        }
        Ok(seen.into_iter().next().unwrap_or_default())
    });
    report.step("no such directory", || {
        let site = Site::at(&dir.join("missing"), "audit", algorithm)?.with_config("/store/no/such/dir/audit");
        let mut log = stack.start(&site)?;
        let why = log.open(&site.config())?.fails("store(io)|store(invalid)|store(denied)")?;
        let outside = Site::at(&dir.join("missing"), "audit", algorithm)?.with_config("/etc/passwd");
        let mut log = stack.start(&outside)?;
        log.open(&outside.config())?.fails("store(io)|store(invalid)|store(denied)")?;
        Ok(why)
    });
}

/// What an endpoint must refuse: no token, a wrong one, what is not JSON-RPC of ours, too much.
pub fn endpoint(report: &mut Report, endpoint: &Endpoint, stack: &Stack, site: &Site, stream: &str) {
    let head = |site: &Site| -> Result<(u64, Vec<u8>)> {
        let head = opened(stack, site)?.head(stream)?.works()?;
        Ok((head.size, head.root))
    };
    report.step("endpoint: tokens", || {
        let before = head(site)?;
        let read = br#"{"jsonrpc":"2.0","id":1,"method":"streams","params":[null,10]}"#;
        let write = br#"{"jsonrpc":"2.0","id":1,"method":"append","params":[[],"synced"]}"#;
        for token in [None, Some(""), Some("wrong"), Some(&TOKEN[1..]), Some(&format!("{TOKEN}x"))] {
            for body in [&read[..], write] {
                let (status, answer) = endpoint.post(token, body)?;
                ensure!(matches!(status, 401 | 403), "token {token:?}: status {status}, {answer}");
            }
        }
        let (status, answer) = endpoint.post(Some(TOKEN), read)?;
        ensure!(status == 200 && answer.contains("\"result\""), "the right token: status {status}, {answer}");
        let denied = site.clone().behind(&endpoint.url(), "wrong");
        let mut log = stack.start(&denied)?;
        let why = log.open(&denied.config())?.fails("store(denied)")?;
        ensure!(head(site)? == before, "the log changed");
        Ok(format!("none and 4 wrong ones are refused; {why}"))
    });
    report.step("endpoint: malformed", || {
        let before = head(site)?;
        let nested = "[".repeat(100_000);
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"streams","params":["{}",1]}}"#, "x".repeat(9 * 1024 * 1024));
        let row = |body: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"append","params":[[{{"kind":"entry","stream-id":"a","index":0,"body":"{body}","payload":null}}],"synced"]}}"#
            )
        };
        let evil = [
            "", "{", "null", "[]", "7", "\u{0}", nested.as_str(), long.as_str(),
            r#"{"jsonrpc":"1.0","id":1,"method":"streams","params":[null,1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"drop","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"streams","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"streams","params":[null,-1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"get","params":["entry","..",0]}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"streams","params":[null,1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"erase","params":["entry","no-such-stream",0]}"#,
            &row("####"), &row("YQ"),
        ];
        for body in evil {
            let (status, answer) = endpoint.post(Some(TOKEN), body.as_bytes())?;
            let refused = (400..500).contains(&status) || (status == 200 && answer.contains("\"error\""));
            ensure!(refused, "{:?}: status {status}, {answer}", body.get(..80).unwrap_or(body));
        }
        ensure!(head(site)? == before, "the log changed");
        Ok(format!("{} bodies refused, the endpoint lives, nothing changed", evil.len()))
    });
    report.step("endpoint: unreachable", || {
        let gone = site.clone().behind("http://127.0.0.1:9/", TOKEN);
        let mut log = stack.start(&gone)?;
        let why = log.open(&gone.config())?.fails("store(unavailable)")?;
        for url in ["", "ftp://127.0.0.1/", "http://example.com/", "http://user@127.0.0.1:9/", "not a url"] {
            let evil = site.clone().behind(url, TOKEN);
            let mut log = stack.start(&evil)?;
            log.open(&evil.config())?
                .fails("store(invalid)|store(denied)|invalid")
                .with_context(|| format!("URL {url:?}"))?;
        }
        Ok(format!("{why}; 5 bad URLs refused"))
    });
}
