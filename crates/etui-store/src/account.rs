//! Accounts: sign-up, the way to sign in, devices, keysets.

use std::collections::BTreeMap;

use etui_api::account::{Device, Devices, Keysets, SealedKeyset};
use etui_chain::{AccountId, DeviceId, Digest, State};
use sea_orm::{ConnectionTrait, SqlErr};

use crate::{
    Action, Authority, Claim, Fresh, Login, LoginHash, NewAccount, Outcome, Store, StoreError, accept, audit,
    credentials,
    invitation::{self, Admitted},
    session,
    sql::{self, Columns as _},
    store::compute,
    write,
};

/// A device with a live session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveDevice {
    /// The device.
    pub device_id: DeviceId,
    /// When it last signed in, in ms since 1970.
    pub signed_in_ms: u64,
    /// When it was last seen, to the minute, in ms since 1970.
    pub last_seen_ms: u64,
    /// Whether nothing is given to it until another device approves it.
    pub awaits_approval: bool,
}

impl Store {
    /// Makes an account with its first state, vaults and session; all of it or nothing.
    ///
    /// # Errors
    /// `Refused`, `AccountExists`, `NotInvited`, `LastWay`, `Taken`, `PlanLimit`, `StorageFull`.
    pub async fn create_account(&self, account: NewAccount, now_ms: u64) -> Result<Authority, StoreError> {
        let NewAccount { email, admission, credentials, sends_mail, device_id, upload, session } = account;
        let account_id = upload.state.account_id;
        invitation::check(self, admission, &email, now_ms).await?;
        let plan = compute(true, move || accept::first_state(upload, device_id)).await?;
        self.check_unknown(account_id, &email).await?;
        let placed = self.place(&plan).await?;
        let transaction = self.begin().await?;
        let admitted = invitation::admit(&*transaction, admission, &email, now_ms).await?;
        insert(&*transaction, account_id, &email, admitted, now_ms).await?;
        for credential in credentials {
            credentials::apply(&*transaction, account_id, credential, now_ms).await?;
        }
        credentials::require_a_way(&*transaction, account_id, sends_mail).await?;
        write::apply(&*transaction, account_id, None, &plan, placed, self.default_plan()).await?;
        let begun = session::insert(&*transaction, account_id, device_id, session, now_ms).await?;
        let authority = begun.authority;
        let (by, action, outcome) = (authority.by(), Action::SignUp, Outcome::Done);
        audit::insert(&*transaction, authority.pseudonyms(), by, action, None, outcome, now_ms).await?;
        transaction.commit().await?;
        self.announce(account_id, plan);
        Ok(authority)
    }

    /// What signing in to the account of a normalised address needs.
    ///
    /// # Errors
    /// `Database`.
    pub async fn login(&self, email: &str) -> Result<Option<Login>, StoreError> {
        const SELECT: &str = "SELECT account_id, credentials_version, login_hash, COALESCE(sign_in_by_link, email_confirmed), \
             COALESCE(sign_in_by_link, 1) FROM account WHERE email = $1";
        let Some(row) = sql::row(self.database(), "looking an address up", SELECT, [email.into()]).await?
        else {
            return Ok(None);
        };
        let login_hash: String = row.column(2)?;
        let login_hash = Some(login_hash).filter(|hash| !hash.is_empty()).map(LoginHash::new);
        Ok(Some(Login {
            claim: Claim::read(&row, 0)?,
            login_hash,
            by_link: row.number(3)? != 0,
            by_handed_link: row.number(4)? != 0,
        }))
    }

    /// Replaces the hash of the login proof when its parameters have risen, unless the password was changed meanwhile.
    ///
    /// # Errors
    /// `Database`.
    pub async fn replace_login_hash(
        &self,
        account_id: AccountId,
        before: &LoginHash,
        after: &LoginHash,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE account SET login_hash = $3 WHERE account_id = $1 AND login_hash = $2";
        let transaction = self.begin().await?;
        let values = [sql::id(account_id), before.expose().into(), after.expose().into()];
        sql::execute(&*transaction, "replacing a login hash", UPDATE, values).await?;
        transaction.commit().await
    }

    /// Devices with a live session, and those that the newest state lists; ids ascending.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn devices(&self, authority: &Authority, now_ms: u64) -> Result<Devices, StoreError> {
        let state = self.newest_state(authority).await?;
        let mut devices: BTreeMap<DeviceId, Device> =
            state.devices.iter().map(|(id, _)| (*id, device(*id, true, authority))).collect();
        for live in self.live_devices(authority.account_id(), now_ms).await? {
            let device_id = live.device_id;
            let device = devices.entry(device_id).or_insert_with(|| device(device_id, false, authority));
            device.signed_in_ms = Some(live.signed_in_ms);
            device.last_seen_ms = Some(live.last_seen_ms);
            device.awaits_approval = live.awaits_approval;
        }
        Ok(Devices { devices: devices.into_values().collect() })
    }

    /// Devices with a live session, for the holder without a device; ids ascending.
    ///
    /// # Errors
    /// `Database`.
    pub async fn signed_in_devices(&self, fresh: &Fresh, now_ms: u64) -> Result<Vec<LiveDevice>, StoreError> {
        self.live_devices(fresh.account_id(), now_ms).await
    }

    async fn live_devices(&self, account_id: AccountId, now_ms: u64) -> Result<Vec<LiveDevice>, StoreError> {
        const SELECT: &str = "SELECT device_id, MAX(started_ms), MAX(last_seen_ms), MIN(awaits_approval) FROM session \
             WHERE account_id = $1 AND expires_ms > $2 GROUP BY device_id ORDER BY device_id";
        let values = [sql::id(account_id), sql::number(now_ms)];
        let rows = sql::rows(self.database(), "listing sessions", SELECT, values).await?;
        let live = |row: &sea_orm::QueryResult| {
            let signed_in_ms = row.number(1)?;
            Ok(LiveDevice {
                device_id: row.id(0)?,
                signed_in_ms,
                last_seen_ms: row.number(2)?.max(session::to_the_minute(signed_in_ms)),
                awaits_approval: row.number(3)? != 0,
            })
        };
        rows.iter().map(live).collect()
    }

    /// What a device needs to unlock, from the newest state.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn keysets(&self, authority: &Authority) -> Result<Keysets, StoreError> {
        loop {
            let state = self.newest_state(authority).await?;
            if let Some(keysets) = self.sealed_keysets(authority, &state).await? {
                return Ok(Keysets { account_id: state.account_id, kdf: state.kdf, keysets });
            }
        }
    }

    /// `None` if a newer state has taken the place of this one, and its records with it.
    async fn sealed_keysets(
        &self,
        authority: &Authority,
        state: &State,
    ) -> Result<Option<Vec<SealedKeyset>>, StoreError> {
        const SELECT: &str = "SELECT record_hash, body FROM named_record WHERE account_id = $1";
        let values = [sql::id(authority.account_id())];
        let rows = sql::rows(self.database(), "reading keysets", SELECT, values).await?;
        let mut records = BTreeMap::new();
        for row in rows {
            records.insert(row.digest(0)?, row.column::<Vec<u8>>(1)?);
        }
        let mut keysets = Vec::with_capacity(state.keysets.len());
        for entry in &state.keysets {
            let Some(record) = records.remove(&entry.record_hash) else {
                return self.absent_named_record(authority, state.hash()).await.map(|()| None);
            };
            let (id, kind, version) = (entry.id, entry.kind, entry.version);
            keysets.push(SealedKeyset { id, kind, version, record });
        }
        Ok(Some(keysets))
    }

    /// A named record may only be absent because the state has moved on meanwhile.
    async fn absent_named_record(&self, authority: &Authority, state_hash: Digest) -> Result<(), StoreError> {
        if self.newest_state(authority).await?.hash() == state_hash {
            return Err(StoreError::Damaged { found: "a record that the newest state names is gone" });
        }
        Ok(())
    }

    /// Before anything is stored for a sign-up that cannot succeed. The unique columns have the last word.
    async fn check_unknown(&self, account_id: AccountId, email: &str) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT 1 FROM account WHERE account_id = $1 OR email = $2";
        let values = [sql::id(account_id), email.into()];
        match sql::row(self.database(), "looking an address up", SELECT, values).await? {
            Some(_) => Err(StoreError::AccountExists),
            None => Ok(()),
        }
    }
}

async fn insert<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    email: &str,
    admitted: Admitted,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO account (account_id, email, login_hash, state_version, state_hash, created_ms, \
         role, plan, pseudonym_key, email_confirmed) VALUES ($1, $2, '', 0, $3, $4, $5, $6, $7, $8)";
    let pseudonym_key = audit::new_key()?;
    let values = [
        sql::id(account_id),
        email.into(),
        sql::digest(&Digest::ZERO),
        sql::number(now_ms),
        admitted.role.name().into(),
        admitted.plan.into(),
        pseudonym_key.into(),
        i64::from(admitted.by_mail).into(),
    ];
    match sql::execute(transaction, "adding an account", INSERT, values).await {
        Err(StoreError::Database { source, .. })
            if matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) =>
        {
            Err(StoreError::AccountExists)
        }
        result => result.map(|_| ()),
    }
}

fn device(device_id: DeviceId, listed: bool, authority: &Authority) -> Device {
    let current = device_id == authority.device_id();
    Device { device_id, listed, current, signed_in_ms: None, last_seen_ms: None, awaits_approval: false }
}
