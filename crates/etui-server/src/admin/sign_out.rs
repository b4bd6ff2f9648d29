//! `etui-server admin sign-out`

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::{named::Named, told::Common, with_account};
use crate::clock;

/// Which account.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  etui-server admin sign-out ada@example.org --yes\n\nIts devices keep what they have and what they have not sent; each has to sign in again."
)]
pub struct Arguments {
    #[command(flatten)]
    named: Named,
    /// Go ahead: every device has to sign in again
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { named, yes, common } = self;
        ensure!(
            yes,
            "every device of {} would have to sign in again: give --yes to go ahead",
            named.as_given()
        );
        let (told, options) = common.split();
        let (account_id, sessions) = with_account(options, &named, async |store, account_id| {
            Ok(store.sign_out_everywhere(&store.operator(), account_id, clock::now_ms()).await?)
        })?;
        told.say(&json!({ "account_id": account_id, "sessions": sessions }), || {
            format!("{} is signed out everywhere; sessions that ended: {sessions}.", named.as_given())
        })
    }
}
