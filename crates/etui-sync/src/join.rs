//! A device that has no pins yet (`spec/crypto.md`, "New device").

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use etui_chain::{
    Commit, DeviceId, Digest, KdfDescriptor, KeysetId, KeysetKind, Refusal, Refused, State, VaultId,
};
use etui_crypto::Keyset;

use crate::{
    Engine, EngineError, Snapshot, Step, Write, engine::Vault, history::Beginning,
    states::named_record_writes,
};

/// Whether a state lists this very keyset and the derivation that is about to be used: asked before anything is derived
/// or opened, so that a replaced keyset is not mistaken for a wrong password. What the state itself is worth shows only
/// [`check_unlocked`].
///
/// # Errors
/// `keyset_hash`.
pub fn check_way_in(
    state: &State,
    keyset_id: KeysetId,
    kind: KeysetKind,
    keyset_hash: Digest,
    used: Option<&KdfDescriptor>,
) -> Result<(), Refused> {
    let listed =
        state.keyset(&keyset_id).is_some_and(|entry| entry.kind == kind && entry.record_hash == keyset_hash);
    if !listed {
        return Err(Refusal::KeysetHash.because("the signed state names another keyset"));
    }
    if used.is_some_and(|used| *used != state.kdf) {
        return Err(
            Refusal::KeysetHash.because("the signed state names another key derivation than the one used")
        );
    }
    Ok(())
}

/// Steps 3 and 4: whether the signed state vouches for the keyset that was opened and for the way it was opened.
///
/// # Errors
/// `wrong_context` for another account; `state_signature` if the identity inside the keyset did not sign the state;
/// `keyset_hash` if the state does not list this very keyset, or another derivation than the one used.
pub fn check_unlocked(
    state: &State,
    keyset: &Keyset,
    keyset_id: KeysetId,
    kind: KeysetKind,
    keyset_hash: Digest,
    used: Option<&KdfDescriptor>,
) -> Result<(), Refused> {
    if state.account_id != keyset.account_id() {
        return Err(Refusal::WrongContext.because("a state of another account than the keyset's"));
    }
    if state.identity_key != keyset.identity().public_key() {
        return Err(
            Refusal::StateSignature.because("the state is not signed by the identity inside the keyset")
        );
    }
    state.verify_own_signature()?;
    check_way_in(state, keyset_id, kind, keyset_hash, used)
}

/// Steps 5 and 6 for an account whose newest state has been checked by [`check_unlocked`]: the records that it names
/// and a snapshot of every vault that it lists. The first writes of a device.
///
/// # Errors
/// As for the parts; `missing` if a listed vault was not delivered, `vault_unsigned` for one that is not listed.
pub fn join(
    device_id: DeviceId,
    state: State,
    named_records: Vec<Vec<u8>>,
    snapshots: BTreeMap<VaultId, Snapshot>,
) -> Result<Step, EngineError> {
    let mut writes = vec![Write::State { version: state.version, bytes: state.as_bytes().to_vec() }];
    writes.extend(named_record_writes(&state, &BTreeSet::new(), named_records)?);
    if state.vaults.iter().any(|vault| !snapshots.contains_key(&vault.id)) {
        return Err(Refusal::Missing.because("a vault that the signed state lists was not delivered").into());
    }
    let engine = Engine {
        device_id,
        states: Arc::new(vec![Arc::new(state)]),
        vaults: BTreeMap::new(),
        state_in_flight: None,
    };
    let mut step = engine.into_step();
    step.writes = writes;
    for (vault_id, snapshot) in snapshots {
        let next = step.engine.accept_snapshot(vault_id, snapshot)?;
        step.engine = next.engine;
        step.writes.extend(next.writes);
        step.touched.extend(next.touched);
    }
    Ok(step)
}

impl Engine {
    /// Takes in a vault that this device does not hold yet: at joining, or when a state newly lists it.
    ///
    /// # Errors
    /// `extra` if the vault is held already; `missing` if its newest commit names a state not pulled yet; else what
    /// the snapshot shows.
    pub fn accept_snapshot(&self, vault_id: VaultId, snapshot: Snapshot) -> Result<Step, EngineError> {
        if self.vaults.contains_key(&vault_id) {
            return Err(Refusal::Extra
                .because("a snapshot of a vault that this device holds already")
                .into());
        }
        self.check_named_state(&snapshot.commit)?;
        let begins = Beginning::at(&snapshot.commit);
        let (ledger, writes) = snapshot.verify(vault_id, self.state())?;
        let touched = ledger.live().leaves().iter().map(|leaf| (vault_id, leaf.object_id)).collect();
        let mut step = self.with_vault(vault_id, Vault::new(ledger, begins));
        step.writes = writes;
        step.touched = touched;
        step.drop_overtaken_state();
        Ok(step)
    }

    /// A newest commit above the signed head may name a state that came after the newest one held: that one has to be
    /// pulled before anything is refused for good.
    fn check_named_state(&self, commit: &Commit) -> Result<(), Refused> {
        let above = self.state().covers(&commit.vault_id, commit.seq);
        if above && !self.knows_state(commit.state_hash) {
            return Err(Refusal::Missing.because("a commit names a state that was not delivered"));
        }
        Ok(())
    }
}
