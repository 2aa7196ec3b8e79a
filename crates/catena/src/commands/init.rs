//! `catena init`: a chain to begin with, that runs as it is.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValuesParser};

use crate::{
    exit::{Code, Failure},
    output,
};

/// Definitions with their step files, of which the first is the definition.
struct Template {
    name: &'static str,
    about: &'static str,
    files: &'static [(&'static str, &'static str)],
}

const TEMPLATES: [Template; 2] = [
    Template {
        name: "hello",
        about: "two shell steps: a parameter, environment, results",
        files: &[("hello.yaml", include_str!("../../templates/hello/hello.yaml"))],
    },
    Template {
        name: "pipeline",
        about: "a data pipeline of Python files: for_each, a retry, a rollback with undo",
        files: &[
            ("chain.yaml", include_str!("../../templates/pipeline/chain.yaml")),
            ("fetch.py", include_str!("../../templates/pipeline/fetch.py")),
            ("count.py", include_str!("../../templates/pipeline/count.py")),
            ("save.py", include_str!("../../templates/pipeline/save.py")),
        ],
    },
];

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena init\n  catena init reports --template pipeline\n  \
                        catena init --list")]
pub(crate) struct InitArgs {
    /// Where to write; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// What to write
    #[arg(long, value_name = "NAME", default_value = TEMPLATES[0].name, hide_possible_values = true,
          value_parser = PossibleValuesParser::new(TEMPLATES.map(|template| template.name)))]
    template: String,
    /// List the templates and write nothing
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<Code, Failure> {
    if args.list {
        let rows = TEMPLATES.map(|template| vec![template.name.to_owned(), template.about.to_owned()]);
        output::raw(output::table(&rows).as_bytes())?;
        return Ok(Code::Completed);
    }
    let template = TEMPLATES.iter().find(|template| template.name == args.template);
    let template = template.expect("clap takes the names of templates alone");
    let files: Vec<(PathBuf, &str)> =
        template.files.iter().map(|(name, text)| (inside(&args.dir, name), *text)).collect();
    // Looked at before anything is written: half a template helps nobody.
    for (path, _) in &files {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
    }
    fs::create_dir_all(&args.dir).map_err(|error| cannot("make the folder", &args.dir, &error))?;
    for (path, text) in &files {
        write_new(path, text)?;
        output::line(&path.display().to_string())?;
    }
    talk!("next: catena run {}", output::shell_word(&files[0].0));
    Ok(Code::Completed)
}

/// `chain.yaml` rather than `./chain.yaml`.
fn inside(dir: &Path, name: &str) -> PathBuf {
    if dir == Path::new(".") { PathBuf::from(name) } else { dir.join(name) }
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => cannot("write", path, &error),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(Code::Conflict, format!("{} is there already, and is left as it is", path.display()))
        .next("catena init DIR, with another folder")
}

fn cannot(act: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Environment, format!("cannot {act} {}: {error}", path.display()))
        .next("catena init DIR, with a folder that can be written")
}
