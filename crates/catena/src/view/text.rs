//! Lines of styled text that fit a number of columns. Whatever a step or a definition has written becomes plain text
//! here: no escape sequence and no control character leaves a [`Line`] but those of its own styles.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// What stands where a text was cut.
const CUT: char = '…';

/// How a span looks where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Dim,
    Good,
    Bad,
    Strong,
}

impl Style {
    /// Parameters of the terminal's SGR sequence.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Strong => Some("1"),
        }
    }
}

/// Whether styles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    On,
    Off,
}

/// Text on one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    spans: Vec<(Style, String)>,
}

impl Line {
    pub(crate) fn plain(text: &str) -> Self {
        Self::default().with(Style::Plain, text)
    }

    #[must_use]
    pub(crate) fn with(mut self, style: Style, text: &str) -> Self {
        if !text.is_empty() {
            self.spans.push((style, clean(text).into_owned()));
        }
        self
    }

    /// The same with spaces up to a column.
    #[must_use]
    pub(crate) fn padded(self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        self.with(Style::Plain, &" ".repeat(missing))
    }

    /// Columns on the terminal.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| width(text)).sum()
    }

    /// What fits.
    #[must_use]
    pub(crate) fn cut(mut self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        for (_, text) in &mut self.spans {
            let wide = width(text);
            // The mark of the cut needs its place where the last span that fits ends.
            if wide >= left {
                *text = if left == 0 { String::new() } else { format!("{}{CUT}", start(text, left - 1)) };
            }
            left = left.saturating_sub(wide);
        }
        self.spans.retain(|(_, text)| !text.is_empty());
        self
    }

    /// As it is written to a terminal or a file.
    pub(crate) fn render(&self, colour: Colour) -> String {
        let span = |(style, text): &(Style, String)| match (colour, style.code()) {
            (Colour::On, Some(code)) => format!("\x1b[{code}m{text}\x1b[0m"),
            (Colour::On, None) | (Colour::Off, _) => text.clone(),
        };
        self.spans.iter().map(span).collect()
    }
}

/// Columns of a text. Characters are counted one by one: a sequence that a terminal joins comes out too wide, never
/// too narrow.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|letter| letter.width().unwrap_or(0)).sum()
}

/// The longest beginning that fits.
fn start(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, letter)| {
        used += letter.width().unwrap_or(0);
        used > columns
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// A text whose end says more than its beginning, such as an address.
pub(crate) fn keep_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    let mut used = 1;
    let from = text.char_indices().rev().take_while(|(_, letter)| {
        used += letter.width().unwrap_or(0);
        used <= columns
    });
    let at = from.last().map_or(text.len(), |(at, _)| at);
    format!("{CUT}{}", &text[at..]).into()
}

/// The text without escape sequences, control characters, and marks that turn the direction of writing.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_sequence(&mut letters),
            '\t' => kept.push_str("    "),
            letter if is_unsafe(letter) => {}
            letter => kept.push(letter),
        }
    }
    kept.into()
}

fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// What belongs to an escape character: a control sequence up to its final letter, a string up to its end, or one
/// letter with what stands before it.
fn skip_sequence(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match letters.next() {
        Some('[') => while letters.next().is_some_and(|letter| !('@'..='~').contains(&letter)) {},
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(letter) = letters.next() {
                let ends = match letter {
                    '\u{7}' | '\u{9c}' => true,
                    '\u{1b}' => letters.next_if_eq(&'\\').is_some(),
                    _ => false,
                };
                if ends {
                    return;
                }
            }
        }
        Some(' '..='/') => while letters.next().is_some_and(|letter| (' '..='/').contains(&letter)) {},
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_columns() {
        let line = || Line::plain("ab").with(Style::Bad, "日本語").with(Style::Dim, "cd");
        let check = |columns: usize, expected: &str| {
            let cut = line().cut(columns);
            assert_eq!(cut.render(Colour::Off), expected);
            assert!(cut.width() <= columns);
        };
        check(20, "ab日本語cd");
        check(10, "ab日本語cd");
        check(9, "ab日本語…");
        check(8, "ab日本…");
        check(7, "ab日本…");
        check(6, "ab日…");
        check(2, "a…");
        check(1, "…");
        check(0, "");
    }

    #[test]
    fn the_end_of_an_address_is_kept() {
        assert_eq!(keep_end("fan_out[17]/charge~2", 10), "…/charge~2");
        assert_eq!(keep_end("日本語", 4), "…語");
        assert_eq!(keep_end("charge", 6), "charge");
    }

    #[test]
    fn nothing_that_moves_a_cursor_is_left() {
        let check = |text: &str, expected: &str| {
            assert_eq!(clean(text), expected);
            assert!(!clean(text).chars().any(is_unsafe));
        };
        check("plain ✓ 日本", "plain ✓ 日本");
        check("\u{1b}[31mred\u{1b}[0m", "red");
        check("\u{1b}]0;title\u{7}after", "after");
        check("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link");
        check("a\rb\u{8}c\u{7}\u{9b}2J", "abc2J");
        check("\u{1b}(Bx\u{1b}7y\u{1b}", "xy");
        check("a\tb", "a    b");
        check("\u{202e}drowssap", "drowssap");
        check("\u{1b}[", "");
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_harmless_and_fits(text in ".*", columns in 0_usize..40) {
            let line = Line::plain(&text).with(Style::Dim, &text).cut(columns);
            assert!(line.width() <= columns);
            assert!(!line.render(Colour::Off).chars().any(is_unsafe));
            assert!(width(&keep_end(&text, columns.max(1))) <= columns.max(1));
        }
    }
}
