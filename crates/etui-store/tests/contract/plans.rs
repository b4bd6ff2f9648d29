//! Plans bound growth and nothing else; administration is noted, and somebody always can do it.

use bytes::Bytes;
use etui_api::{
    admin::Role,
    plan::{Entitlements, Used},
};
use etui_chain::{ObjectId, PublicKey, StateBody, VaultId};
use etui_store::{Authority, StateUpload, Store, StoreError};
use sea_orm::ConnectionTrait as _;

use crate::{
    backend::{Backend, signed_up},
    client::{Client, Edit, NOW_MS},
    pushes::push,
    states::with_new_vault,
};

/// Gives an account a plan with just these entitlements.
pub(crate) async fn give(store: &Store, authority: &Authority, entitlements: Entitlements) {
    let operator = store.operator();
    store.define_plan(&operator, "small", &entitlements).await.unwrap();
    store.set_plan(&operator, authority.account_id(), Some("small"), NOW_MS).await.unwrap();
}

pub(crate) fn entries(entries: u64) -> Entitlements {
    Entitlements { entries: Some(entries), ..Entitlements::default() }
}

/// What has no room, how much there is, and how much there would be.
pub(crate) fn limit<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (String, u64, u64) {
    match result {
        Err(StoreError::PlanLimit(limit)) => (limit.what, limit.allowed, limit.wanted),
        other => panic!("not refused for a plan: {other:?}"),
    }
}

/// An account of two vaults.
pub(crate) async fn with_two_vaults(backend: &Backend) -> (Store, Client, Authority, [VaultId; 2]) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let (upload, second) = with_new_vault(&mut client);
    store.push_state(&authority, upload, None, NOW_MS).await.unwrap();
    (store, client, authority, [vault_id, second])
}

pub(crate) async fn entries_of_all_vaults_count_and_only_growth_is_refused(backend: &Backend) {
    let (store, mut client, authority, [first, second]) = with_two_vaults(backend).await;
    let [one, two, three, four]: [ObjectId; 4] = std::array::from_fn(|_| client.id());
    push(&store, &mut client, &authority, first, &[Edit::Put(one, 8), Edit::Put(two, 8)]).await;
    push(&store, &mut client, &authority, second, &[Edit::Put(three, 8)]).await;
    give(&store, &authority, entries(3)).await;
    let used = store.entitlements(&authority).await.unwrap().used;
    assert_eq!(used, Used { entries: 3, devices: 1, vaults: 2 }, "settings of a vault are no entry");

    let refused = client.edit(second, &[Edit::Put(four, 8)]);
    let error = limit(store.push(&authority, second, refused.clone()).await);
    assert_eq!(error, ("entries".to_owned(), 3, 4));
    assert_eq!(store.entitlements(&authority).await.unwrap().used, used, "nothing was stored");

    // One goes and one comes; one is changed; settings are changed.
    push(&store, &mut client, &authority, first, &[Edit::Purge(one), Edit::Put(four, 8)]).await;
    give(&store, &authority, entries(1)).await;
    push(&store, &mut client, &authority, first, &[Edit::Put(two, 20_000)]).await;
    push(&store, &mut client, &authority, first, &[Edit::Put(first.id().into(), 8)]).await;
    push(&store, &mut client, &authority, second, &[Edit::Purge(three)]).await;
    let e = client.id();
    let refused = client.edit(second, &[Edit::Put(e, 8)]);
    assert_eq!(limit(store.push(&authority, second, refused).await).2, 3, "there are two, and room for one");
}

/// The server sees what it holds, whatever a state says: else whoever leaves a full vault out of it has room for another.
pub(crate) async fn what_a_state_lists_no_more_makes_no_room(backend: &Backend) {
    let (store, mut client, authority, first) = signed_up(backend).await;
    let (brings_second, second) = with_new_vault(&mut client);
    store.push_state(&authority, brings_second.clone(), None, NOW_MS).await.unwrap();
    client.state = Some(brings_second.state);
    let [one, two]: [ObjectId; 2] = std::array::from_fn(|_| client.id());
    push(&store, &mut client, &authority, second, &[Edit::Put(one, 8), Edit::Put(two, 8)]).await;
    let with_both = client.next_body();
    let list = async |client: &mut Client, body: StateBody, named_records: Vec<Bytes>| {
        let upload = StateUpload { state: client.sign_state(body), named_records, ..client.bare_state() };
        store.push_state(&authority, upload.clone(), None, NOW_MS).await.unwrap();
        client.state = Some(upload.state);
    };
    let mut body = client.next_body();
    body.vaults.retain(|vault| vault.id != second);
    list(&mut client, body, vec![]).await;
    let used = store.entitlements(&authority).await.unwrap().used;
    assert_eq!(used, Used { entries: 2, devices: 1, vaults: 2 });

    give(&store, &authority, entries(2)).await;
    let third = client.id();
    let refused = client.edit(first, &[Edit::Put(third, 8)]);
    assert_eq!(limit(store.push(&authority, first, refused).await), ("entries".to_owned(), 2, 3));
    give(&store, &authority, Entitlements { vaults: Some(2), ..Entitlements::default() }).await;
    let (upload, _) = with_new_vault(&mut client.clone());
    assert_eq!(limit(store.push_state(&authority, upload, None, NOW_MS).await), ("vaults".to_owned(), 2, 3));

    // It is there, and so its return is no growth, however small the plan.
    give(&store, &authority, Entitlements { vaults: Some(0), ..entries(0) }).await;
    let entry = with_both.vaults.iter().find(|vault| vault.id == second).unwrap().clone();
    let mut body = client.next_body();
    body.vaults.push(entry);
    body.vaults.sort_by_key(|vault| vault.id);
    list(&mut client, body, brings_second.named_records).await;
    let (header, _) = store.changes(&authority, second, 0).await.unwrap();
    assert_eq!(header.head.seq, client.head(second).seq, "nothing of it was hidden or deleted");
}

pub(crate) async fn what_an_older_program_pushed_is_counted(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let [a, b]: [ObjectId; 2] = std::array::from_fn(|_| client.id());
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(a, 8), Edit::Put(b, 8)]).await;
    backend.execute("UPDATE vault SET entries = NULL").await;
    assert_eq!(store.entitlements(&authority).await.unwrap().used.entries, 2);
    let figures = store.statistics(&store.operator(), NOW_MS).await.unwrap();
    assert_eq!((figures.accounts, figures.vaults, figures.entries), (1, 1, 2));
}

pub(crate) async fn devices_and_vaults_are_those_that_the_state_lists(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let one = Entitlements { devices: Some(1), vaults: Some(1), ..Entitlements::default() };
    give(&store, &authority, one).await;

    let mut more = client.clone();
    let (upload, _) = with_new_vault(&mut more);
    let refused = store.push_state(&authority, upload, None, NOW_MS).await;
    assert_eq!(limit(refused), ("vaults".to_owned(), 1, 2));

    let mut other = client.clone();
    let key = PublicKey::new(other.device_key.verifying_key().to_bytes());
    let mut body = other.next_body();
    body.devices.push((other.id(), key));
    body.devices.sort_by_key(|(id, _)| *id);
    let mut upload = client.bare_state();
    upload.state = client.sign_state(body);
    assert_eq!(limit(store.push_state(&authority, upload, None, NOW_MS).await), ("devices".to_owned(), 1, 2));

    give(&store, &authority, Entitlements { devices: Some(0), vaults: Some(0), ..Entitlements::default() })
        .await;
    store.push_state(&authority, client.bare_state(), None, NOW_MS).await.unwrap();
    assert_eq!(store.newest_state(&authority).await.unwrap().version, 2, "no more than before");
}

pub(crate) async fn a_repeated_push_is_answered_even_when_the_room_is_gone(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let object_id = client.id();
    let upload = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    store.push(&authority, vault_id, upload.clone()).await.unwrap();
    give(&store, &authority, entries(0)).await;
    store.push(&authority, vault_id, upload).await.unwrap();
}

pub(crate) async fn every_act_is_noted_in_the_account_that_it_is_about(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let (operator, account_id) = (store.operator(), authority.account_id());
    let mut second = Client::new(2);
    let (account, _) = second.sign_up();
    let other = store.create_account(account, NOW_MS).await.unwrap();
    store.set_flag_share(&operator, "search", 10).await.unwrap();
    store.set_role(&operator, other.account_id(), Role::Administrator, NOW_MS).await.unwrap();
    store.set_account_flag(&operator, account_id, "search", Some(true), NOW_MS).await.unwrap();
    store.set_plan(&operator, account_id, Some("free"), NOW_MS).await.unwrap();
    store.set_disabled(&operator, account_id, true, NOW_MS).await.unwrap();
    assert!(matches!(store.authority(authority.session_id(), NOW_MS).await, Err(StoreError::Disabled)));
    store.set_disabled(&operator, account_id, false, NOW_MS).await.unwrap();
    assert_eq!(store.sign_out_everywhere(&operator, account_id, NOW_MS).await.unwrap(), 1);
    assert_eq!(
        acts(backend, &authority).await,
        ["change_flag", "change_plan", "disable_account", "enable_account", "sign_out"]
    );
    assert_eq!(acts(backend, &other).await, ["change_role"]);
    client.sign_in(&store).await;

    let gone = store.set_plan(&operator, account_id, Some("gold"), NOW_MS).await;
    assert!(matches!(gone, Err(StoreError::NoPlan { .. })), "{gone:?}");
    assert_eq!(acts(backend, &authority).await.len(), 5, "what was not done is not noted");
}

/// What whoever has the server did to an account, in order.
async fn acts(backend: &Backend, authority: &Authority) -> Vec<String> {
    let account = authority.pseudonyms().account();
    let select = "SELECT action, account FROM audit_event WHERE actor = 'operator' ORDER BY event_number";
    let database = backend.connect().await;
    let statement = sea_orm::Statement::from_string(database.get_database_backend(), select);
    let rows = database.query_all_raw(statement).await.unwrap();
    database.close().await.unwrap();
    rows.iter()
        .filter(|row| {
            let of: Vec<u8> = row.try_get_by_index(1).unwrap();
            of == account.as_bytes()
        })
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

pub(crate) async fn the_last_administrator_stays_one(backend: &Backend) {
    let (store, _, authority, _) = signed_up(backend).await;
    let (operator, first) = (store.operator(), authority.account_id());
    let mut second = Client::new(2);
    let (account, _) = second.sign_up();
    let second = store.create_account(account, NOW_MS).await.unwrap().account_id();
    let last = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::LastAdministrator)), "{result:?}");
    };
    last(store.set_role(&operator, first, Role::Person, NOW_MS).await);
    last(store.set_disabled(&operator, first, true, NOW_MS).await);
    store.set_disabled(&operator, second, true, NOW_MS).await.unwrap();
    store.set_role(&operator, second, Role::Administrator, NOW_MS).await.unwrap();
    last(store.set_role(&operator, first, Role::Person, NOW_MS).await);
    store.set_disabled(&operator, second, false, NOW_MS).await.unwrap();
    let (one, two) = tokio::join!(
        store.set_role(&operator, first, Role::Person, NOW_MS),
        store.set_role(&operator, second, Role::Person, NOW_MS),
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
}
