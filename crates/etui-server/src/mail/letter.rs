//! Every letter that there is, as the queue keeps it.

use std::time::Duration;

use data_encoding::HEXLOWER;
use etui_store::{NewMail, Notice, Pending, Store, StoreError};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::format_description};

use super::{
    account_leaving::AccountLeaving, confirm_address::ConfirmAddress,
    credentials_changed::CredentialsChanged, device_turned_away::DeviceTurnedAway, keys_changed::KeysChanged,
    new_device::NewDevice, recovery_code_used::RecoveryCodeUsed, sign_in_link::SignInLink, text::Text,
};

use crate::sign_in::PATIENCE;

/// For news: whoever's mail server is away for a weekend hears of it on Monday.
const NEWS_LIFETIME: Duration = Duration::from_hours(72);

/// What a letter is about. Whatever is secret in it is drawn when it is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// A link to sign in with.
    SignInLink(SignInLink),
    /// What confirms a new address.
    ConfirmAddress(ConfirmAddress),
    /// A device has signed in for the first time.
    NewDevice(NewDevice),
    /// A way to sign in was added, changed or removed.
    CredentialsChanged(CredentialsChanged),
    /// How the account is unlocked was changed.
    KeysChanged(KeysChanged),
    /// A recovery code was shown.
    RecoveryCodeUsed(RecoveryCodeUsed),
    /// A device was signed out by somebody without one.
    DeviceTurnedAway(DeviceTurnedAway),
    /// The account will be gone.
    AccountLeaving(AccountLeaving),
}

/// A letter in the queue.
#[derive(Serialize, Deserialize)]
pub(super) struct Queued {
    /// Stays the same however often it is sent: mail programs show such letters once.
    pub(super) message_id: String,
    pub(super) letter: Letter,
}

/// What letters are written with.
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    /// The address of the server that people use.
    pub(super) url: &'a str,
    pub(super) recipient: &'a str,
    pub(super) now_ms: u64,
}

impl Desk<'_> {
    /// How long something that was begun can still be finished.
    pub(super) fn rest_of(&self, pending: &Pending) -> Duration {
        PATIENCE.saturating_sub(Duration::from_millis(self.now_ms.saturating_sub(pending.created_ms)))
    }
}

impl Letter {
    /// To be queued for the holder of an account, in the transaction that gives occasion to it.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub(crate) fn notice(self) -> Result<Notice, StoreError> {
        let lifetime = self.lifetime();
        Ok(Notice { body: self.queued()?, lifetime })
    }

    /// Queues it by itself.
    ///
    /// # Errors
    /// The store's.
    pub async fn queue(self, store: &Store, recipient: &str, now_ms: u64) -> Result<(), StoreError> {
        let lifetime = self.lifetime();
        let body = self.queued()?;
        store.queue_mail(&NewMail { account_id: None, recipient, body: &body, lifetime }, now_ms).await
    }

    /// How long it is worth being sent.
    const fn lifetime(&self) -> Duration {
        match self {
            Self::SignInLink(_) | Self::ConfirmAddress(_) => PATIENCE,
            Self::NewDevice(_)
            | Self::CredentialsChanged(_)
            | Self::KeysChanged(_)
            | Self::RecoveryCodeUsed(_)
            | Self::DeviceTurnedAway(_)
            | Self::AccountLeaving(_) => NEWS_LIFETIME,
        }
    }

    fn queued(self) -> Result<Vec<u8>, StoreError> {
        let message_id = message_id().map_err(|source| StoreError::Random { source })?;
        let queued = Queued { message_id, letter: self };
        Ok(serde_json::to_vec(&queued).expect("a letter is plain JSON"))
    }

    /// What it says; `None` if there is nobody to say it to, or no reason any more.
    pub(super) async fn write(&self, desk: &Desk<'_>) -> Result<Option<Text>, StoreError> {
        match self {
            Self::SignInLink(letter) => letter.write(desk).await,
            Self::ConfirmAddress(letter) => letter.write(desk).await,
            Self::NewDevice(letter) => Ok(Some(letter.write(desk))),
            Self::CredentialsChanged(letter) => Ok(Some(letter.write(desk))),
            Self::KeysChanged(letter) => Ok(Some(letter.write(desk))),
            Self::RecoveryCodeUsed(letter) => Ok(Some(letter.write(desk))),
            Self::DeviceTurnedAway(letter) => Ok(Some(letter.write(desk))),
            Self::AccountLeaving(letter) => Ok(Some(letter.write(desk))),
        }
    }
}

/// For the `Message-ID`.
pub(super) fn message_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(HEXLOWER.encode(&random))
}

/// A time as people read it everywhere.
pub(super) fn time(time_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&format).ok()).unwrap_or_else(|| "at an unknown time".to_owned())
}
