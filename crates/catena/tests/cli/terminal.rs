//! The live view in a pseudo-terminal: what the program writes goes through a terminal in memory, which is looked at
//! after every picture.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    num::NonZeroU16,
    path::Path,
    process::{Child, Command},
};

use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize},
};

use super::{Place, hear, held_chain, held_chain_named, signal, tell};

const PICTURE_ENDS: &[u8] = b"\x1b[?2026l";
const SCROLLBACK: usize = 10_000;

/// A terminal with a program in it.
struct Terminal {
    child: Child,
    master: File,
    parser: vt100::Parser,
    /// Read and not shown yet.
    rest: Vec<u8>,
    pictures: usize,
    /// All that was written.
    bytes: Vec<u8>,
    before: Termios,
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    fn run(place: &Place, args: &[&str], rows: u16, columns: u16) -> Self {
        Self::run_with(place, args, rows, columns, &[("TERM", "xterm-256color")])
    }

    fn run_with(place: &Place, args: &[&str], rows: u16, columns: u16, variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, winsize(rows, columns)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(Path::new(name.to_str().unwrap())).unwrap();
        // The terminal is to control the program, as it controls one that a shell starts: then Ctrl-C is a signal.
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_catena")]).args(args).current_dir(place.dir.path());
        command.env("CATENA_HOME", place.home()).env_remove("NO_COLOR").env_remove("GITHUB_ACTIONS");
        command.envs(variables.iter().copied());
        let end = || slave.try_clone().unwrap();
        let before = tcgetattr(&slave).unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), SCROLLBACK);
        let (rest, bytes) = (Vec::new(), Vec::new());
        Self { child, master: master.into(), parser, rest, pictures: 0, bytes, before }
    }

    /// Looks at the terminal after every picture until it shows what is wanted.
    fn until(&mut self, wanted: impl Fn(&[String]) -> bool) {
        while !wanted(&self.rows()) {
            assert!(self.read(), "the program has ended: {:#?}", self.rows());
        }
    }

    fn until_shown(&mut self, words: &str) {
        self.until(|rows| rows.iter().any(|row| row.contains(words)));
    }

    /// The program's end, with its exit code; the terminal is then as it was.
    fn ends(&mut self, code: impl Into<Option<i32>>) {
        while self.read() {}
        self.show(self.rest.len());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), code.into(), "{:#?}", self.rows());
        let after = tcgetattr(&self.master).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert!(!self.parser.screen().hide_cursor());
    }

    /// Takes what the program has written; false when it will write no more.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 1 << 14];
        let count = match self.master.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            // The other end is closed.
            Err(_) => 0,
        };
        self.rest.extend_from_slice(&bytes[..count]);
        self.bytes.extend_from_slice(&bytes[..count]);
        while let Some(at) = find(&self.rest, PICTURE_ENDS) {
            self.show(at + PICTURE_ENDS.len());
            self.pictures += 1;
            check_whole(&self.rows());
        }
        // What stands before a picture is plain talk.
        if find(&self.rest, b"\x1b[?2026h").is_none() && !self.rest.contains(&0x1b) {
            self.show(self.rest.len());
        }
        count > 0
    }

    fn show(&mut self, count: usize) {
        let shown: Vec<u8> = self.rest.drain(..count).collect();
        self.parser.process(&shown);
    }

    fn rows(&self) -> Vec<String> {
        let (_, columns) = self.parser.screen().size();
        self.parser.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// All that can be scrolled to, and the screen below it.
    fn everything(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let screen = self.parser.screen_mut();
        let columns = screen.size().1.get();
        for offset in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(offset);
            lines.extend(screen.rows(0, columns).next().map(|row| row.trim_end().to_owned()));
        }
        screen.set_scrollback(0);
        lines.extend(self.rows());
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that fails leaves nobody behind.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

fn is_status(row: &str) -> bool {
    row.split_once(" steps").is_some_and(|(counts, _)| {
        counts
            .split_once('/')
            .is_some_and(|(ended, known)| [ended, known].iter().all(|n| n.parse::<u32>().is_ok()))
    })
}

/// A block stands once, whole, at the foot of what is shown, and leaves a row to what was said.
fn check_whole(rows: &[String]) {
    let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let statuses: Vec<usize> = (0..used).filter(|row| is_status(&rows[*row])).collect();
    let of_block = |row: &&String| row.starts_with("  ") && !row.starts_with("    ");
    match statuses[..] {
        [] => {}
        [at] => {
            let below = &rows[at + 1..used];
            assert!(below.iter().all(|row| row.contains(": ")), "below the block: {rows:#?}");
            let block = rows[..at].iter().rev().take_while(of_block).count() + 1;
            assert!(block <= 12 && block < rows.len(), "too high: {rows:#?}");
            let above = &rows[..(at + 1) - block];
            assert!(!above.iter().any(|row| of_block(&row)), "torn: {rows:#?}");
        }
        _ => panic!("several blocks: {rows:#?}"),
    }
}

fn two_hundred(place: &Place) {
    place.write(
        "many.yaml",
        "name: many\nsteps:\n- {name: Each, for_each: {items: '{range(200)}', as: n, steps: [{name: Work, \
         env: {N: '{n}'}, shell: 'echo line one of $N; echo line two of $N'}]}}\n",
    );
}

fn count(lines: &[String], wanted: impl Fn(&str) -> bool) -> usize {
    lines.iter().filter(|line| wanted(line)).count()
}

#[test]
fn two_hundred_parallel_steps_fit_in_24_rows() {
    let place = Place::new();
    two_hundred(&place);
    let mut terminal = Terminal::run(&place, &["run", "many.yaml"], 24, 80);
    terminal.ends(0);
    assert!(terminal.pictures > 1, "nothing was drawn");
    let lines = terminal.everything();
    for item in 0..200 {
        let own = format!("✓ each[{item}]/work  ");
        assert_eq!(count(&lines, |line| line.starts_with(&own)), 1, "{own}: {lines:#?}");
    }
    assert_eq!(count(&lines, |line| line.starts_with("✓ ")), 201);
    // What was said before, a line for each step, and the end: nothing of the block.
    assert_eq!(lines.len(), 203, "{lines:#?}");
    assert!(
        lines.first().unwrap().starts_with("execution ") && lines.last().unwrap().contains("completed in")
    );
}

#[test]
fn what_runs_is_shown_with_its_newest_line_and_in_few_columns() {
    let place = Place::new();
    let (started, go) = (place.pipe("started"), place.pipe("go"));
    place.write(
        "wide.yaml",
        &format!(
            "name: 夜の仕事\nsteps:\n- name: A step whose name is much longer than half of this terminal\n  \
             env: {{STARTED: '{}', GO: '{}'}}\n  \
             shell: printf 'x\\033[2J\\033[31m日本語日本語日本語日本語\\033]0;t\\007\\n'; echo up > \"$STARTED\"; read w < \"$GO\"\n",
            started.display(),
            go.display()
        ),
    );
    for (rows, columns) in [(24, 80), (6, 40), (2, 20), (24, 100)] {
        let mut terminal = Terminal::run(&place, &["run", "wide.yaml"], rows, columns);
        hear(&started);
        terminal.until(|rows| {
            rows.iter().any(|row| is_status(row) && row.contains("1 running") || row.contains('…'))
        });
        if columns >= 80 {
            terminal.until_shown("x日本");
            assert_eq!(
                count(&terminal.rows(), |row| row.contains("…f_this_terminal") || row.contains("terminal ")),
                1
            );
        }
        tell(&go);
        terminal.ends(0);
        assert!(find(&terminal.bytes, b"\x1b[2J").is_none() && find(&terminal.bytes, b"\x1b]0").is_none());
        assert_eq!(count(&terminal.everything(), is_status), 0);
    }
}

#[test]
fn a_failure_is_loud_and_its_output_harmless() {
    let place = Place::new();
    place.write(
        "bad.yaml",
        "name: bad\nsteps:\n- {shell: 'true'}\n- {name: Deploy, shell: \"printf 'one\\\\n\\\\033[2J\\\\033[1mtwo\\\\n'; exit 3\"}\n",
    );
    let mut terminal = Terminal::run(&place, &["run", "bad.yaml"], 24, 80);
    terminal.ends(1);
    let lines = terminal.everything();
    let at =
        lines.iter().position(|line| line.starts_with("✗ deploy  exit_code: ")).expect("the failed step");
    assert_eq!((lines[at + 1].as_str(), lines[at + 2].as_str()), ("    one", "    two"), "{lines:#?}");
    assert!(lines.last().unwrap().contains("--step deploy"), "{lines:#?}");
    assert!(find(&terminal.bytes, b"\x1b[2J").is_none());
}

#[test]
fn there_is_no_escape_sequence_where_there_is_no_block() {
    let place = Place::new();
    two_hundred(&place);
    let mut command = place.command(&["run", "many.yaml"]);
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
    let done = super::Done::from(command.output().unwrap());
    assert_eq!((done.code, done.err.lines().count()), (0, 203), "{done:?}");
    assert!(!done.err.contains('\u{1b}') && !done.err.contains('\r'), "{done:?}");

    for variables in [[("TERM", "dumb"), ("LANG", "C")], [("TERM", "xterm"), ("NO_COLOR", "1")]] {
        let mut terminal = Terminal::run_with(&place, &["run", "many.yaml"], 24, 80, &variables);
        terminal.ends(0);
        assert!(!terminal.bytes.contains(&0x1b), "{variables:?}");
    }
    // Who asked for the events gets them alone.
    let mut terminal = Terminal::run(&place, &["run", "many.yaml", "-o", "jsonl"], 24, 80);
    terminal.ends(0);
    assert!(!terminal.bytes.contains(&0x1b));
}

#[test]
fn ctrl_c_asks_and_any_answer_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let run = |rows| {
        let mut terminal = Terminal::run(&place, &["run", "held.yaml"], rows, 80);
        hear(&started);
        terminal.until_shown("1 running");
        // What was typed before the question is no answer to it.
        terminal.press(b"d\n");
        terminal.press(b"\x03");
        terminal.until_shown("c: cancel it");
        assert!(tcgetattr(&terminal.master).unwrap().local_modes.contains(LocalModes::ISIG));
        terminal
    };
    // Go on: it ends as if nothing had been asked.
    let mut terminal = run(24);
    terminal.press(b"\r");
    terminal.until(|rows| rows.iter().all(|row| !row.contains("c: cancel it")));
    tell(&go);
    terminal.ends(0);
    // Cancel, by the key and by the second Ctrl-C.
    for keys in [b"c", b"\x03"] {
        let mut terminal = run(10);
        terminal.press(keys);
        terminal.ends(130);
        assert_eq!(count(&terminal.everything(), |line| line.contains(" cancelled in ")), 1);
    }
    // Leave: what runs goes on, and the next host takes it up.
    let mut terminal = run(24);
    terminal.press(b"d");
    terminal.ends(130);
    assert_eq!(count(&terminal.everything(), |line| line.starts_with("leaving: execution ")), 1);
    let ls = place.json(&["ps", "ls", "--unfinished", "-o", "json"]);
    assert_eq!(ls["executions"][0]["status"], "running");
    let id = ls["executions"][0]["id"].to_string();
    place.write("one.yaml", "steps: [{set: {a: 1}}]\n");
    let next = place.spawn(&["run", "one.yaml"]);
    tell(&go);
    let done = super::Done::from(next.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{done:?}");
    let shown = place.json(&["ps", "show", &id, "-o", "json"]);
    assert_eq!(
        (&shown["execution"]["status"], &shown["steps"][1]["attempts"]),
        (&"completed".into(), &1.into())
    );
}

#[test]
fn a_process_that_is_ended_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let mut terminal = Terminal::run(&place, &["run", "held.yaml"], 24, 80);
    hear(&started);
    terminal.until_shown("1 running");
    assert!(terminal.parser.screen().hide_cursor());
    assert!(!tcgetattr(&terminal.master).unwrap().local_modes.contains(LocalModes::ECHO));
    signal(&terminal.child, Signal::TERM);
    terminal.ends(130);
    // One that is to leave its memory behind is ended by the signal.
    let mut terminal = Terminal::run(&place, &["run", "held.yaml"], 24, 80);
    terminal.until_shown("1 running");
    terminal.press(b"\x1c");
    terminal.ends(None);
    place.write("one.yaml", "steps: [{set: {a: 1}}]\n");
    let next = place.spawn(&["run", "one.yaml"]);
    tell(&go);
    hear(&started);
    tell(&go);
    assert!(next.wait_with_output().unwrap().status.success());
}

#[test]
fn a_terminal_that_changes_its_size_shows_one_block() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let mut terminal = Terminal::run(&place, &["run", "held.yaml"], 24, 80);
    hear(&started);
    terminal.until_shown("1 running");
    for (rows, columns) in [(12, 60), (24, 100), (8, 80)] {
        terminal.parser.set_size(cells(rows), cells(columns));
        tcsetwinsize(&terminal.master, winsize(rows, columns)).unwrap();
        let pictures = terminal.pictures;
        while terminal.pictures == pictures {
            assert!(terminal.read());
        }
        assert_eq!(count(&terminal.rows(), is_status), 1);
    }
    tell(&go);
    terminal.ends(0);
    assert_eq!(count(&terminal.everything(), |line| line.starts_with("✓ held")), 1);
}

#[test]
fn an_execution_elsewhere_is_watched_to_its_end() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let host = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    let id = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    let mut one = Terminal::run(&place, &["ps", "watch", &id], 24, 80);
    one.until_shown("1 running");
    let mut all = Terminal::run(&place, &["ps", "watch"], 24, 80);
    all.until_shown("1 unfinished execution, process");
    let mut plain = place.spawn(&["ps", "watch", &id]);
    let mut heard = String::new();
    let mut talk = std::io::BufReader::new(plain.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut talk, &mut heard).unwrap();
    assert!(heard.contains("held: running"), "{heard}");
    tell(&go);
    one.ends(0);
    let lines = one.everything();
    assert_eq!(count(&lines, |line| line.starts_with("✓ held")), 1, "{lines:#?}");
    assert_eq!(count(&lines, |line| line.contains("completed in")), 1, "{lines:#?}");
    talk.read_to_string(&mut heard).unwrap();
    assert!(
        plain.wait().unwrap().success() && heard.contains("✓ held") && !heard.contains('\u{1b}'),
        "{heard}"
    );
    assert!(host.wait_with_output().unwrap().status.success());
    all.until_shown("no unfinished executions, no process");
    all.press(b"\x03");
    all.ends(130);
    assert_eq!(count(&all.everything(), |line| line.contains("of held completed in")), 1);
    // One that has ended, or never was.
    assert_eq!(place.run(&["ps", "watch", &id]).code, 0);
    place.run(&["ps", "watch", "999"]).fails(4, &["no execution 999"]);
}

#[test]
fn a_watched_execution_that_lost_its_host_is_seen_to_go_on_with_the_next() {
    let place = Place::new();
    let (started, go) = held_chain(&place);
    let mut host = place.spawn(&["run", "held.yaml"]);
    hear(&started);
    let id = place.json(&["ps", "ls", "-o", "json"])["executions"][0]["id"].to_string();
    let mut watch = Terminal::run(&place, &["ps", "watch", &id], 24, 80);
    watch.until_shown("1 running");
    signal(&host, Signal::KILL);
    host.wait().unwrap();
    watch.until_shown("no process hosts the store");
    place.write("one.yaml", "steps: [{set: {a: 1}}]\n");
    let next = place.spawn(&["run", "one.yaml"]);
    tell(&go);
    watch.ends(0);
    assert!(next.wait_with_output().unwrap().status.success());
}

#[test]
fn a_host_that_stays_for_others_leaves_at_the_first_interrupt() {
    let place = Place::new();
    let (own, other) = (held_chain_named(&place, "own"), held_chain_named(&place, "other"));
    let mut host = place.spawn(&["run", "own.yaml"]);
    hear(&own.0);
    let follower = place.spawn(&["run", "other.yaml"]);
    hear(&other.0);
    tell(&own.1);
    let (mut heard, mut talk) = (String::new(), std::io::BufReader::new(host.stderr.take().unwrap()));
    while !heard.contains("staying while") {
        assert!(std::io::BufRead::read_line(&mut talk, &mut heard).unwrap() > 0, "{heard}");
    }
    signal(&host, Signal::INT);
    talk.read_to_string(&mut heard).unwrap();
    assert_eq!(host.wait().unwrap().code(), Some(130), "{heard}");
    assert!(heard.contains("leaving: what is unfinished goes on") && !heard.contains("cancel"), "{heard}");
    tell(&other.1);
    let done = super::Done::from(follower.wait_with_output().unwrap());
    assert!(done.code == 0 && done.err.contains("taking over"), "{done:?}");
}
