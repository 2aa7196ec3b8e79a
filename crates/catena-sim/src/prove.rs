//! Looks for histories that end otherwise than a chain's author allows: every step fails, every attempt is lost once, the
//! engine goes down at every moment, and what runs side by side ends in every order. The shortest histories come first.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use catena_core::{
    Chain, Event, ExecutionId, Failure, Timestamp, Value, VisitNo,
    chain::{ExpectedEnd, Wait, Work},
    event::Answer,
    ids::StepId,
    state::{Origin, Phase, State},
    status::{End, ExecutionStatus, StepStatus},
};

use crate::{Asked, Coverage, Outcome, Reply, Run, Scenario, Script, sample, usual_failure};

/// Things that go wrong in one history.
const FAULTS_MAX: usize = 3;
/// Orders that are tried of what runs side by side.
const ORDERS: u64 = 20;
/// More histories than a chain of a thousand steps has with one thing that goes wrong.
const HISTORIES_MAX: usize = 100_000;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Every try at this address fails; a question is answered with no, a signal never comes.
    Fails(String),
    /// The first attempt there is lost: nobody saw its end.
    Lost(String),
    /// The engine goes down after so many events, and with it what runs.
    Crash(usize),
    /// What runs side by side ends in this order.
    Order(u64),
}

/// How an execution came out.
#[derive(Clone, Debug)]
pub struct Ending {
    pub status: ExecutionStatus,
    pub error: Option<Failure>,
    /// What was taken back, in its order.
    pub undone: Vec<String>,
    /// Steps that have completed, taken back since or not.
    pub completed: BTreeSet<StepId>,
    /// Completed steps that an allowed end would have had taken back, and that were not, or not in that order.
    pub standing: Vec<String>,
}

/// A history that ends otherwise than it may.
#[derive(Clone, Debug)]
pub struct Counterexample {
    pub faults: Vec<Fault>,
    /// The addresses of what ran, in the order in which it was entered.
    pub path: Vec<String>,
    pub ending: Ending,
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Proof {
    pub histories: usize,
    pub crashes: usize,
    /// The shortest of each sort.
    pub counterexamples: Vec<Counterexample>,
    pub coverage: Coverage,
    /// The budget was spent before everything was looked at.
    pub is_cut_short: bool,
}

/// Looks until everything was looked at, or `is_over` says so.
pub fn prove(
    chain: &Arc<Chain>,
    params: &Value,
    at: Timestamp,
    scenario: &Scenario,
    mut is_over: impl FnMut() -> bool,
) -> Proof {
    let mut explorer =
        Explorer { chain, params, at, scenario, proof: Proof::default(), sorts: BTreeSet::new() };
    let is_side_by_side = |work: &Work<_>| matches!(work, Work::Parallel { .. } | Work::ForEach { .. });
    let has_orders =
        chain.steps().any(|(_, step)| is_side_by_side(&step.work) || chain.block(step.block).graph.is_some());
    let mut open: VecDeque<(Vec<Fault>, Arc<BTreeSet<String>>)> =
        VecDeque::from([(Vec::new(), Arc::default())]);
    let mut short = Vec::new();
    while let Some((faults, known)) = open.pop_front() {
        if is_over() || explorer.proof.histories >= HISTORIES_MAX {
            explorer.proof.is_cut_short = true;
            break;
        }
        let run = explorer.look(&faults);
        let attempted = Arc::new(attempted(&run));
        if faults.len() < FAULTS_MAX {
            // What a fault has led to may go wrong in its turn; the rest does so without it.
            for address in attempted.difference(&known) {
                // An undo that always fails needs a person, whatever the chain is.
                let fails = (!is_in_undo(address)).then(|| Fault::Fails(address.clone()));
                for fault in fails.into_iter().chain([Fault::Lost(address.clone())]) {
                    open.push_back(([&faults[..], &[fault]].concat(), Arc::clone(&attempted)));
                }
            }
        }
        if faults.len() <= 1 {
            short.push(faults);
        }
    }
    // What an order or a lost attempt shows needs no crash.
    let orders = if has_orders { ORDERS } else { 0 };
    for faults in short {
        for seed in (0..orders).take_while(|_| !is_over()) {
            explorer.look(&[&faults[..], &[Fault::Order(seed)]].concat());
        }
        let run = explorer.run(&faults);
        explorer.crash_everywhere(&faults, &run, &mut is_over);
        if explorer.proof.is_cut_short {
            break;
        }
    }
    explorer.proof
}

struct Explorer<'p> {
    chain: &'p Arc<Chain>,
    params: &'p Value,
    at: Timestamp,
    scenario: &'p Scenario,
    proof: Proof,
    /// The sorts of counterexamples that were found: the same thing in another place is another one.
    sorts: BTreeSet<(ExecutionStatus, Vec<String>, String)>,
}

impl Explorer<'_> {
    /// Runs a history to its end, and judges it.
    fn look(&mut self, faults: &[Fault]) -> Run {
        let run = self.run(faults);
        self.proof.histories += 1;
        self.judge(faults, &run);
        run
    }

    fn run(&self, faults: &[Fault]) -> Run {
        let script = Faulty { scenario: self.scenario, faults };
        let mut run = Run::start(ExecutionId(1), self.chain, self.params.clone(), self.at, 0, &script);
        run.run(None, &script);
        run
    }

    fn crash_everywhere(&mut self, faults: &[Fault], run: &Run, is_over: &mut impl FnMut() -> bool) {
        let script = Faulty { scenario: self.scenario, faults };
        for len in 1..run.journal.len() {
            if is_over() {
                self.proof.is_cut_short = true;
                return;
            }
            let mut again = Run::recover(run, len, &script);
            again.run(None, &script);
            self.proof.crashes += 1;
            self.judge(&[faults, &[Fault::Crash(len)]].concat(), &again);
        }
    }

    fn judge(&mut self, faults: &[Fault], run: &Run) {
        self.proof.coverage.add(&run.state, run.journal.iter().map(|(_, event)| event));
        let Some(ending) = unexpected(self.chain, run) else { return };
        // A history that ends before something goes wrong is told without that.
        let came_to = attempted(run);
        let has_happened = |fault: &Fault| match fault {
            Fault::Fails(address) | Fault::Lost(address) => came_to.contains(address),
            Fault::Crash(_) | Fault::Order(_) => true,
        };
        if !faults.iter().all(has_happened) {
            return;
        }
        // A crash a moment later, and another order, show the same thing.
        let places = faults.iter().rev().find_map(|fault| match fault {
            Fault::Fails(address) | Fault::Lost(address) => Some(address.clone()),
            Fault::Crash(_) | Fault::Order(_) => None,
        });
        let place = places.filter(|_| ending.standing.is_empty()).unwrap_or_default();
        let path = path(&run.state);
        // What ran is the same: it was shown without a crash, or in another order.
        let is_shown = self.proof.counterexamples.iter().any(|shown| {
            shown.path == path
                && (shown.ending.status, &shown.ending.standing) == (ending.status, &ending.standing)
        });
        if self.sorts.insert((ending.status, ending.standing.clone(), place)) && !is_shown {
            self.proof.counterexamples.push(Counterexample { faults: faults.to_vec(), path, ending });
        }
    }
}

/// How it ended, if no end that the chain allows is like that.
fn unexpected(chain: &Chain, run: &Run) -> Option<Ending> {
    let state = &run.state;
    let (end, error) = match state.phase() {
        Phase::Ended { end, error, .. } => (Some(*end), error.clone()),
        _ => (None, None),
    };
    let undone = undone(state, run.journal.iter().map(|(_, event)| event));
    let has_completed =
        |no: &VisitNo| matches!(state.step_status(*no), StepStatus::Completed | StepStatus::Undone);
    let completed = state.visits().map(|(no, _)| no).filter(has_completed);
    let completed: BTreeSet<StepId> = completed.map(|no| state.step_of(no).id.clone()).collect();
    let ending = |standing| Ending {
        status: state.status(),
        error: error.clone(),
        undone: undone.clone(),
        completed: completed.clone(),
        standing,
    };
    let Some(end) = end else { return Some(ending(Vec::new())) };
    if chain.expected_ends.is_empty() {
        return None;
    }
    let alike: Vec<&ExpectedEnd> = chain.expected_ends.iter().filter(|one| one.status == end).collect();
    let standing = alike.iter().map(|one| standing(state, one, &undone));
    let least = standing.min_by_key(Vec::len);
    match least {
        Some(standing) if standing.is_empty() => None,
        Some(standing) => Some(ending(standing)),
        None if end == End::Cancelled => None,
        None => Some(ending(Vec::new())),
    }
}

/// What an end wants to be taken back and is not, or only out of its turn.
fn standing(state: &State, expected: &ExpectedEnd, undone: &[String]) -> Vec<String> {
    let place = |no: VisitNo| expected.undone.iter().position(|id| *id == state.step_of(no).id);
    let mut left: Vec<String> = state
        .visits()
        .filter(|(no, _)| place(*no).is_some() && state.step_status(*no) == StepStatus::Completed)
        .map(|(no, _)| state.address(no).to_string())
        .collect();
    let order: Vec<(usize, &String)> = undone
        .iter()
        .filter_map(|address| {
            let (no, _) = state.visits().find(|(no, _)| state.address(*no).as_str() == address)?;
            Some((place(no)?, address))
        })
        .collect();
    left.extend(order.windows(2).filter(|two| two[0].0 > two[1].0).map(|two| two[1].1.clone()));
    left
}

/// The addresses of what was taken back, in its order.
pub fn undone<'e>(state: &State, events: impl Iterator<Item = &'e Event>) -> Vec<String> {
    let mut order: Vec<VisitNo> = Vec::new();
    for event in events {
        if let Event::BlockOpened { origin: Origin::Undo { visit }, .. } | Event::ChildUndoStarted { visit } =
            event
            && state.step_status(*visit) == StepStatus::Undone
            && !order.contains(visit)
        {
            order.push(*visit);
        }
    }
    order.into_iter().map(|no| state.address(no).to_string()).collect()
}

/// The addresses of what ran, of the steps that hold no others, in the order in which they were entered.
pub fn path(state: &State) -> Vec<String> {
    let is_leaf = |no: VisitNo| state.step_of(no).work.nested().is_none();
    let ran = |no: VisitNo| state.step_status(no) != StepStatus::Skipped && is_leaf(no);
    let visits = state.visits().map(|(no, _)| no).filter(|no| ran(*no));
    visits.map(|no| state.address(no).to_string()).collect()
}

fn is_in_undo(address: &str) -> bool {
    address.split('/').any(|part| part.contains(".undo"))
}

/// Where something can go wrong: attempts, questions and signals.
fn attempted(run: &Run) -> BTreeSet<String> {
    let visits = run.state.visits().filter(|(no, visit)| {
        let waits = matches!(
            run.state.step_of(*no).work,
            Work::Wait { wait: Wait::Approval(_) | Wait::Signal { .. } }
        );
        visit.attempts > 0 || waits
    });
    visits.map(|(no, _)| run.state.address(no).to_string()).collect()
}

/// A scenario in which something goes wrong.
struct Faulty<'f> {
    scenario: &'f Scenario,
    faults: &'f [Fault],
}

impl Faulty<'_> {
    fn fails(&self, address: &str) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Fault::Fails(at) if at == address))
    }
}

impl Script for Faulty<'_> {
    fn outcome(&self, asked: &Asked<'_>) -> Outcome {
        let address = asked.address();
        let is_lost = self.faults.iter().any(|fault| matches!(fault, Fault::Lost(at) if *at == address));
        let outcome = if is_lost && asked.state.visit(asked.visit).losses == 0 {
            Outcome { answer: Answer::Lost { message: "the engine went down".to_owned() }, takes_ms: 1_000 }
        } else if self.fails(&address) {
            Outcome::failure(usual_failure(&asked.step().work), "simulated")
        } else {
            self.scenario.outcome(asked)
        };
        let order = self.faults.iter().find_map(|fault| match fault {
            Fault::Order(seed) => Some(*seed),
            _ => None,
        });
        match order {
            None => outcome,
            Some(seed) => outcome.taking(1_000 * (1 + mixed(seed, &address) % 7)),
        }
    }

    fn reply(&self, asked: &Asked<'_>) -> Option<(Reply, u64)> {
        if self.fails(&asked.address()) {
            let is_question = matches!(asked.step().work, Work::Wait { wait: Wait::Approval(_) });
            return is_question.then_some((Reply::Rejected, 1_000));
        }
        let form = match &asked.step().work {
            Work::Wait { wait: Wait::Approval(approval) } => approval.form.as_deref(),
            _ => None,
        };
        let made_up = || form.map_or_else(Value::null, |form| Value::from(sample(form)));
        self.scenario.reply(asked).or_else(|| Some((Reply::Given(made_up()), 1_000)))
    }
}

/// A number that follows from a seed and a text, the same everywhere.
fn mixed(seed: u64, text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), mix);
    hash >> 17
}
