//! `malformed.json`: what must be refused, and by which name.

use etui_chain::{
    Commit, Digest, ExpectedHeader, Id, KdfDescriptor, ObjectId, RecordType, Refusal, Refused, State, VaultId,
};
use serde::{Deserialize, Serialize};

use super::{
    Mismatch,
    format::{Hex, same, secret},
};
use crate::{CheckedKdf, Keyset, VaultKey, open_attachment, record::open};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) malformed: Vec<Case>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) error: String,
    pub(super) input: Input,
}

/// One member, named after what is read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Input {
    /// A record, with what the caller asks for.
    Record(Asked),
    /// All parts of an attachment, in the order given.
    Attachment(Attachment),
    /// The body of a keyset.
    KeysetBody(Hex),
    /// A state, after another where one is given.
    State { state: Hex, previous: Option<Hex> },
    /// A commit.
    Commit(Hex),
    /// A KDF descriptor, and the pinned one.
    Kdf { offered: KdfDescriptor, pinned: Option<KdfDescriptor> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) key: Digest,
    #[serde(rename = "type")]
    pub(super) record_type: u8,
    pub(super) schema: u16,
    pub(super) container_id: Id,
    pub(super) object_id: Id,
    pub(super) version: Option<u64>,
    pub(super) epoch: Option<u32>,
    pub(super) part: u32,
    /// The leaf of the commit, if the caller has it.
    pub(super) hash: Option<Digest>,
    pub(super) record: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    pub(super) vault_key: Digest,
    pub(super) vault_id: VaultId,
    pub(super) epoch: u32,
    pub(super) object_id: ObjectId,
    pub(super) length: u64,
    pub(super) record_hash: Digest,
    pub(super) parts: Vec<Hex>,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    for case in &file.malformed {
        let refusal = read(&case.input).err().map(|refused| refused.refusal.name());
        same(&refusal, &Some(case.error.as_str()), &case.name)?;
    }
    Ok(file.malformed.len())
}

fn read(input: &Input) -> Result<(), Refused> {
    match input {
        Input::Record(given) => read_record(given),
        Input::Attachment(given) => read_attachment(given),
        Input::KeysetBody(body) => Keyset::from_body(any_account(), &body.0).map(drop),
        Input::State { state, previous: None } => State::parse(&state.0)?.verify_own_signature(),
        Input::State { state, previous: Some(previous) } => {
            State::parse(&state.0)?.verify_follows(&State::parse(&previous.0)?).map(drop)
        }
        Input::Commit(bytes) => Commit::parse(&bytes.0).map(drop),
        Input::Kdf { offered, pinned } => CheckedKdf::new(*offered, pinned.as_ref()).map(drop),
    }
}

fn read_record(given: &Asked) -> Result<(), Refused> {
    let record_type = RecordType::from_number(given.record_type);
    let expected = ExpectedHeader {
        record_type: record_type.ok_or(Refusal::Format.because("a record of unknown type"))?,
        schema: given.schema,
        container_id: given.container_id,
        object_id: given.object_id,
        version: given.version,
        epoch: given.epoch,
        part: given.part,
    };
    open(&secret(&given.key), &expected, given.hash, &given.record.0).map(drop)
}

fn read_attachment(given: &Attachment) -> Result<(), Refused> {
    let key = VaultKey { vault_id: given.vault_id, epoch: given.epoch, secret: secret(&given.vault_key) };
    let parts: Vec<&[u8]> = given.parts.iter().map(|part| part.0.as_slice()).collect();
    open_attachment(&key, given.object_id, given.length, given.record_hash, &parts).map(drop)
}

/// A keyset's body does not name its account.
fn any_account() -> etui_chain::AccountId {
    etui_chain::AccountId::new([1; 16]).expect("the id is not all zero")
}
