//! Devices that have signed in before: only a new one is announced, and only one that was let in once is not asked to wait for
//! the approval of another.

use etui_chain::{AccountId, DeviceId};
use sea_orm::ConnectionTrait;

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Whether the device has never signed in to the account before.
pub(crate) async fn meet<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
    now_ms: u64,
) -> Result<bool, StoreError> {
    const INSERT: &str = "INSERT INTO known_device (account_id, device_id, first_ms, approved) \
         VALUES ($1, $2, $3, 0) ON CONFLICT (account_id, device_id) DO NOTHING";
    let values = [sql::id(account_id), sql::id(device_id), sql::number(now_ms)];
    let met = sql::execute(transaction, "getting to know a device", INSERT, values).await;
    Ok(met.map_err(sql::not_referred)? > 0)
}

/// Whether somebody has to approve the device, and somebody could: without another device that lives, nobody would ever get in.
pub(crate) async fn awaits_approval<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
    now_ms: u64,
) -> Result<bool, StoreError> {
    const SELECT: &str = "SELECT (SELECT approve_devices FROM account WHERE account_id = $1) <> 0 \
         AND EXISTS (SELECT 1 FROM known_device WHERE account_id = $1 AND device_id = $2 AND approved = 0) \
         AND EXISTS (SELECT 1 FROM session WHERE account_id = $1 AND device_id <> $2 AND expires_ms > $3 \
         AND awaits_approval = 0)";
    let values = [sql::id(account_id), sql::id(device_id), sql::number(now_ms)];
    let row = sql::row(transaction, "looking for a device that approves", SELECT, values).await?;
    row.ok_or(StoreError::NotFound)?.column(0)
}

/// From now on the device does not wait.
pub(crate) async fn approve<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
) -> Result<(), StoreError> {
    const UPDATE: &str =
        "UPDATE known_device SET approved = 1 WHERE account_id = $1 AND device_id = $2 AND approved = 0";
    let values = [sql::id(account_id), sql::id(device_id)];
    sql::execute(transaction, "letting a device in", UPDATE, values).await.map(drop)
}

/// The device is a new one when it signs in again.
pub(crate) async fn forget<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM known_device WHERE account_id = $1 AND device_id = $2";
    let values = [sql::id(account_id), sql::id(device_id)];
    sql::execute(transaction, "forgetting a device", DELETE, values).await.map(drop)
}

/// Only devices with a session are known from now on.
pub(crate) async fn forget_without_session<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM known_device WHERE account_id = $1 \
         AND device_id NOT IN (SELECT device_id FROM session WHERE account_id = $1)";
    sql::execute(transaction, "forgetting devices", DELETE, [sql::id(account_id)]).await.map(drop)
}
