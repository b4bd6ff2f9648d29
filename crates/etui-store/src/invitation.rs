//! Invitations: who may make an account where not everybody may, and who becomes the administrator.

use etui_api::admin::Role;
use etui_chain::Digest;
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    Administrator, Store, StoreError, administration,
    sql::{self, Columns as _},
};

/// Why somebody may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Everybody may.
    Open {
        /// Whether the server is its owner's alone, who makes the first account, and administers it with that.
        at_home: bool,
    },
    /// Whoever has the secret with this SHA-256.
    Invited(Digest),
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// SHA-256 of its secret of at least 128 bits.
    pub secret_hash: Digest,
    /// The only address that it admits, in the form of `etui_api::email::normalize_email`; any if absent.
    pub email: Option<String>,
    /// What whoever follows it will be.
    pub role: Role,
    /// The plan of the new account; the server's own if absent.
    pub plan: Option<String>,
    /// Whether it is sent to that address and shown to nobody: who follows it reads what is sent there.
    pub mailed: bool,
    /// When it ends, in ms since 1970.
    pub expires_ms: u64,
}

/// What an invitation gives.
pub(crate) struct Admitted {
    pub(crate) role: Role,
    pub(crate) plan: Option<String>,
    /// Whether it came by mail to the address of the account.
    pub(crate) by_mail: bool,
}

impl Store {
    /// Makes an invitation that can be followed once.
    ///
    /// # Errors
    /// `NoPlan`.
    pub async fn invite(
        &self,
        _administrator: &Administrator,
        invitation: &Invitation,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        administration::require_plan(&*transaction, invitation.plan.as_deref()).await?;
        insert(&*transaction, invitation, now_ms).await?;
        transaction.commit().await
    }

    /// Whether there is an invitation with this secret.
    ///
    /// # Errors
    /// `Database`.
    pub async fn invitation(
        &self,
        secret_hash: Digest,
        now_ms: u64,
    ) -> Result<Option<Invitation>, StoreError> {
        const SELECT: &str = "SELECT email, role, plan, expires_ms, mailed FROM invitation \
             WHERE secret_hash = $1 AND expires_ms > $2";
        let values = [sql::digest(&secret_hash), sql::number(now_ms)];
        let row = sql::row(self.database(), "looking an invitation up", SELECT, values).await?;
        row.map(|row| invitation(&row, secret_hash)).transpose()
    }

    /// The invitations that nobody has followed yet, oldest first, each with the number that names it.
    ///
    /// # Errors
    /// `Database`.
    pub async fn invitations(
        &self,
        _administrator: &Administrator,
        now_ms: u64,
    ) -> Result<Vec<(u64, Invitation)>, StoreError> {
        const SELECT: &str = "SELECT email, role, plan, expires_ms, mailed, secret_hash, invitation_number FROM invitation \
             WHERE expires_ms > $1 ORDER BY invitation_number";
        let rows = sql::rows(self.database(), "listing invitations", SELECT, [sql::number(now_ms)]).await?;
        rows.iter().map(|row| Ok((row.number(6)?, invitation(row, row.digest(5)?)?))).collect()
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `NotFound` if there is none of that number.
    pub async fn withdraw_invitation(
        &self,
        _administrator: &Administrator,
        number: u64,
    ) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM invitation WHERE invitation_number = $1";
        let transaction = self.begin().await?;
        let values = [sql::number(number)];
        if sql::execute(&*transaction, "withdrawing an invitation", DELETE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        transaction.commit().await
    }

    /// Makes the invitation of an administrator where there is none: it takes the place of one made before. Whether it was made.
    ///
    /// # Errors
    /// `Database`.
    pub async fn invite_first_administrator(
        &self,
        invitation: &Invitation,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        const SELECT: &str = "SELECT 1 FROM account WHERE role = $1 LIMIT 1";
        const DELETE: &str = "DELETE FROM invitation WHERE role = $1";
        let transaction = self.begin().await?;
        lock_first(&*transaction).await?;
        let administrator = || [Role::Administrator.name().into()];
        if sql::row(&*transaction, "looking for an administrator", SELECT, administrator()).await?.is_some() {
            return Ok(false);
        }
        sql::execute(&*transaction, "replacing an invitation", DELETE, administrator()).await?;
        insert(&*transaction, invitation, now_ms).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Whether an admission would count: asked before anything is said about whether an account exists.
pub(crate) async fn check(
    store: &Store,
    admission: Admission,
    email: &str,
    now_ms: u64,
) -> Result<(), StoreError> {
    let Admission::Invited(secret_hash) = admission else { return Ok(()) };
    let invitation = store.invitation(secret_hash, now_ms).await?.ok_or(StoreError::NotInvited)?;
    if invitation.email.is_none_or(|only| only == email) { Ok(()) } else { Err(StoreError::NotInvited) }
}

/// Uses an admission up within the caller's transaction. Who comes first administers a server that is its owner's alone, and no other.
pub(crate) async fn admit<C: ConnectionTrait>(
    transaction: &C,
    admission: Admission,
    email: &str,
    now_ms: u64,
) -> Result<Admitted, StoreError> {
    const DELETE: &str = "DELETE FROM invitation WHERE secret_hash = $1 AND expires_ms > $2 \
         AND (email IS NULL OR email = $3) RETURNING role, plan, mailed";
    match admission {
        Admission::Open { at_home } => {
            lock_first(transaction).await?;
            let administers = at_home && is_first(transaction).await?;
            let role = if administers { Role::Administrator } else { Role::Person };
            Ok(Admitted { role, plan: None, by_mail: false })
        }
        Admission::Invited(secret_hash) => {
            let values = [sql::digest(&secret_hash), sql::number(now_ms), email.into()];
            let row = sql::row(transaction, "following an invitation", DELETE, values).await?;
            let row = row.ok_or(StoreError::NotInvited)?;
            Ok(Admitted {
                role: Role::of(&row.column::<String>(0)?),
                plan: row.column(1)?,
                by_mail: row.number(2)? != 0,
            })
        }
    }
}

/// Those that nobody has followed in time are forgotten.
pub(crate) async fn forget<C: ConnectionTrait>(transaction: &C, now_ms: u64) -> Result<u64, StoreError> {
    const DELETE: &str = "DELETE FROM invitation WHERE expires_ms <= $1";
    sql::execute(transaction, "forgetting invitations", DELETE, [sql::number(now_ms)]).await
}

fn invitation(row: &QueryResult, secret_hash: Digest) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        secret_hash,
        email: row.column(0)?,
        role: Role::of(&row.column::<String>(1)?),
        plan: row.column(2)?,
        expires_ms: row.number(3)?,
        mailed: row.number(4)? != 0,
    })
}

async fn insert<C: ConnectionTrait>(
    transaction: &C,
    invitation: &Invitation,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO invitation (secret_hash, email, role, plan, created_ms, expires_ms, mailed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        sql::digest(&invitation.secret_hash),
        invitation.email.clone().into(),
        invitation.role.name().into(),
        invitation.plan.clone().into(),
        sql::number(now_ms),
        sql::number(invitation.expires_ms),
        i64::from(invitation.mailed).into(),
    ];
    sql::execute(transaction, "making an invitation", INSERT, values).await.map(drop)
}

/// Of two that sign up first at once one is first.
pub(crate) async fn lock_first<C: ConnectionTrait>(transaction: &C) -> Result<(), StoreError> {
    let query = format!("SELECT store_id FROM store{}", sql::for_update(transaction));
    sql::row(transaction, "waiting for another sign-up", &query, []).await.map(drop)
}

async fn is_first<C: ConnectionTrait>(transaction: &C) -> Result<bool, StoreError> {
    const SELECT: &str = "SELECT 1 FROM account LIMIT 1";
    Ok(sql::row(transaction, "looking for accounts", SELECT, []).await?.is_none())
}
