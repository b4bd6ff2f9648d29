//! New devices that another one has to approve, and accounts that are given nothing.

use etui_chain::DeviceId;
use etui_store::{Begun, CredentialChange, Exchange, NewSession, Presence, Rotation, Store, StoreError};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::{
    backend::{Backend, signed_up},
    client::{Client, DAY_MS, NOW_MS},
};

pub(crate) async fn a_new_device_is_given_nothing_until_another_approves_it(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let device_id = scene.client.id();
    let begun = scene.sign_in(device_id).await;
    assert!(begun.is_new_device && begun.awaits_approval);
    let session_id = begun.authority.session_id();
    let looked_up = async |scene: &Scene| scene.store.authority(session_id, NOW_MS).await;
    assert!(matches!(looked_up(&scene).await, Err(StoreError::AwaitsApproval)));
    assert!(matches!(scene.store.leaving(session_id, NOW_MS).await, Err(StoreError::AwaitsApproval)));
    let own = scene.store.authority(scene.own.session_id(), NOW_MS).await.unwrap().unwrap();
    let devices = scene.store.devices(&own, NOW_MS).await.unwrap().devices;
    let waits: Vec<_> = devices.iter().filter(|device| device.awaits_approval).collect();
    assert_eq!(waits.iter().map(|device| device.device_id).collect::<Vec<_>>(), [device_id]);

    let stranger = scene.client.id();
    let refused = scene.store.approve_device(&own, stranger, NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
    let mut events = Box::pin(scene.store.subscribe(&own));
    assert!(events.next().now_or_never().is_none());
    scene.store.approve_device(&own, device_id, NOW_MS).await.unwrap();
    assert!(events.next().await.is_some(), "the other devices hear of it");
    assert_eq!(looked_up(&scene).await.unwrap().unwrap().device_id(), device_id);
    let again = scene.sign_in(device_id).await;
    assert!(!again.is_new_device && !again.awaits_approval);
}

pub(crate) async fn another_account_approves_nobody(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let device_id = scene.client.id();
    scene.sign_in(device_id).await;
    let (account, _) = Client::new(2).sign_up();
    let stranger = scene.store.create_account(account, NOW_MS).await.unwrap();
    let refused = scene.store.approve_device(&stranger, device_id, NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
    assert!(scene.sign_in(device_id).await.awaits_approval);
}

pub(crate) async fn who_waits_waits_on_whatever_becomes_of_its_session(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let device_id = scene.client.id();
    let waiting = scene.sign_in(device_id).await;
    assert!(waiting.awaits_approval);
    let again = scene.sign_in(device_id).await;
    assert!(!again.is_new_device && again.awaits_approval, "it signs in again");

    // It has its session ended, by showing a refresh token twice.
    let refresh_hash = scene.client.session().refresh_hash;
    let issued_for = Some(again.authority.session_id());
    let next = scene.client.digest();
    let exchange =
        Exchange { presented: refresh_hash, issued_for, request: None, next, expires_ms: u64::MAX };
    let rotation = scene.store.rotate_refresh(&exchange, NOW_MS).await.unwrap();
    assert!(matches!(rotation, Rotation::Reused));
    assert!(scene.sign_in(device_id).await.awaits_approval);

    // Another change of credentials ends it.
    let fresh = scene.own.fresh(NOW_MS).unwrap();
    let change = CredentialChange::SignInByLink(false);
    scene.store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap();
    assert!(scene.sign_in(device_id).await.awaits_approval);

    // Another device turns it away.
    scene.store.end_device_sessions(&scene.own, device_id, NOW_MS).await.unwrap();
    let turned_away = scene.sign_in(device_id).await;
    assert!(turned_away.is_new_device && turned_away.awaits_approval);
}

pub(crate) async fn a_device_that_was_signed_out_by_another_waits_again(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let device_id = scene.client.id();
    scene.sign_in(device_id).await;
    scene.store.approve_device(&scene.own, device_id, NOW_MS).await.unwrap();
    scene.store.end_device_sessions(&scene.own, device_id, NOW_MS).await.unwrap();
    assert!(scene.sign_in(device_id).await.awaits_approval);
}

pub(crate) async fn one_factor_is_nobody_beside_a_device_that_could_approve(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let Scene { store, own, client } = &scene;
    let present = async |presence| store.present(client.claim(store).await, presence, NOW_MS).await;
    let one = present(Presence::OneFactor).await;
    assert!(matches!(one, Err(StoreError::AwaitsApproval)), "{one:?}");
    assert!(present(Presence::OpenedBy(own.session_id())).await.is_ok());
    let fresh = present(Presence::TwoFactors).await.unwrap();

    let device_id = own.device_id();
    store.turn_device_away(&fresh, device_id, None, NOW_MS).await.unwrap();
    let opened = present(Presence::OpenedBy(own.session_id())).await;
    assert!(matches!(opened, Err(StoreError::SessionEnded)), "{opened:?}");
    let before = store.turn_device_away(&fresh, device_id, None, NOW_MS).await;
    assert!(matches!(before, Err(StoreError::SessionEnded)), "{before:?}");
    let fresh = present(Presence::TwoFactors).await.unwrap();
    let again = store.turn_device_away(&fresh, device_id, None, NOW_MS).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    assert!(present(Presence::OneFactor).await.is_ok(), "nobody could approve any more");
    let new = scene.client.id();
    assert!(!scene.sign_in(new).await.awaits_approval);
    assert!(scene.sign_in(device_id).await.awaits_approval, "it is a new device");
}

pub(crate) async fn who_was_asked_for_nothing_is_not_present(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let session = NewSession { is_present: false, ..scene.client.session() };
    let Scene { store, own, client } = &mut scene;
    let claim = client.claim(store).await;
    let waits = store.present(claim, Presence::Vouched, NOW_MS).await;
    assert!(matches!(waits, Err(StoreError::AwaitsApproval)), "{waits:?}");
    store.end_session(own, NOW_MS).await.unwrap();
    let claim = client.claim(store).await;
    let vouched = store.present(claim, Presence::Vouched, NOW_MS).await;
    assert!(matches!(vouched, Err(StoreError::NotFresh)), "{vouched:?}");
    let device_id = client.id();
    let begun = store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap();
    let authority = store.authority(begun.authority.session_id(), NOW_MS).await.unwrap().unwrap();
    for authority in [begun.authority, authority] {
        assert!(matches!(authority.fresh(NOW_MS), Err(StoreError::NotFresh)));
    }
}

pub(crate) async fn where_nobody_could_approve_nobody_waits(backend: &Backend) {
    let mut scene = Scene::new(backend).await;
    let device_id = scene.client.id();
    let waiting = scene.sign_in(device_id).await;
    // One that waits itself is none that approves.
    scene.store.end_session(&scene.own, NOW_MS).await.unwrap();
    let third = scene.client.id();
    assert!(!scene.sign_in(third).await.awaits_approval);
    let looked_up = scene.store.authority(waiting.authority.session_id(), NOW_MS).await;
    assert!(matches!(looked_up, Err(StoreError::AwaitsApproval)), "now somebody could");

    // The third is not used any more.
    let session = scene.client.session();
    let claim = scene.client.claim(&scene.store).await;
    let later_ms = NOW_MS + DAY_MS;
    let later = scene.store.create_session(claim, device_id, session, |_| Ok(None), later_ms).await.unwrap();
    assert!(!later.awaits_approval);
}

pub(crate) async fn a_disabled_account_is_given_nothing(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    backend.execute("UPDATE account SET disabled_ms = 1").await;
    let disabled = |error| assert!(matches!(error, StoreError::Disabled), "{error:?}");
    disabled(store.authority(own.session_id(), NOW_MS).await.unwrap_err());
    disabled(store.leaving(own.session_id(), NOW_MS).await.unwrap_err());
    let claim = client.claim(&store).await;
    disabled(store.present(claim, Presence::TwoFactors, NOW_MS).await.unwrap_err());
    let (device_id, session) = (client.device_id, client.session());
    disabled(store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap_err());
    backend.execute("UPDATE account SET disabled_ms = NULL").await;
    assert!(store.authority(own.session_id(), NOW_MS).await.unwrap().is_some(), "it is as it was");
}

pub(crate) async fn an_account_that_is_being_deleted_can_only_be_left_or_kept(backend: &Backend) {
    let (store, _, own, _) = signed_up(backend).await;
    assert!(store.leaving(own.session_id(), NOW_MS).await.unwrap().is_none());
    backend.execute("UPDATE account SET delete_at_ms = 7").await;
    let refused = store.authority(own.session_id(), NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::Leaving { delete_at_ms: 7 })), "{refused:?}");
    let leaving = store.leaving(own.session_id(), NOW_MS).await.unwrap().unwrap();
    assert_eq!(leaving.authority().account_id(), own.account_id());
}

/// An account whose new devices wait, with one device.
struct Scene {
    store: Store,
    client: Client,
    own: etui_store::Authority,
}

impl Scene {
    async fn new(backend: &Backend) -> Self {
        let (store, client, own, _) = signed_up(backend).await;
        let fresh = own.fresh(NOW_MS).unwrap();
        let change = CredentialChange::ApproveDevices(true);
        store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap();
        Self { store, client, own }
    }

    async fn sign_in(&mut self, device_id: DeviceId) -> Begun {
        self.client.sign_in_as(&self.store, device_id).await
    }
}
