//! `state.json`: account states, and the small formats beside them.

use etui_chain::{
    AccountId, DeviceId, Digest, Head, PublicKey, State, VaultId, head_code, parts_hash, record_hash,
};
use serde::Deserialize;

use super::{
    Mismatch,
    format::{At as _, Hex, as_hex, same, secret},
};
use crate::{Keyset, MasterKey, RecoveryKey, RecoveryKit, SecretKey, prf_input, record::hedged_salt};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    salt: Hedging,
    parts: Parts,
    keyset_body: KeysetBody,
    states: Vec<Link>,
    head_code: HeadCode,
    kit: Kit,
    local_store: LocalStore,
    /// For the account of `head_code`.
    prf_input: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hedging {
    key: Digest,
    os_random: Digest,
    header_without_salt: Hex,
    body: Hex,
    salt: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    parts: Vec<Hex>,
    record_hash: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysetBody {
    root_keys: Vec<(u32, Digest)>,
    identity_seed: Digest,
    kem_seed: Digest,
    secret_key: Option<Digest>,
    cbor: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    version: u64,
    state: Hex,
    state_hash: Digest,
    identity_key: PublicKey,
    devices: Vec<(DeviceId, PublicKey)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadCode {
    account_id: AccountId,
    state_hash: Digest,
    heads: Vec<(VaultId, u64, Digest)>,
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kit {
    account_id: AccountId,
    recovery_key: Digest,
    secret_key: Digest,
    qr: String,
    qr_with_secret_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalStore {
    master_key: Digest,
    account_id: AccountId,
    device_id: DeviceId,
    key: Digest,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    check_salt(&file.salt)?;
    let hashes: Vec<Digest> = file.parts.parts.iter().map(|part| record_hash(&part.0)).collect();
    same(&parts_hash(&hashes), &file.parts.record_hash, "parts")?;
    check_keyset_body(&file.keyset_body, file.head_code.account_id)?;
    check_states(&file.states)?;
    check_head_code(&file.head_code)?;
    check_kit(&file.kit)?;
    check_local_store(&file.local_store)?;
    same(&prf_input(file.head_code.account_id), file.prf_input.as_bytes(), "prf_input")?;
    Ok(file.states.len() + 7)
}

fn check_salt(given: &Hedging) -> Result<(), Mismatch> {
    let header = given.header_without_salt.0.as_slice();
    let header = header.try_into().map_err(|_| Mismatch::Differs { at: "salt, header length".to_owned() })?;
    let salt = hedged_salt(&secret(&given.key), given.os_random.as_bytes(), header, &given.body.0);
    same(&salt, given.salt.as_bytes(), "salt")
}

fn check_keyset_body(given: &KeysetBody, account_id: AccountId) -> Result<(), Mismatch> {
    let keyset = Keyset::from_body(account_id, &given.cbor.0).at("keyset_body")?;
    for (epoch, key) in &given.root_keys {
        let found = keyset.root_key(*epoch).map(|root_key| as_hex(&root_key.secret));
        same(&found, &Some(*key), format_args!("keyset_body, root key {epoch}"))?;
    }
    same(keyset.identity().seed(), given.identity_seed.as_bytes(), "keyset_body, identity_seed")?;
    same(&as_hex(&keyset.kem_seed().0), &given.kem_seed, "keyset_body, kem_seed")?;
    let secret_key = keyset.secret_key().map(|key| Digest::new(*key.expose()));
    same(&secret_key, &given.secret_key, "keyset_body, secret_key")?;
    same(&*keyset.to_body(), &given.cbor.0, "keyset_body, cbor")
}

fn check_states(links: &[Link]) -> Result<(), Mismatch> {
    let mut previous: Option<State> = None;
    for link in links {
        let at = format!("state {}", link.version);
        let state = State::parse(&link.state.0).at(&at)?;
        state.verify_own_signature().at(&at)?;
        if let Some(previous) = &previous {
            state.verify_follows(previous).at(&at)?;
        }
        same(&state.version, &link.version, format_args!("{at}, version"))?;
        same(&state.hash(), &link.state_hash, format_args!("{at}, hash"))?;
        same(&state.identity_key, &link.identity_key, format_args!("{at}, identity_key"))?;
        same(&state.devices, &link.devices, format_args!("{at}, devices"))?;
        previous = Some(state);
    }
    Ok(())
}

fn check_head_code(given: &HeadCode) -> Result<(), Mismatch> {
    let heads: Vec<(VaultId, Head)> = given
        .heads
        .iter()
        .map(|(vault_id, seq, hash)| (*vault_id, Head { seq: *seq, hash: *hash }))
        .collect();
    same(&head_code(&given.account_id, &given.state_hash, &heads), &given.code, "head_code")
}

fn check_kit(given: &Kit) -> Result<(), Mismatch> {
    for (secret_key, qr) in [(None, &given.qr), (Some(&given.secret_key), &given.qr_with_secret_key)] {
        let kit = RecoveryKit {
            account_id: given.account_id,
            recovery_key: RecoveryKey::from_bytes(given.recovery_key.as_bytes()),
            secret_key: secret_key.map(|key| SecretKey::from_bytes(key.as_bytes())),
        };
        same(&*kit.to_qr_text(), qr, "kit")?;
        let read = RecoveryKit::from_qr_text(qr).map_err(Into::into).at("kit")?;
        same(&*read.to_qr_text(), qr, "kit, read")?;
    }
    Ok(())
}

fn check_local_store(given: &LocalStore) -> Result<(), Mismatch> {
    let master_key = MasterKey { account_id: given.account_id, secret: secret(&given.master_key) };
    same(master_key.local_store_key(given.device_id).expose(), given.key.as_bytes(), "local_store")
}
