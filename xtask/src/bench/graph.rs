//! Whether a step of a graph, or an item of a loop, grows dearer with how many there are of them: 10,000 in one
//! execution, beside as many in executions of 10.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use catena_core::{
    AttemptNo, Command, Effect, ExecutionId, Loaded, Outside, State, Timestamp, Value, VisitNo,
    chain::{ChainName, Draft, Flow, On, Repeat, StepDraft, Work},
    command::{Slots, Start},
    event::{Answer, Event, Trigger},
    expr::Expr,
    ids::StepId,
};
use catena_store::Version;

use super::{
    chains::{MARK, NOOP, call},
    lab::Lab,
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
};

const SHORT: usize = 10;
/// Steps side by side, each of which waits for two of those before it.
const WIDTH: usize = 5;
const SLOTS: u32 = 8;
const GOAL: Goal = Goal::RatioAtMost(1.2);

/// With all that a durable step is.
pub(super) fn durable(setting: &Setting) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(10_000, 200);
    let lab = Lab::open(setting, SLOTS)?;
    let (long, short) = (graph("long", steps, MARK)?, graph("short", SHORT, MARK)?);
    lab.run_marked(&short)?;
    let per_step = |took: Duration| took.as_secs_f64() * 1_000.0 / steps as f64;
    let (mine, floor) = in_turns(
        setting.size.pick(5, 1),
        || Ok(per_step(lab.run_marked(&long)?)),
        || {
            let mut spent = Duration::ZERO;
            for _ in 0..steps / SHORT {
                spent += lab.run_marked(&short)?;
            }
            Ok(per_step(spent))
        },
    )?;
    Ok(Measured { unit: Unit::Ms, mine, floor, beside: "in graphs of 10", goal: GOAL, counts: None })
}

/// What the core alone takes to decide a step.
pub(super) fn core_alone(setting: &Setting) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(10_000, 200);
    compare(setting, steps, &graph("long", steps, NOOP)?, &graph("short", SHORT, NOOP)?, "in graphs of 10")
}

/// The same for the items of a `for_each`.
pub(super) fn items(setting: &Setting) -> anyhow::Result<Measured> {
    let items = setting.size.pick(10_000, 200);
    compare(setting, items, &each("long", items)?, &each("short", SHORT)?, "in loops of 10")
}

fn compare(
    setting: &Setting,
    steps: usize,
    long: &Arc<Version>,
    short: &Arc<Version>,
    beside: &'static str,
) -> anyhow::Result<Measured> {
    let per_step = |took: Duration| took.as_secs_f64() * 1_000_000.0 / steps as f64;
    let (mine, floor) = in_turns(
        setting.size.pick(15, 1),
        || Ok(per_step(decide_all(long))),
        || Ok(per_step((0..steps / SHORT).map(|_| decide_all(short)).sum())),
    )?;
    Ok(Measured { unit: Unit::Us, mine, floor, beside, goal: GOAL, counts: None })
}

/// Layers of steps between two others, the first and the last of which call `ends`.
fn graph(name: &str, steps: usize, ends: &str) -> anyhow::Result<Arc<Version>> {
    let id = |number: usize| StepId::parse(&format!("step_{number}"));
    let mut drafts = Vec::with_capacity(steps + 2);
    drafts.push(StepDraft::new(id(0)?, call(ends)));
    for number in 1..=steps {
        let mut step = StepDraft::new(id(number)?, call(NOOP));
        let (layer, place) = ((number - 1) / WIDTH, (number - 1) % WIDTH);
        let before = match layer {
            0 => vec![0],
            _ => [place, (place + 1) % WIDTH].map(|other| (layer - 1) * WIDTH + other + 1).to_vec(),
        };
        for other in before {
            step.depends.needs.push((id(other)?, On::Completed));
        }
        drafts.push(step);
    }
    let mut last = StepDraft::new(id(steps + 1)?, call(ends));
    for number in steps.saturating_sub(WIDTH) + 1..=steps {
        last.depends.needs.push((id(number)?, On::Completed));
    }
    drafts.push(last);
    let draft = Draft { flow: Some(Flow::Graph), ..Draft::new(ChainName::parse(name)?, drafts) };
    Ok(Arc::new(Version::new(draft.build()?, name.to_owned(), Vec::new())))
}

fn each(name: &str, items: usize) -> anyhow::Result<Arc<Version>> {
    let inner = StepDraft::new(StepId::parse("inner")?, call(NOOP));
    let repeat = Repeat {
        items: Expr::parse(&format!("range({items})"))?,
        item: "item".to_owned(),
        max_parallel: None,
        tolerate: 0,
    };
    let step = StepDraft::new(StepId::parse("each")?, Work::ForEach { repeat, block: vec![inner] });
    let chain = Draft::new(ChainName::parse(name)?, vec![step]).build()?;
    Ok(Arc::new(Version::new(chain, name.to_owned(), Vec::new())))
}

/// Attempts end in the order in which they began, as many at once as there are slots.
fn decide_all(version: &Arc<Version>) -> Duration {
    let start = Start::new(&version.digest, Value::from(serde_json::json!({})), Trigger::Manual);
    let outside =
        |slots| Outside { now: Timestamp(1_700_000_000_000_000), slots: Slots::of(slots), jitter: 0.0 };
    let begun = Instant::now();
    let (mut state, decision) =
        State::start(ExecutionId(1), Arc::clone(&version.chain), start, outside(SLOTS));
    let mut running: VecDeque<_> = started(&state, &decision.events).collect();
    while let Some((visit, attempt)) = running.pop_front() {
        let answer = Answer::Succeeded { value: Some(Value::null()) };
        let end = Command::EndAttempt { visit, attempt, answer };
        let free = SLOTS - u32::try_from(running.len()).unwrap_or(SLOTS);
        let events = state.decide(end, outside(free), &Loaded::default()).expect("the attempt runs").events;
        running.extend(started(&state, &events));
    }
    assert!(state.has_ended(), "all of it was decided");
    begun.elapsed()
}

fn started(state: &State, events: &[Event]) -> impl Iterator<Item = (VisitNo, AttemptNo)> {
    state.effects_of(events).into_iter().filter_map(|effect| match effect {
        Effect::StartAttempt { visit, attempt } => Some((visit, attempt)),
        Effect::StopAttempt { .. }
        | Effect::LookUp { .. }
        | Effect::UndoChild { .. }
        | Effect::StopChildUndo { .. } => None,
    })
}
