//! `etui-server admin disable` and `etui-server admin enable`

use clap::Args;
use serde_json::json;

use super::{named::Named, told::Common, with_account};
use crate::clock;

/// Which account.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self, disabled: bool) -> anyhow::Result<()> {
        let Self { named, common } = self;
        let (told, options) = common.split();
        let (account_id, ()) = with_account(options, &named, async |store, account_id| {
            Ok(store.set_disabled(&store.operator(), account_id, disabled, clock::now_ms()).await?)
        })?;
        let now = if disabled { "is disabled: nobody gets in" } else { "is enabled" };
        told.say(&json!({ "account_id": account_id, "disabled": disabled }), || {
            format!("{} {now}.", named.as_given())
        })
    }
}
