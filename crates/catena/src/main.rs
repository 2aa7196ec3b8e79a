//! The `catena` command: arguments in, one command's work, an exit code out.

#![warn(clippy::print_stderr, reason = "it panics where nobody listens any more; `talk!` does not")]

#[macro_use]
mod output;

mod annotation;
mod args;
mod commands;
mod config;
mod document;
mod exit;
mod graph;
mod home;
mod hosting;
mod log;
mod problem;
mod question;
mod view;
mod why;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    if let Ok(name) = std::env::var("CATENA_FAULT") {
        assert!(catena_core::faults::switch_on(&name), "there is no fault `{name}`");
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let arguments: Vec<String> = std::env::args().skip(1).collect();
            return exit::usage(&error, problem::document_asked_for(&arguments));
        }
    };
    view::tell_of_panics();
    // The panic itself has been printed by its hook.
    let result = std::panic::catch_unwind(|| run(arguments));
    exit::report(result.unwrap_or_else(|_| Err(exit::Failure::bug())))
}

fn run(arguments: Arguments) -> Result<exit::Code, exit::Failure> {
    match &arguments.command {
        // It shows what is set, also what is set wrong. The helper's stderr is nowhere.
        Command::Config(_) | Command::Helper(_) => {}
        Command::Init(_)
        | Command::Run(_)
        | Command::Check(_)
        | Command::Eval(_)
        | Command::Explain(_)
        | Command::Prove(_)
        | Command::Sim(_)
        | Command::Test(_)
        | Command::Schema(_)
        | Command::Ps(_)
        | Command::Schedule(_)
        | Command::Chain(_)
        | Command::Doctor(_)
        | Command::Completion(_)
        | Command::Version(_) => log::start()?,
    }
    // Only by what needs it: a definition can be checked where no store can be.
    let locate = || home::Locations::find(&arguments.place);
    match arguments.command {
        Command::Init(args) => commands::init::run(&args),
        Command::Run(args) => commands::run::run(&args, &arguments.place),
        Command::Check(args) => commands::check::run(&args),
        Command::Test(args) => commands::test::run(&args, locate),
        Command::Prove(args) => commands::prove::run(&args, locate),
        Command::Sim(args) => commands::sim::run(&args, locate),
        Command::Eval(args) => commands::eval::run(&args, locate),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Schema(_) => commands::schema::run(),
        Command::Ps(args) => commands::ps::run(&args, &locate()?),
        Command::Schedule(args) => commands::schedule::run(&args, locate),
        Command::Chain(args) => commands::chain::run(&args, &locate()?),
        Command::Doctor(args) => commands::doctor::run(&args, &locate()?),
        Command::Config(args) => commands::config::run(&args, &locate()?),
        Command::Completion(args) => commands::completion::run(&args),
        Command::Version(args) => commands::version::run(&args, locate),
        Command::Helper(args) => commands::helper::run(&args),
    }
}
