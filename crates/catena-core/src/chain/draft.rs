//! A chain as a tree, the way a text or a program writes it, and its way into the flat form.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Block, Branch, Cache, Chain, ChainName, Concurrency, Dependencies, EffectKind, ErrorPolicy, ExpectedEnd,
    Feed, Graph, Handlers, Iterations, Join, Need, NextLogic, Node, Param, Pool, Step, Target, Undo, WaitFor,
    Work,
    flow::{Places, each_handler, set_handler},
};
use crate::{
    expr::Expr,
    ids::{BlockIx, StepId, StepIx},
    retry::Retry,
    schedule::Schedule,
    template::Template,
    value::Value,
};

/// A chain as it is written: nested blocks, jumps by id.
#[derive(Clone, Debug)]
pub struct Draft {
    pub name: ChainName,
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub params: BTreeMap<String, Param>,
    pub variables: BTreeMap<String, Value>,
    pub env: BTreeMap<String, Template>,
    pub workdir: Option<String>,
    pub error_policy: Option<ErrorPolicy>,
    pub output: Option<Template>,
    pub timeout_ms: Option<u64>,
    pub schedules: Vec<Schedule>,
    pub max_parallel: Option<u32>,
    pub concurrency: Option<Concurrency>,
    pub cancel_undoes: bool,
    pub expected_ends: Vec<ExpectedEnd>,
    pub flow: Option<Flow>,
    pub lets_finish: bool,
    pub handlers: Handlers<Vec<StepDraft>>,
    pub steps: Vec<StepDraft>,
}

/// How the steps of a block follow each other, said outright; else a block in which a step depends on another is a
/// graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Sequence,
    Graph,
}

/// A step as it is written.
#[derive(Clone, Debug)]
pub struct StepDraft {
    pub id: StepId,
    pub name: String,
    pub description: Option<String>,
    pub work: Work<Vec<StepDraft>>,
    pub when: Option<Expr>,
    pub output_key: Option<String>,
    /// A JSON Schema that the result must fit.
    pub output: Option<Arc<serde_json::Value>>,
    pub retry: Option<Retry>,
    pub timeout_ms: Option<u64>,
    pub total_timeout_ms: Option<u64>,
    pub error_policy: Option<ErrorPolicy>,
    pub undo: Option<Undo<Vec<StepDraft>>>,
    pub effect: EffectKind,
    pub next: Option<NextLogic<StepId>>,
    pub delay_next_ms: u64,
    pub depends: Dependencies,
    /// Of the blocks within it.
    pub flow: Option<Flow>,
    pub lets_finish: bool,
    pub visits_max: Option<u32>,
    pub iterations: Option<Iterations>,
    pub alternative: Option<Box<StepDraft>>,
    pub cache: Option<Cache>,
    pub pool: Option<Pool>,
}

/// Why a draft is no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    #[error("two steps have the id `{0}`")]
    DuplicateId(StepId),
    #[error("step `{from}` jumps to `{to}`, which is not in its block")]
    JumpOutOfBlock { from: StepId, to: StepId },
    #[error("{0} has no steps")]
    EmptyBlock(String),
    #[error("step `{0}` waits for more branches than it has, or for none")]
    WaitForImpossible(StepId),
    #[error("step `{from}` depends on `{to}`, which is not in its block")]
    DependsOutOfBlock { from: StepId, to: StepId },
    #[error("step `{0}` waits for more of its dependencies than it has, or for none")]
    JoinImpossible(StepId),
    #[error("the steps of {0} wait for each other in a circle")]
    Circle(String),
    #[error("step `{0}` is in a graph and cannot jump")]
    JumpInGraph(StepId),
    #[error("step `{0}` ends the chain from where its end is already known: an undo or a handler")]
    EndAside(StepId),
    #[error("step `{0}` asks for an alternative and has none")]
    NoAlternative(StepId),
}

impl Draft {
    pub fn new(name: ChainName, steps: Vec<StepDraft>) -> Self {
        Self {
            name,
            description: None,
            labels: BTreeMap::new(),
            params: BTreeMap::new(),
            variables: BTreeMap::new(),
            env: BTreeMap::new(),
            workdir: None,
            error_policy: None,
            output: None,
            timeout_ms: None,
            schedules: Vec::new(),
            max_parallel: None,
            concurrency: None,
            cancel_undoes: false,
            expected_ends: Vec::new(),
            flow: None,
            lets_finish: false,
            handlers: Handlers::default(),
            steps,
        }
    }

    pub fn build(self) -> Result<Chain, DraftError> {
        let mut flat = Flattener::default();
        let order = BlockOrder { flow: self.flow, lets_finish: self.lets_finish };
        let root = flat.block(self.steps, None, order, || "the chain".to_owned())?;
        let mut handlers = Handlers::default();
        flat.is_aside = true;
        for (kind, steps) in each_handler(self.handlers) {
            let owner = || format!("`{}`", kind.as_str());
            let block = flat.block(steps, Some(root), BlockOrder::default(), owner)?;
            set_handler(&mut handlers, kind, block);
        }
        let steps = flat.finish_steps()?;
        Ok(Chain {
            name: self.name,
            description: self.description,
            labels: self.labels,
            params: self.params,
            variables: self.variables,
            env: self.env,
            workdir: self.workdir,
            error_policy: self.error_policy,
            output: self.output,
            timeout_ms: self.timeout_ms,
            schedules: self.schedules,
            max_parallel: self.max_parallel,
            concurrency: self.concurrency,
            cancel_undoes: self.cancel_undoes,
            expected_ends: self.expected_ends,
            handlers,
            steps,
            blocks: flat.blocks,
            lookups: super::Lookups::default(),
        })
    }
}

impl StepDraft {
    pub fn new(id: StepId, work: Work<Vec<StepDraft>>) -> Self {
        Self {
            name: id.as_str().to_owned(),
            id,
            description: None,
            work,
            when: None,
            output_key: None,
            output: None,
            retry: None,
            timeout_ms: None,
            total_timeout_ms: None,
            error_policy: None,
            undo: None,
            effect: EffectKind::Idempotent,
            next: None,
            delay_next_ms: 0,
            depends: Dependencies::default(),
            flow: None,
            lets_finish: false,
            visits_max: None,
            iterations: None,
            alternative: None,
            cache: None,
            pool: None,
        }
    }
}

/// What is said about the order of a block's steps.
#[derive(Clone, Copy, Default)]
struct BlockOrder {
    flow: Option<Flow>,
    lets_finish: bool,
}

/// Numbers blocks and steps in order of definition.
#[derive(Default)]
struct Flattener {
    blocks: Vec<Block>,
    steps: Vec<Option<Step>>,
    /// The jumps, resolved when all steps have their numbers.
    jumps: Vec<(StepIx, NextLogic<StepId>)>,
    ids: BTreeSet<StepId>,
    /// Whether what is numbered runs when the end of the chain is known: an undo or a handler.
    is_aside: bool,
}

impl Flattener {
    fn block(
        &mut self,
        drafts: Vec<StepDraft>,
        outer: Option<BlockIx>,
        order: BlockOrder,
        owner: impl Fn() -> String,
    ) -> Result<BlockIx, DraftError> {
        if drafts.is_empty() {
            return Err(DraftError::EmptyBlock(owner()));
        }
        let block = BlockIx::next_of(self.blocks.len());
        let graph = graph(&drafts, order.flow, owner)?;
        let lets_finish = order.lets_finish;
        self.blocks.push(Block { steps: Vec::with_capacity(drafts.len()), graph, lets_finish, outer });
        for draft in drafts {
            let step = self.step(draft, block)?;
            self.blocks[block.index()].steps.push(step);
        }
        Ok(block)
    }

    fn step(&mut self, draft: StepDraft, block: BlockIx) -> Result<StepIx, DraftError> {
        if !self.ids.insert(draft.id.clone()) {
            return Err(DraftError::DuplicateId(draft.id));
        }
        let ix = StepIx::next_of(self.steps.len());
        let position = u32::try_from(self.blocks[block.index()].steps.len()).expect("a block is bounded");
        self.steps.push(None);
        if let Some(next) = draft.next {
            if self.blocks[block.index()].graph.is_some() {
                return Err(DraftError::JumpInGraph(draft.id));
            }
            self.jumps.push((ix, next));
        }
        if draft.error_policy == Some(ErrorPolicy::Alternative) && draft.alternative.is_none() {
            return Err(DraftError::NoAlternative(draft.id));
        }
        let order = BlockOrder { flow: draft.flow, lets_finish: draft.lets_finish };
        let work = self.work(draft.work, &draft.id, block, order)?;
        let alternative = draft.alternative.map(|step| {
            let owner = || format!("the alternative of step `{}`", draft.id);
            self.block(vec![*step], Some(block), BlockOrder::default(), owner)
        });
        let alternative = alternative.transpose()?;
        let undo = match draft.undo {
            None => None,
            Some(Undo { block: undo, if_started }) => {
                let is_aside = std::mem::replace(&mut self.is_aside, true);
                let owner = || format!("the undo of step `{}`", draft.id);
                let block = self.block(undo, Some(block), BlockOrder::default(), owner)?;
                self.is_aside = is_aside;
                Some(Undo { block, if_started })
            }
        };
        self.steps[ix.index()] = Some(Step {
            id: draft.id,
            name: draft.name,
            description: draft.description,
            block,
            position,
            work,
            when: draft.when,
            output_key: draft.output_key,
            output: draft.output,
            retry: draft.retry,
            timeout_ms: draft.timeout_ms,
            total_timeout_ms: draft.total_timeout_ms,
            error_policy: draft.error_policy,
            undo,
            effect: draft.effect,
            next: None,
            delay_next_ms: draft.delay_next_ms,
            visits_max: draft.visits_max,
            iterations: draft.iterations,
            alternative,
            cache: draft.cache,
            pool: draft.pool,
            lets_finish: draft.lets_finish,
        });
        Ok(ix)
    }

    fn work(
        &mut self,
        work: Work<Vec<StepDraft>>,
        id: &StepId,
        outer: BlockIx,
        order: BlockOrder,
    ) -> Result<Work<BlockIx>, DraftError> {
        let owner = || format!("step `{id}`");
        Ok(match work {
            Work::Shell { script, interpreter, process } => Work::Shell { script, interpreter, process },
            Work::Command { argv, allow_dash, process } => Work::Command { argv, allow_dash, process },
            Work::File { file, process } => Work::File { file, process },
            Work::Code { code, process } => Work::Code { code, process },
            Work::Function { function, parameters } => Work::Function { function, parameters },
            Work::FileExists { paths } => Work::FileExists { paths },
            Work::Http(step) => Work::Http(step),
            Work::Set { values } => Work::Set { values },
            Work::Wait { wait } => Work::Wait { wait },
            Work::End(_) if self.is_aside => return Err(DraftError::EndAside(id.clone())),
            Work::End(end) => Work::End(end),
            Work::Fail(fail) => Work::Fail(fail),
            Work::Chain(call) => Work::Chain(call),
            Work::Group { block } => Work::Group { block: self.block(block, Some(outer), order, owner)? },
            Work::ForEach { repeat, block } => {
                Work::ForEach { repeat, block: self.block(block, Some(outer), order, owner)? }
            }
            Work::Parallel { branches, wait_for, keeps_rest } => {
                if branches.is_empty() {
                    return Err(DraftError::EmptyBlock(owner()));
                }
                if let WaitFor::Count(n) = wait_for
                    && (n == 0 || n as usize > branches.len())
                {
                    return Err(DraftError::WaitForImpossible(id.clone()));
                }
                Work::Parallel { branches: self.branches(branches, id, outer, order)?, wait_for, keeps_rest }
            }
        })
    }

    fn branches(
        &mut self,
        branches: Vec<Branch<Vec<StepDraft>>>,
        id: &StepId,
        outer: BlockIx,
        order: BlockOrder,
    ) -> Result<Vec<Branch<BlockIx>>, DraftError> {
        let mut flat = Vec::with_capacity(branches.len());
        for Branch { name, block } in branches {
            let owner = || format!("branch `{name}` of step `{id}`");
            let block = self.block(block, Some(outer), order, owner)?;
            flat.push(Branch { name, block });
        }
        Ok(flat)
    }

    fn finish_steps(&mut self) -> Result<Vec<Step>, DraftError> {
        let mut steps: Vec<Step> = std::mem::take(&mut self.steps)
            .into_iter()
            .map(|step| step.expect("every number that was given out has its step"))
            .collect();
        for (ix, next) in std::mem::take(&mut self.jumps) {
            let from = steps[ix.index()].clone();
            let resolved = self.resolve(next, &from, &steps)?;
            steps[ix.index()].next = Some(resolved);
        }
        Ok(steps)
    }

    fn resolve(
        &self,
        next: NextLogic<StepId>,
        from: &Step,
        all: &[Step],
    ) -> Result<NextLogic<StepIx>, DraftError> {
        let target = |target: Target<StepId>| match target {
            Target::End => Ok(Target::End),
            Target::Step(to) => self.blocks[from.block.index()]
                .steps
                .iter()
                .find(|ix| all[ix.index()].id == to)
                .map(|ix| Target::Step(*ix))
                .ok_or_else(|| DraftError::JumpOutOfBlock { from: from.id.clone(), to }),
        };
        let conditions: Result<Vec<_>, DraftError> =
            next.conditions.into_iter().map(|(when, to)| Ok((when, target(to)?))).collect();
        Ok(NextLogic { conditions: conditions?, default: next.default.map(target).transpose()? })
    }
}

/// The graph of a block, if it is one.
fn graph(
    drafts: &[StepDraft],
    flow: Option<Flow>,
    owner: impl Fn() -> String,
) -> Result<Option<Graph>, DraftError> {
    let is_graph = match flow {
        Some(flow) => flow == Flow::Graph,
        None => drafts.iter().any(|draft| !draft.depends.needs.is_empty()),
    };
    if !is_graph {
        return Ok(None);
    }
    let places: Places = (0..).zip(drafts).map(|(place, draft)| (draft.id.clone(), place)).collect();
    let mut nodes: Vec<Node> = drafts.iter().map(|draft| node(draft, &places)).collect::<Result<_, _>>()?;
    for to in 0..nodes.len() {
        for need in nodes[to].needs.clone() {
            let to = u32::try_from(to).expect("a block is bounded");
            nodes[need.step as usize].feeds.push(Feed { to, on: need.on });
        }
    }
    let graph = Graph { nodes };
    if graph.has_circle() { Err(DraftError::Circle(owner())) } else { Ok(Some(graph)) }
}

fn node(draft: &StepDraft, places: &Places) -> Result<Node, DraftError> {
    let need = |(to, on): &(StepId, _)| match places.get(to) {
        Some(step) => Ok(Need { step: *step, on: *on }),
        None => Err(DraftError::DependsOutOfBlock { from: draft.id.clone(), to: to.clone() }),
    };
    let needs: Vec<Need> = draft.depends.needs.iter().map(need).collect::<Result<_, _>>()?;
    let all = u32::try_from(needs.len()).expect("a block is bounded");
    let join = match draft.depends.join {
        Join::All => all,
        Join::Count(n) if n == 0 || n > all => return Err(DraftError::JoinImpossible(draft.id.clone())),
        Join::Count(n) => n,
    };
    Ok(Node { needs, join, feeds: Vec::new() })
}
