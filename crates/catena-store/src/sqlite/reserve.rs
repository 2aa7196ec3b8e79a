//! Space that is kept free for what must be written although the disk is full: a file beside the store, let go of
//! when it is needed and taken again when there is room.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, StatVfs, fallocate, statvfs};

/// Some ten commits of a cancel.
const RESERVE_BYTES: u64 = 512 * 1024;
/// What has to be free besides, before the reserve is taken: it must not be what fills the disk.
const FREE_MIN_BYTES: u64 = 4 * RESERVE_BYTES;
/// Less than this is no room to go on with.
const ROOM_MIN_BYTES: u64 = 128 * 1024;

pub struct Reserve {
    path: PathBuf,
    folder: PathBuf,
}

impl Reserve {
    /// The reserve of the store at this path.
    pub fn of(store: &Path) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push(".reserve");
        let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self { path: path.into(), folder: folder.unwrap_or(Path::new(".")).to_owned() }
    }

    /// Takes the space, where there is plenty. Without it a cancel on a full disk waits for space.
    pub fn hold(&self) {
        let is_plenty = self.free().is_some_and(|free| free >= FREE_MIN_BYTES);
        if !self.is_held() && is_plenty && self.take().is_err() {
            self.release();
        }
    }

    /// Gives the space back to the disk.
    pub fn release(&self) {
        // What cannot be removed was not there, or gives no space.
        drop(std::fs::remove_file(&self.path));
    }

    /// Whether there is room to go on with: the reserve is whole again, and something is free besides. Where the disk
    /// is too small for a reserve, there is none.
    pub fn is_room(&self) -> bool {
        self.hold();
        let Some(fs) = self.statvfs() else { return true };
        let is_small = fs.f_blocks.saturating_mul(fs.f_frsize) < 4 * FREE_MIN_BYTES;
        let free = fs.f_bavail.saturating_mul(fs.f_frsize);
        (self.is_held() || is_small) && free >= ROOM_MIN_BYTES
    }

    fn is_held(&self) -> bool {
        // Blocks of 512 bytes, whatever the file system's own are.
        std::fs::metadata(&self.path).is_ok_and(|file| file.blocks() * 512 >= RESERVE_BYTES)
    }

    fn take(&self) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
            Err(rustix::io::Errno::OPNOTSUPP) => fill(&mut file),
            other => other.map_err(io::Error::from),
        }
    }

    fn free(&self) -> Option<u64> {
        self.statvfs().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize))
    }

    fn statvfs(&self) -> Option<StatVfs> {
        statvfs(&self.folder).ok()
    }
}

fn fill(file: &mut File) -> io::Result<()> {
    let block = [0; 4096];
    for _ in 0..RESERVE_BYTES / block.len() as u64 {
        file.write_all(&block)?;
    }
    file.sync_data()
}
