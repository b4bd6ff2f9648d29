//! The account's signed description: its keysets, devices, vaults and key derivation (`spec/crypto.md`, "State").

use ciborium::Value;

use crate::{
    AccountId, DeviceId, Digest, KeysetId, PublicKey, Refusal, Refused, SUITE, Signature, VaultId,
    cbor::{self, Fields, array, array_of, decode_deterministic, encode_deterministic},
};

/// The largest state that is read: thousands of devices and vaults.
pub const MAX_STATE_BYTES: usize = 1 << 20;
/// The one role of version 1.
pub const ROLE_OWNER: u8 = 1;

const MAGIC: &[u8; 4] = b"ETS1";
const SIGNING_LABEL: &[u8] = b"etui/v1/state\0";
const BODY_SCHEMA: u64 = 1;

/// How the master key is derived. Public, but signed and pinned: a weaker one is refused before deriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KdfDescriptor {
    /// Argon2id salt.
    #[serde(with = "salt_as_digest")]
    pub salt: [u8; 32],
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
    /// Whether a second secret takes part.
    pub sk_used: bool,
}

/// Which way of unlocking a keyset serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum KeysetKind {
    /// The master password.
    Master = 1,
    /// The Recovery Kit.
    Recovery = 2,
    /// A passkey with the PRF extension.
    Prf = 3,
}

/// A keyset that the account stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysetEntry {
    /// The keyset.
    pub id: KeysetId,
    /// Its way of unlocking.
    pub kind: KeysetKind,
    /// A counter per keyset, from 1.
    pub version: u64,
    /// Hash of the sealed record.
    pub record_hash: Digest,
}

/// A vault that the account stands by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultEntry {
    /// The vault.
    pub id: VaultId,
    /// [`ROLE_OWNER`].
    pub role: u8,
    /// The epoch that new records are sealed under.
    pub epoch: u32,
    /// The head when the state was made; 0 where the vault is first listed.
    pub head_seq: u64,
    /// Hash of that head; zeros where the vault is first listed.
    pub head_hash: Digest,
    /// Every epoch still in use with the hash of its vault-key record, epochs ascending.
    pub keys: Vec<(u32, Digest)>,
}

impl VaultEntry {
    /// Hash of the record that holds the key of an epoch.
    pub fn key_record_hash(&self, epoch: u32) -> Option<Digest> {
        self.keys.iter().find(|(candidate, _)| *candidate == epoch).map(|(_, hash)| *hash)
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateBody {
    /// The account.
    pub account_id: AccountId,
    /// From 1, each one more than the last.
    pub version: u64,
    /// Hash of the state before it; zeros for the first.
    pub previous: Digest,
    /// When it was made by the signing device's clock, in ms since 1970. Shown, never relied on.
    pub time_ms: u64,
    /// The account's identity.
    pub identity_key: PublicKey,
    /// How the master key is derived.
    pub kdf: KdfDescriptor,
    /// Keysets, ids ascending.
    pub keysets: Vec<KeysetEntry>,
    /// Devices with their signing keys, ids ascending.
    pub devices: Vec<(DeviceId, PublicKey)>,
    /// Vaults, ids ascending.
    pub vaults: Vec<VaultEntry>,
    /// The lowest cipher suite in use.
    pub minimum_suite: u8,
    /// Hash of the account-settings record, once there is one.
    pub settings_hash: Option<Digest>,
}

impl StateBody {
    /// The message that the identity key signs.
    pub fn signing_message(&self) -> Vec<u8> {
        [SIGNING_LABEL, &self.encode()].concat()
    }

    /// Joins the body with one signature, or two when the identity key changes (the previous identity's first).
    pub fn sign_with(self, signatures: Vec<Signature>) -> State {
        let body_bytes = self.encode();
        let length = u32::try_from(body_bytes.len()).expect("a state is small");
        let mut bytes = Vec::with_capacity(9 + body_bytes.len() + 64 * signatures.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&body_bytes);
        bytes.push(u8::try_from(signatures.len()).expect("one or two signatures"));
        for signature in &signatures {
            bytes.extend_from_slice(signature.as_bytes());
        }
        let hash = Digest::of(&[&bytes]);
        State { body: self, signatures, bytes, hash }
    }

    /// The keyset of that id.
    pub fn keyset(&self, id: &KeysetId) -> Option<&KeysetEntry> {
        self.keysets.iter().find(|entry| entry.id == *id)
    }

    /// The signing key of a current device.
    pub fn device_key(&self, id: &DeviceId) -> Option<PublicKey> {
        self.devices.iter().find(|(candidate, _)| candidate == id).map(|(_, key)| *key)
    }

    /// The entry of a listed vault.
    pub fn vault(&self, id: &VaultId) -> Option<&VaultEntry> {
        self.vaults.iter().find(|entry| entry.id == *id)
    }

    /// Hash of every record that this state names: keysets, vault keys, account settings.
    pub fn named_records(&self) -> impl Iterator<Item = Digest> + '_ {
        let keysets = self.keysets.iter().map(|entry| entry.record_hash);
        let vault_keys = self.vaults.iter().flat_map(|vault| vault.keys.iter().map(|(_, hash)| *hash));
        keysets.chain(vault_keys).chain(self.settings_hash)
    }

    fn encode(&self) -> Vec<u8> {
        let mut members = vec![
            (1, Value::from(BODY_SCHEMA)),
            (2, byte_string(self.account_id.as_bytes())),
            (3, self.version.into()),
            (4, byte_string(self.previous.as_bytes())),
            (5, self.time_ms.into()),
            (6, byte_string(self.identity_key.as_bytes())),
            (7, encode_kdf(&self.kdf)),
            (8, Value::Array(self.keysets.iter().map(encode_keyset).collect())),
            (9, Value::Array(self.devices.iter().map(encode_device).collect())),
            (10, Value::Array(self.vaults.iter().map(encode_vault).collect())),
            (11, self.minimum_suite.into()),
        ];
        if let Some(hash) = &self.settings_hash {
            members.push((12, byte_string(hash.as_bytes())));
        }
        encode_deterministic(&map(members))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let mut fields = Fields::new(decode_deterministic(bytes)?)?;
        let schema = cbor::unsigned(&fields.required(1)?)?;
        if schema > BODY_SCHEMA {
            return Err(Refusal::UnsupportedProtocol.because("a state of a newer schema: update the app"));
        }
        if schema != BODY_SCHEMA {
            return Err(Refusal::Format.because("a state of an unknown schema"));
        }
        let body = Self {
            account_id: AccountId::new(cbor::bytes(&fields.required(2)?)?)?,
            version: cbor::unsigned(&fields.required(3)?)?,
            previous: Digest::new(cbor::bytes(&fields.required(4)?)?),
            time_ms: cbor::unsigned(&fields.required(5)?)?,
            identity_key: PublicKey::new(cbor::bytes(&fields.required(6)?)?),
            kdf: decode_kdf(fields.required(7)?)?,
            keysets: decode_all(fields.required(8)?, decode_keyset)?,
            devices: decode_all(fields.required(9)?, decode_device)?,
            vaults: decode_all(fields.required(10)?, decode_vault)?,
            minimum_suite: cbor::unsigned_8(&fields.required(11)?)?,
            settings_hash: fields.optional(12).map(|value| cbor::bytes(&value)).transpose()?.map(Digest::new),
        };
        fields.finish()?;
        body.check_form()?;
        Ok(body)
    }

    fn check_form(&self) -> Result<(), Refused> {
        if self.version == 0 || self.previous.is_zero() != (self.version == 1) {
            return Err(Refusal::Format.because("the first state alone has nothing before it"));
        }
        if self.minimum_suite > SUITE {
            return Err(
                Refusal::UnsupportedProtocol.because("the account asks for a newer suite: update the app")
            );
        }
        if self.minimum_suite != SUITE {
            return Err(Refusal::UnknownSuite.because("the account names an unknown suite"));
        }
        ascending(self.keysets.iter().map(|entry| entry.id))?;
        ascending(self.devices.iter().map(|(id, _)| *id))?;
        ascending(self.vaults.iter().map(|entry| entry.id))?;
        self.vaults.iter().try_for_each(check_vault_form)
    }
}

/// A state as it is stored and sent. Well formed; [`State::verify_own_signature`] and [`State::verify_follows`] say
/// whether it is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    body: StateBody,
    signatures: Vec<Signature>,
    bytes: Vec<u8>,
    hash: Digest,
}

/// What a verified successor changed about who the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// The same identity signed it.
    SameIdentity,
    /// The previous identity handed over to a new one: a guided rotation. A device that has pinned the old one
    /// follows only by the link of a device that has rotated.
    NewIdentity,
}

impl State {
    /// Reads a whole state.
    ///
    /// # Errors
    /// `limit`, `truncated`, `format`; `unsupported_protocol` for a newer schema.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        const TRUNCATED: Refused = Refusal::Truncated.because("a state ends too early");
        if bytes.len() > MAX_STATE_BYTES {
            return Err(Refusal::Limit.because("a state is too large"));
        }
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(TRUNCATED)?;
        if magic != MAGIC {
            return Err(Refusal::Format.because("not a state"));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(TRUNCATED)?;
        let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(TRUNCATED)?;
        let (&count, rest) = rest.split_first().ok_or(TRUNCATED)?;
        let (signatures, rest) = rest.as_chunks::<64>();
        let wanting = signatures.len() < usize::from(count);
        let surplus = signatures.len() > usize::from(count) || (!wanting && !rest.is_empty());
        if !(1..=2).contains(&count) || surplus {
            return Err(Refusal::Format.because("a state with another number of signatures"));
        }
        if wanting {
            return Err(TRUNCATED);
        }
        Ok(Self {
            body: StateBody::decode(body)?,
            signatures: signatures.iter().copied().map(Signature::new).collect(),
            bytes: bytes.to_vec(),
            hash: Digest::of(&[bytes]),
        })
    }

    /// Whether the identity key inside signed the state: all that a device without pins can ask of it alone.
    ///
    /// # Errors
    /// `state_signature`.
    pub fn verify_own_signature(&self) -> Result<(), Refused> {
        let last = self.signatures.last().expect("a state has a signature");
        self.verify(&self.body.identity_key, last)
    }

    /// Whether this is the one state that may come after `previous`.
    ///
    /// # Errors
    /// `wrong_context` for another account; `state_rollback` for a version that is not newer; `fork` if it does not
    /// build on `previous`; `missing` if states between are wanting; `state_signature`; `forged` if an epoch or a
    /// head falls.
    pub fn verify_follows(&self, previous: &Self) -> Result<Succession, Refused> {
        if self.account_id != previous.account_id {
            return Err(Refusal::WrongContext.because("a state of another account"));
        }
        if self.version <= previous.version {
            let same_age = self.version == previous.version && self.hash != previous.hash;
            return Err(if same_age {
                Refusal::Fork.because("two different states of one version")
            } else {
                Refusal::StateRollback.because("a state that is not newer than the one already accepted")
            });
        }
        if self.version > previous.version + 1 {
            return Err(
                Refusal::Missing.because("states between the accepted one and this were not delivered")
            );
        }
        if self.previous != previous.hash {
            return Err(Refusal::Fork.because("a state that does not follow the accepted one"));
        }
        let succession = self.verify_signatures_after(previous)?;
        self.verify_nothing_falls(previous)?;
        Ok(succession)
    }

    /// Whether the commit `seq` of a vault is made under this state and not under one before it.
    pub fn covers(&self, vault_id: &VaultId, seq: u64) -> bool {
        self.vault(vault_id).is_some_and(|vault| vault.head_seq < seq)
    }

    /// The state as it is stored and sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the whole state, signatures included.
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    fn verify_signatures_after(&self, previous: &Self) -> Result<Succession, Refused> {
        let same_identity = self.identity_key == previous.identity_key;
        match (same_identity, self.signatures.as_slice()) {
            (true, [own]) => {
                self.verify(&self.identity_key, own)?;
                Ok(Succession::SameIdentity)
            }
            (false, [old, own]) => {
                self.verify(&previous.identity_key, old)?;
                self.verify(&self.identity_key, own)?;
                Ok(Succession::NewIdentity)
            }
            _ => Err(Refusal::StateSignature.because("a state is not signed as its identity demands")),
        }
    }

    fn verify_nothing_falls(&self, previous: &Self) -> Result<(), Refused> {
        for vault in &self.vaults {
            let Some(before) = previous.vault(&vault.id) else { continue };
            if vault.epoch < before.epoch || vault.head_seq < before.head_seq {
                return Err(Refusal::Forged.because("a state takes a vault back"));
            }
            if vault.head_seq == before.head_seq && vault.head_hash != before.head_hash {
                return Err(Refusal::Fork.because("two states name different heads at one place of a vault"));
            }
        }
        Ok(())
    }

    fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), Refused> {
        if key.verifies(&self.body.signing_message(), signature) {
            Ok(())
        } else {
            Err(Refusal::StateSignature.because("a state's signature does not verify"))
        }
    }
}

impl core::ops::Deref for State {
    type Target = StateBody;

    fn deref(&self) -> &StateBody {
        &self.body
    }
}

fn ascending<T: Ord>(ids: impl Iterator<Item = T>) -> Result<(), Refused> {
    if ids.is_sorted_by(|earlier, later| earlier < later) {
        Ok(())
    } else {
        Err(Refusal::Format.because("an array of a state does not ascend"))
    }
}

fn check_vault_form(vault: &VaultEntry) -> Result<(), Refused> {
    ascending(vault.keys.iter().map(|(epoch, _)| *epoch))?;
    let current_key_is_newest = vault.keys.last().is_some_and(|(epoch, _)| *epoch == vault.epoch);
    if !current_key_is_newest {
        return Err(Refusal::Format.because("a vault's newest key is not that of its epoch"));
    }
    if vault.role != ROLE_OWNER {
        return Err(Refusal::Format.because("a vault with an unknown role"));
    }
    if (vault.head_seq == 0) != vault.head_hash.is_zero() {
        return Err(Refusal::Format.because("a vault's head and its hash disagree"));
    }
    Ok(())
}

fn map(members: Vec<(u64, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn byte_string(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

fn encode_kdf(kdf: &KdfDescriptor) -> Value {
    map(vec![
        (1, byte_string(&kdf.salt)),
        (2, kdf.m_kib.into()),
        (3, kdf.t.into()),
        (4, kdf.p.into()),
        (5, kdf.sk_used.into()),
    ])
}

fn decode_kdf(value: Value) -> Result<KdfDescriptor, Refused> {
    let mut fields = Fields::new(value)?;
    let kdf = KdfDescriptor {
        salt: cbor::bytes(&fields.required(1)?)?,
        m_kib: cbor::unsigned_32(&fields.required(2)?)?,
        t: cbor::unsigned_32(&fields.required(3)?)?,
        p: cbor::unsigned_32(&fields.required(4)?)?,
        sk_used: cbor::boolean(&fields.required(5)?)?,
    };
    fields.finish()?;
    Ok(kdf)
}

fn encode_keyset(entry: &KeysetEntry) -> Value {
    Value::Array(vec![
        byte_string(entry.id.as_bytes()),
        (entry.kind as u8).into(),
        entry.version.into(),
        byte_string(entry.record_hash.as_bytes()),
    ])
}

fn decode_keyset(value: Value) -> Result<KeysetEntry, Refused> {
    let [id, kind, version, record_hash] = array_of(value)?;
    Ok(KeysetEntry {
        id: KeysetId::new(cbor::bytes(&id)?)?,
        kind: match cbor::unsigned(&kind)? {
            1 => KeysetKind::Master,
            2 => KeysetKind::Recovery,
            3 => KeysetKind::Prf,
            _ => return Err(Refusal::Format.because("a keyset of unknown kind")),
        },
        version: cbor::unsigned(&version)?,
        record_hash: Digest::new(cbor::bytes(&record_hash)?),
    })
}

fn encode_device((id, key): &(DeviceId, PublicKey)) -> Value {
    Value::Array(vec![byte_string(id.as_bytes()), byte_string(key.as_bytes())])
}

fn decode_device(value: Value) -> Result<(DeviceId, PublicKey), Refused> {
    let [id, key] = array_of(value)?;
    Ok((DeviceId::new(cbor::bytes(&id)?)?, PublicKey::new(cbor::bytes(&key)?)))
}

fn encode_vault(vault: &VaultEntry) -> Value {
    let keys = vault
        .keys
        .iter()
        .map(|(epoch, hash)| Value::Array(vec![(*epoch).into(), byte_string(hash.as_bytes())]));
    Value::Array(vec![
        byte_string(vault.id.as_bytes()),
        vault.role.into(),
        vault.epoch.into(),
        vault.head_seq.into(),
        byte_string(vault.head_hash.as_bytes()),
        Value::Array(keys.collect()),
    ])
}

fn decode_vault(value: Value) -> Result<VaultEntry, Refused> {
    let [id, role, epoch, head_seq, head_hash, keys] = array_of(value)?;
    Ok(VaultEntry {
        id: VaultId::new(cbor::bytes(&id)?)?,
        role: cbor::unsigned_8(&role)?,
        epoch: cbor::unsigned_32(&epoch)?,
        head_seq: cbor::unsigned(&head_seq)?,
        head_hash: Digest::new(cbor::bytes(&head_hash)?),
        keys: decode_all(keys, decode_key)?,
    })
}

fn decode_key(value: Value) -> Result<(u32, Digest), Refused> {
    let [epoch, hash] = array_of(value)?;
    Ok((cbor::unsigned_32(&epoch)?, Digest::new(cbor::bytes(&hash)?)))
}

fn decode_all<T>(value: Value, decode: fn(Value) -> Result<T, Refused>) -> Result<Vec<T>, Refused> {
    array(value)?.into_iter().map(decode).collect()
}

mod salt_as_digest {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Digest;

    pub(super) fn serialize<S: Serializer>(salt: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        Digest::new(*salt).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        Digest::deserialize(deserializer).map(|digest| *digest.as_bytes())
    }
}
