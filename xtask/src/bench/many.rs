//! Many executions at once: how many durable steps a second, beside the store's writer with the same journals.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Instant,
};

use anyhow::Context as _;
use catena_core::{
    AttemptNo, Command, Effect, ExecutionId, Loaded, Outside, State, Timestamp, Value,
    command::{Slots, Start},
    event::{Answer, Event, Trigger},
};
use catena_store::{
    Actor, Append, Commit, Store as _, Version,
    sqlite::{HostLock, SqliteStore},
};

use super::{
    chains::{MARK, NOOP, call, version},
    counts::Reading,
    lab::{Lab, start},
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
};

const STEPS: usize = 10;
/// Threads that start executions: an engine's clients, who wait for each start to be durable.
const CLIENTS: usize = 64;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Measured> {
    let chains = setting.size.pick(1_000, 50);
    // The mark is called when the ten steps before it are durable.
    let chain = version("many", (0..STEPS).map(|_| call(NOOP)).chain([call(MARK)]))?;
    let lab = Lab::open(setting, 1_024)?;
    run_all(&lab, &chain, chains)?;
    let before = Reading::of(&lab.engine)?;
    run_all(&lab, &chain, chains)?;
    let counts = before.until(&Reading::of(&lab.engine)?, chains * (STEPS + 1));

    let appends = journals(&chain, chains);
    let (mine, floor) = in_turns(
        setting.size.pick(7, 1),
        || run_all(&lab, &chain, chains),
        || write_all(setting, appends.clone(), chains * STEPS),
    )?;
    let (beside, goal) = ("the writer alone", Goal::AtLeast(25_000.0));
    Ok(Measured { unit: Unit::PerSecond, mine, floor, beside, goal, counts: Some(counts) })
}

/// Steps a second, from the first start to the moment when the last of all steps is durable.
fn run_all(lab: &Lab, chain: &Arc<Version>, chains: usize) -> anyhow::Result<f64> {
    let left = AtomicUsize::new(chains);
    let take = || left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let engine = &lab.engine;
    let client = || {
        while take() {
            start(engine, chain)?;
        }
        anyhow::Ok(())
    };
    let begun = Instant::now();
    let ended = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let last = (0..chains).try_fold(begun, |_, _| lab.mark());
        for client in clients {
            client.join().expect("a client does not panic")?;
        }
        last
    })?;
    // The steps are done, but the next round is to find nothing under way.
    lab.wait_for_all()?;
    Ok((chains * STEPS) as f64 / ended.duration_since(begun).as_secs_f64())
}

/// What an engine appends for these executions, in the order in which it would: all of them side by side.
fn journals(chain: &Arc<Version>, chains: usize) -> Vec<Append> {
    let mut appends = Vec::with_capacity(chains * (STEPS + 2));
    let mut open = Vec::with_capacity(chains);
    for number in 1..=chains as u64 {
        let start = Start::new(&chain.digest, Value::from(serde_json::json!({})), Trigger::Manual);
        let (state, decision) = State::start(ExecutionId(number), Arc::clone(&chain.chain), start, outside());
        let events = decision.events;
        let running = running(&state, &events);
        appends.push(Append::new(&state, outside().now, Actor::engine(), events));
        open.push((state, running));
    }
    for _ in 0..STEPS {
        for (state, running) in &mut open {
            let answer = Answer::Succeeded { value: Some(Value::null()) };
            let (visit, attempt) = *running;
            let end = Command::EndAttempt { visit, attempt, answer };
            let events = state.decide(end, outside(), &Loaded::default()).expect("the attempt runs").events;
            *running = self::running(state, &events);
            appends.push(Append::new(state, outside().now, Actor::engine(), events));
        }
    }
    appends
}

fn running(state: &State, events: &[Event]) -> (catena_core::VisitNo, AttemptNo) {
    match state.effects_of(events).as_slice() {
        [Effect::StartAttempt { visit, attempt }] => (*visit, *attempt),
        other => unreachable!("one step after another, not {other:?}"),
    }
}

fn outside() -> Outside {
    Outside { now: Timestamp(1_700_000_000_000_000), slots: Slots::of(1), jitter: 0.0 }
}

/// Steps a second of the writer alone, in a store of its own.
fn write_all(setting: &Setting, appends: Vec<Append>, steps: usize) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(&setting.folder)?;
    let path = folder.path().join("floor.db");
    let lock = HostLock::take(&path)?;
    let store = SqliteStore::open(&path, &lock)?;
    let lease = store.lease().context("a store opened for writing has a lease")?;
    let (sender, written) = channel();
    let begun = Instant::now();
    let count = appends.len();
    for append in appends {
        let sender = sender.clone();
        let commit = Commit { lease, records: Vec::new(), append: Some(append) };
        store.submit(commit, Box::new(move |result| drop(sender.send(result))));
    }
    for _ in 0..count {
        written.recv()??;
    }
    Ok(steps as f64 / begun.elapsed().as_secs_f64())
}
