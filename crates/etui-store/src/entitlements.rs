//! What plans give, and what accounts use of it. A plan bounds growth alone: whatever makes nothing larger is never refused for
//! it, and neither is healing.

use etui_api::{
    plan::{AccountEntitlements, Entitlements, Feature, Used},
    problem::PlanLimit,
};
use etui_chain::AccountId;
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Authority, Store, StoreError, flags,
    growth::{self, Growth},
    sql::{self, Columns as _},
};

/// Entries of a vault, where the last push did not note them because an older program took it.
pub(crate) const ENTRIES: &str = "COALESCE(vault.entries, (SELECT COUNT(*) FROM object \
     WHERE object.vault_number = vault.vault_number AND object.segment_number IS NOT NULL \
     AND object.object_id <> vault.vault_id))";

/// The entitlements of an account's plan, in a query that reads `account` and names the default plan as `$2`.
pub(crate) const OF_ACCOUNT: &str =
    "(SELECT entitlements FROM plan WHERE plan.name = COALESCE(account.plan, $2))";

impl Store {
    /// What the account may use, what it uses, and the feature flags as they hold for it.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn entitlements(&self, authority: &Authority) -> Result<AccountEntitlements, StoreError> {
        self.entitlements_of(authority.account_id()).await
    }

    /// Asks whether the account's plan includes a feature.
    ///
    /// # Errors
    /// `NotInPlan` if not.
    pub async fn require_feature(&self, authority: &Authority, feature: Feature) -> Result<(), StoreError> {
        let (_, entitlements) = self.plan_of(authority.account_id()).await?;
        if entitlements.include(feature) { Ok(()) } else { Err(StoreError::NotInPlan { feature }) }
    }

    pub(crate) async fn entitlements_of(
        &self,
        account_id: AccountId,
    ) -> Result<AccountEntitlements, StoreError> {
        let (plan, entitlements) = self.plan_of(account_id).await?;
        let state = self.newest_state_of(account_id).await?;
        let Held { vaults, entries } = held(self.database(), account_id).await?;
        let used = Used { entries, devices: growth::devices(&state), vaults };
        let flags = flags::of_account(self.database(), account_id).await?;
        Ok(AccountEntitlements { plan, entitlements, used, flags })
    }

    async fn plan_of(&self, account_id: AccountId) -> Result<(String, Entitlements), StoreError> {
        let query =
            format!("SELECT COALESCE(account.plan, $2), {OF_ACCOUNT} FROM account WHERE account_id = $1");
        let values = [sql::id(account_id), self.default_plan().into()];
        let row = sql::row(self.database(), "reading an account's plan", &query, values).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        Ok((row.column(0)?, read(&row, 1)?))
    }
}

/// Compares what an upload has written with what the plan gives, in the transaction that wrote it and holds the account's row:
/// of any number of uploads at once no two take the same room.
///
/// # Errors
/// `PlanLimit` for the first thing that has become more than it was and than the plan has.
pub(crate) async fn check_growth<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    growth: &Growth,
    entitlements: &Entitlements,
) -> Result<(), StoreError> {
    let Growth { devices, vaults, entries } = growth;
    require_room("devices", entitlements.devices, devices[0], devices[1])?;
    if entitlements.vaults.is_none() && entitlements.entries.is_none() {
        return Ok(());
    }
    let held = held(transaction, account_id).await?;
    require_room("vaults", entitlements.vaults, held.vaults.saturating_sub(*vaults), held.vaults)?;
    require_room("entries", entitlements.entries, held.entries.saturating_sub(*entries), held.entries)
}

fn require_room(what: &str, allowed: Option<u64>, held: u64, wanted: u64) -> Result<(), StoreError> {
    match allowed {
        Some(allowed) if wanted > allowed && wanted > held => {
            Err(StoreError::PlanLimit(PlanLimit { what: what.to_owned(), allowed, wanted }))
        }
        _ => Ok(()),
    }
}

/// What is there of an account.
struct Held {
    vaults: u64,
    entries: u64,
}

/// Vaults that the newest state lists no more are there like others: their records are read until the account is gone, and to list a
/// vault no longer makes no room.
async fn held<C: ConnectionTrait>(connection: &C, account_id: AccountId) -> Result<Held, StoreError> {
    let query = format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM({ENTRIES}), 0) AS BIGINT) FROM vault WHERE account_id = $1"
    );
    let row = sql::row(connection, "counting vaults and entries", &query, [sql::id(account_id)]).await?;
    let row = row.ok_or(StoreError::Damaged { found: "a count without a row" })?;
    Ok(Held { vaults: row.number(0)?, entries: row.number(1)? })
}

/// Entitlements in a column of a row.
pub(crate) fn read(row: &QueryResult, column: usize) -> Result<Entitlements, StoreError> {
    let text: Option<String> = row.column(column)?;
    let text = text.ok_or(StoreError::Damaged { found: "an account of a plan that is not defined" })?;
    serde_json::from_str(&text).map_err(|_| StoreError::Damaged { found: "a plan that cannot be read" })
}
