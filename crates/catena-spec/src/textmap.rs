//! From a place inside a text value to its place in the source: quotes, escapes, folding and the indentation of block
//! scalars stand between the two.

use crate::source::{Source, Span};

/// The part `range` of the text `value` as a span of the source, if it can be followed; else the whole of `node`.
pub(crate) fn inner_span(value: &str, range: std::ops::Range<usize>, node: Span, source: &Source) -> Span {
    if source.slice(node) == value {
        return source.clamp(Span::new(node.start + range.start, node.start + range.end));
    }
    follow(value, &range, source.slice(node))
        .map_or(node, |found| source.clamp(Span::new(node.start + found.start, node.start + found.end)))
}

/// Walks value and raw text side by side. Whitespace may differ, escapes are decoded by their length only.
fn follow(value: &str, range: &std::ops::Range<usize>, raw: &str) -> Option<Span> {
    let style = raw.chars().next()?;
    let mut at = content_start(raw, style);
    let (mut start, mut end) = (None, None);
    for (offset, letter) in value.char_indices() {
        if offset >= range.end {
            break;
        }
        let (from, to) = step(raw, at, letter, style)?;
        if offset >= range.start {
            start = start.or(Some(from));
            end = Some(to);
        }
        at = to;
    }
    let start = start.unwrap_or(at);
    Some(Span::new(start, end.unwrap_or(start)))
}

fn content_start(raw: &str, style: char) -> usize {
    match style {
        '"' | '\'' => 1,
        // The header of a block scalar (`|-`, `>2 # note`) ends with its line.
        '|' | '>' => raw.find('\n').map_or(raw.len(), |at| at + 1),
        _ => 0,
    }
}

/// The raw bytes that stand for the next letter of the value.
fn step(raw: &str, at: usize, letter: char, style: char) -> Option<(usize, usize)> {
    let rest = raw.get(at..)?;
    let next = rest.chars().next();
    if letter.is_whitespace() && next.is_some_and(char::is_whitespace) {
        // A folded line end is one blank in the value; the indentation after it is skipped before the next letter.
        return Some((at, at + next?.len_utf8()));
    }
    if style == '"' && next == Some('\\') && letter != '\\' && !rest.starts_with("\\\n") {
        return Some((at, at + escape_length(rest)));
    }
    if letter.is_whitespace() {
        return Some((at, at));
    }
    let skipped = rest.len() - rest.trim_start().len();
    let found = &rest[skipped..];
    let at = at + skipped;
    let doubled = match (style, letter) {
        ('\'', '\'') => found.starts_with("''"),
        ('"', '\\' | '"' | '/') => found.starts_with('\\'),
        _ => false,
    };
    if doubled {
        return Some((at, at + 2));
    }
    found.starts_with(letter).then(|| (at, at + letter.len_utf8()))
}

fn escape_length(rest: &str) -> usize {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') if rest.as_bytes().get(6..8) == Some(b"\\u") => 12,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    };
    digits.min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Value;
    use crate::parse::parse;
    use crate::problem::Problems;

    /// The braces of the value, found again in the source, must be the braces.
    fn check(yaml: &str, expected: &str) {
        let source = Source::new("t.yaml", yaml);
        let node = parse(&source, &mut Problems::default()).unwrap();
        let value = &node.get("a").unwrap().value;
        let Value::String(text) = &value.value else { panic!("no text in {yaml:?}") };
        let range = text.find('{').unwrap()..text.rfind('}').unwrap() + 1;
        let span = inner_span(text, range, value.span, &source);
        assert_eq!(source.slice(span), expected, "in {yaml:?}");
    }

    #[test]
    fn places_are_found_through_every_style() {
        check("a: is {x} ok", "{x}");
        check("a: 'it''s {x}'", "{x}");
        check(r#"a: "tab\t\u00e9 \"{x}\" ""#, "{x}");
        check(r#"{"a": "\ud83d\ude00 {x.y}"}"#, "{x.y}");
        check("a: |\n  first\n    {x} second\n", "{x}");
        check("a: >-\n  first\n  größer\n\n  {x} second\n", "{x}");
        check("a: one\n  two {x} three\n", "{x}");
        check("a: |\r\n  first\r\n  {x} second\r\n", "{x}");
        check("a: \"{x ~ \\\"b\\\"}\"", "{x ~ \\\"b\\\"}");
    }
}
