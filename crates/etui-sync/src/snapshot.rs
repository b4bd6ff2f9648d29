//! A vault whole: the newest commit and every live record.

use std::collections::BTreeSet;

use etui_chain::{Change, Digest, Op};
use etui_chain::{
    Commit, Leaf, Ledger, LiveSet, ObjectId, RecordHeader, RecordType, Refusal, Refused, State, VaultId,
    check_newest, check_record, record_hash,
};
use etui_crypto::{open_entry, open_vault_settings};
use zeroize::Zeroizing;

use crate::{VaultKeys, Write, push::commit_write};

/// What `GET /v1/vaults/{vault_id}/changes?after=0` gives.
#[derive(Debug)]
pub struct Snapshot {
    /// The newest commit.
    pub commit: Commit,
    /// Every live record.
    pub records: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Checks a snapshot shown to a device without pins for this vault: the commit against the newest state, the
    /// records against the commit's root.
    ///
    /// # Errors
    /// `wrong_context`, `rollback`, `vault_unsigned`, `missing`, `extra`, `forged`, or what a record's header shows.
    pub(crate) fn verify(self, vault_id: VaultId, state: &State) -> Result<(Ledger, Vec<Write>), Refused> {
        let Self { commit, records } = self;
        if commit.vault_id != vault_id {
            return Err(Refusal::WrongContext.because("a commit of another vault"));
        }
        check_newest(&commit, state)?;
        let mut leaves = Vec::with_capacity(records.len());
        let mut writes = vec![commit_write(&commit)];
        for record in records {
            let leaf = leaf_of(&record, vault_id)?;
            let Leaf { object_id, version, record_hash: hash } = leaf;
            writes.push(Write::Object { vault_id, object_id, version, hash, record });
            leaves.push(leaf);
        }
        // Those of older commits become known with the history.
        let is_purge = |change: &&Change| change.op == Op::Purge;
        let purged: BTreeSet<ObjectId> =
            commit.changes.iter().filter(is_purge).map(|change| change.object_id).collect();
        writes.extend(purged.iter().map(|&object_id| Write::Purged { vault_id, object_id }));
        let ledger = Ledger::at(&commit, LiveSet::from_leaves(leaves)?, purged)?;
        Ok((ledger, writes))
    }
}

/// The leaf that a record claims by its own header; the root decides whether the claim is true.
fn leaf_of(record: &[u8], vault_id: VaultId) -> Result<Leaf, Refused> {
    let header = RecordHeader::parse(record)?;
    let object_id = ObjectId::from(header.object_id);
    let put = Change { object_id, version: header.version, op: Op::Put, record_hash: record_hash(record) };
    check_record(record, vault_id, None, &put)?;
    Ok(Leaf { object_id, version: put.version, record_hash: put.record_hash })
}

/// Opens a vault object's record with the key of the epoch in its header. `hash` is that of its leaf, `None` where the
/// bytes were sealed on this device.
pub(crate) fn open_body(
    keys: &VaultKeys,
    vault_id: VaultId,
    record: &[u8],
    hash: Option<Digest>,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let header = RecordHeader::parse(record)?;
    let key = keys.get(vault_id, header.epoch)?;
    match header.record_type {
        RecordType::Entry => open_entry(key, header.object_id.into(), header.version, hash, record),
        RecordType::VaultSettings => open_vault_settings(key, header.version, hash, record),
        _ => Err(Refusal::Format.because("a record that is neither an entry nor vault settings")),
    }
}
