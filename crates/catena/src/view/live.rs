//! The view as commands have it: a block on a terminal, plain lines everywhere else. A thread draws, at a bounded rate,
//! and wakes by itself only while something on the picture moves with time.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use catena_core::{AttemptNo, State, VisitNo};
use catena_engine::{Clock, Places, SystemClock};
use catena_store::Entry;
use jiff::tz::TimeZone;
use rustix::{
    process::getpgrp,
    termios::{tcgetpgrp, tcgetwinsize},
};

use super::{
    keyboard,
    layout::{Scene, Sight, Size},
    lines,
    list::List,
    logs::{Logs, Newest, Running},
    model::{Doing, Model},
    painter::{Painted, Painter, RESCUE},
    text::{Colour, Line},
};
use crate::output;

/// Between two pictures at least: more of them nobody sees, and each costs the terminal work.
const PICTURE_EVERY: Duration = Duration::from_millis(80);
/// While something moves with time alone, the next picture comes after this.
const TICK: Duration = Duration::from_secs(1);
/// How long a way out waits for a picture that is being written.
const RESCUE_MAX: Duration = Duration::from_millis(500);
/// Of a terminal that does not know its size.
const SIZE_UNKNOWN: Size = Size { columns: 80, rows: 24 };

/// The block that is on the terminal now: whatever else is said has to go above it.
static LIVE: Mutex<Option<Arc<Live>>> = Mutex::new(None);

/// Shows executions one after another. Dropping it leaves the terminal as it was, with the lines that stay.
pub(crate) struct View {
    logs: Logs,
    colour: Colour,
    live: Option<(Arc<Live>, JoinHandle<()>)>,
}

struct Live {
    inside: Mutex<Inside>,
    changed: Condvar,
}

struct Inside {
    scene: Scene,
    question: Vec<String>,
    /// Lines that stay and have not been written yet.
    above: Vec<Painted>,
    painter: Painter,
    zone: TimeZone,
    is_stale: bool,
    painted_at: Option<Instant>,
    is_closed: bool,
}

impl View {
    pub(crate) fn new(places: Places) -> Self {
        let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
        let logs = Logs::new(places);
        let live = is_wanted().then(|| Live::start(logs.clone())).flatten();
        Self { logs, colour, live }
    }

    /// Shows an execution, which `state` has folded up to now.
    pub(crate) fn begin(&self, state: &State) {
        self.show(|| Scene::Execution(Box::new(Model::of(state))));
    }

    /// Tells of an event of it that `state` has folded.
    pub(crate) fn event(&self, state: &State, entry: &Entry) {
        let lines = lines::of(state, entry, Some(&self.logs));
        match &self.live {
            None => lines.iter().for_each(|line| talk!("{}", line.render(self.colour))),
            Some((live, _)) => live.change(|inside| {
                inside.above.extend(lines.iter().map(painted));
                if let Scene::Execution(model) = &mut inside.scene {
                    model.event(state, entry);
                }
            }),
        }
    }

    /// Says below the steps what a person should know now, until something else is said.
    pub(crate) fn note(&self, note: Option<&str>) {
        if let Some((live, _)) = &self.live {
            live.change(|inside| {
                if let Scene::Execution(model) = &mut inside.scene {
                    model.note = note.map(str::to_owned);
                }
            });
        } else if let Some(note) = note {
            talk!("{note}");
        }
    }

    /// The execution has ended, or is followed no longer: the block goes at once.
    #[expect(dead_code, reason = "who follows one execution after another ends each by it")]
    pub(crate) fn end(&self) {
        if let Some((live, _)) = &self.live {
            live.finish(Scene::Nothing);
        }
    }

    /// Nothing runs; says what comes next.
    #[expect(dead_code, reason = "who hosts schedules shows by it when the next execution starts")]
    pub(crate) fn idle(&self, text: &str) {
        match &self.live {
            Some(_) => self.show(|| Scene::Idle(text.to_owned())),
            None => talk!("{text}"),
        }
    }

    /// Shows a list in place of an execution. False where there is no terminal for it.
    pub(crate) fn list(&self, list: List) -> bool {
        self.show(|| Scene::List(list));
        self.live.is_some()
    }

    fn show(&self, scene: impl FnOnce() -> Scene) {
        if let Some((live, _)) = &self.live {
            live.change(|inside| inside.scene = scene());
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some((live, thread)) = self.live.take() {
            live.close();
            *lock(&LIVE) = None;
            keyboard::restore();
            // A panic of the thread has been told of.
            drop(thread.join());
        }
    }
}

/// Says something above the block. False where there is none.
pub(crate) fn say(text: &str) -> bool {
    let Some(live) = lock(&LIVE).clone() else { return false };
    live.change(|inside| inside.above.extend(text.lines().map(said)));
    true
}

/// Puts a question in parts at the foot of the block, and lets it be answered by keys; without parts takes it away.
/// False where there is no block or no keyboard.
pub(crate) fn question(parts: &[String]) -> bool {
    let Some(live) = lock(&LIVE).clone() else { return false };
    match parts.is_empty() {
        true => keyboard::quiet(),
        false if !keyboard::key_by_key() => return false,
        false => {}
    }
    live.change(|inside| inside.question = parts.to_vec());
    true
}

/// The terminal is not what it was.
pub(crate) fn redraw() {
    if let Some(live) = lock(&LIVE).clone() {
        live.change(|_| ());
    }
}

/// Leaves the terminal to others while `meanwhile` runs, such as a stop of this process.
pub(crate) fn suspend(meanwhile: impl FnOnce()) {
    let Some(live) = lock(&LIVE).clone() else { return meanwhile() };
    let mut inside = live.lock();
    inside.clear();
    keyboard::restore();
    meanwhile();
    keyboard::quiet();
    inside.is_stale = true;
    drop(inside);
    live.changed.notify_all();
}

/// Puts the terminal back before this process ends in the middle of something. A picture that is being written is waited
/// for, but not for ever: a terminal that takes nothing needs nothing back.
pub(crate) fn rescue() {
    let Some(live) = lock(&LIVE).take() else { return };
    let began = Instant::now();
    loop {
        match live.inside.try_lock() {
            Ok(mut inside) => inside.close(),
            Err(TryLockError::Poisoned(inside)) => inside.into_inner().close(),
            Err(TryLockError::WouldBlock) if began.elapsed() < RESCUE_MAX => {
                std::thread::yield_now();
                continue;
            }
            Err(TryLockError::WouldBlock) => {}
        }
        break;
    }
    keyboard::restore();
}

/// Panics are told above the block; one of the view itself takes the block away first.
pub(crate) fn tell_of_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let live = LIVE.try_lock().ok().and_then(|live| live.clone());
        match live.as_ref().map(|live| live.inside.try_lock()) {
            Some(Ok(mut inside)) => {
                inside.above.extend(panic.to_string().lines().map(said));
                inside.paint();
            }
            // It may be this thread that has the view: nobody is waited for.
            Some(Err(_)) => {
                *lock(&LIVE) = None;
                write(RESCUE);
                keyboard::restore();
                default(panic);
            }
            None => default(panic),
        }
    }));
}

impl Live {
    fn start(logs: Logs) -> Option<(Arc<Self>, JoinHandle<()>)> {
        let inside = Inside {
            scene: Scene::Nothing,
            question: Vec::new(),
            above: Vec::new(),
            painter: Painter::default(),
            zone: TimeZone::system(),
            is_stale: false,
            painted_at: None,
            is_closed: false,
        };
        let live = Arc::new(Self { inside: Mutex::new(inside), changed: Condvar::new() });
        let drawn = Arc::clone(&live);
        let draw = move || drawn.draw(&mut Newest::new(logs));
        // Without a thread there are plain lines.
        let thread = std::thread::Builder::new().name("catena-view".into()).spawn(draw).ok()?;
        keyboard::quiet();
        *lock(&LIVE) = Some(Arc::clone(&live));
        Some((live, thread))
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        let mut inside = self.lock();
        change(&mut inside);
        // While the picture is stale already, its thread waits for the moment and not to be told.
        if !std::mem::replace(&mut inside.is_stale, true) {
            self.changed.notify_all();
        }
    }

    fn finish(&self, scene: Scene) {
        let mut inside = self.lock();
        inside.scene = scene;
        inside.paint();
    }

    fn close(&self) {
        self.lock().close();
        self.changed.notify_all();
    }

    fn draw(&self, newest: &mut Newest) {
        let mut inside = self.lock();
        while !inside.is_closed {
            if !inside.is_stale {
                inside = self.wait(inside);
                continue;
            }
            let gap = inside.painted_at.map(|at| PICTURE_EVERY.saturating_sub(at.elapsed()));
            if let Some(gap) = gap.filter(|gap| !gap.is_zero()) {
                inside = wait_for(&self.changed, inside, gap).0;
                continue;
            }
            inside = self.read_logs(inside, newest);
            inside.paint();
        }
    }

    /// Until something changes, or a second has passed in which something moved.
    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        if !inside.scene.moves() {
            return self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut inside, timed_out) = wait_for(&self.changed, inside, TICK);
        inside.is_stale |= timed_out;
        inside
    }

    /// Looks into the logs of what runs, with the view open to others meanwhile.
    fn read_logs<'a>(
        &'a self,
        inside: MutexGuard<'a, Inside>,
        newest: &mut Newest,
    ) -> MutexGuard<'a, Inside> {
        let running = inside.running();
        drop(inside);
        let attempts: Vec<Running> = running.values().cloned().collect();
        let lines = newest.read(&attempts);
        let mut inside = self.lock();
        if let Scene::Execution(model) = &mut inside.scene {
            for ((visit, running), line) in running.iter().zip(lines) {
                let row = model.rows.get_mut(visit).filter(|row| row.attempt == running.attempt.0);
                if let Some(row) = row {
                    row.log = line;
                }
            }
        }
        inside
    }
}

impl Inside {
    /// The attempts that may have a row in the block.
    fn running(&self) -> BTreeMap<VisitNo, Running> {
        let Scene::Execution(model) = &self.scene else { return BTreeMap::new() };
        let rows = model.sorted().into_iter().take(size().rows);
        let running = rows.filter(|(_, row)| matches!(row.doing, Doing::Running { .. }));
        let attempt = |(visit, row): (VisitNo, &super::model::Row)| {
            let (address, attempt) = (row.address.clone(), AttemptNo(row.attempt));
            (visit, Running { execution: model.execution, address, attempt })
        };
        running.map(attempt).collect()
    }

    fn paint(&mut self) {
        self.is_stale = false;
        self.painted_at = Some(Instant::now());
        let size = size();
        // A background job would write into what is in front now: its lines still come, its block does not.
        let block = match is_in_front() && !self.is_closed {
            true => {
                let sight = Sight { size, now: SystemClock.now(), zone: self.zone.clone() };
                self.scene.block(&self.question, &sight).iter().map(painted).collect()
            }
            false => Vec::new(),
        };
        let above = std::mem::take(&mut self.above);
        write(&self.painter.paint(&above, block, size));
    }

    /// Takes the block away; what is painted next is a whole picture.
    fn clear(&mut self) {
        let above = std::mem::take(&mut self.above);
        write(&self.painter.paint(&above, Vec::new(), size()));
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.clear();
    }
}

/// Whether stderr is a terminal that a block can be drawn on.
fn is_wanted() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let can_move = variable("TERM").is_some_and(|term| term != "dumb");
    std::io::stderr().is_terminal() && can_move && variable("NO_COLOR").is_none() && is_in_front()
}

/// Whether this is what the terminal's user works with now. A terminal that controls nobody is everybody's.
fn is_in_front() -> bool {
    tcgetpgrp(std::io::stderr()).map_or(true, |foreground| foreground == getpgrp())
}

fn size() -> Size {
    match tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
        }
        Ok(_) | Err(_) => SIZE_UNKNOWN,
    }
}

/// In one piece, as far as the terminal takes it. Who no longer looks ends no chain.
fn write(text: &str) {
    if !text.is_empty() {
        let _nobody_looks = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

fn painted(line: &Line) -> Painted {
    Painted { text: line.render(Colour::On), width: line.width() }
}

/// What other parts of the program say may have colours already.
fn said(text: &str) -> Painted {
    Painted { text: text.to_owned(), width: usize::MAX }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The second is whether the time has run out.
fn wait_for<'a>(
    condition: &Condvar,
    inside: MutexGuard<'a, Inside>,
    time: Duration,
) -> (MutexGuard<'a, Inside>, bool) {
    let (inside, ended) = condition.wait_timeout(inside, time).unwrap_or_else(PoisonError::into_inner);
    (inside, ended.timed_out())
}
