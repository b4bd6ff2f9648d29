//! Backup and restore: a backup is a data folder like any other, with a database and segments, whatever it was made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::Path,
};

use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel,
    TransactionOptions, TransactionTrait as _,
};

use crate::{
    DatabaseConfig, ObjectsConfig, Store, StoreConfig, StoreError, identity,
    migration::{self, Migrate},
    segment::{self, ObjectKey},
    sql::{self, Columns as _},
    sqlite,
    store::{DATABASE_FILE, OBJECTS_FOLDER, make_private},
    tables,
};

/// A database that is being written and does not count yet.
const UNFINISHED_FILE: &str = "etui.db.unfinished";
/// Keys listed at a time.
const PAGE_ROWS: u64 = 512;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows of all tables.
    pub rows: u64,
    /// Segments copied now.
    pub segments: u64,
    /// Segments that were there from before.
    pub kept: u64,
}

impl Store {
    /// Copies everything, as it is at one moment, into a folder, while others go on writing. Segments that an earlier
    /// backup has put there are not copied again; until this one is complete, the earlier one stays as it is.
    ///
    /// What is read must not be collected as garbage meanwhile: a backup must take less than the grace.
    ///
    /// # Errors
    /// `OlderSchema` until the tables are of this version; `Folder`, `Database`, `Blobs`, `StorageFull`, `Unavailable`.
    pub async fn back_up(&self, folder: &Path) -> Result<Copied, StoreError> {
        let segments = folder.join(OBJECTS_FOLDER);
        make_private(&segments).map_err(StoreError::folder("making the folder of the backup"))?;
        let unfinished = folder.join(UNFINISHED_FILE);
        remove_database(&unfinished).map_err(StoreError::folder("removing an unfinished backup"))?;

        let snapshot = self.snapshot().await?;
        migration::require_this_version(&snapshot).await?;
        let database = sqlite::open(unfinished.clone()).await?;
        migration::run(&database, Migrate::All).await?;
        let writing = database.begin().await.map_err(sql::failed("beginning the backup"))?;
        let rows = tables::copy(&snapshot, &writing).await?;
        // A copy of the same store, backup after backup.
        identity::copy(&snapshot, &writing).await?;
        writing.commit().await.map_err(sql::failed("completing the backup"))?;
        drop(snapshot);

        let keys = segment_keys(&database).await?;
        let objects = crate::objects::open_folder(&segments)?;
        let (copied, kept) = copy_segments(&*self.inner().objects, &*objects, &keys).await?;
        identity::take_over(&database, &*objects).await?;
        sqlite::settle(&database).await?;
        let finished = folder.join(DATABASE_FILE);
        // What SQLite keeps beside a file would be taken for the new one's; the file itself is replaced in one step.
        let named = remove_beside(&finished).and_then(|()| fs::rename(&unfinished, &finished));
        named
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(StoreError::folder("naming the backup"))?;
        remove_unknown(&*objects, &keys).await?;
        Ok(Copied { rows, segments: copied, kept })
    }

    /// Fills this store, which must be empty, from a backup of this version or one before, or leaves its rows as they were.
    ///
    /// # Errors
    /// `NotEmpty` if there is an account; `NoStore` if the folder is no backup; as [`Self::back_up`].
    pub async fn restore(&self, folder: &Path) -> Result<Copied, StoreError> {
        const ANY: &str = "SELECT 1 FROM account LIMIT 1";
        if sql::row(self.database(), "looking for accounts", ANY, []).await?.is_some() {
            return Err(StoreError::NotEmpty);
        }
        let config = StoreConfig {
            data: folder.to_owned(),
            database: DatabaseConfig::File,
            objects: ObjectsConfig::Folder,
            default_plan: self.default_plan().to_owned(),
        };
        let backup = Self::look(&config).await?;
        // Beside what it becomes part of: others may be restoring from the same backup.
        let unfinished = self.inner().folder.join(UNFINISHED_FILE);
        let database = brought_up(backup.database(), &unfinished).await?;
        let keys = segment_keys(&database).await?;
        let objects = &self.inner().objects;
        let (copied, kept) = copy_segments(&*backup.inner().objects, &**objects, &keys).await?;
        let transaction = self.begin().await?;
        // Whoever was here with an empty database may have given these objects up.
        sql::execute(&*transaction, "emptying a table", "DELETE FROM segment", []).await?;
        let rows = tables::copy(&database, &*transaction).await?;
        transaction.commit().await?;
        // Only now: nodes that wait for the segments to be theirs must not find an empty database.
        identity::take_over(self.database(), &**objects).await?;
        database.close().await.map_err(sql::failed("closing the copy of the backup"))?;
        remove_database(&unfinished).map_err(StoreError::folder("removing the copy of the backup"))?;
        backup.close().await;
        Ok(Copied { rows, segments: copied, kept })
    }

    /// A transaction that sees the rows as they are at its first statement, for as long as it lasts.
    pub(crate) async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        // SQLite knows neither word; its transactions see one moment by themselves.
        let database = self.database();
        let transaction = match database.get_database_backend() {
            DbBackend::Postgres => database.begin_with_options(options).await,
            _ => database.begin().await,
        };
        let transaction = transaction.map_err(sql::failed("beginning to read"))?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            // Segments are read in between, which may take long.
            const LONG: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";
            sql::execute(&transaction, "beginning to read", LONG, []).await?;
        }
        Ok(transaction)
    }
}

/// A copy of a backup's database in a file, brought up to this version: the backup stays as it was made.
async fn brought_up(backup: &DatabaseConnection, file: &Path) -> Result<DatabaseConnection, StoreError> {
    remove_database(file).map_err(StoreError::folder("removing an unfinished copy of the backup"))?;
    sqlite::copy_into(backup, file).await?;
    let copy = sqlite::open(file.to_owned()).await?;
    migration::run(&copy, Migrate::All).await?;
    Ok(copy)
}

/// The segments that are objects, and whether any live record lies in them.
async fn segment_keys(database: &DatabaseConnection) -> Result<BTreeMap<ObjectKey, bool>, StoreError> {
    const SELECT: &str = "SELECT s.segment_number, s.object_key, \
         EXISTS (SELECT 1 FROM object o WHERE o.segment_number = s.segment_number) FROM segment s \
         WHERE s.object_key IS NOT NULL AND s.segment_number > $1 ORDER BY s.segment_number LIMIT $2";
    let mut keys = BTreeMap::new();
    let mut last = 0;
    loop {
        let values = [sql::number(last), sql::number(PAGE_ROWS)];
        let rows = sql::rows(database, "listing segments", SELECT, values).await?;
        let Some(newest) = rows.last() else { return Ok(keys) };
        last = newest.number(0)?;
        for row in &rows {
            keys.insert(ObjectKey(row.column(1)?), row.column(2)?);
        }
    }
}

/// How many were copied, and how many were there. One without a live record may have left its source meanwhile.
async fn copy_segments(
    from: &dyn ObjectStore,
    to: &dyn ObjectStore,
    keys: &BTreeMap<ObjectKey, bool>,
) -> Result<(u64, u64), StoreError> {
    let there = listed(to).await?;
    let (mut copied, mut kept) = (0, 0);
    for (key, is_live) in keys {
        if there.contains(key) {
            kept += 1;
            continue;
        }
        let bytes = match from.get(&key.path()).await {
            Err(object_store::Error::NotFound { .. }) if !is_live => continue,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StoreError::Damaged { found: "a segment with live records is missing" });
            }
            got => got.map_err(StoreError::blobs("reading a segment"))?.bytes().await,
        };
        let bytes = bytes.map_err(StoreError::blobs("reading a segment"))?;
        let put = to.put(&key.path(), PutPayload::from_bytes(bytes)).await;
        put.map_err(StoreError::blobs("writing a segment"))?;
        copied += 1;
    }
    Ok((copied, kept))
}

async fn remove_unknown(
    objects: &dyn ObjectStore,
    keys: &BTreeMap<ObjectKey, bool>,
) -> Result<(), StoreError> {
    for key in listed(objects).await?.iter().filter(|key| !keys.contains_key(*key)) {
        objects.delete(&key.path()).await.map_err(StoreError::blobs("removing an old segment"))?;
    }
    Ok(())
}

async fn listed(objects: &dyn ObjectStore) -> Result<BTreeSet<ObjectKey>, StoreError> {
    let all = objects.list(Some(&segment::folder()));
    let keys = all.try_filter_map(|object| async move { Ok(ObjectKey::of_path(&object.location)) });
    keys.try_collect().await.map_err(StoreError::blobs("listing segments"))
}

fn remove_database(file: &Path) -> io::Result<()> {
    remove_beside(file)?;
    remove_if_there(file)
}

/// What SQLite keeps beside a file.
fn remove_beside(file: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        remove_if_there(Path::new(&name))?;
    }
    Ok(())
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
