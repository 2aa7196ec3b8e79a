//! What is wrong with a definition, where, and what to do about it; and the list that collects all of it.

use crate::code::Code;
use crate::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The chain cannot run.
    Error,
    /// The chain runs, but perhaps not as its author thinks.
    Warning,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub span: Span,
    /// Short words under the caret; the message says the rest.
    pub label: Option<String>,
    /// The next thing to try, as a whole sentence.
    pub help: Option<String>,
    /// Other places of the same definition that make the problem understandable.
    pub related: Vec<(Span, String)>,
}

impl Problem {
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Problem {
        Problem {
            code,
            severity: code.severity(),
            message: shortened(message.into()),
            span,
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// The definition asks for something that this version does not run yet: it is sound, and cannot be started.
    pub fn is_later(&self) -> bool {
        self.code.is_later()
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = Some(label.into());
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Help where there is some: suggestions are often not to be had.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Problem {
        self.help = help.or(self.help);
        self
    }

    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Problem {
        self.related.push((span, label.into()));
        self
    }
}

/// A message quotes what stands there, and a megabyte may stand there.
fn shortened(message: String) -> String {
    const MAX_CHARS: usize = 400;
    match message.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// Collects problems while a definition is read. Reading goes on after each one.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// How many of each severity are in the list.
    errors: usize,
    warnings: usize,
    has_later: bool,
    left_out: usize,
}

impl Problems {
    /// A definition of a million wrong steps needs no million messages, nor the memory for them.
    const MAX: usize = 1_000;

    pub(crate) fn add(&mut self, problem: Problem) {
        self.has_later |= problem.is_later();
        // Each has room of its own: a thousand warnings hide no error.
        let count = match problem.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *count < Self::MAX {
            *count += 1;
            self.list.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn append(&mut self, other: Problems) {
        self.left_out += other.left_out;
        other.list.into_iter().for_each(|problem| self.add(problem));
    }

    pub(crate) fn has_error(&self) -> bool {
        self.errors > 0
    }

    /// Whether something is asked for that this version does not run yet.
    pub(crate) fn has_later(&self) -> bool {
        self.has_later
    }

    /// All problems in the order of the text, and how many more there were. The same thing said twice about one
    /// place (an anchor used twice) is said once.
    pub(crate) fn into_sorted(mut self) -> (Vec<Problem>, usize) {
        self.list
            .sort_by_key(|problem| (problem.span.start, problem.severity, problem.code, problem.span.end));
        self.list.dedup();
        (self.list, self.left_out)
    }
}
