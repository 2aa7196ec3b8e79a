//! A folder with a socket, for the helper also with lock and records. Everything is reached through the open directory, so neither a
//! path longer than a socket address (107 bytes) nor a change of working directory matters.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

/// An open folder.
pub struct Folder {
    open: File,
}

/// Holding it is being the helper of a folder; the lock goes with the process.
pub(super) struct Lock {
    _file: File,
}

impl Folder {
    /// Opens the folder, made with mode 0700 where it is missing.
    pub fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let flags = (OFlags::PATH | OFlags::DIRECTORY).bits();
        let open = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(dir)?;
        Ok(Self { open })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path("helper.sock")
    }

    /// The way to a file in it, short enough for a socket address and good as long as the folder is open.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.open.as_raw_fd()))
    }

    /// None when another helper has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        let mut options = OpenOptions::new();
        let file =
            options.create(true).truncate(false).write(true).mode(0o600).open(self.path("helper.lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the folders of one machine apart for as long as it runs: two stores may use the same token.
    pub(super) fn identity(&self) -> io::Result<String> {
        let metadata = self.open.metadata()?;
        Ok(format!("{:x}-{:x}", metadata.dev(), metadata.ino()))
    }
}

/// The kernel's name for this boot: what ran under another one is dead.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}
