//! The keyring of the desktop: on Linux the Secret Service over D-Bus, on macOS the Keychain, on Windows its
//! Credential Manager.

use etui_chain::DeviceId;
use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{Item, SecureStorage, SecureStorageError};

const SERVICE: &str = "etui";

/// The keyring's items of one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyring(DeviceId);

impl Keyring {
    /// Named by the device's id, so that several folders of one person do not get into each other's way.
    pub(crate) const fn of(device_id: DeviceId) -> Self {
        Self(device_id)
    }

    fn entry(self, item: Item) -> Result<Entry, SecureStorageError> {
        reach()?;
        let name = match item {
            Item::StoreKey => "store-key",
            Item::Pins => "pins",
        };
        Entry::new(SERVICE, &format!("{name}/{}", self.0)).map_err(failed)
    }
}

impl SecureStorage for Keyring {
    fn read(&self, item: Item) -> Result<Option<Zeroizing<Vec<u8>>>, SecureStorageError> {
        match self.entry(item)?.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn write(&self, item: Item, secret: &[u8]) -> Result<(), SecureStorageError> {
        self.entry(item)?.set_secret(secret).map_err(failed)
    }

    fn remove(&self, item: Item) -> Result<(), SecureStorageError> {
        match self.entry(item)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether there is one at all.
pub(super) fn reach() -> Result<(), SecureStorageError> {
    // It is asked for once in a process, so that the reason is not ours to keep.
    Entry::store_status()
        .as_ref()
        .copied()
        .map_err(|error| SecureStorageError::Absent(error.to_string().into()))
}

fn failed(error: Error) -> SecureStorageError {
    match error {
        Error::NoStorageAccess(source) => SecureStorageError::Locked(source),
        other => SecureStorageError::Failed(Box::new(other)),
    }
}
