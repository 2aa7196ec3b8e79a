//! A block: its steps in order, or by what they depend on.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use catena_core::{
    chain::{Draft, Flow, Join, On, StepDraft, Target},
    failure::FailureType,
    status::StepStatus,
};

use super::{
    Failure, Scope, World,
    condition::holds,
    visit::{Consequence, Ended},
};

/// How often a step may be visited in a block where nothing else is said.
const VISITS_MAX: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BlockEnd {
    Completed,
    Failed(Failure),
    Stopped,
}

/// One opening of a block.
pub(super) struct Block<'a> {
    /// What stands before the ids of its steps in their addresses.
    pub(super) path: String,
    steps: &'a [StepDraft],
    is_graph: bool,
    lets_finish: bool,
    pub(super) is_top: bool,
    /// It is part of an undo or a handler.
    pub(super) is_aside: bool,
    pub(super) scope: Rc<Scope>,
    visits: RefCell<BTreeMap<&'a str, u32>>,
    /// The status of the latest visit of each of its steps.
    pub(super) latest: RefCell<BTreeMap<&'a str, StepStatus>>,
}

impl<'a> Block<'a> {
    fn new(path: String, steps: &'a [StepDraft], scope: Rc<Scope>) -> Self {
        Self {
            path,
            steps,
            is_graph: is_graph(steps, None),
            lets_finish: false,
            is_top: false,
            is_aside: false,
            scope,
            visits: RefCell::default(),
            latest: RefCell::default(),
        }
    }

    pub(super) fn root(draft: &'a Draft, scope: &Rc<Scope>) -> Rc<Self> {
        Rc::new(Self {
            is_graph: is_graph(&draft.steps, draft.flow),
            lets_finish: draft.lets_finish,
            is_top: true,
            ..Self::new(String::new(), &draft.steps, Rc::clone(scope))
        })
    }

    pub(super) fn aside(path: String, steps: &'a [StepDraft]) -> Rc<Self> {
        Rc::new(Self { is_aside: true, ..Self::new(path, steps, Rc::default()) })
    }

    /// A block of a step.
    pub(super) fn within(
        &self,
        path: String,
        steps: &'a [StepDraft],
        owner: &StepDraft,
        scope: &Rc<Scope>,
    ) -> Rc<Self> {
        Rc::new(Self {
            is_graph: is_graph(steps, owner.flow),
            lets_finish: owner.lets_finish,
            is_aside: self.is_aside,
            ..Self::new(path, steps, Scope::within(scope))
        })
    }

    /// The alternative of one of its steps.
    pub(super) fn alternative(&self, path: String, step: &'a StepDraft, scope: &Rc<Scope>) -> Rc<Self> {
        let steps = std::slice::from_ref(step);
        Rc::new(Self { is_aside: self.is_aside, ..Self::new(path, steps, Scope::within(scope)) })
    }

    /// The how manieth visit of a step is next.
    fn next_visit(&self, step: &'a StepDraft) -> u32 {
        let mut visits = self.visits.borrow_mut();
        let nth = visits.entry(step.id.as_str()).or_default();
        *nth += 1;
        *nth
    }

    fn place_of(&self, id: &str) -> usize {
        self.steps
            .iter()
            .position(|step| step.id.as_str() == id)
            .expect("jumps and needs stay in their block")
    }

    /// What a step waits for: places with the ends that are waited for, and how many of them.
    fn needs(&self, place: usize) -> (Vec<(usize, On)>, usize) {
        let depends = &self.steps[place].depends;
        let needs: Vec<_> = depends.needs.iter().map(|(id, on)| (self.place_of(id.as_str()), *on)).collect();
        let join = match depends.join {
            Join::All => needs.len(),
            Join::Count(n) => n as usize,
        };
        (needs, join)
    }

    fn has_dependents(&self, place: usize) -> bool {
        self.is_waited_for(place, |_| true)
    }

    fn is_waited_for(&self, place: usize, how: impl Fn(On) -> bool) -> bool {
        let id = &self.steps[place].id;
        let mut needs = self.steps.iter().flat_map(|step| &step.depends.needs);
        needs.any(|(on, how_of)| on == id && how(*how_of))
    }

    /// A failure lets finish what runs beside it: it is said so, or somebody waits for the failure.
    fn survives_failure_of(&self, place: usize) -> bool {
        let is_watched = self.is_waited_for(place, |on| matches!(on, On::Failed | On::Ended));
        self.lets_finish || self.steps[place].lets_finish || is_watched
    }
}

fn is_graph(steps: &[StepDraft], flow: Option<Flow>) -> bool {
    match flow {
        Some(flow) => flow == Flow::Graph,
        None => steps.iter().any(|step| !step.depends.needs.is_empty()),
    }
}

/// What never starts in a graph, and why a step of it can go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    Open,
    Met,
    Unmet,
}

impl<'a> World<'a> {
    pub(super) fn block<'w>(&'w self, block: Rc<Block<'a>>) -> Pin<Box<dyn Future<Output = BlockEnd> + 'w>> {
        Box::pin(async move {
            self.clock.yield_level().await;
            let end = if block.is_graph { self.graph(&block).await } else { self.sequence(&block).await };
            self.clock.changed();
            end
        })
    }

    async fn sequence(&self, block: &Rc<Block<'a>>) -> BlockEnd {
        let mut at = 0;
        loop {
            self.clock.yield_step().await;
            if block.scope.is_stopped() {
                return BlockEnd::Stopped;
            }
            let Some(step) = block.steps.get(at) else { return BlockEnd::Completed };
            let nth = block.next_visit(step);
            if nth > step.visits_max.unwrap_or(VISITS_MAX) {
                self.top_failed_itself.set(self.top_failed_itself.get() || block.is_top);
                return BlockEnd::Failed(Failure::lasting(FailureType::VisitLimit));
            }
            let end = self.visit(step, block, nth, false).await;
            if block.scope.is_stopped() {
                return BlockEnd::Stopped;
            }
            let is_skipped = match end {
                Ended::Failed(failure, Consequence::Stop | Consequence::Rollback) => {
                    return BlockEnd::Failed(failure);
                }
                Ended::Skipped { .. } => true,
                Ended::Completed | Ended::Failed(_, Consequence::Pass) | Ended::Cancelled => false,
            };
            at = match self.next_place(step, block, at) {
                Ok(next) => next,
                Err(failure) => {
                    self.top_failed_itself.set(self.top_failed_itself.get() || block.is_top);
                    return BlockEnd::Failed(failure);
                }
            };
            if step.delay_next_ms > 0 && !is_skipped && at < block.steps.len() {
                self.sleep_unless_stopped(block, step.delay_next_ms).await;
            }
        }
    }

    /// Where a sequence goes on.
    fn next_place(&self, step: &StepDraft, block: &Block<'_>, at: usize) -> Result<usize, Failure> {
        let Some(next) = &step.next else { return Ok(at + 1) };
        let mut target = next.default.as_ref();
        for (condition, to) in &next.conditions {
            if holds(condition, block, 0)? {
                target = Some(to);
                break;
            }
        }
        Ok(match target {
            None => at + 1,
            Some(Target::End) => block.steps.len(),
            Some(Target::Step(id)) => block.place_of(id.as_str()),
        })
    }

    async fn sleep_unless_stopped(&self, block: &Block<'_>, ms: u64) {
        let until = self.clock.now() + ms;
        std::future::poll_fn(|_| {
            let is_over = block.scope.is_stopped() || self.clock.wakes(Some(until));
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.clock.changed();
    }

    async fn graph(&self, block: &Rc<Block<'a>>) -> BlockEnd {
        let mut graph = Running {
            open: BTreeMap::new(),
            entered: BTreeSet::new(),
            ended: BTreeMap::new(),
            told: BTreeMap::new(),
            failure: None,
            closes: Cell::new(false),
        };
        std::future::poll_fn(|cx| if graph.go_on(self, block, cx) { Poll::Ready(()) } else { Poll::Pending })
            .await;
        match graph.failure {
            Some(failure) if graph.closes.get() => BlockEnd::Failed(failure),
            _ if block.scope.is_stopped() => BlockEnd::Stopped,
            Some(failure) => BlockEnd::Failed(failure),
            None => BlockEnd::Completed,
        }
    }
}

/// A graph as far as it is.
struct Running<'w> {
    open: BTreeMap<usize, Pin<Box<dyn Future<Output = Ended> + 'w>>>,
    entered: BTreeSet<usize>,
    ended: BTreeMap<usize, Ended>,
    /// From when on those that wait for a step may know how it ended.
    told: BTreeMap<usize, u64>,
    /// The first failure.
    failure: Option<Failure>,
    /// The failure does not let the others finish.
    closes: Cell<bool>,
}

impl<'w> Running<'w> {
    /// Whether all of it is over.
    fn go_on<'a: 'w>(&mut self, world: &'w World<'a>, block: &Rc<Block<'a>>, cx: &mut Context<'_>) -> bool {
        loop {
            let places: Vec<usize> = self.open.keys().copied().collect();
            for at in world.clock.order_of(places.len()) {
                self.ask(world, block, places[at], cx);
            }
            // One is entered and goes on as far as it can before the next is: it may stop that.
            let Some(place) = self.enter_one(world, block) else { break };
            self.ask(world, block, place, cx);
        }
        let waits = !block.scope.is_stopped() && self.told.values().any(|at| *at > world.clock.now());
        self.open.is_empty() && !waits
    }

    fn ask<'a: 'w>(&mut self, world: &'w World<'a>, block: &Block<'a>, place: usize, cx: &mut Context<'_>) {
        let Some(visit) = self.open.get_mut(&place) else { return };
        if let Poll::Ready(end) = visit.as_mut().poll(cx) {
            self.open.remove(&place);
            self.take_end(world, block, place, end);
        }
    }

    fn take_end(&mut self, world: &World<'_>, block: &Block<'_>, place: usize, end: Ended) {
        let is_stopped = block.scope.is_stopped();
        if let Ended::Failed(failure, consequence @ (Consequence::Stop | Consequence::Rollback)) = &end {
            let closes = *consequence == Consequence::Rollback || !block.survives_failure_of(place);
            if closes && !is_stopped {
                self.failure = Some(failure.clone());
                self.closes.set(true);
                block.scope.stopped.set(true);
            } else if !closes {
                self.failure.get_or_insert_with(|| failure.clone());
            }
        }
        let delay_ms = block.steps[place].delay_next_ms;
        let is_held = !matches!(end, Ended::Skipped { .. }) && block.has_dependents(place);
        self.told.insert(place, world.clock.now() + if is_held { delay_ms } else { 0 });
        self.ended.insert(place, end);
        world.clock.changed();
    }

    fn enter_one<'a: 'w>(&mut self, world: &'w World<'a>, block: &Rc<Block<'a>>) -> Option<usize> {
        if block.scope.is_stopped() {
            return None;
        }
        // All are looked at, so that the clock knows what each of them waits for.
        let joined: Vec<Joined> = (0..block.steps.len()).map(|at| self.joined(world, block, at)).collect();
        let order = world.clock.order_of(block.steps.len());
        let place = order.into_iter().find(|at| joined[*at] != Joined::Open && !self.entered.contains(at))?;
        self.entered.insert(place);
        let (step, block) = (&block.steps[place], Rc::clone(block));
        let nth = block.next_visit(step);
        let is_unmet = joined[place] == Joined::Unmet;
        self.open.insert(place, Box::pin(async move { world.visit(step, &block, nth, is_unmet).await }));
        world.clock.changed();
        Some(place)
    }

    fn joined(&self, world: &World<'_>, block: &Block<'_>, place: usize) -> Joined {
        let (needs, join) = block.needs(place);
        let (mut met, mut open) = (0, 0);
        for (need, on) in needs {
            match self.ended.get(&need) {
                Some(end) if world.clock.is_over(self.told.get(&need).copied()) => {
                    met += usize::from(is_met(on, end));
                }
                Some(_) | None => open += 1,
            }
        }
        if met >= join {
            Joined::Met
        } else if met + open < join {
            Joined::Unmet
        } else {
            Joined::Open
        }
    }
}

/// A dependency is met by completed, by a failure let pass and by a step skipped through its own `when`; or by what it
/// says outright.
fn is_met(on: On, end: &Ended) -> bool {
    match on {
        On::Completed => matches!(
            end,
            Ended::Completed | Ended::Failed(_, Consequence::Pass) | Ended::Skipped { by_when: true }
        ),
        On::Failed => matches!(end, Ended::Failed(..)),
        On::Skipped => matches!(end, Ended::Skipped { .. }),
        On::Ended => true,
    }
}
