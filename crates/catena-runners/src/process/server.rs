//! The helper's start: one per folder, apart from the terminal, with the ends of what an earlier one left.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use catena_core::faults::{self, Fault};
use jiff::Timestamp;
use rustix::process::{getpid, getsid, set_child_subreaper, setsid};
use tokio::task::LocalSet;

use super::child;
use super::error::Error;
use super::folder::{Folder, Lock, boot_id};
use super::hub::{Hub, Identity};
use super::orphans::Lost;
use super::records::{Header, Record, Records, Remembered, Unfinished};

/// What a helper says on its stdout when engines can connect.
pub(super) const LISTENING: &str = "listening";

/// Serves the folder `dir` until no engine is connected and nothing is left to do. Returns at once if another
/// process serves it. To be called from the main thread of a process of its own, which it makes a session leader
/// and the reaper of its descendants. The starter reads on stdout one line: that it listens, or why it cannot.
pub fn serve(dir: &Path) -> Result<(), Error> {
    // Refused to the leader of a group, which a shell's own job is: then it is apart from its starter already.
    let _leads = setsid();
    let prepared = prepare(dir).inspect_err(|error| say(&error.to_string()))?;
    let Some(server) = prepared else { return Ok(()) };
    say(LISTENING);
    let_go_of_stdout().map_err(Error::io("close stdout"))?;
    server.run()
}

struct Server {
    folder: Folder,
    hub: Hub,
    listener: UnixListener,
    _lock: Lock,
}

fn prepare(dir: &Path) -> Result<Option<Server>, Error> {
    let folder = Folder::open(dir).map_err(Error::io("open the helper's folder"))?;
    let Some(lock) = folder.lock().map_err(Error::io("lock the helper's folder"))? else { return Ok(None) };
    set_child_subreaper(Some(getpid())).map_err(Error::io("become a subreaper"))?;
    let identity = identity(&folder).map_err(Error::io("learn what machine this is"))?;
    let mut remembered = Remembered::read(&folder, &identity.boot_id)?;
    end_lost(&mut remembered, &identity)?;
    let records = begin_records(&folder, &identity, &remembered)?;
    let listener = listen(&folder).map_err(Error::io("listen on the helper's socket"))?;
    Ok(Some(Server { folder, hub: Hub::new(identity, records, remembered.ended), listener, _lock: lock }))
}

fn identity(folder: &Folder) -> io::Result<Identity> {
    let start_time = child::start_time(getpid()).unwrap_or_default();
    let instance = format!("{}-{start_time}", getpid().as_raw_nonzero());
    Ok(Identity { boot_id: boot_id()?, instance, folder: folder.identity()? })
}

/// Nothing listens before this is done, so no successor of a lost attempt starts while it lives.
fn end_lost(remembered: &mut Remembered, identity: &Identity) -> Result<(), Error> {
    let unfinished = std::mem::take(&mut remembered.unfinished);
    let attempts: Vec<(String, Unfinished)> =
        unfinished.iter().map(|(token, attempt)| (identity.mark(token), attempt.clone())).collect();
    if !faults::is_on(Fault::StraysLeft) {
        Lost { attempts: &attempts, session: remembered.session }.end()?;
    }
    let now = Timestamp::now();
    let ended = unfinished.into_iter().map(|(token, attempt)| (token.clone(), attempt.lost(token, now)));
    remembered.ended.extend(ended);
    Ok(())
}

fn begin_records(folder: &Folder, identity: &Identity, remembered: &Remembered) -> Result<Records, Error> {
    let session = getsid(None).map_err(Error::io("learn the session"))?.as_raw_nonzero().get();
    let ended: Vec<Record> = remembered.ended.values().cloned().map(Record::Ended).collect();
    Records::create(folder, Header::new(identity.boot_id.clone(), session), &ended)
}

/// The socket's file outlives a helper that was killed; whoever has the lock may replace it.
fn listen(folder: &Folder) -> io::Result<UnixListener> {
    let path = folder.socket();
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn say(text: &str) {
    let mut stdout = io::stdout();
    // A starter that died asks no more.
    let _gone = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// The starter must see its pipe end, whatever becomes of it.
fn let_go_of_stdout() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

impl Server {
    fn run(self) -> Result<(), Error> {
        let Self { folder, hub, listener, _lock } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::io("start the helper's event loop"))?;
        let served = LocalSet::new()
            .block_on(&runtime, async { hub.run(tokio::net::UnixListener::from_std(listener)?).await });
        // Who connected in this moment is hung up on, and starts another helper.
        let _left = fs::remove_file(folder.socket());
        served.map_err(Error::io("serve"))
    }
}
