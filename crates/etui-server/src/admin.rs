//! `etui-server admin`: whoever has the database and the settings of a server may do what an administrator may. One file, one
//! command.

use anyhow::Context as _;
use clap::Subcommand;
use etui_store::Store;

use crate::{config::ServeOptions, maintenance, settings::Settings};

mod invitations;
mod invite;
mod link;

/// What can be administered.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Invite somebody: prints a link by which one account can be made
    Invite(invite::Arguments),
    /// List the invitations that nobody has followed yet, or take one back
    Invitations(invitations::Arguments),
    /// Print a link by which somebody signs in to their account, once
    Link(link::Arguments),
}

/// Does it, beside a running server or without one.
///
/// # Errors
/// What could not be read or written, or what was asked for does not exist.
pub fn run(command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::Invite(arguments) => arguments.run(),
        AdminCommand::Invitations(arguments) => arguments.run(),
        AdminCommand::Link(arguments) => arguments.run(),
    }
}

/// Runs `work` with the store that the options name.
fn with_store<T>(
    options: ServeOptions,
    work: impl AsyncFnOnce(&Store, &Settings) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let settings = options.settings()?;
    maintenance::run(async {
        let store = Store::look(&settings.store()?).await.context("opening the data")?;
        let done = work(&store, &settings).await;
        store.close().await;
        done
    })
}
