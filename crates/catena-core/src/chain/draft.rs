//! A chain as a tree, the way a text or a program writes it, and its way into the flat form.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Block, Branch, Chain, ChainName, EffectKind, ErrorPolicy, NextLogic, Param, Step, Target, Undo, WaitFor,
    Work,
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
    pub steps: Vec<StepDraft>,
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
            steps,
        }
    }

    pub fn build(self) -> Result<Chain, DraftError> {
        let mut flat = Flattener::default();
        flat.block(self.steps, None, || "the chain".to_owned())?;
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
        }
    }
}

/// Numbers blocks and steps in order of definition.
#[derive(Default)]
struct Flattener {
    blocks: Vec<Block>,
    steps: Vec<Option<Step>>,
    /// The jumps, resolved when all steps have their numbers.
    jumps: Vec<(StepIx, NextLogic<StepId>)>,
    ids: BTreeSet<StepId>,
}

impl Flattener {
    fn block(
        &mut self,
        drafts: Vec<StepDraft>,
        outer: Option<BlockIx>,
        owner: impl Fn() -> String,
    ) -> Result<BlockIx, DraftError> {
        if drafts.is_empty() {
            return Err(DraftError::EmptyBlock(owner()));
        }
        let block = BlockIx::next_of(self.blocks.len());
        self.blocks.push(Block { steps: Vec::with_capacity(drafts.len()), outer });
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
            self.jumps.push((ix, next));
        }
        let work = self.work(draft.work, &draft.id, block)?;
        let undo = match draft.undo {
            None => None,
            Some(Undo { block: undo, if_started }) => {
                let block = self.block(undo, Some(block), || format!("the undo of step `{}`", draft.id))?;
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
        });
        Ok(ix)
    }

    fn work(
        &mut self,
        work: Work<Vec<StepDraft>>,
        id: &StepId,
        outer: BlockIx,
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
            Work::Group { block } => Work::Group { block: self.block(block, Some(outer), owner)? },
            Work::ForEach { repeat, block } => {
                Work::ForEach { repeat, block: self.block(block, Some(outer), owner)? }
            }
            Work::Parallel { branches, wait_for } => {
                if branches.is_empty() {
                    return Err(DraftError::EmptyBlock(owner()));
                }
                if let WaitFor::Count(n) = wait_for
                    && (n == 0 || n as usize > branches.len())
                {
                    return Err(DraftError::WaitForImpossible(id.clone()));
                }
                Work::Parallel { branches: self.branches(branches, id, outer)?, wait_for }
            }
        })
    }

    fn branches(
        &mut self,
        branches: Vec<Branch<Vec<StepDraft>>>,
        id: &StepId,
        outer: BlockIx,
    ) -> Result<Vec<Branch<BlockIx>>, DraftError> {
        let mut flat = Vec::with_capacity(branches.len());
        for Branch { name, block } in branches {
            let block = self.block(block, Some(outer), || format!("branch `{name}` of step `{id}`"))?;
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
