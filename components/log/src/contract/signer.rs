//! The suite every keystore must pass. It checks what the log relies on; how keys come to exist and where
//! they are kept is the provider's.

use crate::signer::{Algorithm, Keystore, PublicKey, Signer as _, SignerError, sign_checked};

/// Labels that are no names, but paths, patterns, control characters or too long. A keystore has no such key.
pub const EVIL_LABELS: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "...",
    "../key",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a/../b",
    "./a",
    "a\\b",
    "..\\a",
    "C:\\a",
    "a\0",
    "\0",
    "a\0.pem",
    "a\nb",
    "a\r",
    "a\tb",
    "%2e%2e%2f",
    "a%00",
    "a b",
    " a",
    "a ",
    ".hidden",
    "*",
    "?",
    "a*",
    "[a]",
    "~",
    "$HOME",
    "`id`",
    "$(id)",
    "a;b",
    "a|b",
    "a&b",
    "'a'",
    "\"a\"",
    "a:b",
    "a@b",
    "#a",
    "-\u{0}",
    "\u{202e}a",
    "\u{feff}a",
    "é",
    "鍵",
    "\u{1f511}",
    "\u{7f}",
    "\u{85}",
];

/// Runs the suite; panics with what was promised and not kept.
///
/// `labels` name existing keys (or such as come to exist when asked for), all different; `absent`, a label of
/// good form that has no key. A keystore that makes every key it is asked for has no such label.
pub fn signer_suite(keystore: &mut impl Keystore, labels: &[&str], absent: Option<&str>) {
    let keys: Vec<PublicKey> = labels.iter().map(|label| one_key(keystore, label)).collect();
    for (index, key) in keys.iter().enumerate() {
        let signer = keystore.get_key(labels[index]).unwrap();
        let signature = sign_checked(&signer, key, b"whose is it?").unwrap();
        for (other_index, other) in keys.iter().enumerate().filter(|(other, _)| *other != index) {
            assert_ne!(key, other, "labels {} and {} share a key", labels[index], labels[other_index]);
            assert!(!other.verify(b"whose is it?", &signature), "a signature verifies under another key");
        }
    }
    let long = "a".repeat(65);
    let very_long = "a".repeat(100_000);
    for label in EVIL_LABELS.iter().copied().chain([long.as_str(), &very_long]).chain(absent) {
        match keystore.get_key(label) {
            Err(error @ SignerError::KeyNotFound(_)) => {
                let text = error.to_string();
                assert!(text.len() < 2_000 && !text.contains(char::is_control), "unfit for a log line: {text:?}");
            }
            Err(other) => panic!("label {label:?}: key-not-found was expected, not {other}"),
            Ok(_) => panic!("label {label:?} names a key"),
        }
    }
    for label in labels {
        assert!(keystore.get_key(label).is_ok(), "a refused label spoiled the keystore");
    }
}

/// What one key promises; its public key.
fn one_key(keystore: &mut impl Keystore, label: &str) -> PublicKey {
    let signer = keystore.get_key(label).unwrap();
    let public = PublicKey::of_signer(&signer).unwrap();
    let again = keystore.get_key(label).unwrap();
    assert_eq!(signer.public_key(), again.public_key(), "the public key of {label} changed");
    assert_eq!(signer.public_key(), public.encoded());
    assert_eq!(signer.algorithm(), again.algorithm());

    // `note_signature` checks the length of the others.
    if signer.algorithm() != Algorithm::RsaPssSha256 {
        assert_eq!(signer.sign(b"message").unwrap().len(), 64, "{label}: the length of a signature");
    }
    let text = b"log.example.org/audit\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n".to_vec();
    let all_bytes: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    for message in [vec![], vec![0], text, all_bytes] {
        for signer in [&signer, &again] {
            let signature = public.note_signature(&signer.sign(&message).unwrap()).unwrap();
            assert!(public.verify(&message, &signature), "{label}: its own signature, {} bytes", message.len());
            let longer = [message.as_slice(), b"\n"].concat();
            assert!(!public.verify(&longer, &signature), "{label}: a longer message");
            if let Some((first, rest)) = message.split_first() {
                let changed = [&[first ^ 1], rest].concat();
                assert!(!public.verify(&changed, &signature), "{label}: a changed message");
                assert!(!public.verify(rest, &signature), "{label}: a shorter message");
            }
        }
    }
    public
}
