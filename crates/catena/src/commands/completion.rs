//! `catena completion`: scripts that let a shell complete commands and options. They are made from the command line
//! itself, so they know what this version knows.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::{
    args::Arguments,
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
                        catena completion bash > ~/.local/share/bash-completion/completions/catena\n  \
                        catena completion zsh > ~/.zfunc/_catena        # with fpath+=~/.zfunc before compinit\n  \
                        catena completion fish > ~/.config/fish/completions/catena.fish\n  \
                        catena completion powershell >> $PROFILE\n  \
                        catena completion elvish >> ~/.config/elvish/rc.elv\n\n\
                        For this shell alone: source <(catena completion bash)")]
pub(crate) struct CompletionArgs {
    /// The shell that is to complete
    #[arg(value_enum)]
    shell: Name,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl From<Name> for Shell {
    fn from(name: Name) -> Self {
        match name {
            Name::Bash => Self::Bash,
            Name::Zsh => Self::Zsh,
            Name::Fish => Self::Fish,
            Name::Powershell => Self::PowerShell,
            Name::Elvish => Self::Elvish,
        }
    }
}

pub(crate) fn run(args: &CompletionArgs) -> Result<Code, Failure> {
    let mut script = Vec::new();
    generate(Shell::from(args.shell), &mut Arguments::command(), "catena", &mut script);
    output::raw(&script)?;
    Ok(Code::Completed)
}
