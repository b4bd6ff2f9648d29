//! What is given back to a restored server, and in which order.

use std::collections::{BTreeMap, HashMap};

use etui_api::limits::MAX_HEAL_BYTES;
use etui_chain::{Commit, Digest, Refusal, State, VaultId};
use etui_sync::{HealPlan, Lost, heal_pieces, plan_heal};
use etui_vault::{Entry, EntryType, FieldPath};

use crate::Pair;

#[test]
fn healing_replays_commits_up_to_each_state() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "after the last state");
    pair.settle();
    let server = &pair.wire.server;
    let commits = server.vaults.iter().map(|(id, chain)| (*id, chain.commits.clone())).collect();
    let mut heads = BTreeMap::from([(pair.vault_id, 0)]);
    let mut versions = 0;
    for item in plan_heal(&server.states, &commits) {
        match item {
            HealPlan::Commit(vault_id, seq) => {
                let head = heads.get_mut(&vault_id).unwrap();
                assert_eq!(seq, *head + 1, "no commit is left out");
                *head = seq;
            }
            HealPlan::State(version) => {
                versions += 1;
                assert_eq!(version, versions);
                let state = &server.states[usize::try_from(version).unwrap() - 1];
                assert_eq!(
                    state.vaults[0].head_seq, heads[&pair.vault_id],
                    "the server takes it over this head"
                );
            }
        }
    }
    assert_eq!(heads[&pair.vault_id], server.vaults[&pair.vault_id].ledger.head().seq);
    assert_eq!(versions, server.newest().version);
}

type Commits = BTreeMap<VaultId, Vec<Commit>>;

/// What the server lost since it held only the founding, and what this device holds of it.
fn lost_since_the_founding(pair: &Pair) -> (Vec<State>, Commits, HashMap<Digest, usize>) {
    let server = &pair.wire.server;
    let commits = server.vaults.iter().map(|(id, chain)| (*id, chain.commits[1..].to_vec())).collect();
    (server.states[1..].to_vec(), commits, pair.one.store.held())
}

#[test]
fn healing_is_cut_only_where_no_superseded_record_is_needed() {
    let mut pair = Pair::new();
    for text in ["first", "second", "third"] {
        pair.one_writes(FieldPath::Username, text);
        pair.settle();
    }
    let later = Entry::new(EntryType::Login, "later", pair.account.now()).encode().unwrap();
    pair.one.create(&pair.account, pair.vault_id, &later).unwrap();
    pair.settle();
    let (states, commits, held) = lost_since_the_founding(&pair);
    let server_state = &pair.wire.server.states[0];
    let lost = Lost { server_state, states: &states, commits: &commits, held: &held };
    let (small, large) = (heal_pieces(&lost, 0).unwrap(), heal_pieces(&lost, usize::MAX).unwrap());
    assert_eq!(large.len(), 1);
    let steps: Vec<_> = small.iter().flat_map(|piece| piece.steps.clone()).collect();
    assert_eq!(steps, large[0].steps, "nothing is left out or changes its place");
    let newest = small.last().unwrap();
    assert_eq!((newest.steps.len(), newest.records.len()), (1, 1), "what nobody changed again stands alone");
    let edits = small.iter().find(|piece| piece.records.iter().any(|(_, id)| *id == pair.entry)).unwrap();
    assert!(edits.steps.len() >= 3, "the versions of one entry go together");
}

#[test]
fn what_cannot_be_healed_is_said() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "changed");
    pair.settle();
    let (states, commits, mut held) = lost_since_the_founding(&pair);
    let server_state = &pair.wire.server.states[0];
    let refusal_of = |held: &HashMap<Digest, usize>| {
        let lost = Lost { server_state, states: &states, commits: &commits, held };
        heal_pieces(&lost, 0).unwrap_err().refusal
    };
    let newest = commits[&pair.vault_id].last().unwrap().changes[0].record_hash;
    assert!(held.insert(newest, MAX_HEAL_BYTES).is_some());
    assert_eq!(refusal_of(&held), Refusal::Limit, "no server takes that much");
    held.remove(&newest);
    assert_eq!(refusal_of(&held), Refusal::Missing, "a live record is not held");
}
