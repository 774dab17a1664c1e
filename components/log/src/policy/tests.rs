#![allow(clippy::unwrap_used)]
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::signer::Algorithm;
use crate::signer::testing::TestKey;
use crate::types::hex;

fn log(origin: &str, seed: u8) -> VerifierKey {
    VerifierKey::for_log(origin, TestKey::new(Algorithm::Ed25519, seed).public()).unwrap()
}

fn witness(seed: u8) -> VerifierKey {
    let key = TestKey::new(Algorithm::Ed25519, seed).public();
    VerifierKey::for_witness(&format!("w{seed}.example"), key).unwrap()
}

/// The example of the specification.
fn example() -> String {
    let mut text = format!("# an example\n\n\tlog  {} https://log.example.org/ \n", log("log.example.org/a", 1));
    for (seed, name) in [(11, "X1"), (12, "X2"), (13, "X3")] {
        text += &format!("witness {name} {}\n", witness(seed));
    }
    text += "group X-witnesses 2 X1 X2 X3\n";
    for (seed, name) in [(21, "Y1"), (22, "Y2"), (23, "Y3")] {
        text += &format!("witness {name} {} https://{name}.example/\n", witness(seed));
    }
    text + "group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn the_example_of_the_specification_asks_for_two_of_x_and_one_of_y() {
    let policy = Policy::parse(&example()).unwrap();
    assert_eq!(policy.witnesses().len(), 6);
    for chosen in 0_u32..64 {
        let cosigned: Vec<usize> = (0..6).filter(|index| chosen >> index & 1 == 1).collect();
        let enough = (chosen & 0b111).count_ones() >= 2 && chosen & 0b111000 != 0;
        assert_eq!(policy.quorum_met(&cosigned), enough, "{cosigned:?}");
    }
    assert!(!policy.quorum_met(&[0, 0, 3]), "one witness counts once");
    assert!(!policy.quorum_met(&[7, 8, 99]), "no witnesses of this policy");
}

#[test]
fn only_log_lines_of_the_origin_give_keys() {
    let rotated = log("log.example.org/a", 3);
    let text = example().replace("quorum", &format!("log {}\nlog {rotated}\nquorum", log("log.example.org/b", 2)));
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.log_keys("log.example.org/a"), vec![&log("log.example.org/a", 1), &rotated]);
    assert_eq!(policy.log_keys("log.example.org/b").len(), 1);
    assert_eq!(policy.log_keys("log.example.org"), Vec::<&VerifierKey>::new());
    assert_eq!(policy.log_url(&log("log.example.org/a", 1)), Some("https://log.example.org/"));
    assert_eq!(policy.log_url(&rotated), None);
}

#[test]
fn a_quorum_of_none_is_met_by_nobody_and_no_quorum_is_no_policy() {
    let policy = Policy::parse("quorum none\n").unwrap();
    assert!(policy.quorum_met(&[]) && !policy.needs_witnesses());
    for no_policy in ["", "\n", "# quorum none\n"] {
        assert!(Policy::parse(no_policy).unwrap_err().0.contains("no quorum"));
    }
}

#[test]
fn errors_name_the_line_and_the_fault() {
    let (w1, w2, a) = (witness(11), witness(12), log("a.example/x", 1));
    let two = format!("witness A {w1}\nwitness B {w2}\n");
    let renamed = VerifierKey::for_log("other.example/x", a.key().public_key().clone()).unwrap();
    let as_log = VerifierKey::for_log("w11.example", w1.key().public_key().clone()).unwrap();
    for (text, line, why) in [
        (format!("{two}quorum C\n"), 3, "no line before this one defines \"C\""),
        (format!("{two}group g any A C\n"), 3, "no line before"),
        (format!("{two}group g any g\n"), 3, "no line before"),
        (format!("quorum A\n{two}"), 1, "no line before"),
        (format!("{two}group A any B\n"), 3, "taken"),
        (format!("witness none {w1}\n"), 1, "taken"),
        (format!("{two}group g any none\n"), 3, "no line before"),
        (format!("{two}group g any A A\n"), 3, "already a member"),
        (format!("{two}group g any A\ngroup h all A B\n"), 4, "already a member"),
        (format!("{two}group g 3 A B\n"), 3, "no threshold"),
        (format!("{two}group g 0 A B\n"), 3, "no threshold"),
        (format!("{two}group g 01 A B\n"), 3, "no threshold"),
        (format!("{two}group g +1 A B\n"), 3, "no threshold"),
        (format!("{two}group g ANY A B\n"), 3, "no threshold"),
        (format!("{two}group g any\n"), 3, "must be: group"),
        (format!("{two}quorum\n"), 3, "must be: quorum"),
        (format!("{two}quorum A B\n"), 3, "must be: quorum"),
        (format!("{two}quorum A\nquorum A\n"), 4, "second quorum"),
        (format!("{two}Quorum A\n"), 3, "unknown keyword"),
        (format!("{two}mirror A\n"), 3, "unknown keyword"),
        (format!("{two}quorum A\r\n"), 3, "control character 0x0d"),
        (format!("{two}quorum A\u{7f}\n"), 3, "control character 0x7f"),
        (format!("log {a} https://u x\n"), 1, "must be: log"),
        ("log\n".into(), 1, "must be: log"),
        (format!("log {a}\nlog {a}\n"), 2, "same public key"),
        (format!("log {a}\nlog {renamed}\n"), 2, "same public key"),
        (format!("witness A {w1}\nwitness B {w1}\n"), 2, "same public key"),
        (format!("witness A {w1}\nlog {as_log}\n"), 2, "same public key"),
        (format!("log {w1}\n"), 1, "a witness's"),
        (format!("witness A {a}\n"), 1, "a log's"),
        ("log a.example/x+00000000+AQ==\n".into(), 1, "32 bytes"),
        (format!("log {}\n", a.to_string().replace("x+", "x+0")), 1, "key id"),
    ] {
        let error = Policy::parse(&text).unwrap_err().0;
        assert!(error.starts_with(&format!("policy line {line}: ")) && error.contains(why), "{error}: {why}");
    }
    assert!(Policy::parse("quorum none").unwrap_err().0.contains("newline"));
    assert!(Policy::parse(&"#".repeat(MAX_POLICY + 1)).is_err());
}

#[test]
fn only_a_witness_may_know_two_logs_of_one_key() {
    let (payments, orders) = (log("log.example.org/payments", 1), log("log.example.org/orders", 1));
    let as_witness = VerifierKey::for_witness("w.example", payments.key().public_key().clone()).unwrap();
    let text = format!("log {payments}\nlog {orders}\n");
    let logs = KnownLogs::parse(&format!("{text}quorum none\n")).unwrap();
    assert_eq!(logs.keys_of("log.example.org/payments"), [&payments]);
    assert_eq!(logs.keys_of("log.example.org/orders"), [&orders]);
    assert!(Policy::parse(&format!("{text}quorum none\n")).unwrap_err().0.contains("same public key"));
    for line in [format!("log {payments}\n"), format!("log {orders}\n"), format!("witness w {as_witness}\n")] {
        let error = KnownLogs::parse(&format!("{text}{line}quorum none\n")).unwrap_err().0;
        assert!(error.starts_with("policy line 3: ") && error.contains("same public key"), "{error}");
    }
    assert!(KnownLogs::parse(&format!("witness w {as_witness}\n{text}quorum none\n")).is_err());
    assert!(KnownLogs::parse(&text).unwrap_err().0.contains("no quorum"));
}

/// A vkey as tlog-cosignature writes it for ML-DSA-44, made without this crate's own writer.
fn ml_dsa(name: &str, public: &[u8]) -> String {
    let material = [&[6], public].concat();
    let id = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&material).finalize();
    format!("{name}+{}+{}", hex(&id[..4]), BASE64.encode(material))
}

#[test]
fn a_witness_whose_signatures_are_not_verified_here_is_one_that_never_cosigns() {
    let (w, pq) = (witness(11), ml_dsa("pq.example/w", &[7; 1312]));
    let both = format!("witness w {w}\nwitness pq {pq} https://pq.example\n");
    let policy = Policy::parse(&format!("{both}group g any w pq\nquorum g\n")).unwrap();
    assert!(policy.quorum_met(&[0]) && !policy.quorum_met(&[]) && !policy.quorum_met(&[1]));
    assert_eq!(policy.witnesses().iter().map(|witness| &witness.key).collect::<Vec<_>>(), [&w]);
    assert_eq!(policy.unverifiable().collect::<Vec<_>>(), ["pq"]);
    for quorum in ["quorum pq\n", "group g all w pq\nquorum g\n", "group g 2 pq w\nquorum g\n"] {
        let error = Policy::parse(&format!("{both}{quorum}")).unwrap_err().0;
        assert!(error.contains("quorum") && error.contains("\"pq\"") && error.contains("ML-DSA-44"), "{error}");
    }
    let other_name = ml_dsa("other.example/w", &[7; 1312]);
    for (text, why) in [
        (format!("witness w {}\n", ml_dsa("pq.example/w", &[7; 1311])), "1312 bytes"),
        (format!("witness w {}\n", ml_dsa("pq.example/w", &[7; 1313])), "1312 bytes"),
        (format!("witness w {}\n", ml_dsa("pq.example/w", &[])), "1312 bytes"),
        (format!("witness w {}\n", ml_dsa("pq example", &[7; 1312]).replace(' ', "\u{a0}")), "key name"),
        (format!("witness w {}\n", pq.replacen("pq.", "qp.", 1)), "key id"),
        (format!("witness w {}\n", pq.replacen("Bgc", "BQc", 1)), "signature type 0x05"),
        (format!("witness w {pq}=\n"), "base64"),
        (format!("log {pq}\n"), "a witness's"),
        (format!("witness a {pq}\nwitness b {other_name}\n"), "same public key"),
        (format!("witness none {pq}\n"), "taken"),
    ] {
        let error = Policy::parse(&format!("{text}quorum none\n")).unwrap_err().0;
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let mut text: String = (0..64).map(|n| format!("witness w{n} {}\n", witness(n + 1))).collect();
    assert!(Policy::parse(&format!("{text}quorum w63\n")).is_ok());
    assert!(Policy::parse(&format!("{text}witness w64 {}\n", witness(65))).unwrap_err().0.contains("more than 64"));
    text += "group g0 any w0\n";
    for n in 1..64 {
        text += &format!("group g{n} all g{} w{n}\n", n - 1);
    }
    let deep = Policy::parse(&format!("{text}quorum g63\n")).unwrap();
    assert!(deep.quorum_met(&(0..64).collect::<Vec<_>>()) && !deep.quorum_met(&(1..64).collect::<Vec<_>>()));
    assert!(Policy::parse(&format!("{text}group g64 any g63\nquorum g64\n")).unwrap_err().0.contains("more than 64"));
}
