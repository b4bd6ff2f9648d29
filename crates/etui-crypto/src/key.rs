//! The keys, each knowing what it is good for (`spec/crypto.md`, "Keys").

use etui_chain::{AccountId, DeviceId, Digest, KeysetId, Refused, VaultId};

use crate::{RandomSource, primitive::derive, secret::Secret};

macro_rules! free_secret {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub(crate) Secret);

        impl $name {
            /// Copies 32 bytes; the caller wipes its own.
            pub fn from_bytes(bytes: &[u8; 32]) -> Self {
                Self(Secret::copy_of(bytes))
            }
        }
    )*};
}

free_secret! {
    /// The optional second secret, kept on devices and in the Recovery Kit, never known to a server.
    SecretKey
    /// The secret of the Recovery Kit.
    RecoveryKey
    /// The key that the platform's secure storage holds for this device.
    DeviceWrappingKey
    /// What an authenticator's PRF extension gave for [`prf_input`].
    PrfOutput
}

impl SecretKey {
    /// Draws a new one.
    pub fn generate(random: &mut dyn RandomSource) -> Self {
        Self(Secret::generate(random))
    }

    /// The bytes, to keep on this device.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

impl RecoveryKey {
    /// Draws a new one.
    pub fn generate(random: &mut dyn RandomSource) -> Self {
        Self(Secret::generate(random))
    }
}

impl DeviceWrappingKey {
    /// Draws a new one.
    pub fn generate(random: &mut dyn RandomSource) -> Self {
        Self(Secret::generate(random))
    }

    /// The bytes, to hand to the platform's secure storage.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

/// MK: what the master password, with the second secret where used, leads to.
#[derive(Debug)]
pub struct MasterKey {
    pub(crate) account_id: AccountId,
    pub(crate) secret: Secret,
}

impl MasterKey {
    /// The key that encrypts this device's local store where no keyring keeps one.
    pub fn local_store_key(&self, device_id: DeviceId) -> LocalStoreKey {
        let info: [&[u8]; 3] = [b"etui/v1/local-store", self.account_id.as_bytes(), device_id.as_bytes()];
        LocalStoreKey(derive(b"", self.secret.bytes(), &info))
    }
}

/// The raw key of the local store.
#[derive(Debug)]
pub struct LocalStoreKey(pub(crate) Secret);

impl LocalStoreKey {
    /// Draws one, for a keyring to keep.
    pub fn generate(random: &mut dyn RandomSource) -> Self {
        Self(Secret::generate(random))
    }

    /// Copies 32 bytes; the caller wipes its own.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret::copy_of(bytes))
    }

    /// The bytes, for the database or the keyring.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

/// A key that seals keysets of one account: one way of unlocking it.
#[derive(Debug)]
pub struct KeysetKey {
    pub(crate) account_id: AccountId,
    pub(crate) secret: Secret,
}

impl KeysetKey {
    /// From the master password.
    pub fn from_master(master_key: &MasterKey) -> Self {
        Self::derive(&master_key.secret, b"etui/v1/kek/master", master_key.account_id, b"")
    }

    /// From the Recovery Kit.
    pub fn from_recovery(recovery_key: &RecoveryKey, account_id: AccountId) -> Self {
        Self::derive(&recovery_key.0, b"etui/v1/kek/recovery", account_id, b"")
    }

    /// From a passkey. The credential id is any number of bytes, as the authenticator gave it.
    pub fn from_prf(output: &PrfOutput, account_id: AccountId, credential_id: &[u8]) -> Self {
        let credential = Digest::of(&[credential_id]);
        Self::derive(&output.0, b"etui/v1/kek/prf", account_id, credential.as_bytes())
    }

    fn derive(secret: &Secret, label: &[u8], account_id: AccountId, more: &[u8]) -> Self {
        let secret = derive(b"", secret.bytes(), &[label, account_id.as_bytes(), more]);
        Self { account_id, secret }
    }
}

/// The id of the keyset that a passkey opens: the first 16 bytes of the hash of its credential id.
///
/// # Errors
/// `format` if those bytes are all zero.
pub fn prf_keyset_id(credential_id: &[u8]) -> Result<KeysetId, Refused> {
    let digest = Digest::of(&[credential_id]);
    let (id, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
    KeysetId::new(*id)
}

/// The input for an authenticator's PRF extension: set by the client, never by the server.
pub fn prf_input(account_id: AccountId) -> [u8; 32] {
    *Digest::of(&[b"etui/v1/prf\0", account_id.as_bytes()]).as_bytes()
}

/// A key that seals what never leaves this device.
#[derive(Debug)]
pub struct DeviceKey {
    pub(crate) account_id: AccountId,
    pub(crate) device_id: DeviceId,
    pub(crate) secret: Secret,
}

impl DeviceKey {
    /// From the key in the platform's secure storage.
    pub fn new(wrapping_key: &DeviceWrappingKey, account_id: AccountId, device_id: DeviceId) -> Self {
        let info: [&[u8]; 3] = [b"etui/v1/kek/device", account_id.as_bytes(), device_id.as_bytes()];
        Self { account_id, device_id, secret: derive(b"", wrapping_key.0.bytes(), &info) }
    }
}

/// The account's root key of one epoch: seals vault keys and account settings.
#[derive(Debug)]
pub struct RootKey {
    pub(crate) account_id: AccountId,
    pub(crate) epoch: u32,
    pub(crate) secret: Secret,
}

impl RootKey {
    /// Draws the key of an epoch; epochs start at 0.
    pub fn generate(account_id: AccountId, epoch: u32, random: &mut dyn RandomSource) -> Self {
        Self { account_id, epoch, secret: Secret::generate(random) }
    }

    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

/// A vault's key of one epoch: seals its entries, attachments and settings.
#[derive(Debug)]
pub struct VaultKey {
    pub(crate) vault_id: VaultId,
    pub(crate) epoch: u32,
    pub(crate) secret: Secret,
}

impl VaultKey {
    /// Draws the key of an epoch; epochs start at 0.
    pub fn generate(vault_id: VaultId, epoch: u32, random: &mut dyn RandomSource) -> Self {
        Self { vault_id, epoch, secret: Secret::generate(random) }
    }

    /// The vault.
    pub fn vault_id(&self) -> VaultId {
        self.vault_id
    }

    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}
