//! Attacks on one record, each with the refusal that `spec/crypto.md` names.

mod two_keys;

use etui_chain::{AccountId, Digest, KeysetId, ObjectId, Refusal, Refused, VaultId};
use proptest::prelude::*;

use super::*;
use crate::{
    DeviceKey, DeviceWrappingKey, Keyset, KeysetKey, LocalStoreKey, RandomSource, RecoveryKey, RootKey,
    SecretKey, SigningKey, VaultKey, random::Seeded, random_id,
};

fn seeded() -> Seeded {
    Seeded::new("record tests")
}

fn object() -> ObjectId {
    ObjectId::new([9; 16]).unwrap()
}

fn vault_key() -> VaultKey {
    VaultKey::generate(VaultId::new([7; 16]).unwrap(), 3, &mut seeded())
}

fn refusal<T>(result: Result<T, Refused>) -> Option<Refusal> {
    result.err().map(|refused| refused.refusal)
}

fn open_it(hash: Option<Digest>, record: &[u8]) -> Option<Refusal> {
    refusal(open_entry(&vault_key(), object(), 5, hash, record))
}

fn sealed() -> SealedRecord {
    seal_entry(&vault_key(), object(), 5, br#"{"title":"Example"}"#, &mut seeded()).unwrap()
}

/// What the table says for a record of which only the byte at `offset` was changed, from `old` to `new`.
fn expected_refusal(offset: usize, old: u8, new: u8) -> Refusal {
    match offset {
        4 => Refusal::UnknownSuite,
        0..4 | 5..8 => Refusal::Format,
        40..48 if new < old => Refusal::Rollback,
        8..56 => Refusal::WrongContext,
        56..120 => Refusal::Commitment,
        _ => Refusal::Forged,
    }
}

#[test]
fn every_change_of_every_byte_is_refused_by_its_name() {
    let sound = sealed().bytes;
    for offset in 0..sound.len() {
        let exhaustive =
            offset < 8 || (40..56).contains(&offset) || [56, 88, 119, 120, 632].contains(&offset);
        for difference in if exhaustive { 1..=u8::MAX } else { 0x80..=0x80 } {
            let mut record = sound.clone();
            record[offset] ^= difference;
            let expected = expected_refusal(offset, sound[offset], record[offset]);
            assert_eq!(open_it(None, &record), Some(expected), "byte {offset} ^ {difference:#x}");
        }
    }
}

#[test]
fn with_the_commits_hash_every_change_behind_the_header_is_forged() {
    let sound = sealed();
    assert_eq!(open_it(Some(sound.hash), &sound.bytes), None);
    for offset in 56..sound.bytes.len() {
        let mut record = sound.bytes.clone();
        record[offset] ^= 1;
        assert_eq!(open_it(Some(sound.hash), &record), Some(Refusal::Forged), "byte {offset}");
    }
}

#[test]
fn every_truncation_is_refused_by_its_name() {
    let sound = sealed().bytes;
    for length in 0..sound.len() {
        let expected = if length < 136 { Refusal::Truncated } else { Refusal::Forged };
        assert_eq!(open_it(None, &sound[..length]), Some(expected), "{length} bytes");
    }
}

#[test]
fn every_splice_of_two_versions_is_refused() {
    let (key, mut random) = (vault_key(), seeded());
    let new = sealed().bytes;
    let old = seal_entry(&key, object(), 4, b"{}", &mut random).unwrap().bytes;
    for cut in 1..new.len() {
        for (head, tail) in [(&new, &old), (&old, &new)] {
            let record = [&head[..cut], &tail[cut..]].concat();
            let same_bytes = record == new;
            assert_eq!(open_it(None, &record).is_none(), same_bytes, "cut at {cut}");
        }
    }
    assert_eq!(open_it(None, &old), Some(Refusal::Rollback));
}

#[test]
fn every_other_context_is_refused_by_its_name() {
    let (key, record, mut random) = (vault_key(), sealed().bytes, seeded());
    let other_object = ObjectId::new([8; 16]).unwrap();
    let other_vault = VaultKey { vault_id: VaultId::new([6; 16]).unwrap(), ..vault_key() };
    let other_epoch = VaultKey { epoch: 4, ..vault_key() };
    let other_key = VaultKey::generate(key.vault_id, 3, &mut Seeded::new("other"));
    let cases = [
        (open_entry(&key, object(), 6, None, &record), Refusal::Rollback),
        (open_entry(&key, object(), 4, None, &record), Refusal::WrongContext),
        (open_entry(&key, other_object, 5, None, &record), Refusal::WrongContext),
        (open_entry(&key, other_object, 6, None, &record), Refusal::WrongContext),
        (open_entry(&other_vault, object(), 5, None, &record), Refusal::WrongContext),
        (open_entry(&other_epoch, object(), 5, None, &record), Refusal::WrongContext),
        (open_entry(&other_key, object(), 5, None, &record), Refusal::Commitment),
        (open_vault_settings(&key, 5, None, &record), Refusal::Format),
    ];
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(result), Some(expected), "case {index}");
    }
    let root_key = RootKey::generate(AccountId::new([1; 16]).unwrap(), 0, &mut random);
    let settings = seal_account_settings(&root_key, 5, b"{}", &mut random).unwrap();
    assert_eq!(open_it(None, &settings.bytes), Some(Refusal::Format));
}

/// A stuck random source repeats neither salt nor key for another body, place or version.
#[test]
fn a_stuck_random_source_repeats_nothing() {
    struct Stuck;
    impl RandomSource for Stuck {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }
    let key = vault_key();
    let salt = |version, body: &[u8]| {
        seal_entry(&key, object(), version, body, &mut Stuck).unwrap().bytes[56..88].to_vec()
    };
    assert_eq!(salt(1, b"a"), salt(1, b"a"));
    assert_ne!(salt(1, b"a"), salt(1, b"b"));
    assert_ne!(salt(1, b"a"), salt(2, b"a"));
}

#[test]
fn a_body_beyond_the_limit_is_not_sealed() {
    let body = vec![0; MAX_BODY_BYTES + 1];
    let sealed = seal_entry(&vault_key(), object(), 1, &body, &mut seeded());
    assert_eq!(refusal(sealed), Some(Refusal::Limit));
}

#[test]
fn account_records_open_under_the_root_key_that_their_header_names() {
    let mut random = seeded();
    let account_id: AccountId = random_id(&mut random).unwrap();
    let old = Keyset::generate(account_id, Some(SecretKey::generate(&mut random)), &mut random);
    let key = VaultKey::generate(random_id(&mut random).unwrap(), 2, &mut random);
    let vault_id = key.vault_id;
    let record = seal_vault_key(old.newest_root_key(), &key, &mut random).unwrap();
    let settings = seal_account_settings(old.newest_root_key(), 4, b"{}", &mut random).unwrap();

    let mut rotated = old.rotated(None, &mut random).unwrap();
    assert_eq!(rotated.newest_root_key().epoch(), 1);
    assert_ne!(rotated.identity().public_key(), old.identity().public_key());
    let opened = open_vault_key(&rotated, vault_id, 2, Some(record.hash), &record.bytes).unwrap();
    assert_eq!(opened.secret.bytes(), key.secret.bytes());
    assert_eq!(&**open_account_settings(&rotated, settings.hash, &settings.bytes).unwrap(), b"{}");

    let older = open_vault_key(&rotated, vault_id, 3, None, &record.bytes);
    assert_eq!(refusal(older), Some(Refusal::Rollback));
    rotated.retain_root_keys(|_| false);
    let dropped = open_vault_key(&rotated, vault_id, 2, Some(record.hash), &record.bytes);
    assert_eq!(refusal(dropped), Some(Refusal::WrongContext));
    let dropped = open_vault_key(&rotated, vault_id, 2, Some(settings.hash), &record.bytes);
    assert_eq!(refusal(dropped), Some(Refusal::Forged), "the hash comes before the root key");
}

#[test]
fn a_keyset_opens_in_its_own_way_only() {
    let mut random = seeded();
    let account_id: AccountId = random_id(&mut random).unwrap();
    let keyset_id: KeysetId = random_id(&mut random).unwrap();
    let keyset = Keyset::generate(account_id, None, &mut random);
    let recovery_key = RecoveryKey::generate(&mut random);
    let key = KeysetKey::from_recovery(&recovery_key, account_id);
    let record = seal_keyset(&key, keyset_id, 2, &keyset, &mut random).unwrap();

    let opened = open_keyset(&key, keyset_id, 2, Some(record.hash), &record.bytes).unwrap();
    assert_eq!(opened.to_body(), keyset.to_body());
    let other_account = AccountId::new([5; 16]).unwrap();
    let other = KeysetKey::from_recovery(&recovery_key, other_account);
    assert_eq!(refusal(open_keyset(&other, keyset_id, 2, None, &record.bytes)), Some(Refusal::WrongContext));
    assert_eq!(refusal(seal_keyset(&other, keyset_id, 2, &keyset, &mut random)), Some(Refusal::WrongContext));
    let other = KeysetKey::from_recovery(&RecoveryKey::generate(&mut random), account_id);
    assert_eq!(refusal(open_keyset(&other, keyset_id, 2, None, &record.bytes)), Some(Refusal::Commitment));

    let misnamed = Place::whole(etui_chain::RecordType::Keyset, account_id, keyset_id, 2, 7);
    let misnamed = seal(&key.secret, &misnamed, &keyset.to_body(), &mut random).unwrap();
    assert_eq!(refusal(open_keyset(&key, keyset_id, 2, None, &misnamed.bytes)), Some(Refusal::WrongContext));
}

#[test]
fn what_is_sealed_for_this_device_opens_on_this_device() {
    let mut random = seeded();
    let account_id: AccountId = random_id(&mut random).unwrap();
    let wrapping_key = DeviceWrappingKey::generate(&mut random);
    let key = DeviceKey::new(&wrapping_key, account_id, random_id(&mut random).unwrap());
    let other = DeviceKey::new(&wrapping_key, account_id, random_id(&mut random).unwrap());

    let master_key = crate::MasterKey { account_id, secret: crate::secret::Secret::generate(&mut random) };
    let wrapped = wrap_master_key(&key, 1, &master_key, &mut random).unwrap();
    let unwrapped = unwrap_master_key(&key, 1, &wrapped.bytes).unwrap();
    assert_eq!(unwrapped.secret.bytes(), master_key.secret.bytes());
    assert_eq!(refusal(unwrap_master_key(&other, 1, &wrapped.bytes)), Some(Refusal::WrongContext));
    assert_eq!(refusal(unwrap_master_key(&key, 2, &wrapped.bytes)), Some(Refusal::Rollback));

    let signing_key = SigningKey::generate(&mut random);
    let secrets = DeviceSecrets { signing_key, store_key: LocalStoreKey::generate(&mut random) };
    let record = seal_device_secrets(&key, 1, &secrets, &mut random).unwrap();
    let opened = open_device_secrets(&key, 1, &record.bytes).unwrap();
    assert_eq!(opened.to_body(), secrets.to_body());
    assert_eq!(refusal(open_device_secrets(&key, 1, &wrapped.bytes)), Some(Refusal::Format));
}

#[test]
fn attachments_come_back_whole_at_every_border() {
    let (key, mut random) = (vault_key(), seeded());
    for length in
        [0, 1, 511, 512, 65_533, PART_BODY_BYTES - 1, PART_BODY_BYTES, PART_BODY_BYTES + 1, 2_500_000]
    {
        let content: Vec<u8> = (0..=250).cycle().take(length).collect();
        let sealed = seal_attachment(&key, object(), &content, &mut random).unwrap();
        let parts: Vec<Vec<u8>> = sealed.parts.into_iter().map(|part| part.bytes).collect();
        let opened = open_attachment(&key, object(), length as u64, sealed.hash, &parts).unwrap();
        assert!(*opened == content, "{length} bytes");
        let less = open_attachment(&key, object(), length as u64, sealed.hash, &parts[1..]);
        assert_eq!(refusal(less), Some(Refusal::Missing), "{length} bytes");
    }
    assert_eq!(refusal(AttachmentPlan::new(MAX_ATTACHMENT_BYTES + 1)), Some(Refusal::Limit));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens(body in prop::collection::vec(any::<u8>(), 0..5000), version: u64) {
        let key = vault_key();
        let sealed = seal_entry(&key, object(), version, &body, &mut seeded()).unwrap();
        prop_assert_eq!(sealed.bytes.len(), padding::padded_length(body.len()) + 136);
        let opened = open_entry(&key, object(), version, Some(sealed.hash), &sealed.bytes).unwrap();
        prop_assert_eq!(&*opened, &body);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open_it(None, &bytes).is_some());
        prop_assert!(Keyset::from_body(AccountId::new([1; 16]).unwrap(), &bytes).is_err());
        prop_assert!(DeviceSecrets::from_body(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn long_bodies_open_too(length in 60_000_usize..300_000) {
        let key = vault_key();
        let body = vec![0xa5; length];
        let sealed = seal_entry(&key, object(), 1, &body, &mut seeded()).unwrap();
        let opened = open_entry(&key, object(), 1, Some(sealed.hash), &sealed.bytes).unwrap();
        prop_assert!(*opened == body);
    }
}
