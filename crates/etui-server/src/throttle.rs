//! Failed sign-ins are counted by where they come from, so that guessing from one place soon becomes slow.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Failures that one place has at first: as many as may wait to be hashed at once, so that an office whose people all sign in
/// at nine is not slowed down.
const BURST: u64 = 256;
/// One more after so long.
const REFILL_MS: u64 = 10_000;
/// Places that are remembered.
const MAX_PLACES: usize = 16_384;

/// Counts attempts that did not succeed. A success costs nothing, so people are never slowed down by signing in.
#[derive(Debug, Default)]
pub struct Throttle {
    /// For each place, when its failures will all be forgiven, in ms of a clock that never jumps: if the server's own were set
    /// back, everybody would be locked out for as long.
    forgiven_ms: Mutex<HashMap<IpAddr, u64>>,
}

/// Too many failures came from one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed sign-ins came from one place")]
pub struct Throttled {
    /// Seconds until the next attempt.
    pub retry_after_s: u32,
}

impl Throttle {
    /// Begins an attempt, which counts as a failure until [`Self::succeeded`]: however many are made at once, no more
    /// than allowed are looked at.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn attempt(&self, client: IpAddr, now_ms: u64) -> Result<(), Throttled> {
        let mut places = self.places();
        let forgiven_ms = places.get(&place(client)).copied().unwrap_or(0);
        let owed_ms = forgiven_ms.saturating_sub(now_ms);
        let wait_ms = (owed_ms + REFILL_MS).saturating_sub(BURST * REFILL_MS);
        if wait_ms > 0 {
            return Err(Throttled {
                retry_after_s: u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX),
            });
        }
        if places.len() >= MAX_PLACES {
            places.retain(|_, forgiven_ms| *forgiven_ms > now_ms);
        }
        if places.len() >= MAX_PLACES {
            forget_least(&mut places);
        }
        places.insert(place(client), forgiven_ms.max(now_ms) + REFILL_MS);
        Ok(())
    }

    /// Gives an attempt back.
    pub fn succeeded(&self, client: IpAddr) {
        if let Some(forgiven_ms) = self.places().get_mut(&place(client)) {
            *forgiven_ms = forgiven_ms.saturating_sub(REFILL_MS);
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.forgiven_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More places than anyone can remember: whoever owes the least is forgotten, and those who owe much stay.
fn forget_least(places: &mut HashMap<IpAddr, u64>) {
    let least = places.iter().min_by_key(|(_, forgiven_ms)| **forgiven_ms).map(|(place, _)| *place);
    if let Some(least) = least {
        places.remove(&least);
    }
}

/// Whoever has an IPv6 address has the whole /64 around it.
fn place(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    #[test]
    fn after_the_burst_each_attempt_has_to_be_waited_for() {
        let throttle = Throttle::default();
        let client = "203.0.113.9".parse().unwrap();
        for _ in 0..BURST {
            assert_eq!(throttle.attempt(client, NOW_MS), Ok(()));
        }
        assert_eq!(throttle.attempt(client, NOW_MS), Err(Throttled { retry_after_s: 10 }));
        assert_eq!(throttle.attempt(client, NOW_MS + REFILL_MS), Ok(()));
        assert!(throttle.attempt(client, NOW_MS + REFILL_MS).is_err());
        assert_eq!(throttle.attempt("203.0.113.10".parse().unwrap(), NOW_MS), Ok(()), "others are not meant");
    }

    #[test]
    fn a_success_costs_nothing() {
        let throttle = Throttle::default();
        let client = "203.0.113.9".parse().unwrap();
        for _ in 0..10 * BURST {
            throttle.attempt(client, NOW_MS).unwrap();
            throttle.succeeded(client);
        }
        for _ in 0..BURST {
            throttle.attempt(client, NOW_MS).unwrap();
        }
        assert!(throttle.attempt(client, NOW_MS).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let throttle = Throttle::default();
        for number in 0..BURST {
            throttle.attempt(format!("2001:db8::{number:x}").parse().unwrap(), NOW_MS).unwrap();
        }
        assert!(throttle.attempt("2001:db8::ffff".parse().unwrap(), NOW_MS).is_err());
        assert!(throttle.attempt("2001:db8:0:1::1".parse().unwrap(), NOW_MS).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_a_crowd_forgives_nobody() {
        let throttle = Throttle::default();
        let guesser = "203.0.113.9".parse().unwrap();
        while throttle.attempt(guesser, NOW_MS).is_ok() {}
        for number in 0..=u32::try_from(MAX_PLACES).unwrap() {
            throttle.attempt(IpAddr::V4(number.into()), NOW_MS).unwrap();
        }
        assert!(throttle.places().len() <= MAX_PLACES);
        assert!(throttle.attempt(guesser, NOW_MS).is_err());
    }
}
