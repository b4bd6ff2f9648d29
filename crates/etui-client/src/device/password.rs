//! The master password: changing it, and following a change made on another device.

use etui_chain::{KdfDescriptor, KeysetKind, Refusal, record_hash};
use etui_crypto::{CheckedKdf, KdfParameters, KeysetKey, MasterKey, MasterPassword, seal_keyset};
use etui_sync::StateChange;

use super::{Device, Inner, StoreOpensWith};
use crate::{
    ClientError, KdfChoice, OsRandom, SecondFactor, Way,
    account::check_choice,
    home::{DeviceFile, StoreKeyPlace, Unlock},
    kdf::fresh_master_key,
    unlock,
};

impl Device {
    /// Replaces the master password: one small record, no entry. It does not make an old copy of the keyset
    /// unreadable to who knows the old password.
    ///
    /// Where the account has a login password, `way` is that, and the server is asked whether it is the account's: held against
    /// another one, the check that the two are not alike would say nothing.
    ///
    /// # Errors
    /// [`ClientError::WrongMasterPassword`], [`ClientError::Choice`], `password_reuse`, [`ClientError::LoginPasswordNeeded`],
    /// `kdf_pin` for a derivation below the present one; as [`Self::sign_in_afresh`]; what the exchange gives. Then nothing has
    /// changed.
    pub async fn change_master_password(
        &self,
        old: &MasterPassword,
        new: &MasterPassword,
        way: &Way,
        second_factor: Option<&SecondFactor>,
        kdf: KdfChoice,
    ) -> Result<(), ClientError> {
        let (present, account_id) = {
            let inner = self.inner.borrow();
            (unlock::master_way_in(inner.engine.state(), &inner.store)?, inner.engine.account_id())
        };
        let old_key = unlock::derive(old, present.kdf, account_id)?;
        unlock::open(&KeysetKey::from_master(&old_key), &present)?;
        check_choice(new, &self.email())?;
        way.check_reuse(new)?;
        if way.login_password().is_none() && self.ways().await?.login_password {
            return Err(ClientError::LoginPasswordNeeded);
        }
        self.sign_in_afresh(way, second_factor).await?;
        let costs = kdf.costs(KdfParameters::of(&present.kdf))?;
        let (kdf, master_key) = fresh_master_key(new, account_id, costs, Some(&present.kdf))?;
        self.put_master_keyset(kdf, &master_key).await?;
        self.adopt(&master_key)
    }

    /// Has the account stand by a keyset under this master key.
    pub(crate) async fn put_master_keyset(
        &self,
        kdf: KdfDescriptor,
        master_key: &MasterKey,
    ) -> Result<(), ClientError> {
        let key = KeysetKey::from_master(master_key);
        self.change_state(|inner| {
            let state = inner.engine.state();
            // Another device may have raised the cost in the meantime.
            CheckedKdf::new(kdf, Some(&state.kdf))?;
            let missing = Refusal::Missing.because("the account has no master keyset");
            let entry = state.keysets.iter().find(|entry| entry.kind == KeysetKind::Master);
            let mut entry = *entry.ok_or(missing)?;
            entry.version += 1;
            let sealed = seal_keyset(&key, entry.id, entry.version, &inner.keys.keyset, &mut OsRandom)?;
            entry.record_hash = sealed.hash;
            Ok(StateChange {
                put_keysets: vec![entry],
                kdf: Some(kdf),
                named_records: vec![sealed.bytes],
                ..StateChange::default()
            })
        })
        .await
    }

    /// The plain file of a device whose store was made under the account's master password.
    pub(crate) fn write_file(&self) -> Result<(), ClientError> {
        let mut file = self.file.borrow_mut();
        if let StoreKeyPlace::MasterPassword { ways_in } = &mut file.store_key {
            let inner = self.inner.borrow();
            *ways_in = vec![unlock::master_way_in(inner.engine.state(), &inner.store)?];
        }
        self.home.write_device(&file)
    }

    /// The keyset whose master key leads to the store's key; none where a keyring keeps that.
    pub(crate) fn opens_store(&self) -> Option<Unlock> {
        self.file.borrow().opens_store().cloned()
    }

    /// Has the plain file say where the server is now.
    pub(crate) fn write_server(&self) -> Result<(), ClientError> {
        let mut file = self.file.borrow_mut();
        let moved = DeviceFile { server: self.api.server().to_owned(), ..file.clone() };
        self.home.write_device(&moved)?;
        *file = moved;
        Ok(())
    }

    /// Has the plain file list the account's newest keyset beside the one that opens the store, and one that is on its
    /// way: whichever of them is right after a kill is there.
    pub(crate) fn refresh_ways_in(&self) -> Result<(), ClientError> {
        let used = self.opens_store();
        // A device that is being set up has no plain file yet.
        used.map_or(Ok(()), |used| self.list_ways_in(&used))
    }

    /// The same, with `used` as the one that opens the store.
    pub(crate) fn list_ways_in(&self, used: &Unlock) -> Result<(), ClientError> {
        let ways_in = self.inner.borrow().ways_in(used)?;
        let mut file = self.file.borrow_mut();
        let listed = StoreKeyPlace::MasterPassword { ways_in };
        if file.store_key == listed {
            return Ok(());
        }
        file.store_key = listed;
        self.home.write_device(&file)
    }

    pub(super) fn store_opens_with(&self, inner: &Inner) -> StoreOpensWith {
        let file = self.file.borrow();
        let Some(used) = file.opens_store() else { return StoreOpensWith::Keyring };
        let mut listed = inner.engine.state().keysets.iter();
        let hash = record_hash(&used.record);
        if listed.any(|entry| entry.kind == KeysetKind::Master && entry.record_hash == hash) {
            StoreOpensWith::MasterPassword
        } else {
            StoreOpensWith::FormerMasterPassword
        }
    }

    /// Encrypts the store under the account's new master password, where it opens with one.
    pub(crate) fn adopt(&self, master_key: &MasterKey) -> Result<(), ClientError> {
        if self.file.borrow().uses_keyring() {
            return Ok(());
        }
        let used = {
            let mut inner = self.inner.borrow_mut();
            let store_key = master_key.local_store_key(inner.engine.device_id());
            inner.store = inner.store.re_key(&self.home.store_path(), &store_key)?;
            unlock::master_way_in(inner.engine.state(), &inner.store)?
        };
        self.list_ways_in(&used)
    }
}

impl DeviceFile {
    /// The keyset whose master key leads to the store's key; none where a keyring keeps that.
    pub(crate) fn opens_store(&self) -> Option<&Unlock> {
        match &self.store_key {
            StoreKeyPlace::Keyring => None,
            StoreKeyPlace::MasterPassword { ways_in } => ways_in.first(),
        }
    }
}

impl Inner {
    fn ways_in(&self, used: &Unlock) -> Result<Vec<Unlock>, ClientError> {
        let listed = unlock::master_way_in(self.engine.state(), &self.store)?;
        let in_flight =
            self.engine.state_in_flight().and_then(|in_flight| unlock::master_way_in_flight(in_flight));
        let mut ways_in = vec![used.clone()];
        for way_in in [Some(listed), in_flight].into_iter().flatten() {
            if !ways_in.contains(&way_in) {
                ways_in.push(way_in);
            }
        }
        Ok(ways_in)
    }
}
