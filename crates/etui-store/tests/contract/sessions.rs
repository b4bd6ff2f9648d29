//! Sessions and refresh tokens.

use std::time::Duration;

use etui_store::{Authority, Rotation, StoreError};

use crate::{
    backend::{Backend, signed_up},
    client::{Client, DAY_MS, NOW_MS},
};

pub(crate) async fn a_session_lives_until_it_expires_or_is_ended(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let alive = store.authority(first.session_id(), NOW_MS + DAY_MS - 1).await.unwrap().unwrap();
    assert_eq!(alive.account_id(), client.account_id);
    assert!(store.authority(first.session_id(), NOW_MS + DAY_MS).await.unwrap().is_none(), "expired");

    let (device_id, session) = (client.id(), client.session());
    let second = store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap();
    let devices = store.devices(&second, NOW_MS).await.unwrap().devices;
    assert_eq!(devices.len(), 2);
    for device in devices {
        let is_second = device.device_id == device_id;
        assert_eq!((device.current, device.listed), (is_second, !is_second));
        assert_eq!(device.signed_in_ms, Some(NOW_MS));
    }

    store.end_device_sessions(&first, device_id).await.unwrap();
    assert!(store.authority(second.session_id(), NOW_MS).await.unwrap().is_none(), "ended from elsewhere");
    assert!(matches!(store.end_device_sessions(&first, device_id).await, Err(StoreError::NotFound)));
    store.end_session(&first).await.unwrap();
    assert!(store.authority(first.session_id(), NOW_MS).await.unwrap().is_none(), "ended");

    let nobody = client.id();
    let session = client.session();
    let refused = store.create_session(nobody, device_id, session, NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
}

pub(crate) async fn refresh_tokens_work_once_and_reuse_ends_the_session(backend: &Backend) {
    let (store, mut client, _, _) = signed_up(backend).await;
    let (device_id, session) = (client.id(), client.session());
    let authority = store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap();
    let [second, third, fourth] = [client.digest(), client.digest(), client.digest()];
    let expires_ms = NOW_MS + 2 * DAY_MS;

    let rotated = store.rotate_refresh(session.refresh_hash, second, expires_ms, NOW_MS).await.unwrap();
    let Rotation::Rotated(same) = rotated else { panic!("the newest token is exchanged: {rotated:?}") };
    assert_eq!(same.session_id(), authority.session_id());
    assert!(store.authority(authority.session_id(), expires_ms - 1).await.unwrap().is_some(), "lives on");

    let unknown = store.rotate_refresh(fourth, third, expires_ms, NOW_MS).await.unwrap();
    assert!(matches!(unknown, Rotation::Unknown));
    let rotated = store.rotate_refresh(second, third, expires_ms, NOW_MS).await.unwrap();
    assert!(matches!(rotated, Rotation::Rotated(_)));
    let reused = store.rotate_refresh(session.refresh_hash, fourth, expires_ms, NOW_MS).await.unwrap();
    assert!(matches!(reused, Rotation::Reused));
    assert!(store.authority(authority.session_id(), NOW_MS).await.unwrap().is_none(), "the session is over");
    let newest = store.rotate_refresh(third, fourth, expires_ms, NOW_MS).await.unwrap();
    assert!(matches!(newest, Rotation::Unknown), "for the one who holds the newest token too");
}

pub(crate) async fn a_lost_answer_to_a_refresh_ends_no_session(backend: &Backend) {
    const GRACE_MS: u64 = 120_000;
    let (store, mut client, _, _) = signed_up(backend).await;
    let session = client.session();
    let first = session.refresh_hash;
    let device_id = client.id();
    store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap();
    let [lost, second, third, fourth] = std::array::from_fn(|_| client.digest());
    let rotate = async |presented, next, now_ms| {
        store.rotate_refresh(presented, next, NOW_MS + 2 * DAY_MS, now_ms).await.unwrap()
    };
    assert!(matches!(rotate(first, lost, NOW_MS).await, Rotation::Rotated(_)));
    let again = rotate(first, second, NOW_MS + GRACE_MS - 1).await;
    assert!(matches!(again, Rotation::Rotated(_)), "nobody has used its successor");
    assert!(matches!(rotate(second, third, NOW_MS + GRACE_MS).await, Rotation::Rotated(_)));
    let too_late = rotate(second, fourth, NOW_MS + 2 * GRACE_MS).await;
    assert!(matches!(too_late, Rotation::Reused), "that was no lost answer");

    let session = client.session();
    let first = session.refresh_hash;
    store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap();
    let [theirs, ours, next] = std::array::from_fn(|_| client.digest());
    assert!(matches!(rotate(first, theirs, NOW_MS).await, Rotation::Rotated(_)));
    assert!(matches!(rotate(first, ours, NOW_MS).await, Rotation::Rotated(_)));
    assert!(
        matches!(rotate(theirs, next, NOW_MS).await, Rotation::Reused),
        "two have been using the session"
    );
    assert!(matches!(rotate(ours, next, NOW_MS).await, Rotation::Unknown), "it is over for both");
}

pub(crate) async fn spent_tokens_are_forgotten_after_a_month(backend: &Backend) {
    let (store, mut client, _, _) = signed_up(backend).await;
    let session = client.session();
    let (mut token, first) = (session.refresh_hash, session.refresh_hash);
    let device_id = client.id();
    let authority = store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap();
    for day in 0..60 {
        let (now_ms, next) = (NOW_MS + day * DAY_MS, client.digest());
        let rotated = store.rotate_refresh(token, next, now_ms + 90 * DAY_MS, now_ms).await.unwrap();
        assert!(matches!(rotated, Rotation::Rotated(_)));
        token = next;
        store.collect_garbage(now_ms, Duration::from_hours(24)).await.unwrap();
    }
    assert!(backend.count("SELECT COUNT(*) FROM spent_refresh").await <= 31);
    let now_ms = NOW_MS + 60 * DAY_MS;
    let forgotten = store.rotate_refresh(first, client.digest(), now_ms, now_ms).await.unwrap();
    assert!(matches!(forgotten, Rotation::Unknown), "refused all the same");
    assert!(store.authority(authority.session_id(), now_ms).await.unwrap().is_some());
}

pub(crate) async fn a_device_has_one_session(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let device_id = client.device_id;
    let sign_in = async |client: &mut Client| {
        let session = client.session();
        store.create_session(client.account_id, device_id, session, NOW_MS).await.unwrap()
    };
    let live = async |session: &Authority| store.authority(session.session_id(), NOW_MS).await.unwrap();
    let lives = async |session: &Authority| live(session).await.is_some();
    // As every request does.
    let use_it = async |session: &Authority, now_ms| {
        let authority = live(session).await.unwrap();
        store.touch(&authority, now_ms).await.unwrap();
    };
    use_it(&first, NOW_MS).await;
    let lost = sign_in(&mut client).await;
    assert!(lives(&first).await, "the device may have been killed before it kept the new tokens");
    let second = sign_in(&mut client).await;
    assert!(!lives(&lost).await, "nobody has used it");
    assert_eq!(store.devices(&first, NOW_MS).await.unwrap().devices.len(), 1);
    use_it(&first, NOW_MS + 60_000).await;
    assert!(lives(&second).await, "the older one ends none");
    use_it(&second, NOW_MS).await;
    assert!(!lives(&first).await, "the device has the new tokens");
    assert!(lives(&second).await);
}

pub(crate) async fn use_is_noted_to_the_minute(backend: &Backend) {
    let (store, _, authority, _) = signed_up(backend).await;
    let last_seen = async || store.devices(&authority, NOW_MS).await.unwrap().devices[0].last_seen_ms;
    let minute_ms = NOW_MS - NOW_MS % 60_000;
    assert_eq!(last_seen().await, Some(minute_ms));
    store.touch(&authority, minute_ms + 59_999).await.unwrap();
    assert_eq!(last_seen().await, Some(minute_ms));
    store.touch(&authority, minute_ms + 60_001).await.unwrap();
    assert_eq!(last_seen().await, Some(minute_ms + 60_000));
}
