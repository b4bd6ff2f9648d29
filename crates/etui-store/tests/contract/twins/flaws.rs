//! Uploads with something wrong in them.

use bytes::Bytes;
use etui_api::limits::MAX_RECORD_BYTES;
use etui_chain::{CommitDraft, Op, RecordType, StateBody, VaultId, record_hash};
use etui_store::{CommitUpload, StateUpload};

use super::operation::{PushFlaw, StateFlaw};
use crate::client::{Client, Edit, complete};

/// A commit of these edits, with its flaw.
pub(crate) fn push(
    client: &mut Client,
    vault_id: VaultId,
    edits: &[Edit],
    flaw: Option<PushFlaw>,
) -> CommitUpload {
    match flaw {
        Some(PushFlaw::Ahead) => go_ahead(client, vault_id),
        Some(PushFlaw::OtherAuthor) => client.device_key = client.identity.clone(),
        _ => {}
    }
    let mut edits = edits.to_vec();
    match flaw {
        Some(PushFlaw::TooLarge) => edits.push(Edit::Put(client.id(), MAX_RECORD_BYTES)),
        Some(PushFlaw::NoRecord | PushFlaw::RecordOfAnother | PushFlaw::TooShort) => {
            edits.push(Edit::Put(client.id(), 8));
        }
        _ => {}
    }
    let (mut draft, mut records) = client.draft(vault_id, &edits);
    spoil(client, &mut draft, &mut records, flaw);
    CommitUpload { commit: client.sign(draft), records }
}

fn spoil(client: &mut Client, draft: &mut CommitDraft, records: &mut Vec<Bytes>, flaw: Option<PushFlaw>) {
    match flaw {
        Some(PushFlaw::OlderState) => draft.state_hash = client.newest().previous,
        Some(PushFlaw::NoRecord) => drop(records.pop()),
        Some(PushFlaw::ExtraRecord) => records.push(Bytes::from_static(&[0; 200])),
        Some(PushFlaw::RecordOfAnother) => {
            let other = client.id();
            records.pop();
            records.push(client.record(RecordType::Entry, draft.vault_id, other, 1, draft.epoch, 8));
        }
        Some(PushFlaw::TooShort) => make_short(client, draft, records),
        Some(PushFlaw::OtherRoot) => draft.root = client.digest(),
        Some(PushFlaw::OtherEpoch) => draft.epoch += 1,
        _ => {}
    }
}

/// Signed as it is.
fn make_short(client: &Client, draft: &mut CommitDraft, records: &mut [Bytes]) {
    let short = Bytes::from_static(&[0; 100]);
    let put = draft.changes.iter_mut().find(|change| change.op == Op::Put).expect("there is a put");
    put.record_hash = record_hash(&short);
    records[0] = short;
    complete(draft, client.vaults[&draft.vault_id].ledger.live());
}

/// A device that is not listed has no commit to go ahead with.
fn go_ahead(client: &mut Client, vault_id: VaultId) {
    if client.newest().device_key(&client.device_id).is_some() {
        let unsent = client.edit(vault_id, &[]);
        client.take(&unsent);
    }
}

/// A state, spoilt.
pub(crate) fn state(client: &mut Client, upload: StateUpload, flaw: Option<StateFlaw>) -> StateUpload {
    let mut upload = upload;
    match flaw {
        None | Some(StateFlaw::Behind) => {}
        Some(StateFlaw::OtherSigner) => {
            client.identity = client.device_key.clone();
            upload.state = client.sign_state(StateBody::clone(&upload.state));
        }
        Some(StateFlaw::SkipsOne) => {
            let mut body = StateBody::clone(&upload.state);
            body.version += 1;
            upload.state = client.sign_state(body);
        }
        Some(StateFlaw::NoRecords) => upload.named_records.clear(),
        Some(StateFlaw::ExtraRecord) => {
            let account_id = client.account_id;
            let keyset = client.id();
            upload.named_records.push(client.record(RecordType::Keyset, account_id, keyset, 1, 0, 8));
        }
        Some(StateFlaw::NoFirstCommit) => upload.first_commits.clear(),
    }
    upload
}
