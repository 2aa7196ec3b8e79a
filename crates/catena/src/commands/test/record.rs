//! `catena test --from-execution`: an execution as a case, for a file of cases to begin with.

use std::collections::BTreeMap;

use catena_core::{
    Event, ExecutionId, State, Timestamp, Value, VisitNo,
    event::Answer,
    state::{Phase, Selection},
};
use catena_engine::read_state;
use catena_store::{Entry, Store, whole};
use serde_json::{Map, Value as Json, json};

use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

/// Prints the case in JSON, which is YAML, too, with a line for each thing.
pub(super) fn print(id: ExecutionId, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let (state, entries) = read_state(&reader, id).map_err(|_| hosting::unknown(id))?;
    if state.selection() != &Selection::default() || state.adopted().from.is_some() {
        let message = format!(
            "execution {id} ran a part of its chain, or kept results of another one: a case of it would run all"
        );
        return Err(
            Failure::new(Code::Conflict, message).next("catena test --from-execution, of a whole one")
        );
    }
    let case = json!({
        "name": format!("execution {id}: {}", state.status()),
        "given": given(&reader, &state, &entries)?,
        "expect": expect(&reader, &state, &entries)?,
    });
    let chain = format!("{}.yaml", state.chain().name);
    let file = json!({"chain": chain, "cases": [case]});
    let text = serde_json::to_string_pretty(&file).expect("plain data");
    output::line(&text)?;
    talk!("  next: correct the path of `chain`, and catena test FILE");
    Ok(Code::Completed)
}

fn given(store: &dyn Store, state: &State, entries: &[Entry]) -> Result<Json, Failure> {
    let mut began: BTreeMap<VisitNo, Timestamp> = BTreeMap::new();
    let mut steps = Map::new();
    let mut signals = Vec::new();
    let start = entries.first().map_or(Timestamp::ZERO, |entry| entry.at);
    let mut cancel = Json::Null;
    for entry in entries {
        match &entry.event {
            Event::AttemptStarted { visit, .. } | Event::VisitEntered { visit, .. } => {
                began.insert(*visit, entry.at);
            }
            Event::AttemptEnded { visit, answer, .. } => {
                let takes = seconds(began.get(visit).copied().unwrap_or(entry.at), entry.at);
                let of = steps.entry(state.address(*visit).to_string()).or_insert_with(|| json!({}));
                add_answer(store, of, answer, takes)?;
            }
            Event::ApprovalAnswered { visit, answer } => {
                let takes = seconds(began.get(visit).copied().unwrap_or(entry.at), entry.at);
                let form = answer.form.as_ref().map_or_else(|| json!({}), |form| form.as_json().clone());
                let of = match answer.approved {
                    true => json!({"result": form, "takes": takes}),
                    false => json!({"fail": true, "takes": takes}),
                };
                steps.insert(state.address(*visit).to_string(), of);
            }
            Event::SignalReceived { name, value } => {
                let value = whole(store, value)?;
                signals.push(json!({"name": name, "at": seconds(start, entry.at), "value": value}));
            }
            Event::CancelRequested { rollback } => {
                cancel = json!({"at": seconds(start, entry.at), "rollback": rollback});
            }
            _ => {}
        }
    }
    let mut given = json!({
        "at": output::rfc3339(start),
        "params": whole(store, state.params())?,
        "steps": steps,
    });
    if !signals.is_empty() {
        given["signals"] = signals.into();
    }
    if !cancel.is_null() {
        given["cancel"] = cancel;
    }
    Ok(given)
}

/// One more try of a visit: failures come before its result.
fn add_answer(store: &dyn Store, of: &mut Json, answer: &Answer, takes: String) -> Result<(), Failure> {
    of["takes"] = takes.into();
    let kind = match answer {
        Answer::Succeeded { value } => {
            let value = value.clone().unwrap_or_else(Value::null);
            of["result"] = whole(store, &value)?;
            return Ok(());
        }
        Answer::Failed { failure } => failure.kind.as_str().to_owned(),
        Answer::TimedOut { .. } => "timeout".to_owned(),
        // What was stopped is stopped here, too; what was lost ran once more.
        Answer::Cancelled {} | Answer::Lost { .. } => return Ok(()),
    };
    let times = of["fail"]["times"].as_u64().unwrap_or(0) + 1;
    of["fail"] = json!({"times": times, "type": kind});
    Ok(())
}

fn expect(store: &dyn Store, state: &State, entries: &[Entry]) -> Result<Json, Failure> {
    let path = catena_sim::path(state);
    let mut expect = json!({"status": state.status().as_str(), "path": path});
    if let Phase::Ended { output, error, .. } = state.phase() {
        expect["output"] = whole(store, output)?;
        if let Some(error) = error {
            expect["error"] = error.kind.as_str().into();
        }
    }
    let undone = catena_sim::undone(state, entries.iter().map(|entry| &entry.event));
    if !undone.is_empty() {
        expect["undone"] = undone.into();
    }
    Ok(expect)
}

fn seconds(from: Timestamp, to: Timestamp) -> String {
    format!("{}ms", to.micros_since(from) / 1_000)
}
