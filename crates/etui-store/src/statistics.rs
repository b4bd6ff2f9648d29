//! How much there is and how much it is used, in a few scans that read no account's data.

use etui_api::admin::{Recent, Statistics};
use sea_orm::Value;

use crate::{
    Administrator, Store, StoreError, entitlements,
    sql::{self, Columns as _},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Store {
    /// The figures of the whole server.
    ///
    /// # Errors
    /// `Database`.
    pub async fn statistics(
        &self,
        _administrator: &Administrator,
        now_ms: u64,
    ) -> Result<Statistics, StoreError> {
        let accounts = "SELECT COUNT(*), COUNT(disabled_ms), COUNT(delete_at_ms) FROM account";
        let vaults = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM({}), 0) AS BIGINT) FROM vault",
            entitlements::ENTRIES
        );
        let devices = "SELECT COUNT(*) FROM (SELECT DISTINCT account_id, device_id FROM session \
             WHERE expires_ms > $1) AS devices";
        let bytes = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM segment";
        let [accounts, disabled, leaving] = self.figures(accounts, vec![]).await?;
        let [vaults, entries] = self.figures(&vaults, vec![]).await?;
        let [devices] = self.figures(devices, vec![sql::number(now_ms)]).await?;
        let [bytes] = self.figures(bytes, vec![]).await?;
        let signed_up = self.recent("SELECT COUNT(*) FROM account WHERE created_ms > $1", now_ms).await?;
        let active = "SELECT COUNT(DISTINCT account_id) FROM session WHERE last_seen_ms > $1";
        let active = self.recent(active, now_ms).await?;
        Ok(Statistics { accounts, disabled, leaving, devices, vaults, entries, bytes, signed_up, active })
    }

    async fn recent(&self, query: &str, now_ms: u64) -> Result<Recent, StoreError> {
        let within = async |days: u64| {
            let [count] =
                self.figures(query, vec![sql::number(now_ms.saturating_sub(days * DAY_MS))]).await?;
            Ok::<_, StoreError>(count)
        };
        Ok(Recent { day: within(1).await?, week: within(7).await?, month: within(30).await? })
    }

    async fn figures<const N: usize>(&self, query: &str, values: Vec<Value>) -> Result<[u64; N], StoreError> {
        let row = sql::row(self.database(), "counting", query, values).await?;
        let row = row.ok_or(StoreError::Damaged { found: "a count without a row" })?;
        let mut figures = [0; N];
        for (index, figure) in figures.iter_mut().enumerate() {
            *figure = row.number(index)?;
        }
        Ok(figures)
    }
}
