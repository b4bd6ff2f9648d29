//! From a master password or a Recovery Kit to the account's keys.

use etui_api::account::Keysets;
use etui_chain::{AccountId, KdfDescriptor, KeysetKind, Refusal, State, record_hash};
use etui_crypto::{
    CheckedKdf, Keyset, KeysetKey, MasterKey, MasterPassword, RecoveryKit, SigningKey, derive_master_key,
    open_keyset, open_vault_key,
};
use etui_sync::{VaultKeys, check_unlocked, check_way_in};

use crate::{ClientError, home::Unlock, store::Store};

/// The keys of an unlocked account. Wiped when dropped.
pub(crate) struct Unlocked {
    pub(crate) keyset: Keyset,
    pub(crate) vault_keys: VaultKeys,
    pub(crate) device_key: SigningKey,
}

/// Derives the master key; the parameters are checked first, without allocating.
pub(crate) fn derive(
    password: &MasterPassword,
    descriptor: KdfDescriptor,
    pinned: Option<&KdfDescriptor>,
    account_id: AccountId,
) -> Result<MasterKey, ClientError> {
    let checked = CheckedKdf::new(descriptor, pinned)?;
    if pinned.is_none() && checked.asks_person() {
        return Err(Refusal::KdfCeiling
            .because("the server asks for more than 256 MiB of memory, which no device of this account has confirmed")
            .into());
    }
    Ok(derive_master_key(password, None, &checked, account_id)?)
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

/// Opens what the server gave with the master password and checks it against the signed state.
pub(crate) fn open_with_password(
    unlock: &Unlock,
    state: &State,
    password: &MasterPassword,
    account_id: AccountId,
) -> Result<(MasterKey, Keyset), ClientError> {
    let hash = record_hash(&unlock.record);
    // The bounds come first, then what the state says, then the costly part.
    CheckedKdf::new(unlock.kdf, None)?;
    check_way_in(state, unlock.keyset_id, KeysetKind::Master, hash, Some(&unlock.kdf))?;
    let master_key = derive(password, unlock.kdf, None, account_id)?;
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

/// Opens every vault key that the state lists.
pub(crate) fn vault_keys(state: &State, keyset: &Keyset, store: &Store) -> Result<VaultKeys, ClientError> {
    let mut keys = VaultKeys::new();
    for vault in &state.vaults {
        for (epoch, hash) in &vault.keys {
            let missing = Refusal::Missing.because("a vault's key is not there; it is never made anew");
            let record = store.named_record(hash)?.ok_or(missing)?;
            keys.insert(open_vault_key(keyset, vault.id, *epoch, Some(*hash), &record)?);
        }
    }
    Ok(keys)
}
