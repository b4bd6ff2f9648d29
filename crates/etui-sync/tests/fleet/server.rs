//! The honest server: it holds no key, applies the rules of the chain and answers as the wire protocol says.

use std::collections::{BTreeMap, BTreeSet};

use etui_api::{
    frame::{Frame, FrameReader},
    sync::PullHeader,
};
use etui_chain::{
    Commit, Digest, Head, Ledger, ObjectId, Op, Refusal, Refused, State, VaultId, check_record, record_hash,
};
use etui_sync::{Pull, Snapshot, StateFrames};

/// Why a push was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    HeadMoved,
    StateMoved,
    Refused(Refused),
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// One signed thing of an upload for healing.
#[derive(Debug)]
pub(crate) enum HealStep {
    Commit(Box<Commit>),
    State(Box<State>),
}

/// The body of `POST /v1/heal`.
#[derive(Debug)]
pub(crate) struct Healing {
    pub(crate) steps: Vec<HealStep>,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) named_records: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    pub(crate) states: Vec<State>,
    pub(crate) named_records: BTreeMap<Digest, Vec<u8>>,
    pub(crate) vaults: BTreeMap<VaultId, Chain>,
}

#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) commits: Vec<Commit>,
    pub(crate) ledger: Ledger,
    pub(crate) records: BTreeMap<ObjectId, Vec<u8>>,
}

impl Server {
    /// `POST /v1/accounts`.
    pub(crate) fn sign_up(body: &[u8]) -> Result<Self, Rejection> {
        let upload = Upload::read(body)?;
        let state = upload.state.ok_or(MISSING)?;
        state.verify_own_signature()?;
        let mut server = Self::default();
        for bytes in upload.named_records {
            server.named_records.insert(record_hash(&bytes), bytes);
        }
        for (commit, records) in upload.commits {
            server.vaults.insert(commit.vault_id, Chain::begin(commit, records, &state)?);
        }
        server.states.push(state);
        Ok(server)
    }

    /// `POST /v1/vaults/{vault_id}/commits`.
    pub(crate) fn push(&mut self, vault_id: VaultId, body: &[u8]) -> Result<Head, Rejection> {
        let (commit, records) = Upload::read(body)?.commits.pop().ok_or(MISSING)?;
        let newest = self.states.last().expect("an account has a state");
        let chain = self.vaults.get_mut(&vault_id).ok_or(MISSING)?;
        if chain.commit(commit.seq).is_some_and(|held| held.hash() == commit.hash()) {
            return Ok(Head { seq: commit.seq, hash: commit.hash() });
        }
        let head = chain.ledger.head();
        if commit.seq != head.seq + 1 || commit.prev_hash != head.hash {
            return Err(Rejection::HeadMoved);
        }
        if commit.state_hash != newest.hash() {
            return Err(Rejection::StateMoved);
        }
        chain.append(commit, records, newest)?;
        Ok(chain.ledger.head())
    }

    /// `POST /v1/states`.
    pub(crate) fn push_state(&mut self, body: &[u8]) -> Result<Digest, Rejection> {
        let upload = Upload::read(body)?;
        let state = upload.state.ok_or(MISSING)?;
        if self.states.iter().any(|held| held.hash() == state.hash()) {
            return Ok(state.hash());
        }
        let newest = self.newest();
        if state.version != newest.version + 1 || state.previous != newest.hash() {
            return Err(Rejection::StateMoved);
        }
        state.verify_follows(newest)?;
        let old_vaults = state.vaults.iter().filter(|vault| newest.vault(&vault.id).is_some());
        let moved = |id: &VaultId, head: Head| self.vaults[id].ledger.head() != head;
        if old_vaults
            .clone()
            .any(|vault| moved(&vault.id, Head { seq: vault.head_seq, hash: vault.head_hash }))
        {
            return Err(Rejection::StateMoved);
        }
        let known: BTreeSet<Digest> = newest.named_records().collect();
        let wanted: BTreeSet<Digest> = state.named_records().filter(|hash| !known.contains(hash)).collect();
        let delivered: BTreeSet<Digest> =
            upload.named_records.iter().map(|bytes| record_hash(bytes)).collect();
        if wanted != delivered {
            return Err(MISSING.into());
        }
        let new_vaults = upload
            .commits
            .into_iter()
            .map(|(commit, records)| Ok((commit.vault_id, Chain::begin(commit, records, &state)?)))
            .collect::<Result<Vec<_>, Refused>>()?;
        self.vaults.extend(new_vaults);
        self.named_records.extend(upload.named_records.into_iter().map(|bytes| (record_hash(&bytes), bytes)));
        self.states.push(state);
        Ok(self.newest().hash())
    }

    /// `POST /v1/heal`: all of it or nothing; what is live and named when it ends has to be there.
    pub(crate) fn heal(&mut self, healing: Healing) -> Result<(), Refused> {
        let mut healed = self.clone();
        for step in healing.steps {
            match step {
                HealStep::Commit(commit) => healed.replay(*commit)?,
                HealStep::State(state) => {
                    state.verify_follows(healed.newest())?;
                    for vault in &state.vaults {
                        let head =
                            healed.vaults.get(&vault.id).map_or(Head::NONE, |chain| chain.ledger.head());
                        if head != (Head { seq: vault.head_seq, hash: vault.head_hash }) {
                            return Err(MISSING);
                        }
                    }
                    healed.states.push(*state);
                }
            }
        }
        healed
            .named_records
            .extend(healing.named_records.into_iter().map(|bytes| (record_hash(&bytes), bytes)));
        if !healed.newest().named_records().all(|hash| healed.named_records.contains_key(&hash)) {
            return Err(MISSING);
        }
        let mut uploaded: BTreeMap<Digest, Vec<u8>> =
            healing.records.into_iter().map(|record| (record_hash(&record), record)).collect();
        for listed in &healed.states.last().expect("an account has a state").vaults {
            healed.vaults.get_mut(&listed.id).ok_or(MISSING)?.fill(&mut uploaded)?;
        }
        *self = healed;
        Ok(())
    }

    fn replay(&mut self, commit: Commit) -> Result<(), Refused> {
        let newest = self.states.last().expect("an account has a state");
        let chain = self.vaults.entry(commit.vault_id).or_insert_with(|| Chain {
            commits: Vec::new(),
            ledger: Ledger::empty(commit.vault_id),
            records: BTreeMap::new(),
        });
        chain.ledger = chain.ledger.clone().advance(&commit, newest)?;
        chain.commits.push(commit);
        Ok(())
    }

    /// `GET /v1/states?after=V`.
    pub(crate) fn states_after(&self, version: u64) -> StateFrames {
        let (known, new): (Vec<&State>, Vec<&State>) =
            self.states.iter().partition(|state| state.version <= version);
        let known: BTreeSet<Digest> =
            known.last().into_iter().flat_map(|state| state.named_records()).collect();
        let named = self.newest().named_records().filter(|hash| !new.is_empty() && !known.contains(hash));
        StateFrames {
            named_records: named.map(|hash| self.named_records[&hash].clone()).collect(),
            states: new.into_iter().cloned().collect(),
        }
    }

    /// The states after `after` and before `before`, with what the newest still names of what they name.
    pub(crate) fn states_between(&self, after: u64, before: u64) -> StateFrames {
        let between = |state: &&State| after < state.version && state.version < before;
        let states: Vec<State> = self.states.iter().filter(between).cloned().collect();
        let newest: BTreeSet<Digest> = self.newest().named_records().collect();
        let named: BTreeSet<Digest> = states.iter().flat_map(|state| state.named_records()).collect();
        let named_records = named.intersection(&newest).map(|hash| self.named_records[hash].clone());
        StateFrames { named_records: named_records.collect(), states }
    }

    /// The commits after `after` and before `before`, without records.
    pub(crate) fn commits_between(&self, vault_id: VaultId, after: u64, before: u64) -> Vec<Commit> {
        let between = |commit: &&Commit| after < commit.seq && commit.seq < before;
        self.vaults[&vault_id].commits.iter().filter(between).cloned().collect()
    }

    /// `GET /v1/states`: the newest state and all that it names.
    pub(crate) fn newest_with_records(&self) -> (State, Vec<Vec<u8>>) {
        let named = self.newest().named_records().map(|hash| self.named_records[&hash].clone());
        (self.newest().clone(), named.collect())
    }

    /// `GET /v1/vaults/{vault_id}/changes?after=N`, N not 0.
    pub(crate) fn changes(&self, vault_id: VaultId, after: u64) -> Pull {
        let chain = &self.vaults[&vault_id];
        let commits: Vec<Commit> =
            chain.commits.iter().filter(|commit| commit.seq > after).cloned().collect();
        let put: BTreeSet<ObjectId> = commits
            .iter()
            .flat_map(|commit| &commit.changes)
            .filter(|change| change.op == Op::Put)
            .map(|change| change.object_id)
            .collect();
        let records = chain.records.iter().filter(|(object_id, _)| put.contains(object_id));
        Pull {
            header: self.header(vault_id),
            commits,
            // A server sends them in whatever order they lie.
            records: records.rev().map(|(_, record)| record.clone()).collect(),
        }
    }

    /// The same with N = 0.
    pub(crate) fn snapshot(&self, vault_id: VaultId) -> Snapshot {
        let chain = &self.vaults[&vault_id];
        let commit = chain.commits.last().expect("a vault has a commit").clone();
        Snapshot { commit, records: chain.records.values().cloned().collect() }
    }

    pub(crate) fn newest(&self) -> &State {
        self.states.last().expect("an account has a state")
    }

    fn header(&self, vault_id: VaultId) -> PullHeader {
        PullHeader {
            state_version: self.newest().version,
            state_hash: self.newest().hash(),
            head: self.vaults[&vault_id].ledger.head(),
        }
    }
}

impl Chain {
    fn begin(commit: Commit, records: Vec<Vec<u8>>, state: &State) -> Result<Self, Refused> {
        let ledger = Ledger::empty(commit.vault_id);
        let mut chain = Self { commits: Vec::new(), ledger, records: BTreeMap::new() };
        chain.append(commit, records, state)?;
        Ok(chain)
    }

    /// The records of what is live, from an upload where they changed.
    fn fill(&mut self, uploaded: &mut BTreeMap<Digest, Vec<u8>>) -> Result<(), Refused> {
        let mut records = BTreeMap::new();
        for leaf in self.ledger.live().leaves() {
            let held = self.records.remove(&leaf.object_id);
            let held = held.filter(|record| record_hash(record) == leaf.record_hash);
            let record = held.or_else(|| uploaded.remove(&leaf.record_hash)).ok_or(MISSING)?;
            records.insert(leaf.object_id, record);
        }
        self.records = records;
        Ok(())
    }

    fn commit(&self, seq: u64) -> Option<&Commit> {
        self.commits.get(usize::try_from(seq).unwrap().checked_sub(1)?)
    }

    fn append(&mut self, commit: Commit, records: Vec<Vec<u8>>, state: &State) -> Result<(), Refused> {
        let ledger = self.ledger.advance(&commit, state)?;
        let puts: Vec<_> = commit.changes.iter().filter(|change| change.op == Op::Put).collect();
        if puts.len() != records.len() {
            return Err(MISSING);
        }
        for (put, record) in puts.iter().zip(&records) {
            check_record(record, commit.vault_id, Some(commit.epoch), put)?;
        }
        self.records.extend(puts.iter().map(|put| put.object_id).zip(records));
        self.records.retain(|object_id, _| ledger.live().get(object_id).is_some());
        self.ledger = ledger;
        self.commits.push(commit);
        Ok(())
    }
}

const MISSING: Refused = Refusal::Missing.because("a frame that the request must have");

#[derive(Default)]
struct Upload {
    state: Option<State>,
    named_records: Vec<Vec<u8>>,
    commits: Vec<(Commit, Vec<Vec<u8>>)>,
}

impl Upload {
    fn read(body: &[u8]) -> Result<Self, Refused> {
        let mut upload = Self::default();
        for frame in FrameReader::read_all(body)? {
            match frame {
                Frame::State(bytes) => upload.state = Some(State::parse(&bytes)?),
                Frame::NamedRecord(bytes) => upload.named_records.push(bytes),
                Frame::Commit(bytes) => upload.commits.push((Commit::parse(&bytes)?, Vec::new())),
                Frame::Record(bytes) => upload.commits.last_mut().ok_or(MISSING)?.1.push(bytes),
                Frame::Header(_) | Frame::End(_) => {}
            }
        }
        Ok(upload)
    }
}
