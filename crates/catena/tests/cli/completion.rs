//! Scripts for shells: they load, and complete what there is.

use std::process::Command;

use super::{Done, Place};

#[test]
fn bash_completes_commands_and_options() {
    let place = Place::new();
    let script = place.run(&["completion", "bash"]);
    assert_eq!((script.code, script.err.as_str()), (0, ""), "{script:?}");
    place.write("completion.bash", &script.out);
    let check = |words: &[&str], expected: &[&str], not: &str| {
        let asked = format!(
            "set -eu; source completion.bash; COMP_WORDS=({}); COMP_CWORD={}; COMPREPLY=(); \
             complete -p catena >/dev/null; _catena catena '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let mut bash = Command::new("bash");
        let done =
            Done::from(bash.args(["--norc", "-c", &asked]).current_dir(place.dir.path()).output().unwrap());
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{words:?}: {done:?}");
        let replies: Vec<&str> = done.out.lines().collect();
        assert!(expected.iter().all(|word| replies.contains(word)), "{words:?}: {replies:?}");
        assert!(!replies.contains(&not), "{words:?}: {replies:?}");
    };
    check(&["catena", "ps", "l"], &["ls", "logs"], "show");
    check(&["catena", "comp"], &["completion"], "helper");
    check(&["catena", "ps", "watch", "--"], &["--home", "--store"], "--follow");
    check(&["catena", "run", "-o", "j"], &["json", "jsonl"], "text");
}

#[test]
fn every_shell_has_a_script_and_no_other_is_known() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = place.run(&["completion", shell]);
        assert!(done.code == 0 && done.out.contains("catena") && done.out.contains("watch"), "{done:?}");
    }
    place.run(&["completion", "tcsh"]).fails(2, &["'tcsh'", "bash"]);
    place.run(&["completion"]).fails(2, &["<SHELL>"]);
}
