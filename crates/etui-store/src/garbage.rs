//! What nothing refers to any more leaves, after a while.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _};
use sea_orm::Value;

use crate::{
    Store, StoreError, invitation, limits,
    segment::{self, ObjectKey},
    sql::{self, Columns as _},
};

/// So long the tokens stay that a program of the version before notes as spent, while it serves beside this one.
const SPENT_TOKENS_STAY: Duration = Duration::from_hours(30 * 24);
/// So long the name of an object that was given up is kept from being used: longer than any push can be on its way, and
/// any clock wrong.
const GIVEN_UP_STAYS: Duration = Duration::from_hours(90 * 24);
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
        let sessions = self.remove_what_has_ended(now_ms).await;
        // What goes wrong with the one is no reason to leave the other.
        let segments = self.remove_dead_segments(now_ms, grace).await?;
        Ok(Collected { segments, sessions: sessions? })
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

    /// How many sessions there were among it.
    async fn remove_what_has_ended(&self, now_ms: u64) -> Result<u64, StoreError> {
        const SESSIONS: &str = "DELETE FROM session WHERE expires_ms <= $1";
        const PENDING: &str = "DELETE FROM pending WHERE expires_ms <= $1";
        const SPENT: &str = "DELETE FROM spent_refresh WHERE spent_ms <= $1";
        let transaction = self.begin().await?;
        let now = || [sql::number(now_ms)];
        let sessions = sql::execute(&*transaction, "removing expired sessions", SESSIONS, now()).await?;
        sql::execute(&*transaction, "removing what was not finished", PENDING, now()).await?;
        let values = [sql::number(before(now_ms, SPENT_TOKENS_STAY))];
        sql::execute(&*transaction, "removing old spent tokens", SPENT, values).await?;
        limits::forget(&*transaction, now_ms).await?;
        invitation::forget(&*transaction, now_ms).await?;
        transaction.commit().await?;
        Ok(sessions)
    }

    /// Goes on after what cannot be removed, and says so in the end.
    async fn remove_dead_segments(&self, now_ms: u64, grace: Duration) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT segment_number, object_key FROM segment \
             WHERE dead_since_ms <= $1 AND segment_number > $2 \
             AND (vault_number IS NOT NULL OR bytes > 0 OR dead_since_ms <= $3) \
             ORDER BY segment_number LIMIT $4";
        self.mend_times_ahead(now_ms).await?;
        let given_up_before_ms = before(now_ms, GIVEN_UP_STAYS);
        let (mut removed, mut last, mut failure) = (0, 0, None);
        loop {
            let values = [before(now_ms, grace), last, given_up_before_ms, BATCH as u64].map(sql::number);
            let rows = sql::rows(self.database(), "listing dead segments", SELECT, values).await?;
            let Some(newest) = rows.last() else { break };
            last = newest.number(0)?;
            let mut gone = Vec::with_capacity(rows.len());
            for row in &rows {
                match row.column::<Option<Vec<u8>>>(1)?.map(ObjectKey) {
                    None => gone.push(row.number(0)?),
                    Some(key) => match self.remove_object(&key).await {
                        Ok(()) => gone.push(row.number(0)?),
                        Err(error) => failure = Some(error),
                    },
                }
            }
            removed += self.forget_segments(&gone, given_up_before_ms).await?;
        }
        failure.map_or(Ok(removed), Err)
    }

    /// A clock that was ahead does not put off what it has marked.
    async fn mend_times_ahead(&self, now_ms: u64) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE segment SET dead_since_ms = $1 WHERE dead_since_ms > $1";
        let transaction = self.begin().await?;
        sql::execute(&*transaction, "mending times ahead", UPDATE, [sql::number(now_ms)]).await?;
        transaction.commit().await
    }

    /// The row of what was given up stays for long, without an object: it keeps the name from being used.
    async fn forget_segments(&self, numbers: &[u64], given_up_before_ms: u64) -> Result<u64, StoreError> {
        const DELETE: &str = "DELETE FROM segment WHERE segment_number = $1 \
             AND (vault_number IS NOT NULL OR dead_since_ms <= $2)";
        const EMPTY: &str = "UPDATE segment SET bytes = 0 WHERE segment_number = $1";
        let transaction = self.begin().await?;
        for number in numbers {
            let values = [sql::number(*number), sql::number(given_up_before_ms)];
            if sql::execute(&*transaction, "removing a dead segment", DELETE, values).await? == 0 {
                let values = [sql::number(*number)];
                sql::execute(&*transaction, "removing a dead segment", EMPTY, values).await?;
            }
        }
        transaction.commit().await?;
        Ok(numbers.len() as u64)
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
