//! `etui-server admin flag`

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use etui_api::admin::{Flag, Flags};
use serde_json::json;

use super::{
    named::Named,
    told::{Common, columns},
    with_account, with_store,
};
use crate::clock;

/// What can be done with feature flags.
#[derive(Debug, Subcommand)]
pub enum FlagCommand {
    /// List the flags
    #[command(after_help = "Example:\n  etui-server admin flag list")]
    List(Common),
    /// Switch a flag on for a share of all accounts; makes it if there is none of that name
    #[command(
        after_help = "Example:\n  etui-server admin flag share new-search 10\n\nWhoever has it at a share has it at every larger one."
    )]
    Share(ShareArguments),
    /// Switch a flag for one account, or leave it to the share again
    #[command(
        after_help = "Examples:\n  etui-server admin flag set ada@example.org new-search on\n  etui-server admin flag set ada@example.org new-search share"
    )]
    Set(SetArguments),
    /// Remove a flag, with what was set for single accounts
    #[command(after_help = "Example:\n  etui-server admin flag remove new-search --yes")]
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
pub struct ShareArguments {
    /// Its name: small letters, digits, `-` and `_`
    #[arg(value_name = "FLAG")]
    name: String,
    /// For how many of a hundred accounts it is on
    #[arg(value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    share_percent: u8,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct SetArguments {
    #[command(flatten)]
    named: Named,
    /// The flag
    #[arg(value_name = "FLAG")]
    name: String,
    /// How it is for this account
    #[arg(value_enum)]
    to: Setting,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Setting {
    /// On
    On,
    /// Off
    Off,
    /// As the share decides
    Share,
}

#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The flag
    #[arg(value_name = "FLAG")]
    name: String,
    /// Go ahead: what was set for single accounts is not remembered
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

impl FlagCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(common) => list(common),
            Self::Share(arguments) => share(arguments),
            Self::Set(arguments) => set(arguments),
            Self::Remove(arguments) => remove(arguments),
        }
    }
}

fn list(common: Common) -> anyhow::Result<()> {
    let (told, options) = common.split();
    let flags = with_store(options, async |store, _settings| Ok(store.flags(&store.operator()).await?))?;
    told.say(&flags, || words(&flags))
}

fn share(ShareArguments { name, share_percent, common }: ShareArguments) -> anyhow::Result<()> {
    let (told, options) = common.split();
    with_store(options, async |store, _settings| {
        let set = store.set_flag_share(&store.operator(), &name, share_percent).await;
        set.with_context(|| format!("setting the share of “{name}”"))
    })?;
    told.say(&json!({ "name": name, "share_percent": share_percent }), || {
        format!("{name} is on for {share_percent} of a hundred accounts.")
    })
}

fn set(SetArguments { named, name, to, common }: SetArguments) -> anyhow::Result<()> {
    let (told, options) = common.split();
    let enabled = match to {
        Setting::On => Some(true),
        Setting::Off => Some(false),
        Setting::Share => None,
    };
    let (account_id, ()) = with_account(options, &named, async |store, account_id| {
        let now_ms = clock::now_ms();
        let set = store.set_account_flag(&store.operator(), account_id, &name, enabled, now_ms).await;
        set.context("setting the flag")
    })?;
    told.say(&json!({ "account_id": account_id, "name": name, "enabled": enabled }), || {
        let now = match to {
            Setting::On => "on",
            Setting::Off => "off",
            Setting::Share => "as its share decides",
        };
        format!("For {}, {name} is {now}.", named.as_given())
    })
}

fn remove(RemoveArguments { name, yes, common }: RemoveArguments) -> anyhow::Result<()> {
    ensure!(yes, "what was set for single accounts would be forgotten with the flag: give --yes to go ahead");
    let (told, options) = common.split();
    with_store(options, async |store, _settings| {
        store.remove_flag(&store.operator(), &name).await.context("removing the flag")
    })?;
    told.say(&json!({ "name": name, "removed": true }), || format!("{name} is gone."))
}

fn words(Flags { flags }: &Flags) -> String {
    if flags.is_empty() {
        return "There are no feature flags.".to_owned();
    }
    let row = |flag: &Flag| {
        let Flag { name, share_percent, on_for, off_for } = flag;
        [name.clone(), format!("{share_percent} %"), format!("switched on for {on_for}, off for {off_for}")]
    };
    columns(&flags.iter().map(row).collect::<Vec<_>>())
}
