//! The objects inside a step or a chain: retries, timeouts, loops, dependencies, schedules.

use super::{Key, Keys, Object, Rule, Shape, Word, key, word};
use crate::limits;

pub(super) const ANY_COUNT: Shape = Shape::Count { least: 1, most: u32::MAX as u64 };
pub(super) const TEXTS: Shape = Shape::List { of: &Shape::Text, least: 1 };
pub(super) const TEXT_OR_TEXTS: Shape = Shape::OneOf(&[Shape::Text, TEXTS]);
pub(super) const TEMPLATES: Shape = Shape::List { of: &Shape::Template, least: 1 };
pub(super) const ENV: Shape = Shape::Map { of: &Shape::Template, keys: Keys::Variables, least: 0 };

/// The types of a JSON Schema.
pub const JSON_TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object", "null"];

/// What a step may ask for in `error_policy`.
pub const POLICIES: &[Word] =
    &[word("stop"), word("continue"), word("retry"), word("alternative"), word("rollback")];

pub(super) const RETRY: Shape = Shape::Object(&Object {
    what: "`retry_config`",
    keys: &[
        key(
            "max_attempts",
            Shape::Count { least: 1, most: limits::MAX_ATTEMPTS },
            "how many attempts there are, the first one counted",
        )
        .default("3"),
        key("initial_delay", Shape::Duration, "the pause after the first attempt").default("5s"),
        key("backoff_factor", Shape::Number { least: 1.0 }, "by how much each pause is longer than the last")
            .default("2"),
        key("max_delay", Shape::Duration, "the longest pause"),
        key("jitter", Shape::Bool, "each pause times a random factor from 0.5 to 1.5").default("true"),
        key("on", TEXT_OR_TEXTS, "the types of failure that are retried; all of them where it is absent"),
    ],
    rules: &[],
});

pub(super) const TIMEOUT: Shape = Shape::OneOf(&[
    Shape::Time,
    Shape::Object(&Object {
        what: "`timeout`",
        keys: &[
            key("attempt", Shape::Time, "limits each attempt, from the start of its process"),
            key("total", Shape::Time, "limits the visit: attempts, pauses and waiting for a slot"),
        ],
        rules: &[Rule::AtLeastOne(&["attempt", "total"])],
    }),
]);

pub(super) const NEXT_LOGIC: Shape = Shape::Object(&Object {
    what: "`next_step_logic`",
    keys: &[
        key(
            "conditions",
            Shape::List {
                of: &Shape::Object(&Object {
                    what: "a condition",
                    keys: &[
                        key("if", Shape::Expr, "the condition").required(),
                        key("next", Shape::Text, "the step to go to, or `end`").required(),
                    ],
                    rules: &[],
                }),
                least: 0,
            },
            "looked at in order; the first one that holds says where to go",
        ),
        key("default", Shape::Text, "where to go if no condition holds; else the next step in order"),
    ],
    rules: &[],
});

pub(super) const REPEAT: Shape = Shape::Object(&Object {
    what: "`repeat_config`",
    keys: &[
        key(
            "interval",
            Shape::OneOf(&[Shape::Expr]),
            "the pause between iterations, a duration or an expression",
        ),
        key("until", Shape::Expr, "ends the loop when it holds"),
        key("while", Shape::Expr, "ends the loop when it does not hold any more"),
        key("max_iterations", ANY_COUNT, "how many iterations there are at most"),
        key("backoff_factor", Shape::Number { least: 1.0 }, "by how much each pause is longer than the last")
            .default("1"),
        key("max_interval", Shape::Duration, "the longest pause"),
    ],
    rules: &[Rule::AtMostOne(&["until", "while"]), Rule::AtLeastOne(&["until", "while", "max_iterations"])],
});

const DEPENDENCY_WORDS: &[Word] = &[word("completed"), word("failed"), word("skipped"), word("ended")];
const DEPENDENCY_ID: Shape = Shape::Count { least: 1, most: u64::MAX };
const DEPENDENCY: Shape = Shape::OneOf(&[DEPENDENCY_ID, Shape::Text, DEPENDENCY_OBJECT]);
const DEPENDENCY_OBJECT: Shape = Shape::Object(&Object {
    what: "a dependency",
    keys: &[
        key("step", Shape::Text, "the step, by id or name"),
        key("id", Shape::OneOf(&[DEPENDENCY_ID, Shape::Text]), "the step, by id"),
        key("on", Shape::Word(DEPENDENCY_WORDS), "how that step must have ended").default("completed"),
    ],
    rules: &[Rule::ExactlyOne(&["step", "id"])],
});
pub(super) const DEPENDS_ON: Shape =
    Shape::OneOf(&[Shape::List { of: &DEPENDENCY, least: 0 }, DEPENDENCY_ID, Shape::Text, DEPENDENCY_OBJECT]);

pub(super) const JOIN: Shape = Shape::OneOf(&[ANY_COUNT, Shape::Word(&[word("all"), word("any")])]);
pub(super) const FLOW: Shape = Shape::Word(&[word("sequence"), word("graph")]);

pub(super) const FOR_EACH_KEYS: &[Key] = &[
    key(
        "items",
        Shape::OneOf(&[Shape::List { of: &Shape::Data, least: 0 }, Shape::TextExpr]),
        "the items: a list, or an expression that gives a list or an object",
    )
    .required(),
    key("as", Shape::Name, "the name of the current item").default("item"),
    key("max_parallel", ANY_COUNT, "how many items run at once; all of them where it is absent"),
    key(
        "tolerate",
        Shape::Count { least: 0, most: u32::MAX as u64 },
        "how many items may fail before the step does",
    )
    .default("0"),
    key("steps", Shape::Steps, "what runs for each item").required(),
];

pub(super) const PARALLEL: Shape = Shape::OneOf(&[
    Shape::Steps,
    Shape::Object(&Object {
        what: "`parallel`",
        keys: &[
            key(
                "branches",
                Shape::OneOf(&[Shape::Steps, Shape::Map { of: &Shape::Steps, keys: Keys::Ids, least: 1 }]),
                "lists of steps by the name of their branch, or a list of steps of which each is a branch",
            )
            .required(),
            key("wait_for", JOIN, "how many branches must complete").default("all"),
            key("cancel_rest", Shape::Bool, "whether the other branches are cancelled then").default("true"),
        ],
        rules: &[],
    }),
]);

const FREQUENCIES: &[Word] = &[
    word("once"),
    word("minutely"),
    word("hourly"),
    word("daily"),
    word("weekly"),
    word("monthly"),
    word("cron"),
];

pub(super) const SCHEDULE: Shape = Shape::Object(&Object {
    what: "a schedule",
    keys: &[
        key("frequency", Shape::Word(FREQUENCIES), "how often"),
        key("time", Shape::Text, "the time of day, `05:00:00`"),
        key("date", Shape::Text, "the date, `2026-12-24`"),
        key(
            "days",
            Shape::OneOf(&[Shape::List { of: &Shape::Text, least: 1 }, Shape::Text]),
            "days of the week or of the month",
        ),
        key("cron", Shape::Text, "a cron expression"),
        key("every", Shape::Duration, "from start to start"),
        key("after", Shape::Duration, "the delay of the first start"),
        key("timezone", Shape::Text, "a zone by its IANA name").default("UTC"),
        key(
            "overlap",
            Shape::Word(&[word("skip"), word("queue"), word("cancel_running"), word("allow")]),
            "what happens if the last execution still runs",
        )
        .default("skip"),
        key(
            "catch_up",
            Shape::OneOf(&[
                Shape::Word(&[word("last"), word("skip"), word("all")]),
                Shape::Object(&Object {
                    what: "`catch_up`",
                    keys: &[
                        key(
                            "policy",
                            Shape::Word(&[word("last"), word("skip"), word("all")]),
                            "which missed starts are made up for",
                        )
                        .default("last"),
                        key("within", Shape::Time, "how far back"),
                        key("most", ANY_COUNT, "how many at most"),
                    ],
                    rules: &[],
                }),
            ]),
            "what becomes of starts that were missed",
        )
        .default("last"),
        key("jitter", Shape::Duration, "a random delay of each start, up to this"),
        key("exclude", TEXT_OR_TEXTS, "dates and cron expressions on which nothing starts"),
    ],
    rules: &[],
});

pub(super) const CACHE: Shape = Shape::OneOf(&[
    Shape::Bool,
    Shape::Object(&Object {
        what: "`cache`",
        keys: &[
            key("files", TEXT_OR_TEXTS, "files and globs whose content counts as input"),
            key("ttl", Shape::Time, "how old a result may be"),
        ],
        rules: &[],
    }),
]);

pub(super) const CONCURRENCY: Shape = Shape::OneOf(&[
    ANY_COUNT,
    Shape::Object(&Object {
        what: "`concurrency`",
        keys: &[
            key("limit", ANY_COUNT, "how many executions of the chain run at once").required(),
            key(
                "policy",
                Shape::Word(&[word("queue"), word("skip"), word("cancel_running")]),
                "what happens to one more",
            )
            .default("queue"),
        ],
        rules: &[],
    }),
]);

const END_WORDS: &[Word] = &[
    word("completed"),
    word("completed_with_errors"),
    word("failed"),
    word("cancelled"),
    word("rolled_back"),
];
pub(super) const EXPECT_ENDS: Shape = Shape::List {
    of: &Shape::OneOf(&[
        Shape::Word(END_WORDS),
        Shape::Object(&Object {
            what: "an end",
            keys: &[
                key("status", Shape::Word(END_WORDS), "how the execution ends").required(),
                key(
                    "undone",
                    Shape::List { of: &Shape::Text, least: 0 },
                    "steps of which all that completed is taken back, in this order",
                ),
            ],
            rules: &[],
        }),
    ]),
    least: 1,
};
