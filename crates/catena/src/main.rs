//! The `catena` command: arguments in, one command's work, an exit code out.

mod args;
mod commands;
mod config;
mod document;
mod exit;
mod home;
mod hosting;
mod output;

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
        Err(error) => return exit::usage(&error),
    };
    // The panic itself has been printed by its hook.
    let result = std::panic::catch_unwind(|| run(arguments));
    exit::report(result.unwrap_or_else(|_| Err(exit::Failure::bug())))
}

fn run(arguments: Arguments) -> Result<exit::Code, exit::Failure> {
    let Arguments { place, command } = arguments;
    // Asked for only by commands that need it: the others work with a broken configuration, too.
    let locations = || home::Locations::find(&place);
    match command {
        Command::Run(args) => commands::run::run(&args, &locations()?),
        Command::Check(args) => commands::check::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Ps(args) => commands::ps::run(&args, &locations()?),
        Command::Doctor(args) => commands::doctor::run(&args, &locations()?),
        Command::Config(args) => commands::config::run(&args, &locations()?),
        Command::Version(args) => commands::version::run(&args, locations),
        Command::Helper(args) => commands::helper::run(&args),
    }
}
