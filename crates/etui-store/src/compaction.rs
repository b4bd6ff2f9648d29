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
    Store, StoreError, notice,
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
/// `compact_at_ms` of a vault that has changed and has no time yet.
const CHANGED_MS: u64 = 0;

/// How long a vault that has changed waits: the shortest, and at most so much longer, so that not all come at once.
const WAIT: Duration = Duration::from_hours(6 * 24);
const SPREAD: Duration = Duration::from_hours(24);
/// Another node may try again after so long: this one may be dead.
const LEASE: Duration = Duration::from_mins(10);
/// Records are brought together up to so many bytes, which are held in memory.
const BATCH_BYTES: u64 = 8 << 20;
/// … and so many, since all their rows are moved at once.
const BATCH_RECORDS: usize = 8192;
/// What is written anew in one go; of a larger vault, the rest comes at the next look.
const STEP_BYTES: u64 = 64 << 20;
/// … and so many records.
const STEP_RECORDS: u64 = 1 << 16;
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
    /// Live records.
    live: u64,
}

/// A vault that is this node's for a while.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    number: u64,
    /// Its newest commit when it was claimed.
    head_seq: u64,
    /// Whether every dead byte goes, as once a week, or only what is scattered.
    thorough: bool,
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
        let _one_at_a_time = self.inner().compacting.lock().await;
        self.schedule_changed(now_ms).await?;
        let Some(claimed) = self.claim_due(now_ms).await? else { return Ok(None) };
        let step = self.rewrite(claimed.number, claimed.thorough).await?;
        let dead_segments = self.finish(&claimed, &step, now_ms).await?;
        Ok(Some(Compacted { records: step.records, dead_segments }))
    }

    /// Compacts a vault that has become too scattered to wait. That it cannot be done now is no reason to refuse what
    /// was saved.
    pub(crate) async fn compact_now(&self, number: u64) {
        if let Err(error) = self.try_to_compact_now(number).await {
            notice::failure("a vault was not compacted", &error);
        }
    }

    async fn try_to_compact_now(&self, number: u64) -> Result<(), StoreError> {
        let _one_at_a_time = self.inner().compacting.lock().await;
        // Somebody may have done it while this one waited.
        if self.fragments(number).await? >= NOW_FRAGMENTS {
            self.rewrite(number, false).await?;
        }
        Ok(())
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
        let select = |what| format!("SELECT {what} FROM vault WHERE {due} ORDER BY compact_at_ms LIMIT 1");
        let values = || [sql::number(now_ms), sql::number(furthest_ms)];
        let looking = "looking for a vault to compact";
        let found = sql::row(self.database(), looking, &select("compact_at_ms"), values()).await?;
        let Some(found) = found else { return Ok(None) };
        let thorough = found.number(0)? != SOON_MS;
        let claim = format!(
            "UPDATE vault SET compact_at_ms = $3 WHERE vault_number = ({}{}) RETURNING vault_number, head_seq",
            select("vault_number"),
            sql::skip_locked(self.database())
        );
        let [now, furthest] = values();
        let lease = sql::number(now_ms + milliseconds(LEASE));
        let transaction = self.begin().await?;
        let row =
            sql::row(&*transaction, "claiming a vault to compact", &claim, [now, furthest, lease]).await?;
        transaction.commit().await?;
        row.map(|row| Ok(Claimed { number: row.number(0)?, head_seq: row.number(1)?, thorough })).transpose()
    }

    async fn fragments(&self, number: u64) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT fragments FROM vault WHERE vault_number = $1";
        let row =
            sql::row(self.database(), "reading how scattered a vault is", SELECT, [sql::number(number)]);
        row.await?.map_or(Ok(0), |row| row.number(0))
    }

    /// Writes scattered records anew, up to a bound.
    async fn rewrite(&self, number: u64, thorough: bool) -> Result<Step, StoreError> {
        let seen = self.fragments(number).await?;
        let mut usage = self.usage(number).await?;
        // Of what does not fit into one step, what is most scattered comes first.
        usage.sort_unstable_by_key(|segment| segment.live_bytes);
        let (chosen, complete) = one_step(&usage, &chosen(&usage, thorough));
        let mut moving = self.live_in(number, &chosen).await?;
        // What was saved together is pulled together.
        moving.sort_unstable_by(|one, other| (one.seq, &one.object_id).cmp(&(other.seq, &other.object_id)));
        let mut rest = moving.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_length(rest));
            self.move_together(number, batch).await?;
            rest = later;
        }
        if complete {
            self.forget_fragments(number, seen).await?;
        }
        Ok(Step { records: moving.len() as u64, complete })
    }

    async fn usage(&self, number: u64) -> Result<Vec<Usage>, StoreError> {
        const SELECT: &str = "SELECT s.segment_number, s.object_key IS NOT NULL, s.bytes, \
             CAST(COALESCE(SUM(o.length), 0) AS BIGINT), COUNT(o.object_id) \
             FROM segment s LEFT JOIN object o ON o.segment_number = s.segment_number \
             WHERE s.vault_number = $1 AND s.dead_since_ms IS NULL GROUP BY s.segment_number";
        let rows = sql::rows(self.database(), "adding up segments", SELECT, [sql::number(number)]).await?;
        let usage = |row: &QueryResult| {
            Ok(Usage {
                number: row.number(0)?,
                is_object: row.column(1)?,
                bytes: row.number(2)?,
                live_bytes: row.number(3)?,
                live: row.number(4)?,
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
        let records = self.copies(&places).await?;
        let ordered = batch
            .iter()
            .map(|moving| records.get(&moving.from).ok_or(LOST))
            .collect::<Result<Vec<_>, _>>()?;
        let (segments, placements) = segment::write_all(self.inner(), &ordered).await?;

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

    /// The records alone, without the dead bytes that were read with them.
    async fn copies(&self, places: &[Place]) -> Result<HashMap<Place, Bytes>, StoreError> {
        let mut records = HashMap::with_capacity(places.len());
        let mut rest = places;
        while !rest.is_empty() {
            let read = self.next_records(rest).await?;
            rest = &rest[read.len()..];
            records.extend(read.iter().map(|(place, record)| (*place, Bytes::copy_from_slice(record))));
        }
        Ok(records)
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

    /// Marks what is dead, and the vault as one to come back to: for the rest, for what was pushed meanwhile or passed over,
    /// or only after its next change. How many segments died.
    async fn finish(&self, claimed: &Claimed, step: &Step, now_ms: u64) -> Result<u64, StoreError> {
        const MARK: &str = "UPDATE segment SET dead_since_ms = $2 \
             WHERE vault_number = $1 AND dead_since_ms IS NULL \
             AND NOT EXISTS (SELECT 1 FROM object o WHERE o.segment_number = segment.segment_number)";
        const DONE: &str = "UPDATE vault SET compact_at_ms = CASE WHEN head_seq = $2 THEN $3 ELSE $4 END \
             WHERE vault_number = $1";
        let Claimed { number, head_seq, thorough } = *claimed;
        let again = match (step.complete, thorough) {
            (true, true) => Value::BigInt(None),
            (true, false) => sql::number(CHANGED_MS),
            // Due at once, and thorough still.
            (false, true) => sql::number(now_ms.max(SOON_MS + 1)),
            (false, false) => sql::number(SOON_MS),
        };
        let again_after_push = if step.complete { sql::number(CHANGED_MS) } else { again.clone() };
        let transaction = self.begin().await?;
        lock_vault(&*transaction, number).await?;
        let values = [sql::number(number), sql::number(now_ms)];
        let dead = sql::execute(&*transaction, "marking dead segments", MARK, values).await?;
        let values = [sql::number(number), sql::number(head_seq), again, again_after_push];
        sql::execute(&*transaction, "finishing a compaction", DONE, values).await?;
        transaction.commit().await?;
        Ok(dead)
    }
}

const LOST: StoreError = StoreError::Damaged { found: "a record that was not read with its neighbours" };

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

/// Which segments are written anew. A large object with few dead bytes only if it is to be thorough: else whoever edits
/// one entry in each would have all of it written again and again.
fn chosen(usage: &[Usage], thorough: bool) -> BTreeSet<u64> {
    let live = || usage.iter().filter(|segment| segment.live_bytes > 0);
    let (whole, partly_dead): (Vec<_>, Vec<_>) =
        live().partition(|segment| segment.live_bytes == segment.bytes);
    let worth_it = |segment: &&Usage| {
        thorough || segment.live_bytes < LARGE_BYTES || segment.live_bytes < segment.bytes / 4 * 3
    };
    let mut chosen: BTreeSet<u64> =
        partly_dead.into_iter().filter(worth_it).map(|segment| segment.number).collect();
    let small = whole.iter().filter(|segment| segment.is_object && segment.bytes < LARGE_BYTES);
    let small: Vec<u64> = small.map(|segment| segment.number).collect();
    if small.len() > MAX_SMALL {
        chosen.extend(small);
    }
    let inline = || live().filter(|segment| !segment.is_object);
    let inline_bytes: u64 = inline().map(|segment| segment.live_bytes).sum();
    if !chosen.is_empty() || inline_bytes > MAX_INLINE_TOGETHER_BYTES {
        chosen.extend(inline().map(|segment| segment.number));
    }
    chosen
}

/// As many of the chosen segments as may be written anew at once, and whether that is all of them.
fn one_step(usage: &[Usage], chosen: &BTreeSet<u64>) -> (BTreeSet<u64>, bool) {
    let (mut bytes, mut records) = (0, 0);
    let mut step = BTreeSet::new();
    for segment in usage.iter().filter(|segment| chosen.contains(&segment.number)) {
        if bytes >= STEP_BYTES || records >= STEP_RECORDS {
            return (step, false);
        }
        bytes += segment.live_bytes;
        records += segment.live;
        step.insert(segment.number);
    }
    (step, true)
}

/// How many of the next records are brought together: at least one.
fn batch_length(moving: &[Moving]) -> usize {
    let mut bytes = 0;
    let full = moving.iter().take(BATCH_RECORDS).position(|moving| {
        bytes += u64::from(moving.from.length);
        bytes > BATCH_BYTES
    });
    full.unwrap_or(moving.len().min(BATCH_RECORDS)).max(1)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u64, bytes: u64, live_bytes: u64) -> Usage {
        Usage { number, is_object: true, bytes, live_bytes, live: live_bytes / 1000 }
    }

    fn inline(number: u64, bytes: u64) -> Usage {
        Usage { number, is_object: false, bytes, live_bytes: bytes, live: 1 }
    }

    #[test]
    fn only_what_is_scattered_or_partly_dead_is_written_anew() {
        const NONE: [u64; 0] = [];
        let thorough = |usage: &[Usage]| chosen(usage, true).into_iter().collect::<Vec<_>>();
        let quick = |usage: &[Usage]| chosen(usage, false).into_iter().collect::<Vec<_>>();
        for chosen in [thorough, quick] {
            assert_eq!(chosen(&[]), NONE);
            let dead = [object(1, 100, 0), inline(2, 900)];
            assert_eq!(chosen(&dead), NONE, "what is all dead has nothing to move");
            let small = |number| object(number, 1 << 20, 1 << 20);
            let large = object(9, 5 << 20, 5 << 20);
            assert_eq!(chosen(&[small(1), small(2), large]), NONE);
            assert_eq!(chosen(&[small(1), small(2), small(3), large]), [1, 2, 3]);
            assert_eq!(chosen(&[inline(1, 40_000), inline(2, 20_000)]), NONE);
            assert_eq!(chosen(&[inline(1, 40_000), inline(2, 40_000), small(3)]), [1, 2]);
            assert_eq!(chosen(&[inline(1, 10), object(2, 100, 99)]), [1, 2], "an object is written anyway");
            let partly_dead = Usage { live_bytes: 5, ..inline(1, 10) };
            assert_eq!(chosen(&[partly_dead]), [1], "rows are backed up too");
            assert_eq!(chosen(&[object(1, 8 << 20, 5 << 20)]), [1], "more than a quarter is dead");
        }
        let nearly_whole = [object(1, 8 << 20, (8 << 20) - 1)];
        assert_eq!((thorough(&nearly_whole), quick(&nearly_whole)), (vec![1], vec![]));
    }

    #[test]
    fn a_large_vault_is_written_in_steps() {
        for live in [1, 30_000] {
            let usage = (0..100).map(|number| Usage { live, ..object(number, 8 << 20, 7 << 20) });
            let usage: Vec<_> = usage.collect();
            let mut left = chosen(&usage, true);
            let mut steps = 0;
            loop {
                let (step, complete) = one_step(&usage, &left);
                assert!(!step.is_empty());
                left.retain(|number| !step.contains(number));
                steps += 1;
                if complete {
                    break;
                }
            }
            assert_eq!((left.len(), steps), (0, if live == 1 { 10 } else { 34 }));
        }
    }
}
