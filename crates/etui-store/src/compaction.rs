//! Few objects and few dead bytes in each vault: what pushes have scattered is written anew, together, and what is
//! dead is left behind. `docs/design/0006-compaction.md` says when and why.
//!
//! Nobody waits for it. It moves records from segment to segment and changes nothing that anybody has signed: a pull
//! under way reads the old segments, which stay for the grace.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use bytes::Bytes;
use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{
    Store, StoreError,
    pull::Place,
    segment,
    sql::{self, Columns as _},
    write,
};

/// What an object adds to a vault's `fragments`; a commit, and a segment that lies inline, add one each.
pub(crate) const OBJECT_FRAGMENTS: u64 = 32;
/// From so many fragments on (32 objects, or 1,024 small commits) a vault is compacted soon.
pub(crate) const SOON_FRAGMENTS: u64 = 32 * OBJECT_FRAGMENTS;
/// … and from so many on at once, before the push is answered: a pull never reads more than some fifty objects.
pub(crate) const NOW_FRAGMENTS: u64 = 48 * OBJECT_FRAGMENTS;
/// `compact_at_ms` of a vault that is to be compacted soon.
pub(crate) const SOON_MS: u64 = 1;

/// How long a vault that has changed waits: the shortest, and at most so much longer, so that not all come at once.
const WAIT: Duration = Duration::from_hours(6 * 24);
const SPREAD: Duration = Duration::from_hours(24);
/// Another node may try again after so long: this one may be dead.
const LEASE: Duration = Duration::from_mins(10);
/// Records are brought together up to so many bytes, which are held in memory.
const BATCH_BYTES: u64 = 8 << 20;
/// What is written anew in one go; of a larger vault, the rest comes at the next look.
const STEP_BYTES: u64 = 64 << 20;
/// From so many bytes on an object without dead bytes is left alone.
const LARGE_BYTES: u64 = 4 << 20;
/// So many smaller ones may stay beside each other.
const MAX_SMALL: usize = 2;
/// Records in rows stay there up to so many bytes, if no object has to be written anyway.
const MAX_INLINE_TOGETHER_BYTES: u64 = 64 << 10;
/// Rows or parameters at a time.
const BATCH: usize = 128;
/// So many vaults are given a time at once.
const SCHEDULED_TOGETHER: u64 = 1000;

/// What became of one vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Records that were written anew.
    pub records: u64,
    /// Segments in which nothing is alive any more: they go after the grace.
    pub dead_segments: u64,
}

/// How a segment is used.
#[derive(Debug, Clone, Copy)]
struct Usage {
    number: u64,
    is_object: bool,
    bytes: u64,
    live_bytes: u64,
}

/// A vault that is this node's for a while.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    number: u64,
    /// Its newest commit when it was claimed.
    head_seq: u64,
}

/// What was done of a vault.
#[derive(Debug, Clone, Copy)]
struct Step {
    records: u64,
    /// Whether nothing is left to do.
    complete: bool,
}

/// A live record to be moved.
#[derive(Debug, Clone)]
struct Moving {
    object_id: Vec<u8>,
    seq: u64,
    from: Place,
}

impl Store {
    /// Compacts one vault that is due, if there is one that no other node is at.
    ///
    /// # Errors
    /// `Database`, `Blobs`, `StorageFull`, `Unavailable`: the vault comes up again later.
    pub async fn compact_next(&self, now_ms: u64) -> Result<Option<Compacted>, StoreError> {
        self.schedule_changed(now_ms).await?;
        let Some(claimed) = self.claim_due(now_ms).await? else { return Ok(None) };
        let step = self.rewrite(claimed.number).await?;
        let dead_segments = self.finish(&claimed, &step, now_ms).await?;
        Ok(Some(Compacted { records: step.records, dead_segments }))
    }

    /// Compacts a vault that has become too scattered to wait. That it cannot be done now is no reason to refuse what
    /// was saved.
    pub(crate) async fn compact_now(&self, number: u64) {
        if let Err(error) = self.rewrite(number).await {
            tracing::warn!(cause = %error, "a vault was not compacted");
        }
    }

    async fn schedule_changed(&self, now_ms: u64) -> Result<(), StoreError> {
        const ANY: &str = "SELECT 1 FROM vault WHERE compact_at_ms = 0 LIMIT 1";
        if sql::row(self.database(), "looking for changed vaults", ANY, []).await?.is_none() {
            return Ok(());
        }
        let update = format!(
            "UPDATE vault SET compact_at_ms = $1 + (vault_number * 7919) % $2 WHERE vault_number IN \
             (SELECT vault_number FROM vault WHERE compact_at_ms = 0 LIMIT $3{})",
            sql::skip_locked(self.database())
        );
        let times = [now_ms + milliseconds(WAIT), milliseconds(SPREAD), SCHEDULED_TOGETHER];
        let transaction = self.begin().await?;
        sql::execute(&*transaction, "scheduling compactions", &update, times.map(sql::number)).await?;
        transaction.commit().await
    }

    /// The vault is this node's until the lease ends. A time further ahead than any that is ever set was set by a clock
    /// that was wrong.
    async fn claim_due(&self, now_ms: u64) -> Result<Option<Claimed>, StoreError> {
        let furthest_ms = now_ms + milliseconds(WAIT + SPREAD);
        let due = "(compact_at_ms >= 1 AND compact_at_ms <= $1) OR compact_at_ms > $2";
        let select = format!("SELECT vault_number FROM vault WHERE {due} ORDER BY compact_at_ms LIMIT 1");
        let values = || [sql::number(now_ms), sql::number(furthest_ms)];
        if sql::row(self.database(), "looking for a vault to compact", &select, values()).await?.is_none() {
            return Ok(None);
        }
        let claim = format!(
            "UPDATE vault SET compact_at_ms = $3 WHERE vault_number = ({select}{}) RETURNING vault_number, head_seq",
            sql::skip_locked(self.database())
        );
        let [now, furthest] = values();
        let lease = sql::number(now_ms + milliseconds(LEASE));
        let transaction = self.begin().await?;
        let row =
            sql::row(&*transaction, "claiming a vault to compact", &claim, [now, furthest, lease]).await?;
        transaction.commit().await?;
        row.map(|row| Ok(Claimed { number: row.number(0)?, head_seq: row.number(1)? })).transpose()
    }

    async fn fragments(&self, number: u64) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT fragments FROM vault WHERE vault_number = $1";
        let row =
            sql::row(self.database(), "reading how scattered a vault is", SELECT, [sql::number(number)]);
        row.await?.map_or(Ok(0), |row| row.number(0))
    }

    /// Writes scattered records anew, up to a bound.
    async fn rewrite(&self, number: u64) -> Result<Step, StoreError> {
        let seen = self.fragments(number).await?;
        let usage = self.usage(number).await?;
        let (chosen, complete) = one_step(&usage, &chosen(&usage));
        let mut moving = self.live_in(number, &chosen).await?;
        // What was saved together is pulled together.
        moving.sort_unstable_by(|one, other| (one.seq, &one.object_id).cmp(&(other.seq, &other.object_id)));
        let mut rest = moving.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_length(rest));
            self.move_together(number, batch).await?;
            rest = later;
        }
        self.forget_fragments(number, seen).await?;
        Ok(Step { records: moving.len() as u64, complete })
    }

    async fn usage(&self, number: u64) -> Result<Vec<Usage>, StoreError> {
        const SELECT: &str = "SELECT s.segment_number, s.object_key IS NOT NULL, s.bytes, \
             CAST(COALESCE(SUM(o.length), 0) AS BIGINT) \
             FROM segment s LEFT JOIN object o ON o.segment_number = s.segment_number \
             WHERE s.vault_number = $1 AND s.dead_since_ms IS NULL GROUP BY s.segment_number";
        let rows = sql::rows(self.database(), "adding up segments", SELECT, [sql::number(number)]).await?;
        let usage = |row: &QueryResult| {
            Ok(Usage {
                number: row.number(0)?,
                is_object: row.column(1)?,
                bytes: row.number(2)?,
                live_bytes: row.number(3)?,
            })
        };
        rows.iter().map(usage).collect()
    }

    async fn live_in(&self, number: u64, segments: &BTreeSet<u64>) -> Result<Vec<Moving>, StoreError> {
        let mut moving = Vec::new();
        let segments: Vec<u64> = segments.iter().copied().collect();
        for some in segments.chunks(BATCH) {
            let query = format!(
                "SELECT object_id, seq, segment_number, segment_offset, length FROM object \
                 WHERE vault_number = $1 AND segment_number IN ({})",
                sql::placeholders(2, some.len())
            );
            let values = std::iter::once(number).chain(some.iter().copied()).map(sql::number);
            for row in sql::rows(self.database(), "listing live records", &query, values).await? {
                let from = Place::from_columns(&row, 2)?;
                moving.push(Moving { object_id: row.column(0)?, seq: row.number(1)?, from });
            }
        }
        Ok(moving)
    }

    async fn move_together(&self, number: u64, batch: &[Moving]) -> Result<(), StoreError> {
        let mut places: Vec<Place> = batch.iter().map(|moving| moving.from).collect();
        places.sort_unstable();
        let records: HashMap<Place, Bytes> = self.records_at(&places).await?.into_iter().collect();
        let ordered: Vec<&Bytes> = batch.iter().map(|moving| &records[&moving.from]).collect();
        let (segments, placements) = segment::write_all(&self.inner().objects, &ordered).await?;

        let transaction = self.begin().await?;
        lock_vault(&*transaction, number).await?;
        let mut numbers = Vec::with_capacity(segments.len());
        for segment in segments {
            numbers.push(write::insert_segment(&*transaction, number, segment).await?);
        }
        let mut moves = batch.iter().zip(&placements).map(|(moving, to)| {
            let Moving { object_id, from, .. } = moving;
            [
                sql::number(number),
                object_id.clone().into(),
                sql::number(from.segment_number),
                sql::number(from.offset),
                sql::number(numbers[to.segment]),
                sql::number(to.offset),
            ]
        });
        sql::insert_all(&*transaction, "moving records", MOVE_HEAD, MOVE_TAIL, &mut moves).await?;
        transaction.commit().await
    }

    /// Of the fragments that were there before, none is left.
    async fn forget_fragments(&self, number: u64, seen: u64) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE vault SET fragments = CASE WHEN fragments > $2 THEN fragments - $2 ELSE 0 END \
             WHERE vault_number = $1 AND fragments > 0";
        if seen == 0 {
            return Ok(());
        }
        let transaction = self.begin().await?;
        let values = [sql::number(number), sql::number(seen)];
        sql::execute(&*transaction, "noting that a vault is compact", UPDATE, values).await?;
        transaction.commit().await
    }

    /// Marks what is dead, and the vault as one to come back to: for the rest, for what was pushed meanwhile, or only after
    /// its next change. How many segments died.
    async fn finish(&self, claimed: &Claimed, step: &Step, now_ms: u64) -> Result<u64, StoreError> {
        const MARK: &str = "UPDATE segment SET dead_since_ms = $2 \
             WHERE vault_number = $1 AND dead_since_ms IS NULL \
             AND NOT EXISTS (SELECT 1 FROM object o WHERE o.segment_number = segment.segment_number)";
        const DONE: &str = "UPDATE vault SET compact_at_ms = CASE WHEN head_seq = $2 THEN $3 ELSE COALESCE($3, 0) END \
             WHERE vault_number = $1";
        let Claimed { number, head_seq } = *claimed;
        let transaction = self.begin().await?;
        lock_vault(&*transaction, number).await?;
        let values = [sql::number(number), sql::number(now_ms)];
        let dead = sql::execute(&*transaction, "marking dead segments", MARK, values).await?;
        let rest = if step.complete { Value::BigInt(None) } else { sql::number(SOON_MS) };
        let values = [sql::number(number), sql::number(head_seq), rest];
        sql::execute(&*transaction, "finishing a compaction", DONE, values).await?;
        transaction.commit().await?;
        Ok(dead)
    }
}

/// An object that was changed meanwhile lies elsewhere by now and is left alone.
const MOVE_HEAD: &str =
    "WITH moved (vault_number, object_id, from_segment, from_offset, to_segment, to_offset) AS (VALUES";
const MOVE_TAIL: &str = ") UPDATE object SET segment_number = moved.to_segment, segment_offset = moved.to_offset \
     FROM moved WHERE object.vault_number = moved.vault_number AND object.object_id = moved.object_id \
     AND object.segment_number = moved.from_segment AND object.segment_offset = moved.from_offset";

/// As a push does with its compare-and-swap: whoever changes a vault's objects has its row.
async fn lock_vault<C: ConnectionTrait>(transaction: &C, number: u64) -> Result<(), StoreError> {
    let query = format!("SELECT 1 FROM vault WHERE vault_number = $1{}", sql::for_update(transaction));
    let row = sql::row(transaction, "locking a vault", &query, [sql::number(number)]).await?;
    row.map(drop).ok_or(StoreError::NotFound)
}

/// Which segments are written anew.
fn chosen(usage: &[Usage]) -> BTreeSet<u64> {
    let live = || usage.iter().filter(|segment| segment.live_bytes > 0);
    let objects = || live().filter(|segment| segment.is_object);
    let inline = || live().filter(|segment| !segment.is_object);
    let whole = |segment: &&Usage| segment.live_bytes == segment.bytes;

    let mut chosen: BTreeSet<u64> = objects().filter(|s| !whole(s)).map(|segment| segment.number).collect();
    let small: Vec<u64> =
        objects().filter(whole).filter(|s| s.bytes < LARGE_BYTES).map(|segment| segment.number).collect();
    if small.len() > MAX_SMALL {
        chosen.extend(small);
    }
    let inline_bytes: u64 = inline().map(|segment| segment.live_bytes).sum();
    if !chosen.is_empty() || inline_bytes > MAX_INLINE_TOGETHER_BYTES {
        chosen.extend(inline().map(|segment| segment.number));
    }
    chosen
}

/// As many of the chosen segments as may be written anew at once, and whether that is all of them.
fn one_step(usage: &[Usage], chosen: &BTreeSet<u64>) -> (BTreeSet<u64>, bool) {
    let mut bytes = 0;
    let mut step = BTreeSet::new();
    for segment in usage.iter().filter(|segment| chosen.contains(&segment.number)) {
        if bytes >= STEP_BYTES {
            return (step, false);
        }
        bytes += segment.live_bytes;
        step.insert(segment.number);
    }
    (step, true)
}

/// How many of the next records are brought together: at least one.
fn batch_length(moving: &[Moving]) -> usize {
    let mut bytes = 0;
    let full = moving.iter().position(|moving| {
        bytes += u64::from(moving.from.length);
        bytes > BATCH_BYTES
    });
    full.unwrap_or(moving.len()).max(1)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u64, bytes: u64, live_bytes: u64) -> Usage {
        Usage { number, is_object: true, bytes, live_bytes }
    }

    fn inline(number: u64, bytes: u64) -> Usage {
        Usage { number, is_object: false, bytes, live_bytes: bytes }
    }

    #[test]
    fn only_what_is_scattered_or_partly_dead_is_written_anew() {
        const NONE: [u64; 0] = [];
        let chosen = |usage: &[Usage]| chosen(usage).into_iter().collect::<Vec<_>>();
        assert_eq!(chosen(&[]), NONE);
        assert_eq!(
            chosen(&[object(1, 100, 0), inline(2, 900)]),
            NONE,
            "what is all dead has nothing to move"
        );
        assert_eq!(chosen(&[object(1, 9 << 20, 9 << 20), object(2, 8 << 20, (8 << 20) - 1)]), [2]);
        let small = |number| object(number, 1 << 20, 1 << 20);
        assert_eq!(chosen(&[small(1), small(2), object(3, 5 << 20, 5 << 20)]), NONE);
        assert_eq!(chosen(&[small(1), small(2), small(3), object(4, 5 << 20, 5 << 20)]), [1, 2, 3]);
        assert_eq!(chosen(&[inline(1, 40_000), inline(2, 20_000)]), NONE);
        assert_eq!(chosen(&[inline(1, 40_000), inline(2, 40_000), small(3)]), [1, 2]);
        assert_eq!(chosen(&[inline(1, 10), object(2, 100, 99)]), [1, 2], "an object is written anyway");
    }

    #[test]
    fn a_large_vault_is_written_in_steps() {
        let usage: Vec<_> = (0..100).map(|number| object(number, 8 << 20, 7 << 20)).collect();
        let mut left = chosen(&usage);
        let mut steps = 0;
        loop {
            let (step, complete) = one_step(&usage, &left);
            assert!(step.len() <= 10 && !step.is_empty());
            left.retain(|number| !step.contains(number));
            steps += 1;
            if complete {
                break;
            }
        }
        assert_eq!((left.len(), steps), (0, 10));
    }
}
