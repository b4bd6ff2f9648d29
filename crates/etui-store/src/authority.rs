//! Who may ask for what. Each of these values is made here alone, from rows read a moment ago, and every method of the store
//! that gives or changes what is an account's demands one: no caller can forget to ask. What looks at a credential before anybody
//! has been proven to be anybody takes an id, and gives a [`Claim`] at the most.

use etui_api::admin::Role;
use etui_chain::{AccountId, DeviceId};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Claim, SessionId, Store, StoreError,
    audit::{self, By, Pseudonyms},
    session,
    sql::{self, Columns as _},
};

/// So long after signing in somebody counts as present, in ms: then dangerous things may be done.
pub const FRESH_MS: u64 = 10 * 60_000;

/// Proof that a live session of a device speaks for an account.
#[derive(Debug, Clone)]
pub struct Authority {
    claim: Claim,
    device_id: DeviceId,
    session_id: SessionId,
    started_ms: u64,
    is_present: bool,
    last_seen_ms: u64,
    is_administrator: bool,
    pseudonyms: Pseudonyms,
}

/// Proof that somebody who speaks for an account has signed in a moment ago, for what must not be done with a token that lay
/// about: changing credentials, deleting the account. It is looked at again in the transaction that does it.
#[derive(Debug, Clone)]
pub struct Fresh {
    claim: Claim,
    /// The device and its session, which goes on when all others end; none in a browser that no device has opened.
    device: Option<(DeviceId, SessionId)>,
    is_administrator: bool,
    pseudonyms: Pseudonyms,
}

/// How the holder of an account is there.
#[derive(Debug, Clone, Copy)]
pub enum Presence {
    /// With a device, for as long as its session lasts: it asks itself, or has opened a browser.
    OpenedBy(SessionId),
    /// In a browser, by a provider that vouches for them and has not just asked them for anything.
    Vouched,
    /// In a browser, by one factor.
    OneFactor,
    /// In a browser, by two factors, or by one that is two.
    TwoFactors,
}

/// Proof that an administrator asks, or whoever has the database.
#[derive(Debug, Clone)]
pub struct Administrator(By);

/// A live session of an account that its holder has deleted and that is still there: it may be kept after all, and taken along.
#[derive(Debug, Clone)]
pub struct Leaving(Authority);

/// Proof that the holder of an account has signed in a moment ago, whether the account stays or is being deleted: enough to take
/// along what is held, and no more.
#[derive(Debug, Clone)]
pub struct Holder {
    account_id: AccountId,
    by: By,
    pseudonyms: Pseudonyms,
}

impl From<Fresh> for Holder {
    fn from(fresh: Fresh) -> Self {
        Self { account_id: fresh.account_id(), by: fresh.by(), pseudonyms: fresh.pseudonyms }
    }
}

impl Holder {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// By which logs and events name what belongs to the account.
    pub const fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// As the audit log has them.
    pub(crate) const fn by(&self) -> By {
        self.by
    }
}

impl Administrator {
    /// As the audit log has them.
    pub(crate) const fn by(&self) -> By {
        self.0
    }
}

impl Authority {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.claim.account_id()
    }

    /// What it rests on.
    pub const fn claim(&self) -> Claim {
        self.claim
    }

    /// The device.
    pub const fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The session.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// By which logs and events name what belongs to the account.
    pub const fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// The same holder, if the session was signed in to within [`FRESH_MS`] by somebody who was asked for something.
    ///
    /// # Errors
    /// `NotFresh`.
    pub fn fresh(&self, now_ms: u64) -> Result<Fresh, StoreError> {
        if !self.is_present || now_ms.saturating_sub(self.started_ms) >= FRESH_MS {
            return Err(StoreError::NotFresh);
        }
        Ok(self.confirmed())
    }

    /// The same holder, where something else than the time of their sign-in says that they are there.
    pub(crate) fn confirmed(&self) -> Fresh {
        Fresh {
            claim: self.claim,
            device: Some((self.device_id, self.session_id)),
            is_administrator: self.is_administrator,
            pseudonyms: self.pseudonyms.clone(),
        }
    }

    /// The same holder as an administrator.
    ///
    /// # Errors
    /// `NotAdministrator`.
    pub fn administrator(&self) -> Result<Administrator, StoreError> {
        administrator(self.is_administrator, &self.pseudonyms)
    }

    /// As the audit log has them.
    pub(crate) fn by(&self) -> By {
        By::device(&self.pseudonyms, self.device_id)
    }

    pub(crate) const fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}

impl Fresh {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.claim.account_id()
    }

    /// What it rests on.
    pub const fn claim(&self) -> Claim {
        self.claim
    }

    /// Holds the account until the caller's transaction ends, if it may still be asked for by this: the request may have
    /// taken its time, and whoever was thrown out meanwhile must not have the last word.
    ///
    /// # Errors
    /// `SessionEnded`; `NotFound` if the account is gone.
    pub(crate) async fn hold<C: ConnectionTrait>(
        &self,
        transaction: &C,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        match (self.claim.hold(transaction).await, self.session_id()) {
            // Its own change, or one that has left it alone.
            (Ok(()) | Err(StoreError::Superseded), Some(session_id)) => {
                session::require(transaction, session_id, now_ms).await
            }
            (Err(StoreError::Superseded), None) => Err(StoreError::SessionEnded),
            (held, _) => held,
        }
    }

    /// The session that goes on when all others end.
    pub fn session_id(&self) -> Option<SessionId> {
        self.device.map(|(_, session_id)| session_id)
    }

    /// As the audit log has them: with the device that asks, or that has opened the browser which does.
    pub(crate) fn by(&self) -> By {
        self.device.map_or(By::HOLDER, |(device_id, _)| By::device(&self.pseudonyms, device_id))
    }

    /// The same holder as an administrator.
    ///
    /// # Errors
    /// `NotAdministrator`.
    pub fn administrator(&self) -> Result<Administrator, StoreError> {
        administrator(self.is_administrator, &self.pseudonyms)
    }

    /// By which logs and events name what belongs to the account.
    pub const fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }
}

impl Leaving {
    /// Whose session it is.
    pub const fn authority(&self) -> &Authority {
        &self.0
    }

    /// The same holder, if the session was signed in to within [`FRESH_MS`].
    ///
    /// # Errors
    /// `NotFresh`.
    pub fn holder(&self, now_ms: u64) -> Result<Holder, StoreError> {
        self.0.fresh(now_ms).map(Holder::from)
    }
}

impl Store {
    /// Looks a session up: `None` if it has ended. To be asked anew for every request.
    ///
    /// # Errors
    /// `Disabled`, `Leaving`, `AwaitsApproval` if nothing is to be given to it now.
    pub async fn authority(
        &self,
        session_id: SessionId,
        now_ms: u64,
    ) -> Result<Option<Authority>, StoreError> {
        let Some(row) = self.session_row(session_id, now_ms).await? else { return Ok(None) };
        check_standing(&row)?;
        refuse_disabled_and_leaving(&row, STANDING)?;
        authority(&row).map(Some)
    }

    /// As [`Self::authority`], for an account that its holder has deleted: `None` for one that stays.
    ///
    /// # Errors
    /// `Disabled`, `AwaitsApproval`.
    pub async fn leaving(&self, session_id: SessionId, now_ms: u64) -> Result<Option<Leaving>, StoreError> {
        let Some(row) = self.session_row(session_id, now_ms).await? else { return Ok(None) };
        check_standing(&row)?;
        if row.column::<Option<i64>>(STANDING + 1)?.is_none() {
            return Ok(None);
        }
        authority(&row).map(Leaving).map(Some)
    }

    /// Whoever has the database and the settings of the server may do what an administrator may.
    pub const fn operator(&self) -> Administrator {
        Administrator(By::OPERATOR)
    }

    /// The holder of an account who was shown to be there a moment ago, which its caller has looked up. Where new devices are
    /// approved, one factor is not enough beside a device that could approve: else whoever has it would add ways to sign in,
    /// and end the sessions of those devices by that.
    ///
    /// # Errors
    /// `NotFound` for an account that is gone; `SessionEnded` if a device's session has, or how the account is signed in to has
    /// changed since it was shown; `Disabled`, `Leaving`, `AwaitsApproval`; `NotFresh` for one who was asked for nothing.
    pub async fn present(&self, claim: Claim, presence: Presence, now_ms: u64) -> Result<Fresh, StoreError> {
        if let Presence::OpenedBy(session_id) = presence {
            let authority = self.authority(session_id, now_ms).await?;
            let own = authority.filter(|authority| authority.claim() == claim);
            return Ok(own.ok_or(StoreError::SessionEnded)?.confirmed());
        }
        let row = self.account_row(claim.account_id(), now_ms).await?;
        if Claim::read(&row, 0)? != claim {
            return Err(StoreError::SessionEnded);
        }
        refuse_disabled_and_leaving(&row, 4)?;
        if matches!(presence, Presence::Vouched | Presence::OneFactor) && row.column::<bool>(6)? {
            return Err(StoreError::AwaitsApproval);
        }
        if matches!(presence, Presence::Vouched) {
            return Err(StoreError::NotFresh);
        }
        Ok(Fresh {
            claim,
            device: None,
            is_administrator: is_administrator(&row, 3)?,
            pseudonyms: Pseudonyms::from_column(claim.account_id(), row.column(2)?),
        })
    }

    /// The row of an account that has a key for pseudonyms; the last column says whether a device could approve others, and has to.
    async fn account_row(&self, account_id: AccountId, now_ms: u64) -> Result<QueryResult, StoreError> {
        const SELECT: &str = "SELECT account_id, credentials_version, pseudonym_key, role, disabled_ms, delete_at_ms, \
             approve_devices <> 0 AND EXISTS (SELECT 1 FROM session s WHERE s.account_id = a.account_id \
             AND s.expires_ms > $2 AND s.awaits_approval = 0) \
             FROM account a WHERE account_id = $1";
        let values = || [sql::id(account_id), sql::number(now_ms)];
        let looked = || sql::row(self.database(), "looking an account up", SELECT, values());
        let row = looked().await?.ok_or(StoreError::NotFound)?;
        if row.column::<Option<Vec<u8>>>(2)?.is_some() {
            return Ok(row);
        }
        self.give_key(account_id).await?;
        looked().await?.ok_or(StoreError::NotFound)
    }

    /// The row of a live session, whose account has a key for pseudonyms.
    async fn session_row(
        &self,
        session_id: SessionId,
        now_ms: u64,
    ) -> Result<Option<QueryResult>, StoreError> {
        let found = row(self.database(), session_id, now_ms).await?;
        match found {
            Some(found) if lacks_key(&found)? => {
                self.give_key(found.id(1)?).await?;
                row(self.database(), session_id, now_ms).await
            }
            found => Ok(found),
        }
    }

    /// An older program makes accounts without a key.
    async fn give_key(&self, account_id: AccountId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        audit::give_key(&*transaction, account_id).await?;
        transaction.commit().await
    }
}

/// The first of the columns that say whether anything is to be given.
const STANDING: usize = 8;
const SELECT: &str = "SELECT s.session_id, s.account_id, a.credentials_version, s.device_id, s.started_ms, \
     s.last_seen_ms, a.role, a.pseudonym_key, a.disabled_ms, a.delete_at_ms, s.awaits_approval, \
     s.present FROM session s JOIN account a ON a.account_id = s.account_id WHERE s.session_id = $1";

/// The authority of a session that was just begun or refreshed, within the caller's transaction, whatever its standing.
pub(crate) async fn of_session<C: ConnectionTrait>(
    connection: &C,
    session_id: SessionId,
) -> Result<Authority, StoreError> {
    let looked = || sql::row(connection, "looking a session up", SELECT, [sql::id(session_id.id())]);
    let mut row = looked().await?.ok_or(StoreError::NotFound)?;
    if lacks_key(&row)? {
        audit::give_key(connection, row.id(1)?).await?;
        row = looked().await?.ok_or(StoreError::NotFound)?;
    }
    authority(&row)
}

fn lacks_key(row: &QueryResult) -> Result<bool, StoreError> {
    Ok(row.column::<Option<Vec<u8>>>(7)?.is_none())
}

async fn row<C: ConnectionTrait>(
    connection: &C,
    session_id: SessionId,
    now_ms: u64,
) -> Result<Option<QueryResult>, StoreError> {
    let query = format!("{SELECT} AND s.expires_ms > $2");
    let values = [sql::id(session_id.id()), sql::number(now_ms)];
    sql::row(connection, "looking a session up", &query, values).await
}

fn check_standing(row: &QueryResult) -> Result<(), StoreError> {
    if row.column::<Option<i64>>(STANDING)?.is_some() {
        return Err(StoreError::Disabled);
    }
    if row.number(STANDING + 2)? != 0 {
        return Err(StoreError::AwaitsApproval);
    }
    Ok(())
}

/// Two columns: since when it is disabled, and when it will be gone.
fn refuse_disabled_and_leaving(row: &QueryResult, column: usize) -> Result<(), StoreError> {
    if row.column::<Option<i64>>(column)?.is_some() {
        return Err(StoreError::Disabled);
    }
    match row.column::<Option<i64>>(column + 1)? {
        Some(delete_at_ms) => {
            Err(StoreError::Leaving { delete_at_ms: u64::try_from(delete_at_ms).unwrap_or_default() })
        }
        None => Ok(()),
    }
}

fn authority(row: &QueryResult) -> Result<Authority, StoreError> {
    let claim = Claim::read(row, 1)?;
    Ok(Authority {
        session_id: SessionId::new(row.id(0)?),
        claim,
        device_id: row.id(3)?,
        started_ms: row.number(4)?,
        is_present: row.number(STANDING + 3)? != 0,
        last_seen_ms: row.number(5)?,
        is_administrator: is_administrator(row, 6)?,
        pseudonyms: Pseudonyms::from_column(claim.account_id(), row.column(7)?),
    })
}

fn is_administrator(row: &QueryResult, column: usize) -> Result<bool, StoreError> {
    Ok(Role::of(&row.column::<String>(column)?) == Role::Administrator)
}

fn administrator(is_administrator: bool, own: &Pseudonyms) -> Result<Administrator, StoreError> {
    if is_administrator {
        Ok(Administrator(By::administrator(own)))
    } else {
        Err(StoreError::NotAdministrator)
    }
}
