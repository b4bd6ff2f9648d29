//! `etui logout`: this folder stops being a device.

use clap::Args;
use etui_client::Home;
use serde_json::json;

use crate::{
    agent::{convert, protocol::Request},
    context::Context,
    failure::Failure,
    output::printable,
};

/// Sign out and remove the local copy
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui logout\n  etui logout --force\n  etui logout --others")]
pub(crate) struct Arguments {
    /// Even if changes have not been sent: they are lost
    #[arg(long)]
    force: bool,
    /// Sign every other device out instead: each keeps what it has and signs in again to go on
    #[arg(long, conflicts_with = "force")]
    others: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    if arguments.others {
        agent.tell(&Request::LogOutOthers)?;
        context.output.document(&json!({ "signed_in": true, "others_signed_in": false }))?;
        return context.output.line("Every other device is signed out. `etui login` on it signs in again.");
    }
    agent.tell(&Request::LogOut { force: arguments.force })?;
    agent.lock()?;
    let home = Home::at(context.home.path().to_owned());
    let aside = home.set_aside_folders().map_err(convert::failure)?;
    context.output.document(&json!({ "signed_in": false, "set_aside": aside }))?;
    if aside.is_empty() {
        return context.output.line("Signed out. Nothing of the account is left in this folder.");
    }
    context.output.line("Signed out. What `etui login --anew` has put aside in this folder stays:")?;
    for folder in aside {
        context.output.line(&format!("  {}", printable(&folder.display().to_string())))?;
    }
    context.output.line(
        "If nothing in there is needed any more, delete it, and what your keyring keeps under the device id in its \
         device.json.",
    )
}
