//! Which database a bucket or folder of segments belongs to.
//!
//! Garbage collection removes what the database does not know. A second database that was pointed at the same bucket, a
//! trial of a restore perhaps, would remove what the first one lives on: so the bucket says whose it is.

use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use sea_orm::ConnectionTrait;

use crate::{
    StoreError, random_bytes,
    sql::{self, Columns as _},
};

/// The object that names the store.
const MARKER: &str = "store";

/// A new store's name, drawn when its tables are made.
pub(crate) fn draw() -> Result<[u8; 16], StoreError> {
    random_bytes()
}

/// Has a bucket that belongs to nobody belong to this database.
///
/// # Errors
/// `OtherStore` if it belongs to another.
pub(crate) async fn claim<C: ConnectionTrait>(
    database: &C,
    objects: &dyn ObjectStore,
) -> Result<(), StoreError> {
    if check(database, objects).await? {
        return Ok(());
    }
    take_over(database, objects).await
}

/// Whether a bucket belongs to this database; `false` if it belongs to nobody.
///
/// # Errors
/// `OtherStore` if it belongs to another.
pub(crate) async fn check<C: ConnectionTrait>(
    database: &C,
    objects: &dyn ObjectStore,
) -> Result<bool, StoreError> {
    let marker = match objects.get(&Path::from(MARKER)).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(false),
        got => got.map_err(StoreError::blobs("asking whose the segments are"))?.bytes().await,
    };
    let marker = marker.map_err(StoreError::blobs("asking whose the segments are"))?;
    if marker == of(database).await? { Ok(true) } else { Err(StoreError::OtherStore) }
}

/// Has a bucket belong to this database, whosever it was.
pub(crate) async fn take_over<C: ConnectionTrait>(
    database: &C,
    objects: &dyn ObjectStore,
) -> Result<(), StoreError> {
    let payload = PutPayload::from(of(database).await?);
    let put = objects.put(&Path::from(MARKER), payload).await;
    put.map(drop).map_err(StoreError::blobs("writing whose the segments are"))
}

/// Gives a database the name of another, of which it is a copy.
pub(crate) async fn copy<F: ConnectionTrait, T: ConnectionTrait>(from: &F, to: &T) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE store SET store_id = $1";
    let values = [of(from).await?.into()];
    sql::execute(to, "naming a copy", UPDATE, values).await.map(drop)
}

async fn of<C: ConnectionTrait>(database: &C) -> Result<Vec<u8>, StoreError> {
    const SELECT: &str = "SELECT store_id FROM store";
    let row = sql::row(database, "reading the store's name", SELECT, []).await?;
    row.ok_or(StoreError::Damaged { found: "a store without a name" })?.column(0)
}
