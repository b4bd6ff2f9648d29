//! How much one account may have at once of what anybody makes who can sign in to it: beyond that the oldest goes, so that no
//! account fills a table.

use etui_chain::AccountId;
use sea_orm::{ConnectionTrait, Value};

use crate::{
    Purpose, SessionId, StoreError,
    sql::{self, Columns as _},
};

const MAKING_ROOM: &str = "making room for an account";

/// Devices that have signed in: more than sessions, so that no device goes which has one.
const DEVICES: u64 = 200;

/// Rows of which an account has so many at the most.
struct Ceiling {
    table: &'static str,
    key: &'static str,
    /// Which of them are counted, of the account `$1` and by `$2`, but for the one that is to be there.
    which: &'static str,
    /// Which of them stay: those that come first.
    order: &'static str,
    most: u64,
}

/// Things of one purpose that were begun and not finished.
const BEGUN: Ceiling = Ceiling {
    table: "pending",
    key: "secret_hash",
    which: "account_id = $1 AND purpose = $2",
    order: "created_ms DESC, secret_hash",
    most: 20,
};

/// Sessions. Those go first that wait for approval, then those that were used longest ago: nobody who is not let in signs out a
/// device that is.
const SESSIONS: Ceiling = Ceiling {
    table: "session",
    key: "session_id",
    which: "account_id = $1 AND session_id <> $2",
    order: "awaits_approval, last_seen_ms DESC, started_ms DESC, session_id",
    most: 100,
};

/// Room for one more thing of this purpose.
pub(crate) async fn make_room_to_begin<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    purpose: Purpose,
) -> Result<(), StoreError> {
    make_room(transaction, &BEGUN, account_id, purpose.name().into()).await
}

/// After a session has begun: the account has no more than it may have, and this one.
pub(crate) async fn hold_sessions<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    newest: SessionId,
) -> Result<(), StoreError> {
    make_room(transaction, &SESSIONS, account_id, sql::id(newest.id())).await?;
    hold_devices(transaction, account_id).await
}

/// As many go at once as there may be: there are never twice as many.
async fn make_room<C: ConnectionTrait>(
    transaction: &C,
    ceiling: &Ceiling,
    account_id: AccountId,
    by: Value,
) -> Result<(), StoreError> {
    let Ceiling { table, key, which, order, most } = ceiling;
    let query = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {which} ORDER BY {order} LIMIT {most} OFFSET {})",
        most - 1
    );
    sql::execute(transaction, MAKING_ROOM, &query, [sql::id(account_id), by]).await.map(drop)
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
