//! `catena test`: cases of a chain, on a virtual clock.

mod judge;
mod junit;
mod record;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use catena_core::{
    Chain, Command, ExecutionId, FailureType, Timestamp, Value, command::Start, event::Trigger,
};
use catena_sim::{Coverage, Outcome, Run, Scenario, usual_failure};
use catena_spec::{
    Case, CaseFile, Colour, ContextFile, GivenStep, Problem, Source, check_cases, dto::ProblemDto, render,
    step_meant,
};
use clap::Args;
use serde::Serialize;

use self::judge::judge;
use super::{
    ps::execution_id,
    sim::{MomentDto, timeline},
};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    output,
    problem::ProblemEntry,
};

/// The longest file of cases that is read.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Ways that were never taken, of which the first are named.
const NAMED_MAX: usize = 20;

#[derive(Debug, Args)]
#[command(
    after_help = "A case gives results, failures, signals and times, and says what comes of them. Nothing of a chain runs.\n\n\
                  Examples:\n  catena test order.test.yaml\n  catena test *.test.yaml --coverage 90 --junit report.xml\n  \
                  catena test --from-execution 42 > seen.test.yaml"
)]
pub(crate) struct TestArgs {
    /// Files of cases, in YAML or JSON
    #[arg(value_name = "FILE", required_unless_present = "from_execution")]
    files: Vec<PathBuf>,
    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Fail unless so many percent of the steps and ways of each chain are taken
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage: Option<u8>,
    /// Write a report in the form of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run again whenever a file of cases or a definition changes, until Ctrl-C
    #[arg(long, conflicts_with = "from_execution")]
    watch: bool,
    /// Print a case that gives what an execution was given, and expects what came of it
    #[arg(long, value_name = "ID", value_parser = execution_id, conflicts_with_all = ["files", "only", "coverage", "junit"])]
    from_execution: Option<ExecutionId>,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &TestArgs, locate: impl Fn() -> Result<Locations, Failure>) -> Result<Code, Failure> {
    if let Some(id) = args.from_execution {
        return record::print(id, &locate()?);
    }
    if args.watch {
        return watch::run(args);
    }
    let report = args.report();
    args.tell(&report)?;
    if let Some(text) = &args.only
        && report.code == Code::Completed
        && report.files.iter().all(|file| file.cases.is_empty())
    {
        let message = format!("no case has `{text}` in its name");
        return Err(Failure::new(Code::NotFound, message).next("catena test FILE, which names them"));
    }
    Ok(report.code)
}

/// What all files have come to.
struct Report {
    files: Vec<FileReport>,
    code: Code,
}

/// What a file of cases has come to.
struct FileReport {
    path: PathBuf,
    source: Option<Source>,
    /// Why none of its cases ran.
    refused: Option<Failure>,
    problems: Vec<Problem>,
    cases: Vec<CaseReport>,
    chain: Option<Arc<Chain>>,
    chain_path: Option<PathBuf>,
    coverage: Coverage,
}

struct CaseReport {
    name: String,
    status: &'static str,
    timeline: Vec<MomentDto>,
    problems: Vec<Problem>,
}

impl TestArgs {
    fn report(&self) -> Report {
        let files: Vec<FileReport> = self.files.iter().map(|path| self.file(path)).collect();
        let is_unsound = files.iter().any(|file| !file.problems.is_empty());
        let refusal = files.iter().find_map(|file| file.refused.as_ref().map(|failure| failure.code));
        let has_failed = files.iter().flat_map(|file| &file.cases).any(|case| !case.problems.is_empty());
        let is_covered = files.iter().all(|file| self.is_covered(file));
        let code = match refusal {
            Some(code) => code,
            None if is_unsound => Code::Definition,
            None if has_failed || !is_covered => Code::Failed,
            None => Code::Completed,
        };
        Report { files, code }
    }

    fn file(&self, path: &Path) -> FileReport {
        let mut report = FileReport {
            path: path.to_owned(),
            source: None,
            refused: None,
            problems: Vec::new(),
            cases: Vec::new(),
            chain: None,
            chain_path: None,
            coverage: Coverage::default(),
        };
        if let Err(failure) = self.fill(path, &mut report) {
            report.refused = Some(failure);
        }
        report
    }

    fn fill(&self, path: &Path, report: &mut FileReport) -> Result<(), Failure> {
        let source = super::definition::read_source(path, FILE_MAX_BYTES)?;
        let (file, problems) = check_cases(&source);
        report.problems = problems;
        report.source = Some(source);
        let Some(file) = file else { return Ok(()) };
        let chain_path = path.parent().unwrap_or(Path::new("")).join(&file.chain.value);
        report.chain_path = Some(chain_path.clone());
        let chain = chain_at(&chain_path)?;
        report.problems = file.check_against(&chain);
        if report.problems.is_empty() {
            self.cases(&file, &chain, report)?;
        }
        report.chain = Some(chain);
        Ok(())
    }

    fn cases(&self, file: &CaseFile, chain: &Arc<Chain>, report: &mut FileReport) -> Result<(), Failure> {
        let is_meant = |case: &&Case| self.only.as_ref().is_none_or(|text| case.name.value.contains(text));
        for case in file.cases.iter().filter(is_meant) {
            let run = simulate(chain, case, file.seed);
            report.coverage.add(&run.state, run.journal.iter().map(|(_, event)| event));
            let timeline = timeline(&run)?;
            report.cases.push(CaseReport {
                name: case.name.value.clone(),
                status: run.state.status().as_str(),
                timeline,
                problems: judge(case, &run),
            });
        }
        Ok(())
    }

    fn is_covered(&self, file: &FileReport) -> bool {
        let percent = file.chain.as_ref().map(|chain| percent(chain, &file.coverage));
        self.coverage.is_none_or(|least| percent.is_none_or(|percent| percent >= least))
    }

    fn tell(&self, report: &Report) -> Result<(), Failure> {
        if let Some(path) = &self.junit {
            junit::write(path, report)?;
        }
        if self.output != Format::Text {
            return output::json(&TestDocument::new(report));
        }
        let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
        let (mut passed, mut failed) = (0, 0);
        for file in &report.files {
            output::line(&file.path.display().to_string())?;
            if let Some(failure) = &file.refused {
                failure.tell();
            }
            let show = |problems: &[Problem]| {
                if let Some(source) = file.source.as_ref().filter(|_| !problems.is_empty()) {
                    talk!("{}", render(problems, source, colour).trim_end());
                }
            };
            show(&file.problems);
            for case in &file.cases {
                let is_good = case.problems.is_empty();
                *(if is_good { &mut passed } else { &mut failed }) += 1;
                output::line(&format!("  {} {}", if is_good { "✓" } else { "✗" }, case.name))?;
                show(&case.problems);
            }
            self.tell_coverage(file)?;
        }
        let files = report.files.iter().filter(|file| file.refused.is_some() || !file.problems.is_empty());
        let broken = match files.count() {
            0 => String::new(),
            count => format!(", {count} files without a run"),
        };
        output::line(&format!("\n{passed} passed, {failed} failed{broken}"))
    }

    fn tell_coverage(&self, file: &FileReport) -> Result<(), Failure> {
        let Some(chain) = file.chain.as_ref().filter(|_| !file.cases.is_empty()) else { return Ok(()) };
        let missed = file.coverage.missed(chain);
        let percent = percent(chain, &file.coverage);
        let wanted = match self.coverage {
            Some(least) if percent < least => format!(", and {least} % are wanted"),
            Some(_) | None => String::new(),
        };
        output::line(&format!("  {percent} % of the steps and ways of {} taken{wanted}", chain.name))?;
        for branch in missed.iter().take(NAMED_MAX) {
            output::line(&format!("    {}", branch.words(chain)))?;
        }
        match missed.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            Some(more) => output::line(&format!("    … and {more} more")),
            None => Ok(()),
        }
    }
}

fn percent(chain: &Chain, coverage: &Coverage) -> u8 {
    let all = Coverage::all(chain);
    let taken = all.iter().filter(|branch| coverage.taken().contains(branch)).count();
    u8::try_from(taken * 100 / all.len().max(1)).unwrap_or(100)
}

/// The chain of a definition, whose own problems are told as `check` tells them.
fn chain_at(path: &Path) -> Result<Arc<Chain>, Failure> {
    let word = path.display().to_string();
    super::chain::chain_of_file(Path::new(&word))
}

/// A case, on a virtual clock.
fn simulate(chain: &Arc<Chain>, case: &Case, seed: u64) -> Run {
    let scenario = scenario_of(chain, case);
    let given = case.given.params.iter();
    let (ContextFile { mut params, context }, _) = case.context(chain);
    params.extend(given.map(|(name, value)| (name.value.clone(), Value::from(value.value.clone()))));
    let params = chain.resolve_params(params).expect("the parameters were checked");
    let start = Start {
        left_out: case.part(chain).map(|part| chain.left_out(part)).unwrap_or_default(),
        context,
        ..Start::new("simulated", params, Trigger::Manual)
    };
    let mut run = Run::start_with(ExecutionId(1), chain, start, case.at, seed, &scenario);
    let at = |ms: u64| Timestamp(case.at.0).plus_ms(ms);
    for signal in &case.given.signals {
        let (name, value) = (signal.name.value.clone(), Value::from(signal.value.clone()));
        run.tell_at(at(signal.at_ms), Command::SendSignal { name, value });
    }
    if let Some(cancel) = case.given.cancel {
        let (rollback, force) = (cancel.rollback, cancel.force);
        run.tell_at(at(cancel.at_ms), Command::CancelExecution { rollback, force });
    }
    run.run(None, &scenario);
    run
}

fn scenario_of(chain: &Chain, case: &Case) -> Scenario {
    let mut scenario = Scenario::default();
    for (word, given) in &case.given.steps {
        let Some(step) = step_meant(chain, &word.value) else { continue };
        let id = chain.step(step).id.as_str();
        // An address means itself; a name means the step.
        let key = if word.value == chain.step(step).name { id } else { word.value.as_str() };
        let usual = usual_failure(&chain.step(step).work);
        say(&mut scenario, key, given, usual);
    }
    scenario
}

fn say(scenario: &mut Scenario, key: &str, given: &GivenStep, usual: FailureType) {
    if !given.results.is_empty() {
        let results = given.results.iter().map(|result| Outcome::result(Value::from(result.value.clone())));
        scenario.say(key, results.collect());
    }
    if let Some(takes_ms) = given.takes_ms {
        scenario.takes(key, takes_ms);
    }
    scenario.lose(key, given.lost);
    if let Some(fail) = &given.fail {
        let kind = fail.kind.clone().map_or(usual, FailureType::from);
        let message = fail.message.as_deref().unwrap_or("simulated");
        scenario.fail(key, fail.times, &Outcome::failure(kind, message));
    }
}

/// What `-o json` prints.
#[derive(Serialize)]
struct TestDocument<'r> {
    schema: &'static str,
    status: &'static str,
    files: Vec<FileDto<'r>>,
}

#[derive(Serialize)]
struct FileDto<'r> {
    file: String,
    problems: Vec<ProblemEntry>,
    cases: Vec<CaseDto<'r>>,
    coverage: Option<CoverageDto>,
}

#[derive(Serialize)]
struct CaseDto<'r> {
    name: &'r str,
    passed: bool,
    status: &'static str,
    timeline: &'r [MomentDto],
    problems: Vec<ProblemDto>,
}

#[derive(Serialize)]
struct CoverageDto {
    percent: u8,
    never: Vec<String>,
}

impl<'r> TestDocument<'r> {
    fn new(report: &'r Report) -> Self {
        let status = if report.code == Code::Completed { "passed" } else { "failed" };
        Self { schema: SCHEMA, status, files: report.files.iter().map(FileDto::new).collect() }
    }
}

impl<'r> FileDto<'r> {
    fn new(file: &'r FileReport) -> Self {
        let dto = |problem: &Problem| file.source.as_ref().map(|source| ProblemDto::new(problem, source));
        let own = file.problems.iter().filter_map(dto).map(ProblemEntry::Definition);
        let refused = file.refused.iter().flat_map(|failure| ProblemEntry::of_failure(failure, None));
        let case = |case: &'r CaseReport| CaseDto {
            name: &case.name,
            passed: case.problems.is_empty(),
            status: case.status,
            timeline: &case.timeline,
            problems: case.problems.iter().filter_map(dto).collect(),
        };
        let coverage = file.chain.as_ref().map(|chain| CoverageDto {
            percent: percent(chain, &file.coverage),
            never: file.coverage.missed(chain).into_iter().map(|branch| branch.words(chain)).collect(),
        });
        Self {
            file: file.path.display().to_string(),
            problems: own.chain(refused).collect(),
            cases: file.cases.iter().map(case).collect(),
            coverage,
        }
    }
}
