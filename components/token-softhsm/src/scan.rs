//! What lies in the token directory, read before SoftHSM does: which tokens there are, and which files are no longer whole.
//!
//! SoftHSM passes over what it can not read: a token whose file is torn is missing from its list, a torn key is not
//! found. Here nothing is passed over. Nothing is written, decrypted or kept.
//!
//! # Files (SoftHSM 2.6.1, `object_store`)
//! ```text
//! <directory>/<uuid>/token.object     the token; every other *.object of the folder is one object
//! object     = generation:u64 *attribute                               integers are big endian
//! attribute  = type:u64 ( 1:u64 bool:u8 | 2:u64 value:u64 | 3:u64 bytes | 4:u64 map | 5:u64 mechanisms )
//! bytes      = length:u64 length*u8
//! mechanisms = count:u64 count*u64
//! map        = length:u64 *( type:u64 ( 1:u64 bool:u8 | 2:u64 value:u64 | 3:u64 bytes | 5:u64 mechanisms ) )
//! ```
//! Attributes are in the order of their types, and there is neither a length nor a checksum of the whole; so an object that
//! lacks the last type that all of its class have was cut where an attribute ends.
//!
//! An object of a generation and nothing else is one whose making was interrupted: SoftHSM names the file first and
//! fills it later. Nobody was told of it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use secure_log_pkcs11::{AttributeType, ObjectClass, TokenFlags};

/// The longest object file, in bytes. A certificate chain of 100 KiB fits ten times.
const MAX_FILE: u64 = 1 << 20;
/// Names looked at in one folder.
const MAX_NAMES: usize = 10_000;

/// `CKA_VENDOR_DEFINED + 0x5348`, after which SoftHSM numbers the attributes of a token.
const SOFTHSM: u64 = 0x8000_5348;
/// What a token that was made to the end has: label, serial number, flags, the security officer's PIN blob.
const OF_A_TOKEN: [(u64, &str); 4] =
    [(SOFTHSM + 1, "label"), (SERIAL, "serial number"), (FLAGS, "flags"), (SOFTHSM + 4, "SO PIN")];
const SERIAL: u64 = SOFTHSM + 2;
const FLAGS: u64 = SOFTHSM + 3;
/// What to do with the rest of a token: `C_InitToken` had not answered.
const INTERRUPTED: &str =
    "its initialisation was interrupted, and nobody was told of it; remove the folder and begin anew";

/// The first attribute of every object.
const CLASS: u64 = AttributeType::CkaClass.number();
/// Class and the last attribute that SoftHSM writes for it: certificates end with `CKA_DESTROYABLE`, keys with
/// `CKA_ALLOWED_MECHANISMS`.
const LAST: [(ObjectClass, u64); 3] = [
    (ObjectClass::CkoCertificate, 0x172),
    (ObjectClass::CkoPublicKey, 0x4000_0600),
    (ObjectClass::CkoPrivateKey, 0x4000_0600),
];

/// A file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

/// A folder of the token directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it lies.
    pub folder: PathBuf,
    /// The slot in which SoftHSM shows it: the last eight digits of its serial number, as a positive integer of 32
    /// bits. Unknown if its file can not be read.
    pub slot: Option<u32>,
    /// Why it can not be used as a token.
    pub damage: Option<Damage>,
}

/// Every folder of the token directory, by name.
///
/// # Errors
/// A directory that can not be listed.
pub fn tokens(directory: &Path) -> Result<Vec<Found>, Damage> {
    let mut found = Vec::new();
    for name in names(directory)? {
        let folder = directory.join(name);
        let damaged = |what: String| Some(Damage { path: folder.clone(), what });
        match folder.symlink_metadata() {
            Ok(what) if what.is_dir() => found.push(token(folder)),
            // SoftHSM does not look behind it, so a token there would be passed over.
            Ok(what) if what.is_symlink() => {
                let damage = damaged("is a symbolic link: move the token here, or the link away".to_owned());
                found.push(Found { folder, slot: None, damage });
            }
            Ok(_) => {}
            Err(error) => {
                let damage = damaged(error.to_string());
                found.push(Found { folder, slot: None, damage });
            }
        }
    }
    Ok(found)
}

/// Two folders that SoftHSM would show in one slot, copies for instance; it would end at the second one.
#[must_use]
pub fn twins(found: &[Found]) -> Option<Damage> {
    found.iter().enumerate().find_map(|(at, one)| {
        let slot = one.slot?;
        let twin = found[..at].iter().find(|other| other.slot == Some(slot))?;
        let what = format!("has the slot {slot} that {} has too: move one of them away", twin.folder.display());
        Some(Damage { path: one.folder.clone(), what })
    })
}

fn token(folder: PathBuf) -> Found {
    let path = folder.join("token.object");
    let damaged = |what: String| Some(Damage { path: path.clone(), what });
    let content = match content(&path) {
        Ok(content) => content,
        Err(error) => return Found { damage: damaged(error.to_string()), slot: None, folder },
    };
    let object = match Object::parse(&content) {
        Ok(object) => object,
        Err(error) => return Found { damage: damaged(error), slot: None, folder },
    };
    let slot = object.serial.and_then(slot);
    let missing = OF_A_TOKEN.iter().find(|(number, _)| !object.types.contains(number));
    let damage = match missing {
        Some((_, name)) => damaged(format!("has no {name}: {INTERRUPTED}")),
        None if object.begun() => damaged(format!("has no SO PIN that counts: {INTERRUPTED}")),
        None if slot.is_none() => damaged("has a serial number that is none".to_owned()),
        None => None,
    };
    Found { damage, slot, folder }
}

/// The objects of a token that are not whole; `unfinished` are those whose making was interrupted.
///
/// # Errors
/// A folder that can not be listed.
pub fn objects(folder: &Path) -> Result<Objects, Damage> {
    let mut objects = Objects::default();
    for name in names(folder)? {
        if name == "token.object" || !name.ends_with(".object") {
            continue;
        }
        let path = folder.join(name);
        let what = match content(&path) {
            Ok(content) => Object::parse(&content).and_then(|object| object.finished()),
            Err(error) => Err(error.to_string()),
        };
        match what {
            Ok(true) => {}
            Ok(false) => objects.unfinished.push(path),
            Err(what) => objects.torn.push(Damage { path, what }),
        }
    }
    Ok(objects)
}

/// What is wrong with the objects of a token.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Torn or unreadable: a key may be missing.
    pub torn: Vec<Damage>,
    /// Never finished: nobody was told of them.
    pub unfinished: Vec<PathBuf>,
}

/// Whether the file of a token can be opened for writing; nothing is written.
///
/// # Errors
/// As the system says it.
pub fn writable(folder: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(folder.join("token.object")).map(|_| ())
}

/// Whether tokens can be made in the token directory: a file, which is no token, is made and removed.
///
/// # Errors
/// As the system says it.
pub fn creatable(directory: &Path) -> io::Result<()> {
    let probe = directory.join(".writable");
    fs::write(&probe, [])?;
    fs::remove_file(probe)
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>, Damage> {
    let damage = |what: String| Damage { path: folder.to_owned(), what };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| damage(error.to_string()))? {
        if names.len() == MAX_NAMES {
            return Err(damage(format!("more than {MAX_NAMES} names")));
        }
        let entry = entry.map_err(|error| damage(error.to_string()))?;
        names.push(entry.file_name().into_string().map_err(|_| damage("a name that is not UTF-8".to_owned()))?);
    }
    names.sort_unstable();
    Ok(names)
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_FILE {
        return Err(io::Error::other(format!("{length} bytes, at most {MAX_FILE}")));
    }
    fs::read(path)
}

/// The slot of a serial number, as `SlotManager` computes it.
#[must_use]
pub fn slot(serial: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(serial.get(serial.len().checked_sub(8)?..)?).ok()?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
        .map(|n| n & 0x7fff_ffff)
}

/// The attributes that an object file names.
struct Object<'a> {
    types: Vec<u64>,
    serial: Option<&'a [u8]>,
    flags: TokenFlags,
    class: Option<u64>,
}

impl<'a> Object<'a> {
    fn parse(content: &'a [u8]) -> Result<Object<'a>, String> {
        let mut rest = Rest { content, whole: content.len() };
        rest.u64()?;
        let mut object = Object { types: Vec::new(), serial: None, flags: TokenFlags::default(), class: None };
        while !rest.content.is_empty() {
            let number = rest.u64()?;
            match rest.u64()? {
                1 => _ = rest.take(1)?,
                2 => {
                    let value = rest.u64()?;
                    match number {
                        CLASS => object.class = Some(value),
                        FLAGS => object.flags = TokenFlags::from_number(value),
                        _ => {}
                    }
                }
                3 => {
                    let bytes = rest.bytes()?;
                    if number == SERIAL {
                        object.serial = Some(bytes);
                    }
                }
                4 => Object::map(&mut Rest { content: rest.bytes()?, whole: content.len() })?,
                5 => rest.mechanisms()?,
                other => return Err(format!("attribute 0x{number:x} has the unknown kind {other}")),
            }
            object.types.push(number);
        }
        Ok(object)
    }

    /// Whether it is a token between `C_InitToken`'s first write and its last: it has both flags only then.
    fn begun(&self) -> bool {
        self.flags.contains(TokenFlags::CKF_SO_PIN_LOCKED) && self.flags.contains(TokenFlags::CKF_SO_PIN_TO_BE_CHANGED)
    }

    /// Whether it was made to the end; an error if it was and is not whole.
    fn finished(&self) -> Result<bool, String> {
        if self.types.is_empty() {
            return Ok(false);
        }
        let class = self.class.ok_or("has no class")?;
        match LAST.iter().find(|(of, _)| of.number() == class) {
            Some((_, last)) if !self.types.contains(last) => Err("is cut after an attribute".to_owned()),
            _ => Ok(true),
        }
    }

    fn map(rest: &mut Rest<'_>) -> Result<(), String> {
        while !rest.content.is_empty() {
            let number = rest.u64()?;
            match rest.u64()? {
                1 => _ = rest.take(1)?,
                2 => _ = rest.u64()?,
                3 => _ = rest.bytes()?,
                5 => rest.mechanisms()?,
                other => return Err(format!("attribute 0x{number:x} inside another has the unknown kind {other}")),
            }
        }
        Ok(())
    }
}

/// What is not read yet.
struct Rest<'a> {
    content: &'a [u8],
    /// Length of the file, for messages.
    whole: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.content.len());
        let Some(length) = length else {
            return Err(format!("ends in the middle of an attribute, after {} bytes", self.whole));
        };
        let (taken, rest) = self.content.split_at(length);
        self.content = rest;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, String> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.u64()?;
        self.take(length)
    }

    fn mechanisms(&mut self) -> Result<(), String> {
        let count = self.u64()?;
        self.take(count.saturating_mul(8)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn attribute(number: u64, kind: u64, value: &[u8]) -> Vec<u8> {
        let mut bytes = [number.to_be_bytes(), kind.to_be_bytes()].concat();
        if kind >= 3 {
            bytes.extend((if kind == 5 { value.len() / 8 } else { value.len() } as u64).to_be_bytes());
        }
        bytes.extend(value);
        bytes
    }

    fn whole_token(serial: &[u8]) -> Vec<u8> {
        token_with(serial, 0)
    }

    fn token_with(serial: &[u8], flags: u64) -> Vec<u8> {
        let mut file = 5u64.to_be_bytes().to_vec();
        file.extend(attribute(SOFTHSM + 1, 3, b"label"));
        file.extend(attribute(SERIAL, 3, serial));
        file.extend(attribute(FLAGS, 2, &flags.to_be_bytes()));
        file.extend(attribute(SOFTHSM + 4, 3, b"blob"));
        file
    }

    fn directory(tokens: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in tokens {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("token.object"), content).unwrap();
        }
        directory
    }

    #[test]
    fn a_token_is_found_in_the_slot_of_its_serial_number() {
        let directory = directory(&[("a", &whole_token(b"0123456789abcdef"))]);
        let found = tokens(directory.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].slot, &found[0].damage), (Some(0x09ab_cdef), &None));
    }

    #[test]
    fn a_token_cut_anywhere_is_named_and_never_passed_over() {
        let whole = whole_token(b"0123456789abcdef");
        for length in 0..whole.len() {
            let directory = directory(&[("a", &whole[..length])]);
            let found = tokens(directory.path()).unwrap();
            let damage = found[0].damage.as_ref().unwrap_or_else(|| panic!("{length} bytes pass for a token"));
            assert!(damage.to_string().contains("a/token.object: "), "{damage}");
        }
    }

    #[test]
    fn a_token_whose_initialisation_was_interrupted_is_named_with_what_to_do() {
        for (flags, whole) in [(0xc0_0400, false), (0x40_0400, true), (0x80_0400, true), (0x400, true)] {
            let directory = directory(&[("a", &token_with(b"0123456789abcdef", flags))]);
            let damage = tokens(directory.path()).unwrap().remove(0).damage;
            assert_eq!(damage.is_none(), whole, "{flags:x}");
            assert!(damage.is_none_or(|damage| damage.to_string().ends_with("remove the folder and begin anew")));
        }
    }

    #[test]
    fn a_folder_without_a_token_file_is_named() {
        let directory = directory(&[]);
        fs::create_dir(directory.path().join("empty")).unwrap();
        assert!(tokens(directory.path()).unwrap()[0].damage.is_some());
    }

    #[test]
    fn two_tokens_of_one_slot_are_named() {
        let file = whole_token(b"0123456789abcdef");
        let found = tokens(directory(&[("a", &file), ("b", &file)]).path()).unwrap();
        assert!(twins(&found).unwrap().to_string().contains("/b: has the slot"));
        assert_eq!(twins(&found[..1]), None);
    }

    #[test]
    fn torn_objects_are_named_and_unfinished_ones_kept_apart() {
        let directory = directory(&[("a", &whole_token(b"0123456789abcdef"))]);
        let folder = directory.path().join("a");
        let mut object = 2u64.to_be_bytes().to_vec();
        object.extend(attribute(0, 2, &3u64.to_be_bytes()));
        object.extend(attribute(0x4000_0212, 4, &attribute(3, 3, b"x")));
        object.extend(attribute(0x4000_0600, 5, &[1; 16]));
        for length in 0..=object.len() {
            fs::write(folder.join("k.object"), &object[..length]).unwrap();
            let objects = objects(&folder).unwrap();
            assert_eq!(objects.torn.is_empty(), length == 8 || length == object.len(), "{length}: {objects:?}");
            assert_eq!(objects.unfinished.len(), usize::from(length == 8));
        }
    }

    #[test]
    fn lengths_beyond_the_file_allocate_nothing() {
        let mut object = 1u64.to_be_bytes().to_vec();
        object.extend([0u64, 3, u64::MAX].map(u64::to_be_bytes).concat());
        assert!(Object::parse(&object).is_err());
        let mut object = 1u64.to_be_bytes().to_vec();
        object.extend([0u64, 5, u64::MAX].map(u64::to_be_bytes).concat());
        assert!(Object::parse(&object).is_err());
    }
}
