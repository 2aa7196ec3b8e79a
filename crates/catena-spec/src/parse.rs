//! Text to tree: the one parser for YAML and JSON, its limits, and its errors in our words.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error as YamlError, Options};

use crate::code::Code;
use crate::limits;
use crate::node::{Node, RawNode, Value, span_of};
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// The tree of a definition, or none when the text cannot be read at all.
pub(crate) fn parse(source: &Source, problems: &mut Problems) -> Option<Node> {
    let (node, found) = on_deep_stack(|| {
        let mut found = Problems::default();
        (parse_here(source, &mut found), found)
    });
    problems.append(found);
    node
}

/// The parser calls itself for every level and takes up to 40 KiB for each without optimisation, more at the deepest
/// allowed level than a thread of a server has. So it gets a stack of its own; the rest of the crate needs little.
fn on_deep_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new()
            .name("catena-parse".to_owned())
            .stack_size(limits::PARSER_STACK_BYTES);
        match builder.spawn_scoped(scope, &work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread to be had: most definitions are flat enough for the stack that is here.
            Err(_) => work(),
        }
    })
}

fn parse_here(source: &Source, problems: &mut Problems) -> Option<Node> {
    if let Some(problem) = unreadable(source) {
        problems.add(problem);
        return None;
    }
    let node = match read(source, DuplicateKeyPolicy::Error) {
        Ok(node) => node,
        Err(error @ YamlError::DuplicateMappingKey { .. }) => reread(source, &error, problems)?,
        Err(error) => {
            problems.add(syntax_problem(&error, source));
            return None;
        }
    };
    if matches!(node.value, Value::Null) {
        problems.add(empty(source));
        return None;
    }
    Some(node)
}

fn unreadable(source: &Source) -> Option<Problem> {
    if let Some(at) = source.invalid_at() {
        let help = "save the file as UTF-8 text, or check that it is a definition at all";
        return Some(Problem::new(Code::NotUtf8, Span::at(at), "this is not UTF-8 text").help(help));
    }
    let length = source.text().len();
    (length > limits::MAX_BYTES).then(|| {
        let message = format!("the definition has {length} bytes, the limit is {}", limits::MAX_BYTES);
        Problem::new(Code::TooLarge, Span::at(0), message)
    })
}

fn empty(source: &Source) -> Problem {
    let help = "the smallest chain is `steps: [{shell: echo hello}]`";
    let end = source.text().trim_end().len();
    Problem::new(Code::Empty, Span::at(end), "the definition is empty").help(help)
}

fn read(source: &Source, duplicate_keys: DuplicateKeyPolicy) -> Result<Node, YamlError> {
    let raw: RawNode = serde_saphyr::from_str_with_options(source.text(), options(duplicate_keys))?;
    Ok(raw.into_node(source))
}

/// The parser stops at the first key that stands twice. Read again with duplicates let through, so that all of them,
/// and everything else, are found in one go.
fn reread(source: &Source, first: &YamlError, problems: &mut Problems) -> Option<Node> {
    let tree = read(source, DuplicateKeyPolicy::LastWins).ok();
    let found = tree.as_ref().map_or(0, |node| report_duplicates(node, problems));
    if found == 0 {
        problems.add(syntax_problem(first, source));
    }
    tree
}

fn report_duplicates(node: &Node, problems: &mut Problems) -> usize {
    match &node.value {
        Value::Seq(items) => items.iter().map(|item| report_duplicates(item, problems)).sum(),
        Value::Map(entries) => {
            let mut seen = std::collections::BTreeMap::new();
            let mut found = 0;
            for entry in entries {
                if let Some(first) = seen.insert(entry.key.text.as_str(), entry.key.span) {
                    problems.add(duplicate(&entry.key.text, entry.key.span).related(first, "first here"));
                    found += 1;
                }
                found += report_duplicates(&entry.value, problems);
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn duplicate(key: &str, span: Span) -> Problem {
    Problem::new(Code::DuplicateKey, span, format!("the key `{key}` stands twice in this object"))
        .help("keep one of them; the other would silently be lost")
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: limits::MAX_DEPTH,
        flow_nesting_limit: limits::MAX_DEPTH * 2,
        max_nodes: limits::MAX_NODES,
        max_events: limits::MAX_NODES * 2,
        max_total_scalar_bytes: limits::MAX_BYTES,
        max_aliases: limits::MAX_ALIAS_NODES,
        max_recorded_anchor_events: limits::MAX_NODES,
        max_documents: 2,
    };
    serde_saphyr::options! {
        budget: budget,
        duplicate_keys: duplicate_keys,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::MAX_ALIAS_NODES,
            max_replay_stack_depth: limits::MAX_DEPTH,
        },
        // `on`, `yes` and `no` are words, as they are in JSON.
        strict_booleans: true,
        // The errors are rendered by us, with the whole source at hand.
        with_snippet: false,
    }
}

fn syntax_problem(error: &YamlError, source: &Source) -> Problem {
    // What goes wrong inside an alias is shown where the alias stands.
    let span = error.location().map_or_else(|| Span::at(source.text().len()), |at| span_of(&at, source));
    let error = root(error.without_snippet());
    match error {
        YamlError::DuplicateMappingKey { key, .. } => duplicate(key.as_deref().unwrap_or("?"), span),
        YamlError::Budget { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. } => too_large(error, span),
        YamlError::MultipleDocuments { .. } => {
            Problem::new(Code::ManyDocuments, span, "a second definition begins here")
                .help("a file holds one chain; put the second one into a file of its own")
        }
        YamlError::Eof { .. } => empty(source),
        // The parser has a limit of its own for what is deep before it is even known what it is.
        YamlError::ExternalMessage { msg, .. } if msg.contains("recursion limit") => too_large(error, span),
        other => {
            Problem::new(Code::Syntax, span, message(other)).maybe_help(hint(&message(other), span, source))
        }
    }
}

/// An error inside an alias wraps the one that says what happened.
fn root(error: &YamlError) -> &YamlError {
    match error {
        YamlError::AliasError { error, .. } => root(error.without_snippet()),
        other => other,
    }
}

fn too_large(error: &YamlError, span: Span) -> Problem {
    let message = match error {
        YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. } => too_deep(),
        YamlError::ExternalMessage { .. } => too_deep(),
        YamlError::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            format!("the definition holds more than {} values", limits::MAX_NODES)
        }
        YamlError::Budget { breach: BudgetBreach::ScalarBytes { .. }, .. } => {
            format!("the texts of the definition have more than {} bytes", limits::MAX_BYTES)
        }
        _ => format!("aliases make more than {} values out of this definition", limits::MAX_ALIAS_NODES),
    };
    Problem::new(Code::TooLarge, span, message)
        .label("the limit is reached here")
        .help("split the chain, or keep its data in a file that a step reads")
}

fn too_deep() -> String {
    format!("more than {} lists and objects stand inside each other here", limits::MAX_DEPTH)
}

/// The parser's message without the position, which is shown in its own way.
fn message(error: &YamlError) -> String {
    let text = match error {
        YamlError::ExternalMessage { msg, .. } | YamlError::Message { msg, .. } => msg.clone(),
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => {
            "the alias stands inside its own anchor".to_owned()
        }
        // Keys are the only places where the tree asks for text.
        YamlError::NullIntoString { .. } | YamlError::Unexpected { .. } => "a key must be text".to_owned(),
        YamlError::NonFiniteFloat { value, .. } => format!("`{value}` is not a finite number"),
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let bare = line.rfind(" at line ").map_or(line, |at| &line[..at]);
    bare.strip_prefix("error: ").unwrap_or(bare).to_owned()
}

/// A value that begins with a template and goes on behind it: `city: {city} is nice`.
fn template_at_start(line: &str) -> Option<&str> {
    let line = line.trim();
    let value = line.strip_prefix("- ").map_or(line, str::trim_start);
    let value = if value.starts_with('{') { value } else { value.split_once(": ")?.1.trim_start() };
    let inner = value.strip_prefix('{')?;
    let close = inner.find('}')?;
    let name = inner[..close].trim();
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains(':');
    let next = inner[close + 1..].trim_start().chars().next();
    let goes_on = !matches!(next, None | Some(',' | '#' | ']' | '}'));
    (is_name && goes_on && !value.contains('"')).then_some(value)
}

/// What the usual causes of a syntax error are, told from the line it stands in.
fn hint(message: &str, span: Span, source: &Source) -> Option<String> {
    let text = source.text();
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    let before = text[..start].trim_end().lines().next_back().unwrap_or_default();
    if [line, before].iter().any(|line| line.trim_start().starts_with("//")) {
        return Some("comments begin with `#`".to_owned());
    }
    if let Some(value) = template_at_start(line) {
        return Some(format!("quote the whole value: \"{value}\""));
    }
    if message.contains("unexpected character") && message.contains("u{7f}") {
        return Some("YAML takes this character only as `\\u007f`, in double quotes".to_owned());
    }
    if message.contains("unclosed bracket") {
        return Some("close it, or put the value in quotes if the bracket is meant as text".to_owned());
    }
    if indent.contains('\t') {
        return Some("indent with spaces: YAML allows no tabs there".to_owned());
    }
    if message.contains("found a tab") {
        return Some("indent with spaces: YAML allows no tabs there".to_owned());
    }
    if message.contains("multiline quoted scalar") || message.contains("unclosed quote") {
        return Some("close the quote: a text that was opened before this place is still open".to_owned());
    }
    if message.contains("did not find expected '-'") {
        return Some(
            "line the keys of a step up with its first key, and the steps with each other".to_owned(),
        );
    }
    if message.contains("mapping values are not allowed") {
        return Some("a value that contains `: ` must stand in quotes".to_owned());
    }
    if line.contains(": {") || line.contains(": [") || line.contains(": @") || line.contains(": `") {
        return Some("a value that begins with `{`, `[`, `@` or a backtick must stand in quotes".to_owned());
    }
    None
}
