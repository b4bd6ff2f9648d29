//! Attachments: a file cut into parts, each a record of type 2, named by one hash over all of them.
//!
//! A file of any length goes through in pieces: [`AttachmentPlan`] says how it is cut, [`seal_attachment_part`] seals
//! one piece; [`AttachmentCheck`] reads all parts once and gives the [`CheckedAttachment`] without which none opens.

use core::ops::Range;

use etui_chain::{
    Digest, ExpectedHeader, LAST_PART, ObjectId, RecordHeader, RecordType, Refusal, Refused, parts_hash,
    record_hash,
};
use zeroize::Zeroizing;

use super::{
    core::{Place, SealedRecord, decrypt, seal},
    padding::padme,
};
use crate::{RandomSource, VaultKey};

/// Bytes of content in every part but the last: a padded plaintext of exactly 1 MiB.
pub const PART_BODY_BYTES: usize = (1 << 20) - 4;
/// The longest file: 1 GiB.
pub const MAX_ATTACHMENT_BYTES: u64 = 1 << 30;

/// Written once: a change of the file is a new object.
const VERSION: u64 = 1;

/// How a file of a known length is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachmentPlan {
    length: usize,
    padded_length: usize,
}

impl AttachmentPlan {
    /// For a file of `length` bytes.
    ///
    /// # Errors
    /// `limit` above [`MAX_ATTACHMENT_BYTES`].
    pub fn new(length: u64) -> Result<Self, Refused> {
        let length = usize::try_from(length).ok().filter(|_| length <= MAX_ATTACHMENT_BYTES);
        let length = length.ok_or(Refusal::Limit.because("an attachment is too long"))?;
        Ok(Self { length, padded_length: padme(length) })
    }

    /// Number of parts; at least one.
    pub fn parts(&self) -> u32 {
        let parts = self.padded_length.div_ceil(PART_BODY_BYTES).max(1);
        u32::try_from(parts).expect("an attachment has few parts")
    }

    /// Which bytes of the file the part with that index holds; the rest of its body is zeros.
    pub fn content_of(&self, index: u32) -> Range<usize> {
        let start = index as usize * PART_BODY_BYTES;
        start.min(self.length)..(start + PART_BODY_BYTES).min(self.length)
    }

    pub(crate) fn body_length(&self, index: u32) -> usize {
        let start = index as usize * PART_BODY_BYTES;
        self.padded_length.saturating_sub(start).min(PART_BODY_BYTES)
    }

    pub(crate) fn part_number(&self, index: u32) -> u32 {
        if index + 1 == self.parts() { index | LAST_PART } else { index }
    }
}

/// Seals one part. `content` is what [`AttachmentPlan::content_of`] says for this index.
///
/// # Errors
/// `format` if the content has another length or there is no such part.
pub fn seal_attachment_part(
    key: &VaultKey,
    object_id: ObjectId,
    plan: &AttachmentPlan,
    index: u32,
    content: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    if index >= plan.parts() || content.len() != plan.content_of(index).len() {
        return Err(Refusal::Format.because("an attachment is not cut as its plan says"));
    }
    let place = place(key, object_id, plan.part_number(index));
    let body_length = plan.body_length(index);
    if content.len() == body_length {
        return seal(&key.secret, &place, content, random);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(body_length));
    body.extend_from_slice(content);
    body.resize(body_length, 0);
    seal(&key.secret, &place, &body, random)
}

/// A whole attachment, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAttachment {
    /// The records, by index.
    pub parts: Vec<SealedRecord>,
    /// The hash by which the commit and the entry name the attachment.
    pub hash: Digest,
}

/// Seals a whole file that is in memory.
///
/// # Errors
/// `limit` above [`MAX_ATTACHMENT_BYTES`].
pub fn seal_attachment(
    key: &VaultKey,
    object_id: ObjectId,
    content: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedAttachment, Refused> {
    let plan = AttachmentPlan::new(content.len() as u64)?;
    let parts = (0..plan.parts())
        .map(|index| {
            seal_attachment_part(key, object_id, &plan, index, &content[plan.content_of(index)], random)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let hashes: Vec<Digest> = parts.iter().map(|part| part.hash).collect();
    Ok(SealedAttachment { hash: parts_hash(&hashes), parts })
}

/// Reads all parts of an attachment, in order, before any of them is opened.
#[derive(Debug)]
pub struct AttachmentCheck {
    plan: AttachmentPlan,
    place: Place,
    seen: Vec<(u32, Digest)>,
}

impl AttachmentCheck {
    /// For the attachment that an entry lists with this id and true length.
    ///
    /// # Errors
    /// `limit` above [`MAX_ATTACHMENT_BYTES`].
    pub fn new(key: &VaultKey, object_id: ObjectId, length: u64) -> Result<Self, Refused> {
        Ok(Self { plan: AttachmentPlan::new(length)?, place: place(key, object_id, 0), seen: Vec::new() })
    }

    /// Checks the header of the next part.
    ///
    /// # Errors
    /// `truncated`, `format`, `unknown_suite`, `rollback` or `wrong_context`; `limit` beyond the parts of the longest
    /// file.
    pub fn add(&mut self, record: &[u8]) -> Result<(), Refused> {
        let header = RecordHeader::parse(record)?;
        header.check(&ExpectedHeader { part: header.part, ..self.place.expected() })?;
        if self.seen.len() as u64 > MAX_ATTACHMENT_BYTES / PART_BODY_BYTES as u64 {
            return Err(Refusal::Limit.because("an attachment has too many parts"));
        }
        self.seen.push((header.part, record_hash(record)));
        Ok(())
    }

    /// Checks that the parts are all there, and that they are the ones signed for.
    ///
    /// # Errors
    /// `missing` if there is a gap or no last part; `wrong_context` if parts repeat or are out of order; `forged` if
    /// the hash over all is another; `format` if there are more or fewer than the true length asks for.
    pub fn finish(self, hash: Digest) -> Result<CheckedAttachment, Refused> {
        self.check_numbers()?;
        let hashes: Vec<Digest> = self.seen.into_iter().map(|(_, hash)| hash).collect();
        if parts_hash(&hashes) != hash {
            return Err(Refusal::Forged.because("an attachment differs from the one that was signed for"));
        }
        if hashes.len() != self.plan.parts() as usize {
            return Err(Refusal::Format.because("an attachment has not as many parts as its length asks for"));
        }
        Ok(CheckedAttachment { plan: self.plan, hashes })
    }

    fn check_numbers(&self) -> Result<(), Refused> {
        let numbers = || self.seen.iter().map(|(part, _)| *part);
        let last = numbers()
            .find(|part| part & LAST_PART != 0)
            .ok_or(Refusal::Missing.because("the last part of an attachment is missing"))?;
        let mut present: Vec<u32> = numbers().map(|part| part & !LAST_PART).collect();
        present.sort_unstable();
        present.dedup();
        if !(0..=last & !LAST_PART).all(|index| present.binary_search(&index).is_ok()) {
            return Err(Refusal::Missing.because("a part of an attachment is missing"));
        }
        let in_order = (0..last & !LAST_PART).chain([last]);
        if !numbers().eq(in_order) {
            return Err(Refusal::WrongContext.because("parts of an attachment repeat or are out of order"));
        }
        Ok(())
    }
}

/// Proof that all parts are there and are the ones signed for.
#[derive(Debug)]
pub struct CheckedAttachment {
    plan: AttachmentPlan,
    hashes: Vec<Digest>,
}

impl CheckedAttachment {
    /// How the file is cut.
    pub fn plan(&self) -> &AttachmentPlan {
        &self.plan
    }

    /// Opens one part; gives its bytes of the file, without the zeros behind them.
    ///
    /// # Errors
    /// `forged` if the record is not the one that was checked; else `commitment`, `forged` or `format`.
    pub fn open_part(
        &self,
        key: &VaultKey,
        index: u32,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if self.hashes.get(index as usize) != Some(&record_hash(record)) {
            return Err(Refusal::Forged.because("a part of an attachment is not the one that was checked"));
        }
        let mut body = decrypt(&key.secret, record)?;
        let content_length = self.plan.content_of(index).len();
        if body.len() != self.plan.body_length(index) || body[content_length..].iter().any(|byte| *byte != 0)
        {
            return Err(Refusal::Format.because("a part of an attachment is not padded as it must be"));
        }
        body.truncate(content_length);
        Ok(body)
    }
}

/// Opens a whole file. `length` and `hash` are those that the entry lists.
///
/// # Errors
/// All parts' headers first, then the hash over all, then each part: `spec/crypto.md`, "Which refusal".
pub fn open_attachment<P: AsRef<[u8]>>(
    key: &VaultKey,
    object_id: ObjectId,
    length: u64,
    hash: Digest,
    parts: &[P],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let mut check = AttachmentCheck::new(key, object_id, length)?;
    for part in parts {
        check.add(part.as_ref())?;
    }
    let checked = check.finish(hash)?;
    let mut content = Zeroizing::new(Vec::with_capacity(checked.plan.length));
    for (index, part) in (0..).zip(parts) {
        content.extend_from_slice(&checked.open_part(key, index, part.as_ref())?);
    }
    Ok(content)
}

fn place(key: &VaultKey, object_id: ObjectId, part: u32) -> Place {
    Place { part, ..Place::whole(RecordType::AttachmentPart, key.vault_id, object_id, VERSION, key.epoch) }
}
