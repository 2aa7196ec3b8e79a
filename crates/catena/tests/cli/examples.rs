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
