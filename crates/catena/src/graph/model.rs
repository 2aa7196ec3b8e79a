//! What a picture of a chain shows: areas of steps, what follows what, and what stands within or beside what. Names are
//! free of control characters here; each form escapes the rest for itself.

use std::collections::BTreeMap;

use catena_core::{
    BlockIx, Chain, State, StepIx, VisitNo,
    chain::{Enough, HandlerKind, Nested, Node, On, Step, Target, WaitFor},
    status::StepStatus,
};

/// Of a condition, this much is written beside an arrow.
const LABEL_MAX_CHARS: usize = 60;

pub(super) struct Picture {
    pub(super) title: String,
    pub(super) root: Area,
    pub(super) handlers: Vec<Area>,
}

/// A block: steps in an order.
pub(super) struct Area {
    pub(super) block: BlockIx,
    /// None where the box around it says enough.
    pub(super) title: Option<String>,
    pub(super) order: Order,
    pub(super) cells: Vec<Cell>,
    pub(super) jumps: Vec<Jump>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One after another.
    Sequence,
    /// By these dependencies.
    Graph(Vec<Arrow>),
}

/// A dependency, between places of the area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// How the first must have ended, where that is not `completed`.
    pub(super) on: Option<&'static str>,
}

/// Where `next_step_logic` leads; none is the end of the area.
pub(super) struct Jump {
    pub(super) from: StepIx,
    pub(super) to: Option<StepIx>,
    pub(super) label: String,
}

pub(super) struct Cell {
    pub(super) step: StepIx,
    pub(super) id: String,
    pub(super) name: String,
    /// The kind, with what holds for the blocks within.
    pub(super) kind: String,
    pub(super) when: Option<String>,
    /// How many of its dependencies must be met, where that is not all.
    pub(super) join: Option<String>,
    pub(super) standing: Option<Standing>,
    pub(super) inner: Vec<Area>,
    /// Its undo and its alternative.
    pub(super) beside: Vec<Area>,
}

/// How a step stands in an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Of its latest visit.
    pub(super) status: StepStatus,
    /// The same in words, of all its visits.
    pub(super) words: String,
}

impl Picture {
    pub(super) fn of_chain(chain: &Chain) -> Self {
        Builder { chain, standings: None }.picture(printable(chain.name.as_str()))
    }

    pub(super) fn of_execution(state: &State) -> Self {
        let chain = state.chain();
        let title = format!("execution {} of {}: {}", state.id(), chain.name, state.status());
        Builder { chain, standings: Some(standings(state)) }.picture(printable(&title))
    }
}

/// Text on one line.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.chars().count() > LABEL_MAX_CHARS {
        true => printable(&text.chars().take(LABEL_MAX_CHARS).chain(['…']).collect::<String>()),
        false => printable(&text),
    }
}

/// One pass over the visits: a loop makes many of them.
fn standings(state: &State) -> Vec<Standing> {
    let mut visits: Vec<Vec<VisitNo>> = state.chain().steps().map(|_| Vec::new()).collect();
    state.visits().for_each(|(no, visit)| visits[visit.step.index()].push(no));
    let unreached = if state.has_ended() { StepStatus::Skipped } else { StepStatus::Pending };
    let standing = |visits: Vec<VisitNo>| match visits.last() {
        None => Standing { status: unreached, words: unreached.to_string() },
        Some(last) => Standing {
            status: state.step_status(*last),
            words: words_of(visits.iter().map(|no| state.step_status(*no))),
        },
    };
    visits.into_iter().map(standing).collect()
}

fn words_of(statuses: impl Iterator<Item = StepStatus>) -> String {
    let mut counts: BTreeMap<StepStatus, usize> = BTreeMap::new();
    statuses.for_each(|status| *counts.entry(status).or_default() += 1);
    let is_one = counts.values().sum::<usize>() == 1;
    let word = |(status, count): (&StepStatus, &usize)| match is_one {
        true => status.to_string(),
        false => format!("{count} {status}"),
    };
    counts.iter().map(word).collect::<Vec<_>>().join(", ")
}

struct Builder<'a> {
    chain: &'a Chain,
    standings: Option<Vec<Standing>>,
}

impl Builder<'_> {
    fn picture(&self, title: String) -> Picture {
        let handlers = &self.chain.handlers;
        let kinds = [
            (HandlerKind::OnFailure, handlers.on_failure),
            (HandlerKind::OnSuccess, handlers.on_success),
            (HandlerKind::Finally, handlers.finally),
        ];
        let handler = |(kind, block): (HandlerKind, Option<BlockIx>)| {
            Some(self.area(block?, Some(kind.as_str().replace('_', " "))))
        };
        Picture {
            title,
            root: self.area(BlockIx::ROOT, None),
            handlers: kinds.into_iter().filter_map(handler).collect(),
        }
    }

    fn area(&self, ix: BlockIx, title: Option<String>) -> Area {
        let block = self.chain.block(ix);
        let order = match &block.graph {
            None => Order::Sequence,
            Some(graph) => Order::Graph(graph.nodes.iter().enumerate().flat_map(arrows_to).collect()),
        };
        let cells = block.steps.iter().map(|step| self.cell(*step)).collect();
        let jumps = block.steps.iter().flat_map(|step| self.jumps(*step)).collect();
        Area { block: ix, title, order, cells, jumps }
    }

    fn cell(&self, ix: StepIx) -> Cell {
        let step = self.chain.step(ix);
        let undo = step.undo.as_ref().map(|undo| self.area(undo.block, Some("undo".to_owned())));
        let alternative = step.alternative.map(|block| self.area(block, Some("alternative".to_owned())));
        Cell {
            step: ix,
            id: step.id.to_string(),
            name: name_of(step),
            kind: kind_of(step),
            when: step.when.as_ref().map(|when| shortened(when.source())),
            join: self.chain.node_of(step).and_then(join_of),
            standing: self.standings.as_ref().map(|standings| standings[ix.index()].clone()),
            inner: self.inner(step),
            beside: undo.into_iter().chain(alternative).collect(),
        }
    }

    fn inner(&self, step: &Step) -> Vec<Area> {
        match step.work.nested() {
            None => Vec::new(),
            Some(Nested::Group(block) | Nested::ForEach(_, block)) => vec![self.area(*block, None)],
            Some(Nested::Parallel(branches, _)) => {
                let title = |name| Some(format!("branch {name}"));
                branches.iter().map(|branch| self.area(branch.block, title(&branch.name))).collect()
            }
        }
    }

    fn jumps(&self, from: StepIx) -> Vec<Jump> {
        let Some(next) = &self.chain.step(from).next else { return Vec::new() };
        let jump = |target: &Target<StepIx>, label: String| {
            let to = match target {
                Target::Step(step) => Some(*step),
                Target::End => None,
            };
            Jump { from, to, label }
        };
        let conditions = next.conditions.iter();
        let conditional = conditions.map(|(when, to)| jump(to, format!("if {}", shortened(when.source()))));
        let default = next.default.iter().map(|to| jump(to, "otherwise".to_owned()));
        conditional.chain(default).collect()
    }
}

/// A step without a name is called after its kind, which stands beside it anyway.
fn name_of(step: &Step) -> String {
    if step.name == step.work.kind() { step.id.to_string() } else { printable(&step.name) }
}

fn arrows_to((to, node): (usize, &Node)) -> impl Iterator<Item = Arrow> {
    node.needs.iter().map(move |need| Arrow {
        from: need.step as usize,
        to,
        on: (need.on != On::Completed).then_some(need.on.as_str()),
    })
}

fn join_of(node: &Node) -> Option<String> {
    let total = node.needs.len();
    match node.join as usize {
        join if join >= total => None,
        1 => Some("any".to_owned()),
        join => Some(format!("{join} of {total}")),
    }
}

fn kind_of(step: &Step) -> String {
    let kind = step.work.kind();
    let more = match step.work.nested() {
        None | Some(Nested::Group(_)) => None,
        Some(Nested::ForEach(repeat, _)) => {
            Some(format!("{} in {}", printable(&repeat.item), shortened(repeat.items.source())))
        }
        Some(Nested::Parallel(branches, Enough { wait_for: WaitFor::Count(n), .. })) => {
            Some(format!("{n} of {}", branches.len()))
        }
        Some(Nested::Parallel(_, Enough { wait_for: WaitFor::All, .. })) => None,
    };
    let repeats = step.iterations.as_ref().map(|_| "repeated".to_owned());
    [Some(kind.to_owned()), more, repeats].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
