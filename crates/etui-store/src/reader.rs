//! Reading ranges of segments: with few requests where each is one to a bucket, and what was read lately from memory.
//!
//! Segments never change and their names are never used again, so what is remembered is never wrong. It is sealed.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use object_store::ObjectStore;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    StoreError,
    metrics::Metrics,
    segment::{ObjectKey, Stored},
};

const DAMAGED_SEGMENT: StoreError = StoreError::Damaged { found: "a record that its segment does not hold" };

/// What is remembered comes in pieces of so many bytes.
const BLOCK_BYTES: u64 = BLOCK_SIZE as u64;
const BLOCK_SIZE: usize = 64 << 10;
/// What a remembered piece takes beside its bytes.
const BLOCK_OVERHEAD: u64 = 100;

/// How to read from one kind of object store.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "units stand in names")]
pub(crate) struct Reading {
    /// Records are fetched together up to so many bytes, all of which are held in memory.
    pub(crate) window_bytes: u64,
    /// Dead bytes between two records of a segment that are read rather than skipped.
    pub(crate) gap_bytes: u64,
    /// Bytes that are remembered; 0 for none.
    pub(crate) cache_bytes: u64,
}

impl Reading {
    /// A folder: a further read costs next to nothing, and the operating system remembers.
    pub(crate) const FOLDER: Self = Self { window_bytes: 128 << 10, gap_bytes: 8 << 10, cache_bytes: 0 };

    /// A bucket: a request takes milliseconds and is paid for.
    pub(crate) const fn bucket(cache_bytes: u64) -> Self {
        Self { window_bytes: 3 << 19, gap_bytes: 64 << 10, cache_bytes }
    }
}

/// Reads segments.
pub(crate) struct Reader {
    objects: Arc<dyn ObjectStore>,
    how: Reading,
    metrics: Metrics,
    cache: Option<Cache<Block, Bytes, ByBytes>>,
}

/// A piece of an object: which, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Block {
    key: ObjectKey,
    number: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Block, Bytes> for ByBytes {
    fn weight(&self, _block: &Block, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + BLOCK_OVERHEAD
    }
}

impl Reader {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, how: Reading, metrics: Metrics) -> Self {
        let pieces = usize::try_from(how.cache_bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
        let cache = (pieces > 0).then(|| Cache::with_weighter(pieces, how.cache_bytes, ByBytes));
        Self { objects, how, metrics, cache }
    }

    pub(crate) const fn how(&self) -> Reading {
        self.how
    }

    pub(crate) fn count_records(&self, count: usize) {
        self.metrics.records_read.inc_by(count as u64);
    }

    /// The bytes of a range of a segment.
    ///
    /// # Errors
    /// `Damaged` if the segment does not reach so far; `Blobs`, `Unavailable`.
    pub(crate) async fn read(&self, stored: &Stored, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.metrics.segments_read.inc();
        match (stored, &self.cache) {
            (Stored::Inline(bytes), _) => slice(bytes, &range),
            (Stored::Object { key, .. }, None) => self.fetch(key, range).await,
            (Stored::Object { key, bytes }, Some(cache)) => self.remembered(cache, key, *bytes, range).await,
        }
    }

    /// Lets go of all that is remembered.
    pub(crate) fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    async fn fetch(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, StoreError> {
        // A folder answers `get_ranges` in one step off the runtime, `get_range` in two.
        let bytes = self.objects.get_ranges(&key.path(), std::slice::from_ref(&range)).await;
        let bytes = bytes.map_err(StoreError::blobs("reading a segment"))?;
        slice(bytes.first().ok_or(DAMAGED_SEGMENT)?, &(0..range.end - range.start))
    }

    async fn remembered(
        &self,
        cache: &Cache<Block, Bytes, ByBytes>,
        key: &ObjectKey,
        object_bytes: u64,
        range: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        if range.end > object_bytes || range.is_empty() {
            return if range.is_empty() { Ok(Bytes::new()) } else { Err(DAMAGED_SEGMENT) };
        }
        let block = |number| Block { key: key.clone(), number };
        let last = (range.end - 1) / BLOCK_BYTES;
        let mut number = range.start / BLOCK_BYTES;
        let start = number * BLOCK_BYTES;
        let mut joined = BytesMut::new();
        while number <= last {
            let known = cache.get(&block(number));
            self.metrics.looked_up(known.is_some());
            if let Some(known) = known {
                joined.extend_from_slice(&known);
                number += 1;
                continue;
            }
            let known = |number: &u64| cache.get(&block(*number)).is_some();
            let until = (number + 1..=last).find(known).unwrap_or(last + 1);
            let end = (until * BLOCK_BYTES).min(object_bytes);
            let fetched = self.fetch(key, number * BLOCK_BYTES..end).await?;
            for piece in fetched.chunks(BLOCK_SIZE) {
                // A copy of its own: else the whole of what was fetched stays for as long as any piece does.
                cache.insert(block(number), Bytes::copy_from_slice(piece));
                number += 1;
            }
            joined.extend_from_slice(&fetched);
        }
        slice(&joined.freeze(), &(range.start - start..range.end - start))
    }
}

/// A part of bytes that are there.
pub(crate) fn slice(bytes: &Bytes, range: &Range<u64>) -> Result<Bytes, StoreError> {
    let start = usize::try_from(range.start).map_err(|_| DAMAGED_SEGMENT)?;
    let end = usize::try_from(range.end).map_err(|_| DAMAGED_SEGMENT)?;
    if start <= end && end <= bytes.len() { Ok(bytes.slice(start..end)) } else { Err(DAMAGED_SEGMENT) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::stream::BoxStream;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt as _,
        PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
    };
    use proptest::prelude::*;
    use sea_orm_migration::async_trait::async_trait;

    use super::*;

    /// Counts what is asked of a bucket.
    #[derive(Debug, Default)]
    struct Counting {
        objects: InMemory,
        requests: AtomicU64,
    }

    impl std::fmt::Display for Counting {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a bucket that counts")
        }
    }

    #[async_trait]
    impl ObjectStore for Counting {
        async fn put_opts(
            &self,
            location: &Path,
            payload: PutPayload,
            options: PutOptions,
        ) -> object_store::Result<PutResult> {
            self.objects.put_opts(location, payload, options).await
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            options: PutMultipartOptions,
        ) -> object_store::Result<Box<dyn MultipartUpload>> {
            self.objects.put_multipart_opts(location, options).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.objects.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, object_store::Result<Path>>,
        ) -> BoxStream<'static, object_store::Result<Path>> {
            self.objects.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            self.objects.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
            self.objects.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
            self.objects.copy_opts(from, to, options).await
        }
    }

    const OBJECT_BYTES: u64 = 5 * BLOCK_BYTES + 777;

    async fn bucket(cache_bytes: u64) -> (Arc<Counting>, Reader, Stored, Bytes) {
        let content: Bytes = (0..OBJECT_BYTES).map(|index| (index * 31 % 251) as u8).collect();
        let counting = Arc::new(Counting::default());
        let key = ObjectKey([7; 16].to_vec());
        counting.objects.put(&key.path(), PutPayload::from_bytes(content.clone())).await.unwrap();
        let objects: Arc<dyn ObjectStore> = Arc::<Counting>::clone(&counting);
        let stored = Stored::Object { key, bytes: OBJECT_BYTES };
        (counting, Reader::new(objects, Reading::bucket(cache_bytes), Metrics::new()), stored, content)
    }

    fn requests(counting: &Counting) -> u64 {
        counting.requests.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_was_read_is_not_asked_for_again() {
        let (counting, reader, stored, content) = bucket(64 << 20).await;
        let all = reader.read(&stored, 0..OBJECT_BYTES).await.unwrap();
        assert_eq!((&all[..], requests(&counting)), (&content[..], 1));
        for range in [0..1, 70_000..200_000, OBJECT_BYTES - 5..OBJECT_BYTES, 3..3] {
            let read = reader.read(&stored, range.clone()).await.unwrap();
            assert_eq!(read, slice(&content, &range).unwrap());
        }
        assert_eq!(requests(&counting), 1);
        assert!(reader.read(&stored, 0..OBJECT_BYTES + 1).await.is_err());
        reader.forget();
        assert_eq!(reader.cache.as_ref().unwrap().weight(), 0);
        assert_eq!(reader.read(&stored, 0..OBJECT_BYTES).await.unwrap(), content);
        assert_eq!(requests(&counting), 2);
    }

    #[tokio::test]
    async fn only_what_is_not_known_is_asked_for() {
        let (counting, reader, stored, content) = bucket(64 << 20).await;
        reader.read(&stored, 2 * BLOCK_BYTES..2 * BLOCK_BYTES + 1).await.unwrap();
        let all = reader.read(&stored, 0..OBJECT_BYTES).await.unwrap();
        assert_eq!(
            (&all[..], requests(&counting)),
            (&content[..], 3),
            "before it, after it, and not it again"
        );
    }

    #[tokio::test]
    async fn what_is_remembered_has_a_bound() {
        let (counting, reader, stored, _) = bucket(2 * BLOCK_BYTES).await;
        for _ in 0..10 {
            reader.read(&stored, 0..OBJECT_BYTES).await.unwrap();
        }
        assert!(reader.cache.as_ref().unwrap().weight() <= 2 * BLOCK_BYTES);
        assert!(requests(&counting) >= 10);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_is_there(
            ranges in prop::collection::vec((0..OBJECT_BYTES, 0..3 * BLOCK_BYTES), 1..20),
            cache_blocks in 0_u64..8,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (_, reader, stored, content) = bucket(cache_blocks * BLOCK_BYTES).await;
                for (start, length) in ranges {
                    let range = start..(start + length).min(OBJECT_BYTES);
                    let read = reader.read(&stored, range.clone()).await.unwrap();
                    assert_eq!(read, slice(&content, &range).unwrap());
                }
            });
        }
    }
}
