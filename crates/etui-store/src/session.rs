//! Sessions: which device of which account is asking.

use etui_chain::{AccountId, DeviceId, Digest, Id};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Store, StoreError,
    sql::{self, Columns as _},
};

const MINUTE_MS: u64 = 60_000;
/// How long a refresh token may come a second time because the answer to the first was lost.
const LOST_ANSWER_MS: u64 = 2 * MINUTE_MS;
/// When a session was last seen whose tokens nobody has shown yet.
const NEVER_USED_MS: u64 = 0;

/// Names one session; it travels in access tokens and is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Id);

impl SessionId {
    /// Takes an id of 16 random bytes.
    pub const fn new(id: Id) -> Self {
        Self(id)
    }

    /// The id.
    pub const fn id(self) -> Id {
        self.0
    }
}

/// A session to be created.
#[derive(Debug, Clone, Copy)]
pub struct NewSession {
    /// Sixteen random bytes.
    pub session_id: SessionId,
    /// SHA-256 of the first refresh token.
    pub refresh_hash: Digest,
    /// When the session ends unless it is refreshed, in ms since 1970.
    pub expires_ms: u64,
}

/// Proof that a live session of a device speaks for an account. Only the store makes one.
#[derive(Debug, Clone)]
pub struct Authority {
    account_id: AccountId,
    device_id: DeviceId,
    session_id: SessionId,
    last_seen_ms: u64,
}

impl Authority {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The device.
    pub const fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The session.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }
}

/// What became of a refresh token.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// It was the newest of its session, or the one before and its successor never came back, and has been replaced.
    Rotated(Authority),
    /// It had been replaced before: somebody else holds a copy, so the session is over for both.
    Reused,
    /// It belongs to no live session.
    Unknown,
}

impl Store {
    /// Begins a session for a device whose login proof was verified. A device has one session: the older one ends with the
    /// first use of this one ([`Store::touch`]), so that a device which is killed before it has kept the new tokens is still
    /// signed in by its old ones.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn create_session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        session: NewSession,
        now_ms: u64,
    ) -> Result<Authority, StoreError> {
        const SELECT: &str = "SELECT 1 FROM account WHERE account_id = $1";
        let transaction = self.begin().await?;
        let values = [sql::id(account_id)];
        if sql::row(&*transaction, "looking an account up", SELECT, values).await?.is_none() {
            return Err(StoreError::NotFound);
        }
        let authority = insert(&*transaction, account_id, device_id, session, now_ms).await?;
        transaction.commit().await?;
        Ok(authority)
    }

    /// Looks a session up: `None` if it has ended. To be asked anew for every request.
    ///
    /// # Errors
    /// `Database`.
    pub async fn authority(
        &self,
        session_id: SessionId,
        now_ms: u64,
    ) -> Result<Option<Authority>, StoreError> {
        const SELECT: &str = "SELECT session_id, account_id, device_id, last_seen_ms FROM session \
             WHERE session_id = $1 AND expires_ms > $2";
        let values = [sql::id(session_id.0), sql::number(now_ms)];
        let row = sql::row(self.database(), "looking a session up", SELECT, values).await?;
        row.as_ref().map(Authority::from_row).transpose()
    }

    /// Exchanges a refresh token for the next one, both by their SHA-256. A token that was exchanged before ends its
    /// session, unless the answer was lost: then it comes again soon, and its successor, which nobody has, never.
    ///
    /// # Errors
    /// `Database`.
    pub async fn rotate_refresh(
        &self,
        presented: Digest,
        next: Digest,
        expires_ms: u64,
        now_ms: u64,
    ) -> Result<Rotation, StoreError> {
        const SELECT: &str = "SELECT session_id, account_id, device_id, last_seen_ms FROM session \
             WHERE refresh_hash = $1 AND expires_ms > $2";
        let transaction = self.begin().await?;
        let query = format!("{SELECT}{}", sql::for_update(&*transaction));
        let values = [sql::digest(&presented), sql::number(now_ms)];
        let row = sql::row(&*transaction, "looking a refresh token up", &query, values).await?;
        let rotation = match row {
            Some(row) => {
                let authority = Authority::from_row(&row)?;
                spend(&*transaction, &authority, presented, next, now_ms).await?;
                replace_refresh(&*transaction, &authority, next, expires_ms).await?;
                Rotation::Rotated(authority)
            }
            None => match unanswered(&*transaction, presented, now_ms).await? {
                Some((authority, never_received)) => {
                    // Whoever shows it nevertheless holds a copy: it has no successor.
                    spend(&*transaction, &authority, never_received, Digest::ZERO, now_ms).await?;
                    succeed(&*transaction, presented, next).await?;
                    replace_refresh(&*transaction, &authority, next, expires_ms).await?;
                    Rotation::Rotated(authority)
                }
                None => end_if_spent(&*transaction, presented).await?,
            },
        };
        transaction.commit().await?;
        Ok(rotation)
    }

    /// Ends the session that asks, and one of the same device that nobody has used yet.
    ///
    /// # Errors
    /// `Database`.
    pub async fn end_session(&self, authority: &Authority) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        end_others_of_device(&*transaction, authority).await?;
        end(&*transaction, authority.session_id).await?;
        transaction.commit().await
    }

    /// Ends the session of a device of this account.
    ///
    /// # Errors
    /// `NotFound` if it has none.
    pub async fn end_device_sessions(
        &self,
        authority: &Authority,
        device_id: DeviceId,
    ) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2";
        let transaction = self.begin().await?;
        let values = [sql::id(authority.account_id), sql::id(device_id)];
        if sql::execute(&*transaction, "ending a device's session", DELETE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        transaction.commit().await
    }

    /// Notes that the session is in use, to the minute: mostly there is nothing to write. The first use ends the device's
    /// older session.
    ///
    /// # Errors
    /// `Database`.
    pub async fn touch(&self, authority: &Authority, now_ms: u64) -> Result<(), StoreError> {
        const UPDATE: &str =
            "UPDATE session SET last_seen_ms = $2 WHERE session_id = $1 AND last_seen_ms < $2";
        let minute_ms = to_the_minute(now_ms);
        if authority.last_seen_ms >= minute_ms {
            return Ok(());
        }
        let transaction = self.begin().await?;
        let values = [sql::id(authority.session_id.0), sql::number(minute_ms)];
        let noted = sql::execute(&*transaction, "noting that a session is in use", UPDATE, values).await?;
        if noted > 0 && authority.last_seen_ms == NEVER_USED_MS {
            end_others_of_device(&*transaction, authority).await?;
        }
        transaction.commit().await
    }
}

impl Authority {
    fn from_row(row: &QueryResult) -> Result<Self, StoreError> {
        Ok(Self {
            session_id: SessionId(row.id(0)?),
            account_id: row.id(1)?,
            device_id: row.id(2)?,
            last_seen_ms: row.number(3)?,
        })
    }
}

/// Begins a session within the caller's transaction, in the place of one that was never used.
pub(crate) async fn insert<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
    session: NewSession,
    now_ms: u64,
) -> Result<Authority, StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2 AND last_seen_ms = $3";
    const INSERT: &str = "INSERT INTO session (session_id, account_id, device_id, refresh_hash, started_ms, \
         last_seen_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let last_seen_ms = NEVER_USED_MS;
    let values = [sql::id(account_id), sql::id(device_id), sql::number(last_seen_ms)];
    sql::execute(transaction, "ending a session that was never used", DELETE, values).await?;
    let values = [
        sql::id(session.session_id.0),
        sql::id(account_id),
        sql::id(device_id),
        sql::digest(&session.refresh_hash),
        sql::number(now_ms),
        sql::number(last_seen_ms),
        sql::number(session.expires_ms),
    ];
    sql::execute(transaction, "beginning a session", INSERT, values).await?;
    Ok(Authority { account_id, device_id, session_id: session.session_id, last_seen_ms })
}

/// Notes that a token was exchanged, and for which.
async fn spend<C: ConnectionTrait>(
    transaction: &C,
    authority: &Authority,
    presented: Digest,
    successor: Digest,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO spent_refresh (refresh_hash, session_id, successor_hash, spent_ms) VALUES ($1, $2, $3, $4)";
    let session_id = sql::id(authority.session_id.0);
    let values = [sql::digest(&presented), session_id, sql::digest(&successor), sql::number(now_ms)];
    sql::execute(transaction, "spending a refresh token", INSERT, values).await?;
    Ok(())
}

/// The session of a token that was exchanged a short while ago for one that has not been used since, and that one.
async fn unanswered<C: ConnectionTrait>(
    transaction: &C,
    presented: Digest,
    now_ms: u64,
) -> Result<Option<(Authority, Digest)>, StoreError> {
    const SELECT: &str = "SELECT s.session_id, s.account_id, s.device_id, s.last_seen_ms, s.refresh_hash \
         FROM spent_refresh r JOIN session s ON s.session_id = r.session_id \
         WHERE r.refresh_hash = $1 AND r.successor_hash = s.refresh_hash AND r.spent_ms > $2 AND s.expires_ms > $3";
    let since = sql::number(now_ms.saturating_sub(LOST_ANSWER_MS));
    let query = format!("{SELECT}{}", sql::for_update(transaction));
    let values = [sql::digest(&presented), since, sql::number(now_ms)];
    let row = sql::row(transaction, "looking a refresh token without an answer up", &query, values).await?;
    row.as_ref().map(|row| Ok((Authority::from_row(row)?, row.digest(4)?))).transpose()
}

/// Gives a spent token another successor. When it was spent stays: its time runs from the first exchange.
async fn succeed<C: ConnectionTrait>(
    transaction: &C,
    presented: Digest,
    successor: Digest,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE spent_refresh SET successor_hash = $2 WHERE refresh_hash = $1";
    let values = [sql::digest(&presented), sql::digest(&successor)];
    sql::execute(transaction, "giving a refresh token another successor", UPDATE, values).await?;
    Ok(())
}

async fn replace_refresh<C: ConnectionTrait>(
    transaction: &C,
    authority: &Authority,
    next: Digest,
    expires_ms: u64,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE session SET refresh_hash = $2, expires_ms = $3 WHERE session_id = $1";
    let values = [sql::id(authority.session_id.0), sql::digest(&next), sql::number(expires_ms)];
    sql::execute(transaction, "replacing a refresh token", UPDATE, values).await?;
    Ok(())
}

async fn end_if_spent<C: ConnectionTrait>(
    transaction: &C,
    presented: Digest,
) -> Result<Rotation, StoreError> {
    const SELECT: &str = "SELECT session_id FROM spent_refresh WHERE refresh_hash = $1";
    let values = [sql::digest(&presented)];
    match sql::row(transaction, "looking a spent refresh token up", SELECT, values).await? {
        None => Ok(Rotation::Unknown),
        Some(row) => {
            end(transaction, SessionId(row.id(0)?)).await?;
            Ok(Rotation::Reused)
        }
    }
}

async fn end<C: ConnectionTrait>(transaction: &C, session_id: SessionId) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE session_id = $1";
    sql::execute(transaction, "ending a session", DELETE, [sql::id(session_id.0)]).await?;
    Ok(())
}

async fn end_others_of_device<C: ConnectionTrait>(
    transaction: &C,
    authority: &Authority,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2 AND session_id <> $3";
    let values =
        [sql::id(authority.account_id), sql::id(authority.device_id), sql::id(authority.session_id.0)];
    sql::execute(transaction, "ending a device's older session", DELETE, values).await?;
    Ok(())
}

pub(crate) const fn to_the_minute(time_ms: u64) -> u64 {
    time_ms - time_ms % MINUTE_MS
}
