//! The host's side of the socket: a thread per client, which asks the engine as any caller does.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use catena_core::{Event, ExecutionId};
use catena_runners::process::Folder;
use serde::{Serialize, de::DeserializeOwned};

use super::protocol::{Hello, MESSAGE_MAX, PROTOCOL, Request, Response, SOCKET};
use crate::{Engine, Error, Follower, Started, trace};

/// Between two announcements that something was committed: people look at what follows from them.
const CHANGES_EVERY: Duration = Duration::from_millis(100);

/// The open door; dropping it closes it.
pub struct HostSocket {
    folder: Folder,
    closing: Arc<AtomicBool>,
}

impl HostSocket {
    /// Opens the socket in `home`. Whoever has the engine has the store's lock, so a socket that stands there
    /// is a dead host's.
    pub fn open(engine: &Arc<Engine>, home: &Path) -> Result<Self, Error> {
        let folder = Folder::open(home).map_err(Error::io("open the home folder"))?;
        let path = folder.path(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove an old socket")(error));
            }
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(Error::io("open the socket"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(Error::io("protect the socket"))?;
        trace::door_opened(&home.join(SOCKET));
        let closing = Arc::new(AtomicBool::new(false));
        let (engine, closed) = (Arc::downgrade(engine), Arc::clone(&closing));
        std::thread::Builder::new()
            .name("catena-host".into())
            .spawn(move || accept(&listener, &engine, &closed))
            .map_err(Error::io("start a thread"))?;
        Ok(Self { folder, closing })
    }
}

impl Drop for HostSocket {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        let path = self.folder.path(SOCKET);
        // Wakes the accepting thread; a socket that is gone has none.
        drop(UnixStream::connect(&path));
        drop(std::fs::remove_file(&path));
    }
}

fn accept(listener: &UnixListener, engine: &Weak<Engine>, closing: &AtomicBool) {
    for stream in listener.incoming() {
        if closing.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let engine = Weak::clone(engine);
        // A client that no thread can be had for sees its connection close and says so.
        drop(std::thread::Builder::new().name("catena-client".into()).spawn(move || {
            // Whatever ends a conversation, the client sees it end; its commands are committed or refused.
            drop(converse(stream, &engine));
        }));
    }
}

fn converse(stream: UnixStream, engine: &Weak<Engine>) -> std::io::Result<()> {
    let mut reading = BufReader::new(stream.try_clone()?);
    let theirs: Hello = read_line(&mut reading)?;
    write_line(&stream, &Hello::mine())?;
    if theirs.protocol != PROTOCOL {
        return Ok(());
    }
    loop {
        let request: Request = read_line(&mut reading)?;
        let Some(engine) = engine.upgrade() else { return Ok(()) };
        trace::asked(theirs.pid, request.name(), request.execution());
        match request {
            Request::Start(start) => {
                let response = start_execution(&engine, start.into_request());
                write_line(&stream, &response)?;
            }
            Request::Tell { execution, command, actor } => {
                write_line(&stream, &done(engine.tell(execution, command, actor)))?;
            }
            Request::Follow { execution } => announce(&stream, engine, execution)?,
            Request::FollowSchedules => announce_schedules(&stream, engine)?,
            Request::Schedule(request) => {
                write_line(&stream, &store_schedules(&engine, request.into_request()))?;
            }
            Request::ChangeChain { chain, standing } => {
                write_line(&stream, &done(engine.change_chain(&chain, standing)))?;
            }
            Request::RemoveChain { chain } => write_line(&stream, &done(engine.remove_chain(&chain)))?,
            Request::ChangeSchedule { id, standing } => {
                write_line(&stream, &done(engine.change_schedule(id, standing)))?;
            }
            Request::RunNow { id, actor } => write_line(&stream, &started(engine.run_now(id, actor)))?,
            Request::Backfill { id, from, to, actor } => {
                let answer = engine.backfill(id, (from, to), actor);
                write_line(&stream, &answer.map_or_else(|e| Response::refused(&e), Response::Backfilled))?;
            }
            Request::FollowAll {} => {
                let commits = engine.commits();
                drop(engine);
                announce_changes(&stream, &commits)?;
            }
        }
    }
}

fn start_execution(engine: &Engine, request: Result<crate::StartRequest, base64::DecodeError>) -> Response {
    match request {
        Ok(request) => started(engine.start(request)),
        Err(error) => broken(&error),
    }
}

fn store_schedules(
    engine: &Engine,
    request: Result<crate::ScheduleRequest, base64::DecodeError>,
) -> Response {
    match request {
        Ok(request) => {
            engine.schedule(request).map_or_else(|error| Response::refused(&error), Response::Scheduled)
        }
        Err(error) => broken(&error),
    }
}

fn broken(error: &base64::DecodeError) -> Response {
    let kind = crate::error::Kind::Input;
    Response::Refused { kind, message: format!("a step file has arrived broken: {error}") }
}

fn started(answer: Result<Started, Error>) -> Response {
    match answer {
        Ok(Started { execution, is_new }) => Response::Started { execution, is_new },
        Err(error) => Response::refused(&error),
    }
}

fn done(answer: Result<(), Error>) -> Response {
    match answer {
        Ok(()) => Response::Done,
        Err(error) => Response::refused(&error),
    }
}

fn announce_schedules(stream: &UnixStream, engine: Arc<Engine>) -> std::io::Result<()> {
    let follower = engine.follow_schedules();
    // A follower must not keep an engine open.
    drop(engine);
    match follower {
        Err(error) => write_line(stream, &Response::refused(&error)),
        Ok(follower) => {
            // The client may rely on hearing all that comes from here on.
            write_line(stream, &Response::Done)?;
            loop {
                match follower.next_news() {
                    Ok(announcement) => write_line(stream, &Response::Announced(announcement))?,
                    Err(error) => return write_line(stream, &Response::refused(&error)),
                }
            }
        }
    }
}

fn announce(stream: &UnixStream, engine: Arc<Engine>, execution: ExecutionId) -> std::io::Result<()> {
    let follower = engine.follow(execution, 0);
    // A follower must not keep an engine open.
    drop(engine);
    match follower {
        Err(error) => write_line(stream, &Response::refused(&error)),
        Ok(follower) => announce_all(stream, follower),
    }
}

fn announce_all(stream: &UnixStream, mut follower: Follower) -> std::io::Result<()> {
    loop {
        match follower.next_event() {
            Ok(None) => return Ok(()),
            Ok(Some(entry)) => {
                let ended = matches!(entry.event, Event::ExecutionEnded { .. });
                write_line(stream, &Response::Committed { seq: entry.seq, ended })?;
            }
            Err(error) => return write_line(stream, &Response::refused(&error)),
        }
    }
}

/// Ends with the engine, or with the client, which a host that commits nothing learns late: it costs a sleeping thread.
fn announce_changes(stream: &UnixStream, commits: &Receiver<()>) -> std::io::Result<()> {
    while commits.recv().is_ok() {
        write_line(stream, &Response::Changed {})?;
        std::thread::sleep(CHANGES_EVERY);
    }
    Ok(())
}

pub(super) fn read_line<T: DeserializeOwned>(reading: &mut impl BufRead) -> std::io::Result<T> {
    let mut line = Vec::new();
    reading.by_ref().take(MESSAGE_MAX).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&line).map_err(std::io::Error::from)
}

pub(super) fn write_line(mut stream: &UnixStream, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}
