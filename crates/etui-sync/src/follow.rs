//! Following the server's branch of an account after a fork, by a person's decision (`spec/sync.md`, "Fork"). What was
//! done on this device's branch is put on top as unsent changes; nothing is discarded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use etui_chain::{
    Change, Commit, Digest, Leaf, Ledger, ObjectId, Op, RecordHeader, Refusal, Refused, State, VaultId,
};
use etui_crypto::CheckedKdf;

use crate::{
    Context, Engine, EngineError, Snapshot, Step, Write,
    engine::Vault,
    join,
    pending::{Base, Pending, PendingChange},
    pull::{Merging, return_to_outbox},
};

/// Where two branches of a vault part.
#[derive(Debug, Default)]
pub struct Parting {
    /// This device's commits after the last common one.
    pub ours: Vec<Commit>,
    /// The server's commits after the last common one.
    pub theirs: Vec<Commit>,
    /// Ids that were purged by then, as far as this device knows.
    pub purged: BTreeSet<ObjectId>,
}

impl Engine {
    /// Takes the server's branch as a device without pins does, except that it must be this account's and signed by its
    /// identity. The floor of the key derivation holds; what was pinned on the other branch does not.
    ///
    /// # Errors
    /// `wrong_context`, `state_signature`, `kdf_floor`, `kdf_ceiling`; what [`join`] gives.
    pub fn join_branch(
        &self,
        state: State,
        named_records: Vec<Vec<u8>>,
        snapshots: BTreeMap<VaultId, Snapshot>,
    ) -> Result<Step, EngineError> {
        if state.account_id != self.account_id() {
            return Err(Refusal::WrongContext.because("a state of another account").into());
        }
        if state.identity_key != self.state().identity_key {
            return Err(Refusal::StateSignature.because("the branch has another identity").into());
        }
        state.verify_own_signature()?;
        CheckedKdf::new(state.kdf, None)?;
        join(self.device_id, state, named_records, snapshots)
    }

    /// Goes over to the server's branch. `branch` is [`Self::join_branch`] with the branch's states and commits back to
    /// where this device's begin to be the same; `record` gives this device's verified record of an object.
    ///
    /// # Errors
    /// `missing` for a vault without its parting; what sealing and merging give. Nothing has changed then.
    pub fn follow(
        &self,
        branch: Step,
        partings: &BTreeMap<VaultId, Parting>,
        record: &dyn Fn(VaultId, ObjectId) -> Option<Vec<u8>>,
        context: &mut Context<'_>,
    ) -> Result<Step, EngineError> {
        const NOT_PARTED: Refused =
            Refusal::Missing.because("this device does not hold the commits before the branches part");
        let theirs = records_of(&branch.writes);
        let mut step = branch;
        step.writes.insert(0, self.leave(&step.engine, partings)?);
        for (vault_id, left) in &self.vaults {
            let Some(joined) = step.engine.vaults.get(vault_id).cloned() else {
                // The branch does not list it: as with any vault that is listed no more.
                step.engine.vaults.insert(*vault_id, Arc::clone(left));
                continue;
            };
            let parting = partings.get(vault_id).ok_or(NOT_PARTED)?;
            let unsent = left.unsent_on(*vault_id, parting, record)?;
            let mut vault = Vault::clone(&joined);
            vault.begins = left.begins;
            note_purged(*vault_id, &mut vault, parting, &mut step.writes);
            let engine = step.engine.clone();
            let mut on_top = OnTop {
                merging: Merging { engine: &engine, vault_id: *vault_id, vault, step: &mut step },
                theirs: &theirs,
                changed: last_changes(&parting.theirs),
            };
            for pending in unsent.into_values() {
                on_top.put(pending, context)?;
            }
            let vault = on_top.merging.vault;
            step.engine.vaults.insert(*vault_id, Arc::new(vault));
        }
        Ok(step)
    }

    fn leave(&self, branch: &Self, partings: &BTreeMap<VaultId, Parting>) -> Result<Write, EngineError> {
        const NOT_PARTED: Refused =
            Refusal::Missing.because("this device does not hold the states before the branches part");
        let common = |state: &&Arc<State>| branch.knows_state(state.hash());
        let common_version = self.states.iter().rev().find(common).ok_or(NOT_PARTED)?.version;
        let common_seq = |(vault_id, parting): (&VaultId, &Parting)| {
            let first = parting.ours.first().map(|commit| commit.seq - 1);
            (*vault_id, first.unwrap_or_else(|| self.head(vault_id).seq))
        };
        let branch_names = branch.states.iter().flat_map(|state| state.named_records());
        Ok(Write::Leave {
            common_version,
            common_seqs: partings.iter().map(common_seq).collect(),
            named_records: branch_names.chain(self.keys_of_vaults_beyond(branch)).collect(),
        })
    }

    /// The records with the keys of vaults that the branch does not list: what stays here has to stay readable.
    fn keys_of_vaults_beyond<'a>(&'a self, branch: &'a Self) -> impl Iterator<Item = Digest> + 'a {
        let listed = self.states.iter().flat_map(|state| &state.vaults);
        let beyond = listed.filter(|vault| !branch.vaults.contains_key(&vault.id));
        beyond.flat_map(|vault| vault.keys.iter().map(|(_, hash)| *hash))
    }
}

impl Vault {
    /// What this branch changed since they parted, and what was not sent yet. A base that is not common is none.
    fn unsent_on(
        &self,
        vault_id: VaultId,
        parting: &Parting,
        record: &dyn Fn(VaultId, ObjectId) -> Option<Vec<u8>>,
    ) -> Result<BTreeMap<ObjectId, Pending>, EngineError> {
        let mut unsent = BTreeMap::new();
        for (object_id, change) in last_changes(&parting.ours) {
            let change = match change.op {
                Op::Purge => PendingChange::Purge,
                Op::Put => {
                    let record = record(vault_id, object_id).ok_or(EngineError::NoObject)?;
                    let record_type = RecordHeader::parse(&record)?.record_type;
                    PendingChange::Put { record_type, record }
                }
            };
            unsent.insert(object_id, Pending { object_id, base: None, change });
        }
        let mut waiting = self.clone();
        if let Some(in_flight) = waiting.in_flight.take() {
            let mut scratch = Vec::new();
            return_to_outbox(&mut waiting, vault_id, &in_flight, &mut scratch);
        }
        for (object_id, pending) in waiting.outbox {
            let base = pending.base.clone().filter(|_| !unsent.contains_key(&object_id));
            unsent.insert(object_id, Pending { object_id, base, change: pending.change.clone() });
        }
        Ok(unsent)
    }
}

/// Puts unsent changes on top of a branch.
struct OnTop<'a, 'b> {
    merging: Merging<'a>,
    /// The branch's live records.
    theirs: &'b BTreeMap<(VaultId, ObjectId), Vec<u8>>,
    /// What the branch changed since they parted.
    changed: BTreeMap<ObjectId, Change>,
}

impl OnTop<'_, '_> {
    fn put(&mut self, pending: Pending, context: &mut Context<'_>) -> Result<(), EngineError> {
        let object_id = pending.object_id;
        let theirs = self.theirs.get(&(self.merging.vault_id, object_id));
        let live = self.merging.vault.ledger.live().get(&object_id).copied();
        match (self.changed.get(&object_id).copied(), live, theirs) {
            (Some(change), _, theirs) => {
                self.merging.keep_unsent(pending);
                self.merging.merge_unsent(&change, theirs.map(Vec::as_slice), context)
            }
            (None, Some(Leaf { version, .. }), Some(record)) => {
                let base = Some(Base { version, record: record.clone() });
                self.merging.keep_unsent(Pending { base, ..pending });
                Ok(())
            }
            // Made on this branch alone: there it is still new.
            _ if pending.record().is_some() => {
                self.merging.keep_unsent(Pending { base: None, ..pending });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn note_purged(vault_id: VaultId, vault: &mut Vault, parting: &Parting, writes: &mut Vec<Write>) {
    let mut ledger = Ledger::clone(&vault.ledger);
    ledger.note_purged(parting.purged.iter().copied());
    vault.ledger = Arc::new(ledger);
    writes.extend(parting.purged.iter().map(|&object_id| Write::Purged { vault_id, object_id }));
}

fn last_changes(commits: &[Commit]) -> BTreeMap<ObjectId, Change> {
    let changes = commits.iter().flat_map(|commit| &commit.changes);
    changes.map(|change| (change.object_id, *change)).collect()
}

fn records_of(writes: &[Write]) -> BTreeMap<(VaultId, ObjectId), Vec<u8>> {
    let record = |write: &Write| match write {
        Write::Object { vault_id, object_id, record, .. } => Some(((*vault_id, *object_id), record.clone())),
        _ => None,
    };
    writes.iter().filter_map(record).collect()
}
