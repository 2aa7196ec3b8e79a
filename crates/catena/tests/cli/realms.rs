//! The document of Realms line by line: a task of several step files is shown, stored, hosted and looked at.

use std::io::{BufRead, BufReader};

use rustix::process::Signal;

use super::{Place, signal};

/// A task of three step files, of which the second cannot end before the test says so.
fn write_task(place: &Place, times: &str) {
    place.write("step1.py", "async def async_task():\n    return 4\n\n\nprint('fetching')\n");
    place.write("step2.sh", "echo processing; read word < go; echo $word\n");
    place.write("step3.py", "# no yield, no await\nprint('saving')\n");
    place.write(
        "task.json",
        &format!(
            r#"{{"name": "Data Pipeline", {times} "steps": [
                {{"file": "step1.py", "run_next_after": 0}},
                {{"file": "step2.sh", "run_next_after": 0.01}},
                {{"file": "step3.py", "run_next_after": 2}}]}}"#
        ),
    );
}

#[test]
fn a_task_is_shown_stored_and_hosted_and_its_logs_are_found_by_its_number() {
    let place = Place::new();
    let go = place.pipe("go");
    write_task(&place, r#""every": 1, "after": 0.1,"#);
    let mut child = place.spawn(&["run", "--config", "task.json"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("Use ")).collect();
    let first_run = told.iter().find_map(|line| line.strip_prefix("   First run at: ")).unwrap();
    assert!(first_run.parse::<i64>().unwrap() > 1_700_000_000, "{told:?}");
    assert_eq!(
        told.join("\n"),
        format!(
            "📋 Processing multi-step task: Data Pipeline\nSteps: 3\n\n  \
             1. step1.py [async] → wait 0s\n  2. step2.sh [file] → wait 0.01s\n  3. step3.py [sync] → wait 2s\n\n\
             First run: in 0.1 seconds\nRepeat every: 1 seconds (0m 1s)\n\n\
             ✅ Multi-step task created successfully!\n   Task ID: 1\n   Task name: Data Pipeline\n   \
             Schedule ID: 2\n   Steps: 3\n   First run at: {first_run}\n   Repeat every: 1s\n"
        )
    );
    assert!(lines.any(|line| line == "execution 3 of Data Pipeline"));
    let listed = place.run(&["ps", "ls"]).out;
    assert!(listed.contains("1   Data Pipeline    2         every 1s  active"), "{listed}");
    // The code of the task is stored with it.
    place.write("step3.py", "raise SystemExit('not this')\n");
    std::fs::write(&go, "one\n").unwrap();
    assert!(lines.any(|line| line.starts_with("execution 3 completed")));
    assert!(lines.any(|line| line == "execution 4 of Data Pipeline"), "it comes again");
    // Who follows the task sees the latest execution to its end, all of its steps anew.
    let follower = place.spawn(&["ps", "logs", "1", "-f"]);
    std::fs::write(&go, "two\n").unwrap();
    let followed = String::from_utf8(follower.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(followed, "fetching\nprocessing\ntwo\nsaving\n");
    assert!(lines.any(|line| line.starts_with("execution 4 completed")));
    signal(&child, Signal::INT);
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_task_may_run_once() {
    let place = Place::new();
    place.write("step1.sh", "echo one\n");
    let task =
        |times: &str| place.write("task.json", &format!(r#"{{{times} "steps": [{{"file": "step1.sh"}}]}}"#));
    task("");
    let done = place.run(&["run", "--config", "task.json"]);
    done.says(&[
        "First run: at once",
        "Task ID: 1\n",
        "Task name: task",
        "Steps: 1",
        "execution 2 completed",
    ]);
    assert!(!done.err.contains("Schedule ID") && !done.err.contains("Repeat every"), "{done:?}");
    task(r#""after": "20ms","#);
    let done = place.run(&["run", "--config", "task.json"]);
    done.says(&[
        "First run: in 0.02 seconds",
        "Schedule ID: ",
        "Repeat every: 0s",
        " completed in ",
        "no start left",
    ]);
    place.write("one.sh", "echo $CATENA_STEP\n");
    let done = place.run(&["run", "--file", "one.sh", "--after", "0.02"]);
    done.says(&[" completed in "]);
    assert_eq!(done.out, "one_sh\n");
    place.run(&["ps", "logs", "1"]).says(&["1 is the chain task; this is its latest execution"]);
    let refused = place.run(&["ps", "cancel", "1"]);
    refused.fails(
        4,
        &["1 is the chain task, whose latest execution, ", "has ended: completed", "catena ps show "],
    );
    assert!(!refused.err.contains("this is its latest"), "{refused:?}");
    place.run(&["run", "--file", "one.sh", "--after", "-1"]).fails(2, &["`-1` is no duration"]);
}

#[test]
fn who_asks_for_the_logs_of_a_task_before_its_first_run_is_told_when_it_comes() {
    let place = Place::new();
    place.write("task.json", r#"{"name": "t", "after": 3600, "steps": [{"shell": "echo"}]}"#);
    let mut child = place.spawn(&["run", "--config", "task.json"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("next start: ")));
    place.run(&["ps", "logs", "1"]).fails(4, &["the chain t, which has not run yet; it starts at"]);
    signal(&child, Signal::INT);
    assert!(lines.any(|line| line.starts_with("leaving: ")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_is_wrong_with_a_task_is_told_before_anything_is_stored() {
    let place = Place::new();
    place.run(&["run", "--config", "nowhere.json"]).fails(4, &["nowhere.json"]);
    let check = |text: &str, words: &[&str]| {
        place.write("task.json", text);
        place.run(&["run", "--config", "task.json"]).fails(3, words);
    };
    check(r#"{"name": "t", "steps": ["#, &["C0101", "task.json:1:"]);
    check(r#"{"name": "t"}"#, &["C0202", "`steps`"]);
    check(r#"{"name": "t", "steps": []}"#, &["C0214"]);
    check(r#"{"name": "t", "steps": [{"run_next_after": 1}]}"#, &["C0206"]);
    check(r#"{"name": "t", "steps": [{"file": "nowhere.py"}]}"#, &["C0501", "there is no file `nowhere.py`"]);
    check(r#"{"name": "t", "every": -1, "steps": [{"shell": "echo"}]}"#, &["C0210", "`every`"]);
    check(r#"{"name": "t", "every": "soon", "steps": [{"shell": "echo"}]}"#, &["C0210", "`every`"]);
    assert!(!place.home().exists());
}
