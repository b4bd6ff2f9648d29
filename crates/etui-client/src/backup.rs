//! The native backup: states, named records, commits and sealed records, verbatim, verifiable without a key
//! (`spec/backup.md`).
//!
//! It is written and read as a stream, so that its size does not matter.

mod open;
mod verify;

use std::{io::Write as _, path::Path};

use etui_api::{
    frame::{Frame, FrameWriter},
    sync::encode_header,
};
use etui_chain::{AccountId, Digest, ObjectId, Refused, VaultId, record_hash};
use etui_sync::Pending;
use serde::{Deserialize, Serialize};

use crate::{
    ClientError, Device, Progress,
    new_file::{IfThere, NewFile},
    store::{Store, Stored},
};

pub use verify::verify_backup;

const MAGIC: &[u8] = b"etui backup 1\n";
/// How much is written or read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What a backup holds, as verified.
#[derive(Debug)]
pub struct BackupReport {
    /// The account.
    pub account_id: AccountId,
    /// Version of its newest state.
    pub state_version: u64,
    /// Whether it has every state and commit from the first on, and not only those since a device joined.
    pub history_complete: bool,
    /// Its vaults.
    pub vaults: Vec<BackupVault>,
    /// Live records in all of them, vault settings left out.
    pub entries: usize,
    /// Records of changes that the server had not confirmed.
    pub unsent: usize,
    /// What opening gave, if the master password was there.
    pub opened: Option<Opened>,
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

/// What opening every live record gave.
#[derive(Debug, Default)]
pub struct Opened {
    /// Records that opened and can be read.
    pub readable: usize,
    /// Those that did not, and why.
    pub unreadable: Vec<(ObjectId, Refused)>,
}

impl Device {
    /// Writes everything verified to a file, reads it back, and only then gives it its name, in place of an older file.
    ///
    /// # Errors
    /// [`ClientError::File`], or what reading back shows.
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn export_backup(
        &self,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<BackupReport, ClientError> {
        let mut file = NewFile::create(to, IfThere::Replace)?;
        {
            let inner = self.inner.borrow();
            let vaults: Vec<VaultId> = inner.engine.vault_ids().collect();
            let records = vaults.iter().map(|vault_id| inner.engine.leaves(vault_id).len()).sum();
            let progress = |done| progress.map_or((), |progress| progress(done, records));
            let unsent = vaults.iter().flat_map(|vault_id| inner.engine.unconfirmed(vault_id));
            let unsent: Vec<&[u8]> = unsent.filter_map(Pending::record).collect();
            write_backup(&inner.store, &vaults, &unsent, &mut file, progress)?;
        }
        let report = verify_backup(file.written()?, None, None)?;
        file.name()?;
        Ok(report)
    }
}

/// The header frame in front of unsent changes, as CBOR. Nobody has signed them yet: the hash is against damage only,
/// and whether they are genuine shows when they are opened.
#[derive(Serialize, Deserialize)]
struct UnsentHeader {
    unsent: u64,
    /// [`unsent_hash`].
    hash: Digest,
}

/// SHA-256 of the hashes of the records, in their order.
fn unsent_hash(hashes: &[Digest]) -> Digest {
    let parts: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    Digest::of(&parts)
}

/// Writes what the store holds of these vaults, and what waits to be sent; tells how many records are done.
fn write_backup(
    store: &Store,
    vaults: &[VaultId],
    unsent: &[&[u8]],
    file: &mut NewFile,
    progress: impl Fn(usize),
) -> Result<(), ClientError> {
    file.write(|out| out.write_all(MAGIC))?;
    let mut writer = FrameWriter::new();
    let mut done = 0;
    for section in sections(vaults) {
        store.for_each(section, |bytes| {
            writer.push(&frame(section, bytes));
            if writer.len() >= CHUNK_BYTES {
                file.write(|out| out.write_all(&writer.take()))?;
            }
            done += usize::from(matches!(section, Stored::Records(_)));
            if done % 256 == 0 {
                progress(done);
            }
            Ok(())
        })?;
    }
    progress(done);
    if !unsent.is_empty() {
        let hashes: Vec<Digest> = unsent.iter().map(|record| record_hash(record)).collect();
        let header = UnsentHeader { unsent: unsent.len() as u64, hash: unsent_hash(&hashes) };
        writer.push(&Frame::Header(encode_header(&header)));
    }
    for record in unsent {
        writer.push(&Frame::Record(record));
        file.write(|out| out.write_all(&writer.take()))?;
    }
    file.write(|out| out.write_all(&writer.finish()))
}

fn sections(vaults: &[VaultId]) -> Vec<Stored> {
    let commits = vaults.iter().copied().map(Stored::Commits);
    let records = vaults.iter().copied().map(Stored::Records);
    [Stored::States, Stored::NamedRecords].into_iter().chain(commits).chain(records).collect()
}

fn frame(section: Stored, bytes: &[u8]) -> Frame<&[u8]> {
    match section {
        Stored::States => Frame::State(bytes),
        Stored::NamedRecords => Frame::NamedRecord(bytes),
        Stored::Commits(_) => Frame::Commit(bytes),
        Stored::Records(_) => Frame::Record(bytes),
    }
}

#[cfg(test)]
mod tests;
