//! What an expression may cost. Each evaluation has one [`Budget`]; whatever looks at values or makes new ones pays.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::value::VALUE_MAX_BYTES;

/// Bytes of one expression's text.
pub const SOURCE_MAX_BYTES: usize = 64 * 1024;
/// Brackets inside of brackets. The parser needs a native stack frame or twelve for each.
pub const NESTING_MAX: usize = 24;
/// Operators, attributes and filters that build on each other, as in `1 + 1 + 1`.
pub const OPERATORS_MAX: usize = 200;
/// Steps of one evaluation: parts of the expression, items and 64-byte pieces of text that are looked at. It may take
/// more where it reads large values, see [`Reading`].
pub const STEPS_MAX: u64 = 200_000;
/// Bytes of all values that one evaluation makes, results in between included.
pub const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// For so many bytes that are read of large values an evaluation may take one step more.
pub const READ_BYTES_PER_STEP: u64 = 4;
/// So many bytes more an evaluation may make for each that it reads of large values: parsed JSON takes that.
pub const MADE_BYTES_PER_READ: u64 = 16;
/// What is read beyond this lets an evaluation make no more: it is as much as a value can have.
const READ_MAX_BYTES: u64 = VALUE_MAX_BYTES as u64;

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

/// How many bytes of large values have been read so far, counted by who reads them. What an expression may cost grows
/// with it: the limits are for what comes of little, and looking at all of a large value is much already.
#[derive(Clone, Debug, Default)]
pub struct Reading(Arc<AtomicU64>);

impl Reading {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Tells how many there are in all.
    pub(crate) fn has_read(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// What is left of the limits while an expression is evaluated.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    bytes: u64,
    reading: Reading,
    /// How much of what was read is in the limits.
    counted: u64,
}

impl Budget {
    pub(super) fn new(reading: Reading) -> Self {
        Self { steps: STEPS_MAX, bytes: BYTES_MAX, reading, counted: 0 }
    }

    /// Values are read while filters walk over what refers to them, so this is asked when the limits are reached.
    fn grow(&mut self) {
        let read = self.reading.bytes().min(READ_MAX_BYTES);
        let new = read - self.counted;
        self.counted = read;
        self.steps += new / READ_BYTES_PER_STEP;
        self.bytes += new * MADE_BYTES_PER_READ;
    }

    pub(super) fn steps(&mut self, steps: u64) -> Result<()> {
        if self.steps < steps {
            self.grow();
        }
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => {
                let max = STEPS_MAX + self.counted / READ_BYTES_PER_STEP;
                return fault(format!("it takes more than {max} steps"));
            }
        }
        Ok(())
    }

    /// Pays for new bytes, before they are made.
    pub(super) fn bytes(&mut self, bytes: u64) -> Result<()> {
        if self.bytes < bytes {
            self.grow();
        }
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => {
                let max = BYTES_MAX + self.counted * MADE_BYTES_PER_READ;
                return fault(format!("the values that it makes have more than {max} bytes"));
            }
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
