//! What an attestation shows: chains that `openssl` makes for keys of the log, in the algorithms that makers of tokens
//! sign with; and what `verify` says of them.

use std::fs;
use std::process::Command;

use crate::support::{FixedKey, ORIGIN};
use crate::world::{Shared, event, log, stream};
use secure_log::policy::Policy;
use secure_log::record::{Attestation, Certified, Evidence, KeyAttributes};
use secure_log::signer::Algorithm::{self, EcdsaP256, Ed25519};
use secure_log::signer::PublicKey;
use secure_log::verify::{Report, Signers, Trust};
use tempfile::TempDir;

/// A certification authority of three levels in a folder.
struct Maker {
    folder: TempDir,
}

impl Maker {
    /// With keys of this kind, signing with this hash.
    fn new(newkey: &str, options: &str) -> Maker {
        let maker = Maker { folder: tempfile::tempdir().unwrap() };
        maker.openssl(&format!(
            "req -x509 -newkey {newkey} -nodes -keyout root.key -out root.pem -subj /O=Maker/CN=Root -days 9 {options}"
        ));
        maker.openssl(&format!("req -newkey {newkey} -nodes -keyout batch.key -out batch.csr -subj /CN=Batch"));
        maker
            .openssl(&format!("x509 -req -in batch.csr -CA root.pem -CAkey root.key -out batch.pem -days 9 {options}"));
        maker.openssl("req -new -key batch.key -subj /CN=Device -out device.csr");
        maker
    }

    fn openssl(&self, line: &str) {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let done = Command::new("openssl").args(words).current_dir(self.folder.path()).output().expect("openssl");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Certificate of `key`, of the batch, of the root, in DER.
    fn chain(&self, key: &FixedKey, options: &str) -> Vec<Vec<u8>> {
        let public = PublicKey::of_signer(key).unwrap();
        fs::write(self.folder.path().join("public.pem"), public.spki_pem().unwrap()).unwrap();
        self.openssl(&format!("x509 -req -in device.csr -CA batch.pem -CAkey batch.key -force_pubkey public.pem -out device.pem -days 9 {options}"));
        ["device", "batch", "root"].map(|name| self.der(name)).into()
    }

    fn der(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
        fs::read(self.folder.path().join(format!("{name}.der"))).unwrap()
    }
}

fn attestation(certificates: &[Vec<u8>]) -> Attestation {
    let told = Some(true);
    let key_attributes =
        KeyAttributes { sensitive: told, extractable: Some(false), never_extractable: told, local: None };
    let (certificates, token_info) = (certificates.to_vec(), "Example HSM 7, serial 1".to_owned());
    let evidence = Evidence { certificates, token_info, key_attributes, retrieved_at: 1_767_225_600_000_000 };
    let attestation = Attestation::new(&evidence).unwrap();
    assert_eq!(attestation.evidence(), evidence, "what comes out is what went in");
    assert_eq!(Attestation::parse(attestation.canonical()).unwrap(), attestation);
    attestation
}

fn verdict(certificates: &[Vec<u8>], key: &FixedKey) -> Certified {
    attestation(certificates).certified(&PublicKey::of_signer(key).unwrap())
}

#[test]
fn chains_in_the_algorithms_of_makers_are_followed() {
    for (newkey, options) in [
        ("rsa:2048", "-sha256"),
        ("rsa:2048", "-sha384"),
        ("rsa:4096", "-sha512"),
        ("rsa:3072", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
        ("ec -pkeyopt ec_paramgen_curve:P-256", "-sha256"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "-sha384"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "-sha256"),
        ("ed25519", ""),
    ] {
        let maker = Maker::new(newkey, options);
        for algorithm in Algorithm::ALL {
            let key = FixedKey::log(algorithm);
            let chain = maker.chain(&key, options);
            let found = verdict(&chain, &key);
            let whole = Certified::ChainOk { certificates: 3, issuer: "CN=Root,O=Maker".into(), self_issued: true };
            assert_eq!(found, whole, "{newkey} {options} {algorithm:?}");
            let open = Certified::ChainOk { certificates: 2, issuer: "CN=Root,O=Maker".into(), self_issued: false };
            assert_eq!(verdict(&chain[..2], &key), open);
        }
    }
}

#[test]
fn an_edited_removed_reordered_or_foreign_certificate_is_found() {
    let (key, other) = (FixedKey::log(EcdsaP256), FixedKey::seeded(EcdsaP256, 9));
    let maker = Maker::new("ec -pkeyopt ec_paramgen_curve:P-256", "-sha256");
    let chain = maker.chain(&key, "-sha256");
    let [device, batch, root] = [0, 1, 2].map(|index| chain[index].clone());
    let is = |certificates: &[&Vec<u8>], expected: &str| {
        let certificates: Vec<Vec<u8>> = certificates.iter().map(|der| (*der).clone()).collect();
        let found = verdict(&certificates, &key);
        assert_eq!(found.as_str(), expected, "{found}");
    };
    is(&[], "no-certificates");
    is(&[&device], "chain-ok");
    is(&[&device, &root], "chain-broken");
    is(&[&device, &root, &batch], "chain-broken");
    is(&[&batch, &device, &root], "key-differs");
    is(&[&device, &batch, &root, &root], "chain-ok");
    is(&[&device, &batch, &batch], "chain-broken");
    is(&[&device, &vec![0x30, 0], &root], "chain-broken");
    assert_eq!(verdict(&chain, &other).as_str(), "key-differs");
    assert_eq!(verdict(&chain, &FixedKey::log(Ed25519)).as_str(), "key-differs");

    // A maker of the same names with other keys.
    let forger = Maker::new("ec -pkeyopt ec_paramgen_curve:P-256", "-sha256");
    let forged = forger.chain(&key, "-sha256");
    is(&[&device, &forged[1], &forged[2]], "chain-broken");
    is(&[&forged[0], &batch, &root], "chain-broken");
    is(&[&device, &batch, &forged[2]], "chain-broken");

    for (index, der) in chain.iter().enumerate() {
        for at in (0..der.len()).step_by(3) {
            let mut edited = chain.clone();
            edited[index][at] ^= 1;
            match verdict(&edited, &key) {
                Certified::ChainBroken(_) | Certified::KeyDiffers(_) | Certified::CannotJudge(_) => {}
                // A root that names another issuer is signed by nobody here, and says so.
                Certified::ChainOk { self_issued: false, .. } if index == 2 => {}
                found => panic!("certificates[{index}] byte {at}: {found}"),
            }
        }
    }
}

#[test]
fn what_is_not_known_here_is_said_and_not_guessed() {
    let key = FixedKey::log(Ed25519);
    for (newkey, options, why) in [
        ("ec -pkeyopt ec_paramgen_curve:P-521", "-sha512", "neither on P-256 nor on P-384"),
        ("rsa:1024", "-sha256", "1024 bits"),
        ("rsa:2048", "-sha1", "1.2.840.113549.1.1.5"),
        (
            "rsa:3072",
            "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
            "RSASSA-PSS with other parameters",
        ),
    ] {
        let found = verdict(&Maker::new(newkey, options).chain(&key, options), &key);
        assert!(found.as_str() == "cannot-judge" && found.to_string().contains(why), "{newkey} {options}: {found}");
    }
}

fn verified(store: &Shared, first: &FixedKey) -> Report {
    let policy = Policy::parse(&format!("log {}\nquorum none\n", first.vkey(ORIGIN))).unwrap();
    let trust = Trust { signers: Signers::Policy(policy), authors: Vec::new(), require_author: false };
    log(store).verify(&stream(), &trust).unwrap()
}

#[test]
fn verify_tells_what_is_known_of_every_attested_key() {
    let maker = Maker::new("ec -pkeyopt ec_paramgen_curve:P-384", "-sha384");
    let keys = [1, 2, 3, 4].map(|seed| FixedKey::seeded(EcdsaP256, seed));
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    let of = |key: &FixedKey| attestation(&maker.chain(key, "-sha384"));
    writer.attest_key(&keys[0], &stream(), of(&keys[0]).canonical().as_bytes()).unwrap();
    writer.rotate_key(&stream(), &keys[0], &keys[1], Some(of(&keys[3]).canonical().as_bytes())).unwrap();
    writer.rotate_key(&stream(), &keys[1], &keys[2], Some(b"a quote of a device")).unwrap();
    writer.rotate_key(&stream(), &keys[2], &keys[3], None).unwrap();
    let report = verified(&store, &keys[0]);
    assert_eq!(report.finding, None, "the log says what its keys said");
    let told: Vec<&String> = report.notes.iter().filter(|note| note.contains("attestation of the key")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("chain ok, 3 certificate(s) up to \"CN=Root,O=Maker\", its own issuer"), "{}", told[0]);
    assert!(told[1].contains(": key differs: the certificate is of "), "{}", told[1]);
    assert!(told[2].ends_with(": opaque, 19 bytes in no form known here"), "{}", told[2]);
}
