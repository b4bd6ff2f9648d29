//! A device: the engine, its store, and what a client does around them.

use std::collections::BTreeMap;

use etui_chain::{DeviceId, Digest, Head, Leaf, ObjectId, RecordType, VaultEntry, VaultId};
use etui_crypto::{SigningKey, random_id};
use etui_sync::{
    Current, Edit, Engine, EngineError, Pending, Pull, StateChange, StateFrames, Step, check_unlocked, join,
    push_frames, state_frames,
};

use super::{
    Account, Random,
    server::{Rejection, Server},
    store::Store,
    wire::{Fate, Request, Wire},
};

pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) random: Random,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    /// What the person at this device wants of the account; repeated until a state has it.
    pub(crate) wish: Option<StateChange>,
    /// When it will be killed.
    pub(crate) doom: Option<Doom>,
    /// Answers that are still on their way to it.
    pub(crate) late_pulls: Vec<(VaultId, Pull)>,
}

/// A kill at one of the next steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doom {
    /// How many steps pass before.
    pub(crate) after_steps: u8,
    /// Whether the writes of the step still become durable.
    pub(crate) durable: bool,
}

/// The device was killed and has started again from its store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Died {
    pub(crate) durable: bool,
}

impl Device {
    pub(crate) fn new(key: SigningKey, random: Random, first: Step) -> Self {
        let mut store = Store::default();
        store.apply(first.writes);
        let (wish, doom, late_pulls) = (None, None, Vec::new());
        Self { key, random, engine: first.engine, store, wish, doom, late_pulls }
    }

    /// A further device: it unlocks, pulls everything and wishes to be listed.
    pub(crate) fn join(account: &Account, server: &Server, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let device_id: DeviceId = random_id(&mut random).unwrap();
        let key = SigningKey::generate(&mut random);
        let (state, named_records) = server.newest_with_records();
        let listed = state.keysets[0];
        check_unlocked(&state, &account.keyset, listed.id, listed.kind, listed.record_hash, Some(&state.kdf))
            .unwrap();
        let snapshots: BTreeMap<_, _> =
            state.vaults.iter().map(|vault| (vault.id, server.snapshot(vault.id))).collect();
        let first = join(device_id, state, named_records, snapshots).unwrap();
        let wish = StateChange { add_devices: vec![(device_id, key.public_key())], ..StateChange::default() };
        Self { wish: Some(wish), ..Self::new(key, random, first) }
    }

    /// Makes a step durable and goes on with it, unless the device is killed at this very step.
    pub(crate) fn adopt(&mut self, step: Step) -> Result<(), Died> {
        if let Some(Doom { after_steps: 0, durable }) = self.doom {
            self.doom = None;
            if durable {
                self.store.apply(step.writes);
            }
            self.restart();
            return Err(Died { durable });
        }
        if let Some(doom) = &mut self.doom {
            doom.after_steps -= 1;
        }
        self.store.apply(step.writes);
        self.engine = step.engine;
        self.assert_durable();
        Ok(())
    }

    /// Drops the engine and takes up what the store holds.
    pub(crate) fn restart(&mut self) {
        self.engine = self.restored();
    }

    pub(crate) fn restored(&self) -> Engine {
        Engine::restore(self.engine.device_id(), self.store.stored()).expect("an own store is accepted")
    }

    /// The engine and the store agree: a restart changes nothing.
    pub(crate) fn assert_durable(&self) {
        assert!(fingerprint(&self.engine) == fingerprint(&self.restored()), "the store lags the engine");
    }

    pub(crate) fn holds(&self, vault_id: &VaultId) -> bool {
        self.engine.vault_ids().any(|held| held == *vault_id)
    }

    /// Objects that a person sees in a vault, settings aside.
    pub(crate) fn visible(&self, vault_id: VaultId) -> Vec<ObjectId> {
        let unconfirmed = self.engine.unconfirmed(&vault_id).into_iter().map(|pending| pending.object_id);
        let mut ids: Vec<ObjectId> =
            self.engine.leaves(&vault_id).iter().map(|leaf| leaf.object_id).chain(unconfirmed).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| id.id() != vault_id.id() && self.engine.current(&vault_id, id).is_some());
        ids
    }

    /// What a person sees of an object.
    pub(crate) fn body(&self, account: &Account, vault_id: VaultId, object_id: ObjectId) -> String {
        let record = match self.engine.current(&vault_id, &object_id).expect("the object is visible") {
            Current::Unsent(pending) | Current::Sent(pending) => pending.record().unwrap().to_vec(),
            Current::Synced(_) => self.store.record(vault_id, object_id).unwrap(),
        };
        account.open(vault_id, &record)
    }

    pub(crate) fn create(
        &mut self,
        account: &Account,
        vault_id: VaultId,
        body: &[u8],
    ) -> Result<ObjectId, Died> {
        let object_id = random_id(&mut self.random).unwrap();
        self.edit(account, vault_id, Edit::Create { object_id, record_type: RecordType::Entry, body })?;
        Ok(object_id)
    }

    pub(crate) fn change(
        &mut self,
        account: &Account,
        vault_id: VaultId,
        object_id: ObjectId,
        body: &[u8],
    ) -> Result<(), Died> {
        let synced = self.store.record(vault_id, object_id);
        let record_type =
            if object_id.id() == vault_id.id() { RecordType::VaultSettings } else { RecordType::Entry };
        self.edit(account, vault_id, Edit::Change { object_id, record_type, body, synced })
    }

    pub(crate) fn purge(
        &mut self,
        account: &Account,
        vault_id: VaultId,
        object_id: ObjectId,
    ) -> Result<(), Died> {
        let synced = self.store.record(vault_id, object_id);
        self.edit(account, vault_id, Edit::Purge { object_id, synced })
    }

    fn edit(&mut self, account: &Account, vault_id: VaultId, edit: Edit<'_>) -> Result<(), Died> {
        let mut context = account.context(&self.key, &mut self.random);
        let step = self.engine.edit(vault_id, vec![edit], &mut context).unwrap();
        self.adopt(step)
    }

    /// Signs what waits if nothing is on its way, and sends what is on its way.
    pub(crate) fn push(
        &mut self,
        account: &Account,
        vault_id: VaultId,
        wire: &mut Wire,
        fate: Fate,
    ) -> Result<(), Died> {
        let mut context = account.context(&self.key, &mut self.random);
        if let Some(step) = self.engine.prepare_push(vault_id, usize::MAX, &mut context).unwrap() {
            self.adopt(step)?;
        }
        let Some(in_flight) = self.engine.in_flight(&vault_id) else { return Ok(()) };
        let request = Request::Commit(vault_id, push_frames(in_flight));
        match wire.send(fate, request) {
            Some(Ok(answer)) => {
                let head = answer.head();
                let step = self.engine.confirm_push(vault_id, head).unwrap();
                self.adopt(step)?;
                let again = self.engine.confirm_push(vault_id, head).unwrap_err();
                assert_eq!(again, EngineError::NoObject, "a confirmation counts once");
            }
            Some(Err(Rejection::Refused(refused))) => panic!("an honest push was refused: {refused}"),
            Some(Err(_)) | None => {}
        }
        Ok(())
    }

    /// Signs what the person wishes of the account if nothing is on its way, and sends the state on its way.
    pub(crate) fn push_state(&mut self, account: &Account, wire: &mut Wire, fate: Fate) -> Result<(), Died> {
        self.forget_wish_if_met();
        if let Some(wish) = self.wish.as_ref().filter(|_| self.engine.state_in_flight().is_none()) {
            match self.engine.prepare_state(wish, account.keyset.identity(), account.now()) {
                Ok(step) => self.adopt(step)?,
                Err(error) => assert_eq!(error, EngineError::Busy),
            }
        }
        let Some(in_flight) = self.engine.state_in_flight() else { return Ok(()) };
        match wire.send(fate, Request::State(state_frames(in_flight))) {
            Some(Ok(answer)) => {
                let step = self.engine.confirm_state(answer.state_hash()).unwrap();
                self.adopt(step)?;
                let again = self.engine.confirm_state(answer.state_hash()).unwrap_err();
                assert_eq!(again, EngineError::NoObject, "a confirmation counts once");
            }
            Some(Err(Rejection::Refused(refused))) => panic!("an honest state was refused: {refused}"),
            Some(Err(_)) | None => {}
        }
        Ok(())
    }

    pub(crate) fn pull_states(&mut self, server: &Server) -> Result<(), Died> {
        let frames = || server.states_after(self.engine.state().version);
        let step = self.engine.accept_states(frames()).expect("an honest server's states are accepted");
        let newer = !step.writes.is_empty();
        let frames = frames();
        self.adopt(step)?;
        if newer {
            self.assert_unmoved_by_states(frames);
        }
        Ok(())
    }

    /// Pulls a vault, whole if it is not held yet. An honest server is refused only while it has a newer state.
    pub(crate) fn pull(&mut self, account: &Account, vault_id: VaultId, server: &Server) -> Result<(), Died> {
        let behind = self.engine.state().version < server.newest().version;
        if !self.engine.is_listed(&vault_id) {
            return Ok(());
        }
        if !self.holds(&vault_id) {
            let result = self.engine.accept_snapshot(vault_id, server.snapshot(vault_id));
            return self.adopt_if_accepted(result, behind);
        }
        let after = self.engine.head(&vault_id).seq;
        let result = self.accept_pull(account, vault_id, server.changes(vault_id, after));
        self.adopt_if_accepted(result, behind)?;
        self.assert_unmoved_by_pull(account, vault_id, server.changes(vault_id, after));
        Ok(())
    }

    /// Fetches what came before this device joined, a few at a time.
    pub(crate) fn fetch_history(&mut self, server: &Server) -> Result<(), Died> {
        const AT_ONCE: u64 = 3;
        while let Some(begin) = self.engine.states_begin() {
            let older = server.states_between(begin.saturating_sub(1 + AT_ONCE), begin);
            let step = self.engine.accept_older_states(older).expect("honest states are accepted");
            self.adopt(step)?;
        }
        for vault_id in self.engine.vault_ids().collect::<Vec<_>>() {
            while let Some(begin) = self.engine.commits_begin(&vault_id) {
                let older = server.commits_between(vault_id, begin.saturating_sub(1 + AT_ONCE), begin);
                let step = self.engine.accept_older_commits(vault_id, &older);
                self.adopt(step.expect("honest commits are accepted"))?;
            }
        }
        Ok(())
    }

    pub(crate) fn accept_pull(
        &mut self,
        account: &Account,
        vault_id: VaultId,
        pull: Pull,
    ) -> Result<Step, EngineError> {
        let mut context = account.context(&self.key, &mut self.random);
        self.engine.accept_pull(vault_id, pull, &mut context)
    }

    /// An answer arrives that nobody waits for any more: it still fits, or it is refused and changes nothing.
    pub(crate) fn take_late_answer(&mut self, account: &Account, index: usize) -> Result<(), Died> {
        if self.late_pulls.is_empty() {
            return Ok(());
        }
        let (vault_id, pull) = self.late_pulls.remove(index % self.late_pulls.len());
        let before = (fingerprint(&self.engine), self.store.clone());
        if let Ok(step) = self.accept_pull(account, vault_id, pull) {
            return self.adopt(step);
        }
        assert!(before == (fingerprint(&self.engine), self.store.clone()), "a refusal changes nothing");
        Ok(())
    }

    /// Talks with a reachable server until nothing is left to say.
    pub(crate) fn sync(&mut self, account: &Account, wire: &mut Wire) {
        self.doom = None;
        for _ in 0..6 {
            self.exchange(account, wire).expect("nobody kills a device that syncs");
            self.forget_wish_if_met();
            if self.is_at_rest(&wire.server) {
                break;
            }
        }
        assert_eq!(self.engine.unsent(), 0, "everything was sent");
        assert!(self.engine.state_in_flight().is_none() && self.wish.is_none(), "the wish was granted");
    }

    fn is_at_rest(&self, server: &Server) -> bool {
        let engine = &self.engine;
        let on_par = |vault: &VaultEntry| engine.head(&vault.id) == server.vaults[&vault.id].ledger.head();
        self.wish.is_none()
            && engine.unsent() == 0
            && engine.state_in_flight().is_none()
            && engine.state().hash() == server.newest().hash()
            && engine.state().vaults.iter().all(on_par)
    }

    fn exchange(&mut self, account: &Account, wire: &mut Wire) -> Result<(), Died> {
        self.pull_states(&wire.server)?;
        for vault_id in wire.server.vaults.keys().copied().collect::<Vec<_>>() {
            self.pull(account, vault_id, &wire.server)?;
            self.push(account, vault_id, wire, Fate::Delivered)?;
        }
        self.push_state(account, wire, Fate::Delivered)
    }

    fn adopt_if_accepted(&mut self, result: Result<Step, EngineError>, behind: bool) -> Result<(), Died> {
        match result {
            Ok(step) => self.adopt(step),
            Err(EngineError::Refused(refused)) if behind => {
                assert_eq!(refused.refusal, etui_chain::Refusal::Missing, "states have to be pulled first");
                Ok(())
            }
            Err(error) => panic!("an honest answer was refused: {error}"),
        }
    }

    fn assert_unmoved_by_pull(&mut self, account: &Account, vault_id: VaultId, pull: Pull) {
        let before = fingerprint(&self.engine);
        if let Ok(step) = self.accept_pull(account, vault_id, pull) {
            assert!(step.writes.is_empty(), "an answer that came twice changes nothing");
            assert!(fingerprint(&step.engine) == before);
        }
    }

    fn assert_unmoved_by_states(&self, frames: StateFrames) {
        if let Ok(step) = self.engine.accept_states(frames) {
            assert!(step.writes.is_empty(), "states that came twice change nothing");
            assert!(fingerprint(&step.engine) == fingerprint(&self.engine));
        }
    }

    fn forget_wish_if_met(&mut self) {
        let state = self.engine.state();
        let met = self.wish.as_ref().is_some_and(|wish| {
            wish.add_devices.iter().all(|(id, key)| state.device_key(id) == Some(*key))
                && wish.remove_devices.iter().all(|id| state.device_key(id).is_none())
                && wish.put_keysets.iter().all(|entry| state.keyset(&entry.id) == Some(entry))
        });
        if met {
            self.wish = None;
        }
    }
}

/// Everything that an engine knows, as far as one can ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    states: (u64, Digest),
    state_in_flight: Option<Vec<u8>>,
    vaults: Vec<VaultFingerprint>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct VaultFingerprint {
    vault_id: VaultId,
    head: Head,
    begins: Option<u64>,
    epoch: u32,
    leaves: Vec<Leaf>,
    in_flight: Option<Vec<u8>>,
    unconfirmed: Vec<Vec<u8>>,
}

pub(crate) fn fingerprint(engine: &Engine) -> Fingerprint {
    let vault = |vault_id: VaultId| VaultFingerprint {
        vault_id,
        head: engine.head(&vault_id),
        begins: engine.commits_begin(&vault_id),
        epoch: engine.epoch(&vault_id),
        leaves: engine.leaves(&vault_id).to_vec(),
        in_flight: engine.in_flight(&vault_id).map(|in_flight| in_flight.to_bytes()),
        unconfirmed: engine.unconfirmed(&vault_id).into_iter().map(Pending::to_bytes).collect(),
    };
    Fingerprint {
        states: (engine.oldest_state().version, engine.state().hash()),
        state_in_flight: engine.state_in_flight().map(|in_flight| in_flight.to_bytes()),
        vaults: engine.vault_ids().map(vault).collect(),
    }
}
