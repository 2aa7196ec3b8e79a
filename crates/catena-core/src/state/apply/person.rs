//! What a person has said of an execution, folded: a pause, a verdict over the whole, an answer for one visit.

use super::Misfit;
use crate::{
    event::{Answer, Resolution},
    failure::Failure,
    ids::VisitNo,
    state::{Question, State, UndoPhase, VisitPhase},
};

impl State {
    pub(super) fn set_paused(&mut self, paused: bool) {
        if self.record.paused != paused {
            self.record.paused = paused;
            // What may go on changes everywhere; it happens by hand, and seldom.
            self.rebuild_agenda();
        }
    }

    pub(super) fn give_verdict(&mut self, failure: Failure) {
        self.record.verdict.get_or_insert(failure);
        self.touch_root();
        self.touch_execution();
    }

    /// A person's word stands, also over a limit that was reached before: nothing else would bring it to its end.
    fn give_up(&mut self) {
        self.record.verdict = None;
        self.give_verdict(Failure::given_up());
    }

    pub(super) fn visit_resolved(&mut self, no: VisitNo, resolution: &Resolution) -> Result<(), Misfit> {
        match self.known(no)?.question() {
            Some(Question::InDoubt | Question::Quarantined) => self.doubt_resolved(no, resolution),
            Some(Question::UndoFailed) => self.undo_resolved(no, resolution),
            None => return Err("the visit waits for no person"),
        }
        Ok(())
    }

    fn doubt_resolved(&mut self, no: VisitNo, resolution: &Resolution) {
        let answer = match resolution {
            Resolution::Completed { value } => Answer::Succeeded { value: value.clone() },
            Resolution::Failed {} => Answer::Failed { failure: Failure::answered_failed() },
            Resolution::RunAgain {} => {
                let visit = self.visit_mut(no);
                visit.losses_forgiven = visit.losses;
                self.set_phase(no, VisitPhase::Ready);
                return;
            }
            // An undo is not stopped on the way: giving it up is its failure.
            Resolution::GiveUp {} if self.is_in_undo(no) => Answer::Failed { failure: Failure::given_up() },
            Resolution::GiveUp {} => return self.give_up(),
        };
        self.set_phase(no, VisitPhase::Answered(answer));
    }

    fn undo_resolved(&mut self, no: VisitNo, resolution: &Resolution) {
        match resolution {
            Resolution::Completed { .. } => {
                self.record.undo_due.pop();
                self.visit_mut(no).undo = UndoPhase::Done;
            }
            Resolution::RunAgain {} => self.visit_mut(no).undo = UndoPhase::None,
            Resolution::Failed {} | Resolution::GiveUp {} => self.give_up(),
        }
        self.touch_execution();
    }
}
