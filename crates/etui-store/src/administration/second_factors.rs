//! Second factors, as far as whoever has the server can do anything about them: the key that opens their secrets is no matter of
//! the store.

use etui_chain::AccountId;

use super::Act;
use crate::{
    Action, Administrator, CredentialChange, Notice, SealedTotp, Store, StoreError, credentials, mail,
    session,
    sql::{self, Columns as _},
};

/// Secrets that are sealed anew in one transaction.
const PAGE_SECRETS: u64 = 100;

impl Store {
    /// Keeps the secrets of all second factors as `renew` gives them; one for which it gives nothing stays as it is. How many
    /// there are now that were not before.
    ///
    /// # Errors
    /// `Database`; those of `renew`.
    pub async fn renew_totp(
        &self,
        _administrator: &Administrator,
        renew: impl Fn(AccountId, &SealedTotp) -> Result<Option<SealedTotp>, StoreError>,
    ) -> Result<u64, StoreError> {
        const SELECT: &str =
            "SELECT account_id, secret FROM totp WHERE account_id > $1 ORDER BY account_id LIMIT $2";
        const UPDATE: &str = "UPDATE totp SET secret = $3 WHERE account_id = $1 AND secret = $2";
        const RENEWING: &str = "sealing second factors anew";
        // No account has the id of zeros.
        let (mut after, mut renewed) = (vec![0; 16], 0);
        loop {
            let transaction = self.begin().await?;
            let values = [after.clone().into(), sql::number(PAGE_SECRETS)];
            let rows = sql::rows(&*transaction, RENEWING, SELECT, values).await?;
            for row in &rows {
                let (account_id, before) = (row.id(0)?, SealedTotp::new(row.column(1)?));
                if let Some(sealed) = renew(account_id, &before)? {
                    let values = [
                        sql::id(account_id),
                        before.as_bytes().to_vec().into(),
                        sealed.as_bytes().to_vec().into(),
                    ];
                    renewed += sql::execute(&*transaction, RENEWING, UPDATE, values).await?;
                }
                after = account_id.as_bytes().to_vec();
            }
            transaction.commit().await?;
            if rows.is_empty() {
                return Ok(renewed);
            }
        }
    }

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
