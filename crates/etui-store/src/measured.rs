//! An object store of which every request is counted and timed.

use std::{fmt, ops::Range, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use sea_orm_migration::async_trait::async_trait;

use crate::{metrics::Metrics, span};

/// The object store behind it, counted.
#[derive(Debug)]
pub(crate) struct Measured {
    objects: Arc<dyn ObjectStore>,
    metrics: Metrics,
}

impl Measured {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, metrics: Metrics) -> Self {
        Self { objects, metrics }
    }

    async fn measure<T>(&self, operation: &'static str, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let started = Instant::now();
        let result = span::in_span(span::object_store(operation), asked).await;
        self.metrics.objects_answered(operation, started.elapsed());
        self.metrics.asked_objects(operation, is_failure(&result));
        result
    }
}

/// That something is not there, or is already, is an answer.
fn is_failure<T>(result: &Result<T>) -> bool {
    !matches!(
        result,
        Ok(_) | Err(Error::NotFound { .. } | Error::AlreadyExists { .. } | Error::NotImplemented { .. })
    )
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for Measured {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.measure("put", self.objects.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.measure("put_multipart", self.objects.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.measure("get", self.objects.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.measure("get", self.objects.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let metrics = self.metrics.clone();
        let deleted = self.objects.delete_stream(locations);
        deleted.inspect(move |result| metrics.asked_objects("delete", is_failure(result))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.metrics.asked_objects("list", false);
        let metrics = self.metrics.clone();
        let failed = move |result: &Result<ObjectMeta>| {
            if is_failure(result) {
                metrics.asked_objects("list", true);
            }
        };
        self.objects.list(prefix).inspect(failed).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.measure("list", self.objects.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.measure("copy", self.objects.copy_opts(from, to, options)).await
    }
}
