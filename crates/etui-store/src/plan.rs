//! What an accepted upload changes: made by the rules in [`mod@crate::accept`], carried out by [`mod@crate::write`].

use bytes::Bytes;
use etui_chain::{Commit, DeviceId, Digest, Head, Ledger, ObjectId, State, VaultId};

use crate::{Authority, Notice, growth::Growth};

/// All of it happens in one transaction, or nothing.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Hash of the newest state under which it was checked.
    pub(crate) base_state: Digest,
    /// New states, in order.
    pub(crate) states: Vec<State>,
    /// What the states bring.
    pub(crate) named_records: Vec<NamedRecord>,
    /// Devices that the states no longer list.
    pub(crate) removed_devices: Vec<DeviceId>,
    /// Who changes how the account is unlocked: all other sessions end.
    pub(crate) ends_others: Option<EndsOthers>,
    /// The vaults that it changes.
    pub(crate) vaults: Vec<VaultPlan>,
    /// Vaults that it does not change and whose heads a new state vouches for.
    pub(crate) unmoved: Vec<HeldVault>,
    /// What it adds of what plans limit; none for what is put back after a loss.
    pub(crate) growth: Option<Growth>,
}

/// Whose session goes on when all others end, and what its holder is told.
#[derive(Debug)]
pub(crate) struct EndsOthers {
    pub(crate) authority: Authority,
    pub(crate) notice: Option<Notice>,
    pub(crate) now_ms: u64,
}

/// A sealed record that a state names.
#[derive(Debug)]
pub(crate) struct NamedRecord {
    pub(crate) first_version: u64,
    pub(crate) record_hash: Digest,
    pub(crate) bytes: Bytes,
}

/// A vault as the rows have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldVault {
    pub(crate) number: u64,
    pub(crate) vault_id: VaultId,
    pub(crate) head: Head,
}

/// One vault's change.
#[derive(Debug)]
pub(crate) struct VaultPlan {
    pub(crate) vault_id: VaultId,
    /// Absent for a new vault.
    pub(crate) held: Option<HeldVault>,
    /// The vault after the change.
    pub(crate) ledger: Ledger,
    /// New commits, in order.
    pub(crate) commits: Vec<Commit>,
    /// Each object that they change, as the last of them leaves it.
    pub(crate) objects: Vec<ObjectPlan>,
}

/// One object after the change.
#[derive(Debug)]
pub(crate) struct ObjectPlan {
    pub(crate) object_id: ObjectId,
    /// The commit that changed it last.
    pub(crate) seq: u64,
    pub(crate) version: u64,
    pub(crate) record_hash: Digest,
    /// Absent once purged.
    pub(crate) record: Option<Bytes>,
}
