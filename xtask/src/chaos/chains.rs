//! The chains of the test: each a few steps that report to the oracle, half of them long enough to outlive the
//! engine's restart. What each must end as is known beforehand.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::random::Random;

/// The key of the chain that keeps an engine busy from the first kill to the last.
pub(super) const KEEPER: &str = "keeper";

/// The chain that others call.
pub(super) const CHILD: &str = "child";

/// The chain with a schedule.
pub(super) const TICK: &str = "tick";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticks {
    EverySecond,
    NoMore,
}

/// What the steps of all chains need to know.
#[derive(Clone, Debug)]
pub(super) struct Reporting {
    /// This program.
    pub(super) program: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) effects: PathBuf,
}

/// A chain to be started.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    definition: Json,
    /// The file of its step of kind `file`.
    script: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sequence,
    Retry,
    Continue,
    Fail,
    Group,
    Each,
    Parallel,
    Rollback,
    Timeout,
    Leftover,
    File,
    Patient,
    /// A step that outlives several engines.
    Long,
    /// Pauses that grow, with jitter.
    Backoff,
    /// A time limit that outlives several engines.
    Limit,
    /// `wait` steps, and pauses before the next step.
    Wait,
    /// A step that is tried again until all its time is over.
    Total,
    /// Steps that run by what they depend on.
    Graph,
    /// Undos within a graph, a loop and branches.
    Saga,
    /// Steps that are executions of another chain.
    Call,
    /// The same, taken back.
    CallUndo,
    /// A person's answer and a signal, each with a time at which it goes on by itself.
    Ask,
    /// A step that is repeated, and one that is tried again as a block.
    Loop,
}

/// In the order in which they come; what waits for a timer more often, since most kills meet something else.
const KINDS: [Kind; 31] = [
    Kind::Sequence,
    Kind::CallUndo,
    Kind::Saga,
    Kind::Ask,
    Kind::Call,
    Kind::Retry,
    Kind::Long,
    Kind::Wait,
    Kind::Continue,
    Kind::Fail,
    Kind::Group,
    Kind::Retry,
    Kind::Backoff,
    Kind::Wait,
    Kind::Each,
    Kind::Graph,
    Kind::Parallel,
    Kind::Loop,
    Kind::CallUndo,
    Kind::Ask,
    Kind::Retry,
    Kind::Limit,
    Kind::Rollback,
    Kind::Timeout,
    Kind::Leftover,
    Kind::File,
    Kind::Patient,
    Kind::Long,
    Kind::Wait,
    Kind::Total,
    Kind::Retry,
];

impl Kind {
    /// How an execution of it ends that nobody cancels.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::Continue | Self::Timeout | Self::Limit | Self::Total => "completed_with_errors",
            Self::Fail => "failed",
            Self::Rollback | Self::Saga | Self::CallUndo => "rolled_back",
            Self::Sequence
            | Self::Retry
            | Self::Group
            | Self::Each
            | Self::Parallel
            | Self::Leftover
            | Self::File
            | Self::Patient
            | Self::Long
            | Self::Backoff
            | Self::Graph
            | Self::Call
            | Self::Ask
            | Self::Loop
            | Self::Wait => "completed",
        }
    }
}

impl Draft {
    /// The chain of the `number`th start. All kinds come up in turn, so that a short run has some of each.
    pub(super) fn draw(number: usize, random: &mut Random, reporting: &Reporting) -> Self {
        let kind = KINDS[number % KINDS.len()];
        let mut author = Author { random, reporting };
        let (steps, script) = match kind {
            Kind::File => author.file(number),
            _ => (author.steps(kind), None),
        };
        let name = format!("{kind:?}").to_lowercase();
        let definition = json!({"name": name, "params": {"key": {"type": "string"}}, "steps": steps});
        Self { kind, definition, script }
    }

    /// The chain that goes on until `until` is there, `kills` rounds long. In many steps, because one that is lost
    /// with its helper again and again would be put into quarantine.
    pub(super) fn keeper(until: &Path, kills: u32, reporting: &Reporting) -> Self {
        let script = [("--until", until.display().to_string()), ("--most-ms", "3000".into())];
        let step = json!({"name": "keep", "command": reporting.argv(&script)});
        let items: Vec<u32> = (0..kills + 50).collect();
        let each = json!({"items": items, "max_parallel": 1, "steps": [step]});
        let steps = json!([{"name": "each", "for_each": each}]);
        let definition = json!({"name": KEEPER, "params": {"key": {"type": "string"}}, "steps": steps});
        Self { kind: Kind::Sequence, definition, script: None }
    }

    /// The chain that starts by itself every second; without its schedule it ends the one that there was.
    pub(super) fn ticking(ticks: Ticks, reporting: &Reporting) -> Self {
        let step = json!({"name": "tick", "command": reporting.argv(&[("--ms", "300".into())])});
        let definition = match ticks {
            Ticks::EverySecond => json!({"name": TICK, "every": "1s", "steps": [step]}),
            Ticks::NoMore => {
                let params = json!({"key": {"type": "string", "default": ""}});
                json!({"name": TICK, "params": params, "steps": [step]})
            }
        };
        Self { kind: Kind::Sequence, definition, script: None }
    }

    /// The chain that others call.
    pub(super) fn child(reporting: &Reporting) -> Self {
        let step = |ms: &str| json!({"command": reporting.argv(&[("--ms", ms.into())])});
        let undone = with(step("20"), json!({"id": "done", "undo": step("30")}));
        let steps = json!([undone, with(step("400"), json!({"id": "slow"}))]);
        let definition = json!({"name": CHILD, "params": {"key": {"type": "string"}}, "steps": steps});
        Self { kind: Kind::Sequence, definition, script: None }
    }

    pub(super) fn write(&self, folder: &Path, key: &str) -> Result<PathBuf> {
        let path = folder.join(format!("{key}.json"));
        std::fs::write(&path, self.definition.to_string())?;
        if let (Some(script), Some(name)) = (&self.script, self.definition["steps"][1]["file"].as_str()) {
            std::fs::write(folder.join(name), script)?;
        }
        Ok(path)
    }
}

impl Reporting {
    fn argv(&self, script: &[(&str, String)]) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut argv = vec![text(&self.program), "chaos".into(), "step".into()];
        argv.extend(["--oracle".into(), text(&self.socket), "--effects".into(), text(&self.effects)]);
        argv.extend(script.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]));
        argv
    }
}

/// Writes steps with durations from the seed.
struct Author<'a> {
    random: &'a mut Random,
    reporting: &'a Reporting,
}

impl Author<'_> {
    fn short(&mut self) -> (&'static str, String) {
        ("--ms", self.random.between(0, 30).to_string())
    }

    fn long(&mut self) -> (&'static str, String) {
        ("--ms", self.random.between(300, 1_200).to_string())
    }

    fn command(&mut self, script: &[(&str, String)]) -> Json {
        json!({"command": self.reporting.argv(script)})
    }

    fn shell(&mut self, script: &[(&str, String)]) -> Json {
        json!({"shell": self.reporting.argv(script).join(" ")})
    }

    fn short_shell(&mut self) -> Json {
        let short = self.short();
        self.shell(&[short])
    }

    fn long_shell(&mut self) -> Json {
        let long = self.long();
        self.shell(&[long])
    }

    fn short_command(&mut self) -> Json {
        let short = self.short();
        self.command(&[short])
    }

    fn long_command(&mut self) -> Json {
        let long = self.long();
        self.command(&[long])
    }

    fn failing(&mut self, attempts: u32) -> Json {
        let short = self.short();
        self.shell(&[short, ("--fail-until", attempts.to_string())])
    }

    fn steps(&mut self, kind: Kind) -> Json {
        match kind {
            Kind::Sequence | Kind::File => self.sequence(),
            Kind::Retry => self.retry(),
            Kind::Continue => {
                let failing = with(self.failing(9), json!({"error_policy": "continue"}));
                json!([self.short_shell(), failing, self.long_command()])
            }
            Kind::Fail => json!([self.long_shell(), self.failing(9), self.short_shell()]),
            Kind::Group => {
                let inner = json!({"steps": [self.long_shell(), self.short_command()]});
                json!([self.short_command(), {"name": "group", "steps": [self.short_shell(), inner]}, self.short_shell()])
            }
            Kind::Each => {
                let steps = [self.short_shell(), self.long_command()];
                let each = json!({"items": [1, 2, 3, 4], "max_parallel": 2, "steps": steps});
                json!([{"name": "each", "for_each": each}, self.short_shell()])
            }
            Kind::Parallel => {
                let branches = json!({
                    "left": [self.long_shell(), self.short_shell()],
                    "right": [self.short_command(), self.long_command()],
                });
                json!([{"name": "both", "parallel": {"branches": branches}}, self.short_command()])
            }
            Kind::Rollback => self.rollback(),
            Kind::Long => self.lasting(),
            Kind::Backoff => self.backoff(),
            Kind::Limit => self.limit(),
            Kind::Wait => self.wait(),
            Kind::Total => self.total(),
            Kind::Graph => self.graph(),
            Kind::Saga => self.saga(),
            Kind::Call => json!([self.call("one"), self.short_shell(), self.call("two")]),
            Kind::CallUndo => {
                let last = with(self.failing(9), json!({"error_policy": "rollback"}));
                let undone = with(self.short_shell(), json!({"undo": self.long_shell()}));
                json!([self.call("one"), undone, self.call("two"), last])
            }
            Kind::Ask => self.ask(),
            Kind::Loop => self.again(),
            Kind::Timeout => {
                let slow = self.command(&[("--ms", "20000".into())]);
                let slow = with(slow, json!({"timeout": 0.4, "error_policy": "continue"}));
                json!([self.short_shell(), slow, self.short_shell()])
            }
            Kind::Leftover => {
                let (short, long) = (self.short(), self.long());
                let one = self.command(&[short, ("--leave-ms", "15000".into())]);
                let two = self.shell(&[long, ("--leave-ms", "15000".into())]);
                json!([one, self.short_shell(), two, self.long_shell()])
            }
            Kind::Patient => {
                let undone = with(self.short_shell(), json!({"undo": self.short_shell()}));
                let slow = self.command(&[("--ms", "2500".into()), ("--leave-ms", "15000".into())]);
                json!([undone, slow, self.short_shell()])
            }
        }
    }

    /// Two at once, so that one of them is in the middle of it at most kills.
    fn lasting(&mut self) -> Json {
        let [left, right] = [(); 2].map(|()| {
            let ms = self.random.between(3_000, 7_000).to_string();
            self.command(&[("--ms", ms)])
        });
        let branches = json!({"left": [left, self.short_shell()], "right": [self.long_shell(), right]});
        json!([self.short_shell(), {"name": "both", "parallel": {"branches": branches}}, self.short_command()])
    }

    fn backoff(&mut self) -> Json {
        let attempts = u32::try_from(self.random.between(2, 3)).expect("a small number");
        let retry = json!({"max_attempts": 6, "initial_delay": 0.4, "backoff_factor": 2, "jitter": true});
        let failing = with(self.failing(attempts), json!({"retry_config": retry}));
        let again = with(self.failing(1), json!({"retry_config": retry}));
        json!([failing, self.short_command(), again])
    }

    /// The slow ones are tried twice.
    fn limit(&mut self) -> Json {
        let slow = self.command(&[("--ms", "30000".into()), ("--leave-ms", "15000".into())]);
        let seconds = self.random.between(20, 35) as f64 / 10.0;
        let retry = json!({"max_attempts": 2, "initial_delay": 0.3, "backoff_factor": 1, "jitter": false});
        let slow = with(slow, json!({"timeout": seconds, "retry_config": retry, "error_policy": "continue"}));
        json!([self.short_shell(), slow, self.short_shell()])
    }

    fn seconds(&mut self, low_ms: u64, high_ms: u64) -> f64 {
        self.random.between(low_ms, high_ms) as f64 / 1_000.0
    }

    fn wait(&mut self) -> Json {
        let first = with(self.short_shell(), json!({"run_next_after": self.seconds(300, 2_000)}));
        let waits = [self.seconds(300, 1_500), self.seconds(1_000, 4_000)];
        let [one, two] = waits.map(|seconds| json!({"wait": {"for": seconds.to_string()}}));
        let branches = json!({"left": [one, self.short_command()], "right": [self.short_shell(), two]});
        json!([first, {"name": "both", "parallel": {"branches": branches}}, self.short_command()])
    }

    fn total(&mut self) -> Json {
        let slow = self.command(&[("--ms", "30000".into()), ("--leave-ms", "15000".into())]);
        let timeout = json!({"attempt": "800ms", "total": self.seconds(2_000, 3_000)});
        let retry = json!({"max_attempts": 50, "initial_delay": 0.3, "backoff_factor": 1, "jitter": false});
        let slow = with(slow, json!({"timeout": timeout, "retry_config": retry, "error_policy": "continue"}));
        json!([self.short_shell(), slow, self.short_shell()])
    }

    fn graph(&mut self) -> Json {
        let node = |id: &str, step: Json, needs: Json| with(step, json!({"id": id, "depends_on": needs}));
        let failing = with(self.failing(9), json!({"id": "d", "error_policy": "continue"}));
        json!([
            with(self.short_shell(), json!({"id": "a"})),
            node("b", self.long_command(), json!(["a"])),
            node("c", self.short_command(), json!(["a"])),
            node("e", self.long_shell(), json!(["b", "c"])),
            with(node("f", self.short_shell(), json!(["b", "c"])), json!({"join": "any"})),
            {"id": "g", "steps": [{"steps": [failing]}, {"id": "h", "set": {"x": 1}}], "when": "1 > 2"},
            node("i", self.short_shell(), json!(["e", "f", "g"])),
        ])
    }

    fn saga(&mut self) -> Json {
        let undone = |own: &mut Self, id: &str| {
            let undo = own.short_shell();
            with(own.short_shell(), json!({"id": id, "undo": undo}))
        };
        let each = json!({"items": [1, 2, 3], "max_parallel": 2, "steps": [undone(self, "item")]});
        let branches = json!({"left": [undone(self, "left")], "right": [with(self.long_shell(), json!({"undo": self.short_command()}))]});
        let last = with(self.failing(9), json!({"error_policy": "rollback", "depends_on": ["each", "both"]}));
        json!([
            undone(self, "first"),
            {"id": "each", "for_each": each, "depends_on": ["first"]},
            {"id": "both", "parallel": {"branches": branches}, "depends_on": ["first"]},
            last,
        ])
    }

    /// Each child has a key of its own, so that one that was started twice shows.
    fn call(&mut self, name: &str) -> Json {
        json!({"name": name, "chain": CHILD, "parameters": {"key": format!("{{key}}/{name}")}})
    }

    fn ask(&mut self) -> Json {
        let approval =
            json!({"title": "go on?", "expires": self.seconds(2_000, 6_000), "on_timeout": "approve"});
        let signal = json!({"signal": "go", "timeout": self.seconds(1_000, 3_000)});
        json!([
            self.short_shell(),
            {"id": "ask", "wait": {"approval": approval}},
            self.short_command(),
            {"id": "signal", "wait": signal, "alternative": {"set": {"nobody": 1}}},
            self.long_shell(),
        ])
    }

    fn again(&mut self) -> Json {
        let pause = self.seconds(100, 600);
        let repeat = json!({"interval": pause, "until": "loop.index >= 3", "max_iterations": 9});
        let poll = with(self.short_command(), json!({"repeat_config": repeat}));
        let retry = json!({"max_attempts": 3, "initial_delay": pause, "backoff_factor": 1, "jitter": false});
        let group = json!({"steps": [self.short_shell(), self.long_shell()], "retry_config": retry});
        json!([poll, with(group, json!({"repeat_config": {"max_iterations": 2}})), self.short_shell()])
    }

    fn sequence(&mut self) -> Json {
        let first = with(self.short_shell(), json!({"output_key": "said"}));
        let second = with(self.long_command(), json!({"env": {"SAID": "{said}"}}));
        json!([first, second, self.short_command(), self.long_shell(), self.short_shell()])
    }

    fn retry(&mut self) -> Json {
        let attempts = u32::try_from(self.random.between(1, 3)).expect("a small number");
        let pause_ms = self.random.between(300, 1_500);
        let pause = pause_ms as f64 / 1_000.0;
        let retry = json!({"max_attempts": 5, "initial_delay": pause, "backoff_factor": 1, "jitter": false});
        let failing = with(self.failing(attempts), json!({"retry_config": retry}));
        json!([self.short_shell(), failing, self.short_shell()])
    }

    fn rollback(&mut self) -> Json {
        let undo = |undo: Json| json!({"undo": undo});
        let first = with(self.short_shell(), undo(self.short_shell()));
        let second = with(self.long_command(), undo(self.long_shell()));
        let third = with(self.short_command(), undo(self.short_command()));
        let last = with(self.failing(9), json!({"error_policy": "rollback"}));
        json!([first, second, third, last])
    }

    fn file(&mut self, number: usize) -> (Json, Option<String>) {
        let long = self.long();
        let script = format!("#!/bin/sh\nexec {}\n", self.reporting.argv(&[long]).join(" "));
        let step = json!({"name": "script", "file": format!("script-{number}.sh")});
        (json!([self.short_command(), step, self.short_shell()]), Some(script))
    }
}

fn with(mut step: Json, more: Json) -> Json {
    if let (Some(step), Json::Object(more)) = (step.as_object_mut(), more) {
        step.extend(more);
    }
    step
}
