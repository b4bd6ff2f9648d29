//! The account's state: accepting what other devices signed, and signing a change of one's own.

use std::{collections::BTreeSet, sync::Arc};

use etui_api::frame::{Frame, FrameWriter};
use etui_chain::{
    DeviceId, Digest, KdfDescriptor, KeysetEntry, KeysetId, PublicKey, Refusal, Refused, State, StateBody,
    Succession, VaultEntry, record_hash,
};
use etui_crypto::{CheckedKdf, SigningKey};

use crate::{Engine, EngineError, Step, Write, pending::StateInFlight};

/// What `GET /v1/states?after=V` gives, V being this device's newest: all of it, where it takes several answers.
#[derive(Debug, Default)]
pub struct StateFrames {
    /// The states after V, in order.
    pub states: Vec<State>,
    /// Records that they name and that the newest still names.
    pub named_records: Vec<Vec<u8>>,
}

/// A wish about the account. It is applied to whatever the newest state is, so that it survives losing a race.
#[derive(Debug, Clone, Default)]
pub struct StateChange {
    /// Devices to list, with their keys.
    pub add_devices: Vec<(DeviceId, PublicKey)>,
    /// Devices to list no more.
    pub remove_devices: Vec<DeviceId>,
    /// Keysets to list, in place of one of the same id.
    pub put_keysets: Vec<KeysetEntry>,
    /// Keysets to list no more.
    pub remove_keysets: Vec<KeysetId>,
    /// Another way to derive the master key.
    pub kdf: Option<KdfDescriptor>,
    /// Hash of new account settings.
    pub settings_hash: Option<Digest>,
    /// The records that are newly named.
    pub named_records: Vec<Vec<u8>>,
}

impl Engine {
    /// Verifies the states that follow the accepted one. Vaults newly listed have to be pulled whole afterwards.
    ///
    /// # Errors
    /// As [`State::verify_follows`]; `fork` if a state's head is below or beside an accepted one; `kdf_floor`,
    /// `kdf_ceiling` or `kdf_pin` for a weaker derivation; `missing` for a named record that was not delivered;
    /// `state_signature` for a new identity, which a device follows only by linking again. Nothing has changed then.
    pub fn accept_states(&self, frames: StateFrames) -> Result<Step, Refused> {
        let mut engine = self.clone();
        let mut states = Vec::clone(&self.states);
        let mut writes = Vec::new();
        for state in frames.states {
            let previous = states.last().expect("an engine always has a state");
            if state.hash() == previous.hash() {
                continue;
            }
            self.check_successor(previous, &state)?;
            writes.push(Write::State { version: state.version, bytes: state.as_bytes().to_vec() });
            states.push(Arc::new(state));
        }
        let newest = states.last().expect("an engine always has a state");
        let known: BTreeSet<Digest> = self.state().named_records().collect();
        writes.extend(named_record_writes(newest, &known, frames.named_records)?);
        if self.state_in_flight.is_some() && newest.version > self.state().version {
            engine.state_in_flight = None;
            writes.push(Write::StateInFlight { bytes: None });
        }
        engine.states = Arc::new(states);
        let mut step = engine.into_step();
        step.writes = writes;
        Ok(step)
    }

    /// Signs the newest state with a change applied, over the heads that this device has verified. The same bytes are
    /// sent until a newer state is shown.
    ///
    /// # Errors
    /// [`EngineError::Busy`] while a commit or another state is on its way, or while a listed vault has not been pulled
    /// up to the head that the newest state names.
    pub fn prepare_state(
        &self,
        change: &StateChange,
        identity: &SigningKey,
        now_ms: u64,
    ) -> Result<Step, EngineError> {
        let unsettled = |vault: &VaultEntry| self.in_flight(&vault.id).is_some() || self.is_behind(vault);
        if self.state_in_flight.is_some() || self.state().vaults.iter().any(unsettled) {
            return Err(EngineError::Busy);
        }
        let state = identity.sign_state(self.successor(change, now_ms));
        let in_flight = StateInFlight { state, named_records: change.named_records.clone() };
        let mut engine = self.clone();
        let write = Write::StateInFlight { bytes: Some(in_flight.to_bytes()) };
        engine.state_in_flight = Some(Arc::new(in_flight));
        let mut step = engine.into_step();
        step.writes.push(write);
        Ok(step)
    }

    /// Takes the server's word that the state on its way is now the account's.
    ///
    /// # Errors
    /// `fork` if the server names another; [`EngineError::NoObject`] if none is on its way.
    pub fn confirm_state(&self, hash: Digest) -> Result<Step, EngineError> {
        let in_flight = self.state_in_flight.clone().ok_or(EngineError::NoObject)?;
        if in_flight.state.hash() != hash {
            return Err(Refusal::Fork.because("the server confirmed another state than the one sent").into());
        }
        let frames = StateFrames {
            states: vec![in_flight.state.clone()],
            named_records: in_flight.named_records.clone(),
        };
        Ok(self.accept_states(frames)?)
    }

    /// Takes the state on its way back, since the server has said that it will not have it. Before another is signed in its
    /// place the states have to be pulled.
    pub fn withdraw_state(&self) -> Step {
        let mut engine = self.clone();
        engine.state_in_flight = None;
        let mut step = engine.into_step();
        step.writes.push(Write::StateInFlight { bytes: None });
        step
    }

    fn check_successor(&self, previous: &State, state: &State) -> Result<(), Refused> {
        if state.verify_follows(previous)? == Succession::NewIdentity {
            return Err(Refusal::StateSignature.because(
                "the account was rotated elsewhere: link this device again from one that has rotated",
            ));
        }
        CheckedKdf::new(state.kdf, Some(&previous.kdf))?;
        for vault in &state.vaults {
            let head = self.head(&vault.id);
            if vault.head_seq < head.seq || vault.head_seq == head.seq && vault.head_hash != head.hash {
                return Err(
                    Refusal::Fork.because("a new state names an older or another head than the accepted one")
                );
            }
        }
        Ok(())
    }

    fn successor(&self, change: &StateChange, now_ms: u64) -> StateBody {
        let previous = self.state();
        let mut body = StateBody::clone(previous);
        body.version = previous.version + 1;
        body.previous = previous.hash();
        body.time_ms = now_ms;
        body.devices.retain(|(id, _)| {
            !change.remove_devices.contains(id) && change.add_devices.iter().all(|(added, _)| added != id)
        });
        body.devices.extend(&change.add_devices);
        body.devices.sort_unstable_by_key(|(id, _)| *id);
        body.keysets.retain(|entry| {
            !change.remove_keysets.contains(&entry.id)
                && change.put_keysets.iter().all(|put| put.id != entry.id)
        });
        body.keysets.extend(&change.put_keysets);
        body.keysets.sort_unstable_by_key(|entry| entry.id);
        body.kdf = change.kdf.unwrap_or(body.kdf);
        body.settings_hash = change.settings_hash.or(body.settings_hash);
        for vault in &mut body.vaults {
            self.name_head(vault);
        }
        body
    }

    /// A state names only heads that this device has pulled, verified and pinned.
    fn name_head(&self, vault: &mut VaultEntry) {
        let head = self.head(&vault.id);
        (vault.head_seq, vault.head_hash) = (head.seq, head.hash);
    }
}

impl Step {
    /// The server takes a state only over the heads of that moment. One on its way that names an older head than the
    /// one just accepted was never taken: a commit after it would have had to name it.
    pub(crate) fn drop_overtaken_state(&mut self) {
        let engine = &self.engine;
        let overtaken = engine.state_in_flight.as_ref().is_some_and(|in_flight| {
            in_flight.state.vaults.iter().any(|vault| vault.head_seq < engine.head(&vault.id).seq)
        });
        if overtaken {
            self.engine.state_in_flight = None;
            self.writes.push(Write::StateInFlight { bytes: None });
        }
    }
}

/// The body of `POST /v1/states`.
pub fn state_frames(in_flight: &StateInFlight) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    writer.push(&Frame::State(in_flight.state.as_bytes()));
    for record in &in_flight.named_records {
        writer.push(&Frame::NamedRecord(record.as_slice()));
    }
    writer.finish()
}

/// Everything that `state` names beyond `known` must have been delivered; nothing else may have been.
pub(crate) fn named_record_writes(
    state: &State,
    known: &BTreeSet<Digest>,
    delivered: Vec<Vec<u8>>,
) -> Result<Vec<Write>, Refused> {
    let mut wanted: BTreeSet<Digest> = state.named_records().filter(|hash| !known.contains(hash)).collect();
    let mut writes = Vec::new();
    for bytes in delivered {
        let hash = record_hash(&bytes);
        if wanted.remove(&hash) {
            writes.push(Write::NamedRecord { hash, bytes });
        } else if !known.contains(&hash) {
            return Err(
                Refusal::KeysetHash.because("a record was delivered that the signed state does not name")
            );
        }
    }
    if wanted.is_empty() {
        Ok(writes)
    } else {
        Err(Refusal::Missing.because("a record that the signed state names was not delivered"))
    }
}
