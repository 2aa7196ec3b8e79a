//! `catena explain`: the page of an error code.

use clap::Args;

use crate::{
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena explain C0201")]
pub(crate) struct ExplainArgs {
    /// The code, as it stands in a message
    code: String,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<Code, Failure> {
    let code = catena_spec::Code::parse(&args.code.to_uppercase()).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no error code `{}`", args.code))
            .next("catena check FILE, whose messages name their codes")
    })?;
    output::raw(catena_spec::explain(code).as_bytes())?;
    Ok(Code::Completed)
}
