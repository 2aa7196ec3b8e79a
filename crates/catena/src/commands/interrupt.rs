//! Signals. At a terminal the first interrupt asks whether to cancel, to leave or to go on; elsewhere it asks the
//! execution to end, and the second leaves at once. A request to end this process leaves the execution to the next host.

use std::{
    io::Read,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH},
    low_level::{emulate_default_handler, pipe},
};

use crate::view;

/// Escape; what an arrow or function key sends begins with it too, and then more comes with it.
const ESCAPE: u8 = 0x1b;

/// What a person at the terminal can choose.
pub(super) struct Choice {
    /// The parts of the question.
    pub(super) question: Box<dyn Fn() -> Vec<String> + Send>,
    pub(super) cancel: Box<dyn Fn() + Send>,
    pub(super) leave: Box<dyn Fn() + Send>,
}

/// What the signals so far have asked for.
#[derive(Clone, Debug)]
pub(super) struct Interrupts {
    stage: Arc<Mutex<Stage>>,
}

/// How far the interruption of an execution has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Asking,
    Cancelling,
    Leaving,
    /// There is nothing to cancel any more, or never was.
    Over,
}

/// What comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Interrupt,
    /// SIGTERM or SIGHUP.
    End,
    Key(Key),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Cancel,
    Leave,
    GoOn,
    Other,
    /// The keyboard has gone.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Ask,
    Cancel,
    Leave,
    GoOn,
    Nothing,
}

/// The whole of it: what an input does where the interruption stands.
fn next(stage: Stage, input: Input) -> (Stage, Action) {
    match (stage, input) {
        (_, Input::End) => (Stage::Leaving, Action::Leave),
        (Stage::Running, Input::Interrupt) => (Stage::Asking, Action::Ask),
        (Stage::Asking, Input::Interrupt | Input::Key(Key::Cancel)) => (Stage::Cancelling, Action::Cancel),
        (Stage::Asking, Input::Key(Key::Leave)) => (Stage::Leaving, Action::Leave),
        (Stage::Asking, Input::Key(Key::GoOn | Key::Gone)) => (Stage::Running, Action::GoOn),
        (Stage::Asking, Input::Key(Key::Other)) => (Stage::Asking, Action::Nothing),
        (Stage::Cancelling | Stage::Leaving | Stage::Over, Input::Interrupt) => {
            (Stage::Leaving, Action::Leave)
        }
        // Typed before anything was asked, or after it was answered.
        (Stage::Running | Stage::Cancelling | Stage::Leaving | Stage::Over, Input::Key(_)) => {
            (stage, Action::Nothing)
        }
    }
}

impl Key {
    /// What a person has typed at once.
    fn read(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Gone,
            [b'c' | b'C', ..] => Self::Cancel,
            [b'd' | b'D', ..] => Self::Leave,
            [b'\n' | b'\r', ..] | [ESCAPE] => Self::GoOn,
            [_, ..] => Self::Other,
        }
    }
}

impl Interrupts {
    /// Lets a person choose about an execution.
    pub(super) fn watch(choice: Choice) -> std::io::Result<Self> {
        Self::start(Stage::Running, choice)
    }

    /// For a command with nothing to cancel: whatever comes leaves.
    pub(super) fn watch_leaving(leave: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let choice = Choice { question: Box::new(Vec::new), cancel: Box::new(|| ()), leave: Box::new(leave) };
        Self::start(Stage::Over, choice)
    }

    fn start(stage: Stage, choice: Choice) -> std::io::Result<Self> {
        let interrupts = Self { stage: Arc::new(Mutex::new(stage)) };
        let watcher = Watcher {
            interrupt: ear(&[SIGINT])?,
            end: ear(&[SIGTERM, SIGHUP])?,
            stop: ear(&[SIGTSTP])?,
            resize: ear(&[SIGWINCH])?,
            quit: ear(&[SIGQUIT])?,
            stage: Arc::clone(&interrupts.stage),
            choice,
        };
        std::thread::Builder::new().name("catena-signals".into()).spawn(move || watcher.run())?;
        Ok(interrupts)
    }

    /// The execution is to end, or is left.
    pub(super) fn any(&self) -> bool {
        match *lock(&self.stage) {
            Stage::Cancelling | Stage::Leaving => true,
            Stage::Running | Stage::Asking | Stage::Over => false,
        }
    }

    /// Another execution has begun: an interrupt is about that one.
    pub(super) fn begin(&self) {
        let mut stage = lock(&self.stage);
        if *stage == Stage::Over {
            *stage = Stage::Running;
        }
    }

    /// The execution has ended: from now on an interrupt leaves.
    pub(super) fn end(&self) {
        let mut stage = lock(&self.stage);
        if *stage == Stage::Asking {
            view::question(&[]);
        }
        match *stage {
            Stage::Running | Stage::Asking | Stage::Over => *stage = Stage::Over,
            Stage::Cancelling | Stage::Leaving => {}
        }
    }
}

/// Hears signals, and keys while a question is open.
struct Watcher {
    interrupt: UnixStream,
    end: UnixStream,
    stop: UnixStream,
    resize: UnixStream,
    quit: UnixStream,
    stage: Arc<Mutex<Stage>>,
    choice: Choice,
}

impl Watcher {
    fn run(self) {
        loop {
            let ready = self.wait();
            self.mind_terminal(&ready);
            let ends = if ready.end { heard(&self.end) } else { 0 };
            let interrupts = if ready.interrupt { heard(&self.interrupt) } else { 0 };
            let ends = std::iter::repeat_n(Input::End, ends);
            ends.chain(std::iter::repeat_n(Input::Interrupt, interrupts)).for_each(|input| self.take(input));
            if ready.key {
                let mut bytes = [0; 64];
                let count = rustix::io::read(std::io::stdin(), &mut bytes).unwrap_or(0);
                self.take(Input::Key(Key::read(&bytes[..count])));
            }
        }
    }

    /// Signals that are about the terminal, and not about the execution.
    fn mind_terminal(&self, ready: &Ready) {
        if ready.stop {
            heard(&self.stop);
            // With the terminal as the shell expects it; goes on when the process does.
            view::suspend(|| drop(emulate_default_handler(SIGTSTP)));
        }
        if ready.quit {
            // Who wants this process gone with its memory kept gets that, but no terminal without a cursor.
            view::rescue();
            let _ended = emulate_default_handler(SIGQUIT);
        }
        if ready.resize {
            heard(&self.resize);
            view::redraw();
        }
    }

    fn wait(&self) -> Ready {
        let stdin = std::io::stdin();
        let is_asking = *lock(&self.stage) == Stage::Asking;
        let mut ears = vec![
            PollFd::new(&self.interrupt, PollFlags::IN),
            PollFd::new(&self.end, PollFlags::IN),
            PollFd::new(&self.stop, PollFlags::IN),
            PollFd::new(&self.resize, PollFlags::IN),
            PollFd::new(&self.quit, PollFlags::IN),
        ];
        if is_asking {
            ears.push(PollFd::new(&stdin, PollFlags::IN));
        }
        // An interrupted wait has heard nothing, and waits again.
        let polled = poll(&mut ears, None).is_ok();
        let is_ready = |at: usize| polled && ears.get(at).is_some_and(|ear| !ear.revents().is_empty());
        Ready {
            interrupt: is_ready(0),
            end: is_ready(1),
            stop: is_ready(2),
            resize: is_ready(3),
            quit: is_ready(4),
            key: is_ready(5),
        }
    }

    fn take(&self, input: Input) {
        let action = {
            let mut stage = lock(&self.stage);
            let (after, action) = next(*stage, input);
            *stage = after;
            action
        };
        match action {
            Action::Ask => {
                // Where nobody can be asked, the first interrupt says enough.
                if !view::question(&(self.choice.question)()) {
                    self.take(Input::Key(Key::Cancel));
                }
            }
            Action::GoOn => drop(view::question(&[])),
            Action::Cancel => {
                view::question(&[]);
                (self.choice.cancel)();
            }
            Action::Leave => {
                view::question(&[]);
                (self.choice.leave)();
            }
            Action::Nothing => {}
        }
    }
}

/// What can be read.
struct Ready {
    interrupt: bool,
    end: bool,
    stop: bool,
    resize: bool,
    quit: bool,
    key: bool,
}

/// One end of a pair of sockets; a signal is a byte into the other.
fn ear(signals: &[i32]) -> std::io::Result<UnixStream> {
    let (ear, mouth) = UnixStream::pair()?;
    ear.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, mouth.try_clone()?)?;
    }
    Ok(ear)
}

/// How many signals have come.
fn heard(mut ear: &UnixStream) -> usize {
    let mut bytes = [0; 64];
    ear.read(&mut bytes).unwrap_or(0)
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs one after another, and what each of them does.
    fn check(inputs: &[Input], actions: &[Action]) {
        let mut stage = Stage::Running;
        let taken: Vec<Action> = inputs
            .iter()
            .map(|input| {
                let (after, action) = next(stage, *input);
                stage = after;
                action
            })
            .collect();
        assert_eq!(taken, actions, "{inputs:?}");
    }

    #[test]
    fn a_person_is_asked_once_and_can_change_their_mind() {
        use Action::{Ask, Cancel, GoOn, Leave, Nothing};
        use Input::{End, Interrupt};
        let key = |text: &str| Input::Key(Key::read(text.as_bytes()));
        check(&[Interrupt, Interrupt, Interrupt], &[Ask, Cancel, Leave]);
        check(&[Interrupt, key("c"), Interrupt], &[Ask, Cancel, Leave]);
        check(&[Interrupt, key("d")], &[Ask, Leave]);
        check(&[Interrupt, key("\r"), Interrupt, key("\x1b"), Interrupt], &[Ask, GoOn, Ask, GoOn, Ask]);
        check(&[Interrupt, key("x"), key("\x1b[A"), key("C")], &[Ask, Nothing, Nothing, Cancel]);
        check(&[key("c"), Interrupt, key("")], &[Nothing, Ask, GoOn]);
        check(&[End], &[Leave]);
        check(&[Interrupt, End], &[Ask, Leave]);
    }
}
