//! Which arguments of a command are script text: what a known interpreter runs after `-c`, `-e` and the like, however
//! the options around it are written. In doubt an argument is script text: a wrong error is read by the author, and
//! data that becomes code is read by nobody.

/// How a script of some language reads an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Shell,
    Python,
    JavaScript,
    Perl,
    Ruby,
    Php,
    Other,
}

impl Reads {
    /// The variable as the script writes it.
    pub(crate) fn variable(self, name: &str) -> String {
        match self {
            Reads::Shell => format!("\"${name}\""),
            Reads::Python => format!("`os.environ[\"{name}\"]`"),
            Reads::JavaScript => format!("`process.env.{name}`"),
            Reads::Perl => format!("`$ENV{{{name}}}`"),
            Reads::Ruby => format!("`ENV[\"{name}\"]`"),
            Reads::Php => format!("`getenv(\"{name}\")`"),
            Reads::Other => format!("the variable {name}"),
        }
    }
}

/// A family of programs that run an argument as code.
struct Interpreter {
    names: &'static [&'static str],
    reads: Reads,
    /// Options of one letter behind which code stands; the rest of the argument, or the next one.
    code: &'static [char],
    /// Options of one letter that take a value, alike.
    values: &'static [char],
    /// Options of one letter after which the rest belongs to another program.
    ends: &'static [char],
    /// Long options, and subcommands, behind which code stands.
    long: &'static [&'static str],
}

const SHELLS: &[&str] =
    &["sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "mksh", "pdksh", "yash", "fish", "csh", "tcsh"];

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["python", "pypy", "py", "ipython"],
        reads: Reads::Python,
        code: &['c'],
        values: &['W', 'X', 'Q'],
        ends: &['m'],
        long: &[],
    },
    Interpreter {
        names: &["node", "nodejs", "deno", "bun", "tsx", "ts-node"],
        reads: Reads::JavaScript,
        code: &['e', 'p'],
        values: &['r', 'C'],
        ends: &[],
        long: &["--eval", "--print", "eval", "exec"],
    },
    Interpreter {
        names: &["perl"],
        reads: Reads::Perl,
        code: &['e', 'E'],
        values: &['I', 'M', 'm', 'i', 'F', 'x', 'C', 'D', 'V', '0'],
        ends: &[],
        long: &[],
    },
    Interpreter {
        names: &["ruby", "jruby"],
        reads: Reads::Ruby,
        code: &['e'],
        values: &['I', 'r', 'C', 'E', 'F', 'K', 'T', 'W', 'i', 'x', '0'],
        ends: &[],
        long: &[],
    },
    Interpreter {
        names: &["php"],
        reads: Reads::Php,
        code: &['r', 'B', 'R', 'E'],
        values: &['c', 'd', 'z', 't', 'S'],
        ends: &['f'],
        long: &["--run", "--process-begin", "--process-code", "--process-end"],
    },
    Interpreter {
        names: &["lua", "luajit", "Rscript", "julia", "osascript", "groovy", "elixir", "erl", "tclsh"],
        reads: Reads::Other,
        code: &['e', 'E'],
        values: &['l', 'L', 'p'],
        ends: &[],
        long: &["--eval", "--print", "-eval"],
    },
];

/// The places of the arguments that are script text, with how that text reads a variable.
pub(crate) fn script_arguments(argv: &[&str]) -> Vec<(usize, Reads)> {
    // `env`, `sudo`, `timeout 5`, `docker run IMAGE`: the interpreter may stand behind another program.
    for (at, word) in argv.iter().enumerate() {
        let program = program(word);
        let behind = at + 1;
        if SHELLS.contains(&program) {
            return shell_script(argv, behind).map(|at| (at, Reads::Shell)).into_iter().collect();
        }
        if let Some(found) = INTERPRETERS.iter().find(|known| known.names.contains(&program)) {
            return found.scripts(argv, behind).into_iter().map(|at| (at, found.reads)).collect();
        }
        // A line that `env` takes apart, or that `su` and `flock` give to a shell.
        let takes_a_line = match program {
            "env" => ["-S", "--split-string"].as_slice(),
            "su" | "runuser" | "flock" | "script" => ["-c", "--command"].as_slice(),
            _ => continue,
        };
        if let Some(flag) = (behind..argv.len()).find(|at| takes_a_line.contains(&argv[*at])) {
            return (flag + 1 < argv.len()).then_some((flag + 1, Reads::Shell)).into_iter().collect();
        }
    }
    Vec::new()
}

/// `/usr/bin/python3.12` is `python`.
fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

/// A shell's script is its first argument that is no option, if any of its options has a `c` in it.
fn shell_script(argv: &[&str], from: usize) -> Option<usize> {
    let mut has_script = false;
    let mut at = from;
    while let Some(word) = argv.get(at) {
        let is_option = word.len() > 1 && word.starts_with(['-', '+']);
        if *word == "--" {
            at += 1;
            break;
        }
        if !is_option {
            break;
        }
        at += 1;
        if let Some(long) = word.strip_prefix("--") {
            has_script |= long == "command";
            at += usize::from(["rcfile", "init-file"].contains(&long));
        } else {
            has_script |= word.contains('c');
            // `-o pipefail`, `-euo pipefail`, `-O extglob`.
            at += word.matches(['o', 'O']).count();
        }
    }
    (has_script && at < argv.len()).then_some(at)
}

impl Interpreter {
    fn scripts(&self, argv: &[&str], from: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = from;
        let mut may_be_value = false;
        while let Some(word) = argv.get(at) {
            at += 1;
            if let Some((_, _)) = word.split_once('=').filter(|(name, _)| self.long.contains(name)) {
                found.push(at - 1);
            } else if self.long.contains(word) {
                // A subcommand has options of its own.
                while argv.get(at).is_some_and(|next| !word.starts_with('-') && next.starts_with('-')) {
                    at += 1;
                }
                found.push(at);
                at += 1;
            } else if *word == "--" || (!word.starts_with('-') && !may_be_value) {
                break;
            } else if word.starts_with("--") {
                // What the option is, is not known here; its value may be the next word.
                may_be_value = !word.contains('=');
                continue;
            } else if let Some(letters) = word.strip_prefix('-') {
                match self.bundle(letters) {
                    Bundle::Ends => break,
                    Bundle::CodeHere => found.push(at - 1),
                    Bundle::CodeNext => {
                        found.push(at);
                        at += 1;
                    }
                    Bundle::ValueNext => at += 1,
                    Bundle::Flags => {}
                }
            }
            may_be_value = false;
        }
        found.retain(|at| *at < argv.len());
        found
    }

    /// What options of one letter, written together, ask for.
    fn bundle(&self, letters: &str) -> Bundle {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let is_last = rest.as_str().is_empty();
            if self.ends.contains(&letter) {
                return Bundle::Ends;
            }
            if self.code.contains(&letter) {
                // `node -pe CODE`: both letters ask for the same code.
                let more = rest.as_str().chars().all(|letter| self.code.contains(&letter));
                return if is_last || more { Bundle::CodeNext } else { Bundle::CodeHere };
            }
            if self.values.contains(&letter) {
                // `-i`, `-0` and the like take only what is written together with them.
                let takes_next = is_last && ['I', 'r', 'W', 'X', 'C', 'd', 'l'].contains(&letter);
                return if takes_next { Bundle::ValueNext } else { Bundle::Flags };
            }
        }
        Bundle::Flags
    }
}

enum Bundle {
    Flags,
    /// The next argument belongs to the last letter.
    ValueNext,
    CodeHere,
    CodeNext,
    Ends,
}

#[cfg(test)]
mod tests {
    use super::script_arguments;

    /// The script arguments of a command line, which is cut at white space.
    fn check(cases: &[(&str, &[&str])]) {
        for (line, expected) in cases {
            let argv: Vec<&str> = line.split(' ').collect();
            let found: Vec<&str> = script_arguments(&argv).iter().map(|(at, _)| argv[*at]).collect();
            assert_eq!(found, *expected, "{line}");
        }
    }

    #[test]
    fn script_text_is_found_behind_other_options_and_other_programs() {
        check(&[
            ("sh -c X", &["X"]),
            ("bash -e -c X", &["X"]),
            ("bash -c -e X", &["X"]),
            ("bash -lc X data", &["X"]),
            ("bash -ce X", &["X"]),
            ("bash -euo pipefail -c X", &["X"]),
            ("bash --norc -c X", &["X"]),
            ("bash -c -- X", &["X"]),
            ("/usr/bin/env bash -c X", &["X"]),
            ("env A=1 python3 -c X", &["X"]),
            ("env -S X", &["X"]),
            ("sudo -u me bash -c X", &["X"]),
            ("timeout 5 bash -c X", &["X"]),
            ("docker run alpine sh -c X", &["X"]),
            ("busybox sh -c X", &["X"]),
            ("su - me -c X", &["X"]),
            ("python3.12 -Ic X", &["X"]),
            ("python3 -W ignore -c X", &["X"]),
            ("python3 -cX", &["-cX"]),
            ("perl -e X -e Y", &["X", "Y"]),
            ("perl -lane X", &["X"]),
            ("perl -I lib -ne X file", &["X"]),
            ("ruby -r json -e X", &["X"]),
            ("node --eval X", &["X"]),
            ("node --eval=X", &["--eval=X"]),
            ("node -p X", &["X"]),
            ("node -pe X", &["X"]),
            ("node --import mod -e X", &["X"]),
            ("deno eval --ext=ts X", &["X"]),
            ("php -d a=1 -r X", &["X"]),
            ("Rscript -e X", &["X"]),
        ]);
    }

    #[test]
    fn arguments_of_a_script_and_of_other_programs_are_data() {
        check(&[
            ("sh", &[]),
            ("sh -c", &[]),
            ("sh -e script.sh X", &[]),
            ("bash script.sh -c X", &[]),
            ("python3 script.py -c X", &[]),
            ("python3 -m tool -c X", &[]),
            ("python3 - -c", &[]),
            ("php -c ini script.php", &[]),
            ("grep -e X", &[]),
            ("env A=1 prog -c X", &[]),
            ("psql -c X", &[]),
        ]);
    }
}
