//! `catena config`: what is set, and by what. Never a secret's value.

use catena_engine::Secrets as _;
use catena_runners::MASKED_MIN_BYTES;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    args::Format,
    config::Config,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    log, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena config show")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show each setting with its origin
    Show(ShowArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena config show -o json")]
struct ShowArgs {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// One setting. `origin` is a variable, an option, a line of the configuration file, or `default`.
#[derive(Serialize)]
struct SettingDto {
    name: String,
    value: Option<String>,
    origin: String,
    /// What is wrong with the value, or noteworthy.
    note: Option<String>,
}

#[derive(Serialize)]
struct ConfigDocument {
    schema: &'static str,
    settings: Vec<SettingDto>,
}

pub(crate) fn run(args: &ConfigArgs, locations: &Locations) -> Result<Code, Failure> {
    let ConfigCommand::Show(ShowArgs { output: format }) = &args.command;
    let settings = settings(locations);
    match format {
        Format::Json | Format::Jsonl => output::json(&ConfigDocument { schema: SCHEMA, settings })?,
        Format::Text => {
            let heading = ["SETTING", "VALUE", "ORIGIN", ""].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> =
                [heading].into_iter().chain(settings.into_iter().map(line)).collect();
            output::raw(output::table(&lines).as_bytes())?;
        }
    }
    Ok(Code::Completed)
}

fn line(setting: SettingDto) -> Vec<String> {
    vec![setting.name, setting.value.unwrap_or_default(), setting.origin, setting.note.unwrap_or_default()]
}

fn settings(locations: &Locations) -> Vec<SettingDto> {
    let Locations { store, home, origins, config, .. } = locations;
    let file = SettingDto {
        name: "config".to_owned(),
        value: config.file.path.as_ref().map(|path| path.display().to_string()),
        origin: config.file.origin.to_owned(),
        note: (!config.file.exists).then(|| "there is no such file".to_owned()),
    };
    let path = |name: &str, path: &std::path::Path, origin: &str| SettingDto {
        name: name.to_owned(),
        value: Some(path.display().to_string()),
        origin: origin.to_owned(),
        note: None,
    };
    let mut settings = vec![file, path("home", home, &origins.home), path("store", store, &origins.store)];
    settings.extend([log_setting(), colour_setting()]);
    settings.extend(secrets(config));
    settings.extend(slots(config));
    settings
}

fn log_setting() -> SettingDto {
    let asked = log::asked();
    SettingDto {
        name: "log".to_owned(),
        origin: if asked.is_some() { log::VARIABLE } else { "default" }.to_owned(),
        note: log::filter(asked.as_deref()).err(),
        value: Some(asked.unwrap_or_else(|| "off".to_owned())),
    }
}

/// When talk has colours.
fn colour_setting() -> SettingDto {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let (value, origin) = match (variable("NO_COLOR"), variable("CLICOLOR_FORCE")) {
        (Some(_), _) => ("never", "NO_COLOR"),
        (None, Some(value)) if value != "0" => ("always", "CLICOLOR_FORCE"),
        (None, _) if variable("TERM").is_some_and(|term| term == "dumb") => ("never", "TERM"),
        (None, _) => ("on a terminal", "default"),
    };
    SettingDto {
        name: "colour".to_owned(),
        value: Some(value.to_owned()),
        origin: origin.to_owned(),
        note: None,
    }
}

fn slots(config: &Config) -> impl Iterator<Item = SettingDto> {
    let named = config.pools.iter().map(|(name, slots)| (format!("pools.{name}"), slots));
    config.slots.iter().map(|slots| ("slots".to_owned(), slots)).chain(named).map(|(name, slots)| {
        SettingDto {
            name,
            value: Some(slots.value.to_string()),
            origin: config.place(slots.line),
            note: None,
        }
    })
}

fn secrets(config: &Config) -> impl Iterator<Item = SettingDto> {
    config.secrets.sources().map(|(name, setting)| SettingDto {
        name: format!("secrets.{name}"),
        value: Some(setting.value.to_string()),
        origin: config.place(setting.line),
        note: match config.secrets.resolve(name) {
            Err(missing) => Some(missing.why),
            Ok(secret) if secret.expose().len() < MASKED_MIN_BYTES => {
                Some(format!("has fewer than {MASKED_MIN_BYTES} bytes, so it is not masked"))
            }
            Ok(_) => None,
        },
    })
}
