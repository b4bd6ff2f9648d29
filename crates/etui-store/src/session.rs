//! Sessions: which device of which account has signed in.

use etui_api::{session::Method, sync::Event};
use etui_chain::{AccountId, DeviceId, Digest, Id};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Action, Authority, Claim, Fresh, Notice, Outcome, Store, StoreError,
    audit::{self, By},
    authority, ceiling, claim, export, known_device, mail,
    sql::{self, Columns as _},
};

const MINUTE_MS: u64 = 60_000;
/// How long the same request may come a second time because its answer was lost: longer than a database is waited for that
/// another one takes over.
const LOST_ANSWER_MS: u64 = 2 * MINUTE_MS;
/// When a session was last seen whose tokens nobody has shown yet.
pub(crate) const NEVER_USED_MS: u64 = 0;

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
    /// How its holder signed in.
    pub method: Method,
    /// Whether they were asked for something: otherwise nothing dangerous is done with it, however new it is.
    pub is_present: bool,
}

/// A session that was begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Who asks with it.
    pub authority: Authority,
    /// Whether the device has never signed in before.
    pub is_new_device: bool,
    /// Whether nothing is given to it until another device approves it.
    pub awaits_approval: bool,
}

/// A refresh token that was shown, and what would be given for it.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// SHA-256 of the token.
    pub presented: Digest,
    /// The session that the token names, where it is certainly one that this server issued.
    pub issued_for: Option<SessionId>,
    /// SHA-256 of the id of the request, which only the holder knows.
    pub request: Option<Digest>,
    /// SHA-256 of the token that follows from those two, always the same one.
    pub next: Digest,
    /// When the session ends then, in ms since 1970.
    pub expires_ms: u64,
}

/// What became of a refresh token.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// It was the newest of its session and has been replaced; or the answer to the same request was lost.
    Rotated(Authority),
    /// It had been replaced before: somebody else holds a copy, so the session is over for both.
    Reused,
    /// It belongs to no live session.
    Unknown,
}

impl Store {
    /// Begins a session for a device of which somebody has proven that they hold the account, which is noted; the other devices
    /// hear of a new one, and its holder by the letter that `announce` gives for it. A device has one session: the older one
    /// ends with the first use of this one ([`Store::touch`]), so that a device which is killed before it has kept the new
    /// tokens is still signed in by its old ones.
    ///
    /// # Errors
    /// `NotFound` if the account is gone; `Disabled`; `Superseded` if what was proven does not count any more.
    pub async fn create_session(
        &self,
        claim: Claim,
        device_id: DeviceId,
        session: NewSession,
        announce: impl FnOnce(&Begun) -> Result<Option<Notice>, StoreError>,
        now_ms: u64,
    ) -> Result<Begun, StoreError> {
        const SELECT: &str = "SELECT disabled_ms FROM account WHERE account_id = $1";
        let account_id = claim.account_id();
        let transaction = self.begin().await?;
        claim.hold(&*transaction).await?;
        let row = sql::row(&*transaction, "looking an account up", SELECT, [sql::id(account_id)]).await?;
        if row.ok_or(StoreError::NotFound)?.column::<Option<i64>>(0)?.is_some() {
            return Err(StoreError::Disabled);
        }
        let begun = insert(&*transaction, account_id, device_id, session, now_ms).await?;
        let action = if begun.is_new_device { Action::NewDevice } else { Action::SignIn };
        note(&*transaction, &begun.authority, action, Some(device_id), now_ms).await?;
        if begun.is_new_device
            && let Some(notice) = announce(&begun)?
        {
            mail::notify(&*transaction, account_id, &notice, now_ms).await?;
        }
        transaction.commit().await?;
        if begun.is_new_device || begun.awaits_approval {
            self.tell(account_id, Event::Device { device_id });
        }
        Ok(begun)
    }

    /// Whose token it is, for tokens that do not say so themselves.
    ///
    /// # Errors
    /// `Database`.
    pub async fn session_of(&self, refresh_hash: Digest) -> Result<Option<SessionId>, StoreError> {
        const SELECT: &str = "SELECT session_id FROM session WHERE refresh_hash = $1";
        let values = [sql::digest(&refresh_hash)];
        let row = sql::row(self.database(), "looking a refresh token up", SELECT, values).await?;
        row.map(|row| row.id(0).map(SessionId)).transpose()
    }

    /// Exchanges a refresh token for the next one. A token that was exchanged before ends its session, unless it comes with
    /// the same request soon after: then the answer was lost, and the same successor is given again.
    ///
    /// # Errors
    /// `Database`.
    pub async fn rotate_refresh(&self, exchange: &Exchange, now_ms: u64) -> Result<Rotation, StoreError> {
        const SELECT: &str = "SELECT session_id, refresh_hash, request_hash, rotated_ms FROM session \
             WHERE (refresh_hash = $1 OR previous_hash = $1) AND expires_ms > $2";
        let transaction = self.begin().await?;
        let query = format!("{SELECT}{}", sql::for_update(&*transaction));
        let values = [sql::digest(&exchange.presented), sql::number(now_ms)];
        let row = sql::row(&*transaction, "looking a refresh token up", &query, values).await?;
        let rotation = match row {
            Some(row) => {
                let session_id = SessionId(row.id(0)?);
                let is_newest = row.digest(1)? == exchange.presented;
                if is_newest {
                    replace_refresh(&*transaction, session_id, exchange, now_ms).await?;
                }
                if is_newest || is_lost_answer(&row, exchange, now_ms)? {
                    Rotation::Rotated(authority::of_session(&*transaction, session_id).await?)
                } else {
                    end_reused(&*transaction, session_id, now_ms).await?
                }
            }
            None => match exchange.issued_for {
                Some(session_id) => end_reused(&*transaction, session_id, now_ms).await?,
                None => Rotation::Unknown,
            },
        };
        transaction.commit().await?;
        Ok(rotation)
    }

    /// Lets a device in that waits for it. A device that is signed in approves others, never itself.
    ///
    /// # Errors
    /// `NotFound` if no session of it waits.
    pub async fn approve_device(
        &self,
        authority: &Authority,
        device_id: DeviceId,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE session SET awaits_approval = 0 \
             WHERE account_id = $1 AND device_id = $2 AND awaits_approval <> 0";
        let account_id = authority.account_id();
        let transaction = self.begin().await?;
        let values = [sql::id(account_id), sql::id(device_id)];
        if sql::execute(&*transaction, "approving a device", UPDATE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        known_device::approve(&*transaction, account_id, device_id).await?;
        note(&*transaction, authority, Action::ApproveDevice, Some(device_id), now_ms).await?;
        transaction.commit().await?;
        self.tell(account_id, Event::Device { device_id });
        Ok(())
    }

    /// Ends the session that asks, one of the same device that nobody has used yet, and whatever was begun.
    ///
    /// # Errors
    /// `Database`.
    pub async fn end_session(&self, authority: &Authority, now_ms: u64) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        end_others_of_device(&*transaction, authority).await?;
        end(&*transaction, authority.session_id()).await?;
        claim::supersede(&*transaction, authority.account_id()).await?;
        note(&*transaction, authority, Action::SignOut, Some(authority.device_id()), now_ms).await?;
        transaction.commit().await
    }

    /// Ends the session of a device of this account, one that waits to be approved too, and whatever was begun, since that may
    /// have been begun there. It is a new device again.
    ///
    /// # Errors
    /// `NotFound` if it has none.
    pub async fn end_device_sessions(
        &self,
        authority: &Authority,
        device_id: DeviceId,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        end_device(&*transaction, authority.account_id(), device_id).await?;
        note(&*transaction, authority, Action::SignOut, Some(device_id), now_ms).await?;
        transaction.commit().await
    }

    /// The same by the holder without a device, who is told of it by a letter: where new devices are approved, and those are
    /// lost that could, a new one waits for them no longer. The claim that stands now.
    ///
    /// # Errors
    /// `SessionEnded`; `NotFound` if it has none.
    pub async fn turn_device_away(
        &self,
        fresh: &Fresh,
        device_id: DeviceId,
        notice: Option<&Notice>,
        now_ms: u64,
    ) -> Result<Claim, StoreError> {
        let (account_id, pseudonyms) = (fresh.account_id(), fresh.pseudonyms());
        let (action, device) = (Action::SignOut, Some(pseudonyms.of(device_id)));
        let transaction = self.begin().await?;
        fresh.hold(&*transaction, now_ms).await?;
        let claim = end_device(&*transaction, account_id, device_id).await?;
        audit::insert(&*transaction, pseudonyms, fresh.by(), action, device, Outcome::Done, now_ms).await?;
        if let Some(notice) = notice {
            mail::notify(&*transaction, account_id, notice, now_ms).await?;
        }
        transaction.commit().await?;
        self.tell(account_id, Event::Device { device_id });
        Ok(claim)
    }

    /// Ends every session of the account but the one that asks, and whatever was begun: how many sessions there were.
    ///
    /// # Errors
    /// `Database`.
    pub async fn end_other_sessions(&self, authority: &Authority, now_ms: u64) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let kept = Some(authority.session_id());
        let (ended, _) = end_all_but(&*transaction, authority.account_id(), kept).await?;
        note(&*transaction, authority, Action::SignOut, None, now_ms).await?;
        transaction.commit().await?;
        Ok(ended)
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
        if authority.last_seen_ms() >= minute_ms {
            return Ok(());
        }
        let transaction = self.begin().await?;
        let values = [sql::id(authority.session_id().0), sql::number(minute_ms)];
        let noted = sql::execute(&*transaction, "noting that a session is in use", UPDATE, values).await?;
        if noted > 0 && authority.last_seen_ms() == NEVER_USED_MS {
            end_others_of_device(&*transaction, authority).await?;
        }
        transaction.commit().await
    }
}

/// Begins a session within the caller's transaction, in the place of one that was never used.
pub(crate) async fn insert<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
    session: NewSession,
    now_ms: u64,
) -> Result<Begun, StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2 AND last_seen_ms = $3";
    const INSERT: &str = "INSERT INTO session (session_id, account_id, device_id, refresh_hash, started_ms, \
         last_seen_ms, expires_ms, method, awaits_approval, present) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let is_new_device = known_device::meet(transaction, account_id, device_id, now_ms).await?;
    let awaits_approval = known_device::awaits_approval(transaction, account_id, device_id, now_ms).await?;
    if !awaits_approval {
        known_device::approve(transaction, account_id, device_id).await?;
    }
    let values = [sql::id(account_id), sql::id(device_id), sql::number(NEVER_USED_MS)];
    sql::execute(transaction, "ending a session that was never used", DELETE, values).await?;
    let values = [
        sql::id(session.session_id.0),
        sql::id(account_id),
        sql::id(device_id),
        sql::digest(&session.refresh_hash),
        sql::number(now_ms),
        sql::number(NEVER_USED_MS),
        sql::number(session.expires_ms),
        session.method.name().into(),
        i64::from(awaits_approval).into(),
        i64::from(session.is_present).into(),
    ];
    sql::execute(transaction, "beginning a session", INSERT, values).await?;
    ceiling::hold_sessions(transaction, account_id, session.session_id).await?;
    let authority = authority::of_session(transaction, session.session_id).await?;
    Ok(Begun { authority, is_new_device, awaits_approval })
}

/// The same request again, soon, and nobody has used what was given for it.
fn is_lost_answer(row: &QueryResult, exchange: &Exchange, now_ms: u64) -> Result<bool, StoreError> {
    let request_hash: Option<Vec<u8>> = row.column(2)?;
    let same_request =
        exchange.request.is_some_and(|request| request_hash.as_deref() == Some(request.as_bytes()));
    let soon = now_ms.saturating_sub(row.number(3)?) < LOST_ANSWER_MS;
    Ok(same_request && soon && row.digest(1)? == exchange.next)
}

async fn replace_refresh<C: ConnectionTrait>(
    transaction: &C,
    session_id: SessionId,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE session SET refresh_hash = $2, previous_hash = $3, request_hash = $4, rotated_ms = $5, \
         expires_ms = $6 WHERE session_id = $1";
    let values = [
        sql::id(session_id.0),
        sql::digest(&exchange.next),
        sql::digest(&exchange.presented),
        exchange.request.map(|request| request.as_bytes().to_vec()).into(),
        sql::number(now_ms),
        sql::number(exchange.expires_ms),
    ];
    sql::execute(transaction, "replacing a refresh token", UPDATE, values).await?;
    Ok(())
}

/// Somebody else holds a copy of a refresh token: nobody goes on with the session.
async fn end_reused<C: ConnectionTrait>(
    transaction: &C,
    session_id: SessionId,
    now_ms: u64,
) -> Result<Rotation, StoreError> {
    // One that is over has nothing to end, and a token of it that comes late is no copy.
    const LIVES: &str = "SELECT 1 FROM session WHERE session_id = $1 AND expires_ms > $2";
    let values = [sql::id(session_id.0), sql::number(now_ms)];
    if sql::row(transaction, "looking a session up", LIVES, values).await?.is_none() {
        return Ok(Rotation::Unknown);
    }
    let authority = match authority::of_session(transaction, session_id).await {
        Err(StoreError::NotFound) => return Ok(Rotation::Unknown),
        found => found?,
    };
    if !end(transaction, session_id).await? {
        return Ok(Rotation::Unknown);
    }
    // One of its two holders is a stranger, who is one from now on.
    known_device::forget(transaction, authority.account_id(), authority.device_id()).await?;
    claim::supersede(transaction, authority.account_id()).await?;
    let pseudonyms = authority.pseudonyms();
    let (action, device) = (Action::TokenReused, Some(pseudonyms.of(authority.device_id())));
    audit::insert(transaction, pseudonyms, By::STRANGER, action, device, Outcome::Refused, now_ms).await?;
    Ok(Rotation::Reused)
}

async fn end_device<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    device_id: DeviceId,
) -> Result<Claim, StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2";
    let values = [sql::id(account_id), sql::id(device_id)];
    // Whatever was begun may have been begun there.
    let claim = claim::supersede(transaction, account_id).await?;
    if sql::execute(transaction, "ending a device's session", DELETE, values).await? == 0 {
        return Err(StoreError::NotFound);
    }
    known_device::forget(transaction, account_id, device_id).await?;
    Ok(claim)
}

/// What the holder has done with a device, to one or to many.
async fn note<C: ConnectionTrait>(
    transaction: &C,
    authority: &Authority,
    action: Action,
    device_id: Option<DeviceId>,
    now_ms: u64,
) -> Result<(), StoreError> {
    let (pseudonyms, by) = (authority.pseudonyms(), authority.by());
    let device = device_id.map(|device_id| pseudonyms.of(device_id));
    audit::insert(transaction, pseudonyms, by, action, device, Outcome::Done, now_ms).await
}

/// Whether it was there.
async fn end<C: ConnectionTrait>(transaction: &C, session_id: SessionId) -> Result<bool, StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE session_id = $1";
    let ended = sql::execute(transaction, "ending a session", DELETE, [sql::id(session_id.0)]).await?;
    Ok(ended > 0)
}

/// Whether a session goes on and may ask for something.
///
/// # Errors
/// `SessionEnded`.
pub(crate) async fn require<C: ConnectionTrait>(
    connection: &C,
    session_id: SessionId,
    now_ms: u64,
) -> Result<(), StoreError> {
    const SELECT: &str =
        "SELECT 1 FROM session WHERE session_id = $1 AND expires_ms > $2 AND awaits_approval = 0";
    let values = [sql::id(session_id.0), sql::number(now_ms)];
    let row = sql::row(connection, "looking a session up", SELECT, values).await?;
    row.map(drop).ok_or(StoreError::SessionEnded)
}

/// Ends every session of an account but one, whatever was begun and not finished, and downloads that were asked for. All other
/// devices are new ones from now on. How many sessions there were, and the claim that stands now.
pub(crate) async fn end_all_but<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    kept: Option<SessionId>,
) -> Result<(u64, Claim), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND session_id <> $2";
    let claim = claim::supersede(transaction, account_id).await?;
    // No session has the id of zeros.
    let kept = kept.map_or_else(|| vec![0_u8; 16].into(), |session_id| sql::id(session_id.0));
    let ended = sql::execute(transaction, "ending sessions", DELETE, [sql::id(account_id), kept]).await?;
    known_device::forget_without_session(transaction, account_id).await?;
    export::expire(transaction, account_id).await?;
    Ok((ended, claim))
}

async fn end_others_of_device<C: ConnectionTrait>(
    transaction: &C,
    authority: &Authority,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2 AND session_id <> $3";
    let values =
        [sql::id(authority.account_id()), sql::id(authority.device_id()), sql::id(authority.session_id().0)];
    sql::execute(transaction, "ending a device's older session", DELETE, values).await?;
    Ok(())
}

pub(crate) const fn to_the_minute(time_ms: u64) -> u64 {
    time_ms - time_ms % MINUTE_MS
}
