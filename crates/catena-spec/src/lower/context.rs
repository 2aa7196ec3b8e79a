//! What every part of the lowering has at hand: the source, the files, and the list of problems.

use std::collections::BTreeMap;
use std::path::PathBuf;

use catena_core::Chain;

use super::outline::StepIndex;
use super::scope::{Declared, Scope};
use crate::code::Code;
use crate::files::{Files, StepFile};
use crate::preview::Preview;
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// What lowering leaves, beside the problems.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    pub(crate) chain: Option<Chain>,
    pub(crate) preview: Option<Preview>,
    pub(crate) files: Vec<StepFile>,
}

pub(crate) struct Context<'a> {
    pub(crate) source: &'a Source,
    pub(crate) files: &'a dyn Files,
    pub(crate) problems: &'a mut Problems,
    pub(crate) index: StepIndex,
    pub(crate) scope: Scope,
    /// What can stand behind `params.` and `variables.`, with what is known of it.
    pub(crate) params: Vec<(String, Declared)>,
    pub(crate) variables: Vec<(String, Declared)>,
    /// The chain's own `error_policy`, as it is written.
    pub(crate) default_policy: Option<String>,
    /// The step that is looked at has `raw: true`.
    pub(crate) is_raw: bool,
    /// The `when` of it and of the steps around it, which may look whether a result is there.
    pub(crate) guards: Vec<String>,
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
            default_policy: None,
            is_raw: false,
            guards: Vec::new(),
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
