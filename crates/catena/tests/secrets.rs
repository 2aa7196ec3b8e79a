//! Secrets from the configuration to a process and nowhere else: after a run, nothing of the home folder holds one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value as Json, json};

const KEY: &str = "hunter2 \"of\" the fleet";
const DB: &str = "postgres://eve:kestrel@db\nsecond-line-of-it";

/// A home, a configuration and definitions of one's own.
struct Place {
    dir: tempfile::TempDir,
    /// The environment holds the secret that the configuration looks for there.
    has_key: bool,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), has_key: true };
        place.write("db", &format!("{DB}\n"));
        place.write("config.toml", "[secrets]\nAPI_KEY = { env = \"FLEET_KEY\" }\nDB = { file = \"db\" }\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn pipe(&self, name: &str) -> PathBuf {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
        self.path(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
        command.current_dir(self.dir.path()).env("CATENA_HOME", self.path("home")).env("NO_COLOR", "1");
        command.env("CATENA_CONFIG", self.path("config.toml")).args(args);
        match self.has_key {
            true => command.env("FLEET_KEY", KEY),
            false => command.env_remove("FLEET_KEY"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Json {
        let (code, out, err) = self.run(args);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {code} {out} {err}"))
    }

    /// Neither database nor log nor anything else in the home folder holds a secret, whole or in parts.
    fn holds_no_secret(&self) {
        for part in ["hunter2", "kestrel", "second-line-of-it"] {
            let mut grep = Command::new("grep");
            let found = grep.args(["-rla", "--devices=skip", part]).arg(self.path("home")).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "`{part}` is in a file");
        }
    }
}

fn hear(pipe: &Path) {
    BufReader::new(std::fs::File::open(pipe).unwrap()).read_line(&mut String::new()).unwrap();
}

fn tell(pipe: &Path) {
    writeln!(std::fs::OpenOptions::new().write(true).open(pipe).unwrap(), "go").unwrap();
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

const CHAIN: &str = r#"
env: {KEY: "{secrets.API_KEY}"}
steps:
  - name: use
    shell: |
      echo "key $KEY"; cat; echo "${#KEY} ${FLEET_KEY-not inherited}" >&2
      printf 'out %s' "$KEY" > "$CATENA_OUTPUT"
    stdin: "url={secrets.DB}"
    output_key: first
  - name: read
    command: [cat]
    stdin: {key: "{secrets.API_KEY}", escaped: "\\u0068unter2 {secrets.API_KEY}"}
    parse: json
    output_key: second
  - name: escape
    command: [printf, '"\\u0068unter2 \\"of\\" the fleet"']
    parse: json
    output_key: third
  - name: look
    shell: cat "$CATENA_CONTEXT"; printenv KEY; exit 3
    error_policy: continue
output: {first: "{first}", second: "{second}", third: "{third}"}
"#;

#[test]
fn a_secret_reaches_the_process_and_nothing_else() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    let document = place.json(&["run", "chain.yaml", "-o", "json"]);
    assert_eq!(document["execution"]["status"], "completed_with_errors", "{document}");
    let second = json!({"key": "***", "escaped": "\\u0068unter2 ***"});
    assert_eq!(
        document["execution"]["output"],
        json!({"first": "out ***", "second": second, "third": "***"})
    );
    let (_, log, _) = place.run(&["ps", "logs", "1", "--step", "use"]);
    assert!(log.contains("key ***") && log.contains("url=***"), "{log}");
    assert!(log.contains(&format!("{} not inherited", KEY.len())), "{log}");
    let (_, events, _) = place.run(&["ps", "events", "1"]);
    assert!(events.contains(r#"{"$catena":{"secret":"API_KEY"}}"#), "{events}");
    assert!(!events.contains("hunter2 "), "{events}");
    place.holds_no_secret();
}

/// A large value is filled in for its reference, then a secret for its name, each in its place.
#[test]
fn a_step_is_given_large_values_and_secrets_together() {
    const BYTES: usize = 100_000;
    let place = Place::new();
    let big = format!("head -c {BYTES} /dev/zero | tr '\\0' x");
    let chain = json!({
        "steps": [
            {"name": "big", "shell": big, "output_key": "big"},
            {
                "name": "list",
                "command": ["cat"],
                "stdin": ["{big}", "{secrets.API_KEY}"],
                "parse": "json",
                "output_key": "list",
            },
            {"name": "text", "command": ["cat"], "stdin": "{big}|{secrets.API_KEY}|{big}", "output_key": "text"},
            {
                "name": "both",
                "shell": "printf %s \"${#KEY}\"",
                "env": {"KEY": "{secrets.API_KEY}"},
                "stdin": ["{big}", "{secrets.API_KEY}"],
                "parse": "json",
                "output_key": "length",
            },
            {
                "name": "too long",
                "shell": "true",
                "env": {"WORD": "{big}{secrets.API_KEY}{big}"},
                "error_policy": "continue",
            },
        ],
        "output": {"list": "{list}", "text": "{text}", "length": "{length}"},
    });
    place.write("chain.json", &chain.to_string());
    let document = place.json(&["run", "chain.json", "-o", "json"]);
    assert_eq!(
        document["execution"]["status"], "completed_with_errors",
        "{}",
        document["execution"]["error"]
    );
    let whole = "x".repeat(BYTES);
    let expected = json!({
        "list": [whole, "***"],
        "text": format!("{whole}|***|{whole}"),
        "length": KEY.len(),
    });
    assert_eq!(document["execution"]["output"], expected);
    let too_long = document["steps"][4]["error"]["message"].as_str().unwrap();
    assert!(
        too_long.contains("environment variable `WORD` has") && too_long.contains("`stdin`"),
        "{too_long}"
    );

    let (_, events, _) = place.run(&["ps", "events", "1"]);
    assert!(!events.contains("hunter2") && !events.contains(&"x".repeat(1_000)), "{events}");
    assert!(events.contains(r#"{"$catena":{"secret":"API_KEY"}}"#), "{events}");
    place.holds_no_secret();
    assert_eq!(place.run(&["doctor"]).0, 0);
}

#[test]
fn a_secret_stays_masked_when_the_engine_is_killed() {
    for has_key in [true, false] {
        let mut place = Place::new();
        let (began, go) = (place.pipe("began"), place.pipe("go"));
        let text = format!(
            "steps:\n  - shell: 'echo \"first $KEY\"; echo > {}; read x < {}; echo \"then $KEY\"; echo \"$KEY\" \
             > $CATENA_OUTPUT'\n    env: {{KEY: \"{{secrets.API_KEY}}\"}}\n    output_key: it\n",
            began.display(),
            go.display()
        );
        place.write("chain.yaml", &text);
        place.write("other.yaml", "steps: [shell: 'true']");
        let first = place.command(&["run", "chain.yaml"]).spawn().unwrap();
        hear(&began);
        kill(first);
        place.holds_no_secret();

        // The next host finds the secret again, or not: the attempt has it.
        place.has_key = has_key;
        let second = place.command(&["run", "other.yaml"]).spawn().unwrap();
        tell(&go);
        assert!(second.wait_with_output().unwrap().status.success());
        let document = place.json(&["ps", "show", "1", "-o", "json"]);
        assert_eq!(document["execution"]["status"], "completed", "{document}");
        assert_eq!(document["steps"][0]["result"], "***", "{document}");
        assert_eq!(document["steps"][0]["attempts"], 1, "{document}");
        let (_, log, _) = place.run(&["ps", "logs", "1"]);
        assert!(log.contains("first ***") && log.contains("then ***"), "{log}");
        place.holds_no_secret();
    }
}

#[test]
fn a_secret_that_is_missing_is_said_before_anything_starts() {
    let mut place = Place::new();
    place.write("chain.yaml", "steps: [{shell: 'true', env: {A: '{secrets.API_KEY}', B: '{secrets.NEW}'}}]");
    place.has_key = false;
    let (code, _, err) = place.run(&["run", "chain.yaml"]);
    assert_eq!(code, 7, "{err}");
    let config = place.path("config.toml");
    for words in [
        format!("secret `API_KEY` has no value: `FLEET_KEY` is not set; see {}:2", config.display()),
        format!("write `NEW = {{ env = \"NEW\" }}` under `[secrets]` in {}", config.display()),
        "next: catena config show".to_owned(),
    ] {
        assert!(err.contains(&words), "`{words}` is not in {err}");
    }
    let (_, list, _) = place.run(&["ps", "ls", "-o", "json"]);
    assert!(list.contains(r#""executions":[]"#), "{list}");
}

#[test]
fn a_secret_that_goes_away_fails_the_attempt_that_needs_it() {
    let place = Place::new();
    let chain = "steps:\n  - shell: rm db\n  - shell: cat\n    stdin: '{secrets.DB}'\n";
    place.write("chain.yaml", chain);
    let document = place.json(&["run", "chain.yaml", "-o", "json"]);
    let error = &document["execution"]["error"];
    assert_eq!(error["type"], "secret_missing", "{document}");
    assert!(error["message"].as_str().unwrap().contains("secret `DB` cannot be read"), "{error}");
}

#[test]
fn settings_are_shown_with_their_origins_and_secrets_without_values() {
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("config.toml")).unwrap();
    place.write("config.toml", &format!("store = \"other.db\"\n{config}PIN = {{ file = \"pin\" }}\n"));
    place.write("pin", "123");
    let (code, text, err) = place.run(&["config", "show"]);
    assert_eq!(code, 0, "{err}");
    let (at, dir) = (place.path("config.toml"), place.dir.path());
    let origin = |line: u32| format!("{}:{line}", at.display());
    assert!(!text.contains("hunter2") && !text.contains("kestrel") && !text.contains("123"), "{text}");
    let shown = place.json(&["config", "show", "-o", "json"]);
    let expected = json!([
        {"name": "config", "value": at, "origin": "CATENA_CONFIG", "note": null},
        {"name": "home", "value": dir.join("home"), "origin": "CATENA_HOME", "note": null},
        {"name": "store", "value": dir.join("other.db"), "origin": origin(1), "note": null},
        {"name": "log", "value": "off", "origin": "default", "note": null},
        {"name": "colour", "value": "never", "origin": "NO_COLOR", "note": null},
        {"name": "secrets.API_KEY", "value": "env FLEET_KEY", "origin": origin(3), "note": null},
        {"name": "secrets.DB", "value": format!("file {}", dir.join("db").display()), "origin": origin(4), "note": null},
        {
            "name": "secrets.PIN", "value": format!("file {}", dir.join("pin").display()), "origin": origin(5),
            "note": "has fewer than 4 bytes, so it is not masked",
        },
    ]);
    assert_eq!(shown["settings"], expected);
    let shown = place.json(&["config", "show", "-o", "json", "--store", "third.db"]);
    assert_eq!(shown["settings"][2]["origin"], "--store");
}

#[test]
fn a_broken_configuration_is_told_with_its_lines() {
    let place = Place::new();
    place.write("config.toml", "stroe = \"a\"\n[secrets]\nKEY = \"hunter2\"\n");
    let (code, _, err) = place.run(&["ps", "ls"]);
    assert_eq!(code, 7, "{err}");
    assert!(err.contains("config.toml:1: unknown key `stroe`; did you mean `store`?"), "{err}");
    assert!(err.contains("config.toml:3: `KEY` must say where") && !err.contains("hunter2"), "{err}");
    std::fs::remove_file(place.path("config.toml")).unwrap();
    let (code, _, err) = place.run(&["ps", "ls"]);
    assert!(code == 7 && err.contains("cannot read the configuration"), "{code} {err}");
    for args in [&["explain", "C0408"][..], &["version"]] {
        let (code, _, err) = place.run(args);
        assert_eq!(code, 0, "{err}");
    }
}
