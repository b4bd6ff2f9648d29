//! A server restored from an older backup, and a device that still has everything.

use bytes::Bytes;
use etui_api::{plan::Entitlements, sync::Healed};
use etui_chain::{ObjectId, Refusal, VaultId};
use etui_store::{Authority, CommitUpload, HealStep, HealUpload, NewAccount, Store, StoreError};

use crate::{
    backend::{Backend, frames, refusal},
    client::{Client, Edit, NOW_MS},
};

/// What a device holds after some days, and the account as it was at sign-up.
struct History {
    client: Client,
    sign_up: Option<NewAccount>,
    vault_id: VaultId,
    second_vault: VaultId,
    upload: HealUpload,
    /// The first record of an object that was edited later.
    superseded: Bytes,
}

impl History {
    fn new() -> Self {
        let mut client = Client::new(1);
        let (sign_up, vault_id) = client.sign_up();
        let mut upload = HealUpload::default();
        upload.steps.push(HealStep::State(sign_up.upload.state.clone()));
        upload.named_records.clone_from(&sign_up.upload.named_records);
        note(&mut upload, &sign_up.upload.first_commits[0]);
        let [edited, purged]: [ObjectId; 2] = [client.id(), client.id()];
        let first =
            take(&mut client, &mut upload, vault_id, &[Edit::Put(edited, 20_000), Edit::Put(purged, 8)]);
        take(&mut client, &mut upload, vault_id, &[Edit::Put(edited, 8)]);

        let (state, second_vault) = crate::states::with_new_vault(&mut client);
        upload.steps.push(HealStep::State(state.state.clone()));
        upload.named_records.extend(state.named_records);
        note(&mut upload, &state.first_commits[0]);
        take(&mut client, &mut upload, vault_id, &[Edit::Purge(purged)]);
        take(&mut client, &mut upload, second_vault, &[Edit::Put(edited, 30_000)]);
        let superseded = first.records[usize::from(edited > purged)].clone();
        Self { client, sign_up: Some(sign_up), vault_id, second_vault, upload, superseded }
    }

    async fn restored(&mut self, backend: &Backend) -> (Store, Authority) {
        let store = backend.open().await;
        let sign_up = self.sign_up.take().unwrap();
        let authority = store.create_account(sign_up, NOW_MS).await.unwrap();
        (store, authority)
    }
}

pub(crate) async fn a_restored_server_is_healed_to_the_last_byte(backend: &Backend) {
    let mut history = History::new();
    let (store, authority) = history.restored(backend).await;
    let healed = store.heal(&authority, history.upload.clone(), None, NOW_MS).await.unwrap();
    assert_eq!(healed, Healed { states: 1, commits: 5 });
    let again = store.heal(&authority, history.upload.clone(), None, NOW_MS).await.unwrap();
    assert_eq!(again, Healed { states: 0, commits: 0 }, "what is held is skipped");

    let client = &mut history.client;
    assert_eq!(&store.newest_state(&authority).await.unwrap(), client.newest());
    for vault_id in [history.vault_id, history.second_vault] {
        let vault = &client.vaults[&vault_id];
        let commits = frames(store.commits(&authority, vault_id, 0).await.unwrap()).await;
        let expected = vault.commits.iter().map(|commit| commit.as_bytes().to_vec());
        assert_eq!(commits, expected.map(etui_api::frame::Frame::Commit).collect::<Vec<_>>());
        let (_, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
        let expected: Vec<_> = vault.records.values().map(|record| record.to_vec()).collect();
        assert_eq!(crate::pushes::records_of(frames(stream).await), expected);
    }
    // What was purged stays so, and life goes on.
    let object_id = client.id();
    let upload = client.edit(history.vault_id, &[Edit::Put(object_id, 8)]);
    store.push(&authority, history.vault_id, upload).await.unwrap();
}

pub(crate) async fn what_is_superseded_may_be_absent_and_what_is_live_may_not(backend: &Backend) {
    let mut history = History::new();
    let (store, authority) = history.restored(backend).await;
    let live = history.client.vaults[&history.vault_id].records.values().next_back().unwrap().clone();
    let without = |record: &Bytes| {
        let mut upload = history.upload.clone();
        upload.records.retain(|candidate| candidate != record);
        assert_eq!(upload.records.len(), history.upload.records.len() - 1);
        upload
    };
    let refused = if live == history.client.vaults[&history.vault_id].records[&history.vault_id.id().into()] {
        // The settings came with the sign-up and are held.
        history.client.vaults[&history.second_vault].records.values().next().unwrap().clone()
    } else {
        live
    };
    assert_eq!(refusal(store.heal(&authority, without(&refused), None, NOW_MS).await), Refusal::Missing);
    let mut upload = history.upload.clone();
    upload.named_records.truncate(2);
    assert_eq!(
        refusal(store.heal(&authority, upload, None, NOW_MS).await),
        Refusal::Missing,
        "a new vault's key"
    );
    assert_eq!(store.newest_state(&authority).await.unwrap().version, 1, "nothing is taken");

    store.heal(&authority, without(&history.superseded.clone()), None, NOW_MS).await.unwrap();
}

pub(crate) async fn another_branch_is_a_fork(backend: &Backend) {
    let mut history = History::new();
    let mut other = Client::new(1);
    other.sign_up();
    let (store, authority) = history.restored(backend).await;
    let object_id = other.id();
    let elsewhere = other.edit(history.vault_id, &[Edit::Put(object_id, 8)]);
    store.push(&authority, history.vault_id, elsewhere.clone()).await.unwrap();
    other.take(&elsewhere);
    assert_eq!(
        refusal(store.heal(&authority, history.upload.clone(), None, NOW_MS).await),
        Refusal::Fork,
        "a commit"
    );

    store.push_state(&authority, other.bare_state(), None, NOW_MS).await.unwrap();
    let states = HealUpload { steps: states(&history.upload), ..HealUpload::default() };
    assert_eq!(refusal(store.heal(&authority, states, None, NOW_MS).await), Refusal::Fork, "a state");
    let error = store.push(&authority, history.second_vault, elsewhere).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "nothing is taken");
}

pub(crate) async fn a_gap_is_missing_and_nothing_is_taken(backend: &Backend) {
    let mut history = History::new();
    let (store, authority) = history.restored(backend).await;
    // The last commit of each vault is no gap but an earlier end.
    for gap in 2..history.upload.steps.len() - 2 {
        let mut upload = history.upload.clone();
        let left_out = upload.steps.remove(gap);
        let refusal = refusal(store.heal(&authority, upload, None, NOW_MS).await);
        match left_out {
            HealStep::Commit(_) => assert_eq!(refusal, Refusal::Missing, "step {gap}"),
            HealStep::State(_) => assert_eq!(refusal, Refusal::VaultUnsigned, "step {gap}"),
        }
        assert_eq!(store.newest_state(&authority).await.unwrap().version, 1);
    }
}

fn take(client: &mut Client, upload: &mut HealUpload, vault_id: VaultId, edits: &[Edit]) -> CommitUpload {
    let edit = client.edit(vault_id, edits);
    client.take(&edit);
    note(upload, &edit);
    edit
}

fn note(upload: &mut HealUpload, commit: &CommitUpload) {
    upload.steps.push(HealStep::Commit(commit.commit.clone()));
    upload.records.extend(commit.records.iter().cloned());
}

fn states(upload: &HealUpload) -> Vec<HealStep> {
    let is_state = |step: &&HealStep| matches!(step, HealStep::State(_));
    upload.steps.iter().filter(is_state).cloned().collect()
}

pub(crate) async fn what_is_put_back_is_never_refused_for_a_plan(backend: &Backend) {
    let mut history = History::new();
    let (store, authority) = history.restored(backend).await;
    let nothing =
        Entitlements { entries: Some(0), devices: Some(0), vaults: Some(0), ..Entitlements::default() };
    crate::plans::give(&store, &authority, nothing).await;
    let healed = store.heal(&authority, history.upload.clone(), None, NOW_MS).await.unwrap();
    assert_eq!(healed, Healed { states: 1, commits: 5 });
    assert_eq!(store.entitlements(&authority).await.unwrap().used.entries, 2);
}
