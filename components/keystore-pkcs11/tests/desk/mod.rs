//! A real SoftHSM token in a folder of its own, and the process that uses it: SoftHSM has one state for a process and
//! takes its folder from the environment, so every test runs itself again as a child with that environment.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use secure_log_keystore_pkcs11::{Config, KeySelector, Pin, Pkcs11Keystore, TokenSelector};
use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, Info, Mechanism, ObjectHandle, Rv, Session, SlotId, SlotInfo, TokenFlags,
    TokenInfo, UserType,
};
use secure_log_token_native::NativeToken;
use zeroize::Zeroizing;

pub const TOKEN: &str = "audit token";
/// Every PIN ends in `-4711` or `-0815`, which no number of a key in an error does.
pub const PIN: &str = "canary-pin-4711";
const SO_PIN: &str = "canary-so-0815";

/// The folder with tokens, files and SoftHSM's configuration.
pub struct Desk {
    pub folder: PathBuf,
}

/// Runs `test` in a process of its own, with an empty token.
pub fn with_token(test: impl FnOnce(&Desk)) {
    if let Some(folder) = std::env::var_os("SECURE_LOG_TEST_TOKEN") {
        return test(&Desk { folder: folder.into() });
    }
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk { folder: folder.path().to_owned() };
    std::fs::create_dir(desk.path("tokens")).unwrap();
    let config = format!("directories.tokendir = {}\nlog.level = ERROR\n", desk.path("tokens").display());
    std::fs::write(desk.path("softhsm2.conf"), config).unwrap();
    desk.init_token(TOKEN);
    let name = std::thread::current().name().unwrap().to_owned();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env("SECURE_LOG_TEST_TOKEN", &desk.folder)
        .env("SOFTHSM2_CONF", desk.path("softhsm2.conf"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "the child ran another test than {name}: {said}");
    assert!(!said.contains("-4711") && !said.contains("-0815"), "a PIN in the output: {said}");
}

pub fn module() -> PathBuf {
    secure_log_token_native::softhsm().unwrap()
}

impl Desk {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn init_token(&self, label: &str) {
        self.run("softhsm2-util", &["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN]);
    }

    /// A program of the system, with SoftHSM's configuration, in the folder; its stdout.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(program);
        command.args(arguments).env("SOFTHSM2_CONF", self.path("softhsm2.conf")).current_dir(&self.folder);
        let done = command
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}: apt-get install softhsm2 opensc openssl"));
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    pub fn openssl(&self, line: &str) -> Vec<u8> {
        self.run("openssl", &line.split(' ').collect::<Vec<_>>())
    }

    /// OpenSC's tool, logged in to the token of this label.
    pub fn tool(&self, line: &str) {
        let module = module();
        let mut arguments = vec!["--module", module.to_str().unwrap(), "--token-label", TOKEN, "--login", "--pin", PIN];
        arguments.extend(line.split(' '));
        self.run("pkcs11-tool", &arguments);
    }

    /// A key pair with label and CKA_ID, generated in the token.
    pub fn keygen(&self, kind: &str, label: &str, id: &str) {
        self.tool(&format!("--keypairgen --key-type {kind} --label {label} --id {id} --usage-sign"));
    }

    pub fn keystore(&self, config: Config) -> Pkcs11Keystore<NativeToken> {
        Pkcs11Keystore::new(NativeToken::load(&module()).unwrap(), config)
    }

    /// Over a token that is watched.
    pub fn watched(&self, config: Config) -> (Pkcs11Keystore<Watched>, Rc<Watch>) {
        let watch = Rc::new(Watch::default());
        let token = Watched { token: NativeToken::load(&module()).unwrap(), watch: watch.clone() };
        (Pkcs11Keystore::new(token, config), watch)
    }
}

/// The PIN as it is, keys by the label asked for.
pub fn config() -> Config {
    Config { key: None, token: TokenSelector::Label(TOKEN.into()), pin: pin(PIN), public_key: None, final_try: false }
}

pub fn pin(pin: &str) -> Pin {
    Pin::Bytes(Zeroizing::new(pin.as_bytes().to_vec()))
}

pub fn by_id(id: u8) -> Config {
    Config { key: Some(KeySelector::Id(vec![id])), ..config() }
}

/// What reached the real token, and what happens to it next.
#[derive(Default)]
pub struct Watch {
    pub logins: Cell<u32>,
    pub operation_logins: Cell<u32>,
    pub sessions: Cell<u32>,
    pub signatures: Cell<u32>,
    pub finalized: Cell<u32>,
    /// Flags that the token shows besides its own.
    pub flags: RefCell<TokenFlags>,
    /// Sessions are closed underneath at the next so many signatures, which answer this.
    pub losses: Cell<Option<(u32, Rv)>>,
    /// CKA_SIGN of every key is false: neither OpenSC's tool nor SoftHSM's makes such a key.
    pub no_signing: Cell<bool>,
    /// No token can be read.
    pub unreadable: Cell<bool>,
    /// The token in this slot is broken.
    pub broken: Cell<Option<SlotId>>,
    /// The token does not hash for RSASSA-PSS.
    pub no_hash: Cell<bool>,
    pub refused_mechanisms: Cell<u32>,
}

pub struct Watched {
    token: NativeToken,
    watch: Rc<Watch>,
}

pub struct WatchedSession {
    session: RefCell<Option<<NativeToken as Cryptoki>::Session>>,
    watch: Rc<Watch>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

impl Cryptoki for Watched {
    type Session = WatchedSession;

    fn initialize(&mut self) -> Result<(), Rv> {
        self.token.initialize()
    }
    fn finalize(&mut self) -> Result<(), Rv> {
        count(&self.watch.finalized);
        self.token.finalize()
    }
    fn get_info(&self) -> Result<Info, Rv> {
        self.token.get_info()
    }
    fn get_slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv> {
        self.token.get_slot_list(token_present)
    }
    fn get_slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        self.token.get_slot_info(slot)
    }
    fn get_token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        if self.watch.unreadable.get() {
            return Err(Rv::CkrTokenNotRecognized);
        }
        if self.watch.broken.get() == Some(slot) {
            return Err(Rv::CkrDeviceError);
        }
        let mut info = self.token.get_token_info(slot)?;
        info.flags |= *self.watch.flags.borrow();
        Ok(info)
    }
    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<WatchedSession, Rv> {
        count(&self.watch.sessions);
        let session = RefCell::new(Some(self.token.open_session(slot, read_write)?));
        Ok(WatchedSession { session, watch: self.watch.clone() })
    }
}

impl WatchedSession {
    fn real<R>(&self, act: impl FnOnce(&<NativeToken as Cryptoki>::Session) -> Result<R, Rv>) -> Result<R, Rv> {
        self.session.borrow().as_ref().map_or(Err(Rv::CkrSessionHandleInvalid), act)
    }
}

impl Session for WatchedSession {
    fn login(&self, user: UserType, pin: Option<&[u8]>) -> Result<(), Rv> {
        count(if user == UserType::CkuContextSpecific { &self.watch.operation_logins } else { &self.watch.logins });
        self.real(|session| session.login(user, pin))
    }
    fn logout(&self) -> Result<(), Rv> {
        self.real(Session::logout)
    }
    fn find_objects(&self, template: &[Attribute], limit: u32) -> Result<Vec<ObjectHandle>, Rv> {
        self.real(|session| session.find_objects(template, limit))
    }
    fn get_attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let mut values = self.real(|session| session.get_attribute_value(object, types))?;
        for value in values.iter_mut().flatten() {
            if let Attribute::CkaSign(sign) = value {
                *sign &= !self.watch.no_signing.get();
            }
        }
        Ok(values)
    }
    fn sign_init(&self, mechanism: Mechanism, key: ObjectHandle) -> Result<(), Rv> {
        if let Some((left, rv)) = self.watch.losses.get() {
            self.watch.losses.set((left > 1).then_some((left - 1, rv)));
            // Closed for the token: this is C_CloseSession.
            self.session.borrow_mut().take();
            return Err(rv);
        }
        if self.watch.no_hash.get() && matches!(mechanism, Mechanism::CkmSha256RsaPkcsPss(_)) {
            count(&self.watch.refused_mechanisms);
            return Err(Rv::CkrMechanismInvalid);
        }
        self.real(|session| session.sign_init(mechanism, key))
    }
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Rv> {
        count(&self.watch.signatures);
        self.real(|session| session.sign(data))
    }
}
