//! A million guesses in simulated time, by the rules that the rows keep, and the same rules kept by rows.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use etui_chain::{AccountId, DeviceId, Id};
use etui_store::{Charged, Counter, LimitKey, Store, StoreConfig, Try, Wait, charge};
use zeroize::Zeroizing;

use super::{
    Target,
    keys::Keys,
    policy::{self, LONGEST_LOGIN_DELAY_MS, LONGEST_SECOND_FACTOR_DELAY_MS},
};

const START_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 86_400_000;
const GUESSES: u64 = 1_000_000;
const ADDRESSES: u64 = 10_000;
const ACCOUNTS: u64 = 10_000;
/// So many guesses of a million are looked at on the first day: one from each address, and what everybody has together.
const MOST_LOGINS: u64 = ADDRESSES + 4096 + 8640 + 500;
const MOST_SECOND_FACTORS: u64 = ADDRESSES + 256 + 1440 + 100;

/// Counters without a database.
#[derive(Default)]
struct Memory {
    counters: HashMap<LimitKey, Counter>,
    most_counters: usize,
}

impl Memory {
    fn attempt(&mut self, tried: &Try, now_ms: u64) -> Result<Charged, Wait> {
        let counters: Vec<_> =
            tried.keys().map(|key| self.counters.get(&key).copied().unwrap_or_default()).collect();
        let charged = charge(tried, &counters, now_ms)?;
        self.counters.extend(charged.counters());
        self.most_counters = self.most_counters.max(self.counters.len());
        Ok(charged)
    }

    fn succeeded(&mut self, charged: &Charged, now_ms: u64) {
        let counters: Vec<_> = charged.counters().map(|(key, _)| self.counters[&key]).collect();
        self.counters.extend(charged.give_back(&counters, now_ms));
    }

    /// Tries again whenever it may, and succeeds: how long that took in all.
    fn patiently(&mut self, tried: &Try, mut now_ms: u64) -> u64 {
        let start_ms = now_ms;
        loop {
            match self.attempt(tried, now_ms) {
                Ok(charged) => {
                    self.succeeded(&charged, now_ms);
                    return now_ms - start_ms;
                }
                Err(Wait { wait_ms }) => now_ms += wait_ms,
            }
        }
    }

    /// What the job for garbage does every hour.
    fn forget(&mut self, now_ms: u64) {
        self.counters.retain(|_, counter| counter.forgiven_ms > now_ms);
    }
}

fn keys() -> Keys {
    Keys::new(Zeroizing::new([7; 32]))
}

fn address(number: u64) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap()).into()
}

fn account(number: u64) -> AccountId {
    let mut bytes = [9; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    AccountId::from(Id::new(bytes).unwrap())
}

fn device(number: u8) -> DeviceId {
    DeviceId::new([number; 16]).unwrap()
}

/// What is guessed at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Secret {
    Login,
    SecondFactor,
}

impl Secret {
    fn counts(self, keys: &Keys, client: IpAddr, account_number: u64, known: Option<DeviceId>) -> Try {
        match self {
            Self::Login => {
                let email = format!("person{account_number}@example.org");
                policy::counts(keys, client, Target::Address(&email), known)
            }
            Self::SecondFactor => {
                policy::counts(keys, client, Target::SecondFactor(account(account_number)), known)
            }
        }
    }

    const fn longest_delay_ms(self) -> u64 {
        match self {
            Self::Login => LONGEST_LOGIN_DELAY_MS,
            Self::SecondFactor => LONGEST_SECOND_FACTOR_DELAY_MS,
        }
    }

    const fn most(self) -> u64 {
        match self {
            Self::Login => MOST_LOGINS,
            Self::SecondFactor => MOST_SECOND_FACTORS,
        }
    }
}

/// A day of guessing from every address in turn, each guess at the account that `aim` chooses: how many guesses were looked at,
/// and the counters. Every hour the owner of an account signs in, on a known device and on a new one.
fn guess_for_a_day(secret: Secret, guesses: u64, aim: impl Fn(u64) -> u64) -> (u64, Memory) {
    let keys = keys();
    let by_address: Vec<_> =
        (0..ADDRESSES).map(|number| secret.counts(&keys, address(number), 0, None)).collect();
    let by_account: Vec<_> =
        (0..ACCOUNTS).map(|number| secret.counts(&keys, address(0), number, None).own[ACCOUNT]).collect();
    let owner = ACCOUNTS / 2;
    let known = secret.counts(&keys, address(77_777), owner, Some(device(1)));
    let new = secret.counts(&keys, address(88_888), owner, None);
    let (mut memory, mut looked_at) = (Memory::default(), 0);
    for guess in 0..guesses {
        let now_ms = START_MS + guess * DAY_MS / guesses;
        let mut tried = by_address[index(guess % ADDRESSES)].clone();
        tried.own[ACCOUNT] = by_account[index(aim(guess))];
        looked_at += u64::from(memory.attempt(&tried, now_ms).is_ok());
        if guess % (guesses / 24) == 0 {
            memory.forget(now_ms);
            assert_eq!(memory.patiently(&known, now_ms), 0, "a known device signs in at once");
            let waited_ms = memory.patiently(&new, now_ms);
            assert!(waited_ms <= secret.longest_delay_ms(), "a new one within the cap: {waited_ms} ms");
        }
    }
    (looked_at, memory)
}

/// Where the counter of the account is among those of a stranger with an IPv4 address, behind that of the place.
const ACCOUNT: usize = 1;

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Each address goes from account to account.
fn a_million_spread(secret: Secret) {
    let (looked_at, memory) = guess_for_a_day(secret, GUESSES, |guess| (guess * 7919) % ACCOUNTS);
    assert!(looked_at <= secret.most(), "{looked_at} were looked at");
    assert!(looked_at >= ADDRESSES, "{looked_at}: the rule would be another one");
    assert!(memory.most_counters < 40_000, "{} counters", memory.most_counters);
}

#[test]
fn of_a_million_login_passwords_few_are_looked_at_and_the_owner_gets_in() {
    a_million_spread(Secret::Login);
}

#[test]
fn of_a_million_codes_few_are_looked_at_and_the_owner_gets_in() {
    a_million_spread(Secret::SecondFactor);
}

#[test]
fn an_address_that_stays_with_one_account_wins_nothing() {
    for secret in [Secret::Login, Secret::SecondFactor] {
        let (looked_at, _) = guess_for_a_day(secret, 20 * ADDRESSES, |guess| guess % ACCOUNTS);
        assert!(looked_at <= secret.most(), "{secret:?}: {looked_at} were looked at");
    }
}

#[test]
fn of_all_guesses_at_one_account_a_hundred_are_looked_at() {
    for (secret, most) in [(Secret::Login, 115), (Secret::SecondFactor, 37)] {
        let (looked_at, mut memory) = guess_for_a_day(secret, 20 * ADDRESSES, |_| ACCOUNTS / 2);
        assert!((20..=most).contains(&looked_at), "{secret:?}: {looked_at} were looked at");
        memory.forget(START_MS + 2 * DAY_MS + 1);
        assert_eq!(memory.counters.len(), 0, "a day later nothing of it is remembered");
    }
}

#[test]
fn one_place_cannot_have_everybody_wait() {
    let keys = keys();
    let mut memory = Memory::default();
    let mut looked_at = 0_u64;
    for second in (0..DAY_MS / 1000).step_by(5) {
        let email = format!("person{second}@example.org");
        // Each guess from another /64 of one site.
        let client = IpAddr::V6(Ipv6Addr::from(
            0x2001_0db8_0001_0000_0000_0000_0000_0001 + (u128::from(second / 5) << 64),
        ));
        let tried = policy::counts(&keys, client, Target::Address(&email), None);
        looked_at += u64::from(memory.attempt(&tried, START_MS + second * 1000).is_ok());
    }
    assert!(looked_at < 1024 + 4 * 1440 + 200, "{looked_at} were looked at");
    let others = (0..2_u64).map(|number| {
        let email = format!("other{number}@example.org");
        let tried = policy::counts(&keys, address(1), Target::Address(&email), None);
        memory.attempt(&tried, START_MS + DAY_MS).is_ok()
    });
    assert_eq!(others.collect::<Vec<_>>(), [true, true], "the second one is no newcomer any more");
}

#[test]
fn signing_in_to_an_account_of_ones_own_wins_no_guess() {
    let keys = keys();
    let mut memory = Memory::default();
    let mut looked_at = 0_u64;
    let (own, client) = ("attacker@example.org", address(1));
    for second in (0..DAY_MS / 1000).step_by(10) {
        let now_ms = START_MS + second * 1000;
        let email = format!("person{second}@example.org");
        let guess = policy::counts(&keys, client, Target::Address(&email), None);
        looked_at += u64::from(memory.attempt(&guess, now_ms).is_ok());
        let own = policy::counts(&keys, client, Target::Address(own), None);
        if let Ok(charged) = memory.attempt(&own, now_ms) {
            memory.succeeded(&charged, now_ms);
        }
    }
    assert!(looked_at < 256 + 1440 + 100, "{looked_at} were looked at");
}

#[test]
fn a_success_forgives_nobody_s_failure() {
    let keys = keys();
    let mut memory = Memory::default();
    for secret in [Secret::Login, Secret::SecondFactor] {
        for known in [None, Some(device(1))] {
            let tried = secret.counts(&keys, address(1), 5, known);
            let failures = (0..100).take_while(|_| {
                let success = memory.attempt(&tried, START_MS);
                if let Ok(charged) = success {
                    memory.succeeded(&charged, START_MS);
                }
                memory.attempt(&tried, START_MS).is_ok()
            });
            assert!(failures.count() <= 11, "{secret:?} {known:?}");
        }
    }
}

#[tokio::test]
async fn rows_decide_as_the_rules_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&store_config(folder.path())).await.unwrap();
    let (keys, mut memory) = (keys(), Memory::default());
    let mut refused = 0;
    for guess in 0..600_u64 {
        let now_ms = START_MS + guess * 2000;
        let secret = if guess % 3 == 0 { Secret::SecondFactor } else { Secret::Login };
        let known = (guess % 5 == 0).then(|| device(1));
        let tried = secret.counts(&keys, address(guess % 7), guess % 4, known);
        let (by_rules, by_rows) =
            (memory.attempt(&tried, now_ms), store.charge_try(&tried, now_ms).await.unwrap());
        assert_eq!(by_rules, by_rows, "guess {guess}");
        match by_rows {
            Ok(charged) if guess % 11 == 0 => {
                memory.succeeded(&charged, now_ms);
                store.give_try_back(&charged, now_ms).await.unwrap();
            }
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
}

fn store_config(folder: &std::path::Path) -> StoreConfig {
    crate::settings::Settings::in_folder(folder).store().unwrap()
}
