//! `catena ps why`: sentences with the next command to try, for what failed, waits, was skipped or went well.

use serde_json::Value as Json;

use super::Place;

/// Runs a chain, and gives what is said of its execution.
fn why(place: &Place, chain: &str, args: &[&str]) -> String {
    place.write("chain.yaml", chain);
    let document = place.json(&[&["run", "chain.yaml", "-o", "json"], args].concat());
    said(place, &document["execution"]["id"].to_string(), &[])
}

fn said(place: &Place, id: &str, more: &[&str]) -> String {
    let done = place.run(&[&["ps", "why", id], more].concat());
    assert_eq!(done.code, 0, "{done:?}");
    done.out
}

fn check(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in {text}");
    }
}

#[test]
fn a_failure_is_followed_to_the_step_that_decided_it() {
    let place = Place::new();
    let chain = "params: {n: {type: integer}}\nsteps:\n\
                 - {id: fetch, shell: echo $$, output_key: x}\n\
                 - id: work\n  steps:\n  - {id: a, shell: 'echo boom >&2; exit $N', env: {N: '{n}'}, \
                 retry_config: {max_attempts: 2, initial_delay: 0.01}}\n\
                 - {id: last, shell: 'true'}\n";
    check(&why(&place, chain, &["--set", "n=0"]), &["completed: nothing failed; 4 steps completed"]);
    let text = why(&place, chain, &["--set", "n=3"]);
    check(
        &text,
        &[
            "`work/a` failed at all of its 2 attempts, the last time with this: exit_code: exit code 3; the last line \
             of its log: boom\n    next: catena ps logs 3 --step work/a\n",
            "`last` did not run: `work/a` failed before that",
            "attempt 1 failed after",
            "then a pause of",
            "the parameter `n` is 3; in execution 2, which went well, it was 0",
            "before the failure, `fetch` left another result than in execution 2",
        ],
    );
    assert!(text.find("`work/a` failed") < text.find("did not run"), "what decided it comes first: {text}");
    check(&said(&place, "3", &["work"]), &["`work` failed because `work/a` failed"]);
    check(&said(&place, "3", &["last"]), &["`last` did not run"]);
    check(&said(&place, "3", &["fetch"]), &["`fetch` completed at attempt 1"]);
    check(&said(&place, "1", &[]), &["execution 3 of chain: failed"]);
    place.run(&["ps", "why", "3", "lost"]).fails(4, &["no step `lost`"]);
    place.run(&["ps", "why", "9"]).fails(4, &["no execution 9"]);

    let document: Json = place.json(&["ps", "why", "3", "-o", "json"]);
    assert_eq!((&document["schema"], &document["execution"]), (&"catena/v1".into(), &3.into()));
    let first = &document["reasons"][0];
    assert_eq!((&first["about"], &first["address"]), (&"failed".into(), &"work/a".into()));
    assert_eq!(first["next"], "catena ps logs 3 --step work/a");
}

#[test]
fn a_skip_names_its_condition_or_the_dependency_that_was_lost_down_to_its_root() {
    let place = Place::new();
    let text = why(
        &place,
        "steps:\n- {id: a, shell: exit 3, error_policy: continue}\n\
         - {id: b, shell: 'true', depends_on: [{step: a, on: skipped}]}\n- {id: c, shell: 'true', depends_on: [b]}\n\
         - {id: d, shell: 'true', when: 1 > 2, depends_on: [a]}\n",
        &[],
    );
    check(
        &text,
        &[
            "`a` failed at its only attempt: exit_code: exit code 3; its policy let that pass",
            "`b` was skipped: it waits for `a` to have been skipped, which failed",
            "`c` was skipped: it waits for `b` to have completed, which was skipped because of `a`, which failed: exit_code: \
             exit code 3\n    next: catena ps why 2 a\n",
            "`d` was skipped: its `when` was false: 1 > 2",
        ],
    );
}

#[test]
fn a_jump_and_a_fail_step_are_named() {
    let place = Place::new();
    let text = why(
        &place,
        "steps:\n- {id: j, set: {a: 1}, next_step_logic: {conditions: [{if: a == 1, next: z}]}}\n\
         - {id: over, shell: 'true'}\n- {id: z, fail: {type: broken, message: 'no more {a}'}}\n",
        &[],
    );
    check(
        &text,
        &["the `fail` step `z` ended the chain: broken: no more 1", "`over` did not run: `j` jumped past it"],
    );
}

#[test]
fn an_end_step_and_the_chains_own_time_are_named() {
    let place = Place::new();
    let ended = "steps:\n- {id: e, when: 1 == 1, end: {status: failed}}\n- {id: never, shell: 'true'}\n";
    check(&why(&place, ended, &[]), &["the `end` step `e` ended the chain with the status failed"]);
    let late = why(&place, "name: late\ntimeout: 0.2\nsteps: [{id: s, shell: sleep 60}]\n", &[]);
    check(&late, &["the chain's `timeout` of 0.2 s passed, which stopped `s`"]);
}

#[test]
fn what_was_stopped_and_taken_back_is_told_in_its_order() {
    let place = Place::new();
    let text = why(
        &place,
        "steps:\n- {id: a, shell: 'true', undo: {shell: 'true'}}\n- {id: b, shell: 'true', undo: {shell: 'true'}}\n\
         - id: p\n  parallel: {branches: {l: [{id: l1, wait: {for: 1h}}], r: [{id: r1, shell: 'false'}]}}\n  \
         error_policy: rollback\n",
        &[],
    );
    check(
        &text,
        &[
            "`p[r]/r1` failed",
            "it stopped `p[l]/l1`",
            "takes everything back",
            "taken back in this order: `b` and `a`",
        ],
    );
    check(&said(&place, "2", &["l1"]), &["`p[l]/l1` was cancelled: `p[r]/r1` failed beside it"]);
    check(&said(&place, "2", &["a"]), &["`a` was taken back"]);
}

#[test]
fn what_waits_says_for_whom_and_who_cancelled_is_named() {
    let place = Place::new();
    let ask = "steps:\n- {id: ask, wait: {approval: {title: Deploy now?}}}\n- {id: after, shell: 'true'}\n";
    place.write("ask.yaml", ask);
    assert_eq!(place.run(&["run", "ask.yaml", "--no-wait"]).code, 9);
    let text = said(&place, "2", &[]);
    check(&text, &["`ask` waits for an approval: Deploy now?\n    next: catena ps approve 2 ask"]);
    check(&said(&place, "2", &["after"]), &["`after` has not been entered yet"]);
    assert_eq!(place.run(&["ps", "pause", "2"]).code, 0);
    check(&said(&place, "2", &[]), &["paused it at", "next: catena ps resume 2"]);
    assert_eq!(place.run(&["ps", "cancel", "2"]).code, 0);
    check(&said(&place, "2", &[]), &["cancelled: ", "asked for it at", "`after` did not run"]);

    let stuck = "name: stuck\nsteps:\n- {id: s, shell: 'true', undo: {shell: exit 1, retry_config: {max_attempts: 1}}}\n\
                 - {shell: exit 1, error_policy: rollback}\n";
    place.write("stuck.yaml", stuck);
    place.run(&["run", "stuck.yaml"]).fails(1, &["stuck"]);
    check(
        &said(&place, "4", &[]),
        &["stuck: the undo of `s` failed with exit_code: exit code 1\n    next: catena ps resolve 4 s"],
    );
}
