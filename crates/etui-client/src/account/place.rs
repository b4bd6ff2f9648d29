//! A folder about to become a device's.

use etui_chain::DeviceId;
use etui_crypto::{LocalStoreKey, MasterKey};
use etui_sync::{Engine, Step};

use crate::{
    ClientError, Device, Home,
    api::Api,
    device::admin::keep_shown_devices,
    home::{DeviceFile, StoreKeyPlace},
    now_ms,
    secure_storage::{SecureStorageError, forget_in_keyring, store_key_in_keyring},
    store::{Store, key},
    unlock::Unlocked,
};

pub(super) struct Place<'a> {
    pub(super) home: &'a Home,
    pub(super) email: &'a str,
    pub(super) device_id: DeviceId,
    pub(super) seed: &'a [u8; 32],
    /// Whether a keyring, if there is one, keeps the store's key.
    pub(super) use_keyring: bool,
    /// Whether what is there is put aside first.
    pub(super) anew: bool,
}

impl Place<'_> {
    /// Makes the local store with everything in it. The plain file is for the caller to write: a folder without it is
    /// set up anew.
    pub(super) fn settle(
        self,
        api: Api,
        master_key: &MasterKey,
        step: Step,
        keys: impl FnOnce(&Engine, &Store) -> Result<Unlocked, ClientError>,
    ) -> Result<Device, ClientError> {
        self.home.create()?;
        if self.anew {
            self.home.set_aside(now_ms())?;
        }
        self.home.remove_device()?;
        let StoreKey { key: store_key, place, without_keyring } = self.store_key(master_key);
        let uses_keyring = place == StoreKeyPlace::Keyring;
        let device_id = self.device_id;
        let made = self.make(api, &store_key, place, step, keys);
        if made.is_err() && uses_keyring {
            forget_in_keyring(device_id);
        }
        let mut device = made?;
        device.without_keyring = without_keyring;
        Ok(device)
    }

    fn make(
        self,
        api: Api,
        store_key: &LocalStoreKey,
        place: StoreKeyPlace,
        step: Step,
        keys: impl FnOnce(&Engine, &Store) -> Result<Unlocked, ClientError>,
    ) -> Result<Device, ClientError> {
        let mut store = Store::create(&self.home.store_path(), store_key)?;
        store.set_value(key::SIGNING_SEED, Some(self.seed))?;
        store.set_value(key::EMAIL, Some(self.email.as_bytes()))?;
        if let Some(kept) = api.kept() {
            store.set_value(key::SESSION, Some(&*kept.to_bytes()))?;
        }
        store.apply(&step.writes)?;
        // Those that are there already are none that came to this device's account.
        keep_shown_devices(&store, step.engine.state().devices.iter().map(|(device_id, _)| *device_id))?;
        let keys = keys(&step.engine, &store)?;
        let file = DeviceFile {
            server: api.server().to_owned(),
            account_id: step.engine.account_id(),
            device_id: self.device_id,
            store_key: place,
        };
        Device::assemble(self.home.clone(), file, api, store, step.engine, keys)
    }

    /// A random key that the keyring keeps; where there is none, the one that follows from the master password.
    fn store_key(&self, master_key: &MasterKey) -> StoreKey {
        let from_password = |without_keyring| StoreKey {
            key: master_key.local_store_key(self.device_id),
            place: StoreKeyPlace::MasterPassword { ways_in: Vec::new() },
            without_keyring,
        };
        if !self.use_keyring {
            return from_password(None);
        }
        match store_key_in_keyring(self.device_id) {
            Ok(key) => StoreKey { key, place: StoreKeyPlace::Keyring, without_keyring: None },
            Err(error) => from_password(Some(error)),
        }
    }
}

struct StoreKey {
    key: LocalStoreKey,
    place: StoreKeyPlace,
    /// Why there is no keyring, where one was wanted.
    without_keyring: Option<SecureStorageError>,
}
