//! Large values as users meet them: a process leaves one, others read it, compute on it and pass it on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value as Json;

const MIB: usize = 1024 * 1024;

struct Place {
    dir: tempfile::TempDir,
}

#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
        command.current_dir(self.dir.path()).env("CATENA_HOME", self.dir.path().join("home"));
        command.args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Done { code, out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self, args: &[&str]) -> Json {
        let done = self.run(args);
        serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}", done.err))
    }

    /// Runs a chain that completes; `data` is its output.
    fn output(&self, text: &str) -> Json {
        self.write("chain.yaml", text);
        let document = self.json(&["run", "chain.yaml", "-o", "json"]);
        assert_eq!(document["execution"]["status"], "completed", "{}", document["execution"]["error"]);
        assert_eq!(self.run(&["doctor"]).code, 0);
        document["execution"]["output"].clone()
    }

    /// Runs a chain that fails, and gives its error.
    fn error(&self, text: &str) -> Json {
        self.write("chain.yaml", text);
        let document = self.json(&["run", "chain.yaml", "-o", "json"]);
        assert_eq!(document["execution"]["status"], "failed");
        document["execution"]["error"].clone()
    }
}

/// A step that prints so many bytes.
fn print(name: &str, bytes: usize) -> String {
    format!("- {{name: {name}, shell: head -c {bytes} /dev/zero | tr '\\0' x, output_key: {name}}}\n")
}

#[test]
fn a_large_result_is_read_counted_and_measured() {
    let place = Place::new();
    let steps = print("big", MIB);
    let text = format!(
        "steps:\n{steps}\
         - {{name: Count, shell: wc -c, stdin: '{{big}}', parse: json, output_key: count}}\n\
         - {{name: Measure, set: {{length: '{{big | length}}', text: 'it is {{big}}!'}}}}\n\
         - {{name: Whether, when: 'big[0] == \"x\"', shell: wc -c, stdin: '{{steps.big.result}}', parse: json, \
             output_key: again}}\n\
         output: {{count: '{{count}}', length: '{{length}}', again: '{{again}}', text: '{{text | length}}', \
             last: '{{big}}'}}\n"
    );
    let output = place.output(&text);
    assert_eq!(output["count"], MIB);
    assert_eq!(output["length"], MIB);
    assert_eq!(output["again"], MIB);
    assert_eq!(output["text"], MIB + 7);
    assert_eq!(output["last"].as_str().map(str::len), Some(MIB));

    // The journal has the reference, the documents have the value.
    let events = place.run(&["ps", "events", "2"]);
    assert!(events.out.len() < 20_000, "{} bytes", events.out.len());
    assert!(events.out.contains("\"stored\":{\"sha256\":"), "{}", events.out);
    let shown = place.json(&["ps", "show", "2", "-o", "json"]);
    assert_eq!(shown["execution"]["output"], output);
    assert_eq!(shown["steps"][0]["result"].as_str().map(str::len), Some(MIB));
    assert_eq!(place.json(&["ps", "ls", "-o", "json"])["executions"][0]["output"], output);
    // As text, the output is all that stdout has.
    place.write("plain.yaml", &format!("steps:\n{steps}output: '{{big}}'\n"));
    assert_eq!(place.run(&["run", "plain.yaml"]).out.len(), MIB + 1);
}

#[test]
fn what_is_larger_than_a_value_may_be_is_a_failure_or_only_a_log() {
    let place = Place::new();
    let error = place.error(&format!("steps:\n{}", print("huge", 17 * MIB)));
    assert_eq!(error["type"], "result_too_large");
    let step = print("log", 17 * MIB).replace(", output_key: log", "");
    assert_eq!(place.output(&format!("steps:\n{step}")), Json::Null);
}

#[test]
fn what_is_too_long_for_the_system_says_what_to_do() {
    let place = Place::new();
    let steps = print("big", MIB);
    for step in ["{env: {BIG: '{big}'}, shell: 'true'}", "{command: [echo, '{big}']}"] {
        let error = place.error(&format!("steps:\n{steps}- {step}\n"));
        assert_eq!(error["type"], "cannot_start");
        assert!(error["message"].as_str().unwrap().contains("`stdin`"), "{error}");
    }
}

#[test]
fn parameters_output_files_and_loops_carry_large_values() {
    let place = Place::new();
    let pages: Vec<Json> = (0..3).map(|n| serde_json::json!({"n": n, "text": "y".repeat(MIB)})).collect();
    // What looks like a reference is data.
    let marked = serde_json::json!({"$catena": {"stored": {"sha256": "0".repeat(64), "bytes": 1}}});
    place.write("input.json", &serde_json::json!({"pages": pages, "odd": marked}).to_string());
    place.write(
        "chain.yaml",
        "params: {pages: {type: array}, odd: {type: object}}\nsteps:\n\
         - name: Each\n  for_each:\n    items: pages\n    as: page\n    steps:\n    \
             - {name: Size, shell: 'cat > \"$CATENA_OUTPUT\"', stdin: '{page.text}', output_key: text}\n  \
           output_key: texts\n\
         - {name: Both, shell: 'wc -c', stdin: '{texts}', parse: json, output_key: count}\n\
         - {name: Context, shell: 'test $(wc -c < \"$CATENA_CONTEXT\") -gt 6000000'}\n\
         output: {count: '{count}', last: '{texts[2] | length}', odd: '{odd}', n: '{pages[1].n}'}\n",
    );
    let args = ["run", "chain.yaml", "--input", "input.json", "-o", "json"];
    let document = place.json(&args);
    let execution = &document["execution"];
    let expected = serde_json::json!({"count": 3 * (MIB + 3) + 1, "last": MIB, "odd": marked, "n": 1});
    assert_eq!(execution["output"], expected, "{}", execution["error"]);
    assert!(place.run(&["ps", "events", "2"]).out.len() < 30_000);
    assert_eq!(place.run(&["doctor"]).code, 0);
}

/// Many values of one MiB each, made, passed on and gathered: the host holds few of them at a time.
#[test]
fn values_that_are_passed_on_do_not_stay_in_memory() {
    const VALUES: usize = 50;
    /// The program alone takes half of it; with all values in memory it would take much more.
    const MEMORY_MAX_KIB: usize = 60 * 1024;
    let place = Place::new();
    let [started, go] = ["started", "go"].map(|name| place.dir.path().join(name));
    assert!(Command::new("mkfifo").args([&started, &go]).status().unwrap().success());
    let items: Vec<usize> = (0..VALUES).collect();
    let text = format!(
        "steps:\n\
         - name: Each\n  for_each:\n    items: '{items:?}'\n    max_parallel: 4\n    steps:\n    \
             - {{name: Make, env: {{N: '{{item}}'}}, shell: 'echo $N; head -c {MIB} /dev/zero | tr \"\\0\" x', \
                 output_key: big}}\n    \
             - {{name: Pass, set: {{same: '{{big}}'}}}}\n  \
           output_key: all\n\
         - {{name: Again, set: {{again: '{{all}}'}}}}\n\
         - {{name: Held, env: {{STARTED: '{}', GO: '{}'}}, shell: echo > \"$STARTED\"; read word < \"$GO\"}}\n\
         output: '{{again[49].same | length}}'\n",
        started.display(),
        go.display()
    );
    place.write("chain.yaml", &text);
    let host = place.command(&["run", "chain.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    std::fs::read(&started).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    std::fs::write(&go, "go\n").unwrap();
    let output = host.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", MIB + 3));
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}
