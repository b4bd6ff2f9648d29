//! `etui-server admin role`

use clap::{Args, ValueEnum};
use etui_api::admin::Role;
use serde_json::json;

use super::{named::Named, told::Common, with_account};
use crate::clock;

/// Who, and what they are to be.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin role ada@example.org administrator\n  etui-server admin role ada@example.org person\n\nAdministrators reach what is below /v1/admin/ and no vault but their own. The last one stays one."
)]
pub struct Arguments {
    #[command(flatten)]
    named: Named,
    /// The new role
    #[arg(value_enum)]
    role: NewRole,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NewRole {
    /// Nothing beyond one's own account
    Person,
    /// Administers the server
    Administrator,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { named, role, common } = self;
        let (told, options) = common.split();
        let role = match role {
            NewRole::Person => Role::Person,
            NewRole::Administrator => Role::Administrator,
        };
        let (account_id, ()) = with_account(options, &named, async |store, account_id| {
            Ok(store.set_role(&store.operator(), account_id, role, clock::now_ms()).await?)
        })?;
        let now =
            if role == Role::Administrator { "administers the server" } else { "is a person like others" };
        told.say(&json!({ "account_id": account_id, "role": role }), || {
            format!("{} {now}.", named.as_given())
        })
    }
}
