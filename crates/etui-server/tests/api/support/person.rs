//! A person with one device and one vault: signs what an honest client would, seals nothing.

use ed25519_dalek::{Signer as _, SigningKey};
use etui_api::{
    account::SignUp,
    frame::{Frame, FrameWriter},
    session::{LoginProof, SignIn},
    sync::encode_header,
};
use etui_chain::{
    AccountId, Change, Commit, CommitDraft, DeviceId, Digest, Id, KdfDescriptor, KeysetEntry, KeysetId,
    KeysetKind, LAST_PART, Ledger, ObjectId, Op, PublicKey, ROLE_OWNER, RecordHeader, RecordType, SCHEMA,
    SUITE, Signature, State, StateBody, VaultEntry, VaultId, record_hash,
};

/// See the module. The number given to [`Person::new`] makes every id, key and secret, so that snapshots stay.
pub(crate) struct Person {
    number: u8,
    pub(crate) email: String,
    pub(crate) account_id: AccountId,
    pub(crate) device_id: DeviceId,
    pub(crate) vault_id: VaultId,
    pub(crate) state: State,
    pub(crate) ledger: Ledger,
    pub(crate) named_records: Vec<Vec<u8>>,
    first_commit: Commit,
    first_records: Vec<Vec<u8>>,
    identity: SigningKey,
    device: SigningKey,
}

impl Person {
    pub(crate) fn new(number: u8) -> Self {
        let id = |role: u8| Id::new([role, number, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]).unwrap();
        let (account_id, device_id, vault_id) = (id(1), id(2), id(3));
        let (identity, device) =
            (SigningKey::from_bytes(&[number | 0x40; 32]), SigningKey::from_bytes(&[number | 0x80; 32]));
        let keyset = sealed(RecordType::Keyset, account_id, id(4), 1);
        let vault_key = sealed(RecordType::VaultKey, account_id, vault_id, 0);
        let body = StateBody {
            account_id: account_id.into(),
            version: 1,
            previous: Digest::ZERO,
            time_ms: 1_800_000_000_000,
            identity_key: public(&identity),
            kdf: KdfDescriptor { salt: [number; 32], m_kib: 65_536, t: 3, p: 4, sk_used: false },
            keysets: vec![KeysetEntry {
                id: KeysetId::from(id(4)),
                kind: KeysetKind::Master,
                version: 1,
                record_hash: record_hash(&keyset),
            }],
            devices: vec![(device_id.into(), public(&device))],
            vaults: vec![VaultEntry {
                id: vault_id.into(),
                role: ROLE_OWNER,
                epoch: 0,
                head_seq: 0,
                head_hash: Digest::ZERO,
                keys: vec![(0, record_hash(&vault_key))],
            }],
            minimum_suite: SUITE,
            settings_hash: None,
        };
        let state = sign_state(body, &identity);
        let settings = sealed(RecordType::VaultSettings, vault_id, vault_id, 1);
        let ledger = Ledger::empty(vault_id.into());
        let changes = vec![put(vault_id.into(), 1, &settings)];
        let first_commit = commit(&ledger, &state, device_id.into(), &device, changes);
        Self {
            number,
            email: format!("person{number}@example.org"),
            account_id: account_id.into(),
            device_id: device_id.into(),
            vault_id: vault_id.into(),
            ledger: ledger.advance(&first_commit, &state).unwrap(),
            state,
            named_records: vec![keyset, vault_key],
            first_commit,
            first_records: vec![settings],
            identity,
            device,
        }
    }

    pub(crate) fn proof(&self) -> LoginProof {
        LoginProof::new([self.number; 32])
    }

    pub(crate) fn sign_in(&self) -> SignIn {
        SignIn { email: self.email.clone(), login_proof: self.proof(), device_id: self.device_id }
    }

    /// The body of a sign-up.
    pub(crate) fn sign_up_frames(&self) -> Vec<Frame> {
        self.sign_up_frames_with(|_| ())
    }

    /// The same with another header.
    pub(crate) fn sign_up_frames_with(&self, adjust: impl FnOnce(&mut SignUp)) -> Vec<Frame> {
        let mut header = SignUp::with_login_proof(self.email.clone(), self.proof(), self.device_id);
        adjust(&mut header);
        let mut frames =
            vec![Frame::Header(encode_header(&header)), Frame::State(self.state.as_bytes().to_vec())];
        frames.extend(self.named_records.iter().cloned().map(Frame::NamedRecord));
        frames.extend(commit_frames(&self.first_commit, &self.first_records));
        frames
    }

    /// The next commit of the vault; [`Self::accept`] it once the server has.
    pub(crate) fn commit(&self, changes: Vec<Change>) -> Commit {
        commit(&self.ledger, &self.state, self.device_id, &self.device, changes)
    }

    /// A commit that puts one new entry, with its record.
    pub(crate) fn entry(&self, number: u8) -> (Commit, Vec<Vec<u8>>) {
        let record = record(self.vault_id, object(number), 1);
        (self.commit(vec![put(object(number), 1, &record)]), vec![record])
    }

    pub(crate) fn accept(&mut self, commit: &Commit) {
        self.ledger = self.ledger.advance(commit, &self.state).unwrap();
    }

    /// The state that follows, with the vault's head as it is known here.
    pub(crate) fn next_state(&self) -> State {
        self.next_state_with(|_| ())
    }

    /// The same with a change besides.
    pub(crate) fn next_state_with(&self, change: impl FnOnce(&mut StateBody)) -> State {
        let mut body = (*self.state).clone();
        body.version += 1;
        body.previous = self.state.hash();
        body.vaults[0].head_seq = self.ledger.head().seq;
        body.vaults[0].head_hash = self.ledger.head().hash;
        change(&mut body);
        sign_state(body, &self.identity)
    }
}

/// The frames of a push.
pub(crate) fn commit_frames(commit: &Commit, records: &[Vec<u8>]) -> Vec<Frame> {
    let mut frames = vec![Frame::Commit(commit.as_bytes().to_vec())];
    frames.extend(records.iter().cloned().map(Frame::Record));
    frames
}

/// The body that carries frames.
pub(crate) fn body(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    for frame in frames {
        writer.push(frame);
    }
    writer.finish()
}

pub(crate) fn object(number: u8) -> ObjectId {
    ObjectId::new([number, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]).unwrap()
}

/// An entry's record: well formed, with noise where the sealed text would be.
pub(crate) fn record(vault_id: VaultId, object_id: ObjectId, version: u64) -> Vec<u8> {
    sealed(RecordType::Entry, vault_id.into(), object_id.into(), version)
}

pub(crate) fn put(object_id: ObjectId, version: u64, record: &[u8]) -> Change {
    Change { object_id, version, op: Op::Put, record_hash: record_hash(record) }
}

fn sealed(record_type: RecordType, container_id: Id, object_id: Id, version: u64) -> Vec<u8> {
    let header = RecordHeader {
        record_type,
        schema: SCHEMA,
        container_id,
        object_id,
        version,
        epoch: 0,
        part: LAST_PART,
        salt: [5; 32],
    };
    [header.to_bytes().as_slice(), &[0xab; 32 + 512 + 16]].concat()
}

fn commit(
    ledger: &Ledger,
    state: &State,
    device_id: DeviceId,
    device: &SigningKey,
    changes: Vec<Change>,
) -> Commit {
    let head = ledger.head();
    let mut draft = CommitDraft {
        vault_id: ledger.vault_id(),
        seq: head.seq + 1,
        prev_hash: head.hash,
        epoch: 0,
        device_id,
        time_ms: 1_800_000_000_000,
        state_hash: state.hash(),
        changes,
        root: Digest::ZERO,
        live: 0,
    };
    let live = ledger.live().after(&draft.changes).unwrap();
    draft.root = live.root();
    draft.live = u32::try_from(live.len()).unwrap();
    let signature = device.sign(&draft.signing_message()).to_bytes();
    draft.sign_with(Signature::new(signature))
}

fn sign_state(body: StateBody, identity: &SigningKey) -> State {
    let signature = identity.sign(&body.signing_message()).to_bytes();
    body.sign_with(vec![Signature::new(signature)])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.verifying_key().to_bytes())
}
