//! Pushes and pulls: every rule of acceptance, the race, and what a pull shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use etui_api::{
    frame::{Frame, FrameReader},
    sync::Event,
};
use etui_chain::{
    Change, Commit, CommitDraft, Digest, Head, Leaf, Ledger, LiveSet, ObjectId, Op, RecordHeader, RecordType,
    Refusal, VaultId, record_hash,
};
use etui_store::{Authority, CommitUpload, Store, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{
    backend::{Backend, frames, refusal, signed_up},
    client::{Client, Edit, NOW_MS, complete},
};

pub(crate) async fn a_pushed_commit_is_pulled_by_others(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let [kept, purged]: [ObjectId; 2] = [client.id(), client.id()];
    for edits in [
        vec![Edit::Put(kept, 100), Edit::Put(purged, 100)],
        vec![Edit::Put(kept, 30_000)],
        vec![Edit::Purge(purged)],
    ] {
        let upload = client.edit(vault_id, &edits);
        let pushed = store.push(&authority, vault_id, upload.clone()).await.unwrap();
        client.take(&upload);
        assert_eq!(pushed.head, client.head(vault_id));
    }
    let vault = &client.vaults[&vault_id];
    let commit = |seq: usize| Frame::Commit(vault.commits[seq - 1].as_bytes().to_vec());
    let record = Frame::Record(vault.records[&kept].to_vec());

    let pulled = async |after| {
        let (header, stream) = store.changes(&authority, vault_id, after).await.unwrap();
        assert_eq!(header.head, client.head(vault_id));
        frames(stream).await.split_off(1)
    };
    assert_eq!(pulled(1).await, [commit(2), commit(3), commit(4), record.clone()]);
    assert_eq!(pulled(2).await, [commit(3), commit(4), record]);
    assert_eq!(pulled(3).await, [commit(4)], "what is purged has no record");
    assert_eq!(pulled(4).await, []);
    assert_eq!(pulled(u64::MAX).await, []);

    let commits = frames(store.commits(&authority, vault_id, 2).await.unwrap()).await;
    assert_eq!(commits, [commit(3), commit(4)]);
    let record = store.record(&authority, vault_id, kept).await.unwrap();
    assert_eq!(record.as_ref(), Some(&vault.records[&kept]));
    assert_eq!(store.record(&authority, vault_id, purged).await.unwrap(), None);
}

/// What a case does to a draft that puts one new object, before it is signed.
type SpoilDraft = fn(&mut Client, &mut CommitDraft);

pub(crate) async fn commits_that_break_a_rule_are_refused(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let purged = client.id();
    for edit in [Edit::Put(purged, 8), Edit::Purge(purged)] {
        let upload = client.edit(vault_id, &[edit]);
        store.push(&authority, vault_id, upload.clone()).await.unwrap();
        client.take(&upload);
    }
    let cases: [(&str, Refusal, SpoilDraft); 9] = [
        ("another device signs", Refusal::Forged, |client, _| {
            client.device_key = SigningKey::from_bytes(&[3; 32]);
        }),
        ("a device that is not listed", Refusal::Forged, |client, draft| draft.device_id = client.id()),
        ("another epoch", Refusal::Forged, |_, draft| draft.epoch = 1),
        ("another root", Refusal::Forged, |client, draft| draft.root = client.digest()),
        ("another count", Refusal::Forged, |_, draft| draft.live += 1),
        ("a first version that is not 1", Refusal::Forged, |_, draft| draft.changes[0].version = 2),
        ("a version that does not move", Refusal::Forged, |client, draft| {
            let leaf = *client.vaults[&draft.vault_id].ledger.live().leaves().first().unwrap();
            draft.changes[0].object_id = leaf.object_id;
        }),
        ("a purge of what is not live", Refusal::Forged, |_, draft| {
            draft.changes[0].op = Op::Purge;
            draft.changes[0].record_hash = Digest::ZERO;
        }),
        ("a gap", Refusal::Missing, |_, draft| draft.seq += 1),
    ];
    for (name, expected, spoil) in cases {
        let mut client = client.clone();
        let object_id = client.id();
        let (mut draft, records) = client.draft(vault_id, &[Edit::Put(object_id, 8)]);
        spoil(&mut client, &mut draft);
        let upload = CommitUpload { commit: client.sign(draft), records };
        assert_refused(&store, &authority, vault_id, upload, expected, name).await;
    }

    let upload = client.edit(vault_id, &[Edit::Put(purged, 8)]);
    assert_refused(&store, &authority, vault_id, upload, Refusal::Forged, "a purged id is used again").await;

    let other_vault = client.id();
    let mut draft = client.draft(vault_id, &[]).0;
    draft.vault_id = other_vault;
    let upload = CommitUpload { commit: client.sign(draft), records: Vec::new() };
    assert_refused(&store, &authority, vault_id, upload.clone(), Refusal::WrongContext, "another vault's")
        .await;
    let unknown = store.push(&authority, other_vault, upload).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "a vault that is not there");
}

/// Makes the records of a commit that puts one new object, and its expected refusal; the commit signs their hashes.
type MakeRecords = fn(&mut Client, VaultId, ObjectId) -> Vec<Bytes>;

pub(crate) async fn records_that_break_a_rule_are_refused(backend: &Backend) {
    let (store, client, authority, vault_id) = signed_up(backend).await;
    let cases: [(&str, Refusal, MakeRecords); 10] = [
        ("another vault's", Refusal::WrongContext, |client, _, object| {
            let vault: VaultId = client.id();
            vec![client.record(RecordType::Entry, vault, object.id(), 1, 0, 8)]
        }),
        ("another object's", Refusal::WrongContext, |client, vault, _| {
            let object = client.id();
            vec![client.record(RecordType::Entry, vault, object, 1, 0, 8)]
        }),
        ("a later version", Refusal::WrongContext, |client, vault, object| {
            vec![client.record(RecordType::Entry, vault, object.id(), 2, 0, 8)]
        }),
        ("an earlier version", Refusal::Rollback, |client, vault, object| {
            vec![client.record(RecordType::Entry, vault, object.id(), 0, 0, 8)]
        }),
        ("another epoch", Refusal::WrongContext, |client, vault, object| {
            vec![client.record(RecordType::Entry, vault, object.id(), 1, 1, 8)]
        }),
        ("a keyset", Refusal::Format, |client, vault, object| {
            vec![client.record(RecordType::Keyset, vault, object.id(), 1, 0, 8)]
        }),
        ("an attachment", Refusal::Format, |client, vault, object| {
            vec![client.record(RecordType::AttachmentPart, vault, object.id(), 1, 0, 8)]
        }),
        ("vault settings under an entry's id", Refusal::Format, |client, vault, object| {
            vec![client.record(RecordType::VaultSettings, vault, object.id(), 1, 0, 8)]
        }),
        ("too short", Refusal::Truncated, |_, _, _| vec![Bytes::from_static(&[0; 135])]),
        ("too large", Refusal::Limit, |client, vault, object| {
            let too_large = etui_api::limits::MAX_RECORD_BYTES;
            vec![client.record(RecordType::Entry, vault, object.id(), 1, 0, too_large)]
        }),
    ];
    for (name, expected, make) in cases {
        let mut client = client.clone();
        let object_id = client.id();
        let records = make(&mut client, vault_id, object_id);
        let upload = signed_around(&mut client, vault_id, object_id, 1, records);
        assert_refused(&store, &authority, vault_id, upload, expected, name).await;
    }

    let mut client = client;
    let object_id = client.id();
    let good = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    let without = CommitUpload { records: Vec::new(), ..good.clone() };
    assert_refused(&store, &authority, vault_id, without, Refusal::Missing, "no record").await;
    let twice = CommitUpload { records: [&good.records[..], &good.records].concat(), ..good.clone() };
    assert_refused(&store, &authority, vault_id, twice, Refusal::Extra, "one record too many").await;
    let other = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    let swapped = CommitUpload { records: other.records, ..good };
    assert_refused(&store, &authority, vault_id, swapped, Refusal::Forged, "another record").await;

    // The type of the settings, an object that is there already, does not change.
    let settings: ObjectId = vault_id.id().into();
    let entry = client.record(RecordType::Entry, vault_id, settings.id(), 2, 0, 8);
    let upload = signed_around(&mut client, vault_id, settings, 2, vec![entry]);
    assert_refused(&store, &authority, vault_id, upload, Refusal::Format, "another type than before").await;
}

pub(crate) async fn what_builds_on_another_head_or_state_is_told_so(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let mut other = client.clone();
    let object_id = client.id();
    let upload = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    store.push(&authority, vault_id, upload.clone()).await.unwrap();
    client.take(&upload);

    let [first, second] = [other.id(), other.id()];
    let behind = other.edit(vault_id, &[Edit::Put(first, 8)]);
    let error = store.push(&authority, vault_id, behind.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::HeadMoved(head) if head == client.head(vault_id)), "{error:?}");
    other.take(&behind);
    let ahead = other.edit(vault_id, &[Edit::Put(second, 8)]);
    let error = store.push(&authority, vault_id, ahead).await.unwrap_err();
    assert!(matches!(error, StoreError::HeadMoved(head) if head == client.head(vault_id)), "{error:?}");

    let under_old_state = client.edit(vault_id, &[]);
    let state = client.bare_state();
    store.push_state(&authority, state.clone(), None, NOW_MS).await.unwrap();
    let error = store.push(&authority, vault_id, under_old_state).await.unwrap_err();
    assert!(matches!(error, StoreError::StateMoved), "{error:?}");
    client.state = Some(state.state);
    let upload = client.edit(vault_id, &[]);
    store.push(&authority, vault_id, upload).await.unwrap();
}

pub(crate) async fn a_repeated_push_is_answered_as_the_first(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let object_id = client.id();
    let first = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    let answer = store.push(&authority, vault_id, first.clone()).await.unwrap();
    assert_eq!(store.push(&authority, vault_id, first.clone()).await.unwrap(), answer);

    client.take(&first);
    let second = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    store.push(&authority, vault_id, second.clone()).await.unwrap();
    client.take(&second);
    assert_eq!(store.push(&authority, vault_id, first).await.unwrap(), answer, "even when others came after");
    let (header, _) = store.changes(&authority, vault_id, 0).await.unwrap();
    assert_eq!(header.head, client.head(vault_id));
}

pub(crate) async fn of_two_pushes_at_once_one_wins(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    race([(&store, &authority), (&store, &authority)], &mut client, vault_id).await;
}

/// Pushes two commits onto one head at once, over and over: exactly one is taken, and the other told so.
pub(crate) async fn race(nodes: [(&Store, &Authority); 2], client: &mut Client, vault_id: VaultId) {
    let [(one, left_authority), (two, right_authority)] = nodes;
    for round in 0..20 {
        let length = if round % 2 == 0 { 8 } else { 20_000 };
        let [left, right] = [client.id(), client.id()];
        let left = client.edit(vault_id, &[Edit::Put(left, length)]);
        let right = client.edit(vault_id, &[Edit::Put(right, length)]);
        let (left_answer, right_answer) = tokio::join!(
            one.push(left_authority, vault_id, left.clone()),
            two.push(right_authority, vault_id, right.clone()),
        );
        let (winner, loser) = if left_answer.is_ok() { (left, right_answer) } else { (right, left_answer) };
        client.take(&winner);
        let head = client.head(vault_id);
        let error = loser.unwrap_err();
        assert!(matches!(error, StoreError::HeadMoved(moved) if moved == head), "{error:?}");
        assert_eq!(head_of(two, right_authority, vault_id).await, head);
    }
}

pub(crate) async fn a_pull_is_true_of_one_moment(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<ObjectId> = (0..400).map(|_| client.id()).collect();
    for (ids, length) in [(&ids[..300], 900), (&ids[300..310], 900), (&ids[310..], 900)] {
        let edits: Vec<Edit> = ids.iter().map(|id| Edit::Put(*id, length)).collect();
        push(&store, &mut client, &authority, vault_id, &edits).await;
    }
    let (header, mut stream) = store.changes(&authority, vault_id, 0).await.unwrap();
    let mut chunks = vec![stream.next().await.unwrap().unwrap()];
    let expected = client.vaults[&vault_id].records.clone();

    // Everything changes while the answer is on its way, and what it has yet to read is no longer referred to.
    let edits: Vec<Edit> = ids.iter().map(|id| Edit::Put(*id, 900)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    store.collect_garbage(NOW_MS, Duration::from_hours(1)).await.unwrap();

    chunks.extend(stream.try_collect::<Vec<Bytes>>().await.unwrap());
    let frames = FrameReader::read_all(&chunks.concat()).unwrap();
    assert_eq!(header.head.seq, 4);
    assert_eq!(records_of(frames), expected.into_values().map(|record| record.to_vec()).collect::<Vec<_>>());
}

pub(crate) async fn pulls_beside_pushes_are_each_of_one_moment(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<ObjectId> = (0..5000).map(|_| client.id()).collect();
    let edits: Vec<Edit> = ids.iter().map(|id| Edit::Put(*id, 0)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let finished = AtomicBool::new(false);
    let pushes = async {
        while !finished.load(Ordering::Relaxed) {
            let edits: Vec<Edit> = (0..5).map(|_| Edit::Put(ids[next(&mut client) % ids.len()], 0)).collect();
            push(&store, &mut client, &authority, vault_id, &edits).await;
        }
    };
    let pulls = async {
        for _ in 0..5 {
            pull_and_verify(&store, &authority, vault_id).await;
        }
        finished.store(true, Ordering::Relaxed);
    };
    tokio::join!(pushes, pulls);
}

fn next(client: &mut Client) -> usize {
    usize::from(u16::from_be_bytes([client.digest().as_bytes()[0], client.digest().as_bytes()[1]]))
}

pub(crate) async fn a_large_pull_comes_in_small_chunks(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let ids: Vec<ObjectId> = (0..3000).map(|_| client.id()).collect();
    let edits: Vec<Edit> = ids.iter().map(|id| Edit::Put(*id, 512)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let (_, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert!(chunks.len() > 10);
    // The commit of the large push travels whole.
    assert!(chunks.iter().all(|chunk| chunk.len() < 400_000));
    let expected = client.vaults[&vault_id].records.values().map(|record| record.to_vec());
    let frames = FrameReader::read_all(&chunks.concat()).unwrap();
    assert_eq!(records_of(frames), expected.collect::<Vec<_>>());
}

pub(crate) async fn listeners_hear_of_pushes_and_the_slow_are_told_to_pull(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let mut events = Box::pin(store.subscribe(&authority));
    let mut slow = Box::pin(store.subscribe(&authority));
    for seq in 2..40 {
        push(&store, &mut client, &authority, vault_id, &[]).await;
        assert_eq!(events.next().await, Some(Event::Vault { vault_id, seq }));
    }
    let state = client.bare_state();
    store.push_state(&authority, state, None, NOW_MS).await.unwrap();
    assert_eq!(events.next().await, Some(Event::State { version: 2 }));
    assert_eq!(slow.next().await, Some(Event::State { version: 2 }), "instead of what it missed");
}

/// Pushes, and takes what was pushed.
pub(crate) async fn push(
    store: &Store,
    client: &mut Client,
    authority: &Authority,
    vault_id: VaultId,
    edits: &[Edit],
) {
    let upload = client.edit(vault_id, edits);
    store.push(authority, vault_id, upload.clone()).await.unwrap();
    client.take(&upload);
}

/// The records of an answer in the order of their objects.
pub(crate) fn records_of(frames: Vec<Frame>) -> Vec<Vec<u8>> {
    let records = frames.into_iter().filter_map(|frame| match frame {
        Frame::Record(record) => Some((record[24..40].to_vec(), record)),
        _ => None,
    });
    records.collect::<BTreeMap<_, _>>().into_values().collect()
}

async fn assert_refused(
    store: &Store,
    authority: &Authority,
    vault_id: VaultId,
    upload: CommitUpload,
    expected: Refusal,
    name: &str,
) {
    let before = head_of(store, authority, vault_id).await;
    assert_eq!(refusal(store.push(authority, vault_id, upload).await), expected, "{name}");
    assert_eq!(head_of(store, authority, vault_id).await, before, "{name}: nothing is stored");
}

/// The records must give the root that the commit signs.
async fn pull_and_verify(store: &Store, authority: &Authority, vault_id: VaultId) {
    let (header, stream) = store.changes(authority, vault_id, 0).await.unwrap();
    let mut frames = frames(stream).await.into_iter().skip(1);
    let Some(Frame::Commit(commit)) = frames.next() else { panic!("the newest commit comes first") };
    let commit = Commit::parse(&commit).unwrap();
    assert_eq!(commit.hash(), header.head.hash);
    let leaves = records_of(frames.collect()).into_iter().map(|record| {
        let header = RecordHeader::parse(&record).unwrap();
        let object_id = header.object_id.into();
        Leaf { object_id, version: header.version, record_hash: record_hash(&record) }
    });
    let live = LiveSet::from_leaves(leaves.collect()).unwrap();
    Ledger::at(&commit, live, BTreeSet::new()).unwrap();
}

async fn head_of(store: &Store, authority: &Authority, vault_id: VaultId) -> Head {
    store.changes(authority, vault_id, u64::MAX).await.unwrap().0.head
}

/// A commit that puts one object with the hash of the first record.
fn signed_around(
    client: &mut Client,
    vault_id: VaultId,
    object_id: ObjectId,
    version: u64,
    records: Vec<Bytes>,
) -> CommitUpload {
    let mut draft = client.draft(vault_id, &[]).0;
    let record_hash = record_hash(&records[0]);
    draft.changes = vec![Change { object_id, version, op: Op::Put, record_hash }];
    complete(&mut draft, client.vaults[&vault_id].ledger.live());
    CommitUpload { commit: client.sign(draft), records }
}
