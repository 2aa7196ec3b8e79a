//! The question itself, the same for both languages: the entry function of the step, and whether it, or the code
//! around it, waits or yields on its own account. What a helper beside or inside it does is its own affair.

use std::{collections::BTreeMap, fmt, ops::ControlFlow};

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use super::{javascript::JavaScript, python::Python};

pub use crate::preview::CodeLanguage as Language;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    Sync,
    Async,
}

impl Concurrency {
    pub const fn as_str(self) -> &'static str {
        match self {
            Concurrency::Sync => "sync",
            Concurrency::Async => "async",
        }
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tells of the code of a step. Code with mistakes is judged by the parts that parse; of code that is no code at all
/// nothing is asynchronous.
pub fn concurrency(language: Language, source: &str) -> Concurrency {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    match language {
        Language::Python => tell::<Python>(source),
        Language::JavaScript => tell::<JavaScript>(source),
    }
}

/// The functions that are called once the top level has run, the first that there is.
const ENTRIES: [&str; 3] = ["async_task", "main", DEFAULT_EXPORT];
/// What a module exports without a name; no function can be called so.
pub(super) const DEFAULT_EXPORT: &str = "default";
/// Names that stand for names that stand for names: more than a few are a circle.
const MAX_ALIASES: usize = 8;

/// What the two languages do not have in common.
pub(super) trait Grammar {
    fn language() -> tree_sitter::Language;

    /// Whether this node waits or yields, itself.
    fn suspends(at: Own<'_>) -> bool;

    /// The parts of a node that run with the code around it: of a function not its body, for example.
    fn parts<'t>(at: Own<'t>, parts: &mut Vec<Own<'t>>);

    /// The names that a statement gives to functions.
    fn bind<'t>(node: Node<'t>, names: &mut Names<'t>);

    /// What a value says of the function that it is.
    fn meaning(value: Node<'_>) -> Meaning<'_>;
}

/// A node of the code that is looked at, not of a function or class inside it.
#[derive(Clone, Copy)]
pub(super) struct Own<'t> {
    pub(super) node: Node<'t>,
    /// Whether a `yield` here would be one of this code: a comprehension keeps its own.
    pub(super) yields: bool,
}

pub(super) enum Meaning<'t> {
    /// A function that says of itself that it is asynchronous, or a generator.
    Declared,
    /// A function whose body tells.
    Body(Node<'t>),
    /// The same as a part of it: what stands in parentheses.
    Same(Node<'t>),
    /// Another name.
    Name(Node<'t>),
    Unknown,
}

/// The names of the top level. The last one wins, as when the code runs.
pub(super) struct Names<'t> {
    pub(super) source: &'t str,
    values: BTreeMap<&'t str, Node<'t>>,
}

impl<'t> Names<'t> {
    pub(super) fn text(&self, node: Node<'_>) -> &'t str {
        &self.source[node.byte_range()]
    }

    pub(super) fn add(&mut self, name: &'t str, value: Node<'t>) {
        self.values.insert(name, value);
    }

    /// The node is called by the text of `name`.
    pub(super) fn add_node(&mut self, name: Option<Node<'t>>, value: Option<Node<'t>>) {
        if let (Some(name), Some(value)) = (name, value) {
            self.add(self.text(name), value);
        }
    }

    fn entry(&self) -> Option<Node<'t>> {
        ENTRIES.iter().find_map(|name| self.values.get(name).copied())
    }
}

fn tell<G: Grammar>(source: &str) -> Concurrency {
    let Some(tree) = parse::<G>(source) else { return Concurrency::Sync };
    let mut names = Names { source, values: BTreeMap::new() };
    let top = Own { node: tree.root_node(), yields: true };
    let suspends = search::<G>(top, |node| G::bind(node, &mut names));
    match suspends || names.entry().is_some_and(|entry| is_async::<G>(entry, &names)) {
        true => Concurrency::Async,
        false => Concurrency::Sync,
    }
}

fn is_async<G: Grammar>(entry: Node<'_>, names: &Names<'_>) -> bool {
    let mut value = entry;
    let mut aliases = 0;
    while aliases < MAX_ALIASES {
        match G::meaning(value) {
            Meaning::Declared => return true,
            Meaning::Body(body) => return search::<G>(Own { node: body, yields: true }, |_| ()),
            Meaning::Unknown => return false,
            Meaning::Same(inner) => value = inner,
            Meaning::Name(name) => match names.values.get(names.text(name)) {
                Some(named) => (value, aliases) = (*named, aliases + 1),
                None => return false,
            },
        }
    }
    false
}

/// Whether anything of this code's own suspends it; shows every node on the way. Without recursion: the depth of the
/// code is its author's choice, the stack is ours.
fn search<'t, G: Grammar>(from: Own<'t>, mut see: impl FnMut(Node<'t>)) -> bool {
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if G::suspends(at) {
            return true;
        }
        see(at.node);
        let first = open.len();
        G::parts(at, &mut open);
        // The next to be taken is the first in the text.
        open[first..].reverse();
    }
    false
}

/// All children, as they stand.
pub(super) fn all_parts<'t>(at: Own<'t>, parts: &mut Vec<Own<'t>>) {
    let mut cursor = at.node.walk();
    parts.extend(at.node.children(&mut cursor).map(|node| Own { node, ..at }));
}

pub(super) fn has_token(node: Node<'_>, token: &str) -> bool {
    let mut cursor = node.walk();
    node.children(&mut cursor).any(|child| !child.is_named() && child.kind() == token)
}

/// None where the code is such that parsing it would take longer than any code is worth.
pub(super) fn parse<G: Grammar>(source: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&G::language()).expect("the grammars were made for this version of the library");
    let mut left = PARSE_STEPS_MIN + source.len();
    let mut progress = |_: &tree_sitter::ParseState| match left.checked_sub(1) {
        Some(fewer) => {
            left = fewer;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = source.as_bytes();
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
}

/// How often the parser may report to have gone on, beside once per byte. It does so every hundred operations; code
/// takes two or three operations per byte.
const PARSE_STEPS_MIN: usize = 10_000;
