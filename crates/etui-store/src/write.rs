//! Carries out a plan: segments first, then every row in one transaction, which compares and swaps.

use std::sync::Arc;

use bytes::Bytes;
use etui_api::{plan::Entitlements, sync::Event};
use etui_chain::{AccountId, Digest, Head, Ledger, State};
use sea_orm::{ConnectionTrait, Value};

use crate::{
    Action, Authority, Outcome, SessionId, Store, StoreError, audit, compaction, entitlements, known_device,
    mail,
    plan::{EndsOthers, HeldVault, NamedRecord, ObjectPlan, Plan, VaultPlan},
    segment::{self, NewSegment, Placement, Stored},
    session,
    sql::{self, Columns as _},
};

/// The segments of a plan's vaults, in their order: durable, and unknown to any row.
pub(crate) struct Placed(Vec<(Vec<NewSegment>, Vec<Placement>)>);

impl Store {
    /// Makes a plan true, or leaves everything as it was.
    ///
    /// # Errors
    /// `SessionEnded` if whoever uploads was signed out meanwhile; `StateMoved`, `HeadMoved` if it was made from what is no longer so; `StorageFull`.
    pub(crate) async fn carry_out(&self, authority: &Authority, plan: Plan) -> Result<(), StoreError> {
        let account_id = authority.account_id();
        let placed = self.place(&plan).await?;
        let transaction = self.begin().await?;
        let writer = Some(authority.session_id());
        let scattered = apply(&*transaction, account_id, writer, &plan, placed, self.default_plan()).await?;
        transaction.commit().await?;
        self.announce(account_id, plan);
        for vault_number in scattered {
            self.compact_now(vault_number).await;
        }
        Ok(())
    }

    /// Stores the records of a plan.
    pub(crate) async fn place(&self, plan: &Plan) -> Result<Placed, StoreError> {
        let mut placed = Vec::with_capacity(plan.vaults.len());
        for vault in &plan.vaults {
            let records: Vec<&Bytes> =
                vault.objects.iter().filter_map(|object| object.record.as_ref()).collect();
            placed.push(segment::write_all(self.inner(), &records).await?);
        }
        Ok(Placed(placed))
    }

    /// What follows once a plan is durable.
    pub(crate) fn announce(&self, account_id: AccountId, plan: Plan) {
        if let Some(state) = plan.states.last() {
            self.tell(account_id, Event::State { version: state.version });
        }
        for vault in plan.vaults {
            let head = vault.ledger.head();
            self.tell(account_id, Event::Vault { vault_id: vault.vault_id, seq: head.seq });
            self.inner().ledgers.keep(&base(vault.held.as_ref()).hash, Arc::new(vault.ledger));
        }
    }
}

/// Writes the rows of a plan within the caller's transaction, for a session that still goes on; none for a new account. Which
/// vaults are now too scattered to wait.
pub(crate) async fn apply<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    writer: Option<SessionId>,
    plan: &Plan,
    placed: Placed,
    default_plan: &str,
) -> Result<Vec<u64>, StoreError> {
    let entitlements = check_state(transaction, account_id, writer, plan, default_plan).await?;
    check_unmoved(transaction, &plan.unmoved).await?;
    if let Some(newest) = plan.states.last() {
        write_states(transaction, account_id, &plan.states, newest).await?;
        write_named_records(transaction, account_id, &plan.named_records, newest).await?;
        end_removed_devices(transaction, account_id, plan).await?;
        if let Some(ends_others) = &plan.ends_others {
            end_others(transaction, ends_others).await?;
        }
    }
    let mut scattered = Vec::new();
    for (vault, (segments, placements)) in plan.vaults.iter().zip(placed.0) {
        let written = write_vault(transaction, account_id, vault, segments, &placements).await?;
        if written.fragments >= compaction::NOW_FRAGMENTS {
            scattered.push(written.number);
        }
    }
    // After the compare-and-swap: whoever repeats what was taken hears that it was, and not that there is no room.
    if let Some((growth, entitlements)) = plan.growth.as_ref().zip(entitlements) {
        entitlements::check_growth(transaction, account_id, growth, &entitlements).await?;
    }
    Ok(scattered)
}

/// A vault after its change.
struct WrittenVault {
    number: u64,
    /// How much has come since somebody compacted it.
    fragments: u64,
}

/// Compares the newest state; what the account's plan gives, where something grows. A plan without states only needs the
/// state to stay as it is, and others may hold it still at the same time, unless both would take the same room.
async fn check_state<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    writer: Option<SessionId>,
    plan: &Plan,
    default_plan: &str,
) -> Result<Option<Entitlements>, StoreError> {
    let grows = plan.growth.is_some();
    let alone = grows || !plan.states.is_empty();
    let lock = if alone { sql::for_update(transaction) } else { sql::for_share(transaction) };
    let mut values = vec![sql::id(account_id)];
    let mut columns = "state_hash".to_owned();
    if grows {
        columns.push_str(", ");
        columns.push_str(entitlements::OF_ACCOUNT);
        values.push(default_plan.into());
    }
    if let Some(writer) = writer {
        values.push(sql::id(writer.id()));
        let goes_on = format!(
            ", EXISTS (SELECT 1 FROM session WHERE session_id = ${} AND awaits_approval = 0)",
            values.len()
        );
        columns.push_str(&goes_on);
    }
    let query = format!("SELECT {columns} FROM account WHERE account_id = $1{lock}");
    let row = sql::row(transaction, "comparing the newest state", &query, values).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    if writer.is_some() && !row.column::<bool>(if grows { 2 } else { 1 })? {
        return Err(StoreError::SessionEnded);
    }
    if row.digest(0)? != plan.base_state {
        return Err(StoreError::StateMoved);
    }
    grows.then(|| entitlements::read(&row, 1)).transpose()
}

async fn check_unmoved<C: ConnectionTrait>(transaction: &C, vaults: &[HeldVault]) -> Result<(), StoreError> {
    let query = format!(
        "SELECT 1 FROM vault WHERE vault_number = $1 AND head_seq = $2 AND head_hash = $3{}",
        sql::for_share(transaction)
    );
    for vault in vaults {
        let HeldVault { number, head, .. } = vault;
        let values = [sql::number(*number), sql::number(head.seq), sql::digest(&head.hash)];
        if sql::row(transaction, "comparing a vault's head", &query, values).await?.is_none() {
            return Err(StoreError::StateMoved);
        }
    }
    Ok(())
}

async fn write_states<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    states: &[State],
    newest: &State,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO account_state (account_id, version, state_hash, body) VALUES";
    const UPDATE: &str = "UPDATE account SET state_version = $2, state_hash = $3 WHERE account_id = $1";
    let mut tuples = states.iter().map(|state| {
        let body = state.as_bytes().to_vec();
        [sql::id(account_id), sql::number(state.version), sql::digest(&state.hash()), body.into()]
    });
    sql::insert_all(transaction, "writing states", INSERT, "", &mut tuples).await?;
    let values = [sql::id(account_id), sql::number(newest.version), sql::digest(&newest.hash())];
    sql::execute(transaction, "writing the newest state", UPDATE, values).await?;
    Ok(())
}

async fn write_named_records<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    records: &[NamedRecord],
    newest: &State,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT record_hash FROM named_record WHERE account_id = $1";
    const DELETE: &str = "DELETE FROM named_record WHERE account_id = $1 AND record_hash = $2";
    const INSERT: &str = "INSERT INTO named_record (account_id, record_hash, first_version, body) VALUES";
    const REPLACE: &str = "ON CONFLICT (account_id, record_hash) DO UPDATE \
         SET first_version = excluded.first_version, body = excluded.body";
    let named: std::collections::BTreeSet<Digest> = newest.named_records().collect();
    for row in sql::rows(transaction, "reading named records", SELECT, [sql::id(account_id)]).await? {
        let record_hash = row.digest(0)?;
        if !named.contains(&record_hash) {
            let values = [sql::id(account_id), sql::digest(&record_hash)];
            sql::execute(transaction, "removing a record no longer named", DELETE, values).await?;
        }
    }
    let mut tuples = records.iter().map(|record| {
        let NamedRecord { first_version, record_hash, bytes } = record;
        let body = bytes.to_vec();
        [sql::id(account_id), sql::digest(record_hash), sql::number(*first_version), body.into()]
    });
    sql::insert_all(transaction, "writing named records", INSERT, REPLACE, &mut tuples).await
}

async fn end_removed_devices<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    plan: &Plan,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM session WHERE account_id = $1 AND device_id = $2";
    for device_id in &plan.removed_devices {
        let values = [sql::id(account_id), sql::id(*device_id)];
        sql::execute(transaction, "ending a removed device's session", DELETE, values).await?;
        known_device::forget(transaction, account_id, *device_id).await?;
    }
    Ok(())
}

/// Whoever knows only how the account was unlocked before does not stay signed in.
async fn end_others<C: ConnectionTrait>(
    transaction: &C,
    EndsOthers { authority, notice, now_ms }: &EndsOthers,
) -> Result<(), StoreError> {
    session::end_all_but(transaction, authority.account_id(), Some(authority.session_id())).await?;
    session::require(transaction, authority.session_id(), *now_ms).await?;
    if let Some(notice) = notice {
        mail::notify(transaction, authority.account_id(), notice, *now_ms).await?;
    }
    let (by, action, outcome) = (authority.by(), Action::ChangeKeys, Outcome::Done);
    audit::insert(transaction, authority.pseudonyms(), by, action, None, outcome, *now_ms).await
}

async fn write_vault<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    vault: &VaultPlan,
    segments: Vec<NewSegment>,
    placements: &[Placement],
) -> Result<WrittenVault, StoreError> {
    let added = fragments(&segments);
    let written = match &vault.held {
        None => insert_vault(transaction, account_id, vault, added).await?,
        Some(held) => swap_head(transaction, held, &vault.ledger, added).await?,
    };
    let number = written.number;
    let mut segment_numbers = Vec::with_capacity(segments.len());
    for segment in segments {
        segment_numbers.push(insert_segment(transaction, number, segment).await?);
    }
    write_commits(transaction, number, vault).await?;
    write_objects(transaction, number, &vault.objects, &segment_numbers, placements).await?;
    Ok(written)
}

/// What a push adds to a vault's fragments.
fn fragments(segments: &[NewSegment]) -> u64 {
    let each = segments.iter().map(|segment| match segment.stored {
        Stored::Inline(_) => 1,
        Stored::Object { .. } => compaction::OBJECT_FRAGMENTS,
    });
    1 + each.sum::<u64>()
}

async fn insert_vault<C: ConnectionTrait>(
    transaction: &C,
    account_id: AccountId,
    vault: &VaultPlan,
    fragments: u64,
) -> Result<WrittenVault, StoreError> {
    const INSERT: &str = "INSERT INTO vault (account_id, vault_id, head_seq, head_hash, fragments, entries) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING vault_number";
    let head = vault.ledger.head();
    let values = [
        sql::id(account_id),
        sql::id(vault.vault_id),
        sql::number(head.seq),
        sql::digest(&head.hash),
        sql::number(fragments),
        sql::number(entries(&vault.ledger)),
    ];
    let row = sql::row(transaction, "adding a vault", INSERT, values).await?;
    let row = row.ok_or(StoreError::Damaged { found: "an added vault without a number" })?;
    Ok(WrittenVault { number: row.number(0)?, fragments })
}

/// The compare-and-swap of a push. It does not know the time: that a vault has changed is for compaction to find.
async fn swap_head<C: ConnectionTrait>(
    transaction: &C,
    held: &HeldVault,
    ledger: &Ledger,
    added_fragments: u64,
) -> Result<WrittenVault, StoreError> {
    const UPDATE: &str = "UPDATE vault SET head_seq = $4, head_hash = $5, fragments = fragments + $6, entries = $9, \
         compact_at_ms = CASE WHEN fragments < $7 AND fragments + $6 >= $7 THEN $8 ELSE COALESCE(compact_at_ms, 0) END \
         WHERE vault_number = $1 AND head_seq = $2 AND head_hash = $3 RETURNING fragments";
    const SELECT: &str = "SELECT head_seq, head_hash FROM vault WHERE vault_number = $1";
    let HeldVault { number, head: from, .. } = held;
    let to = ledger.head();
    let values = [
        sql::number(*number),
        sql::number(from.seq),
        sql::digest(&from.hash),
        sql::number(to.seq),
        sql::digest(&to.hash),
        sql::number(added_fragments),
        sql::number(compaction::SOON_FRAGMENTS),
        sql::number(compaction::SOON_MS),
        sql::number(entries(ledger)),
    ];
    if let Some(row) = sql::row(transaction, "moving a vault's head", UPDATE, values).await? {
        return Ok(WrittenVault { number: *number, fragments: row.number(0)? });
    }
    let row = sql::row(transaction, "reading a vault's head", SELECT, [sql::number(*number)]).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    Err(StoreError::HeadMoved(Head { seq: row.number(0)?, hash: row.digest(1)? }))
}

/// The number of the new row.
///
/// # Errors
/// `Unavailable` if the object was given up as an orphan, because the push took longer than the grace.
pub(crate) async fn insert_segment<C: ConnectionTrait>(
    transaction: &C,
    vault_number: u64,
    segment: NewSegment,
) -> Result<u64, StoreError> {
    const INSERT: &str = "INSERT INTO segment (vault_number, object_key, inline, bytes) \
         VALUES ($1, $2, $3, $4) RETURNING segment_number";
    let absent = || Value::Bytes(None);
    let (key, inline) = match segment.stored {
        Stored::Inline(bytes) => (absent(), Vec::from(bytes).into()),
        Stored::Object { key, .. } => (key.0.into(), absent()),
    };
    let values = [sql::number(vault_number), key, inline, sql::number(segment.bytes)];
    let row = sql::row(transaction, "adding a segment", INSERT, values).await.map_err(sql::not_unique);
    row?.ok_or(StoreError::Damaged { found: "an added segment without a number" })?.number(0)
}

async fn write_commits<C: ConnectionTrait>(
    transaction: &C,
    vault_number: u64,
    vault: &VaultPlan,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO vault_commit (vault_number, seq, commit_hash, body) VALUES";
    let mut tuples = vault.commits.iter().map(|commit| {
        let body = commit.as_bytes().to_vec();
        [sql::number(vault_number), sql::number(commit.seq), sql::digest(&commit.hash()), body.into()]
    });
    sql::insert_all(transaction, "writing commits", INSERT, "", &mut tuples).await
}

async fn write_objects<C: ConnectionTrait>(
    transaction: &C,
    vault_number: u64,
    objects: &[ObjectPlan],
    segment_numbers: &[u64],
    placements: &[Placement],
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO object (vault_number, object_id, seq, version, record_hash, \
         segment_number, segment_offset, length) VALUES";
    const REPLACE: &str = "ON CONFLICT (vault_number, object_id) DO UPDATE SET seq = excluded.seq, \
         version = excluded.version, record_hash = excluded.record_hash, \
         segment_number = excluded.segment_number, segment_offset = excluded.segment_offset, \
         length = excluded.length";
    let mut placements = placements.iter();
    let mut tuples = objects.iter().map(|object| {
        let placement = object.record.as_ref().and_then(|_| placements.next());
        let segment = placement.map(|placement| segment_numbers[placement.segment]);
        [
            sql::number(vault_number),
            sql::id(object.object_id),
            sql::number(object.seq),
            sql::number(object.version),
            sql::digest(&object.record_hash),
            segment.map_or(Value::BigInt(None), sql::number),
            sql::number(placement.map_or(0, |placement| placement.offset)),
            sql::number(placement.map_or(0, |placement| placement.length)),
        ]
    });
    sql::insert_all(transaction, "writing objects", INSERT, REPLACE, &mut tuples).await
}

/// Live objects but the vault's settings.
fn entries(ledger: &Ledger) -> u64 {
    let settings = ledger.live().get(&ledger.vault_id().id().into());
    ledger.live().len() as u64 - u64::from(settings.is_some())
}

fn base(held: Option<&HeldVault>) -> Head {
    held.map_or(Head::NONE, |held| held.head)
}
