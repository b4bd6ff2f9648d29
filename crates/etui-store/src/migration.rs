//! The tables and how they came to be. Migrations only ever go forward.

mod m0001_first;

use sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

use crate::{StoreError, sql};

/// Brings the tables up to this version.
pub(crate) async fn run(database: &DatabaseConnection) -> Result<(), StoreError> {
    let failed = sql::failed("bringing the tables up to this version");
    let known: Vec<String> =
        Migrator::get_migration_files().iter().map(|migration| migration.name().to_owned()).collect();
    let applied = Migrator::get_migration_models(database).await.map_err(&failed)?;
    if let Some(newer) = applied.iter().find(|applied| !known.contains(&applied.version)) {
        return Err(StoreError::NewerSchema { migration: newer.version.clone() });
    }
    if applied.len() < known.len() {
        Migrator::up(database, None).await.map_err(&failed)?;
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
