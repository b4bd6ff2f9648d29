//! The live objects of a vault and the Merkle root over them (RFC 6962 §2.1).

use sha2::{Digest as _, Sha256};

use crate::{Change, Digest, ObjectId, Op, Refusal, Refused};

/// Up to so many replaced leaves are hashed path by path.
const FEW_PATHS: usize = 8;

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
/// hashing of the nodes above what it moves and not of the whole vault.
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

    /// The set after a commit's changes, ids ascending: a first put is version 1, every later put or purge is
    /// version + 1, and only live objects are purged. Whether the result has the root that the commit states is for
    /// the caller to compare.
    ///
    /// # Errors
    /// `forged` for a version out of turn and for ids that do not ascend.
    pub fn after(&self, changes: &[Change]) -> Result<Self, Refused> {
        let mut merged = Merged::with_room_for(self.len() + changes.len());
        for change in changes {
            merged.copy_up_to(self, &change.object_id)?;
            merged.take(self, change)?;
        }
        merged.copy_rest(self);
        Ok(merged.into_set(self))
    }

    fn leaf_hashes(&self) -> &[Digest] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    fn position(&self, object_id: &ObjectId) -> Result<usize, usize> {
        self.leaves.binary_search_by_key(object_id, |leaf| leaf.object_id)
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

/// A set while it is merged from an older one and changes.
struct Merged {
    leaves: Vec<Leaf>,
    hashes: Vec<Digest>,
    /// How many leaves of the older set have been dealt with.
    taken: usize,
    /// Places of leaves that were replaced before anything moved.
    replaced: Vec<usize>,
    /// From here on every leaf has another place than before.
    moved_from: Option<usize>,
}

impl Merged {
    fn with_room_for(count: usize) -> Self {
        Self {
            leaves: Vec::with_capacity(count),
            hashes: Vec::with_capacity(count),
            taken: 0,
            replaced: Vec::new(),
            moved_from: None,
        }
    }

    /// Copies the leaves in front of an object.
    fn copy_up_to(&mut self, older: &LiveSet, object_id: &ObjectId) -> Result<(), Refused> {
        let until = older.position(object_id).unwrap_or_else(|index| index);
        if until < self.taken || self.leaves.last().is_some_and(|last| last.object_id >= *object_id) {
            return Err(Refusal::Forged.because("a commit's changes are not in order"));
        }
        self.copy(older, until);
        Ok(())
    }

    fn copy_rest(&mut self, older: &LiveSet) {
        self.copy(older, older.len());
    }

    fn copy(&mut self, older: &LiveSet, until: usize) {
        self.leaves.extend_from_slice(&older.leaves[self.taken..until]);
        self.hashes.extend_from_slice(&older.leaf_hashes()[self.taken..until]);
        self.taken = until;
    }

    fn take(&mut self, older: &LiveSet, change: &Change) -> Result<(), Refused> {
        let before = older.leaves.get(self.taken).filter(|leaf| leaf.object_id == change.object_id);
        let version_before = before.map_or(0, |leaf| leaf.version);
        if Some(change.version) != version_before.checked_add(1) {
            return Err(Refusal::Forged.because("a commit gives an object a version out of turn"));
        }
        let place = self.leaves.len();
        match (change.op, before.is_some()) {
            (Op::Purge, false) => {
                return Err(Refusal::Forged.because("a commit purges what is not live"));
            }
            (Op::Put, true) if self.moved_from.is_none() => self.replaced.push(place),
            (Op::Put, true) => {}
            (Op::Put, false) | (Op::Purge, true) => {
                self.moved_from.get_or_insert(place);
            }
        }
        self.taken += usize::from(before.is_some());
        if change.op == Op::Put {
            let Change { object_id, version, record_hash, .. } = *change;
            let leaf = Leaf { object_id, version, record_hash };
            self.hashes.push(leaf.hash());
            self.leaves.push(leaf);
        }
        Ok(())
    }

    /// Hashes the nodes above what changed, and no others.
    fn into_set(self, older: &LiveSet) -> LiveSet {
        let first = self.replaced.first().copied().or(self.moved_from);
        let (few, moved) = (self.replaced.len() <= FEW_PATHS, self.moved_from.is_some());
        let mut levels = vec![self.hashes];
        match first {
            Some(first) if moved || !few => {
                let kept = |(level, nodes): (usize, &Vec<Digest>)| {
                    nodes[..nodes.len().min(first >> (level + 1))].to_vec()
                };
                levels.extend(older.levels.iter().skip(1).enumerate().map(kept));
                let mut set = LiveSet { leaves: self.leaves, levels };
                set.rehash_from(first);
                set
            }
            _ => {
                levels.extend(older.levels.iter().skip(1).cloned());
                let mut set = LiveSet { leaves: self.leaves, levels };
                for place in self.replaced {
                    set.rehash_path(place);
                }
                set
            }
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

    fn in_order(changes: impl Iterator<Item = Change>) -> Vec<Change> {
        let mut changes: Vec<_> = changes.collect();
        changes.sort_unstable_by_key(|change| change.object_id);
        changes.dedup_by_key(|change| change.object_id);
        changes
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
                set = set.after(&in_order(changes)).unwrap();
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
            let refused = LiveSet::default().after(&[wrong]).unwrap_err();
            assert_eq!(refused.refusal, Refusal::Forged);
        }
        let set = LiveSet::default().after(&[put(1)]).unwrap();
        for wrong in [put(1), put(3), purge(1), purge(3)] {
            assert_eq!(set.after(&[wrong]).unwrap_err().refusal, Refusal::Forged);
        }
        assert!(set.after(&[purge(2)]).unwrap().is_empty());
    }

    #[test]
    fn changes_out_of_order_and_repeated_ones_are_refused() {
        let put =
            |number| Change { object_id: object(number), version: 1, op: Op::Put, record_hash: Digest::ZERO };
        let [low, high] = [put(0), put(1)];
        assert!(low.object_id < high.object_id);
        assert_eq!(LiveSet::default().after(&[low, high]).unwrap().len(), 2);
        let set = LiveSet::default().after(&[low]).unwrap();
        for wrong in [[high, low], [high, high], [high, Change { version: 2, ..low }]] {
            assert_eq!(set.after(&wrong).unwrap_err().refusal, Refusal::Forged);
            assert_eq!(LiveSet::default().after(&wrong).unwrap_err().refusal, Refusal::Forged);
        }
    }
}
