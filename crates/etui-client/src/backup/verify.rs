//! Verifying a backup as it is read: by signatures and hashes alone, with keys where there are some.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::Path,
};

use etui_api::{
    frame::{Frame, FrameReader},
    sync::decode_header,
};
use etui_chain::{
    Change, Commit, Digest, Head, Leaf, Ledger, LiveSet, ObjectId, Op, RecordHeader, Refusal, Refused, State,
    VaultId, check_newest, check_record, record_hash,
};
use etui_crypto::MasterPassword;

use super::{BackupReport, BackupVault, CHUNK_BYTES, MAGIC, UnsentHeader, open::Opener, unsent_hash};
use crate::{ClientError, Progress, device::is_entry};

/// Verifies a backup: the states follow each other, each vault's commits form a signed chain that ends in a commit of
/// its newest state, the records are exactly those of that commit's root, and nothing else is there. No key is needed;
/// with the master password every record is opened too, and those that cannot be read are in the report.
///
/// # Errors
/// [`ClientError::Damaged`] for what is no backup, [`ClientError::WrongMasterPassword`], else the name of what does not
/// hold.
pub fn verify_backup(
    path: &Path,
    master_password: Option<&MasterPassword>,
    progress: Progress<'_>,
) -> Result<BackupReport, ClientError> {
    let failed = |source| ClientError::File { doing: format!("reading {}", path.display()), source };
    let file = File::open(path).map_err(failed)?;
    let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
    let progress = |done| progress.map_or((), |progress| progress(done, length));
    match verify(file, master_password, progress) {
        Err(Unverified::Read(source)) => Err(failed(source)),
        Err(Unverified::NoBackup) => {
            Err(ClientError::Damaged(format!("{} is not an Etui backup", path.display())))
        }
        Err(Unverified::Wrong(error)) => Err(error),
        Ok(report) => Ok(report),
    }
}

/// Why a backup was not verified.
#[derive(Debug)]
pub(super) enum Unverified {
    Read(io::Error),
    NoBackup,
    Wrong(ClientError),
}

impl<E: Into<ClientError>> From<E> for Unverified {
    fn from(error: E) -> Self {
        Self::Wrong(error.into())
    }
}

/// Takes the frames as they are read, until the end.
pub(super) fn verify(
    mut file: impl Read,
    master_password: Option<&MasterPassword>,
    progress: impl Fn(usize),
) -> Result<BackupReport, Unverified> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|_| Unverified::NoBackup)?;
    if magic != MAGIC {
        return Err(Unverified::NoBackup);
    }
    let mut verifier = Verifier { master_password, ..Verifier::default() };
    let mut reader = FrameReader::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut done = MAGIC.len();
    loop {
        let count = file.read(&mut chunk).map_err(Unverified::Read)?;
        if count == 0 {
            reader.finish()?;
            return Ok(verifier.finish()?);
        }
        reader.feed(&chunk[..count]);
        while let Some(frame) = reader.next_frame()? {
            verifier.take(frame)?;
        }
        done += count;
        progress(done);
    }
}

#[derive(Default)]
struct Verifier<'a> {
    master_password: Option<&'a MasterPassword>,
    /// The kind of the frame before: they come in one order.
    section: Section,
    states: Vec<State>,
    /// Every record that a state names; the bytes of those that the newest names.
    named: BTreeMap<Digest, Vec<u8>>,
    /// What the states name: records, and commits at the heads of vaults.
    to_be_named: BTreeSet<Digest>,
    signed_heads: BTreeSet<(VaultId, u64, Digest)>,
    vaults: BTreeMap<VaultId, Vault>,
    /// What the header in front of unsent changes announces, and the hashes of those read.
    announced: Option<UnsentHeader>,
    unsent: Vec<Digest>,
    opener: Option<Opener>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    #[default]
    States,
    NamedRecords,
    Commits,
    Records,
    Unsent,
}

struct Vault {
    first_seq: u64,
    newest: Commit,
    leaves: Vec<Leaf>,
}

impl Verifier<'_> {
    fn take(&mut self, frame: Frame) -> Result<(), ClientError> {
        const FORMAT: Refused = Refusal::Format.because("a backup with a frame out of place");
        let section = match frame {
            Frame::State(_) => Section::States,
            Frame::NamedRecord(_) => Section::NamedRecords,
            Frame::Commit(_) => Section::Commits,
            Frame::Record(_) if self.section == Section::Unsent => Section::Unsent,
            Frame::Record(_) => Section::Records,
            Frame::Header(_) => Section::Unsent,
            Frame::End(_) => return self.enter(self.section.max(Section::Records)),
        };
        if section < self.section {
            return Err(FORMAT.into());
        }
        self.enter(section)?;
        match frame {
            Frame::State(bytes) => self.take_state(State::parse(&bytes)?),
            Frame::NamedRecord(bytes) => self.take_named(bytes),
            Frame::Commit(bytes) => self.take_commit(Commit::parse(&bytes)?),
            Frame::Record(bytes) if section == Section::Unsent => self.take_unsent(&bytes),
            Frame::Record(bytes) => self.take_record(&bytes),
            Frame::Header(bytes) if self.announced.is_none() => {
                self.announced = Some(decode_header(&bytes)?);
                Ok(())
            }
            Frame::Header(_) | Frame::End(_) => Err(FORMAT.into()),
        }
    }

    /// Whatever a section builds on has been read whole when it begins.
    fn enter(&mut self, section: Section) -> Result<(), ClientError> {
        if self.section < Section::NamedRecords && section >= Section::NamedRecords {
            self.to_be_named = self.states.iter().flat_map(|state| state.named_records()).collect();
            let heads = self.states.iter().flat_map(|state| &state.vaults);
            self.signed_heads = heads.map(|vault| (vault.id, vault.head_seq, vault.head_hash)).collect();
        }
        if self.section < Section::Commits && section >= Section::Commits {
            let newest = self.newest_state()?;
            if !newest.named_records().all(|hash| self.named.contains_key(&hash)) {
                let found = "a record that the state names is not in the backup";
                return Err(Refusal::Missing.because(found).into());
            }
            if let Some(password) = self.master_password {
                self.opener = Some(Opener::unlock(newest, &self.named, password)?);
            }
        }
        self.section = section;
        Ok(())
    }

    fn take_state(&mut self, state: State) -> Result<(), ClientError> {
        match self.states.last() {
            Some(previous) => drop(state.verify_follows(previous)?),
            None => state.verify_own_signature()?,
        }
        self.states.push(state);
        Ok(())
    }

    fn take_named(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        let hash = record_hash(&bytes);
        if !self.to_be_named.contains(&hash) {
            return Err(Refusal::KeysetHash.because("a record that no state names").into());
        }
        let still_named = self.newest_state()?.named_records().any(|named| named == hash);
        if self.named.insert(hash, if still_named { bytes } else { Vec::new() }).is_some() {
            return Err(Refusal::Extra.because("a record that a state names is there twice").into());
        }
        Ok(())
    }

    fn take_commit(&mut self, commit: Commit) -> Result<(), ClientError> {
        self.check_authority(&commit)?;
        match self.vaults.get_mut(&commit.vault_id) {
            None => {
                let vault = Vault { first_seq: commit.seq, newest: commit, leaves: Vec::new() };
                self.vaults.insert(vault.newest.vault_id, vault);
            }
            Some(vault) => {
                if commit.seq != vault.newest.seq + 1 {
                    return Err(Refusal::Missing.because("commits that do not follow each other").into());
                }
                if commit.prev_hash != vault.newest.hash() {
                    return Err(Refusal::Fork
                        .because("a commit that does not build on the one before")
                        .into());
                }
                vault.newest = commit;
            }
        }
        Ok(())
    }

    /// By the state under which it was made, unless that is older than the backup goes.
    fn check_authority(&self, commit: &Commit) -> Result<(), Refused> {
        let (vault_id, seq) = (commit.vault_id, commit.seq);
        let signed = self.signed_heads.range((vault_id, seq, Digest::ZERO)..).next();
        if signed.is_some_and(|(id, at, hash)| (*id, *at) == (vault_id, seq) && *hash != commit.hash()) {
            return Err(Refusal::Forged.because("the commit at a signed head is another"));
        }
        match self.states.iter().rev().find(|state| state.covers(&vault_id, seq)) {
            Some(state) => check_newest(commit, state),
            None if self.begins_at_the_first_state() => {
                Err(Refusal::VaultUnsigned.because("no signed state lists this vault at that commit"))
            }
            None => Ok(()),
        }
    }

    fn take_record(&mut self, record: &[u8]) -> Result<(), ClientError> {
        let (vault_id, leaf) = leaf_of(record)?;
        let unsigned = Refusal::VaultUnsigned.because("a record of a vault without commits");
        self.vaults.get_mut(&vault_id).ok_or(unsigned)?.leaves.push(leaf);
        if let Some(opener) = &mut self.opener {
            opener.open(vault_id, leaf, record);
        }
        Ok(())
    }

    /// Changes that no commit vouches for yet.
    fn take_unsent(&mut self, record: &[u8]) -> Result<(), ClientError> {
        let (vault_id, leaf) = leaf_of(record)?;
        if !self.vaults.contains_key(&vault_id) {
            return Err(Refusal::VaultUnsigned.because("an unsent change of a vault without commits").into());
        }
        self.unsent.push(leaf.record_hash);
        if let Some(opener) = &mut self.opener {
            opener.open(vault_id, leaf, record);
        }
        Ok(())
    }

    fn check_unsent(&self) -> Result<(), Refused> {
        let Some(announced) = &self.announced else { return Ok(()) };
        if self.unsent.len() as u64 != announced.unsent {
            return Err(Refusal::Missing.because("unsent changes are not all in the backup"));
        }
        if unsent_hash(&self.unsent) != announced.hash {
            return Err(Refusal::Forged.because("the unsent changes are not those that were written"));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<BackupReport, ClientError> {
        let newest = self.newest_state()?;
        let (account_id, state_version) = (newest.account_id, newest.version);
        self.check_unsent()?;
        if newest.vaults.iter().any(|listed| !self.vaults.contains_key(&listed.id)) {
            let found = "a vault that the state lists is not in the backup";
            return Err(Refusal::Missing.because(found).into());
        }
        let from_the_first = self.vaults.values().all(|vault| vault.first_seq == 1);
        let history_complete = from_the_first && self.begins_at_the_first_state();
        let mut vaults = Vec::new();
        let mut entries = 0;
        for (vault_id, vault) in std::mem::take(&mut self.vaults) {
            entries += vault.leaves.iter().filter(|leaf| is_entry(vault_id, leaf.object_id)).count();
            vaults.push(self.verify_vault(vault_id, vault)?);
        }
        let unsent = self.unsent.len();
        let opened = self.opener.map(Opener::into_opened);
        Ok(BackupReport { account_id, state_version, history_complete, vaults, entries, unsent, opened })
    }

    /// The newest commit by the newest state that lists its vault, the records by its root.
    fn verify_vault(&self, vault_id: VaultId, vault: Vault) -> Result<BackupVault, ClientError> {
        let unsigned = Refusal::VaultUnsigned.because("a vault that no state lists");
        let state =
            self.states.iter().rev().find(|state| state.vault(&vault_id).is_some()).ok_or(unsigned)?;
        check_newest(&vault.newest, state)?;
        let ledger = Ledger::at(&vault.newest, LiveSet::from_leaves(vault.leaves)?, BTreeSet::new())?;
        let Head { seq: head_seq, .. } = ledger.head();
        Ok(BackupVault { vault_id, head_seq, live: ledger.live().len() })
    }

    fn newest_state(&self) -> Result<&State, Refused> {
        self.states.last().ok_or(Refusal::Missing.because("a backup without a state"))
    }

    fn begins_at_the_first_state(&self) -> bool {
        self.states.first().is_some_and(|state| state.version == 1)
    }
}

fn leaf_of(record: &[u8]) -> Result<(VaultId, Leaf), Refused> {
    let header = RecordHeader::parse(record)?;
    let (vault_id, object_id) = (VaultId::from(header.container_id), ObjectId::from(header.object_id));
    let put = Change { object_id, version: header.version, op: Op::Put, record_hash: record_hash(record) };
    check_record(record, vault_id, None, &put)?;
    Ok((vault_id, Leaf { object_id, version: put.version, record_hash: put.record_hash }))
}
