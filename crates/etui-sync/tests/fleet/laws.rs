//! What must hold once every device has talked with the server.

use std::collections::{BTreeMap, BTreeSet};

use etui_chain::{Commit, Ledger, ObjectId, Op, State, VaultId};
use etui_sync::{HealPlan, Lost, heal_pieces};

use crate::{
    kit::{
        device::Device,
        server::{HealStep, Healing, Server},
    },
    schedule::Fleet,
};

/// One head, one state, the same live records that open everywhere, and nothing left to send.
pub(crate) fn assert_converged(fleet: &Fleet) {
    let server = &fleet.wire.server;
    for device in &fleet.devices {
        let engine = &device.engine;
        assert_eq!(engine.state().hash(), server.newest().hash());
        assert_eq!(engine.head_code(), fleet.devices[0].engine.head_code());
        assert_eq!(engine.unsent(), 0);
        for (vault_id, chain) in &server.vaults {
            assert_eq!(engine.head(vault_id), chain.ledger.head());
            assert_eq!(engine.leaves(vault_id), chain.ledger.live().leaves());
            assert!(engine.in_flight(vault_id).is_none());
            for object_id in device.visible(*vault_id) {
                let body = device.body(&fleet.account, *vault_id, object_id);
                assert_eq!(body, fleet.devices[0].body(&fleet.account, *vault_id, object_id));
            }
        }
        assert!(engine.state().named_records().all(|hash| device.store.holds_named(&hash)));
    }
    fleet.devices.iter().for_each(Device::assert_durable);
}

/// Every saved value is somewhere in a live object, unless somebody purged it with the entry in which they saw it.
pub(crate) fn assert_nothing_lost(fleet: &Fleet) {
    let chains = fleet.wire.server.vaults.iter();
    let bodies: Vec<String> = chains
        .flat_map(|(vault_id, chain)| {
            chain.records.values().map(|record| fleet.account.open(*vault_id, record))
        })
        .collect();
    let lost: Vec<&String> = fleet
        .saved
        .difference(&fleet.purged)
        .filter(|value| !bodies.iter().any(|body| body.contains(*value)))
        .collect();
    assert!(lost.is_empty(), "saved and lost: {lost:?}");
}

/// Each commit is made under the state that it must name, versions grow by one, and a purged id stays gone.
pub(crate) fn assert_chains_verify(server: &Server) {
    for pair in server.states.windows(2) {
        pair[1].verify_follows(&pair[0]).unwrap();
    }
    for (vault_id, chain) in &server.vaults {
        let mut ledger = Ledger::empty(*vault_id);
        let mut versions: BTreeMap<ObjectId, u64> = BTreeMap::new();
        let mut purged = BTreeSet::new();
        for commit in &chain.commits {
            let covers = |state: &&State| state.covers(vault_id, commit.seq);
            let state = server.states.iter().rev().find(covers).expect("every commit has a state");
            ledger = ledger.advance(commit, state).unwrap();
            for change in &commit.changes {
                let version = versions.entry(change.object_id).or_default();
                assert_eq!(change.version, *version + 1);
                *version = change.version;
                assert!(!purged.contains(&change.object_id), "a purged id came back");
                if change.op == Op::Purge {
                    purged.insert(change.object_id);
                }
            }
        }
        assert_eq!(ledger.head(), chain.ledger.head());
    }
}

/// Whenever it joined, each device holds every state, every commit and every purged id.
pub(crate) fn assert_history_is_whole(fleet: &Fleet) {
    let server = &fleet.wire.server;
    for device in &fleet.devices {
        assert!(device.store.states().eq(server.states.iter().map(State::as_bytes)));
        for (vault_id, chain) in &server.vaults {
            assert!(device.store.commits(*vault_id).eq(chain.commits.iter().map(Commit::as_bytes)));
            let changes = chain.commits.iter().flat_map(|commit| &commit.changes);
            let purged = changes.filter(|change| change.op == Op::Purge).map(|change| change.object_id);
            assert_eq!(device.store.purged(*vault_id), purged.collect());
        }
    }
}

/// Each device alone gives a server that was restored from its very first backup back what it lost, in pieces of any
/// size.
pub(crate) fn assert_every_device_heals(fleet: &Fleet) {
    for (device, piece_bytes) in fleet.devices.iter().zip([0, 2_000, 20_000, usize::MAX]) {
        let mut restored = fleet.founding.clone();
        for piece in pieces(device, &restored, piece_bytes) {
            restored.heal(piece).expect("each piece is taken");
        }
        assert_eq!(restored.newest().hash(), fleet.wire.server.newest().hash());
        for (vault_id, chain) in &fleet.wire.server.vaults {
            assert_eq!(restored.vaults[vault_id].ledger.head(), chain.ledger.head());
            assert_eq!(restored.vaults[vault_id].records, chain.records);
        }
    }
}

fn pieces(device: &Device, restored: &Server, piece_bytes: usize) -> Vec<Healing> {
    let store = &device.store;
    let states: Vec<State> =
        store.states().skip(restored.states.len()).map(|bytes| State::parse(bytes).unwrap()).collect();
    let lost_commits = |vault_id: VaultId| {
        let held = restored.vaults.get(&vault_id).map_or(0, |chain| chain.commits.len());
        (vault_id, store.commits(vault_id).skip(held).map(|bytes| Commit::parse(bytes).unwrap()).collect())
    };
    let commits: BTreeMap<VaultId, Vec<Commit>> = device.engine.vault_ids().map(lost_commits).collect();
    let (server_state, held) = (restored.newest(), store.held());
    let lost = Lost { server_state, states: &states, commits: &commits, held: &held };
    let pieces = heal_pieces(&lost, piece_bytes).unwrap();
    let step = |step: &HealPlan| match *step {
        HealPlan::State(version) => {
            let state = states.iter().find(|state| state.version == version);
            HealStep::State(Box::new(state.expect("a step is of what was lost").clone()))
        }
        HealPlan::Commit(vault_id, seq) => {
            let commit = commits[&vault_id].iter().find(|commit| commit.seq == seq);
            HealStep::Commit(Box::new(commit.expect("a step is of what was lost").clone()))
        }
    };
    let healing = |piece: etui_sync::HealPiece| Healing {
        steps: piece.steps.iter().map(step).collect(),
        records: piece.records.iter().map(|(vault, object)| store.record(*vault, *object).unwrap()).collect(),
        named_records: piece
            .named_records
            .iter()
            .map(|hash| store.named_record(hash).unwrap().clone())
            .collect(),
    };
    pieces.into_iter().map(healing).collect()
}
