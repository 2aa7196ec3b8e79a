//! Reruns and parts of a chain: which results stand, which steps run again, what moves along.

use super::Place;

const NIGHT: &str = "\
name: night
params: {gate: {type: string}, log: {type: string}, items: {type: array, default: [1, 2]}}
error_policy: rollback
steps:
- id: a
  command: [sh, -c, 'echo a >> $LOG; echo A']
  env: {LOG: '{log}'}
  output_key: a
  undo: {command: [sh, -c, 'echo undo a $R >> $LOG'], env: {LOG: '{log}', R: '{result}'}}
- id: each
  for_each:
    items: '{items}'
    as: it
    max_parallel: 1
    steps: [{id: item, command: [sh, -c, 'echo item $I >> $LOG; echo $I'], env: {I: '{it}', LOG: '{log}'}, output_key: r}]
  output_key: all
- {id: gate, command: [test, -f, '{gate}'], error_policy: stop, allow_dash: true}
- {id: c, command: [sh, -c, 'echo c $A >> $LOG'], env: {A: '{a}{all | length}', LOG: '{log}'}}
- {id: d, command: [test, '!', -f, '{gate}.bad'], allow_dash: true}
output: '{all}'
";

struct Night {
    place: Place,
}

impl Night {
    fn new() -> Self {
        let place = Place::new();
        place.write("night.yaml", NIGHT);
        Self { place }
    }

    fn run(&self, args: &[&str]) -> super::Done {
        let gate = format!("gate={}", self.place.path("gate").display());
        let log = format!("log={}", self.place.path("log").display());
        self.place.run(&[&["run", "night.yaml", "--set", &gate, "--set", &log], args].concat())
    }

    /// What was done since the last look.
    fn log(&self) -> Vec<String> {
        let path = self.place.path("log");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, "").unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn last(&self) -> String {
        self.place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string()
    }

    fn rerun(&self, id: &str, args: &[&str]) -> super::Done {
        self.place.run(&[&["ps", "rerun", id], args].concat())
    }
}

#[test]
fn what_failed_runs_again_and_what_completed_stands() {
    let night = Night::new();
    assert_eq!(night.run(&[]).code, 1);
    let first = night.last();
    assert_eq!(night.log(), ["a", "item 1", "item 2"]);
    let plan = night.rerun(&first, &["--failed", "--dry-run"]);
    plan.says(&["kept: a, each[0]/item, each[1]/item\n", "again: gate, c, d\n"]);
    assert_eq!(night.last(), first, "a look starts nothing");
    night.place.write("gate", "");
    let done = night.rerun(&first, &[]);
    assert_eq!((done.code, done.out.as_str()), (0, "[\"1\",\"2\"]\n"), "{done:?}");
    assert_eq!(night.log(), ["c A2"]);

    night.rerun(&first, &["--from", "nope"]).fails(4, &["no step `nope`"]);
    night.rerun(&first, &["--from", "c"]).fails(4, &["`c` never ran"]);
    night.rerun("77", &[]).fails(4, &["77"]);
    let second = night.last();
    assert_eq!(night.rerun(&second, &["--from", "each"]).code, 0);
    assert_eq!(night.log(), ["item 1", "item 2", "c A2"]);
    assert_eq!(night.rerun(&second, &["--only", "c"]).code, 0);
    assert_eq!(night.log(), ["c A2"]);
    assert_eq!(night.rerun(&first, &["--to", "each"]).code, 0);
    assert_eq!(night.log(), [""; 0], "all of that has completed");
    // Other items are another loop: nothing of the old one stands.
    let plan = night.rerun(&first, &["--set", "items=[1, 5]", "--dry-run"]);
    plan.says(&["kept: a\n", "again: each[0]/item, each[1]/item, gate, c, d\n"]);
    assert_eq!(night.rerun(&first, &["--set", "items=[1, 5]"]).code, 0);
    assert_eq!(night.log(), ["item 1", "item 5", "c A2"]);
}

#[test]
fn the_duty_to_undo_moves_with_what_was_kept_and_only_once() {
    let night = Night::new();
    assert_eq!(night.run(&[]).code, 1);
    let first = night.last();
    night.log();
    night.place.write("gate", "");
    night.place.write("gate.bad", "");
    assert_eq!(night.rerun(&first, &[]).code, 1);
    assert_eq!(night.log(), ["c A2", "undo a A"]);
    assert_eq!(night.rerun(&first, &[]).code, 1);
    assert_eq!(night.log(), ["a", "c A2", "undo a A"], "what was taken back has to be done again");
    let rolled_back = night.place.json(&["ps", "show", &night.last(), "-o", "json"]);
    assert_eq!(rolled_back["execution"]["status"], "rolled_back");
    assert_eq!(rolled_back["execution"]["trigger"]["kind"], "rerun");
}

#[test]
fn a_part_of_a_chain_runs_with_results_that_are_given() {
    let night = Night::new();
    assert_eq!(night.run(&["--to", "each"]).out, "[\"1\",\"2\"]\n");
    assert_eq!(night.log(), ["a", "item 1", "item 2"]);
    night.place.write("all.json", "[7, 8, 9]");
    let done = night.run(&["--only", "c", "--pin", "a=X", "--pin", "each=@all.json"]);
    assert_eq!((done.code, night.log()), (0, vec!["c X3".to_owned()]), "{done:?}");
    night.run(&["--only", "c"]).fails(1, &["`a` is not defined"]);
    night.run(&["--only", "cc"]).fails(4, &["no step `cc`"]);
    night.run(&["--pin", "a"]).fails(2, &["no `=`"]);
    night.run(&["--only", "c", "--to", "c"]).fails(2, &["--only"]);
    night.run(&["--only", "c", "--every", "5"]).fails(2, &["--every"]);
    night.run(&["--only", "zzz"]).fails(4, &["no step `zzz`", "one of its steps: a, "]);
    let shown = night.run(&["--only", "c", "--pin", "a=X", "--dry-run"]).out;
    assert!(shown.contains("  Left out: a, each, gate, d\n  Pinned: a\n"), "{shown}");
    let shown = night.place.json(&["run", "night.yaml", "--to", "each", "--dry-run", "-o", "json"]);
    assert_eq!(shown["preview"]["left_out"], serde_json::json!(["gate", "c", "d"]));
    night.place.write("gate", "");
    night.run(&["--from", "gate", "--pin", "a=X", "--pin", "each=[1]"]).says(&[]);
    assert_eq!(night.log(), ["c X1"]);
}

#[test]
fn a_part_is_told_by_steps_that_have_a_place_in_it_and_pins_fit_their_schema() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- {id: a, shell: echo 1, output: {type: integer}, alternative: {id: b, shell: echo 2}}\n- {id: c, shell: 'true'}\n",
    );
    place
        .run(&["run", "chain.yaml", "--only", "b"])
        .fails(2, &["`b` stands in an undo, an alternative or a handler"]);
    place
        .run(&["run", "chain.yaml", "--pin", "a=x"])
        .fails(2, &["`--pin a` does not fit", "must be of type integer"]);
    assert_eq!(place.run(&["run", "chain.yaml", "--pin", "a=7"]).code, 0);
    place.run(&["ps", "rerun", "2", "--only", "b"]).fails(2, &["`b` stands in"]);
}

const GIVEN: &str = "\
name: given
params: {bad: {type: boolean, default: true}, back: {type: boolean, default: false}}
steps:
- {id: a, shell: echo a >> told, undo: {shell: echo ua >> told}, cache: true}
- {id: loop, for_each: {items: '[1, 2]', steps: [{id: i, shell: echo i >> told}]}}
- {id: b, when: bad, shell: exit 1}
- {id: c, when: back, shell: exit 1, error_policy: rollback}
";

#[test]
fn what_was_given_stays_given_and_nobody_takes_it_back() {
    let place = Place::new();
    place.write("given.yaml", GIVEN);
    let told = || std::fs::read_to_string(place.path("told")).unwrap_or_default();
    let latest = || place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    let back = ["--set", "bad=false", "--set", "back=true"];
    assert_eq!(place.run(&["run", "given.yaml", "--pin", "a=1", "--pin", "loop=[3]"]).code, 1);
    let done = place.run(&[&["ps", "rerun", &latest()], &back[..]].concat());
    assert!(done.err.contains("pinned: a, loop\nagain: b, c\n"), "{done:?}");
    assert_eq!((done.code, told().as_str()), (1, ""), "{done:?}");
    // The first one leaves a result in the cache, and the duty is that one's.
    assert_eq!(place.run(&["run", "given.yaml", "--set", "bad=false"]).code, 0);
    assert_eq!(place.run(&["run", "given.yaml"]).code, 1);
    assert_eq!(place.run(&[&["ps", "rerun", &latest()], &back[..]].concat()).code, 1);
    assert_eq!(told(), "a\ni\ni\ni\ni\n");
}

#[test]
fn a_child_that_its_caller_has_taken_back_is_taken_back() {
    let place = Place::new();
    place.write("kid.yaml", "name: kid\nsteps:\n- {id: a, shell: echo a >> told, undo: {shell: echo ua >> told}}\n- {id: b, shell: test -e good}\n");
    place.write("main.yaml", "name: main\nerror_policy: rollback\nsteps: [{id: call, chain: kid}]\n");
    assert_eq!(place.run(&["chain", "create", "kid.yaml"]).code, 0);
    assert_eq!(place.run(&["run", "main.yaml"]).code, 1);
    place.write("good", "");
    place.run(&["ps", "rerun", "4"]).says(&["kept: nothing\n", "again: a, b\n"]);
    let told = std::fs::read_to_string(place.path("told")).unwrap();
    assert_eq!(told, "a\nua\na\n");
    place.run(&["ps", "rerun", "5"]).fails(5, &["only took back what execution 4 had done"]);
}

const UNDONE: &str = "\
name: undone
steps:
- {id: a, shell: 'echo a >> told; echo 1', cache: true, undo: {shell: echo ua >> told}}
- {id: b, shell: test -e ok_b}
- {id: c, shell: test -e ok_c, error_policy: rollback}
";

#[test]
fn what_was_taken_back_is_neither_kept_nor_an_earlier_result() {
    let place = Place::new();
    place.write("undone.yaml", UNDONE);
    let told = || std::fs::read_to_string(place.path("told")).unwrap();
    assert_eq!(place.run(&["run", "undone.yaml"]).code, 1);
    place.write("ok_b", "");
    let first = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    // The heir takes back what the first one has done.
    assert_eq!(place.run(&["ps", "rerun", &first]).code, 1);
    assert_eq!(told(), "a\nua\n");
    place.write("ok_c", "");
    let done = place.run(&["ps", "rerun", &first]);
    done.says(&["kept: nothing", "again: a, b, c"]);
    assert_eq!(told(), "a\nua\na\n", "nor does the cache have it");
    // Of what stands it is an earlier result.
    assert_eq!(place.run(&["run", "undone.yaml"]).code, 0);
    assert_eq!(told(), "a\nua\na\n");
    let refused = place.run(&["ps", "rerun", &first, "--set", "x=1", "--dry-run"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
