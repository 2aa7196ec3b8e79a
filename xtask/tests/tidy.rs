//! The architecture, held to its picture in ARCHITECTURE.md: which crate may use which, how much the pure crates
//! may drag in, and the few rules about files that no lint knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};
use catena_spec::Code;

/// Who may use whom; a crate that is not here has no place in the picture yet.
const EDGES: [(&str, &[&str]); 8] = [
    ("catena-core", &[]),
    ("catena-spec", &["catena-core"]),
    ("catena-sim", &["catena-core"]),
    ("catena-store", &["catena-core"]),
    ("catena-runners", &["catena-core"]),
    ("catena-engine", &["catena-core", "catena-runners", "catena-store"]),
    ("catena-testkit", &["catena-core"]),
    ("catena-worlds", &["catena-core", "catena-engine", "catena-runners", "catena-store", "catena-testkit"]),
];
/// What stands above the libraries and may use all of them.
const TOPS: [&str; 2] = ["catena", "xtask"];
/// Crates that only tests may use.
const FOR_TESTS: [&str; 2] = ["catena-testkit", "catena-worlds"];

/// Crates in the whole tree below the pure ones, themselves not counted. A new one is a decision, not an accident.
const CORE_TREE_MAX: usize = 32;
/// Thirteen of them come with a feature that the binary alone turns on: two grammars to tell sync from async.
const SPEC_TREE_MAX: usize = 63;

/// Longer files are more than one file.
const CODE_LINES_MAX: usize = 700;
/// Names that say nothing about what belongs there.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned);
        let mut command = MetadataCommand::new();
        command.manifest_path(root().join("Cargo.toml")).other_options(options);
        command.exec().expect("cargo describes the workspace")
    })
}

fn own_dependencies(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    let names: BTreeSet<&str> = metadata().workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let wanted = package.dependencies.iter().filter(|dependency| kinds.contains(&dependency.kind));
    wanted.map(|dependency| dependency.name.clone()).filter(|name| names.contains(name.as_str())).collect()
}

#[test]
fn dependencies_point_down_only() {
    for package in metadata().workspace_packages() {
        let name = package.name.as_str();
        let uses = own_dependencies(package, &[DependencyKind::Normal, DependencyKind::Build]);
        for used in &uses {
            assert!(!TOPS.contains(&used.as_str()), "{name} uses {used}, which nothing may use");
            let is_for_tests = FOR_TESTS.contains(&used.as_str()) && !FOR_TESTS.contains(&name);
            assert!(!is_for_tests, "{name} uses {used}, which is for tests alone");
        }
        if TOPS.contains(&name) {
            continue;
        }
        let (_, expected) = EDGES
            .iter()
            .find(|(crate_name, _)| *crate_name == name)
            .unwrap_or_else(|| panic!("{name} is not in EDGES"));
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(uses, expected, "what {name} uses");
    }
}

#[test]
fn the_pure_crates_drag_in_little() {
    for (name, max) in [("catena-core", CORE_TREE_MAX), ("catena-spec", SPEC_TREE_MAX)] {
        let tree = tree_below(name);
        assert!(tree.len() <= max, "{name} has {} crates below it, {max} are allowed: {tree:?}", tree.len());
    }
}

/// All crates that are built for a crate, proc macros and build scripts among them, tests not.
fn tree_below(name: &str) -> BTreeSet<&'static str> {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("cargo resolves the workspace");
    let nodes: BTreeMap<&PackageId, &Node> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let top =
        metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == name).expect("a crate of ours");
    let mut seen = BTreeSet::new();
    let mut open = vec![&top.id];
    while let Some(id) = open.pop() {
        let built = nodes[id].deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        });
        for dependency in built {
            if seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.as_str()).collect()
}

#[test]
fn direct_dependencies_have_one_version_each() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("cargo resolves the workspace");
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for node in resolve.nodes.iter().filter(|node| metadata.workspace_members.contains(&node.id)) {
        for dependency in &node.deps {
            let package = &metadata[&dependency.pkg];
            versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "several versions of direct dependencies: {versions:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in source_files() {
        assert!(text.starts_with("//!"), "{} does not open with `//!`", path.display());
    }
}

#[test]
fn files_are_short() {
    for (path, text) in source_files() {
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = text.lines().filter(is_code).count();
        assert!(lines <= CODE_LINES_MAX, "{} has {lines} lines of code", path.display());
    }
}

#[test]
fn modules_have_names_that_say_something() {
    for (path, _) in source_files() {
        let relative =
            path.strip_prefix(root()).expect("source files are in the workspace").with_extension("");
        for part in relative.iter().filter_map(|part| part.to_str()) {
            assert!(!EMPTY_NAMES.contains(&part), "{}: what is `{part}`?", path.display());
        }
    }
}

#[test]
fn every_page_of_an_error_belongs_to_a_code() {
    let mut pages: BTreeSet<String> = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs/errors")).expect("there are pages") {
        let name =
            entry.expect("a folder can be read").file_name().into_string().expect("pages have plain names");
        pages.insert(name);
    }
    assert!(pages.remove("README.md"), "the table of the codes is missing");
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    assert_eq!(pages, codes, "pages of docs/errors, and codes");
}

/// Every Rust file of ours, with its text.
fn source_files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["crates", "examples", "xtask"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the files are looked for in the wrong place");
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let path = entry.expect("a folder of the workspace can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source files are text");
            files.push((path, text));
        }
    }
}

/// The README's first command names no package.
#[test]
fn cargo_run_is_catena() {
    let defaults: Vec<_> =
        metadata().workspace_default_packages().into_iter().map(|package| package.name.to_string()).collect();
    assert_eq!(defaults, ["catena"]);
}
