//! Backup, restore and verification.

use etui_chain::VaultId;
use etui_store::{
    Authority, Copied, DatabaseConfig, ObjectsConfig, SELF_HOSTED, Store, StoreConfig, StoreError,
};

use crate::{
    backend::{Backend, frames, signed_up},
    client::{Client, Edit, NOW_MS},
    pushes::push,
};

/// Large enough to be an object of its own.
const LARGE: usize = 30_000;

pub(crate) async fn what_is_backed_up_while_others_push_is_whole(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    let folder = tempfile::tempdir().unwrap();
    let pushing = async {
        for round in 0..40 {
            let id = client.id();
            let length = if round % 2 == 0 { 50 } else { LARGE };
            push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, length)]).await;
        }
    };
    let (copied, ()) = tokio::join!(store.back_up(folder.path()), pushing);
    assert!(copied.unwrap().segments >= 3);
    let backup = Store::look(&in_folder(folder.path())).await.unwrap();
    assert_eq!(problems(&backup).await, Vec::<String>::new());
    backup.close().await;
}

pub(crate) async fn what_is_restored_is_what_was_backed_up(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    let folder = tempfile::tempdir().unwrap();
    let copied = store.back_up(folder.path()).await.unwrap();
    assert_eq!((copied.segments, copied.kept), (3, 0));

    let elsewhere = (backend.another)();
    let restored = elsewhere.open().await;
    assert_eq!(restored.restore(folder.path()).await.unwrap(), copied);
    assert_eq!(problems(&restored).await, Vec::<String>::new());
    assert!(matches!(restored.restore(folder.path()).await, Err(StoreError::NotEmpty)));

    // Sessions are not part of it; the account is, to the last byte, and goes on.
    let again = client.sign_in(&restored).await;
    let (_, before) = store.changes(&authority, vault_id, 0).await.unwrap();
    let (_, after) = restored.changes(&again, vault_id, 0).await.unwrap();
    assert_eq!(frames(before).await, frames(after).await);
    let id = client.id();
    push(&restored, &mut client, &again, vault_id, &[Edit::Put(id, LARGE)]).await;
    restored.push_state(&again, client.bare_state(), None, NOW_MS).await.unwrap();
    assert_eq!(problems(&restored).await, Vec::<String>::new());
}

pub(crate) async fn a_later_backup_copies_only_what_is_new(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    let folder = tempfile::tempdir().unwrap();
    let first = store.back_up(folder.path()).await.unwrap();
    let id = client.id();
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, LARGE)]).await;
    let second = store.back_up(folder.path()).await.unwrap();
    assert_eq!((second.segments, second.kept), (1, first.segments));
    let unchanged = store.back_up(folder.path()).await.unwrap();
    assert_eq!(unchanged, Copied { segments: 0, kept: second.segments + second.kept, ..second });
    let backup = Store::look(&in_folder(folder.path())).await.unwrap();
    assert_eq!(problems(&backup).await, Vec::<String>::new());
    backup.close().await;
}

pub(crate) async fn verification_names_what_is_wrong_and_nothing_else(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    assert_eq!(problems(&store).await, Vec::<String>::new());

    let removed = backend.remove_objects(3).await;
    let flipped = client.id();
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(flipped, 50)]).await;
    let name = flipped.to_string();
    let literal = backend.bytes_literal(&name);
    backend.execute(&format!("UPDATE object SET version = 7 WHERE object_id = {literal}")).await;
    let mut named = problems(&store).await;
    named.sort();
    let mut expected: Vec<String> = removed
        .iter()
        .map(|path| format!("vault {vault_id}: {path} with 1 live records is missing or too short"))
        .collect();
    expected.push(format!("vault {vault_id}, object {name}: its row is not what the chain says"));
    expected.sort();
    assert_eq!(named, expected);

    backend.execute("DELETE FROM vault_commit WHERE seq = 2").await;
    let named = problems(&store).await;
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].starts_with(&format!("vault {vault_id}, commit 3: ")), "{named:?}");
}

pub(crate) async fn a_folder_without_a_store_is_not_made_into_one(backend: &Backend) {
    let store = backend.open().await;
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(store.restore(folder.path()).await, Err(StoreError::NoStore { .. })));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

pub(crate) async fn what_is_missing_is_not_passed_over(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    let folder = tempfile::tempdir().unwrap();
    store.back_up(folder.path()).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("objects/segments")).unwrap();
    let elsewhere = (backend.another)();
    let restored = elsewhere.open().await;
    assert!(matches!(restored.restore(folder.path()).await, Err(StoreError::Damaged { .. })));
    assert_eq!(restored.login("anybody@example.org").await.unwrap().map(|_| ()), None);
    let verified = restored.verify(&mut |_| {}).await.unwrap();
    assert_eq!(verified.accounts, 0, "nothing was restored");

    store.back_up(folder.path()).await.unwrap();
    backend.remove_objects(1).await;
    std::fs::remove_dir_all(folder.path().join("objects/segments")).unwrap();
    assert!(matches!(store.back_up(folder.path()).await, Err(StoreError::Damaged { .. })));
    assert!(folder.path().join("etui.db").is_file(), "the backup before it is still named");
}

pub(crate) async fn segments_of_another_database_are_left_alone(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    fill(&store, &mut client, &authority, vault_id).await;
    let count = backend.object_count("segments").await;
    let elsewhere = (backend.another)().with_objects_of(backend);
    let refused = Store::open(&elsewhere.config()).await.err().unwrap();
    assert!(matches!(refused, StoreError::OtherStore), "{refused:?}");
    assert_eq!(backend.object_count("segments").await, count);
    let folder = tempfile::tempdir().unwrap();
    store.back_up(folder.path()).await.unwrap();
    let other = Store::take_over(&elsewhere.config()).await.unwrap();
    let still = Store::look(&backend.config()).await;
    assert!(still.is_ok(), "nodes that wait for it must not find an empty database");
    other.restore(folder.path()).await.unwrap();
    assert_eq!(problems(&other).await, Vec::<String>::new());
    other.close().await;
    // What restarts of the first one say from now on.
    store.close().await;
    let refused = Store::open(&backend.config()).await.err().unwrap();
    assert!(matches!(refused, StoreError::OtherStore), "{refused:?}");
}

/// Three objects in segments of their own, some inline, one superseded, one purged.
async fn fill(store: &Store, client: &mut Client, authority: &Authority, vault_id: VaultId) {
    let large: Vec<_> = (0..3).map(|_| client.id()).collect();
    for id in &large {
        push(store, client, authority, vault_id, &[Edit::Put(*id, LARGE)]).await;
    }
    let [small, purged] = [client.id(), client.id()];
    push(store, client, authority, vault_id, &[Edit::Put(small, 50), Edit::Put(purged, 50)]).await;
    push(store, client, authority, vault_id, &[Edit::Put(small, 60)]).await;
    push(store, client, authority, vault_id, &[Edit::Purge(purged)]).await;
}

async fn problems(store: &Store) -> Vec<String> {
    let mut problems = Vec::new();
    let verified = store.verify(&mut |problem| problems.push(problem.to_string())).await.unwrap();
    assert_eq!(verified.problems, problems.len() as u64);
    assert_eq!(verified.accounts, 1);
    problems
}

fn in_folder(folder: &std::path::Path) -> StoreConfig {
    StoreConfig {
        data: folder.to_owned(),
        database: DatabaseConfig::File,
        objects: ObjectsConfig::Folder,
        default_plan: SELF_HOSTED.to_owned(),
    }
}
