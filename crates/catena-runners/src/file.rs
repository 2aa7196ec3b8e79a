//! `file`: a script whose stored bytes run, whatever has become of the file.

use std::{
    io::Write,
    path::{Path, PathBuf},
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
    let copy = stored_copy(file, places, files)
        .map_err(|error| cannot_start(format!("cannot make the stored copy of {}: {error}", file.path)))?;
    let Interpreter(words) = &file.interpreter;
    let mut words = words.iter().cloned().chain([copy.display().to_string()]);
    let program = words.next().expect("the copy itself is a word");
    Ok(Invocation { program, args: words.collect() })
}

/// Where the bytes stand; written once per content, whole or not at all.
fn stored_copy(file: &FileStep, places: &Places, files: &dyn Files) -> std::io::Result<PathBuf> {
    let folder = places.files().join(&file.digest);
    let name = Path::new(&file.path).file_name().unwrap_or_else(|| "step".as_ref());
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    let bytes = files.read(&file.digest).map_err(std::io::Error::other)?;
    std::fs::create_dir_all(&folder)?;
    let partial = folder.join(format!(".{}.partial", std::process::id()));
    let mut copy = std::fs::File::create(&partial)?;
    copy.write_all(&bytes)?;
    // The name must not be there before the bytes are: after power loss it would be trusted.
    copy.sync_all()?;
    std::fs::rename(&partial, &path)?;
    Ok(path)
}
