//! What a step wrote to `$CATENA_OUTPUT`: read once all of the attempt is dead, and left without secrets.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use catena_core::value::VALUE_MAX_BYTES;
use rustix::fs::OFlags;

use super::protocol::Output;
use crate::mask::Mask;

/// A value written by a step has at most this many bytes.
const OUTPUT_MAX: u64 = VALUE_MAX_BYTES as u64;

pub(super) fn read(path: &Path, mask: Option<&Mask>) -> Output {
    let output = match try_read(path) {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Output::Absent,
        Err(error) => Output::Unreadable { message: error.to_string() },
    };
    match mask {
        Some(mask) => masked(path, output, mask),
        None => output,
    }
}

/// The step may have put anything there: a device is not even opened, for some that has effects, and a pipe that
/// takes the place of a file in this moment must not block.
fn try_read(path: &Path) -> io::Result<Output> {
    if !fs::metadata(path)?.is_file() {
        return Ok(Output::Unreadable { message: "not a file".to_owned() });
    }
    let file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let length = file.metadata()?.len();
    if length > OUTPUT_MAX {
        return Ok(Output::TooLarge { bytes: length });
    }
    let mut bytes = Vec::new();
    file.take(OUTPUT_MAX + 1).read_to_end(&mut bytes)?;
    // Files of /proc have no length before they are read.
    if bytes.len() as u64 > OUTPUT_MAX {
        return Ok(Output::TooLarge { bytes: bytes.len() as u64 });
    }
    Ok(Output::Bytes(bytes))
}

/// The file stays as long as its execution is kept, so it is masked like the result. What cannot be looked through
/// gives no result and does not stay.
fn masked(path: &Path, output: Output, mask: &Mask) -> Output {
    match output {
        Output::Bytes(bytes) => {
            let masked = mask.bytes(&bytes);
            if masked != bytes && overwrite(path, &masked).is_err() {
                remove(path);
            }
            Output::Bytes(masked)
        }
        Output::TooLarge { .. } | Output::Unreadable { .. } => {
            remove(path);
            output
        }
        Output::Absent => output,
    }
}

/// In place, and nothing that a link leads to.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = OpenOptions::new().write(true).truncate(true).custom_flags(no_link).open(path)?;
    file.write_all(bytes)
}

fn remove(path: &Path) {
    // A folder stays: what a step makes of its private folder beyond this file is its own.
    drop(fs::remove_file(path));
}
