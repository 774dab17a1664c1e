//! Keys and signatures go to and fro between the keystore and the `openssl` program, which is not ours.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use secure_log::signer::{Algorithm, Keystore as _, PublicKey, Signer as _, SignerError, sign_checked};
use secure_log_keystore_software::{Config, Place, SoftwareKey, SoftwareKeystore};

const MESSAGE: &[u8] = b"log.example.org/audit\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

/// Runs `openssl` in `dir`; whether it succeeded.
fn openssl(dir: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs the openssl program: {error}"));
    if !output.status.success() {
        eprintln!("openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Makes `<label>.pem` as a person would.
fn genpkey(dir: &Path, label: &str, options: &str) {
    assert!(openssl(dir, &format!("genpkey {options} -out {label}.pem")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(dir.join(format!("{label}.pem")), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn open(dir: &Path, label: &str, create: Option<Algorithm>) -> Result<SoftwareKey, SignerError> {
    let algorithm = create.unwrap_or(Algorithm::Ed25519);
    let config = Config { place: Place::Directory(dir.to_owned()), create: create.is_some(), algorithm };
    SoftwareKeystore::new(config).get_key(label)
}

/// Public keys as files: raw ed25519 keys get their SPKI header (RFC 8410 section 4).
fn spki(key: &SoftwareKey) -> Vec<u8> {
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    match key.algorithm() {
        Algorithm::Ed25519 => [&ED25519[..], &key.public_key()].concat(),
        Algorithm::EcdsaP256 | Algorithm::RsaPssSha256 => key.public_key(),
    }
}

const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256";

fn openssl_verifies(dir: &Path, key: &SoftwareKey, signature: &[u8]) -> bool {
    fs::write(dir.join("message"), MESSAGE).unwrap();
    fs::write(dir.join("signature"), signature).unwrap();
    fs::write(dir.join("public.der"), spki(key)).unwrap();
    openssl(
        dir,
        &match key.algorithm() {
            Algorithm::Ed25519 => {
                "pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin -in message -sigfile signature".to_owned()
            }
            Algorithm::EcdsaP256 => {
                "dgst -sha256 -keyform DER -verify public.der -signature signature message".to_owned()
            }
            Algorithm::RsaPssSha256 => {
                format!("dgst -sha256 {PSS} -keyform DER -verify public.der -signature signature message")
            }
        },
    )
}

fn openssl_signs(dir: &Path, algorithm: Algorithm, label: &str) -> Vec<u8> {
    fs::write(dir.join("message"), MESSAGE).unwrap();
    assert!(openssl(
        dir,
        &match algorithm {
            Algorithm::Ed25519 => format!("pkeyutl -sign -inkey {label}.pem -rawin -in message -out made"),
            Algorithm::EcdsaP256 => format!("dgst -sha256 -sign {label}.pem -out made message"),
            Algorithm::RsaPssSha256 => format!("dgst -sha256 {PSS} -sign {label}.pem -out made message"),
        }
    ));
    fs::read(dir.join("made")).unwrap()
}

/// Our signature for openssl, openssl's for us, with one and the same key file.
fn both_ways(dir: &Path, label: &str, key: &SoftwareKey) {
    let public = PublicKey::of_signer(key).unwrap();
    let ours = sign_checked(key, &public, MESSAGE).unwrap();
    assert!(openssl_verifies(dir, key, &ours), "{label}: openssl refuses our signature");
    let mut wrong = ours.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    assert!(!openssl_verifies(dir, key, &wrong), "{label}: openssl accepts anything");

    let theirs = openssl_signs(dir, key.algorithm(), label);
    let theirs = match key.algorithm() {
        // OpenSSL does not care about S; what a keystore answers is brought to low S.
        Algorithm::EcdsaP256 => {
            let raw = p256::ecdsa::Signature::from_der(&theirs).unwrap().to_bytes();
            public.note_signature(&raw).unwrap()
        }
        Algorithm::Ed25519 | Algorithm::RsaPssSha256 => theirs,
    };
    assert!(public.verify(MESSAGE, &theirs), "{label}: we refuse openssl's signature");
    assert!(!public.verify(b"other", &theirs));
}

#[test]
fn keys_made_by_openssl_load_and_sign() {
    let dir = tempfile::tempdir().unwrap();
    for (label, options, algorithm) in [
        ("ed", "-algorithm ed25519", Algorithm::Ed25519),
        ("ec", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256", Algorithm::EcdsaP256),
        ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072", Algorithm::RsaPssSha256),
        ("rsa4096", "-algorithm RSA -pkeyopt rsa_keygen_bits:4096", Algorithm::RsaPssSha256),
        ("pss", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:3072", Algorithm::RsaPssSha256),
    ] {
        genpkey(dir.path(), label, options);
        let key = open(dir.path(), label, None).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        both_ways(dir.path(), label, &key);
        assert!(openssl(dir.path(), &format!("pkey -in {label}.pem -pubout -out {label}-public.pem")));
        let public = fs::read_to_string(dir.path().join(format!("{label}-public.pem"))).unwrap();
        let pinned = PublicKey::from_text(&public).unwrap();
        assert_eq!(pinned, PublicKey::of_signer(&key).unwrap(), "{label}: what -pubout writes pins the key");
        // openssl names RSA-PSS keys by another algorithm than the one that keys are published under.
        assert_eq!(pinned.spki_pem().unwrap() == public, label != "pss", "{label}");
    }
}

#[test]
fn keys_made_here_are_read_by_openssl() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        let label = algorithm.as_str();
        let key = open(dir.path(), label, Some(algorithm)).unwrap();
        assert!(openssl(dir.path(), &format!("pkey -check -noout -in {label}.pem")));
        assert!(openssl(dir.path(), &format!("pkey -in {label}.pem -pubout -outform DER -out theirs.der")));
        assert_eq!(fs::read(dir.path().join("theirs.der")).unwrap(), spki(&key));
        both_ways(dir.path(), label, &key);
    }
}

#[test]
fn keys_of_other_algorithms_curves_and_sizes_are_unsupported_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (label, options, why) in [
        ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "only P-256"),
        ("rsa2048", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "2048 bits"),
        ("x25519", "-algorithm x25519", "1.3.101.110"),
        ("ed448", "-algorithm ed448", "1.3.101.113"),
    ] {
        genpkey(dir.path(), label, options);
        for create in [None, Some(Algorithm::Ed25519)] {
            let error = open(dir.path(), label, create).unwrap_err();
            let SignerError::UnsupportedAlgorithm(found) = &error else { panic!("{label}: {error}") };
            assert!(found.contains(why) && found.contains(&format!("{label}.pem")), "{error}");
        }
    }
    let pss_sha512 = "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_pss_keygen_md:sha512";
    genpkey(dir.path(), "bound", pss_sha512);
    assert!(open(dir.path(), "bound", None).is_err(), "a key bound to another hash");
}
