//! Blocks within a step, one or side by side: how many have to complete, how many may fail, and what stops the rest.

use std::{cell::RefCell, pin::Pin, rc::Rc, task::Poll};

use catena_core::{
    chain::{StepDraft, WaitFor, Work},
    status::StepStatus,
};

use super::{
    Failure, Scope, World,
    block::{Block, BlockEnd},
    condition::item_count,
    visit::{Tried, Visit},
};

/// The blocks of a step that run side by side, and its rules for them.
struct Rules<'a> {
    blocks: Vec<(String, &'a [StepDraft])>,
    /// So many that complete are enough; the rest is stopped.
    enough: Option<usize>,
    tolerate: usize,
    parallel: usize,
    /// A failure too many lets the rest finish.
    lets_finish: bool,
    deadline: Option<u64>,
}

/// Why the rest of the blocks is stopped.
enum Stop {
    Enough,
    Failed(Failure),
    Cancelled,
    TimedOut,
}

type Open<'w> = Pin<Box<dyn Future<Output = BlockEnd> + 'w>>;

impl<'a> World<'a> {
    /// The blocks of a step, once.
    pub(super) async fn blocks(&self, visit: &Visit<'a>) -> Tried {
        if let Some(end) = self.is_over_before(visit) {
            return end;
        }
        visit.openings.set(visit.openings.get() + 1);
        self.show_visit(visit, StepStatus::Running);
        let opening = match visit.openings.get() {
            1 => visit.address.clone(),
            n => format!("{}.{n}", visit.address),
        };
        let all = |blocks| Rules {
            blocks,
            enough: None,
            tolerate: 0,
            parallel: usize::MAX,
            lets_finish: visit.step.lets_finish,
            deadline: visit.deadline,
        };
        let rules = match &visit.step.work {
            Work::Group { block } => all(vec![(format!("{opening}/"), block.as_slice())]),
            Work::Parallel { branches, wait_for, keeps_rest } => {
                let path = |name: &str| format!("{opening}[{name}]/");
                let blocks = branches.iter().map(|b| (path(b.name.as_str()), b.block.as_slice())).collect();
                match wait_for {
                    WaitFor::All => all(blocks),
                    WaitFor::Count(n) => Rules {
                        enough: (!keeps_rest).then_some(*n as usize),
                        tolerate: branches.len() - *n as usize,
                        ..all(blocks)
                    },
                }
            }
            Work::ForEach { repeat, block } => match item_count(&repeat.items) {
                Err(failure) => {
                    visit.openings.set(visit.openings.get() - 1);
                    return Tried::Failed(failure);
                }
                Ok(count) => Rules {
                    tolerate: repeat.tolerate as usize,
                    parallel: repeat.max_parallel.map_or(usize::MAX, |n| n as usize),
                    ..all((0..count).map(|i| (format!("{opening}[{i}]/"), block.as_slice())).collect())
                },
            },
            _ => unreachable!("only these have blocks"),
        };
        let scope = Scope::within(&visit.block.scope);
        let make = |path: String, steps| visit.block.within(path, steps, visit.step, &scope);
        self.side_by_side(rules, &scope, &visit.block, make).await
    }

    /// A block that has to stop before it begins.
    fn is_over_before(&self, visit: &Visit<'a>) -> Option<Tried> {
        visit.block.scope.is_stopped().then_some(Tried::Cancelled)
    }

    /// One block, whose failure is the step's.
    pub(super) async fn one_block(&self, block: Rc<Block<'a>>, visit: &Visit<'a>) -> Tried {
        let rules = Rules {
            blocks: vec![(String::new(), &[])],
            enough: None,
            tolerate: 0,
            parallel: 1,
            lets_finish: false,
            // What stands in has its own limits.
            deadline: None,
        };
        let scope = block.scope.around.clone().expect("the block stands within the step");
        self.side_by_side(rules, &scope, &visit.block, |_, _| Rc::clone(&block)).await
    }

    async fn side_by_side(
        &self,
        rules: Rules<'a>,
        scope: &Scope,
        around: &Block<'a>,
        make: impl Fn(String, &'a [StepDraft]) -> Rc<Block<'a>>,
    ) -> Tried {
        let mut open: Vec<(usize, Open<'_>)> = Vec::new();
        let mut next = 0;
        let (mut completed, mut failed, mut first) = (0, 0, None);
        let stop: RefCell<Option<Stop>> = RefCell::new(None);
        let halt = |why: Stop| {
            stop.borrow_mut().get_or_insert(why);
            scope.stopped.set(true);
            self.clock.changed();
        };
        std::future::poll_fn(|cx| {
            loop {
                // What the blocks so far have come to, and what is outside.
                let has_room = next < rules.blocks.len() && open.len() < rules.parallel;
                if stop.borrow().is_some() {
                } else if around.scope.is_stopped() {
                    halt(Stop::Cancelled);
                } else if failed > rules.tolerate && !(rules.lets_finish && (has_room || !open.is_empty())) {
                    halt(Stop::Failed(Option::clone(&first).expect("the first failure is kept")));
                } else if rules.enough.is_some_and(|enough| completed >= enough) {
                    halt(Stop::Enough);
                } else if self.clock.is_past(rules.deadline)
                    && !(next == rules.blocks.len() && open.is_empty())
                {
                    halt(Stop::TimedOut);
                } else if has_room {
                    let (path, steps) = &rules.blocks[next];
                    open.push((next, self.block(make(path.clone(), steps))));
                    next += 1;
                    self.clock.changed();
                    continue;
                }
                // One after another, so that the first failure stops those that come behind it.
                let order = self.clock.order_of(open.len());
                let Some(end) = order.into_iter().find_map(|at| match open[at].1.as_mut().poll(cx) {
                    Poll::Ready(end) => {
                        drop(open.remove(at));
                        Some(end)
                    }
                    Poll::Pending => None,
                }) else {
                    break;
                };
                match end {
                    BlockEnd::Completed => completed += 1,
                    BlockEnd::Failed(failure) => {
                        failed += 1;
                        first.get_or_insert(failure);
                    }
                    BlockEnd::Stopped => {}
                }
            }
            let is_all = next == rules.blocks.len() || stop.borrow().is_some();
            if open.is_empty() && is_all { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.clock.changed();
        match stop.into_inner() {
            None | Some(Stop::Enough) => Tried::Well,
            Some(Stop::Failed(failure)) => Tried::Failed(failure),
            Some(Stop::Cancelled) => Tried::Cancelled,
            Some(Stop::TimedOut) => Tried::TimedOut,
        }
    }
}
