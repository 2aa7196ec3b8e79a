//! The seam to the core's expressions and templates: what they report becomes problems at the right place, and the
//! names they use are held against the scope.

use std::ops::Range;

use catena_core::expr::{Expr, ExprError};
use catena_core::secret::SECRETS;
use catena_core::template::{Part, ScanError, Template};
use catena_core::value::Value as CoreValue;

use super::context::Context;
use super::scope::{Meaning, is_identifier};
use crate::code::Code;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::did_you_mean;
use crate::textmap::inner_span;

/// How many unknown names of one text are reported.
const UNKNOWN_NAMES_MAX: usize = 20;

const WHERE_NAMES_COME_FROM: &str =
    "results are seen in their block and below; declare others under `params` or `variables`";

impl Context<'_> {
    /// A tree of values in which every text may hold expressions.
    pub(crate) fn template(&mut self, node: &Node) -> Option<Template> {
        match &node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(Template::constant(node.to_json())),
            Value::String(text) => self.scan(text, node),
            Value::Seq(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                Some(fold_list(items.into_iter().collect::<Option<_>>()?))
            }
            Value::Map(entries) => {
                if self.is_accident(node) && self.report_unquoted(node) {
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
    pub(crate) fn text_template(&mut self, node: &Node, what: &str) -> Option<Template> {
        let text = self.text(node, what)?;
        self.scan(&text, node)
    }

    /// `{x: null}` may be meant in a tree of values, `{weather}` with a known name is not.
    fn is_accident(&self, node: &Node) -> bool {
        let Value::Map(entries) = &node.value else { return false };
        entries.first().is_some_and(|entry| {
            let name: String =
                entry.key.text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            self.scope.meaning(&name) != Meaning::Unknown
        })
    }

    fn scan(&mut self, text: &str, node: &Node) -> Option<Template> {
        let mut unknown: Vec<String> = Vec::new();
        // A name that was reported is taken for known in the next round, so that the ones after it are found too.
        for _ in 0..=UNKNOWN_NAMES_MAX {
            let is_known = |name: &str| {
                unknown.iter().any(|known| known == name) || self.scope.meaning(name) != Meaning::Unknown
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
                        self.secret_misplaced(text, word_in(text, &written, 0..text.len()), node);
                        sound = false;
                    }
                    for expr in scanned.template.exprs() {
                        sound &= self.check_names(expr, text, node, &unknown);
                    }
                    return sound.then_some(scanned.template);
                }
                Err(ScanError::UnknownName { name, range }) => {
                    self.unknown_name(&name, word_in(text, &name, range), text, node);
                    unknown.push(name);
                }
                Err(ScanError::SecretNotAlone { range }) => {
                    self.secret_misplaced(text, range, node);
                    return None;
                }
                Err(ScanError::NoExpression { name, message, range }) => {
                    let written = &text[range.clone()];
                    let message = format!("`{written}` cannot be read: {message}");
                    let help = format!("to mean the text, write `{}`", as_text(written));
                    let span = inner_span(text, range, node.span, self.source);
                    let label = format!("`{name}` is a name of the chain");
                    self.add(Problem::new(Code::BadExpression, span, message).label(label).help(help));
                    return None;
                }
            }
        }
        None
    }

    fn doubled(&mut self, text: &str, range: Range<usize>, node: &Node) {
        let written = &text[range.clone()];
        let single = &written[1..written.len() - 1];
        let span = inner_span(text, range.clone(), node.span, self.source);
        let problem =
            Problem::new(Code::DoubleBraces, span, format!("`{written}` is the text `{single}`, no value"))
                .help(format!("for the value, write single braces: `{single}`"));
        self.add(problem);
    }

    /// A bare expression: `when`, `if`, `items`. One pair of braces around it is dropped.
    pub(crate) fn expr(&mut self, node: &Node, what: &str) -> Option<Expr> {
        let text = self.full_text(node, what)?;
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
            None => "expressions are those of Jinja: `weather.temperature > 30 and not dry`".to_owned(),
        };
        self.add(problem.help(help));
    }

    /// Whether every name that the expression reads exists where it stands.
    fn check_names(&mut self, expr: &Expr, text: &str, node: &Node, reported: &[String]) -> bool {
        let mut sound = true;
        let roots: Vec<&str> = expr.roots().collect();
        for root in roots {
            let within = text.find(expr.source()).map_or(0..text.len(), |at| at..at + expr.source().len());
            let range = word_in(text, root, within);
            sound &= match self.scope.meaning(root) {
                _ if reported.iter().any(|name| name == root) => false,
                _ if root == SECRETS => self.secret_misplaced(text, range, node),
                Meaning::Data => true,
                Meaning::TooEarly(place) => self.too_early(root, place, range, text, node),
                Meaning::Provided => self.check_paths(expr, root, &range, text, node),
                Meaning::Later => self.name_later(root, range, text, node),
                Meaning::Unknown => self.unknown_name(root, range, text, node),
            };
        }
        sound
    }

    /// `steps.wether` is as wrong as `wether`: what can stand behind `steps`, `params` and `variables` is known.
    fn check_paths(
        &mut self,
        expr: &Expr,
        root: &str,
        range: &Range<usize>,
        text: &str,
        node: &Node,
    ) -> bool {
        let mut sound = true;
        for path in expr.paths(root) {
            let first = path.split('.').next().unwrap_or_default();
            // An empty path is the whole object; `steps["my-step"]` comes as one, too.
            if !first.is_empty() && !self.exists_below(root, first) {
                self.no_such(root, first, range.start, text, node);
                sound = false;
            }
        }
        sound
    }

    fn exists_below(&self, root: &str, name: &str) -> bool {
        match root {
            "steps" => self.index.has_id(name),
            "params" => self.params.iter().any(|known| known == name),
            "variables" => self.variables.iter().any(|known| known == name),
            _ => true,
        }
    }

    fn no_such(&mut self, root: &str, name: &str, after: usize, text: &str, node: &Node) {
        let (code, what) = if root == "steps" {
            (Code::UnknownStep, "step")
        } else {
            (Code::UnknownName, root.trim_end_matches('s'))
        };
        let help = match root {
            "steps" => did_you_mean(name, self.index.ids()),
            "params" => did_you_mean(name, self.params.iter().map(String::as_str)),
            _ => did_you_mean(name, self.variables.iter().map(String::as_str)),
        };
        let span = inner_span(text, word_in(text, name, after..text.len()), node.span, self.source);
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

    fn too_early(&mut self, name: &str, place: Span, range: Range<usize>, text: &str, node: &Node) -> bool {
        let span = inner_span(text, range, node.span, self.source);
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

    fn secret_misplaced(&mut self, text: &str, range: Range<usize>, node: &Node) -> bool {
        let span = inner_span(text, range, node.span, self.source);
        let message = "a secret stands alone in its braces, in a value of `env` or in `stdin`";
        let help = "give it to a step's process: `env: {API_KEY: \"{secrets.API_KEY}\"}`";
        self.add(Problem::new(Code::SecretMisplaced, span, message).label("not here").help(help));
        false
    }

    fn name_later(&mut self, name: &str, range: Range<usize>, text: &str, node: &Node) -> bool {
        let span = inner_span(text, range, node.span, self.source);
        let message = format!("`{name}` is part of the language but this version does not fill it yet");
        self.add(Problem::new(Code::NameLater, span, message).label("not yet"));
        false
    }

    /// Script text is constant. Data of the chain that stands in it in braces would reach the shell as it is written.
    pub(crate) fn check_script(&mut self, text: &str, node: &Node) {
        for (range, name) in braced_names(text) {
            let inner = text[range.start + 1..range.end - 1].trim();
            let is_data = match self.scope.meaning(&name) {
                Meaning::Data | Meaning::TooEarly(_) => true,
                // `{date}` or `{now}` alone may well be shell; `{steps.a.result}` is not.
                Meaning::Provided | Meaning::Later => inner.contains('.'),
                Meaning::Unknown => false,
            };
            if is_data && Expr::parse(inner).is_ok() {
                self.data_in_script(inner, &name, range, text, node);
            }
        }
    }

    fn data_in_script(&mut self, inner: &str, name: &str, range: Range<usize>, text: &str, node: &Node) {
        let span: Span = inner_span(text, range, node.span, self.source);
        // `{steps.weather.result}` is best called after the step.
        let says_most = if self.scope.meaning(name) == Meaning::Data {
            name
        } else {
            inner.split('.').nth(1).unwrap_or(name)
        };
        let variable: String = says_most.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let variable = variable.to_uppercase();
        let message =
            format!("`{{{inner}}}` is data of the chain, and script text is never searched for expressions");
        let help =
            format!("add `env: {{{variable}: \"{{{inner}}}\"}}` to the step and write \"${variable}\" here");
        self.add(
            Problem::new(Code::DataInScript, span, message).label("would stay as it is written").help(help),
        );
    }
}

/// A text with braces as an expression that gives it.
fn as_text(written: &str) -> String {
    format!("{{= {}}}", quoted(written))
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

/// Each `{name…}` of a text that is not `${name}`, with the name.
fn braced_names(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    for (open, _) in text.match_indices('{') {
        let Some(length) = text[open..].find(['}', '\n']).filter(|at| text[open + at..].starts_with('}'))
        else {
            continue;
        };
        let inner = text[open + 1..open + length].trim_start();
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
