//! `catena schema`: the JSON Schema of definitions, for editors.

use clap::Args;

use crate::{
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schema > chain.schema.json\n  \
                        # then, in the first line of a definition:\n  \
                        # yaml-language-server: $schema=chain.schema.json")]
pub(crate) struct SchemaArgs {}

pub(crate) fn run() -> Result<Code, Failure> {
    let text = serde_json::to_string_pretty(&catena_spec::schema());
    output::line(&text.expect("a schema holds only what JSON can say"))?;
    Ok(Code::Completed)
}
