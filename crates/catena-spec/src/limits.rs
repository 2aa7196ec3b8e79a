//! How large a definition may be. Each limit is refused with a position, in time and memory that the limit bounds.

/// Bytes of one definition. The largest hand-written ones known have some hundred kilobytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Scalars, lists and objects, aliases expanded. A step has about ten: this is some hundred thousand steps.
pub const MAX_NODES: usize = 1_000_000;

/// Lists and objects inside each other. A block costs two; reading is recursive, so this also bounds the stack.
pub const MAX_DEPTH: usize = 64;

/// The parser's stack: enough for [`MAX_DEPTH`] levels in a build without optimisation.
pub const PARSER_STACK_BYTES: usize = 8 * 1024 * 1024;

/// Nodes that aliases may add to what the text holds.
pub const MAX_ALIAS_NODES: usize = 100_000;

/// Bytes of one step file: a version of a chain stores it.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Attempts one visit may have. Above it, a schedule or a loop is what is meant.
pub const MAX_ATTEMPTS: u64 = 1_000;

/// The longest duration, ten years: what is longer is a typing error.
pub const MAX_DURATION_MS: u64 = 10 * 366 * 86_400_000;

/// Visits that a step may be given leave for.
pub const MAX_VISITS: u64 = 1_000_000;

/// Bytes of a name that expressions use.
pub const MAX_NAME_BYTES: usize = 200;
