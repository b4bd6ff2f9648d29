//! The `etui` command: a thin client of an agent that is the same program.
//!
//! The agent alone opens the device's folder and holds keys. Every command is a request over its Unix socket, so a
//! command starts at once: no key derivation, no database, no network, no async runtime in its path. What an agent
//! knows dies with its process: to lock is to end it.

mod agent;
mod asking;
mod commands;
mod context;
mod entry_view;
mod failure;
mod home;
mod output;
mod progress;
mod prompt;
mod recovery_page;
mod secret;
mod secret_input;
mod visit;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use agent::platform;
use commands::Arguments;
use context::Context;
use failure::{Failure, Kind};
use output::Output;

/// Runs one command line and gives its exit code: 0 done, 1 failed, 2 wrong usage, 3 locked, 4 not found, 5 refused
/// for safety, 6 offline where the network was needed.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    platform::harden();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let result = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => {
            Context::new(arguments.json).and_then(|context| commands::run(arguments.command, &context))
        }
        Err(error) if error.use_stderr() && json => Err(usage(&error)),
        Err(error) => {
            // Help and versions come this way too; clap knows where each goes and with which code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Output::new(json).failure(&failure);
            failure.exit_code()
        }
    }
}

/// The whole command tree, for completions and manual pages.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    // What is wrong stands before the first empty line, perhaps on several; then comes the usage.
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    Failure::new(Kind::Usage, lines.join(" ").trim_start_matches("error: ")).with_hint("see `etui help`")
}

#[cfg(test)]
mod tests;
