//! Chains built by hand in a few words.

use catena_core::{
    Chain,
    chain::{
        Approval, Branch, CallStep, ChainName, Draft, EndStep, ErrorPolicy, FailStep, Iterations,
        IterationsStop, Join, NextLogic, On, OnTimeout, Repeat, StepDraft, Target, Undo, Wait, WaitFor, Work,
    },
    expr::Expr,
    ids::StepId,
    retry::Retry,
    status::End,
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
    let work = Work::Parallel { branches, wait_for, keeps_rest: false };
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), work) }
}

/// A step that is another chain.
pub fn call(name: &str) -> StepDraft {
    let chain = ChainName::parse("child").expect("a valid name");
    let work = Work::Chain(CallStep { chain, parameters: None, lets_go: false });
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), work) }
}

pub fn await_signal(name: &str, signal: &str, timeout_ms: Option<u64>) -> StepDraft {
    let wait = Wait::Signal { name: signal.to_owned(), timeout_ms };
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), Work::Wait { wait }) }
}

pub fn approval(name: &str, expires_ms: Option<u64>, on_timeout: OnTimeout) -> StepDraft {
    let title = Template::constant(format!("may {name} go on?"));
    let approval = Approval { title, form: None, approvers: Vec::new(), expires_ms, on_timeout };
    let work = Work::Wait { wait: Wait::Approval(Box::new(approval)) };
    StepDraft { output_key: Some(name.to_owned()), ..StepDraft::new(id(name), work) }
}

pub fn end(name: &str, status: End) -> StepDraft {
    StepDraft::new(id(name), Work::End(EndStep { status, output: None }))
}

pub fn raise(name: &str) -> StepDraft {
    let message = Template::constant("raised");
    StepDraft::new(id(name), Work::Fail(FailStep { kind: "raised".into(), message }))
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
    /// One more dependency.
    #[must_use]
    fn after(self, step: &str, on: On) -> Self;
    #[must_use]
    fn join(self, join: Join) -> Self;
    /// Runs again until the condition holds, so often at the most.
    #[must_use]
    fn until(self, condition: &str, count_max: u32) -> Self;
    #[must_use]
    fn otherwise(self, alternative: StepDraft) -> Self;
    /// `fail_fast: false`.
    #[must_use]
    fn lets_finish(self) -> Self;
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

    fn after(mut self, step: &str, on: On) -> Self {
        self.depends.needs.push((id(step), on));
        self
    }

    fn join(mut self, join: Join) -> Self {
        self.depends.join = join;
        self
    }

    fn until(mut self, condition: &str, count_max: u32) -> Self {
        self.iterations = Some(Iterations {
            stop: Some(IterationsStop::Until(expr(condition))),
            count_max: Some(count_max),
            backoff_factor: 1.0,
            ..Iterations::default()
        });
        self
    }

    fn otherwise(mut self, alternative: StepDraft) -> Self {
        self.error_policy = Some(ErrorPolicy::Alternative);
        self.alternative = Some(Box::new(alternative));
        self
    }

    fn lets_finish(mut self) -> Self {
        self.lets_finish = true;
        self
    }
}
