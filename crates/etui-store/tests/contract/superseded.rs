//! What was proven holds only until the holder changes how the account is signed in to, or signs somebody out.

use std::time::Duration;

use etui_store::{
    Authority, CredentialChange, LoginHash, NewPending, Notice, Presence, Purpose, Store, StoreError,
};

use crate::{
    backend::{Backend, signed_up},
    client::{Edit, NOW_MS},
    credentials::{lives, other_device},
    pending::begin,
};

/// Who was thrown out while the request was on its way has not the last word: a slow one would end the owner's session.
pub(crate) async fn who_was_thrown_out_changes_nothing_any_more(backend: &Backend) {
    let (store, mut client, thief, vault_id) = signed_up(backend).await;
    let owner = other_device(&store, &mut client).await;
    let fresh = thief.fresh(NOW_MS).unwrap();
    let object_id = client.id();
    let upload = client.edit(vault_id, &[Edit::Put(object_id, 50)]);
    let state = client.bare_state();
    store.end_device_sessions(&owner, thief.device_id(), NOW_MS).await.unwrap();

    let change = CredentialChange::LoginPassword(Some(LoginHash::new("$argon2id$thief".to_owned())));
    ended(&store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap_err());
    ended(&store.delete_account(&fresh, NOW_MS, None, NOW_MS).await.unwrap_err());
    ended(&store.rename_passkey(&fresh, b"one", "mine", NOW_MS).await.unwrap_err());
    ended(&store.push(&thief, vault_id, upload).await.unwrap_err());
    ended(&store.push_state(&thief, state, None, NOW_MS).await.unwrap_err());
    assert!(lives(&store, &owner).await);
}

/// The same for who was signed out with everybody else, by another change.
pub(crate) async fn of_two_changes_of_two_sessions_the_second_is_refused(backend: &Backend) {
    let (store, mut client, thief, _) = signed_up(backend).await;
    let owner = other_device(&store, &mut client).await;
    let fresh = thief.fresh(NOW_MS).unwrap();
    change(&store, &owner).await;
    ended(
        &store
            .change_credentials(&fresh, CredentialChange::SignInByLink(true), None, NOW_MS)
            .await
            .unwrap_err(),
    );
    assert!(lives(&store, &owner).await);
}

pub(crate) async fn what_was_proven_before_a_change_is_nothing_after_it(backend: &Backend) {
    let (store, mut client, owner, _) = signed_up(backend).await;
    let other = other_device(&store, &mut client).await;
    let waiting = begin(&store, None, 1).await;
    let before = store.pending(waiting, Purpose::Link, NOW_MS).await.unwrap().unwrap();
    let device_id = client.id();
    for ended_by in ["a change", "signing a device out", "signing the others out", "a device that signs out"]
    {
        let claim = client.claim(&store).await;
        match ended_by {
            "a change" => change(&store, &owner).await,
            "signing a device out" => {
                let third = other_device(&store, &mut client).await;
                store.end_device_sessions(&owner, third.device_id(), NOW_MS).await.unwrap();
            }
            "signing the others out" => drop(store.end_other_sessions(&owner, NOW_MS).await.unwrap()),
            _ => store.end_session(&other, NOW_MS).await.unwrap(),
        }
        let session = client.session();
        let begun = store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await;
        superseded(&begun.unwrap_err());
        let (secret_hash, purpose) = (client.digest(), Purpose::SecondFactor);
        let lifetime = Duration::from_mins(1);
        let new = NewPending { secret_hash, purpose, claim: Some(claim), body: b"", tries: 1, lifetime };
        superseded(&store.begin_pending(new, NOW_MS).await.unwrap_err());
        let replaced =
            store.replace_pending(waiting, Purpose::Link, &before, Some(claim), b"let in", NOW_MS).await;
        superseded(&replaced.unwrap_err());
        ended(&store.present(claim, Presence::TwoFactors, NOW_MS).await.unwrap_err());
    }
}

/// A page that a device has opened lasts no longer than its session.
pub(crate) async fn a_page_ends_with_the_device_that_opened_it(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let second = other_device(&store, &mut client).await;
    let page = begin(&store, Some(second.claim()), 1).await;
    let opened_by = Presence::OpenedBy(second.session_id());
    let fresh = store.present(second.claim(), opened_by, NOW_MS).await.unwrap();
    store.end_device_sessions(&first, second.device_id(), NOW_MS).await.unwrap();
    assert_eq!(store.pending(page, Purpose::Link, NOW_MS).await.unwrap(), None, "what it had begun");
    let now = client.claim(&store).await;
    ended(&store.present(now, opened_by, NOW_MS).await.unwrap_err());
    let change = CredentialChange::SignInByLink(false);
    let changed = store.change_credentials(&fresh, change, None, NOW_MS).await;
    ended(&changed.unwrap_err());
}

/// Sign-in, audit log and letter are one: no interruption lets a device in of which nobody hears.
pub(crate) async fn a_new_device_is_announced_or_not_there(backend: &Backend) {
    let (store, mut client, ..) = signed_up(backend).await;
    let (claim, device_id) = (client.claim(&store).await, client.id());
    let session = client.session();
    let failed = store.create_session(
        claim,
        device_id,
        session,
        |_| Err(StoreError::Damaged { found: "no letter could be written" }),
        NOW_MS,
    );
    assert!(matches!(failed.await, Err(StoreError::Damaged { .. })));
    assert!(store.authority(session.session_id, NOW_MS).await.unwrap().is_none());

    let letter = || Notice { body: b"somebody has signed in".to_vec(), lifetime: Duration::from_hours(1) };
    let begun =
        store.create_session(claim, device_id, session, |_| Ok(Some(letter())), NOW_MS).await.unwrap();
    assert!(begun.is_new_device, "it is as new as before");
    assert_eq!(backend.count("SELECT COUNT(*) FROM mail").await, 1);
    assert_eq!(backend.count("SELECT COUNT(*) FROM audit_event WHERE action = 'new_device'").await, 1);
}

/// Whoever was thrown out, or whose token was copied, is a stranger when they come back.
pub(crate) async fn who_was_signed_out_by_another_is_a_new_device_again(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    let device_id = client.id();
    client.sign_in_as(&store, device_id).await;
    assert!(!client.sign_in_as(&store, device_id).await.is_new_device);
    store.end_other_sessions(&own, NOW_MS).await.unwrap();
    assert!(client.sign_in_as(&store, device_id).await.is_new_device);
    change(&store, &own).await;
    assert!(client.sign_in_as(&store, device_id).await.is_new_device);
    let again = client.sign_in_as(&store, device_id).await;
    store.end_session(&again.authority, NOW_MS).await.unwrap();
    assert!(!client.sign_in_as(&store, device_id).await.is_new_device, "who leaves by itself may come back");
}

/// The holder changes something.
async fn change(store: &Store, authority: &Authority) {
    let authority = store.authority(authority.session_id(), NOW_MS).await.unwrap().expect("it lives");
    let fresh = authority.fresh(NOW_MS).unwrap();
    store.change_credentials(&fresh, CredentialChange::SignInByLink(false), None, NOW_MS).await.unwrap();
}

fn ended(error: &StoreError) {
    assert!(matches!(error, StoreError::SessionEnded), "{error:?}");
}

fn superseded(error: &StoreError) {
    assert!(matches!(error, StoreError::Superseded), "{error:?}");
}
