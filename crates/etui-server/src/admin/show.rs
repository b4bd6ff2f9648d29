//! `etui-server admin show`

use clap::Args;
use etui_api::admin::AdminAccountDetails;

use super::{
    accounts::standing,
    named::Named,
    told::{Common, columns, time, used},
    with_account,
};
use crate::clock;

/// Which account.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin show ada@example.org\n  etui-server admin show 5c01a2b3c4d5e6f708192a3b4c5d6e7f --json\n\nWhat is in a vault is sealed, and nobody but its holder can show it."
)]
pub struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { named, common } = self;
        let (told, options) = common.split();
        let (_, shown) = with_account(options, &named, async |store, account_id| {
            Ok(store.account_details(&store.operator(), account_id, clock::now_ms()).await?)
        })?;
        told.say(&shown, || words(&shown))
    }
}

fn words(shown: &AdminAccountDetails) -> String {
    let AdminAccountDetails { account, sessions, bytes, entitlements, flag_overrides } = shown;
    let (allowed, now) = (&entitlements.entitlements, &entitlements.used);
    let mut rows = vec![
        ["address".to_owned(), account.email.clone()],
        ["id".to_owned(), account.account_id.to_string()],
        ["made".to_owned(), time(account.created_ms)],
        ["last seen".to_owned(), account.last_seen_ms.map_or_else(|| "not signed in".to_owned(), time)],
        ["sessions".to_owned(), sessions.to_string()],
        ["plan".to_owned(), entitlements.plan.clone()],
        ["entries".to_owned(), used(now.entries, allowed.entries)],
        ["devices".to_owned(), used(now.devices, allowed.devices)],
        ["vaults".to_owned(), used(now.vaults, allowed.vaults)],
        ["sealed bytes".to_owned(), bytes.to_string()],
    ];
    let standing = standing(account);
    if !standing.is_empty() {
        rows.push(["remarks".to_owned(), standing]);
    }
    for (name, enabled) in flag_overrides {
        let switched = if *enabled { "switched on" } else { "switched off" };
        rows.push([format!("flag {name}"), switched.to_owned()]);
    }
    columns(&rows)
}
