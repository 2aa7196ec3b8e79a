//! `catena sim`: a chain on a virtual clock.

use serde_json::json;

use super::Place;

const SAGA: &str = "\
name: saga
steps:
- {id: charge, shell: touch charged, undo: {id: refund, shell: touch refunded}}
- {id: look, http: 'http://127.0.0.1:9/', output_key: look, retry_config: {max_attempts: 3, initial_delay: 1h, jitter: false}}
- {id: ship, command: [touch, shipped], error_policy: rollback}
- {id: told, set: {told: '{look.body}'}}
output: '{told}'
";

#[test]
fn what_would_happen_is_told_and_nothing_happens() {
    let place = Place::new();
    place.write("saga.yaml", SAGA);
    let before = place.files();
    let at = ["--at", "2026-01-01T00:00:00Z"];
    let sim = |args: &[&str]| place.run(&[&["sim", "saga.yaml"], &at[..], args].concat());
    let done = sim(&["--mock", "look={\"body\": 7}", "--fail", "look:2:timeout", "--takes", "charge=90s"]);
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<&str> = done.out.lines().map(str::trim).collect();
    assert_eq!(
        lines[..9],
        [
            "saga from 2026-01-01T00:00:00.000000Z, seed 0; nothing of it runs",
            "",
            "+1m 30 s  ✓ charge  1m 30s",
            "+1m 31 s  ↻ look  again in 60m 00s: simulated",
            "+1h 01m 32 s  ↻ look  again in 120m 00s: simulated",
            "+3h 01m 33 s  ✓ look  180m 03s",
            "+3h 01m 34 s  ✓ ship  1.0 s",
            "+3h 01m 34 s  ✓ told",
            "",
        ]
    );
    assert!(done.out.contains("completed after 3h 01m 34 s\noutput: 7\n"), "{}", done.out);
    assert!(done.out.contains("never taken:\n  refund never runs\n"), "{}", done.out);

    let done = sim(&["--fail", "ship"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("↩ taking back what was done\n"), "{}", done.out);
    assert!(done.out.contains("✓ charge.undo/refund"), "{}", done.out);
    assert!(done.out.contains("rolled_back after 4 s: exit_code: simulated"), "{}", done.out);
    assert!(done.out.contains("results made up, for want of `--mock STEP=VALUE`:\n  look\n"), "{}", done.out);

    let document = place.json(&["sim", "saga.yaml", "--fail", "look", "-o", "json"]);
    assert_eq!(document["status"], "failed");
    assert_eq!(document["error"]["type"], "http_status");
    let moments = document["timeline"].as_array().unwrap();
    let ended = moments.iter().find(|moment| moment["event"] == "visit_failed").unwrap();
    assert_eq!(ended["address"], "look");
    assert!(document["never"].as_array().unwrap().iter().any(|way| way["step"] == "ship"));
    assert_eq!(place.files(), before, "no file is touched");
    assert!(!place.home().exists(), "nor is a store made");
}

#[test]
fn a_year_of_a_daily_schedule_passes_at_once() {
    let place = Place::new();
    place.write(
        "nightly.yaml",
        "name: nightly\nschedule: {frequency: daily, time: '02:30', timezone: America/New_York, overlap: skip}\n\
         steps:\n- {id: work, shell: work}\n",
    );
    let at = ["--at", "2026-01-01T00:00:00Z", "--for", "365d"];
    let year = |args: &[&str]| place.run(&[&["sim", "nightly.yaml"], &at[..], args].concat()).out;
    let year_at_once = year(&[]);
    for line in [
        "  2026-03-08T03:00:00-04:00  started, completed after 1 s\n",
        "  2026-11-01T02:30:00-05:00  started, completed after 1 s\n",
        "365 instants: 365 completed\n",
    ] {
        assert!(year_at_once.contains(line), "{year_at_once}");
    }
    // Each execution is there for two instants.
    let slow = year(&["--takes", "work=25h"]);
    assert!(slow.contains("365 instants: 183 completed, 182 skipped\n"), "{slow}");
    let document = place.json(&[&["sim", "nightly.yaml", "-o", "json"], &at[..]].concat());
    assert_eq!(document["timeline"].as_array().unwrap().len(), 365);
    assert_eq!(document["timeline"][0]["data"]["execution"]["status"], "completed");
    place.write("once.yaml", "steps: [{shell: a}]\n");
    place.run(&["sim", "once.yaml", "--for", "5d"]).fails(2, &["has no schedule"]);
}

#[test]
fn an_execution_is_simulated_as_it_went_or_with_something_else() {
    let place = Place::new();
    place.write(
        "ask.yaml",
        "name: ask\nparams: {n: {type: integer}}\nsteps:\n- {id: count, shell: 'echo 4', parse: json, output_key: count}\n\
         - {id: ok, wait: {approval: {title: Go?}}}\n- {id: go, wait: {signal: go}, output_key: go}\n\
         output: '{= [count, go, params.n]}'\n",
    );
    assert_eq!(place.run(&["run", "ask.yaml", "--set", "n=3", "--no-wait"]).code, 9);
    place.run(&["ps", "approve", "2"]).says(&[]);
    place.run(&["ps", "signal", "2", "go", "now"]).says(&[]);
    let done = place.run(&["sim", "--from-execution", "2"]);
    assert!(done.code == 0 && done.out.contains("output: [4,\"now\",3]\n"), "{done:?}");
    let done = place.run(&["sim", "ask", "--from-execution", "2", "--mock", "count=5", "--set", "n=8"]);
    assert!(done.out.contains("output: [5,\"now\",8]\n"), "{done:?}");
    let done = place.run(&["sim", "ask.yaml", "--set", "n=1"]);
    assert_eq!(done.code, 9, "{done:?}");
    assert!(done.out.contains("waiting after 1 s\n"), "{}", done.out);
    assert_eq!(place.run(&["sim", "ask.yaml", "--set", "n=1", "--fail", "ok"]).code, 1);
    place.run(&["sim", "--from-execution", "77"]).fails(4, &["77"]);
}

#[test]
fn what_cannot_be_simulated_is_said() {
    let place = Place::new();
    place.write("saga.yaml", SAGA);
    let sim = |args: &[&str]| place.run(&[&["sim", "saga.yaml"], args].concat());
    sim(&["--mock", "chrage=1"]).fails(4, &["no step `chrage`", "did you mean `charge`"]);
    sim(&["--mock", "charge"]).fails(2, &["STEP=VALUE"]);
    sim(&["--fail", "ship:none"]).fails(2, &["no number of tries"]);
    sim(&["--takes", "ship=long"]).fails(2, &["is no duration"]);
    sim(&["--set", "x=1"]).fails(2, &["x"]);
    place.write("bad.yaml", "steps: [{shel: a}]\n");
    place.run(&["sim", "bad.yaml"]).fails(3, &["C0"]);
    let first = sim(&["--fail", "ship", "--at", "2026-01-01T00:00:00Z"]).out;
    assert_eq!(first, sim(&["--fail", "ship", "--at", "2026-01-01T00:00:00Z"]).out);
    assert_eq!(json!(first.is_empty()), json!(false));
}

#[test]
fn one_step_is_simulated_with_a_context() {
    let place = Place::new();
    place.write("saga.yaml", SAGA);
    let done = place.run(&["sim", "saga.yaml", "--only", "told", "--context", "{look: {body: 8}}"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("output: 8\n"), "{}", done.out);
    let done = place.run(&["sim", "saga.yaml", "--only", "told", "--context", "{lok: 8}"]);
    assert!(done.code == 2 && done.err.contains("did you mean `look`?"), "{}", done.err);
}
