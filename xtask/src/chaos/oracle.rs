//! The oracle: a process with a folder of its own that steps report to over a socket. A socket rather than a
//! file, because its connection lives exactly as long as the process behind it: the kernel itself reports each
//! death, whatever it came from, and all that happens gets one order.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags};
use rustix::event::{PollFd, PollFlags, poll};

use super::ledger::{Line, Report, What, Who, now_us};

pub(super) const SOCKET: &str = "oracle.sock";
pub(super) const LEDGER: &str = "ledger.jsonl";

/// `chaos oracle FOLDER STORE`; ends when its standard input does.
pub(super) fn run(args: &[String]) -> Result<()> {
    let [folder, store] = args else { bail!("usage: chaos oracle FOLDER STORE") };
    let folder = Path::new(folder);
    let ledger = File::options().create(true).append(true).open(folder.join(LEDGER))?;
    let listener = UnixListener::bind(folder.join(SOCKET)).context("cannot listen")?;
    listener.set_nonblocking(true)?;
    Oracle { ledger, listener, store: store.into(), lives: BTreeMap::new(), next_life: 0 }.listen()
}

struct Oracle {
    ledger: File,
    listener: UnixListener,
    store: PathBuf,
    lives: BTreeMap<u64, Connected>,
    next_life: u64,
}

struct Connected {
    stream: UnixStream,
    heard: Vec<u8>,
}

/// What a look at a connection came to.
enum Heard {
    Nothing,
    Reports(Vec<Report>),
    End,
}

impl Oracle {
    fn listen(mut self) -> Result<()> {
        loop {
            let (over, ready, connecting) = self.poll()?;
            if over {
                return Ok(());
            }
            let mut reports = Vec::new();
            // Deaths first: who reports in the same moment may be the dead one's successor.
            for life in ready {
                self.hear(life, &mut reports)?;
            }
            for (life, report) in reports {
                self.take(life, report)?;
            }
            if connecting {
                self.accept()?;
            }
        }
    }

    /// Waits; then whether the driver has gone, which connections have something, and whether there are new ones.
    fn poll(&self) -> Result<(bool, Vec<u64>, bool)> {
        let stdin = std::io::stdin();
        let mut fds = vec![PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(self.lives.values().map(|life| PollFd::new(&life.stream, PollFlags::IN)));
        loop {
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let ready = self.lives.keys().zip(&fds[2..]).filter(|(_, fd)| is_ready(fd)).map(|(life, _)| *life);
        Ok((is_ready(&fds[0]), ready.collect(), is_ready(&fds[1])))
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    self.lives.insert(self.next_life, Connected { stream, heard: Vec::new() });
                    self.next_life += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn hear(&mut self, life: u64, reports: &mut Vec<(u64, Report)>) -> Result<()> {
        let Some(connected) = self.lives.get_mut(&life) else { return Ok(()) };
        match connected.hear()? {
            Heard::Nothing => Ok(()),
            Heard::Reports(heard) => {
                reports.extend(heard.into_iter().map(|report| (life, report)));
                Ok(())
            }
            Heard::End => {
                self.lives.remove(&life);
                self.write(life, What::Died {})
            }
        }
    }

    /// Written down, then answered.
    fn take(&mut self, life: u64, report: Report) -> Result<()> {
        let what = match report {
            Report::Before { who, sent_us } => {
                let journalled = self.is_journalled(&who);
                What::Before { who, sent_us, journalled }
            }
            Report::After { sent_us } => What::After { sent_us },
        };
        self.write(life, what)?;
        if let Some(connected) = self.lives.get_mut(&life) {
            // One that has died meanwhile needs no answer.
            let _gone = connected.stream.write_all(b".");
        }
        Ok(())
    }

    fn write(&mut self, life: u64, what: What) -> Result<()> {
        let mut line = serde_json::to_vec(&Line { at_us: now_us(), life, what })?;
        line.push(b'\n');
        Ok(self.ledger.write_all(&line)?)
    }

    /// Whether the start of the attempt is committed; `None` if the store cannot be asked now. Opened for each
    /// question, so that the oracle's own connection keeps nothing alive that an engine would find.
    fn is_journalled(&self, who: &Who) -> Option<bool> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Connection::open_with_flags(&self.store, flags).ok()?;
        store
            .query_row(
                "SELECT coalesce(max(attempts), 0) >= ? FROM steps WHERE execution = ? AND address = ?",
                (who.attempt, who.execution, &who.address),
                |row| row.get(0),
            )
            .ok()
    }
}

impl Connected {
    fn hear(&mut self) -> Result<Heard> {
        let mut bytes = [0; 4_096];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Ok(Heard::End),
            Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Nothing),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Heard::End),
            Err(error) => return Err(error.into()),
        }
        let mut reports = Vec::new();
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            reports.push(serde_json::from_slice(&line).context("a report that is none")?);
        }
        Ok(Heard::Reports(reports))
    }
}
