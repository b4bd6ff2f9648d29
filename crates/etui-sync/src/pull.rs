//! Taking in what other devices did: verify everything, then merge what waits here.

use std::{collections::BTreeMap, sync::Arc};

use etui_api::sync::PullHeader;
use etui_chain::{
    Change, Commit, Digest, Head, Ledger, ObjectId, Op, RecordHeader, RecordType, Refusal, Refused, State,
    VaultId, check_record,
};
use etui_crypto::random_id;

use crate::{
    Context, Engine, EngineError, Step, Write,
    engine::Vault,
    pending::{Base, InFlight, Pending, PendingChange},
    push::commit_write,
    snapshot::open_body,
};

/// What `GET /v1/vaults/{vault_id}/changes?after=N` gives, N being this device's head.
#[derive(Debug)]
pub struct Pull {
    /// The header frame.
    pub header: PullHeader,
    /// The commits after N.
    pub commits: Vec<Commit>,
    /// The records that they put and that are still live, in any order.
    pub records: Vec<Vec<u8>>,
}

/// Something that a person should be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// One field was changed here and elsewhere; the entry keeps both values.
    Conflict(VaultId, ObjectId),
    /// An entry edited here was deleted for good elsewhere, or the two edits cannot be joined into one entry; this
    /// device's edit lives on as this new entry.
    KeptAsNew(VaultId, ObjectId),
    /// An entry deleted for good here was edited elsewhere; it stays.
    PurgeUndone(VaultId, ObjectId),
}

impl Engine {
    /// The newest state under which a commit at `seq` of a vault can have been made (`spec/crypto.md`, "Which state").
    pub(crate) fn state_for(&self, vault_id: &VaultId, seq: u64) -> Result<&Arc<State>, Refused> {
        self.states
            .iter()
            .rev()
            .find(|state| state.covers(vault_id, seq))
            .ok_or(Refusal::VaultUnsigned.because("no signed state lists this vault at that commit"))
    }

    /// Whether a state is among those held.
    pub fn knows_state(&self, hash: Digest) -> bool {
        self.states.iter().any(|state| state.hash() == hash)
    }

    /// Verifies what came after this device's head, and merges unsent changes of the same objects onto it.
    ///
    /// # Errors
    /// `state_rollback`, `rollback` or `fork` for a server behind or beside what was accepted; `missing` for commits,
    /// records or states that were not delivered (after pulling states once more that is final); `vault_unsigned` for a
    /// vault that is listed no more; `extra`, `wrong_context`, `forged` and what a record's header shows. Nothing has
    /// changed then.
    pub fn accept_pull(
        &self,
        vault_id: VaultId,
        pull: Pull,
        context: &mut Context<'_>,
    ) -> Result<Step, EngineError> {
        let vault = self.vault(&vault_id)?;
        if !self.is_listed(&vault_id) {
            return Err(Refusal::VaultUnsigned
                .because("the signed state lists this vault no more: it stays as it is")
                .into());
        }
        self.check_header(&pull.header, vault.ledger.head())?;
        let ledger = self.advance(vault_id, &vault.ledger, &pull)?;
        let Pull { commits, records, .. } = pull;
        let arrived = match_records(vault_id, &commits, records)?;

        let mut step = self.with_vault(vault_id, Vault::clone(vault));
        let mut merging = Merging { engine: self, vault_id, vault: Vault::clone(vault), step: &mut step };
        merging.vault.ledger = Arc::new(ledger);
        merging.settle_in_flight(&commits);
        merging.take_in(&commits, arrived, context)?;
        let vault = merging.vault;
        step.engine.vaults.insert(vault_id, Arc::new(vault));
        step.drop_overtaken_state();
        Ok(step)
    }

    fn check_header(&self, header: &PullHeader, head: Head) -> Result<(), Refused> {
        let state = self.state();
        if header.state_version < state.version {
            return Err(
                Refusal::StateRollback.because("the server's account state is older than the accepted one")
            );
        }
        if header.state_version == state.version && header.state_hash != state.hash() {
            return Err(Refusal::Fork.because("the server shows another account state of the same version"));
        }
        if header.head.seq < head.seq {
            return Err(
                Refusal::Rollback.because("the server's copy of the vault is older than the accepted one")
            );
        }
        if header.head.seq == head.seq && header.head.hash != head.hash {
            return Err(
                Refusal::Fork.because("the server shows another commit at the place of the accepted one")
            );
        }
        Ok(())
    }

    fn advance(&self, vault_id: VaultId, ledger: &Ledger, pull: &Pull) -> Result<Ledger, Refused> {
        let expected = pull.header.head.seq - ledger.head().seq;
        if (pull.commits.len() as u64) < expected {
            return Err(Refusal::Missing.because("commits before the server's head were not delivered"));
        }
        if pull.commits.len() as u64 > expected {
            return Err(Refusal::Extra.because("commits beyond the server's head were delivered"));
        }
        let mut ledger = ledger.clone();
        for commit in &pull.commits {
            if !self.knows_state(commit.state_hash) {
                return Err(Refusal::Missing.because("a commit names a state that was not delivered"));
            }
            ledger = ledger.advance(commit, self.state_for(&vault_id, commit.seq)?)?;
            self.check_signed_heads(&vault_id, ledger.head())?;
        }
        if ledger.head() != pull.header.head {
            return Err(Refusal::Forged.because("the last commit is not the head that the server names"));
        }
        let signed_seq = self.state().vault(&vault_id).map_or(0, |vault| vault.head_seq);
        if ledger.head().seq < signed_seq {
            return Err(Refusal::Rollback.because("the newest commit is older than the signed state's head"));
        }
        Ok(ledger)
    }

    /// Where a state names the head of that place, it must be this one.
    pub(crate) fn check_signed_heads(&self, vault_id: &VaultId, head: Head) -> Result<(), Refused> {
        let differs = self
            .states
            .iter()
            .filter_map(|state| state.vault(vault_id))
            .any(|signed| signed.head_seq == head.seq && signed.head_hash != head.hash);
        if differs { Err(Refusal::Forged.because("the commit at a signed head is another")) } else { Ok(()) }
    }
}

/// Pairs the delivered records with what the commits put last. With the right number of them, one that has no place
/// stands in the place of another.
fn match_records(
    vault_id: VaultId,
    commits: &[Commit],
    delivered: Vec<Vec<u8>>,
) -> Result<BTreeMap<ObjectId, Vec<u8>>, Refused> {
    let mut last_change: BTreeMap<ObjectId, (u32, Change)> = BTreeMap::new();
    for commit in commits {
        last_change.extend(commit.changes.iter().map(|change| (change.object_id, (commit.epoch, *change))));
    }
    last_change.retain(|_, (_, change)| change.op == Op::Put);
    check_count(&last_change, &delivered)?;
    let mut records = BTreeMap::new();
    for record in delivered {
        let object_id = RecordHeader::parse(&record)?.object_id.into();
        let (epoch, put) = last_change
            .remove(&object_id)
            .ok_or(Refusal::WrongContext.because("a record in the place of another"))?;
        check_record(&record, vault_id, Some(epoch), &put)?;
        records.insert(object_id, record);
    }
    Ok(records)
}

fn check_count(expected: &BTreeMap<ObjectId, (u32, Change)>, records: &[Vec<u8>]) -> Result<(), Refused> {
    if records.len() < expected.len() {
        return Err(Refusal::Missing.because("a record that a commit puts was not delivered"));
    }
    if records.len() > expected.len() {
        return Err(Refusal::Extra.because("a record was delivered that no commit puts"));
    }
    Ok(())
}

/// Unsent changes of a vault while others' changes are taken in.
pub(crate) struct Merging<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) vault_id: VaultId,
    pub(crate) vault: Vault,
    pub(crate) step: &'a mut Step,
}

impl Merging<'_> {
    /// The commit on its way has arrived, or has lost and goes back to the outbox, or its fate is still open: then the
    /// same bytes are sent again. One that names a state which is not the newest any more can no longer be accepted.
    fn settle_in_flight(&mut self, commits: &[Commit]) {
        let Some(in_flight) = self.vault.in_flight.take() else { return };
        let arrived = commits.iter().any(|commit| commit.hash() == in_flight.commit.hash());
        let open = commits.is_empty() && in_flight.commit.state_hash == self.engine.state().hash();
        if open {
            self.vault.in_flight = Some(in_flight);
            return;
        }
        self.step.writes.push(Write::InFlight { vault_id: self.vault_id, bytes: None });
        if !arrived {
            return_to_outbox(&mut self.vault, self.vault_id, &in_flight, &mut self.step.writes);
        }
    }

    fn take_in(
        &mut self,
        commits: &[Commit],
        mut records: BTreeMap<ObjectId, Vec<u8>>,
        context: &mut Context<'_>,
    ) -> Result<(), EngineError> {
        let mut last_change: BTreeMap<ObjectId, Change> = BTreeMap::new();
        for commit in commits {
            self.step.writes.push(commit_write(commit));
            last_change.extend(commit.changes.iter().map(|change| (change.object_id, *change)));
        }
        for change in last_change.into_values() {
            let theirs = records.remove(&change.object_id);
            self.merge_unsent(&change, theirs.as_deref(), context)?;
            self.step.touched.push((self.vault_id, change.object_id));
            self.step.writes.push(synced_write(self.vault_id, &change, theirs));
        }
        Ok(())
    }

    /// Settles an object's unsent change with what others made of the object.
    pub(crate) fn merge_unsent(
        &mut self,
        change: &Change,
        theirs: Option<&[u8]>,
        context: &mut Context<'_>,
    ) -> Result<(), EngineError> {
        let Some(pending) = self.vault.outbox.get(&change.object_id).cloned() else { return Ok(()) };
        if pending.base.as_ref().is_some_and(|base| base.version == change.version) {
            return Ok(());
        }
        match (&pending.change, theirs) {
            (PendingChange::Purge, None) => self.drop_unsent(change.object_id),
            (PendingChange::Purge, Some(_)) => {
                self.drop_unsent(change.object_id);
                self.step.notices.push(Notice::PurgeUndone(self.vault_id, change.object_id));
            }
            (PendingChange::Put { record_type, record }, None) => {
                self.drop_unsent(change.object_id);
                self.keep_as_new(*record_type, record, context)?;
            }
            (PendingChange::Put { record_type, record }, Some(theirs)) => {
                self.merge_contents(&pending, *record_type, record, change.version, theirs, context)?;
            }
        }
        Ok(())
    }

    /// The edit becomes a new object; a purged id is never used again.
    fn keep_as_new(
        &mut self,
        record_type: RecordType,
        record: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), EngineError> {
        let body = open_body(context.vault_keys, self.vault_id, record, None)?;
        let object_id = random_id(context.random)?;
        let change = self.engine.put(self.vault_id, object_id, record_type, 1, &body, context)?;
        self.keep_unsent(Pending { object_id, base: None, change });
        self.step.touched.push((self.vault_id, object_id));
        self.step.notices.push(Notice::KeptAsNew(self.vault_id, object_id));
        Ok(())
    }

    fn merge_contents(
        &mut self,
        pending: &Pending,
        record_type: RecordType,
        ours: &[u8],
        version: u64,
        theirs: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), EngineError> {
        let object_id = pending.object_id;
        let open = |record: &[u8]| open_body(context.vault_keys, self.vault_id, record, None);
        let base = pending.base.as_ref().map(|base| open(&base.record)).transpose()?;
        let (our_body, their_body) = (open(ours)?, open(theirs)?);
        let base = base.as_ref().map_or(&[][..], |body| body.as_slice());
        let merged = context.merge.merge(record_type, base, &our_body, &their_body, context.now_ms);
        let Ok(merged) = merged else {
            return self.keep_apart(object_id, record_type, ours, context);
        };
        if merged.conflict {
            self.step.notices.push(Notice::Conflict(self.vault_id, object_id));
        }
        if *merged.body == *their_body {
            self.drop_unsent(object_id);
            return Ok(());
        }
        let change =
            self.engine.put(self.vault_id, object_id, record_type, version + 1, &merged.body, context)?;
        let base = Some(Base { version, record: theirs.to_vec() });
        self.keep_unsent(Pending { object_id, base, change });
        Ok(())
    }

    /// What cannot be joined must not stop everything else: theirs stays, and an entry of ours becomes a new one.
    fn keep_apart(
        &mut self,
        object_id: ObjectId,
        record_type: RecordType,
        ours: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), EngineError> {
        self.drop_unsent(object_id);
        match record_type {
            RecordType::Entry => self.keep_as_new(record_type, ours, context),
            _ => Ok(()),
        }
    }

    pub(crate) fn keep_unsent(&mut self, pending: Pending) {
        keep_unsent(&mut self.vault, self.vault_id, pending, &mut self.step.writes);
    }

    fn drop_unsent(&mut self, object_id: ObjectId) {
        self.vault.outbox.remove(&object_id);
        self.step.writes.push(Write::OutboxDone { vault_id: self.vault_id, object_id });
    }
}

/// The changes of a commit that lost go back to the outbox on their old bases; where an object was edited again since,
/// the newer content stands on the older base.
pub(crate) fn return_to_outbox(
    vault: &mut Vault,
    vault_id: VaultId,
    in_flight: &InFlight,
    writes: &mut Vec<Write>,
) {
    for sent in &in_flight.changes {
        let object_id = sent.object_id;
        let newest = vault.outbox.get(&object_id).unwrap_or(sent);
        let pending = Pending { object_id, base: sent.base.clone(), change: newest.change.clone() };
        if pending.base.is_none() && pending.change == PendingChange::Purge {
            vault.outbox.remove(&object_id);
            writes.push(Write::OutboxDone { vault_id, object_id });
        } else {
            keep_unsent(vault, vault_id, pending, writes);
        }
    }
}

fn keep_unsent(vault: &mut Vault, vault_id: VaultId, pending: Pending, writes: &mut Vec<Write>) {
    let object_id = pending.object_id;
    writes.push(Write::Outbox { vault_id, object_id, bytes: pending.to_bytes() });
    vault.outbox.insert(object_id, Arc::new(pending));
}

fn synced_write(vault_id: VaultId, change: &Change, record: Option<Vec<u8>>) -> Write {
    let Change { object_id, version, record_hash: hash, .. } = *change;
    match record {
        Some(record) => Write::Object { vault_id, object_id, version, hash, record },
        None => Write::Purged { vault_id, object_id },
    }
}
