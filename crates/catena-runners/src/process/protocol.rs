//! What an engine and its helper say to each other: one JSON object per line, in both directions, and the same
//! form in the helper's records. Bytes and paths travel as base64: four characters for three bytes, against up
//! to four for one as an array of numbers, and one pass to encode.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of this language; a helper and an engine of different versions do not talk.
pub(super) const PROTOCOL: u32 = 2;

/// Names one attempt for as long as anybody remembers it; the engine chooses it, the helper only compares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process to start, or to attach to when its token is known.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub token: Token,
    /// A path, or a name looked up in the `PATH` the process will see.
    pub program: String,
    pub args: Vec<String>,
    /// Added to the base environment of the connection; a later pair wins.
    pub env: Vec<(String, String)>,
    #[serde(with = "base64_bytes")]
    pub cwd: PathBuf,
    /// None is an empty standard input.
    #[serde(with = "base64_option")]
    pub stdin: Option<Vec<u8>>,
    /// Counted from the start of the process.
    pub timeout_ms: Option<u64>,
    /// Between TERM and KILL, at a timeout and for what the process leaves behind.
    pub grace_ms: u64,
    /// The file for both streams; it and its folder are made when the first byte comes.
    #[serde(with = "base64_bytes")]
    pub log: PathBuf,
    /// The attempt's private folder, made with mode 0700 before the start.
    #[serde(with = "base64_bytes")]
    pub dir: PathBuf,
    /// Read once everything of the attempt is dead.
    #[serde(with = "base64_bytes")]
    pub output: PathBuf,
    /// Standard output of up to so many bytes is kept for the end; of a longer one nothing is.
    pub capture_max: u64,
    pub unknown: WhenUnknown,
    /// Texts that are masked in all that is kept of the attempt.
    pub hidden: Vec<String>,
}

/// What it is given may be secret.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").field("token", &self.token).finish_non_exhaustive()
    }
}

/// What a launch means to a helper that does not know its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnknown {
    Start,
    Report,
}

/// What the helper tells about an attempt. `Ended` and `CannotStart` are told again until acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    Ended(Ended),
    CannotStart(CannotStart),
    Unknown { token: Token },
}

impl Report {
    pub fn token(&self) -> &Token {
        match self {
            Self::Ended(ended) => &ended.token,
            Self::CannotStart(refused) => &refused.token,
            Self::Unknown { token } => token,
        }
    }
}

/// Nothing of the attempt is alive any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub token: Token,
    pub exit: Exit,
    /// None when the helper died before it knew.
    pub pid: Option<i32>,
    /// Microseconds since 1970, by the wall clock.
    pub started_at_us: i64,
    pub ended_at_us: i64,
    #[serde(with = "base64_bytes")]
    pub stdout: Vec<u8>,
    /// The length of a standard output longer than `capture_max`, of which nothing was kept.
    pub stdout_dropped: u64,
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
    Stopped,
    /// The helper that ran it died; its processes have been killed and seen dead.
    Lost,
}

/// The content of the attempt's output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    Absent,
    Bytes(#[serde(with = "base64_bytes")] Vec<u8>),
    TooLarge {
        bytes: u64,
    },
    /// There is something, but no file that can be read: a folder, a pipe, one without permission.
    Unreadable {
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannotStart {
    pub token: Token,
    pub reason: Reason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NotFound,
    PermissionDenied,
    WorkdirMissing,
    Other,
}

/// From the engine to the helper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Hello(EngineHello),
    Launch(Box<Launch>),
    Stop { token: Token, grace_ms: u64 },
    Ack(Token),
}

/// From the helper to the engine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Hello(HelperHello),
    Report(Report),
}

/// As `Answer::Report`, without a copy of the bytes in it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReportAnswer<'a> {
    Report(&'a Report),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EngineHello {
    pub(super) protocol: u32,
    /// Of the engine's right to the store: a later one has taken over from all before it.
    pub(super) lease: u64,
    /// Sent once; a launch names only what it adds.
    pub(super) environment: Vec<Variable>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HelperHello {
    pub(super) protocol: u32,
    pub(super) version: String,
    pub(super) boot_id: String,
    /// Differs for each process that has ever served the folder in this boot.
    pub(super) instance: String,
    /// The latest that an engine has come with.
    pub(super) lease: u64,
    /// Every attempt that runs or whose end is not acknowledged.
    pub(super) held: Vec<Token>,
}

/// An environment variable as the system has it: any bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Variable(
    #[serde(with = "base64_bytes")] pub(super) OsString,
    #[serde(with = "base64_bytes")] pub(super) OsString,
);

/// One line, with its end. JSON has no raw line feed inside.
pub(super) fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have only string keys");
    line.push(b'\n');
    line
}

trait Bytes {
    fn as_bytes(&self) -> &[u8];
    fn from_bytes(bytes: Vec<u8>) -> Self;
}

impl Bytes for Vec<u8> {
    fn as_bytes(&self) -> &[u8] {
        self
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes
    }
}

impl Bytes for OsString {
    fn as_bytes(&self) -> &[u8] {
        std::os::unix::ffi::OsStrExt::as_bytes(self.as_os_str())
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        std::os::unix::ffi::OsStringExt::from_vec(bytes)
    }
}

impl Bytes for PathBuf {
    fn as_bytes(&self) -> &[u8] {
        std::os::unix::ffi::OsStrExt::as_bytes(self.as_os_str())
    }
    fn from_bytes(bytes: Vec<u8>) -> Self {
        OsString::from_bytes(bytes).into()
    }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;

    use super::Bytes;

    pub(super) fn serialize<T: Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(value.as_bytes(), &STANDARD))
    }

    pub(super) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(T::from_bytes).map_err(D::Error::custom)
    }
}

mod base64_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Encoded(#[serde(with = "super::base64_bytes")] Vec<u8>);

    pub(super) fn serialize<S: Serializer>(value: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        value.clone().map(Encoded).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Encoded>::deserialize(from)?.map(|encoded| encoded.0))
    }
}
