//! The ways to sign in, and what their changes end.

use std::time::Duration;

use etui_chain::{Digest, StateBody};
use etui_store::{
    Authority, CredentialChange, FRESH_MS, Identity, LoginHash, Notice, Purpose, SealedTotp, Store,
    StoreError,
};

use crate::{
    backend::{Backend, signed_up},
    client::{Client, LOGIN_HASH, NOW_MS, login_password},
    pending::begin,
    states::replace_keyset,
};

pub(crate) async fn every_change_ends_other_sessions_and_what_was_begun(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    for change in [
        login_password(),
        email("moved@example.org"),
        CredentialChange::LinkIdentity(identity("one")),
        CredentialChange::UnlinkIdentity(identity("one")),
        passkey(b"one"),
        CredentialChange::RemovePasskey { credential_id: b"one".to_vec() },
        totp(),
        CredentialChange::ReplaceRecoveryCodes(vec![code(3)]),
        CredentialChange::RemoveTotp,
        CredentialChange::SignInByLink(false),
        CredentialChange::ApproveDevices(true),
    ] {
        let name = format!("{change:?}");
        let claim = store.authority(own.session_id(), NOW_MS).await.unwrap().unwrap().claim();
        let (device_id, session) = (client.id(), client.session());
        let other = store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap();
        let begun = begin(&store, Some(claim), 5).await;
        let fresh = own.fresh(NOW_MS).unwrap();
        store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap();
        assert!(lives(&store, &own).await, "{name}");
        assert!(!lives(&store, &other.authority).await, "{name}");
        assert_eq!(store.pending(begun, Purpose::Link, NOW_MS).await.unwrap(), None, "{name}");
    }
    assert_eq!(
        backend.count("SELECT COUNT(*) FROM audit_event WHERE action NOT IN ('sign_up', 'new_device')").await,
        11
    );
}

pub(crate) async fn a_change_that_is_refused_ends_nothing(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    let other = other_device(&store, &mut client).await;
    let fresh = own.fresh(NOW_MS).unwrap();
    let change = async |change| store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap_err();
    assert!(matches!(change(CredentialChange::LoginPassword(None)).await, StoreError::LastWay));
    let unlinked = CredentialChange::UnlinkIdentity(identity("nobody"));
    assert!(matches!(change(unlinked).await, StoreError::NotFound));
    let removed = CredentialChange::RemovePasskey { credential_id: b"none".to_vec() };
    assert!(matches!(change(removed).await, StoreError::NotFound));
    assert!(matches!(change(CredentialChange::RemoveTotp).await, StoreError::NotFound));
    assert!(lives(&store, &other).await);
    assert_eq!(store.login(&client.email()).await.unwrap().unwrap().login_hash.unwrap().expose(), LOGIN_HASH);
}

pub(crate) async fn of_two_changes_at_once_a_way_remains(backend: &Backend) {
    for _ in 0..8 {
        let place = (backend.another)();
        let (store, _, own, _) = signed_up(&place).await;
        let fresh = own.fresh(NOW_MS).unwrap();
        let change = |change| store.change_credentials(&fresh, change, None, NOW_MS);
        change(CredentialChange::LinkIdentity(identity("one"))).await.unwrap();
        let (left, right) = tokio::join!(
            change(CredentialChange::LoginPassword(None)),
            change(CredentialChange::UnlinkIdentity(identity("one"))),
        );
        let refused = [left, right].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused[..], [StoreError::LastWay]), "{refused:?}");
        let ways = store.ways(own.account_id()).await.unwrap();
        assert_eq!(ways.login_password, ways.identities.is_empty());
        store.close().await;
        place.remove().await;
    }
}

pub(crate) async fn what_belongs_to_another_is_taken(backend: &Backend) {
    let (store, client, own, _) = signed_up(backend).await;
    let mut other = Client::new(2);
    let (account, _) = other.sign_up();
    let stranger = store.create_account(account, NOW_MS).await.unwrap();
    let ours = own.fresh(NOW_MS).unwrap();
    for change in [CredentialChange::LinkIdentity(identity("one")), passkey(b"one")] {
        store.change_credentials(&ours, change, None, NOW_MS).await.unwrap();
    }
    let theirs = stranger.fresh(NOW_MS).unwrap();
    for change in [CredentialChange::LinkIdentity(identity("one")), passkey(b"one"), email(&client.email())] {
        let refused = store.change_credentials(&theirs, change, None, NOW_MS).await;
        assert!(matches!(refused, Err(StoreError::Taken)), "{refused:?}");
    }
    // Nor can they be unlinked from elsewhere.
    for change in [
        CredentialChange::UnlinkIdentity(identity("one")),
        CredentialChange::RemovePasskey { credential_id: b"one".to_vec() },
    ] {
        let refused = store.change_credentials(&theirs, change, None, NOW_MS).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    let owner = store.account_of_identity(&identity("one"), NOW_MS).await.unwrap();
    assert_eq!(owner.map(|claim| claim.account_id()), Some(client.account_id));
}

pub(crate) async fn whoever_signed_in_long_ago_is_not_fresh(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    let last_ms = NOW_MS + FRESH_MS - 1;
    assert_eq!(own.fresh(last_ms).unwrap().session_id(), Some(own.session_id()));
    assert!(matches!(own.fresh(last_ms + 1), Err(StoreError::NotFresh)));
    // Refreshing makes nobody present again; signing in does.
    let later = store.authority(own.session_id(), last_ms + 1).await.unwrap().unwrap();
    assert!(matches!(later.fresh(last_ms + 1), Err(StoreError::NotFresh)));
    let session = client.session();
    let claim = client.claim(&store).await;
    let again = store.create_session(claim, client.device_id, session, |_| Ok(None), last_ms + 1).await;
    assert!(again.unwrap().authority.fresh(last_ms + 1).is_ok());
}

/// What a state changes besides.
type Edit = fn(&mut StateBody);

pub(crate) async fn a_state_that_changes_how_it_is_unlocked_ends_other_sessions(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    let cases: [(&str, bool, Edit); 2] =
        [("nothing", false, |_| {}), ("the key derivation", true, |body| body.kdf.t += 1)];
    for (what, ends, edit) in cases {
        let other = other_device(&store, &mut client).await;
        let begun = begin(&store, Some(client.claim(&store).await), 5).await;
        let mut body = client.next_body();
        edit(&mut body);
        let mut upload = client.bare_state();
        upload.state = client.sign_state(body);
        client.state = Some(upload.state.clone());
        store.push_state(&own, upload, Some(notice()), NOW_MS).await.unwrap();
        assert!(lives(&store, &own).await, "{what}");
        assert_eq!(store.waiting_mail().await.unwrap(), u64::from(ends), "{what}");
        assert_eq!(lives(&store, &other).await, !ends, "{what}");
        assert_eq!(store.take_pending(begun, Purpose::Link, NOW_MS).await.unwrap().is_none(), ends, "{what}");
    }
    let other = other_device(&store, &mut client).await;
    let upload = client.bare_state();
    let upload = replace_keyset(&mut client, upload);
    store.push_state(&own, upload, None, NOW_MS).await.unwrap();
    assert!(lives(&store, &own).await && !lives(&store, &other).await, "a keyset");
}

pub(crate) async fn a_step_and_a_recovery_code_are_used_once(backend: &Backend) {
    let (store, client, own, _) = signed_up(backend).await;
    let fresh = own.fresh(NOW_MS).unwrap();
    store.change_credentials(&fresh, totp(), None, NOW_MS).await.unwrap();
    let account_id = client.account_id;
    for (step, is_used) in [(7, false), (6, false), (8, true), (8, false), (7, false), (9, true)] {
        assert_eq!(store.use_totp_step(account_id, step).await.unwrap(), is_used, "{step}");
    }
    let notice = notice();
    let same = || store.use_recovery_code(account_id, code(1), Some(&notice), NOW_MS);
    let (left, right) = tokio::join!(same(), same());
    assert_ne!(left.unwrap(), right.unwrap());
    assert!(!store.use_recovery_code(account_id, code(9), Some(&notice), NOW_MS).await.unwrap());
    assert_eq!(store.waiting_mail().await.unwrap(), 1, "once");
    assert_eq!(store.ways(account_id).await.unwrap().recovery_codes, 1);
}

fn notice() -> Notice {
    Notice { body: b"something has happened".to_vec(), lifetime: Duration::from_hours(1) }
}

/// A session of a device that has not signed in before.
pub(crate) async fn other_device(store: &Store, client: &mut Client) -> Authority {
    let device_id = client.id();
    client.sign_in_as(store, device_id).await.authority
}

pub(crate) async fn lives(store: &Store, authority: &Authority) -> bool {
    store.authority(authority.session_id(), NOW_MS).await.unwrap().is_some()
}

fn email(address: &str) -> CredentialChange {
    let login_hash = Some(LoginHash::new(LOGIN_HASH.to_owned()));
    CredentialChange::Email { email: address.to_owned(), confirmed: true, login_hash }
}

fn identity(subject: &str) -> Identity {
    Identity { issuer: "https://provider.example.org".to_owned(), subject: subject.to_owned() }
}

fn passkey(id: &[u8]) -> CredentialChange {
    CredentialChange::AddPasskey { credential_id: id.to_vec(), name: "a key".to_owned(), body: Vec::new() }
}

/// A second factor whose step 7 proved it.
fn totp() -> CredentialChange {
    let secret = SealedTotp::new(b"a secret of twenty b".to_vec());
    CredentialChange::SetTotp { secret, used_step: 7, recovery_codes: vec![code(1), code(2)] }
}

fn code(number: u8) -> Digest {
    Digest::of(&[&[number]])
}
