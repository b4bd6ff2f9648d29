//! What never leaves a device: sealed under a key in the platform's secure storage.

use core::fmt;

use etui_chain::{RecordType, Refusal, Refused};
use zeroize::Zeroizing;

use super::core::{Place, SealedRecord, open, seal};
use crate::{
    DeviceKey, LocalStoreKey, MasterKey, RandomSource, SigningKey,
    cbor::{Reader, Writer},
    secret::Secret,
};

/// Wraps the master key for this device. `version` is a counter of the device's own.
///
/// # Errors
/// `wrong_context` if the two keys are of different accounts.
pub fn wrap_master_key(
    key: &DeviceKey,
    version: u64,
    master_key: &MasterKey,
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    if key.account_id != master_key.account_id {
        return Err(Refusal::WrongContext.because("keys of two different accounts"));
    }
    seal(&key.secret, &place(key, RecordType::WrappedMasterKey, version), master_key.secret.bytes(), random)
}

/// Unwraps the master key.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal".
pub fn unwrap_master_key(key: &DeviceKey, version: u64, record: &[u8]) -> Result<MasterKey, Refused> {
    let place = place(key, RecordType::WrappedMasterKey, version);
    let body = open(&key.secret, &place.expected(), None, record)?;
    Ok(MasterKey { account_id: key.account_id, secret: Secret::from_slice(&body)? })
}

/// What a device keeps for itself: the key that signs commits and the key of the local store.
pub struct DeviceSecrets {
    /// Signs this device's commits.
    pub signing_key: SigningKey,
    /// Encrypts this device's local store.
    pub store_key: LocalStoreKey,
}

impl DeviceSecrets {
    /// `{1: 1, 2: signing seed, 3: store key}`, deterministic CBOR.
    pub(crate) fn to_body(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(80);
        writer.map(3).unsigned(1).unsigned(1);
        writer.unsigned(2).key(self.signing_key.seed());
        writer.unsigned(3).key(self.store_key.expose());
        writer.finish()
    }

    pub(crate) fn from_body(body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(body);
        if reader.map()? != 3 {
            return Err(Refusal::Format.because("device secrets with other members than they must have"));
        }
        reader.expect(1)?;
        reader.expect(1)?;
        reader.expect(2)?;
        let signing_key = SigningKey::from_seed(reader.key()?);
        reader.expect(3)?;
        let store_key = LocalStoreKey::from_bytes(reader.key()?);
        reader.finish()?;
        Ok(Self { signing_key, store_key })
    }
}

impl fmt::Debug for DeviceSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeviceSecrets([secret])")
    }
}

/// Seals this device's own secrets. `version` is a counter of the device's own.
///
/// # Errors
/// None in practice: the body is never too long.
pub fn seal_device_secrets(
    key: &DeviceKey,
    version: u64,
    secrets: &DeviceSecrets,
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    seal(&key.secret, &place(key, RecordType::DeviceSecrets, version), &secrets.to_body(), random)
}

/// Opens this device's own secrets.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal".
pub fn open_device_secrets(key: &DeviceKey, version: u64, record: &[u8]) -> Result<DeviceSecrets, Refused> {
    let place = place(key, RecordType::DeviceSecrets, version);
    DeviceSecrets::from_body(&open(&key.secret, &place.expected(), None, record)?)
}

fn place(key: &DeviceKey, record_type: RecordType, version: u64) -> Place {
    Place::whole(record_type, key.account_id, key.device_id, version, 0)
}
