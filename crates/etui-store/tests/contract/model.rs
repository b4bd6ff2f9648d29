//! Random edits: every pull must show what a plain map of the records would.

use std::collections::BTreeMap;

use etui_api::frame::Frame;
use etui_chain::{Commit, ObjectId, Op, VaultId};
use etui_store::{Authority, Store};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    backend::{Backend, frames, signed_up},
    client::{Client, DAY_MS, Edit, NOW_MS, Vault},
};

/// A push: for each of a few objects, how long its new record is, or that it goes.
#[derive(Debug, Clone)]
struct Step {
    wishes: BTreeMap<u8, Option<usize>>,
    reopen: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![4 => 0..2000_usize, 1 => 8000..40_000_usize];
    let wishes = prop::collection::btree_map(0..12_u8, prop::option::weighted(0.8, length), 0..6);
    let step = (wishes, prop::bool::weighted(0.2)).prop_map(|(wishes, reopen)| Step { wishes, reopen });
    prop::collection::vec(step, 1..12)
}

pub(crate) async fn pulls_equal_the_model_under_random_edits(backend: &Backend) {
    let another = backend.another;
    let check = move || {
        let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
        runner.run(&steps(), |steps| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(play(&another(), steps));
            Ok(())
        })
    };
    tokio::task::spawn_blocking(check).await.unwrap().unwrap();
}

async fn play(backend: &Backend, steps: Vec<Step>) {
    let (mut store, mut client, mut authority, vault_id) = signed_up(backend).await;
    let mut ids: Vec<ObjectId> = (0..12).map(|_| client.id()).collect();
    let mut now_ms = NOW_MS;
    for step in steps {
        let edits = edits(&mut client, vault_id, &mut ids, &step);
        let upload = client.edit(vault_id, &edits);
        store.push(&authority, vault_id, upload.clone()).await.unwrap();
        client.take(&upload);
        if step.reopen {
            store.close().await;
            store = backend.open().await;
            while store.compact_next(now_ms).await.unwrap().is_some() {}
            store.collect_garbage(now_ms, std::time::Duration::ZERO).await.unwrap();
            // The session is over by then.
            authority = client.sign_in(&store).await;
            // As if a week had passed.
            now_ms += 7 * DAY_MS;
        }
    }
    for after in 0..=client.head(vault_id).seq {
        check_pull(&store, &authority, vault_id, &client.vaults[&vault_id], after).await;
    }
}

/// What is live may go; what has gone comes back only under a new id.
fn edits(client: &mut Client, vault_id: VaultId, ids: &mut [ObjectId], step: &Step) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (index, wish) in &step.wishes {
        let id = &mut ids[usize::from(*index)];
        let live = client.vaults[&vault_id].records.contains_key(id);
        match wish {
            Some(length) => edits.push(Edit::Put(*id, *length)),
            None if live => {
                edits.push(Edit::Purge(*id));
                *id = client.id();
            }
            None => {}
        }
    }
    edits
}

async fn check_pull(store: &Store, authority: &Authority, vault_id: VaultId, vault: &Vault, after: u64) {
    let (header, stream) = store.changes(authority, vault_id, after).await.unwrap();
    assert_eq!(header.head, vault.ledger.head());
    let mut commits = Vec::new();
    let mut records = BTreeMap::new();
    for frame in frames(stream).await {
        match frame {
            Frame::Commit(commit) => commits.push(Commit::parse(&commit).unwrap()),
            Frame::Record(record) => {
                let object_id = ObjectId::new(record[24..40].try_into().unwrap()).unwrap();
                assert_eq!(records.insert(object_id, record), None, "a record comes once");
            }
            _ => {}
        }
    }
    let first = if after == 0 { vault.commits.len() - 1 } else { usize::try_from(after).unwrap() };
    assert_eq!(commits, vault.commits[first..]);
    let expected = vault.records.iter().filter(|(id, _)| changed_after(vault, **id, after));
    let expected: BTreeMap<_, _> = expected.map(|(id, record)| (*id, record.to_vec())).collect();
    assert_eq!(records, expected, "after {after}");
}

fn changed_after(vault: &Vault, object_id: ObjectId, after: u64) -> bool {
    let later = vault.commits.iter().filter(|commit| commit.seq > after);
    later
        .flat_map(|commit| &commit.changes)
        .any(|change| change.object_id == object_id && change.op == Op::Put)
}
