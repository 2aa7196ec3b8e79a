//! `catena chain graph`: a picture of a chain, of a file or of the store.

use clap::{Args, ValueEnum};

use super::find::chain_of;
use crate::{
    exit::{Code, Failure},
    graph::{self, Drawing},
    home::Locations,
    output,
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
    let chain = chain_of(&args.chain, || Ok(locations.clone()))?;
    let picture = graph::of_chain(&chain, drawing);
    output::raw(picture.as_bytes())?;
    Ok(Code::Completed)
}
