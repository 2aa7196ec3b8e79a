//! `catena test --watch`: the kernel says when a file changes; nothing is looked at until then.

use std::{
    collections::BTreeSet,
    mem::MaybeUninit,
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

use super::{Report, TestArgs};
use crate::exit::{Code, Failure};

/// Editors write a file in several steps: they belong together.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(50);

/// Runs the cases, and again after each change, until it is interrupted.
pub(super) fn run(args: &TestArgs) -> Result<Code, Failure> {
    loop {
        let report = args.report();
        // From before the report on: what changes while it is told is seen.
        let changes = Changes::of(&report).map_err(unwatchable)?;
        args.tell(&report)?;
        talk!("watching; Ctrl-C ends it");
        changes.wait().map_err(unwatchable)?;
        std::thread::sleep(SETTLE);
    }
}

fn unwatchable(error: Errno) -> Failure {
    Failure::new(Code::Environment, format!("cannot watch for changes: {error}"))
        .next("catena test, without --watch")
}

/// Folders are watched rather than files: an editor puts another file in the place of the old one.
struct Changes {
    queue: rustix::fd::OwnedFd,
    names: BTreeSet<Vec<u8>>,
}

impl Changes {
    fn of(report: &Report) -> Result<Self, Errno> {
        let queue = inotify::init(CreateFlags::CLOEXEC)?;
        let paths = report.files.iter().flat_map(|file| [Some(file.path.clone()), file.chain_path.clone()]);
        let paths: BTreeSet<PathBuf> = paths.flatten().collect();
        let folders: BTreeSet<&Path> = paths.iter().map(|path| folder_of(path)).collect();
        let kinds = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE;
        for folder in folders {
            match inotify::add_watch(&queue, folder, kinds) {
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        let names = paths.iter().filter_map(|path| Some(path.file_name()?.as_encoded_bytes().to_vec()));
        Ok(Self { names: names.collect(), queue })
    }

    /// Returns when one of the files, or a step file beside one of them, has changed.
    fn wait(&self) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4_096];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => return Ok(()),
                Ok(event) if event.file_name().is_some_and(|name| self.is_ours(name.to_bytes())) => {
                    return Ok(());
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ours(&self, name: &[u8]) -> bool {
        let ending = Path::new(std::str::from_utf8(name).unwrap_or_default()).extension();
        let is_step =
            ending.is_some_and(|ending| ["py", "js", "mjs", "cjs", "sh"].iter().any(|one| ending == *one));
        is_step || self.names.contains(name)
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}
