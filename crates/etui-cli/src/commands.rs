//! The verbs: one file each, with its arguments and what it does.

mod account;
mod add;
mod agent;
mod backup;
mod change_master_password;
mod completions;
mod devices;
mod doctor;
mod edit;
mod email;
mod export;
mod generate;
mod get;
mod heal;
mod history;
mod import;
mod kdf;
mod list;
mod lock;
mod login;
mod logout;
mod own_account;
mod plan;
mod recovery;
mod refused;
mod restore;
mod rm;
mod search;
mod selection;
mod signing_in;
mod signup;
mod status;
mod sync;
mod totp;
mod unlock;
mod ways;

use clap::{Parser, Subcommand};

use crate::{context::Context, failure::Failure};

/// A password manager that keeps everything on your devices and shows its server nothing.
#[derive(Debug, Parser)]
#[command(name = "etui", version, max_term_width = 100, after_help = ENVIRONMENT)]
pub(crate) struct Arguments {
    /// Print JSON; failures too, on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ENVIRONMENT: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 locked, 4 not found,
            5 refused for safety, 6 offline where the network was needed

Environment:
  ETUI_HOME          the folder of this device (default: ~/.local/share/etui)
  ETUI_IDLE_MINUTES  minutes without use until the agent locks itself (default: 15)
  ETUI_SERVER        the server's address for `signup`, `login` and `recovery use`
  NO_COLOR           no colour

A secret is never an argument: it comes from a prompt, from a file (`--…-file FILE`) or from
standard input (`--…-file -`). One trailing newline is not part of it.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Signup(signup::Arguments),
    Login(login::Arguments),
    Unlock(unlock::Arguments),
    Lock(lock::Arguments),
    Status(status::Arguments),
    Add(add::Arguments),
    Get(get::Arguments),
    List(list::Arguments),
    Search(search::Arguments),
    Edit(edit::Arguments),
    Rm(rm::Arguments),
    Restore(restore::Arguments),
    History(history::Arguments),
    Generate(generate::Arguments),
    Totp(totp::Arguments),
    Sync(sync::Arguments),
    Devices(devices::Arguments),
    Account(ways::Arguments),
    Plan(plan::Arguments),
    Logout(logout::Arguments),
    ChangeMasterPassword(change_master_password::Arguments),
    Recovery(recovery::Arguments),
    Heal(heal::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Backup(backup::Arguments),
    Refused(refused::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    Agent(agent::Arguments),
}

/// Runs one command.
pub(crate) fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Signup(arguments) => signup::run(arguments, context),
        Command::Login(arguments) => login::run(arguments, context),
        Command::Unlock(arguments) => unlock::run(&arguments, context),
        Command::Lock(_) => lock::run(context),
        Command::Status(_) => status::run(context),
        Command::Add(arguments) => add::run(arguments, context),
        Command::Get(arguments) => get::run(&arguments, context),
        Command::List(arguments) => list::run(arguments, context),
        Command::Search(arguments) => search::run(arguments, context),
        Command::Edit(arguments) => edit::run(arguments, context),
        Command::Rm(arguments) => rm::run(&arguments, context),
        Command::Restore(arguments) => restore::run(&arguments, context),
        Command::History(arguments) => history::run(&arguments, context),
        Command::Generate(arguments) => generate::run(&arguments, context),
        Command::Totp(arguments) => totp::run(&arguments, context),
        Command::Sync(arguments) => sync::run(arguments, context),
        Command::Devices(arguments) => devices::run(arguments, context),
        Command::Account(arguments) => ways::run(arguments, context),
        Command::Plan(_) => plan::run(context),
        Command::Logout(arguments) => logout::run(&arguments, context),
        Command::ChangeMasterPassword(arguments) => change_master_password::run(&arguments, context),
        Command::Recovery(arguments) => recovery::run(arguments, context),
        Command::Heal(_) => heal::run(context),
        Command::Import(arguments) => import::run(&arguments, context),
        Command::Export(arguments) => export::run(&arguments, context),
        Command::Backup(arguments) => backup::run(&arguments, context),
        Command::Refused(arguments) => refused::run(&arguments, context),
        Command::Doctor(_) => doctor::run(context),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Agent(arguments) => agent::run(&arguments, context),
    }
}
