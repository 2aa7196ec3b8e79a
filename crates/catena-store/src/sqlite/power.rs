//! A machine that loses power whenever its engine is killed, for the chaos test. Kill -9 alone loses nothing that
//! was written: the kernel keeps it. Here what is written to the log stays in this process's memory until it is
//! synced, so that with the process goes all that a power cut would take.
//!
//! `CATENA_TEST_POWER_LOSS=<milliseconds>` puts this layer under every connection of the process; each sync then
//! takes that much longer, which gives the moments around a commit the length that they have on a slow disk.
//!
//! Only the log is held back. Other processes read the same files, and SQLite publishes a commit after its sync,
//! so that they miss nothing; the database file they may read before its sync, in the course of a checkpoint.

#![expect(unsafe_code, reason = "SQLite takes a file system as tables of C functions, and in no other way")]

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, Weak},
    time::Duration,
};

use rusqlite::ffi::{
    SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_WRITE, SQLITE_OK, SQLITE_OPEN_WAL, sqlite3_file,
    sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};

const ASKED: &str = "CATENA_TEST_POWER_LOSS";
const BLOCK: usize = 4_096;
/// Where the real file lies in the memory of ours, aligned for anything.
const REAL_OFFSET: usize = size_of::<LogFile>().next_multiple_of(16);

static SYNC_TAKES: OnceLock<Duration> = OnceLock::new();

/// Puts the layer under the connections that are opened from here on, if the environment asks for it.
pub(super) fn install_if_asked() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if let Some(ms) = std::env::var(ASKED).ok().and_then(|text| text.parse().ok()) {
            SYNC_TAKES.get_or_init(|| Duration::from_millis(ms));
            install();
        }
    });
}

fn install() {
    // SAFETY: a null name asks for the default, which is there for as long as the process. The copy that is
    // registered is leaked, so it is there as long, too. Its functions other than `xOpen` are the default's own,
    // which do not look at the table that they are called through.
    let registered = unsafe {
        let base = sqlite3_vfs_find(ptr::null());
        let layer = Box::leak(Box::new(*base));
        layer.zName = c"catena-power".as_ptr();
        layer.pNext = ptr::null_mut();
        layer.szOsFile += c_int::try_from(REAL_OFFSET).expect("a few bytes");
        layer.pAppData = base.cast();
        layer.xOpen = Some(open);
        sqlite3_vfs_register(layer, 1)
    };
    assert_eq!(registered, SQLITE_OK, "SQLite refuses the layer");
}

/// What was written and not synced, in whole blocks.
#[derive(Default)]
struct Unsynced {
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
    /// Behind the last byte that was written.
    end: u64,
}

/// All connections of the process see what one of them has written.
type Shared = Arc<Mutex<Unsynced>>;

/// An open log; the real file follows it in memory.
#[repr(C)]
struct LogFile {
    base: sqlite3_file,
    unsynced: Shared,
}

/// The open logs by path.
type Files = HashMap<Vec<u8>, Weak<Mutex<Unsynced>>>;

fn shared(path: &CStr) -> Shared {
    static FILES: Mutex<Option<Files>> = Mutex::new(None);
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = files.get_or_insert_default().entry(path.to_bytes().to_vec()).or_default();
    entry.upgrade().unwrap_or_else(|| {
        let new = Shared::default();
        *entry = Arc::downgrade(&new);
        new
    })
}

/// The functions of the real file below a log.
struct Real(*mut sqlite3_file);

impl Real {
    /// SAFETY: `file` is a log that `open` has opened and `close` has not closed.
    unsafe fn of(file: *mut sqlite3_file) -> Self {
        // SAFETY: SQLite gave `szOsFile` bytes, in which the real file lies behind ours.
        Self(unsafe { file.byte_add(REAL_OFFSET) })
    }

    fn methods(&self) -> &sqlite3_io_methods {
        // SAFETY: the real file is open, so it has its table, which is never freed.
        unsafe { &*(*self.0).pMethods }
    }

    fn size(&self) -> u64 {
        let mut size = 0;
        // SAFETY: as in `methods`; the call fills in `size`.
        let code = unsafe { (self.methods().xFileSize.expect("every file has it"))(self.0, &mut size) };
        if code == SQLITE_OK { u64::try_from(size).unwrap_or(0) } else { 0 }
    }

    fn read(&self, into: &mut [u8], at: u64) -> c_int {
        let (Ok(length), Ok(at)) = (c_int::try_from(into.len()), i64::try_from(at)) else {
            return SQLITE_IOERR_SHORT_READ;
        };
        let read = self.methods().xRead.expect("every file has it");
        // SAFETY: `into` has `length` bytes.
        unsafe { read(self.0, into.as_mut_ptr().cast(), length, at) }
    }

    fn write(&self, from: &[u8], at: u64) -> c_int {
        let (Ok(length), Ok(at)) = (c_int::try_from(from.len()), i64::try_from(at)) else {
            return SQLITE_IOERR_WRITE;
        };
        let write = self.methods().xWrite.expect("every file has it");
        // SAFETY: `from` has `length` bytes.
        unsafe { write(self.0, from.as_ptr().cast(), length, at) }
    }
}

impl Unsynced {
    fn size(&self, real: &Real) -> u64 {
        real.size().max(self.end)
    }

    fn read(&self, real: &Real, into: &mut [u8], at: u64) -> c_int {
        let code = real.read(into, at);
        if self.blocks.is_empty() || !matches!(code, SQLITE_OK | SQLITE_IOERR_SHORT_READ) {
            return code;
        }
        for piece in pieces(at, into.len()) {
            if let Some(block) = self.blocks.get(&piece.block) {
                into[piece.of_request()].copy_from_slice(&block[piece.of_block()]);
            }
        }
        if at + into.len() as u64 <= self.size(real) { SQLITE_OK } else { SQLITE_IOERR_SHORT_READ }
    }

    fn write(&mut self, real: &Real, from: &[u8], at: u64) {
        for piece in pieces(at, from.len()) {
            let block = self.blocks.entry(piece.block).or_insert_with(|| {
                let mut block = Box::new([0; BLOCK]);
                // What is not there yet reads as zeros.
                real.read(&mut block[..], piece.block * BLOCK as u64);
                block
            });
            block[piece.of_block()].copy_from_slice(&from[piece.of_request()]);
        }
        self.end = self.end.max(at + from.len() as u64);
    }

    fn flush(&mut self, real: &Real) -> c_int {
        let end = self.size(real);
        while let Some((number, block)) = self.blocks.pop_first() {
            let start = number * BLOCK as u64;
            let length = usize::try_from(end.saturating_sub(start)).unwrap_or(BLOCK).min(BLOCK);
            let code = real.write(&block[..length], start);
            if code != SQLITE_OK {
                self.blocks.insert(number, block);
                return code;
            }
        }
        self.end = 0;
        SQLITE_OK
    }

    fn truncate(&mut self, size: u64) {
        self.blocks.retain(|number, _| number * (BLOCK as u64) < size);
        if let Some((number, mut last)) = self.blocks.pop_last() {
            let kept = usize::try_from(size - number * BLOCK as u64).unwrap_or(BLOCK).min(BLOCK);
            last[kept..].fill(0);
            self.blocks.insert(number, last);
        }
        self.end = self.end.min(size);
    }
}

/// The part of a request that lies in one block.
struct Piece {
    block: u64,
    in_block: usize,
    in_request: usize,
    length: usize,
}

impl Piece {
    fn of_block(&self) -> std::ops::Range<usize> {
        self.in_block..self.in_block + self.length
    }

    fn of_request(&self) -> std::ops::Range<usize> {
        self.in_request..self.in_request + self.length
    }
}

fn pieces(at: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = at + done as u64;
        let in_block = (position % BLOCK as u64) as usize;
        let piece = Piece {
            block: position / BLOCK as u64,
            in_block,
            in_request: done,
            length: (BLOCK - in_block).min(length - done),
        };
        done += piece.length;
        (piece.length > 0).then_some(piece)
    })
}

/// SAFETY: `file` is a log that `open` has opened and `close` has not closed.
unsafe fn unsynced<'a>(file: *mut sqlite3_file) -> MutexGuard<'a, Unsynced> {
    // SAFETY: then it begins with a `LogFile`, which stays until `close`.
    let log = unsafe { &*file.cast::<LogFile>() };
    log.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn open(
    layer: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with the table that `install` registered, and with `szOsFile` bytes at `file`. Where
    // the real file did not open, a null table of methods tells SQLite that there is nothing to close.
    unsafe {
        let base = (*layer).pAppData.cast::<sqlite3_vfs>();
        let open_real = (*base).xOpen.expect("every file system has it");
        if flags & SQLITE_OPEN_WAL == 0 || name.is_null() {
            return open_real(base, name, file, flags, out_flags);
        }
        let code = open_real(base, name, Real::of(file).0, flags, out_flags);
        if code == SQLITE_OK {
            let unsynced = shared(CStr::from_ptr(name));
            file.cast::<LogFile>().write(LogFile { base: sqlite3_file { pMethods: &METHODS }, unsynced });
        } else {
            (*file).pMethods = ptr::null();
        }
        code
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    // The index of the log belongs to the database file.
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// A process that ends in order leaves what it wrote to the kernel.
unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the methods are called on what `open` opened, and nothing is called after this one.
    unsafe {
        let real = Real::of(file);
        let log = file.cast::<LogFile>().read();
        if Arc::strong_count(&log.unsynced) == 1 {
            log.unsynced.lock().unwrap_or_else(PoisonError::into_inner).flush(&real);
        }
        (real.methods().xClose.expect("every file has it"))(real.0)
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: as in `close`; SQLite gives `length` bytes at `into`.
    unsafe {
        let into = std::slice::from_raw_parts_mut(into.cast::<u8>(), length.unsigned_abs() as usize);
        unsynced(file).read(&Real::of(file), into, at.unsigned_abs())
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: as in `close`; SQLite gives `length` bytes at `from`.
    unsafe {
        let from = std::slice::from_raw_parts(from.cast::<u8>(), length.unsigned_abs() as usize);
        unsynced(file).write(&Real::of(file), from, at.unsigned_abs());
    }
    SQLITE_OK
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        unsynced(file).truncate(size.unsigned_abs());
        if real.size() <= size.unsigned_abs() {
            return SQLITE_OK;
        }
        (real.methods().xTruncate.expect("every file has it"))(real.0, size)
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    std::thread::sleep(SYNC_TAKES.get().copied().unwrap_or_default());
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        match unsynced(file).flush(&real) {
            SQLITE_OK => (real.methods().xSync.expect("every file has it"))(real.0, flags),
            code => code,
        }
    }
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: as in `close`; SQLite gives a place for the size.
    unsafe { *size = i64::try_from(unsynced(file).size(&Real::of(file))).unwrap_or(i64::MAX) };
    SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xLock.expect("every file has it"))(real.0, level)
    }
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xUnlock.expect("every file has it"))(real.0, level)
    }
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, result: *mut c_int) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xCheckReservedLock.expect("every file has it"))(real.0, result)
    }
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xFileControl.expect("every file has it"))(real.0, operation, argument)
    }
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xSectorSize.expect("every file has it"))(real.0)
    }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as in `close`.
    unsafe {
        let real = Real::of(file);
        (real.methods().xDeviceCharacteristics.expect("every file has it"))(real.0)
    }
}
