//! Sessions and refresh tokens.

use etui_chain::Digest;
use etui_store::{Authority, Exchange, Purpose, Rotation, SessionId, Store, StoreError};
use futures_util::future::join_all;

use crate::{
    backend::{Backend, signed_up},
    client::{Client, DAY_MS, NOW_MS, claim_of},
    credentials::{lives, other_device},
    pending::begin,
};

pub(crate) async fn a_session_lives_until_it_expires_or_is_ended(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let alive = store.authority(first.session_id(), NOW_MS + DAY_MS - 1).await.unwrap().unwrap();
    assert_eq!(alive.account_id(), client.account_id);
    assert!(store.authority(first.session_id(), NOW_MS + DAY_MS).await.unwrap().is_none(), "expired");

    let device_id = client.id();
    let second = client.sign_in_as(&store, device_id).await.authority;
    let devices = store.devices(&second, NOW_MS).await.unwrap().devices;
    assert_eq!(devices.len(), 2);
    for device in devices {
        let is_second = device.device_id == device_id;
        assert_eq!((device.current, device.listed), (is_second, !is_second));
        assert_eq!(device.signed_in_ms, Some(NOW_MS));
    }

    store.end_device_sessions(&first, device_id, NOW_MS).await.unwrap();
    assert!(store.authority(second.session_id(), NOW_MS).await.unwrap().is_none(), "ended from elsewhere");
    assert!(matches!(store.end_device_sessions(&first, device_id, NOW_MS).await, Err(StoreError::NotFound)));
    store.end_session(&first, NOW_MS).await.unwrap();
    assert!(store.authority(first.session_id(), NOW_MS).await.unwrap().is_none(), "ended");

    let (nobody, session) = (claim_of(client.id()), client.session());
    let refused = store.create_session(nobody, device_id, session, |_| Ok(None), NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
}

pub(crate) async fn the_hundred_and_first_session_ends_the_one_unused_for_longest(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    store.touch(&first, NOW_MS + 120_000).await.unwrap();
    for _ in 0..100 {
        other_device(&store, &mut client).await;
    }
    assert!(lives(&store, &first).await, "it was used");
    assert_eq!(backend.count("SELECT COUNT(*) FROM session").await, 100);
    for _ in 0..150 {
        other_device(&store, &mut client).await;
    }
    assert!(lives(&store, &first).await);
    assert_eq!(backend.count("SELECT COUNT(*) FROM session").await, 100);
    assert_eq!(backend.count("SELECT COUNT(*) FROM known_device").await, 200);
    assert!(store.knows_device(client.account_id, client.device_id).await.unwrap(), "it has a session");
}

pub(crate) async fn refresh_tokens_work_once_and_reuse_ends_the_session(backend: &Backend) {
    for back in 1..=3 {
        let mut family = Family::begin(backend).await;
        for _ in 0..3 {
            assert!(matches!(family.exchange(0, None, NOW_MS).await, Rotation::Rotated(_)));
        }
        let (store, session_id) = (&family.store, family.session_id);
        assert!(store.authority(session_id, NOW_MS + DAY_MS + 1).await.unwrap().is_some(), "it lives on");
        assert!(matches!(family.exchange(back, None, NOW_MS).await, Rotation::Reused), "{back}");
        assert!(!family.lives().await);
        let newest = family.exchange(0, None, NOW_MS).await;
        assert!(matches!(newest, Rotation::Unknown), "it is over for who holds the newest token too");
    }
}

pub(crate) async fn a_token_of_a_session_that_is_over_is_no_copy(backend: &Backend) {
    let mut family = Family::begin(backend).await;
    let rotation = family.exchange(0, None, NOW_MS + 101 * DAY_MS).await;
    assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
    let noted = "SELECT COUNT(*) FROM audit_event WHERE action = 'token_reused'";
    assert_eq!(family.place.count(noted).await, 0, "nobody is told of a thief");
}

pub(crate) async fn a_lost_answer_is_given_again_to_the_same_request_alone(backend: &Backend) {
    const GRACE_MS: u64 = 120_000;
    let [lost, other] = [Digest::of(&[b"a request"]), Digest::of(&[b"another request"])];
    let begun = async || {
        let mut family = Family::begin(backend).await;
        assert!(matches!(family.exchange(0, Some(lost), NOW_MS).await, Rotation::Rotated(_)));
        family
    };

    let mut family = begun().await;
    for _ in 0..3 {
        let again = family.exchange(1, Some(lost), NOW_MS + GRACE_MS - 1).await;
        assert!(matches!(again, Rotation::Rotated(_)), "nobody has used its successor");
    }
    assert!(
        matches!(family.exchange(0, Some(other), NOW_MS).await, Rotation::Rotated(_)),
        "it is the newest"
    );

    for (why, request, now_ms) in [
        ("a thief has the token and not the request", Some(other), NOW_MS),
        ("nor has this one", None, NOW_MS),
        ("it is too late", Some(lost), NOW_MS + GRACE_MS),
    ] {
        let mut family = begun().await;
        assert!(matches!(family.exchange(1, request, now_ms).await, Rotation::Reused), "{why}");
        assert!(!family.lives().await, "{why}");
    }

    let mut family = begun().await;
    assert!(matches!(family.exchange(0, Some(other), NOW_MS).await, Rotation::Rotated(_)));
    let used = family.exchange(2, Some(lost), NOW_MS).await;
    assert!(matches!(used, Rotation::Reused), "its successor was used: the answer was not lost");
    assert!(!family.lives().await);
}

pub(crate) async fn a_token_that_says_nothing_ends_no_session(backend: &Backend) {
    let mut family = Family::begin(backend).await;
    let first = family.tokens[0];
    for _ in 0..2 {
        family.exchange(0, None, NOW_MS).await;
    }
    let store = family.store.clone();
    let old = Exchange { issued_for: None, ..family.exchange_of(first, None) };
    let unknown = store.rotate_refresh(&old, NOW_MS).await.unwrap();
    assert!(matches!(unknown, Rotation::Unknown), "of a program before, or made up");
    assert!(family.lives().await);
    // What such a program issued is exchanged for one that says whose it is.
    let newest = Exchange { issued_for: None, ..family.exchange_of(family.newest(), None) };
    assert_eq!(store.session_of(newest.presented).await.unwrap(), Some(family.session_id));
    assert!(matches!(store.rotate_refresh(&newest, NOW_MS).await.unwrap(), Rotation::Rotated(_)));
    assert_eq!(store.session_of(newest.presented).await.unwrap(), None);
}

pub(crate) async fn of_many_that_exchange_one_token_none_is_left_with_another(backend: &Backend) {
    const MANY: usize = 16;
    let mut family = Family::begin(backend).await;
    let token = family.newest();
    let request = Digest::of(&[b"one request"]);
    let same = family.exchange_of(token, Some(request));
    for rotation in Family::all_at_once(std::slice::from_ref(&family.store), &[same; MANY]).await {
        assert!(matches!(rotation, Rotation::Rotated(_)), "one request, sent often: {rotation:?}");
    }
    family.tokens.push(same.next);

    let different: Vec<Exchange> = (0..MANY)
        .map(|index| family.exchange_of(same.next, Some(Digest::of(&[&index.to_be_bytes()]))))
        .collect();
    let rotations = Family::all_at_once(std::slice::from_ref(&family.store), &different).await;
    let rotated = rotations.iter().filter(|rotation| matches!(rotation, Rotation::Rotated(_))).count();
    let reused = rotations.iter().filter(|rotation| matches!(rotation, Rotation::Reused)).count();
    assert_eq!(
        (rotated, reused),
        (1, 1),
        "the first has it, the second ends it, for the others there is nothing"
    );
    assert!(!family.lives().await);
    let noted = "SELECT COUNT(*) FROM audit_event WHERE action = 'token_reused' AND outcome = 'refused'";
    assert_eq!(family.place.count(noted).await, 1);
    for exchange in &different {
        let next = family.exchange_of(exchange.next, None);
        let rotation = family.store.rotate_refresh(&next, NOW_MS).await.unwrap();
        assert!(matches!(rotation, Rotation::Unknown), "{rotation:?}");
    }
}

pub(crate) async fn no_list_of_spent_tokens_is_kept(backend: &Backend) {
    let mut family = Family::begin(backend).await;
    let first = family.tokens[0];
    for day in 0..60 {
        let rotated = family.exchange(0, None, NOW_MS + day * DAY_MS).await;
        assert!(matches!(rotated, Rotation::Rotated(_)));
    }
    assert_eq!(family.place.count("SELECT COUNT(*) FROM spent_refresh").await, 0);
    let spent_long_ago = family.exchange_of(first, None);
    let rotation = family.store.rotate_refresh(&spent_long_ago, NOW_MS + 60 * DAY_MS).await.unwrap();
    assert!(matches!(rotation, Rotation::Reused), "the token says itself whose it is");
}

pub(crate) async fn a_device_has_one_session(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let device_id = client.device_id;
    let sign_in = async |client: &mut Client| client.sign_in_as(&store, device_id).await.authority;
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

pub(crate) async fn the_others_are_signed_out_at_once(backend: &Backend) {
    let (store, mut client, own, _) = signed_up(backend).await;
    let others = [other_device(&store, &mut client).await, other_device(&store, &mut client).await];
    let begun = begin(&store, Some(client.claim(&store).await), 5).await;
    assert_eq!(store.end_other_sessions(&own, NOW_MS).await.unwrap(), 2);
    for other in &others {
        assert!(!lives(&store, other).await);
    }
    assert!(lives(&store, &own).await);
    assert_eq!(store.pending(begun, Purpose::Link, NOW_MS).await.unwrap(), None);
    assert_eq!(store.end_other_sessions(&own, NOW_MS).await.unwrap(), 0);
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

/// A session with every refresh token that it has had.
pub(crate) struct Family {
    pub(crate) place: Backend,
    pub(crate) store: Store,
    client: Client,
    pub(crate) session_id: SessionId,
    tokens: Vec<Digest>,
}

impl Family {
    pub(crate) async fn begin(backend: &Backend) -> Self {
        let place = (backend.another)();
        let (store, mut client, ..) = signed_up(&place).await;
        let (device_id, session) = (client.id(), client.session());
        let claim = client.claim(&store).await;
        store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap();
        Self { place, store, client, session_id: session.session_id, tokens: vec![session.refresh_hash] }
    }

    pub(crate) fn newest(&self) -> Digest {
        *self.tokens.last().unwrap()
    }

    /// The same successor for the same request, as the server does it.
    pub(crate) fn exchange_of(&mut self, presented: Digest, request: Option<Digest>) -> Exchange {
        let drawn = self.client.digest();
        let next = request.map_or(drawn, |request| Digest::of(&[presented.as_bytes(), request.as_bytes()]));
        let (issued_for, expires_ms) = (Some(self.session_id), NOW_MS + 100 * DAY_MS);
        Exchange { presented, issued_for, request, next, expires_ms }
    }

    /// Shows the newest token, or one that came so many before it.
    async fn exchange(&mut self, back: usize, request: Option<Digest>, now_ms: u64) -> Rotation {
        let presented = self.tokens[self.tokens.len() - 1 - back];
        let exchange = self.exchange_of(presented, request);
        let rotation = self.store.rotate_refresh(&exchange, now_ms).await.unwrap();
        if back == 0 {
            self.tokens.push(exchange.next);
        }
        rotation
    }

    /// Of each node in turn.
    pub(crate) async fn all_at_once(nodes: &[Store], exchanges: &[Exchange]) -> Vec<Rotation> {
        let each = nodes.iter().cycle().zip(exchanges);
        let each = each.map(|(node, exchange)| node.rotate_refresh(exchange, NOW_MS));
        join_all(each).await.into_iter().map(Result::unwrap).collect()
    }

    async fn lives(&self) -> bool {
        self.store.authority(self.session_id, NOW_MS).await.unwrap().is_some()
    }
}
