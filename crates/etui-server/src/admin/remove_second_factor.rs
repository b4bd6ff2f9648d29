//! `etui-server admin remove-second-factor`

use anyhow::{Context as _, ensure};
use clap::Args;
use etui_chain::AccountId;
use etui_store::{CredentialChange, Notice, Store};
use serde_json::json;

use super::{named::Named, told::Common, with_store};
use crate::{
    clock,
    mail::{CredentialsChanged, Letter},
    sealing::Sealed,
    settings::Settings,
    token_keys::TokenKeys,
};

/// Which account.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  etui-server admin remove-second-factor ada@example.org --yes\n\nFor somebody who has no recovery code either, once the token key file is lost: a second factor that this server can check stays. Do it only for somebody whom you have recognised, since one factor signs in then. Every device signs in again, and the holder is told by a letter."
)]
pub struct Arguments {
    #[command(flatten)]
    named: Named,
    /// Go ahead: one factor signs in to the account then
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { named, yes, common } = self;
        ensure!(yes, "one factor would sign in to {}: give --yes to go ahead", named.as_given());
        let (told, options) = common.split();
        let account_id = with_store(options, async |store, settings| {
            let account_id = named.find(store).await?;
            require_unreadable(store, settings, account_id).await?;
            let now_ms = clock::now_ms();
            let notice = notice(settings, now_ms)?;
            store.take_totp_away(&store.operator(), account_id, notice.as_ref(), now_ms).await?;
            Ok(account_id)
        })?;
        told.say(&json!({ "account_id": account_id }), || {
            format!("{} has no second factor any more, and is signed out everywhere.", named.as_given())
        })
    }
}

/// Nobody talks whoever runs the server into removing one that its holder can show.
async fn require_unreadable(store: &Store, settings: &Settings, account_id: AccountId) -> anyhow::Result<()> {
    let sealed = store.totp(account_id).await?.context("this account has no second factor")?;
    let path = &settings.token_key_file;
    ensure!(path.is_file(), "{} is not there: give the settings that the server runs with", path.display());
    let keys = TokenKeys::open(path)?;
    let readable = keys.sealing.open(Sealed::Totp, account_id, sealed.as_bytes()).is_some();
    ensure!(!readable, "this server can check the second factor of this account: only its holder removes it");
    Ok(())
}

fn notice(settings: &Settings, now_ms: u64) -> anyhow::Result<Option<Notice>> {
    let letter = CredentialsChanged::by(&CredentialChange::RemoveTotp, now_ms);
    let letter = settings.mail.as_ref().map(|_| Letter::CredentialsChanged(letter).notice());
    Ok(letter.transpose()?)
}
