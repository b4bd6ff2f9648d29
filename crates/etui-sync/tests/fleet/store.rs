//! The local store: what survives a kill.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use etui_chain::{Digest, Leaf, ObjectId, VaultId};
use etui_sync::{StoredAccount, StoredVault, Write};

type Bytes = Vec<u8>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Store {
    states: BTreeMap<u64, Bytes>,
    named_records: BTreeMap<Digest, Bytes>,
    commits: BTreeMap<(VaultId, u64), Bytes>,
    objects: BTreeMap<(VaultId, ObjectId), (Leaf, Bytes)>,
    purged: BTreeSet<(VaultId, ObjectId)>,
    outbox: BTreeMap<(VaultId, ObjectId), Bytes>,
    in_flight: BTreeMap<VaultId, Bytes>,
    state_in_flight: Option<Bytes>,
}

impl Store {
    /// One transaction.
    pub(crate) fn apply(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.write(write);
        }
    }

    pub(crate) fn record(&self, vault_id: VaultId, object_id: ObjectId) -> Option<Bytes> {
        self.objects.get(&(vault_id, object_id)).map(|(_, record)| record.clone())
    }

    pub(crate) fn holds_named(&self, hash: &Digest) -> bool {
        self.named_records.contains_key(hash)
    }

    pub(crate) fn named_record(&self, hash: &Digest) -> Option<&Bytes> {
        self.named_records.get(hash)
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = &Bytes> {
        self.states.values()
    }

    pub(crate) fn commits(&self, vault_id: VaultId) -> impl Iterator<Item = &Bytes> {
        self.commits.iter().filter(move |((id, _), _)| *id == vault_id).map(|(_, commit)| commit)
    }

    pub(crate) fn purged(&self, vault_id: VaultId) -> BTreeSet<ObjectId> {
        self.purged.iter().filter(|(id, _)| *id == vault_id).map(|(_, object_id)| *object_id).collect()
    }

    /// The length of every record by its hash.
    pub(crate) fn held(&self) -> HashMap<Digest, usize> {
        let objects = self.objects.values().map(|(leaf, record)| (leaf.record_hash, record.len()));
        let named = self.named_records.iter().map(|(hash, record)| (*hash, record.len()));
        objects.chain(named).collect()
    }

    /// What [`etui_sync::Engine::restore`] takes.
    pub(crate) fn stored(&self) -> StoredAccount {
        let vault_ids: BTreeSet<VaultId> = self.commits.keys().map(|(vault_id, _)| *vault_id).collect();
        StoredAccount {
            states: self.states.values().cloned().collect(),
            state_in_flight: self.state_in_flight.clone(),
            vaults: vault_ids.into_iter().map(|vault_id| self.stored_vault(vault_id)).collect(),
        }
    }

    fn stored_vault(&self, vault_id: VaultId) -> StoredVault {
        let in_vault = |id: &VaultId| *id == vault_id;
        StoredVault {
            vault_id,
            newest_commit: self
                .commits
                .iter()
                .rfind(|((id, _), _)| in_vault(id))
                .map(|(_, commit)| commit.clone()),
            oldest_commit: self
                .commits
                .iter()
                .find(|((id, _), _)| in_vault(id))
                .map(|(_, commit)| commit.clone()),
            leaves: self
                .objects
                .iter()
                .filter(|((id, _), _)| in_vault(id))
                .map(|(_, (leaf, _))| *leaf)
                .collect(),
            purged: self
                .purged
                .iter()
                .filter(|(id, _)| in_vault(id))
                .map(|(_, object_id)| *object_id)
                .collect(),
            outbox: self
                .outbox
                .iter()
                .filter(|((id, _), _)| in_vault(id))
                .map(|(_, row)| row.clone())
                .collect(),
            in_flight: self.in_flight.get(&vault_id).cloned(),
        }
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::State { version, bytes } => drop(self.states.insert(version, bytes)),
            Write::NamedRecord { hash, bytes } => drop(self.named_records.insert(hash, bytes)),
            Write::Commit { vault_id, seq, bytes } => drop(self.commits.insert((vault_id, seq), bytes)),
            Write::Object { vault_id, object_id, version, hash, record } => {
                let leaf = Leaf { object_id, version, record_hash: hash };
                self.objects.insert((vault_id, object_id), (leaf, record));
            }
            Write::Purged { vault_id, object_id } => {
                self.objects.remove(&(vault_id, object_id));
                self.purged.insert((vault_id, object_id));
            }
            Write::Outbox { vault_id, object_id, bytes } => {
                self.outbox.insert((vault_id, object_id), bytes);
            }
            Write::OutboxDone { vault_id, object_id } => drop(self.outbox.remove(&(vault_id, object_id))),
            Write::InFlight { vault_id, bytes: Some(bytes) } => drop(self.in_flight.insert(vault_id, bytes)),
            Write::InFlight { vault_id, bytes: None } => drop(self.in_flight.remove(&vault_id)),
            Write::StateInFlight { bytes } => self.state_in_flight = bytes,
            Write::Leave { common_version, common_seqs, named_records } => {
                self.state_in_flight = None;
                self.states.retain(|version, _| *version <= common_version);
                self.named_records.retain(|hash, _| named_records.contains(hash));
                for (left, seq) in common_seqs {
                    self.commits.retain(|(id, at), _| *id != left || *at <= seq);
                    self.objects.retain(|(id, _), _| *id != left);
                    self.purged.retain(|(id, _)| *id != left);
                    self.outbox.retain(|(id, _), _| *id != left);
                    self.in_flight.remove(&left);
                }
            }
        }
    }
}
