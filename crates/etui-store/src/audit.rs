//! The audit log: who did what to which id when, metadata only. Ids are pseudonyms.

use core::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use etui_chain::{AccountId, DeviceId, Id};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sea_orm::ConnectionTrait;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Fresh, Store, StoreError, random_bytes,
    sql::{self, Columns as _},
};

pub use list::{AuditEvent, Page};

mod list;

/// Bytes of a pseudonym.
const PSEUDONYM_BYTES: usize = 16;

/// Refusals of one kind that are noted of an account within an hour.
const MAX_REFUSED: u64 = 10;
const HOUR_MS: u64 = 60 * 60_000;

/// Names an account, and what belongs to it, in logs and events: HMAC-SHA-256 of the id under a key that lies with the account
/// and goes with it. Whoever has the log alone learns that two lines are about the same thing, and no more.
#[derive(Clone)]
pub struct Pseudonyms {
    account_id: AccountId,
    key: Zeroizing<Vec<u8>>,
}

/// A keyed pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; PSEUDONYM_BYTES]);

impl Pseudonyms {
    /// One that an older program made has no key until [`give_key`].
    pub(crate) fn from_column(account_id: AccountId, key: Option<Vec<u8>>) -> Self {
        Self { account_id, key: Zeroizing::new(key.unwrap_or_default()) }
    }

    /// Of the account itself.
    pub fn account(&self) -> Pseudonym {
        self.of(self.account_id)
    }

    /// Of something that belongs to it.
    pub fn of(&self, id: impl Into<Id>) -> Pseudonym {
        self.of_bytes(id.into().as_bytes())
    }

    /// Of something that has a name of another length.
    pub fn of_bytes(&self, name: &[u8]) -> Pseudonym {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length is a key");
        mac.update(name);
        let tag = mac.finalize().into_bytes();
        let mut bytes = [0; PSEUDONYM_BYTES];
        bytes.copy_from_slice(&tag[..PSEUDONYM_BYTES]);
        Pseudonym(bytes)
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonyms(…)")
    }
}

impl Pseudonym {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; PSEUDONYM_BYTES] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A text that names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pseudonym is 32 lower-case hex digits")]
pub struct NoPseudonym;

impl FromStr for Pseudonym {
    type Err = NoPseudonym;

    fn from_str(text: &str) -> Result<Self, NoPseudonym> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NoPseudonym)?;
        bytes.try_into().map(Self).map_err(|_| NoPseudonym)
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// As the rows and the exports have it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

names! {
    /// Who did it.
    Actor {
        /// The holder of the account.
        Holder = "holder",
        /// An administrator.
        Administrator = "administrator",
        /// Whoever has the server, at its console.
        Operator = "operator",
        /// Somebody who has not signed in.
        Stranger = "stranger",
        /// The server by itself.
        Server = "server",
    }
}

names! {
    /// What was done.
    Action {
        /// The account was made.
        SignUp = "sign_up",
        /// A session was begun, or not.
        SignIn = "sign_in",
        /// A second factor was shown by whoever had shown a first one; only that it was wrong is noted by itself.
        ShowSecondFactor = "show_second_factor",
        /// Somebody signed in to the pages of the server, in a browser.
        OpenPages = "open_pages",
        /// A device that asked for it was let in by a browser, or turned away.
        LetDeviceIn = "let_device_in",
        /// A device signed in for the first time.
        NewDevice = "new_device",
        /// A device was approved by another.
        ApproveDevice = "approve_device",
        /// A session was ended.
        SignOut = "sign_out",
        /// A refresh token came twice, and its session ended.
        TokenReused = "token_reused",
        /// The login password was set, changed or taken away.
        ChangeLoginPassword = "change_login_password",
        /// The e-mail address was changed.
        ChangeEmail = "change_email",
        /// An account of a provider was linked.
        LinkIdentity = "link_identity",
        /// An account of a provider was unlinked.
        UnlinkIdentity = "unlink_identity",
        /// A passkey was added.
        AddPasskey = "add_passkey",
        /// A passkey was removed.
        RemovePasskey = "remove_passkey",
        /// A second factor was set up.
        SetTotp = "set_totp",
        /// The second factor was removed.
        RemoveTotp = "remove_totp",
        /// Recovery codes were made anew.
        ReplaceRecoveryCodes = "replace_recovery_codes",
        /// One recovery code was used.
        UseRecoveryCode = "use_recovery_code",
        /// Links by mail were allowed or not.
        ChangeLinks = "change_links",
        /// That new devices need approval was changed.
        ChangeApproval = "change_approval",
        /// Keysets or the key derivation changed (master password, Recovery Kit).
        ChangeKeys = "change_keys",
        /// Everything held was asked for.
        ExportData = "export_data",
        /// The account is to be deleted.
        DeleteAccount = "delete_account",
        /// The account is kept after all.
        KeepAccount = "keep_account",
        /// The account was disabled.
        DisableAccount = "disable_account",
        /// The account was enabled again.
        EnableAccount = "enable_account",
        /// The plan was changed.
        ChangePlan = "change_plan",
        /// A feature flag was changed for the account.
        ChangeFlag = "change_flag",
        /// The role was changed.
        ChangeRole = "change_role",
    }
}

names! {
    /// What came of it.
    Outcome {
        /// It was done.
        Done = "done",
        /// It was not.
        Refused = "refused",
    }
}

/// Who did something, and by what name the log has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By {
    actor: Actor,
    id: Option<Pseudonym>,
}

impl By {
    /// The holder, with nothing that has a name: in a browser, or while a sign-in goes on.
    pub(crate) const HOLDER: Self = Self { actor: Actor::Holder, id: None };
    pub(crate) const OPERATOR: Self = Self { actor: Actor::Operator, id: None };
    pub(crate) const STRANGER: Self = Self { actor: Actor::Stranger, id: None };

    /// The holder, with one of their devices.
    pub(crate) fn device(pseudonyms: &Pseudonyms, device_id: DeviceId) -> Self {
        Self { actor: Actor::Holder, id: Some(pseudonyms.of(device_id)) }
    }

    /// An administrator, by the pseudonym of their own account: its key goes with that.
    pub(crate) fn administrator(own: &Pseudonyms) -> Self {
        Self { actor: Actor::Administrator, id: Some(own.account()) }
    }
}

/// Notes an event within the caller's transaction, of an account that is there and has the key which makes its pseudonyms, and holds
/// it: whoever removes it finds the event, and behind that none is noted.
///
/// # Errors
/// `NotFound` if the account is gone.
pub(crate) async fn insert<C: ConnectionTrait>(
    connection: &C,
    pseudonyms: &Pseudonyms,
    by: By,
    action: Action,
    object: Option<Pseudonym>,
    outcome: Outcome,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO audit_event (time_ms, account, actor, actor_id, action, object, outcome) \
         SELECT $1, $2, $3, $4, $5, $6, $7 FROM account WHERE account_id = $8 AND pseudonym_key = $9";
    let query = format!("{INSERT}{}", sql::for_key_share(connection));
    let bytes = |pseudonym: Option<Pseudonym>| pseudonym.map(|it| it.0.to_vec()).into();
    let values = [
        sql::number(now_ms),
        bytes(Some(pseudonyms.account())),
        by.actor.name().into(),
        bytes(by.id),
        action.name().into(),
        bytes(object),
        outcome.name().into(),
        sql::id(pseudonyms.account_id),
        pseudonyms.key.to_vec().into(),
    ];
    let noted = sql::execute(connection, "noting an event", &query, values).await?;
    if noted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

impl Store {
    /// Notes what the holder of an account did, of which nothing else is kept.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn note(
        &self,
        fresh: &Fresh,
        action: Action,
        device_id: Option<DeviceId>,
        outcome: Outcome,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let pseudonyms = fresh.pseudonyms();
        let object = device_id.map(|device_id| pseudonyms.of(device_id));
        let transaction = self.begin().await?;
        insert(&*transaction, pseudonyms, fresh.by(), action, object, outcome, now_ms).await?;
        transaction.commit().await
    }

    /// Notes that a stranger did not get into an account, at most [`MAX_REFUSED`] times an hour for each action: whoever tries a
    /// million times fills no table.
    ///
    /// # Errors
    /// `Database`.
    pub async fn note_refused(
        &self,
        account_id: AccountId,
        action: Action,
        device_id: Option<DeviceId>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        const COUNT: &str = "SELECT COUNT(*) FROM audit_event \
             WHERE account = $1 AND action = $2 AND outcome = $3 AND time_ms > $4";
        let transaction = self.begin().await?;
        let pseudonyms = match pseudonyms(&*transaction, account_id).await {
            Err(StoreError::NotFound) => return Ok(()),
            found => found?,
        };
        let outcome = Outcome::Refused;
        let values = [
            pseudonyms.account().0.to_vec().into(),
            action.name().into(),
            outcome.name().into(),
            sql::number(now_ms.saturating_sub(HOUR_MS)),
        ];
        let noted = sql::row(&*transaction, "counting events", COUNT, values).await?;
        if noted.map_or(Ok(0), |row| row.number(0))? >= MAX_REFUSED {
            return Ok(());
        }
        let object = device_id.map(|device_id| pseudonyms.of(device_id));
        match insert(&*transaction, &pseudonyms, By::STRANGER, action, object, outcome, now_ms).await {
            // It has been removed meanwhile.
            Err(StoreError::NotFound) => Ok(()),
            noted => {
                noted?;
                transaction.commit().await
            }
        }
    }

    /// Gives keys to accounts that an older program has made without one: how many there were.
    pub(crate) async fn give_missing_keys(&self) -> Result<u64, StoreError> {
        const SELECT: &str = "SELECT account_id FROM account WHERE pseudonym_key IS NULL LIMIT 256";
        let mut given = 0;
        loop {
            let rows = sql::rows(self.database(), "looking for accounts without a key", SELECT, []).await?;
            if rows.is_empty() {
                return Ok(given);
            }
            let transaction = self.begin().await?;
            for row in &rows {
                give_key(&*transaction, row.id(0)?).await?;
            }
            transaction.commit().await?;
            given += rows.len() as u64;
        }
    }
}

/// Makes the key of an account that has none.
pub(crate) async fn give_key<C: ConnectionTrait>(
    connection: &C,
    account_id: AccountId,
) -> Result<(), StoreError> {
    const UPDATE: &str =
        "UPDATE account SET pseudonym_key = $2 WHERE account_id = $1 AND pseudonym_key IS NULL";
    let values = [sql::id(account_id), new_key()?.into()];
    sql::execute(connection, "giving an account its key", UPDATE, values).await.map(drop)
}

/// The pseudonyms of an account, within the caller's transaction.
pub(crate) async fn pseudonyms<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
) -> Result<Pseudonyms, StoreError> {
    const SELECT: &str = "SELECT pseudonym_key FROM account WHERE account_id = $1";
    // An older program makes accounts without a key.
    give_key(transaction, account_id).await?;
    let row = sql::row(transaction, "reading an account's key", SELECT, [sql::id(account_id)]).await?;
    Ok(Pseudonyms::from_column(account_id, row.ok_or(StoreError::NotFound)?.column(0)?))
}

/// 32 random bytes.
pub(crate) fn new_key() -> Result<Vec<u8>, StoreError> {
    Ok([random_bytes()?, random_bytes()?].concat())
}
