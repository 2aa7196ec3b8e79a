//! A chain as its schedules start it, over a stretch of time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use catena_core::{
    Chain, Command, ExecutionId, Failure, Timestamp, Value,
    schedule::{
        CatchUp, Overlap, Schedule,
        due::{self, Fire, Gate, Instants, MakeUp, Situation},
        jitter_ms,
    },
    state::Phase,
    status::{ExecutionStatus, FireKind, FireOutcome, FireReason},
};

use crate::{Coverage, Run, Script, run::Random};

/// What became of an instant of a schedule.
#[derive(Clone, Debug)]
pub struct Fired {
    /// The place of the schedule in the chain's list.
    pub schedule: usize,
    pub fire: Fire,
    /// What was started for it.
    pub execution: Option<Ended>,
}

/// An execution that a schedule started, as it ended or as it stands at the end of the simulation.
#[derive(Clone, Debug)]
pub struct Ended {
    pub id: ExecutionId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub status: ExecutionStatus,
    pub error: Option<Failure>,
}

/// Starts a chain by its schedules.
pub struct Calendar<'a> {
    chain: &'a Arc<Chain>,
    params: Value,
    script: &'a dyn Script,
    seed: u64,
    kept: Vec<Kept<'a>>,
    fired: Vec<Fired>,
    live: BTreeMap<ExecutionId, Live>,
    coverage: Coverage,
    next_id: u64,
}

struct Kept<'a> {
    instants: Seeded<'a>,
    considered_until: Timestamp,
    next: Option<Timestamp>,
    running: BTreeSet<ExecutionId>,
    /// Fires, by their places, that wait for those.
    waiting: VecDeque<usize>,
}

struct Live {
    run: Run,
    schedule: usize,
    /// The place of its fire.
    fired: usize,
}

/// A schedule from an instant on. What is random in it follows from the seed.
struct Seeded<'a> {
    schedule: &'a Schedule,
    anchor: Timestamp,
    seed: u64,
}

impl Instants for Seeded<'_> {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(self.anchor, after)
    }

    fn delay_ms(&self, at: Timestamp) -> u64 {
        match self.schedule.jitter_ms {
            0 => 0,
            most => jitter_ms(most, Random::new(self.seed ^ at.0.unsigned_abs()).next()),
        }
    }
}

impl<'a> Calendar<'a> {
    /// Of a chain that is stored at an instant.
    pub fn new(
        chain: &'a Arc<Chain>,
        schedules: &'a [Schedule],
        params: Value,
        anchor: Timestamp,
        seed: u64,
        script: &'a dyn Script,
    ) -> Self {
        let keep = |(place, schedule): (u64, &'a Schedule)| {
            let instants = Seeded { schedule, anchor, seed: seed.wrapping_add(place) };
            let next = instants.next_after(anchor);
            Kept {
                instants,
                considered_until: anchor,
                next,
                running: BTreeSet::new(),
                waiting: VecDeque::new(),
            }
        };
        Self {
            chain,
            params,
            script,
            seed,
            kept: (0..).zip(schedules).map(keep).collect(),
            fired: Vec::new(),
            live: BTreeMap::new(),
            coverage: Coverage::default(),
            next_id: 1,
        }
    }

    /// Fires until an instant, and brings what was started then to its end. Gives what became of each instant, and
    /// what of the chain was taken.
    pub fn run(mut self, until: Timestamp) -> (Vec<Fired>, Coverage) {
        self.start_at_once();
        while let Some(at) = self.next_fire_at().filter(|at| *at <= until) {
            // What ends at an instant makes room for what starts then.
            self.run_until(Some(at));
            self.fire_at(at);
        }
        self.run_until(None);
        for (_, live) in std::mem::take(&mut self.live) {
            self.note(&live);
        }
        (self.fired, self.coverage)
    }

    /// What is said as `every` and has no `after` starts when it is stored.
    fn start_at_once(&mut self) {
        for place in 0..self.kept.len() {
            let Seeded { schedule, anchor, .. } = self.kept[place].instants;
            if schedule.every_ms().is_some_and(|every| every > 0) && schedule.after_ms.is_none() {
                let fire = Fire::one(anchor, FireKind::Scheduled, FireOutcome::Started, None);
                self.fired.push(Fired { schedule: place, fire, execution: None });
                self.start(place, self.fired.len() - 1, anchor);
            }
        }
    }

    fn next_fire_at(&self) -> Option<Timestamp> {
        self.kept.iter().filter_map(Kept::wakes_at).min()
    }

    /// Lets everything happen that happens until an instant, in its order.
    fn run_until(&mut self, until: Option<Timestamp>) {
        loop {
            let next = self.live.iter().filter_map(|(id, live)| Some((live.run.next_at()?, *id))).min();
            let Some((at, id)) = next.filter(|(at, _)| until.is_none_or(|until| *at <= until)) else {
                return;
            };
            let Some(live) = self.live.get_mut(&id) else { return };
            live.run.step(self.script);
            if live.run.state.has_ended() {
                self.ended(id, at);
            }
        }
    }

    fn fire_at(&mut self, now: Timestamp) {
        for place in 0..self.kept.len() {
            if self.kept[place].wakes_at().is_some_and(|at| at <= now) {
                self.fire(place, now);
            }
        }
    }

    fn fire(&mut self, place: usize, now: Timestamp) {
        let kept = &mut self.kept[place];
        let definition = kept.instants.schedule;
        let make_up = match definition.catch_up {
            CatchUp::Skip => MakeUp::Nothing,
            CatchUp::Last => MakeUp::Latest,
            CatchUp::All { max } => MakeUp::UpTo(max as usize),
        };
        let situation = Situation {
            overlap: definition.overlap,
            make_up,
            within_ms: definition.catch_up_within_ms,
            gate: Gate::Open,
            considered_until: kept.considered_until,
            now,
            running: kept.running.len(),
            waiting: kept.waiting.len(),
        };
        let decided = due::due(&situation, &kept.instants);
        kept.considered_until = decided.considered_until;
        kept.next = decided.next;
        if decided.cancels_running {
            self.make_room(place, now);
        }
        for fire in decided.fires {
            let fired = self.fired.len();
            self.fired.push(Fired { schedule: place, fire, execution: None });
            match fire.outcome {
                FireOutcome::Started | FireOutcome::Late => self.start(place, fired, now),
                FireOutcome::Waiting => self.kept[place].waiting.push_back(fired),
                FireOutcome::Skipped | FireOutcome::Missed => {}
            }
        }
        if definition.overlap == Overlap::CancelRunning {
            self.start_waiting(place, now);
        }
    }

    /// Cancels what runs, and lets nothing else wait for that.
    fn make_room(&mut self, place: usize, now: Timestamp) {
        for fired in std::mem::take(&mut self.kept[place].waiting) {
            let fire = &mut self.fired[fired].fire;
            (fire.outcome, fire.reason) = (FireOutcome::Skipped, Some(FireReason::Superseded));
        }
        for id in self.kept[place].running.clone() {
            let Some(live) = self.live.get_mut(&id) else { continue };
            live.run.wait_until(now);
            // One that is undone, or cleans up, goes on to its end.
            drop(live.run.tell(Command::CancelExecution { rollback: false, force: false }, self.script));
            if live.run.state.has_ended() {
                let at = live.run.now();
                self.ended(id, at);
            }
        }
    }

    fn start(&mut self, place: usize, fired: usize, now: Timestamp) {
        let id = ExecutionId(self.next_id);
        self.next_id += 1;
        let seed = self.seed.wrapping_add(id.0);
        let run = Run::start(id, self.chain, self.params.clone(), now, seed, self.script);
        let has_ended = run.state.has_ended();
        self.live.insert(id, Live { run, schedule: place, fired });
        self.kept[place].running.insert(id);
        if has_ended {
            self.ended(id, now);
        }
    }

    fn start_waiting(&mut self, place: usize, now: Timestamp) {
        while self.kept[place].running.is_empty()
            && let Some(fired) = self.kept[place].waiting.pop_front()
        {
            let fire = &mut self.fired[fired].fire;
            fire.outcome = due::started(fire.at, now);
            fire.reason = None;
            self.start(place, fired, now);
        }
    }

    fn ended(&mut self, id: ExecutionId, now: Timestamp) {
        let Some(live) = self.live.remove(&id) else { return };
        self.note(&live);
        self.kept[live.schedule].running.remove(&id);
        self.start_waiting(live.schedule, now);
    }

    fn note(&mut self, live: &Live) {
        let state = &live.run.state;
        let (ended_at, error) = match state.phase() {
            Phase::Ended { at, error, .. } => (Some(*at), error.clone()),
            Phase::Created | Phase::Running | Phase::Undoing | Phase::Handling(_) => (None, None),
        };
        let started_at = live.run.journal.first().map_or(Timestamp::ZERO, |(at, _)| *at);
        let ended = Ended { id: state.id(), started_at, ended_at, status: state.status(), error };
        self.fired[live.fired].execution = Some(ended);
        self.coverage.add(state, live.run.journal.iter().map(|(_, event)| event));
    }
}

impl Kept<'_> {
    /// When the next instant is due, its delay included.
    fn wakes_at(&self) -> Option<Timestamp> {
        self.next.map(|next| next.plus_ms(self.instants.delay_ms(next)))
    }
}
