//! The life of a key from the command line: attested, handed over, taken back; and what `verify` says of it.

use std::fs;

use crate::desk::{Desk, parsed};
use crate::support::ORIGIN;
use secure_log::record::{Attestation, Evidence, KeyAttributes};
use secure_log_cli::{FINDING, USAGE};
use serde_json::{Value, json};

#[test]
fn a_key_is_handed_over_and_taken_back_under_one_pin() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let [old, new] = [desk.key.vkey(ORIGIN).to_string(), desk.next.vkey(ORIGIN).to_string()];
    let attested = folder.path().join("attestation").display().to_string();
    fs::write(&attested, b"quote of a device").unwrap();

    assert_eq!(
        desk.good(&format!("attest-key --attestation {attested}")).split(':').next(),
        Some("entry 3 of payments")
    );
    desk.settle();
    let said = parsed(&desk.good(&format!("--json rotate-key --no-seal --to next --attestation {attested}")));
    assert_eq!((&said["seqno"], &said["vkey"]), (&json!(5), &json!(new)));
    ["append two", "seal", "sign --key next"].iter().for_each(|line| drop(desk.good(line)));
    let said = desk.good(&format!("verify --policy {policy}"));
    assert!(said.starts_with("WHOLE") && said.contains(&format!("{new}, rotated in by entry 5")), "{said}");
    assert!(said.contains(&format!("key        {new}, after 1 rotation(s)")), "{said}");

    let said = desk.good(&format!("revoke-key {old} --from 2 --reason lost --key next"));
    assert!(said.starts_with("entry 8 of payments: ") && said.contains(&old), "{said}");
    ["seal", "sign --key next"].iter().for_each(|line| drop(desk.good(line)));
    let report = parsed(&desk.good(&format!("--json verify --policy {policy}")));
    assert_eq!(
        (&report["whole"], &report["rotations"], &report["current-key"]),
        (&json!(true), &json!(1), &json!(new))
    );
    assert_eq!(report["revoked"], json!([{ "vkey": old, "from-seqno": 2, "seqno": 8, "discounted": 2 }]));
    let text = desk.good(&format!("verify --policy {policy}"));
    assert!(text.contains(&format!("revoked    {old} from 2 by entry 8: 2 checkpoint(s) do not count")), "{text}");
    let signers: Vec<&Value> = report["signers"].as_array().unwrap().iter().map(|key| &key["rotated-in"]).collect();
    assert_eq!(signers.last(), Some(&&json!(5)), "{report}");
}

#[test]
fn what_the_life_of_a_key_forbids_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let [old, new] = [desk.key.vkey(ORIGIN).to_string(), desk.next.vkey(ORIGIN).to_string()];
    let large = folder.path().join("large").display().to_string();
    fs::write(&large, vec![0; 32 * 1024 + 1]).unwrap();
    for (line, status, why) in [
        ("rotate-key", USAGE, "--to"),
        ("rotate-key --to stranger", USAGE, "stranger"),
        ("rotate-key --to audit", USAGE, "audit"),
        ("rotate-key --to audit --key next", FINDING, "key next"),
        (&format!("rotate-key --to next --attestation {large}"), USAGE, "32769 bytes"),
        (&format!("attest-key --attestation {large}"), USAGE, "32769 bytes"),
        ("attest-key --attestation /no/such/file", USAGE, "/no/such/file"),
        (&format!("revoke-key {old} --from 0 --reason x"), USAGE, old.as_str()),
        (&format!("revoke-key {new} --from 0 --reason x"), USAGE, new.as_str()),
        ("revoke-key nonsense --from 0 --reason x", USAGE, "nonsense"),
        (&format!("revoke-key {old} --from 0"), USAGE, "--reason"),
    ] {
        let said = desk.run(line);
        assert!(said.status == status && said.err.contains(why), "{line}: {} {}", said.status, said.err);
    }
    ["append two", "seal"].iter().for_each(|line| drop(desk.good(line)));
    let said = desk.run("rotate-key --to next");
    assert!(said.status == USAGE && said.err.contains("segment 1"), "{}", said.err);
    desk.good("sign");
    let report = parsed(&desk.good(&format!("--json verify --policy {policy}")));
    assert_eq!((&report["entries"], &report["rotations"], &report["revoked"]), (&json!(5), &json!(0), &json!([])));
    assert_eq!(report["current-key"], json!(old));
}

#[test]
fn the_evidence_of_a_keystore_goes_into_the_log_and_verify_tells_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let file = folder.path().join("attestation").display().to_string();
    fs::write(&file, b"x").unwrap();
    for (line, why) in [
        ("attest-key --attest", "this keystore has no evidence about key audit"),
        ("attest-key", "--attest reads it from the keystore"),
        (&format!("attest-key --attest --attestation {file}"), "cannot be used with"),
        ("attest-key --attest --key stranger", "stranger"),
    ] {
        let said = desk.run(line);
        assert!(said.status == USAGE && said.err.contains(why), "{line}: {} {}", said.status, said.err);
    }
    let told = KeyAttributes { sensitive: Some(true), extractable: None, never_extractable: None, local: None };
    let evidence = Evidence {
        certificates: vec![vec![0x30, 0]],
        token_info: "Token".into(),
        key_attributes: told,
        retrieved_at: 1_767_225_600_000_000,
    };
    desk.evidence = Some(Attestation::new(&evidence).unwrap());
    let length = desk.evidence.as_ref().unwrap().canonical().len();
    let said = desk.good("attest-key --attest");
    assert!(said.ends_with(&format!("{length} bytes of attestation for key audit\n")), "{said}");
    ["seal", "sign", "rotate-key --to next --attest", "seal", "sign --key next"]
        .iter()
        .for_each(|line| drop(desk.good(line)));
    let said = desk.good(&format!("verify --policy {policy}"));
    assert!(said.starts_with("WHOLE"), "{said}");
    assert_eq!(said.matches(": chain broken: certificates[0]: no X.509 certificate").count(), 2, "{said}");

    fs::write(folder.path().join("payload.json"), "{}").unwrap();
    let payload = folder.path().join("payload.json").display().to_string();
    let record = desk.good(&format!("record sign --transaction-hash 00 --attest {payload}"));
    assert!(record.contains(r#""hardware_attestation":{"certificates":["MAA="],"#), "{record}");
    let said = desk.feed("record verify - --trust-key-in-record", record.as_bytes());
    assert!(said.status == 0 && said.out.contains(", attested: chain broken: certificates[0]"), "{}", said.out);
}

/// What is not sealed and signed a store can take away, and then nobody sees that the old key had to stop.
#[test]
fn a_rotation_is_signed_by_the_new_key_before_the_command_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let said = desk.good("rotate-key --to next");
    assert!(said.contains("next sealed and signed it: segment 1, 5 entries"), "{said}");
    let report = parsed(&desk.good(&format!("--json verify --policy {policy}")));
    assert_eq!((&report["vouched"], &report["behind"], &report["rotations"]), (&json!(5), &json!(0), &json!(1)));
    let last = report["signers"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["vkey"], &last["rotated-in"]), (&json!(desk.next.vkey(ORIGIN).to_string()), &json!(3)));

    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let said = desk.good("rotate-key --to next --no-seal");
    assert!(said.contains("whoever holds the store can take it away, and audit signs on"), "{said}");
    assert_eq!(parsed(&desk.good(&format!("--json verify --policy {policy}")))["behind"], json!(1));
}

#[test]
fn a_seal_of_a_timer_right_after_the_rotation_does_not_keep_the_new_key_from_signing_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    desk.timer = true;
    let said = desk.good("rotate-key --to next");
    assert!(said.contains("next sealed and signed it: segment 1, 5 entries"), "{said}");
    let report = parsed(&desk.good(&format!("--json verify --policy {policy}")));
    assert_eq!((&report["vouched"], &report["behind"], &report["rotations"]), (&json!(5), &json!(0), &json!(1)));
}
