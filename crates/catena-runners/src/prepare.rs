//! The first phase of a process attempt: program, arguments, environment, folders. What differs by kind comes
//! from the kind's module.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
};

use catena_core::{
    AttemptNo, Failure, FailureType, Value,
    chain::{Chain, Process, Work},
    faults::{self, Fault},
    template::Template,
    value::VALUE_MAX_BYTES,
};

use serde::Serialize;

use crate::{
    Attempt, Beginning, Context, Places,
    code::{self, Ground, Search},
    command, file,
    process::{Launch, Token, WhenUnknown},
    process_runner::Files,
    secrets::Gaps,
    shell,
};

/// Between TERM and KILL.
pub(crate) const GRACE_MS: u64 = 5_000;
/// The longest argument, or variable with its name, that Linux takes: 32 pages with the zero at its end.
const WORD_MAX_BYTES: usize = 32 * 4_096 - 1;
/// The name of the variable that tells a step where the context file is; a step that names it gets the file.
pub const CONTEXT_VARIABLE: &str = "CATENA_CONTEXT";

/// Where code finds its parameters, as JSON; set where the step has any.
pub const PARAMETERS_VARIABLE: &str = "CATENA_PARAMETERS";

/// What all attempts of a store have in common.
pub(crate) struct Common<'a> {
    pub(crate) places: &'a Places,
    pub(crate) files: &'a dyn Files,
    /// The `PATH` that processes start from.
    pub(crate) path: Option<&'a OsStr>,
}

/// A program and its arguments.
pub(crate) struct Invocation {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
}

/// All but the secrets, which take their time and belong to the moment of the start.
pub(crate) fn launch(
    attempt: &Attempt,
    token: Token,
    common: &Common<'_>,
) -> Result<(Launch, Gaps), Failure> {
    let Common { places, files, path } = *common;
    let step = attempt.step();
    let process = step.work.process().ok_or_else(|| cannot_start("the step's kind has no process"))?;
    let dir = places.run(attempt.key.execution);
    let own = |what: &str| dir.join(format!(".{}.{}.{what}", attempt.key.visit, attempt.key.attempt));
    let (output, context) = (own("output"), own("context"));
    write_context(attempt, files, &dir, &context)?;
    let mut gaps = Gaps::default();
    let mut env = environment(attempt, process, [&dir, &output, &context], &mut gaps);
    if let Some(parameters) = parameters(attempt) {
        let path = own("parameters");
        write_once(attempt, parameters.as_json(), &dir, &path)?;
        env.push((PARAMETERS_VARIABLE.to_owned(), path.display().to_string()));
    }
    let cwd = workdir(&attempt.chain, process, places);
    let Invocation { program, args } = match &step.work {
        Work::Shell { script, interpreter, .. } => shell::invocation(script, interpreter.as_ref()),
        Work::Command { argv, .. } => command::invocation(argv, &attempt.input.argv)?,
        Work::File { file, .. } => file::invocation(file, places, files)?,
        Work::Code { code, .. } => {
            let own = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| OsStr::new(value));
            let search = Search { path: own.or(path), cwd: &cwd };
            code::invocation(step, code, &Ground { places, files, search })?
        }
        Work::Function { .. }
        | Work::FileExists { .. }
        | Work::Http(_)
        | Work::Set { .. }
        | Work::Wait { .. }
        | Work::Group { .. }
        | Work::Parallel { .. }
        | Work::ForEach { .. }
        | Work::Chain(_)
        | Work::End(_)
        | Work::Fail(_) => return Err(cannot_start("the step's kind has no process")),
    };
    refuse_too_long(&args, &env)?;
    let launch = Launch {
        token,
        program,
        args,
        env,
        cwd,
        stdin: stdin(attempt, process, &mut gaps),
        timeout_ms: step.timeout_ms,
        grace_ms: GRACE_MS,
        log: places.log(attempt.key.execution, attempt.address.as_str(), attempt.key.attempt),
        output,
        dir,
        capture_max: if step.keeps_result() { VALUE_MAX_BYTES as u64 } else { 0 },
        unknown: match attempt.beginning {
            Beginning::Fresh | Beginning::Recovered { same_boot: true } => WhenUnknown::Start,
            Beginning::Recovered { same_boot: false } => WhenUnknown::Report,
        },
        hidden: Vec::new(),
    };
    Ok((launch, gaps))
}

/// A launch that attaches to what may be running, and starts nothing.
pub(crate) fn attach(attempt: &Attempt, token: Token, places: &Places) -> Launch {
    let dir = places.run(attempt.key.execution);
    Launch {
        token,
        program: String::new(),
        args: Vec::new(),
        env: Vec::new(),
        cwd: places.root.clone(),
        stdin: None,
        timeout_ms: None,
        grace_ms: GRACE_MS,
        log: places.log(attempt.key.execution, attempt.address.as_str(), attempt.key.attempt),
        output: dir.join(".attached"),
        dir,
        capture_max: 0,
        unknown: WhenUnknown::Report,
        hidden: Vec::new(),
    }
}

/// What the system would refuse without saying which one it is.
pub(crate) fn refuse_too_long(args: &[String], env: &[(String, impl AsRef<str>)]) -> Result<(), Failure> {
    let too_long = |what: String, bytes: usize| {
        cannot_start(format!(
            "{what} has {bytes} bytes, the system takes at most {WORD_MAX_BYTES}; pass it on standard input (`stdin`) \
             or in a file in CATENA_DIR"
        ))
    };
    if let Some((position, arg)) = (1..).zip(args).find(|(_, arg)| arg.len() > WORD_MAX_BYTES) {
        return Err(too_long(format!("argument {position}"), arg.len()));
    }
    let mut variables = env.iter().map(|(name, value)| (name, name.len() + 1 + value.as_ref().len()));
    match variables.find(|(_, bytes)| *bytes > WORD_MAX_BYTES) {
        Some((name, bytes)) => Err(too_long(format!("environment variable `{name}`"), bytes)),
        None => Ok(()),
    }
}

pub(crate) fn cannot_start(message: impl Into<String>) -> Failure {
    Failure::lasting(FailureType::CannotStart, message)
}

pub(crate) fn workdir(chain: &Chain, process: &Process, places: &Places) -> PathBuf {
    let base = chain.workdir.as_ref().map_or_else(|| places.root.clone(), PathBuf::from);
    process.workdir.as_ref().map_or(base.clone(), |own| base.join(own))
}

/// The chain's variables, the step's over them, and what every step gets over all.
fn environment(
    attempt: &Attempt,
    process: &Process,
    paths: [&Path; 3],
    gaps: &mut Gaps,
) -> Vec<(String, String)> {
    let [dir, output, context] = paths.map(|path| path.display().to_string());
    let constants =
        attempt.chain.env.iter().chain(&process.env).filter_map(|(name, template)| match template {
            Template::Const(value) => Some((name.clone(), value.to_text())),
            _ => None,
        });
    let mut variables: BTreeMap<String, String> = constants.collect();
    for (name, given) in &attempt.input.env {
        match given.as_plain() {
            Some(value) => drop(variables.insert(name.clone(), value.to_text())),
            None => {
                variables.remove(name);
                gaps.env.insert(name.clone(), given.clone());
            }
        }
    }
    let own = [
        ("CATENA_EXECUTION_ID", attempt.key.execution.to_string()),
        ("CATENA_STEP", attempt.step().id.to_string()),
        ("CATENA_ADDRESS", attempt.address.to_string()),
        ("CATENA_ATTEMPT", number(attempt).to_string()),
        ("CATENA_DIR", dir),
        ("CATENA_OUTPUT", output),
        (CONTEXT_VARIABLE, context),
    ];
    for (name, value) in own {
        gaps.env.remove(name);
        variables.insert(name.to_owned(), value);
    }
    variables.into_iter().collect()
}

fn number(attempt: &Attempt) -> AttemptNo {
    let AttemptNo(number) = attempt.key.attempt;
    let reused = faults::is_on(Fault::AttemptReused) && number > 1;
    AttemptNo(if reused { number - 1 } else { number })
}

fn stdin(attempt: &Attempt, process: &Process, gaps: &mut Gaps) -> Option<Vec<u8>> {
    let constant = process.stdin.as_ref().and_then(|template| match template {
        Template::Const(value) => Some(value),
        _ => None,
    });
    let value = match &attempt.input.stdin {
        None => constant,
        Some(given) => {
            let value = given.as_plain();
            gaps.stdin = if value.is_none() { Some(given.clone()) } else { None };
            value
        }
    };
    value.map(|value: &Value| value.to_text().into_bytes())
}

/// No file before there is something to write: only steps that name the variable have a context.
fn write_context(attempt: &Attempt, files: &dyn Files, dir: &Path, path: &Path) -> Result<(), Failure> {
    let Some(context) = &attempt.context else { return Ok(()) };
    let chain_id = files.chain_number(attempt.chain.name.as_str());
    write_once(attempt, &Numbered { chain_id, context }, dir, path)
}

/// The context with what no state knows: the number that the store has for the chain.
#[derive(Serialize)]
struct Numbered<'a> {
    chain_id: Option<u64>,
    #[serde(flatten)]
    context: &'a Context,
}

/// What code is given by name: constants stand in the version, the rest in the input.
fn parameters(attempt: &Attempt) -> Option<&Value> {
    let Work::Code { code, .. } = &attempt.step().work else { return None };
    match (&attempt.input.parameters, code.parameters.as_ref()?) {
        (Some(resolved), _) => Some(resolved),
        (None, Template::Const(value)) => Some(value),
        (None, _) => None,
    }
}

fn write_once(attempt: &Attempt, value: &impl Serialize, dir: &Path, path: &Path) -> Result<(), Failure> {
    if attempt.beginning != Beginning::Fresh && path.exists() {
        // A process may be reading it.
        return Ok(());
    }
    let written = std::fs::create_dir_all(dir).and_then(|()| write_json(path, value));
    written.map_err(|error| cannot_start(format!("cannot write {}: {error}", path.display())))
}

fn write_json(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    serde_json::to_writer(&mut file, value)?;
    file.flush()
}
