//! The kinds of a step. The key that names the kind holds what it does.

use super::{
    Family, Keys, Kind, Object, Rule, Shape, key, kind,
    objects::{DEPENDS_ON, ENV, FOR_EACH_KEYS, PARALLEL, TEMPLATES, TEXT_OR_TEXTS},
    word,
};

const TEMPLATE_OR_TEMPLATES: Shape = Shape::OneOf(&[Shape::Template, TEMPLATES]);

const STATUS: Shape = Shape::OneOf(&[Shape::Count { least: 100, most: 599 }, Shape::Text]);
const STATUSES: Shape = Shape::OneOf(&[
    Shape::Count { least: 100, most: 599 },
    Shape::Text,
    Shape::List { of: &STATUS, least: 1 },
]);

const AUTH: Shape = Shape::Object(&Object {
    what: "`auth`",
    keys: &[
        key(
            "basic",
            Shape::Object(&Object {
                what: "`basic`",
                keys: &[
                    key("user", Shape::Template, "the name of the user").required(),
                    key("password", Shape::Template, "the password").default(""),
                ],
                rules: &[],
            }),
            "a user and a password",
        ),
        key("bearer", Shape::Template, "a token"),
    ],
    rules: &[Rule::ExactlyOne(&["basic", "bearer"])],
});

const HTTP: Shape = Shape::OneOf(&[
    Shape::Template,
    Shape::Object(&Object {
        what: "`http`",
        keys: &[
            key("url", Shape::Template, "the address; data in it is encoded"),
            key("scheme", Shape::Word(&[word("https"), word("http")]), "of the address").default("https"),
            key("host", Shape::Template, "of the address, where there is no `url`"),
            key("port", Shape::Template, "of the address"),
            key("path", Shape::Template, "what follows in the path; data in it is encoded"),
            key("query", Shape::Map { of: &Shape::Data, keys: Keys::Any, least: 0 }, "query parameters"),
            key("method", Shape::Text, "the method").default("GET"),
            key("headers", Shape::Map { of: &Shape::Template, keys: Keys::Any, least: 0 }, "request headers"),
            key("json", Shape::Data, "the body, as JSON"),
            key("form", Shape::Map { of: &Shape::Data, keys: Keys::Any, least: 0 }, "the body, as a form"),
            key("body", Shape::Template, "the body, as text"),
            key("auth", AUTH, "who asks"),
            key("follow_redirects", Shape::Bool, "whether redirects are followed").default("true"),
            key("status", STATUSES, "the statuses that are no failure: `200`, `2xx`, `200-204`")
                .default("2xx"),
            key("retry_on", STATUSES, "the statuses that another attempt may help")
                .default("[408, 425, 429, 5xx]"),
            key(
                "max_body",
                Shape::Count { least: 1, most: catena_core::chain::HttpStep::MAX_BODY_BYTES },
                "how many bytes the body of the response may have",
            )
            .default("16777216"),
        ],
        rules: &[
            Rule::ExactlyOne(&["url", "host"]),
            Rule::AtMostOne(&["url", "scheme"]),
            Rule::AtMostOne(&["url", "port"]),
            Rule::AtMostOne(&["json", "form", "body"]),
        ],
    }),
]);

const PULL: Shape = Shape::OneOf(&[
    Shape::Text,
    Shape::Object(&Object {
        what: "`docker_pull`",
        keys: &[
            key("image_tag", Shape::Text, "the image").required(),
            key("depends_on", DEPENDS_ON, "as beside the kind"),
        ],
        rules: &[],
    }),
]);

const BUILD: Shape = Shape::Object(&Object {
    what: "a build",
    keys: &[
        key("image_tag", Shape::Text, "the tag of the image").required(),
        key("files", TEXT_OR_TEXTS, "files and folders; the step runs again if they change"),
        key("shell", TEXT_OR_TEXTS, "shell commands before the build"),
        key("depends_on", DEPENDS_ON, "as beside the kind"),
    ],
    rules: &[],
});

const RUN: Shape = Shape::Object(&Object {
    what: "`docker_run`",
    keys: &[
        key("image_tag", Shape::Text, "the image").required(),
        key("command", TEMPLATE_OR_TEMPLATES, "the command and its arguments"),
        key("env", ENV, "environment variables in the container"),
        key("depends_on", DEPENDS_ON, "as beside the kind"),
    ],
    rules: &[],
});

const SHELL: Shape = Shape::Object(&Object {
    what: "`docker_shell`",
    keys: &[
        key(
            "docker",
            Shape::Object(&Object {
                what: "`docker`",
                keys: &[
                    key("image_tag", Shape::Text, "a new container of this image"),
                    key("container_id", Shape::Text, "a container that runs, by id"),
                    key("container_name", Shape::Text, "a container that runs, by name"),
                ],
                rules: &[Rule::ExactlyOne(&["image_tag", "container_id", "container_name"])],
            }),
            "where the commands run",
        )
        .required(),
        key(
            "command",
            Shape::OneOf(&[
                Shape::Script,
                Shape::List {
                    of: &Shape::OneOf(&[
                        Shape::Script,
                        Shape::Object(&Object {
                            what: "a command",
                            keys: &[key("command", Shape::Script, "a shell command").required()],
                            rules: &[],
                        }),
                    ]),
                    least: 1,
                },
            ]),
            "shell commands, one after the other",
        )
        .required(),
        key("env", ENV, "environment variables in the container"),
        key("depends_on", DEPENDS_ON, "as beside the kind"),
    ],
    rules: &[],
});

/// A duration alone is what `for` would say.
const WAIT: Shape = Shape::OneOf(&[Shape::Duration, Shape::Object(&WAIT_KEYS)]);
const WAIT_KEYS: Object = Object {
    what: "`wait`",
    keys: &[
        key("for", Shape::Expr, "a duration, or an expression that gives one"),
        key("until", Shape::Expr, "an instant, or an expression that gives one"),
        key("signal", Shape::Text, "the name of a signal"),
        key(
            "approval",
            Shape::Object(&Object {
                what: "`approval`",
                keys: &[
                    key("title", Shape::Template, "what is asked").required(),
                    key("form", Shape::Form, "what the answer holds"),
                    key("approvers", TEXT_OR_TEXTS, "who may answer"),
                    key("expires", Shape::Time, "how long the question stands"),
                    key(
                        "on_timeout",
                        Shape::Word(&[word("fail"), word("approve"), word("reject")]),
                        "what holds then",
                    )
                    .default("fail"),
                ],
                rules: &[],
            }),
            "a person's answer",
        ),
        key("timeout", Shape::Time, "how long a signal is waited for"),
    ],
    rules: &[Rule::ExactlyOne(&["for", "until", "signal", "approval"])],
};

const ENDS: Shape = Shape::Word(&[word("completed"), word("failed"), word("cancelled")]);
const END: Shape = Shape::OneOf(&[
    ENDS,
    Shape::Object(&Object {
        what: "`end`",
        keys: &[
            key("status", ENDS, "the execution's end").default("completed"),
            key("output", Shape::Data, "the execution's output"),
        ],
        rules: &[],
    }),
]);

const FAIL: Shape = Shape::OneOf(&[
    Shape::Template,
    Shape::Object(&Object {
        what: "`fail`",
        keys: &[
            key("type", Shape::Text, "the failure's type").default("failed"),
            key("message", Shape::Template, "what people read").required(),
        ],
        rules: &[],
    }),
]);

const FILES: Shape = TEMPLATE_OR_TEMPLATES;

/// What `settings` of a task-sync step may name.
pub const TASK_SYNC_KINDS: &[&str] =
    &["file_exists", "docker_pull", "docker_build", "docker_run", "docker_shell", "docker_rubrics"];

const SETTINGS: Shape = Shape::Object(&Object {
    what: "`settings`",
    keys: &[
        key("file_exists", FILES, "as the kind of that name"),
        key("docker_pull", PULL, "as the kind of that name").later(),
        key("docker_build", BUILD, "as the kind of that name").later(),
        key("docker_run", RUN, "as the kind of that name").later(),
        key("docker_shell", SHELL, "as the kind of that name").later(),
        key("docker_rubrics", BUILD, "as the kind of that name").later(),
    ],
    rules: &[Rule::ExactlyOne(TASK_SYNC_KINDS)],
});

/// The kinds of a step.
pub const KINDS: &[Kind] = &[
    kind("shell", Family::Process, Shape::Script, "shell text, read by `/bin/sh -e`"),
    kind("command", Family::Process, TEMPLATES, "a program and its arguments, one by one, without a shell"),
    kind("file", Family::Process, Shape::Text, "a script file; its bytes are stored with the version"),
    kind("python", Family::Process, Shape::Script, "Python text"),
    kind("javascript", Family::Process, Shape::Script, "JavaScript text"),
    kind(
        "code",
        Family::Process,
        Shape::Script,
        "source text, plain or in Base64, of the `language` beside it",
    ),
    kind("http", Family::Attempt, HTTP, "an HTTP request"),
    kind("file_exists", Family::Attempt, FILES, "succeeds if all the files are there"),
    kind("docker_pull", Family::Attempt, PULL, "fetches an image").later(),
    kind("docker_build", Family::Attempt, BUILD, "builds an image").later(),
    kind("docker_run", Family::Attempt, RUN, "runs a command in a new container").later(),
    kind("docker_shell", Family::Attempt, SHELL, "runs shell commands in a container").later(),
    kind("docker_rubrics", Family::Attempt, BUILD, "a build that grades what is built").later(),
    kind("tool", Family::Attempt, Shape::Text, "an operation of a registered tool")
        .needs(&["operation"])
        .later(),
    kind(
        "execution_mode",
        Family::Attempt,
        Shape::Word(&[word("orchestrated")]),
        "`execution_mode: orchestrated`: a step in plain words for a language model",
    )
    .needs(&["task_description"])
    .later(),
    kind("chain", Family::Attempt, Shape::Text, "runs another chain, as an execution of its own"),
    kind("wait", Family::Pure, WAIT, "waits for a time, a signal or a person; costs no attempt and no slot"),
    kind("notify", Family::Attempt, Shape::Data, "sends a message").later(),
    kind(
        "set",
        Family::Pure,
        Shape::Map { of: &Shape::Data, keys: Keys::Names, least: 1 },
        "gives names their values; costs no attempt",
    ),
    kind("steps", Family::Block, Shape::Steps, "a group of steps with a result and policies of its own"),
    kind("parallel", Family::Block, PARALLEL, "branches side by side"),
    kind(
        "for_each",
        Family::Block,
        Shape::Object(&Object { what: "`for_each`", keys: FOR_EACH_KEYS, rules: &[] }),
        "the same steps once for each item",
    ),
    kind("end", Family::Pure, END, "ends the chain, from any depth"),
    kind("fail", Family::Pure, FAIL, "ends the chain as failed, from any depth"),
    kind(
        "settings",
        Family::Attempt,
        SETTINGS,
        "a step as task-sync writes it: its kind is the one key within",
    ),
];
