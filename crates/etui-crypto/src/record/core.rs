//! Sealing and opening any record: the key schedule, the order of refusals, nothing about types.

use etui_chain::{
    Digest, ExpectedHeader, Id, LAST_PART, RECORD_OVERHEAD_BYTES, RecordHeader, RecordType, Refusal, Refused,
    SCHEMA, record_hash,
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::padding::padded_length;
use crate::{
    RandomSource,
    primitive::{TAG_BYTES, derive, gcm_open, gcm_seal, hkdf, hmac},
    secret::Secret,
};

/// The longest body of one record: 16 MiB with its length prefix.
pub const MAX_BODY_BYTES: usize = (16 << 20) - LENGTH_BYTES;

const LENGTH_BYTES: usize = 4;
const COMMITMENT_BYTES: usize = 32;
/// Where the ciphertext starts.
const PREFIX_BYTES: usize = RecordHeader::BYTES + COMMITMENT_BYTES;
const LABEL: &[u8; 15] = b"etui/v1/record\0";

/// A record ready to be stored, and the hash by which a commit or state names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// The whole record.
    pub bytes: Vec<u8>,
    /// SHA-256 of the whole record.
    pub hash: Digest,
}

/// Where a record stands: its header but for the salt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) record_type: RecordType,
    pub(crate) container_id: Id,
    pub(crate) object_id: Id,
    pub(crate) version: u64,
    pub(crate) epoch: u32,
    pub(crate) part: u32,
}

impl Place {
    /// The place of a record that is not one of several.
    pub(crate) fn whole(
        record_type: RecordType,
        container_id: impl Into<Id>,
        object_id: impl Into<Id>,
        version: u64,
        epoch: u32,
    ) -> Self {
        let (container_id, object_id) = (container_id.into(), object_id.into());
        Self { record_type, container_id, object_id, version, epoch, part: LAST_PART }
    }

    /// What a record must say to be the one that stands here.
    pub(crate) fn expected(&self) -> ExpectedHeader {
        ExpectedHeader {
            record_type: self.record_type,
            schema: SCHEMA,
            container_id: self.container_id,
            object_id: self.object_id,
            version: Some(self.version),
            epoch: Some(self.epoch),
            part: self.part,
        }
    }
}

/// What a record with that header must say: the layer alone, where a caller has made the header itself.
pub(crate) fn expected_of(header: &RecordHeader) -> ExpectedHeader {
    ExpectedHeader {
        record_type: header.record_type,
        schema: header.schema,
        container_id: header.container_id,
        object_id: header.object_id,
        version: Some(header.version),
        epoch: Some(header.epoch),
        part: header.part,
    }
}

/// Seals `body` under `key` for that place, with a one-time AES key of its own.
///
/// # Errors
/// `limit` if the body is longer than [`MAX_BODY_BYTES`].
pub(crate) fn seal(
    key: &Secret,
    place: &Place,
    body: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Refusal::Limit.because("a record's body is too long"));
    }
    let mut header = RecordHeader {
        record_type: place.record_type,
        schema: SCHEMA,
        container_id: place.container_id,
        object_id: place.object_id,
        version: place.version,
        epoch: place.epoch,
        part: place.part,
        salt: [0; 32],
    };
    let mut os_random = Zeroizing::new([0; 32]);
    random.fill(os_random.as_mut());
    header.salt = hedged_salt(key, &os_random, &header.without_salt(), body);
    Ok(seal_with_salt(key, &header, body))
}

/// The salt of one write: a stuck random source still gives another salt for another body or place.
pub(crate) fn hedged_salt(
    key: &Secret,
    os_random: &[u8; 32],
    header_without_salt: &[u8; 56],
    body: &[u8],
) -> [u8; 32] {
    let hedge_key = derive(b"", key.bytes(), &[b"etui/v1/hedge"]);
    let mac = hmac(hedge_key.bytes(), &[os_random, header_without_salt, body]);
    *mac.first_chunk().expect("HMAC-SHA-512 has 64 bytes")
}

/// Everything after the salt is drawn: a function of key, header and body alone.
pub(crate) fn seal_with_salt(key: &Secret, header: &RecordHeader, body: &[u8]) -> SealedRecord {
    let padded = padded_length(body.len());
    let length = u32::try_from(body.len()).expect("a body is shorter than 4 GiB");
    seal_plaintext(key, header, padded, |bytes| {
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
    })
}

/// Encrypts what `write` appends, filled with zeros to `padded` bytes. Apart from [`seal_with_salt`] so that tests can
/// make what no writer makes.
pub(crate) fn seal_plaintext(
    key: &Secret,
    header: &RecordHeader,
    padded: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> SealedRecord {
    let header = header.to_bytes();
    let schedule = Schedule::new(key, &header);
    let mut bytes = Vec::with_capacity(padded + RECORD_OVERHEAD_BYTES);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(schedule.commitment());
    write(&mut bytes);
    bytes.resize(PREFIX_BYTES + padded, 0);
    let tag =
        gcm_seal(schedule.aes_key(), schedule.nonce(), &schedule.associated, &mut bytes[PREFIX_BYTES..]);
    bytes.extend_from_slice(&tag);
    let hash = record_hash(&bytes);
    SealedRecord { bytes, hash }
}

/// Opens a record of which key and whole context are known.
///
/// # Errors
/// As [`check_header`] and [`decrypt`], in that order.
pub(crate) fn open(
    key: &Secret,
    expected: &ExpectedHeader,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    check_header(expected, hash, record)?;
    decrypt(key, record)
}

/// All that is checked before a key is touched.
///
/// # Errors
/// `truncated`, `format`, `unknown_suite`, `rollback`, `wrong_context`; `forged` if the hash is another.
pub(crate) fn check_header(
    expected: &ExpectedHeader,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<RecordHeader, Refused> {
    let header = RecordHeader::parse(record)?;
    header.check(expected)?;
    if hash.is_some_and(|hash| hash != record_hash(record)) {
        return Err(Refusal::Forged.because("a record differs from the one that was signed for"));
    }
    Ok(header)
}

/// Opens a record whose header has been checked.
///
/// # Errors
/// `commitment` if key or context is another; `forged` if the ciphertext is; `format` if what was sealed is not
/// padded as it must be.
pub(crate) fn decrypt(key: &Secret, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let (header, rest) = record.split_first_chunk().ok_or(TRUNCATED)?;
    let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or(TRUNCATED)?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(TRUNCATED)?;

    let schedule = Schedule::new(key, header);
    if !bool::from(schedule.commitment().ct_eq(commitment)) {
        return Err(
            Refusal::Commitment.because("a record was sealed under another key or in another context")
        );
    }
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    gcm_open(schedule.aes_key(), schedule.nonce(), &schedule.associated, &mut plaintext, tag)
        .ok_or(Refusal::Forged.because("a record's ciphertext was changed"))?;
    unpad(plaintext)
}

const TRUNCATED: Refused = Refusal::Truncated.because("a record is shorter than its fixed part");

/// Takes `u32 length || body || zeros` apart, in place.
fn unpad(mut plaintext: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Refused> {
    const FORMAT: Refused = Refusal::Format.because("a record's padding is not as it must be");
    let (length, rest) = plaintext.split_first_chunk().ok_or(FORMAT)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| FORMAT)?;
    let zeros = rest.get(length..).ok_or(FORMAT)?;
    if plaintext.len() != padded_length(length) || zeros.iter().any(|byte| *byte != 0) {
        return Err(FORMAT);
    }
    plaintext.copy_within(LENGTH_BYTES..LENGTH_BYTES + length, 0);
    plaintext.truncate(length);
    Ok(plaintext)
}

/// What HKDF gives for one record: one-time AES key, nonce, commitment; and the associated data.
struct Schedule {
    output: Zeroizing<[u8; 76]>,
    associated: [u8; LABEL.len() + PREFIX_BYTES],
}

impl Schedule {
    fn new(key: &Secret, header: &[u8; RecordHeader::BYTES]) -> Self {
        const CONTEXT_BYTES: usize = LABEL.len() + RecordHeader::BYTES;
        let mut associated = [0; LABEL.len() + PREFIX_BYTES];
        associated[..LABEL.len()].copy_from_slice(LABEL);
        associated[LABEL.len()..CONTEXT_BYTES].copy_from_slice(header);
        let mut output = Zeroizing::new([0; 76]);
        let salt = &header[RecordHeader::BYTES - 32..];
        hkdf(salt, key.bytes(), &[&associated[..CONTEXT_BYTES]], output.as_mut());
        associated[CONTEXT_BYTES..].copy_from_slice(&output[44..]);
        Self { output, associated }
    }

    fn aes_key(&self) -> &[u8; 32] {
        self.output[..32].try_into().expect("the slice has 32 bytes")
    }

    fn nonce(&self) -> &[u8; 12] {
        self.output[32..44].try_into().expect("the slice has 12 bytes")
    }

    fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        self.output[44..].try_into().expect("the slice has 32 bytes")
    }
}

const _: () = assert!(RECORD_OVERHEAD_BYTES == PREFIX_BYTES + TAG_BYTES);
