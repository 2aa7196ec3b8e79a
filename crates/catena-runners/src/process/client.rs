//! The engine's side: reach the helper of a folder, start it where none runs, and hear what becomes of attempts.
//! Blocking, with one thread that reads; whoever reconnects sends its launches again.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::Error;
use super::folder::Folder;
use super::protocol::{
    Answer, EngineHello, HelperHello, Launch, PROTOCOL, Report, Request, Token, Variable, line,
};
use super::server::LISTENING;

/// How long helpers that leave while they are being reached are tried again.
const REACH_MAX: Duration = Duration::from_secs(5);
/// Between two tries: a helper that lost the race for the lock, or is leaving, needs about that long.
const REACH_PAUSE: Duration = Duration::from_millis(5);
/// How long a helper may take to greet.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// Acknowledgements wait for the next message, but not more bytes of them than this.
const ACKS_MAX: usize = 4 * 1024;

/// The helper of a folder, and how to start it.
pub struct Helper<'a> {
    pub dir: &'a Path,
    /// The command that calls `serve` with `dir`; standard streams and working directory are set here.
    pub start: &'a dyn Fn() -> Command,
    /// The base environment of every process launched over the connection.
    pub environment: &'a [(OsString, OsString)],
    /// Of the engine's right to its store; the helper obeys the latest it has heard of, and no one before.
    pub lease: u64,
}

/// A connection. Dropping it leaves running attempts to run.
pub struct Client {
    stream: UnixStream,
    /// Acknowledgements not yet written. Its lock is the right to write.
    acks: Mutex<Vec<u8>>,
    closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    held: Vec<Token>,
    instance: String,
}

impl Client {
    /// Connects, with a helper started if none runs. `on_report` is called by the reading thread, in the order of
    /// arrival; `on_lost` once, when the helper is gone: connect again and send the launches again.
    pub fn connect(
        helper: &Helper<'_>,
        on_report: impl Fn(Report) + Send + 'static,
        on_lost: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Error> {
        let (reading, hello) = reach(helper)?;
        let stream = reading.get_ref().try_clone().map_err(Error::io("share the connection"))?;
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let read = move || {
            read_reports(reading, on_report);
            if !closed.load(Ordering::Acquire) {
                on_lost();
            }
        };
        let reader = thread::Builder::new().name("helper-reports".to_owned()).spawn(read);
        let reader = Some(reader.map_err(Error::io("start a thread"))?);
        let HelperHello { held, instance, .. } = hello;
        Ok(Self { stream, acks: Mutex::default(), closing, reader, held, instance })
    }

    /// What the helper held at the connection: running, or ended and not acknowledged. An engine that knows better
    /// about one acknowledges or stops it.
    pub fn held(&self) -> &[Token] {
        &self.held
    }

    /// Differs between helper processes.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Starts the process, or attaches to the one its token names. The answer is a report.
    pub fn launch(&self, launch: Launch) -> Result<(), Error> {
        self.send(&line(&Request::Launch(Box::new(launch))))
    }

    /// Asks the attempt to end, and makes it end after `grace_ms`. The answer is a report.
    pub fn stop(&self, token: Token, grace_ms: u64) -> Result<(), Error> {
        self.send(&line(&Request::Stop { token, grace_ms }))
    }

    /// The end is committed: the helper may forget it. Written with the next message, or when the client is dropped.
    pub fn ack(&self, token: Token) -> Result<(), Error> {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        acks.extend(line(&Request::Ack(token)));
        if acks.len() > ACKS_MAX { self.write(&mut acks) } else { Ok(()) }
    }

    /// Writes what waits for the next message.
    pub fn flush(&self) -> Result<(), Error> {
        self.send(&[])
    }

    fn send(&self, message: &[u8]) -> Result<(), Error> {
        let mut text = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend_from_slice(message);
        self.write(&mut text)
    }

    fn write(&self, text: &mut Vec<u8>) -> Result<(), Error> {
        let written = (&self.stream).write_all(text);
        text.clear();
        // One long standard input must not hold its memory for good.
        text.shrink_to(2 * ACKS_MAX);
        written.map_err(Error::io("write to the helper"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A helper that is gone needs none of this.
        let _gone = self.flush();
        self.closing.store(true, Ordering::Release);
        let _gone = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) =
            self.reader.take().filter(|reader| reader.thread().id() != thread::current().id())
        {
            // A panic in `on_report` has been told by its thread.
            let _panicked = reader.join();
        }
    }
}

fn read_reports(mut reading: BufReader<UnixStream>, on_report: impl Fn(Report)) {
    while let Ok(Answer::Report(report)) = read_answer(&mut reading) {
        on_report(report);
    }
}

fn read_answer(reading: &mut BufReader<UnixStream>) -> Result<Answer, Error> {
    let mut line = Vec::new();
    reading.read_until(b'\n', &mut line).map_err(Error::io("hear the helper"))?;
    if !line.ends_with(b"\n") {
        return Err(Error::io("hear the helper")(io::Error::from(ErrorKind::UnexpectedEof)));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// A helper may leave while it is being reached, or lose the lock to one that is about to listen.
fn reach(helper: &Helper<'_>) -> Result<(BufReader<UnixStream>, HelperHello), Error> {
    let folder = Folder::open(helper.dir).map_err(Error::io("open the helper's folder"))?;
    let begun = Instant::now();
    loop {
        match try_reach(&folder, helper) {
            Err(Error::Io { doing, source }) if is_passing(&source) => {
                let waited = begun.elapsed();
                if waited > REACH_MAX {
                    let waited_ms = waited.as_millis().try_into().unwrap_or(u64::MAX);
                    return Err(Error::Unreachable { waited_ms, last: format!("{doing}: {source}") });
                }
            }
            settled => return settled,
        }
        thread::sleep(REACH_PAUSE);
    }
}

fn is_passing(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe | UnexpectedEof)
}

fn try_reach(folder: &Folder, helper: &Helper<'_>) -> Result<(BufReader<UnixStream>, HelperHello), Error> {
    let stream = match UnixStream::connect(folder.socket()) {
        Err(error) if is_passing(&error) => {
            start(helper)?;
            UnixStream::connect(folder.socket())
        }
        connected => connected,
    };
    let stream = stream.map_err(Error::io("connect to the helper"))?;
    greet(stream, helper)
}

fn greet(stream: UnixStream, helper: &Helper<'_>) -> Result<(BufReader<UnixStream>, HelperHello), Error> {
    let environment =
        helper.environment.iter().map(|(name, value)| Variable(name.clone(), value.clone())).collect();
    let hello = line(&Request::Hello(EngineHello { protocol: PROTOCOL, lease: helper.lease, environment }));
    (&stream).write_all(&hello).map_err(Error::io("write to the helper"))?;
    stream.set_read_timeout(Some(HELLO_MAX)).map_err(Error::io("set a time limit"))?;
    let mut reading = BufReader::new(stream);
    let hello = match read_answer(&mut reading)? {
        Answer::Hello(hello) if hello.protocol == PROTOCOL && hello.lease <= helper.lease => hello,
        Answer::Hello(hello) if hello.protocol == PROTOCOL => {
            return Err(Error::Overtaken { theirs: hello.lease, ours: helper.lease });
        }
        Answer::Hello(hello) => return Err(Error::Protocol { theirs: hello.protocol, ours: PROTOCOL }),
        Answer::Report(_) => return Err(Error::HelperFailed { message: "it did not greet".to_owned() }),
    };
    reading.get_ref().set_read_timeout(None).map_err(Error::io("set a time limit"))?;
    Ok((reading, hello))
}

/// Returns when the new helper listens, or has left because another one serves the folder.
fn start(helper: &Helper<'_>) -> Result<(), Error> {
    let mut command = (helper.start)();
    // No group of its own: a group leader could not begin a session, which is what lets it survive us.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
    let mut process = command.spawn().map_err(|error| Error::HelperFailed { message: error.to_string() })?;
    let mut said = String::new();
    let heard = process.stdout.take().expect("stdout was piped").read_to_string(&mut said);
    reap_later(process);
    heard.map_err(Error::io("hear whether the helper starts"))?;
    match said.trim_end() {
        LISTENING | "" => Ok(()),
        message => Err(Error::HelperFailed { message: message.to_owned() }),
    }
}

/// The helper outlives its client more often than not, but when it leaves first it must not stay a zombie.
fn reap_later(mut process: Child) {
    let wait = move || drop(process.wait());
    // Without a thread it is one line in the process table.
    let _kept = thread::Builder::new().name("helper-wait".to_owned()).stack_size(64 * 1024).spawn(wait);
}
