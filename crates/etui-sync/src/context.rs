//! What an operation may use besides the engine: keys, a way to merge, randomness, the time.

use std::collections::BTreeMap;

use etui_chain::{RecordType, Refusal, Refused, VaultId};
use etui_crypto::{RandomSource, SigningKey, VaultKey};
use zeroize::Zeroizing;

/// The vault keys of an unlocked account, by vault and epoch.
#[derive(Default)]
pub struct VaultKeys(BTreeMap<(VaultId, u32), VaultKey>);

impl VaultKeys {
    /// No keys yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key under its own vault and epoch.
    pub fn insert(&mut self, key: VaultKey) {
        self.0.insert((key.vault_id(), key.epoch()), key);
    }

    /// The key of a vault's epoch.
    ///
    /// # Errors
    /// `missing` if it was never delivered; it is never made anew (`spec/crypto.md`, "State").
    pub fn get(&self, vault_id: VaultId, epoch: u32) -> Result<&VaultKey, Refused> {
        self.0
            .get(&(vault_id, epoch))
            .ok_or(Refusal::Missing.because("the key of a vault's epoch is not there"))
    }
}

/// How two changed copies of one object become one. The engine does not know what the bodies mean.
pub trait Merge {
    /// Joins two descendants of `base`. `theirs` is what other devices already have.
    ///
    /// # Errors
    /// `format` for a body that cannot be read, `limit` if the two do not fit into one. The engine then keeps ours as
    /// an entry of its own.
    fn merge(
        &self,
        record_type: RecordType,
        base: &[u8],
        ours: &[u8],
        theirs: &[u8],
        now_ms: u64,
    ) -> Result<MergedBody, Refused>;
}

/// What a merge gives.
pub struct MergedBody {
    /// The joined body; equal to theirs if ours added nothing.
    pub body: Zeroizing<Vec<u8>>,
    /// Whether both sides changed one field differently, so that the body now keeps both.
    pub conflict: bool,
}

/// Everything that an operation may use besides the engine.
pub struct Context<'a> {
    /// The vault keys.
    pub vault_keys: &'a VaultKeys,
    /// This device's signing key.
    pub device_key: &'a SigningKey,
    /// How bodies are joined.
    pub merge: &'a dyn Merge,
    /// Randomness for ids and salts.
    pub random: &'a mut dyn RandomSource,
    /// The time in ms since 1970; shown to people, never relied on.
    pub now_ms: u64,
}
