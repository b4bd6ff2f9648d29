//! Sending what waits: sign once, send the same bytes until their fate is known.

use std::sync::Arc;

use etui_api::{
    frame::{Frame, FrameWriter},
    limits::MAX_PUSH_BYTES,
};
use etui_chain::{
    Commit, CommitDraft, Digest, Head, Ledger, MAX_CHANGES, RecordHeader, Refusal, Refused, VaultId,
    record_hash,
};

use crate::{
    Context, Engine, EngineError, Step, Write,
    engine::Vault,
    pending::{InFlight, Pending, PendingChange},
    pull::return_to_outbox,
    snapshot::open_body,
};

/// Room for the commit itself and the frames around the records.
const PUSH_RESERVE_BYTES: usize = 8 << 20;

impl Engine {
    /// Signs a commit over what waits in a vault's outbox, as much as one push may hold, with at most `room` more objects than
    /// go: the account's plan may have no room for all that are new, and must not keep anything else back. `None` if a commit
    /// is on its way already (send that one), nothing waits, this device may not commit, or it has to pull first.
    ///
    /// # Errors
    /// `missing` if a record has to be sealed again and its key is not there.
    pub fn prepare_push(
        &self,
        vault_id: VaultId,
        room: usize,
        context: &mut Context<'_>,
    ) -> Result<Option<Step>, EngineError> {
        let vault = self.vault(&vault_id)?;
        let listed = self.state().vault(&vault_id);
        let may_commit = self.is_device_listed() && listed.is_some_and(|listed| !self.is_behind(listed));
        if vault.in_flight.is_some() || vault.outbox.is_empty() || !may_commit {
            return Ok(None);
        }
        let changes = self.next_changes(vault_id, vault, room, context)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let commit = self.sign(vault_id, vault, &changes, context)?;
        let in_flight = InFlight { commit, changes };

        let mut vault = Vault::clone(vault);
        let mut writes = vec![Write::InFlight { vault_id, bytes: Some(in_flight.to_bytes()) }];
        for change in &in_flight.changes {
            vault.outbox.remove(&change.object_id);
            writes.push(Write::OutboxDone { vault_id, object_id: change.object_id });
        }
        vault.in_flight = Some(Arc::new(in_flight));
        let mut step = self.with_vault(vault_id, vault);
        step.writes = writes;
        Ok(Some(step))
    }

    /// Takes the server's word that the commit on its way is now the vault's head, or part of its chain.
    ///
    /// # Errors
    /// `fork` if the head that the server names for it is another; `forged` if a signed state names another commit at
    /// its place; [`EngineError::NoObject`] if none is on its way.
    pub fn confirm_push(&self, vault_id: VaultId, head: Head) -> Result<Step, EngineError> {
        let vault = self.vault(&vault_id)?;
        let in_flight = vault.in_flight.clone().ok_or(EngineError::NoObject)?;
        if head.hash != in_flight.commit.hash() {
            return Err(Refusal::Fork
                .because("the server confirmed another commit than the one sent")
                .into());
        }
        let state = self.state_for(&vault_id, in_flight.commit.seq)?;
        let ledger = vault.ledger.advance(&in_flight.commit, state)?;
        self.check_signed_heads(&vault_id, ledger.head())?;
        let mut confirmed = Vault::clone(vault);
        confirmed.ledger = Arc::new(ledger);
        confirmed.in_flight = None;

        let mut step = self.with_vault(vault_id, confirmed);
        step.writes.push(commit_write(&in_flight.commit));
        step.writes.extend(in_flight.changes.iter().map(|change| object_write(vault_id, change)));
        step.writes.push(Write::InFlight { vault_id, bytes: None });
        step.drop_overtaken_state();
        Ok(step)
    }

    /// Takes the commit on its way back, since the server has said that it will not have it as it is: what it was made of waits
    /// in the outbox again. Before anything else is signed in its place the vault has to be pulled: a server that has the commit
    /// all the same shows it then, and it is settled as any other.
    ///
    /// # Errors
    /// [`EngineError::NoObject`] if none is on its way.
    pub fn withdraw_push(&self, vault_id: VaultId) -> Result<Step, EngineError> {
        let mut vault = Vault::clone(self.vault(&vault_id)?);
        let in_flight = vault.in_flight.take().ok_or(EngineError::NoObject)?;
        let mut writes = vec![Write::InFlight { vault_id, bytes: None }];
        return_to_outbox(&mut vault, vault_id, &in_flight, &mut writes);
        let mut step = self.with_vault(vault_id, vault);
        step.writes = writes;
        Ok(step)
    }

    /// How many objects wait in the outboxes that the server has never had.
    pub fn unsent_new(&self) -> usize {
        self.vaults
            .values()
            .flat_map(|vault| vault.outbox.values())
            .filter(|pending| pending.is_new())
            .count()
    }

    /// Unsent changes for one push, sealed for the epoch that the newest state asks for.
    fn next_changes(
        &self,
        vault_id: VaultId,
        vault: &Vault,
        room: usize,
        context: &mut Context<'_>,
    ) -> Result<Vec<Arc<Pending>>, EngineError> {
        let mut room_bytes = MAX_PUSH_BYTES - PUSH_RESERVE_BYTES;
        let mut changes = Vec::new();
        for pending in with_room(vault, room).take(MAX_CHANGES) {
            let pending = self.sealed_in_place(vault_id, pending, context)?;
            let length = pending.record().map_or(0, <[u8]>::len);
            if length > room_bytes {
                break;
            }
            room_bytes -= length;
            changes.push(pending);
        }
        Ok(changes)
    }

    /// A record sealed before the vault's epoch rose, or before its commit lost and its base became another, is sealed
    /// again for the place that it will have.
    fn sealed_in_place(
        &self,
        vault_id: VaultId,
        pending: &Arc<Pending>,
        context: &mut Context<'_>,
    ) -> Result<Arc<Pending>, EngineError> {
        let PendingChange::Put { record_type, record } = &pending.change else {
            return Ok(Arc::clone(pending));
        };
        let epoch = self.state().vault(&vault_id).ok_or(EngineError::NoVault)?.epoch;
        let header = RecordHeader::parse(record)?;
        if header.epoch == epoch && header.version == pending.version() {
            return Ok(Arc::clone(pending));
        }
        let body = open_body(context.vault_keys, vault_id, record, None)?;
        let change =
            self.put(vault_id, pending.object_id, *record_type, pending.version(), &body, context)?;
        Ok(Arc::new(Pending { object_id: pending.object_id, base: pending.base.clone(), change }))
    }

    fn sign(
        &self,
        vault_id: VaultId,
        vault: &Vault,
        changes: &[Arc<Pending>],
        context: &Context<'_>,
    ) -> Result<Commit, EngineError> {
        let head = vault.ledger.head();
        let mut draft = CommitDraft {
            vault_id,
            seq: head.seq + 1,
            prev_hash: head.hash,
            epoch: self.state().vault(&vault_id).ok_or(EngineError::NoVault)?.epoch,
            device_id: self.device_id,
            time_ms: context.now_ms,
            state_hash: self.state().hash(),
            changes: changes.iter().map(|pending| pending.to_change()).collect(),
            root: Digest::ZERO,
            live: 0,
        };
        (draft.root, draft.live) = root_after(&vault.ledger, &draft)?;
        Ok(context.device_key.sign_commit(draft))
    }
}

/// What waits, without those new objects that are more than the room and what goes makes.
fn with_room(vault: &Vault, room: usize) -> impl Iterator<Item = &Arc<Pending>> {
    let goes = vault.outbox.values().filter(|pending| pending.change == PendingChange::Purge).count();
    let mut room = room.saturating_add(goes);
    vault.outbox.values().filter(move |pending| {
        let fits = !pending.is_new() || room > 0;
        room -= usize::from(fits && pending.is_new());
        fits
    })
}

/// The body of `POST /v1/vaults/{vault_id}/commits`.
pub fn push_frames(in_flight: &InFlight) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    writer.push(&Frame::Commit(in_flight.commit.as_bytes()));
    for change in &in_flight.changes {
        if let Some(record) = change.record() {
            writer.push(&Frame::Record(record));
        }
    }
    writer.finish()
}

/// Merkle root and count of the live objects once the draft's changes are made.
pub(crate) fn root_after(ledger: &Ledger, draft: &CommitDraft) -> Result<(Digest, u32), Refused> {
    let live = ledger.live().after(&draft.changes)?;
    let count =
        u32::try_from(live.len()).map_err(|_| Refusal::Limit.because("a vault with too many objects"))?;
    Ok((live.root(), count))
}

pub(crate) fn commit_write(commit: &Commit) -> Write {
    Write::Commit { vault_id: commit.vault_id, seq: commit.seq, bytes: commit.as_bytes().to_vec() }
}

pub(crate) fn object_write(vault_id: VaultId, pending: &Pending) -> Write {
    let object_id = pending.object_id;
    match &pending.change {
        PendingChange::Put { record, .. } => {
            let hash = record_hash(record);
            Write::Object { vault_id, object_id, version: pending.version(), hash, record: record.clone() }
        }
        PendingChange::Purge => Write::Purged { vault_id, object_id },
    }
}
