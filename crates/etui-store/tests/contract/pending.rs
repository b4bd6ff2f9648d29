//! What was begun and is finished by whoever shows the secret.

use std::time::Duration;

use etui_chain::Digest;
use etui_store::{Claim, NewPending, Pending, Purpose, Retention, Store, StoreError};
use futures_util::future::join_all;

use crate::{
    backend::{Backend, signed_up},
    client::NOW_MS,
};

const LIFETIME: Duration = Duration::from_mins(10);
const LIFETIME_MS: u64 = 600_000;

pub(crate) async fn of_many_who_take_it_one_gets_it(backend: &Backend) {
    let store = backend.open().await;
    let secret = begin(&store, None, 1).await;
    let taken = join_all((0..16).map(|_| store.take_pending(secret, Purpose::Link, NOW_MS))).await;
    assert_eq!(taken.into_iter().filter(|taken| taken.as_ref().unwrap().is_some()).count(), 1);
}

pub(crate) async fn a_secret_counts_for_its_purpose_and_its_time(backend: &Backend) {
    let (store, client, ..) = signed_up(backend).await;
    let secret = begin(&store, Some(client.claim(&store).await), 5).await;
    let last_ms = NOW_MS + LIFETIME_MS - 1;
    for (secret, purpose, now_ms) in [
        (Digest::of(&[b"made up"]), Purpose::Link, NOW_MS),
        (secret, Purpose::UserCode, NOW_MS),
        (secret, Purpose::Link, last_ms + 1),
    ] {
        assert_eq!(store.pending(secret, purpose, now_ms).await.unwrap(), None);
        assert_eq!(store.try_pending(secret, purpose, now_ms).await.unwrap(), None);
        assert_eq!(store.take_pending(secret, purpose, now_ms).await.unwrap(), None);
    }
    let begun = Pending { account_id: Some(client.account_id), body: b"begun".to_vec(), created_ms: NOW_MS };
    assert_eq!(store.pending(secret, Purpose::Link, last_ms).await.unwrap().as_ref(), Some(&begun));
    assert_eq!(store.take_pending(secret, Purpose::Link, last_ms).await.unwrap(), Some(begun));
    assert_eq!(store.pending(secret, Purpose::Link, NOW_MS).await.unwrap(), None, "it is finished");
}

pub(crate) async fn tries_run_out_however_many_ask_at_once(backend: &Backend) {
    let store = backend.open().await;
    let secret = begin(&store, None, 5).await;
    let tried = join_all((0..16).map(|_| store.try_pending(secret, Purpose::Link, NOW_MS))).await;
    assert_eq!(tried.into_iter().filter(|tried| tried.as_ref().unwrap().is_some()).count(), 5);
    assert_eq!(store.try_pending(secret, Purpose::Link, NOW_MS).await.unwrap(), None);
}

pub(crate) async fn what_has_changed_meanwhile_is_not_replaced(backend: &Backend) {
    let (store, client, ..) = signed_up(backend).await;
    let secret = begin(&store, None, 1).await;
    let before = store.pending(secret, Purpose::Link, NOW_MS).await.unwrap().unwrap();
    let replace = async |claim: Option<Claim>, body: &[u8], now_ms: u64| {
        store.replace_pending(secret, Purpose::Link, &before, claim, body, now_ms).await.unwrap()
    };
    assert!(!replace(None, b"too late", NOW_MS + LIFETIME_MS).await);
    assert!(replace(Some(client.claim(&store).await), b"gone on", NOW_MS).await);
    assert!(!replace(None, b"somebody else", NOW_MS).await);
    let pending = store.pending(secret, Purpose::Link, NOW_MS).await.unwrap().unwrap();
    assert_eq!((pending.account_id, &pending.body[..]), (Some(client.account_id), &b"gone on"[..]));
}

pub(crate) async fn what_was_begun_goes_with_the_account(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let claim = client.claim(&store).await;
    let secret = begin(&store, Some(claim), 1).await;
    let fresh = authority.fresh(NOW_MS).unwrap();
    store.delete_account(&fresh, NOW_MS, None, NOW_MS).await.unwrap();
    let kept = Duration::MAX;
    let retention = Retention { audit_events: kept, known_devices: kept };
    store.purge(&retention, NOW_MS).await.unwrap();
    assert_eq!(store.take_pending(secret, Purpose::Link, NOW_MS).await.unwrap(), None);
    let secret_hash = Digest::of(&[b"too late"]);
    let new = new_pending(secret_hash, Some(claim), 1);
    assert!(matches!(store.begin_pending(new, NOW_MS).await, Err(StoreError::NotFound)));
}

pub(crate) async fn what_is_over_is_collected(backend: &Backend) {
    let store = backend.open().await;
    begin(&store, None, 1).await;
    let count = async || backend.count("SELECT COUNT(*) FROM pending").await;
    let last_ms = NOW_MS + LIFETIME_MS - 1;
    store.collect_garbage(last_ms, Duration::ZERO).await.unwrap();
    assert_eq!(count().await, 1);
    store.collect_garbage(last_ms + 1, Duration::ZERO).await.unwrap();
    assert_eq!(count().await, 0);
}

pub(crate) async fn an_account_has_the_newest_twenty_of_each_purpose(backend: &Backend) {
    let (store, client, ..) = signed_up(backend).await;
    let claim = client.claim(&store).await;
    let secrets: Vec<_> = (0_u8..25).map(|number| Digest::of(&[&[number]])).collect();
    let other = Digest::of(&[b"of another purpose"]);
    let of_another = NewPending { purpose: Purpose::Page, ..new_pending(other, Some(claim), 1) };
    store.begin_pending(of_another, NOW_MS).await.unwrap();
    store.begin_pending(new_pending(Digest::of(&[b"nobody's"]), None, 1), NOW_MS).await.unwrap();
    for (secret, later_ms) in secrets.iter().zip(0..) {
        let new = new_pending(*secret, Some(claim), 1);
        store.begin_pending(new, NOW_MS + later_ms).await.unwrap();
    }
    for (number, secret) in secrets.into_iter().enumerate() {
        let begun = store.pending(secret, Purpose::Link, NOW_MS + 25).await.unwrap();
        assert_eq!(begun.is_some(), number >= 5, "{number}");
    }
    assert!(store.pending(other, Purpose::Page, NOW_MS + 25).await.unwrap().is_some());
    assert_eq!(backend.count("SELECT COUNT(*) FROM pending WHERE account_id IS NULL").await, 1);
}

/// Begins something with a secret of its own.
pub(crate) async fn begin(store: &Store, claim: Option<Claim>, tries: u32) -> Digest {
    let secret_hash = Digest::of(&[b"a secret"]);
    store.begin_pending(new_pending(secret_hash, claim, tries), NOW_MS).await.unwrap();
    secret_hash
}

fn new_pending(secret_hash: Digest, claim: Option<Claim>, tries: u32) -> NewPending<'static> {
    NewPending { secret_hash, purpose: Purpose::Link, claim, body: b"begun", tries, lifetime: LIFETIME }
}
