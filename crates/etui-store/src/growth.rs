//! How an upload changes what plans limit: worked out from the upload alone, compared with the plan when it is written.

use std::collections::BTreeSet;

use etui_chain::{Commit, Op, StateBody, VaultId};

/// What there is before an upload and after it. Made only for one that adds something: no other is ever refused for a plan.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) before: Listed,
    pub(crate) after: Listed,
    /// Entries that come into vaults that were there before, less those that go.
    pub(crate) entries: u64,
}

/// What a state lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) devices: u64,
    pub(crate) vaults: BTreeSet<VaultId>,
}

impl Growth {
    /// Of a commit under the newest state: `None` if there are no more entries after it than before.
    pub(crate) fn of_commit(state: &StateBody, commit: &Commit) -> Option<Self> {
        let entries = added_entries(commit)?;
        let listed = Listed::by(state);
        Some(Self { before: listed.clone(), after: listed, entries })
    }

    /// Of a state, with the vaults that come with it: `None` if it lists no more than the one before.
    pub(crate) fn of_state(newest: Option<&StateBody>, state: &StateBody) -> Option<Self> {
        let (before, after) = (newest.map(Listed::by).unwrap_or_default(), Listed::by(state));
        let grows = after.devices > before.devices || !after.vaults.is_subset(&before.vaults);
        grows.then_some(Self { before, after, entries: 0 })
    }
}

impl Listed {
    pub(crate) fn by(state: &StateBody) -> Self {
        Self {
            devices: state.devices.len() as u64,
            vaults: state.vaults.iter().map(|vault| vault.id).collect(),
        }
    }
}

/// How many entries more there are after a commit. A vault's settings are no entry.
fn added_entries(commit: &Commit) -> Option<u64> {
    let entries = commit.changes.iter().filter(|change| change.object_id.id() != commit.vault_id.id());
    let (mut come, mut gone) = (0_u64, 0);
    for change in entries {
        match change.op {
            // The first version of an object is the one that brings it.
            Op::Put => come += u64::from(change.version == 1),
            Op::Purge => gone += 1,
        }
    }
    come.checked_sub(gone).filter(|added| *added > 0)
}
