//! The one session with the token: found, opened, logged in, and opened again when it was lost. Keys and what they
//! sign are not known here.
//!
//! Invariants:
//! 1. A PIN that the token refused is never tried again.
//! 2. After a loss there is one further attempt, then the error.
//! 3. The session is dropped before C_Finalize.

use secure_log::signer::SignerError;
use secure_log::types::quote;
use secure_log_pkcs11::{Cryptoki, Rv, Session, SlotId, TokenFlags, TokenInfo, UserType};

use crate::config::{Config, FINAL_TRY, TokenSelector};

/// Why something that was asked of the token failed.
pub(crate) enum Failure {
    /// A function of the standard answered this.
    Token(&'static str, Rv),
    /// Decided here.
    Keystore(SignerError),
}

/// What a function of this name answered.
pub(crate) fn at(function: &'static str) -> impl Fn(Rv) -> Failure {
    move |rv| Failure::Token(function, rv)
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Failure {
        Failure::Keystore(error)
    }
}

impl From<Failure> for SignerError {
    fn from(failure: Failure) -> SignerError {
        let (function, rv) = match failure {
            Failure::Keystore(error) => return error,
            Failure::Token(function, rv) => (function, rv),
        };
        let text = format!("{function}: {rv}");
        match rv {
            Rv::CkrKeyFunctionNotPermitted => SignerError::AccessDenied(format!("{text}: the key may not sign")),
            Rv::CkrUserNotLoggedIn | Rv::CkrUserPinNotInitialized | Rv::CkrPinExpired => {
                SignerError::AccessDenied(text)
            }
            Rv::CkrKeyTypeInconsistent
            | Rv::CkrKeySizeRange
            | Rv::CkrMechanismInvalid
            | Rv::CkrMechanismParamInvalid
            | Rv::CkrCurveNotSupported => SignerError::UnsupportedAlgorithm(text),
            _ => SignerError::Backend(text),
        }
    }
}

/// The session is gone, or with it the login; a new one may do.
fn is_loss(rv: Rv) -> bool {
    matches!(
        rv,
        Rv::CkrDeviceRemoved
            | Rv::CkrSessionHandleInvalid
            | Rv::CkrSessionClosed
            | Rv::CkrTokenNotPresent
            | Rv::CkrUserNotLoggedIn
            | Rv::CkrCryptokiNotInitialized
    )
}

/// The call that sends a PIN.
const LOGIN: &str = "C_Login";

/// The library of tokens and the session, if one is open.
pub(crate) struct Connection<T: Cryptoki> {
    token: T,
    initialized: bool,
    open: Option<Open<T::Session>>,
    /// Sessions opened so far.
    opened: u64,
    /// Invariant 1.
    refused: Option<SignerError>,
}

struct Open<S> {
    session: S,
    slot: SlotId,
    info: TokenInfo,
}

/// An open session in use.
pub(crate) struct Live<'a, S> {
    pub(crate) session: &'a S,
    pub(crate) info: &'a TokenInfo,
    pub(crate) config: &'a Config,
    /// Object handles mean something in the session of this number only.
    pub(crate) number: u64,
    /// What the token says of itself now: its PIN may have been tried elsewhere since the session was opened.
    now: &'a dyn Fn() -> Result<TokenInfo, Rv>,
    refused: &'a mut Option<SignerError>,
    /// An operation was begun and not ended: nothing else can be done in this session.
    spoiled: bool,
}

impl<S: Session> Live<'_, S> {
    /// C_Login for the operation that was just begun, with a key that has CKA_ALWAYS_AUTHENTICATE.
    pub(crate) fn login_for_operation(&mut self) -> Result<(), Failure> {
        let done = (self.now)()
            .map_err(at("C_GetTokenInfo"))
            .and_then(|info| login(self.session, &info, UserType::CkuContextSpecific, self.config, self.refused));
        self.spoiled |= done.is_err();
        done
    }
}

impl<T: Cryptoki> Connection<T> {
    /// Not used yet.
    pub(crate) fn closed(token: T) -> Connection<T> {
        Connection { token, initialized: false, open: None, opened: 0, refused: None }
    }

    /// Does something in the session, opened if it is not.
    pub(crate) fn run<R>(
        &mut self,
        config: &Config,
        mut act: impl FnMut(&mut Live<'_, T::Session>) -> Result<R, Failure>,
    ) -> Result<R, SignerError> {
        let done = match self.attempt(config, &mut act) {
            // The PIN is not sent again.
            Err(Failure::Token(call, rv)) if is_loss(rv) && call != LOGIN => self.attempt(config, &mut act),
            done => done,
        };
        done.map_err(SignerError::from)
    }

    fn attempt<R>(
        &mut self,
        config: &Config,
        act: &mut impl FnMut(&mut Live<'_, T::Session>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone().into());
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect(config).inspect_err(|failure| self.forget_library(failure))?,
        };
        let (token, slot) = (&self.token, open.slot);
        let mut live = Live {
            session: &open.session,
            now: &|| token.get_token_info(slot),
            info: &open.info,
            config,
            number: self.opened,
            refused: &mut self.refused,
            spoiled: false,
        };
        let done = act(&mut live);
        let lost = live.spoiled || matches!(done, Err(Failure::Token(_, rv)) if is_loss(rv));
        if !lost {
            self.open = Some(open);
        }
        done.inspect_err(|failure| self.forget_library(failure))
    }

    /// Someone else in this process finalised the library.
    fn forget_library(&mut self, failure: &Failure) {
        if matches!(failure, Failure::Token(_, Rv::CkrCryptokiNotInitialized)) {
            self.initialized = false;
        }
    }

    fn connect(&mut self, config: &Config) -> Result<Open<T::Session>, Failure> {
        if !self.initialized {
            match self.token.initialize() {
                Ok(()) | Err(Rv::CkrCryptokiAlreadyInitialized) => self.initialized = true,
                Err(rv) => return Err(Failure::Token("C_Initialize", rv)),
            }
        }
        let (slot, info) = self.find(&config.token)?;
        let session = self.token.open_session(slot, false).map_err(at("C_OpenSession"))?;
        let flags = info.flags;
        if flags.contains(TokenFlags::CKF_LOGIN_REQUIRED) || !matches!(config.pin, crate::Pin::TokenAsks) {
            login(&session, &info, UserType::CkuUser, config, &mut self.refused)?;
        }
        self.opened += 1;
        Ok(Open { session, slot, info })
    }

    /// The slot of the configured token.
    fn find(&self, wanted: &TokenSelector) -> Result<(SlotId, TokenInfo), Failure> {
        let mut present = self.token.get_slot_list(true).map_err(at("C_GetSlotList"))?;
        if let TokenSelector::Slot(wanted) = wanted {
            // A broken token in another reader is nobody's concern.
            present.retain(|slot| slot == wanted);
        }
        let mut tokens = Vec::new();
        let mut unreadable = Vec::new();
        for slot in present {
            match self.token.get_token_info(slot) {
                Ok(info) => tokens.push((slot, info)),
                // Damaged, or of a kind that the library does not know. The slot may be named after what is wrong.
                Err(rv @ Rv::CkrTokenNotRecognized) => {
                    let name = match self.token.get_slot_info(slot) {
                        Ok(info) => quote(&info.slot_description),
                        Err(rv) => rv.to_string(),
                    };
                    unreadable.push(format!("the token in slot {slot}, {name}, can not be read: {rv}"));
                }
                // It went in between.
                Err(Rv::CkrTokenNotPresent | Rv::CkrDeviceRemoved) => {}
                Err(rv) => return Err(Failure::Token("C_GetTokenInfo", rv)),
            }
        }
        if let TokenSelector::Slot(wanted) = wanted
            && !tokens.iter().any(|(slot, _)| slot == wanted)
        {
            let all = self.token.get_slot_list(false).map_err(at("C_GetSlotList"))?;
            let why = match unreadable.pop() {
                Some(why) => why,
                None if all.contains(wanted) => format!("slot {wanted} holds no token"),
                None => format!("there is no slot {wanted}; there are {all:?}"),
            };
            return Err(SignerError::Backend(why).into());
        }
        let initialised = |info: &TokenInfo| info.flags.contains(TokenFlags::CKF_TOKEN_INITIALIZED);
        let is_wanted = |slot: SlotId, info: &TokenInfo| match wanted {
            TokenSelector::Only => true,
            TokenSelector::Label(label) => info.label == *label,
            TokenSelector::Slot(wanted) => slot == *wanted,
        };
        let names: Vec<String> = tokens
            .iter()
            .filter(|(_, info)| initialised(info))
            .map(|(slot, info)| format!("{} in slot {slot}", quote(&info.label)))
            .collect();
        let mut found = tokens.into_iter().filter(|(slot, info)| initialised(info) && is_wanted(*slot, info));
        let there = match names.as_slice() {
            [] => "no initialised token is there".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        let there = unreadable.into_iter().fold(there, |there, why| format!("{there}; {why}"));
        let why = match (found.next(), found.next(), wanted) {
            (Some(token), None, _) => return Ok(token),
            (Some(_), Some(_), TokenSelector::Label(label)) => {
                format!("more than one token is labelled {}: choose by slot; {there}", quote(label))
            }
            (Some(_), Some(_), _) => format!("more than one token: choose by label or slot; {there}"),
            (None, _, TokenSelector::Label(label)) => format!("no token is labelled {}; {there}", quote(label)),
            (None, _, TokenSelector::Slot(slot)) => format!("the token in slot {slot} is not initialised"),
            (None, _, TokenSelector::Only) => there,
        };
        Err(SignerError::Backend(why).into())
    }
}

impl<T: Cryptoki> Drop for Connection<T> {
    fn drop(&mut self) {
        self.open = None;
        if self.initialized {
            // Nobody is left to be told.
            let _ = self.token.finalize();
        }
    }
}

/// C_Login, unless it can be known that it fails or locks the token.
fn login(
    session: &impl Session,
    info: &TokenInfo,
    user: UserType,
    config: &Config,
    refused: &mut Option<SignerError>,
) -> Result<(), Failure> {
    let denied = |why: &str| SignerError::AccessDenied(format!("token {}: {why}", quote(&info.label)));
    if info.flags.contains(TokenFlags::CKF_USER_PIN_LOCKED) {
        return Err(denied("the PIN is locked (CKF_USER_PIN_LOCKED): its security officer or PUK can reset it").into());
    }
    if info.flags.contains(TokenFlags::CKF_USER_PIN_FINAL_TRY) && !config.final_try {
        let why = format!(
            "one try of the PIN is left (CKF_USER_PIN_FINAL_TRY) and is not used up here: check the PIN, then set {FINAL_TRY}=1"
        );
        return Err(denied(&why).into());
    }
    let pin = config.pin.get()?;
    if pin.is_none() && !info.flags.contains(TokenFlags::CKF_PROTECTED_AUTHENTICATION_PATH) {
        let why = "a PIN is needed: SECURE_LOG_PKCS11_PIN_FILE or SECURE_LOG_PKCS11_PIN";
        return Err(denied(why).into());
    }
    let rv = match session.login(user, pin.as_deref().map(Vec::as_slice)) {
        Ok(()) | Err(Rv::CkrUserAlreadyLoggedIn) => return Ok(()),
        Err(rv) => rv,
    };
    let why = match rv {
        Rv::CkrPinIncorrect | Rv::CkrPinInvalid | Rv::CkrPinLenRange => "the PIN is wrong; it is not tried again",
        Rv::CkrPinLocked => "the PIN is locked",
        Rv::CkrPinExpired => "the PIN has expired",
        Rv::CkrUserPinNotInitialized => "no PIN was ever set",
        Rv::CkrFunctionCanceled => return Err(denied("C_Login: CKR_FUNCTION_CANCELED: no PIN was given").into()),
        rv if is_loss(rv) => return Err(Failure::Token(LOGIN, rv)),
        // Whether it counted as a try is the token's secret.
        _ => "the login was refused; it is not tried again",
    };
    let error = denied(&format!("C_Login: {rv}: {why}"));
    *refused = Some(error.clone());
    Err(error.into())
}
