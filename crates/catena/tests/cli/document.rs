//! `-o json` and `-o jsonl`: one document, whatever went wrong.

use serde_json::Value as Json;

use super::{Done, Place};

/// Runs with both formats: the exit code, and one document without an execution that says what is wrong.
fn check(place: &Place, args: &[&str], code: i32, messages: &[&str]) {
    for format in ["json", "jsonl"] {
        let done = Done::from(place.command(&[args, &["-o", format]].concat()).output().unwrap());
        done.fails(code, messages);
        let document: Json =
            serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"));
        assert_eq!(document["schema"], "catena/v1");
        assert_eq!((&document["execution"], &document["steps"]), (&Json::Null, &serde_json::json!([])));
        let problems = document["problems"].as_array().unwrap();
        assert_eq!(problems.len(), messages.len(), "{document}");
        for (problem, message) in problems.iter().zip(messages) {
            assert!(
                problem["message"].as_str().unwrap().contains(message),
                "`{message}` is not in {problem}"
            );
            assert_eq!((&problem["severity"], &problem["code"]), (&"error".into(), &Json::Null));
            assert!(problem["help"].is_string(), "{problem}");
        }
    }
}

#[test]
fn what_keeps_a_run_from_starting_stands_in_the_document() {
    let place = Place::new();
    place.write("chain.yaml", "params: {n: {type: integer}, m: {default: 1}}\nsteps: [{set: {a: '{n}'}}]\n");
    check(&place, &["run", "missing.yaml"], 4, &["cannot read missing.yaml"]);
    check(&place, &["run", "chain.yaml", "--set", "x=1"], 2, &["no parameter `x`", "`n` is required"]);
    check(&place, &["run", "chain.yaml", "--set", "n=1", "--after", "5", "--key", "k"], 2, &["`--key`"]);
    let home = place.write("file", "");
    let home = home.to_str().unwrap();
    check(&place, &["run", "chain.yaml", "--set", "n=1", "--home", home], 7, &[home]);

    let run = ["run", "chain.yaml", "--set", "n=1", "--key", "k"];
    assert_eq!(place.run(&run).code, 0);
    check(&place, &[&run[..], &["--set", "m=2"]].concat(), 5, &["key `k`"]);

    rusqlite::Connection::open(place.store()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    check(&place, &["run", "chain.yaml", "--set", "n=1"], 6, &["store format 99"]);
}

#[test]
fn warnings_stay_beside_what_kept_the_run_from_starting() {
    let place = Place::new();
    place.write("chain.yaml", "params: {n: {}}\nsteps: [{command: [echo, '{{n}}']}]\n");
    let document = place.json(&["run", "chain.yaml", "-o", "json"]);
    let severities =
        document["problems"].as_array().unwrap().iter().map(|problem| problem["severity"].clone());
    assert_eq!(severities.collect::<Vec<_>>(), ["warning", "error"]);
}

#[test]
fn a_command_line_that_cannot_be_read_is_a_problem_too() {
    let place = Place::new();
    check(&place, &["run"], 2, &["the following required arguments were not provided"]);
    check(&place, &["run", "chain.yaml", "--every", "soon"], 2, &["`soon` is no duration"]);
    for args in [["check", "-ojson"], ["check", "--output=json"]] {
        let done = place.run(&args);
        done.fails(2, &["Usage: catena check"]);
        let document: Json = serde_json::from_str(&done.out).unwrap();
        assert_eq!(document["problems"].as_array().unwrap().len(), 1, "{document}");
        assert_eq!(document["execution"], Json::Null);
    }
    assert_eq!(place.run(&["run", "-o", "text"]).out, "");
    assert!(!place.run(&["run", "-o", "json", "--help"]).out.contains("schema"));
}
