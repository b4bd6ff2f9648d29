use std::collections::BTreeMap;

use etui_chain::{
    AccountId, Digest, KdfDescriptor, KeysetEntry, KeysetKind, ROLE_OWNER, Refusal, Refused, Signature,
    State, StateBody, VaultEntry, VaultId,
};
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, MasterPassword, SigningKey, VaultKey, derive_master_key,
    open_keyset, open_vault_key, random_id, seal_keyset, seal_vault_key,
};
use etui_sync::{EngineError, StateFrames, check_unlocked, check_way_in, join};

use super::{
    kit::{Account, Random, keyset_key, vault::successor, wire::Fate},
    scene::{PINNED, Scene},
};

/// A way of unlocking that the attacker has a key for, put into the account's state by whoever cannot sign it.
pub(crate) fn bw01_malicious_auto_enrolment() {
    let mut scene = Scene::new();
    let (enrolled, record) = enrol_attacker(&scene);
    let body = |scene: &Scene| {
        let mut body = successor(&scene.account, &scene.victim);
        body.keysets.push(enrolled);
        body.keysets.sort_unstable_by_key(|entry| entry.id);
        body
    };
    let made_up = body(&scene).sign_with(vec![Signature::new([3; 64])]);
    let mallory = SigningKey::generate(&mut Random::new(710));
    let of_mallory = mallory.sign_state(StateBody { identity_key: mallory.public_key(), ..body(&scene) });
    for (what, state) in [("a signature made up", made_up), ("the attacker's own", of_mallory)] {
        let frames = StateFrames { states: vec![state], named_records: vec![record.clone()] };
        scene.states_are_refused(what, Refusal::StateSignature, frames);
    }
    scene.converges();
}

/// While the account's state is being replaced by its holder: to whom keys are sealed follows from the signed state alone.
pub(crate) fn bw02_malicious_rotation() {
    let mut scene = Scene::new();
    scene.victim.sync(&scene.account, &mut scene.wire);
    let removed = scene.other.engine.device_id();
    scene.victim.wish =
        Some(etui_sync::StateChange { remove_devices: vec![removed], ..etui_sync::StateChange::default() });
    scene.victim.push_state(&scene.account, &mut scene.wire, Fate::RequestLost).expect("nobody kills it");
    let on_its_way = scene.victim.engine.state_in_flight().expect("it is on its way").to_bytes();
    let vault_id = scene.vault_id;
    super::scene::change(&scene.account, &mut scene.victim, vault_id, scene.entry, "mine");

    let (enrolled, record) = enrol_attacker(&scene);
    let mut body = successor(&scene.account, &scene.victim);
    body.keysets.push(enrolled);
    body.keysets.sort_unstable_by_key(|entry| entry.id);
    let mallory = SigningKey::generate(&mut Random::new(711));
    let mut handed_over = body.clone();
    handed_over.identity_key = mallory.public_key();
    let stolen = mallory.sign_handover(&mallory, handed_over);
    let made_up = body.sign_with(vec![Signature::new([4; 64])]);
    for (what, state) in [("with a further key", made_up), ("to another identity", stolen)] {
        let frames = StateFrames { states: vec![state], named_records: vec![record.clone()] };
        scene.states_are_refused(what, Refusal::StateSignature, frames);
    }
    scene.is_refused("confirming another state than the one sent", Refusal::Fork, |_, victim| {
        victim.engine.confirm_state(Digest::of(&[b"another state"]))
    });
    let still = scene.victim.engine.state_in_flight().expect("it is still on its way").to_bytes();
    assert_eq!(still, on_its_way, "what is sent is what was signed here");
    scene.victim.sync(&scene.account, &mut scene.wire);
    assert!(scene.wire.server.newest().device_key(&removed).is_none(), "what was wished for is so");
}

/// Whatever else a server says about an account has no place in what is signed.
pub(crate) fn bw03_forged_organisation() {
    let mut scene = Scene::new();
    let (_, organisation, _) = Account::found(712);
    let organisation_id = *organisation.vaults.keys().next().expect("one");
    let snapshot = organisation.snapshot(organisation_id);
    scene.is_refused("an organisation's vault", Refusal::VaultUnsigned, |_, victim| {
        victim.engine.accept_snapshot(organisation_id, snapshot)
    });
    let honest = scene.state_with(|_| {});
    let with_member = with_unknown_member(honest.as_bytes());
    let refused = State::parse(&with_member).expect_err("a member that is none");
    assert_eq!(refused.refusal, Refusal::Format, "a state has exactly the members that it has");
    scene.converges();
}

pub(crate) fn bw07_kdf_parameters_lowered() {
    let mut scene = Scene::new();
    let KdfParameters { m_kib, t, p } = PINNED;
    for (what, parameters) in [
        ("memory", KdfParameters { m_kib: m_kib - 1, ..PINNED }),
        ("passes", KdfParameters { t: t - 1, ..PINNED }),
        ("lanes", KdfParameters { p: p - 1, ..PINNED }),
    ] {
        let descriptor = parameters.describe([7; 32], false);
        let unsigned = unsigned_state(&scene, |body| body.kdf = descriptor);
        scene.state_is_refused(what, Refusal::StateSignature, unsigned);
        // Even signed by the account: only a person at this device lowers it.
        let signed = scene.state_with(|body| body.kdf = descriptor);
        scene.state_is_refused(what, Refusal::KdfPin, signed);
        let pinned = scene.victim.engine.state().kdf;
        assert_eq!(refusal(CheckedKdf::new(descriptor, Some(&pinned))), Some(Refusal::KdfPin));
    }
    scene.converges();
}

pub(crate) fn lp04_every_kdf_parameter_out_of_bounds() {
    let mut scene = Scene::new();
    let (floor, ceiling) = (KdfParameters::FLOOR, KdfParameters::CEILING);
    for (what, parameters, expected) in [
        ("8 KiB", KdfParameters { m_kib: 8, ..PINNED }, Refusal::KdfFloor),
        ("a KiB below the floor", KdfParameters { m_kib: floor.m_kib - 1, ..PINNED }, Refusal::KdfFloor),
        ("one pass", KdfParameters { t: 1, ..PINNED }, Refusal::KdfFloor),
        ("no pass", KdfParameters { t: 0, ..PINNED }, Refusal::KdfFloor),
        ("no lane", KdfParameters { p: 0, ..PINNED }, Refusal::KdfFloor),
        ("4 TiB", KdfParameters { m_kib: u32::MAX, ..PINNED }, Refusal::KdfCeiling),
        (
            "a KiB above the ceiling",
            KdfParameters { m_kib: ceiling.m_kib + 1, ..PINNED },
            Refusal::KdfCeiling,
        ),
        ("2^32 - 1 passes", KdfParameters { t: u32::MAX, ..PINNED }, Refusal::KdfCeiling),
        ("255 lanes", KdfParameters { p: 255, ..PINNED }, Refusal::KdfCeiling),
    ] {
        let descriptor = parameters.describe([7; 32], false);
        // Nothing can be derived without a checked value, and checking allocates nothing.
        assert_eq!(refusal(CheckedKdf::new(descriptor, None)), Some(expected), "{what}");
        let state = scene.state_with(|body| body.kdf = descriptor);
        scene.state_is_refused(what, expected, state);
    }
    scene.converges();
}

pub(crate) fn bw08_organisation_injected() {
    let mut scene = Scene::new();
    let (_, elsewhere, _) = Account::found(713);
    let planted_id = *elsewhere.vaults.keys().next().expect("one");
    let planted = elsewhere.snapshot(planted_id);
    scene.is_refused("to a device that knows the account", Refusal::VaultUnsigned, |_, victim| {
        victim.engine.accept_snapshot(planted_id, planted)
    });
    let (state, named_records) = scene.wire.server.newest_with_records();
    let snapshots = BTreeMap::from([
        (scene.vault_id, scene.wire.server.snapshot(scene.vault_id)),
        (planted_id, elsewhere.snapshot(planted_id)),
    ]);
    let device_id = random_id(&mut Random::new(714)).expect("random");
    let joined = join(device_id, state, named_records, snapshots);
    assert_eq!(engine_refusal(joined), Some(Refusal::VaultUnsigned), "to a new device");
    scene.converges();
}

/// A vault key of the attacker's, sealed as well as anybody without the root key can, in the place of the account's own.
pub(crate) fn bw09_vault_key_overwritten() {
    let mut scene = Scene::new();
    let (state, mut named_records) = scene.wire.server.newest_with_records();
    let own = state.vaults[0].keys[0].1;
    let sealed = sealed_by_a_stranger(&scene, scene.vault_id);
    let place = named_records.iter().position(|record| etui_chain::record_hash(record) == own);
    named_records[place.expect("it is named")].clone_from(&sealed);
    let snapshots = BTreeMap::from([(scene.vault_id, scene.wire.server.snapshot(scene.vault_id))]);
    let device_id = random_id(&mut Random::new(715)).expect("random");
    let joined = join(device_id, state, named_records, snapshots);
    assert_eq!(engine_refusal(joined), Some(Refusal::KeysetHash), "to a new device");

    let body = unsigned_state(&scene, |body| {
        body.vaults[0].keys = vec![(0, etui_chain::record_hash(&sealed))];
    });
    let frames = StateFrames { states: vec![body], named_records: vec![sealed.clone()] };
    scene.states_are_refused("to a device that knows it", Refusal::StateSignature, frames);
    let opened = open_vault_key(&scene.account.keyset, scene.vault_id, 0, None, &sealed);
    assert_eq!(refusal(opened), Some(Refusal::Commitment), "and it does not open");
    scene.converges();
}

pub(crate) fn bw10_version_downgraded() {
    let mut scene = Scene::new();
    let honest = scene.state_with(|_| {});
    for minimum_suite in 0..=u8::MAX {
        let asked = scene.state_with(|body| body.minimum_suite = minimum_suite);
        let parsed = State::parse(asked.as_bytes()).map(drop);
        let expected = match minimum_suite {
            0 => Some(Refusal::UnknownSuite),
            1 => None,
            _ => Some(Refusal::UnsupportedProtocol),
        };
        assert_eq!(refusal(parsed), expected, "suite {minimum_suite}");
    }
    let schema_at = 10;
    for schema in 0..=0x17_u8 {
        let mut bytes = honest.as_bytes().to_vec();
        assert_eq!(bytes[schema_at], 1, "where the schema stands (`spec/crypto.md`, \"State\")");
        bytes[schema_at] = schema;
        let expected = match schema {
            0 => Some(Refusal::Format),
            1 => None,
            _ => Some(Refusal::UnsupportedProtocol),
        };
        assert_eq!(refusal(State::parse(&bytes)), expected, "schema {schema}");
    }
    scene.state_is_refused("an older state, of an older version of the program", Refusal::StateRollback, {
        scene.wire.server.states[0].clone()
    });
    scene.converges();
}

/// A key that is not there is never made anew.
pub(crate) fn bw11_null_keys() {
    let mut scene = Scene::new();
    let (state, named_records) = scene.wire.server.newest_with_records();
    for place in 0..named_records.len() {
        for (what, record, expected) in
            [("empty", Some(Vec::new()), Refusal::KeysetHash), ("gone", None, Refusal::Missing)]
        {
            let mut records = named_records.clone();
            match record {
                Some(record) => records[place] = record,
                None => drop(records.remove(place)),
            }
            let snapshots = BTreeMap::from([(scene.vault_id, scene.wire.server.snapshot(scene.vault_id))]);
            let device_id = random_id(&mut Random::new(716)).expect("random");
            let joined = join(device_id, state.clone(), records, snapshots);
            assert_eq!(engine_refusal(joined), Some(expected), "key object {place} is {what}");
        }
    }
    for what in ["no keyset", "no key of the vault"] {
        let state = unsigned_state(&scene, |body| match what {
            "no keyset" => body.keysets.clear(),
            _ => body.vaults[0].keys.clear(),
        });
        let parsed = State::parse(state.as_bytes());
        match parsed {
            Ok(state) => scene.state_is_refused(what, Refusal::StateSignature, state),
            Err(refused) => assert_eq!(refused.refusal, Refusal::Format, "{what}"),
        }
    }
    scene.converges();
}

pub(crate) fn bw12_key_objects_truncated() {
    let mut scene = Scene::new();
    let mut random = Random::new(717);
    let account_id = scene.account.keyset.account_id();
    let key = keyset_key(account_id, &mut random);
    let keyset_id = random_id(&mut random).expect("random");
    let sealed = seal_keyset(&key, keyset_id, 1, &scene.account.keyset, &mut random).expect("sealed").bytes;
    for length in 0..sealed.len() {
        let refused = refusal(open_keyset(&key, keyset_id, 1, None, &sealed[..length])).expect("cut short");
        let named = [Refusal::Truncated, Refusal::Format, Refusal::Forged];
        assert!(named.contains(&refused), "{length} bytes of a keyset: {refused:?}");
    }
    let version = scene.victim.engine.state().version;
    let honest = scene.state_with(|body| body.keysets[0].record_hash = etui_chain::record_hash(&sealed));
    for length in [0, 55, 56, 119, 120, 135, 136, sealed.len() - 1] {
        let cut = sealed[..length].to_vec();
        let frames = StateFrames { states: vec![honest.clone()], named_records: vec![cut] };
        scene.states_are_refused("a keyset cut short", Refusal::KeysetHash, frames);
    }
    assert_eq!(scene.victim.engine.state().version, version);
    scene.converges();
}

pub(crate) fn lp01_keys_of_administrators_appended() {
    let mut scene = Scene::new();
    let (_, record) = enrol_attacker(&scene);
    for count in [1, 2, 20] {
        let mut frames = scene.wire.server.states_after(scene.victim.engine.state().version);
        frames.named_records.extend(std::iter::repeat_n(record.clone(), count));
        scene.states_are_refused("keys that no state names", Refusal::KeysetHash, frames);
    }
    let (state, mut named_records) = scene.wire.server.newest_with_records();
    named_records.push(record);
    let snapshots = BTreeMap::from([(scene.vault_id, scene.wire.server.snapshot(scene.vault_id))]);
    let joined = join(random_id(&mut Random::new(718)).expect("random"), state, named_records, snapshots);
    assert_eq!(engine_refusal(joined), Some(Refusal::KeysetHash), "to a new device");
    scene.converges();
}

/// At the making of a vault: its key is sealed under the root key alone, and to nobody's public key.
pub(crate) fn op01_recovery_key_swapped_at_creation() {
    let mut scene = Scene::new();
    let vault_id: VaultId = random_id(&mut Random::new(719)).expect("random");
    let sealed = sealed_by_a_stranger(&scene, vault_id);
    let (head_seq, head_hash) = (0, Digest::ZERO);
    let keys = vec![(0, etui_chain::record_hash(&sealed))];
    let vault = VaultEntry { id: vault_id, role: ROLE_OWNER, epoch: 0, head_seq, head_hash, keys };
    let state = unsigned_state(&scene, |body| {
        body.vaults.push(vault);
        body.vaults.sort_unstable_by_key(|vault| vault.id);
    });
    let frames = StateFrames { states: vec![state], named_records: vec![sealed] };
    scene.states_are_refused("a vault under a key of somebody else", Refusal::StateSignature, frames);

    let mut body = successor(&scene.account, &scene.victim);
    body.keysets[0].record_hash = Digest::of(&[b"somebody else's recovery"]);
    let state = body.sign_with(vec![Signature::new([5; 64])]);
    scene.state_is_refused("another way to recover", Refusal::StateSignature, state);
    scene.converges();
}

pub(crate) fn op03_vault_injected() {
    let mut scene = Scene::new();
    let mut random = Random::new(720);
    let (_, elsewhere, _) = Account::found(721);
    let planted = *elsewhere.vaults.keys().next().expect("one");
    // Sealed under the account's own root key, even: a valid key is no reason to list a vault.
    let key = VaultKey::generate(planted, 0, &mut random);
    let sealed = seal_vault_key(scene.account.keyset.newest_root_key(), &key, &mut random).expect("sealed");
    let (head_seq, head_hash) = (0, Digest::ZERO);
    let keys = vec![(0, sealed.hash)];
    let vault = VaultEntry { id: planted, role: ROLE_OWNER, epoch: 0, head_seq, head_hash, keys };
    let state = unsigned_state(&scene, |body| {
        body.vaults.push(vault);
        body.vaults.sort_unstable_by_key(|vault| vault.id);
    });
    let frames = StateFrames { states: vec![state], named_records: vec![sealed.bytes] };
    scene.states_are_refused("a vault that nobody signed", Refusal::StateSignature, frames);
    let snapshot = elsewhere.snapshot(planted);
    scene.is_refused("its content alone", Refusal::VaultUnsigned, |_, victim| {
        victim.engine.accept_snapshot(planted, snapshot)
    });
    assert!(scene.victim.engine.vault_ids().all(|held| held != planted), "it is not shown");
    scene.converges();
}

pub(crate) fn op04_second_secret_dropped() {
    let mut scene = Scene::new();
    let with = scene.state_with(|body| body.kdf.sk_used = true);
    let mut body = StateBody::clone(&with);
    (body.version, body.previous) = (with.version + 1, with.hash());
    body.kdf = KdfDescriptor { sk_used: false, ..body.kdf };
    let without = scene.account.keyset.identity().sign_state(body);
    assert_eq!(refusal(CheckedKdf::new(without.kdf, Some(&with.kdf))), Some(Refusal::KdfPin));
    let frames = StateFrames { states: vec![with, without], named_records: Vec::new() };
    scene.states_are_refused("the second secret dropped", Refusal::KdfPin, frames);
    scene.converges();
}

/// Nothing pins anything on a new device but the master password: the state is believed for the keyset that it opens.
pub(crate) fn op06_vault_substituted_on_a_new_device() {
    let scene = Scene::new();
    let mut random = Random::new(722);
    let state = scene.wire.server.newest();
    let listed = state.keysets[0];
    let account_id = scene.account.keyset.account_id();
    let stranger = Keyset::generate(account_id, None, &mut random);
    let key_of_stranger = keyset_key(account_id, &mut random);
    let foreign =
        seal_keyset(&key_of_stranger, listed.id, listed.version, &stranger, &mut random).expect("sealed");

    let way_in = check_way_in(state, listed.id, listed.kind, foreign.hash, Some(&state.kdf));
    assert_eq!(refusal(way_in), Some(Refusal::KeysetHash), "before anything is opened");
    let own_key = keyset_key(account_id, &mut random);
    let opened = open_keyset(&own_key, listed.id, listed.version, None, &foreign.bytes);
    assert_eq!(refusal(opened), Some(Refusal::Commitment), "and the password does not open it");

    // A state of the attacker's, which names that keyset: whoever opens it has another identity in it.
    let mut body = successor(&scene.account, &scene.victim);
    body.keysets[0].record_hash = foreign.hash;
    let theirs =
        stranger.identity().sign_state(StateBody { identity_key: stranger.identity().public_key(), ..body });
    let check = |keyset: &Keyset, state: &State| {
        check_unlocked(state, keyset, listed.id, listed.kind, state.keysets[0].record_hash, Some(&state.kdf))
    };
    assert_eq!(refusal(check(&scene.account.keyset, &theirs)), Some(Refusal::StateSignature));
    assert_eq!(refusal(check(&stranger, state)), Some(Refusal::StateSignature));
    scene.converges();
}

pub(crate) fn dl04_settings_lower_the_kdf() {
    let mut scene = Scene::new();
    let one = KdfParameters { m_kib: 8, t: 1, p: 1 }.describe([7; 32], false);
    let settings = unsigned_state(&scene, |body| {
        body.kdf = one;
        body.settings_hash = Some(Digest::of(&[b"settings of the server's"]));
    });
    scene.state_is_refused("settings that nobody signed", Refusal::StateSignature, settings);
    scene.converges();
}

/// Not even a password of exactly as many bytes as one key has, or two: every password goes through the derivation.
pub(crate) fn dl06_password_bytes_are_never_a_key() {
    let mut random = Random::new(723);
    let account_id: AccountId = random_id(&mut random).expect("random");
    let kdf = CheckedKdf::new(KdfParameters::FLOOR.describe([9; 32], false), None).expect("in bounds");
    let keyset = Keyset::generate(account_id, None, &mut random);
    let keyset_id = random_id(&mut random).expect("random");
    let mut keys = Vec::new();
    for length in [32, 64] {
        let password = MasterPassword::new(&"a".repeat(length)).expect("it can be typed");
        let derived = derive_master_key(&password, None, &kdf, account_id).expect("it derives");
        keys.push(KeysetKey::from_master(&derived));
    }
    let sealed = seal_keyset(&keys[0], keyset_id, 1, &keyset, &mut random).expect("sealed").bytes;
    let opened = open_keyset(&keys[1], keyset_id, 1, None, &sealed);
    assert_eq!(refusal(opened), Some(Refusal::Commitment), "twice the password is another password");
    open_keyset(&keys[0], keyset_id, 1, None, &sealed).expect("the same password opens it");
}

pub(crate) fn sy09_any_key_object_replaced() {
    let mut scene = Scene::new();
    let (state, named_records) = scene.wire.server.newest_with_records();
    for place in 0..named_records.len() {
        for other in (0..named_records.len()).filter(|other| *other != place) {
            let mut records = named_records.clone();
            records[place].clone_from(&named_records[other]);
            let snapshots = BTreeMap::from([(scene.vault_id, scene.wire.server.snapshot(scene.vault_id))]);
            let device_id = random_id(&mut Random::new(724)).expect("random");
            let joined = join(device_id, state.clone(), records, snapshots);
            let refused = engine_refusal(joined).expect("one key in the place of another");
            assert!([Refusal::KeysetHash, Refusal::Missing].contains(&refused), "{place}: {refused:?}");
        }
        let mut altered = named_records.clone();
        *altered[place].last_mut().expect("bytes") ^= 1;
        let newer = scene.state_with(|body| body.time_ms += 1);
        let frames = StateFrames { states: vec![newer], named_records: vec![altered[place].clone()] };
        scene.states_are_refused("an altered key", Refusal::KeysetHash, frames);
    }
    scene.converges();
}

/// A keyset of the attacker's for the account, with an entry for it in the state.
fn enrol_attacker(scene: &Scene) -> (KeysetEntry, Vec<u8>) {
    let mut random = Random::new(730);
    let account_id = scene.account.keyset.account_id();
    let key = keyset_key(account_id, &mut random);
    let id = random_id(&mut random).expect("random");
    let keyset = Keyset::generate(account_id, None, &mut random);
    let sealed = seal_keyset(&key, id, 1, &keyset, &mut random).expect("sealed");
    (KeysetEntry { id, kind: KeysetKind::Recovery, version: 1, record_hash: sealed.hash }, sealed.bytes)
}

/// A vault's key, sealed under a root key that is not the account's.
fn sealed_by_a_stranger(scene: &Scene, vault_id: VaultId) -> Vec<u8> {
    let mut random = Random::new(731);
    let stranger = Keyset::generate(scene.account.keyset.account_id(), None, &mut random);
    let key = VaultKey::generate(vault_id, 0, &mut random);
    seal_vault_key(stranger.newest_root_key(), &key, &mut random).expect("sealed").bytes
}

/// What the server would like the account to be, as far as it can sign it.
fn unsigned_state(scene: &Scene, alter: impl FnOnce(&mut StateBody)) -> State {
    let mut body = successor(&scene.account, &scene.victim);
    alter(&mut body);
    body.sign_with(vec![Signature::new([6; 64])])
}

/// The same state with one more member in its map: `"policy": 1`.
fn with_unknown_member(state: &[u8]) -> Vec<u8> {
    const MEMBER: &[u8] = &[0x66, b'p', b'o', b'l', b'i', b'c', b'y', 0x01];
    let length = u32::from_be_bytes(state[4..8].try_into().expect("four bytes")) as usize;
    let (body, rest) = state[8..].split_at(length);
    let mut body = body.to_vec();
    assert_eq!(body[0] & 0xe0, 0xa0, "a short map");
    body[0] += 1;
    body.extend_from_slice(MEMBER);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&state[..4], &length, &body, rest].concat()
}

fn refusal<T>(result: Result<T, Refused>) -> Option<Refusal> {
    result.err().map(|refused| refused.refusal)
}

fn engine_refusal<T>(result: Result<T, EngineError>) -> Option<Refusal> {
    match result {
        Ok(_) => None,
        Err(EngineError::Refused(refused)) => Some(refused.refusal),
        Err(error) => panic!("{error}"),
    }
}
