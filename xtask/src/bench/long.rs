//! Whether a step grows dearer with its chain: 10,000 steps in one execution, beside as many in executions of 10.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use catena_core::{
    AttemptNo, Command, Effect, ExecutionId, Loaded, Outside, State, Timestamp, Value,
    command::{Slots, Start},
    event::{Answer, Trigger},
};
use catena_store::Version;

use super::{
    chains::{GATE, MARK, NOOP, call, marked, version},
    lab::Lab,
    measure::{Goal, Measured, Series, Unit, in_turns},
    run::Setting,
};

const SHORT: usize = 10;
const GOAL: Goal = Goal::RatioAtMost(1.2);

/// With all that a durable step is. The long execution stops at a gate now and then, while the short ones run.
pub(super) fn durable(setting: &Setting) -> anyhow::Result<Measured> {
    let (segments, steps) = setting.size.pick((20, 500), (2, 20));
    let lab = Lab::open(setting, 8)?;
    let short = marked("short", SHORT)?;
    // A gate, then steps that do nothing, then the mark that ends the segment.
    let segment = || [call(GATE)].into_iter().chain((2..steps).map(|_| call(NOOP))).chain([call(MARK)]);
    let long = version("long", (0..segments).flat_map(|_| segment()))?;
    lab.run_marked(&short)?;

    let execution = lab.start(&long)?;
    let (mut mine, mut floor) = (Series::default(), Series::default());
    for _ in 0..segments {
        // The long chain waits at its gate.
        lab.mark()?;
        let mut spent = Duration::ZERO;
        for _ in 0..steps / SHORT {
            spent += lab.run_marked(&short)?;
        }
        let begun = Instant::now();
        lab.open_gate()?;
        let took = lab.mark()?.duration_since(begun);
        mine.push(took.as_secs_f64() * 1_000.0 / (steps - 1) as f64);
        floor.push(spent.as_secs_f64() * 1_000.0 / (steps / SHORT * SHORT) as f64);
    }
    lab.engine.wait(execution)?;
    Ok(Measured { unit: Unit::Ms, mine, floor, beside: "in chains of 10", goal: GOAL, counts: None })
}

/// What the core alone takes to decide a step.
pub(super) fn core_alone(setting: &Setting) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(10_000, 200);
    let long = version("long", (0..steps).map(|_| call(NOOP)))?;
    let short = version("short", (0..SHORT).map(|_| call(NOOP)))?;
    let per_step = |took: Duration| took.as_secs_f64() * 1_000_000.0 / steps as f64;
    let (mine, floor) = in_turns(
        setting.size.pick(15, 1),
        || Ok(per_step(decide_all(&long))),
        || Ok(per_step((0..steps / SHORT).map(|_| decide_all(&short)).sum())),
    )?;
    Ok(Measured { unit: Unit::Us, mine, floor, beside: "in chains of 10", goal: GOAL, counts: None })
}

fn decide_all(version: &Arc<Version>) -> Duration {
    let start = Start::new(&version.digest, Value::from(serde_json::json!({})), Trigger::Manual);
    let outside = Outside { now: Timestamp(1_700_000_000_000_000), slots: Slots::of(1), jitter: 0.0 };
    let begun = Instant::now();
    let (mut state, decision) =
        State::start(ExecutionId(1), Arc::clone(&version.chain), start, outside.clone());
    let mut events = decision.events;
    while let Some((visit, attempt)) = started(&state, &events) {
        let answer = Answer::Succeeded { value: Some(Value::null()) };
        let end = Command::EndAttempt { visit, attempt, answer };
        events = state.decide(end, outside.clone(), &Loaded::default()).expect("the attempt runs").events;
    }
    begun.elapsed()
}

fn started(state: &State, events: &[catena_core::Event]) -> Option<(catena_core::VisitNo, AttemptNo)> {
    state.effects_of(events).into_iter().find_map(|effect| match effect {
        Effect::StartAttempt { visit, attempt } => Some((visit, attempt)),
        Effect::StopAttempt { .. }
        | Effect::LookUp { .. }
        | Effect::UndoChild { .. }
        | Effect::StopChildUndo { .. } => None,
    })
}
