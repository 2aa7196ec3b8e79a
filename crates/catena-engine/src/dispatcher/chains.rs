//! What people do to chains and their schedules: store, pause, resume, archive, remove, run now, backfill.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use catena_core::{
    ExecutionId, ScheduleId, Timestamp,
    schedule::{
        Overlap, Schedule, Timing,
        due::{Fire, Gate, Instants},
    },
    status::{ChainStatus, FireKind, FireOutcome, FireReason, ScheduleStatus},
};
use catena_store::{Actor, ChainChange, FireRow, Record, ScheduleRow};

use super::{
    Dispatcher, Reply,
    commit::{Claim, Consequences},
    schedules::{Anchored, Hosting, Kept, announcement, drop_waiting, when_durable},
};
use crate::{
    Error, Started,
    schedule::{
        BACKFILL_MAX, Backfilled, Begin, Change, First, Head, News, ScheduleAnswer, ScheduleRequest,
        Scheduled, Standing,
    },
};

/// What can be asked of the dispatcher about chains and schedules.
pub(crate) enum Ask {
    Host,
    /// From now on they do not.
    Leave,
    Store {
        request: Box<ScheduleRequest>,
        is_known: bool,
        status: ChainStatus,
        reply: Reply<Scheduled>,
    },
    ChangeChain {
        chain: String,
        standing: Standing,
        reply: Reply<()>,
    },
    RemoveChain {
        chain: String,
        reply: Reply<()>,
    },
    ChangeSchedule {
        id: ScheduleId,
        standing: Standing,
        reply: Reply<()>,
    },
    RunNow {
        id: ScheduleId,
        actor: Actor,
        reply: Reply<Started>,
    },
    Backfill {
        id: ScheduleId,
        span: (Timestamp, Timestamp),
        taken: BTreeSet<Timestamp>,
        actor: Actor,
        reply: Reply<Backfilled>,
    },
    /// The start of an execution was refused: its instant has one.
    InstantTaken {
        execution: ExecutionId,
        claim: Box<Claim>,
    },
}

impl Dispatcher {
    pub(super) fn asked(&mut self, ask: Ask) {
        if let Some(why) = &self.stopped {
            return ask.refuse(Error::Stopped(why.clone()));
        }
        if let Some(refusal) = self.refusal() {
            return match ask {
                Ask::Host => self.host_after_outage(Hosting::Live),
                Ask::Leave => self.host_after_outage(Hosting::Dormant),
                other => other.refuse(refusal),
            };
        }
        match ask {
            Ask::Host => self.host_schedules(),
            Ask::Leave => self.leave_schedules(),
            Ask::Store { request, is_known, status, reply } => {
                self.store_schedules(*request, is_known, status, reply);
            }
            Ask::ChangeChain { chain, standing, reply } => self.change_chain(chain, standing, reply),
            Ask::RemoveChain { chain, reply } => self.remove_chain(chain, reply),
            Ask::ChangeSchedule { id, standing, reply } => self.change_schedule(id, standing, reply),
            Ask::RunNow { id, actor, reply } => self.run_now(id, actor, reply),
            Ask::Backfill { id, span, taken, actor, reply } => self.backfill(id, span, &taken, &actor, reply),
            Ask::InstantTaken { execution, claim } => self.instant_taken(execution, *claim),
        }
    }

    /// Stores a chain with its schedules, and starts one execution if that is asked for.
    fn store_schedules(
        &mut self,
        request: ScheduleRequest,
        is_known: bool,
        status: ChainStatus,
        reply: Reply<Scheduled>,
    ) {
        let now = self.shared.clock.now();
        let ScheduleRequest { version, schedules, params, actor, begin } = request;
        let name = version.chain.name.as_str().to_owned();
        let mut records = Vec::new();
        if matches!(begin, Begin::NewChain | Begin::NewPaused) {
            if self.schedules.stored.contains(&name) {
                return reply(Err(catena_store::Error::ChainExists(name).into()));
            }
            records.push(Record::ChainIsNew { chain: name.clone() });
        }
        if !is_known || !self.schedules.is_still_known(&version) {
            let (number, version) = (self.take_number(), version.clone());
            records.push(Record::Version { version, number, at: now, actor: actor.clone() });
        }
        self.schedules.stored(&version);
        let head = Head { version: version.digest.clone(), chain: version.chain.clone(), status };
        self.schedules.heads.entry(name.clone()).or_insert(head);
        let mut old: BTreeMap<u32, ScheduleId> = BTreeMap::new();
        for id in self.schedules.of_chain(&name) {
            old.insert(self.schedules.kept[&id].row.ordinal, id);
        }
        let mut answers = Vec::new();
        let mut ended = Vec::new();
        for (ordinal, definition) in (0..).zip(schedules) {
            let made = Made { chain: &name, ordinal, definition, params: &params, actor: &actor, begin, now };
            let change = match old.remove(&ordinal) {
                Some(id) if self.is_beyond(id, &made) => {
                    records.extend(self.end_schedule(id, now));
                    ended.push(id);
                    self.make_schedule(made, &mut records)
                }
                Some(id) => self.keep_or_restart(id, made, &mut records),
                None => self.make_schedule(made, &mut records),
            };
            answers.push(change);
        }
        for id in old.into_values() {
            records.extend(self.end_schedule(id, now));
            ended.push(id);
        }
        records.push(Record::NextNumber(self.next_number));
        let news = answers.iter().map(|(id, _)| *id).chain(ended.iter().copied());
        let news = news.map(|id| announcement(&self.schedules.kept[&id].row, News::Changed)).collect();
        let consequences = Consequences { records, news, ..Consequences::default() };
        self.begin(begin, answers, ended, (actor, reply), consequences);
    }

    /// Commits what was changed, with the first start if there is one.
    fn begin(
        &mut self,
        begin: Begin,
        answers: Vec<(ScheduleId, Change)>,
        ended: Vec<ScheduleId>,
        (actor, reply): (Actor, Reply<Scheduled>),
        mut consequences: Consequences,
    ) {
        let schedules = answers.iter().map(|(id, change)| {
            let next_at = self.schedules.kept[id].row.next_at;
            ScheduleAnswer { id: *id, change: *change, next_at }
        });
        let mut answer = Scheduled { chain: 0, schedules: schedules.collect(), ended, first: First::None };
        let first = answers.first().filter(|_| begin == Begin::AtOnce).map(|(id, _)| *id);
        let Some(id) = first else {
            consequences.reply = Some(when_durable(reply, answer));
            self.commit_records(consequences);
            return self.arm_all(answers.iter().map(|(id, _)| *id));
        };
        let kept = &self.schedules.kept[&id];
        match kept.running.last().filter(|_| kept.row.definition.overlap != Overlap::Allow) {
            Some(running) => {
                answer.first = First::Running(*running);
                consequences.reply = Some(when_durable(reply, answer));
                self.commit_records(consequences);
            }
            None => {
                // The number that the execution gets next: the answer goes with its commit.
                answer.first = First::Started(ExecutionId(self.next_number + 1));
                consequences.reply = Some(when_durable(reply, answer));
                let started = self.start_now(id, actor, consequences);
                debug_assert!(started.is_none_or(|id| id.0 + 1 == self.next_number));
            }
        }
        self.arm_all(answers.iter().map(|(id, _)| *id));
    }

    fn arm_all(&mut self, ids: impl Iterator<Item = ScheduleId>) {
        if self.schedules.hosting == Hosting::Live {
            for id in ids {
                self.settle(id);
            }
        }
    }

    fn start_now(&mut self, id: ScheduleId, actor: Actor, consequences: Consequences) -> Option<ExecutionId> {
        let now = self.shared.clock.now();
        let row = FireRow {
            schedule: id,
            fire: Fire::one(now, FireKind::RunNow, FireOutcome::Started, None),
            trigger: self.take_number(),
            note: None,
            execution: None,
            decided_at: now,
            decided_by: actor,
        };
        self.start_fire(row, consequences)
    }

    fn make_schedule(&mut self, made: Made<'_>, records: &mut Vec<Record>) -> (ScheduleId, Change) {
        let id = ScheduleId(self.take_number());
        let row = made.row(id);
        records.push(Record::Schedule(Box::new(row.clone())));
        self.schedules.kept.insert(id, Kept::new(row));
        (id, Change::Made)
    }

    /// A clock that was far ahead has decided instants that a changed schedule is yet to have: it needs a number of its
    /// own for them.
    fn is_beyond(&self, id: ScheduleId, made: &Made<'_>) -> bool {
        let row = &self.schedules.kept[&id].row;
        row.considered_until > made.now && row.definition != made.definition
    }

    /// A schedule that is as it was keeps its anchor; any other one, and one that has nothing left to do, counts
    /// from now.
    fn keep_or_restart(
        &mut self,
        id: ScheduleId,
        made: Made<'_>,
        records: &mut Vec<Record>,
    ) -> (ScheduleId, Change) {
        let row = &self.schedules.kept[&id].row;
        let is_kept = row.definition == made.definition && row.status != ScheduleStatus::Exhausted;
        let now = made.now;
        if is_kept && made.begin == Begin::AtOnce {
            // The start that comes now stands for all that was missed.
            self.settle_with(id, Gate::Closed(FireReason::StartedByRun));
        }
        let kept = self.schedules.kept.get_mut(&id).expect("it was found among them");
        if is_kept {
            kept.row.params.clone_from(made.params);
            kept.row.updated_at = now;
            let change = match kept.row.status {
                ScheduleStatus::Paused => Change::KeptPaused,
                ScheduleStatus::Active | ScheduleStatus::Exhausted | ScheduleStatus::Ended => Change::Kept,
            };
            records.push(Record::Schedule(Box::new(kept.row.clone())));
            return (id, change);
        }
        records.extend(drop_waiting(kept, FireReason::Changed, FireOutcome::Skipped, now));
        let until = kept.row.considered_until.max(now);
        let before = kept.row.clone();
        let mut row = made.row(id);
        row.considered_until = until;
        row.next_at = row.definition.next_after(row.anchor, until);
        (row.created_at, row.created_by) = (before.created_at, before.created_by);
        kept.row = row.clone();
        records.push(Record::Schedule(Box::new(row)));
        (id, Change::Restarted)
    }

    fn end_schedule(&mut self, id: ScheduleId, now: Timestamp) -> Vec<Record> {
        self.schedules.disarm(id);
        let Some(kept) = self.schedules.kept.get_mut(&id) else { return Vec::new() };
        kept.row.status = ScheduleStatus::Ended;
        kept.row.next_at = None;
        kept.row.updated_at = now;
        let mut records = vec![Record::Schedule(Box::new(kept.row.clone()))];
        records.extend(drop_waiting(kept, FireReason::Changed, FireOutcome::Skipped, now));
        records
    }

    fn change_chain(&mut self, chain: String, standing: Standing, reply: Reply<()>) {
        let now = self.shared.clock.now();
        let ids = self.schedules.of_chain(&chain);
        let reason = match standing {
            Standing::Archived => FireReason::Archived,
            Standing::Active | Standing::Paused => FireReason::ChainPaused,
        };
        let mut records = self.close(&ids, standing, reason, now);
        let status = ChainStatus::from(standing);
        if let Some(head) = self.schedules.heads.get_mut(&chain) {
            head.status = status;
        }
        records.push(Record::ChainStatus(ChainChange { chain, status, at: now }));
        let news = ids.iter().map(|id| announcement(&self.schedules.kept[id].row, News::Changed)).collect();
        self.commit_records(Consequences { records, news, reply: Some(reply), ..Consequences::default() });
        self.arm_all(ids.into_iter());
    }

    fn change_schedule(&mut self, id: ScheduleId, standing: Standing, reply: Reply<()>) {
        let now = self.shared.clock.now();
        let Some(kept) = self.schedules.kept.get(&id) else { return reply(Err(Error::UnknownSchedule(id))) };
        let status = match (kept.row.status, standing) {
            (ScheduleStatus::Ended, _) => {
                let message =
                    format!("schedule {id} has ended: the definition of its chain no longer has it");
                return reply(Err(Error::Conflict(message)));
            }
            (_, Standing::Archived) => {
                return reply(Err(Error::Conflict(
                    "a schedule is paused, or archived with its chain".into(),
                )));
            }
            (ScheduleStatus::Exhausted, _) => {
                return reply(Err(Error::Conflict(format!("schedule {id} has no start left"))));
            }
            (ScheduleStatus::Active | ScheduleStatus::Paused, Standing::Active) => ScheduleStatus::Active,
            (ScheduleStatus::Active | ScheduleStatus::Paused, Standing::Paused) => ScheduleStatus::Paused,
        };
        let mut records = self.close(&[id], standing, FireReason::Paused, now);
        let kept = self.schedules.kept.get_mut(&id).expect("it was found above");
        // Its last instant may just have passed.
        if kept.row.status != ScheduleStatus::Exhausted {
            kept.row.status = status;
        }
        kept.row.updated_at = now;
        records.push(Record::Schedule(Box::new(kept.row.clone())));
        let news = vec![announcement(&kept.row, News::Changed)];
        self.commit_records(Consequences { records, news, reply: Some(reply), ..Consequences::default() });
        self.arm_all([id].into_iter());
    }

    /// What has come by now belongs to the time before the change; what waits while a gate closes never starts.
    fn close(
        &mut self,
        ids: &[ScheduleId],
        standing: Standing,
        reason: FireReason,
        now: Timestamp,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        for id in ids {
            let gate = match standing {
                Standing::Active => self.schedules.closed_by(*id, reason),
                Standing::Paused | Standing::Archived => Gate::Closed(reason),
            };
            self.settle_with(*id, gate);
            if standing != Standing::Active
                && let Some(kept) = self.schedules.kept.get_mut(id)
            {
                records.extend(drop_waiting(kept, reason, FireOutcome::Missed, now));
            }
        }
        records
    }

    fn remove_chain(&mut self, chain: String, reply: Reply<()>) {
        if let Some(state) =
            self.hot.values().find(|state| state.chain().name.as_str() == chain && !state.has_ended())
        {
            let execution = state.id();
            return reply(Err(catena_store::Error::ChainBusy { chain, execution }.into()));
        }
        let mut news = Vec::new();
        for id in self.schedules.of_chain(&chain) {
            self.schedules.disarm(id);
            news.push(announcement(&self.schedules.kept[&id].row, News::Changed));
        }
        self.schedules.removed(&chain);
        let records = vec![Record::ChainRemoved { chain }];
        self.commit_records(Consequences { records, news, reply: Some(reply), ..Consequences::default() });
    }

    fn run_now(&mut self, id: ScheduleId, actor: Actor, reply: Reply<Started>) {
        if let Err(error) = self.expect_startable(id) {
            return reply(Err(error));
        }
        let row = &self.schedules.kept[&id].row;
        let head = &self.schedules.heads[&row.chain];
        if let Err(problems) = head.chain.resolve_params(row.params.clone()) {
            return reply(Err(Error::Params(problems)));
        }
        let execution = ExecutionId(self.next_number + 1);
        let reply = Some(when_durable(reply, Started { execution, is_new: true }));
        let started = self.start_now(id, actor, Consequences { reply, ..Consequences::default() });
        debug_assert_eq!(started, Some(execution));
    }

    fn expect_startable(&self, id: ScheduleId) -> Result<(), Error> {
        let kept = self.schedules.kept.get(&id).ok_or(Error::UnknownSchedule(id))?;
        if kept.row.status == ScheduleStatus::Ended {
            let message = format!("schedule {id} has ended: the definition of its chain no longer has it");
            return Err(Error::Conflict(message));
        }
        match self.schedules.heads.get(&kept.row.chain).map(|head| head.status) {
            Some(ChainStatus::Active | ChainStatus::Paused) => Ok(()),
            Some(ChainStatus::Archived) => {
                Err(Error::Conflict(format!("chain `{}` is archived", kept.row.chain)))
            }
            None => Err(Error::Conflict(format!("chain `{}` was removed", kept.row.chain))),
        }
    }

    /// The instants of a span of the past, one after another; those that have an execution get none.
    fn backfill(
        &mut self,
        id: ScheduleId,
        (from, to): (Timestamp, Timestamp),
        taken: &BTreeSet<Timestamp>,
        actor: &Actor,
        reply: Reply<Backfilled>,
    ) {
        if let Err(error) = self.expect_startable(id) {
            return reply(Err(error));
        }
        if let Gate::Closed(reason) = self.schedules.gate(&self.schedules.kept[&id]) {
            let message = format!("schedule {id} starts nothing: {reason}");
            return reply(Err(Error::Conflict(message)));
        }
        let now = self.shared.clock.now();
        let row = &self.schedules.kept[&id].row;
        let instants = match instants_between(row, from, to.min(now)) {
            Ok(instants) => instants,
            Err(error) => return reply(Err(error)),
        };
        let trigger = self.take_number();
        let kept = self.schedules.kept.get_mut(&id).expect("it was found above");
        let mut records = vec![Record::NextNumber(self.next_number)];
        let mut answer = Backfilled { trigger, starts: 0, skipped: 0 };
        for at in instants {
            // What waits for its turn already is neither started again nor said to have an execution.
            if kept.waiting.iter().any(|row| row.fire.at == at) {
                continue;
            }
            let (outcome, reason) = match taken.contains(&at) {
                true => (FireOutcome::Skipped, FireReason::HasExecution),
                false => (FireOutcome::Waiting, FireReason::Running),
            };
            let fire = Fire::one(at, FireKind::Backfill, outcome, Some(reason));
            let (decided_at, decided_by) = (now, actor.clone());
            let row =
                FireRow { schedule: id, fire, trigger, note: None, execution: None, decided_at, decided_by };
            if outcome == FireOutcome::Waiting {
                kept.waiting.push_back(row.clone());
                answer.starts += 1;
            } else {
                answer.skipped += 1;
            }
            records.push(Record::Fire(Box::new(row)));
        }
        let reply = Some(when_durable(reply, answer));
        self.commit_records(Consequences { records, reply, ..Consequences::default() });
        self.start_waiting(id);
    }
}

impl super::schedules::Schedules {
    /// What a resume finds: instants that came while the gate was closed.
    fn closed_by(&self, id: ScheduleId, reason: FireReason) -> Gate {
        let is_closed = self.kept.get(&id).is_some_and(|kept| {
            let chain = self.heads.get(&kept.row.chain).map(|head| head.status);
            kept.row.status == ScheduleStatus::Paused
                || matches!(chain, Some(ChainStatus::Paused | ChainStatus::Archived))
        });
        if is_closed { Gate::Closed(reason) } else { Gate::Open }
    }
}

/// A schedule as a definition says it.
struct Made<'a> {
    chain: &'a str,
    ordinal: u32,
    definition: Schedule,
    params: &'a BTreeMap<String, catena_core::Value>,
    actor: &'a Actor,
    begin: Begin,
    now: Timestamp,
}

impl Made<'_> {
    fn row(self, id: ScheduleId) -> ScheduleRow {
        let Self { chain, ordinal, definition, params, actor, begin, now } = self;
        let next_at = definition.next_after(now, now);
        let status = match (begin, next_at) {
            (Begin::NewPaused, _) => ScheduleStatus::Paused,
            (_, None) => ScheduleStatus::Exhausted,
            (Begin::AtOnce | Begin::AtInstant | Begin::NewChain, Some(_)) => ScheduleStatus::Active,
        };
        ScheduleRow {
            id,
            chain: chain.to_owned(),
            ordinal,
            definition,
            anchor: now,
            params: params.clone(),
            status,
            considered_until: now,
            next_at,
            created_at: now,
            created_by: actor.clone(),
            updated_at: now,
        }
    }
}

/// The instants from `from` to `to`. A schedule that counts from its anchor has none before it; one that goes by the
/// calendar has them at all times.
fn instants_between(row: &ScheduleRow, from: Timestamp, to: Timestamp) -> Result<VecDeque<Timestamp>, Error> {
    let before = Timestamp(from.0.saturating_sub(1));
    let anchor = match row.definition.timing {
        Timing::Every { .. } => row.anchor,
        _ => before.min(row.anchor),
    };
    let definition = Schedule {
        after_ms: row.definition.after_ms.filter(|_| anchor == row.anchor),
        ..row.definition.clone()
    };
    let instants = Anchored { id: row.id, definition: &definition, anchor };
    let mut found = VecDeque::new();
    // The instant of the anchor itself is the start at once, which nobody missed.
    let mut after = if anchor == row.anchor { before.max(anchor) } else { before };
    while let Some(at) = instants.next_after(after)
        && at <= to
    {
        if found.len() == BACKFILL_MAX {
            let message = format!("more than {BACKFILL_MAX} instants lie between; ask for a shorter span");
            return Err(Error::Conflict(message));
        }
        found.push_back(at);
        after = at;
    }
    Ok(found)
}

impl Ask {
    fn refuse(self, error: Error) {
        match self {
            Self::Host | Self::Leave | Self::InstantTaken { .. } => {}
            Self::Store { reply, .. } => reply(Err(error)),
            Self::ChangeChain { reply, .. }
            | Self::RemoveChain { reply, .. }
            | Self::ChangeSchedule { reply, .. } => reply(Err(error)),
            Self::RunNow { reply, .. } => reply(Err(error)),
            Self::Backfill { reply, .. } => reply(Err(error)),
        }
    }
}
