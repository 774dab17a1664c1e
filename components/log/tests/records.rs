//! Signed records, judged by programs that are not ours: the canonical form by the PyPI package `rfc8785`, whole
//! records by `openssl` and `jq` as `docs/records.md` tells people to.

use std::fs;
use std::path::Path;
use std::process::Command;

use secure_log::record::json::Json;
use secure_log::record::{MAX_PAYLOAD, Record, Trust, judge};
use secure_log::signer::Algorithm;
use serde_json::json;

use crate::oracle::{Case, agree, rfc8785};
use crate::record_samples::{ATTESTATION, Documents, sign};
use crate::support::FixedKey;

#[test]
fn a_second_implementation_of_rfc_8785_writes_the_same_form_and_refuses_the_same() {
    let mut documents = Documents::new(1);
    let mut cases = Vec::new();
    let mut add = |text: String| {
        let form = Json::parse(&text, MAX_PAYLOAD).map(|json| json.canonical().to_owned()).ok();
        if let Some(form) = &form {
            assert_eq!(Json::parse(form, MAX_PAYLOAD).unwrap().canonical(), form, "canonical once, canonical always");
            // The other program must not take any other form for it.
            let other = format!("{form} ");
            cases.push(Case {
                what: text.clone(),
                evidence: json!({ "json": text, "form": other }),
                ours: false,
                laxer: None,
            });
        }
        cases.push(Case {
            what: text.clone(),
            evidence: json!({ "json": text, "form": form }),
            ours: form.is_some(),
            laxer: None,
        });
    };
    (0..20_000).for_each(|_| add(documents.document()));
    for at in -330..310 {
        for digits in ["1", "5", "9.999999999999999", "1.7976931348623157", "2.2250738585072014"] {
            add(format!("{digits}e{at}"));
        }
    }
    for power in 0..64 {
        let number = 1_u64 << power;
        [number - 1, number, number + 1].iter().for_each(|number| add(number.to_string()));
    }
    let (good, bad) = cases.iter().partition::<Vec<_>, _>(|case| case.ours);
    assert!(good.len() > 8_000 && bad.len() > good.len() + 1_000, "{} {}", good.len(), bad.len());
    agree("rfc8785", rfc8785(), &cases);
}

/// The commands of `docs/records.md`, the block that begins with this comment.
fn by_hand() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/records.md");
    let text = fs::read_to_string(page).unwrap();
    let block = text.split("```sh\n").find(|block| block.starts_with("# By hand")).expect("the block is there");
    block.split("```").next().unwrap().to_owned()
}

/// Whether a person who follows the page finds the record good.
fn good_by_hand(folder: &Path, record: &str) -> bool {
    fs::write(folder.join("record.json"), record).unwrap();
    let output = Command::new("sh").args(["-euc", &by_hand()]).current_dir(folder).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() || text.ends_with("good\n"), "{text}");
    output.status.success()
}

#[test]
fn openssl_and_jq_judge_a_record_as_the_page_says() {
    for program in ["openssl", "jq", "basenc"] {
        let there = Command::new(program).arg("--version").output();
        assert!(there.is_ok(), "{program} is needed for this test: apt-get install openssl jq coreutils");
    }
    for (algorithm, attestation) in [
        (Algorithm::Ed25519, None),
        (Algorithm::Ed25519, Some(ATTESTATION)),
        (Algorithm::EcdsaP256, Some(ATTESTATION)),
        (Algorithm::RsaPssSha256, None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let key = FixedKey::log(algorithm).public();
        fs::write(folder.path().join("public.pem"), key.spki_pem().unwrap()).unwrap();
        let record = sign(algorithm, attestation);
        let (text, message) = (record.to_text(), record.message());
        assert!(good_by_hand(folder.path(), &text), "{algorithm:?}");
        assert_eq!(fs::read_to_string(folder.path().join("message")).unwrap(), message);
        let other = sign(Algorithm::ALL[usize::from(algorithm == Algorithm::Ed25519)], attestation).to_text();
        let trust = Trust::Pinned(vec![key]);
        let mut mutants = vec![("another key's", other)];
        for (what, from, to) in [
            ("time", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123457Z"),
            ("transaction", "e3b0c44298fc", "e3b0c44298fd"),
            ("version", "record/v1", "record/v2"),
            ("payload", "transfer", "transfes"),
            ("number", "12.5", "12.6"),
            ("trace hash", "\"trace_hash\":\"", "\"trace_hash\":\"00"),
            ("signature", "\"signature\":\"", "\"signature\":\"00"),
            ("certificate", "AAEC", "AAED"),
            ("attribute", "\"CKA_LOCAL\":true", "\"CKA_LOCAL\":false"),
            ("denied", "\"attestation_hash\":\"", "\"attestation_hash\":null,\"x\":\""),
        ] {
            if text.contains(from) {
                mutants.push((what, text.replacen(from, to, 1)));
            }
        }
        if attestation.is_some() {
            let (from, to) = (text.find(",\"hardware_attestation\"").unwrap(), text.find(",\"payload\"").unwrap());
            mutants.push(("attestation removed", format!("{}{}", &text[..from], &text[to..])));
        }
        assert!(mutants.len() >= 8);
        for (what, mutant) in mutants {
            assert!(judge(&mutant, &trust).is_err() && mutant != text, "{algorithm:?}, {what}");
            assert!(!good_by_hand(folder.path(), &mutant), "{algorithm:?}, {what}: {mutant}");
        }
    }
}

#[test]
fn frozen_records_are_valid_under_their_frozen_keys() {
    let text = include_str!("vectors/records.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    for vector in vectors["signed"].as_array().unwrap() {
        let record = vector["record"].as_str().unwrap();
        let algorithm = Algorithm::from_name(vector["algorithm"].as_str().unwrap()).unwrap();
        let verified = judge(record, &Trust::Pinned(vec![FixedKey::log(algorithm).public()])).unwrap();
        assert_eq!(verified.record(), &Record::parse(record).unwrap());
        assert_eq!(verified.record().message(), vector["message"].as_str().unwrap());
    }
}
