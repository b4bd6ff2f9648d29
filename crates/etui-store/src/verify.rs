//! Checks everything that is stored: every signature, every link of every chain, every row against the chain, every
//! sealed record against its hash.

use std::{collections::BTreeMap, fmt, ops::Range};

use bytes::Bytes;
use etui_chain::{AccountId, Commit, Digest, Head, Ledger, ObjectId, State, VaultId, record_hash};
use object_store::ObjectStoreExt as _;
use sea_orm::DatabaseTransaction;

use crate::{
    Store, StoreError,
    reader::slice,
    segment::{ObjectKey, Stored},
    sql::{self, Columns as _},
};

const PAGE_ROWS: u64 = 256;
/// Records read together.
const RECORDS_AT_ONCE: usize = 64;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Accounts.
    pub accounts: u64,
    /// Signed states.
    pub states: u64,
    /// Signed commits.
    pub commits: u64,
    /// Sealed records of live objects.
    pub records: u64,
    /// What does not hold; each was reported.
    pub problems: u64,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: String,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

impl Store {
    /// Checks everything, as it is at one moment, and goes on after each problem, which is reported as it is found.
    ///
    /// # Errors
    /// `Database`, `Blobs`, `Unavailable` if something could not be asked; what is merely wrong is a problem.
    pub async fn verify(&self, report: &mut (dyn FnMut(&Problem) + Send)) -> Result<Verified, StoreError> {
        const SELECT: &str = "SELECT account_id, state_version, state_hash FROM account \
             WHERE account_id > $1 ORDER BY account_id LIMIT $2";
        let snapshot = self.snapshot().await?;
        let mut check = Check { store: self, snapshot: &snapshot, report, verified: Verified::default() };
        let mut last: Vec<u8> = Vec::new();
        loop {
            let values = [last.into(), sql::number(PAGE_ROWS)];
            let rows = sql::rows(&snapshot, "listing accounts", SELECT, values).await?;
            let Some(newest) = rows.last() else { return Ok(check.verified) };
            last = newest.column(0)?;
            for row in &rows {
                check.account(row.id(0)?, row.number(1)?, row.digest(2)?).await?;
            }
        }
    }
}

struct Check<'a> {
    store: &'a Store,
    snapshot: &'a DatabaseTransaction,
    report: &'a mut (dyn FnMut(&Problem) + Send),
    verified: Verified,
}

/// Where the record of a live object lies, and what it must be.
struct Place {
    object_id: ObjectId,
    record_hash: Digest,
    range: Range<u64>,
}

impl Check<'_> {
    fn problem(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.verified.problems += 1;
        (self.report)(&Problem { place: place.to_string(), what: what.to_string() });
    }

    async fn account(&mut self, account_id: AccountId, version: u64, hash: Digest) -> Result<(), StoreError> {
        self.verified.accounts += 1;
        let states = self.states(account_id).await?;
        let place = format!("account {account_id}");
        let Some(newest) = states.last() else {
            self.problem(place, "it has no state");
            return Ok(());
        };
        if newest.version != version || newest.hash() != hash {
            self.problem(&place, "its row does not name its newest state");
        }
        self.named_records(&place, newest).await?;
        let mut heads = BTreeMap::new();
        for (number, vault_id, head) in self.vaults(account_id).await? {
            heads.insert(vault_id, head);
            self.vault(number, vault_id, head, &states).await?;
        }
        for listed in &newest.vaults {
            if !heads.contains_key(&listed.id) {
                self.problem(
                    format!("vault {}", listed.id),
                    "the newest state lists it, and it is not there",
                );
            }
        }
        Ok(())
    }

    /// The states as far as they follow each other.
    async fn states(&mut self, account_id: AccountId) -> Result<Vec<State>, StoreError> {
        const SELECT: &str = "SELECT version, state_hash, body FROM account_state \
             WHERE account_id = $1 AND version > $2 ORDER BY version LIMIT $3";
        let mut states: Vec<State> = Vec::new();
        loop {
            let last = states.last().map_or(0, |state| state.version);
            let values = [sql::id(account_id), sql::number(last), sql::number(PAGE_ROWS)];
            let rows = sql::rows(self.snapshot, "reading states", SELECT, values).await?;
            if rows.is_empty() {
                return Ok(states);
            }
            for row in rows {
                self.verified.states += 1;
                let (version, hash, body) = (row.number(0)?, row.digest(1)?, row.column::<Vec<u8>>(2)?);
                let place = format!("account {account_id}, state {version}");
                let state = match State::parse(&body) {
                    Ok(state) => state,
                    Err(refused) => {
                        self.problem(place, refused);
                        return Ok(states);
                    }
                };
                let follows = match states.last() {
                    None if state.version == 1 => state.verify_own_signature(),
                    None => Err(etui_chain::Refusal::Missing.because("the states before it are not there")),
                    Some(previous) => state.verify_follows(previous).map(drop),
                };
                if let Err(refused) = follows {
                    self.problem(place, refused);
                    return Ok(states);
                }
                if state.hash() != hash || state.version != version || state.account_id != account_id {
                    self.problem(place, "its row is not about it");
                }
                states.push(state);
            }
        }
    }

    async fn named_records(&mut self, place: &str, newest: &State) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT body FROM named_record WHERE account_id = $1 AND record_hash = $2";
        for hash in newest.named_records() {
            let values = [sql::id(newest.account_id), sql::digest(&hash)];
            let row = sql::row(self.snapshot, "reading a named record", SELECT, values).await?;
            let body: Option<Vec<u8>> = row.map(|row| row.column(0)).transpose()?;
            if body.is_none_or(|body| record_hash(&body) != hash) {
                self.problem(
                    place,
                    format_args!("the record {hash} that its newest state names is missing or damaged"),
                );
            }
        }
        Ok(())
    }

    async fn vaults(&self, account_id: AccountId) -> Result<Vec<(u64, VaultId, Head)>, StoreError> {
        const SELECT: &str = "SELECT vault_number, vault_id, head_seq, head_hash FROM vault \
             WHERE account_id = $1 ORDER BY vault_number";
        let rows = sql::rows(self.snapshot, "listing vaults", SELECT, [sql::id(account_id)]).await?;
        let vault = |row: &sea_orm::QueryResult| {
            Ok((row.number(0)?, row.id(1)?, Head { seq: row.number(2)?, hash: row.digest(3)? }))
        };
        rows.iter().map(vault).collect()
    }

    async fn vault(
        &mut self,
        number: u64,
        vault_id: VaultId,
        head: Head,
        states: &[State],
    ) -> Result<(), StoreError> {
        let place = format!("vault {vault_id}");
        let Some(ledger) = self.chain(number, vault_id, states).await? else { return Ok(()) };
        if ledger.head() != head {
            self.problem(
                &place,
                format_args!("its head is {} and its chain ends at {}", head.seq, ledger.head().seq),
            );
        }
        let segments = self.objects(&place, number, &ledger).await?;
        for (segment, mut places) in segments {
            // In the order in which they lie there: what is read together lies together.
            places.sort_unstable_by_key(|place| place.range.start);
            self.segment(&place, segment, &places).await?;
        }
        Ok(())
    }

    /// The ledger at the end of the chain, if the chain holds.
    async fn chain(
        &mut self,
        number: u64,
        vault_id: VaultId,
        states: &[State],
    ) -> Result<Option<Ledger>, StoreError> {
        const SELECT: &str = "SELECT seq, commit_hash, body FROM vault_commit \
             WHERE vault_number = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let mut ledger = Ledger::empty(vault_id);
        let mut hashes = Vec::new();
        loop {
            let values = [sql::number(number), sql::number(ledger.head().seq), sql::number(PAGE_ROWS)];
            let rows = sql::rows(self.snapshot, "reading commits", SELECT, values).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                self.verified.commits += 1;
                let (seq, hash, body) = (row.number(0)?, row.digest(1)?, row.column::<Vec<u8>>(2)?);
                let advanced = Commit::parse(&body).and_then(|commit| {
                    let state = state_for(states, &vault_id, commit.seq)?;
                    ledger.advance(&commit, state)
                });
                match advanced {
                    Ok(advanced) => ledger = advanced,
                    Err(refused) => {
                        self.problem(format!("vault {vault_id}, commit {seq}"), refused);
                        return Ok(None);
                    }
                }
                if ledger.head() != (Head { seq, hash }) {
                    self.problem(format!("vault {vault_id}, commit {seq}"), "its row is not about it");
                }
                hashes.push(ledger.head().hash);
            }
        }
        for state in states {
            let Some(listed) = state.vault(&vault_id).filter(|listed| listed.head_seq > 0) else { continue };
            let at = usize::try_from(listed.head_seq - 1).ok().and_then(|index| hashes.get(index));
            if at != Some(&listed.head_hash) {
                let what =
                    format_args!("state {} names another commit at {}", state.version, listed.head_seq)
                        .to_string();
                self.problem(format!("vault {vault_id}"), what);
            }
        }
        Ok(Some(ledger))
    }

    /// Compares the rows with the chain; where the records of the live ones are, by segment.
    async fn objects(
        &mut self,
        place: &str,
        number: u64,
        ledger: &Ledger,
    ) -> Result<BTreeMap<u64, Vec<Place>>, StoreError> {
        const SELECT: &str = "SELECT object_id, version, record_hash, segment_number, segment_offset, length \
             FROM object WHERE vault_number = $1 AND object_id > $2 ORDER BY object_id LIMIT $3";
        let mut segments: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
        let mut last: Vec<u8> = Vec::new();
        let mut seen = 0;
        loop {
            let values = [sql::number(number), last.into(), sql::number(PAGE_ROWS)];
            let rows = sql::rows(self.snapshot, "reading a vault's objects", SELECT, values).await?;
            let Some(newest) = rows.last() else { break };
            last = newest.column(0)?;
            for row in &rows {
                let object_id: ObjectId = row.id(0)?;
                let segment = row.column::<Option<i64>>(3)?.map(i64::cast_unsigned);
                let (version, hash) = (row.number(1)?, row.digest(2)?);
                match (ledger.live().get(&object_id), segment) {
                    (Some(leaf), Some(segment)) if (leaf.version, leaf.record_hash) == (version, hash) => {
                        seen += 1;
                        let offset = row.number(4)?;
                        let range = offset..offset + row.number(5)?;
                        segments.entry(segment).or_default().push(Place {
                            object_id,
                            record_hash: hash,
                            range,
                        });
                    }
                    (Some(_), _) => {
                        seen += 1;
                        self.problem(
                            format!("{place}, object {object_id}"),
                            "its row is not what the chain says",
                        );
                    }
                    (None, None) if ledger.is_purged(&object_id) => {}
                    (None, _) => {
                        self.problem(
                            format!("{place}, object {object_id}"),
                            "its row is about nothing that the chain knows",
                        );
                    }
                }
            }
        }
        if seen < ledger.live().len() {
            let missing = ledger.live().len() - seen;
            self.problem(place, format_args!("{missing} live objects have no row"));
        }
        Ok(segments)
    }

    async fn segment(&mut self, place: &str, number: u64, places: &[Place]) -> Result<(), StoreError> {
        const SELECT: &str = "SELECT object_key, inline, bytes FROM segment WHERE segment_number = $1";
        let row = sql::row(self.snapshot, "reading a segment", SELECT, [sql::number(number)]).await?;
        let Some(row) = row else {
            self.problem(
                place,
                format_args!("segment {number} with {} live records has no row", places.len()),
            );
            return Ok(());
        };
        let stored = match (row.column::<Option<Vec<u8>>>(0)?, row.column::<Option<Vec<u8>>>(1)?) {
            (Some(key), _) => Stored::Object { key: ObjectKey(key), bytes: row.number(2)? },
            (None, Some(bytes)) => Stored::Inline(bytes.into()),
            (None, None) => {
                self.problem(place, format_args!("segment {number} is neither inline nor an object"));
                return Ok(());
            }
        };
        let reaches = |size: u64| places.iter().all(|place| place.range.end <= size);
        if !self.size(&stored).await?.is_some_and(reaches) {
            let name = match &stored {
                Stored::Object { key, .. } => key.path().to_string(),
                Stored::Inline(_) => format!("segment {number}"),
            };
            self.problem(
                place,
                format_args!("{name} with {} live records is missing or too short", places.len()),
            );
            return Ok(());
        }
        for some in places.chunks(RECORDS_AT_ONCE) {
            let records = self.read(&stored, some).await?;
            for (expected, record) in some.iter().zip(records) {
                self.verified.records += 1;
                if record_hash(&record) != expected.record_hash {
                    let object = format!("{place}, object {}", expected.object_id);
                    self.problem(object, "its record is not the one that was signed");
                }
            }
        }
        Ok(())
    }

    /// `None` if the segment is not there.
    async fn size(&self, stored: &Stored) -> Result<Option<u64>, StoreError> {
        match stored {
            Stored::Inline(bytes) => Ok(Some(bytes.len() as u64)),
            Stored::Object { key, .. } => match self.store.inner().objects.head(&key.path()).await {
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                head => Ok(Some(head.map_err(StoreError::blobs("looking at a segment"))?.size)),
            },
        }
    }

    /// The records at places that the segment has.
    async fn read(&self, stored: &Stored, places: &[Place]) -> Result<Vec<Bytes>, StoreError> {
        match stored {
            Stored::Inline(bytes) => places.iter().map(|place| slice(bytes, &place.range)).collect(),
            Stored::Object { key, .. } => {
                let ranges: Vec<_> = places.iter().map(|place| place.range.clone()).collect();
                let records = self.store.inner().objects.get_ranges(&key.path(), &ranges).await;
                records.map_err(StoreError::blobs("reading a segment"))
            }
        }
    }
}

/// `spec/crypto.md`, "Which state".
fn state_for<'a>(
    states: &'a [State],
    vault_id: &VaultId,
    seq: u64,
) -> Result<&'a State, etui_chain::Refused> {
    let missing = etui_chain::Refusal::Missing.because("the state that it was made under is not there");
    states.iter().rev().find(|state| state.covers(vault_id, seq)).ok_or(missing)
}
