//! Approvals and signals: what a person says, over restarts, and what is refused.

use super::{Done, Place};

const ASK: &str = "\
name: ask
steps:
- id: ok
  wait:
    approval:
      title: 'Deploy {chain.name}?'
      form: {window: {type: string, enum: [day, night]}, n: {type: integer, default: 3}}
      expires: 1h
  output_key: answer
- {id: paid, wait: {signal: paid, timeout: 1h}, output_key: paid}
output: {answer: '{answer}', paid: '{paid}'}
";

/// Runs until it waits for a person; gives the execution's number.
fn waiting(place: &Place, file: &str) -> String {
    let done = place.run(&["run", file, "--no-wait", "-o", "json"]);
    assert_eq!(done.code, 9, "{done:?}");
    let document: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(document["execution"]["status"], "waiting");
    document["execution"]["id"].to_string()
}

#[test]
fn an_answer_that_fits_is_the_result_and_any_other_is_refused() {
    let place = Place::new();
    place.write("ask.yaml", ASK);
    let id = waiting(&place, "ask.yaml");
    let ps = |args: &[&str]| place.run(&[&["ps", args[0], &id], &args[1..]].concat());
    let shown = place.run(&["ps", "show", &id]).out;
    assert!(shown.contains("ok asks: Deploy ask?"), "{shown}");
    assert!(shown.contains("--set NAME=VALUE for each of: window* (string), n (integer)"), "{shown}");
    ps(&["signal", "paid", "@nonexistent"]).fails(4, &["nonexistent", "VALUE as JSON or text"]);
    ps(&["approve"]).fails(5, &["it must have `window`"]);
    ps(&["approve", "--set", "window=noon"]).fails(5, &["`window` must be one of"]);
    ps(&["approve", "--set", "window"]).fails(2, &["no NAME=VALUE"]);
    ps(&["approve", "paid", "--set", "window=day"]).fails(4, &["asks for no approval", "ok (Deploy ask?)"]);
    ps(&["signal", "payed"]).fails(5, &["no step of the chain waits for a signal `payed`", "`paid`"]);
    // What comes before it is waited for is kept.
    ps(&["signal", "paid", "{\"amount\": 12}"]).says(&["signal paid received"]);
    ps(&["approve", "--set", "window=night", "--comment", "after ten"]).says(&["ok approved"]);
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(shown["execution"]["status"], "completed");
    assert_eq!(shown["execution"]["output"]["answer"], serde_json::json!({"window": "night", "n": 3}));
    assert_eq!(shown["execution"]["output"]["paid"]["amount"], 12);
    ps(&["approve"]).fails(5, &["has ended"]);
    ps(&["signal", "paid"]).fails(5, &["has ended"]);
}

#[test]
fn who_may_not_answer_is_told_and_a_rejection_is_a_failure() {
    let place = Place::new();
    place.write(
        "ask.yaml",
        "name: ask\nsteps:\n- id: ok\n  wait: {approval: {title: Go?, approvers: [ann, bob]}}\n  error_policy: continue\n- {id: told, command: [echo, '{steps.ok.error.message}'], output_key: told}\noutput: '{told}'\n",
    );
    let id = waiting(&place, "ask.yaml");
    let as_user =
        |user: &str, args: &[&str]| Done::from(place.command(args).env("USER", user).output().unwrap());
    as_user("eve", &["ps", "approve", &id]).fails(5, &["`eve` is not among those who may answer: ann, bob"]);
    as_user("ann", &["ps", "approve", &id, "--set", "a=1"]).fails(5, &["no form"]);
    as_user("ann", &["ps", "reject", &id, "--comment", "not today"]).says(&["ok rejected"]);
    place.write("other.yaml", "steps: [{set: {a: 1}}]\n");
    place.run(&["run", "other.yaml"]).says(&[]);
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(shown["execution"]["status"], "completed_with_errors");
    assert_eq!(shown["execution"]["output"], "ann has rejected `Go?`: not today");
    assert_eq!(shown["steps"][0]["error"]["type"], "rejected");
}

#[test]
fn time_answers_as_the_question_says() {
    let place = Place::new();
    for (on_timeout, code, word) in
        [("approve", 0, "completed"), ("reject", 1, "rejected"), ("fail", 1, "timeout")]
    {
        let file = format!("{on_timeout}.yaml");
        let text = format!(
            "steps:\n- {{id: ok, wait: {{approval: {{title: Go?, expires: 50ms, on_timeout: {on_timeout}}}}}, output_key: a}}\noutput: '{{a.approved}}'\n"
        );
        place.write(&file, &text);
        let done = place.run(&["run", &file]);
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.err.contains(word), "{done:?}");
    }
    place.write("late.yaml", "steps: [{id: s, wait: {signal: never, timeout: 50ms}}]\n");
    place.run(&["run", "late.yaml"]).fails(1, &["no signal `never` has arrived in time"]);
}

#[test]
fn a_forced_cancel_cuts_a_handler_short() {
    let place = Place::new();
    let (started, go) = (place.pipe("started"), place.pipe("go"));
    place.write(
        "chain.yaml",
        &format!(
            "name: c\nsteps: [{{command: [echo]}}]\nfinally: [{{id: last, shell: 'echo x > {}; read word < {}'}}]\n",
            started.display(),
            go.display()
        ),
    );
    let host = place.spawn(&["run", "chain.yaml"]);
    super::hear(&started);
    let id = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    place.run(&["ps", "cancel", &id]).fails(5, &["handlers run"]);
    place.run(&["ps", "cancel", &id, "--force"]).says(&[]);
    let done = Done::from(host.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "its end was known: {done:?}");
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(shown["execution"]["status"], "completed_with_errors");
}

#[test]
fn a_field_of_text_takes_what_looks_like_a_number() {
    let place = Place::new();
    place.write(
        "why.yaml",
        "name: why\nsteps:\n- id: ok\n  wait: {approval: {title: Why?, form: {reason: {type: string}, n: {type: integer}}}}\n  output_key: a\noutput: '{a}'\n",
    );
    let id = waiting(&place, "why.yaml");
    place.run(&["ps", "approve", &id, "--set", "reason=7", "--set", "n=7"]).says(&["ok approved"]);
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(shown["execution"]["output"], serde_json::json!({"reason": "7", "n": 7}));
}
