//! The store itself: opening, closing, and the one way to write.

use std::{
    fs::{self, File},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, Weak},
};

use etui_api::sync::Event;
use etui_chain::AccountId;
use object_store::ObjectStore;
use prometheus_client::registry::Registry;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    DatabaseUrl, ObjectsConfig, ObjectsReport, StoreError,
    events::Events,
    identity,
    ledgers::Ledgers,
    measured::Measured,
    metrics::Metrics,
    migration::{self, Migrate},
    news::News,
    notice, objects, postgres,
    reader::Reader,
    span, sql, sqlite,
};

pub(crate) const DATABASE_FILE: &str = "etui.db";
const LOCK_FILE: &str = "etui.lock";
pub(crate) const OBJECTS_FOLDER: &str = "objects";

/// Where the store keeps its data.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The folder of what lies in no other place; made, readable by its owner alone, if it does not exist.
    pub data: PathBuf,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// Where segments are.
    pub objects: ObjectsConfig,
    /// The plan of accounts that have none of their own.
    pub default_plan: String,
}

/// The plan of accounts that have none of their own, where nothing else is said: it limits nothing.
pub const SELF_HOSTED: &str = "self-hosted";

/// Where the rows are.
#[derive(Debug, Clone)]
pub enum DatabaseConfig {
    /// In a SQLite file in the data folder.
    File,
    /// In PostgreSQL.
    Postgres(Arc<DatabaseUrl>),
}

/// The server's persistence. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// A store as its own background tasks hold it, which must not keep it alive.
pub(crate) struct WeakStore(Weak<Inner>);

impl WeakStore {
    pub(crate) fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(Store)
    }
}

pub(crate) struct Inner {
    /// The data folder.
    pub(crate) folder: PathBuf,
    pub(crate) database: DatabaseConnection,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) reader: Reader,
    pub(crate) metrics: Metrics,
    pub(crate) ledgers: Ledgers,
    pub(crate) events: Events,
    default_plan: String,
    /// The way to other nodes, where there may be any.
    news: OnceLock<News>,
    /// Held while a vault is compacted: what that takes is taken once.
    pub(crate) compacting: Mutex<()>,
    /// SQLite has one writer: waiting here is fair and wakes at once, waiting for its lock is neither.
    turn: Option<Arc<Mutex<()>>>,
    /// Held while this process serves a folder; the operating system lets go of it when the process dies.
    lock: std::sync::Mutex<Option<File>>,
}

impl Store {
    /// Opens the store, making what is not there yet. The tables of a file are brought up to this version; those of
    /// PostgreSQL, which other nodes may be using, only by [`Self::migrate`].
    ///
    /// # Errors
    /// `Folder`, `NewerSchema`, `OlderSchema`, `Database`, `Blobs`.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        Self::open_own(config, false).await
    }

    /// As [`Self::open`], even if the segments belong to another database, which must be gone for good: to be restored
    /// into ([`Self::restore`]), after which they belong to this one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn take_over(config: &StoreConfig) -> Result<Self, StoreError> {
        Self::open_own(config, true).await
    }

    async fn open_own(config: &StoreConfig, take_over: bool) -> Result<Self, StoreError> {
        let objects = match &config.objects {
            ObjectsConfig::Folder => {
                let folder = config.data.join(OBJECTS_FOLDER);
                make_private(&folder).map_err(StoreError::folder("making the folder of segments"))?;
                objects::open_folder(&folder)?
            }
            ObjectsConfig::S3(config) => config.open()?,
        };
        Self::open_with(config, objects, take_over).await
    }

    /// Brings the tables up to this version, while nodes of the version before go on serving.
    ///
    /// # Errors
    /// `Folder`, `NewerSchema`, `Database`, `InUse`.
    pub async fn migrate(config: &StoreConfig) -> Result<(), StoreError> {
        let (database, _lock) = connect(config).await?;
        migration::run(&database, Migrate::All).await?;
        database.close().await.map_err(sql::failed("closing the database"))
    }

    /// Opens a store that is there, perhaps beside a server that uses it: nothing is made, migrated or cleaned up.
    ///
    /// # Errors
    /// `NoStore` if there is none, or one of an older version; as [`Self::open`].
    pub async fn look(config: &StoreConfig) -> Result<Self, StoreError> {
        let database = match &config.database {
            DatabaseConfig::File => {
                let file = config.data.join(DATABASE_FILE);
                if !file.is_file() {
                    let folder = Some(config.data.clone());
                    return Err(StoreError::NoStore { folder, hint: "choose another with --data" });
                }
                sqlite::open(file).await?
            }
            DatabaseConfig::Postgres(url) => postgres::open(url).await?,
        };
        let objects = match &config.objects {
            ObjectsConfig::Folder => objects::look_into_folder(&config.data.join(OBJECTS_FOLDER))?,
            ObjectsConfig::S3(config) => config.open()?,
        };
        migration::check(&database).await?;
        identity::check(&database, &*objects).await?;
        Ok(Self::assemble(config, database, objects, None))
    }

    /// Opens the store with its segments in another object store than the data folder. When that store says that an
    /// object is written, it must be durable.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_objects(
        config: &StoreConfig,
        objects: Arc<dyn ObjectStore>,
    ) -> Result<Self, StoreError> {
        Self::open_with(config, objects, false).await
    }

    async fn open_with(
        config: &StoreConfig,
        objects: Arc<dyn ObjectStore>,
        take_over: bool,
    ) -> Result<Self, StoreError> {
        let (database, lock) = connect(config).await?;
        let which = if lock.is_some() { Migrate::All } else { Migrate::Empty };
        migration::run(&database, which).await?;
        if !take_over {
            identity::claim(&database, &*objects).await?;
        }
        let store = Self::assemble(config, database, objects, lock);
        if store.0.turn.is_none() {
            let weak = WeakStore(Arc::downgrade(&store.0));
            let news = News::start(weak, store.database().clone()).await?;
            store.0.news.get_or_init(|| news);
        }
        Ok(store)
    }

    fn assemble(
        config: &StoreConfig,
        database: DatabaseConnection,
        objects: Arc<dyn ObjectStore>,
        lock: Option<File>,
    ) -> Self {
        let metrics = Metrics::new();
        let objects: Arc<dyn ObjectStore> = Arc::new(Measured::new(objects, metrics.clone()));
        let one_writer = database.get_database_backend() == DbBackend::Sqlite;
        Self(Arc::new(Inner {
            folder: config.data.clone(),
            database,
            reader: Reader::new(Arc::clone(&objects), config.objects.reading(), metrics.clone()),
            metrics,
            objects,
            ledgers: Ledgers::default(),
            events: Events::default(),
            default_plan: config.default_plan.clone(),
            news: OnceLock::new(),
            compacting: Mutex::default(),
            turn: one_writer.then(Arc::default),
            lock: std::sync::Mutex::new(lock),
        }))
    }

    /// Waits for what is being written and closes the database.
    pub async fn close(&self) {
        let _turn = self.turn().await;
        if let Err(error) = self.0.database.close_by_ref().await {
            notice::failure(
                "the database did not close cleanly",
                &sql::failed("closing the database")(error),
            );
        }
        drop(self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Database`.
    pub async fn ready(&self) -> Result<(), StoreError> {
        sql::in_time(self.database(), "asking whether the database answers", self.database().ping()).await
    }

    /// Tries the object store: writes, reads and removes something small.
    ///
    /// # Errors
    /// `Blobs`, `Damaged`, `StorageFull`.
    pub async fn check_objects(&self) -> Result<ObjectsReport, StoreError> {
        objects::check(&*self.0.objects).await
    }

    /// Has this node let go of what it remembers and has not used since this was last called; pieces of sealed objects all go.
    pub fn forget_unused(&self) {
        self.0.ledgers.forget_unused();
        self.0.reader.forget();
    }

    /// Adds what the store counts to a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry, self.database());
    }

    /// Tells the readers of an account, on this node and on others.
    pub(crate) fn tell(&self, account_id: AccountId, event: Event) {
        self.0.events.publish(account_id, event);
        if let Some(news) = self.0.news.get() {
            news.tell(account_id, event);
        }
    }

    pub(crate) fn default_plan(&self) -> &str {
        &self.0.default_plan
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn database(&self) -> &DatabaseConnection {
        &self.0.database
    }

    /// Begins to write. Dropped without [`WriteTransaction::commit`], it leaves everything as it was.
    pub(crate) async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let waiting = self.0.metrics.wait();
        let turn = self.turn().await;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = self.database().begin_with_options(options);
        let transaction = sql::in_time(self.database(), "beginning a transaction", begun).await?;
        drop(waiting);
        Ok(WriteTransaction { transaction, database: self.database().clone(), _turn: turn })
    }

    pub(crate) async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        match &self.0.turn {
            Some(turn) => Some(Arc::clone(turn).lock_owned().await),
            None => None,
        }
    }
}

/// The database to be used, with the lock of its folder where it is a file.
async fn connect(config: &StoreConfig) -> Result<(DatabaseConnection, Option<File>), StoreError> {
    make_private(&config.data).map_err(StoreError::folder("making the data folder"))?;
    match &config.database {
        DatabaseConfig::File => {
            let lock = lock(&config.data)?;
            let database = sqlite::open(config.data.join(DATABASE_FILE)).await?;
            sqlite::check(&database).await?;
            Ok((database, Some(lock)))
        }
        DatabaseConfig::Postgres(url) => Ok((postgres::open(url).await?, None)),
    }
}

/// A transaction that writes; on SQLite the only one.
pub(crate) struct WriteTransaction {
    transaction: DatabaseTransaction,
    database: DatabaseConnection,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl WriteTransaction {
    /// When this returns, what was written is durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let database = self.database;
        sql::in_time(&database, "committing a transaction", self.transaction.commit()).await
    }
}

impl Deref for WriteTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}

/// Runs a long computation where it holds nobody up.
pub(crate) async fn compute<T: Send + 'static>(long: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !long {
        return work();
    }
    match span::in_span(span::computation(), tokio::task::spawn_blocking(work)).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// One process serves a folder: two would not hear of each other's news, nor share the one turn to write.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let failed = StoreError::folder("locking the data folder");
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE));
    let file = file.map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
