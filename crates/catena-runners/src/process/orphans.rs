//! Processes without their parent: descendants that left their attempt's group, which come to the helper because
//! it is a subreaper, and those of a helper that died. Found by the mark in their environment.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, pidfd_open,
    pidfd_send_signal, waitid, waitpid,
};

use super::child::{Group, Mark, Stat};
use super::error::Error;
use super::records::Unfinished;

/// How long the processes of a dead helper may take to die of KILL.
const DEATH_MAX: Duration = Duration::from_secs(10);

/// How often, and how far apart, an environment that seems empty is read.
const EMPTY_LOOKS: u32 = 5;
const EMPTY_PAUSE: Duration = Duration::from_millis(1);

/// The first processes of running attempts: the children the helper expects to have.
#[derive(Clone, Default)]
pub(super) struct Leaders(Rc<RefCell<BTreeSet<i32>>>);

impl Leaders {
    pub(super) fn add(&self, group: Group) {
        self.0.borrow_mut().insert(group.id());
    }

    /// Called when it has been reaped.
    pub(super) fn remove(&self, group: Group) {
        self.0.borrow_mut().remove(&group.id());
    }

    /// Collects what is left of orphans that ended by themselves.
    pub(super) fn reap_others(&self) {
        drop(self.others());
    }

    /// The living children that are no leaders. One system call when there are none, the ordinary case.
    fn others(&self) -> Vec<Pid> {
        loop {
            let any =
                waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
            if any.is_err() {
                return Vec::new();
            }
            let others: Vec<Pid> = {
                let leaders = self.0.borrow();
                let children = children().unwrap_or_default().into_iter();
                children.filter(|pid| !leaders.contains(pid)).filter_map(Pid::from_raw).collect()
            };
            let (found, mut living) = (others.len(), others);
            living.retain(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)));
            // One that died after the list was read has left its own children to us, and they are not in it.
            if living.len() == found {
                return living;
            }
        }
    }
}

/// What an attempt may leave behind its first process.
pub(super) struct Rest {
    pub(super) group: Group,
    pub(super) mark: String,
    pub(super) leaders: Leaders,
}

/// What an attempt did leave behind, a moment ago.
pub(super) struct Left {
    group: Option<Group>,
    strays: Vec<Pid>,
}

impl Rest {
    /// None when nothing of the attempt is alive. Reaps what is dead.
    pub(super) fn left(&self) -> Option<Left> {
        let others = self.leaders.others();
        let strays: Vec<Pid> = others.into_iter().filter(|pid| self.has_stray(*pid)).collect();
        let group = self.group.is_alive().then_some(self.group);
        (group.is_some() || !strays.is_empty()).then_some(Left { group, strays })
    }

    /// An orphan whose environment says nothing belongs to the attempt that ends while no other runs.
    fn has_stray(&self, pid: Pid) -> bool {
        let ours = match settled_mark(pid) {
            Mark::Of(mark) => mark.as_os_str() == self.mark.as_str(),
            Mark::Absent | Mark::Empty => self.leaders.0.borrow().is_empty(),
        };
        ours && may_signal(pid)
    }
}

/// A process in the middle of an exec shows no environment, so an empty one is looked at again.
fn settled_mark(pid: Pid) -> Mark {
    for _ in 1..EMPTY_LOOKS {
        match Mark::of(raw(pid)) {
            Mark::Empty => std::thread::sleep(EMPTY_PAUSE),
            settled => return settled,
        }
    }
    Mark::of(raw(pid))
}

impl Left {
    /// Asks who is not in `asked` yet.
    pub(super) fn terminate(&self, asked: &mut BTreeSet<i32>) {
        if let Some(group) = self.group.filter(|group| asked.insert(group.id())) {
            group.terminate();
        }
        for stray in self.strays.iter().filter(|stray| asked.insert(raw(**stray))) {
            signal(*stray, Signal::TERM);
            signal(*stray, Signal::CONT);
        }
    }

    pub(super) fn kill(&self) {
        if let Some(group) = self.group {
            group.signal(Signal::KILL);
        }
        self.strays.iter().for_each(|stray| signal(*stray, Signal::KILL));
    }
}

/// To a child that is not reaped: its id cannot have passed to another process.
fn signal(stray: Pid, signal: Signal) {
    let _gone = kill_process(stray, signal);
}

/// A process that changed its user is not ours to end, nor to wait for.
fn may_signal(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::PERM)
}

/// Orphans come to the first thread of their subreaper, and this process has no other.
fn children() -> io::Result<Vec<i32>> {
    let pid = raw(getpid());
    match fs::read_to_string(format!("/proc/self/task/{pid}/children")) {
        Ok(text) => Ok(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()),
        // A kernel without that file.
        Err(_) => Ok(processes()?
            .into_iter()
            .filter(|child| Stat::of(*child).is_some_and(|s| s.parent == pid))
            .collect()),
    }
}

fn processes() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir(Path::new("/proc"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The attempts of a helper that died: none of their processes may live when a successor starts.
pub(super) struct Lost<'a> {
    pub(super) attempts: &'a [(String, Unfinished)],
    /// The session of the dead helper, which its attempts shared unless they left it.
    pub(super) session: i32,
}

impl Lost<'_> {
    /// Kills, and sees dead, all that can be found. Again and again, because what dies may have forked.
    pub(super) fn end(&self) -> Result<(), Error> {
        let deadline = Instant::now() + DEATH_MAX;
        loop {
            let found = self.find().map_err(Error::io("list processes"))?;
            if found.is_empty() {
                return Ok(());
            }
            for (pid, handle) in found {
                kill_and_see(pid, &handle, deadline)?;
            }
        }
    }

    fn find(&self) -> io::Result<Vec<(Pid, OwnedFd)>> {
        if self.attempts.is_empty() {
            return Ok(Vec::new());
        }
        Ok(processes()?.into_iter().filter_map(|pid| self.handle(pid)).collect())
    }

    /// The handle is taken first, so that what is examined and what is killed are one process.
    fn handle(&self, pid: i32) -> Option<(Pid, OwnedFd)> {
        let id = Pid::from_raw(pid)?;
        let handle = pidfd_open(id, PidfdFlags::empty()).ok()?;
        let stat = Stat::of(pid).filter(|stat| !stat.dead)?;
        let mark = Mark::of(pid);
        let ours = |(of, attempt): &(String, Unfinished)| mark.is(of) || self.started(attempt, pid, &stat);
        (self.attempts.iter().any(ours) && may_signal(id)).then_some((id, handle))
    }

    fn started(&self, attempt: &Unfinished, pid: i32, stat: &Stat) -> bool {
        match attempt {
            Unfinished::Intended => false,
            Unfinished::Started { pid: leader, started, .. } => {
                (*leader == pid && started.contains(stat.start_time))
                    || (*leader == stat.group && self.session == stat.session)
            }
        }
    }
}

fn kill_and_see(pid: Pid, handle: &OwnedFd, deadline: Instant) -> Result<(), Error> {
    // Dead already is as good.
    let _gone = pidfd_send_signal(handle, Signal::KILL);
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).expect("a few seconds");
    match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&timeout)) {
        Ok(0) => Err(Error::StillAlive { pid: raw(pid) }),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Error::io("wait for a process")(error)),
    }
}

fn raw(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}
