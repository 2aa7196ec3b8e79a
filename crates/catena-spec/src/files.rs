//! Step files: how they come in, and what a version of the chain keeps of them.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Where step files come from. The caller decides what is read, this crate never does.
pub trait Files {
    /// The folder that relative paths of the definition start at: its own. None for a definition that lies nowhere.
    fn folder(&self) -> Option<&Path>;

    /// The bytes of a file. At most `limit + 1` of them are needed: a longer file is refused.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
}

/// For definitions that must not have files: nothing is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn folder(&self) -> Option<&Path> {
        None
    }

    fn read(&self, _path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A step file as it was when the definition was checked. These bytes run, whatever the file says later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFile {
    /// Absolute where the definition has a folder.
    pub path: String,
    /// SHA-256 in hex.
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl StepFile {
    pub(crate) fn new(path: String, bytes: Vec<u8>) -> StepFile {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        StepFile { path, digest, bytes }
    }
}
