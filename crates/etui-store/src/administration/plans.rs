//! Plans.

use etui_api::{
    admin::{Plan, Plans},
    plan::Entitlements,
};
use sea_orm::ConnectionTrait;

use super::check_name;
use crate::{
    Administrator, Store, StoreError, entitlements,
    sql::{self, Columns as _},
};

impl Store {
    /// Every plan.
    ///
    /// # Errors
    /// `Database`.
    pub async fn plans(&self, _administrator: &Administrator) -> Result<Plans, StoreError> {
        const SELECT: &str = "SELECT name, entitlements, \
             (SELECT COUNT(*) FROM account WHERE COALESCE(account.plan, $1) = plan.name) FROM plan ORDER BY name";
        let values = [self.default_plan().into()];
        let rows = sql::rows(self.database(), "listing plans", SELECT, values).await?;
        let plan = |row: &sea_orm::QueryResult| {
            let name: String = row.column(0)?;
            let entitlements = entitlements::read(row, 1)?;
            Ok(Plan { default: name == self.default_plan(), name, entitlements, accounts: row.number(2)? })
        };
        Ok(Plans { plans: rows.iter().map(plan).collect::<Result<_, StoreError>>()? })
    }

    /// Makes a plan or gives it other entitlements, for all accounts that have it. What is more than it has room for stays as
    /// it is.
    ///
    /// # Errors
    /// `NotAName`.
    pub async fn define_plan(
        &self,
        _administrator: &Administrator,
        name: &str,
        entitlements: &Entitlements,
    ) -> Result<(), StoreError> {
        const UPSERT: &str = "INSERT INTO plan (name, entitlements) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET entitlements = excluded.entitlements";
        check_name(name)?;
        let text = serde_json::to_string(entitlements).expect("entitlements are plain JSON");
        let transaction = self.begin().await?;
        sql::execute(&*transaction, "defining a plan", UPSERT, [name.into(), text.into()]).await?;
        transaction.commit().await
    }

    /// Asks whether the plan of accounts without one of their own is defined.
    ///
    /// # Errors
    /// `NoPlan`.
    pub async fn check_default_plan(&self) -> Result<(), StoreError> {
        require(self.database(), Some(self.default_plan())).await
    }
}

/// Whether a plan that is named is one.
///
/// # Errors
/// `NoPlan`.
pub(crate) async fn require<C: ConnectionTrait>(
    connection: &C,
    plan: Option<&str>,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT 1 FROM plan WHERE name = $1";
    let Some(name) = plan else { return Ok(()) };
    let row = sql::row(connection, "looking a plan up", SELECT, [name.into()]).await?;
    row.map(drop).ok_or_else(|| StoreError::NoPlan { name: name.to_owned() })
}
