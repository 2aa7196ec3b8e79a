//! Graphs, loops, alternatives, handlers and other chains, run by real processes.

use super::{Done, Place};
use serde_json::{Value as Json, json};

/// The steps of a document: address and status.
fn statuses(document: &Json) -> Vec<String> {
    let steps = document["steps"].as_array().unwrap().iter();
    let word = |step: &Json, key: &str| step[key].as_str().unwrap().to_owned();
    steps.map(|step| format!("{} {}", word(step, "address"), word(step, "status"))).collect()
}

fn run_json(place: &Place, args: &[&str]) -> (i32, Json) {
    let Done { code, out, err } = place.run(args);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}")))
}

const GRAPH: &str = "\
params: {bad: {type: boolean, default: true}}
steps:
- {id: a, command: [echo, one], output_key: a}
- {id: b, command: [test, '{bad}', =, 'false'], depends_on: a}
- {id: c, command: [echo, '{a}'], depends_on: a, output_key: c}
- {id: d, command: [echo, d], depends_on: [b, c]}
- {id: e, command: [echo, e], depends_on: d}
- {id: repair, command: [echo, r], depends_on: [{step: b, on: failed}], output_key: r}
- {id: first, command: [echo, f], depends_on: [b, c], join: any}
- {id: after, command: [echo, x], depends_on: [{step: e, on: skipped}]}
- {id: always, command: [echo, y], depends_on: [{step: b, on: ended}]}
";

#[test]
fn a_graph_runs_what_has_what_it_waits_for() {
    let place = Place::new();
    place.write("graph.yaml", GRAPH);
    let (code, document) = run_json(&place, &["run", "graph.yaml", "-o", "json"]);
    assert_eq!(code, 1, "a failure that is waited for fails the chain all the same");
    assert_eq!(
        statuses(&document),
        [
            "a completed",
            "b failed",
            "c completed",
            "d skipped",
            "e skipped",
            "repair completed",
            "first completed",
            "after completed",
            "always completed"
        ]
    );
    let (code, document) = run_json(&place, &["run", "graph.yaml", "--set", "bad=false", "-o", "json"]);
    assert_eq!(code, 0);
    let all = statuses(&document);
    assert_eq!(
        [&all[1], &all[3], &all[5], &all[7]],
        ["b completed", "d completed", "repair skipped", "after skipped"]
    );
}

#[test]
fn a_failure_stops_what_runs_beside_it_unless_it_is_let_finish() {
    let place = Place::new();
    let steps = "steps:\n- {id: bad, command: ['false']}\n- {id: slow, shell: sleep 0.3}\n- {id: late, command: [echo], depends_on: slow}\n";
    place.write("fast.yaml", &format!("flow: graph\n{steps}"));
    place.write("slow.yaml", &format!("flow: graph\nfail_fast: false\n{steps}"));
    let (code, document) = run_json(&place, &["run", "fast.yaml", "-o", "json"]);
    assert_eq!((code, statuses(&document)[1].as_str()), (1, "slow cancelled"));
    let (code, document) = run_json(&place, &["run", "slow.yaml", "-o", "json"]);
    assert_eq!(code, 1);
    assert_eq!(statuses(&document), ["bad failed", "slow completed", "late completed"]);
}

#[test]
fn a_step_is_repeated_until_its_condition_holds_or_its_limit_is_reached() {
    let place = Place::new();
    let poll = "- id: poll\n  shell: n=$(cat \"$CATENA_DIR/n\" 2>/dev/null || echo 0); echo $((n+1)) | tee \"$CATENA_DIR/n\"\n  parse: json\n  output_key: n\n";
    let chain = |rest: &str| format!("steps:\n{poll}  repeat_config: {rest}\noutput: '{{n}}'\n");
    place.write("until.yaml", &chain("{interval: 10ms, until: n >= 3, max_iterations: 9}"));
    place.write("while.yaml", &chain("{interval: '0.01 * (loop.index + 1)', while: n < 2}"));
    place.write("plan.yaml", &chain("{max_iterations: 4}"));
    place.write("limit.yaml", &chain("{until: n > 99, max_iterations: 2}"));
    for (name, output) in [("until", "3\n"), ("while", "2\n"), ("plan", "4\n")] {
        assert_eq!(place.run(&["run", &format!("{name}.yaml")]).out, output, "{name}");
    }
    place.run(&["run", "limit.yaml"]).fails(1, &["repeat_limit", "not met after 2 iterations"]);
    place.write(
        "group.yaml",
        "steps:\n- id: round\n  steps: [{id: now, command: [echo, '{loop.index}-{loop.previous}'], output_key: x}]\n  output_key: last\n  repeat_config: {max_iterations: 3}\noutput: '{last}'\n",
    );
    let (_, document) = run_json(&place, &["run", "group.yaml", "-o", "json"]);
    assert_eq!(document["execution"]["output"], "2-1-0-null");
    assert_eq!(
        statuses(&document),
        ["round completed", "round/now completed", "round.2/now completed", "round.3/now completed"]
    );
    place.write("none.yaml", &chain("{interval: 5}"));
    place.run(&["check", "none.yaml"]).fails(3, &["`until`, `while`, `max_iterations`"]);
}

#[test]
fn an_alternative_gives_the_result_of_what_has_failed() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- id: fetch\n  command: [sh, -c, exit 4]\n  alternative: {command: [echo, 'cached after {error.type}'], output_key: x}\n  output_key: text\n- {id: use, command: [echo, '{text}, {steps.fetch.status}'], output_key: used}\noutput: '{used}'\n",
    );
    assert_eq!(place.run(&["run", "chain.yaml"]).out, "cached after exit_code, completed\n");
    place.write(
        "both.yaml",
        "steps:\n- {id: a, command: ['false'], alternative: {command: [sh, -c, exit 7]}}\n",
    );
    place.run(&["run", "both.yaml"]).fails(1, &["exit code 7"]);
}

#[test]
fn a_block_is_tried_again_as_a_whole() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- id: all\n  steps:\n  - {id: a, shell: echo a >> \"$CATENA_DIR/log\"}\n  - {id: b, shell: test $(wc -l < \"$CATENA_DIR/log\") -ge 2}\n  retry_config: {max_attempts: 3, initial_delay: 10ms}\n",
    );
    let (code, document) = run_json(&place, &["run", "chain.yaml", "-o", "json"]);
    assert_eq!(code, 0);
    assert_eq!(
        statuses(&document),
        ["all completed", "all/a completed", "all.2/a completed", "all/b failed", "all.2/b completed"]
    );
}

#[test]
fn an_end_and_a_failure_end_the_chain_from_any_depth() {
    let place = Place::new();
    let inner = |step: &str| {
        format!(
            "steps:\n- steps: [{{for_each: {{items: [1, 2], steps: [{step}]}}}}]\n  error_policy: continue\n- {{id: never, command: [echo]}}\nfinally: [{{id: last, command: [echo, '{{execution.status}}'], output_key: s}}]\n"
        )
    };
    place.write("end.yaml", &inner("{end: {status: completed, output: '{item}'}}"));
    place.write("fail.yaml", &inner("{fail: {type: no_luck, message: 'item {item}'}}"));
    place.write("cancel.yaml", &inner("{end: cancelled}"));
    let (code, document) = run_json(&place, &["run", "end.yaml", "-o", "json"]);
    assert_eq!((code, &document["execution"]["output"]), (0, &json!(1)));
    let (code, document) = run_json(&place, &["run", "fail.yaml", "-o", "json"]);
    assert_eq!(code, 1, "no policy lets it pass");
    assert_eq!(document["execution"]["error"]["type"], "no_luck");
    assert_eq!(document["execution"]["error"]["message"], "item 1");
    let (code, document) = run_json(&place, &["run", "cancel.yaml", "-o", "json"]);
    assert_eq!(code, 8);
    assert_eq!(statuses(&document).last().unwrap(), "chain.finally/last completed");
}

#[test]
fn handlers_follow_the_outcome_and_take_only_the_cleanness_from_it() {
    let place = Place::new();
    let chain = |step: &str, finally: &str| {
        format!(
            "steps: [{{id: work, command: {step}}}]\non_failure: [{{id: alarm, command: [echo, '{{execution.error.type}}'], output_key: a}}]\non_success: [{{id: hurray, command: [echo]}}]\nfinally: [{{id: clean, command: {finally}}}]\n"
        )
    };
    place.write("good.yaml", &chain("[echo]", "[echo]"));
    place.write("bad.yaml", &chain("['false']", "['false']"));
    place.write("unclean.yaml", &chain("[echo]", "['false']"));
    let (code, document) = run_json(&place, &["run", "good.yaml", "-o", "json"]);
    assert_eq!(code, 0);
    assert_eq!(
        statuses(&document),
        ["work completed", "chain.on_success/hurray completed", "chain.finally/clean completed"]
    );
    let (code, document) = run_json(&place, &["run", "bad.yaml", "-o", "json"]);
    assert_eq!((code, &document["execution"]["status"]), (1, &json!("failed")));
    assert_eq!(
        statuses(&document),
        ["work failed", "chain.on_failure/alarm completed", "chain.finally/clean failed"]
    );
    let (code, document) = run_json(&place, &["run", "unclean.yaml", "-o", "json"]);
    assert_eq!((code, &document["execution"]["status"]), (0, &json!("completed_with_errors")));
    assert_eq!(place.run(&["run", "unclean.yaml", "--strict"]).code, 1);
}

const CHILD: &str = "\
name: child
params: {n: {type: integer, default: 1}, log: {type: string}}
steps:
- id: book
  command: [sh, -c, 'echo book $N >> $LOG; echo $N']
  env: {N: '{n}', LOG: '{log}'}
  output_key: b
  undo: {command: [sh, -c, 'echo unbook $R >> $LOG'], env: {R: '{result}', LOG: '{log}'}}
- {id: check, command: [test, '{n}', -lt, '9'], allow_dash: true}
output: {booked: '{b}'}
";

#[test]
fn a_chain_calls_another_one_and_what_that_has_done_is_undone_by_it() {
    let place = Place::new();
    let log = place.path("log");
    place.write("child.yaml", CHILD);
    let parent = format!(
        "name: parent\nparams: {{last: {{type: integer, default: 3}}}}\nerror_policy: rollback\nvariables: {{log: {}}}\nsteps:\n- {{id: one, chain: child, parameters: {{n: 1, log: '{{log}}'}}, output_key: one}}\n- {{id: two, chain: child, parameters: {{n: '{{one.booked | int + 1}}', log: '{{log}}'}}, output_key: two}}\n- {{id: three, chain: child, parameters: {{n: '{{last}}', log: '{{log}}'}}}}\noutput: [\"{{one.booked}}\", \"{{two.booked}}\"]\n",
        log.display()
    );
    place.write("parent.yaml", &parent);
    place.run(&["run", "parent.yaml"]).fails(1, &["there is no chain `child`"]);
    place.run(&["chain", "create", "child.yaml"]).says(&[]);
    assert_eq!(place.run(&["run", "parent.yaml"]).out, "[\"1\",\"2\"]\n");
    std::fs::remove_file(&log).unwrap();
    let (code, document) = run_json(&place, &["run", "parent.yaml", "--set", "last=9", "-o", "json"]);
    assert_eq!((code, &document["execution"]["status"]), (1, &json!("rolled_back")));
    assert_eq!(document["execution"]["error"]["type"], "exit_code", "the child's own failure");
    assert!(document["execution"]["error"]["detail"]["execution"].is_number());
    assert_eq!(statuses(&document), ["one undone", "two undone", "three failed"]);
    // The third child failed; what it had booked is taken back with the rest.
    let done = std::fs::read_to_string(&log).unwrap();
    assert_eq!(done, "book 1\nbook 2\nbook 9\nunbook 9\nunbook 2\nunbook 1\n");
    let shown = place.json(&["ps", "ls", "-o", "json"]);
    let ends: Vec<&str> =
        shown["executions"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(ends.iter().filter(|end| **end == "rolled_back").count(), 5, "both parents and three undos");
}

#[test]
fn chains_that_call_themselves_end_at_their_depth() {
    let place = Place::new();
    place.write("deep.yaml", "name: deep\nsteps: [{id: again, chain: deep}]\n");
    place.run(&["run", "deep.yaml"]).fails(1, &["at most 32 deep"]);
    let rows = place.json(&["ps", "ls", "-o", "json"]);
    assert_eq!(rows["executions"].as_array().unwrap().len(), 33);
}

#[test]
fn a_cancel_reaches_the_chains_that_are_called() {
    let place = Place::new();
    let (started, _go) = super::held_chain(&place);
    place.run(&["chain", "create", "held.yaml"]).says(&[]);
    place.write("parent.yaml", "name: parent\nsteps: [{id: call, chain: held}]\n");
    let host = place.spawn(&["run", "parent.yaml"]);
    super::hear(&started);
    let rows = place.json(&["ps", "ls", "-o", "json"])["executions"].clone();
    let parent =
        rows.as_array().unwrap().iter().find(|row| row["chain"] == "parent").unwrap()["id"].to_string();
    place.run(&["ps", "cancel", &parent]).says(&[]);
    let done = Done::from(host.wait_with_output().unwrap());
    assert_eq!(done.code, 8, "{done:?}");
    let rows = place.json(&["ps", "ls", "-o", "json"])["executions"].clone();
    for row in rows.as_array().unwrap() {
        assert_eq!(row["status"], "cancelled", "{row}");
    }
}

#[test]
fn steps_of_a_pool_take_its_slots_and_an_unknown_pool_is_said_at_the_start() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "flow: graph\nsteps:\n- {id: a, pool: one, shell: mkdir \"$CATENA_DIR/in\"; sleep 0.1; rmdir \"$CATENA_DIR/in\"}\n- {id: b, pool: one, shell: mkdir \"$CATENA_DIR/in\"; sleep 0.1; rmdir \"$CATENA_DIR/in\"}\n",
    );
    place.run(&["run", "chain.yaml"]).fails(7, &["no slots are configured for the pool `one`"]);
    let config = place.write("config.toml", "[pools]\none = 1\n");
    let run = |args: &[&str]| Done::from(place.command(args).env("CATENA_CONFIG", &config).output().unwrap());
    let done = run(&["run", "chain.yaml"]);
    assert_eq!(done.code, 0, "two at once would be in each other's way: {done:?}");
    assert!(run(&["config", "show"]).out.contains("pools.one"));
    place.write("config.toml", "[pools]\none = 0\n");
    run(&["run", "chain.yaml"]).fails(7, &["config.toml:2: the slots of the pool `one` must be a number"]);
}

#[test]
fn concurrency_queues_refuses_or_makes_room() {
    let place = Place::new();
    for policy in ["queue", "skip", "cancel_running"] {
        let name = format!("held-{policy}");
        let (started, go) = super::held_chain_named(&place, &name);
        let file = format!("{name}.yaml");
        let text = std::fs::read_to_string(place.path(&file)).unwrap();
        place.write(&file, &format!("concurrency: {{limit: 1, policy: {policy}}}\n{text}"));
        let first = place.spawn(&["run", &file]);
        super::hear(&started);
        match policy {
            "queue" => {
                let second = place.spawn(&["run", &file]);
                super::tell(&go);
                super::hear(&started);
                super::tell(&go);
                assert_eq!(Done::from(second.wait_with_output().unwrap()).code, 0);
                assert_eq!(Done::from(first.wait_with_output().unwrap()).code, 0);
            }
            "skip" => {
                place.run(&["run", &file]).fails(5, &["at once as its `concurrency` allows"]);
                super::tell(&go);
                assert_eq!(Done::from(first.wait_with_output().unwrap()).code, 0);
            }
            _ => {
                let second = place.spawn(&["run", &file]);
                super::hear(&started);
                super::tell(&go);
                assert_eq!(Done::from(second.wait_with_output().unwrap()).code, 0);
                assert_eq!(Done::from(first.wait_with_output().unwrap()).code, 8);
            }
        }
    }
}

#[test]
fn a_result_is_reused_for_the_same_step_input_and_files() {
    let place = Place::new();
    let log = place.path("log");
    place.write(
        "chain.yaml",
        &format!(
            "params: {{n: {{type: integer, default: 1}}}}\nsteps:\n- id: slow\n  command: [sh, -c, 'echo ran >> {}; cat data.txt; echo $N']\n  env: {{N: '{{n}}'}}\n  cache: {{files: 'data.*', ttl: 1h}}\n  output_key: r\noutput: '{{r}}'\n",
            log.display()
        ),
    );
    let runs = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    let check = |args: &[&str], output: &str, ran: usize| {
        let done = place.run(&[&["run", "chain.yaml"], args].concat());
        assert_eq!((done.out.as_str(), runs()), (output, ran), "{done:?}");
    };
    place.write("data.txt", "one\n");
    check(&[], "one\n1\n", 1);
    check(&[], "one\n1\n", 1);
    check(&["--set", "n=2"], "one\n2\n", 2);
    place.write("data.txt", "two\n");
    check(&[], "two\n1\n", 3);
    check(&["--set", "n=2"], "two\n2\n", 4);
    check(&[], "two\n1\n", 4);
}

#[test]
fn a_repeated_step_is_reused_as_a_whole() {
    let place = Place::new();
    let log = place.path("log");
    place.write(
        "chain.yaml",
        &format!(
            "name: c\nsteps:\n  - {{id: poll, env: {{N: '{{loop.index}}'}}, shell: 'echo $N >> {}; echo $N', cache: true,\n     \
             repeat_config: {{until: loop.index == 2, max_iterations: 5}}, output_key: n}}\noutput: '{{n}}'\n",
            log.display()
        ),
    );
    for _ in 0..2 {
        assert_eq!(place.run(&["run", "chain.yaml"]).out, "2\n");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "0\n1\n2\n");
    }
}

#[test]
fn an_undo_of_a_child_that_is_stuck_is_named_by_its_caller_and_frees_it() {
    let place = Place::new();
    let log = place.path("log");
    let back = "[{id: one, shell: echo one >> $LOG}, {id: two, shell: '[ -e mended ] && echo two >> $LOG'}]";
    place.write(
        "kid.yaml",
        &format!(
            "name: kid\nenv: {{LOG: {}}}\nsteps: [{{id: book, shell: 'true', undo: {back}}}]\n",
            log.display()
        ),
    );
    place.write(
        "main.yaml",
        "name: main\nsteps: [{id: call, chain: kid}, {shell: exit 1, error_policy: rollback}]\n",
    );
    assert_eq!(place.run(&["chain", "create", "kid.yaml"]).code, 0);
    let done = place.run(&["run", "main.yaml"]);
    done.fails(
        1,
        &["stuck\n  execution 5 takes back what call has done, and waits for an answer", "catena ps why 5"],
    );
    let why = place.run(&["ps", "why", "3"]).out;
    assert!(why.contains("execution 5 takes back what `call` has done"), "{why}");
    let shown = place.run(&["ps", "show", "3"]).out;
    assert!(shown.contains("execution 5 takes back what call has done"), "{shown}");
    assert!(shown.contains("not taken back: call"), "{shown}");
    place.run(&["ps", "resolve", "3", "--run-again"]).fails(5, &["execution 5", "catena ps resolve 5"]);
    place.run(&["ps", "resolve", "5", "--failed"]).fails(2, &["the undo of book has failed", "--run-again"]);
    place.write("mended", "");
    place.run(&["ps", "resolve", "5", "--run-again"]).says(&[]);
    place.write("other.yaml", "steps: [{set: {a: 1}}]\n");
    assert_eq!(place.run(&["run", "other.yaml"]).code, 0, "its host goes on with the others");
    let shown = place.json(&["ps", "ls", "-o", "json"]);
    let ends: Vec<_> =
        shown["executions"].as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(ends, ["completed", "rolled_back", "completed", "rolled_back"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "one\ntwo\n");
}

#[test]
fn a_child_that_waits_for_somebody_is_named_by_its_caller() {
    let place = Place::new();
    place.write("ask.yaml", "name: ask\nsteps: [{id: ok, wait: {approval: {title: Go?}}}]\n");
    place.write("mid.yaml", "name: mid\nsteps: [{id: call, chain: ask}]\n");
    place.write("main.yaml", "name: main\nsteps: [{id: down, chain: mid}]\n");
    for chain in ["ask.yaml", "mid.yaml"] {
        assert_eq!(place.run(&["chain", "create", chain]).code, 0);
    }
    let done = place.run(&["run", "main.yaml", "--no-wait"]);
    assert_eq!(done.code, 9, "{done:?}");
    assert!(done.err.contains("? down  execution 5 waits for somebody"), "{done:?}");
    place.run(&["chain", "rm", "ask", "--executions"]).fails(5, &["has not ended"]);
    place.run(&["ps", "cancel", "4"]).says(&["execution 4 cancelled"]);

    let back = "undo: {id: back, shell: exit 1}";
    place.write("kid.yaml", &format!("name: kid\nsteps: [{{id: a, shell: 'true', {back}}}, {{id: b, shell: exit 1, error_policy: rollback}}]\n"));
    place.write("calls.yaml", "name: calls\nsteps: [{id: call, chain: kid}]\n");
    assert_eq!(place.run(&["chain", "create", "kid.yaml"]).code, 0);
    let done = place.run(&["run", "calls.yaml", "--no-wait"]);
    assert_eq!(done.code, 9, "{done:?}");
    let id = place.json(&["ps", "ls", "--chain", "calls", "-o", "json"])["executions"][0]["id"].to_string();
    place.run(&["ps", "cancel", &id]).fails(9, &["as soon as somebody has answered", "is stuck", "--force"]);
    place.run(&["ps", "cancel", &id, "--force"]).says(&["cancelled"]);
}

#[test]
fn a_host_stays_for_one_that_waits_for_its_child() {
    let place = Place::new();
    place.write("kid.yaml", "name: kid\nsteps: [{shell: sleep 0.3}]\n");
    place.write(
        "mid.yaml",
        "name: mid\nsteps: [{name: Call, chain: kid}, {name: After, shell: echo after > told}]\n",
    );
    place.write("main.yaml", "name: main\nsteps: [{chain: mid, wait: false}]\n");
    for chain in ["kid.yaml", "mid.yaml"] {
        assert_eq!(place.run(&["chain", "create", chain]).code, 0);
    }
    let done = place.run(&["run", "main.yaml"]);
    assert_eq!(done.code, 0, "{done:?}");
    let mid = place.json(&["ps", "ls", "--chain", "mid", "-o", "json"]);
    assert_eq!(mid["executions"][0]["status"], "completed", "{mid}");
}

#[test]
fn a_part_and_pins_are_input_of_a_key() {
    let place = Place::new();
    place.write("two.yaml", "name: two\nsteps: [{id: a, shell: echo a}, {id: b, shell: echo b}]\n");
    assert_eq!(place.run(&["run", "two.yaml", "--key", "k", "--only", "a"]).code, 0);
    assert_eq!(place.run(&["run", "two.yaml", "--key", "k", "--only", "a"]).code, 0);
    for other in [["--only", "b"], ["--pin", "a=9"]] {
        place.run(&[&["run", "two.yaml", "--key", "k"], &other[..]].concat()).fails(5, &["k"]);
    }
    place.run(&["run", "two.yaml", "--key", "k"]).fails(5, &["k"]);
}
