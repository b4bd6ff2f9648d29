//! The tables and how they came to be. Migrations only ever go forward.

mod m0001_first;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, TransactionTrait as _,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Brings the tables up to this version.
pub(crate) async fn run(database: &DatabaseConnection) -> Result<(), StoreError> {
    let failed = sql::failed("bringing the tables up to this version");
    let known: Vec<String> =
        Migrator::get_migration_files().iter().map(|migration| migration.name().to_owned()).collect();
    let transaction = database.begin().await.map_err(&failed)?;
    wait_for_other_nodes(&transaction).await?;
    let applied = Migrator::get_migration_models(&transaction).await.map_err(&failed)?;
    if let Some(newer) = applied.iter().find(|applied| !known.contains(&applied.version)) {
        return Err(StoreError::NewerSchema { migration: newer.version.clone() });
    }
    if applied.len() < known.len() {
        Migrator::up(&transaction, None).await.map_err(&failed)?;
    }
    transaction.commit().await.map_err(&failed)
}

/// Whether the tables are exactly of this version.
pub(crate) async fn check(database: &DatabaseConnection) -> Result<(), StoreError> {
    const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";
    let hint = "start the server once with this version of the program";
    let no_store = || StoreError::NoStore { folder: None, hint };
    let rows = sql::rows(database, "looking at the version of the tables", APPLIED, []).await;
    let rows = rows.map_err(|error| match error {
        StoreError::Database { .. } => no_store(),
        other => other,
    })?;
    let applied: Vec<String> = rows.iter().map(|row| row.column(0)).collect::<Result<_, _>>()?;
    let known = Migrator::get_migration_files();
    if let Some(newer) = applied.iter().find(|name| known.iter().all(|known| known.name() != **name)) {
        return Err(StoreError::NewerSchema { migration: newer.clone() });
    }
    if applied.len() == known.len() { Ok(()) } else { Err(no_store()) }
}

/// Several nodes may start at once: the first one migrates, the others find nothing left to do.
async fn wait_for_other_nodes(transaction: &DatabaseTransaction) -> Result<(), StoreError> {
    /// Any number, as long as it is always the same.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(7304091)";
    if transaction.get_database_backend() == DbBackend::Postgres {
        sql::execute(transaction, "waiting for another node to migrate", LOCK, []).await?;
    }
    Ok(())
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first::Migration)]
    }
}
