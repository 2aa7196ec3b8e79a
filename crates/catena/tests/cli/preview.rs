//! `catena run --dry-run`: the preview, of which nothing runs and nothing is stored.

use super::Place;

#[test]
fn a_realms_configuration_is_shown_as_its_authors_know_it() {
    let place = Place::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/realms");
    for name in [
        "multi_step_task_config.json",
        "step1_fetch_data.py",
        "step2_process_data.py",
        "step3_save_results.py",
    ] {
        place.write(name, &std::fs::read_to_string(format!("{folder}/{name}")).unwrap());
    }
    let done = place.run(&["run", "--config", "multi_step_task_config.json", "--dry-run"]);
    let expected = "📋 Processing multi-step task: Data Processing Pipeline\nSteps: 3\n\n  \
        1. step1_fetch_data.py [async] → wait 0s\n  \
        2. step2_process_data.py [sync] → wait 5s\n  \
        3. step3_save_results.py [sync] → wait 2s\n\n\
        First run: in 10 seconds\nRepeat every: 3600 seconds (60m 0s)\n";
    assert_eq!((done.code, done.out.as_str()), (0, expected), "{done:?}");
    assert!(!place.path("results.txt").exists() && !place.home().exists(), "nothing ran, nothing is stored");
}

#[test]
fn what_waits_for_nothing_starts() {
    let place = Place::new();
    place.write("one.sh", "echo one > \"$OUT\"\n");
    place.write(
        "task.json",
        &format!(
            r#"{{"name": "t", "every": 0, "after": 0, "env": {{"OUT": "{}"}}, "steps": [{{"file": "one.sh", "run_next_after": 0}}]}}"#,
            place.path("out").display()
        ),
    );
    assert_eq!(place.run(&["run", "--config", "task.json"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path("out")).unwrap(), "one\n");
}

#[test]
fn a_preview_says_times_and_order_of_any_definition() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "name: c\nsteps:\n- {name: Build, shell: make, notify: team}\n- {name: Test, depends_on: Build, python: 'async def main(): ...'}\n",
    );
    let done = place.run(&["run", "chain.yaml", "--dry-run", "--after", "90s", "--every", "1h"]);
    assert!(
        done.out.contains("  1. Build [shell] → wait 0s\n  2. Test [async] → wait 0s, after Build\n"),
        "{done:?}"
    );
    assert!(
        done.out.ends_with("First run: in 90 seconds\nRepeat every: 3600 seconds (60m 0s)\n"),
        "{done:?}"
    );
    let document = place.json(&["run", "chain.yaml", "--dry-run", "-o", "json"]);
    assert_eq!(document["preview"]["steps"][1]["concurrency"], "async");
    assert_eq!(document["problems"][0]["code"], "C0204");
    place.write("words.yaml", "[Look at the weather, Write it down]\n");
    let done = place.run(&["run", "words.yaml", "--dry-run"]);
    assert!(done.out.contains("  1. Look at the weather [orchestrated]"), "{done:?}");
    place.write("broken.yaml", "steps: [{shel: echo}]\n");
    place.run(&["run", "broken.yaml", "--dry-run"]).fails(3, &["did you mean `shell`"]);
    assert!(!place.home().exists());
}

#[test]
fn a_preview_tells_what_is_wrong_with_the_parameters_that_it_is_given() {
    let place = Place::new();
    place.write("chain.yaml", "params: {n: {type: integer}}\nsteps: [{set: {a: '{n}'}}]\n");
    let dry = |args: &[&str]| place.run(&[&["run", "chain.yaml", "--dry-run"], args].concat());
    assert_eq!(dry(&[]).code, 0, "what a chain would do can be asked without parameters");
    assert_eq!(dry(&["--set", "n=1"]).code, 0);
    dry(&["--set", "n=x"]).fails(2, &["`n` must be of type integer"]);
    let done = dry(&["--set", "m=1", "-o", "json"]);
    done.fails(2, &["no parameter `m`"]);
    assert!(done.out.contains("no parameter `m`") && !done.out.contains("preview"), "{done:?}");
    assert!(!place.home().exists());
}
