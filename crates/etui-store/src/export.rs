//! Everything that is held about a person, as one file in the object store for a while.
//!
//! It is made from [`HOLDINGS`], at one moment, as lines of JSON: a head, a line for each row, and an end with the number of
//! lines and the hash of all before it. `spec/api.md` describes it for those who read it.

mod bundle;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use etui_chain::{AccountId, Digest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use sea_orm::ConnectionTrait;

use crate::{
    Action, Holder, Outcome, Store, StoreError, audit, random_bytes,
    sql::{self, Columns as _},
};

/// Bytes as they are read.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// Folder of the object store that holds downloads and nothing else.
const FOLDER: &str = "exports";
/// Up to so many bytes of records, and so many commits, a download is made while its holder waits.
const AT_ONCE_BYTES: u64 = 16 << 20;
const AT_ONCE_COMMITS: u64 = 4096;
/// Another node may begin anew after so long: this one may be dead.
const LEASE: Duration = Duration::from_hours(1);
/// So long an object that no row names is left alone: its row may be about to be written.
const UNNAMED_STAYS: Duration = Duration::from_hours(24);

/// A download that is this node's to make.
#[derive(Debug)]
pub struct ExportTicket {
    number: u64,
    account_id: AccountId,
}

/// A download that was asked for.
pub enum Download {
    /// It is being made.
    Making,
    /// It is there.
    Ready {
        /// How long it is.
        bytes: u64,
        /// All of it.
        content: ByteStream,
    },
}

impl Store {
    /// Asks for a download of everything, in place of one asked for before. `Some` if it is so small that the caller makes it
    /// at once, by [`Self::make_export`]; else it is for [`Self::next_export`].
    ///
    /// # Errors
    /// `Database`, `NotFound` if the account is gone.
    pub async fn begin_export(
        &self,
        holder: &Holder,
        secret_hash: Digest,
        lifetime: Duration,
        now_ms: u64,
    ) -> Result<Option<ExportTicket>, StoreError> {
        const SIZE: &str = "SELECT CAST(COALESCE((SELECT SUM(o.length) FROM object o \
             JOIN vault v ON v.vault_number = o.vault_number WHERE v.account_id = $1), 0) AS BIGINT), \
             CAST(COALESCE((SELECT SUM(head_seq) FROM vault WHERE account_id = $1), 0) AS BIGINT)";
        const DELETE: &str = "DELETE FROM data_export WHERE account_id = $1 RETURNING object_key";
        const INSERT: &str = "INSERT INTO data_export (account_id, secret_hash, bytes, requested_ms, claimed_ms, \
             expires_ms) SELECT account_id, $2, 0, $3, $4, $5 FROM account WHERE account_id = $1 RETURNING export_number";
        const ASKING: &str = "asking for a download";
        let account_id = holder.account_id();
        let size = sql::row(self.database(), ASKING, SIZE, [sql::id(account_id)]).await?;
        let size = size.ok_or(StoreError::NotFound)?;
        let at_once = size.number(0)? <= AT_ONCE_BYTES && size.number(1)? <= AT_ONCE_COMMITS;
        let transaction = self.begin().await?;
        let before = sql::row(&*transaction, ASKING, DELETE, [sql::id(account_id)]).await?;
        let values = [
            sql::id(account_id),
            sql::digest(&secret_hash),
            sql::number(now_ms),
            sql::number(if at_once { now_ms } else { 0 }),
            sql::number(now_ms.saturating_add(milliseconds(lifetime))),
        ];
        let row = sql::row(&*transaction, ASKING, INSERT, values).await.map_err(sql::not_unique)?;
        let number = row.ok_or(StoreError::NotFound)?.number(0)?;
        let (by, action, outcome) = (holder.by(), Action::ExportData, Outcome::Done);
        audit::insert(&*transaction, holder.pseudonyms(), by, action, None, outcome, now_ms).await?;
        transaction.commit().await?;
        if let Some(key) = before.map(|row| row.column(0)).transpose()?.flatten() {
            self.remove_export(&Key(key)).await?;
        }
        Ok(at_once.then_some(ExportTicket { number, account_id }))
    }

    /// A download that was asked for and that no node is at.
    ///
    /// # Errors
    /// `Database`.
    pub async fn next_export(&self, now_ms: u64) -> Result<Option<ExportTicket>, StoreError> {
        const SELECT: &str = "SELECT export_number FROM data_export \
             WHERE object_key IS NULL AND claimed_ms <= $1 AND expires_ms > $2 ORDER BY export_number LIMIT 1";
        const CLAIM: &str = "UPDATE data_export SET claimed_ms = $2 \
             WHERE export_number = $1 AND claimed_ms <= $3 RETURNING account_id";
        const CLAIMING: &str = "looking for a download to make";
        let free_ms = now_ms.saturating_sub(milliseconds(LEASE));
        let values = [sql::number(free_ms), sql::number(now_ms)];
        let Some(row) = sql::row(self.database(), CLAIMING, SELECT, values).await? else { return Ok(None) };
        let number = row.number(0)?;
        let transaction = self.begin().await?;
        let values = [sql::number(number), sql::number(now_ms), sql::number(free_ms)];
        let row = sql::row(&*transaction, CLAIMING, CLAIM, values).await?;
        transaction.commit().await?;
        row.map(|row| Ok(ExportTicket { number, account_id: row.id(0)? })).transpose()
    }

    /// Makes a download, in bounded memory.
    ///
    /// # Errors
    /// `NotFound` if the account is gone; `Database`, `Blobs`, `StorageFull`: it may be made anew later.
    pub async fn make_export(&self, ticket: &ExportTicket, now_ms: u64) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE data_export SET object_key = $2, bytes = $3 \
             WHERE export_number = $1 AND object_key IS NULL";
        let key = Key(random_bytes()?.to_vec());
        let bytes = self.write_bundle(&key.path(), ticket.account_id, now_ms).await?;
        let transaction = self.begin().await?;
        let values = [sql::number(ticket.number), key.0.clone().into(), sql::number(bytes)];
        let named = sql::execute(&*transaction, "naming a download", UPDATE, values).await?;
        transaction.commit().await?;
        // The account is gone, or another download was asked for meanwhile.
        if named == 0 { self.remove_export(&key).await } else { Ok(()) }
    }

    /// The download of that secret; `None` if there is none, or its time is over.
    ///
    /// # Errors
    /// `Disabled` if the account is; `Database`, `Blobs`.
    pub async fn download(&self, secret_hash: Digest, now_ms: u64) -> Result<Option<Download>, StoreError> {
        const SELECT: &str = "SELECT e.object_key, e.bytes, a.disabled_ms FROM data_export e \
             JOIN account a ON a.account_id = e.account_id WHERE e.secret_hash = $1 AND e.expires_ms > $2";
        let values = [sql::digest(&secret_hash), sql::number(now_ms)];
        let row = sql::row(self.database(), "looking a download up", SELECT, values).await?;
        let Some(row) = row else { return Ok(None) };
        if row.column::<Option<i64>>(2)?.is_some() {
            return Err(StoreError::Disabled);
        }
        let Some(key) = row.column::<Option<Vec<u8>>>(0)? else { return Ok(Some(Download::Making)) };
        let failed = StoreError::blobs("reading a download");
        let object = match self.inner().objects.get(&Key(key).path()).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(&failed)?,
        };
        let content = object.into_stream().map_err(failed).boxed();
        Ok(Some(Download::Ready { bytes: row.number(1)?, content }))
    }

    /// Removes the objects of an account's downloads; their rows go with the account.
    pub(crate) async fn remove_exports_of(&self, account_id: AccountId) -> Result<(), StoreError> {
        const SELECT: &str =
            "SELECT object_key FROM data_export WHERE account_id = $1 AND object_key IS NOT NULL";
        let rows = sql::rows(self.database(), "listing downloads", SELECT, [sql::id(account_id)]).await?;
        for row in rows {
            self.remove_export(&Key(row.column(0)?)).await?;
        }
        Ok(())
    }

    /// Removes downloads past their time, and objects that no row has named for a day: how many.
    pub(crate) async fn remove_old_exports(&self, now_ms: u64) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT export_number, object_key FROM data_export WHERE expires_ms <= $1";
        const DELETE: &str = "DELETE FROM data_export WHERE export_number = $1";
        let rows = sql::rows(self.database(), "listing downloads", SELECT, [sql::number(now_ms)]).await?;
        for row in &rows {
            if let Some(key) = row.column(1)? {
                self.remove_export(&Key(key)).await?;
            }
            let transaction = self.begin().await?;
            let values = [sql::number(row.number(0)?)];
            sql::execute(&*transaction, "removing a download", DELETE, values).await?;
            transaction.commit().await?;
        }
        Ok(rows.len() as u64 + self.remove_unnamed_exports(now_ms).await?)
    }

    async fn remove_unnamed_exports(&self, now_ms: u64) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT object_key FROM data_export WHERE object_key IS NOT NULL";
        let before_ms = now_ms.saturating_sub(milliseconds(UNNAMED_STAYS));
        let is_old = |object: &ObjectMeta| {
            u64::try_from(object.last_modified.timestamp_millis()).is_ok_and(|modified| modified <= before_ms)
        };
        let listing = self.inner().objects.list(Some(&Path::from(FOLDER)));
        let there: Vec<ObjectMeta> =
            listing.try_collect().await.map_err(StoreError::blobs("listing downloads"))?;
        let mut named = BTreeSet::new();
        for row in sql::rows(self.database(), "listing downloads", SELECT, []).await? {
            named.insert(Key(row.column(0)?).path());
        }
        let mut removed = 0;
        for object in there.iter().filter(|object| is_old(object) && !named.contains(&object.location)) {
            self.remove_object_at(&object.location).await?;
            removed += 1;
        }
        Ok(removed)
    }

    async fn remove_export(&self, key: &Key) -> Result<(), StoreError> {
        self.remove_object_at(&key.path()).await
    }

    /// Gone already is as good.
    async fn remove_object_at(&self, path: &Path) -> Result<(), StoreError> {
        match self.inner().objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::blobs("removing a download")(error)),
        }
    }
}

/// The random name of a download in the object store.
struct Key(Vec<u8>);

impl Key {
    fn path(&self) -> Path {
        Path::from_iter([FOLDER, &HEXLOWER.encode(&self.0)])
    }
}

/// The downloads of an account are over: whoever has the address of one may be somebody who was thrown out.
pub(crate) async fn expire<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE data_export SET expires_ms = 0 WHERE account_id = $1";
    sql::execute(transaction, "ending downloads", UPDATE, [sql::id(account_id)]).await.map(drop)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
