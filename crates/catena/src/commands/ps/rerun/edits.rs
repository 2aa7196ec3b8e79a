//! What a rerun is told to change of what the execution before has left.

use std::collections::BTreeMap;

use catena_core::{FrameNo, GivenContext, State, StepIx, Value, chain::Work};
use catena_store::{Store, Version, whole};
use serde_json::{Map, Value as Json};

use super::{RerunArgs, named};
use crate::{
    commands::{context, moment::Moment, pins},
    exit::Failure,
    home::Locations,
};

#[derive(Default)]
pub(super) struct Edits {
    pub(super) params: BTreeMap<String, Value>,
    pub(super) pins: Vec<(StepIx, Value)>,
    pub(super) context: GivenContext,
    /// What is said otherwise and cannot be changed: a rerun makes it anew.
    pub(super) ignored: Vec<String>,
}

impl Edits {
    /// What is changed of what was there.
    pub(super) fn told(&self, version: &Version) -> Vec<String> {
        let results = self.pins.iter().map(|(step, _)| version.chain.step(*step).id.to_string());
        let names = self.params.keys().chain(self.context.variables.keys()).cloned();
        let changed: Vec<String> = results.chain(names).collect();
        let line =
            |words: &str, all: &[String]| (!all.is_empty()).then(|| format!("{words}: {}", named(all)));
        let ignored = line("not changed, since a rerun makes it anew", &self.ignored);
        line("changed", &changed).into_iter().chain(ignored).collect()
    }
}

/// What `--pin` says, and before it what differs in `--context` from what the execution has.
pub(super) fn of(
    args: &RerunArgs,
    store: &dyn Store,
    locations: &Locations,
    state: &State,
    version: &Version,
) -> Result<Edits, Failure> {
    let mut edits = Edits { pins: pins::read(&args.pin, &version.chain)?, ..Edits::default() };
    let Some(text) = &args.context else { return Ok(edits) };
    let mut given = context::read(text, &version.chain, None, &mut Vec::new())?;
    let mut known = Known::default();
    known.add(store, state, FrameNo::ROOT)?;
    // It may say what there was when the step was come to, or at the end.
    if let Some(from) = &args.from {
        let moment = Moment::of(locations, args.id, Some(from))?;
        known.add(store, &moment.state, moment.frame)?;
    }
    let params = whole(store, state.params())?;
    edits.params =
        given.params.into_iter().filter(|(name, value)| params[name] != *value.as_json()).collect();
    let own = &state.chain().variables;
    let before = |name: &String| state.selection().context.variables.get(name).or_else(|| own.get(name));
    edits.context.variables = std::mem::take(&mut given.context.variables);
    // One that is not said otherwise is the version's.
    edits.context.variables.retain(|name, value| before(name) != Some(&*value));
    edits.ignored = known.ignored(&given.context, version);
    for (step, result) in known.changed(given.context, version) {
        if !edits.pins.iter().any(|(pinned, _)| *pinned == step) {
            edits.pins.push((step, result));
        }
    }
    Ok(edits)
}

/// Results and names as they were, at one moment or another.
#[derive(Default)]
struct Known {
    /// Statuses, errors and attempts.
    steps: BTreeMap<String, Vec<Value>>,
    results: BTreeMap<String, Vec<Json>>,
    names: BTreeMap<String, Vec<Json>>,
}

impl Known {
    fn add(&mut self, store: &dyn Store, state: &State, frame: FrameNo) -> Result<(), Failure> {
        for (ix, value) in state.steps_seen_from(frame) {
            let id = state.chain().step(ix).id.to_string();
            self.steps.entry(id.clone()).or_default().push(value.clone());
            if let Some(result) = value.get("result") {
                self.results.entry(id).or_default().push(whole(store, &result)?);
            }
        }
        for (name, value) in state.names_seen(frame) {
            self.names.entry(name).or_default().push(whole(store, &value)?);
        }
        Ok(())
    }

    /// Names that no step leaves, and what a step came to beside its result.
    fn ignored(&self, given: &GivenContext, version: &Version) -> Vec<String> {
        let chain = &version.chain;
        let is_left = |name: &str| {
            chain.steps().any(|(_, step)| match &step.work {
                Work::Set { values } => values.iter().any(|(set, _)| set == name),
                _ => step.output_key.as_deref() == Some(name),
            })
        };
        let is_said = |name: &str, value: &Value| {
            self.names.get(name).is_some_and(|known| known.contains(value.as_json()))
        };
        let names = given.names.iter().filter(|(name, value)| !is_left(name) && !is_said(name, value));
        let differs = |id: &str, value: &Value| {
            let is_same = |known: &Value| {
                ["status", "error", "attempts"].iter().all(|field| known.get(field) == value.get(field))
            };
            value.get("result").is_none()
                && !self.steps.get(id).is_some_and(|known| known.iter().any(is_same))
        };
        let ids = given.steps.iter().map(|(step, value)| (chain.step(*step).id.to_string(), value));
        let steps = ids.filter(|(id, value)| differs(id, value)).map(|(id, _)| format!("steps.{id}"));
        names.map(|(name, _)| name.clone()).chain(steps).collect()
    }

    /// The steps of which something else is said, with what they are to have left.
    fn changed(&self, given: GivenContext, version: &Version) -> BTreeMap<StepIx, Value> {
        let chain = &version.chain;
        let is_known = |known: &BTreeMap<String, Vec<Json>>, name: &str, value: &Value| {
            known.get(name).is_some_and(|known| known.contains(value.as_json()))
        };
        let mut changed = BTreeMap::new();
        for (step, value) in &given.steps {
            if let Some(result) = value.get("result")
                && !is_known(&self.results, chain.step(*step).id.as_str(), &result)
            {
                changed.insert(*step, result);
            }
        }
        for (step, of) in chain.steps() {
            let Work::Set { values } = &of.work else { continue };
            // Its result says more of it than names, which others may have, too.
            if given.steps.get(&step).is_some_and(|given| given.get("result").is_some()) {
                continue;
            }
            let said = values.iter().filter_map(|(name, _)| Some((name, given.names.get(name)?)));
            let new: Vec<_> = said.filter(|(name, value)| !is_known(&self.names, name, value)).collect();
            if new.is_empty() || changed.contains_key(&step) {
                continue;
            }
            let before = self.results.get(of.id.as_str()).and_then(|known| known.first());
            let mut fields: Map<String, Json> =
                before.and_then(|before| before.as_object()).cloned().unwrap_or_default();
            for (name, value) in new {
                fields.insert(name.clone(), value.as_json().clone());
            }
            changed.insert(step, Value::from(Json::Object(fields)));
        }
        changed
    }
}
