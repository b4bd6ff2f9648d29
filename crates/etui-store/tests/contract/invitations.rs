//! Who may make an account, and who is the administrator.

use std::time::Duration;

use etui_chain::Digest;
use etui_store::{Admission, Invitation, NewAccount, Role, Store, StoreError};
use futures_util::future::join_all;

use crate::{
    backend::{Backend, signed_up},
    client::{Client, NOW_MS},
};

const HOUR_MS: u64 = 3_600_000;

pub(crate) async fn the_first_account_is_the_administrators(backend: &Backend) {
    let store = backend.open().await;
    let accounts: Vec<_> = (1..=6).map(|seed| Client::new(seed).sign_up().0).collect();
    let signed_up = join_all(accounts.into_iter().map(|account| store.create_account(account, NOW_MS))).await;
    let signed_up: Vec<_> = signed_up.into_iter().map(Result::unwrap).collect();
    let administrators = signed_up.iter().filter(|authority| authority.administrator().is_ok()).count();
    assert_eq!(administrators, 1, "however many sign up at once");
    let refused = signed_up.iter().find_map(|authority| authority.administrator().err()).unwrap();
    assert!(matches!(refused, StoreError::NotAdministrator));
}

pub(crate) async fn an_invitation_is_followed_once(backend: &Backend) {
    let (store, ..) = signed_up(backend).await;
    let invitation = invite(&store, None, Role::Administrator).await;
    let accounts: Vec<_> = (2..=5).map(|seed| invited(&mut Client::new(seed), &invitation)).collect();
    let followed = join_all(accounts.into_iter().map(|account| store.create_account(account, NOW_MS))).await;
    let (admitted, refused): (Vec<_>, Vec<_>) = followed.into_iter().partition(Result::is_ok);
    assert_eq!(admitted.len(), 1);
    assert!(admitted[0].as_ref().unwrap().administrator().is_ok(), "as it says");
    assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::NotInvited))), "{refused:?}");
    assert_eq!(store.invitation(invitation.secret_hash, NOW_MS).await.unwrap(), None);
}

pub(crate) async fn an_invitation_admits_whom_it_names_while_it_lasts(backend: &Backend) {
    let (store, ..) = signed_up(backend).await;
    let mut client = Client::new(2);
    let invitation = invite(&store, Some(client.email()), Role::Person).await;
    assert_eq!(store.invitation(invitation.secret_hash, NOW_MS).await.unwrap().as_ref(), Some(&invitation));
    let last_ms = NOW_MS + HOUR_MS - 1;

    let somebody = invited(&mut Client::new(3), &invitation);
    let made_up = Invitation { secret_hash: Digest::of(&[b"made up"]), ..invitation.clone() };
    for (account, now_ms) in [
        (somebody, NOW_MS),
        (invited(&mut client.clone(), &made_up), NOW_MS),
        (invited(&mut client.clone(), &invitation), last_ms + 1),
    ] {
        let email = account.email.clone();
        let refused = store.create_account(account, now_ms).await;
        assert!(matches!(refused, Err(StoreError::NotInvited)), "{refused:?}");
        assert!(store.login(&email).await.unwrap().is_none());
    }
    assert_eq!(store.invitation(invitation.secret_hash, last_ms + 1).await.unwrap(), None);

    let mut spoilt = invited(&mut client.clone(), &invitation);
    spoilt.upload.first_commits.clear();
    assert!(matches!(store.create_account(spoilt, last_ms).await, Err(StoreError::Refused(_))));
    let account = invited(&mut client, &invitation);
    let authority = store.create_account(account, last_ms).await.unwrap();
    assert!(authority.administrator().is_err(), "a sign-up that fails uses nothing up");
}

pub(crate) async fn an_administrator_is_invited_until_there_is_one(backend: &Backend) {
    let store = backend.open().await;
    let stranger = NewAccount { admission: Admission::Open { at_home: false }, ..Client::new(2).sign_up().0 };
    let stranger = store.create_account(stranger, NOW_MS).await.unwrap();
    assert!(stranger.administrator().is_err(), "whoever comes first to a public server is nobody special");
    let [before, after] = [new_invitation(b"before"), new_invitation(b"after")];
    for invitation in [&before, &after] {
        assert!(store.invite_first_administrator(invitation, NOW_MS).await.unwrap());
    }
    assert_eq!(store.invitation(before.secret_hash, NOW_MS).await.unwrap(), None, "it was replaced");
    let authority = store.create_account(invited(&mut Client::new(1), &after), NOW_MS).await.unwrap();
    assert!(authority.administrator().is_ok());
    assert!(!store.invite_first_administrator(&before, NOW_MS).await.unwrap(), "somebody is there");
    assert_eq!(store.invitation(before.secret_hash, NOW_MS).await.unwrap(), None);
}

pub(crate) async fn invitations_that_are_over_are_collected(backend: &Backend) {
    let (store, ..) = signed_up(backend).await;
    invite(&store, None, Role::Person).await;
    let count = async || backend.count("SELECT COUNT(*) FROM invitation").await;
    store.collect_garbage(NOW_MS + HOUR_MS - 1, Duration::ZERO).await.unwrap();
    assert_eq!(count().await, 1);
    store.collect_garbage(NOW_MS + HOUR_MS, Duration::ZERO).await.unwrap();
    assert_eq!(count().await, 0);
}

async fn invite(store: &Store, email: Option<String>, role: Role) -> Invitation {
    let invitation = Invitation { email, role, ..new_invitation(b"an invitation") };
    store.invite(&store.operator(), &invitation, NOW_MS).await.unwrap();
    invitation
}

fn new_invitation(secret: &[u8]) -> Invitation {
    let (secret_hash, expires_ms) = (Digest::of(&[secret]), NOW_MS + HOUR_MS);
    Invitation { secret_hash, email: None, role: Role::Administrator, plan: None, mailed: false, expires_ms }
}

fn invited(client: &mut Client, invitation: &Invitation) -> NewAccount {
    NewAccount { admission: Admission::Invited(invitation.secret_hash), ..client.sign_up().0 }
}
