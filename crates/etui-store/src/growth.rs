//! How an upload changes what plans limit: worked out from the upload alone, compared with the plan when it is written.

use etui_chain::{Commit, Op, StateBody};

use crate::plan::VaultPlan;

/// What an upload adds. Made only for one that adds something: no other is ever refused for a plan.
#[derive(Debug)]
pub(crate) struct Growth {
    /// Devices that the newest state lists, before and after.
    pub(crate) devices: [u64; 2],
    /// Vaults that were not there before. One that a state lists no more is there still, and so is one that it lists again.
    pub(crate) vaults: u64,
    /// Entries that come, less those that go.
    pub(crate) entries: u64,
}

impl Growth {
    /// Of a commit under the newest state: `None` if there are no more entries after it than before.
    pub(crate) fn of_commit(state: &StateBody, commit: &Commit) -> Option<Self> {
        let entries = added_entries(commit)?;
        Some(Self { devices: [devices(state); 2], vaults: 0, entries })
    }

    /// Of a state, with the vaults that come with it: `None` if it lists no more devices than the one before and brings no vault.
    pub(crate) fn of_state(newest: Option<&StateBody>, state: &StateBody, new: &[VaultPlan]) -> Option<Self> {
        let devices = [newest.map_or(0, devices), devices(state)];
        let entries = new.iter().flat_map(|vault| &vault.commits).filter_map(added_entries).sum();
        let grows = devices[1] > devices[0] || !new.is_empty();
        grows.then_some(Self { devices, vaults: new.len() as u64, entries })
    }
}

/// How many devices a state lists.
pub(crate) fn devices(state: &StateBody) -> u64 {
    state.devices.len() as u64
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
