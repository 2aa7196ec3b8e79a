//! Schedules beside executions: when an instant has come, its row and the start of its execution are one commit, so
//! that a crash before it leaves both to the next host and a crash after it leaves neither.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use catena_core::{
    ExecutionId, Loaded, ScheduleId, State, Timestamp,
    command::Start,
    event::Trigger,
    faults::{self, Fault},
    schedule::{
        CatchUp, Overlap, Schedule,
        due::{self, Due, Gate, Instants, MakeUp, Situation},
        jitter_ms,
    },
    status::{ChainStatus, FireKind, FireOutcome, FireReason, ScheduleStatus},
};
use catena_store::{Actor, FireRow, InboxCommand, Record, ScheduleRow, Version};

use super::{
    Deferred, Dispatcher, Reply,
    commit::{Claim, Consequences, Decided},
    gates::Entry,
};
use crate::schedule::{Announcement, Found, Head, News};

/// The schedules that the dispatcher knows; they fire when this engine hosts them.
#[derive(Default)]
pub(super) struct Schedules {
    pub(super) hosting: Hosting,
    pub(super) kept: BTreeMap<ScheduleId, Kept>,
    timers: BTreeSet<(Timestamp, ScheduleId)>,
    /// By name, the chains that have schedules.
    pub(super) heads: HashMap<String, Head>,
    /// Names of chains that were stored by this engine.
    pub(super) stored: HashSet<String>,
    /// Names of chains that were removed by this engine: who asked before may still believe that they are stored.
    removed: HashSet<String>,
    /// Which schedule an unfinished execution belongs to.
    of: HashMap<ExecutionId, ScheduleId>,
    /// Executions of schedules that have ended since anybody looked.
    ended: Vec<ExecutionId>,
}

/// Whether schedules fire here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hosting {
    /// They are records alone.
    #[default]
    Dormant,
    Live,
}

/// A schedule with what there is of it now.
pub(super) struct Kept {
    pub(super) row: ScheduleRow,
    pub(super) running: BTreeSet<ExecutionId>,
    pub(super) waiting: VecDeque<FireRow>,
    armed: Option<Timestamp>,
}

impl Kept {
    pub(super) fn new(row: ScheduleRow) -> Self {
        Self { row, running: BTreeSet::new(), waiting: VecDeque::new(), armed: None }
    }

    /// It may start something, now or later.
    fn is_open(&self) -> bool {
        match self.row.status {
            ScheduleStatus::Active | ScheduleStatus::Exhausted => true,
            ScheduleStatus::Paused | ScheduleStatus::Ended => false,
        }
    }

    /// Its instants still come, whatever becomes of them.
    fn has_instants(&self) -> bool {
        match self.row.status {
            ScheduleStatus::Active | ScheduleStatus::Paused => true,
            ScheduleStatus::Exhausted | ScheduleStatus::Ended => false,
        }
    }
}

/// The instants of a stored schedule.
pub(super) struct Anchored<'a> {
    pub(super) id: ScheduleId,
    pub(super) definition: &'a Schedule,
    pub(super) anchor: Timestamp,
}

impl Instants for Anchored<'_> {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.definition.next_after(self.anchor, after)
    }

    /// Made from the schedule's number and the instant: a restart does not draw again.
    fn delay_ms(&self, at: Timestamp) -> u64 {
        if self.definition.jitter_ms == 0 {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        (self.id, at).hash(&mut hasher);
        let number = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        jitter_ms(self.definition.jitter_ms, number)
    }
}

pub(super) fn anchored(row: &ScheduleRow) -> Anchored<'_> {
    Anchored { id: row.id, definition: &row.definition, anchor: row.anchor }
}

impl Schedules {
    pub(super) fn new(found: Found) -> Self {
        let mut schedules = Self { heads: found.heads.into_iter().collect(), ..Self::default() };
        for row in found.schedules {
            schedules.kept.insert(row.id, Kept::new(row));
        }
        for fire in found.waiting {
            if let Some(kept) = schedules.kept.get_mut(&fire.schedule) {
                kept.waiting.push_back(fire);
            }
        }
        for (execution, schedule) in found.running {
            schedules.runs(execution, schedule);
        }
        schedules
    }

    fn runs(&mut self, execution: ExecutionId, schedule: ScheduleId) {
        if let Some(kept) = self.kept.get_mut(&schedule) {
            kept.running.insert(execution);
            self.of.insert(execution, schedule);
        }
    }

    /// When the next instant of any schedule has come.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A version of the chain has become its latest.
    pub(super) fn stored(&mut self, version: &Version) {
        let name = version.chain.name.as_str();
        self.stored.insert(name.to_owned());
        self.removed.remove(name);
        if let Some(head) = self.heads.get_mut(name) {
            head.version.clone_from(&version.digest);
            head.chain = Arc::clone(&version.chain);
        }
    }

    /// The chain and all that it has are gone.
    pub(super) fn removed(&mut self, chain: &str) {
        self.kept.retain(|_, kept| kept.row.chain != chain);
        self.heads.remove(chain);
        self.stored.remove(chain);
        self.removed.insert(chain.to_owned());
    }

    /// Whether the version is stored, where that was so when it was asked for.
    pub(super) fn is_still_known(&self, version: &Version) -> bool {
        !self.removed.contains(version.chain.name.as_str())
    }

    /// The execution has come to its end, or never was.
    pub(super) fn ended(&mut self, execution: ExecutionId) {
        if self.of.contains_key(&execution) {
            self.ended.push(execution);
        }
    }

    pub(super) fn of_chain(&self, chain: &str) -> Vec<ScheduleId> {
        let of = |kept: &&Kept| kept.row.chain == chain && kept.row.status != ScheduleStatus::Ended;
        self.kept.values().filter(of).map(|kept| kept.row.id).collect()
    }

    pub(super) fn disarm(&mut self, id: ScheduleId) {
        if let Some(kept) = self.kept.get_mut(&id)
            && let Some(at) = kept.armed.take()
        {
            self.timers.remove(&(at, id));
        }
    }

    /// Wakes the dispatcher when the next instant has come.
    pub(super) fn arm(&mut self, id: ScheduleId) {
        self.disarm(id);
        let Some(kept) = self.kept.get_mut(&id) else { return };
        if self.hosting == Hosting::Live
            && kept.has_instants()
            && let Some(next) = kept.row.next_at
        {
            let at = next.plus_ms(anchored(&kept.row).delay_ms(next));
            kept.armed = Some(at);
            self.timers.insert((at, id));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn gate(&self, kept: &Kept) -> Gate {
        let chain = self.heads.get(&kept.row.chain).map(|head| head.status);
        match (kept.row.status, chain) {
            (ScheduleStatus::Paused, _) => Gate::Closed(FireReason::Paused),
            (_, Some(ChainStatus::Paused)) => Gate::Closed(FireReason::ChainPaused),
            (_, Some(ChainStatus::Archived)) => Gate::Closed(FireReason::Archived),
            (_, Some(ChainStatus::Active) | None) => Gate::Open,
        }
    }
}

/// The decision about the instants of a schedule that have come.
fn decide(kept: &Kept, gate: Gate, now: Timestamp) -> Due {
    let row = &kept.row;
    let make_up = match row.definition.catch_up {
        CatchUp::Skip => MakeUp::Nothing,
        CatchUp::Last => MakeUp::Latest,
        CatchUp::All { max } => MakeUp::UpTo(usize::try_from(max).unwrap_or(usize::MAX)),
    };
    let situation = Situation {
        overlap: row.definition.overlap,
        make_up,
        within_ms: row.definition.catch_up_within_ms,
        gate,
        considered_until: row.considered_until,
        now,
        running: kept.running.len(),
        waiting: kept.waiting.len(),
    };
    due::due(&situation, &anchored(row))
}

impl Dispatcher {
    /// From now on the schedules of the store fire here.
    pub(super) fn host_schedules(&mut self) {
        if self.stopped.is_some() || self.schedules.hosting == Hosting::Live {
            return;
        }
        self.schedules.hosting = Hosting::Live;
        for id in self.schedules.kept.keys().copied().collect::<Vec<_>>() {
            self.settle(id);
            self.start_waiting(id);
            // A host that died in between had not cancelled them yet.
            let kept = &self.schedules.kept[&id];
            if kept.row.definition.overlap == Overlap::CancelRunning && !kept.waiting.is_empty() {
                self.cancel_running(id);
            }
        }
    }

    /// From now on they are records alone: what comes is left to the next host.
    pub(super) fn leave_schedules(&mut self) {
        self.schedules.hosting = Hosting::Dormant;
        for id in self.schedules.kept.keys().copied().collect::<Vec<_>>() {
            self.schedules.disarm(id);
        }
    }

    pub(super) fn wake_schedules(&mut self) {
        let now = self.shared.clock.now();
        while let Some((at, id)) = self.schedules.timers.first().copied()
            && at <= now
        {
            self.schedules.disarm(id);
            self.settle(id);
        }
    }

    /// What waited for an execution that has ended goes on.
    pub(super) fn go_on_after_ends(&mut self) {
        for execution in std::mem::take(&mut self.schedules.ended) {
            let Some(schedule) = self.schedules.of.remove(&execution) else { continue };
            if let Some(kept) = self.schedules.kept.get_mut(&schedule) {
                kept.running.remove(&execution);
            }
            if self.schedules.hosting == Hosting::Live && self.stopped.is_none() {
                self.start_waiting(schedule);
            }
        }
    }

    /// Decides the instants of a schedule that have come, and wakes for the next one.
    pub(super) fn settle(&mut self, id: ScheduleId) {
        let Some(kept) = self.schedules.kept.get(&id) else { return };
        let gate = self.schedules.gate(kept);
        self.settle_with(id, gate);
    }

    pub(super) fn settle_with(&mut self, id: ScheduleId, gate: Gate) {
        let now = self.shared.clock.now();
        let Some(kept) = self.schedules.kept.get_mut(&id) else { return };
        if !kept.has_instants() {
            return;
        }
        let due = decide(kept, gate, now);
        if due.fires.is_empty() && due.next == kept.row.next_at {
            return self.schedules.arm(id);
        }
        kept.row.considered_until = due.considered_until;
        kept.row.next_at = due.next;
        if due.next.is_none() {
            kept.row.status = ScheduleStatus::Exhausted;
        }
        self.schedules.arm(id);
        self.carry_out(id, due, now);
    }

    /// Commits what was decided of instants, with the start of the one that starts.
    fn carry_out(&mut self, id: ScheduleId, due: Due, now: Timestamp) {
        let Some(kept) = self.schedules.kept.get_mut(&id) else { return };
        let mut records = Vec::new();
        let mut news = Vec::new();
        let mut starts = None;
        if due.cancels_running {
            records.extend(drop_waiting(kept, FireReason::Superseded, FireOutcome::Skipped, now));
        }
        for fire in due.fires {
            let row = FireRow {
                schedule: id,
                fire,
                trigger: 0,
                note: None,
                execution: None,
                decided_at: now,
                decided_by: Actor::engine(),
            };
            match fire.outcome {
                FireOutcome::Started | FireOutcome::Late => starts = Some(row),
                FireOutcome::Waiting => {
                    kept.waiting.push_back(row.clone());
                    records.push(Record::Fire(Box::new(row)));
                }
                FireOutcome::Skipped | FireOutcome::Missed => {
                    let at = fire.until.unwrap_or(fire.at);
                    news.push(announcement(&kept.row, News::NothingStarted { at }));
                    records.push(Record::Fire(Box::new(row)));
                }
            }
        }
        records.insert(0, Record::Schedule(Box::new(kept.row.clone())));
        let consequences = Consequences { records, news, ..Consequences::default() };
        match starts {
            Some(row) => {
                self.start_fire(row, consequences);
            }
            None => self.commit_records(consequences),
        }
        if due.cancels_running {
            self.cancel_running(id);
        }
    }

    /// The first fire that waits, if nothing of its schedule runs.
    pub(super) fn start_waiting(&mut self, id: ScheduleId) {
        let now = self.shared.clock.now();
        while let Some(kept) = self.schedules.kept.get(&id)
            && kept.is_open()
            && kept.running.is_empty()
            && self.schedules.gate(kept) == Gate::Open
            && let Some(kept) = self.schedules.kept.get_mut(&id)
            && let Some(mut row) = kept.waiting.pop_front()
        {
            row.fire.outcome = due::started(row.fire.at, now);
            row.fire.reason = None;
            row.decided_at = now;
            // One that cannot start is missed, and the next one has its turn.
            self.start_fire(row, Consequences::default());
        }
    }

    /// Starts the execution of a fire: its row, and whatever else the commit has, become durable with it.
    pub(super) fn start_fire(
        &mut self,
        mut row: FireRow,
        mut consequences: Consequences,
    ) -> Option<ExecutionId> {
        let kept = self.schedules.kept.get(&row.schedule)?;
        let head = self.schedules.heads.get(&kept.row.chain)?.clone();
        let schedule = kept.row.clone();
        let trigger = trigger_of(&row);
        let entry = self.gates.look(&head.chain, trigger);
        if let Entry::Refused { .. } = entry {
            row.fire.outcome = FireOutcome::Skipped;
            row.fire.reason = Some(FireReason::Running);
            consequences.news.push(announcement(&schedule, News::NothingStarted { at: row.fire.at }));
            consequences.records.push(Record::Fire(Box::new(row)));
            self.commit_records(consequences);
            return None;
        }
        let params = match head.chain.resolve_params(schedule.params.clone()) {
            Ok(params) => params,
            Err(problems) => {
                let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
                row.fire.outcome = FireOutcome::Missed;
                row.fire.reason = Some(FireReason::Params);
                row.note = Some(texts.join("; "));
                consequences.news.push(announcement(&schedule, News::NothingStarted { at: row.fire.at }));
                consequences.records.push(Record::Fire(Box::new(row)));
                self.commit_records(consequences);
                return None;
            }
        };
        let mut blobs = Vec::new();
        let params = params.keep_fields(&mut blobs);
        let execution = ExecutionId(self.take_number());
        row.execution = Some(execution);
        self.schedules.runs(execution, row.schedule);
        let (actor, at) = (row.decided_by.clone(), row.fire.at);
        let beside = consequences.records.clone();
        consequences.fire = Some(Box::new(Claim { row: row.clone(), beside }));
        consequences.records.extend(blobs.into_iter().map(Record::Value));
        consequences.records.push(Record::NextNumber(self.next_number));
        consequences.records.push(Record::Fire(Box::new(row)));
        if faults::is_on(Fault::InstantForgotten) {
            consequences.records.retain(|record| !matches!(record, Record::Fire(_) | Record::Schedule(_)));
        }
        consequences.news.push(announcement(&schedule, News::Started { execution, at }));
        let offer = self.slots.offer(execution, None);
        let outside = self.outside(offer);
        let now = outside.now;
        let held = matches!(entry, Entry::Held { .. });
        let start = Start { held, ..Start::new(head.version, params, trigger) };
        let (state, decision) = State::start(execution, head.chain, start, outside);
        self.gates.add(&state);
        self.hot.insert(execution, state);
        if let Entry::Held { cancels: Some(running) } = entry {
            self.cancel_for_another(running);
        }
        let decided = Decided { at: now, decision, at_hand: Loaded::default() };
        self.commit(execution, decided, actor, consequences);
        Some(execution)
    }

    pub(super) fn cancel_running(&mut self, id: ScheduleId) {
        let Some(kept) = self.schedules.kept.get(&id) else { return };
        for execution in kept.running.clone() {
            let actor = Actor::engine();
            let command = InboxCommand::Cancel { rollback: false, force: false };
            let cancel = Deferred::Tell { command, actor, inbox: None, reply: None };
            self.with_state(execution, cancel);
        }
    }

    /// The store knew an execution for the instant that the start of this one was to be for: it never was.
    pub(super) fn instant_taken(&mut self, execution: ExecutionId, claim: Claim) {
        self.forget(execution);
        self.schedules.ended(execution);
        let Claim { mut row, beside: mut records } = claim;
        row.execution = None;
        row.fire.outcome = FireOutcome::Skipped;
        row.fire.reason = Some(FireReason::HasExecution);
        records.push(Record::Fire(Box::new(row)));
        self.commit_records(Consequences { records, ..Consequences::default() });
    }
}

/// Takes what waits from a schedule; the rows say why nothing starts for it.
pub(super) fn drop_waiting(
    kept: &mut Kept,
    reason: FireReason,
    outcome: FireOutcome,
    now: Timestamp,
) -> Vec<Record> {
    let dropped = kept.waiting.drain(..).map(|mut row| {
        row.fire.outcome = outcome;
        row.fire.reason = Some(reason);
        row.decided_at = now;
        Record::Fire(Box::new(row))
    });
    dropped.collect()
}

pub(super) fn announcement(row: &ScheduleRow, news: News) -> Announcement {
    Announcement { chain: row.chain.clone(), schedule: row.id, news }
}

fn trigger_of(row: &FireRow) -> Trigger {
    let (schedule, at) = (row.schedule, row.fire.at);
    match row.fire.kind {
        FireKind::Scheduled | FireKind::CatchUp => Trigger::Schedule { schedule, at },
        FireKind::RunNow => Trigger::RunNow { schedule },
        FireKind::Backfill => Trigger::Backfill { schedule, at },
    }
}

/// An answer that is given when the commit is durable.
pub(super) fn when_durable<T: Send + 'static>(reply: Reply<T>, answer: T) -> Reply<()> {
    Box::new(move |result| reply(result.map(|()| answer)))
}
