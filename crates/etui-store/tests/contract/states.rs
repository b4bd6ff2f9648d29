//! States: what they bring, when they are refused, and how they are served.

use bytes::Bytes;
use etui_api::{
    frame::Frame,
    sync::{StatesHeader, decode_header},
};
use etui_chain::{
    Digest, KeysetEntry, KeysetKind, PublicKey, ROLE_OWNER, RecordType, Refusal, StateBody, VaultEntry,
    VaultId, record_hash,
};
use etui_store::{StateUpload, StoreError};

use crate::{
    backend::{Backend, frames, refusal, signed_up},
    client::{Client, NOW_MS},
    pushes::push,
};

pub(crate) async fn a_state_brings_vaults_and_records(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    push(&store, &mut client, &authority, vault_id, &[]).await;
    let (upload, new_vault) = with_new_vault(&mut client);
    let keyset = replace_keyset(&mut client, upload);
    let pushed = store.push_state(&authority, keyset.clone(), None, NOW_MS).await.unwrap();
    assert_eq!((pushed.version, pushed.hash), (2, keyset.state.hash()));
    assert_eq!(store.newest_state(&authority).await.unwrap(), keyset.state);

    let keysets = store.keysets(&authority).await.unwrap().keysets;
    assert_eq!(keysets.len(), 1);
    assert_eq!((keysets[0].version, &keysets[0].record[..]), (2, &keyset.named_records[1][..]));
    client.state = Some(keyset.state);
    let (header, _) = store.changes(&authority, new_vault, 0).await.unwrap();
    assert_eq!((header.state_version, header.head.seq), (2, 1));
    push(&store, &mut client, &authority, new_vault, &[]).await;
    push(&store, &mut client, &authority, vault_id, &[]).await;
}

/// What a case does to an upload that brings a vault.
type Spoil = fn(&mut Client, &mut StateUpload, VaultId);

pub(crate) async fn states_that_break_a_rule_are_refused(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let cases: [(&str, Refusal, Spoil); 10] = [
        ("another identity signs", Refusal::StateSignature, |client, upload, _| {
            client.identity = client.device_key.clone();
            resign(client, upload, |_| ());
        }),
        ("another identity takes over unasked", Refusal::StateSignature, |client, upload, _| {
            client.identity = client.device_key.clone();
            let key = PublicKey::new(client.identity.verifying_key().to_bytes());
            resign(client, upload, |body| body.identity_key = key);
        }),
        ("too many devices", Refusal::Limit, |client, upload, _| {
            let key = PublicKey::new([0; 32]);
            let mut devices: Vec<_> = (0..257).map(|_| (client.id(), key)).collect();
            devices.sort_by_key(|(id, _)| *id);
            resign(client, upload, |body| body.devices = devices);
        }),
        ("a new vault with commits before it", Refusal::Missing, |client, upload, vault_id| {
            let hash = client.digest();
            resign(client, upload, |body| {
                let vault = body.vaults.iter_mut().find(|vault| vault.id == vault_id).unwrap();
                (vault.head_seq, vault.head_hash) = (1, hash);
            });
        }),
        ("no first commit", Refusal::Missing, |_, upload, _| upload.first_commits.clear()),
        ("a first commit under another state", Refusal::Forged, |client, upload, _| {
            resign(client, upload, |body| body.time_ms += 1);
        }),
        ("a commit of a vault that is there", Refusal::Extra, |client, upload, new_vault| {
            let vault_id = *client.vaults.keys().find(|vault_id| **vault_id != new_vault).unwrap();
            upload.first_commits.push(client.edit(vault_id, &[]));
        }),
        ("no record of the vault key", Refusal::Missing, |_, upload, _| upload.named_records.clear()),
        ("a vault key of another vault", Refusal::WrongContext, |client, upload, vault_id| {
            let other = client.id();
            let key = client.record(RecordType::VaultKey, client.account_id, other, 0, 0, 8);
            name_vault_key(client, upload, vault_id, key);
        }),
        ("an entry for a vault key", Refusal::Format, |client, upload, vault_id| {
            let key = client.record(RecordType::Entry, client.account_id, vault_id.id(), 0, 0, 8);
            name_vault_key(client, upload, vault_id, key);
        }),
    ];
    for (name, expected, spoil) in cases {
        let mut client = client.clone();
        let (mut upload, vault_id) = with_new_vault(&mut client);
        spoil(&mut client, &mut upload, vault_id);
        assert_eq!(refusal(store.push_state(&authority, upload, None, NOW_MS).await), expected, "{name}");
        assert_eq!(store.newest_state(&authority).await.unwrap().version, 1, "{name}: nothing is stored");
    }
}

pub(crate) async fn what_builds_on_another_state_or_head_is_told_so(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let moved = async |upload: StateUpload| {
        let error = store.push_state(&authority, upload, None, NOW_MS).await.unwrap_err();
        assert!(matches!(error, StoreError::StateMoved), "{error:?}");
    };
    let before_the_push = client.bare_state();
    let mut behind = client.clone();
    push(&store, &mut client, &authority, vault_id, &[]).await;
    moved(before_the_push).await;

    let taken = client.bare_state();
    store.push_state(&authority, taken.clone(), None, NOW_MS).await.unwrap();
    let mut body = client.next_body();
    body.time_ms += 1;
    moved(StateUpload { state: client.sign_state(body), ..taken.clone() }).await;
    client.state = Some(taken.state.clone());
    behind.state = Some(taken.state.clone());
    let mut body = client.next_body();
    body.version += 1;
    moved(StateUpload { state: client.sign_state(body), ..taken }).await;
    // Not late, but wrong: this one names an older head than the state before it.
    assert_eq!(
        refusal(store.push_state(&authority, behind.bare_state(), None, NOW_MS).await),
        Refusal::Forged
    );
}

pub(crate) async fn a_repeated_state_is_answered_as_the_first(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let (upload, _) = with_new_vault(&mut client);
    let answer = store.push_state(&authority, upload.clone(), None, NOW_MS).await.unwrap();
    assert_eq!(store.push_state(&authority, upload.clone(), None, NOW_MS).await.unwrap(), answer);
    store.push_state(&authority, client.bare_state(), None, NOW_MS).await.unwrap();
    assert_eq!(
        store.push_state(&authority, upload, None, NOW_MS).await.unwrap(),
        answer,
        "even when others came after"
    );
}

pub(crate) async fn a_removed_device_loses_its_session(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let device_id = client.id();
    let second = client.sign_in_as(&store, device_id).await.authority;
    let key = PublicKey::new(client.device_key.verifying_key().to_bytes());

    let mut body = client.next_body();
    body.devices.push((device_id, key));
    body.devices.sort_by_key(|(id, _)| *id);
    let state = client.sign_state(body);
    client.state = Some(state.clone());
    let bare = |state| StateUpload { state, named_records: Vec::new(), first_commits: Vec::new() };
    store.push_state(&authority, bare(state), None, NOW_MS).await.unwrap();
    assert!(store.authority(second.session_id(), NOW_MS).await.unwrap().is_some());

    let mut body = client.next_body();
    body.devices.retain(|(id, _)| *id != device_id);
    store.push_state(&authority, bare(client.sign_state(body)), None, NOW_MS).await.unwrap();
    assert!(store.authority(second.session_id(), NOW_MS).await.unwrap().is_none());
    assert!(store.authority(authority.session_id(), NOW_MS).await.unwrap().is_some());
}

pub(crate) async fn states_are_served_with_what_they_bring(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let first = client.newest().clone();
    let (second, _) = with_new_vault(&mut client);
    store.push_state(&authority, second.clone(), None, NOW_MS).await.unwrap();
    let bare = client.bare_state();
    client.state = Some(bare.state.clone());
    store.push_state(&authority, bare.clone(), None, NOW_MS).await.unwrap();
    let next = client.bare_state();
    let fourth = replace_keyset(&mut client, next);
    store.push_state(&authority, fourth.clone(), None, NOW_MS).await.unwrap();

    let served = async |after| {
        let mut frames = frames(store.states_after(&authority, after).await.unwrap()).await;
        let Frame::Header(header) = frames.remove(0) else { panic!("a header comes first") };
        assert_eq!(decode_header::<StatesHeader>(&header).unwrap().newest, 4);
        frames
    };
    let state = |state: &etui_chain::State| Frame::State(state.as_bytes().to_vec());
    let record = |record: &Bytes| Frame::NamedRecord(record.to_vec());
    let [key, keyset] = [&second.named_records[0], &fourth.named_records[0]];
    assert_eq!(
        served(Some(1)).await,
        [record(key), state(&second.state), state(&bare.state), record(keyset), state(&fourth.state)]
    );
    let from_the_start = served(Some(0)).await;
    assert_eq!(from_the_start[1], state(&first), "behind its vault key; its keyset is no longer named");
    assert_eq!(served(Some(3)).await, [record(keyset), state(&fourth.state)]);
    assert_eq!(served(Some(4)).await, []);
    let newest = served(None).await;
    assert_eq!(newest.len(), 4, "two vault keys, a keyset, the newest state");
    assert_eq!(newest[3], state(&fourth.state));
}

/// The next state with one more vault; the client takes it.
pub(crate) fn with_new_vault(client: &mut Client) -> (StateUpload, VaultId) {
    let vault_id: VaultId = client.id();
    let key = client.record(RecordType::VaultKey, client.account_id, vault_id.id(), 0, 0, 8);
    let mut body = client.next_body();
    body.vaults.push(VaultEntry {
        id: vault_id,
        role: ROLE_OWNER,
        epoch: 0,
        head_seq: 0,
        head_hash: Digest::ZERO,
        keys: vec![(0, record_hash(&key))],
    });
    body.vaults.sort_by_key(|vault| vault.id);
    let state = client.sign_state(body);
    client.state = Some(state.clone());
    let first = client.first_commit(vault_id);
    (StateUpload { state, named_records: vec![key], first_commits: vec![first] }, vault_id)
}

/// The same state with a new master keyset, its first commits signed again; the client takes it.
pub(crate) fn replace_keyset(client: &mut Client, mut upload: StateUpload) -> StateUpload {
    let mut body = StateBody::clone(&upload.state);
    let KeysetEntry { id, version, .. } = body.keysets[0];
    let keyset = client.record(RecordType::Keyset, client.account_id, id.id(), version + 1, 0, 8);
    let record_hash = record_hash(&keyset);
    body.keysets[0] = KeysetEntry { id, kind: KeysetKind::Master, version: version + 1, record_hash };
    upload.state = client.sign_state(body);
    client.state = Some(upload.state.clone());
    upload.named_records.push(keyset);
    for first in &mut upload.first_commits {
        *first = client.first_commit(first.commit.vault_id);
    }
    upload
}

fn name_vault_key(client: &mut Client, upload: &mut StateUpload, vault_id: VaultId, key: Bytes) {
    resign(client, upload, |body| {
        let vault = body.vaults.iter_mut().find(|vault| vault.id == vault_id).unwrap();
        vault.keys = vec![(0, record_hash(&key))];
    });
    client.state = Some(upload.state.clone());
    upload.first_commits = vec![client.first_commit(vault_id)];
    upload.named_records = vec![key];
}

fn resign(client: &Client, upload: &mut StateUpload, change: impl FnOnce(&mut StateBody)) {
    let mut body = StateBody::clone(&upload.state);
    change(&mut body);
    upload.state = client.sign_state(body);
}
