//! Where segments lie: in a folder, or in a bucket of an S3-compatible store.
//!
//! Correctness asks little of it: what it says is written is durable, what is read is what was written. Keys are random
//! and never used twice, so nothing depends on conditional writes, which some stores silently ignore.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    local::LocalFileSystem,
    path::Path as Key,
    prefix::PrefixStore,
};
use zeroize::Zeroizing;

use crate::{StoreError, random_bytes, reader::Reading};

/// Nobody waits longer for the store to take a connection.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(3);
/// … or for one request, body included: 32 MiB over a slow line.
const REQUEST_TIME_OUT: Duration = Duration::from_secs(30);
/// … or for one request and what it takes to repeat it.
const RETRY_TIME_OUT: Duration = Duration::from_secs(20);
const MAX_RETRIES: usize = 6;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Objects that the self-check writes and removes again.
const CHECKS: &str = "checks";

/// Where segments lie.
#[derive(Debug, Clone)]
pub enum ObjectsConfig {
    /// In the data folder.
    Folder,
    /// In a bucket.
    S3(Arc<S3Config>),
}

/// A bucket of an S3-compatible store.
#[derive(Debug)]
pub struct S3Config {
    /// Its address, for example `https://s3.example.org`; `None` for Amazon's of the region.
    pub endpoint: Option<String>,
    /// Its region; stores that have none take any.
    pub region: String,
    /// The bucket, which must exist.
    pub bucket: String,
    /// What every key begins with, where the bucket has other users too.
    pub prefix: Option<String>,
    /// Who may use it.
    pub credentials: S3Credentials,
    /// So many bytes read from it are kept in memory; 0 for none.
    pub cache_bytes: u64,
}

impl ObjectsConfig {
    pub(crate) fn reading(&self) -> Reading {
        match self {
            Self::Folder => Reading::FOLDER,
            Self::S3(config) => Reading::bucket(config.cache_bytes),
        }
    }
}

/// The keys to a bucket. A secret.
pub struct S3Credentials {
    access_key_id: Zeroizing<String>,
    secret_access_key: Zeroizing<String>,
}

impl S3Credentials {
    /// Takes both keys.
    pub fn new(access_key_id: String, secret_access_key: String) -> Self {
        Self {
            access_key_id: Zeroizing::new(access_key_id),
            secret_access_key: Zeroizing::new(secret_access_key),
        }
    }
}

impl core::fmt::Debug for S3Credentials {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("S3Credentials(…)")
    }
}

/// What an object store was seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectsReport {
    /// Whether it refuses to create an object that exists: a second line of defence, and no more.
    pub refuses_overwriting: bool,
}

/// Opens a folder of segments.
///
/// # Errors
/// `Folder`, `Blobs`.
pub(crate) fn open_folder(folder: &Path) -> Result<Arc<dyn ObjectStore>, StoreError> {
    remove_staged(folder).map_err(StoreError::folder("removing unfinished segments"))?;
    look_into_folder(folder)
}

/// A folder of segments that a server may be using.
///
/// # Errors
/// `Blobs` if it is not there.
pub(crate) fn look_into_folder(folder: &Path) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let objects = LocalFileSystem::new_with_prefix(folder);
    let objects = objects.map_err(StoreError::blobs("opening the folder of segments"))?;
    Ok(Arc::new(objects.with_fsync(true)))
}

impl S3Config {
    /// The bucket as an object store. Nothing is asked of it yet.
    ///
    /// # Errors
    /// `Blobs`.
    pub fn open(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let bucket = s3(self).map_err(StoreError::blobs("reading the settings of the bucket"))?;
        Ok(match &self.prefix {
            None => Arc::new(bucket),
            Some(prefix) => Arc::new(PrefixStore::new(bucket, prefix.as_str())),
        })
    }
}

fn s3(config: &S3Config) -> object_store::Result<AmazonS3> {
    let backoff = BackoffConfig { init_backoff: FIRST_BACKOFF, max_backoff: LONGEST_BACKOFF, base: 2.0 };
    let retry = RetryConfig { backoff, max_retries: MAX_RETRIES, retry_timeout: RETRY_TIME_OUT };
    let client = ClientOptions::new().with_connect_timeout(CONNECT_TIME_OUT).with_timeout(REQUEST_TIME_OUT);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_access_key_id(config.credentials.access_key_id.as_str())
        .with_secret_access_key(config.credentials.secret_access_key.as_str())
        .with_virtual_hosted_style_request(false)
        .with_retry(retry)
        .with_client_options(client);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder.build()
}

/// Writes, reads and removes an object, and looks whether the store would have overwritten it.
///
/// # Errors
/// `Blobs` if any of that fails; `Damaged` if something else was read than was written.
pub(crate) async fn check(objects: &dyn ObjectStore) -> Result<ObjectsReport, StoreError> {
    const FIRST: &[u8] = b"written once";
    let name = data_encoding::HEXLOWER.encode(&random_bytes()?);
    let key = Key::from_iter([CHECKS, &name]);
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let put = |bytes: &'static [u8]| objects.put_opts(&key, PutPayload::from_static(bytes), create());
    put(FIRST).await.map_err(StoreError::blobs("trying the object store"))?;
    let second = put(b"written twice").await;
    let read = objects.get_range(&key, 8..FIRST.len() as u64).await;
    let removed = objects.delete(&key).await;
    removed.map_err(StoreError::blobs("trying the object store"))?;
    let refuses_overwriting = match second {
        Err(Error::AlreadyExists { .. }) => true,
        Ok(_) | Err(Error::NotImplemented { .. }) => false,
        Err(error) => return Err(StoreError::blobs("trying the object store")(error)),
    };
    let read = read.map_err(StoreError::blobs("trying the object store"))?;
    if refuses_overwriting && read != FIRST[8..] {
        return Err(StoreError::Damaged { found: "an object that reads as something else than was written" });
    }
    Ok(ObjectsReport { refuses_overwriting })
}

/// A process that died while writing leaves a file beside the one it would have become, marked with `#` and a number,
/// which no listing of the object store shows. Nobody else writes here while the store is being opened.
fn remove_staged(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_staged(&entry.path())?;
        } else if entry.file_name().to_string_lossy().contains('#') {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
