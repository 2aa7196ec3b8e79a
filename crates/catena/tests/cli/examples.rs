//! The examples run, and end as their texts say.

use super::Place;

/// Runs the chain of an example where it stands.
fn example(place: &Place, name: &str, args: &[&str]) -> super::Done {
    let path = format!("{}/../../examples/{name}/chain.yaml", env!("CARGO_MANIFEST_DIR"));
    place.run(&[&["run", &path], args].concat())
}

#[test]
fn every_example_of_flows_ends_as_it_says() {
    let place = Place::new();
    let ends = [("order-saga", 1), ("fan-out", 0), ("poll-until-ready", 0), ("race", 0), ("nested-loops", 0)];
    for (name, code) in ends {
        let done = example(&place, name, &[]);
        assert_eq!(done.code, code, "{name}: {done:?}");
    }
    let done = example(&place, "order-saga", &["--set", "ship_fails=false"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn the_approval_example_ends_by_itself_and_by_an_answer() {
    let place = Place::new();
    let done = example(&place, "approval", &[]);
    assert_eq!(done.code, 0, "nobody has answered, and that has an alternative: {done:?}");
    let done = example(&place, "approval", &["--no-wait"]);
    assert_eq!(done.code, 9, "{done:?}");
}

#[test]
fn the_failed_night_is_finished_by_a_rerun() {
    let place = Place::new();
    let gate = format!("gate={}", place.path("rates").display());
    let done = example(&place, "nightly-recovery", &["--set", &gate]);
    assert_eq!(done.code, 1, "{done:?}");
    let failed = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    place.write("rates", "EUR 1\n");
    let done = place.run(&["ps", "rerun", &failed, "--failed"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("kept from the execution before"), "{done:?}");
}
