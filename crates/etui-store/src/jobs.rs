//! What one node at a time does: whichever comes first when it is due.

use std::time::Duration;

use crate::{Store, StoreError, sql};

/// Something that has to be done now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// [`Store::collect_garbage`].
    Garbage,
    /// [`Store::give_up_orphans`].
    Orphans,
    /// [`Store::purge`].
    Purge,
}

impl Job {
    const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Orphans => "orphans",
            Self::Purge => "purge",
        }
    }
}

impl Store {
    /// Whether it falls to the caller to do a job now. It is due again after `period`, whatever becomes of the caller.
    ///
    /// # Errors
    /// `Database`, `Unavailable`, `StorageFull`.
    pub async fn claim_job(&self, job: Job, period: Duration, now_ms: u64) -> Result<bool, StoreError> {
        // A time further ahead than any that is ever set was set by a clock that was wrong.
        const DUE: &str = "SELECT 1 FROM job WHERE name = $1 AND (due_ms <= $2 OR due_ms > $3)";
        const CLAIM: &str = "UPDATE job SET due_ms = $3 WHERE name = $1 AND (due_ms <= $2 OR due_ms > $3)";
        let next_ms = now_ms.saturating_add(u64::try_from(period.as_millis()).unwrap_or(u64::MAX));
        let values = || [job.name().into(), sql::number(now_ms), sql::number(next_ms)];
        if sql::row(self.database(), "looking whether a job is due", DUE, values()).await?.is_none() {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let claimed = sql::execute(&*transaction, "claiming a job", CLAIM, values()).await?;
        transaction.commit().await?;
        Ok(claimed == 1)
    }
}
