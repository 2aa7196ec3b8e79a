//! The keys of a file of cases, which `catena test` runs.

use super::{Key, Keys, Object, Rule, Shape, Word, key, objects::ANY_COUNT, word};

const ENDS: &[Word] = &[
    word("completed"),
    word("completed_with_errors"),
    word("failed"),
    word("cancelled"),
    word("rolled_back"),
    word("stuck"),
    word("waiting"),
];

const FAIL: Shape = Shape::OneOf(&[
    Shape::Bool,
    ANY_COUNT,
    Shape::Text,
    Shape::Object(&Object {
        what: "`fail`",
        keys: &[
            key(
                "times",
                ANY_COUNT,
                "how many tries fail before what else is given holds; all of them where it is absent",
            ),
            key("type", Shape::Text, "the type of the failure; what steps of this kind usually fail with"),
            key("message", Shape::Text, "its message").default("simulated"),
        ],
        rules: &[],
    }),
]);

const GIVEN_STEP: Shape = Shape::Object(&Object {
    what: "what is given of a step",
    keys: &[
        key("result", Shape::Constant, "its result; an approval's form; a signal's value"),
        key(
            "results",
            Shape::List { of: &Shape::Constant, least: 1 },
            "the results of its tries, one after another; the last one holds for all that follow",
        ),
        key(
            "fail",
            FAIL,
            "`true`, how often it fails before, the type of the failure, or all of that; an approval is rejected",
        ),
        key("lost", ANY_COUNT, "how many of its first attempts are lost: the engine goes down with them"),
        key("takes", Shape::Duration, "how long each try takes").default("1s"),
    ],
    rules: &[Rule::AtMostOne(&["result", "results"])],
});

const SIGNAL: Shape = Shape::Object(&Object {
    what: "a signal",
    keys: &[
        key("name", Shape::Text, "its name").required(),
        key("at", Shape::Duration, "when it arrives, from the start on").default("0"),
        key("value", Shape::Constant, "its value"),
    ],
    rules: &[],
});

const CANCEL: Shape = Shape::OneOf(&[
    Shape::Duration,
    Shape::Object(&Object {
        what: "`cancel`",
        keys: &[
            key("at", Shape::Duration, "when, from the start on").required(),
            key("rollback", Shape::Bool, "what was done is taken back").default("false"),
            key("force", Shape::Bool, "an undo and a handler stop, too").default("false"),
        ],
        rules: &[Rule::AtMostOne(&["rollback", "force"])],
    }),
]);

const GIVEN: Shape = Shape::Object(&Object {
    what: "`given`",
    keys: &[
        key("params", Shape::Map { of: &Shape::Constant, keys: Keys::Any, least: 0 }, "the parameters"),
        key(
            "steps",
            Shape::Map { of: &GIVEN_STEP, keys: Keys::Any, least: 0 },
            "what steps come to, by id, name or address",
        ),
        key("only", Shape::Text, "the only step that runs, with what stands in it"),
        key(
            "context",
            Shape::Map { of: &Shape::Constant, keys: Keys::Any, least: 0 },
            "what steps find in place of what others would have left, as `catena ps context` prints it",
        ),
        key("signals", Shape::List { of: &SIGNAL, least: 0 }, "signals that arrive"),
        key("cancel", CANCEL, "when the execution is cancelled"),
        key(
            "at",
            Shape::Text,
            "the instant at which it starts, with its offset; that of the file where it is absent",
        ),
    ],
    rules: &[],
});

const ADDRESSES: Shape = Shape::List { of: &Shape::Text, least: 0 };

const EXPECT: Shape = Shape::Object(&Object {
    what: "`expect`",
    keys: &[
        key("status", Shape::Word(ENDS), "how the execution ends, or as what it waits"),
        key("error", Shape::Text, "the type of the failure that it ends with"),
        key("output", Shape::Constant, "its output"),
        key(
            "path",
            ADDRESSES,
            "all that runs, in the order in which it is entered: the addresses of steps that hold no others",
        ),
        key(
            "results",
            Shape::Map { of: &Shape::Constant, keys: Keys::Any, least: 0 },
            "results of steps, by id or address",
        ),
        key(
            "attempts",
            Shape::Map { of: &Shape::Count { least: 0, most: u32::MAX as u64 }, keys: Keys::Any, least: 0 },
            "how many attempts steps take",
        ),
        key("skipped", ADDRESSES, "steps that are skipped, among others"),
        key("undone", ADDRESSES, "all that is taken back, in the order in which it is"),
        key(
            "times",
            Shape::Map { of: &Shape::Duration, keys: Keys::Any, least: 0 },
            "when steps are entered, from the start on",
        ),
        key("took", Shape::Duration, "how long all of it takes"),
    ],
    rules: &[],
});

/// A file of cases.
pub(crate) const CASES: Object = Object { what: "a file of cases", keys: CASE_FILE_KEYS, rules: &[] };

pub const CASE_FILE_KEYS: &[Key] = &[
    key("chain", Shape::Text, "the definition that is tested, from the folder of the file").required(),
    key("at", Shape::Text, "the instant at which each case starts, with its offset")
        .default("2026-01-01T00:00:00Z"),
    key("seed", Shape::Count { least: 0, most: u64::MAX }, "what is random follows from it").default("0"),
    key(
        "cases",
        Shape::List {
            of: &Shape::Object(&Object {
                what: "a case",
                keys: &[
                    key("name", Shape::Text, "what the case is about").required(),
                    key("given", GIVEN, "what comes from outside"),
                    key("expect", EXPECT, "what comes of it").required(),
                ],
                rules: &[],
            }),
            least: 1,
        },
        "the cases",
    )
    .required(),
];
