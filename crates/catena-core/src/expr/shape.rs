//! What is refused before an expression is parsed: characters that the parser would overlook, and nesting that its
//! stack could not bear.

use std::ops::Range;

use super::{
    bounds::{NESTING_MAX, OPERATORS_MAX, SOURCE_MAX_BYTES},
    expression::{ExprError, Trouble},
};

/// Words that build on what stands beside them, as operators do.
const OPERATOR_WORDS: [&str; 7] = ["not", "and", "or", "in", "is", "if", "else"];

pub(super) fn check(source: &str) -> Result<(), ExprError> {
    if source.len() > SOURCE_MAX_BYTES {
        return refuse(format!("it has more than {SOURCE_MAX_BYTES} bytes"), 0..source.len());
    }
    Shape { source, levels: vec![Level::default()] }.check()
}

fn refuse(message: String, range: Range<usize>) -> Result<(), ExprError> {
    Err(ExprError { message, range: Some(range), trouble: Trouble::Syntax })
}

/// A pair of brackets, or what is outside of all.
#[derive(Default)]
struct Level {
    /// Operators since the last comma.
    here: usize,
    /// The most that stood between two commas.
    most: usize,
}

struct Shape<'a> {
    source: &'a str,
    levels: Vec<Level>,
}

impl Shape<'_> {
    fn check(mut self) -> Result<(), ExprError> {
        let mut letters = self.source.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' | '\'' => {
                    while let Some((_, inner)) = letters.next() {
                        match inner {
                            '\\' => _ = letters.next(),
                            _ if inner == letter => break,
                            _ => {}
                        }
                    }
                }
                '!' if letters.peek().is_some_and(|(_, next)| *next == '=') => self.operator(at)?,
                // The parser overlooks such a character behind a quoted text, and everything behind it:
                // `a == "x" && b` would mean `a == "x"`.
                '!' | '&' | ';' | '$' | '?' | '@' | '#' | '\\' | '`' | '^' => {
                    return refuse(
                        format!("unexpected character, `{letter}` is no operator"),
                        at..at + letter.len_utf8(),
                    );
                }
                '(' | '[' | '{' => self.open(at)?,
                ')' | ']' | '}' => self.close(at)?,
                ',' => self.comma(),
                '+' | '-' | '*' | '/' | '%' | '~' | '|' | '.' | '<' | '>' | '=' => self.operator(at)?,
                _ if letter.is_alphabetic() || letter == '_' => {
                    let mut end = at + letter.len_utf8();
                    while let Some((_, next)) = letters.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                        end += next.len_utf8();
                    }
                    if OPERATOR_WORDS.contains(&&self.source[at..end]) {
                        self.operator(at)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never closed")
    }

    fn operator(&mut self, at: usize) -> Result<(), ExprError> {
        self.level().here += 1;
        self.check_operators(at)
    }

    fn check_operators(&self, at: usize) -> Result<(), ExprError> {
        let deep: usize = self.levels.iter().map(|level| level.here).sum();
        if deep > OPERATORS_MAX {
            return refuse(format!("more than {OPERATORS_MAX} operators build on each other"), at..at + 1);
        }
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<(), ExprError> {
        self.level().here += 1;
        self.levels.push(Level::default());
        if self.levels.len() > NESTING_MAX + 1 {
            return refuse(format!("brackets are nested more than {NESTING_MAX} deep"), at..at + 1);
        }
        Ok(())
    }

    /// What is inside of brackets may be what is built on, so it counts on.
    fn close(&mut self, at: usize) -> Result<(), ExprError> {
        if self.levels.len() > 1
            && let Some(closed) = self.levels.pop()
        {
            self.level().here += closed.most.max(closed.here);
        }
        self.check_operators(at)
    }

    fn comma(&mut self) {
        let level = self.level();
        level.most = level.most.max(level.here);
        level.here = 0;
    }
}
