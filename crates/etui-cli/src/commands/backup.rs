//! `etui backup verify`: check a backup offline.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use etui_chain::Refusal;
use etui_client::ClientError;
use etui_crypto::MasterPassword;

use crate::{
    agent::{
        convert,
        protocol::{Backup, Opened, Unreadable},
    },
    context::Context,
    failure::{Failure, Kind},
    output::count,
    progress::Progress,
    secret_input,
};

/// Check a backup
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  etui backup verify backup.etui")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that a backup is whole and genuine; needs no server, no agent and no key
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Open every record too, with the master password from a file (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        master_password_file: Option<PathBuf>,
    },
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  etui backup verify backup.etui
  etui backup verify backup.etui --master-password-file master.txt --json";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let Action::Verify { file, master_password_file } = &arguments.action;
    let secret = master_password_file.as_deref().map(secret_input::from_file).transpose()?;
    let password = secret
        .map(|secret| MasterPassword::new(secret.expose()))
        .transpose()
        .map_err(|refused| convert::unassigned(&refused))?;
    let bar = Progress::start(context, 0, "reading");
    let report =
        etui_client::verify_backup(file, password.as_ref(), Some(&|done, total| bar.set(done, total)));
    bar.finish();
    let report = convert::backup(&report.map_err(damaged)?);
    context.output.document(&report)?;
    context.output.line(&format!("The backup is whole and genuine.\n{}", sentence(&report)))?;
    report.opened.as_ref().map_or(Ok(()), |opened| say_opened(opened, context))
}

/// No server has a part in this, whatever the name of what was found.
fn damaged(error: ClientError) -> Failure {
    let is_of_newer_version = error.refusal() == Some(Refusal::UnsupportedProtocol);
    let failure = convert::failure(error);
    if failure.kind == Kind::Refused && !is_of_newer_version {
        return failure.with_hint("this file is damaged or not genuine: use another copy");
    }
    failure
}

/// A record that is the one that was signed and still cannot be read was sealed wrongly: its device has to be asked.
fn say_opened(opened: &Opened, context: &Context) -> Result<(), Failure> {
    for Unreadable { id, refusal, found } in &opened.unreadable {
        context.output.line(&format!("! {id} cannot be read ({refusal}): {found}"))?;
    }
    context.output.line(&format!("{} opened.", count(opened.readable, "record was", "records were")))?;
    let number = opened.unreadable.len();
    match opened.unreadable.first() {
        None => Ok(()),
        Some(first) => Err(Failure {
            refusal: Some(first.refusal.clone()),
            ..Failure::new(Kind::Refused, format!("{} cannot be read", count(number, "record", "records")))
        }),
    }
}

/// What a backup holds, for people.
pub(super) fn sentence(report: &Backup) -> String {
    let vaults = count(report.vaults.len(), "vault", "vaults");
    let entries = count(report.entries, "entry", "entries");
    let unsent = match report.unsent {
        0 => String::new(),
        number => format!(", and {} that the server had not confirmed", count(number, "change", "changes")),
    };
    let (account, state) = (&report.account_id, report.state_version);
    let history = if report.history_complete { "" } else { ", without what came before this device joined" };
    format!("Account {account}, state {state}, {vaults}, {entries}{unsent}{history}.")
}
