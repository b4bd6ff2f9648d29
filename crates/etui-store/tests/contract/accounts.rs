//! Sign-up, its refusals, and that accounts are apart.

use bytes::Bytes;
use etui_api::{frame::Frame, sync::PullHeader};
use etui_chain::{Digest, Refusal, VaultId};
use etui_store::{LoginHash, NewAccount, StateUpload, StoreError};

use crate::{
    backend::{Backend, frames, refusal, signed_up},
    client::{Client, Edit, LOGIN_HASH, NOW_MS},
};

pub(crate) async fn what_signs_up_is_read_back(backend: &Backend) {
    let store = backend.open().await;
    let mut client = Client::new(1);
    let (account, vault_id) = client.sign_up();
    let named = account.upload.named_records.clone();
    let authority = store.create_account(account, NOW_MS).await.unwrap();
    assert_eq!(authority.account_id(), client.account_id);
    assert_eq!(authority.device_id(), client.device_id);

    let login = store.login(&client.email()).await.unwrap().unwrap();
    assert_eq!(login.claim.account_id(), client.account_id);
    assert_eq!(login.login_hash.as_ref().unwrap().expose(), LOGIN_HASH);
    assert!(!format!("{login:?}").contains("argon2id"), "a login hash is not shown");
    assert!(store.login("nobody@example.org").await.unwrap().is_none());

    assert_eq!(&store.newest_state(&authority).await.unwrap(), client.newest());
    let keysets = store.keysets(&authority).await.unwrap();
    assert_eq!(keysets.kdf, client.newest().kdf);
    assert_eq!(keysets.keysets.len(), 1);
    assert_eq!(keysets.keysets[0].record, named[0]);

    let (header, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
    let state = client.newest();
    let head = client.head(vault_id);
    assert_eq!(header, PullHeader { state_version: 1, state_hash: state.hash(), head });
    let vault = &client.vaults[&vault_id];
    let settings = vault.records[&vault_id.id().into()].to_vec();
    let [Frame::Header(_), Frame::Commit(commit), Frame::Record(record)] = &frames(stream).await[..] else {
        panic!("a header, the newest commit, the one live record");
    };
    assert_eq!((&commit[..], record), (vault.commits[0].as_bytes(), &settings));
    assert_eq!(store.record(&authority, vault_id, vault_id.id().into()).await.unwrap().unwrap(), settings);
}

pub(crate) async fn a_login_hash_is_replaced_only_where_it_is_still_the_same(backend: &Backend) {
    let (store, client, ..) = signed_up(backend).await;
    let hash = |text: &str| LoginHash::new(text.to_owned());
    let held = async || store.login(&client.email()).await.unwrap().unwrap().login_hash.unwrap();
    let stronger = "$argon2id$stronger";
    store.replace_login_hash(client.account_id, &hash(LOGIN_HASH), &hash(stronger)).await.unwrap();
    assert_eq!(held().await.expose(), stronger);
    // Somebody signs in with the old password while it is changed.
    store.replace_login_hash(client.account_id, &hash(LOGIN_HASH), &hash("$argon2id$late")).await.unwrap();
    assert_eq!(held().await.expose(), stronger);
}

pub(crate) async fn an_address_and_an_id_are_taken_once(backend: &Backend) {
    let (store, client, ..) = signed_up(backend).await;
    let mut other = Client::new(2);
    let (account, _) = other.sign_up();
    let same_address = NewAccount { email: client.email(), ..account };
    let refused = store.create_account(same_address, NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::AccountExists)));

    let mut same_id = Client::new(1);
    let (account, _) = same_id.sign_up();
    let same_id = NewAccount { email: other.email(), ..account };
    assert!(matches!(store.create_account(same_id, NOW_MS).await, Err(StoreError::AccountExists)));
    assert!(store.login(&other.email()).await.unwrap().is_none());
}

/// What a case does to a sign-up.
type Spoil = fn(&mut Client, &mut NewAccount, VaultId);

pub(crate) async fn sign_ups_that_break_a_rule_are_refused(backend: &Backend) {
    let store = backend.open().await;
    let cases: [(&str, Refusal, Spoil); 9] = [
        ("another device signs up", Refusal::WrongContext, |client, account, _| {
            account.device_id = client.id();
        }),
        ("the state is not signed by its identity", Refusal::StateSignature, |client, account, _| {
            client.identity = client.device_key.clone();
            account.upload.state = client.sign_state(etui_chain::StateBody::clone(&account.upload.state));
        }),
        ("it is not the first state", Refusal::Missing, |client, account, _| {
            account.upload.state = client.sign_state(client.next_body());
        }),
        ("a keyset is absent", Refusal::Missing, |_, account, _| {
            account.upload.named_records.remove(0);
        }),
        ("a record that the state does not name", Refusal::Extra, |client, account, _| {
            let keyset = client.record(
                etui_chain::RecordType::Keyset,
                client.account_id,
                client.account_id.id(),
                1,
                0,
                8,
            );
            account.upload.named_records.push(keyset);
        }),
        ("a keyset twice", Refusal::Extra, |_, account, _| {
            let keyset = account.upload.named_records[0].clone();
            account.upload.named_records.push(keyset);
        }),
        ("no first commit", Refusal::Missing, |_, account, _| account.upload.first_commits.clear()),
        ("two first commits of one vault", Refusal::Extra, |_, account, _| {
            let first = account.upload.first_commits[0].clone();
            account.upload.first_commits.push(first);
        }),
        ("a changed record of the first commit", Refusal::Forged, |_, account, _| {
            let record = &mut account.upload.first_commits[0].records[0];
            let mut bytes = record.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            *record = Bytes::from(bytes);
        }),
    ];
    for (name, expected, spoil) in cases {
        let mut client = Client::new(1);
        let (mut account, vault_id) = client.sign_up();
        spoil(&mut client, &mut account, vault_id);
        assert_eq!(refusal(store.create_account(account, NOW_MS).await), expected, "{name}");
        assert!(store.login(&client.email()).await.unwrap().is_none(), "{name}: nothing is stored");
    }
}

pub(crate) async fn other_accounts_see_nothing(backend: &Backend) {
    let (store, mut client, _, vault_id) = signed_up(backend).await;
    let mut other = Client::new(2);
    let (account, _) = other.sign_up();
    let stranger = store.create_account(account, NOW_MS).await.unwrap();

    let not_found = |error| assert!(matches!(error, StoreError::NotFound), "{error:?}");
    not_found(store.changes(&stranger, vault_id, 0).await.map(|_| ()).unwrap_err());
    not_found(store.commits(&stranger, vault_id, 0).await.map(|_| ()).unwrap_err());
    assert_eq!(store.record(&stranger, vault_id, vault_id.id().into()).await.unwrap(), None);
    let object_id = client.id();
    let upload = client.edit(vault_id, &[Edit::Put(object_id, 8)]);
    not_found(store.push(&stranger, vault_id, upload).await.unwrap_err());
    let state = client.bare_state();
    assert_eq!(refusal(store.push_state(&stranger, state, None, NOW_MS).await), Refusal::WrongContext);

    // The same vault id in another account is another vault.
    let mut body = other.next_body();
    let key = other.record(etui_chain::RecordType::VaultKey, other.account_id, vault_id.id(), 0, 0, 8);
    body.vaults.push(etui_chain::VaultEntry {
        id: vault_id,
        role: etui_chain::ROLE_OWNER,
        epoch: 0,
        head_seq: 0,
        head_hash: Digest::ZERO,
        keys: vec![(0, etui_chain::record_hash(&key))],
    });
    body.vaults.sort_by_key(|vault| vault.id);
    let state = other.sign_state(body);
    other.state = Some(state.clone());
    let first = other.first_commit(vault_id);
    let upload = StateUpload { state, named_records: vec![key], first_commits: vec![first] };
    store.push_state(&stranger, upload, None, NOW_MS).await.unwrap();
    let theirs = store.record(&stranger, vault_id, vault_id.id().into()).await.unwrap().unwrap();
    assert_ne!(theirs, client.vaults[&vault_id].records[&vault_id.id().into()]);
}
