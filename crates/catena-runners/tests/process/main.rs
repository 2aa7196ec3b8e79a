//! The helper and its client against real processes. This executable runs itself again as the helper, which has to
//! be the main thread of a process, and as an engine to be killed; hence no libtest.

#![expect(clippy::unwrap_used, reason = "all of this is test code, which clippy cannot see without libtest")]

mod bench;
mod hostile;

use std::fs;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use catena_runners::process::{Error, Exit, Launch, Output, Reason, Report, Token, WhenUnknown, serve};

use self::bench::{
    Bench, Engine, PATIENCE, ROLE, folder_of_role, is_alive, kill, role, said, shell, wait_for_leave,
};

const TESTS: &[(&str, fn())] = &[
    ("a_process_ends_with_its_code_or_signal", a_process_ends_with_its_code_or_signal),
    ("standard_input_is_written_and_closed", standard_input_is_written_and_closed),
    ("input_that_nobody_reads_holds_nothing_up", input_that_nobody_reads_holds_nothing_up),
    ("the_environment_is_base_and_additions", the_environment_is_base_and_additions),
    ("stdout_is_kept_up_to_its_bound", stdout_is_kept_up_to_its_bound),
    ("much_output_costs_no_memory", much_output_costs_no_memory),
    ("the_output_file_is_read_at_the_end", the_output_file_is_read_at_the_end),
    ("a_timeout_ends_what_ignores_term", a_timeout_ends_what_ignores_term),
    ("a_stop_ends_the_group", a_stop_ends_the_group),
    ("a_second_stop_shortens_the_grace", a_second_stop_shortens_the_grace),
    ("children_in_the_group_end_with_their_leader", children_in_the_group_end_with_their_leader),
    ("a_daemon_ends_with_its_attempt_alone", a_daemon_ends_with_its_attempt_alone),
    ("a_daemon_without_environment_ends_too", a_daemon_without_environment_ends_too),
    ("an_attempt_survives_its_engine", an_attempt_survives_its_engine),
    ("an_engine_that_was_overtaken_has_no_say", an_engine_that_was_overtaken_has_no_say),
    ("an_end_is_told_until_acknowledged", an_end_is_told_until_acknowledged),
    ("an_acknowledgement_of_no_end_is_harmless", an_acknowledgement_of_no_end_is_harmless),
    ("an_end_outlives_its_helper", an_end_outlives_its_helper),
    ("a_killed_helper_loses_its_attempts", a_killed_helper_loses_its_attempts),
    ("an_unknown_token_is_reported", an_unknown_token_is_reported),
    ("what_cannot_start_says_why", what_cannot_start_says_why),
    ("a_log_has_time_and_stream_per_line", a_log_has_time_and_stream_per_line),
    ("a_silent_attempt_leaves_no_log", a_silent_attempt_leaves_no_log),
    ("a_secret_is_masked_wherever_pieces_end", a_secret_is_masked_wherever_pieces_end),
    ("no_file_holds_a_secret", no_file_holds_a_secret),
    ("a_long_path_can_be_served", a_long_path_can_be_served),
    ("many_attempts_run_at_once", many_attempts_run_at_once),
    ("the_second_helper_leaves_at_once", the_second_helper_leaves_at_once),
    ("an_idle_helper_leaves", an_idle_helper_leaves),
    ("a_helper_leaves_ends_that_nobody_hears", a_helper_leaves_ends_that_nobody_hears),
];

fn main() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Ok("helper") => serve(&folder_of_role()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Ok("engine") => be_an_engine(),
        Ok(_) | Err(_) => run_tests(),
    }
}

fn run_tests() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let mut failed = 0;
    for (name, test) in TESTS.iter().chain(hostile::TESTS).filter(|(name, _)| wanted(name)) {
        let begun = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        failed += u32::from(!passed);
        eprintln!(
            "test {name} ... {} ({:.2} s)",
            if passed { "ok" } else { "FAILED" },
            begun.elapsed().as_secs_f64()
        );
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn a_process_ends_with_its_code_or_signal() {
    let bench = Bench::new();
    for (text, exit) in [
        ("true", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -TERM $$", Exit::Signal(15)),
    ] {
        let ended = bench.engine.run(bench.shell(text));
        assert_eq!(ended.exit, exit, "{text}");
        assert!(ended.pid.is_some() && ended.started_at_us <= ended.ended_at_us);
        bench.engine.client.ack(ended.token).unwrap();
    }
}

fn standard_input_is_written_and_closed() {
    let bench = Bench::new();
    let text = "0123456789abcdef".repeat(64 * 1024);
    let launch = Launch {
        stdin: Some(text.clone().into_bytes()),
        capture_max: 1 << 30,
        ..bench.shell("cat; echo >&2 done")
    };
    assert_eq!(String::from_utf8(bench.engine.run(launch).stdout).unwrap(), text);
    let empty = Launch { token: Token::new("2"), ..bench.shell("cat") };
    assert_eq!(bench.engine.run(empty).exit, Exit::Code(0));
}

fn input_that_nobody_reads_holds_nothing_up() {
    let bench = Bench::new();
    let launch = Launch { stdin: Some(vec![b'x'; 1 << 20]), ..bench.shell("exit 3") };
    assert_eq!(bench.engine.run(launch).exit, Exit::Code(3));
}

fn the_environment_is_base_and_additions() {
    let bench = Bench::new();
    let env = vec![("ADDED".to_owned(), "new".to_owned())];
    let launch = Launch {
        env,
        ..bench.shell("printf '%s' \"$ODD-$ADDED-$HELPER_TEST_ROLE\"; pwd >&2; test -d run/1")
    };
    let ended = bench.engine.run(launch);
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Code(0), &b"a\xffb-new-"[..]));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &bench.folder.path().join("run").metadata().unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

fn stdout_is_kept_up_to_its_bound() {
    let bench = Bench::new();
    let ended = bench.engine.run(Launch { capture_max: 4, ..bench.shell("printf abcdefg; printf err >&2") });
    assert_eq!((ended.stdout.as_slice(), ended.stdout_dropped), (&b""[..], 7));
    let whole = Launch { token: Token::new("2"), capture_max: 7, ..bench.shell("printf abcdefg") };
    let ended = bench.engine.run(whole);
    assert_eq!((ended.stdout.as_slice(), ended.stdout_dropped), (&b"abcdefg"[..], 0));
}

fn much_output_costs_no_memory() {
    let bench = Bench::new();
    let ended = bench.engine.run(bench.shell("head -c 100000000 /dev/zero"));
    assert_eq!(ended.stdout_dropped, 100_000_000);
    assert!(bench.engine.peak_kb() < 32 * 1024, "{} KiB", bench.engine.peak_kb());
    let log = fs::read(bench.folder.path().join("logs/1/step.1.log")).unwrap();
    assert!(log.len() < 64 * 1024 * 1024 + 200);
    let last = String::from_utf8(log[log.len() - 150..].to_vec()).unwrap();
    assert!(last.contains(" log ") && last.contains(" dropped"), "{last:?}");
}

fn the_output_file_is_read_at_the_end() {
    let bench = Bench::new();
    for (text, output) in [
        ("printf '{}' >run/1/output", Output::Bytes(b"{}".to_vec())),
        ("rm run/1/output", Output::Absent),
        ("truncate -s 17M run/1/output", Output::TooLarge { bytes: 17 << 20 }),
        ("rm run/1/output; mkfifo run/1/output", Output::Unreadable { message: "not a file".to_owned() }),
    ] {
        let ended = bench.engine.run(bench.shell(text));
        assert_eq!(ended.output, output, "{text}");
        bench.engine.client.ack(ended.token).unwrap();
    }
}

fn a_timeout_ends_what_ignores_term() {
    let bench = Bench::new();
    let launch = Launch {
        timeout_ms: Some(50),
        grace_ms: 50,
        ..bench.shell("trap '' TERM; while :; do sleep 100; done")
    };
    let ended = bench.engine.run(launch);
    assert_eq!(ended.exit, Exit::TimedOut);
    assert!(ended.ended_at_us - ended.started_at_us >= 100_000);
    assert!(!is_alive(&ended.pid.unwrap().to_string()));
}

fn a_stop_ends_the_group() {
    let bench = Bench::new();
    let pipe = bench.pipe("ready");
    let text = format!("sleep 100 & trap 'echo bye; exit 0' TERM; echo $! >{pipe}; wait");
    bench.engine.client.launch(bench.shell(&text)).unwrap();
    let child = bench.said("ready");
    bench.engine.client.stop(Token::new("1/step/1"), 10_000).unwrap();
    let ended = bench.engine.ended();
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Stopped, &b"bye\n"[..]));
    assert!(!is_alive(&child));
}

fn a_second_stop_shortens_the_grace() {
    let bench = Bench::new();
    let pipe = bench.pipe("ready");
    let text = format!("trap '' TERM; echo ready >{pipe}; while :; do sleep 100; done");
    bench.engine.client.launch(bench.shell(&text)).unwrap();
    bench.said("ready");
    bench.engine.client.stop(Token::new("1/step/1"), 1_000_000).unwrap();
    bench.engine.client.stop(Token::new("1/step/1"), 0).unwrap();
    assert_eq!(bench.engine.ended().exit, Exit::Stopped);
}

fn children_in_the_group_end_with_their_leader() {
    let bench = Bench::new();
    let ended = bench.engine.run(bench.shell("sleep 100 & echo $!; exit 5"));
    let child = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.exit, Exit::Code(5));
    assert!(!is_alive(child.trim()));
    let stubborn = Launch {
        token: Token::new("2"),
        grace_ms: 20,
        ..bench.shell("(trap '' TERM; while :; do sleep 100; done) & echo $!")
    };
    let ended = bench.engine.run(stubborn);
    assert_eq!(ended.exit, Exit::Code(0));
    assert!(!is_alive(String::from_utf8(ended.stdout).unwrap().trim()));
}

/// A daemon in a session of its own that says its id.
const DAEMON: &str = "setsid sh -c 'echo $$; exec sleep 100'";

fn a_daemon_ends_with_its_attempt_alone() {
    let bench = Bench::new();
    let pipe = bench.pipe("other");
    let other = Launch {
        token: Token::new("other"),
        ..bench.shell(&format!("{DAEMON} >{pipe} 2>/dev/null & exec sleep 100"))
    };
    bench.engine.client.launch(other).unwrap();
    let others_daemon = bench.said("other");
    let pipe = bench.pipe("mine");
    // The daemon holds the pipes of its attempt too.
    let ended = bench.engine.run(bench.shell(&format!(
        "setsid sh -c 'echo $$ >{pipe}; exec sleep 100' & read pid <{pipe}; echo $pid; exit 4"
    )));
    assert_eq!(ended.exit, Exit::Code(4));
    assert!(!is_alive(String::from_utf8(ended.stdout).unwrap().trim()));
    assert!(is_alive(&others_daemon));
    bench.engine.client.stop(Token::new("other"), 10_000).unwrap();
    assert_eq!(bench.engine.ended().exit, Exit::Stopped);
    assert!(!is_alive(&others_daemon));
}

fn a_daemon_without_environment_ends_too() {
    let bench = Bench::new();
    let pipe = bench.pipe("daemon");
    let text = format!("setsid env -i /bin/sh -c 'echo $$ >{pipe}; while :; do /bin/sleep 100; done' &");
    let ended = bench.engine.run(bench.shell(&format!("{text} read pid <{pipe}; echo $pid")));
    assert!(!is_alive(String::from_utf8(ended.stdout).unwrap().trim()));
}

/// Launches one attempt that waits for the test, and never ends by itself.
fn be_an_engine() -> ExitCode {
    let folder = folder_of_role();
    let engine = Engine::connect(&folder);
    let (began, go) = (folder.join("began"), folder.join("go"));
    let text = format!("echo $$ >{}; read word <{}; echo $word", began.display(), go.display());
    engine.client.launch(shell(&folder, &text)).unwrap();
    drop(engine.report());
    ExitCode::FAILURE
}

fn spawn_engine(folder: &Path) -> Child {
    for name in ["began", "go"] {
        assert!(Command::new("mkfifo").arg(folder.join(name)).status().unwrap().success());
    }
    role("engine", folder).stdin(Stdio::null()).spawn().unwrap()
}

fn an_attempt_survives_its_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = spawn_engine(folder.path());
    let pid = said(&folder.path().join("began"));
    first.kill().unwrap();
    first.wait().unwrap();
    let engine = Engine::connect(folder.path());
    assert_eq!(engine.client.held(), [Token::new("1/step/1")]);
    engine.client.launch(shell(folder.path(), "echo a second process")).unwrap();
    // Only a helper that has heard the launch answers this.
    engine
        .client
        .launch(Launch { unknown: WhenUnknown::Report, token: Token::new("2"), ..shell(folder.path(), "") })
        .unwrap();
    assert_eq!(engine.report(), Report::Unknown { token: Token::new("2") });
    fs::write(folder.path().join("go"), "went on\n").unwrap();
    let ended = engine.ended();
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Code(0), &b"went on\n"[..]));
    assert_eq!(ended.pid.unwrap().to_string(), pid);
}

fn an_engine_that_was_overtaken_has_no_say() {
    let bench = Bench::new();
    let successor = Engine::connect_under(bench.folder.path(), 2).unwrap();
    // Decided before, asked for too late: the successor has had its end acknowledged by now.
    drop(bench.engine.client.launch(bench.shell("echo late > late")));
    bench.engine.lost.recv_timeout(PATIENCE).expect("it is told by the end of its connection");
    successor.run(Launch { token: Token::new("next"), ..bench.shell("true") });
    assert!(!bench.folder.path().join("late").exists());
    assert!(successor.client.held().is_empty());
    let again = Engine::connect_under(bench.folder.path(), 1);
    assert!(matches!(again, Err(Error::Overtaken { theirs: 2, ours: 1 })));
}

fn an_end_is_told_until_acknowledged() {
    let mut bench = Bench::new();
    let launch = bench.shell("echo once");
    let ended = bench.engine.run(launch.clone());
    bench.reconnect();
    assert_eq!(bench.engine.run(launch.clone()), ended);
    let reported = Launch { unknown: WhenUnknown::Report, ..launch };
    assert_eq!(bench.engine.run(reported.clone()), ended);
    bench.engine.client.ack(ended.token.clone()).unwrap();
    bench.engine.client.launch(reported).unwrap();
    assert_eq!(bench.engine.report(), Report::Unknown { token: ended.token });
}

fn an_acknowledgement_of_no_end_is_harmless() {
    let bench = Bench::new();
    let pipe = bench.pipe("go");
    bench.engine.client.ack(Token::new("never launched")).unwrap();
    bench.engine.client.launch(bench.shell(&format!("read word <{pipe}; echo $word"))).unwrap();
    bench.engine.client.ack(Token::new("1/step/1")).unwrap();
    bench.engine.client.flush().unwrap();
    fs::write(pipe, "went on\n").unwrap();
    let ended = bench.engine.ended();
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Code(0), &b"went on\n"[..]));
    bench.engine.client.ack(ended.token.clone()).unwrap();
    bench.engine.client.ack(ended.token).unwrap();
    assert_eq!(bench.engine.run(bench.shell("exit 3")).exit, Exit::Code(3));
}

fn an_end_outlives_its_helper() {
    let mut bench = Bench::new();
    let launch = bench.shell("echo once");
    let ended = bench.engine.run(launch.clone());
    kill(bench.engine.helper_pid());
    bench.engine.lost.recv_timeout(PATIENCE).unwrap();
    bench.reconnect();
    assert_eq!(bench.engine.run(launch.clone()), ended);
    bench.engine.client.ack(ended.token.clone()).unwrap();
    bench.engine.client.flush().unwrap();
    bench.reconnect();
    assert_eq!(bench.engine.client.held(), []);
}

fn a_killed_helper_loses_its_attempts() {
    let mut bench = Bench::new();
    let pipe = bench.pipe("pids");
    let launch = bench.shell(&format!(
        "sleep 100 & mate=$!; setsid sleep 101 & echo $$ $mate $! >{pipe}; trap '' TERM; while :; do sleep 100; done"
    ));
    bench.engine.client.launch(launch.clone()).unwrap();
    let pids = bench.said("pids");
    kill(bench.engine.helper_pid());
    bench.engine.lost.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pids.split(' ').filter(|pid| is_alive(pid)).count(), 3);
    bench.reconnect();
    assert_eq!(pids.split(' ').filter(|pid| is_alive(pid)).count(), 0);
    let ended = bench.engine.run(launch);
    assert_eq!(ended.exit, Exit::Lost);
    // The process may have spoken before the helper had written down which one it is.
    let known = ended.pid.map(|pid| pid.to_string());
    assert!(known.is_none_or(|pid| pid == pids.split(' ').next().unwrap()));
}

fn an_unknown_token_is_reported() {
    let bench = Bench::new();
    let launch = Launch { unknown: WhenUnknown::Report, ..bench.shell("true") };
    bench.engine.client.launch(launch).unwrap();
    assert_eq!(bench.engine.report(), Report::Unknown { token: Token::new("1/step/1") });
    bench.engine.client.stop(Token::new("2"), 0).unwrap();
    assert_eq!(bench.engine.report(), Report::Unknown { token: Token::new("2") });
}

fn what_cannot_start_says_why() {
    let bench = Bench::new();
    let file = bench.folder.path().join("plain");
    fs::write(&file, "not a program").unwrap();
    let program = |name: &str| Launch { program: name.to_owned(), ..bench.shell("") };
    for (number, (launch, reason)) in [
        (program("no-such-program"), Reason::NotFound),
        (program("./no-such-program"), Reason::NotFound),
        (program("./plain"), Reason::PermissionDenied),
        (Launch { cwd: file.join("x"), ..bench.shell("") }, Reason::WorkdirMissing),
        (Launch { dir: file.join("x"), ..bench.shell("") }, Reason::Other),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = bench.engine.cannot_start(Launch { token: Token::new(number.to_string()), ..launch });
        assert_eq!(refused.reason, reason, "{}", refused.message);
    }
}

fn a_log_has_time_and_stream_per_line() {
    let bench = Bench::new();
    let long = "x".repeat(64 * 1024 + 1);
    let stdin = Some(format!("one\n\n{long}\nunended").into_bytes());
    bench.engine.run(Launch { stdin, ..bench.shell("cat; echo two >&2") });
    let log = fs::read_to_string(bench.folder.path().join("logs/1/step.1.log")).unwrap();
    let mut lines: Vec<&str> = Vec::new();
    for line in log.lines() {
        let (time, rest) = line.split_at(27);
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        lines.push(rest);
    }
    lines.sort_by_key(|line| line.len());
    let full = format!(" out {}", &long[1..]);
    assert_eq!(lines, [" out ", " out x", " out one", " err two", " out unended", full.as_str()]);
}

fn a_silent_attempt_leaves_no_log() {
    let bench = Bench::new();
    bench.engine.run(bench.shell("true"));
    assert!(!bench.folder.path().join("logs").exists());
}

const SECRET: &str = "hunter2 of the fleet";

fn a_secret_is_masked_wherever_pieces_end() {
    let bench = Bench::new();
    let (began, go) = (bench.pipe("began"), bench.pipe("go"));
    let text = format!(
        "printf 'a hunter2'; echo > {began}; cat {go}; printf ' of the fleet!'; yes \"$S\" | head -5000"
    );
    let launch = Launch {
        env: vec![("S".to_owned(), SECRET.to_owned())],
        hidden: vec![SECRET.to_owned()],
        capture_max: 1 << 20,
        ..bench.shell(&text)
    };
    bench.engine.client.launch(launch).unwrap();
    bench.said("began");
    fs::write(bench.folder.path().join("go"), "").unwrap();
    let masked = format!("a ***!{}", "***\n".repeat(5000));
    assert_eq!(String::from_utf8(bench.engine.ended().stdout).unwrap(), masked);
    let log = fs::read_to_string(bench.folder.path().join("logs/1/step.1.log")).unwrap();
    let lines: String = log.lines().map(|line| format!("{}\n", &line[" out ".len() + 27..])).collect();
    assert_eq!(lines, masked);
}

fn no_file_holds_a_secret() {
    let bench = Bench::new();
    let launch = |token: &str, text: &str| Launch {
        token: Token::new(token),
        stdin: Some(SECRET.as_bytes().to_vec()),
        hidden: vec![SECRET.to_owned()],
        output: bench.folder.path().join("run/1").join(token),
        ..bench.shell(text)
    };
    let ended = bench.engine.run(launch("1", "tee run/1/1; cat run/1/1 >&2"));
    assert_eq!((ended.stdout.as_slice(), ended.output), (&b"***"[..], Output::Bytes(b"***".to_vec())));
    let ended = bench.engine.run(launch("2", "cat > run/1/2; truncate -s 17M run/1/2"));
    assert_eq!(ended.output, Output::TooLarge { bytes: 17 << 20 });
    bench.engine.run(launch("3", "cat > run/1/3; chmod 400 run/1/3"));
    bench.engine.run(launch("4", "cat > run/1/4; mkdir run/1/5; exit 1"));
    let found = Command::new("grep").args(["-rl", "hunter2"]).arg(bench.folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

fn a_long_path_can_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    let engine = Engine::connect(&deep);
    assert_eq!(engine.run(shell(&deep, "true")).exit, Exit::Code(0));
}

fn many_attempts_run_at_once() {
    let bench = Bench::new();
    for number in 0..100 {
        let text = format!("setsid sleep 100 & exit {number}");
        bench
            .engine
            .client
            .launch(Launch { token: Token::new(number.to_string()), ..bench.shell(&text) })
            .unwrap();
    }
    for _ in 0..100 {
        let ended = bench.engine.ended();
        assert_eq!(ended.exit, Exit::Code(ended.token.as_str().parse().unwrap()));
    }
}

fn the_second_helper_leaves_at_once() {
    let bench = Bench::new();
    let mut second =
        role("helper", &bench.folder.path().join("helper")).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    second.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((second.wait().unwrap().success(), said.as_str()), (true, ""));
}

fn an_idle_helper_leaves() {
    let Bench { folder, engine } = Bench::new();
    let helper = engine.helper_pid();
    drop(engine);
    wait_for_leave(helper);
    assert!(!folder.path().join("helper/helper.sock").exists());
}

fn a_helper_leaves_ends_that_nobody_hears() {
    let Bench { folder, engine } = Bench::new();
    let unheard = engine.run(shell(folder.path(), "echo unheard"));
    let heard = engine.run(Launch { token: Token::new("2"), ..shell(folder.path(), "true") });
    engine.client.ack(heard.token).unwrap();
    let helper = engine.helper_pid();
    let begun = Instant::now();
    drop(engine);
    wait_for_leave(helper);
    assert!(begun.elapsed() > Duration::from_secs(5), "longer than with nothing to tell");
    let engine = Engine::connect(folder.path());
    assert_eq!(engine.client.held(), [Token::new("1/step/1")]);
    assert_eq!(engine.run(shell(folder.path(), "echo again")), unheard);
}
