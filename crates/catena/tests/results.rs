//! What a process wrote becomes a value as `parse` says, or a failure that says where it is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

/// The document of a chain of one step that prints `text` and parses it as `parse`.
fn run(parse: &str, text: &str) -> Json {
    let dir = tempfile::tempdir().unwrap();
    let step =
        json!({"shell": "printf %s \"$TEXT\"", "env": {"TEXT": text}, "parse": parse, "output_key": "it"});
    let chain = json!({"name": "results", "steps": [step], "output": "{it}"});
    std::fs::write(dir.path().join("chain.json"), chain.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
    command.current_dir(dir.path()).env("CATENA_HOME", dir.path().join("home")).stdin(Stdio::null());
    let output = command.args(["run", "chain.json", "-o", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn gives(parse: &str, text: &str, expected: Json) {
    let document = run(parse, text);
    assert_eq!(document["execution"]["output"], expected, "{document}");
}

#[track_caller]
fn fails(parse: &str, text: &str, message: &str) {
    let error = &run(parse, text)["execution"]["error"];
    assert_eq!(error["type"], "parse_error", "{error}");
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
}

#[test]
fn output_becomes_a_value() {
    gives(
        "yaml",
        "city: Rome\ndays: [1, 2.50, ~, yes]\n",
        json!({"city": "Rome", "days": [1, 2.5, null, "yes"]}),
    );
    gives(
        "json",
        "[18446744073709551615, -0.0, 1.4484766614085937e57]",
        json!([u64::MAX, -0.0, 1.4484766614085937e57]),
    );
    gives("lines", "a\nb\n", json!(["a", "b"]));
    fails("yaml", "a: 1\nb: [1, 2\n", "no YAML");
    fails("yaml", "a: 1\na: 2\n", "line 2, column 1");
    fails("yaml", &format!("{}\n", "[".repeat(1_000)), "levels");
    fails("json", "{\"a\": \n1,}", "line 2 column 3");
}
