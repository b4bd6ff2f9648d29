//! `etui-server admin invite`

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Args;
use etui_api::{email::normalize_email, server::SignUpMode};
use etui_store::Role;

use super::with_store;
use crate::{
    config::ServeOptions,
    invitations::{self, DEFAULT_DAYS, Invited, MAX_DAYS, Terms},
    mail, serve,
};

/// Whom to invite, and to what.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin invite\n  etui-server admin invite --email ada@example.org --expires-days 2\n  etui-server admin invite --email ada@example.org --mail\n\nThe link is a secret until it was followed: send it to nobody else. It counts once, and a server that takes no sign-ups takes none with an invitation."
)]
pub struct Arguments {
    /// Admit this address alone
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Send the link to that address, in place of printing it
    #[arg(long, requires = "email")]
    mail: bool,
    /// Make the new account an administrator's
    #[arg(long)]
    administrator: bool,
    /// The plan of the new account [default: the server's]
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Days for which it counts
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_DAYS)))]
    expires_days: u16,
    #[command(flatten)]
    options: ServeOptions,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { email, mail: by_mail, administrator, plan, expires_days: days, options } = self;
        let email = email.map(|given| normalize_email(&given).context("that cannot be an e-mail address"));
        let role = if administrator { Role::Administrator } else { Role::Person };
        let email = email.transpose()?;
        let terms = Terms { email: email.clone(), role, plan, mailed: by_mail, days };
        with_store(options, async |store, settings| {
            let url = serve::url(settings, settings.listen, settings.tls.is_some());
            let invited = invitations::invite(store, &store.operator(), &url, terms).await;
            let Invited { link, .. } = invited.context("making an invitation")?;
            let mut out = io::stdout();
            match email.filter(|_| by_mail) {
                Some(email) => {
                    let config = settings.mail.as_ref().context("no mail server is set")?.config()?;
                    let letter = mail::invitation(&url, link.expose());
                    mail::send_at_once(config, &email, &letter).await?;
                    writeln!(out, "The invitation is on its way.")?;
                }
                None => writeln!(out, "{}", link.expose())?,
            }
            if settings.sign_up_mode(false) == SignUpMode::Closed {
                writeln!(out, "Nobody can follow it while these settings say `sign_up = 'closed'`.")?;
            }
            Ok(())
        })
    }
}
