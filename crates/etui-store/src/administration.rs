//! What administrators do: to accounts, plans and flags. Every act on an account is noted in its audit log, and none of them
//! reaches what is sealed.

use std::collections::BTreeMap;

use etui_api::{
    admin::{AdminAccount, AdminAccountDetails, AdminAccounts, Role},
    plan,
};
use etui_chain::AccountId;
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Action, Administrator, Outcome, Store, StoreError,
    audit::{self, By, Pseudonyms},
    invitation::lock_first,
    session,
    sql::{self, Columns as _},
    store::WriteTransaction,
};

mod flags;
mod plans;
mod second_factors;

pub(crate) use plans::require as require_plan;

/// Accounts in one answer.
const PAGE_ACCOUNTS: usize = 100;
/// The columns that [`account`] reads.
const COLUMNS: &str = "account_id, email, role, plan, created_ms, disabled_ms, delete_at_ms, \
     (SELECT MAX(last_seen_ms) FROM session WHERE session.account_id = account.account_id)";

/// Whether an account can administer the server; `$2` is the role's name.
const ADMINISTERS: &str = "(role = $2 AND disabled_ms IS NULL AND delete_at_ms IS NULL)";

/// Which accounts are asked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Addresses that contain this, in small letters; all if absent.
    pub text: Option<String>,
    /// Only those behind this address.
    pub after: Option<String>,
}

impl Store {
    /// Accounts by address, a page at a time.
    ///
    /// # Errors
    /// `Database`.
    pub async fn accounts(
        &self,
        _administrator: &Administrator,
        search: &Search,
    ) -> Result<AdminAccounts, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM account WHERE email > $1 AND email LIKE $2 ESCAPE '\\' ORDER BY email LIMIT $3"
        );
        let after = search.after.clone().unwrap_or_default();
        let values =
            [after.into(), pattern(search.text.as_deref()).into(), sql::number(PAGE_ACCOUNTS as u64 + 1)];
        let rows = sql::rows(self.database(), "listing accounts", &query, values).await?;
        let mut accounts = rows.iter().map(account).collect::<Result<Vec<_>, _>>()?;
        let more = accounts.len() > PAGE_ACCOUNTS;
        accounts.truncate(PAGE_ACCOUNTS);
        let next = accounts.last().filter(|_| more).map(|last| last.email.clone());
        Ok(AdminAccounts { accounts, next })
    }

    /// The account of a normalised address.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn account_of_address(
        &self,
        _administrator: &Administrator,
        email: &str,
    ) -> Result<AccountId, StoreError> {
        const SELECT: &str = "SELECT account_id FROM account WHERE email = $1";
        let row = sql::row(self.database(), "looking an address up", SELECT, [email.into()]).await?;
        row.ok_or(StoreError::NotFound)?.id(0)
    }

    /// One account, with what it may use and uses.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn account_details(
        &self,
        _administrator: &Administrator,
        account_id: AccountId,
        now_ms: u64,
    ) -> Result<AdminAccountDetails, StoreError> {
        let query = format!(
            "SELECT {COLUMNS}, \
             (SELECT COUNT(*) FROM session WHERE session.account_id = account.account_id AND expires_ms > $2), \
             (SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM segment JOIN vault \
              ON vault.vault_number = segment.vault_number WHERE vault.account_id = account.account_id) \
             FROM account WHERE account_id = $1"
        );
        let values = [sql::id(account_id), sql::number(now_ms)];
        let row = sql::row(self.database(), "looking an account up", &query, values).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        Ok(AdminAccountDetails {
            account: account(&row)?,
            sessions: row.number(8)?,
            bytes: row.number(9)?,
            entitlements: self.entitlements_of(account_id).await?,
            flag_overrides: self.flag_overrides(account_id).await?,
        })
    }

    /// Lets nobody in any more, or lets its holder in again. What is stored stays as it is.
    ///
    /// # Errors
    /// `NotFound`; `LastAdministrator`.
    pub async fn set_disabled(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        disabled: bool,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE account SET disabled_ms = $2 WHERE account_id = $1";
        let act = Act::begin(self, administrator, account_id).await?;
        if disabled {
            act.require_another_administrator(account_id).await?;
        }
        let since = disabled.then(|| i64::try_from(now_ms).unwrap_or(i64::MAX));
        let values = [sql::id(account_id), since.into()];
        sql::execute(&*act.transaction, "disabling an account", UPDATE, values).await?;
        let action = if disabled { Action::DisableAccount } else { Action::EnableAccount };
        act.finish(action, now_ms).await
    }

    /// Gives an account another role.
    ///
    /// # Errors
    /// `NotFound`; `LastAdministrator`.
    pub async fn set_role(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        role: Role,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE account SET role = $2 WHERE account_id = $1";
        let act = Act::begin(self, administrator, account_id).await?;
        if role == Role::Person {
            act.require_another_administrator(account_id).await?;
        }
        let values = [sql::id(account_id), role.name().into()];
        sql::execute(&*act.transaction, "changing a role", UPDATE, values).await?;
        act.finish(Action::ChangeRole, now_ms).await
    }

    /// Gives an account another plan; the server's own if absent. What is more than it has room for stays as it is.
    ///
    /// # Errors
    /// `NotFound`; `NoPlan`.
    pub async fn set_plan(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        plan: Option<&str>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE account SET plan = $2 WHERE account_id = $1";
        let act = Act::begin(self, administrator, account_id).await?;
        require_plan(&*act.transaction, plan).await?;
        let values = [sql::id(account_id), plan.into()];
        sql::execute(&*act.transaction, "changing a plan", UPDATE, values).await?;
        act.finish(Action::ChangePlan, now_ms).await
    }

    /// Switches a feature flag on or off for an account, or leaves it to the flag's share again.
    ///
    /// # Errors
    /// `NotFound` for no such account; `NoFlag`.
    pub async fn set_account_flag(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        name: &str,
        enabled: Option<bool>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let act = Act::begin(self, administrator, account_id).await?;
        flags::set_override(&*act.transaction, account_id, name, enabled).await?;
        act.finish(Action::ChangeFlag, now_ms).await
    }

    /// Ends every session of an account and whatever was begun; how many sessions there were.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn sign_out_everywhere(
        &self,
        administrator: &Administrator,
        account_id: AccountId,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        let act = Act::begin(self, administrator, account_id).await?;
        let (ended, _) = session::end_all_but(&*act.transaction, account_id, None).await?;
        act.finish(Action::SignOut, now_ms).await?;
        Ok(ended)
    }

    async fn flag_overrides(&self, account_id: AccountId) -> Result<BTreeMap<String, bool>, StoreError> {
        const SELECT: &str = "SELECT name, enabled FROM account_flag WHERE account_id = $1";
        let rows = sql::rows(self.database(), "reading feature flags", SELECT, [sql::id(account_id)]).await?;
        rows.iter().map(|row| Ok((row.column(0)?, row.number(1)? != 0))).collect()
    }
}

/// Something that is done to an account: one at a time on the whole server, so that of two administrators who demote each other
/// one is told that there is nobody else.
struct Act {
    transaction: WriteTransaction,
    pseudonyms: Pseudonyms,
    by: By,
    /// Whether the account can administer the server now.
    administers: bool,
}

impl Act {
    async fn begin(
        store: &Store,
        administrator: &Administrator,
        account_id: AccountId,
    ) -> Result<Self, StoreError> {
        let transaction = store.begin().await?;
        lock_first(&*transaction).await?;
        let query = format!(
            "SELECT pseudonym_key, {ADMINISTERS} FROM account WHERE account_id = $1{}",
            sql::for_update(&*transaction)
        );
        let values = [sql::id(account_id), Role::Administrator.name().into()];
        let row = sql::row(&*transaction, "locking an account", &query, values).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        let pseudonyms = Pseudonyms::from_column(account_id, row.column(0)?);
        Ok(Self { transaction, pseudonyms, by: administrator.by(), administers: row.column(1)? })
    }

    /// Somebody else administers the server, or this account does not either.
    async fn require_another_administrator(&self, account_id: AccountId) -> Result<(), StoreError> {
        if !self.administers {
            return Ok(());
        }
        let query = format!("SELECT 1 FROM account WHERE account_id <> $1 AND {ADMINISTERS} LIMIT 1");
        let values = [sql::id(account_id), Role::Administrator.name().into()];
        let row = sql::row(&*self.transaction, "looking for an administrator", &query, values).await?;
        row.map(drop).ok_or(StoreError::LastAdministrator)
    }

    async fn finish(self, action: Action, now_ms: u64) -> Result<(), StoreError> {
        let outcome = Outcome::Done;
        audit::insert(&*self.transaction, &self.pseudonyms, self.by, action, None, outcome, now_ms).await?;
        self.transaction.commit().await
    }
}

/// As long as others have accounts, the last who administers them does not leave.
pub(crate) async fn require_that_may_leave<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
) -> Result<(), StoreError> {
    lock_first(transaction).await?;
    let query = format!(
        "SELECT 1 FROM account WHERE account_id = $1 AND {ADMINISTERS} \
         AND EXISTS (SELECT 1 FROM account WHERE account_id <> $1 AND delete_at_ms IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM account WHERE account_id <> $1 AND {ADMINISTERS})"
    );
    let values = [sql::id(account_id), Role::Administrator.name().into()];
    let last = sql::row(transaction, "looking for an administrator", &query, values).await?;
    last.map_or(Ok(()), |_| Err(StoreError::LastAdministrator))
}

/// Whether it can be the name of a plan or flag.
fn check_name(name: &str) -> Result<(), StoreError> {
    if plan::is_name(name) { Ok(()) } else { Err(StoreError::NotAName) }
}

fn account(row: &QueryResult) -> Result<AdminAccount, StoreError> {
    let time = |index| {
        let time: Option<i64> = row.column(index)?;
        Ok::<_, StoreError>(time.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0))
    };
    Ok(AdminAccount {
        account_id: row.id(0)?,
        email: row.column(1)?,
        role: Role::of(&row.column::<String>(2)?),
        plan: row.column(3)?,
        created_ms: row.number(4)?,
        disabled_ms: time(5)?,
        delete_at_ms: time(6)?,
        last_seen_ms: time(7)?,
    })
}

/// For `LIKE`: what contains the text, in which nothing stands for anything else.
fn pattern(text: Option<&str>) -> String {
    let mut pattern = "%".to_owned();
    for character in text.unwrap_or_default().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    if pattern.len() > 1 {
        pattern.push('%');
    }
    pattern
}
