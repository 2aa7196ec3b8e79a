//! Chains built by hand in a few words.

use catena_core::{
    Chain,
    chain::{
        Branch, ChainName, Draft, ErrorPolicy, NextLogic, Repeat, StepDraft, Target, Undo, Wait, WaitFor,
        Work,
    },
    expr::Expr,
    ids::StepId,
    retry::Retry,
    template::Template,
};

pub type Steps = Vec<StepDraft>;

pub fn id(text: &str) -> StepId {
    StepId::parse(text).expect("tests give valid ids")
}

pub fn expr(text: &str) -> Expr {
    Expr::parse(text).expect("tests give valid expressions")
}

pub fn chain(steps: Steps) -> Chain {
    Draft::new(ChainName::parse("test").expect("a valid name"), steps).build().expect("a valid chain")
}

/// A step that is a registered function, its result kept under its own id.
pub fn task(name: &str) -> StepDraft {
    let work =
        Work::Function { function: name.to_owned(), parameters: Template::constant(serde_json::json!({})) };
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), work) }
}

/// A step that names the value of an expression after itself.
pub fn set(name: &str, value: &str) -> StepDraft {
    let values = vec![(name.to_owned(), Template::Expr(expr(value)))];
    StepDraft::new(id(name), Work::Set { values })
}

pub fn wait(name: &str, ms: u64) -> StepDraft {
    StepDraft::new(id(name), Work::Wait { wait: Wait::ForMs(ms) })
}

pub fn group(name: &str, block: Steps) -> StepDraft {
    StepDraft::new(id(name), Work::Group { block })
}

pub fn for_each(name: &str, items: &str, block: Steps) -> StepDraft {
    let repeat = Repeat { items: expr(items), item: "item".into(), max_parallel: None, tolerate: 0 };
    StepDraft {
        output_key: Some(name.to_owned()),
        ..StepDraft::new(id(name), Work::ForEach { repeat, block })
    }
}

pub fn parallel(name: &str, wait_for: WaitFor, branches: Vec<(&str, Steps)>) -> StepDraft {
    let branches = branches.into_iter().map(|(name, block)| Branch { name: id(name), block }).collect();
    let work = Work::Parallel { branches, wait_for };
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), work) }
}

/// The words that change a step, to be chained.
pub trait Change: Sized {
    #[must_use]
    fn retry(self, max_attempts: u32) -> Self;
    #[must_use]
    fn policy(self, policy: ErrorPolicy) -> Self;
    #[must_use]
    fn undo(self, steps: Steps) -> Self;
    /// Jumps to `to` while `condition` holds.
    #[must_use]
    fn jump(self, condition: &str, to: &str) -> Self;
    /// Gives the step another id and name.
    #[must_use]
    fn named(self, name: &str) -> Self;
    #[must_use]
    fn when(self, condition: &str) -> Self;
    /// `run_next_after`.
    #[must_use]
    fn delays(self, ms: u64) -> Self;
    /// `timeout.total`.
    #[must_use]
    fn within(self, ms: u64) -> Self;
}

impl Change for StepDraft {
    fn retry(mut self, max_attempts: u32) -> Self {
        let retry = Retry { max_attempts, initial_delay_ms: 100, jitter: false, ..Retry::default() };
        self.retry = Some(retry);
        self
    }

    fn policy(mut self, policy: ErrorPolicy) -> Self {
        self.error_policy = Some(policy);
        self
    }

    fn undo(mut self, block: Steps) -> Self {
        self.undo = Some(Undo { block, if_started: false });
        self
    }

    fn jump(mut self, condition: &str, to: &str) -> Self {
        let conditions = vec![(expr(condition), Target::Step(id(to)))];
        self.next = Some(NextLogic { conditions, default: None });
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.id = id(name);
        name.clone_into(&mut self.name);
        self
    }

    fn when(mut self, condition: &str) -> Self {
        self.when = Some(expr(condition));
        self
    }

    fn delays(mut self, ms: u64) -> Self {
        self.delay_next_ms = ms;
        self
    }

    fn within(mut self, ms: u64) -> Self {
        self.total_timeout_ms = Some(ms);
        self
    }
}
