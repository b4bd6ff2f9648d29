//! `etui account email`: the address that names the account.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::ways::{self, Fresh};
use crate::{
    agent::{
        AgentError,
        protocol::{AccountRequest, Reply},
    },
    context::Context,
    failure::Failure,
    prompt,
    secret::Secret,
    secret_input,
};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  etui account email\n  etui account email change ada@new.example.org"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Have another address name the account
    ///
    /// Where the server sends mail, a letter to the new address brings a line that confirms it. The login password is asked for,
    /// as the proof of it is made anew; it stays the same. All other devices are signed out, and sign in again with the new
    /// address; the one before is told.
    #[command(
        after_help = "Examples:\n  etui account email change ada@new.example.org\n  etui account email change ada@new.example.org \
            --login-password-file login.txt --json   (then `etui account email confirm`)"
    )]
    Change {
        /// The new address
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Confirm the new address with the line that the letter to it brought
    #[command(
        after_help = "Examples:\n  etui account email confirm\n  etui account email confirm --line-file line.txt"
    )]
    Confirm {
        /// Read the line from a file (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        line_file: Option<PathBuf>,
    },
}

/// What is asked for.
const LETTER_LINE: &str = "line that the letter brings";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        None => {
            let email = ways::ways(context)?.email;
            context.output.document(&json!({ "email": email }))?;
            context.output.line(&email)
        }
        Some(Action::Change { address, fresh }) => change(context, &address, &fresh),
        Some(Action::Confirm { line_file }) => {
            confirm(context, secret_input::read(line_file.as_deref(), LETTER_LINE)?)
        }
    }
}

fn change(context: &Context, address: &str, fresh: &Fresh) -> Result<(), Failure> {
    let asked = AccountRequest::ChangeEmail { email: address.to_owned() };
    match ways::ask(context, asked, fresh)? {
        Reply::EmailChanged { email } => changed(context, &email),
        Reply::EmailUnconfirmed { expires_in_s } => wait_for_letter(context, address, expires_in_s),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

fn wait_for_letter(context: &Context, address: &str, expires_in_s: u32) -> Result<(), Failure> {
    if context.output.is_json() {
        return context
            .output
            .document(&json!({ "email": address, "confirmed": false, "expires_in_s": expires_in_s }));
    }
    let minutes = expires_in_s / 60;
    context.output.line(&format!(
        "A letter is on its way to {address}. The line that it brings counts for {minutes} minutes; until then nothing changes."
    ))?;
    let Some(line) = prompt::secret_of_person(LETTER_LINE) else {
        context.output.note("Next: `etui account email confirm`.");
        return Ok(());
    };
    confirm(context, line)
}

fn confirm(context: &Context, letter_line: Secret) -> Result<(), Failure> {
    match ways::ask(context, AccountRequest::ConfirmEmail { letter_line }, &Fresh::default())? {
        Reply::EmailChanged { email } => changed(context, &email),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

fn changed(context: &Context, email: &str) -> Result<(), Failure> {
    context.output.document(&json!({ "email": email, "confirmed": true }))?;
    context.output.line(&format!(
        "{email} names the account. All other devices are signed out: there, `etui login --email {email}`."
    ))
}
