//! Reaching a helper that goes away: nothing is lost, nothing waits for ever. The helper here is a socket that
//! the test answers by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Command,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use catena_core::{
    AttemptNo, Chain, ExecutionId, Outside, State, StepIx, Timestamp, Value, VisitNo,
    chain::{ChainName, Draft, Process, StepDraft, Work},
    command::Start,
    event::{Answer, Input, Trigger},
    ids::StepId,
    template::Template,
};
use catena_runners::{
    Attempt, AttemptKey, Beginning, Files, HelperAccess, NoSecrets, Places, ProcessRunner, Recorded, Sink,
    Sources, StepRunner,
};

const PATIENCE: Duration = Duration::from_secs(20);
const KEY: AttemptKey = AttemptKey { execution: ExecutionId(1), visit: VisitNo(0), attempt: AttemptNo(1) };

struct Answers(Sender<Answer>);

impl Sink for Answers {
    fn ended(&self, _key: AttemptKey, answer: Answer) {
        self.0.send(answer).unwrap();
    }

    fn checkpoint(&self, _: AttemptKey, _: String, _: Value, recorded: Recorded) {
        recorded(Ok(()));
    }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, digest: &str) -> Result<Vec<u8>, String> {
        Err(format!("there is no file {digest}"))
    }
}

struct Fixture {
    _home: tempfile::TempDir,
    listener: UnixListener,
    runner: Arc<ProcessRunner>,
    answers: Receiver<Answer>,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("helper")).unwrap();
        let listener = UnixListener::bind(home.path().join("helper/helper.sock")).unwrap();
        let (sender, answers) = channel();
        let helper =
            HelperAccess { command: Arc::new(|| Command::new("false")), environment: Vec::new(), lease: 7 };
        let (places, sink) = (Places::new(home.path()), Arc::new(Answers(sender)));
        let sources = Sources { files: Box::new(NoFiles), secrets: Arc::new(NoSecrets) };
        let runner = ProcessRunner::new(places, sources, helper, "store", sink);
        Self { _home: home, listener, runner, answers }
    }

    /// Accepts a connection and greets as a helper that holds these tokens.
    fn accept(&self, held: &[&str]) -> BufReader<UnixStream> {
        let (stream, _) = self.listener.accept().unwrap();
        let mut reading = BufReader::new(stream);
        read_line(&mut reading);
        let hello = serde_json::json!({"hello": {
            "protocol": 2, "version": "test", "boot_id": "b", "instance": "i", "lease": 0, "held": held,
        }});
        writeln!(reading.get_mut(), "{hello}").unwrap();
        reading
    }
}

fn read_line(reading: &mut BufReader<UnixStream>) -> String {
    reading.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    reading.read_line(&mut line).unwrap();
    line
}

/// An attempt whose launch is longer than a socket takes at once.
fn attempt(beginning: Beginning) -> Attempt {
    let stdin = Some(Template::constant("x".repeat(4_000_000)));
    let process = Process { stdin, ..Process::default() };
    let work = Work::Command { argv: vec![Template::constant("cat")], process };
    let step = StepDraft::new(StepId::parse("a").unwrap(), work);
    let draft = Draft::new(ChainName::parse("test").unwrap(), vec![step]);
    let chain: Arc<Chain> = Arc::new(draft.build().unwrap());
    let params = Value::from(serde_json::json!({}));
    let start = Start { version: "v".into(), params, trigger: Trigger::Manual };
    let outside = Outside { now: Timestamp(0), slots: 1, jitter: 0.0 };
    let (state, _) = State::start(KEY.execution, Arc::clone(&chain), start, outside);
    let (address, input) = (state.address(KEY.visit), Input::default());
    let checkpoints = BTreeMap::new();
    Attempt {
        key: KEY,
        address,
        chain,
        step: StepIx(0),
        input,
        checkpoints,
        context: None,
        lease: 7,
        beginning,
    }
}

#[test]
fn a_launch_that_a_dying_helper_did_not_take_goes_to_the_next_and_so_does_a_stop() {
    let fixture = Fixture::new();
    let runner = Arc::clone(&fixture.runner);
    let starting = std::thread::spawn(move || runner.start(attempt(Beginning::Fresh)));
    // It takes the greeting, and nothing more.
    drop(fixture.accept(&[]));
    starting.join().unwrap();
    fixture.runner.stop(KEY);

    let mut next = fixture.accept(&[]);
    let launch = read_line(&mut next);
    assert!(launch.contains("store/7/1/0.1"), "{}", &launch[..100]);
    assert!(read_line(&mut next).contains("stop"));
    let ended = serde_json::json!({"report": {"ended": {
        "token": "store/7/1/0.1", "exit": "stopped", "pid": 1, "started_at_us": 0, "ended_at_us": 1,
        "stdout": "", "stdout_dropped": 0, "output": "absent",
    }}});
    writeln!(next.get_mut(), "{ended}").unwrap();
    assert_eq!(fixture.answers.recv_timeout(PATIENCE).unwrap(), Answer::Cancelled {});
}

#[test]
fn what_a_helper_holds_and_nobody_asks_for_is_acknowledged() {
    let fixture = Fixture::new();
    fixture.runner.has_all();
    let runner = Arc::clone(&fixture.runner);
    let starting =
        std::thread::spawn(move || runner.start(attempt(Beginning::Recovered { same_boot: true })));
    let mut helper = fixture.accept(&["store/6/9/9.1", "other/6/9/9.1", "store/7/1/0.1"]);
    let acknowledged = read_line(&mut helper);
    assert!(acknowledged.contains("store/6/9/9.1"), "{acknowledged}");
    assert!(read_line(&mut helper).contains("launch"), "neither another store's nor what is live");
    starting.join().unwrap();
}
