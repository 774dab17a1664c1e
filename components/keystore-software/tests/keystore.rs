//! What the keystore promises about keys, files and errors, on real directories.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use secure_log::contract::signer::signer_suite;
use secure_log::signer::{Algorithm, Keystore as _, PublicKey, Signer as _, SignerError, sign_checked};
use secure_log_keystore_software::{Config, PEM_LABEL, Place, SoftwareKey, SoftwareKeystore};

fn keystore(place: Place, create: bool, algorithm: Algorithm) -> SoftwareKeystore {
    SoftwareKeystore::new(Config { place, create, algorithm })
}

fn directory(dir: &Path, create: bool, algorithm: Algorithm) -> SoftwareKeystore {
    keystore(Place::Directory(dir.to_owned()), create, algorithm)
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn keys_in_files_pass_the_suite_and_are_the_same_after_a_restart() {
    for algorithm in Algorithm::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut creator = directory(dir.path(), true, algorithm);
        for label in ["audit", "a", "A-b_c.9", &"x".repeat(64)] {
            creator.get_key(label).unwrap();
        }
        let mut reopened = directory(dir.path(), false, Algorithm::Ed25519);
        signer_suite(&mut reopened, &["audit", "a", "A-b_c.9", &"x".repeat(64)], Some("absent"));
        let (before, after) = (creator.get_key("audit").unwrap(), reopened.get_key("audit").unwrap());
        assert_eq!((before.algorithm(), before.public_key()), (algorithm, after.public_key()));
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(
            names,
            ["A-b_c.9.pem", "a.pem", "audit.pem", &format!("{}.pem", "x".repeat(64))].map(std::ffi::OsString::from)
        );
    }
}

#[test]
fn keys_in_memory_pass_the_suite_and_do_not_outlive_it() {
    for algorithm in Algorithm::ALL {
        let mut first = keystore(Place::Memory, false, algorithm);
        signer_suite(&mut first, &["audit", "other"], None);
        let other_process = keystore(Place::Memory, false, algorithm).get_key("audit").unwrap();
        assert_ne!(first.get_key("audit").unwrap().public_key(), other_process.public_key(), "derived from the label");
    }
}

#[test]
fn a_missing_key_is_created_only_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let error = directory(dir.path(), false, Algorithm::Ed25519).get_key("audit").unwrap_err();
    assert!(matches!(&error, SignerError::KeyNotFound(why) if why.contains("audit.pem") && why.contains("_CREATE=1")));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let nowhere = dir.path().join("nowhere");
    for create in [false, true] {
        let error = directory(&nowhere, create, Algorithm::Ed25519).get_key("audit").unwrap_err();
        assert!(matches!(&error, SignerError::Backend(why) if why.contains("SECURE_LOG_KEYSTORE_DIR")), "{error}");
    }
}

/// Sixteen instances ask for the same missing key at once, as sixteen requests of a served endpoint may.
#[test]
fn of_many_creators_one_wins_and_all_sign_with_its_key() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        for _ in 0..10 {
            let dir = tempfile::tempdir().unwrap();
            let barrier = std::sync::Barrier::new(16);
            let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
                let one = || {
                    barrier.wait();
                    let key = directory(dir.path(), true, algorithm).get_key("audit").unwrap();
                    sign_checked(&key, &PublicKey::of_signer(&key).unwrap(), b"m").unwrap();
                    key.public_key()
                };
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left");
        }
    }
}

#[test]
fn an_existing_file_is_never_replaced_whatever_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    for (label, text, why) in [
        ("empty", "", "not a key in PEM"),
        ("text", "hello\n", "not a key in PEM"),
        ("cut", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI", "not a key in PEM"),
        ("junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a key in PEM"),
        ("other", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "not PKCS#8"),
        ("public", "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n", "PUBLIC KEY"),
        ("old", "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n", "openssl pkcs8"),
        ("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"),
        ("long", &"x".repeat(40_000), "longer than"),
    ] {
        let path = dir.path().join(format!("{label}.pem"));
        write_private(&path, text);
        let error = directory(dir.path(), true, Algorithm::Ed25519).get_key(label).unwrap_err();
        assert!(
            matches!(&error, SignerError::Backend(found) if found.contains(why) && found.contains(label)),
            "{label}: {error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::create_dir(dir.path().join("folder.pem")).unwrap();
    let error = directory(dir.path(), true, Algorithm::Ed25519).get_key("folder").unwrap_err();
    assert!(matches!(&error, SignerError::Backend(why) if why.contains("not a regular file")), "{error}");
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.pem");
    let mut keystore = directory(dir.path(), true, Algorithm::Ed25519);
    keystore.get_key("audit").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = keystore.get_key("audit").unwrap_err();
        assert!(
            matches!(&error, SignerError::AccessDenied(why) if why.contains("audit.pem") && why.contains(&format!("{mode:04o}"))),
            "{mode:o}: {error}"
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(keystore.get_key("audit").is_ok());
}

#[test]
fn what_is_printed_of_a_key_is_its_public_half() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        let label = algorithm.as_str();
        let key = directory(dir.path(), true, algorithm).get_key(label).unwrap();
        let public = secure_log::types::hex(&key.public_key());
        assert_eq!(format!("{key:?}"), format!("SoftwareKey({label}:{public})"));
    }
}

#[test]
fn a_key_survives_its_pem_and_no_cut_or_changed_pem_is_another_key() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        let key = directory(dir.path(), true, algorithm).get_key(algorithm.as_str()).unwrap();
        let pem = fs::read_to_string(dir.path().join(format!("{}.pem", algorithm.as_str()))).unwrap();
        assert_eq!(SoftwareKey::from_pem("x", &pem).unwrap().public_key(), key.public_key());
        for cut in 0..pem.len() - 1 {
            assert!(SoftwareKey::from_pem("x", &pem[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn a_key_that_comes_as_text_signs_under_its_own_label_and_never_shows() {
    let pem = include_str!("../../log/tests/keys/ed25519.pem");
    let keystore = |text: &str| {
        let place = Place::Pem(text.to_owned().into());
        SoftwareKeystore::new(Config { place, create: true, algorithm: Algorithm::Ed25519 })
    };
    let key = keystore(pem).get_key(PEM_LABEL).unwrap();
    let public = PublicKey::of_signer(&key).unwrap();
    assert!(public.verify(b"m", &sign_checked(&key, &public, b"m").unwrap()));
    let secret = pem.lines().nth(1).unwrap();
    for (text, label) in [
        (pem, "audit"),
        (&pem.replace("PRIVATE", "ENCRYPTED PRIVATE"), PEM_LABEL),
        (secret, PEM_LABEL),
        ("", PEM_LABEL),
    ] {
        let error = keystore(text).get_key(label).unwrap_err().to_string();
        assert!(error.contains("SECURE_LOG_KEYSTORE_PEM") && !error.contains(secret), "{error}");
    }
}
