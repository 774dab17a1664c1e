//! A file of the platform, read and written at positions. Not here: what is in it, and what an error means
//! to the store (`file`).
//!
//! Under WASI this asks `wasi:filesystem` itself: std writes through a stream, which costs a host its own
//! task for every write, and has no `sync-data`. Elsewhere it is std's.

use std::io::{self, ErrorKind};
use std::path::Path;

pub use platform::Medium;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It exists, and is only read.
    Read,
    /// It exists.
    Write,
    /// It is created empty if it does not exist.
    Create,
    /// It does not exist, else `AlreadyExists`: of several who try, one succeeds.
    CreateNew,
}

impl Medium {
    /// Fills `room` from `offset`; less only at the end of the file.
    pub fn read_full(&self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < room.len() {
            match self.read_some(offset + done as u64, &mut room[done..]) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_full(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.write_some(offset + done as u64, &bytes[done..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
mod platform {
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::FileExt as _;

    use super::{Access, Path, io};

    /// An open file.
    #[derive(Debug)]
    pub struct Medium(File);

    impl Medium {
        /// Opens.
        pub fn open(path: &Path, access: Access) -> io::Result<Medium> {
            let mut options = OpenOptions::new();
            options.read(true).write(access != Access::Read);
            options.create(access == Access::Create).create_new(access == Access::CreateNew);
            options.open(path).map(Medium)
        }

        /// Bytes of the file.
        pub fn size(&self) -> io::Result<u64> {
            self.0.metadata().map(|metadata| metadata.len())
        }

        /// Cuts or lengthens the file.
        pub fn set_size(&self, size: u64) -> io::Result<()> {
            self.0.set_len(size)
        }

        /// What was written is durable, and the size with it (fdatasync).
        pub fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }

        pub(super) fn read_some(&self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
            self.0.read_at(room, offset)
        }

        pub(super) fn write_some(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            self.0.write_at(bytes, offset)
        }
    }
}

#[cfg(target_os = "wasi")]
mod platform {
    use std::fmt;

    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

    use super::{Access, ErrorKind, Path, io};

    /// An open file.
    pub struct Medium(Descriptor);

    thread_local! {
        /// The directories the guest was given, and its names for them.
        static DIRECTORIES: Vec<(Descriptor, String)> = get_directories();
    }

    impl Medium {
        /// Opens.
        pub fn open(path: &Path, access: Access) -> io::Result<Medium> {
            let path = path.to_str().map(relative).ok_or(ErrorKind::InvalidInput)?;
            let (open, flags) = match access {
                Access::Read => (OpenFlags::empty(), DescriptorFlags::READ),
                Access::Write => (OpenFlags::empty(), DescriptorFlags::READ | DescriptorFlags::WRITE),
                Access::Create => (OpenFlags::CREATE, DescriptorFlags::READ | DescriptorFlags::WRITE),
                Access::CreateNew => {
                    (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::READ | DescriptorFlags::WRITE)
                }
            };
            DIRECTORIES.with(|directories| {
                let inside = |(directory, name)| Some((directory, below(path, relative(name))?));
                let found = directories.iter().map(|(directory, name)| (directory, name.as_str())).filter_map(inside);
                // Nested directories: the innermost has the path.
                let (directory, rest) = found.min_by_key(|(_, rest)| rest.len()).ok_or(ErrorKind::NotFound)?;
                directory.open_at(PathFlags::SYMLINK_FOLLOW, rest, open, flags).map(Medium).map_err(failed)
            })
        }

        /// Bytes of the file.
        pub fn size(&self) -> io::Result<u64> {
            self.0.stat().map(|stat| stat.size).map_err(failed)
        }

        /// Cuts or lengthens the file.
        pub fn set_size(&self, size: u64) -> io::Result<()> {
            self.0.set_size(size).map_err(failed)
        }

        /// What was written is durable, and the size with it (`sync-data`, fdatasync).
        pub fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data().map_err(failed)
        }

        pub(super) fn read_some(&self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
            let (bytes, _) = self.0.read(room.len() as u64, offset).map_err(failed)?;
            let room = room.get_mut(..bytes.len()).ok_or(ErrorKind::InvalidData)?;
            room.copy_from_slice(&bytes);
            Ok(bytes.len())
        }

        pub(super) fn write_some(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes, offset).map(|count| count as usize).map_err(failed)
        }
    }

    impl fmt::Debug for Medium {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Medium")
        }
    }

    /// A path without what means "here" at its beginning: as libc does it, `/data`, `data` and `./data` are one.
    fn relative(mut path: &str) -> &str {
        while let Some(rest) = path.strip_prefix('/').or_else(|| path.strip_prefix("./")) {
            path = rest;
        }
        if path == "." { "" } else { path }
    }

    /// What is left of `path` in `directory`.
    fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
        let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
        let inside = directory.is_empty() || rest.starts_with('/');
        let rest = rest.trim_start_matches('/');
        (inside && !rest.is_empty()).then_some(rest)
    }

    fn failed(code: ErrorCode) -> io::Error {
        let kind = match code {
            ErrorCode::Exist => ErrorKind::AlreadyExists,
            ErrorCode::NoEntry => ErrorKind::NotFound,
            ErrorCode::Access | ErrorCode::NotPermitted => ErrorKind::PermissionDenied,
            ErrorCode::ReadOnly => ErrorKind::ReadOnlyFilesystem,
            ErrorCode::InsufficientSpace => ErrorKind::StorageFull,
            ErrorCode::Quota => ErrorKind::QuotaExceeded,
            ErrorCode::FileTooLarge => ErrorKind::FileTooLarge,
            ErrorCode::Interrupted => ErrorKind::Interrupted,
            ErrorCode::IsDirectory => ErrorKind::IsADirectory,
            ErrorCode::NotDirectory => ErrorKind::NotADirectory,
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, code.message())
    }
}
