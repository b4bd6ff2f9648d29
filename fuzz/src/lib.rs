//! What each decoder of untrusted bytes promises for any bytes at all: it takes them or refuses them by a name, in bounded memory,
//! without a panic; and what it takes it writes again as it was, where a format has one form.

use std::{cell::RefCell, fs, path::PathBuf};

use etui_api::{
    account::{Keysets, SignUp},
    frame::{Frame, FrameReader, FrameWriter},
    sync::{PullHeader, StatesHeader, decode_header},
};
use etui_chain::{Commit, RecordHeader, State, VaultId};
use etui_crypto::{RandomSource, RecoveryKit, VaultKey, open_entry, secret_from_words};
use etui_sync::{InFlight, Pending, StateInFlight};
use etui_vault::{AccountSettings, Entry, OneTimePassword, VaultSettings};

/// A record, by whoever has the key of the vault and looks for the object that the record names.
pub fn record(bytes: &[u8]) {
    let Ok(header) = RecordHeader::parse(bytes) else { return };
    assert_eq!(header.to_bytes()[..], bytes[..RecordHeader::BYTES], "a header has one form");
    let Ok(vault_id) = VaultId::new(*header.container_id.as_bytes()) else { return };
    let key = VaultKey::generate(vault_id, header.epoch, &mut Zeros);
    let opened = open_entry(&key, header.object_id.into(), header.version, None, bytes);
    assert!(opened.is_err(), "nobody has sealed anything under this key");
}

/// A commit.
pub fn commit(bytes: &[u8]) {
    if let Ok(commit) = Commit::parse(bytes) {
        assert_eq!(commit.as_bytes(), bytes, "a commit has one form");
    }
}

/// A state of an account.
pub fn state(bytes: &[u8]) {
    let Ok(state) = State::parse(bytes) else { return };
    assert_eq!(state.as_bytes(), bytes);
    let signatures = bytes[bytes.len() - 64..].try_into().map(etui_chain::Signature::new);
    let again = (*state).clone().sign_with(vec![signatures.expect("a state ends with a signature")]);
    let body_ends = 8 + u32::from_be_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
    assert_eq!(again.as_bytes()[..body_ends], bytes[..body_ends], "a state's body has one form");
    let _ = state.verify_own_signature();
}

/// What a keyset says, once it has been opened.
pub fn keyset(bytes: &[u8]) {
    if let Ok(again) = etui_crypto::vectors::read_keyset_body(bytes) {
        assert_eq!(again[..], *bytes, "a keyset has one form");
    }
}

/// A sequence of frames, whole and as it arrives in pieces.
pub fn frames(bytes: &[u8]) {
    let whole = FrameReader::read_all(bytes);
    let mut reader = FrameReader::new();
    let mut in_pieces = Vec::new();
    let taken = bytes.chunks(7).try_for_each(|piece| {
        reader.feed(piece);
        while let Some(frame) = reader.next_frame()? {
            in_pieces.push(frame);
        }
        Ok::<(), etui_chain::Refused>(())
    });
    let in_pieces = taken.and_then(|()| reader.finish()).map(|()| in_pieces);
    assert_eq!(whole.is_ok(), in_pieces.is_ok(), "it makes no difference how bytes arrive");
    if let Ok(frames) = whole {
        let mut writer = FrameWriter::new();
        frames.iter().for_each(|frame| writer.push(frame));
        assert_eq!(writer.finish(), bytes, "a sequence has one form");
    }
}

/// The maps that introduce messages.
pub fn headers(bytes: &[u8]) {
    let _ = decode_header::<PullHeader>(bytes);
    let _ = decode_header::<StatesHeader>(bytes);
    let _ = decode_header::<SignUp>(bytes);
}

/// Rows of a device's own store: what waits, and what is on its way.
pub fn rows(bytes: &[u8]) {
    if let Ok(pending) = Pending::from_bytes(bytes) {
        let again = Pending::from_bytes(&pending.to_bytes()).expect("what was written is read");
        assert_eq!(again, pending);
    }
    if let Ok(in_flight) = InFlight::from_bytes(bytes) {
        InFlight::from_bytes(&in_flight.to_bytes()).expect("what was written is read");
    }
    if let Ok(in_flight) = StateInFlight::from_bytes(bytes) {
        StateInFlight::from_bytes(&in_flight.to_bytes()).expect("what was written is read");
    }
}

/// A backup's file: what stands behind its first line, or one state alone.
pub fn backup(bytes: &[u8]) {
    thread_local! {
        static FILE: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
    }
    FILE.with_borrow_mut(|file| {
        let (_, path) = file.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("backup.etui");
            (folder, path)
        });
        let content = if FrameReader::read_all(bytes).is_ok() { bytes.to_vec() } else { only_state(bytes) };
        fs::write(&*path, [b"etui backup 1\n", &content[..]].concat()).expect("a file");
        let _ = etui_client::verify_backup(path, None, None);
    });
}

fn only_state(bytes: &[u8]) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    writer.push(&Frame::State(bytes));
    writer.finish()
}

/// What an entry or settings say, once they have been opened; and two of them joined.
pub fn entry(bytes: &[u8]) {
    let _ = VaultSettings::decode(bytes);
    let _ = AccountSettings::decode(bytes);
    let (ours, theirs) = bytes.split_at(bytes.len() / 2);
    if let Ok(entry) = Entry::decode(bytes) {
        let body = entry.encode().expect("what was read is written");
        assert_eq!(Entry::decode(&body).expect("and read again"), entry);
    }
    if let (Ok(ours), Ok(theirs)) = (Entry::decode(ours), Entry::decode(theirs)) {
        let merged = etui_vault::merge(None, &ours, &theirs, 1);
        let _ = merged.entry.encode();
    }
}

/// What a person types, scans or imports.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = secret_from_words(text);
    if let Ok(kit) = RecoveryKit::from_qr_text(text) {
        assert_eq!(*kit.to_qr_text(), text, "a kit has one form");
    }
    let _ = OneTimePassword::parse(text);
    for line in etui_vault::import::parse(text) {
        let _ = line;
    }
}

/// Documents of the API.
pub fn json(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Keysets>(bytes);
    let _ = serde_json::from_slice::<etui_api::Problem>(bytes);
    let _ = serde_json::from_slice::<etui_api::account::Devices>(bytes);
    let _ = serde_json::from_slice::<etui_api::session::Session>(bytes);
}

/// No randomness: a key that is the same each time.
struct Zeros;

impl RandomSource for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
