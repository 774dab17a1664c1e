//! Google's Wycheproof vectors against the one function that decides about signatures. Where our rules are
//! stricter than the vectors' (low-S, RSA of 3072 bits or more) the difference is counted, not skipped.

use ::wycheproof::TestResult::{Invalid, Valid};
use ::wycheproof::{ecdsa, eddsa, rsa_pss_verify};
use p256::ecdsa::Signature;
use secure_log::signer::{Algorithm, PublicKey};

#[test]
fn ed25519_accepts_the_valid_and_nothing_else() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut seen = [0, 0];
    for group in set.test_groups {
        let key = PublicKey::parse(Algorithm::Ed25519, &group.key.pk).unwrap();
        for test in group.tests {
            let accepted = key.verify(&test.msg, &test.sig);
            assert_eq!(accepted, test.result == Valid, "{}: {}", test.tc_id, test.comment);
            seen[usize::from(accepted)] += 1;
        }
    }
    assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
}

/// The DER form: a valid signature with high S is refused, and its low twin, which anyone can compute, accepted.
#[test]
fn ecdsa_accepts_the_valid_with_low_s_and_nothing_else() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut low, mut high, mut invalid) = (0, 0, 0);
    for group in set.test_groups {
        let key = PublicKey::parse(Algorithm::EcdsaP256, &group.der).unwrap();
        for test in group.tests {
            let accepted = key.verify(&test.msg, &test.sig);
            let is_low = |signature: &Signature| signature.normalize_s() == *signature;
            match (test.result, Signature::from_der(&test.sig)) {
                (Valid, Ok(signature)) if is_low(&signature) => {
                    assert!(accepted, "{}: {}", test.tc_id, test.comment);
                    low += 1;
                }
                (Valid, Ok(signature)) => {
                    assert!(!accepted, "{}: high S", test.tc_id);
                    let twin = key.note_signature(&signature.to_bytes()).unwrap();
                    assert!(key.verify(&test.msg, &twin), "{}: {}", test.tc_id, test.comment);
                    high += 1;
                }
                (Invalid, _) => {
                    assert!(!accepted, "{}: {}", test.tc_id, test.comment);
                    invalid += 1;
                }
                (result, parsed) => panic!("{}: {result:?}, {parsed:?}", test.tc_id),
            }
        }
    }
    assert!(low > 50 && high > 50 && invalid > 200, "{low} low, {high} high, {invalid} invalid");
}

/// The form keystores answer in: brought to note encoding, every valid one is accepted, whatever its S.
#[test]
fn ecdsa_answers_of_keystores_convert_when_valid_and_never_else() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut seen = [0, 0];
    for group in set.test_groups {
        let key = PublicKey::parse(Algorithm::EcdsaP256, &group.der).unwrap();
        for test in group.tests {
            let accepted = key.note_signature(&test.sig).is_ok_and(|signature| key.verify(&test.msg, &signature));
            assert_eq!(accepted, test.result == Valid, "{}: {}", test.tc_id, test.comment);
            seen[usize::from(accepted)] += 1;
        }
    }
    assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
}

#[test]
fn rsa_pss_accepts_the_valid_and_nothing_else() {
    use rsa_pss_verify::TestName::{RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32};
    for name in [RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32] {
        let mut seen = [0, 0];
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(Algorithm::RsaPssSha256, &group.der).unwrap();
            for test in group.tests {
                let accepted = key.verify(&test.msg, &test.sig);
                assert_eq!(accepted, test.result == Valid, "{name:?} {}: {}", test.tc_id, test.comment);
                seen[usize::from(accepted)] += 1;
            }
        }
        assert!(seen[0] > 20 && seen[1] > 20, "{name:?}: {seen:?}");
    }
}

/// Keys of 2048 bits, and those whose encoding names another hash or salt, are refused as keys.
#[test]
fn rsa_keys_of_other_sizes_and_parameters_are_refused() {
    use rsa_pss_verify::TestName::{RsaPss2048Sha256Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64WithParams};
    for name in [RsaPss2048Sha256Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64WithParams] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            assert!(PublicKey::parse(Algorithm::RsaPssSha256, &group.der).is_err(), "{name:?}");
        }
    }
}
