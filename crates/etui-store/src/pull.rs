//! What devices fetch: streamed, in bounded memory, and true of one moment.

use std::{collections::HashMap, iter::Peekable, ops::Range, vec};

use bytes::Bytes;
use etui_api::{
    frame::{Frame, FrameWriter},
    limits::MAX_COMMITS_PER_ANSWER,
    sync::{PullHeader, encode_header},
};
use etui_chain::{AccountId, Head, ObjectId, VaultId};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sea_orm::QueryResult;

use crate::{
    Authority, Store, StoreError,
    metrics::Pull,
    reader::{Reading, slice},
    segment::{ObjectKey, Stored},
    sql::{self, Columns as _},
};

/// Encoded frames, in chunks of about 64 KiB, from the header (where the answer has one) to the end.
pub type FrameStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// A chunk is handed on once it has so many bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// Records are fetched together from up to so many segments: the number of parameters of one statement.
const WINDOW_SEGMENTS: usize = 128;
/// Rows read at a time.
const PAGE_ROWS: u64 = 512;

impl Store {
    /// The answer to `GET …/changes`, as [`PullHeader`] describes it: the header, and all of it as encoded frames.
    ///
    /// Commits and segments never change, so only the header and the list of objects have to be read at one moment;
    /// the records follow while others push.
    ///
    /// # Errors
    /// `NotFound` for a vault that the account never had; the stream may fail later.
    pub async fn changes(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        after: u64,
    ) -> Result<(PullHeader, FrameStream), StoreError> {
        let mut listing = Listing::after(after);
        let (vault_number, header) = loop {
            let rows = self.next_page(authority.account_id(), vault_id, &listing).await?;
            for row in &rows {
                listing.add(row)?;
            }
            if (rows.len() as u64) < PAGE_ROWS {
                break header(rows.last())?;
            }
        };
        let until = header.head.seq;
        self.inner().metrics.pulled(match after {
            0 => Pull::Whole,
            _ if after >= until => Pull::Nothing,
            _ => Pull::Delta,
        });
        let last = if after == 0 { until.saturating_sub(1) } else { after };
        let mut answer = Answer::new(self, &[Frame::Header(encode_header(&header))]);
        answer.history = History::Commits { vault_number, last, until };
        answer.records = listing.into_places();
        Ok((header, answer.into_stream()))
    }

    /// The answer to `GET …/commits`: the commits after the one given, and the end.
    ///
    /// # Errors
    /// `NotFound` for a vault that the account never had; the stream may fail later.
    pub async fn commits(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        after: u64,
    ) -> Result<FrameStream, StoreError> {
        let (vault_number, header) = self.pull_header(authority.account_id(), vault_id).await?;
        let until = after.saturating_add(MAX_COMMITS_PER_ANSWER as u64).min(header.head.seq);
        let mut answer = Answer::new(self, &[]);
        answer.history = History::Commits { vault_number, last: after, until };
        Ok(answer.into_stream())
    }

    /// The record of a live object.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn record(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        object_id: ObjectId,
    ) -> Result<Option<Bytes>, StoreError> {
        const SELECT: &str = "SELECT o.segment_offset, o.length, s.object_key, s.inline, s.bytes FROM vault v \
             JOIN object o ON o.vault_number = v.vault_number AND o.object_id = $3 \
             JOIN segment s ON s.segment_number = o.segment_number \
             WHERE v.account_id = $1 AND v.vault_id = $2";
        let values = [sql::id(authority.account_id()), sql::id(vault_id), sql::id(object_id)];
        let Some(row) = sql::row(self.database(), "reading a record", SELECT, values).await? else {
            return Ok(None);
        };
        let offset = row.number(0)?;
        let range = offset..offset + row.number(1)?;
        self.inner().reader.count_records(1);
        self.inner().reader.read(&stored(&row, 2)?, range).await.map(Some)
    }

    /// The vault's number, its head and the account's newest state.
    async fn pull_header(
        &self,
        account_id: AccountId,
        vault_id: VaultId,
    ) -> Result<(u64, PullHeader), StoreError> {
        const SELECT: &str = "SELECT v.vault_number, v.head_seq, v.head_hash, a.state_version, a.state_hash \
             FROM vault v JOIN account a ON a.account_id = v.account_id \
             WHERE v.account_id = $1 AND v.vault_id = $2";
        let values = [sql::id(account_id), sql::id(vault_id)];
        let row = sql::row(self.database(), "reading a vault's head", SELECT, values).await?;
        header(row.as_ref())
    }

    /// The next rows of a listing, each with the header of that moment; one row without an object if there are none.
    async fn next_page(
        &self,
        account_id: AccountId,
        vault_id: VaultId,
        listing: &Listing,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let query = format!(
            "SELECT v.vault_number, v.head_seq, v.head_hash, a.state_version, a.state_hash, \
             o.seq, o.object_id, o.segment_number, o.segment_offset, o.length \
             FROM vault v JOIN account a ON a.account_id = v.account_id \
             LEFT JOIN object o ON o.vault_number = v.vault_number AND (o.seq, o.object_id) > ($3, $4) \
             WHERE v.account_id = $1 AND v.vault_id = $2 ORDER BY o.seq, o.object_id LIMIT {PAGE_ROWS}"
        );
        let values = [
            sql::id(account_id),
            sql::id(vault_id),
            sql::number(listing.last_seq),
            listing.last_id.clone().into(),
        ];
        sql::rows(self.database(), "listing changed objects", &query, values).await
    }

    /// The records at the first of these places, which are sorted: as many as are fetched together, and at least one.
    /// Each holds on to the whole of what was read with it, dead bytes between them included, which is bounded.
    ///
    /// # Errors
    /// `Database`, `Blobs`, `Unavailable`, `Damaged`.
    pub(crate) async fn next_records(&self, places: &[Place]) -> Result<Vec<(Place, Bytes)>, StoreError> {
        let reader = &self.inner().reader;
        let window = &places[..window_length(places, reader.how())];
        let segments = self.segments(window).await?;
        let mut records = Vec::with_capacity(window.len());
        for run in window.chunk_by(|earlier, later| earlier.reads_with(later, reader.how().gap_bytes)) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let stored = segments.get(&first.segment_number).ok_or(DAMAGED_SEGMENT)?;
            let bytes = reader.read(stored, first.offset..last.range().end).await?;
            reader.count_records(run.len());
            for place in run {
                let Range { start, end } = place.range();
                records.push((*place, slice(&bytes, &(start - first.offset..end - first.offset))?));
            }
        }
        Ok(records)
    }

    async fn segments(&self, places: &[Place]) -> Result<HashMap<u64, Stored>, StoreError> {
        let mut numbers: Vec<u64> = places.iter().map(|place| place.segment_number).collect();
        numbers.dedup();
        // One statement for all numbers of segments from two on: what is asked twice is answered once.
        let most = numbers.len() as u64;
        if most > 1 {
            numbers.resize(WINDOW_SEGMENTS, numbers[0]);
        }
        let query = format!(
            "SELECT segment_number, object_key, inline, bytes FROM segment WHERE segment_number IN ({})",
            sql::placeholders(1, numbers.len())
        );
        let values = numbers.into_iter().map(sql::number);
        let rows = sql::rows_up_to(self.database(), "reading segments", &query, values, most).await?;
        rows.iter().map(|row| Ok((row.number(0)?, stored(row, 1)?))).collect()
    }
}

/// From the columns `vault_number, head_seq, head_hash, state_version, state_hash`.
fn header(row: Option<&QueryResult>) -> Result<(u64, PullHeader), StoreError> {
    let row = row.ok_or(StoreError::NotFound)?;
    let head = Head { seq: row.number(1)?, hash: row.digest(2)? };
    let header = PullHeader { state_version: row.number(3)?, state_hash: row.digest(4)?, head };
    Ok((row.number(0)?, header))
}

/// Where the record of an object lies. Sorted by segment and offset, neighbours are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) segment_number: u64,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl Place {
    /// From the columns `segment_number, segment_offset, length` of an object that is not purged.
    pub(crate) fn from_columns(row: &QueryResult, first: usize) -> Result<Self, StoreError> {
        let length = u32::try_from(row.number(first + 2)?).map_err(|_| DAMAGED_SEGMENT)?;
        Ok(Self { segment_number: row.number(first)?, offset: row.number(first + 1)?, length })
    }

    fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.length)
    }

    fn reads_with(&self, later: &Self, gap_bytes: u64) -> bool {
        self.segment_number == later.segment_number
            && later.offset.saturating_sub(self.range().end) <= gap_bytes
    }
}

/// The live objects that changed after a commit, in the order in which they changed last.
///
/// A push moves what it changes to the end. So the listing is true of the head that was read together with its last
/// page, whatever was pushed between the pages.
struct Listing {
    last_seq: u64,
    last_id: Vec<u8>,
    places: HashMap<ObjectId, Place>,
}

impl Listing {
    fn after(seq: u64) -> Self {
        Self { last_seq: seq, last_id: vec![0xff; 16], places: HashMap::new() }
    }

    /// From the columns `seq, object_id, segment_number, segment_offset, length` behind those of the header.
    fn add(&mut self, row: &QueryResult) -> Result<(), StoreError> {
        let Some(seq) = row.column::<Option<i64>>(5)? else { return Ok(()) };
        self.last_seq = seq.cast_unsigned();
        self.last_id = row.column(6)?;
        let object_id = row.id(6)?;
        // A purged one has no segment.
        if row.column::<Option<i64>>(7)?.is_some() {
            self.places.insert(object_id, Place::from_columns(row, 7)?);
        } else {
            self.places.remove(&object_id);
        }
        Ok(())
    }

    /// Sorted, so that neighbours in a segment are read together.
    fn into_places(self) -> vec::IntoIter<Place> {
        let mut places: Vec<Place> = self.places.into_values().collect();
        places.sort_unstable();
        places.into_iter()
    }
}

/// An answer while it is being sent: first frames, then history, then records, then the end.
pub(crate) struct Answer {
    store: Store,
    writer: FrameWriter,
    history: History,
    records: vec::IntoIter<Place>,
    /// Records that were read together and are not written yet.
    fetched: vec::IntoIter<(Place, Bytes)>,
}

/// Signed things that are read in pages. `last` is the last one sent.
enum History {
    None,
    Commits { vault_number: u64, last: u64, until: u64 },
    States { account_id: AccountId, last: u64, until: u64, named: Peekable<vec::IntoIter<(u64, Vec<u8>)>> },
}

impl Answer {
    /// States up to `until`, each behind the records it brings.
    pub(crate) fn states(
        store: &Store,
        account_id: AccountId,
        frames: &[Frame],
        named: Vec<(u64, Vec<u8>)>,
        last: u64,
        until: u64,
    ) -> Self {
        let named = named.into_iter().peekable();
        Self { history: History::States { account_id, last, until, named }, ..Self::new(store, frames) }
    }

    pub(crate) fn into_stream(self) -> FrameStream {
        stream::try_unfold(Some(self), |answer| async {
            let Some(mut answer) = answer else { return Ok(None) };
            if answer.fill().await? {
                let chunk = answer.writer.take().into();
                Ok(Some((chunk, Some(answer))))
            } else {
                Ok(Some((answer.writer.finish().into(), None)))
            }
        })
        .boxed()
    }

    fn new(store: &Store, frames: &[Frame]) -> Self {
        let mut writer = FrameWriter::new();
        for frame in frames {
            writer.push(frame);
        }
        Self {
            store: store.clone(),
            writer,
            history: History::None,
            records: Vec::new().into_iter(),
            fetched: Vec::new().into_iter(),
        }
    }

    /// Writes frames until there is a chunk; `false` once there are no more.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        while self.writer.len() < CHUNK_BYTES {
            if !self.write_history().await? && !self.write_records().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn write_history(&mut self) -> Result<bool, StoreError> {
        match &mut self.history {
            History::Commits { vault_number, last, until } if *last < *until => {
                let rows = page_of_commits(&self.store, *vault_number, *last, *until).await?;
                if rows.is_empty() {
                    return Err(DAMAGED_HISTORY);
                }
                // Each row is let go of once its bytes are out: that of an import has most of a megabyte.
                for row in rows {
                    *last = row.number(0)?;
                    let body: Vec<u8> = row.column(1)?;
                    drop(row);
                    self.writer.push(&Frame::Commit(body));
                }
                Ok(true)
            }
            History::States { account_id, last, until, named } if *last < *until => {
                let version = *last + 1;
                let state = state_body(&self.store, *account_id, version).await?;
                while let Some((first_version, body)) = named.next_if(|(first, _)| *first <= version) {
                    if first_version == version {
                        self.writer.push(&Frame::NamedRecord(body));
                    }
                }
                self.writer.push(&Frame::State(state));
                *last = version;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn write_records(&mut self) -> Result<bool, StoreError> {
        if self.fetched.as_slice().is_empty() && !self.records.as_slice().is_empty() {
            let fetched = self.store.next_records(self.records.as_slice()).await?;
            self.records.by_ref().take(fetched.len()).for_each(drop);
            self.fetched = fetched.into_iter();
        }
        let Some((_, record)) = self.fetched.next() else { return Ok(false) };
        self.writer.push(&Frame::Record(record));
        Ok(true)
    }
}

const DAMAGED_SEGMENT: StoreError = StoreError::Damaged { found: "a record that its segment does not hold" };
const DAMAGED_HISTORY: StoreError = StoreError::Damaged { found: "a gap among commits or states" };

/// A few at a time: a commit of a large import takes megabytes, most take hundreds of bytes.
async fn page_of_commits(
    store: &Store,
    vault_number: u64,
    last: u64,
    until: u64,
) -> Result<Vec<QueryResult>, StoreError> {
    const SELECT: &str = "SELECT seq, body FROM vault_commit \
         WHERE vault_number = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 16";
    let values = [sql::number(vault_number), sql::number(last), sql::number(until)];
    sql::rows_up_to(store.database(), "reading commits", SELECT, values, until - last).await
}

async fn state_body(store: &Store, account_id: AccountId, version: u64) -> Result<Vec<u8>, StoreError> {
    const SELECT: &str = "SELECT body FROM account_state WHERE account_id = $1 AND version = $2";
    let values = [sql::id(account_id), sql::number(version)];
    let row = sql::row(store.database(), "reading a state", SELECT, values).await?;
    row.ok_or(DAMAGED_HISTORY)?.column(0)
}

/// How many of the next records are fetched together: at least one, while there are any. What counts is what is read,
/// and not what of it is alive.
fn window_length(places: &[Place], how: Reading) -> usize {
    let (mut bytes, mut segments) = (0, 0);
    let mut before: Option<&Place> = None;
    let full = places.iter().position(|place| {
        bytes += match before.filter(|before| before.reads_with(place, how.gap_bytes)) {
            Some(before) => place.range().end.saturating_sub(before.range().end),
            None => u64::from(place.length),
        };
        segments += usize::from(before.is_none_or(|before| before.segment_number != place.segment_number));
        before = Some(place);
        bytes > how.window_bytes || segments > WINDOW_SEGMENTS
    });
    full.unwrap_or(places.len()).max(usize::from(!places.is_empty()))
}

/// From the columns `object_key, inline, bytes`.
fn stored(row: &QueryResult, column: usize) -> Result<Stored, StoreError> {
    if let Some(key) = row.column::<Option<Vec<u8>>>(column)? {
        return Ok(Stored::Object { key: ObjectKey(key), bytes: row.number(column + 2)? });
    }
    let inline: Option<Vec<u8>> = row.column(column + 1)?;
    inline.map(|bytes| Stored::Inline(bytes.into())).ok_or(DAMAGED_SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_together_is_bounded_dead_bytes_included() {
        let how = Reading::bucket(0);
        // A small record, a dead one that fits a gap, and so on.
        let step = 136 + how.gap_bytes;
        let places: Vec<_> =
            (0..10_000).map(|index| Place { segment_number: 1, offset: index * step, length: 136 }).collect();
        let mut rest = places.as_slice();
        while !rest.is_empty() {
            let window = &rest[..window_length(rest, how)];
            let read = window[window.len() - 1].range().end - window[0].offset;
            assert!(read <= how.window_bytes + 136, "{read}");
            rest = &rest[window.len()..];
        }
        assert_eq!(window_length(&[Place { length: 2 << 20, ..places[0] }], how), 1, "a large one alone");
        assert_eq!(window_length(&[], how), 0);
        let apart: Vec<_> = (0..1000).map(|number| Place { segment_number: number, ..places[0] }).collect();
        assert_eq!(window_length(&apart, how), WINDOW_SEGMENTS);
    }
}
