//! The end of an account: asked for by its holder, taken back within a grace, and then carried out for good.
//!
//! `docs/design/0012-deletion-and-export.md` says what is gone when.

use etui_chain::AccountId;
use sea_orm::{ConnectionTrait, DbBackend};

use crate::{
    Action, Fresh, Leaving, Notice, Outcome, Store, StoreError, administration,
    audit::{self, Pseudonyms},
    mail, session,
    sql::{self, Columns as _},
    sqlite,
};

/// Accounts looked at together.
const BATCH: u64 = 64;
const REMOVING: &str = "removing an account";

impl Store {
    /// Has an account deleted at a time in ms since 1970. Every other session ends, and what was begun; the holder is told by a
    /// letter, where any are sent.
    ///
    /// # Errors
    /// `SessionEnded` if whoever asks was signed out meanwhile; `Leaving` if it is being deleted already; `LastAdministrator` while
    /// others have accounts.
    pub async fn delete_account(
        &self,
        fresh: &Fresh,
        delete_at_ms: u64,
        notice: Option<&Notice>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT delete_at_ms FROM account WHERE account_id = $1";
        const UPDATE: &str = "UPDATE account SET delete_at_ms = $2 WHERE account_id = $1";
        let account_id = fresh.account_id();
        let transaction = self.begin().await?;
        administration::require_that_may_leave(&*transaction, account_id).await?;
        fresh.hold(&*transaction, now_ms).await?;
        let row = sql::row(&*transaction, "looking an account up", SELECT, [sql::id(account_id)]).await?;
        if let Some(before) = row.ok_or(StoreError::NotFound)?.column::<Option<i64>>(0)? {
            return Err(StoreError::Leaving { delete_at_ms: u64::try_from(before).unwrap_or_default() });
        }
        let values = [sql::id(account_id), sql::number(delete_at_ms)];
        sql::execute(&*transaction, "deleting an account", UPDATE, values).await?;
        session::end_all_but(&*transaction, account_id, fresh.session_id()).await?;
        if let Some(notice) = notice {
            mail::notify(&*transaction, account_id, notice, now_ms).await?;
        }
        let (action, outcome) = (Action::DeleteAccount, Outcome::Done);
        audit::insert(&*transaction, fresh.pseudonyms(), fresh.by(), action, None, outcome, now_ms).await?;
        transaction.commit().await?;
        self.inner().events.forget(account_id);
        Ok(())
    }

    /// Keeps an account that its holder had deleted.
    ///
    /// # Errors
    /// `SessionEnded`; `NotFound` once the grace is over.
    pub async fn keep_account(&self, leaving: &Leaving, now_ms: u64) -> Result<(), StoreError> {
        const UPDATE: &str =
            "UPDATE account SET delete_at_ms = NULL WHERE account_id = $1 AND delete_at_ms > $2";
        let authority = leaving.authority();
        let transaction = self.begin().await?;
        authority.confirmed().hold(&*transaction, now_ms).await?;
        let values = [sql::id(authority.account_id()), sql::number(now_ms)];
        if sql::execute(&*transaction, "keeping an account", UPDATE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        let (by, action, outcome) = (authority.by(), Action::KeepAccount, Outcome::Done);
        audit::insert(&*transaction, authority.pseudonyms(), by, action, None, outcome, now_ms).await?;
        transaction.commit().await
    }

    /// Removes every account whose grace is over: how many. Sealed objects are dead from now on and go with the next
    /// collections of garbage, so that a backup under way still finds them; everything else goes at once.
    ///
    /// # Errors
    /// `Database`, `Blobs`: what is left is removed the next time.
    pub(crate) async fn remove_deleted_accounts(&self, now_ms: u64) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT account_id FROM account WHERE delete_at_ms <= $1 LIMIT $2";
        let mut removed = 0;
        loop {
            let values = [sql::number(now_ms), sql::number(BATCH)];
            let rows = sql::rows(self.database(), "looking for deleted accounts", SELECT, values).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                removed += u64::from(self.remove_account(row.id(0)?, now_ms).await?);
            }
        }
        self.leave_no_traces().await?;
        Ok(removed)
    }

    /// Vault by vault, since each may be large, and the account's own row last: whatever is interrupted is found again. Whether it was
    /// removed: somebody may have kept it in the last moment.
    async fn remove_account(&self, account_id: AccountId, now_ms: u64) -> Result<bool, StoreError> {
        const VAULT: &str = "SELECT vault_number FROM vault WHERE account_id = $1 LIMIT 1";
        if !self.begin_removal(account_id, now_ms).await? {
            return Ok(false);
        }
        self.remove_exports_of(account_id).await?;
        while let Some(row) =
            sql::row(self.database(), "listing vaults", VAULT, [sql::id(account_id)]).await?
        {
            self.remove_vault(row.number(0)?, now_ms).await?;
        }
        let transaction = self.begin().await?;
        remove_rows(&*transaction, account_id).await?;
        mark_traces(&*transaction).await?;
        transaction.commit().await?;
        self.inner().events.forget(account_id);
        Ok(true)
    }

    /// From here on nobody keeps it, by whatever clock: its time is over since ever. What is removed is removed whole.
    async fn begin_removal(&self, account_id: AccountId, now_ms: u64) -> Result<bool, StoreError> {
        const UPDATE: &str =
            "UPDATE account SET delete_at_ms = 0 WHERE account_id = $1 AND delete_at_ms <= $2";
        let transaction = self.begin().await?;
        let values = [sql::id(account_id), sql::number(now_ms)];
        let begun = sql::execute(&*transaction, REMOVING, UPDATE, values).await?;
        transaction.commit().await?;
        Ok(begun > 0)
    }

    async fn remove_vault(&self, number: u64, now_ms: u64) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT vault_id FROM vault WHERE vault_number = $1";
        const DETACH: &str = "UPDATE segment SET vault_number = NULL, dead_since_ms = $2 \
             WHERE vault_number = $1 AND object_key IS NOT NULL";
        const DELETE: &str = "DELETE FROM vault WHERE vault_number = $1";
        let transaction = self.begin().await?;
        // Nobody pushes to it any more while its segments are let go of.
        let query = format!("{SELECT}{}", sql::for_update(&*transaction));
        let Some(row) = sql::row(&*transaction, REMOVING, &query, [sql::number(number)]).await? else {
            return Ok(());
        };
        let values = [sql::number(number), sql::number(now_ms)];
        sql::execute(&*transaction, REMOVING, DETACH, values).await?;
        sql::execute(&*transaction, REMOVING, DELETE, [sql::number(number)]).await?;
        mark_traces(&*transaction).await?;
        transaction.commit().await?;
        self.inner().ledgers.forget(row.id(0)?);
        Ok(())
    }

    /// A file of SQLite keeps what was deleted in pages that are free, and in its log, until they are used again: after a removal
    /// it is written anew, and the log emptied. That it has to be lies in the file itself, should the server end in between.
    /// PostgreSQL has its own vacuum.
    async fn leave_no_traces(&self) -> Result<(), StoreError> {
        if self.database().get_database_backend() != DbBackend::Sqlite {
            return Ok(());
        }
        let _turn = self.turn().await;
        if sqlite::has_traces(self.database()).await? {
            sqlite::write_anew(self.database()).await?;
        }
        Ok(())
    }
}

/// What names the account, and what names it by another name: the log by its pseudonym, mail and invitations by its address. The
/// account is held first: what is noted of it meanwhile is there before, or is not noted.
async fn remove_rows<C: ConnectionTrait>(transaction: &C, account_id: AccountId) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT email, pseudonym_key FROM account WHERE account_id = $1";
    const EVENTS: &str = "DELETE FROM audit_event WHERE account = $1";
    const MAIL: &str = "DELETE FROM mail WHERE recipient = $1";
    const INVITATIONS: &str = "DELETE FROM invitation WHERE email = $1";
    const ACCOUNT: &str = "DELETE FROM account WHERE account_id = $1";
    let query = format!("{SELECT}{}", sql::for_update(transaction));
    let row = sql::row(transaction, REMOVING, &query, [sql::id(account_id)]).await?;
    let Some(row) = row else { return Ok(()) };
    let email: String = row.column(0)?;
    let pseudonym = Pseudonyms::from_column(account_id, row.column(1)?).account();
    sql::execute(transaction, REMOVING, EVENTS, [pseudonym.as_bytes().to_vec().into()]).await?;
    sql::execute(transaction, REMOVING, MAIL, [email.clone().into()]).await?;
    sql::execute(transaction, REMOVING, INVITATIONS, [email.into()]).await?;
    sql::execute(transaction, REMOVING, ACCOUNT, [sql::id(account_id)]).await.map(drop)
}

async fn mark_traces<C: ConnectionTrait>(transaction: &C) -> Result<(), StoreError> {
    if transaction.get_database_backend() == DbBackend::Sqlite {
        sqlite::mark_traces(transaction).await?;
    }
    Ok(())
}
