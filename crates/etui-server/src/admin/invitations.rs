//! `etui-server admin invitations`

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Args;
use etui_store::Invitation;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::with_store;
use crate::{clock, config::ServeOptions};

/// Which to take back, if any.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin invitations\n  etui-server admin invitations --withdraw 3\n\nA link is shown once, when it is made: the server keeps only its hash."
)]
pub struct Arguments {
    /// Take back the invitation of this number
    #[arg(long, value_name = "NUMBER")]
    withdraw: Option<u64>,
    #[command(flatten)]
    options: ServeOptions,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { withdraw, options } = self;
        with_store(options, async |store, _settings| {
            let operator = store.operator();
            if let Some(number) = withdraw {
                let withdrawn = store.withdraw_invitation(&operator, number).await;
                withdrawn.with_context(|| format!("taking back the invitation {number}"))?;
                writeln!(io::stdout(), "The invitation {number} does not count any more.")?;
                return Ok(());
            }
            let invitations = store.invitations(&operator, clock::now_ms()).await?;
            let mut out = io::stdout().lock();
            for (number, invitation) in &invitations {
                writeln!(out, "{number}  {}", described(invitation)?)?;
            }
            if invitations.is_empty() {
                writeln!(out, "There are no invitations.")?;
            }
            Ok(())
        })
    }
}

fn described(invitation: &Invitation) -> anyhow::Result<String> {
    let Invitation { email, role, plan, expires_ms, .. } = invitation;
    let until = OffsetDateTime::from_unix_timestamp(i64::try_from(expires_ms / 1000)?)?.format(&Rfc3339)?;
    let email = email.as_deref().unwrap_or("anybody");
    let plan = plan.as_deref().map(|plan| format!(", plan {plan}")).unwrap_or_default();
    Ok(format!("for {email}, as {}{plan}, until {until}", role.name()))
}
