//! Feature flags: their shares, and what is said for single accounts.

use etui_api::admin::{Flag, Flags};
use etui_chain::AccountId;
use sea_orm::ConnectionTrait;

use super::check_name;
use crate::{
    Administrator, Store, StoreError,
    sql::{self, Columns as _},
};

const WHOLE_PERCENT: u64 = 100;

impl Store {
    /// Every flag.
    ///
    /// # Errors
    /// `Database`.
    pub async fn flags(&self, _administrator: &Administrator) -> Result<Flags, StoreError> {
        const SELECT: &str = "SELECT name, share_percent, \
             (SELECT COUNT(*) FROM account_flag WHERE account_flag.name = flag.name AND enabled <> 0), \
             (SELECT COUNT(*) FROM account_flag WHERE account_flag.name = flag.name AND enabled = 0) \
             FROM flag ORDER BY name";
        let rows = sql::rows(self.database(), "listing feature flags", SELECT, []).await?;
        let flag = |row: &sea_orm::QueryResult| {
            let share_percent = u8::try_from(row.number(1)?.min(WHOLE_PERCENT)).unwrap_or_default();
            Ok(Flag { name: row.column(0)?, share_percent, on_for: row.number(2)?, off_for: row.number(3)? })
        };
        Ok(Flags { flags: rows.iter().map(flag).collect::<Result<_, StoreError>>()? })
    }

    /// Makes a flag or gives it another share; more than a hundred of a hundred is all.
    ///
    /// # Errors
    /// `NotAName`.
    pub async fn set_flag_share(
        &self,
        _administrator: &Administrator,
        name: &str,
        share_percent: u8,
    ) -> Result<(), StoreError> {
        const UPSERT: &str = "INSERT INTO flag (name, share_percent) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET share_percent = excluded.share_percent";
        check_name(name)?;
        let share = u64::from(share_percent).min(WHOLE_PERCENT);
        let transaction = self.begin().await?;
        let values = [name.into(), sql::number(share)];
        sql::execute(&*transaction, "setting a flag's share", UPSERT, values).await?;
        transaction.commit().await
    }

    /// Removes a flag, with all that was said for single accounts.
    ///
    /// # Errors
    /// `NoFlag`.
    pub async fn remove_flag(&self, _administrator: &Administrator, name: &str) -> Result<(), StoreError> {
        const REMOVING: &str = "removing a flag";
        let transaction = self.begin().await?;
        let overrides = "DELETE FROM account_flag WHERE name = $1";
        sql::execute(&*transaction, REMOVING, overrides, [name.into()]).await?;
        if sql::execute(&*transaction, REMOVING, "DELETE FROM flag WHERE name = $1", [name.into()]).await?
            == 0
        {
            return Err(StoreError::NoFlag { name: name.to_owned() });
        }
        transaction.commit().await
    }
}

/// Within the caller's transaction.
pub(super) async fn set_override<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    name: &str,
    enabled: Option<bool>,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT 1 FROM flag WHERE name = $1";
    const UPSERT: &str = "INSERT INTO account_flag (account_id, name, enabled) VALUES ($1, $2, $3) \
         ON CONFLICT (account_id, name) DO UPDATE SET enabled = excluded.enabled";
    const DELETE: &str = "DELETE FROM account_flag WHERE account_id = $1 AND name = $2";
    const SETTING: &str = "setting a flag of an account";
    if sql::row(transaction, "looking a flag up", SELECT, [name.into()]).await?.is_none() {
        return Err(StoreError::NoFlag { name: name.to_owned() });
    }
    let (account, flag) = (sql::id(account_id), name.into());
    match enabled {
        Some(enabled) => {
            sql::execute(transaction, SETTING, UPSERT, [account, flag, i64::from(enabled).into()]).await?
        }
        None => sql::execute(transaction, SETTING, DELETE, [account, flag]).await?,
    };
    Ok(())
}
