//! Steps in Python and JavaScript, as a person runs them.

use super::{Json, Place};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn the_example_of_both_languages_passes_values_on() {
    let place = Place::new();
    let done = place.run(&["run", &format!("{EXAMPLES}/code/chain.yaml"), "--set", "most=2"]);
    assert_eq!((done.code, done.out.as_str()), (0, "the ████ 4\nfox ██ 2\n"), "{done:?}");
}

/// The form in which a program sends a step, and the one in which a person runs a file.
#[test]
fn base64_and_a_single_file_run_like_any_code() {
    let place = Place::new();
    let text = r#"{"name": "sent", "steps": [{"name": "One", "code": "ZGVmIG1haW4oKTogcmV0dXJuIDQy", "output_key": "one"}], "output": "{one}"}"#;
    place.write("sent.json", text);
    assert_eq!(place.run(&["run", "sent.json"]).out, "42\n");
    place.write(
        "task.py",
        "async def something():\n  return 41\ndef async_task():\n  result = yield something()\n  return {'n': result}\n",
    );
    assert_eq!(place.run(&["run", "--file", "task.py"]).out, "{\"n\":41}\n");
    place.write("task.js", "import os from 'node:os';\nexport default async () => typeof os.EOL");
    assert_eq!(place.run(&["run", "--file", "task.js"]).out, "string\n");
}

#[test]
fn a_missing_interpreter_is_told_before_anything_runs() {
    let place = Place::new();
    place.write("chain.yaml", "steps:\n- {shell: touch started}\n- {name: Count words, javascript: '1'}\n");
    let mut command = place.command(&["run", "chain.yaml"]);
    let output = command.env("PATH", place.path("nowhere")).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("`node`, which runs step `count_words`, is not in PATH: install Node.js"),
        "{said}"
    );
    assert!(said.contains("\n  next: "), "{said}");
    assert!(!place.path("started").exists());
}

#[test]
fn an_exception_is_a_failure_of_its_own_type() {
    let place = Place::new();
    let text = "\
steps:
  - name: Fetch
    file: fetch.py
    retry_config: {max_attempts: 2, initial_delay: 0, on: [ConnectionError]}
";
    place.write("chain.yaml", text);
    place.write("fetch.py", "def main():\n    # It is gone.\n    raise ConnectionError('gone')\n");
    let done = place.json(&["run", "chain.yaml", "-o", "json"]);
    let step = &done["steps"][0];
    assert_eq!((&step["status"], &step["attempts"]), (&Json::from("failed"), &Json::from(2)));
    assert_eq!(
        (&step["error"]["type"], &step["error"]["message"]),
        (&"ConnectionError".into(), &"gone".into())
    );
    let detail = &step["error"]["detail"];
    assert_eq!(detail["line"], 3);
    let trace = detail["traceback"].as_str().unwrap();
    assert!(trace.contains("/fetch.py\", line 3, in main\n    raise ConnectionError('gone')\n"), "{trace}");

    place.write("fetch.py", "def main(:\n");
    let done = place.json(&["run", "chain.yaml", "-o", "json"]);
    let step = &done["steps"][0];
    assert_eq!((&step["error"]["type"], &step["attempts"]), (&"SyntaxError".into(), &1.into()));
}

/// The file of the context is there for who names it, and for nobody else.
#[test]
fn the_context_is_written_for_who_names_it() {
    let place = Place::new();
    let text = "\
steps:
  - {shell: echo one, output_key: first}
  - {name: Named, python: 'def main(context): return context[\"results\"][\"first\"]', output_key: named}
  - {name: Not named, python: 'import os; print(os.path.exists(os.environ[\"CATENA_\" + \"CONTEXT\"]))', output_key: not_named}
  - {name: Asked for, javascript: 'exports.main = () => globalThis[\"con\" + \"text\"].current_step', context: true, output_key: asked}
output: [\"{named}\", \"{not_named}\", \"{asked}\"]
";
    place.write("chain.yaml", text);
    assert_eq!(place.run(&["run", "chain.yaml"]).out, "[\"one\",\"False\",\"Asked for\"]\n");
}

/// The object of the Task Chain seed, with numbers for ids.
#[test]
fn the_context_is_the_object_that_the_seed_describes() {
    let place = Place::new();
    place.write(
        "brief.yaml",
        "name: brief\nvariables: {user_id: user123}\nsteps:\n  \
         - {name: Get Weather, shell: 'echo 72', parse: json, output_key: weather}\n  \
         - {name: Flaky, shell: exit 3, error_policy: continue}\n  \
         - {name: Generate Report, python: 'def main(context): return context', output_key: seen}\noutput: '{seen}'\n",
    );
    let document = place.json(&["run", "brief.yaml", "-o", "json"]);
    let (context, execution) = (&document["execution"]["output"], &document["execution"]);
    let chain = &place.json(&["chain", "show", "brief", "-o", "json"])["chain"]["id"];
    assert!(chain.is_u64() && context["chain_id"] == *chain, "{chain} in {document}");
    assert_eq!(context["execution_id"], execution["id"]);
    assert_eq!(context["start_time"], execution["started_at"]);
    assert_eq!(context["variables"]["user_id"], "user123");
    let day = context["variables"]["date"].as_str().unwrap();
    assert!(execution["started_at"].as_str().unwrap().starts_with(day));
    assert_eq!(context["results"], serde_json::json!({"weather": 72}));
    assert_eq!(context["current_step"], "Generate Report");
    assert_eq!(context["completed_steps"], serde_json::json!(["Get Weather"]));
    assert_eq!(context["errors"]["Flaky"]["type"], "exit_code", "{context}");
}
