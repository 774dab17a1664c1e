#![allow(clippy::unwrap_used)]
use super::*;
use crate::signer::testing::TestKey;
use crate::signer::{Algorithm, Signer as _, sign_checked};
use crate::types::Digest;

const TEXT: &str = "log.example.org/audit\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn log_key(algorithm: Algorithm, seed: u8) -> (TestKey, VerifierKey) {
    let key = TestKey::new(algorithm, seed);
    let vkey = VerifierKey::for_log("log.example.org/audit", key.public()).unwrap();
    (key, vkey)
}

fn signed(key: &TestKey, vkey: &VerifierKey, text: &str) -> SignatureLine {
    note_line(vkey, &sign_checked(key, vkey.key().public_key(), text.as_bytes()).unwrap())
}

#[test]
fn public_notes_and_keys_of_others_are_read_as_they_are() {
    for (vkey, note) in [
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
             — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
        ),
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "This is an example message.\n\n\
             — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
        ),
    ] {
        let key: VerifierKey = vkey.parse().unwrap();
        assert_eq!(key.to_string(), vkey);
        let parsed = Note::parse(note).unwrap();
        assert_eq!(parsed.to_string(), note);
        assert_eq!(parsed.verify(&[key]), Ok(vec![0]));
    }
    assert!("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse::<VerifierKey>().is_ok());
}

#[test]
fn a_note_of_every_algorithm_verifies_and_survives_its_text() {
    let keys: Vec<_> = Algorithm::ALL.into_iter().map(|algorithm| log_key(algorithm, 1)).collect();
    let lines = keys.iter().map(|(key, vkey)| signed(key, vkey, TEXT)).collect();
    let note = Note::new(TEXT, lines).unwrap();
    let vkeys: Vec<_> = keys.iter().map(|(_, vkey)| vkey).collect();
    assert_eq!(note.verify(&vkeys), Ok(vec![0, 1, 2]));
    assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
    for (index, vkey) in vkeys.iter().enumerate() {
        assert_eq!(note.verify(&[*vkey]), Ok(vec![0]), "lines of unknown keys are ignored");
        assert_eq!(note.signatures()[index].key_id(), vkey.key_id());
    }
}

#[test]
fn a_failing_line_of_a_known_key_rejects_the_note_whatever_else_stands_in_it() {
    let (good, good_key) = log_key(Algorithm::Ed25519, 1);
    let (bad, bad_key) = log_key(Algorithm::Ed25519, 2);
    let stranger = log_key(Algorithm::Ed25519, 3).1;
    let lines = vec![signed(&good, &good_key, TEXT), note_line(&bad_key, &bad.sign(b"another text").unwrap())];
    let note = Note::new(TEXT, lines).unwrap();
    assert!(matches!(note.verify(&[&good_key, &bad_key]), Err(NoteError::BadSignature(_))));
    assert_eq!(note.verify(&[&good_key]), Ok(vec![0]));
    assert_eq!(note.verify(&[&stranger]), Err(NoteError::NoKnownKey));
    assert_eq!(note.verify::<VerifierKey>(&[]), Err(NoteError::NoKnownKey));
}

#[test]
fn one_form_only_is_read() {
    let (key, vkey) = log_key(Algorithm::Ed25519, 1);
    let line = signed(&key, &vkey, TEXT).to_string();
    let good = format!("{TEXT}\n{line}\n");
    assert!(Note::parse(&good).is_ok());
    let (head, base64) = line.rsplit_once(' ').unwrap();
    for (bad, why) in [
        (String::new(), "empty"),
        (TEXT.to_owned(), "unsigned"),
        (format!("{TEXT}\n"), "no lines"),
        (format!("{TEXT}{line}\n"), "no blank line"),
        (good.trim_end().to_owned(), "no final newline"),
        (format!("{good}\n"), "blank line at the end"),
        (format!("{good}x\n"), "a line that is none"),
        (good.replace('\n', "\r\n"), "CRLF"),
        (good.replace("42", "4\t2"), "control character"),
        (good.replace("— ", "- "), "hyphen"),
        (good.replace("— ", "—"), "no space"),
        (good.replace("— ", "—  "), "two spaces"),
        (format!("{good}{line}\n"), "a line twice"),
        (format!("{TEXT}\n{head} {}\n", base64.trim_end_matches('=')), "no padding"),
        (format!("{TEXT}\n{head} {base64} \n"), "space at the end"),
        (format!("{TEXT}\n{head} AAAAAA==\n"), "key id without signature"),
        (format!("{TEXT}\n{head} AAAAAAB=\n"), "bits after the end"),
        (format!("{TEXT}\n{head}+x {base64}\n"), "plus in the name"),
        (format!("{TEXT}\n— a\u{2003}b {base64}\n"), "Unicode space in the name"),
        (format!("{TEXT}\n— {} {base64}\n", "n".repeat(256)), "a long name"),
        (format!("{}\n\n{line}\n", "x".repeat(MAX_NOTE)), "a long text"),
        (format!("{TEXT}\n{}", (0..=MAX_LINES).map(|n| format!("— n{n} {base64}\n")).collect::<String>()), "lines"),
    ] {
        assert!(matches!(Note::parse(&bad), Err(NoteError::Malformed(_))), "{why}");
    }
    let many: String = (0..MAX_LINES).map(|n| format!("— n{n} {base64}\n")).collect();
    assert_eq!(Note::parse(&format!("{TEXT}\n{many}")).unwrap().signatures().len(), MAX_LINES);
    assert!(Note::new("no newline", vec![signed(&key, &vkey, TEXT)]).is_err());
    assert!(Note::new(TEXT, vec![]).is_err());
}

#[test]
fn only_a_log_key_of_the_origin_makes_a_verified_checkpoint() {
    let (key, vkey) = log_key(Algorithm::EcdsaP256, 1);
    let origin = "log.example.org/audit";
    let note = Note::new(TEXT, vec![signed(&key, &vkey, TEXT)]).unwrap();
    let stranger = log_key(Algorithm::Ed25519, 9).1;
    let verified = VerifiedCheckpoint::open(&note, origin, &[&stranger, &vkey]).unwrap();
    assert_eq!((verified.checkpoint().size, verified.signed_by()), (42, &[1][..]));
    assert_eq!(
        VerifiedCheckpoint::open(&note, "log.example.org/other", &[&vkey]),
        Err(NoteError::WrongOrigin(origin.into()))
    );
    let other_name = VerifierKey::for_log("log.example.org/other", key.public()).unwrap();
    let note = Note::new(TEXT, vec![signed(&key, &other_name, TEXT)]).unwrap();
    assert_eq!(note.verify(&[&other_name]), Ok(vec![0]));
    assert_eq!(VerifiedCheckpoint::open(&note, origin, &[&other_name]), Err(NoteError::NoKnownKey));
}

#[test]
fn a_cosignature_says_who_and_when_and_counts_for_nothing_else() {
    let (key, vkey) = log_key(Algorithm::Ed25519, 1);
    let witness = TestKey::new(Algorithm::Ed25519, 5);
    let witness_key = VerifierKey::for_witness("witness.example.org/w1", witness.public()).unwrap();
    let cosign = |time: u64, signed_time: u64, text: &str| {
        let signature = witness.sign(&cosignature_message(signed_time, text)).unwrap();
        note_line(&witness_key, &[&time.to_be_bytes()[..], &signature].concat())
    };
    let log_line = signed(&key, &vkey, TEXT);
    let good = cosign(1_679_315_147, 1_679_315_147, TEXT);
    let note = Note::new(TEXT, vec![log_line, good.clone()]).unwrap();
    assert_eq!(note.verify(&[&vkey, &witness_key]), Ok(vec![0, 1]));
    let verified = VerifiedCheckpoint::open(&note, "log.example.org/audit", &[&vkey]).unwrap();
    assert_eq!(verified.cosignatures(note.signatures(), &[&vkey, &witness_key]), Ok(vec![(1, 1_679_315_147)]));
    assert_eq!(verified.cosignatures::<VerifierKey>(&[good], &[]), Ok(vec![]));
    let plain = note_line(&witness_key, &witness.sign(TEXT.as_bytes()).unwrap());
    let (none, beyond) = (cosign(0, 0, TEXT), cosign(1 << 63, 1 << 63, TEXT));
    for bad in [cosign(2, 1, TEXT), cosign(1, 1, "other\n"), none, beyond, plain] {
        assert!(matches!(verified.cosignatures(&[bad], &[&witness_key]), Err(NoteError::BadSignature(_))));
    }
    let as_log = VerifierKey::for_log("witness.example.org/w1", witness.public()).unwrap();
    assert_ne!(as_log.key_id(), witness_key.key_id(), "the type is part of the key id");
    assert!(VerifierKey::for_witness("w", TestKey::new(Algorithm::EcdsaP256, 1).public()).is_err());
}

#[test]
fn a_checkpoint_text_has_one_form() {
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    assert_eq!(checkpoint.to_text(), TEXT);
    let empty = Checkpoint { origin: "a.b/c".into(), size: 0, root: Digest::ZERO };
    assert_eq!(Checkpoint::parse(&empty.to_text()), Ok(empty));
    for (from, to) in [
        ("\n42\n", "\n042\n"),
        ("\n42\n", "\n+42\n"),
        ("\n42\n", "\n\n"),
        ("\n42\n", "\n-1\n"),
        ("\n42\n", "\n42 \n"),
        ("\n42\n", "\n9223372036854775808\n"),
        ("\n42\n", "\n99999999999999999999\n"),
        ("q2I=\n", "q2I=\nextension\n"),
        ("q2I=\n", "q2I=\n\n"),
        ("q2I=\n", "q2I="),
        ("q2I=\n", "q2I\n"),
        ("q2I=\n", "q2J=\n"),
        ("CsUY", ""),
        ("log.example.org/audit", ""),
        ("audit", "au dit"),
        ("audit", "au+dit"),
    ] {
        let bad = TEXT.replace(from, to);
        assert!(matches!(Checkpoint::parse(&bad), Err(NoteError::Malformed(_))), "{bad:?}");
    }
}

#[test]
fn a_vkey_has_one_form_and_its_key_id_is_computed() {
    for algorithm in Algorithm::ALL {
        let vkey = log_key(algorithm, 1).1;
        let text = vkey.to_string();
        assert_eq!(text.parse::<VerifierKey>().unwrap(), vkey);
        let (name, id, key) = {
            let mut parts = text.splitn(3, '+');
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
        };
        for bad in [
            format!("{name}+{}+{key}", id.to_uppercase()),
            format!("{name}+00000000+{key}"),
            format!("{name}+0{id}+{key}"),
            format!("{name}+{id}+{key}="),
            format!("{name}+{id}+{key} "),
            format!("{name}+{id}"),
            format!("{name} +{id}+{key}"),
            format!("+{id}+{key}"),
            format!("{name}+{id}+"),
            format!("{name}+{id}+/w=="),
            format!("{name}+{id}+BgAA"),
            format!("{}+{id}+{key}", "n".repeat(256)),
            format!("{name}+{id}+{}", "A".repeat(8000)),
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }
    let (_, ecdsa) = log_key(Algorithm::EcdsaP256, 1);
    let renamed = VerifierKey::for_log("other.example.org/x", ecdsa.key().public_key().clone()).unwrap();
    assert_eq!(renamed.key_id(), ecdsa.key_id(), "an ECDSA key id is of the key alone");
}
