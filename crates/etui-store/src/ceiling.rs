//! How much one account may have at once of what anybody makes who can sign in to it: beyond that the oldest goes, so that no
//! account fills a table.

use etui_chain::AccountId;
use sea_orm::ConnectionTrait;

use crate::{
    Purpose, SessionId, StoreError,
    sql::{self, Columns as _},
};

const MAKING_ROOM: &str = "making room for an account";

/// Things of one purpose that were begun and not finished.
const BEGUN: u64 = 20;
/// Sessions.
const SESSIONS: u64 = 100;
/// Devices that have signed in: more than sessions, so that no device goes which has one.
const DEVICES: u64 = 200;

/// Room for one more thing of this purpose.
pub(crate) async fn make_room_to_begin<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    purpose: Purpose,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM pending WHERE secret_hash IN (SELECT secret_hash FROM pending \
         WHERE account_id = $1 AND purpose = $2 ORDER BY created_ms DESC, secret_hash LIMIT $4 OFFSET $3)";
    let values = [sql::id(account_id), purpose.name().into(), sql::number(BEGUN - 1), sql::number(BEGUN)];
    sql::execute(transaction, MAKING_ROOM, DELETE, values).await.map(drop)
}

/// After a session has begun: the account has no more than it may have, and this one. Those go first that wait for approval, then
/// those that were used longest ago: nobody who is not let in signs out a device that is.
pub(crate) async fn hold_sessions<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    newest: SessionId,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE session_id IN (SELECT session_id FROM session \
         WHERE account_id = $1 AND session_id <> $2 \
         ORDER BY awaits_approval, last_seen_ms DESC, started_ms DESC, session_id LIMIT $4 OFFSET $3)";
    let values =
        [sql::id(account_id), sql::id(newest.id()), sql::number(SESSIONS - 1), sql::number(SESSIONS)];
    sql::execute(transaction, MAKING_ROOM, DELETE, values).await?;
    hold_devices(transaction, account_id).await
}

/// Devices without a session go, those first that were never let in.
async fn hold_devices<C: ConnectionTrait>(transaction: &C, account_id: AccountId) -> Result<(), StoreError> {
    const COUNT: &str = "SELECT COUNT(*) FROM known_device WHERE account_id = $1";
    const DELETE: &str = "DELETE FROM known_device WHERE account_id = $1 AND device_id IN (SELECT device_id \
         FROM known_device k WHERE account_id = $1 AND NOT EXISTS (SELECT 1 FROM session s \
         WHERE s.account_id = k.account_id AND s.device_id = k.device_id) \
         ORDER BY approved, first_ms, device_id LIMIT $2)";
    let row = sql::row(transaction, MAKING_ROOM, COUNT, [sql::id(account_id)]).await?;
    let too_many = row.map_or(Ok(0), |row| row.number(0))?.saturating_sub(DEVICES);
    if too_many == 0 {
        return Ok(());
    }
    let values = [sql::id(account_id), sql::number(too_many)];
    sql::execute(transaction, MAKING_ROOM, DELETE, values).await.map(drop)
}
