//! A definition's text with its name, and the way from a byte span to a line and a column a person can find.
//! Nothing here knows YAML.

use std::ops::Range;

/// The bytes of a definition that a problem or a node is about. Always on character boundaries of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// The empty span at one place.
    pub const fn at(place: usize) -> Span {
        Span { start: place, end: place }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Line and column as an editor counts them: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The text of one definition.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset of each line's first character.
    lines: Vec<usize>,
    /// Where the bytes stopped being UTF-8; the text has a replacement character there.
    invalid_at: Option<usize>,
}

impl Source {
    /// `name` is what messages call the file: its path as the user typed it.
    pub fn new(name: impl Into<String>, text: &str) -> Source {
        // A byte order mark is no character of the definition: no column should count it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let lines = line_starts(&text);
        Source { name: name.into(), text, lines, invalid_at: None }
    }

    /// Takes bytes as they were read. What is not UTF-8 is found by the check, like any other problem, with its place.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Source {
        match std::str::from_utf8(bytes) {
            Ok(text) => Source::new(name, text),
            Err(error) => {
                // Only the text up to the first bad byte is kept: what follows may be anything, a picture for example.
                let mut text = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
                text.push(char::REPLACEMENT_CHARACTER);
                let mut source = Source::new(name, &text);
                source.invalid_at = Some(source.text.len() - char::REPLACEMENT_CHARACTER.len_utf8());
                source
            }
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn invalid_at(&self) -> Option<usize> {
        self.invalid_at
    }

    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The position of a byte offset. An offset inside a line's end counts as the end of that line.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.floor(offset);
        let line = self.lines.partition_point(|&start| start <= offset) - 1;
        let before = &self.text[self.lines[line]..offset];
        Position { line: line + 1, column: before.trim_end_matches(['\r', '\n']).chars().count() + 1 }
    }

    /// The byte offset of a line and a column; what lies outside the text is moved to the nearest place inside.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let index = line.saturating_sub(1).min(self.lines.len() - 1);
        let start = self.lines[index];
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        let text = self.text[start..end].trim_end_matches(['\r', '\n']);
        let inside = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        start + inside
    }

    /// A span on character boundaries inside the text, whatever the parser reported.
    pub(crate) fn clamp(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        Span { start, end: self.floor(span.end).max(start) }
    }

    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// Lines end in `\n`, `\r\n` or a lone `\r`, as in YAML.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let after_end = bytes.iter().enumerate().filter_map(|(at, byte)| match byte {
        b'\n' => Some(at + 1),
        b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
        _ => None,
    });
    std::iter::once(0).chain(after_end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, needle: &str, line: usize, column: usize) {
        let source = Source::new("t.yaml", text);
        let at = source.text().find(needle).unwrap();
        assert_eq!(source.position(at), Position { line, column }, "{needle:?} in {text:?}");
    }

    #[test]
    fn columns_count_characters_and_lines_end_three_ways() {
        check("x", "x", 1, 1);
        check("a\nb", "b", 2, 1);
        check("a\r\nbc", "c", 2, 2);
        check("a\rb", "b", 2, 1);
        check("größe: {x}", "{", 1, 8);
        check("\u{feff}name: x", "x", 1, 7);
        check("a: 🦀🦀 z", "z", 1, 7);
    }

    #[test]
    fn the_end_of_the_text_has_a_position() {
        let source = Source::new("t.yaml", "a\nbc\n");
        assert_eq!(source.position(5), Position { line: 3, column: 1 });
        assert_eq!(source.position(500), Position { line: 3, column: 1 });
    }

    #[test]
    fn bytes_that_are_no_text_keep_the_place() {
        let source = Source::from_bytes("t.yaml", b"name: \xff\xfe");
        assert_eq!(source.invalid_at(), Some(6));
        assert_eq!(source.text(), "name: \u{fffd}");
    }
}
