//! Sealed records (`spec/crypto.md`, "Record"): a function per purpose, one core beneath.

mod account;
mod attachment;
mod core;
mod device;
mod padding;
mod vault;

pub use account::{
    open_account_settings, open_keyset, open_vault_key, seal_account_settings, seal_keyset, seal_vault_key,
};
pub use attachment::{
    AttachmentCheck, AttachmentPlan, CheckedAttachment, MAX_ATTACHMENT_BYTES, PART_BODY_BYTES,
    SealedAttachment, open_attachment, seal_attachment, seal_attachment_part,
};
pub use core::{MAX_BODY_BYTES, SealedRecord};
pub use device::{
    DeviceSecrets, open_device_secrets, seal_device_secrets, unwrap_master_key, wrap_master_key,
};
pub use vault::{open_entry, open_vault_settings, seal_entry, seal_vault_settings};

#[cfg(feature = "vectors")]
pub(crate) use core::{Place, hedged_salt, seal, seal_plaintext};
pub(crate) use core::{expected_of, open, seal_with_salt};

#[cfg(test)]
mod tests;
