#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Map, Value, json};

use super::*;
use crate::signer::testing::TestKey;

const ATTESTATION: &str = r#"{"certificates":["MIIB","AAAA"],"key_attributes":{"CKA_EXTRACTABLE":false,"CKA_LOCAL":true,
    "CKA_NEVER_EXTRACTABLE":true,"CKA_SENSITIVE":null},"retrieved_at":"2026-01-01T00:00:00.000000Z","token_info":"Token 7"}"#;

fn statement(attestation: Option<&str>) -> Statement {
    // Text that looks like the members around it, and a number and a name that canonical form changes.
    let payload = r#"{ "events": [1.0, 1E21, "},\"payload\":1", {"signature": "00", "payload": {"a": null}}], "é": "\u0001\u007f" }"#;
    Statement {
        timestamp: 1_767_225_600_000_001,
        transaction_hash: TransactionHash::try_from("00ff").unwrap(),
        payload: Json::parse(payload, MAX_PAYLOAD).unwrap(),
        attestation: attestation.map(|text| Attestation::parse(text).unwrap()),
    }
}

fn sign(key: &TestKey, attestation: Option<&str>) -> String {
    Record::sign(statement(attestation), key).unwrap().to_text()
}

fn pinned(key: &TestKey) -> Trust {
    Trust::Pinned(vec![TestKey::new(Algorithm::Ed25519, 9).public(), key.public()])
}

fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

/// The text of these members, in canonical form.
fn text(members: &Map<String, Value>) -> String {
    serde_json_canonicalizer::to_string(members).unwrap()
}

fn verdict(text: &str, trust: &Trust) -> &'static str {
    judge(text, trust).map_or_else(|fault| fault.as_str(), |_| "valid")
}

#[test]
fn a_record_is_its_own_canonical_form_and_valid_under_its_pinned_key() {
    for algorithm in Algorithm::ALL {
        for attestation in [None, Some(ATTESTATION)] {
            let key = TestKey::new(algorithm, 1);
            let record = sign(&key, attestation);
            assert_eq!(text(&members(&record)) + "\n", record, "the order of members is that of RFC 8785");
            let verified = judge(&record, &pinned(&key)).unwrap();
            assert_eq!(verified.record().to_text(), record);
            assert_eq!(verified.record().timestamp(), "2026-01-01T00:00:00.000001Z");
            assert_eq!(verified.record().attestation().is_some(), attestation.is_some());
            assert_eq!(verdict(record.trim_end(), &pinned(&key)), "valid", "the newline is no part of it");

            let mut signed = members(&record);
            signed.remove("signature");
            signed.remove("hardware_attestation");
            let message = format!("secure-log/record/v1\n{}", text(&signed));
            assert_eq!(verified.record().message(), message);
        }
    }
}

#[test]
fn no_bit_of_a_record_can_change_and_no_byte_go_or_come() {
    let key = TestKey::new(Algorithm::Ed25519, 1);
    let (record, trust) = (sign(&key, Some(ATTESTATION)), pinned(&key));
    for at in 0..record.len() {
        let mutate = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = record.clone().into_bytes();
            change(&mut bytes);
            let Ok(changed) = String::from_utf8(bytes) else { return };
            // Without its newline the record is the same.
            assert!(judge(&changed, &trust).is_err() || changed == record.trim_end(), "byte {at}: {changed}");
            assert!(judge(&changed, &Trust::KeyInRecord).is_err() || changed == record.trim_end(), "byte {at}");
        };
        (0..8).for_each(|bit| mutate(&|bytes| bytes[at] ^= 1 << bit));
        mutate(&|bytes| {
            bytes.remove(at);
        });
        mutate(&|bytes| bytes.insert(at, b' '));
        mutate(&|bytes| bytes.insert(at, b'0'));
        mutate(&|bytes| bytes.truncate(at));
    }
}

#[test]
fn no_byte_of_a_record_by_any_algorithm_can_change() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::RsaPssSha256] {
        let key = TestKey::new(algorithm, 1);
        let (record, trust) = (sign(&key, None), pinned(&key));
        for at in (0..record.len()).step_by(3) {
            let mut bytes = record.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(judge(&changed, &trust).is_err(), "{algorithm:?} byte {at}");
            }
        }
    }
}

#[test]
fn members_can_not_be_removed_added_renamed_or_repeated() {
    let key = TestKey::new(Algorithm::Ed25519, 1);
    let record = sign(&key, Some(ATTESTATION));
    let whole = members(&record);
    for name in whole.keys() {
        let mut without = whole.clone();
        let value = without.remove(name).unwrap();
        let expected = if name == "hardware_attestation" { "attestation-removed" } else { "malformed" };
        assert_eq!(verdict(&text(&without), &pinned(&key)), expected, "without {name}");
        let mut renamed = without.clone();
        renamed.insert(format!("{name}x"), value.clone());
        assert_eq!(verdict(&text(&renamed), &pinned(&key)), "malformed", "{name} renamed");
        let twice = record.trim_end().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        let fault = judge(&twice, &pinned(&key)).unwrap_err().to_string();
        assert!(fault.contains(&format!("$.{name}: this name occurs twice")), "{fault}");
        for other in [Value::Null, json!(""), json!(7), json!({})] {
            let mut changed = whole.clone();
            changed.insert(name.clone(), other.clone());
            assert_ne!(verdict(&text(&changed), &pinned(&key)), "valid", "{name} is {other}");
        }
    }
    let mut more = whole.clone();
    more.insert("note".into(), json!("approved"));
    assert_eq!(verdict(&text(&more), &pinned(&key)), "malformed");
}

#[test]
fn every_verdict_has_its_own_cause() {
    let (key, other) = (TestKey::new(Algorithm::Ed25519, 1), TestKey::new(Algorithm::Ed25519, 2));
    let trust = pinned(&key);
    let (plain, attested) = (members(&sign(&key, None)), members(&sign(&key, Some(ATTESTATION))));
    let with = |whole: &Map<String, Value>, changes: &[(&str, Value)]| {
        let mut changed = whole.clone();
        changes.iter().for_each(|(name, value)| drop(changed.insert((*name).to_owned(), value.clone())));
        text(&changed)
    };
    let without = |whole: &Map<String, Value>, name: &str| {
        let mut changed = whole.clone();
        changed.remove(name);
        changed
    };
    let hash = |value: &Value| json!(digest(&serde_json_canonicalizer::to_string(value).unwrap()).to_hex());
    let (null, payload) = (Value::Null, json!("another"));
    let removed = without(&attested, "hardware_attestation");
    for (what, record, expected) in [
        ("payload", with(&plain, &[("payload", payload.clone())]), "modified"),
        (
            "payload and its hash",
            with(&plain, &[("payload", payload.clone()), ("trace_hash", hash(&payload))]),
            "modified",
        ),
        ("time", with(&plain, &[("timestamp", json!("2026-01-01T00:00:00.000002Z"))]), "modified"),
        ("transaction", with(&plain, &[("transaction_hash", json!("00fe"))]), "modified"),
        ("signature", with(&plain, &[("signature", attested["signature"].clone())]), "modified"),
        ("attestation taken away", text(&removed), "attestation-removed"),
        ("taken away and denied", with(&removed, &[("attestation_hash", null.clone())]), "modified"),
        ("taken away and another payload", with(&removed, &[("payload", payload.clone())]), "modified"),
        (
            "taken away and another time",
            with(&removed, &[("timestamp", json!("2027-01-01T00:00:00.000000Z"))]),
            "modified",
        ),
        (
            "never there, said to be",
            with(&plain, &[("attestation_hash", attested["attestation_hash"].clone())]),
            "modified",
        ),
        ("brought", with(&plain, &[("hardware_attestation", attested["hardware_attestation"].clone())]), "modified"),
        (
            "brought with its hash",
            with(
                &plain,
                &[
                    ("hardware_attestation", attested["hardware_attestation"].clone()),
                    ("attestation_hash", attested["attestation_hash"].clone()),
                ],
            ),
            "modified",
        ),
        ("another key's record", sign(&other, None), "wrong-key"),
        ("another key named", with(&plain, &[("public_key", json!(hex(other.public().encoded())))]), "wrong-key"),
        ("no key", with(&plain, &[("public_key", json!("00"))]), "malformed"),
        ("another algorithm", with(&plain, &[("algorithm", json!("ecdsa-p256"))]), "malformed"),
        ("the version of another format", with(&plain, &[("version", json!("1.1.0"))]), "malformed"),
        ("upper case", text(&plain).replace("\"00ff\"", "\"00FF\""), "malformed"),
        ("a time of another form", with(&plain, &[("timestamp", json!("2026-01-01T00:00:00Z"))]), "malformed"),
        ("a day that was none", with(&plain, &[("timestamp", json!("2026-02-30T00:00:00.000000Z"))]), "malformed"),
        ("laid out for people", serde_json::to_string_pretty(&plain).unwrap(), "malformed"),
        ("two newlines", text(&plain) + "\n\n", "malformed"),
        ("a list of records", format!("[{}]", text(&plain)), "malformed"),
        ("nothing", String::new(), "malformed"),
    ] {
        assert_eq!(verdict(&record, &trust), expected, "{what}: {record}");
    }
    let fault = |record: &str| judge(record, &trust).unwrap_err();
    assert_eq!(fault(&sign(&other, None)), Fault::WrongKey { named: Box::new(other.public()), whole: true });
    let swapped = with(&plain, &[("public_key", json!(hex(other.public().encoded())))]);
    assert_eq!(fault(&swapped), Fault::WrongKey { named: Box::new(other.public()), whole: false });
    assert_eq!(verdict(&sign(&other, None), &Trust::KeyInRecord), "valid", "the weak mode takes anyone's record");
    assert_eq!(verdict(&sign(&key, None), &Trust::Pinned(Vec::new())), "wrong-key");
}

#[test]
fn a_signature_for_anything_else_is_none_for_a_record() {
    let key = TestKey::new(Algorithm::Ed25519, 1);
    let record = members(&sign(&key, None));
    let mut signed = record.clone();
    signed.remove("signature");
    // Without the version's line in front, as another system may sign JSON.
    let bare = crate::signer::sign_checked(&key, &key.public(), text(&signed).as_bytes()).unwrap();
    let mut forged = record.clone();
    forged.insert("signature".into(), json!(hex(&bare)));
    assert_eq!(verdict(&text(&forged), &pinned(&key)), "modified");
}

#[test]
fn a_payload_at_every_bound_is_signed_and_read_again() {
    let key = TestKey::new(Algorithm::Ed25519, 1);
    let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    let long = format!("\"{}\"", "x".repeat(MAX_PAYLOAD - 2));
    for payload in ["null", "0", "\"\"", "[]", deep.as_str(), long.as_str()] {
        let mut statement = statement(None);
        statement.payload = Json::parse(payload, MAX_PAYLOAD).unwrap();
        let record = Record::sign(statement, &key).unwrap().to_text();
        assert!(record.len() <= MAX_RECORD);
        assert_eq!(judge(&record, &pinned(&key)).unwrap().record().payload().canonical(), payload);
    }
    let record = sign(&key, None);
    let from = record.find("{\"events\"").unwrap();
    let to = record.find(",\"public_key\"").unwrap();
    let longer = format!("{}\"{long}{}", &record[..from], &record[to..]).replace("\"\"x", "\"xx");
    assert_eq!(Record::parse(&longer).unwrap_err().0, "a payload of more than 4194304 bytes");
    let refused = Record::parse(&" ".repeat(MAX_RECORD + 2)).unwrap_err();
    assert!(refused.0.contains("bytes of JSON, at most"), "{refused}");
    assert_eq!(render_time(253_402_300_800_000_000), None, "there is no year 10000");
}

#[test]
fn an_attestation_has_one_form() {
    let good: Value = serde_json::from_str(ATTESTATION).unwrap();
    let refused = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        Attestation::parse(&changed.to_string()).unwrap_err().0
    };
    assert!(refused("/certificates/1", json!("AA=A")).contains("certificates[1]"));
    assert!(refused("/certificates/0", json!("AB==")).contains("certificates[0]"), "unused bits are zero");
    assert!(refused("/certificates", json!(vec!["AAAA"; 17])).contains("17 certificates"));
    assert!(refused("/retrieved_at", json!("yesterday")).contains("retrieved_at"));
    assert!(refused("/token_info", json!("")).contains("token_info"));
    assert!(refused("/key_attributes", json!({ "CKA_PRIVATE": true })).contains("CKA_PRIVATE"));
    assert!(refused("/key_attributes/CKA_LOCAL", json!("yes")).contains("hardware_attestation"));
    assert!(refused("/certificates/0", json!("A".repeat(40_000))).contains("at most 32768"));
    let attestation = Attestation::parse(ATTESTATION).unwrap();
    assert_eq!(attestation.key_attributes().sensitive, None);
    assert_eq!(Attestation::parse(attestation.canonical()), Ok(attestation));
}
