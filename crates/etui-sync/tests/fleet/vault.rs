//! A further vault of the account. The engine has no wish for it yet, so the state is made by hand.

use etui_api::frame::{Frame, FrameWriter};
use etui_chain::{
    Change, Commit, CommitDraft, Digest, Leaf, LiveSet, Op, ROLE_OWNER, State, StateBody, VaultEntry, VaultId,
};
use etui_crypto::{VaultKey, random_id, seal_vault_key, seal_vault_settings};

use super::{Account, device::Device, server::Server};

/// Lists a new vault, if the device is on a par with the server and has nothing on its way.
pub(crate) fn add_vault(account: &mut Account, device: &mut Device, server: &mut Server) -> Option<VaultId> {
    let engine = &device.engine;
    let quiet = engine.is_device_listed()
        && engine.state().hash() == server.newest().hash()
        && engine.state_in_flight().is_none()
        && engine.state().vaults.iter().all(|vault| {
            engine.in_flight(&vault.id).is_none()
                && engine.head(&vault.id) == server.vaults[&vault.id].ledger.head()
        });
    if !quiet {
        return None;
    }
    let vault_id = random_id(&mut device.random).unwrap();
    let key = VaultKey::generate(vault_id, 0, &mut device.random);
    let sealed_key = seal_vault_key(account.keyset.newest_root_key(), &key, &mut device.random).unwrap();
    let settings = seal_vault_settings(&key, 1, b"", &mut device.random).unwrap();
    account.vault_keys.insert(key);

    let mut body = successor(account, device);
    let (head_seq, head_hash) = (0, Digest::ZERO);
    let keys = vec![(0, sealed_key.hash)];
    body.vaults.push(VaultEntry { id: vault_id, role: ROLE_OWNER, epoch: 0, head_seq, head_hash, keys });
    body.vaults.sort_unstable_by_key(|vault| vault.id);
    let state = account.keyset.identity().sign_state(body);
    let commit = first_commit(account, device, vault_id, &state, settings.hash);

    let mut writer = FrameWriter::new();
    writer.push(&Frame::State(state.as_bytes()));
    writer.push(&Frame::NamedRecord(sealed_key.bytes.as_slice()));
    writer.push(&Frame::Commit(commit.as_bytes()));
    writer.push(&Frame::Record(settings.bytes.as_slice()));
    server.push_state(&writer.finish()).unwrap();
    Some(vault_id)
}

/// The next state as it would be without a change, over the heads that the device holds.
pub(crate) fn successor(account: &Account, device: &Device) -> StateBody {
    let newest = device.engine.state();
    let mut body = StateBody::clone(newest);
    body.version += 1;
    body.previous = newest.hash();
    body.time_ms = account.now();
    for vault in &mut body.vaults {
        let head = device.engine.head(&vault.id);
        (vault.head_seq, vault.head_hash) = (head.seq, head.hash);
    }
    body
}

fn first_commit(
    account: &Account,
    device: &Device,
    vault_id: VaultId,
    state: &State,
    settings: Digest,
) -> Commit {
    let object_id = vault_id.id().into();
    let leaf = Leaf { object_id, version: 1, record_hash: settings };
    device.key.sign_commit(CommitDraft {
        vault_id,
        seq: 1,
        prev_hash: Digest::ZERO,
        epoch: 0,
        device_id: device.engine.device_id(),
        time_ms: account.now(),
        state_hash: state.hash(),
        changes: vec![Change { object_id, version: 1, op: Op::Put, record_hash: settings }],
        root: LiveSet::from_leaves(vec![leaf]).unwrap().root(),
        live: 1,
    })
}
