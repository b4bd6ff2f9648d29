//! Where the contracts are run, and how they look at what a store answers.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use etui_api::frame::{Frame, FrameReader};
use etui_chain::{Refusal, VaultId};
use etui_store::{
    Authority, DatabaseConfig, FrameStream, ObjectsConfig, SELF_HOSTED, Store, StoreConfig, StoreError,
};
#[cfg(feature = "services-tests")]
use etui_store::{S3Config, S3Credentials};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, local::LocalFileSystem,
    path::Path,
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use sea_orm_migration::async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::client::{Client, NOW_MS};

/// An empty place for one store.
pub(crate) struct Backend {
    folder: TempDir,
    database: DatabaseConfig,
    objects: ObjectsConfig,
    /// The same as `database`, for a look from outside.
    database_url: String,
    gate: Arc<Gate>,
    /// Another one of the kind.
    pub(crate) another: fn() -> Self,
}

pub(crate) fn sqlite_and_folder() -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let database_url = format!("sqlite://{}/data/etui.db", folder.path().display());
    Backend {
        folder,
        database: DatabaseConfig::File,
        objects: ObjectsConfig::Folder,
        database_url,
        gate: Arc::default(),
        another: sqlite_and_folder,
    }
}

/// In a new database of the server at `ETUI_TEST_POSTGRES`, a URL without a database's name.
#[cfg(feature = "services-tests")]
pub(crate) fn postgres_and_folder() -> Backend {
    let server = variable("ETUI_TEST_POSTGRES");
    let folder = tempfile::tempdir().unwrap();
    // The folder's name is random; databases are named in lower case.
    let random = data_encoding::HEXLOWER.encode(folder.path().as_os_str().as_encoded_bytes());
    let name = format!("contract_{}", &random[random.len() - 24..]);
    let database_url = format!("{server}/{name}");
    // The contracts run in a runtime of their own, which must not be blocked.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::connect(format!("{server}/postgres")).await.unwrap();
            database.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            database.close().await.unwrap();
        });
    })
    .join()
    .unwrap();
    let url = etui_store::DatabaseUrl::new(database_url.clone());
    let database = DatabaseConfig::Postgres(Arc::new(url));
    Backend {
        folder,
        database,
        objects: ObjectsConfig::Folder,
        database_url,
        gate: Arc::default(),
        another: postgres_and_folder,
    }
}

/// As [`postgres_and_folder`], with segments under a prefix of their own in the bucket of `ETUI_TEST_S3_…`.
#[cfg(feature = "services-tests")]
pub(crate) fn postgres_and_s3() -> Backend {
    let backend = postgres_and_folder();
    let (_, prefix) = backend.database_url.rsplit_once('/').unwrap();
    let objects = ObjectsConfig::S3(Arc::new(S3Config {
        endpoint: Some(variable("ETUI_TEST_S3_ENDPOINT")),
        region: "default".to_owned(),
        bucket: variable("ETUI_TEST_S3_BUCKET"),
        prefix: Some(prefix.to_owned()),
        credentials: S3Credentials::new(
            variable("ETUI_TEST_S3_ACCESS_KEY"),
            variable("ETUI_TEST_S3_SECRET_KEY"),
        ),
        cache_bytes: 1 << 20,
    }));
    Backend { objects, another: postgres_and_s3, ..backend }
}

#[cfg(feature = "services-tests")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `cargo xtask services -- COMMAND` starts what the test needs")
    })
}

impl Backend {
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.config()).await.unwrap()
    }

    /// With an object store that fails.
    pub(crate) async fn open_faulty(&self, fault: Fault) -> Store {
        let objects = self.object_store();
        Store::open_with_objects(
            &self.config(),
            Arc::new(Faulty { objects, fault, gate: Arc::clone(&self.gate) }),
        )
        .await
        .unwrap()
    }

    /// This database, pointed at the segments of another one.
    pub(crate) fn with_objects_of(self, other: &Self) -> Self {
        if matches!(other.objects, ObjectsConfig::Folder) {
            let [ours, theirs] = [&self, other].map(|backend| backend.config().data);
            std::fs::create_dir_all(&ours).unwrap();
            std::os::unix::fs::symlink(theirs.join("objects"), ours.join("objects")).unwrap();
        }
        Self { objects: other.objects.clone(), ..self }
    }

    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig {
            data: self.folder.path().join("data"),
            database: self.database.clone(),
            objects: self.objects.clone(),
            default_plan: SELF_HOSTED.to_owned(),
        }
    }

    /// Whether the object store keeps an object that it was told to create. A folder and Ceph's gateway do; Garage takes the
    /// condition and ignores it.
    pub(crate) fn refuses_overwriting(&self) -> bool {
        matches!(self.objects, ObjectsConfig::Folder) || std::env::var_os("ETUI_TEST_S3_OVERWRITES").is_none()
    }

    /// Whether everything lies in one folder, which one process has to itself.
    pub(crate) const fn is_one_folder(&self) -> bool {
        matches!(self.database, DatabaseConfig::File)
    }

    /// A look at the database from outside.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        Database::connect(&self.database_url).await.unwrap()
    }

    /// Gives up what a folder that is dropped does not: of a thousand places, somebody has to pay the room.
    pub(crate) async fn remove(&self) {
        if let ObjectsConfig::S3(_) = self.objects {
            let objects = self.object_store();
            let all: Vec<_> = objects.list(None).try_collect().await.unwrap();
            for object in all {
                objects.delete(&object.location).await.unwrap();
            }
        }
        if let (DatabaseConfig::Postgres(_), Some((server, name))) =
            (&self.database, self.database_url.rsplit_once('/'))
        {
            let database = Database::connect(format!("{server}/postgres")).await.unwrap();
            database.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            database.close().await.unwrap();
        }
    }

    /// A statement from outside.
    pub(crate) async fn execute(&self, sql: &str) {
        let database = self.connect().await;
        database.execute_unprepared(sql).await.unwrap();
        database.close().await.unwrap();
    }

    /// How many objects the object store holds in a folder; "" is the whole of it.
    pub(crate) async fn object_count(&self, folder: &str) -> usize {
        let objects: Vec<_> = self.object_store().list(Some(&folder.into())).try_collect().await.unwrap();
        objects.len()
    }

    /// Until a slow object store has written.
    pub(crate) async fn written(&self) {
        self.gate.written.notified().await;
    }

    /// Lets a slow object store answer.
    pub(crate) fn go_on(&self) {
        self.gate.go_on.notify_one();
    }

    /// Whether any object holds these bytes.
    pub(crate) async fn holds_bytes(&self, bytes: &[u8]) -> bool {
        let objects = self.object_store();
        let all: Vec<_> = objects.list(Some(&"segments".into())).try_collect().await.unwrap();
        for object in all {
            let content = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
            if content.windows(bytes.len()).any(|window| window == bytes) {
                return true;
            }
        }
        false
    }

    /// Everything that is kept, by where it lies: files of the data folder, rows of PostgreSQL as text, objects and their names.
    pub(crate) async fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let objects = self.object_store();
        let all: Vec<_> = objects.list(None).try_collect().await.unwrap();
        for object in all {
            let content = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
            found.push((object.location.to_string(), content.to_vec()));
        }
        if self.is_one_folder() {
            for name in ["etui.db", "etui.db-wal", "etui.db-shm"] {
                let file = self.config().data.join(name);
                found.push((name.to_owned(), std::fs::read(file).unwrap_or_default()));
            }
        }
        for table in self.tables().await {
            found.push((format!("table {table}"), self.rows_as_text(&table).await.into_bytes()));
        }
        found
    }

    /// The names of all tables.
    pub(crate) async fn tables(&self) -> Vec<String> {
        self.texts(match self.database {
            DatabaseConfig::File => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            }
            DatabaseConfig::Postgres(_) => {
                "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
            }
        })
        .await
    }

    /// The names of a table's columns.
    pub(crate) async fn columns(&self, table: &str) -> Vec<String> {
        self.texts(&match self.database {
            DatabaseConfig::File => format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name"),
            DatabaseConfig::Postgres(_) => format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' \
                 AND table_schema = current_schema() ORDER BY 1"
            ),
        })
        .await
    }

    /// Every row of a table, bytes in hex.
    async fn rows_as_text(&self, table: &str) -> String {
        let columns = self.columns(table).await;
        let shown = |column: &String| match self.database {
            DatabaseConfig::File => format!(
                "COALESCE(CASE typeof({column}) WHEN 'blob' THEN lower(hex({column})) ELSE {column} END, '')"
            ),
            DatabaseConfig::Postgres(_) => format!("COALESCE({column}::text, '')"),
        };
        let row = columns.iter().map(shown).collect::<Vec<_>>().join(" || ' ' || ");
        self.texts(&format!("SELECT {row} FROM {table}")).await.join("\n")
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let database = self.connect().await;
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let rows = database.query_all_raw(statement).await.unwrap();
        database.close().await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// How many objects hold live records.
    pub(crate) async fn live_objects(&self) -> i64 {
        const COUNT: &str = "SELECT COUNT(*) FROM segment s WHERE s.object_key IS NOT NULL \
             AND EXISTS (SELECT 1 FROM object o WHERE o.segment_number = s.segment_number)";
        self.count(COUNT).await
    }

    /// What a statement counts.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let database = Database::connect(&self.database_url).await.unwrap();
        let row = database.query_one_raw(Statement::from_string(database.get_database_backend(), sql));
        let count = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
        database.close().await.unwrap();
        count
    }

    /// Puts an object behind the store's back.
    pub(crate) async fn put_object(&self, path: &str, bytes: Vec<u8>) {
        self.object_store().put(&path.into(), bytes.into()).await.unwrap();
    }

    /// Removes so many segments behind the store's back; their paths.
    pub(crate) async fn remove_objects(&self, count: usize) -> Vec<String> {
        let objects = self.object_store();
        let all: Vec<_> = objects.list(Some(&"segments".into())).try_collect().await.unwrap();
        let mut removed = Vec::new();
        for object in &all[..count] {
            objects.delete(&object.location).await.unwrap();
            removed.push(object.location.to_string());
        }
        removed
    }

    /// Bytes, given in hex, as the database writes them in a statement.
    pub(crate) fn bytes_literal(&self, hex: &str) -> String {
        match self.database {
            DatabaseConfig::File => format!("x'{hex}'"),
            DatabaseConfig::Postgres(_) => format!("'\\x{hex}'"),
        }
    }

    /// A look at the object store from outside.
    fn object_store(&self) -> Arc<dyn ObjectStore> {
        match &self.objects {
            ObjectsConfig::Folder => {
                let folder = self.config().data.join("objects");
                std::fs::create_dir_all(&folder).unwrap();
                Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap())
            }
            ObjectsConfig::S3(config) => config.open().unwrap(),
        }
    }

    /// As if a later version of the program had been here.
    pub(crate) async fn pretend_newer_schema(&self) {
        self.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)").await;
    }
}

/// Opens a store with one account in it.
pub(crate) async fn signed_up(backend: &Backend) -> (Store, Client, Authority, VaultId) {
    let store = backend.open().await;
    let mut client = Client::new(1);
    let (account, vault_id) = client.sign_up();
    let authority = store.create_account(account, NOW_MS).await.unwrap();
    (store, client, authority, vault_id)
}

/// Every frame of an answer; its end is checked.
pub(crate) async fn frames(stream: FrameStream) -> Vec<Frame> {
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    FrameReader::read_all(&chunks.concat()).unwrap()
}

/// The rule for which the store refused.
#[track_caller]
pub(crate) fn refusal<T: fmt::Debug>(result: Result<T, StoreError>) -> Refusal {
    match result.unwrap_err() {
        StoreError::Refused(refused) => refused.refusal,
        other => panic!("not a refusal: {other:?}"),
    }
}

/// How an object store fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The disk is full: nothing is written.
    Full,
    /// The object is written, and then the server dies.
    DiesAfterWriting,
    /// The first object that is to be removed cannot be.
    KeepsOne,
    /// The object is written, and the answer comes only after [`Backend::go_on`].
    WaitsAfterWriting,
}

#[derive(Debug)]
struct Faulty {
    objects: Arc<dyn ObjectStore>,
    fault: Fault,
    gate: Arc<Gate>,
}

/// Where a slow object store waits.
#[derive(Debug, Default)]
struct Gate {
    written: Notify,
    go_on: Notify,
    kept: AtomicBool,
}

impl fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a faulty object store")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let kind = match self.fault {
            Fault::Full => io::ErrorKind::StorageFull,
            Fault::KeepsOne => return self.objects.put_opts(location, payload, options).await,
            Fault::DiesAfterWriting => {
                self.objects.put_opts(location, payload, options).await?;
                io::ErrorKind::Interrupted
            }
            Fault::WaitsAfterWriting => {
                let put = self.objects.put_opts(location, payload, options).await;
                self.gate.written.notify_one();
                self.gate.go_on.notified().await;
                // Only the first one waits.
                self.gate.go_on.notify_one();
                return put;
            }
        };
        Err(object_store::Error::Generic { store: "faulty", source: Box::new(io::Error::from(kind)) })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let keeps = matches!(self.fault, Fault::KeepsOne) && !self.gate.kept.swap(true, Ordering::Relaxed);
        if keeps {
            let refused = || object_store::Error::Generic { store: "faulty", source: "it stays".into() };
            return locations.map(move |_| Err(refused())).boxed();
        }
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
