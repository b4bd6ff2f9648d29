//! What nothing refers to any more leaves, after a while.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _};
use sea_orm::Value;

use crate::{
    Store, StoreError,
    segment::{self, ObjectKey},
    sql::{self, Columns as _},
};

/// Rows and objects handled at a time.
const BATCH: usize = 256;

/// What a collection of garbage removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Segments that no object refers to any more.
    pub segments: u64,
    /// Objects of the object store that no row knows: what a push left that was interrupted or lost the race.
    pub orphans: u64,
    /// Sessions past their end.
    pub sessions: u64,
}

impl Store {
    /// Removes what nothing has referred to for `grace`. That must be longer than the longest push and the longest
    /// pull: a push writes its segment before the row that names it, a pull reads segments that it listed at its start.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn collect_garbage(&self, now_ms: u64, grace: Duration) -> Result<Collected, StoreError> {
        let before_ms = now_ms.saturating_sub(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        let sessions = self.remove_expired_sessions(now_ms).await?;
        self.mark_dead_segments(now_ms).await?;
        let segments = self.remove_dead_segments(before_ms).await?;
        let orphans = self.remove_orphans(before_ms).await?;
        Ok(Collected { segments, orphans, sessions })
    }

    async fn remove_expired_sessions(&self, now_ms: u64) -> Result<u64, StoreError> {
        const DELETE: &str = "DELETE FROM session WHERE expires_ms <= $1";
        let transaction = self.begin().await?;
        let removed =
            sql::execute(&*transaction, "removing expired sessions", DELETE, [sql::number(now_ms)]).await?;
        transaction.commit().await?;
        Ok(removed)
    }

    /// A segment that nothing refers to stays so: objects only ever refer to the segment that came with their commit.
    async fn mark_dead_segments(&self, now_ms: u64) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT s.segment_number FROM segment s \
             WHERE s.segment_number > $1 AND s.dead_since_ms IS NULL \
             AND NOT EXISTS (SELECT 1 FROM object o WHERE o.segment_number = s.segment_number) \
             ORDER BY s.segment_number LIMIT $2";
        const UPDATE: &str = "UPDATE segment SET dead_since_ms = $2 WHERE segment_number = $1";
        let mut last = 0;
        loop {
            let values = [sql::number(last), sql::number(BATCH as u64)];
            let rows = sql::rows(self.database(), "looking for dead segments", SELECT, values).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let transaction = self.begin().await?;
            for row in &rows {
                last = row.number(0)?;
                let values = [sql::number(last), sql::number(now_ms)];
                sql::execute(&*transaction, "marking a dead segment", UPDATE, values).await?;
            }
            transaction.commit().await?;
        }
    }

    async fn remove_dead_segments(&self, before_ms: u64) -> Result<u64, StoreError> {
        const SELECT: &str =
            "SELECT segment_number, object_key FROM segment WHERE dead_since_ms <= $1 LIMIT $2";
        const DELETE: &str = "DELETE FROM segment WHERE segment_number = $1";
        let mut removed = 0;
        loop {
            let values = [sql::number(before_ms), sql::number(BATCH as u64)];
            let rows = sql::rows(self.database(), "listing dead segments", SELECT, values).await?;
            if rows.is_empty() {
                return Ok(removed);
            }
            for row in &rows {
                if let Some(key) = row.column::<Option<Vec<u8>>>(1)? {
                    self.remove_object(&ObjectKey(key)).await?;
                }
            }
            let transaction = self.begin().await?;
            for row in &rows {
                let values = [sql::number(row.number(0)?)];
                removed += sql::execute(&*transaction, "removing a dead segment", DELETE, values).await?;
            }
            transaction.commit().await?;
        }
    }

    async fn remove_orphans(&self, before_ms: u64) -> Result<u64, StoreError> {
        let is_old = move |object: &ObjectMeta| {
            u64::try_from(object.last_modified.timestamp_millis()).is_ok_and(|modified| modified <= before_ms)
        };
        let old_keys = self
            .inner()
            .objects
            .list(Some(&segment::folder()))
            .map_err(StoreError::blobs("listing segments"))
            .try_filter_map(|object| async move {
                Ok(Some(object).filter(is_old).and_then(|object| ObjectKey::of_path(&object.location)))
            });
        let mut batches = old_keys.try_chunks(BATCH).boxed();
        let mut removed = 0;
        while let Some(batch) = batches.next().await {
            for key in self.unknown_keys(batch.map_err(|error| error.1)?).await? {
                self.remove_object(&key).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn unknown_keys(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>, StoreError> {
        let query = format!(
            "SELECT object_key FROM segment WHERE object_key IN ({})",
            sql::placeholders(1, keys.len())
        );
        let values = keys.iter().map(|key| Value::from(key.0.clone()));
        let rows = sql::rows(self.database(), "looking segments up", &query, values).await?;
        let mut known = std::collections::BTreeSet::new();
        for row in rows {
            known.insert(ObjectKey(row.column(0)?));
        }
        Ok(keys.into_iter().filter(|key| !known.contains(key)).collect())
    }

    /// Gone already is as good.
    async fn remove_object(&self, key: &ObjectKey) -> Result<(), StoreError> {
        match self.inner().objects.delete(&key.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::blobs("removing a segment")(error)),
        }
    }
}
