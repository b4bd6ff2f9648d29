//! Two nodes over one database: what only backends that more than one process can use have to do.

use std::time::Duration;

use etui_api::sync::Event;
use etui_chain::{Digest, Op, Refusal};
use etui_store::{Exchange, Rotation, StoreError};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::{
    backend::{Backend, refusal, signed_up},
    client::{Edit, NOW_MS},
    limits,
    plans::{entries, give, limit, with_two_vaults},
    pushes::{push, race},
    sessions::Family,
};

/// Longer than any news takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn news_travel_between_nodes(backend: &Backend) {
    let (one, mut client, authority, vault_id) = signed_up(backend).await;
    let two = backend.open().await;
    let mut events = Box::pin(two.subscribe(&authority));
    for seq in 2..20 {
        push(&one, &mut client, &authority, vault_id, &[]).await;
        let heard = timeout(PATIENCE, events.next()).await.unwrap();
        assert_eq!(heard, Some(Event::Vault { vault_id, seq }));
    }
    one.push_state(&authority, client.bare_state(), None, NOW_MS).await.unwrap();
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap(), Some(Event::State { version: 2 }));
}

pub(crate) async fn a_node_that_lost_its_connection_tells_its_readers_to_pull(backend: &Backend) {
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (one, mut client, authority, vault_id) = signed_up(backend).await;
    let two = backend.open().await;
    let mut events = Box::pin(two.subscribe(&authority));
    backend.execute(CUT).await;
    // Nobody knows what was said meanwhile: the answer is the newest state, which means "pull".
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap(), Some(Event::State { version: 1 }));
    let upload = client.edit(vault_id, &[]);
    // Each connection of the pool is found dead once: a client is told to come back, and does.
    while let Err(error) = one.push(&authority, vault_id, upload.clone()).await {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    }
    let heard = timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(heard, Some(Event::Vault { vault_id, seq: 2 }), "and news are heard again");
}

pub(crate) async fn of_two_pushes_on_two_nodes_one_wins(backend: &Backend) {
    let (one, mut client, authority, vault_id) = signed_up(backend).await;
    let two = backend.open().await;
    let also = two.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    race([(&one, &authority), (&two, &also)], &mut client, vault_id).await;
}

pub(crate) async fn of_fifty_refreshes_on_two_nodes_none_leaves_two_tokens(backend: &Backend) {
    let mut family = Family::begin(backend).await;
    let nodes = [family.store.clone(), family.place.open().await];
    let presented = family.newest();
    let request = Digest::of(&[b"one request, sent again and again"]);
    let same = vec![family.exchange_of(presented, Some(request)); 50];
    for rotation in Family::all_at_once(&nodes, &same).await {
        assert!(matches!(rotation, Rotation::Rotated(_)), "the same successor: {rotation:?}");
    }

    let presented = same[0].next;
    let different: Vec<Exchange> =
        (0..50).map(|index: u8| family.exchange_of(presented, Some(Digest::of(&[&[index]])))).collect();
    let rotations = Family::all_at_once(&nodes, &different).await;
    let rotated = rotations.iter().filter(|rotation| matches!(rotation, Rotation::Rotated(_))).count();
    let reused = rotations.iter().filter(|rotation| matches!(rotation, Rotation::Reused)).count();
    assert_eq!((rotated, reused), (1, 1));
    for node in &nodes {
        assert!(node.authority(family.session_id, NOW_MS).await.unwrap().is_none());
        for exchange in &different {
            let next = family.exchange_of(exchange.next, None);
            let rotation = node.rotate_refresh(&next, NOW_MS).await.unwrap();
            assert!(matches!(rotation, Rotation::Unknown), "no token is left: {rotation:?}");
        }
    }
}

pub(crate) async fn of_two_nodes_that_want_the_last_room_one_has_it(backend: &Backend) {
    let (one, mut client, authority, [left, right]) = with_two_vaults(backend).await;
    let two = backend.open().await;
    let also = two.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    for round in 1..=20 {
        give(&one, &authority, entries(round)).await;
        let [here, there] = [client.id(), client.id()];
        let here = client.edit(left, &[Edit::Put(here, 8)]);
        let there = client.edit(right, &[Edit::Put(there, 8)]);
        let (one_answer, two_answer) =
            tokio::join!(one.push(&authority, left, here.clone()), two.push(&also, right, there.clone()),);
        match (&one_answer, &two_answer) {
            (Ok(_), Err(_)) => {
                client.take(&here);
                assert_eq!(limit(two_answer).2, round + 1);
            }
            (Err(_), Ok(_)) => {
                client.take(&there);
                assert_eq!(limit(one_answer).2, round + 1);
            }
            other => panic!("both or none: {other:?}"),
        }
        assert_eq!(two.entitlements(&also).await.unwrap().used.entries, round);
    }
}

pub(crate) async fn nodes_push_in_turn(backend: &Backend) {
    let (one, mut client, authority, vault_id) = signed_up(backend).await;
    let two = backend.open().await;
    let also = two.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    let nodes = [(&one, &authority), (&two, &also)];
    // Few and many commits of the other node to catch up with, among them purges and one under another state.
    for run in [1, 1, 2, 5, 40, 1] {
        for (store, authority) in nodes {
            for _ in 0..run {
                let [kept, purged] = [client.id(), client.id()];
                let puts = [Edit::Put(kept, 20), Edit::Put(purged, 20)];
                push(store, &mut client, authority, vault_id, &puts).await;
                push(store, &mut client, authority, vault_id, &[Edit::Purge(purged)]).await;
            }
            let state = client.bare_state();
            store.push_state(authority, state.clone(), None, NOW_MS).await.unwrap();
            client.state = Some(state.state);
        }
    }
    let reused = client.vaults[&vault_id].commits.iter().rev().find_map(|commit| {
        commit.changes.iter().find(|change| change.op == Op::Purge).map(|change| change.object_id)
    });
    for (store, authority) in nodes {
        let upload = client.edit(vault_id, &[Edit::Put(reused.unwrap(), 20)]);
        let answer = store.push(authority, vault_id, upload).await;
        assert_eq!(refusal(answer), Refusal::Forged, "what one node purged is purged for both");
    }
}

pub(crate) async fn nodes_count_tries_together(backend: &Backend) {
    limits::race(&[backend.open().await, backend.open().await, backend.open().await]).await;
}

pub(crate) async fn nodes_that_start_at_once_migrate_once(backend: &Backend) {
    let (one, two, three) = tokio::join!(backend.open(), backend.open(), backend.open());
    for store in [one, two, three] {
        store.ready().await.unwrap();
        store.close().await;
    }
}
