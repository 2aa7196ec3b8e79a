//! The keys of a chain.

use super::{
    Key, Keys, Shape, key,
    objects::{ANY_COUNT, CONCURRENCY, ENV, EXPECT_ENDS, FLOW, POLICIES, RETRY, SCHEDULE, TEXT_OR_TEXTS},
    word,
};

/// The keys of a chain.
pub const CHAIN_KEYS: &[Key] = &[
    key("version", Shape::Text, "the author's own version; Catena numbers versions by their content"),
    key("name", Shape::Text, "unique in its store; the file's stem where it is absent"),
    key("description", Shape::Note, "what the chain is for"),
    key("labels", Shape::Map { of: &Shape::Note, keys: Keys::Any, least: 0 }, "words to find the chain by"),
    key(
        "params",
        Shape::Map { of: &Shape::JsonSchema, keys: Keys::Names, least: 0 },
        "what a start may give: a JSON Schema for each name; one without `default` must be given",
    ),
    key(
        "variables",
        Shape::Map { of: &Shape::Constant, keys: Keys::Names, least: 0 },
        "names with constant values",
    ),
    key("schedule", SCHEDULE, "when executions start by themselves"),
    key("schedules", Shape::List { of: &SCHEDULE, least: 1 }, "several schedules"),
    key("every", Shape::Duration, "starts again after this long, from start to start; 0 is once")
        .default("0"),
    key("after", Shape::Duration, "the delay of the first start").default("0"),
    key("repeat_every", Shape::Duration, "the same as `every`, in the API form of Realms").default("0"),
    key(
        "run_after",
        Shape::Duration,
        "the same as `after`, in the API form of Realms; 5 s beside `repeat_every`",
    ),
    key("error_policy", Shape::Word(POLICIES), "what a failure of a top-level step does").default("stop"),
    key("retry_config", RETRY, "retries of top-level steps that say nothing of their own"),
    key("timeout", Shape::Time, "limits the execution; then it fails with the type `timeout`"),
    key("concurrency", CONCURRENCY, "how many executions of the chain run at once"),
    key("max_parallel", ANY_COUNT, "how many steps of one execution run at once"),
    key("env", ENV, "environment variables of every process"),
    key("workdir", Shape::Text, "working folder of the processes, relative to the definition's folder"),
    key("local_path", Shape::Text, "the working folder where `workdir` is absent"),
    key("include", TEXT_OR_TEXTS, "globs of files that belong to a version beside its step files").later(),
    key("sandbox", Shape::Constant, "what processes may touch").later(),
    key("on_failure", Shape::Steps, "runs after a failure, a rollback or a timeout"),
    key("on_success", Shape::Steps, "runs after success"),
    key("on_cancel", Shape::Word(&[word("stop"), word("rollback")]), "whether a cancel undoes what was done")
        .default("stop"),
    key("expect_ends", EXPECT_ENDS, "the ends that are as they are to be; `catena prove` looks for others"),
    key("finally", Shape::Steps, "runs after every outcome"),
    key("output", Shape::Data, "the execution's output"),
    key("notify", Shape::Data, "who is told of the end").later(),
    key("retention", Shape::OneOf(&[Shape::Time, Shape::Constant]), "how long ended executions are kept")
        .later(),
    key("flow", FLOW, "whether the steps run in order or by what they depend on").default("sequence"),
    key("fail_fast", Shape::Bool, "whether a failure cancels what runs beside it").default("true"),
    key("steps", Shape::Steps, "what is done, in order").required(),
];
