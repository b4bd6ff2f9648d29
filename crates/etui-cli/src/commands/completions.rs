//! `etui completions`: for the shell.

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use crate::{failure::Failure, output::Output};

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Choice,
}

const EXAMPLES: &str = "\
Examples:
  etui completions bash > ~/.local/share/bash-completion/completions/etui
  etui completions zsh > ~/.zfunc/_etui
  etui completions fish > ~/.config/fish/completions/etui.fish";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shell = match arguments.shell {
        Choice::Bash => Shell::Bash,
        Choice::Zsh => Shell::Zsh,
        Choice::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut offered(), "etui", &mut script);
    Output::raw(String::from_utf8_lossy(&script).trim_end())
}

/// The command tree without what is not meant for people.
fn offered() -> Command {
    let whole = crate::command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    Command::new("etui")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(verbs)
}
