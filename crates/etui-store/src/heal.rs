//! Putting back what a restored server has lost (`spec/crypto.md`, "Refusals, pins, local store", `heal`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use etui_api::sync::Healed;
use etui_chain::{
    Change, Commit, DeviceId, Digest, Head, Ledger, ObjectId, Op, Refusal, Refused, State, VaultId,
    record_hash,
};

use crate::{
    Authority, HealStep, HealUpload, Notice, Store, StoreError, accept,
    named::{Place, Uploaded, places},
    plan::{HeldVault, NamedRecord, ObjectPlan, Plan, VaultPlan},
    sql::{self, Columns as _},
    state::Keys,
    store::compute,
};

impl Store {
    /// Puts back what a restored server has lost, all of it or nothing. What is held identically is skipped. Where that changes how
    /// the account is unlocked, it is as in [`Self::push_state`].
    ///
    /// # Errors
    /// `Refused`: `fork` for another commit or state at a held place, `missing` for a gap or a record that is still
    /// live or named; `HeadMoved`, `StateMoved` if a device pushed meanwhile: try again; `StorageFull`.
    pub async fn heal(
        &self,
        authority: &Authority,
        upload: HealUpload,
        notice: Option<Notice>,
        now_ms: u64,
    ) -> Result<Healed, StoreError> {
        let replay = self.replay(authority, &upload).await?;
        let keys = Keys::of(&replay.newest);
        let mut plan = compute(true, move || replay.run(upload)).await?;
        plan.ends_others = keys.end_others(authority, &plan, notice, now_ms);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let commits = plan.vaults.iter().map(|vault| vault.commits.len()).sum();
        let healed = Healed { states: count(plan.states.len()), commits: count(commits) };
        if healed.states > 0 || healed.commits > 0 {
            self.carry_out(authority, plan).await?;
        }
        Ok(healed)
    }

    async fn replay(&self, authority: &Authority, upload: &HealUpload) -> Result<Replay, StoreError> {
        let account_id = authority.account_id();
        let newest = self.newest_state_of(account_id).await?;
        let touched: BTreeSet<VaultId> = upload
            .steps
            .iter()
            .filter_map(|step| match step {
                HealStep::Commit(commit) => Some(commit.vault_id),
                HealStep::State(_) => None,
            })
            .collect();
        let mut vaults = BTreeMap::new();
        for held in self.held_vaults(account_id).await? {
            let vault = if touched.contains(&held.vault_id) {
                self.replayed_vault(held, &newest).await?
            } else {
                ReplayedVault::untouched(held)
            };
            vaults.insert(held.vault_id, vault);
        }
        Ok(Replay {
            base_state: newest.hash(),
            held_states: self.state_hashes(authority).await?,
            named_since: places(&newest).map(|place| (place, None)).collect(),
            newest,
            vaults,
            states: Vec::new(),
            removed_devices: BTreeSet::new(),
        })
    }

    async fn replayed_vault(&self, held: HeldVault, newest: &State) -> Result<ReplayedVault, StoreError> {
        const SELECT: &str = "SELECT seq, commit_hash FROM vault_commit WHERE vault_number = $1";
        let ledger = Ledger::clone(&*self.ledger(&held, newest).await?);
        let values = [sql::number(held.number)];
        let rows = sql::rows(self.database(), "listing a vault's commits", SELECT, values).await?;
        let mut hashes = HashMap::with_capacity(rows.len());
        for row in rows {
            hashes.insert(row.number(0)?, row.digest(1)?);
        }
        Ok(ReplayedVault { hashes, ledger: Some(ledger), ..ReplayedVault::untouched(held) })
    }

    async fn state_hashes(&self, authority: &Authority) -> Result<HashMap<u64, Digest>, StoreError> {
        const SELECT: &str = "SELECT version, state_hash FROM account_state WHERE account_id = $1";
        let values = [sql::id(authority.account_id())];
        let rows = sql::rows(self.database(), "listing states", SELECT, values).await?;
        rows.iter().map(|row| Ok((row.number(0)?, row.digest(1)?))).collect()
    }
}

/// The account while the upload is played onto it.
struct Replay {
    base_state: Digest,
    held_states: HashMap<u64, Digest>,
    newest: State,
    /// What the newest state names, with the new state that brought it; `None` where it is held.
    named_since: BTreeMap<Place, Option<u64>>,
    vaults: BTreeMap<VaultId, ReplayedVault>,
    states: Vec<State>,
    removed_devices: BTreeSet<DeviceId>,
}

/// A vault while the upload is played onto it.
struct ReplayedVault {
    held: Option<HeldVault>,
    head: Head,
    /// Commits that are held or were played, by their places.
    hashes: HashMap<u64, Digest>,
    /// Absent for a vault of which the upload has no commit.
    ledger: Option<Ledger>,
    commits: Vec<Commit>,
    /// What each object became: its last change, with the place and epoch of the commit.
    changed: BTreeMap<ObjectId, (u64, u32, Change)>,
}

impl ReplayedVault {
    fn untouched(held: HeldVault) -> Self {
        Self { held: Some(held), head: held.head, ..Self::new_vault(None) }
    }

    fn new_vault(ledger: Option<Ledger>) -> Self {
        Self {
            held: None,
            head: Head::NONE,
            hashes: HashMap::new(),
            ledger,
            commits: Vec::new(),
            changed: BTreeMap::new(),
        }
    }

    fn play(&mut self, commit: Commit, newest: &State) -> Result<(), Refused> {
        if let Some(hash) = self.hashes.get(&commit.seq) {
            return if *hash == commit.hash() {
                Ok(())
            } else {
                Err(Refusal::Fork.because("another commit is held at that place of the vault"))
            };
        }
        let ledger = self.ledger.as_ref().expect("the ledger of a vault with uploaded commits was read");
        let ledger = ledger.advance(&commit, newest)?;
        accept::check_live_limit(&ledger)?;
        self.head = ledger.head();
        self.ledger = Some(ledger);
        self.hashes.insert(commit.seq, commit.hash());
        for change in &commit.changes {
            self.changed.insert(change.object_id, (commit.seq, commit.epoch, *change));
        }
        self.commits.push(commit);
        Ok(())
    }

    /// The records of what is live at the end; the others may be absent.
    fn into_plan(
        self,
        vault_id: VaultId,
        records: &mut HashMap<Digest, Bytes>,
    ) -> Result<Option<VaultPlan>, Refused> {
        const MISSING: Refused = Refusal::Missing.because("the record of a live object was not delivered");
        if self.commits.is_empty() {
            return Ok(None);
        }
        let mut objects: Vec<ObjectPlan> = Vec::with_capacity(self.changed.len());
        for (seq, epoch, change) in self.changed.into_values() {
            let record = match change.op {
                Op::Purge => None,
                Op::Put => {
                    let record = records.remove(&change.record_hash).ok_or(MISSING)?;
                    accept::check_put(&record, vault_id, epoch, &change)?;
                    Some(record)
                }
            };
            objects.push(accept::object_plan(seq, &change, record));
        }
        let ledger = self.ledger.expect("a vault with new commits has a ledger");
        Ok(Some(VaultPlan { vault_id, held: self.held, ledger, commits: self.commits, objects }))
    }
}

impl Replay {
    fn run(mut self, upload: HealUpload) -> Result<Plan, Refused> {
        for step in upload.steps {
            match step {
                HealStep::State(state) => self.play_state(state)?,
                HealStep::Commit(commit) => self.play_commit(commit)?,
            }
        }
        self.check_complete()?;
        let named_records = self.named_records(upload.named_records)?;
        let mut records: HashMap<Digest, Bytes> =
            upload.records.into_iter().map(|record| (record_hash(&record), record)).collect();
        let mut vaults = Vec::new();
        let mut unmoved = Vec::new();
        for (vault_id, vault) in self.vaults {
            let held = vault.held;
            match vault.into_plan(vault_id, &mut records)? {
                Some(plan) => vaults.push(plan),
                None => unmoved.extend(held),
            }
        }
        Ok(Plan {
            base_state: self.base_state,
            states: self.states,
            named_records,
            removed_devices: self.removed_devices.into_iter().collect(),
            ends_others: None,
            vaults,
            unmoved,
            growth: None,
        })
    }

    fn play_commit(&mut self, commit: Commit) -> Result<(), Refused> {
        const UNSIGNED: Refused = Refusal::VaultUnsigned.because("a commit of a vault that no state lists");
        self.vaults.get_mut(&commit.vault_id).ok_or(UNSIGNED)?.play(commit, &self.newest)
    }

    fn play_state(&mut self, state: State) -> Result<(), Refused> {
        if state.account_id != self.newest.account_id {
            return Err(Refusal::WrongContext.because("a state of another account"));
        }
        if let Some(hash) = self.held_states.get(&state.version) {
            return if *hash == state.hash() {
                Ok(())
            } else {
                Err(Refusal::Fork.because("another state of that version is held"))
            };
        }
        state.verify_follows(&self.newest)?;
        accept::check_state_limits(&state)?;
        self.check_heads(&state)?;
        self.note_devices(&state);
        self.note_named(&state);
        self.held_states.insert(state.version, state.hash());
        self.states.push(state.clone());
        self.newest = state;
        Ok(())
    }

    /// The commits up to the state's heads came before it, and no others.
    fn check_heads(&mut self, state: &State) -> Result<(), Refused> {
        for listed in &state.vaults {
            let vault = self
                .vaults
                .entry(listed.id)
                .or_insert_with(|| ReplayedVault::new_vault(Some(Ledger::empty(listed.id))));
            if vault.head.seq < listed.head_seq {
                return Err(Refusal::Missing.because("the commits up to a state's head were not delivered"));
            }
            if vault.head != accept::listed_head(listed) {
                return Err(Refusal::Fork.because("a vault has gone another way than the state says"));
            }
        }
        Ok(())
    }

    fn note_devices(&mut self, state: &State) {
        self.removed_devices.extend(accept::removed_devices(&self.newest, state));
        self.removed_devices.retain(|device_id| state.device_key(device_id).is_none());
    }

    fn note_named(&mut self, state: &State) {
        let before = std::mem::take(&mut self.named_since);
        let since = |place| before.get(&place).copied().unwrap_or(Some(state.version));
        self.named_since = places(state).map(|place| (place, since(place))).collect();
    }

    fn check_complete(&self) -> Result<(), Refused> {
        let begun = |id: &VaultId| self.vaults.get(id).is_some_and(|vault| vault.head.seq > 0);
        if self.newest.vaults.iter().all(|listed| begun(&listed.id)) {
            Ok(())
        } else {
            Err(Refusal::Missing.because("a vault is listed whose first commit was not delivered"))
        }
    }

    fn named_records(&self, named_records: Vec<Bytes>) -> Result<Vec<NamedRecord>, Refused> {
        let mut uploaded = Uploaded::new(named_records)?;
        let brought = self.named_since.iter().filter_map(|(place, since)| Some((place, (*since)?)));
        brought
            .map(|(place, first_version)| {
                let bytes = uploaded.take(place, self.newest.account_id)?;
                Ok(NamedRecord { first_version, record_hash: place.record_hash, bytes })
            })
            .collect()
    }
}
