//! What a person has said of an execution, folded: a pause, a verdict over the whole, an answer for one visit.

use super::Misfit;
use std::collections::VecDeque;

use crate::{
    chain::{OnTimeout, Wait, Work},
    event::{Answer, ApprovalAnswer, Resolution},
    failure::{Failure, FailureType},
    ids::VisitNo,
    state::{Phase, Question, State, UndoPhase, VisitPhase},
    value::Value,
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
            // An undo or a handler is not stopped on the way: giving it up is its failure, and that of an undo the end.
            Resolution::GiveUp {} if self.is_aside(no) => {
                if self.record.phase == Phase::Undoing {
                    self.give_up();
                }
                Answer::Failed { failure: Failure::given_up() }
            }
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

    pub(super) fn signal_taken(&mut self, no: VisitNo) -> Result<(), Misfit> {
        let (VisitPhase::Awaiting { .. }, Work::Wait { wait: Wait::Signal { name, .. } }) =
            (&self.known(no)?.phase, &self.step_of(no).work)
        else {
            return Err("the visit waits for no signal");
        };
        let name = name.clone();
        let kept = self.record.signals.get_mut(&name);
        let value = kept.and_then(VecDeque::pop_front).ok_or("no signal of that name has arrived")?;
        if self.signals(&name) == 0 {
            self.record.signals.remove(&name);
        }
        // In the serial form null and nothing are the same.
        let value = Some(value).filter(|value| !value.is_null());
        self.set_phase(no, VisitPhase::Answered(Answer::Succeeded { value }));
        Ok(())
    }

    pub(super) fn approval_answered(&mut self, no: VisitNo, answer: &ApprovalAnswer) -> Result<(), Misfit> {
        let VisitPhase::Asking { title, .. } = &self.known(no)?.phase else {
            return Err("the visit asks nobody");
        };
        let next = match answer.approved {
            true => Answer::Succeeded { value: Some(approved(answer)) },
            false => Answer::Failed { failure: Failure::rejected(title, answer) },
        };
        self.set_phase(no, VisitPhase::Answered(next));
        Ok(())
    }

    /// What holds for a visit when nobody has answered or signalled in time.
    pub(super) fn answer_of_time(&self, no: VisitNo) -> Answer {
        let nobody = |approved| ApprovalAnswer { approved, by: String::new(), comment: None, form: None };
        match (&self.visit(no).phase, &self.step_of(no).work) {
            (VisitPhase::Asking { title, .. }, Work::Wait { wait: Wait::Approval(approval) }) => {
                match approval.on_timeout {
                    OnTimeout::Approve => Answer::Succeeded {
                        value: Some(match &approval.form {
                            Some(form) => with_defaults(form, Value::object([])),
                            None => approved(&nobody(true)),
                        }),
                    },
                    OnTimeout::Reject => Answer::Failed { failure: Failure::rejected(title, &nobody(false)) },
                    OnTimeout::Fail => {
                        let message = format!("nobody has answered `{title}` in time");
                        Answer::Failed { failure: Failure::lasting(FailureType::Timeout, message) }
                    }
                }
            }
            (_, Work::Wait { wait: Wait::Signal { name, .. } }) => {
                let message = format!("no signal `{name}` has arrived in time");
                Answer::Failed { failure: Failure::lasting(FailureType::Timeout, message) }
            }
            _ => unreachable!("only who waits for a person or a signal is answered by time"),
        }
    }
}

/// A form with the defaults of what was left out.
pub(crate) fn with_defaults(schema: &serde_json::Value, form: Value) -> Value {
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    let (Some(properties), serde_json::Value::Object(mut fields)) = (properties, form.as_json().clone())
    else {
        return form;
    };
    for (name, property) in properties {
        if let (None, Some(default)) = (fields.get(name), property.get("default")) {
            fields.insert(name.clone(), default.clone());
        }
    }
    Value::from(serde_json::Value::Object(fields))
}

/// The result of an approval: the form as it was filled in, else who has approved.
fn approved(answer: &ApprovalAnswer) -> Value {
    match &answer.form {
        Some(form) => form.clone(),
        None => {
            let by = Some(&answer.by).filter(|by| !by.is_empty());
            Value::from(serde_json::json!({ "approved": true, "by": by, "comment": answer.comment }))
        }
    }
}
