//! `catena check`: its text, its document and its annotations.

use serde_json::Value as Json;

use super::{Done, Place};

const BROKEN: &str =
    "steps:\n  - shell: echo\n    outptu_key: x\n  - {command: [echo, '{{x}}']}\nvariables: {x: 1}\n";

#[test]
fn in_a_workflow_each_problem_is_an_annotation_too() {
    let place = Place::new();
    place.write("a,b.yaml", BROKEN);
    let check = |args: &[&str]| {
        let mut command = place.command(args);
        Done::from(command.env("GITHUB_ACTIONS", "true").output().unwrap())
    };
    let done = check(&["check", "a,b.yaml", "missing.yaml"]);
    let lines: Vec<&str> = done.out.lines().collect();
    let places = [
        "::error file=a%2Cb.yaml,line=3,col=5,endLine=3,endColumn=15,title=C0201::",
        "::warning file=a%2Cb.yaml,line=4,col=23,endLine=4,endColumn=28,title=C0404::",
        "::error file=missing.yaml::cannot read missing.yaml: ",
    ];
    assert_eq!(lines.len(), places.len(), "{done:?}");
    assert!(lines.iter().zip(places).all(|(line, place)| line.starts_with(place)), "{done:?}");
    done.fails(4, &["a,b.yaml:3:5", "missing.yaml"]);

    let document: Json = serde_json::from_str(&check(&["check", "a,b.yaml", "-o", "json"]).out).unwrap();
    assert_eq!(document["problems"].as_array().unwrap().len(), 2, "no annotations beside the document");
    assert_eq!(place.run(&["check", "a,b.yaml"]).out, "", "no annotations elsewhere");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_the_document() {
    let place = Place::new();
    place.write("broken.yaml", BROKEN);
    let done = place.run(&["check", "missing.yaml", "broken.yaml", "-o", "json"]);
    done.fails(4, &["missing.yaml"]);
    let document: Json = serde_json::from_str(&done.out).unwrap();
    let problems = document["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{document}");
    assert_eq!((&problems[0]["severity"], &problems[0]["file"]), (&"error".into(), &"missing.yaml".into()));
    assert_eq!((&problems[0]["code"], &problems[0]["line"]), (&Json::Null, &Json::Null));
    assert!(problems[0]["message"].as_str().unwrap().starts_with("cannot read missing.yaml"));
    assert_eq!(problems[1]["code"], "C0201");
}
