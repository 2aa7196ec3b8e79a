//! `CATENA_LOG`: nothing unless it is asked for, then lines with the ids by which they find each other.

use super::{Done, Place};

fn run(place: &Place, log: Option<&str>, args: &[&str]) -> Done {
    let mut command = place.command(args);
    command.env_remove("CATENA_LOG").envs(log.map(|log| ("CATENA_LOG", log)));
    Done::from(command.output().unwrap())
}

#[test]
fn the_log_has_what_is_asked_for() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{name: Say, shell: echo hello, output_key: a}]\noutput: '{a}'\n");
    let check = |log: Option<&str>, present: &[&str], absent: &[&str]| {
        let done = run(&place, log, &["run", "chain.yaml"]);
        assert_eq!((done.code, done.out.as_str()), (0, "hello\n"), "{done:?}");
        for word in present {
            assert!(done.err.contains(word), "{log:?}: `{word}` is not in {done:?}");
        }
        for word in absent {
            assert!(!done.err.contains(word), "{log:?}: `{word}` is in {done:?}");
        }
        assert!(!done.err.contains('\u{1b}'), "{done:?}");
    };
    let often = ["committed", "attempt_started", "visit_entered"];
    check(None, &[], &["INFO", "lease="]);
    check(Some(""), &[], &["INFO", "lease="]);
    check(Some("off"), &[], &["INFO", "lease="]);
    let info = ["the engine is open", "execution_created", "execution_ended", "lease=", "process helper"];
    check(Some("info"), &info, &often);
    let attempt = [r#"kind="attempt_started""#, "address=say", "attempt=1", "visit=0", "execution="];
    check(Some("catena_engine=debug"), &attempt, &["committed", "visit_entered"]);
    check(Some("catena_store=debug"), &["committed", "events=", "took_us="], &["attempt_started"]);
    check(Some("trace"), &often, &[]);
}

#[test]
fn a_log_that_cannot_be_meant_is_refused_and_shown() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{set: {a: 1}}]\n");
    run(&place, Some("inof"), &["run", "chain.yaml"]).fails(2, &["CATENA_LOG: `inof`", "CATENA_LOG=info"]);
    run(&place, Some("catena=loud"), &["ps", "ls"]).fails(2, &["`loud` is no level"]);
    let shown = run(&place, Some("inof"), &["config", "show"]);
    assert!(
        shown.code == 0 && shown.out.contains("log") && shown.out.contains("neither a level"),
        "{shown:?}"
    );
    let shown = run(&place, Some("debug"), &["config", "show"]);
    assert!(
        shown.out.lines().any(|line| line.ends_with("debug") || line.contains("CATENA_LOG")),
        "{shown:?}"
    );
}
