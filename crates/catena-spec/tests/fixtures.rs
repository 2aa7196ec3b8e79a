//! Every fixture of `fixtures/chains`: the valid ones become chains, the broken ones get the messages of their
//! snapshots; and codes, pages and fixtures are complete.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use catena_spec::{Checked, Code, Colour, Files, Problem, Source, check, check_cases, render};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");

/// Step files of a fixture folder. Messages show the folder as it stands in the repository.
struct Folder(PathBuf);

impl Files for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        if path.ends_with("huge.py") {
            return Ok(vec![b' '; limit + 1]);
        }
        fs::read(Path::new(ROOT).join(path))
    }
}

fn check_file(path: &Path) -> (Source, Checked) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let folder = path.parent().unwrap().strip_prefix(ROOT).unwrap();
    let source = Source::from_bytes(name, &fs::read(path).unwrap());
    let checked = check(&source, &Folder(folder.to_owned()));
    (source, checked)
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("fixtures/chains").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn valid_definitions_become_chains() {
    for path in fixtures("valid") {
        let (source, checked) = check_file(&path);
        let problems = render(&checked.problems, &source, Colour::Off);
        assert!(!checked.has_error(), "{problems}");
        // What this version only knows is sound, and says what is missing.
        let Some(chain) = checked.chain else {
            assert!(checked.not_yet().count() > 0, "{problems}");
            insta::assert_snapshot!(
                format!("later-{}", stem(&path)),
                format!("{:#?}\n{problems}", checked.preview)
            );
            continue;
        };
        let files: Vec<_> =
            checked.files.iter().map(|file| (&file.path, &file.digest, file.bytes.len())).collect();
        let json = serde_json::to_string_pretty(&(chain, files)).unwrap();
        insta::assert_snapshot!(format!("valid-{}", stem(&path)), json);
    }
}

#[test]
fn broken_definitions_get_their_messages() {
    for path in fixtures("broken") {
        let (source, checked) = check_file(&path);
        let code = Code::parse(&stem(&path)[..5]).expect("a fixture's name begins with its code");
        let raised: BTreeSet<Code> = checked.problems.iter().map(|problem| problem.code).collect();
        let text = render(&checked.problems, &source, Colour::Off);
        assert!(raised.contains(&code), "{} does not raise {code}:\n{text}", path.display());
        insta::assert_snapshot!(format!("broken-{}", stem(&path)), text);
    }
}

#[test]
fn every_code_has_a_page_and_a_fixture_and_no_page_or_fixture_is_left_over() {
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    let pages = fs::read_dir(Path::new(ROOT).join("docs/errors")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<String> =
        pages.map(|path| stem(&path).to_owned()).filter(|name| name != "README").collect();
    assert_eq!(pages, codes);
    let fixtures: BTreeSet<String> =
        fixtures("broken").iter().map(|path| stem(path)[..5].to_owned()).collect();
    let raised_here = codes.into_iter().filter(|code| *code != BY_RUNNING.as_str());
    assert_eq!(fixtures, raised_here.collect());
}

/// Raised by running a case rather than by reading a text: the tests of `catena test` do.
const BY_RUNNING: Code = Code::NotAsExpected;

/// The step files that the examples of the pages speak of.
struct Examples;

impl Files for Examples {
    fn folder(&self) -> Option<&Path> {
        Some(Path::new("/examples"))
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        match path.strip_prefix("/examples").unwrap().to_str().unwrap() {
            "steps" => Err(io::ErrorKind::IsADirectory.into()),
            "steps/fetch.py" | "report.awk" => Ok(Vec::new()),
            "bundle.py" => Ok(vec![0; limit + 1]),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[test]
fn every_page_has_its_parts_and_its_examples_are_as_they_say() {
    for code in Code::ALL {
        let page = code.explain();
        assert!(page.starts_with(&format!("# {code}: {}\n", code.title())), "{code} has another heading");
        for part in ["\n## Why\n", "\n## What to do\n"] {
            assert!(page.contains(part), "{code} lacks {part:?}");
        }
        assert!(page.lines().count() < 60, "{code} is no short page");
        let examples: Vec<&str> =
            page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        let [broken, fixed] = examples[..] else { panic!("{code} needs two examples") };
        if *code == BY_RUNNING {
            let problems = |text: &str| check_cases(&Source::new("cases.yaml", text)).1;
            assert_eq!((problems(broken), problems(fixed)), (Vec::new(), Vec::new()));
            continue;
        }
        let raises = |text: &str| {
            let checked = check(&Source::new("example.yaml", text), &Examples);
            (checked.problems.iter().any(|problem| problem.code == *code), checked)
        };
        // A bomb and bytes that are no text cannot be printed on a page.
        if !matches!(code, Code::TooLarge | Code::NotUtf8) {
            assert!(raises(broken).0, "the broken example of {code} does not raise it");
        }
        let (raised, checked) = raises(fixed);
        assert!(
            !raised && checked.problems.iter().all(Problem::is_later),
            "the fixed example of {code}: {:?}",
            checked.problems
        );
    }
}

/// The commonest mistakes, written down before they were measured: each is told with its fix, and nothing else is.
#[test]
fn the_commonest_mistakes_are_told_with_their_fix() {
    let mistakes = fixtures("mistakes");
    assert!(mistakes.len() >= 20);
    for path in mistakes {
        let (source, checked) = check_file(&path);
        let text = render(&checked.problems, &source, Colour::Off);
        let first = source.text().lines().next().unwrap();
        let expected = first.strip_prefix("# says: ").expect("a mistake begins with what is to be said");
        let told: Vec<_> = checked.problems.iter().filter(|problem| !problem.is_later()).collect();
        let [problem] = told[..] else { panic!("{} is told {} things:\n{text}", path.display(), told.len()) };
        let help = problem.help.as_deref().unwrap_or_default();
        assert!(help.contains(expected), "{}: {expected:?} is not said:\n{text}", path.display());
    }
}
