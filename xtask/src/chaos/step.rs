//! What a step of the test does: it tells the oracle, has its effect, takes its time, tells the oracle again.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::ledger::{Report, Role, Who, now_us};

/// Between two lines of output, and between two looks for a file that is waited for.
const BEAT: Duration = Duration::from_millis(50);

/// `chaos step --oracle SOCKET --effects FOLDER` and what it should do: `--ms N`, `--until FILE`, `--most-ms N`,
/// `--fail-until ATTEMPT`, `--leave-ms N`, `--leftover`.
pub(super) fn run(args: &[String]) -> Result<()> {
    let script = Script::parse(args)?;
    let who = script.who()?;
    // Held as long as the process lives: its end is how the oracle sees a death.
    let mut oracle = UnixStream::connect(script.value("--oracle")?).context("cannot reach the oracle")?;
    tell(&mut oracle, &Report::Before { who: who.clone(), sent_us: now_us() })?;
    have_effect(&script, &who)?;
    if let Some(ms) = script.number("--leave-ms")? {
        leave_behind(args, ms)?;
    }
    wait(&script, &who)?;
    tell(&mut oracle, &Report::After { sent_us: now_us() })?;
    if script.number("--fail-until")?.is_some_and(|last| u64::from(who.attempt) <= last) {
        bail!("attempt {} fails as it should", who.attempt);
    }
    Ok(())
}

struct Script(BTreeMap<String, String>);

impl Script {
    fn parse(args: &[String]) -> Result<Self> {
        let pairs = args.chunks(2).map(|pair| match pair {
            [name, value] => Ok((name.clone(), value.clone())),
            _ => bail!("`{}` has no value", pair.concat()),
        });
        Ok(Self(pairs.collect::<Result<_>>()?))
    }

    fn value(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("{name} is missing"))
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        self.0.get(name).map(|text| text.parse().with_context(|| format!("{name} is a number"))).transpose()
    }

    fn who(&self) -> Result<Who> {
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Who {
            execution: variable("CATENA_EXECUTION_ID")?.parse()?,
            address: variable("CATENA_ADDRESS")?,
            attempt: variable("CATENA_ATTEMPT")?.parse()?,
            pid: std::process::id(),
            role: if self.0.contains_key("--leftover") { Role::Leftover } else { Role::Step },
        })
    }
}

/// The oracle answers when it has written the report down.
fn tell(oracle: &mut UnixStream, report: &Report) -> Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    oracle.write_all(&line).context("cannot tell the oracle")?;
    oracle.read_exact(&mut [0]).context("the oracle does not answer")
}

fn have_effect(script: &Script, who: &Who) -> Result<()> {
    if who.role == Role::Leftover {
        return Ok(());
    }
    let path = Path::new(script.value("--effects")?).join(who.execution.to_string());
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    Ok(file.write_all(format!("{} {} {}\n", who.address, who.attempt, who.pid).as_bytes())?)
}

/// Starts a process that would go on for long, in a group of its own and with the step's output open.
fn leave_behind(args: &[String], ms: u64) -> Result<()> {
    let pairs = args.chunks(2).filter(|pair| matches!(pair[0].as_str(), "--oracle" | "--effects"));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["chaos", "step"]).args(pairs.flatten());
    command.args(["--leftover", "yes", "--ms", &ms.to_string()]).process_group(0);
    // Nobody waits for it: whoever is responsible for the step has to.
    drop(command.spawn()?);
    Ok(())
}

fn wait(script: &Script, who: &Who) -> Result<()> {
    let until = Instant::now() + Duration::from_millis(script.number("--ms")?.unwrap_or(0));
    let file = script.0.get("--until").map(Path::new);
    let most = script.number("--most-ms")?.map(|ms| Instant::now() + Duration::from_millis(ms));
    loop {
        say(&format!("{} {} is at work\n", who.address, who.attempt));
        let left = until.saturating_duration_since(Instant::now());
        let is_over = most.is_some_and(|most| most <= Instant::now());
        if left.is_zero() && (is_over || file.is_none_or(Path::exists)) {
            return Ok(());
        }
        std::thread::sleep(if left.is_zero() { BEAT } else { left.min(BEAT) });
    }
}

fn say(text: &str) {
    // Whoever read it may be gone, and then this process soon is, too.
    let _gone = std::io::stdout().write_all(text.as_bytes());
}
