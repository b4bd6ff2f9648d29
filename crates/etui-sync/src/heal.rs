//! Bringing back what a restored server has lost (`spec/sync.md`, "Heal").

use std::collections::BTreeMap;

use etui_chain::{Commit, State, VaultId};

/// What is uploaded, in the order in which the server replays it.
#[derive(Debug, PartialEq, Eq)]
pub enum HealPlan {
    /// This state.
    State(u64),
    /// This commit of a vault.
    Commit(VaultId, u64),
}

/// Orders states and commits: the commits up to each state's heads, then that state, then what follows the last.
///
/// `states` are those that the server lacks, versions ascending; `commits` those that it lacks, by vault and ascending.
pub fn plan_heal(states: &[State], commits: &BTreeMap<VaultId, Vec<Commit>>) -> Vec<HealPlan> {
    let mut plan = Vec::new();
    let mut waiting: BTreeMap<VaultId, std::iter::Peekable<std::slice::Iter<'_, Commit>>> =
        commits.iter().map(|(vault_id, commits)| (*vault_id, commits.iter().peekable())).collect();
    for state in states {
        for vault in &state.vaults {
            let Some(commits) = waiting.get_mut(&vault.id) else { continue };
            while let Some(commit) = commits.next_if(|commit| commit.seq <= vault.head_seq) {
                plan.push(HealPlan::Commit(vault.id, commit.seq));
            }
        }
        plan.push(HealPlan::State(state.version));
    }
    for (vault_id, commits) in waiting {
        plan.extend(commits.map(|commit| HealPlan::Commit(vault_id, commit.seq)));
    }
    plan
}
