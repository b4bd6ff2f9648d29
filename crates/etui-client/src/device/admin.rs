//! The account's devices and kit.

use std::time::Duration;

use etui_chain::{DeviceId, KeysetEntry, KeysetId, KeysetKind, PublicKey, RecordHeader, Refusal};
use etui_crypto::{
    KeysetKey, RecoveryKey, RecoveryKit, open_account_settings, open_keyset, random_id,
    seal_account_settings, seal_keyset,
};
use etui_sync::StateChange;
use etui_vault::AccountSettings;

use tokio::time::timeout;

use super::{Device, Inner};
use crate::{
    ClientError, OsRandom,
    store::{Store, key},
};

/// How long a person who asked for something else waits for the server.
const AT_ONCE: Duration = Duration::from_secs(2);

/// One device of the account.
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct DeviceLine {
    /// The device.
    pub device_id: DeviceId,
    /// Its name, from the sealed account settings.
    pub name: String,
    /// Whether it is this one.
    pub this: bool,
    /// Whether the newest state lists it: only then are its changes accepted.
    pub listed: bool,
    /// Whether it has signed in for the first time and waits to be approved.
    pub awaits_approval: bool,
    /// Whether the person has not been shown it on this device yet.
    pub is_new: bool,
    /// When its session began, in ms since 1970, if it has one.
    pub signed_in_ms: Option<u64>,
    /// When it was last seen by the server, in ms since 1970.
    pub last_seen_ms: Option<u64>,
}

impl Device {
    /// The account's devices.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn devices(&self) -> Result<Vec<DeviceLine>, ClientError> {
        let answer = self.api.devices().await?;
        let inner = self.inner.borrow();
        let (names, shown) = (inner.account_settings()?, inner.shown_devices()?);
        let line = |device: etui_api::account::Device| DeviceLine {
            device_id: device.device_id,
            name: names.device_name(&device.device_id).unwrap_or_default().to_owned(),
            this: device.device_id == inner.engine.device_id(),
            // The server's word is not enough for this one.
            listed: inner.engine.state().device_key(&device.device_id).is_some(),
            awaits_approval: device.awaits_approval,
            is_new: device.device_id != inner.engine.device_id() && !shown.contains(&device.device_id),
            signed_in_ms: device.signed_in_ms,
            last_seen_ms: device.last_seen_ms,
        };
        Ok(answer.devices.into_iter().map(line).collect())
    }

    /// Devices that wait to be approved, and those that the person has not been shown on this device yet; as far as the server
    /// says so at once: nobody waits for it.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn device_news(&self) -> Result<Vec<DeviceLine>, ClientError> {
        let doing = "fetching the devices";
        let devices = timeout(AT_ONCE, self.devices()).await;
        let devices = devices.map_err(|_| ClientError::Offline { doing, source: None })??;
        Ok(devices.into_iter().filter(|device| device.awaits_approval || device.is_new).collect())
    }

    /// Keeps that the person has been shown these: they are new no more.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn devices_were_shown(&self, devices: &[DeviceLine]) -> Result<(), ClientError> {
        let ids = devices.iter().map(|device| device.device_id);
        keep_shown_devices(&self.inner.borrow().store, ids)
    }

    /// Names a device.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; what the exchange gives.
    pub async fn rename_device(&self, device_id: DeviceId, name: &str) -> Result<(), ClientError> {
        self.change_state(|inner| {
            inner.listed(device_id)?;
            inner.settings_change(
                |settings| settings.set_device_name(&device_id, name),
                StateChange::default(),
            )
        })
        .await
    }

    /// Lets a device in that has signed in for the first time and waits.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`]; [`ClientError::Server`] if it does not wait.
    pub async fn approve_device(&self, device_id: DeviceId) -> Result<(), ClientError> {
        self.api.approve_device(device_id).await
    }

    /// Signs every other device out.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn sign_others_out(&self) -> Result<(), ClientError> {
        self.api.sign_others_out().await
    }

    /// Stops a device's changes and sessions. It keeps whatever keys it had. One that the account has never listed is turned
    /// away.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; what the exchange gives.
    pub async fn remove_device(&self, device_id: DeviceId) -> Result<(), ClientError> {
        if self.inner.borrow().listed(device_id).is_err() {
            return self.api.sign_device_out(device_id).await;
        }
        self.change_state(|inner| {
            inner.listed(device_id)?;
            let change = StateChange { remove_devices: vec![device_id], ..StateChange::default() };
            inner.settings_change(
                |settings| {
                    settings.remove_device(&device_id);
                },
                change,
            )
        })
        .await
    }

    /// Whether setting it up was interrupted before the account listed it. A device that was removed stays so.
    pub(crate) fn was_never_listed(&self) -> bool {
        !self.inner.borrow().engine.was_device_listed()
    }

    /// Has the account list this device, so that its changes are accepted.
    pub(crate) async fn list_this_device(&self, name: &str) -> Result<(), ClientError> {
        self.change_state(|inner| {
            let device_id = inner.engine.device_id();
            let entry: (DeviceId, PublicKey) = (device_id, inner.keys.device_key.public_key());
            let change = StateChange { add_devices: vec![entry], ..StateChange::default() };
            inner.settings_change(|settings| settings.set_device_name(&device_id, name), change)
        })
        .await
    }

    /// Makes a Recovery Kit. It counts only once it has been tested.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn recovery_create(&self) -> Result<RecoveryKit, ClientError> {
        let inner = self.inner.borrow();
        let account_id = inner.engine.account_id();
        let recovery_key = RecoveryKey::generate(&mut OsRandom);
        let keyset_id: KeysetId = random_id(&mut OsRandom)?;
        let key = KeysetKey::from_recovery(&recovery_key, account_id);
        let sealed = seal_keyset(&key, keyset_id, 1, &inner.keys.keyset, &mut OsRandom)?;
        inner.store.set_value(key::PENDING_KIT, Some(&sealed.bytes))?;
        Ok(RecoveryKit { account_id, recovery_key, secret_key: None })
    }

    /// Opens the keyset with a kit for real. A kit just made counts from now on, and the one before no more.
    ///
    /// # Errors
    /// `commitment` if the kit does not open the account; [`ClientError::NoKit`] if there is none; what the exchange
    /// gives.
    pub async fn recovery_test(&self, kit: &RecoveryKit) -> Result<(), ClientError> {
        let key = KeysetKey::from_recovery(&kit.recovery_key, kit.account_id);
        let pending = self.inner.borrow().store.value(key::PENDING_KIT)?;
        let Some(record) = pending else { return self.inner.borrow().test_listed_kit(&key) };
        let header = RecordHeader::parse(&record)?;
        let keyset_id = KeysetId::from(header.object_id);
        open_keyset(&key, keyset_id, header.version, None, &record)?;
        let entry = KeysetEntry {
            id: keyset_id,
            kind: KeysetKind::Recovery,
            version: header.version,
            record_hash: etui_chain::record_hash(&record),
        };
        self.change_state(|inner| {
            let old = inner.engine.state().keysets.iter();
            let old = old.filter(|old| old.kind == KeysetKind::Recovery && old.id != keyset_id);
            Ok(StateChange {
                put_keysets: vec![entry],
                remove_keysets: old.map(|old| old.id).collect(),
                named_records: vec![record.to_vec()],
                ..StateChange::default()
            })
        })
        .await?;
        self.inner.borrow().store.set_value(key::PENDING_KIT, None)
    }
}

/// Keeps which devices the person knows.
pub(crate) fn keep_shown_devices(
    store: &Store,
    ids: impl Iterator<Item = DeviceId>,
) -> Result<(), ClientError> {
    let bytes: Vec<u8> = ids.flat_map(|id| *id.as_bytes()).collect();
    store.set_value(key::SHOWN_DEVICES, Some(&bytes))
}

impl Inner {
    fn shown_devices(&self) -> Result<Vec<DeviceId>, ClientError> {
        let bytes = self.store.value(key::SHOWN_DEVICES)?.unwrap_or_default();
        let (ids, _) = bytes.as_chunks::<16>();
        Ok(ids.iter().filter_map(|id| DeviceId::new(*id).ok()).collect())
    }

    pub(super) fn account_settings(&self) -> Result<AccountSettings, ClientError> {
        let Some(hash) = self.engine.state().settings_hash else { return Ok(AccountSettings::new()) };
        let missing = Refusal::Missing.because("the account settings are not in the local store");
        let record = self.store.named_record(&hash)?.ok_or(missing)?;
        Ok(AccountSettings::decode(&open_account_settings(&self.keys.keyset, hash, &record)?)?)
    }

    /// A state change that also seals the account settings anew.
    fn settings_change(
        &self,
        edit: impl FnOnce(&mut AccountSettings),
        mut change: StateChange,
    ) -> Result<StateChange, ClientError> {
        let mut settings = self.account_settings()?;
        edit(&mut settings);
        let version = match self.engine.state().settings_hash {
            Some(hash) => match self.store.named_record(&hash)? {
                Some(record) => RecordHeader::parse(&record)?.version + 1,
                None => 1,
            },
            None => 1,
        };
        let root_key = self.keys.keyset.newest_root_key();
        let sealed = seal_account_settings(root_key, version, &settings.encode()?, &mut OsRandom)?;
        change.settings_hash = Some(sealed.hash);
        change.named_records.push(sealed.bytes);
        Ok(change)
    }

    fn listed(&self, device_id: DeviceId) -> Result<(), ClientError> {
        let listed = self.engine.state().device_key(&device_id).is_some();
        if listed { Ok(()) } else { Err(ClientError::NotFound(device_id.to_string())) }
    }

    fn test_listed_kit(&self, key: &KeysetKey) -> Result<(), ClientError> {
        let mut keysets = self.engine.state().keysets.iter();
        let entry = keysets.find(|entry| entry.kind == KeysetKind::Recovery).ok_or(ClientError::NoKit)?;
        let missing = Refusal::Missing.because("the recovery keyset is not in the local store");
        let record = self.store.named_record(&entry.record_hash)?.ok_or(missing)?;
        open_keyset(key, entry.id, entry.version, Some(entry.record_hash), &record)?;
        Ok(())
    }
}
