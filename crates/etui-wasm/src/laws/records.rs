//! What is sealed opens again, as the same thing and only untouched: every type of record.

use etui_chain::{AccountId, DeviceId, Digest, KeysetId, ObjectId, Refused, VaultId};
use etui_crypto::{
    DeviceKey, DeviceSecrets, DeviceWrappingKey, Keyset, LocalStoreKey, RandomSource as _, SealedRecord,
    SecretKey, SigningKey, VaultKey, open_account_settings, open_attachment, open_device_secrets, open_entry,
    open_keyset, open_vault_key, open_vault_settings, random_id, seal_account_settings, seal_attachment,
    seal_device_secrets, seal_entry, seal_keyset, seal_vault_key, seal_vault_settings,
};

use super::{
    kit::{Random, keyset_key},
    pick,
};

pub(super) fn hold(random: &mut Random) {
    let account_id: AccountId = random_id(random).unwrap();
    let vault_id: VaultId = random_id(random).unwrap();
    let keyset = Keyset::generate(account_id, Some(SecretKey::generate(random)), random);
    let vault_key = VaultKey::generate(vault_id, 3, random);
    of_a_vault(&vault_key, random);
    of_an_account(&keyset, &vault_key, random);
    of_a_device(account_id, random);
    an_attachment(&vault_key, random);
}

fn of_a_vault(key: &VaultKey, random: &mut Random) {
    let object_id: ObjectId = random_id(random).unwrap();
    let body = bytes(2000, random);
    let sealed = seal_entry(key, object_id, 5, &body, random).unwrap();
    assert_eq!(*open_entry(key, object_id, 5, Some(sealed.hash), &sealed.bytes).unwrap(), body);
    only_untouched(&sealed, random, |record| open_entry(key, object_id, 5, None, record));

    let sealed = seal_vault_settings(key, 2, &body, random).unwrap();
    assert_eq!(*open_vault_settings(key, 2, Some(sealed.hash), &sealed.bytes).unwrap(), body);
    only_untouched(&sealed, random, |record| open_vault_settings(key, 2, None, record));
}

fn of_an_account(keyset: &Keyset, vault_key: &VaultKey, random: &mut Random) {
    let keyset_id: KeysetId = random_id(random).unwrap();
    let unlocking = keyset_key(keyset.account_id(), random);
    let sealed = seal_keyset(&unlocking, keyset_id, 7, keyset, random).unwrap();
    let opened = open_keyset(&unlocking, keyset_id, 7, Some(sealed.hash), &sealed.bytes).unwrap();
    assert_eq!(opened.identity().public_key(), keyset.identity().public_key());
    only_untouched(&sealed, random, |record| open_keyset(&unlocking, keyset_id, 7, None, record));

    let body = bytes(300, random);
    let sealed = seal_account_settings(keyset.newest_root_key(), 4, &body, random).unwrap();
    assert_eq!(*open_account_settings(&opened, sealed.hash, &sealed.bytes).unwrap(), body);
    only_untouched(&sealed, random, |record| open_account_settings(&opened, sealed.hash, record));

    let sealed = seal_vault_key(keyset.newest_root_key(), vault_key, random).unwrap();
    let open = |hash, record: &[u8]| open_vault_key(&opened, vault_key.vault_id(), 3, hash, record);
    let same_key = open(Some(sealed.hash), &sealed.bytes).unwrap();
    let settings = seal_vault_settings(vault_key, 1, &body, random).unwrap();
    assert_eq!(*open_vault_settings(&same_key, 1, None, &settings.bytes).unwrap(), body);
    only_untouched(&sealed, random, |record| open(None, record));
}

fn of_a_device(account_id: AccountId, random: &mut Random) {
    let device_id: DeviceId = random_id(random).unwrap();
    let key = DeviceKey::new(&DeviceWrappingKey::generate(random), account_id, device_id);
    let secrets = DeviceSecrets {
        signing_key: SigningKey::generate(random),
        store_key: LocalStoreKey::generate(random),
    };
    let sealed = seal_device_secrets(&key, 1, &secrets, random).unwrap();
    let opened = open_device_secrets(&key, 1, &sealed.bytes).unwrap();
    assert_eq!(opened.signing_key.public_key(), secrets.signing_key.public_key());
    assert_eq!(opened.store_key.expose(), secrets.store_key.expose());
    only_untouched(&sealed, random, |record| open_device_secrets(&key, 1, record));
}

fn an_attachment(key: &VaultKey, random: &mut Random) {
    let object_id: ObjectId = random_id(random).unwrap();
    // Every fourth one has more than one part (a part holds 1 MiB).
    let at_least = if pick(random, 4) == 0 { 1 << 20 } else { 0 };
    let content = [vec![7; at_least], bytes(5000, random)].concat();
    let sealed = seal_attachment(key, object_id, &content, random).unwrap();
    let mut parts: Vec<Vec<u8>> = sealed.parts.into_iter().map(|part| part.bytes).collect();
    let length = content.len() as u64;
    let open = |hash: Digest, parts: &[Vec<u8>]| open_attachment(key, object_id, length, hash, parts);
    assert_eq!(*open(sealed.hash, &parts).unwrap(), content);
    touch(parts.last_mut().unwrap(), random);
    assert!(open(sealed.hash, &parts).is_err());
}

fn only_untouched<T>(sealed: &SealedRecord, random: &mut Random, open: impl Fn(&[u8]) -> Result<T, Refused>) {
    assert!(open(&sealed.bytes).is_ok());
    let mut touched = sealed.bytes.clone();
    touch(&mut touched, random);
    assert!(open(&touched).is_err(), "a changed record opens");
    assert!(open(&sealed.bytes[..sealed.bytes.len() - 1]).is_err(), "a shortened record opens");
}

/// Flips one bit somewhere.
fn touch(record: &mut [u8], random: &mut Random) {
    let offset = pick(random, 256) * record.len() / 256;
    record[offset] ^= 1 << pick(random, 8);
}

/// Up to `end` bytes.
fn bytes(end: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; pick(random, 256) * end / 256];
    random.fill(&mut bytes);
    bytes
}
