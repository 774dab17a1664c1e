//! The witness as HTTP shows it, over a store in memory and a software key.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;

use secure_log::merkle::empty_root;
use secure_log::note::{Checkpoint, Note, VerifierKey, note_line};
use secure_log::policy::KnownLogs;
use secure_log::signer::{Algorithm, PublicKey, sign_checked};
use secure_log::store::MemStore;
use secure_log_keystore_software::SoftwareKey;

use super::*;

const ORIGIN: &str = "log.example.org/payments";

/// A log that signs, and a witness that knows it.
struct Scene {
    log: SoftwareKey,
    own: SoftwareKey,
    store: MemStore,
    told: RefCell<Vec<String>>,
}

impl Scene {
    fn new() -> Scene {
        let key = || SoftwareKey::generate(Algorithm::Ed25519).unwrap();
        let mut store = MemStore::new();
        store.init("memory").unwrap();
        Scene { log: key(), own: key(), store, told: RefCell::default() }
    }

    fn witness(&self) -> Witness<SoftwareKey> {
        let vkey = VerifierKey::for_log(ORIGIN, PublicKey::of_signer(&self.log).unwrap()).unwrap();
        let logs = KnownLogs::parse(&format!("log {vkey}\nquorum none\n")).unwrap();
        Witness::new("witness.example.net/w1", self.own.clone(), logs).unwrap()
    }

    /// A request whose checkpoint has this size; the root is that of the empty tree.
    fn request(&self, old: u64, size: u64) -> String {
        let public = PublicKey::of_signer(&self.log).unwrap();
        let text = Checkpoint { origin: ORIGIN.into(), size, root: empty_root() }.to_text();
        let signature = sign_checked(&self.log, &public, text.as_bytes()).unwrap();
        let line = note_line(&VerifierKey::for_log(ORIGIN, public).unwrap(), &signature);
        format!("old {old}\n\n{}", Note::new(&text, vec![line]).unwrap())
    }

    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let head = Head { method, path, authority: None, headers: &headers };
        let (witness, mut store) = (self.witness(), std::mem::take(&mut self.store));
        let told = |why: &str| self.told.borrow_mut().push(why.to_owned());
        let reply = reply(&head, || Ok(witness), || Ok(body.as_bytes().to_vec()), &mut store, || 1_767_225_660, told);
        self.store = store;
        reply
    }

    fn post(&mut self, body: &str) -> Reply {
        self.ask("POST", "/add-checkpoint", &[], body)
    }
}

fn kind(reply: &Reply) -> &str {
    reply.headers.iter().find(|(name, _)| *name == "content-type").map_or("", |(_, value)| value)
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

/// The reply to a head that must be refused: reading the body, the configuration or the store would panic.
fn refused(method: &str, path: &str, headers: &[(String, Vec<u8>)]) -> u16 {
    let head = Head { method, path, authority: None, headers };
    let witness = || -> Result<Witness<SoftwareKey>, String> { panic!("the configuration was read") };
    let never = || panic!("the body was read");
    reply(&head, witness, never, &mut MemStore::new(), || panic!("the clock was read"), |why| panic!("{why}")).status
}

#[test]
fn a_checkpoint_is_cosigned_shown_and_convicted_of_a_fork() {
    let mut scene = Scene::new();
    let hash = OriginHash::of(ORIGIN);
    let (checkpoint, evidence) = (format!("/{}/checkpoint", hash.as_str()), format!("/{}/evidence", hash.as_str()));
    assert_eq!(scene.ask("GET", &checkpoint, &[], "").status, 404);
    assert_eq!(scene.ask("GET", &evidence, &[], "").status, 404);

    let cosigned = scene.post(&scene.request(0, 5));
    assert_eq!((cosigned.status, kind(&cosigned)), (200, TEXT));
    assert!(text(&cosigned).starts_with("— witness.example.net/w1 ") && text(&cosigned).ends_with('\n'));
    let shown = scene.ask("GET", &checkpoint, &[], "");
    assert!(text(&shown).ends_with(text(&cosigned)), "the last line of the shown note is the one given");
    assert_eq!(scene.ask("HEAD", &checkpoint, &[], ""), Reply { body: Vec::new(), ..shown });

    let late = scene.post(&scene.request(0, 7));
    assert_eq!((late.status, kind(&late), text(&late)), (409, "text/x.tlog.size", "5\n"));
    let fork = scene.request(5, 5).replace("47DEQpj8", "57DEQpj8");
    assert_eq!(scene.post(&fork).status, 403, "no signature for it");
    assert_eq!(scene.post(&scene.request(5, 7)).status, 422);
    assert!(text(&scene.ask("GET", &evidence, &[], "")).starts_with("secure-log/evidence/v1\n\n"));
    assert_eq!(scene.told.borrow().len(), 0);
}

#[test]
fn what_is_no_request_of_ours_is_refused_before_anything_is_read() {
    let hash = OriginHash::of(ORIGIN);
    let hash = hash.as_str();
    for path in [
        "",
        "/add-checkpoint/",
        "/add-checkpoint?x",
        "//add-checkpoint",
        "/sign-subtree",
        "/checkpoint",
        "/x/checkpoint",
    ] {
        assert_eq!(refused("POST", path, &[]), 404, "{path}");
        assert_eq!(refused("GET", path, &[]), 404, "{path}");
    }
    for path in
        [hash.to_uppercase(), hash[1..].into(), format!("{hash}0"), hash.replace(&hash[..1], "%"), format!("../{hash}")]
    {
        assert_eq!(refused("GET", &format!("/{path}/checkpoint"), &[]), 404, "{path}");
        assert_eq!(refused("GET", &format!("/{path}/evidence"), &[]), 404, "{path}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"] {
        assert_eq!(refused(method, "/add-checkpoint", &[]), 405, "{method}");
    }
    assert_eq!(refused("POST", "/", &[]), 405);
    assert_eq!(refused("POST", &format!("/{hash}/checkpoint"), &[]), 405);
    let header = |name: &str, value: &str| [(name.to_owned(), value.as_bytes().to_vec())];
    assert_eq!(refused("POST", "/add-checkpoint", &header("Content-Encoding", "gzip")), 415);
    assert_eq!(refused("POST", "/add-checkpoint", &header("Content-Length", &(MAX_REQUEST + 1).to_string())), 413);
}

#[test]
fn a_wrong_configuration_answers_503_and_tells_the_operator_alone() {
    let told = RefCell::new(Vec::new());
    let head = Head { method: "POST", path: "/add-checkpoint", authority: None, headers: &[] };
    let witness = || Err::<Witness<SoftwareKey>, _>("SECURE_LOG_WITNESS_NAME is not set".to_owned());
    let never = || panic!("the body was read");
    let hear = |why: &str| told.borrow_mut().push(why.to_owned());
    let reply = reply(&head, witness, never, &mut MemStore::new(), || 1, hear);
    assert_eq!(reply.status, 503);
    assert!(!text(&reply).contains("SECURE_LOG"));
    assert_eq!(told.into_inner(), ["SECURE_LOG_WITNESS_NAME is not set"]);
}

#[test]
fn a_store_that_fails_signs_nothing_and_tells_the_operator_alone() {
    let mut scene = Scene::new();
    scene.store = MemStore::new();
    let reply = scene.post(&scene.request(0, 5));
    assert_eq!((reply.status, text(&reply)), (503, "the store fails\n"));
    assert_eq!(scene.told.borrow()[..], ["store: not initialised"]);
    let shown = scene.ask("GET", &format!("/{}/checkpoint", OriginHash::of(ORIGIN).as_str()), &[], "");
    assert_eq!((shown.status, scene.told.borrow().len()), (503, 2));
}

#[test]
fn bodies_that_cannot_be_read_have_their_statuses() {
    let scene = Scene::new();
    let head = Head { method: "POST", path: "/add-checkpoint", authority: None, headers: &[] };
    for (error, status) in [(BodyError::TooLong, 413), (BodyError::Late, 408), (BodyError::Broken, 400)] {
        let read = || Err(error);
        let reply = reply(&head, || Ok(scene.witness()), read, &mut MemStore::new(), || 1, |why| panic!("{why}"));
        assert_eq!(reply.status, status);
    }
}

#[test]
fn the_greeting_names_the_key_and_nothing_else_of_the_configuration() {
    let mut scene = Scene::new();
    let greeting = scene.ask("GET", "/", &[], "");
    assert!(text(&greeting).contains(&scene.witness().vkey().to_string()) && !text(&greeting).contains(ORIGIN));
}
