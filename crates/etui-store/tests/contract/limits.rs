//! Counters of tries: what is decided about any number of tries at once, on one node or several.

use std::time::Duration;

use etui_store::{Charged, Count, Limit, LimitKey, Shared, Store, Try, Wait};

use crate::{
    backend::{Backend, signed_up},
    client::{DAY_MS, NOW_MS},
};

const MINUTE_MS: u64 = 60_000;
const LIMIT: Limit = Limit {
    free: 5,
    forgive_ms: 60 * MINUTE_MS,
    first_delay_ms: MINUTE_MS,
    longest_delay_ms: 15 * MINUTE_MS,
    most: 12,
};
const NEWCOMER: Limit =
    Limit { free: 1, forgive_ms: DAY_MS, first_delay_ms: 0, longest_delay_ms: 0, most: 1 };

fn count(number: u8, limit: Limit) -> Count {
    Count { key: LimitKey::new([number; 16]), limit }
}

/// A try from a place of its own, at something that is tried by others too.
fn tried(place: u8, target: u8) -> Try {
    let newcomer = count(100 + place, NEWCOMER);
    let everybody = count(200, Limit { free: 20, most: 40, ..LIMIT });
    let own = vec![count(place, Limit { free: 100, most: 200, ..LIMIT }), count(target, LIMIT)];
    Try { own, shared: Some(Shared { newcomer, everybody }) }
}

async fn charge(store: &Store, tried: &Try, now_ms: u64) -> Result<Charged, Wait> {
    store.charge_try(tried, now_ms).await.unwrap()
}

pub(crate) async fn delays_grow_and_a_refused_try_costs_nothing(backend: &Backend) {
    let store = backend.open().await;
    let tried = Try { own: vec![count(1, LIMIT)], shared: None };
    let mut now_ms = NOW_MS;
    let mut delays = Vec::new();
    for _ in 0..12 {
        // However often it is asked meanwhile.
        while let Err(Wait { wait_ms }) = charge(&store, &tried, now_ms).await {
            assert_eq!(charge(&store, &tried, now_ms + wait_ms - 1).await, Err(Wait { wait_ms: 1 }));
            delays.push(wait_ms / MINUTE_MS);
            now_ms += wait_ms;
        }
    }
    assert_eq!(delays, [1, 2, 4, 8, 15, 15], "what is forgiven meanwhile makes them no longer");
}

pub(crate) async fn a_success_is_taken_back_whole(backend: &Backend) {
    let store = backend.open().await;
    let tried = tried(1, 2);
    for _ in 0..3 * LIMIT.free {
        let charged = charge(&store, &tried, NOW_MS).await.unwrap();
        store.give_try_back(&charged, NOW_MS + 1).await.unwrap();
    }
    for _ in 0..=LIMIT.free {
        charge(&store, &tried, NOW_MS + 2).await.unwrap();
    }
    assert!(charge(&store, &tried, NOW_MS + 2).await.is_err());
}

pub(crate) async fn newcomers_do_not_wait_for_everybody(backend: &Backend) {
    let store = backend.open().await;
    let mut tries = 0;
    // From one place and the next, each time at something else.
    while charge(&store, &tried(tries % 7, 10 + tries), NOW_MS).await.is_ok() {
        tries += 1;
    }
    assert_eq!(tries, 7 + 21, "the first failure of each place is not counted among everybody's");
    charge(&store, &tried(8, 90), NOW_MS).await.expect("a newcomer is looked at");
    charge(&store, &tried(8, 91), NOW_MS).await.expect_err("and waits for everybody after a failure");
}

pub(crate) async fn however_many_try_at_once_no_more_are_looked_at(backend: &Backend) {
    let store = backend.open().await;
    race(&[store]).await;
}

pub(crate) async fn what_is_forgiven_is_forgotten(backend: &Backend) {
    let (store, ..) = signed_up(backend).await;
    for place in 0..10 {
        charge(&store, &tried(place, 50), NOW_MS).await.ok();
    }
    let garbage = async |now_ms| store.collect_garbage(now_ms, Duration::from_hours(24)).await.unwrap();
    assert!(backend.count("SELECT COUNT(*) FROM attempt").await > 10);
    garbage(NOW_MS + DAY_MS - 1).await;
    assert!(backend.count("SELECT COUNT(*) FROM attempt").await > 0, "a newcomer is none for a day");
    garbage(NOW_MS + DAY_MS).await;
    assert_eq!(backend.count("SELECT COUNT(*) FROM attempt").await, 0);
}

pub(crate) async fn a_device_is_known_until_it_is_sent_away(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let (account_id, email) = (client.account_id, client.email());
    let stranger = client.id();
    assert!(store.knows_device(account_id, client.device_id).await.unwrap());
    assert!(store.knows_device_of_address(&email, client.device_id).await.unwrap());
    assert!(!store.knows_device(account_id, stranger).await.unwrap());
    assert!(!store.knows_device_of_address("nobody@example.org", client.device_id).await.unwrap());
    store.end_device_sessions(&authority, client.device_id, NOW_MS).await.unwrap();
    assert!(!store.knows_device(account_id, client.device_id).await.unwrap());
}

/// Many tries at one target at once, over all of the stores in turn: as many are looked at as if they came one by one.
pub(crate) async fn race(nodes: &[Store]) {
    let target = Try { own: vec![count(1, LIMIT)], shared: None };
    let racing = (0..60_usize).map(|number| {
        let (store, target) = (nodes[number % nodes.len()].clone(), target.clone());
        tokio::spawn(async move { charge(&store, &target, NOW_MS).await })
    });
    let mut looked_at = 0;
    for running in racing.collect::<Vec<_>>() {
        looked_at += u64::from(running.await.unwrap().is_ok());
    }
    assert_eq!(looked_at, LIMIT.free + 1);

    // From places and at targets that cross, whoever waits for whom: nobody waits for ever, and nothing is counted twice.
    let crossing = (0..60_u8).map(|number| {
        let store = nodes[usize::from(number) % nodes.len()].clone();
        let crossed = tried(number % 3, 20 + number % 4);
        tokio::spawn(async move {
            let charged = charge(&store, &crossed, NOW_MS).await;
            if let Ok(charged) = &charged
                && number % 5 == 0
            {
                store.give_try_back(charged, NOW_MS).await.unwrap();
            }
        })
    });
    for running in crossing.collect::<Vec<_>>() {
        running.await.unwrap();
    }
}
