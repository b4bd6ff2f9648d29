//! `etui-server admin link`

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use clap::Args;
use etui_api::email::normalize_email;

use super::with_store;
use crate::{clock, config::ServeOptions, mailed, serve, sign_in::PATIENCE};

/// Whose account it is to sign in to.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  etui-server admin link --email ada@example.org\n\nFor a server that sends no mail. Whoever has the link signs in as that person, once, within ten minutes: give it to nobody else, and only to somebody whom you have recognised. It unlocks nothing, and a second factor is asked for as ever."
)]
pub struct Arguments {
    /// The address that names the account
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    #[command(flatten)]
    options: ServeOptions,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { email, options } = self;
        let email = normalize_email(&email).context("that cannot be an e-mail address")?;
        with_store(options, async |store, settings| {
            let login = store.login(&email).await?.context("there is no account with that address")?;
            if !login.by_handed_link {
                bail!("the holder of this account does not want links");
            }
            let token = mailed::draw(store, login.claim, None, PATIENCE, clock::now_ms()).await?;
            let url = serve::url(settings, settings.listen, settings.tls.is_some());
            writeln!(io::stdout(), "{}", mailed::link(&url, &token).expose())?;
            Ok(())
        })
    }
}
