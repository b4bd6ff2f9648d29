//! `record.json`: sealed records of any type, a salt given.

use etui_chain::{Digest, Id, RecordHeader, RecordType, Refusal};
use serde::{Deserialize, Serialize};

use super::{
    Mismatch,
    format::{At as _, Hex, same, secret},
};
use crate::record::{expected_of, open, seal_with_salt};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) key: Digest,
    #[serde(rename = "type")]
    pub(super) record_type: u8,
    pub(super) schema: u16,
    pub(super) container_id: Id,
    pub(super) object_id: Id,
    pub(super) version: u64,
    pub(super) epoch: u32,
    pub(super) part: u32,
    pub(super) salt: Digest,
    pub(super) body: Hex,
    pub(super) record_len: usize,
    pub(super) record_sha256: Digest,
    /// Absent for large ones: the hash says enough.
    pub(super) record: Option<Hex>,
}

pub(super) fn check(records: &[Answer]) -> Result<usize, Mismatch> {
    for (index, record) in records.iter().enumerate() {
        check_record(record, &format!("record {index}"))?;
    }
    Ok(records.len())
}

fn check_record(given: &Answer, at: &str) -> Result<(), Mismatch> {
    let record_type = RecordType::from_number(given.record_type);
    let header = RecordHeader {
        record_type: record_type.ok_or(Refusal::Format.because("a record of unknown type")).at(at)?,
        schema: given.schema,
        container_id: given.container_id,
        object_id: given.object_id,
        version: given.version,
        epoch: given.epoch,
        part: given.part,
        salt: *given.salt.as_bytes(),
    };
    let key = secret(&given.key);
    let sealed = seal_with_salt(&key, &header, &given.body.0);
    same(&sealed.bytes.len(), &given.record_len, format_args!("{at}, length"))?;
    same(&sealed.hash, &given.record_sha256, format_args!("{at}, hash"))?;
    if let Some(record) = &given.record {
        same(&sealed.bytes, &record.0, format_args!("{at}, bytes"))?;
    }
    let opened = open(&key, &expected_of(&header), Some(given.record_sha256), &sealed.bytes).at(at)?;
    same(&*opened, &given.body.0, format_args!("{at}, body"))
}
