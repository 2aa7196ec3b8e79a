//! Reaching a helper that goes away: nothing is lost, nothing waits for ever. The helper here is a socket that
//! the test answers by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use catena_core::{
    AttemptNo, Chain, ExecutionId, FailureType, Given, Outside, SecretName, State, StepIx, Timestamp, Value,
    VisitNo,
    chain::{ChainName, Draft, Process, StepDraft, Work},
    command::Start,
    event::{Answer, Input, Trigger},
    ids::StepId,
    template::Template,
};
use catena_runners::{
    Attempt, AttemptKey, Beginning, Files, HelperAccess, NoSecrets, Places, ProcessRunner, Recorded, Secret,
    SecretMissing, Secrets, Sink, Sources, StepRunner,
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
        Self::with(Sources { files: Arc::new(NoFiles), secrets: Arc::new(NoSecrets) })
    }

    fn with(sources: Sources) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("helper")).unwrap();
        let listener = UnixListener::bind(home.path().join("helper/helper.sock")).unwrap();
        let (sender, answers) = channel();
        let helper =
            HelperAccess { command: Arc::new(|| Command::new("false")), environment: Vec::new(), lease: 7 };
        let (places, sink) = (Places::new(home.path()), Arc::new(Answers(sender)));
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
    attempt_with(beginning, Template::constant("x".repeat(4_000_000)))
}

fn attempt_with(beginning: Beginning, stdin: Template) -> Attempt {
    let given = stdin.secrets().first().map(|name| Given::Secret(SecretName::clone(name)));
    attempt_given(beginning, stdin, given)
}

fn attempt_given(beginning: Beginning, stdin: Template, given: Option<Given>) -> Attempt {
    let process = Process { stdin: Some(stdin), ..Process::default() };
    let work = Work::Command { argv: vec![Template::constant("cat")], allow_dash: false, process };
    let step = StepDraft::new(StepId::parse("a").unwrap(), work);
    let draft = Draft::new(ChainName::parse("test").unwrap(), vec![step]);
    let chain: Arc<Chain> = Arc::new(draft.build().unwrap());
    let params = Value::from(serde_json::json!({}));
    let start = Start::new("v", params, Trigger::Manual);
    let outside = Outside { now: Timestamp(0), slots: catena_core::command::Slots::of(1), jitter: 0.0 };
    let (state, _) = State::start(KEY.execution, Arc::clone(&chain), start, outside);
    let (address, input) = (state.address(KEY.visit), Input { stdin: given, ..Input::default() });
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

/// A source that says when it is asked, and answers what the test tells it.
struct Slow {
    asked: Sender<()>,
    told: Mutex<Receiver<Option<&'static str>>>,
}

impl Secrets for Slow {
    fn resolve(&self, name: &SecretName) -> Result<Secret, SecretMissing> {
        self.asked.send(()).unwrap();
        let told = self.told.lock().unwrap().recv().unwrap();
        let missing = || SecretMissing { name: name.clone(), why: "is nowhere".into() };
        told.map(|value| Secret::new(value.into())).ok_or_else(missing)
    }
}

/// Starts an attempt that needs a secret; returns once the source is asked, with the way to answer.
fn start_with_secret(beginning: Beginning) -> (Fixture, Sender<Option<&'static str>>) {
    let ((asked, is_asked), (tell, told)) = (channel(), channel());
    let secrets = Arc::new(Slow { asked, told: Mutex::new(told) });
    let fixture = Fixture::with(Sources { files: Arc::new(NoFiles), secrets });
    let stdin = Template::Secret(SecretName::parse("KEY").unwrap());
    // Were the secret asked for on this thread, this would not return.
    fixture.runner.start(attempt_with(beginning, stdin));
    is_asked.recv_timeout(PATIENCE).unwrap();
    (fixture, tell)
}

#[test]
fn a_secret_is_asked_for_aside_and_comes_with_the_launch() {
    let (fixture, tell) = start_with_secret(Beginning::Fresh);
    tell.send(Some("hunter2")).unwrap();
    let launch: serde_json::Value = serde_json::from_str(&read_line(&mut fixture.accept(&[]))).unwrap();
    let launch = &launch["launch"];
    assert_eq!((&launch["stdin"], &launch["hidden"][0]), (&"aHVudGVyMg==".into(), &"hunter2".into()));
}

#[test]
fn who_is_stopped_before_its_secrets_are_there_is_never_started() {
    let (fixture, tell) = start_with_secret(Beginning::Fresh);
    fixture.runner.stop(KEY);
    assert_eq!(fixture.answers.recv_timeout(PATIENCE).unwrap(), Answer::Cancelled {});
    tell.send(Some("hunter2")).unwrap();
    let second = Attempt { key: AttemptKey { attempt: AttemptNo(2), ..KEY }, ..attempt(Beginning::Fresh) };
    let runner = Arc::clone(&fixture.runner);
    let starting = std::thread::spawn(move || runner.start(second));
    let launch = read_line(&mut fixture.accept(&[]));
    assert!(launch.contains("store/7/1/0.2"), "the first that the helper hears of is the second attempt");
    drop(fixture);
    starting.join().unwrap();
}

#[test]
fn a_missing_secret_fails_what_has_not_begun_and_attaches_to_what_may_have() {
    let (fixture, tell) = start_with_secret(Beginning::Fresh);
    tell.send(None).unwrap();
    let answer = fixture.answers.recv_timeout(PATIENCE).unwrap();
    let Answer::Failed { failure } = answer else { panic!("{answer:?}") };
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureType::SecretMissing, "secret `KEY` is nowhere")
    );

    let (fixture, tell) = start_with_secret(Beginning::Recovered { same_boot: true });
    tell.send(None).unwrap();
    let launch: serde_json::Value = serde_json::from_str(&read_line(&mut fixture.accept(&[]))).unwrap();
    assert_eq!(launch["launch"]["unknown"], "report");
}

/// A store of one large value that says when it is read, and gives it when the test says so.
struct SlowFiles {
    asked: Sender<()>,
    told: Mutex<Receiver<()>>,
    bytes: Arc<[u8]>,
}

impl Files for SlowFiles {
    fn read(&self, _digest: &str) -> Result<Vec<u8>, String> {
        self.asked.send(()).unwrap();
        self.told.lock().unwrap().recv().unwrap();
        Ok(self.bytes.to_vec())
    }
}

/// An attempt that is given a large value and a secret, while the value is read.
struct Filling {
    fixture: Fixture,
    value_comes: Sender<()>,
    secret_is_asked: Receiver<()>,
    secret_comes: Sender<Option<&'static str>>,
}

const LARGE: usize = 100_000;

impl Filling {
    fn start(beginning: Beginning) -> Self {
        let mut blobs = Vec::new();
        let reference = Value::text("x".repeat(LARGE)).keep(&mut blobs);
        let ((asked, is_read), (value_comes, told)) = (channel(), channel());
        let bytes = Arc::clone(&blobs[0].bytes);
        let files = Arc::new(SlowFiles { asked, told: Mutex::new(told), bytes });
        let ((asked, secret_is_asked), (secret_comes, told)) = (channel(), channel());
        let secrets = Arc::new(Slow { asked, told: Mutex::new(told) });
        let fixture = Fixture::with(Sources { files, secrets });
        let name = SecretName::parse("KEY").unwrap();
        let stdin = Template::List(vec![Template::constant(1), Template::Secret(name.clone())]);
        let given = Given::List(vec![Given::Plain(reference), Given::Secret(name)]);
        // Were the value read on this thread, this would not return.
        fixture.runner.start(attempt_given(beginning, stdin, Some(given)));
        is_read.recv_timeout(PATIENCE).unwrap();
        Self { fixture, value_comes, secret_is_asked, secret_comes }
    }

    /// Cancelled once; and the helper has heard of nothing before it hears of another attempt.
    fn expect_never_started(self) {
        let Fixture { answers, runner, .. } = &self.fixture;
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Answer::Cancelled {});
        let second =
            Attempt { key: AttemptKey { attempt: AttemptNo(2), ..KEY }, ..attempt(Beginning::Fresh) };
        let runner = Arc::clone(runner);
        let starting = std::thread::spawn(move || runner.start(second));
        assert!(read_line(&mut self.fixture.accept(&[])).contains("store/7/1/0.2"));
        assert!(self.fixture.answers.try_recv().is_err(), "it has answered twice");
        drop(self);
        starting.join().unwrap();
    }
}

#[test]
fn a_large_value_is_filled_in_before_the_secrets_are_asked_for() {
    let filling = Filling::start(Beginning::Fresh);
    assert!(filling.secret_is_asked.try_recv().is_err());
    filling.value_comes.send(()).unwrap();
    filling.secret_is_asked.recv_timeout(PATIENCE).unwrap();
    filling.secret_comes.send(Some("hunter2")).unwrap();
    let launch: serde_json::Value =
        serde_json::from_str(&read_line(&mut filling.fixture.accept(&[]))).unwrap();
    // In base64: `["xxx…` and `…","hunter2"]`.
    let stdin = launch["launch"]["stdin"].as_str().unwrap();
    let whole = stdin.starts_with("WyJ4eHh4") && stdin.len() == (LARGE + 14).div_ceil(3) * 4;
    assert!(whole && stdin.contains("aHVudGVyMiJd"), "{} bytes, {}", stdin.len(), &stdin[stdin.len() - 40..]);
}

#[test]
fn who_is_stopped_while_a_large_value_is_read_is_never_started() {
    let filling = Filling::start(Beginning::Fresh);
    filling.fixture.runner.stop(KEY);
    filling.fixture.runner.stop(KEY);
    filling.value_comes.send(()).unwrap();
    filling.expect_never_started();
}

#[test]
fn who_is_stopped_between_its_large_values_and_its_secrets_is_never_started() {
    let filling = Filling::start(Beginning::Fresh);
    filling.value_comes.send(()).unwrap();
    filling.secret_is_asked.recv_timeout(PATIENCE).unwrap();
    filling.fixture.runner.stop(KEY);
    filling.fixture.runner.stop(KEY);
    filling.secret_comes.send(Some("hunter2")).unwrap();
    filling.expect_never_started();
}

#[test]
fn what_may_be_running_is_stopped_when_its_values_and_secrets_are_there() {
    let filling = Filling::start(Beginning::Recovered { same_boot: true });
    filling.fixture.runner.stop(KEY);
    filling.value_comes.send(()).unwrap();
    filling.secret_is_asked.recv_timeout(PATIENCE).unwrap();
    filling.secret_comes.send(Some("hunter2")).unwrap();
    let mut helper = filling.fixture.accept(&[]);
    assert!(read_line(&mut helper).contains("store/7/1/0.1"));
    assert!(read_line(&mut helper).contains("stop"));
    assert!(filling.fixture.answers.try_recv().is_err(), "its end is what counts");
}
