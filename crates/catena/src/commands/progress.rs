//! What a person sees of a running execution: a line on stderr for everything worth one.

use catena_core::{
    Event, State, VisitNo,
    event::{Answer, Plan, SkipReason},
    state::VisitPhase,
};
use catena_engine::Places;
use catena_store::Entry;

use crate::output;

/// Lines of a failed attempt's output that are shown.
const TAIL_LINES: usize = 10;
const TAIL_MAX_BYTES: u64 = 64 * 1024;
/// Beyond it a line is cut; `ps logs` has all of it.
const TAIL_LINE_MAX_CHARS: usize = 500;

pub(super) struct Progress {
    places: Places,
    colour: bool,
}

impl Progress {
    pub(super) fn new(places: Places) -> Self {
        Self { places, colour: output::stderr_colour() }
    }

    /// Tells of an event that `state` has folded.
    pub(super) fn tell(&self, state: &State, entry: &Entry) {
        if let Some(line) = self.line(state, entry) {
            talk!("{line}");
        }
    }

    fn line(&self, state: &State, entry: &Entry) -> Option<String> {
        let at = |visit: VisitNo| state.address(visit);
        match &entry.event {
            Event::VisitCompleted { visit, .. } => {
                let took = state.visit(*visit).started_at.map(|from| output::duration(from, entry.at));
                let took = took.map(|took| format!("  {took}")).unwrap_or_default();
                Some(format!("{} {}{took}", self.green("✓"), at(*visit)))
            }
            Event::VisitEntered { visit, plan: Plan::Skip(SkipReason::When), .. } => {
                Some(format!("- {}  skipped: its condition is false", at(*visit)))
            }
            Event::VisitEntered { visit, plan: Plan::Values(_), .. } => {
                Some(format!("{} {}", self.green("✓"), at(*visit)))
            }
            Event::RetryScheduled { visit, wake_at } => {
                let pause = output::duration(entry.at, *wake_at);
                Some(format!("↻ {}  again in {pause}: {}", at(*visit), self.last_failure(state, *visit)))
            }
            Event::VisitFailed { visit, failure, .. } => {
                let shown = matches!(state.visit(*visit).phase, VisitPhase::Ended(_))
                    && state.visit(*visit).attempts > 0;
                let tail = if shown { self.tail(state, *visit) } else { String::new() };
                Some(format!("{} {}  {}{tail}", self.red("✗"), at(*visit), failure.message))
            }
            Event::VisitCancelled { visit } => Some(format!("- {}  cancelled", at(*visit))),
            Event::AttemptRequeued { visit } => {
                Some(format!("↻ {}  again: its attempt was lost", at(*visit)))
            }
            Event::VisitInDoubt { visit } => {
                Some(format!("? {}  in doubt: nobody saw whether it had its effect", at(*visit)))
            }
            Event::VisitQuarantined { visit } => {
                Some(format!("! {}  quarantined: its attempts were lost again and again", at(*visit)))
            }
            Event::VisitEntered { visit, plan: Plan::Wait { until }, .. } if *until > entry.at => {
                let pause = output::duration(entry.at, *until);
                Some(format!("… {}  waits {pause}, until {}", at(*visit), output::local(*until)))
            }
            Event::NextDelayed { wake_at, .. } => {
                Some(format!("… next step in {}", output::duration(entry.at, *wake_at)))
            }
            Event::VisitResolved { visit, .. } => {
                Some(format!("? {}  answered for by {}", at(*visit), entry.actor.as_str()))
            }
            Event::ExecutionPaused {} => Some(format!("‖ paused by {}", entry.actor.as_str())),
            Event::ExecutionResumed {} => Some(format!("▸ resumed by {}", entry.actor.as_str())),
            Event::ExecutionTimedOut { limit_ms } => {
                let seconds = *limit_ms as f64 / 1_000.0;
                Some(format!("{} the time of the execution is over: {seconds} s", self.red("✗")))
            }
            Event::UndoStarted {} => Some("↩ taking back what was done".to_owned()),
            Event::ExecutionCreated { .. }
            | Event::ExecutionStarted {}
            | Event::BlockOpened { .. }
            | Event::VisitEntered { .. }
            | Event::AttemptStarted { .. }
            | Event::CheckpointRecorded { .. }
            | Event::AttemptEnded { .. }
            | Event::TimerFired { .. }
            | Event::DelayElapsed { .. }
            | Event::VisitStopping { .. }
            | Event::Jumped { .. }
            | Event::BlockStopping { .. }
            | Event::BlockEnded { .. }
            | Event::CancelRequested { .. }
            | Event::ExecutionEnded { .. } => None,
        }
    }

    fn last_failure(&self, state: &State, visit: VisitNo) -> String {
        match &state.visit(visit).phase {
            VisitPhase::Answered(Answer::Failed { failure }) => failure.message.clone(),
            _ => format!("attempt {} failed", state.visit(visit).attempts),
        }
    }

    /// The last lines that the last attempt wrote.
    fn tail(&self, state: &State, visit: VisitNo) -> String {
        use std::io::{Read, Seek, SeekFrom};
        let attempt = catena_core::AttemptNo(state.visit(visit).attempts);
        let path = self.places.log(state.id(), state.address(visit).as_str(), attempt);
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        // No log means that it wrote nothing.
        let Ok(bytes) = read() else { return String::new() };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
        last.map(|line| format!("\n    {}", cut(super::ps::logs::text_of(line)))).collect()
    }

    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn cut(line: &str) -> std::borrow::Cow<'_, str> {
    match line.char_indices().nth(TAIL_LINE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]).into(),
        None => line.into(),
    }
}
