//! The program as its users have it: arguments in, exit code and streams out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/chains.rs"]
mod chains;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/code.rs"]
mod code;
#[path = "cli/completion.rs"]
mod completion;
#[path = "cli/context.rs"]
mod context;
#[path = "cli/document.rs"]
mod document;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/flow.rs"]
mod flow;
#[path = "cli/graph.rs"]
mod graph;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/log.rs"]
mod log;
#[path = "cli/people.rs"]
mod people;
#[path = "cli/preview.rs"]
mod preview;
#[path = "cli/prove.rs"]
mod prove;
#[path = "cli/realms.rs"]
mod realms;
#[path = "cli/rerun.rs"]
mod rerun;
#[path = "cli/schedules.rs"]
mod schedules;
#[path = "cli/sim.rs"]
mod sim;
#[path = "cli/start.rs"]
mod start;
#[path = "cli/talk.rs"]
mod talk;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/time.rs"]
mod time;
#[path = "cli/why.rs"]
mod why;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

/// A home and a folder of definitions of one's own.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.path("home")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A named pipe: steps tell by it that they have come so far, and wait by it for the test.
    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
        command.current_dir(self.dir.path()).env("CATENA_HOME", self.home()).env("NO_COLOR", "1");
        command.env_remove("GITHUB_ACTIONS");
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        Done::from(self.command(args).output().unwrap())
    }

    fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    fn json(&self, args: &[&str]) -> Json {
        let done = self.run(args);
        serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
    }

    /// The names of what lies in the folder.
    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn store(&self) -> PathBuf {
        self.home().join("catena.db")
    }
}

#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Done {
    /// Success, and words of what it says.
    fn says(&self, words: &[&str]) {
        assert_eq!(self.code, 0, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
    }

    /// The exit code, words of the message, and a next step.
    fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
        assert!(self.err.contains("next: ") || self.err.contains("--help"), "no next step in {self:?}");
    }
}

/// Waits for a step to write to the pipe.
fn hear(pipe: &Path) -> String {
    let mut line = String::new();
    // Empty is what is left of a writer that was heard before and has not closed its end yet.
    while line.is_empty() {
        BufReader::new(std::fs::File::open(pipe).unwrap()).read_line(&mut line).unwrap();
    }
    line.trim().to_owned()
}

/// Lets a step go that reads from the pipe.
fn tell(pipe: &Path) {
    writeln!(std::fs::OpenOptions::new().write(true).open(pipe).unwrap(), "go").unwrap();
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A chain whose second step tells when it runs, and ends when it is told to.
fn held_chain(place: &Place) -> (PathBuf, PathBuf) {
    held_chain_named(place, "held")
}

/// Each has pipes of its own: whoever waits at a shared one may hear what was meant for another.
fn held_chain_named(place: &Place, name: &str) -> (PathBuf, PathBuf) {
    let (started, go) = (place.pipe(&format!("started-{name}")), place.pipe(&format!("go-{name}")));
    let text = format!(
        "name: {name}\nsteps:\n\
         - {{name: First, shell: echo one >> \"$CATENA_DIR/first\"}}\n\
         - name: Held\n  env: {{STARTED: '{}', GO: '{}'}}\n  \
           shell: echo $$ > \"$STARTED\"; read word < \"$GO\"; echo held >> \"$CATENA_DIR/held\"; echo $word\n  \
           output_key: word\noutput: '{{word}}'\n",
        started.display(),
        go.display()
    );
    place.write(&format!("{name}.yaml"), &text);
    (started, go)
}

#[test]
fn a_chain_carries_data_and_leaves_its_output() {
    let place = Place::new();
    place.write("count.py", "import os, json\nprint(json.dumps({'n': len(os.environ['TEXT'])}))\n");
    place.write(
        "chain.yaml",
        "name: three\nparams: {who: {type: string, default: world}}\nsteps:\n\
         - {name: Greet, env: {WHO: '{who}'}, shell: printf 'Hello %s' \"$WHO\", output_key: text}\n\
         - {name: Count, file: count.py, env: {TEXT: '{text}'}, parse: json, output_key: count}\n\
         - {name: Sum, set: {sum: '{count.n + 1}'}}\n\
         output: {text: '{text}', sum: '{sum}'}\n",
    );
    let done = place.run(&["run", "chain.yaml", "--set", "who=Rome"]);
    assert_eq!((done.code, done.out.as_str()), (0, "{\"text\":\"Hello Rome\",\"sum\":11}\n"), "{done:?}");

    let document = place.json(&["run", "chain.yaml", "-o", "json"]);
    assert_eq!(document["schema"], "catena/v1");
    assert_eq!(document["execution"]["status"], "completed");
    assert_eq!(document["execution"]["output"]["text"], "Hello world");
    assert_eq!(document["execution"]["error"], Json::Null);
    let steps = document["steps"].as_array().unwrap();
    let named = |key: &str| steps.iter().map(|step| step[key].clone()).collect::<Vec<_>>();
    assert_eq!(named("kind"), ["shell", "file", "set"]);
    assert_eq!(named("attempts"), [1, 1, 0]);
    assert_eq!(document["problems"], serde_json::json!([]));

    let shown = place.json(&["ps", "show", &document["execution"]["id"].to_string(), "-o", "json"]);
    assert_eq!(shown["steps"], document["steps"]);
    assert_eq!(place.json(&["ps", "ls", "-o", "json"])["executions"].as_array().unwrap().len(), 2);
    assert_eq!(place.run(&["doctor"]).code, 0);
}

#[test]
fn events_are_lines_without_a_gap() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{shell: echo a}, {shell: echo b}]\n");
    let done = place.run(&["run", "chain.yaml", "-o", "jsonl"]);
    let mut lines: Vec<Json> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let document = lines.pop().unwrap();
    assert_eq!(document["execution"]["chain"], "chain");
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let id = document["execution"]["id"].to_string();
    let again = place.run(&["ps", "events", &id]);
    assert_eq!(
        again.out.lines().map(|l| serde_json::from_str::<Json>(l).unwrap()).collect::<Vec<_>>(),
        lines
    );
    assert_eq!(place.run(&["ps", "events", &id, "--after", "3"]).out.lines().count(), lines.len() - 3);
}

#[test]
fn a_failed_step_says_why_with_its_last_lines() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps: [{name: Break, shell: echo first >&2; echo the cause >&2; exit 3}, {shell: echo no}]\n",
    );
    let done = place.run(&["run", "chain.yaml"]);
    done.fails(1, &["✗ break", "exit code 3", "the cause"]);
    assert_eq!(done.out, "");
    let logs = place.run(&["ps", "logs", "2"]);
    assert_eq!(logs.out, "first\nthe cause\n");
    let shown = place.json(&["ps", "show", "2", "-o", "json"]);
    assert_eq!(shown["execution"]["error"]["type"], "exit_code");
    assert_eq!(shown["steps"][0]["error"]["detail"]["exit_code"], 3);
    assert_eq!(shown["steps"][1]["status"], "skipped");
}

#[test]
fn failures_let_pass_are_success_unless_strict() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{shell: exit 1, error_policy: continue}, {shell: echo on}]\n");
    assert_eq!(place.run(&["run", "chain.yaml"]).code, 0);
    assert_eq!(place.run(&["run", "chain.yaml", "--strict"]).code, 1);
}

#[test]
fn a_rollback_takes_back_in_reverse_order() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n\
         - {name: A, shell: 'true', undo: {name: Undo A, shell: echo a >> \"$CATENA_DIR/undone\"}}\n\
         - {name: B, shell: 'true', undo: {name: Undo B, shell: echo b >> \"$CATENA_DIR/undone\"}}\n\
         - {name: C, shell: 'false', error_policy: rollback}\n",
    );
    place.run(&["run", "chain.yaml"]).fails(1, &["rolled_back"]);
    assert_eq!(std::fs::read_to_string(place.home().join("run/2/undone")).unwrap(), "b\na\n");
}

#[test]
fn bad_input_says_what_where_and_what_to_do() {
    let place = Place::new();
    let check = |name: &str, text: &str, words: &[&str]| {
        place.write(name, text);
        place.run(&["run", name]).fails(3, words);
        let document = place.json(&["run", name, "-o", "json"]);
        assert_eq!(document["execution"], Json::Null);
        assert!(document["problems"][0]["line"].as_u64().unwrap() >= 1);
        assert_eq!(place.run(&["check", name]).code, 3);
    };
    check("broken.yaml", "steps:\n  - shell: 'x\n", &["broken.yaml:"]);
    check(
        "key.yaml",
        "steps:\n  - shell: echo\n    outptu_key: x\n",
        &["key.yaml:3:5", "did you mean `output_key`"],
    );
    check("kind.yaml", "steps:\n  - shel: echo\n", &["kind.yaml:2:5", "did you mean `shell`"]);
    check("file.yaml", "steps:\n  - file: nowhere.py\n", &["file.yaml:2:11", "nowhere.py"]);
    check(
        "name.yaml",
        "steps:\n  - {shell: echo, env: {A: '{wether}'}}\nvariables: {weather: 1}\n",
        &["`weather`"],
    );
    place.write("later.yaml", "steps:\n  - notify: other\n");
    place.run(&["run", "later.yaml"]).fails(3, &["later.yaml:2:5", "does not run `notify` in line 2 yet"]);
    let document = place.json(&["run", "later.yaml", "-o", "json"]);
    assert_eq!(document["problems"][0]["severity"], "error", "here it is what the start failed of");
    assert_eq!(place.run(&["check", "later.yaml"]).code, 0, "the definition itself is sound");
    assert!(!place.home().exists(), "a definition that cannot run leaves no trace");

    place.run(&["run", "missing.yaml"]).fails(4, &["missing.yaml"]);
    place.run(&["ps", "show", "7"]).fails(4, &["there is no store"]);
    place.run(&["frob"]).fails(2, &["frob"]);
    place.run(&["explain", "C9999"]).fails(4, &["C9999"]);
    place.write("good.yaml", "params: {n: {type: integer}}\nsteps: [{command: [echo, '{n}']}]\n");
    place.run(&["run", "good.yaml"]).fails(2, &["`n` is required"]);
    place.run(&["run", "good.yaml", "--set", "n=x"]).fails(2, &["must be of type integer"]);
    place.run(&["run", "good.yaml", "--set", "n"]).fails(2, &["has no `=`"]);
    assert_eq!(place.run(&["run", "good.yaml", "--set", "n=1"]).code, 0);
    place.run(&["ps", "show", "99"]).fails(4, &["no execution 99"]);
}

#[test]
fn a_program_that_is_not_there_and_a_folder_that_is_not_there_are_failures_with_their_cause() {
    let place = Place::new();
    place.write("program.yaml", "steps: [{command: [no-such-program]}]\n");
    place.run(&["run", "program.yaml"]).fails(1, &["no-such-program"]);
    place.write("folder.yaml", "steps: [{shell: echo, workdir: nowhere}]\n");
    place.run(&["run", "folder.yaml"]).fails(1, &["nowhere"]);
    let shown = place.json(&["ps", "show", "2", "-o", "json"]);
    assert_eq!(shown["execution"]["error"]["type"], "cannot_start");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{shell: echo a}]\n");
    assert_eq!(place.run(&["run", "chain.yaml"]).code, 0);
    rusqlite::Connection::open(place.store()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    place.run(&["run", "chain.yaml"]).fails(6, &["store format 99"]);
    place.run(&["ps", "ls"]).fails(6, &["store format 99"]);
    let foreign = place.path("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let foreign = foreign.to_str().unwrap();
    place.run(&["run", "chain.yaml", "--store", foreign]).fails(6, &["no Catena store"]);
}

#[test]
fn a_host_that_does_not_answer_is_named() {
    let place = Place::new();
    place.write("chain.yaml", "steps: [{shell: echo a}]\n");
    std::fs::create_dir(place.home()).unwrap();
    let _lock = catena_store::sqlite::HostLock::take(&place.store()).unwrap();
    place.run(&["run", "chain.yaml"]).fails(5, &[&format!("process {}", std::process::id())]);
}

#[test]
fn what_was_running_when_the_engine_was_killed_goes_on_and_runs_once() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let mut engine = place.spawn(&["run", "held.yaml"]);
    let pid = hear(&started);
    signal(&engine, Signal::KILL);
    engine.wait().unwrap();
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "the step has outlived the engine");

    let document = place.spawn(&["run", "held.yaml", "-o", "json", "--key", "second"]);
    // The second execution waits at the same pipe as the first: one is let go, then the other.
    tell(&go);
    assert_ne!(hear(&started), pid);
    tell(&go);
    let done = Done::from(document.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("going on with unfinished: 2"), "{done:?}");
    for id in ["2", "3"] {
        let run = place.home().join("run").join(id);
        assert_eq!(std::fs::read_to_string(run.join("first")).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(run.join("held")).unwrap(), "held\n");
    }
    let shown = place.json(&["ps", "show", "2", "-o", "json"]);
    assert_eq!(shown["execution"]["output"], "go");
    assert_eq!(shown["steps"][1]["attempts"], 1);
    assert_eq!(place.run(&["doctor"]).code, 0);
}

#[test]
fn a_second_terminal_works_beside_a_running_chain() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let host = place.spawn(&["run", "held.yaml"]);
    let pid = hear(&started);
    place.write("quick.yaml", "steps: [{shell: echo quick, output_key: a}]\noutput: '{a}'\n");
    let quick = place.run(&["run", "quick.yaml"]);
    assert_eq!((quick.code, quick.out.as_str()), (0, "quick\n"), "{quick:?}");
    assert!(quick.err.contains("hosts the store"), "{quick:?}");
    assert_eq!(place.json(&["ps", "show", "2", "-o", "json"])["execution"]["status"], "running");
    assert_eq!(
        place.json(&["ps", "ls", "--unfinished", "-o", "json"])["executions"].as_array().unwrap().len(),
        1
    );
    assert_eq!(place.run(&["ps", "cancel", "2"]).code, 0);
    let done = Done::from(host.wait_with_output().unwrap());
    done.fails(8, &["cancelled"]);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "nothing of it is alive after its end");
    place.run(&["ps", "cancel", "2"]).fails(5, &["has ended"]);
    drop(go);
}

#[test]
fn logs_are_followed_to_the_end_of_the_execution() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let host = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    let follower = place.spawn(&["ps", "logs", "2", "-f"]);
    tell(&go);
    let followed = Done::from(follower.wait_with_output().unwrap());
    assert_eq!((followed.code, followed.out.as_str()), (0, "go\n"), "{followed:?}");
    assert_eq!(Done::from(host.wait_with_output().unwrap()).code, 0);
    let stamped = place.run(&["ps", "logs", "2", "--timestamps", "--step", "held"]);
    assert!(stamped.out.ends_with("Z out go\n"), "{stamped:?}");
}

#[test]
fn parameters_come_from_a_file_standard_input_or_text() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "params: {a: {type: integer}, b: {}}\nsteps: [{set: {sum: '{a}-{b}'}}]\noutput: '{sum}'\n",
    );
    place.write("input.json", r#"{"a": 1, "b": "file"}"#);
    place.write("b.txt", "from a file");
    let check = |args: &[&str], expected: &str| {
        let done = place.run(&[&["run", "chain.yaml"], args].concat());
        assert_eq!(done.out.trim_end(), expected, "{done:?}");
    };
    check(&["--input", "input.json"], "1-file");
    check(&["--input", "input.json", "--set", "b=[1, 2]"], "1-[1,2]");
    check(&["--set", "a=5", "--set", "b=@b.txt"], "5-from a file");
    place.run(&["run", "chain.yaml", "--input", "b.txt"]).fails(2, &["no JSON object"]);
    place.run(&["run", "chain.yaml", "--input", "nowhere.json"]).fails(4, &["nowhere.json"]);
}

#[test]
fn a_key_answers_the_first_execution() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "params: {a: {default: 1}}\nsteps: [{shell: echo a >> \"$CATENA_DIR/../../count\"}]\n",
    );
    let first = place.json(&["run", "chain.yaml", "--key", "k", "-o", "json"]);
    let again = place.json(&["run", "chain.yaml", "--key", "k", "-o", "json"]);
    assert_eq!(first, again);
    assert_eq!(std::fs::read_to_string(place.home().join("count")).unwrap(), "a\n");
    place.run(&["run", "chain.yaml", "--key", "k", "--set", "a=2"]).fails(5, &["key `k`"]);
}

#[test]
fn who_follows_takes_over_when_the_host_goes() {
    let place = Place::new();
    let (held_started, held_go) = held_chain_named(&place, "held");
    let (slow_started, slow_go) = held_chain_named(&place, "slow");
    let mut host = place.spawn(&["run", "held.yaml"]);
    hear(&held_started);
    let follower = place.spawn(&["run", "slow.yaml"]);
    hear(&slow_started);
    signal(&host, Signal::KILL);
    host.wait().unwrap();
    tell(&held_go);
    tell(&slow_go);
    let done = Done::from(follower.wait_with_output().unwrap());
    assert_eq!((done.code, done.out.as_str()), (0, "go\n"), "{done:?}");
    assert!(done.err.contains("taking over"), "{done:?}");
    let rows = place.json(&["ps", "ls", "-o", "json"]);
    assert!(rows["executions"].as_array().unwrap().iter().all(|row| row["status"] == "completed"), "{rows}");
}

#[test]
fn an_undo_that_fails_is_told_and_does_not_hold_the_command() {
    let place = Place::new();
    place.write(
        "chain.yaml",
        "steps:\n- {shell: 'true', undo: {shell: exit 9}}\n- {shell: exit 1, error_policy: rollback}\n",
    );
    place.run(&["run", "chain.yaml"]).fails(1, &["stuck"]);
}

#[test]
fn numbers_mean_one_thing_and_the_store_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write(
        "chain.yaml",
        "params: {v: {type: string, default: a}}\nsteps: [{set: {x: '{v}'}}]\noutput: '{x}'\n",
    );
    assert_eq!(place.run(&["run", "chain.yaml", "--set", "v=1.10"]).out, "1.10\n");
    place.run(&["ps", "cancel", "1"]).fails(4, &["no execution 1"]);
    assert!(place.run(&["ps", "show", "1"]).err.contains("latest execution, 2"));
    let mode = std::fs::metadata(place.store()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.write("file", "");
    place.run(&["ps", "ls", "--home", "file"]).fails(6, &["file/catena.db"]);
    place.write("broken.yaml", "steps: [{shell: 'true'}]\noutput: '{steps.shell.error.kind}'\n");
    place.run(&["run", "broken.yaml"]).fails(1, &["template_error"]);
}

#[test]
fn an_interrupt_cancels_and_a_request_to_end_leaves() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let engine = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    signal(&engine, Signal::INT);
    let done = Done::from(engine.wait_with_output().unwrap());
    assert_eq!(done.code, 130, "{done:?}");
    assert_eq!(place.json(&["ps", "show", "2", "-o", "json"])["execution"]["status"], "cancelled");

    let engine = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    signal(&engine, Signal::TERM);
    let done = Done::from(engine.wait_with_output().unwrap());
    assert_eq!(done.code, 130, "{done:?}");
    assert_eq!(place.json(&["ps", "show", "3", "-o", "json"])["execution"]["status"], "running");
    // Without a host, a cancel is carried out by the command itself.
    assert_eq!(place.run(&["ps", "cancel", "3"]).code, 0);
    assert_eq!(place.json(&["ps", "show", "3", "-o", "json"])["execution"]["status"], "cancelled");
    drop(go);
}

#[test]
fn a_full_disk_stops_the_engine_and_loses_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.home()).unwrap();
    // A file system of its own in a mount namespace of its own; where that is not allowed there is no such test.
    let script = "mount -t tmpfs -o size=600k tmpfs \"$1\" && exec sh -c \"$2\" sh \"$3\"";
    let inside = "\"$1\" run small.yaml; dd if=/dev/zero of=home/filler bs=1k count=2000 2>/dev/null; \
                  \"$1\" run large.yaml; echo \"code $?\"; rm home/filler; \"$1\" run small.yaml; echo \"code $?\"; \
                  \"$1\" doctor; echo \"code $?\"";
    place.write("small.yaml", "steps: [{set: {a: 1}}]\n");
    let large: String = (0..200).map(|n| format!("- set: {{a{n}: '{}'}}\n", "x".repeat(2_000))).collect();
    place.write("large.yaml", &format!("steps:\n{large}"));
    let output = Command::new("unshare")
        .args(["-r", "-m", "sh", "-c", script, "sh"])
        .args([place.home().to_str().unwrap(), inside, env!("CARGO_BIN_EXE_catena")])
        .current_dir(place.dir.path())
        .env("CATENA_HOME", place.home())
        .output();
    let done = match output {
        Ok(output) => Done::from(output),
        Err(error) => return eprintln!("skipped: unshare cannot be run ({error})"),
    };
    if done.err.contains("unshare failed") || done.err.contains("permission denied") {
        return eprintln!("skipped: no mount namespace can be made here");
    }
    let codes: Vec<&str> = done.out.lines().filter(|line| line.starts_with("code")).collect();
    assert_eq!(codes, ["code 6", "code 0", "code 0"], "{done:?}");
    assert!(done.err.contains("free some space"), "{done:?}");
}
