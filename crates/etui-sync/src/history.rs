//! The time before this device joined: older states and commits, verified backwards from what is pinned, so that every
//! device can heal a restored server and knows every purged id (`spec/sync.md`, "History").

use std::{collections::BTreeSet, sync::Arc};

use etui_chain::{
    Commit, Digest, Head, Ledger, ObjectId, Op, Refusal, Refused, State, VaultId, check_newest, record_hash,
};
use etui_crypto::CheckedKdf;

use crate::{Engine, EngineError, StateFrames, Step, Write, engine::Vault, push::commit_write};

/// Where the commits that are held of a vault begin: all that has to be known of the oldest one to verify the one
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    seq: u64,
    prev_hash: Digest,
}

impl Beginning {
    /// Before the first commit.
    pub(crate) const NONE: Self = Self { seq: 0, prev_hash: Digest::ZERO };

    pub(crate) fn at(oldest: &Commit) -> Self {
        Self { seq: oldest.seq, prev_hash: oldest.prev_hash }
    }
}

impl Engine {
    /// The version of the oldest state held, while there are older ones.
    pub fn states_begin(&self) -> Option<u64> {
        Some(self.oldest_state().version).filter(|version| *version > 1)
    }

    /// The place of a vault's oldest commit held, while there are older ones.
    pub fn commits_begin(&self, vault_id: &VaultId) -> Option<u64> {
        self.vaults.get(vault_id).map(|vault| vault.begins.seq).filter(|seq| *seq > 1)
    }

    /// The commit before a vault's oldest one held, as that one names it.
    pub fn commit_wanted(&self, vault_id: &VaultId) -> Option<Head> {
        let begins = self.vaults.get(vault_id)?.begins;
        (begins.seq > 1).then(|| Head { seq: begins.seq - 1, hash: begins.prev_hash })
    }

    /// Takes in states from before the oldest one held, versions ascending up to it, with what the server still has of
    /// the records that they name.
    ///
    /// # Errors
    /// `missing` for a gap, `extra` for what is held already or more, `wrong_context` for another account, `forged` for
    /// another state than the one that its successor builds on, `keyset_hash` for a record that no state names; what
    /// [`State::verify_follows`] says of a successor; `kdf_pin` if the derivation became weaker. Nothing has changed
    /// then.
    pub fn accept_older_states(&self, frames: StateFrames) -> Result<Step, Refused> {
        const NONE: Refused =
            Refusal::Missing.because("no state from before the oldest one held was delivered");
        if frames.states.is_empty() {
            return Err(NONE);
        }
        let older: Vec<Arc<State>> = frames.states.into_iter().map(Arc::new).collect();
        let mut successor = self.oldest_state();
        for state in older.iter().rev() {
            check_predecessor(state, successor)?;
            successor = state;
        }
        let mut writes: Vec<Write> = older
            .iter()
            .map(|state| Write::State { version: state.version, bytes: state.as_bytes().to_vec() })
            .collect();
        writes.extend(self.older_named_records(&older, frames.named_records)?);
        let mut engine = self.clone();
        engine.states = Arc::new(older.into_iter().chain(self.states.iter().cloned()).collect());
        let mut step = engine.into_step();
        step.writes = writes;
        Ok(step)
    }

    /// Takes in commits of a vault from before the oldest one held, ascending up to it. The states under which they
    /// were made have to be held: states first.
    ///
    /// # Errors
    /// `missing` for a gap or a state that is not held, `extra` for what is held already or more, `wrong_context` for
    /// another vault; `forged` for another commit than the one that its successor or a state names, and for every rule
    /// of `spec/crypto.md`, "Commit", that shows without the objects of that time. Nothing has changed then.
    pub fn accept_older_commits(&self, vault_id: VaultId, commits: &[Commit]) -> Result<Step, EngineError> {
        let held = self.vault(&vault_id)?;
        if commits.is_empty() {
            let none = "no commit from before the oldest one held was delivered";
            return Err(Refusal::Missing.because(none).into());
        }
        let mut begins = held.begins;
        let mut purged = BTreeSet::new();
        for commit in commits.iter().rev() {
            check_place_before(commit, vault_id, begins)?;
            self.check_signed_heads(&vault_id, Head { seq: commit.seq, hash: commit.hash() })?;
            check_newest(commit, self.older_state_for(&vault_id, commit.seq)?)?;
            check_objects_before(commit, &held.ledger, &mut purged)?;
            begins = Beginning::at(commit);
        }
        let mut vault = Vault::clone(held);
        vault.begins = begins;
        if !purged.is_empty() {
            let mut ledger = Ledger::clone(&vault.ledger);
            ledger.note_purged(purged.iter().copied());
            vault.ledger = Arc::new(ledger);
        }
        let mut step = self.with_vault(vault_id, vault);
        step.writes = commits.iter().map(commit_write).collect();
        step.writes.extend(purged.into_iter().map(|object_id| Write::Purged { vault_id, object_id }));
        Ok(step)
    }

    /// While older states are wanting, none that covers a commit may simply be one of them.
    fn older_state_for(&self, vault_id: &VaultId, seq: u64) -> Result<&State, Refused> {
        match self.state_for(vault_id, seq) {
            Err(_) if self.states_begin().is_some() => {
                Err(Refusal::Missing.because("the state that an older commit names is not held"))
            }
            found => Ok(found?),
        }
    }

    fn older_named_records(
        &self,
        older: &[Arc<State>],
        delivered: Vec<Vec<u8>>,
    ) -> Result<Vec<Write>, Refused> {
        let named: BTreeSet<Digest> = older.iter().flat_map(|state| state.named_records()).collect();
        let held: BTreeSet<Digest> = self.states.iter().flat_map(|state| state.named_records()).collect();
        let mut writes = Vec::new();
        for bytes in delivered {
            let hash = record_hash(&bytes);
            if named.contains(&hash) {
                writes.push(Write::NamedRecord { hash, bytes });
            } else if !held.contains(&hash) {
                return Err(Refusal::KeysetHash.because("a record was delivered that no signed state names"));
            }
        }
        Ok(writes)
    }
}

/// The hash that the verified successor names vouches for the bytes; the rest is what any two neighbours must keep.
fn check_predecessor(state: &State, successor: &State) -> Result<(), Refused> {
    if state.account_id != successor.account_id {
        return Err(Refusal::WrongContext.because("a state of another account"));
    }
    let next = state.version.saturating_add(1);
    if next < successor.version {
        return Err(Refusal::Missing.because("states before the oldest one held were not delivered"));
    }
    if next > successor.version {
        return Err(Refusal::Extra.because("a state was delivered that is held already"));
    }
    if state.hash() != successor.previous {
        return Err(Refusal::Forged.because("an older state is not the one that its successor builds on"));
    }
    state.verify_own_signature()?;
    successor.verify_follows(state)?;
    CheckedKdf::new(successor.kdf, Some(&state.kdf))?;
    Ok(())
}

fn check_place_before(commit: &Commit, vault_id: VaultId, successor: Beginning) -> Result<(), Refused> {
    if commit.vault_id != vault_id {
        return Err(Refusal::WrongContext.because("a commit of another vault"));
    }
    let next = commit.seq.saturating_add(1);
    if next < successor.seq {
        return Err(Refusal::Missing.because("commits before the oldest one held were not delivered"));
    }
    if next > successor.seq {
        return Err(Refusal::Extra.because("a commit was delivered that is held already"));
    }
    if commit.hash() != successor.prev_hash {
        return Err(Refusal::Forged.because("an older commit is not the one that its successor builds on"));
    }
    Ok(())
}

/// What was purged then is not live now and was not purged again later; what is live now was of a lower version.
fn check_objects_before(
    commit: &Commit,
    newest: &Ledger,
    purged: &mut BTreeSet<ObjectId>,
) -> Result<(), Refused> {
    for change in &commit.changes {
        let live = newest.live().get(&change.object_id);
        let is_used_again = || live.is_some() || newest.is_purged(&change.object_id);
        match change.op {
            Op::Purge if is_used_again() || !purged.insert(change.object_id) => {
                return Err(Refusal::Forged.because("a purged id was used again"));
            }
            Op::Put if live.is_some_and(|leaf| leaf.version < change.version) => {
                return Err(Refusal::Forged.because("a commit gives an object a version out of turn"));
            }
            _ => {}
        }
    }
    Ok(())
}
