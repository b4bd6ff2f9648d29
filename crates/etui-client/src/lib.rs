//! Unlock, lock and sync against a server.
//!
//! A [`Device`] is an unlocked device: the verified account ([`etui_sync::Engine`]), the keys, the search index and
//! the local store. What a person changes is durable in the store before a method returns; sending it is the business
//! of [`Device::sync`], which never stands in the way of reading. Dropping the device wipes the keys.

mod account;
mod api;
mod ask;
mod backup;
mod data_export;
mod device;
mod error;
mod evidence;
mod home;
mod invitation;
mod kdf;
mod merge;
mod new_file;
mod opening;
mod pins;
mod random;
mod second_factor;
mod secure_storage;
mod store;
mod unlock;
mod way;

pub use account::{
    LogIn, SignUp,
    address::{ServerAddress, email_address},
};
pub use ask::{Agreement, Ask, Wanted};
pub use backup::{BackupReport, BackupVault, Opened, verify_backup};
pub use data_export::DataExportReport;
pub use device::{
    Branch, Branches, Device, DeviceInfo, DeviceLine, EmailChange, EventLine, Followed, HealReport, Progress,
    PutAside, StoreOpensWith, SyncFailure, SyncOutcome, SyncReport, VaultInfo,
};
pub use error::{ClientError, ErrorKind, file_hint};
pub use etui_api::plan::AccountEntitlements;
pub use etui_api::ways::{Passkey, RecoveryCodes, TotpSetup, Ways};
pub use home::{DeviceFile, Home};
pub use invitation::Invitation;
pub use kdf::KdfChoice;
pub use random::{OsRandom, now_ms};
pub use second_factor::SecondFactor;
pub use secure_storage::{SecureStorageError, reach_keyring};
pub use way::{Guide, Link, Visit, Way};
