//! Few objects, few dead bytes, and every record where it is looked for.

use std::time::Duration;

use etui_chain::VaultId;
use etui_store::{Authority, Collected, Compacted, Job, Store, StoreError};

use crate::{
    backend::{Backend, Fault, frames, signed_up},
    client::{Client, DAY_MS, Edit, NOW_MS},
    durability::real_now_ms,
    pushes::{push, records_of},
};

/// Large enough to be an object of its own.
const LARGE: usize = 20_000;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// What has changed is compacted within so long.
const WITHIN_MS: u64 = 7 * DAY_MS;

pub(crate) async fn scattered_records_are_brought_together(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<_> = (0..30).map(|_| client.id()).collect();
    for id in &ids {
        push(&store, &mut client, &authority, vault_id, &[Edit::Put(*id, LARGE)]).await;
    }
    assert_eq!(backend.object_count("segments").await, 30);
    assert_eq!(store.compact_next(NOW_MS).await.unwrap(), None, "not at once");
    let compacted = compact_all(&store, NOW_MS + WITHIN_MS).await;
    assert_eq!(compacted, [Compacted { records: 31, dead_segments: 31 }], "one of them lay in a row");
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert_eq!(compact_all(&store, NOW_MS + 3 * WITHIN_MS).await, [], "until it changes again");

    assert_eq!(backend.object_count("segments").await, 31, "a pull may still be reading the old ones");
    let later_ms = NOW_MS + WITHIN_MS + DAY_MS;
    store.collect_garbage(later_ms, DAY).await.unwrap();
    assert_eq!(backend.object_count("segments").await, 1);
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert_verified(&store).await;
}

pub(crate) async fn what_was_purged_leaves_the_bucket(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<_> = (0..10).map(|_| client.id()).collect();
    let edits: Vec<_> = ids.iter().map(|id| Edit::Put(*id, 8192)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let [purged, replaced] = [ids[3], ids[4]].map(|id| client.vaults[&vault_id].records[&id].clone());
    push(&store, &mut client, &authority, vault_id, &[Edit::Purge(ids[3]), Edit::Put(ids[4], 20)]).await;
    for record in [&purged, &replaced] {
        assert!(backend.holds_bytes(record).await, "it lies among live ones");
    }
    // The days that the guide to backups states.
    compact_all(&store, NOW_MS + WITHIN_MS).await;
    store.collect_garbage(NOW_MS + WITHIN_MS + DAY_MS, DAY).await.unwrap();
    for record in [&purged, &replaced] {
        assert!(!backend.holds_bytes(record).await);
    }
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert_verified(&store).await;
}

pub(crate) async fn rows_let_go_of_what_was_purged_too(backend: &Backend) {
    const PARTLY_DEAD: &str = "SELECT COUNT(*) FROM segment s WHERE s.dead_since_ms IS NULL \
         AND s.bytes <> (SELECT COALESCE(SUM(o.length), 0) FROM object o WHERE o.segment_number = s.segment_number)";
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let [kept, purged] = [client.id(), client.id()];
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(kept, 50), Edit::Put(purged, 50)]).await;
    push(&store, &mut client, &authority, vault_id, &[Edit::Purge(purged)]).await;
    assert_eq!(backend.count(PARTLY_DEAD).await, 1);
    compact_all(&store, NOW_MS + WITHIN_MS).await;
    assert_eq!(backend.count(PARTLY_DEAD).await, 0);
    store.collect_garbage(NOW_MS + WITHIN_MS + DAY_MS, DAY).await.unwrap();
    assert_eq!(backend.count("SELECT COUNT(*) FROM segment WHERE dead_since_ms IS NOT NULL").await, 0);
    assert_pulled(&store, &client, &authority, vault_id).await;
}

pub(crate) async fn what_cannot_be_removed_keeps_nothing_else_from_it(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    for _ in 0..3 {
        let id = client.id();
        push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, LARGE)]).await;
    }
    let purges: Vec<_> = client.vaults[&vault_id].records.keys().map(|id| Edit::Purge(*id)).collect();
    push(&store, &mut client, &authority, vault_id, &purges).await;
    compact_all(&store, NOW_MS + WITHIN_MS).await;
    store.close().await;
    let store = backend.open_faulty(Fault::KeepsOne).await;
    let later_ms = NOW_MS + WITHIN_MS + DAY_MS;
    store.collect_garbage(later_ms, DAY).await.unwrap_err();
    assert_eq!(backend.object_count("segments").await, 1);
    store.close().await;
    backend.open().await.collect_garbage(later_ms, DAY).await.unwrap();
    assert_eq!(backend.object_count("segments").await, 0, "it is tried again");
}

pub(crate) async fn a_vault_never_becomes_too_scattered_to_pull(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    for round in 0..120 {
        let id = client.id();
        push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, LARGE)]).await;
        let live = backend.live_objects().await;
        assert!(live <= 48, "{live} objects would be read after push {round}");
    }
    assert_pulled(&store, &client, &authority, vault_id).await;
    // A third of that is compacted soon, and not in a week.
    let none = store.compact_next(NOW_MS).await.unwrap();
    assert!(none.is_none() || backend.live_objects().await < 32);
    assert_verified(&store).await;
}

pub(crate) async fn pushes_and_pulls_go_on_beside_compaction(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<_> = (0..20).map(|_| client.id()).collect();
    let edits: Vec<_> = ids.iter().map(|id| Edit::Put(*id, 4000)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let compacting = async {
        for round in 1..=20 {
            compact_all(&store, NOW_MS + round * WITHIN_MS).await;
        }
    };
    let pushing = async {
        for round in 0..40 {
            let id = ids[round % ids.len()];
            push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, 100 * round)]).await;
            let (_, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
            let expected = client.vaults[&vault_id].records.values().map(|record| record.to_vec());
            assert_eq!(records_of(frames(stream).await), expected.collect::<Vec<_>>());
        }
    };
    tokio::join!(compacting, pushing);
    compact_all(&store, NOW_MS + 30 * WITHIN_MS).await;
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert_verified(&store).await;
}

pub(crate) async fn a_compaction_that_fails_is_tried_again_and_loses_nothing(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    for _ in 0..5 {
        let id = client.id();
        push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, LARGE)]).await;
    }
    assert_eq!(store.compact_next(NOW_MS).await.unwrap(), None, "given a time");
    store.close().await;
    let mut now_ms = NOW_MS + WITHIN_MS;
    for fault in [Fault::Full, Fault::DiesAfterWriting] {
        let store = backend.open_faulty(fault).await;
        store.compact_next(now_ms).await.unwrap_err();
        assert_eq!(store.compact_next(now_ms).await.unwrap(), None, "not again at once");
        now_ms += 3_600_000;
        store.close().await;
    }
    let store = backend.open().await;
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert!(store.compact_next(now_ms).await.unwrap().is_some());
    assert_pulled(&store, &client, &authority, vault_id).await;
    assert_verified(&store).await;
}

/// As with a clock that is wrong by days: an object was given up while its push was still on its way.
pub(crate) async fn what_was_given_up_too_early_is_not_acknowledged(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let id = client.id();
    let upload = client.edit(vault_id, &[Edit::Put(id, LARGE)]);
    store.close().await;
    let slow = backend.open_faulty(Fault::WaitsAfterWriting).await;
    let late = async {
        let result = slow.push(&authority, vault_id, upload.clone()).await;
        assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
    };
    let wrong_clock = async {
        backend.written().await;
        assert_eq!(slow.give_up_orphans(real_now_ms() + 3 * DAY_MS, DAY).await.unwrap(), 1);
        backend.go_on();
    };
    tokio::join!(late, wrong_clock);
    slow.push(&authority, vault_id, upload.clone()).await.unwrap();
    client.take(&upload);
    slow.collect_garbage(real_now_ms() + 9 * DAY_MS, DAY).await.unwrap();
    assert_verified(&slow).await;
    slow.close().await;
}

pub(crate) async fn a_job_is_done_once_when_it_is_due(backend: &Backend) {
    let store = backend.open().await;
    let claim = async |now_ms| store.claim_job(Job::Garbage, HOUR, now_ms).await.unwrap();
    assert!(claim(NOW_MS).await);
    assert!(!claim(NOW_MS).await);
    assert!(!claim(NOW_MS + 3_599_999).await);
    assert!(store.claim_job(Job::Orphans, HOUR, NOW_MS).await.unwrap(), "each by itself");
    assert!(claim(NOW_MS + 3_600_000).await);
    // A clock that ran ahead does not put it off for ever.
    assert!(claim(NOW_MS + 400 * DAY_MS).await);
    assert!(claim(NOW_MS + 7_200_000).await);
    assert!(!claim(NOW_MS + 7_200_000).await);
}

async fn compact_all(store: &Store, now_ms: u64) -> Vec<Compacted> {
    let mut all = Vec::new();
    // What has changed is first given a time, which has come once the store is asked again.
    all.extend(store.compact_next(now_ms - WITHIN_MS).await.unwrap());
    while let Some(compacted) = store.compact_next(now_ms).await.unwrap() {
        all.push(compacted);
    }
    all
}

async fn assert_pulled(store: &Store, client: &Client, authority: &Authority, vault_id: VaultId) {
    let (header, stream) = store.changes(authority, vault_id, 0).await.unwrap();
    assert_eq!(header.head, client.head(vault_id));
    let expected = client.vaults[&vault_id].records.values().map(|record| record.to_vec());
    assert_eq!(records_of(frames(stream).await), expected.collect::<Vec<_>>());
}

async fn assert_verified(store: &Store) {
    let mut problems = Vec::new();
    store.verify(&mut |problem| problems.push(problem.to_string())).await.unwrap();
    assert_eq!(problems, Vec::<String>::new());
    let none = Collected::default();
    assert_eq!(store.collect_garbage(NOW_MS, DAY).await.unwrap(), none);
}
