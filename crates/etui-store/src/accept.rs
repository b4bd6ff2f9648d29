//! Which uploads are accepted: the server's side of `spec/crypto.md`, "Commit" and "State". No row is read here and
//! none written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use etui_api::limits::{MAX_DEVICES, MAX_KEYSETS, MAX_LIVE_OBJECTS, MAX_RECORD_BYTES, MAX_VAULTS};
use etui_chain::{
    Change, Commit, DeviceId, Digest, Head, Ledger, Op, RecordType, Refusal, Refused, State, StateBody,
    VaultEntry, VaultId, check_record,
};

use crate::{
    CommitUpload, StateUpload, StoreError,
    growth::Growth,
    named::{Uploaded, places},
    plan::{HeldVault, NamedRecord, ObjectPlan, Plan, VaultPlan},
};

/// A commit onto the head of its vault, under the newest state.
///
/// # Errors
/// As [`Ledger::advance`] and [`check_record`]; `missing` or `extra` if there are not as many records as puts;
/// `limit`.
pub(crate) fn commit(
    ledger: &Ledger,
    held: Option<HeldVault>,
    state: &State,
    upload: CommitUpload,
) -> Result<VaultPlan, Refused> {
    let CommitUpload { commit, records } = upload;
    let ledger = ledger.advance(&commit, state)?;
    check_live_limit(&ledger)?;
    let objects = object_plans(&commit, records)?;
    Ok(VaultPlan { vault_id: commit.vault_id, held, ledger, commits: vec![commit], objects })
}

/// The first state of an account.
///
/// # Errors
/// `Refused`.
pub(crate) fn first_state(upload: StateUpload, device_id: DeviceId) -> Result<Plan, StoreError> {
    let state = &upload.state;
    if state.version != 1 {
        return Err(Refusal::Missing.because("the states before this one were not delivered").into());
    }
    state.verify_own_signature()?;
    if state.device_key(&device_id).is_none() {
        return Err(Refusal::WrongContext
            .because("the first state does not list the device that signs up")
            .into());
    }
    state_plan(upload, None, &[])
}

/// The state that comes after `newest`.
///
/// # Errors
/// `StateMoved` if it builds on another state or other heads; `Refused`.
pub(crate) fn next_state(
    upload: StateUpload,
    newest: &State,
    held: &[HeldVault],
) -> Result<Plan, StoreError> {
    let state = &upload.state;
    if state.account_id != newest.account_id {
        return Err(Refusal::WrongContext.because("a state of another account").into());
    }
    if state.version != newest.version.saturating_add(1) || state.previous != newest.hash() {
        return Err(StoreError::StateMoved);
    }
    state.verify_follows(newest)?;
    state_plan(upload, Some(newest), held)
}

/// How much a state may list.
///
/// # Errors
/// `limit`.
pub(crate) fn check_state_limits(state: &StateBody) -> Result<(), Refused> {
    if state.keysets.len() > MAX_KEYSETS {
        return Err(Refusal::Limit.because("a state lists too many keysets"));
    }
    if state.devices.len() > MAX_DEVICES {
        return Err(Refusal::Limit.because("a state lists too many devices"));
    }
    if state.vaults.len() > MAX_VAULTS {
        return Err(Refusal::Limit.because("a state lists too many vaults"));
    }
    Ok(())
}

/// How much a vault may hold.
///
/// # Errors
/// `limit`.
pub(crate) fn check_live_limit(ledger: &Ledger) -> Result<(), Refused> {
    if ledger.live().len() > MAX_LIVE_OBJECTS {
        return Err(Refusal::Limit.because("a vault holds too many objects"));
    }
    Ok(())
}

/// A record against the put that names it. A vault's settings are the object that bears the vault's own id, every
/// other object is an entry: so the type of an object cannot change. Attachments are not taken yet.
///
/// # Errors
/// `limit`; as [`check_record`]; `format` for a record of another type.
pub(crate) fn check_put(record: &[u8], vault_id: VaultId, epoch: u32, put: &Change) -> Result<(), Refused> {
    if record.len() > MAX_RECORD_BYTES {
        return Err(Refusal::Limit.because("a record is too large"));
    }
    let is_settings = put.object_id.id() == vault_id.id();
    let expected = if is_settings { RecordType::VaultSettings } else { RecordType::Entry };
    if check_record(record, vault_id, Some(epoch), put)? != expected {
        return Err(Refusal::Format.because("a record of another type than its object has"));
    }
    Ok(())
}

/// Devices that `state` no longer lists.
pub(crate) fn removed_devices(previous: &StateBody, state: &StateBody) -> impl Iterator<Item = DeviceId> {
    previous.devices.iter().map(|(id, _)| *id).filter(|id| state.device_key(id).is_none())
}

fn object_plans(commit: &Commit, records: Vec<Bytes>) -> Result<Vec<ObjectPlan>, Refused> {
    let mut records = records.into_iter();
    let mut objects = Vec::with_capacity(commit.changes.len());
    for change in &commit.changes {
        let record = match change.op {
            Op::Purge => None,
            Op::Put => Some(next_record(&mut records, commit, change)?),
        };
        objects.push(object_plan(commit.seq, change, record));
    }
    if records.next().is_some() {
        return Err(Refusal::Extra.because("more records were delivered than the commit puts"));
    }
    Ok(objects)
}

/// What one change leaves of its object.
pub(crate) fn object_plan(seq: u64, change: &Change, record: Option<Bytes>) -> ObjectPlan {
    let Change { object_id, version, record_hash, .. } = *change;
    ObjectPlan { object_id, seq, version, record_hash, record }
}

fn next_record(
    records: &mut impl Iterator<Item = Bytes>,
    commit: &Commit,
    put: &Change,
) -> Result<Bytes, Refused> {
    const MISSING: Refused = Refusal::Missing.because("fewer records were delivered than the commit puts");
    let record = records.next().ok_or(MISSING)?;
    check_put(&record, commit.vault_id, commit.epoch, put)?;
    Ok(record)
}

fn state_plan(upload: StateUpload, newest: Option<&State>, held: &[HeldVault]) -> Result<Plan, StoreError> {
    let StateUpload { state, named_records, first_commits } = upload;
    check_state_limits(&state)?;
    let mut unmoved = Vec::new();
    let mut new = Vec::new();
    for vault in &state.vaults {
        match held.iter().find(|held| held.vault_id == vault.id) {
            Some(held) if held.head == listed_head(vault) => unmoved.push(*held),
            Some(_) => return Err(StoreError::StateMoved),
            None => new.push(vault),
        }
    }
    let vaults = first_commit_plans(&new, first_commits, &state)?;
    let named_records = newly_named(&state, newest, named_records)?;
    let removed_devices = newest.map_or_else(Vec::new, |newest| removed_devices(newest, &state).collect());
    let base_state = newest.map_or(Digest::ZERO, State::hash);
    let growth = Growth::of_state(newest.map(|newest| &**newest), &state, &vaults);
    Ok(Plan {
        base_state,
        states: vec![state],
        named_records,
        removed_devices,
        ends_others: None,
        vaults,
        unmoved,
        growth,
    })
}

fn first_commit_plans(
    new: &[&VaultEntry],
    first_commits: Vec<CommitUpload>,
    state: &State,
) -> Result<Vec<VaultPlan>, Refused> {
    const MISSING: Refused =
        Refusal::Missing.because("a vault is listed whose first commit was not delivered");
    let mut first_commits: BTreeMap<VaultId, CommitUpload> = unique(first_commits)?;
    let plans = new.iter().map(|vault| {
        if vault.head_seq != 0 {
            return Err(
                Refusal::Missing.because("a new vault is listed with commits that were not delivered")
            );
        }
        let upload = first_commits.remove(&vault.id).ok_or(MISSING)?;
        commit(&Ledger::empty(vault.id), None, state, upload)
    });
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    if !first_commits.is_empty() {
        return Err(Refusal::Extra.because("a commit came with the state for a vault that is not new"));
    }
    Ok(plans)
}

fn unique(first_commits: Vec<CommitUpload>) -> Result<BTreeMap<VaultId, CommitUpload>, Refused> {
    let mut by_vault = BTreeMap::new();
    for upload in first_commits {
        if by_vault.insert(upload.commit.vault_id, upload).is_some() {
            return Err(Refusal::Extra.because("more than one first commit was delivered for a vault"));
        }
    }
    Ok(by_vault)
}

fn newly_named(
    state: &State,
    newest: Option<&State>,
    named_records: Vec<Bytes>,
) -> Result<Vec<NamedRecord>, Refused> {
    let before: BTreeSet<_> = newest.into_iter().flat_map(|newest| places(newest)).collect();
    let mut uploaded = Uploaded::new(named_records)?;
    let mut taken = Vec::new();
    for place in places(state).filter(|place| !before.contains(place)) {
        let bytes = uploaded.take(&place, state.account_id)?;
        taken.push(NamedRecord { first_version: state.version, record_hash: place.record_hash, bytes });
    }
    uploaded.expect_empty()?;
    Ok(taken)
}

/// The head at which a state lists a vault.
pub(crate) const fn listed_head(vault: &VaultEntry) -> Head {
    Head { seq: vault.head_seq, hash: vault.head_hash }
}
