//! `file`: a script whose stored bytes run, whatever has become of the file.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use catena_core::{
    Failure,
    chain::{FileStep, Interpreter},
};

use crate::{
    Places,
    prepare::{Invocation, cannot_start},
    process_runner::Files,
};

pub(crate) fn invocation(file: &FileStep, places: &Places, files: &dyn Files) -> Result<Invocation, Failure> {
    let name = Path::new(&file.path).file_name().unwrap_or_else(|| "step".as_ref());
    let stored = Stored { digest: &file.digest, name };
    let read = || files.read(&file.digest).map_err(io::Error::other);
    let copy = put(&places.files(), &stored, read)
        .map_err(|error| cannot_start(format!("cannot make the stored copy of {}: {error}", file.path)))?;
    let Interpreter(words) = &file.interpreter;
    let mut words = words.iter().cloned().chain([copy.display().to_string()]);
    let program = words.next().expect("the copy itself is a word");
    Ok(Invocation { program, args: words.collect() })
}

/// A content by what tells it from all others, and the name that it has on disk.
pub(crate) struct Stored<'a> {
    pub(crate) digest: &'a str,
    pub(crate) name: &'a OsStr,
}

/// Where the bytes stand; written once per content, whole or not at all.
pub(crate) fn put(
    folder: &Path,
    stored: &Stored<'_>,
    bytes: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<PathBuf> {
    static PARTIAL: AtomicU64 = AtomicU64::new(0);
    let folder = folder.join(stored.digest);
    let path = folder.join(stored.name);
    if path.exists() {
        return Ok(path);
    }
    let bytes = bytes()?;
    std::fs::create_dir_all(&folder)?;
    // Two threads may put the same at the same time.
    let number = PARTIAL.fetch_add(1, Ordering::Relaxed);
    let partial = folder.join(format!(".{}-{number}.partial", std::process::id()));
    let mut copy = std::fs::File::create(&partial)?;
    copy.write_all(&bytes)?;
    // The name must not be there before the bytes are: after power loss it would be trusted.
    copy.sync_all()?;
    std::fs::rename(&partial, &path)?;
    Ok(path)
}
