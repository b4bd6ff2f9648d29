//! `etui-server`: see `etui-server --help`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use etui_server::{
    config::{Command, CommandLine},
    health, openapi_json, serve,
};

fn main() -> ExitCode {
    let CommandLine { command, serve } = CommandLine::parse();
    let result = match command {
        None => serve::run(&serve),
        Some(Command::Serve(options)) => serve::run(&options),
        Some(Command::Openapi) => io::stdout().write_all(openapi_json().as_bytes()).map_err(Into::into),
        Some(Command::Health { url }) => health::check(&url).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = io::stderr().lock();
            // `{:#}` is the sentence with its causes, on one line.
            drop(writeln!(stderr, "etui-server: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
