//! `attachment.json`: whole files, cut and sealed part by part. Byte i of every file is i mod 251.

use etui_chain::{Digest, Id, ObjectId, RecordHeader, RecordType, SCHEMA, VaultId, parts_hash};
use serde::{Deserialize, Serialize};

use super::{
    Mismatch,
    format::{At as _, same, secret},
};
use crate::{AttachmentPlan, VaultKey, open_attachment, record::seal_with_salt};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    pub(super) vault_key: Digest,
    pub(super) vault_id: VaultId,
    pub(super) epoch: u32,
    pub(super) object_id: ObjectId,
    pub(super) length: usize,
    pub(super) parts: Vec<PartAnswer>,
    pub(super) record_hash: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartAnswer {
    pub(super) part: u32,
    pub(super) salt: Digest,
    pub(super) body_len: usize,
    pub(super) record_len: usize,
    pub(super) record_sha256: Digest,
}

pub(super) fn content(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    for given in &file.attachments {
        check_attachment(given, &format!("attachment of {} bytes", given.length))?;
    }
    Ok(file.attachments.len())
}

fn check_attachment(given: &Attachment, at: &str) -> Result<(), Mismatch> {
    let plan = AttachmentPlan::new(given.length as u64).at(at)?;
    same(&(plan.parts() as usize), &given.parts.len(), format_args!("{at}, number of parts"))?;
    let content = content(given.length);
    let mut records = Vec::new();
    let mut hashes = Vec::new();
    for (index, part) in (0..).zip(&given.parts) {
        let at = format!("{at}, part {index}");
        let mut body = content[plan.content_of(index)].to_vec();
        body.resize(plan.body_length(index), 0);
        let sealed = seal_with_salt(&secret(&given.vault_key), &header(given, part), &body);
        same(&plan.part_number(index), &part.part, format_args!("{at}, number"))?;
        same(&body.len(), &part.body_len, format_args!("{at}, body length"))?;
        same(&sealed.bytes.len(), &part.record_len, format_args!("{at}, record length"))?;
        same(&sealed.hash, &part.record_sha256, format_args!("{at}, hash"))?;
        hashes.push(sealed.hash);
        records.push(sealed.bytes);
    }
    same(&parts_hash(&hashes), &given.record_hash, format_args!("{at}, record_hash"))?;
    let key = VaultKey { vault_id: given.vault_id, epoch: given.epoch, secret: secret(&given.vault_key) };
    let opened =
        open_attachment(&key, given.object_id, given.length as u64, given.record_hash, &records).at(at)?;
    same(&*opened, &content, format_args!("{at}, content"))
}

fn header(given: &Attachment, part: &PartAnswer) -> RecordHeader {
    RecordHeader {
        record_type: RecordType::AttachmentPart,
        schema: SCHEMA,
        container_id: Id::from(given.vault_id),
        object_id: Id::from(given.object_id),
        version: 1,
        epoch: given.epoch,
        part: part.part,
        salt: *part.salt.as_bytes(),
    }
}
