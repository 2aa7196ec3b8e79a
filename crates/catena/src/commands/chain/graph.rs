//! `catena chain graph`: a picture of a chain, of a file or of the store.

use std::path::Path;

use catena_core::Chain;
use catena_store::Store;
use clap::{Args, ValueEnum};

use super::find::find;
use crate::{
    commands::{check::first_code, definition::Definition},
    exit::{Code, Failure},
    graph::{self, Drawing},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  catena chain graph report\n  catena chain graph report.yaml -o mermaid\n  \
                        catena chain graph report -o svg > report.svg"
)]
pub(super) struct GraphArgs {
    /// The chain's name or number, or a definition in YAML or JSON
    #[arg(value_name = "CHAIN_OR_FILE")]
    chain: String,
    /// How to draw it
    #[arg(short, long, value_enum, default_value_t)]
    output: GraphFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    #[default]
    Text,
    Mermaid,
    Svg,
}

pub(super) fn run(args: &GraphArgs, locations: &Locations) -> Result<Code, Failure> {
    let drawing = match args.output {
        GraphFormat::Text => Drawing::Text,
        GraphFormat::Mermaid => Drawing::Mermaid,
        GraphFormat::Svg => Drawing::Svg,
    };
    let picture = if is_file(&args.chain) {
        graph::of_chain(&chain_of_file(Path::new(&args.chain))?, drawing)
    } else {
        let reader = hosting::reader(locations)?;
        let version = reader.version(&find(&reader, &args.chain)?.version)?;
        graph::of_chain(&version.chain, drawing)
    };
    output::raw(picture.as_bytes())?;
    Ok(Code::Completed)
}

/// By its ending, as no chain is likely to be called; a chain that is can be named by its number.
fn is_file(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending)) || word.contains('/')
}

fn chain_of_file(path: &Path) -> Result<Chain, Failure> {
    let mut definition = Definition::read(path)?;
    if definition.checked.has_error() {
        definition.tell_problems();
        let next = first_code(std::slice::from_ref(&definition));
        return Err(Failure::told(Code::Definition).next_if(true, next));
    }
    definition.checked.chain.take().ok_or_else(|| {
        let message = format!("{} asks for what this version does not run yet", path.display());
        let path = output::shell_word(path);
        Failure::new(Code::Definition, message).next(format!("catena run {path} --dry-run, which shows it"))
    })
}
