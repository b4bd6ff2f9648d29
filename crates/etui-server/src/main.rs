//! `etui-server`: see `etui-server --help`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use etui_server::{
    admin,
    config::{Command, CommandLine, ConfigCommand, ServeOptions},
    health, mail, maintenance, openapi_json, serve,
    settings::MailSettings,
};

fn main() -> ExitCode {
    // Whatever is made here is for its owner alone, in a folder that others may enter too.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let CommandLine { command, serve } = CommandLine::parse();
    let result = match command {
        None => run(serve),
        Some(Command::Serve(options)) => run(options),
        Some(Command::Config(ConfigCommand::Check(options))) => check(options),
        Some(Command::Config(ConfigCommand::Print(options))) => print(options),
        Some(Command::Migrate(options)) => {
            options.settings().map_err(Into::into).and_then(|settings| maintenance::migrate(&settings))
        }
        Some(Command::RotateTokenKey { at_once, options }) => options
            .settings()
            .map_err(Into::into)
            .and_then(|settings| maintenance::rotate_token_key(&settings, at_once)),
        Some(Command::Backup { to, options }) => {
            options.settings().map_err(Into::into).and_then(|settings| maintenance::back_up(&settings, &to))
        }
        Some(Command::Restore { from, take_over, options }) => options
            .settings()
            .map_err(Into::into)
            .and_then(|settings| maintenance::restore(&settings, &from, take_over)),
        Some(Command::Verify(options)) => {
            options.settings().map_err(Into::into).and_then(|settings| maintenance::verify(&settings))
        }
        Some(Command::Purge(options)) => {
            options.settings().map_err(Into::into).and_then(|settings| maintenance::purge(&settings))
        }
        Some(Command::MailTest { to, options }) => {
            options.settings().map_err(Into::into).and_then(|settings| mail::try_out(&settings, &to))
        }
        Some(Command::Admin(command)) => admin::run(command),
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

fn run(options: ServeOptions) -> anyhow::Result<()> {
    serve::run(&options.settings()?)
}

/// Reads the files with secrets too: what is missing is said here and not when serving begins.
fn check(options: ServeOptions) -> anyhow::Result<()> {
    let settings = options.settings()?;
    settings.store()?;
    settings.mail.as_ref().map(MailSettings::config).transpose()?;
    for provider in &settings.providers {
        provider.client_secret()?;
    }
    writeln!(io::stdout(), "The settings are right.")?;
    Ok(())
}

fn print(options: ServeOptions) -> anyhow::Result<()> {
    io::stdout().write_all(options.settings()?.to_toml().as_bytes())?;
    Ok(())
}
