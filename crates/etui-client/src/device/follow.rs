//! A fork: which branches there are, and going over to the server's by a person's decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use etui_chain::{Commit, Digest, Op, Refusal, State, VaultId, head_code};
use etui_crypto::open_vault_key;
use etui_sync::{Engine, Parting, StateFrames, Step, VaultKeys, Write};
use etui_vault::Index;

use super::{Device, Inner};
use crate::{
    ClientError,
    evidence::Evidence,
    pins::{PinKeeper, Pins},
    secure_storage::{Item, Keyring, SecureStorage as _, within_limit},
    store::Stored,
    unlock,
};

/// The branches of a fork, for a person to compare with other devices.
#[derive(Debug)]
pub struct Branches {
    /// This device's.
    pub ours: Branch,
    /// The one that the server shows. Nothing of it has been verified.
    pub servers: Branch,
}

/// One branch of a fork.
#[derive(Debug)]
pub struct Branch {
    /// Its head code.
    pub code: String,
    /// When its newest change was made by its device's clock, in ms since 1970; 0 if unknown.
    pub time_ms: u64,
    /// The name of the device that made it; its id if it has no name here.
    pub device: String,
}

/// What going over to the server's branch did.
#[derive(Debug)]
pub struct Followed {
    /// A backup of the branch that was left.
    pub left_branch: PathBuf,
    /// Changes that were only here and now wait to be sent on top.
    pub unsent: usize,
    /// What a person should be told.
    pub notices: Vec<String>,
}

impl Device {
    /// The branch held and the one that the server shows.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn branches(&self) -> Result<Branches, ClientError> {
        let evidence = &mut Evidence::default();
        let state = self.server_state(evidence).await?.0;
        let (mut heads, mut newest) = (Vec::new(), Vec::new());
        for vault in &state.vaults {
            let head = self.api.head(vault.id, evidence).await?;
            heads.push((vault.id, head));
            newest.extend(self.api.commit_at(vault.id, head.seq, evidence).await?);
        }
        let servers = head_code(&state.account_id, &state.hash(), &heads);
        let inner = self.inner.borrow();
        let ours = inner.branch(inner.engine.head_code(), inner.newest_commits()?)?;
        Ok(Branches { ours, servers: inner.branch(servers, newest)? })
    }

    /// Goes over to the branch with this head code, if the server shows it and it verifies by itself. The branch that
    /// is left is written to a backup first; what was only on it is put on top as unsent changes.
    ///
    /// # Errors
    /// [`ClientError::NotForked`], [`ClientError::OtherBranch`], [`ClientError::Keyring`] where a keyring that has to
    /// follow does not, or the name by which the branch was refused: nothing has changed then. Once gone over, what listing this device again gives.
    pub async fn follow_server(&self, code: &str) -> Result<Followed, ClientError> {
        let name = self.own_name()?;
        let mut evidence = Evidence::default();
        let result = self.go_over(code, &mut evidence).await;
        self.put_aside_if_refused(&result, &evidence);
        let followed = result?;
        if !self.inner.borrow().engine.is_device_listed() {
            self.list_this_device(&name).await?;
        }
        Ok(followed)
    }

    async fn go_over(&self, code: &str, evidence: &mut Evidence) -> Result<Followed, ClientError> {
        let _history_waits = self.fetching_history.lock().await;
        let _one_at_a_time = self.syncing.lock().await;
        let ours = self.inner.borrow().engine.clone();
        let mut branch = self.server_branch(&ours, evidence).await?;
        self.fetch_states_back_to(&mut branch, evidence).await?;
        let mut partings = BTreeMap::new();
        for vault_id in branch.engine.vault_ids().collect::<Vec<_>>() {
            let parting = self.fetch_commits_back_to(vault_id, &mut branch, evidence).await?;
            partings.insert(vault_id, parting);
        }
        if !is_fork(&ours, &branch.engine, &partings) {
            return Err(ClientError::NotForked);
        }
        let shown = branch.engine.head_code();
        if !is_code(code, &shown) {
            return Err(ClientError::OtherBranch { shown });
        }
        let left_branch = self.home.left_branch_path(&ours.head_code());
        self.export_backup(&left_branch, None).await?;
        let notices = self.inner.borrow_mut().follow(branch, &partings)?;
        self.refresh_ways_in()?;
        Ok(Followed { left_branch, unsent: self.inner.borrow().engine.unsent(), notices })
    }

    async fn server_state(&self, evidence: &mut Evidence) -> Result<(State, Vec<Vec<u8>>), ClientError> {
        let StateFrames { mut states, named_records } = self.api.newest_state(evidence).await?;
        let missing = Refusal::Missing.because("the server has no state of this account");
        Ok((states.pop().ok_or(missing)?, named_records))
    }

    async fn server_branch(&self, ours: &Engine, evidence: &mut Evidence) -> Result<Step, ClientError> {
        let (state, named_records) = self.server_state(evidence).await?;
        self.save_session()?;
        let mut snapshots = BTreeMap::new();
        for vault in &state.vaults {
            snapshots.insert(vault.id, self.api.snapshot(vault.id, evidence).await?);
        }
        Ok(ours.join_branch(state, named_records, snapshots)?)
    }

    /// Where the branch is the same as ours, ours are the older states too.
    async fn fetch_states_back_to(
        &self,
        branch: &mut Step,
        evidence: &mut Evidence,
    ) -> Result<(), ClientError> {
        while let Some(version) = branch.engine.states_begin() {
            let wanted = branch.engine.oldest_state().previous;
            let common = self.inner.borrow().states_up_to(version - 1, wanted)?;
            let older = match common {
                Some(states) => StateFrames { states, named_records: Vec::new() },
                None => self.api.states_before(version, evidence).await?,
            };
            let next = branch.engine.accept_older_states(older)?;
            extend(branch, next);
        }
        Ok(())
    }

    async fn fetch_commits_back_to(
        &self,
        vault_id: VaultId,
        branch: &mut Step,
        evidence: &mut Evidence,
    ) -> Result<Parting, ClientError> {
        let ours = self.inner.borrow().commits(vault_id)?;
        let is_ours = |seq, hash| ours.get(&seq).is_some_and(|commit| commit.hash() == hash);
        while let Some(wanted) = branch.engine.commit_wanted(&vault_id) {
            if is_ours(wanted.seq, wanted.hash) {
                break;
            }
            let older = self.api.commits_before(vault_id, wanted.seq + 1, evidence).await?;
            let next = branch.engine.accept_older_commits(vault_id, &older)?;
            extend(branch, next);
        }
        let theirs = commits_of(&branch.writes, vault_id)?;
        let common = theirs.values().rev().find(|commit| is_ours(commit.seq, commit.hash()));
        let wanted = branch.engine.commit_wanted(&vault_id);
        let common_seq = match (common, wanted) {
            (Some(commit), _) => commit.seq,
            (None, Some(wanted)) => wanted.seq,
            (None, None) => {
                let found = "this device does not hold the commits before the branches part";
                return Err(Refusal::Missing.because(found).into());
            }
        };
        let after = |commits: BTreeMap<u64, Commit>| {
            commits.into_values().filter(|commit| commit.seq > common_seq).collect::<Vec<_>>()
        };
        let (ours, theirs) = (after(ours), after(theirs));
        let changes = ours.iter().flat_map(|commit| &commit.changes);
        let since: BTreeSet<_> =
            changes.filter(|change| change.op == Op::Purge).map(|change| change.object_id).collect();
        let purged = self.inner.borrow().store.purged(vault_id)?;
        Ok(Parting { purged: purged.difference(&since).copied().collect(), ours, theirs })
    }

    fn own_name(&self) -> Result<String, ClientError> {
        let inner = self.inner.borrow();
        let settings = inner.account_settings()?;
        Ok(settings.device_name(&inner.engine.device_id()).unwrap_or_default().to_owned())
    }
}

impl Inner {
    fn branch(&self, code: String, newest: Vec<Commit>) -> Result<Branch, ClientError> {
        let names = self.account_settings()?;
        let newest = newest.into_iter().max_by_key(|commit| commit.time_ms);
        let name = |commit: &Commit| {
            let name = names.device_name(&commit.device_id);
            name.map_or_else(|| commit.device_id.to_string(), str::to_owned)
        };
        let device = newest.as_ref().map(name).unwrap_or_default();
        Ok(Branch { code, time_ms: newest.map_or(0, |commit| commit.time_ms), device })
    }

    fn newest_commits(&self) -> Result<Vec<Commit>, ClientError> {
        let mut newest = Vec::new();
        for vault_id in self.engine.vault_ids() {
            let before = self.engine.head(&vault_id).seq.saturating_sub(1);
            for bytes in self.store.commits_after(vault_id, before)? {
                newest.push(Commit::parse(&bytes)?);
            }
        }
        Ok(newest)
    }

    fn follow(
        &mut self,
        branch: Step,
        partings: &BTreeMap<VaultId, Parting>,
    ) -> Result<Vec<String>, ClientError> {
        let pinned = self.pins.is_some().then(|| self.engine.device_id());
        let both = self.keys_of_both(&branch)?;
        let ours = std::mem::replace(&mut self.keys.vault_keys, both);
        let engine = self.engine.clone();
        let record = |vault_id, object_id| self.store.record(vault_id, object_id).ok().flatten();
        let step = self.with_context(|context| engine.follow(branch, partings, &record, context));
        let taken = step.map_err(ClientError::from).and_then(|mut step| {
            // Everything is shown anew below.
            step.touched.clear();
            self.pin_common_place(&step)?;
            self.take(step)
        });
        if let Some(device_id) = pinned {
            self.pins = Some(PinKeeper::start(Keyring::of(device_id), Pins::of(&self.engine)));
        }
        let notices = match taken {
            Ok(notices) => notices,
            Err(error) => {
                self.keys.vault_keys = ours;
                return Err(error);
            }
        };
        self.keys.vault_keys = unlock::vault_keys(&self.engine, &self.keys.keyset, &self.store)?;
        self.last_sync = None;
        self.index = Index::new();
        self.unreadable.clear();
        self.build_index()?;
        Ok(notices.into_iter().map(|notice| self.told(notice)).collect())
    }

    /// Secure storage must not name what the store is about to drop, or the store would open no more. So it names what
    /// both branches have before anything is dropped, written here and now: a keeper that had trouble writes nothing.
    fn pin_common_place(&mut self, step: &Step) -> Result<(), ClientError> {
        let Some(Write::Leave { common_version, common_seqs, .. }) = step.writes.first() else {
            return Ok(());
        };
        let Some(keeper) = self.pins.take() else { return Ok(()) };
        let common = Pins::at(&self.store, *common_version, common_seqs)?.to_bytes();
        let keyring = Keyring::of(self.engine.device_id());
        // Else an older pin that is still on its way could come after this one.
        let written = keeper.end().and_then(|()| within_limit(move || keyring.write(Item::Pins, &common)));
        let doing = "preparing the keyring for the server's branch, before anything is changed";
        written.map_err(|source| ClientError::Keyring { doing, source })
    }

    /// The vault keys of this branch and of the other: bodies of both are opened.
    fn keys_of_both(&self, branch: &Step) -> Result<VaultKeys, ClientError> {
        let named: BTreeMap<Digest, &[u8]> = branch
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::NamedRecord { hash, bytes } => Some((*hash, bytes.as_slice())),
                _ => None,
            })
            .collect();
        let mut keys = unlock::vault_keys(&self.engine, &self.keys.keyset, &self.store)?;
        for vault in &branch.engine.state().vaults {
            for (epoch, hash) in &vault.keys {
                let missing = Refusal::Missing.because("a vault's key is not there; it is never made anew");
                let record = named.get(hash).ok_or(missing)?;
                keys.insert(open_vault_key(&self.keys.keyset, vault.id, *epoch, Some(*hash), record)?);
            }
        }
        Ok(keys)
    }

    /// The states held up to a version, if the one of that version has this hash.
    fn states_up_to(&self, version: u64, hash: Digest) -> Result<Option<Vec<State>>, ClientError> {
        let mut states: Vec<State> =
            self.store.states()?.iter().map(|bytes| State::parse(bytes)).collect::<Result<_, _>>()?;
        states.retain(|state| state.version <= version);
        let is_common = states.last().is_some_and(|state| state.version == version && state.hash() == hash);
        Ok(is_common.then_some(states))
    }

    fn commits(&self, vault_id: VaultId) -> Result<BTreeMap<u64, Commit>, ClientError> {
        let mut commits = BTreeMap::new();
        self.store.for_each(Stored::Commits(vault_id), |bytes| {
            let commit = Commit::parse(bytes)?;
            commits.insert(commit.seq, commit);
            Ok(())
        })?;
        Ok(commits)
    }
}

/// Both sides have something that the other lacks; else one is merely behind.
fn is_fork(ours: &Engine, theirs: &Engine, partings: &BTreeMap<VaultId, Parting>) -> bool {
    let states_only_here = !theirs.knows_state(ours.state().hash());
    let states_only_on_server = !ours.knows_state(theirs.state().hash());
    let commits_only_here = partings.values().any(|parting| !parting.ours.is_empty());
    let commits_only_on_server = partings.values().any(|parting| !parting.theirs.is_empty());
    (states_only_here || commits_only_here) && (states_only_on_server || commits_only_on_server)
}

/// A code as a person types it: Crockford's base32 in any case, with what looks alike.
fn is_code(typed: &str, code: &str) -> bool {
    let alike = |letter: char| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').map(alike).eq(code.chars())
}

fn commits_of(writes: &[Write], vault: VaultId) -> Result<BTreeMap<u64, Commit>, ClientError> {
    let bytes = writes.iter().filter_map(|write| match write {
        Write::Commit { vault_id, bytes, .. } if *vault_id == vault => Some(bytes),
        _ => None,
    });
    let commits = bytes.map(|bytes| Commit::parse(bytes).map(|commit| (commit.seq, commit)));
    Ok(commits.collect::<Result<_, _>>()?)
}

/// A further step of the same.
fn extend(step: &mut Step, next: Step) {
    step.engine = next.engine;
    step.writes.extend(next.writes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_typed_as_it_was_read_out() {
        for typed in ["0A1B2C3D", "0a1b2c3d", "oaLb-2c3d", " OAIB 2C3D "] {
            assert!(is_code(typed, "0A1B2C3D"), "{typed}");
        }
        for typed in ["", "0A1B2C3", "0A1B2C3D0", "1A1B2C3D"] {
            assert!(!is_code(typed, "0A1B2C3D"), "{typed}");
        }
    }
}
