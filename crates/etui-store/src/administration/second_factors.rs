//! Second factors, as far as whoever has the server can do anything about them: the key that opens their secrets is no matter of
//! the store.

use etui_chain::AccountId;

use super::Act;
use crate::{Action, Administrator, CredentialChange, Notice, Store, StoreError, credentials, mail, session};

impl Store {
    /// Removes the second factor of an account and ends all its sessions: for a holder who cannot show it any more. They are told
    /// by a letter.
    ///
    /// # Errors
    /// `NotFound` if there is no such account, or no second factor.
    pub async fn take_totp_away(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        notice: Option<&Notice>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let act = Act::begin(self, administrator, account_id).await?;
        credentials::apply(&*act.transaction, account_id, CredentialChange::RemoveTotp, now_ms).await?;
        session::end_all_but(&*act.transaction, account_id, None).await?;
        if let Some(notice) = notice {
            mail::notify(&*act.transaction, account_id, notice, now_ms).await?;
        }
        act.finish(Action::RemoveTotp, now_ms).await
    }
}
