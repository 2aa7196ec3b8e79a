//! Processes that do not want to end, say too much, or break what they are given. Whatever they do, an attempt ends
//! within its grace and a second, nothing of it is alive then, the helper has stayed small, the cause is told, and the
//! next attempt runs as if nothing had been.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use catena_runners::process::{Ended, Exit, Launch, Output, Token};

use super::bench::{Bench, is_alive, kill, shell};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("hostile_term_is_ignored", term_is_ignored),
    ("hostile_daemons", daemons),
    ("hostile_daemons_without_a_trace", daemons_without_a_trace),
    ("hostile_pipes_are_held", pipes_are_held),
    ("hostile_children_live_on", children_live_on),
    ("hostile_both_pipes_are_filled", both_pipes_are_filled),
    ("hostile_output_is_endless", output_is_endless),
    ("hostile_binary_output", binary_output),
    ("hostile_forks_while_killed", forks_while_killed),
    ("hostile_stops_itself", stops_itself),
    ("hostile_groups_are_changed", groups_are_changed),
    ("hostile_zombies", zombies),
    ("hostile_tracers", tracers),
    ("hostile_stdin_is_closed", stdin_is_closed),
    ("hostile_something_else_is_executed", something_else_is_executed),
    ("hostile_folders_are_deleted", folders_are_deleted),
    ("hostile_the_output_file_is_something_else", the_output_file_is_something_else),
    ("hostile_the_helper_is_killed", the_helper_is_killed),
];

const GRACE_MS: u64 = 300;
/// What an end may take beyond the grace.
const LATE_MAX_US: i64 = 1_000_000;
/// What the helper may grow by.
const GROWTH_MAX_KB: u64 = 16 * 1024;

/// What all hostile programs begin with. `here` makes a process known to the test, `left` says that the main process is
/// about to end.
const PRELUDE: &str = r#"
import ctypes, os, signal, subprocess, sys, threading, time
def here(): open("pids", "a").write(f"{os.getpid()}\n")
def left(code=0):
    open("left", "w").write(str(time.time_ns() // 1000))
    os._exit(code)
def stay():
    while True: time.sleep(100)
def deaf():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
def child(*parts):
    pid = os.fork()
    if pid: return pid
    here()
    for part in parts: part()
    stay()
def silent():
    for number in (0, 1, 2): os.close(number)
def renamed():
    ctypes.CDLL(None).prctl(15, b"innocent", 0, 0, 0)
def daemon(*parts):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            here()
            for part in parts: part()
            stay()
        os._exit(0)
    os.wait()
def wait_for(count):
    while len(open("pids").readlines()) < count: time.sleep(0.001)
here()
"#;

/// What is expected of one hostile program.
struct Case {
    bench: Bench,
    launch: Launch,
}

impl Case {
    fn new(program: &str) -> Self {
        let bench = Bench::new();
        let file = bench.folder.path().join("program.py");
        fs::write(&file, format!("{PRELUDE}{program}")).unwrap();
        let (grace_ms, args) = (GRACE_MS, vec!["program.py".to_owned()]);
        let launch = Launch { program: "python3".to_owned(), args, grace_ms, ..bench.shell("") };
        Self { bench, launch }
    }

    fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.launch.timeout_ms = Some(timeout_ms);
        self
    }

    /// Runs it alone, and an ordinary attempt afterwards.
    fn check(self, exit: Exit) -> (Bench, Ended) {
        let Self { bench, launch } = self;
        bench.engine.run(Launch { token: Token::new("before"), ..bench.shell("true") });
        let peak_kb = bench.engine.peak_kb();
        let timeout_ms = launch.timeout_ms;
        let ended = bench.engine.run(launch);
        assert_eq!(ended.exit, exit);
        assert_in_time(&bench, &ended, timeout_ms);
        assert_gone(&bench, &ended.token);
        let growth_kb = bench.engine.peak_kb() - peak_kb;
        assert!(growth_kb < GROWTH_MAX_KB, "the helper grew by {growth_kb} KiB");
        let log = fs::metadata(bench.folder.path().join("logs/1/step.1.log")).map_or(0, |log| log.len());
        assert!(log <= 64 * 1024 * 1024 + 200, "a log of {log} bytes");
        let log = bench.folder.path().join("logs/after.log");
        let after = Launch { token: Token::new("after"), log, ..bench.shell("echo fine") };
        let after = bench.engine.run(after);
        assert_eq!((after.exit, after.stdout.as_slice()), (Exit::Code(0), &b"fine\n"[..]));
        (bench, ended)
    }
}

/// Counted from the end of the main process where that is told, else from the time limit.
fn assert_in_time(bench: &Bench, ended: &Ended, timeout_ms: Option<u64>) {
    let limit_us = timeout_ms.map(|ms| ended.started_at_us + i64::try_from(ms).unwrap() * 1_000);
    let left_us = fs::read_to_string(bench.folder.path().join("left")).ok().and_then(|us| us.parse().ok());
    let from_us: i64 = left_us.or(limit_us).expect("the program says when it leaves, or has a limit");
    let took_us = ended.ended_at_us - from_us;
    assert!(took_us <= i64::try_from(GRACE_MS).unwrap() * 1_000 + LATE_MAX_US, "ended after {took_us} µs");
}

/// Nothing of the attempt is alive: not what has told its id, nor what bears the token.
fn assert_gone(bench: &Bench, token: &Token) {
    let pids = fs::read_to_string(bench.folder.path().join("pids")).unwrap_or_default();
    let living: Vec<&str> = pids.lines().filter(|pid| is_alive(pid)).collect();
    assert_eq!((living, marked(bench.folder.path(), token)), (Vec::new(), Vec::new()));
}

/// The living processes with the token of the attempt in their environment.
fn marked(folder: &Path, token: &Token) -> Vec<i32> {
    use std::os::unix::fs::MetadataExt as _;
    let helper = folder.join("helper").metadata().unwrap();
    let mark = format!("CATENA_TOKEN={:x}-{:x}/{token}", helper.dev(), helper.ino());
    let is_marked = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(is_marked).collect()
}

fn term_is_ignored() {
    Case::new("deaf()\nchild()\nstay()").timeout_ms(300).check(Exit::TimedOut);
    // Many that are deaf, in groups of their own.
    let program = "deaf()\nfor n in range(30): child(os.setpgrp)\nwait_for(31)\nleft(3)";
    Case::new(program).check(Exit::Code(3));
}

fn daemons() {
    for parts in [
        "",
        "deaf",
        "silent, renamed, deaf",
        "deaf, lambda: os.chdir('/'), lambda: os.umask(0), silent",
        // It is somebody else's parent, in sessions of their own all the way down.
        "deaf, lambda: [child(os.setsid, deaf, lambda: child(os.setsid, deaf)) for n in range(4)]",
    ] {
        let count = if parts.contains("range") { 10 } else { 2 };
        let program = format!("daemon({parts})\nwait_for({count})\nleft(0)");
        Case::new(&program).check(Exit::Code(0));
    }
    // It handles TERM, and is given the time.
    let program = r#"
def bye(*_):
    open("bye", "w").write("bye"); os._exit(0)
daemon(lambda: signal.signal(signal.SIGTERM, bye), silent, lambda: open("heard", "w"))
wait_for(2)
while not os.path.exists("heard"): time.sleep(0.001)
left(0)"#;
    let (bench, _) = Case::new(program).check(Exit::Code(0));
    assert!(bench.folder.path().join("bye").exists());
}

/// An environment of its own, no pipes, a session of its own.
const WITHOUT_A_TRACE: &str = r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        here()
        os.closerange(0, 100)
        os.execve("/bin/sleep", ["sleep", "100"], {})
    os._exit(0)
os.wait()
wait_for(2)
while not open("/proc/" + open("pids").readlines()[-1].strip() + "/cmdline").read().startswith("sleep"): time.sleep(0.001)
left(0)"#;

/// Until what is started now starts in a later tick than the process.
fn await_next_tick(pid: &str) {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let started =
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)?.parse::<i64>().ok());
    let ticks = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec * 100 + now.tv_nsec / 10_000_000
    };
    while started.is_some_and(|started| ticks() <= started) {
        std::thread::yield_now();
    }
}

fn daemons_without_a_trace() {
    Case::new(WITHOUT_A_TRACE).check(Exit::Code(0));
    // Another attempt that came later knows nothing of it, and is no reason for it to live.
    let case = Case::new(&WITHOUT_A_TRACE.replace("left(0)", "open('go').read()\nleft(0)"));
    let (go, ready) = (case.bench.pipe("go"), case.bench.folder.path().join("pids"));
    case.bench.engine.client.launch(case.launch.clone()).unwrap();
    while fs::read_to_string(&ready).unwrap_or_default().lines().count() < 2 {
        std::thread::yield_now();
    }
    // The kernel tells starts by the tick: of two in one tick nobody can say which was first.
    fs::read_to_string(&ready).unwrap().lines().for_each(await_next_tick);
    let later = Launch { token: Token::new("later"), ..case.bench.shell("exec sleep 100") };
    case.bench.engine.client.launch(later).unwrap();
    let unknown = Launch {
        token: Token::new("unknown"),
        unknown: catena_runners::process::WhenUnknown::Report,
        ..case.bench.shell("")
    };
    // Its answer says that the later one has been started.
    case.bench.engine.client.launch(unknown).unwrap();
    drop(case.bench.engine.report());
    fs::write(go, "").unwrap();
    let ended = case.bench.engine.ended();
    assert_eq!((ended.token.as_str(), ended.exit), ("1/step/1", Exit::Code(0)));
    assert_gone(&case.bench, &ended.token);
    assert_eq!(marked(case.bench.folder.path(), &Token::new("later")).len(), 1);
    case.bench.engine.client.stop(Token::new("later"), GRACE_MS).unwrap();
    assert_eq!(case.bench.engine.ended().exit, Exit::Stopped);
}

fn pipes_are_held() {
    for parts in ["deaf", "os.setsid, deaf", "os.setpgrp, deaf"] {
        let program = format!("print('said', flush=True)\nchild({parts})\nwait_for(2)\nleft(0)");
        let (_, ended) = Case::new(&program).check(Exit::Code(0));
        assert_eq!(ended.stdout, b"said\n");
    }
}

fn children_live_on() {
    let (_, ended) = Case::new("child()\nwait_for(2)\nprint(7, flush=True)\nleft(0)").check(Exit::Code(0));
    assert_eq!(ended.stdout, b"7\n");
    // What is in the pipe when the process has ended is the attempt's all the same.
    let program = "child(deaf)\nwait_for(2)\nos.write(1, b'x' * 60000)\nleft(5)";
    let case = Case::new(program);
    let launch = Launch { capture_max: 100_000, ..case.launch };
    let (_, ended) = Case { launch, ..case }.check(Exit::Code(5));
    assert_eq!(ended.stdout.len(), 60_000);
}

fn both_pipes_are_filled() {
    let program = r#"
def fill(fd):
    for n in range(2000): os.write(fd, b"y" * 9999 + b"\n")
both = [threading.Thread(target=fill, args=(fd,)) for fd in (1, 2)]
for one in both: one.start()
for one in both: one.join()
left(0)"#;
    let (bench, ended) = Case::new(program).check(Exit::Code(0));
    assert_eq!(ended.stdout_dropped, 20_000_000);
    let log = fs::read_to_string(bench.folder.path().join("logs/1/step.1.log")).unwrap();
    let said = |stream: &str| log.lines().filter(|line| line[27..].starts_with(stream)).count();
    assert_eq!((said(" out y"), said(" err y")), (2_000, 2_000));
}

fn output_is_endless() {
    let lines = r#"
for n in range(1600): os.write(1, (b"z" * 99 + b"\n") * 625)
left(0)"#;
    let one_line = "for n in range(1600): os.write(1, b'z' * 62500)\nleft(0)";
    for program in [lines, one_line] {
        let case = Case::new(program);
        // As much as a result may have: what is too much for one need not be in memory.
        let launch = Launch { capture_max: 16 << 20, ..case.launch };
        let (bench, ended) = Case { launch, ..case }.check(Exit::Code(0));
        assert_eq!((ended.stdout.len(), ended.stdout_dropped), (0, 100_000_000));
        let log = fs::read(bench.folder.path().join("logs/1/step.1.log")).unwrap();
        let last = String::from_utf8(log[log.len() - 150..].to_vec()).unwrap();
        assert!(last.contains(" log ") && last.contains(" dropped"), "{last:?}");
        assert_eq!(
            fs::read_dir(bench.folder.path().join("logs/1")).unwrap().count(),
            1,
            "the capture has no name"
        );
    }
    // One that does not stop by itself.
    let endless = "deaf()\nwhile True: os.write(1, b'z' * 65536)";
    Case::new(endless).timeout_ms(300).check(Exit::TimedOut);
}

fn binary_output() {
    let program = r"
os.write(1, b'\0\xff\xfe\x1b[2J\x1b]0;title\x07\r\b\n\xc3')
left(0)";
    let (bench, ended) = Case::new(program).check(Exit::Code(0));
    let bytes = b"\0\xff\xfe\x1b[2J\x1b]0;title\x07\r\x08\n\xc3";
    assert_eq!(ended.stdout, bytes);
    let log = fs::read(bench.folder.path().join("logs/1/step.1.log")).unwrap();
    let texts: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter_map(|line| line.get(27 + 5..)).collect();
    assert_eq!(texts, bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>());
}

/// A process that is another one before it can be killed; bounded, and the bound must not be reached.
const HOPPER: &str = r#"
deaf()
if os.fork() == 0:
    for n in range(100000):
        if os.fork(): os._exit(0)
        HOP
    open("finished", "w")
    os._exit(0)
left(0)"#;

fn forks_while_killed() {
    for hop in ["pass", "os.setpgrp()", "os.setsid()"] {
        let (bench, _) = Case::new(&HOPPER.replace("HOP", hop)).check(Exit::Code(0));
        assert!(!bench.folder.path().join("finished").exists(), "{hop}");
    }
    // Whoever is killed has forked two more, up to a few hundred.
    let bomb = r#"
deaf()
def bomb(depth):
    for n in range(2):
        if os.fork() == 0:
            here()
            SELF
            if depth: bomb(depth - 1)
            stay()
bomb(6)
stay()"#;
    for own in ["pass", "os.setsid()"] {
        Case::new(&bomb.replace("SELF", own)).timeout_ms(700).check(Exit::TimedOut);
    }
}

fn stops_itself() {
    Case::new("os.kill(os.getpid(), signal.SIGSTOP)\nstay()").timeout_ms(300).check(Exit::TimedOut);
    let stops = "lambda: os.kill(os.getpid(), signal.SIGSTOP)";
    let program = format!("child(deaf, {stops})\nchild(os.setsid, {stops})\nwait_for(3)\nleft(0)");
    Case::new(&program).check(Exit::Code(0));
    // It stops itself again each time it is asked to end.
    let program = "signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGSTOP))\nstay()";
    Case::new(program).timeout_ms(300).check(Exit::TimedOut);
}

fn groups_are_changed() {
    // The first process leaves the group that bears its name.
    let program =
        "deaf()\nother = child(os.setpgrp)\nwait_for(2)\ntime.sleep(0.02)\nos.setpgid(0, other)\nstay()";
    Case::new(program).timeout_ms(300).check(Exit::TimedOut);
    let program = "deaf()\nfor n in range(5): child(os.setpgrp, deaf)\nwait_for(6)\nstay()";
    Case::new(program).timeout_ms(600).check(Exit::TimedOut);
}

fn zombies() {
    // Nobody waits for them.
    let program = r#"
def dead():
    if os.fork() == 0: os._exit(0)
for n in range(50): dead()
child(os.setsid, deaf, lambda: [dead() for n in range(50)])
wait_for(2)
left(0)"#;
    let (bench, _) = Case::new(program).check(Exit::Code(0));
    let helper = bench.engine.helper_pid();
    let children = fs::read_to_string(format!("/proc/{helper}/task/{helper}/children")).unwrap_or_default();
    assert_eq!(children, "", "the helper keeps no dead ones");
    let program = "for n in range(9):\n  if os.fork() == 0: os._exit(0)\ndeaf()\nstay()";
    Case::new(program).timeout_ms(300).check(Exit::TimedOut);
}

/// Where tracing is not allowed these are ordinary processes.
fn tracers() {
    let ptrace = r#"
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
TRACEME, ATTACH, SEIZE = 0, 16, 0x4206
"#;
    // It is held by its parent, and hears no signal but KILL.
    let traced = "child(lambda: libc.ptrace(TRACEME, 0, None, None), lambda: os.kill(os.getpid(), 19))";
    let program = format!("{ptrace}{traced}\nwait_for(2)\ntime.sleep(0.02)\nleft(0)");
    Case::new(&program).check(Exit::Code(0));
    // The tracer of the first process is its child: until it is dead the first one cannot be waited for.
    for request in ["ATTACH", "SEIZE"] {
        let tracer = format!(
            "me = os.getpid()\nchild(os.setsid, deaf, lambda: libc.ptrace({request}, me, None, None))\nstay()"
        );
        Case::new(&format!("{ptrace}{tracer}")).timeout_ms(300).check(Exit::TimedOut);
    }
}

fn stdin_is_closed() {
    let case = Case::new("os.close(0)\nprint('on', flush=True)\nleft(0)");
    let launch = Launch { stdin: Some(vec![b'x'; 1 << 20]), ..case.launch };
    let (_, ended) = Case { launch, ..case }.check(Exit::Code(0));
    assert_eq!(ended.stdout, b"on\n");
    // Nobody reads and nobody ends.
    let case = Case::new("deaf()\nos.dup2(os.open('/dev/null', os.O_RDONLY), 0)\nstay()").timeout_ms(300);
    let launch = Launch { stdin: Some(vec![b'x'; 1 << 20]), ..case.launch };
    Case { launch, ..case }.check(Exit::TimedOut);
}

fn something_else_is_executed() {
    let program = "os.execvpe('sh', ['not-sh', '-c', 'trap \"\" TERM; while :; do sleep 9; done'], {'PATH': '/usr/bin:/bin'})";
    Case::new(program).timeout_ms(300).check(Exit::TimedOut);
    Case::new("left = time\nos.execvp('sh', ['sh', '-c', 'kill -SEGV $$'])")
        .timeout_ms(20_000)
        .check(Exit::Signal(11));
}

fn folders_are_deleted() {
    let bench = Bench::new();
    let own = bench.folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let text =
        "rm -rf ../own ../run ../logs; echo said; echo on >&2; echo {} 2>/dev/null >../run/1/output; exit 4";
    let launch = Launch { cwd: own, ..bench.shell(text) };
    let ended = bench.engine.run(launch);
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Code(4), &b"said\n"[..]));
    assert_eq!(ended.output, Output::Absent);
    let after = Launch { token: Token::new("2"), ..bench.shell("echo fine >run/1/output; echo fine") };
    let ended = bench.engine.run(after);
    assert_eq!((ended.exit, ended.output), (Exit::Code(0), Output::Bytes(b"fine\n".to_vec())));
    // Even all that it can find of the helper.
    let after =
        Launch { token: Token::new("3"), ..bench.shell("rm -rf helper/helper.records; mkdir helper/x") };
    assert_eq!(bench.engine.run(after).exit, Exit::Code(0));
    let after = Launch { token: Token::new("4"), ..bench.shell("echo fine") };
    assert_eq!(bench.engine.run(after).stdout, b"fine\n");
}

fn the_output_file_is_something_else() {
    let bench = Bench::new();
    let not_a_file = || Output::Unreadable { message: "not a file".to_owned() };
    for (number, (text, output)) in [
        ("ln -s /dev/zero run/1/output", not_a_file()),
        ("ln -s /proc/self/fd/0 run/1/output", not_a_file()),
        ("mkfifo run/1/output", not_a_file()),
        ("mkdir run/1/output", not_a_file()),
        ("mknod run/1/output c 1 5 2>/dev/null || ln -s /dev/zero run/1/output", not_a_file()),
        ("truncate -s 100M run/1/output", Output::TooLarge { bytes: 100 << 20 }),
        ("head -c 100000000 /dev/zero >run/1/output", Output::TooLarge { bytes: 100_000_000 }),
        ("ln -s nowhere run/1/output", Output::Absent),
        ("printf 5 >run/1/other; ln -s other run/1/output", Output::Bytes(b"5".to_vec())),
    ]
    .into_iter()
    .enumerate()
    {
        let peak_kb = bench.engine.peak_kb();
        let text = format!("rm -rf run/1/output; {text}");
        let launch = Launch { token: Token::new(number.to_string()), ..bench.shell(&text) };
        assert_eq!(bench.engine.run(launch).output, output, "{text}");
        assert!(bench.engine.peak_kb() - peak_kb < GROWTH_MAX_KB, "{text}");
    }
    let text = "rm -rf run/1/output; ln -s output run/1/output";
    let looped = bench.engine.run(Launch { token: Token::new("loop"), ..bench.shell(text) });
    assert!(matches!(looped.output, Output::Unreadable { .. }), "{:?}", looped.output);
}

/// What a dead helper has left is dead before its successor listens, whatever it has made of itself.
fn the_helper_is_killed() {
    let program = r#"
deaf()
daemon(deaf, silent, renamed)
child(os.setsid, deaf, lambda: child(os.setsid, deaf))
child(os.setpgrp, deaf, lambda: os.execve("/bin/sleep", ["sleep", "100"], {}))
wait_for(5)
open("ready", "w").write("x\n")
stay()"#;
    let mut case = Case::new(program);
    let ready = case.bench.pipe("ready");
    case.bench.engine.client.launch(case.launch.clone()).unwrap();
    assert_eq!(case.bench.said("ready"), "x");
    let begun = SystemTime::now();
    kill(case.bench.engine.helper_pid());
    case.bench.engine.lost.recv_timeout(super::bench::PATIENCE).unwrap();
    case.bench.reconnect();
    assert_gone(&case.bench, &case.launch.token);
    let ended = case.bench.engine.run(case.launch.clone());
    assert_eq!(ended.exit, Exit::Lost, "{ready}");
    let begun_us = i64::try_from(begun.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    assert!(ended.ended_at_us >= begun_us);
    let after = Launch { token: Token::new("after"), ..shell(case.bench.folder.path(), "echo fine") };
    assert_eq!(case.bench.engine.run(after).stdout, b"fine\n");
}
