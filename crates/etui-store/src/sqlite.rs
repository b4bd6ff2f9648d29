//! What is SQLite's alone: how its file is opened. The statements are in the SQL that PostgreSQL shares.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, Value,
    sqlx::{self, Connection as _, SqliteConnection},
};

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Readers; there is one writer at a time. Each costs a thread and its page cache.
const CONNECTIONS: u32 = 4;
/// Page cache of one connection, in KiB (negative by SQLite's convention).
const CACHE_KIB: &str = "-1024";

/// Writes a copy of a database, as it is at one moment, into a file that does not exist yet.
pub(crate) async fn copy_into(database: &DatabaseConnection, file: &Path) -> Result<(), StoreError> {
    let values: [Value; 1] = [file.to_string_lossy().into_owned().into()];
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO $1", values);
    database.execute_raw(statement).await.map(drop).map_err(sql::failed("copying a database file"))
}

/// Brings everything into the one file and closes it, so that it can be moved.
pub(crate) async fn settle(database: &DatabaseConnection) -> Result<(), StoreError> {
    let failed = sql::failed("completing a database file");
    database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.map_err(&failed)?;
    database.close_by_ref().await.map_err(&failed)
}

/// Reads the whole file once and compares what must agree, so that a damaged one is found at the start and not when
/// what is damaged is asked for.
///
/// # Errors
/// `Damaged`.
pub(crate) async fn check(database: &DatabaseConnection) -> Result<(), StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged {
        found: "the database file does not agree with itself; keep a copy of it, and restore the last backup into an empty folder (`etui-server restore --help`)",
    };
    let answer = sql::row(database, "checking the database file", "PRAGMA quick_check(1)", []).await;
    match answer {
        Ok(row) => match row.as_ref().map(|row| row.column::<String>(0)).transpose()?.as_deref() {
            Some("ok") => Ok(()),
            _ => Err(DAMAGED),
        },
        Err(error) if sql::is_damaged_file(&error) => Err(DAMAGED),
        Err(error) => Err(error),
    }
}

/// Notes in the file, with the transaction, that it holds traces of what was removed for good.
pub(crate) async fn mark_traces<C: ConnectionTrait>(transaction: &C) -> Result<(), StoreError> {
    set_traces(transaction, true).await
}

/// Whether [`mark_traces`] was called since [`write_anew`].
pub(crate) async fn has_traces(database: &DatabaseConnection) -> Result<bool, StoreError> {
    let row = sql::row(database, "looking for traces", "PRAGMA user_version", []).await?;
    row.map_or(Ok(false), |row| Ok(row.column::<i32>(0)? != 0))
}

/// Writes the whole file anew, without free pages, and empties the log. Nobody may be writing; whoever reads goes on, and if it
/// is what was there before, the traces stay marked for the next time.
pub(crate) async fn write_anew(database: &DatabaseConnection) -> Result<(), StoreError> {
    let failed = sql::failed("writing the database file anew");
    database.execute_unprepared("VACUUM").await.map_err(&failed)?;
    let emptied = sql::row(database, "emptying the log", "PRAGMA wal_checkpoint(TRUNCATE)", []).await?;
    match emptied.map(|row| row.column::<i32>(0)).transpose()? {
        Some(0) => set_traces(database, false).await,
        _ => Ok(()),
    }
}

async fn set_traces<C: ConnectionTrait>(connection: &C, traces: bool) -> Result<(), StoreError> {
    let statement = format!("PRAGMA user_version = {}", i32::from(traces));
    connection.execute_unprepared(&statement).await.map(drop).map_err(sql::failed("marking traces"))
}

pub(crate) async fn open(file: PathBuf) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new("sqlite://etui.db");
    options
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .idle_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_usable(connection))))
        .map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&file)
                .create_if_missing(true)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(10))
                .pragma("journal_mode", "WAL")
                // With FULL, a commit returns only after the write-ahead log is on the disk.
                .pragma("synchronous", "FULL")
                .pragma("cache_size", CACHE_KIB)
        });
    Database::connect(options).await.map_err(sql::failed("opening the database"))
}

/// Whether a connection may be used again. When the disk is full, SQLite ends a transaction by itself, the driver goes on
/// counting it as open, and of what is written later over this connection nothing would ever be committed.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A transaction that was dropped is rolled back by now.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use sea_orm::{
        ConnectionTrait as _, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
        TransactionTrait as _,
    };

    use super::*;

    async fn begin(database: &DatabaseConnection) -> DatabaseTransaction {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
        database.begin_with_options(options).await.expect("a transaction begins")
    }

    #[tokio::test]
    async fn a_damaged_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("etui.db");
        let database = open(file.clone()).await.unwrap();
        database.execute_unprepared("CREATE TABLE kept (value UNIQUE)").await.unwrap();
        for value in 0..2000 {
            database.execute_unprepared(&format!("INSERT INTO kept VALUES ({value})")).await.unwrap();
        }
        check(&database).await.unwrap();
        settle(&database).await.unwrap();
        let whole = std::fs::read(&file).unwrap();
        let pages = whole.len() / 4096;
        for page in 0..pages {
            let mut damaged = whole.clone();
            damaged[page * 4096..page * 4096 + 200].fill(0xa5);
            std::fs::write(&file, damaged).unwrap();
            let found = match open(file.clone()).await {
                Ok(database) => check(&database).await.is_err(),
                Err(_) => true,
            };
            assert!(found, "page {page} of {pages}");
        }
    }

    #[tokio::test]
    async fn what_follows_a_transaction_that_sqlite_ended_by_itself_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("etui.db");
        let database = open(file.clone()).await.unwrap();
        database.execute_unprepared("CREATE TABLE kept (value)").await.unwrap();

        // Several times, as each may come to another connection of the pool.
        for _ in 0..2 * CONNECTIONS {
            let ended = begin(&database).await;
            // What SQLite does when a commit finds the disk full.
            ended.execute_unprepared("ROLLBACK").await.unwrap();
            ended.commit().await.expect_err("there is nothing to commit any more");
            drop(begin(&database).await);
        }
        for _ in 0..2 * CONNECTIONS {
            let transaction = begin(&database).await;
            transaction.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
            transaction.commit().await.unwrap();
        }

        let again = open(file).await.unwrap();
        let rows = sql::rows(&again, "reading", "SELECT value FROM kept", []).await.unwrap();
        assert_eq!(rows.len(), 2 * CONNECTIONS as usize);
    }
}
