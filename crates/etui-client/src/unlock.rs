//! From a master password or a Recovery Kit to the account's keys.

use etui_api::account::Keysets;
use etui_chain::{
    AccountId, KdfDescriptor, KeysetKind, RecordHeader, RecordType, Refusal, State, VaultId, record_hash,
};
use etui_crypto::{
    CheckedKdf, Keyset, KeysetKey, MasterKey, MasterPassword, RecoveryKit, SigningKey, derive_master_key,
    open_keyset, open_vault_key,
};
use etui_sync::{Engine, StateInFlight, VaultKeys, check_unlocked, check_way_in};

use crate::{
    Agreement, ClientError, Wanted,
    home::Unlock,
    store::{Store, Stored},
};

/// The keys of an unlocked account. Wiped when dropped.
pub(crate) struct Unlocked {
    pub(crate) keyset: Keyset,
    pub(crate) vault_keys: VaultKeys,
    pub(crate) device_key: SigningKey,
}

/// Derives the master key at costs that this device has verified before; they are checked first, without allocating.
pub(crate) fn derive(
    password: &MasterPassword,
    pinned: KdfDescriptor,
    account_id: AccountId,
) -> Result<MasterKey, ClientError> {
    derive_checked(password, &CheckedKdf::new(pinned, Some(&pinned))?, account_id)
}

/// Derives the master key at costs that are within bounds, and agreed to where they have to be.
pub(crate) fn derive_checked(
    password: &MasterPassword,
    checked: &CheckedKdf,
    account_id: AccountId,
) -> Result<MasterKey, ClientError> {
    Ok(derive_master_key(password, None, checked, account_id)?)
}

/// Costs that are new to this device: much memory is for the person to agree to.
pub(crate) async fn agreed(
    descriptor: KdfDescriptor,
    agreement: &Agreement,
) -> Result<CheckedKdf, ClientError> {
    let checked = CheckedKdf::new(descriptor, None)?;
    let mib = checked.parameters().m_kib.div_ceil(1024);
    if checked.asks_person() && !agreement.to(Wanted::KdfMemory { mib }).await {
        return Err(ClientError::NeedsKdfConsent { mib });
    }
    Ok(checked)
}

/// Opens a keyset; a key that does not fit is the wrong password.
pub(crate) fn open(key: &KeysetKey, unlock: &Unlock) -> Result<Keyset, ClientError> {
    open_keyset(key, unlock.keyset_id, unlock.version, None, &unlock.record).map_err(|refused| match refused
        .refusal
    {
        Refusal::Commitment => ClientError::WrongMasterPassword,
        _ => refused.into(),
    })
}

/// The keyset of a kind among those that the server gave, as a way in.
pub(crate) fn way_in(keysets: &Keysets, kind: KeysetKind) -> Result<Unlock, ClientError> {
    let missing = Refusal::Missing.because("the server has no keyset of this kind; it is never made anew");
    let sealed = keysets.keysets.iter().find(|keyset| keyset.kind == kind).ok_or(missing)?;
    Ok(Unlock {
        kdf: keysets.kdf,
        keyset_id: sealed.id,
        version: sealed.version,
        record: sealed.record.clone(),
    })
}

/// The master keyset that a state lists, from the store.
pub(crate) fn master_way_in(state: &State, store: &Store) -> Result<Unlock, ClientError> {
    let missing = Refusal::Missing.because("the account's master keyset is not in the local store");
    let entry = state.keysets.iter().find(|entry| entry.kind == KeysetKind::Master).ok_or(missing)?;
    let record = store.named_record(&entry.record_hash)?.ok_or(missing)?;
    Ok(Unlock { kdf: state.kdf, keyset_id: entry.id, version: entry.version, record })
}

/// The master keyset of a state that is on its way, if it is a new one.
pub(crate) fn master_way_in_flight(in_flight: &StateInFlight) -> Option<Unlock> {
    let state = &in_flight.state;
    let entry = state.keysets.iter().find(|entry| entry.kind == KeysetKind::Master)?;
    let record = in_flight.named_records.iter().find(|record| record_hash(record) == entry.record_hash)?;
    Some(Unlock { kdf: state.kdf, keyset_id: entry.id, version: entry.version, record: record.clone() })
}

/// Opens what the server gave with the master password and checks it against the signed state.
pub(crate) async fn open_with_password(
    unlock: &Unlock,
    state: &State,
    password: &MasterPassword,
    kdf_memory: &Agreement,
    account_id: AccountId,
) -> Result<(MasterKey, Keyset), ClientError> {
    let hash = record_hash(&unlock.record);
    // The bounds come first, then what the state says, then the costly part.
    CheckedKdf::new(unlock.kdf, None)?;
    check_way_in(state, unlock.keyset_id, KeysetKind::Master, hash, Some(&unlock.kdf))?;
    let checked = agreed(unlock.kdf, kdf_memory).await?;
    let master_key = derive_checked(password, &checked, account_id)?;
    let keyset = open(&KeysetKey::from_master(&master_key), unlock)?;
    check_unlocked(state, &keyset, unlock.keyset_id, KeysetKind::Master, hash, Some(&unlock.kdf))?;
    Ok((master_key, keyset))
}

/// Opens what the server gave with the Recovery Kit and checks it against the signed state.
pub(crate) fn open_with_kit(
    unlock: &Unlock,
    state: &State,
    kit: &RecoveryKit,
) -> Result<Keyset, ClientError> {
    let hash = record_hash(&unlock.record);
    check_way_in(state, unlock.keyset_id, KeysetKind::Recovery, hash, None)?;
    let key = KeysetKey::from_recovery(&kit.recovery_key, kit.account_id);
    let keyset = open_keyset(&key, unlock.keyset_id, unlock.version, None, &unlock.record)?;
    check_unlocked(state, &keyset, unlock.keyset_id, KeysetKind::Recovery, hash, None)?;
    Ok(keyset)
}

/// Opens every vault key that the newest state lists, and those of vaults that it lists no more: what is held of them
/// stays readable.
///
/// # Errors
/// `missing` or what the record shows, for a listed vault; [`ClientError::Store`].
pub(crate) fn vault_keys(engine: &Engine, keyset: &Keyset, store: &Store) -> Result<VaultKeys, ClientError> {
    let state = engine.state();
    let mut keys = VaultKeys::new();
    for vault in &state.vaults {
        for (epoch, hash) in &vault.keys {
            let missing = Refusal::Missing.because("a vault's key is not there; it is never made anew");
            let record = store.named_record(hash)?.ok_or(missing)?;
            keys.insert(open_vault_key(keyset, vault.id, *epoch, Some(*hash), &record)?);
        }
    }
    let unlisted: Vec<VaultId> =
        engine.vault_ids().filter(|vault_id| state.vault(vault_id).is_none()).collect();
    if !unlisted.is_empty() {
        store.for_each(Stored::NamedRecords, |record| {
            let header = RecordHeader::parse(record)?;
            let held = unlisted.iter().find(|vault_id| vault_id.id() == header.object_id);
            if let (RecordType::VaultKey, Some(vault_id)) = (header.record_type, held) {
                // One that does not open, say under a root key that is gone, is no reason to open nothing.
                let epoch = u32::try_from(header.version).unwrap_or_default();
                if let Ok(key) = open_vault_key(keyset, *vault_id, epoch, None, record) {
                    keys.insert(key);
                }
            }
            Ok(())
        })?;
    }
    Ok(keys)
}
