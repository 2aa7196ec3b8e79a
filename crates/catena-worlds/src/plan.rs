//! What is done in a world: chains that are started, and what people do to them.

use std::{sync::Arc, time::Duration};

use catena_core::{
    Chain, ExecutionId, Value,
    chain::{ChainName, Draft, StepDraft, Undo},
    event::Answer,
    schedule::{Overlap, Schedule},
    template::Template,
};
use catena_store::{InboxCommand, Version};
use catena_testkit::{
    draft::{Change, task},
    random::{self, Mood},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::random::Random;

/// When the last thing is begun, in milliseconds.
const BUSY_MS: u64 = 400;
/// The chain that starts by itself.
pub(crate) const SCHEDULED: &str = "scheduled";

/// One chain, to be started once or more.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) version: Arc<Version>,
    pub(crate) script_seed: u64,
    /// Of 100 tries so many fail.
    pub(crate) failures: u64,
    pub(crate) undo_fails: bool,
    /// Whatever becomes of the engine, it ends as it would undisturbed.
    pub(crate) has_one_end: bool,
    pub(crate) key: Option<String>,
}

/// Something that somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Start(usize),
    /// A chain that starts by itself.
    Schedule,
    /// Somebody has had enough of that.
    EndSchedule,
    /// To the execution of a part, once it has one.
    Tell(usize, InboxCommand),
}

pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    /// In order.
    pub(crate) deeds: Vec<(Duration, Deed)>,
    pub(crate) slots: u32,
    /// A chain with a schedule.
    pub(crate) scheduled: Option<(Arc<Version>, Schedule)>,
}

impl Plan {
    pub(crate) fn of(random: &mut Random) -> Self {
        let count = 1 + random.place(3);
        let parts: Vec<Part> = (0..count).map(|number| Part::of(random, number)).collect();
        let slots = 1 + u32::try_from(random.below(4)).unwrap_or(0);
        let scheduled = random.one_in(3).then(|| scheduled(random));
        let mut plan = Self { parts, deeds: Vec::new(), slots, scheduled };
        if plan.scheduled.is_some() {
            plan.add(random.below(BUSY_MS / 4), Deed::Schedule);
            plan.add(1_000 + random.below(1_000), Deed::EndSchedule);
        }
        for part in 0..count {
            let at = random.below(BUSY_MS / 4);
            plan.add(at, Deed::Start(part));
            if plan.parts[part].key.is_some() {
                // Somebody has not heard the answer.
                plan.add(at + random.below(60), Deed::Start(part));
            }
            if random.one_in(3) {
                plan.meddle(random, part);
            }
        }
        plan.deeds.sort_by_key(|(at, _)| *at);
        plan
    }

    fn add(&mut self, at_ms: u64, deed: Deed) {
        self.deeds.push((Duration::from_millis(at_ms), deed));
    }

    fn meddle(&mut self, random: &mut Random, part: usize) {
        self.parts[part].has_one_end = false;
        let at = random.below(BUSY_MS);
        match random.below(5) {
            0 | 1 => {
                let cancel = InboxCommand::Cancel { rollback: random.one_in(2), force: random.one_in(4) };
                self.add(at, Deed::Tell(part, cancel));
            }
            2 | 3 => {
                self.add(at, Deed::Tell(part, InboxCommand::Pause {}));
                self.add(at + 1 + random.below(200), Deed::Tell(part, InboxCommand::Resume {}));
            }
            _ => {
                let signal = InboxCommand::Signal { name: "go".into(), value: Value::text("now") };
                self.add(at, Deed::Tell(part, signal));
            }
        }
    }
}

impl Part {
    fn of(random: &mut Random, number: usize) -> Self {
        let mood = [Mood::Straight, Mood::Straight, Mood::Calm, Mood::Racy, Mood::Large][random.place(5)];
        let failures = match mood {
            Mood::Calm => 0,
            Mood::Straight | Mood::Racy | Mood::Large => random.below(40),
        };
        let undo_fails = mood == Mood::Racy && random.one_in(2);
        let chain = chain(&format!("part{number}"), steps(mood, random.next()));
        let has_one_end = matches!(mood, Mood::Calm | Mood::Straight);
        let version = Arc::new(Version::new(chain, format!("part {number}"), Vec::new()));
        let key = random.one_in(3).then(|| format!("key {number}"));
        Self { version, script_seed: random.next(), failures, undo_fails, has_one_end, key }
    }

    /// How an attempt ends, and how long it takes.
    pub(crate) fn script(&self, address: &str, number: u32) -> (Answer, u64) {
        match self.undo_fails {
            true => random::script_with_failing_undo(self.script_seed, self.failures)(address, number),
            false => random::script(self.script_seed, self.failures)(address, number),
        }
    }
}

fn steps(mood: Mood, seed: u64) -> Vec<StepDraft> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    random::steps(mood).new_tree(&mut runner).expect("the strategy rejects nothing").current()
}

fn chain(name: &str, steps: Vec<StepDraft>) -> Chain {
    let name = ChainName::parse(name).expect("a valid name");
    Draft::new(name, steps).build().expect("random chains are chains")
}

/// One attempt after another, and a schedule that comes often.
fn scheduled(random: &mut Random) -> (Arc<Version>, Schedule) {
    let overlaps = [Overlap::Skip, Overlap::Queue, Overlap::CancelRunning, Overlap::Allow];
    let overlap = overlaps[random.place(overlaps.len())];
    let schedule = Schedule { overlap, ..Schedule::every(60 + random.below(300), None) };
    let chain = chain(SCHEDULED, vec![task("tick"), task("tock")]);
    (Arc::new(Version::new(chain, "scheduled".into(), Vec::new())), schedule)
}

/// The chain that steps call: one attempt, which ends as the script says of the step, and what takes it back.
pub(crate) fn child() -> Arc<Version> {
    let work = task("work");
    let back = task("work_undo");
    let undone = StepDraft { undo: Some(Undo { block: vec![back], if_started: false }), ..work };
    let name = ChainName::parse("child").expect("a valid name");
    let output = Template::Expr(catena_testkit::draft::expr("work"));
    let draft = Draft { output: Some(output), ..Draft::new(name, vec![undone.retry(1)]) };
    Arc::new(Version::new(draft.build().expect("a chain"), "child".into(), Vec::new()))
}

/// For the trace.
impl Deed {
    pub(crate) fn words(&self, parts: &[Option<ExecutionId>]) -> String {
        let of = |part: &usize| match parts[*part] {
            Some(execution) => format!("part {part}, execution {execution}"),
            None => format!("part {part}"),
        };
        match self {
            Self::Schedule => format!("schedule {SCHEDULED}"),
            Self::EndSchedule => format!("{SCHEDULED} has no schedule any more"),
            Self::Start(part) => format!("start {}", of(part)),
            Self::Tell(part, command) => format!("tell {}: {command:?}", of(part)),
        }
    }
}
