//! `catena test`: cases of chains, on a virtual clock.

use std::io::{BufRead as _, BufReader};

use std::path::Path;

use super::Place;

const CHAIN: &str = "\
name: order
params: {n: {type: integer}}
steps:
- {id: charge, shell: pay, parse: json, output: {type: object}, output_key: paid, undo: {id: refund, shell: refund}}
- {id: look, when: n > 1, http: 'http://127.0.0.1:9/', retry_config: {max_attempts: 3, initial_delay: 2s, jitter: false}}
- {id: ask, wait: {approval: {title: Go?, expires: 1h}}}
- {id: ship, command: [ship], error_policy: rollback}
- {id: go, wait: {signal: go}, output_key: go}
output: {paid: '{paid}', go: '{go}'}
";

fn place(cases: &str) -> Place {
    let place = Place::new();
    place.write("order.yaml", CHAIN);
    place.write("order.test.yaml", &format!("chain: order.yaml\ncases:\n{cases}"));
    place
}

#[test]
fn the_cases_of_the_examples_hold() {
    let place = Place::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files: Vec<String> = std::fs::read_dir(&examples)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("chain.test.yaml"))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    assert!(files.len() >= 10, "{files:?}");
    let args: Vec<&str> = ["test"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let done = place.run(&[&args[..], &["--coverage", "80"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains(" passed, 0 failed\n"), "{}", done.out);
    assert!(!place.home().exists(), "nothing runs, nothing is stored");
}

const GOOD: &str = "\
- name: all goes well
  given:
    params: {n: 2}
    steps: {charge: {result: {ok: true}}, look: {fail: {times: 2, type: timeout}}, ask: {result: {}}}
    signals: [{name: go, at: 1m, value: [1, 2]}]
  expect:
    status: completed
    output: {paid: {ok: true}, go: [1, 2]}
    path: [charge, look, ask, ship, go]
    attempts: {look: 3}
    times: {look: 1s, ask: 10s}
    took: 1m
- name: a rollback
  given: {params: {n: 1}, steps: {charge: {result: {}}, ask: {result: {}}, ship: {fail: true}}}
  expect: {status: rolled_back, error: exit_code, undone: [charge], skipped: [look]}
- name: a cancel
  given: {params: {n: 1}, steps: {charge: {result: {}}}, cancel: 30m}
  expect: {status: cancelled, took: 30m}
";

#[test]
fn a_case_says_what_comes_from_outside_and_what_comes_of_it() {
    let place = place(GOOD);
    let done = place.run(&["test", "order.test.yaml", "--coverage", "100", "--junit", "report.xml"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.out,
        "order.test.yaml\n  ✓ all goes well\n  ✓ a rollback\n  ✓ a cancel\n  100 % of the steps and ways of order taken\n\n3 passed, 0 failed\n"
    );
    let report = std::fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(
        report.contains("<testsuite name=\"order.test.yaml\" tests=\"3\" failures=\"0\" errors=\"0\">"),
        "{report}"
    );
    let one = place.run(&["test", "order.test.yaml", "--only", "rollback", "--coverage", "99"]);
    assert_eq!(one.code, 1, "{one:?}");
    assert!(one.out.contains("and 99 % are wanted\n    look never runs\n    go never runs\n"), "{}", one.out);
    assert!(!place.home().exists());
}

#[test]
fn what_came_out_otherwise_is_told_at_the_place_of_what_was_expected() {
    let place = place(
        "- name: all <wrong>\n  given: {params: {n: 1}, steps: {charge: {result: {ok: true}}, ask: {result: {}}}}\n  \
         expect:\n    status: completed\n    error: timeout\n    output: {}\n    path: [charge, ship, ask]\n    \
         results: {charge: {ok: false}, look: 1}\n    attempts: {ship: 2}\n    skipped: [ship]\n    undone: [charge]\n    \
         times: {ship: 5s}\n    took: 1h\n",
    );
    let done = place.run(&["test", "order.test.yaml", "--junit", "report.xml"]);
    assert_eq!(done.code, 1, "{done:?}");
    for told in [
        "error[C0601]: the execution is waiting\n --> order.test.yaml:6:13\n",
        "= help: give what it waits for",
        "the execution is waiting, without an error\n --> order.test.yaml:7:12\n",
        "there is no output: it is waiting\n --> order.test.yaml:8:13\n",
        "`ask` runs here, not `ship`\n --> order.test.yaml:9:20\n",
        "= help: what runs: [charge, ask, ship, go]\n",
        "`ok` of the result of `charge` is true, not false\n  --> order.test.yaml:10:23\n",
        "there is no result: it is skipped\n  --> order.test.yaml:10:42\n",
        "`ship` takes 1 attempts\n  --> order.test.yaml:11:22\n",
        "`ship` is not skipped: it is completed\n  --> order.test.yaml:12:15\n",
        "nothing more is taken back, and `charge` is expected\n  --> order.test.yaml:13:14\n",
        "`ship` is entered after 2s\n  --> order.test.yaml:14:19\n",
        "all of it takes 3s\n  --> order.test.yaml:15:11\n",
    ] {
        assert!(done.err.contains(told), "`{told}` is not in {}", done.err);
    }
    assert!(done.out.ends_with("0 passed, 1 failed\n"), "{}", done.out);
    let report = std::fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(report.contains("<testcase name=\"all &lt;wrong&gt;\""), "{report}");
    assert!(report.contains("<failure message=\"the execution is waiting\">error[C0601]"), "{report}");
    let document = place.json(&["test", "order.test.yaml", "-o", "json"]);
    assert_eq!(
        (&document["status"], &document["files"][0]["cases"][0]["passed"]),
        (&"failed".into(), &false.into())
    );
    let problem = &document["files"][0]["cases"][0]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["line"], &problem["column"]),
        (&"C0601".into(), &6.into(), &13.into())
    );
}

#[test]
fn what_is_wrong_with_a_file_of_cases_is_told_and_none_of_them_runs() {
    let wrong = |cases: &str, code: i32, words: &[&str]| {
        let done = place(cases).run(&["test", "order.test.yaml"]);
        assert_eq!(done.code, code, "{done:?}");
        words.iter().for_each(|word| assert!(done.err.contains(word), "`{word}` is not in {done:?}"));
        assert!(done.out.ends_with("0 passed, 0 failed, 1 files without a run\n"), "{done:?}");
    };
    wrong("- {name: a, expects: {}}\n", 3, &["error[C0201]", "`expects`", "`expect`"]);
    wrong("- {name: a, expect: {status: done}}\n", 3, &["error[C0209]"]);
    wrong(
        "- {name: a, given: {params: {n: 1}, steps: {shp: {fail: true}}}, expect: {path: [charg]}}\n",
        3,
        &[
            "error[C0304]: the chain has no step `shp`",
            "did you mean `ship`?",
            "error[C0304]: the chain has no step `charg`",
        ],
    );
    wrong(
        "- {name: a, given: {params: {n: x}, steps: {charge: {result: 7}}}, expect: {}}\n",
        3,
        &["the result of `charge` must be of type object", "parameter `n` must be of type integer"],
    );
    wrong("- {name: a, given: {at: noon}, expect: {}}\n", 3, &["error[C0219]"]);
    let place = place("- {name: a, expect: {}}\n");
    place.run(&["test", "nothing.yaml"]).fails(4, &["cannot read nothing.yaml"]);
    std::fs::remove_file(place.path("order.yaml")).unwrap();
    place.run(&["test", "order.test.yaml"]).fails(4, &["cannot read order.yaml"]);
}

#[test]
fn an_execution_becomes_a_case() {
    let place = Place::new();
    place.write(
        "seen.yaml",
        "name: seen\nsteps:\n- {id: a, shell: 'echo 3', parse: json, output_key: a, undo: {id: back, shell: 'true'}}\n\
         - {id: b, shell: exit 4, retry_config: {max_attempts: 2, initial_delay: 10ms, jitter: false}, error_policy: rollback}\n",
    );
    assert_eq!(place.run(&["run", "seen.yaml"]).code, 1);
    let done = place.run(&["test", "--from-execution", "2"]);
    assert_eq!(done.code, 0, "{done:?}");
    place.write("seen.test.yaml", &done.out);
    let again = place.run(&["test", "seen.test.yaml"]);
    assert_eq!(again.code, 0, "{again:?}\n{}", done.out);
    for part in ["\"undone\": [", "\"status\": \"rolled_back\"", "\"type\": \"exit_code\"", "\"times\": 2"] {
        assert!(done.out.contains(part), "{}", done.out);
    }
    place.run(&["test", "--from-execution", "9"]).fails(4, &["9"]);
}

#[test]
fn cases_run_again_when_a_file_changes() {
    let place = place("- {name: a, given: {params: {n: 1}}, expect: {status: waiting}}\n");
    let mut child = place.spawn(&["test", "order.test.yaml", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |end: &str| while !lines.next().expect("it goes on").ends_with(end) {};
    until("0 passed, 1 failed");
    // A word of it tells that it watches; what changes from then on is seen.
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut watching = || while !talk.next().expect("it goes on").starts_with("watching") {};
    watching();
    place.write("order.yaml", &CHAIN.replace("expires: 1h", ""));
    until("1 passed, 0 failed");
    watching();
    super::signal(&child, rustix::process::Signal::INT);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_case_can_be_about_one_step_with_a_context() {
    let chain = "\
name: prices
steps:
- {id: fetch, shell: curl, output_key: price, output: {type: number}}
- {id: gross, set: {gross: '{price * 2}'}}
- {id: far, shell: fly}
";
    let place = Place::new();
    place.write("prices.yaml", chain);
    let case = |context: &str, expect: &str| {
        let cases =
            format!("- {{name: one, given: {{only: gross, context: {context}}}, expect: {expect}}}\n");
        place.write("prices.test.yaml", &format!("chain: prices.yaml\ncases:\n{cases}"));
        place.run(&["test", "prices.test.yaml"])
    };
    let done = case("{price: 21}", "{status: completed, path: [gross], results: {gross: {gross: 42}}}");
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    let done = case("{steps: {fetch: {result: dear}}, prise: 1}", "{status: completed}");
    assert_eq!(done.code, 3, "{}", done.err);
    for told in ["the result of `fetch` must be of type number", "has no name `prise`", "prices.test.yaml:3:"]
    {
        assert!(done.err.contains(told), "{told}: {}", done.err);
    }
    case("{price: 21}", "{status: completed}");
    let document = place.json(&["test", "prices.test.yaml", "-o", "json"]);
    let timeline = document["files"][0]["cases"][0]["timeline"].as_array().unwrap();
    assert_eq!(timeline.last().unwrap()["event"], "execution_ended");
}
