//! The whole way from text to chain.

use catena_core::Chain;

use crate::files::{Files, StepFile};
use crate::lower::{self, Lowered};
use crate::parse::parse;
use crate::problem::{Problem, Problems, Severity};
use crate::source::Source;

/// What a definition is, or what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// There exactly if no problem is an error.
    pub chain: Option<Chain>,
    /// The step files that were read, by path: a version of the chain stores them.
    pub files: Vec<StepFile>,
    /// In the order of the text.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub left_out: usize,
}

impl Checked {
    pub fn has_error(&self) -> bool {
        self.chain.is_none()
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Warning)
    }
}

/// Reads a definition and finds every problem in it.
pub fn check(source: &Source, files: &dyn Files) -> Checked {
    let mut problems = Problems::default();
    let node = parse(source, &mut problems);
    let lowered = node.map(|node| lower::lower(&node, source, files, &mut problems)).unwrap_or_default();
    let sound = !problems.has_error();
    let Lowered { chain, files } = lowered;
    let (problems, left_out) = problems.into_sorted();
    let chain = chain.filter(|_| sound);
    assert_eq!(chain.is_some(), sound, "a definition without an error is a chain");
    Checked { chain, files, problems, left_out }
}
