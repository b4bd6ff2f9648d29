//! The keys of an account, derived and opened from what its server holds and the master password, by nothing but
//! `spec/crypto.md`: searched for where no key may be.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use argon2::{Algorithm, Argon2, Params, Version};
use ciborium::Value;
use etui_api::{
    account::Keysets,
    frame::{Frame, FrameReader},
};
use etui_chain::{AccountId, RecordHeader, RecordType};
use etui_testkit::{Device, Exchange, MASTER_PASSWORD, canary::Canary};
use hkdf::Hkdf;
use sha2::Sha512;

/// Every key that the master password leads to.
pub(crate) struct Keys {
    named: Vec<(&'static str, [u8; 32])>,
    vault_key: [u8; 32],
}

impl Keys {
    /// Of the account of a device that has joined it.
    pub(crate) fn of(joined: &Device) -> Self {
        let traffic = joined.wire().traffic();
        let keysets = keysets(&traffic);
        let account_id = keysets.account_id;
        let stretched = argon2id(&keysets);
        let master_key = derive(&[0; 32], &stretched, "etui/v1/master-key", account_id);
        let kek = derive(&[], &master_key, "etui/v1/kek/master", account_id);
        let [root_key, identity, kem] = keyset_members(&open(&kek, &keysets.keysets[0].record));
        let vault_key = open(&root_key, &vault_key_record(&traffic)).try_into().expect("a key of 32 bytes");
        let named = vec![
            ("what Argon2id gives", stretched),
            ("the master key", master_key),
            ("the key of the master keyset", kek),
            ("the root key", root_key),
            ("the identity's seed", identity),
            ("the seed for sharing", kem),
            ("the vault key", vault_key),
        ];
        Self { named, vault_key }
    }

    pub(crate) fn canaries(&self) -> Vec<Canary> {
        self.named.iter().map(|(name, key)| Canary::bytes(name, key)).collect()
    }

    /// What an entry's record says.
    pub(crate) fn entry(&self, record: &[u8]) -> String {
        String::from_utf8(open(&self.vault_key, record)).expect("a document")
    }
}

/// What the server gave for unlocking, the newest that was asked for.
pub(crate) fn keysets(traffic: &[Exchange]) -> Keysets {
    let given = traffic.iter().rfind(|exchange| exchange.path == "/v1/keysets" && !exchange.is_altered);
    serde_json::from_slice(&given.expect("a device that has joined asked for keysets").answer_body)
        .expect("JSON")
}

/// Every frame that passed, of both directions.
pub(crate) fn frames(traffic: &[Exchange]) -> Vec<Frame> {
    let bodies = traffic.iter().flat_map(|exchange| [&exchange.request_body, &exchange.answer_body]);
    bodies.filter_map(|body| FrameReader::read_all(body).ok()).flatten().collect()
}

fn argon2id(keysets: &Keysets) -> [u8; 32] {
    let kdf = &keysets.kdf;
    let costs = Params::new(kdf.m_kib, kdf.t, kdf.p, Some(32)).expect("costs that Argon2id has");
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, costs)
        .hash_password_into(MASTER_PASSWORD.as_bytes(), &kdf.salt, &mut output)
        .expect("it derives");
    output
}

fn derive(salt: &[u8], from: &[u8; 32], label: &str, account_id: AccountId) -> [u8; 32] {
    let mut key = [0; 32];
    let info = [label.as_bytes(), account_id.as_bytes()].concat();
    Hkdf::<Sha512>::new(Some(salt), from).expand(&info, &mut key).expect("a short output");
    key
}

/// The body of a record.
fn open(key: &[u8; 32], record: &[u8]) -> Vec<u8> {
    let context = [b"etui/v1/record\0", &record[..88]].concat();
    let mut derived = [0; 76];
    Hkdf::<Sha512>::new(Some(&record[56..88]), key).expand(&context, &mut derived).expect("a short output");
    let (cipher_key, nonce, commitment) = (&derived[..32], &derived[32..44], &derived[44..]);
    assert_eq!(commitment, &record[88..120], "the key is that of the record");
    let associated = [&context, commitment].concat();
    let cipher = Aes256Gcm::new_from_slice(cipher_key).expect("a key of 32 bytes");
    let payload = Payload { msg: &record[120..], aad: &associated };
    let padded = cipher.decrypt(nonce.try_into().expect("12 bytes"), payload).expect("it opens");
    let length = u32::from_be_bytes(padded[..4].try_into().expect("four bytes"));
    padded[4..4 + length as usize].to_vec()
}

/// Newest root key, identity seed, KEM seed.
fn keyset_members(body: &[u8]) -> [[u8; 32]; 3] {
    let body: Value = ciborium::from_reader(body).expect("CBOR");
    let member = |number: u64| {
        let members = body.as_map().expect("a map");
        members.iter().find(|(key, _)| *key == number.into()).map(|(_, value)| value).expect("the member")
    };
    let newest = member(2).as_array().and_then(|keys| keys.last()?.as_array()).expect("root keys");
    [&newest[1], member(3), member(4)]
        .map(|key| key.as_bytes().expect("bytes")[..].try_into().expect("32 bytes"))
}

fn vault_key_record(traffic: &[Exchange]) -> Vec<u8> {
    let is_vault_key = |record: &[u8]| {
        RecordHeader::parse(record).is_ok_and(|header| header.record_type == RecordType::VaultKey)
    };
    let mut records = frames(traffic).into_iter().filter_map(|frame| match frame {
        Frame::NamedRecord(record) if is_vault_key(&record) => Some(record),
        _ => None,
    });
    records.next().expect("the vault's key record has passed")
}
