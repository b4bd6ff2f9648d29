//! One vault's verified position, and the rules by which it moves. The server and every client apply the same.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    Change, Commit, Digest, ExpectedHeader, LAST_PART, LiveSet, ObjectId, Op, RecordHeader, RecordType,
    Refusal, Refused, SCHEMA, State, VaultEntry, VaultId, record_hash,
};

/// The newest commit of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Its place in the chain; 0 before the first commit.
    pub seq: u64,
    /// Its hash; zeros before the first commit.
    pub hash: Digest,
}

impl Head {
    /// Before the first commit.
    pub const NONE: Self = Self { seq: 0, hash: Digest::ZERO };
}

/// A vault as far as it has been verified: head, epoch, live objects, ids that are gone for ever.
#[derive(Debug, Clone)]
pub struct Ledger {
    vault_id: VaultId,
    head: Head,
    epoch: u32,
    live: LiveSet,
    /// Few ever change it, and every ledger after this one holds the same.
    purged: Arc<BTreeSet<ObjectId>>,
}

impl Ledger {
    /// A vault without commits.
    pub fn empty(vault_id: VaultId) -> Self {
        Self { vault_id, head: Head::NONE, epoch: 0, live: LiveSet::default(), purged: Arc::default() }
    }

    /// A vault at a commit that the caller has verified, with the objects live after it and the ids known to be
    /// purged (all of them on the server; on a client those in the commits it holds).
    ///
    /// # Errors
    /// `missing`, `extra` or `forged` if the objects are not those of the commit's root.
    pub fn at(commit: &Commit, live: LiveSet, purged: BTreeSet<ObjectId>) -> Result<Self, Refused> {
        check_root(commit, &live)?;
        let head = Head { seq: commit.seq, hash: commit.hash() };
        Ok(Self { vault_id: commit.vault_id, head, epoch: commit.epoch, live, purged: Arc::new(purged) })
    }

    /// The vault.
    pub const fn vault_id(&self) -> VaultId {
        self.vault_id
    }

    /// Its newest commit.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The epoch of its newest commit.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The live objects.
    pub const fn live(&self) -> &LiveSet {
        &self.live
    }

    /// Whether the id was live once and is gone.
    pub fn is_purged(&self, object_id: &ObjectId) -> bool {
        self.purged.contains(object_id)
    }

    /// How many ids were live once and are gone.
    pub fn purged_len(&self) -> usize {
        self.purged.len()
    }

    /// Adds ids known to be purged from older commits that were fetched later.
    pub fn note_purged(&mut self, object_ids: impl IntoIterator<Item = ObjectId>) {
        Arc::make_mut(&mut self.purged).extend(object_ids);
    }

    /// Moves to the commit that comes next, made under `state`, if it keeps every rule that needs no key. The caller
    /// has chosen `state`: the newest whose head for this vault is below the commit (`spec/crypto.md`, "Which
    /// state").
    ///
    /// # Errors
    /// `wrong_context` for another vault; `rollback` for a place already passed; `missing` for a gap; `fork` if it
    /// does not build on the head; `vault_unsigned` if the state does not list the vault; else `forged`.
    pub fn advance(&self, commit: &Commit, state: &State) -> Result<Self, Refused> {
        self.check_place(commit)?;
        check_authority(commit, state)?;
        if commit.epoch < self.epoch {
            return Err(Refusal::Forged.because("a commit takes the epoch back"));
        }
        if commit.changes.iter().any(|change| self.purged.contains(&change.object_id)) {
            return Err(Refusal::Forged.because("a commit uses a purged id again"));
        }
        let live = self.live.after(&commit.changes)?;
        if commit.root != live.root() || commit.live as usize != live.len() {
            return Err(Refusal::Forged.because("a commit's root is not that of its objects"));
        }
        let mut purged = Arc::clone(&self.purged);
        let newly_purged = commit.changes.iter().filter(|change| change.op == Op::Purge);
        for change in newly_purged {
            Arc::make_mut(&mut purged).insert(change.object_id);
        }
        let head = Head { seq: commit.seq, hash: commit.hash() };
        Ok(Self { vault_id: self.vault_id, head, epoch: commit.epoch, live, purged })
    }

    fn check_place(&self, commit: &Commit) -> Result<(), Refused> {
        if commit.vault_id != self.vault_id {
            return Err(Refusal::WrongContext.because("a commit of another vault"));
        }
        if commit.seq <= self.head.seq {
            return Err(Refusal::Rollback.because("a commit at a place already passed"));
        }
        if commit.seq > self.head.seq + 1 {
            return Err(Refusal::Missing.because("commits between the head and this one were not delivered"));
        }
        if commit.prev_hash != self.head.hash {
            return Err(Refusal::Fork.because("a commit that does not follow the head"));
        }
        Ok(())
    }
}

/// Checks a newest commit that a device without pins was shown, against the newest state: at the state's own head
/// the signed hash vouches for it, above it the commit must be made under this state.
///
/// # Errors
/// `vault_unsigned` if the state does not list the vault; `rollback` for a commit below the state's head; else
/// `forged`.
pub fn check_newest(commit: &Commit, state: &State) -> Result<(), Refused> {
    let vault = listed(state, commit.vault_id)?;
    if commit.seq < vault.head_seq {
        return Err(Refusal::Rollback.because("a newest commit older than the signed state's head"));
    }
    if commit.seq > vault.head_seq {
        return check_authority(commit, state);
    }
    if commit.hash() == vault.head_hash {
        Ok(())
    } else {
        Err(Refusal::Forged.because("the commit at the signed head is another"))
    }
}

/// Checks that a vault object's record is the one that a commit put: right place, right version, right hash.
/// Attachments are checked part by part with [`crate::parts_hash`].
///
/// # Errors
/// `truncated`, `format`, `unknown_suite`, `rollback`, `wrong_context`, `forged`, first failure wins.
pub fn check_record(
    record: &[u8],
    vault_id: VaultId,
    epoch: Option<u32>,
    put: &Change,
) -> Result<RecordType, Refused> {
    let header = RecordHeader::parse(record)?;
    if !header.record_type.is_vault_object() {
        return Err(Refusal::Format.because("a record of a type that no commit puts"));
    }
    header.check(&ExpectedHeader {
        record_type: header.record_type,
        schema: SCHEMA,
        container_id: vault_id.id(),
        object_id: put.object_id.id(),
        version: Some(put.version),
        epoch,
        part: LAST_PART,
    })?;
    if record_hash(record) != put.record_hash {
        return Err(Refusal::Forged.because("a record is not the one that was signed"));
    }
    Ok(header.record_type)
}

/// Fewer objects than signed are `missing`, more are `extra`, the right number of others is `forged`.
fn check_root(commit: &Commit, live: &LiveSet) -> Result<(), Refused> {
    if live.len() < commit.live as usize {
        return Err(Refusal::Missing.because("an object that the commit counts was not delivered"));
    }
    if live.len() > commit.live as usize {
        return Err(Refusal::Extra.because("an object was delivered that the commit does not count"));
    }
    if live.root() != commit.root {
        return Err(Refusal::Forged.because("the objects delivered are not those of the commit's root"));
    }
    Ok(())
}

fn check_authority(commit: &Commit, state: &State) -> Result<(), Refused> {
    let vault = listed(state, commit.vault_id)?;
    if commit.state_hash != state.hash() || vault.head_seq >= commit.seq {
        return Err(Refusal::Forged.because("a commit names another state than the one it was made under"));
    }
    if commit.epoch != vault.epoch {
        return Err(Refusal::Forged.because("a commit of another epoch than its state's"));
    }
    let device_key = state
        .device_key(&commit.device_id)
        .ok_or(Refusal::Forged.because("a commit by a device that the state does not list"))?;
    commit.verify_signature(&device_key)
}

fn listed(state: &State, vault_id: VaultId) -> Result<&VaultEntry, Refused> {
    state.vault(&vault_id).ok_or(Refusal::VaultUnsigned.because("the signed state does not list this vault"))
}
