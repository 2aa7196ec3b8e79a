//! `catena ps logs`: what the steps of an execution wrote, attempt by attempt; with `-f` as they write it.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use catena_core::{AttemptNo, ExecutionId};
use catena_store::{StepRow, Store, sqlite::SqliteStore};
use clap::Args;

use super::execution_id;
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

/// How often a follower looks for new lines: it reads beside the host and owes it nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena ps logs 42\n  catena ps logs 42 -f --step fetch")]
pub(super) struct LogsArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Follow until the execution ends
    #[arg(short, long)]
    follow: bool,
    /// Only this step, by id, name or address
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Print the time of each line
    #[arg(long)]
    timestamps: bool,
}

pub(super) fn run(args: &LogsArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    if args.follow {
        wait_for_first(&reader, args.id)?;
    }
    let id = hosting::resolve(&reader, args.id)?;
    let wanted = args.step.as_deref().map(|step| Wanted::find(step, &reader, id, args.follow)).transpose()?;
    let mut printer = Printer { args, wanted, id, locations, read: BTreeMap::new(), last: None };
    loop {
        // Asked before the logs are read: what was written before the end is then surely printed.
        let row = reader.execution(id)?.ok_or_else(|| hosting::unknown(id))?;
        let printed = printer.print_new(&reader)?;
        if !args.follow || row.status.is_end() {
            break;
        }
        if !printed {
            std::thread::sleep(LOOK_EVERY);
        }
    }
    Ok(Code::Completed)
}

/// Who follows a chain that will start by itself waits for its first execution.
fn wait_for_first(reader: &SqliteStore, number: ExecutionId) -> Result<(), Failure> {
    let mut told = false;
    while let Some(next) = hosting::next_of_unstarted(reader, number)? {
        if !told {
            talk!("waiting for the first execution: {}", output::local(next));
            told = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// The step whose logs are asked for.
enum Wanted {
    /// All its visits.
    Id(String),
    Address(String),
}

impl Wanted {
    /// An id, a name or an address of the execution; what its chain does not have is not found.
    fn find(text: &str, reader: &SqliteStore, id: ExecutionId, may_come: bool) -> Result<Self, Failure> {
        let state = hosting::fresh_state(reader, id)?;
        let step_ids = || state.chain().steps().map(|(_, step)| step.id.as_str());
        let mut steps = state.chain().steps().map(|(_, step)| step);
        if let Some(step) = steps.find(|step| step.id.as_str() == text || step.name == text) {
            return Ok(Self::Id(step.id.to_string()));
        }
        // A follower may ask for a visit that has not come yet, of a step that there is.
        let last = text.rsplit('/').next().unwrap_or(text);
        let is_step = step_ids().any(|id| last.split('~').next() == Some(id));
        if may_come && is_step || reader.steps(id)?.iter().any(|row| row.address == text) {
            return Ok(Self::Address(text.to_owned()));
        }
        let chain = &state.chain().name;
        let (message, known) = match is_step {
            true => (format!("execution {id} has not been at `{text}`"), None),
            false => {
                (format!("the chain {chain} has no step `{text}`"), catena_spec::nearest(text, step_ids()))
            }
        };
        Err(match known {
            Some(step) => Failure::new(Code::NotFound, format!("{message}; did you mean `{step}`?"))
                .next(format!("catena ps logs {id} --step {step}")),
            None => Failure::new(Code::NotFound, message)
                .next(format!("catena ps show {id}, which lists its steps")),
        })
    }

    fn is(&self, row: &StepRow) -> bool {
        match self {
            Self::Id(id) => row.step == *id,
            Self::Address(address) => row.address == *address,
        }
    }
}

struct Printer<'a> {
    args: &'a LogsArgs,
    wanted: Option<Wanted>,
    id: ExecutionId,
    locations: &'a Locations,
    /// How far each file has been printed.
    read: BTreeMap<PathBuf, u64>,
    last: Option<PathBuf>,
}

impl Printer<'_> {
    fn print_new(&mut self, reader: &SqliteStore) -> Result<bool, Failure> {
        let mut printed = false;
        for step in reader.steps(self.id)? {
            if self.wanted.as_ref().is_some_and(|wanted| !wanted.is(&step)) {
                continue;
            }
            for attempt in 1..=step.attempts {
                printed |= self.print_attempt(&step, AttemptNo(attempt))?;
            }
        }
        Ok(printed)
    }

    fn print_attempt(&mut self, step: &StepRow, attempt: AttemptNo) -> Result<bool, Failure> {
        let path = self.locations.places().log(self.id, &step.address, attempt);
        let from = self.read.get(&path).copied().unwrap_or(0);
        let bytes = match read_from(&path, from) {
            Ok(bytes) => bytes,
            // An attempt that has written nothing has no log.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                let message = format!("cannot read the log {}: {error}", path.display());
                return Err(Failure::new(Code::Environment, message)
                    .next(format!("catena ps show {}, whose steps have their results", self.id)));
            }
        };
        // Only whole lines: the rest comes with the next look.
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(false) };
        if self.last.as_ref() != Some(&path) {
            let again = if attempt.0 > 1 { format!(", attempt {attempt}") } else { String::new() };
            talk!("── {}{again}", step.address);
            self.last = Some(path.clone());
        }
        for line in String::from_utf8_lossy(&bytes[..end]).lines() {
            output::line(if self.args.timestamps { line } else { text_of(line) })?;
        }
        self.read.insert(path, from + end as u64 + 1);
        Ok(true)
    }
}

fn read_from(path: &PathBuf, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line of a log without its time and stream.
pub(crate) fn text_of(line: &str) -> &str {
    line.splitn(3, ' ').nth(2).unwrap_or(line)
}
