//! Standard output as it is kept for the end of an attempt: all of it or, when it is too long for a result, none. Little
//! in memory, more in a file without a name, so that what is thrown away in the end has cost no memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Longer output goes to a file.
const MEMORY_MAX: usize = 256 * 1024;

pub(super) struct Capture {
    max: u64,
    /// Bytes taken, kept or not.
    taken: u64,
    memory: Vec<u8>,
    /// Holds what came before `memory`.
    file: Option<File>,
    /// The name that the file has for a moment.
    name: PathBuf,
    /// The file could not be made or written: memory has to do.
    has_file: bool,
}

/// What became of standard output.
pub(super) struct Captured {
    pub(super) bytes: Vec<u8>,
    /// Its length where it was longer than what is kept.
    pub(super) dropped: u64,
}

impl Capture {
    /// Keeps up to `max` bytes. `name` is a path that nobody else uses, in a folder that is there when there is much.
    pub(super) fn new(max: u64, name: PathBuf) -> Self {
        Self { max, taken: 0, memory: Vec::new(), file: None, name, has_file: true }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.taken += bytes.len() as u64;
        if self.taken > self.max {
            (self.memory, self.file) = (Vec::new(), None);
            return;
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > MEMORY_MAX && self.has_file {
            self.has_file = self.spill().is_ok();
        }
    }

    pub(super) fn finish(mut self) -> Captured {
        if self.taken > self.max {
            return Captured { bytes: Vec::new(), dropped: self.taken };
        }
        match self.file.take().map(|file| read(&file, self.taken, &self.memory)) {
            None => Captured { bytes: self.memory, dropped: 0 },
            Some(Ok(bytes)) => Captured { bytes, dropped: 0 },
            // A file that cannot be read again: nothing is better than a part of it.
            Some(Err(_)) => Captured { bytes: Vec::new(), dropped: self.taken },
        }
    }

    /// Moves what is in memory behind what is in the file. Where that fails nothing of it counts.
    fn spill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(without_name(&self.name)?);
        }
        let file = self.file.as_mut().expect("made above");
        let end = file.stream_position()?;
        let written = file.write_all(&self.memory);
        if written.is_err() {
            file.seek(io::SeekFrom::Start(end))?;
        }
        written?;
        self.memory.clear();
        Ok(())
    }
}

fn without_name(name: &PathBuf) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(name)?;
    fs::remove_file(name)?;
    Ok(file)
}

fn read(file: &File, length: u64, tail: &[u8]) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let in_file = length - tail.len();
    file.read_exact_at(&mut bytes[..in_file], 0)?;
    bytes[in_file..].copy_from_slice(tail);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of pieces of this length, in a folder that is there or not.
    fn check(max: u64, pieces: usize, piece: usize, folder: &str) -> Captured {
        let home = tempfile::tempdir().unwrap();
        let mut capture = Capture::new(max, home.path().join(folder).join("out"));
        for number in 0..pieces {
            capture.take(&vec![u8::try_from(number % 251).unwrap(); piece]);
        }
        let names = fs::read_dir(home.path()).unwrap().count();
        assert_eq!(names, 0, "the file has no name");
        capture.finish()
    }

    #[test]
    fn all_or_nothing_is_kept_in_memory_or_in_a_file() {
        for folder in ["", "missing"] {
            for (pieces, piece) in [(0, 1), (3, 7), (100, 30_000), (1, MEMORY_MAX), (9, MEMORY_MAX + 1)] {
                let captured = check(1 << 30, pieces, piece, folder);
                assert_eq!((captured.bytes.len(), captured.dropped), (pieces * piece, 0));
                let is_right = |(at, byte): (usize, &u8)| usize::from(*byte) == at / piece % 251;
                assert!(captured.bytes.iter().enumerate().all(is_right), "{pieces} of {piece} in {folder}");
            }
            let captured = check(2_999_999, 100, 30_000, folder);
            assert_eq!((captured.bytes.len(), captured.dropped), (0, 3_000_000));
        }
    }
}
