//! What to send to a terminal so that it shows finished lines above a block: one string for each picture, with no more
//! than what has changed. It knows what the terminal shows, and writes nothing itself.

use super::layout::Size;

/// A terminal that knows it shows nothing before the end of the picture; others pass over it.
const PICTURE_BEGINS: &str = "\x1b[?2026h";
const PICTURE_ENDS: &str = "\x1b[?2026l";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";
const ERASE_LINE_REST: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// Brings any terminal back from the middle of a picture.
pub(super) const RESCUE: &str = "\x1b[?2026l\x1b[?7h\x1b[?25h\r\n";

/// A row as it is written, and how wide it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Painted {
    pub(super) text: String,
    pub(super) width: usize,
}

/// Stands with the cursor at the beginning of the block's last row, or where the block would begin if there is none.
#[derive(Debug, Default)]
pub(super) struct Painter {
    shown: Vec<Painted>,
    size: Option<Size>,
    is_hidden: bool,
}

impl Painter {
    /// Lines that stay go above the block, which becomes `block`. Empty where nothing changes.
    pub(super) fn paint(&mut self, above: &[Painted], block: Vec<Painted>, size: Size) -> String {
        let is_resized = self.size.is_some_and(|known| known != size);
        if above.is_empty() && block == self.shown && !is_resized {
            return String::new();
        }
        let mut text = String::from(PICTURE_BEGINS);
        if !block.is_empty() && !self.is_hidden {
            text.push_str(HIDE_CURSOR);
            self.is_hidden = true;
        }
        match above.is_empty() && block.len() == self.shown.len() && !is_resized {
            true => self.change_rows(&block, &mut text),
            false => self.draw(above, &block, size, &mut text),
        }
        if block.is_empty() && self.is_hidden {
            text.push_str(SHOW_CURSOR);
            self.is_hidden = false;
        }
        text.push_str(PICTURE_ENDS);
        self.shown = block;
        self.size = Some(size);
        text
    }

    /// Rewrites the rows that differ, in their places.
    fn change_rows(&self, block: &[Painted], text: &mut String) {
        let last = block.len() - 1;
        text.push_str(WRAP_OFF);
        let mut at = last;
        for (row, (new, old)) in block.iter().zip(&self.shown).enumerate() {
            if new != old {
                go(at, row, text);
                text.push_str(&new.text);
                text.push_str(ERASE_LINE_REST);
                text.push('\r');
                at = row;
            }
        }
        go(at, last, text);
        text.push_str(WRAP_ON);
    }

    /// Writes everything anew from the block's first row on: over what stands there, so that nothing goes dark in
    /// between, unless a line wraps or the size has changed; then nobody knows what stands where.
    fn draw(&self, above: &[Painted], block: &[Painted], size: Size, text: &mut String) {
        text.push('\r');
        go(self.rows_up(size), 0, text);
        let wraps = above.iter().any(|line| line.width >= size.columns);
        if wraps || self.size.is_some_and(|known| known != size) {
            text.push_str(ERASE_BELOW);
        }
        for line in above {
            text.push_str(&line.text);
            text.push_str(ERASE_LINE_REST);
            text.push_str("\r\n");
        }
        text.push_str(WRAP_OFF);
        for (row, line) in block.iter().enumerate() {
            if row > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&line.text);
            text.push_str(ERASE_LINE_REST);
        }
        // What is left of a higher block, or of the only row of one that goes.
        text.push_str(ERASE_BELOW);
        text.push('\r');
        text.push_str(WRAP_ON);
    }

    /// How far the block's first row is above the cursor. A terminal that became narrower has wrapped the rows.
    fn rows_up(&self, size: Size) -> usize {
        let columns = size.columns.max(1);
        let rows = |line: &Painted| line.width.div_ceil(columns).max(1);
        let above = self.shown.split_last().map_or(&[][..], |(_, above)| above);
        above.iter().map(rows).sum::<usize>().min(size.rows.saturating_sub(1))
    }
}

/// Moves the cursor between rows of the block.
fn go(from: usize, to: usize, text: &mut String) {
    if to < from {
        text.push_str(&format!("\x1b[{}A", from - to));
    } else if from < to {
        text.push_str(&format!("\x1b[{}B", to - from));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;
    use crate::view::text::{Colour, Line};

    fn painted(text: &str) -> Painted {
        let line = Line::plain(text);
        Painted { text: line.render(Colour::On), width: line.width() }
    }

    fn terminal(size: Size) -> vt100::Parser {
        let cells =
            |count: usize| NonZeroU16::new(u16::try_from(count).expect("a small terminal")).expect("a size");
        vt100::Parser::new(cells(size.rows), cells(size.columns), 1_000)
    }

    /// All that can be scrolled to and the screen, without the empty rows at its end.
    fn everything(terminal: &mut vt100::Parser) -> Vec<String> {
        let screen = terminal.screen_mut();
        let columns = screen.size().1.get();
        let mut lines = Vec::new();
        for offset in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(offset);
            lines.extend(screen.rows(0, columns).next());
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns));
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// After each picture the terminal shows all that was said, once and in order, and the block below it.
        #[test]
        fn a_terminal_shows_what_was_said_and_the_block(
            pictures in prop::collection::vec(
                (prop::collection::vec("[a-z日]{1,50}", 0..40), prop::collection::vec("[A-Z日]{1,12}", 0..9)),
                1..20,
            ),
        ) {
            let size = Size { columns: 30, rows: 10 };
            let (mut terminal, mut painter, mut said) = (terminal(size), Painter::default(), Vec::new());
            for (above, block) in pictures {
                let above: Vec<Painted> = above.iter().map(|line| painted(line)).collect();
                let rows: Vec<Painted> = block.iter().map(|line| painted(line)).collect();
                let text = painter.paint(&above, rows.clone(), size);
                terminal.process(text.as_bytes());
                said.extend(above);
                let shown = everything(&mut terminal).concat();
                let expected: String = said.iter().chain(&rows).map(|line| line.text.as_str()).collect();
                prop_assert_eq!(shown, expected);
                prop_assert_eq!(terminal.screen().hide_cursor(), !rows.is_empty());
            }
            // The same picture once more is nothing.
            let again = painter.shown.clone();
            prop_assert_eq!(painter.paint(&[], again, size), "");
        }
    }

    #[test]
    fn a_row_that_changes_is_all_that_is_written() {
        let size = Size { columns: 80, rows: 24 };
        let mut painter = Painter::default();
        painter.paint(&[], ["one", "two", "three"].map(painted).to_vec(), size);
        let text = painter.paint(&[], ["one", "TWO", "three"].map(painted).to_vec(), size);
        assert_eq!(text, "\x1b[?2026h\x1b[?7l\x1b[1ATWO\x1b[K\r\x1b[1B\x1b[?7h\x1b[?2026l");
    }
}
