//! Random chains with all that the reference model knows, made of random bytes: fewer and smaller bytes make a smaller
//! chain, so that a counter-example shrinks by itself.

use std::cell::Cell;

use catena_core::{
    chain::{
        ChainName, Draft, ErrorPolicy, Flow, HandlerKind, Handlers, Interval, Iterations, IterationsStop,
        Join, On, OnTimeout, StepDraft, Undo, WaitFor, Work,
    },
    event::Answer,
    failure::FailureType,
    retry::Retry,
    status::End,
};

use crate::{
    draft::{
        Change, Steps, approval, await_signal, call, end, expr, for_each, group, parallel, raise, set, task,
        wait,
    },
    model::UNKNOWN,
    random::draw,
    sim::{fail, succeed},
};

/// Blocks within blocks within blocks.
const DEPTH_MAX: u32 = 3;
/// Steps of a chain, those of undos and handlers not counted.
const STEPS_MAX: u32 = 16;

/// The chain that some bytes make.
pub fn draft(bytes: &[u8]) -> Draft {
    let maker = Maker { bytes, at: Cell::new(0), steps: Cell::new(0) };
    let steps = maker.block(0);
    let handlers = maker.handlers();
    Draft {
        error_policy: maker.one_in(4).then(|| maker.policy()).flatten(),
        timeout_ms: maker.one_in(8).then(|| u64::from(maker.pick(250)) * 1_003 + 7),
        lets_finish: maker.one_in(8),
        flow: (maker.one_in(6)).then_some(Flow::Graph).filter(|_| steps.iter().all(|s| s.next.is_none())),
        handlers,
        ..Draft::new(ChainName::parse("modelled").expect("a valid name"), steps)
    }
}

/// How attempts end, drawn from a seed; `failures` of 100 fail, those of undos more seldom. Attempts take long and
/// uneven times, so that two of them hardly ever end at one instant.
pub fn script(seed: u64, failures: u64) -> impl Fn(&str, u32) -> (Answer, u64) {
    move |address, number| {
        let draw = draw(seed, address, number);
        let chance = if address.contains("undo") { failures / 8 } else { failures };
        let answer = match draw / 100 % 10 {
            _ if draw % 100 >= chance => succeed(1),
            0 => Answer::TimedOut { limit_ms: 1 },
            1 => Answer::Cancelled {},
            2 => Answer::Failed { failure: catena_core::Failure::lasting(FailureType::ExitCode, "for good") },
            _ => fail("scripted to fail"),
        };
        (answer, 1 + draw / 1_000 % 70_001)
    }
}

struct Maker<'b> {
    bytes: &'b [u8],
    at: Cell<usize>,
    steps: Cell<u32>,
}

impl Maker<'_> {
    /// A number below `n`; 0 when there are no bytes left.
    fn pick(&self, n: u8) -> u8 {
        let at = self.at.replace(self.at.get() + 1);
        self.bytes.get(at).map_or(0, |byte| byte % n)
    }

    fn one_in(&self, n: u8) -> bool {
        self.pick(n) == n - 1
    }

    fn name(&self) -> String {
        format!("s{}", self.steps.replace(self.steps.get() + 1))
    }

    fn block(&self, depth: u32) -> Steps {
        let mut steps = vec![self.step(depth)];
        while steps.len() < 4 && self.steps.get() < STEPS_MAX && self.pick(4) > 0 {
            steps.push(self.step(depth));
        }
        if self.one_in(4) {
            self.jumps(&mut steps);
        } else if self.one_in(3) {
            self.needs(&mut steps);
        }
        self.conditions(&mut steps);
        steps
    }

    fn step(&self, depth: u32) -> StepDraft {
        let name = self.name();
        let is_leaf = depth == DEPTH_MAX || self.steps.get() >= STEPS_MAX;
        let step = match self.pick(if is_leaf { 24 } else { 44 }) {
            0..=15 => task(&name),
            16 => call(&name),
            17 => set(&name, "1"),
            18 | 19 => wait(&name, self.ms()),
            20 | 21 => await_signal(&name, "go", (!self.one_in(12)).then(|| self.ms())),
            22 => self.approval(&name),
            23 if self.one_in(2) => raise(&name),
            23 => end(&name, if self.one_in(2) { End::Failed } else { End::Completed }),
            24..=29 => group(&name, self.block(depth + 1)),
            30..=37 => self.parallel(&name, depth),
            _ => self.for_each(&name, depth),
        };
        self.changed(step, depth)
    }

    fn approval(&self, name: &str) -> StepDraft {
        let on_timeout = [OnTimeout::Fail, OnTimeout::Approve, OnTimeout::Reject][usize::from(self.pick(3))];
        approval(name, (!self.one_in(12)).then(|| self.ms()), on_timeout)
    }

    fn parallel(&self, name: &str, depth: u32) -> StepDraft {
        let names = ["left", "middle", "right"];
        let count = 1 + self.pick(3);
        let branches: Vec<_> =
            names[..usize::from(count)].iter().map(|name| (*name, self.block(depth + 1))).collect();
        let wait_for = match self.pick(3) {
            0 => WaitFor::All,
            n => WaitFor::Count(u32::from(n.min(count))),
        };
        let mut step = parallel(name, wait_for, branches);
        if let Work::Parallel { keeps_rest, .. } = &mut step.work {
            *keeps_rest = self.one_in(3);
        }
        step
    }

    fn for_each(&self, name: &str, depth: u32) -> StepDraft {
        let items = ["[0, 1]", "[0, 1, 2]", "[0]", "[]", "[0, 1, 2]", "[0, 1]", "[0, 1]", UNKNOWN]
            [usize::from(self.pick(8))];
        let mut step = for_each(name, items, self.block(depth + 1));
        if let Work::ForEach { repeat, .. } = &mut step.work {
            repeat.max_parallel = [None, Some(1), Some(2)][usize::from(self.pick(3))];
            repeat.tolerate = self.pick(3).into();
        }
        step
    }

    /// The keys that any step can have.
    fn changed(&self, mut step: StepDraft, depth: u32) -> StepDraft {
        let is_set = matches!(step.work, Work::Set { .. } | Work::End(_) | Work::Fail(_));
        if self.one_in(3) {
            step.error_policy = self.policy();
        }
        if self.one_in(3) && !is_set {
            step.retry = Some(self.retry());
        }
        if self.one_in(8) {
            step.total_timeout_ms = Some(self.ms() * 4);
        }
        if self.one_in(4) {
            step.delay_next_ms = self.ms();
        }
        if self.one_in(5) && !is_set {
            step.iterations = Some(self.iterations());
        }
        step.lets_finish = self.one_in(6);
        if self.one_in(3) && !is_set {
            let undo = task(&format!("{}_undo", step.id));
            step.undo = Some(Undo { block: vec![self.aside(undo)], if_started: self.one_in(2) });
        }
        if self.one_in(6) && self.steps.get() < STEPS_MAX {
            return step.otherwise(self.step(depth.max(DEPTH_MAX - 1)));
        }
        step
    }

    /// What else a step of an undo or a handler may have.
    fn aside(&self, mut step: StepDraft) -> StepDraft {
        match self.pick(6) {
            5 => return StepDraft { error_policy: self.policy(), ..raise(step.id.as_str()) },
            1 => step.retry = Some(self.retry()),
            2 => step.error_policy = Some(ErrorPolicy::Continue),
            3 => step.error_policy = Some(ErrorPolicy::Rollback),
            _ => {}
        }
        step
    }

    fn policy(&self) -> Option<ErrorPolicy> {
        let lets_pass = ErrorPolicy::Continue;
        let policies = [lets_pass, lets_pass, ErrorPolicy::Rollback, ErrorPolicy::Stop];
        Some(policies[usize::from(self.pick(4))])
    }

    fn retry(&self) -> Retry {
        Retry {
            max_attempts: 1 + u32::from(self.pick(3)),
            initial_delay_ms: self.ms(),
            backoff_factor: 2.0,
            delay_max_ms: self.one_in(3).then_some(30_011),
            jitter: false,
            on: if self.one_in(4) { vec![FailureType::Timeout] } else { Vec::new() },
        }
    }

    fn iterations(&self) -> Iterations {
        let n = self.pick(3);
        let stop = match self.pick(3) {
            0 => None,
            1 => Some(IterationsStop::Until(expr(&format!("loop.index >= {n}")))),
            _ => Some(IterationsStop::While(expr(&format!("loop.index < {n}")))),
        };
        Iterations {
            stop,
            count_max: Some(1 + u32::from(self.pick(3))),
            interval: Interval::Ms(if self.one_in(3) { 0 } else { self.ms() }),
            backoff_factor: 1.5,
            interval_max_ms: None,
        }
    }

    /// Up to 50 s, and hardly ever the same.
    fn ms(&self) -> u64 {
        u64::from(self.pick(250)) * 211 + u64::from(self.pick(200)) + 1
    }

    /// One step jumps, a few times at the most.
    fn jumps(&self, steps: &mut Steps) {
        let count = u8::try_from(steps.len()).expect("few");
        let (from, to) = (usize::from(self.pick(count)), usize::from(self.pick(count)));
        let (to, own) = (steps[to].id.to_string(), steps[from].id.to_string());
        let condition = match self.pick(8) {
            0 | 1 => format!("steps.{own}.status == 'completed'"),
            2..=6 => "true".to_owned(),
            _ => UNKNOWN.to_owned(),
        };
        let step = steps.remove(from);
        steps.insert(
            from,
            StepDraft { visits_max: Some(1 + u32::from(self.pick(3))), ..step.jump(&condition, &to) },
        );
    }

    fn needs(&self, steps: &mut Steps) {
        let ids: Vec<String> = steps.iter().map(|step| step.id.to_string()).collect();
        for (place, mut step) in std::mem::take(steps).into_iter().enumerate() {
            for before in &ids[..place] {
                if self.one_in(2) {
                    let on = [On::Completed, On::Ended, On::Failed, On::Skipped, On::Completed];
                    step = step.after(before, on[usize::from(self.pick(5))]);
                }
            }
            let count = step.depends.needs.len();
            if count > 0 && self.one_in(3) {
                step = step.join(Join::Count(1 + u32::from(self.pick(u8::try_from(count).expect("few")))));
            }
            steps.push(step);
        }
    }

    /// Some steps run only if others of their block have completed.
    fn conditions(&self, steps: &mut Steps) {
        let ids: Vec<String> = steps.iter().map(|step| step.id.to_string()).collect();
        for (place, step) in steps.iter_mut().enumerate() {
            if self.one_in(8) {
                step.when = Some(match self.pick(8) {
                    0 if place > 0 => expr(&format!("steps.{}.status == 'completed'", ids[place - 1])),
                    0 | 1 => expr("false"),
                    2..=6 => expr("true"),
                    _ => expr(UNKNOWN),
                });
            }
        }
    }

    fn handlers(&self) -> Handlers<Steps> {
        let handler = |kind: HandlerKind| {
            let steps = || vec![self.aside(task(&format!("h_{}", kind.as_str())))];
            self.one_in(4).then(steps)
        };
        Handlers {
            on_failure: handler(HandlerKind::OnFailure),
            on_success: handler(HandlerKind::OnSuccess),
            finally: handler(HandlerKind::Finally),
        }
    }
}
