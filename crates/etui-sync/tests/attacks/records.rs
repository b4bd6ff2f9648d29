use etui_chain::{Change, Commit, Digest, Head, Op, RecordHeader, Refusal, State};
use etui_crypto::{RandomSource as _, open_entry};
use etui_sync::Pull;

use super::{
    kit::{Account, Random, wire::Wire},
    scene::{Scene, body, resign, with_root},
};

/// Byte offsets in a record's header (`spec/crypto.md`, "Record").
const SUITE: usize = 4;
const TYPE: usize = 5;
const OBJECT: std::ops::Range<usize> = 24..40;
const VERSION: usize = 47;
/// The last byte of the time in a commit ("Commit").
const TIME: usize = 4 + 16 + 8 + 32 + 4 + 16 + 7;

/// Type and version stand in the header, and the header is under the signature and the seal; nothing else is in clear.
pub(crate) fn bw04_type_and_version_rewritten() {
    let mut scene = Scene::new();
    for (what, offset, refusal) in
        [("type", TYPE, Refusal::Format), ("version", VERSION, Refusal::WrongContext)]
    {
        let mut pull = scene.pull();
        let place = place_of_entry(&scene, &pull);
        pull.records[place][offset] ^= 0x40;
        scene.pull_is_refused(what, refusal, pull);
    }
    let mut pull = scene.pull();
    let last = pull.commits.last_mut().expect("one");
    let mut bytes = last.as_bytes().to_vec();
    bytes[TIME] ^= 1;
    *last = Commit::parse(&bytes).expect("its form is right");
    pull.header.head.hash = last.hash();
    scene.pull_is_refused("another time in a commit", Refusal::Forged, pull);
    scene.converges();
}

pub(crate) fn bw05_record_swapped_with_another() {
    let mut scene = Scene::new();
    let mut pull = scene.pull();
    pull.records[0] = pull.records.remove(1);
    pull.records.push(pull.records[0].clone());
    scene.pull_is_refused("one entry's record in the place of another's", Refusal::WrongContext, pull);

    // What is in clear rewritten to fit: the hash in the commit notices, and without it the seal.
    let mut pull = scene.pull();
    let place = place_of_entry(&scene, &pull);
    let fitted = [&pull.records[place][..56], &pull.records[1 - place][56..]].concat();
    let (_, header) = entry_record(&scene);
    assert_eq!(refusal_of(&scene.account, &header, &fitted), Refusal::Commitment);
    pull.records[place] = fitted;
    scene.pull_is_refused("with everything in clear rewritten", Refusal::Forged, pull);
    scene.converges();
}

/// Against whoever holds the right key and has no hash of the record: the seal alone stands.
pub(crate) fn lp02_every_byte_of_a_record_altered() {
    let scene = Scene::new();
    let (record, header) = entry_record(&scene);
    for offset in 0..record.len() {
        let mut altered = record.clone();
        altered[offset] ^= 0x80;
        let refusal = refusal_of(&scene.account, &header, &altered);
        let expected = match offset {
            SUITE => Refusal::UnknownSuite,
            0..8 => Refusal::Format,
            8..56 => Refusal::WrongContext,
            56..120 => Refusal::Commitment,
            _ => Refusal::Forged,
        };
        assert_eq!(refusal, expected, "byte {offset}");
    }
    for length in 0..record.len() {
        let refusal = refusal_of(&scene.account, &header, &record[..length]);
        let allowed = [Refusal::Truncated, Refusal::Format, Refusal::Forged];
        assert!(allowed.contains(&refusal), "{length} bytes of it: {refusal:?}");
    }
    for cut in [16, 64, 256] {
        let spliced = [&record[..record.len() - cut], &record[120..120 + cut]].concat();
        assert_eq!(refusal_of(&scene.account, &header, &spliced), Refusal::Forged);
    }
    scene.converges();
}

/// No ciphertext is the alteration of another: each bit counts.
pub(crate) fn lp05_record_bits_flipped() {
    let mut scene = Scene::new();
    let (record, header) = entry_record(&scene);
    for bit in 0..64 * 8 {
        let mut altered = record.clone();
        altered[120 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refusal_of(&scene.account, &header, &altered), Refusal::Forged, "bit {bit}");
    }
    let mut pull = scene.pull();
    let place = place_of_entry(&scene, &pull);
    pull.records[place][120] ^= 1;
    scene.pull_is_refused("one bit", Refusal::Forged, pull);
    scene.converges();
}

pub(crate) fn op02_record_copied_to_a_new_id() {
    let mut scene = Scene::new();
    let mut pull = scene.pull();
    let mut copy = pull.records[0].clone();
    copy[OBJECT][15] ^= 1;
    pull.records.push(copy.clone());
    scene.pull_is_refused("a copy that nothing lists", Refusal::Extra, pull);

    // Listed by somebody who may sign: the seal still holds the record in its place.
    let copied = RecordHeader::parse(&copy).expect("its form is right");
    let key = scene.account.vault_keys.get(scene.vault_id, copied.epoch).expect("it is there");
    let opened = open_entry(key, copied.object_id.into(), copied.version, None, &copy);
    assert_eq!(opened.expect_err("a copy").refusal, Refusal::Commitment);
    scene.converges();
}

pub(crate) fn dl01_records_dropped_repeated_reordered() {
    let mut scene = Scene::new();
    for (what, refusal, alter) in [
        ("a record dropped", Refusal::Missing, (|pull| drop(pull.records.pop())) as fn(&mut Pull)),
        ("a record repeated", Refusal::Extra, |pull| pull.records.push(pull.records[0].clone())),
        ("a commit dropped", Refusal::Missing, |pull| drop(pull.commits.remove(0))),
        ("a commit repeated", Refusal::Extra, |pull| pull.commits.push(pull.commits[1].clone())),
        ("commits reordered", Refusal::Missing, |pull| pull.commits.reverse()),
    ] {
        let mut pull = scene.pull();
        alter(&mut pull);
        scene.pull_is_refused(what, refusal, pull);
    }
    let branch = scene.pull_with(|draft| draft.prev_hash = Digest::of(&[b"another history"]));
    scene.pull_is_refused("a history without what was shown before", Refusal::Fork, branch);
    scene.converges();
}

/// Whatever is altered, the device behaves alike: it refuses, keeps what it has, and has nothing to send because of it.
pub(crate) fn dl03_ten_thousand_mutated_records() {
    const MUTATIONS: usize = 10_000;
    let mut scene = Scene::new();
    let (record, header) = entry_record(&scene);
    let mut random = Random::new(700);
    for round in 0..MUTATIONS {
        let mut altered = record.clone();
        let mut draw = [0; 3];
        random.fill(&mut draw);
        let offset = 120 + usize::from(u16::from_be_bytes([draw[0], draw[1]])) % (record.len() - 120);
        altered[offset] ^= draw[2].max(1);
        assert_eq!(refusal_of(&scene.account, &header, &altered), Refusal::Forged, "{round}: byte {offset}");
    }
    for offset in [120, 300, record.len() - 1] {
        let mut pull = scene.pull();
        let place = place_of_entry(&scene, &pull);
        pull.records[place][offset] ^= 0x20;
        scene.pull_is_refused("a mutated record", Refusal::Forged, pull);
    }
    scene.converges();
}

pub(crate) fn dl05_settings_ask_for_no_suite() {
    let mut scene = Scene::new();
    for suite in (0..=u8::MAX).filter(|suite| *suite != 1) {
        let mut pull = scene.pull();
        let place = place_of_entry(&scene, &pull);
        pull.records[place][SUITE] = suite;
        scene.pull_is_refused("a suite that is none", Refusal::UnknownSuite, pull);
    }
    for minimum_suite in [0, 2] {
        let made = scene.state_with(|body| body.minimum_suite = minimum_suite);
        let refusal = State::parse(made.as_bytes()).expect_err("no such suite").refusal;
        let expected = if minimum_suite == 0 { Refusal::UnknownSuite } else { Refusal::UnsupportedProtocol };
        assert_eq!(refusal, expected, "even signed by the account itself");
    }
    scene.converges();
}

pub(crate) fn sy06_record_of_another_account() {
    let mut scene = Scene::new();
    let theirs = record_of_a_stranger();
    let mut pull = scene.pull();
    let place = place_of_entry(&scene, &pull);
    pull.records[place].clone_from(&theirs);
    scene.pull_is_refused("another account's record", Refusal::WrongContext, pull);

    // With every id rewritten to fit: only the key of that account opens it.
    let (own, header) = entry_record(&scene);
    let fitted = [&own[..56], &theirs[56..]].concat();
    assert_eq!(refusal_of(&scene.account, &header, &fitted), Refusal::Commitment);
    let mut pull = scene.pull();
    pull.records[place] = fitted;
    scene.pull_is_refused("with the ids rewritten", Refusal::Forged, pull);

    // Listed in a commit of the account, even: what a thief of a device's key could sign.
    let mut pull = scene.pull();
    let last = pull.commits.last().expect("one").clone();
    let leaves = scene.other.engine.leaves(&scene.vault_id).to_vec();
    let object_id = RecordHeader::parse(&theirs).expect("its form is right").object_id.into();
    let record_hash = etui_chain::record_hash(&theirs);
    let listed = resign(&last, &scene.other.key, |draft| {
        (draft.seq, draft.prev_hash) = (last.seq + 1, last.hash());
        draft.changes = vec![Change { object_id, version: 1, op: Op::Put, record_hash }];
        *draft = with_root(draft.clone(), &leaves);
    });
    pull.header.head = Head { seq: listed.seq, hash: listed.hash() };
    pull.commits.push(listed);
    pull.records.push(theirs);
    scene.pull_is_refused("listed", Refusal::WrongContext, pull);
    scene.converges();
}

/// The first version of an entry of another account.
fn record_of_a_stranger() -> Vec<u8> {
    let (account, server, mut device) = Account::found(900);
    let mut wire = Wire::to(server);
    let body = body(&account, "a stranger's");
    let object_id = device.create(&account, account.vault_id, &body).expect("nobody kills it");
    device.sync(&account, &mut wire);
    wire.server.vaults[&account.vault_id].records[&object_id].clone()
}

/// The newest record of the scene's entry as the server has it, and its header.
fn entry_record(scene: &Scene) -> (Vec<u8>, RecordHeader) {
    let record = scene.wire.server.vaults[&scene.vault_id].records[&scene.entry].clone();
    let header = RecordHeader::parse(&record).expect("an honest record");
    assert!(record.len() >= 120 + body(&scene.account, "first").len());
    (record, header)
}

fn place_of_entry(scene: &Scene, pull: &Pull) -> usize {
    let is_entry = |record: &Vec<u8>| record[OBJECT] == *scene.entry.as_bytes();
    pull.records.iter().position(is_entry).expect("it was changed")
}

/// By what a record is refused that should be the one of this header, for whoever has the key.
fn refusal_of(account: &Account, expected: &RecordHeader, record: &[u8]) -> Refusal {
    let key = account.vault_keys.get(account.vault_id, expected.epoch).expect("it is there");
    let opened = open_entry(key, expected.object_id.into(), expected.version, None, record);
    opened.expect_err("it was altered").refusal
}
