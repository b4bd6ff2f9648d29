//! How long records are kept that nobody needs any more, and their end.

use std::time::Duration;

use crate::{Store, StoreError, sql};

/// How long each kind of record stays; what has a time of its own in its row is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events of the audit log, from when they were noted.
    pub audit_events: Duration,
    /// Devices that have signed in once and have no session any more, from when they first did.
    pub known_devices: Duration,
}

/// What a purge removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Accounts whose grace was over.
    pub accounts: u64,
    /// Rows past their time.
    pub records: u64,
    /// Downloads past their time, and what was left of ones that were interrupted.
    pub exports: u64,
}

impl Store {
    /// Removes accounts whose grace is over, and every record that is past its time.
    ///
    /// # Errors
    /// `Database`, `Blobs`: what could not be removed is removed the next time.
    pub async fn purge(&self, retention: &Retention, now_ms: u64) -> Result<Purged, StoreError> {
        self.give_missing_keys().await?;
        let records = self.remove_old_records(retention, now_ms).await;
        // What goes wrong with the one is no reason to leave the other.
        let exports = self.remove_old_exports(now_ms).await;
        let accounts = self.remove_deleted_accounts(now_ms).await?;
        Ok(Purged { accounts, records: records?, exports: exports? })
    }

    async fn remove_old_records(&self, retention: &Retention, now_ms: u64) -> Result<u64, StoreError> {
        let before =
            |kept: Duration| now_ms.saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        let kinds = [
            ("DELETE FROM audit_event WHERE time_ms <= $1", before(retention.audit_events)),
            (
                "DELETE FROM known_device WHERE first_ms <= $1 AND NOT EXISTS (SELECT 1 FROM session s \
                 WHERE s.account_id = known_device.account_id AND s.device_id = known_device.device_id)",
                before(retention.known_devices),
            ),
            ("DELETE FROM invitation WHERE expires_ms <= $1", now_ms),
            ("DELETE FROM pending WHERE expires_ms <= $1", now_ms),
            ("DELETE FROM mail WHERE expires_ms <= $1", now_ms),
            ("DELETE FROM attempt WHERE forgiven_ms <= $1", now_ms),
        ];
        let mut removed = 0;
        for (statement, until_ms) in kinds {
            let transaction = self.begin().await?;
            let values = [sql::number(until_ms)];
            removed += sql::execute(&*transaction, "removing old records", statement, values).await?;
            transaction.commit().await?;
        }
        Ok(removed)
    }
}
