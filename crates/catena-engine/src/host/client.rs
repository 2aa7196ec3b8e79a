//! Another process's side of the socket.

use std::{io::BufReader, os::unix::net::UnixStream, path::Path};

use catena_core::{ExecutionId, ScheduleId, Timestamp};
use catena_runners::process::Folder;
use catena_store::{Actor, InboxCommand};

use super::{
    protocol::{Hello, PROTOCOL, Request, Response, SOCKET},
    server::{read_line, write_line},
};
use crate::{
    Announcement, Backfilled, Error, ScheduleRequest, Scheduled, Standing, StartRequest, Started, error::Kind,
};

/// A connection to the host of a store.
pub struct HostClient {
    stream: UnixStream,
    reading: BufReader<UnixStream>,
    pid: u32,
}

impl HostClient {
    /// Connects to the host of the store in `home`; `None` if none listens, or the one that did has just gone.
    pub fn connect(home: &Path) -> Result<Option<Self>, Error> {
        let folder = Folder::open(home).map_err(Error::io("open the home folder"))?;
        let Ok(stream) = UnixStream::connect(folder.path(SOCKET)) else { return Ok(None) };
        let talk = |stream: UnixStream| -> std::io::Result<(Self, Hello)> {
            write_line(&stream, &Hello::mine())?;
            let mut reading = BufReader::new(stream.try_clone()?);
            let hello: Hello = read_line(&mut reading)?;
            Ok((Self { stream, reading, pid: hello.pid }, hello))
        };
        let (client, hello) = match talk(stream) {
            Ok(both) => both,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(Error::io("talk to the host of the store")(error)),
        };
        if hello.protocol != PROTOCOL {
            let message = format!(
                "process {} of Catena {} hosts the store and speaks another protocol; end it or use that version",
                hello.pid, hello.version
            );
            return Err(Error::Host { kind: Kind::Conflict, message });
        }
        Ok(Some(client))
    }

    /// The process that hosts the store.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn start(&mut self, request: StartRequest) -> Result<Started, Error> {
        match self.ask(&Request::Start(Box::new(request.into())))? {
            Response::Started { execution, is_new } => Ok(Started { execution, is_new }),
            other => Err(refusal(other)),
        }
    }

    pub fn cancel(&mut self, execution: ExecutionId, rollback: bool, actor: Actor) -> Result<(), Error> {
        self.tell(execution, InboxCommand::Cancel { rollback, force: false }, actor)
    }

    pub fn tell(&mut self, execution: ExecutionId, command: InboxCommand, actor: Actor) -> Result<(), Error> {
        match self.ask(&Request::Tell { execution, command, actor })? {
            Response::Done => Ok(()),
            other => Err(refusal(other)),
        }
    }

    pub fn schedule(&mut self, request: ScheduleRequest) -> Result<Scheduled, Error> {
        match self.ask(&Request::Schedule(Box::new(request.into())))? {
            Response::Scheduled(scheduled) => Ok(scheduled),
            other => Err(refusal(other)),
        }
    }

    pub fn change_chain(&mut self, chain: &str, standing: Standing) -> Result<(), Error> {
        self.ask_to(&Request::ChangeChain { chain: chain.to_owned(), standing })
    }

    pub fn remove_chain(&mut self, chain: &str) -> Result<(), Error> {
        self.ask_to(&Request::RemoveChain { chain: chain.to_owned() })
    }

    pub fn change_schedule(&mut self, id: ScheduleId, standing: Standing) -> Result<(), Error> {
        self.ask_to(&Request::ChangeSchedule { id, standing })
    }

    pub fn run_now(&mut self, id: ScheduleId, actor: Actor) -> Result<Started, Error> {
        match self.ask(&Request::RunNow { id, actor })? {
            Response::Started { execution, is_new } => Ok(Started { execution, is_new }),
            other => Err(refusal(other)),
        }
    }

    pub fn backfill(
        &mut self,
        id: ScheduleId,
        (from, to): (Timestamp, Timestamp),
        actor: Actor,
    ) -> Result<Backfilled, Error> {
        match self.ask(&Request::Backfill { id, from, to, actor })? {
            Response::Backfilled(backfilled) => Ok(backfilled),
            other => Err(refusal(other)),
        }
    }

    /// Hears from now on what is new of schedules; [`Self::next_news`] then tells it.
    pub fn follow_schedules(&mut self) -> Result<(), Error> {
        self.ask_to(&Request::FollowSchedules)
    }

    pub fn next_news(&mut self) -> Result<Announcement, Error> {
        match read_line(&mut self.reading).map_err(gone)? {
            Response::Announced(announcement) => Ok(announcement),
            other => Err(refusal(other)),
        }
    }

    fn ask_to(&mut self, request: &Request) -> Result<(), Error> {
        match self.ask(request)? {
            Response::Done => Ok(()),
            other => Err(refusal(other)),
        }
    }

    /// Asks for announcements of an execution's commits; [`Self::next_commit`] then gives them.
    pub fn follow(&mut self, execution: ExecutionId) -> Result<(), Error> {
        write_line(&self.stream, &Request::Follow { execution }).map_err(gone)
    }

    /// The next announcement: up to which event there is something to read, and whether that is the last.
    pub fn next_commit(&mut self) -> Result<(u64, bool), Error> {
        match read_line(&mut self.reading).map_err(gone)? {
            Response::Committed { seq, ended } => Ok((seq, ended)),
            other => Err(refusal(other)),
        }
    }

    /// Asks for announcements of all commits; [`Self::next_change`] then gives them.
    pub fn follow_all(&mut self) -> Result<(), Error> {
        write_line(&self.stream, &Request::FollowAll {}).map_err(gone)
    }

    /// Waits until something has been committed.
    pub fn next_change(&mut self) -> Result<(), Error> {
        match read_line(&mut self.reading).map_err(gone)? {
            Response::Changed {} => Ok(()),
            other => Err(refusal(other)),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Response, Error> {
        write_line(&self.stream, request).map_err(gone)?;
        read_line(&mut self.reading).map_err(gone)
    }
}

/// The other end was closed, as it is when its process ends.
fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn gone(error: std::io::Error) -> Error {
    Error::Stopped(format!("the host of the store has gone ({error})"))
}

fn refusal(response: Response) -> Error {
    match response {
        Response::Refused { kind, message } => Error::Host { kind, message },
        Response::Started { .. }
        | Response::Done
        | Response::Committed { .. }
        | Response::Scheduled(_)
        | Response::Backfilled(_)
        | Response::Announced(_)
        | Response::Changed {} => {
            Error::Host { kind: Kind::Conflict, message: "the host answered another question".to_owned() }
        }
    }
}
