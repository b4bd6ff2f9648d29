//! The only place that seals and opens.
//!
//! Key derivation, sealed records, keysets, signatures and the Recovery Kit, as `spec/crypto.md` lays them down
//! byte for byte. There is no socket, file, clock or random source in here: callers hand in bytes, among them
//! those of a [`RandomSource`].
//!
//! Keys carry the context they are good for (a [`VaultKey`] knows its vault and epoch), so a record cannot be
//! sealed or opened under a key in somebody else's place. Whatever is refused is refused by one of the names of
//! [`etui_chain::Refusal`].

mod cbor;
mod kdf;
mod key;
mod keyset;
mod primitive;
mod random;
mod record;
mod recovery;
mod secret;
mod self_test;
mod signing;
#[cfg(feature = "vectors")]
pub mod vectors;

pub use kdf::{
    CheckedKdf, KdfParameters, LoginPassword, LoginProof, MasterPassword, PasswordFault, check_login_choice,
    check_master_choice, check_password_reuse, derive_master_key,
};
pub use key::{
    DeviceKey, DeviceWrappingKey, KeysetKey, LocalStoreKey, MasterKey, PrfOutput, RecoveryKey, RootKey,
    SecretKey, VaultKey, prf_input, prf_keyset_id,
};
pub use keyset::{KemSeed, Keyset};
pub use random::{RandomSource, random_id, random_salt};
pub use record::{
    AttachmentCheck, AttachmentPlan, CheckedAttachment, DeviceSecrets, MAX_ATTACHMENT_BYTES, MAX_BODY_BYTES,
    PART_BODY_BYTES, SealedAttachment, SealedRecord, open_account_settings, open_attachment,
    open_device_secrets, open_entry, open_keyset, open_vault_key, open_vault_settings, seal_account_settings,
    seal_attachment, seal_attachment_part, seal_device_secrets, seal_entry, seal_keyset, seal_vault_key,
    seal_vault_settings, unwrap_master_key, wrap_master_key,
};
pub use recovery::{KitError, RecoveryKit, secret_from_words, secret_to_words};
pub use self_test::self_test;
pub use signing::SigningKey;
