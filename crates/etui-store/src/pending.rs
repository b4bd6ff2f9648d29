//! What was begun and is finished by whoever shows the secret: a second factor, a link, a code. Only its hash is kept.

use std::time::Duration;

use etui_chain::{AccountId, Digest};

use crate::{
    Claim, Store, StoreError, ceiling,
    sql::{self, Columns as _},
};

/// What is to be finished. A secret counts for its purpose alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A sign-in that lacks its second factor.
    SecondFactor,
    /// The same on a page of this server.
    PageSecondFactor,
    /// A sign-in by a link that was sent by mail, on the side of whoever began it.
    Link,
    /// What a letter brings to whoever reads it: it finishes what was begun somewhere else.
    Mailed,
    /// A sign-in at a provider that a browser was sent to.
    Provider,
    /// An account at a provider that its holder has signed in to, to link it.
    IdentityLink,
    /// A passkey that is being made.
    PasskeyRegistration,
    /// A passkey that is being asked for.
    PasskeyAssertion,
    /// A device without a browser that waits to be let in.
    DeviceCode,
    /// The code that a person types for it.
    UserCode,
    /// What a program on the same computer exchanges for a session.
    AuthorizationCode,
    /// A browser that has signed in to the pages of this server.
    Page,
    /// A link that opens such a page for whoever has a session.
    HandOver,
    /// Somebody without an account who has shown who they are.
    SignUp,
    /// A new address that waits to be confirmed.
    EmailChange,
    /// A second factor that is being set up.
    TotpSetup,
}

impl Purpose {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SecondFactor => "second_factor",
            Self::PageSecondFactor => "page_second_factor",
            Self::Link => "link",
            Self::Mailed => "mailed",
            Self::Provider => "provider",
            Self::IdentityLink => "identity_link",
            Self::PasskeyRegistration => "passkey_registration",
            Self::PasskeyAssertion => "passkey_assertion",
            Self::DeviceCode => "device_code",
            Self::UserCode => "user_code",
            Self::AuthorizationCode => "authorization_code",
            Self::Page => "page",
            Self::HandOver => "hand_over",
            Self::SignUp => "sign_up",
            Self::EmailChange => "email_change",
            Self::TotpSetup => "totp_setup",
        }
    }
}

/// Something that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Whose it is; ends with the account, and with any change of its credentials.
    pub account_id: Option<AccountId>,
    /// What the caller keeps with it.
    pub body: Vec<u8>,
    /// When it was begun, in ms since 1970.
    pub created_ms: u64,
}

/// Something to begin.
#[derive(Debug)]
pub struct NewPending<'a> {
    /// SHA-256 of at least 128 random bits.
    pub secret_hash: Digest,
    /// What for.
    pub purpose: Purpose,
    /// Whose it is, where that is known.
    pub claim: Option<Claim>,
    /// What the caller keeps with it.
    pub body: &'a [u8],
    /// How often [`Store::try_pending`] gives it.
    pub tries: u32,
    /// How long it can be finished.
    pub lifetime: Duration,
}

impl Store {
    /// Begins something. Of what an account has begun for one purpose no more than the newest 20 are kept.
    ///
    /// # Errors
    /// `NotFound` if the account that it is for is gone; `Superseded` if what was proven about it does not count any more.
    pub async fn begin_pending(&self, new: NewPending<'_>, now_ms: u64) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO pending (secret_hash, purpose, account_id, body, tries_left, created_ms, \
             expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let lifetime_ms = u64::try_from(new.lifetime.as_millis()).unwrap_or(u64::MAX);
        let values = [
            sql::digest(&new.secret_hash),
            new.purpose.name().into(),
            account_id(new.claim),
            new.body.to_vec().into(),
            i64::from(new.tries).into(),
            sql::number(now_ms),
            sql::number(now_ms.saturating_add(lifetime_ms)),
        ];
        let transaction = self.begin().await?;
        if let Some(claim) = new.claim {
            claim.hold(&*transaction).await?;
            ceiling::make_room_to_begin(&*transaction, claim.account_id(), new.purpose).await?;
        }
        let begun = sql::execute(&*transaction, "beginning something", INSERT, values).await;
        begun.map_err(sql::not_unique)?;
        transaction.commit().await
    }

    /// What was begun, without finishing it.
    ///
    /// # Errors
    /// `Database`.
    pub async fn pending(
        &self,
        secret_hash: Digest,
        purpose: Purpose,
        now_ms: u64,
    ) -> Result<Option<Pending>, StoreError> {
        const SELECT: &str = "SELECT account_id, body, created_ms FROM pending \
             WHERE secret_hash = $1 AND purpose = $2 AND expires_ms > $3";
        let values = [sql::digest(&secret_hash), purpose.name().into(), sql::number(now_ms)];
        let row = sql::row(self.database(), "looking up what was begun", SELECT, values).await?;
        row.as_ref().map(pending).transpose()
    }

    /// What was begun, for one of the tries that it has: `None` after the last.
    ///
    /// # Errors
    /// `Database`.
    pub async fn try_pending(
        &self,
        secret_hash: Digest,
        purpose: Purpose,
        now_ms: u64,
    ) -> Result<Option<Pending>, StoreError> {
        const UPDATE: &str = "UPDATE pending SET tries_left = tries_left - 1 \
             WHERE secret_hash = $1 AND purpose = $2 AND expires_ms > $3 AND tries_left > 0 \
             RETURNING account_id, body, created_ms";
        self.change_pending(UPDATE, secret_hash, purpose, now_ms).await
    }

    /// Finishes what was begun: of any number of callers one gets it.
    ///
    /// # Errors
    /// `Database`.
    pub async fn take_pending(
        &self,
        secret_hash: Digest,
        purpose: Purpose,
        now_ms: u64,
    ) -> Result<Option<Pending>, StoreError> {
        const DELETE: &str = "DELETE FROM pending WHERE secret_hash = $1 AND purpose = $2 AND expires_ms > $3 \
             RETURNING account_id, body, created_ms";
        self.change_pending(DELETE, secret_hash, purpose, now_ms).await
    }

    /// Changes whose it is and what is kept with it, if it is still as it was and can still be finished: whether it was changed.
    ///
    /// # Errors
    /// `NotFound`, `Superseded` as for [`Self::begin_pending`].
    pub async fn replace_pending(
        &self,
        secret_hash: Digest,
        purpose: Purpose,
        before: &Pending,
        claim: Option<Claim>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        const UPDATE: &str = "UPDATE pending SET account_id = $3, body = $4 \
             WHERE secret_hash = $1 AND purpose = $2 AND body = $5 AND expires_ms > $6";
        let values = [
            sql::digest(&secret_hash),
            purpose.name().into(),
            account_id(claim),
            body.to_vec().into(),
            before.body.clone().into(),
            sql::number(now_ms),
        ];
        let transaction = self.begin().await?;
        if let Some(claim) = claim {
            claim.hold(&*transaction).await?;
        }
        let replaced = sql::execute(&*transaction, "going on with what was begun", UPDATE, values).await?;
        transaction.commit().await?;
        Ok(replaced > 0)
    }

    async fn change_pending(
        &self,
        statement: &str,
        secret_hash: Digest,
        purpose: Purpose,
        now_ms: u64,
    ) -> Result<Option<Pending>, StoreError> {
        let transaction = self.begin().await?;
        let values = [sql::digest(&secret_hash), purpose.name().into(), sql::number(now_ms)];
        let row = sql::row(&*transaction, "finishing what was begun", statement, values).await?;
        let pending = row.as_ref().map(pending).transpose()?;
        transaction.commit().await?;
        Ok(pending)
    }
}

fn account_id(claim: Option<Claim>) -> sea_orm::Value {
    claim.map(|claim| claim.account_id().as_bytes().to_vec()).into()
}

fn pending(row: &sea_orm::QueryResult) -> Result<Pending, StoreError> {
    let account_id = row.column::<Option<Vec<u8>>>(0)?.map(|_| row.id(0)).transpose()?;
    Ok(Pending { account_id, body: row.column(1)?, created_ms: row.number(2)? })
}
