//! The seam to the core's expressions and templates: what they report becomes problems at the right place, and the
//! names they use are held against the scope.

use std::ops::Range;

use catena_core::expr::{Expr, ExprError};
use catena_core::secret::SECRETS;
use catena_core::template::{Part, SAID_OUTRIGHT, ScanError, Template};
use catena_core::value::Value as CoreValue;

use super::context::Context;
use super::order::Doubt;
use super::outline::{Owner, Place, Role};
use super::scope::{Declared, Meaning};
use super::script_argument::Reads;
use crate::code::Code;
use crate::names::is_identifier;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::structure::unquoted;
use crate::suggest::did_you_mean;
use crate::textmap::inner_span;

/// How many unknown names of one text are reported.
const UNKNOWN_NAMES_MAX: usize = 20;

const JINJA_HELP: &str = "expressions are those of Jinja: `weather.temperature > 30 and not dry`";

/// What `steps.<id>` has.
const STEP_PARTS: &[&str] = &["result", "status", "error", "attempts"];

const WHERE_NAMES_COME_FROM: &str =
    "results are seen in their block and below; declare others under `params` or `variables`";

impl Context<'_> {
    /// A tree of values in which every text may hold expressions.
    pub(crate) fn template(&mut self, node: &Node) -> Option<Template> {
        if self.is_raw {
            return Some(Template::constant(node.to_json()));
        }
        match &node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(Template::constant(node.to_json())),
            Value::String(text) => self.scan(text, node),
            Value::Seq(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                Some(fold_list(items.into_iter().collect::<Option<_>>()?))
            }
            Value::Map(entries) => {
                if let Some(problem) =
                    self.is_accident(node).then(|| unquoted(node, self.source.slice(node.span))).flatten()
                {
                    self.add(problem);
                    return None;
                }
                let fields =
                    entries.iter().map(|entry| Some((entry.key.text.clone(), self.template(&entry.value)?)));
                let fields: Vec<_> = fields.collect();
                Some(fold_map(fields.into_iter().collect::<Option<_>>()?))
            }
        }
    }

    /// Where text is asked for: an environment variable, an argument.
    pub(crate) fn text_template(&mut self, node: &Node) -> Option<Template> {
        let text = self.text(node)?;
        if self.is_raw {
            return Some(Template::constant(text));
        }
        self.scan(&text, node)
    }

    /// `{x: null}` may be meant in a tree of values, `{weather}` with a known name is not.
    fn is_accident(&self, node: &Node) -> bool {
        let Value::Map(entries) = &node.value else { return false };
        entries.first().is_some_and(|entry| {
            let name: String =
                entry.key.text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            !matches!(self.scope.meaning(&name), Meaning::Unknown)
        })
    }

    fn scan(&mut self, text: &str, node: &Node) -> Option<Template> {
        let mut unknown: Vec<String> = Vec::new();
        let mut assumed: Vec<String> = Vec::new();
        // A name that was reported is taken for known in the next round, so that the ones after it are found too.
        for _ in 0..=UNKNOWN_NAMES_MAX {
            let is_known = |name: &str| {
                unknown.iter().chain(&assumed).any(|known| known == name)
                    || !matches!(self.scope.meaning(name), Meaning::Unknown)
            };
            match Template::scan(text, &is_known) {
                Ok(scanned) => {
                    for range in scanned.doubled {
                        self.doubled(text, range, node);
                    }
                    let mut sound = unknown.is_empty();
                    if !self.scope.takes_secrets
                        && let Some(name) = scanned.template.secrets().first()
                    {
                        let written = format!("secrets.{name}");
                        let range = word_in(text, &written, 0..text.len());
                        self.secret_misplaced(&Written { text, node, range });
                        sound = false;
                    }
                    for expr in scanned.template.exprs() {
                        sound &= self.check_names(expr, text, node, &unknown);
                    }
                    return sound.then_some(scanned.template);
                }
                // Who says what holds without it may ask for what nobody gives.
                Err(ScanError::UnknownName { name, range }) if asks_whether_there(&text[range.clone()]) => {
                    assumed.push(name);
                }
                Err(ScanError::UnknownName { name, range }) => {
                    self.unknown_name(&name, word_in(text, &name, range), text, node);
                    unknown.push(name);
                }
                Err(ScanError::SecretNotAlone { range }) => {
                    self.secret_misplaced(&Written { text, node, range });
                    return None;
                }
                Err(ScanError::NoExpression { name, message, range }) => {
                    let written = &text[range.clone()];
                    let message = format!("`{written}` cannot be read: {message}");
                    let help = format!(
                        "to mean the text, write `{}`",
                        as_text(written, self.source.slice(node.span))
                    );
                    let span = inner_span(text, range, node.span, self.source);
                    let label = match name.as_str() {
                        SAID_OUTRIGHT => "`{=` begins an expression".to_owned(),
                        name => format!("`{name}` is a name of the chain"),
                    };
                    self.add(Problem::new(Code::BadExpression, span, message).label(label).help(help));
                    return None;
                }
            }
        }
        None
    }

    fn doubled(&mut self, text: &str, range: Range<usize>, node: &Node) {
        // `${{ x }}` is what GitHub Actions writes: the dollar goes, too.
        let range = if text[..range.start].ends_with('$') { range.start - 1..range.end } else { range };
        let written = &text[range.clone()];
        let inner = written.trim_start_matches('$');
        let single = &inner[1..inner.len() - 1];
        let value = format!("{{{}}}", single[1..single.len() - 1].trim());
        let span = inner_span(text, range.clone(), node.span, self.source);
        let problem = Problem::new(
            Code::DoubleBraces,
            span,
            format!("`{written}` holds the text `{single}`, no value"),
        )
        .help(format!("for the value, write single braces: `{value}`"));
        self.add(problem);
    }

    /// A bare expression: `when`, `if`, `items`. One pair of braces around it is dropped.
    pub(crate) fn expr(&mut self, node: &Node) -> Option<Expr> {
        let text = self.full_text(node)?;
        let inner = text.trim();
        let bare = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(inner).trim();
        match Expr::parse(bare) {
            Ok(expr) => self.check_names(&expr, &text, node, &[]).then_some(expr),
            Err(error) => {
                self.bad_expr(&error, bare, &text, node);
                None
            }
        }
    }

    fn bad_expr(&mut self, error: &ExprError, bare: &str, text: &str, node: &Node) {
        let start = text.find(bare).unwrap_or(0);
        let range = match &error.range {
            Some(range) if range.end <= bare.len() => start + range.start..start + range.end,
            _ => start..start + bare.len(),
        };
        let span = inner_span(text, range, node.span, self.source);
        let problem =
            Problem::new(Code::BadExpression, span, format!("the expression cannot be read: {error}"));
        let help = match text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            Some(inner) => format!("leave the braces out: `{}`", inner.trim()),
            None => operator_help(bare).unwrap_or(JINJA_HELP).to_owned(),
        };
        self.add(problem.help(help));
    }

    /// Whether every name that the expression reads exists where it stands.
    fn check_names(&mut self, expr: &Expr, text: &str, node: &Node, reported: &[String]) -> bool {
        let mut sound = true;
        let roots: Vec<&str> = expr.roots().collect();
        for root in roots {
            let within = text.find(expr.source()).map_or(0..text.len(), |at| at..at + expr.source().len());
            let at = Written { text, node, range: word_in(text, root, within) };
            sound &= match self.scope.meaning(root) {
                _ if reported.iter().any(|name| name == root) => false,
                _ if root == SECRETS => self.secret_misplaced(&at),
                Meaning::Data(declared) => self.check_declared(expr, root, declared.as_ref(), &at),
                Meaning::Perhaps(doubt, place, declared) => {
                    self.may_be_missing(expr, root, doubt, place, &at);
                    self.check_declared(expr, root, declared.as_ref(), &at)
                }
                Meaning::TooEarly(place) => self.too_early(root, place, &at),
                Meaning::Provided => self.check_paths(expr, root, &at),
                Meaning::Later => {
                    self.name_later(root, &at);
                    true
                }
                Meaning::Unknown if asks_whether_there(expr.source()) => {
                    self.never_there(root, at.range.clone(), text, node);
                    true
                }
                Meaning::Unknown => self.unknown_name(root, at.range.clone(), text, node),
            };
        }
        sound
    }

    /// `steps.wether` is as wrong as `wether`: what can stand behind `steps`, `params` and `variables` is known.
    fn check_paths(&mut self, expr: &Expr, root: &str, at: &Written<'_>) -> bool {
        let mut sound = true;
        for path in expr.paths(root) {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            // An empty path is the whole object; `steps["my-step"]` comes as one, too.
            if first.is_empty() {
                continue;
            }
            let table = match root {
                "steps" => {
                    sound &= self.check_step(expr, first, rest, at);
                    continue;
                }
                "params" => &self.params,
                "variables" => &self.variables,
                _ => continue,
            };
            match table.iter().find(|(known, _)| known == first).map(|(_, declared)| declared.clone()) {
                Some(declared) => sound &= self.check_path(first, rest, &declared, at),
                None => {
                    self.no_such(root, first, at);
                    sound = false;
                }
            }
        }
        sound
    }

    /// A step that is referred to by its id must exist, and have been there.
    fn check_step(&mut self, expr: &Expr, id: &str, rest: &str, at: &Written<'_>) -> bool {
        let Some(place) = self.index.place(id) else {
            self.no_such("steps", id, at);
            return false;
        };
        let part = rest.split('.').next().unwrap_or_default();
        if !part.is_empty() && !STEP_PARTS.contains(&part) {
            let help = did_you_mean(part, STEP_PARTS.iter().copied()).unwrap_or_else(|| {
                format!(
                    "a step has `{}`; what it has left is `steps.{id}.result.{part}`",
                    STEP_PARTS.join("`, `")
                )
            });
            let span = at.word(part, self);
            let problem = Problem::new(Code::NotInSchema, span, format!("a step has no `{part}`"));
            self.add(problem.label("no such part").help(help));
            return false;
        }
        match self.known_of_step(place) {
            Ok(Some(doubt)) if part == "result" => {
                self.may_be_missing(expr, &format!("steps.{id}.result"), doubt, place.span, at);
                true
            }
            Ok(_) => true,
            Err(()) => self.too_early(id, place.span, &Written { range: at.range_of(id), ..at.clone() }),
        }
    }

    /// Whether a step has left its result, seen from here.
    fn known_of_step(&self, place: Place) -> Result<Option<Doubt>, ()> {
        let (mut block, mut position, mut role) = (place.block, place.position, Role::Body);
        // Up to the innermost block around both.
        loop {
            match (self.scope.result_of(block, position, role), self.index.owner(block)) {
                (Some(known), _) => return known,
                (None, Some(owner)) => Owner { block, position, role } = owner,
                // A handler runs when the steps have ended; of other handlers nothing is known.
                (None, None) => return if self.scope.is_among_steps() { Err(()) } else { Ok(None) },
            }
        }
    }

    /// The paths that an expression reads below a name, against what is declared of its value.
    fn check_declared(
        &mut self,
        expr: &Expr,
        root: &str,
        declared: Option<&Declared>,
        at: &Written<'_>,
    ) -> bool {
        let Some(declared) = declared else { return true };
        let paths: Vec<&str> = expr.paths(root).filter(|path| !path.is_empty()).collect();
        let mut sound = true;
        for path in paths {
            sound &= self.check_path(root, path, declared, at);
        }
        sound
    }

    fn check_path(&mut self, name: &str, path: &str, declared: &Declared, at: &Written<'_>) -> bool {
        let Some(miss) = declared.miss(path) else { return true };
        let span = at.word(&miss.key, self);
        let around = if miss.below.is_empty() { name.to_owned() } else { format!("{name}.{}", miss.below) };
        let message = match &miss.found {
            Some(kind) => format!("`{around}` is {kind}, it has no `{}`", miss.key),
            None => format!("`{around}` has no `{}`", miss.key),
        };
        let help = did_you_mean(&miss.key, miss.known.iter().map(String::as_str)).or_else(|| {
            let known: Vec<String> = miss.known.iter().take(8).map(|key| format!("`{key}`")).collect();
            (!known.is_empty()).then(|| format!("it has {}", known.join(", ")))
        });
        self.add(Problem::new(Code::NotInSchema, span, message).label("ruled out").maybe_help(help));
        false
    }

    /// A result that may not be there is an error when it is read and is not; whoever asks for it may know better.
    fn may_be_missing(&mut self, expr: &Expr, name: &str, doubt: Doubt, place: Span, at: &Written<'_>) {
        let last = name.split('.').nth(1).unwrap_or(name);
        let is_guarded = self.guards.iter().any(|guard| holds_word(guard, last));
        if asks_whether_there(expr.source()) || is_guarded {
            return;
        }
        let span = at.span(self);
        let problem = Problem::new(
            Code::MayBeMissing,
            span,
            format!("`{name}` may be missing here: {}", doubt.because()),
        )
        .label("may have no value")
        .related(place, "the step that leaves it");
        self.add(problem.help(format!("say what holds then: `{name} | default(none)`")));
    }

    fn no_such(&mut self, root: &str, name: &str, at: &Written<'_>) {
        let (code, what) = if root == "steps" {
            (Code::UnknownStep, "step")
        } else {
            (Code::UnknownName, root.trim_end_matches('s'))
        };
        let help = match root {
            "steps" => did_you_mean(name, self.index.ids()),
            "params" => did_you_mean(name, self.params.iter().map(|(name, _)| name.as_str())),
            _ => did_you_mean(name, self.variables.iter().map(|(name, _)| name.as_str())),
        };
        let span = at.word(name, self);
        let problem = Problem::new(code, span, format!("there is no {what} `{name}`"));
        self.add(problem.label(format!("no such {what}")).maybe_help(help));
    }

    fn unknown_name(&mut self, name: &str, range: Range<usize>, text: &str, node: &Node) -> bool {
        let span = inner_span(text, range, node.span, self.source);
        let help = match name {
            "yes" | "on" | "Yes" | "On" => "write `true`".to_owned(),
            "no" | "off" | "No" | "Off" => "write `false`".to_owned(),
            _ => did_you_mean(name, self.scope.names()).unwrap_or_else(|| WHERE_NAMES_COME_FROM.to_owned()),
        };
        let problem =
            Problem::new(Code::UnknownName, span, format!("unknown name `{name}`")).label("unknown here");
        self.add(problem.help(help));
        false
    }

    fn never_there(&mut self, name: &str, range: Range<usize>, text: &str, node: &Node) {
        let span = inner_span(text, range, node.span, self.source);
        let message = format!("`{name}` is never there: nothing in this chain gives it a value");
        let problem = Problem::new(Code::MayBeMissing, span, message).label("never has a value");
        self.add(problem.maybe_help(did_you_mean(name, self.scope.names())));
    }

    fn too_early(&mut self, name: &str, place: Span, at: &Written<'_>) -> bool {
        let span = at.span(self);
        let message = format!("`{name}` is used before it can exist");
        let problem =
            Problem::new(Code::TooEarly, span, message).related(place, "this step gives it its value");
        self.add(
            problem
                .label("no value yet")
                .help("a step sees what the steps before it have left; move it behind that one"),
        );
        false
    }

    fn secret_misplaced(&mut self, at: &Written<'_>) -> bool {
        let message = "a secret stands alone in its braces, in a value of `env`, in `stdin`, or in the headers, `auth` or body of \
                       a request";
        let written = at.text.get(at.range.start..).unwrap_or_default();
        let name =
            written.split_once("secrets.").map(|(_, rest)| first_word(rest)).filter(|name| !name.is_empty());
        let name = name.unwrap_or("API_KEY");
        let help = format!("give it to a step's process: `env: {{{name}: \"{{secrets.{name}}}\"}}`");
        let problem = Problem::new(Code::SecretMisplaced, at.span(self), message).label("not here");
        self.add(problem.help(help));
        false
    }

    fn name_later(&mut self, name: &str, at: &Written<'_>) {
        let span = at.span(self);
        let message = format!("`{name}` is part of the language but this version does not fill it yet");
        self.add(Problem::new(Code::NameLater, span, message).label("not yet"));
    }

    /// Script text is constant. Data of the chain that stands in it in braces would reach the shell as it is written.
    pub(crate) fn check_script(&mut self, text: &str, node: &Node, reads: Reads) {
        self.check_script_where(text, node, reads, |_| true);
    }

    /// The same for braces at the places where they could be meant.
    pub(super) fn check_script_where(
        &mut self,
        text: &str,
        node: &Node,
        reads: Reads,
        may_be_meant: impl Fn(usize) -> bool,
    ) {
        // Its author knows that it stays as it is written.
        if self.is_raw {
            return;
        }
        for (range, name) in braced_names(text).into_iter().filter(|(range, _)| may_be_meant(range.start)) {
            let inner = text[range.start + 1..range.end - 1].trim();
            let is_data = match self.scope.meaning(&name) {
                meaning if meaning.is_data() => true,
                // `{date}` or `{now}` alone may well be shell; `{steps.a.result}` is not.
                Meaning::Provided | Meaning::Later => inner.contains('.'),
                _ => false,
            };
            if is_data && Expr::parse(inner).is_ok() {
                self.data_in_script(inner, &name, reads, &Written { text, node, range });
            }
        }
    }

    fn data_in_script(&mut self, inner: &str, name: &str, reads: Reads, at: &Written<'_>) {
        let span = at.span(self);
        // `{steps.weather.result}` is best called after the step.
        let says_most =
            if self.scope.meaning(name).is_data() { name } else { inner.split('.').nth(1).unwrap_or(name) };
        let variable: String = says_most.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let variable = variable.to_uppercase();
        let message =
            format!("`{{{inner}}}` is data of the chain, and script text is never searched for expressions");
        let read = reads.variable(&variable);
        let help = format!("add `env: {{{variable}: \"{{{inner}}}\"}}` to the step and write {read} here");
        self.add(
            Problem::new(Code::DataInScript, span, message).label("would stay as it is written").help(help),
        );
    }
}

/// What an operator of another language is here.
fn operator_help(expr: &str) -> Option<&'static str> {
    // What stands in quotes is text.
    let mut bare = String::new();
    for (at, part) in expr.split(['"', '\'']).enumerate() {
        bare.push_str(if at % 2 == 0 { part } else { "_" });
    }
    let table = [
        ("&&", "write `and` for `&&`"),
        ("||", "write `or` for `||`"),
        ("===", "write `==` for `===`"),
        ("?", "write `a if condition else b` for `condition ? a : b`"),
    ];
    if let Some((_, help)) = table.iter().find(|(sign, _)| bare.contains(sign)) {
        return Some(help);
    }
    let rest = ["==", "!=", "<=", ">="].iter().fold(bare, |text, sign| text.replace(sign, " "));
    match rest.contains('=') {
        true => Some("write `==` to compare"),
        false => rest.contains('!').then_some("write `not` for `!`"),
    }
}

/// A part of a text that a message is about.
#[derive(Clone)]
struct Written<'t> {
    text: &'t str,
    node: &'t Node,
    range: Range<usize>,
}

impl Written<'_> {
    fn span(&self, ctx: &Context<'_>) -> Span {
        inner_span(self.text, self.range.clone(), self.node.span, ctx.source)
    }

    /// The next place of a word behind this one.
    fn range_of(&self, word: &str) -> Range<usize> {
        word_behind(self.text, word, self.range.start..self.text.len())
    }

    fn word(&self, word: &str, ctx: &Context<'_>) -> Span {
        inner_span(self.text, self.range_of(word), self.node.span, ctx.source)
    }
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// Whether an expression says itself what holds where a value is missing.
fn asks_whether_there(expr: &str) -> bool {
    ["default", "| d(", "|d(", "is defined", "is not defined", "is undefined"]
        .iter()
        .any(|word| expr.contains(word))
}

/// A text with braces as an expression that gives it, in quotes that the scalar around it lets be.
fn as_text(written: &str, around: &str) -> String {
    match around.starts_with('\'') || written.contains('\'') {
        true => format!("{{= {}}}", quoted(written)),
        false => format!("{{= '{written}'}}"),
    }
}

/// The next place of a whole word in part of a text; the part itself if it is not there.
fn word_in(text: &str, word: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in part.match_indices(word) {
        let before = part[..at].chars().next_back();
        let after = part[at + word.len()..].chars().next();
        if !before.is_some_and(|c| is_letter(c) || c == '.') && !after.is_some_and(is_letter) {
            return range.start + at..range.start + at + word.len();
        }
    }
    part.find(word).map_or(range.clone(), |at| range.start + at..range.start + at + word.len())
}

fn holds_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
}

/// The next place of a whole word behind a dot, or of the word anywhere.
fn word_behind(text: &str, word: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let dotted = format!(".{word}");
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let ends = |at: &usize| !part[at + dotted.len()..].chars().next().is_some_and(is_letter);
    match part.match_indices(&dotted).map(|(at, _)| at).find(ends) {
        Some(at) => range.start + at + 1..range.start + at + dotted.len(),
        None => word_in(text, word, range),
    }
}

/// Each `{name…}` of a text that is not `${name}`, with the name.
fn braced_names(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    for (open, _) in text.match_indices('{') {
        // Each piece between braces is looked at once, however many there are.
        let inner = &text[open + 1..];
        let Some(end) = inner.find(['{', '}', '\n']).filter(|at| inner[*at..].starts_with('}')) else {
            continue;
        };
        let length = end + 1;
        let inner = inner[..end].trim_start();
        let name: String = inner.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if is_identifier(&name) && !text[..open].ends_with('$') {
            found.push((open..open + length + 1, name));
        }
    }
    found
}

/// A list without expressions is one constant.
fn fold_list(items: Vec<Template>) -> Template {
    let constants: Option<Vec<_>> = items.iter().map(constant).collect();
    match constants {
        Some(values) => Template::Const(CoreValue::from(serde_json::Value::Array(values))),
        None => Template::List(items),
    }
}

fn fold_map(fields: Vec<(String, Template)>) -> Template {
    let constants: Option<serde_json::Map<_, _>> =
        fields.iter().map(|(key, template)| Some((key.clone(), constant(template)?))).collect();
    match constants {
        Some(values) => Template::Const(CoreValue::from(serde_json::Value::Object(values))),
        None => Template::Map(fields),
    }
}

fn constant(template: &Template) -> Option<serde_json::Value> {
    match template {
        Template::Const(value) => Some(value.as_json().clone()),
        Template::Expr(_)
        | Template::Secret(_)
        | Template::Text(_)
        | Template::List(_)
        | Template::Map(_) => None,
    }
}

/// A list of items as the expression that gives it.
pub(crate) fn expr_of_items(template: &Template) -> Option<Expr> {
    Expr::parse(&source_of(template)).ok()
}

fn source_of(template: &Template) -> String {
    match template {
        Template::Const(value) => source_of_json(value.as_json()),
        Template::Expr(expr) => format!("({})", expr.source()),
        // Refused where it is scanned.
        Template::Secret(name) => format!("secrets.{name}"),
        Template::Text(parts) => parts.iter().map(source_of_part).collect::<Vec<_>>().join(" ~ "),
        Template::List(items) => format!("[{}]", joined(items.iter().map(source_of))),
        Template::Map(fields) => {
            let field = |(key, value): &(String, Template)| format!("{}: {}", quoted(key), source_of(value));
            format!("{{{}}}", joined(fields.iter().map(field)))
        }
    }
}

fn source_of_part(part: &Part) -> String {
    match part {
        Part::Text(text) => quoted(text),
        Part::Expr(expr) => format!("({})", expr.source()),
        Part::Secret(name) => format!("secrets.{name}"),
    }
}

fn source_of_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "none".to_owned(),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string(),
        serde_json::Value::String(text) => quoted(text),
        serde_json::Value::Array(items) => format!("[{}]", joined(items.iter().map(source_of_json))),
        serde_json::Value::Object(fields) => {
            let field = |(key, value): (&String, &serde_json::Value)| {
                format!("{}: {}", quoted(key), source_of_json(value))
            };
            format!("{{{}}}", joined(fields.iter().map(field)))
        }
    }
}

/// The expression language reads the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
