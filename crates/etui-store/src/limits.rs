//! How often a secret may be guessed: counters that every node shares.
//!
//! A try is charged to its counters before anything is looked at, and given back if it turns out right. However many tries run
//! at once, on however many nodes, the rows decide one after the other. What is decided is in [`counter`] and in
//! [`charge`], without a database; `docs/design/0009-limits.md` gives the reasons.

mod counter;

use etui_chain::{AccountId, DeviceId};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use counter::Charge;
pub use counter::{Counter, Limit};

use crate::{
    Store, StoreError,
    sql::{self, Columns as _},
};

/// Names a counter: a keyed hash, so that no row tells whom or what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LimitKey([u8; 16]);

impl LimitKey {
    /// Takes the first bytes of a keyed hash.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A counter and what holds for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Which.
    pub key: LimitKey,
    /// How often it may fail.
    pub limit: Limit,
}

/// What a try is charged to. Kinds of counters come in the same order in every try: so no two tries wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// Counters that are always asked.
    pub own: Vec<Count>,
    /// Everybody's tries together.
    pub shared: Option<Shared>,
}

/// Everybody's tries together, which newcomers need not wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// The failures of the place where the try comes from: where there is none, it comes from a newcomer.
    pub newcomer: Count,
    /// Everybody's.
    pub everybody: Count,
}

/// A try that was charged. It can be kept with what was begun, if it turns out right in another request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged(Vec<(LimitKey, Charge)>);

/// A try that is not to be looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long, in ms.
    pub wait_ms: u64,
}

/// Charges a try to counters that were read a moment ago and that nobody else changes meanwhile: their new values.
/// `counters` are those of [`Try::keys`].
///
/// # Errors
/// [`Wait`]: then nothing is charged.
pub fn charge(tried: &Try, counters: &[Counter], now_ms: u64) -> Result<Charged, Wait> {
    let newcomer = tried.own.len();
    let waits_for_others = counters.get(newcomer).is_some_and(|counter| counter.has_failed(now_ms));
    let count = if waits_for_others { counters.len() } else { newcomer + 1 };
    let asked = || tried.counts().zip(counters).take(count);
    let wait_ms = asked().map(|(count, counter)| counter.wait_ms(&count.limit, now_ms)).max();
    match wait_ms {
        Some(wait_ms @ 1..) => Err(Wait { wait_ms }),
        _ => Ok(Charged(
            asked().map(|(count, counter)| (count.key, counter.charge(&count.limit, now_ms))).collect(),
        )),
    }
}

impl Try {
    /// Its counters, in the order in which they are locked.
    pub fn keys(&self) -> impl Iterator<Item = LimitKey> {
        self.counts().map(|count| count.key)
    }

    fn counts(&self) -> impl Iterator<Item = &Count> {
        let shared = self.shared.iter().flat_map(|Shared { newcomer, everybody }| [newcomer, everybody]);
        self.own.iter().chain(shared)
    }
}

impl Charged {
    /// The counters that were charged, and what they are now.
    pub fn counters(&self) -> impl Iterator<Item = (LimitKey, Counter)> {
        self.0.iter().map(|(key, charge)| (*key, charge.after))
    }

    /// The same counters once the try has turned out right. `counters` are what they are by then, in the same order.
    pub fn give_back(&self, counters: &[Counter], now_ms: u64) -> impl Iterator<Item = (LimitKey, Counter)> {
        let pairs = self.0.iter().zip(counters);
        pairs.map(move |((key, charge), counter)| (*key, counter.give_back(charge, now_ms)))
    }
}

impl Store {
    /// Charges a try to its counters, before the secret is looked at.
    ///
    /// A refusal is read and not written: who floods a server with tries fills no table and holds no lock.
    ///
    /// # Errors
    /// `Unavailable`, `StorageFull`: what cannot be counted is not looked at.
    pub async fn charge_try(&self, tried: &Try, now_ms: u64) -> Result<Result<Charged, Wait>, StoreError> {
        let keys: Vec<_> = tried.keys().collect();
        let seen = read(self.database(), &keys).await?;
        if let Err(wait) = charge(tried, &seen, now_ms) {
            return Ok(Err(wait));
        }
        let transaction = self.begin().await?;
        let held = lock(&*transaction, &keys).await?;
        let charged = charge(tried, &held, now_ms);
        if let Ok(charged) = &charged {
            write(&*transaction, charged.counters()).await?;
            transaction.commit().await?;
        }
        Ok(charged)
    }

    /// Takes a try back that turned out right. Others' failures stay.
    ///
    /// # Errors
    /// `Unavailable`, `StorageFull`.
    pub async fn give_try_back(&self, charged: &Charged, now_ms: u64) -> Result<(), StoreError> {
        let keys: Vec<_> = charged.counters().map(|(key, _)| key).collect();
        let transaction = self.begin().await?;
        let held = lock(&*transaction, &keys).await?;
        write(&*transaction, charged.give_back(&held, now_ms)).await?;
        transaction.commit().await
    }

    /// Whether a device has signed in to the account before, and was let in. Its id is known to the account's own devices alone.
    ///
    /// # Errors
    /// `Database`.
    pub async fn knows_device(&self, account_id: AccountId, device_id: DeviceId) -> Result<bool, StoreError> {
        const SELECT: &str =
            "SELECT 1 FROM known_device WHERE account_id = $1 AND device_id = $2 AND approved <> 0";
        let values = [sql::id(account_id), sql::id(device_id)];
        Ok(sql::row(self.database(), "looking a device up", SELECT, values).await?.is_some())
    }

    /// The same for the account of a normalised address, if there is one.
    ///
    /// # Errors
    /// `Database`.
    pub async fn knows_device_of_address(
        &self,
        email: &str,
        device_id: DeviceId,
    ) -> Result<bool, StoreError> {
        const SELECT: &str = "SELECT 1 FROM known_device k JOIN account a ON a.account_id = k.account_id \
             WHERE a.email = $1 AND k.device_id = $2 AND k.approved <> 0";
        let values = [email.into(), sql::id(device_id)];
        Ok(sql::row(self.database(), "looking a device up", SELECT, values).await?.is_some())
    }
}

/// Counters without a failure, and those of a clock that was wrong, are forgotten. How many there were.
pub(crate) async fn forget<C: ConnectionTrait>(transaction: &C, now_ms: u64) -> Result<u64, StoreError> {
    const DELETE: &str = "DELETE FROM attempt WHERE forgiven_ms <= $1 OR forgiven_ms > $2";
    let values = [sql::number(now_ms), sql::number(now_ms.saturating_add(counter::LONGEST_MS))];
    sql::execute(transaction, "forgetting failures", DELETE, values).await
}

async fn read<C: ConnectionTrait>(connection: &C, keys: &[LimitKey]) -> Result<Vec<Counter>, StoreError> {
    let query = format!(
        "SELECT limit_key, forgiven_ms, next_ms FROM attempt WHERE limit_key IN ({})",
        sql::placeholders(1, keys.len())
    );
    let rows = sql::rows(connection, "reading limits", &query, keys.iter().map(value)).await?;
    in_order(keys, &rows)
}

/// Whoever comes second at one of the counters waits here until the first has decided. Rows are made and locked in the order
/// in which they are named.
async fn lock<C: ConnectionTrait>(transaction: &C, keys: &[LimitKey]) -> Result<Vec<Counter>, StoreError> {
    let tuples: Vec<_> = (1..=keys.len()).map(|index| format!("(${index}, 0, 0)")).collect();
    let query = format!(
        "INSERT INTO attempt (limit_key, forgiven_ms, next_ms) VALUES {} \
         ON CONFLICT (limit_key) DO UPDATE SET next_ms = attempt.next_ms RETURNING limit_key, forgiven_ms, next_ms",
        tuples.join(", ")
    );
    let rows = sql::rows(transaction, "locking limits", &query, keys.iter().map(value)).await?;
    in_order(keys, &rows)
}

async fn write<C: ConnectionTrait>(
    transaction: &C,
    counters: impl Iterator<Item = (LimitKey, Counter)>,
) -> Result<(), StoreError> {
    let row = |(key, counter): (LimitKey, Counter)| {
        [value(&key), sql::number(counter.forgiven_ms), sql::number(counter.next_ms)]
    };
    let rows: Vec<_> = counters.map(row).collect();
    let tuples: Vec<_> =
        (0..rows.len()).map(|index| format!("({})", sql::placeholders(1 + 3 * index, 3))).collect();
    let statement = format!(
        "INSERT INTO attempt (limit_key, forgiven_ms, next_ms) VALUES {} ON CONFLICT (limit_key) \
         DO UPDATE SET forgiven_ms = excluded.forgiven_ms, next_ms = excluded.next_ms",
        tuples.join(", ")
    );
    sql::execute(transaction, "counting a try", &statement, rows.into_iter().flatten()).await.map(drop)
}

fn in_order(keys: &[LimitKey], rows: &[sea_orm::QueryResult]) -> Result<Vec<Counter>, StoreError> {
    let mut counters = vec![Counter::default(); keys.len()];
    for row in rows {
        let key: Vec<u8> = row.column(0)?;
        if let Some(index) = keys.iter().position(|wanted| wanted.0[..] == key) {
            counters[index] = Counter { forgiven_ms: row.number(1)?, next_ms: row.number(2)? };
        }
    }
    Ok(counters)
}

fn value(key: &LimitKey) -> sea_orm::Value {
    key.0.to_vec().into()
}
