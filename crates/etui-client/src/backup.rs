//! The native backup: states, named records, commits and sealed records, verbatim, verifiable without a key.
//!
//! A file is a header line and one sequence of frames (`spec/api.md`), the same as on the wire: states, named records,
//! commits, records; then, where changes wait to be sent, a header and their records, which no commit vouches for yet.

use std::{collections::BTreeMap, fs, path::Path};

use etui_api::{
    frame::{Frame, FrameReader, FrameWriter},
    sync::{decode_header, encode_header},
};
use etui_chain::{
    AccountId, Change, Commit, Leaf, Ledger, LiveSet, ObjectId, Op, RecordHeader, Refusal, State, VaultId,
    check_record, record_hash,
};
use serde::{Deserialize, Serialize};

use crate::{ClientError, Device, Progress, home::write_durably};

const MAGIC: &[u8] = b"etui backup 1\n";

/// What a backup holds, as verified.
#[derive(Debug)]
pub struct BackupReport {
    /// The account.
    pub account_id: AccountId,
    /// Version of its newest state.
    pub state_version: u64,
    /// Its vaults.
    pub vaults: Vec<BackupVault>,
    /// Records in all of them, vault settings left out.
    pub entries: usize,
    /// Changes that the server had not confirmed.
    pub unsent: usize,
}

/// One vault of a backup.
#[derive(Debug)]
pub struct BackupVault {
    /// The vault.
    pub vault_id: VaultId,
    /// Its newest commit.
    pub head_seq: u64,
    /// Live objects.
    pub live: usize,
}

impl Device {
    /// Writes everything verified to a file, reads it back, and only then gives it its name.
    ///
    /// # Errors
    /// [`ClientError::File`], or what reading back shows.
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn export_backup(
        &self,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<BackupReport, ClientError> {
        let bytes = self.backup_bytes(progress)?;
        let unfinished = to.with_extension("unverified");
        write_durably(&unfinished, &bytes)?;
        let report = verify_backup(&unfinished, None)?;
        fs::rename(&unfinished, to)
            .map_err(|source| ClientError::File { doing: format!("naming {}", to.display()), source })?;
        Ok(report)
    }
}

/// Verifies a backup without any key: the states follow each other, each vault's commits form a chain that ends in a
/// commit of its newest state, and the records are exactly those of that commit's root. With the master password,
/// which is not needed, nothing more is done yet.
///
/// # Errors
/// [`ClientError::Damaged`] for what is no backup, else the name of what does not hold.
pub fn verify_backup(
    path: &Path,
    _master_password: Option<&etui_crypto::MasterPassword>,
) -> Result<BackupReport, ClientError> {
    let bytes = fs::read(path)
        .map_err(|source| ClientError::File { doing: format!("reading {}", path.display()), source })?;
    let frames = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| ClientError::Damaged(format!("{} is not an Etui backup", path.display())))?;
    Contents::read(frames)?.verify()
}

#[derive(Default)]
struct Contents {
    states: Vec<State>,
    named: Vec<Vec<u8>>,
    commits: BTreeMap<VaultId, Vec<Commit>>,
    leaves: BTreeMap<VaultId, Vec<Leaf>>,
    /// `None` before the header that announces them.
    unsent: Option<Unsent>,
}

/// Changes that no commit vouches for: whether they are genuine shows when they are opened.
#[derive(Default)]
struct Unsent {
    announced: u64,
    vaults: Vec<VaultId>,
}

/// The header frame in front of unsent changes, as CBOR.
#[derive(Serialize, Deserialize)]
struct UnsentHeader {
    unsent: u64,
}

impl Contents {
    fn read(bytes: &[u8]) -> Result<Self, ClientError> {
        let mut contents = Self::default();
        for frame in FrameReader::read_all(bytes)? {
            match frame {
                Frame::State(bytes) => contents.states.push(State::parse(&bytes)?),
                Frame::NamedRecord(bytes) => contents.named.push(bytes),
                Frame::Commit(bytes) => {
                    let commit = Commit::parse(&bytes)?;
                    contents.commits.entry(commit.vault_id).or_default().push(commit);
                }
                Frame::Record(bytes) => {
                    let (vault_id, leaf) = leaf_of(&bytes)?;
                    match &mut contents.unsent {
                        Some(unsent) => unsent.vaults.push(vault_id),
                        None => contents.leaves.entry(vault_id).or_default().push(leaf),
                    }
                }
                Frame::Header(bytes) if contents.unsent.is_none() => {
                    let announced = decode_header::<UnsentHeader>(&bytes)?.unsent;
                    contents.unsent = Some(Unsent { announced, vaults: Vec::new() });
                }
                Frame::Header(_) | Frame::End(_) => {
                    return Err(Refusal::Format.because("a backup with a frame of another kind").into());
                }
            }
        }
        Ok(contents)
    }

    fn verify(mut self) -> Result<BackupReport, ClientError> {
        self.verify_states()?;
        let newest = self.states.last().ok_or(Refusal::Missing.because("a backup without a state"))?;
        let mut vaults = Vec::new();
        let mut entries = 0;
        for listed in &newest.vaults {
            let missing = Refusal::Missing.because("a vault that the state lists is not in the backup");
            let commits = self.commits.remove(&listed.id).ok_or(missing)?;
            let leaves = self.leaves.remove(&listed.id).unwrap_or_default();
            entries += leaves.iter().filter(|leaf| leaf.object_id.as_bytes() != listed.id.as_bytes()).count();
            vaults.push(verify_vault(newest, &commits, leaves)?);
        }
        if self.leaves.keys().chain(self.commits.keys()).next().is_some() {
            return Err(Refusal::VaultUnsigned.because("a backup with a vault that no state lists").into());
        }
        let unsent = self.unsent.unwrap_or_default();
        unsent.verify(newest)?;
        let unsent = unsent.vaults.len();
        Ok(BackupReport {
            account_id: newest.account_id,
            state_version: newest.version,
            vaults,
            entries,
            unsent,
        })
    }

    fn verify_states(&self) -> Result<(), ClientError> {
        if let Some(first) = self.states.first() {
            first.verify_own_signature()?;
        }
        for pair in self.states.windows(2) {
            pair[1].verify_follows(&pair[0])?;
        }
        let Some(newest) = self.states.last() else { return Ok(()) };
        let held: Vec<_> = self.named.iter().map(|record| record_hash(record)).collect();
        if newest.named_records().all(|hash| held.contains(&hash)) {
            Ok(())
        } else {
            Err(Refusal::Missing.because("a record that the state names is not in the backup").into())
        }
    }
}

impl Unsent {
    fn verify(&self, newest: &State) -> Result<(), ClientError> {
        if self.vaults.len() as u64 != self.announced {
            return Err(Refusal::Missing.because("unsent changes are not all in the backup").into());
        }
        if self.vaults.iter().any(|vault_id| newest.vault(vault_id).is_none()) {
            return Err(Refusal::VaultUnsigned
                .because("an unsent change of a vault that no state lists")
                .into());
        }
        Ok(())
    }
}

fn verify_vault(state: &State, commits: &[Commit], leaves: Vec<Leaf>) -> Result<BackupVault, ClientError> {
    for pair in commits.windows(2) {
        if pair[1].seq != pair[0].seq + 1 || pair[1].prev_hash != pair[0].hash() {
            return Err(Refusal::Fork.because("commits that do not follow each other").into());
        }
    }
    let newest = commits.last().ok_or(Refusal::Missing.because("a vault without a commit"))?;
    etui_chain::check_newest(newest, state)?;
    let ledger = Ledger::at(newest, LiveSet::from_leaves(leaves)?, std::collections::BTreeSet::new())?;
    Ok(BackupVault { vault_id: newest.vault_id, head_seq: newest.seq, live: ledger.live().len() })
}

fn leaf_of(record: &[u8]) -> Result<(VaultId, Leaf), ClientError> {
    let header = RecordHeader::parse(record)?;
    let (vault_id, object_id) = (VaultId::from(header.container_id), ObjectId::from(header.object_id));
    let put = Change { object_id, version: header.version, op: Op::Put, record_hash: record_hash(record) };
    check_record(record, vault_id, None, &put)?;
    Ok((vault_id, Leaf { object_id, version: put.version, record_hash: put.record_hash }))
}

pub(crate) fn write_backup(
    states: &[Vec<u8>],
    named: &[Vec<u8>],
    commits: &[Vec<u8>],
    records: &[Vec<u8>],
    unsent: &[Vec<u8>],
) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    let mut write = |items: &[Vec<u8>], frame: fn(Vec<u8>) -> Frame| {
        for bytes in items {
            writer.push(&frame(bytes.clone()));
        }
    };
    write(states, Frame::State);
    write(named, Frame::NamedRecord);
    write(commits, Frame::Commit);
    write(records, Frame::Record);
    if !unsent.is_empty() {
        write(&[encode_header(&UnsentHeader { unsent: unsent.len() as u64 })], Frame::Header);
        write(unsent, Frame::Record);
    }
    [MAGIC, &writer.finish()].concat()
}
