//! Chains as records: stored, listed, compared, copied, paused, put aside and removed, without a host and beside one.

use serde_json::json;

use super::{Place, hear, held_chain, tell};

const REPORT: &str = "name: report\ndescription: A daily report\nlabels: {team: home}\nevery: 1h\n\
                      steps:\n- {name: one, shell: echo 1}\n";

#[test]
fn a_chain_is_stored_once_and_runs_nothing() {
    let place = Place::new();
    place.write("report.yaml", REPORT);
    place
        .run(&["chain", "create", "report.yaml"])
        .says(&["chain 1 report is stored", "catena run report.yaml"]);
    place.run(&["chain", "create", "report.yaml"]).fails(5, &["there is a chain `report` already"]);
    place.write("other.yaml", "name: other\nparams: {n: {}}\nevery: 1h\nsteps: [{shell: echo}]\n");
    place.run(&["chain", "create", "other.yaml"]).fails(2, &["`n` is required"]);
    place.run(&["chain", "create", "other.yaml", "--set", "n=1"]).says(&["other is stored"]);
    place.write("wrong.yaml", "name: wrong\nsteps: [{shel: echo}]\n");
    place.run(&["chain", "create", "wrong.yaml"]).fails(3, &["did you mean `shell`"]);
    let refused = place.json(&["chain", "create", "wrong.yaml", "-o", "json"]);
    assert_eq!(refused["problems"][0]["severity"], "error");
    let shown = place.json(&["chain", "show", "report", "-o", "json"]);
    let chain = &shown["chain"];
    assert_eq!((&chain["name"], &chain["labels"]), (&json!("report"), &json!({"team": "home"})));
    assert!(chain["created_by"].as_str().is_some_and(|by| !by.is_empty()));
    assert!(chain["last_execution"].is_null() && chain["next_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["schedules"][0]["when"], "every 1h");
    assert_eq!(place.json(&["ps", "ls", "-o", "json"])["executions"], json!([]));
    assert_eq!(place.run(&["chain", "show", "1", "--source"]).out, REPORT);
    place.run(&["chain", "show", "repotr"]).fails(4, &["did you mean `report`"]);
    place.run(&["doctor"]).says(&["is whole"]);
}

#[test]
fn chains_are_found_by_label_status_and_text() {
    let place = Place::new();
    assert_eq!(place.json(&["chain", "ls", "-o", "json"])["chains"], json!([]));
    place.write("report.yaml", REPORT);
    place.write("plain.yaml", "name: plain\nsteps: [{shell: echo}]\n");
    place.run(&["chain", "create", "report.yaml"]);
    place.run(&["chain", "create", "plain.yaml"]);
    let check = |args: &[&str], names: &[&str]| {
        let document = place.json(&[&["chain", "ls", "-o", "json"], args].concat());
        let found = document["chains"].as_array().unwrap().iter().map(|chain| chain["name"].clone());
        assert_eq!(found.collect::<Vec<_>>(), names, "{args:?}");
    };
    check(&[], &["report", "plain"]);
    check(&["--label", "team=home"], &["report"]);
    check(&["--label", "team=work"], &[]);
    check(&["DAILY"], &["report"]);
    check(&["plain", "--label", "team=home"], &[]);
    place.run(&["chain", "archive", "plain"]).says(&["plain is archived"]);
    check(&[], &["report"]);
    check(&["--status", "archived"], &["plain"]);
    place.run(&["run", "plain.yaml"]).fails(5, &["chain `plain` is archived"]);
    place.run(&["chain", "resume", "plain"]).says(&["plain is active"]);
    place.run(&["chain", "resume", "plain"]).says(&["active already"]);
    check(&["--status", "active"], &["report", "plain"]);
    place.run(&["chain", "ls", "--status", "odd"]).fails(2, &["none of active, paused and archived"]);
    place.run(&["chain", "ls", "--label", "team"]).fails(2, &["is no label"]);
    place.run(&["chain", "pause", "none"]).fails(4, &["there is no chain `none`"]);
}

#[test]
fn versions_are_numbered_and_compared() {
    let place = Place::new();
    place.write("plain.yaml", "name: plain\nsteps:\n- {name: a, shell: echo 1}\n");
    place.run(&["run", "plain.yaml"]);
    place.run(&["chain", "diff", "plain"]).fails(4, &["one version alone"]);
    place.write("plain.yaml", "name: plain\nsteps:\n- {name: a, shell: echo 2}\n");
    place.run(&["run", "plain.yaml"]);
    let listed = place.json(&["task", "versions", "plain", "-o", "json"]);
    let numbers: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    let diff = place.run(&["chain", "diff", "plain"]).out;
    assert!(
        diff.contains("-- {name: a, shell: echo 1}") && diff.contains("+- {name: a, shell: echo 2}"),
        "{diff}"
    );
    let back = place.run(&["chain", "diff", "plain", "2", "1"]).out;
    assert!(back.contains("+- {name: a, shell: echo 1}"), "{back}");
    place.run(&["chain", "diff", "plain", "7"]).fails(4, &["no version 7"]);
    let document = place.json(&["chain", "diff", "plain", "-o", "json"]);
    let ops: Vec<_> = document["lines"].as_array().unwrap().iter().map(|line| line["op"].clone()).collect();
    assert_eq!(ops, ["same", "same", "removed", "added"]);
}

#[test]
fn a_copy_has_another_name_and_its_schedules_wait() {
    let place = Place::new();
    place.write("report.yaml", REPORT);
    place.run(&["chain", "create", "report.yaml"]);
    place
        .run(&["chain", "duplicate", "report", "weekly report"])
        .says(&["weekly report is a copy", "is paused"]);
    place
        .run(&["chain", "duplicate", "report", "weekly report"])
        .fails(5, &["already", "catena chain duplicate report NEW"]);
    let source = place.run(&["chain", "show", "weekly report", "--source"]).out;
    assert!(source.starts_with("name: \"weekly report\"\n"), "{source}");
    let shown = place.json(&["chain", "show", "weekly report", "-o", "json"]);
    assert_eq!(
        (&shown["schedules"][0]["status"], &shown["chain"]["next_at"]),
        (&json!("paused"), &json!(null))
    );
    // What the copy's text says is what the copy is.
    place.write("copy.yaml", &source);
    place.run(&["run", "copy.yaml", "--once"]).says(&["of weekly report"]);
    assert_eq!(place.json(&["chain", "versions", "weekly report", "-o", "json"])["versions"][1], json!(null));
}

#[test]
fn a_chain_is_removed_with_what_it_did_only_if_that_is_said() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let host = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    place.run(&["chain", "rm", "held", "--executions"]).fails(5, &["has not ended", "catena ps cancel"]);
    tell(&go);
    host.wait_with_output().unwrap();
    let id = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    place.run(&["chain", "rm", "held"]).fails(5, &["has a past execution", "catena chain archive held"]);
    place.run(&["chain", "rm", "held", "--executions"]).says(&["removed, with its execution"]);
    place.run(&["ps", "show", &id]).fails(4, &["there is no execution"]);
    assert!(!place.home().join("logs").join(&id).exists());
    assert_eq!(place.json(&["chain", "ls", "-o", "json"])["chains"], json!([]));
    place.run(&["doctor"]).says(&["is whole"]);
}
