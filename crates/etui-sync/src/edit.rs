//! A local edit: durable at once, sent later.

use std::sync::Arc;

use etui_chain::{ObjectId, RecordType, Refusal, Refused, VaultId, record_hash};
use etui_crypto::{seal_entry, seal_vault_settings};

use crate::{
    Context, Engine, EngineError, Step, Write,
    engine::Vault,
    pending::{Base, Pending, PendingChange},
};

/// What a person did to one object.
pub enum Edit<'a> {
    /// A new object.
    Create {
        /// Its random id.
        object_id: ObjectId,
        /// Entry or vault settings.
        record_type: RecordType,
        /// The body to seal.
        body: &'a [u8],
    },
    /// New content for an object.
    Change {
        /// The object.
        object_id: ObjectId,
        /// Entry or vault settings, as before.
        record_type: RecordType,
        /// The body to seal.
        body: &'a [u8],
        /// The verified record as the local store holds it; not needed while an unsent change exists.
        synced: Option<Vec<u8>>,
    },
    /// The object goes for ever, with its history.
    Purge {
        /// The object.
        object_id: ObjectId,
        /// As for [`Edit::Change`].
        synced: Option<Vec<u8>>,
    },
}

impl Engine {
    /// Takes edits into the outbox. Once the step's writes are durable, "saved" may be said.
    ///
    /// # Errors
    /// [`EngineError::NoVault`] for a vault that is not held or no longer listed, [`EngineError::NoObject`] for an
    /// object that is not there, `extra` for a new object of an id that is or was in use, `format` for the purge of
    /// settings, `limit` for a body that is too long.
    pub fn edit(
        &self,
        vault_id: VaultId,
        edits: Vec<Edit<'_>>,
        context: &mut Context<'_>,
    ) -> Result<Step, EngineError> {
        if !self.is_listed(&vault_id) {
            return Err(EngineError::NoVault);
        }
        let mut step = self.with_vault(vault_id, Vault::clone(self.vault(&vault_id)?));
        let mut vault = Vault::clone(self.vault(&vault_id)?);
        for edit in edits {
            let (object_id, pending) = self.pending(vault_id, &vault, edit, context)?;
            step.touched.push((vault_id, object_id));
            if let Some(pending) = pending {
                step.writes.push(Write::Outbox { vault_id, object_id, bytes: pending.to_bytes() });
                vault.outbox.insert(object_id, Arc::new(pending));
            } else {
                step.writes.push(Write::OutboxDone { vault_id, object_id });
                vault.outbox.remove(&object_id);
            }
        }
        step.engine.vaults.insert(vault_id, Arc::new(vault));
        Ok(step)
    }

    /// The object's change after the edit; `None` if nothing is left to send.
    fn pending(
        &self,
        vault_id: VaultId,
        vault: &Vault,
        edit: Edit<'_>,
        context: &mut Context<'_>,
    ) -> Result<(ObjectId, Option<Pending>), EngineError> {
        match edit {
            Edit::Create { object_id, record_type, body } => {
                check_unused(vault, &object_id)?;
                let change = self.put(vault_id, object_id, record_type, 1, body, context)?;
                Ok((object_id, Some(Pending { object_id, base: None, change })))
            }
            Edit::Change { object_id, record_type, body, synced } => {
                let base = Self::base_of(vault, object_id, synced)?;
                let version = base.as_ref().map_or(1, |base| base.version + 1);
                let change = self.put(vault_id, object_id, record_type, version, body, context)?;
                Ok((object_id, Some(Pending { object_id, base, change })))
            }
            Edit::Purge { object_id, synced } => {
                if object_id.id() == vault_id.id() {
                    return Err(Refusal::Format
                        .because("a vault's settings live as long as the vault")
                        .into());
                }
                let base = Self::base_of(vault, object_id, synced)?;
                let pending =
                    base.map(|base| Pending { object_id, base: Some(base), change: PendingChange::Purge });
                Ok((object_id, pending))
            }
        }
    }

    /// What an object's next change is made on: the base of its unsent change, what is on its way, or the verified
    /// record.
    fn base_of(
        vault: &Vault,
        object_id: ObjectId,
        synced: Option<Vec<u8>>,
    ) -> Result<Option<Base>, EngineError> {
        if let Some(unsent) = vault.outbox.get(&object_id) {
            unsent.record().ok_or(EngineError::NoObject)?;
            return Ok(unsent.base.clone());
        }
        if let Some(sent) = vault.in_flight.as_ref().and_then(|in_flight| in_flight.change(&object_id)) {
            let record = sent.record().ok_or(EngineError::NoObject)?.to_vec();
            return Ok(Some(Base { version: sent.version(), record }));
        }
        let leaf = vault.ledger.live().get(&object_id).ok_or(EngineError::NoObject)?;
        let record = synced.ok_or(EngineError::NoObject)?;
        if record_hash(&record) != leaf.record_hash {
            return Err(Refusal::Forged.because("the local record is not the verified one").into());
        }
        Ok(Some(Base { version: leaf.version, record }))
    }

    pub(crate) fn put(
        &self,
        vault_id: VaultId,
        object_id: ObjectId,
        record_type: RecordType,
        version: u64,
        body: &[u8],
        context: &mut Context<'_>,
    ) -> Result<PendingChange, Refused> {
        let epoch = self.state().vault(&vault_id).map_or_else(|| self.epoch(&vault_id), |vault| vault.epoch);
        let key = context.vault_keys.get(vault_id, epoch)?;
        let sealed = match record_type {
            RecordType::VaultSettings => seal_vault_settings(key, version, body, context.random)?,
            RecordType::Entry => seal_entry(key, object_id, version, body, context.random)?,
            _ => return Err(Refusal::Format.because("only entries and vault settings are edited")),
        };
        Ok(PendingChange::Put { record_type, record: sealed.bytes })
    }
}

/// A first put of an id in use would be refused by every peer and block the outbox for good.
fn check_unused(vault: &Vault, object_id: &ObjectId) -> Result<(), Refused> {
    let sent = vault.in_flight.as_ref().and_then(|in_flight| in_flight.change(object_id));
    let used = vault.outbox.contains_key(object_id)
        || sent.is_some()
        || vault.ledger.live().get(object_id).is_some()
        || vault.ledger.is_purged(object_id);
    if used { Err(Refusal::Extra.because("a new object of an id that is in use")) } else { Ok(()) }
}
