//! What the helper must not forget when it dies: an append-only file of JSON lines beside the socket. Nothing is
//! synced: what survives a power cut describes processes that did not.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::child::StartTicks;
use super::error::Error;
use super::folder::Folder;
use super::protocol::{Ended, Exit, Output, Report, Token, line};

const FILE: &str = "helper.records";
/// Raised when a line changes its meaning; records of another version are not read.
const FORMAT: u32 = 1;
/// A smaller file is not worth writing anew.
const COMPACT_MIN: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Header {
    format: u32,
    pub(super) boot_id: String,
    /// The session of the helper that writes.
    pub(super) session: i32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Intent { token: Token },
    Started { token: Token, pid: i32, started: StartTicks, at_us: i64 },
    Ended(Report),
    Acked { token: Token },
}

/// How far an attempt without an end has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    Intended,
    Started { pid: i32, started: StartTicks, at_us: i64 },
}

impl Unfinished {
    pub(super) fn to_record(&self, token: Token) -> Record {
        match *self {
            Self::Intended => Record::Intent { token },
            Self::Started { pid, started, at_us } => Record::Started { token, pid, started, at_us },
        }
    }

    /// The end of an attempt whose helper died, once its processes are dead.
    pub(super) fn lost(&self, token: Token, now: Timestamp) -> Report {
        let (pid, started_at_us) = match *self {
            Self::Intended => (None, now.as_microsecond()),
            Self::Started { pid, at_us, .. } => (Some(pid), at_us),
        };
        Report::Ended(Ended {
            token,
            exit: Exit::Lost,
            pid,
            started_at_us,
            ended_at_us: now.as_microsecond(),
            stdout: Vec::new(),
            stdout_dropped: 0,
            output: Output::Absent,
        })
    }
}

/// What the records of an earlier helper hold.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) session: i32,
    pub(super) unfinished: BTreeMap<Token, Unfinished>,
    pub(super) ended: BTreeMap<Token, Report>,
}

pub(super) struct Records {
    file: File,
    path: PathBuf,
    new_path: PathBuf,
    header: Header,
    bytes: u64,
    compact_at: u64,
    /// Lines that go with the next append.
    deferred: Vec<u8>,
    /// The last append failed and may have left part of a line.
    torn: bool,
}

impl Header {
    pub(super) fn new(boot_id: String, session: i32) -> Self {
        Self { format: FORMAT, boot_id, session }
    }
}

impl Remembered {
    /// Reads what an earlier helper of this boot left; of an earlier boot nothing counts.
    pub(super) fn read(folder: &Folder, boot_id: &str) -> Result<Self, Error> {
        match fs::read(folder.path(FILE)) {
            Ok(text) => Ok(Self::parse(&text, boot_id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("read the records")(error)),
        }
    }

    /// The last line may be torn: its writer died, and then what it meant to say had no effect yet.
    fn parse(text: &[u8], boot_id: &str) -> Self {
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(line).ok());
        let Some(header) = header.filter(|header| header.format == FORMAT && header.boot_id == boot_id)
        else {
            return Self::default();
        };
        let mut remembered = Self { session: header.session, ..Self::default() };
        for record in lines.filter_map(|line| serde_json::from_slice(line).ok()) {
            remembered.fold(record);
        }
        remembered
    }

    fn fold(&mut self, record: Record) {
        match record {
            Record::Intent { token } => {
                self.unfinished.insert(token, Unfinished::Intended);
            }
            Record::Started { token, pid, started, at_us } => {
                self.unfinished.insert(token, Unfinished::Started { pid, started, at_us });
            }
            Record::Ended(report) => {
                self.unfinished.remove(report.token());
                self.ended.insert(report.token().clone(), report);
            }
            Record::Acked { token } => {
                self.ended.remove(&token);
            }
        }
    }
}

impl Records {
    /// Replaces the file by one that holds `records` alone.
    pub(super) fn create(folder: &Folder, header: Header, records: &[Record]) -> Result<Self, Error> {
        let (path, new_path) = (folder.path(FILE), folder.path("helper.records.new"));
        let (file, bytes) =
            write_new(&path, &new_path, &header, records).map_err(Error::io("write the records"))?;
        Ok(Self {
            file,
            path,
            new_path,
            header,
            bytes,
            compact_at: compact_at(bytes),
            deferred: Vec::new(),
            torn: false,
        })
    }

    /// Writes `record`, and before it what was deferred. On an error neither is kept.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        self.defer(record);
        self.write_deferred()
    }

    /// Takes a record that may as well be lost.
    pub(super) fn defer(&mut self, record: &Record) {
        self.deferred.extend(line(record));
    }

    pub(super) fn write_deferred(&mut self) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.deferred);
        if lines.is_empty() {
            return Ok(());
        }
        if self.torn {
            lines.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&lines)?;
        self.torn = false;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    pub(super) fn wants_compacting(&self) -> bool {
        self.bytes > self.compact_at
    }

    /// As `create`, under way. On an error the old file stays in use.
    pub(super) fn compact(&mut self, records: &[Record]) -> io::Result<()> {
        let (file, bytes) = write_new(&self.path, &self.new_path, &self.header, records)?;
        (self.file, self.bytes, self.compact_at, self.torn) = (file, bytes, compact_at(bytes), false);
        self.deferred.clear();
        Ok(())
    }
}

/// Twice what is needed: then all rewriting costs no more than the appending did.
fn compact_at(bytes: u64) -> u64 {
    COMPACT_MIN.max(2 * bytes)
}

fn write_new(path: &PathBuf, new: &PathBuf, header: &Header, records: &[Record]) -> io::Result<(File, u64)> {
    let mut text = line(header);
    records.iter().for_each(|record| text.extend(line(record)));
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(&text)?;
    fs::rename(new, path)?;
    Ok((file, text.len() as u64))
}
