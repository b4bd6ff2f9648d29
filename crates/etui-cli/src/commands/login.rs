//! `etui login`: this folder becomes a device of an account, or signs in again.

use clap::Args;
use serde_json::json;

use super::account::{self, AccountArguments, Choice, IdleArguments};
use crate::{
    agent::{self, protocol::Request},
    context::Context,
    failure::Failure,
};

/// Make this device one of an account, or sign in again
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
}

const EXAMPLES: &str = "\
Examples:
  etui login --server https://etui.example.org --email ada@example.org
  ETUI_HOME=~/second etui login --server http://localhost:8484 --email ada@example.org \\
       --login-password-file login.txt --master-password-file master.txt";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let idle = IdleArguments { idle_minutes: Some(arguments.account.idle.minutes()) };
    let credentials = arguments.account.credentials(Choice::Given, Choice::Given)?;
    let email = credentials.email.clone();
    // To sign in again the store is opened anew, by one agent.
    if let Some(agent) = agent::client::connect(&context.home)? {
        agent.lock()?;
    }
    account::open(context, &idle, &Request::LogIn(credentials))?;
    context.output.document(&json!({ "email": email, "unlocked": true }))?;
    context.output.line(&format!("Signed in as {email}. This device is unlocked."))
}
