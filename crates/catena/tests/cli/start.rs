//! What `catena run` can be given: definitions, single step files, parameters, and a time to start.

use super::{Done, Place};

const CHAIN: &str = "params: {n: {type: integer}, t: {type: string, default: x}, m: {}}\n\
                     steps: [{set: {a: '{n}-{t}-{m}'}}]\noutput: '{a}'\n";

#[test]
fn a_step_file_alone_is_a_chain_named_after_it() {
    let place = Place::new();
    place.write(
        "one.py",
        "import os\nprint('one in', os.getcwd() == os.path.dirname(os.path.abspath('one.py')))\n",
    );
    let document = place.json(&["run", "--file", "one.py", "-o", "json"]);
    assert_eq!(document["execution"]["chain"], "one");
    assert_eq!(document["execution"]["output"], "one in True");
    assert_eq!(document["steps"][0]["name"], "one.py");
    place.write("odd {name}.sh", "echo odd\n");
    assert_eq!(place.run(&["run", "--file", "odd {name}.sh"]).out, "odd\n");

    place.write("chain.yaml", "steps: [{set: {a: 1}}]\noutput: '{a}'\n");
    assert_eq!(place.run(&["run", "--file", "chain.yaml"]).out, "1\n", "a definition is run as it is");
    assert_eq!(place.run(&["run", "--config", "chain.yaml"]).out, "1\n");

    place.run(&["run", "--file", "nowhere.py"]).fails(4, &["nowhere.py"]);
    place.run(&["run", "one.py"]).fails(2, &["step file", "catena run --file one.py"]);
    place.write("plain", "echo\n");
    place.run(&["run", "--file", "plain"]).fails(3, &["C0503", "plain"]);
    place.run(&["run", "chain.yaml", "--file", "one.py"]).fails(2, &["--file"]);
}

#[test]
fn all_that_is_wrong_with_parameters_is_said_at_once_with_where_it_came_from() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    place.write("input.json", r#"{"n": "five", "zz": 1}"#);
    place.write("list.json", "[1]");
    std::fs::write(place.path("bytes"), b"\xff").unwrap();
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let done = place.run(&[&["run", "chain.yaml"], args].concat());
        done.fails(code, words);
        assert_eq!(done.err.matches("error: ").count(), words.len(), "one message each: {done:?}");
    };
    check(&[], 2, &["`n` is required", "`m` is required"]);
    check(
        &["--input", "input.json"],
        2,
        &["no parameter `zz`", "`m` is required", "integer, not string (it comes from input.json)"],
    );
    check(&["--input", "input.json", "--set", "zz"], 2, &["`--set zz` has no `=`", "`zz`", "`n` must"]);
    check(&["--set", "n=1", "--set", "=2"], 2, &["`--set =2` has no name"]);
    check(
        &["--set", "n=x", "--set", "m=1"],
        2,
        &["`n` must be of type integer, not string (it comes from --set)"],
    );
    check(&["--set", "n=@input.json", "--set", "m=1"], 2, &["(it comes from input.json, by --set)"]);
    check(&["--set", "n=1", "--set", "m=@bytes"], 2, &["cannot read bytes"]);
    check(&["--set", "n=1", "--set", "m=@nowhere"], 4, &["cannot read nowhere"]);
    check(&["--set", "n=1", "--set", "m=@-"], 2, &["standard input is for `--input -`"]);
    check(&["--input", "list.json"], 2, &["list.json:1:1: no JSON object"]);
    place.write("broken.json", "{\"n\": 1,\n  \"m\": oops}\n");
    check(&["--input", "broken.json"], 2, &["broken.json:2:8: no JSON object: expected value"]);
    assert!(!place.home().exists(), "what cannot start leaves no trace");
}

#[test]
fn an_object_comes_by_standard_input() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    place.write("input.json", r#"{"n": 1, "m": {"$catena": {"json": 2}}}"#);
    let mut command = place.command(&["run", "chain.yaml", "--input", "-", "--set", "t=\"@y\""]);
    let done =
        Done::from(command.stdin(std::fs::File::open(place.path("input.json")).unwrap()).output().unwrap());
    assert_eq!((done.code, done.out.as_str()), (0, "1-@y-{\"$catena\":{\"json\":2}}\n"), "{done:?}");
}

#[test]
fn once_and_at_once_is_no_schedule() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{set: {a: 1}}]\n");
    assert_eq!(place.run(&["run", "--config", "chain.yaml", "--every", "0", "--after", "0s"]).code, 0);
    assert_eq!(place.json(&["schedule", "ls", "--all", "-o", "json"])["schedules"], serde_json::json!([]));
    place.run(&["run", "chain.yaml", "--after", "soon"]).fails(2, &["`soon` is no duration", "90s"]);
}

#[test]
fn a_result_that_does_not_fit_fails_its_step() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "params: {t: {}}
steps:
- id: weather
  shell: printf '%s' \"$T\"
  env: {T: '{\"t\": {t}}'}
  parse: json
  output: {type: object, properties: {t: {type: number, minimum: 0}}}
- {set: {twice: '{steps.weather.result.t * 2}'}}
output: '{twice}'\n",
    );
    let fits = place.run(&["run", "chain.yaml", "--set", "t=4"]);
    assert_eq!((fits.code, fits.out.as_str()), (0, "8\n"), "{fits:?}");
    place
        .run(&["run", "chain.yaml", "--set", "t=-4"])
        .fails(1, &["result_mismatch", "`result.t` must be at least 0, not -4"]);
}

#[test]
fn what_does_not_run_yet_is_named_once_with_its_lines_and_the_command_that_shows_it() {
    let place = Place::new();
    place.write(
        "on one day.yaml",
        "steps:\n  - notify: a\n  - shell: echo\n    sandbox: {}\n  - notify: b\n  - notify: c\n",
    );
    place.run(&["run", "on one day.yaml"]).fails(
        3,
        &[
            "does not run `notify` in lines 2, 5 and 6, `sandbox` in line 4 yet",
            "next: catena run 'on one day.yaml' --dry-run",
        ],
    );
    place.write("words.json", r#"["Look", "Tell"]"#);
    place
        .run(&["run", "--config", "words.json"])
        .fails(3, &["`execution_mode: orchestrated` in line 1 yet", "next: catena run words.json --dry-run"]);
}

#[test]
fn an_empty_key_is_none() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{set: {a: 1}}]\n");
    place.run(&["run", "chain.yaml", "--key", ""]).fails(2, &["--key"]);
    assert!(!place.home().exists(), "nothing has started");
}

#[test]
fn data_with_a_dash_is_let_through_where_it_is_meant() {
    let place = Place::new();
    let chain = |key: &str| {
        format!(
            "params: {{x: {{}}}}\nsteps: [{{command: [echo, '{{x}}'], output_key: o{key}}}]\noutput: '{{o}}'\n"
        )
    };
    place.write("no.yaml", &chain(""));
    place.write("yes.yaml", &chain(", allow_dash: true"));
    place.run(&["run", "no.yaml", "--set", "x=-v"]).fails(1, &["allow_dash: true"]);
    let done = place.run(&["run", "yes.yaml", "--set", "x=-v"]);
    assert_eq!((done.code, done.out.as_str()), (0, "-v\n"), "{done:?}");
}

#[test]
fn what_was_passed_over_is_skipped_and_what_is_not_there_has_its_default() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- {id: a, set: {a: 1}, next_step_logic: {conditions: [{if: a == 1, next: c}]}}\n- {id: b, shell: echo b}\n- {id: c, when: nobody is not defined, set: {c: '{nobody | default(2)}'}}\noutput: \"{steps.b.status} {c} {steps.b.result | default('none')}\"\n",
    );
    let done = place.run(&["run", "chain.yaml"]);
    assert_eq!((done.code, done.out.as_str()), (0, "skipped 2 none\n"), "{done:?}");
}
