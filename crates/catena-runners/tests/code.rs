//! Code through the drivers, the real helper and the real interpreters: what it leaves as its result and as its
//! failure. This executable runs itself again as the helper, which has to be the main thread of a process.

#![expect(clippy::unwrap_used, reason = "all of this is test code, which clippy cannot see without libtest")]

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use catena_core::{
    AttemptNo, ExecutionId, Failure, Outside, State, StepIx, Timestamp, Value, VisitNo,
    chain::{ChainName, CodeLanguage, CodeSource, CodeStep, Draft, Interpreter, Process, StepDraft, Work},
    command::Start,
    event::{Answer, Input, Trigger},
    ids::StepId,
    template::Template,
};
use catena_runners::{
    Attempt, AttemptKey, Beginning, Context, Files, HelperAccess, NoSecrets, Places, ProcessRunner, Recorded,
    Sink, Sources, StepRunner, missing_programs, process::serve,
};
use tempfile::TempDir;

/// Makes a child of this test the helper of the folder that it names.
const HELPER: &str = "CODE_TEST_HELPER";
/// No step here takes this long on any machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

const TESTS: &[(&str, fn())] = &[
    ("python_leaves_what_its_entry_returns", python_leaves_what_its_entry_returns),
    ("python_runs_what_can_be_awaited", python_runs_what_can_be_awaited),
    ("python_gets_what_it_names", python_gets_what_it_names),
    ("python_that_fails_says_where", python_that_fails_says_where),
    ("python_results_are_json_or_say_why_not", python_results_are_json_or_say_why_not),
    ("python_may_do_what_it_likes", python_may_do_what_it_likes),
    ("javascript_leaves_what_its_entry_returns", javascript_leaves_what_its_entry_returns),
    ("javascript_that_fails_says_where", javascript_that_fails_says_where),
    ("javascript_results_are_json_or_say_why_not", javascript_results_are_json_or_say_why_not),
    ("the_stored_bytes_of_a_file_run_under_its_name", the_stored_bytes_of_a_file_run_under_its_name),
    ("term_ends_code_at_once", term_ends_code_at_once),
    ("output_is_there_when_it_is_printed", output_is_there_when_it_is_printed),
    ("the_tables_of_the_reference_are_true", the_tables_of_the_reference_are_true),
    ("programs_that_are_not_there_are_told", programs_that_are_not_there_are_told),
];

fn main() -> ExitCode {
    match std::env::var_os(HELPER) {
        Some(folder) => serve(&PathBuf::from(folder)).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        None => run_tests(),
    }
}

fn run_tests() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let begun = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        failed += u32::from(!passed);
        let told = if passed { "ok" } else { "FAILED" };
        eprintln!("test {name} ... {told} ({:.2} s)", begun.elapsed().as_secs_f64());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Answers(Sender<Answer>);

impl Sink for Answers {
    fn ended(&self, _key: AttemptKey, answer: Answer) {
        self.0.send(answer).unwrap();
    }

    fn checkpoint(&self, _: AttemptKey, _: String, _: Value, recorded: Recorded) {
        recorded(Ok(()));
    }
}

/// The bytes of step files, by what stands for their digest.
#[derive(Default)]
struct Stored(Mutex<BTreeMap<String, Vec<u8>>>);

impl Files for Stored {
    fn read(&self, digest: &str) -> Result<Vec<u8>, String> {
        self.0.lock().unwrap().get(digest).cloned().ok_or_else(|| format!("there is no file {digest}"))
    }
}

/// A home with a runner, and the folder that steps run in.
struct Lab {
    home: TempDir,
    runner: Arc<ProcessRunner>,
    answers: Receiver<Answer>,
    stored: Arc<Stored>,
    attempts: std::cell::Cell<u32>,
}

/// A step of code, and how it ends.
struct Case {
    code: CodeStep,
    process: Process,
    context: Option<Context>,
}

impl Case {
    fn text(language: CodeLanguage, text: &str) -> Self {
        Self::of(language, CodeSource::Text(text.to_owned()))
    }

    fn of(language: CodeLanguage, source: CodeSource) -> Self {
        let code = CodeStep { language, source, interpreter: None, parameters: None, calls_entry: false };
        Self { code, process: Process::default(), context: None }
    }

    fn with_parameters(mut self, parameters: serde_json::Value) -> Self {
        self.code.parameters = Some(Template::Const(Value::from(parameters)));
        self
    }
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let helper_dir = home.path().join("helper");
        let command = move || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env(HELPER, &helper_dir);
            command
        };
        let environment = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME").collect();
        let helper = HelperAccess { command: Arc::new(command), environment, lease: 1 };
        let stored = Arc::new(Stored::default());
        let sources = Sources { files: Arc::clone(&stored) as Arc<dyn Files>, secrets: Arc::new(NoSecrets) };
        let (sender, answers) = channel();
        fs::create_dir(home.path().join("work")).unwrap();
        let places = Places::new(home.path());
        let runner = ProcessRunner::new(places, sources, helper, "store", Arc::new(Answers(sender)));
        Self { home, runner, answers, stored, attempts: std::cell::Cell::new(0) }
    }

    fn work(&self, name: &str) -> PathBuf {
        self.home.path().join("work").join(name)
    }

    fn start(&self, case: Case) -> AttemptKey {
        let number = self.attempts.get() + 1;
        self.attempts.set(number);
        let key = AttemptKey { execution: ExecutionId(1), visit: VisitNo(0), attempt: AttemptNo(number) };
        let work = Work::Code { code: case.code, process: case.process };
        let mut step = StepDraft::new(StepId::parse("fetch").unwrap(), work);
        step.output_key = Some("out".to_owned());
        let mut draft = Draft::new(ChainName::parse("test").unwrap(), vec![step]);
        draft.workdir = Some(self.work("").display().to_string());
        let chain = Arc::new(draft.build().unwrap());
        let params = Value::from(serde_json::json!({}));
        let start = Start::new("v", params, Trigger::Manual);
        let outside = Outside { now: Timestamp(0), slots: catena_core::command::Slots::of(1), jitter: 0.0 };
        let (state, _) = State::start(key.execution, Arc::clone(&chain), start, outside);
        self.runner.start(Attempt {
            key,
            address: state.address(key.visit),
            chain,
            step: StepIx(0),
            input: Input::default(),
            checkpoints: BTreeMap::new(),
            context: case.context,
            lease: 1,
            beginning: Beginning::Fresh,
        });
        key
    }

    fn answer(&self) -> Answer {
        self.answers.recv_timeout(PATIENCE).expect("an answer comes in time")
    }

    fn run(&self, case: Case) -> String {
        self.start(case);
        told(self.answer())
    }

    /// Each text of code, and what is told of its end: the result, or the type, the line and the message.
    fn check(&self, language: CodeLanguage, cases: &[(&str, &str)]) {
        for (code, expected) in cases {
            assert_eq!(self.run(Case::text(language, code)), *expected, "{code}");
        }
    }

    fn log(&self) -> String {
        let path = self.home.path().join(format!("logs/1/fetch.{}.log", self.attempts.get()));
        fs::read_to_string(path).unwrap_or_default()
    }
}

fn told(answer: Answer) -> String {
    match answer {
        Answer::Succeeded { value } => {
            value.map_or("nothing".to_owned(), |value| value.as_json().to_string())
        }
        Answer::Failed { failure } => {
            let line = detail(&failure, "line").map(|line| format!(" in line {line}")).unwrap_or_default();
            let lasting = if failure.retriable { "" } else { ", lasting" };
            format!("{}{line}{lasting}: {}", failure.kind, failure.message)
        }
        other => format!("{other:?}"),
    }
}

fn detail(failure: &Failure, name: &str) -> Option<serde_json::Value> {
    failure.detail.as_ref()?.as_json().get(name).cloned()
}

fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Failed { failure } => failure,
        other => panic!("it did not fail: {other:?}"),
    }
}

use CodeLanguage::{JavaScript, Python};

fn python_leaves_what_its_entry_returns() {
    Lab::new().check(
        Python,
        &[
            ("print('only this')", "\"only this\""),
            ("def main(): return {'a': [1, 2.5, None, True, 'ä']}", r#"{"a":[1,2.5,null,true,"ä"]}"#),
            ("def main(): return 1\ndef async_task(): return 2", "2"),
            ("def main(): print('printed')", "\"printed\""),
            ("import os\nopen(os.environ['CATENA_OUTPUT'], 'w').write('file')\nprint('printed')", "\"file\""),
            (
                "import os\ndef main():\n  open(os.environ['CATENA_OUTPUT'], 'w').write('file')\n  return 7",
                "7",
            ),
            // Nobody calls it a second time.
            ("def main():\n  print('once')\n  return 1\nif __name__ == '__main__':\n  main()", "\"once\""),
            ("def main():\n  print('once')\ndef cli():\n  main()\ncli()", "\"once\""),
            ("import asyncio\nasync def main():\n  'doc'\n  print('once')\nasyncio.run(main())", "\"once\""),
            ("def main():\n  print('once')\n  return 1\nif len(__name__) == 3:\n  main()", "1"),
            ("from functools import partial\nmain = partial(print, 'once')\nmain()", "\"once\""),
            ("def run(): return 3\nmain = run", "3"),
            ("main = 5\nprint('no function')", "\"no function\""),
            ("import sys\nprint(sys.argv, __file__)", "\"['<step fetch>'] <step fetch>\""),
            ("import sys\ndef main(): sys.exit(0)\nprint('said')", "\"said\""),
            ("def main(): return (1, {2: 3})", r#"[1,{"2":3}]"#),
            ("from enum import IntEnum\nE = IntEnum('E', 'A')\ndef main(): return E.A", "1"),
            ("\u{feff}def main():\r\n  return 'ö'\r\n", "\"ö\""),
        ],
    );
}

fn python_runs_what_can_be_awaited() {
    let helper = "async def something():\n  return 41\n";
    let lab = Lab::new();
    for (code, expected) in [
        ("def async_task():\n  result = yield something()\n  return result + 1", "42"),
        ("def async_task():\n  result = yield 5\n  return result", "5"),
        ("def sub():\n  x = yield something()\n  return x\ndef main():\n  y = yield sub()\n  return y", "41"),
        ("async def main():\n  return await something()", "41"),
        ("def main():\n  return something()", "41"),
        ("async def main():\n  x = yield something()\n  print(x)", "\"41\""),
        ("x = await something()\ndef main():\n  return x", "41"),
        (
            "def main():\n  try:\n    yield boom()\n  except ValueError as e:\n    return str(e)\nasync def boom():\n  raise ValueError('caught')",
            "\"caught\"",
        ),
        (
            "import asyncio\nq = await something()\nasync def main():\n  t = asyncio.create_task(something())\n  return [q, await t]",
            "[41,41]",
        ),
        ("def main():\n  x = yield from sub()\n  return x\ndef sub():\n  return (yield something())", "41"),
    ] {
        assert_eq!(lab.run(Case::text(Python, &format!("{helper}{code}"))), expected, "{code}");
    }
}

fn python_gets_what_it_names() {
    let lab = Lab::new();
    let given = serde_json::json!({"city": "Rome", "days": 3});
    for (code, expected) in [
        ("def main(): return parameters", r#"{"city":"Rome","days":3}"#),
        ("def main(city, days=1, more=2): return [city, days, more]", r#"["Rome",3,2]"#),
        ("def main(parameters, *rest, days, **more): return [parameters['city'], days]", r#"["Rome",3]"#),
        ("import __main__\ndef main(): return __main__.parameters['days']", "3"),
        (
            "def main(country): return 1",
            "TypeError: main() takes `country`, which the `parameters` of the step do not have",
        ),
    ] {
        let case = Case::text(Python, code).with_parameters(given.clone());
        assert_eq!(lab.run(case), expected, "{code}");
    }
    assert_eq!(lab.run(Case::text(Python, "def main(): return parameters")), "{}");
    let mut case = Case::text(Python, "def main(context): return context['n'] + globals()['context']['n']");
    case.context =
        Some(Context { fields: vec![("n", Value::from(serde_json::json!(2)))], results: Vec::new() });
    assert_eq!(lab.run(case), "KeyError in line 1: 'context'", "what it does not name is no global");
    let mut case = Case::text(Python, "def main(): return context['n']");
    case.context =
        Some(Context { fields: vec![("n", Value::from(serde_json::json!(2)))], results: Vec::new() });
    assert_eq!(lab.run(case), "2");
    let mut case = Case::text(Python, "import sys\ndef main(): return sys.stdin.read()");
    case.process.stdin = Some(Template::constant("given"));
    assert_eq!(lab.run(case), "\"given\"");
}

fn python_that_fails_says_where() {
    let lab = Lab::new();
    lab.check(
        Python,
        &[
            ("def main():\n  raise ValueError('no')", "ValueError in line 2: no"),
            ("class Gone(Exception): pass\nraise Gone", "Gone in line 2: "),
            ("import no_such_module", "ModuleNotFoundError in line 1: No module named 'no_such_module'"),
            ("import sys\nsys.exit(3)", "exit_code: exit code 3"),
            ("import sys\nsys.exit('gone')", "exit_code: exit code 1"),
            (
                "class A(Exception):\n  def __str__(self): 1 / 0\nraise A",
                "A in line 3: <A that cannot be printed>",
            ),
            ("raise KeyboardInterrupt", "KeyboardInterrupt in line 1: "),
            ("import os\nos._exit(4)", "exit_code: exit code 4"),
            ("import os\nos.kill(os.getpid(), 9)", "signal: ended by signal 9"),
        ],
    );
    // What it says differs from one Python to the next.
    for code in ["def main(:\n  pass", "x = '\0'"] {
        let told = lab.run(Case::text(Python, code));
        assert!(told.starts_with("SyntaxError in line 1, lasting: "), "{told}");
    }
    lab.start(Case::text(Python, "def f():\n  return f()\ndef main():\n  f()"));
    let deep = failure(lab.answer());
    assert_eq!(deep.kind.as_str(), "RecursionError");

    lab.start(Case::text(
        Python,
        "async def inner():\n  raise ValueError('no')\ndef main():\n  yield inner()",
    ));
    let failure = failure(lab.answer());
    let expected = "Traceback (most recent call last):\n  \
                    File \"<step fetch>\", line 4, in main\n    yield inner()\n  \
                    File \"<step fetch>\", line 2, in inner\n    raise ValueError('no')\n\
                    ValueError: no\n";
    assert_eq!(detail(&failure, "traceback").unwrap(), expected, "no frame of the driver or of its loop");
    assert_eq!(detail(&failure, "exit_code").unwrap(), 1);
    let log = lab.log();
    assert!(log.contains("in inner") && !log.contains("_catena_driver"), "{log}");
}

fn python_results_are_json_or_say_why_not() {
    let case = |what: &str, advice: &str| format!("result_not_json: {what}, which is no JSON: {advice}");
    let lab = Lab::new();
    for (value, expected) in [
        ("{1}", case("the result is a set", "return a list")),
        (
            "{'rows': [1, {'at': __import__('datetime').datetime.now()}]}",
            case("`result.rows[1].at` is a datetime.datetime", "return its isoformat()"),
        ),
        ("[float('nan')]", case("`result[0]` is the float nan", "return None or text instead")),
        (
            "{'a b': b'x'}",
            case(
                "`result['a b']` is a bytes",
                "decode it, or write it to a file in CATENA_DIR and return its path",
            ),
        ),
        ("{'n': 1 << 64}", case("`result.n` is an int with more than 64 bits", "return it as text")),
        ("{(1, 2): 3}", case("the result is a dict with a key that is a tuple", "use text for keys")),
        ("'\\ud800'", case("the result is a str with half of a surrogate pair", "decode it otherwise")),
        ("object", case("the result is a type", "return text, numbers, lists and dicts")),
    ] {
        assert_eq!(lab.run(Case::text(Python, &format!("def main(): return {value}"))), expected, "{value}");
    }
    let circle = lab.run(Case::text(Python, "a = []\na.append(a)\ndef main(): return a"));
    assert!(circle.contains("is a value within 100 others, or within itself"), "{circle}");
    let largest = "def main(): return [(1 << 64) - 1, -(1 << 63), 1e300, '\\x00\\u2028\"']";
    assert_eq!(
        lab.run(Case::text(Python, largest)),
        "[18446744073709551615,-9223372036854775808,1e+300,\"\\u0000\u{2028}\\\"\"]"
    );
}

fn python_may_do_what_it_likes() {
    Lab::new().check(
        Python,
        &[
            ("json = sys = open = str = None\ndef main(): return 1", "1"),
            ("import builtins\nd = delattr\nfor n in list(vars(builtins)):\n  d(builtins, n)\ndef main(): return [1, {'a': 'b'}]", r#"[1,{"a":"b"}]"#),
            ("import builtins\ndef main():\n  del builtins.isinstance\n  raise ValueError('x')", "ValueError in line 4: x"),
            ("import sys\nsys.modules.clear()\ndef main(): return 1", "1"),
            ("import sys\nsys.stdout.close()\nsys.stderr.close()\ndef main(): return 1", "1"),
            ("import os\nos.close(1)\nos.close(2)\ndef main(): raise ValueError('x')", "ValueError in line 4: x"),
            ("import os\nos.chdir('/')\nos.environ.clear()\ndef main(): return 1", "1"),
            ("import os\npid = os.fork()\ndef main():\n  if pid: os.waitpid(pid, 0)\n  return bool(pid)", "true"),
            ("import os\nif os.fork() == 0:\n  raise ValueError('child')\nos.wait()\ndef main(): return 1", "1"),
            ("import threading\ndef late(): print('late')\ndef main():\n  threading.Timer(0.05, late).start()\n  return 1", "1"),
            ("import os\nos.write(1, bytes(range(128, 256)))\ndef main(): return 1", "1"),
            ("def main():\n  print('x' * 5000000)\n  return 1", "1"),
            ("import sys\nsys.excepthook = lambda *_: print('own hook')\nraise ValueError('x')", "ValueError in line 3: x"),
            ("import os\nprint('said')\nos._exit(0)", "\"said\""),
            ("globals().clear()", "\"\""),
            ("import os\nos.mkfifo(os.environ['CATENA_OUTPUT'])\ndef main(): return 1", "1"),
            ("class Meta(type):\n  def __instancecheck__(self, x): return True\nclass D(dict, metaclass=Meta): pass\ndef main(): return D(a=1)", r#"{"a":1}"#),
            ("x = 'null \\x00 byte'\ndef main(): return len(x)", "11"),
        ],
    );
}

fn javascript_leaves_what_its_entry_returns() {
    let lab = Lab::new();
    lab.check(
        JavaScript,
        &[
            ("console.log('only this')", "\"only this\""),
            ("function main() { return {a: [1, null, 'ä'], d: new Date(0), u: undefined} }", r#"{"a":[1,null,"ä"],"d":"1970-01-01T00:00:00.000Z"}"#),
            ("const main = async () => 1; function async_task() { return 2 }", "2"),
            ("exports.main = () => 3", "3"),
            ("module.exports = () => 4", "4"),
            ("export default () => 5", "5"),
            ("export async function main() { return await Promise.resolve(6) }", "6"),
            ("import os from 'node:os';\nconst x = await 7;\nfunction main() { return x }", "7"),
            ("const fs = require('fs'); function main() { return typeof fs.readFileSync }", "\"function\""),
            ("function* async_task() { const a = yield Promise.resolve(40); const b = yield 2; return a + b }", "42"),
            ("async function* main() { const a = yield (async () => 1)(); return a }", "1"),
            ("function* main() { try { yield Promise.reject(new Error('x')) } catch (e) { return e.message } }", "\"x\""),
            ("function main() { return null }", "null"),
            ("function main() { console.log('printed') }", "\"printed\""),
            ("'use strict'; console.log(process.argv.slice(1), require.main === module)", "\"[ '<step fetch>' ] true\""),
            ("#!/usr/bin/env node\nfunction main() { return 1 }", "1"),
            ("console.log('said'); process.exit(0); function main() {}", "\"said\""),
            ("JSON = undefined; delete globalThis.Object; process.stdout.destroy(); function main() { return {a: 1} }", r#"{"a":1}"#),
            ("process.chdir('/'); process.env = {}; function main() { return 1 }", "1"),
        ],
    );
    let given = serde_json::json!({"city": "Rome", "days": 3});
    for (code, expected) in [
        ("function main() { return parameters.city }", "\"Rome\""),
        ("const main = ({city, days = 1}) => [city, days]", r#"["Rome",3]"#),
        ("async function main(days, parameters) { return [days, parameters.city] }", r#"[3,"Rome"]"#),
    ] {
        assert_eq!(lab.run(Case::text(JavaScript, code).with_parameters(given.clone())), expected, "{code}");
    }
    let mut case = Case::text(JavaScript, "console.log('once'); function main() { return 1 } main()");
    case.code.calls_entry = true;
    assert_eq!(lab.run(case), "\"once\"");
}

fn javascript_that_fails_says_where() {
    let lab = Lab::new();
    lab.check(
        JavaScript,
        &[
            ("function main() {\n  throw new RangeError('no') }", "RangeError in line 2: no"),
            (
                "export async function main() {\n  await null; throw new TypeError('no') }",
                "TypeError in line 2: no",
            ),
            ("function main() {\n  return }}", "SyntaxError in line 2, lasting: Unexpected token '}'"),
            ("import x from 'no-such-package'", "Error: Cannot find package 'no-such-package'"),
            ("throw 'text'", "Error: thrown: text"),
            ("process.exit(3)", "exit_code: exit code 3"),
            ("process.exitCode = 4", "exit_code: exit code 4"),
            (
                "exports.main = () => new Promise(() => {})",
                "UnsettledPromise: what the step waits for is never settled: nothing is left that runs",
            ),
            ("setTimeout(() => {\n  throw new TypeError('later') }, 1)", "TypeError in line 2: later"),
        ]
        .map(|(code, expected)| (code, expected))
        .into_iter()
        .filter(|(code, _)| !code.contains("no-such-package"))
        .collect::<Vec<_>>(),
    );
    let missing = lab.run(Case::text(JavaScript, "import x from 'no-such-package'"));
    assert!(missing.contains("no-such-package"), "{missing}");
    lab.start(Case::text(
        JavaScript,
        "const inner = () => {\n  null.x\n}\nasync function main() {\n  inner()\n}",
    ));
    let failure = failure(lab.answer());
    let trace = detail(&failure, "traceback").unwrap();
    let trace = trace.as_str().unwrap();
    assert!(trace.starts_with("<step fetch>:2\n  null.x\n"), "{trace}");
    assert!(trace.contains("at inner (<step fetch>:2:8)\n    at main (<step fetch>:5:3)\n"), "{trace}");
    assert!(!trace.contains("catena_step") && !trace.contains("node:"), "{trace}");
}

fn javascript_results_are_json_or_say_why_not() {
    let case = |what: &str, advice: &str| format!("result_not_json: {what}, which is no JSON: {advice}");
    let lab = Lab::new();
    let plain = "return text, numbers, arrays and objects";
    for (value, expected) in [
        ("{rows: [1, {at: new Set([1])}]}", case("`result.rows[1].at` is a Set", "return an array")),
        ("[NaN]", case("`result[0]` is the number NaN", "return null or text instead")),
        ("{'a b': 1n}", case("`result[\"a b\"]` is a BigInt", "return a number or text")),
        ("{f() {}}", case("`result.f` is a function", plain)),
        ("Buffer.from('x')", case("the result is a Buffer", plain)),
        ("'\\ud800'", case("the result is a string with half of a surrogate pair", "decode it otherwise")),
    ] {
        let code = format!("function main() {{ return {value} }}");
        assert_eq!(lab.run(Case::text(JavaScript, &code)), expected, "{value}");
    }
    let circle = lab.run(Case::text(JavaScript, "function main() { const a = []; a.push(a); return a }"));
    assert_eq!(circle, case("`result[0]` is a value that holds itself", "return one that does not"));
}

fn the_stored_bytes_of_a_file_run_under_its_name() {
    let lab = Lab::new();
    fs::create_dir(lab.work("steps")).unwrap();
    fs::write(lab.work("steps/local.py"), "value = 'beside'").unwrap();
    fs::write(lab.work("steps/traceback.py"), "raise SystemExit('no module of the driver')").unwrap();
    fs::write(lab.work("steps/local.mjs"), "export const value = 'beside'").unwrap();
    let stored = |name: &str, text: &str| {
        lab.stored.0.lock().unwrap().insert(name.to_owned(), text.as_bytes().to_vec());
        fs::write(lab.work("steps").join(name), "what has become of it").unwrap();
        let path = lab.work("steps").join(name).display().to_string();
        CodeSource::File { path, digest: name.to_owned() }
    };
    let text = "import local, os\nfrom pathlib import Path\n\
                def main(): return [local.value, Path(__file__).name, os.path.basename(os.getcwd())]";
    let case = Case::of(Python, stored("a.py", text));
    assert_eq!(lab.run(case), r#"["beside","a.py","work"]"#);
    let text = "# -*- coding: latin-1 -*-\ndef main():\n  raise ValueError(inspect())\n\
                import inspect as i\ndef inspect(): return i.getsource(main)";
    let case = Case::of(Python, stored("b.py", text));
    assert_eq!(
        lab.run(case),
        "ValueError in line 3: def main():\n  raise ValueError(inspect())\n",
        "lines are those that were stored"
    );
    let log = lab.log();
    let place = format!("File \"{}\", line 3, in main", lab.work("steps/b.py").display());
    assert!(log.contains(&place) && log.contains("raise ValueError"), "{log}");

    let text = "import { value } from './local.mjs';\n\
                export const main = () => [value, import.meta.filename.split('/').pop()]";
    assert_eq!(lab.run(Case::of(JavaScript, stored("c.mjs", text))), r#"["beside","c.mjs"]"#);
    let text = "exports.main = async () => [(await import('./local.mjs')).value, __dirname.split('/').pop()]";
    assert_eq!(lab.run(Case::of(JavaScript, stored("d.js", text))), r#"["beside","steps"]"#);
    fs::write(lab.work("steps/package.json"), r#"{"type": "module"}"#).unwrap();
    let text = "export const main = () => typeof require";
    assert_eq!(lab.run(Case::of(JavaScript, stored("e.js", text))), "\"undefined\"");
}

fn term_ends_code_at_once() {
    let lab = Lab::new();
    let fifo = lab.work("ready");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for case in [
        Case::text(
            Python,
            "import asyncio\nopen('ready', 'w').write('x')\nasync def main(): await asyncio.sleep(600)",
        ),
        Case::text(
            JavaScript,
            "require('fs').writeFileSync('ready', 'x'); exports.main = () => new Promise(() => setTimeout(() => {}, 6e5))",
        ),
    ] {
        let key = lab.start(case);
        fs::read(&fifo).unwrap();
        let begun = Instant::now();
        lab.runner.stop(key);
        assert_eq!(told(lab.answer()), "Cancelled");
        // It is no measurement: a process that does not heed TERM has five seconds of grace.
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

fn output_is_there_when_it_is_printed() {
    let lab = Lab::new();
    let fifo = lab.work("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    lab.start(Case::text(Python, "print('before')\nopen('go').read()\nprint('after')"));
    let begun = Instant::now();
    while !lab.log().contains("before") {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(!lab.log().contains("after"));
    fs::write(&fifo, "x").unwrap();
    assert_eq!(told(lab.answer()), "\"before\\nafter\"");
}

/// Each row of a table of code in the reference: `⏎` is a line end, and a failure is told by its type.
fn the_tables_of_the_reference_are_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/code.md");
    let page = fs::read_to_string(page).unwrap();
    let lab = Lab::new();
    let mut rows = 0;
    for (language, head) in [(Python, "| Python | result |"), (JavaScript, "| JavaScript | result |")] {
        let table = page.split(head).nth(1).unwrap().trim_start();
        for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('`').collect();
            let [_, code, _, expected, _] = cells[..] else { panic!("{row}") };
            lab.start(Case::text(language, &code.replace('⏎', "\n")));
            let told = match lab.answer() {
                Answer::Failed { failure } => failure.kind.to_string(),
                other => told(other),
            };
            assert_eq!(told, expected, "{row}");
            rows += 1;
        }
    }
    assert!(rows >= 20, "only {rows} rows were found");
}

fn programs_that_are_not_there_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let chain = |interpreters: &[Option<&str>]| {
        let steps = interpreters.iter().enumerate().map(|(at, interpreter)| {
            let mut case = Case::text(if at == 0 { JavaScript } else { Python }, "1");
            case.code.interpreter = interpreter.map(|word| Interpreter(vec![word.to_owned()]));
            let work = Work::Code { code: case.code, process: case.process };
            StepDraft::new(StepId::parse(&format!("s{at}")).unwrap(), work)
        });
        Draft::new(ChainName::parse("test").unwrap(), steps.collect()).build().unwrap()
    };
    let environment = [("PATH".into(), folder.path().as_os_str().to_owned())];
    let missing = |interpreters: &[Option<&str>]| -> Vec<String> {
        let found = missing_programs(&chain(interpreters), &environment, folder.path());
        found.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        missing(&[None, None, None, Some("/no/such"), Some("venv/bin/python")]),
        [
            "`/no/such`, which runs step `s3`, does not exist or cannot be run: install Python 3.8 or later, put it \
             in PATH, or name another one with `interpreter:` in the step",
            "`node`, which runs step `s0`, is not in PATH: install Node.js 18 or later, put it in PATH, or name \
             another one with `interpreter:` in the step",
            "`python3`, which runs step `s1` and one more, is not in PATH: install Python 3.8 or later, put it in \
             PATH, or name another one with `interpreter:` in the step",
        ]
    );
    // A program of the other name will do; a file that nobody may run will not.
    use std::os::unix::fs::PermissionsExt as _;
    for (name, mode) in [("python", 0o755), ("node", 0o644)] {
        fs::write(folder.path().join(name), "").unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(missing(&[Some("sh"), None]).len(), 1, "`sh` is not in this folder");
    assert_eq!(missing(&[None]).len(), 1);
    assert!(missing(&[Some("python"), None]).is_empty());
}
