//! The public part of a sealed record: its header and its hash (`spec/crypto.md`, "Record").

use crate::{Digest, Id, Refusal, Refused};

/// The one cipher suite of version 1.
pub const SUITE: u8 = 1;
/// The schema that version 1 writes and reads.
pub const SCHEMA: u16 = 1;
/// `part` of every record that is not one of several: index 0 and the last.
pub const LAST_PART: u32 = 0x8000_0000;
/// Header, commitment and tag: what a record with an empty body would take.
pub const MIN_RECORD_BYTES: usize = 136;
/// What a record takes beyond its padded plaintext.
pub const RECORD_OVERHEAD_BYTES: usize = 136;

const MAGIC: &[u8; 4] = b"ETR1";

/// What a record holds, and so which key it is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RecordType {
    /// One entry, whole; under the vault key.
    Entry = 1,
    /// One part of an attachment; under the vault key.
    AttachmentPart = 2,
    /// The account's keys; under one way of unlocking.
    Keyset = 3,
    /// The master key wrapped for this device; never leaves it.
    WrappedMasterKey = 4,
    /// A vault key; under the root key.
    VaultKey = 5,
    /// A vault's name and settings; under the vault key.
    VaultSettings = 6,
    /// The account's settings, device names among them; under the root key.
    AccountSettings = 7,
    /// This device's signing seed and store key; never leaves it.
    DeviceSecrets = 8,
}

impl RecordType {
    /// The type with that number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Entry,
            2 => Self::AttachmentPart,
            3 => Self::Keyset,
            4 => Self::WrappedMasterKey,
            5 => Self::VaultKey,
            6 => Self::VaultSettings,
            7 => Self::AccountSettings,
            8 => Self::DeviceSecrets,
            _ => return None,
        })
    }

    /// Whether records of this type are objects of a vault: put and purged by commits.
    pub const fn is_vault_object(self) -> bool {
        matches!(self, Self::Entry | Self::AttachmentPart | Self::VaultSettings)
    }
}

/// The 88 bytes in front of the commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the record holds.
    pub record_type: RecordType,
    /// The schema of the body.
    pub schema: u16,
    /// The vault for types 1, 2 and 6, else the account.
    pub container_id: Id,
    /// The object, keyset, vault, device or account; see the table of types.
    pub object_id: Id,
    /// A counter per object, from 1.
    pub version: u64,
    /// The epoch of the key; see the table of types.
    pub epoch: u32,
    /// Index of the part; bit 31 marks the last.
    pub part: u32,
    /// The salt of this write.
    pub salt: [u8; 32],
}

impl RecordHeader {
    /// Header bytes, salt included.
    pub const BYTES: usize = 88;

    /// Reads the header of a whole record.
    ///
    /// # Errors
    /// `truncated`, `format` or `unknown_suite`, in that order.
    pub fn parse(record: &[u8]) -> Result<Self, Refused> {
        if record.len() < MIN_RECORD_BYTES {
            return Err(Refusal::Truncated.because("a record is shorter than its fixed part"));
        }
        if &record[..4] != MAGIC {
            return Err(Refusal::Format.because("not a record"));
        }
        if record[4] != SUITE {
            return Err(Refusal::UnknownSuite.because("a record names another cipher suite"));
        }
        let record_type =
            RecordType::from_number(record[5]).ok_or(Refusal::Format.because("a record of unknown type"))?;
        let field = Fields(record);
        Ok(Self {
            record_type,
            schema: u16::from_be_bytes(field.at(6)),
            container_id: wrong_context_if_zero(field.at(8))?,
            object_id: wrong_context_if_zero(field.at(24))?,
            version: u64::from_be_bytes(field.at(40)),
            epoch: u32::from_be_bytes(field.at(48)),
            part: u32::from_be_bytes(field.at(52)),
            salt: field.at(56),
        })
    }

    /// The header as it stands in the record.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..56].copy_from_slice(&self.without_salt());
        bytes[56..].copy_from_slice(&self.salt);
        bytes
    }

    /// The 56 bytes in front of the salt, from which the salt is hedged.
    pub fn without_salt(&self) -> [u8; 56] {
        let mut bytes = [0; 56];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = SUITE;
        bytes[5] = self.record_type as u8;
        bytes[6..8].copy_from_slice(&self.schema.to_be_bytes());
        bytes[8..24].copy_from_slice(self.container_id.as_bytes());
        bytes[24..40].copy_from_slice(self.object_id.as_bytes());
        bytes[40..48].copy_from_slice(&self.version.to_be_bytes());
        bytes[48..52].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[52..].copy_from_slice(&self.part.to_be_bytes());
        bytes
    }

    /// Compares with what was asked for, before any key is touched.
    ///
    /// # Errors
    /// `format` for another type or schema; `rollback` if only the version differs and is lower; else `wrong_context`.
    pub fn check(&self, expected: &ExpectedHeader) -> Result<(), Refused> {
        if self.record_type != expected.record_type || self.schema != expected.schema {
            return Err(Refusal::Format.because("a record of another type or schema than asked for"));
        }
        let same_place = self.container_id == expected.container_id
            && self.object_id == expected.object_id
            && expected.epoch.is_none_or(|epoch| self.epoch == epoch)
            && self.part == expected.part;
        match expected.version {
            Some(version) if same_place && self.version < version => {
                Err(Refusal::Rollback.because("an older version of the record than asked for"))
            }
            Some(version) if self.version != version => {
                Err(Refusal::WrongContext.because("another version of the record than asked for"))
            }
            _ if !same_place => {
                Err(Refusal::WrongContext.because("a record from another place than asked for"))
            }
            _ => Ok(()),
        }
    }
}

/// What the caller asked for. `None` where the signed data does not say (`spec/crypto.md`, "Which refusal").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedHeader {
    /// What the record must hold.
    pub record_type: RecordType,
    /// The schema of the body; version 1 asks for [`SCHEMA`].
    pub schema: u16,
    /// The vault or account.
    pub container_id: Id,
    /// The object within it.
    pub object_id: Id,
    /// The version, if the signed data gives it.
    pub version: Option<u64>,
    /// The epoch, if the signed data gives it.
    pub epoch: Option<u32>,
    /// The part; [`LAST_PART`] for every type but attachments.
    pub part: u32,
}

/// The hash by which commits and states name a record of any type but 2.
pub fn record_hash(record: &[u8]) -> Digest {
    Digest::of(&[record])
}

/// The hash by which commits name an attachment: over the hashes of its parts, in order.
pub fn parts_hash(part_hashes: &[Digest]) -> Digest {
    let count = u32::try_from(part_hashes.len()).expect("an attachment has fewer than 2^31 parts");
    let mut bytes = b"etui/v1/parts\0".to_vec();
    bytes.extend_from_slice(&count.to_be_bytes());
    for hash in part_hashes {
        bytes.extend_from_slice(hash.as_bytes());
    }
    Digest::of(&[&bytes])
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0[offset..offset + N].try_into().expect("the length was checked")
    }
}

fn wrong_context_if_zero(bytes: [u8; 16]) -> Result<Id, Refused> {
    Id::new(bytes).map_err(|_| Refusal::WrongContext.because("a record names the all-zero id"))
}
