//! The ends of log files: of a failed attempt its last lines, of running ones their newest line.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use catena_core::{AttemptNo, ExecutionId};
use catena_engine::Places;

use crate::commands::text_of_log_line;

/// Lines of a failed attempt's output that are shown.
const TAIL_LINES: usize = 10;
const TAIL_MAX_BYTES: u64 = 64 * 1024;
/// The newest line is looked for in so much of a log's end.
const NEWEST_MAX_BYTES: u64 = 4 * 1024;

/// Where the logs of a store are.
#[derive(Clone, Debug)]
pub(super) struct Logs(Places);

impl Logs {
    pub(super) fn new(places: Places) -> Self {
        Self(places)
    }

    /// The last lines of an attempt; none where it wrote nothing.
    pub(super) fn tail(&self, execution: ExecutionId, address: &str, attempt: AttemptNo) -> Vec<String> {
        let Ok((bytes, _)) = read_end(&self.0.log(execution, address, attempt), TAIL_MAX_BYTES) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
        last.map(|line| text_of_log_line(line).to_owned()).collect()
    }
}

/// The newest lines of attempts that run, read anew only where a log has grown.
pub(super) struct Newest {
    logs: Logs,
    seen: BTreeMap<PathBuf, (u64, String)>,
}

/// An attempt whose log is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) execution: ExecutionId,
    pub(super) address: String,
    pub(super) attempt: AttemptNo,
}

impl Newest {
    pub(super) fn new(logs: Logs) -> Self {
        Self { logs, seen: BTreeMap::new() }
    }

    /// The newest line of each; what is not asked for any more is forgotten.
    pub(super) fn read(&mut self, running: &[Running]) -> Vec<String> {
        let mut seen = BTreeMap::new();
        let mut lines = Vec::with_capacity(running.len());
        for Running { execution, address, attempt } in running {
            let path = self.logs.0.log(*execution, address, *attempt);
            let known = self.seen.remove(&path);
            let (length, line) = newest(&path, known);
            lines.push(line.clone());
            seen.insert(path, (length, line));
        }
        self.seen = seen;
        lines
    }
}

fn newest(path: &Path, known: Option<(u64, String)>) -> (u64, String) {
    let known = known.unwrap_or_default();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() != known.0 => {}
        Ok(_) | Err(_) => return known,
    }
    let Ok((bytes, length)) = read_end(path, NEWEST_MAX_BYTES) else { return known };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(text_of_log_line).map(overwritten).rfind(|line| !line.trim().is_empty());
    (length, line.unwrap_or_default().to_owned())
}

/// What a terminal would show of a line that begins anew again and again, as progress bars do.
fn overwritten(line: &str) -> &str {
    line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or(line)
}

/// The end of a file, and how long the file is.
fn read_end(path: &Path, max: u64) -> std::io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok((bytes, length))
}
