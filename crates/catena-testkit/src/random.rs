//! Random nested chains and the scripts that go with them, for laws.

use catena_core::{
    chain::{EffectKind, ErrorPolicy, Flow, Interval, Join, On, StepDraft, Undo, WaitFor, Work},
    event::Answer,
    status::End,
    value::INLINE_MAX_BYTES,
};
use proptest::prelude::*;

use crate::{
    draft::{Change, Steps, await_signal, call, end, for_each, group, id, parallel, raise, set, task, wait},
    sim::{fail, succeed},
};

/// What a random chain may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Which failure or branch comes first may depend on timing.
    Racy,
    /// The end is the same whatever the timing, if nothing fails.
    Calm,
    /// One thing happens at a time.
    Straight,
    /// As racy, with large values among the results.
    Large,
}

/// The shape of a step, before it has its id.
#[derive(Clone, Debug)]
enum Shape {
    Task {
        retry: bool,
        policy: Option<ErrorPolicy>,
        undo: bool,
        if_started: bool,
        once: bool,
        clock: Clock,
    },
    Set,
    /// A graph: of each step which of those before it it waits for, and how.
    Graph {
        steps: Vec<(Shape, Needs)>,
        lets_finish: bool,
    },
    /// Repeated until it has had so many iterations, of which too few may be allowed.
    Loop {
        inner: Box<Shape>,
        until: u8,
        count_max: u8,
        interval_ms: u16,
    },
    /// Fails more often than not, and has something that runs instead.
    Either {
        instead: Box<Shape>,
    },
    /// Another chain.
    Call {
        undo: bool,
    },
    /// Nobody sends the signal.
    Signal {
        timeout_ms: u16,
        policy: Option<ErrorPolicy>,
    },
    /// Ends everything, as failed or not.
    Finish {
        raises: bool,
    },
    /// Waits, and holds up what is behind it.
    Wait {
        ms: u16,
        delay_ms: u16,
    },
    Group {
        steps: Vec<Shape>,
        again: bool,
        undo: bool,
    },
    ForEach {
        items: u8,
        max_parallel: Option<u32>,
        tolerate: u32,
        steps: Vec<Shape>,
    },
    Parallel {
        branches: Vec<Vec<Shape>>,
        first_wins: bool,
    },
    /// A large result, passed on, computed on and looped over.
    Large {
        items: u8,
    },
}

/// What a step of a graph waits for.
#[derive(Clone, Copy, Debug)]
struct Needs {
    /// Bits for the steps before it, the nearest first.
    before: u8,
    on: On,
    any: bool,
}

/// What of a task has to do with time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    delay_ms: u16,
    /// Which end comes first depends on timing.
    within_ms: Option<u16>,
}

/// Random chains of some nesting, as drafts with ids `s0`, `s1`, … in order of definition.
pub fn steps(mood: Mood) -> impl Strategy<Value = Steps> {
    let block = prop::collection::vec(shape(mood), 1..5);
    block.prop_map(|shapes| {
        let shapes = fitting(shapes, VISITS_MAX);
        Namer { next: 0 }.steps(if shapes.is_empty() { &[Shape::Set] } else { &shapes })
    })
}

/// The visits of a random chain, about. A law that cuts a journal everywhere takes their third power, and a few chains
/// of thousands would take all the time that a hundred others need.
const VISITS_MAX: usize = 60;
/// What a large result counts for: it is stored, read and compared in each of the steps that come with it.
const LARGE_VISITS: usize = 25;

impl Shape {
    /// How often its inner steps are run.
    fn rounds(&self) -> usize {
        match self {
            Self::Task { .. }
            | Self::Set
            | Self::Wait { .. }
            | Self::Large { .. }
            | Self::Graph { .. }
            | Self::Either { .. }
            | Self::Call { .. }
            | Self::Signal { .. }
            | Self::Finish { .. }
            | Self::Parallel { .. } => 1,
            Self::Loop { until, count_max, .. } => usize::from((*until).min(*count_max)).max(1),
            Self::Group { again, .. } => 1 + usize::from(*again),
            Self::ForEach { items, .. } => usize::from(*items),
        }
    }

    fn visits(&self) -> usize {
        match self {
            Self::Task { .. }
            | Self::Set
            | Self::Wait { .. }
            | Self::Call { .. }
            | Self::Signal { .. }
            | Self::Finish { .. } => 1,
            Self::Graph { steps, .. } => 1 + steps.iter().map(|(step, _)| step.visits()).sum::<usize>(),
            Self::Loop { inner, .. } => 1 + self.rounds() * inner.visits(),
            Self::Either { instead } => 1 + instead.visits(),
            Self::Large { items } => LARGE_VISITS * usize::from(*items),
            Self::Group { steps, .. } | Self::ForEach { steps, .. } => 1 + self.rounds() * visits(steps),
            Self::Parallel { branches, .. } => 1 + branches.iter().map(|steps| visits(steps)).sum::<usize>(),
        }
    }

    /// The same with fewer inner steps; None if there is no room for any.
    fn fitting(self, room: usize) -> Option<Self> {
        if self.visits() <= room {
            return Some(self);
        }
        let inner = room.saturating_sub(1) / self.rounds().max(1);
        match self {
            Self::Task { .. }
            | Self::Set
            | Self::Wait { .. }
            | Self::Large { .. }
            | Self::Call { .. }
            | Self::Signal { .. }
            | Self::Finish { .. } => None,
            Self::Graph { steps, lets_finish } => {
                let mut left = inner;
                let mut fitting = Vec::new();
                for (step, needs) in steps {
                    let Some(step) = step.fitting(left) else { continue };
                    left = left.saturating_sub(step.visits());
                    fitting.push((step, needs));
                }
                some(fitting).map(|steps| Self::Graph { steps, lets_finish })
            }
            Self::Loop { inner: step, until, count_max, interval_ms } => {
                let inner = Box::new(step.fitting(inner)?);
                Some(Self::Loop { inner, until, count_max, interval_ms })
            }
            Self::Either { instead } => Some(Self::Either { instead: Box::new(instead.fitting(inner)?) }),
            Self::Group { steps, again, undo } => {
                some(fitting(steps, inner)).map(|steps| Self::Group { steps, again, undo })
            }
            Self::ForEach { items, max_parallel, tolerate, steps } => some(fitting(steps, inner))
                .map(|steps| Self::ForEach { items, max_parallel, tolerate, steps }),
            Self::Parallel { branches, first_wins } => {
                let each = inner / branches.len();
                let branches = branches.into_iter().filter_map(|steps| some(fitting(steps, each))).collect();
                some(branches).map(|branches| Self::Parallel { branches, first_wins })
            }
        }
    }
}

fn visits(shapes: &[Shape]) -> usize {
    shapes.iter().map(Shape::visits).sum()
}

/// As many of them as there is room for.
fn fitting(shapes: Vec<Shape>, room: usize) -> Vec<Shape> {
    let mut left = room;
    let mut fitting = Vec::new();
    for shape in shapes {
        let Some(shape) = shape.fitting(left) else { continue };
        left = left.saturating_sub(shape.visits());
        fitting.push(shape);
    }
    fitting
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn shape(mood: Mood) -> impl Strategy<Value = Shape> {
    let policy = prop_oneof![
        4 => Just(None),
        2 => Just(Some(ErrorPolicy::Continue)),
        2 => Just(Some(ErrorPolicy::Rollback)),
    ];
    let is_racy = matches!(mood, Mood::Racy | Mood::Large);
    let within = if is_racy { prop::option::weighted(0.2, 0u16..80).boxed() } else { Just(None).boxed() };
    let delay = prop_oneof![3 => Just(0u16), 1 => 0u16..100];
    let clock = (delay.clone(), within).prop_map(|(delay_ms, within_ms)| Clock { delay_ms, within_ms });
    let task = (any::<bool>(), policy, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), clock)
        .prop_map(|(retry, policy, undo, if_started, once, clock)| Shape::Task {
            retry,
            policy,
            undo,
            if_started,
            once,
            clock,
        });
    let wait = (0u16..100, delay).prop_map(|(ms, delay_ms)| Shape::Wait { ms, delay_ms });
    let large = (1u8..3).prop_map(|items| Shape::Large { items });
    let larges = u32::from(mood == Mood::Large);
    let call = any::<bool>().prop_map(|undo| Shape::Call { undo });
    let signal = (0u16..60, prop_oneof![Just(None), Just(Some(ErrorPolicy::Continue))]).prop_map(
        move |(timeout_ms, policy)| Shape::Signal {
            timeout_ms,
            policy: policy.or((mood == Mood::Calm).then_some(ErrorPolicy::Continue)),
        },
    );
    let finish = any::<bool>().prop_map(|raises| Shape::Finish { raises });
    // An end in one branch and a failure in another race.
    let ends = u32::from(is_racy);
    let leaf = prop_oneof![
        12 => task,
        2 => Just(Shape::Set),
        2 => wait,
        2 * larges => large,
        2 => call,
        1 => signal,
        ends => finish,
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let needs = (any::<u8>(), 0usize..6, any::<bool>()).prop_map(move |(before, on, any)| Needs {
            // In a straight line each waits for the one before it.
            before: if mood == Mood::Straight { 1 } else { before },
            on: [On::Completed, On::Completed, On::Completed, On::Ended, On::Failed, On::Skipped][on],
            any,
        });
        let graph = (prop::collection::vec((inner.clone(), needs), 1..5), any::<bool>())
            .prop_map(|(steps, lets_finish)| Shape::Graph { steps, lets_finish });
        let again = (inner.clone(), 1u8..4, 1u8..4, 0u16..50).prop_map(
            move |(inner, until, count_max, interval_ms)| Shape::Loop {
                inner: Box::new(inner),
                until,
                // What fails beside something else races with it.
                count_max: if mood == Mood::Calm { count_max.max(until) } else { count_max },
                interval_ms,
            },
        );
        let either = inner.clone().prop_map(|instead| Shape::Either { instead: Box::new(instead) });
        let flows = prop_oneof![2 => graph, 1 => again, 1 => either];
        let steps = prop::collection::vec(inner, 1..4);
        let group = (steps.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(steps, again, undo)| Shape::Group { steps, again, undo });
        let each = (0u8..4, prop::option::of(1u32..3), 0u32..3, steps.clone()).prop_map(
            |(items, max_parallel, tolerate, steps)| Shape::ForEach { items, max_parallel, tolerate, steps },
        );
        let first_wins = if is_racy { any::<bool>().boxed() } else { Just(false).boxed() };
        let parallel = (prop::collection::vec(steps, 1..4), first_wins)
            .prop_map(|(branches, first_wins)| Shape::Parallel { branches, first_wins });
        match mood {
            Mood::Racy | Mood::Large | Mood::Calm => {
                prop_oneof![2 => flows, 1 => group, 1 => each, 1 => parallel].boxed()
            }
            Mood::Straight => prop_oneof![2 => flows, 1 => group, 1 => each.prop_map(one_at_a_time)].boxed(),
        }
    })
}

fn one_at_a_time(shape: Shape) -> Shape {
    match shape {
        Shape::ForEach { items, tolerate, steps, .. } => {
            Shape::ForEach { items, max_parallel: Some(1), tolerate, steps }
        }
        other => other,
    }
}

struct Namer {
    next: u32,
}

impl Namer {
    fn name(&mut self) -> String {
        self.next += 1;
        format!("s{}", self.next - 1)
    }

    fn steps(&mut self, shapes: &[Shape]) -> Steps {
        shapes.iter().map(|shape| self.step(shape)).collect()
    }

    fn step(&mut self, shape: &Shape) -> StepDraft {
        let name = self.name();
        match shape {
            Shape::Task { retry, policy, undo, if_started, once, clock } => {
                let mut step = if *retry { task(&name).retry(3) } else { task(&name) };
                step.delay_next_ms = clock.delay_ms.into();
                step.total_timeout_ms = clock.within_ms.map(u64::from);
                step.error_policy = *policy;
                if *once {
                    step.effect = EffectKind::AtMostOnce;
                }
                if *undo {
                    step.undo =
                        Some(Undo { block: vec![task(&format!("{name}_undo"))], if_started: *if_started });
                }
                step
            }
            Shape::Set => {
                let values = vec![(name.clone(), catena_core::template::Template::constant(1))];
                StepDraft::new(id(&name), Work::Set { values })
            }
            Shape::Graph { steps, lets_finish } => self.graph(&name, steps, *lets_finish),
            Shape::Loop { inner, until, count_max, interval_ms } => {
                let inner = self.step(inner);
                let mut step = group(&name, vec![inner])
                    .until(&format!("loop.index + 1 >= {until}"), (*count_max).into());
                if let Some(iterations) = &mut step.iterations {
                    iterations.interval = Interval::Ms((*interval_ms).into());
                }
                step
            }
            Shape::Either { instead } => {
                let instead = self.step(instead);
                task(&name).retry(2).otherwise(instead)
            }
            Shape::Call { undo } => {
                let step = call(&name);
                if *undo { step.undo(vec![task(&format!("{name}_undo"))]) } else { step }
            }
            Shape::Signal { timeout_ms, policy } => {
                let mut step = await_signal(&name, "go", Some((*timeout_ms).into()));
                step.error_policy = *policy;
                step
            }
            Shape::Finish { raises: true } => raise(&name),
            Shape::Finish { raises: false } => end(&name, End::Completed),
            Shape::Wait { ms, delay_ms } => wait(&name, (*ms).into()).delays((*delay_ms).into()),
            Shape::Group { steps, again, undo } => self.group(&name, steps, *again, *undo),
            Shape::ForEach { items, max_parallel, tolerate, steps } => {
                let items: Vec<u8> = (0..*items).collect();
                let mut step = for_each(&name, &format!("{items:?}"), self.steps(steps));
                if let Work::ForEach { repeat, .. } = &mut step.work {
                    repeat.max_parallel = *max_parallel;
                    repeat.tolerate = *tolerate;
                }
                step
            }
            Shape::Large { items } => self.large(&name, *items),
            Shape::Parallel { branches, first_wins } => {
                let wait_for = if *first_wins { WaitFor::Count(1) } else { WaitFor::All };
                let names = ["left", "middle", "right"];
                let branches =
                    names.iter().zip(branches).map(|(name, steps)| (*name, self.steps(steps))).collect();
                parallel(&name, wait_for, branches)
            }
        }
    }

    /// `s_large` leaves a large list. It is named, measured, indexed and made larger; the items are large, too.
    fn large(&mut self, name: &str, items: u8) -> StepDraft {
        let large = format!("{name}_large_{items}");
        let named = |what: &str| format!("{name}_{what}");
        let item = set(&named("text"), "item ~ '!'");
        let steps = vec![
            task(&large),
            set(&named("same"), &large),
            set(&named("first"), &format!("{large}[0]")),
            set(&named("length"), &format!("{large} | length + {}[0] | length", named("same"))),
            task(&named("measured")).when(&format!("{} > 1", named("length"))),
            for_each(&named("each"), &named("same"), vec![item]),
            set(&named("all"), &format!("{}[0].{}", named("each"), named("text"))),
        ];
        group(name, steps)
    }

    fn graph(&mut self, name: &str, steps: &[(Shape, Needs)], lets_finish: bool) -> StepDraft {
        let mut drafts: Steps = Vec::new();
        for (shape, needs) in steps {
            let mut step = self.step(shape);
            // What stands in a graph cannot jump.
            step.next = None;
            for (bit, before) in drafts.iter().rev().take(8).enumerate() {
                if needs.before >> bit & 1 == 1 {
                    step.depends.needs.push((before.id.clone(), needs.on));
                }
            }
            if needs.any && !step.depends.needs.is_empty() {
                step.depends.join = Join::Count(1);
            }
            drafts.push(step);
        }
        let mut step = group(name, drafts);
        step.flow = Some(Flow::Graph);
        step.output_key = Some(name.to_owned());
        step.lets_finish = lets_finish;
        step
    }

    /// A group, visited twice if `again`: its last step says how often it was visited, and the group jumps back
    /// to itself once.
    fn group(&mut self, name: &str, shapes: &[Shape], again: bool, undo: bool) -> StepDraft {
        let mut steps = self.steps(shapes);
        let counter = self.name();
        steps.push(task(&counter));
        let mut step = group(name, steps);
        step.output_key = Some(name.to_owned());
        if again {
            step = step.jump(&format!("steps.{counter}.result == 1"), name);
        }
        if undo { step.undo(vec![task(&format!("{name}_undo"))]) } else { step }
    }
}

/// A script drawn from a seed: the same attempt always ends in the same way. `failures` of 100 tries fail, those
/// of undos excepted; a result is the number of the visit's group, so that a jump on it ends.
pub fn script(seed: u64, failures: u64) -> impl Fn(&str, u32) -> (Answer, u64) {
    let with_undo = script_with_failing_undo(seed, failures);
    let without = script_with_failing_undo(seed, 0);
    move |address, number| {
        if address.contains("_undo") { without(address, number) } else { with_undo(address, number) }
    }
}

/// As `script`, and undos fail as everything does.
pub fn script_with_failing_undo(seed: u64, failures: u64) -> impl Fn(&str, u32) -> (Answer, u64) {
    move |address, number| {
        let draw = draw(seed, address, number);
        // The innermost visit number of the path: how often its group was entered.
        let visits =
            address.split('/').rev().skip(1).find_map(|part| part.split_once('~')).map_or(1, |(_, n)| {
                n.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1)
            });
        let large = address.rsplit_once("_large_").and_then(|(_, items)| items.parse().ok());
        let answer = match large {
            _ if draw % 100 < failures => fail("scripted to fail"),
            Some(items) => succeed(large_list(items)),
            None => succeed(visits),
        };
        (answer, 1 + draw / 100 % 50)
    }
}

/// Texts that are each too large to stand in a journal.
fn large_list(items: usize) -> Vec<String> {
    (0..items).map(|item| format!("{item} {}", "x".repeat(INLINE_MAX_BYTES))).collect()
}

/// FNV-1a over the parts: a cheap draw that is the same everywhere.
pub(crate) fn draw(seed: u64, address: &str, number: u32) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(address.bytes()).chain(number.to_le_bytes());
    let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed ^ (mixed >> 29)
}
