//! `catena init`: what it writes runs as it is, and nothing that is there is touched.

use super::Place;

#[test]
fn the_first_chain_runs_as_it_is() {
    let place = Place::new();
    let done = place.run(&["init"]);
    assert_eq!((done.code, done.out.as_str()), (0, "hello.yaml\n"), "{done:?}");
    assert!(done.err.contains("next: catena run hello.yaml"), "{done:?}");
    let check = place.run(&["check", "hello.yaml"]);
    assert!(check.err.contains("no problems"), "{check:?}");
    let run = place.run(&["run", "hello.yaml", "--set", "who=Rome"]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "{\"greeting\":\"Hello, Rome!\",\"letters\":12}\n"),
        "{run:?}"
    );
}

#[test]
fn the_pipeline_tries_again_and_takes_back() {
    let place = Place::new();
    let done = place.run(&["init", "my reports", "--template", "pipeline"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("next: catena run 'my reports/chain.yaml'"), "{done:?}");
    let check = place.run(&["check", "my reports/chain.yaml"]);
    assert!(check.err.contains("no problems"), "{check:?}");

    let document = place.json(&["run", "my reports/chain.yaml", "-o", "json"]);
    assert_eq!(document["execution"]["output"], serde_json::json!({"report": "report.json", "words": 22}));
    assert_eq!(document["steps"][0]["attempts"], 2);
    let report = place.path("my reports/report.json");
    assert!(std::fs::read_to_string(&report).unwrap().contains("\"total\": 22"));

    place
        .run(&["run", "my reports/chain.yaml", "--set", "least=1000"])
        .fails(1, &["only 22 words", "rolled_back"]);
    assert!(!report.exists(), "the report was taken back");
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let place = Place::new();
    place.write("count.py", "mine");
    place.run(&["init", "--template", "pipeline"]).fails(5, &["count.py is there already"]);
    assert_eq!(std::fs::read_to_string(place.path("count.py")).unwrap(), "mine");
    assert!(!place.path("chain.yaml").exists(), "nothing was written");

    place.run(&["init", "count.py"]).fails(7, &["cannot make the folder count.py"]);
    place.run(&["init", "--template", "pipelin"]).fails(2, &["'pipeline'"]);
    let list = place.run(&["init", "--list"]);
    assert!(list.out.contains("hello  ") && list.out.contains("pipeline  "), "{list:?}");
    assert!(!place.home().exists(), "a store is made by the first run");
}
