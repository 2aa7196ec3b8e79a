//! Waits and limits, and what a person tells an execution.

use std::io::{BufRead, BufReader};

use super::Place;

#[test]
fn waits_delays_and_limits_run() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "timeout: 1h\nsteps:\n  - {name: a, shell: echo a, run_next_after: 10ms}\n  - wait: {for: 10ms}\n  \
         - {name: b, shell: sleep 60, timeout: {total: 200ms}, error_policy: continue}\n  \
         - {name: c, timeout: 200ms, error_policy: continue, steps: [{shell: sleep 60}]}\n",
    );
    let document = place.json(&["run", "chain.yaml", "-o", "json"]);
    assert_eq!(document["execution"]["status"], "completed_with_errors");
    let steps = document["steps"].as_array().unwrap();
    let of = |at: usize, field: &str| steps[at][field].clone();
    assert_eq!(
        (of(1, "kind"), of(1, "status"), of(1, "attempts")),
        ("wait".into(), "completed".into(), 0.into())
    );
    for step in [2, 3] {
        assert_eq!(of(step, "error")["type"], "timeout", "{document}");
        assert_eq!(of(step, "error")["message"], "the step was not done after 0.2 s");
    }
    place.write("late.yaml", "timeout: 200ms\nerror_policy: continue\nsteps: [{wait: {for: 1h}}]\n");
    place.run(&["run", "late.yaml"]).fails(1, &["timeout: the execution was not done after 0.2 s"]);
}

#[test]
fn an_execution_is_paused_and_resumed_from_another_terminal() {
    let place = Place::new();
    let (told, go) = (place.pipe("told"), place.pipe("go"));
    place.write(
        "chain.yaml",
        "steps:\n  - {name: a, shell: 'echo > told; cat go'}\n  - {name: b, shell: echo b}\n",
    );
    let mut child = place.spawn(&["run", "chain.yaml"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    std::fs::read(&told).unwrap();
    place.run(&["ps", "pause", "2"]).says(&["execution 2 paused"]);
    place.run(&["ps", "pause", "2"]).fails(5, &["paused already"]);
    std::fs::write(&go, "").unwrap();
    assert!(lines.any(|line| line.contains("✓ a")), "what runs goes on");
    assert_eq!(place.json(&["ps", "show", "2", "-o", "json"])["execution"]["status"], "paused");
    assert_eq!(place.json(&["ps", "show", "2", "-o", "json"])["steps"][1]["status"], "pending");
    place.run(&["ps", "resume", "2"]).says(&["execution 2 resumed"]);
    assert!(lines.any(|line| line.contains("✓ b")));
    assert!(lines.any(|line| line.contains("execution 2 completed")));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    place.run(&["ps", "resume", "2"]).fails(5, &["has ended"]);
    place.run(&["ps", "pause", "99"]).fails(4, &["no execution 99"]);
}

/// A step that takes its helper with it: nobody sees its end.
const DOUBTFUL: &str = "steps:\n  - name: charge\n    shell: 'echo x >> tries; [ -e calm ] || kill -9 $PPID; echo paid'\n    \
                        effect: at_most_once\n    output_key: receipt\n  \
                        - {name: after, set: {seen: '{receipt}'}}\noutput: '{receipt}'\n";

#[test]
fn a_person_answers_for_a_step_in_doubt() {
    let check = |answer: &[&str], code: i32, out: &str| {
        let place = Place::new();
        place.write("chain.yaml", DOUBTFUL);
        place.run(&["run", "chain.yaml", "--no-wait"]).fails(9, &["catena ps resolve 2"]);
        place.write("calm", "");
        place.run(&["ps", "resolve", "2", "after", "--failed"]).fails(4, &["charge (in doubt)"]);
        place.run(&["ps", "resolve", "2"]).fails(2, &["--completed"]);
        place.run(&[&["ps", "resolve", "2"], answer].concat()).says(&["charge is answered for"]);
        place.write("other.yaml", "steps: [{shell: 'true'}]");
        // The next host goes on with what is unfinished before it ends.
        place.run(&["run", "other.yaml"]);
        let document = place.json(&["ps", "show", "2", "-o", "json"]);
        assert_eq!(i32::from(document["execution"]["status"] != "completed"), code, "{document}");
        let output = document["execution"]["output"].as_str().unwrap_or_default().to_owned();
        assert_eq!(output, out);
        place.run(&["ps", "resolve", "2", "--failed"]).fails(5, &["has ended"]);
        std::fs::read_to_string(place.path("tries")).unwrap().lines().count()
    };
    assert_eq!(check(&["--completed=by hand"], 0, "by hand"), 1);
    assert_eq!(check(&["charge", "--run-again"], 0, "paid"), 2);
    assert_eq!(check(&["--failed"], 1, ""), 1);
    assert_eq!(check(&["--give-up"], 1, ""), 1);
}
