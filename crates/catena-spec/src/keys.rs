//! The keys and kinds of the language: one table, from which come "unknown key", "did you mean", and the answer to
//! what this version runs already.

/// Whether this version runs it, or only knows that the language has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Now,
    Later,
}

/// Which steps a key may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every step.
    Any,
    /// Steps that run something and may fail: processes and blocks of them, not `set`.
    Work,
    /// Steps that start a process; the language has the key for blocks, too, but this version does not.
    Attempt,
    /// Steps that start a process: `shell`, `command`, `file`.
    Process,
    /// Steps whose text is given to an interpreter: `shell`, `file`.
    Script,
    /// A key that belongs to one kind, beside the key that names it.
    Kind(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub since: Since,
    pub on: On,
}

/// What a kind is, as far as the keys are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Process,
    Block,
    /// Decided by the engine alone: no attempt, no failure of its own to retry.
    Pure,
    /// Something that works in another way and comes later.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub since: Since,
    pub family: Family,
}

const fn now(name: &'static str) -> Key {
    Key { name, since: Since::Now, on: On::Any }
}

const fn later(name: &'static str) -> Key {
    Key { name, since: Since::Later, on: On::Any }
}

const fn now_on(name: &'static str, on: On) -> Key {
    Key { name, since: Since::Now, on }
}

const fn later_on(name: &'static str, on: On) -> Key {
    Key { name, since: Since::Later, on }
}

const fn kind(name: &'static str, since: Since, family: Family) -> Kind {
    Kind { name, since, family }
}

/// The keys of a chain.
pub const CHAIN_KEYS: &[Key] = &[
    now("version"),
    now("name"),
    now("description"),
    now("labels"),
    now("params"),
    now("variables"),
    later("schedule"),
    later("schedules"),
    later("every"),
    later("after"),
    now("error_policy"),
    now("retry_config"),
    later("timeout"),
    later("concurrency"),
    later("max_parallel"),
    now("env"),
    now("workdir"),
    later("local_path"),
    later("include"),
    later("sandbox"),
    later("on_failure"),
    later("on_success"),
    later("on_cancel"),
    later("finally"),
    now("output"),
    later("notify"),
    later("retention"),
    later("flow"),
    now("steps"),
    later("fail_fast"),
    later("expect_ends"),
    // The API form of the Realms seed.
    later("repeat_every"),
    later("run_after"),
];

/// The keys a step may have beside its kind.
pub const STEP_KEYS: &[Key] = &[
    now("id"),
    now("name"),
    now("description"),
    later("parameters"),
    now_on("env", On::Process),
    now_on("workdir", On::Process),
    now_on("stdin", On::Process),
    now_on("parse", On::Process),
    now("output_key"),
    later("output"),
    later("depends_on"),
    later("join"),
    now("when"),
    now("next_step_logic"),
    later("run_next_after"),
    later("repeat_config"),
    now_on("retry_config", On::Attempt),
    now_on("timeout", On::Attempt),
    now_on("error_policy", On::Work),
    later("alternative"),
    now_on("undo", On::Work),
    now_on("effect", On::Process),
    later("cache"),
    later("pool"),
    later("sandbox"),
    later("notify"),
    later("fail_fast"),
    later("flow"),
    later("raw"),
    later("context"),
    later_on("allow_dash", On::Kind("command")),
    now_on("interpreter", On::Script),
    later_on("language", On::Kind("code")),
    later_on("operation", On::Kind("tool")),
    later_on("task_description", On::Kind("execution_mode")),
    later_on("max_visits", On::Any),
];

/// The kinds of a step. The key that names the kind holds what it does.
pub const KINDS: &[Kind] = &[
    kind("shell", Since::Now, Family::Process),
    kind("command", Since::Now, Family::Process),
    kind("file", Since::Now, Family::Process),
    kind("python", Since::Later, Family::Other),
    kind("javascript", Since::Later, Family::Other),
    kind("code", Since::Later, Family::Other),
    kind("http", Since::Later, Family::Other),
    kind("file_exists", Since::Later, Family::Other),
    kind("docker_pull", Since::Later, Family::Other),
    kind("docker_build", Since::Later, Family::Other),
    kind("docker_run", Since::Later, Family::Other),
    kind("docker_shell", Since::Later, Family::Other),
    kind("docker_rubrics", Since::Later, Family::Other),
    kind("tool", Since::Later, Family::Other),
    kind("execution_mode", Since::Later, Family::Other),
    kind("chain", Since::Later, Family::Other),
    kind("wait", Since::Later, Family::Other),
    kind("set", Since::Now, Family::Pure),
    kind("steps", Since::Now, Family::Block),
    kind("parallel", Since::Now, Family::Block),
    kind("for_each", Since::Now, Family::Block),
    kind("end", Since::Later, Family::Other),
    kind("fail", Since::Later, Family::Other),
    // task-sync writes a step as `settings: {docker_build: {…}}`.
    kind("settings", Since::Later, Family::Other),
];

/// Keys of the objects inside a step or a chain.
pub const RETRY_KEYS: &[Key] = &[
    now("max_attempts"),
    now("initial_delay"),
    now("backoff_factor"),
    now("max_delay"),
    now("jitter"),
    now("on"),
];
pub const TIMEOUT_KEYS: &[Key] = &[now("attempt"), later("total")];
pub const NEXT_KEYS: &[Key] = &[now("conditions"), now("default")];
pub const CONDITION_KEYS: &[Key] = &[now("if"), now("next")];
pub const FOR_EACH_KEYS: &[Key] =
    &[now("items"), now("as"), now("max_parallel"), now("tolerate"), now("steps")];
pub const PARALLEL_KEYS: &[Key] = &[now("branches"), now("wait_for"), now("cancel_rest")];
pub const UNDO_KEYS: &[Key] = &[now("if_started"), now("steps")];

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
    ("loop", Since::Later),
    ("secrets", Since::Now),
    ("state", Since::Later),
    ("date", Since::Later),
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

/// What a step may ask for in `error_policy`, the whole list.
pub const POLICIES: &[(&str, Since)] = &[
    ("stop", Since::Now),
    ("continue", Since::Now),
    ("retry", Since::Now),
    ("alternative", Since::Later),
    ("rollback", Since::Now),
];

pub(crate) fn find<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.iter().find(|key| key.name == name)
}

pub(crate) fn find_kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Whether a kind has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    Later,
    No,
}

impl On {
    /// Whether a step of this kind may have the key.
    pub fn fits(self, kind: &Kind) -> Fit {
        let process = kind.family == Family::Process;
        let fits = match self {
            On::Any => true,
            On::Work => process || kind.family == Family::Block,
            On::Attempt if kind.family == Family::Block => return Fit::Later,
            On::Attempt | On::Process => process,
            On::Script => matches!(kind.name, "shell" | "file"),
            On::Kind(name) => kind.name == name,
        };
        if fits { Fit::Yes } else { Fit::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice_and_none_is_also_a_kind() {
        let mut names: Vec<_> = STEP_KEYS.iter().map(|key| key.name).collect();
        // `notify` is a common key as well as a kind: which it is cannot be told before it runs.
        names.extend(KINDS.iter().map(|kind| kind.name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for keys in [CHAIN_KEYS, RETRY_KEYS, FOR_EACH_KEYS, PARALLEL_KEYS] {
            let names: std::collections::BTreeSet<_> = keys.iter().map(|key| key.name).collect();
            assert_eq!(names.len(), keys.len());
        }
    }
}
