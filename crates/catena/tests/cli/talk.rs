//! How the program talks: help, usage, colours, and failures that name what they are about and what to try.

use super::{Done, Place};

const COMMANDS: [&[&str]; 20] = [
    &[],
    &["init"],
    &["run"],
    &["check"],
    &["explain"],
    &["ps"],
    &["ps", "ls"],
    &["ps", "show"],
    &["ps", "why"],
    &["chain", "graph"],
    &["ps", "logs"],
    &["ps", "events"],
    &["ps", "cancel"],
    &["ps", "watch"],
    &["config", "show"],
    &["completion"],
    &["doctor"],
    &["config"],
    &["version"],
    &["help"],
];

#[test]
fn every_command_has_an_example_and_no_usage_asks_for_a_home() {
    let place = Place::new();
    for command in COMMANDS {
        let done = match command {
            ["help"] => place.run(command),
            _ => place.run(&[command, &["--help"]].concat()),
        };
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains("Example"), "no example in {done:?}");
        let own =
            if command.is_empty() { "catena".to_owned() } else { format!("catena {}", command.join(" ")) };
        assert!(command == ["help"] || done.out.contains(&format!("\n  {own}")), "no `{own}` in {done:?}");
        let usage = place.run(&[command, &["--no-such-option"]].concat());
        usage.fails(2, &["--no-such-option"]);
        assert!(!usage.err.contains("--home"), "{usage:?}");
    }
    place.run(&["run"]).fails(2, &["Usage: catena run <FILE>"]);
}

#[test]
fn colours_are_for_terminals_unless_told_otherwise() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{set: {a: 1}}]\noutput: '{a}'\n");
    place.write("broken.yaml", "steps: [{shel: echo}]\n");
    let check = |variables: &[(&str, &str)], is_coloured: bool| {
        for args in [["run", "chain.yaml"], ["check", "broken.yaml"]] {
            let mut command = place.command(&args);
            command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
            let done = Done::from(command.output().unwrap());
            assert_eq!(done.err.contains('\u{1b}'), is_coloured, "{variables:?}: {done:?}");
            assert!(!done.out.contains('\u{1b}'), "data has no colour: {done:?}");
        }
    };
    check(&[], false);
    check(&[("CLICOLOR_FORCE", "1")], true);
    check(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true);
    check(&[("CLICOLOR_FORCE", "0")], false);
    check(&[("CLICOLOR_FORCE", "")], false);
    check(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
    check(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true);
}

#[test]
fn logs_of_a_step_that_the_chain_does_not_have_are_not_found() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- {name: Fetch all, shell: echo fetched}\n\
         - {name: Each, for_each: {items: '[1, 2]', as: n, steps: [{name: Show, env: {N: '{n}'}, shell: echo $N}]}}\n",
    );
    assert_eq!(place.run(&["run", "chain.yaml"]).code, 0);
    let logs = |step: &str| place.run(&["ps", "logs", "2", "--step", step]);
    assert_eq!(logs("fetch_all").out, "fetched\n");
    assert_eq!(logs("Fetch all").out, "fetched\n");
    assert_eq!(logs("show").out, "1\n2\n");
    assert_eq!(logs("each[1]/show").out, "2\n");
    logs("fetch_al").fails(4, &["no step `fetch_al`", "did you mean `fetch_all`", "--step fetch_all"]);
    logs("deploy").fails(4, &["no step `deploy`", "catena ps show 2"]);
    logs("each[7]/show").fails(4, &["has not been at `each[7]/show`"]);
    place.run(&["ps", "logs", "2", "-f", "--step", "nowhere"]).fails(4, &["no step `nowhere`"]);
}

#[test]
fn errors_of_the_environment_name_the_place_and_what_to_try() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{set: {a: 1}}]\n");
    place.write("file", "");
    std::fs::create_dir(place.path("damaged")).unwrap();
    place.write("damaged/catena.db", &"no database at all ".repeat(100));
    place.run(&["run", "chain.yaml", "--home", "file/home"]).fails(7, &["file/home", "--home DIR"]);
    place.run(&["run", "chain.yaml", "--home", "damaged"]).fails(6, &["damaged/catena.db", "--home DIR"]);
    place.run(&["ps", "ls", "--home", "damaged"]).fails(6, &["damaged/catena.db", "--home DIR"]);

    let mut command = place.command(&["run", "chain.yaml"]);
    let without = ["CATENA_HOME", "XDG_STATE_HOME", "HOME"]
        .iter()
        .fold(&mut command, |command, variable| command.env_remove(variable));
    Done::from(without.output().unwrap()).fails(7, &["HOME", "--home DIR"]);
    // An empty variable is as good as none.
    let mut command = place.command(&["run", "chain.yaml"]);
    let done = Done::from(
        command
            .env("CATENA_HOME", "")
            .env("HOME", place.home())
            .env_remove("XDG_STATE_HOME")
            .output()
            .unwrap(),
    );
    assert_eq!(done.code, 0, "{done:?}");
    assert!(place.home().join(".local/state/catena/catena.db").exists());
}

#[test]
fn a_list_that_is_empty_says_of_what() {
    let place = Place::new();
    let list = |args: &[&str]| place.run(&[&["ps", "ls"], args].concat());
    assert!(list(&[]).err.contains("`catena run FILE` starts one"));
    place.write("one.yaml", "steps: [{set: {a: 1}}]\n");
    assert_eq!(place.run(&["run", "one.yaml"]).code, 0);
    assert!(list(&["--chain", "two"]).err.contains("no executions of chain `two`"));
    assert!(list(&["--unfinished"]).err.contains("no unfinished executions; `catena ps ls`"));
    list(&["--limit", "0"]).fails(2, &["'--limit <LIMIT>'"]);
}

#[test]
fn a_chain_goes_on_when_nobody_listens_to_the_talk_any_more() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n  - {shell: echo one}\n  - {shell: echo two, output_key: t}\noutput: '{t}'\n",
    );
    let mut child = place.spawn(&["run", "chain.yaml"]);
    drop(child.stderr.take());
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!((done.code, done.out.as_str()), (0, "two\n"), "{done:?}");
}

#[test]
fn of_a_long_line_that_a_failed_step_wrote_the_beginning_is_shown() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{shell: \"printf %9000d 1; exit 1\"}]\n");
    let done = place.run(&["run", "chain.yaml"]);
    assert!(done.code == 1 && done.err.len() < 2000 && done.err.contains(" …\n"), "{done:?}");
}

#[test]
fn a_stuck_execution_says_why_and_later_runs_do_not_claim_to_go_on_with_it() {
    let place = Place::new();
    place.write(
        "stuck.yaml",
        "steps:\n  - {shell: 'true', undo: {shell: exit 1, retry_config: {max_attempts: 1}}}\n  \
         - {shell: exit 1, error_policy: rollback}\n",
    );
    place.run(&["run", "stuck.yaml"]).fails(1, &["stuck\n  the undo of shell failed: exit_code: exit code 1\n  not taken back: shell\n  next: catena ps resolve"]);
    place.write("one.yaml", "steps: [{set: {a: 1}}]\n");
    let done = place.run(&["run", "one.yaml"]);
    assert!(done.code == 0 && !done.err.contains("going on with"), "{done:?}");
}
