//! The terminal's keyboard while a block is shown: what is typed is not echoed into it, and for a question single keys
//! are read. How it was is put back in every case.

use std::{
    io::Stdin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::{
    process::getpgrp,
    termios::{
        LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcgetpgrp,
        tcsetattr,
    },
};

/// The terminal as it was found.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);

fn found() -> MutexGuard<'static, Option<Termios>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stdin is a terminal that this process may change: a background job that tries is stopped.
fn is_ours(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin).is_ok_and(|foreground| foreground == getpgrp())
}

/// What is typed is no longer echoed, and Ctrl-C takes nothing back that has been written: a terminal that drops output
/// at a signal would lose parts of the picture.
pub(super) fn quiet() {
    change(quieted);
}

/// Keys arrive one by one, from now on: what was typed before is no answer to a question that is yet to come. Ctrl-C stays
/// a signal. False where there is no keyboard.
pub(super) fn key_by_key() -> bool {
    let is_changed = change(|modes| {
        quieted(modes);
        modes.local_modes.remove(LocalModes::ICANON);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    });
    is_changed && tcflush(std::io::stdin(), QueueSelector::IFlush).is_ok()
}

fn quieted(modes: &mut Termios) {
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
    modes.local_modes.insert(LocalModes::NOFLSH);
}

fn change(change: impl FnOnce(&mut Termios)) -> bool {
    let stdin = std::io::stdin();
    let mut found = found();
    if !is_ours(&stdin) {
        return false;
    }
    let Ok(now) = tcgetattr(&stdin) else { return false };
    let mut wanted = found.get_or_insert(now).clone();
    change(&mut wanted);
    tcsetattr(&stdin, OptionalActions::Now, &wanted).is_ok()
}

/// As it was found. What has been typed meanwhile is kept for whoever reads next.
pub(super) fn restore() {
    let stdin = std::io::stdin();
    if let Some(modes) = found().take()
        && is_ours(&stdin)
    {
        // A terminal that has gone needs nothing back.
        let _gone = tcsetattr(&stdin, OptionalActions::Now, &modes);
    }
}
