//! A signed change of a vault (`spec/crypto.md`, "Commit").

use crate::{DeviceId, Digest, ObjectId, PublicKey, Refusal, Refused, Signature, VaultId};

/// The most changes that one commit may hold.
pub const MAX_CHANGES: usize = 65_536;

const MAGIC: &[u8; 4] = b"ETC1";
const SIGNING_LABEL: &[u8] = b"etui/v1/commit\0";
/// Magic, vault, seq, prev, epoch, device, time, state, count.
const PREFIX_BYTES: usize = 4 + 16 + 8 + 32 + 4 + 16 + 8 + 32 + 4;
const CHANGE_BYTES: usize = 16 + 8 + 1 + 32;
/// Root, live, signature.
const SUFFIX_BYTES: usize = 32 + 4 + 64;

/// What a change does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// The object now has this version with this record hash.
    Put = 1,
    /// The object is gone and its id is never used again.
    Purge = 2,
}

/// One object's change within a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object_id: ObjectId,
    /// Its version after the change: previous + 1.
    pub version: u64,
    /// Put or purge.
    pub op: Op,
    /// Hash of the new record; zeros for a purge.
    pub record_hash: Digest,
}

/// Everything of a commit but its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDraft {
    /// The vault it changes.
    pub vault_id: VaultId,
    /// Its place in the chain, from 1.
    pub seq: u64,
    /// Hash of the commit before it; zeros for the first.
    pub prev_hash: Digest,
    /// The vault's epoch in the named state.
    pub epoch: u32,
    /// The device that signs.
    pub device_id: DeviceId,
    /// When it was made by that device's clock, in ms since 1970. Shown, never relied on.
    pub time_ms: u64,
    /// The account state under which it was made.
    pub state_hash: Digest,
    /// Changes, object ids strictly ascending.
    pub changes: Vec<Change>,
    /// Merkle root over the live objects after the changes.
    pub root: Digest,
    /// How many objects are live after the changes.
    pub live: u32,
}

impl CommitDraft {
    /// The message that the device key signs.
    pub fn signing_message(&self) -> Vec<u8> {
        [SIGNING_LABEL, &self.unsigned_bytes()].concat()
    }

    /// Joins the draft with the signature over [`Self::signing_message`].
    pub fn sign_with(self, signature: Signature) -> Commit {
        let mut bytes = self.unsigned_bytes();
        bytes.extend_from_slice(signature.as_bytes());
        let hash = Digest::of(&[&bytes]);
        Commit { draft: self, signature, bytes, hash }
    }

    fn unsigned_bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.changes.len()).expect("the number of changes is limited");
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + self.changes.len() * CHANGE_BYTES + SUFFIX_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.vault_id.as_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(self.prev_hash.as_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(self.device_id.as_bytes());
        bytes.extend_from_slice(&self.time_ms.to_be_bytes());
        bytes.extend_from_slice(self.state_hash.as_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for change in &self.changes {
            bytes.extend_from_slice(change.object_id.as_bytes());
            bytes.extend_from_slice(&change.version.to_be_bytes());
            bytes.push(change.op as u8);
            bytes.extend_from_slice(change.record_hash.as_bytes());
        }
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&self.live.to_be_bytes());
        bytes
    }
}

/// A commit as it is stored and sent. Well formed; whether it is genuine is for [`Ledger`](crate::Ledger) to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    draft: CommitDraft,
    signature: Signature,
    bytes: Vec<u8>,
    hash: Digest,
}

impl Commit {
    /// Reads a whole commit.
    ///
    /// # Errors
    /// `truncated` if bytes are wanting; `limit` for more than [`MAX_CHANGES`]; `format` for anything else that the
    /// layout does not allow, among it ids that do not strictly ascend and a purge that names a hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader(bytes);
        if &reader.take::<4>()? != MAGIC {
            return Err(Refusal::Format.because("not a commit"));
        }
        let vault_id = VaultId::new(reader.take()?)?;
        let seq = u64::from_be_bytes(reader.take()?);
        let prev_hash = Digest::new(reader.take()?);
        let epoch = u32::from_be_bytes(reader.take()?);
        let device_id = DeviceId::new(reader.take()?)?;
        let time_ms = u64::from_be_bytes(reader.take()?);
        let state_hash = Digest::new(reader.take()?);
        let changes = read_changes(&mut reader)?;
        let root = Digest::new(reader.take()?);
        let live = u32::from_be_bytes(reader.take()?);
        let signature = Signature::new(reader.take()?);
        if !reader.0.is_empty() {
            return Err(Refusal::Format.because("bytes after a commit"));
        }
        if seq == 0 || prev_hash.is_zero() != (seq == 1) {
            return Err(Refusal::Format.because("the first commit alone has nothing before it"));
        }
        let draft = CommitDraft {
            vault_id,
            seq,
            prev_hash,
            epoch,
            device_id,
            time_ms,
            state_hash,
            changes,
            root,
            live,
        };
        Ok(Self { draft, signature, bytes: bytes.to_vec(), hash: Digest::of(&[bytes]) })
    }

    /// Whether the device key signed exactly these bytes.
    ///
    /// # Errors
    /// `forged` if not.
    pub fn verify_signature(&self, device_key: &PublicKey) -> Result<(), Refused> {
        if device_key.verifies(&self.draft.signing_message(), &self.signature) {
            Ok(())
        } else {
            Err(Refusal::Forged.because("a commit's signature does not verify"))
        }
    }

    /// The commit as it is stored and sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the whole commit, signature included.
    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

impl core::ops::Deref for Commit {
    type Target = CommitDraft;

    fn deref(&self) -> &CommitDraft {
        &self.draft
    }
}

fn read_changes(reader: &mut Reader<'_>) -> Result<Vec<Change>, Refused> {
    let count = u32::from_be_bytes(reader.take()?) as usize;
    if count > MAX_CHANGES {
        return Err(Refusal::Limit.because("a commit with too many changes"));
    }
    if reader.0.len() < count * CHANGE_BYTES {
        return Err(Refusal::Truncated.because("a commit ends among its changes"));
    }
    let mut changes: Vec<Change> = Vec::with_capacity(count);
    for _ in 0..count {
        let change = read_change(reader)?;
        if changes.last().is_some_and(|previous| previous.object_id >= change.object_id) {
            return Err(Refusal::Format.because("object ids in a commit do not ascend"));
        }
        changes.push(change);
    }
    Ok(changes)
}

fn read_change(reader: &mut Reader<'_>) -> Result<Change, Refused> {
    let object_id = ObjectId::new(reader.take()?)?;
    let version = u64::from_be_bytes(reader.take()?);
    let op = match reader.take::<1>()? {
        [1] => Op::Put,
        [2] => Op::Purge,
        _ => return Err(Refusal::Format.because("an unknown operation in a commit")),
    };
    let record_hash = Digest::new(reader.take()?);
    if op == Op::Purge && !record_hash.is_zero() {
        return Err(Refusal::Format.because("a purge that names a record"));
    }
    Ok(Change { object_id, version, op, record_hash })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (taken, rest) =
            self.0.split_first_chunk::<N>().ok_or(Refusal::Truncated.because("a commit ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }
}
