//! What a step does: its kind, with what the kind needs. `B` is how a nested block is held: as a tree of
//! drafts, or as a number in a finished chain.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ChainName,
    flow::{EndStep, FailStep},
    http::HttpStep,
};
use crate::{expr::Expr, ids::StepId, secret::SecretName, template::Template, time::Timestamp};

/// A step's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work<B> {
    /// Script text for a shell: constant, never searched for expressions.
    Shell {
        script: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interpreter: Option<Interpreter>,
        #[serde(flatten)]
        process: Process,
    },
    /// A program and its arguments.
    Command {
        argv: Vec<Template>,
        /// Data may begin an argument with `-`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_dash: bool,
        #[serde(flatten)]
        process: Process,
    },
    /// A script file, whose bytes are stored with the version.
    File {
        #[serde(flatten)]
        file: FileStep,
        #[serde(flatten)]
        process: Process,
    },
    /// Python or JavaScript, run by a driver that knows the code's functions.
    Code {
        #[serde(flatten)]
        code: CodeStep,
        #[serde(flatten)]
        process: Process,
    },
    /// A Rust function that the embedding program registered under this name.
    Function { function: String, parameters: Template },
    /// Whether files are there.
    FileExists { paths: Vec<Template> },
    /// An HTTP request.
    Http(Box<HttpStep>),
    /// Names with their values.
    Set { values: Vec<(String, Template)> },
    /// A durable pause: costs no attempt and no slot.
    Wait { wait: Wait },
    /// A block of its own.
    Group { block: B },
    /// Several blocks side by side.
    Parallel {
        branches: Vec<Branch<B>>,
        wait_for: WaitFor,
        /// `cancel_rest: false`: when enough have completed, the others run to their ends.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keeps_rest: bool,
    },
    /// One block, once for each item.
    ForEach {
        #[serde(flatten)]
        repeat: Repeat,
        block: B,
    },
    /// Another chain, as an execution of its own: attempts that hold no slot.
    Chain(CallStep),
    /// The end of the whole chain.
    End(EndStep),
    /// The end of the whole chain, as failed.
    Fail(FailStep),
}

/// What all kinds that start a process have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<Parse>,
    /// Whether the context is written to a file for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context: bool,
}

/// How a process's output becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    Json,
    Lines,
    Yaml,
}

/// The program that reads a script, with the arguments before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interpreter(pub Vec<String>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStep {
    /// Where the file stood when the version was made, absolute.
    pub path: String,
    /// SHA-256 of its bytes, in hex: what runs are these bytes, whatever has become of the file.
    pub digest: String,
    pub interpreter: Interpreter,
}

/// Code that a driver runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeStep {
    pub language: CodeLanguage,
    pub source: CodeSource,
    /// Instead of the one that the search path has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Interpreter>,
    /// What the code is given by name; no secret stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Template>,
    /// The code calls its entry function itself, as far as its text says: nobody calls it again. Python is watched
    /// while it runs instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_entry: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeLanguage {
    Python,
    JavaScript,
}

impl CodeLanguage {
    /// As a definition names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }
}

/// Where code comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeSource {
    /// It stands in the definition.
    Text(String),
    File {
        /// Where the file stood when the version was made, absolute.
        path: String,
        /// SHA-256 of its bytes, in hex: what runs are these bytes.
        digest: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch<B> {
    /// An id, because it stands in the addresses of what runs in the branch.
    pub name: StepId,
    pub block: B,
}

/// What a `wait` step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// This many milliseconds from the moment that the step is entered.
    ForMs(u64),
    /// As long as the expression says then: seconds, or text such as `1h30m`.
    For(Expr),
    Until(Timestamp),
    /// The instant that the expression gives when the step is entered.
    UntilExpr(Expr),
    /// The next signal of this name.
    Signal {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// A person's answer.
    Approval(Box<Approval>),
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub title: Template,
    /// A JSON Schema that the answer must fit; without one there is nothing to fill in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Arc<serde_json::Value>>,
    /// Who may answer; everybody where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    #[serde(default)]
    pub on_timeout: OnTimeout,
}

/// What holds when nobody has answered in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    #[default]
    Fail,
    Approve,
    Reject,
}

/// `chain`: another chain, run as an execution of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStep {
    pub chain: ChainName,
    /// What the child is started with, by the names of its params.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Template>,
    /// `wait: false`: the step has done its work when the child is started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lets_go: bool,
}

impl Wait {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::For(expr) | Self::UntilExpr(expr) => vec![expr],
            Self::ForMs(_) | Self::Until(_) | Self::Signal { .. } => Vec::new(),
            Self::Approval(approval) => approval.title.exprs(),
        }
    }
}

/// How many branches must complete; the others are then cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    All,
    Count(u32),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    pub items: Expr,
    /// The name of the current item.
    #[serde(rename = "as")]
    pub item: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// How many items may fail before the step does.
    #[serde(default)]
    pub tolerate: u32,
}

/// When branches are enough, and what becomes of the others then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    pub wait_for: WaitFor,
    pub keeps_rest: bool,
}

/// The blocks that a step holds, by how it runs them.
#[derive(Clone, Copy, Debug)]
pub enum Nested<'a, B> {
    Group(&'a B),
    Parallel(&'a [Branch<B>], Enough),
    ForEach(&'a Repeat, &'a B),
}

impl<B> Work<B> {
    /// The kind as a definition names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shell { .. } => "shell",
            Self::Command { .. } => "command",
            Self::File { .. } | Self::Code { code: CodeStep { source: CodeSource::File { .. }, .. }, .. } => {
                "file"
            }
            Self::Code { code, .. } => code.language.as_str(),
            Self::Function { .. } => "function",
            Self::FileExists { .. } => "file_exists",
            Self::Http(_) => "http",
            Self::Set { .. } => "set",
            Self::Wait { .. } => "wait",
            Self::Group { .. } => "steps",
            Self::Parallel { .. } => "parallel",
            Self::ForEach { .. } => "for_each",
            Self::Chain(_) => "chain",
            Self::End(_) => "end",
            Self::Fail(_) => "fail",
        }
    }

    /// The expressions in it, those of nested blocks left out.
    pub fn exprs(&self) -> Vec<&Expr> {
        let process = self
            .process()
            .into_iter()
            .flat_map(|process| process.env.values().chain(&process.stdin).flat_map(Template::exprs));
        let own = match self {
            Self::Command { argv: texts, .. } | Self::FileExists { paths: texts } => {
                texts.iter().flat_map(Template::exprs).collect()
            }
            Self::Http(step) => step.exprs(),
            Self::Function { parameters, .. } => parameters.exprs(),
            Self::Code { code, .. } => code.parameters.iter().flat_map(Template::exprs).collect(),
            Self::Set { values } => values.iter().flat_map(|(_, value)| value.exprs()).collect(),
            Self::Wait { wait } => wait.exprs(),
            Self::ForEach { repeat, .. } => vec![&repeat.items],
            Self::End(end) => end.output.iter().flat_map(Template::exprs).collect(),
            Self::Fail(fail) => fail.message.exprs(),
            Self::Chain(call) => call.parameters.iter().flat_map(Template::exprs).collect(),
            Self::Shell { .. } | Self::File { .. } | Self::Group { .. } | Self::Parallel { .. } => Vec::new(),
        };
        process.chain(own).collect()
    }

    fn http(&self) -> Option<&HttpStep> {
        match self {
            Self::Http(step) => Some(step),
            Self::Shell { .. }
            | Self::Command { .. }
            | Self::File { .. }
            | Self::Code { .. }
            | Self::Function { .. }
            | Self::FileExists { .. }
            | Self::Set { .. }
            | Self::Wait { .. }
            | Self::Group { .. }
            | Self::Parallel { .. }
            | Self::ForEach { .. }
            | Self::Chain(_)
            | Self::End(_)
            | Self::Fail(_) => None,
        }
    }

    /// The secrets that its process or request is given.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let given = self.process().into_iter().flat_map(|process| process.env.values().chain(&process.stdin));
        given.flat_map(Template::secrets).chain(self.http().into_iter().flat_map(HttpStep::secrets))
    }

    /// What it holds, of the kinds that hold blocks.
    pub fn nested(&self) -> Option<Nested<'_, B>> {
        match self {
            Self::Group { block } => Some(Nested::Group(block)),
            Self::Parallel { branches, wait_for, keeps_rest } => {
                let enough = Enough { wait_for: *wait_for, keeps_rest: *keeps_rest };
                Some(Nested::Parallel(branches, enough))
            }
            Self::ForEach { repeat, block } => Some(Nested::ForEach(repeat, block)),
            Self::Shell { .. }
            | Self::Command { .. }
            | Self::File { .. }
            | Self::Code { .. }
            | Self::Function { .. }
            | Self::FileExists { .. }
            | Self::Http(_)
            | Self::Set { .. }
            | Self::Wait { .. }
            | Self::Chain(_)
            | Self::End(_)
            | Self::Fail(_) => None,
        }
    }

    /// The blocks directly within it.
    pub fn blocks(&self) -> Vec<B>
    where
        B: Copy,
    {
        match self.nested() {
            None => Vec::new(),
            Some(Nested::Group(block) | Nested::ForEach(_, block)) => vec![*block],
            Some(Nested::Parallel(branches, _)) => branches.iter().map(|branch| branch.block).collect(),
        }
    }

    /// Whether it is carried out by attempts: neither by blocks, nor by the engine alone.
    pub fn makes_attempts(&self) -> bool {
        match self {
            Self::Shell { .. }
            | Self::Command { .. }
            | Self::File { .. }
            | Self::Code { .. }
            | Self::Function { .. }
            | Self::FileExists { .. }
            | Self::Chain(_)
            | Self::Http(_) => true,
            Self::Set { .. }
            | Self::Wait { .. }
            | Self::Group { .. }
            | Self::Parallel { .. }
            | Self::ForEach { .. }
            | Self::End(_)
            | Self::Fail(_) => false,
        }
    }

    /// Whether it is carried out by an execution of another chain.
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Chain(_))
    }

    /// What the step's process needs, for the kinds that have one.
    pub fn process(&self) -> Option<&Process> {
        match self {
            Self::Shell { process, .. }
            | Self::Command { process, .. }
            | Self::File { process, .. }
            | Self::Code { process, .. } => Some(process),
            Self::Function { .. }
            | Self::FileExists { .. }
            | Self::Http(_)
            | Self::Set { .. }
            | Self::Wait { .. }
            | Self::Group { .. }
            | Self::Parallel { .. }
            | Self::ForEach { .. }
            | Self::Chain(_)
            | Self::End(_)
            | Self::Fail(_) => None,
        }
    }
}
