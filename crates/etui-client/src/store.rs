//! The local store: one SQLCipher database, opened with a raw key.
//!
//! It holds records as sealed, commits, states, the outbox, what was put aside, and this device's own secrets. A step
//! of the sync engine is one transaction, on the disk when [`Store::apply`] returns.

mod apply;
mod put_aside;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use etui_chain::{Digest, Leaf, ObjectId, VaultId};
use etui_crypto::LocalStoreKey;
use etui_sync::{StoredAccount, StoredVault, Write};
use rusqlite::{Connection, OptionalExtension as _, params};
use zeroize::Zeroizing;

use crate::ClientError;

const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE states (version INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE named_records (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE commits (vault BLOB NOT NULL, seq INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (vault, seq));
    -- A purged object keeps its row without a record: its id is never used again.
    CREATE TABLE objects (
        vault BLOB NOT NULL, object BLOB NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL, record BLOB,
        PRIMARY KEY (vault, object)
    );
    CREATE TABLE outbox (vault BLOB NOT NULL, object BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (vault, object));
    CREATE TABLE in_flight (vault BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE put_aside (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
        times INTEGER NOT NULL, refusal TEXT NOT NULL, found TEXT NOT NULL, asked TEXT NOT NULL,
        length INTEGER NOT NULL, bytes BLOB NOT NULL
    );
    PRAGMA user_version = 1;
";
const NEWEST_SCHEMA: i64 = 1;

/// The names of this device's own values in the store.
pub(crate) mod key {
    pub(crate) const SIGNING_SEED: &str = "signing_seed";
    pub(crate) const EMAIL: &str = "email";
    /// Ids of the devices that the person has been shown, one after another.
    pub(crate) const SHOWN_DEVICES: &str = "shown_devices";
    pub(crate) const UNCONFIRMED_EMAIL: &str = "unconfirmed_email";
    pub(crate) const SESSION: &str = "refresh_token";
    pub(crate) const PENDING_KIT: &str = "pending_kit";
    pub(super) const STATE_IN_FLIGHT: &str = "state_in_flight";
}

/// What the store holds many of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    States,
    NamedRecords,
    Commits(VaultId),
    Records(VaultId),
}

/// The open store.
pub(crate) struct Store(Connection);

impl Store {
    /// Makes a store that does not exist yet.
    pub(crate) fn create(path: &Path, store_key: &LocalStoreKey) -> Result<Self, ClientError> {
        let store = Self::connect(path, store_key)?;
        store.0.execute_batch(SCHEMA).map_err(doing("making the local store"))?;
        Ok(store)
    }

    /// Opens a store; `None` if the key is not its key.
    pub(crate) fn open(path: &Path, store_key: &LocalStoreKey) -> Result<Option<Self>, ClientError> {
        // Opening what is not there would make an empty one.
        if !path.exists() {
            return Err(ClientError::StoreMissing);
        }
        let store = match Self::connect(path, store_key) {
            Err(ClientError::Store { source, .. }) if is_wrong_key(&source) => return Ok(None),
            other => other?,
        };
        let schema: i64 = store
            .0
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(doing("opening the local store"))?;
        if schema != NEWEST_SCHEMA {
            return Err(ClientError::Damaged(format!(
                "the local store has schema {schema}, this version reads {NEWEST_SCHEMA}: update the app"
            )));
        }
        Ok(Some(store))
    }

    /// Encrypts the store under another key: one transaction, after which it is opened anew.
    pub(crate) fn re_key(&self, path: &Path, store_key: &LocalStoreKey) -> Result<Self, ClientError> {
        // The whole file is written anew, which the write-ahead log cannot carry. The lock is let go when the file is
        // read for the next time.
        let let_go = "PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_master";
        self.0
            .execute_batch("PRAGMA journal_mode = DELETE")
            .and_then(|()| self.0.execute_batch(&key_pragma("rekey", store_key)))
            .and_then(|()| self.0.execute_batch(let_go))
            .map_err(doing("encrypting the local store anew"))?;
        Self::open(path, store_key)?.ok_or_else(|| {
            ClientError::Damaged("the local store, encrypted anew, does not open with its new key".to_owned())
        })
    }

    /// Applies a step, all of it or nothing; durable on return.
    pub(crate) fn apply(&mut self, writes: &[Write]) -> Result<(), ClientError> {
        let mut apply = || -> rusqlite::Result<()> {
            let transaction = self.0.transaction()?;
            for write in writes {
                apply::apply_one(&transaction, write)?;
            }
            transaction.commit()
        };
        apply().map_err(doing("saving"))
    }

    /// One of this device's own values.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        self.0
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .map(|found| found.map(Zeroizing::new))
            .map_err(doing("reading"))
    }

    /// Sets one of this device's own values.
    pub(crate) fn set_value(&self, name: &str, value: Option<&[u8]>) -> Result<(), ClientError> {
        let done = match value {
            Some(value) => {
                self.0.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![name, value])
            }
            None => self.0.execute("DELETE FROM meta WHERE key = ?1", [name]),
        };
        done.map(|_| ()).map_err(doing("saving"))
    }

    /// What the engine takes up again.
    pub(crate) fn account(&self) -> Result<StoredAccount, ClientError> {
        let states = self.column("SELECT bytes FROM states ORDER BY version")?;
        let state_in_flight = self.value(key::STATE_IN_FLIGHT)?.map(|bytes| bytes.to_vec());
        let ids: Vec<Vec<u8>> = self.column("SELECT DISTINCT vault FROM commits")?;
        let vaults = ids.iter().map(|id| self.vault(vault_id(id)?)).collect::<Result<_, _>>()?;
        Ok(StoredAccount { states, state_in_flight, vaults })
    }

    /// An object's verified record.
    pub(crate) fn record(&self, vault: VaultId, object: ObjectId) -> Result<Option<Vec<u8>>, ClientError> {
        self.0
            .prepare_cached("SELECT record FROM objects WHERE vault = ?1 AND object = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![vault.as_bytes(), object.as_bytes()], |row| row.get(0)).optional()
            })
            .map(Option::flatten)
            .map_err(doing("reading"))
    }

    /// Every verified live record of a vault with its leaf.
    pub(crate) fn records(&self, vault: VaultId) -> Result<Vec<(Leaf, Vec<u8>)>, ClientError> {
        self.leaves_with(vault, "record", |row| row.get(3))
    }

    /// A record that a state names.
    pub(crate) fn named_record(&self, hash: &Digest) -> Result<Option<Vec<u8>>, ClientError> {
        self.0
            .prepare_cached("SELECT bytes FROM named_records WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([hash.as_bytes()], |row| row.get(0)).optional())
            .map_err(doing("reading"))
    }

    /// Every state.
    pub(crate) fn states(&self) -> Result<Vec<Vec<u8>>, ClientError> {
        self.column("SELECT bytes FROM states ORDER BY version")
    }

    /// The state of a version.
    pub(crate) fn state(&self, version: u64) -> Result<Option<Vec<u8>>, ClientError> {
        self.0
            .query_row("SELECT bytes FROM states WHERE version = ?1", [version.cast_signed()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(doing("reading"))
    }

    /// The commit at a place of a vault's chain.
    pub(crate) fn commit(&self, vault: VaultId, seq: u64) -> Result<Option<Vec<u8>>, ClientError> {
        self.0
            .query_row(
                "SELECT bytes FROM commits WHERE vault = ?1 AND seq = ?2",
                params![vault.as_bytes(), seq.cast_signed()],
                |row| row.get(0),
            )
            .optional()
            .map_err(doing("reading"))
    }

    /// A vault's commits after `seq`.
    pub(crate) fn commits_after(&self, vault: VaultId, seq: u64) -> Result<Vec<Vec<u8>>, ClientError> {
        self.0
            .prepare_cached("SELECT bytes FROM commits WHERE vault = ?1 AND seq > ?2 ORDER BY seq")
            .and_then(|mut statement| {
                statement.query_map(params![vault.as_bytes(), seq.cast_signed()], |row| row.get(0))?.collect()
            })
            .map_err(doing("reading"))
    }

    /// The ids known to be purged.
    pub(crate) fn purged(&self, vault: VaultId) -> Result<BTreeSet<ObjectId>, ClientError> {
        const SELECT: &str = "SELECT object FROM objects WHERE vault = ?1 AND record IS NULL";
        self.column_of(SELECT, vault.as_bytes())?.iter().map(|id| object_id(id)).collect()
    }

    /// The length of every record held, live or named, by its hash.
    pub(crate) fn record_lengths(&self) -> Result<HashMap<Digest, usize>, ClientError> {
        const SELECT: &str = "SELECT hash, length(record) FROM objects WHERE record IS NOT NULL \
            UNION ALL SELECT hash, length(bytes) FROM named_records";
        let row = |row: &rusqlite::Row<'_>| {
            let length: i64 = row.get(1)?;
            Ok((Digest::new(row.get(0)?), usize::try_from(length).unwrap_or_default()))
        };
        self.0
            .prepare_cached(SELECT)
            .and_then(|mut statement| statement.query_map([], row)?.collect())
            .map_err(doing("reading"))
    }

    /// Hands every row of one column on, a row at a time, so that a vault of any size passes through little memory.
    pub(crate) fn for_each(
        &self,
        stored: Stored,
        mut visit: impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let (sql, vault) = match &stored {
            Stored::States => ("SELECT bytes FROM states ORDER BY version", None),
            Stored::NamedRecords => ("SELECT bytes FROM named_records", None),
            Stored::Commits(vault) => {
                ("SELECT bytes FROM commits WHERE vault = ?1 ORDER BY seq", Some(vault))
            }
            Stored::Records(vault) => {
                ("SELECT record FROM objects WHERE vault = ?1 AND record IS NOT NULL", Some(vault))
            }
        };
        let mut statement = self.0.prepare_cached(sql).map_err(doing("reading"))?;
        let parameters = rusqlite::params_from_iter(vault.map(VaultId::as_bytes));
        let mut rows = statement.query(parameters).map_err(doing("reading"))?;
        while let Some(row) = rows.next().map_err(doing("reading"))? {
            let bytes = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(doing("reading"))?;
            visit(bytes)?;
        }
        Ok(())
    }

    fn connect(path: &Path, store_key: &LocalStoreKey) -> Result<Self, ClientError> {
        let connection = Connection::open(path).map_err(doing("opening the local store"))?;
        // One agent has the folder, so nothing has to be shared through a file, for which a full disk has no room.
        let exclusive = "PRAGMA locking_mode = EXCLUSIVE";
        let durable = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;";
        connection
            .execute_batch(&key_pragma("key", store_key))
            .and_then(|()| connection.execute_batch(exclusive))
            .and_then(|()| connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())))
            .and_then(|()| connection.execute_batch(durable))
            .map_err(doing("opening the local store"))?;
        Ok(Self(connection))
    }

    fn vault(&self, vault: VaultId) -> Result<StoredVault, ClientError> {
        let id = vault.as_bytes();
        let commit = |order: &str| {
            let sql = format!("SELECT bytes FROM commits WHERE vault = ?1 ORDER BY seq {order} LIMIT 1");
            self.0.query_row(&sql, [id], |row| row.get(0)).optional().map_err(doing("reading"))
        };
        let (newest_commit, oldest_commit) = (commit("DESC")?, commit("ASC")?);
        let leaves = self.leaves_with(vault, "NULL", |_| Ok(()))?;
        let purged = self.purged(vault)?;
        let outbox = self.column_of("SELECT bytes FROM outbox WHERE vault = ?1", id)?;
        let in_flight = self
            .0
            .query_row("SELECT bytes FROM in_flight WHERE vault = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(doing("reading"))?;
        Ok(StoredVault {
            vault_id: vault,
            newest_commit,
            oldest_commit,
            leaves: leaves.into_iter().map(|(leaf, ())| leaf).collect(),
            purged,
            outbox,
            in_flight,
        })
    }

    fn leaves_with<T>(
        &self,
        vault: VaultId,
        column: &str,
        read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<(Leaf, T)>, ClientError> {
        let sql = format!(
            "SELECT object, version, hash, {column} FROM objects WHERE vault = ?1 AND record IS NOT NULL"
        );
        let mut statement = self.0.prepare_cached(&sql).map_err(doing("reading"))?;
        let mut rows = statement.query([vault.as_bytes()]).map_err(doing("reading"))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(doing("reading"))? {
            let (object, version, hash): (Vec<u8>, i64, [u8; 32]) =
                (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().map_err(doing("reading"))?;
            let leaf = Leaf {
                object_id: object_id(&object)?,
                version: version.cast_unsigned(),
                record_hash: Digest::new(hash),
            };
            found.push((leaf, read(row).map_err(doing("reading"))?));
        }
        Ok(found)
    }

    fn column(&self, sql: &str) -> Result<Vec<Vec<u8>>, ClientError> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(doing("reading"))
    }

    fn column_of(&self, sql: &str, vault: &[u8; 16]) -> Result<Vec<Vec<u8>>, ClientError> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map([vault], |row| row.get(0))?.collect())
            .map_err(doing("reading"))
    }
}

fn doing(doing: &'static str) -> impl Fn(rusqlite::Error) -> ClientError {
    move |source| ClientError::Store { doing, source }
}

fn is_wrong_key(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase)
}

/// A raw key spares the database its own slow derivation (`spec/crypto.md`, "Local store").
fn key_pragma(pragma: &str, store_key: &LocalStoreKey) -> Zeroizing<String> {
    use std::fmt::Write as _;
    let mut text = Zeroizing::new(String::with_capacity(96));
    let _ = write!(text, "PRAGMA {pragma} = \"x'");
    for byte in store_key.expose() {
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str("'\"");
    text
}

fn vault_id(bytes: &[u8]) -> Result<VaultId, ClientError> {
    Ok(VaultId::new(sixteen(bytes)?)?)
}

fn object_id(bytes: &[u8]) -> Result<ObjectId, ClientError> {
    Ok(ObjectId::new(sixteen(bytes)?)?)
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], ClientError> {
    bytes
        .try_into()
        .map_err(|_| ClientError::Damaged("the local store holds an id of another length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_encrypted_anew_opens_with_its_new_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.db");
        let [first, second] = [[1; 32], [2; 32]].map(|bytes| LocalStoreKey::from_bytes(&bytes));
        let store = Store::create(&path, &first).unwrap();
        store.set_value("name", Some(b"kept")).unwrap();
        drop(store);
        let store = Store::open(&path, &first).unwrap().unwrap();
        store.set_value("other", Some(b"kept too")).unwrap();
        let again = store.re_key(&path, &second).unwrap();
        assert_eq!(again.value("name").unwrap().unwrap().as_slice(), b"kept");
        drop((store, again));
        assert!(Store::open(&path, &first).unwrap().is_none());
        assert!(Store::open(&path, &second).unwrap().is_some());
    }
}
