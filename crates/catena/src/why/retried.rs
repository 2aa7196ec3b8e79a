//! Why there was more than one attempt: each with how it ended and the pause after it.

use std::collections::BTreeMap;

use catena_core::{Event, Timestamp, VisitNo, event::Answer, failure::Failure};

use super::{
    case::Case,
    reason::{About, NAMED_MAX, Reason, failure_words, span},
};

/// Of many attempts, the first are told of.
const ATTEMPTS_MAX: usize = 10;

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let histories = histories(case);
    let retried = histories.into_iter().filter(|(no, history)| case.is_about(*no) && history.again > 0);
    retried.take(NAMED_MAX).map(|(no, history)| history.reason(case, no)).collect()
}

/// What the journal says of the tries of a visit.
#[derive(Default)]
struct History {
    began: Option<Timestamp>,
    tries: Vec<String>,
    again: usize,
}

/// One pass over the journal.
fn histories(case: &Case<'_>) -> BTreeMap<VisitNo, History> {
    let mut histories: BTreeMap<VisitNo, History> = BTreeMap::new();
    for entry in case.entries {
        let Some(no) = entry.event.visit() else { continue };
        if let Some(news) = news_of(&entry.event) {
            histories.entry(no).or_default().hear(news, entry.at);
        }
    }
    histories
}

/// What an event says of tries.
enum News<'a> {
    Began,
    Ended(u32, &'a Answer),
    Scheduled(Timestamp),
    Requeued,
}

fn news_of(event: &Event) -> Option<News<'_>> {
    match event {
        Event::AttemptStarted { .. } => Some(News::Began),
        Event::AttemptEnded { attempt, answer, .. } => Some(News::Ended(attempt.0, answer)),
        Event::RetryScheduled { wake_at, .. } => Some(News::Scheduled(*wake_at)),
        Event::AttemptRequeued { .. } => Some(News::Requeued),
        Event::VisitEntered { .. }
        | Event::TimerFired { .. }
        | Event::IterationStarted { .. }
        | Event::IterationScheduled { .. }
        | Event::VisitCompleted { .. }
        | Event::VisitFailed { .. }
        | Event::VisitCancelled { .. }
        | Event::VisitInDoubt { .. }
        | Event::VisitQuarantined { .. }
        | Event::ExecutionCreated { .. }
        | Event::ExecutionStarted {}
        | Event::BlockOpened { .. }
        | Event::NextDelayed { .. }
        | Event::DelayElapsed { .. }
        | Event::CheckpointRecorded { .. }
        | Event::IterationEnded { .. }
        | Event::AlternativeStarted { .. }
        | Event::VisitStopping { .. }
        | Event::VisitResolved { .. }
        | Event::Jumped { .. }
        | Event::BlockStopping { .. }
        | Event::BlockEnded { .. }
        | Event::CancelRequested { .. }
        | Event::ExecutionPaused {}
        | Event::ExecutionResumed {}
        | Event::ExecutionTimedOut { .. }
        | Event::UndoStarted {}
        | Event::ExecutionHeld {}
        | Event::ExecutionAdmitted {}
        | Event::StepsSelected { .. }
        | Event::ResultsAdopted { .. }
        | Event::DutiesAdopted { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::ApprovalAnswered { .. }
        | Event::ChildStarted { .. }
        | Event::ChildHalted { .. }
        | Event::ChildUndoStarted { .. }
        | Event::ChildUndoEnded { .. }
        | Event::ChildUndoHalted { .. }
        | Event::CacheAnswered { .. }
        | Event::HandlersStarted { .. }
        | Event::StopForced {}
        | Event::ExecutionEnded { .. } => None,
    }
}

impl History {
    fn hear(&mut self, news: News<'_>, at: Timestamp) {
        match news {
            News::Began => self.began = Some(at),
            News::Ended(attempt, answer) => self.ended(attempt, answer, at),
            News::Scheduled(wake_at) => self.scheduled(wake_at.micros_since(at)),
            News::Requeued => self.again += 1,
        }
    }

    fn ended(&mut self, attempt: u32, answer: &Answer, at: Timestamp) {
        let took =
            self.began.map(|from| format!(" after {}", span(at.micros_since(from)))).unwrap_or_default();
        let how = match answer {
            Answer::Succeeded { .. } => "succeeded".to_owned(),
            Answer::Failed { failure } => format!("failed{took} with {}", failure_words(failure)),
            Answer::TimedOut { limit_ms } => {
                format!("failed with {}", failure_words(&Failure::timed_out("it", *limit_ms)))
            }
            Answer::Cancelled {} => format!("was cancelled{took}"),
            Answer::Lost { message } => format!("was lost ({message})"),
        };
        self.tries.push(format!("attempt {attempt} {how}"));
    }

    fn scheduled(&mut self, pause_us: u64) {
        self.again += 1;
        match self.tries.last_mut() {
            Some(last) => last.push_str(&format!(", then a pause of {}", span(pause_us))),
            // The tries of a block are those of its steps.
            None => self
                .tries
                .push(format!("its steps failed, and run again after a pause of {}", span(pause_us))),
        }
    }

    fn reason(&self, case: &Case<'_>, no: VisitNo) -> Reason {
        let address = case.address(no);
        let mut tries = self.tries.iter().take(ATTEMPTS_MAX).cloned().collect::<Vec<_>>().join("; ");
        if self.tries.len() > ATTEMPTS_MAX {
            tries.push_str(&format!("; and {} more", self.tries.len() - ATTEMPTS_MAX));
        }
        let max = case.state.step_of(no).retry.as_ref().map(|retry| retry.max_attempts);
        let policy = max.map(|max| format!(" (at most {max} attempts)")).unwrap_or_default();
        Reason::new(About::Retried, format!("`{address}` was tried again{policy}: {tries}"))
            .at(address)
            .next(format!("catena ps logs {} --step {}", case.id(), case.word(no)))
    }
}
