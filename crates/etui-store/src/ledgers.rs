//! Verified ledgers kept in memory, so that a push need not read the whole vault.
//!
//! A cache of immutable facts: a head's hash stands for exactly one ledger, so an entry is never wrong, only unused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use etui_chain::{Digest, Ledger, VaultId};

/// Leaves of all ledgers together; a leaf takes about 120 bytes.
const MAX_LEAVES: usize = 1 << 17;
/// What an empty ledger counts for.
const MIN_WEIGHT: usize = 32;

#[derive(Default)]
pub(crate) struct Ledgers {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_head: HashMap<Digest, Slot>,
    leaves: usize,
    clock: u64,
    /// What the clock said when those unused were last let go of.
    looked_through: u64,
}

struct Slot {
    ledger: Arc<Ledger>,
    used: u64,
}

impl Ledgers {
    /// The ledger whose newest commit has that hash.
    pub(crate) fn get(&self, head_hash: &Digest) -> Option<Arc<Ledger>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clock += 1;
        let clock = slots.clock;
        let slot = slots.by_head.get_mut(head_hash)?;
        slot.used = clock;
        Some(Arc::clone(&slot.ledger))
    }

    /// The newest ledger of a vault below `seq`, and at most `most` behind it. A vault of that id may be another account's.
    pub(crate) fn before(&self, vault_id: VaultId, seq: u64, most: u64) -> Option<Arc<Ledger>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = seq.saturating_sub(most)..seq;
        let older = slots.by_head.values().map(|slot| &slot.ledger);
        let older =
            older.filter(|ledger| ledger.vault_id() == vault_id && behind.contains(&ledger.head().seq));
        older.max_by_key(|ledger| ledger.head().seq).map(Arc::clone)
    }

    /// Keeps a ledger in place of the one before it, and lets go of those unused for longest.
    pub(crate) fn keep(&self, previous_head: &Digest, ledger: Arc<Ledger>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(previous_head);
        slots.remove(&ledger.head().hash);
        slots.clock += 1;
        slots.leaves += weight(&ledger);
        let slot = Slot { used: slots.clock, ledger };
        let head_hash = slot.ledger.head().hash;
        slots.by_head.insert(head_hash, slot);
        while slots.leaves > MAX_LEAVES && slots.by_head.len() > 1 {
            slots.remove_oldest();
        }
    }

    /// Lets go of those that were not used since this was last called.
    pub(crate) fn forget_unused(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let last = slots.looked_through;
        slots.remove_unused_since(last);
        slots.looked_through = slots.clock;
    }

    /// Lets go of a vault that is gone.
    pub(crate) fn forget(&self, vault_id: VaultId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let of_vault = slots.by_head.iter().filter(|(_, slot)| slot.ledger.vault_id() == vault_id);
        let heads: Vec<Digest> = of_vault.map(|(head_hash, _)| *head_hash).collect();
        for head_hash in &heads {
            slots.remove(head_hash);
        }
    }
}

impl Slots {
    fn remove_unused_since(&mut self, clock: u64) {
        let unused = self.by_head.iter().filter(|(_, slot)| slot.used <= clock);
        let heads: Vec<Digest> = unused.map(|(head_hash, _)| *head_hash).collect();
        for head_hash in &heads {
            self.remove(head_hash);
        }
    }

    fn remove(&mut self, head_hash: &Digest) {
        if let Some(slot) = self.by_head.remove(head_hash) {
            self.leaves -= weight(&slot.ledger);
        }
    }

    fn remove_oldest(&mut self) {
        let oldest = self.by_head.iter().min_by_key(|(_, slot)| slot.used).map(|(head_hash, _)| *head_hash);
        if let Some(head_hash) = oldest {
            self.remove(&head_hash);
        }
    }
}

fn weight(ledger: &Ledger) -> usize {
    ledger.live().len() + ledger.purged_len() + MIN_WEIGHT
}

#[cfg(test)]
mod tests {
    use etui_chain::{CommitDraft, DeviceId, Leaf, LiveSet, ObjectId, Signature, VaultId};

    use super::*;

    fn ledger(number: u8, leaves: usize) -> Arc<Ledger> {
        let leaf = |index: usize| Leaf {
            object_id: ObjectId::new((index as u128 + 1).to_be_bytes()).unwrap(),
            version: 1,
            record_hash: Digest::ZERO,
        };
        let live = LiveSet::from_leaves((0..leaves).map(leaf).collect()).unwrap();
        let draft = CommitDraft {
            vault_id: VaultId::new([number; 16]).unwrap(),
            seq: 1,
            prev_hash: Digest::ZERO,
            epoch: 0,
            device_id: DeviceId::new([1; 16]).unwrap(),
            time_ms: 0,
            state_hash: Digest::ZERO,
            changes: Vec::new(),
            root: live.root(),
            live: u32::try_from(leaves).unwrap(),
        };
        let commit = draft.sign_with(Signature::new([0; 64]));
        Arc::new(Ledger::at(&commit, live, std::iter::empty().collect()).unwrap())
    }

    #[test]
    fn the_one_unused_for_longest_goes_first_and_the_newest_always_stays() {
        let ledgers = Ledgers::default();
        let [first, second, third] = [1, 2, 3].map(|number| ledger(number, MAX_LEAVES / 2 - MIN_WEIGHT));
        ledgers.keep(&Digest::ZERO, Arc::clone(&first));
        ledgers.keep(&Digest::ZERO, Arc::clone(&second));
        assert!(ledgers.get(&first.head().hash).is_some(), "both fit, and the first is now the newer");
        ledgers.keep(&Digest::ZERO, Arc::clone(&third));
        assert!(ledgers.get(&second.head().hash).is_none());
        assert!(ledgers.get(&first.head().hash).is_some());

        let huge = ledger(4, MAX_LEAVES + 1);
        ledgers.keep(&third.head().hash, Arc::clone(&huge));
        assert!(ledgers.get(&huge.head().hash).is_some());
        assert!(ledgers.get(&first.head().hash).is_none());
        assert_eq!(ledgers.slots.lock().unwrap().leaves, weight(&huge));
    }

    #[test]
    fn what_nobody_used_in_between_is_let_go_of() {
        let ledgers = Ledgers::default();
        let [used, unused, newer] = [1, 2, 3].map(|number| ledger(number, 10));
        let is_there =
            |ledger: &Ledger| ledgers.slots.lock().unwrap().by_head.contains_key(&ledger.head().hash);
        ledgers.keep(&Digest::ZERO, Arc::clone(&used));
        ledgers.keep(&Digest::ZERO, Arc::clone(&unused));
        ledgers.forget_unused();
        assert!(is_there(&used) && is_there(&unused), "both are new");
        ledgers.get(&used.head().hash).unwrap();
        ledgers.keep(&Digest::ZERO, Arc::clone(&newer));
        ledgers.forget_unused();
        assert!(is_there(&used) && is_there(&newer) && !is_there(&unused));
        assert_eq!(ledgers.slots.lock().unwrap().leaves, weight(&used) + weight(&newer));
        ledgers.forget_unused();
        assert!(ledgers.slots.lock().unwrap().by_head.is_empty());
    }
}
