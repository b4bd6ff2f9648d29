//! What is SQLite's alone: how its file is opened. The statements are in the SQL that PostgreSQL shares.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

use crate::{StoreError, sql};

/// Readers; there is one writer at a time. Each costs a thread and its page cache.
const CONNECTIONS: u32 = 4;
/// Page cache of one connection, in KiB (negative by SQLite's convention).
const CACHE_KIB: &str = "-1024";

/// Brings everything into the one file and closes it, so that it can be moved.
pub(crate) async fn settle(database: &DatabaseConnection) -> Result<(), StoreError> {
    let failed = sql::failed("completing a database file");
    database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.map_err(&failed)?;
    database.close_by_ref().await.map_err(&failed)
}

pub(crate) async fn open(file: PathBuf) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new("sqlite://etui.db");
    options
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .idle_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .sqlx_logging(false)
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
