//! Processes without their parent: descendants that left their attempt's group, which come to the helper because
//! it is a subreaper, and those of a helper that died. Found by the mark in their environment.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, getsid, kill_process, pidfd_open,
    pidfd_send_signal, waitid, waitpid,
};

use super::child::{Group, Mark, StartTicks, Stat};
use super::error::Error;
use super::records::Unfinished;

/// How long the processes of a dead helper may take to die of KILL.
const DEATH_MAX: Duration = Duration::from_secs(10);

/// How often, and how far apart, an environment that seems empty is read.
const EMPTY_LOOKS: u32 = 5;
const EMPTY_PAUSE: Duration = Duration::from_millis(1);

/// The first processes of running attempts: the children the helper expects to have. With each the clock tick before
/// which it was not there.
#[derive(Clone, Default)]
pub(super) struct Leaders(Rc<RefCell<BTreeMap<i32, u64>>>);

impl Leaders {
    pub(super) fn add(&self, group: Group, started: StartTicks) {
        self.0.borrow_mut().insert(group.id(), started.first());
    }

    fn has(&self, group: Group) -> bool {
        self.0.borrow().contains_key(&group.id())
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
                children.filter(|pid| !leaders.contains_key(pid)).filter_map(Pid::from_raw).collect()
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

/// Who belongs to an attempt beside its first process.
pub(super) struct Rest {
    pub(super) group: Group,
    pub(super) mark: String,
    pub(super) leaders: Leaders,
}

/// What there was of an attempt, a moment ago.
pub(super) struct Left {
    group: Option<Group>,
    strays: Vec<Pid>,
}

impl Rest {
    /// None when nothing of the attempt is alive. Reaps what is dead, but for the first process. That one counts until
    /// it is reaped, which a tracer of its own may hold up.
    pub(super) fn left(&self) -> Option<Left> {
        let leads = self.leaders.has(self.group);
        let mut strays = self.orphans();
        strays.extend(leads.then(|| self.group.leader()));
        add_descendants(&mut strays);
        let group = (leads || self.group.is_alive()).then_some(self.group);
        (group.is_some() || !strays.is_empty()).then_some(Left { group, strays })
    }

    /// Those of the attempt whose parents are dead.
    fn orphans(&self) -> Vec<Pid> {
        self.leaders.others().into_iter().filter(|pid| self.has_stray(*pid)).collect()
    }

    /// An orphan whose environment says nothing belongs to the attempts that ran when it was started, and ends with
    /// the last of them.
    fn has_stray(&self, pid: Pid) -> bool {
        let ours = match settled_mark(pid) {
            Mark::Of(mark) if is_of_folder(&mark, &self.mark) => mark.as_os_str() == self.mark.as_str(),
            Mark::Of(_) | Mark::Absent | Mark::Empty => {
                let started = Stat::of(raw(pid)).map_or(u64::MAX, |stat| stat.start_time);
                self.leaders.0.borrow().values().all(|first| *first > started)
            }
        };
        ours && may_signal(pid)
    }
}

/// Whether a mark was given by the helper that gave `own`; another helper's says nothing here, as when a step runs
/// Catena itself.
fn is_of_folder(mark: &OsStr, own: &str) -> bool {
    let folder = own.split_inclusive('/').next().unwrap_or(own);
    mark.as_encoded_bytes().starts_with(folder.as_bytes())
}

/// Adds the living descendants of those in `found`. On a kernel that does not list children they come when their
/// parents are dead.
fn add_descendants(found: &mut Vec<Pid>) {
    let mut seen: BTreeSet<i32> = found.iter().map(|pid| raw(*pid)).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = children_of(raw(parent)).into_iter().filter(|child| seen.insert(*child));
        found.extend(children.filter_map(Pid::from_raw).filter(|child| may_signal(*child)));
        next += 1;
    }
}

fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    texts.flat_map(|text| pids(&text)).collect()
}

fn pids(text: &str) -> Vec<i32> {
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
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
    /// Asks who is not in `asked` yet. To some programs a second TERM means to drop everything.
    pub(super) fn terminate(&self, asked: &mut BTreeSet<i32>) {
        if let Some(group) = self.group.filter(|group| asked.insert(-group.id())) {
            group.terminate();
        }
        for stray in &self.strays {
            let is_asked_with_group = || {
                let group = Stat::of(raw(*stray)).map(|stat| -stat.group);
                group.is_some_and(|group| asked.contains(&group))
            };
            if !is_asked_with_group() && asked.insert(raw(*stray)) {
                signal(*stray, Signal::TERM);
                signal(*stray, Signal::CONT);
            }
        }
    }

    /// A group or session that forks as it dies is killed at once, a process at a time would lose that race.
    pub(super) fn kill(&self) {
        if let Some(group) = self.group {
            group.signal(Signal::KILL);
        }
        let own_session = getsid(None).ok().map(raw);
        for stray in &self.strays {
            // In a session that the attempt made every group is its own.
            if let Some(stat) = Stat::of(raw(*stray)).filter(|stat| Some(stat.session) != own_session)
                && let Some(group) = Pid::from_raw(stat.group)
            {
                Group(group).signal(Signal::KILL);
            }
            signal(*stray, Signal::KILL);
        }
    }
}

/// To one that was alive a moment ago. What is not our own child may have been reaped by its parent since, but the
/// kernel gives out all other process ids before it comes back to this one.
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
        Ok(text) => Ok(pids(&text)),
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

    /// Those that are known, and all that descends from them.
    fn find(&self) -> io::Result<Vec<(Pid, OwnedFd)>> {
        if self.attempts.is_empty() {
            return Ok(Vec::new());
        }
        let pids: Vec<i32> = processes()?;
        let mut found: Vec<(Pid, OwnedFd)> = pids
            .iter()
            .filter_map(|pid| handle(*pid, |stat| !stat.dead && self.is_known(*pid, stat)))
            .collect();
        let mut strays: Vec<Pid> = found.iter().map(|(pid, _)| *pid).collect();
        add_descendants(&mut strays);
        let more = strays.into_iter().skip(found.len()).map(raw);
        found.extend(more.filter_map(|pid| handle(pid, |stat| !stat.dead)));
        Ok(found)
    }

    fn is_known(&self, pid: i32, stat: &Stat) -> bool {
        let mark = Mark::of(pid);
        self.attempts.iter().any(|(of, attempt)| mark.is(of) || self.started(attempt, pid, stat))
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

/// The handle is taken first, so that what is examined and what is killed are one process.
fn handle(pid: i32, is_meant: impl FnOnce(&Stat) -> bool) -> Option<(Pid, OwnedFd)> {
    let id = Pid::from_raw(pid)?;
    let handle = pidfd_open(id, PidfdFlags::empty()).ok()?;
    let is_meant = Stat::of(pid).is_some_and(|stat| is_meant(&stat));
    (is_meant && may_signal(id)).then_some((id, handle))
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
