//! The keys that a step may have beside its kind.

use super::{
    Key, Keys, On, Shape, key,
    objects::{
        CACHE, DEPENDS_ON, ENV, FLOW, JOIN, NEXT_LOGIC, POLICIES, REPEAT, RETRY, TEXT_OR_TEXTS, TIMEOUT,
    },
    word,
};
use crate::limits;

/// The keys a step may have beside its kind.
pub const STEP_KEYS: &[Key] = &[
    key("id", Shape::Id, "unique in the whole chain; made from the name where it is absent"),
    key("name", Shape::Text, "what people call the step; its file or kind where it is absent"),
    key("description", Shape::Note, "what the step is for"),
    key(
        "parameters",
        Shape::Map { of: &Shape::Data, keys: Keys::Any, least: 0 },
        "input of a tool, a chain, code or an orchestrated step, by name",
    )
    .on(On::Takers(&["python", "javascript", "code", "file", "tool", "chain", "execution_mode"])),
    key("env", ENV, "environment variables of the process").on(On::Process),
    key("workdir", Shape::Text, "working folder of the process, relative to the chain's").on(On::Process),
    key("stdin", Shape::Data, "standard input; what is no text becomes JSON").on(On::Process),
    key(
        "parse",
        Shape::Word(&[word("json"), word("lines"), word("yaml")]),
        "how standard output, or the body of a response, becomes the result",
    )
    .on(On::ProcessOr(&["http"])),
    key("output_key", Shape::Name, "the name of the result; without it output is only a log"),
    key(
        "output",
        Shape::JsonSchema,
        "a JSON Schema of the result: a result that does not fit fails the step, and expressions are checked against it",
    )
    .on(On::Attempt),
    key("depends_on", DEPENDS_ON, "the steps that must have ended before this one starts"),
    key("join", JOIN, "how many of them").default("all"),
    key("when", Shape::Expr, "the step is skipped where it does not hold"),
    key("next_step_logic", NEXT_LOGIC, "where to go after the step"),
    key("run_next_after", Shape::Duration, "a pause before the next step of the block").default("0"),
    key("repeat_config", REPEAT, "repeats the step").on(On::Work),
    key("retry_config", RETRY, "repeats failed attempts; on a block, all of it").on(On::Work),
    key("timeout", TIMEOUT, "limits each attempt; on a block, all that it has in it").on(On::Work),
    key("error_policy", Shape::Word(POLICIES), "what a failure does").default("stop").on(On::WorkOr(&["wait", "set"])),
    key(
        "alternative",
        Shape::Step,
        "runs after a failure and gives the result, with `error_policy: alternative`",
    )
    .on(On::WorkOr(&["wait", "set"])),
    key("undo", Shape::Undo, "the steps that take a visit's effect back").on(On::Effect),
    key(
        "effect",
        Shape::Word(&[word("idempotent"), word("at_most_once")]),
        "whether an attempt whose end nobody saw runs again, or is asked about",
    )
    .default("idempotent")
    .on(On::ProcessOr(&["http"])),
    key("cache", CACHE, "reuses an earlier result for the same input").on(On::Attempt),
    key("pool", Shape::Text, "the pool of slots that the step takes one of").on(On::Attempt),
    key("sandbox", Shape::Constant, "what the process may touch").later(),
    key("notify", Shape::Data, "who is told of the step's end").later(),
    key("wait", Shape::Bool, "whether a `chain` step waits for the end of its execution")
        .default("true")
        .on(On::Kinds(&["chain"])),
    key("fail_fast", Shape::Bool, "whether a failure cancels what runs beside it").default("true"),
    key("flow", FLOW, "whether the steps of a block run in order or by what they depend on")
        .default("sequence"),
    key("raw", Shape::Bool, "the step's texts are not searched for expressions").default("false"),
    key("context", Shape::Bool, "whether `CATENA_CONTEXT` is written for the process")
        .default("false")
        .on(On::Process),
    key("allow_dash", Shape::Bool, "whether data may begin an argument with `-`")
        .default("false")
        .on(On::Kinds(&["command"])),
    key("interpreter", TEXT_OR_TEXTS, "the program that reads the script, with its arguments")
        .on(On::Kinds(&["shell", "file", "python", "javascript", "code"])),
    key(
        "language",
        Shape::Word(&[word("python"), word("javascript"), word("shell")]),
        "the language of `code`",
    )
    .default("python")
    .on(On::Kinds(&["code"])),
    key("operation", Shape::Text, "what the tool does").on(On::Kinds(&["tool"])).later(),
    key("execution_mode", Shape::Word(&[word("direct"), word("orchestrated")]), "how a tool is used")
        .default("direct")
        .on(On::Kinds(&["tool", "execution_mode"]))
        .later(),
    key("task_description", Shape::Template, "what an orchestrated step is to do, in plain words")
        .on(On::Kinds(&["execution_mode", "tool"]))
        .later(),
    key(
        "max_visits",
        Shape::Count { least: 1, most: limits::MAX_VISITS },
        "how often the step may be visited",
    )
    .default("1000"),
];
