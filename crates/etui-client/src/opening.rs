//! Unlocking what is on this device (`spec/crypto.md`, "Local store"). No server is asked.

use etui_chain::{AccountId, Refusal};
use etui_crypto::{Keyset, KeysetKey, LocalStoreKey, MasterKey, MasterPassword, SigningKey, self_test};
use etui_sync::Engine;
use zeroize::Zeroizing;

use crate::{
    ClientError, Device, Home,
    api::{Api, KeptSession},
    home::{DeviceFile, StoreKeyPlace, Unlock},
    pins::Pins,
    secure_storage::{Item, Keyring, SecureStorage as _, within_limit},
    store::{Store, key},
    unlock::{self, Unlocked},
};

impl Device {
    /// Unlocks what is on this device. No server is asked.
    ///
    /// # Errors
    /// [`ClientError::WrongMasterPassword`], [`ClientError::NoDevice`]; [`ClientError::NeedsFormerMasterPassword`];
    /// [`ClientError::Keyring`] or [`ClientError::StoreKeyGone`] where a keyring keeps the store's key;
    /// `local_rollback`; or what the local store shows.
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn unlock(home: &Home, master_password: &MasterPassword) -> Result<Self, ClientError> {
        open(home, master_password, None)
    }

    /// The same after the master password was changed on another device: the store still opens with the `former` one,
    /// and from now on with the new one.
    ///
    /// # Errors
    /// As [`Self::unlock`].
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn unlock_with_former(
        home: &Home,
        master_password: &MasterPassword,
        former: &MasterPassword,
    ) -> Result<Self, ClientError> {
        open(home, master_password, Some(former))
    }
}

fn open(
    home: &Home,
    password: &MasterPassword,
    former: Option<&MasterPassword>,
) -> Result<Device, ClientError> {
    self_test()?;
    let file = home.device()?.ok_or_else(|| ClientError::NoDevice(home.path().to_owned()))?;
    match &file.store_key {
        StoreKeyPlace::Keyring => open_with_keyring(home, &file, password)?.into_device(home, file),
        StoreKeyPlace::MasterPassword { ways_in } => {
            let (used, opened) = open_with_password(home, &file, ways_in, password, former)?;
            let device = opened.into_device(home, file)?;
            // On a full disk the list stays as it was, and still leads in.
            let _ = device.list_ways_in(&used);
            Ok(device)
        }
    }
}

/// The open store and what the master password opened.
struct Opened {
    store: Store,
    engine: Engine,
    keyset: Keyset,
}

impl Opened {
    fn into_device(self, home: &Home, file: DeviceFile) -> Result<Device, ClientError> {
        let Self { store, engine, keyset } = self;
        if engine.account_id() != file.account_id {
            return Err(Refusal::WrongContext
                .because("the store on this device is of another account")
                .into());
        }
        if engine.state().identity_key != keyset.identity().public_key() {
            return Err(Refusal::StateSignature
                .because("the keyset on this device is not of the account in its store")
                .into());
        }
        let vault_keys = unlock::vault_keys(&engine, &keyset, &store)?;
        let seed = store.value(key::SIGNING_SEED)?.ok_or_else(no_seed)?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| no_seed())?);
        let keys = Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) };
        let api = Api::new(&file.server)?;
        api.resume(kept_session(&store)?);
        Device::assemble(home.clone(), file, api, store, engine, keys)
    }
}

/// The store opens with the key that the keyring keeps, and is held against the pins there before anything else. What
/// the master password has to open lies in the store, named by its verified state.
fn open_with_keyring(
    home: &Home,
    file: &DeviceFile,
    password: &MasterPassword,
) -> Result<Opened, ClientError> {
    let keyring = Keyring::of(file.device_id);
    let (store_key, pins) =
        within_limit(move || Ok((keyring.read(Item::StoreKey)?, keyring.read(Item::Pins)?))).map_err(
            |source| ClientError::Keyring { doing: "asking the keyring for this device's key", source },
        )?;
    let store_key = store_key.ok_or(ClientError::StoreKeyGone)?;
    let store_key = store_key.as_slice().try_into().map_err(|_| ClientError::StoreKeyGone)?;
    let store = Store::open(&home.store_path(), &LocalStoreKey::from_bytes(store_key))?
        .ok_or(ClientError::StoreKeyGone)?;
    // Without a pin there is nothing to hold it against: whoever can take a pin out of the keyring can read the key
    // beside it, too.
    if let Some(pins) = pins {
        Pins::from_bytes(&pins)?.check(&store)?;
    }
    let engine = Engine::restore(file.device_id, store.account()?)?;
    let mut ways_in = vec![unlock::master_way_in(engine.state(), &store)?];
    // Whether the server has taken a new master password cannot be known before it is asked.
    ways_in.extend(engine.state_in_flight().and_then(|in_flight| unlock::master_way_in_flight(in_flight)));
    let fit = fits(&ways_in, password, file.account_id).next();
    let keyset = fit.unwrap_or(Err(ClientError::WrongMasterPassword))?.keyset;
    Ok(Opened { store, engine, keyset })
}

/// The store opens with a key that follows from the master password, which opens the keyset in the plain file.
fn open_with_password(
    home: &Home,
    file: &DeviceFile,
    ways_in: &[Unlock],
    password: &MasterPassword,
    former: Option<&MasterPassword>,
) -> Result<(Unlock, Opened), ClientError> {
    let path = home.store_path();
    let store_key = |fit: &Fit<'_>| fit.master_key.local_store_key(file.device_id);
    let mut newest: Option<Fit<'_>> = None;
    let mut fitting: Option<(Store, Fit<'_>)> = None;
    for fit in fits(ways_in, password, file.account_id) {
        let fit = fit?;
        if let Some(store) = Store::open(&path, &store_key(&fit))? {
            fitting = Some((store, fit));
            break;
        }
        newest = newest.or(Some(fit));
    }
    let (store, fit) = match (fitting, newest) {
        (Some(found), None) => found,
        // The same password, stretched further on another device.
        (Some((store, _)), Some(newest)) => (store.re_key(&path, &store_key(&newest))?, newest),
        (None, Some(newest)) if newest.is_newest(ways_in) => {
            let former = former.ok_or(ClientError::NeedsFormerMasterPassword)?;
            let store = open_with_former(home, file, ways_in, former)?;
            (store.re_key(&path, &store_key(&newest))?, newest)
        }
        // The password before the one under which the store has been encrypted anew; or none at all.
        (None, _) => return Err(ClientError::WrongMasterPassword),
    };
    let used = fit.unlock.clone();
    let engine = Engine::restore(file.device_id, store.account()?)?;
    Ok((used, Opened { store, engine, keyset: fit.keyset }))
}

fn open_with_former(
    home: &Home,
    file: &DeviceFile,
    ways_in: &[Unlock],
    former: &MasterPassword,
) -> Result<Store, ClientError> {
    for fit in fits(ways_in, former, file.account_id) {
        let store_key = fit?.master_key.local_store_key(file.device_id);
        if let Some(store) = Store::open(&home.store_path(), &store_key)? {
            return Ok(store);
        }
    }
    Err(ClientError::WrongMasterPassword)
}

/// A listed keyset that the password opened.
struct Fit<'a> {
    unlock: &'a Unlock,
    master_key: MasterKey,
    keyset: Keyset,
}

impl Fit<'_> {
    fn is_newest(&self, ways_in: &[Unlock]) -> bool {
        ways_in.last() == Some(self.unlock)
    }
}

/// Those of the listed keysets that the password opens, the newest first, each derived when it is asked for.
fn fits<'a>(
    ways_in: &'a [Unlock],
    password: &'a MasterPassword,
    account_id: AccountId,
) -> impl Iterator<Item = Result<Fit<'a>, ClientError>> {
    ways_in.iter().rev().filter_map(move |unlock| {
        let opened = unlock::derive(password, unlock.kdf, account_id).and_then(|master_key| {
            let keyset = unlock::open(&KeysetKey::from_master(&master_key), unlock)?;
            Ok(Fit { unlock, master_key, keyset })
        });
        match opened {
            Err(ClientError::WrongMasterPassword) => None,
            other => Some(other),
        }
    })
}

fn kept_session(store: &Store) -> Result<Option<KeptSession>, ClientError> {
    let bytes = store.value(key::SESSION)?;
    Ok(bytes.and_then(|bytes| KeptSession::from_bytes(&bytes)))
}

fn no_seed() -> ClientError {
    ClientError::Damaged("the local store has no signing key".to_owned())
}
