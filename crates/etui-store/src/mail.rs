//! Letters that wait to be sent. A letter stays until somebody has noted that it is sent: a node that dies in between leaves it
//! to another, so that it may be sent twice and is never lost.

use std::time::Duration;

use etui_chain::AccountId;
use sea_orm::ConnectionTrait;

use crate::{
    Store, StoreError,
    sql::{self, Columns as _},
};

/// A letter to be sent.
#[derive(Debug)]
pub struct NewMail<'a> {
    /// Whose account it is about: it goes with the account.
    pub account_id: Option<AccountId>,
    /// Where to.
    pub recipient: &'a str,
    /// What it says, in the caller's form.
    pub body: &'a [u8],
    /// How long it is worth being sent.
    pub lifetime: Duration,
}

/// A letter to whoever holds an account, at the address that names it.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What it says, in the caller's form.
    pub body: Vec<u8>,
    /// How long it is worth being sent.
    pub lifetime: Duration,
}

/// A letter that falls to the caller to send, for as long as its lease.
#[derive(Debug)]
pub struct Mail {
    number: u64,
    /// How often somebody has begun to send it, this time included.
    pub tries: u64,
    /// Where to.
    pub recipient: String,
    /// What it says.
    pub body: Vec<u8>,
    /// From when on it is not worth being sent, in ms since 1970.
    pub expires_ms: u64,
}

impl Store {
    /// Keeps a letter until it is sent.
    ///
    /// # Errors
    /// `Database`.
    pub async fn queue_mail(&self, mail: &NewMail<'_>, now_ms: u64) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        insert(&*transaction, mail, now_ms).await?;
        transaction.commit().await
    }

    /// The next letter that is due. Nobody else gets it before the lease is over; [`Self::finish_mail`] or
    /// [`Self::defer_mail`] say what became of it.
    ///
    /// # Errors
    /// `Database`.
    pub async fn claim_mail(&self, lease: Duration, now_ms: u64) -> Result<Option<Mail>, StoreError> {
        const DUE: &str =
            "SELECT mail_number FROM mail WHERE due_ms <= $1 ORDER BY due_ms, mail_number LIMIT 1";
        const CLAIM: &str = "UPDATE mail SET due_ms = $2, tries = tries + 1 WHERE mail_number = $1 \
             RETURNING mail_number, tries, recipient, body, expires_ms";
        const CLAIMING: &str = "claiming a letter";
        if sql::row(self.database(), CLAIMING, DUE, [sql::number(now_ms)]).await?.is_none() {
            return Ok(None);
        }
        let transaction = self.begin().await?;
        let query = format!("{DUE}{}", sql::skip_locked(&*transaction));
        let Some(row) = sql::row(&*transaction, CLAIMING, &query, [sql::number(now_ms)]).await? else {
            return Ok(None);
        };
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let values = [sql::number(row.number(0)?), sql::number(now_ms.saturating_add(lease_ms))];
        let row = sql::row(&*transaction, CLAIMING, CLAIM, values).await?;
        transaction.commit().await?;
        row.map(|row| {
            Ok(Mail {
                number: row.number(0)?,
                tries: row.number(1)?,
                recipient: row.column(2)?,
                body: row.column(3)?,
                expires_ms: row.number(4)?,
            })
        })
        .transpose()
    }

    /// Notes that a letter is sent, or given up. Whoever came after the lease was over decides, not the one before.
    ///
    /// # Errors
    /// `Database`.
    pub async fn finish_mail(&self, mail: &Mail) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM mail WHERE mail_number = $1 AND tries = $2";
        let transaction = self.begin().await?;
        let values = [sql::number(mail.number), sql::number(mail.tries)];
        sql::execute(&*transaction, "noting that a letter is sent", DELETE, values).await?;
        transaction.commit().await
    }

    /// Has a letter tried again from `due_ms` on.
    ///
    /// # Errors
    /// `Database`.
    pub async fn defer_mail(&self, mail: &Mail, due_ms: u64) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE mail SET due_ms = $3 WHERE mail_number = $1 AND tries = $2";
        let transaction = self.begin().await?;
        let values = [sql::number(mail.number), sql::number(mail.tries), sql::number(due_ms)];
        sql::execute(&*transaction, "putting a letter off", UPDATE, values).await?;
        transaction.commit().await
    }

    /// How many letters wait to be sent.
    ///
    /// # Errors
    /// `Database`.
    pub async fn waiting_mail(&self) -> Result<u64, StoreError> {
        const COUNT: &str = "SELECT COUNT(*) FROM mail";
        let row = sql::row(self.database(), "counting letters", COUNT, []).await?;
        row.map_or(Ok(0), |row| row.number(0))
    }
}

/// Keeps a letter until it is sent, within the caller's transaction.
pub(crate) async fn insert<C: ConnectionTrait>(
    transaction: &C,
    mail: &NewMail<'_>,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO mail (account_id, recipient, body, tries, due_ms, expires_ms) \
         VALUES ($1, $2, $3, 0, $4, $5)";
    let values = [
        mail.account_id.map(|id| id.as_bytes().to_vec()).into(),
        mail.recipient.into(),
        mail.body.to_vec().into(),
        sql::number(now_ms),
        expiry(mail.lifetime, now_ms),
    ];
    sql::execute(transaction, "keeping a letter", INSERT, values).await.map(drop)
}

/// Keeps a letter to whoever holds an account, within the caller's transaction, at the address that names it at this moment.
pub(crate) async fn notify<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    notice: &Notice,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO mail (account_id, recipient, body, tries, due_ms, expires_ms) \
         SELECT account_id, email, $2, 0, $3, $4 FROM account WHERE account_id = $1";
    let values = [
        sql::id(account_id),
        notice.body.clone().into(),
        sql::number(now_ms),
        expiry(notice.lifetime, now_ms),
    ];
    sql::execute(transaction, "keeping a letter", INSERT, values).await.map(drop)
}

fn expiry(lifetime: Duration, now_ms: u64) -> sea_orm::Value {
    sql::number(now_ms.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)))
}
