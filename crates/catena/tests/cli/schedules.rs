//! Schedules in the foreground, and beside a host: `run`, `schedule …`, and what `ps` says of them.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr},
};

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use super::{Done, Place, hear, held_chain, signal, tell};

/// A `run` that hosts, and what it says.
struct Hosting {
    child: Child,
    talk: BufReader<ChildStderr>,
    heard: String,
}

impl Hosting {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place.spawn(args);
        let talk = BufReader::new(child.stderr.take().unwrap());
        Self { child, talk, heard: String::new() }
    }

    /// Reads until a line has these words.
    fn until(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert!(self.talk.read_line(&mut line).unwrap() > 0, "`{words}` is not in {}", self.heard);
            self.heard += &line;
            if line.contains(words) {
                return;
            }
        }
    }

    fn interrupt(mut self) -> Done {
        signal(&self.child, Signal::INT);
        self.talk.read_to_string(&mut self.heard).unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Done { code: self.child.wait().unwrap().code().unwrap_or(-1), out, err: self.heard }
    }
}

fn schedules(place: &Place) -> Vec<Json> {
    place.json(&["schedule", "ls", "--all", "-o", "json"])["schedules"].as_array().unwrap().clone()
}

fn fires(place: &Place, schedule: &str) -> Vec<String> {
    let document = place.json(&["schedule", "show", schedule, "-o", "json"]);
    let words = |fire: &Json| {
        let reason = fire["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} {}{reason}", fire["kind"].as_str().unwrap(), fire["outcome"].as_str().unwrap())
    };
    document["fires"].as_array().unwrap().iter().rev().map(words).collect()
}

#[test]
fn every_starts_at_once_and_hosts_until_it_is_interrupted() {
    let place = Place::new();
    place.write("tick.yaml", "name: tick\nsteps: [{name: a, shell: echo 1}]\n");
    let mut host = Hosting::start(&place, &["run", "tick.yaml", "--every", "1h"]);
    host.until("next start: ");
    let done = host.interrupt();
    assert_eq!(done.code, 130, "{done:?}");
    for words in ["schedule 2 of tick, chain 1: every 1h", "execution 4 completed", "goes on with"] {
        assert!(done.err.contains(words), "{done:?}");
    }
    assert_eq!(fires(&place, "tick"), ["run_now started"]);

    // The same again keeps its number and its anchor, and starts at once again.
    let before = schedules(&place);
    let mut host = Hosting::start(&place, &["run", "tick.yaml", "--every", "1h"]);
    host.until("as before");
    host.until("next start: ");
    host.interrupt();
    assert_eq!(schedules(&place), before);
    assert_eq!(fires(&place, "tick"), ["run_now started", "run_now started"]);
    let id = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(
        shown["execution"]["trigger"],
        json!({"kind": "run_now", "schedule": 2, "at": null, "execution": null})
    );
    assert!(shown["execution"]["created_by"].is_string());

    // Without it, it ends; once leaves it alone.
    assert_eq!(place.run(&["run", "tick.yaml", "--once"]).code, 0);
    assert_eq!(schedules(&place), before);
    place.run(&["run", "tick.yaml"]).says(&["schedule 2 of tick has ended"]);
    assert_eq!(schedules(&place)[0]["status"], "ended");
    place.run(&["doctor"]).says(&["is whole"]);
}

#[test]
fn a_delayed_start_ends_the_command_with_its_code() {
    let place = Place::new();
    place.write("fails.json", r#"{"name": "fails", "after": 0.05, "steps": [{"shell": "exit 3"}]}"#);
    let done = place.run(&["run", "fails.json"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("has no start left"), "{done:?}");
    assert_eq!(fires(&place, "fails"), ["scheduled started"]);
    assert_eq!(schedules(&place)[0]["status"], "exhausted");
    place.write("works.json", r#"{"name": "works", "steps": [{"shell": "echo 1"}]}"#);
    place.run(&["run", "works.json", "--after", "0.05"]).says(&["completed"]);
}

#[test]
fn a_second_terminal_works_on_what_the_host_hosts() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let mut host = Hosting::start(&place, &["run", "held.yaml", "--every", "1h"]);
    hear(&started);
    let listed = place.json(&["ps", "ls", "-o", "json"]);
    assert_eq!(
        (&listed["schedules"][0]["chain"], &listed["schedules"][0]["status"]),
        (&json!("held"), &json!("active"))
    );
    place.run(&["schedule", "pause", "held"]).says(&["schedule 2 of held is paused"]);
    place.run(&["schedule", "pause", "2"]).says(&["paused already"]);
    tell(&go);
    host.until("paused; `catena schedule resume 2`");
    place.run(&["schedule", "resume", "held"]).says(&["active"]);
    host.until("next start: ");

    // What another terminal starts, the host shows too.
    let now = place.spawn(&["schedule", "run-now", "2"]);
    hear(&started);
    tell(&go);
    let now = Done::from(now.wait_with_output().unwrap());
    assert_eq!(now.code, 0, "{now:?}");
    host.until(" completed in ");
    let backfill = ["schedule", "backfill", "held", "--from", "2020-01-01", "--to", "2020-01-02"];
    place.run(&backfill).says(&["0 to start"]);

    // A definition that another terminal runs is hosted where the others are.
    place.write("tick.yaml", "name: tick\nsteps: [{name: a, shell: echo 1}]\n");
    let mut second = Hosting::start(&place, &["run", "tick.yaml", "--every", "1h"]);
    second.until("hosts the store; this one follows");
    second.until("next start: ");
    assert_eq!(second.interrupt().code, 130);
    place.run(&["chain", "rm", "held"]).fails(5, &["past execution"]);
    place.run(&["chain", "rm", "held", "--executions"]).says(&["removed"]);
    host.until("held has no start left");
    host.until("staying for a schedule");
    host.interrupt();
    place.run(&["doctor"]).says(&["is whole"]);
}

#[test]
fn what_cannot_be_done_with_a_schedule_is_said() {
    let place = Place::new();
    place.run(&["schedule", "show", "1"]).fails(4, &["there is no store"]);
    assert_eq!(place.json(&["schedule", "ls", "-o", "json"])["schedules"], json!([]));
    place.write("a.yaml", "name: a\nschedules: [{every: 1h}, {every: 2h}]\nsteps: [{shell: echo}]\n");
    place.write("b.yaml", "name: b\nsteps: [{shell: echo}]\n");
    place.run(&["chain", "create", "a.yaml"]).says(&["is stored"]);
    place.run(&["chain", "create", "b.yaml"]).says(&["is stored"]);
    place.run(&["schedule", "pause", "a"]).fails(2, &["several schedules"]);
    place.run(&["schedule", "pause", "b"]).fails(4, &["chain b has no schedule"]);
    place.run(&["schedule", "pause", "nothing"]).fails(4, &["no schedule `nothing`"]);
    place
        .run(&["schedule", "backfill", "2", "--from", "soon", "--to", "2020-01-02"])
        .fails(2, &["is no time"]);
    place
        .run(&["schedule", "backfill", "2", "--from", "2020-01-03", "--to", "2020-01-02"])
        .fails(2, &["ends before it begins"]);
    place.run(&["run", "a.yaml", "--key", "k"]).fails(2, &["`--key` names one start", "--once"]);
    place.run(&["chain", "archive", "a"]).says(&["archived"]);
    place.run(&["schedule", "run-now", "2"]).fails(5, &["chain `a` is archived"]);
}

#[test]
fn executions_are_listed_by_status_label_and_time() {
    let place = Place::new();
    place.write("a.yaml", "name: a\nlabels: {team: home}\nsteps: [{shell: echo}]\n");
    place.write("b.yaml", "name: b\nsteps: [{shell: exit 1}]\n");
    place.run(&["run", "a.yaml"]);
    place.run(&["run", "b.yaml"]);
    let check = |args: &[&str], chains: &[&str]| {
        let listed = place.json(&[&["ps", "ls", "-o", "json"], args].concat());
        let found = listed["executions"].as_array().unwrap().iter().map(|row| row["chain"].clone());
        assert_eq!(found.collect::<Vec<_>>(), chains, "{args:?}");
    };
    check(&[], &["b", "a"]);
    check(&["--status", "failed"], &["b"]);
    check(&["--label", "team=home"], &["a"]);
    check(&["--since", "1h", "--chain", "a"], &["a"]);
    check(&["--since", "2100-01-01"], &[]);
    check(&["--limit", "1"], &["b"]);
    place.run(&["ps", "ls", "--status", "odd"]).fails(2, &["no status", "completed_with_errors"]);
    place.run(&["ps", "ls", "--since", "soon"]).fails(2, &["is no time", "2h"]);
}
