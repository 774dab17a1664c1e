//! Key files: read with care, created once.
//!
//! A key is created under a temporary name (`.<label>.<random>.tmp`; no label begins with a dot), synced, and
//! then hard-linked to its name, which is atomic and never replaces: of two creators one wins and both sign
//! with the winner's key. The directory is synced before a created key is handed out, so no signature is older
//! than its key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use secure_log::signer::{Algorithm, SignerError};
use secure_log::types::hex;
use zeroize::Zeroizing;

use crate::key::{SoftwareKey, random};

/// Longest key file in bytes; the PEM of a 16,384-bit RSA key has 12.6 kB.
const MAX_FILE: usize = 32 * 1024;

/// The key of the file `<dir>/<label>.pem`. If there is none and `create` names an algorithm, a new one,
/// durable on return. The label has been checked.
pub(crate) fn get_or_create(dir: &Path, label: &str, create: Option<Algorithm>) -> Result<SoftwareKey, SignerError> {
    let path = dir.join(format!("{label}.pem"));
    if let Some(pem) = read(&path)? {
        return SoftwareKey::from_pem(&path.display().to_string(), &pem);
    }
    if !dir.is_dir() {
        return Err(SignerError::Backend(format!("SECURE_LOG_KEYSTORE_DIR: {} is not a directory", dir.display())));
    }
    let Some(algorithm) = create else {
        let hint = "SECURE_LOG_KEYSTORE_CREATE=1 would create it";
        return Err(SignerError::KeyNotFound(format!("{} does not exist; {hint}", path.display())));
    };
    let pem = SoftwareKey::generate(algorithm)?.to_pem()?;
    write_new(dir, label, &path, pem.as_bytes()).map_err(|error| failed(&path, "cannot be created", &error))?;
    // Read back, also by the winner: what signs is what will sign after a restart.
    match read(&path)? {
        Some(pem) => SoftwareKey::from_pem(&path.display().to_string(), &pem),
        None => Err(SignerError::Backend(format!("{} vanished after it was created", path.display()))),
    }
}

/// The text of a key file, `None` if there is no such file.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, SignerError> {
    let opened = fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("not a regular file")),
    });
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "cannot be opened", &error)),
    };
    refuse_shared(path, &file)?;
    // One allocation, so that no copy of a key stays behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE + 1));
    file.take(MAX_FILE as u64 + 1).read_to_string(&mut text).map_err(|error| failed(path, "cannot be read", &error))?;
    match text.len() > MAX_FILE {
        true => Err(SignerError::Backend(format!("{} is longer than {MAX_FILE} bytes", path.display()))),
        false => Ok(Some(text)),
    }
}

/// A file others than its owner may use is not a secret any more.
#[cfg(unix)]
fn refuse_shared(path: &Path, file: &File) -> Result<(), SignerError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|error| failed(path, "cannot be examined", &error))?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & 0o077 != 0 => Err(SignerError::AccessDenied(format!(
            "{} has mode {mode:04o}: its group or others may use it; chmod 600",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// WASI 0.2 shows no permissions.
#[cfg(not(unix))]
fn refuse_shared(_: &Path, _: &File) -> Result<(), SignerError> {
    Ok(())
}

/// Makes `path` hold `pem`, unless it exists: then it stays as it is, and that is success. Durable on return.
fn write_new(dir: &Path, label: &str, path: &Path, pem: &[u8]) -> io::Result<()> {
    let mut name = [0; 8];
    random(&mut name).map_err(io::Error::other)?;
    let temporary = dir.join(format!(".{label}.{}.tmp", hex(&name)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    // A crash up to the link leaves a temporary file with a key that nobody ever used: delete it.
    let written = file.write_all(pem).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => removed?,
    }
    // The loser syncs too: the winner may not have come to it yet.
    File::open(dir)?.sync_all()
}

fn failed(path: &Path, what: &str, error: &io::Error) -> SignerError {
    let text = format!("{} {what}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => SignerError::AccessDenied(text),
        _ => SignerError::Backend(text),
    }
}
