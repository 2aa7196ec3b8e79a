//! One host per store: an advisory lock on a file beside it, which the kernel lets go when the host dies.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::Error;

/// The right to write to a store, held as long as the value lives.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

impl HostLock {
    /// Takes the lock of the store at `path`, or says which process holds it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock_path(path))?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error == rustix::io::Errno::WOULDBLOCK && !is_stolen() {
                return Err(Error::Locked { pid: holder(&mut file) });
            }
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(std::io::Error::from(error).into());
            }
        }
        note_holder(&mut file);
        Ok(Self { _file: file })
    }
}

/// For whoever finds it locked. On a full disk nobody can be told; the lock holds all the same.
fn note_holder(file: &mut File) {
    let pid = std::process::id().to_string();
    let noted = file.rewind().and_then(|()| file.write_all(pid.as_bytes()));
    drop(noted.and_then(|()| file.set_len(pid.len() as u64)));
}

/// The chaos test makes two hosts at once, to see that the lease keeps the first from writing.
fn is_stolen() -> bool {
    cfg!(feature = "faults") && std::env::var_os("CATENA_TEST_STEAL_LOCK").is_some()
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn holder(file: &mut File) -> u32 {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => text.trim().parse().unwrap_or(0),
        Err(_) => 0,
    }
}
