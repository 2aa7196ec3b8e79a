//! The whole way from text to chain.

use catena_core::Chain;

use crate::code::Code;
use crate::files::{Files, StepFile};
use crate::lower::{self, Lowered};
use crate::parse::parse;
use crate::preview::Preview;
use crate::problem::{Problem, Problems, Severity};
use crate::source::Source;
use crate::structure;

/// What a definition is, or what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// There exactly if no problem is an error and all of it runs in this version.
    pub chain: Option<Chain>,
    /// There if the definition could be read as far as that.
    pub preview: Option<Preview>,
    /// The step files that were read, by path: a version of the chain stores them.
    pub files: Vec<StepFile>,
    /// In the order of the text.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub left_out: usize,
}

impl Checked {
    pub fn has_error(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// What the definition asks for and this version does not run yet: it is sound, and cannot be started.
    pub fn not_yet(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_later())
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Warning)
    }
}

/// Reads a definition and finds every problem in it.
pub fn check(source: &Source, files: &dyn Files) -> Checked {
    let mut problems = Problems::default();
    let node = parse(source, &mut problems);
    let mut lowered = Lowered::default();
    if let Some(node) = node {
        structure::check(&node, source, &mut problems);
        lowered = lower::lower(&node, source, files, &mut problems);
    }
    let runs = !problems.has_error() && !problems.has_later();
    let Lowered { chain, preview, files } = lowered;
    let chain = chain.filter(|_| runs);
    assert_eq!(chain.is_some(), runs, "a definition without a problem is a chain");
    let (problems, left_out) = problems.into_sorted();
    Checked { chain, preview, files, problems, left_out }
}

/// Whether a definition has the structure of the language, whatever its names and expressions mean: what the JSON
/// Schema says, too. How long a duration is, a schema cannot say of a text.
pub fn has_structure(source: &Source) -> bool {
    let mut problems = Problems::default();
    if let Some(node) = parse(source, &mut problems) {
        structure::check(&node, source, &mut problems);
    }
    let (problems, _) = problems.into_sorted();
    let is_structure =
        |problem: &&Problem| problem.severity == Severity::Error && problem.code != Code::TooLong;
    !problems.iter().any(|problem| is_structure(&problem))
}
