//! `etui login`: this folder becomes a device of an account, or signs in again.

use clap::Args;
use serde_json::json;

use super::{
    account::{self, Choice, EntryArguments},
    unlock,
};
use crate::{
    agent::{
        self,
        protocol::{Credentials, Request, Unlocked},
    },
    context::Context,
    failure::Failure,
};

/// Make this device one of an account, or sign in again
///
/// A new device uses the keyring for the key of its store, if there is one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    entry: EntryArguments,
    /// Put aside what is in this folder, unread, and make it a new device
    #[arg(long)]
    anew: bool,
    /// Keep the account if it is being deleted, without asking: nothing more of it is given to any device otherwise
    #[arg(long)]
    keep_account: bool,
}

const EXAMPLES: &str = "\
Examples:
  etui login --server https://etui.example.org --email ada@example.org
  etui login --browser --server https://etui.example.org --email ada@example.org
  etui login --device-code --server https://etui.example.org --email ada@example.org
  etui login --link --server https://etui.example.org --email ada@example.org
  ETUI_HOME=~/second etui login --server http://localhost:8484 --email ada@example.org \\
       --login-password-file login.txt --master-password-file master.txt
  etui login --anew --server https://etui.example.org --email ada@example.org";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let Arguments { entry, anew, keep_account } = arguments;
    let idle = entry.account.idle;
    let credentials = Credentials { keep_account, ..entry.read()?.credentials(Choice::Given)? };
    let email = credentials.email.clone();
    let is_new = anew || agent::client::require_device(&context.home).is_err();
    let request = Request::LogIn { credentials, anew };
    let unlocked = match unlock::unlocked_agent(context)? {
        // What is put aside must be closed.
        Some(agent) if anew => {
            agent.lock()?;
            account::open(context, idle, request)?
        }
        Some(agent) => account::open_again(agent, idle, request)?,
        None => account::open(context, idle, request)?,
    };
    let Unlocked { head, device_listed, not_synced, .. } = &unlocked;
    context.output.document(&json!({
        "email": email, "unlocked": true, "device_listed": device_listed, "head": head
    }))?;
    context.output.line(&format!("Signed in as {email}. This device is unlocked."))?;
    if is_new {
        account::say_head(context, head)?;
    }
    if !device_listed {
        context.output.note(REMOVED);
    } else if let Some(Failure { message, hint, .. }) = not_synced {
        let (message, hint) =
            (message.trim_end_matches('.'), hint.as_deref().unwrap_or("`etui sync` tries again"));
        context.output.note(&format!("Nothing was exchanged yet: {message}; {hint}."));
    }
    account::note_keyring(context, &unlocked);
    if anew {
        context.output.note(
            "What was in this folder before lies in its subfolder `set-aside-…`. \
             The device that it was is still listed: `etui devices`.",
        );
    }
    Ok(())
}

/// What to tell whose device was taken off the account.
const REMOVED: &str = "The account does not list this device any more: what is changed here stays here. Everything can \
     still be read, and `etui export` keeps it; `etui logout --force`, then `etui login` make this a device again.";
