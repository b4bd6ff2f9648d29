//! What nothing refers to any more leaves, after a while.

use std::{collections::BTreeSet, time::Duration};

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
    /// Segments in which nothing was alive any more.
    pub segments: u64,
    /// Sessions past their end.
    pub sessions: u64,
}

impl Store {
    /// Removes what has been dead for `grace`. That must be longer than the longest pull, which reads segments that it
    /// listed at its start.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn collect_garbage(&self, now_ms: u64, grace: Duration) -> Result<Collected, StoreError> {
        let sessions = self.remove_expired_sessions(now_ms).await?;
        let segments = self.remove_dead_segments(before(now_ms, grace)).await?;
        Ok(Collected { segments, sessions })
    }

    /// Gives up objects of the object store that no row has named for `grace`: what a push left that was interrupted or
    /// lost the race. They become dead segments of no vault, and go as those do. How many there were.
    ///
    /// From then on no push can name them, since a name stands in one row alone. So even a clock that is wrong by days
    /// takes nothing away that was acknowledged: a push that comes too late fails, and its device sends it anew.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn give_up_orphans(&self, now_ms: u64, grace: Duration) -> Result<u64, StoreError> {
        let before_ms = before(now_ms, grace);
        let is_old = move |object: &ObjectMeta| {
            u64::try_from(object.last_modified.timestamp_millis()).is_ok_and(|modified| modified <= before_ms)
        };
        let old = self
            .inner()
            .objects
            .list(Some(&segment::folder()))
            .map_err(StoreError::blobs("listing segments"))
            .try_filter_map(|object| async move {
                let old = Some(object).filter(is_old);
                Ok(old.and_then(|object| Some((ObjectKey::of_path(&object.location)?, object.size))))
            });
        let mut batches = old.try_chunks(BATCH).boxed();
        let mut given_up = 0;
        while let Some(batch) = batches.next().await {
            given_up += self.give_up(batch.map_err(|error| error.1)?, now_ms).await?;
        }
        Ok(given_up)
    }

    async fn remove_expired_sessions(&self, now_ms: u64) -> Result<u64, StoreError> {
        const DELETE: &str = "DELETE FROM session WHERE expires_ms <= $1";
        let transaction = self.begin().await?;
        let removed =
            sql::execute(&*transaction, "removing expired sessions", DELETE, [sql::number(now_ms)]).await?;
        transaction.commit().await?;
        Ok(removed)
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

    async fn give_up(&self, objects: Vec<(ObjectKey, u64)>, now_ms: u64) -> Result<u64, StoreError> {
        const INSERT: &str = "INSERT INTO segment (object_key, bytes, dead_since_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (object_key) DO NOTHING";
        let unknown = self.unknown(objects).await?;
        if unknown.is_empty() {
            return Ok(0);
        }
        let transaction = self.begin().await?;
        let mut given_up = 0;
        for (key, bytes) in unknown {
            let values = [key.0.into(), sql::number(bytes), sql::number(now_ms)];
            given_up += sql::execute(&*transaction, "giving up an orphan", INSERT, values).await?;
        }
        transaction.commit().await?;
        Ok(given_up)
    }

    async fn unknown(&self, objects: Vec<(ObjectKey, u64)>) -> Result<Vec<(ObjectKey, u64)>, StoreError> {
        let query = format!(
            "SELECT object_key FROM segment WHERE object_key IN ({})",
            sql::placeholders(1, objects.len())
        );
        let values = objects.iter().map(|(key, _)| Value::from(key.0.clone()));
        let rows = sql::rows(self.database(), "looking segments up", &query, values).await?;
        let mut known = BTreeSet::new();
        for row in rows {
            known.insert(ObjectKey(row.column(0)?));
        }
        Ok(objects.into_iter().filter(|(key, _)| !known.contains(key)).collect())
    }

    /// Gone already is as good.
    async fn remove_object(&self, key: &ObjectKey) -> Result<(), StoreError> {
        match self.inner().objects.delete(&key.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::blobs("removing a segment")(error)),
        }
    }
}

fn before(now_ms: u64, grace: Duration) -> u64 {
    now_ms.saturating_sub(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX))
}
