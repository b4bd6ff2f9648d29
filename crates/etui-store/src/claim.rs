//! What was proven holds only for as long as nothing has changed about how the account is signed in to.
//!
//! Between the moment at which a login password, a passkey or a link is found right and the one at which something is done
//! because of that, its holder may have changed it or signed everybody out. So whoever reads a credential gets a [`Claim`]
//! with it, and whatever is done because of a claim looks, in its own transaction, whether the claim still stands.

use etui_chain::AccountId;
use sea_orm::{ConnectionTrait, QueryResult};
use serde::{Deserialize, Serialize};

use crate::{
    Administrator, Store, StoreError,
    sql::{self, Columns as _},
};

/// An account, as it was signed in to when one of its credentials was read. It proves nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    account_id: AccountId,
    /// Counts changes of credentials and whatever else ends sessions.
    credentials_version: u64,
}

impl Claim {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// From two neighbouring columns, `account_id` and `credentials_version`.
    pub(crate) fn read(row: &QueryResult, column: usize) -> Result<Self, StoreError> {
        Ok(Self { account_id: row.id(column)?, credentials_version: row.number(column + 1)? })
    }

    /// Holds the account as it is claimed to be, until the caller's transaction ends.
    ///
    /// # Errors
    /// `NotFound` if the account is gone; `Superseded` if anything has changed.
    pub(crate) async fn hold<C: ConnectionTrait>(&self, transaction: &C) -> Result<(), StoreError> {
        let query = format!(
            "SELECT account_id, credentials_version FROM account WHERE account_id = $1{}",
            sql::for_update(transaction)
        );
        let row = sql::row(transaction, "holding an account", &query, [sql::id(self.account_id)]).await?;
        let now = Self::read(&row.ok_or(StoreError::NotFound)?, 0)?;
        if now == *self { Ok(()) } else { Err(StoreError::Superseded) }
    }
}

impl Store {
    /// Ends whatever was begun on the whole server and not finished, and lets no claim stand that was made before. Sessions go on.
    ///
    /// # Errors
    /// `Database`.
    pub async fn end_what_was_begun(&self, _administrator: &Administrator) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE account SET credentials_version = credentials_version + 1";
        const ENDING: &str = "ending whatever was begun";
        let transaction = self.begin().await?;
        sql::execute(&*transaction, ENDING, UPDATE, []).await?;
        sql::execute(&*transaction, ENDING, "DELETE FROM pending", []).await?;
        transaction.commit().await
    }
}

/// No claim that was made before stands any more, and whatever was begun is over: links, codes, half sign-ins, pages. The claim
/// that stands now.
pub(crate) async fn supersede<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
) -> Result<Claim, StoreError> {
    const UPDATE: &str = "UPDATE account SET credentials_version = credentials_version + 1 WHERE account_id = $1 \
         RETURNING account_id, credentials_version";
    const DELETE: &str = "DELETE FROM pending WHERE account_id = $1";
    // The account's row first: whoever holds it with a claim finishes before, or finds it superseded.
    let row = sql::row(transaction, "superseding what was proven", UPDATE, [sql::id(account_id)]).await?;
    let claim = Claim::read(&row.ok_or(StoreError::NotFound)?, 0)?;
    sql::execute(transaction, "ending what was begun", DELETE, [sql::id(account_id)]).await?;
    Ok(claim)
}
