//! What steps see of each other: looked at, evaluated, given to a step that runs alone, changed for a rerun.

use serde_json::json;

use super::Place;

const SHOP: &str = "\
name: shop
params: {who: {type: string, default: ann}}
variables: {vat: 2}
steps:
- {id: fetch, shell: 'echo ''{\"price\": 10, \"list\": [1, 2, 3]}''', parse: json, output_key: goods, output: {type: object, properties: {price: {type: number}, list: {type: array}}}}
- {id: total, set: {sum: '{goods.price * vat}'}}
- id: each
  for_each:
    items: '{goods.list}'
    as: n
    max_parallel: 1
    steps: [{id: one, command: [echo, 'n={n} sum={sum}'], output_key: said}]
- {id: mail, command: [echo, 'Dear {who}: {sum} for {goods.price}, fetch {steps.fetch.status} of {variables.vat}'], output_key: mailed}
output: '{mailed}'
";

fn shop() -> Place {
    let place = Place::new();
    place.write("shop.yaml", SHOP);
    place
}

#[test]
fn a_step_runs_alone_with_the_context_that_it_is_given() {
    let place = shop();
    place.write("context.yaml", "goods: {price: 3}\nsum: 99\nvariables: {vat: 7}\nparams: {who: bob}\n");
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", "@context.yaml"]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "Dear bob: 99 for 3, fetch completed of 7\n"),
        "{}",
        done.err
    );

    // What is said on the command line goes before it.
    let context =
        r#"{"steps": {"fetch": {"result": {"price": 1}}, "total": {"result": {"sum": 5}}}, "who": "bob"}"#;
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", context, "--set", "who=zoe"]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "Dear zoe: 5 for 1, fetch completed of 2\n"),
        "{}",
        done.err
    );

    // A step's id is its result.
    let context = "{fetch: {price: 6}, total: {sum: 8}}";
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", context]);
    assert_eq!(done.out, "Dear ann: 8 for 6, fetch completed of 2\n", "{}", done.err);

    // A loop is gone through once, with the item that is given.
    let args = ["run", "shop.yaml", "--only", "one", "--context", "{n: 7, sum: 1}", "-o", "json"];
    let document = place.json(&args);
    let steps = document["steps"].as_array().unwrap();
    let said: Vec<_> = steps.iter().filter(|step| step["id"] == "one").map(|step| &step["result"]).collect();
    assert_eq!(said, ["n=7 sum=1"]);

    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", "{}"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("cannot evaluate `sum`: `sum` is not defined"), "{}", done.err);
}

#[test]
fn what_is_wrong_with_a_context_is_told_at_its_place() {
    let place = shop();
    let text = "\
smu: 1
steps: {ftech: {result: 1}, fetch: {result: {price: dear}}, total: 3, mail: {reslt: 1}}
params: {whom: 1}
variables: {tax: 1}
errors: {each: 4}
results: [1]
";
    place.write("context.yaml", text);
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", "@context.yaml"]);
    assert_eq!(done.code, 2, "{}", done.err);
    for told in [
        "chain `shop` has no name `smu`\n --> context.yaml:1:1",
        "did you mean `sum`?",
        "the chain has no step `ftech`\n --> context.yaml:2:9",
        "the result of `fetch`.price must be of type number, not string\n --> context.yaml:2:45",
        "a step is an object such as {\"result\": 1}, and this is a number\n --> context.yaml:2:68",
        "a step has no `reslt`",
        "chain `shop` has no parameter `whom`\n --> context.yaml:3:10",
        "chain `shop` has no variable `tax`",
        "an error is an object or its message, and this is a number",
        "`results` is an object, and this is a list",
    ] {
        assert!(done.err.contains(told), "{told}\n{}", done.err);
    }
    let twice = "{results: {goods: {price: 1}}, steps: {fetch: {result: {price: 2}}}}";
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", twice]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("`goods` is said twice, with different values"), "{}", done.err);
    assert_eq!(place.run(&["run", "shop.yaml", "--only", "mail", "--context", "@nowhere"]).code, 4);
    let done = place.run(&["run", "shop.yaml", "--context", "{}"]);
    assert!(done.code == 2 && done.err.contains("--only"), "{}", done.err);
    assert!(!place.home().exists(), "nothing was started");
}

#[test]
fn a_context_is_printed_as_a_step_saw_it_and_runs_again() {
    let place = shop();
    assert_eq!(place.run(&["run", "shop.yaml"]).code, 0);
    let context = place.json(&["ps", "context", "2", "--at", "each[1]/one"]);
    assert_eq!(context["names"], json!({"n": 2, "sum": 20}));
    assert_eq!(context["results"], json!({"goods": {"price": 10, "list": [1, 2, 3]}}));
    assert_eq!((&context["params"], &context["variables"]), (&json!({"who": "ann"}), &json!({"vat": 2})));
    assert_eq!(context["steps"]["fetch"], json!({"status": "completed", "error": null, "attempts": 1}));
    assert_eq!(context["steps"]["mail"], json!(null), "it was not come to");
    let end = place.run(&["ps", "context", "2"]).out;
    place.write("end.json", &end.replace("10", "11"));
    let done = place.run(&["run", "shop.yaml", "--only", "mail", "--context", "@end.json"]);
    assert_eq!(done.out, "Dear ann: 20 for 11, fetch completed of 2\n", "{}", done.err);
    let done = place.run(&["ps", "context", "2", "--at", "nobody"]);
    assert!(done.code == 4 && done.err.contains("one of its steps: fetch"), "{}", done.err);
    assert_eq!(place.run(&["ps", "context", "77"]).code, 4);
}

#[test]
fn an_expression_is_evaluated_where_a_step_stood() {
    let place = shop();
    assert_eq!(place.run(&["run", "shop.yaml"]).code, 0);
    let gives = |expression: &str, args: &[&str], expected: &str| {
        let done = place.run(&[&["eval", expression], args].concat());
        assert_eq!((done.code, done.out.trim_end()), (0, expected), "{expression} {}", done.err);
    };
    let here = ["--execution", "2"];
    gives("goods.price * 2", &here, "20");
    gives("{goods.list | length}", &here, "3");
    gives("Dear {who}: {sum}", &here, "Dear ann: 20");
    gives("n + 1", &["--execution", "2", "--at", "each[1]/one"], "3");
    gives("steps.one.result", &here, "n=3 sum=20");
    gives("'a {b}'", &here, "a {b}");
    gives("goods", &["--execution", "2", "--template"], "goods");
    gives("\"1 + 1\"", &here, "1 + 1");
    gives("{secrets.KEY}", &here, "***");
    gives("Bearer {secrets.KEY}", &here, "Bearer ***");
    gives("price * 1.5", &["--context", "{\"price\": 3}"], "4.5");
    let document = place.json(&["eval", "goods.list", "--execution", "2", "-o", "json"]);
    assert_eq!((&document["value"], &document["execution"]), (&json!([1, 2, 3]), &json!(2)));

    let refused = |expression: &str, args: &[&str], code: i32, told: &str| {
        let done = place.run(&[&["eval", expression], args].concat());
        assert_eq!(done.code, code, "{expression}: {}", done.err);
        assert!(done.err.contains(told), "{expression}: {}", done.err);
    };
    refused("gods", &here, 2, "unknown name `gods`\n  next: did you mean `goods`?");
    refused("goods.", &here, 2, "is no expression: unexpected end of input, expected identifier or integer");
    refused("goods.nope.x", &here, 1, "`goods.nope` is not defined");
    refused("sum", &["--execution", "2", "--at", "fetch"], 1, "`sum` is not defined");
    refused("secrets.KEY | upper", &here, 2, "a secret must stand alone");
    refused("1", &["--execution", "99"], 4, "there is no execution 99");
    refused("a", &["--context", "[1]"], 2, "a context is an object, and this is a list");
    assert_eq!(place.json(&["ps", "ls", "-o", "json"])["executions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_rerun_changes_what_differs_from_what_there_was() {
    let place = shop();
    assert_eq!(place.run(&["run", "shop.yaml"]).code, 0);
    let again = |args: &[&str]| {
        let done = place.run(&[&["ps", "rerun", "2", "--from", "mail"], args].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        (done.err, done.out)
    };
    let (err, out) = again(&["--pin", "total={\"sum\": 5}"]);
    assert_eq!(out, "Dear ann: 5 for 10, fetch completed of 2\n");
    assert!(err.starts_with("changed: total\nkept: fetch, total, each[0]/one"), "{err}");

    let before = place.run(&["ps", "context", "2", "--at", "mail"]).out;
    place.write("same.json", &before);
    let (err, out) = again(&["--context", "@same.json"]);
    assert!(out.contains("20 for 10") && err.starts_with("kept: "), "nothing differs: {err}");
    let changed = before
        .replace("\"sum\": 20", "\"sum\": 77")
        .replace("ann", "zed")
        .replace("\"vat\": 2", "\"vat\": 3");
    place.write("changed.json", &changed);
    let (err, out) = again(&["--context", "@changed.json"]);
    assert_eq!(out, "Dear zed: 77 for 10, fetch completed of 3\n");
    assert!(err.starts_with("changed: total, who, vat\n"), "{err}");
    assert_eq!(place.run(&["doctor"]).code, 0);
}

const SAGA: &str = "\
name: saga
error_policy: rollback
params: {log: {type: string}, fails: {type: boolean, default: false}}
steps:
- {id: pay, shell: echo card-1, output_key: paid, undo: {shell: 'echo refund $P >> $L', env: {P: '{result}', L: '{log}'}}}
- id: box
  steps: [{id: pack, shell: echo box, undo: {shell: 'echo unpack >> $L', env: {L: '{log}'}}}]
- {id: ship, when: '{fails}', fail: 'no'}
";

#[test]
fn a_changed_result_is_taken_back_as_it_was_changed_and_nobodys_is_refused() {
    let place = Place::new();
    place.write("saga.yaml", SAGA);
    let log = place.path("log");
    let log_is = format!("log={}", log.display());
    assert_eq!(place.run(&["run", "saga.yaml", "--set", &log_is]).code, 0);
    let done = place.run(&["ps", "rerun", "2", "--from", "ship", "--pin", "box=1"]);
    assert_eq!(done.code, 5, "{}", done.err);
    assert!(
        done.err.contains("with a result given for `box`, nobody would take back what `box/pack` did"),
        "{}",
        done.err
    );
    let done =
        place.run(&["ps", "rerun", "2", "--from", "ship", "--pin", "pay=card-2", "--set", "fails=true"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert_eq!(std::fs::read_to_string(log).unwrap(), "unpack\nrefund card-2\n");
}

/// The journal of an execution that takes back what another one did names its steps by their numbers.
#[test]
fn an_undo_of_a_child_that_reads_other_steps_can_be_read_again() {
    let place = Place::new();
    let child = "\
name: child
steps:
- {id: a, shell: echo one, output: {type: string}}
- {id: b, shell: echo two, undo: {id: back, command: [echo, 'back with {steps.a.result}']}}
";
    place.write("child.yaml", child);
    place.write(
        "caller.yaml",
        "name: caller\nerror_policy: rollback\nsteps: [{id: call, chain: child}, {fail: 'no'}]\n",
    );
    assert_eq!(place.run(&["chain", "create", "child.yaml"]).code, 0);
    assert_eq!(place.run(&["run", "caller.yaml"]).code, 1);
    assert!(place.run(&["ps", "logs", "5"]).out.contains("back with one"));
    assert_eq!(place.run(&["ps", "events", "5"]).code, 0);
    assert_eq!(place.run(&["doctor"]).code, 0);
}

/// Results of loops, of two steps under one name, and of branches: what is printed can be given back as it is.
#[test]
fn an_unchanged_context_changes_nothing() {
    let place = Place::new();
    let text = "\
name: many
params: {yes: {type: boolean, default: true}}
steps:
- id: each
  for_each:
    items: [1, 2, 3]
    as: i
    max_parallel: 1
    steps: [{id: sq, set: {q: '{i * i}'}}, {id: b, command: [echo, 'b{q}'], output_key: b}]
  output_key: bs
- id: both
  parallel:
    branches:
      left: [{id: l, command: [echo, left], output_key: answer}]
      right: [{id: r, command: [echo, right], output_key: answer}]
- {id: deploy, when: 'yes', command: [echo, deployed], output_key: outcome}
- {id: keep, when: 'not yes', command: [echo, kept], output_key: outcome}
output: {bs: '{bs}', outcome: '{outcome}'}
";
    place.write("many.yaml", text);
    assert_eq!(place.run(&["run", "many.yaml"]).code, 0);
    place.write("same.json", &place.run(&["ps", "context", "2"]).out);
    for (id, args) in [("2", &["--only", "b"][..]), ("2", &["--from", "deploy"]), ("3", &["--from", "keep"])]
    {
        let done = place.run(&[&["ps", "rerun", id, "--context", "@same.json"], args].concat());
        assert_eq!(done.code, 0, "{args:?} {}", done.err);
        assert!(!done.err.contains("changed"), "{args:?} {}", done.err);
        assert_eq!(done.out, "{\"bs\":[\"b1\",\"b4\",\"b9\"],\"outcome\":\"deployed\"}\n", "{args:?}");
    }
    assert_eq!(place.run(&["run", "many.yaml", "--only", "keep", "--context", "@same.json"]).code, 0);
}

#[test]
fn a_rerun_of_a_part_is_of_that_part_and_of_its_version() {
    let place = Place::new();
    let text = "\
name: part
steps:
- {id: pay, command: [touch, paid], output_key: pay}
- id: both
  parallel:
    branches:
      left: [{id: mail, command: [sh, -c, 'echo v1 $0; test $0 = real', '{pay}'], output_key: mail}]
      right: [{id: other, command: [touch, other]}]
- {id: ship, command: [touch, shipped]}
";
    place.write("part.yaml", text);
    let done = place.run(&["run", "part.yaml", "--only", "mail", "--context", "{pay: fake}"]);
    assert_eq!(done.code, 1, "{}", done.err);
    for args in [&[][..], &["--from", "mail"], &["--only", "mail"]] {
        let done = place.run(&[&["ps", "rerun", "2"], args].concat());
        assert_eq!(done.code, 1, "{}", done.err);
        assert!(place.run(&["ps", "logs", "2"]).out.contains("v1 fake"));
    }
    assert!(["paid", "other", "shipped"].iter().all(|file| !place.path(file).exists()), "nothing else ran");

    place.write("part.yaml", &text.replace("v1", "v2"));
    let done = place.run(&["run", "part.yaml", "--only", "mail", "--context", "{pay: real}"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(place.run(&["ps", "rerun", "2"]).code, 1);
    let source = place.run(&["chain", "show", "part", "--source"]).out;
    assert!(source.contains("v2"), "an old version is run again, and stays old: {source}");
    // The step of a person who asks for what was left out runs, with all behind it.
    assert_eq!(place.run(&["ps", "rerun", "2", "--from", "pay"]).code, 1);
    assert!(place.path("paid").exists());
}

#[test]
fn code_sees_the_context_that_is_given() {
    let place = Place::new();
    let text = "\
name: code
variables: {vat: 2}
steps:
- {id: fetch, shell: echo 1, output_key: goods}
- {id: look, shell: 'cat $CATENA_CONTEXT', parse: json, output_key: seen}
output: [\"{seen.results.goods}\", \"{seen.variables.vat}\", \"{seen.errors}\"]
";
    place.write("code.yaml", text);
    let context = "{goods: {price: 3}, variables: {vat: 7}, errors: {fetch: it broke}}";
    let done = place.run(&["run", "code.yaml", "--only", "look", "--context", context]);
    let expected =
        "[{\"price\":3},7,{\"shell\":{\"type\":\"failed\",\"message\":\"it broke\",\"detail\":null}}]\n";
    assert_eq!(done.out, expected, "{}", done.err);
}

#[test]
fn a_large_result_of_a_set_step_keeps_its_names() {
    let place = shop();
    assert_eq!(place.run(&["run", "shop.yaml"]).code, 0);
    place.write("big.json", &format!("{{\"sum\": \"{}\"}}", "x".repeat(100_000)));
    for args in [
        &["run", "shop.yaml", "--only", "one", "--context", "{n: 1}"][..],
        &["ps", "rerun", "2", "--from", "mail"],
    ] {
        let done = place.run(&[args, &["--pin", "total=@big.json"]].concat());
        assert_eq!(done.code, 0, "{}", done.err);
    }
    let refused = |pin: &str, told: &str| {
        let done = place.run(&["ps", "rerun", "2", "--pin", pin]);
        assert!(done.code == 2 && done.err.contains(told), "{pin}: {}", done.err);
    };
    refused("total={\"smu\": 1}", "step `total` sets no `smu`");
    refused("total=5", "step `total` sets names");
    refused("each[1]/one=5", "is the address of one visit, and here a step is meant");
}

/// A step that failed and takes back all the same what it began, its alternative, and a null where text is read.
#[test]
fn what_a_failed_step_began_is_taken_back_although_its_result_is_given() {
    let place = Place::new();
    let text = "\
name: begun
error_policy: rollback
params: {log: {type: string}, more: {type: boolean, default: false}}
env: {LOG: '{log}'}
steps:
- {id: pre, shell: echo pre, undo: {shell: 'echo undo pre >> $LOG'}}
- id: charge
  shell: exit 5
  output_key: paid
  undo: {if_started: true, steps: [{env: {R: '{result}'}, shell: 'echo undo charge $R >> $LOG'}]}
  error_policy: stop
- {id: end, when: more, fail: 'no'}
";
    place.write("begun.yaml", text);
    let log = place.path("log");
    assert_eq!(place.run(&["run", "begun.yaml", "--set", &format!("log={}", log.display())]).code, 1);
    let done = place.run(&["ps", "rerun", "2", "--pin", "charge=card", "--set", "more=true"]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert_eq!(std::fs::read_to_string(log).unwrap(), "undo charge card\nundo pre\n", "{}", done.err);

    let text = "\
name: other
steps:
- {id: pay, shell: exit 5, error_policy: alternative, alternative: {id: cash, shell: echo cash, undo: {shell: echo back}}}
- {id: end, shell: exit 1}
";
    place.write("other.yaml", text);
    assert_eq!(place.run(&["run", "other.yaml"]).code, 1);
    let list = place.json(&["ps", "ls", "-o", "json"]);
    let id = list["executions"][0]["id"].to_string();
    let done = place.run(&["ps", "rerun", &id, "--pin", "pay=1"]);
    assert_eq!(done.code, 5, "{}", done.err);
    assert!(
        done.err.contains("nobody would take back what") && !done.err.contains("changed"),
        "{}",
        done.err
    );
}

#[test]
fn a_null_where_text_is_read_stops_nothing() {
    let place = Place::new();
    let text = "name: nullin\nsteps:\n- {id: a, shell: echo null, parse: json, output_key: a}\n- {id: b, stdin: '{a}', shell: wc -c, output_key: n}\noutput: '{n}'\n";
    place.write("nullin.yaml", text);
    assert_eq!(place.run(&["run", "nullin.yaml"]).code, 0);
    assert_eq!(place.run(&["run", "nullin.yaml", "--only", "b", "--context", "{a: null}"]).code, 0);
    assert_eq!(place.run(&["doctor"]).code, 0);
    let done = place.run(&["run", "nullin.yaml", "--from", "b", "--context", "{b: 5, c: 1}"]);
    assert_eq!(done.code, 2, "{}", done.err);
}
