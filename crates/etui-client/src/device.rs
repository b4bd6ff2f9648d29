//! An unlocked device: reading, changing, syncing.

pub(crate) mod admin;
mod email;
mod follow;
mod heal;
mod history;
mod leaving;
mod own_account;
mod password;
mod plan;
mod refused;
mod sync;
mod ways;

use std::cell::RefCell;

use etui_chain::{AccountId, DeviceId, Leaf, ObjectId, RecordHeader, RecordType, Refusal, Refused, VaultId};
use etui_crypto::{open_entry, open_vault_settings, random_id};
use etui_sync::{Context, Current, Edit as ObjectEdit, Engine, Notice, Step, VaultKeys};
use etui_vault::{Edit, Entry, Filter, Index, Summary, VaultSettings, apply};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::{
    ClientError, ErrorKind, Home, OsRandom,
    api::Api,
    home::DeviceFile,
    merge::ModelMerge,
    now_ms,
    pins::{PinKeeper, Pins},
    secure_storage::{Keyring, SecureStorageError},
    store::{Store, key},
    unlock::Unlocked,
};

pub use admin::DeviceLine;
pub use email::EmailChange;
pub use follow::{Branch, Branches, Followed};
pub use heal::HealReport;
pub use own_account::EventLine;
pub use refused::PutAside;
pub use sync::SyncReport;

/// Told how far long work has come: done, total.
pub type Progress<'a> = Option<&'a dyn Fn(usize, usize)>;

/// An unlocked device. Dropping it wipes the keys.
pub struct Device {
    home: Home,
    /// What the plain file in the folder says, or should say as soon as it can be written.
    file: RefCell<DeviceFile>,
    pub(crate) api: Api,
    /// Why a keyring that was wanted when the device was set up just now is not used.
    pub(crate) without_keyring: Option<SecureStorageError>,
    /// Borrowed only between awaits, so that reading never waits for the network.
    pub(crate) inner: RefCell<Inner>,
    /// One exchange with the server at a time.
    syncing: tokio::sync::Mutex<()>,
    /// What came before this device joined is fetched beside all else.
    fetching_history: tokio::sync::Mutex<()>,
    unsent: Notify,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    keys: Unlocked,
    index: Index,
    unreadable: Vec<(ObjectId, Refused)>,
    last_sync: Option<SyncOutcome>,
    /// Where a keyring keeps the store's key, it keeps these too.
    pins: Option<PinKeeper>,
    /// Whether this folder stops being a device: nothing is saved in it any more.
    is_leaving: bool,
    /// Whether the plan had no room for all that waits, when the server was last asked.
    over_plan: bool,
}

/// What a device says of itself.
pub struct DeviceInfo {
    /// The server's address.
    pub server: String,
    /// The account's e-mail address there.
    pub email: String,
    /// The account.
    pub account_id: AccountId,
    /// This device.
    pub device_id: DeviceId,
    /// Version of the newest verified state.
    pub state_version: u64,
    /// The code by which a person compares two devices.
    pub head_code: String,
    /// The vaults held.
    pub vaults: Vec<VaultInfo>,
    /// Objects with changes that the server has not confirmed.
    pub unsent: usize,
    /// How the last exchange with the server ended, if there was one since unlocking.
    pub last_sync: Option<SyncOutcome>,
    /// Whether every state and commit from the first on is here: then this device can heal any restored server.
    pub history_complete: bool,
    /// Different answers of the server that were refused and put aside.
    pub refused: usize,
    /// Whether the newest state lists this device.
    pub device_listed: bool,
    /// Whether this device has a session with the server.
    pub signed_in: bool,
    /// What opens the local store.
    pub store_opens_with: StoreOpensWith,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What opens the local store of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOpensWith {
    /// A key that the keyring keeps.
    Keyring,
    /// The account's master password.
    MasterPassword,
    /// The master password that the account had until it was changed on another device.
    FormerMasterPassword,
}

/// One vault of [`DeviceInfo`].
pub struct VaultInfo {
    /// The vault.
    pub vault_id: VaultId,
    /// Its name.
    pub name: String,
    /// How many entries it has.
    pub entries: usize,
    /// Its verified head's place in the chain.
    pub head_seq: u64,
    /// When the head was made by its device's clock, in ms since 1970; 0 if unknown.
    pub head_time_ms: u64,
    /// The name of the device that made the head; its id if it has no name here, nothing if unknown.
    pub head_device: String,
}

/// How an exchange with the server ended.
#[derive(Debug, Clone)]
pub struct SyncOutcome {
    /// When, in ms since 1970.
    pub at_ms: u64,
    /// How.
    pub result: Result<(), SyncFailure>,
}

/// What an exchange failed with, kept after the error itself was given to whoever asked for the exchange.
#[derive(Debug, Clone)]
pub struct SyncFailure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The name by which data was refused, if it was.
    pub refusal: Option<Refusal>,
    /// What happened.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Device {
    pub(crate) fn assemble(
        home: Home,
        file: DeviceFile,
        api: Api,
        store: Store,
        engine: Engine,
        keys: Unlocked,
    ) -> Result<Self, ClientError> {
        api.hold_to(engine.account_id());
        let pins =
            file.uses_keyring().then(|| PinKeeper::start(Keyring::of(file.device_id), Pins::of(&engine)));
        let (index, unreadable) = (Index::new(), Vec::new());
        let mut inner = Inner {
            store,
            engine,
            keys,
            index,
            unreadable,
            last_sync: None,
            pins,
            is_leaving: false,
            over_plan: false,
        };
        inner.build_index()?;
        Ok(Self {
            home,
            file: RefCell::new(file),
            api,
            without_keyring: None,
            inner: RefCell::new(inner),
            syncing: tokio::sync::Mutex::default(),
            fetching_history: tokio::sync::Mutex::default(),
            unsent: Notify::new(),
        })
    }

    /// What this device says of itself.
    pub fn info(&self) -> DeviceInfo {
        let inner = self.inner.borrow();
        let engine = &inner.engine;
        DeviceInfo {
            server: self.server().to_owned(),
            email: inner.email(),
            account_id: engine.account_id(),
            device_id: engine.device_id(),
            state_version: engine.state().version,
            head_code: engine.head_code(),
            vaults: engine.vault_ids().map(|vault_id| inner.vault_info(vault_id)).collect(),
            unsent: engine.unsent(),
            last_sync: inner.last_sync.clone(),
            history_complete: inner.is_history_complete(),
            refused: inner.store.count_put_aside().unwrap_or_default(),
            device_listed: engine.is_device_listed(),
            signed_in: self.api.kept().is_some(),
            store_opens_with: self.store_opens_with(&inner),
            warnings: inner.warnings(),
        }
    }

    /// Why a keyring that was wanted is not used, on a device that has been set up just now.
    pub const fn without_keyring(&self) -> Option<&SecureStorageError> {
        self.without_keyring.as_ref()
    }

    /// Entries by a filter, in title order.
    pub fn list(&self, filter: &Filter) -> Vec<Summary> {
        self.inner.borrow().index.list(filter).into_iter().cloned().collect()
    }

    /// Entries that hold every word, best first.
    pub fn search(&self, text: &str, filter: &Filter, limit: usize) -> Vec<Summary> {
        self.inner.borrow().index.search(text, filter, limit).into_iter().cloned().collect()
    }

    /// The entry of an id, of an exact title (case does not matter), or of the only id with that beginning.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] or [`ClientError::Ambiguous`].
    pub fn find(&self, name: &str) -> Result<ObjectId, ClientError> {
        let inner = self.inner.borrow();
        if let Some(summary) = name.parse().ok().and_then(|id| inner.index.get(&id)) {
            return Ok(summary.id);
        }
        let everything = Filter { shelf: etui_vault::Shelf::All, ..Filter::default() };
        let all = inner.index.list(&everything);
        let wanted = name.to_lowercase();
        let titled: Vec<_> = all.iter().filter(|summary| summary.title.to_lowercase() == wanted).collect();
        let in_use: Vec<_> = titled.iter().filter(|summary| summary.trashed_ms.is_none()).copied().collect();
        let by_id = || {
            let begins = |summary: &&&Summary| name.len() >= 4 && summary.id.to_string().starts_with(&wanted);
            all.iter().filter(begins).collect::<Vec<_>>()
        };
        let found = if !in_use.is_empty() {
            in_use
        } else if !titled.is_empty() {
            titled
        } else {
            by_id()
        };
        match found.as_slice() {
            [] => Err(ClientError::NotFound(name.to_owned())),
            [only] => Ok(only.id),
            several => Err(ClientError::Ambiguous {
                name: name.to_owned(),
                candidates: several.iter().map(|summary| (summary.id, described(summary))).collect(),
            }),
        }
    }

    /// An entry, opened now.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], or the name by which its record is refused.
    pub fn entry(&self, object_id: ObjectId) -> Result<Entry, ClientError> {
        self.inner.borrow().entry(object_id)
    }

    /// Adds entries: one transaction here, one commit there. Durable on return.
    ///
    /// # Errors
    /// `limit` for an entry that is too large; [`ClientError::Store`].
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn add(
        &self,
        entries: Vec<Entry>,
        progress: Progress<'_>,
    ) -> Result<Vec<ObjectId>, ClientError> {
        let total = entries.len();
        let mut bodies = Vec::with_capacity(total);
        for (done, entry) in entries.iter().enumerate() {
            bodies.push((random_id::<ObjectId>(&mut OsRandom)?, entry.encode()?));
            if let Some(progress) = progress.filter(|_| done % 256 == 0) {
                progress(done, total);
            }
        }
        let edits = bodies
            .iter()
            .map(|(object_id, body)| ObjectEdit::Create {
                object_id: *object_id,
                record_type: RecordType::Entry,
                body,
            })
            .collect();
        let vault_id = self.inner.borrow().default_vault()?;
        self.change(vault_id, edits)?;
        if let Some(progress) = progress {
            progress(total, total);
        }
        Ok(bodies.into_iter().map(|(object_id, _)| object_id).collect())
    }

    /// Changes an entry. Durable on return.
    ///
    /// # Errors
    /// [`ClientError::Edit`] for an edit that does not fit; [`ClientError::NotFound`]; [`ClientError::Store`].
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn edit(&self, object_id: ObjectId, edits: &[Edit]) -> Result<Entry, ClientError> {
        let (vault_id, synced, edited, body) = {
            let inner = self.inner.borrow();
            let vault_id = inner.vault_of(object_id)?;
            let edited = apply(&inner.entry(object_id)?, edits, now_ms())?;
            let body = edited.encode()?;
            (vault_id, inner.synced(vault_id, object_id)?, edited, body)
        };
        let record_type = RecordType::Entry;
        self.change(vault_id, vec![ObjectEdit::Change { object_id, record_type, body: &body, synced }])?;
        Ok(edited)
    }

    /// Removes an entry for ever, its history too. Durable on return.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; [`ClientError::Store`].
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn purge(&self, object_id: ObjectId) -> Result<(), ClientError> {
        let (vault_id, synced) = {
            let inner = self.inner.borrow();
            let vault_id = inner.vault_of(object_id)?;
            (vault_id, inner.synced(vault_id, object_id)?)
        };
        self.change(vault_id, vec![ObjectEdit::Purge { object_id, synced }])
    }

    /// Told after every local change: something waits to be sent.
    pub const fn unsent_notify(&self) -> &Notify {
        &self.unsent
    }

    pub(crate) fn email(&self) -> String {
        self.inner.borrow().email()
    }

    pub(crate) fn server(&self) -> &str {
        self.api.server()
    }

    fn change(&self, vault_id: VaultId, edits: Vec<ObjectEdit<'_>>) -> Result<(), ClientError> {
        let mut inner = self.inner.borrow_mut();
        let engine = inner.engine.clone();
        let step = inner.with_context(|context| engine.edit(vault_id, edits, context))?;
        inner.take(step)?;
        drop(inner);
        self.unsent.notify_one();
        Ok(())
    }
}

impl Inner {
    /// Makes a step durable, then goes on with it.
    fn take(&mut self, step: Step) -> Result<Vec<Notice>, ClientError> {
        if self.is_leaving {
            return Err(ClientError::Leaving);
        }
        self.store.apply(&step.writes)?;
        self.engine = step.engine;
        if let Some(pins) = &mut self.pins {
            pins.follow(Pins::of(&self.engine));
        }
        for (vault_id, object_id) in step.touched {
            self.index_one(vault_id, object_id)?;
        }
        Ok(step.notices)
    }

    /// Runs an operation of the engine with what it may use.
    fn with_context<T>(&self, run: impl FnOnce(&mut Context<'_>) -> T) -> T {
        run(&mut Context {
            vault_keys: &self.keys.vault_keys,
            device_key: &self.keys.device_key,
            merge: &ModelMerge,
            random: &mut OsRandom,
            now_ms: now_ms(),
        })
    }

    fn email(&self) -> String {
        let stored = self.store.value(key::EMAIL).ok().flatten();
        stored.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn default_vault(&self) -> Result<VaultId, ClientError> {
        self.engine.default_vault().ok_or(ClientError::Engine(etui_sync::EngineError::NoVault))
    }

    fn vault_of(&self, object_id: ObjectId) -> Result<VaultId, ClientError> {
        self.engine
            .vault_ids()
            .find(|vault_id| self.engine.current(vault_id, &object_id).is_some())
            .ok_or_else(|| ClientError::NotFound(object_id.to_string()))
    }

    /// The verified record that an edit is made on.
    fn synced(&self, vault_id: VaultId, object_id: ObjectId) -> Result<Option<Vec<u8>>, ClientError> {
        match self.engine.current(&vault_id, &object_id) {
            Some(Current::Synced(_)) => self.store.record(vault_id, object_id),
            _ => Ok(None),
        }
    }

    fn entry(&self, object_id: ObjectId) -> Result<Entry, ClientError> {
        let vault_id = self.vault_of(object_id)?;
        let body = self.body(vault_id, object_id)?;
        Ok(Entry::decode(&body)?)
    }

    fn body(&self, vault_id: VaultId, object_id: ObjectId) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let not_found = || ClientError::NotFound(object_id.to_string());
        match self.engine.current(&vault_id, &object_id).ok_or_else(not_found)? {
            Current::Unsent(pending) | Current::Sent(pending) => {
                let record = pending.record().ok_or_else(not_found)?;
                Ok(open_body(&self.keys.vault_keys, vault_id, record, None)?)
            }
            Current::Synced(leaf) => {
                let missing = Refusal::Missing.because("a verified record is not in the local store");
                let record = self.store.record(vault_id, object_id)?.ok_or(missing)?;
                Ok(open_body(&self.keys.vault_keys, vault_id, &record, Some(leaf))?)
            }
        }
    }

    /// Opens everything once, on all cores, and keeps what lists and searches show.
    fn build_index(&mut self) -> Result<(), ClientError> {
        for vault_id in self.engine.vault_ids().collect::<Vec<_>>() {
            let newer: Vec<ObjectId> =
                self.engine.unconfirmed(&vault_id).iter().map(|pending| pending.object_id).collect();
            let mut records = self.store.records(vault_id)?;
            records.retain(|(leaf, _)| is_entry(vault_id, leaf.object_id));
            for (object_id, opened) in open_all(&self.keys, vault_id, &records) {
                match opened {
                    Ok(entry) => self.index.insert(object_id, &entry),
                    Err(refused) => self.unreadable.push((object_id, refused)),
                }
            }
            for object_id in newer {
                self.index_one(vault_id, object_id)?;
            }
        }
        Ok(())
    }

    fn index_one(&mut self, vault_id: VaultId, object_id: ObjectId) -> Result<(), ClientError> {
        self.unreadable.retain(|(other, _)| *other != object_id);
        if !is_entry(vault_id, object_id) {
            return Ok(());
        }
        if self.engine.current(&vault_id, &object_id).is_none() {
            self.index.remove(&object_id);
            return Ok(());
        }
        match self.entry(object_id) {
            Ok(entry) => self.index.insert(object_id, &entry),
            Err(ClientError::Refused { refused }) => {
                self.index.remove(&object_id);
                self.unreadable.push((object_id, refused));
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn is_history_complete(&self) -> bool {
        let begun = |vault_id: VaultId| self.engine.commits_begin(&vault_id).is_none();
        self.engine.states_begin().is_none() && self.engine.vault_ids().all(begun)
    }

    fn vault_info(&self, vault_id: VaultId) -> VaultInfo {
        let settings = self.body(vault_id, vault_id.id().into());
        let name = settings.ok().and_then(|body| VaultSettings::decode(&body).ok());
        let head = self.engine.head(&vault_id);
        let newest = self.store.commits_after(vault_id, head.seq.saturating_sub(1)).unwrap_or_default();
        let commit = newest.last().and_then(|bytes| etui_chain::Commit::parse(bytes).ok());
        VaultInfo {
            vault_id,
            name: name.map(|settings| settings.name().to_owned()).unwrap_or_default(),
            entries: self.index.len(),
            head_seq: head.seq,
            head_time_ms: commit.as_ref().map_or(0, |commit| commit.time_ms),
            head_device: commit.map(|commit| self.device_name(commit.device_id)).unwrap_or_default(),
        }
    }

    fn device_name(&self, device_id: DeviceId) -> String {
        let names = self.account_settings().ok();
        let name = names.as_ref().and_then(|names| names.device_name(&device_id));
        name.map_or_else(|| device_id.to_string(), str::to_owned)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .unreadable
            .iter()
            .map(|(object_id, refused)| format!("entry {object_id} cannot be read ({refused})"))
            .collect();
        if !self.engine.is_device_listed() {
            warnings.push("the account does not list this device: its changes stay here".to_owned());
        }
        if let Some(trouble) = self.pins.as_ref().and_then(PinKeeper::trouble) {
            warnings.push(format!(
                "{trouble}: until the next unlock an older copy of this folder would not be noticed"
            ));
        }
        warnings
    }
}

/// By what a person tells entries of one title apart.
fn described(summary: &Summary) -> String {
    let Summary { title, username, .. } = summary;
    if username.is_empty() { title.clone() } else { format!("{title}, {username}") }
}

impl From<&ClientError> for SyncFailure {
    fn from(error: &ClientError) -> Self {
        let message = error.to_string();
        Self { kind: error.kind(), refusal: error.refusal(), message, hint: error.hint() }
    }
}

/// The vault's settings lie under the vault's own id.
pub(crate) fn is_entry(vault_id: VaultId, object_id: ObjectId) -> bool {
    vault_id.as_bytes() != object_id.as_bytes()
}

pub(crate) fn open_body(
    vault_keys: &VaultKeys,
    vault_id: VaultId,
    record: &[u8],
    leaf: Option<Leaf>,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let header = RecordHeader::parse(record)?;
    let vault_key = vault_keys.get(vault_id, header.epoch)?;
    let object_id = leaf.map_or_else(|| header.object_id.into(), |leaf| leaf.object_id);
    let version = leaf.map_or(header.version, |leaf| leaf.version);
    let hash = leaf.map(|leaf| leaf.record_hash);
    if is_entry(vault_id, object_id) {
        open_entry(vault_key, object_id, version, hash, record)
    } else {
        open_vault_settings(vault_key, version, hash, record)
    }
}

type Opened = (ObjectId, Result<Entry, Refused>);

fn open_all(keys: &Unlocked, vault_id: VaultId, records: &[(Leaf, Vec<u8>)]) -> Vec<Opened> {
    let open = |(leaf, record): &(Leaf, Vec<u8>)| {
        let entry =
            open_body(&keys.vault_keys, vault_id, record, Some(*leaf)).and_then(|body| Entry::decode(&body));
        (leaf.object_id, entry)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = records.len().div_ceil(cores).max(256);
    std::thread::scope(|scope| {
        let workers: Vec<_> = records
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(open).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("opening records does not panic"))
            .collect()
    })
}

#[cfg(test)]
mod tests;
