//! What a device has verified about its account, what waits to be sent and what is on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use etui_chain::{
    AccountId, Commit, DeviceId, Head, Leaf, Ledger, LiveSet, ObjectId, Refusal, Refused, State, VaultEntry,
    VaultId, head_code,
};

use crate::{
    Step,
    history::Beginning,
    pending::{InFlight, Pending, StateInFlight},
};

/// Why an operation could not be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EngineError {
    /// Data does not verify.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such vault, or it may not be written to any more.
    #[error("this account has no such vault that it may write to")]
    NoVault,
    /// There is no such object.
    #[error("there is no such entry")]
    NoObject,
    /// A commit is on its way; its fate has to be known first.
    #[error("a change is still on its way to the server")]
    Busy,
}

/// One vault on this device.
#[derive(Debug, Clone)]
pub(crate) struct Vault {
    pub(crate) ledger: Arc<Ledger>,
    /// Where the commits held begin.
    pub(crate) begins: Beginning,
    pub(crate) outbox: BTreeMap<ObjectId, Arc<Pending>>,
    pub(crate) in_flight: Option<Arc<InFlight>>,
}

/// A device's verified position. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) device_id: DeviceId,
    /// Verified, ascending, without gaps; never empty.
    pub(crate) states: Arc<Vec<Arc<State>>>,
    pub(crate) vaults: BTreeMap<VaultId, Arc<Vault>>,
    pub(crate) state_in_flight: Option<Arc<StateInFlight>>,
}

/// Where the newest local content of an object lies.
#[derive(Debug, Clone, Copy)]
pub enum Current<'a> {
    /// In an unsent change.
    Unsent(&'a Pending),
    /// In the commit on its way.
    Sent(&'a Pending),
    /// In the verified record of this leaf.
    Synced(Leaf),
}

/// What the local store gives back when it is opened.
#[derive(Debug, Default)]
pub struct StoredAccount {
    /// Every state kept, versions ascending.
    pub states: Vec<Vec<u8>>,
    /// The state on its way.
    pub state_in_flight: Option<Vec<u8>>,
    /// The vaults.
    pub vaults: Vec<StoredVault>,
}

/// One vault of [`StoredAccount`].
#[derive(Debug)]
pub struct StoredVault {
    /// The vault.
    pub vault_id: VaultId,
    /// Its newest commit; `None` while the vault's first commit is unknown.
    pub newest_commit: Option<Vec<u8>>,
    /// The oldest of its commits that are held without a gap up to the newest.
    pub oldest_commit: Option<Vec<u8>>,
    /// Its live objects.
    pub leaves: Vec<Leaf>,
    /// Ids known to be purged.
    pub purged: BTreeSet<ObjectId>,
    /// Its unsent changes.
    pub outbox: Vec<Vec<u8>>,
    /// The commit on its way.
    pub in_flight: Option<Vec<u8>>,
}

impl Engine {
    /// Takes up what the local store holds. It is checked again: the states follow each other, and each vault's
    /// objects are those of its newest commit.
    ///
    /// # Errors
    /// As for what a server sends; on a store that nobody tampered with they do not occur.
    pub fn restore(device_id: DeviceId, stored: StoredAccount) -> Result<Self, Refused> {
        let states: Vec<_> =
            stored.states.iter().map(|bytes| State::parse(bytes).map(Arc::new)).collect::<Result<_, _>>()?;
        states.first().ok_or(Refusal::Missing.because("the local store holds no account state"))?;
        for pair in states.windows(2) {
            pair[1].verify_follows(&pair[0])?;
        }
        let state_in_flight =
            stored.state_in_flight.map(|bytes| StateInFlight::from_bytes(&bytes)).transpose()?.map(Arc::new);
        let vaults = stored
            .vaults
            .into_iter()
            .map(|vault| Ok((vault.vault_id, Arc::new(Vault::restore(vault)?))))
            .collect::<Result<_, Refused>>()?;
        Ok(Self { device_id, states: Arc::new(states), vaults, state_in_flight })
    }

    /// The account.
    pub fn account_id(&self) -> AccountId {
        self.state().account_id
    }

    /// This device.
    pub const fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The newest verified state.
    pub fn state(&self) -> &Arc<State> {
        self.states.last().expect("an engine always has a state")
    }

    /// The oldest state held; version 1 once the history has been fetched.
    pub fn oldest_state(&self) -> &Arc<State> {
        self.states.first().expect("an engine always has a state")
    }

    /// Every vault held, those that are no longer listed too.
    pub fn vault_ids(&self) -> impl Iterator<Item = VaultId> + '_ {
        self.vaults.keys().copied()
    }

    /// The vault that entries go to when none is named: the first listed.
    pub fn default_vault(&self) -> Option<VaultId> {
        self.state().vaults.first().map(|vault| vault.id)
    }

    /// Whether the newest state lists the vault: only then may it be written to.
    pub fn is_listed(&self, vault_id: &VaultId) -> bool {
        self.state().vault(vault_id).is_some()
    }

    /// Whether the newest state lists this device: only then are its commits accepted.
    pub fn is_device_listed(&self) -> bool {
        self.state().device_key(&self.device_id).is_some()
    }

    /// Whether a state held here has listed this device: if none does now, it was removed.
    pub fn was_device_listed(&self) -> bool {
        self.states.iter().any(|state| state.device_key(&self.device_id).is_some())
    }

    /// A vault's verified head; [`Head::NONE`] for a vault that is not held.
    pub fn head(&self, vault_id: &VaultId) -> Head {
        self.vaults.get(vault_id).map_or(Head::NONE, |vault| vault.ledger.head())
    }

    /// The commit on its way for a vault.
    pub fn in_flight(&self, vault_id: &VaultId) -> Option<&Arc<InFlight>> {
        self.vaults.get(vault_id)?.in_flight.as_ref()
    }

    /// The state on its way.
    pub const fn state_in_flight(&self) -> Option<&Arc<StateInFlight>> {
        self.state_in_flight.as_ref()
    }

    /// How many objects have changes that the server has not confirmed.
    pub fn unsent(&self) -> usize {
        let count = |vault: &Arc<Vault>| {
            let sent = vault.in_flight.as_ref().map_or(0, |in_flight| {
                in_flight
                    .changes
                    .iter()
                    .filter(|change| !vault.outbox.contains_key(&change.object_id))
                    .count()
            });
            vault.outbox.len() + sent
        };
        self.vaults.values().map(count).sum()
    }

    /// The unsent changes and those on their way, newest content per object.
    pub fn unconfirmed(&self, vault_id: &VaultId) -> Vec<&Pending> {
        let Some(vault) = self.vaults.get(vault_id) else { return Vec::new() };
        let sent = vault.in_flight.iter().flat_map(|in_flight| &in_flight.changes);
        let mut newest: BTreeMap<ObjectId, &Pending> =
            sent.map(|pending| (pending.object_id, &**pending)).collect();
        newest.extend(vault.outbox.iter().map(|(object_id, pending)| (*object_id, &**pending)));
        newest.into_values().collect()
    }

    /// Where the newest local content of an object lies; `None` if there is none or it is being purged.
    pub fn current(&self, vault_id: &VaultId, object_id: &ObjectId) -> Option<Current<'_>> {
        let vault = self.vaults.get(vault_id)?;
        let found = if let Some(pending) = vault.outbox.get(object_id) {
            Current::Unsent(pending)
        } else if let Some(pending) =
            vault.in_flight.as_ref().and_then(|in_flight| in_flight.change(object_id))
        {
            Current::Sent(pending)
        } else {
            Current::Synced(*vault.ledger.live().get(object_id)?)
        };
        match found {
            Current::Unsent(pending) | Current::Sent(pending) if pending.record().is_none() => None,
            found => Some(found),
        }
    }

    /// The verified live objects of a vault.
    pub fn leaves(&self, vault_id: &VaultId) -> &[Leaf] {
        self.vaults.get(vault_id).map_or(&[], |vault| vault.ledger.live().leaves())
    }

    /// The epoch of a vault's newest commit.
    pub fn epoch(&self, vault_id: &VaultId) -> u32 {
        self.vaults.get(vault_id).map_or(0, |vault| vault.ledger.epoch())
    }

    /// The code by which a person compares two devices: over the state and the head of each listed vault.
    pub fn head_code(&self) -> String {
        let heads: Vec<_> =
            self.state().vaults.iter().map(|vault| (vault.id, self.head(&vault.id))).collect();
        head_code(&self.account_id(), &self.state().hash(), &heads)
    }

    /// Whether commits up to the head that the state names, or the first one, have still to be pulled.
    pub(crate) fn is_behind(&self, listed: &VaultEntry) -> bool {
        self.head(&listed.id).seq < listed.head_seq.max(1)
    }

    pub(crate) fn vault(&self, vault_id: &VaultId) -> Result<&Arc<Vault>, EngineError> {
        self.vaults.get(vault_id).ok_or(EngineError::NoVault)
    }

    /// A step to this engine with one vault replaced.
    pub(crate) fn with_vault(&self, vault_id: VaultId, vault: Vault) -> Step {
        let mut engine = self.clone();
        engine.vaults.insert(vault_id, Arc::new(vault));
        engine.into_step()
    }

    pub(crate) fn into_step(self) -> Step {
        Step { engine: self, writes: Vec::new(), notices: Vec::new(), touched: Vec::new() }
    }
}

impl Vault {
    pub(crate) fn new(ledger: Ledger, begins: Beginning) -> Self {
        Self { ledger: Arc::new(ledger), begins, outbox: BTreeMap::new(), in_flight: None }
    }

    fn restore(stored: StoredVault) -> Result<Self, Refused> {
        let ledger = match stored.newest_commit {
            Some(bytes) => {
                Ledger::at(&Commit::parse(&bytes)?, LiveSet::from_leaves(stored.leaves)?, stored.purged)?
            }
            None => Ledger::empty(stored.vault_id),
        };
        let oldest = stored.oldest_commit.map(|bytes| Commit::parse(&bytes)).transpose()?;
        let mut vault = Self::new(ledger, oldest.as_ref().map_or(Beginning::NONE, Beginning::at));
        vault.in_flight =
            stored.in_flight.map(|bytes| InFlight::from_bytes(&bytes)).transpose()?.map(Arc::new);
        for bytes in &stored.outbox {
            let pending = Pending::from_bytes(bytes)?;
            vault.outbox.insert(pending.object_id, Arc::new(pending));
        }
        Ok(vault)
    }
}
