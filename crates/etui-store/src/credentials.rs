//! The ways to sign in to an account, and the one place where they change.
//!
//! Every change of them runs through [`Store::change_credentials`]: it asks for somebody who has just signed in, leaves at
//! least one way, ends all other sessions and whatever was begun, and is noted.

use etui_chain::{AccountId, Digest};
use sea_orm::{ConnectionTrait, SqlErr};

use crate::{
    Claim, Fresh, LoginHash, Notice, Store, StoreError,
    audit::{self, Action, By, Outcome},
    mail, session,
    sql::{self, Columns as _},
};

/// Who somebody is at a provider of OpenID Connect: the pair that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's `iss`.
    pub issuer: String,
    /// The provider's `sub`.
    pub subject: String,
}

/// A passkey as it is kept; the body is the form of the library that verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id.
    pub credential_id: Vec<u8>,
    /// What its holder calls it.
    pub name: String,
    /// Public key, counter, flags.
    pub body: Vec<u8>,
    /// When it was added, in ms since 1970.
    pub created_ms: u64,
    /// When it was last used, in ms since 1970; 0: never.
    pub used_ms: u64,
}

/// The secret of one-time passwords, sealed under a key that is not in the database: the store cannot open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTotp(Vec<u8>);

impl SealedTotp {
    /// Takes what was sealed.
    pub const fn new(sealed: Vec<u8>) -> Self {
        Self(sealed)
    }

    /// To be opened by whoever has the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Every way to sign in to one account.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
#[derive(Debug)]
pub struct Ways {
    /// The address that names the account.
    pub email: String,
    /// Whether there is a login password.
    pub login_password: bool,
    /// Whether links by mail may be asked for.
    pub link: bool,
    /// Accounts at providers.
    pub identities: Vec<Identity>,
    /// Passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
    /// Whether a second factor is asked for.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
    /// Whether a new device needs the approval of another.
    pub approve_devices: bool,
}

/// One change of how an account is signed in to.
#[derive(Debug)]
pub enum CredentialChange {
    /// Another login password, or none.
    LoginPassword(Option<LoginHash>),
    /// Another address; where there is a login password its hash comes with it, since the proof depends on the address.
    Email {
        /// In the form of `etui_api::email::normalize_email`.
        email: String,
        /// Whether somebody has shown that they read what is sent to it.
        confirmed: bool,
        /// Of the proof made with the new address.
        login_hash: Option<LoginHash>,
    },
    /// An account at a provider is linked.
    LinkIdentity(Identity),
    /// It is unlinked.
    UnlinkIdentity(Identity),
    /// A passkey is added.
    AddPasskey {
        /// The credential's id.
        credential_id: Vec<u8>,
        /// What its holder calls it.
        name: String,
        /// Public key, counter, flags.
        body: Vec<u8>,
    },
    /// It is removed.
    RemovePasskey {
        /// The credential's id.
        credential_id: Vec<u8>,
    },
    /// A second factor is asked for from now on.
    SetTotp {
        /// What it is computed from.
        secret: SealedTotp,
        /// The time step of the code that proved it.
        used_step: u64,
        /// SHA-256 of the codes for when the second factor is lost.
        recovery_codes: Vec<Digest>,
    },
    /// No second factor is asked for any more.
    RemoveTotp,
    /// New recovery codes in place of the old ones.
    ReplaceRecoveryCodes(Vec<Digest>),
    /// Whether links by mail may be asked for.
    SignInByLink(bool),
    /// Whether a new device needs the approval of another.
    ApproveDevices(bool),
}

impl CredentialChange {
    /// As the audit log has it.
    pub const fn action(&self) -> Action {
        match self {
            Self::LoginPassword(_) => Action::ChangeLoginPassword,
            Self::Email { .. } => Action::ChangeEmail,
            Self::LinkIdentity(_) => Action::LinkIdentity,
            Self::UnlinkIdentity(_) => Action::UnlinkIdentity,
            Self::AddPasskey { .. } => Action::AddPasskey,
            Self::RemovePasskey { .. } => Action::RemovePasskey,
            Self::SetTotp { .. } => Action::SetTotp,
            Self::RemoveTotp => Action::RemoveTotp,
            Self::ReplaceRecoveryCodes(_) => Action::ReplaceRecoveryCodes,
            Self::SignInByLink(_) => Action::ChangeLinks,
            Self::ApproveDevices(_) => Action::ChangeApproval,
        }
    }
}

impl Store {
    /// Changes how an account is signed in to, and ends every other session of it. The holder is told by a letter, at the
    /// address before and at a new one. `notice` is `None` where no mail is sent: there links by mail are no way to sign in. The
    /// claim that stands now.
    ///
    /// # Errors
    /// `SessionEnded` if whoever asks was signed out meanwhile; `LastWay` if nobody could sign in any more; `NotFound` for what is not there; `Taken` for an address, an account at a
    /// provider or a passkey that belongs to somebody else.
    pub async fn change_credentials(
        &self,
        fresh: &Fresh,
        change: CredentialChange,
        notice: Option<&Notice>,
        now_ms: u64,
    ) -> Result<Claim, StoreError> {
        let account_id = fresh.account_id();
        let action = change.action();
        let transaction = self.begin().await?;
        // Two changes at once would each leave a way that the other takes: one after the other.
        fresh.hold(&*transaction, now_ms).await?;
        if let Some(notice) = notice {
            mail::notify(&*transaction, account_id, notice, now_ms).await?;
        }
        apply(&*transaction, account_id, change, now_ms).await?;
        if let (Some(notice), Action::ChangeEmail) = (notice, action) {
            mail::notify(&*transaction, account_id, notice, now_ms).await?;
        }
        require_a_way(&*transaction, account_id, notice.is_some()).await?;
        let (_, claim) = session::end_all_but(&*transaction, account_id, fresh.session_id()).await?;
        let (pseudonyms, by) = (fresh.pseudonyms(), fresh.by());
        audit::insert(&*transaction, pseudonyms, by, action, None, Outcome::Done, now_ms).await?;
        transaction.commit().await?;
        Ok(claim)
    }

    /// Every way to sign in to an account.
    ///
    /// # Errors
    /// `NotFound` if it is gone.
    pub async fn ways(&self, account_id: AccountId) -> Result<Ways, StoreError> {
        const SELECT: &str = "SELECT email, login_hash, COALESCE(sign_in_by_link, email_confirmed), approve_devices, \
             (SELECT COUNT(*) FROM totp t WHERE t.account_id = a.account_id), \
             (SELECT COUNT(*) FROM recovery_code c WHERE c.account_id = a.account_id) \
             FROM account a WHERE account_id = $1";
        let row = sql::row(self.database(), "reading ways to sign in", SELECT, [sql::id(account_id)]).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        Ok(Ways {
            email: row.column(0)?,
            login_password: !row.column::<String>(1)?.is_empty(),
            link: row.number(2)? != 0,
            approve_devices: row.number(3)? != 0,
            totp: row.number(4)? != 0,
            recovery_codes: row.number(5)?,
            identities: self.identities(account_id).await?,
            passkeys: self.passkeys(account_id).await?,
        })
    }

    /// Whose account it is at a provider, and that it was used now.
    ///
    /// # Errors
    /// `Database`.
    pub async fn account_of_identity(
        &self,
        identity: &Identity,
        now_ms: u64,
    ) -> Result<Option<Claim>, StoreError> {
        const UPDATE: &str = "UPDATE identity SET used_ms = $3 WHERE issuer = $1 AND subject = $2 RETURNING account_id, \
             (SELECT credentials_version FROM account a WHERE a.account_id = identity.account_id)";
        let values = [identity.issuer.as_str().into(), identity.subject.as_str().into(), sql::number(now_ms)];
        let transaction = self.begin().await?;
        let row = sql::row(&*transaction, "looking an identity up", UPDATE, values).await?;
        let claim = row.map(|row| Claim::read(&row, 0)).transpose()?;
        transaction.commit().await?;
        Ok(claim)
    }

    /// The passkeys of an account, oldest first.
    ///
    /// # Errors
    /// `Database`.
    pub async fn passkeys(&self, account_id: AccountId) -> Result<Vec<Passkey>, StoreError> {
        const SELECT: &str = "SELECT credential_id, name, body, created_ms, used_ms FROM passkey \
             WHERE account_id = $1 ORDER BY created_ms, credential_id";
        let rows = sql::rows(self.database(), "reading passkeys", SELECT, [sql::id(account_id)]).await?;
        let passkey = |row: &sea_orm::QueryResult| {
            Ok(Passkey {
                credential_id: row.column(0)?,
                name: row.column(1)?,
                body: row.column(2)?,
                created_ms: row.number(3)?,
                used_ms: row.number(4)?,
            })
        };
        rows.iter().map(passkey).collect()
    }

    /// Whose passkey it is, and its body.
    ///
    /// # Errors
    /// `Database`.
    pub async fn passkey(&self, credential_id: &[u8]) -> Result<Option<(Claim, Vec<u8>)>, StoreError> {
        const SELECT: &str = "SELECT p.account_id, a.credentials_version, p.body FROM passkey p \
             JOIN account a ON a.account_id = p.account_id WHERE credential_id = $1";
        let values = [credential_id.to_vec().into()];
        let row = sql::row(self.database(), "looking a passkey up", SELECT, values).await?;
        row.map(|row| Ok((Claim::read(&row, 0)?, row.column(2)?))).transpose()
    }

    /// Calls a passkey something else. No way to sign in changes, so sessions go on.
    ///
    /// # Errors
    /// `SessionEnded`, `NotFound`.
    pub async fn rename_passkey(
        &self,
        fresh: &Fresh,
        credential_id: &[u8],
        name: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE passkey SET name = $3 WHERE credential_id = $1 AND account_id = $2";
        let values = [credential_id.to_vec().into(), sql::id(fresh.account_id()), name.into()];
        let transaction = self.begin().await?;
        fresh.hold(&*transaction, now_ms).await?;
        if sql::execute(&*transaction, "renaming a passkey", UPDATE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        transaction.commit().await
    }

    /// Notes that a passkey was used, after its signature was verified: whether it still was as `before`.
    ///
    /// # Errors
    /// `Database`.
    pub async fn use_passkey(
        &self,
        credential_id: &[u8],
        before: &[u8],
        after: &[u8],
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        const UPDATE: &str =
            "UPDATE passkey SET body = $3, used_ms = $4 WHERE credential_id = $1 AND body = $2";
        let values = [
            credential_id.to_vec().into(),
            before.to_vec().into(),
            after.to_vec().into(),
            sql::number(now_ms),
        ];
        let transaction = self.begin().await?;
        let used = sql::execute(&*transaction, "noting that a passkey was used", UPDATE, values).await?;
        transaction.commit().await?;
        Ok(used > 0)
    }

    /// What one-time passwords of an account are computed from.
    ///
    /// # Errors
    /// `Database`.
    pub async fn totp(&self, account_id: AccountId) -> Result<Option<SealedTotp>, StoreError> {
        const SELECT: &str = "SELECT secret FROM totp WHERE account_id = $1";
        let row = sql::row(self.database(), "reading a second factor", SELECT, [sql::id(account_id)]).await?;
        row.map(|row| row.column(0).map(SealedTotp::new)).transpose()
    }

    /// Uses a time step of one-time passwords up: `false` if it, or a later one, was used before.
    ///
    /// # Errors
    /// `Database`.
    pub async fn use_totp_step(&self, account_id: AccountId, step: u64) -> Result<bool, StoreError> {
        const UPDATE: &str = "UPDATE totp SET last_step = $2 WHERE account_id = $1 AND last_step < $2";
        let transaction = self.begin().await?;
        let values = [sql::id(account_id), sql::number(step)];
        let used = sql::execute(&*transaction, "using a one-time password", UPDATE, values).await?;
        transaction.commit().await?;
        Ok(used > 0)
    }

    /// Uses a recovery code up, which is noted and told to the holder by the letter: `false` if there is none such.
    ///
    /// # Errors
    /// `Database`.
    pub async fn use_recovery_code(
        &self,
        account_id: AccountId,
        code: Digest,
        notice: Option<&Notice>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        const DELETE: &str = "DELETE FROM recovery_code WHERE account_id = $1 AND code_hash = $2";
        let transaction = self.begin().await?;
        let values = [sql::id(account_id), sql::digest(&code)];
        let used = sql::execute(&*transaction, "using a recovery code", DELETE, values).await? > 0;
        if used {
            let pseudonyms = audit::pseudonyms(&*transaction, account_id).await?;
            let (by, action) = (By::HOLDER, Action::UseRecoveryCode);
            audit::insert(&*transaction, &pseudonyms, by, action, None, Outcome::Done, now_ms).await?;
            if let Some(notice) = notice {
                mail::notify(&*transaction, account_id, notice, now_ms).await?;
            }
        }
        transaction.commit().await?;
        Ok(used)
    }

    async fn identities(&self, account_id: AccountId) -> Result<Vec<Identity>, StoreError> {
        const SELECT: &str =
            "SELECT issuer, subject FROM identity WHERE account_id = $1 ORDER BY issuer, subject";
        let rows = sql::rows(self.database(), "reading identities", SELECT, [sql::id(account_id)]).await?;
        let identity =
            |row: &sea_orm::QueryResult| Ok(Identity { issuer: row.column(0)?, subject: row.column(1)? });
        rows.iter().map(identity).collect()
    }
}

/// Carries a change out within the caller's transaction.
pub(crate) async fn apply<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    change: CredentialChange,
    now_ms: u64,
) -> Result<(), StoreError> {
    const CHANGING: &str = "changing how an account is signed in to";
    let id = || sql::id(account_id);
    let run = async |statement: &str, values: Vec<sea_orm::Value>| {
        sql::execute(transaction, CHANGING, statement, values).await.map_err(taken)
    };
    let changed = match change {
        CredentialChange::LoginPassword(hash) => {
            let hash = hash.as_ref().map_or("", LoginHash::expose);
            run("UPDATE account SET login_hash = $2 WHERE account_id = $1", vec![id(), hash.into()]).await?
        }
        CredentialChange::Email { email, confirmed, login_hash } => {
            let hash = login_hash.as_ref().map_or("", LoginHash::expose);
            let values = vec![id(), email.into(), hash.into(), i64::from(confirmed).into()];
            let statement =
                "UPDATE account SET email = $2, login_hash = $3, email_confirmed = $4 WHERE account_id = $1";
            run(statement, values).await?
        }
        CredentialChange::LinkIdentity(Identity { issuer, subject }) => {
            let statement = "INSERT INTO identity (issuer, subject, account_id, linked_ms, used_ms) \
                 VALUES ($1, $2, $3, $4, 0)";
            run(statement, vec![issuer.into(), subject.into(), id(), sql::number(now_ms)]).await?
        }
        CredentialChange::UnlinkIdentity(Identity { issuer, subject }) => {
            let statement = "DELETE FROM identity WHERE issuer = $1 AND subject = $2 AND account_id = $3";
            run(statement, vec![issuer.into(), subject.into(), id()]).await?
        }
        CredentialChange::AddPasskey { credential_id, name, body } => {
            let statement = "INSERT INTO passkey (credential_id, account_id, name, body, created_ms, used_ms) \
                 VALUES ($1, $2, $3, $4, $5, 0)";
            let values = vec![credential_id.into(), id(), name.into(), body.into(), sql::number(now_ms)];
            run(statement, values).await?
        }
        CredentialChange::RemovePasskey { credential_id } => {
            let statement = "DELETE FROM passkey WHERE credential_id = $1 AND account_id = $2";
            run(statement, vec![credential_id.into(), id()]).await?
        }
        CredentialChange::SetTotp { secret, used_step, recovery_codes } => {
            let statement = "INSERT INTO totp (account_id, secret, last_step, created_ms) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (account_id) DO UPDATE SET secret = $2, last_step = $3, created_ms = $4";
            run(statement, vec![id(), secret.0.into(), sql::number(used_step), sql::number(now_ms)]).await?;
            replace_recovery_codes(transaction, account_id, &recovery_codes).await?
        }
        CredentialChange::RemoveTotp => {
            replace_recovery_codes(transaction, account_id, &[]).await?;
            run("DELETE FROM totp WHERE account_id = $1", vec![id()]).await?
        }
        CredentialChange::ReplaceRecoveryCodes(codes) => {
            let second_factor =
                sql::row(transaction, CHANGING, "SELECT 1 FROM totp WHERE account_id = $1", [id()]);
            match second_factor.await? {
                Some(_) => replace_recovery_codes(transaction, account_id, &codes).await?,
                None => 0,
            }
        }
        CredentialChange::SignInByLink(allowed) => {
            let values = vec![id(), i64::from(allowed).into()];
            run("UPDATE account SET sign_in_by_link = $2 WHERE account_id = $1", values).await?
        }
        CredentialChange::ApproveDevices(needed) => {
            let values = vec![id(), i64::from(needed).into()];
            run("UPDATE account SET approve_devices = $2 WHERE account_id = $1", values).await?
        }
    };
    if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

async fn replace_recovery_codes<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    codes: &[Digest],
) -> Result<u64, StoreError> {
    const DELETE: &str = "DELETE FROM recovery_code WHERE account_id = $1";
    const INSERT: &str = "INSERT INTO recovery_code (account_id, code_hash) VALUES ($1, $2)";
    const REPLACING: &str = "replacing recovery codes";
    sql::execute(transaction, REPLACING, DELETE, [sql::id(account_id)]).await?;
    for code in codes {
        sql::execute(transaction, REPLACING, INSERT, [sql::id(account_id), sql::digest(code)]).await?;
    }
    Ok(1)
}

/// Nobody locks themselves out.
pub(crate) async fn require_a_way<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    sends_mail: bool,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT login_hash <> '' OR (COALESCE(sign_in_by_link, email_confirmed) <> 0 AND $2 <> 0) \
         OR EXISTS (SELECT 1 FROM identity i WHERE i.account_id = a.account_id) \
         OR EXISTS (SELECT 1 FROM passkey p WHERE p.account_id = a.account_id) \
         FROM account a WHERE account_id = $1";
    let values = [sql::id(account_id), i64::from(sends_mail).into()];
    let row = sql::row(transaction, "looking for a way to sign in", SELECT, values).await?;
    if row.ok_or(StoreError::NotFound)?.column(0)? { Ok(()) } else { Err(StoreError::LastWay) }
}

/// Something that can belong to one account alone belongs to another.
fn taken(error: StoreError) -> StoreError {
    match error {
        StoreError::Database { source, .. }
            if matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) =>
        {
            StoreError::Taken
        }
        other => other,
    }
}
