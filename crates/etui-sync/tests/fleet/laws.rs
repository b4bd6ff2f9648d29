//! What must hold once every device has talked with the server.

use std::collections::{BTreeMap, BTreeSet};

use etui_chain::{Ledger, ObjectId, Op, State};

use crate::{
    kit::{device::Device, server::Server},
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
