//! The account's keys, as they lie inside a keyset (`spec/crypto.md`, "State").

use etui_chain::{AccountId, Refusal, Refused};
use zeroize::Zeroizing;

use crate::{
    RandomSource, RootKey, SecretKey, SigningKey,
    cbor::{Reader, Writer},
    secret::Secret,
};

/// A seed kept for sharing between people; version 1 does nothing else with it.
#[derive(Debug)]
pub struct KemSeed(pub(crate) Secret);

/// All keys of one account: every root key in use, its identity, a seed for later, the second secret where used.
#[derive(Debug)]
pub struct Keyset {
    account_id: AccountId,
    root_keys: Vec<RootKey>,
    identity: SigningKey,
    kem_seed: KemSeed,
    secret_key: Option<SecretKey>,
}

impl Keyset {
    /// Makes the keys of a new account: random, derived from no password.
    pub fn generate(
        account_id: AccountId,
        secret_key: Option<SecretKey>,
        random: &mut dyn RandomSource,
    ) -> Self {
        let root_keys = vec![RootKey::generate(account_id, 0, random)];
        let identity = SigningKey::generate(random);
        Self { account_id, root_keys, identity, kem_seed: KemSeed(Secret::generate(random)), secret_key }
    }

    /// A keyset of keys that a file of known answers gives.
    #[cfg(feature = "vectors")]
    pub(crate) fn from_parts(root_keys: Vec<RootKey>, identity: SigningKey, kem_seed: KemSeed) -> Self {
        Self { account_id: root_keys[0].account_id, root_keys, identity, kem_seed, secret_key: None }
    }

    /// The keys after a rotation: a root key of the next epoch beside the old ones; identity, seed and second secret
    /// anew. The old identity still has to sign the state that hands over. `None` after 2³² rotations.
    pub fn rotated(&self, secret_key: Option<SecretKey>, random: &mut dyn RandomSource) -> Option<Self> {
        let epoch = self.newest_root_key().epoch.checked_add(1)?;
        let mut rotated = Self::generate(self.account_id, secret_key, random);
        rotated.root_keys[0].epoch = epoch;
        let copy = |key: &RootKey| RootKey {
            account_id: key.account_id,
            epoch: key.epoch,
            secret: Secret::copy_of(key.secret.bytes()),
        };
        rotated.root_keys.splice(0..0, self.root_keys.iter().map(copy));
        Some(rotated)
    }

    /// The account.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The root key that seals what is written now.
    pub fn newest_root_key(&self) -> &RootKey {
        self.root_keys.last().expect("a keyset has at least one root key")
    }

    /// The root key of an epoch.
    pub fn root_key(&self, epoch: u32) -> Option<&RootKey> {
        let index = self.root_keys.binary_search_by_key(&epoch, RootKey::epoch).ok()?;
        Some(&self.root_keys[index])
    }

    /// Drops root keys that nothing is sealed under any more; the newest always stays.
    pub fn retain_root_keys(&mut self, mut in_use: impl FnMut(u32) -> bool) {
        let newest = self.newest_root_key().epoch;
        self.root_keys.retain(|key| key.epoch == newest || in_use(key.epoch));
    }

    /// The key that signs the account's states.
    pub fn identity(&self) -> &SigningKey {
        &self.identity
    }

    /// The seed kept for sharing between people.
    pub fn kem_seed(&self) -> &KemSeed {
        &self.kem_seed
    }

    /// The second secret, where used.
    pub fn secret_key(&self) -> Option<&SecretKey> {
        self.secret_key.as_ref()
    }

    /// `{1: 1, 2: [[root epoch, key]], 3: identity seed, 4: KEM seed, ?5: SK}`, deterministic CBOR.
    pub(crate) fn to_body(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(128 + 40 * self.root_keys.len());
        writer.map(4 + usize::from(self.secret_key.is_some())).unsigned(1).unsigned(SCHEMA);
        writer.unsigned(2).array(self.root_keys.len());
        for root_key in &self.root_keys {
            writer.array(2).unsigned(u64::from(root_key.epoch)).key(root_key.secret.bytes());
        }
        writer.unsigned(3).key(self.identity.seed());
        writer.unsigned(4).key(self.kem_seed.0.bytes());
        if let Some(secret_key) = &self.secret_key {
            writer.unsigned(5).key(secret_key.0.bytes());
        }
        writer.finish()
    }

    /// Reads the one permitted form.
    ///
    /// # Errors
    /// `unsupported_protocol` for a higher schema, else `format`.
    pub(crate) fn from_body(account_id: AccountId, body: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(body);
        let members = reader.map()?;
        reader.expect(1)?;
        check_schema(reader.unsigned()?)?;
        reader.expect(2)?;
        let root_keys = read_root_keys(account_id, &mut reader)?;
        reader.expect(3)?;
        let identity = SigningKey::from_seed(reader.key()?);
        reader.expect(4)?;
        let kem_seed = KemSeed(Secret::copy_of(reader.key()?));
        let secret_key = match members {
            4 => None,
            5 => {
                reader.expect(5)?;
                Some(SecretKey::from_bytes(reader.key()?))
            }
            _ => return Err(Refusal::Format.because("a keyset with other members than it must have")),
        };
        reader.finish()?;
        Ok(Self { account_id, root_keys, identity, kem_seed, secret_key })
    }
}

const SCHEMA: u64 = 1;

fn check_schema(schema: u64) -> Result<(), Refused> {
    match schema {
        0 => Err(Refusal::Format.because("a keyset of schema 0")),
        SCHEMA => Ok(()),
        _ => Err(Refusal::UnsupportedProtocol.because("a keyset of a newer version; update the app")),
    }
}

/// At least one, epochs strictly ascending.
fn read_root_keys(account_id: AccountId, reader: &mut Reader<'_>) -> Result<Vec<RootKey>, Refused> {
    const FORMAT: Refused = Refusal::Format.because("the root keys of a keyset are not as they must be");
    let mut root_keys: Vec<RootKey> = Vec::new();
    for _ in 0..reader.array()? {
        if reader.array()? != 2 {
            return Err(FORMAT);
        }
        let epoch = reader.unsigned_32()?;
        let secret = Secret::copy_of(reader.key()?);
        if root_keys.last().is_some_and(|previous| previous.epoch >= epoch) {
            return Err(FORMAT);
        }
        root_keys.push(RootKey { account_id, epoch, secret });
    }
    if root_keys.is_empty() { Err(FORMAT) } else { Ok(root_keys) }
}
