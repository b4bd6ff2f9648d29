//! Segments: the records of one push, one after the other, as one immutable string of bytes.
//!
//! A small one lies inline in its row, so that saving one entry costs one synchronised write and no file; a larger one
//! is an object under a random key in the object store, durable before the row that names it is written.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};

use crate::{StoreError, random_bytes, store::Inner};

/// Up to this many bytes lie inline.
pub(crate) const MAX_INLINE_BYTES: usize = 16 << 10;
/// A segment ends at the record that passes this many bytes.
const TARGET_SEGMENT_BYTES: usize = 32 << 20;
/// Folder of the object store that holds segments and nothing else.
const FOLDER: &str = "segments";

/// A segment that no row names yet.
#[derive(Debug)]
pub(crate) struct NewSegment {
    pub(crate) stored: Stored,
    pub(crate) bytes: u64,
}

/// Where the bytes of a segment lie.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Inline(Bytes),
    /// In the object store, so many bytes long.
    Object {
        key: ObjectKey,
        bytes: u64,
    },
}

/// Where a record lies: in which of the new segments, from where, how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) segment: usize,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The random name of a segment in the object store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey(pub(crate) Vec<u8>);

impl ObjectKey {
    fn random() -> Result<Self, StoreError> {
        Ok(Self(random_bytes()?.to_vec()))
    }

    /// Its path in the object store.
    pub(crate) fn path(&self) -> Path {
        Path::from_iter([FOLDER, &HEXLOWER.encode(&self.0)])
    }

    /// The key of a path; `None` if no segment has such a path.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        HEXLOWER.decode(path.filename()?.as_bytes()).ok().filter(|bytes| bytes.len() == 16).map(Self)
    }
}

/// The path under which every segment lies.
pub(crate) fn folder() -> Path {
    Path::from(FOLDER)
}

/// Stores records as new segments. When this returns, what does not lie inline is durable.
pub(crate) async fn write_all(
    store: &Inner,
    records: &[&Bytes],
) -> Result<(Vec<NewSegment>, Vec<Placement>), StoreError> {
    let mut segments = Vec::new();
    let mut placements = Vec::with_capacity(records.len());
    let mut rest = records;
    while !rest.is_empty() {
        let (count, length) = first_segment(rest);
        let (these, after) = rest.split_at(count);
        place(these, segments.len(), &mut placements);
        let bytes = join(these, length);
        segments.push(NewSegment { bytes: length as u64, stored: keep(&*store.objects, bytes).await? });
        rest = after;
    }
    store.metrics.records_written.inc_by(records.len() as u64);
    store.metrics.segments_written.inc_by(segments.len() as u64);
    Ok((segments, placements))
}

/// How many records go into the next segment, and their length together.
fn first_segment(records: &[&Bytes]) -> (usize, usize) {
    let mut length = 0;
    for (index, record) in records.iter().enumerate() {
        length += record.len();
        if length >= TARGET_SEGMENT_BYTES {
            return (index + 1, length);
        }
    }
    (records.len(), length)
}

fn place(records: &[&Bytes], segment: usize, placements: &mut Vec<Placement>) {
    let mut offset = 0;
    for record in records {
        let length = record.len() as u64;
        placements.push(Placement { segment, offset, length });
        offset += length;
    }
}

fn join(records: &[&Bytes], length: usize) -> Bytes {
    if let [only] = records {
        return Bytes::clone(only);
    }
    let mut bytes = Vec::with_capacity(length);
    for record in records {
        bytes.extend_from_slice(record);
    }
    bytes.into()
}

async fn keep(objects: &dyn ObjectStore, bytes: Bytes) -> Result<Stored, StoreError> {
    if bytes.len() <= MAX_INLINE_BYTES {
        return Ok(Stored::Inline(bytes));
    }
    let key = ObjectKey::random()?;
    let length = bytes.len() as u64;
    objects
        .put(&key.path(), PutPayload::from_bytes(bytes))
        .await
        .map_err(StoreError::blobs("writing a segment"))?;
    Ok(Stored::Object { key, bytes: length })
}
