//! A step of the sync engine, write by write.

use std::collections::{BTreeMap, BTreeSet};

use etui_chain::{Digest, VaultId};
use etui_sync::Write;
use rusqlite::{Transaction, params};

use super::key;

pub(super) fn apply_one(transaction: &Transaction<'_>, write: &Write) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(values).map(|_| ())
    };
    match write {
        Write::State { version, bytes } => {
            run("INSERT OR REPLACE INTO states VALUES (?1, ?2)", params![version.cast_signed(), bytes])
        }
        Write::NamedRecord { hash, bytes } => {
            run("INSERT OR REPLACE INTO named_records VALUES (?1, ?2)", params![hash.as_bytes(), bytes])
        }
        Write::Commit { vault_id, seq, bytes } => run(
            "INSERT OR REPLACE INTO commits VALUES (?1, ?2, ?3)",
            params![vault_id.as_bytes(), seq.cast_signed(), bytes],
        ),
        Write::Object { vault_id, object_id, version, hash, record } => run(
            "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                vault_id.as_bytes(),
                object_id.as_bytes(),
                version.cast_signed(),
                hash.as_bytes(),
                record
            ],
        ),
        Write::Purged { vault_id, object_id } => run(
            "INSERT OR REPLACE INTO objects VALUES (?1, ?2, 0, zeroblob(32), NULL)",
            params![vault_id.as_bytes(), object_id.as_bytes()],
        ),
        Write::Outbox { vault_id, object_id, bytes } => run(
            "INSERT OR REPLACE INTO outbox VALUES (?1, ?2, ?3)",
            params![vault_id.as_bytes(), object_id.as_bytes(), bytes],
        ),
        Write::OutboxDone { vault_id, object_id } => run(
            "DELETE FROM outbox WHERE vault = ?1 AND object = ?2",
            params![vault_id.as_bytes(), object_id.as_bytes()],
        ),
        Write::InFlight { vault_id, bytes: Some(bytes) } => {
            run("INSERT OR REPLACE INTO in_flight VALUES (?1, ?2)", params![vault_id.as_bytes(), bytes])
        }
        Write::InFlight { vault_id, bytes: None } => {
            run("DELETE FROM in_flight WHERE vault = ?1", params![vault_id.as_bytes()])
        }
        Write::StateInFlight { bytes: Some(bytes) } => {
            run("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![key::STATE_IN_FLIGHT, bytes])
        }
        Write::StateInFlight { bytes: None } => {
            run("DELETE FROM meta WHERE key = ?1", params![key::STATE_IN_FLIGHT])
        }
        Write::Leave { common_version, common_seqs, named_records } => {
            leave(transaction, *common_version, common_seqs, named_records)
        }
    }
}

fn leave(
    transaction: &Transaction<'_>,
    common_version: u64,
    common_seqs: &BTreeMap<VaultId, u64>,
    named_records: &BTreeSet<Digest>,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM states WHERE version > ?1", [common_version.cast_signed()])?;
    transaction.execute("DELETE FROM meta WHERE key = ?1", [key::STATE_IN_FLIGHT])?;
    for (vault_id, seq) in common_seqs {
        let vault = vault_id.as_bytes();
        transaction.execute(
            "DELETE FROM commits WHERE vault = ?1 AND seq > ?2",
            params![vault, seq.cast_signed()],
        )?;
        for table in ["objects", "outbox", "in_flight"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE vault = ?1"), [vault])?;
        }
    }
    let mut select = transaction.prepare("SELECT hash FROM named_records")?;
    let held: Vec<[u8; 32]> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for hash in held.iter().filter(|hash| !named_records.contains(&Digest::new(**hash))) {
        transaction.execute("DELETE FROM named_records WHERE hash = ?1", [hash])?;
    }
    Ok(())
}
