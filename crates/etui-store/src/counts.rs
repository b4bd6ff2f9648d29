//! How much there is, all accounts together.

use crate::{
    Administrator, Store, StoreError,
    sql::{self, Columns as _},
};

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Sessions that have not ended.
    pub sessions: u64,
}

impl Store {
    /// Counts what there is. Every row of two tables is looked at: to be asked now and then, not for every request.
    ///
    /// # Errors
    /// `Database`, `Unavailable`.
    pub async fn counts(&self, _: &Administrator, now_ms: u64) -> Result<Counts, StoreError> {
        const SELECT: &str = "SELECT (SELECT count(*) FROM account), \
             (SELECT count(*) FROM session WHERE expires_ms > $1)";
        let row = sql::row(self.database(), "counting", SELECT, [sql::number(now_ms)]).await?;
        let row = row.ok_or(StoreError::Damaged { found: "a count without a number" })?;
        Ok(Counts { accounts: row.number(0)?, sessions: row.number(1)? })
    }
}
