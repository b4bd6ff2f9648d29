//! Where the account stood when this device last looked, kept apart from the device's folder: an older copy of the
//! folder, put back by somebody or by a restored backup, is noticed by it (`spec/crypto.md`, "Local store").

mod keeper;

use std::collections::BTreeMap;

use etui_chain::{Commit, Digest, Head, Refusal, Refused, State, VaultId};
use etui_sync::Engine;

use crate::{ClientError, store::Store};

pub(crate) use keeper::PinKeeper;

const MAGIC: &[u8; 4] = b"ETP1";
const FIXED_BYTES: usize = 4 + 8 + 32;
const HEAD_BYTES: usize = 16 + 8 + 32;

/// The newest state and the head of each vault. The state's hash stands for the account's id and key derivation too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pins {
    state_version: u64,
    state_hash: Digest,
    heads: BTreeMap<VaultId, Head>,
}

impl Pins {
    /// Where the engine stands.
    pub(crate) fn of(engine: &Engine) -> Self {
        let heads = engine.vault_ids().map(|vault_id| (vault_id, engine.head(&vault_id)));
        Self {
            state_version: engine.state().version,
            state_hash: engine.state().hash(),
            heads: heads.filter(|(_, head)| head.seq > 0).collect(),
        }
    }

    /// An earlier place, which the store holds.
    ///
    /// # Errors
    /// [`ClientError::Store`]; `missing` if the store does not hold it.
    pub(crate) fn at(
        store: &Store,
        state_version: u64,
        seqs: &BTreeMap<VaultId, u64>,
    ) -> Result<Self, ClientError> {
        const MISSING: Refused =
            Refusal::Missing.because("an earlier state or commit is not in the local store");
        let state = State::parse(&store.state(state_version)?.ok_or(MISSING)?)?;
        let mut heads = BTreeMap::new();
        for (vault_id, seq) in seqs.iter().filter(|(_, seq)| **seq > 0) {
            let commit = Commit::parse(&store.commit(*vault_id, *seq)?.ok_or(MISSING)?)?;
            heads.insert(*vault_id, Head { seq: *seq, hash: commit.hash() });
        }
        Ok(Self { state_version, state_hash: state.hash(), heads })
    }

    /// The form in which secure storage keeps them. It holds no secret.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.heads.len() * HEAD_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.state_version.to_be_bytes());
        bytes.extend_from_slice(self.state_hash.as_bytes());
        for (vault_id, head) in &self.heads {
            bytes.extend_from_slice(vault_id.as_bytes());
            bytes.extend_from_slice(&head.seq.to_be_bytes());
            bytes.extend_from_slice(head.hash.as_bytes());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `format`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let format = || Refusal::Format.because("what the keyring holds is not a pin of this version");
        let (fixed, heads) = bytes.split_first_chunk::<FIXED_BYTES>().ok_or_else(format)?;
        let (heads, rest) = heads.as_chunks::<HEAD_BYTES>();
        if !fixed.starts_with(MAGIC) || !rest.is_empty() {
            return Err(format());
        }
        let heads = heads.iter().map(|bytes| {
            let head = Head { seq: number(bytes, 16), hash: digest(bytes, 24) };
            Ok((VaultId::new(taken(bytes, 0))?, head))
        });
        Ok(Self {
            state_version: number(fixed, 4),
            state_hash: digest(fixed, 12),
            heads: heads.collect::<Result<_, Refused>>()?,
        })
    }

    /// Refuses a store that is behind, or did not come from here. One that is ahead has this place in its past.
    ///
    /// # Errors
    /// `local_rollback`; [`ClientError::Store`].
    pub(crate) fn check(&self, store: &Store) -> Result<(), ClientError> {
        let state = store.state(self.state_version)?.map(|bytes| State::parse(&bytes)).transpose()?;
        if state.is_none_or(|state| state.hash() != self.state_hash) {
            return Err(behind());
        }
        for (vault_id, head) in &self.heads {
            let commit = store.commit(*vault_id, head.seq)?.map(|bytes| Commit::parse(&bytes)).transpose()?;
            if commit.is_none_or(|commit| commit.hash() != head.hash) {
                return Err(behind());
            }
        }
        Ok(())
    }
}

fn behind() -> ClientError {
    Refusal::LocalRollback
        .because(
            "this folder holds an older copy of the vault than this device has had: \
             it was put back from a backup, or by somebody else",
        )
        .into()
}

fn taken<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("within a fixed length")
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(taken(bytes, at))
}

fn digest(bytes: &[u8], at: usize) -> Digest {
    Digest::new(taken(bytes, at))
}

#[cfg(test)]
mod tests;
