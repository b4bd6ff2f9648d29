//! The tables and how they came to be. Migrations only ever go forward, and each leaves a program of the version before
//! working: first something is added, and what it replaces goes in a later version.

mod m0001_first;
mod m0002_compaction;
mod m0003_signing_in;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, TransactionTrait as _};
use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Which tables may be brought up to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Migrate {
    /// Any: nobody else uses them, or somebody has asked for it.
    All,
    /// Only those of an empty database. Other nodes may be running that know nothing of this version.
    Empty,
}

/// Brings the tables up to this version.
///
/// # Errors
/// `NewerSchema`; `OlderSchema` where that was not allowed.
pub(crate) async fn run(database: &DatabaseConnection, which: Migrate) -> Result<(), StoreError> {
    let failed = sql::failed("bringing the tables up to this version");
    let transaction = database.begin().await.map_err(&failed)?;
    wait_for_other_nodes(&transaction).await?;
    let applied = applied(&transaction).await?;
    let missing = missing(&applied)?;
    match missing {
        Some(migration) if !applied.is_empty() && which == Migrate::Empty => {
            return Err(StoreError::OlderSchema { migration });
        }
        Some(_) => Migrator::up(&transaction, None).await.map_err(&failed)?,
        None => {}
    }
    transaction.commit().await.map_err(&failed)
}

/// Whether there are tables that can be read: of this version or an older one, all of which have what is read.
///
/// # Errors
/// `NoStore`, `NewerSchema`.
pub(crate) async fn check(database: &DatabaseConnection) -> Result<(), StoreError> {
    let applied = applied(database).await?;
    if applied.is_empty() {
        return Err(StoreError::NoStore {
            folder: None,
            hint: "start the server once, or give another place",
        });
    }
    missing(&applied).map(drop)
}

/// # Errors
/// `OlderSchema` for tables of a version before.
pub(crate) async fn require_this_version<C: ConnectionTrait>(database: &C) -> Result<(), StoreError> {
    match missing(&applied(database).await?)? {
        Some(migration) => Err(StoreError::OlderSchema { migration }),
        None => Ok(()),
    }
}

/// The names of the migrations that the tables have gone through; none in an empty database.
async fn applied<C: ConnectionTrait>(database: &C) -> Result<Vec<String>, StoreError> {
    const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";
    let table = match database.get_database_backend() {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = 'seaql_migrations'",
        _ => "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'seaql_migrations'",
    };
    let doing = "looking at the version of the tables";
    if sql::row(database, doing, table, []).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = sql::rows(database, doing, APPLIED, []).await?;
    rows.iter().map(|row| row.column(0)).collect()
}

/// The first migration that the tables have not gone through.
///
/// # Errors
/// `NewerSchema` if they have gone through one that this program does not know.
fn missing(applied: &[String]) -> Result<Option<String>, StoreError> {
    let known: Vec<String> =
        Migrator::get_migration_files().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(newer) = applied.iter().find(|name| !known.contains(name)) {
        return Err(StoreError::NewerSchema { migration: newer.clone() });
    }
    Ok(known.into_iter().find(|name| !applied.contains(name)))
}

/// Several nodes may start at once: the first one migrates, the others find nothing left to do.
async fn wait_for_other_nodes(transaction: &DatabaseTransaction) -> Result<(), StoreError> {
    /// Any number, as long as it is always the same.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(7304091)";
    // Making an index of a large table takes as long as it takes; whoever holds a lock that is needed is not waited for.
    const TAKE_LONG: &str = "SET LOCAL statement_timeout = 0";
    if transaction.get_database_backend() == DbBackend::Postgres {
        sql::execute(transaction, "waiting for another node to migrate", TAKE_LONG, []).await?;
        sql::execute(transaction, "waiting for another node to migrate", LOCK, []).await?;
    }
    Ok(())
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_compaction::Migration),
            Box::new(m0003_signing_in::Migration),
        ]
    }
}
