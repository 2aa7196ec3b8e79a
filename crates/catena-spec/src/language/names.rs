//! Names: those that the language fills in, those that it keeps, and what other tools call its keys.

use super::Since;

/// Names that always mean the same thing in an expression.
pub const RESERVED_NAMES: &[&str] = &[
    "steps",
    "secrets",
    "execution",
    "chain",
    "errors",
    "loop",
    "state",
    "params",
    "variables",
    "now",
    "date",
];

/// The names that the language fills in.
pub const PROVIDED_NAMES: &[(&str, Since)] = &[
    ("steps", Since::Now),
    ("params", Since::Now),
    ("variables", Since::Now),
    ("errors", Since::Now),
    ("execution", Since::Now),
    ("chain", Since::Now),
    ("now", Since::Now),
    ("secrets", Since::Now),
    ("state", Since::Later),
    ("date", Since::Now),
];

/// What other tools call a key, and its name here.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("run", "shell"),
    ("cmd", "shell"),
    ("script", "shell"),
    ("bash", "shell"),
    ("sh", "shell"),
    ("exec", "command"),
    ("argv", "command"),
    ("tasks", "steps"),
    ("jobs", "steps"),
    ("stages", "steps"),
    ("loop", "for_each"),
    ("with_items", "for_each"),
    ("needs", "depends_on"),
    ("after_step", "depends_on"),
    ("if", "when"),
    ("condition", "when"),
    ("environment", "env"),
    ("cwd", "workdir"),
    ("dir", "workdir"),
    ("working_directory", "workdir"),
    ("working-directory", "workdir"),
    ("register", "output_key"),
    ("retries", "retry_config"),
    ("retry", "retry_config"),
    ("on_error", "error_policy"),
    ("on_failure", "error_policy"),
    ("continue-on-error", "error_policy"),
    ("timeout-minutes", "timeout"),
    ("compensate", "undo"),
    ("compensation", "undo"),
    ("inputs", "params"),
    ("vars", "variables"),
    ("cron", "schedule"),
];
