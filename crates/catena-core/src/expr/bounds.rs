//! What an expression may cost. Each evaluation has one [`Budget`]; whatever looks at values or makes new ones pays.

use std::fmt;

/// Bytes of one expression's text.
pub const SOURCE_MAX_BYTES: usize = 64 * 1024;
/// Brackets inside of brackets. The parser needs a native stack frame or twelve for each.
pub const NESTING_MAX: usize = 24;
/// Operators, attributes and filters that build on each other, as in `1 + 1 + 1`.
pub const OPERATORS_MAX: usize = 200;
/// Steps of one evaluation: parts of the expression, items and 64-byte pieces of text that are looked at.
pub const STEPS_MAX: u64 = 200_000;
/// Bytes of all values that one evaluation makes, results in between included.
pub const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What an item of a list costs beside its content.
const ITEM_BYTES: u64 = 64;

/// Why an expression has no value: a fragment of a sentence.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

pub(super) fn fault<T>(why: impl Into<String>) -> Result<T> {
    Err(Fault(why.into()))
}

/// What is left of the limits while an expression is evaluated.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    bytes: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: STEPS_MAX, bytes: BYTES_MAX }
    }

    pub(super) fn steps(&mut self, steps: u64) -> Result<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => return fault(format!("it takes more than {STEPS_MAX} steps")),
        }
        Ok(())
    }

    /// Pays for new bytes, before they are made.
    pub(super) fn bytes(&mut self, bytes: u64) -> Result<()> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return fault(format!("the values that it makes have more than {BYTES_MAX} bytes")),
        }
        Ok(())
    }

    pub(super) fn items(&mut self, count: usize) -> Result<()> {
        self.steps(count as u64)?;
        self.bytes((count as u64).saturating_mul(ITEM_BYTES))
    }

    /// Pays for looking at a text.
    pub(super) fn reading(&mut self, text: &str) -> Result<()> {
        self.steps(1 + text.len() as u64 / 64)
    }

    /// Pays for a text that will be `bytes` long.
    pub(super) fn text(&mut self, bytes: usize) -> Result<()> {
        self.bytes(bytes as u64)?;
        self.steps(1 + bytes as u64 / 64)
    }
}
