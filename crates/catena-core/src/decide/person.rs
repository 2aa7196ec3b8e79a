//! Signals, and what a person answers to what a step asks.

use super::Decider;
use crate::{
    chain::{Approval, Chain, Wait, Work, schema::mismatches},
    command::{Rejection, SIGNALS_MAX},
    event::{ApprovalAnswer, Event},
    ids::VisitNo,
    state::{VisitPhase, with_defaults},
    value::Value,
};

impl Decider<'_> {
    pub(super) fn signal(&mut self, name: String, value: Value) -> Result<(), Rejection> {
        if self.state.has_ended() {
            return Err(Rejection::Ended);
        }
        let known = self.state.chain().signals();
        if !known.contains(&name.as_str()) {
            let known = match known.as_slice() {
                [] => "it waits for none".to_owned(),
                names => format!("it waits for `{}`", names.join("`, `")),
            };
            return Err(Rejection::UnknownSignal { name, known });
        }
        if self.state.signals(&name) >= SIGNALS_MAX {
            return Err(Rejection::TooManySignals { name });
        }
        let value = self.keep(value).map_err(|_| Rejection::SignalTooLarge)?;
        self.emit(Event::SignalReceived { name, value });
        Ok(())
    }

    /// A visit waits for a signal: it has to stop, or there is one.
    pub(super) fn decide_awaiting(&mut self, no: VisitNo) {
        let visit = self.state.visit(no);
        if visit.stopping.is_some() || self.state.is_closing(visit.frame) {
            return self.end_waiting(no);
        }
        self.emit(Event::SignalTaken { visit: no });
    }

    pub(super) fn answer_approval(&mut self, no: VisitNo, answer: ApprovalAnswer) -> Result<(), Rejection> {
        if self.state.has_ended() {
            return Err(Rejection::Ended);
        }
        let approval = self.asked(no).ok_or(Rejection::NotAsking { visit: no })?;
        if !approval.approvers.is_empty() && !approval.approvers.contains(&answer.by) {
            let approvers = approval.approvers.join(", ");
            return Err(Rejection::NotApprover { by: answer.by, approvers });
        }
        let form = match (&approval.form, answer.approved) {
            (Some(schema), true) => Some(filled_in(schema, answer.form)?.keep(&mut self.blobs)),
            (None, true) if answer.form.as_ref().is_some_and(has_something) => {
                return Err(Rejection::FormUnfit("the question has no form to fill in".to_owned()));
            }
            (_, _) => None,
        };
        self.emit(Event::ApprovalAnswered { visit: no, answer: ApprovalAnswer { form, ..answer } });
        Ok(())
    }

    /// What a visit asks, if it does.
    fn asked(&self, no: VisitNo) -> Option<&Approval> {
        let is_known = no.index() < self.state.visit_count();
        match (is_known.then(|| &self.state.visit(no).phase)?, &self.state.step_of(no).work) {
            (VisitPhase::Asking { .. }, Work::Wait { wait: Wait::Approval(approval) }) => Some(approval),
            _ => None,
        }
    }
}

fn has_something(form: &Value) -> bool {
    form.as_json().as_object().is_none_or(|fields| !fields.is_empty())
}

/// The form with the defaults of what was left out, if it fits.
fn filled_in(schema: &serde_json::Value, form: Option<Value>) -> Result<Value, Rejection> {
    let filled = with_defaults(schema, form.unwrap_or_else(|| Value::object([])));
    let wrong = mismatches(schema, filled.as_json());
    if wrong.is_empty() {
        return Ok(filled);
    }
    let all = wrong.iter().map(|one| match one.path.trim_start_matches('.') {
        "" => format!("it {}", one.message),
        path => format!("`{path}` {}", one.message),
    });
    Err(Rejection::FormUnfit(all.collect::<Vec<_>>().join("; ")))
}

impl Chain {
    /// The names of the signals that its steps wait for.
    pub fn signals(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .steps()
            .filter_map(|(_, step)| match &step.work {
                Work::Wait { wait: Wait::Signal { name, .. } } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
