//! Data never becomes code: the big list of naughty strings, and some of our own, go through everything that a value can
//! go through, come back byte for byte, and run nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use naughty_strings::BLNS;
use serde_json::{Value as Json, json};

/// What the list does not have: this language's braces, line ends at the end, and a file to be made in the folder where
/// the steps run.
const OURS: [&str; 30] = [
    "\n",
    "\n\n",
    "a\n",
    "a\n\n",
    "a\r\n",
    "\r",
    " ",
    "\t",
    "-n",
    "--",
    "-e 'x'",
    "{s}",
    "{{s}}",
    "{= 1 + 2}",
    "{strings}",
    "{secrets.TOKEN}",
    "{now}",
    "${S}",
    "$S",
    "%s%n",
    "\\n",
    "\u{feff}x",
    "\u{85}",
    "\u{2028}",
    "🦀",
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    "\"; touch canary; \"",
    "x\ntouch canary\n",
];
/// Files that strings of the list would make if anything ran them.
const FOREIGN_CANARY: &str = "/tmp/blns.fail";

fn strings() -> Vec<&'static str> {
    assert_eq!(BLNS.len(), 515, "the list has changed");
    let strings: Vec<&str> = BLNS.iter().chain(&OURS).copied().collect();
    assert!(strings.iter().all(|text| !text.contains('\0')), "no variable can hold a NUL");
    strings
}

struct Place {
    dir: tempfile::TempDir,
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

    /// Runs a chain; gives the document. Whatever files there are then were there before.
    fn run(&self, args: &[&str]) -> Json {
        let before = files(self.dir.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
        command.current_dir(self.dir.path()).env("CATENA_HOME", self.dir.path().join("home"));
        command.args(["run", "-o", "json"]).args(args).stdin(Stdio::null());
        let output = command.output().unwrap();
        let document: Json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(output.status.code(), Some(0), "{document:.2000}");
        assert_eq!(files(self.dir.path()), before, "a file was made");
        assert!(!Path::new(FOREIGN_CANARY).exists(), "{FOREIGN_CANARY} was made");
        document
    }
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "home").collect()
}

#[track_caller]
fn same(got: &Json, expected: &[&str]) {
    let got = got.as_array().unwrap_or_else(|| panic!("no list: {got:.500}"));
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got.as_str(), Some(*expected));
    }
    assert_eq!(got.len(), expected.len());
}

const JOURNEY: &str = r#"
name: journey
params: {strings: {type: array}}
steps:
  - name: Each
    for_each:
      items: strings
      as: s
      max_parallel: 4
      steps:
        - name: Shell
          env: {S: "{s}"}
          # A result loses one line end, so one is put behind it.
          shell: printf '%s\n' "$S"
          output_key: from_shell
        - name: Argument
          command: [sh, -c, 'printf "%s\n" "${1#=}"', sh, "={from_shell}"]
          output_key: from_argument
        - name: Python
          file: back.py
          interpreter: [PYTHON, -I, -S]
          env: {S: "{from_argument}"}
          stdin: "{from_shell}"
          parse: json
          output_key: from_python
    output_key: back
output: "{back}"
"#;

/// The interpreter itself: what `python3` names may be a script that looks for one, five hundred times.
fn python() -> String {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const BACK: &str = r#"
import json, os, sys
text = os.environb[b"S"].decode()
data = sys.stdin.buffer.read().decode()
assert text == data, (text, data)
sys.stdout.buffer.write(json.dumps(text, ensure_ascii=False).encode() + b"\n")
"#;

#[test]
fn strings_travel_from_parameter_to_output_and_run_nothing() {
    let place = Place::new();
    let strings = strings();
    place.write("back.py", BACK);
    place.write("journey.yaml", &JOURNEY.replace("PYTHON", &Json::from(python()).to_string()));
    place.write("input.json", &json!({ "strings": strings }).to_string());
    let document = place.run(&["journey.yaml", "--input", "input.json"]);
    same(&document["execution"]["output"], &strings);
}

/// JSON text in which the letters are escaped that YAML's text may not hold: the one parser reads both.
fn readable(json: &Json) -> String {
    let refused =
        |letter| matches!(letter, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    escaped(json, refused)
}

/// The same in ASCII alone.
fn in_ascii(json: &Json) -> String {
    escaped(json, |letter| !letter.is_ascii() || letter == '\u{7f}')
}

fn escaped(json: &Json, needs: impl Fn(char) -> bool) -> String {
    let mut text = String::new();
    for letter in json.to_string().chars() {
        if !needs(letter) {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// Texts of a definition are constants, but for what is an expression in them: those are not for this test.
fn constants() -> Vec<&'static str> {
    let plain = |text: &&str| {
        !text.contains("{s}")
            && !text.contains("{= ")
            && !text.contains("{strings}")
            && !text.contains("{now}")
            && !text.contains("{secrets")
    };
    strings().into_iter().filter(plain).collect()
}

#[test]
fn strings_in_a_definition_are_what_they_are() {
    let place = Place::new();
    let constants = constants();
    place.write("args.py", "import json, sys\nprint(json.dumps([a[1:] for a in sys.argv[1:]]))\n");
    let mut command = vec!["python3".to_owned(), "args.py".to_owned()];
    command.extend(constants.iter().map(|text| format!("={text}")));
    let definition = json!({
        "name": "constants",
        "variables": {"all": constants},
        "steps": [{"name": "Arguments", "command": command, "parse": "json", "output_key": "args"}],
        "output": {"same": "{= args == all}", "args": "{args}"},
    });
    for (name, text) in [("ascii.yaml", in_ascii(&definition)), ("plain.json", readable(&definition))] {
        place.write(name, &text);
        let document = place.run(&[name]);
        assert_eq!(document["execution"]["output"]["same"], true, "{name}");
        same(&document["execution"]["output"]["args"], &constants);
    }
}

#[test]
fn strings_name_and_describe_steps() {
    let place = Place::new();
    // A name must say something: white space and a byte order mark say nothing.
    let says_nothing = |text: &str| text.chars().all(|letter| letter.is_whitespace() || letter == '\u{feff}');
    let names: Vec<&str> = strings().into_iter().filter(|text| !says_nothing(text)).collect();
    let step = |(at, name): (usize, &&str)| json!({"id": format!("s{at}"), "name": name, "description": name, "set": {"x": at}});
    let steps: Vec<Json> = names.iter().enumerate().map(step).collect();
    let definition = json!({"name": "names", "description": names[0], "steps": steps});
    place.write("names.json", &readable(&definition));
    let document = place.run(&["names.json"]);
    let shown: Vec<Json> =
        document["steps"].as_array().unwrap().iter().map(|step| step["name"].clone()).collect();
    same(&Json::from(shown), &names);
}

#[test]
fn strings_come_by_the_command_line() {
    let place = Place::new();
    let strings = strings();
    let params: serde_json::Map<String, Json> =
        (0..strings.len()).map(|at| (format!("s{at}"), json!({"type": "string"}))).collect();
    let all: Vec<String> = (0..strings.len()).map(|at| format!("{{s{at}}}")).collect();
    let definition = json!({"name": "set", "params": params, "steps": [{"set": {"x": 1}}], "output": all});
    place.write("set.json", &definition.to_string());
    // As it is, but for the two beginnings that mean something: a quote is JSON, an @ a file.
    let as_is = |text: &str| {
        if text.starts_with(['"', '@']) { Json::from(text).to_string() } else { text.to_owned() }
    };
    for write in [&as_is as &dyn Fn(&str) -> String, &|text| Json::from(text).to_string()] {
        let mut args = vec!["set.json".to_owned()];
        for (at, text) in strings.iter().enumerate() {
            args.extend(["--set".to_owned(), format!("s{at}={}", write(text))]);
        }
        let document = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        same(&document["execution"]["output"], &strings);
    }
}
