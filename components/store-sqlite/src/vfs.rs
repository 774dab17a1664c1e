//! A thin layer between SQLite and its own unix file layer ("VFS"): it asks the lease before every lock,
//! write, truncation, sync and deletion, and counts writes and syncs. Everything else is passed through. For a database
//! that is opened read-only it refuses all of these, whatever SQLite thinks.
//!
//! The only module with `unsafe`, behind functions that are safe: SQLite's file layers are tables of C functions. One
//! layer is registered per connection and lives as long as it, so nothing here is global.
//!
//! Invariants the `unsafe` blocks rely on:
//! 1. `Layer` and the `sqlite3_vfs` that points to it are boxed, and freed only when [`Registered`] is
//!    dropped, which is after its connection is closed; no file outlives its connection.
//! 2. Memory for a file has `szOsFile` bytes, which is [`FILE_SIZE`] and the base layer's size: the base
//!    layer's file stands behind ours.
//! 3. The version of both tables is at most 2 and 1: SQLite calls nothing that is not filled in, in particular
//!    no shared memory. A write-ahead log is therefore possible only with `locking_mode=EXCLUSIVE`.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};

use crate::lease::{Kept, Lease, LeaseTimes};

/// How the files of one connection are locked.
#[derive(Clone, Copy, Debug)]
pub struct Locks {
    /// With the operating system's locks; there are none under WASI.
    pub system: bool,
    /// With lease files.
    pub lease: Option<(Kept, LeaseTimes)>,
}

/// What a database that is only read consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The file alone: SQLite is shown no write-ahead log, and no header that says there is one.
    Alone,
    /// The file and its write-ahead log, which is opened for reading. With `locking_mode=EXCLUSIVE`, which takes no
    /// more than the shared lock here, SQLite keeps its index of the log in memory.
    WithLog,
}

const FILE_SIZE: usize = size_of::<File>();

/// Bytes of a database's header (sqlite.org/fileformat2.html section 1.3).
pub const HEADER: usize = 100;
/// Where in it stands how the file is written and read: 1 with a rollback journal, 2 with a write-ahead log.
const VERSIONS: std::ops::Range<i64> = 18..20;

/// A layer that SQLite knows, until it is dropped.
#[derive(Debug)]
pub struct Registered {
    vfs: *mut ffi::sqlite3_vfs,
    name: CString,
}

// SAFETY: the pointer is to a box that only this value frees; what it leads to is a mutex and atomics.
unsafe impl Send for Registered {}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: the boxes of `new`, freed once; nothing uses them after unregistering (invariant 1).
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            let vfs = Box::from_raw(self.vfs);
            drop(Box::from_raw(vfs.pAppData.cast::<Layer>()));
        }
    }
}

/// What one connection's files share.
pub struct Layer {
    base: *mut ffi::sqlite3_vfs,
    leased: Option<(Kept, LeaseTimes)>,
    reading: Option<Reading>,
    /// Set when the database file is opened, by the name SQLite resolved.
    lease: Mutex<Option<Lease>>,
    writes: AtomicU64,
    syncs: AtomicU64,
}

impl Layer {
    /// As given to [`Registered::new`].
    pub fn reading(&self) -> Option<Reading> {
        self.reading
    }

    /// The lease on the database, once it is open and if it is locked with one.
    pub fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and syncs so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.writes.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }

    /// Whether a file may be changed now.
    fn may_write(&self) -> bool {
        self.reading.is_none() && self.lease().as_mut().is_none_or(|lease| lease.check().is_ok())
    }
}

/// What SQLite sees as a file; the base layer's file follows it in memory (invariant 2). SQLite gives memory
/// aligned to 8 bytes, and so does the size of this the file behind it.
#[repr(C, align(8))]
struct File {
    base: ffi::sqlite3_file,
    layer: *const Layer,
    /// The database itself, which alone is locked.
    is_database: bool,
    lock: c_int,
}

impl Registered {
    /// A layer of its own for one connection, which is to be closed before this is dropped. `reading`: nothing is
    /// written, and this is read.
    pub fn new(locks: Locks, reading: Option<Reading>) -> rusqlite::Result<Registered> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = CString::new(format!("secure-log-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        // SAFETY: a constant string; SQLite's own layers are never unregistered.
        let base = unsafe { ffi::sqlite3_vfs_find(if locks.system { c"unix" } else { c"unix-none" }.as_ptr()) };
        if base.is_null() {
            return Err(failed(ffi::SQLITE_NOTFOUND));
        }
        // SAFETY: not null, and valid for ever.
        let (size, longest) = unsafe { ((*base).szOsFile, (*base).mxPathname) };
        let layer = Box::into_raw(Box::new(Layer {
            base,
            leased: locks.lease,
            reading,
            lease: Mutex::new(None),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        }));
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: FILE_SIZE as c_int + size,
            mxPathname: longest,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: layer.cast(),
            xOpen: Some(vfs_open),
            xDelete: Some(vfs_delete),
            xAccess: Some(vfs_access),
            xFullPathname: Some(vfs_full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(vfs_randomness),
            xSleep: Some(vfs_sleep),
            xCurrentTime: Some(vfs_current_time),
            xGetLastError: Some(vfs_last_error),
            xCurrentTimeInt64: Some(vfs_current_time_64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: a complete table that lives until it is unregistered (invariants 1 and 3).
        match unsafe { ffi::sqlite3_vfs_register(vfs, 0) } {
            ffi::SQLITE_OK => Ok(Registered { vfs, name }),
            code => {
                // SAFETY: the boxes made above, which SQLite did not take.
                unsafe {
                    drop(Box::from_raw(vfs));
                    drop(Box::from_raw(layer));
                }
                Err(failed(code))
            }
        }
    }

    /// By which a connection is opened on it.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// What the files of its connection share.
    pub fn layer(&self) -> &Layer {
        // SAFETY: the box of `new`, which is freed when `self` is dropped.
        unsafe { layer(self.vfs) }
    }
}

/// The first bytes of the file of `connection` as they are now, read past SQLite's cache; zeros behind its end.
pub fn header(connection: &Connection) -> rusqlite::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the operation puts a pointer where its argument leads.
    unsafe { control(connection, ffi::SQLITE_FCNTL_FILE_POINTER, (&raw mut file).cast()) }?;
    // SAFETY: SQLite gave its main file, which is open as long as the connection; only ours have our methods
    // (invariant 2). The room has `HEADER` bytes.
    let code = unsafe {
        match file.as_ref().is_some_and(|file| ptr::eq(file.pMethods, &METHODS)) {
            true => file_read(file, header.as_mut_ptr().cast(), HEADER as c_int, 0),
            false => ffi::SQLITE_MISUSE,
        }
    };
    match code {
        ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ => Ok(header),
        code => Err(failed(code)),
    }
}

/// Empties SQLite's page cache. Nothing is being read.
pub fn forget_pages(connection: &Connection) -> rusqlite::Result<()> {
    // SAFETY: the operation takes no argument.
    unsafe { control(connection, ffi::SQLITE_FCNTL_RESET_CACHE, ptr::null_mut()) }
}

/// # Safety
/// `argument` is as the operation wants it.
unsafe fn control(connection: &Connection, operation: c_int, argument: *mut c_void) -> rusqlite::Result<()> {
    // SAFETY: an open connection, a constant string, and the caller's promise.
    let code = unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, argument) };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(failed(code)) }
}

fn failed(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(file_close),
    xRead: Some(file_read),
    xWrite: Some(file_write),
    xTruncate: Some(file_truncate),
    xSync: Some(file_sync),
    xFileSize: Some(file_size),
    xLock: Some(file_lock),
    xUnlock: Some(file_unlock),
    xCheckReservedLock: Some(file_check_reserved),
    xFileControl: Some(file_control),
    xSectorSize: Some(file_sector_size),
    xDeviceCharacteristics: Some(file_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `vfs` is one of ours (invariant 1).
unsafe fn layer<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Layer {
    unsafe { &*(*vfs).pAppData.cast::<Layer>() }
}

/// # Safety
/// `file` is one of ours (invariant 2).
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(FILE_SIZE).cast() }
}

/// Calls a method of the base layer's file; one it lacks answers with an I/O error.
macro_rules! pass {
    ($file:ident . $method:ident ( $($argument:expr),* )) => {{
        let file = unsafe { inner($file) };
        match unsafe { (*(*file).pMethods).$method } {
            Some(method) => unsafe { method(file $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// Calls a method of the base layer, with the base layer as its receiver.
macro_rules! pass_vfs {
    ($vfs:ident . $method:ident ( $($argument:expr),* )) => {{
        let base = unsafe { layer($vfs) }.base;
        match unsafe { (*base).$method } {
            Some(method) => unsafe { method(base $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

// All functions below are called by SQLite alone, with our tables' own `vfs` and `file` pointers and
// otherwise valid arguments: that is the contract of sqlite3_vfs and sqlite3_io_methods.

unsafe extern "C" fn vfs_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    const { assert!(offset_of!(File, base) == 0) };
    let shared = unsafe { layer(vfs) };
    let is_database = flags & ffi::SQLITE_OPEN_MAIN_DB != 0;
    unsafe {
        ptr::write(
            file.cast::<File>(),
            File { base: ffi::sqlite3_file { pMethods: ptr::null() }, layer: shared, is_database, lock: 0 },
        );
        (*inner(file)).pMethods = ptr::null();
    }
    let base = shared.base;
    let code = match unsafe { (*base).xOpen } {
        Some(open) if shared.reading == Some(Reading::WithLog) && flags & ffi::SQLITE_OPEN_WAL != 0 => {
            let flags = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_READONLY;
            unsafe { open(base, name, inner(file), flags, out_flags) }
        }
        // Journals and temporary files are opened for writing.
        _ if shared.reading.is_some() && flags & ffi::SQLITE_OPEN_READONLY == 0 => ffi::SQLITE_CANTOPEN,
        Some(open) => unsafe { open(base, name, inner(file), flags, out_flags) },
        None => ffi::SQLITE_CANTOPEN,
    };
    if code != ffi::SQLITE_OK {
        if !unsafe { (*inner(file)).pMethods }.is_null() {
            pass!(file.xClose());
        }
        return code;
    }
    if let (true, Some((kept, times)), false) = (is_database, shared.leased, name.is_null()) {
        let path = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        *shared.lease() = Some(Lease::new(Path::new(&path), kept, times));
    }
    unsafe { (*file).pMethods = &METHODS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn vfs_delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    let shared = unsafe { layer(vfs) };
    if !shared.may_write() {
        return ffi::SQLITE_IOERR_DELETE;
    }
    shared.syncs.fetch_add(u64::from(sync_dir != 0), Ordering::Relaxed);
    pass_vfs!(vfs.xDelete(name, sync_dir))
}

unsafe extern "C" fn vfs_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let alone = unsafe { layer(vfs) }.reading == Some(Reading::Alone);
    if alone && !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes().ends_with(b"-wal") {
        unsafe { *out = 0 };
        return ffi::SQLITE_OK;
    }
    pass_vfs!(vfs.xAccess(name, flags, out))
}

unsafe extern "C" fn vfs_full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    pass_vfs!(vfs.xFullPathname(name, size, out))
}

unsafe extern "C" fn vfs_randomness(vfs: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) -> c_int {
    pass_vfs!(vfs.xRandomness(size, out))
}

unsafe extern "C" fn vfs_sleep(vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    pass_vfs!(vfs.xSleep(micros))
}

unsafe extern "C" fn vfs_current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    pass_vfs!(vfs.xCurrentTime(out))
}

unsafe extern "C" fn vfs_last_error(vfs: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) -> c_int {
    pass_vfs!(vfs.xGetLastError(size, out))
}

unsafe extern "C" fn vfs_current_time_64(vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    pass_vfs!(vfs.xCurrentTimeInt64(out))
}

/// # Safety
/// `file` is one of ours.
unsafe fn shared<'a>(file: *mut ffi::sqlite3_file) -> &'a Layer {
    unsafe { &*(*file.cast::<File>()).layer }
}

unsafe extern "C" fn file_close(file: *mut ffi::sqlite3_file) -> c_int {
    if unsafe { (*file.cast::<File>()).is_database }
        && let Some(lease) = unsafe { shared(file) }.lease().as_mut()
    {
        lease.release();
    }
    pass!(file.xClose())
}

unsafe extern "C" fn file_read(file: *mut ffi::sqlite3_file, out: *mut c_void, size: c_int, offset: i64) -> c_int {
    let code = pass!(file.xRead(out, size, offset));
    let (is_database, reading) = unsafe { ((*file.cast::<File>()).is_database, shared(file).reading) };
    let read = matches!(code, ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ);
    if is_database && read && reading == Some(Reading::Alone) {
        for at in VERSIONS.filter(|at| (offset..offset + i64::from(size)).contains(at)) {
            // SAFETY: within the `size` bytes of room.
            let byte = unsafe { &mut *out.cast::<u8>().add((at - offset) as usize) };
            if *byte == 2 {
                *byte = 1;
            }
        }
    }
    code
}

unsafe extern "C" fn file_write(file: *mut ffi::sqlite3_file, data: *const c_void, size: c_int, offset: i64) -> c_int {
    let shared = unsafe { shared(file) };
    if !shared.may_write() {
        return ffi::SQLITE_IOERR_WRITE;
    }
    shared.writes.fetch_add(1, Ordering::Relaxed);
    pass!(file.xWrite(data, size, offset))
}

unsafe extern "C" fn file_truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    if !unsafe { shared(file) }.may_write() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    pass!(file.xTruncate(size))
}

unsafe extern "C" fn file_sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let shared = unsafe { shared(file) };
    if !shared.may_write() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    shared.syncs.fetch_add(1, Ordering::Relaxed);
    pass!(file.xSync(flags))
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    pass!(file.xFileSize(out))
}

unsafe extern "C" fn file_lock(file: *mut ffi::sqlite3_file, lock: c_int) -> c_int {
    let ours = file.cast::<File>();
    let (before, is_database) = unsafe { ((*ours).lock, (*ours).is_database) };
    match (unsafe { shared(file) }.reading, lock) {
        // What SQLite asks for when it keeps the index of a log in memory: nobody needs to be kept from an index.
        (Some(Reading::WithLog), ffi::SQLITE_LOCK_EXCLUSIVE) => return ffi::SQLITE_OK,
        (Some(_), lock) if lock > ffi::SQLITE_LOCK_SHARED => return ffi::SQLITE_READONLY,
        _ => {}
    }
    let first = is_database && before == ffi::SQLITE_LOCK_NONE && lock > before;
    if first && let Some(lease) = unsafe { shared(file) }.lease().as_mut() {
        match lease.try_acquire() {
            Ok(true) => {}
            Ok(false) => return ffi::SQLITE_BUSY,
            Err(_) => return ffi::SQLITE_IOERR_LOCK,
        }
    }
    let code = pass!(file.xLock(lock));
    if code == ffi::SQLITE_OK {
        unsafe { (*ours).lock = before.max(lock) };
    } else if first && let Some(lease) = unsafe { shared(file) }.lease().as_mut() {
        lease.release();
    }
    code
}

unsafe extern "C" fn file_unlock(file: *mut ffi::sqlite3_file, lock: c_int) -> c_int {
    let ours = file.cast::<File>();
    let code = pass!(file.xUnlock(lock));
    let (before, is_database) = unsafe { ((*ours).lock, (*ours).is_database) };
    if is_database
        && lock == ffi::SQLITE_LOCK_NONE
        && before > lock
        && let Some(lease) = unsafe { shared(file) }.lease().as_mut()
    {
        lease.release();
    }
    unsafe { (*ours).lock = before.min(lock) };
    code
}

unsafe extern "C" fn file_check_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass!(file.xCheckReservedLock(out))
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    pass!(file.xFileControl(operation, argument))
}

unsafe extern "C" fn file_sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file.xSectorSize())
}

unsafe extern "C" fn file_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file.xDeviceCharacteristics())
}
