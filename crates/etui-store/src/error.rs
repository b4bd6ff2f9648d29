//! What can go wrong, by what the caller can do about it.

use std::{error::Error, io};

use etui_api::{plan::Feature, problem::PlanLimit};
use etui_chain::{Head, Refused};

/// Why the store did not do what was asked. Nothing was stored in any of these cases, `Unavailable` apart.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data does not keep the rules of `spec/crypto.md`.
    #[error("the upload was refused: {0}")]
    Refused(#[from] Refused),
    /// The vault's head is another one than the commit builds on.
    #[error("the vault's head has moved")]
    HeadMoved(Head),
    /// The account's state is another one than the upload builds on.
    #[error("the account's state has moved")]
    StateMoved,
    /// An account with that e-mail address or id exists.
    #[error("an account with that e-mail address or id exists")]
    AccountExists,
    /// An address, passkey or account at a provider belongs to another account.
    #[error("it belongs to another account")]
    Taken,
    /// Nobody could sign in to the account any more.
    #[error("it is the last way to sign in")]
    LastWay,
    /// There is no such invitation, or not for this address.
    #[error("there is no such invitation")]
    NotInvited,
    /// The session is genuine, and whoever asks has not signed in within the last minutes.
    #[error("whoever asks has not just signed in")]
    NotFresh,
    /// The session that asks has ended meanwhile, or the account is signed in to in other ways since.
    #[error("the session has ended")]
    SessionEnded,
    /// How the account is signed in to has changed since something was proven about it.
    #[error("how the account is signed in to has changed meanwhile")]
    Superseded,
    /// The account is not that of an administrator.
    #[error("the account is not an administrator's")]
    NotAdministrator,
    /// An administrator has disabled the account.
    #[error("the account is disabled")]
    Disabled,
    /// Its holder has deleted the account.
    #[error("the account is being deleted")]
    Leaving {
        /// When it will be gone, in ms since 1970.
        delete_at_ms: u64,
    },
    /// The device waits for the approval of another.
    #[error("the device waits to be approved")]
    AwaitsApproval,
    /// Nobody could administer the server any more.
    #[error("it is the last administrator")]
    LastAdministrator,
    /// There would be more of something than before, and than the plan has.
    #[error("the plan has {} {} and not {}", .0.allowed, .0.what, .0.wanted)]
    PlanLimit(PlanLimit),
    /// The plan does not include it.
    #[error("the plan does not include {}", feature.name())]
    NotInPlan {
        /// What.
        feature: Feature,
    },
    /// There is no such plan.
    #[error("there is no plan called `{name}`")]
    NoPlan {
        /// What was asked for.
        name: String,
    },
    /// There is no such feature flag.
    #[error("there is no feature flag called `{name}`")]
    NoFlag {
        /// What was asked for.
        name: String,
    },
    /// Text that cannot be kept.
    #[error("a text cannot hold the character NUL")]
    NotText,
    /// It cannot be the name of a plan or flag.
    #[error("a name has at most 64 small letters, digits, `-` and `_`")]
    NotAName,
    /// There is no such thing, or not for this account.
    #[error("there is no such thing for this account")]
    NotFound,
    /// The disk, database or bucket is full.
    #[error("the storage is full")]
    StorageFull,
    /// Database or object store cannot be reached now, or are too busy: asking again later may succeed. What became of
    /// a change that was being committed is not known; asking for the same again tells.
    #[error("the {what} cannot be used now, while {doing}")]
    Unavailable {
        /// Which: "database", "object store".
        what: &'static str,
        /// What was being done.
        doing: &'static str,
        /// What was found.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the database was written by a newer version of this program (it has the migration `{migration}`)"
    )]
    NewerSchema {
        /// The first migration that this program does not know.
        migration: String,
    },
    /// The database was written by an older version of this program, and other nodes may be using it.
    #[error(
        "the database is of an older version (it lacks the migration `{migration}`): run `etui-server migrate` with the same settings, then start the nodes anew one after the other"
    )]
    OlderSchema {
        /// The first migration that it lacks.
        migration: String,
    },
    /// There is no store.
    #[error("there is no data{}: {hint}", folder.as_ref().map(|folder| format!(" in {}", folder.display())).unwrap_or_default())]
    NoStore {
        /// The data folder, where that is what was looked at.
        folder: Option<std::path::PathBuf>,
        /// What to do.
        hint: &'static str,
    },
    /// The bucket or folder of segments belongs to another database.
    #[error(
        "the bucket or folder of segments belongs to another database: choose another with --s3-prefix, or \
         `etui-server restore --take-over` if that database is gone for good"
    )]
    OtherStore,
    /// Another process serves this folder.
    #[error("another etui-server uses {}: stop it, or choose another folder with --data", folder.display())]
    InUse {
        /// The data folder.
        folder: std::path::PathBuf,
    },
    /// Something is there already that would be mixed with what comes.
    #[error("there are accounts already: restore into an empty database and bucket or folder")]
    NotEmpty,
    /// The data folder could not be used.
    #[error("could not use the data folder while {doing}")]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database failed.
    #[error("the database failed while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: sea_orm::DbErr,
    },
    /// The object store failed.
    #[error("the object store failed while {doing}")]
    Blobs {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: object_store::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random {
        /// What it said.
        #[source]
        source: getrandom::Error,
    },
    /// Something stored is not what was stored: rows or segments were changed or lost behind the store's back.
    #[error("the stored data is damaged: {found}")]
    Damaged {
        /// What was found, without any of the data itself.
        found: &'static str,
    },
}

impl StoreError {
    /// What failed, in one word from a short list; `None` for what is an answer to whoever asked.
    pub const fn failure(&self) -> Option<&'static str> {
        match self {
            Self::StorageFull => Some("storage_full"),
            Self::Unavailable { .. } => Some("unavailable"),
            Self::Folder { .. } => Some("folder"),
            Self::Database { .. } => Some("database"),
            Self::Blobs { .. } => Some("object_store"),
            Self::Random { .. } => Some("random"),
            Self::Damaged { .. } => Some("damaged"),
            _ => None,
        }
    }

    /// All that [`Self::failure`] may give.
    pub const FAILURES: [&'static str; 7] =
        ["storage_full", "unavailable", "folder", "database", "object_store", "random", "damaged"];

    /// Says what was being done, and tells a full disk from other failures.
    pub(crate) fn blobs(doing: &'static str) -> impl Fn(object_store::Error) -> Self {
        move |source| {
            if is_storage_full(&source) {
                Self::StorageFull
            } else if is_out_of_reach(&source) {
                Self::Unavailable { what: "object store", doing, source: Box::new(source) }
            } else {
                Self::Blobs { doing, source }
            }
        }
    }

    pub(crate) fn folder(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Folder { doing, source }
    }
}

/// What a bucket could not be asked, after every repetition, or not by this clock. A folder is there or it is broken.
fn is_out_of_reach(error: &object_store::Error) -> bool {
    const WRONG_CLOCK: [&str; 1] = ["RequestTimeTooSkewed"];
    matches!(error, object_store::Error::Generic { store: "S3", .. }) || says(error, &WRONG_CLOCK)
}

fn is_storage_full(error: &(dyn Error + 'static)) -> bool {
    let full = error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    });
    full || says(error, &BEYOND_QUOTA) || error.source().is_some_and(is_storage_full)
}

/// How S3-compatible stores answer beyond a quota.
const BEYOND_QUOTA: [&str; 3] = ["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"];

/// Whether an S3-compatible store gave one of these codes; its answer is only to be had as the text of the last cause.
fn says(error: &(dyn Error + 'static), codes: &[&str]) -> bool {
    if let Some(source) = error.source() {
        return says(source, codes);
    }
    let text = error.to_string();
    codes.iter().any(|code| text.contains(code))
}
