//! The keystore over a real token: Debian's SoftHSM, provisioned by its own tool and OpenSC's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod desk;

use desk::{Desk, PIN, TOKEN, by_id, config, module, pin, with_token};
use secure_log::contract::signer::signer_suite;
use secure_log::record::Certified;
use secure_log::signer::{Algorithm, Keystore as _, PublicKey, Signer as _, SignerError, sign_checked};
use secure_log_keystore_pkcs11::{Config, KeySelector, Pin, PivSlot, Pkcs11Keystore, TokenSelector};
use secure_log_pkcs11::{Cryptoki, Rv, SlotId, TokenFlags};

fn three_keys(desk: &Desk) {
    desk.keygen("EC:edwards25519", "ed", "01");
    desk.keygen("EC:prime256v1", "ec", "02");
    desk.keygen("rsa:3072", "rsa", "03");
}

fn refusal<T: Cryptoki>(keystore: &mut Pkcs11Keystore<T>, label: &str) -> SignerError {
    match keystore.get_key(label) {
        Err(error) => {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("-4711") && !text.contains("-0815"), "a PIN: {text}");
            error
        }
        Ok(key) => panic!("{label} is a key: {key:?}"),
    }
}

#[test]
fn a_token_is_a_keystore_in_all_three_algorithms_and_openssl_agrees() {
    with_token(|desk| {
        three_keys(desk);
        let mut keystore = desk.keystore(config());
        signer_suite(&mut keystore, &["ed", "ec", "rsa"], Some("nobody"));
        std::fs::write(desk.path("message"), b"what was signed").unwrap();
        for (label, algorithm, check) in [
            ("ed", Algorithm::Ed25519, "pkeyutl -verify -pubin -inkey key.pem -rawin -in message -sigfile signature"),
            ("ec", Algorithm::EcdsaP256, "dgst -sha256 -verify key.pem -signature signature message"),
            (
                "rsa",
                Algorithm::RsaPssSha256,
                "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 -verify key.pem -signature signature message",
            ),
        ] {
            let key = keystore.get_key(label).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let public = PublicKey::of_signer(&key).unwrap();
            std::fs::write(desk.path("key.pem"), public.spki_pem().unwrap()).unwrap();
            std::fs::write(desk.path("signature"), sign_checked(&key, &public, b"what was signed").unwrap()).unwrap();
            desk.openssl(check);
        }
    });
}

#[test]
fn one_configured_key_has_its_own_name_and_pkcs11_and_no_other() {
    with_token(|desk| {
        three_keys(desk);
        for (selector, name) in [
            (KeySelector::Label("ec".into()), "ec"),
            (KeySelector::Id(vec![2]), "02"),
            (KeySelector::Piv(PivSlot::parse("9c").unwrap()), "9c"),
        ] {
            let mut keystore = desk.keystore(Config { key: Some(selector), token: TokenSelector::Only, ..config() });
            signer_suite(&mut keystore, &[name], Some("ed"));
            assert_eq!(keystore.get_key("pkcs11").unwrap().algorithm(), Algorithm::EcdsaP256);
        }
    });
}

#[test]
fn what_is_wrong_with_key_or_token_is_named() {
    with_token(|desk| {
        desk.keygen("EC:prime256v1", "twice", "0a");
        desk.keygen("EC:edwards25519", "twice", "0b");
        desk.keygen("EC:secp384r1", "p384", "0c");
        desk.keygen("rsa:2048", "short", "0d");
        desk.init_token("same");
        desk.init_token("same");

        let mut any = desk.keystore(config());
        for (label, expected) in [
            ("nobody", "key not found: token \"audit token\" has no private key with CKA_LABEL \"nobody\""),
            ("twice", "backend: token \"audit token\" has 2 private keys with CKA_LABEL \"twice\", of CKA_ID 0"),
            ("p384", "unsupported algorithm: key CKA_LABEL \"p384\": its curve is not P-256"),
            (
                "short",
                "unsupported algorithm: key CKA_LABEL \"short\": rsa-pss-sha256 public key: a modulus of 2048 bits",
            ),
        ] {
            let error = refusal(&mut any, label).to_string();
            assert!(error.starts_with(expected), "{label}: {error}");
        }
        let (mut silent, watch) = desk.watched(by_id(0x0a));
        watch.no_signing.set(true);
        let error = refusal(&mut silent, "0a").to_string();
        assert!(error.starts_with("access denied: key CKA_ID 0a of token \"audit token\" may not sign"), "{error}");
        drop(silent);
        assert_eq!(desk.keystore(by_id(0x0a)).get_key("0a").unwrap().algorithm(), Algorithm::EcdsaP256);

        let (free, used) = {
            let mut token = secure_log_token_native::NativeToken::load(&module()).unwrap();
            token.initialize().unwrap();
            let initialised =
                |slot: &u64| token.get_token_info(*slot).unwrap().flags.contains(TokenFlags::CKF_TOKEN_INITIALIZED);
            let slots = token.get_slot_list(true).unwrap();
            let audit = |slot: &&SlotId| token.get_token_info(**slot).unwrap().label == TOKEN;
            (*slots.iter().find(|slot| !initialised(slot)).unwrap(), *slots.iter().find(audit).unwrap())
        };
        for (token, served) in [(TokenSelector::Slot(used), true), (TokenSelector::Label(TOKEN.into()), false)] {
            let (mut beside, watch) = desk.watched(Config { token, ..by_id(0x0a) });
            watch.broken.set(Some(free));
            match served {
                true => assert!(beside.get_key("0a").is_ok()),
                false => {
                    let error = refusal(&mut beside, "0a").to_string();
                    assert_eq!(error, "backend: C_GetTokenInfo: CKR_DEVICE_ERROR");
                }
            }
        }
        for (token, expected) in [
            (TokenSelector::Label("absent".into()), "no token is labelled \"absent\"; there are \""),
            (TokenSelector::Label("same".into()), "more than one token is labelled \"same\": choose by slot"),
            (TokenSelector::Only, "more than one token: choose by label or slot; there are \""),
            (TokenSelector::Slot(123_456), "there is no slot 123456; there are ["),
            (TokenSelector::Slot(free), &format!("the token in slot {free} is not initialised")),
        ] {
            let error = refusal(&mut desk.keystore(Config { token, ..config() }), "twice").to_string();
            assert!(error.starts_with(&format!("backend: {expected}")), "{error}");
        }
    });
}

#[test]
fn a_token_that_can_not_be_read_is_named_by_its_slot() {
    with_token(|desk| {
        let slot = {
            let mut token = secure_log_token_native::NativeToken::load(&module()).unwrap();
            token.initialize().unwrap();
            token.get_slot_list(true).unwrap()[0]
        };
        for (token, begin) in [
            (TokenSelector::Only, "backend: no initialised token is there; the token in slot "),
            (TokenSelector::Label("x".into()), "backend: no token is labelled \"x\"; no initialised token is there; "),
            (TokenSelector::Slot(slot), &format!("backend: the token in slot {slot}, \"SoftHSM slot ID 0x")),
        ] {
            let (mut keystore, watch) = desk.watched(Config { token, ..config() });
            watch.unreadable.set(true);
            let error = refusal(&mut keystore, "ed").to_string();
            assert!(error.starts_with(begin) && error.contains("\"SoftHSM slot ID 0x"), "{error}");
            assert!(error.ends_with("can not be read: CKR_TOKEN_NOT_RECOGNIZED"), "{error}");
        }
    });
}

#[test]
fn of_several_keys_it_is_said_what_tells_them_apart_and_that_works() {
    with_token(|desk| {
        desk.keygen("EC:prime256v1", "one", "0a");
        let mut keystore = desk.keystore(by_id(0x0a));
        let public = PublicKey::of_signer(&keystore.get_key("0a").unwrap()).unwrap();
        drop(keystore);
        desk.keygen("EC:prime256v1", "Müller", "0a");
        let error = refusal(&mut desk.keystore(by_id(0x0a)), "0a").to_string();
        assert!(
            error.contains("has 2 private keys with CKA_ID 0a, of CKA_LABEL ") && error.contains("\"Müller\""),
            "{error}"
        );
        assert!(error.ends_with(": SECURE_LOG_PKCS11_KEY_LABEL chooses one"), "{error}");
        let labelled = Config { key: Some(KeySelector::Label("one".into())), ..config() };
        let error = refusal(&mut desk.keystore(labelled.clone()), "one").to_string();
        assert!(error.contains("2 public-key objects have its CKA_ID") && error.contains("PUBLIC_KEY_PEM"), "{error}");
        assert!(desk.keystore(Config { public_key: Some(public), ..labelled }).get_key("one").is_ok());

        for _ in 0..2 {
            desk.keygen("EC:prime256v1", "same", "0b");
        }
        for config in [by_id(0x0b), Config { key: Some(KeySelector::Label("same".into())), ..config() }] {
            let error = refusal(&mut desk.keystore(config), "pkcs11").to_string();
            assert!(error.contains("not all can be told apart; give one another"), "{error}");
        }
    });
}

#[test]
fn a_public_key_that_is_not_the_private_keys_is_found_by_the_probe_and_by_the_pin() {
    with_token(|desk| {
        three_keys(desk);
        let mut keystore = desk.keystore(config());
        let public = PublicKey::of_signer(&keystore.get_key("ec").unwrap()).unwrap();
        let other = PublicKey::of_signer(&keystore.get_key("ed").unwrap()).unwrap();
        drop(keystore);

        let pinned = |key: &PublicKey| Config { public_key: Some(key.clone()), ..by_id(2) };
        assert!(desk.keystore(pinned(&public)).get_key("02").is_ok());
        let error = refusal(&mut desk.keystore(pinned(&other)), "02").to_string();
        assert!(error.starts_with("backend: key CKA_ID 02: it is not the pinned one"), "{error}");

        // Without a public-key object the token tells nothing of an EC key: the pinned one does, and is proven.
        desk.tool("--delete-object --type pubkey --id 02");
        let error = refusal(&mut desk.keystore(by_id(2)), "02").to_string();
        assert!(error.contains("the token tells no public key"), "{error}");
        assert!(desk.keystore(pinned(&public)).get_key("02").is_ok());
        let error = refusal(&mut desk.keystore(pinned(&other)), "02").to_string();
        assert!(error.contains("the public key is for ed25519, the private key for ecdsa-p256"), "{error}");

        desk.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out foreign.pem");
        desk.openssl("pkey -in foreign.pem -pubout -outform DER -out foreign.der");
        desk.tool("--write-object foreign.der --type pubkey --id 02 --label foreign");
        let error = refusal(&mut desk.keystore(by_id(2)), "02").to_string();
        assert!(error.contains("CKA_ID 02: the public key does not match its private key"), "{error}");

        // With two of its CKA_ID the pinned one is meant, and one that neither is, is neither.
        std::fs::write(desk.path("own.pem"), public.spki_pem().unwrap()).unwrap();
        desk.openssl("pkey -pubin -in own.pem -outform DER -out own.der");
        desk.tool("--write-object own.der --type pubkey --id 02 --label own");
        let error = refusal(&mut desk.keystore(by_id(2)), "02").to_string();
        assert!(error.contains("CKA_ID 02: 2 public-key objects have its CKA_ID"), "{error}");
        assert!(desk.keystore(pinned(&public)).get_key("02").is_ok());
        desk.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out third.pem");
        let third =
            PublicKey::from_text(&String::from_utf8(desk.openssl("pkey -in third.pem -pubout")).unwrap()).unwrap();
        let error = refusal(&mut desk.keystore(pinned(&third)), "02").to_string();
        assert!(error.starts_with("backend: key CKA_ID 02: it is not the pinned one"), "{error}");

        // So it is with certificates, where there is no public-key object.
        for _ in 0..2 {
            desk.tool("--delete-object --type pubkey --id 02");
        }
        desk.openssl("req -x509 -key foreign.pem -subj /CN=foreign -days 2 -out foreign.crt");
        desk.openssl("x509 -in foreign.crt -outform DER -out foreign.crt.der");
        desk.openssl("req -new -key foreign.pem -subj /CN=own -out own.csr");
        desk.openssl(
            "x509 -req -in own.csr -force_pubkey own.pem -CA foreign.crt -CAkey foreign.pem -days 2 -outform DER -out own.crt.der",
        );
        for certificate in ["foreign", "own"] {
            desk.tool(&format!("--write-object {certificate}.crt.der --type cert --id 02 --label {certificate}"));
        }
        let foreign = desk.openssl("pkey -in foreign.pem -pubout");
        let foreign = PublicKey::from_text(&String::from_utf8(foreign).unwrap()).unwrap();
        // SoftHSM finds them in another order each time.
        for _ in 0..4 {
            assert!(desk.keystore(pinned(&public)).get_key("02").is_ok());
            let error = refusal(&mut desk.keystore(pinned(&foreign)), "02").to_string();
            assert!(error.contains("CKA_ID 02: the public key does not match its private key"), "{error}");
        }
        let error = refusal(&mut desk.keystore(pinned(&third)), "02").to_string();
        assert!(error.starts_with("backend: key CKA_ID 02: it is not the pinned one"), "{error}");

        // A private RSA key has its modulus itself.
        desk.tool("--delete-object --type pubkey --id 03");
        assert!(desk.keystore(by_id(3)).get_key("03").is_ok());
    });
}

#[test]
fn a_wrong_pin_is_tried_once_in_the_life_of_the_keystore() {
    with_token(|desk| {
        three_keys(desk);
        let (mut keystore, watch) = desk.watched(Config { pin: pin("wrong-4711"), ..config() });
        for label in ["ed", "ec", "ed", "nobody"] {
            let error = refusal(&mut keystore, label);
            assert!(matches!(error, SignerError::AccessDenied(_)), "{error}");
            assert!(error.to_string().contains("C_Login: CKR_PIN_INCORRECT: the PIN is wrong"), "{error}");
            assert_eq!(watch.logins.get(), 1);
        }
        drop(keystore);
        let (mut keystore, watch) = desk.watched(Config { pin: Pin::TokenAsks, ..config() });
        assert!(refusal(&mut keystore, "ed").to_string().contains("a PIN is needed"));
        assert_eq!(watch.logins.get(), 0);
    });
}

#[test]
fn a_pin_that_is_locked_or_would_be_is_not_tried() {
    with_token(|desk| {
        three_keys(desk);
        for (flag, final_try, logins, expected) in [
            (TokenFlags::CKF_USER_PIN_LOCKED, false, 0, Some("CKF_USER_PIN_LOCKED")),
            (TokenFlags::CKF_USER_PIN_LOCKED, true, 0, Some("CKF_USER_PIN_LOCKED")),
            (TokenFlags::CKF_USER_PIN_FINAL_TRY, false, 0, Some("SECURE_LOG_PKCS11_FINAL_TRY=1")),
            (TokenFlags::CKF_USER_PIN_FINAL_TRY, true, 1, None),
        ] {
            let (mut keystore, watch) = desk.watched(Config { final_try, ..config() });
            *watch.flags.borrow_mut() = flag;
            match expected {
                Some(expected) => {
                    let error = refusal(&mut keystore, "ed");
                    assert!(
                        matches!(error, SignerError::AccessDenied(_)) && error.to_string().contains(expected),
                        "{error}"
                    );
                }
                None => assert!(keystore.get_key("ed").is_ok()),
            }
            assert_eq!(watch.logins.get(), logins, "{flag:?}");
        }
    });
}

#[test]
fn a_lost_session_is_opened_once_again_and_the_key_must_be_the_same() {
    with_token(|desk| {
        three_keys(desk);
        let (mut keystore, watch) = desk.watched(config());
        let key = keystore.get_key("ed").unwrap();
        let public = PublicKey::of_signer(&key).unwrap();
        assert_eq!((watch.sessions.get(), watch.logins.get()), (1, 1));
        for (round, rv) in [
            Rv::CkrDeviceRemoved,
            Rv::CkrSessionHandleInvalid,
            Rv::CkrSessionClosed,
            Rv::CkrTokenNotPresent,
            Rv::CkrUserNotLoggedIn,
        ]
        .into_iter()
        .enumerate()
        {
            watch.losses.set(Some((1, rv)));
            assert!(sign_checked(&key, &public, b"after a loss").is_ok(), "{rv}");
            assert_eq!(watch.sessions.get(), round as u32 + 2, "{rv}");
        }
        let before = watch.sessions.get();
        watch.losses.set(Some((2, Rv::CkrDeviceRemoved)));
        let error = key.sign(b"twice").unwrap_err();
        assert!(error.to_string().contains("C_SignInit: CKR_DEVICE_REMOVED"), "{error}");
        assert_eq!(watch.sessions.get(), before + 1, "one reopening, then the error");
        assert!(key.sign(b"and then again").is_ok());

        // Another error is not a loss.
        watch.losses.set(Some((1, Rv::CkrDeviceError)));
        let opened = watch.sessions.get();
        assert!(key.sign(b"x").unwrap_err().to_string().contains("CKR_DEVICE_ERROR"));
        assert_eq!(watch.sessions.get(), opened);
    });
}

#[test]
fn a_key_that_was_exchanged_during_a_loss_does_not_sign() {
    with_token(|desk| {
        three_keys(desk);
        let (mut keystore, watch) = desk.watched(config());
        let key = keystore.get_key("ed").unwrap();
        desk.tool("--delete-object --type privkey --label ed");
        desk.tool("--delete-object --type pubkey --label ed");
        watch.losses.set(Some((1, Rv::CkrDeviceRemoved)));
        assert!(matches!(key.sign(b"x"), Err(SignerError::KeyNotFound(_))));
        desk.keygen("EC:edwards25519", "ed", "01");
        watch.losses.set(Some((1, Rv::CkrDeviceRemoved)));
        let error = key.sign(b"x").unwrap_err().to_string();
        assert!(error.contains("is another one than before"), "{error}");
        assert!(keystore.get_key("ed").is_ok(), "asked for anew, it is proven anew");
    });
}

#[test]
fn session_and_login_are_shared_a_probe_is_signed_once_and_the_last_user_finalises() {
    with_token(|desk| {
        three_keys(desk);
        let (mut keystore, watch) = desk.watched(config());
        let keys: Vec<_> = ["ed", "ec", "rsa", "ed"].map(|label| keystore.get_key(label).unwrap()).into();
        for _ in 0..3 {
            keys.iter().for_each(|key| drop(key.sign(b"m").unwrap()));
        }
        assert_eq!((watch.sessions.get(), watch.logins.get(), watch.signatures.get()), (1, 1, 3 + 12));
        drop(keystore);
        assert!(keys[0].sign(b"the keystore is gone, its key is not").is_ok());
        assert_eq!(watch.finalized.get(), 0);
        drop(keys);
        assert_eq!(watch.finalized.get(), 1);
    });
}

#[test]
fn users_of_one_module_do_not_finalise_one_another() {
    with_token(|desk| {
        three_keys(desk);
        let (mut one, mut two) = (desk.keystore(config()), desk.keystore(config()));
        let (first, second) = (one.get_key("ed").unwrap(), two.get_key("ec").unwrap());
        drop((one, first));
        assert!(second.sign(b"still there").is_ok());
    });
}

#[test]
fn a_key_that_always_authenticates_gets_its_login_for_each_signature() {
    with_token(|desk| {
        desk.tool("--keypairgen --key-type EC:prime256v1 --label careful --id 02 --usage-sign --always-auth");
        let (mut keystore, watch) = desk.watched(config());
        let key = keystore.get_key("careful").unwrap();
        let public = PublicKey::of_signer(&key).unwrap();
        assert_eq!(watch.operation_logins.get(), 1, "the probe");
        for signatures in 2..4 {
            assert!(sign_checked(&key, &public, b"m").is_ok());
            assert_eq!((watch.operation_logins.get(), watch.logins.get()), (signatures, 1));
        }
    });
}

#[test]
fn a_token_that_does_not_hash_signs_the_digest() {
    with_token(|desk| {
        desk.keygen("rsa:3072", "rsa", "03");
        let (mut keystore, watch) = desk.watched(config());
        watch.no_hash.set(true);
        let key = keystore.get_key("rsa").unwrap();
        let public = PublicKey::of_signer(&key).unwrap();
        let asked = watch.refused_mechanisms.get();
        for message in [&b""[..], b"m", &[7; 100_000]] {
            assert!(sign_checked(&key, &public, message).is_ok());
        }
        assert!(watch.refused_mechanisms.get() <= asked + 1, "what a token does not have is not asked for again");
    });
}

#[test]
fn configured_by_its_environment_with_the_pin_in_a_file() {
    with_token(|desk| {
        three_keys(desk);
        std::fs::write(desk.path("pin"), format!("{PIN}\n")).unwrap();
        let variable = |name: &str| match name {
            "SECURE_LOG_PKCS11_PIN_FILE" => Some(desk.path("pin").into()),
            "SECURE_LOG_PKCS11_TOKEN_LABEL" => Some(TOKEN.into()),
            "SECURE_LOG_PKCS11_PIV_SLOT" => Some("9a".into()),
            _ => None,
        };
        let config = Config::from_env(variable).unwrap();
        assert!(!format!("{config:?}").contains("-4711"));
        let key = desk.keystore(config).get_key("9a").unwrap();
        assert!(!format!("{key:?}").contains("-4711"));
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
    });
}

#[test]
fn a_token_shows_the_chain_of_its_key_as_a_yubikey_arranges_it() {
    with_token(|desk| {
        desk.keygen("EC:prime256v1", "signing", "02");
        let mut keystore = desk.keystore(by_id(2));
        let public = PublicKey::of_signer(&keystore.get_key("02").unwrap()).unwrap();
        let bare = keystore.attest("02").unwrap().unwrap();
        assert_eq!(bare.certified(&public), Certified::NoCertificates);
        let attributes = bare.key_attributes();
        assert_eq!((attributes.sensitive, attributes.extractable), (Some(true), Some(false)));
        assert_eq!((attributes.never_extractable, attributes.local), (Some(true), Some(true)));
        assert!(
            bare.token_info().starts_with("SoftHSM project SoftHSM v2, serial ")
                && bare.token_info().contains("label audit token"),
            "{}",
            bare.token_info()
        );

        // A maker's root, the key of slot f9 under it, and by that the attestation of slot 9c.
        std::fs::write(desk.path("public.pem"), public.spki_pem().unwrap()).unwrap();
        desk.openssl("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=Maker -days 9");
        desk.openssl("req -newkey rsa:2048 -nodes -keyout f9.key -out f9.csr -subj /CN=Attestation");
        desk.openssl("x509 -req -in f9.csr -CA root.pem -CAkey root.key -out f9.pem -days 9");
        desk.openssl("req -new -key f9.key -subj /CN=Slot9c -out 9c.csr");
        desk.openssl("x509 -req -in 9c.csr -CA f9.pem -CAkey f9.key -force_pubkey public.pem -out 9c.pem -days 9");
        // And one that has nothing to do with it, under the CKA_ID of the key.
        desk.openssl("req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=Other -days 9");
        for (name, id) in [("other", "02"), ("root", "30"), ("f9", "19"), ("9c", "02")] {
            desk.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
            desk.tool(&format!("--write-object {name}.der --type cert --id {id} --label {name}"));
        }
        let evidence = keystore.attest("pkcs11").unwrap().unwrap();
        let expected = ["9c", "f9", "root"].map(|name| std::fs::read(desk.path(&format!("{name}.der"))).unwrap());
        assert_eq!(evidence.evidence().certificates, expected);
        let Certified::ChainOk { certificates: 3, issuer, self_issued: true } = evidence.certified(&public) else {
            panic!("{}", evidence.certified(&public));
        };
        assert_eq!(issuer, "CN=Maker");
    });
}
