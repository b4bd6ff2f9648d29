//! Accounts as a person names them.

use anyhow::Context as _;
use clap::Args;
use etui_api::email::normalize_email;
use etui_chain::AccountId;
use etui_store::{Store, StoreError};

/// Which account.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its address, or its id
    #[arg(value_name = "ACCOUNT")]
    account: String,
}

impl Named {
    /// # Errors
    /// There is none.
    pub(super) async fn find(&self, store: &Store) -> anyhow::Result<AccountId> {
        if let Ok(account_id) = self.account.parse() {
            return Ok(account_id);
        }
        let email = normalize_email(&self.account)
            .with_context(|| format!("“{}” is neither an address nor the id of an account", self.account))?;
        match store.account_of_address(&store.operator(), &email).await {
            Err(StoreError::NotFound) => {
                anyhow::bail!("nobody has an account under {email}: `etui-server admin accounts` lists them")
            }
            found => Ok(found?),
        }
    }

    /// As it was named.
    pub(super) fn as_given(&self) -> &str {
        &self.account
    }
}
