//! Compaction, and jobs that one node at a time does. `docs/design/0006-compaction.md` explains it.
//!
//! A program of the version before goes on working: what is new has defaults, and what it does not write is made up for
//! by the next push that a newer program takes.

use sea_orm::{ConnectionTrait as _, DbBackend};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait, prelude::DbErr};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_compaction"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let segments: &[&str] = match manager.get_database_backend() {
            DbBackend::Sqlite => &SEGMENTS_WITHOUT_VAULT_SQLITE,
            _ => &SEGMENTS_WITHOUT_VAULT,
        };
        // What takes long comes first: the vaults, which everything needs, are locked as shortly as can be.
        let statements: [&[&str]; 5] = [&SPENT_TOKENS, &DEAD_SEGMENTS, segments, &JOBS, &VAULTS_TO_COMPACT];
        for statement in statements.into_iter().flatten() {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// Ending a session removes its spent tokens.
const SPENT_TOKENS: [&str; 2] = [
    "CREATE INDEX spent_refresh_session ON spent_refresh (session_id)",
    "CREATE INDEX spent_refresh_when ON spent_refresh (spent_ms)",
];

const VAULTS_TO_COMPACT: [&str; 3] = [
    // When to look at the vault; 0: it has changed and nobody has said when; null: it has not changed.
    "ALTER TABLE vault ADD COLUMN compact_at_ms BIGINT DEFAULT 0",
    // How much has come since somebody looked, in the units of `compaction`.
    "ALTER TABLE vault ADD COLUMN fragments BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX vault_compaction ON vault (compact_at_ms) WHERE compact_at_ms IS NOT NULL",
];

/// A segment without a vault is an object that no push named in time: once it has a row, none can any more.
const SEGMENTS_WITHOUT_VAULT: [&str; 1] = ["ALTER TABLE segment ALTER COLUMN vault_number DROP NOT NULL"];

/// SQLite cannot change a column: the table is made anew.
const SEGMENTS_WITHOUT_VAULT_SQLITE: [&str; 6] = [
    "CREATE TABLE segment_new (segment_number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \
     vault_number BIGINT REFERENCES vault (vault_number) ON DELETE CASCADE, \
     object_key BLOB UNIQUE, inline BLOB, bytes BIGINT NOT NULL, dead_since_ms BIGINT)",
    "INSERT INTO segment_new SELECT segment_number, vault_number, object_key, inline, bytes, dead_since_ms FROM segment",
    "DROP TABLE segment",
    "ALTER TABLE segment_new RENAME TO segment",
    "CREATE INDEX segment_of_vault ON segment (vault_number)",
    // It went with the old table.
    "CREATE INDEX segment_dead ON segment (dead_since_ms) WHERE dead_since_ms IS NOT NULL",
];

const DEAD_SEGMENTS: [&str; 1] =
    ["CREATE INDEX segment_dead ON segment (dead_since_ms) WHERE dead_since_ms IS NOT NULL"];

/// When each job is due.
const JOBS: [&str; 2] = [
    "CREATE TABLE job (name TEXT NOT NULL PRIMARY KEY, due_ms BIGINT NOT NULL)",
    "INSERT INTO job (name, due_ms) VALUES ('garbage', 0), ('orphans', 0)",
];
