//! `catena prove`: histories that end otherwise than they may.

use std::path::Path;

use super::Place;

const SAGA: &str = "\
name: saga
error_policy: rollback
expect_ends: [completed, {status: rolled_back, undone: [ship, reserve, charge]}]
steps:
- {id: charge, shell: pay, undo: {id: refund, shell: refund}}
- {id: reserve, shell: reserve, undo: {id: release, shell: release}}
- {id: ship, shell: ship, undo: {id: fetch, shell: fetch}}
- {id: told, shell: mail}
";

fn proven(text: &str) -> (i32, String) {
    let place = Place::new();
    place.write("saga.yaml", text);
    let done = place.run(&["prove", "saga.yaml"]);
    assert!(!place.home().exists(), "nothing runs, nothing is stored");
    (done.code, done.out)
}

#[test]
fn a_saga_holds_and_what_breaks_it_is_named_with_its_history() {
    let (code, out) = proven(SAGA);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("\nholds: it ends as its author allows\n"), "{out}");

    let (code, out) = proven(&SAGA.replace(", undo: {id: refund, shell: refund}", ""));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("✗ it ends rolled_back, and charge is not taken back\n    reserve fails\n    runs: charge, reserve\n"), "{out}");

    let side_by_side = SAGA
        .replace("steps:", "flow: graph\nsteps:")
        .replace("{id: ship,", "{id: ship, depends_on: [charge, reserve],");
    let (code, out) = proven(&side_by_side.replace("{id: told,", "{id: told, depends_on: ship,"));
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains(
            "is taken back out of turn\n    ship fails\n    what runs side by side ends in another order"
        ),
        "{out}"
    );

    let (code, out) = proven(&SAGA.replace("shell: refund}", "shell: refund, effect: at_most_once}"));
    assert_eq!(code, 1, "{out}");
    let told = "✗ it does not end: it is in_doubt\n    reserve fails\n    the first attempt of charge.undo/refund is lost\n";
    assert!(out.contains(told), "{out}");
}

#[test]
fn a_counterexample_is_a_case_to_keep() {
    let place = Place::new();
    place.write("saga.yaml", &SAGA.replace("shell: refund}", "shell: refund, effect: at_most_once}"));
    let document = place.json(&["prove", "saga.yaml", "-o", "json"]);
    assert_eq!((&document["holds"], &document["is_cut_short"]), (&false.into(), &false.into()));
    let case = &document["counterexamples"][0]["case"];
    place.write("kept.test.yaml", &serde_json::json!({"chain": "saga.yaml", "cases": [case]}).to_string());
    let done = place.run(&["test", "kept.test.yaml"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("the execution is in_doubt"), "{done:?}");
    place.write("saga.yaml", SAGA);
    assert_eq!(place.run(&["test", "kept.test.yaml"]).code, 0, "mended");
}

#[test]
fn what_is_wrong_with_the_ends_is_said_and_a_budget_that_is_spent() {
    let place = Place::new();
    place.write("bad.yaml", &SAGA.replace("undone: [ship,", "undone: [shp,"));
    place.run(&["prove", "bad.yaml"]).fails(3, &["C0304", "there is no step `shp`", "did you mean `ship`"]);
    place.write(
        "ask.yaml",
        "steps: [{id: ok, wait: {approval: {title: Go?}}}, {id: go, wait: {signal: go}}]\n",
    );
    let done = place.run(&["prove", "ask.yaml"]);
    assert!(
        done.code == 1 && done.out.contains("✗ it does not end: it is waiting\n    go fails\n"),
        "{done:?}"
    );
    place.write("saga.yaml", SAGA);
    let done = place.run(&["prove", "saga.yaml", "--budget", "0"]);
    assert!(
        done.code == 1 && done.err.contains("the budget was over before anything was looked at"),
        "{done:?}"
    );
    place.run(&["prove", "nothing"]).fails(4, &["there is no store"]);
}

#[test]
fn the_examples_end_as_they_may() {
    let place = Place::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let chains = std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path().join("chain.yaml"));
    let chains: Vec<_> = chains.filter(|path| path.exists()).collect();
    assert!(chains.len() >= 10, "{chains:?}");
    for chain in chains {
        let done = place.run(&["prove", chain.to_str().unwrap()]);
        assert!(
            done.out.ends_with("\nholds: it ends as its author allows\n"),
            "{}: {done:?}",
            chain.display()
        );
    }
}
