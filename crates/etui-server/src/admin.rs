//! `etui-server admin`: whoever has the database and the settings of a server may do what an administrator may. One file, one
//! command.

use anyhow::Context as _;
use clap::Subcommand;
use etui_chain::AccountId;
use etui_store::Store;

use crate::{config::ServeOptions, maintenance, settings::Settings};

mod accounts;
mod events;
mod flag;
mod invitations;
mod invite;
mod link;
mod named;
mod plan;
mod remove_second_factor;
mod role;
mod show;
mod sign_out;
mod statistics;
mod switch;
mod told;

use named::Named;

/// What can be administered.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Show who did what with which account and when
    Events(events::Arguments),
    /// Invite somebody: prints a link by which one account can be made
    Invite(invite::Arguments),
    /// List the invitations that nobody has followed yet, or take one back
    Invitations(invitations::Arguments),
    /// Print a link by which somebody signs in to their account, once
    Link(link::Arguments),
    /// List the accounts, or find some by their addresses
    Accounts(accounts::Arguments),
    /// Show what the server knows of an account
    Show(show::Arguments),
    /// Let nobody in to an account any more; what is stored stays as it is
    #[command(
        after_help = "Example:\n  etui-server admin disable ada@example.org\n\nDevices keep what they have. `etui-server admin enable` takes it back."
    )]
    Disable(switch::Arguments),
    /// Let its holder in to a disabled account again
    #[command(after_help = "Example:\n  etui-server admin enable ada@example.org")]
    Enable(switch::Arguments),
    /// Make somebody an administrator, or a person like others
    Role(role::Arguments),
    /// List plans, define one, give an account one
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// List feature flags, switch them for a share of all accounts or for one
    #[command(subcommand)]
    Flag(flag::FlagCommand),
    /// Remove a second factor that this server cannot check any more
    RemoveSecondFactor(remove_second_factor::Arguments),
    /// End every session of an account
    SignOut(sign_out::Arguments),
    /// Show how much there is and how much it is used
    Statistics(statistics::Arguments),
}

/// Does it, beside a running server or without one.
///
/// # Errors
/// What could not be read or written, or what was asked for does not exist.
pub fn run(command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::Events(arguments) => arguments.run(),
        AdminCommand::Invite(arguments) => arguments.run(),
        AdminCommand::Invitations(arguments) => arguments.run(),
        AdminCommand::Link(arguments) => arguments.run(),
        AdminCommand::Accounts(arguments) => arguments.run(),
        AdminCommand::Show(arguments) => arguments.run(),
        AdminCommand::Disable(arguments) => arguments.run(true),
        AdminCommand::Enable(arguments) => arguments.run(false),
        AdminCommand::Role(arguments) => arguments.run(),
        AdminCommand::Plan(command) => command.run(),
        AdminCommand::Flag(command) => command.run(),
        AdminCommand::RemoveSecondFactor(arguments) => arguments.run(),
        AdminCommand::SignOut(arguments) => arguments.run(),
        AdminCommand::Statistics(arguments) => arguments.run(),
    }
}

/// Does something to one account: its id, and what came of it.
fn with_account<T>(
    options: ServeOptions,
    named: &Named,
    work: impl AsyncFnOnce(&Store, AccountId) -> anyhow::Result<T>,
) -> anyhow::Result<(AccountId, T)> {
    with_store(options, async |store, _settings| {
        let account_id = named.find(store).await?;
        Ok((account_id, work(store, account_id).await?))
    })
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
