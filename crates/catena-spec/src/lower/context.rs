//! What every part of the lowering has at hand: the source, the files, and the list of problems.

use std::collections::BTreeMap;
use std::path::PathBuf;

use catena_core::Chain;

use super::outline::StepIndex;
use super::scope::Scope;
use crate::code::Code;
use crate::files::{Files, StepFile};
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// What lowering leaves, beside the problems.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    pub(crate) chain: Option<Chain>,
    pub(crate) files: Vec<StepFile>,
}

pub(crate) struct Context<'a> {
    pub(crate) source: &'a Source,
    pub(crate) files: &'a dyn Files,
    pub(crate) problems: &'a mut Problems,
    pub(crate) index: StepIndex,
    pub(crate) scope: Scope,
    /// What can stand behind `params.` and `variables.`.
    pub(crate) params: Vec<String>,
    pub(crate) variables: Vec<String>,
    /// The working folder of the chain, which the folders of steps are relative to.
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) step_files: BTreeMap<PathBuf, StepFile>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(source: &'a Source, files: &'a dyn Files, problems: &'a mut Problems) -> Context<'a> {
        Context {
            source,
            files,
            problems,
            index: StepIndex::default(),
            scope: Scope::default(),
            params: Vec::new(),
            variables: Vec::new(),
            workdir: files.folder().map(PathBuf::from),
            step_files: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    /// A problem that needs no more than its sentence.
    pub(crate) fn say(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.add(Problem::new(code, span, message));
    }
}
