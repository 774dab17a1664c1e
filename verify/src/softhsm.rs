//! A SoftHSM token for the checks: made by the command in the graph, then used in the graph, and from the same
//! directory through a native SoftHSM that the host lends.
//!
//! Not here: how a token is lent (`token`), what is asked of a stack (`steps`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use secure_log::signer::Algorithm;
use wasmtime::Engine;

use crate::host::command;

/// PINs of a token that lives as long as this process; nobody else has it.
pub const PIN: &str = "canary-8412-user";
const SO_PIN: &str = "canary-8412-officer";
const LABEL: &str = "verify";
const TOKENS: &str = "/tokens";
const PINS: &str = "/pins";
/// Variables with which a keystore has one key.
const OF_ONE_KEY: [&str; 4] = [
    "SECURE_LOG_PKCS11_KEY_LABEL",
    "SECURE_LOG_PKCS11_KEY_ID",
    "SECURE_LOG_PKCS11_PIV_SLOT",
    "SECURE_LOG_PKCS11_PUBLIC_KEY_PEM",
];

/// Where the keys of a log are: what its guests are given and told.
#[derive(Clone, Debug)]
pub struct Token {
    /// Directories on the host and their names in the guest.
    pub preopens: Vec<(PathBuf, &'static str)>,
    /// Variables of the guest.
    pub env: Vec<(String, String)>,
}

impl Token {
    /// A token of the graph in `dir`, with two keys of each algorithm: what [`crate::site::Site`] calls its own and the
    /// other.
    ///
    /// # Errors
    /// The command fails; its words are told.
    pub fn make(engine: &Engine, dist: &Path, dir: &Path, algorithms: &[Algorithm]) -> Result<Token> {
        let (tokens, pins) = (dir.join("tokens"), dir.join("pins"));
        for folder in [&tokens, &pins] {
            fs::create_dir_all(folder)?;
        }
        fs::write(pins.join("user"), PIN)?;
        fs::write(pins.join("officer"), SO_PIN)?;
        let of_command = variables([
            ("SECURE_LOG_TOKEN_DIR", TOKENS.to_owned()),
            ("SECURE_LOG_TOKEN_PIN_FILE", format!("{PINS}/user")),
            ("SECURE_LOG_TOKEN_SO_PIN_FILE", format!("{PINS}/officer")),
        ]);
        let token = Token {
            preopens: vec![(pins, PINS), (tokens, TOKENS)],
            env: variables([
                ("SECURE_LOG_PKCS11_PIN_FILE", format!("{PINS}/user")),
                ("SECURE_LOG_TOKEN_DIR", TOKENS.to_owned()),
            ]),
        };
        let artifact = dist.join("secure-log-token-softhsm.wasm");
        let run = |args: &[&str]| -> Result<()> {
            let (status, printed) = command(engine, &artifact, &token.preopens, &of_command, args)?;
            ensure!(status == 0, "{} ended with {status}: {}", args.join(" "), printed.trim());
            ensure!(!printed.contains(PIN) && !printed.contains(SO_PIN), "a PIN was printed");
            Ok(())
        };
        run(&["init", "--label", LABEL])?;
        let labels = algorithms.iter().flat_map(|algorithm| [("verify", *algorithm), ("other", *algorithm)]);
        for (number, (whose, algorithm)) in labels.enumerate() {
            let (name, id) = (algorithm.as_str(), format!("{:02x}", number + 1));
            run(&["generate", "--alg", name, "--label", &format!("{whose}-{name}"), "--id", &id])?;
        }
        Ok(token)
    }

    /// The same token through the host, for guests that see no directory of tokens.
    pub fn of_host(&self) -> Token {
        let mut token = self.clone();
        token.preopens.retain(|(_, guest)| *guest != TOKENS);
        token.env.retain(|(name, _)| name != "SECURE_LOG_TOKEN_DIR");
        token
    }

    /// Somebody's own token, as the `SECURE_LOG_PKCS11_` variables of this process say.
    ///
    /// # Errors
    /// A variable is not UTF-8, or chooses one key where two are used; the PIN file has no directory.
    pub fn of_environment() -> Result<Token> {
        let mut token = Token { preopens: Vec::new(), env: Vec::new() };
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        for (name, value) in named.filter(|(name, _)| name.starts_with("SECURE_LOG_PKCS11_")) {
            ensure!(
                !OF_ONE_KEY.contains(&name.as_str()),
                "{name} is set, which means one key: two are used here, by their CKA_LABEL"
            );
            let value = value.into_string().map_err(|_| anyhow!("{name} is not UTF-8"))?;
            if name == "SECURE_LOG_PKCS11_PIN_FILE" {
                let path = Path::new(&value).canonicalize().with_context(|| format!("{name} is {value:?}"))?;
                let (dir, file) = path.parent().zip(path.file_name()).context("the PIN file has no directory")?;
                token.preopens.push((dir.to_owned(), PINS));
                token.env.push((name, format!("{PINS}/{}", file.to_string_lossy())));
            } else if name != "SECURE_LOG_PKCS11_MODULE" {
                token.env.push((name, value));
            }
        }
        Ok(token)
    }
}

fn variables<const N: usize>(all: [(&str, String); N]) -> Vec<(String, String)> {
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Makes a native SoftHSM of this process look for tokens in `dir/tokens`: it reads the name of its configuration from
/// the environment, and nothing else. To be called before there is a second thread.
///
/// # Errors
/// The configuration can not be written.
pub fn configure(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let file = dir.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        dir.join("tokens").display()
    );
    fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    // SAFETY: the caller's thread is the only one, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("SOFTHSM2_CONF", file) };
    Ok(())
}
