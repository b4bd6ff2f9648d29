//! The live objects of a vault and the Merkle root over them (RFC 6962 §2.1).

use sha2::{Digest as _, Sha256};

use crate::{Commit, Digest, ObjectId, Op, Refusal, Refused};

/// One live object: where the tree has a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The object.
    pub object_id: ObjectId,
    /// Its current version.
    pub version: u64,
    /// Hash of its current record.
    pub record_hash: Digest,
}

impl Leaf {
    fn hash(&self) -> Digest {
        Digest::of(&[
            &[0],
            self.object_id.as_bytes(),
            &self.version.to_be_bytes(),
            self.record_hash.as_bytes(),
        ])
    }
}

/// The live objects of a vault sorted by id, with every level of the tree over them, so that a change costs the
/// hashing of what lies to its right and not of the whole vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSet {
    leaves: Vec<Leaf>,
    /// `levels[0]` are the leaf hashes; each further level pairs the one below, an odd last node moving up alone.
    levels: Vec<Vec<Digest>>,
}

impl LiveSet {
    /// From leaves in any order.
    ///
    /// # Errors
    /// `extra` if an object appears twice.
    pub fn from_leaves(mut leaves: Vec<Leaf>) -> Result<Self, Refused> {
        leaves.sort_unstable_by_key(|leaf| leaf.object_id);
        if leaves.windows(2).any(|pair| pair[0].object_id == pair[1].object_id) {
            return Err(Refusal::Extra.because("an object is listed twice"));
        }
        let mut set = Self { levels: vec![leaves.iter().map(Leaf::hash).collect()], leaves };
        set.rehash_from(0);
        Ok(set)
    }

    /// The live objects, sorted by id.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// How many objects are live.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether nothing is live.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The object's leaf, if it is live.
    pub fn get(&self, object_id: &ObjectId) -> Option<&Leaf> {
        self.position(object_id).ok().map(|index| &self.leaves[index])
    }

    /// The Merkle tree hash; of no leaves it is the hash of nothing.
    pub fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_else(|| Digest::of(&[]))
    }

    /// Applies a commit's changes: a first put is version 1, every later put or purge is version + 1, and only live
    /// objects are purged. Whether the result has the root that the commit states is for the caller to compare.
    ///
    /// # Errors
    /// `forged` for a version out of turn; the set is then in an unusable state and must be dropped.
    pub fn apply(&mut self, commit: &Commit) -> Result<(), Refused> {
        let mut updated = Vec::new();
        let mut first_shifted = usize::MAX;
        for change in &commit.changes {
            let position = self.position(&change.object_id);
            let version_before = position.map_or(0, |index| self.leaves[index].version);
            if Some(change.version) != version_before.checked_add(1) {
                return Err(Refusal::Forged.because("a commit gives an object a version out of turn"));
            }
            let leaf = Leaf {
                object_id: change.object_id,
                version: change.version,
                record_hash: change.record_hash,
            };
            match (change.op, position) {
                (Op::Put, Ok(index)) => {
                    self.leaves[index] = leaf;
                    updated.push(index);
                }
                (Op::Put, Err(index)) => {
                    self.leaves.insert(index, leaf);
                    first_shifted = first_shifted.min(index);
                }
                (Op::Purge, Ok(index)) => {
                    self.leaves.remove(index);
                    first_shifted = first_shifted.min(index);
                }
                (Op::Purge, Err(_)) => {
                    return Err(Refusal::Forged.because("a commit purges what is not live"));
                }
            }
        }
        self.rehash(&updated, first_shifted);
        Ok(())
    }

    fn position(&self, object_id: &ObjectId) -> Result<usize, usize> {
        self.leaves.binary_search_by_key(object_id, |leaf| leaf.object_id)
    }

    /// Ids ascend within a commit, so an index noted before the first shift still points at its leaf, and what was
    /// noted after it is hashed again with everything to the right.
    fn rehash(&mut self, updated: &[usize], first_shifted: usize) {
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        for &index in updated.iter().filter(|&&index| index < first_shifted) {
            self.levels[0][index] = self.leaves[index].hash();
        }
        if first_shifted != usize::MAX {
            self.levels[0].truncate(first_shifted);
            self.levels[0].extend(self.leaves[first_shifted..].iter().map(Leaf::hash));
            self.rehash_from(updated.iter().copied().min().unwrap_or(usize::MAX).min(first_shifted));
        } else if updated.len() > 8 {
            self.rehash_from(updated[0]);
        } else {
            for &index in updated {
                self.rehash_path(index);
            }
        }
    }

    /// Recomputes the nodes above every leaf from `index` on.
    fn rehash_from(&mut self, index: usize) {
        let mut first = index;
        let mut level = 0;
        while self.levels[level].len() > 1 {
            first /= 2;
            if self.levels.len() == level + 1 {
                self.levels.push(Vec::new());
            }
            let (below, above) = self.levels.split_at_mut(level + 1);
            let (below, above) = (&below[level], &mut above[0]);
            above.truncate(first);
            let from = above.len();
            above.extend(below[2 * from..].chunks(2).map(parent));
            level += 1;
        }
        self.levels.truncate(level + 1);
    }

    /// Recomputes the nodes above one leaf; the shape of the tree stays as it is.
    fn rehash_path(&mut self, mut index: usize) {
        for level in 1..self.levels.len() {
            index /= 2;
            let below = &self.levels[level - 1];
            let node = parent(&below[2 * index..below.len().min(2 * index + 2)]);
            self.levels[level][index] = node;
        }
    }
}

/// The Merkle tree hash over leaf inputs, for vectors and attachments' proofs.
pub fn tree_root(leaf_hashes: &[Digest]) -> Digest {
    let mut level = leaf_hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks(2).map(parent).collect();
    }
    level.first().copied().unwrap_or_else(|| Digest::of(&[]))
}

/// An odd last node moves up unchanged: this gives RFC 6962's tree, split at the largest power of two.
fn parent(children: &[Digest]) -> Digest {
    match children {
        [left, right] => {
            let mut hasher = Sha256::new();
            hasher.update([1]);
            hasher.update(left.as_bytes());
            hasher.update(right.as_bytes());
            Digest::new(hasher.finalize().into())
        }
        [only] => *only,
        _ => unreachable!("chunks of two"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Change, CommitDraft, DeviceId, Signature, VaultId};

    /// RFC 6962 §2.1 word for word: split at the largest power of two below n.
    fn rfc_6962(hashes: &[Digest]) -> Digest {
        match hashes {
            [] => Digest::of(&[]),
            [only] => *only,
            _ => {
                let split = hashes.len().next_power_of_two() / 2;
                let (left, right) = (rfc_6962(&hashes[..split]), rfc_6962(&hashes[split..]));
                Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
            }
        }
    }

    fn object(number: u8) -> ObjectId {
        ObjectId::new([number.wrapping_mul(37) | 1; 16]).unwrap()
    }

    fn commit(mut changes: Vec<Change>) -> Commit {
        changes.sort_unstable_by_key(|change| change.object_id);
        changes.dedup_by_key(|change| change.object_id);
        CommitDraft {
            vault_id: VaultId::new([1; 16]).unwrap(),
            seq: 1,
            prev_hash: Digest::ZERO,
            epoch: 0,
            device_id: DeviceId::new([2; 16]).unwrap(),
            time_ms: 0,
            state_hash: Digest::ZERO,
            changes,
            root: Digest::ZERO,
            live: 0,
        }
        .sign_with(Signature::new([0; 64]))
    }

    proptest! {
        #[test]
        fn levels_give_the_root_of_the_definition(
            commits in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<bool>()), 0..20), 1..20)
        ) {
            let mut set = LiveSet::default();
            for (round, wishes) in commits.into_iter().enumerate() {
                let changes = wishes.into_iter().map(|(number, purge)| {
                    let object_id = object(number);
                    let version = set.get(&object_id).map_or(0, |leaf| leaf.version) + 1;
                    let op = if purge && version > 1 { Op::Purge } else { Op::Put };
                    let record_hash = if op == Op::Put { Digest::of(&[&[number], &round.to_be_bytes()]) } else { Digest::ZERO };
                    Change { object_id, version, op, record_hash }
                });
                let changes = changes.collect();
                set.apply(&commit(changes)).unwrap();
                let hashes: Vec<Digest> = set.leaves().iter().map(Leaf::hash).collect();
                prop_assert_eq!(set.root(), rfc_6962(&hashes));
                prop_assert_eq!(set.root(), tree_root(&hashes));
                prop_assert_eq!(&set, &LiveSet::from_leaves(set.leaves().to_vec()).unwrap());
            }
        }
    }

    #[test]
    fn versions_out_of_turn_and_purges_of_nothing_are_refused() {
        let put = |version| Change { object_id: object(1), version, op: Op::Put, record_hash: Digest::ZERO };
        let purge = |version| Change { op: Op::Purge, ..put(version) };
        for wrong in [put(0), put(2), purge(1), put(u64::MAX)] {
            let refused = LiveSet::default().apply(&commit(vec![wrong])).unwrap_err();
            assert_eq!(refused.refusal, Refusal::Forged);
        }
        let mut set = LiveSet::default();
        set.apply(&commit(vec![put(1)])).unwrap();
        for wrong in [put(1), put(3), purge(1), purge(3)] {
            assert_eq!(set.clone().apply(&commit(vec![wrong])).unwrap_err().refusal, Refusal::Forged);
        }
        set.apply(&commit(vec![purge(2)])).unwrap();
        assert!(set.is_empty());
    }
}
